/* A disk in memory whose writes complete at once. Behind giro/sys.h's interface, so the log's own code runs over it. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "perf/bench.h"
#include "perf/group.h"

#define FILES_MAX 512u

struct memory_file {
    char name[GIRO_DISK_NAME_BYTES];
    uint8_t *bytes;
    uint64_t size_bytes;
    bool there;
};
struct memory_disk {
    struct memory_file files[FILES_MAX];
    uint64_t done[GIRO_DISK_DEPTH]; /* tags of completed writes, taken by poll */
    uint32_t done_count;
};

static struct memory_file *find(struct memory_disk *disk, const char *name)
{
    for (uint32_t i = 0; i < FILES_MAX; i++) {
        if (disk->files[i].there && strcmp(disk->files[i].name, name) == 0)
            return &disk->files[i];
    }
    return NULL;
}

static enum giro_err memory_open(void *self, const char *name, uint64_t create_bytes,
                                 uint32_t *file, uint64_t *size_bytes)
{
    struct memory_disk *disk = self;
    struct memory_file *found = find(disk, name);
    if (found == NULL && create_bytes == 0)
        return GIRO_ERR_NOENT;
    for (uint32_t i = 0; found == NULL && i < FILES_MAX; i++) {
        if (!disk->files[i].there)
            found = &disk->files[i];
    }
    if (found == NULL || strlen(name) >= sizeof(found->name))
        return GIRO_ERR_FULL;
    if (!found->there) {
        *found = (struct memory_file){.bytes = giro_bench_pages_huge(create_bytes),
                                      .size_bytes = create_bytes,
                                      .there = true};
        memcpy(found->name, name, strlen(name));
    }
    *file = (uint32_t)(found - disk->files);
    *size_bytes = found->size_bytes;
    return GIRO_ERR_OK;
}

static enum giro_err memory_read(void *self, uint32_t file, uint64_t offset, void *bytes,
                                 uint32_t size_bytes)
{
    const struct memory_file *from = &((struct memory_disk *)self)->files[file];
    if (offset > from->size_bytes || size_bytes > from->size_bytes - offset)
        return GIRO_ERR_NOENT;
    memcpy(bytes, from->bytes + offset, size_bytes);
    return GIRO_ERR_OK;
}

static enum giro_err memory_submit(void *self, const struct giro_disk_write *write)
{
    struct memory_disk *disk = self;
    struct memory_file *to = &disk->files[write->file];
    if (disk->done_count == GIRO_DISK_DEPTH)
        return GIRO_ERR_FULL;
    GIRO_ASSERT(write->offset + write->size_bytes <= to->size_bytes);
    memcpy(to->bytes + write->offset, write->bytes, write->size_bytes);
    disk->done[disk->done_count++] = write->tag;
    return GIRO_ERR_OK;
}

static uint32_t memory_poll(void *self, struct giro_disk_completion *out, uint32_t max)
{
    struct memory_disk *disk = self;
    uint32_t count = disk->done_count < max ? disk->done_count : max;
    for (uint32_t i = 0; i < count; i++)
        out[i] = (struct giro_disk_completion){.tag = disk->done[i], .err = GIRO_ERR_OK};
    disk->done_count -= count;
    memmove(disk->done, disk->done + count, disk->done_count * sizeof(disk->done[0]));
    return count;
}

static enum giro_err memory_remove(void *self, const char *name)
{
    struct memory_file *found = find(self, name);
    if (found == NULL)
        return GIRO_ERR_NOENT;
    munmap(found->bytes, found->size_bytes);
    found->there = false;
    return GIRO_ERR_OK;
}

static enum giro_err memory_list(void *self, void (*visit)(void *context, const char *name),
                                 void *context)
{
    struct memory_disk *disk = self;
    for (uint32_t i = 0; i < FILES_MAX; i++) { /* files are only made in name order here */
        if (disk->files[i].there)
            visit(context, disk->files[i].name);
    }
    return GIRO_ERR_OK;
}

static void memory_close(void *self, uint32_t file)
{
    (void)self;
    (void)file;
}

void giro_memory_disk_open(struct giro_disk *disk)
{
    static const struct giro_disk_ops ops = {.open = memory_open,
                                             .read = memory_read,
                                             .submit = memory_submit,
                                             .poll = memory_poll,
                                             .remove = memory_remove,
                                             .list = memory_list,
                                             .close = memory_close};
    disk->ops = &ops;
    disk->self = calloc(1, sizeof(struct memory_disk));
    giro_bench_must(disk->self != NULL, "no memory");
}

bool giro_memory_disk_waits(const struct giro_disk *disk)
{
    return ((const struct memory_disk *)disk->self)->done_count > 0;
}
