/* The random history of a seed: load and faults, then calm, progress and quiet. */
#include "sim/node.h"

#define CALM_NS       (90 * GIRO_NS_PER_S) /* within which everything must be certified and level */
#define QUIET_NS      (30 * GIRO_NS_PER_S) /* until the last due block and the last repetition */
#define QUIET_BEAT_NS (20 * GIRO_NS_PER_S)
/* A quiet replica may look at its clock now and then. */
#define QUIET_WAKES_PER_S 20u

static bool anybody_excused(const struct sim_world *world)
{
    for (uint32_t i = 0; i < world->instance_count; i++) {
        if (sim_excused(&world->replicas[i]))
            return true;
    }
    return false;
}

/* After the last due block the chain stands still and nobody talks. */
static void demand_quiet(struct sim_world *world)
{
    sim_run(world, world->now_ns + QUIET_NS, NULL);
    uint64_t height = world->top_height, messages = world->messages, wakes[SIM_INSTANCES_MAX];
    for (uint32_t i = 0; i < world->instance_count; i++)
        wakes[i] = world->replicas[i].wakes;
    sim_run(world, world->now_ns + QUIET_BEAT_NS, NULL);
    if (world->failed)
        return;
    if (world->top_height != height)
        sim_fail(world, "not quiet: an idle chain went from height %lu to %lu",
                 (unsigned long)height, (unsigned long)world->top_height);
    /* Who may not sign, or lost what others still have, may go on asking. */
    if (anybody_excused(world))
        return;
    if (world->messages > messages + 64)
        sim_fail(world, "not quiet: %lu messages on an idle chain",
                 (unsigned long)(world->messages - messages));
    for (uint32_t i = 0; i < world->instance_count; i++) {
        uint64_t more = world->replicas[i].wakes - wakes[i];
        if (more > QUIET_WAKES_PER_S * QUIET_BEAT_NS / GIRO_NS_PER_S)
            sim_fail(world, "not quiet: replica %u woke %lu times on an idle chain", i,
                     (unsigned long)more);
    }
}

/* To the trace: what the safety file says and what was refused. */
static void say_more(const struct sim_replica *replica)
{
    FILE *trace = replica->world->options.trace;
    struct giro_consensus_status status = {0};
    if (replica->up)
        replica->world->body->status(replica, &status);
    fprintf(trace, "replica %u: voted %lu lock %lu timeout %lu incarnation %lu, base %lu us;",
            replica->instance, (unsigned long)replica->seen.last_voted_round,
            (unsigned long)replica->seen.lock_round,
            (unsigned long)replica->seen.last_timeout_round,
            (unsigned long)replica->seen.incarnation, (unsigned long)status.round_base_ns / 1000);
    for (uint32_t i = 0; i < GIRO_REJECT_COUNT_OF_REASONS; i++) {
        if (status.rejects[i] > 0)
            fprintf(trace, " %s %lu", giro_reject_name((enum giro_reject)i),
                    (unsigned long)status.rejects[i]);
    }
    fprintf(trace, "\n");
}

static void say_who_is_behind(struct sim_world *world, uint64_t within_ns)
{
    char text[384] = "";
    int length = 0;
    for (uint32_t i = 0; i < world->instance_count && length < (int)sizeof(text); i++) {
        struct giro_consensus_status status = {0};
        const struct sim_replica *replica = &world->replicas[i];
        if (replica->up)
            world->body->status(replica, &status);
        length += snprintf(
            text + length, sizeof(text) - (size_t)length, " [%u%s%s%s%s r%lu qc%lu c%lu x%lu z%lu]",
            replica->index, replica->up ? "" : " down", sim_excused(replica) ? " excused" : "",
            status.starting ? " starting" : "", status.observer ? " observer" : "",
            (unsigned long)status.round, (unsigned long)status.high_qc_round,
            (unsigned long)status.committed_height, (unsigned long)status.executed_height,
            (unsigned long)status.certified_height);
    }
    for (uint32_t i = 0; i < world->instance_count && world->options.trace != NULL; i++)
        say_more(&world->replicas[i]);
    sim_fail(world, "no progress within %lu s of calm: %u of %u groups certified;%s",
             (unsigned long)(within_ns / GIRO_NS_PER_S), world->nodes->certified_count,
             world->nodes->group_count, text);
}

