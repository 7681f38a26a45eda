/* Lives of a replica over its disk. The disk outlives the replica: crash and power loss free the object and let the faulty
 * disk decide what of the uncompleted writes is there. */
#include "sim/sim.h"

#define POLL_GAP_NS                                                                                \
    20000u /* what a turn of the event loop takes at least: time moves even when a replica wants more at once */
#define WAIT_STEP_NS    50000u
#define RESTART_WAIT_NS (500 * SIM_MS)

uint64_t sim_mono(const struct sim_world *world)
{
    return SIM_MONO_START_NS + world->now_ns;
}

uint64_t sim_wall(const struct sim_replica *replica)
{
    return SIM_WALL_START_NS + replica->world->now_ns + (uint64_t)replica->skew_ns;
}

void sim_disk_catch_up(struct sim_replica *replica)
{
    giro_disk_faulty_advance(replica->faulty, replica->world->now_ns + replica->disk_ahead_ns);
}

/* ---- Callbacks ---------------------------------------------------------------------------------- */

static void on_send(void *context, uint16_t peer, const struct giro_part *parts,
                    uint32_t part_count)
{
    struct sim_replica *replica = context;
    sim_send(replica->world, replica->index, peer, parts, part_count);
}

static void on_answer(void *context, const struct giro_answer *answer)
{
    struct sim_replica *replica = context;
    sim_member_answer(replica->world, answer);
}

static void on_journal(void *context, uint16_t member, uint16_t business_date, const void *bytes,
                       uint32_t size_bytes)
{
    (void)business_date;
    sim_watch_journal(context, member, bytes, size_bytes);
}

static void on_ledger_block(void *context, uint64_t height, const void *bytes, size_t size_bytes)
{
    sim_watch_ledger(context, height, bytes, size_bytes);
}

static void on_certificate(void *context, const struct giro_certificate *certificate)
{
    sim_watch_certificate(context, certificate);
}

static uint32_t on_leaf(void *context, uint64_t height, uint32_t leaf_index, uint8_t *out,
                        uint32_t out_bytes)
{
    return sim_watch_leaf(context, height, leaf_index, out, out_bytes);
}

static void on_evidence(void *context, const struct giro_action *action)
{
    struct sim_replica *replica = context;
    sim_fail(replica->world, "I10: replica %u has evidence against honest replica %u (%s)",
             replica->index, action->evidence.offender, giro_reject_name(action->evidence.reject));
}

static void on_halted(void *context, const char *reason, uint64_t height)
{
    struct sim_replica *replica = context;
    sim_fail(replica->world, "replica %u halted at height %lu: %s", replica->index,
             (unsigned long)height, reason);
}

/* ---- Start and stop ------------------------------------------------------------------------------- */

static void wait_for_disk(void *context)
{
    struct sim_replica *replica = context;
    replica->disk_ahead_ns += WAIT_STEP_NS;
    sim_disk_catch_up(replica);
}

static struct giro_replica *replica_new(struct sim_replica *replica)
{
    struct sim_world *world = replica->world;
    const struct sim_hub *hub = world->hub;
    struct giro_replica_options options = {.genesis = &hub->genesis,
                                           .ring = hub->ring,
                                           .self = replica->index,
                                           .vote_key = hub->vote_keys[replica->index],
                                           .batch_key = hub->batch_keys[replica->index],
                                           .disk = &replica->disk,
                                           .segment_bytes = 4u << 20,
                                           .log_buffer_bytes = 8u << 20,
                                           .batches_max = 64,
                                           .blocks_max = 128,
                                           .pending_max = 4096,
                                           .entries_max = 1u << 19,
                                           .uetr_index_max = 4096,
                                           .index_max = 1u << 15,
                                           .seed = giro_prng_next(&world->prng),
                                           .callbacks = {.context = replica,
                                                         .send = on_send,
                                                         .answer = on_answer,
                                                         .journal = on_journal,
                                                         .ledger_block = on_ledger_block,
                                                         .certificate = on_certificate,
                                                         .leaf = on_leaf,
                                                         .evidence = on_evidence,
                                                         .halted = on_halted}};
    memcpy(options.window_secret, hub->window_secret, sizeof(options.window_secret));
    return giro_replica_new(&options);
}

