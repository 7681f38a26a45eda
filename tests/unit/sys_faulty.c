#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>

#include "unit/sys_support.h"

#define BLOCK  GIRO_DISK_BLOCK_BYTES
#define SECTOR 512u

static struct giro_disk_write one_block(uint32_t file, uint64_t block, const uint8_t *bytes)
{
    return (struct giro_disk_write){
        .file = file, .size_bytes = BLOCK, .offset = block * BLOCK, .bytes = bytes, .tag = block};
}

static uint32_t open_or_make(struct giro_disk disk, const char *name, uint64_t create_bytes)
{
    uint32_t file;
    uint64_t size_bytes;
    cr_assert(disk.ops->open(disk.self, name, create_bytes, &file, &size_bytes) == GIRO_ERR_OK);
    return file;
}

/* Submits 8 blocks of value 1..8 to blocks 0..7, completes what falls due before `until_ns`, loses
 * power, and returns how many completed. */
struct outcome {
    bool completed[8];
    uint8_t content[8 * BLOCK];
};

static void lose_power(uint64_t seed, const struct giro_disk_faults *faults, uint64_t until_ns,
                       struct outcome *outcome)
{
    struct giro_disk_faulty *faulty = giro_disk_faulty_new(seed, faults);
    struct giro_disk disk = giro_disk_faulty_disk(faulty);
    const uint32_t file = open_or_make(disk, "log", 8 * BLOCK);
    uint8_t *bytes = blocks_new(8, 1);
    memset(outcome, 0, sizeof *outcome);
    for (uint32_t i = 0; i < 8; i++) {
        const struct giro_disk_write write = one_block(file, i, bytes + i * BLOCK);
        cr_assert(disk.ops->submit(disk.self, &write) == GIRO_ERR_OK);
    }
    struct giro_disk_completion completions[8];
    cr_assert(disk.ops->poll(disk.self, completions, 8) == 0, "nothing completes before advance");
    giro_disk_faulty_advance(faulty, until_ns);
    const uint32_t count = disk.ops->poll(disk.self, completions, 8);
    for (uint32_t i = 0; i < count; i++) {
        cr_assert(completions[i].err == GIRO_ERR_OK);
        outcome->completed[completions[i].tag] = true;
    }
    giro_disk_faulty_power_loss(faulty);
    free(bytes); /* the owner of the borrowed bytes died */
    cr_assert(giro_disk_faulty_next_ns(faulty) == UINT64_MAX);
    const uint32_t again = open_or_make(disk, "log", 0);
    cr_assert(disk.ops->read(disk.self, again, 0, outcome->content, 8 * BLOCK) == GIRO_ERR_OK);
    giro_disk_faulty_free(faulty);
}

enum landed { ABSENT, WHOLE, TORN };

static enum landed landed(const struct outcome *outcome, uint32_t block, uint64_t seed)
{
    uint32_t kept = 0;
    for (uint32_t s = 0; s < BLOCK / SECTOR; s++) {
        const uint8_t *sector = outcome->content + block * BLOCK + s * SECTOR;
        for (uint32_t i = 1; i < SECTOR; i++)
            cr_assert(sector[i] == sector[0], "seed %llu: torn inside a sector",
                      (unsigned long long)seed);
        cr_assert(sector[0] == 0 || sector[0] == block + 1, "seed %llu", (unsigned long long)seed);
        kept += sector[0] != 0;
    }
    return kept == 0 ? ABSENT : kept == BLOCK / SECTOR ? WHOLE : TORN;
}

