/* The watcher of what honest replicas sign and send: votes, timeouts, proposals, certificates. What a body's own watcher
 * knows more (the rules of voting over all blocks) is in node_watch.c. */
#include <stdlib.h>
#include <xxhash.h>

#include "sim/sim.h"

#define ROUNDS_MAX 4000000u

struct sim_round *sim_round_at(struct sim_world *world, uint64_t round)
{
    uint32_t n = world->replica_count;
    if (round >= ROUNDS_MAX) {
        sim_fail(world, "round %lu", (unsigned long)round);
        round = 0;
    }
    if (round >= world->round_room) {
        uint64_t room = round * 2 + 256;
        world->rounds = sim_memory(realloc(world->rounds, room * sizeof(*world->rounds)));
        memset(world->rounds + world->round_room, 0,
               (room - world->round_room) * sizeof(*world->rounds));
        world->round_room = room;
    }
    if (world->rounds[round].votes == NULL)
        world->rounds[round].votes = sim_memory(calloc(n, sizeof(uint64_t)));
    if (round > world->top_round)
        world->top_round = round;
    return &world->rounds[round];
}

void sim_watch_close(struct sim_world *world)
{
    for (uint64_t i = 0; i < world->round_room; i++)
        free(world->rounds[i].votes);
    free(world->rounds);
}

/* I2: at most one QC per round. */
static void qc_note(struct sim_world *world, const struct giro_qc *qc)
{
    struct sim_round *round = sim_round_at(world, qc->header.round);
    if (!round->has_qc) {
        round->has_qc = true;
        round->qc_block = qc->header.block_id;
    } else if (!giro_hash_equal(&round->qc_block, &qc->header.block_id)) {
        sim_fail(world, "I2: two QCs in round %lu", (unsigned long)qc->header.round);
    }
}

/* ---- Votes and timeouts --------------------------------------------------------------------------------- */

static void vote_watch(struct sim_replica *replica, const uint8_t *body, uint32_t body_bytes)
{
    struct sim_world *world = replica->world;
    struct giro_reader reader;
    struct giro_vote vote;
    giro_reader_init(&reader, body, body_bytes);
    if (giro_vote_decode(&reader, world->replica_count, &vote) != GIRO_REJECT_NONE ||
        vote.voter != replica->index) {
        sim_fail(world, "replica %u sends a bad vote", replica->index);
        return;
    }
    sim_trace(world, "vote", replica->index, vote.round, vote.parent_round);
    uint64_t *known = &sim_round_at(world, vote.round)->votes[replica->index];
    uint64_t digest = XXH3_64bits(&vote.epoch, offsetof(struct giro_vote, voter) -
                                                   offsetof(struct giro_vote, epoch));
    if (replica->first_vote == 0)
        replica->first_vote = vote.round;
    if (*known == digest)
        return;
    if (*known != 0)
        sim_fail(world, "I5: replica %u votes twice in round %lu", replica->index,
                 (unsigned long)vote.round);
    *known = digest;
    world->votes++;
    /* A vote signed just before a death may be heard for the first time after the restart, after its timeout. */
    if (vote.round <= replica->timeout_round && vote.round != replica->first_vote)
        sim_fail(world, "I5: replica %u votes in round %lu after its timeout of round %lu",
                 replica->index, (unsigned long)vote.round, (unsigned long)replica->timeout_round);
    if (vote.parent_round > replica->voted_parent)
        replica->voted_parent = vote.parent_round;
    sim_watch_safety(replica, false);
    if (replica->seen.last_voted_round < vote.round)
        sim_fail(world, "I3: replica %u sends its vote of round %lu before it is durable",
                 replica->index, (unsigned long)vote.round);
    if (replica->seen.lock_round < vote.parent_round)
        sim_fail(world, "I3: replica %u votes in round %lu above its durable lock", replica->index,
                 (unsigned long)vote.round);
    if ((vote.round + replica->index) % world->scan_every == 0)
        sim_watch_log(replica, GIRO_LOG_BLOCK_RECORD, &vote.block_id, "a vote for a block");
}

