/* giro recon pull, giro recon netting: reconciliation files for a member's staff. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "apps/giro/access.h"
#include "apps/giro/details.h"
#include "apps/giro/https.h"
#include "giro/recon.h"

#define ROUNDS                                                                                     \
    3u /* times all replicas are asked before a pull gives up: a busy one may let a connection drop */
#define DATES (UINT16_MAX + 1u)

struct arguments {
    struct giro_access access; /* netting takes its genesis file only */
    const char *out;
    const char *as[GIRO_MEMBERS_MAX];
    uint32_t as_count;
    char **journals;
    uint32_t journal_count;
    uint64_t from, to;
};

static const struct argp_option pull_options[] = {
    {"as", 'a', "BIC", 0, "the member whose journals are pulled, may be repeated", 0},
    {"out", 'o', "DIR", 0, "files go to DIR/<BIC>/<business date>/ (default: .)", 0},
    {"from", 'f', "WINDOW", 0, "first window (second since 1970) of the files", 1},
    {"to", 't', "WINDOW", 0, "last window of the files", 1},
    {0}};

static const struct argp_option netting_options[] = {
    {"genesis", 'g', "FILE", 0, "genesis file (default: genesis.json)", 0},
    {"out", 'o', "DIR", 0, "reports go to DIR/<cycle>.csv (default: netting)", 0},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        if (state->child_inputs != NULL)
            state->child_inputs[0] = &arguments->access;
        return 0;
    case 'g':
        arguments->access.genesis = arg;
        return 0;
    case 'a':
        if (arguments->as_count == GIRO_MEMBERS_MAX)
            argp_error(state, "at most 1,024 members");
        arguments->as[arguments->as_count++] = arg;
        return 0;
    case 'o':
        arguments->out = arg;
        return 0;
    case 'f':
        arguments->from = strtoull(arg, NULL, 10);
        return 0;
    case 't':
        arguments->to = strtoull(arg, NULL, 10);
        return 0;
    case ARGP_KEY_ARGS:
        arguments->journals = state->argv + state->next;
        arguments->journal_count = (uint32_t)(state->argc - state->next);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- Pull ------------------------------------------------------------------------------------------------- */

struct pulling {
    const struct arguments *arguments;
    const struct giro_hub_view *view;
    struct giro_progress progress;
    struct giro_diagnosis *diagnosis;
    struct giro_details_client *details; /* of the member in hand */
    const char *date;                    /* that is being pulled */
    uint64_t broken;
    /* Dates of the member in hand that were pulled, and of which a replica said that it has not the whole. */
    bool done[DATES], missing[DATES];
};

static void on_progress(void *context, uint64_t done, uint64_t all)
{
    struct pulling *pulling = context;
    if (all > 0)
        giro_progress_bar(&pulling->progress, "verifying and rendering", done, all, "");
}

static void on_bytes(void *context, uint64_t done, uint64_t all)
{
    struct pulling *pulling = context;
    giro_progress_bar(&pulling->progress, "pulling", done, all, pulling->date);
}

static enum giro_err pull_date(struct pulling *pulling, struct giro_https *https, const char *bic,
                               const char *date, uint64_t size_bytes)
{
    char dir[700], out[720], journal[740], url[100], details[740] = "";
    snprintf(dir, sizeof(dir), "%s/%s", pulling->arguments->out, bic);
    snprintf(out, sizeof(out), "%s/%s", dir, date);
    snprintf(journal, sizeof(journal), "%s/.%s.journal.tmp", dir, date);
    GIRO_TRY(giro_dir_make(dir));
    snprintf(url, sizeof(url), "/v1/journal/%s/%s", bic, date);
    pulling->date = date;
    giro_progress_begin(&pulling->progress);
    enum giro_err err =
        giro_https_download(https, url, size_bytes, journal, on_bytes, pulling, pulling->diagnosis);
    struct giro_recon_cut_result result = {0};
    struct giro_details_merge_result opened = {0};
    if (err == GIRO_ERR_OK)
        err = giro_details_client_day(pulling->details, date, dir, journal, details,
                                      sizeof(details), &opened, pulling->diagnosis);
    if (err == GIRO_ERR_OK) {
        struct giro_recon_cut_options cut = {.genesis = &pulling->view->genesis,
                                             .ring = pulling->view->ring,
                                             .journal_path = journal,
                                             .out_path = out,
                                             .details_path = details[0] == '\0' ? NULL : details,
                                             .from_window = pulling->arguments->from,
                                             .to_window = pulling->arguments->to,
                                             .progress = on_progress,
                                             .progress_context = pulling};
        giro_progress_begin(&pulling->progress);
        err = giro_recon_cut(&cut, &result, pulling->diagnosis);
    }
    unlink(journal);
    if (details[0] != '\0')
        unlink(details);
    giro_progress_end(&pulling->progress);
    pulling->broken += opened.broken;
    if (err == GIRO_ERR_OK)
        printf(
            "%-11s  %s  %8lu windows  %10lu entries  %10lu positions  %10lu statuses  %8lu of %lu "
            "details opened\n",
            bic, date, (unsigned long)result.windows, (unsigned long)result.entries,
            (unsigned long)result.positions, (unsigned long)result.statuses,
            (unsigned long)opened.opened, (unsigned long)opened.payments);
    return err;
}

/* What one replica says it has of the member in hand. */
struct source {
    const struct giro_config_address *address;
    struct giro_https *https;
    uint64_t *bytes; /* by date; NULL: it gave no list */
};

static void passed_over(struct pulling *pulling, const struct source *source)
{
    giro_progress_end(&pulling->progress);
    fprintf(stderr, "giro recon pull: the replica at %s:%u is passed over:\n",
            source->address->host, source->address->port);
    giro_diagnosis_print("giro recon pull", pulling->diagnosis);
}

/* Windows of that day reached the replica as an image: another one has its journal. */
static enum giro_err gap_found(struct pulling *pulling, const char *bic, const char *date)
{
    giro_diagnosis_set(pulling->diagnosis, "it was away and came back by a checkpoint",
                       "name other replicas with --https, too",
                       "the replica has not the whole journal of %s, %s", bic, date);
    return GIRO_ERR_NOENT;
}

/* Notes the journals of a list. */
static void list_note(struct pulling *pulling, const struct source *source, const json_t *list,
                      const char *bic)
{
    size_t index;
    const json_t *item;
    json_array_foreach(list, index, item)
    {
        const char *owner = json_string_value(json_object_get(item, "bic"));
        const char *date = json_string_value(json_object_get(item, "date"));
        const json_int_t size_bytes = json_integer_value(json_object_get(item, "bytes"));
        uint16_t day;
        if (owner == NULL || date == NULL || strcmp(owner, bic) != 0 ||
            !giro_date_parse(date, strlen(date), &day) || pulling->done[day])
            continue;
        source->bytes[day] = size_bytes > 0 ? (uint64_t)size_bytes : 0;
        if (size_bytes > 0 || !json_is_true(json_object_get(item, "gap")) || pulling->missing[day])
            continue;
        pulling->missing[day] = gap_found(pulling, bic, date) != GIRO_ERR_OK;
        passed_over(pulling, source);
    }
}

static enum giro_err source_open(struct pulling *pulling, const struct giro_secret_key *key,
                                 const char *bic, struct source *source)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    GIRO_TRY(giro_https_open(&pulling->view->genesis, source->address, key, &source->https,
                             pulling->diagnosis));
    giro_https_patience(source->https, GIRO_HTTPS_ONE_OF_MANY_MS, NULL);
    GIRO_TRY(giro_https_get(source->https, "/v1/journals", &bytes, &size, pulling->diagnosis));
    json_t *list = json_loadb((const char *)bytes, size, 0, NULL);
    free(bytes);
    source->bytes = json_is_array(list) ? calloc(DATES, sizeof(*source->bytes)) : NULL;
    if (source->bytes != NULL)
        list_note(pulling, source, list, bic);
    json_decref(list);
    return source->bytes != NULL ? GIRO_ERR_OK : GIRO_ERR_FORMAT;
}

