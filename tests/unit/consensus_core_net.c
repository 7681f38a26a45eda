#include "unit/consensus_core_net.h"

#include <stdio.h>
#include <stdlib.h>

static void step(struct net *net, uint32_t index, struct giro_event *first);

struct net *net_new(uint32_t count)
{
    struct net *net = calloc(1, sizeof(*net));
    GIRO_ASSERT(giro_crypto_init() == GIRO_ERR_OK);
    size_t ring_bytes = giro_key_ring_footprint(2 * NET_MAX);
    net->ring = giro_key_ring_init(aligned_alloc(64, giro_align_up(ring_bytes, 64)), ring_bytes,
                                   2 * NET_MAX);
    net->count = count;
    net->now_ns = GIRO_NS_PER_S;
    net->next_due_ns = UINT64_MAX;
    net->queue = calloc(NET_QUEUE_MAX, sizeof(*net->queue));
    memset(net->chain_id.bytes, 0x5A, 32);
    memset(net->genesis_id.bytes, 0x6B, 32);
    for (uint32_t i = 0; i < count; i++) {
        struct net_node *node = &net->nodes[i];
        for (uint32_t role = 0; role < 2; role++) {
            uint8_t seed[32] = {(uint8_t)(role + 1), (uint8_t)i};
            struct giro_secret_key *key = giro_key_from_seed(seed);
            struct giro_public_key public_key = giro_key_public(key);
            enum giro_key_fault fault =
                giro_key_ring_enrol(net->ring, &public_key, NULL, 0, NULL,
                                    role == 0 ? &net->vote_keys[i] : &net->batch_keys[i]);
            GIRO_ASSERT(fault == GIRO_KEY_OK);
            *(role == 0 ? &node->vote_key : &node->batch_key) = key;
        }
        node->options = (struct giro_consensus_options){.replica_count = count,
                                                        .self = i,
                                                        .chain_id = net->chain_id,
                                                        .genesis_block_id = net->genesis_id,
                                                        .epoch = 1,
                                                        .round_floor_ns = NET_FLOOR_NS,
                                                        .clock_bound_ns = NET_BOUND_NS,
                                                        .batch_ttl_ns = 60 * GIRO_NS_PER_S,
                                                        .ring = net->ring,
                                                        .vote_keys = net->vote_keys,
                                                        .batch_keys = net->batch_keys,
                                                        .batch_key = node->batch_key,
                                                        .blocks_max = 128,
                                                        .batches_max = 4 * NET_MAX,
                                                        .map_seed = 77 + i};
        node->options.batches_max = 4 * count < 16 ? 16 : 4 * count;
        node->records = calloc(NET_RECORDS_MAX, sizeof(*node->records));
        node->actions = calloc(1, sizeof(*node->actions));
        node->actions->scratch_bytes = 4u << 20;
        node->actions->scratch = malloc(node->actions->scratch_bytes);
        node->memory_bytes = giro_consensus_footprint(&node->options);
        GIRO_ASSERT(node->memory_bytes != 0);
        node->memory = aligned_alloc(64, giro_align_up(node->memory_bytes, 64));
        node->safety.epoch = 1;
    }
    return net;
}

void net_free(struct net *net)
{
    net_drop_all(net);
    for (uint32_t i = 0; i < net->count; i++) {
        struct net_node *node = &net->nodes[i];
        for (uint32_t r = 0; r < node->record_count; r++)
            free(node->records[r].bytes);
        free(node->records);
        free(node->actions->scratch);
        free(node->actions);
        free(node->memory);
        giro_key_free(node->vote_key);
        giro_key_free(node->batch_key);
    }
    free(net->queue);
    free(net->ring);
    free(net);
}

/* ---- Actions ------------------------------------------------------------------------------------------ */

void net_message(struct net *net, uint16_t from, uint16_t to, const void *bytes,
                 uint32_t size_bytes)
{
    struct net_message message = {from, to, malloc(size_bytes), size_bytes};
    memcpy(message.bytes, bytes, size_bytes);
    if (!net->nodes[to].up || (net->filter != NULL && !net->filter(net, &message))) {
        free(message.bytes);
        return;
    }
    uint32_t next = (net->tail + 1) % NET_QUEUE_MAX;
    GIRO_ASSERT(next != net->head);
    net->queue[net->tail] = message;
    net->tail = next;
}

