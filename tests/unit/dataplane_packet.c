#include <stdlib.h>

#include <criterion/criterion.h>

#include "dataplane/packet.h"
#include "dataplane_support.h"

#define PACKET_BYTES 1514u /* Ethernet */

static struct packet_host us = {.mac = {2, 0, 0, 0, 0, 1}, .ipv4 = 0x0a4d0001, .udp_port = 7001};
static const struct packet_host member = {
    .mac = {2, 0, 0, 0, 0, 2}, .ipv4 = 0x0a4d0002, .udp_port = 40000};
static const struct giro_endpoint to_us = {
    .ipv4 = 0x0a4d0001, .port = 7001, .mac = {2, 0, 0, 0, 0, 1}};

/* Who has 10.77.0.1? Tell 10.77.0.2. */
static const uint8_t arp_request[42] = {
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,  0,  0, 0, 0, 2, 8, 6,               /* Ethernet */
    0,    1,    8,    0,    6,    4,    0,  1,  2, 0, 0, 0, 0, 2, 10, 77, 0, 2, /* sender */
    0,    0,    0,    0,    0,    0,    10, 77, 0, 1};
static const uint8_t arp_answer[42] = {2,  0,  0, 0, 0, 2, 2,  0,  0, 0, 0, 1, 8, 6, /* Ethernet */
                                       0,  1,  8, 0, 6, 4, 0,  2,  2, 0, 0, 0, 0, 1,
                                       10, 77, 0, 1, /* sender */
                                       2,  0,  0, 0, 0, 2, 10, 77, 0, 2};

/* parse works on a copy of exactly that size, so that a sanitizer sees any read behind it. */
static enum packet_verdict parse(const uint8_t *packet, size_t size, struct giro_datagram *datagram)
{
    uint8_t *exact = malloc(size + (size == 0));
    memcpy(exact, packet, size);
    struct giro_datagram found;
    enum packet_verdict verdict = packet_parse(&us, exact, size, &found);
    if (verdict == PACKET_UDP) {
        cr_assert(found.bytes >= exact && found.bytes + found.size_bytes <= exact + size);
        if (datagram != NULL) {
            *datagram = found;
            datagram->bytes = packet + (found.bytes - exact);
        }
    }
    if (verdict == PACKET_ARP || verdict == PACKET_ECHO) {
        uint8_t answer[PACKET_BYTES];
        size_t answered = packet_reply(&us, verdict, exact, size, answer, sizeof(answer));
        cr_assert(answered <= sizeof(answer));
    }
    free(exact);
    return verdict;
}

/* Corrects the IPv4 header checksum after a change. */
static void ip_fix(uint8_t *packet)
{
    uint8_t *ip = packet + 14;
    ip[10] = ip[11] = 0;
    uint16_t sum = (uint16_t)~packet_checksum(0, ip, (ip[0] & 15u) * 4u);
    memcpy(ip + 10, &sum, 2);
}

Test(dataplane_packet, answers_arp_for_its_own_address_only)
{
    uint8_t packet[60] = {0}, answer[PACKET_BYTES];
    memcpy(packet, arp_request, sizeof(arp_request));
    cr_assert(parse(packet, 42, NULL) == PACKET_ARP);
    cr_assert(parse(packet, 60, NULL) == PACKET_ARP, "padded to the Ethernet minimum");
    cr_assert(packet_reply(&us, PACKET_ARP, packet, 60, answer, sizeof(answer)) == 42);
    cr_assert(memcmp(answer, arp_answer, 42) == 0);
    static const struct {
        const char *what;
        uint32_t at;
        uint8_t value;
        size_t size;
        enum packet_verdict verdict;
    } rows[] = {
        {"short", 0, 0xff, 41, PACKET_TRUNCATED},
        {"other target", 41, 9, 42, PACKET_OTHER_ADDRESS},
        {"an answer", 21, 2, 42, PACKET_NOT_IPV4},
        {"not Ethernet", 15, 6, 42, PACKET_NOT_IPV4},
        {"not IPv4", 16, 0x86, 42, PACKET_NOT_IPV4},
        {"sender is a group", 22, 1, 42, PACKET_OTHER_ADDRESS},
        {"to another MAC", 0, 2, 42, PACKET_OTHER_ADDRESS},
    };
    for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        memcpy(packet, arp_request, sizeof(arp_request));
        packet[rows[i].at] = rows[i].value;
        cr_assert(parse(packet, rows[i].size, NULL) == rows[i].verdict, "%s", rows[i].what);
    }
}

