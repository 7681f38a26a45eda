/* tests/twins/twins.h - scenarios in the manner of Twins (Bano et al. 2020): some replicas run twice with the same keys, and
 * round by round the network is split and a leader is given. */
#ifndef GIRO_TESTS_TWINS_TWINS_H
#define GIRO_TESTS_TWINS_TWINS_H

#include "twins/hub.h"

#define TWINS_ROUNDS_MAX     16u
#define TWINS_PARTITIONS_MAX 64u

struct twins_round {
    uint8_t cells[HUB_INSTANCES_MAX]; /* instances with the same number hear one another */
    uint8_t leader;
};
struct twins_scenario {
    uint32_t rounds;
    struct twins_round round[TWINS_ROUNDS_MAX + 1]; /* from 1 */
};

/* Every scenario of 4 + 1 instances, numbered: each round is one of partition x leader. */
struct twins_space {
    uint32_t rounds;
    uint32_t
        partition_count; /* those in which a quorum of names is together: the others only wait */
    uint8_t partitions[TWINS_PARTITIONS_MAX][HUB_INSTANCES_MAX];
    uint32_t leader_count;
    uint64_t total; /* (partition_count x leader_count) ^ rounds */
};
void twins_space_make(struct twins_space *space, uint32_t rounds);
void twins_scenario_of(const struct twins_space *space, uint64_t number,
                       struct twins_scenario *scenario);
/* twins_canonical: the lowest number among those that differ only in the names of the three honest replicas and in which
 * of the two twins is which. */
uint64_t twins_canonical(const struct twins_space *space, uint64_t number);
/* twins_number: the i-th of a walk that meets every number once, by its canonical one. */
uint64_t twins_number(const struct twins_space *space, uint64_t i);
void twins_scenario_random(struct twins_scenario *scenario, const struct hub *hub, uint32_t rounds,
                           uint64_t seed);
void twins_print(const struct hub *hub, const struct twins_scenario *scenario, FILE *out);

/* twins_hub makes a hub of count replicas of which the last `twins` run twice. */
struct hub *twins_hub(uint32_t count, uint32_t twins);
/* twins_run plays a scenario from the frozen start, heals, and leaves what went wrong in hub->failure. */
void twins_run(struct hub *hub, const struct twins_scenario *scenario, bool check_pools);

/* guard.c: an assertion that fails inside run is a failure of this hub. */
void hub_guard(struct hub *hub, void (*run)(struct hub *hub, void *context), void *context);

/* leader.c: who leads a round, 0xFF: as the schedule says. */
extern uint8_t twins_leaders[HUB_ROUNDS_MAX];
void twins_leaders_clear(void);

#endif
