/* Strikes at links and clocks. */
#include <stdlib.h>

#include "sim/sim.h"

#define MEND_MIN_NS (50 * SIM_MS)
#define MEND_MAX_NS (3 * GIRO_NS_PER_S)

static void mend_cuts(struct sim_world *world, uint64_t a, uint64_t b, void *data)
{
    (void)a;
    (void)b;
    (void)data;
    sim_trace(world, "heal", 0, 0, 0);
    sim_heal(world);
}

static uint64_t mend_time(struct sim_world *world, enum sim_fault fault)
{
    return world->now_ns + sim_fault_between(world, fault, MEND_MIN_NS, MEND_MAX_NS);
}

/* A group of 1 to n / 2 replicas, each with its twin or not. */
static void group_draw(struct sim_world *world, enum sim_fault fault, bool group[SIM_INSTANCES_MAX])
{
    uint32_t n = world->replica_count;
    uint32_t left = (uint32_t)sim_fault_between(world, fault, 1, n > 1 ? n / 2 : 1);
    memset(group, 0, SIM_INSTANCES_MAX * sizeof(group[0]));
    while (left > 0) {
        uint32_t i = sim_victim(world, fault);
        left -= !group[i];
        group[i] = true;
    }
    for (uint32_t i = n; i < world->instance_count; i++)
        group[i] = sim_fault_between(world, fault, 0, 1) == 0;
}

void sim_strike_partition(struct sim_world *world)
{
    bool group[SIM_INSTANCES_MAX];
    group_draw(world, SIM_FAULT_PARTITION, group);
    sim_cut_group(world, group);
    sim_at(world, mend_time(world, SIM_FAULT_PARTITION), mend_cuts, 0, 0, NULL);
}

/* One replica is deaf or mute towards most others: links work in one direction only. */
void sim_strike_one_way(struct sim_world *world)
{
    enum sim_fault fault = SIM_FAULT_ONE_WAY;
    uint32_t from = sim_victim(world, fault);
    bool deaf = sim_fault_between(world, fault, 0, 1) == 0;
    for (uint32_t other = 0; other < world->instance_count; other++) {
        if (other == from || sim_fault_between(world, fault, 0, 9) < 3)
            continue;
        if (deaf)
            world->links[other][from].cut = true;
        else
            world->links[from][other].cut = true;
    }
    sim_at(world, mend_time(world, fault), mend_cuts, 0, 0, NULL);
}

static void flap(struct sim_world *world, uint64_t left, uint64_t unused, void *data)
{
    (void)unused;
    if (world->calm)
        return;
    if (left % 2 == 0)
        sim_cut_group(world, (const bool *)data);
    else
        sim_heal(world);
    if (left <= 1)
        return;
    void *group = sim_memory(malloc(SIM_INSTANCES_MAX * sizeof(bool)));
    memcpy(group, data, SIM_INSTANCES_MAX * sizeof(bool));
    sim_at(world,
           world->now_ns + sim_fault_between(world, SIM_FAULT_FLAP, 10 * SIM_MS, 120 * SIM_MS),
           flap, left - 1, 0, group);
}

void sim_strike_flap(struct sim_world *world)
{
    bool group[SIM_INSTANCES_MAX];
    group_draw(world, SIM_FAULT_FLAP, group);
    flap(world, 2 * sim_fault_between(world, SIM_FAULT_FLAP, 2, 10), 0, group);
}

/* ---- Storms: one quality of all links, or of those of one replica, gets worse for a while ---------------- */

enum quality { LOSS, DOUBLE, OVERTAKE, DELAY, CLOG, CORRUPT };

static void link_set(struct sim_link *link, enum quality quality, uint64_t value)
{
    if (quality == LOSS)
        link->loss_per_mille = (uint16_t)value;
    else if (quality == DOUBLE)
        link->double_per_mille = (uint16_t)value;
    else if (quality == OVERTAKE)
        link->overtake_per_mille = (uint16_t)value;
    else if (quality == DELAY)
        link->delay_max_ns = value;
    else if (quality == CLOG)
        link->clog_until_ns = value;
    else
        link->corrupt_per_mille = (uint16_t)value;
}

static uint64_t normal_value(const struct sim_world *world, enum quality quality)
{
    if (quality == OVERTAKE)
        return world->normal.overtake_per_mille;
    return quality == DELAY ? world->normal.delay_max_ns : 0;
}