Test(sys, faulty_power_loss_keeps_what_completed_and_tears_at_sectors)
{
    const struct giro_disk_faults faults = {.latency_min_ns = 100,
                                            .latency_max_ns = 1000,
                                            .torn_per_mille = 300,
                                            .kept_per_mille = 300};
    uint32_t seen[3] = {0};
    bool later_without_earlier = false;
    for (uint64_t seed = 0; seed < 300; seed++) {
        static struct outcome outcome;
        lose_power(seed, &faults, seed * 4, &outcome);
        for (uint32_t i = 0; i < 8; i++) {
            const enum landed how = landed(&outcome, i, seed);
            if (outcome.completed[i])
                cr_assert(how == WHOLE, "seed %llu: a completed write was lost",
                          (unsigned long long)seed);
            else
                seen[how]++;
            if (i > 0 && how == WHOLE && landed(&outcome, i - 1, seed) == ABSENT)
                later_without_earlier = true;
        }
    }
    cr_assert(seen[ABSENT] > 100 && seen[WHOLE] > 100 && seen[TORN] > 100, "%u %u %u", seen[ABSENT],
              seen[WHOLE], seen[TORN]);
    cr_assert(later_without_earlier, "uncompleted writes land in any order");
}

Test(sys, faulty_repeats_itself_from_its_seed)
{
    const struct giro_disk_faults faults = {
        .latency_max_ns = 1000, .torn_per_mille = 500, .kept_per_mille = 200};
    static struct outcome a, b, c;
    uint32_t different = 0;
    for (uint64_t seed = 0; seed < 20; seed++) {
        lose_power(seed, &faults, 500, &a);
        lose_power(seed, &faults, 500, &b);
        lose_power(seed + 1, &faults, 500, &c);
        cr_assert(memcmp(&a, &b, sizeof a) == 0, "seed %llu", (unsigned long long)seed);
        different += memcmp(&a, &c, sizeof a) != 0;
    }
    cr_assert(different > 15);
}

Test(sys, faulty_fault_rates_at_their_ends)
{
    const struct {
        uint32_t torn, kept;
        enum landed expected;
    } rows[] = {{0, 0, ABSENT}, {0, 1000, WHOLE}};
    for (size_t row = 0; row < 2; row++) {
        const struct giro_disk_faults faults = {.latency_min_ns = 10,
                                                .latency_max_ns = 10,
                                                .torn_per_mille = rows[row].torn,
                                                .kept_per_mille = rows[row].kept};
        static struct outcome outcome;
        lose_power(row, &faults, 9, &outcome);
        for (uint32_t i = 0; i < 8; i++)
            cr_assert(!outcome.completed[i] && landed(&outcome, i, row) == rows[row].expected);
        lose_power(row, &faults, 10, &outcome);
        for (uint32_t i = 0; i < 8; i++)
            cr_assert(outcome.completed[i]);
    }
}

Test(sys, faulty_completes_at_the_due_time_and_says_when)
{
    const struct giro_disk_faults faults = {.latency_min_ns = 50, .latency_max_ns = 90};
    struct giro_disk_faulty *faulty = giro_disk_faulty_new(4, &faults);
    struct giro_disk disk = giro_disk_faulty_disk(faulty);
    const uint32_t file = open_or_make(disk, "log", 128 * BLOCK);
    uint8_t *bytes = blocks_new(1, 7);
    cr_assert(giro_disk_faulty_next_ns(faulty) == UINT64_MAX);
    struct giro_disk_write write = one_block(file, 0, bytes);
    for (uint32_t i = 0; i < GIRO_DISK_DEPTH; i++) {
        write.offset = (uint64_t)i * BLOCK;
        write.tag = i;
        cr_assert(disk.ops->submit(disk.self, &write) == GIRO_ERR_OK);
    }
    cr_assert(disk.ops->submit(disk.self, &write) == GIRO_ERR_FULL);
    cr_assert(giro_disk_faulty_submitted(faulty) == GIRO_DISK_DEPTH);
    uint64_t seen_tags = 0;
    while (giro_disk_faulty_next_ns(faulty) != UINT64_MAX) {
        const uint64_t next_ns = giro_disk_faulty_next_ns(faulty);
        cr_assert(next_ns >= 50 && next_ns <= 90);
        giro_disk_faulty_advance(faulty, next_ns - 1);
        struct giro_disk_completion completion;
        cr_assert(disk.ops->poll(disk.self, &completion, 1) == 0);
        giro_disk_faulty_advance(faulty, next_ns);
        uint32_t count = 0;
        while (disk.ops->poll(disk.self, &completion, 1) == 1) {
            cr_assert((seen_tags >> completion.tag & 1) == 0, "a tag came twice");
            seen_tags |= UINT64_C(1) << completion.tag;
            count++;
        }
        cr_assert(count > 0);
    }
    cr_assert(seen_tags == UINT64_MAX);
    disk.ops->close(disk.self, file);
    free(bytes);
    giro_disk_faulty_free(faulty);
}

