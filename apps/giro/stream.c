#include "apps/giro/stream.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct watch {
    const struct giro_stream_options *options;
    const struct giro_spool *spool;
    struct giro_progress progress;
    uint64_t last_records, last_ns;
};

static bool on_progress(void *context, const struct giro_sender_stats *stats)
{
    struct watch *watch = context;
    if (giro_stop_requested())
        return false;
    if (!watch->options->live)
        return true;
    uint64_t span_ns = stats->elapsed_ns - watch->last_ns;
    uint64_t rate =
        span_ns == 0 ? 0
                     : (stats->records_certified - watch->last_records) * GIRO_NS_PER_S / span_ns;
    if (span_ns >= GIRO_NS_PER_S) {
        watch->last_records = stats->records_certified;
        watch->last_ns = stats->elapsed_ns;
    }
    char now[32], all[32], line[160];
    snprintf(line, sizeof(line),
             "%3lu s  %s payments/s  certified %s  p50 %.1f ms  p99 %.1f ms  "
             "frames waiting %lu  resent %lu",
             (unsigned long)(stats->elapsed_ns / GIRO_NS_PER_S), giro_count_format(rate, now),
             giro_count_format(stats->records_certified, all),
             (double)giro_sender_quantile(stats->certified_us, 500) / 1000.0,
             (double)giro_sender_quantile(stats->certified_us, 990) / 1000.0,
             (unsigned long)(stats->frames_sent - stats->frames_certified - stats->frames_failed),
             (unsigned long)stats->frames_resent);
    uint64_t ended = stats->frames_certified + stats->frames_failed;
    if (watch->options->seconds == 0 && watch->spool->frame_count > 0)
        giro_progress_bar(&watch->progress, "sending", ended, watch->spool->frame_count, line);
    else
        giro_progress_show(&watch->progress, "%s", line);
    return true;
}

static void on_unsent(void *context, uint64_t spool_index)
{
    const struct watch *watch = context;
    struct giro_frame_header header;
    memcpy(&header, watch->spool->frames[spool_index], sizeof(header));
    if (watch->options->unsent != NULL)
        watch->options->unsent(watch->options->unsent_context, &header);
}

static uint64_t rate_of(const struct giro_sender_stats *stats)
{
    return stats->elapsed_ns == 0 ? 0
                                  : (uint64_t)((unsigned __int128)stats->records_certified *
                                               GIRO_NS_PER_S / stats->elapsed_ns);
}

static enum giro_err write_json(const char *path, const struct giro_sender_stats *stats,
                                uint64_t unfinished)
{
    json_t *statuses = json_object(), *reasons = json_object(), *outcomes = json_object();
    for (uint32_t i = 0; i < 10; i++)
        if (stats->by_status[i] > 0)
            json_object_set_new(statuses, giro_status_name((uint8_t)i),
                                json_integer((json_int_t)stats->by_status[i]));
    for (uint32_t i = 0; i < 32; i++)
        if (stats->by_reason[i] > 0)
            json_object_set_new(reasons, giro_reason_name((uint16_t)i),
                                json_integer((json_int_t)stats->by_reason[i]));
    for (uint32_t i = 0; i < 8; i++)
        if (stats->by_outcome[i] > 0)
            json_object_set_new(outcomes, giro_outcome_name((uint8_t)i),
                                json_integer((json_int_t)stats->by_outcome[i]));
    json_t *json = json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o}",
        "frames_sent", (json_int_t)stats->frames_sent, "frames_resent",
        (json_int_t)stats->frames_resent, "frames_certified", (json_int_t)stats->frames_certified,
        "frames_failed", (json_int_t)stats->frames_failed, "lies", (json_int_t)stats->lies,
        "unfinished", (json_int_t)unfinished, "payments_certified",
        (json_int_t)stats->records_certified, "payments_per_second", (json_int_t)rate_of(stats),
        "elapsed_ms", (json_int_t)(stats->elapsed_ns / 1000000), "certified_p50_us",
        (json_int_t)giro_sender_quantile(stats->certified_us, 500), "certified_p99_us",
        (json_int_t)giro_sender_quantile(stats->certified_us, 990), "durable_p50_us",
        (json_int_t)giro_sender_quantile(stats->durable_us, 500), "durable_p99_us",
        (json_int_t)giro_sender_quantile(stats->durable_us, 990), "statuses", statuses, "reasons",
        reasons, "outcomes", outcomes);
    int failed = json == NULL ? -1 : json_dump_file(json, path, JSON_INDENT(2));
    json_decref(json);
    return failed == 0 ? GIRO_ERR_OK : GIRO_ERR_IO;
}

