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
/* eal_ring_frame is the slot of af_packet's rings for packets of this MTU. */
uint32_t eal_ring_frame(uint32_t mtu);

/* interface_prepare brings a kernel interface up, raises its MTU to mtu, and refuses one that has ipv4 itself: the
 * kernel would answer in our name. */
enum giro_err interface_prepare(const char *device, uint32_t ipv4, uint32_t mtu,
                                struct giro_diagnosis *diagnosis);
/* interface_wait_fd finds a descriptor that is readable when a packet socket of this process bound to device is, or -1: the PMD
 * offers no receive interrupt, but its sockets can be polled. *own is what the caller is to close, -1 if nothing. */
int interface_wait_fd(const char *device, int *own);
/* interface_lost returns how many packets these sockets' rings had no place for since it was asked last. */
uint64_t interface_lost(const int *sockets, uint32_t count);
/* interface_sockets finds the packet sockets of this process bound to device, one for each queue, at most max. */
uint32_t interface_sockets(const char *device, int *sockets, uint32_t max);

#endif
