/* flood IFACE MAC HUB_IPV4 UDP_PORT GENESIS RATE SECONDS: raw packets of every bad kind in turn out of IFACE, to the DPDK port with
 * that MAC, RATE packets a second. Prints how many of each kind went out, as "KIND COUNT" lines. Needs NET_RAW.
 *
 * Kinds: random payloads; well-formed frames of a member with a made-up signature, from made-up addresses; IPv4 fragments; BAD_VLAN
 * tags; wrong IPv4 and UDP checksums; packets cut short; BAD_TCP; another host's address; IPv6; a source that is not allowed. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/packet.h"

#define TICK_NS  2000000u
#define PACKETS  2048u
#define FRIENDS  0x0a4d0000u /* 10.77.0.0/24 is allowed */
#define STRANGER 0x0a4e0001u

enum kind {
    BAD_RANDOM,
    BAD_SPOOFED,
    BAD_FRAGMENT,
    BAD_VLAN,
    BAD_IP_CHECKSUM,
    BAD_UDP_CHECKSUM,
    BAD_TRUNCATED,
    BAD_TCP,
    BAD_OTHER_ADDRESS,
    BAD_IPV6,
    BAD_NOT_ALLOWED,
    BAD_KINDS
};
static const char *const names[BAD_KINDS] = {"random",    "spoofed", "fragment",   "vlan",
                                             "ip_sum",    "udp_sum", "truncated",  "tcp",
                                             "elsewhere", "ipv6",    "not_allowed"};

struct flood {
    struct giro_genesis genesis;
    struct giro_prng prng;
    struct giro_endpoint hub;
    int fd;
    struct sockaddr_ll to;
    uint64_t sent[BAD_KINDS];
};

static void ip_sum(uint8_t *packet)
{
    packet[24] = packet[25] = 0;
    uint16_t sum = (uint16_t)~packet_checksum(0, packet + 14, 20);
    memcpy(packet + 24, &sum, sizeof(sum));
}

static uint32_t payload_make(struct flood *flood, enum kind kind, uint8_t *payload)
{
    uint32_t size = 100 + (uint32_t)giro_prng_below(&flood->prng, 1300);
    if (kind != BAD_SPOOFED) {
        giro_prng_fill(&flood->prng, payload, size);
        return size;
    }
    struct giro_frame_header header = {.head = giro_head_make(GIRO_KIND_FRAME),
                                       .chain_prefix = flood->genesis.chain_prefix,
                                       .member = 0,
                                       .key_id = 1,
                                       .record_count = 1,
                                       .sequence = giro_prng_next(&flood->prng) >> 1};
    size = (uint32_t)giro_frame_bytes(&header);
    giro_prng_fill(&flood->prng, payload, size);
    memcpy(payload, &header, sizeof(header));
    return size;
}

/* A good packet first, then what is wrong with it. */
static size_t packet_make(struct flood *flood, enum kind kind, uint8_t *packet)
{
    uint8_t payload[1472];
    uint32_t spoofed = FRIENDS + 10 + (uint32_t)giro_prng_below(&flood->prng, 200);
    const struct packet_host from = {.mac = {2, 0, 0, 0, 7, 7},
                                     .ipv4 = kind == BAD_NOT_ALLOWED ? STRANGER : spoofed,
                                     .udp_port =
                                         (uint16_t)(1024 + giro_prng_below(&flood->prng, 60000))};
    uint32_t payload_bytes = payload_make(flood, kind, payload);
    size_t size = packet_build(&from, &flood->hub, 1, payload, payload_bytes, packet);
    switch (kind) {
    case BAD_FRAGMENT: /* first ones and later ones */
        packet[20] = (uint8_t)(giro_prng_chance(&flood->prng, 1, 2) ? 0x20 : 0x01);
        ip_sum(packet);
        return size;
    case BAD_VLAN:
        memmove(packet + 16, packet + 12, size - 12);
        memcpy(packet + 12, (const uint8_t[]){0x81, 0, 0, 42}, 4);
        return size + 4;
    case BAD_IP_CHECKSUM:
        packet[24] ^= 0x40;
        return size;
    case BAD_UDP_CHECKSUM:
        packet[60] ^= 0x40;
        return size;
    case BAD_TRUNCATED:
        return size - 20;
    case BAD_TCP:
        packet[23] = 6;
        ip_sum(packet);
        return size;
    case BAD_OTHER_ADDRESS:
        packet[33] ^= 0x7f;
        ip_sum(packet);
        return size;
    case BAD_IPV6:
        packet[12] = 0x86;
        packet[13] = 0xdd;
        return size;
    default:
        return size;
    }
}

