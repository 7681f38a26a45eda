#include "apps/girod/links.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>

#include "apps/tls/tls.h"
#include "giro/consensus.h"

#define DIAL_FIRST_NS  200000000u
#define DIAL_LAST_NS   2000000000u
#define HANDSHAKES_MAX 64u /* accepted connections whose peer is not known yet */
#define HANDSHAKE_S    5
#define SILENCE_MS     5000 /* unacknowledged this long: the peer's machine or the network is gone */

struct link {
    struct giro_links *links;
    uint16_t peer;
    bool up;
    struct bufferevent *stream; /* live, or being dialled */
    struct event *redial;       /* only towards lower indices */
    uint64_t redial_ns;
};

/* An accepted connection during its handshake. */
struct guest {
    struct giro_links *links;
    struct bufferevent *stream;
};

struct giro_links {
    struct giro_links_options options;
    SSL_CTX *server, *client;
    struct evconnlistener *listener;
    struct giro_links_counters counters;
    struct guest guests[HANDSHAKES_MAX];
    struct link peers[GIRO_REPLICAS_MAX];
};

static uint32_t peer_by_key(const struct giro_links *links, const struct giro_public_key *key)
{
    const struct giro_genesis *genesis = links->options.genesis;
    for (uint32_t i = 0; i < genesis->replica_count; i++)
        if (memcmp(&genesis->replicas[i].transport.key, key, sizeof(*key)) == 0)
            return i;
    return GIRO_NONE;
}

static bool accept_key(void *context, const struct giro_public_key *key)
{
    const struct giro_links *links = context;
    uint32_t peer = peer_by_key(links, key);
    return peer != GIRO_NONE && peer != links->options.self;
}

/* ---- A live link --------------------------------------------------------------------------------- */

static void link_down(struct link *link)
{
    struct giro_links *links = link->links;
    if (link->stream != NULL)
        bufferevent_free(link->stream);
    link->stream = NULL;
    if (link->up && links->options.state != NULL)
        links->options.state(links->options.context, link->peer, false);
    link->up = false;
    if (link->redial == NULL)
        return;
    struct timeval wait = {.tv_sec = (time_t)(link->redial_ns / GIRO_NS_PER_S),
                           .tv_usec = (suseconds_t)(link->redial_ns % GIRO_NS_PER_S / 1000)};
    link->redial_ns = link->redial_ns * 2 > DIAL_LAST_NS ? DIAL_LAST_NS : link->redial_ns * 2;
    evtimer_add(link->redial, &wait);
}

/* Hands over whole messages. False: the stream is not one of peer messages. */
static bool link_take_message(struct link *link, struct evbuffer *input)
{
    struct giro_links *links = link->links;
    struct giro_peer_envelope envelope;
    evbuffer_copyout(input, &envelope, sizeof(envelope));
    uint32_t size_bytes = envelope.size_bytes;
    if (!giro_head_is(&envelope.head, GIRO_KIND_PEER) || size_bytes < sizeof(envelope) ||
        size_bytes > GIRO_PEER_BYTES_MAX || envelope.sender != link->peer)
        return false;
    if (evbuffer_get_length(input) < size_bytes) {
        bufferevent_setwatermark(link->stream, EV_READ, size_bytes, 0);
        return true;
    }
    bufferevent_setwatermark(link->stream, EV_READ, sizeof(envelope), 0);
    const uint8_t *bytes = evbuffer_pullup(input, size_bytes);
    if (bytes == NULL)
        return false;
    links->counters.received++;
    links->counters.received_bytes += size_bytes;
    links->options.message(links->options.context, link->peer, bytes, size_bytes);
    evbuffer_drain(input, size_bytes);
    return true;
}

static void on_read(struct bufferevent *stream, void *context)
{
    struct link *link = context;
    struct evbuffer *input = bufferevent_get_input(stream);
    size_t before;
    do {
        before = evbuffer_get_length(input);
        if (before < sizeof(struct giro_peer_envelope))
            return;
        if (!link_take_message(link, input)) {
            link->links->counters.malformed++;
            link_down(link);
            return;
        }
    } while (evbuffer_get_length(input) < before);
}

/* Without the limits a connection to a machine that lost power would live on for a quarter of an hour, and its
 * retransmissions, ever rarer, would keep the link down long after the machine is back. */
static void tune(struct bufferevent *stream)
{
    int fd = bufferevent_getfd(stream);
    const struct {
        int level, name, value;
    } settings[] = {{IPPROTO_TCP, TCP_NODELAY, 1},   {IPPROTO_TCP, TCP_USER_TIMEOUT, SILENCE_MS},
                    {SOL_SOCKET, SO_KEEPALIVE, 1},   {IPPROTO_TCP, TCP_KEEPIDLE, 2},
                    {IPPROTO_TCP, TCP_KEEPINTVL, 1}, {IPPROTO_TCP, TCP_KEEPCNT, 3}};
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
        setsockopt(fd, settings[i].level, settings[i].name, &settings[i].value, sizeof(int));
}

