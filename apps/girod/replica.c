#include "apps/girod/replica_internal.h"

#include <sys/mman.h>

/* Own frames gather here until a batch is cut. Kept small enough that a peer verifies one batch well within a round. */
#define BATCH_FRAMES_MAX 128u
#define BATCH_BODY_BYTES (GIRO_BATCH_BYTES_MAX - GIRO_BATCH_FIRST)
#define BATCH_WAIT_NS    2000000u
#define PENDING_LIFE_NS  (60u * GIRO_NS_PER_S)
#define PART_COUNT       13 /* pieces of a replica's memory */
#define WINDOW_ROOM_MIN                                                                            \
    200000u /* bookings of a full block: 32 batches x 128 frames x 21 records x 2 and more */

#define LEDGER_BLOCK_BYTES                                                                         \
    (sizeof(struct giro_ledger_block) + sizeof(struct giro_commit_body) + GIRO_LEDGER_BYTES_MAX +  \
     8u * GIRO_LEDGER_LEAVES_MAX + 8u)

/* ---- Time ------------------------------------------------------------------------------------------- */

static void set_time(struct giro_replica *replica, uint64_t now_ns, uint64_t wall_ns)
{
    replica->now_ns = now_ns;
    replica->wall_ns = wall_ns;
    giro_pending_time(replica->pending, now_ns);
}

enum giro_stage giro_replica_stage_enter(struct giro_replica *replica, enum giro_stage stage)
{
    const struct giro_replica_callbacks *callbacks = &replica->options.callbacks;
    return callbacks->stage == NULL ? stage : callbacks->stage(callbacks->context, stage);
}

/* ---- Execution --------------------------------------------------------------------------------- */

/* Accepted payments are found in settlement's own set. */
static void remember_refused(struct giro_replica *replica, const struct giro_frame *frame,
                             uint64_t height, const struct giro_frame_outcome *outcome)
{
    if (frame->header.head.kind != GIRO_KIND_FRAME)
        return;
    for (uint32_t i = 0; i < outcome->record_count; i++) {
        if (outcome->results[i].status != GIRO_STATUS_RJCT)
            continue;
        struct giro_record record = giro_record_get(frame, i);
        if (giro_map_get(replica->found_map, record.uetr) != GIRO_NONE)
            continue; /* the first refusal is the one to find */
        uint32_t at = (uint32_t)(replica->found_next % replica->options.uetr_index_max);
        struct found_slot *slot = &replica->found[at];
        if (replica->found_next >= replica->options.uetr_index_max)
            giro_map_remove(replica->found_map, slot->uetr);
        memcpy(slot->uetr, record.uetr, sizeof(slot->uetr));
        slot->found = (struct giro_found){.height = height,
                                          .leaf_index = outcome->leaf_index,
                                          .record = (uint16_t)i,
                                          .debtor = frame->header.member,
                                          .creditor = record.creditor};
        bool put = giro_map_put(replica->found_map, record.uetr, at);
        GIRO_ASSERT(put);
        replica->found_next++;
    }
}

/* A repeat is answered with the first outcome: read its leaf back. Only for members that wait at this replica. */
static void load_first_outcome(struct giro_replica *replica, struct giro_frame_outcome *outcome)
{
    struct giro_leaf_frame header;
    uint32_t size =
        replica->options.callbacks.leaf(replica->options.callbacks.context, outcome->first_height,
                                        outcome->leaf_index, replica->leaf, sizeof(replica->leaf));
    outcome->record_count = 0;
    if (size < GIRO_TAG_BYTES + sizeof(header))
        return;
    memcpy(&header, replica->leaf + GIRO_TAG_BYTES, sizeof(header));
    size_t results_bytes = header.record_count * sizeof(struct giro_result);
    if (header.record_count > GIRO_FRAME_RECORDS_MAX ||
        size != GIRO_TAG_BYTES + sizeof(header) + results_bytes)
        return;
    memcpy(outcome->results, replica->leaf + GIRO_TAG_BYTES + sizeof(header), results_bytes);
    outcome->record_count = header.record_count;
}

