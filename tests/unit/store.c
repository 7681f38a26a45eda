#include <criterion/criterion.h>
#include <stdio.h>

#include "common/store/internal.h"
#include "effort.h"
#include "store_support.h"

static uint8_t body[GIRO_LOG_BODY_BYTES_MAX];

/* Small ones mostly, a few that cross groups and segments. */
static uint32_t random_size(struct giro_prng *prng)
{
    switch (giro_prng_below(prng, 12)) {
    case 0:
        return 0;
    case 1:
        return (uint32_t)(200000 + giro_prng_below(prng, 400000));
    case 2:
        return (uint32_t)(3900 + giro_prng_below(prng, 300));
    default:
        return (uint32_t)giro_prng_below(prng, 3000);
    }
}

Test(store, everything_below_the_watermark_survives_power_loss)
{
    const uint64_t seeds = effort_size(200, 60);
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        struct store_fixture fixture;
        store_fixture_init(&fixture, seed);
        uint64_t watermark = 0;
        for (uint32_t life = 0; life < 4; life++) {
            cr_assert_eq(store_open(&fixture, watermark), GIRO_ERR_OK, "seed %lu life %u", seed,
                         life);
            cr_assert_null(fixture.wrong, "seed %lu life %u: %s", seed, life, fixture.wrong);
            cr_assert_geq(fixture.visited, watermark, "seed %lu life %u", seed, life);
            cr_assert_eq(giro_log_next_sequence(fixture.log), fixture.visited + 1);
            uint64_t steps = giro_prng_below(&fixture.prng, 120);
            for (uint64_t step = 0; step < steps; step++) {
                enum giro_err err = GIRO_ERR_OK;
                if (giro_prng_chance(&fixture.prng, 3, 5))
                    err = store_append(&fixture, random_size(&fixture.prng));
                cr_assert(err == GIRO_ERR_OK || err == GIRO_ERR_FULL);
                if (giro_prng_chance(&fixture.prng, 1, 3) || err == GIRO_ERR_FULL)
                    cr_assert_eq(giro_log_flush(fixture.log), GIRO_ERR_OK);
                if (giro_prng_chance(&fixture.prng, 1, 3) || err == GIRO_ERR_FULL) {
                    store_complete(&fixture, &err);
                    cr_assert_eq(err, GIRO_ERR_OK);
                }
                cr_assert_geq(giro_log_watermark(fixture.log), watermark);
                watermark = giro_log_watermark(fixture.log);
            }
            giro_disk_faulty_power_loss(fixture.faulty);
        }
        cr_assert_eq(store_open(&fixture, watermark), GIRO_ERR_OK, "seed %lu", seed);
        cr_assert_null(fixture.wrong, "seed %lu: %s", seed, fixture.wrong);
        store_fixture_free(&fixture);
    }
}

Test(store, a_crash_of_the_process_loses_nothing_that_was_submitted)
{
    struct store_fixture fixture;
    store_fixture_init(&fixture, 7);
    for (uint32_t life = 0; life < 5; life++) {
        cr_assert_eq(store_open(&fixture, 0), GIRO_ERR_OK);
        cr_assert_eq(fixture.visited, 10u * life);
        for (uint32_t i = 0; i < 10; i++)
            cr_assert_eq(store_append(&fixture, 100 * i), GIRO_ERR_OK);
        cr_assert_eq(giro_log_flush(fixture.log), GIRO_ERR_OK); /* the header */
        enum giro_err err;
        cr_assert(store_complete(&fixture, &err));
        cr_assert_eq(giro_log_flush(fixture.log), GIRO_ERR_OK);
        cr_assert_eq(giro_log_watermark(fixture.log), 10u * life);
        giro_disk_faulty_crash(fixture.faulty);
    }
    store_fixture_free(&fixture);
}

