/* Making files of zeros for the real disk: at once, or by one worker thread while its owner goes
 * on. Zeros are written rather than fallocate called: a later O_DSYNC write into an unwritten
 * extent would have to journal the extent's change as well. They are written with O_DIRECT in
 * pieces, with one fsync at the end: nothing piles up in the page cache that the fsync would push
 * out in one go, in front of other writes. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "sys_internal.h"

#define PIECE_BYTES (1u << 20)
#define REST_NS     20000000u /* so 64 MiB take 1.3 s, far less than filling them does */
#define REST_PIECES 3u        /* and not more than a quarter of the disk's time */

/* A file grows under this name and is then renamed, so that a death cannot leave a short one. The
 * `~` is not a character of good names, and the next open of the directory removes what was left.
 */
#define UNFINISHED_BYTES (GIRO_DISK_NAME_BYTES + sizeof GIRO_DISK_UNFINISHED)

static uint64_t mono_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The worker rests after each piece, longer where the disk is slow, so that commits come first, also
 * where several replicas share a disk; not while someone waits for the file. False: the disk is
 * being closed. */
static bool rest(struct giro_disk_maker *maker, uint64_t piece_ns)
{
    const uint64_t long_ns = piece_ns * REST_PIECES;
    const uint64_t until_ns = mono_ns() + (long_ns > REST_NS ? long_ns : REST_NS);
    const struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000u),
                                   .tv_nsec = (long)(until_ns % 1000000000u)};
    int result = 0;
    pthread_mutex_lock(&maker->lock);
    while (result == 0 && !maker->stopping && !maker->awaited)
        result = pthread_cond_timedwait(&maker->changed, &maker->lock, &until);
    const bool go_on = !maker->stopping;
    pthread_mutex_unlock(&maker->lock);
    return go_on;
}

/* put_piece writes a piece whole. A file system that refuses O_DIRECT, or a size it does not fit,
 * shows here as EINVAL: then without it. */
static int put_piece(int fd, const uint8_t *zeros, uint64_t at, uint64_t size_bytes)
{
    while (size_bytes > 0) {
        const ssize_t put = pwrite(fd, zeros, size_bytes, (off_t)at);
        if (put > 0) {
            at += (uint64_t)put;
            size_bytes -= (uint64_t)put;
            continue;
        }
        const int number = put < 0 ? errno : ENOSPC;
        const int flags = fcntl(fd, F_GETFL);
        const bool direct = flags >= 0 && (flags & O_DIRECT) != 0;
        if (number == EINVAL && direct && fcntl(fd, F_SETFL, flags & ~O_DIRECT) == 0)
            continue;
        if (number != EINTR)
            return number;
    }
    return 0;
}

static int fill_zeros(struct giro_disk_maker *maker, int fd, uint64_t size_bytes, bool background)
{
    uint8_t *zeros = aligned_alloc(GIRO_DISK_BLOCK_BYTES, PIECE_BYTES);
    if (zeros == NULL)
        return ENOMEM;
    memset(zeros, 0, PIECE_BYTES);
    int number = 0;
    for (uint64_t at = 0; at < size_bytes && number == 0; at += PIECE_BYTES) {
        const uint64_t left = size_bytes - at;
        const uint64_t start_ns = mono_ns();
        number = put_piece(fd, zeros, at, left < PIECE_BYTES ? left : PIECE_BYTES);
        if (background && number == 0 && !rest(maker, mono_ns() - start_ns))
            number = ECANCELED;
    }
    free(zeros);
    return number;
}

static int make_unfinished(struct giro_disk_maker *maker, const char *unfinished,
                           uint64_t size_bytes, bool background)
{
    const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW;
    int fd = openat(maker->dir_fd, unfinished, flags | O_DIRECT, 0600);
    if (fd < 0 && errno == EINVAL)
        fd = openat(maker->dir_fd, unfinished, flags, 0600);
    if (fd < 0)
        return errno;
    int number = fill_zeros(maker, fd, size_bytes, background);
    if (number == 0 && fsync(fd) != 0)
        number = errno;
    if (close(fd) != 0 && number == 0)
        number = errno;
    return number;
}

/* put_in_place gives the file its name and makes the name durable. It never replaces another file
 * where the file system can promise that; elsewhere the lock of the directory and the waits below
 * do. */
