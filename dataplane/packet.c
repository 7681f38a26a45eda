#include "packet.h"

#include <arpa/inet.h>

#define ETHER_BYTES     14u
#define ARP_BYTES       28u
#define IPV4_BYTES      20u
#define UDP_BYTES       8u
#define ICMP_BYTES      8u
#define TYPE_IPV4       0x0800u
#define TYPE_ARP        0x0806u
#define PROTOCOL_ICMP   1u
#define PROTOCOL_UDP    17u
#define FRAGMENT_MASK   0x3fffu /* more fragments, or an offset */
#define DO_NOT_FRAGMENT 0x4000u
#define TIME_TO_LIVE    64u
#define ICMP_ECHO       8u
#define ICMP_ECHO_REPLY 0u
#define ARP_REQUEST     1u
#define ARP_REPLY       2u

static_assert(PACKET_HEADERS_BYTES == ETHER_BYTES + IPV4_BYTES + UDP_BYTES, "headers in front");

static uint16_t get16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value & 0xffffu);
}

uint16_t packet_checksum(uint64_t sum, const void *bytes, size_t size_bytes)
{
    const uint8_t *at = bytes;
    uint64_t even = 0,
             odd = 0; /* two chains of additions: three times as fast as one word after the other */
    for (; size_bytes >= 16; size_bytes -= 16, at += 16) {
        uint64_t first, second;
        memcpy(&first, at, sizeof(first));
        memcpy(&second, at + 8, sizeof(second));
        even += (first & UINT32_MAX) + (first >> 32);
        odd += (second & UINT32_MAX) + (second >> 32);
    }
    sum += even + odd;
    for (; size_bytes >= 4; size_bytes -= 4, at += 4) {
        uint32_t word;
        memcpy(&word, at, sizeof(word));
        sum += word;
    }
    uint8_t tail[4] = {0};
    if (size_bytes > 0) {
        uint32_t word;
        memcpy(tail, at, size_bytes);
        memcpy(&word, tail, sizeof(word));
        sum += word;
    }
    while (sum >> 16 != 0)
        sum = (sum & 0xffffu) + (sum >> 16);
    return (uint16_t)sum;
}

/* The pseudo header of UDP: addresses as they stand in the IPv4 header, protocol, UDP length. */
static uint16_t udp_sum(const uint8_t *ip, const uint8_t *udp, uint32_t udp_bytes)
{
    uint8_t rest[4] = {0, PROTOCOL_UDP, 0, 0};
    put16(rest + 2, udp_bytes);
    uint64_t sum = packet_checksum(0, ip + 12, 8);
    sum = packet_checksum(sum, rest, sizeof(rest));
    return packet_checksum(sum, udp, udp_bytes);
}

static void store_checksum(uint8_t *at, uint16_t sum)
{
    uint16_t value = (uint16_t)~sum;
    memcpy(at, &value, sizeof(value));
}

static bool sender_usable(const uint8_t mac[6])
{
    static const uint8_t group_bit = 1;
    return (mac[0] & group_bit) == 0;
}

static bool source_usable(uint32_t ipv4)
{
    return ipv4 != 0 && ipv4 >> 28 < 0xeu; /* neither nobody nor multicast, reserved or broadcast */
}

static enum packet_verdict arp_parse(const struct packet_host *host, const uint8_t *packet,
                                     size_t size_bytes)
{
    static const uint8_t ethernet_ipv4_request[8] = {0, 1, TYPE_IPV4 >> 8, 0, 6, 4, 0, ARP_REQUEST};
    const uint8_t *arp = packet + ETHER_BYTES;
    if (size_bytes < ETHER_BYTES + ARP_BYTES)
        return PACKET_TRUNCATED;
    if (memcmp(arp, ethernet_ipv4_request, sizeof(ethernet_ipv4_request)) != 0)
        return PACKET_NOT_IPV4; /* answers and announcements too: nothing is learnt from ARP */
    if (get32(arp + 24) != host->ipv4 || !sender_usable(arp + 8))
        return PACKET_OTHER_ADDRESS;
    return PACKET_ARP;
}

