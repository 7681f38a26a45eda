/* giro hub mend: journals that a replica lacks since its state came from the others, fetched from one of them.
 *
 * A hole of a member is what lies between two whole journals here: the last before its first "<date>.gap" (there may be none), and
 * the first behind its last. Everything a replica has of the dates in between is fetched and verified, block by block under the
 * genesis file, as one chain per currency that goes on from the journals before and into the ones behind: so no window is
 * missing, whoever sent them. Then the files take their places, oldest first. girod may run: it writes to no date before its
 * newest, and looks at a file when it is asked for it. */
#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/giro/access.h"
#include "apps/giro/https.h"
#include "giro/recon.h"

#define DATES (UINT16_MAX + 1u)

struct arguments {
    struct giro_access access;
    const char *as, *data;
};

static const struct argp_option options[] = {
    {"as", 'a', "NAME", 0, "the operator who asks (default: maker)", 0}, {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->access;
        return 0;
    case 'a':
        arguments->as = arg;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->data != NULL)
            argp_error(state, "one data directory, not also \"%s\"", arg);
        arguments->data = arg;
        return 0;
    case ARGP_KEY_END:
        if (arguments->data == NULL || arguments->access.https_count == 0)
            argp_error(state, "a replica's data directory and --https are needed");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

enum mark { NOTHING, JOURNAL, GAP };

struct mending {
    const struct arguments *arguments;
    const struct giro_hub_view *view;
    struct giro_progress progress;
    struct giro_diagnosis *diagnosis;
    /* The member in hand. */
    const char *bic;
    char dir[700];
    uint8_t marks[DATES]; /* what is here, by date */
    bool fetched[DATES];  /* of the hole in hand, under a temporary name */
    struct giro_journal_chain chains[GIRO_CURRENCIES_MAX];
    bool joined[GIRO_CURRENCIES_MAX]; /* a block behind the hole goes on with what is in it */
    uint32_t mended, waiting;
};

static void path_make(const struct mending *mending, uint32_t date, const char *end, char *path,
                      size_t path_bytes)
{
    char text[11];
    giro_date_format((uint16_t)date, text);
    snprintf(path, path_bytes, "%s/%s%s", mending->dir, text, end);
}

static void marks_read(struct mending *mending)
{
    DIR *dir = opendir(mending->dir);
    memset(mending->marks, NOTHING, sizeof(mending->marks));
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        uint16_t date;
        size_t length = strlen(entry->d_name);
        if (length < 10 || !giro_date_parse(entry->d_name, 10, &date))
            continue;
        if (strcmp(entry->d_name + 10, ".journal") == 0)
            mending->marks[date] = JOURNAL;
        else if (strcmp(entry->d_name + 10, ".gap") == 0 && mending->marks[date] == NOTHING)
            mending->marks[date] = GAP;
    }
    if (dir != NULL)
        closedir(dir);
}

/* ---- Verifying --------------------------------------------------------------------------------------------- */

static enum giro_err refused(struct mending *mending, const char *path, const char *why)
{
    giro_diagnosis_set(mending->diagnosis, why, "another replica may have the whole of it",
                       "\"%s\" is not what belongs there", path);
    return GIRO_ERR_FORMAT;
}

/* Takes the chains through one journal. Behind the hole (behind) only the first block of each currency is looked at, and what
 * is not whole at the end is still being written. */
static enum giro_err blocks_walk(struct mending *mending, const char *path, const uint8_t *bytes,
                                 size_t size_bytes, bool behind)
{
    const struct giro_genesis *genesis = &mending->view->genesis;
    for (size_t at = sizeof(struct giro_journal_header); at < size_bytes;) {
        struct giro_journal_view view;
        if (giro_journal_decode(bytes + at, size_bytes - at, genesis->replica_count, &view) !=
            GIRO_REJECT_NONE)
            return behind ? GIRO_ERR_OK : refused(mending, path, "a block is damaged or cut short");
        at += view.size_bytes;
        uint32_t currency = giro_genesis_currency_by_number(genesis, view.record.currency);
        if (currency == GIRO_NONE)
            return refused(mending, path, "it names a currency that the hub has not");
        if (behind && mending->joined[currency])
            continue;
        if (behind && !mending->chains[currency].started && view.record.sequence != 1)
            return refused(mending, path, "earlier windows of one of its currencies are nowhere");
        const char *why =
            giro_journal_verify(genesis, mending->view->ring, &view, &mending->chains[currency]);
        if (why != NULL)
            return refused(mending, path, why);
        mending->joined[currency] = behind;
    }
    return GIRO_ERR_OK;
}

