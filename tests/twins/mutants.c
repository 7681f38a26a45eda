/* giro-mutants: the same hub over consensus sources in which one rule at a time is broken (consensus/mutant.h). Each must be
 * found by a drill, a Twins scenario or a storm; the unbroken sources must pass all of them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "consensus/mutant.h"
#include "twins/drill.h"
#include "twins/storm.h"
#include "twins/twins.h"

enum giro_mutant giro_mutant = GIRO_MUTANT_NONE;

#define X_NAME(name, what) #name,
#define X_WHAT(name, what) what,
static const char *const names[] = {GIRO_MUTANT_MAP(X_NAME)};
static const char *const whats[] = {GIRO_MUTANT_MAP(X_WHAT)};

static const char help[] =
    "usage: giro-mutants [OPTION...]\n"
    "Breaks one rule of consensus at a time and shows what notices, and after how long.\n"
    "  --mutant NAME   only this one; `list` lists them\n"
    "  --seconds S     give up on a mutant after S seconds of processor time (60)\n"
    "  --seeds N       storms and scenarios the unbroken rules must pass (100)\n"
    "exit codes: 0 each was caught, 1 one was not, or the unbroken rules failed, 2 usage\n";

struct arguments {
    uint64_t seconds, seeds;
    const char *mutant;
};
struct hubs {
    struct hub *honest, *twins, *storm;
    struct twins_space space;
};
struct caught {
    char how[64];
    char failure[256];
};

static double cpu_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static bool note(const struct hub *hub, struct caught *caught, const char *kind, uint64_t number)
{
    if (!hub->failed)
        return false;
    snprintf(caught->how, sizeof(caught->how), "%s %lu", kind, (unsigned long)number);
    memcpy(caught->failure, hub->failure, sizeof(caught->failure));
    return true;
}

static bool drills_notice(const struct hubs *hubs, struct caught *caught)
{
    for (uint32_t i = 0; i < drill_count; i++) {
        drill_run(hubs->honest, &drills[i]);
        if (note(hubs->honest, caught, "drill", i + 1))
            return true;
    }
    return false;
}

static bool scenario_notices(const struct hubs *hubs, uint64_t i, struct caught *caught)
{
    struct twins_scenario scenario;
    const uint64_t number = twins_number(&hubs->space, i);
    twins_scenario_of(&hubs->space, number, &scenario);
    twins_run(hubs->twins, &scenario, i % 64 == 0);
    return note(hubs->twins, caught, "twins scenario", number);
}

static bool storm_notices(const struct hubs *hubs, uint64_t seed, struct caught *caught)
{
    storm_run(hubs->storm, seed, STORM_STEPS);
    return note(hubs->storm, caught, "storm", seed);
}

/* The drills, then scenarios and storms by turns until something is found, or turns or seconds run out. */
static bool anything_notices(struct hubs *hubs, uint64_t turns, double seconds,
                             struct caught *caught)
{
    const double start_s = cpu_s();
    hubs->honest = twins_hub(4, 0);
    if (drills_notice(hubs, caught))
        return true;
    hubs->twins = twins_hub(4, 1);
    hubs->storm = storm_hub(4);
    twins_space_make(&hubs->space, 7);
    for (uint64_t i = 0; i < turns && cpu_s() - start_s < seconds; i++) {
        if (storm_notices(hubs, i + 1, caught) || scenario_notices(hubs, i, caught))
            return true;
    }
    return false;
}

static void hubs_close(struct hubs *hubs)
{
    hub_free(hubs->honest);
    if (hubs->twins != NULL)
        hub_free(hubs->twins);
    if (hubs->storm != NULL)
        hub_free(hubs->storm);
}

