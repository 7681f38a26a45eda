#include "apps/girod/api.h"

#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <jansson.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/girod/api_answer.h"
#include "apps/girod/api_capture.h"
#include "apps/girod/api_details.h"
#include "apps/girod/api_render.h"
#include "apps/girod/api_wait.h"
#include "apps/tls/tls.h"

#define BODY_MAX (64u * 1024u)
#define FRAME_LEAF_BYTES_MAX                                                                       \
    (GIRO_TAG_BYTES + sizeof(struct giro_leaf_frame) +                                             \
     GIRO_FRAME_RECORDS_MAX * sizeof(struct giro_result))
#define CONNECTIONS_MAX        192u
#define DISPLACED_MAX          16u /* more than that, while they are being closed */
#define CONNECTIONS_PER_MEMBER 16u /* so that none keeps the others and the operators out */

TAILQ_HEAD(connections, connection);
struct giro_api {
    struct giro_api_options options;
    SSL_CTX *tls;
    struct evhttp *http;
    struct evconnlistener *listener; /* evhttp's; paused while CONNECTIONS_MAX are open */
    uint32_t connection_count;
    uint16_t *of_member;          /* connections, by member */
    struct connections strangers; /* oldest first */
    struct giro_waits *waits;
    bool closed; /* waits for its last connection: libevent frees those later, from its loop */
};

/* Who asks: a member index, the operator, or nobody. */
static uint32_t client_by_key(const struct giro_genesis *genesis, const struct giro_public_key *key)
{
    for (uint32_t i = 0; i < genesis->member_count; i++)
        if (memcmp(&genesis->members[i].session.key, key, sizeof(*key)) == 0)
            return i;
    for (uint32_t i = 0; i < genesis->operator_count; i++)
        if (memcmp(&genesis->operators[i].key.key, key, sizeof(*key)) == 0)
            return GIRO_MEMBER_OPERATOR;
    return GIRO_NONE;
}

static bool accept_key(void *context, const struct giro_public_key *key)
{
    const struct giro_api *api = context;
    return client_by_key(api->options.genesis, key) != GIRO_NONE;
}

static uint32_t client_of(const struct giro_api *api, struct evhttp_request *request)
{
    struct bufferevent *stream =
        evhttp_connection_get_bufferevent(evhttp_request_get_connection(request));
    SSL *ssl = bufferevent_openssl_get_ssl(stream);
    struct giro_public_key key;
    if (ssl == NULL || !giro_tls_peer_key(ssl, &key))
        return GIRO_NONE;
    return client_by_key(api->options.genesis, &key);
}

/* ---- Journals ------------------------------------------------------------------------------------------ */

/* What there is now. */
static void answer_journal(void *context, struct evhttp_request *request,
                           const struct giro_wait *wait)
{
    const struct giro_api *api = context;
    char path[700] = "";
    uint64_t size_bytes = wait->member == 0xFFFFu
                              ? 0
                              : giro_journal_files_path(api->options.journals, wait->member,
                                                        wait->date, path, sizeof(path));
    if (size_bytes == 0)
        giro_api_answer_error(request, 404, "no journal of that member and date here");
    else
        giro_api_answer_file(request, path, size_bytes, wait->from, wait->to);
}

static void get_journal(struct giro_api *api, struct evhttp_request *request, uint32_t client,
                        const char *rest)
{
    char bic[GIRO_BIC_BYTES] = "";
    char date_text[11] = "";
    char extra = '\0';
    uint16_t date = 0;
    if (sscanf(rest, "%11[A-Z0-9]/%10[0-9-]%c", bic, date_text, &extra) != 2 ||
        !giro_date_parse(date_text, strlen(date_text), &date)) {
        giro_api_answer_error(request, 400, "expected /v1/journal/<BIC>/<YYYY-MM-DD>");
        return;
    }
    uint32_t member = giro_genesis_member_by_bic(api->options.genesis, bic);
    if (client != GIRO_MEMBER_OPERATOR && client != member) {
        giro_api_answer_error(request, 403, "a member reads its own journal only");
        return;
    }
    struct giro_wait wait = {
        .client = client, .member = (uint16_t)member, .date = date, .from = 0, .to = UINT64_MAX};
    uint64_t wait_ms = 0;
    const struct giro_api_number numbers[] = {
        {"from", &wait.from}, {"to", &wait.to}, {"wait", &wait_ms}};
    if (!giro_api_numbers(request, numbers, 3) || wait_ms > GIRO_WAIT_MS_MAX) {
        giro_api_answer_error(request, 400, "from and to are byte offsets, wait at most 15000 ms");
        return;
    }
    wait.wait_ms = (uint32_t)wait_ms;
    if (wait_ms == 0 || member == GIRO_NONE || !giro_waits_hold(api->waits, request, &wait))
        answer_journal(api, request, &wait);
}

