/* The HTTPS client against a replica that this test plays, answer by answer. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "apps/giro/https.h"
#include "apps/tls/tls.h"
#include "member_support.h"

TestSuite(https, .init = hub_suite_open, .fini = hub_suite_close);

struct stage {
    struct hub hub;
    struct giro_secret_key *server_key, *client_key;
    SSL_CTX *tls;
    int listener;
    struct giro_config_address address;
};

static bool accept_anyone(void *context, const struct giro_public_key *key)
{
    (void)context, (void)key;
    return true;
}

static struct stage *stage_open(void)
{
    struct stage *stage = calloc(1, sizeof(*stage));
    struct giro_diagnosis diagnosis = {.fact = ""};
    signal(SIGPIPE, SIG_IGN);
    hub_make(&stage->hub, 1, 2);
    stage->server_key = hub_key(stage->hub.genesis.replicas[0].name, "transport", 1);
    stage->client_key = hub_key(stage->hub.genesis.members[0].bic, "session", 1);
    struct giro_tls_options tls = {
        .key = stage->server_key, .common_name = "test", .server = true, .accept = accept_anyone};
    cr_assert(giro_tls_context(&tls, &stage->tls, &diagnosis) == GIRO_ERR_OK);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    stage->listener = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert(bind(stage->listener, (struct sockaddr *)&address, size) == 0);
    cr_assert(listen(stage->listener, 8) == 0);
    cr_assert(getsockname(stage->listener, (struct sockaddr *)&address, &size) == 0);
    snprintf(stage->address.host, sizeof(stage->address.host), "127.0.0.1");
    stage->address.port = ntohs(address.sin_port);
    return stage;
}

static void stage_close(struct stage *stage)
{
    close(stage->listener);
    SSL_CTX_free(stage->tls);
    giro_key_free(stage->server_key);
    giro_key_free(stage->client_key);
    hub_free(&stage->hub);
    free(stage);
}

/* ---- The client, in a process of its own ------------------------------------------------------------ */

static uint32_t patience_ms; /* 0: what the client has by itself */

/* Asks `times` times; its exit code: 0 each answer was `bytes` bytes of 'a', 1 there was an error, 2 another answer. */
static pid_t client_start(const struct stage *stage, uint32_t times, size_t bytes)
{
    fflush(NULL);
    pid_t pid = fork();
    cr_assert(pid >= 0);
    if (pid > 0)
        return pid;
    struct giro_diagnosis diagnosis = {.fact = ""};
    struct giro_https *https = NULL;
    alarm(20);
    if (giro_https_open(&stage->hub.genesis, &stage->address, stage->client_key, &https,
                        &diagnosis) != GIRO_ERR_OK)
        _exit(3);
    if (patience_ms > 0)
        giro_https_patience(https, patience_ms, NULL);
    for (uint32_t i = 0; i < times; i++) {
        uint8_t *answer = NULL;
        size_t size = 0;
        if (giro_https_get(https, "/v1/status", &answer, &size, &diagnosis) != GIRO_ERR_OK)
            _exit(1);
        for (size_t at = 0; at < size; at++)
            if (answer[at] != 'a')
                _exit(2);
        if (size != bytes)
            _exit(2);
        free(answer);
    }
    _exit(0);
}

