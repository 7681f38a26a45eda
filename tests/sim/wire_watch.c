/* The watcher of promises: what replicas sign and send, and what their safety files hold at that moment. */
#include <stdlib.h>

#include "sim/sim.h"

#define ROUNDS_MAX     4000000u
#define VOTES_PER_SCAN 16u /* a scan reads the whole log */

static struct sim_round *round_at(struct sim_world *world, uint64_t round)
{
    if (round >= ROUNDS_MAX) {
        sim_fail(world, "round %lu", (unsigned long)round);
        round = 0;
    }
    if (round >= world->round_room) {
        uint64_t room = round * 2 + 1024;
        world->rounds = sim_memory(realloc(world->rounds, room * sizeof(*world->rounds)));
        memset(world->rounds + world->round_room, 0,
               (room - world->round_room) * sizeof(*world->rounds));
        world->round_room = room;
    }
    if (round > world->top_round)
        world->top_round = round;
    return &world->rounds[round];
}

/* I2: at most one QC per round. */
static void qc_note(struct sim_world *world, const struct giro_qc *qc)
{
    struct sim_round *round = round_at(world, qc->header.round);
    if (!round->has_qc) {
        round->has_qc = true;
        round->qc_block = qc->header.block_id;
    } else if (!giro_hash_equal(&round->qc_block, &qc->header.block_id)) {
        sim_fail(world, "I2: two QCs in round %lu", (unsigned long)qc->header.round);
    }
}

/* ---- Safety files ------------------------------------------------------------------------------------ */

static void raise_seen(struct sim_replica *replica, const char *what, uint64_t *seen,
                       uint64_t value)
{
    if (value < *seen)
        sim_fail(replica->world, "I4: %s of replica %u went back from %lu to %lu", what,
                 replica->index, (unsigned long)*seen, (unsigned long)value);
    *seen = value;
}

/* Reads the newest whole record from the disk as a recovery would now, and holds I4. */
void sim_watch_safety(struct sim_replica *replica)
{
    struct giro_disk *disk = &replica->disk;
    struct giro_safety_slot newest = {.sequence = 0};
    uint32_t file;
    uint64_t size_bytes;
    if (disk->ops->open(disk->self, GIRO_SAFETY_FILE, 0, &file, &size_bytes) != GIRO_ERR_OK)
        return;
    for (uint32_t i = 0; i < GIRO_SAFETY_SLOTS; i++) {
        struct giro_safety_slot slot;
        uint8_t checksum[16];
        if (disk->ops->read(disk->self, file, (uint64_t)i * GIRO_SAFETY_SLOT_BYTES, &slot,
                            sizeof(slot)) != GIRO_ERR_OK)
            continue;
        if (!giro_head_is(&slot.head, GIRO_KIND_SAFETY_SLOT) || slot.sequence <= newest.sequence)
            continue;
        giro_safety_slot_checksum(&slot, checksum);
        if (memcmp(checksum, slot.checksum, sizeof(checksum)) == 0)
            newest = slot;
    }
    disk->ops->close(disk->self, file);
    struct sim_safety_seen *seen = &replica->seen;
    raise_seen(replica, "the safety record", &seen->sequence, newest.sequence);
    raise_seen(replica, "last_voted_round", &seen->last_voted_round, newest.last_voted_round);
    raise_seen(replica, "lock_round", &seen->lock_round, newest.lock_round);
    raise_seen(replica, "last_timeout_round", &seen->last_timeout_round, newest.last_timeout_round);
    raise_seen(replica, "the incarnation", &seen->incarnation, newest.incarnation);
}

/* ---- Logs ---------------------------------------------------------------------------------------------- */

struct block_search {
    struct giro_hash id;
    bool found;
};

static enum giro_err block_visit(void *context, const struct giro_log_found *found)
{
    struct block_search *search = context;
    struct giro_proposal_header header;
    struct giro_batch_reference references[GIRO_BLOCK_REFERENCES_MAX];
    if (found->kind != GIRO_LOG_BLOCK_RECORD)
        return GIRO_ERR_OK;
    memcpy(&header, found->body, sizeof(header));
    memcpy(references, found->body + sizeof(header),
           header.block.reference_count * sizeof(references[0]));
    struct giro_hash id = giro_block_id(&header.block, references);
    if (giro_hash_equal(&id, &search->id))
        search->found = true;
    return GIRO_ERR_OK;
}

/* What a recovery would find now if every write under way were lost: the block voted for must be there. */
static void log_watch(struct sim_replica *replica, const struct giro_vote *vote)
{
    struct block_search search = {.id = vote->block_id};
    struct giro_log_damage damage = {.sentence = ""};
    enum giro_err err = giro_log_scan(&replica->disk, &replica->world->hub->genesis.chain_id,
                                      block_visit, &search, &damage);
    replica->world->scans++;
    if (err != GIRO_ERR_OK)
        sim_fail(replica->world, "the log of replica %u: %s (%s at %lu)", replica->index,
                 damage.sentence, damage.file, (unsigned long)damage.offset);
    else if (!search.found)
        sim_fail(replica->world, "I3: replica %u votes in round %lu for a block its log may lose",
                 replica->index, (unsigned long)vote->round);
}

/* ---- Votes and timeouts --------------------------------------------------------------------------------- */