/* A block's time on this replica's monotonic clock, for the legs of its frames. */
static uint64_t proposed_at(const struct giro_replica *replica, uint64_t block_time_ns)
{
    uint64_t ago_ns = replica->wall_ns > block_time_ns ? replica->wall_ns - block_time_ns : 0;
    return ago_ns < replica->now_ns ? replica->now_ns - ago_ns : 0;
}

static uint32_t frame_count_of(const uint8_t *batch, uint32_t size_bytes)
{
    struct giro_batch_header header;
    GIRO_ASSERT(size_bytes >= sizeof(header));
    memcpy(&header, batch, sizeof(header));
    return header.frame_count;
}

/* The frame hashes of a batch: those kept at its verification, else made now. */
static const struct giro_hash *hashes_of(struct giro_replica *replica,
                                         const struct giro_hash *batch_id, const uint8_t *bytes,
                                         uint32_t size_bytes)
{
    uint32_t frame_count = frame_count_of(bytes, size_bytes);
    const struct giro_hash *kept = giro_hashes_get(replica->hashes, batch_id, frame_count);
    if (kept != NULL)
        return kept;
    giro_frames_hash(replica->options.genesis, bytes, size_bytes, replica->verify_scratch,
                     replica->frame_hashes);
    giro_hashes_put(replica->hashes, batch_id, replica->frame_hashes, frame_count);
    return replica->frame_hashes;
}

static void hand_out_details(struct giro_replica *replica, const struct giro_block_header *block,
                             const struct giro_frame *frame)
{
    const struct giro_replica_callbacks *callbacks = &replica->options.callbacks;
    const struct giro_details_executed executed = {
        .frame = frame,
        .results = replica->outcome.results,
        .height = block->height,
        .leaf_index = replica->outcome.leaf_index,
        .business_date = giro_windows_business_date(replica->windows)};
    if (callbacks->details != NULL)
        callbacks->details(callbacks->context, &executed);
}

static void execute_frame(struct giro_replica *replica, const struct giro_block_header *block,
                          const struct giro_frame *frame, const struct giro_hash *hash)
{
    struct giro_frame_outcome *outcome = &replica->outcome;
    giro_settlement_frame(replica->settlement, frame, hash, outcome);
    replica->frames++;
    if (outcome->outcome == GIRO_OUTCOME_EXECUTED) {
        if (frame->header.head.kind == GIRO_KIND_FRAME) /* controls are no payments */
            replica->records += outcome->record_count;
        remember_refused(replica, frame, block->height, outcome);
        if (frame->header.details_bytes > 0)
            hand_out_details(replica, block, frame);
    } else {
        outcome->record_count = 0;
    }
    if (!giro_pending_has(replica->pending, hash))
        return;
    if (outcome->outcome == GIRO_OUTCOME_DUPLICATE)
        load_first_outcome(replica, outcome);
    giro_pending_executed(replica->pending, hash, block->height,
                          proposed_at(replica, block->time_ns), outcome);
}

/* The next frame begins: said before it is looked at, in memory that outlives the process. */
static void marker_next(volatile struct giro_crash_marker *marker)
{
    marker->frame++;
}

static void marker_begin(volatile struct giro_crash_marker *marker, uint64_t height)
{
    marker->height = height;
    marker->frame = 0;
    marker->executing = 1;
}

static void marker_end(volatile struct giro_crash_marker *marker)
{
    marker->executing = 0;
    if (marker->height > marker->crash_height)
        marker->crash_count = 0; /* past the place where it died */
}

/* Returns how many of its frames had been executed before. */
static uint32_t execute_batch(struct giro_replica *replica, const struct giro_block_header *block,
                              const struct giro_hash *batch_id, const uint8_t *bytes,
                              uint32_t size_bytes)
{
    uint32_t repeated = 0;
    const struct giro_hash *hashes = hashes_of(replica, batch_id, bytes, size_bytes);
    struct giro_frame frame;
    uint32_t offset = GIRO_BATCH_FIRST;
    while (giro_batch_next(bytes, size_bytes, replica->options.genesis->chain_prefix, &offset,
                           &frame)) {
        if (replica->options.marker != NULL)
            marker_next(replica->options.marker);
        execute_frame(replica, block, &frame, hashes++);
        repeated += replica->outcome.outcome == GIRO_OUTCOME_DUPLICATE;
    }
    return repeated;
}

