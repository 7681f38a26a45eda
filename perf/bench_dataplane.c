/* bench_dataplane: the packet path of one hub, alone on a core, against one sender on the other: datagrams and payments a second
 * received, opened, taken and acknowledged, then hashed, then verified, with 1, 8, 20 and 138 payments in a frame, over af_packet
 * on a veth pair and over kernel UDP, from a plain and a GSO sender, beside a bare UDP echo of the same sizes. Cycles by stage,
 * latency at 10, 50 and 90 % load, what threads that verify change, honest throughput under a flood, memory of sessions, and what an idle hub costs. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "perf/bench.h"
#include "perf/local_hub.h"
#include "perf/packet_path.h"

#define REPEATS_MAX 5u
#define IDLE_S      5

struct size {
    uint32_t records, count;
};
static const struct size sizes[] = {{1, 32768}, {8, 32768}, {20, 32768}, {138, 8192}};
static const char *const depths[] = {"packet path", "hashed", "verified"};
static const char *const stages[PATH_STAGES] = {"receive", "open (AEAD)", "decode, take",
                                                "hash",    "verify",      "acknowledge"};
static const char *const garbages[] = {"none",       "random",  "no session",
                                       "forged tag", "spoofed", "INITs"};

struct run {
    struct giro_bench *bench;
    const struct path_pool *pool;
    uint64_t duration_ns;
    uint32_t repeats;
    bool veth;
    double echo[2];     /* plain, GSO; 0: not measured yet */
    double capacity[2]; /* udp, af_packet: frames verified a second */
};

/* ---- A veth pair ---------------------------------------------------------------------------------------------------------- */

