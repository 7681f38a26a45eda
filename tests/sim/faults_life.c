/* Strikes at replicas and their disks. */
#include "sim/sim.h"

#define DOWN_MAX_NS (2 * GIRO_NS_PER_S)
#define MEND_MIN_NS (100 * SIM_MS)
#define MEND_MAX_NS (3 * GIRO_NS_PER_S)

static void restart(struct sim_world *world, uint64_t instance, uint64_t unused, void *data)
{
    (void)unused;
    (void)data;
    sim_start(world, (uint32_t)instance);
}

/* Stops the instance and has it started again after a while that the kind's generator gives. */
static void kill_now(struct sim_world *world, uint32_t instance, bool power_loss,
                     enum sim_fault fault)
{
    sim_stop(world, instance, power_loss);
    uint64_t most_ns = sim_fault_between(world, fault, 0, 3) == 0 ? DOWN_MAX_NS : 100 * SIM_MS;
    sim_at(world, world->now_ns + sim_fault_between(world, fault, SIM_MS, most_ns), restart,
           instance, 0, NULL);
}

static void kill_later(struct sim_world *world, uint64_t instance, uint64_t power_loss, void *data)
{
    (void)data;
    if (!world->calm)
        kill_now(world, (uint32_t)instance, power_loss != 0, SIM_FAULT_CUT_WRITES);
}

void sim_strike_crash(struct sim_world *world)
{
    kill_now(world, sim_victim(world, SIM_FAULT_CRASH), false, SIM_FAULT_CRASH);
}

void sim_strike_power(struct sim_world *world)
{
    kill_now(world, sim_victim(world, SIM_FAULT_POWER), true, SIM_FAULT_POWER);
}

void sim_strike_kill_all(struct sim_world *world)
{
    bool power_loss = sim_fault_between(world, SIM_FAULT_KILL_ALL, 0, 2) > 0;
    for (uint32_t i = 0; i < world->instance_count; i++)
        kill_now(world, i, power_loss, SIM_FAULT_KILL_ALL);
}

/* From some write boundary on nothing reaches the disk any more; then it dies. Of one replica, of f + 1, or of all. */
void sim_strike_cut(struct sim_world *world)
{
    enum sim_fault fault = SIM_FAULT_CUT_WRITES;
    uint32_t n = world->replica_count;
    uint32_t counts[3] = {1, world->faulty_max + 1, n};
    uint32_t count = counts[sim_fault_between(world, fault, 0, 2)];
    uint32_t first = sim_victim(world, fault);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t instance = (first + i) % n;
        sim_cut_writes(world, instance, sim_fault_between(world, fault, 0, 12));
        sim_at(world, world->now_ns + sim_fault_between(world, fault, SIM_MS, 300 * SIM_MS),
               kill_later, instance, sim_fault_between(world, fault, 0, 1), NULL);
    }
}

/* A replica dies while it starts: its writes are cut before the start is through. */
void sim_strike_start_cut(struct sim_world *world)
{
    enum sim_fault fault = SIM_FAULT_START_CUT;
    uint32_t instance = sim_victim(world, fault);
    sim_stop(world, instance, true);
    sim_cut_writes(world, instance, sim_fault_between(world, fault, 0, 3));
    sim_at(world, world->now_ns + sim_fault_between(world, fault, SIM_MS, 100 * SIM_MS), restart,
           instance, 0, NULL);
    sim_at(world, world->now_ns + 150 * SIM_MS, kill_later, instance, 1, NULL);
}

/* ---- Disks ------------------------------------------------------------------------------------------- */

static void disk_mend(struct sim_world *world, uint64_t instance, uint64_t unused, void *data)
{
    (void)unused;
    (void)data;
    if (!world->calm)
        sim_disk_set(&world->replicas[instance], &world->disk_faults);
}

static void disk_strike(struct sim_world *world, uint32_t instance, enum sim_fault fault,
                        const struct giro_disk_faults *faults)
{
    sim_disk_set(&world->replicas[instance], faults);
    sim_at(world, world->now_ns + sim_fault_between(world, fault, MEND_MIN_NS, MEND_MAX_NS),
           disk_mend, instance, 0, NULL);
}

void sim_strike_slow_disk(struct sim_world *world)
{
    enum sim_fault fault = SIM_FAULT_SLOW_DISK;
    bool several = sim_fault_between(world, fault, 0, 3) == 0;
    uint32_t first = sim_victim(world, fault), count = several ? world->faulty_max + 1 : 1;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t instance = (first + i) % world->replica_count;
        struct giro_disk_faults faults = world->replicas[instance].disk_faults;
        faults.latency_max_ns = sim_fault_between(world, fault, 2, 80) * SIM_MS;
        disk_strike(world, instance, fault, &faults);
    }
}

