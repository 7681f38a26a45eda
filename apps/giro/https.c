/* A plain HTTP/1.1 client: one connection, kept for the next request, and one request under way. An answer that is there whole
 * counts, however the connection then ends. */
#include "apps/giro/https.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "apps/tls/tls.h"

#define SILENCE_MS   20000 /* without any progress: the replica is gone */
#define HEAD_MAX     (16u * 1024u)
#define ANSWER_MAX   (64u * 1024u * 1024u) /* replicas answer 16 MiB at most */
#define NS_PER_MS    UINT64_C(1000000)
#define PACE_BYTES   65536u          /* a second at least; slower ones give no answer */
#define PIECE_MIN    (1024u * 1024u) /* of a download, but for the last one */
#define FAULT_SLOW   "it did not answer in time"
#define FAULT_CLOSED "it closed the connection"

struct giro_https {
    const struct giro_genesis *genesis;
    struct giro_config_address address;
    SSL_CTX *tls;
    SSL *ssl; /* NULL: not connected */
    int fd;
    uint32_t silence_ms;
    uint64_t end_ns; /* of the wait for what is under way, however much trickles in until then */
    bool (*stopped)(void);
    const char *fault; /* why there is no answer */
};

/* What came back. */
struct answer {
    int status;
    bool last; /* the replica closes behind it */
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
    https->fd = -1;
    https->silence_ms = SILENCE_MS;
    signal(SIGPIPE,
           SIG_IGN); /* a connection that the replica closed is an error here, not a death */
    struct giro_tls_options tls = {
        .key = key, .common_name = "giro", .accept = accept_replica, .context = https};
    enum giro_err err = giro_tls_context(&tls, &https->tls, diagnosis);
    if (err != GIRO_ERR_OK) {
        giro_https_close(https);
        return err;
    }
    *https_out = https;
    return GIRO_ERR_OK;
}

void giro_https_patience(struct giro_https *https, uint32_t silence_ms, bool (*stopped)(void))
{
    https->silence_ms = silence_ms;
    https->stopped = stopped;
}

static void disconnect(struct giro_https *https)
{
    SSL_free(https->ssl);
    https->ssl = NULL;
    if (https->fd >= 0)
        close(https->fd);
    https->fd = -1;
}

void giro_https_close(struct giro_https *https)
{
    disconnect(https);
    SSL_CTX_free(https->tls);
    free(https);
}

/* ---- The connection --------------------------------------------------------------------------------- */

static uint64_t now_ns(void)
{
    const struct giro_clock clock = giro_clock_system();
    return clock.mono_ns(clock.self);
}

/* From now on that many silences, and time for that many bytes at the least pace. */
static void limit(struct giro_https *https, uint32_t silences, size_t size_bytes)
{
    https->end_ns = now_ns() + (uint64_t)silences * https->silence_ms * NS_PER_MS +
                    size_bytes * GIRO_NS_PER_S / PACE_BYTES;
}

static bool ready(struct giro_https *https, short events)
{
    struct pollfd poll_fd = {.fd = https->fd, .events = events};
    int count;
    do {
        const uint64_t now = now_ns();
        const uint64_t left_ms = now < https->end_ns ? (https->end_ns - now) / NS_PER_MS : 0;
        count = left_ms == 0
                    ? 0
                    : poll(&poll_fd, 1,
                           (int)(left_ms < https->silence_ms ? left_ms : https->silence_ms));
    } while (count < 0 && errno == EINTR && (https->stopped == NULL || !https->stopped()));
    if (count <= 0)
        https->fault = FAULT_SLOW;
    return count > 0;
}

