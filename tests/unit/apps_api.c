/* The HTTPS interface of a whole girod with n = 1, in a child process: who may read what, and malformed requests. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <jansson.h>

#include "apps/giro/https.h"
#include "apps/girod/hub.h"
#include "giro/recon.h"
#include "member/details.h"
#include "member/sender.h"
#include "member_support.h"
#include "sys_support.h"

TestSuite(api, .init = hub_suite_open, .fini = hub_suite_close);

#define CLIENTS 4u
enum { DEBTOR, CREDITOR, STRANGER, OPERATOR };

struct site {
    struct hub hub;
    char dir[256];
    uint16_t ports[3]; /* UDP, peers, HTTPS */
    pid_t girod;
    struct giro_secret_key *keys[CLIENTS];
    struct giro_https *clients[CLIENTS];
    char bics[3][GIRO_BIC_BYTES], date[11];
};

/* Serves until SIGTERM. Never returns. */
static void serve(const char *config_path)
{
    struct giro_config config;
    struct giro_diagnosis diagnosis = {.fact = ""};
    struct giro_hub *hub = NULL;
    signal(SIGPIPE, SIG_IGN); /* as girod does */
    giro_log_set_level(GIRO_LOG_ERROR);
    enum giro_err err = giro_config_load(config_path, &config, &diagnosis);
    if (err == GIRO_ERR_OK)
        err = giro_hub_open(&config, &hub, &diagnosis);
    if (err == GIRO_ERR_OK) {
        err = giro_hub_run(hub, &diagnosis);
        giro_hub_close(hub);
    }
    if (err != GIRO_ERR_OK)
        giro_diagnosis_print("test", &diagnosis);
    _exit(err == GIRO_ERR_OK ? 0 : 1);
}

static enum giro_err get(struct site *site, uint32_t client, const char *path, uint8_t **bytes,
                         size_t *size_bytes)
{
    struct giro_diagnosis diagnosis = {.fact = ""};
    *bytes = NULL;
    return giro_https_get(site->clients[client], path, bytes, size_bytes, &diagnosis);
}

/* Gets a path and throws the answer away. */
static enum giro_err ask(struct site *site, uint32_t client, const char *path)
{
    uint8_t *bytes;
    size_t size;
    enum giro_err err = get(site, client, path, &bytes, &size);
    if (err == GIRO_ERR_OK)
        free(bytes);
    return err;
}

static void pause_ms(long ms)
{
    struct timespec pause = {.tv_nsec = ms * 1000000};
    nanosleep(&pause, NULL);
}

static struct site *site_open(void)
{
    struct site *site = calloc(1, sizeof(*site));
    char path[300], text[1000];
    hub_make(&site->hub, 1, 3);
    scratch_make(site->dir);
    hub_write(&site->hub, site->dir);
    hub_ports(site->ports, 3);
    snprintf(
        text, sizeof(text),
        "genesis: genesis.json\nreplica: 0\nkeys: .\ndata: data\nport:\n  driver: udp\n  address: "
        "127.0.0.1\n"
        "  udp_port: %u\npeers:\n  - 127.0.0.1:%u\nhttps: 127.0.0.1:%u\nlimits:\n  segment_mb: 4\n"
        "  frames_pending: 1024\n  batches: 64\n",
        site->ports[0], site->ports[1], site->ports[2]);
    scratch_write(site->dir, "girod.yaml", text);
    snprintf(path, sizeof(path), "%s/girod.yaml", site->dir);
    fflush(NULL);
    site->girod = fork();
    cr_assert(site->girod >= 0);
    if (site->girod == 0)
        serve(path);
    struct giro_config_address https = {.host = "127.0.0.1", .port = site->ports[2]};
    struct giro_diagnosis diagnosis = {.fact = ""};
    for (uint32_t i = 0; i < CLIENTS; i++) {
        site->keys[i] = i == OPERATOR ? hub_key("maker", "approver", 1)
                                      : hub_key(site->hub.genesis.members[i].bic, "session", 1);
        cr_assert(giro_https_open(&site->hub.genesis, &https, site->keys[i], &site->clients[i],
                                  &diagnosis) == GIRO_ERR_OK);
        if (i < OPERATOR)
            memcpy(site->bics[i], site->hub.genesis.members[i].bic, GIRO_BIC_BYTES);
    }
    giro_date_format(site->hub.genesis.business_date, site->date);
    for (int i = 0; ask(site, DEBTOR, "/v1/status") != GIRO_ERR_OK; i++) {
        cr_assert(i < 200, "girod does not answer");
        pause_ms(50);
    }
    return site;
}