static void get_journals(struct giro_api *api, struct evhttp_request *request, uint32_t client)
{
    uint16_t member;
    if (giro_api_list_member(api->options.genesis, request, client, &member))
        giro_api_answer_json(
            request, 200,
            giro_api_render_journals(
                api->options.genesis, api->options.journals,
                giro_settlement_business_date(giro_replica_settlement(api->options.replica)),
                member));
}

/* ---- Payments --------------------------------------------------------------------------------------------- */

static bool find_payment(struct giro_api *api, struct evhttp_request *request, uint32_t client,
                         const char *text, struct giro_found *found)
{
    uint8_t uetr[GIRO_UETR_BYTES];
    if (!giro_uetr_parse(text, strlen(text), uetr)) {
        giro_api_answer_error(request, 400,
                              "a UETR is 36 characters: 8-4-4-4-12 hexadecimal digits");
        return false;
    }
    bool known = giro_replica_find(api->options.replica, uetr, found);
    bool allowed = known && (client == GIRO_MEMBER_OPERATOR || client == found->debtor ||
                             client == found->creditor);
    if (!allowed) /* the same answer for both: existence is not told to strangers */
        giro_api_answer_error(request, 404,
                              "no payment with that UETR between you and anyone here");
    return allowed;
}

static void answer_proof(struct giro_api *api, struct evhttp_request *request, uint64_t height,
                         uint32_t leaf_index)
{
    uint8_t *proof = NULL;
    size_t size_bytes = 0;
    enum giro_err err =
        giro_ledger_file_proof(api->options.ledger, height, leaf_index, &proof, &size_bytes);
    if (err != GIRO_ERR_OK) {
        giro_api_answer_error(request, 404, "executed, but not certified at this replica yet");
        return;
    }
    struct evbuffer *body = evbuffer_new();
    evbuffer_add(body, proof, size_bytes);
    giro_api_answer_bytes(request, 200, "application/octet-stream", body);
    evbuffer_free(body);
    free(proof);
}

/* Of the client's own frame: <channel>/<sequence>. */
static void get_frame_proof(struct giro_api *api, struct evhttp_request *request, uint32_t client,
                            const char *rest)
{
    char *end = NULL, *last = NULL;
    unsigned long channel = strtoul(rest, &end, 10);
    unsigned long long sequence = *end == '/' ? strtoull(end + 1, &last, 10) : 0;
    if (rest[0] < '0' || rest[0] > '9' || channel >= GIRO_CHANNELS_MAX || *end != '/' ||
        end[1] < '0' || end[1] > '9' || *last != '\0') {
        giro_api_answer_error(request, 400, "a frame is <channel>/<sequence>");
        return;
    }
    uint8_t leaf[FRAME_LEAF_BYTES_MAX];
    uint64_t height = 0;
    uint32_t leaf_index = 0;
    if (giro_ledger_file_find(api->options.ledger, (uint16_t)client, (uint16_t)channel, sequence,
                              &height, &leaf_index, leaf, sizeof(leaf)) == 0)
        giro_api_answer_error(request, 404, "no frame of yours with that number was executed");
    else
        answer_proof(api, request, height, leaf_index);
}

static void get_proof(struct giro_api *api, struct evhttp_request *request, uint32_t client,
                      const char *rest)
{
    struct giro_found found;
    if (strncmp(rest, "frame/", 6) == 0)
        get_frame_proof(api, request, client, rest + 6);
    else if (find_payment(api, request, client, rest, &found))
        answer_proof(api, request, found.height, found.leaf_index);
}

