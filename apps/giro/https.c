#include "apps/giro/https.h"

#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/http.h>
#include <jansson.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>

#include "apps/tls/tls.h"

#define TIMEOUT_S 20

struct giro_https {
    const struct giro_genesis *genesis;
    struct giro_config_address address;
    SSL_CTX *tls;
    struct event_base *base;
    /* the request under way */
    bool done;
    int status;        /* 0: no answer */
    const char *fault; /* why there is none */
    uint8_t *bytes;
    size_t size_bytes;
};

static bool accept_replica(void *context, const struct giro_public_key *key)
{
    const struct giro_https *https = context;
    for (uint32_t i = 0; i < https->genesis->replica_count; i++)
        if (memcmp(&https->genesis->replicas[i].transport.key, key, sizeof(*key)) == 0)
            return true;
    return false;
}

enum giro_err giro_https_open(const struct giro_genesis *genesis,
                              const struct giro_config_address *address,
                              const struct giro_secret_key *key, struct giro_https **https_out,
                              struct giro_diagnosis *diagnosis)
{
    struct giro_https *https = calloc(1, sizeof(*https));
    if (https == NULL)
        return GIRO_ERR_NOMEM;
    https->genesis = genesis;
    https->address = *address;
    https->base = event_base_new();
    struct giro_tls_options tls = {
        .key = key, .common_name = "giro", .accept = accept_replica, .context = https};
    enum giro_err err =
        https->base == NULL ? GIRO_ERR_NOMEM : giro_tls_context(&tls, &https->tls, diagnosis);
    if (err != GIRO_ERR_OK) {
        giro_https_close(https);
        return err;
    }
    *https_out = https;
    return GIRO_ERR_OK;
}

void giro_https_close(struct giro_https *https)
{
    SSL_CTX_free(https->tls);
    if (https->base != NULL)
        event_base_free(https->base);
    free(https);
}

static void on_answer(struct evhttp_request *request, void *context)
{
    struct giro_https *https = context;
    https->done = true;
    if (request == NULL || evhttp_request_get_response_code(request) == 0)
        return;
    struct evbuffer *body = evhttp_request_get_input_buffer(request);
    size_t size = evbuffer_get_length(body);
    https->bytes = malloc(size + 1);
    if (https->bytes == NULL)
        return;
    evbuffer_remove(body, https->bytes, size);
    https->bytes[size] = '\0';
    https->size_bytes = size;
    https->status = evhttp_request_get_response_code(request);
}

static void on_fault(enum evhttp_request_error error, void *context)
{
    struct giro_https *https = context;
    static const char *const faults[] = {[EVREQ_HTTP_TIMEOUT] = "it did not answer in time",
                                         [EVREQ_HTTP_EOF] = "it closed the connection",
                                         [EVREQ_HTTP_INVALID_HEADER] = "its answer is not HTTP",
                                         [EVREQ_HTTP_BUFFER_ERROR] =
                                             "the connection or the TLS handshake failed",
                                         [EVREQ_HTTP_REQUEST_CANCEL] = "the request was cancelled",
                                         [EVREQ_HTTP_DATA_TOO_LONG] = "its answer is too long"};
    if ((size_t)error < sizeof(faults) / sizeof(faults[0]) && faults[error] != NULL)
        https->fault = faults[error];
}

static enum giro_err judge(struct giro_https *https, const char *path,
                           struct giro_diagnosis *diagnosis)
{
    if (https->status >= 200 && https->status < 300)
        return GIRO_ERR_OK;
    char detail[200] = "";
    if (https->status == 0) {
        giro_diagnosis_set(diagnosis, https->fault, giro_err_advice(GIRO_ERR_TIMEOUT),
                           "the replica at %s:%u gives no answer", https->address.host,
                           https->address.port);
        return GIRO_ERR_NETWORK;
    }
    json_t *json = json_loadb((const char *)https->bytes, https->size_bytes, 0, NULL);
    const char *sentence = json_string_value(json_object_get(json, "error"));
    snprintf(detail, sizeof(detail), "%s", sentence == NULL ? "" : sentence);
    json_decref(json);
    giro_diagnosis_set(diagnosis, detail, "", "the replica at %s:%u answers %d to %s",
                       https->address.host, https->address.port, https->status, path);
    return https->status == 404 ? GIRO_ERR_NOENT
                                : (https->status == 403 ? GIRO_ERR_KEY : GIRO_ERR_STATE);
}

static enum giro_err ask(struct giro_https *https, enum evhttp_cmd_type type, const char *path,
                         const void *body, size_t body_bytes, uint8_t **bytes, size_t *size_bytes,
                         struct giro_diagnosis *diagnosis)
{
    https->done = false;
    https->status = 0;
    https->fault = "it cannot be reached";
    https->bytes = NULL;
    SSL *ssl = SSL_new(https->tls);
    struct bufferevent *stream =
        ssl == NULL ? NULL
                    : bufferevent_openssl_socket_new(
                          https->base, -1, ssl, BUFFEREVENT_SSL_CONNECTING, BEV_OPT_CLOSE_ON_FREE);
    if (stream == NULL)
        return GIRO_ERR_TLS;
    bufferevent_openssl_set_allow_dirty_shutdown(stream, 1);
    struct evhttp_connection *connection = evhttp_connection_base_bufferevent_new(
        https->base, NULL, stream, https->address.host, https->address.port);
    struct evhttp_request *request = evhttp_request_new(on_answer, https);
    if (connection == NULL || request == NULL)
        return GIRO_ERR_NOMEM;
    evhttp_request_set_error_cb(request, on_fault);
    evhttp_connection_set_timeout(connection, TIMEOUT_S);
    evhttp_add_header(evhttp_request_get_output_headers(request), "Host", https->address.host);
    evhttp_add_header(evhttp_request_get_output_headers(request), "Connection", "close");
    if (body_bytes > 0)
        evbuffer_add(evhttp_request_get_output_buffer(request), body, body_bytes);
    if (evhttp_make_request(connection, request, type, path) != 0)
        https->done = true;
    while (!https->done && event_base_loop(https->base, EVLOOP_ONCE) == 0)
        continue;
    evhttp_connection_free(connection);
    enum giro_err err = judge(https, path, diagnosis);
    if (err != GIRO_ERR_OK) {
        free(https->bytes);
        return err;
    }
    *bytes = https->bytes;
    *size_bytes = https->size_bytes;
    return GIRO_ERR_OK;
}

enum giro_err giro_https_get(struct giro_https *https, const char *path, uint8_t **bytes,
                             size_t *size_bytes, struct giro_diagnosis *diagnosis)
{
    return ask(https, EVHTTP_REQ_GET, path, NULL, 0, bytes, size_bytes, diagnosis);
}

enum giro_err giro_https_post(struct giro_https *https, const char *path, const void *body,
                              size_t body_bytes, uint8_t **bytes, size_t *size_bytes,
                              struct giro_diagnosis *diagnosis)
{
    return ask(https, EVHTTP_REQ_POST, path, body, body_bytes, bytes, size_bytes, diagnosis);
}
