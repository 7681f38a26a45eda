/* Lives of a replica over its disk. The disk outlives the replica: crash and power loss free the object and let the faulty
 * disk decide what of the uncompleted writes is there. */
#include <setjmp.h>

#include "sim/sim.h"

#define POLL_GAP_NS                                                                                \
    20000u /* what a turn of the event loop takes at least: time moves even when a replica wants more at once */
#define RESTART_WAIT_NS (500 * SIM_MS)

uint64_t sim_mono(const struct sim_world *world)
{
    return SIM_MONO_START_NS + world->now_ns;
}

uint64_t sim_wall(const struct sim_replica *replica)
{
    if (replica->frozen_ns != 0)
        return replica->frozen_ns;
    return SIM_WALL_START_NS + replica->world->now_ns + (uint64_t)replica->skew_ns;
}

void sim_disk_catch_up(struct sim_replica *replica)
{
    giro_disk_faulty_advance(replica->faulty, replica->world->now_ns + replica->disk_ahead_ns);
}

/* A start that waits for a write that was cut off is killed there and then. */
static jmp_buf start_killed;

void sim_disk_wait(void *context)
{
    struct sim_replica *replica = context;
    uint64_t next_ns = giro_disk_faulty_next_ns(replica->faulty);
    uint64_t now_ns = replica->world->now_ns + replica->disk_ahead_ns;
    if (next_ns == UINT64_MAX)
        longjmp(start_killed, 1);
    replica->disk_ahead_ns += next_ns > now_ns ? next_ns - now_ns : 0;
    sim_disk_catch_up(replica);
}

void sim_disk_set(struct sim_replica *replica, const struct giro_disk_faults *faults)
{
    replica->disk_faults = *faults;
    giro_disk_faulty_set_faults(replica->faulty, faults);
}

/* ---- Deaths that a disk brings ----------------------------------------------------------------------- */

static void start_again(struct sim_world *world, uint64_t instance, uint64_t unused, void *data)
{
    (void)unused;
    (void)data;
    sim_start(world, (uint32_t)instance);
}

/* What a replica may die of, and whether its operator starts it again. Anything else is a violation. */
static void died(struct sim_world *world, uint32_t instance, enum giro_err err, const char *when)
{
    struct sim_replica *replica = &world->replicas[instance];
    sim_trace(world, when, instance, replica->life, err);
    if (err == GIRO_ERR_RESTART) { /* an image came from the others: girod starts itself again */
        if (world->body->synced != NULL)
            world->body->synced(replica);
        sim_stop(world, instance, false);
        start_again(world, instance, 0, NULL);
        return;
    }
    bool io = (err == GIRO_ERR_IO || err == GIRO_ERR_NOSPACE) && replica->io_fault;
    bool damage = replica->damaged && err != GIRO_ERR_TIMEOUT;
    if (!io && !damage && err != GIRO_ERR_TIMEOUT) {
        sim_fail(world, "replica %u stops %s in its life %lu: %s", instance, when,
                 (unsigned long)replica->life, giro_err_sentence(err));
        return;
    }
    sim_stop(world, instance, true);
    if (damage && !io)
        replica->gone = true;
    else
        sim_at(world, world->now_ns + RESTART_WAIT_NS, start_again, instance, 0, NULL);
}

/* ---- Start and stop ------------------------------------------------------------------------------------ */

void sim_start(struct sim_world *world, uint32_t instance)
{
    struct sim_replica *replica = &world->replicas[instance];
    if (replica->up || replica->gone || world->failed)
        return;
    replica->life++;
    replica->height = 0;
    replica->first_vote = 0;
    replica->timeout_round = 0;
    world->starts++;
    sim_trace(world, "start", instance, replica->life, 0);
    sim_disk_catch_up(replica);
    replica->up = true;
    volatile enum giro_err err = GIRO_ERR_TIMEOUT;
    if (setjmp(start_killed) == 0)
        err = world->body->start(replica);
    if (err == GIRO_ERR_OK) {
        sim_watch_safety(replica, true);
        sim_touch(world, instance);
        return;
    }
    /* Its writes were cut while it started: it is dead like any other and comes again. */
    if (err == GIRO_ERR_TIMEOUT)
        world->faults[SIM_FAULT_START_CUT]++;
    died(world, instance, err, "at its start");
}

void sim_stop(struct sim_world *world, uint32_t instance, bool power_loss)
{
    struct sim_replica *replica = &world->replicas[instance];
    /* Also for one that is down: no life may begin with a cut that no death follows. */
    giro_disk_faulty_stop_after(replica->faulty, UINT64_MAX);
    replica->cut = false;
    if (!replica->up)
        return;
    sim_trace(world, power_loss ? "power" : "crash", instance, replica->life, replica->height);
    sim_disk_catch_up(replica);
    if (power_loss)
        giro_disk_faulty_power_loss(replica->faulty);
    else
        giro_disk_faulty_crash(replica->faulty);
    world->body->stop(replica);
    replica->up = false;
    replica->wake_ns = UINT64_MAX;
    sim_watch_safety(replica, true);
}

void sim_start_all(struct sim_world *world)
{
    for (uint32_t i = 0; i < world->instance_count; i++)
        sim_start(world, i);
}

void sim_stop_all(struct sim_world *world, bool power_loss)
{
    for (uint32_t i = 0; i < world->instance_count; i++)
        sim_stop(world, i, power_loss);
}

void sim_cut_writes(struct sim_world *world, uint32_t instance, uint64_t writes)
{
    sim_trace(world, "cut writes", instance, writes, 0);
    giro_disk_faulty_stop_after(world->replicas[instance].faulty, writes);
    world->replicas[instance].cut = true;
}

/* ---- Turns of the event loop ------------------------------------------------------------------------ */

void sim_touch(struct sim_world *world, uint32_t instance)
{
    struct sim_replica *replica = &world->replicas[instance];
    if (!replica->up || world->failed)
        return;
    sim_disk_catch_up(replica);
    enum giro_err err = world->body->poll(replica);
    if (err != GIRO_ERR_OK) {
        died(world, instance, err, "while it runs");
        return;
    }
    uint64_t disk_ns = giro_disk_faulty_next_ns(replica->faulty);
    if (disk_ns != UINT64_MAX)
        disk_ns -= disk_ns < replica->disk_ahead_ns ? disk_ns : replica->disk_ahead_ns;
    uint64_t wanted_ns = world->body->next_ns(replica);
    if (wanted_ns != UINT64_MAX)
        wanted_ns = wanted_ns > SIM_MONO_START_NS ? wanted_ns - SIM_MONO_START_NS : 0;
    uint64_t wake_ns = disk_ns < wanted_ns ? disk_ns : wanted_ns;
    uint64_t soonest_ns = world->now_ns + POLL_GAP_NS;
    replica->wake_ns = wake_ns < soonest_ns ? soonest_ns : wake_ns;
}