Test(store, segments_roll_over_and_records_are_read_again_from_disk_and_buffer)
{
    struct store_fixture fixture;
    store_fixture_init(&fixture, 11);
    for (uint32_t life = 0; life < 2; life++) {
        cr_assert_eq(store_open(&fixture, fixture.model_count), GIRO_ERR_OK);
        for (uint32_t i = 0; i < 60; i++) {
            cr_assert_eq(store_append(&fixture, 150000 + 1000 * i), GIRO_ERR_OK);
            if (i % 3 == 0)
                cr_assert_eq(store_settle(&fixture), GIRO_ERR_OK);
        }
        for (uint64_t s = 1; s <= fixture.model_count; s++) {
            const struct store_record *record = &fixture.model[s];
            static uint8_t expected[1u << 20];
            uint16_t kind;
            uint32_t size;
            enum giro_err err =
                giro_log_read(fixture.log, record->position, body, sizeof body, &kind, &size);
            cr_assert_eq(err, GIRO_ERR_OK, "sequence %lu", s);
            store_body(record, expected);
            cr_assert(kind == record->kind && size == record->body_bytes);
            cr_assert_eq(memcmp(body, expected, size), 0, "sequence %lu", s);
            cr_assert_eq(giro_log_read(fixture.log, record->position, body, size - 1, &kind, &size),
                         GIRO_ERR_FULL);
        }
        cr_assert_eq(store_settle(&fixture), GIRO_ERR_OK);
        cr_assert_eq(giro_log_watermark(fixture.log), fixture.model_count);
        giro_disk_faulty_power_loss(fixture.faulty);
    }
    cr_assert_gt(fixture.model[fixture.model_count].position.generation, 4);
    cr_assert_eq(store_open(&fixture, fixture.model_count), GIRO_ERR_OK);
    cr_assert_null(fixture.wrong);
    cr_assert_eq(fixture.visited, 120);
    store_fixture_free(&fixture);
}

/* Ten records, durable, then one bit of one of them is inverted. */
Test(store, a_flipped_bit_is_damage_below_the_promise_and_a_cut_above_it)
{
    for (uint32_t victim = 1; victim <= 10; victim++) {
        for (uint64_t promised = 0; promised <= 10; promised++) {
            struct store_fixture fixture;
            store_fixture_init(&fixture, victim);
            cr_assert_eq(store_open(&fixture, 0), GIRO_ERR_OK);
            for (uint32_t i = 0; i < 10; i++)
                cr_assert_eq(store_append(&fixture, 333), GIRO_ERR_OK);
            cr_assert_eq(store_settle(&fixture), GIRO_ERR_OK);
            giro_disk_faulty_power_loss(fixture.faulty);
            uint64_t at = fixture.model[victim].position.offset;
            uint64_t flip_at = at + giro_prng_below(&fixture.prng, 64 + 333);
            cr_assert_eq(giro_disk_faulty_flip(fixture.faulty, "log-0000000000000001", flip_at, 3),
                         0);
            enum giro_err err = store_open(&fixture, promised);
            cr_assert_null(fixture.wrong);
            cr_assert_eq(fixture.visited, victim - 1, "record %u promised %lu", victim, promised);
            cr_assert_eq(err, promised >= victim ? GIRO_ERR_DAMAGED : GIRO_ERR_OK,
                         "record %u promised %lu", victim, promised);
            if (err == GIRO_ERR_OK) {
                const struct giro_log_damage *cut = giro_log_cut(fixture.log);
                cr_assert(cut != NULL, "record %u was cut without a word", victim);
                cr_assert_eq(cut->offset, at);
                cr_assert(strcmp(cut->file, "log-0000000000000001") == 0);
            }
            store_fixture_free(&fixture);
        }
    }
}

Test(store, a_log_that_ends_in_zeros_was_not_cut)
{
    struct store_fixture fixture;
    store_fixture_init(&fixture, 3);
    cr_assert_eq(store_open(&fixture, 0), GIRO_ERR_OK);
    cr_assert(giro_log_cut(fixture.log) == NULL, "a new one");
    for (uint32_t i = 0; i < 10; i++)
        cr_assert_eq(store_append(&fixture, 333), GIRO_ERR_OK);
    cr_assert_eq(store_settle(&fixture), GIRO_ERR_OK);
    giro_disk_faulty_power_loss(fixture.faulty);
    cr_assert_eq(store_open(&fixture, 10), GIRO_ERR_OK);
    cr_assert(giro_log_cut(fixture.log) == NULL, "after a power loss of nothing");
    store_fixture_free(&fixture);
}