static bool mutant_try(const struct arguments *arguments, enum giro_mutant mutant)
{
    struct caught caught = {.how = "-", .failure = "NOT CAUGHT"};
    struct hubs hubs = {0};
    giro_mutant = mutant;
    const double start_s = cpu_s();
    const bool found = anything_notices(&hubs, UINT64_MAX, (double)arguments->seconds, &caught);
    hubs_close(&hubs);
    giro_mutant = GIRO_MUTANT_NONE;
    printf("%-24s %6.2f s  %-28s %s\n", names[mutant], cpu_s() - start_s, caught.how,
           caught.failure);
    fflush(stdout);
    return found;
}

static bool unbroken_passes(const struct arguments *arguments)
{
    struct caught caught;
    struct hubs hubs = {0};
    const double start_s = cpu_s();
    const bool found = anything_notices(&hubs, arguments->seeds, 1e9, &caught);
    hubs_close(&hubs);
    printf("%-24s %6.2f s  %s%lu storms and scenarios %s\n", names[0], cpu_s() - start_s,
           found ? caught.how : "passes, ", (unsigned long)arguments->seeds,
           found ? caught.failure : "");
    if (!found)
        printf("  per storm: %lu votes, %lu QCs, %lu TCs, height %lu\n",
               (unsigned long)(storm_sums.votes / storm_sums.histories),
               (unsigned long)(storm_sums.qcs / storm_sums.histories),
               (unsigned long)(storm_sums.tcs / storm_sums.histories),
               (unsigned long)(storm_sums.height / storm_sums.histories));
    if (!found)
        printf("  storms: %lu crashes, %lu restarts of all, %lu partitions, %lu messages lost, %lu "
               "forged\n",
               (unsigned long)storm_sums.crashes, (unsigned long)storm_sums.restarts_of_all,
               (unsigned long)storm_sums.partitions, (unsigned long)storm_sums.losses,
               (unsigned long)storm_sums.forged);
    fflush(stdout);
    return !found;
}

static int usage(const char *fact, const char *argument)
{
    fprintf(stderr, "giro-mutants: %s '%s'\n  hint: giro-mutants --help\n", fact, argument);
    return 2;
}

static int parse(int argc, char **argv, struct arguments *arguments)
{
    for (int i = 1; i < argc; i += 2) {
        uint64_t *value = NULL;
        if (i + 1 == argc)
            return usage("a value is missing after", argv[i]);
        if (strcmp(argv[i], "--seconds") == 0)
            value = &arguments->seconds;
        else if (strcmp(argv[i], "--seeds") == 0)
            value = &arguments->seeds;
        else if (strcmp(argv[i], "--mutant") == 0)
            arguments->mutant = argv[i + 1];
        else
            return usage("unknown option", argv[i]);
        char *end = NULL;
        errno = 0;
        if (value != NULL)
            *value = strtoull(argv[i + 1], &end, 10);
        if (value != NULL && (errno != 0 || end == argv[i + 1] || *end != '\0'))
            return usage("not a number:", argv[i + 1]);
    }
    return 0;
}

static bool try_all(const struct arguments *arguments, bool *any)
{
    bool good = true;
    for (enum giro_mutant mutant = GIRO_MUTANT_NONE; mutant < GIRO_MUTANTS_ALL; mutant++) {
        if (arguments->mutant != NULL && strcmp(arguments->mutant, names[mutant]) != 0)
            continue;
        *any = true;
        good &=
            mutant == GIRO_MUTANT_NONE ? unbroken_passes(arguments) : mutant_try(arguments, mutant);
    }
    return good;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {.seconds = 60, .seeds = 100};
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(help, stdout);
        return 0;
    }
    const int code = parse(argc, argv, &arguments);
    if (code != 0)
        return code;
    if (arguments.mutant != NULL && strcmp(arguments.mutant, "list") == 0) {
        for (uint32_t i = 0; i < GIRO_MUTANTS_ALL; i++)
            printf("%-24s %s\n", names[i], whats[i]);
        return 0;
    }
    const enum giro_err err = giro_crypto_init();
    GIRO_ASSERT(err == GIRO_ERR_OK);
    bool any = false;
    const bool good = try_all(&arguments, &any);
    if (!any)
        return usage("unknown mutant", arguments.mutant);
    return good ? 0 : 1;
}
