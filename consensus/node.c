/* The caller's duties D1-D9 of giro/consensus.h, over one disk. Every event goes through step(); events that arise while
 * actions are performed wait in a queue, so nothing recurses. An event that may write to the log is handed in only when
 * the log has room for the most that one step can write: a LOG action cannot fail. */
#include "giro/node.h"
#include "consensus/images.h"
#include "consensus/node_images.h"
#include "consensus/statesync.h"
#include "giro/sys.h"
#include "internal.h"

#define MAGIC_OBJECT UINT64_C(0x65646f6e6f726967)
/* Beside batches under verification: one execution, one signature. */
#define QUEUE_EXTRA          16u
#define INDEX_MIN            1024u
#define POLL_MAX             16u
#define PATIENCE_ORDERING_NS 1000000u
#define PATIENCE_NS          5000000u
#define UNWRITTEN_BYTES_MAX  (64u * 1024u) /* then nothing waits */
/* Blocks one step can log: the orphans that found their parent, the one that came, the one proposed. */
#define STEP_BLOCKS (GIRO_ORPHANS_MAX + 2u)
#define STEP_OTHERS (2u * GIRO_BATCH_BYTES_MAX + 128u * 1024u)

static struct giro_log_options log_options(const struct giro_node_options *options)
{
    struct giro_log_options log = options->log;
    log.disk = options->disk;
    log.chain_id = options->consensus.chain_id;
    log.replica = (uint16_t)options->consensus.self;
    return log;
}

static uint32_t queue_max(const struct giro_node_options *options)
{
    return options->consensus.batches_max + QUEUE_EXTRA;
}

uint64_t giro_node_step_bytes(const struct giro_node_options *options)
{
    return (uint64_t)STEP_BLOCKS * giro_tree_slot_bytes(options->consensus.replica_count) +
           STEP_OTHERS;
}

/* Sizes of the parts, in the order they are laid out; 0 = bad options. */
#define PARTS 9u
static size_t parts_sum(const struct giro_node_options *options, size_t sizes[PARTS])
{
    struct giro_log_options log = log_options(options);
    sizes[0] = sizeof(struct giro_node);
    sizes[1] = giro_consensus_footprint(&options->consensus);
    sizes[2] = giro_safety_footprint();
    sizes[3] = giro_log_footprint(&log);
    sizes[4] = options->index_max < INDEX_MIN ? 0 : giro_index_footprint(options->index_max);
    if (sizes[1] == 0 || sizes[3] == 0 || sizes[4] == 0)
        return 0;
    if (log.buffer_bytes < giro_node_step_bytes(options) + 4 * GIRO_DISK_BLOCK_BYTES)
        return 0;
    sizes[5] = sizeof(struct giro_actions) + GIRO_NODE_SCRATCH_BYTES;
    sizes[6] = GIRO_LOG_BODY_BYTES_MAX;
    sizes[7] = queue_max(options) * sizeof(struct giro_event);
    sizes[8] = giro_node_images_footprint(options);
    size_t sum = 0;
    for (uint32_t i = 0; i < PARTS; i++) {
        sizes[i] = giro_align_up(sizes[i], 64);
        sum += sizes[i];
    }
    return sum;
}

size_t giro_node_footprint(const struct giro_node_options *options)
{
    size_t sizes[PARTS];
    return parts_sum(options, sizes);
}

/* What the core signs is an input of the event under way: a replay has no key. */
static struct giro_signature sign_recorded(void *context, const void *message, size_t message_bytes)
{
    const struct giro_node *node = context;
    const struct giro_recorder *recorder = &node->options.recorder;
    struct giro_signature signature =
        giro_sign(node->options.consensus.batch_key, message, message_bytes);
    recorder->signature(recorder->context, &signature);
    return signature;
}

