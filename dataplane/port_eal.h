/* dataplane/port_eal.h - starting EAL, and what af_packet needs of the kernel. Private to this
 * folder. */
#ifndef DATAPLANE_PORT_EAL_H
#define DATAPLANE_PORT_EAL_H

#include "giro/dataplane.h"

/* eal_start runs rte_eal_init with arguments made from the options; the device's DPDK name goes to
 * name[0..name_bytes). The calling thread keeps its CPU affinity. Once per process. */
enum giro_err eal_start(const struct giro_port_options *options, char *name, size_t name_bytes,
                        struct giro_diagnosis *diagnosis);
void eal_stop(void);

/* interface_prepare brings a kernel interface up and refuses one that has ipv4 itself: the
 * kernel would answer in our name. */
enum giro_err interface_prepare(const char *device, uint32_t ipv4,
                                struct giro_diagnosis *diagnosis);
/* interface_socket finds the descriptor of this process's packet socket bound to device, or -1:
 * the PMD offers no receive interrupt, but its socket can be polled. */
int interface_socket(const char *device);

#endif
