/* Named histories (consensus.md section 10), each with its pass criterion; and what they share. */
#include "sim/scenarios.h"

void sim_load_until(struct sim_world *world, uint64_t mean_gap_ns, uint64_t stop_ns)
{
    struct sim_load load = {.mean_gap_ns = mean_gap_ns, .stop_ns = stop_ns, .outstanding_max = 64};
    sim_clients_start(world, &load);
}

void sim_demand_blocks(struct sim_world *world, uint64_t for_ns, uint64_t blocks, const char *when)
{
    uint64_t height = world->top_height;
    sim_run(world, world->now_ns + for_ns, NULL);
    if (!world->failed && world->top_height < height + blocks)
        sim_fail(world, "%s: only %lu blocks in %lu ms", when,
                 (unsigned long)(world->top_height - height), (unsigned long)(for_ns / SIM_MS));
}

void sim_traitor_make(struct sim_world *world, uint32_t index, uint64_t faults)
{
    world->faults_on |= faults;
    world->replicas[index].traitor = true;
    if (world->nodes->lore == NULL)
        sim_traitors_open(world);
}

struct giro_consensus_status sim_status(const struct sim_world *world, uint32_t instance)
{
    struct giro_consensus_status status = {0};
    if (world->replicas[instance].up)
        world->body->status(&world->replicas[instance], &status);
    return status;
}

/* 1: a lone frame on an idle hub commits at once; then the chain is quiet. */
void sim_lone_frame_then_quiet(struct sim_world *world)
{
    sim_start_all(world);
    sim_run(world, GIRO_NS_PER_S, NULL);
    if (world->top_height != 0)
        sim_fail(world, "an idle hub made %lu blocks", (unsigned long)world->top_height);
    uint32_t group = sim_group_send(world, 0, 1);
    if (!sim_run(world, 2 * GIRO_NS_PER_S, sim_groups_certified))
        sim_fail(world, "the lone frame is not certified within a second");
    else if (world->nodes->groups[group].certified_ns - world->nodes->groups[group].sent_ns >
             60 * SIM_MS)
        sim_fail(world, "the lone frame took more than 60 ms");
    sim_settle_down(world, 2 * GIRO_NS_PER_S);
}

/* 3: everybody loses power, again and again, in the middle of the load: writes are lost, torn, out of order. */
void sim_power_loss_of_all(struct sim_world *world)
{
    sim_load_until(world, 10 * SIM_MS, 6 * GIRO_NS_PER_S);
    sim_start_all(world);
    for (uint32_t i = 0; i < 10; i++) {
        sim_run(world, world->now_ns + sim_between(world, 50 * SIM_MS, 900 * SIM_MS), NULL);
        sim_stop_all(world, true);
        sim_start_all(world);
    }
    sim_run(world, 6 * GIRO_NS_PER_S, NULL);
    sim_settle_down(world, 30 * GIRO_NS_PER_S);
}

/* 20: an hour of virtual time (or --seconds) with every kind of fault of the honest, sparse load, checkpoints, and everybody
 * back at the end. Each minute no replica's log is longer than a few checkpoints need, and every pool is within its bounds. */
#define SOAK_IMAGE_EVERY   64u
#define SOAK_LOG_BYTES_MAX (32u << 20) /* eight segments */

static void soak_check(struct sim_world *world)
{
    world->body->check(world);
    for (uint32_t i = 0; i < world->instance_count && !world->failed; i++) {
        if (!world->replicas[i].up)
            continue;
        const struct giro_node *node = sim_node_of(&world->replicas[i])->node;
        const uint64_t log_bytes = giro_node_log_bytes(node);
        if (log_bytes > world->nodes->log_bytes_max)
            world->nodes->log_bytes_max = log_bytes;
        if (log_bytes > SOAK_LOG_BYTES_MAX)
            sim_fail(world, "I9: the log of replica %u has %lu bytes", i, (unsigned long)log_bytes);
    }
}