Test(sys, faulty_crash_lets_writes_land_whole)
{
    const struct giro_disk_faults faults = {.latency_min_ns = 50, .latency_max_ns = 90};
    struct giro_disk_faulty *faulty = giro_disk_faulty_new(4, &faults);
    struct giro_disk disk = giro_disk_faulty_disk(faulty);
    uint32_t file = open_or_make(disk, "log", 4 * BLOCK);
    uint8_t *bytes = blocks_new(4, 1);
    /* Two more reach the disk, the others are silent. */
    giro_disk_faulty_stop_after(faulty, 2);
    for (uint32_t i = 0; i < 4; i++) {
        const struct giro_disk_write write = one_block(file, i, bytes + i * BLOCK);
        cr_assert(disk.ops->submit(disk.self, &write) == GIRO_ERR_OK);
    }
    giro_disk_faulty_crash(faulty);
    struct giro_disk_completion completions[4];
    giro_disk_faulty_advance(faulty, 1000);
    cr_assert(disk.ops->poll(disk.self, completions, 4) == 0);
    uint8_t content[4 * BLOCK];
    file = open_or_make(disk, "log", 0);
    cr_assert(disk.ops->read(disk.self, file, 0, content, sizeof content) == GIRO_ERR_OK);
    cr_assert(content[0] == 1 && content[BLOCK] == 2);
    cr_assert(content[2 * BLOCK] == 0 && content[3 * BLOCK] == 0);
    cr_assert(giro_disk_faulty_submitted(faulty) == 4);
    giro_disk_faulty_stop_after(faulty, UINT64_MAX);
    const struct giro_disk_write write = one_block(file, 3, bytes);
    cr_assert(disk.ops->submit(disk.self, &write) == GIRO_ERR_OK);
    giro_disk_faulty_advance(faulty, 2000);
    cr_assert(disk.ops->poll(disk.self, completions, 4) == 1);
    free(bytes);
    giro_disk_faulty_free(faulty);
}

static void collect(void *context, const char *name)
{
    char *names = context;
    strcat(strcat(names, name), " ");
}

