/* Kernel UDP: one non-blocking socket, bursts by recvmmsg and sendmmsg.
 *
 * With UDP_GRO the kernel may hand over several datagrams of one sender glued together; they are
 * cut apart by the segment size it names. What does not fit the burst stays in the receive
 * buffers, so the next recvmmsg waits until all segments of the last one are handed out. */
#include "packet.h"
#include "port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define MESSAGES            64u
#define MESSAGE_BYTES       65536u /* the largest glued message */
#define SOCKET_BUFFER_BYTES (8 * 1024 * 1024)
#define CONTROL_BYTES       CMSG_SPACE(sizeof(int))

struct control {
    _Alignas(struct cmsghdr) uint8_t bytes[CONTROL_BYTES];
};

struct port_udp {
    struct giro_port base;
    /* receive: messages[rx_index] from rx_offset on is still to be handed out */
    struct mmsghdr rx[MESSAGES];
    struct iovec rx_parts[MESSAGES];
    struct sockaddr_in rx_from[MESSAGES];
    struct control rx_control[MESSAGES];
    uint32_t rx_count, rx_index, rx_offset;
    uint8_t *rx_bytes; /* MESSAGES x MESSAGE_BYTES */
    /* send: a ring of tx_count datagrams from tx_first on */
    struct mmsghdr tx[PORT_TX_QUEUE];
    struct iovec tx_parts[PORT_TX_QUEUE];
    struct sockaddr_in tx_to[PORT_TX_QUEUE];
    uint32_t tx_first, tx_count;
    uint8_t *tx_bytes; /* PORT_TX_QUEUE x slot_bytes */
    uint32_t slot_bytes;
    struct packet_host host; /* our own address, for captures */
};

/* A capture wants whole packets: the kernel keeps the headers for itself, so they are made again. */
static void record(struct port_udp *udp, bool sent, const struct giro_endpoint *other,
                   const void *bytes, uint32_t size_bytes, const char *note)
{
    uint8_t packet[PACKET_HEADERS_BYTES + PACKET_PAYLOAD_MAX];
    const struct giro_endpoint own = {.ipv4 = udp->host.ipv4, .port = udp->host.udp_port};
    const struct packet_host from = {.ipv4 = other->ipv4, .udp_port = other->port};
    size_t size =
        packet_build(sent ? &udp->host : &from, sent ? other : &own, 0, bytes, size_bytes, packet);
    capture_packet(udp->base.capture, sent, packet, size, note);
}

static void rx_prepare(struct port_udp *udp, uint32_t index)
{
    udp->rx_parts[index] = (struct iovec){.iov_base = udp->rx_bytes + (size_t)index * MESSAGE_BYTES,
                                          .iov_len = MESSAGE_BYTES};
    udp->rx[index].msg_hdr = (struct msghdr){.msg_name = &udp->rx_from[index],
                                             .msg_namelen = sizeof(udp->rx_from[index]),
                                             .msg_iov = &udp->rx_parts[index],
                                             .msg_iovlen = 1,
                                             .msg_control = &udp->rx_control[index],
                                             .msg_controllen = sizeof(udp->rx_control[index])};
}

/* refill asks the kernel once; only the headers it used need preparing again. */
static void refill(struct port_udp *udp)
{
    for (uint32_t i = 0; i < udp->rx_count; i++)
        rx_prepare(udp, i);
    udp->rx_index = udp->rx_offset = udp->rx_count = 0;
    int count;
    do
        count = recvmmsg(udp->base.fd, udp->rx, MESSAGES, MSG_DONTWAIT, NULL);
    while (count < 0 && errno == EINTR);
    if (count > 0)
        udp->rx_count = (uint32_t)count;
}

/* segment_bytes returns the size of each datagram glued into this message; 0 if it is a single
 * one. */
static uint32_t segment_bytes(struct msghdr *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != IPPROTO_UDP || c->cmsg_type != UDP_GRO)
            continue;
        int size = 0;
        memcpy(&size, CMSG_DATA(c), sizeof(size));
        return size > 0 ? (uint32_t)size : 0;
    }
    return 0;
}