/* An existing folder or a full disk is ours, and no other replica helps. */
static bool is_ours(enum giro_err err)
{
    return err == GIRO_ERR_EXISTS || err == GIRO_ERR_NOSPACE;
}

/* From the one that lists most first: a replica may leave the end of a day out, but cannot add to it. */
static enum giro_err date_pull(struct pulling *pulling, struct source *sources, uint32_t count,
                               const char *bic, uint32_t date)
{
    char text[11];
    enum giro_err err = GIRO_ERR_OK;
    giro_date_format((uint16_t)date, text);
    while (!pulling->done[date] && !is_ours(err)) {
        struct source *most = NULL;
        for (uint32_t i = 0; i < count; i++)
            if (sources[i].bytes != NULL && sources[i].bytes[date] > 0 &&
                (most == NULL || sources[i].bytes[date] > most->bytes[date]))
                most = &sources[i];
        if (most == NULL)
            break;
        err = pull_date(pulling, most->https, bic, text, most->bytes[date]);
        most->bytes[date] = 0;
        pulling->done[date] = err == GIRO_ERR_OK;
        if (err != GIRO_ERR_OK && !is_ours(err))
            passed_over(pulling, most); /* a file that does not verify is this replica's shame */
    }
    return pulling->missing[date] && !pulling->done[date] && err == GIRO_ERR_OK
               ? gap_found(pulling, bic, text)
               : err;
}