static void timeout_watch(struct sim_replica *replica, const uint8_t *body, uint32_t body_bytes)
{
    struct sim_world *world = replica->world;
    static struct giro_timeout timeout;
    struct giro_reader reader;
    giro_reader_init(&reader, body, body_bytes);
    if (giro_timeout_decode(&reader, world->replica_count, &timeout) != GIRO_REJECT_NONE ||
        timeout.header.voter != replica->index) {
        sim_fail(world, "replica %u sends a bad timeout", replica->index);
        return;
    }
    uint64_t round = timeout.header.round;
    sim_trace(world, "timeout", replica->index, round, timeout.header.high_qc_round);
    qc_note(world, &timeout.high_qc);
    if (timeout.header.high_qc_round < replica->voted_parent)
        sim_fail(world, "I4: replica %u times out in round %lu with a QC below its lock",
                 replica->index, (unsigned long)round);
    if (round <= replica->timeout_round)
        return;
    replica->timeout_round = round;
    sim_watch_safety(replica, false);
    if (replica->seen.last_timeout_round < round || replica->seen.last_voted_round < round)
        sim_fail(world, "I3: replica %u sends its timeout of round %lu before it is durable",
                 replica->index, (unsigned long)round);
}

/* ---- Proposals and answers ---------------------------------------------------------------------------------- */

static void block_note(struct sim_world *world, const struct giro_proposal *proposal)
{
    struct sim_round *round = sim_round_at(world, proposal->block.round);
    const uint16_t author = proposal->block.author;
    uint32_t i = 0;
    while (i < round->block_count && round->authors[i] != author)
        i++;
    if (i == SIM_LEADERS_MAX)
        return;
    if (i == round->block_count) {
        round->authors[i] = author;
        round->blocks[i] = proposal->block_id;
        round->block_count++;
    } else if (!giro_hash_equal(&round->blocks[i], &proposal->block_id)) {
        sim_fail(world, "I10: replica %u proposed two blocks in round %lu", author,
                 (unsigned long)proposal->block.round);
    }
}

static void proposal_watch(struct sim_replica *replica, bool own, const uint8_t *body,
                           uint32_t body_bytes)
{
    struct sim_world *world = replica->world;
    static struct giro_proposal proposal;
    enum giro_reject reject =
        giro_proposal_decode(body, body_bytes, world->replica_count, &proposal);
    if (reject != GIRO_REJECT_NONE) {
        sim_fail(world, "replica %u sends a bad proposal: %s", replica->index,
                 giro_reject_name(reject));
        return;
    }
    qc_note(world, &proposal.qc);
    if (sim_excused(&world->replicas[proposal.block.author]))
        return;
    if (own)
        sim_trace(world, "propose", replica->index, proposal.block.round, proposal.block.height);
    block_note(world, &proposal);
}

static void sync_watch(struct sim_world *world, const uint8_t *body, uint32_t body_bytes)
{
    struct giro_reader reader;
    struct giro_sync_header header;
    static struct giro_qc qc;
    giro_reader_init(&reader, body, body_bytes);
    if (!giro_reader_copy(&reader, &header, sizeof(header)) || header.qc_bytes == 0)
        return;
    if (giro_qc_decode(&reader, world->replica_count, &qc) == GIRO_REJECT_NONE)
        qc_note(world, &qc);
}

void sim_watch_message(struct sim_replica *replica, uint16_t body_kind, const uint8_t *body,
                       uint32_t body_bytes)
{
    if (replica->traitor)
        return;
    switch (body_kind) {
    case GIRO_KIND_VOTE:
        if (!replica->damaged)
            vote_watch(replica, body, body_bytes);
        break;
    case GIRO_KIND_TIMEOUT:
        if (!replica->damaged)
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
