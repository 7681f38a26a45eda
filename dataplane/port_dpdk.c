/* DPDK ethdev: one port, one or more receive queues, one to send, our own IPv4 address on it.
 *
 * The mbufs of a burst are kept until the next receive, because the datagrams handed out point
 * into them; packets to send are built into mbufs of the same pool and wait in `tx` for the next
 * flush. */
#include "port.h"

#include <stdlib.h>
#include <unistd.h>

#include <rte_config.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include "packet.h"
#include "port_eal.h"

#define POOL_MBUFS 4095u /* rings, the burst held, the send queue, and room: about 9 MiB */
#define POOL_JUMBO                                                                                 \
    2047u /* the same with buffers for 9,216 bytes, which af_packet rounds up to 16 KiB: 34 MiB */
#define POOL_CACHE         128u
#define RING_SLOTS         1024u
#define DEVICE_BYTES       64u
#define ETHER_HEADER_BYTES 14u
#define OWN_REPLY          UINT16_MAX
#define FLUSH_TRIES        4u
/* Headers of so many packets ahead are on their way to the cache while one is parsed. */
#define PREFETCH_AHEAD 4u

struct port_dpdk {
    struct giro_port base;
    struct packet_host host;
    struct rte_mempool *pool;
    uint16_t port_id, identification;
    uint16_t queues, next_queue;
    uint32_t packet_bytes_max;
    bool started;
    int sockets[GIRO_PORT_QUEUES_MAX]; /* af_packet's */
    uint32_t socket_count;
    int wait_fd; /* of our own, over several queues' sockets; -1: none */
    uint32_t held_count, tx_count;
    struct rte_mbuf *held[GIRO_PORT_BURST];
    struct rte_mbuf *tx[PORT_TX_QUEUE];
    uint16_t tx_payload_bytes[PORT_TX_QUEUE]; /* OWN_REPLY: not a datagram of the caller's */
};

/* ---- Sending --------------------------------------------------------------------------------- */

static void tx_done(struct port_dpdk *dpdk, uint32_t count)
{
    struct giro_port_counters *counters = &dpdk->base.counters;
    for (uint32_t i = 0; i < count; i++) {
        if (dpdk->tx_payload_bytes[i] == OWN_REPLY)
            continue;
        counters->sent++;
        counters->sent_bytes += dpdk->tx_payload_bytes[i];
    }
    dpdk->tx_count -= count;
    memmove(dpdk->tx, dpdk->tx + count, dpdk->tx_count * sizeof(dpdk->tx[0]));
    memmove(dpdk->tx_payload_bytes, dpdk->tx_payload_bytes + count,
            dpdk->tx_count * sizeof(dpdk->tx_payload_bytes[0]));
}

static void dpdk_flush(struct giro_port *port)
{
    struct port_dpdk *dpdk = (struct port_dpdk *)port;
    for (uint32_t tries = 0; dpdk->tx_count > 0 && tries < FLUSH_TRIES; tries++)
        tx_done(dpdk, rte_eth_tx_burst(dpdk->port_id, 0, dpdk->tx, (uint16_t)dpdk->tx_count));
}

static struct rte_mbuf *packet_new(struct port_dpdk *dpdk)
{
    if (dpdk->tx_count == PORT_TX_QUEUE)
        dpdk_flush(&dpdk->base);
    return dpdk->tx_count == PORT_TX_QUEUE ? NULL : rte_pktmbuf_alloc(dpdk->pool);
}

static void packet_queue(struct port_dpdk *dpdk, struct rte_mbuf *mbuf, size_t size_bytes,
                         uint16_t payload_bytes)
{
    GIRO_ASSERT(dpdk->tx_count < PORT_TX_QUEUE);
    GIRO_ASSERT(size_bytes <= dpdk->packet_bytes_max);
    mbuf->data_len = (uint16_t)size_bytes;
    mbuf->pkt_len = (uint32_t)size_bytes;
    if (dpdk->base.capture != NULL)
        capture_packet(dpdk->base.capture, true, rte_pktmbuf_mtod(mbuf, const void *), size_bytes,
                       NULL);
    dpdk->tx_payload_bytes[dpdk->tx_count] = payload_bytes;
    dpdk->tx[dpdk->tx_count++] = mbuf;
}

