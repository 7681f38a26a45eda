#include "apps/girod/event_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define STEP_BYTES     (4u * 1024u * 1024u)
#define SIGNATURES_MAX 1024u
#define NAME_BYTES     32u

struct giro_event_file {
    int fd;
    uint8_t *bytes; /* the whole limit is mapped; only below `ready` the file has disk behind it */
    uint64_t limit_bytes, used_bytes;
    _Atomic uint64_t ready_bytes;
    _Atomic int failed; /* errno of the extension that failed */
    uint64_t asked_bytes;
    uint64_t sequence;
    struct giro_signature signatures[SIGNATURES_MAX];
    uint32_t signature_count;
    bool stopped;
    pthread_t thread;
    pthread_mutex_t lock; /* of extending */
    sem_t wake;
    _Atomic bool closing;
    bool thread_runs;
    char path[700];
};

/* ---- Growing, ahead of use -------------------------------------------------------------------------- */

/* Makes one step more of the file real. Without MADV_POPULATE_WRITE the pages come at first use. */
static void extend(struct giro_event_file *file)
{
    pthread_mutex_lock(&file->lock);
    uint64_t from = atomic_load(&file->ready_bytes);
    uint64_t step = file->limit_bytes - from < STEP_BYTES ? file->limit_bytes - from : STEP_BYTES;
    int err = step == 0 ? ENOSPC : posix_fallocate(file->fd, (off_t)from, (off_t)step);
    if (err == 0) {
#ifdef MADV_POPULATE_WRITE
        (void)madvise(file->bytes + from, step, MADV_POPULATE_WRITE);
#endif
        atomic_store(&file->ready_bytes, from + step);
    } else {
        atomic_store(&file->failed, err);
    }
    pthread_mutex_unlock(&file->lock);
}

static void *extend_ahead(void *context)
{
    struct giro_event_file *file = context;
    giro_cpus_here(GIRO_CPUS_STORE);
    for (;;) {
        while (sem_wait(&file->wake) != 0)
            continue;
        if (atomic_load(&file->closing))
            return NULL;
        if (atomic_load(&file->ready_bytes) < file->limit_bytes)
            extend(file);
    }
}

/* Room for one record and an END behind it, NULL when recording is over. */
static uint8_t *room(struct giro_event_file *file, size_t size_bytes)
{
    uint64_t need = file->used_bytes + size_bytes + GIRO_EVENT_END_BYTES;
    if (file->stopped || need > file->limit_bytes)
        return NULL;
    while (atomic_load(&file->ready_bytes) < need) {
        if (atomic_load(&file->failed) != 0)
            return NULL;
        extend(file); /* the thread is behind */
    }
    uint64_t ready = atomic_load(&file->ready_bytes);
    if (ready < need + STEP_BYTES && ready < file->limit_bytes && file->asked_bytes < ready) {
        file->asked_bytes = ready;
        sem_post(&file->wake);
    }
    return file->bytes + file->used_bytes;
}

static void stop(struct giro_event_file *file)
{
    if (file->stopped)
        return;
    file->stopped = true;
    giro_event_end_put(file->bytes + file->used_bytes, file->sequence, GIRO_EVENT_LOG_FULL);
    file->used_bytes += GIRO_EVENT_END_BYTES;
    int err = atomic_load(&file->failed);
    GIRO_LOG(WARN, "events", "recording stops after %lu events, until the next start: \"%s\" %s",
             (unsigned long)file->sequence, file->path,
             err != 0 && err != ENOSPC ? strerror(err)
             : err == ENOSPC           ? "has no room on its disk"
                                       : "has reached event_log_mb");
}

/* ---- Recorder ---------------------------------------------------------------------------------------- */

static void on_begin(void *context, const struct giro_event_log_header *header)
{
    struct giro_event_file *file = context;
    GIRO_ASSERT(file->used_bytes == sizeof(*header));
    memcpy(file->bytes, header, sizeof(*header));
}

static void on_event(void *context, const struct giro_event *event)
{
    struct giro_event_file *file = context;
    size_t size = giro_event_record_bytes(event);
    file->signature_count = 0;
    if (file->stopped)
        return;
    /* Room for the outcome, too: an event without one would look like a death. */
    size_t outcome = giro_outcome_record_bytes(SIGNATURES_MAX, GIRO_ACTIONS_MAX);
    uint8_t *out = room(file, size + outcome);
    if (out == NULL) {
        stop(file);
        return;
    }
    giro_event_record_put(out, ++file->sequence, event);
    file->used_bytes += size;
}

static void on_signature(void *context, const struct giro_signature *signature)
{
    struct giro_event_file *file = context;
    GIRO_ASSERT(file->signature_count < SIGNATURES_MAX); /* each leads to an action at least */
    file->signatures[file->signature_count++] = *signature;
}

static void on_outcome(void *context, const struct giro_actions *actions)
{
    struct giro_event_file *file = context;
    if (file->stopped)
        return;
    giro_outcome_record_put(file->bytes + file->used_bytes, file->sequence, file->signatures,
                            file->signature_count, actions);
    file->used_bytes += giro_outcome_record_bytes(file->signature_count, actions->count);
}

