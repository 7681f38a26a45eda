/* The linker puts this in the place of the leader schedule (--wrap): a scenario names the leaders of its rounds. */
#include <string.h>

#include "consensus/leader.h"
#include "twins/twins.h"

uint8_t twins_leaders[HUB_ROUNDS_MAX];

void twins_leaders_clear(void)
{
    memset(twins_leaders, 0xFF, sizeof(twins_leaders));
}

uint32_t __real_giro_leader_window_leader(const struct giro_leader_window *window,
                                          uint32_t replica_count, uint64_t round, uint64_t height);
uint32_t __wrap_giro_leader_window_leader(const struct giro_leader_window *window,
                                          uint32_t replica_count, uint64_t round, uint64_t height);

uint32_t __wrap_giro_leader_window_leader(const struct giro_leader_window *window,
                                          uint32_t replica_count, uint64_t round, uint64_t height)
{
    if (round < HUB_ROUNDS_MAX && twins_leaders[round] != 0xFF)
        return twins_leaders[round];
    return __real_giro_leader_window_leader(window, replica_count, round, height);
}