Test(sys, faulty_files_have_names_sizes_and_a_capacity)
{
    const struct giro_disk_faults faults = {.capacity_bytes = 3 * BLOCK};
    struct giro_disk_faulty *faulty = giro_disk_faulty_new(1, &faults);
    struct giro_disk disk = giro_disk_faulty_disk(faulty);
    uint32_t a, b;
    uint64_t size_bytes;
    cr_assert(disk.ops->open(disk.self, "b", 0, &b, &size_bytes) == GIRO_ERR_NOENT);
    cr_assert(disk.ops->open(disk.self, "b", 2 * BLOCK, &b, &size_bytes) == GIRO_ERR_OK);
    cr_assert(size_bytes == 2 * BLOCK);
    cr_assert(disk.ops->open(disk.self, "a", 2 * BLOCK, &a, &size_bytes) == GIRO_ERR_NOSPACE);
    cr_assert(disk.ops->open(disk.self, "a", BLOCK, &a, &size_bytes) == GIRO_ERR_OK);
    cr_assert(disk.ops->open(disk.self, "../x", BLOCK, &a, &size_bytes) == GIRO_ERR_ARGUMENT);
    uint8_t byte = 1;
    cr_assert(disk.ops->read(disk.self, b, 2 * BLOCK - 1, &byte, 1) == GIRO_ERR_OK && byte == 0);
    cr_assert(disk.ops->read(disk.self, b, 2 * BLOCK, &byte, 1) == GIRO_ERR_NOENT);
    cr_assert(disk.ops->read(disk.self, b, UINT64_MAX, &byte, 1) == GIRO_ERR_NOENT);
    cr_assert(giro_disk_faulty_flip(faulty, "b", 5, 3) == GIRO_ERR_OK);
    cr_assert(disk.ops->read(disk.self, b, 5, &byte, 1) == GIRO_ERR_OK && byte == 8);
    cr_assert(giro_disk_faulty_flip(faulty, "b", 2 * BLOCK, 3) == GIRO_ERR_NOENT);
    cr_assert(giro_disk_faulty_flip(faulty, "c", 0, 3) == GIRO_ERR_NOENT);
    char names[64] = "";
    cr_assert(disk.ops->list(disk.self, collect, names) == GIRO_ERR_OK);
    cr_assert(strcmp(names, "a b ") == 0, "%s", names);
    disk.ops->close(disk.self, b);
    cr_assert(disk.ops->remove(disk.self, "b") == GIRO_ERR_OK);
    cr_assert(disk.ops->remove(disk.self, "b") == GIRO_ERR_NOENT);
    cr_assert(disk.ops->open(disk.self, "c", 2 * BLOCK, &b, &size_bytes) == GIRO_ERR_OK);
    giro_disk_faulty_free(faulty);
}

Test(sys, faulty_reports_io_errors)
{
    const struct giro_disk_faults faults = {.io_error_per_million = 500000};
    struct giro_disk_faulty *faulty = giro_disk_faulty_new(1, &faults);
    struct giro_disk disk = giro_disk_faulty_disk(faulty);
    const uint32_t file = open_or_make(disk, "log", BLOCK);
    uint8_t *bytes = blocks_new(1, 1);
    uint32_t failed = 0;
    for (uint32_t i = 0; i < 200; i++) {
        const struct giro_disk_write write = one_block(file, 0, bytes);
        struct giro_disk_completion completion;
        cr_assert(disk.ops->submit(disk.self, &write) == GIRO_ERR_OK);
        giro_disk_faulty_advance(faulty, i);
        cr_assert(disk.ops->poll(disk.self, &completion, 1) == 1);
        failed += completion.err == GIRO_ERR_IO;
    }
    cr_assert(failed > 60 && failed < 140, "%u", failed);
    free(bytes);
    giro_disk_faulty_free(faulty);
}

Test(sys, faulty_asserts_on_a_handle_from_before_a_power_loss, .signal = SIGABRT)
{
    const struct giro_disk_faults faults = {.latency_max_ns = 0};
    struct giro_disk_faulty *faulty = giro_disk_faulty_new(1, &faults);
    struct giro_disk disk = giro_disk_faulty_disk(faulty);
    const uint32_t file = open_or_make(disk, "log", BLOCK);
    giro_disk_faulty_power_loss(faulty);
    (void)open_or_make(disk, "log", 0);
    uint8_t byte;
    (void)disk.ops->read(disk.self, file, 0, &byte, 1);
}

Test(sys, faulty_asserts_on_bytes_changed_while_borrowed, .signal = SIGABRT)
{
    const struct giro_disk_faults faults = {.latency_max_ns = 0};
    struct giro_disk_faulty *faulty = giro_disk_faulty_new(1, &faults);
    struct giro_disk disk = giro_disk_faulty_disk(faulty);
    const uint32_t file = open_or_make(disk, "log", BLOCK);
    uint8_t *bytes = blocks_new(1, 1);
    const struct giro_disk_write write = one_block(file, 0, bytes);
    cr_assert(disk.ops->submit(disk.self, &write) == GIRO_ERR_OK);
    bytes[9] = 0;
    giro_disk_faulty_advance(faulty, 1);
    struct giro_disk_completion completion;
    (void)disk.ops->poll(disk.self, &completion, 1);
}

