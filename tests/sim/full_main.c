/* giro-sim-full: runs random histories, or named ones, and says which invariant broke. */
#include <errno.h>
#include <setjmp.h>
#include <stdlib.h>
#include <time.h>

#include "sim/full.h"

struct arguments {
    uint64_t seed, seeds, seconds;
    uint32_t replicas;
    bool faults, twice, ed25519;
    const char *trace, *scenario;
};
struct sums {
    uint64_t histories, failures, virtual_ns, messages, frames, blocks, journals;
    uint64_t faults[SIM_FAULTS];
};

static const char help[] = "usage: giro-sim-full [OPTION...]\n"
                           "Runs replicas, disks, network and members in one process under virtual "
                           "time and checks every invariant.\n"
                           "  --seeds N         histories to run (10)\n"
                           "  --seed S          seed of the first one (1)\n"
                           "  --replicas N      1, 4, 7 or 10 (4)\n"
                           "  --seconds V       virtual seconds of load and faults (20)\n"
                           "  --no-faults       a network and disks that work\n"
                           "  --twice           run every history twice and compare the traces\n"
                           "  --ed25519         real signatures instead of keyed hashes: slower\n"
                           "  --scenario NAME   a named history instead; `list` lists them\n"
                           "  --trace FILE      write every event of the history\n"
                           "exit codes: 0 all held, 1 a violation, 2 usage\n"
                           "examples:\n"
                           "  giro-sim-full --seeds 100\n"
                           "  giro-sim-full --seed 17 --seeds 1 --trace seed17.txt\n";

/* An assert inside a replica is a violation of this seed, not the end of the program. */
static jmp_buf after_assert;
static char assert_text[256];
static void on_assert(const char *condition, const char *file, int line)
{
    snprintf(assert_text, sizeof(assert_text), "assertion failed: %s (%s:%d)", condition, file,
             line);
    longjmp(after_assert, 1);
}

static void run_guarded(struct sim_world *world, void (*run)(struct sim_world *world))
{
    giro_assert_hook = on_assert;
    if (setjmp(after_assert) == 0)
        run(world);
    else
        sim_fail(world, "%s", assert_text);
    giro_assert_hook = NULL;
}

static void add_up(struct sums *sums, const struct sim_world *world)
{
    sums->histories++;
    sums->failures += world->failed;
    sums->virtual_ns += world->now_ns;
    sums->messages += world->messages;
    sums->frames += world->full->frame_count;
    sums->blocks += world->top_height;
    sums->journals += world->full->journal_blocks;
    for (uint32_t i = 0; i < SIM_FAULTS; i++)
        sums->faults[i] += world->faults[i];
}

static void print_line(const struct arguments *arguments, const struct sim_world *world)
{
    printf("seed %lu: %s at %.3f s, height %lu, round %lu, %u frames, %lu windows, %lu messages, "
           "trace %016lx\n",
           (unsigned long)world->options.seed, world->failed ? "FAILED" : "ok",
           (double)world->now_ns / 1e9, (unsigned long)world->top_height,
           (unsigned long)world->top_round, world->full->frame_count,
           (unsigned long)world->full->journal_blocks, (unsigned long)world->messages,
           (unsigned long)world->trace_hash);
    if (!world->failed)
        return;
    printf("  %s\n  again: giro-sim-full --replicas %u --seed %lu --seeds 1 --seconds %lu%s%s%s\n",
           world->failure, world->replica_count, (unsigned long)world->options.seed,
           (unsigned long)arguments->seconds, world->options.faults != 0 ? "" : " --no-faults",
           arguments->scenario != NULL ? " --scenario " : "",
           arguments->scenario != NULL ? arguments->scenario : "");
}

/* Runs one history; returns its trace hash. */
static uint64_t run_once(const struct arguments *arguments, const struct sim_hub *hub,
                         const struct sim_options *options, void (*run)(struct sim_world *world),
                         struct sums *sums, bool quiet)
{
    static struct sim_world world;
    sim_world_open(&world, hub, &sim_full_body, options);
    sim_full_open(&world);
    run_guarded(&world, run);
    add_up(sums, &world);
    if (!quiet || world.failed)
        print_line(arguments, &world);
    fflush(stdout);
    sim_world_close(&world);
    sim_full_close(&world);
    return world.trace_hash;
}

static void run_all(const struct arguments *arguments, const struct sim_scenario *scenario,
                    FILE *trace, struct sums *sums)
{
    struct sim_hub hub;
    sim_hub_open(&hub, arguments->replicas, scenario != NULL ? 0 : 5, arguments->ed25519);
    if (!arguments->ed25519)
        sim_signatures_fast(&hub.genesis);
    uint64_t count = scenario != NULL ? scenario->repeats : arguments->seeds;
    for (uint64_t i = 0; i < count; i++) {
        struct sim_options options = {.seed = arguments->seed + i,
                                      .replica_count = arguments->replicas,
                                      .seconds = arguments->seconds,
                                      .repeat = (uint32_t)(arguments->seed + i - 1),
                                      .faults = arguments->faults ? SIM_FAULTS_HONEST : 0,
                                      .trace = trace};
        void (*run)(struct sim_world *) = scenario != NULL ? scenario->run : sim_history;
        uint64_t first = run_once(arguments, &hub, &options, run, sums, scenario != NULL);
        if (!arguments->twice)
            continue;
        options.trace = NULL;
        if (run_once(arguments, &hub, &options, run, sums, true) != first) {
            printf("  seed %lu: the second run has another trace\n", (unsigned long)options.seed);
            sums->failures++;
        }
    }
    sim_hub_close(&hub);
}

