/* apps/girod/api_render.h - what the HTTPS interface says, as JSON and Prometheus text. Internal to girod. */
#ifndef GIRO_APPS_API_RENDER_H
#define GIRO_APPS_API_RENDER_H

#include <jansson.h>

#include "apps/girod/api.h"

struct evbuffer;
json_t *giro_api_render_status(const struct giro_api_options *api);
json_t *giro_api_render_payment(const struct giro_genesis *genesis, const struct giro_found *found);
/* Journals of one member; dates from the first to `today`. Cost: two questions to the file system a date. */
json_t *giro_api_render_journals(const struct giro_genesis *genesis,
                                 struct giro_journal_files *journals, uint16_t today,
                                 uint16_t member);
void giro_api_render_metrics(const struct giro_api_options *api, struct evbuffer *out);

#endif
