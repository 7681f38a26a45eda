/* Deaths, safety files and disks: scenarios 2, 4, 5, 13, 14. */
#include <stdlib.h>

#include "sim/scenarios.h"

/* Some load; then the writes of one (or all) stop at a boundary, which is the repeat's number; then death by power loss. */
static void kill_at_write(struct sim_world *world, bool all)
{
    uint32_t n = world->replica_count, boundary = world->options.repeat / (all ? 1 : 2);
    uint32_t victim = world->options.repeat % n;
    sim_start_all(world);
    sim_run(world, GIRO_NS_PER_S, NULL);
    sim_group_send(world, 0, 1);
    sim_run(world, world->now_ns + 100 * SIM_MS, NULL);
    for (uint32_t i = 0; i < n; i++) {
        if (all || i == victim)
            sim_cut_writes(world, i, boundary);
    }
    sim_group_send(world, 1, 1);
    sim_group_send(world, 2, 2);
    sim_run(world, world->now_ns + 60 * SIM_MS, NULL);
    for (uint32_t i = 0; i < n; i++) {
        if (all || i == victim)
            sim_stop(world, i, world->options.repeat % 3 != 0);
    }
    sim_run(world, world->now_ns + SIM_MS, NULL);
    uint64_t votes = sim_status(world, victim).votes_sent;
    sim_start_all(world);
    if (!sim_run(world, world->now_ns + 5 * GIRO_NS_PER_S, sim_nodes_level))
        sim_fail(world, "the hub does not go on by itself after a death at write %u", boundary);
    /* It votes again: two more groups need more than the stored vote. */
    sim_group_send(world, victim, 1);
    sim_run(world, world->now_ns + 500 * SIM_MS, NULL);
    if (!world->failed && sim_status(world, victim).votes_sent <= votes)
        sim_fail(world, "replica %u does not vote again", victim);
    sim_settle_down(world, 10 * GIRO_NS_PER_S);
}

void sim_kill_one_at_every_write(struct sim_world *world)
{
    kill_at_write(world, false);
}

void sim_kill_all_at_every_write(struct sim_world *world)
{
    kill_at_write(world, true);
}

/* ---- Safety files -------------------------------------------------------------------------------------- */

static void run_loaded(struct sim_world *world, uint64_t seconds)
{
    sim_start_all(world);
    sim_load_until(world, 50 * SIM_MS, seconds * GIRO_NS_PER_S);
}

/* Without its safety file a replica with a log refuses to start; the others go on. */
void sim_safety_file_deleted(struct sim_world *world)
{
    struct sim_replica *victim = &world->replicas[2];
    run_loaded(world, 4);
    sim_run(world, GIRO_NS_PER_S, NULL);
    sim_stop(world, 2, true);
    if (victim->disk.ops->remove(victim->disk.self, GIRO_SAFETY_FILE) != GIRO_ERR_OK)
        sim_fail(world, "there is no safety file");
    victim->damaged = true;
    sim_start(world, 2);
    if (!world->failed && !victim->gone)
        sim_fail(world, "a replica whose safety file is gone starts");
    sim_demand_blocks(world, 2 * GIRO_NS_PER_S, 20, "without the replica that refuses");
    sim_run(world, 4 * GIRO_NS_PER_S, NULL);
    sim_settle_down(world, 20 * GIRO_NS_PER_S);
}

/* A disk that went back to an old snapshot: the replica asks, hears that it signed more, and stays an observer. */
void sim_safety_file_rolled_back(struct sim_world *world)
{
    struct sim_replica *victim = &world->replicas[2];
    run_loaded(world, 4);
    sim_run(world, GIRO_NS_PER_S, NULL);
    void *image = giro_disk_faulty_image(victim->faulty);
    sim_run(world, 2 * GIRO_NS_PER_S, NULL);
    sim_stop(world, 2, true);
    giro_disk_faulty_restore(victim->faulty, image);
    free(image);
    victim->damaged = true;
    sim_start(world, 2);
    sim_run(world, 3 * GIRO_NS_PER_S, NULL);
    struct giro_consensus_status status = sim_status(world, 2);
    if (!world->failed && (!status.observer || status.votes_sent > 0 || status.timeouts_sent > 0))
        sim_fail(world, "a replica whose disk was rolled back signs");
    if (!world->failed && status.executed_height == 0)
        sim_fail(world, "the observer does not follow");
    sim_run(world, 4 * GIRO_NS_PER_S, NULL);
    sim_settle_down(world, 20 * GIRO_NS_PER_S);
}

/* A second process on a copy of the disk of a while ago: it hears that its key signed more, and observes. And the original,
 * when it starts again, hears that its number was used: from then on nobody signs with this key. */
