/* The real disk. Writes go through io_uring with O_DIRECT | O_DSYNC; where the kernel refuses
 * io_uring they are done by pwritev2(RWF_DSYNC) inside submit and only their completions are
 * queued. Reads, creation, listing and removal are synchronous: they happen at start and at repair.
 * A file that will be wanted later is prepared by a thread of its own (disk_make.c). */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "sys_internal.h"

#define FILES_MAX    256u
#define BOUNCE_BYTES (1u << 20)

struct place {
    bool taken;
    bool finished; /* without io_uring: done, waits for poll */
    enum giro_err err;
    struct giro_disk_write write;
    uint32_t done_bytes;
};

struct uring_disk {
    char path[512]; /* for messages */
    int dir_fd;
    int lock_fd;
    int event_fd;
    bool has_ring;
    bool broken; /* the ring itself failed: nothing more can be promised */
    struct io_uring ring;
    int fds[FILES_MAX]; /* -1 = free */
    uint64_t sizes_bytes[FILES_MAX];
    struct giro_disk_maker maker;
    uint8_t *bounce; /* for reads that are not aligned */
    struct place places[GIRO_DISK_DEPTH];
    uint32_t under_way_count;
    /* Without io_uring: place indices in order of completion. */
    uint32_t finished[GIRO_DISK_DEPTH];
    uint32_t finished_head;
    uint32_t finished_count;
};

static enum giro_err say_errno(const struct uring_disk *disk, const char *what, const char *name,
                               int number)
{
    char reason[96];
    GIRO_LOG(ERROR, "disk", "%s '%s/%s': %s", what, disk->path, name,
             strerror_r(number, reason, sizeof reason));
    return giro_err_from_errno(number);
}

static void signal_event(const struct uring_disk *disk)
{
    const uint64_t one = 1;
    /* EAGAIN means the counter is full, so the descriptor is readable already. */
    if (write(disk->event_fd, &one, sizeof one) < 0)
        GIRO_ASSERT(errno == EAGAIN);
}

static int fd_of(const struct uring_disk *disk, uint32_t file)
{
    GIRO_ASSERT(file < FILES_MAX);
    GIRO_ASSERT(disk->fds[file] >= 0);
    return disk->fds[file];
}

/* ---- Files ----------------------------------------------------------------------------------- */

static int open_durable(const struct uring_disk *disk, const char *name)
{
    const int flags = O_RDWR | O_DSYNC | O_CLOEXEC | O_NOFOLLOW;
    const int fd = openat(disk->dir_fd, name, flags | O_DIRECT);
    if (fd >= 0 || errno != EINVAL)
        return fd;
    /* tmpfs and some network file systems have no O_DIRECT; O_DSYNC keeps the promise. */
    return openat(disk->dir_fd, name, flags);
}

static enum giro_err create(struct uring_disk *disk, const char *name, uint64_t size_bytes)
{
    const int number = giro_disk_maker_make(&disk->maker, name, size_bytes);
    return number == 0 ? GIRO_ERR_OK : say_errno(disk, "cannot create", name, number);
}

static enum giro_err uring_prepare(void *self, const char *name, uint64_t create_bytes)
{
    struct uring_disk *disk = self;
    if (!giro_disk_name_good(name) || create_bytes == 0)
        return GIRO_ERR_ARGUMENT;
    return giro_disk_maker_prepare(&disk->maker, name, create_bytes);
}

static enum giro_err uring_open(void *self, const char *name, uint64_t create_bytes, uint32_t *file,
                                uint64_t *size_bytes)
{
    struct uring_disk *disk = self;
    if (!giro_disk_name_good(name))
        return GIRO_ERR_ARGUMENT;
    uint32_t index = 0;
    while (index < FILES_MAX && disk->fds[index] >= 0)
        index++;
    if (index == FILES_MAX)
        return GIRO_ERR_FULL;
    giro_disk_maker_wait(&disk->maker, name);
    int fd = open_durable(disk, name);
    if (fd < 0 && errno == ENOENT && create_bytes == 0)
        return GIRO_ERR_NOENT;
    if (fd < 0 && errno == ENOENT) {
        GIRO_TRY(create(disk, name, create_bytes));
        fd = open_durable(disk, name);
    }
    if (fd < 0)
        return say_errno(disk, "cannot open", name, errno);
    struct stat status;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        close(fd);
        return say_errno(disk, "not a regular file", name, EINVAL);
    }
    disk->fds[index] = fd;
    disk->sizes_bytes[index] = (uint64_t)status.st_size;
    *file = index;
    *size_bytes = disk->sizes_bytes[index];
    return GIRO_ERR_OK;
}

