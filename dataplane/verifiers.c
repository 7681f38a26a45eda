/* Threads that check signatures: two lines of jobs, a semaphore that counts jobs nobody claimed yet, an eventfd for the owner.
 *
 * A line has three counts that only grow, taken <= claimed <= submitted <= taken + size. Job k lies at k % size: the owner's
 * before `submitted` passes k and again after done[k] is set; in between it is the thread's that moved `claimed` past k. */
#include "giro/verifiers.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "giro/sys.h"
#include "ingress_job.h"

#define LINE_MAX      (GIRO_VERIFIERS_MAX * GIRO_VERIFIERS_PER_CHUNK)
#define MESSAGE_BYTES (GIRO_BATCH_BYTES_MAX + sizeof(struct giro_peer_envelope))

static_assert(GIRO_VERIFIERS_PER_BATCH <= GIRO_VERIFIERS_PER_CHUNK, "LINE_MAX holds for both");
static_assert(GIRO_VERIFIERS_FRAMES == VERIFY_CHUNK, "a result is a chunk");

enum line_kind { LINE_CHUNKS, LINE_BATCHES, LINE_COUNT };

struct line {
    alignas(GIRO_CACHE_LINE_BYTES) _Atomic uint64_t submitted;
    alignas(GIRO_CACHE_LINE_BYTES) _Atomic uint64_t claimed;
    alignas(GIRO_CACHE_LINE_BYTES) uint64_t taken;
    uint32_t size;
    atomic_bool done[LINE_MAX];
};
struct batch_job {
    struct giro_verified_batch result;
    uint32_t batch_offset;
    struct giro_hash hashes[GIRO_BATCH_FRAMES_MAX];
    uint8_t message[MESSAGE_BYTES];
};
/* A thread, and what only it touches. */
struct worker {
    struct giro_verifiers *verifiers;
    pthread_t thread;
    _Atomic uint64_t busy_ns;
    enum line_kind next; /* the line to look into first */
    struct ingress_scratch scratch;
    uint8_t batch_scratch[GIRO_FRAMES_VERIFY_SCRATCH];
};
struct giro_verifiers {
    struct giro_verifiers_options options;
    struct giro_clock clock;
    size_t mem_bytes;
    int fd;
    uint32_t started; /* threads */
    sem_t work;       /* jobs submitted that no thread has come for */
    atomic_bool stopping, owner_sleeps;
    struct line lines[LINE_COUNT];
    struct ingress_job *chunks;
    struct batch_job *batches;
    struct worker
        *workers; /* one at least: the owner works with its scratch if there are no threads */
    uint64_t batches_refused;
    uint32_t held[GIRO_REPLICAS_MAX]; /* batches in the line, by peer */
};

/* ---- A line ---------------------------------------------------------------------------------- */

static uint64_t line_waiting(const struct line *line)
{
    return atomic_load_explicit(&line->submitted, memory_order_relaxed) - line->taken;
}

static bool line_full(const struct line *line)
{
    return line_waiting(line) >= line->size;
}

/* The index of the job that is submitted next. */
static uint32_t line_end(const struct line *line)
{
    GIRO_ASSERT(!line_full(line));
    return (uint32_t)(atomic_load_explicit(&line->submitted, memory_order_relaxed) % line->size);
}

static void line_submit(struct line *line)
{
    GIRO_ASSERT(!atomic_load(&line->done[line_end(line)]));
    atomic_fetch_add(&line->submitted, 1);
}

static bool line_claim(struct line *line, uint32_t *index)
{
    uint64_t claimed = atomic_load(&line->claimed);
    while (claimed < atomic_load(&line->submitted)) {
        if (!atomic_compare_exchange_weak(&line->claimed, &claimed, claimed + 1))
            continue;
        *index = (uint32_t)(claimed % line->size);
        return true;
    }
    return false;
}

static bool line_ready(const struct line *line)
{
    return line_waiting(line) > 0 && atomic_load(&line->done[line->taken % line->size]);
}

static void line_take(struct line *line)
{
    GIRO_ASSERT(line_ready(line));
    atomic_store(&line->done[line->taken % line->size], false);
    line->taken++;
}