static void site_close(struct site *site)
{
    int status;
    kill(site->girod, SIGTERM);
    cr_assert(waitpid(site->girod, &status, 0) == site->girod);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "girod ended with %d", status);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        giro_https_close(site->clients[i]);
        giro_key_free(site->keys[i]);
    }
    scratch_remove(site->dir);
    hub_free(&site->hub);
    free(site);
}

/* Sends one frame and waits until it is settled. */
static void send_frame(struct site *site, const uint8_t *bytes, size_t size, uint32_t payments)
{
    char path[300];
    struct giro_diagnosis diagnosis = {.fact = ""};
    struct giro_spool_writer *writer;
    struct giro_spool spool;
    snprintf(path, sizeof(path), "%s/a.spool", site->dir);
    cr_assert(giro_spool_create(path, &site->hub.genesis, &writer, &diagnosis) == GIRO_ERR_OK);
    cr_assert(giro_spool_add(writer, bytes, (uint32_t)size) == GIRO_ERR_OK);
    cr_assert(giro_spool_finish(writer) == GIRO_ERR_OK);
    cr_assert(giro_spool_open(path, &site->hub.genesis, &spool, &diagnosis) == GIRO_ERR_OK);
    struct giro_config_address address = {.host = "127.0.0.1", .port = site->ports[0]};
    struct giro_sender_options options = {.genesis = &site->hub.genesis,
                                          .replicas = &address,
                                          .replica_count = 1,
                                          .keys_dir = site->dir,
                                          .spool = &spool,
                                          .outstanding_max = 1,
                                          .outstanding_total = 1,
                                          .stop_after_ns = 20 * GIRO_NS_PER_S};
    static struct giro_sender_stats stats;
    uint64_t unfinished;
    cr_assert(giro_sender_run(&options, &stats, &unfinished, &diagnosis) == GIRO_ERR_OK);
    cr_assert(stats.by_status[GIRO_STATUS_ACSC] == payments, "a hub of one replica settles, too");
    giro_spool_close(&spool);
    unlink(path);
}

/* Debtor pays creditor three times; the UETR of the second payment. */
static void pay(struct site *site, char uetr[37])
{
    uint8_t bytes[GIRO_FRAME_BYTES_MAX];
    send_frame(site, bytes, hub_frame(&site->hub, DEBTOR, CREDITOR, 0, 3, bytes), 3);
    giro_uetr_format(bytes + sizeof(struct giro_frame_header) + sizeof(struct giro_record), uetr);
}

static void expect(struct site *site, const char *path, const enum giro_err expected[CLIENTS])
{
    static const char *const names[] = {"debtor", "creditor", "stranger", "operator"};
    for (uint32_t i = 0; i < CLIENTS; i++) {
        enum giro_err err = ask(site, i, path);
        cr_expect(err == expected[i], "%s gets %s for %s, not %s", names[i], giro_err_name(err),
                  path, giro_err_name(expected[i]));
    }
}

#define OK        GIRO_ERR_OK
#define FORBIDDEN GIRO_ERR_KEY   /* 403 */
#define NOT_FOUND GIRO_ERR_NOENT /* 404 */
#define WRONG     GIRO_ERR_STATE /* 400 and the like */

