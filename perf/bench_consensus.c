/* bench_consensus: ordering alone, in a group of processes (perf/group.h). Questions, as in the table printed:
 *   order   commands ordered per second, nothing stored: 20 in a frame with one answer per frame, and one per datagram
 *   blocks  blocks of one batch each per second, in memory and with every vote durable
 *   lone    one payment at a time, durable, until it is certified
 *   gap     the longest silence when the leader of the moment is killed
 *   size    ordering with 7, 16 and 31 replicas
 */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "perf/bench.h"
#include "perf/group.h"

#define MS             1000000ull
#define LAN_FLOOR_NS   (20 * MS)
#define FULL_MEASURE   (4 * GIRO_NS_PER_S)
#define SMOKE_MEASURE  (150 * MS)
#define FULL_WARM      GIRO_NS_PER_S
#define SMOKE_WARM     (50 * MS)
#define PARAMETERS_MAX 160u

struct suite {
    struct giro_bench *bench;
    char folder[4096];
};

/* ---- Rows ---- */

static void row(struct suite *suite, const char *metric, const char *unit, const char *parameters,
                double median, double p99)
{
    const struct giro_bench_row one = {
        .metric = metric, .unit = unit, .parameters = parameters, .median = median, .p99 = p99};
    giro_bench_row(suite->bench, &one);
}

static double per_second(uint64_t count, const struct group_result *result)
{
    return (double)count * (double)GIRO_NS_PER_S / (double)result->elapsed_ns;
}

static void load_times(const struct suite *suite, struct group_load *load)
{
    load->warm_ns = suite->bench->smoke ? SMOKE_WARM : FULL_WARM;
    load->measure_ns = suite->bench->smoke ? SMOKE_MEASURE : FULL_MEASURE;
}

static int remove_visit(const char *path, const struct stat *status, int kind, struct FTW *at)
{
    (void)status;
    (void)kind;
    (void)at;
    return remove(path);
}

static void folder_make(const struct suite *suite)
{
    giro_bench_must(mkdir(suite->folder, 0700) == 0, "the folder for logs cannot be made");
}

static void folder_clear(const struct suite *suite)
{
    nftw(suite->folder, remove_visit, 16, FTW_DEPTH | FTW_PHYS);
}

static void run(struct suite *suite, const struct group_options *options, struct group_load *load,
                struct group_result *result)
{
    struct group group;
    load_times(suite, load);
    folder_make(suite);
    giro_group_start(&group, options);
    giro_group_load(&group, load, result);
    giro_group_stop(&group);
    folder_clear(suite);
    giro_bench_must(result->frames > 0, "nothing was ordered");
}

/* ---- (a), (e) Ordering ---- */

static void order(struct suite *suite, uint32_t replicas, uint32_t commands, uint32_t outstanding)
{
    const struct group_options options = {.replica_count = replicas,
                                          .round_floor_ns = LAN_FLOOR_NS};
    struct group_load load = {.commands = commands, .outstanding = outstanding};
    struct group_result result;
    char parameters[PARAMETERS_MAX];
    snprintf(parameters, sizeof(parameters),
             "\"replicas\": %u, \"commands\": %u, \"outstanding\": %u", replicas, commands,
             outstanding);
    if (!giro_bench_wanted(suite->bench, parameters))
        return;
    run(suite, &options, &load, &result);
    row(suite, "commands ordered", "1/s", parameters, per_second(result.commands, &result), 0);
    row(suite, "CPU of a replica per command", "ns", parameters, result.cpu_ns_per_command, 0);
    row(suite, "frame to certified", "us", parameters, result.p50_ns / 1000, result.p99_ns / 1000);
    row(suite, "blocks", "1/s", parameters, per_second(result.blocks, &result), 0);
}

/* ---- (b) Blocks of one batch ---- */

static void blocks(struct suite *suite, bool durable)
{
    const struct group_options options = {.replica_count = 4,
                                          .folder = durable ? suite->folder : NULL,
                                          .references_max = 1,
                                          .frames_per_batch_max = 1,
                                          .round_floor_ns = LAN_FLOOR_NS};
    struct group_load load = {.commands = 2, .outstanding = 8};
    struct group_result result;
    const char *parameters = durable ? "\"replicas\": 4, \"stored\": \"durable\""
                                     : "\"replicas\": 4, \"stored\": \"memory\"";
    if (!giro_bench_wanted(suite->bench, parameters))
        return;
    run(suite, &options, &load, &result);
    row(suite, "blocks of one batch", "1/s", parameters, per_second(result.references, &result), 0);
    row(suite, "CPU of all replicas per block", "us", parameters, result.cpu_ns_per_block / 1000,
        0);
    row(suite, "frame to certified", "us", parameters, result.p50_ns / 1000, result.p99_ns / 1000);
}

