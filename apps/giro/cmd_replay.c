/* giro replay: a production replica's consensus core run again from its event log, up to the first difference. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/giro/giro.h"
#include "apps/girod/replica.h"

struct arguments {
    const char *genesis;
    char **paths;
    uint32_t path_count;
};

static const struct argp_option options[] = {
    {"genesis", 'g', "FILE", 0, "genesis file (default: genesis.json)", 0}, {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case 'g':
        arguments->genesis = arg;
        return 0;
    case ARGP_KEY_ARGS:
        arguments->paths = state->argv + state->next;
        arguments->path_count = (uint32_t)(state->argc - state->next);
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which event logs?");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

struct replaying {
    const char *path;
    const uint8_t *bytes; /* the mapped file */
    size_t size_bytes, offset;
    struct giro_event_log_header header;
    struct giro_replay *replay;
    void *mem;
    size_t mem_bytes;
    uint64_t sequence;
    const char *end; /* how the log ends */
    struct giro_progress progress;
    struct giro_diagnosis *diagnosis;
};

/* ---- Opening -------------------------------------------------------------------------------------- */

static enum giro_err map_file(struct replaying *replaying)
{
    struct stat info;
    int fd = open(replaying->path, O_RDONLY | O_CLOEXEC);
    enum giro_err err = fd < 0 ? GIRO_ERR_NOENT : GIRO_ERR_OK;
    if (err == GIRO_ERR_OK && (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) ||
                               (size_t)info.st_size < sizeof(replaying->header)))
        err = GIRO_ERR_FORMAT;
    if (err == GIRO_ERR_OK) {
        replaying->size_bytes = (size_t)info.st_size;
        void *bytes = mmap(NULL, replaying->size_bytes, PROT_READ, MAP_PRIVATE, fd, 0);
        replaying->bytes = bytes == MAP_FAILED ? NULL : bytes;
        err = bytes == MAP_FAILED ? GIRO_ERR_IO : GIRO_ERR_OK;
    }
    if (fd >= 0)
        close(fd);
    if (err != GIRO_ERR_OK)
        giro_diagnosis_set(replaying->diagnosis, giro_err_sentence(err), giro_err_advice(err),
                           "\"%s\" cannot be read as an event log", replaying->path);
    return err;
}

static enum giro_err open_log(struct replaying *replaying, const struct giro_hub_view *view,
                              struct giro_replica_keys *keys)
{
    GIRO_TRY(map_file(replaying));
    enum giro_reject reject =
        giro_event_log_header_decode(replaying->bytes, replaying->size_bytes, &replaying->header);
    const struct giro_event_log_header *header = &replaying->header;
    if (reject == GIRO_REJECT_NONE && !giro_hash_equal(&header->chain_id, &view->genesis.chain_id))
        reject = GIRO_REJECT_CHAIN;
    struct giro_consensus_options own =
        giro_replica_consensus_options(&view->genesis, view->ring, header->replica, keys);
    size_t size = reject == GIRO_REJECT_NONE ? giro_replay_footprint(&own, header) : 0;
    if (reject == GIRO_REJECT_NONE && size == 0)
        reject = GIRO_REJECT_FIELD;
    if (reject != GIRO_REJECT_NONE) {
        giro_diagnosis_set(replaying->diagnosis, giro_reject_text(reject),
                           "give the genesis file of the hub the replica belongs to",
                           "\"%s\" is not an event log of this hub", replaying->path);
        return reject == GIRO_REJECT_CHAIN ? GIRO_ERR_CHAIN : GIRO_ERR_FORMAT;
    }
    replaying->mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (replaying->mem == MAP_FAILED) {
        replaying->mem = NULL;
        return GIRO_ERR_NOMEM;
    }
    replaying->mem_bytes = size;
    replaying->offset = sizeof(*header);
    replaying->replay = giro_replay_init(replaying->mem, size, &own, header);
    return replaying->replay == NULL ? GIRO_ERR_FORMAT : GIRO_ERR_OK;
}

/* ---- Saying ---------------------------------------------------------------------------------------- */

/* "event 812 (MESSAGE from replica 2, 1,204 bytes)" */
static void event_text(const struct giro_event_record *event, char *text, size_t text_bytes)
{
    char bytes[32], from[32] = "";
    if (event->kind == GIRO_EVENT_RECORD_MESSAGE)
        snprintf(from, sizeof(from), " from replica %u", event->detail);
    snprintf(text, text_bytes, "event %lu (%s%s, %s bytes)", (unsigned long)event->sequence,
             giro_event_record_name(event->kind), from,
             giro_count_format(event->body_bytes, bytes));
}