static void get_payment(struct giro_api *api, struct evhttp_request *request, uint32_t client,
                        const char *rest)
{
    struct giro_found found;
    if (find_payment(api, request, client, rest, &found))
        giro_api_answer_json(request, 200, giro_api_render_payment(api->options.genesis, &found));
}

static void get_channel(struct giro_api *api, struct evhttp_request *request, uint32_t client,
                        const char *rest)
{
    char *end = NULL;
    unsigned long channel = strtoul(rest, &end, 10);
    if (rest[0] < '0' || rest[0] > '9' || *end != '\0' || channel >= GIRO_CHANNELS_MAX) {
        giro_api_answer_error(request, 400, "a channel is a number from 0 to 63");
        return;
    }
    uint64_t base = 0, next = 0;
    bool stopped = false;
    giro_settlement_channel(giro_replica_settlement(api->options.replica), (uint16_t)client,
                            (uint16_t)channel, &base, &next, &stopped);
    giro_api_answer_json(request, 200,
                         json_pack("{s:I, s:I, s:b}", "base", (json_int_t)base, "next",
                                   (json_int_t)next, "stopped", stopped));
}

static void post_control(struct giro_api *api, struct evhttp_request *request, uint32_t client)
{
    struct evbuffer *body = evhttp_request_get_input_buffer(request);
    size_t size_bytes = evbuffer_get_length(body);
    struct giro_frame frame;
    if (client != GIRO_MEMBER_OPERATOR) {
        giro_api_answer_error(request, 403, "operators only");
        return;
    }
    const uint8_t *bytes = evbuffer_pullup(body, -1);
    enum giro_reject reject =
        size_bytes > GIRO_FRAME_BYTES_MAX
            ? GIRO_REJECT_OVERSIZED
            : giro_frame_decode(bytes, size_bytes, api->options.genesis->chain_prefix, &frame);
    if (reject == GIRO_REJECT_NONE && frame.header.head.kind != GIRO_KIND_CONTROL)
        reject = GIRO_REJECT_KIND;
    if (reject == GIRO_REJECT_NONE)
        reject = api->options.control(api->options.context, bytes, size_bytes);
    if (reject == GIRO_REJECT_NONE)
        giro_api_answer_json(request, 202, json_pack("{s:s}", "taken", "follow it by its channel"));
    else
        giro_api_answer_error(request, 400, giro_reject_text(reject));
}

/* ---- Routing ------------------------------------------------------------------------------------------------- */

static void get_status(struct giro_api *api, struct evhttp_request *request)
{
    giro_api_answer_json(request, 200, giro_api_render_status(&api->options));
}

static void get_metrics(struct giro_api *api, struct evhttp_request *request, uint32_t client)
{
    if (client != GIRO_MEMBER_OPERATOR) {
        giro_api_answer_error(request, 403, "operators only");
        return;
    }
    struct evbuffer *body = evbuffer_new();
    giro_api_render_metrics(&api->options, body);
    /* In one piece: of a body in several (more than 4 KiB printed) clients lost the end when the connection closed. */
    (void)evbuffer_pullup(body, -1);
    giro_api_answer_bytes(request, 200, "text/plain; version=0.0.4", body);
    evbuffer_free(body);
}

static void capture(struct giro_api *api, struct evhttp_request *request, uint32_t client,
                    bool post, const char *rest)
{
    if (client == GIRO_MEMBER_OPERATOR)
        giro_api_capture(api->options.port, api->options.capture_path, request, post, rest);
    else
        giro_api_answer_error(request, 403, "operators only");
}

/* rest is what follows prefix in path, NULL if path does not begin with it. */
static const char *after(const char *path, const char *prefix)
{
    size_t length = strlen(prefix);
    return strncmp(path, prefix, length) == 0 ? path + length : NULL;
}

