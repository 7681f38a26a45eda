/* Links and clocks: scenarios 6, 7, 11, 12. */
#include "sim/scenarios.h"

static void run_loaded(struct sim_world *world, uint64_t seconds)
{
    sim_start_all(world);
    sim_load_until(world, 50 * SIM_MS, seconds * GIRO_NS_PER_S);
    sim_run(world, GIRO_NS_PER_S, NULL);
}

static void finish(struct sim_world *world, uint64_t seconds)
{
    sim_run(world, seconds * GIRO_NS_PER_S, NULL);
    sim_settle_down(world, 30 * GIRO_NS_PER_S);
}

/* 6: f cut off: the others go on. f + 1 cut off: nothing is committed on either side, and it goes on when they are back. */
void sim_partition_minority(struct sim_world *world)
{
    run_loaded(world, 8);
    sim_cut_first(world, world->faulty_max);
    sim_demand_blocks(world, 3 * GIRO_NS_PER_S, 30, "without a minority");
    sim_heal(world);
    sim_run(world, world->now_ns + GIRO_NS_PER_S, NULL);
    sim_cut_first(world, world->faulty_max + 1);
    sim_run(world, world->now_ns + 200 * SIM_MS, NULL);
    uint64_t height = world->top_height;
    sim_run(world, world->now_ns + 2 * GIRO_NS_PER_S, NULL);
    if (!world->failed && world->top_height != height)
        sim_fail(world, "a side without a quorum committed");
    sim_heal(world);
    sim_demand_blocks(world, 2 * GIRO_NS_PER_S, 10, "after the partition");
    finish(world, 8);
}

/* 6: one replica is deaf, or mute, to all others: in turn each of them, both ways. */
void sim_partition_asymmetric(struct sim_world *world)
{
    uint32_t victim = world->options.repeat / 2 % world->replica_count;
    run_loaded(world, 6);
    for (uint32_t other = 0; other < world->replica_count; other++) {
        if (other != victim && world->options.repeat % 2 == 0)
            world->links[victim][other].cut = true;
        else if (other != victim)
            world->links[other][victim].cut = true;
    }
    sim_demand_blocks(world, 3 * GIRO_NS_PER_S, 20, "with one deaf or mute");
    sim_heal(world);
    finish(world, 6);
}

/* 6: the links of f replicas come and go every 10 to 120 ms. */
void sim_partition_flapping(struct sim_world *world)
{
    run_loaded(world, 6);
    uint64_t height = world->top_height;
    for (uint32_t i = 0; i < 40 && !world->failed; i++) {
        sim_cut_first(world, world->faulty_max);
        sim_run(world, world->now_ns + sim_between(world, 10 * SIM_MS, 120 * SIM_MS), NULL);
        sim_heal(world);
        sim_run(world, world->now_ns + sim_between(world, 10 * SIM_MS, 120 * SIM_MS), NULL);
    }
    if (!world->failed && world->top_height < height + 30)
        sim_fail(world, "flapping links left %lu blocks",
                 (unsigned long)(world->top_height - height));
    finish(world, 6);
}

/* 7: a third of the messages overtake, a tenth come twice, a fiftieth have a flipped bit or no end; and one traitor sends
 * old messages again. */
void sim_messages_mangled(struct sim_world *world)
{
    sim_traitor_make(world, 3, SIM_FAULT_BIT(SIM_FAULT_REPLAY) | SIM_FAULT_BIT(SIM_FAULT_GARBAGE));
    run_loaded(world, 6);
    for (uint32_t from = 0; from < world->replica_count; from++) {
        for (uint32_t to = 0; to < world->replica_count; to++) {
            world->links[from][to].overtake_per_mille = 333;
            world->links[from][to].double_per_mille = 100;
            world->links[from][to].corrupt_per_mille = 20;
        }
    }
    sim_demand_blocks(world, 4 * GIRO_NS_PER_S, 40, "with mangled messages");
    finish(world, 6);
}

