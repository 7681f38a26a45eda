/* A disk with one file. A write is durable when hub_disk_complete says so; the bytes are the writer's until then. */
#include <string.h>

#include "twins/hub.h"

static enum giro_err file_open(void *self, const char *name, uint64_t create_bytes, uint32_t *file,
                               uint64_t *size_bytes)
{
    struct hub_disk *const disk = self;
    GIRO_ASSERT(strcmp(name, GIRO_SAFETY_FILE) == 0);
    if (!disk->there && create_bytes == 0)
        return GIRO_ERR_NOENT;
    GIRO_ASSERT(create_bytes == 0 || create_bytes == HUB_SAFETY_BYTES);
    disk->there = true;
    *file = 0;
    *size_bytes = HUB_SAFETY_BYTES;
    return GIRO_ERR_OK;
}

static enum giro_err file_read(void *self, uint32_t file, uint64_t offset, void *bytes,
                               uint32_t size_bytes)
{
    const struct hub_disk *const disk = self;
    GIRO_ASSERT(file == 0 && offset + size_bytes <= HUB_SAFETY_BYTES);
    memcpy(bytes, disk->file + offset, size_bytes);
    return GIRO_ERR_OK;
}

static enum giro_err submit(void *self, const struct giro_disk_write *write)
{
    struct hub_disk *const disk = self;
    GIRO_ASSERT(write->offset + write->size_bytes <= HUB_SAFETY_BYTES);
    GIRO_ASSERT(write->size_bytes == 4096);
    if (disk->write_count == 4)
        return GIRO_ERR_FULL;
    disk->writes[disk->write_count++] =
        (struct hub_write){.offset = write->offset, .tag = write->tag, .bytes = write->bytes};
    return GIRO_ERR_OK;
}

void hub_disk_complete(struct hub_disk *disk, uint32_t index)
{
    GIRO_ASSERT(index < disk->write_count && disk->done_count < 4);
    const struct hub_write write = disk->writes[index];
    memcpy(disk->file + write.offset, write.bytes, 4096);
    disk->done[disk->done_count++] = write.tag;
    disk->writes[index] = disk->writes[--disk->write_count];
}

static uint32_t poll(void *self, struct giro_disk_completion *out, uint32_t max)
{
    struct hub_disk *const disk = self;
    if (disk->done_count == 0 || max == 0)
        return 0;
    *out = (struct giro_disk_completion){.tag = disk->done[--disk->done_count], .err = GIRO_ERR_OK};
    return 1;
}

static enum giro_err file_remove(void *self, const char *name)
{
    (void)self;
    (void)name;
    return GIRO_ERR_NOENT;
}

static enum giro_err list(void *self, void (*visit)(void *context, const char *name), void *context)
{
    const struct hub_disk *const disk = self;
    if (disk->there)
        visit(context, GIRO_SAFETY_FILE);
    return GIRO_ERR_OK;
}

static void file_close(void *self, uint32_t file)
{
    (void)self;
    (void)file;
}

void hub_disk_open(struct hub_disk *disk)
{
    static const struct giro_disk_ops ops = {.open = file_open,
                                             .read = file_read,
                                             .submit = submit,
                                             .poll = poll,
                                             .remove = file_remove,
                                             .list = list,
                                             .close = file_close};
    disk->disk = (struct giro_disk){.ops = &ops, .self = disk};
}
