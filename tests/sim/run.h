/* tests/sim/run.h - the program giro-sim: options, one history under a guard, sums, shrinking. */
#ifndef GIRO_TESTS_SIM_RUN_H
#define GIRO_TESTS_SIM_RUN_H

#include "sim/node.h"

struct sim_arguments {
    uint64_t seed, seeds, seconds, replicas, load_per_mille, stop_after_s, image_every;
    uint64_t faults; /* bits of the kinds that may be */
    bool one, faults_all, twice, ed25519, keyed, shrink, progress;
    const char *trace, *scenario;
};
struct sim_sums {
    uint64_t histories, failures, virtual_ns, messages, blocks, frames, steps, scans, votes, judged;
    uint64_t starts, evidence, ed25519, image_starts, image_syncs;
    uint64_t with_fault[SIM_FAULTS], faults[SIM_FAULTS]; /* histories with that kind; strikes */
    uint64_t of_size[SIM_REPLICAS_MAX + 1];
};
struct sim_result {
    bool failed;
    uint64_t trace_hash, faults_on, end_ns;
    char failure[512];
};

/* run.c */
void sim_options_default(const struct sim_arguments *arguments, uint64_t seed,
                         struct sim_options *options);
/* sim_run_one runs one history, adds it to sums (may be NULL), and says what came of it. scenario may be NULL. */
struct sim_result sim_run_one(const struct sim_options *options, bool ed25519,
                              const struct sim_scenario *scenario, struct sim_sums *sums);
void sim_run_close(void);
/* shrink.c: leaves out kinds of fault, time and load while the history still fails; prints the shortest command line. */
void sim_shrink(const struct sim_arguments *arguments, const struct sim_options *options,
                bool ed25519);
/* sim_command prints the command line that plays this history again. */
void sim_command(const struct sim_options *options, bool ed25519, const char *scenario);
uint64_t sim_cpu_ns(void);

#endif