Test(dataplane_packet, builds_what_it_parses_for_every_size)
{
    uint8_t payload[GIRO_FRAME_MTU_BYTES], packet[PACKET_BYTES];
    for (uint32_t i = 0; i < sizeof(payload); i++)
        payload[i] = (uint8_t)(i * 29 + 3);
    for (uint32_t size = 0; size <= GIRO_FRAME_MTU_BYTES; size++) {
        size_t total = packet_build(&member, &to_us, (uint16_t)size, payload, size, packet);
        cr_assert(total == size + 42);
        struct giro_datagram datagram;
        cr_assert(parse(packet, total, &datagram) == PACKET_UDP, "size %u", size);
        cr_assert(datagram.size_bytes == size && memcmp(datagram.bytes, payload, size) == 0);
        cr_assert(datagram.from.ipv4 == member.ipv4 && datagram.from.port == member.udp_port);
        cr_assert(memcmp(datagram.from.mac, member.mac, 6) == 0);
        if (size > 0) { /* any changed bit of the payload shows */
            packet[42 + size * 7 % size] ^= 0x10;
            cr_assert(parse(packet, total, NULL) == PACKET_BAD_CHECKSUM, "size %u", size);
        }
    }
}

Test(dataplane_packet, never_sends_a_zero_checksum_and_accepts_none)
{
    uint8_t packet[PACKET_BYTES];
    uint32_t ones = 0;
    for (uint32_t value = 0; value < 65536; value++) {
        uint8_t payload[2] = {(uint8_t)(value >> 8), (uint8_t)value};
        size_t total = packet_build(&member, &to_us, 1, payload, 2, packet);
        cr_assert((packet[40] | packet[41]) != 0);
        if (packet[40] == 0xff && packet[41] == 0xff) {
            ones++;
            cr_assert(packet_parse(&us, packet, total, &(struct giro_datagram){0}) == PACKET_UDP);
        }
        packet[40] = packet[41] = 0; /* "no checksum", RFC 768 */
        cr_assert(packet_parse(&us, packet, total, &(struct giro_datagram){0}) == PACKET_UDP);
    }
    cr_assert(ones >= 1);
}

