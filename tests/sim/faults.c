/* The plan of faults (a swarm): the seed chooses a random subset of the kinds and how often each strikes; every kind has
 * its own generator and its own strikes, so one can be left out without changing the others. What a strike breaks it also
 * plans to mend; sim_faults_end mends the rest. */
#include "sim/sim.h"

sim_strike *const sim_strikes[SIM_FAULTS] = {
    [SIM_FAULT_CRASH] = sim_strike_crash,
    [SIM_FAULT_POWER] = sim_strike_power,
    [SIM_FAULT_KILL_ALL] = sim_strike_kill_all,
    [SIM_FAULT_CUT_WRITES] = sim_strike_cut,
    [SIM_FAULT_START_CUT] = sim_strike_start_cut,
    [SIM_FAULT_PARTITION] = sim_strike_partition,
    [SIM_FAULT_ONE_WAY] = sim_strike_one_way,
    [SIM_FAULT_FLAP] = sim_strike_flap,
    [SIM_FAULT_LOSS] = sim_strike_loss,
    [SIM_FAULT_DUPLICATE] = sim_strike_duplicate,
    [SIM_FAULT_REORDER] = sim_strike_reorder,
    [SIM_FAULT_DELAY] = sim_strike_delay,
    [SIM_FAULT_CLOG] = sim_strike_clog,
    [SIM_FAULT_CORRUPT] = sim_strike_corrupt,
    [SIM_FAULT_SLOW_DISK] = sim_strike_slow_disk,
    [SIM_FAULT_DISK_FULL] = sim_strike_disk_full,
    [SIM_FAULT_DISK_ERROR] = sim_strike_disk_error,
    [SIM_FAULT_READ_ERROR] = sim_strike_read_error,
    [SIM_FAULT_CLOCK_STEP] = sim_strike_clock_step,
    [SIM_FAULT_CLOCK_FROZEN] = sim_strike_clock_frozen,
    [SIM_FAULT_MISDIRECT] = sim_strike_misdirect,
    [SIM_FAULT_ROT] = sim_strike_rot,
    [SIM_FAULT_SAFETY_GONE] = sim_strike_safety_gone,
    [SIM_FAULT_SAFETY_BACK] = sim_strike_safety_back,
    [SIM_FAULT_TWINS] = sim_strike_twins,
};

bool sim_fault_on(const struct sim_world *world, enum sim_fault fault)
{
    return (world->faults_on >> fault & 1) != 0;
}

bool sim_fault_hit(struct sim_world *world, enum sim_fault fault, uint32_t per_mille)
{
    if (!sim_fault_on(world, fault) || world->calm ||
        !giro_prng_chance(&world->fault_prng[fault], per_mille, 1000))
        return false;
    world->faults[fault]++;
    return true;
}

uint64_t sim_fault_between(struct sim_world *world, enum sim_fault fault, uint64_t low,
                           uint64_t high)
{
    return sim_draw(&world->fault_prng[fault], low, high);
}

uint32_t sim_victim(struct sim_world *world, enum sim_fault fault)
{
    return (uint32_t)sim_fault_between(world, fault, 0, world->replica_count - 1);
}

uint32_t sim_victim_lost(struct sim_world *world, enum sim_fault fault)
{
    if (world->faulty_max == 0)
        return GIRO_NONE;
    uint64_t skip = sim_fault_between(world, fault, 0, world->faulty_max - 1);
    for (uint32_t i = 0; i < world->replica_count; i++) {
        if (world->replicas[i].expendable && skip-- == 0)
            return i;
    }
    return GIRO_NONE;
}

/* ---- The plan -------------------------------------------------------------------------------------- */

static void strike(struct sim_world *world, uint64_t fault, uint64_t unused, void *data)
{
    (void)unused;
    (void)data;
    if (world->now_ns >= world->faults_end_ns || world->calm)
        return;
    world->faults[fault]++;
    sim_trace(world, sim_fault_option((enum sim_fault)fault), fault, 0, 0);
    sim_strikes[fault](world);
    uint64_t gap_ns = world->strike_gap_ns[fault];
    sim_at(world, world->now_ns + sim_draw(&world->fault_prng[fault], gap_ns / 4, 7 * gap_ns / 4),
           strike, fault, 0, NULL);
}

