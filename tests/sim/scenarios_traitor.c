/* One traitor among the replicas: scenarios 5, 8, 9, 12, 15. */
#include <stdlib.h>

#include "sim/scenarios.h"

/* One traitor with these kinds; the others must go on at once, and agree. */
static void with_traitor(struct sim_world *world, uint64_t faults, uint64_t blocks,
                         const char *when)
{
    uint32_t traitor = world->options.repeat % world->replica_count;
    sim_traitor_make(world, traitor, faults);
    sim_start_all(world);
    sim_load_until(world, 50 * SIM_MS, 5 * GIRO_NS_PER_S);
    sim_run(world, GIRO_NS_PER_S, NULL);
    sim_demand_blocks(world, 3 * GIRO_NS_PER_S, blocks, when);
    sim_run(world, 5 * GIRO_NS_PER_S, NULL);
    for (uint32_t i = 0; i < SIM_FAULTS; i++) {
        if ((faults >> i & 1) != 0 && world->faults[i] == 0)
            sim_fail(world, "the traitor never did: %s", sim_fault_text((enum sim_fault)i));
    }
    sim_settle_down(world, 30 * GIRO_NS_PER_S);
}

/* 8: another block to some, two votes in a round, votes for both: seen, reported, without effect. */
void sim_equivocating_leader(struct sim_world *world)
{
    with_traitor(world, SIM_FAULT_BIT(SIM_FAULT_EQUIVOCATE) | SIM_FAULT_BIT(SIM_FAULT_DOUBLE_VOTE),
                 20, "with an equivocating leader");
    if (!world->failed && world->nodes->evidence == 0)
        sim_fail(world, "nobody has evidence against the traitor");
}

void sim_votes_withheld(struct sim_world *world)
{
    with_traitor(world, SIM_FAULT_BIT(SIM_FAULT_WITHHOLD), 20, "with messages withheld");
}

void sim_votes_late(struct sim_world *world)
{
    with_traitor(world, SIM_FAULT_BIT(SIM_FAULT_LATE), 20, "with messages late");
}

void sim_votes_one_sided(struct sim_world *world)
{
    with_traitor(world, SIM_FAULT_BIT(SIM_FAULT_ONE_SIDED), 20, "with votes to one replica only");
}

void sim_leader_backdates(struct sim_world *world)
{
    with_traitor(world, SIM_FAULT_BIT(SIM_FAULT_BACKDATE), 20,
                 "with a leader that lies about time");
}

void sim_bad_batch_author(struct sim_world *world)
{
    with_traitor(world, SIM_FAULT_BIT(SIM_FAULT_BAD_BATCH), 20, "with a bad author of batches");
}

void sim_sync_info_lies(struct sim_world *world)
{
    with_traitor(world, SIM_FAULT_BIT(SIM_FAULT_LIE_SYNC) | SIM_FAULT_BIT(SIM_FAULT_FORGE), 20,
                 "with lying sync info");
}

/* ---- Answers to a start ------------------------------------------------------------------------------------ */

/* 5: every honest replica starts again while one answerer hides what it signed or shows it signatures it never gave: all vote
 * again, and what was forged is counted. */
void sim_hello_lies(struct sim_world *world)
{
    const uint32_t traitor = world->options.repeat % world->replica_count;
    uint64_t refused = 0;
    sim_traitor_make(world, traitor, SIM_FAULT_BIT(SIM_FAULT_LIE_HELLO));
    sim_start_all(world);
    sim_load_until(world, 50 * SIM_MS, 8 * GIRO_NS_PER_S);
    for (uint32_t i = 0; i < 3 * world->replica_count && !world->failed; i++) {
        const uint32_t victim = i % world->replica_count;
        sim_run(world, world->now_ns + 300 * SIM_MS, NULL);
        if (victim == traitor)
            continue;
        sim_stop(world, victim, true);
        sim_start(world, victim);
        sim_run(world, world->now_ns + 300 * SIM_MS, NULL);
        const struct giro_consensus_status status = sim_status(world, victim);
        if (!world->failed && (status.observer || status.starting || status.votes_sent == 0))
            sim_fail(world, "lies keep replica %u from voting after its start", victim);
        refused += status.rejects[GIRO_REJECT_SIGNATURE];
    }
    if (!world->failed && (world->faults[SIM_FAULT_LIE_HELLO] < 6 || refused == 0))
        sim_fail(world, "%lu lies, %lu refused", (unsigned long)world->faults[SIM_FAULT_LIE_HELLO],
                 (unsigned long)refused);
    sim_run(world, 8 * GIRO_NS_PER_S, NULL);
    sim_settle_down(world, 30 * GIRO_NS_PER_S);
}

/* 5: a disk that was rolled back is noticed though one answerer lies. */
void sim_rolled_back_beside_a_liar(struct sim_world *world)
{
    struct sim_replica *victim = &world->replicas[2];
    sim_traitor_make(world, 3 + world->options.repeat % 4, SIM_FAULT_BIT(SIM_FAULT_LIE_HELLO));
    sim_start_all(world);
    sim_load_until(world, 50 * SIM_MS, 4 * GIRO_NS_PER_S);
    sim_run(world, GIRO_NS_PER_S, NULL);
    void *image = giro_disk_faulty_image(victim->faulty);
    sim_run(world, 2 * GIRO_NS_PER_S, NULL);
    sim_stop(world, 2, true);
    giro_disk_faulty_restore(victim->faulty, image);
    free(image);
    victim->damaged = true;
    sim_start(world, 2);
    sim_run(world, 3 * GIRO_NS_PER_S, NULL);
    const struct giro_consensus_status status = sim_status(world, 2);
    if (!world->failed && (!status.observer || status.votes_sent + status.timeouts_sent > 0))
        sim_fail(world, "a replica whose disk was rolled back signs beside a liar");
    sim_run(world, 4 * GIRO_NS_PER_S, NULL);
    sim_settle_down(world, 20 * GIRO_NS_PER_S);
}