Test(dataplane_packet, drops_bad_ipv4_and_udp_by_cause)
{
    static const struct {
        const char *what;
        uint32_t at, bytes;
        uint16_t value; /* big-endian, at packet[at] */
        bool fix;
        size_t size;
        enum packet_verdict verdict;
    } rows[] = {
        {"as it is", 0, 0, 0, false, 92, PACKET_UDP},
        {"padded", 0, 0, 0, false, 100, PACKET_UDP},
        {"Ethernet cut", 0, 0, 0, false, 13, PACKET_TRUNCATED},
        {"IPv4 cut", 0, 0, 0, false, 33, PACKET_TRUNCATED},
        {"payload cut", 0, 0, 0, false, 91, PACKET_TRUNCATED},
        {"IPv6 type", 12, 2, 0x86dd, false, 92, PACKET_NOT_IPV4},
        {"another MAC", 4, 2, 0x0007, false, 92, PACKET_OTHER_ADDRESS},
        {"broadcast MAC", 0, 6, 0xffff, false, 92, PACKET_OTHER_ADDRESS},
        {"version 6", 14, 1, 0x65, true, 92, PACKET_NOT_IPV4},
        {"header of 16", 14, 1, 0x44, true, 92, PACKET_TRUNCATED},
        {"header longer than all", 14, 1, 0x4f, false, 60, PACKET_TRUNCATED},
        {"total below header", 16, 2, 19, true, 92, PACKET_TRUNCATED},
        {"total above packet", 16, 2, 79, true, 92, PACKET_TRUNCATED},
        {"total without UDP", 16, 2, 27, true, 92, PACKET_TRUNCATED},
        {"header checksum", 24, 2, 0x1234, false, 92, PACKET_BAD_CHECKSUM},
        {"first fragment", 20, 2, 0x2000, true, 92, PACKET_FRAGMENT},
        {"last fragment", 20, 2, 0x0001, true, 92, PACKET_FRAGMENT},
        {"may be fragmented", 20, 2, 0x0000, true, 92, PACKET_UDP},
        {"TCP", 23, 1, 6, true, 92, PACKET_NOT_UDP},
        {"other address", 32, 2, 0x0009, true, 92, PACKET_OTHER_ADDRESS},
        {"from multicast", 26, 2, 0xe000, true, 92, PACKET_OTHER_ADDRESS},
        {"from broadcast", 26, 4, 0xffff, true, 92, PACKET_OTHER_ADDRESS},
        {"from a group MAC", 6, 1, 0x01, false, 92, PACKET_OTHER_ADDRESS},
        {"other UDP port", 36, 2, 7002, false, 92, PACKET_OTHER_ADDRESS},
        {"UDP length below header", 38, 2, 7, false, 92, PACKET_TRUNCATED},
        {"UDP length above IPv4's", 38, 2, 59, false, 92, PACKET_TRUNCATED},
        {"UDP checksum", 40, 2, 0x1111, false, 92, PACKET_BAD_CHECKSUM},
    };
    for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t packet[PACKET_BYTES] = {0}, payload[50];
        memset(payload, 0x5a, sizeof(payload));
        cr_assert(packet_build(&member, &to_us, 1, payload, sizeof(payload), packet) == 92);
        for (uint32_t j = 0; j < rows[i].bytes; j++)
            packet[rows[i].at + j] =
                (uint8_t)(rows[i].bytes == 1 || j % 2 == 1 ? rows[i].value : rows[i].value >> 8);
        if (rows[i].fix)
            ip_fix(packet);
        enum packet_verdict verdict = parse(packet, rows[i].size, NULL);
        cr_assert(verdict == rows[i].verdict, "%s: %d", rows[i].what, (int)verdict);
    }
}

static size_t echo_make(uint32_t data_bytes, uint8_t *packet)
{
    size_t total = packet_build(&member, &to_us, 0x4142, NULL, 0, packet);
    uint32_t icmp_bytes = 8 + data_bytes, ip_bytes = 20 + icmp_bytes;
    uint8_t *icmp = packet + 34;
    total = 14 + ip_bytes;
    packet[16] = (uint8_t)(ip_bytes >> 8);
    packet[17] = (uint8_t)ip_bytes;
    packet[23] = 1;
    ip_fix(packet);
    memset(icmp, 0, 8);
    icmp[0] = 8;
    icmp[5] = 77;
    icmp[7] = 3;
    for (uint32_t i = 0; i < data_bytes; i++)
        icmp[8 + i] = (uint8_t)(i + 1);
    uint16_t sum = (uint16_t)~packet_checksum(0, icmp, icmp_bytes);
    memcpy(icmp + 2, &sum, 2);
    return total;
}

Test(dataplane_packet, reads_nothing_behind_the_address_of_who_is_not_allowed)
{
    static const char *const entries[] = {"10.77.0.0/30"};
    struct giro_genesis nobody = {.member_count = 0};
    struct giro_allow *allow = NULL;
    struct giro_diagnosis diagnosis;
    struct giro_datagram datagram;
    struct packet_host strict = us, stranger = member;
    uint8_t payload[100] = {0}, packet[PACKET_BYTES];
    cr_assert(giro_allow_open(entries, 1, &nobody, &allow, &diagnosis) == GIRO_ERR_OK);
    strict.allow = allow;
    stranger.ipv4 = 0x0a4d0004;
    size_t size = packet_build(&member, &to_us, 1, payload, sizeof(payload), packet);
    cr_assert(packet_parse(&strict, packet, size, &datagram) == PACKET_UDP);
    size = packet_build(&stranger, &to_us, 1, payload, sizeof(payload), packet);
    cr_assert(packet_parse(&strict, packet, size, &datagram) == PACKET_NOT_ALLOWED);
    packet[60] ^= 1; /* its UDP checksum is not even looked at */
    cr_assert(packet_parse(&strict, packet, size, &datagram) == PACKET_NOT_ALLOWED);
    packet[20] = 0x20; /* nor whether it is a fragment */
    ip_fix(packet);
    cr_assert(packet_parse(&strict, packet, size, &datagram) == PACKET_NOT_ALLOWED);
    cr_assert(packet_parse(&us, packet, size, &datagram) == PACKET_FRAGMENT);
    giro_allow_close(allow);
}

