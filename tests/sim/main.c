/* giro-sim: runs random histories of nodes, or named ones, and says which invariant broke. */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "sim/run.h"

#define FAILURES_SHOWN  5u
#define ED25519_ONE_IN  100u
#define PROGRESS_STEP_S 0.5

static const char help[] =
    "usage: giro-sim [OPTION...]\n"
    "Runs nodes (consensus core, safety module, block log), disks, network, clients and traitors "
    "in one process\n"
    "under virtual time and checks every invariant. `./dev sim --full` runs whole replicas with "
    "money instead.\n"
    "  --seeds N         histories to run (100)\n"
    "  --seed S          replay this one history, and write its trace; with --seeds: the first "
    "one\n"
    "  --replicas N      4..100 (by the seed: 4, 7 or 10)\n"
    "  --seconds V       at most that many virtual seconds of load and faults (by the seed)\n"
    "  --stop-after S    begin no other history after S seconds; the sums say how many there were\n"
    "  --load P          that many thousandths of the load\n"
    "  --images N        a checkpoint every N heights (by the seed: one history in sixteen makes "
    "them)\n"
    "  --no-faults       a network, disks and replicas that work\n"
    "  --only A,B        only these kinds of fault; `--only list` lists them\n"
    "  --without A,B     all kinds but these\n"
    "  --all-faults      every kind that is allowed, not the seed's choice\n"
    "  --twice           run every history twice and compare the traces\n"
    "  --ed25519         real signatures (one seed in 100 has them anyway)\n"
    "  --keyed           keyed hashes for every seed\n"
    "  --no-shrink       do not look for a shorter history that fails\n"
    "  --scenario NAME   a named history instead; `list` lists them\n"
    "  --trace FILE      where the trace goes\n"
    "exit codes: 0 all held, 1 a violation, 2 usage\n"
    "examples:\n"
    "  giro-sim --seeds 1000\n"
    "  giro-sim --seed 17\n"
    "  giro-sim --seeds 100 --only twins,partition,crash --all-faults --replicas 7\n";

static int usage(const char *fact, const char *argument)
{
    fprintf(stderr, "giro-sim: %s '%s'\n  hint: giro-sim --help\n", fact, argument);
    return 2;
}

/* ---- Sums ---------------------------------------------------------------------------------------------- */

static void print_faults(const struct sim_sums *sums)
{
    const char *comma = "faults:";
    for (uint32_t i = 0; i < SIM_FAULTS; i++) {
        if (sums->faults[i] == 0)
            continue;
        printf("%s %lu %s in %lu", comma, (unsigned long)sums->faults[i],
               sim_fault_text((enum sim_fault)i), (unsigned long)sums->with_fault[i]);
        comma = ",";
    }
    printf("%s\n", comma[0] == 'f' ? "no faults" : " histories");
}

