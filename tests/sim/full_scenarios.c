/* Named histories (consensus.md section 10), and the random one. */
#include "sim/full.h"

#define QUIET_NS      (8 * GIRO_NS_PER_S) /* the open cycle ends, the last window closes */
#define QUIET_BEAT_NS (3 * GIRO_NS_PER_S)
/* A quiet replica may look at its clock now and then; one that wakes more often than this is not quiet. */
#define QUIET_WAKES_PER_S 20u

static const struct sim_load light = {
    .mean_gap_ns = 20 * SIM_MS, .outstanding_max = 16, .hostile_per_mille = 5};

static struct sim_load load_until(uint64_t stop_ns)
{
    struct sim_load load = light;
    load.stop_ns = stop_ns;
    return load;
}

/* After the last window is closed the chain stands still and nobody talks. */
static void demand_quiet(struct sim_world *world)
{
    sim_run(world, world->now_ns + QUIET_NS, NULL);
    uint64_t height = world->top_height, messages = world->messages, wakes[SIM_FULL_MAX];
    for (uint32_t i = 0; i < world->replica_count; i++)
        wakes[i] = world->replicas[i].wakes;
    sim_run(world, world->now_ns + QUIET_BEAT_NS, NULL);
    if (world->failed)
        return;
    if (world->top_height != height)
        sim_fail(world, "not quiet: an idle chain went from height %lu to %lu",
                 (unsigned long)height, (unsigned long)world->top_height);
    if (world->messages > messages + 64)
        sim_fail(world, "not quiet: %lu messages on an idle chain",
                 (unsigned long)(world->messages - messages));
    for (uint32_t i = 0; i < world->replica_count; i++) {
        uint64_t more = world->replicas[i].wakes - wakes[i];
        if (more > QUIET_WAKES_PER_S * QUIET_BEAT_NS / GIRO_NS_PER_S)
            sim_fail(world, "not quiet: replica %u woke %lu times on an idle chain", i,
                     (unsigned long)more);
    }
}

static void say_who_is_behind(struct sim_world *world, uint64_t within_ns)
{
    char text[256] = "";
    int length = 0;
    for (uint32_t i = 0; i < world->replica_count; i++) {
        struct giro_consensus_status status = {0};
        if (world->replicas[i].up)
            world->body->status(&world->replicas[i], &status);
        length +=
            snprintf(text + length, sizeof(text) - (size_t)length,
                     " [%u%s%s r%lu qc%lu c%lu x%lu z%lu]", i, status.starting ? " starting" : "",
                     status.observer ? " observer" : "", (unsigned long)status.round,
                     (unsigned long)status.high_qc_round, (unsigned long)status.committed_height,
                     (unsigned long)status.executed_height, (unsigned long)status.certified_height);
        if (length >= (int)sizeof(text))
            break;
    }
    sim_fail(world, "no progress within %lu s of calm: %u of %u frames certified;%s",
             (unsigned long)(within_ns / GIRO_NS_PER_S), world->full->certified, world->full->owed,
             text);
}

void sim_settle_down(struct sim_world *world, uint64_t within_ns)
{
    sim_heal(world);
    sim_faults_end(world);
    if (!sim_run(world, world->now_ns + within_ns, sim_all_level)) {
        say_who_is_behind(world, within_ns);
        return;
    }
    demand_quiet(world);
    if (!world->failed && !sim_all_level(world))
        say_who_is_behind(world, within_ns);
    if (!world->failed)
        sim_watch_final(world);
}

void sim_history(struct sim_world *world)
{
    uint64_t end_ns = world->options.seconds * GIRO_NS_PER_S;
    struct sim_load load = load_until(end_ns);
    load.mean_gap_ns = sim_between(world, 5, 60) * SIM_MS;
    sim_start_all(world);
    sim_members_start(world, &load);
    if (world->options.faults != 0)
        sim_faults_plan(world, end_ns, 2 * GIRO_NS_PER_S);
    sim_run(world, end_ns, NULL);
    sim_settle_down(world, 60 * GIRO_NS_PER_S);
}