/* All of a message from an address that is not allowed. */
static void refuse(struct port_udp *udp, const struct giro_endpoint *from, const uint8_t *bytes,
                   uint32_t total, uint32_t step)
{
    uint32_t at = 0;
    do {
        uint32_t size = step != 0 && step < total - at ? step : total - at;
        if (udp->base.capture != NULL)
            record(udp, false, from, bytes + at, size, "dropped: not on the allow-list");
        udp->base.counters.not_allowed++;
        at += size;
    } while (at < total);
    udp->rx_index++;
}

static uint32_t hand_out(struct port_udp *udp, struct giro_datagram *datagrams, uint32_t room)
{
    struct mmsghdr *message = &udp->rx[udp->rx_index];
    const struct sockaddr_in *address = &udp->rx_from[udp->rx_index];
    const struct giro_endpoint from = {.ipv4 = ntohl(address->sin_addr.s_addr),
                                       .port = ntohs(address->sin_port)};
    const uint8_t *bytes = udp->rx_parts[udp->rx_index].iov_base;
    uint32_t total = message->msg_len, step = segment_bytes(&message->msg_hdr), count = 0;
    if (message->msg_hdr.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
        udp->base.counters.truncated++;
        udp->rx_index++;
        return 0;
    }
    if (!giro_allow_address(udp->base.allow, from.ipv4)) {
        refuse(udp, &from, bytes, total, step);
        return 0;
    }
    do { /* an empty datagram is handed out too: the ingress counts it */
        uint32_t left = total - udp->rx_offset;
        uint32_t size = step != 0 && step < left ? step : left;
        datagrams[count] = (struct giro_datagram){
            .bytes = bytes + udp->rx_offset, .size_bytes = size, .from = from};
        if (udp->base.capture != NULL)
            record(udp, false, &from, datagrams[count].bytes, size, NULL);
        count++;
        udp->rx_offset += size;
    } while (count < room && udp->rx_offset < total);
    if (udp->rx_offset >= total) {
        udp->rx_offset = 0;
        udp->rx_index++;
    }
    return count;
}

static uint32_t udp_receive(struct giro_port *port, struct giro_datagram *datagrams)
{
    struct port_udp *udp = (struct port_udp *)port;
    if (udp->rx_index == udp->rx_count)
        refill(udp);
    uint32_t count = 0;
    while (count < GIRO_PORT_BURST && udp->rx_index < udp->rx_count)
        count += hand_out(udp, datagrams + count, GIRO_PORT_BURST - count);
    return count;
}

static void tx_done(struct port_udp *udp, uint32_t count)
{
    udp->tx_first = (udp->tx_first + count) % PORT_TX_QUEUE;
    udp->tx_count -= count;
}

static void udp_flush(struct giro_port *port)
{
    struct port_udp *udp = (struct port_udp *)port;
    while (udp->tx_count > 0) {
        uint32_t run = PORT_TX_QUEUE - udp->tx_first;
        if (run > udp->tx_count)
            run = udp->tx_count;
        int sent = sendmmsg(port->fd, &udp->tx[udp->tx_first], run, MSG_DONTWAIT);
        if (sent > 0) {
            for (uint32_t i = 0; i < (uint32_t)sent; i++)
                port->counters.sent_bytes += udp->tx_parts[udp->tx_first + i].iov_len;
            port->counters.sent += (uint32_t)sent;
            tx_done(udp, (uint32_t)sent);
        } else if (errno == EAGAIN || errno == ENOBUFS) {
            return; /* the socket's buffer is full: the rest waits for the next flush */
        } else if (errno != EINTR) {
            port->counters
                .send_failed++; /* this one cannot go (no route, filtered): not the others' harm */
            tx_done(udp, 1);
        }
    }
}

static enum giro_err udp_send(struct giro_port *port, const struct giro_endpoint *to,
                              const void *bytes, uint32_t size_bytes)
{
    struct port_udp *udp = (struct port_udp *)port;
    if (udp->tx_count == PORT_TX_QUEUE)
        udp_flush(port);
    if (udp->tx_count == PORT_TX_QUEUE)
        return GIRO_ERR_FULL;
    uint32_t index = (udp->tx_first + udp->tx_count) % PORT_TX_QUEUE;
    if (size_bytes > 0) /* bytes may be NULL then */
        memcpy(udp->tx_bytes + (size_t)index * udp->slot_bytes, bytes, size_bytes);
    if (port->capture != NULL)
        record(udp, true, to, bytes, size_bytes, NULL);
    udp->tx_parts[index].iov_len = size_bytes;
    udp->tx_to[index].sin_port = htons(to->port);
    udp->tx_to[index].sin_addr.s_addr = htonl(to->ipv4);
    udp->tx_count++;
    return GIRO_ERR_OK;
}