static void do_send(struct net *net, uint32_t index, const struct giro_action *action)
{
    struct net_node *node = &net->nodes[index];
    static uint8_t bytes[GIRO_PEER_BYTES_MAX];
    memcpy(bytes, &action->send.envelope, 64);
    uint32_t size_bytes = 64;
    for (uint32_t p = 0; p < action->send.part_count; p++) {
        memcpy(bytes + size_bytes, action->send.parts[p].bytes, action->send.parts[p].size_bytes);
        size_bytes += (uint32_t)action->send.parts[p].size_bytes;
    }
    GIRO_ASSERT(size_bytes == action->send.envelope.size_bytes);
    node->sent[action->send.envelope.body_kind & 0x1FF]++;
    for (uint32_t to = 0; to < net->count; to++) {
        if (to != index && (action->send.peer == GIRO_PEER_ALL || action->send.peer == to))
            net_message(net, (uint16_t)index, (uint16_t)to, bytes, size_bytes);
    }
}

uint32_t net_wrap(struct net *net, uint16_t from, enum giro_kind kind, const void *body,
                  size_t size_bytes, uint8_t *out)
{
    struct giro_peer_envelope envelope = {.head = giro_head_make(GIRO_KIND_PEER),
                                          .size_bytes = (uint32_t)(64 + size_bytes),
                                          .body_kind = (uint16_t)kind,
                                          .sender = from,
                                          .epoch = 1,
                                          .round = 1};
    (void)net;
    memcpy(out, &envelope, 64);
    memcpy(out + 64, body, size_bytes);
    return envelope.size_bytes;
}

static void do_log(struct net_node *node, const struct giro_action *action)
{
    struct net_record *record = &node->records[node->record_count];
    GIRO_ASSERT(node->record_count < NET_RECORDS_MAX);
    GIRO_ASSERT(action->log.sequence == node->watermark + 1);
    node->watermark++;
    if (node->mute_log)
        return;
    node->record_count++;
    record->kind = (uint16_t)action->log.record;
    record->key = action->log.key;
    record->height = action->log.height;
    for (uint32_t p = 0; p < action->log.part_count; p++)
        record->size_bytes += (uint32_t)action->log.parts[p].size_bytes;
    record->bytes = malloc(record->size_bytes + 1);
    uint32_t at = 0;
    for (uint32_t p = 0; p < action->log.part_count; p++) {
        memcpy(record->bytes + at, action->log.parts[p].bytes, action->log.parts[p].size_bytes);
        at += (uint32_t)action->log.parts[p].size_bytes;
    }
}

/* The safety module's rules, in memory. */
static struct giro_event do_sign(struct net *net, struct net_node *node,
                                 const struct giro_action *action)
{
    struct giro_safety_state *safety = &node->safety;
    struct giro_event event = {.kind = GIRO_EVENT_SIGNED};
    uint8_t message[GIRO_VOTE_MESSAGE_BYTES];
    GIRO_ASSERT(action->sign.after_log <= node->watermark);
    node->signs++;
    event.signed_.is_timeout = action->sign.is_timeout;
    if (action->sign.is_timeout) {
        struct giro_timeout_header timeout = action->sign.timeout;
        bool again = timeout.round == safety->last_timeout_round &&
                     timeout.high_qc_round == safety->last_timeout.high_qc_round;
        event.signed_.refused = !again && (timeout.round < safety->last_voted_round ||
                                           timeout.round <= safety->last_timeout_round ||
                                           timeout.high_qc_round < safety->lock_round);
        if (event.signed_.refused)
            goto refused;
        safety->last_timeout = timeout;
        safety->last_timeout_round = timeout.round;
        if (timeout.round > safety->last_voted_round)
            safety->last_voted_round = timeout.round;
        size_t size_bytes = giro_timeout_message(&net->chain_id, timeout.epoch, timeout.round,
                                                 timeout.high_qc_round, message);
        timeout.signature = giro_sign(node->vote_key, message, size_bytes);
        event.signed_.timeout = timeout;
    } else {
        struct giro_vote vote = action->sign.vote;
        bool again = memcmp(&vote, &safety->last_vote, sizeof(vote)) == 0;
        event.signed_.refused = !again && (vote.round <= safety->last_voted_round ||
                                           vote.round <= safety->last_timeout_round);
        if (event.signed_.refused)
            goto refused;
        safety->last_vote = vote;
        if (!again)
            safety->last_voted_round = vote.round;
        struct giro_qc_header fields = {.epoch = vote.epoch,
                                        .round = vote.round,
                                        .block_id = vote.block_id,
                                        .parent_round = vote.parent_round,
                                        .commit_id = vote.commit_id};
        size_t size_bytes = giro_vote_message(&net->chain_id, &fields, message);
        vote.signature = giro_sign(node->vote_key, message, size_bytes);
        event.signed_.vote = vote;
    }
    if (action->sign.lock_round > safety->lock_round)
        safety->lock_round = action->sign.lock_round;
    return event;
refused:
    event.signed_.reject = GIRO_REJECT_ROUND;
    return event;
}

