/* What one or two bad replicas may cost: scenario 9. */
#include "sim/scenarios.h"

/* Of what all authors can cut (a batch each 2 ms). */
static const struct sim_load full_load = {
    .mean_gap_ns = SIM_MS / 2, .stop_ns = 1900 * SIM_MS, .outstanding_max = 1024};

static uint64_t frames_certified(const struct sim_world *world)
{
    uint64_t frames = 0;
    for (uint32_t i = 0; i < world->nodes->group_count; i++)
        frames += world->nodes->groups[i].certified_ns != 0 ? world->nodes->groups[i].count : 0;
    return frames;
}

static uint64_t frames_in(struct sim_world *world, uint64_t for_ns)
{
    uint64_t before = frames_certified(world);
    sim_run(world, world->now_ns + for_ns, NULL);
    return frames_certified(world) - before;
}

static void rate_start(struct sim_world *world)
{
    world->nodes->batches_max = 512; /* as girod has */
    sim_traitor_make(world, 1, 0);
}

/* At least 70 % as much is certified in 600 ms with the traitor at work as in the 600 ms before. */
static void demand_rate(struct sim_world *world, enum sim_fault fault, const char *who)
{
    sim_start_all(world);
    sim_clients_start(world, &full_load);
    sim_run(world, 200 * SIM_MS, NULL);
    uint64_t without = frames_in(world, 600 * SIM_MS);
    world->faults_on |= SIM_FAULT_BIT(fault);
    sim_run(world, world->now_ns + 400 * SIM_MS, NULL);
    uint64_t with = frames_in(world, 600 * SIM_MS);
    sim_trace(world, "frames without, with", without, with, 0);
    if (!world->failed && with * 100 < without * 70)
        sim_fail(world, "%s: %lu frames in 600 ms, without it %lu", who, (unsigned long)with,
                 (unsigned long)without);
    if (!world->failed && world->faults[fault] == 0)
        sim_fail(world, "%s: it did nothing", who);
    sim_run(world, full_load.stop_ns, NULL);
    sim_settle_down(world, 30 * GIRO_NS_PER_S);
}

/* 9: the traitor keeps each proposal until just before the others' timers, as these adapt to it. */
void sim_slow_leader(struct sim_world *world)
{
    rate_start(world);
    world->nodes->lore->slow_ns = 0; /* as long as may be */
    demand_rate(world, SIM_FAULT_SLOW_LEADER, "with a leader as slow as it may be");
}

/* 9: the traitor's votes and timeouts reach nobody. */
void sim_votes_withheld_rate(struct sim_world *world)
{
    rate_start(world);
    world->nodes->lore->votes_kept = true;
    demand_rate(world, SIM_FAULT_WITHHOLD, "with all votes of one withheld");
}

/* 9: at n > 16 a vote goes to the next two leaders, and both are dead: the QC is lost with them, the others leave the round by a
 * TC and go on, rotation after rotation. */
void sim_two_leaders_dead(struct sim_world *world)
{
    const uint32_t first = 3 + 5 * world->options.repeat;
    sim_start_all(world);
    sim_load_until(world, 20 * SIM_MS, 10 * GIRO_NS_PER_S);
    sim_run(world, 2 * GIRO_NS_PER_S, NULL);
    sim_stop(world, first, true);
    sim_stop(world, first + 1, true);
    /* Blocks made, and all clients' groups of before the deaths certified meanwhile. */
    sim_demand_blocks(world, 2 * GIRO_NS_PER_S, 40, "with two neighbouring leaders dead");
    for (uint32_t i = 0; i < world->nodes->group_count && !world->failed; i++) {
        const struct sim_group *group = &world->nodes->groups[i];
        if (group->sent_ns < 2 * GIRO_NS_PER_S && group->certified_ns == 0)
            sim_fail(world, "with two neighbouring leaders dead: group %u waits for 2 s", i);
    }
    sim_demand_blocks(world, 4 * GIRO_NS_PER_S, 80, "rotations later");
    uint64_t timeouts = 0;
    for (uint32_t i = 0; i < world->replica_count; i++)
        timeouts += sim_status(world, i).timeouts_sent;
    if (!world->failed && timeouts == 0)
        sim_fail(world, "nobody gave a round up: the dead did not lead");
    sim_start_all(world);
    sim_run(world, 10 * GIRO_NS_PER_S, NULL);
    sim_settle_down(world, 30 * GIRO_NS_PER_S);
}