static void route(struct giro_api *api, struct evhttp_request *request, uint32_t client,
                  const char *path)
{
    bool post = evhttp_request_get_command(request) == EVHTTP_REQ_POST;
    const char *rest;
    if (post && strcmp(path, "/v1/control") == 0)
        post_control(api, request, client);
    else if ((rest = after(path, "/v1/capture")) != NULL)
        capture(api, request, client, post, rest);
    else if (post)
        giro_api_answer_error(request, 404, "no such place to post to");
    else if (strcmp(path, "/v1/status") == 0)
        get_status(api, request);
    else if (strcmp(path, "/v1/journals") == 0)
        get_journals(api, request, client);
    else if ((rest = after(path, "/v1/details")) != NULL)
        giro_api_details(&api->options, request, client, rest);
    else if (strcmp(path, "/metrics") == 0)
        get_metrics(api, request, client);
    else if ((rest = after(path, "/v1/journal/")) != NULL)
        get_journal(api, request, client, rest);
    else if ((rest = after(path, "/v1/proof/")) != NULL)
        get_proof(api, request, client, rest);
    else if ((rest = after(path, "/v1/payment/")) != NULL)
        get_payment(api, request, client, rest);
    else if ((rest = after(path, "/v1/channel/")) != NULL)
        get_channel(api, request, client, rest);
    else
        giro_api_answer_error(request, 404, "no such page; docs/operations.md lists them");
}

static void on_request(struct evhttp_request *request, void *context)
{
    struct giro_api *api = context;
    uint32_t client = client_of(api, request);
    const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request));
    if (client == GIRO_NONE || path == NULL)
        giro_api_answer_error(request, 403, "show an enrolled key");
    else
        route(api, request, client, path);
}

/* Connections are counted by their SSL objects: evhttp does not tell when one ends. */
static int connection_index = -1;

struct connection {
    struct giro_api *api;
    const SSL *ssl;
    bool stranger;   /* in the list of those that have not shown a key yet */
    uint32_t member; /* GIRO_NONE: not known yet, or no member */
    TAILQ_ENTRY(connection) next;
};

static void api_free(struct giro_api *api)
{
    free(api->of_member);
    free(api);
}

static void no_stranger(struct connection *connection)
{
    if (connection->stranger)
        TAILQ_REMOVE(&connection->api->strangers, connection, next);
    connection->stranger = false;
}

static void connection_closed(void *parent, void *data, CRYPTO_EX_DATA *ad, int index, long number,
                              void *pointer)
{
    (void)parent;
    (void)ad;
    (void)index;
    (void)number;
    (void)pointer;
    struct connection *connection = data;
    if (connection == NULL)
        return;
    struct giro_api *api = connection->api;
    GIRO_ASSERT(api->connection_count > 0);
    api->connection_count--;
    no_stranger(connection);
    if (connection->member != GIRO_NONE)
        api->of_member[connection->member]--;
    free(connection);
    if (api->listener != NULL)
        evconnlistener_enable(api->listener);
    if (api->closed && api->connection_count == 0)
        api_free(api);
}

/* Once the handshake tells whose connection it is: one too many of a member ends here. */
static void connection_known(const SSL *ssl, int where, int result)
{
    (void)result;
    struct connection *connection = SSL_get_ex_data(ssl, connection_index);
    struct giro_public_key key;
    if ((where & SSL_CB_HANDSHAKE_DONE) == 0 || connection == NULL ||
        connection->member != GIRO_NONE || !giro_tls_peer_key(ssl, &key))
        return;
    no_stranger(connection);
    const uint32_t client = client_by_key(connection->api->options.genesis, &key);
    if (client >= connection->api->options.genesis->member_count)
        return;
    connection->member = client;
    if (++connection->api->of_member[client] > CONNECTIONS_PER_MEMBER)
        (void)shutdown(SSL_get_fd(ssl), SHUT_RDWR);
}

/* When all are taken, the one that has shown no key for the longest time makes room: whoever has one needs a moment for that. Without
 * such, or with too many that are still being closed, new ones wait. */
static void room_make(struct giro_api *api)
{
    struct connection *oldest = TAILQ_FIRST(&api->strangers);
    if (api->connection_count < CONNECTIONS_MAX)
        return;
    if (oldest == NULL || api->connection_count >= CONNECTIONS_MAX + DISPLACED_MAX) {
        evconnlistener_disable(api->listener);
        return;
    }
    no_stranger(oldest);
    (void)shutdown(SSL_get_fd(oldest->ssl), SHUT_RDWR);
}

