/* One instance: the caller's duties D1 to D8 of giro/consensus.h over a log in memory and the real safety module. */
#include <string.h>

#include "consensus/internal.h"
#include "twins/hub.h"

uint64_t hub_wall_ns(const struct hub *hub, uint32_t instance)
{
    return HUB_WALL_NS + hub->now_ns + (uint64_t)hub->nodes[instance].skew_ns;
}

struct giro_consensus_status hub_status(const struct hub *hub, uint32_t instance)
{
    struct giro_consensus_status status;
    giro_consensus_status(hub->nodes[instance].core, &status);
    return status;
}

uint64_t hub_round(const struct hub *hub, uint32_t instance)
{
    return hub_status(hub, instance).round;
}

/* ---- Performing actions ----------------------------------------------------------------------------------------- */

static void perform_log(struct hub *hub, struct hub_node *node, const struct giro_action *action)
{
    GIRO_ASSERT(node->record_count < HUB_RECORDS_MAX);
    GIRO_ASSERT(action->log.sequence == node->record_count + 1u);
    GIRO_ASSERT(action->log.part_count == 1);
    struct hub_record *const record = &node->records[node->record_count++];
    *record = (struct hub_record){
        .kind = (uint16_t)action->log.record,
        .key = action->log.key,
        .height = action->log.height,
        .size_bytes = (uint32_t)action->log.parts[0].size_bytes,
        .bytes = hub_keep(hub, action->log.parts[0].bytes, action->log.parts[0].size_bytes)};
    watch_log(hub, record);
    if (!hub->options.slow_disks)
        node->watermark = node->record_count;
}

static void perform_execute(struct hub *hub, uint32_t instance, const struct giro_action *action,
                            struct giro_event *answer)
{
    struct hub_node *const node = &hub->nodes[instance];
    const struct giro_proposal *const block = action->execute.block;
    watch_execute(hub, instance, block);
    const struct giro_part parts[2] = {{&node->state_root, 32}, {&block->block_id, 32}};
    node->state_root = giro_sha256_parts(parts, 2);
    node->executed = block->block.height;
    for (uint32_t i = 0; i < block->block.reference_count; i++)
        node->batches_executed += block->references[i].author == node->identity;
    *answer = (struct giro_event){.kind = GIRO_EVENT_EXECUTED,
                                  .executed = {.height = block->block.height,
                                               .state_root = node->state_root,
                                               .ledger_root = block->block_id,
                                               .next_due_ns = hub->next_due_ns}};
}

static void serve_one(struct hub *hub, uint32_t instance, uint16_t peer,
                      const struct hub_record *record)
{
    const struct giro_consensus_status status = hub_status(hub, instance);
    struct giro_action action = {.kind = GIRO_ACTION_SEND};
    action.send.peer = peer;
    action.send.envelope = (struct giro_peer_envelope){
        .head = giro_head_make(GIRO_KIND_PEER),
        .size_bytes = 64 + record->size_bytes,
        .body_kind = record->kind == GIRO_LOG_BLOCK_RECORD ? GIRO_KIND_BLOCK : GIRO_KIND_BATCH,
        .sender = (uint16_t)hub->nodes[instance].identity,
        .epoch = 1,
        .round = status.round,
        .high_qc_round = status.high_qc_round,
        .committed_height = status.committed_height,
        .certified_height = status.certified_height};
    action.send.parts[0] = (struct giro_part){record->bytes, record->size_bytes};
    action.send.part_count = 1;
    hub_send(hub, instance, &action);
}

/* Which block of a height was executed is read from the watcher's table of cut ids. */
static bool record_wanted(const struct hub *hub, const struct hub_record *record,
                          const struct giro_action *action, uint64_t height)
{
    if (record->kind != GIRO_LOG_BLOCK_RECORD && record->kind != GIRO_LOG_BATCH_RECORD)
        return false;
    if (!giro_hash_is_zero(&action->serve.id))
        return giro_hash_equal(&record->key, &action->serve.id);
    return record->kind == GIRO_LOG_BLOCK_RECORD && record->height == height &&
           height < HUB_HEIGHTS_MAX && hub->watch.executed[height] == watch_id(&record->key);
}

static void perform_serve(struct hub *hub, uint32_t instance, const struct giro_action *action)
{
    const struct hub_node *const node = &hub->nodes[instance];
    if (action->serve.wanted_kind == GIRO_KIND_CERTIFICATE)
        return;
    const uint32_t count = giro_hash_is_zero(&action->serve.id) ? action->serve.count : 1;
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t r = 0; r < node->record_count; r++) {
            if (!record_wanted(hub, &node->records[r], action, action->serve.height + i))
                continue;
            serve_one(hub, instance, action->serve.peer, &node->records[r]);
            break;
        }
    }
}