static void hand_out_ledger_block(struct giro_replica *replica, const struct giro_commit_body *body)
{
    struct giro_writer writer;
    giro_writer_init(&writer, replica->ledger_bytes, LEDGER_BLOCK_BYTES);
    struct giro_ledger_block *header =
        (struct giro_ledger_block *)giro_writer_reserve(&writer, sizeof(*header));
    GIRO_ASSERT(header != NULL);
    giro_writer_put(&writer, body, sizeof(*body));
    uint32_t count = giro_ledger_count(replica->ledger);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t size_bytes = 0;
        const uint8_t *leaf = giro_ledger_leaf(replica->ledger, i, &size_bytes);
        giro_writer_u32(&writer, size_bytes);
        giro_writer_put(&writer, leaf, size_bytes);
        static const uint8_t zeros[8];
        giro_writer_put(&writer, zeros, giro_align_up(size_bytes, 4) - size_bytes);
    }
    static const uint8_t zeros[8];
    giro_writer_put(&writer, zeros, giro_align_up(writer.offset, 8) - writer.offset);
    GIRO_ASSERT(!writer.failed);
    *header = (struct giro_ledger_block){.head = giro_head_make(GIRO_KIND_LEDGER_BLOCK),
                                         .height = body->height,
                                         .size_bytes = writer.offset,
                                         .leaf_count = count};
    replica->options.callbacks.ledger_block(replica->options.callbacks.context, body->height,
                                            replica->ledger_bytes, writer.offset);
}

struct giro_hash giro_replica_state_root(const struct giro_replica *replica, uint64_t height,
                                         const struct giro_hash *settlement_root)
{
    struct giro_hash windows = giro_windows_digest(replica->windows);
    struct giro_part parts[] = {{GIRO_TAG_STATE_ROOT, GIRO_TAG_BYTES},
                                {&height, sizeof(height)},
                                {settlement_root, sizeof(*settlement_root)},
                                {&windows, sizeof(windows)},
                                {&replica->ledger_chain, sizeof(replica->ledger_chain)}};
    return giro_sha256_parts(parts, 5);
}

uint64_t giro_replica_next_due(const struct giro_replica *replica)
{
    uint64_t due = giro_windows_next_due(replica->windows);
    uint64_t scheduled = giro_settlement_next_due(replica->settlement);
    return due < scheduled ? due : scheduled;
}

static void ledger_chain_add(struct giro_replica *replica)
{
    struct giro_part chain[] = {{GIRO_TAG_STATE_PART, GIRO_TAG_BYTES},
                                {&replica->ledger_chain, sizeof(replica->ledger_chain)},
                                {&replica->ledger_root, sizeof(replica->ledger_root)}};
    replica->ledger_chain = giro_sha256_parts(chain, 3);
}

static struct giro_execution on_execute(void *context, const struct giro_action *action)
{
    struct giro_replica *replica = context;
    const struct giro_block_header *block = &action->execute.block->block;
    GIRO_ASSERT(block->height == replica->executed_height + 1);
    struct giro_execution execution = {.next_due_ns = UINT64_MAX};
    enum giro_stage before = giro_replica_stage_enter(replica, GIRO_STAGE_execute);
    if (replica->options.marker != NULL)
        marker_begin(replica->options.marker, block->height);
    giro_ledger_begin(replica->ledger, block->height);
    giro_windows_begin(replica->windows, block->height, block->time_ns);
    giro_settlement_begin(replica->settlement, block->height, block->time_ns);
    uint64_t payload_bytes = 0;
    for (uint32_t i = 0; i < action->execute.batch_count; i++) {
        payload_bytes += action->execute.batch_bytes[i];
        execution.repeated_frames[i] =
            execute_batch(replica, block, &action->execute.block->references[i].batch_id,
                          action->execute.batches[i], action->execute.batch_bytes[i]);
    }
    struct giro_hash settlement_root = giro_settlement_end(replica->settlement);
    replica->ledger_root = giro_ledger_end(replica->ledger);
    giro_windows_end(replica->windows);
    ledger_chain_add(replica);
    replica->state_root = giro_replica_state_root(replica, block->height, &settlement_root);
    replica->executed_height = block->height;
    replica->blocks++;
    struct giro_commit_body body = {.head = giro_head_make(GIRO_KIND_COMMIT_VOTE),
                                    .epoch = block->epoch,
                                    .height = block->height,
                                    .time_ns = block->time_ns,
                                    .block_id = action->execute.block->block_id,
                                    .state_root = replica->state_root,
                                    .ledger_root = replica->ledger_root};
    hand_out_ledger_block(replica, &body);
    giro_replica_stage_enter(replica, before);
    if (replica->options.marker != NULL)
        marker_end(replica->options.marker);
    execution.state_root = replica->state_root;
    execution.ledger_root = replica->ledger_root;
    execution.next_due_ns = giro_replica_next_due(replica);
    execution.checkpoint = giro_replica_checkpoint_due(replica, block->height, payload_bytes);
    return execution;
}