Test(store, damage_in_an_older_segment_is_found_without_any_promise)
{
    static const struct {
        const char *what, *file;
        uint64_t offset;
        enum giro_err err;
    } rows[] = {
        {"a record", "log-0000000000000001", 4096 + 70, GIRO_ERR_DAMAGED},
        {"the first header", "log-0000000000000001", 50, GIRO_ERR_DAMAGED},
        {"the first header's chain id", "log-0000000000000001", 9, GIRO_ERR_DAMAGED},
        {"the last header", "log-0000000000000002", 48, GIRO_ERR_DAMAGED},
        {"bytes after a header, never read", "log-0000000000000002", 2000, GIRO_ERR_OK},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct store_fixture fixture;
        store_fixture_init(&fixture, 5);
        for (uint32_t life = 0; life < 2; life++) {
            cr_assert_eq(store_open(&fixture, 0), GIRO_ERR_OK);
            cr_assert_eq(store_append(&fixture, 1000), GIRO_ERR_OK);
            cr_assert_eq(store_settle(&fixture), GIRO_ERR_OK);
            giro_disk_faulty_power_loss(fixture.faulty);
        }
        cr_assert_eq(giro_disk_faulty_flip(fixture.faulty, rows[i].file, rows[i].offset, 0), 0);
        cr_assert_eq(store_open(&fixture, 0), rows[i].err, "%s", rows[i].what);
        struct giro_log_damage damage;
        fixture.visited = 0;
        enum giro_err err = giro_log_scan(&fixture.disk, &fixture.options.chain_id, 1, store_visit,
                                          &fixture, &damage);
        cr_assert_eq(err, rows[i].err, "%s", rows[i].what);
        if (err != GIRO_ERR_OK)
            cr_assert(strcmp(damage.file, rows[i].file) == 0 && damage.sentence[0] != 0, "%s",
                      rows[i].what);
        store_fixture_free(&fixture);
    }
}

Test(store, missing_segments_and_foreign_logs_are_refused)
{
    struct store_fixture fixture;
    store_fixture_init(&fixture, 6);
    for (uint32_t life = 0; life < 3; life++) {
        cr_assert_eq(store_open(&fixture, life), GIRO_ERR_OK);
        cr_assert_eq(store_append(&fixture, 10), GIRO_ERR_OK);
        cr_assert_eq(store_settle(&fixture), GIRO_ERR_OK);
        giro_disk_faulty_power_loss(fixture.faulty);
    }
    fixture.options.replica = 4;
    cr_assert_eq(store_open(&fixture, 0), GIRO_ERR_CHAIN, "another replica");
    fixture.options.replica = 3;
    fixture.options.chain_id.bytes[0] ^= 1;
    cr_assert_eq(store_open(&fixture, 0), GIRO_ERR_CHAIN, "another chain");
    fixture.options.chain_id.bytes[0] ^= 1;
    giro_disk_faulty_power_loss(fixture.faulty);
    cr_assert_eq(fixture.disk.ops->remove(fixture.disk.self, "log-0000000000000002"), GIRO_ERR_OK);
    cr_assert_eq(store_open(&fixture, 0), GIRO_ERR_DAMAGED, "a hole");
    giro_disk_faulty_power_loss(fixture.faulty);
    cr_assert_eq(fixture.disk.ops->remove(fixture.disk.self, "log-0000000000000001"), GIRO_ERR_OK);
    cr_assert_eq(store_open(&fixture, 0), GIRO_ERR_DAMAGED, "the beginning");
    store_fixture_free(&fixture);
}