void sim_safety_file_cloned(struct sim_world *world)
{
    run_loaded(world, 6);
    sim_run(world, GIRO_NS_PER_S, NULL);
    void *image = giro_disk_faulty_image(world->replicas[2].faulty);
    uint32_t clone = world->instance_count;
    sim_twin_open(world, 2);
    world->replicas[2].traitor = world->replicas[clone].traitor = false;
    world->replicas[2].damaged = world->replicas[clone].damaged = true;
    giro_disk_faulty_restore(world->replicas[clone].faulty, image);
    free(image);
    sim_run(world, 2 * GIRO_NS_PER_S, NULL);
    sim_start(world, clone);
    sim_run(world, 3 * GIRO_NS_PER_S, NULL);
    struct giro_consensus_status status = sim_status(world, clone);
    if (!world->failed && (!status.observer || status.votes_sent + status.timeouts_sent > 0))
        sim_fail(world, "a clone signs beside its original");
    sim_stop(world, 2, true);
    sim_start(world, 2);
    sim_run(world, 4 * GIRO_NS_PER_S, NULL);
    status = sim_status(world, 2);
    if (!world->failed && (!status.observer || status.votes_sent + status.timeouts_sent > 0))
        sim_fail(world, "the original of a clone signs after its next start");
    sim_run(world, 6 * GIRO_NS_PER_S, NULL);
    sim_settle_down(world, 20 * GIRO_NS_PER_S);
}

/* ---- Disks ---------------------------------------------------------------------------------------------- */

static void disk_slow(struct sim_world *world, uint32_t instance, uint64_t latency_ns)
{
    struct giro_disk_faults faults = world->disk_faults;
    faults.latency_min_ns = latency_ns / 2;
    faults.latency_max_ns = latency_ns;
    sim_disk_set(&world->replicas[instance], &faults);
}

/* 13: one disk of 80 ms does not slow the hub down: a quorum does without it. */
void sim_slow_disk_on_one(struct sim_world *world)
{
    run_loaded(world, 8);
    sim_run(world, GIRO_NS_PER_S, NULL);
    uint64_t height = world->top_height, before;
    sim_run(world, 3 * GIRO_NS_PER_S, NULL);
    before = world->top_height - height;
    disk_slow(world, 3, 80 * SIM_MS);
    sim_run(world, 4 * GIRO_NS_PER_S, NULL);
    sim_demand_blocks(world, 2 * GIRO_NS_PER_S, before / 2, "with one slow disk");
    sim_run(world, 8 * GIRO_NS_PER_S, NULL);
    sim_settle_down(world, 20 * GIRO_NS_PER_S);
}

/* 13: with f + 1 slow disks the hub is as slow as they are, and does not stop. */
void sim_slow_disk_on_many(struct sim_world *world)
{
    run_loaded(world, 10);
    sim_run(world, GIRO_NS_PER_S, NULL);
    for (uint32_t i = 0; i <= world->faulty_max; i++)
        disk_slow(world, i, 40 * SIM_MS);
    sim_run(world, 4 * GIRO_NS_PER_S, NULL);
    sim_demand_blocks(world, 4 * GIRO_NS_PER_S, 10, "with f + 1 slow disks");
    sim_run(world, 10 * GIRO_NS_PER_S, NULL);
    sim_settle_down(world, 20 * GIRO_NS_PER_S);
}

/* 14: the disk of one has no room for another file: it stops before it promises what it cannot keep, the others go on, and
 * when there is room again it comes back. Large batches fill segments. */
void sim_disk_full(struct sim_world *world)
{
    struct sim_replica *victim = &world->replicas[1];
    struct giro_disk_faults full = world->disk_faults;
    struct sim_load load = {.mean_gap_ns = 20 * SIM_MS,
                            .stop_ns = 5 * GIRO_NS_PER_S,
                            .outstanding_max = 8,
                            .large_per_mille = 800};
    sim_start_all(world);
    sim_clients_start(world, &load);
    sim_run(world, 200 * SIM_MS, NULL);
    uint64_t life = victim->life;
    full.capacity_bytes = 1;
    victim->io_fault = true;
    sim_disk_set(victim, &full);
    sim_demand_blocks(world, 3 * GIRO_NS_PER_S, 100, "with one full disk");
    if (!world->failed && victim->life == life)
        sim_fail(world, "a replica whose disk is full never stopped");
    sim_settle_down(world, 60 * GIRO_NS_PER_S);
}

/* 14: a write error is final: the replica stops, restarts on what is durable, and never contradicts itself. */
void sim_write_errors(struct sim_world *world)
{
    struct sim_replica *victim = &world->replicas[1];
    struct giro_disk_faults bad = world->disk_faults;
    run_loaded(world, 6);
    sim_run(world, GIRO_NS_PER_S, NULL);
    uint64_t life = victim->life;
    bad.io_error_per_million = 50000;
    victim->io_fault = true;
    sim_disk_set(victim, &bad);
    sim_demand_blocks(world, 3 * GIRO_NS_PER_S, 30, "with one failing disk");
    if (!world->failed && victim->life < life + 2)
        sim_fail(world, "a replica whose writes fail goes on");
    sim_run(world, 6 * GIRO_NS_PER_S, NULL);
    sim_settle_down(world, 60 * GIRO_NS_PER_S);
}