/* ---- Node callbacks ------------------------------------------------------------------------------ */

static void on_send(void *context, uint16_t peer, const struct giro_part *parts, uint32_t count)
{
    struct giro_replica *replica = context;
    replica->options.callbacks.send(replica->options.callbacks.context, peer, parts, count);
}

/* The hashes of the batch's frames if all their signatures hold, else NULL: as was found out elsewhere, or here. */
static const struct giro_hash *batch_check(struct giro_replica *replica,
                                           const struct giro_action *action)
{
    const struct giro_batch_checked *checked = replica->checked;
    if (checked != NULL && giro_hash_equal(&checked->batch_id, &action->verify.batch_id))
        return checked->valid ? checked->frame_hashes : NULL;
    enum giro_stage before = giro_replica_stage_enter(replica, GIRO_STAGE_verify_peers);
    bool valid = giro_frames_verify(replica->options.genesis, replica->options.ring,
                                    action->verify.bytes, action->verify.size_bytes,
                                    replica->verify_scratch, replica->frame_hashes);
    giro_replica_stage_enter(replica, before);
    return valid ? replica->frame_hashes : NULL;
}

static bool on_verify(void *context, const struct giro_action *action)
{
    struct giro_replica *replica = context;
    const uint8_t *batch = action->verify.bytes;
    uint32_t size_bytes = action->verify.size_bytes;
    if (replica->options.trust_batches)
        return true;
    const struct giro_hash *hashes = batch_check(replica, action);
    if (hashes == NULL)
        return false;
    giro_hashes_put(replica->hashes, &action->verify.batch_id, hashes,
                    frame_count_of(batch, size_bytes));
    giro_seen_note_batch(&replica->seen, replica->now_ns, batch, size_bytes,
                         replica->options.genesis->chain_prefix);
    return true;
}

static void on_certified(void *context, const struct giro_certificate *certificate, bool recovering)
{
    (void)
        recovering; /* files are derived: what was written before the restart is recognised there */
    struct giro_replica *replica = context;
    const struct giro_replica_callbacks *callbacks = &replica->options.callbacks;
    callbacks->certificate(callbacks->context, certificate);
    if (certificate->header.body.height > replica->certified_height)
        replica->certified_height = certificate->header.body.height;
    giro_windows_certified(replica->windows, certificate);
    giro_pending_certified(replica->pending, certificate->header.body.height, callbacks->answer,
                           callbacks->context);
}

static void on_available(void *context, const struct giro_action *action)
{
    struct giro_replica *replica = context;
    const struct giro_hash *hashes =
        hashes_of(replica, &action->available.batch_id, action->available.bytes,
                  action->available.size_bytes);
    uint32_t count = frame_count_of(action->available.bytes, action->available.size_bytes);
    for (uint32_t i = 0; i < count; i++)
        if (giro_pending_durable(replica->pending, &hashes[i], action->available.expiry_ns,
                                 &replica->answer))
            replica->options.callbacks.answer(replica->options.callbacks.context, &replica->answer);
}

static void on_evidence(void *context, const struct giro_action *action)
{
    struct giro_replica *replica = context;
    replica->options.callbacks.evidence(replica->options.callbacks.context, action);
}

static void on_halted(void *context, const char *reason, uint64_t height)
{
    struct giro_replica *replica = context;
    replica->options.callbacks.halted(replica->options.callbacks.context, reason, height);
}

static void on_journal_block(void *context, uint16_t member, uint16_t business_date,
                             const void *bytes, uint32_t size_bytes)
{
    struct giro_replica *replica = context;
    replica->options.callbacks.journal(replica->options.callbacks.context, member, business_date,
                                       bytes, size_bytes);
}

