#include "apps/girod/hub_port.h"

#include <stdio.h>
#include <unistd.h>

enum giro_err giro_hub_port_open(const struct giro_config *config,
                                 const struct giro_genesis *genesis, struct giro_allow **allow,
                                 struct giro_port **port, struct giro_diagnosis *diagnosis)
{
    const char *entries[GIRO_CONFIG_ALLOW_MAX];
    for (uint32_t i = 0; i < config->port_allow_count; i++)
        entries[i] = config->port_allow[i];
    GIRO_TRY(giro_allow_open(entries, config->port_allow_count, genesis, allow, diagnosis));
    char program[64];
    snprintf(program, sizeof(program), "girod-%u-%d", config->replica, (int)getpid());
    const char *telemetry = config->port_telemetry_path;
    struct giro_port_options options = {.driver = config->port_driver,
                                        .device = config->port_device,
                                        .address = config->port_address,
                                        .udp_port = config->port_udp_port,
                                        .mtu = config->port_mtu,
                                        .queues = config->port_queues,
                                        .memory_mb = config->port_memory_mb,
                                        .telemetry = telemetry[0] == '\0' ? NULL : telemetry,
                                        .program = program,
                                        .allow = *allow};
    return giro_port_open(&options, port, diagnosis);
}

static void publish_port(struct giro_port *port)
{
    struct giro_port_counters c;
    giro_port_counters(port, &c);
    const struct giro_port_number numbers[] = {
        {"received", c.received},
        {"received_bytes", c.received_bytes},
        {"sent", c.sent},
        {"sent_bytes", c.sent_bytes},
        {"send_failed", c.send_failed},
        {"arp_answered", c.arp_answered},
        {"echo_answered", c.echo_answered},
        {"not_ipv4", c.not_ipv4},
        {"not_udp", c.not_udp},
        {"other_address", c.other_address},
        {"not_allowed", c.not_allowed},
        {"fragment", c.fragment},
        {"bad_checksum", c.bad_checksum},
        {"truncated", c.truncated},
        {"lost", c.lost},
    };
    giro_port_publish(port, "/giro/port", "Datagrams of this port, and packets dropped by cause.",
                      numbers, sizeof(numbers) / sizeof(numbers[0]));
}

static void publish_ingress(struct giro_port *port, const struct giro_genesis *genesis,
                            const struct giro_ingress *ingress)
{
    struct giro_ingress_lanes lanes;
    uint64_t sums[GIRO_REJECT_COUNT_OF_REASONS] = {0};
    giro_ingress_lanes(ingress, &lanes);
    struct giro_port_number numbers[5 + GIRO_REJECT_COUNT_OF_REASONS] = {
        {"taken", giro_ingress_taken(ingress)},
        {"waiting", giro_ingress_waiting(ingress)},
        {"verify_calls", lanes.calls},
        {"verify_signatures", lanes.signatures},
        {"verify_full", lanes.signatures_in_full_calls},
    };
    for (uint32_t member = 0; member <= genesis->member_count; member++) {
        uint64_t rejects[GIRO_REJECT_COUNT_OF_REASONS];
        giro_ingress_rejects(ingress, member < genesis->member_count ? member : GIRO_NONE, rejects);
        for (uint32_t i = 1; i < GIRO_REJECT_COUNT_OF_REASONS; i++)
            sums[i] += rejects[i];
    }
    uint32_t count = 5;
    for (uint32_t i = 1; i < GIRO_REJECT_COUNT_OF_REASONS; i++)
        numbers[count++] =
            (struct giro_port_number){giro_reject_name((enum giro_reject)i), sums[i]};
    giro_port_publish(port, "/giro/ingress",
                      "Frames taken and verified, and datagrams refused by reason.", numbers,
                      count);
}

static void publish_verify(struct giro_port *port, const struct giro_verifiers_counters *c)
{
    const struct giro_port_number numbers[] = {
        {"threads", c->threads},
        {"busy_ns", c->busy_ns},
        {"chunks", c->chunks},
        {"chunks_waiting", c->chunks_waiting},
        {"batches", c->batches},
        {"batches_waiting", c->batches_waiting},
        {"batches_inline", c->batches_refused},
    };
    giro_port_publish(port, "/giro/verify",
                      "Threads that check signatures, and what waits for them.", numbers,
                      sizeof(numbers) / sizeof(numbers[0]));
}

static void publish_sessions(struct giro_port *port, const struct giro_sessions_counters *c)
{
    const struct giro_port_number numbers[] = {
        {"live", c->live},       {"half_open", c->half_open},   {"replaced", c->replaced},
        {"cookies", c->cookies}, {"handshakes", c->handshakes}, {"repeated", c->repeated},
        {"opened", c->opened},   {"displaced", c->displaced},   {"expired", c->expired},
        {"moved", c->moved},     {"received", c->received},     {"sent", c->sent},
        {"lost", c->lost},       {"withheld", c->withheld},     {"unsent", c->unsent},
    };
    giro_port_publish(port, "/giro/sessions", "Sessions of members, and their datagrams.", numbers,
                      sizeof(numbers) / sizeof(numbers[0]));
}

void giro_hub_port_publish(struct giro_port *port, const struct giro_genesis *genesis,
                           const struct giro_ingress *ingress,
                           const struct giro_verifiers_counters *verifiers,
                           const struct giro_sessions_counters *sessions)
{
    if (!giro_port_telemetry(port))
        return;
    publish_port(port);
    publish_ingress(port, genesis, ingress);
    publish_verify(port, verifiers);
    publish_sessions(port, sessions);
}