/* ---- Named ----------------------------------------------------------------------------------------- */

static void lone_payment_then_quiet(struct sim_world *world)
{
    sim_start_all(world);
    sim_run(world, GIRO_NS_PER_S, NULL);
    if (world->top_height != 0)
        sim_fail(world, "an idle hub made %lu blocks", (unsigned long)world->top_height);
    uint32_t frame = sim_pay(world, 0, 1, 12345, GIRO_SERVICE_GROSS);
    if (!sim_run(world, 2 * GIRO_NS_PER_S, sim_all_certified))
        sim_fail(world, "the lone payment is not certified within a second");
    else if (world->full->frames[frame].certified_ns - world->full->frames[frame].sent_ns >
             60 * SIM_MS)
        sim_fail(world, "the lone payment took %lu us",
                 (unsigned long)((world->full->frames[frame].certified_ns -
                                  world->full->frames[frame].sent_ns) /
                                 1000));
    sim_run(world, world->now_ns + 3 * GIRO_NS_PER_S, NULL);
    if (world->full->journals[0][0].count != 1 || world->full->journals[1][0].count != 1)
        sim_fail(world, "the payment's window is not sealed");
    sim_settle_down(world, GIRO_NS_PER_S);
}

static void kill_all_and_restart(struct sim_world *world)
{
    struct sim_load load = load_until(6 * GIRO_NS_PER_S);
    sim_start_all(world);
    sim_members_start(world, &load);
    for (uint32_t round = 1; round <= 5; round++) {
        sim_run(world, round * GIRO_NS_PER_S, NULL);
        sim_stop_all(world, false);
        sim_run(world, world->now_ns + sim_between(world, 0, 200 * SIM_MS), NULL);
        sim_start_all(world);
    }
    sim_run(world, load.stop_ns, NULL);
    sim_settle_down(world, 30 * GIRO_NS_PER_S);
}

static void power_loss_of_all_mid_load(struct sim_world *world)
{
    struct sim_load load = load_until(6 * GIRO_NS_PER_S);
    load.mean_gap_ns = 5 * SIM_MS;
    sim_start_all(world);
    sim_members_start(world, &load);
    for (uint32_t round = 1; round <= 8; round++) {
        sim_run(world, world->now_ns + sim_between(world, 50 * SIM_MS, 900 * SIM_MS), NULL);
        sim_stop_all(world, true);
        sim_start_all(world);
    }
    sim_run(world, load.stop_ns, NULL);
    sim_settle_down(world, 30 * GIRO_NS_PER_S);
}

/* options.repeat tells the write after which nothing more reaches a disk: of one replica (even) or of all (odd). */
static void crash_at_every_write_boundary(struct sim_world *world)
{
    uint64_t boundary = world->options.repeat / 2;
    bool all = world->options.repeat % 2 == 1;
    uint32_t n = world->replica_count;
    uint32_t victim = (uint32_t)(boundary % n);
    sim_start_all(world);
    sim_run(world, GIRO_NS_PER_S, NULL);
    sim_pay(world, 0, 1, 100, GIRO_SERVICE_GROSS);
    sim_run(world, world->now_ns + 100 * SIM_MS, NULL);
    for (uint32_t i = 0; i < n; i++) {
        if (all || i == victim)
            sim_cut_writes(world, i, boundary);
    }
    sim_pay(world, 1, 2, 200, GIRO_SERVICE_NET);
    sim_pay(world, 2, 0, 300, GIRO_SERVICE_GROSS);
    sim_run(world, world->now_ns + 60 * SIM_MS, NULL);
    for (uint32_t i = 0; i < n; i++) {
        if (all || i == victim)
            sim_stop(world, i, true);
    }
    sim_run(world, world->now_ns + SIM_MS, NULL);
    sim_settle_down(world, 20 * GIRO_NS_PER_S);
}