Test(dataplane_packet, answers_ping_with_the_same_data)
{
    uint8_t packet[2048], answer[PACKET_BYTES];
    static const uint32_t sizes[] = {0, 1, 56, 57, 1472};
    for (uint32_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t total = echo_make(sizes[i], packet);
        cr_assert(parse(packet, total, NULL) == PACKET_ECHO, "size %u", sizes[i]);
        cr_assert(packet_reply(&us, PACKET_ECHO, packet, total, answer, sizeof(answer)) == total);
        cr_assert(memcmp(answer, member.mac, 6) == 0 && memcmp(answer + 6, us.mac, 6) == 0);
        cr_assert(packet_checksum(0, answer + 14, 20) == 0xffff);
        cr_assert(memcmp(answer + 26, packet + 30, 4) == 0, "from us");
        cr_assert(memcmp(answer + 30, packet + 26, 4) == 0, "to the member");
        cr_assert(answer[34] == 0 && packet_checksum(0, answer + 34, total - 34) == 0xffff);
        cr_assert(memcmp(answer + 38, packet + 38, total - 38) == 0, "identifier and data");
    }
    size_t total = echo_make(1473, packet);
    cr_assert(parse(packet, total, NULL) == PACKET_ECHO);
    cr_assert(packet_reply(&us, PACKET_ECHO, packet, total, answer, sizeof(answer)) == 0);
    total = echo_make(8, packet);
    packet[40] ^= 1;
    cr_assert(parse(packet, total, NULL) == PACKET_BAD_CHECKSUM);
    packet[34] = 0;
    cr_assert(parse(packet, total, NULL) == PACKET_NOT_UDP, "an answer is not answered");
}

Test(dataplane_packet, survives_any_bytes)
{
    struct giro_prng prng;
    giro_prng_init(&prng, dataplane_seed());
    uint32_t seen[PACKET_TRUNCATED + 1] = {0};
    static const char *const entries[] = {"10.0.0.0/8"};
    struct giro_genesis nobody = {.member_count = 0};
    struct giro_allow *allow = NULL;
    struct giro_diagnosis diagnosis;
    cr_assert(giro_allow_open(entries, 1, &nobody, &allow, &diagnosis) == GIRO_ERR_OK);
    us.allow = allow;
    for (uint32_t i = 0; i < 60000 * dataplane_effort(); i++) {
        uint8_t packet[2048] = {0}, payload[64];
        giro_prng_fill(&prng, payload, sizeof(payload));
        size_t size;
        switch (i % 4) {
        case 0:
            size = sizeof(arp_request);
            memcpy(packet, arp_request, size);
            break;
        case 1:
            size = echo_make((uint32_t)giro_prng_below(&prng, 100), packet);
            break;
        case 2:
            size = packet_build(&member, &to_us, 1, payload,
                                (uint32_t)giro_prng_below(&prng, sizeof(payload)), packet);
            break;
        default: /* right addresses, then anything */
            size = 14 + giro_prng_below(&prng, 80);
            giro_prng_fill(&prng, packet, size);
            memcpy(packet, us.mac, 6);
            packet[12] = 8;
            packet[13] = 0;
        }
        uint64_t edits = giro_prng_below(&prng, 4);
        for (uint64_t j = 0; j < edits; j++)
            packet[giro_prng_below(&prng, size)] = (uint8_t)giro_prng_next(&prng);
        if (giro_prng_chance(&prng, 1, 2) && (packet[14] >> 4) == 4 && size >= 74)
            ip_fix(packet); /* so that damage behind the header checksum is reached */
        if (giro_prng_chance(&prng, 1, 4))
            size = giro_prng_below(&prng, size + 1);
        seen[parse(packet, size, NULL)]++;
    }
    us.allow = NULL;
    giro_allow_close(allow);
    for (uint32_t i = 0; i <= PACKET_TRUNCATED; i++)
        cr_assert(seen[i] > 0, "verdict %u was never reached", i);
}