/* read_piece fills bytes through the aligned bounce buffer, as O_DIRECT wants its reads aligned
 * too. */
static enum giro_err read_piece(struct uring_disk *disk, int fd, uint64_t offset, uint8_t *bytes,
                                uint32_t size_bytes)
{
    const uint32_t skip = (uint32_t)(offset % GIRO_DISK_BLOCK_BYTES);
    const size_t wanted = giro_align_up(skip + (size_t)size_bytes, GIRO_DISK_BLOCK_BYTES);
    GIRO_ASSERT(wanted <= BOUNCE_BYTES);
    size_t have = 0;
    while (have < skip + (size_t)size_bytes) {
        const ssize_t got =
            pread(fd, disk->bounce + have, wanted - have, (off_t)(offset - skip + have));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return say_errno(disk, "cannot read from", "", errno);
        if (got == 0)
            return GIRO_ERR_NOENT;
        have += (size_t)got;
    }
    memcpy(bytes, disk->bounce + skip, size_bytes);
    return GIRO_ERR_OK;
}

static enum giro_err uring_read(void *self, uint32_t file, uint64_t offset, void *bytes,
                                uint32_t size_bytes)
{
    struct uring_disk *disk = self;
    const int fd = fd_of(disk, file);
    const uint64_t end = disk->sizes_bytes[file];
    if (offset > end || size_bytes > end - offset)
        return GIRO_ERR_NOENT;
    uint8_t *out = bytes;
    while (size_bytes > 0) {
        const uint32_t room = BOUNCE_BYTES - (uint32_t)(offset % GIRO_DISK_BLOCK_BYTES);
        const uint32_t piece = size_bytes < room ? size_bytes : room;
        GIRO_TRY(read_piece(disk, fd, offset, out, piece));
        out += piece;
        offset += piece;
        size_bytes -= piece;
    }
    return GIRO_ERR_OK;
}

static enum giro_err uring_remove(void *self, const char *name)
{
    struct uring_disk *disk = self;
    if (!giro_disk_name_good(name))
        return GIRO_ERR_ARGUMENT;
    giro_disk_maker_wait(&disk->maker, name);
    if (unlinkat(disk->dir_fd, name, 0) != 0)
        return errno == ENOENT ? GIRO_ERR_NOENT : say_errno(disk, "cannot remove", name, errno);
    return fsync(disk->dir_fd) == 0 ? GIRO_ERR_OK : say_errno(disk, "cannot remove", name, errno);
}

static int is_listed(const struct dirent *entry)
{
    return giro_disk_name_good(entry->d_name);
}

static int compare_names(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name); /* alphasort would follow the locale */
}

