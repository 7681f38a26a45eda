/* The DPDK port over PMDs that need neither device nor rights. net_ring gives back what is sent;
 * its MAC is zero. EAL starts once per process: Criterion runs each test in its own. */
#include <sched.h>

#include <criterion/criterion.h>

#include "dataplane_support.h"

static struct giro_port *open_or_skip(const char *driver, const char *device)
{
    struct giro_port_options options = {.driver = driver,
                                        .device = device,
                                        .address = "10.77.0.1",
                                        .udp_port = 7001,
                                        .memory_mb = 64,
                                        .program = "giro-unit-dpdk"};
    struct giro_port *port;
    struct giro_diagnosis diagnosis = {.fact = ""};
    enum giro_err err = giro_port_open(&options, &port, &diagnosis);
    if (err != GIRO_ERR_OK) {
        cr_assert(diagnosis.fact[0] != '\0' && port == NULL);
        cr_skip_test("SKIPPED: %s (%s)", diagnosis.fact, diagnosis.detail);
    }
    return port;
}

static const struct giro_endpoint self = {.ipv4 = 0x0a4d0001, .port = 7001};

Test(dataplane_port_dpdk, carries_bursts_over_a_ring_and_keeps_affinity)
{
    cpu_set_t before, after;
    CPU_ZERO(&before);
    CPU_SET(sched_getcpu(), &before); /* less than what EAL's floating lcore gets */
    cr_assert(sched_setaffinity(0, sizeof(before), &before) == 0);
    struct giro_port *port = open_or_skip("net_ring", NULL);
    cr_assert(sched_getaffinity(0, sizeof(after), &after) == 0);
    cr_assert(CPU_EQUAL(&before, &after), "EAL must not move us");
    cr_assert(giro_port_fd(port) == -1);
    uint8_t bytes[GIRO_FRAME_MTU_BYTES];
    uint64_t total_bytes = 0;
    uint32_t received = 0;
    for (uint32_t i = 0; i < 300; i++) { /* leaves by itself each time 64 wait */
        uint32_t size = i * 5 % (GIRO_FRAME_MTU_BYTES + 1);
        memset(bytes, (int)i, size);
        cr_assert(giro_port_send(port, &self, bytes, size) == GIRO_ERR_OK, "send %u", i);
        total_bytes += size;
    }
    giro_port_flush(port);
    while (received < 300) {
        struct giro_datagram burst[GIRO_PORT_BURST];
        uint32_t count = giro_port_receive(port, burst);
        cr_assert(count > 0, "nothing after %u", received);
        for (uint32_t i = 0; i < count; i++, received++) {
            uint32_t size = received * 5 % (GIRO_FRAME_MTU_BYTES + 1);
            memset(bytes, (int)received, size);
            cr_assert(burst[i].size_bytes == size && memcmp(burst[i].bytes, bytes, size) == 0);
            cr_assert(burst[i].from.ipv4 == self.ipv4 && burst[i].from.port == self.port);
        }
    }
    struct giro_port_counters counters;
    giro_port_counters(port, &counters);
    cr_assert(counters.received == 300 && counters.sent == 300 && counters.send_failed == 0);
    cr_assert(counters.received_bytes == total_bytes && counters.sent_bytes == total_bytes);
    giro_port_close(port);
}

Test(dataplane_port_dpdk, says_full_when_nothing_leaves_and_leaks_no_buffer)
{
    struct giro_port *port = open_or_skip("net_ring", NULL);
    struct giro_datagram burst[GIRO_PORT_BURST];
    uint8_t bytes[100] = {0};
    for (uint32_t round = 0; round < 5; round++) { /* more buffers than the pool has, in all */
        uint32_t queued = 0, back = 0;
        while (giro_port_send(port, &self, bytes, sizeof(bytes)) == GIRO_ERR_OK)
            queued++;
        cr_assert(queued >= 1000 && queued < 4000, "%u queued", queued);
        for (uint32_t count; (count = giro_port_receive(port, burst)) > 0;)
            back += count;
        cr_assert(back == queued, "round %u: %u of %u", round, back, queued);
    }
    struct giro_port_counters counters;
    giro_port_counters(port, &counters);
    cr_assert(counters.send_failed == 5 && counters.sent == counters.received);
    giro_port_close(port);
}

Test(dataplane_port_dpdk, counts_and_drops_what_is_not_for_it)
{
    struct giro_port *port = open_or_skip("net_null", "size=64");
    struct giro_datagram burst[GIRO_PORT_BURST];
    for (uint32_t i = 0; i < 100; i++)
        cr_assert(giro_port_receive(port, burst) == 0);
    struct giro_port_counters counters;
    giro_port_counters(port, &counters);
    cr_assert(counters.not_ipv4 > 0 && counters.received == 0);
    giro_port_close(port);
}

Test(dataplane_port_dpdk, explains_why_it_cannot_open)
{
    static const struct {
        const char *driver, *device;
    } rows[] = {{"af_packet", "nosuchiface0"},
                {"af_packet", ""},
                {"af_packet", NULL},
                {"af_packet", "a-name-longer-than-any-interface"}};
    for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct giro_port_options options = {.driver = rows[i].driver,
                                            .device = rows[i].device,
                                            .address = "10.77.0.1",
                                            .udp_port = 7001,
                                            .memory_mb = 64,
                                            .program = "giro-unit-dpdk"};
        struct giro_port *port;
        struct giro_diagnosis diagnosis = {.fact = ""};
        cr_assert(giro_port_open(&options, &port, &diagnosis) == GIRO_ERR_PORT, "row %u", i);
        cr_assert(port == NULL && diagnosis.fact[0] != '\0' && diagnosis.hint[0] != '\0');
    }
}
