/* What must never happen, seen from outside: messages, records, executed blocks and safety files, never the state of a core.
 * Numbers I1 to I10 are those of the design text consensus.md, section 9. */
#include <string.h>

#include "consensus/safety_slots.h"
#include "twins/hub.h"

uint64_t watch_id(const struct giro_hash *hash)
{
    uint64_t id = 0;
    memcpy(&id, hash->bytes, sizeof(id));
    return id;
}

void watch_open(struct hub *hub)
{
    struct watch_block *const genesis = watch_block_add(hub, watch_id(&hub->genesis_id), 0, 0, 0);
    genesis->committed = true;
}

/* ---- Blocks ------------------------------------------------------------------------------------------------------- */

struct watch_block *watch_block(struct hub *hub, uint64_t id)
{
    uint32_t at = (uint32_t)id % HUB_BLOCKS_MAX;
    while (hub->watch.blocks[at].id != 0 && hub->watch.blocks[at].id != id)
        at = (at + 1) % HUB_BLOCKS_MAX;
    return hub->watch.blocks[at].id == id ? &hub->watch.blocks[at] : NULL;
}

struct watch_block *watch_block_add(struct hub *hub, uint64_t id, uint64_t parent, uint64_t round,
                                    uint64_t height)
{
    struct watch_block *const known = watch_block(hub, id);
    if (known != NULL)
        return known;
    GIRO_ASSERT(hub->watch.block_count < HUB_BLOCKS_MAX - 1);
    uint32_t at = (uint32_t)id % HUB_BLOCKS_MAX;
    while (hub->watch.blocks[at].id != 0)
        at = (at + 1) % HUB_BLOCKS_MAX;
    hub->watch.block_count++;
    hub->watch.blocks[at] =
        (struct watch_block){.id = id, .parent = parent, .round = round, .height = height};
    return &hub->watch.blocks[at];
}

void watch_log(struct hub *hub, const struct hub_record *record)
{
    struct giro_proposal_header header;
    if (record->kind != GIRO_LOG_BLOCK_RECORD)
        return;
    GIRO_ASSERT(record->size_bytes >= sizeof(header));
    memcpy(&header, record->bytes, sizeof(header));
    watch_block_add(hub, watch_id(&record->key), watch_id(&header.block.parent_id),
                    header.block.round, header.block.height);
}

/* A QC commits this block and all below it. */
static void committed_mark(struct hub *hub, uint64_t id)
{
    struct watch_block *block = watch_block(hub, id);
    while (block != NULL && !block->committed) {
        block->committed = true;
        hub->watch.commits++;
        block = watch_block(hub, block->parent);
    }
}

/* The QC may have been seen before the blocks below the one it commits. */
static bool committed_by_qc(struct hub *hub, const struct watch_block *block)
{
    for (uint32_t i = 0; i < HUB_BLOCKS_MAX && !block->committed; i++) {
        struct watch_block *above = &hub->watch.blocks[i];
        if (above->id == 0 || !above->committed || above->height <= block->height)
            continue;
        while (above != NULL && above->height > block->height)
            above = watch_block(hub, above->parent);
        if (above == block)
            committed_mark(hub, block->id);
    }
    return block->committed;
}

static uint32_t batch_at(const struct hub *hub, uint64_t id)
{
    uint32_t at = (uint32_t)id % HUB_BLOCKS_MAX;
    while (hub->watch.batches[at].id != 0 && hub->watch.batches[at].id != id)
        at = (at + 1) % HUB_BLOCKS_MAX;
    return at;
}

bool watch_batch_below(struct hub *hub, uint64_t block, const struct giro_hash *batch)
{
    const uint32_t at = batch_at(hub, watch_id(batch));
    const uint64_t height = hub->watch.batches[at].height;
    const struct watch_block *below = watch_block(hub, block);
    while (below != NULL && below->height > height)
        below = watch_block(hub, below->parent);
    return hub->watch.batches[at].id != 0 && below != NULL &&
           below->id == hub->watch.executed[height];
}

static void batches_execute(struct hub *hub, const struct giro_proposal *proposal)
{
    const uint64_t height = proposal->block.height;
    for (uint32_t i = 0; i < proposal->block.reference_count; i++) {
        const uint64_t id = watch_id(&proposal->references[i].batch_id);
        const uint32_t at = batch_at(hub, id);
        if (hub->watch.batches[at].id != 0 && hub->watch.batches[at].height != height)
            hub_fail(hub, "I8: a batch is executed at height %lu and again at %lu",
                     (unsigned long)hub->watch.batches[at].height, (unsigned long)height);
        hub->watch.batches[at].id = id;
        hub->watch.batches[at].height = height;
    }
}