static void leader_dead(struct sim_world *world)
{
    struct sim_load load = load_until(5 * GIRO_NS_PER_S);
    sim_start_all(world);
    sim_members_start(world, &load);
    sim_run(world, GIRO_NS_PER_S, NULL);
    sim_stop(world, 1, false);
    uint32_t certified = world->full->certified;
    uint64_t height = world->top_height;
    sim_run(world, 4 * GIRO_NS_PER_S, NULL);
    if (!world->failed &&
        (world->full->certified < certified + 50 || world->top_height < height + 10))
        sim_fail(world, "with one replica dead only %u frames in 3 s",
                 world->full->certified - certified);
    sim_run(world, load.stop_ns, NULL);
    sim_settle_down(world, 20 * GIRO_NS_PER_S);
}

static void partition_minority_heals(struct sim_world *world)
{
    struct sim_load load = load_until(8 * GIRO_NS_PER_S);
    sim_start_all(world);
    sim_members_start(world, &load);
    sim_run(world, GIRO_NS_PER_S, NULL);
    sim_cut_first(world, world->faulty_max);
    uint64_t height = world->top_height;
    sim_run(world, 4 * GIRO_NS_PER_S, NULL);
    if (!world->failed && world->top_height < height + 10)
        sim_fail(world, "the majority made %lu blocks in 3 s",
                 (unsigned long)(world->top_height - height));
    sim_heal(world);
    sim_run(world, 5 * GIRO_NS_PER_S, NULL);
    /* No quorum on either side: nothing may happen, and it must go on afterwards. */
    sim_cut_first(world, world->faulty_max + 1);
    sim_run(world, 7 * GIRO_NS_PER_S, NULL);
    sim_settle_down(world, 30 * GIRO_NS_PER_S);
}

static void replica_away_catches_up(struct sim_world *world)
{
    struct sim_load load = load_until(20 * GIRO_NS_PER_S);
    load.mean_gap_ns = 30 * SIM_MS;
    uint32_t away = world->replica_count - 1;
    sim_start_all(world);
    sim_members_start(world, &load);
    sim_run(world, GIRO_NS_PER_S, NULL);
    sim_stop(world, away, true);
    sim_run(world, 15 * GIRO_NS_PER_S, NULL);
    uint64_t missed = world->top_height - 1;
    sim_start(world, away);
    sim_run(world, 19 * GIRO_NS_PER_S, NULL);
    if (!world->failed && world->replicas[away].height < missed)
        sim_fail(world, "after 4 s the replica that was away is at height %lu of %lu",
                 (unsigned long)world->replicas[away].height, (unsigned long)missed);
    sim_settle_down(world, 20 * GIRO_NS_PER_S);
}

/* ---- Checkpoints and state sync ----------------------------------------------------------------------- */

static struct giro_node_images_status images_of(struct sim_world *world, uint32_t i)
{
    struct giro_replica_status status = {0};
    if (world->replicas[i].up)
        giro_replica_status(sim_replica_of(&world->replicas[i]), &status);
    return status.images;
}

/* Load until every replica that is up has an image above a height. */
static void run_to_image(struct sim_world *world, uint64_t height, uint64_t within_ns)
{
    uint64_t end_ns = world->now_ns + within_ns;
    while (!world->failed && world->now_ns < end_ns) {
        uint32_t there = 0, up = 0;
        for (uint32_t i = 0; i < world->replica_count; i++) {
            up += world->replicas[i].up;
            there += world->replicas[i].up && images_of(world, i).kept_height > height;
        }
        if (there == up)
            return;
        sim_run(world, world->now_ns + 50 * SIM_MS, NULL);
    }
    if (!world->failed)
        sim_fail(world, "no image above height %lu within %lu s", (unsigned long)height,
                 (unsigned long)(within_ns / GIRO_NS_PER_S));
}

