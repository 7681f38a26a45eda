/* Frames, skips and control transactions: what members and operators sign, one datagram each. */
#include "decode.h"

#define HEADER_BYTES  sizeof(struct giro_frame_header)
#define RECORD_BYTES  sizeof(struct giro_record)
#define SKIP_TO_BYTES 8u

static_assert(GIRO_FRAME_BYTES_MIN == HEADER_BYTES + SKIP_TO_BYTES + GIRO_SIGNATURE_BYTES,
              "a skip is the shortest datagram");
static_assert(HEADER_BYTES + GIRO_FRAME_RECORDS_MAX * RECORD_BYTES + GIRO_SIGNATURE_BYTES <=
                  GIRO_FRAME_BYTES_MAX,
              "a full frame fits a datagram");
static_assert(HEADER_BYTES + 21 * RECORD_BYTES + GIRO_SIGNATURE_BYTES <= GIRO_FRAME_MTU_BYTES,
              "21 records fit an ordinary packet");
static_assert(sizeof(struct giro_control) == RECORD_BYTES, "control records are records");
static_assert(GIRO_TAG_BYTES + GIRO_CHAIN_BYTES + HEADER_BYTES +
                      GIRO_CONTROL_RECORDS_MAX * RECORD_BYTES <=
                  GIRO_FRAME_MESSAGE_BYTES_MAX,
              "a control message fits the buffer of a frame message");

/* A field that this kind does not use must be zero, or two different datagrams would mean the same. */
static enum giro_reject frame_header_check(const struct giro_frame_header *header)
{
    WIRE_REQUIRE(header->reserved == 0, RESERVED);
    WIRE_REQUIRE(header->channel < GIRO_CHANNELS_MAX, CHANNEL);
    switch (header->head.kind) {
    case GIRO_KIND_FRAME:
        WIRE_REQUIRE(header->checker_key_id == 0, RESERVED);
        WIRE_REQUIRE(header->member < GIRO_MEMBERS_MAX, MEMBER);
        WIRE_REQUIRE(header->record_count >= 1 && header->record_count <= GIRO_FRAME_RECORDS_MAX,
                     COUNT);
        WIRE_REQUIRE(header->details_bytes <= GIRO_FRAME_BYTES_MAX, OVERSIZED);
        WIRE_REQUIRE(header->details_bytes % 4 == 0, FIELD);
        return GIRO_REJECT_NONE;
    case GIRO_KIND_SKIP:
        WIRE_REQUIRE(header->checker_key_id == 0 && header->details_bytes == 0, RESERVED);
        WIRE_REQUIRE(header->member < GIRO_MEMBERS_MAX, MEMBER);
        WIRE_REQUIRE(header->record_count == 0, COUNT);
        return GIRO_REJECT_NONE;
    case GIRO_KIND_CONTROL:
        WIRE_REQUIRE(header->details_bytes == 0, RESERVED);
        WIRE_REQUIRE(header->member == GIRO_MEMBER_OPERATOR, MEMBER);
        WIRE_REQUIRE(header->record_count >= 1 && header->record_count <= GIRO_CONTROL_RECORDS_MAX,
                     COUNT);
        /* Four eyes are two people: maker and checker are different keys. */
        WIRE_REQUIRE(header->checker_key_id != header->key_id, SIGNER);
        return GIRO_REJECT_NONE;
    default:
        return GIRO_REJECT_KIND;
    }
}

size_t giro_frame_bytes(const struct giro_frame_header *header)
{
    if (frame_header_check(header) != GIRO_REJECT_NONE)
        return 0;
    size_t size_bytes = HEADER_BYTES + header->record_count * RECORD_BYTES + header->details_bytes +
                        GIRO_SIGNATURE_BYTES;
    if (header->head.kind == GIRO_KIND_SKIP)
        size_bytes += SKIP_TO_BYTES;
    if (header->head.kind == GIRO_KIND_CONTROL)
        size_bytes += GIRO_SIGNATURE_BYTES;
    return size_bytes <= GIRO_FRAME_BYTES_MAX ? size_bytes : 0;
}

static enum giro_reject frame_head_check(const struct giro_head *head)
{
    WIRE_REQUIRE(head->magic == GIRO_MAGIC, MAGIC);
    WIRE_REQUIRE(head->kind == GIRO_KIND_FRAME || head->kind == GIRO_KIND_SKIP ||
                     head->kind == GIRO_KIND_CONTROL,
                 KIND);
    WIRE_REQUIRE(head->version == GIRO_VERSION, VERSION);
    return GIRO_REJECT_NONE;
}