/* ---- Jobs ------------------------------------------------------------------------------------ */

static void chunk_run(const struct giro_verifiers *verifiers, struct worker *worker,
                      struct ingress_job *job)
{
    ingress_job_hash(job, &worker->scratch, verifiers->options.genesis);
    ingress_job_verify(job, &worker->scratch, verifiers->options.ring);
}

static void batch_run(const struct giro_verifiers *verifiers, struct worker *worker,
                      struct batch_job *job)
{
    const struct giro_genesis *genesis = verifiers->options.genesis;
    const uint8_t *batch = job->message + job->batch_offset;
    const size_t size_bytes = job->result.message_bytes - job->batch_offset;
    job->result.id = giro_batch_id(&genesis->chain_id, batch, size_bytes);
    job->result.valid = giro_frames_verify(genesis, verifiers->options.ring, batch, size_bytes,
                                           worker->batch_scratch, job->hashes);
}

static void run_claimed(struct giro_verifiers *verifiers, struct worker *worker,
                        enum line_kind kind, uint32_t index)
{
    if (kind == LINE_CHUNKS)
        chunk_run(verifiers, worker, &verifiers->chunks[index]);
    else
        batch_run(verifiers, worker, &verifiers->batches[index]);
    atomic_store(&verifiers->lines[kind].done[index], true);
}

/* ---- A thread -------------------------------------------------------------------------------- */

static void owner_wake(struct giro_verifiers *verifiers)
{
    static const uint64_t one = 1;
    if (!atomic_load(&verifiers->owner_sleeps) || !atomic_exchange(&verifiers->owner_sleeps, false))
        return;
    while (write(verifiers->fd, &one, sizeof(one)) < 0 && errno == EINTR)
        continue;
}

/* The semaphore said that a job is there for this thread, so one of the lines has one; which may change while it looks. */
static void work_once(struct giro_verifiers *verifiers, struct worker *worker)
{
    uint32_t index = 0;
    enum line_kind kind = worker->next;
    while (!line_claim(&verifiers->lines[kind], &index))
        kind = kind == LINE_CHUNKS ? LINE_BATCHES : LINE_CHUNKS;
    worker->next = kind == LINE_CHUNKS ? LINE_BATCHES : LINE_CHUNKS;
    const uint64_t begun_ns = verifiers->clock.mono_ns(verifiers->clock.self);
    run_claimed(verifiers, worker, kind, index);
    atomic_fetch_add_explicit(&worker->busy_ns,
                              verifiers->clock.mono_ns(verifiers->clock.self) - begun_ns,
                              memory_order_relaxed);
    owner_wake(verifiers);
}

static void *run(void *context)
{
    struct worker *worker = context;
    struct giro_verifiers *verifiers = worker->verifiers;
    giro_cpus_here(GIRO_CPUS_VERIFY);
    for (;;) {
        while (sem_wait(&verifiers->work) != 0)
            GIRO_ASSERT(errno == EINTR);
        if (atomic_load(&verifiers->stopping))
            return NULL;
        work_once(verifiers, worker);
    }
}

/* ---- Opening, closing ------------------------------------------------------------------------ */

/* Lays out everything in one mapping; with mem NULL it only adds up. */
static size_t lay_out(struct giro_verifiers *verifiers, uint8_t *mem, uint32_t threads)
{
    const uint32_t workers = threads > 0 ? threads : 1;
    const size_t chunks = threads > 0 ? threads * GIRO_VERIFIERS_PER_CHUNK : 1;
    const size_t batches = threads * (size_t)GIRO_VERIFIERS_PER_BATCH;
    size_t at = giro_align_up(sizeof(struct giro_verifiers), 4096);
    const size_t chunks_at = at;
    at += giro_align_up(chunks * sizeof(struct ingress_job), 4096);
    const size_t batches_at = at;
    at += giro_align_up(batches * sizeof(struct batch_job), 4096);
    const size_t workers_at = at;
    at += giro_align_up(workers * sizeof(struct worker), 4096);
    if (mem == NULL)
        return at;
    verifiers->chunks = (struct ingress_job *)(void *)(mem + chunks_at);
    verifiers->batches = (struct batch_job *)(void *)(mem + batches_at);
    verifiers->workers = (struct worker *)(void *)(mem + workers_at);
    verifiers->lines[LINE_CHUNKS].size = (uint32_t)chunks;
    verifiers->lines[LINE_BATCHES].size = (uint32_t)batches;
    return at;
}