/* No honest replica may have lost its right to sign. */
static void final_check(struct sim_world *world)
{
    world->body->check(world);
    for (uint32_t i = 0; i < world->instance_count && !world->failed; i++) {
        const struct sim_replica *replica = &world->replicas[i];
        struct giro_consensus_status status;
        if (sim_excused(replica))
            continue;
        world->body->status(replica, &status);
        if (status.observer || status.starting)
            sim_fail(world, "replica %u ends as %s in its incarnation %lu", i,
                     status.observer ? "an observer" : "one that starts",
                     (unsigned long)status.incarnation);
    }
}

static uint32_t honest_one(struct sim_world *world)
{
    uint32_t instance = (uint32_t)sim_between(world, 0, world->replica_count - 1);
    while (sim_excused(&world->replicas[instance]))
        instance = (instance + 1) % world->replica_count;
    return instance;
}

void sim_settle_down(struct sim_world *world, uint64_t within_ns)
{
    if (world->failed)
        return;
    sim_faults_end(world);
    /* One more, so that there is progress to demand, and somebody speaks to those who missed the last word. */
    sim_group_send(world, honest_one(world), 1);
    if (!sim_run(world, world->now_ns + within_ns, sim_nodes_level)) {
        say_who_is_behind(world, within_ns);
        return;
    }
    demand_quiet(world);
    if (!world->failed && !sim_nodes_level(world))
        say_who_is_behind(world, within_ns);
    if (!world->failed)
        final_check(world);
}

/* When it gets calm, the traitors are dead, or turn honest. */
static void traitors_end(struct sim_world *world)
{
    if (world->nodes->lore == NULL)
        return;
    bool dead = sim_chance(world, 500);
    for (uint32_t i = 0; i < world->instance_count; i++) {
        struct sim_replica *replica = &world->replicas[i];
        if (replica->traitor && (dead || i >= world->replica_count)) {
            sim_stop(world, i, false);
            replica->gone = true;
        }
    }
}

void sim_history(struct sim_world *world)
{
    /* Mostly short and crowded, some long and sparse: rules break in the first, time passes in the second. */
    uint64_t shape = sim_between(world, 0, 99);
    bool crowded = shape < 87;
    uint64_t seconds = shape < 65 ? sim_between(world, 1, 2)
                       : crowded  ? sim_between(world, 2, 5)
                                  : sim_between(world, 60, 150);
    if (world->options.seconds > 0 && world->options.seconds < seconds)
        seconds = world->options.seconds;
    uint64_t end_ns = seconds * GIRO_NS_PER_S;
    struct sim_load load = {.stop_ns = end_ns, .outstanding_max = 16, .large_per_mille = 10};
    load.mean_gap_ns =
        crowded ? sim_between(world, 40, 250) * SIM_MS : sim_between(world, 3000, 12000) * SIM_MS;
    if (world->options.load_per_mille > 0 && world->options.load_per_mille < 1000)
        load.mean_gap_ns = load.mean_gap_ns * 1000 / world->options.load_per_mille;
    world->nodes->dues = sim_chance(world, 500);
    if (sim_chance(world, 60))
        world->nodes->image_every = (uint32_t)sim_between(world, 3, 16);
    if (world->options.image_every > 0)
        world->nodes->image_every = world->options.image_every;
    sim_faults_plan(world, end_ns, crowded ? 800 * SIM_MS : 12 * GIRO_NS_PER_S);
    if (world->faults_on >> SIM_FAULT_FIRST_TRAITOR != 0)
        sim_traitors_open(world);
    sim_start_all(world);
    sim_clients_start(world, &load);
    sim_run(world, end_ns, NULL);
    traitors_end(world);
    sim_settle_down(world, CALM_NS);
}