Test(store, a_write_error_is_final)
{
    struct store_fixture fixture;
    store_fixture_init(&fixture, 8);
    cr_assert_eq(store_open(&fixture, 0), GIRO_ERR_OK);
    cr_assert_eq(store_append(&fixture, 10), GIRO_ERR_OK);
    cr_assert_eq(store_settle(&fixture), GIRO_ERR_OK);
    struct giro_disk_faults faults = {.io_error_per_million = 1000000};
    giro_disk_faulty_set_faults(fixture.faulty, &faults);
    cr_assert_eq(store_append(&fixture, 10), GIRO_ERR_OK);
    cr_assert_eq(store_settle(&fixture), GIRO_ERR_IO);
    faults.io_error_per_million = 0;
    giro_disk_faulty_set_faults(fixture.faulty, &faults);
    cr_assert_eq(store_append(&fixture, 10), GIRO_ERR_IO);
    cr_assert_eq(giro_log_flush(fixture.log), GIRO_ERR_IO);
    cr_assert_eq(giro_log_watermark(fixture.log), 1);
    cr_assert_eq(giro_log_room(fixture.log), 0);
    store_fixture_free(&fixture);
}

Test(store, a_full_disk_stops_the_log)
{
    struct store_fixture fixture;
    store_fixture_init(&fixture, 9);
    struct giro_disk_faults faults = {.capacity_bytes = 6u << 20};
    giro_disk_faulty_set_faults(fixture.faulty, &faults);
    cr_assert_eq(store_open(&fixture, 0), GIRO_ERR_OK);
    enum giro_err err = GIRO_ERR_OK;
    for (uint32_t i = 0; i < 20 && err == GIRO_ERR_OK; i++) {
        cr_assert_eq(store_append(&fixture, 400000), GIRO_ERR_OK);
        err = store_settle(&fixture);
    }
    cr_assert_eq(err, GIRO_ERR_NOSPACE);
    cr_assert_eq(giro_log_flush(fixture.log), GIRO_ERR_IO);
    uint64_t watermark = giro_log_watermark(fixture.log);
    giro_disk_faulty_power_loss(fixture.faulty);
    cr_assert_eq(store_open(&fixture, watermark), GIRO_ERR_OK);
    store_fixture_free(&fixture);
}

Test(store, a_full_buffer_refuses_and_changes_nothing)
{
    struct store_fixture fixture;
    store_fixture_init(&fixture, 10);
    cr_assert_eq(store_open(&fixture, 0), GIRO_ERR_OK);
    for (uint32_t round = 0; round < 5; round++) {
        enum giro_err err;
        do {
            uint64_t room = giro_log_room(fixture.log);
            err = store_append(&fixture, 99000);
            cr_assert_eq(err == GIRO_ERR_OK, room >= 64 + 99000, "room %lu", room);
        } while (err == GIRO_ERR_OK);
        cr_assert_eq(err, GIRO_ERR_FULL);
        uint64_t next = giro_log_next_sequence(fixture.log);
        cr_assert_eq(store_append(&fixture, 99000), GIRO_ERR_FULL);
        cr_assert_eq(giro_log_next_sequence(fixture.log), next);
        cr_assert_eq(store_settle(&fixture), GIRO_ERR_OK);
        cr_assert_eq(giro_log_watermark(fixture.log), next - 1);
    }
    cr_assert_eq(store_append(&fixture, GIRO_LOG_BODY_BYTES_MAX), GIRO_ERR_OK);
    cr_assert_eq(store_settle(&fixture), GIRO_ERR_OK);
    giro_disk_faulty_power_loss(fixture.faulty);
    cr_assert_eq(store_open(&fixture, fixture.model_count), GIRO_ERR_OK);
    cr_assert_null(fixture.wrong);
    store_fixture_free(&fixture);
}