/* Signals are the owner's. */
static enum giro_err threads_start(struct giro_verifiers *verifiers)
{
    enum giro_err err = GIRO_ERR_OK;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (uint32_t i = 0; i < verifiers->options.thread_count && err == GIRO_ERR_OK; i++) {
        struct worker *worker = &verifiers->workers[i];
        worker->verifiers = verifiers;
        if (pthread_create(&worker->thread, NULL, run, worker) == 0)
            verifiers->started++;
        else
            err = GIRO_ERR_NOMEM;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err;
}

enum giro_err giro_verifiers_open(const struct giro_verifiers_options *options,
                                  struct giro_verifiers **verifiers_out)
{
    if (options->thread_count > GIRO_VERIFIERS_MAX)
        return GIRO_ERR_ARGUMENT;
    const size_t mem_bytes = lay_out(NULL, NULL, options->thread_count);
    uint8_t *mem = mmap(NULL, mem_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mem == MAP_FAILED)
        return GIRO_ERR_NOMEM;
    struct giro_verifiers *verifiers = (struct giro_verifiers *)(void *)mem;
    (void)lay_out(verifiers, mem, options->thread_count);
    verifiers->options = *options;
    verifiers->clock = giro_clock_system();
    verifiers->mem_bytes = mem_bytes;
    verifiers->fd = -1;
    const int made = sem_init(&verifiers->work, 0, 0);
    GIRO_ASSERT(made == 0);
    enum giro_err err = GIRO_ERR_OK;
    if (options->thread_count > 0) {
        verifiers->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        err = verifiers->fd < 0 ? GIRO_ERR_NOMEM : threads_start(verifiers);
    }
    if (err != GIRO_ERR_OK) {
        giro_verifiers_close(verifiers);
        return err;
    }
    *verifiers_out = verifiers;
    return GIRO_ERR_OK;
}

void giro_verifiers_close(struct giro_verifiers *verifiers)
{
    atomic_store(&verifiers->stopping, true);
    for (uint32_t i = 0; i < verifiers->started; i++)
        sem_post(&verifiers->work);
    for (uint32_t i = 0; i < verifiers->started; i++)
        pthread_join(verifiers->workers[i].thread, NULL);
    sem_destroy(&verifiers->work);
    if (verifiers->fd >= 0)
        close(verifiers->fd);
    munmap(verifiers, verifiers->mem_bytes);
}

/* ---- Frames ---------------------------------------------------------------------------------- */

bool giro_verifiers_room(const struct giro_verifiers *verifiers)
{
    return !line_full(&verifiers->lines[LINE_CHUNKS]);
}

uint32_t giro_verifiers_submit(struct giro_verifiers *verifiers, uint64_t now_ns)
{
    struct line *line = &verifiers->lines[LINE_CHUNKS];
    uint32_t sum = 0, index = 0;
    while (!line_full(line) && giro_ingress_ripe(verifiers->options.ingress, now_ns)) {
        struct ingress_job *job = &verifiers->chunks[line_end(line)];
        ingress_job_fill(verifiers->options.ingress, job, VERIFY_CHUNK);
        GIRO_ASSERT(job->frame_count > 0);
        sum += job->frame_count;
        line_submit(line);
        if (verifiers->options.thread_count > 0)
            sem_post(&verifiers->work);
        else if (line_claim(line, &index))
            run_claimed(verifiers, verifiers->workers, LINE_CHUNKS, index);
    }
    return sum;
}

uint32_t giro_verifiers_frames(struct giro_verifiers *verifiers,
                               struct giro_ingress_frame *frames[GIRO_VERIFIERS_FRAMES], bool *done)
{
    struct line *line = &verifiers->lines[LINE_CHUNKS];
    *done = line_ready(line);
    if (!*done)
        return 0;
    const struct ingress_job *job = &verifiers->chunks[line->taken % line->size];
    const uint32_t good = ingress_job_finish(verifiers->options.ingress, job, frames);
    line_take(line);
    return good;
}

/* ---- Batches --------------------------------------------------------------------------------- */

bool giro_verifiers_batch(struct giro_verifiers *verifiers, uint16_t peer, const void *message,
                          uint32_t message_bytes, uint32_t batch_offset)
{
    struct line *line = &verifiers->lines[LINE_BATCHES];
    GIRO_ASSERT(peer < GIRO_REPLICAS_MAX);
    GIRO_ASSERT(batch_offset <= message_bytes);
    if (verifiers->options.thread_count == 0)
        return false;
    const uint64_t left = line->size - line_waiting(line);
    if (message_bytes > MESSAGE_BYTES || verifiers->held[peer] >= left) {
        verifiers->batches_refused++;
        return false;
    }
    struct batch_job *job = &verifiers->batches[line_end(line)];
    memcpy(job->message, message, message_bytes);
    job->batch_offset = batch_offset;
    job->result = (struct giro_verified_batch){.message = job->message,
                                               .message_bytes = message_bytes,
                                               .peer = peer,
                                               .hashes = job->hashes};
    verifiers->held[peer]++;
    line_submit(line);
    sem_post(&verifiers->work);
    return true;
}

const struct giro_verified_batch *giro_verifiers_batch_next(struct giro_verifiers *verifiers)
{
    struct line *line = &verifiers->lines[LINE_BATCHES];
    return line_ready(line) ? &verifiers->batches[line->taken % line->size].result : NULL;
}

void giro_verifiers_batch_done(struct giro_verifiers *verifiers)
{
    struct line *line = &verifiers->lines[LINE_BATCHES];
    GIRO_ASSERT(line_ready(line));
    const uint16_t peer = verifiers->batches[line->taken % line->size].result.peer;
    GIRO_ASSERT(verifiers->held[peer] > 0);
    verifiers->held[peer]--;
    line_take(line);
}

/* ---- Sleeping -------------------------------------------------------------------------------- */

int giro_verifiers_fd(const struct giro_verifiers *verifiers)
{
    return verifiers->fd;
}

/* Said before it is looked at, as threads say done before they look whether the owner sleeps: one of both sees the other. */
bool giro_verifiers_sleep(struct giro_verifiers *verifiers, bool frames)
{
    atomic_store(&verifiers->owner_sleeps, true);
    if (!line_ready(&verifiers->lines[LINE_BATCHES]) &&
        !(frames && line_ready(&verifiers->lines[LINE_CHUNKS])))
        return true;
    atomic_store(&verifiers->owner_sleeps, false);
    return false;
}

void giro_verifiers_awake(struct giro_verifiers *verifiers)
{
    uint64_t count;
    while (read(verifiers->fd, &count, sizeof(count)) < 0 && errno == EINTR)
        continue;
}

/* ---- Reading --------------------------------------------------------------------------------- */

void giro_verifiers_counters(const struct giro_verifiers *verifiers,
                             struct giro_verifiers_counters *counters)
{
    const struct line *chunks = &verifiers->lines[LINE_CHUNKS];
    const struct line *batches = &verifiers->lines[LINE_BATCHES];
    *counters = (struct giro_verifiers_counters){.threads = verifiers->options.thread_count,
                                                 .chunks = chunks->taken + line_waiting(chunks),
                                                 .batches = batches->taken + line_waiting(batches),
                                                 .batches_refused = verifiers->batches_refused,
                                                 .chunks_waiting = line_waiting(chunks),
                                                 .batches_waiting = line_waiting(batches)};
    for (uint32_t i = 0; i < verifiers->options.thread_count; i++)
        counters->busy_ns +=
            atomic_load_explicit(&verifiers->workers[i].busy_ns, memory_order_relaxed);
}