/* ---- Making one ------------------------------------------------------------------------------------ */

/* Sizes of the parts, in the order they are laid out. */
struct layout {
    struct giro_node_options node;
    struct giro_settlement_options settlement;
    struct giro_windows_options windows;
    struct giro_map_options found;
    struct giro_replica_keys keys;
};

static void layout_fill(struct giro_replica *replica, struct layout *layout)
{
    const struct giro_replica_options *options = &replica->options;
    const struct giro_genesis *genesis = options->genesis;
    struct giro_prng prng;
    giro_prng_init(&prng, options->seed);
    uint64_t core_seed = giro_prng_next(&prng);
    layout->node = (struct giro_node_options){
        .consensus =
            giro_replica_consensus_options(genesis, options->ring, options->self, &layout->keys),
        .log = {.disk = options->disk,
                .chain_id = genesis->chain_id,
                .replica = (uint16_t)options->self,
                .segment_bytes = options->segment_bytes,
                .buffer_bytes = options->log_buffer_bytes,
                .seed = giro_prng_next(&prng),
                .inflight_max = 4},
        .vote_key = options->vote_key,
        .disk = options->disk,
        .callbacks = {.context = replica,
                      .send = on_send,
                      .verify = on_verify,
                      .execute = on_execute,
                      .certified = on_certified,
                      .available = on_available,
                      .evidence = on_evidence,
                      .halted = on_halted,
                      .image = giro_replica_image,
                      .restore = giro_replica_restore,
                      .image_keep = giro_replica_image_keep,
                      .image_work = giro_replica_image_work},
        .recorder = options->recorder,
        .index_max = options->index_max != 0 ? options->index_max : 1u << 20};
    struct giro_consensus_options *consensus = &layout->node.consensus;
    consensus->batch_key = options->batch_key;
    consensus->blocks_max = options->blocks_max;
    consensus->batches_max = options->batches_max;
    consensus->map_seed = core_seed;
    giro_prng_fill(&prng, consensus->nonce, sizeof(consensus->nonce));
    layout->windows =
        (struct giro_windows_options){.genesis = genesis,
                                      .entries_max = options->entries_max,
                                      .statuses_max = options->entries_max,
                                      .sink = {.context = replica, .block = on_journal_block}};
    memcpy(layout->windows.secret, options->window_secret, sizeof(layout->windows.secret));
    layout->settlement =
        (struct giro_settlement_options){.genesis = genesis, .map_seed = giro_prng_next(&prng)};
    layout->found = (struct giro_map_options){.capacity = options->uetr_index_max,
                                              .key_bytes = GIRO_UETR_BYTES,
                                              .seed = giro_prng_next(&prng)};
}

static void *take(uint8_t **at, size_t size_bytes)
{
    void *piece = *at;
    *at += giro_align_up(size_bytes, 4096);
    return piece;
}

/* Lays all parts out in one zero-filled mapping. Two passes: with *at NULL it only adds up sizes. */
static size_t sizes_sum(const struct layout *layout, uint32_t pending_max, uint32_t found_max,
                        size_t sizes[PART_COUNT])
{
    sizes[0] = giro_ledger_footprint();
    sizes[1] = giro_windows_footprint(&layout->windows);
    sizes[2] = giro_settlement_footprint(&layout->settlement);
    sizes[3] = giro_node_footprint(&layout->node);
    sizes[4] = giro_pending_footprint(pending_max);
    sizes[5] = giro_map_footprint(&layout->found);
    sizes[6] = (size_t)found_max * sizeof(struct found_slot);
    sizes[7] = GIRO_FRAMES_VERIFY_SCRATCH;
    sizes[8] = LEDGER_BLOCK_BYTES;
    sizes[9] = BATCH_BODY_BYTES;
    sizes[10] = GIRO_SEEN_SLOTS * sizeof(struct giro_seen_slot);
    sizes[11] = sizeof(struct giro_hashes);
    sizes[12] = GIRO_BATCH_FRAMES_MAX * sizeof(struct giro_hash);
    size_t sum = 0;
    for (uint32_t i = 0; i < PART_COUNT; i++) {
        if (sizes[i] == 0)
            return 0;
        sum += giro_align_up(sizes[i], 4096);
    }
    return sum;
}