void watch_execute(struct hub *hub, uint32_t instance, const struct giro_proposal *proposal)
{
    struct hub_watch *const watch = &hub->watch;
    const uint64_t height = proposal->block.height;
    const uint64_t id = watch_id(&proposal->block_id);
    if (!hub_honest(hub, hub->nodes[instance].identity))
        return;
    GIRO_ASSERT(height < HUB_HEIGHTS_MAX);
    watch->checks++;
    if (height != hub->nodes[instance].executed + 1)
        hub_fail(hub, "I8: instance %u executes height %lu after %lu", instance,
                 (unsigned long)height, (unsigned long)hub->nodes[instance].executed);
    if (watch->executed[height] == 0)
        watch->executed[height] = id;
    if (watch->executed[height] != id)
        hub_fail(hub, "I1: two blocks are committed at height %lu", (unsigned long)height);
    if (height > watch->top_height)
        watch->top_height = height;
    batches_execute(hub, proposal);
    const struct watch_block *const block = watch_block_add(
        hub, id, watch_id(&proposal->block.parent_id), proposal->block.round, height);
    if (!committed_by_qc(hub, block))
        hub_fail(hub, "I6: instance %u commits height %lu without a QC chain of consecutive rounds",
                 instance, (unsigned long)height);
}

/* ---- Votes, timeouts ---------------------------------------------------------------------------------------------- */

static struct watch_round *round_at(struct hub *hub, uint64_t round)
{
    return round < HUB_ROUNDS_MAX ? &hub->watch.rounds[round] : NULL;
}

static uint32_t bits(uint32_t mask)
{
    return (uint32_t)__builtin_popcount(mask);
}

static void qc_seen(struct hub *hub, struct watch_round *round, uint64_t number,
                    const struct watch_group *group)
{
    struct hub_watch *const watch = &hub->watch;
    watch->qcs++;
    if (number > watch->qc_round)
        watch->qc_round = number;
    if (round->qc_block != 0 && round->qc_block != group->block)
        hub_fail(hub, "I2: two blocks are certified in round %lu", (unsigned long)number);
    round->qc_block = group->block;
    if (group->commit == 0)
        return;
    const struct watch_block *const parent = watch_block(hub, group->commit);
    if (group->parent_round + 1 == number && parent != NULL && parent->round + 1 == number)
        committed_mark(hub, group->commit);
}

void watch_vote(struct hub *hub, const struct giro_vote *vote)
{
    struct watch_round *const round = round_at(hub, vote->round);
    const uint64_t block = watch_id(&vote->block_id), commit = watch_id(&vote->commit_id);
    if (round == NULL)
        return;
    for (uint32_t i = 0; i < sizeof(round->groups) / sizeof(round->groups[0]); i++) {
        struct watch_group *const group = &round->groups[i];
        if (group->voters == 0)
            *group = (struct watch_group){block, commit, vote->parent_round, 0};
        if (group->block != block || group->commit != commit ||
            group->parent_round != vote->parent_round)
            continue;
        const uint32_t before = bits(group->voters);
        group->voters |= 1u << vote->voter;
        if (before < hub->quorum && bits(group->voters) >= hub->quorum)
            qc_seen(hub, round, vote->round, group);
        return;
    }
}

void watch_timeout(struct hub *hub, const struct giro_timeout_header *timeout)
{
    struct watch_round *const round = round_at(hub, timeout->round);
    if (round == NULL)
        return;
    round->timeouts |= 1u << timeout->voter;
    if (bits(round->timeouts) >= hub->quorum && timeout->round > hub->watch.tc_round) {
        hub->watch.tc_round = timeout->round;
        hub->watch.tcs++;
    }
}

/* ---- I4: what is on disk never goes back ---------------------------------------------------------------------------- */

/* record_durable reads the newest record as a recovery would. */
static bool record_durable(struct hub *hub, uint32_t instance, struct giro_safety_slot *record)
{
    struct watch_safety *const seen = &hub->watch.safety[instance];
    struct giro_safety_slot found;
    uint32_t copy = 0;
    record->sequence = 0;
    for (uint32_t place = 0; place < GIRO_SAFETY_PLACES; place++) {
        if (giro_safety_place_read(hub->nodes[instance].disk.file, place, &found, &copy) &&
            found.sequence > record->sequence)
            *record = found;
    }
    if (record->sequence == 0)
        return false;
    if (record->last_voted_round < seen->last_voted_round ||
        record->lock_round < seen->lock_round ||
        record->last_timeout_round < seen->last_timeout_round ||
        record->incarnation < seen->incarnation)
        hub_fail(hub, "I4: the safety file of instance %u went back", instance);
    *seen = (struct watch_safety){record->last_voted_round, record->lock_round,
                                  record->last_timeout_round, record->incarnation};
    return true;
}