static void action_text(const struct giro_event_action *action, char *text, size_t text_bytes)
{
    if (action->kind == 0)
        snprintf(text, text_bytes, "nothing");
    else
        snprintf(text, text_bytes, "%s of %u bytes, digest %016lx",
                 giro_action_number_name(action->kind), action->size_bytes,
                 (unsigned long)action->digest);
}

static enum giro_err damaged(struct replaying *replaying, enum giro_reject reject, size_t offset)
{
    giro_diagnosis_set(replaying->diagnosis, giro_reject_text(reject),
                       "copy the file again; what lies before was replayed and is equal",
                       "\"%s\" is damaged or cut short at offset %zu, after event %lu",
                       replaying->path, offset, (unsigned long)replaying->sequence);
    return GIRO_ERR_DAMAGED;
}

static enum giro_err differs(struct replaying *replaying, enum giro_replay_result result,
                             const struct giro_event_record *event,
                             const struct giro_replay_difference *difference)
{
    char what[96], was[96], is[96], detail[256];
    event_text(event, what, sizeof(what));
    action_text(&difference->recorded, was, sizeof(was));
    action_text(&difference->found, is, sizeof(is));
    if (result == GIRO_REPLAY_ACTION)
        snprintf(detail, sizeof(detail), "action %u: recorded %s; here %s", difference->index + 1,
                 was, is);
    else if (result == GIRO_REPLAY_SIGNATURE)
        snprintf(detail, sizeof(detail),
                 "signature %u: the recorded one is not this replica's over what is to be signed",
                 difference->index + 1);
    else
        snprintf(detail, sizeof(detail), "%s", giro_reject_text(difference->reject));
    giro_diagnosis_set(replaying->diagnosis, detail,
                       "same program version? then keep the log and the data directory: this is a "
                       "bug, or memory that flipped a bit",
                       result == GIRO_REPLAY_MALFORMED ? "\"%s\": %s is none that girod records"
                                                       : "\"%s\": the first difference is at %s",
                       replaying->path, what);
    return result == GIRO_REPLAY_MALFORMED ? GIRO_ERR_FORMAT : GIRO_ERR_DIVERGED;
}

static void say_totals(const struct replaying *replaying)
{
    const struct giro_replay_totals *totals = giro_replay_totals(replaying->replay);
    struct giro_consensus_status status;
    char events[32], actions[32], signatures[32];
    giro_consensus_status(giro_replay_core(replaying->replay), &status);
    printf("%s: replica %u, incarnation %lu: %s events, %s actions, %s signatures, all equal; "
           "height %lu; %s\n",
           replaying->path, replaying->header.replica, (unsigned long)status.incarnation,
           giro_count_format(totals->events, events), giro_count_format(totals->actions, actions),
           giro_count_format(totals->signatures, signatures), (unsigned long)status.executed_height,
           replaying->end);
    for (uint32_t kind = 0; kind < GIRO_EVENT_RECORD_OUTCOME; kind++)
        if (totals->by_kind[kind] > 0)
            printf("  %-15s %12s\n", giro_event_record_name((uint16_t)kind),
                   giro_count_format(totals->by_kind[kind], events));
}

/* ---- Replaying --------------------------------------------------------------------------------------- */

/* A record that is whole lies behind the place: the one here was written, too, and its magic was damaged. */
static bool records_follow(const struct replaying *replaying)
{
    for (size_t at = replaying->offset + 8; at < replaying->size_bytes; at += 8) {
        struct giro_event_record record;
        size_t end = at;
        if (giro_event_record_next(replaying->bytes, replaying->size_bytes, &end, &record) ==
                GIRO_REJECT_NONE &&
            record.sequence >= replaying->sequence)
            return true;
    }
    return false;
}

