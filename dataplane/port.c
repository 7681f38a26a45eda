/* The public face of a port: checks arguments, hands on to the back end. */
#include "port.h"
#include "port_telemetry.h"

#include <arpa/inet.h>

static bool address_parse(const char *text, uint32_t *ipv4)
{
    struct in_addr address;
    if (text == NULL || inet_pton(AF_INET, text, &address) != 1)
        return false;
    *ipv4 = ntohl(address.s_addr);
    return true;
}

enum giro_err giro_port_open(const struct giro_port_options *options, struct giro_port **port,
                             struct giro_diagnosis *diagnosis)
{
    GIRO_ASSERT(options != NULL && port != NULL && diagnosis != NULL);
    GIRO_ASSERT(options->driver != NULL);
    *port = NULL;
    uint32_t ipv4 = 0;
    if (!address_parse(options->address, &ipv4)) {
        giro_diagnosis_set(diagnosis, "four decimal numbers with points are expected",
                           "give the hub's address on this port, such as 10.0.0.1",
                           "the port's address \"%s\" is not an IPv4 address",
                           options->address == NULL ? "" : options->address);
        return GIRO_ERR_CONFIG;
    }
    if (options->udp_port == 0) {
        giro_diagnosis_set(diagnosis, "members send to a fixed port", "give a port from 1 to 65535",
                           "the port's UDP port is 0");
        return GIRO_ERR_CONFIG;
    }
    struct giro_port_options filled = *options;
    filled.mtu = options->mtu == 0 ? PORT_MTU : options->mtu;
    filled.queues = options->queues == 0 ? 1 : options->queues;
    if (filled.mtu < PORT_MTU || filled.mtu > GIRO_PORT_MTU_MAX ||
        filled.queues > GIRO_PORT_QUEUES_MAX) {
        giro_diagnosis_set(diagnosis, "mtu is 1,500 to 9,216, queues 1 to 16", "",
                           "the port's mtu %u or queues %u cannot be", filled.mtu, filled.queues);
        return GIRO_ERR_CONFIG;
    }
    bool udp = strcmp(options->driver, "udp") == 0;
    if (udp && options->telemetry != NULL) {
        giro_diagnosis_set(diagnosis, "the kernel's UDP has no such socket",
                           "leave telemetry out and read /metrics",
                           "DPDK's telemetry needs a DPDK driver, not udp");
        return GIRO_ERR_CONFIG;
    }
    enum giro_err err = udp ? port_udp_open(&filled, ipv4, port, diagnosis)
                            : port_dpdk_open(&filled, ipv4, port, diagnosis);
    if (err != GIRO_ERR_OK)
        return err;
    (*port)->datagram_max = filled.mtu - PORT_HEADERS;
    (*port)->telemetry = options->telemetry != NULL;
    return GIRO_ERR_OK;
}

void giro_port_close(struct giro_port *port)
{
    if (port == NULL)
        return;
    struct capture *capture = port->capture;
    port->ops->close(port); /* may still send */
    capture_close(capture);
}

int giro_port_fd(const struct giro_port *port)
{
    return port->fd;
}

uint32_t giro_port_datagram_max(const struct giro_port *port)
{
    return port->datagram_max;
}

uint32_t giro_port_receive(struct giro_port *port, struct giro_datagram *datagrams)
{
    port->ops->flush(port);
    if (port->capture != NULL)
        capture_tick(port->capture);
    uint32_t count = port->ops->receive(port, datagrams);
    GIRO_ASSERT(count <= GIRO_PORT_BURST);
    port->counters.received += count;
    for (uint32_t i = 0; i < count; i++)
        port->counters.received_bytes += datagrams[i].size_bytes;
    return count;
}

enum giro_err giro_port_send(struct giro_port *port, const struct giro_endpoint *to,
                             const void *bytes, uint32_t size_bytes)
{
    if (size_bytes > port->datagram_max || to->ipv4 == 0 || to->port == 0) {
        port->counters.send_failed++;
        return GIRO_ERR_ARGUMENT;
    }
    enum giro_err err = port->ops->send(port, to, bytes, size_bytes);
    if (err != GIRO_ERR_OK)
        port->counters.send_failed++;
    return err;
}

void giro_port_flush(struct giro_port *port)
{
    port->ops->flush(port);
}

void giro_port_counters(struct giro_port *port, struct giro_port_counters *counters)
{
    port->counters.lost = port->ops->lost(port);
    *counters = port->counters;
}

bool giro_port_telemetry(const struct giro_port *port)
{
    return port->telemetry;
}

void giro_port_publish(struct giro_port *port, const char *command, const char *help,
                       const struct giro_port_number *numbers, uint32_t count)
{
    if (port->telemetry)
        telemetry_publish(command, help, numbers, count);
}

/* ---- Capture --------------------------------------------------------------------------------- */

enum giro_err giro_port_capture_start(struct giro_port *port,
                                      const struct giro_capture_options *options,
                                      struct giro_diagnosis *diagnosis)
{
    struct giro_capture_state state;
    giro_port_capture_state(port, &state);
    if (state.running)
        return GIRO_ERR_STATE;
    capture_close(port->capture);
    return capture_open(options, &port->capture, diagnosis);
}

void giro_port_capture_stop(struct giro_port *port)
{
    if (port->capture != NULL)
        capture_finish(port->capture);
}

void giro_port_capture_state(const struct giro_port *port, struct giro_capture_state *state)
{
    *state = (struct giro_capture_state){.running = false};
    if (port->capture != NULL)
        capture_state(port->capture, state);
}