struct giro_recorder giro_event_file_recorder(struct giro_event_file *file)
{
    return (struct giro_recorder){.context = file,
                                  .begin = on_begin,
                                  .event = on_event,
                                  .signature = on_signature,
                                  .outcome = on_outcome};
}

/* ---- Opening and closing --------------------------------------------------------------------------------- */

/* The number in "events-00000012"; 0 for other names. */
static uint32_t number_of(const char *name)
{
    static const char prefix[] = "events-";
    size_t length = sizeof(prefix) - 1;
    if (strncmp(name, prefix, length) != 0 || strlen(name) != length + 8 ||
        strspn(name + length, "0123456789") != 8)
        return 0;
    return (uint32_t)strtoul(name + length, NULL, 10);
}

static void name_of(uint32_t number, char name[NAME_BYTES])
{
    snprintf(name, NAME_BYTES, "events-%08u", number);
}

/* The highest number there; those older than the newest `keep` go. */
static enum giro_err make_place(const char *dir, uint32_t keep, uint32_t *highest)
{
    DIR *list = opendir(dir);
    if (list == NULL)
        return GIRO_ERR_IO;
    *highest = 0;
    for (const struct dirent *entry; (entry = readdir(list)) != NULL;) {
        uint32_t number = number_of(entry->d_name);
        *highest = number > *highest ? number : *highest;
    }
    rewinddir(list);
    for (const struct dirent *entry; (entry = readdir(list)) != NULL;) {
        uint32_t number = number_of(entry->d_name);
        if (number != 0 && *highest - number >= keep)
            (void)unlinkat(dirfd(list), entry->d_name, 0);
    }
    closedir(list);
    return GIRO_ERR_OK;
}

static enum giro_err open_file(struct giro_event_file *file, const char *dir)
{
    uint32_t highest = 0;
    char name[NAME_BYTES];
    GIRO_TRY(giro_dir_make(dir));
    GIRO_TRY(make_place(dir, GIRO_EVENT_FILES - 1, &highest));
    name_of(highest + 1, name);
    snprintf(file->path, sizeof(file->path), "%s/%s", dir, name);
    file->fd = open(file->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file->fd < 0)
        return errno == ENOSPC ? GIRO_ERR_NOSPACE : GIRO_ERR_IO;
    file->bytes = mmap(NULL, file->limit_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file->fd, 0);
    if (file->bytes == MAP_FAILED) {
        file->bytes = NULL;
        return GIRO_ERR_NOMEM;
    }
    extend(file);
    if (atomic_load(&file->failed) != 0)
        return atomic_load(&file->failed) == ENOSPC ? GIRO_ERR_NOSPACE : GIRO_ERR_IO;
    file->thread_runs = pthread_create(&file->thread, NULL, extend_ahead, file) == 0;
    return file->thread_runs ? GIRO_ERR_OK : GIRO_ERR_NOMEM;
}

enum giro_err giro_event_file_open(const char *dir, uint32_t limit_mb,
                                   struct giro_event_file **file_out,
                                   struct giro_diagnosis *diagnosis)
{
    struct giro_event_file *file = calloc(1, sizeof(*file));
    if (file == NULL)
        return GIRO_ERR_NOMEM;
    file->fd = -1;
    file->limit_bytes = (uint64_t)limit_mb * 1024u * 1024u;
    file->used_bytes = sizeof(struct giro_event_log_header);
    pthread_mutex_init(&file->lock, NULL);
    sem_init(&file->wake, 0, 0);
    enum giro_err err = open_file(file, dir);
    if (err != GIRO_ERR_OK) {
        giro_diagnosis_set(diagnosis, giro_err_sentence(err), giro_err_advice(err),
                           "the event log in \"%s\" cannot be opened", dir);
        giro_event_file_close(file);
        return err;
    }
    GIRO_LOG(INFO, "events", "recording the consensus core in \"%s\"", file->path);
    *file_out = file;
    return GIRO_ERR_OK;
}

void giro_event_file_close(struct giro_event_file *file)
{
    if (file->thread_runs) {
        atomic_store(&file->closing, true);
        sem_post(&file->wake);
        pthread_join(file->thread, NULL);
        if (!file->stopped) {
            giro_event_end_put(file->bytes + file->used_bytes, file->sequence,
                               GIRO_EVENT_LOG_STOPPED);
            file->used_bytes += GIRO_EVENT_END_BYTES;
        }
    }
    if (file->bytes != NULL)
        munmap(file->bytes, file->limit_bytes);
    if (file->fd >= 0) {
        if (file->thread_runs && ftruncate(file->fd, (off_t)file->used_bytes) != 0)
            GIRO_LOG(WARN, "events", "\"%s\" keeps zeros behind its end", file->path);
        close(file->fd);
    }
    sem_destroy(&file->wake);
    pthread_mutex_destroy(&file->lock);
    free(file);
}