/* After an SSL call that did not succeed: true once it may be tried again. */
static bool again(struct giro_https *https, int result)
{
    switch (SSL_get_error(https->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return ready(https, POLLIN);
    case SSL_ERROR_WANT_WRITE:
        return ready(https, POLLOUT);
    default:
        https->fault = SSL_is_init_finished(https->ssl)
                           ? FAULT_CLOSED
                           : "the connection or the TLS handshake failed";
        ERR_clear_error();
        return false;
    }
}

static bool connect_to(struct giro_https *https, const struct addrinfo *where)
{
    int one = 1, failed = 0;
    socklen_t size = sizeof(failed);
    https->fd = socket(where->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (https->fd < 0)
        return false;
    if (connect(https->fd, where->ai_addr, where->ai_addrlen) != 0 &&
        (errno != EINPROGRESS || !ready(https, POLLOUT)))
        return false;
    (void)setsockopt(https->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return getsockopt(https->fd, SOL_SOCKET, SO_ERROR, &failed, &size) == 0 && failed == 0;
}

static bool dial(struct giro_https *https)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    char port[8];
    snprintf(port, sizeof(port), "%u", https->address.port);
    https->fault = "it cannot be reached";
    if (getaddrinfo(https->address.host, port, &hints, &found) != 0)
        return false;
    bool connected = false;
    for (const struct addrinfo *at = found; at != NULL && !connected; at = at->ai_next) {
        disconnect(https);
        connected = connect_to(https, at);
    }
    freeaddrinfo(found);
    https->ssl = connected ? SSL_new(https->tls) : NULL;
    if (https->ssl == NULL || SSL_set_fd(https->ssl, https->fd) != 1)
        return false;
    for (int result; (result = SSL_connect(https->ssl)) != 1;)
        if (!again(https, result))
            return false;
    return true;
}

static bool put(struct giro_https *https, const void *bytes, size_t size_bytes)
{
    size_t done = 0, once;
    while (done < size_bytes) {
        int result =
            SSL_write_ex(https->ssl, (const uint8_t *)bytes + done, size_bytes - done, &once);
        if (result == 1)
            done += once;
        else if (!again(https, result))
            return false;
    }
    return true;
}

/* At least one byte, at most size_bytes; 0: there is no more. */
static size_t get(struct giro_https *https, void *bytes, size_t size_bytes)
{
    size_t once;
    for (int result; (result = SSL_read_ex(https->ssl, bytes, size_bytes, &once)) != 1;)
        if (!again(https, result))
            return 0;
    return once;
}

/* ---- One request ------------------------------------------------------------------------------------------ */

/* The value of a header in head, NULL if it is not there. */
static const char *header(const char *head, const char *name)
{
    size_t length = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line != NULL; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, length) == 0 && line[length] == ':')
            return line + length + 1 + strspn(line + length + 1, " ");
    }
    return NULL;
}

/* Reads up to the empty line; the bytes of the body that came with it stay behind it. Returns the size of the head, 0 if
 * there is none. */
static size_t get_head(struct giro_https *https, char head[HEAD_MAX + 1], size_t *got)
{
    *got = 0;
    while (*got < HEAD_MAX) {
        size_t once = get(https, head + *got, HEAD_MAX - *got);
        if (once == 0)
            return 0;
        *got += once;
        head[*got] = '\0';
        const char *end = strstr(head, "\r\n\r\n");
        if (end != NULL)
            return (size_t)(end - head) + 4;
    }
    https->fault = "its answer is not HTTP";
    return 0;
}

static bool get_answer(struct giro_https *https, struct answer *answer)
{
    char head[HEAD_MAX + 1];
    size_t got, head_bytes = get_head(https, head, &got);
    if (head_bytes == 0)
        return false;
    char after = head[head_bytes]; /* of the body: cut off while the head is read as text */
    head[head_bytes] = '\0';
    const char *length = header(head, "Content-Length"), *connection = header(head, "Connection");
    char *end = NULL;
    unsigned long size = length == NULL ? 0 : strtoul(length, &end, 10);
    bool whole = strncmp(head, "HTTP/1.", 7) == 0 && length != NULL && *length >= '0' &&
                 *length <= '9' && *end == '\r' && size <= ANSWER_MAX;
    answer->status = whole && strlen(head) > 12 ? (int)strtol(head + 9, NULL, 10) : 0;
    answer->last = connection != NULL && strncasecmp(connection, "close", 5) == 0;
    head[head_bytes] = after;
    got -= head_bytes;
    if (answer->status < 100 || answer->status > 599 || got > size) {
        https->fault = "its answer is not HTTP";
        return false;
    }
    answer->bytes = malloc(size + 1);
    if (answer->bytes == NULL)
        return false;
    limit(https, 1, size);
    memcpy(answer->bytes, head + head_bytes, got);
    while (got < size) {
        size_t once = get(https, answer->bytes + got, size - got);
        if (once == 0)
            return false;
        got += once;
    }
    answer->bytes[size] = '\0';
    answer->size_bytes = size;
    return true;
}

static bool exchange(struct giro_https *https, const char *head, const void *body,
                     size_t body_bytes, struct answer *answer)
{
    free(answer->bytes);
    *answer = (struct answer){.bytes = NULL};
    https->fault = "there is no memory"; /* unless another is found */
    limit(https, 3, body_bytes);         /* to connect, to agree on keys, and for the head */
    bool good = (https->ssl != NULL || dial(https)) && put(https, head, strlen(head)) &&
                put(https, body, body_bytes) && get_answer(https, answer);
    if (!good || answer->last)
        disconnect(https);
    if (!good)
        answer->status = 0; /* a part of an answer is none */
    return good;
}

static enum giro_err judge(const struct giro_https *https, const struct answer *answer,
                           const char *path, struct giro_diagnosis *diagnosis)
{
    if (answer->status >= 200 && answer->status < 300)
        return GIRO_ERR_OK;
    char detail[200] = "";
    if (answer->status == 0) {
        giro_diagnosis_set(diagnosis, https->fault, giro_err_advice(GIRO_ERR_TIMEOUT),
                           "the replica at %s:%u gives no answer", https->address.host,
                           https->address.port);
        return GIRO_ERR_NETWORK;
    }
    json_t *json = json_loadb((const char *)answer->bytes, answer->size_bytes, 0, NULL);
    const char *sentence = json_string_value(json_object_get(json, "error"));
    snprintf(detail, sizeof(detail), "%s", sentence == NULL ? "" : sentence);
    json_decref(json);
    giro_diagnosis_set(diagnosis, detail, "", "the replica at %s:%u answers %d to %s",
                       https->address.host, https->address.port, answer->status, path);
    return answer->status == 404 ? GIRO_ERR_NOENT
                                 : (answer->status == 403 ? GIRO_ERR_KEY : GIRO_ERR_STATE);
}