static enum giro_err dpdk_send(struct giro_port *port, const struct giro_endpoint *to,
                               const void *bytes, uint32_t size_bytes)
{
    struct port_dpdk *dpdk = (struct port_dpdk *)port;
    struct rte_mbuf *mbuf = packet_new(dpdk);
    if (mbuf == NULL)
        return GIRO_ERR_FULL;
    size_t size = packet_build(&dpdk->host, to, dpdk->identification++, bytes, size_bytes,
                               rte_pktmbuf_mtod(mbuf, uint8_t *));
    packet_queue(dpdk, mbuf, size, (uint16_t)size_bytes);
    return GIRO_ERR_OK;
}

/* ---- Receiving ------------------------------------------------------------------------------- */

static bool reply(struct port_dpdk *dpdk, enum packet_verdict verdict, const uint8_t *packet,
                  size_t size_bytes)
{
    struct rte_mbuf *mbuf = packet_new(dpdk);
    if (mbuf == NULL)
        return false;
    size_t size = packet_reply(&dpdk->host, verdict, packet, size_bytes,
                               rte_pktmbuf_mtod(mbuf, uint8_t *), dpdk->packet_bytes_max);
    if (size == 0) {
        rte_pktmbuf_free(mbuf);
        return false;
    }
    packet_queue(dpdk, mbuf, size, OWN_REPLY);
    return true;
}

/* The counter of a verdict that drops the packet, and its name in a capture. */
static uint64_t *drop_counter(struct giro_port_counters *counters, enum packet_verdict verdict,
                              const char **name)
{
    switch (verdict) {
    case PACKET_UDP:
    case PACKET_ARP:
    case PACKET_ECHO:
        break;
    case PACKET_NOT_IPV4:
        *name = "dropped: not IPv4";
        return &counters->not_ipv4;
    case PACKET_NOT_UDP:
        *name = "dropped: not UDP";
        return &counters->not_udp;
    case PACKET_OTHER_ADDRESS:
        *name = "dropped: for another address";
        return &counters->other_address;
    case PACKET_NOT_ALLOWED:
        *name = "dropped: not on the allow-list";
        return &counters->not_allowed;
    case PACKET_FRAGMENT:
        *name = "dropped: a fragment";
        return &counters->fragment;
    case PACKET_BAD_CHECKSUM:
        *name = "dropped: wrong checksum";
        return &counters->bad_checksum;
    case PACKET_TRUNCATED:
        *name = "dropped: cut short, or too large";
        return &counters->truncated;
    }
    return NULL;
}

/* take_packet returns 1 if the packet is a datagram for us, else answers or counts it and
 * returns 0. */
static uint32_t take_packet(struct port_dpdk *dpdk, struct rte_mbuf *mbuf,
                            struct giro_datagram *datagram)
{
    struct giro_port_counters *counters = &dpdk->base.counters;
    const uint8_t *packet = rte_pktmbuf_mtod(mbuf, const uint8_t *);
    size_t size = mbuf->data_len;
    const char *note = NULL;
    enum packet_verdict verdict =
        mbuf->nb_segs == 1 ? packet_parse(&dpdk->host, packet, size, datagram)
                           : PACKET_TRUNCATED; /* larger than one buffer: larger than the MTU */
    uint64_t *dropped = drop_counter(counters, verdict, &note);
    if (dropped != NULL)
        (*dropped)++;
    if (dpdk->base.capture != NULL)
        capture_packet(dpdk->base.capture, false, packet, size, note);
    if (verdict == PACKET_ARP)
        counters->arp_answered += reply(dpdk, verdict, packet, size);
    if (verdict == PACKET_ECHO)
        counters->echo_answered += reply(dpdk, verdict, packet, size);
    return verdict == PACKET_UDP ? 1 : 0;
}

static void held_free(struct port_dpdk *dpdk)
{
    if (dpdk->held_count > 0)
        rte_pktmbuf_free_bulk(dpdk->held, dpdk->held_count);
    dpdk->held_count = 0;
}