static struct giro_event do_execute(struct net *net, struct net_node *node,
                                    const struct giro_action *action)
{
    const struct giro_proposal *block = action->execute.block;
    GIRO_ASSERT(block->block.height == node->executed_count + 1);
    GIRO_ASSERT(action->execute.batch_count == block->block.reference_count);
    for (uint32_t i = 0; i < action->execute.batch_count; i++) {
        struct giro_hash id = giro_batch_id(&net->chain_id, action->execute.batches[i],
                                            action->execute.batch_bytes[i]);
        GIRO_ASSERT(giro_hash_equal(&id, &block->references[i].batch_id));
        node->executed_batches++;
    }
    struct giro_part parts[2] = {{&node->state_root, 32}, {&block->block_id, 32}};
    node->state_root = giro_sha256_parts(parts, 2);
    node->executed[++node->executed_count % 1024] = block->block_id;
    return (struct giro_event){
        .kind = GIRO_EVENT_EXECUTED,
        .executed = {.height = block->block.height,
                     .checkpoint = net->checkpoint_every > 0 &&
                                   block->block.height % net->checkpoint_every == 0,
                     .state_root = node->state_root,
                     .ledger_root = block->block_id,
                     .next_due_ns =
                         net->next_due_ns > block->block.time_ns ? net->next_due_ns : UINT64_MAX}};
}

static void serve_one(struct net *net, uint32_t index, uint16_t peer,
                      const struct net_record *record)
{
    static uint8_t bytes[GIRO_PEER_BYTES_MAX];
    uint32_t size_bytes =
        net_wrap(net, (uint16_t)index,
                 record->kind == GIRO_LOG_BLOCK_RECORD ? GIRO_KIND_BLOCK : GIRO_KIND_BATCH,
                 record->bytes, record->size_bytes, bytes);
    net_message(net, (uint16_t)index, peer, bytes, size_bytes);
}

static void do_serve(struct net *net, uint32_t index, const struct giro_action *action)
{
    struct net_node *node = &net->nodes[index];
    if (action->serve.wanted_kind == GIRO_KIND_CERTIFICATE)
        return;
    for (uint32_t i = 0; i < action->serve.count; i++) {
        struct giro_hash id = action->serve.id;
        if (giro_hash_is_zero(&id))
            id = node->executed[(action->serve.height + i) % 1024];
        for (uint32_t r = 0; r < node->record_count; r++) {
            if (!giro_hash_equal(&node->records[r].key, &id) ||
                (node->records[r].kind != GIRO_LOG_BLOCK_RECORD &&
                 node->records[r].kind != GIRO_LOG_BATCH_RECORD))
                continue;
            serve_one(net, index, action->serve.peer, &node->records[r]);
            break;
        }
        if (!giro_hash_is_zero(&action->serve.id))
            return;
    }
}