static enum giro_err uring_list(void *self, void (*visit)(void *context, const char *name),
                                void *context)
{
    struct uring_disk *disk = self;
    struct dirent **entries;
    const int count = scandirat(disk->dir_fd, ".", &entries, is_listed, compare_names);
    if (count < 0)
        return say_errno(disk, "cannot list", "", errno);
    for (int i = 0; i < count; i++) {
        visit(context, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return GIRO_ERR_OK;
}

static void uring_close(void *self, uint32_t file)
{
    struct uring_disk *disk = self;
    const int fd = fd_of(disk, file);
    for (uint32_t i = 0; i < GIRO_DISK_DEPTH; i++) {
        const struct place *place = &disk->places[i];
        GIRO_ASSERT(!place->taken || place->finished || place->write.file != file);
    }
    close(fd);
    disk->fds[file] = -1;
}

/* ---- Writes ---------------------------------------------------------------------------------- */

/* push hands what the queue holds to the kernel. A kernel short of memory says so: the entry stays
 * in the queue, and the event descriptor is made readable so that poll comes by and tries again. */
static enum giro_err push(struct uring_disk *disk)
{
    const int result = io_uring_submit(&disk->ring);
    if (result >= 0)
        return GIRO_ERR_OK;
    if (result == -EAGAIN || result == -EBUSY || result == -EINTR) {
        signal_event(disk);
        return GIRO_ERR_OK;
    }
    disk->broken = true;
    return say_errno(disk, "io_uring failed in", "", -result);
}

/* queue_rest puts what is left of a write into the queue; push hands it over, together with what else is there. */
static void queue_rest(struct uring_disk *disk, uint32_t index)
{
    const struct place *place = &disk->places[index];
    struct io_uring_sqe *sqe = io_uring_get_sqe(&disk->ring);
    /* The queue has as many entries as there are places, and each place has at most one. */
    GIRO_ASSERT(sqe != NULL);
    const uint8_t *bytes = (const uint8_t *)place->write.bytes + place->done_bytes;
    io_uring_prep_write(sqe, fd_of(disk, place->write.file), bytes,
                        place->write.size_bytes - place->done_bytes,
                        place->write.offset + place->done_bytes);
    io_uring_sqe_set_data64(sqe, index);
}

static enum giro_err write_now(struct uring_disk *disk, struct place *place)
{
    const struct giro_disk_write *write = &place->write;
    const int fd = fd_of(disk, write->file);
    while (place->done_bytes < write->size_bytes) {
        struct iovec piece = {
            .iov_base = (void *)((uintptr_t)write->bytes + place->done_bytes),
            .iov_len = write->size_bytes - place->done_bytes,
        };
        const ssize_t put =
            pwritev2(fd, &piece, 1, (off_t)(write->offset + place->done_bytes), RWF_DSYNC);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return say_errno(disk, "cannot write to", "", put < 0 ? errno : ENOSPC);
        place->done_bytes += (uint32_t)put;
    }
    return GIRO_ERR_OK;
}

static void finish_now(struct uring_disk *disk, uint32_t index)
{
    struct place *place = &disk->places[index];
    place->err = write_now(disk, place);
    place->finished = true;
    GIRO_ASSERT(disk->finished_count < GIRO_DISK_DEPTH);
    const uint32_t tail = (disk->finished_head + disk->finished_count) % GIRO_DISK_DEPTH;
    disk->finished[tail] = index;
    disk->finished_count++;
    signal_event(disk);
}

static enum giro_err uring_submit(void *self, const struct giro_disk_write *write)
{
    struct uring_disk *disk = self;
    (void)fd_of(disk, write->file);
    giro_disk_write_check(write, disk->sizes_bytes[write->file]);
    if (disk->broken)
        return GIRO_ERR_IO;
    if (disk->under_way_count == GIRO_DISK_DEPTH)
        return GIRO_ERR_FULL;
    uint32_t index = 0;
    while (disk->places[index].taken)
        index++;
    GIRO_ASSERT(index < GIRO_DISK_DEPTH);
    disk->places[index] = (struct place){.taken = true, .write = *write};
    disk->under_way_count++;
    if (disk->has_ring)
        queue_rest(disk, index);
    else
        finish_now(disk, index);
    return GIRO_ERR_OK;
}

static enum giro_err uring_start(void *self)
{
    struct uring_disk *disk = self;
    if (disk->broken)
        return GIRO_ERR_IO;
    return disk->has_ring && io_uring_sq_ready(&disk->ring) > 0 ? push(disk) : GIRO_ERR_OK;
}

static struct giro_disk_completion give_back(struct uring_disk *disk, struct place *place,
                                             enum giro_err err)
{
    GIRO_ASSERT(place->taken);
    GIRO_ASSERT(disk->under_way_count > 0);
    const struct giro_disk_completion completion = {.tag = place->write.tag, .err = err};
    *place = (struct place){.taken = false};
    disk->under_way_count--;
    return completion;
}

/* take_result books what the kernel said about a place: true if the write is over, with *err. */
static bool take_result(struct uring_disk *disk, uint32_t index, int32_t result, enum giro_err *err)
{
    struct place *place = &disk->places[index];
    GIRO_ASSERT(place->taken);
    if (result == -EINTR || result == -EAGAIN) {
        queue_rest(disk, index);
        return false;
    }
    if (result <= 0) {
        *err = say_errno(disk, "cannot write to", "", result < 0 ? -result : ENOSPC);
        return true;
    }
    place->done_bytes += (uint32_t)result;
    GIRO_ASSERT(place->done_bytes <= place->write.size_bytes);
    *err = GIRO_ERR_OK;
    if (place->done_bytes == place->write.size_bytes)
        return true;
    /* A short write. Its tail must be aligned again; one that is not comes from a disk in trouble.
     */
    place->done_bytes -= place->done_bytes % GIRO_DISK_BLOCK_BYTES;
    queue_rest(disk, index);
    return false;
}

static uint32_t poll_ring(struct uring_disk *disk, struct giro_disk_completion *out, uint32_t max)
{
    uint32_t count = 0;
    struct io_uring_cqe *cqe;
    if (uring_start(disk) != GIRO_ERR_OK)
        return 0;
    while (count < max && io_uring_peek_cqe(&disk->ring, &cqe) == 0) {
        const uint32_t index = (uint32_t)io_uring_cqe_get_data64(cqe);
        const int32_t result = cqe->res;
        io_uring_cqe_seen(&disk->ring, cqe);
        GIRO_ASSERT(index < GIRO_DISK_DEPTH);
        enum giro_err err;
        if (take_result(disk, index, result, &err))
            out[count++] = give_back(disk, &disk->places[index], err);
    }
    (void)uring_start(
        disk); /* what is written again; if the ring is broken, the next submit says so */
    return count;
}

static uint32_t poll_finished(struct uring_disk *disk, struct giro_disk_completion *out,
                              uint32_t max)
{
    uint32_t count = 0;
    while (count < max && disk->finished_count > 0) {
        struct place *place = &disk->places[disk->finished[disk->finished_head]];
        out[count++] = give_back(disk, place, place->err);
        disk->finished_head = (disk->finished_head + 1) % GIRO_DISK_DEPTH;
        disk->finished_count--;
    }
    return count;
}

static uint32_t uring_poll(void *self, struct giro_disk_completion *out, uint32_t max)
{
    struct uring_disk *disk = self;
    /* Emptied before the queue is read, so that a completion in between makes it readable again;
     * and even when nothing is under way, because the kernel may signal after the completion was
     * taken. */
    uint64_t events;
    if (read(disk->event_fd, &events, sizeof events) < 0)
        GIRO_ASSERT(errno == EAGAIN);
    const uint32_t count =
        disk->has_ring ? poll_ring(disk, out, max) : poll_finished(disk, out, max);
    const bool more =
        disk->has_ring ? io_uring_cq_ready(&disk->ring) > 0 : disk->finished_count > 0;
    if (more)
        signal_event(disk);
    return count;
}

/* ---- The directory --------------------------------------------------------------------------- */

static const struct giro_disk_ops uring_ops = {
    .open = uring_open,
    .read = uring_read,
    .submit = uring_submit,
    .start = uring_start,
    .poll = uring_poll,
    .remove = uring_remove,
    .list = uring_list,
    .close = uring_close,
    .prepare = uring_prepare,
};

static void discard(struct uring_disk *disk)
{
    giro_disk_maker_stop(&disk->maker);
    if (disk->has_ring)
        io_uring_queue_exit(&disk->ring);
    for (uint32_t i = 0; i < FILES_MAX; i++) {
        if (disk->fds[i] >= 0)
            close(disk->fds[i]);
    }
    if (disk->event_fd >= 0)
        close(disk->event_fd);
    if (disk->dir_fd >= 0)
        close(disk->dir_fd);
    if (disk->lock_fd >= 0)
        close(disk->lock_fd); /* the lock goes last, and with it the directory */
    free(disk->bounce);
    free(disk);
}

static enum giro_err sync_above(const struct uring_disk *disk)
{
    const int fd = openat(disk->dir_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return say_errno(disk, "cannot open the folder above", "", errno);
    const enum giro_err err =
        fsync(fd) == 0 ? GIRO_ERR_OK : say_errno(disk, "cannot sync the folder above", "", errno);
    close(fd);
    return err;
}

static enum giro_err take_directory(struct uring_disk *disk, const char *path)
{
    snprintf(disk->path, sizeof disk->path, "%s", path);
    const bool made = mkdir(path, 0700) == 0;
    if (!made && errno != EEXIST)
        return say_errno(disk, "cannot make", "", errno);
    disk->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (disk->dir_fd < 0)
        return say_errno(disk, "cannot open", "", errno);
    disk->maker.dir_fd = disk->dir_fd;
    if (made)
        GIRO_TRY(sync_above(disk));
    disk->lock_fd = openat(disk->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (disk->lock_fd < 0)
        return say_errno(disk, "cannot open", "lock", errno);
    if (flock(disk->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return GIRO_ERR_OK;
    return errno == EWOULDBLOCK ? GIRO_ERR_LOCKED : say_errno(disk, "cannot lock", "lock", errno);
}

static int is_unfinished(const struct dirent *entry)
{
    const size_t length = strlen(entry->d_name);
    return length > 1 && strcmp(entry->d_name + length - 1, GIRO_DISK_UNFINISHED) == 0;
}

static enum giro_err remove_unfinished(struct uring_disk *disk)
{
    struct dirent **entries;
    const int count = scandirat(disk->dir_fd, ".", &entries, is_unfinished, compare_names);
    if (count < 0)
        return say_errno(disk, "cannot list", "", errno);
    for (int i = 0; i < count; i++) {
        unlinkat(disk->dir_fd, entries[i]->d_name, 0);
        free(entries[i]);
    }
    free(entries);
    /* A death between rename and fsync left a name that is not durable: open trusts names. */
    return fsync(disk->dir_fd) == 0 ? GIRO_ERR_OK : say_errno(disk, "cannot sync", "", errno);
}

static enum giro_err start_ring(struct uring_disk *disk, bool use_ring)
{
    disk->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (disk->event_fd < 0)
        return say_errno(disk, "cannot make an event descriptor for", "", errno);
    if (!use_ring)
        return GIRO_ERR_OK;
    const int result = io_uring_queue_init(GIRO_DISK_DEPTH, &disk->ring, 0);
    if (result < 0) {
        char reason[96];
        GIRO_LOG(WARN, "disk", "no io_uring for '%s': %s; writing with pwritev2 instead",
                 disk->path, strerror_r(-result, reason, sizeof reason));
        return GIRO_ERR_OK;
    }
    disk->has_ring = true;
    const int registered = io_uring_register_eventfd(&disk->ring, disk->event_fd);
    if (registered < 0)
        return say_errno(disk, "io_uring refuses an event descriptor for", "", -registered);
    return GIRO_ERR_OK;
}

enum giro_err giro_disk_uring_open_choose(const char *path, bool use_ring, struct giro_disk *disk,
                                          int *event_fd)
{
    struct uring_disk *self = calloc(1, sizeof *self);
    if (self == NULL)
        return GIRO_ERR_NOMEM;
    giro_disk_maker_init(&self->maker);
    self->dir_fd = self->lock_fd = self->event_fd = -1;
    for (uint32_t i = 0; i < FILES_MAX; i++)
        self->fds[i] = -1;
    self->bounce = aligned_alloc(GIRO_DISK_BLOCK_BYTES, BOUNCE_BYTES);
    enum giro_err err = self->bounce != NULL ? GIRO_ERR_OK : GIRO_ERR_NOMEM;
    if (err == GIRO_ERR_OK)
        err = take_directory(self, path);
    if (err == GIRO_ERR_OK)
        err = remove_unfinished(self);
    if (err == GIRO_ERR_OK)
        err = start_ring(self, use_ring);
    if (err != GIRO_ERR_OK) {
        discard(self);
        return err;
    }
    *disk = (struct giro_disk){.ops = &uring_ops, .self = self};
    *event_fd = self->event_fd;
    return GIRO_ERR_OK;
}

enum giro_err giro_disk_uring_open(const char *path, struct giro_disk *disk, int *event_fd)
{
    return giro_disk_uring_open_choose(path, true, disk, event_fd);
}

void giro_disk_uring_close(struct giro_disk *disk)
{
    struct uring_disk *self = disk->self;
    /* The kernel may still read the borrowed buffers: wait for it before the caller frees them. */
    while (self->has_ring && !self->broken && self->under_way_count > 0) {
        struct giro_disk_completion completions[GIRO_DISK_DEPTH];
        const int result = io_uring_submit_and_wait(&self->ring, 1);
        if (result < 0 && result != -EINTR && result != -EAGAIN && result != -EBUSY)
            break;
        (void)poll_ring(self, completions, GIRO_DISK_DEPTH);
    }
    discard(self);
    *disk = (struct giro_disk){.ops = NULL, .self = NULL};
}