struct giro_node *giro_node_init(void *mem, size_t size_bytes,
                                 const struct giro_node_options *options)
{
    size_t sizes[PARTS];
    size_t sum = parts_sum(options, sizes);
    if (sum == 0 || size_bytes < sum)
        return NULL;
    uint8_t *parts[PARTS];
    parts[0] = mem;
    for (uint32_t i = 1; i < PARTS; i++)
        parts[i] = parts[i - 1] + sizes[i - 1];
    struct giro_node *node = mem;
    memset(node, 0, sizeof *node);
    node->options = *options;
    node->options.log = log_options(options);
    struct giro_safety_options safety = {.disk = options->disk,
                                         .chain_id = options->consensus.chain_id,
                                         .replica = (uint16_t)options->consensus.self,
                                         .epoch = options->consensus.epoch,
                                         .vote_key = options->vote_key};
    if (options->recorder.event != NULL) {
        node->options.consensus.sign = sign_recorded;
        node->options.consensus.sign_context = node;
    }
    node->core = giro_consensus_init(parts[1], sizes[1], &node->options.consensus);
    node->safety = giro_safety_init(parts[2], sizes[2], &safety);
    node->log = giro_log_init(parts[3], sizes[3], &node->options.log);
    if (node->core == NULL || node->safety == NULL || node->log == NULL)
        return NULL;
    giro_index_init(&node->index, parts[4], options->index_max, options->consensus.map_seed);
    node->actions = (struct giro_actions *)parts[5];
    node->actions->count = 0;
    node->actions->scratch = parts[5] + sizeof(struct giro_actions);
    node->actions->scratch_bytes = GIRO_NODE_SCRATCH_BYTES;
    node->read_block = parts[6];
    node->queue = (struct giro_event *)parts[7];
    node->queue_max = queue_max(options);
    node->step_bytes = giro_node_step_bytes(options);
    if (!giro_node_images_init(node, parts[8], sizes[8]))
        return NULL;
    node->magic = MAGIC_OBJECT;
    return node;
}

/* ---- Performing actions --------------------------------------------------------------------------- */

struct giro_event giro_node_event(const struct giro_node *node, enum giro_event_kind kind)
{
    struct giro_event event;
    memset(&event, 0, sizeof event);
    event.kind = kind;
    event.now_ns = node->now_ns;
    event.wall_ns = node->wall_ns;
    return event;
}

void giro_node_queue(struct giro_node *node, const struct giro_event *event)
{
    GIRO_ASSERT(node->queue_count < node->queue_max);
    node->queue[(node->queue_first + node->queue_count++) % node->queue_max] = *event;
}

/* How long a record may wait for another to share its write with. A block is awaited by a vote, a timeout by its signature.
 * Bodies and roots are awaited, too (by an acknowledgement, a commit vote), but while blocks are being ordered another block is
 * about to be written. Nothing waits for the rest. */
static uint64_t record_patience_ns(const struct giro_node *node, enum giro_log_kind kind)
{
    switch (kind) {
    case GIRO_LOG_BLOCK_RECORD:
    case GIRO_LOG_TIMEOUT_RECORD:
        return 0;
    case GIRO_LOG_BATCH_RECORD:
    case GIRO_LOG_ROOTS_RECORD:
        return giro_consensus_ordering(node->core) ? PATIENCE_ORDERING_NS : 0;
    default:
        return PATIENCE_NS;
    }
}

static void perform_log(struct giro_node *node, const struct giro_action *action)
{
    uint64_t sequence = 0;
    struct giro_log_position position;
    enum giro_err err = giro_log_append(node->log, action->log.record, action->log.parts,
                                        action->log.part_count, &sequence, &position);
    GIRO_ASSERT(err == GIRO_ERR_OK); /* room was there before the step */
    GIRO_ASSERT(sequence == action->log.sequence);
    GIRO_ASSERT(action->log.part_count >= 1);
    const uint64_t flush_ns = node->now_ns + record_patience_ns(node, action->log.record);
    if (flush_ns < node->flush_ns)
        node->flush_ns = flush_ns;
    node->unwritten_bytes += action->log.parts[0].size_bytes;
    giro_index_record(&node->index, (uint16_t)action->log.record, &action->log.key,
                      &action->log.parts[0], position);
}

static void perform_send(struct giro_node *node, const struct giro_action *action)
{
    struct giro_part parts[GIRO_ACTION_PARTS_MAX + 1];
    parts[0] = (struct giro_part){&action->send.envelope, sizeof action->send.envelope};
    for (uint32_t i = 0; i < action->send.part_count; i++)
        parts[i + 1] = action->send.parts[i];
    node->high_tc_round = action->send.envelope.high_tc_round;
    node->options.callbacks.send(node->options.callbacks.context, action->send.peer, parts,
                                 action->send.part_count + 1);
}