static bool is_there(struct giro_disk disk, const char *name)
{
    uint32_t file;
    uint64_t size_bytes;
    if (disk.ops->open(disk.self, name, 0, &file, &size_bytes) != GIRO_ERR_OK)
        return false;
    cr_assert(size_bytes == 2 * BLOCK);
    disk.ops->close(disk.self, file);
    return true;
}

static bool is_listed(struct giro_disk disk, const char *name)
{
    char names[64] = "";
    cr_assert(disk.ops->list(disk.self, collect, names) == GIRO_ERR_OK);
    return strstr(names, name) != NULL;
}

Test(sys, faulty_prepared_files_are_there_or_not_until_they_are_opened)
{
    uint32_t made = 0, kept[2] = {0};
    for (uint64_t seed = 0; seed < 400; seed++) {
        const struct giro_disk_faults faults = {.capacity_bytes = 4 * BLOCK};
        struct giro_disk_faulty *faulty = giro_disk_faulty_new(seed, &faults);
        struct giro_disk disk = giro_disk_faulty_disk(faulty);
        cr_assert(disk.ops->prepare(disk.self, "../x", 2 * BLOCK) == GIRO_ERR_ARGUMENT);
        cr_assert(disk.ops->prepare(disk.self, "a", 0) == GIRO_ERR_ARGUMENT);
        cr_assert(disk.ops->prepare(disk.self, "a", 2 * BLOCK) == GIRO_ERR_OK);
        cr_assert(disk.ops->prepare(disk.self, "big", 8 * BLOCK) == GIRO_ERR_OK);
        cr_assert(!is_listed(disk, "big"), "the disk is too small for it");
        if (is_listed(disk, "a")) {
            made++;
            if (seed % 4 < 2)
                giro_disk_faulty_power_loss(faulty);
            else
                giro_disk_faulty_crash(faulty);
            kept[seed % 4 / 2] += is_there(disk, "a");
        }
        /* Whatever became of it, open has it; and what was opened stays. */
        (void)open_or_make(disk, "a", 2 * BLOCK);
        giro_disk_faulty_power_loss(faulty);
        cr_assert(is_there(disk, "a"), "seed %llu", (unsigned long long)seed);
        giro_disk_faulty_free(faulty);
    }
    cr_assert(made > 270 && made < 330, "%u", made);
    for (uint32_t i = 0; i < 2; i++)
        cr_assert(kept[i] > 50 && kept[i] < 100, "%u", kept[i]);
}

Test(sys, faulty_prepare_leaves_a_file_that_is_there_alone)
{
    const struct giro_disk_faults faults = {.latency_max_ns = 0};
    struct giro_disk_faulty *faulty = giro_disk_faulty_new(1, &faults);
    struct giro_disk disk = giro_disk_faulty_disk(faulty);
    (void)open_or_make(disk, "a", 2 * BLOCK);
    cr_assert(giro_disk_faulty_flip(faulty, "a", 7, 0) == GIRO_ERR_OK);
    for (uint32_t i = 0; i < 20; i++)
        cr_assert(disk.ops->prepare(disk.self, "a", 2 * BLOCK) == GIRO_ERR_OK);
    giro_disk_faulty_power_loss(faulty);
    uint8_t byte = 0;
    const uint32_t file = open_or_make(disk, "a", 0);
    cr_assert(disk.ops->read(disk.self, file, 7, &byte, 1) == GIRO_ERR_OK && byte == 1);
    giro_disk_faulty_stop_after(faulty, 0);
    for (uint32_t i = 0; i < 20; i++)
        cr_assert(disk.ops->prepare(disk.self, "b", 2 * BLOCK) == GIRO_ERR_OK);
    cr_assert(!is_listed(disk, "b"), "the dead prepare nothing");
    giro_disk_faulty_free(faulty);
}
