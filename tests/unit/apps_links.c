/* TLS links between replicas of one process, on one event base. */
#include <stdio.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#include "apps/girod/links.h"
#include "apps/girod/postmortem.h"
#include "giro/consensus.h"
#include "giro/node.h"
#include "member_support.h"

TestSuite(links, .init = hub_suite_open, .fini = hub_suite_close);

#define REPLICAS 4u

struct net;
struct node {
    struct net *net;
    struct giro_links *links;
    struct giro_secret_key *key;
    uint64_t messages[REPLICAS], bytes[REPLICAS];
    uint32_t downs;
};
struct net {
    struct hub hub;
    struct event_base *base;
    struct giro_config_address addresses[REPLICAS];
    struct node nodes[REPLICAS];
};

/* A message of a sender: envelope, then bytes that depend on their place. */
static uint8_t *message_make(uint16_t sender, uint32_t size_bytes)
{
    struct giro_peer_envelope envelope = {
        .head = giro_head_make(GIRO_KIND_PEER), .size_bytes = size_bytes, .sender = sender};
    uint8_t *bytes = malloc(size_bytes);
    for (uint32_t i = 0; i < size_bytes; i++)
        bytes[i] = (uint8_t)(i * 31 + sender);
    memcpy(bytes, &envelope, sizeof(envelope));
    return bytes;
}

static void on_message(void *context, uint16_t peer, const void *bytes, uint32_t size_bytes)
{
    struct node *node = context;
    uint8_t *expected = message_make(peer, size_bytes);
    cr_assert(memcmp(bytes, expected, size_bytes) == 0);
    free(expected);
    node->messages[peer]++;
    node->bytes[peer] += size_bytes;
}

static void on_state(void *context, uint16_t peer, bool up)
{
    (void)peer;
    ((struct node *)context)->downs += !up;
}

static void node_open(struct net *net, uint32_t i, const char *owner)
{
    struct node *node = &net->nodes[i];
    struct giro_diagnosis diagnosis = {.fact = ""};
    *node = (struct node){.net = net, .key = hub_key(owner, "transport", 1)};
    struct giro_links_options options = {.base = net->base,
                                         .genesis = &net->hub.genesis,
                                         .self = i,
                                         .transport_key = node->key,
                                         .peers = net->addresses,
                                         .context = node,
                                         .message = on_message,
                                         .state = on_state};
    cr_assert(giro_links_open(&options, &node->links, &diagnosis) == GIRO_ERR_OK, "%s",
              diagnosis.fact);
}

static void node_close(struct net *net, uint32_t i)
{
    if (net->nodes[i].links == NULL)
        return;
    giro_links_close(net->nodes[i].links);
    giro_key_free(net->nodes[i].key);
    net->nodes[i].links = NULL;
}

static struct net *net_open(uint32_t count)
{
    struct net *net = calloc(1, sizeof(*net));
    uint16_t ports[REPLICAS];
    hub_make(&net->hub, REPLICAS, 2);
    hub_ports(ports, REPLICAS);
    net->base = event_base_new();
    for (uint32_t i = 0; i < REPLICAS; i++) {
        snprintf(net->addresses[i].host, sizeof(net->addresses[i].host), "127.0.0.1");
        net->addresses[i].port = ports[i];
    }
    for (uint32_t i = 0; i < count; i++)
        node_open(net, i, net->hub.genesis.replicas[i].name);
    return net;
}

static void net_close(struct net *net)
{
    for (uint32_t i = 0; i < REPLICAS; i++)
        node_close(net, i);
    event_base_free(net->base);
    hub_free(&net->hub);
    free(net);
}

/* Runs the loop until holds(net) or a minute has passed; true: it holds. */
static bool pump(struct net *net, bool (*holds)(struct net *net))
{
    struct giro_clock clock = giro_clock_system();
    uint64_t end_ns = clock.mono_ns(clock.self) + 60 * GIRO_NS_PER_S;
    while (!holds(net)) {
        if (clock.mono_ns(clock.self) > end_ns)
            return false;
        struct timeval wait = {.tv_usec = 2000};
        event_base_loopexit(net->base, &wait);
        event_base_dispatch(net->base);
    }
    return true;
}

static bool all_up(struct net *net)
{
    uint32_t open = 0, up = 0;
    for (uint32_t i = 0; i < REPLICAS; i++)
        if (net->nodes[i].links != NULL) {
            open++;
            up += giro_links_up(net->nodes[i].links);
        }
    return up == open * (open - 1);
}

