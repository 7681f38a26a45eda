/* bench_hub: payments certified by a hub of four replicas on this machine, end to end from a pre-signed load, with 1, 8 and 20
 * payments in a frame: the rate when the load sends as fast as it is answered; latency, and the legs of a frame's way, at half
 * that rate; CPU per payment of a replica, by stage, and of the load. Then, in turn with it, with a thread in each replica that
 * checks signatures. Each repeat has a hub of its own. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "perf/bench.h"
#include "perf/local_hub.h"

#define REPEATS_MAX 3u

enum metric {
    RATE,
    FULL_P50,
    HALF_CERTIFIED_P50,
    HALF_CERTIFIED_P99,
    HALF_DURABLE_P50,
    HALF_DURABLE_P99,
    REPLICA_CPU,
    LOAD_CPU,
    LOG_BYTES,
    RESENT,
    STAGE_FIRST,
    SHARE_FIRST = STAGE_FIRST + GIRO_STAGE_COUNT,
    LEG_FIRST = SHARE_FIRST + GIRO_STAGE_COUNT,
    METRIC_COUNT = LEG_FIRST + 5,
};
struct describe {
    const char *name, *unit;
};
static const struct describe described[METRIC_COUNT] = {
    [RATE] = {"payments certified", "1/s"},
    [FULL_P50] = {"certified p50, full load", "ms"},
    [HALF_CERTIFIED_P50] = {"certified p50, half load", "ms"},
    [HALF_CERTIFIED_P99] = {"certified p99, half load", "ms"},
    [HALF_DURABLE_P50] = {"durable p50, half load", "ms"},
    [HALF_DURABLE_P99] = {"durable p99, half load", "ms"},
    [REPLICA_CPU] = {"CPU of a replica", "us/payment"},
    [LOAD_CPU] = {"CPU of the load", "us/payment"},
    [LOG_BYTES] = {"block log of a replica", "bytes/payment"},
    [RESENT] = {"frames resent", "per 1000"},
#define STAGE_DESCRIBE(name, what)                                                                 \
    [STAGE_FIRST + GIRO_STAGE_##name] = {"stage " #name, "us/payment"},                            \
                   [SHARE_FIRST + GIRO_STAGE_##name] = {"share " #name, "%"},
    GIRO_STAGES(STAGE_DESCRIBE)
#undef STAGE_DESCRIBE
        [LEG_FIRST + 0] = {"leg batch, half load", "ms"},
    [LEG_FIRST + 1] = {"leg durable, half load", "ms"},
    [LEG_FIRST + 2] = {"leg propose, half load", "ms"},
    [LEG_FIRST + 3] = {"leg commit, half load", "ms"},
    [LEG_FIRST + 4] = {"leg certify, half load", "ms"},
};

/* What is said of a hub with threads that verify, against one without. Stages are of the hub's thread alone. */
static const enum metric compared[] = {RATE, HALF_CERTIFIED_P50, HALF_CERTIFIED_P99, REPLICA_CPU};

struct size {
    uint32_t records, outstanding;
    uint64_t payments, smoke_payments;
    bool compare;
};
/* Outstanding: as many frames as saturate the hub. */
static const struct size sizes[] = {
    {1, 4000, 80000, 300, true}, {8, 2000, 320000, 800, false}, {20, 1000, 800000, 2000, true}};

struct load {
    uint64_t payments, rate, certified_p50_us, certified_p99_us, durable_p50_us, durable_p99_us,
        sent, resent, cpu_us;
};

static uint64_t integer(const json_t *json, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(json, name));
}

static void presign(struct local_hub *hub, const char *name, uint32_t records, uint64_t payments)
{
    char count[32], in_frame[16];
    snprintf(count, sizeof(count), "%lu", (unsigned long)payments);
    snprintf(in_frame, sizeof(in_frame), "%u", records);
    /* a seed per spool: the same payment twice would be rejected as a duplicate */
    local_hub_run(hub, NULL,
                  (const char *[]){"load", "--genesis", local_hub_path(hub, "genesis.json"),
                                   "--keys", local_hub_path(hub, "keys"), "--presign",
                                   local_hub_path(hub, name), "--payments", count, "--records",
                                   in_frame, "--seed", name[0] == 'f' ? "7" : "8", "--quiet",
                                   NULL});
}