/* Tables touched at random places cost a page walk each time, and pools that grow a page fault every 4 KiB: both far less with
 * huge pages. What is touched at random is filled now: later each first touch would zero 2 MiB while payments wait. Where the
 * system refuses either, all works the same, slower. */
static void huge_pages_want(const struct giro_replica *replica, const void *bytes,
                            size_t size_bytes, bool fill)
{
    uintptr_t first = giro_align_up((uintptr_t)bytes, 4096), end = (uintptr_t)bytes + size_bytes;
    if (!replica->options.huge_pages || end <= first)
        return;
    (void)madvise((void *)first, end - first, MADV_HUGEPAGE);
    if (fill)
        (void)madvise((void *)first, end - first, MADV_POPULATE_WRITE);
}

static bool parts_init(struct giro_replica *replica, struct layout *layout,
                       const size_t sizes[PART_COUNT])
{
    uint8_t *at = replica->mem;
    replica->ledger = giro_ledger_init(take(&at, sizes[0]), sizes[0]);
    layout->windows.ledger = replica->ledger;
    replica->windows = giro_windows_init(take(&at, sizes[1]), sizes[1], &layout->windows);
    if (replica->windows == NULL)
        return false;
    layout->settlement.ledger = replica->ledger;
    layout->settlement.sink = giro_windows_settlement_sink(replica->windows);
    replica->settlement = giro_settlement_init(take(&at, sizes[2]), sizes[2], &layout->settlement);
    if (replica->settlement == NULL)
        return false;
    giro_windows_attach(replica->windows, replica->settlement);
    struct giro_part hot[2];
    giro_settlement_hot(replica->settlement, hot);
    huge_pages_want(replica, hot[0].bytes, hot[0].size_bytes, true);
    huge_pages_want(replica, hot[1].bytes, hot[1].size_bytes, false);
    huge_pages_want(replica, replica->windows, sizes[1], false);
    replica->node = giro_node_init(take(&at, sizes[3]), sizes[3], &layout->node);
    replica->pending = giro_pending_init(take(&at, sizes[4]), sizes[4],
                                         replica->options.pending_max, layout->found.seed ^ 1);
    replica->found_map = giro_map_init(take(&at, sizes[5]), sizes[5], &layout->found);
    replica->found = take(&at, sizes[6]);
    replica->verify_scratch = take(&at, sizes[7]);
    replica->ledger_bytes = take(&at, sizes[8]);
    replica->batch = take(&at, sizes[9]);
    replica->seen =
        (struct giro_seen){.seed = layout->found.seed ^ 2, .slots = take(&at, sizes[10])};
    replica->hashes = take(&at, sizes[11]);
    replica->frame_hashes = take(&at, sizes[12]);
    GIRO_ASSERT(at <= (uint8_t *)replica->mem + replica->mem_bytes);
    return replica->node != NULL && replica->pending != NULL && replica->found_map != NULL;
}