static void perform_verify(struct giro_node *node, const struct giro_action *action)
{
    struct giro_event event = giro_node_event(node, GIRO_EVENT_VERDICT);
    event.verdict.slot = action->verify.slot;
    event.verdict.batch_id = action->verify.batch_id;
    event.verdict.valid = node->options.callbacks.verify(node->options.callbacks.context, action);
    giro_node_queue(node, &event);
}

static void perform_execute(struct giro_node *node, const struct giro_action *action)
{
    const struct giro_proposal *block = action->execute.block;
    giro_index_committed(&node->index, block->block.height, &block->block_id);
    struct giro_execution execution =
        node->options.callbacks.execute(node->options.callbacks.context, action);
    struct giro_event event = giro_node_event(node, GIRO_EVENT_EXECUTED);
    event.executed.height = block->block.height;
    event.executed.state_root = execution.state_root;
    event.executed.ledger_root = execution.ledger_root;
    event.executed.next_due_ns = execution.next_due_ns;
    memcpy(event.executed.repeated_frames, execution.repeated_frames,
           sizeof event.executed.repeated_frames);
    event.executed.checkpoint = execution.checkpoint && node->images != NULL;
    giro_node_queue(node, &event);
}

static void perform(struct giro_node *node, const struct giro_action *action)
{
    const struct giro_node_callbacks *to = &node->options.callbacks;
    switch (action->kind) {
    case GIRO_ACTION_LOG:
        perform_log(node, action);
        break;
    case GIRO_ACTION_SIGN:
        giro_safety_request(node->safety, action);
        break;
    case GIRO_ACTION_SEND:
        perform_send(node, action);
        break;
    case GIRO_ACTION_VERIFY:
        perform_verify(node, action);
        break;
    case GIRO_ACTION_EXECUTE:
        perform_execute(node, action);
        break;
    case GIRO_ACTION_CERTIFIED:
        if (to->certified != NULL)
            to->certified(to->context, action->certified.certificate, action->certified.recovering);
        break;
    case GIRO_ACTION_AVAILABLE:
        if (to->available != NULL)
            to->available(to->context, action);
        break;
    case GIRO_ACTION_SERVE:
        (void)giro_serve_add(&node->serve, &node->index, action);
        break;
    case GIRO_ACTION_EVIDENCE:
        if (to->evidence != NULL)
            to->evidence(to->context, action);
        break;
    case GIRO_ACTION_CHECKPOINT:
        giro_node_images_take(node, action->checkpoint.height);
        break;
    case GIRO_ACTION_KEEP:
        giro_node_images_keep(node, action);
        break;
    case GIRO_ACTION_STATE_SYNC:
        if (node->images != NULL)
            giro_statesync_want(node->sync, node->now_ns, action->state_sync.above_height);
        break;
    case GIRO_ACTION_HALT:
        node->halted = true;
        if (to->halted != NULL)
            to->halted(to->context, action->halt.reason, action->halt.height);
        break;
    }
}

void giro_node_step(struct giro_node *node, const struct giro_event *event)
{
    const struct giro_recorder *recorder = &node->options.recorder;
    if (recorder->event != NULL)
        recorder->event(recorder->context, event);
    giro_consensus_step(node->core, event, node->actions);
    if (recorder->event != NULL)
        recorder->outcome(recorder->context, node->actions);
    for (uint32_t i = 0; i < node->actions->count; i++)
        perform(node, &node->actions->items[i]);
}

/* D9, and the promise that a LOG action cannot fail. */
static bool may_step(const struct giro_node *node)
{
    return node->started && !node->halted && node->err == GIRO_ERR_OK &&
           giro_log_room(node->log) >= node->step_bytes;
}

static bool queue_step(struct giro_node *node)
{
    if (node->queue_count == 0)
        return false;
    struct giro_event event = node->queue[node->queue_first];
    node->queue_first = (node->queue_first + 1) % node->queue_max;
    node->queue_count--;
    event.now_ns = node->now_ns;
    event.wall_ns = node->wall_ns;
    giro_node_step(node, &event);
    return true;
}

