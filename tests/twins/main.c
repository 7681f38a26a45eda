/* giro-twins: plays Twins scenarios over the consensus core and says which invariant broke. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "twins/storm.h"
#include "twins/twins.h"

static const char help[] =
    "usage: giro-twins [OPTION...]\n"
    "Consensus cores of which some run twice with the same keys; per round a partition and a "
    "leader; then they heal.\n"
    "  --replicas N   4, 7 or 10 (4), of which f run twice\n"
    "  --rounds R     1 to 10 (7)\n"
    "  --seed S       first scenario of a slice, or seed of the first one at random (0)\n"
    "  --seeds N      scenarios to play (2000)\n"
    "  --all          every scenario of these rounds, N = 4; with --part K/M the K-th of M parts "
    "(1/1)\n"
    "  --number X     this scenario only, and how it goes\n"
    "  --storm        random histories instead, with slow disks, crashes and a forging replica "
    "(seeds from --seed)\n"
    "exit codes: 0 all held, 1 a violation, 2 usage\n"
    "examples:\n"
    "  giro-twins\n"
    "  giro-twins --rounds 3 --all\n"
    "  giro-twins --replicas 7 --seeds 1000\n"
    "  giro-twins --storm --replicas 10 --seed 1 --seeds 1000\n";

struct arguments {
    uint64_t replicas, rounds, seed, seeds, number;
    uint64_t part, parts;
    bool all, one, storm;
};
struct sums {
    uint64_t played, failed, steps, qcs, tcs, commits, votes;
};

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void play_one(const struct arguments *arguments, struct hub *hub,
                     const struct twins_scenario *scenario, uint64_t number, struct sums *sums)
{
    /* Walking every pool of every core takes longer than most scenarios. */
    twins_run(hub, scenario, sums->played % 64 == 0);
    sums->played++;
    sums->steps += hub->steps;
    sums->qcs += hub->watch.qcs;
    sums->tcs += hub->watch.tcs;
    sums->commits += hub->watch.commits;
    sums->votes += hub->watch.votes;
    if (!hub->failed)
        return;
    sums->failed++;
    printf(
        "scenario %lu FAILED: %s\n  again: giro-twins --replicas %lu --rounds %lu --number %lu\n",
        (unsigned long)number, hub->failure, (unsigned long)arguments->replicas,
        (unsigned long)arguments->rounds, (unsigned long)number);
    twins_print(hub, scenario, stdout);
    fflush(stdout);
}

static void play_all(const struct arguments *arguments, struct hub *hub,
                     const struct twins_space *space, struct sums *sums)
{
    struct twins_scenario scenario;
    const uint64_t from = space->total / arguments->parts * (arguments->part - 1);
    const uint64_t to = arguments->part == arguments->parts
                            ? space->total
                            : space->total / arguments->parts * arguments->part;
    for (uint64_t number = from; number < to; number++) {
        if (twins_canonical(space, number) != number)
            continue;
        twins_scenario_of(space, number, &scenario);
        play_one(arguments, hub, &scenario, number, sums);
    }
}

static void play_some(const struct arguments *arguments, struct hub *hub,
                      const struct twins_space *space, struct sums *sums)
{
    struct twins_scenario scenario;
    for (uint64_t i = 0; i < arguments->seeds; i++) {
        uint64_t number = arguments->one ? arguments->number : arguments->seed + i;
        if (arguments->replicas == 4) {
            if (!arguments->one)
                number = twins_number(space, number);
            twins_scenario_of(space, number, &scenario);
        } else {
            twins_scenario_random(&scenario, hub, (uint32_t)arguments->rounds, number);
        }
        play_one(arguments, hub, &scenario, number, sums);
    }
}

static void print_sums(const struct arguments *arguments, const struct twins_space *space,
                       const struct sums *sums, double seconds)
{
    if (arguments->replicas == 4)
        printf("%u partitions x %u leaders ^ %u rounds = %lu scenarios\n", space->partition_count,
               space->leader_count, space->rounds, (unsigned long)space->total);
    printf("%lu scenarios played%s, %lu failed; %lu steps, %lu votes, %lu QCs, %lu TCs, %lu blocks "
           "committed; %.1f s, %.0f scenarios/s\n",
           (unsigned long)sums->played, arguments->all ? " (without renamings)" : "",
           (unsigned long)sums->failed, (unsigned long)sums->steps, (unsigned long)sums->votes,
           (unsigned long)sums->qcs, (unsigned long)sums->tcs, (unsigned long)sums->commits,
           seconds, (double)sums->played / seconds);
}