static bool send_one(struct flood *flood, enum kind kind)
{
    uint8_t packet[PACKETS];
    size_t size = packet_make(flood, kind, packet);
    ssize_t sent =
        sendto(flood->fd, packet, size, 0, (const struct sockaddr *)&flood->to, sizeof(flood->to));
    flood->sent[kind] += sent == (ssize_t)size;
    return sent == (ssize_t)size || errno == ENOBUFS || errno == EAGAIN;
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * GIRO_NS_PER_S + (uint64_t)now.tv_nsec;
}

static bool flood_run(struct flood *flood, uint64_t rate, uint64_t seconds)
{
    const struct timespec tick = {.tv_nsec = TICK_NS};
    uint64_t begin_ns = now_ns(), done = 0;
    for (uint64_t passed_ns = 0; passed_ns < seconds * GIRO_NS_PER_S;
         passed_ns = now_ns() - begin_ns) {
        for (uint64_t due = passed_ns * rate / GIRO_NS_PER_S; done < due; done++)
            if (!send_one(flood, (enum kind)(done % BAD_KINDS)))
                return false;
        nanosleep(&tick, NULL);
    }
    return true;
}

static bool address_read(struct flood *flood, const char *mac, const char *ipv4, const char *port)
{
    struct in_addr address;
    unsigned int parts[6];
    if (sscanf(mac, "%x:%x:%x:%x:%x:%x", &parts[0], &parts[1], &parts[2], &parts[3], &parts[4],
               &parts[5]) != 6 ||
        inet_pton(AF_INET, ipv4, &address) != 1)
        return false;
    for (uint32_t i = 0; i < 6; i++)
        flood->hub.mac[i] = (uint8_t)parts[i];
    flood->hub.ipv4 = ntohl(address.s_addr);
    flood->hub.port = (uint16_t)strtoul(port, NULL, 10);
    return true;
}

int main(int argc, char **argv)
{
    static struct flood flood;
    struct giro_diagnosis diagnosis = {.fact = ""};
    if (argc != 8 || !address_read(&flood, argv[2], argv[3], argv[4])) {
        fprintf(stderr, "usage: flood IFACE MAC HUB_IPV4 UDP_PORT GENESIS RATE SECONDS\n");
        return 2;
    }
    if (giro_crypto_init() != GIRO_ERR_OK ||
        giro_genesis_load(argv[5], &flood.genesis, &diagnosis) != GIRO_ERR_OK) {
        giro_diagnosis_print("flood", &diagnosis);
        return 1;
    }
    giro_prng_init(&flood.prng, 13);
    flood.fd = socket(AF_PACKET, SOCK_RAW, 0);
    flood.to = (struct sockaddr_ll){
        .sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(argv[1]), .sll_halen = 6};
    memcpy(flood.to.sll_addr, flood.hub.mac, 6);
    if (flood.fd < 0 ||
        !flood_run(&flood, strtoull(argv[6], NULL, 10), strtoull(argv[7], NULL, 10))) {
        perror("flood");
        return 1;
    }
    for (uint32_t i = 0; i < BAD_KINDS; i++)
        printf("%s %lu\n", names[i], flood.sent[i]);
    close(flood.fd);
    giro_genesis_free(&flood.genesis);
    return 0;
}