Test(api, everyone_reads_what_is_theirs_and_nothing_else, .timeout = 60)
{
    struct site *site = site_open();
    char uetr[37], path[200];
    pay(site, uetr);
    snprintf(path, sizeof(path), "/v1/journal/%s/%s", site->bics[CREDITOR], site->date);
    for (int i = 0; ask(site, CREDITOR, path) != OK; i++) { /* sealed by the next second's block */
        cr_assert(i < 100, "no journal");
        pause_ms(50);
    }
    expect(site, "/v1/status", (enum giro_err[]){OK, OK, OK, OK});
    /* For an operator one member's: all members' days would stop the loop for seconds. */
    expect(site, "/v1/journals", (enum giro_err[]){OK, OK, OK, WRONG});
    expect(site, "/v1/journals?member=B999CZPP",
           (enum giro_err[]){FORBIDDEN, FORBIDDEN, FORBIDDEN, NOT_FOUND});
    char list_path[60];
    snprintf(list_path, sizeof(list_path), "/v1/journals?member=%s", site->bics[CREDITOR]);
    expect(site, list_path, (enum giro_err[]){FORBIDDEN, OK, FORBIDDEN, OK});
    expect(site, "/v1/channel/0", (enum giro_err[]){OK, OK, OK, OK});
    expect(site, "/metrics", (enum giro_err[]){FORBIDDEN, FORBIDDEN, FORBIDDEN, OK});
    expect(site, path, (enum giro_err[]){FORBIDDEN, OK, FORBIDDEN, OK});
    snprintf(path, sizeof(path), "/v1/payment/%s", uetr);
    expect(site, path, (enum giro_err[]){OK, OK, NOT_FOUND, OK});
    snprintf(path, sizeof(path), "/v1/proof/%s", uetr);
    expect(site, path, (enum giro_err[]){OK, OK, NOT_FOUND, OK});
    expect(site, "/v1/proof/frame/0/0", (enum giro_err[]){OK, NOT_FOUND, NOT_FOUND, NOT_FOUND});
    expect(site, "/v1/proof/frame/0/1",
           (enum giro_err[]){NOT_FOUND, NOT_FOUND, NOT_FOUND, NOT_FOUND});
    uint8_t *bytes;
    size_t size;
    struct giro_proof_view view;
    cr_assert(get(site, DEBTOR, "/v1/proof/frame/0/0", &bytes, &size) == OK);
    cr_expect(giro_proof_verify(&site->hub.genesis, site->hub.ring, bytes, size, &view) == NULL);
    free(bytes);
    cr_assert(get(site, CREDITOR, path, &bytes, &size) == OK);
    const char *wrong = giro_proof_verify(&site->hub.genesis, site->hub.ring, bytes, size, &view);
    cr_expect(wrong == NULL, "%s", wrong);
    free(bytes);
    cr_assert(get(site, OPERATOR, list_path, &bytes, &size) == OK);
    cr_expect(strstr((const char *)bytes, site->bics[CREDITOR]) != NULL &&
              strstr((const char *)bytes, site->bics[DEBTOR]) == NULL);
    free(bytes);
    cr_assert(get(site, STRANGER, "/v1/journals", &bytes, &size) == OK);
    cr_expect(strstr((const char *)bytes, site->bics[DEBTOR]) == NULL, "others' are not listed");
    free(bytes);
    cr_assert(get(site, DEBTOR, "/v1/channel/0", &bytes, &size) == OK);
    json_t *json = json_loads((const char *)bytes, 0, NULL);
    cr_expect(json_integer_value(json_object_get(json, "next")) == 1);
    json_decref(json);
    free(bytes);
    site_close(site);
}

/* Debtor pays creditor and stranger, each with details, in one frame. */
static void pay_detailed(struct site *site)
{
    const uint8_t seed[32] = {0, 0x55};
    uint8_t bytes[GIRO_FRAME_BYTES_MAX], plaintext[GIRO_DETAILS_PLAIN_MAX];
    const struct giro_details text = {.fields = {{"REFERENCE", 9}}};
    struct giro_secret_key *sealing = giro_key_from_seed(seed);
    struct giro_secret_key *key = hub_key(site->bics[DEBTOR], "frame", 1);
    struct giro_record records[2];
    struct giro_frame_details details[2];
    struct giro_details_key keys[2];
    enum giro_details_field field;
    uint32_t plaintext_bytes = 0, key_count;
    cr_assert(giro_details_encode(&text, plaintext, &plaintext_bytes, &field) == GIRO_DETAILS_GOOD);
    for (uint32_t i = 0; i < 2; i++) {
        site->hub.genesis.members[CREDITOR + i].sealing.key = giro_key_sealing(sealing);
        records[i] = (struct giro_record){.uetr = {0xD0, (uint8_t)i},
                                          .amount_minor = 1,
                                          .creditor = (uint16_t)(CREDITOR + i),
                                          .currency = site->hub.genesis.currencies[0].number,
                                          .service = GIRO_SERVICE_GROSS,
                                          .kind = GIRO_PAYMENT_CREDIT_TRANSFER};
        details[i] = (struct giro_frame_details){plaintext, plaintext_bytes};
    }
    const size_t size = giro_frame_make_detailed(&site->hub.genesis, key, DEBTOR, 1, 0, 0, records,
                                                 details, 2, keys, &key_count, bytes);
    cr_assert(size > 0);
    send_frame(site, bytes, size, 2);
    giro_key_free(sealing);
    giro_key_free(key);
}