void watch_safety(struct hub *hub, uint32_t instance)
{
    struct giro_safety_slot record;
    if (hub_honest(hub, hub->nodes[instance].identity))
        (void)record_durable(hub, instance, &record);
}

/* ---- I3: what is sent is covered by what a recovery would read now ------------------------------------------------ */

static bool block_durable(const struct hub_node *node, const struct giro_hash *id)
{
    for (uint64_t r = node->watermark; r > 0; r--) {
        if (node->records[r - 1].kind == GIRO_LOG_BLOCK_RECORD &&
            giro_hash_equal(&node->records[r - 1].key, id))
            return true;
    }
    return false;
}

static void vote_durable(struct hub *hub, uint32_t instance, const struct giro_vote *vote)
{
    struct giro_safety_slot record;
    struct giro_vote unsigned_vote = *vote;
    memset(&unsigned_vote.signature, 0, sizeof(unsigned_vote.signature));
    if (!record_durable(hub, instance, &record) || record.last_voted_round < vote->round ||
        memcmp(&record.last_vote, &unsigned_vote, sizeof(unsigned_vote)) != 0)
        hub_fail(hub,
                 "I3: instance %u sends a vote of round %lu that its safety file does not hold",
                 instance, (unsigned long)vote->round);
    else if (record.lock_round < vote->parent_round)
        hub_fail(hub, "I3: instance %u votes in round %lu without locking round %lu", instance,
                 (unsigned long)vote->round, (unsigned long)vote->parent_round);
    if (!block_durable(&hub->nodes[instance], &vote->block_id))
        hub_fail(hub, "I3: instance %u sends a vote of round %lu for a block its log does not hold",
                 instance, (unsigned long)vote->round);
}

static void timeout_durable(struct hub *hub, uint32_t instance,
                            const struct giro_timeout_header *timeout)
{
    struct giro_safety_slot record;
    if (!record_durable(hub, instance, &record) || record.last_timeout_round < timeout->round ||
        record.last_voted_round < timeout->round || record.lock_round < timeout->high_qc_round)
        hub_fail(hub,
                 "I3: instance %u sends a timeout of round %lu that its safety file does not hold",
                 instance, (unsigned long)timeout->round);
}

/* ---- What honest replicas send -------------------------------------------------------------------------------------- */

/* The signed strings, put together here from the protocol's text. */
static bool signed_right(const struct hub *hub, const char *tag, const struct giro_part *fields,
                         uint32_t count, uint32_t identity, bool vote_key,
                         const struct giro_signature *signature)
{
    uint8_t message[512];
    const uint64_t epoch = 1;
    size_t at = 8;
    memcpy(message, tag, 8);
    memcpy(message + at, &hub->chain_id, 32);
    memcpy(message + at + 32, &epoch, 8);
    at += 40;
    for (uint32_t i = 0; i < count; i++) {
        memcpy(message + at, fields[i].bytes, fields[i].size_bytes);
        at += fields[i].size_bytes;
    }
    const struct giro_verify_item item = {.key = vote_key ? hub->vote_keys[identity]
                                                          : hub->batch_keys[identity],
                                          .message = message,
                                          .message_bytes = (uint32_t)at,
                                          .signature = signature->bytes};
    uint8_t verdict = GIRO_INVALID;
    return giro_verify_batch(hub->ring, &item, 1, &verdict) == 1;
}

static void vote_sent(struct hub *hub, uint32_t instance, const struct giro_vote *vote)
{
    struct watch_round *const round = round_at(hub, vote->round);
    const uint32_t identity = hub->nodes[instance].identity;
    const struct giro_part fields[] = {
        {&vote->round, 8}, {&vote->block_id, 32}, {&vote->parent_round, 8}, {&vote->commit_id, 32}};
    if (round == NULL)
        return;
    const uint64_t id = watch_id(&vote->block_id) ^ (watch_id(&vote->commit_id) * 3u) ^
                        (vote->parent_round << 1 | 1);
    hub->watch.votes++;
    if (round->votes[identity] == id)
        return; /* sent again */
    if (!signed_right(hub, "GIRVOTE1", fields, 4, identity, true, &vote->signature))
        hub_fail(hub, "signed string: a vote of instance %u is not over what the protocol says",
                 instance);
    if (round->votes[identity] != 0)
        hub_fail(hub, "I5: instance %u votes for two blocks in round %lu", instance,
                 (unsigned long)vote->round);
    if (vote->round <= hub->watch.timeout_round[identity])
        hub_fail(hub, "I5: instance %u votes in round %lu, which it gave up", instance,
                 (unsigned long)vote->round);
    const struct watch_block *const block = watch_block(hub, watch_id(&vote->block_id));
    if (block != NULL && block->forbidden)
        hub_fail(hub, "vote rule: instance %u votes for a block that breaks it, in round %lu",
                 instance, (unsigned long)vote->round);
    if (vote->parent_round + 1 != vote->round && !giro_hash_is_zero(&vote->commit_id))
        hub_fail(hub, "commit rule: instance %u signs a commit without consecutive rounds",
                 instance);
    round->votes[identity] = id;
    vote_durable(hub, instance, vote);
}

