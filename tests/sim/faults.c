/* The plan of faults: one strike after the other at seeded times, of a seeded kind, on seeded victims. Nothing is spared:
 * all replicas may lose power at once. What a strike breaks it also plans to mend; sim_faults_end mends the rest. */
#include "sim/sim.h"

#define STRIKE_MIN_NS (100 * SIM_MS)
#define STRIKE_MAX_NS (1500 * SIM_MS)
#define DOWN_MAX_NS   (2 * GIRO_NS_PER_S)
#define MEND_MIN_NS   (100 * SIM_MS)
#define MEND_MAX_NS   (3 * GIRO_NS_PER_S)

static void mend_links(struct sim_world *world, uint64_t a, uint64_t b, void *data)
{
    (void)a;
    (void)b;
    (void)data;
    sim_trace(world, "heal", 0, 0, 0);
    sim_heal(world);
}

static void restart(struct sim_world *world, uint64_t index, uint64_t unused, void *data)
{
    (void)unused;
    (void)data;
    sim_start(world, (uint32_t)index);
}

static void kill_later(struct sim_world *world, uint64_t index, uint64_t power_loss, void *data)
{
    (void)data;
    sim_stop(world, (uint32_t)index, power_loss != 0);
    sim_at(world, world->now_ns + sim_between(world, SIM_MS, DOWN_MAX_NS), restart, index, 0, NULL);
}

static uint64_t mend_time(struct sim_world *world)
{
    return world->now_ns + sim_between(world, MEND_MIN_NS, MEND_MAX_NS);
}

/* A bit set of `count` different replicas. */
static uint32_t victims(struct sim_world *world, uint32_t count)
{
    uint32_t set = 0;
    while ((uint32_t)__builtin_popcount(set) < count)
        set |= 1u << sim_between(world, 0, world->options.replica_count - 1);
    return set;
}

/* Deaths: of one, of f, of all; at the same moment. Half of them after some more writes that never arrive. */
static void strike_kill(struct sim_world *world)
{
    uint32_t n = world->options.replica_count;
    uint32_t counts[3] = {1, sim_faulty_max(world) > 0 ? sim_faulty_max(world) : 1, n};
    uint32_t set = victims(world, counts[sim_between(world, 0, 2)]);
    bool power_loss = sim_chance(world, 600);
    bool cut = sim_chance(world, 400);
    for (uint32_t i = 0; i < n; i++) {
        if ((set >> i & 1) == 0)
            continue;
        if (cut) {
            sim_cut_writes(world, i, sim_between(world, 0, 12));
            sim_at(world, world->now_ns + sim_between(world, SIM_MS, 300 * SIM_MS), kill_later, i,
                   power_loss, NULL);
        } else {
            kill_later(world, i, power_loss, NULL);
        }
    }
}

/* A replica dies while it starts: its writes are cut before the start is through. */
static void strike_start(struct sim_world *world)
{
    uint32_t index = (uint32_t)sim_between(world, 0, world->options.replica_count - 1);
    sim_stop(world, index, true);
    sim_cut_writes(world, index, sim_between(world, 0, 3));
    sim_at(world, world->now_ns + sim_between(world, SIM_MS, 100 * SIM_MS), restart, index, 0,
           NULL);
    sim_at(world, world->now_ns + 150 * SIM_MS, kill_later, index, 1, NULL);
}

static void strike_partition(struct sim_world *world)
{
    uint32_t n = world->options.replica_count;
    uint32_t count = (uint32_t)sim_between(world, 1, n > 1 ? n / 2 : 1);
    uint32_t group = victims(world, count);
    world->faults[SIM_FAULT_PARTITION]++;
    sim_trace(world, "partition", group, 0, 0);
    sim_cut_group(world, group);
    sim_at(world, mend_time(world), mend_links, 0, 0, NULL);
}

static void strike_one_way(struct sim_world *world)
{
    uint32_t n = world->options.replica_count;
    uint32_t from = (uint32_t)sim_between(world, 0, n - 1);
    bool deaf = sim_chance(world, 500);
    world->faults[SIM_FAULT_ONE_WAY]++;
    sim_trace(world, "one way", from, deaf, 0);
    for (uint32_t other = 0; other < n; other++) {
        if (other == from || sim_chance(world, 300))
            continue;
        if (deaf)
            world->links[other][from].cut = true;
        else
            world->links[from][other].cut = true;
    }
    sim_at(world, mend_time(world), mend_links, 0, 0, NULL);
}

static void flap(struct sim_world *world, uint64_t group, uint64_t left, void *data)
{
    (void)data;
    if (left % 2 == 0)
        sim_cut_group(world, (uint32_t)group);
    else
        sim_heal(world);
    if (left > 1)
        sim_at(world, world->now_ns + sim_between(world, 10 * SIM_MS, 120 * SIM_MS), flap, group,
               left - 1, NULL);
}

