/* giro-model: visits every state of the rules for a few rounds, and shows that each broken rule is found out. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "model/model.h"

static const char help[] = "usage: giro-model [OPTION...]\n"
                           "Three honest replicas and a Byzantine one: visits every state the "
                           "rules allow, then breaks each rule in turn.\n"
                           "  --rounds N      1 to 4 (3)\n"
                           "  --states N      give up after N million states (200)\n"
                           "  --rule NAME     only the rules with this one broken, or `right`\n"
                           "exit codes: 0 all as it must be, 1 not, 2 usage\n"
                           "examples:\n"
                           "  giro-model\n"
                           "  giro-model --rounds 4 --rule right\n";

struct arguments {
    uint64_t rounds, states_million;
    const char *rule;
};

static double seconds_since(const struct timespec *start)
{
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    return (double)(end.tv_sec - start->tv_sec) + (double)(end.tv_nsec - start->tv_nsec) / 1e9;
}

/* The right rules hold in every state, and there is something to hold: commits, TCs, blocks certified after a TC. */
static bool right_holds(const struct model_options *options, const struct model_result *result)
{
    const bool reached =
        options->rounds < 3 || (result->commits > 0 && result->tcs > 0 &&
                                result->votes_after_tc > 0 && result->two_commits > 0);
    if (!reached)
        printf("right: nothing was shown: no state with a commit, a TC or a QC after a TC\n");
    return result->violation == NULL && result->full && reached;
}

static bool run(const struct arguments *arguments, enum model_mutant mutant)
{
    const struct model_options options = {.rounds = (uint32_t)arguments->rounds, .mutant = mutant};
    struct timespec start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    const struct model_result result =
        model_explore(&options, arguments->states_million * 1000000u, stdout);
    printf("%s: %lu states, %lu transitions%s, depth %lu, %.1f s", model_mutant_names[mutant],
           (unsigned long)result.states, (unsigned long)result.transitions,
           result.full ? ", all" : "", (unsigned long)result.depth, seconds_since(&start));
    if (mutant == MODEL_RIGHT)
        printf("; states with a commit %lu, two commits %lu, a TC %lu, a QC after a TC %lu",
               (unsigned long)result.commits, (unsigned long)result.two_commits,
               (unsigned long)result.tcs, (unsigned long)result.votes_after_tc);
    const bool good =
        mutant == MODEL_RIGHT ? right_holds(&options, &result) : result.violation != NULL;
    printf("%s\n", good ? "" : ": FAILED");
    fflush(stdout);
    return good;
}

static int usage(const char *fact, const char *argument)
{
    fprintf(stderr, "giro-model: %s '%s'\n  hint: giro-model --help\n", fact, argument);
    return 2;
}

static int parse(int argc, char **argv, struct arguments *arguments)
{
    for (int i = 1; i < argc; i += 2) {
        uint64_t *value = NULL;
        if (i + 1 == argc)
            return usage("a value is missing after", argv[i]);
        if (strcmp(argv[i], "--rounds") == 0)
            value = &arguments->rounds;
        else if (strcmp(argv[i], "--states") == 0)
            value = &arguments->states_million;
        else if (strcmp(argv[i], "--rule") == 0)
            arguments->rule = argv[i + 1];
        else
            return usage("unknown option", argv[i]);
        char *end = NULL;
        errno = 0;
        if (value != NULL)
            *value = strtoull(argv[i + 1], &end, 10);
        if (value != NULL && (errno != 0 || end == argv[i + 1] || *end != '\0'))
            return usage("not a number:", argv[i + 1]);
    }
    if (arguments->rounds < 1 || arguments->rounds > MODEL_ROUNDS_MAX)
        return usage("--rounds is 1 to 4, not", "another number");
    return 0;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {.rounds = 3, .states_million = 200};
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(help, stdout);
        return 0;
    }
    const int code = parse(argc, argv, &arguments);
    if (code != 0)
        return code;
    bool all = true, any = false;
    for (enum model_mutant mutant = MODEL_RIGHT; mutant < MODEL_MUTANTS; mutant++) {
        if (arguments.rule != NULL && strcmp(arguments.rule, model_mutant_names[mutant]) != 0)
            continue;
        any = true;
        all = run(&arguments, mutant) && all;
    }
    if (!any)
        return usage("unknown rule", arguments.rule);
    return all ? 0 : 1;
}