static void play_storms(const struct arguments *arguments, struct sums *sums)
{
    struct hub *const hub = storm_hub((uint32_t)arguments->replicas);
    for (uint64_t seed = arguments->seed; seed < arguments->seed + arguments->seeds; seed++) {
        storm_run(hub, seed, STORM_STEPS);
        sums->played++;
        if (!hub->failed)
            continue;
        sums->failed++;
        printf("storm %lu FAILED: %s\n  again: giro-twins --storm --replicas %lu --seed %lu "
               "--seeds 1\n",
               (unsigned long)seed, hub->failure, (unsigned long)arguments->replicas,
               (unsigned long)seed);
        fflush(stdout);
    }
    hub_free(hub);
}

static void print_storms(const struct sums *sums, double seconds)
{
    const struct storm_sums *const s = &storm_sums;
    printf(
        "%lu histories, %lu failed; %lu core steps, %lu votes, %lu QCs, %lu TCs, %lu heights; %lu "
        "crashes, %lu restarts of all, %lu partitions, %lu clock steps, %lu messages lost, %lu "
        "forged; %.1f s, %.0f histories/s\n",
        (unsigned long)sums->played, (unsigned long)sums->failed, (unsigned long)s->steps,
        (unsigned long)s->votes, (unsigned long)s->qcs, (unsigned long)s->tcs,
        (unsigned long)s->height, (unsigned long)s->crashes, (unsigned long)s->restarts_of_all,
        (unsigned long)s->partitions, (unsigned long)s->clocks, (unsigned long)s->losses,
        (unsigned long)s->forged, seconds, (double)sums->played / seconds);
}

static int usage(const char *fact, const char *argument)
{
    fprintf(stderr, "giro-twins: %s '%s'\n  hint: giro-twins --help\n", fact, argument);
    return 2;
}

static bool number_read(const char *text, uint64_t *value)
{
    char *end = NULL;
    errno = 0;
    *value = strtoull(text, &end, 10);
    return errno == 0 && end != text && *end == '\0';
}

static int option_read(const char *name, const char *text, struct arguments *arguments)
{
    const struct {
        const char *name;
        uint64_t *value;
    } options[] = {{"--replicas", &arguments->replicas}, {"--rounds", &arguments->rounds},
                   {"--seed", &arguments->seed},         {"--seeds", &arguments->seeds},
                   {"--number", &arguments->number},     {NULL, NULL}};
    if (text == NULL)
        return usage("a value is missing after", name);
    if (strcmp(name, "--part") == 0)
        return sscanf(text, "%lu/%lu", &arguments->part, &arguments->parts) == 2
                   ? 0
                   : usage("not K/M:", text);
    for (uint32_t i = 0; options[i].name != NULL; i++) {
        if (strcmp(name, options[i].name) == 0)
            return number_read(text, options[i].value) ? 0 : usage("not a number:", text);
    }
    return usage("unknown option", name);
}

static int parse(int argc, char **argv, struct arguments *arguments)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--all") == 0 || strcmp(argv[i], "--storm") == 0) {
            *(argv[i][2] == 'a' ? &arguments->all : &arguments->storm) = true;
            continue;
        }
        const int code = option_read(argv[i], i + 1 < argc ? argv[i + 1] : NULL, arguments);
        if (code != 0)
            return code;
        if (strcmp(argv[i], "--number") == 0)
            arguments->one = true;
        i++;
    }
    if (arguments->one)
        arguments->seeds = 1;
    if (arguments->replicas != 4 && arguments->replicas != 7 && arguments->replicas != 10)
        return usage("--replicas is 4, 7 or 10, not", "another number");
    if (arguments->all && arguments->replicas != 4)
        return usage("--all is for 4 replicas, not", "more");
    if (arguments->rounds < 1 || arguments->rounds > 10)
        return usage("--rounds is 1 to 10, not", "another number");
    if (arguments->part < 1 || arguments->part > arguments->parts)
        return usage("--part is 1/M to M/M, not", "another part");
    return 0;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {.replicas = 4, .rounds = 7, .seeds = 2000, .part = 1, .parts = 1};
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(help, stdout);
        return 0;
    }
    const int code = parse(argc, argv, &arguments);
    if (code != 0)
        return code;
    const enum giro_err err = giro_crypto_init();
    GIRO_ASSERT(err == GIRO_ERR_OK);
    struct twins_space space;
    struct sums sums = {0};
    if (arguments.storm) {
        const double start_s = now_s();
        play_storms(&arguments, &sums);
        print_storms(&sums, now_s() - start_s);
        return sums.failed == 0 ? 0 : 1;
    }
    twins_space_make(&space, (uint32_t)arguments.rounds);
    struct hub *const hub =
        twins_hub((uint32_t)arguments.replicas, (uint32_t)(arguments.replicas - 1) / 3);
    const double start_s = now_s();
    if (arguments.all)
        play_all(&arguments, hub, &space, &sums);
    else
        play_some(&arguments, hub, &space, &sums);
    print_sums(&arguments, &space, &sums, now_s() - start_s);
    hub_free(hub);
    return sums.failed == 0 ? 0 : 1;
}
