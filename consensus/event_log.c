/* Records of events and outcomes, written and read. Nothing here decides anything: replay.c compares. */
#include <xxhash.h>

#include "giro/event_log.h"

#define HEADER_BYTES sizeof(struct giro_event_record_header)
#define TIMES_BYTES  16u

/* What each fixed event body is, behind the two times. */
struct signed_body {
    uint8_t is_timeout, refused;
    uint16_t reject;
    uint32_t reserved;
    struct giro_vote vote;
    struct giro_timeout_header timeout;
};
GIRO_WIRE_SIZE(signed_body, 280);
struct verdict_body {
    uint32_t slot;
    uint8_t valid;
    uint8_t reserved[3];
    struct giro_hash batch_id;
};
GIRO_WIRE_SIZE(verdict_body, 40);
struct executed_body {
    uint64_t height, next_due_ns;
    struct giro_hash state_root, ledger_root;
    uint32_t repeated_frames[GIRO_BLOCK_REFERENCES_MAX];
    uint8_t checkpoint, zeros[7];
};
GIRO_WIRE_SIZE(executed_body, 216);
struct checkpointed_body {
    uint64_t height;
    struct giro_hash image_root;
};
GIRO_WIRE_SIZE(checkpointed_body, 40);

/* ---- Header ---------------------------------------------------------------------------------------- */

static uint64_t header_checksum(const struct giro_event_log_header *header)
{
    return XXH3_64bits(header, offsetof(struct giro_event_log_header, checksum));
}

struct giro_event_log_header
giro_event_log_header_make(const struct giro_consensus_options *options, size_t scratch_bytes)
{
    struct giro_event_log_header header = {.head = giro_head_make(GIRO_KIND_EVENT_LOG),
                                           .chain_id = options->chain_id,
                                           .epoch = options->epoch,
                                           .blocks_max = options->blocks_max,
                                           .batches_max = options->batches_max,
                                           .scratch_bytes = scratch_bytes,
                                           .replica = (uint16_t)options->self};
    memcpy(header.nonce, options->nonce, sizeof(header.nonce));
    header.checksum = header_checksum(&header);
    return header;
}

enum giro_reject giro_event_log_header_decode(const void *bytes, size_t size_bytes,
                                              struct giro_event_log_header *header)
{
    if (size_bytes < sizeof(*header))
        return GIRO_REJECT_TRUNCATED;
    memcpy(header, bytes, sizeof(*header));
    if (header->head.magic != GIRO_MAGIC)
        return GIRO_REJECT_MAGIC;
    if (header->head.kind != GIRO_KIND_EVENT_LOG)
        return GIRO_REJECT_KIND;
    if (header->head.version != GIRO_VERSION)
        return GIRO_REJECT_VERSION;
    return header_checksum(header) == header->checksum ? GIRO_REJECT_NONE : GIRO_REJECT_CHECKSUM;
}

/* ---- Writing --------------------------------------------------------------------------------------- */

uint64_t giro_event_record_checksum(const struct giro_event_record_header *header,
                                    const uint8_t *body)
{
    const uint64_t front = XXH3_64bits_withSeed(header, 16, header->sequence);
    const uint64_t sizes = XXH3_64bits_withSeed(&header->body_bytes, 8, front);
    return XXH3_64bits_withSeed(body, header->body_bytes, sizes);
}

/* The body is in place: puts zeros behind it, the header in front, and the magic last. */
static void record_close(uint8_t *out, struct giro_event_record_header *header)
{
    const size_t end = HEADER_BYTES + header->body_bytes;
    memset(out + end, 0, giro_align_up(end, 8) - end);
    header->magic = GIRO_MAGIC;
    header->checksum = giro_event_record_checksum(header, out + HEADER_BYTES);
    memcpy(out + 4, (const uint8_t *)header + 4, HEADER_BYTES - 4);
    __atomic_store_n((uint32_t *)(void *)out, GIRO_MAGIC, __ATOMIC_RELEASE);
}