static struct giro_links_counters counters(struct net *net, uint32_t i)
{
    struct giro_links_counters counters;
    giro_links_counters(net->nodes[i].links, &counters);
    return counters;
}

static void send_bytes(struct net *net, uint32_t from, uint16_t to, const uint8_t *bytes,
                       uint32_t size_bytes)
{
    uint32_t half = size_bytes / 2;
    struct giro_part parts[] = {{bytes, half}, {bytes + half, size_bytes - half}};
    giro_links_send(net->nodes[from].links, to, parts, 2);
}

static bool all_heard_all(struct net *net)
{
    for (uint32_t i = 0; i < REPLICAS; i++)
        for (uint32_t k = 0; k < REPLICAS; k++)
            if (i != k && net->nodes[i].messages[k] < 6)
                return false;
    return true;
}

Test(links, four_replicas_connect_and_messages_of_all_sizes_arrive_whole)
{
    static const uint32_t sizes[] = {64, 65, 4096, 16385, 100003, GIRO_PEER_BYTES_MAX};
    struct net *net = net_open(REPLICAS);
    cr_assert(pump(net, all_up));
    for (uint16_t i = 0; i < REPLICAS; i++)
        for (size_t k = 0; k < 6; k++) {
            uint8_t *bytes = message_make(i, sizes[k]);
            send_bytes(net, i, GIRO_PEER_ALL, bytes, sizes[k]);
            free(bytes);
        }
    cr_assert(pump(net, all_heard_all));
    for (uint32_t i = 0; i < REPLICAS; i++) {
        struct giro_links_counters found = counters(net, i);
        cr_assert(found.sent == 18 && found.received == 18 && found.dropped == 0 &&
                  found.malformed == 0 && net->nodes[i].messages[i] == 0);
    }
    net_close(net);
}

/* A replica that stops before it has links has them for long enough to say so, to whoever is up. */
Test(links, a_halt_at_a_start_reaches_every_replica_that_is_up)
{
    struct net *net = net_open(3);
    cr_assert(pump(net, all_up));
    struct giro_secret_key *key = hub_key(net->hub.genesis.replicas[3].name, "transport", 1);
    const struct giro_links_options options = {.base = net->base,
                                               .genesis = &net->hub.genesis,
                                               .self = 3,
                                               .transport_key = key,
                                               .peers = net->addresses};
    uint8_t *bytes = message_make(3, GIRO_HALT_MESSAGE_BYTES);
    cr_assert(giro_halt_tell(&options, bytes, GIRO_HALT_MESSAGE_BYTES) == 3);
    for (uint32_t i = 0; i < 3; i++)
        cr_assert(net->nodes[i].messages[3] == 1, "replica %u", i);
    node_close(net, 1);
    cr_assert(giro_halt_tell(&options, bytes, GIRO_HALT_MESSAGE_BYTES) == 2);
    cr_assert(net->nodes[0].messages[3] == 2 && net->nodes[2].messages[3] == 2);
    free(bytes);
    giro_key_free(key);
    net_close(net);
}

static bool stranger_refused(struct net *net)
{
    return counters(net, 0).refused_handshakes >= 4;
}

/* Whoever answers for replica 1, by replica 2. */
static bool impostor_refused(struct net *net)
{
    return counters(net, 2).refused_handshakes >= 2 && giro_links_up(net->nodes[0].links) > 0;
}

Test(links, a_key_that_is_not_the_enrolled_one_is_refused_on_both_sides)
{
    struct net *net = net_open(1);
    node_open(net, 1, "somebody"); /* dials 0, which does not know that key */
    cr_assert(pump(net, stranger_refused) && giro_links_up(net->nodes[0].links) == 0);
    node_close(net, 1);
    node_open(net, 1, net->hub.genesis.replicas[3].name); /* 3's key at 1's address */
    node_open(net, 2, net->hub.genesis.replicas[2].name); /* dials 0 and 1 */
    cr_assert(pump(net, impostor_refused));
    cr_assert(giro_links_up(net->nodes[2].links) == 1, "with 0; who answers for 1 is not 1");
    net_close(net);
}