/* Does what this client gets of that member's day hold the payment's record? */
static bool shows(struct site *site, uint32_t client, const char *bic, uint8_t payment)
{
    const uint8_t uetr[16] = {0xD0, payment};
    char path[200];
    uint8_t *bytes;
    size_t size;
    snprintf(path, sizeof(path), "/v1/details/%s/%s", bic, site->date);
    cr_assert(get(site, client, path, &bytes, &size) == OK);
    const bool found = memmem(bytes, size, uetr, sizeof(uetr)) != NULL;
    free(bytes);
    return found;
}

Test(api, sealed_details_are_for_debtor_and_creditor_alone, .timeout = 60)
{
    struct site *site = site_open();
    char path[200];
    uint8_t *bytes;
    size_t size;
    expect(site, "/v1/details", (enum giro_err[]){OK, OK, OK, WRONG});
    snprintf(path, sizeof(path), "/v1/details?member=%s", site->bics[CREDITOR]);
    expect(site, path, (enum giro_err[]){FORBIDDEN, OK, FORBIDDEN, OK});
    snprintf(path, sizeof(path), "/v1/details/%s/%s", site->bics[CREDITOR], site->date);
    expect(site, path, (enum giro_err[]){FORBIDDEN, NOT_FOUND, FORBIDDEN, NOT_FOUND});
    pay_detailed(site);
    expect(site, path, (enum giro_err[]){FORBIDDEN, OK, FORBIDDEN, OK});
    snprintf(path, sizeof(path), "/v1/details/%s/%s", site->bics[DEBTOR], site->date);
    expect(site, path, (enum giro_err[]){OK, FORBIDDEN, FORBIDDEN, OK});
    cr_expect(shows(site, DEBTOR, site->bics[DEBTOR], 0) &&
              shows(site, DEBTOR, site->bics[DEBTOR], 1));
    cr_expect(shows(site, CREDITOR, site->bics[CREDITOR], 0) &&
                  !shows(site, CREDITOR, site->bics[CREDITOR], 1),
              "not the frame's other payment");
    cr_expect(shows(site, STRANGER, site->bics[STRANGER], 1) &&
              !shows(site, STRANGER, site->bics[STRANGER], 0));
    cr_assert(get(site, CREDITOR, "/v1/details", &bytes, &size) == OK);
    cr_expect(strstr((const char *)bytes, site->bics[CREDITOR]) != NULL &&
                  strstr((const char *)bytes, site->bics[DEBTOR]) == NULL &&
                  strstr((const char *)bytes, site->bics[STRANGER]) == NULL,
              "%s", (const char *)bytes);
    free(bytes);
    static const struct {
        const char *path;
        enum giro_err expected;
    } rows[] = {{"/v1/details/", WRONG},
                {"/v1/details/B000CZPP", WRONG},
                {"/v1/details/B000CZPP/2026-13-01", WRONG},
                {"/v1/details/../../2026-11-24", WRONG},
                {"/v1/detailsx", NOT_FOUND},
                {"/v1/details/B000CZPP/2026-11-24?from=x", WRONG},
                {"/v1/details/B000CZPP/1999-01-01", NOT_FOUND},
                {"/v1/details/B999CZPP/2026-11-24", NOT_FOUND}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const enum giro_err err = ask(site, OPERATOR, rows[i].path);
        cr_expect(err == rows[i].expected, "%s: %s", rows[i].path, giro_err_name(err));
    }
    site_close(site);
}

