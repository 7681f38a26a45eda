/* apps/girod/hub_port.h - the hub's port: opened as the configuration says, and what DPDK's telemetry socket tells of it. Internal
 * to girod. */
#ifndef GIRO_APPS_HUB_PORT_H
#define GIRO_APPS_HUB_PORT_H

#include "giro/config.h"
#include "giro/sessions.h"
#include "giro/verifiers.h"

/* giro_hub_port_open makes the allow-list (NULL: everybody), which the caller closes after the port, and opens the port. */
enum giro_err giro_hub_port_open(const struct giro_config *config,
                                 const struct giro_genesis *genesis, struct giro_allow **allow,
                                 struct giro_port **port,
                                 struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
/* giro_hub_port_publish publishes /giro/port, /giro/ingress, /giro/verify and /giro/sessions; nothing unless the port has a
 * telemetry socket. Once a second. */
void giro_hub_port_publish(struct giro_port *port, const struct giro_genesis *genesis,
                           const struct giro_ingress *ingress,
                           const struct giro_verifiers_counters *verifiers,
                           const struct giro_sessions_counters *sessions);

#endif