/* 11: the round timer starts at 1 ms and may reach 25 ms, the round trip takes 20 to 60 ms: the back-off has to do it. */
void sim_timers_below_round_trip(struct sim_world *world)
{
    world->round_floor_ns = SIM_MS;
    for (uint32_t from = 0; from < world->replica_count; from++) {
        for (uint32_t to = 0; to < world->replica_count; to++) {
            world->links[from][to].delay_min_ns = 10 * SIM_MS;
            world->links[from][to].delay_max_ns = 30 * SIM_MS;
        }
    }
    sim_start_all(world);
    sim_load_until(world, 100 * SIM_MS, 10 * GIRO_NS_PER_S);
    sim_run(world, 2 * GIRO_NS_PER_S, NULL);
    sim_demand_blocks(world, 8 * GIRO_NS_PER_S, 10, "with timers below the round trip");
    finish(world, 10);
}

/* 6, 11: one is cut off and another is behind a wire with 65 ms each way, loss or little bandwidth: every quorum waits for it. The
 * first rounds are lost, then the timer has the length of the round trip, and what is late does not choke on copies of itself. */
void sim_quorum_needs_slow(struct sim_world *world)
{
    static const struct {
        uint64_t gap_ns, bytes_per_s;
        uint16_t loss_per_mille;
    } worlds[] = {{50 * SIM_MS, 150000, 0}, {20 * SIM_MS, 150000, 0}, {50 * SIM_MS, 0, 20}};
    uint32_t which = world->options.repeat % 3, slow = world->replica_count - 1;
    sim_start_all(world);
    sim_load_until(world, worlds[which].gap_ns, 40 * GIRO_NS_PER_S);
    sim_run(world, GIRO_NS_PER_S, NULL);
    const struct sim_link wire = {.delay_min_ns = 64 * SIM_MS,
                                  .delay_max_ns = 66 * SIM_MS,
                                  .bytes_per_s = worlds[which].bytes_per_s,
                                  .loss_per_mille = worlds[which].loss_per_mille};
    for (uint32_t i = 0; i < world->replica_count; i++)
        world->links[i][slow] = world->links[slow][i] = wire;
    sim_run(world, 5 * GIRO_NS_PER_S, NULL);
    sim_cut_first(world, world->faulty_max);
    for (uint32_t i = 0; i < 4 && !world->failed; i++)
        sim_demand_blocks(world, 7 * GIRO_NS_PER_S, 4, "with a quorum that needs the slow one");
    finish(world, 40);
}

/* ---- Clocks ------------------------------------------------------------------------------------------- */

/* 12: every clock is off by up to 100 ms, within the bound. */
void sim_clocks_skewed(struct sim_world *world)
{
    for (uint32_t i = 0; i < world->replica_count; i++)
        world->replicas[i].skew_ns =
            (int64_t)(i * 200 * SIM_MS / (world->replica_count - 1)) - 100000000;
    run_loaded(world, 5);
    sim_demand_blocks(world, 3 * GIRO_NS_PER_S, 60, "with skewed clocks");
    finish(world, 5);
}

/* 12: the clock of one steps by ten seconds, forth and back: its blocks are not voted for, nobody waits for it. */
void sim_clock_stepped(struct sim_world *world)
{
    run_loaded(world, 8);
    world->replicas[1].skew_ns = (int64_t)(10 * GIRO_NS_PER_S);
    sim_demand_blocks(world, 2 * GIRO_NS_PER_S, 20, "with one clock ten seconds ahead");
    world->replicas[1].skew_ns = -(int64_t)(10 * GIRO_NS_PER_S);
    sim_demand_blocks(world, 2 * GIRO_NS_PER_S, 20, "with one clock ten seconds behind");
    finish(world, 8);
}

/* 12: the clock of one stands still. */
void sim_clock_frozen(struct sim_world *world)
{
    run_loaded(world, 6);
    world->replicas[1].frozen_ns = sim_wall(&world->replicas[1]);
    sim_demand_blocks(world, 4 * GIRO_NS_PER_S, 40, "with one frozen clock");
    finish(world, 6);
}

/* A replica that was away for fifteen seconds is level within two, under load. */
void sim_replica_away(struct sim_world *world)
{
    uint32_t away = world->replica_count - 1;
    run_loaded(world, 20);
    sim_stop(world, away, true);
    sim_run(world, 16 * GIRO_NS_PER_S, NULL);
    uint64_t missed = world->top_height;
    sim_start(world, away);
    sim_run(world, 18 * GIRO_NS_PER_S, NULL);
    if (!world->failed && world->replicas[away].height < missed)
        sim_fail(world, "after 2 s the replica that was away is at height %lu of %lu",
                 (unsigned long)world->replicas[away].height, (unsigned long)missed);
    finish(world, 20);
}
