/* dataplane/port_telemetry.h - figures for DPDK's telemetry socket. Private to this folder.
 *
 * The socket is served by a thread of EAL; figures come from the port's thread. Between them stands a table under a lock, which
 * outlives the port: EAL forgets no command. */
#ifndef DATAPLANE_PORT_TELEMETRY_H
#define DATAPLANE_PORT_TELEMETRY_H

#include "giro/dataplane.h"

/* telemetry_publish replaces what `command` answers; its first call makes the command known. */
void telemetry_publish(const char *command, const char *help,
                       const struct giro_port_number *numbers, uint32_t count);

#endif
