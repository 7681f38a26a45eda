/* The real disk's worker makes files beforehand while its owner writes, lists, opens, removes and closes: what is opened is
 * whole and zero, what was written stays, and nothing half made is left. By io_uring and by pwritev2. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/sys/sys_internal.h"

#define BLOCK      GIRO_DISK_BLOCK_BYTES
#define FILE_BYTES (UINT64_C(8) << 20) /* eight pieces of the worker's */
#define ROUNDS     12u

struct owner {
    struct giro_disk disk;
    char dir[64];
    struct giro_prng prng;
    uint32_t log; /* handle of the file that is written all the time */
    uint64_t written_blocks;
    uint8_t *block; /* BLOCK bytes, aligned */
    uint8_t *bytes; /* FILE_BYTES */
};

/* One block to the log, completed. Its bytes tell its place. */
static void log_write(struct owner *owner)
{
    memset(owner->block, (int)(1 + owner->written_blocks % 255), BLOCK);
    struct giro_disk_write write = {.file = owner->log,
                                    .size_bytes = BLOCK,
                                    .offset = owner->written_blocks * BLOCK,
                                    .bytes = owner->block,
                                    .tag = owner->written_blocks};
    cr_assert(owner->disk.ops->submit(owner->disk.self, &write) == GIRO_ERR_OK);
    struct giro_disk_completion completion;
    while (owner->disk.ops->poll(owner->disk.self, &completion, 1) == 0)
        race_sleep_ms(1);
    cr_assert(completion.err == GIRO_ERR_OK && completion.tag == owner->written_blocks);
    owner->written_blocks++;
}

static void log_check(struct owner *owner)
{
    for (uint64_t i = 0; i < owner->written_blocks; i++) {
        cr_assert(owner->disk.ops->read(owner->disk.self, owner->log, i * BLOCK, owner->block,
                                        BLOCK) == GIRO_ERR_OK);
        for (uint32_t k = 0; k < BLOCK; k++)
            cr_assert(owner->block[k] == 1 + i % 255, "block %lu, byte %u", i, k);
    }
}

static void count_name(void *context, const char *name)
{
    cr_assert(strchr(name, '~') == NULL, "%s is listed", name);
    ++*(uint32_t *)context;
}

/* Opens a file that may be there, on its way or not begun: whole and zero, whichever it is. */
static void prepared_check(struct owner *owner, const char *name)
{
    const struct giro_disk_ops *ops = owner->disk.ops;
    uint32_t file;
    uint64_t size_bytes;
    cr_assert(ops->open(owner->disk.self, name, FILE_BYTES, &file, &size_bytes) == GIRO_ERR_OK);
    cr_assert(size_bytes == FILE_BYTES, "%s has %lu bytes", name, size_bytes);
    cr_assert(ops->read(owner->disk.self, file, 0, owner->bytes, FILE_BYTES) == GIRO_ERR_OK);
    cr_assert(owner->bytes[0] == 0 && memcmp(owner->bytes, owner->bytes + 1, FILE_BYTES - 1) == 0,
              "%s is not zero", name);
    ops->close(owner->disk.self, file);
}

static void round_run(struct owner *owner, uint32_t number)
{
    const struct giro_disk_ops *ops = owner->disk.ops;
    char name[32], other[32];
    snprintf(name, sizeof(name), "spare-%u", number);
    snprintf(other, sizeof(other), "other-%u", number);
    cr_assert(ops->prepare(owner->disk.self, name, FILE_BYTES) == GIRO_ERR_OK);
    enum giro_err err = ops->prepare(owner->disk.self, other, FILE_BYTES);
    cr_assert(err == GIRO_ERR_FULL || err == GIRO_ERR_OK, "%s", giro_err_name(err));
    bool has_other = err == GIRO_ERR_OK;
    for (uint64_t left = giro_prng_below(&owner->prng, 4); left > 0; left--)
        log_write(owner);
    uint32_t count = 0;
    cr_assert(ops->list(owner->disk.self, count_name, &count) == GIRO_ERR_OK && count >= 1);
    if (giro_prng_chance(&owner->prng, 1, 2))
        prepared_check(owner, name);
    err = ops->remove(owner->disk.self, name); /* maybe while it is made */
    cr_assert(err == GIRO_ERR_OK || err == GIRO_ERR_NOENT, "%s", giro_err_name(err));
    if (has_other) {
        prepared_check(owner, other);
        cr_assert(ops->remove(owner->disk.self, other) == GIRO_ERR_OK);
    }
}

/* What a directory holds after a close: the log, the lock, and the last prepared file, whole or not at all. */
static void left_check(const char *dir)
{
    DIR *list = opendir(dir);
    cr_assert(list != NULL);
    for (const struct dirent *entry; (entry = readdir(list)) != NULL;)
        cr_assert(entry->d_name[0] == '.' || strcmp(entry->d_name, "lock") == 0 ||
                      strcmp(entry->d_name, "log") == 0 || strcmp(entry->d_name, "last") == 0,
                  "%s is left over", entry->d_name);
    closedir(list);
}

static void life(struct owner *owner, bool use_ring, uint32_t number)
{
    int event_fd;
    uint64_t size_bytes;
    cr_assert(giro_disk_uring_open_choose(owner->dir, use_ring, &owner->disk, &event_fd) ==
              GIRO_ERR_OK);
    const struct giro_disk_ops *ops = owner->disk.ops;
    if (number > 0)
        prepared_check(owner, "last"); /* begun by the life before */
    enum giro_err err = ops->remove(owner->disk.self, "last");
    cr_assert(err == (number > 0 ? GIRO_ERR_OK : GIRO_ERR_NOENT), "%s", giro_err_name(err));
    cr_assert(ops->open(owner->disk.self, "log", FILE_BYTES, &owner->log, &size_bytes) ==
              GIRO_ERR_OK);
    for (uint32_t i = 0; i < ROUNDS; i++)
        round_run(owner, i);
    log_check(owner);
    ops->close(owner->disk.self, owner->log);
    cr_assert(ops->prepare(owner->disk.self, "last", FILE_BYTES) == GIRO_ERR_OK);
    race_sleep_ms((uint32_t)giro_prng_below(&owner->prng, 8));
    giro_disk_uring_close(&owner->disk);
    left_check(owner->dir);
}

int main(void)
{
    struct owner owner = {.written_blocks = 0};
    const uint64_t seed = race_number("GIRO_SEED", 20261124);
    fprintf(stderr, "GIRO_SEED=%lu\n", seed);
    giro_prng_init(&owner.prng, seed);
    owner.block = aligned_alloc(BLOCK, BLOCK);
    owner.bytes = malloc(FILE_BYTES);
    cr_assert(owner.block != NULL && owner.bytes != NULL);
    race_dir_make(owner.dir);
    for (uint32_t i = 0; i < 4; i++)
        life(&owner, i % 2 == 0, i);
    race_dir_remove(owner.dir);
    free(owner.block);
    free(owner.bytes);
    return 0;
}