static void calm_down(struct sim_world *world, uint64_t quality, uint64_t unused, void *data)
{
    (void)unused;
    (void)data;
    if (world->calm)
        return;
    for (uint32_t from = 0; from < world->instance_count; from++) {
        for (uint32_t to = 0; to < world->instance_count; to++)
            link_set(&world->links[from][to], (enum quality)quality,
                     normal_value(world, (enum quality)quality));
    }
}

static void storm(struct sim_world *world, enum sim_fault fault, enum quality quality, uint64_t low,
                  uint64_t high)
{
    uint32_t n = world->instance_count;
    bool everywhere = sim_fault_between(world, fault, 0, 1) == 0;
    uint32_t centre = sim_victim(world, fault);
    bool same = sim_fault_between(world, fault, 0, 1) == 0;
    uint64_t value = sim_fault_between(world, fault, low, high);
    for (uint32_t from = 0; from < n; from++) {
        for (uint32_t to = 0; to < n; to++) {
            if (!everywhere && from != centre && to != centre)
                continue;
            if (!same)
                value = sim_fault_between(world, fault, low, high);
            link_set(&world->links[from][to], quality, value);
        }
    }
    sim_at(world, mend_time(world, fault), calm_down, quality, 0, NULL);
}

void sim_strike_loss(struct sim_world *world)
{
    storm(world, SIM_FAULT_LOSS, LOSS, 10, 300);
}

void sim_strike_duplicate(struct sim_world *world)
{
    storm(world, SIM_FAULT_DUPLICATE, DOUBLE, 20, 500);
}

void sim_strike_reorder(struct sim_world *world)
{
    storm(world, SIM_FAULT_REORDER, OVERTAKE, 100, 1000);
}

void sim_strike_delay(struct sim_world *world)
{
    storm(world, SIM_FAULT_DELAY, DELAY, 5 * SIM_MS, 100 * SIM_MS);
}

/* What is sent arrives all at once, later. */
void sim_strike_clog(struct sim_world *world)
{
    storm(world, SIM_FAULT_CLOG, CLOG, world->now_ns + 10 * SIM_MS, world->now_ns + 1500 * SIM_MS);
}

void sim_strike_corrupt(struct sim_world *world)
{
    storm(world, SIM_FAULT_CORRUPT, CORRUPT, 5, 100);
}

/* ---- Clocks ------------------------------------------------------------------------------------------- */

/* Mostly within the bound; one step in eight leaves it, in either direction. */
void sim_strike_clock_step(struct sim_world *world)
{
    enum sim_fault fault = SIM_FAULT_CLOCK_STEP;
    bool far = sim_fault_between(world, fault, 0, 7) == 0;
    int64_t most_ns = (int64_t)(far ? 3 * GIRO_NS_PER_S : 120 * SIM_MS);
    uint64_t place = sim_fault_between(world, fault, 0, 2 * (uint64_t)most_ns);
    world->replicas[sim_victim(world, fault)].skew_ns = (int64_t)place - most_ns;
}

static void thaw(struct sim_world *world, uint64_t instance, uint64_t unused, void *data)
{
    (void)unused;
    (void)data;
    world->replicas[instance].frozen_ns = 0;
}

void sim_strike_clock_frozen(struct sim_world *world)
{
    uint32_t instance = sim_victim(world, SIM_FAULT_CLOCK_FROZEN);
    world->replicas[instance].frozen_ns = sim_wall(&world->replicas[instance]);
    sim_at(world, mend_time(world, SIM_FAULT_CLOCK_FROZEN), thaw, instance, 0, NULL);
}

/* ---- Twins --------------------------------------------------------------------------------------------- */

/* Every other replica hears and reaches one of the two, or both; who which changes at every strike. */
void sim_strike_twins(struct sim_world *world)
{
    enum sim_fault fault = SIM_FAULT_TWINS;
    for (uint32_t twin = world->replica_count; twin < world->instance_count; twin++) {
        uint32_t first = world->replicas[twin].index;
        for (uint32_t other = 0; other < world->instance_count; other++) {
            uint64_t side = sim_fault_between(world, fault, 0, 6);
            if (other == first || other == twin)
                continue;
            world->links[other][first].cut = world->links[first][other].cut = side < 3;
            world->links[other][twin].cut = world->links[twin][other].cut = side >= 3 && side < 6;
        }
    }
}