/* Feeds what waits until nothing does, or the log is full: the rest waits for completions. */
static void drain(struct giro_node *node)
{
    while (may_step(node)) {
        struct giro_event event;
        uint64_t watermark = giro_log_watermark(node->log);
        if (queue_step(node))
            continue;
        if (watermark > node->reported) {
            node->reported = watermark;
            event = giro_node_event(node, GIRO_EVENT_LOG_DURABLE);
            event.log_durable.watermark = watermark;
            giro_node_step(node, &event);
            continue;
        }
        node->err = giro_safety_advance(node->safety, watermark);
        if (node->err != GIRO_ERR_OK || !giro_safety_take(node->safety, &event))
            return;
        event.now_ns = node->now_ns;
        event.wall_ns = node->wall_ns;
        giro_node_step(node, &event);
    }
}

static void set_time(struct giro_node *node, uint64_t now_ns, uint64_t wall_ns)
{
    if (now_ns > node->now_ns)
        node->now_ns = now_ns;
    node->wall_ns = wall_ns;
}

/* What was submitted (a group of the log, the copies of a safety record, chunks) goes to the disk together. */
static enum giro_err disk_start(const struct giro_node *node)
{
    const struct giro_disk *const disk = node->options.disk;
    return disk->ops->start != NULL ? disk->ops->start(disk->self) : GIRO_ERR_OK;
}

/* ---- Starting ------------------------------------------------------------------------------------- */

static void find_segment(void *context, const char *name)
{
    bool *found = context;
    if (strncmp(name, "log-", 4) == 0)
        *found = true;
}

static enum giro_err recover_visit(void *context, const struct giro_log_found *found)
{
    struct giro_node *node = context;
    struct giro_part body = {found->body, found->body_bytes};
    struct giro_hash id = giro_hash_zero;
    if (found->kind == GIRO_LOG_BATCH_RECORD) {
        id = giro_batch_id(&node->options.consensus.chain_id, found->body, found->body_bytes);
    } else if (found->kind == GIRO_LOG_BLOCK_RECORD) {
        struct giro_proposal_header header;
        uint64_t references_bytes;
        if (found->body_bytes < sizeof header)
            return GIRO_ERR_FORMAT;
        memcpy(&header, found->body, sizeof header);
        references_bytes =
            (uint64_t)header.block.reference_count * sizeof(struct giro_batch_reference);
        if (header.block.reference_count > GIRO_BLOCK_REFERENCES_MAX ||
            found->body_bytes < sizeof header + references_bytes)
            return GIRO_ERR_FORMAT;
        struct giro_batch_reference references[GIRO_BLOCK_REFERENCES_MAX];
        memcpy(references, found->body + sizeof header, references_bytes);
        id = giro_block_id(&header.block, references);
    }
    giro_index_record(&node->index, found->kind, &id, &body, found->position);
    struct giro_event event = giro_node_event(node, GIRO_EVENT_RECOVER_RECORD);
    event.recover_record.kind = found->kind;
    event.recover_record.body = found->body;
    event.recover_record.body_bytes = found->body_bytes;
    giro_node_step(node, &event);
    while (!node->halted && queue_step(node))
        continue;
    return node->halted ? GIRO_ERR_DIVERGED : GIRO_ERR_OK;
}

enum giro_err giro_node_start(struct giro_node *node, uint64_t now_ns, uint64_t wall_ns,
                              void (*wait)(void *context), void *wait_context)
{
    GIRO_ASSERT(node->magic == MAGIC_OBJECT && !node->started);
    struct giro_disk *disk = node->options.disk;
    struct giro_safety_state state;
    bool log_found = false;
    set_time(node, now_ns, wall_ns);
    const struct giro_recorder *recorder = &node->options.recorder;
    if (recorder->event != NULL) {
        struct giro_event_log_header header =
            giro_event_log_header_make(&node->options.consensus, GIRO_NODE_SCRATCH_BYTES);
        recorder->begin(recorder->context, &header);
    }
    /* A segment file is made only after the safety file, so any segment means that votes may have been signed. */
    GIRO_TRY(disk->ops->list(disk->self, find_segment, &log_found));
    GIRO_TRY(giro_safety_open(node->safety, !log_found, wait, wait_context, &state,
                              &node->safety_repaired));
    struct giro_event event = giro_node_event(node, GIRO_EVENT_RECOVER_SAFETY);
    event.recover_safety = &state;
    giro_node_step(node, &event);
    uint64_t needed = 1;
    GIRO_TRY(giro_node_images_restore(node, &needed));
    GIRO_TRY(giro_log_open(node->log, state.log_watermark, needed, recover_visit, node));
    node->started = true;
    node->flush_ns = UINT64_MAX;
    node->reported = giro_log_watermark(node->log);
    event = giro_node_event(node, GIRO_EVENT_START);
    event.start.next_log_sequence = giro_log_next_sequence(node->log);
    giro_node_step(node, &event);
    drain(node);
    if (node->err == GIRO_ERR_OK)
        node->err = node->halted ? GIRO_ERR_DIVERGED : giro_log_flush(node->log);
    if (node->err == GIRO_ERR_OK)
        node->err = disk_start(node);
    return node->err;
}

