/* port_echo DRIVER DEVICE ADDRESS UDP_PORT [mtu=N] [queues=N] [capture=FILE] [telemetry=DIR]: opens a
 * port and sends every datagram back to where it came from, until SIGTERM; then prints its counters. Prints "ready" once it
 * listens, with the descriptor it sleeps on. Exit 77: the port cannot be opened here. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "giro/dataplane.h"

#define IDLE_BURSTS 32u

static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
    (void)number;
    stopping = 1;
}

static void rest(const struct giro_port *port)
{
    struct pollfd wait = {.fd = giro_port_fd(port), .events = POLLIN};
    (void)poll(&wait, wait.fd < 0 ? 0 : 1, wait.fd < 0 ? 1 : 100);
}

static void echo(struct giro_port *port)
{
    uint32_t idle = 0;
    while (!stopping) {
        struct giro_datagram burst[GIRO_PORT_BURST];
        uint32_t count = giro_port_receive(port, burst);
        for (uint32_t i = 0; i < count; i++)
            if (giro_port_send(port, &burst[i].from, burst[i].bytes, burst[i].size_bytes) !=
                GIRO_ERR_OK)
                continue; /* counted by the port */
        giro_port_flush(port);
        idle = count > 0 ? 0 : idle + 1;
        if (idle >= IDLE_BURSTS)
            rest(port);
    }
}

/* value_of returns what follows NAME= among the arguments, NULL if it is not there. */
static const char *value_of(int argc, char **argv, const char *name)
{
    size_t length = strlen(name);
    for (int i = 5; i < argc; i++)
        if (strncmp(argv[i], name, length) == 0 && argv[i][length] == '=')
            return argv[i] + length + 1;
    return NULL;
}

static uint32_t number_of(int argc, char **argv, const char *name)
{
    const char *value = value_of(argc, argv, name);
    return value == NULL ? 0 : (uint32_t)strtoul(value, NULL, 10);
}

static bool capture_begin(struct giro_port *port, const char *path)
{
    struct giro_diagnosis diagnosis = {.fact = ""};
    struct giro_capture_options options = {.path = path,
                                           .bytes_max = UINT64_C(64) << 20,
                                           .duration_ns = 60 * GIRO_NS_PER_S,
                                           .packet_bytes_max = GIRO_CAPTURE_PACKET_MAX};
    if (giro_port_capture_start(port, &options, &diagnosis) == GIRO_ERR_OK)
        return true;
    giro_diagnosis_print("port_echo", &diagnosis);
    return false;
}

int main(int argc, char **argv)
{
    if (argc < 5) {
        fprintf(stderr, "usage: port_echo DRIVER DEVICE ADDRESS UDP_PORT [mtu=N] [queues=N] "
                        "[capture=FILE] [telemetry=DIR]\n");
        return 2;
    }
    char program[64];
    snprintf(program, sizeof(program), "port-echo-%d", (int)getpid());
    struct giro_port_options options = {.driver = argv[1],
                                        .device = argv[2],
                                        .address = argv[3],
                                        .udp_port = (uint16_t)strtoul(argv[4], NULL, 10),
                                        .mtu = number_of(argc, argv, "mtu"),
                                        .queues = number_of(argc, argv, "queues"),
                                        .memory_mb = 64,
                                        .telemetry = value_of(argc, argv, "telemetry"),
                                        .program = program};
    struct giro_port *port;
    struct giro_diagnosis diagnosis = {.fact = ""};
    enum giro_err err = giro_port_open(&options, &port, &diagnosis);
    if (err != GIRO_ERR_OK) {
        giro_diagnosis_print("port_echo", &diagnosis);
        return err == GIRO_ERR_PORT ? 77 : 1;
    }
    const char *capture = value_of(argc, argv, "capture");
    if (capture != NULL && !capture_begin(port, capture))
        return 1;
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    const struct giro_port_number figures[] = {{"the_answer", 42}, {"large", UINT64_MAX}};
    giro_port_publish(port, "/giro/port", "figures of this port", figures, 2);
    printf("ready fd=%d\n", giro_port_fd(port));
    fflush(stdout);
    echo(port);
    struct giro_port_counters c;
    giro_port_counters(port, &c);
    printf("received=%lu sent=%lu send_failed=%lu arp=%lu echo=%lu bad_checksum=%lu fragment=%lu "
           "not_ipv4=%lu not_udp=%lu other_address=%lu not_allowed=%lu truncated=%lu lost=%lu\n",
           c.received, c.sent, c.send_failed, c.arp_answered, c.echo_answered, c.bad_checksum,
           c.fragment, c.not_ipv4, c.not_udp, c.other_address, c.not_allowed, c.truncated, c.lost);
    giro_port_close(port);
    return 0;
}