static void print_sums(const struct sim_sums *sums, double wall_s)
{
    double virtual_h = (double)sums->virtual_ns / 3.6e12, cpu_s = (double)sim_cpu_ns() / 1e9;
    printf("%lu histories, %lu failed; %.2f simulated hours in %.1f s (%.1f s of one core): %.0f "
           "simulated hours "
           "per hour, %.1f ms a history\n",
           (unsigned long)sums->histories, (unsigned long)sums->failures, virtual_h, wall_s, cpu_s,
           virtual_h * 3600 / wall_s, cpu_s * 1000 / (double)sums->histories);
    printf("by replicas:");
    for (uint32_t n = 0; n <= SIM_REPLICAS_MAX; n++) {
        if (sums->of_size[n] > 0)
            printf(" n=%u %lu", n, (unsigned long)sums->of_size[n]);
    }
    printf("; with Ed25519: %lu\n", (unsigned long)sums->ed25519);
    printf("%lu frames, %lu blocks, %lu messages, %lu starts, %lu votes, %lu blocks judged, %lu "
           "logs read, %lu times "
           "evidence, %lu edges of states covered; %lu starts from images, %lu of them fetched\n",
           (unsigned long)sums->frames, (unsigned long)sums->blocks, (unsigned long)sums->messages,
           (unsigned long)sums->starts, (unsigned long)sums->votes, (unsigned long)sums->judged,
           (unsigned long)sums->scans, (unsigned long)sums->evidence,
           (unsigned long)sim_coverage_count(), (unsigned long)sums->image_starts,
           (unsigned long)sums->image_syncs);
    print_faults(sums);
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void progress(const struct sim_sums *sums, uint64_t total, double since_s, double *next_s)
{
    double at_s = now_s();
    if (at_s < *next_s)
        return;
    *next_s = at_s + PROGRESS_STEP_S;
    uint32_t full = (uint32_t)(30 * sums->histories / total);
    fprintf(stderr, "\r[%.*s%.*s] %lu of %lu histories, %lu failed, %.0f s ", (int)full,
            "##############################", (int)(30 - full), "..............................",
            (unsigned long)sums->histories, (unsigned long)total, (unsigned long)sums->failures,
            at_s - since_s);
}

/* ---- Running --------------------------------------------------------------------------------------------- */

static void failure_show(const struct sim_arguments *arguments, const struct sim_options *options,
                         const struct sim_result *result, bool ed25519)
{
    printf("seed %lu: FAILED at %.3f s: %s\n  again: ", (unsigned long)options->seed,
           (double)result->end_ns / 1e9, result->failure);
    sim_command(options, ed25519, arguments->scenario);
    if (arguments->shrink && arguments->scenario == NULL)
        sim_shrink(arguments, options, ed25519);
    fflush(stdout);
}

static void run_seed(const struct sim_arguments *arguments, const struct sim_scenario *scenario,
                     struct sim_options *options, struct sim_sums *sums)
{
    bool ed25519 = arguments->ed25519 ||
                   (!arguments->keyed && scenario == NULL && options->seed % ED25519_ONE_IN == 0);
    struct sim_result result = sim_run_one(options, ed25519, scenario, sums);
    if (arguments->one && scenario == NULL)
        printf("seed %lu: %s at %.3f s, trace %016lx\n", (unsigned long)options->seed,
               result.failed ? "FAILED" : "ok", (double)result.end_ns / 1e9,
               (unsigned long)result.trace_hash);
    if (result.failed && sums->failures <= FAILURES_SHOWN)
        failure_show(arguments, options, &result, ed25519);
    if (!arguments->twice)
        return;
    options->trace = NULL;
    if (sim_run_one(options, ed25519, scenario, NULL).trace_hash != result.trace_hash) {
        printf("seed %lu: the second run has another trace\n", (unsigned long)options->seed);
        sums->failures++;
    }
}

static void run_all(const struct sim_arguments *arguments, const struct sim_scenario *scenario,
                    FILE *trace, struct sim_sums *sums)
{
    uint64_t count = scenario != NULL ? scenario->repeats : arguments->seeds;
    double since_s = now_s(), next_s = since_s + PROGRESS_STEP_S;
    for (uint64_t i = 0; i < count; i++) {
        if (arguments->stop_after_s > 0 && now_s() - since_s > (double)arguments->stop_after_s)
            break;
        struct sim_options options;
        sim_options_default(arguments, arguments->seed + (scenario != NULL ? 0 : i), &options);
        options.repeat = (uint32_t)i;
        options.trace = trace;
        if (scenario != NULL && arguments->replicas == 0)
            options.replica_count = scenario->replicas;
        run_seed(arguments, scenario, &options, sums);
        if (arguments->progress)
            progress(sums, count, since_s, &next_s);
    }
    if (arguments->progress)
        fprintf(stderr, "\r%78s\r", "");
}

/* ---- Command line ------------------------------------------------------------------------------------------ */

static bool number(const char *text, uint64_t *value)
{
    char *end = NULL;
    errno = 0;
    *value = strtoull(text, &end, 10);
    return errno == 0 && end != text && *end == '\0';
}

/* The bits of a list of kinds; false for an unknown one. */
static bool kinds(const char *text, uint64_t *bits)
{
    *bits = 0;
    while (*text != '\0') {
        size_t length = strcspn(text, ",");
        uint32_t fault = 0;
        while (fault < SIM_FAULTS &&
               (strlen(sim_fault_option((enum sim_fault)fault)) != length ||
                strncmp(sim_fault_option((enum sim_fault)fault), text, length) != 0))
            fault++;
        if (fault == SIM_FAULTS)
            return false;
        *bits |= SIM_FAULT_BIT(fault);
        text += length + (text[length] == ',');
    }
    return true;
}

static int parse(int argc, char **argv, struct sim_arguments *arguments)
{
    const char *only = NULL, *without = NULL;
    bool no_faults = false, no_shrink = false, seed_given = false, seeds_given = false;
    struct {
        const char *name;
        uint64_t *value;
        const char **text;
        bool *flag;
    } options[] = {{"--seed", &arguments->seed, NULL, &seed_given},
                   {"--seeds", &arguments->seeds, NULL, &seeds_given},
                   {"--seconds", &arguments->seconds, NULL, NULL},
                   {"--replicas", &arguments->replicas, NULL, NULL},
                   {"--stop-after", &arguments->stop_after_s, NULL, NULL},
                   {"--load", &arguments->load_per_mille, NULL, NULL},
                   {"--images", &arguments->image_every, NULL, NULL},
                   {"--only", NULL, &only, NULL},
                   {"--without", NULL, &without, NULL},
                   {"--trace", NULL, &arguments->trace, NULL},
                   {"--scenario", NULL, &arguments->scenario, NULL},
                   {"--no-faults", NULL, NULL, &no_faults},
                   {"--all-faults", NULL, NULL, &arguments->faults_all},
                   {"--twice", NULL, NULL, &arguments->twice},
                   {"--ed25519", NULL, NULL, &arguments->ed25519},
                   {"--keyed", NULL, NULL, &arguments->keyed},
                   {"--no-shrink", NULL, NULL, &no_shrink}};
    for (int i = 1; i < argc; i++) {
        uint32_t k = 0;
        while (k < sizeof(options) / sizeof(options[0]) && strcmp(argv[i], options[k].name) != 0)
            k++;
        if (k == sizeof(options) / sizeof(options[0]))
            return usage("unknown option", argv[i]);
        if (options[k].flag != NULL)
            *options[k].flag = true;
        if (options[k].value == NULL && options[k].text == NULL)
            continue;
        if (++i == argc)
            return usage("a value is missing after", argv[i - 1]);
        if (options[k].text != NULL)
            *options[k].text = argv[i];
        else if (!number(argv[i], options[k].value))
            return usage("not a number:", argv[i]);
    }
    uint64_t bits = 0;
    if (only != NULL && !kinds(only, &arguments->faults))
        return usage("unknown kind of fault in", only);
    if (without != NULL && !kinds(without, &bits))
        return usage("unknown kind of fault in", without);
    arguments->faults &= no_faults ? 0 : ~bits;
    arguments->shrink = !no_shrink;
    arguments->one = seed_given && !seeds_given;
    if (arguments->one)
        arguments->seeds = 1;
    if (arguments->replicas != 0 &&
        (arguments->replicas < 4 || arguments->replicas > SIM_REPLICAS_MAX))
        return usage("--replicas is 4 to 100, not", "another number");
    return 0;
}

static const struct sim_scenario *scenario_find(const char *name)
{
    for (uint32_t i = 0; i < sim_scenario_count; i++) {
        if (strcmp(sim_scenarios[i].name, name) == 0)
            return &sim_scenarios[i];
    }
    return NULL;
}

static bool listed(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(help, stdout);
        return true;
    }
    if (argc != 3 || strcmp(argv[2], "list") != 0)
        return false;
    bool scenarios = strcmp(argv[1], "--scenario") == 0;
    for (uint32_t i = 0; scenarios && i < sim_scenario_count; i++)
        printf("%s\n", sim_scenarios[i].name);
    for (uint32_t i = 0; !scenarios && i < SIM_FAULTS; i++)
        printf("%-14s %s\n", sim_fault_option((enum sim_fault)i),
               sim_fault_text((enum sim_fault)i));
    return true;
}

