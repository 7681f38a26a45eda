#include "apps/girod/journal_writer.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "giro/sys.h"

/* In front of each block in the ring, which it does not cross the end of: size_bytes 0 = the next one is at the beginning. */
struct place {
    uint32_t size_bytes;
    uint16_t member;
    uint16_t business_date;
};
static_assert(sizeof(struct place) == 8, "blocks stay aligned");

struct giro_journal_writer {
    struct giro_journal_files *files;
    uint8_t *ring;
    uint64_t ring_bytes;
    int fd;
    bool running;
    pthread_t thread;
    uint64_t put; /* blocks; the loop's alone */
    /* Under the mutex: */
    pthread_mutex_t mutex;
    pthread_cond_t more, less;
    uint64_t head, tail; /* bytes put and taken, since the beginning */
    uint64_t done;       /* blocks */
    bool stopping;
    enum giro_err failed;
};

/* ---- The thread ---------------------------------------------------------------------------------------------------- */

/* The block at the tail; NULL: there will be none any more. Called and left with the mutex. */
static const struct place *next_place(struct giro_journal_writer *writer)
{
    for (;;) {
        while (writer->tail == writer->head && !writer->stopping)
            pthread_cond_wait(&writer->more, &writer->mutex);
        if (writer->tail == writer->head)
            return NULL;
        const uint64_t at = writer->tail % writer->ring_bytes;
        const struct place *place = (const struct place *)(const void *)(writer->ring + at);
        if (place->size_bytes != 0)
            return place;
        writer->tail += writer->ring_bytes - at;
    }
}

static void *run(void *context)
{
    struct giro_journal_writer *writer = context;
    const uint64_t one = 1;
    giro_cpus_here(GIRO_CPUS_STORE);
    pthread_mutex_lock(&writer->mutex);
    const struct place *place;
    while ((place = next_place(writer)) != NULL) {
        pthread_mutex_unlock(&writer->mutex);
        const enum giro_err err = giro_journal_files_append(
            writer->files, place->member, place->business_date, place + 1, place->size_bytes);
        const uint64_t taken = sizeof(*place) + giro_align_up(place->size_bytes, sizeof(*place));
        pthread_mutex_lock(&writer->mutex);
        writer->failed = err;
        writer->tail += taken;
        writer->done++;
        pthread_cond_signal(&writer->less);
        if (writer->tail == writer->head)
            (void)!write(writer->fd, &one, sizeof(one)); /* full: it wakes the loop all the same */
    }
    pthread_mutex_unlock(&writer->mutex);
    return NULL;
}

/* ---- The loop's side ----------------------------------------------------------------------------------------------- */

enum giro_err giro_journal_writer_open(struct giro_journal_files *files, uint64_t ring_bytes,
                                       struct giro_journal_writer **writer_out)
{
    GIRO_ASSERT(ring_bytes >= GIRO_CACHE_LINE_BYTES && (ring_bytes & (ring_bytes - 1)) == 0);
    struct giro_journal_writer *writer = calloc(1, sizeof(*writer));
    if (writer == NULL)
        return GIRO_ERR_NOMEM;
    writer->files = files;
    writer->ring_bytes = ring_bytes;
    writer->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    writer->ring = aligned_alloc(GIRO_CACHE_LINE_BYTES, writer->ring_bytes);
    pthread_mutex_init(&writer->mutex, NULL);
    pthread_cond_init(&writer->more, NULL);
    pthread_cond_init(&writer->less, NULL);
    writer->running = writer->fd >= 0 && writer->ring != NULL &&
                      pthread_create(&writer->thread, NULL, run, writer) == 0;
    if (!writer->running) {
        giro_journal_writer_close(writer);
        return GIRO_ERR_NOMEM;
    }
    *writer_out = writer;
    return GIRO_ERR_OK;
}