void sim_soak(struct sim_world *world)
{
    const uint64_t seconds = world->options.seconds > 0 ? world->options.seconds : 3600;
    const uint64_t end_ns = seconds * GIRO_NS_PER_S;
    const uint64_t gap_ns = end_ns / (SIM_GROUPS_MAX * 3 / 4);
    world->options.faults_all = true;
    world->options.faults &= SIM_FAULTS_HONEST & ~SIM_FAULT_BIT(SIM_FAULT_SHORT_TIMER);
    world->nodes->dues = true;
    world->nodes->image_every = SOAK_IMAGE_EVERY;
    sim_faults_plan(world, end_ns, 40 * GIRO_NS_PER_S);
    sim_start_all(world);
    sim_load_until(world, gap_ns > 2 * GIRO_NS_PER_S ? gap_ns : 2 * GIRO_NS_PER_S, end_ns);
    while (world->now_ns < end_ns && !world->failed) {
        sim_run(world, world->now_ns + 60 * GIRO_NS_PER_S, NULL);
        soak_check(world);
    }
    sim_settle_down(world, 90 * GIRO_NS_PER_S);
    soak_check(world);
    if (!world->failed && world->nodes->image_starts == 0)
        sim_fail(world, "nobody ever started from an image");
    sim_trace(world, "soak: log bytes at most", world->nodes->log_bytes_max, 0, 0);
}

/* Name, function, worlds, replicas. The numbers are those of consensus.md section 10. */
const struct sim_scenario sim_scenarios[] = {
    {"lone_frame_then_quiet", sim_lone_frame_then_quiet, 1, 4},         /* 1 */
    {"kill_one_at_every_write", sim_kill_one_at_every_write, 40, 4},    /* 2 */
    {"power_loss_of_all", sim_power_loss_of_all, 4, 4},                 /* 3 */
    {"kill_all_at_every_write", sim_kill_all_at_every_write, 80, 4},    /* 4 */
    {"safety_file_deleted", sim_safety_file_deleted, 1, 4},             /* 5 */
    {"safety_file_rolled_back", sim_safety_file_rolled_back, 1, 4},     /* 5 */
    {"safety_file_cloned", sim_safety_file_cloned, 1, 4},               /* 5 */
    {"hello_lies", sim_hello_lies, 8, 4},                               /* 5 */
    {"rolled_back_beside_a_liar", sim_rolled_back_beside_a_liar, 8, 7}, /* 5 */
    {"partition_minority", sim_partition_minority, 1, 7},               /* 6 */
    {"partition_asymmetric", sim_partition_asymmetric, 8, 4},           /* 6 */
    {"partition_flapping", sim_partition_flapping, 2, 7},               /* 6 */
    {"messages_mangled", sim_messages_mangled, 2, 4},                   /* 7 */
    {"equivocating_leader", sim_equivocating_leader, 8, 4},             /* 8 */
    {"votes_withheld", sim_votes_withheld, 1, 4},                       /* 9 */
    {"votes_late", sim_votes_late, 1, 4},                               /* 9 */
    {"votes_one_sided", sim_votes_one_sided, 1, 4},                     /* 9 */
    {"slow_leader", sim_slow_leader, 1, 4},                             /* 9 */
    {"votes_withheld_rate", sim_votes_withheld_rate, 1, 4},             /* 9 */
    {"votes_withheld_rate_of_many", sim_votes_withheld_rate, 1, 19},    /* 9 */
    {"two_leaders_dead", sim_two_leaders_dead, 2, 19},                  /* 9 */
    {"invalid_certificates", sim_invalid_certificates, 1, 4},           /* 10 */
    {"timers_below_round_trip", sim_timers_below_round_trip, 2, 4},     /* 11 */
    {"quorum_needs_slow", sim_quorum_needs_slow, 3, 4},                 /* 6, 11 */
    {"clocks_skewed", sim_clocks_skewed, 1, 4},                         /* 12 */
    {"clock_stepped", sim_clock_stepped, 1, 4},                         /* 12 */
    {"clock_frozen", sim_clock_frozen, 1, 4},                           /* 12 */
    {"leader_backdates", sim_leader_backdates, 1, 4},                   /* 12 */
    {"slow_disk_on_one", sim_slow_disk_on_one, 1, 4},                   /* 13 */
    {"slow_disk_on_many", sim_slow_disk_on_many, 1, 4},                 /* 13 */
    {"disk_full", sim_disk_full, 1, 4},                                 /* 14 */
    {"write_errors", sim_write_errors, 4, 4},                           /* 14 */
    {"bad_batch_author", sim_bad_batch_author, 4, 4},                   /* 15 */
    {"sync_info_lies", sim_sync_info_lies, 2, 4},
    {"replica_away", sim_replica_away, 1, 4},
    {"soak", sim_soak, 1, 4}, /* 20 */
};
const uint32_t sim_scenario_count = sizeof(sim_scenarios) / sizeof(sim_scenarios[0]);