static enum giro_event_record_kind record_kind(enum giro_event_kind kind)
{
    switch (kind) {
    case GIRO_EVENT_RECOVER_SAFETY:
        return GIRO_EVENT_RECORD_RECOVER_SAFETY;
    case GIRO_EVENT_RECOVER_RECORD:
        return GIRO_EVENT_RECORD_RECOVER_RECORD;
    case GIRO_EVENT_START:
        return GIRO_EVENT_RECORD_START;
    case GIRO_EVENT_TICK:
        return GIRO_EVENT_RECORD_TICK;
    case GIRO_EVENT_MESSAGE:
        return GIRO_EVENT_RECORD_MESSAGE;
    case GIRO_EVENT_LOG_DURABLE:
        return GIRO_EVENT_RECORD_LOG_DURABLE;
    case GIRO_EVENT_SIGNED:
        return GIRO_EVENT_RECORD_SIGNED;
    case GIRO_EVENT_LOCAL_BATCH:
        return GIRO_EVENT_RECORD_LOCAL_BATCH;
    case GIRO_EVENT_VERDICT:
        return GIRO_EVENT_RECORD_VERDICT;
    case GIRO_EVENT_EXECUTED:
        return GIRO_EVENT_RECORD_EXECUTED;
    case GIRO_EVENT_RECOVER_IMAGE:
        return GIRO_EVENT_RECORD_RECOVER_IMAGE;
    case GIRO_EVENT_CHECKPOINTED:
        return GIRO_EVENT_RECORD_CHECKPOINTED;
    }
    GIRO_ASSERT(false);
    return GIRO_EVENT_RECORD_END;
}

/* Of the body behind the times. */
static uint32_t event_bytes(const struct giro_event *event)
{
    switch (event->kind) {
    case GIRO_EVENT_RECOVER_SAFETY:
        return sizeof(struct giro_event_safety);
    case GIRO_EVENT_RECOVER_RECORD:
        return event->recover_record.body_bytes;
    case GIRO_EVENT_MESSAGE:
        return event->message.size_bytes;
    case GIRO_EVENT_START:
    case GIRO_EVENT_LOG_DURABLE:
        return 8;
    case GIRO_EVENT_SIGNED:
        return sizeof(struct signed_body);
    case GIRO_EVENT_LOCAL_BATCH:
        return 8 + event->local_batch.frames_bytes;
    case GIRO_EVENT_VERDICT:
        return sizeof(struct verdict_body);
    case GIRO_EVENT_EXECUTED:
        return sizeof(struct executed_body);
    case GIRO_EVENT_RECOVER_IMAGE:
        return 16 + event->recover_image.manifest_bytes + event->recover_image.sections_bytes;
    case GIRO_EVENT_CHECKPOINTED:
        return sizeof(struct checkpointed_body);
    case GIRO_EVENT_TICK:
        return 0;
    }
    GIRO_ASSERT(false);
    return 0;
}

size_t giro_event_record_bytes(const struct giro_event *event)
{
    return giro_align_up(HEADER_BYTES + TIMES_BYTES + event_bytes(event), 8);
}

size_t giro_outcome_record_bytes(uint32_t signature_count, uint32_t action_count)
{
    return HEADER_BYTES + sizeof(struct giro_event_outcome) +
           signature_count * sizeof(struct giro_signature) +
           action_count * sizeof(struct giro_event_action);
}

static void put_safety(struct giro_writer *writer, const struct giro_safety_state *state)
{
    const struct giro_event_safety body = {.epoch = state->epoch,
                                           .last_voted_round = state->last_voted_round,
                                           .lock_round = state->lock_round,
                                           .last_timeout_round = state->last_timeout_round,
                                           .incarnation = state->incarnation,
                                           .log_watermark = state->log_watermark,
                                           .last_vote = state->last_vote,
                                           .last_timeout = state->last_timeout};
    giro_writer_put(writer, &body, sizeof(body));
}

static void put_signed(struct giro_writer *writer, const struct giro_event *event)
{
    const struct signed_body body = {.is_timeout = event->signed_.is_timeout,
                                     .refused = event->signed_.refused,
                                     .reject = (uint16_t)event->signed_.reject,
                                     .vote = event->signed_.vote,
                                     .timeout = event->signed_.timeout};
    giro_writer_put(writer, &body, sizeof(body));
}

static void put_verdict(struct giro_writer *writer, const struct giro_event *event)
{
    const struct verdict_body body = {.slot = event->verdict.slot,
                                      .valid = event->verdict.valid,
                                      .batch_id = event->verdict.batch_id};
    giro_writer_put(writer, &body, sizeof(body));
}

static void put_executed(struct giro_writer *writer, const struct giro_event *event)
{
    struct executed_body body = {.height = event->executed.height,
                                 .next_due_ns = event->executed.next_due_ns,
                                 .state_root = event->executed.state_root,
                                 .ledger_root = event->executed.ledger_root,
                                 .checkpoint = event->executed.checkpoint};
    memcpy(body.repeated_frames, event->executed.repeated_frames, sizeof(body.repeated_frames));
    giro_writer_put(writer, &body, sizeof(body));
}

