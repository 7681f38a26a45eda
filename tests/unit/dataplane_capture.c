/* Captures of a kernel-UDP port, read again block by block. tshark reads those of the DPDK port in dataplane_veth.sh. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "dataplane/packet.h"
#include "dataplane_support.h"

static struct giro_port *port;
static uint16_t udp_port;
static int client;
static char path[64];

static void open_both(void)
{
    udp_port = free_udp_port();
    snprintf(path, sizeof(path), "capture-%d.pcapng", (int)getpid());
    struct giro_port_options options = {
        .driver = "udp", .address = "127.0.0.1", .udp_port = udp_port, .program = "test"};
    struct giro_diagnosis diagnosis;
    cr_assert(giro_port_open(&options, &port, &diagnosis) == GIRO_ERR_OK);
    struct sockaddr_in hub = {.sin_family = AF_INET,
                              .sin_port = htons(udp_port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    client = socket(AF_INET, SOCK_DGRAM, 0);
    cr_assert(connect(client, (const struct sockaddr *)&hub, sizeof(hub)) == 0);
}

static void close_both(void)
{
    giro_port_close(port);
    close(client);
    (void)unlink(path);
    dataplane_leak_check();
}

TestSuite(dataplane_capture, .init = open_both, .fini = close_both);

static enum giro_err begin(uint64_t bytes_max, uint64_t duration_ns, uint32_t packet_bytes_max)
{
    struct giro_diagnosis diagnosis;
    return giro_port_capture_start(
        port,
        &(struct giro_capture_options){.path = path,
                                       .bytes_max = bytes_max,
                                       .duration_ns = duration_ns,
                                       .packet_bytes_max = packet_bytes_max},
        &diagnosis);
}

/* Sends a datagram to the port and has it echoed. */
static void echo(const void *bytes, uint32_t size)
{
    struct giro_datagram burst[GIRO_PORT_BURST];
    uint8_t back[2048];
    uint32_t count = 0;
    cr_assert(send(client, bytes, size, 0) == (ssize_t)size);
    while (count == 0)
        count = giro_port_receive(port, burst);
    cr_assert(count == 1 && burst[0].size_bytes == size);
    cr_assert(giro_port_send(port, &burst[0].from, burst[0].bytes, size) == GIRO_ERR_OK);
    giro_port_flush(port);
    cr_assert(recv(client, back, sizeof(back), 0) == (ssize_t)size);
}