Test(api, malformed_paths_and_queries_are_told_apart_from_missing_things, .timeout = 60)
{
    struct site *site = site_open();
    static const struct {
        const char *path;
        enum giro_err expected;
    } rows[] = {
        {"/", NOT_FOUND},
        {"/v1", NOT_FOUND},
        {"/v1/statuses", NOT_FOUND},
        {"/v1/status/", NOT_FOUND},
        {"//v1/status", NOT_FOUND},
        {"/v1/channel/64", WRONG},
        {"/v1/channel/-1", WRONG},
        {"/v1/channel/", WRONG},
        {"/v1/channel/1x", WRONG},
        {"/v1/channel/63", OK},
        {"/v1/payment/", WRONG},
        {"/v1/payment/1234", WRONG},
        {"/v1/payment/5f3c1d9e-0b7a-4c55-9a51-2f60b1f1a001x", WRONG},
        {"/v1/payment/5f3c1d9e-0b7a-4c55-9a51-2f60b1f1a001", NOT_FOUND},
        {"/v1/proof/5f3c1d9e-0b7a-4c55-9a51-2f60b1f1a0zz", WRONG},
        {"/v1/proof/5f3c1d9e-0b7a-4c55-9a51-2f60b1f1a001", NOT_FOUND},
        {"/v1/journal/B000CZPP", WRONG},
        {"/v1/journal/B000CZPP/", WRONG},
        {"/v1/journal/B000CZPP/2026-02-30", WRONG},
        {"/v1/journal/B000CZPP/2026-11-24/x", WRONG},
        {"/v1/journal/../../etc/passwd", WRONG},
        {"/v1/journal/%2e%2e/2026-11-24", WRONG},
        {"/v1/journal/B999CZPP/2026-11-24", NOT_FOUND},
        {"/v1/journal/B000CZPP/1999-01-01", NOT_FOUND},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum giro_err err = ask(site, OPERATOR, rows[i].path);
        cr_expect(err == rows[i].expected, "%s: %s", rows[i].path, giro_err_name(err));
    }
    site_close(site);
}

Test(api, a_journal_is_read_in_ranges_of_bytes, .timeout = 60)
{
    struct site *site = site_open();
    char uetr[37], path[200];
    pay(site, uetr);
    snprintf(path, sizeof(path), "/v1/journal/%s/%s", site->bics[0], site->date);
    for (int i = 0; ask(site, OPERATOR, path) != OK; i++) {
        cr_assert(i < 100, "no journal");
        pause_ms(50);
    }
    static const struct {
        const char *query;
        enum giro_err expected;
        long size; /* -1: all of it */
    } ranges[] = {{"", OK, -1},
                  {"?from=0&to=64", OK, 64},
                  {"?from=60&to=64", OK, 4},
                  {"?to=10", OK, 10},
                  {"?from=64&to=64", OK, 0},
                  {"?from=65&to=64", OK, 0},
                  {"?from=99999999999", OK, 0},
                  {"?from=18446744073709551615", OK, 0},
                  {"?to=18446744073709551615", OK, -1},
                  {"?from=-1", WRONG, 0},
                  {"?from=x", WRONG, 0},
                  {"?from=", WRONG, 0},
                  {"?from=1x", WRONG, 0},
                  {"?other=1", OK, -1}};
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        char url[300];
        uint8_t *bytes;
        size_t size = 0;
        snprintf(url, sizeof(url), "%s%s", path, ranges[i].query);
        enum giro_err err = get(site, OPERATOR, url, &bytes, &size);
        cr_expect(err == ranges[i].expected, "%s: %s", url, giro_err_name(err));
        if (err != OK)
            continue;
        cr_expect(ranges[i].size < 0 ? size > 64 : size == (size_t)ranges[i].size, "%s: %zu bytes",
                  url, size);
        free(bytes);
    }
    site_close(site);
}

static enum giro_err post(struct site *site, uint32_t client, const char *path, const void *body,
                          size_t body_bytes)
{
    uint8_t *bytes = NULL;
    size_t size;
    struct giro_diagnosis diagnosis = {.fact = ""};
    enum giro_err err =
        giro_https_post(site->clients[client], path, body, body_bytes, &bytes, &size, &diagnosis);
    if (err == OK)
        free(bytes);
    return err;
}