/* ---- Running -------------------------------------------------------------------------------------- */

void giro_node_message(struct giro_node *node, uint64_t now_ns, uint64_t wall_ns, uint16_t sender,
                       const void *bytes, uint32_t size_bytes)
{
    GIRO_ASSERT(node->magic == MAGIC_OBJECT);
    set_time(node, now_ns, wall_ns);
    if (!may_step(node) || node->queue_count > 0)
        return; /* the log is behind: the network may lose a message, the log may not */
    if (giro_node_images_message(node, sender, bytes, size_bytes))
        return;
    struct giro_event event = giro_node_event(node, GIRO_EVENT_MESSAGE);
    event.message.sender = sender;
    event.message.bytes = bytes;
    event.message.size_bytes = size_bytes;
    giro_node_step(node, &event);
    drain(node);
}

enum giro_err giro_node_submit(struct giro_node *node, uint64_t now_ns, uint64_t wall_ns,
                               const void *frames, uint32_t frames_bytes, uint32_t frame_count,
                               uint32_t record_count)
{
    GIRO_ASSERT(node->magic == MAGIC_OBJECT);
    set_time(node, now_ns, wall_ns);
    GIRO_TRY(node->err);
    if (giro_node_room(node) == 0)
        return GIRO_ERR_FULL;
    struct giro_event event = giro_node_event(node, GIRO_EVENT_LOCAL_BATCH);
    event.local_batch.frames = frames;
    event.local_batch.frames_bytes = frames_bytes;
    event.local_batch.frame_count = frame_count;
    event.local_batch.record_count = record_count;
    giro_node_step(node, &event);
    drain(node);
    return node->err;
}

/* Something appended or asked of the safety module is not durable yet. */
static bool disk_awaited(const struct giro_node *node)
{
    return giro_log_watermark(node->log) + 1 < giro_log_next_sequence(node->log) ||
           giro_safety_writing(node->safety);
}

void giro_node_alarms(const struct giro_node *node, struct giro_node_alarms *alarms)
{
    *alarms = (struct giro_node_alarms){.safety_repaired = node->safety_repaired,
                                        .log_cut = giro_log_cut(node->log)};
    if (node->started && disk_awaited(node))
        alarms->disk_silent_ns = node->now_ns - node->disk_moved_ns;
}

static enum giro_err take_completions(struct giro_node *node)
{
    struct giro_disk *disk = node->options.disk;
    struct giro_disk_completion done[POLL_MAX];
    uint32_t count;
    do {
        count = disk->ops->poll(disk->self, done, POLL_MAX);
        if (count > 0)
            node->disk_moved_ns = node->now_ns;
        for (uint32_t i = 0; i < count; i++) {
            if (GIRO_DISK_TAG_OWNER(done[i].tag) == GIRO_DISK_OWNER_LOG)
                GIRO_TRY(giro_log_completed(node->log, done[i].tag, done[i].err));
            else if (GIRO_DISK_TAG_OWNER(done[i].tag) == GIRO_DISK_OWNER_IMAGE)
                GIRO_TRY(giro_images_completed(node->images, done[i].tag, done[i].err));
            else
                GIRO_TRY(giro_safety_completed(node->safety, done[i].tag, done[i].err));
        }
    } while (count == POLL_MAX);
    return GIRO_ERR_OK;
}