static enum packet_verdict icmp_parse(const uint8_t *icmp, uint32_t icmp_bytes)
{
    if (icmp_bytes < ICMP_BYTES)
        return PACKET_TRUNCATED;
    if (icmp[0] != ICMP_ECHO || icmp[1] != 0)
        return PACKET_NOT_UDP;
    if (packet_checksum(0, icmp, icmp_bytes) != 0xffffu)
        return PACKET_BAD_CHECKSUM;
    return PACKET_ECHO;
}

static enum packet_verdict udp_parse(const struct packet_host *host, const uint8_t *packet,
                                     const uint8_t *ip, const uint8_t *udp, uint32_t room_bytes,
                                     struct giro_datagram *datagram)
{
    if (room_bytes < UDP_BYTES)
        return PACKET_TRUNCATED;
    uint32_t udp_bytes = get16(udp + 4);
    if (udp_bytes < UDP_BYTES || udp_bytes > room_bytes)
        return PACKET_TRUNCATED;
    if (get16(udp + 2) != host->udp_port)
        return PACKET_OTHER_ADDRESS;
    if (get16(udp + 6) != 0 && udp_sum(ip, udp, udp_bytes) != 0xffffu)
        return PACKET_BAD_CHECKSUM;
    *datagram = (struct giro_datagram){
        .bytes = udp + UDP_BYTES,
        .size_bytes = udp_bytes - UDP_BYTES,
        .from = {.ipv4 = get32(ip + 12), .port = get16(udp)},
    };
    memcpy(datagram->from.mac, packet + 6, sizeof(datagram->from.mac));
    return PACKET_UDP;
}

static enum packet_verdict ipv4_parse(const struct packet_host *host, const uint8_t *packet,
                                      size_t size_bytes, struct giro_datagram *datagram)
{
    const uint8_t *ip = packet + ETHER_BYTES;
    if (size_bytes < ETHER_BYTES + IPV4_BYTES)
        return PACKET_TRUNCATED;
    uint32_t header_bytes = (ip[0] & 0xfu) * 4u, total_bytes = get16(ip + 2);
    if (ip[0] >> 4 != 4)
        return PACKET_NOT_IPV4;
    if (header_bytes < IPV4_BYTES || total_bytes < header_bytes ||
        total_bytes > size_bytes - ETHER_BYTES) /* less is padding of a short packet */
        return PACKET_TRUNCATED;
    if (packet_checksum(0, ip, header_bytes) != 0xffffu)
        return PACKET_BAD_CHECKSUM;
    if (get32(ip + 16) != host->ipv4 || !source_usable(get32(ip + 12)) ||
        !sender_usable(packet + 6))
        return PACKET_OTHER_ADDRESS;
    if (!giro_allow_address(host->allow, get32(ip + 12)))
        return PACKET_NOT_ALLOWED;
    if ((get16(ip + 6) & FRAGMENT_MASK) != 0)
        return PACKET_FRAGMENT;
    const uint8_t *body = ip + header_bytes;
    uint32_t body_bytes = total_bytes - header_bytes;
    if (ip[9] == PROTOCOL_ICMP)
        return icmp_parse(body, body_bytes);
    if (ip[9] == PROTOCOL_UDP)
        return udp_parse(host, packet, ip, body, body_bytes, datagram);
    return PACKET_NOT_UDP;
}

enum packet_verdict packet_parse(const struct packet_host *host, const uint8_t *packet,
                                 size_t size_bytes, struct giro_datagram *datagram)
{
    static const uint8_t everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    if (size_bytes < ETHER_BYTES)
        return PACKET_TRUNCATED;
    uint32_t type = get16(packet + 12);
    bool ours = memcmp(packet, host->mac, 6) == 0;
    if (!ours && !(type == TYPE_ARP && memcmp(packet, everybody, 6) == 0))
        return type == TYPE_ARP || type == TYPE_IPV4 ? PACKET_OTHER_ADDRESS : PACKET_NOT_IPV4;
    if (type == TYPE_ARP)
        return arp_parse(host, packet, size_bytes);
    if (type == TYPE_IPV4)
        return ipv4_parse(host, packet, size_bytes, datagram);
    return PACKET_NOT_IPV4;
}

static void ether_put(uint8_t *out, const uint8_t to[6], const uint8_t from[6], uint32_t type)
{
    memcpy(out, to, 6);
    memcpy(out + 6, from, 6);
    put16(out + 12, type);
}