static void all_restart_from_images(struct sim_world *world)
{
    struct sim_load load = load_until(7 * GIRO_NS_PER_S);
    sim_start_all(world);
    sim_members_start(world, &load);
    for (uint32_t round = 0; round < 2; round++) {
        run_to_image(world, world->top_height, 6 * GIRO_NS_PER_S);
        uint64_t kept[SIM_FULL_MAX];
        for (uint32_t i = 0; i < world->replica_count; i++)
            kept[i] = images_of(world, i).kept_height;
        sim_stop_all(world, true);
        sim_start_all(world);
        for (uint32_t i = 0; i < world->replica_count && !world->failed; i++) {
            if (images_of(world, i).base_height < kept[i])
                sim_fail(world, "replica %u starts from height %lu, though it had image %lu", i,
                         (unsigned long)images_of(world, i).base_height, (unsigned long)kept[i]);
        }
    }
    sim_run(world, load.stop_ns, NULL);
    sim_settle_down(world, 30 * GIRO_NS_PER_S);
}

/* Segments of those that are up roll over at a restart, so that the log behind old images goes. */
static void others_restart(struct sim_world *world, uint32_t but)
{
    for (uint32_t i = 0; i < world->replica_count; i++) {
        if (i == but)
            continue;
        sim_stop(world, i, false);
        sim_start(world, i);
        sim_run(world, world->now_ns + 300 * SIM_MS, NULL);
    }
}

static void demand_synced(struct sim_world *world, uint32_t away, uint64_t within_ns)
{
    uint64_t end_ns = world->now_ns + within_ns, target = world->top_height;
    while (!world->failed && world->now_ns < end_ns &&
           (world->full->syncs == 0 || world->replicas[away].height < target))
        sim_run(world, world->now_ns + 50 * SIM_MS, NULL);
    if (!world->failed && (world->full->syncs == 0 || world->replicas[away].height < target))
        sim_fail(world, "replica %u is at height %lu of %lu after %lu syncs", away,
                 (unsigned long)world->replicas[away].height, (unsigned long)target,
                 (unsigned long)world->full->syncs);
}

/* Scenario 16: away while more than three checkpoints pass and the others let the log go; back under load. */
static void away_past_checkpoints(struct sim_world *world)
{
    struct sim_load load = load_until(16 * GIRO_NS_PER_S);
    uint32_t away = world->replica_count - 1;
    sim_start_all(world);
    sim_members_start(world, &load);
    sim_run(world, GIRO_NS_PER_S, NULL);
    sim_stop(world, away, true);
    for (uint32_t round = 0; round < 4; round++) {
        run_to_image(world, world->top_height, 6 * GIRO_NS_PER_S);
        others_restart(world, away);
    }
    uint32_t certified = world->full->certified;
    sim_start(world, away);
    demand_synced(world, away, 8 * GIRO_NS_PER_S);
    if (!world->failed && world->full->certified < certified + 10)
        sim_fail(world, "only %u frames were certified while a replica fetched an image",
                 world->full->certified - certified);
    sim_run(world, load.stop_ns, NULL);
    sim_settle_down(world, 30 * GIRO_NS_PER_S);
}

static void note_name(void *context, const char *name)
{
    char(*names)[GIRO_DISK_NAME_BYTES] = context;
    uint32_t i = 0;
    while (names[i][0] != '\0')
        i++;
    if (strcmp(name, GIRO_SAFETY_FILE) != 0)
        snprintf(names[i], GIRO_DISK_NAME_BYTES, "%s", name);
}

static void disk_lost(struct sim_world *world, uint32_t index)
{
    static char names[512][GIRO_DISK_NAME_BYTES];
    struct giro_disk *disk = &world->replicas[index].disk;
    memset(names, 0, sizeof(names));
    enum giro_err err = disk->ops->list(disk->self, note_name, names);
    for (uint32_t i = 0; err == GIRO_ERR_OK && names[i][0] != '\0'; i++)
        err = disk->ops->remove(disk->self, names[i]);
    if (err != GIRO_ERR_OK)
        sim_fail(world, "the disk of replica %u cannot be emptied", index);
}