Test(store, death_at_every_write_boundary_leaves_a_log_that_opens)
{
    for (uint64_t boundary = 0; boundary < 40; boundary++) {
        for (uint32_t crash = 0; crash < 2; crash++) {
            struct store_fixture fixture;
            store_fixture_init(&fixture, boundary);
            cr_assert_eq(store_open(&fixture, 0), GIRO_ERR_OK);
            giro_disk_faulty_stop_after(fixture.faulty, boundary);
            for (uint32_t i = 0; i < 20; i++) {
                if (store_append(&fixture, 300000) != GIRO_ERR_OK)
                    break;
                cr_assert_eq(store_settle(&fixture), GIRO_ERR_OK);
            }
            uint64_t watermark = giro_log_watermark(fixture.log);
            giro_disk_faulty_stop_after(fixture.faulty, UINT64_MAX);
            if (crash)
                giro_disk_faulty_crash(fixture.faulty);
            else
                giro_disk_faulty_power_loss(fixture.faulty);
            for (uint32_t life = 0; life < 2; life++) {
                cr_assert_eq(store_open(&fixture, watermark), GIRO_ERR_OK, "boundary %lu",
                             boundary);
                cr_assert_null(fixture.wrong, "boundary %lu: %s", boundary, fixture.wrong);
                cr_assert_eq(store_append(&fixture, 5), GIRO_ERR_OK);
                cr_assert_eq(store_settle(&fixture), GIRO_ERR_OK);
                watermark = giro_log_watermark(fixture.log);
                cr_assert_eq(watermark, fixture.model_count);
                giro_disk_faulty_power_loss(fixture.faulty);
            }
            store_fixture_free(&fixture);
        }
    }
}

/* ---- Prepared segments ---------------------------------------------------------------------------- */

struct log_files {
    uint32_t count;
    char last[GIRO_DISK_NAME_BYTES];
};

static void count_file(void *context, const char *name)
{
    struct log_files *files = context;
    files->count++;
    snprintf(files->last, sizeof files->last, "%s", name);
}

static struct log_files log_files(struct store_fixture *fixture)
{
    struct log_files files = {0};
    cr_assert_eq(fixture->disk.ops->list(fixture->disk.self, count_file, &files), GIRO_ERR_OK);
    return files;
}

static void write_one(struct store_fixture *fixture)
{
    cr_assert_eq(store_append(fixture, 100), GIRO_ERR_OK);
    cr_assert_eq(store_settle(fixture), GIRO_ERR_OK);
}

static enum giro_err scan(struct store_fixture *fixture)
{
    struct giro_log_damage damage;
    fixture->visited = 0;
    fixture->wrong = NULL;
    return giro_log_scan(&fixture->disk, &fixture->options.chain_id, 1, store_visit, fixture,
                         &damage);
}

Test(store, an_idle_log_makes_no_file_at_a_restart)
{
    for (uint64_t seed = 0; seed < 8; seed++) {
        struct store_fixture fixture;
        store_fixture_init(&fixture, seed);
        for (uint32_t start = 0; start < 30; start++) {
            cr_assert_eq(store_open(&fixture, 0), GIRO_ERR_OK);
            cr_assert_eq(log_files(&fixture).count, 1, "start %u", start);
            giro_disk_faulty_power_loss(fixture.faulty);
        }
        uint32_t used = 1;
        cr_assert_eq(store_open(&fixture, 0), GIRO_ERR_OK);
        write_one(&fixture);
        for (uint32_t start = 0; start < 30; start++) {
            giro_disk_faulty_crash(fixture.faulty);
            cr_assert_eq(store_open(&fixture, fixture.model_count), GIRO_ERR_OK);
            cr_assert_eq(log_files(&fixture).count, used + 1, "seed %lu start %u", seed, start);
            cr_assert_eq(scan(&fixture), GIRO_ERR_OK);
            if (start % 10 == 9) {
                write_one(&fixture);
                used++;
            }
        }
        cr_assert_null(fixture.wrong);
        store_fixture_free(&fixture);
    }
}

/* A disk that counts the files it had to make while its caller waited. */
static const struct giro_disk_ops *counted_ops;
static uint32_t counted_made;

static enum giro_err counted_open(void *self, const char *name, uint64_t create_bytes,
                                  uint32_t *file, uint64_t *size_bytes)
{
    if (counted_ops->open(self, name, 0, file, size_bytes) == GIRO_ERR_OK)
        return GIRO_ERR_OK;
    counted_made++;
    return counted_ops->open(self, name, create_bytes, file, size_bytes);
}