static void ipv4_put(uint8_t *ip, uint32_t total_bytes, uint16_t identification, uint8_t protocol,
                     uint32_t from, uint32_t to)
{
    ip[0] = 0x45;
    ip[1] = 0;
    put16(ip + 2, total_bytes);
    put16(ip + 4, identification);
    put16(ip + 6, DO_NOT_FRAGMENT);
    ip[8] = TIME_TO_LIVE;
    ip[9] = protocol;
    put16(ip + 10, 0);
    put32(ip + 12, from);
    put32(ip + 16, to);
    store_checksum(ip + 10, packet_checksum(0, ip, IPV4_BYTES));
}

static size_t arp_reply(const struct packet_host *host, const uint8_t *packet, uint8_t *out,
                        size_t out_bytes)
{
    const uint8_t *request = packet + ETHER_BYTES;
    uint8_t *arp = out + ETHER_BYTES;
    if (out_bytes < ETHER_BYTES + ARP_BYTES)
        return 0;
    ether_put(out, request + 8, host->mac, TYPE_ARP);
    memcpy(arp, request, 6);
    put16(arp + 6, ARP_REPLY);
    memcpy(arp + 8, host->mac, 6);
    put32(arp + 14, host->ipv4);
    memcpy(arp + 18, request + 8, 10);
    return ETHER_BYTES + ARP_BYTES;
}

static size_t echo_reply(const struct packet_host *host, const uint8_t *packet, size_t size_bytes,
                         uint8_t *out, size_t out_bytes)
{
    const uint8_t *ip = packet + ETHER_BYTES;
    uint32_t header_bytes = (ip[0] & 0xfu) * 4u, icmp_bytes = get16(ip + 2) - header_bytes;
    uint8_t *icmp = out + ETHER_BYTES + IPV4_BYTES;
    size_t total = ETHER_BYTES + IPV4_BYTES + icmp_bytes;
    GIRO_ASSERT(ETHER_BYTES + header_bytes + icmp_bytes <= size_bytes); /* it was parsed */
    if (total > out_bytes)
        return 0;
    ether_put(out, packet + 6, host->mac, TYPE_IPV4);
    ipv4_put(out + ETHER_BYTES, IPV4_BYTES + icmp_bytes, get16(ip + 4), PROTOCOL_ICMP, host->ipv4,
             get32(ip + 12));
    memcpy(icmp, ip + header_bytes, icmp_bytes);
    icmp[0] = ICMP_ECHO_REPLY;
    put16(icmp + 2, 0);
    store_checksum(icmp + 2, packet_checksum(0, icmp, icmp_bytes));
    return total;
}

size_t packet_reply(const struct packet_host *host, enum packet_verdict verdict,
                    const uint8_t *packet, size_t size_bytes, uint8_t *out, size_t out_bytes)
{
    if (verdict == PACKET_ARP)
        return arp_reply(host, packet, out, out_bytes);
    GIRO_ASSERT(verdict == PACKET_ECHO);
    return echo_reply(host, packet, size_bytes, out, out_bytes);
}

size_t packet_build(const struct packet_host *host, const struct giro_endpoint *to,
                    uint16_t identification, const void *bytes, uint32_t size_bytes, uint8_t *out)
{
    uint8_t *ip = out + ETHER_BYTES, *udp = ip + IPV4_BYTES;
    uint32_t udp_bytes = UDP_BYTES + size_bytes;
    GIRO_ASSERT(size_bytes <= PACKET_PAYLOAD_MAX);
    ether_put(out, to->mac, host->mac, TYPE_IPV4);
    ipv4_put(ip, IPV4_BYTES + udp_bytes, identification, PROTOCOL_UDP, host->ipv4, to->ipv4);
    put16(udp, host->udp_port);
    put16(udp + 2, to->port);
    put16(udp + 4, udp_bytes);
    put16(udp + 6, 0);
    if (size_bytes > 0) /* bytes may be NULL then */
        memcpy(udp + UDP_BYTES, bytes, size_bytes);
    uint16_t sum = udp_sum(ip, udp, udp_bytes);
    if (sum ==
        0xffffu) /* complemented it would be 0, which means "none": RFC 768 sends ones instead */
        put16(udp + 6, 0xffffu);
    else
        store_checksum(udp + 6, sum);
    return PACKET_HEADERS_BYTES + size_bytes;
}