static void start_again(struct sim_world *world, uint64_t index, uint64_t unused, void *data)
{
    (void)unused;
    (void)data;
    sim_start(world, (uint32_t)index);
}

void sim_start(struct sim_world *world, uint32_t index)
{
    struct sim_replica *replica = &world->replicas[index];
    if (replica->replica != NULL || world->failed)
        return;
    replica->life++;
    replica->height = 0;
    memset(replica->windows, 0, sizeof(replica->windows));
    replica->first_vote = 0;
    replica->timeout_round = 0;
    sim_trace(world, "start", index, replica->life, 0);
    sim_disk_catch_up(replica);
    replica->replica = sim_memory(replica_new(replica));
    enum giro_err err = giro_replica_start(replica->replica, sim_mono(world), sim_wall(replica),
                                           wait_for_disk, replica);
    sim_watch_safety(replica);
    if (err == GIRO_ERR_OK) {
        sim_touch(world, index);
        return;
    }
    /* Its writes were cut while it started: it is dead like any other and comes again. */
    if (err == GIRO_ERR_TIMEOUT) {
        world->faults[SIM_FAULT_START_CUT]++;
        sim_stop(world, index, true);
        sim_at(world, world->now_ns + RESTART_WAIT_NS, start_again, index, 0, NULL);
        return;
    }
    sim_fail(world, "replica %u does not start in its life %lu: %s", index,
             (unsigned long)replica->life, giro_err_sentence(err));
}

void sim_stop(struct sim_world *world, uint32_t index, bool power_loss)
{
    struct sim_replica *replica = &world->replicas[index];
    /* Also for one that is down: no life may begin with a cut that no death follows. */
    giro_disk_faulty_stop_after(replica->faulty, UINT64_MAX);
    if (replica->replica == NULL)
        return;
    sim_trace(world, power_loss ? "power" : "crash", index, replica->life, replica->height);
    world->faults[power_loss ? SIM_FAULT_POWER : SIM_FAULT_CRASH]++;
    sim_disk_catch_up(replica);
    if (power_loss)
        giro_disk_faulty_power_loss(replica->faulty);
    else
        giro_disk_faulty_crash(replica->faulty);
    giro_replica_free(replica->replica);
    replica->replica = NULL;
    replica->wake_ns = UINT64_MAX;
    sim_watch_safety(replica);
}

void sim_start_all(struct sim_world *world)
{
    for (uint32_t i = 0; i < world->options.replica_count; i++)
        sim_start(world, i);
}

void sim_cut_writes(struct sim_world *world, uint32_t index, uint64_t writes)
{
    world->faults[SIM_FAULT_CUT_WRITES]++;
    sim_trace(world, "cut writes", index, writes, 0);
    giro_disk_faulty_stop_after(world->replicas[index].faulty, writes);
}

/* ---- Turns of the event loop ------------------------------------------------------------------------ */

void sim_touch(struct sim_world *world, uint32_t index)
{
    struct sim_replica *replica = &world->replicas[index];
    if (replica->replica == NULL || world->failed)
        return;
    sim_disk_catch_up(replica);
    enum giro_err err = giro_replica_poll(replica->replica, sim_mono(world), sim_wall(replica));
    if (err != GIRO_ERR_OK) {
        sim_fail(world, "replica %u stops: %s", index, giro_err_sentence(err));
        return;
    }
    uint64_t disk_ns = giro_disk_faulty_next_ns(replica->faulty);
    if (disk_ns != UINT64_MAX)
        disk_ns -= replica->disk_ahead_ns;
    uint64_t wanted_ns = giro_replica_next_ns(replica->replica);
    if (wanted_ns != UINT64_MAX)
        wanted_ns = wanted_ns > SIM_MONO_START_NS ? wanted_ns - SIM_MONO_START_NS : 0;
    uint64_t wake_ns = disk_ns < wanted_ns ? disk_ns : wanted_ns;
    uint64_t soonest_ns = world->now_ns + POLL_GAP_NS;
    replica->wake_ns = wake_ns < soonest_ns ? soonest_ns : wake_ns;
}