static void link_up(struct link *link)
{
    link->up = true;
    link->redial_ns = DIAL_FIRST_NS;
    tune(link->stream);
    bufferevent_set_timeouts(link->stream, NULL, NULL);
    bufferevent_setwatermark(link->stream, EV_READ, sizeof(struct giro_peer_envelope), 0);
    if (link->links->options.state != NULL)
        link->links->options.state(link->links->options.context, link->peer, true);
}

static void on_link_event(struct bufferevent *stream, short what, void *context)
{
    struct link *link = context;
    if ((what & BEV_EVENT_CONNECTED) != 0) {
        struct giro_public_key key;
        bool right = giro_tls_peer_key(bufferevent_openssl_get_ssl(stream), &key) &&
                     peer_by_key(link->links, &key) == link->peer;
        if (right) {
            link_up(link);
            return;
        }
        link->links->counters.refused_handshakes++;
    }
    link_down(link);
}

/* ---- Dialling lower indices ------------------------------------------------------------------------ */

static void dial(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct link *link = context;
    struct giro_links *links = link->links;
    const struct giro_config_address *address = &links->options.peers[link->peer];
    SSL *ssl = SSL_new(links->client);
    if (ssl != NULL)
        link->stream =
            bufferevent_openssl_socket_new(links->options.base, -1, ssl, BUFFEREVENT_SSL_CONNECTING,
                                           BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    if (link->stream == NULL) { /* libevent has freed ssl */
        link_down(link);        /* tried again later */
        return;
    }
    bufferevent_openssl_set_allow_dirty_shutdown(link->stream, 1);
    bufferevent_setcb(link->stream, on_read, NULL, on_link_event, link);
    bufferevent_enable(link->stream, EV_READ | EV_WRITE);
    struct timeval limit = {.tv_sec = HANDSHAKE_S};
    bufferevent_set_timeouts(link->stream, &limit, &limit);
    if (bufferevent_socket_connect_hostname(link->stream, NULL, AF_INET, address->host,
                                            address->port) != 0)
        link_down(link);
}

/* ---- Accepting higher indices ------------------------------------------------------------------------ */

static void guest_event(struct bufferevent *stream, short what, void *context)
{
    struct guest *guest = context;
    struct giro_links *links = guest->links;
    struct giro_public_key key;
    bool connected = (what & BEV_EVENT_CONNECTED) != 0 &&
                     giro_tls_peer_key(bufferevent_openssl_get_ssl(stream), &key);
    uint32_t peer = connected ? peer_by_key(links, &key) : GIRO_NONE;
    guest->stream = NULL;
    if (peer == GIRO_NONE || peer <= links->options.self) {
        links->counters.refused_handshakes++;
        bufferevent_free(stream);
        return;
    }
    struct link *link = &links->peers[peer];
    if (link->stream != NULL) {
        /* One live session per replica, and the one that lives stays: whoever copied a key displaces nobody. A peer whose
         * machine died is noticed within SILENCE_MS, and dials again. */
        links->counters.second_sessions++;
        GIRO_LOG(WARN, "links",
                 "a second session under the key of replica %u is refused: two processes, a copied "
                 "key, or a machine that just died",
                 peer);
        bufferevent_free(stream);
        return;
    }
    link->stream = stream;
    bufferevent_setcb(stream, on_read, NULL, on_link_event, link);
    link_up(link);
    on_read(stream, link);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
                      int size, void *context)
{
    (void)listener;
    (void)address;
    (void)size;
    struct giro_links *links = context;
    struct guest *guest = NULL;
    for (uint32_t i = 0; i < HANDSHAKES_MAX && guest == NULL; i++)
        if (links->guests[i].stream == NULL)
            guest = &links->guests[i];
    SSL *ssl = guest == NULL ? NULL : SSL_new(links->server);
    if (ssl == NULL) {
        links->counters.refused_handshakes++;
        evutil_closesocket(fd);
        return;
    }
    guest->links = links;
    guest->stream =
        bufferevent_openssl_socket_new(links->options.base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING,
                                       BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    if (guest->stream == NULL) { /* libevent has freed ssl */
        evutil_closesocket(fd);
        return;
    }
    bufferevent_openssl_set_allow_dirty_shutdown(guest->stream, 1);
    bufferevent_setcb(guest->stream, NULL, NULL, guest_event, guest);
    struct timeval limit = {.tv_sec = HANDSHAKE_S};
    bufferevent_set_timeouts(guest->stream, &limit, &limit);
    bufferevent_enable(guest->stream, EV_READ | EV_WRITE);
}

/* ---- Opening, sending ------------------------------------------------------------------------------------ */

static enum giro_err listen_on(struct giro_links *links, struct giro_diagnosis *diagnosis)
{
    const struct giro_config_address *own = &links->options.peers[links->options.self];
    char text[96];
    snprintf(text, sizeof(text), "%s:%u", own->host, own->port);
    struct sockaddr_storage address;
    int size = sizeof(address);
    if (evutil_parse_sockaddr_port(text, (struct sockaddr *)&address, &size) == 0)
        links->listener = evconnlistener_new_bind(links->options.base, on_accept, links,
                                                  LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE |
                                                      LEV_OPT_CLOSE_ON_EXEC,
                                                  64, (struct sockaddr *)&address, size);
    if (links->listener != NULL)
        return GIRO_ERR_OK;
    giro_diagnosis_set(diagnosis, evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()),
                       giro_err_advice(GIRO_ERR_NETWORK), "cannot listen for replicas on %s", text);
    return GIRO_ERR_NETWORK;
}

enum giro_err giro_links_open(const struct giro_links_options *options,
                              struct giro_links **links_out, struct giro_diagnosis *diagnosis)
{
    struct giro_links *links = calloc(1, sizeof(*links));
    if (links == NULL)
        return GIRO_ERR_NOMEM;
    links->options = *options;
    struct giro_tls_options tls = {.key = options->transport_key,
                                   .common_name = options->genesis->replicas[options->self].name,
                                   .server = true,
                                   .accept = accept_key,
                                   .context = links};
    enum giro_err err = giro_tls_context(&tls, &links->server, diagnosis);
    tls.server = false;
    if (err == GIRO_ERR_OK)
        err = giro_tls_context(&tls, &links->client, diagnosis);
    if (err == GIRO_ERR_OK)
        err = listen_on(links, diagnosis);
    for (uint32_t i = 0; i < options->genesis->replica_count; i++) {
        struct link *link = &links->peers[i];
        link->links = links;
        link->peer = (uint16_t)i;
        link->redial_ns = DIAL_FIRST_NS;
        if (err == GIRO_ERR_OK && i < options->self) {
            link->redial = evtimer_new(options->base, dial, link);
            if (link->redial == NULL)
                err = GIRO_ERR_NOMEM;
            else
                dial(-1, 0, link);
        }
    }
    if (err != GIRO_ERR_OK) {
        giro_links_close(links);
        return err;
    }
    *links_out = links;
    return GIRO_ERR_OK;
}

void giro_links_close(struct giro_links *links)
{
    for (uint32_t i = 0; i < GIRO_REPLICAS_MAX; i++) {
        if (links->peers[i].redial != NULL)
            event_free(links->peers[i].redial);
        if (links->peers[i].stream != NULL)
            bufferevent_free(links->peers[i].stream);
    }
    for (uint32_t i = 0; i < HANDSHAKES_MAX; i++)
        if (links->guests[i].stream != NULL)
            bufferevent_free(links->guests[i].stream);
    if (links->listener != NULL)
        evconnlistener_free(links->listener);
    SSL_CTX_free(links->server);
    SSL_CTX_free(links->client);
    free(links);
}

static void send_to(struct giro_links *links, struct link *link, const struct giro_part *parts,
                    uint32_t part_count)
{
    size_t size_bytes = 0;
    for (uint32_t i = 0; i < part_count; i++)
        size_bytes += parts[i].size_bytes;
    struct evbuffer *output = link->up ? bufferevent_get_output(link->stream) : NULL;
    if (output == NULL || evbuffer_get_length(output) + size_bytes > GIRO_LINKS_OUT_MAX) {
        links->counters.dropped++;
        return;
    }
    for (uint32_t i = 0; i < part_count; i++)
        evbuffer_add(output, parts[i].bytes, parts[i].size_bytes);
    links->counters.sent++;
    links->counters.sent_bytes += size_bytes;
}

void giro_links_send(struct giro_links *links, uint16_t peer, const struct giro_part *parts,
                     uint32_t part_count)
{
    for (uint32_t i = 0; i < links->options.genesis->replica_count; i++)
        if (i != links->options.self && (peer == GIRO_PEER_ALL || peer == i))
            send_to(links, &links->peers[i], parts, part_count);
}

uint32_t giro_links_up(const struct giro_links *links)
{
    uint32_t up = 0;
    for (uint32_t i = 0; i < links->options.genesis->replica_count; i++)
        up += links->peers[i].up;
    return up;
}

void giro_links_counters(const struct giro_links *links, struct giro_links_counters *counters)
{
    *counters = links->counters;
}
