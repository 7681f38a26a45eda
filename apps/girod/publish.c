#include "apps/girod/publish.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "giro/sys.h"

#define PATH_BYTES 900u
/* Blocks of one second come in one burst, after one certificate. A journal nobody wrote to for so long is at rest. */
#define REST_NS (2u * GIRO_NS_PER_S)

struct giro_publish {
    const struct giro_genesis *genesis;
    const struct giro_key_ring *ring;
    char journal_dir[600], files_dir[600];
    uint64_t interval_s;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool started, requested, stopping; /* under lock */
    char **journals;                   /* the thread's: paths of all journals seen in this turn */
    uint32_t journal_count, journals_max;
    bool unfinished; /* the thread's: something sealed waits for its second to be whole */
};

static uint64_t wall_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * GIRO_NS_PER_S + (uint64_t)now.tv_nsec;
}

/* ---- One journal ------------------------------------------------------------------------------------ */

/* <to> of a folder's name "<from>-<to>"; 0 for other names. */
static uint64_t cut_end(const char *name)
{
    char *end;
    if (name[0] < '0' || name[0] > '9')
        return 0;
    (void)strtoul(name, &end, 10);
    if (end[0] != '-' || end[1] < '0' || end[1] > '9')
        return 0;
    uint64_t to = strtoul(end + 1, &end, 10);
    return *end == '\0' && to != ULONG_MAX ? to : 0;
}

/* The last window of the folders that are there; 0 if none. */
static uint64_t last_cut(const char *dir)
{
    uint64_t last = 0;
    DIR *list = opendir(dir);
    if (list == NULL)
        return 0;
    for (const struct dirent *entry; (entry = readdir(list)) != NULL;) {
        uint64_t to = cut_end(entry->d_name);
        if (to > last)
            last = to;
    }
    closedir(list);
    return last;
}

/* Up to where may be cut: all of a journal at rest, else what lies before its newest second. */
static uint64_t whole_until(const char *path, const struct giro_journal_span *span,
                            bool *unfinished)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return 0;
    uint64_t changed_ns =
        (uint64_t)info.st_mtim.tv_sec * GIRO_NS_PER_S + (uint64_t)info.st_mtim.tv_nsec;
    if (changed_ns + REST_NS <= wall_ns())
        return span->last_window;
    *unfinished = true;
    return span->before_last_window;
}

static void journal_publish(struct giro_publish *publish, const char *bic, const char *date,
                            const char *path)
{
    struct giro_diagnosis diagnosis = {.fact = ""};
    struct giro_journal_span span;
    char dir[PATH_BYTES], out[PATH_BYTES + 64];
    enum giro_err err = giro_journal_range(path, &publish->genesis->chain_id, &span, &diagnosis);
    if (err != GIRO_ERR_OK) {
        GIRO_LOG(ERROR, "publish", "%s: %s", diagnosis.fact, diagnosis.detail);
        return;
    }
    snprintf(dir, sizeof(dir), "%s/%s/%s", publish->files_dir, bic, date);
    uint64_t last = last_cut(dir);
    if (span.blocks == 0 || span.last_window <= last)
        return;
    uint64_t from = last > 0 ? last + 1 : span.first_window;
    uint64_t to = whole_until(path, &span, &publish->unfinished);
    if (to < from)
        return;
    snprintf(out, sizeof(out), "%s/%lu-%lu", dir, (unsigned long)from, (unsigned long)to);
    struct giro_recon_cut_options options = {.genesis = publish->genesis,
                                             .ring = publish->ring,
                                             .journal_path = path,
                                             .out_path = out,
                                             .from_window = from,
                                             .to_window = to};
    struct giro_recon_cut_result result;
    err = giro_recon_cut(&options, &result, &diagnosis);
    if (err == GIRO_ERR_OK)
        GIRO_LOG(INFO, "publish", "%s windows=%lu entries=%lu positions=%lu bytes=%lu", out,
                 (unsigned long)result.windows, (unsigned long)result.entries,
                 (unsigned long)result.positions, (unsigned long)result.bytes);
    else if (err != GIRO_ERR_NOENT)
        GIRO_LOG(ERROR, "publish", "%s: %s", diagnosis.fact, diagnosis.detail);
}

/* ---- All journals --------------------------------------------------------------------------------------- */

static bool stopping(struct giro_publish *publish)
{
    pthread_mutex_lock(&publish->lock);
    bool stop = publish->stopping;
    pthread_mutex_unlock(&publish->lock);
    return stop;
}

static bool journals_add(struct giro_publish *publish, const char *path)
{
    if (publish->journal_count == publish->journals_max) {
        uint32_t more = publish->journals_max == 0 ? 64 : publish->journals_max * 2;
        char **larger = realloc(publish->journals, more * sizeof(*larger));
        if (larger == NULL)
            return false;
        publish->journals = larger;
        publish->journals_max = more;
    }
    publish->journals[publish->journal_count] = strdup(path);
    return publish->journals[publish->journal_count] != NULL && ++publish->journal_count > 0;
}

static void journals_clear(struct giro_publish *publish)
{
    for (uint32_t i = 0; i < publish->journal_count; i++)
        free(publish->journals[i]);
    publish->journal_count = 0;
}

