/* apps/girod/port_numbers.h - what DPDK's telemetry socket tells of the port and the ingress. Internal to girod. */
#ifndef GIRO_APPS_PORT_NUMBERS_H
#define GIRO_APPS_PORT_NUMBERS_H

#include "giro/dataplane.h"

/* giro_port_numbers publishes /giro/port and /giro/ingress; nothing unless the port has a telemetry socket. Once a second. */
void giro_port_numbers(struct giro_port *port, const struct giro_genesis *genesis,
                       const struct giro_ingress *ingress);

#endif
