/* A folder as a struct giro_disk that only reads and takes no lock: for the log of a stopped replica. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "giro/sys.h"
#include "verify.h"

static enum giro_err disk_open(void *self, const char *name, uint64_t create_bytes, uint32_t *file,
                               uint64_t *size_bytes)
{
    struct readonly_disk *disk = self;
    char path[RECON_PATH_BYTES];
    struct stat info;
    if (create_bytes > 0 || !recon_path_join(path, disk->path, name))
        return GIRO_ERR_ARGUMENT;
    uint32_t slot = 0;
    while (slot < READONLY_FILES_MAX && disk->fds[slot] >= 0)
        slot++;
    if (slot == READONLY_FILES_MAX)
        return GIRO_ERR_FULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? GIRO_ERR_NOENT : GIRO_ERR_IO;
    if (fstat(fd, &info) != 0) {
        close(fd);
        return GIRO_ERR_IO;
    }
    disk->fds[slot] = fd;
    *file = slot;
    *size_bytes = (uint64_t)info.st_size;
    return GIRO_ERR_OK;
}

static enum giro_err disk_read(void *self, uint32_t file, uint64_t offset, void *bytes,
                               uint32_t size_bytes)
{
    struct readonly_disk *disk = self;
    GIRO_ASSERT(file < READONLY_FILES_MAX && disk->fds[file] >= 0);
    return giro_file_read_at(disk->fds[file], bytes, size_bytes, offset);
}

static enum giro_err disk_submit(void *self, const struct giro_disk_write *write_)
{
    (void)self, (void)write_;
    return GIRO_ERR_STATE;
}

static uint32_t disk_poll(void *self, struct giro_disk_completion *out, uint32_t max)
{
    (void)self, (void)out, (void)max;
    return 0;
}

static enum giro_err disk_remove(void *self, const char *name)
{
    (void)self, (void)name;
    return GIRO_ERR_STATE;
}

static enum giro_err disk_list(void *self, void (*visit)(void *context, const char *name),
                               void *context)
{
    struct readonly_disk *disk = self;
    char **names;
    uint32_t count;
    GIRO_TRY(recon_names(disk->path, &names, &count));
    for (uint32_t i = 0; i < count; i++)
        if (strlen(names[i]) < GIRO_DISK_NAME_BYTES)
            visit(context, names[i]);
    recon_names_free(names, count);
    return GIRO_ERR_OK;
}

static void disk_close(void *self, uint32_t file)
{
    struct readonly_disk *disk = self;
    GIRO_ASSERT(file < READONLY_FILES_MAX && disk->fds[file] >= 0);
    close(disk->fds[file]);
    disk->fds[file] = -1;
}

struct giro_disk readonly_disk_open(struct readonly_disk *disk, const char *path)
{
    static const struct giro_disk_ops ops = {.open = disk_open,
                                             .read = disk_read,
                                             .submit = disk_submit,
                                             .poll = disk_poll,
                                             .remove = disk_remove,
                                             .list = disk_list,
                                             .close = disk_close,
                                             .prepare = NULL};
    snprintf(disk->path, sizeof(disk->path), "%s", path);
    for (uint32_t i = 0; i < READONLY_FILES_MAX; i++)
        disk->fds[i] = -1;
    return (struct giro_disk){.ops = &ops, .self = disk};
}