static enum giro_err journal_walk(struct mending *mending, const char *path, uint32_t date,
                                  bool behind)
{
    const struct giro_genesis *genesis = &mending->view->genesis;
    const struct giro_journal_header header = {
        .head = giro_head_make(GIRO_KIND_JOURNAL),
        .chain_id = genesis->chain_id,
        .member = (uint16_t)giro_genesis_member_by_bic(genesis, mending->bic),
        .business_date = (uint16_t)date};
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return GIRO_ERR_IO;
    void *bytes = MAP_FAILED;
    if (fstat(fd, &info) == 0 && (size_t)info.st_size >= sizeof(header))
        bytes = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (bytes == MAP_FAILED || memcmp(bytes, &header, sizeof(header)) != 0) {
        if (bytes != MAP_FAILED)
            munmap(bytes, (size_t)info.st_size);
        return refused(mending, path, "it is no journal of that member and date");
    }
    enum giro_err err = blocks_walk(mending, path, bytes, (size_t)info.st_size, behind);
    munmap(bytes, (size_t)info.st_size);
    return err;
}

/* ---- One hole ------------------------------------------------------------------------------------------------ */

/* first..last: the dates between the journals around it. */
struct hole {
    uint32_t first, last, behind;
};

static bool hole_next(const struct mending *mending, uint32_t from, struct hole *hole)
{
    uint32_t first = from;
    while (first < DATES && mending->marks[first] != GAP)
        first++;
    if (first == DATES)
        return false;
    *hole = (struct hole){.first = first, .behind = first};
    while (hole->first > 0 && mending->marks[hole->first - 1] != JOURNAL)
        hole->first--;
    while (hole->behind < DATES && mending->marks[hole->behind] != JOURNAL)
        hole->behind++;
    hole->last = hole->behind - 1;
    return true;
}

static void on_bytes(void *context, uint64_t done, uint64_t all)
{
    struct mending *mending = context;
    giro_progress_bar(&mending->progress, "pulling", done, all, mending->bic);
}

static enum giro_err fetch_hole(struct mending *mending, struct giro_https *https,
                                const struct hole *hole)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    char list_url[64];
    snprintf(list_url, sizeof(list_url), "/v1/journals?member=%s", mending->bic);
    GIRO_TRY(giro_https_get(https, list_url, &bytes, &size, mending->diagnosis));
    json_t *list = json_loadb((const char *)bytes, size, 0, NULL);
    free(bytes);
    enum giro_err err = json_is_array(list) ? GIRO_ERR_OK : GIRO_ERR_FORMAT;
    size_t index;
    json_t *item;
    json_array_foreach(list, index, item)
    {
        const char *owner = json_string_value(json_object_get(item, "bic"));
        const char *date = json_string_value(json_object_get(item, "date"));
        json_int_t size_bytes = json_integer_value(json_object_get(item, "bytes"));
        uint16_t day;
        char path[740], url[64];
        if (err != GIRO_ERR_OK || owner == NULL || date == NULL || size_bytes <= 0 ||
            strcmp(owner, mending->bic) != 0 || !giro_date_parse(date, strlen(date), &day) ||
            day < hole->first || day > hole->last)
            continue;
        path_make(mending, day, ".journal.mend", path, sizeof(path));
        snprintf(url, sizeof(url), "/v1/journal/%s/%s", mending->bic, date);
        giro_progress_begin(&mending->progress);
        err = giro_https_download(https, url, (uint64_t)size_bytes, path, on_bytes, mending,
                                  mending->diagnosis);
        mending->fetched[day] = true;
    }
    json_decref(list);
    return err;
}

/* Every currency of the hole must go on behind it. */
static enum giro_err verify_hole(struct mending *mending, const struct hole *hole)
{
    char path[740];
    memset(mending->chains, 0, sizeof(mending->chains));
    memset(mending->joined, 0, sizeof(mending->joined));
    for (uint32_t date = 0; date < hole->first; date++) {
        path_make(mending, date, ".journal", path, sizeof(path));
        if (mending->marks[date] == JOURNAL)
            GIRO_TRY(journal_walk(mending, path, date, false));
    }
    for (uint32_t date = hole->first; date <= hole->last; date++) {
        path_make(mending, date, ".journal.mend", path, sizeof(path));
        if (mending->fetched[date])
            GIRO_TRY(journal_walk(mending, path, date, false));
    }
    for (uint32_t date = hole->behind; date < DATES; date++) {
        path_make(mending, date, ".journal", path, sizeof(path));
        if (mending->marks[date] == JOURNAL)
            GIRO_TRY(journal_walk(mending, path, date, true));
    }
    for (uint32_t i = 0; i < mending->view->genesis.currency_count; i++)
        if (mending->chains[i].started && !mending->joined[i])
            return refused(mending, mending->dir,
                           "no later window of a currency shows that its windows are all there");
    return GIRO_ERR_OK;
}

static bool durable(const char *path, int flags)
{
    const int fd = open(path, flags | O_CLOEXEC);
    const bool good =
        fd >= 0 && ((flags & O_DIRECTORY) != 0 || fchmod(fd, 0600) == 0) && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return good;
}