#define EVENTS_MAX 2048u
/* Performs one action; returns true and fills *answer if it yields an event. */
static bool perform(struct net *net, uint32_t index, const struct giro_action *action,
                    struct giro_event *answer)
{
    struct net_node *node = &net->nodes[index];
    switch (action->kind) {
    case GIRO_ACTION_LOG:
        do_log(node, action);
        return false;
    case GIRO_ACTION_SIGN:
        *answer = do_sign(net, node, action);
        return true;
    case GIRO_ACTION_SEND:
        do_send(net, index, action);
        return false;
    case GIRO_ACTION_VERIFY:
        *answer = (struct giro_event){.kind = GIRO_EVENT_VERDICT,
                                      .verdict = {.slot = action->verify.slot,
                                                  .batch_id = action->verify.batch_id,
                                                  .valid = true}};
        return true;
    case GIRO_ACTION_EXECUTE:
        *answer = do_execute(net, node, action);
        return true;
    case GIRO_ACTION_CERTIFIED:
        node->certified_height = action->certified.certificate->header.body.height;
        return false;
    case GIRO_ACTION_AVAILABLE:
        node->available++;
        return false;
    case GIRO_ACTION_SERVE:
        do_serve(net, index, action);
        return false;
    case GIRO_ACTION_EVIDENCE:
        node->evidence++;
        return false;
    case GIRO_ACTION_CHECKPOINT:
        *answer = (struct giro_event){
            .kind = GIRO_EVENT_CHECKPOINTED,
            .checkpointed = {.height = action->checkpoint.height, .image_root = node->state_root}};
        answer->checkpointed.image_root.bytes[0] ^= node->other_image;
        return true;
    case GIRO_ACTION_KEEP:
        node->kept = *action->keep.checkpoint;
        node->keeps++;
        return false;
    case GIRO_ACTION_STATE_SYNC:
        return false;
    case GIRO_ACTION_HALT:
        fprintf(stderr, "node %u halts: %s\n", index, action->halt.reason);
        node->halts++;
        return false;
    }
    return false;
}

static void step(struct net *net, uint32_t index, struct giro_event *first)
{
    struct net_node *node = &net->nodes[index];
    static struct giro_event events[EVENTS_MAX];
    uint32_t head = 0, tail = 0;
    events[tail++] = *first;
    while (head < tail) {
        struct giro_event event = events[head++];
        event.now_ns = net->now_ns;
        event.wall_ns = NET_WALL_NS + net->now_ns + (uint64_t)net->skew_ns[index];
        uint64_t watermark = node->watermark;
        giro_consensus_step(node->core, &event, node->actions);
        for (uint32_t i = 0; i < node->actions->count; i++) {
            GIRO_ASSERT(tail < EVENTS_MAX);
            tail += perform(net, index, &node->actions->items[i], &events[tail]);
        }
        if (node->watermark != watermark) {
            GIRO_ASSERT(tail < EVENTS_MAX);
            events[tail++] = (struct giro_event){.kind = GIRO_EVENT_LOG_DURABLE,
                                                 .log_durable = {.watermark = node->watermark}};
        }
    }
}

/* ---- Life ------------------------------------------------------------------------------------------------- */

void net_start(struct net *net, uint32_t index)
{
    struct net_node *node = &net->nodes[index];
    node->safety.incarnation++;
    node->safety.log_watermark = node->record_count;
    memset(node->options.nonce, (int)(0x10 + 16 * index + node->safety.incarnation), 16);
    node->core = giro_consensus_init(node->memory, node->memory_bytes, &node->options);
    GIRO_ASSERT(node->core != NULL);
    node->up = true;
    node->state_root = giro_hash_zero;
    node->executed_count = node->executed_batches = 0;
    node->watermark = node->record_count;
    node->mute_log = false;
    struct giro_event event = {.kind = GIRO_EVENT_RECOVER_SAFETY, .recover_safety = &node->safety};
    step(net, index, &event);
    uint32_t count = node->record_count;
    for (uint32_t r = 0; r < count; r++) {
        event = (struct giro_event){.kind = GIRO_EVENT_RECOVER_RECORD,
                                    .recover_record = {.kind = node->records[r].kind,
                                                       .body = node->records[r].bytes,
                                                       .body_bytes = node->records[r].size_bytes}};
        step(net, index, &event);
    }
    event =
        (struct giro_event){.kind = GIRO_EVENT_START, .start = {.next_log_sequence = count + 1u}};
    step(net, index, &event);
}

void net_start_all(struct net *net)
{
    for (uint32_t i = 0; i < net->count; i++)
        net_start(net, i);
    net_deliver(net);
}

void net_kill(struct net *net, uint32_t index)
{
    net->nodes[index].up = false;
}