static struct giro_peer_envelope envelope_make(const struct giro_node *node, uint16_t body_kind)
{
    struct giro_consensus_status status;
    giro_consensus_status(node->core, &status);
    return (struct giro_peer_envelope){.head = giro_head_make(GIRO_KIND_PEER),
                                       .size_bytes = sizeof(struct giro_peer_envelope),
                                       .body_kind = body_kind,
                                       .sender = (uint16_t)node->options.consensus.self,
                                       .epoch = status.epoch,
                                       .round = status.round,
                                       .high_qc_round = status.high_qc_round,
                                       .high_tc_round = node->high_tc_round,
                                       .committed_height = status.committed_height,
                                       .certified_height = status.certified_height};
}

void giro_node_send(struct giro_node *node, uint16_t peer, uint16_t body_kind,
                    const struct giro_part *parts, uint32_t part_count)
{
    struct giro_peer_envelope envelope = envelope_make(node, body_kind);
    struct giro_part all[3] = {{&envelope, sizeof envelope}};
    GIRO_ASSERT(part_count <= 2);
    for (uint32_t i = 0; i < part_count; i++) {
        all[i + 1] = parts[i];
        envelope.size_bytes += (uint32_t)parts[i].size_bytes;
    }
    node->options.callbacks.send(node->options.callbacks.context, peer, all, part_count + 1);
}

static void serve_send(struct giro_node *node, const struct giro_serve_job *job, uint16_t body_kind,
                       const void *body, uint32_t body_bytes)
{
    const struct giro_part part = {body, body_bytes};
    giro_node_send(node, job->peer, body_kind, &part, 1);
}

static void serve_not_found(struct giro_node *node, const struct giro_serve_job *job)
{
    struct giro_not_found answer = {.head = giro_head_make(GIRO_KIND_NOT_FOUND),
                                    .id = job->id,
                                    .height = job->height,
                                    .wanted_kind = job->body_kind};
    serve_send(node, job, GIRO_KIND_NOT_FOUND, &answer, sizeof answer);
}

/* Answers from disk, at most GIRO_SERVE_BYTES (and one record) per poll, so that a peer far behind costs little time. */
static void serve_some(struct giro_node *node)
{
    uint32_t sent_bytes = 0;
    while (sent_bytes < GIRO_SERVE_BYTES) {
        struct giro_serve_job *job = giro_serve_head(&node->serve);
        if (job == NULL)
            return;
        uint16_t kind = 0;
        uint32_t size_bytes = 0;
        enum giro_err err = GIRO_ERR_NOENT;
        if (job->next < job->count)
            err = giro_log_read(node->log, job->positions[job->next++], node->read_block,
                                GIRO_LOG_BODY_BYTES_MAX, &kind, &size_bytes);
        if (err != GIRO_ERR_OK) {
            /* A record that cannot be read again is a peer's loss, not this replica's: it is asked elsewhere. */
            serve_not_found(node, job);
            giro_serve_pop(&node->serve);
            sent_bytes += GIRO_DISK_BLOCK_BYTES;
            continue;
        }
        serve_send(node, job, job->body_kind, node->read_block, size_bytes);
        sent_bytes += size_bytes + GIRO_DISK_BLOCK_BYTES;
        if (job->next == job->count)
            giro_serve_pop(&node->serve);
    }
}

/* Writes what was appended when the first of it is due, and with it all the rest. What finds too many writes under way is left
 * for the poll after a completion. */
static enum giro_err log_flush(struct giro_node *node)
{
    if (node->now_ns < node->flush_ns && node->unwritten_bytes < UNWRITTEN_BYTES_MAX)
        return GIRO_ERR_OK;
    GIRO_TRY(giro_log_flush(node->log));
    if (giro_log_unwritten(node->log))
        return GIRO_ERR_OK;
    node->flush_ns = UINT64_MAX;
    node->unwritten_bytes = 0;
    return GIRO_ERR_OK;
}

