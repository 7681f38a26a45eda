/* The public face of a port: checks arguments, hands on to the back end. */
#include "port.h"

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
    if (strcmp(options->driver, "udp") == 0)
        return port_udp_open(options, ipv4, port, diagnosis);
    return port_dpdk_open(options, ipv4, port, diagnosis);
}

void giro_port_close(struct giro_port *port)
{
    if (port != NULL)
        port->ops->close(port);
}

int giro_port_fd(const struct giro_port *port)
{
    return port->fd;
}

uint32_t giro_port_receive(struct giro_port *port, struct giro_datagram *datagrams)
{
    port->ops->flush(port);
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
    if (size_bytes > PORT_PAYLOAD_BYTES || to->ipv4 == 0 || to->port == 0) {
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

void giro_port_counters(const struct giro_port *port, struct giro_port_counters *counters)
{
    *counters = port->counters;
}