static uint32_t dpdk_receive(struct giro_port *port, struct giro_datagram *datagrams)
{
    struct port_dpdk *dpdk = (struct port_dpdk *)port;
    held_free(dpdk);
    GIRO_ASSERT(dpdk->queues > 0);
    /* Each queue in turn comes first, and the others fill what it leaves of the burst. */
    for (uint16_t i = 0; i < dpdk->queues && dpdk->held_count < GIRO_PORT_BURST; i++)
        dpdk->held_count += rte_eth_rx_burst(
            dpdk->port_id, (uint16_t)((dpdk->next_queue + i) % dpdk->queues),
            dpdk->held + dpdk->held_count, (uint16_t)(GIRO_PORT_BURST - dpdk->held_count));
    dpdk->next_queue = (uint16_t)((dpdk->next_queue + 1) % dpdk->queues);
    uint32_t count = 0;
    for (uint32_t i = 0; i < dpdk->held_count && i < PREFETCH_AHEAD; i++)
        rte_prefetch0(rte_pktmbuf_mtod(dpdk->held[i], const void *));
    for (uint32_t i = 0; i < dpdk->held_count; i++) {
        if (i + PREFETCH_AHEAD < dpdk->held_count)
            rte_prefetch0(rte_pktmbuf_mtod(dpdk->held[i + PREFETCH_AHEAD], const void *));
        count += take_packet(dpdk, dpdk->held[i], &datagrams[count]);
    }
    if (dpdk->tx_count > 0)
        dpdk_flush(port); /* whoever asked for our address waits for the answer */
    return count;
}

/* ---- Opening and closing --------------------------------------------------------------------- */

static void dpdk_close(struct giro_port *port)
{
    struct port_dpdk *dpdk = (struct port_dpdk *)port;
    if (dpdk->started) {
        dpdk_flush(port);
        held_free(dpdk);
        if (dpdk->tx_count > 0)
            rte_pktmbuf_free_bulk(dpdk->tx, dpdk->tx_count);
        (void)rte_eth_dev_stop(dpdk->port_id);
        (void)rte_eth_dev_close(dpdk->port_id);
    }
    if (dpdk->pool != NULL)
        rte_mempool_free(dpdk->pool);
    eal_stop();
    if (dpdk->wait_fd >= 0)
        close(dpdk->wait_fd);
    free(dpdk);
}

static uint64_t dpdk_lost(struct giro_port *port)
{
    const struct port_dpdk *dpdk = (const struct port_dpdk *)port;
    return port->counters.lost + interface_lost(dpdk->sockets, dpdk->socket_count);
}

static const struct port_ops dpdk_ops = {.receive = dpdk_receive,
                                         .send = dpdk_send,
                                         .flush = dpdk_flush,
                                         .lost = dpdk_lost,
                                         .close = dpdk_close};

/* How the NIC spreads packets over the queues: by UDP's addresses and ports where it can. af_packet does it by itself
 * (PACKET_FANOUT). */
static void conf_make(const struct port_dpdk *dpdk, const struct giro_port_options *options,
                      struct rte_eth_conf *conf)
{
    struct rte_eth_dev_info info;
    *conf = (struct rte_eth_conf){.rxmode = {.mq_mode = RTE_ETH_MQ_RX_NONE}};
    if (strcmp(options->driver, "af_packet") == 0)
        return; /* its MTU is the interface's */
    if (options->mtu > PORT_MTU)
        conf->rxmode.mtu = options->mtu;
    if (dpdk->queues == 1 || rte_eth_dev_info_get(dpdk->port_id, &info) != 0 ||
        (info.flow_type_rss_offloads & RTE_ETH_RSS_UDP) == 0)
        return;
    conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    conf->rx_adv_conf.rss_conf.rss_hf = info.flow_type_rss_offloads & RTE_ETH_RSS_UDP;
}

static int queues_start(struct port_dpdk *dpdk, const struct rte_eth_conf *conf, const char **step)
{
    uint16_t rx_slots = RING_SLOTS, tx_slots = RING_SLOTS;
    int socket_id = rte_eth_dev_socket_id(dpdk->port_id);
    unsigned int socket = socket_id < 0 ? (unsigned int)SOCKET_ID_ANY : (unsigned int)socket_id;
    int result;
    *step = "configure";
    if ((result = rte_eth_dev_configure(dpdk->port_id, dpdk->queues, 1, conf)) != 0 ||
        (result = rte_eth_dev_adjust_nb_rx_tx_desc(dpdk->port_id, &rx_slots, &tx_slots)) != 0)
        return result;
    *step = "set up the queues of";
    for (uint16_t i = 0; i < dpdk->queues; i++) {
        result = rte_eth_rx_queue_setup(dpdk->port_id, i, rx_slots, socket, NULL, dpdk->pool);
        if (result != 0)
            return result;
    }
    return rte_eth_tx_queue_setup(dpdk->port_id, 0, tx_slots, socket, NULL);
}