int main(int argc, char **argv)
{
    struct sim_arguments arguments = {
        .seed = 1, .seeds = 100, .faults = SIM_FAULTS_ALL, .progress = isatty(2) != 0};
    static struct sim_sums sums;
    if (listed(argc, argv))
        return 0;
    int code = parse(argc, argv, &arguments);
    if (code != 0)
        return code;
    const struct sim_scenario *scenario = NULL;
    if (arguments.scenario != NULL && (scenario = scenario_find(arguments.scenario)) == NULL)
        return usage("unknown scenario", arguments.scenario);
    char name[64];
    snprintf(name, sizeof(name), "giro-sim-%lu.txt", (unsigned long)arguments.seed);
    if (arguments.trace == NULL && arguments.one && scenario == NULL)
        arguments.trace = name;
    FILE *trace = NULL;
    if (arguments.trace != NULL && (trace = fopen(arguments.trace, "w")) == NULL)
        return usage("cannot write", arguments.trace);
    enum giro_err err = giro_crypto_init();
    GIRO_ASSERT(err == GIRO_ERR_OK);
    giro_log_set_level(GIRO_LOG_ERROR);
    mallopt(M_MMAP_THRESHOLD,
            1 << 20); /* files of the faulty disks: untouched pages cost nothing */
    double since_s = now_s();
    run_all(&arguments, scenario, trace, &sums);
    print_sums(&sums, now_s() - since_s);
    if (trace != NULL) {
        fclose(trace);
        printf("trace: %s\n", arguments.trace);
    }
    sim_run_close();
    return sums.failures == 0 ? 0 : 1;
}