Test(links, a_replica_that_comes_back_is_connected_again)
{
    struct net *net = net_open(3);
    cr_assert(pump(net, all_up));
    for (uint32_t i = 0; i < 3; i++) { /* the one all dial, one between, one that dials all */
        node_close(net, i);
        cr_assert(pump(net, all_up));
        node_open(net, i, net->hub.genesis.replicas[i].name);
        cr_assert(pump(net, all_up), "replica %u", i);
    }
    cr_assert(net->nodes[0].downs + net->nodes[1].downs + net->nodes[2].downs >= 3);
    net_close(net);
}

static bool second_refused(struct net *net)
{
    return counters(net, 0).second_sessions >= 2 && counters(net, 1).second_sessions >= 2;
}

static bool heard_of_two(struct net *net)
{
    return net->nodes[0].messages[2] > 0 && net->nodes[1].messages[2] > 0;
}

Test(links, a_second_session_under_a_live_key_is_refused_and_displaces_nobody)
{
    struct net *net = net_open(3);
    cr_assert(pump(net, all_up));
    struct node honest = net->nodes[2];
    struct giro_config_address address = net->addresses[2];
    uint16_t port;
    hub_ports(&port, 1);
    net->addresses[2].port = port; /* where the copy listens; the honest one has its own */
    node_open(net, 2, net->hub.genesis.replicas[2].name);
    struct node copy = net->nodes[2];
    net->nodes[2] = honest;
    net->addresses[2] = address;
    cr_assert(pump(net, second_refused)); /* it dials again and again */
    cr_assert(all_up(net));
    cr_assert(net->nodes[0].downs + net->nodes[1].downs == 0);
    uint8_t *message = message_make(2, 1000);
    struct giro_part part = {message, 1000};
    giro_links_send(net->nodes[2].links, GIRO_PEER_ALL, &part, 1);
    cr_assert(pump(net, heard_of_two));
    giro_links_close(copy.links);
    giro_key_free(copy.key);
    free(message);
    net_close(net);
}

static uint64_t malformed_wanted;

static bool malformed_and_up(struct net *net)
{
    return counters(net, 0).malformed == malformed_wanted &&
           net->nodes[0].downs == malformed_wanted && all_up(net);
}

Test(links, what_is_no_peer_message_drops_the_link_which_comes_back)
{
    static const struct {
        const char *what;
        uint32_t size_bytes;
        uint16_t sender;
        uint8_t kind;
    } rows[] = {{"too large", GIRO_PEER_BYTES_MAX + 1, 1, 0},
                {"huge", UINT32_MAX, 1, 0},
                {"shorter than its envelope", 63, 1, 0},
                {"empty", 0, 1, 0},
                {"another sender", 64, 0, 0},
                {"unknown sender", 64, 77, 0},
                {"another kind", 64, 1, 1}};
    struct net *net = net_open(2);
    cr_assert(pump(net, all_up));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct giro_peer_envelope envelope = {.head = giro_head_make(GIRO_KIND_PEER),
                                              .size_bytes = rows[i].size_bytes,
                                              .sender = rows[i].sender};
        envelope.head.kind ^= rows[i].kind;
        send_bytes(net, 1, 0, (const uint8_t *)&envelope, sizeof(envelope));
        malformed_wanted = i + 1;
        cr_assert(pump(net, malformed_and_up), "%s", rows[i].what);
    }
    cr_assert(counters(net, 0).received == 0);
    net_close(net);
}

static bool zero_heard(struct net *net)
{
    struct giro_links_counters sent = counters(net, 1);
    return net->nodes[0].messages[1] == sent.sent;
}

Test(links, a_full_queue_drops_whole_messages_and_counts_them)
{
    enum { MESSAGES = 40 };
    struct net *net = net_open(2);
    cr_assert(pump(net, all_up));
    uint8_t *bytes = message_make(1, GIRO_PEER_BYTES_MAX);
    for (int i = 0; i < MESSAGES; i++) /* the loop does not run meanwhile */
        send_bytes(net, 1, 0, bytes, GIRO_PEER_BYTES_MAX);
    free(bytes);
    struct giro_links_counters found = counters(net, 1);
    cr_assert(found.sent + found.dropped == MESSAGES);
    cr_assert(found.sent == GIRO_LINKS_OUT_MAX / GIRO_PEER_BYTES_MAX, "%lu", found.sent);
    cr_assert(pump(net, zero_heard));
    send_bytes(net, 1, 3, (const uint8_t *)"x", 1); /* nobody there */
    cr_assert(counters(net, 1).dropped == found.dropped + 1);
    net_close(net);
}