Test(api, an_operator_captures_packets_of_the_port_and_nobody_else, .timeout = 60)
{
    struct site *site = site_open();
    static const char *const wrong[] = {"?seconds=0", "?seconds=601", "?megabytes=17",
                                        "?megabytes=x", "?seconds=-1"};
    char path[100], uetr[37];
    uint8_t *bytes = NULL;
    size_t size = 0;
    expect(site, "/v1/capture", (enum giro_err[]){FORBIDDEN, FORBIDDEN, FORBIDDEN, OK});
    expect(site, "/v1/capture/file", (enum giro_err[]){FORBIDDEN, FORBIDDEN, FORBIDDEN, NOT_FOUND});
    cr_expect(post(site, DEBTOR, "/v1/capture", "", 0) == FORBIDDEN);
    cr_expect(post(site, OPERATOR, "/v1/capture/never", "", 0) == NOT_FOUND);
    for (uint32_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        snprintf(path, sizeof(path), "/v1/capture%s", wrong[i]);
        cr_expect(post(site, OPERATOR, path, "", 0) == WRONG, "%s", path);
    }
    cr_assert(post(site, OPERATOR, "/v1/capture?seconds=60&megabytes=1", "", 0) == OK);
    cr_expect(post(site, OPERATOR, "/v1/capture", "", 0) == WRONG, "one at a time");
    pay(site, uetr);
    cr_expect(ask(site, OPERATOR, "/v1/capture/file") == NOT_FOUND, "it still runs");
    cr_assert(post(site, OPERATOR, "/v1/capture/stop", "", 0) == OK);
    cr_assert(get(site, OPERATOR, "/v1/capture", &bytes, &size) == OK);
    json_t *json = json_loads((const char *)bytes, 0, NULL);
    cr_expect(json_is_false(json_object_get(json, "running")));
    cr_expect(json_integer_value(json_object_get(json, "packets")) >= 2, "a frame and a receipt");
    json_int_t expected = json_integer_value(json_object_get(json, "bytes"));
    json_decref(json);
    free(bytes);
    cr_assert(get(site, OPERATOR, "/v1/capture/file", &bytes, &size) == OK);
    static const uint8_t magic[4] = {0x0a, 0x0d, 0x0d, 0x0a};
    cr_expect((json_int_t)size == expected && memcmp(bytes, magic, 4) == 0);
    free(bytes);
    site_close(site);
}

Test(api, only_operators_post_controls_and_only_whole_ones, .timeout = 60)
{
    struct site *site = site_open();
    uint8_t frame[GIRO_FRAME_BYTES_MAX], payment[GIRO_FRAME_BYTES_MAX];
    struct giro_control control = {.op = GIRO_CONTROL_CLOSE_CYCLE,
                                   .currency = site->hub.genesis.currencies[0].number};
    struct giro_secret_key *checker = hub_key("checker", "approver", 2);
    size_t size = giro_control_make(&site->hub.genesis, site->keys[OPERATOR], 1, checker, 2, 0, 0,
                                    &control, 1, frame);
    size_t payment_bytes = hub_frame(&site->hub, DEBTOR, CREDITOR, 0, 1, payment);
    giro_key_free(checker);
    cr_expect(post(site, DEBTOR, "/v1/control", frame, size) == FORBIDDEN);
    cr_expect(post(site, OPERATOR, "/v1/status", frame, size) == NOT_FOUND);
    cr_expect(post(site, OPERATOR, "/v1/control", frame, size - 1) == WRONG);
    cr_expect(post(site, OPERATOR, "/v1/control", payment, payment_bytes) == WRONG);
    cr_expect(post(site, OPERATOR, "/v1/control", "", 0) == WRONG);
    cr_expect(post(site, OPERATOR, "/v1/control", frame, size) == OK);
    for (int i = 0;; i++) { /* executed: the operators' channel moves on */
        uint8_t *bytes;
        cr_assert(get(site, OPERATOR, "/v1/channel/0", &bytes, &size) == OK);
        bool moved = strstr((const char *)bytes, "\"next\": 1") != NULL;
        free(bytes);
        if (moved)
            break;
        cr_assert(i < 100, "the control frame is not executed");
        pause_ms(50);
    }
    site_close(site);
}

Test(api, a_key_that_nobody_enrolled_gets_no_connection, .timeout = 60)
{
    struct site *site = site_open();
    struct giro_config_address https = {.host = "127.0.0.1", .port = site->ports[2]};
    struct giro_diagnosis diagnosis = {.fact = ""};
    struct giro_secret_key *keys[] = {hub_key("nobody", "session", 1),
                                      hub_key(site->bics[0], "frame", 1)};
    for (int i = 0; i < 2; i++) {
        struct giro_https *https_client;
        uint8_t *bytes = NULL;
        size_t size;
        cr_assert(giro_https_open(&site->hub.genesis, &https, keys[i], &https_client, &diagnosis) ==
                  OK);
        cr_expect(giro_https_get(https_client, "/v1/status", &bytes, &size, &diagnosis) ==
                  GIRO_ERR_NETWORK);
        giro_https_close(https_client);
        giro_key_free(keys[i]);
    }
    for (int i = 0; i < 400; i++) /* closed connections do not count against the limit of 192 */
        cr_assert(ask(site, STRANGER, "/v1/status") == OK, "request %d", i);
    site_close(site);
}