enum giro_reject giro_frame_decode(const void *bytes, size_t size_bytes, uint64_t chain_prefix,
                                   struct giro_frame *frame)
{
    struct giro_frame_header header;
    WIRE_REQUIRE(size_bytes >= HEADER_BYTES, TRUNCATED);
    WIRE_REQUIRE(size_bytes <= GIRO_FRAME_BYTES_MAX, OVERSIZED);
    memcpy(&header, bytes, sizeof(header));
    WIRE_TRY(frame_head_check(&header.head));
    WIRE_REQUIRE(header.chain_prefix == chain_prefix, CHAIN);
    WIRE_TRY(frame_header_check(&header));
    const size_t expected_bytes = giro_frame_bytes(&header);
    WIRE_REQUIRE(expected_bytes != 0, OVERSIZED);
    WIRE_REQUIRE(size_bytes >= expected_bytes, TRUNCATED);
    WIRE_REQUIRE(size_bytes <= expected_bytes, OVERSIZED);

    const uint8_t *const start = bytes;
    struct giro_frame decoded = {
        .header = header, .bytes = start, .size_bytes = (uint32_t)size_bytes};
    decoded.records = start + HEADER_BYTES;
    decoded.details = decoded.records + header.record_count * RECORD_BYTES;
    decoded.signature = start + size_bytes - GIRO_SIGNATURE_BYTES;
    if (header.head.kind == GIRO_KIND_FRAME)
        WIRE_TRY(wire_details_check(decoded.details, header.details_bytes, header.record_count));
    if (header.head.kind == GIRO_KIND_SKIP) {
        memcpy(&decoded.skip_to, decoded.records, SKIP_TO_BYTES);
        WIRE_REQUIRE(decoded.skip_to >= header.sequence, FIELD);
    }
    if (header.head.kind == GIRO_KIND_CONTROL) {
        decoded.checker_signature = decoded.signature;
        decoded.signature -= GIRO_SIGNATURE_BYTES;
    }
    *frame = decoded;
    return GIRO_REJECT_NONE;
}

static struct giro_hash details_root(const struct giro_frame *frame)
{
    struct giro_details_block blocks[GIRO_DETAILS_BLOCKS_MAX];
    struct giro_hash hashes[GIRO_DETAILS_BLOCKS_MAX];
    if (frame->header.details_bytes == 0)
        return giro_hash_zero;
    const uint32_t count = giro_details_blocks(frame, blocks);
    for (uint32_t i = 0; i < count; i++)
        hashes[i] = giro_sha256(blocks[i].bytes, blocks[i].size_bytes);
    return giro_details_root(hashes, count);
}

static uint8_t *append(uint8_t *at, const void *bytes, size_t size_bytes)
{
    memcpy(at, bytes, size_bytes);
    return at + size_bytes;
}

size_t giro_frame_message_shown(const struct giro_frame_header *header,
                                const struct giro_hash *chain,
                                const struct giro_hash *record_hashes,
                                const struct giro_hash *details_root_hash, uint8_t *message)
{
    GIRO_ASSERT(header->record_count <= GIRO_FRAME_RECORDS_MAX);
    uint8_t *at = append(message, GIRO_TAG_FRAME, GIRO_TAG_BYTES);
    at = append(at, chain, sizeof(*chain));
    at = append(at, header, sizeof(*header));
    at = append(at, record_hashes, header->record_count * sizeof(record_hashes[0]));
    at = append(at, details_root_hash, sizeof(*details_root_hash));
    return (size_t)(at - message);
}

static size_t payments_message(const struct giro_frame *frame, const struct giro_hash *chain,
                               uint8_t *message)
{
    struct giro_part records[GIRO_FRAME_RECORDS_MAX];
    struct giro_hash hashes[GIRO_FRAME_RECORDS_MAX];
    for (uint32_t i = 0; i < frame->header.record_count; i++)
        records[i] = (struct giro_part){frame->records + i * RECORD_BYTES, RECORD_BYTES};
    giro_sha256_many(records, frame->header.record_count, hashes);
    const struct giro_hash root = details_root(frame);
    return giro_frame_message_shown(&frame->header, chain, hashes, &root, message);
}

size_t giro_frame_message(const struct giro_frame *frame, const struct giro_hash *chain,
                          uint8_t *message)
{
    const struct giro_frame_header *const header = &frame->header;
    GIRO_ASSERT(giro_frame_bytes(header) == frame->size_bytes);
    if (header->head.kind == GIRO_KIND_FRAME)
        return payments_message(frame, chain, message);
    const char *const tag = header->head.kind == GIRO_KIND_SKIP ? GIRO_TAG_SKIP : GIRO_TAG_CONTROL;
    uint8_t *at = append(message, tag, GIRO_TAG_BYTES);
    at = append(at, chain, sizeof(*chain));
    at = append(at, header, sizeof(*header));
    if (header->head.kind == GIRO_KIND_SKIP) {
        at = append(at, &frame->skip_to, SKIP_TO_BYTES);
    } else {
        at = append(at, frame->records, header->record_count * RECORD_BYTES);
    }
    GIRO_ASSERT((size_t)(at - message) <= GIRO_FRAME_MESSAGE_BYTES_MAX);
    return (size_t)(at - message);
}

struct giro_record giro_record_get(const struct giro_frame *frame, uint32_t index)
{
    struct giro_record record;
    GIRO_ASSERT(index < frame->header.record_count);
    memcpy(&record, frame->records + index * RECORD_BYTES, sizeof(record));
    return record;
}