static enum giro_err ask(struct giro_https *https, const char *method, const char *path,
                         const void *body, size_t body_bytes, uint8_t **bytes, size_t *size_bytes,
                         struct giro_diagnosis *diagnosis)
{
    char head[1024];
    struct answer answer = {.bytes = NULL};
    int length =
        snprintf(head, sizeof(head), "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %zu\r\n\r\n",
                 method, path, https->address.host, body_bytes);
    if (length < 0 || (size_t)length >= sizeof(head))
        return GIRO_ERR_ARGUMENT;
    /* A connection that rested may have been closed by the replica meanwhile: once more, on a new one. */
    bool rested = https->ssl != NULL;
    if (!exchange(https, head, body, body_bytes, &answer) && rested &&
        strcmp(https->fault, FAULT_SLOW) != 0)
        (void)exchange(https, head, body, body_bytes, &answer);
    enum giro_err err = judge(https, &answer, path, diagnosis);
    if (err != GIRO_ERR_OK) {
        free(answer.bytes);
        return err;
    }
    *bytes = answer.bytes;
    *size_bytes = answer.size_bytes;
    return GIRO_ERR_OK;
}

enum giro_err giro_https_get(struct giro_https *https, const char *path, uint8_t **bytes,
                             size_t *size_bytes, struct giro_diagnosis *diagnosis)
{
    return ask(https, "GET", path, NULL, 0, bytes, size_bytes, diagnosis);
}

enum giro_err giro_https_post(struct giro_https *https, const char *path, const void *body,
                              size_t body_bytes, uint8_t **bytes, size_t *size_bytes,
                              struct giro_diagnosis *diagnosis)
{
    return ask(https, "POST", path, body, body_bytes, bytes, size_bytes, diagnosis);
}

/* What is there, and no more of the disk than a replica may be believed: half of what is free. */
static enum giro_err room_check(const struct giro_https *https, int fd, uint64_t size_bytes,
                                struct giro_diagnosis *diagnosis)
{
    struct statvfs disk;
    if (fstatvfs(fd, &disk) != 0)
        return GIRO_ERR_IO;
    if (size_bytes <= disk.f_bavail * disk.f_frsize / 2)
        return GIRO_ERR_OK;
    giro_diagnosis_set(diagnosis, "that is more than half of what is free here", "",
                       "the replica at %s:%u lists %lu bytes", https->address.host,
                       https->address.port, (unsigned long)size_bytes);
    return GIRO_ERR_STATE;
}

/* One piece of what is left. Short ones would be endless. */
static enum giro_err piece_get(struct giro_https *https, const char *url, uint64_t left, FILE *file,
                               size_t *got, struct giro_diagnosis *diagnosis)
{
    uint8_t *bytes = NULL;
    GIRO_TRY(giro_https_get(https, url, &bytes, got, diagnosis));
    enum giro_err err = GIRO_ERR_OK;
    if (*got > left || *got < (left < PIECE_MIN ? left : PIECE_MIN)) {
        giro_diagnosis_set(diagnosis, "it sends fewer or more bytes than it was asked for", "",
                           "the replica at %s:%u gives no whole answer", https->address.host,
                           https->address.port);
        err = GIRO_ERR_FORMAT;
    } else if (fwrite(bytes, *got, 1, file) != 1) {
        err = errno == ENOSPC ? GIRO_ERR_NOSPACE : GIRO_ERR_IO;
    }
    free(bytes);
    return err;
}

enum giro_err giro_https_download(struct giro_https *https, const char *path, uint64_t size_bytes,
                                  const char *file_path,
                                  void (*progress)(void *context, uint64_t done, uint64_t all),
                                  void *context, struct giro_diagnosis *diagnosis)
{
    const int fd = open(file_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "wb");
    if (file == NULL) {
        if (fd >= 0)
            close(fd);
        return GIRO_ERR_IO;
    }
    enum giro_err err = room_check(https, fd, size_bytes, diagnosis);
    for (uint64_t at = 0; err == GIRO_ERR_OK && at < size_bytes;) {
        char url[200];
        size_t got = 0;
        snprintf(url, sizeof(url), "%s?from=%lu&to=%lu", path, (unsigned long)at,
                 (unsigned long)size_bytes);
        err = piece_get(https, url, size_bytes - at, file, &got, diagnosis);
        at += got;
        if (progress != NULL && err == GIRO_ERR_OK)
            progress(context, at, size_bytes);
    }
    if (fclose(file) != 0 && err == GIRO_ERR_OK)
        err = GIRO_ERR_IO;
    return err;
}