/* Performs one action; true if it yields an event at once. */
static bool perform(struct hub *hub, uint32_t instance, const struct giro_action *action,
                    struct giro_event *answer)
{
    struct hub_node *const node = &hub->nodes[instance];
    switch (action->kind) {
    case GIRO_ACTION_LOG:
        perform_log(hub, node, action);
        return false;
    case GIRO_ACTION_SIGN:
        giro_safety_request(node->safety, action);
        return false;
    case GIRO_ACTION_SEND:
        hub_send(hub, instance, action);
        return false;
    case GIRO_ACTION_VERIFY:
        *answer = (struct giro_event){.kind = GIRO_EVENT_VERDICT,
                                      .verdict = {.slot = action->verify.slot,
                                                  .batch_id = action->verify.batch_id,
                                                  .valid = true}};
        return true;
    case GIRO_ACTION_EXECUTE:
        perform_execute(hub, instance, action, answer);
        return true;
    case GIRO_ACTION_SERVE:
        perform_serve(hub, instance, action);
        return false;
    case GIRO_ACTION_EVIDENCE:
        watch_evidence(hub, instance, action->evidence.offender);
        return false;
    case GIRO_ACTION_HALT:
        if (hub_honest(hub, node->identity))
            hub_fail(hub, "halt: instance %u stops: %s", instance, action->halt.reason);
        return false;
    case GIRO_ACTION_CERTIFIED:
    case GIRO_ACTION_AVAILABLE:
    case GIRO_ACTION_CHECKPOINT:
    case GIRO_ACTION_KEEP:
    case GIRO_ACTION_STATE_SYNC:
        return false;
    }
    return false;
}

/* ---- Steps -------------------------------------------------------------------------------------------------------- */

static void writes_take(struct hub *hub, uint32_t instance)
{
    struct hub_node *const node = &hub->nodes[instance];
    while (!hub->options.slow_disks && node->disk.write_count > 0)
        hub_disk_complete(&node->disk, 0);
    struct giro_disk_completion done;
    while (node->disk.disk.ops->poll(&node->disk, &done, 1) == 1) {
        const enum giro_err err = giro_safety_completed(node->safety, done.tag, done.err);
        GIRO_ASSERT(err == GIRO_ERR_OK);
    }
}

/* What the disk made possible: a watermark or a signature, if there is one. */
static bool disk_event(struct hub *hub, uint32_t instance, struct giro_event *event)
{
    struct hub_node *const node = &hub->nodes[instance];
    if (node->watermark > node->reported) {
        node->reported = node->watermark;
        *event = (struct giro_event){.kind = GIRO_EVENT_LOG_DURABLE,
                                     .log_durable = {.watermark = node->watermark}};
        return true;
    }
    const enum giro_err err = giro_safety_advance(node->safety, node->watermark);
    GIRO_ASSERT(err == GIRO_ERR_OK);
    writes_take(hub, instance);
    return giro_safety_take(node->safety, event);
}

void hub_event(struct hub *hub, uint32_t instance, const struct giro_event *first)
{
    struct hub_node *const node = &hub->nodes[instance];
    struct giro_event *const events = hub->events;
    uint32_t head = 0, tail = 0;
    const bool running =
        first->kind != GIRO_EVENT_RECOVER_SAFETY && first->kind != GIRO_EVENT_RECOVER_RECORD;
    GIRO_ASSERT(node->up);
    events[tail++] = *first;
    while (!hub->failed) {
        if (head == tail) {
            head = tail = 0;
            if (!running || !disk_event(hub, instance, &events[tail]))
                return;
            tail++;
        }
        struct giro_event event = events[head++];
        event.now_ns = hub->now_ns;
        event.wall_ns = hub_wall_ns(hub, instance);
        giro_consensus_step(node->core, &event, hub->actions);
        hub->steps++;
        for (uint32_t i = 0; i < hub->actions->count; i++) {
            GIRO_ASSERT(tail < HUB_EVENTS_MAX);
            tail += perform(hub, instance, &hub->actions->items[i], &events[tail]);
        }
    }
}

void hub_tick(struct hub *hub, uint32_t instance)
{
    const struct giro_event event = {.kind = GIRO_EVENT_TICK};
    hub_event(hub, instance, &event);
}

bool hub_disk_step(struct hub *hub, uint32_t instance, bool log_first)
{
    struct hub_node *const node = &hub->nodes[instance];
    if (!node->up)
        return false;
    const bool log_waits = node->watermark < node->record_count;
    if (!log_waits && node->disk.write_count == 0)
        return false;
    if (log_waits && (log_first || node->disk.write_count == 0))
        node->watermark++;
    else
        hub_disk_complete(&node->disk, 0);
    writes_take(hub, instance);
    watch_safety(hub, instance);
    struct giro_event event;
    if (disk_event(hub, instance, &event))
        hub_event(hub, instance, &event);
    return true;
}