static void udp_close(struct giro_port *port)
{
    struct port_udp *udp = (struct port_udp *)port;
    udp_flush(port);
    if (port->fd >= 0)
        close(port->fd);
    free(udp->rx_bytes);
    free(udp->tx_bytes);
    free(udp);
}

/* A count of 32 bits in the socket, kept here as 64. */
static uint64_t udp_lost(struct giro_port *port)
{
    uint32_t info[SK_MEMINFO_VARS] = {0};
    socklen_t size = sizeof(info);
    if (getsockopt(port->fd, SOL_SOCKET, SO_MEMINFO, info, &size) != 0)
        return port->counters.lost;
    return port->counters.lost + (uint32_t)(info[SK_MEMINFO_DROPS] - (uint32_t)port->counters.lost);
}

static const struct port_ops udp_ops = {.receive = udp_receive,
                                        .send = udp_send,
                                        .flush = udp_flush,
                                        .lost = udp_lost,
                                        .close = udp_close};

static void buffer_grow(int fd, int force, int plain)
{
    int size = SOCKET_BUFFER_BYTES;
    if (setsockopt(fd, SOL_SOCKET, force, &size, sizeof(size)) != 0)
        (void)setsockopt(fd, SOL_SOCKET, plain, &size,
                         sizeof(size)); /* capped by net.core.*mem_max */
}

static int socket_open(uint32_t ipv4, uint16_t udp_port)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    buffer_grow(fd, SO_RCVBUFFORCE, SO_RCVBUF);
    buffer_grow(fd, SO_SNDBUFFORCE, SO_SNDBUF);
    int on = 1;
    (void)setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on)); /* older kernels: one by one */
    struct sockaddr_in own = {
        .sin_family = AF_INET, .sin_port = htons(udp_port), .sin_addr.s_addr = htonl(ipv4)};
    if (bind(fd, (const struct sockaddr *)&own, sizeof(own)) == 0)
        return fd;
    int kept = errno;
    close(fd);
    errno = kept;
    return -1;
}

enum giro_err port_udp_open(const struct giro_port_options *options, uint32_t ipv4,
                            struct giro_port **port, struct giro_diagnosis *diagnosis)
{
    struct port_udp *udp = calloc(1, sizeof(*udp));
    if (udp == NULL)
        return GIRO_ERR_NOMEM;
    udp->base.ops = &udp_ops;
    udp->base.allow = options->allow;
    udp->host = (struct packet_host){.ipv4 = ipv4, .udp_port = options->udp_port};
    udp->slot_bytes = options->mtu - PORT_HEADERS;
    udp->rx_bytes = malloc((size_t)MESSAGES * MESSAGE_BYTES);
    udp->tx_bytes = malloc((size_t)PORT_TX_QUEUE * udp->slot_bytes);
    bool memory = udp->rx_bytes != NULL && udp->tx_bytes != NULL;
    udp->base.fd = memory ? socket_open(ipv4, options->udp_port) : -1;
    if (udp->base.fd < 0) {
        int kept = memory ? errno : ENOMEM;
        giro_diagnosis_set(diagnosis, strerror(kept),
                           "check that the address is this machine's and the port is free",
                           "UDP port %u at %s cannot be opened", options->udp_port,
                           options->address);
        udp_close(&udp->base);
        return kept == ENOMEM ? GIRO_ERR_NOMEM : GIRO_ERR_NETWORK;
    }
    for (uint32_t i = 0; i < MESSAGES; i++)
        rx_prepare(udp, i);
    for (uint32_t i = 0; i < PORT_TX_QUEUE; i++) {
        udp->tx_to[i].sin_family = AF_INET;
        udp->tx_parts[i].iov_base = udp->tx_bytes + (size_t)i * udp->slot_bytes;
        udp->tx[i].msg_hdr = (struct msghdr){.msg_name = &udp->tx_to[i],
                                             .msg_namelen = sizeof(udp->tx_to[i]),
                                             .msg_iov = &udp->tx_parts[i],
                                             .msg_iovlen = 1};
    }
    *port = &udp->base;
    return GIRO_ERR_OK;
}