enum giro_err giro_node_poll(struct giro_node *node, uint64_t now_ns, uint64_t wall_ns)
{
    GIRO_ASSERT(node->magic == MAGIC_OBJECT && node->started);
    set_time(node, now_ns, wall_ns);
    GIRO_TRY(node->err);
    if (!disk_awaited(node))
        node->disk_moved_ns = node->now_ns;
    node->err = take_completions(node);
    drain(node);
    if (may_step(node) && giro_consensus_next_ns(node->core) <= node->now_ns) {
        struct giro_event event = giro_node_event(node, GIRO_EVENT_TICK);
        giro_node_step(node, &event);
        drain(node);
    }
    if (node->halted && node->err == GIRO_ERR_OK)
        node->err = GIRO_ERR_DIVERGED;
    if (node->err == GIRO_ERR_OK)
        node->err = log_flush(node);
    if (node->err == GIRO_ERR_OK)
        node->err = disk_start(node); /* what follows may take a while */
    if (node->err == GIRO_ERR_OK)
        serve_some(node);
    if (node->err == GIRO_ERR_OK)
        node->err = giro_node_images_poll(node);
    drain(node);
    if (node->err == GIRO_ERR_OK)
        node->err = disk_start(node);
    return node->err;
}

/* ---- Questions ------------------------------------------------------------------------------------ */

uint64_t giro_node_next_ns(const struct giro_node *node)
{
    if (node->err != GIRO_ERR_OK || node->halted || node->serve.count > 0)
        return node->now_ns;
    const uint64_t images_ns = giro_node_images_next_ns(node);
    /* With a full log nothing can be done before a completion, which makes the disk's descriptor readable. */
    const uint64_t core_ns = may_step(node) ? giro_consensus_next_ns(node->core) : UINT64_MAX;
    const uint64_t next_ns = core_ns < images_ns ? core_ns : images_ns;
    /* Overdue: the flush waits for a completion, too. */
    return node->flush_ns > node->now_ns && node->flush_ns < next_ns ? node->flush_ns : next_ns;
}

uint32_t giro_node_room(const struct giro_node *node)
{
    return may_step(node) && node->queue_count == 0 ? giro_consensus_batch_room(node->core) : 0;
}

uint32_t giro_node_own_in_flight(const struct giro_node *node)
{
    return giro_consensus_own_in_flight(node->core);
}

void giro_node_status(const struct giro_node *node, struct giro_consensus_status *status)
{
    giro_consensus_status(node->core, status);
}

void giro_node_peer_rejects(const struct giro_node *node, uint32_t peer,
                            uint64_t rejects[GIRO_REJECT_COUNT_OF_REASONS])
{
    giro_consensus_peer_rejects(node->core, peer, rejects);
}

const struct giro_halt *giro_node_halt(const struct giro_node *node)
{
    return giro_consensus_halt(node->core);
}

void giro_node_halt_message(const struct giro_node *node, uint8_t out[GIRO_HALT_MESSAGE_BYTES])
{
    const struct giro_halt *halt = giro_node_halt(node);
    GIRO_ASSERT(halt != NULL);
    const struct giro_halted said = giro_halted_make(node->options.consensus.epoch, halt);
    struct giro_peer_envelope envelope = envelope_make(node, GIRO_KIND_HALTED);
    envelope.size_bytes = GIRO_HALT_MESSAGE_BYTES;
    memcpy(out, &envelope, sizeof envelope);
    memcpy(out + sizeof envelope, &said, sizeof said);
}

uint64_t giro_node_peer_halted(const struct giro_node *node, uint32_t peer)
{
    return giro_consensus_peer_halted(node->core, peer);
}

uint32_t giro_node_evidence(const struct giro_node *node, uint32_t offender,
                            struct giro_part records[GIRO_EVIDENCE_PER_REPLICA])
{
    return giro_consensus_evidence(node->core, offender, records);
}

uint64_t giro_node_log_bytes(const struct giro_node *node)
{
    return giro_log_bytes(node->log);
}

void giro_node_check(const struct giro_node *node)
{
    GIRO_ASSERT(node->magic == MAGIC_OBJECT);
    giro_consensus_check(node->core);
    giro_index_check(&node->index);
    if (node->images != NULL)
        giro_images_check(node->images);
    GIRO_ASSERT(node->queue_count <= node->queue_max);
    GIRO_ASSERT(node->serve.count <= GIRO_SERVE_JOBS);
    GIRO_ASSERT(!node->started || node->reported <= giro_log_watermark(node->log));
    GIRO_ASSERT(!node->started ||
                giro_log_watermark(node->log) < giro_log_next_sequence(node->log));
}