bool hub_pay(struct hub *hub, uint32_t instance)
{
    struct hub_node *const node = &hub->nodes[instance];
    if (!node->up || giro_consensus_batch_room(node->core) == 0)
        return false;
    uint8_t bytes[256] = {0};
    struct giro_frame_header header = {.head = giro_head_make(GIRO_KIND_FRAME),
                                       .member = 1,
                                       .record_count = 1,
                                       .sequence = ++node->batch_count};
    const uint32_t size_bytes = sizeof(header) + sizeof(struct giro_record) + GIRO_SIGNATURE_BYTES;
    memcpy(&header.chain_prefix, hub->chain_id.bytes, sizeof(header.chain_prefix));
    memcpy(bytes, &size_bytes, 4);
    memcpy(bytes + 4, &header, sizeof(header));
    const struct giro_event event = {
        .kind = GIRO_EVENT_LOCAL_BATCH,
        .local_batch = {
            .frames = bytes, .frames_bytes = size_bytes + 4, .frame_count = 1, .record_count = 1}};
    hub_event(hub, instance, &event);
    return true;
}

/* ---- Lives ----------------------------------------------------------------------------------------------------------- */

static void wait_for_writes(void *context)
{
    struct hub_disk *const disk = context;
    while (disk->write_count > 0)
        hub_disk_complete(disk, 0);
}

static struct giro_safety_state safety_start(struct hub *hub, struct hub_node *node)
{
    const struct giro_safety_options options = {.disk = &node->disk.disk,
                                                .chain_id = hub->chain_id,
                                                .replica = (uint16_t)node->identity,
                                                .epoch = 1,
                                                .vote_key = hub->vote_secrets[node->identity]};
    struct giro_safety_state state;
    uint32_t repaired = 0;
    node->safety = giro_safety_init(node->durable_region.memory, giro_safety_footprint(), &options);
    GIRO_ASSERT(node->safety != NULL);
    const enum giro_err err = giro_safety_open(node->safety, node->record_count == 0,
                                               wait_for_writes, &node->disk, &state, &repaired);
    GIRO_ASSERT(err == GIRO_ERR_OK);
    return state;
}

void hub_start(struct hub *hub, uint32_t instance)
{
    struct hub_node *const node = &hub->nodes[instance];
    GIRO_ASSERT(!node->up);
    node->life++;
    /* Twins ask with one nonce: their peers take the second question for the first one repeated. */
    memset(node->options.nonce, (int)(16 * node->identity + node->life), 16);
    /* Clearing the pools again would cost more than most histories: the memory goes back to what init made of it, and only
     * the nonce differs. */
    if (node->life > 1)
        region_back(&node->core_region, REGION_MADE);
    memcpy(node->core->env.options.nonce, node->options.nonce, sizeof(node->options.nonce));
    node->up = true;
    node->state_root = giro_hash_zero;
    node->executed = node->batches_executed = 0;
    node->watermark = node->reported = node->record_count;
    const struct giro_safety_state state = safety_start(hub, node);
    watch_safety(hub, instance);
    struct giro_event event = {.kind = GIRO_EVENT_RECOVER_SAFETY, .recover_safety = &state};
    hub_event(hub, instance, &event);
    const uint32_t count = node->record_count;
    for (uint32_t r = 0; r < count && !hub->failed; r++) {
        event = (struct giro_event){.kind = GIRO_EVENT_RECOVER_RECORD,
                                    .recover_record = {.kind = node->records[r].kind,
                                                       .body = node->records[r].bytes,
                                                       .body_bytes = node->records[r].size_bytes}};
        hub_event(hub, instance, &event);
    }
    event =
        (struct giro_event){.kind = GIRO_EVENT_START, .start = {.next_log_sequence = count + 1u}};
    if (!hub->failed)
        hub_event(hub, instance, &event);
}

void hub_kill(struct hub *hub, uint32_t instance, uint32_t records, uint32_t writes)
{
    struct hub_node *const node = &hub->nodes[instance];
    GIRO_ASSERT(node->up);
    if (records < node->watermark)
        records = (uint32_t)node->watermark;
    if (records < node->record_count)
        node->record_count = records;
    for (uint32_t i = node->disk.write_count; i > 0; i--) {
        const struct hub_write *const write = &node->disk.writes[i - 1];
        if ((writes >> (i - 1) & 1) != 0)
            memcpy(node->disk.file + write->offset, write->bytes, 4096);
    }
    node->disk.write_count = node->disk.done_count = 0;
    node->up = false;
}