static void print_sums(const struct sums *sums, double wall_s)
{
    double virtual_h = (double)sums->virtual_ns / 3.6e12;
    printf("%lu histories, %lu failed; %.3f simulated hours in %.1f s: %.1f simulated hours per "
           "hour\n",
           (unsigned long)sums->histories, (unsigned long)sums->failures, virtual_h, wall_s,
           virtual_h * 3600 / wall_s);
    printf(
        "%lu frames, %lu blocks, %lu windows, %lu messages; faults:", (unsigned long)sums->frames,
        (unsigned long)sums->blocks, (unsigned long)sums->journals, (unsigned long)sums->messages);
    const char *comma = "";
    for (uint32_t i = 0; i < SIM_FAULTS; i++) {
        if (sums->faults[i] == 0)
            continue;
        printf("%s %lu %s", comma, (unsigned long)sums->faults[i],
               sim_fault_text((enum sim_fault)i));
        comma = ",";
    }
    printf("\n");
}

/* ---- Command line ------------------------------------------------------------------------------------ */

static int usage(const char *fact, const char *argument)
{
    fprintf(stderr, "giro-sim-full: %s '%s'\n  hint: giro-sim-full --help\n", fact, argument);
    return 2;
}

static bool number(const char *text, uint64_t *value)
{
    char *end = NULL;
    errno = 0;
    *value = strtoull(text, &end, 10);
    return errno == 0 && end != text && *end == '\0';
}

static int parse(int argc, char **argv, struct arguments *arguments)
{
    uint64_t replicas = arguments->replicas;
    struct {
        const char *name;
        uint64_t *value;
        const char **text;
    } options[] = {
        {"--seed", &arguments->seed, NULL},       {"--seeds", &arguments->seeds, NULL},
        {"--seconds", &arguments->seconds, NULL}, {"--replicas", &replicas, NULL},
        {"--trace", NULL, &arguments->trace},     {"--scenario", NULL, &arguments->scenario}};
    for (int i = 1; i < argc; i++) {
        bool known = true;
        if (strcmp(argv[i], "--no-faults") == 0)
            arguments->faults = false;
        else if (strcmp(argv[i], "--ed25519") == 0)
            arguments->ed25519 = true;
        else if (strcmp(argv[i], "--twice") == 0)
            arguments->twice = true;
        else
            known = false;
        for (uint32_t k = 0; !known && k < sizeof(options) / sizeof(options[0]); k++) {
            if (strcmp(argv[i], options[k].name) != 0)
                continue;
            if (++i == argc)
                return usage("a value is missing after", argv[i - 1]);
            if (options[k].text != NULL)
                *options[k].text = argv[i];
            else if (!number(argv[i], options[k].value))
                return usage("not a number:", argv[i]);
            known = true;
        }
        if (!known)
            return usage("unknown option", argv[i]);
    }
    if (replicas != 1 && replicas != 4 && replicas != 7 && replicas != 10)
        return usage("--replicas is 1, 4, 7 or 10, not", "another number");
    arguments->replicas = (uint32_t)replicas;
    return 0;
}

static const struct sim_scenario *scenario_find(const char *name)
{
    for (uint32_t i = 0; i < sim_full_scenario_count; i++) {
        if (strcmp(sim_full_scenarios[i].name, name) == 0)
            return &sim_full_scenarios[i];
    }
    return NULL;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {
        .seed = 1, .seeds = 10, .seconds = 20, .replicas = 4, .faults = true};
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(help, stdout);
        return 0;
    }
    int code = parse(argc, argv, &arguments);
    if (code != 0)
        return code;
    if (arguments.scenario != NULL && strcmp(arguments.scenario, "list") == 0) {
        for (uint32_t i = 0; i < sim_full_scenario_count; i++)
            printf("%s\n", sim_full_scenarios[i].name);
        return 0;
    }
    const struct sim_scenario *scenario = NULL;
    if (arguments.scenario != NULL) {
        scenario = scenario_find(arguments.scenario);
        if (scenario == NULL)
            return usage("unknown scenario", arguments.scenario);
    }
    FILE *trace = NULL;
    if (arguments.trace != NULL && (trace = fopen(arguments.trace, "w")) == NULL)
        return usage("cannot write", arguments.trace);
    enum giro_err err = giro_crypto_init();
    GIRO_ASSERT(err == GIRO_ERR_OK);
    giro_log_set_level(GIRO_LOG_ERROR);
    struct sums sums = {0};
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    run_all(&arguments, scenario, trace, &sums);
    clock_gettime(CLOCK_MONOTONIC, &end);
    print_sums(&sums,
               (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9);
    if (trace != NULL)
        fclose(trace);
    return sums.failures == 0 ? 0 : 1;
}