static void print_table(const struct giro_sender_stats *stats, uint64_t unfinished)
{
    char text[32];
    printf("payments certified   %15s\n", giro_count_format(stats->records_certified, text));
    for (uint32_t i = 0; i < 10; i++)
        if (stats->by_status[i] > 0)
            printf("  %-4s               %15s\n", giro_status_name((uint8_t)i),
                   giro_count_format(stats->by_status[i], text));
    for (uint32_t i = 0; i < 32; i++)
        if (stats->by_reason[i] > 0)
            printf("  RJCT %s          %15s  %s\n", giro_reason_name((uint16_t)i),
                   giro_count_format(stats->by_reason[i], text), giro_reason_sentence((uint16_t)i));
    printf("payments per second  %15s\n", giro_count_format(rate_of(stats), text));
    printf("certified p50 / p99  %12.1f ms  / %.1f ms\n",
           (double)giro_sender_quantile(stats->certified_us, 500) / 1000.0,
           (double)giro_sender_quantile(stats->certified_us, 990) / 1000.0);
    printf("durable   p50 / p99  %12.1f ms  / %.1f ms\n",
           (double)giro_sender_quantile(stats->durable_us, 500) / 1000.0,
           (double)giro_sender_quantile(stats->durable_us, 990) / 1000.0);
    printf("frames sent          %15s\n", giro_count_format(stats->frames_sent, text));
    printf("frames resent        %15s\n", giro_count_format(stats->frames_resent, text));
    for (uint32_t i = 2; i < 8; i++)
        if (stats->by_outcome[i] > 0)
            printf("  %-18s %15s\n", giro_outcome_name((uint8_t)i),
                   giro_count_format(stats->by_outcome[i], text));
    if (stats->lies > 0)
        printf("wrong answers        %15s  of replicas, found out\n",
               giro_count_format(stats->lies, text));
    if (unfinished > 0)
        printf("frames unfinished    %15s\n", giro_count_format(unfinished, text));
}

/* GIRO_SESSION_KEYS: for diagnosis, the file that gets the sessions' keys. Nothing is sent otherwise than without it. */
static void on_key_log(void *context, const char *line, size_t length)
{
    (void)context;
    const char *path = getenv("GIRO_SESSION_KEYS");
    if (path == NULL)
        return;
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, line, length) != (ssize_t)length)
        fprintf(stderr, "giro: the session's keys cannot be written to \"%s\"\n", path);
    if (fd >= 0)
        close(fd);
}

int giro_stream_run(const struct giro_stream_options *options)
{
    struct giro_diagnosis diagnosis = {.fact = ""};
    struct giro_spool spool;
    if (options->replica_count != options->genesis->replica_count) {
        giro_diagnosis_set(&diagnosis, "", "give --hub one address per replica",
                           "%u addresses for %u replicas", options->replica_count,
                           options->genesis->replica_count);
        return giro_fail(options->command, GIRO_ERR_ARGUMENT, &diagnosis);
    }
    enum giro_err err = giro_spool_open(options->spool_path, options->genesis, &spool, &diagnosis);
    if (err != GIRO_ERR_OK)
        return giro_fail(options->command, err, &diagnosis);
    struct watch watch = {.options = options, .spool = &spool};
    giro_progress_begin(&watch.progress);
    giro_catch_signals();
    struct giro_sender_options sender = {
        .genesis = options->genesis,
        .ring = options->ring,
        .replicas = options->replicas,
        .replica_count = options->replica_count,
        .keys_dir = options->keys,
        .spool = &spool,
        .outstanding_max = 256,
        .outstanding_total = options->outstanding,
        .frames_per_second = options->frames_per_second,
        .send_for_ns = options->seconds * GIRO_NS_PER_S,
        .stop_after_ns = options->give_up_s * GIRO_NS_PER_S,
        .progress = on_progress,
        .unsent = on_unsent,
        .key_log = getenv("GIRO_SESSION_KEYS") == NULL ? NULL : on_key_log,
        .context = &watch};
    static struct giro_sender_stats stats;
    uint64_t unfinished = 0;
    err = giro_sender_run(&sender, &stats, &unfinished, &diagnosis);
    giro_progress_end(&watch.progress);
    giro_spool_close(&spool);
    if (!options->quiet)
        print_table(&stats, unfinished);
    if (options->json_path != NULL && write_json(options->json_path, &stats, unfinished) != 0) {
        giro_diagnosis_set(&diagnosis, "", giro_err_advice(GIRO_ERR_IO), "\"%s\" cannot be written",
                           options->json_path);
        return giro_fail(options->command, GIRO_ERR_IO, &diagnosis);
    }
    if (err == GIRO_ERR_OK && stats.frames_failed == 0)
        return GIRO_EXIT_OK;
    if (diagnosis.fact[0] == '\0')
        giro_diagnosis_set(&diagnosis, giro_err_sentence(err),
                           "send the same spool again: what took effect is recognised",
                           "%lu frames have no certified outcome, %lu had no effect",
                           (unsigned long)unfinished, (unsigned long)stats.frames_failed);
    return giro_fail(options->command, err, &diagnosis);
}
