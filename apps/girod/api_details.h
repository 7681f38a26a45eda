/* apps/girod/api_details.h - the pages of the members' days of details (apps/girod/details_files.h). Internal to girod.
 *
 *   GET /v1/details                     [{"bic","date","bytes","digest"}] of the client (operator: ?member=BIC); equal digests: equal bytes;
 *                                       "gap": true: something of that day may be missing here, what is there can be had
 *   GET /v1/details/<BIC>/<date>?from=<offset>&to=<offset>   bytes of that day               own BIC, operator
 * Whoever asks for another member's gets 403, whether there is one or not. */
#ifndef GIRO_APPS_API_DETAILS_H
#define GIRO_APPS_API_DETAILS_H

#include "apps/girod/api.h"
#include "apps/girod/api_answer.h"

/* rest: what follows /v1/details in the path. */
void giro_api_details(const struct giro_api_options *options, struct evhttp_request *request,
                      uint32_t client, const char *rest);

#endif
