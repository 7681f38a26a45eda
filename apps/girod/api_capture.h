/* apps/girod/api_capture.h - packets of the port, captured at an operator's wish. Internal to girod.
 *
 *   POST /v1/capture?seconds=10&megabytes=8    starts one: 1..600 s, 1..16 MiB
 *   POST /v1/capture/stop                      ends it now
 *   GET  /v1/capture                           {"running","packets","bytes","error"}
 *   GET  /v1/capture/file                      the pcapng of the last one
 */
#ifndef GIRO_APPS_API_CAPTURE_H
#define GIRO_APPS_API_CAPTURE_H

#include <event2/http.h>

#include "giro/dataplane.h"

/* giro_api_capture answers a request for the path behind /v1/capture. path: where the file is kept. */
void giro_api_capture(struct giro_port *port, const char *path, struct evhttp_request *request,
                      bool post, const char *rest);

#endif