/* Asks all of them once, and pulls every date that one has. */
static enum giro_err round_pull(struct pulling *pulling, const struct giro_secret_key *key,
                                const char *bic)
{
    const struct giro_access *access = &pulling->arguments->access;
    struct source sources[GIRO_REPLICAS_MAX] = {{.bytes = NULL}};
    uint32_t answered = 0;
    enum giro_err err = GIRO_ERR_OK, first = GIRO_ERR_OK;
    for (uint32_t i = 0; i < access->https_count; i++) {
        sources[i].address = &access->https[i];
        err = source_open(pulling, key, bic, &sources[i]);
        answered += err == GIRO_ERR_OK;
        if (err != GIRO_ERR_OK)
            passed_over(pulling, &sources[i]);
    }
    if (answered == 0)
        first = err;
    for (uint32_t date = 0; answered > 0 && date < DATES && !is_ours(first); date++) {
        err = date_pull(pulling, sources, access->https_count, bic, date);
        first = first == GIRO_ERR_OK || is_ours(err) ? err : first;
    }
    for (uint32_t i = 0; i < access->https_count; i++) {
        if (sources[i].https != NULL)
            giro_https_close(sources[i].https);
        free(sources[i].bytes);
    }
    return first;
}

static enum giro_err pull_member(struct pulling *pulling, const char *bic)
{
    const struct arguments *arguments = pulling->arguments;
    struct giro_secret_key *key = NULL;
    GIRO_TRY(giro_key_file_load(arguments->access.keys, bic, "session", &key, pulling->diagnosis));
    enum giro_err err = giro_details_client_open(
        pulling->view, arguments->access.keys, bic, arguments->access.https,
        arguments->access.https_count, &pulling->details, pulling->diagnosis);
    if (err != GIRO_ERR_OK) {
        giro_key_free(key);
        return err;
    }
    memset(pulling->done, 0, sizeof(pulling->done));
    memset(pulling->missing, 0, sizeof(pulling->missing));
    for (uint32_t i = 0; i < ROUNDS; i++) {
        if (i > 0)
            nanosleep(&(struct timespec){.tv_nsec = 500000000}, NULL);
        err = round_pull(pulling, key, bic);
        if (err == GIRO_ERR_OK || is_ours(err))
            break;
    }
    giro_details_client_close(pulling->details);
    giro_key_free(key);
    return err;
}