static int put_in_place(struct giro_disk_maker *maker, const char *unfinished, const char *name)
{
    int result = renameat2(maker->dir_fd, unfinished, maker->dir_fd, name, RENAME_NOREPLACE);
    if (result != 0 && (errno == EINVAL || errno == ENOSYS))
        result = renameat(maker->dir_fd, unfinished, maker->dir_fd, name);
    if (result != 0)
        return errno;
    if (fsync(maker->dir_fd) == 0)
        return 0;
    const int number = errno;
    unlinkat(maker->dir_fd, name, 0); /* else a later open would take it for durable */
    return number;
}

static int make(struct giro_disk_maker *maker, const char *name, uint64_t size_bytes,
                bool background)
{
    char unfinished[UNFINISHED_BYTES];
    snprintf(unfinished, sizeof unfinished, "%s" GIRO_DISK_UNFINISHED, name);
    int number = make_unfinished(maker, unfinished, size_bytes, background);
    if (number == 0)
        number = put_in_place(maker, unfinished, name);
    if (number != 0)
        unlinkat(maker->dir_fd, unfinished, 0);
    return number;
}

/* ---- The worker ------------------------------------------------------------------------------ */

static void *work(void *context)
{
    struct giro_disk_maker *maker = context;
    giro_cpus_here(GIRO_CPUS_STORE);
    pthread_mutex_lock(&maker->lock);
    while (!maker->stopping) {
        if (!maker->busy) {
            pthread_cond_wait(&maker->changed, &maker->lock);
            continue;
        }
        pthread_mutex_unlock(&maker->lock);
        /* The name and the size stay while the maker is busy. Whether it worked is seen by whoever
         * opens the file. */
        if (faccessat(maker->dir_fd, maker->name, F_OK, AT_SYMLINK_NOFOLLOW) != 0)
            (void)make(maker, maker->name, maker->size_bytes, true);
        pthread_mutex_lock(&maker->lock);
        maker->busy = false;
        pthread_cond_broadcast(&maker->changed);
    }
    pthread_mutex_unlock(&maker->lock);
    return NULL;
}

/* Signals are for the threads that wait for them. */
static bool start_worker(struct giro_disk_maker *maker)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    maker->has_worker = pthread_create(&maker->worker, NULL, work, maker) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return maker->has_worker;
}

void giro_disk_maker_init(struct giro_disk_maker *maker)
{
    pthread_condattr_t attributes;
    memset(maker, 0, sizeof *maker);
    maker->dir_fd = -1;
    /* None of these can fail with these arguments on Linux. */
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&maker->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&maker->lock, NULL);
}

void giro_disk_maker_stop(struct giro_disk_maker *maker)
{
    pthread_mutex_lock(&maker->lock);
    maker->stopping = true;
    pthread_cond_broadcast(&maker->changed);
    pthread_mutex_unlock(&maker->lock);
    if (maker->has_worker)
        pthread_join(maker->worker, NULL);
    pthread_cond_destroy(&maker->changed);
    pthread_mutex_destroy(&maker->lock);
}

int giro_disk_maker_make(struct giro_disk_maker *maker, const char *name, uint64_t size_bytes)
{
    return make(maker, name, size_bytes, false);
}

enum giro_err giro_disk_maker_prepare(struct giro_disk_maker *maker, const char *name,
                                      uint64_t size_bytes)
{
    enum giro_err err = GIRO_ERR_OK;
    if (!maker->has_worker && !start_worker(maker))
        return GIRO_ERR_NOMEM;
    pthread_mutex_lock(&maker->lock);
    if (maker->busy) {
        err = GIRO_ERR_FULL;
    } else {
        memcpy(maker->name, name, strlen(name) + 1);
        maker->size_bytes = size_bytes;
        maker->busy = true;
        pthread_cond_broadcast(&maker->changed);
    }
    pthread_mutex_unlock(&maker->lock);
    return err;
}

void giro_disk_maker_wait(struct giro_disk_maker *maker, const char *name)
{
    if (!maker->has_worker)
        return;
    pthread_mutex_lock(&maker->lock);
    while (maker->busy && strcmp(maker->name, name) == 0) {
        maker->awaited = true;
        pthread_cond_broadcast(&maker->changed);
        pthread_cond_wait(&maker->changed, &maker->lock);
    }
    maker->awaited = false;
    pthread_mutex_unlock(&maker->lock);
}