/* The f replicas that this history may lose. */
static void expendable_choose(struct sim_world *world, struct giro_prng *prng)
{
    for (uint32_t left = world->faulty_max; left > 0;) {
        struct sim_replica *replica = &world->replicas[giro_prng_below(prng, world->replica_count)];
        left -= !replica->expendable;
        replica->expendable = true;
    }
}

void sim_faults_plan(struct sim_world *world, uint64_t end_ns, uint64_t pace_ns)
{
    struct giro_prng prng;
    giro_prng_init(&prng, world->options.seed ^ UINT64_C(0xFA017));
    expendable_choose(world, &prng);
    world->faults_end_ns = end_ns;
    /* A tenth of the seeds has few kinds, a tenth nearly all. */
    static const uint32_t densities[10] = {100, 250, 300, 350, 400, 400, 450, 500, 600, 900};
    uint32_t density = densities[giro_prng_below(&prng, 10)];
    bool traitors = giro_prng_chance(&prng, 1, 2);
    uint32_t traitor_count =
        (uint32_t)sim_draw(&prng, 1, world->faulty_max > 0 ? world->faulty_max : 1);
    for (uint32_t fault = 0; fault < SIM_FAULTS; fault++) {
        bool on = giro_prng_chance(&prng, density, 1000);
        /* Powers of two around the pace: from twice as often to sixteen times as rare. */
        uint64_t gap_ns = pace_ns * (1u << giro_prng_below(&prng, 6)) / 2;
        if (fault == SIM_FAULT_KILL_ALL || fault == SIM_FAULT_CUT_WRITES)
            gap_ns *= 3; /* each kills many */
        bool of_traitor = fault >= SIM_FAULT_FIRST_TRAITOR;
        bool loses = fault >= SIM_FAULT_FIRST_MEDIA;
        on = (on || world->options.faults_all) &&
             (!of_traitor || traitors || world->options.faults_all);
        if (!on || (world->options.faults >> fault & 1) == 0 || (loses && world->faulty_max == 0))
            continue;
        world->faults_on |= SIM_FAULT_BIT(fault);
        world->strike_gap_ns[fault] = gap_ns;
        if (sim_strikes[fault] != NULL)
            sim_at(world, world->now_ns + sim_draw(&world->fault_prng[fault], 0, gap_ns), strike,
                   fault, 0, NULL);
    }
    bool any_traitor = world->faults_on >> SIM_FAULT_FIRST_TRAITOR != 0;
    for (uint32_t i = 0; any_traitor && traitor_count > 0 && i < world->replica_count; i++) {
        if (!world->replicas[i].expendable)
            continue;
        traitor_count--;
        world->replicas[i].traitor = true;
        if (sim_fault_on(world, SIM_FAULT_TWINS))
            sim_twin_open(world, i);
    }
    if (sim_fault_on(world, SIM_FAULT_SHORT_TIMER)) {
        world->faults[SIM_FAULT_SHORT_TIMER]++;
        world->round_floor_ns = 2 * SIM_MS;
    }
    world->normal.delay_max_ns = sim_draw(&prng, 1, 20) * SIM_MS;
    world->normal.overtake_per_mille = giro_prng_chance(&prng, 1, 2) ? 1000 : 20;
    for (uint32_t from = 0; from < world->instance_count; from++) {
        for (uint32_t to = 0; to < world->instance_count; to++)
            world->links[from][to] = world->normal;
    }
    world->member_link = world->normal;
    world->member_link.loss_per_mille = 50;
    world->member_link.double_per_mille = 20;
}

void sim_faults_end(struct sim_world *world)
{
    world->calm = true;
    sim_heal(world);
    sim_network_normal(world);
    for (uint32_t i = 0; i < world->instance_count; i++) {
        struct sim_replica *replica = &world->replicas[i];
        sim_disk_set(replica, &world->disk_faults);
        if (replica->cut)
            sim_stop(world, i, true);
        replica->skew_ns = 0;
        replica->frozen_ns = 0;
    }
    sim_start_all(world);
}