/* The marks go when the journals are there for certain: without either, a day would pass for one without windows. */
static enum giro_err place_hole(struct mending *mending, const struct hole *hole)
{
    char from[740], to[740], gap[740];
    for (uint32_t date = hole->first; date <= hole->last; date++) {
        path_make(mending, date, ".journal.mend", from, sizeof(from));
        path_make(mending, date, ".journal", to, sizeof(to));
        if (!mending->fetched[date])
            continue;
        if (!durable(from, O_RDWR) || rename(from, to) != 0)
            return GIRO_ERR_IO;
        mending->marks[date] = JOURNAL;
    }
    if (!durable(mending->dir, O_RDONLY | O_DIRECTORY))
        return GIRO_ERR_IO;
    for (uint32_t date = hole->first; date <= hole->last; date++) {
        path_make(mending, date, ".gap", gap, sizeof(gap));
        if (unlink(gap) == 0)
            mending->mended++;
    }
    return GIRO_ERR_OK;
}

static enum giro_err mend_hole(struct mending *mending, const struct giro_secret_key *key,
                               const struct hole *hole)
{
    enum giro_err err = GIRO_ERR_NETWORK;
    for (uint32_t i = 0; err != GIRO_ERR_OK && i < mending->arguments->access.https_count; i++) {
        struct giro_https *https = NULL;
        memset(mending->fetched, 0, sizeof(mending->fetched));
        err = giro_https_open(&mending->view->genesis, &mending->arguments->access.https[i], key,
                              &https, mending->diagnosis);
        if (err == GIRO_ERR_OK)
            err = fetch_hole(mending, https, hole);
        if (https != NULL)
            giro_https_close(https);
        if (err == GIRO_ERR_OK)
            err = verify_hole(mending, hole);
        if (err == GIRO_ERR_OK)
            err = place_hole(mending, hole);
        for (uint32_t date = hole->first; date <= hole->last; date++) {
            char path[740];
            path_make(mending, date, ".journal.mend", path, sizeof(path));
            if (mending->fetched[date])
                unlink(path);
        }
        if (err != GIRO_ERR_OK && i + 1 < mending->arguments->access.https_count) {
            giro_progress_end(&mending->progress);
            fprintf(stderr, "giro hub mend: the replica at %s:%u is passed over:\n",
                    mending->arguments->access.https[i].host,
                    mending->arguments->access.https[i].port);
            giro_diagnosis_print("giro hub mend", mending->diagnosis);
        }
    }
    return err;
}

static enum giro_err mend_all(struct mending *mending, const struct giro_secret_key *key)
{
    const struct giro_genesis *genesis = &mending->view->genesis;
    for (uint32_t i = 0; i < genesis->member_count; i++) {
        struct hole hole;
        mending->bic = genesis->members[i].bic;
        snprintf(mending->dir, sizeof(mending->dir), "%s/journal/%s", mending->arguments->data,
                 mending->bic);
        marks_read(mending);
        for (uint32_t from = 0; hole_next(mending, from, &hole); from = hole.behind) {
            if (hole.behind == DATES) {
                mending->waiting++;
                break;
            }
            GIRO_TRY(mend_hole(mending, key, &hole));
        }
    }
    return GIRO_ERR_OK;
}

int giro_cmd_hub_mend(int argc, char **argv)
{
    static const char doc[] =
        "Fetches from other replicas the journals that a replica lacks because it was away and its "
        "state came from the others (\"<date>.gap\" in DATA/journal), verifies every window and "
        "that none is missing, and puts them in their places. Of a business date that is not over "
        "nothing can be said yet. girod may run meanwhile; run this as its user.\v"
        "Example:\n"
        "  giro hub mend replica-3 --https 127.0.0.1:7600,127.0.0.1:7601\n"
        "\n"
        "Exit codes: 0 nothing is missing any more but of dates that are not over, 1 failure, 2 "
        "usage.";
    static struct arguments arguments;
    static struct giro_hub_view view;
    static struct mending mending;
    arguments = (struct arguments){.as = "maker"};
    const struct argp argp = {options, parse, "DATA", doc, giro_access_children, NULL, NULL};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    struct giro_diagnosis diagnosis = {.fact = ""};
    struct giro_secret_key *key = NULL;
    enum giro_err err = giro_access_open(&arguments.access, GIRO_KEY_TABLES_BYTES, arguments.as,
                                         "approver", &view, &key, &diagnosis);
    mending = (struct mending){.arguments = &arguments, .view = &view, .diagnosis = &diagnosis};
    giro_progress_begin(&mending.progress);
    if (err == GIRO_ERR_OK)
        err = mend_all(&mending, key);
    giro_progress_end(&mending.progress);
    giro_access_close(&view, key);
    printf("%u days of members mended; %u members lack a business date that is not over\n",
           mending.mended, mending.waiting);
    return err == GIRO_ERR_OK ? GIRO_EXIT_OK : giro_fail("hub mend", err, &diagnosis);
}