static void vote_watch(struct sim_replica *replica, const uint8_t *body, uint32_t body_bytes)
{
    struct sim_world *world = replica->world;
    struct giro_reader reader;
    struct giro_vote vote;
    giro_reader_init(&reader, body, body_bytes);
    if (giro_vote_decode(&reader, world->options.replica_count, &vote) != GIRO_REJECT_NONE ||
        vote.voter != replica->index) {
        sim_fail(world, "replica %u sends a bad vote", replica->index);
        return;
    }
    sim_trace(world, "vote", replica->index, vote.round, vote.parent_round);
    struct giro_hash *known = &round_at(world, vote.round)->votes[replica->index];
    struct giro_part parts[] = {
        {&vote.epoch, offsetof(struct giro_vote, voter) - offsetof(struct giro_vote, epoch)}};
    struct giro_hash hash = giro_sha256_parts(parts, 1);
    if (replica->first_vote == 0)
        replica->first_vote = vote.round;
    if (giro_hash_equal(known, &hash))
        return;
    if (!giro_hash_is_zero(known))
        sim_fail(world, "I5: replica %u votes twice in round %lu", replica->index,
                 (unsigned long)vote.round);
    *known = hash;
    /* A vote signed just before a death may be heard for the first time after the restart, after its timeout. */
    if (vote.round <= replica->timeout_round && vote.round != replica->first_vote)
        sim_fail(world, "I5: replica %u votes in round %lu after its timeout of round %lu",
                 replica->index, (unsigned long)vote.round, (unsigned long)replica->timeout_round);
    sim_watch_safety(replica);
    if (replica->seen.last_voted_round < vote.round)
        sim_fail(world, "I3: replica %u sends its vote of round %lu before it is durable",
                 replica->index, (unsigned long)vote.round);
    if (vote.round % VOTES_PER_SCAN == replica->index)
        log_watch(replica, &vote);
}

static void timeout_watch(struct sim_replica *replica, const uint8_t *body, uint32_t body_bytes)
{
    struct sim_world *world = replica->world;
    static struct giro_timeout timeout;
    struct giro_reader reader;
    giro_reader_init(&reader, body, body_bytes);
    if (giro_timeout_decode(&reader, world->options.replica_count, &timeout) != GIRO_REJECT_NONE ||
        timeout.header.voter != replica->index) {
        sim_fail(world, "replica %u sends a bad timeout", replica->index);
        return;
    }
    uint64_t round = timeout.header.round;
    sim_trace(world, "timeout", replica->index, round, timeout.header.high_qc_round);
    qc_note(world, &timeout.high_qc);
    if (round <= replica->timeout_round)
        return;
    replica->timeout_round = round;
    sim_watch_safety(replica);
    if (replica->seen.last_timeout_round < round || replica->seen.last_voted_round < round)
        sim_fail(world, "I3: replica %u sends its timeout of round %lu before it is durable",
                 replica->index, (unsigned long)round);
}

/* ---- Proposals and answers ---------------------------------------------------------------------------------- */

static void proposal_watch(struct sim_replica *replica, bool own, const uint8_t *body,
                           uint32_t body_bytes)
{
    struct sim_world *world = replica->world;
    static struct giro_proposal proposal;
    enum giro_reject reject =
        giro_proposal_decode(body, body_bytes, world->options.replica_count, &proposal);
    if (reject != GIRO_REJECT_NONE) {
        sim_fail(world, "replica %u sends a bad proposal: %s", replica->index,
                 giro_reject_name(reject));
        return;
    }
    if (own)
        sim_trace(world, "propose", replica->index, proposal.block.round, proposal.block.height);
    struct sim_round *round = round_at(world, proposal.block.round);
    if (!round->has_block) {
        round->has_block = true;
        round->block = proposal.block_id;
    } else if (!giro_hash_equal(&round->block, &proposal.block_id)) {
        sim_fail(world, "I10: replica %u proposed two blocks in round %lu", proposal.block.author,
                 (unsigned long)proposal.block.round);
    }
    qc_note(world, &proposal.qc);
}

static void sync_watch(struct sim_world *world, const uint8_t *body, uint32_t body_bytes)
{
    struct giro_reader reader;
    struct giro_sync_header header;
    static struct giro_qc qc;
    giro_reader_init(&reader, body, body_bytes);
    if (!giro_reader_copy(&reader, &header, sizeof(header)) || header.qc_bytes == 0)
        return;
    if (giro_qc_decode(&reader, world->options.replica_count, &qc) == GIRO_REJECT_NONE)
        qc_note(world, &qc);
}

void sim_watch_message(struct sim_replica *replica, uint16_t body_kind, const uint8_t *body,
                       uint32_t body_bytes)
{
    switch (body_kind) {
    case GIRO_KIND_VOTE:
        vote_watch(replica, body, body_bytes);
        break;
    case GIRO_KIND_TIMEOUT:
        timeout_watch(replica, body, body_bytes);
        break;
    case GIRO_KIND_PROPOSAL:
    case GIRO_KIND_BLOCK:
        proposal_watch(replica, body_kind == GIRO_KIND_PROPOSAL, body, body_bytes);
        break;
    case GIRO_KIND_SYNC:
        sync_watch(replica->world, body, body_bytes);
        break;
    default:
        break;
    }
}