static bool tool(const char *const *arguments)
{
    pid_t pid = fork();
    if (pid == 0) {
        (void)!freopen("/dev/null", "w", stderr);
        (void)!freopen("/dev/null", "w", stdout);
        execvp(arguments[0], (char *const *)(uintptr_t)arguments); /* it changes nothing */
        _exit(127);
    }
    int status = 0;
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

#define TOOL(...) tool((const char *const[]){__VA_ARGS__, NULL})

/* In the namespace that the benchmark is in; false: not allowed, or a tool is missing. */
static bool veth_make(void)
{
    return TOOL("ip", "link", "add", "giro0", "type", "veth", "peer", "name", "member0") &&
           TOOL("ethtool", "-K", "member0", "tx-checksumming", "off", "tx-udp-segmentation",
                "off") &&
           TOOL("ip", "link", "set", "giro0", "mtu", "9216") &&
           TOOL("ip", "link", "set", "member0", "mtu", "9216", "up") &&
           TOOL("ip", "address", "add", "10.77.0.2/24", "dev", "member0") &&
           TOOL("ip", "address", "add", "10.77.0.3/24", "dev", "member0");
}

/* ---- Rows ----------------------------------------------------------------------------------------------------------------- */

static void row(const struct run *run, const char *metric, const char *unit, const char *parameters,
                double *values, uint32_t count)
{
    struct giro_bench_row one = {.metric = metric,
                                 .unit = unit,
                                 .parameters = parameters,
                                 .median = giro_bench_quantile(values, count, 500),
                                 .p99 = giro_bench_quantile(values, count, 990)};
    giro_bench_row(run->bench, &one);
}

static void row_against(const struct run *run, const char *metric, const char *unit,
                        const char *parameters, double *values, uint32_t count, const char *against,
                        double base)
{
    struct giro_bench_row one = {.metric = metric,
                                 .unit = unit,
                                 .parameters = parameters,
                                 .median = giro_bench_quantile(values, count, 500),
                                 .p99 = giro_bench_quantile(values, count, 990),
                                 .against = against};
    one.ratio = base > 0 ? one.median / base : 0;
    giro_bench_row(run->bench, &one);
}

static double rate_of(const struct path_result *result, uint64_t count)
{
    return (double)count * 1e9 / (double)result->hub_ns;
}

/* One run; its samples are freed. */
static void measure(const struct path_options *options, struct path_result *result)
{
    giro_bench_must(path_run(options, result), "the port cannot be opened");
    free(result->samples_us);
    result->samples_us = NULL;
}

/* ---- Throughput ----------------------------------------------------------------------------------------------------------- */

/* Of this frame size and sender; measured when the first row wants it. */
static double echo_rate(struct run *run, bool gso)
{
    const char *sender = gso ? "GSO" : "plain";
    if (run->echo[gso] > 0)
        return run->echo[gso];
    char parameters[128];
    double rates[REPEATS_MAX];
    snprintf(parameters, sizeof(parameters),
             "\"records\": %u, \"port\": \"udp\", \"sender\": \"%s\"", run->pool->records, sender);
    for (uint32_t i = 0; i < run->repeats; i++) {
        struct path_result result;
        measure(
            &(struct path_options){
                .pool = run->pool, .echo = true, .gso = gso, .duration_ns = run->duration_ns},
            &result);
        rates[i] = rate_of(&result, result.datagrams);
    }
    row(run, "bare UDP echo", "datagrams/s", parameters, rates, run->repeats);
    run->echo[gso] = giro_bench_quantile(rates, run->repeats, 500);
    return run->echo[gso];
}

static void cycles_rows(const struct run *run, const char *parameters,
                        const struct path_result *results)
{
    for (uint32_t stage = 0; stage < PATH_STAGES; stage++) {
        double cycles[REPEATS_MAX];
        char metric[64];
        for (uint32_t i = 0; i < run->repeats; i++)
            cycles[i] = results[i].datagrams == 0
                            ? 0
                            : (double)results[i].cycles[stage] / (double)results[i].datagrams;
        snprintf(metric, sizeof(metric), "stage %s", stages[stage]);
        row(run, metric, "cycles/frame", parameters, cycles, run->repeats);
    }
}

static void throughput(struct run *run, bool af_packet, bool gso, enum path_depth depth)
{
    char parameters[160];
    struct path_result results[REPEATS_MAX];
    double frames[REPEATS_MAX], payments[REPEATS_MAX], lost[REPEATS_MAX], busy[REPEATS_MAX],
        chunk[REPEATS_MAX], per_cpu[REPEATS_MAX];
    snprintf(parameters, sizeof(parameters),
             "\"records\": %u, \"port\": \"%s\", \"sender\": \"%s\", \"work\": \"%s\"",
             run->pool->records, af_packet ? "af_packet" : "udp", gso ? "GSO" : "plain",
             depths[depth]);
    if (!giro_bench_wanted(run->bench, parameters))
        return;
    for (uint32_t i = 0; i < run->repeats; i++) {
        measure(&(struct path_options){.pool = run->pool,
                                       .af_packet = af_packet,
                                       .gso = gso,
                                       .depth = depth,
                                       .duration_ns = run->duration_ns},
                &results[i]);
        frames[i] = rate_of(&results[i], results[i].datagrams);
        payments[i] = frames[i] * run->pool->records;
        per_cpu[i] = (double)results[i].datagrams * run->pool->records * 1e9 /
                     (double)(results[i].hub_cpu_ns + 1);
        lost[i] =
            (double)results[i].lost * 1000.0 / (double)(results[i].datagrams + results[i].lost + 1);
        chunk[i] = results[i].calls == 0 ? 0 : (double)results[i].frames / (double)results[i].calls;
        busy[i] = (double)results[i].hub_cpu_ns * 100.0 / (double)results[i].hub_ns;
    }
    row_against(run, "frames", "1/s", parameters, frames, run->repeats, "bare UDP echo",
                echo_rate(run, gso));
    row(run, "payments", "1/s", parameters, payments, run->repeats);
    row(run, "payments per CPU second of the hub", "1/s", parameters, per_cpu, run->repeats);
    row(run, "CPU of the hub's thread", "%", parameters, busy, run->repeats);
    row(run, "datagrams lost", "per 1000", parameters, lost, run->repeats);
    row(run, "frames hashed and verified together", "", parameters, chunk, run->repeats);
}

/* Signatures checked by threads, in turn with the hub's own thread checking them. */
static void threaded(const struct run *run, bool af_packet, uint32_t threads)
{
    enum { OWN, THREADS, WAYS };
    char parameters[160];
    double frames[WAYS][REPEATS_MAX], per_cpu[WAYS][REPEATS_MAX];
    snprintf(parameters, sizeof(parameters),
             "\"records\": %u, \"port\": \"%s\", \"work\": \"%s\", \"verify_threads\": %u",
             run->pool->records, af_packet ? "af_packet" : "udp", depths[PATH_VERIFIED], threads);
    if (!giro_bench_wanted(run->bench, parameters))
        return;
    for (uint32_t i = 0; i < run->repeats * WAYS; i++) {
        const uint32_t way = i % WAYS;
        struct path_result result;
        measure(&(struct path_options){.pool = run->pool,
                                       .af_packet = af_packet,
                                       .depth = PATH_VERIFIED,
                                       .verify_threads = way == THREADS ? threads : 0,
                                       .duration_ns = run->duration_ns},
                &result);
        giro_bench_must(result.frames > 0, "no frame was verified");
        frames[way][i / WAYS] = rate_of(&result, result.frames);
        per_cpu[way][i / WAYS] = (double)result.frames * 1e9 / (double)(result.hub_cpu_ns + 1);
    }
    row_against(run, "frames", "1/s", parameters, frames[THREADS], run->repeats, "no thread for it",
                giro_bench_quantile(frames[OWN], run->repeats, 500));
    row_against(run, "frames per CPU second of the hub", "1/s", parameters, per_cpu[THREADS],
                run->repeats, "no thread for it",
                giro_bench_quantile(per_cpu[OWN], run->repeats, 500));
}

/* The record layer alone, so that opening and taking can be told apart. */
static void cycles(const struct run *run, bool af_packet, bool gso)
{
    char parameters[160];
    struct path_result results[REPEATS_MAX];
    snprintf(parameters, sizeof(parameters),
             "\"records\": %u, \"port\": \"%s\", \"sender\": \"%s\"", run->pool->records,
             af_packet ? "af_packet" : "udp", gso ? "GSO" : "plain");
    if (!giro_bench_wanted(run->bench, parameters))
        return;
    for (uint32_t i = 0; i < run->repeats; i++)
        measure(&(struct path_options){.pool = run->pool,
                                       .af_packet = af_packet,
                                       .gso = gso,
                                       .bare_records = true,
                                       .depth = PATH_VERIFIED,
                                       .duration_ns = run->duration_ns},
                &results[i]);
    cycles_rows(run, parameters, results);
}

/* ---- Latency and flood ------------------------------------------------------------------------------------------------------ */

static double capacity(struct run *run, bool af_packet)
{
    struct path_result result;
    if (run->capacity[af_packet] > 0)
        return run->capacity[af_packet];
    measure(&(struct path_options){.pool = run->pool,
                                   .af_packet = af_packet,
                                   .depth = PATH_VERIFIED,
                                   .duration_ns = run->duration_ns},
            &result);
    run->capacity[af_packet] = rate_of(&result, result.datagrams);
    return run->capacity[af_packet];
}

static void latency(struct run *run, bool af_packet)
{
    static const uint32_t loads[] = {10, 50, 90};
    for (uint32_t i = 0; i < (run->bench->smoke ? 1 : 3); i++) {
        char parameters[160];
        struct path_result result;
        snprintf(parameters, sizeof(parameters), "\"records\": %u, \"port\": \"%s\", \"load\": %u",
                 run->pool->records, af_packet ? "af_packet" : "udp", loads[i]);
        if (!giro_bench_wanted(run->bench, parameters))
            continue;
        double offered = capacity(run, af_packet) * loads[i] / 100.0;
        giro_bench_must(path_run(&(struct path_options){.pool = run->pool,
                                                        .af_packet = af_packet,
                                                        .depth = PATH_VERIFIED,
                                                        .rate = offered,
                                                        .duration_ns = run->duration_ns},
                                 &result),
                        "the port cannot be opened");
        double got = rate_of(&result, result.datagrams);
        row(run, "load reached", "frames/s", parameters, &got, 1);
        giro_bench_must(run->bench->smoke || got > offered / 2, "that load cannot be sent here");
        row(run, "sent to verified", "us", parameters, result.samples_us, result.sample_count);
        double busy = (double)result.hub_cpu_ns * 100.0 / (double)result.hub_ns;
        row(run, "CPU of the hub's thread", "%", parameters, &busy, 1);
        free(result.samples_us);
    }
}

/* Honest frames as fast as the hub verifies them, then with as many datagrams of garbage among them. From a GSO sender: a plain one
 * cannot give so many on one core, and its limit would be measured, not the hub's. */
static void flood(struct run *run, bool af_packet, enum path_garbage garbage, bool strict)
{
    char parameters[160];
    struct path_result quiet, loud;
    snprintf(parameters, sizeof(parameters),
             "\"records\": %u, \"port\": \"%s\", \"sender\": \"GSO\", \"garbage\": \"%s\", "
             "\"allow-list\": %s",
             run->pool->records, af_packet ? "af_packet" : "udp", garbages[garbage],
             strict ? "true" : "false");
    if (!giro_bench_wanted(run->bench, parameters))
        return;
    struct path_options options = {.pool = run->pool,
                                   .af_packet = af_packet,
                                   .gso = true,
                                   .depth = PATH_VERIFIED,
                                   .strict = strict,
                                   .duration_ns = run->duration_ns};
    double honest[REPEATS_MAX], share[REPEATS_MAX], refused[REPEATS_MAX], cost[REPEATS_MAX];
    for (uint32_t i = 0; i < run->repeats; i++) { /* in turn: the machine changes under both */
        options.garbage = PATH_NO_GARBAGE;
        options.garbage_each = 0;
        measure(&options, &quiet);
        options.garbage = garbage;
        options.garbage_each = 1;
        measure(&options, &loud);
        honest[i] = rate_of(&loud, loud.datagrams);
        share[i] = honest[i] * 100.0 / (rate_of(&quiet, quiet.datagrams) + 1);
        refused[i] = rate_of(&loud, loud.garbage);
        cost[i] = loud.garbage == 0 ? 0 : (double)loud.garbage_cycles / (double)loud.garbage;
    }
    row(run, "honest frames", "1/s", parameters, honest, run->repeats);
    row(run, "honest, of those without a flood", "%", parameters, share, run->repeats);
    row(run, "garbage refused", "1/s", parameters, refused, run->repeats);
    row(run, "refusing, receive apart", "cycles", parameters, cost, run->repeats);
}

/* ---- Memory ----------------------------------------------------------------------------------------------------------------- */

static void nothing_random(void *bytes, size_t size_bytes)
{
    memset(bytes, 1, size_bytes);
}

static void nothing_sent(void *context, const struct giro_endpoint *to, const void *bytes,
                         uint32_t size_bytes)
{
    (void)context;
    (void)to;
    (void)bytes;
    (void)size_bytes;
}

static void nothing_asked(void *context, const struct giro_endpoint *from, uint16_t member,
                          const struct giro_session_ask *ask)
{
    (void)context;
    (void)from;
    (void)member;
    (void)ask;
}

/* All places of the table taken: it is sized at start. */
static void memory(const struct run *run)
{
    struct giro_genesis genesis = {.member_count = 1000};
    struct giro_session_key_pair self = {.secret = {1}};
    struct giro_ingress_options ingress_options = {.genesis = &genesis, .frames_max = 64};
    size_t ingress_bytes = giro_ingress_footprint(&ingress_options);
    struct giro_sessions_options options = {
        .genesis = &genesis,
        .ingress =
            giro_ingress_init(giro_bench_pages(ingress_bytes), ingress_bytes, &ingress_options),
        .self = &self,
        .datagram_max = 1472,
        .handshakes_per_second = 500,
        .handshakes_per_address = 50,
        .random = nothing_random,
        .send = nothing_sent,
        .ask = nothing_asked};
    double mib = (double)giro_sessions_footprint(&options) / 1048576.0;
    giro_bench_must(mib > 0, "the options of sessions");
    row(run, "memory of the sessions' table", "MiB", "\"members\": 1000", &mib, 1);
}

/* ---- Idle ----------------------------------------------------------------------------------------------------------------- */

static void idle(const struct run *run, uint32_t base_port)
{
    static struct local_hub hub;
    struct replica_view before[HUB_REPLICAS], after[HUB_REPLICAS];
    double busy[HUB_REPLICAS];
    struct timespec wait = {.tv_sec = run->bench->smoke ? 1 : IDLE_S};
    local_hub_start(&hub, base_port, 0);
    for (uint32_t i = 0; i < HUB_REPLICAS; i++)
        local_hub_view(&hub, i, &before[i]);
    uint64_t since_ns = giro_bench_now_ns();
    nanosleep(&wait, NULL);
    uint64_t passed_ns = giro_bench_now_ns() - since_ns;
    for (uint32_t i = 0; i < HUB_REPLICAS; i++) {
        local_hub_view(&hub, i, &after[i]);
        busy[i] = (double)(after[i].cpu_us - before[i].cpu_us) * 1e5 / (double)passed_ns;
    }
    row(run, "CPU of an idle replica (girod)", "%", "\"replicas\": 4", busy, HUB_REPLICAS);
    local_hub_stop(&hub);
}

/* ---- All ------------------------------------------------------------------------------------------------------------------ */

static void all_of_size(struct run *run)
{
    const bool smoke = run->bench->smoke;
    const bool by_threads = run->pool->records == 1 || run->pool->records == 20;
    memset(run->echo, 0, sizeof(run->echo));
    for (int gso = 0; gso < (smoke ? 1 : 2); gso++)
        for (int port = run->veth ? 0 : 1; port < 2; port++) {
            for (int depth = smoke ? PATH_VERIFIED : PATH_PACKET; depth <= PATH_VERIFIED; depth++)
                throughput(run, port == 0, gso != 0, (enum path_depth)depth);
            cycles(run, port == 0, gso != 0);
        }
    for (int port = run->veth ? 0 : 1; port < 2 && by_threads; port++)
        for (uint32_t threads = 1; threads <= (smoke ? 1u : 2u); threads++)
            threaded(run, port == 0, threads);
    if (run->pool->records != 20)
        return;
    for (int port = run->veth ? 0 : 1; port < 2; port++) {
        latency(run, port == 0);
        for (int garbage = PATH_RANDOM; garbage <= (smoke ? PATH_RANDOM : PATH_INITS); garbage++)
            flood(run, port == 0, (enum path_garbage)garbage, false);
        flood(run, port == 0, PATH_RANDOM, true);
    }
}

/* Making a pool takes seconds: not for a size that no row will be of. */
static bool size_wanted(const struct giro_bench *bench, uint32_t records)
{
    char parameters[64];
    snprintf(parameters, sizeof(parameters), "\"records\": %u,", records);
    for (uint32_t i = 0; i < bench->only_count; i++)
        if ((strstr(bench->only[i], "records") != NULL &&
             strstr(parameters, bench->only[i]) == NULL) ||
            strstr(bench->only[i], "replicas") != NULL || strstr(bench->only[i], "members") != NULL)
            return false;
    return !bench->smoke || records == 20;
}

int main(int argc, char **argv)
{
    struct giro_bench bench;
    giro_bench_open(&bench, "dataplane",
                    "The packet path: datagrams received, opened, taken, hashed, verified and "
                    "acknowledged, with the sender on the other core.",
                    argc, argv);
    giro_bench_must(giro_crypto_init() == GIRO_ERR_OK, "libsodium cannot be used");
    uint32_t base_port = local_hub_isolate();
    struct run run = {.bench = &bench,
                      .duration_ns = bench.smoke ? 100000000u : 700000000u,
                      .repeats = bench.smoke ? 1 : 3,
                      .veth = veth_make()};
    if (!run.veth)
        printf("no veth pair can be made here: af_packet is left out\n");
    for (uint32_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        if (!size_wanted(&bench, sizes[i].records))
            continue;
        run.pool = path_pool_make(sizes[i].records, bench.smoke ? 2048 : sizes[i].count);
        all_of_size(&run);
    }
    if (giro_bench_wanted(&bench, "\"members\": 1000"))
        memory(&run);
    if (giro_bench_wanted(&bench, "\"replicas\": 4"))
        idle(&run, base_port);
    return giro_bench_close(&bench);
}
