/* Memory that goes back to what it was for the price of the pages that changed since. A mark keeps the pages that are not
 * zero in an anonymous file; to go back is to map that file privately over the region again. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "twins/hub.h"

#define PAGE_BYTES 4096u

static bool page_is_zero(const uint8_t *page)
{
    static const uint8_t zeros[PAGE_BYTES];
    return memcmp(page, zeros, PAGE_BYTES) == 0;
}

void region_new(struct region *region, size_t size_bytes)
{
    *region = (struct region){.size_bytes = giro_align_up(size_bytes, PAGE_BYTES)};
    void *const memory = mmap(NULL, region->size_bytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    GIRO_ASSERT(memory != MAP_FAILED);
    (void)madvise(memory, region->size_bytes, MADV_HUGEPAGE); /* init clears all of it */
    region->memory = memory;
    for (uint32_t mark = 0; mark < REGION_MARKS; mark++)
        region->files[mark] = -1;
}

void region_mark(struct region *region, enum region_mark mark)
{
    const int file = memfd_create("giro-region", MFD_CLOEXEC);
    GIRO_ASSERT(file >= 0 && region->files[mark] < 0);
    const int sized = ftruncate(file, (off_t)region->size_bytes);
    GIRO_ASSERT(sized == 0);
    for (size_t at = 0; at < region->size_bytes; at += PAGE_BYTES) {
        if (page_is_zero(region->memory + at))
            continue;
        const ssize_t written = pwrite(file, region->memory + at, PAGE_BYTES, (off_t)at);
        GIRO_ASSERT(written == PAGE_BYTES);
    }
    region->files[mark] = file;
}

void region_back(struct region *region, enum region_mark mark)
{
    GIRO_ASSERT(region->files[mark] >= 0);
    const void *const again = mmap(region->memory, region->size_bytes, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, region->files[mark], 0);
    GIRO_ASSERT(again == region->memory);
}

void region_free(struct region *region)
{
    munmap(region->memory, region->size_bytes);
    for (uint32_t mark = 0; mark < REGION_MARKS; mark++) {
        if (region->files[mark] >= 0)
            close(region->files[mark]);
    }
}