void giro_journal_writer_close(struct giro_journal_writer *writer)
{
    pthread_mutex_lock(&writer->mutex);
    writer->stopping = true;
    pthread_cond_signal(&writer->more);
    pthread_mutex_unlock(&writer->mutex);
    if (writer->running)
        pthread_join(writer->thread, NULL);
    pthread_cond_destroy(&writer->less);
    pthread_cond_destroy(&writer->more);
    pthread_mutex_destroy(&writer->mutex);
    if (writer->fd >= 0)
        close(writer->fd);
    free(writer->ring);
    free(writer);
}

/* Waits for a place of so many bytes in one piece; the rest of the ring before its beginning is skipped if it is too small.
 * Called and left with the mutex. */
static struct place *place_take(struct giro_journal_writer *writer, uint64_t bytes)
{
    for (;;) {
        if (writer->tail == writer->head) /* empty: all of it in one piece */
            writer->head = writer->tail = giro_align_up(writer->head, writer->ring_bytes);
        const uint64_t at = writer->head % writer->ring_bytes;
        const uint64_t skip = at + bytes > writer->ring_bytes ? writer->ring_bytes - at : 0;
        if (writer->head + skip + bytes - writer->tail <= writer->ring_bytes) {
            if (skip > 0)
                memset(writer->ring + at, 0, sizeof(struct place));
            writer->head += skip;
            return (struct place *)(void *)(writer->ring + writer->head % writer->ring_bytes);
        }
        pthread_cond_wait(&writer->less, &writer->mutex);
    }
}

enum giro_err giro_journal_writer_put(struct giro_journal_writer *writer, uint16_t member,
                                      uint16_t business_date, const void *bytes,
                                      uint32_t size_bytes)
{
    const uint64_t taken = sizeof(struct place) + giro_align_up(size_bytes, sizeof(struct place));
    writer->put++;
    if (taken > writer->ring_bytes) { /* too large to pass: what is before it goes first */
        const enum giro_err before = giro_journal_writer_drain(writer);
        const enum giro_err err = before != GIRO_ERR_OK
                                      ? before
                                      : giro_journal_files_append(writer->files, member,
                                                                  business_date, bytes, size_bytes);
        pthread_mutex_lock(&writer->mutex);
        writer->failed = err;
        writer->done++;
        pthread_mutex_unlock(&writer->mutex);
        return err;
    }
    pthread_mutex_lock(&writer->mutex);
    struct place *place = place_take(writer, taken);
    pthread_mutex_unlock(&writer->mutex);
    /* The thread reads nothing at or behind the head. */
    *place =
        (struct place){.size_bytes = size_bytes, .member = member, .business_date = business_date};
    memcpy(place + 1, bytes, size_bytes);
    pthread_mutex_lock(&writer->mutex);
    writer->head += taken;
    pthread_cond_signal(&writer->more);
    const enum giro_err err = writer->failed;
    pthread_mutex_unlock(&writer->mutex);
    return err;
}

uint64_t giro_journal_writer_mark(const struct giro_journal_writer *writer)
{
    return writer->put;
}

bool giro_journal_writer_done(struct giro_journal_writer *writer, uint64_t mark)
{
    pthread_mutex_lock(&writer->mutex);
    const bool done = writer->done >= mark && writer->failed == GIRO_ERR_OK;
    pthread_mutex_unlock(&writer->mutex);
    return done;
}

enum giro_err giro_journal_writer_failed(struct giro_journal_writer *writer)
{
    pthread_mutex_lock(&writer->mutex);
    const enum giro_err err = writer->failed;
    pthread_mutex_unlock(&writer->mutex);
    return err;
}

enum giro_err giro_journal_writer_drain(struct giro_journal_writer *writer)
{
    pthread_mutex_lock(&writer->mutex);
    while (writer->tail != writer->head)
        pthread_cond_wait(&writer->less, &writer->mutex);
    const enum giro_err err = writer->failed;
    pthread_mutex_unlock(&writer->mutex);
    return err;
}

int giro_journal_writer_fd(const struct giro_journal_writer *writer)
{
    return writer->fd;
}