static void stream(struct local_hub *hub, const char *name, const struct size *size, uint64_t rate,
                   struct load *load)
{
    char outstanding[16], per_second[32], in_frame[16], spool[3400], report[3400];
    snprintf(spool, sizeof(spool), "%s", local_hub_path(hub, name));
    snprintf(report, sizeof(report), "%s", local_hub_path(hub, "load.json"));
    snprintf(outstanding, sizeof(outstanding), "%u", size->outstanding);
    snprintf(per_second, sizeof(per_second), "%lu", (unsigned long)rate);
    snprintf(in_frame, sizeof(in_frame), "%u", size->records);
    local_hub_run(hub, &load->cpu_us,
                  (const char *[]){"load", "--genesis", local_hub_path(hub, "genesis.json"),
                                   "--keys", local_hub_path(hub, "keys"), "--spool", spool, "--hub",
                                   hub->addresses, "--json", report, "--records", in_frame,
                                   "--outstanding", outstanding, "--quiet",
                                   rate == 0 ? NULL : "--rate", per_second, NULL});
    json_t *json = json_load_file(report, 0, NULL);
    giro_bench_must(json != NULL, "the load's report cannot be read");
    load->payments = integer(json, "payments_certified");
    load->rate = integer(json, "payments_per_second");
    load->certified_p50_us = integer(json, "certified_p50_us");
    load->certified_p99_us = integer(json, "certified_p99_us");
    load->durable_p50_us = integer(json, "durable_p50_us");
    load->durable_p99_us = integer(json, "durable_p99_us");
    load->sent = integer(json, "frames_sent");
    load->resent = integer(json, "frames_resent");
    json_decref(json);
    giro_bench_must(load->payments > 0 && load->sent > 0, "no payment was certified");
}

static void views(struct local_hub *hub, struct replica_view *of)
{
    for (uint32_t i = 0; i < HUB_REPLICAS; i++)
        local_hub_view(hub, i, &of[i]);
}

/* CPU of the average replica, in all and by stage. Sleep is no CPU: shares are of the time awake. */
static void cpu_of(const struct replica_view *before, const struct replica_view *after,
                   const struct load *load, double values[METRIC_COUNT])
{
    double cpu_us = 0, log_bytes = 0, awake_ns = 0, stages_ns[GIRO_STAGE_COUNT] = {0};
    for (uint32_t i = 0; i < HUB_REPLICAS; i++) {
        cpu_us += (double)(after[i].cpu_us - before[i].cpu_us) / HUB_REPLICAS;
        log_bytes += (double)(after[i].log_bytes - before[i].log_bytes) / HUB_REPLICAS;
        for (uint32_t s = 0; s < GIRO_STAGE_COUNT; s++)
            stages_ns[s] += (double)(after[i].stages_ns[s] - before[i].stages_ns[s]);
    }
    for (uint32_t s = 0; s < GIRO_STAGE_COUNT; s++)
        awake_ns += s == GIRO_STAGE_sleep ? 0 : stages_ns[s];
    double payments = (double)load->payments;
    values[REPLICA_CPU] = cpu_us / payments;
    values[LOAD_CPU] = (double)load->cpu_us / payments;
    values[LOG_BYTES] = log_bytes / payments;
    values[RESENT] = 1000.0 * (double)load->resent / (double)load->sent;
    for (uint32_t s = 0; s < GIRO_STAGE_COUNT && awake_ns > 0; s++) {
        double share = s == GIRO_STAGE_sleep ? 0 : stages_ns[s] / awake_ns;
        values[SHARE_FIRST + s] = 100.0 * share;
        values[STAGE_FIRST + s] = share * values[REPLICA_CPU];
    }
}

