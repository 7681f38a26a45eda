/* tests/twins/storm.h - one random history of a hub: everything that may happen, one step at a time, in any order. */
#ifndef GIRO_TESTS_TWINS_STORM_H
#define GIRO_TESTS_TWINS_STORM_H

#include "twins/hub.h"

#define STORM_STEPS 3000u

/* storm_hub: count replicas, the last f of them Byzantine (each running honestly besides), disks that take time. */
struct hub *storm_hub(uint32_t count);
/* storm_run plays the history of a seed, heals, and leaves what went wrong in hub->failure. */
void storm_run(struct hub *hub, uint64_t seed, uint32_t steps);

struct storm_sums {
    uint64_t histories, steps, crashes, restarts_of_all, losses, partitions, clocks, forged;
    uint64_t votes, qcs, tcs, height;
};
extern struct storm_sums storm_sums;

#endif