Test(api, one_member_cannot_take_all_connections, .timeout = 60)
{
    struct site *site = site_open();
    struct giro_config_address https = {.host = "127.0.0.1", .port = site->ports[2]};
    struct giro_diagnosis diagnosis = {.fact = ""};
    struct giro_https *clients[200], *operator;
    uint32_t served = 0;
    for (uint32_t round = 0; round < 2; round++) { /* closed ones do not count */
        uint8_t *bytes = NULL;
        size_t size;
        served = 0;
        for (uint32_t i = 0; i < 200; i++) {
            cr_assert(giro_https_open(&site->hub.genesis, &https, site->keys[STRANGER], &clients[i],
                                      &diagnosis) == OK);
            giro_https_patience(clients[i], 3000, NULL);
            if (giro_https_get(clients[i], "/v1/status", &bytes, &size, &diagnosis) == OK) {
                served++;
                free(bytes);
            }
        }
        cr_expect(served == 16, "%u connections of one member", served);
        cr_assert(giro_https_open(&site->hub.genesis, &https, site->keys[OPERATOR],
                                  &operator, & diagnosis) == OK);
        giro_https_patience(operator, 3000, NULL);
        bytes = NULL;
        cr_expect(giro_https_get(operator, "/v1/status", &bytes, &size, &diagnosis) == OK);
        free(bytes);
        giro_https_close(operator);
        for (uint32_t i = 0; i < 200; i++)
            giro_https_close(clients[i]);
        pause_ms(200);
    }
    site_close(site);
}

/* Whoever only connects is in the way for as long as there is room. */
Test(api, connections_that_show_no_key_keep_nobody_out, .timeout = 60)
{
    struct site *site = site_open();
    struct giro_config_address https = {.host = "127.0.0.1", .port = site->ports[2]};
    struct giro_diagnosis diagnosis = {.fact = ""};
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(site->ports[2]),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fds[300];
    for (uint32_t i = 0; i < 300; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(fds[i], (struct sockaddr *)&address, sizeof(address));
    }
    pause_ms(300);
    for (uint32_t i = 0; i < 20; i++) {
        struct giro_https *client;
        uint8_t *bytes = NULL;
        size_t size;
        cr_assert(giro_https_open(&site->hub.genesis, &https, site->keys[i % CLIENTS], &client,
                                  &diagnosis) == OK);
        giro_https_patience(client, 3000, NULL);
        cr_expect(giro_https_get(client, "/v1/status", &bytes, &size, &diagnosis) == OK);
        free(bytes);
        giro_https_close(client);
    }
    for (uint32_t i = 0; i < 300; i++)
        close(fds[i]);
    site_close(site);
}

/* ---- Waiting for more of a journal --------------------------------------------------------------------- */

/* A request of its own connection, in a thread of its own. */
struct request {
    struct site *site;
    uint32_t client;
    char path[200];
    pthread_t thread;
    enum giro_err err;
    size_t size;
    double seconds;
};

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void *request_run(void *context)
{
    struct request *request = context;
    struct giro_config_address https = {.host = "127.0.0.1", .port = request->site->ports[2]};
    struct giro_diagnosis diagnosis = {.fact = ""};
    struct giro_https *client;
    uint8_t *bytes = NULL;
    request->err = giro_https_open(&request->site->hub.genesis, &https,
                                   request->site->keys[request->client], &client, &diagnosis);
    if (request->err != OK)
        return NULL;
    double begin = seconds_now();
    request->err = giro_https_get(client, request->path, &bytes, &request->size, &diagnosis);
    request->seconds = seconds_now() - begin;
    free(bytes);
    giro_https_close(client);
    return NULL;
}

static void request_start(struct request *request, struct site *site, uint32_t client,
                          uint64_t from, uint32_t wait_ms)
{
    *request = (struct request){.site = site, .client = client};
    snprintf(request->path, sizeof(request->path), "/v1/journal/%s/%s?from=%lu&wait=%u",
             site->bics[CREDITOR], site->date, (unsigned long)from, wait_ms);
    cr_assert(pthread_create(&request->thread, NULL, request_run, request) == 0);
}

static void request_end(struct request *request)
{
    cr_assert(pthread_join(request->thread, NULL) == 0);
}