static void legs_of(const struct replica_view *before, const struct replica_view *after,
                    double values[METRIC_COUNT])
{
    double frames = 0, legs_ns[5] = {0};
    for (uint32_t i = 0; i < HUB_REPLICAS; i++) {
        uint32_t leg = 0;
        frames += (double)(after[i].legs.frames - before[i].legs.frames);
#define LEG_SUM(name, what)                                                                        \
    legs_ns[leg++] += (double)(after[i].legs.name##_ns - before[i].legs.name##_ns);
        GIRO_LEGS(LEG_SUM)
#undef LEG_SUM
    }
    for (uint32_t leg = 0; leg < 5 && frames > 0; leg++)
        values[LEG_FIRST + leg] = legs_ns[leg] / frames / 1e6;
}

struct run {
    struct giro_bench *bench;
    uint32_t base_port, repeats;
};

static void measure(const struct run *run, const struct size *size, uint32_t verify_threads,
                    double values[METRIC_COUNT])
{
    static struct local_hub hub;
    struct replica_view before[HUB_REPLICAS], between[HUB_REPLICAS], after[HUB_REPLICAS];
    struct load full, half;
    uint64_t payments = run->bench->smoke ? size->smoke_payments : size->payments;
    local_hub_start(&hub, run->base_port, verify_threads);
    presign(&hub, "full.spool", size->records, payments);
    presign(&hub, "half.spool", size->records, payments / 2);
    views(&hub, before);
    stream(&hub, "full.spool", size, 0, &full);
    views(&hub, between);
    stream(&hub, "half.spool", size, full.rate / 2 + 1, &half);
    views(&hub, after);
    local_hub_stop(&hub);
    values[RATE] = (double)full.rate;
    values[FULL_P50] = (double)full.certified_p50_us / 1e3;
    values[HALF_CERTIFIED_P50] = (double)half.certified_p50_us / 1e3;
    values[HALF_CERTIFIED_P99] = (double)half.certified_p99_us / 1e3;
    values[HALF_DURABLE_P50] = (double)half.durable_p50_us / 1e3;
    values[HALF_DURABLE_P99] = (double)half.durable_p99_us / 1e3;
    cpu_of(before, between, &full, values);
    legs_of(between, after, values);
}

static void row(const struct run *run, enum metric metric, const char *parameters, double *values,
                double *without)
{
    struct giro_bench_row one = {.metric = described[metric].name,
                                 .unit = described[metric].unit,
                                 .parameters = parameters,
                                 .median = giro_bench_quantile(values, run->repeats, 500),
                                 .p99 = giro_bench_quantile(values, run->repeats, 990)};
    if (without != NULL) {
        const double base = giro_bench_quantile(without, run->repeats, 500);
        one.against = "no thread for it";
        one.ratio = base > 0 ? one.median / base : 0;
    }
    giro_bench_row(run->bench, &one);
}

static void size_run(const struct run *run, const struct size *size)
{
    static double values[METRIC_COUNT][REPEATS_MAX], threaded[METRIC_COUNT][REPEATS_MAX];
    double once[METRIC_COUNT];
    char parameters[64], with_thread[96];
    snprintf(parameters, sizeof(parameters), "\"records\": %u, \"replicas\": 4", size->records);
    snprintf(with_thread, sizeof(with_thread), "%s, \"verify_threads\": 1", parameters);
    const bool compare = size->compare && giro_bench_wanted(run->bench, with_thread);
    const bool wanted = giro_bench_wanted(run->bench, parameters);
    for (uint32_t repeat = 0; repeat < run->repeats && (wanted || compare); repeat++) {
        measure(run, size, 0, once);
        for (uint32_t m = 0; m < METRIC_COUNT; m++)
            values[m][repeat] = once[m];
        if (compare)
            measure(run, size, 1, once);
        for (uint32_t m = 0; m < METRIC_COUNT && compare; m++)
            threaded[m][repeat] = once[m];
    }
    for (uint32_t m = 0; m < METRIC_COUNT && wanted; m++)
        if (m != STAGE_FIRST + GIRO_STAGE_sleep && m != SHARE_FIRST + GIRO_STAGE_sleep)
            row(run, m, parameters, values[m], NULL);
    for (uint32_t i = 0; i < sizeof(compared) / sizeof(compared[0]) && compare; i++)
        row(run, compared[i], with_thread, threaded[compared[i]], values[compared[i]]);
}

int main(int argc, char **argv)
{
    struct giro_bench bench;
    giro_bench_open(&bench, "hub",
                    "Streams pre-signed payments through four replicas on this machine.", argc,
                    argv);
    giro_bench_must(giro_crypto_init() == GIRO_ERR_OK, "libsodium cannot be used");
    const struct run run = {.bench = &bench,
                            .base_port = local_hub_isolate(),
                            .repeats = bench.smoke ? 1 : REPEATS_MAX};
    const uint32_t count = sizeof(sizes) / sizeof(sizes[0]);
    for (uint32_t i = bench.smoke ? count - 1 : 0; i < count; i++) /* smoke: one size is enough */
        size_run(&run, &sizes[i]);
    return giro_bench_close(&bench);
}