/* No file can be made, and a replica that needs one stops; when there is room again it goes on. */
void sim_strike_disk_full(struct sim_world *world)
{
    uint32_t instance = sim_victim(world, SIM_FAULT_DISK_FULL);
    struct giro_disk_faults faults = world->replicas[instance].disk_faults;
    faults.capacity_bytes = 1;
    world->replicas[instance].io_fault = true;
    disk_strike(world, instance, SIM_FAULT_DISK_FULL, &faults);
}

void sim_strike_disk_error(struct sim_world *world)
{
    uint32_t instance = sim_victim(world, SIM_FAULT_DISK_ERROR);
    struct giro_disk_faults faults = world->replicas[instance].disk_faults;
    faults.io_error_per_million =
        (uint32_t)sim_fault_between(world, SIM_FAULT_DISK_ERROR, 5000, 200000);
    world->replicas[instance].io_fault = true;
    disk_strike(world, instance, SIM_FAULT_DISK_ERROR, &faults);
}

void sim_strike_read_error(struct sim_world *world)
{
    uint32_t instance = sim_victim(world, SIM_FAULT_READ_ERROR);
    struct giro_disk_faults faults = world->replicas[instance].disk_faults;
    faults.read_error_per_million =
        (uint32_t)sim_fault_between(world, SIM_FAULT_READ_ERROR, 5000, 300000);
    world->replicas[instance].io_fault = true;
    disk_strike(world, instance, SIM_FAULT_READ_ERROR, &faults);
}

/* ---- Media: only of replicas that may be lost -------------------------------------------------------- */

void sim_strike_misdirect(struct sim_world *world)
{
    uint32_t instance = sim_victim_lost(world, SIM_FAULT_MISDIRECT);
    struct sim_replica *replica = &world->replicas[instance];
    struct giro_disk_faults faults = replica->disk_faults;
    replica->damaged = true;
    faults.misdirected_per_million =
        (uint32_t)sim_fault_between(world, SIM_FAULT_MISDIRECT, 5000, 100000);
    disk_strike(world, instance, SIM_FAULT_MISDIRECT, &faults);
}

struct names {
    uint32_t count;
    char name[16][GIRO_DISK_NAME_BYTES];
};

static void name_note(void *context, const char *name)
{
    struct names *names = context;
    if (names->count < 16)
        snprintf(names->name[names->count++], GIRO_DISK_NAME_BYTES, "%s", name);
}

/* Bits flip in what was written; most of a file is zeros that nobody reads, so the first part is preferred. */
void sim_strike_rot(struct sim_world *world)
{
    enum sim_fault fault = SIM_FAULT_ROT;
    struct sim_replica *replica = &world->replicas[sim_victim_lost(world, fault)];
    struct names names = {0};
    replica->disk.ops->list(replica->disk.self, name_note, &names);
    replica->damaged = true;
    for (uint64_t i = sim_fault_between(world, fault, 1, 8); i > 0 && names.count > 0; i--) {
        const char *name = names.name[sim_fault_between(world, fault, 0, names.count - 1)];
        uint64_t offset = sim_fault_between(world, fault, 0, 256u << 10);
        if (sim_fault_between(world, fault, 0, 1) == 0)
            offset = offset / 4096 * 4096 + offset % 400;
        enum giro_err err = giro_disk_faulty_flip(replica->faulty, name, offset,
                                                  (uint32_t)sim_fault_between(world, fault, 0, 7));
        (void)err; /* the place is beyond the end of a short file */
    }
}

/* The file is not there any more when the replica starts again. */
void sim_strike_safety_gone(struct sim_world *world)
{
    uint32_t instance = sim_victim_lost(world, SIM_FAULT_SAFETY_GONE);
    struct sim_replica *replica = &world->replicas[instance];
    replica->damaged = true;
    kill_now(world, instance, true, SIM_FAULT_SAFETY_GONE);
    enum giro_err err = replica->disk.ops->remove(replica->disk.self, GIRO_SAFETY_FILE);
    (void)err; /* it was not made yet */
}

static void roll_back(struct sim_world *world, uint64_t instance, uint64_t unused, void *image)
{
    (void)unused;
    if (world->calm)
        return;
    kill_now(world, (uint32_t)instance, true, SIM_FAULT_SAFETY_BACK);
    giro_disk_faulty_restore(world->replicas[instance].faulty, image);
}

/* The whole disk goes back to what it was some time ago: an operator restored a snapshot. */
void sim_strike_safety_back(struct sim_world *world)
{
    uint32_t instance = sim_victim_lost(world, SIM_FAULT_SAFETY_BACK);
    struct sim_replica *replica = &world->replicas[instance];
    replica->damaged = true;
    uint64_t later_ns = sim_fault_between(world, SIM_FAULT_SAFETY_BACK, 10 * SIM_MS, 2000 * SIM_MS);
    sim_at(world, world->now_ns + later_ns, roll_back, instance, 0,
           giro_disk_faulty_image(replica->faulty));
}