static SSL *connection_make(struct giro_api *api)
{
    struct connection *connection = malloc(sizeof(*connection));
    SSL *ssl = connection == NULL ? NULL : SSL_new(api->tls);
    if (ssl == NULL || SSL_set_ex_data(ssl, connection_index, connection) != 1) {
        SSL_free(ssl);
        free(connection);
        return NULL;
    }
    api->connection_count++;
    room_make(api);
    *connection =
        (struct connection){.api = api, .ssl = ssl, .stranger = true, .member = GIRO_NONE};
    TAILQ_INSERT_TAIL(&api->strangers, connection, next);
    return ssl;
}

/* NULL makes evhttp serve the connection without TLS, where nobody is a client: it gets 403. */
static struct bufferevent *stream_make(struct event_base *base, void *context)
{
    struct giro_api *api = context;
    SSL *ssl = connection_make(api);
    if (ssl == NULL)
        return NULL;
    struct bufferevent *stream = bufferevent_openssl_socket_new(
        base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
    if (stream != NULL) /* else libevent has freed ssl */
        bufferevent_openssl_set_allow_dirty_shutdown(stream, 1);
    return stream;
}

enum giro_err giro_api_open(const struct giro_api_options *options, struct giro_api **api_out,
                            struct giro_diagnosis *diagnosis)
{
    struct giro_api *api = calloc(1, sizeof(*api));
    if (api == NULL)
        return GIRO_ERR_NOMEM;
    api->options = *options;
    TAILQ_INIT(&api->strangers);
    struct giro_tls_options tls = {.key = options->transport_key,
                                   .common_name = "giro hub",
                                   .server = true,
                                   .accept = accept_key,
                                   .context = api};
    enum giro_err err = giro_tls_context(&tls, &api->tls, diagnosis);
    if (err != GIRO_ERR_OK) {
        giro_api_close(api);
        return err;
    }
    const struct giro_waits_options waits = {.base = options->base,
                                             .journals = options->journals,
                                             .context = api,
                                             .answer = answer_journal};
    api->waits = giro_waits_new(&waits);
    if (connection_index < 0)
        connection_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, connection_closed);
    api->of_member = calloc(options->genesis->member_count + 1u, sizeof(*api->of_member));
    SSL_CTX_set_info_callback(api->tls, connection_known);
    api->http = evhttp_new(options->base);
    if (api->http == NULL || api->waits == NULL || api->of_member == NULL || connection_index < 0) {
        giro_api_close(api);
        return GIRO_ERR_NOMEM;
    }
    evhttp_set_bevcb(api->http, stream_make, api);
    evhttp_set_gencb(api->http, on_request, api);
    evhttp_set_allowed_methods(api->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST);
    evhttp_set_max_body_size(api->http, BODY_MAX);
    evhttp_set_max_headers_size(api->http, 16 * 1024);
    evhttp_set_timeout(api->http, 20);
    struct evhttp_bound_socket *bound =
        evhttp_bind_socket_with_handle(api->http, options->address->host, options->address->port);
    if (bound != NULL) {
        /* Connections inherit it. A body sent behind its head waited 40 ms for the client's ACK. */
        int one = 1;
        (void)setsockopt(evhttp_bound_socket_get_fd(bound), IPPROTO_TCP, TCP_NODELAY, &one,
                         sizeof(one));
        api->listener = evhttp_bound_socket_get_listener(bound);
        *api_out = api;
        return GIRO_ERR_OK;
    }
    giro_diagnosis_set(diagnosis, evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()),
                       giro_err_advice(GIRO_ERR_NETWORK), "cannot listen for HTTPS on %s:%u",
                       options->address->host, options->address->port);
    giro_api_close(api);
    return GIRO_ERR_NETWORK;
}

void giro_api_look(struct giro_api *api)
{
    giro_waits_look(api->waits);
}

void giro_api_close(struct giro_api *api)
{
    if (api->waits != NULL)
        giro_waits_free(api->waits);
    api->listener = NULL; /* evhttp_free frees it before the connections */
    if (api->http != NULL)
        evhttp_free(api->http);
    SSL_CTX_free(api->tls);
    api->closed = true;
    if (api->connection_count == 0)
        api_free(api);
}
