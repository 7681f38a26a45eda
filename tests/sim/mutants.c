/* giro-sim-mutants: the swarm over consensus sources in which one rule at a time is broken (consensus/mutant.h): which of
 * them random histories notice, after how many and how long. giro-mutants (tests/twins) has drills for every one. */
#include <stdlib.h>

#include "consensus/mutant.h"
#include "sim/run.h"

enum giro_mutant giro_mutant = GIRO_MUTANT_NONE;

#define X_NAME(name, what) #name,
static const char *const names[] = {GIRO_MUTANT_MAP(X_NAME)};

/* Histories until one fails, or the time is over; true: one failed. */
static bool notice(uint64_t budget_ns, uint64_t *histories, struct sim_result *result)
{
    const struct sim_arguments arguments = {.faults = SIM_FAULTS_ALL, .seconds = 4};
    uint64_t since_ns = sim_cpu_ns();
    for (uint64_t seed = 1; sim_cpu_ns() - since_ns < budget_ns; seed++) {
        struct sim_options options;
        sim_options_default(&arguments, seed, &options);
        *result = sim_run_one(&options, false, NULL, NULL);
        ++*histories;
        if (result->failed)
            return true;
    }
    return false;
}

int main(int argc, char **argv)
{
    uint64_t seconds = argc == 3 && strcmp(argv[1], "--seconds") == 0 ? strtoull(argv[2], NULL, 10)
                                                                      : (argc == 1 ? 60 : 0);
    if (seconds == 0) {
        fputs("usage: giro-sim-mutants [--seconds S]\n"
              "Runs random histories over each mutant for up to S seconds of processor time (60).\n"
              "exit codes: 0 each was noticed, 1 one was not, 2 usage\n",
              stderr);
        return 2;
    }
    enum giro_err err = giro_crypto_init();
    GIRO_ASSERT(err == GIRO_ERR_OK);
    giro_log_set_level(GIRO_LOG_ERROR);
    uint32_t missed = 0;
    for (uint32_t i = 1; i < GIRO_MUTANTS_ALL; i++) {
        struct sim_result result;
        uint64_t histories = 0, since_ns = sim_cpu_ns();
        giro_mutant = (enum giro_mutant)i;
        bool noticed = notice(seconds * GIRO_NS_PER_S, &histories, &result);
        missed += !noticed;
        printf("%-24s %-8s %5lu histories, %5.1f s  %s\n", names[i], noticed ? "noticed" : "MISSED",
               (unsigned long)histories, (double)(sim_cpu_ns() - since_ns) / 1e9,
               noticed ? result.failure : "");
        fflush(stdout);
    }
    printf("%u of %u missed\n", missed, (uint32_t)GIRO_MUTANTS_ALL - 1);
    sim_run_close();
    return missed == 0 ? 0 : 1;
}
