/* dataplane/port.h - what the back ends of a port share. Private to this folder. */
#ifndef DATAPLANE_PORT_H
#define DATAPLANE_PORT_H

#include "capture.h"
#include "giro/dataplane.h"

#define PORT_TX_QUEUE 64u
#define PORT_MTU      1500u
#define PORT_HEADERS  28u /* of the MTU: IPv4 and UDP */

struct port_ops {
    uint32_t (*receive)(struct giro_port *port, struct giro_datagram *datagrams);
    /* arguments are checked already; FULL if nothing could be queued even after a flush */
    enum giro_err (*send)(struct giro_port *port, const struct giro_endpoint *to, const void *bytes,
                          uint32_t size_bytes);
    void (*flush)(struct giro_port *port);
    /* lost returns how many packets the kernel has dropped since the port was opened */
    uint64_t (*lost)(struct giro_port *port);
    void (*close)(struct giro_port *port); /* frees port */
};

/* First member of each back end's own struct. */
struct giro_port {
    const struct port_ops *ops;
    int fd;                         /* readable when packets may wait, or -1 */
    uint32_t datagram_max;          /* largest payload sent */
    const struct giro_allow *allow; /* NULL: everybody */
    bool telemetry;                 /* EAL\'s socket is open */
    struct capture *capture;        /* NULL: never started */
    struct giro_port_counters counters;
};

/* ipv4 is options->address, parsed, in host order; mtu and queues are set and in range. */
enum giro_err port_udp_open(const struct giro_port_options *options, uint32_t ipv4,
                            struct giro_port **port, struct giro_diagnosis *diagnosis);
enum giro_err port_dpdk_open(const struct giro_port_options *options, uint32_t ipv4,
                             struct giro_port **port, struct giro_diagnosis *diagnosis);

#endif
