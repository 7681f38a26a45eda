#include "apps/giro/replicas.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define QUIET_NS (2 * GIRO_NS_PER_S)
#define SILENCE_MS                                                                                 \
    3000u /* whoever asks how the hub is wants to hear it, the more when some are silent */

struct said {
    bool answered;
    json_int_t committed, executed, certified, round, payments, windows, links, log_bytes,
        incarnation;
    char date[11];
    json_t *json; /* as it came; NULL without an answer */
};

static void ask(const struct giro_hub_view *view, const struct giro_secret_key *key,
                const struct giro_config_address *address, struct said *said)
{
    struct giro_diagnosis diagnosis = {.fact = ""};
    struct giro_https *https = NULL;
    uint8_t *bytes = NULL;
    size_t size = 0;
    json_decref(said->json);
    memset(said, 0, sizeof(*said));
    if (giro_https_open(&view->genesis, address, key, &https, &diagnosis) != GIRO_ERR_OK)
        return;
    giro_https_patience(https, SILENCE_MS, NULL);
    if (giro_https_get(https, "/v1/status", &bytes, &size, &diagnosis) == GIRO_ERR_OK) {
        json_t *json = json_loadb((const char *)bytes, size, 0, NULL);
        const struct {
            const char *name;
            json_int_t *value;
        } numbers[] = {{"committed_height", &said->committed},
                       {"executed_height", &said->executed},
                       {"certified_height", &said->certified},
                       {"round", &said->round},
                       {"payments_total", &said->payments},
                       {"windows_total", &said->windows},
                       {"links_up", &said->links},
                       {"log_bytes_total", &said->log_bytes},
                       {"incarnation", &said->incarnation}};
        for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
            *numbers[i].value = json_integer_value(json_object_get(json, numbers[i].name));
        const char *date = json_string_value(json_object_get(json, "business_date"));
        snprintf(said->date, sizeof(said->date), "%s", date == NULL ? "" : date);
        said->answered = json != NULL;
        said->json = json;
        free(bytes);
    }
    giro_https_close(https);
}

static bool agree(const struct said *said, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (!said[i].answered || said[i].executed != said[0].executed ||
            said[i].certified != said[i].executed || said[i].committed != said[i].executed)
            return false;
    return true;
}

static bool settle(const struct giro_hub_view *view, const struct giro_secret_key *key,
                   const struct giro_config_address *addresses, uint32_t count, uint32_t settle_s,
                   struct said *said)
{
    struct giro_clock clock = giro_clock_system();
    uint64_t end_ns = clock.mono_ns(clock.self) + settle_s * GIRO_NS_PER_S;
    uint64_t since_ns = 0;
    json_int_t height = -1;
    for (;;) {
        for (uint32_t i = 0; i < count; i++)
            ask(view, key, &addresses[i], &said[i]);
        uint64_t now_ns = clock.mono_ns(clock.self);
        if (!agree(said, count) || said[0].executed != height) {
            height = agree(said, count) ? said[0].executed : -1;
            since_ns = now_ns;
        }
        if (height >= 0 && now_ns - since_ns >= QUIET_NS)
            return true;
        if (now_ns >= end_ns)
            return false;
        struct timespec pause = {.tv_nsec = 200000000};
        nanosleep(&pause, NULL);
    }
}

/* Writes what was said and lets go of it. */
static bool write_json(const char *path, const struct giro_config_address *addresses,
                       uint32_t count, struct said *said)
{
    json_t *all = json_object();
    for (uint32_t i = 0; i < count; i++) {
        char address[96];
        snprintf(address, sizeof(address), "%s:%u", addresses[i].host, addresses[i].port);
        json_object_set_new(all, address, said[i].json == NULL ? json_null() : said[i].json);
        said[i].json = NULL;
    }
    bool written = path == NULL || json_dump_file(all, path, JSON_INDENT(2)) == 0;
    if (!written)
        fprintf(stderr, "giro status: \"%s\" cannot be written\n", path);
    json_decref(all);
    return written;
}

/* What one replica says of the others and of itself that an operator must hear. */
static void print_alarms(const char *address, const json_t *json)
{
    size_t index;
    const json_t *piece;
    json_array_foreach(json_object_get(json, "evidence"), index, piece)
    {
        const char *against = json_string_value(json_object_get(piece, "against"));
        const char *what = json_string_value(json_object_get(piece, "what"));
        printf("%s has evidence against %s: two of a %s, number %ld\n", address,
               against == NULL ? "?" : against, what == NULL ? "?" : what,
               (long)json_integer_value(json_object_get(piece, "round")));
    }
    for (void *at = json_object_iter(json_object_get(json, "halted_replicas")); at != NULL;
         at = json_object_iter_next(json_object_get(json, "halted_replicas"), at))
        printf("%s was told by %s that it stopped itself at height %ld\n", address,
               json_object_iter_key(at), (long)json_integer_value(json_object_iter_value(at)));
    long height = (long)json_integer_value(json_object_get(json, "no_quorum_height"));
    if (height > 0)
        printf("%s: no root of height %ld can reach a quorum, ordering stops\n", address, height);
}

int giro_replicas_show(const struct giro_hub_view *view, const struct giro_secret_key *key,
                       const struct giro_config_address *addresses, uint32_t count,
                       uint32_t settle_s, const char *json_path)
{
    struct said said[GIRO_REPLICAS_MAX] = {0};
    bool good = true;
    if (settle_s > 0)
        good = settle(view, key, addresses, count, settle_s, said);
    else
        for (uint32_t i = 0; i < count; i++)
            ask(view, key, &addresses[i], &said[i]);
    printf("%-21s  %-10s  %9s  %9s  %9s  %12s  %8s  %5s  %6s  %14s\n", "replica", "date", "round",
           "executed", "certified", "payments", "windows", "links", "starts", "log bytes");
    for (uint32_t i = 0; i < count; i++) {
        char address[96], payments[32], bytes[32];
        snprintf(address, sizeof(address), "%s:%u", addresses[i].host, addresses[i].port);
        if (!said[i].answered) {
            printf("%-21s  no answer\n", address);
            good = false;
            continue;
        }
        printf("%-21s  %-10s  %9ld  %9ld  %9ld  %12s  %8ld  %5ld  %6ld  %14s\n", address,
               said[i].date, (long)said[i].round, (long)said[i].executed, (long)said[i].certified,
               giro_count_format((uint64_t)said[i].payments, payments), (long)said[i].windows,
               (long)said[i].links, (long)said[i].incarnation,
               giro_count_format((uint64_t)said[i].log_bytes, bytes));
    }
    for (uint32_t i = 0; i < count; i++) {
        char address[96];
        snprintf(address, sizeof(address), "%s:%u", addresses[i].host, addresses[i].port);
        print_alarms(address, said[i].json);
    }
    if (!good && settle_s > 0)
        fprintf(stderr, "giro status: the replicas did not agree within %u s\n", settle_s);
    good = write_json(json_path, addresses, count, said) && good;
    return good ? GIRO_EXIT_OK : GIRO_EXIT_FAILURE;
}
