#include "apps/girod/spare.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAKING      ".spare-making"
#define READY       ".spare"
#define PIECE_BYTES (1u << 20)
#define PIECE_NS    10000000 /* pause between pieces: commits of the log come first */

struct giro_spare {
    struct giro_disk below;
    uint64_t segment_bytes;
    int folder_fd;
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool wanted, ready, stopping; /* under the lock */
};

/* ---- The thread ---------------------------------------------------------------------------------------- */

static bool is_stopping(struct giro_spare *spare)
{
    pthread_mutex_lock(&spare->lock);
    bool stopping = spare->stopping;
    pthread_mutex_unlock(&spare->lock);
    return stopping;
}

static bool fill(struct giro_spare *spare, int fd, bool slowly)
{
    struct timespec pause = {.tv_nsec = PIECE_NS};
    uint8_t *zeros = calloc(1, PIECE_BYTES);
    uint64_t done_bytes = 0;
    while (zeros != NULL && done_bytes < spare->segment_bytes && !is_stopping(spare)) {
        ssize_t put = pwrite(fd, zeros, PIECE_BYTES, (off_t)done_bytes);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            break;
        done_bytes += (uint64_t)put;
        if (slowly &&
            fdatasync(fd) == 0) /* piece by piece: one large sync would hold up everyone */
            nanosleep(&pause, NULL);
    }
    free(zeros);
    return done_bytes == spare->segment_bytes;
}

/* Whole and durable under its last name, or not there: a spare found at start can be trusted. */
static bool make(struct giro_spare *spare, bool slowly)
{
    int fd = openat(spare->folder_fd, MAKING, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                    0600);
    if (fd < 0)
        return false;
    bool whole = fill(spare, fd, slowly) && fsync(fd) == 0;
    whole = close(fd) == 0 && whole;
    if (whole && renameat(spare->folder_fd, MAKING, spare->folder_fd, READY) == 0)
        return fsync(spare->folder_fd) == 0;
    unlinkat(spare->folder_fd, MAKING, 0);
    return false;
}

static void *run(void *context)
{
    struct giro_spare *spare = context;
    pthread_mutex_lock(&spare->lock);
    while (!spare->stopping) {
        if (!spare->wanted) {
            pthread_cond_wait(&spare->wake, &spare->lock);
            continue;
        }
        spare->wanted = false; /* once: a full disk is the log's to report */
        pthread_mutex_unlock(&spare->lock);
        bool made = make(spare, true);
        pthread_mutex_lock(&spare->lock);
        spare->ready = made;
    }
    pthread_mutex_unlock(&spare->lock);
    return NULL;
}

/* ---- The disk ------------------------------------------------------------------------------------------- */

/* Gives the spare the name, unless there is a file of that name or no spare. The new name is durable on return: else, after a
 * power loss, a segment already written to might be taken for a spare. */
static enum giro_err put_in_place(struct giro_spare *spare, const char *name)
{
    struct stat status;
    enum giro_err err = GIRO_ERR_OK;
    pthread_mutex_lock(&spare->lock);
    bool ready = spare->ready &&
                 fstatat(spare->folder_fd, name, &status, AT_SYMLINK_NOFOLLOW) != 0 &&
                 errno == ENOENT;
    if (ready) {
        if (renameat(spare->folder_fd, READY, spare->folder_fd, name) == 0 &&
            fsync(spare->folder_fd) != 0)
            err = GIRO_ERR_IO;
        spare->ready = false;
    }
    if (!spare->ready) {
        spare->wanted = true;
        pthread_cond_signal(&spare->wake);
    }
    pthread_mutex_unlock(&spare->lock);
    return err;
}

static enum giro_err spare_open(void *self, const char *name, uint64_t create_bytes, uint32_t *file,
                                uint64_t *size_bytes)
{
    struct giro_spare *spare = self;
    if (create_bytes == spare->segment_bytes && name[0] != '.' && strchr(name, '/') == NULL)
        GIRO_TRY(put_in_place(spare, name));
    return spare->below.ops->open(spare->below.self, name, create_bytes, file, size_bytes);
}

static enum giro_err spare_read(void *self, uint32_t file, uint64_t offset, void *bytes,
                                uint32_t size_bytes)
{
    const struct giro_disk *below = &((struct giro_spare *)self)->below;
    return below->ops->read(below->self, file, offset, bytes, size_bytes);
}

static enum giro_err spare_submit(void *self, const struct giro_disk_write *write)
{
    const struct giro_disk *below = &((struct giro_spare *)self)->below;
    return below->ops->submit(below->self, write);
}

static uint32_t spare_poll(void *self, struct giro_disk_completion *out, uint32_t max)
{
    const struct giro_disk *below = &((struct giro_spare *)self)->below;
    return below->ops->poll(below->self, out, max);
}

static enum giro_err spare_remove(void *self, const char *name)
{
    const struct giro_disk *below = &((struct giro_spare *)self)->below;
    return below->ops->remove(below->self, name);
}

static enum giro_err spare_list(void *self, void (*visit)(void *context, const char *name),
                                void *context)
{
    const struct giro_disk *below = &((struct giro_spare *)self)->below;
    return below->ops->list(below->self, visit, context);
}

static void spare_close_file(void *self, uint32_t file)
{
    const struct giro_disk *below = &((struct giro_spare *)self)->below;
    below->ops->close(below->self, file);
}

static const struct giro_disk_ops spare_ops = {.open = spare_open,
                                               .read = spare_read,
                                               .submit = spare_submit,
                                               .poll = spare_poll,
                                               .remove = spare_remove,
                                               .list = spare_list,
                                               .close = spare_close_file};

struct giro_disk giro_spare_disk(struct giro_spare *spare)
{
    return (struct giro_disk){.ops = &spare_ops, .self = spare};
}

/* ---- Opening ---------------------------------------------------------------------------------------------- */

static bool found_ready(const struct giro_spare *spare)
{
    struct stat status;
    return fstatat(spare->folder_fd, READY, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISREG(status.st_mode) && (uint64_t)status.st_size == spare->segment_bytes;
}

enum giro_err giro_spare_open(const char *folder, uint64_t segment_bytes, struct giro_disk below,
                              struct giro_spare **spare_out)
{
    struct giro_spare *spare = calloc(1, sizeof(*spare));
    if (spare == NULL)
        return GIRO_ERR_NOMEM;
    spare->below = below;
    spare->segment_bytes = segment_bytes;
    pthread_mutex_init(&spare->lock, NULL);
    pthread_cond_init(&spare->wake, NULL);
    spare->folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (spare->folder_fd < 0) {
        giro_spare_close(spare);
        return GIRO_ERR_IO;
    }
    spare->ready = found_ready(spare) || make(spare, false);
    spare->has_thread = pthread_create(&spare->thread, NULL, run, spare) == 0;
    if (!spare->has_thread) {
        giro_spare_close(spare);
        return GIRO_ERR_NOMEM;
    }
    *spare_out = spare;
    return GIRO_ERR_OK;
}

void giro_spare_close(struct giro_spare *spare)
{
    pthread_mutex_lock(&spare->lock);
    spare->stopping = true;
    pthread_cond_signal(&spare->wake);
    pthread_mutex_unlock(&spare->lock);
    if (spare->has_thread)
        pthread_join(spare->thread, NULL);
    if (spare->folder_fd >= 0)
        close(spare->folder_fd);
    pthread_cond_destroy(&spare->wake);
    pthread_mutex_destroy(&spare->lock);
    free(spare);
}
