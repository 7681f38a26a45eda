/* apps/giro/replicas.h - a table of the replicas' own words about themselves. */
#ifndef GIRO_APPS_REPLICAS_H
#define GIRO_APPS_REPLICAS_H

#include "apps/giro/https.h"

/* giro_replicas_show asks every address and prints a line each. With settle_s > 0 it first waits, at most that long, until all
 * answer, agree on their height, have certified all they executed, and stay so for two seconds. With json_path not NULL what
 * each said last goes there as it came: an object by "host:port", null for one that did not answer. Returns an exit code: 0 iff
 * all answered and, with settle_s, agreed. */
int giro_replicas_show(const struct giro_hub_view *view, const struct giro_secret_key *key,
                       const struct giro_config_address *addresses, uint32_t count,
                       uint32_t settle_s, const char *json_path);

#endif