static void put_image(struct giro_writer *writer, const struct giro_event *event)
{
    giro_writer_u64(writer, event->recover_image.next_due_ns);
    giro_writer_u32(writer, event->recover_image.manifest_bytes);
    giro_writer_u32(writer, event->recover_image.sections_bytes);
    giro_writer_put(writer, event->recover_image.manifest, event->recover_image.manifest_bytes);
    giro_writer_put(writer, event->recover_image.sections, event->recover_image.sections_bytes);
}

static void put_checkpointed(struct giro_writer *writer, const struct giro_event *event)
{
    const struct checkpointed_body body = {event->checkpointed.height,
                                           event->checkpointed.image_root};
    giro_writer_put(writer, &body, sizeof(body));
}

static void put_event(struct giro_writer *writer, const struct giro_event *event)
{
    giro_writer_u64(writer, event->now_ns);
    giro_writer_u64(writer, event->wall_ns);
    switch (event->kind) {
    case GIRO_EVENT_RECOVER_SAFETY:
        put_safety(writer, event->recover_safety);
        break;
    case GIRO_EVENT_RECOVER_RECORD:
        giro_writer_put(writer, event->recover_record.body, event->recover_record.body_bytes);
        break;
    case GIRO_EVENT_START:
        giro_writer_u64(writer, event->start.next_log_sequence);
        break;
    case GIRO_EVENT_TICK:
        break;
    case GIRO_EVENT_MESSAGE:
        giro_writer_put(writer, event->message.bytes, event->message.size_bytes);
        break;
    case GIRO_EVENT_LOG_DURABLE:
        giro_writer_u64(writer, event->log_durable.watermark);
        break;
    case GIRO_EVENT_SIGNED:
        put_signed(writer, event);
        break;
    case GIRO_EVENT_LOCAL_BATCH:
        giro_writer_u32(writer, event->local_batch.frame_count);
        giro_writer_u32(writer, event->local_batch.record_count);
        giro_writer_put(writer, event->local_batch.frames, event->local_batch.frames_bytes);
        break;
    case GIRO_EVENT_VERDICT:
        put_verdict(writer, event);
        break;
    case GIRO_EVENT_EXECUTED:
        put_executed(writer, event);
        break;
    case GIRO_EVENT_RECOVER_IMAGE:
        put_image(writer, event);
        break;
    case GIRO_EVENT_CHECKPOINTED:
        put_checkpointed(writer, event);
        break;
    }
}

void giro_event_record_put(uint8_t *out, uint64_t sequence, const struct giro_event *event)
{
    struct giro_event_record_header header = {.kind = (uint16_t)record_kind(event->kind),
                                              .sequence = sequence,
                                              .body_bytes = TIMES_BYTES + event_bytes(event)};
    if (event->kind == GIRO_EVENT_MESSAGE)
        header.detail = event->message.sender;
    else if (event->kind == GIRO_EVENT_RECOVER_RECORD)
        header.detail = event->recover_record.kind;
    struct giro_writer writer;
    giro_writer_init(&writer, out + HEADER_BYTES, header.body_bytes);
    put_event(&writer, event);
    GIRO_ASSERT(!writer.failed && writer.offset == header.body_bytes);
    record_close(out, &header);
}

void giro_outcome_record_put(uint8_t *out, uint64_t sequence,
                             const struct giro_signature *signatures, uint32_t signature_count,
                             const struct giro_actions *actions)
{
    struct giro_event_outcome outcome = {.signature_count = signature_count,
                                         .action_count = actions->count};
    struct giro_event_record_header header = {.kind = GIRO_EVENT_RECORD_OUTCOME,
                                              .sequence = sequence};
    header.body_bytes =
        (uint32_t)(giro_outcome_record_bytes(signature_count, actions->count) - HEADER_BYTES);
    uint8_t *at = out + HEADER_BYTES + sizeof(outcome);
    if (signature_count > 0)
        memcpy(at, signatures, signature_count * sizeof(*signatures));
    at += signature_count * sizeof(*signatures);
    for (uint32_t i = 0; i < actions->count; i++) {
        const struct giro_event_action action = giro_event_action_make(&actions->items[i]);
        outcome.digest = XXH3_64bits_withSeed(&action, sizeof(action), outcome.digest);
        memcpy(at, &action, sizeof(action));
        at += sizeof(action);
    }
    memcpy(out + HEADER_BYTES, &outcome, sizeof(outcome));
    record_close(out, &header);
}

