/* 10: certificates that do not hold, of every kind, put before every replica alike. */
#include "sim/scenarios.h"

void sim_invalid_certificates(struct sim_world *world)
{
    sim_start_all(world);
}