static uint32_t word(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

/* The file, read whole. */
static uint8_t *file_get(size_t *size_bytes)
{
    FILE *file = fopen(path, "r");
    cr_assert(file != NULL);
    uint8_t *bytes = malloc(1 << 20);
    *size_bytes = fread(bytes, 1, 1 << 20, file);
    fclose(file);
    return bytes;
}

struct walk {
    uint32_t packets, received, sent;
    uint64_t last_ns;
};

/* One packet block: the packet within parses as a datagram, or was cut. */
static void packet_check(const uint8_t *block, uint32_t total, struct walk *walk, uint32_t snap)
{
    uint32_t kept = word(block + 20), whole = word(block + 24);
    uint64_t time_ns = (uint64_t)word(block + 12) << 32 | word(block + 16);
    cr_assert(word(block + 8) == 0 && kept == (whole < snap ? whole : snap));
    cr_assert(time_ns >= walk->last_ns && time_ns > UINT64_C(1700000000) * GIRO_NS_PER_S);
    walk->last_ns = time_ns;
    const uint8_t *option = block + 28 + (kept + 3) / 4 * 4;
    cr_assert(word(option) == (2u | 4u << 16), "flags first");
    cr_assert(option + 8 <= block + total - 8);
    uint32_t direction = word(option + 4);
    cr_assert(direction == 1 || direction == 2);
    walk->received += direction == 1;
    walk->sent += direction == 2;
    walk->packets++;
    if (kept < whole)
        return;
    struct packet_host to = {.ipv4 = INADDR_LOOPBACK,
                             .udp_port = (uint16_t)(block[28 + 36] << 8 | block[28 + 37])};
    struct giro_datagram datagram;
    cr_assert(packet_parse(&to, block + 28, kept, &datagram) == PACKET_UDP);
    cr_assert((direction == 1) == (to.udp_port == udp_port));
}

static struct walk file_check(uint32_t snap)
{
    size_t size;
    uint8_t *bytes = file_get(&size);
    struct walk walk = {.packets = 0};
    cr_assert(size >= 60 && word(bytes) == 0x0A0D0D0A && word(bytes + 8) == 0x1A2B3C4D);
    for (size_t at = 0; at < size;) {
        uint32_t total = word(bytes + at + 4);
        cr_assert(total % 4 == 0 && total >= 12 && at + total <= size);
        cr_assert(word(bytes + at + total - 4) == total, "its length stands at its end, too");
        if (word(bytes + at) == 1)
            cr_assert(word(bytes + at + 8) == 1 && word(bytes + at + 12) == snap, "Ethernet");
        if (word(bytes + at) == 6)
            packet_check(bytes + at, total, &walk, snap);
        at += total;
    }
    free(bytes);
    return walk;
}

Test(dataplane_capture, holds_every_datagram_of_every_size_both_ways)
{
    uint8_t bytes[GIRO_FRAME_MTU_BYTES];
    struct giro_capture_state state;
    memset(bytes, 0x5a, sizeof(bytes));
    giro_port_capture_state(port, &state);
    cr_assert(!state.running && state.packets == 0);
    echo(bytes, 3); /* before */
    cr_assert(begin(UINT64_C(1) << 20, GIRO_NS_PER_S * 60, 65536) == GIRO_ERR_OK);
    cr_assert(begin(UINT64_C(1) << 20, GIRO_NS_PER_S * 60, 65536) == GIRO_ERR_STATE);
    for (uint32_t size = 0; size < sizeof(bytes); size += 7)
        echo(bytes, size);
    giro_port_capture_stop(port);
    echo(bytes, 3); /* and after: not in it */
    giro_port_capture_state(port, &state);
    struct walk walk = file_check(65536);
    uint32_t expected = (GIRO_FRAME_MTU_BYTES + 6) / 7;
    cr_assert(walk.received == expected && walk.sent == expected, "%u, %u", walk.received,
              walk.sent);
    struct stat info;
    cr_assert(stat(path, &info) == 0 && (info.st_mode & 0777) == 0600);
    cr_assert(!state.running && state.err == GIRO_ERR_OK && state.packets == walk.packets);
    cr_assert(state.bytes == (uint64_t)info.st_size);
}

Test(dataplane_capture, ends_by_itself_at_its_size_and_cuts_long_packets)
{
    uint8_t bytes[1000] = {1};
    struct giro_capture_state state = {.running = true};
    cr_assert(begin(8192, GIRO_NS_PER_S * 60, 100) == GIRO_ERR_OK);
    for (uint32_t i = 0; i < 100; i++)
        echo(bytes, sizeof(bytes));
    giro_port_capture_state(port, &state);
    struct walk walk = file_check(100);
    cr_assert(!state.running && walk.packets == state.packets && walk.packets > 40);
    cr_assert(state.bytes <= 8192 && state.bytes > 8192 - 200);
    /* another one replaces the file */
    cr_assert(begin(8192, GIRO_NS_PER_S * 60, 65536) == GIRO_ERR_OK);
    echo(bytes, sizeof(bytes));
    giro_port_capture_stop(port);
    cr_assert(file_check(65536).packets == 2);
}

Test(dataplane_capture, ends_by_itself_when_its_time_is_over)
{
    struct giro_datagram burst[GIRO_PORT_BURST];
    struct giro_capture_state state = {.running = true};
    cr_assert(begin(UINT64_C(1) << 20, 50 * UINT64_C(1000000), 65536) == GIRO_ERR_OK);
    for (uint32_t i = 0; state.running && i < 200; i++) {
        cr_assert(giro_port_receive(port, burst) == 0);
        giro_port_capture_state(port, &state);
        usleep(10000);
    }
    cr_assert(!state.running && state.packets == 0 && file_check(65536).packets == 0);
}

Test(dataplane_capture, refuses_what_cannot_be_and_says_where_it_cannot_write)
{
    struct giro_diagnosis diagnosis = {.fact = ""};
    struct giro_capture_options good = {.path = "no/such/folder/x.pcapng",
                                        .bytes_max = 8192,
                                        .duration_ns = 1,
                                        .packet_bytes_max = 64};
    cr_assert(begin(4095, 1, 64) == GIRO_ERR_ARGUMENT);
    cr_assert(begin(4096, 0, 64) == GIRO_ERR_ARGUMENT);
    cr_assert(begin(4096, 1, 0) == GIRO_ERR_ARGUMENT);
    cr_assert(begin(4096, 1, 65537) == GIRO_ERR_ARGUMENT);
    cr_assert(giro_port_capture_start(port, &good, &diagnosis) == GIRO_ERR_IO);
    cr_assert(strstr(diagnosis.fact, good.path) != NULL);
}