/* ---- (c) One at a time ---- */

static void lone(struct suite *suite)
{
    const struct group_options options = {
        .replica_count = 4, .folder = suite->folder, .round_floor_ns = LAN_FLOOR_NS};
    struct group_load load = {.commands = 2, .outstanding = 1, .replica_mask = 1};
    struct group_result result;
    const char *parameters = "\"replicas\": 4, \"outstanding\": 1, \"stored\": \"durable\"";
    if (!giro_bench_wanted(suite->bench, parameters))
        return;
    run(suite, &options, &load, &result);
    row(suite, "lone frame to certified", "us", parameters, result.p50_ns / 1000,
        result.p99_ns / 1000);
}

/* ---- (d) The leader dies ---- */

struct death {
    struct group *group;
    uint64_t at_ns; /* not before */
    bool done;
};

/* Kills the leader of the round that is under way, among those the client does not talk to. */
static void leader_kill(void *context, uint64_t now_ns)
{
    struct death *death = context;
    const uint32_t count = death->group->options.replica_count;
    if (death->done || now_ns < death->at_ns)
        return;
    const uint32_t leader = (uint32_t)((death->group->views[0].round + 1) % count);
    giro_group_kill(death->group, leader == 0 ? count - 1 : leader);
    death->done = true;
}

static void gap(struct suite *suite)
{
    const uint32_t repeats = suite->bench->smoke ? 1 : 5;
    const char *parameters = "\"replicas\": 4, \"leader\": \"killed\"";
    double gaps[8];
    if (!giro_bench_wanted(suite->bench, parameters))
        return;
    for (uint32_t i = 0; i < repeats; i++) {
        struct group group;
        const struct group_options options = {
            .replica_count = 4, .folder = suite->folder, .round_floor_ns = LAN_FLOOR_NS};
        struct group_load load = {.commands = 20, .outstanding = 16, .replica_mask = 1};
        struct group_result result;
        load_times(suite, &load);
        folder_make(suite);
        load.measure_ns = suite->bench->smoke ? GIRO_NS_PER_S : 2 * GIRO_NS_PER_S;
        giro_group_start(&group, &options);
        struct death death = {.group = &group,
                              .at_ns = giro_bench_now_ns() + load.warm_ns + load.measure_ns / 2};
        load.tick = leader_kill;
        load.context = &death;
        giro_group_load(&group, &load, &result);
        giro_group_stop(&group);
        folder_clear(suite);
        giro_bench_must(death.done, "no leader was killed");
        gaps[i] = (double)result.gap_ns / (double)MS;
    }
    row(suite, "gap when the leader is killed", "ms", parameters,
        giro_bench_quantile(gaps, repeats, 500), giro_bench_quantile(gaps, repeats, 990));
}

int main(int argc, char **argv)
{
    struct giro_bench bench;
    giro_bench_open(&bench, "consensus", "Ordering alone: rate, latency, CPU, and a leader's death",
                    argc, argv);
    giro_bench_must(giro_crypto_init() == GIRO_ERR_OK, "cryptography does not start");
    struct suite suite = {.bench = &bench};
    /* Beside the program, so that it is the disk of the build. */
    ssize_t length = readlink("/proc/self/exe", suite.folder, sizeof(suite.folder) - 32);
    giro_bench_must(length > 0, "the program's path cannot be read");
    snprintf(suite.folder + length, 32, ".%d", (int)getpid());
    order(&suite, 4, 20, 4000);
    order(&suite, 4, 1, 8000);
    blocks(&suite, false);
    blocks(&suite, true);
    lone(&suite);
    gap(&suite);
    order(&suite, 7, 20, 2000);
    if (!bench.smoke) {
        order(&suite, 16, 20, 500);
        order(&suite, 31, 20, 200);
    }
    return giro_bench_close(&bench);
}
