/* Shrinking: a failing history is run again with one kind of fault less, less time, less load, as long as it still fails.
 * Kinds have generators of their own, so what is left happens much as before; that is enough in practice. */
#include "sim/run.h"

#define TRIES_MAX 200u

void sim_command(const struct sim_options *options, bool ed25519, const char *scenario)
{
    printf("giro-sim --replicas %u --seed %lu", options->replica_count,
           (unsigned long)options->seed);
    if (scenario != NULL)
        printf(" --scenario %s", scenario);
    if (options->seconds > 0)
        printf(" --seconds %lu", (unsigned long)options->seconds);
    if (options->load_per_mille > 0)
        printf(" --load %u", options->load_per_mille);
    if (options->image_every > 0)
        printf(" --images %u", options->image_every);
    if (ed25519)
        printf(" --ed25519");
    if (options->faults_all)
        printf(" --all-faults");
    if (options->faults == 0)
        printf(" --no-faults");
    else if (options->faults != SIM_FAULTS_ALL) {
        const char *comma = " --only ";
        for (uint32_t i = 0; i < SIM_FAULTS; i++) {
            if ((options->faults >> i & 1) == 0)
                continue;
            printf("%s%s", comma, sim_fault_option((enum sim_fault)i));
            comma = ",";
        }
    }
    printf("\n");
}

static bool still_fails(const struct sim_options *options, bool ed25519, uint32_t *tries)
{
    if (*tries == 0)
        return false;
    --*tries;
    return sim_run_one(options, ed25519, NULL, NULL).failed;
}

void sim_shrink(const struct sim_arguments *arguments, const struct sim_options *first,
                bool ed25519)
{
    struct sim_options options = *first;
    uint32_t tries = TRIES_MAX;
    options.trace = NULL;
    struct sim_result result = sim_run_one(&options, ed25519, NULL, NULL);
    if (!result.failed)
        return;
    options.faults &= result.faults_on;
    if (!still_fails(&options, ed25519, &tries))
        options.faults = first->faults;
    for (uint32_t i = 0; i < SIM_FAULTS; i++) {
        struct sim_options fewer = options;
        fewer.faults &= ~SIM_FAULT_BIT(i);
        if (fewer.faults != options.faults && still_fails(&fewer, ed25519, &tries))
            options = fewer;
    }
    for (uint64_t seconds = 128; seconds >= 1; seconds /= 2) {
        struct sim_options shorter = options;
        shorter.seconds = seconds;
        if (still_fails(&shorter, ed25519, &tries))
            options = shorter;
    }
    for (uint32_t load = 500; load >= 60; load /= 2) {
        struct sim_options fewer = options;
        fewer.load_per_mille = load;
        if (still_fails(&fewer, ed25519, &tries))
            options = fewer;
    }
    result = sim_run_one(&options, ed25519, NULL, NULL);
    printf("  shrunk (%u runs): %s\n  again: ", TRIES_MAX - tries, result.failure);
    sim_command(&options, ed25519, arguments->scenario);
}