static void strike_flap(struct sim_world *world)
{
    world->faults[SIM_FAULT_FLAP]++;
    flap(world, victims(world, 1), 2 * sim_between(world, 2, 10), NULL);
}

static void calm(struct sim_world *world, uint64_t a, uint64_t b, void *data)
{
    (void)a;
    (void)b;
    (void)data;
    for (uint32_t from = 0; from < SIM_REPLICAS_MAX; from++) {
        for (uint32_t to = 0; to < SIM_REPLICAS_MAX; to++) {
            bool cut = world->links[from][to].cut;
            world->links[from][to] = world->normal;
            world->links[from][to].cut = cut;
        }
    }
}

static void strike_storm(struct sim_world *world)
{
    world->faults[SIM_FAULT_STORM]++;
    for (uint32_t from = 0; from < SIM_REPLICAS_MAX; from++) {
        for (uint32_t to = 0; to < SIM_REPLICAS_MAX; to++) {
            struct sim_link *link = &world->links[from][to];
            link->delay_max_ns = sim_between(world, 5, 100) * SIM_MS;
            link->loss_per_mille = (uint32_t)sim_between(world, 0, 250);
            link->double_per_mille = (uint32_t)sim_between(world, 0, 100);
            link->overtake_per_mille = (uint32_t)sim_between(world, 0, 1000);
        }
    }
    sim_at(world, mend_time(world), calm, 0, 0, NULL);
}

static void disk_set(struct sim_world *world, uint32_t index, uint64_t latency_max_ns)
{
    struct giro_disk_faults faults = world->disk_faults;
    faults.latency_max_ns = latency_max_ns;
    giro_disk_faulty_set_faults(world->replicas[index].faulty, &faults);
}

static void disk_mend(struct sim_world *world, uint64_t index, uint64_t unused, void *data)
{
    (void)unused;
    (void)data;
    disk_set(world, (uint32_t)index, world->disk_faults.latency_max_ns);
}

static void strike_disk(struct sim_world *world)
{
    uint32_t index = (uint32_t)sim_between(world, 0, world->options.replica_count - 1);
    world->faults[SIM_FAULT_SLOW_DISK]++;
    disk_set(world, index, sim_between(world, 2, 80) * SIM_MS);
    sim_at(world, mend_time(world), disk_mend, index, 0, NULL);
}

static void strike_clock(struct sim_world *world)
{
    uint32_t index = (uint32_t)sim_between(world, 0, world->options.replica_count - 1);
    world->faults[SIM_FAULT_CLOCK_STEP]++;
    world->replicas[index].skew_ns = (int64_t)sim_between(world, 0, 240 * SIM_MS) - 120000000;
}

static void strike(struct sim_world *world, uint64_t end_ns, uint64_t unused, void *data)
{
    (void)unused;
    (void)data;
    if (world->now_ns >= end_ns)
        return;
    static void (*const strikes[])(struct sim_world *) = {
        strike_kill, strike_kill,  strike_start, strike_partition, strike_one_way,
        strike_flap, strike_storm, strike_disk,  strike_clock};
    strikes[sim_between(world, 0, sizeof(strikes) / sizeof(strikes[0]) - 1)](world);
    sim_at(world, world->now_ns + sim_between(world, STRIKE_MIN_NS, STRIKE_MAX_NS), strike, end_ns,
           0, NULL);
}

void sim_faults_plan(struct sim_world *world, uint64_t end_ns)
{
    world->normal = (struct sim_link){.delay_min_ns = 50000,
                                      .delay_max_ns = sim_between(world, 1, 20) * SIM_MS,
                                      .loss_per_mille = (uint32_t)sim_between(world, 0, 20),
                                      .double_per_mille = 5,
                                      .overtake_per_mille = sim_chance(world, 500) ? 1000 : 20};
    world->member_link = world->normal;
    world->member_link.loss_per_mille = 50;
    world->member_link.double_per_mille = 20;
    calm(world, 0, 0, NULL);
    for (uint32_t i = 0; i < world->options.replica_count; i++)
        world->replicas[i].skew_ns = (int64_t)sim_between(world, 0, 200 * SIM_MS) - 100000000;
    sim_at(world, world->now_ns + sim_between(world, 0, STRIKE_MAX_NS), strike, end_ns, 0, NULL);
}

void sim_faults_end(struct sim_world *world)
{
    sim_network_normal(world);
    for (uint32_t i = 0; i < world->options.replica_count; i++) {
        disk_set(world, i, world->disk_faults.latency_max_ns);
        giro_disk_faulty_stop_after(world->replicas[i].faulty, UINT64_MAX);
    }
    sim_start_all(world);
}