Test(api, more_of_a_journal_is_waited_for_by_its_member_only_and_not_too_long, .timeout = 60)
{
    struct site *site = site_open();
    struct request request, others[3];
    char uetr[37];
    request_start(&request, site, STRANGER, 0, 15000);
    request_end(&request);
    cr_expect(request.err == FORBIDDEN && request.seconds < 10, "a stranger is not kept waiting");
    request_start(&request, site, CREDITOR, 0, 15001);
    request_end(&request);
    cr_expect(request.err == WRONG);
    request_start(&request, site, CREDITOR, 0, 600);
    request_end(&request);
    cr_expect(request.err == NOT_FOUND && request.seconds >= 0.5, "nothing is sealed yet");
    /* One waits from before the first payment. */
    request_start(&request, site, CREDITOR, 0, 15000);
    pay(site, uetr);
    request_end(&request);
    cr_expect(request.err == OK && request.size > 64, "%s, %zu bytes", giro_err_name(request.err),
              request.size);
    uint64_t end = request.size;
    /* Two of one client are held, the third is not; another client is. */
    for (uint32_t i = 0; i < 3; i++)
        request_start(&others[i], site, CREDITOR, end, 3000);
    request_start(&request, site, OPERATOR, end, 3000);
    uint32_t at_once = 0;
    for (uint32_t i = 0; i < 3; i++) {
        request_end(&others[i]);
        cr_expect(others[i].err == OK && others[i].size == 0);
        at_once += others[i].seconds < 2.5;
    }
    request_end(&request);
    cr_expect(at_once == 1, "%u were not held", at_once);
    cr_expect(request.err == OK && request.seconds >= 2.5);
    site_close(site);
}

Test(api, a_waiting_client_may_die_and_the_replica_may_stop, .timeout = 60)
{
    struct site *site = site_open();
    struct giro_config_address https = {.host = "127.0.0.1", .port = site->ports[2]};
    struct giro_diagnosis diagnosis = {.fact = ""};
    struct request request;
    char path[200];
    snprintf(path, sizeof(path), "/v1/journal/%s/%s?wait=700", site->bics[DEBTOR], site->date);
    struct giro_https *client;
    uint8_t *bytes;
    size_t size;
    cr_assert(
        giro_https_open(&site->hub.genesis, &https, site->keys[DEBTOR], &client, &diagnosis) == OK);
    giro_https_patience(client, 200, NULL);
    cr_expect(giro_https_get(client, path, &bytes, &size, &diagnosis) == GIRO_ERR_NETWORK,
              "it loses its patience");
    giro_https_close(client);
    pause_ms(900); /* its answer finds nobody */
    cr_expect(ask(site, DEBTOR, "/v1/status") == OK);
    request_start(&request, site, CREDITOR, 0, 15000);
    pause_ms(300);
    site_close(site); /* exit code 0 with a request in hand */
    request_end(&request);
    cr_expect(request.err != OK && request.seconds < 10);
}

Test(api, the_list_of_journals_tells_where_the_newest_block_begins, .timeout = 60)
{
    struct site *site = site_open();
    struct request request;
    char uetr[37];
    uint8_t *bytes;
    size_t size;
    request_start(&request, site, CREDITOR, 0, 15000);
    pay(site, uetr);
    request_end(&request);
    cr_assert(get(site, CREDITOR, "/v1/journals", &bytes, &size) == OK);
    json_t *list = json_loadb((const char *)bytes, size, 0, NULL);
    free(bytes);
    json_t *item = json_array_get(list, 0), *last = json_object_get(item, "last");
    const char *currency = site->hub.genesis.currencies[0].code;
    uint64_t offset = (uint64_t)json_integer_value(json_object_get(last, currency));
    cr_assert(json_object_size(last) == 1 && offset >= 64);
    char path[200];
    snprintf(path, sizeof(path), "/v1/journal/%s/%s?from=%lu", site->bics[CREDITOR], site->date,
             (unsigned long)offset);
    cr_assert(get(site, CREDITOR, path, &bytes, &size) == OK);
    static struct giro_journal_view view;
    struct giro_journal_chain chain = {0};
    cr_assert(giro_journal_decode(bytes, size, 1, &view) == GIRO_REJECT_NONE);
    const char *wrong = giro_journal_verify(&site->hub.genesis, site->hub.ring, &view, &chain);
    cr_expect(wrong == NULL, "%s", wrong);
    cr_expect(offset + size == (uint64_t)json_integer_value(json_object_get(item, "bytes")));
    free(bytes);
    json_decref(list);
    site_close(site);
}