static void timeout_sent(struct hub *hub, uint32_t instance,
                         const struct giro_timeout_header *timeout)
{
    const uint32_t identity = hub->nodes[instance].identity;
    const struct giro_part fields[] = {{&timeout->round, 8}, {&timeout->high_qc_round, 8}};
    if (timeout->round <= hub->watch.timeout_round[identity])
        return; /* sent again */
    if (!signed_right(hub, "GIRTIME1", fields, 2, identity, true, &timeout->signature))
        hub_fail(hub, "signed string: a timeout of instance %u is not over what the protocol says",
                 instance);
    hub->watch.timeout_round[identity] = timeout->round;
    timeout_durable(hub, instance, timeout);
}

static void proposal_sent(struct hub *hub, uint32_t instance, const uint8_t *body,
                          size_t size_bytes)
{
    struct giro_proposal_header header;
    struct giro_batch_reference references[GIRO_BLOCK_REFERENCES_MAX];
    struct giro_signature signature;
    memcpy(&header, body, sizeof(header));
    memcpy(references, body + sizeof(header), header.block.reference_count * sizeof(references[0]));
    memcpy(&signature, body + size_bytes - sizeof(signature), sizeof(signature));
    const struct giro_hash id = giro_block_id(&header.block, references);
    const struct giro_part field = {&id, 32};
    if (!signed_right(hub, "GIRPROP1", &field, 1, hub->nodes[instance].identity, false, &signature))
        hub_fail(hub, "signed string: a proposal of instance %u is not over what the protocol says",
                 instance);
}

void watch_send(struct hub *hub, uint32_t instance, const struct giro_peer_envelope *envelope,
                const uint8_t *body)
{
    const bool honest = hub_honest(hub, hub->nodes[instance].identity);
    struct giro_vote vote;
    struct giro_timeout_header timeout;
    hub->watch.checks++;
    if (envelope->body_kind == GIRO_KIND_VOTE) {
        memcpy(&vote, body, sizeof(vote));
        if (honest)
            vote_sent(hub, instance, &vote);
        watch_vote(hub, &vote);
    } else if (envelope->body_kind == GIRO_KIND_TIMEOUT) {
        memcpy(&timeout, body, sizeof(timeout));
        if (honest)
            timeout_sent(hub, instance, &timeout);
        watch_timeout(hub, &timeout);
    } else if (envelope->body_kind == GIRO_KIND_PROPOSAL && honest) {
        proposal_sent(hub, instance, body, envelope->size_bytes - sizeof(*envelope));
    }
    /* A certificate nobody signed: adopted unverified, or made of too few. */
    if (honest && envelope->high_qc_round > hub->watch.qc_round)
        hub_fail(hub, "I6: instance %u has a QC of round %lu for which no quorum voted", instance,
                 (unsigned long)envelope->high_qc_round);
    if (honest && envelope->high_tc_round > hub->watch.tc_round)
        hub_fail(hub, "I6: instance %u has a TC of round %lu for which no quorum timed out",
                 instance, (unsigned long)envelope->high_tc_round);
}

void watch_evidence(struct hub *hub, uint32_t instance, uint16_t offender)
{
    if (hub_honest(hub, hub->nodes[instance].identity) && hub_honest(hub, offender))
        hub_fail(hub, "I10: instance %u holds evidence against honest replica %u", instance,
                 offender);
}

/* ---- What is on disk, what a core says of itself -------------------------------------------------------------------- */

void watch_check(struct hub *hub, bool pools)
{
    for (uint32_t i = 0; i < hub->options.instance_count && !hub->failed; i++) {
        if (!hub->nodes[i].up || !hub_honest(hub, hub->nodes[i].identity))
            continue;
        watch_safety(hub, i);
        if (pools)
            giro_consensus_check(hub->nodes[i].core);
        if (hub_status(hub, i).observer)
            hub_fail(hub, "hello: honest instance %u became an observer", i);
    }
}