static void member_publish(struct giro_publish *publish, const char *bic)
{
    char dir[PATH_BYTES], path[PATH_BYTES + 300];
    snprintf(dir, sizeof(dir), "%s/%s", publish->journal_dir, bic);
    struct dirent **names = NULL;
    int count = scandir(dir, &names, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        uint16_t day;
        const char *name = names[i]->d_name;
        if (strlen(name) == 18 && strcmp(name + 10, ".journal") == 0 &&
            giro_date_parse(name, 10, &day) && !stopping(publish)) {
            char date[11];
            giro_date_format(day, date);
            snprintf(path, sizeof(path), "%s/%s", dir, name);
            journal_publish(publish, bic, date, path);
            if (!journals_add(publish, path))
                GIRO_LOG(ERROR, "publish", "out of memory; %s is left out of the netting", path);
        }
        free(names[i]);
    }
    free(names);
}

static void netting_publish(struct giro_publish *publish)
{
    struct giro_diagnosis diagnosis = {.fact = ""};
    char dir[PATH_BYTES];
    uint32_t cycles = 0;
    snprintf(dir, sizeof(dir), "%s/netting", publish->files_dir);
    enum giro_err err =
        giro_recon_netting(publish->genesis, publish->ring, (const char *const *)publish->journals,
                           publish->journal_count, dir, &cycles, &diagnosis);
    if (err == GIRO_ERR_OK && cycles > 0)
        GIRO_LOG(INFO, "publish", "%s cycles=%u", dir, cycles);
    if (err == GIRO_ERR_STATE && publish->unfinished)
        return; /* some members' rows of the newest cycle are still on their way */
    if (err != GIRO_ERR_OK)
        GIRO_LOG(ERROR, "publish", "%s: %s", diagnosis.fact, diagnosis.detail);
}

static void turn(struct giro_publish *publish)
{
    publish->unfinished = false;
    for (uint32_t i = 0; i < publish->genesis->member_count && !stopping(publish); i++)
        member_publish(publish, publish->genesis->members[i].bic);
    if (!stopping(publish))
        netting_publish(publish);
    journals_clear(publish);
}

/* ---- The thread ------------------------------------------------------------------------------------------- */

/* Sleeps until due_ns of wall time, a request or the end; false: stop. */
static bool wait_until(struct giro_publish *publish, uint64_t due_ns, bool *requested)
{
    struct timespec due = {.tv_sec = (time_t)(due_ns / GIRO_NS_PER_S),
                           .tv_nsec = (long)(due_ns % GIRO_NS_PER_S)};
    pthread_mutex_lock(&publish->lock);
    int waited = 0;
    while (!publish->stopping && !publish->requested && waited != ETIMEDOUT)
        waited = pthread_cond_timedwait(&publish->wake, &publish->lock, &due);
    *requested = publish->requested;
    publish->requested = false;
    bool go_on = !publish->stopping;
    pthread_mutex_unlock(&publish->lock);
    return go_on;
}

static void *run(void *context)
{
    struct giro_publish *publish = context;
    giro_cpus_here(GIRO_CPUS_PUBLISH);
    bool again =
        false; /* a request came too early for the newest second: one more look when it is whole */
    for (;;) {
        uint64_t now = wall_ns(), interval_ns = publish->interval_s * GIRO_NS_PER_S;
        uint64_t due = (now / interval_ns + 1) * interval_ns;
        if (again && now + REST_NS + REST_NS / 4 < due)
            due = now + REST_NS + REST_NS / 4;
        bool requested;
        if (!wait_until(publish, due, &requested))
            return NULL;
        turn(publish);
        again = requested && publish->unfinished;
    }
}

enum giro_err giro_publish_open(const struct giro_publish_options *options,
                                struct giro_publish **publish_out, struct giro_diagnosis *diagnosis)
{
    struct giro_publish *publish = calloc(1, sizeof(*publish));
    if (publish == NULL)
        return GIRO_ERR_NOMEM;
    snprintf(publish->journal_dir, sizeof(publish->journal_dir), "%s", options->journal_dir);
    snprintf(publish->files_dir, sizeof(publish->files_dir), "%s", options->files_dir);
    publish->interval_s = options->interval_s > 0 ? options->interval_s : 1;
    pthread_mutex_init(&publish->lock, NULL);
    pthread_cond_init(&publish->wake, NULL);
    publish->genesis = options->genesis;
    publish->ring = options->ring;
    enum giro_err err = giro_dir_make(publish->files_dir);
    if (err == GIRO_ERR_OK && pthread_create(&publish->thread, NULL, run, publish) != 0)
        err = GIRO_ERR_NOMEM;
    if (err != GIRO_ERR_OK)
        giro_diagnosis_set(diagnosis, giro_err_sentence(err), giro_err_advice(err),
                           "files cannot be cut into \"%s\"", publish->files_dir);
    publish->started = err == GIRO_ERR_OK;
    if (err != GIRO_ERR_OK) {
        giro_publish_close(publish);
        return err;
    }
    *publish_out = publish;
    return GIRO_ERR_OK;
}

void giro_publish_request(struct giro_publish *publish)
{
    pthread_mutex_lock(&publish->lock);
    publish->requested = true;
    pthread_cond_signal(&publish->wake);
    pthread_mutex_unlock(&publish->lock);
}

void giro_publish_close(struct giro_publish *publish)
{
    pthread_mutex_lock(&publish->lock);
    publish->stopping = true;
    pthread_cond_signal(&publish->wake);
    pthread_mutex_unlock(&publish->lock);
    if (publish->started)
        pthread_join(publish->thread, NULL);
    journals_clear(publish);
    free(publish->journals);
    pthread_cond_destroy(&publish->wake);
    pthread_mutex_destroy(&publish->lock);
    free(publish);
}