struct giro_replica *giro_replica_new(const struct giro_replica_options *options)
{
    size_t self_bytes = giro_align_up(sizeof(struct giro_replica) + sizeof(struct layout), 4096);
    uint8_t *own = mmap(NULL, self_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (own == MAP_FAILED)
        return NULL;
    struct giro_replica *replica = (struct giro_replica *)own;
    struct layout *layout = (struct layout *)(own + sizeof(struct giro_replica));
    replica->options = *options;
    layout_fill(replica, layout);
    size_t sizes[PART_COUNT];
    replica->mem_bytes = sizes_sum(layout, options->pending_max, options->uetr_index_max, sizes);
    if (replica->mem_bytes == 0) {
        munmap(own, self_bytes);
        return NULL;
    }
    replica->mem = mmap(NULL, replica->mem_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (replica->mem == MAP_FAILED) {
        munmap(own, self_bytes);
        return NULL;
    }
    if (!parts_init(replica, layout, sizes)) {
        giro_replica_free(replica);
        return NULL;
    }
    return replica;
}

void giro_replica_free(struct giro_replica *replica)
{
    munmap(replica->mem, replica->mem_bytes);
    munmap(replica, giro_align_up(sizeof(struct giro_replica) + sizeof(struct layout), 4096));
}

enum giro_err giro_replica_start(struct giro_replica *replica, uint64_t now_ns, uint64_t wall_ns,
                                 void (*wait)(void *context), void *wait_context)
{
    set_time(replica, now_ns, wall_ns);
    return giro_node_start(replica->node, now_ns, wall_ns, wait, wait_context);
}

/* ---- Running --------------------------------------------------------------------------------------- */

void giro_replica_message(struct giro_replica *replica, uint64_t now_ns, uint64_t wall_ns,
                          uint16_t sender, const void *bytes, uint32_t size_bytes)
{
    set_time(replica, now_ns, wall_ns);
    giro_node_message(replica->node, now_ns, wall_ns, sender, bytes, size_bytes);
}

void giro_replica_batch(struct giro_replica *replica, uint64_t now_ns, uint64_t wall_ns,
                        uint16_t sender, const void *bytes, uint32_t size_bytes,
                        const struct giro_batch_checked *checked)
{
    replica->checked = checked;
    giro_replica_message(replica, now_ns, wall_ns, sender, bytes, size_bytes);
    replica->checked = NULL;
}

/* A frame that was executed already is answered from its first execution, without being ordered again. */
static bool answer_consumed(struct giro_replica *replica, uint64_t now_ns,
                            const struct giro_frame *frame, const struct giro_hash *hash,
                            const struct giro_endpoint *from)
{
    struct giro_frame_outcome *outcome = &replica->outcome;
    uint64_t height = 0;
    if (!giro_settlement_consumed(replica->settlement, frame->header.member, frame->header.channel,
                                  frame->header.sequence, hash, &height, &outcome->leaf_index))
        return false;
    if (!giro_pending_add(replica->pending, now_ns, frame, hash, from))
        return true; /* the member asks again */
    outcome->outcome = GIRO_OUTCOME_DUPLICATE;
    outcome->first_height = height;
    load_first_outcome(replica, outcome);
    giro_pending_executed(replica->pending, hash, height, now_ns, outcome);
    if (height <= replica->certified_height)
        giro_pending_certified(replica->pending, height, replica->options.callbacks.answer,
                               replica->options.callbacks.context);
    return true;
}

enum giro_err giro_replica_frame(struct giro_replica *replica, uint64_t now_ns,
                                 const struct giro_frame *frame, const struct giro_hash *hash,
                                 const struct giro_endpoint *from)
{
    uint32_t need = 4u + (uint32_t)giro_align_up(frame->size_bytes, 4);
    if (answer_consumed(replica, now_ns, frame, hash, from))
        return GIRO_ERR_OK;
    if (giro_seen_lately(&replica->seen, now_ns, frame))
        return giro_pending_add(replica->pending, now_ns, frame, hash, from) ? GIRO_ERR_OK
                                                                             : GIRO_ERR_FULL;
    if (replica->batch_frames == BATCH_FRAMES_MAX || replica->batch_bytes + need > BATCH_BODY_BYTES)
        return GIRO_ERR_FULL;
    if (!giro_pending_add(replica->pending, now_ns, frame, hash, from))
        return GIRO_ERR_FULL;
    if (replica->batch_frames == 0)
        replica->batch_since_ns = now_ns;
    struct giro_writer writer;
    giro_writer_init(&writer, replica->batch + replica->batch_bytes, need);
    giro_writer_u32(&writer, frame->size_bytes);
    giro_writer_put(&writer, frame->bytes, frame->size_bytes);
    memset(replica->batch + replica->batch_bytes + writer.offset, 0, need - writer.offset);
    replica->batch_bytes += need;
    replica->batch_frames++;
    replica->batch_records += frame->header.record_count;
    giro_seen_note(&replica->seen, now_ns, frame);
    return GIRO_ERR_OK;
}

static bool batch_is_due(const struct giro_replica *replica, uint64_t now_ns)
{
    if (replica->batch_frames == 0)
        return false;
    return giro_node_own_in_flight(replica->node) == 0 ||
           replica->batch_frames == BATCH_FRAMES_MAX ||
           replica->batch_bytes + GIRO_FRAME_BYTES_MAX + 4 > BATCH_BODY_BYTES ||
           now_ns >= replica->batch_since_ns + BATCH_WAIT_NS;
}

enum giro_err giro_replica_poll(struct giro_replica *replica, uint64_t now_ns, uint64_t wall_ns)
{
    set_time(replica, now_ns, wall_ns);
    bool room = giro_windows_room(replica->windows) >= WINDOW_ROOM_MIN;
    if (room && batch_is_due(replica, now_ns) && giro_node_room(replica->node) > 0) {
        enum giro_err err =
            giro_node_submit(replica->node, now_ns, wall_ns, replica->batch, replica->batch_bytes,
                             replica->batch_frames, replica->batch_records);
        if (err != GIRO_ERR_OK && err != GIRO_ERR_FULL)
            return err;
        if (err == GIRO_ERR_OK) {
            replica->batch_bytes = 0;
            replica->batch_frames = 0;
            replica->batch_records = 0;
            giro_pending_cut(replica->pending);
        }
    }
    if (now_ns > PENDING_LIFE_NS)
        giro_pending_expire(replica->pending, now_ns - PENDING_LIFE_NS, 16);
    return giro_node_poll(replica->node, now_ns, wall_ns);
}

uint64_t giro_replica_next_ns(const struct giro_replica *replica)
{
    uint64_t next = giro_node_next_ns(replica->node);
    if (replica->batch_frames > 0 && giro_node_room(replica->node) > 0) {
        uint64_t cut = replica->batch_since_ns + BATCH_WAIT_NS;
        next = cut < next ? cut : next;
    }
    return next;
}

/* ---- Views --------------------------------------------------------------------------------------------- */

bool giro_replica_find(const struct giro_replica *replica, const uint8_t uetr[16],
                       struct giro_found *found)
{
    if (giro_settlement_find(replica->settlement, uetr, found))
        return true;
    uint32_t at = giro_map_get(replica->found_map, uetr);
    if (at == GIRO_NONE)
        return false;
    *found = replica->found[at].found;
    return true;
}

void giro_replica_status(const struct giro_replica *replica, struct giro_replica_status *status)
{
    giro_node_status(replica->node, &status->consensus);
    status->frames = replica->frames;
    status->records = replica->records;
    status->blocks = replica->blocks;
    status->windows = giro_windows_sealed(replica->windows);
    status->log_bytes = giro_node_log_bytes(replica->node);
    status->pending = giro_pending_count(replica->pending);
    giro_pending_legs(replica->pending, &status->legs);
    giro_node_images_status(replica->node, &status->images);
    status->business_date = giro_settlement_business_date(replica->settlement);
}

void giro_replica_peer_rejects(const struct giro_replica *replica, uint32_t peer,
                               uint64_t rejects[GIRO_REJECT_COUNT_OF_REASONS])
{
    giro_node_peer_rejects(replica->node, peer, rejects);
}

void giro_replica_alarms(const struct giro_replica *replica, struct giro_node_alarms *alarms)
{
    giro_node_alarms(replica->node, alarms);
}

const struct giro_halt *giro_replica_halt(const struct giro_replica *replica)
{
    return giro_node_halt(replica->node);
}

void giro_replica_halt_message(const struct giro_replica *replica,
                               uint8_t out[GIRO_HALT_MESSAGE_BYTES])
{
    giro_node_halt_message(replica->node, out);
}

uint64_t giro_replica_peer_halted(const struct giro_replica *replica, uint32_t peer)
{
    return giro_node_peer_halted(replica->node, peer);
}

uint32_t giro_replica_evidence(const struct giro_replica *replica, uint32_t offender,
                               struct giro_part records[GIRO_EVIDENCE_PER_REPLICA])
{
    return giro_node_evidence(replica->node, offender, records);
}

const struct giro_settlement *giro_replica_settlement(const struct giro_replica *replica)
{
    return replica->settlement;
}

void giro_replica_roots(const struct giro_replica *replica, uint64_t *height,
                        struct giro_hash *state_root, struct giro_hash *ledger_root)
{
    *height = replica->executed_height;
    *state_root = replica->state_root;
    *ledger_root = replica->ledger_root;
}

void giro_replica_check(const struct giro_replica *replica)
{
    giro_node_check(replica->node);
    giro_settlement_check(replica->settlement);
    giro_windows_check(replica->windows);
}