/* device_start returns 0 or a negative errno; *step says what was tried. */
static int device_start(struct port_dpdk *dpdk, const struct giro_port_options *options,
                        const char *name, const char **step)
{
    struct rte_eth_conf conf;
    int result;
    *step = "find";
    if ((result = rte_eth_dev_get_port_by_name(name, &dpdk->port_id)) != 0)
        return result;
    conf_make(dpdk, options, &conf);
    if ((result = queues_start(dpdk, &conf, step)) != 0)
        return result;
    *step = "start";
    if ((result = rte_eth_dev_start(dpdk->port_id)) != 0)
        return result;
    dpdk->started = true;
    (void)rte_eth_promiscuous_enable(
        dpdk->port_id); /* packet_parse looks at the MAC; not all PMDs can */
    struct rte_ether_addr mac;
    *step = "read the MAC of";
    if ((result = rte_eth_macaddr_get(dpdk->port_id, &mac)) != 0)
        return result;
    memcpy(dpdk->host.mac, mac.addr_bytes, sizeof(dpdk->host.mac));
    return 0;
}

static enum giro_err port_start(struct port_dpdk *dpdk, const struct giro_port_options *options,
                                const char *name, struct giro_diagnosis *diagnosis)
{
    bool jumbo = options->mtu > PORT_MTU;
    uint32_t mbufs = jumbo ? POOL_JUMBO : POOL_MBUFS;
    /* af_packet wants a buffer for a whole slot of its ring */
    uint32_t room =
        jumbo ? RTE_PKTMBUF_HEADROOM + eal_ring_frame(options->mtu) : RTE_MBUF_DEFAULT_BUF_SIZE;
    dpdk->pool = rte_pktmbuf_pool_create("giro_packets", mbufs, POOL_CACHE, 0, (uint16_t)room,
                                         SOCKET_ID_ANY);
    if (dpdk->pool == NULL) {
        giro_diagnosis_set(diagnosis, rte_strerror(rte_errno), "raise the port's memory_mb",
                           "DPDK has no memory for %u packet buffers of %u bytes", mbufs, room);
        return GIRO_ERR_NOMEM;
    }
    const char *step = "";
    int result = device_start(dpdk, options, name, &step);
    if (result == 0)
        return GIRO_ERR_OK;
    giro_diagnosis_set(diagnosis, rte_strerror(-result),
                       "check that this driver knows the device, its queues and MTU, or use driver "
                       "udp",
                       "DPDK cannot %s port \"%s\"", step, name);
    return GIRO_ERR_PORT;
}

enum giro_err port_dpdk_open(const struct giro_port_options *options, uint32_t ipv4,
                             struct giro_port **port, struct giro_diagnosis *diagnosis)
{
    bool af_packet = strcmp(options->driver, "af_packet") == 0;
    char name[DEVICE_BYTES];
    if (af_packet)
        GIRO_TRY(interface_prepare(options->device, ipv4, options->mtu, diagnosis));
    struct port_dpdk *dpdk = calloc(1, sizeof(*dpdk));
    if (dpdk == NULL)
        return GIRO_ERR_NOMEM;
    enum giro_err err = eal_start(options, name, sizeof(name), diagnosis);
    if (err != GIRO_ERR_OK) {
        free(dpdk);
        return err;
    }
    dpdk->base.ops = &dpdk_ops;
    dpdk->base.fd = -1;
    dpdk->wait_fd = -1;
    dpdk->base.allow = options->allow;
    dpdk->queues = (uint16_t)options->queues;
    dpdk->packet_bytes_max = ETHER_HEADER_BYTES + options->mtu;
    dpdk->host.ipv4 = ipv4;
    dpdk->host.udp_port = options->udp_port;
    dpdk->host.allow = options->allow;
    err = port_start(dpdk, options, name, diagnosis);
    if (err != GIRO_ERR_OK) {
        dpdk_close(&dpdk->base);
        return err;
    }
    if (af_packet) {
        dpdk->socket_count =
            interface_sockets(options->device, dpdk->sockets, GIRO_PORT_QUEUES_MAX);
        dpdk->base.fd = interface_wait_fd(options->device, &dpdk->wait_fd);
    }
    *port = &dpdk->base;
    return GIRO_ERR_OK;
}