static enum giro_err counted_prepare(void *self, const char *name, uint64_t create_bytes)
{
    uint32_t file;
    uint64_t size_bytes;
    GIRO_TRY(counted_ops->open(self, name, create_bytes, &file, &size_bytes));
    counted_ops->close(self, file);
    return GIRO_ERR_OK;
}

Test(store, no_append_waits_for_a_file_to_be_made)
{
    struct store_fixture fixture;
    store_fixture_init(&fixture, 3);
    struct giro_disk_ops ops = *(counted_ops = fixture.disk.ops);
    ops.open = counted_open;
    ops.prepare = counted_prepare;
    fixture.disk.ops = &ops;
    cr_assert_eq(store_open(&fixture, 0), GIRO_ERR_OK);
    cr_assert_eq(counted_made, 1, "at open");
    for (uint32_t i = 0; i < 60; i++) {
        cr_assert_eq(store_append(&fixture, 300000), GIRO_ERR_OK);
        cr_assert_eq(store_settle(&fixture), GIRO_ERR_OK);
    }
    cr_assert_geq(fixture.model[fixture.model_count].position.generation, 4);
    cr_assert_eq(counted_made, 1, "in use");
    cr_assert_eq(store_open(&fixture, fixture.model_count), GIRO_ERR_OK);
    cr_assert_null(fixture.wrong);
    cr_assert_eq(counted_made, 1, "the prepared one is used");
    ops.prepare = NULL; /* a disk that prepares nothing */
    for (uint32_t i = 0; i < 20; i++) {
        cr_assert_eq(store_append(&fixture, 300000), GIRO_ERR_OK);
        cr_assert_eq(store_settle(&fixture), GIRO_ERR_OK);
    }
    cr_assert_eq(counted_made, 2, "at the rollover");
    store_fixture_free(&fixture);
}

