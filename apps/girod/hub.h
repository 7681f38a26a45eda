/* apps/girod/hub.h - one running replica: port, ingress, replica, links, HTTPS, files, joined by one event loop.
 *
 * Stages are poll functions called in turn by one thread: receive -> verify -> replica (batch, order, execute) -> receipts.
 * A turn takes bounded work from each; when a turn finds nothing, the loop sleeps in libevent on the port's descriptor, the
 * disk's eventfd, the sockets and the next timer, so an idle hub uses almost no CPU. */
#ifndef GIRO_APPS_HUB_H
#define GIRO_APPS_HUB_H

#include "giro/config.h"

struct giro_hub;
/* giro_hub_open starts everything up to and including replay of the log. */
enum giro_err giro_hub_open(const struct giro_config *config, struct giro_hub **hub,
                            struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
/* giro_hub_run returns after SIGINT or SIGTERM (OK), or with the error that stopped the replica. */
enum giro_err giro_hub_run(struct giro_hub *hub, struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
void giro_hub_close(struct giro_hub *hub);

#endif
