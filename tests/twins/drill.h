/* tests/twins/drill.h - histories written by hand, for what chance meets too seldom: each returns with hub->failure set, or
 * not. */
#ifndef GIRO_TESTS_TWINS_DRILL_H
#define GIRO_TESTS_TWINS_DRILL_H

#include "twins/hub.h"

struct drill {
    const char *name;
    void (*run)(struct hub *hub, void *context);
};
extern const struct drill drills[];
extern const uint32_t drill_count;

/* drill_run plays one from the frozen start of a hub of four honest replicas with instant disks (twins_hub(4, 0)). */
void drill_run(struct hub *hub, const struct drill *drill);

#endif