bool net_deliver_one(struct net *net)
{
    if (net->head == net->tail)
        return false;
    struct net_message message = net->queue[net->head];
    net->head = (net->head + 1) % NET_QUEUE_MAX;
    if (net->nodes[message.to].up && net->nodes[message.to].core != NULL) {
        struct giro_event event = {.kind = GIRO_EVENT_MESSAGE,
                                   .message = {.sender = message.from,
                                               .bytes = message.bytes,
                                               .size_bytes = message.size_bytes}};
        step(net, message.to, &event);
        net->delivered++;
    }
    free(message.bytes);
    return true;
}

void net_deliver(struct net *net)
{
    while (net_deliver_one(net))
        ;
}

void net_drop_all(struct net *net)
{
    for (; net->head != net->tail; net->head = (net->head + 1) % NET_QUEUE_MAX)
        free(net->queue[net->head].bytes);
}

void net_run(struct net *net, uint64_t for_ns)
{
    const uint64_t until_ns = net->now_ns + for_ns;
    for (;;) {
        net_deliver(net);
        uint64_t next_ns = UINT64_MAX;
        for (uint32_t i = 0; i < net->count; i++) {
            if (!net->nodes[i].up)
                continue;
            uint64_t at_ns = giro_consensus_next_ns(net->nodes[i].core);
            next_ns = at_ns < next_ns ? at_ns : next_ns;
        }
        if (next_ns > until_ns)
            break;
        /* A core that asks for a moment that has passed must not stop time. */
        net->now_ns = next_ns > net->now_ns ? next_ns : net->now_ns + 1000;
        for (uint32_t i = 0; i < net->count; i++) {
            struct giro_event event = {.kind = GIRO_EVENT_TICK};
            if (net->nodes[i].up && giro_consensus_next_ns(net->nodes[i].core) <= net->now_ns)
                step(net, i, &event);
        }
    }
    net->now_ns = until_ns;
}

bool net_quiet(const struct net *net)
{
    for (uint32_t i = 0; i < net->count; i++) {
        if (net->nodes[i].up && giro_consensus_next_ns(net->nodes[i].core) != UINT64_MAX)
            return false;
    }
    return net->head == net->tail;
}

void net_event(struct net *net, uint32_t node, const struct giro_event *event)
{
    struct giro_event copy = *event;
    step(net, node, &copy);
}

void net_pay(struct net *net, uint32_t index, uint64_t sequence)
{
    uint8_t bytes[256] = {0};
    struct giro_frame_header header = {.head = giro_head_make(GIRO_KIND_FRAME),
                                       .member = 1,
                                       .record_count = 1,
                                       .sequence = sequence};
    uint32_t size_bytes = 40 + 64 + 64;
    memcpy(&header.chain_prefix, net->chain_id.bytes, 8);
    memcpy(bytes, &size_bytes, 4);
    memcpy(bytes + 4, &header, sizeof(header));
    struct giro_event event = {
        .kind = GIRO_EVENT_LOCAL_BATCH,
        .local_batch = {
            .frames = bytes, .frames_bytes = size_bytes + 4, .frame_count = 1, .record_count = 1}};
    GIRO_ASSERT(giro_consensus_batch_room(net->nodes[index].core) > 0);
    step(net, index, &event);
}

struct giro_consensus_status net_status(const struct net *net, uint32_t index)
{
    struct giro_consensus_status status;
    giro_consensus_status(net->nodes[index].core, &status);
    return status;
}

uint64_t net_sent(const struct net *net)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < net->count; i++) {
        for (uint32_t kind = 0; kind < 0x200; kind++)
            sum += net->nodes[i].sent[kind];
    }
    return sum;
}

void net_check(const struct net *net)
{
    for (uint32_t i = 0; i < net->count; i++) {
        if (!net->nodes[i].up)
            continue;
        giro_consensus_check(net->nodes[i].core);
        for (uint32_t j = 0; j < i; j++) {
            uint64_t least = net->nodes[i].executed_count < net->nodes[j].executed_count
                                 ? net->nodes[i].executed_count
                                 : net->nodes[j].executed_count;
            for (uint64_t h = 1; h <= least && net->nodes[j].up && least < 1024; h++)
                GIRO_ASSERT(
                    giro_hash_equal(&net->nodes[i].executed[h], &net->nodes[j].executed[h]));
        }
    }
}
