/* consensus/patience.h - how long to wait for an answer before asking again.
 *
 * Asking again too early fills a slow link with copies, and what waits behind them comes later still: a hub can choke on its own
 * repetitions. So the wait follows what answers took: twice the longest of late, shrinking by an eighth of the excess with each
 * quicker one; and it doubles, once per wait, when one is over in vain. */
#ifndef GIRO_CONSENSUS_PATIENCE_H
#define GIRO_CONSENSUS_PATIENCE_H

#include <stdint.h>

struct giro_patience {
    uint64_t least_ns, most_ns;
    uint64_t wait_ns;
    uint64_t doubled_ns; /* when last */
};

static inline void giro_patience_init(struct giro_patience *patience, uint64_t least_ns,
                                      uint64_t most_ns)
{
    *patience =
        (struct giro_patience){.least_ns = least_ns, .most_ns = most_ns, .wait_ns = least_ns};
}

/* An answer came took_ns after it was asked for. */
static inline void giro_patience_answered(struct giro_patience *patience, uint64_t took_ns)
{
    uint64_t wait_ns = took_ns < patience->most_ns ? 2 * took_ns : patience->most_ns;
    wait_ns = wait_ns < patience->least_ns ? patience->least_ns : wait_ns;
    wait_ns = wait_ns > patience->most_ns ? patience->most_ns : wait_ns;
    if (wait_ns > patience->wait_ns)
        patience->wait_ns = wait_ns;
    else
        patience->wait_ns -= (patience->wait_ns - wait_ns) / 8;
}

/* A wait is over in vain. Several that began together count once. */
static inline void giro_patience_failed(struct giro_patience *patience, uint64_t now_ns)
{
    if (now_ns - patience->doubled_ns < patience->wait_ns)
        return;
    patience->doubled_ns = now_ns;
    patience->wait_ns =
        patience->wait_ns > patience->most_ns / 2 ? patience->most_ns : 2 * patience->wait_ns;
}

#endif