void giro_event_end_put(uint8_t *out, uint64_t sequence, enum giro_event_log_end end)
{
    struct giro_event_record_header header = {
        .kind = GIRO_EVENT_RECORD_END, .detail = (uint16_t)end, .sequence = sequence};
    record_close(out, &header);
}

/* ---- Reading --------------------------------------------------------------------------------------- */

enum giro_reject giro_event_record_next(const uint8_t *bytes, size_t size_bytes, size_t *offset,
                                        struct giro_event_record *record)
{
    struct giro_event_record_header header;
    if (size_bytes < *offset + HEADER_BYTES)
        return GIRO_REJECT_TRUNCATED;
    memcpy(&header, bytes + *offset, HEADER_BYTES);
    if (header.magic != GIRO_MAGIC)
        return header.magic == 0 ? GIRO_REJECT_STALE : GIRO_REJECT_MAGIC;
    if (size_bytes - *offset - HEADER_BYTES < header.body_bytes)
        return GIRO_REJECT_TRUNCATED;
    const uint8_t *const body = bytes + *offset + HEADER_BYTES;
    if (giro_event_record_checksum(&header, body) != header.checksum)
        return GIRO_REJECT_CHECKSUM;
    *record = (struct giro_event_record){.kind = header.kind,
                                         .detail = header.detail,
                                         .sequence = header.sequence,
                                         .body = body,
                                         .body_bytes = header.body_bytes};
    *offset += giro_align_up(HEADER_BYTES + header.body_bytes, 8);
    return GIRO_REJECT_NONE;
}

static void get_safety(struct giro_reader *reader, struct giro_safety_state *state)
{
    struct giro_event_safety body;
    giro_reader_copy(reader, &body, sizeof(body));
    *state = (struct giro_safety_state){.epoch = body.epoch,
                                        .last_voted_round = body.last_voted_round,
                                        .lock_round = body.lock_round,
                                        .last_timeout_round = body.last_timeout_round,
                                        .incarnation = body.incarnation,
                                        .log_watermark = body.log_watermark,
                                        .last_vote = body.last_vote,
                                        .last_timeout = body.last_timeout};
}

static bool get_signed(struct giro_reader *reader, struct giro_event *event)
{
    struct signed_body body;
    giro_reader_copy(reader, &body, sizeof(body));
    event->signed_.is_timeout = body.is_timeout != 0;
    event->signed_.refused = body.refused != 0;
    event->signed_.reject = (enum giro_reject)body.reject;
    event->signed_.vote = body.vote;
    event->signed_.timeout = body.timeout;
    return body.is_timeout <= 1 && body.refused <= 1 && body.reject < GIRO_REJECT_COUNT_OF_REASONS;
}

static void get_local_batch(struct giro_reader *reader, struct giro_event *event)
{
    event->local_batch.frame_count = giro_reader_u32(reader);
    event->local_batch.record_count = giro_reader_u32(reader);
    event->local_batch.frames_bytes = (uint32_t)giro_reader_left(reader);
    event->local_batch.frames = giro_reader_take(reader, event->local_batch.frames_bytes);
}

static bool get_verdict(struct giro_reader *reader, struct giro_event *event)
{
    struct verdict_body body;
    giro_reader_copy(reader, &body, sizeof(body));
    event->verdict.slot = body.slot;
    event->verdict.valid = body.valid != 0;
    event->verdict.batch_id = body.batch_id;
    return body.valid <= 1;
}

static bool get_executed(struct giro_reader *reader, struct giro_event *event)
{
    static const uint8_t zeros[7];
    struct executed_body body;
    giro_reader_copy(reader, &body, sizeof(body));
    event->executed.height = body.height;
    event->executed.next_due_ns = body.next_due_ns;
    event->executed.state_root = body.state_root;
    event->executed.ledger_root = body.ledger_root;
    memcpy(event->executed.repeated_frames, body.repeated_frames, sizeof(body.repeated_frames));
    event->executed.checkpoint = body.checkpoint != 0;
    return body.checkpoint <= 1 && memcmp(body.zeros, zeros, sizeof(zeros)) == 0;
}

static void get_image(struct giro_reader *reader, struct giro_event *event)
{
    event->recover_image.next_due_ns = giro_reader_u64(reader);
    event->recover_image.manifest_bytes = giro_reader_u32(reader);
    event->recover_image.sections_bytes = giro_reader_u32(reader);
    event->recover_image.manifest = giro_reader_take(reader, event->recover_image.manifest_bytes);
    event->recover_image.sections = giro_reader_take(reader, event->recover_image.sections_bytes);
}

