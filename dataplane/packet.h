/* dataplane/packet.h - Ethernet, ARP, IPv4, ICMP and UDP for one address, as bytes only.
 *
 * No DPDK type and no state, so hand-made and mutated packets test it without a port. The DPDK
 * port calls packet_parse on each packet received and, for PACKET_ARP and PACKET_ECHO,
 * packet_reply; packet_build makes what it sends. Sources: RFC 826 (ARP), 791 (IPv4), 792
 * (ICMP), 768 (UDP), 1071 (checksum). */
#ifndef DATAPLANE_PACKET_H
#define DATAPLANE_PACKET_H

#include "giro/dataplane.h"

#define PACKET_HEADERS_BYTES 42u    /* Ethernet 14, IPv4 20, UDP 8 */
#define PACKET_PAYLOAD_MAX   65507u /* of UDP over IPv4 */

struct packet_host {
    uint8_t mac[6];
    uint32_t ipv4; /* host order */
    uint16_t udp_port;
    const struct giro_allow *allow; /* NULL: everybody */
};

/* What a packet is, or why it is dropped. */
enum packet_verdict {
    PACKET_UDP,  /* *datagram is set; its bytes point into the packet */
    PACKET_ARP,  /* somebody asks for our address: packet_reply */
    PACKET_ECHO, /* somebody pings us: packet_reply */
    PACKET_NOT_IPV4,
    PACKET_NOT_UDP,
    /* another host's MAC, IPv4 or UDP port, or a sender no answer can reach */
    PACKET_OTHER_ADDRESS,
    PACKET_NOT_ALLOWED, /* its source is on no allow-list; nothing behind the IPv4 header was read */
    PACKET_FRAGMENT,
    PACKET_BAD_CHECKSUM,
    PACKET_TRUNCATED, /* a length field says more than there is */
};

enum packet_verdict packet_parse(const struct packet_host *host, const uint8_t *packet,
                                 size_t size_bytes, struct giro_datagram *datagram);
/* packet_reply writes the answer to a packet that parsed as PACKET_ARP or PACKET_ECHO into
 * out[0..out_bytes) and returns its size; 0 if it does not fit. */
size_t packet_reply(const struct packet_host *host, enum packet_verdict verdict,
                    const uint8_t *packet, size_t size_bytes, uint8_t *out, size_t out_bytes);
/* packet_build writes headers and payload (at most PACKET_PAYLOAD_MAX) into out, which has
 * PACKET_HEADERS_BYTES + size_bytes, and returns that size. identification: IPv4's field. */
size_t packet_build(const struct packet_host *host, const struct giro_endpoint *to,
                    uint16_t identification, const void *bytes, uint32_t size_bytes, uint8_t *out);
/* packet_checksum folds the one's complement sum of bytes onto sum and returns it
 * uncomplemented, in the byte order of the memory it was read from: stored with memcpy it is
 * right. */
uint16_t packet_checksum(uint64_t sum, const void *bytes, size_t size_bytes);

#endif