/* What a death can leave behind the last record, made by hand: a file of segment 2. */
Test(store, a_last_segment_without_records_is_accepted)
{
    static const struct {
        const char *what;
        uint64_t size_bytes, byte_at; /* byte_at: of a byte that is not zero */
        enum giro_err err;
        uint64_t generation; /* of the next record */
        uint32_t files;
    } rows[] = {
        {"prepared only", 4u << 20, 0, GIRO_ERR_OK, 2, 2},
        {"another size", 5u << 20, 0, GIRO_ERR_OK, 2, 2},
        {"no block", 4096, 0, GIRO_ERR_OK, 2, 2},
        {"a torn header", 4u << 20, 40, GIRO_ERR_OK, 2, 2},
        {"no header, and a record", 4u << 20, 4096 + 5, GIRO_ERR_DAMAGED, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct store_fixture fixture;
        store_fixture_init(&fixture, 1000 + i);
        const char *name = "log-0000000000000002";
        struct giro_disk *disk = &fixture.disk;
        cr_assert_eq(store_open(&fixture, 0), GIRO_ERR_OK);
        write_one(&fixture);
        giro_disk_faulty_crash(fixture.faulty);
        (void)disk->ops->remove(disk->self, name);
        uint32_t file;
        uint64_t size_bytes;
        cr_assert_eq(disk->ops->open(disk->self, name, rows[i].size_bytes, &file, &size_bytes), 0);
        disk->ops->close(disk->self, file);
        if (rows[i].byte_at != 0)
            cr_assert_eq(giro_disk_faulty_flip(fixture.faulty, name, rows[i].byte_at, 2), 0);
        cr_assert_eq(scan(&fixture), rows[i].err, "%s", rows[i].what);
        enum giro_err err = store_open(&fixture, 1);
        cr_assert_eq(err, rows[i].err, "%s", rows[i].what);
        if (err == GIRO_ERR_OK) {
            cr_assert(fixture.wrong == NULL && fixture.visited == 1, "%s", rows[i].what);
            cr_assert_eq(log_files(&fixture).count, rows[i].files, "%s", rows[i].what);
            write_one(&fixture);
            cr_assert_eq(fixture.model[2].position.generation, rows[i].generation, "%s",
                         rows[i].what);
            giro_disk_faulty_crash(fixture.faulty);
            cr_assert_eq(store_open(&fixture, 2), GIRO_ERR_OK, "%s", rows[i].what);
            cr_assert_null(fixture.wrong, "%s", rows[i].what);
        }
        store_fixture_free(&fixture);
    }
}

/* Death at every write of a log that rolls over, then at every write of the next life: at most one file is blank. */
Test(store, death_at_every_write_boundary_accumulates_no_prepared_segment)
{
    for (uint64_t boundary = 0; boundary < 22; boundary++) {
        for (uint64_t seed = 0; seed < 2; seed++) {
            struct store_fixture fixture;
            store_fixture_init(&fixture, 100 * boundary + seed);
            uint64_t watermark = 0;
            for (uint64_t life = 0; life < 3; life++) {
                cr_assert_eq(store_open(&fixture, watermark), GIRO_ERR_OK, "boundary %lu seed %lu",
                             boundary, seed);
                cr_assert_null(fixture.wrong, "boundary %lu seed %lu: %s", boundary, seed,
                               fixture.wrong);
                uint64_t last = 0;
                struct log_files files = log_files(&fixture);
                cr_assert_eq(sscanf(files.last, "log-%lx", &last), 1);
                cr_assert_eq(files.count, last, "boundary %lu seed %lu: a hole or a leftover",
                             boundary, seed);
                cr_assert_leq(last, 1 + 4 * life, "boundary %lu seed %lu", boundary, seed);
                cr_assert_eq(scan(&fixture), GIRO_ERR_OK);
                giro_disk_faulty_stop_after(fixture.faulty, life == 0 ? boundary : life);
                for (uint32_t i = 0; i < 16; i++) {
                    if (store_append(&fixture, 600000) != GIRO_ERR_OK)
                        break;
                    cr_assert_eq(store_settle(&fixture), GIRO_ERR_OK);
                }
                watermark = giro_log_watermark(fixture.log);
                giro_disk_faulty_stop_after(fixture.faulty, UINT64_MAX);
                if (seed % 2 == 0)
                    giro_disk_faulty_crash(fixture.faulty);
                else
                    giro_disk_faulty_power_loss(fixture.faulty);
            }
            store_fixture_free(&fixture);
        }
    }
}

Test(store, options_out_of_range_have_no_footprint)
{
    struct store_fixture fixture;
    store_fixture_init(&fixture, 1);
    struct giro_log_options bad = fixture.options;
    bad.segment_bytes = (4u << 20) + 4096;
    cr_assert_eq(giro_log_footprint(&bad), 0);
    bad = fixture.options;
    bad.buffer_bytes = (2u << 20) + 512;
    cr_assert_eq(giro_log_footprint(&bad), 0);
    bad = fixture.options;
    bad.inflight_max = 17;
    cr_assert_eq(giro_log_footprint(&bad), 0);
    store_fixture_free(&fixture);
}

/* A digest lives on the stack: what lay there before must not matter, not even the same seed with another secret. */
Test(store, a_checksum_does_not_depend_on_what_was_in_its_memory)
{
    struct giro_log_record_header header = {.magic = GIRO_MAGIC, .body_bytes = 1000};
    uint64_t seed = UINT64_C(0x5e5e5e5e5e5e5e5e);
    uint8_t checksums[2][16];
    memset(body, 9, 1000);
    for (uint32_t i = 0; i < 2; i++) {
        struct giro_log_digest digest;
        memset(&digest, i == 0 ? 0 : 0x5e, sizeof digest);
        giro_log_digest_begin(&digest, seed, &header);
        giro_log_digest_update(&digest, body, 1000);
        giro_log_digest_end(&digest, checksums[i]);
    }
    cr_assert_eq(memcmp(checksums[0], checksums[1], 16), 0);
}