/* Reads the next record, whose sequence must be `sequence`. *over: there is none, and that is fine. */
static enum giro_err next_record(struct replaying *replaying, uint64_t sequence,
                                 struct giro_event_record *record, bool *over)
{
    size_t offset = replaying->offset;
    enum giro_reject reject =
        giro_event_record_next(replaying->bytes, replaying->size_bytes, &replaying->offset, record);
    *over = false;
    if (reject == GIRO_REJECT_STALE && records_follow(replaying))
        reject = GIRO_REJECT_MAGIC;
    if (offset == replaying->size_bytes || reject == GIRO_REJECT_STALE) {
        *over = true;
        replaying->end = "no end record: the process died, or the file was cut here";
        return GIRO_ERR_OK;
    }
    if (reject == GIRO_REJECT_NONE && record->kind == GIRO_EVENT_RECORD_END) {
        *over = true;
        replaying->end = record->detail == GIRO_EVENT_LOG_FULL ? "recording stopped at its limit"
                                                               : "the replica was stopped";
        return GIRO_ERR_OK;
    }
    if (reject == GIRO_REJECT_NONE && record->sequence != sequence)
        reject = GIRO_REJECT_FIELD;
    return reject == GIRO_REJECT_NONE ? GIRO_ERR_OK : damaged(replaying, reject, offset);
}

/* The event under way, for who reads why a replay died: the core states proved facts, and a recording of one that broke
 * them breaks them again. */
static const struct giro_event_record *under_way;

static void on_assert(const char *condition, const char *file, int line)
{
    char what[96] = "no event";
    if (under_way != NULL)
        event_text(under_way, what, sizeof(what));
    fprintf(stderr, "giro replay: %s:%d: assertion failed in %s: %s\n", file, line, what,
            condition);
}

static enum giro_err replay_all(struct replaying *replaying)
{
    for (;;) {
        struct giro_event_record event, outcome;
        struct giro_replay_difference difference;
        bool over, died;
        GIRO_TRY(next_record(replaying, replaying->sequence + 1, &event, &over));
        if (over)
            return GIRO_ERR_OK;
        GIRO_TRY(next_record(replaying, event.sequence, &outcome, &died));
        under_way = &event;
        enum giro_replay_result result =
            giro_replay_step(replaying->replay, &event, died ? NULL : &outcome, &difference);
        under_way = NULL;
        if (result != GIRO_REPLAY_EQUAL)
            return differs(replaying, result, &event, &difference);
        replaying->sequence = event.sequence;
        if (died) {
            replaying->end = "the process died within the last event's step, which ends here";
            return GIRO_ERR_OK;
        }
        if (event.sequence % 256 == 0)
            giro_progress_show(&replaying->progress, "replaying %3zu %%: event %lu",
                               replaying->offset * 100 / replaying->size_bytes,
                               (unsigned long)event.sequence);
    }
}

static enum giro_err replay_file(const char *path, const struct giro_hub_view *view,
                                 struct giro_diagnosis *diagnosis)
{
    static struct giro_replica_keys keys;
    struct replaying replaying = {.path = path, .diagnosis = diagnosis};
    enum giro_err err = open_log(&replaying, view, &keys);
    giro_progress_begin(&replaying.progress);
    if (err == GIRO_ERR_OK)
        err = replay_all(&replaying);
    giro_progress_end(&replaying.progress);
    if (err == GIRO_ERR_OK)
        say_totals(&replaying);
    if (replaying.mem != NULL)
        munmap(replaying.mem, replaying.mem_bytes);
    if (replaying.bytes != NULL)
        munmap((void *)(uintptr_t)replaying.bytes, replaying.size_bytes);
    return err;
}

int giro_cmd_replay(int argc, char **argv)
{
    static const char doc[] =
        "Runs a replica's consensus core again from its event log (event_log in girod's "
        "configuration), event by event, and compares everything it does with what it did. Stops "
        "at the first difference. Needs no secret key.\v"
        "Example:\n"
        "  giro replay --genesis genesis.json replica-0/events/events-00000001\n"
        "\n"
        "Exit codes: 0 equal to the end, 1 a difference or a damaged file, 2 usage.";
    struct arguments arguments = {.genesis = "genesis.json"};
    const struct argp argp = {options, parse, "EVENTLOG...", doc, NULL, NULL, NULL};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    static struct giro_hub_view view;
    struct giro_diagnosis diagnosis = {.fact = ""};
    giro_assert_hook = on_assert;
    enum giro_err err =
        giro_hub_view_open(arguments.genesis, GIRO_KEY_TABLES_BYTES, &view, &diagnosis);
    for (uint32_t i = 0; err == GIRO_ERR_OK && i < arguments.path_count; i++)
        err = replay_file(arguments.paths[i], &view, &diagnosis);
    giro_hub_view_close(&view);
    return err == GIRO_ERR_OK ? GIRO_EXIT_OK : giro_fail("replay", err, &diagnosis);
}