/* Everything but the safety file is lost; the replica comes back by itself, and votes again. */
static void disk_lost_but_safety(struct sim_world *world)
{
    struct sim_load load = load_until(14 * GIRO_NS_PER_S);
    uint32_t away = world->replica_count - 1;
    sim_start_all(world);
    sim_members_start(world, &load);
    run_to_image(world, 0, 6 * GIRO_NS_PER_S);
    sim_stop(world, away, true);
    disk_lost(world, away);
    for (uint32_t round = 0; round < 3; round++) {
        run_to_image(world, world->top_height, 6 * GIRO_NS_PER_S);
        others_restart(world, away);
    }
    sim_start(world, away);
    demand_synced(world, away, 8 * GIRO_NS_PER_S);
    /* Its vote is needed now. */
    sim_stop(world, 0, false);
    uint64_t height = world->top_height;
    sim_run(world, world->now_ns + 3 * GIRO_NS_PER_S, NULL);
    if (!world->failed && world->top_height < height + 5)
        sim_fail(world, "the replica that lost its disk does not vote: %lu blocks in 3 s",
                 (unsigned long)(world->top_height - height));
    sim_run(world, load.stop_ns, NULL);
    sim_settle_down(world, 30 * GIRO_NS_PER_S);
}

/* options.repeat is the write after which nothing more reaches the disk of a replica that is fetching an image (even), or of
 * all replicas about when they write one (odd). */
static void crash_at_every_write_of_images(struct sim_world *world)
{
    struct sim_load load = load_until(7 * GIRO_NS_PER_S);
    uint64_t boundary = world->options.repeat / 2;
    uint32_t away = world->replica_count - 1;
    bool fetching = world->options.repeat % 2 == 0;
    sim_start_all(world);
    sim_members_start(world, &load);
    run_to_image(world, 0, 6 * GIRO_NS_PER_S);
    if (fetching) {
        sim_stop(world, away, true);
        disk_lost(world, away);
        run_to_image(world, world->top_height, 6 * GIRO_NS_PER_S);
        others_restart(world, away);
        sim_start(world, away);
        sim_cut_writes(world, away, boundary);
        sim_run(world, world->now_ns + 700 * SIM_MS, NULL);
        sim_stop(world, away, true);
        sim_start(world, away);
    } else {
        uint64_t height = world->top_height;
        while (!world->failed && world->top_height < height + 20)
            sim_run(world, world->now_ns + 10 * SIM_MS, NULL);
        for (uint32_t i = 0; i < world->replica_count; i++)
            sim_cut_writes(world, i, boundary * 3);
        sim_run(world, world->now_ns + 700 * SIM_MS, NULL);
        sim_stop_all(world, true);
        sim_start_all(world);
    }
    sim_run(world, load.stop_ns, NULL);
    sim_settle_down(world, 30 * GIRO_NS_PER_S);
}

const struct sim_scenario sim_full_scenarios[] = {
    {"lone_payment_then_quiet", lone_payment_then_quiet, 1},
    {"kill_all_and_restart", kill_all_and_restart, 2},
    {"power_loss_of_all_mid_load", power_loss_of_all_mid_load, 2},
    {"crash_at_every_write_boundary", crash_at_every_write_boundary, 48},
    {"leader_dead", leader_dead, 1},
    {"partition_minority_heals", partition_minority_heals, 1},
    {"replica_away_catches_up", replica_away_catches_up, 1},
    {"all_restart_from_images", all_restart_from_images, 1},
    {"away_past_checkpoints", away_past_checkpoints, 1},
    {"disk_lost_but_safety", disk_lost_but_safety, 1},
    {"crash_at_every_write_of_images", crash_at_every_write_of_images, 8},
};
const uint32_t sim_full_scenario_count = sizeof(sim_full_scenarios) / sizeof(sim_full_scenarios[0]);
