#include <arpa/inet.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "dataplane_support.h"

static struct giro_port *port;
static int client;
static uint16_t client_port;

static void open_both(void)
{
    uint16_t udp_port = free_udp_port();
    struct giro_port_options options = {
        .driver = "udp", .address = "127.0.0.1", .udp_port = udp_port, .program = "test"};
    struct giro_diagnosis diagnosis;
    cr_assert(giro_port_open(&options, &port, &diagnosis) == GIRO_ERR_OK);
    struct sockaddr_in hub = {.sin_family = AF_INET,
                              .sin_port = htons(udp_port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in own;
    socklen_t size = sizeof(own);
    int buffer = 4 * 1024 * 1024;
    client = socket(AF_INET, SOCK_DGRAM, 0);
    (void)setsockopt(client, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
    cr_assert(connect(client, (const struct sockaddr *)&hub, sizeof(hub)) == 0);
    cr_assert(getsockname(client, (struct sockaddr *)&own, &size) == 0);
    client_port = ntohs(own.sin_port);
}

static void close_both(void)
{
    giro_port_close(port);
    close(client);
    dataplane_leak_check();
}

TestSuite(dataplane_port_udp, .init = open_both, .fini = close_both);

static bool wait_readable(int fd)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    return poll(&wait, 1, 2000) == 1;
}

/* Datagram i of size i % 1473: its bytes follow from i. */
static size_t fill(uint32_t i, uint8_t *bytes)
{
    size_t size = i % (GIRO_FRAME_MTU_BYTES + 1);
    for (size_t j = 0; j < size; j++)
        bytes[j] = (uint8_t)(i * 13 + j);
    return size;
}

Test(dataplane_port_udp, carries_bursts_larger_than_64_both_ways)
{
    enum { COUNT = 150 };
    uint8_t bytes[GIRO_FRAME_MTU_BYTES], got[2048];
    for (uint32_t i = 0; i < COUNT; i++) {
        size_t size = fill(i * 10, bytes);
        cr_assert(send(client, bytes, size, 0) == (ssize_t)size);
    }
    uint32_t received = 0;
    cr_assert(wait_readable(giro_port_fd(port)));
    while (received < COUNT) {
        struct giro_datagram burst[GIRO_PORT_BURST];
        uint32_t count = giro_port_receive(port, burst);
        cr_assert(count > 0, "nothing after %u", received);
        for (uint32_t i = 0; i < count; i++, received++) {
            size_t size = fill(received * 10, bytes);
            cr_assert(burst[i].size_bytes == size, "size of %u", received);
            cr_assert(memcmp(burst[i].bytes, bytes, size) == 0, "bytes of %u", received);
            cr_assert(burst[i].from.ipv4 == INADDR_LOOPBACK && burst[i].from.port == client_port);
            cr_assert(giro_port_send(port, &burst[i].from, burst[i].bytes, burst[i].size_bytes) ==
                      GIRO_ERR_OK);
        }
    }
    giro_port_flush(port);
    for (uint32_t i = 0; i < COUNT; i++) {
        cr_assert(wait_readable(client), "no echo %u", i);
        size_t size = fill(i * 10, bytes);
        cr_assert(recv(client, got, sizeof(got), 0) == (ssize_t)size, "echo %u", i);
        cr_assert(memcmp(got, bytes, size) == 0, "echo %u", i);
    }
    struct giro_datagram burst[GIRO_PORT_BURST];
    cr_assert(giro_port_receive(port, burst) == 0, "never blocks");
    struct giro_port_counters counters;
    giro_port_counters(port, &counters);
    cr_assert(counters.received == COUNT && counters.sent == COUNT && counters.send_failed == 0);
    cr_assert(counters.received_bytes == counters.sent_bytes);
}

Test(dataplane_port_udp, cuts_apart_what_the_kernel_glued_together)
{
    enum { SEGMENT = 500, SEGMENTS = 40, TAIL = 123 };
    uint8_t glued[SEGMENT * SEGMENTS + TAIL];
    int segment = SEGMENT;
    for (size_t i = 0; i < sizeof(glued); i++)
        glued[i] = (uint8_t)(i / SEGMENT * 7 + i);
    if (setsockopt(client, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment)) != 0)
        cr_skip_test("SKIPPED: this kernel has no UDP_SEGMENT");
    for (uint32_t i = 0; i < 3; i++)
        cr_assert(send(client, glued, sizeof(glued), 0) == (ssize_t)sizeof(glued));
    uint32_t received = 0, total = 3 * (SEGMENTS + 1);
    cr_assert(wait_readable(giro_port_fd(port)));
    while (received < total) {
        struct giro_datagram burst[GIRO_PORT_BURST];
        uint32_t count = giro_port_receive(port, burst);
        cr_assert(count > 0, "nothing after %u", received);
        for (uint32_t i = 0; i < count; i++, received++) {
            uint32_t index = received % (SEGMENTS + 1);
            cr_assert(burst[i].size_bytes == (index == SEGMENTS ? TAIL : SEGMENT), "%u", received);
            cr_assert(memcmp(burst[i].bytes, glued + index * SEGMENT, burst[i].size_bytes) == 0);
        }
    }
    cr_assert(received == total);
}

static int client_from(const char *address, uint16_t to_port)
{
    struct sockaddr_in own = {.sin_family = AF_INET};
    struct sockaddr_in hub = {.sin_family = AF_INET,
                              .sin_port = htons(to_port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    cr_assert(inet_pton(AF_INET, address, &own.sin_addr) == 1);
    cr_assert(bind(fd, (const struct sockaddr *)&own, sizeof(own)) == 0, "%s", address);
    cr_assert(connect(fd, (const struct sockaddr *)&hub, sizeof(hub)) == 0);
    return fd;
}

Test(dataplane_port_udp, hands_out_nothing_from_addresses_that_are_not_allowed)
{
    enum { SEGMENT = 100, SEGMENTS = 7 };
    static const char *const entries[] = {"127.0.0.2/32"};
    struct giro_genesis nobody = {.member_count = 0};
    struct giro_port_options options = {
        .driver = "udp", .address = "127.0.0.1", .udp_port = free_udp_port(), .program = "test"};
    struct giro_allow *allow = NULL;
    struct giro_diagnosis diagnosis;
    struct giro_port *strict;
    cr_assert(giro_allow_open(entries, 1, &nobody, &allow, &diagnosis) == GIRO_ERR_OK);
    options.allow = allow;
    cr_assert(giro_port_open(&options, &strict, &diagnosis) == GIRO_ERR_OK);
    int friend = client_from("127.0.0.2", options.udp_port);
    int stranger = client_from("127.0.0.3", options.udp_port);
    uint8_t bytes[SEGMENT * SEGMENTS] = {7};
    int segment = SEGMENT;
    bool glued = setsockopt(stranger, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment)) == 0;
    for (uint32_t i = 0; i < 3; i++) {
        cr_assert(send(stranger, bytes, glued ? sizeof(bytes) : SEGMENT, 0) > 0);
        cr_assert(send(friend, bytes, SEGMENT, 0) == SEGMENT);
    }
    uint32_t received = 0;
    while (received < 3) {
        struct giro_datagram burst[GIRO_PORT_BURST];
        uint32_t count = giro_port_receive(strict, burst);
        for (uint32_t i = 0; i < count; i++)
            cr_assert(burst[i].from.ipv4 == INADDR_LOOPBACK + 1);
        received += count;
    }
    struct giro_port_counters counters;
    giro_port_counters(strict, &counters);
    cr_assert(counters.received == 3 && counters.not_allowed == (glued ? 3 * SEGMENTS : 3),
              "%lu not allowed", counters.not_allowed);
    giro_port_close(strict);
    giro_allow_close(allow);
    close(friend);
    close(stranger);
}

Test(dataplane_port_udp, counts_what_the_kernel_dropped_for_want_of_room)
{
    enum { COUNT = 12000 }; /* 17 MB, into a buffer of at most 8 MiB and what the kernel adds */
    uint8_t bytes[GIRO_FRAME_MTU_BYTES] = {1};
    struct giro_port_counters counters;
    struct giro_datagram burst[GIRO_PORT_BURST];
    for (uint32_t i = 0; i < COUNT; i++)
        cr_assert(send(client, bytes, sizeof(bytes), 0) == sizeof(bytes));
    while (giro_port_receive(port, burst) > 0)
        continue;
    for (uint32_t i = 0; i < 2; i++) { /* asking does not change it */
        giro_port_counters(port, &counters);
        cr_assert(counters.lost > 0 && counters.received + counters.lost == COUNT,
                  "%lu received, %lu lost", counters.received, counters.lost);
    }
}

Test(dataplane_port_udp, refuses_datagrams_it_cannot_send_and_counts_them)
{
    uint8_t bytes[GIRO_FRAME_MTU_BYTES + 1] = {0};
    struct giro_endpoint to = {.ipv4 = INADDR_LOOPBACK, .port = client_port};
    struct giro_endpoint nobody = {.ipv4 = 0, .port = 1}, no_port = {.ipv4 = INADDR_LOOPBACK};
    cr_assert(giro_port_send(port, &to, bytes, sizeof(bytes)) == GIRO_ERR_ARGUMENT);
    cr_assert(giro_port_send(port, &nobody, bytes, 1) == GIRO_ERR_ARGUMENT);
    cr_assert(giro_port_send(port, &no_port, bytes, 1) == GIRO_ERR_ARGUMENT);
    /* broadcast is not allowed to this socket: the kernel refuses that one, the next still goes */
    struct giro_endpoint everybody = {.ipv4 = 0xffffffff, .port = 9};
    cr_assert(giro_port_send(port, &everybody, bytes, 10) == GIRO_ERR_OK);
    cr_assert(giro_port_send(port, &to, bytes, 11) == GIRO_ERR_OK);
    giro_port_flush(port);
    cr_assert(wait_readable(client));
    cr_assert(recv(client, bytes, sizeof(bytes), 0) == 11);
    struct giro_port_counters counters;
    giro_port_counters(port, &counters);
    cr_assert(counters.sent == 1 && counters.sent_bytes == 11 && counters.send_failed == 4);
}

Test(dataplane_port_udp, carries_a_jumbo_frame_of_138_payments_and_refuses_what_no_link_has)
{
    struct giro_port_options options = {.driver = "udp",
                                        .address = "127.0.0.1",
                                        .udp_port = free_udp_port(),
                                        .mtu = GIRO_PORT_MTU_MAX,
                                        .program = "test"};
    struct giro_port *jumbo, *none;
    struct giro_diagnosis diagnosis;
    static uint8_t bytes[GIRO_PORT_MTU_MAX], got[GIRO_PORT_MTU_MAX];
    cr_assert(giro_port_open(&options, &jumbo, &diagnosis) == GIRO_ERR_OK);
    cr_assert(giro_port_datagram_max(jumbo) == 9188 && giro_port_datagram_max(port) == 1472);
    cr_assert(9188 >= 40 + 138 * 64 + 64 + 44, "with the session's overhead, too");
    memset(bytes, 9, sizeof(bytes));
    int member = client_from("127.0.0.2", options.udp_port);
    struct sockaddr_in own;
    socklen_t own_bytes = sizeof(own);
    cr_assert(getsockname(member, (struct sockaddr *)&own, &own_bytes) == 0);
    struct giro_endpoint to = {.ipv4 = INADDR_LOOPBACK + 1, .port = ntohs(own.sin_port)};
    for (uint32_t i = 0; i < 3 * GIRO_PORT_BURST; i++) {
        cr_assert(giro_port_send(jumbo, &to, bytes, 9188 - i) == GIRO_ERR_OK);
        giro_port_flush(jumbo);
        cr_assert(wait_readable(member));
        cr_assert(recv(member, got, sizeof(got), 0) == 9188 - i);
        cr_assert(memcmp(got, bytes, 9188 - i) == 0);
    }
    cr_assert(giro_port_send(jumbo, &to, bytes, 9189) == GIRO_ERR_ARGUMENT);
    giro_port_close(jumbo);
    close(member);
    static const uint32_t wrong[][2] = {{1499, 1}, {9217, 1}, {1500, 17}};
    for (uint32_t i = 0; i < 3; i++) {
        options.mtu = wrong[i][0];
        options.queues = wrong[i][1];
        cr_assert(giro_port_open(&options, &none, &diagnosis) == GIRO_ERR_CONFIG, "row %u", i);
    }
}

Test(dataplane_port_udp, explains_why_it_cannot_open)
{
    uint16_t taken = free_udp_port();
    struct giro_port_options rows[] = {
        {.driver = "udp", .address = "10.0.0", .udp_port = 7001},
        {.driver = "udp", .address = NULL, .udp_port = 7001},
        {.driver = "udp", .address = "127.0.0.1", .udp_port = 0},
        {.driver = "udp", .address = "203.0.113.77", .udp_port = 7001},
        {.driver = "udp", .address = "127.0.0.1", .udp_port = taken},
    };
    static const enum giro_err expected[] = {GIRO_ERR_CONFIG, GIRO_ERR_CONFIG, GIRO_ERR_CONFIG,
                                             GIRO_ERR_NETWORK, GIRO_ERR_NETWORK};
    struct giro_port *holder, *other;
    struct giro_diagnosis diagnosis;
    cr_assert(giro_port_open(&rows[4], &holder, &diagnosis) == GIRO_ERR_OK);
    for (uint32_t i = 0; i < 5; i++) {
        diagnosis = (struct giro_diagnosis){.fact = ""};
        enum giro_err err = giro_port_open(&rows[i], &other, &diagnosis);
        cr_assert(err == expected[i], "row %u: %s", i, giro_err_name(err));
        cr_assert(diagnosis.fact[0] != '\0' && diagnosis.hint[0] != '\0', "row %u", i);
        cr_assert(other == NULL, "row %u", i);
    }
    giro_port_close(holder);
}
