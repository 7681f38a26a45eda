#include "unit/sys_support.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

/* Present in sanitizer builds only. */
extern int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

static void check_leaks(void)
{
    if (__lsan_do_recoverable_leak_check != NULL && __lsan_do_recoverable_leak_check() != 0)
        abort();
}

TestSuite(sys, .fini = check_leaks);

void scratch_make(char path[256])
{
    snprintf(path, 256, "%s/scratch-XXXXXX", GIRO_BINARY_DIR);
    cr_assert(mkdtemp(path) != NULL, "cannot make '%s'", path);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

void scratch_remove(const char *path)
{
    cr_assert(nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0, "cannot remove '%s'", path);
}

void scratch_write(const char *directory, const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    cr_assert(file != NULL);
    cr_assert(fputs(text, file) >= 0);
    cr_assert(fclose(file) == 0);
}

uint8_t *blocks_new(uint32_t count, uint8_t first)
{
    uint8_t *bytes = aligned_alloc(GIRO_DISK_BLOCK_BYTES, (size_t)count * GIRO_DISK_BLOCK_BYTES);
    cr_assert(bytes != NULL);
    for (uint32_t i = 0; i < count; i++)
        memset(bytes + (size_t)i * GIRO_DISK_BLOCK_BYTES, (uint8_t)(first + i),
               GIRO_DISK_BLOCK_BYTES);
    return bytes;
}