static void get_checkpointed(struct giro_reader *reader, struct giro_event *event)
{
    struct checkpointed_body body;
    giro_reader_copy(reader, &body, sizeof(body));
    event->checkpointed.height = body.height;
    event->checkpointed.image_root = body.image_root;
}

/* The rest of the body as it stands. */
static const uint8_t *get_rest(struct giro_reader *reader, uint32_t *size_bytes)
{
    *size_bytes = (uint32_t)giro_reader_left(reader);
    return giro_reader_take(reader, *size_bytes);
}

enum giro_reject giro_event_decode(const struct giro_event_record *record, struct giro_event *event,
                                   struct giro_safety_state *safety)
{
    struct giro_reader reader;
    bool good = true;
    giro_reader_init(&reader, record->body, record->body_bytes);
    memset(event, 0, sizeof(*event));
    event->now_ns = giro_reader_u64(&reader);
    event->wall_ns = giro_reader_u64(&reader);
    switch (record->kind) {
    case GIRO_EVENT_RECORD_RECOVER_SAFETY:
        event->kind = GIRO_EVENT_RECOVER_SAFETY;
        get_safety(&reader, safety);
        event->recover_safety = safety;
        break;
    case GIRO_EVENT_RECORD_RECOVER_RECORD:
        event->kind = GIRO_EVENT_RECOVER_RECORD;
        event->recover_record.kind = record->detail;
        event->recover_record.body = get_rest(&reader, &event->recover_record.body_bytes);
        break;
    case GIRO_EVENT_RECORD_START:
        event->kind = GIRO_EVENT_START;
        event->start.next_log_sequence = giro_reader_u64(&reader);
        break;
    case GIRO_EVENT_RECORD_TICK:
        event->kind = GIRO_EVENT_TICK;
        break;
    case GIRO_EVENT_RECORD_MESSAGE:
        event->kind = GIRO_EVENT_MESSAGE;
        event->message.sender = record->detail;
        event->message.bytes = get_rest(&reader, &event->message.size_bytes);
        break;
    case GIRO_EVENT_RECORD_LOG_DURABLE:
        event->kind = GIRO_EVENT_LOG_DURABLE;
        event->log_durable.watermark = giro_reader_u64(&reader);
        break;
    case GIRO_EVENT_RECORD_SIGNED:
        event->kind = GIRO_EVENT_SIGNED;
        good = get_signed(&reader, event);
        break;
    case GIRO_EVENT_RECORD_LOCAL_BATCH:
        event->kind = GIRO_EVENT_LOCAL_BATCH;
        get_local_batch(&reader, event);
        break;
    case GIRO_EVENT_RECORD_VERDICT:
        event->kind = GIRO_EVENT_VERDICT;
        good = get_verdict(&reader, event);
        break;
    case GIRO_EVENT_RECORD_EXECUTED:
        event->kind = GIRO_EVENT_EXECUTED;
        good = get_executed(&reader, event);
        break;
    case GIRO_EVENT_RECORD_RECOVER_IMAGE:
        event->kind = GIRO_EVENT_RECOVER_IMAGE;
        get_image(&reader, event);
        break;
    case GIRO_EVENT_RECORD_CHECKPOINTED:
        event->kind = GIRO_EVENT_CHECKPOINTED;
        get_checkpointed(&reader, event);
        break;
    default:
        return GIRO_REJECT_KIND;
    }
    if (reader.failed)
        return GIRO_REJECT_TRUNCATED;
    if (giro_reader_left(&reader) > 0)
        return GIRO_REJECT_OVERSIZED;
    return good ? GIRO_REJECT_NONE : GIRO_REJECT_FIELD;
}

const char *giro_event_record_name(uint16_t kind)
{
    switch (kind) {
#define NAME_ROW(number, name, text)                                                               \
    case number:                                                                                   \
        return #name;
        GIRO_EVENT_RECORD_MAP(NAME_ROW)
#undef NAME_ROW
    default:
        return "?";
    }
}

const char *giro_action_number_name(uint16_t kind)
{
    switch (kind) {
#define NAME_ROW(number, name)                                                                     \
    case number:                                                                                   \
        return #name;
        GIRO_ACTION_NUMBER_MAP(NAME_ROW)
#undef NAME_ROW
    default:
        return "nothing";
    }
}
