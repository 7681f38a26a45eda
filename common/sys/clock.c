#include <time.h>

#include "giro/sys.h"

static uint64_t read_clock(clockid_t id)
{
    struct timespec now;
    /* Cannot fail for these two clocks and a valid pointer. */
    GIRO_ASSERT(clock_gettime(id, &now) == 0);
    return (uint64_t)now.tv_sec * GIRO_NS_PER_S + (uint64_t)now.tv_nsec;
}

static uint64_t wall_ns(void *self)
{
    (void)self;
    return read_clock(CLOCK_REALTIME);
}

static uint64_t mono_ns(void *self)
{
    (void)self;
    return read_clock(CLOCK_MONOTONIC);
}

struct giro_clock giro_clock_system(void)
{
    return (struct giro_clock){.wall_ns = wall_ns, .mono_ns = mono_ns, .self = NULL};
}
