/* apps/girod/alarms.h - log lines of what an operator must hear of without asking. Internal to girod. */
#ifndef GIRO_APPS_ALARMS_H
#define GIRO_APPS_ALARMS_H

#include "apps/girod/replica.h"

/* What was said already. Zeroed: nothing. */
struct giro_alarms {
    uint64_t no_quorum_said, halted_said[GIRO_REPLICAS_MAX];
};
/* giro_alarms_start says what the start found and put right. */
void giro_alarms_start(const struct giro_replica *replica);
/* giro_alarms_look says what is new or still wrong. Once a second. */
void giro_alarms_look(struct giro_alarms *said, const struct giro_replica *replica,
                      uint32_t replica_count);

#endif