int giro_cmd_recon_pull(int argc, char **argv)
{
    static const char doc[] =
        "Pulls members' journals, each from the replica that has most of it, verifies every "
        "window, and "
        "cuts files from them: entries.csv, positions.csv, statuses.csv, totals.csv, netting.csv, "
        "manifest.json, SHA256SUMS, windows.journal. References come from the sealed details, "
        "asked of every replica and opened with the member's sealing key and the keys it kept; "
        "they go into details.opened, too. A debtor that sealed something else than it committed "
        "to is a break: the proof of it goes to DIR/<BIC>/breaks, and the exit code is 3.\v"
        "Example:\n"
        "  giro recon pull --as XYXXCZPP --https 127.0.0.1:7600,127.0.0.1:7601 --out files";
    static struct arguments arguments;
    arguments = (struct arguments){.out = ".", .to = UINT64_MAX};
    const struct argp argp = {pull_options, parse, NULL, doc, giro_access_children, NULL, NULL};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    if (arguments.as_count == 0 || arguments.access.https_count == 0 ||
        arguments.journal_count > 0) {
        fprintf(stderr, "giro recon pull: --as and --https are needed, and nothing else\n");
        return GIRO_EXIT_USAGE;
    }
    static struct giro_hub_view view;
    struct giro_diagnosis diagnosis = {.fact = ""};
    enum giro_err err =
        giro_hub_view_open(arguments.access.genesis, GIRO_KEY_TABLES_BYTES, &view, &diagnosis);
    static struct pulling pulling;
    pulling = (struct pulling){.arguments = &arguments, .view = &view, .diagnosis = &diagnosis};
    giro_progress_begin(&pulling.progress);
    for (uint32_t i = 0; err == GIRO_ERR_OK && i < arguments.as_count; i++)
        err = pull_member(&pulling, arguments.as[i]);
    giro_hub_view_close(&view);
    if (err != GIRO_ERR_OK)
        return giro_fail("recon pull", err, &diagnosis);
    return pulling.broken > 0 ? GIRO_EXIT_BREAKS : GIRO_EXIT_OK;
}

/* ---- Netting ------------------------------------------------------------------------------------------------ */

int giro_cmd_recon_netting(int argc, char **argv)
{
    static const char doc[] =
        "Cuts the netting report of each settled cycle from the journals of all members "
        "(windows.journal of their "
        "files): per member and counterparty counts and sums, checked against the certified "
        "netting root.\v"
        "Example:\n"
        "  giro recon netting --out netting files/*/2026-11-24/windows.journal";
    static struct arguments arguments;
    arguments = (struct arguments){.access.genesis = "genesis.json", .out = "netting"};
    const struct argp argp = {netting_options, parse, "JOURNAL...", doc, NULL, NULL, NULL};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    if (arguments.journal_count == 0) {
        fprintf(stderr, "giro recon netting: which journals?\n");
        return GIRO_EXIT_USAGE;
    }
    static struct giro_hub_view view;
    struct giro_diagnosis diagnosis = {.fact = ""};
    uint32_t cycles = 0;
    enum giro_err err =
        giro_hub_view_open(arguments.access.genesis, GIRO_KEY_TABLES_BYTES, &view, &diagnosis);
    if (err == GIRO_ERR_OK)
        err = giro_recon_netting(&view.genesis, view.ring, (const char *const *)arguments.journals,
                                 arguments.journal_count, arguments.out, &cycles, &diagnosis);
    giro_hub_view_close(&view);
    if (err != GIRO_ERR_OK)
        return giro_fail("recon netting", err, &diagnosis);
    printf("%u cycles in \"%s\"\n", cycles, arguments.out);
    return GIRO_EXIT_OK;
}
