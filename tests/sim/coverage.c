/* States covered: distinct (kind of event, state before, state after), the state being what its status shows, in orders of
 * magnitude. Over all histories of this run of the program. */
#include "sim/node.h"

#define BITS (1u << 22)

static uint64_t seen[BITS / 64];
static uint64_t count;
static uint32_t states[SIM_INSTANCES_MAX];

static uint32_t magnitude(uint64_t value)
{
    return value == 0 ? 0 : 64 - (uint32_t)__builtin_clzll(value);
}

static uint32_t lag(uint64_t ahead, uint64_t behind)
{
    uint32_t order = ahead > behind ? magnitude(ahead - behind) : 0;
    return order < 7 ? order : 7;
}

static uint32_t state_of(const struct giro_consensus_status *status)
{
    uint32_t state = status->starting ? 1 : status->observer ? 2 : status->halted ? 3 : 0;
    state = state * 8 + lag(status->round, status->high_qc_round + 1);
    state = state * 8 + lag(status->high_qc_round, status->committed_height);
    state = state * 8 + lag(status->committed_height, status->executed_height);
    state = state * 8 + lag(status->executed_height, status->certified_height);
    return state * 4 + (uint32_t)(status->timeouts_sent & 1) * 2 +
           (uint32_t)(status->votes_sent & 1);
}

void sim_coverage_mark(struct sim_replica *replica, uint16_t body_kind)
{
    struct giro_consensus_status status;
    giro_node_status(sim_node_of(replica)->node, &status);
    uint32_t before = states[replica->instance], after = state_of(&status);
    states[replica->instance] = after;
    uint64_t edge = ((uint64_t)body_kind << 32 | before) * UINT64_C(0x9E3779B97F4A7C15) ^ after;
    uint32_t bit = (uint32_t)(edge * UINT64_C(0xD6E8FEB86659FD93) >> 42);
    if ((seen[bit / 64] >> (bit % 64) & 1) != 0)
        return;
    seen[bit / 64] |= UINT64_C(1) << (bit % 64);
    count++;
}

uint64_t sim_coverage_count(void)
{
    return count;
}