static int client_end(pid_t pid)
{
    int status = 0;
    cr_assert(waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- The replica ------------------------------------------------------------------------------------- */

static SSL *serve_one(const struct stage *stage, int *fd)
{
    *fd = accept(stage->listener, NULL, NULL);
    cr_assert(*fd >= 0);
    SSL *ssl = SSL_new(stage->tls);
    cr_assert(SSL_set_fd(ssl, *fd) == 1);
    cr_assert(SSL_accept(ssl) == 1);
    return ssl;
}

/* A request without a body. */
static bool take_request(SSL *ssl)
{
    char text[4096] = "";
    for (size_t got = 0; strstr(text, "\r\n\r\n") == NULL;) {
        int once = SSL_read(ssl, text + got, (int)(sizeof(text) - 1 - got));
        if (once <= 0)
            return false;
        got += (size_t)once;
        text[got] = '\0';
    }
    return strncmp(text, "GET /v1/status HTTP/1.1\r\n", 25) == 0;
}

/* head, then `bytes` of body in records of `once` bytes. */
static void put_answer(SSL *ssl, const char *head, size_t bytes, size_t once)
{
    static char body[1 << 16];
    memset(body, 'a', sizeof(body));
    cr_assert(SSL_write(ssl, head, (int)strlen(head)) > 0);
    for (size_t at = 0; at < bytes; at += once) {
        size_t left = bytes - at;
        SSL_write(ssl, body, (int)(left < once ? left : once));
    }
}

static void hang_up(SSL *ssl, int fd)
{
    SSL_free(ssl);
    close(fd);
}

/* What a busy machine does to a client: by the time it looks, the answer is there and the connection closed. */
Test(https, a_whole_answer_counts_even_if_the_replica_has_closed_meanwhile)
{
    struct stage *stage = stage_open();
    static const size_t sizes[] = {0, 1, 3000, 5000, 20000, 60000};
    for (uint32_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char head[100];
        int fd;
        pid_t client = client_start(stage, 1, sizes[i]);
        SSL *ssl = serve_one(stage, &fd);
        cr_assert(take_request(ssl));
        cr_assert(kill(client, SIGSTOP) == 0);
        snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", sizes[i]);
        put_answer(ssl, head, sizes[i], 4000);
        hang_up(ssl, fd);
        cr_assert(kill(client, SIGCONT) == 0);
        cr_expect(client_end(client) == 0, "%zu bytes", sizes[i]);
    }
    stage_close(stage);
}

Test(https, a_connection_is_kept_and_made_again_when_the_replica_closed_it)
{
    struct stage *stage = stage_open();
    static const char head[] = "HTTP/1.1 200 OK\r\ncontent-length:  10\r\n\r\n";
    static const char last[] = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 10\r\n\r\n";
    pid_t client = client_start(stage, 6, 10);
    int fd;
    SSL *ssl = serve_one(stage, &fd);
    for (uint32_t i = 0; i < 3; i++) { /* three on one connection */
        cr_assert(take_request(ssl));
        put_answer(ssl, head, 10, 10);
    }
    hang_up(ssl, fd);                  /* without a word */
    for (uint32_t i = 0; i < 3; i++) { /* one each */
        ssl = serve_one(stage, &fd);
        cr_assert(take_request(ssl));
        put_answer(ssl, last, 10, 10);
        hang_up(ssl, fd);
    }
    cr_assert(client_end(client) == 0);
    stage_close(stage);
}

Test(https, answers_that_are_none_are_errors)
{
    struct stage *stage = stage_open();
    static const struct {
        const char *head;
        size_t body_bytes;
    } rows[] = {
        {"", 0},
        {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", 9},
        {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", 0},
        {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", 10},
        {"HTTP/1.1 200 OK\r\nContent-Length: 10x\r\n\r\n", 10},
        {"HTTP/1.1 200 OK\r\n\r\n", 0},
        {"HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n", 0},
        {"HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 0},
        {"SSH-2.0-OpenSSH_9.2\r\n\r\n", 0},
        {"HTTP/1.1 200 OK\r\nContent-Len", 0},
        {"HTTP/1.1 200 OK\r\nX: ", 60000},
        {"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", 0},
    };
    for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        pid_t client = client_start(stage, 1, 10);
        int fd;
        SSL *ssl = serve_one(stage, &fd);
        cr_assert(take_request(ssl));
        if (rows[i].head[0] != '\0')
            put_answer(ssl, rows[i].head, rows[i].body_bytes, 11);
        hang_up(ssl, fd);
        cr_expect(client_end(client) == 1, "row %u", i);
    }
    stage_close(stage);
}

/* Never silent, never done: in the head, then in the body. */
Test(https, a_replica_that_trickles_is_left)
{
    struct stage *stage = stage_open();
    static const char *const heads[] = {"HTTP/1.1 200 OK\r\nX: ",
                                        "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"};
    patience_ms = 200;
    for (uint32_t i = 0; i < 2; i++) {
        pid_t client = client_start(stage, 1, 5000);
        int fd;
        SSL *ssl = serve_one(stage, &fd);
        cr_assert(take_request(ssl));
        put_answer(ssl, heads[i], 0, 1);
        for (uint32_t k = 0; k < 4000 && SSL_write(ssl, "a", 1) == 1; k++)
            nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
        hang_up(ssl, fd);
        cr_expect(client_end(client) == 1, "row %u", i);
    }
    stage_close(stage);
}
