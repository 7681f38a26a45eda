/* The keys of a hub in one process: which get tables, of what width; files that replicas share, whole, damaged or forged; tables
 * that change under the process. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

#include <criterion/criterion.h>

#include "common/crypto/internal.h"
#include "giro/keys.h"
#include "unit/genesis_support.h"
#include "unit/sys_support.h"

TestSuite(keys, .init = genesis_suite_open, .fini = genesis_suite_close);

#define REPLICAS     4u
#define MEMBERS      3u
#define TABLES       (2 * REPLICAS + 2 + 2 * MEMBERS)
#define TABLE_BYTES  73728u /* 4 bits */
#define HEADER_BYTES 4096u
#define FILE_BYTES   (HEADER_BYTES + TABLE_BYTES)
#define LIMIT        (TABLES * (uint64_t)TABLE_BYTES) /* for 4 bits and no more */

static struct giro_genesis genesis;

static enum giro_err keys_try(const char *path, uint64_t tables_bytes, uint32_t spare_count,
                              struct giro_keys **keys, struct giro_diagnosis *diagnosis)
{
    const struct giro_keys_options options = {.genesis = &genesis,
                                              .tables_path = path,
                                              .tables_bytes = tables_bytes,
                                              .spare_count = spare_count};
    *diagnosis = (struct giro_diagnosis){.fact = ""};
    return giro_keys_open(&options, keys, diagnosis);
}

static struct giro_keys *keys_open(const char *path)
{
    struct giro_keys *keys = NULL;
    struct giro_diagnosis diagnosis;
    cr_assert(keys_try(path, LIMIT, 0, &keys, &diagnosis) == GIRO_ERR_OK, "%s: %s", diagnosis.fact,
              diagnosis.detail);
    return keys;
}

/* The key that genesis_make gave owner and role. */
static struct giro_secret_key *secret_of(const char *owner, const char *role)
{
    char text[64];
    snprintf(text, sizeof(text), "%s/%s/1", owner, role);
    const struct giro_hash hash = giro_sha256(text, strlen(text));
    return giro_key_from_seed(hash.bytes);
}

static bool verifies(const struct giro_keys *keys, struct giro_key_handle handle,
                     const struct giro_secret_key *secret)
{
    const struct giro_signature signature = giro_sign(secret, "giro", 4);
    struct giro_verify_item items[9];
    uint8_t verdicts[9];
    for (uint32_t i = 0; i < 9; i++)
        items[i] = (struct giro_verify_item){handle, (const uint8_t *)"giro", 4, signature.bytes};
    const uint32_t valid = giro_verify_batch(giro_keys_ring(keys), items, 9, verdicts);
    cr_assert(valid == 0 || valid == 9);
    return valid == 9;
}

static void all_verify(const struct giro_keys *keys)
{
    static const char *const roles[] = {"vote", "batch", "transport"};
    for (uint32_t i = 0; i < REPLICAS; i++) {
        const struct giro_genesis_replica *replica = &genesis.replicas[i];
        const struct giro_key_handle handles[] = {replica->vote.handle, replica->batch.handle,
                                                  replica->transport.handle};
        for (uint32_t role = 0; role < 3; role++) {
            struct giro_secret_key *secret = secret_of(replica->name, roles[role]);
            cr_assert(verifies(keys, handles[role], secret), "%s %s", replica->name, roles[role]);
            cr_assert(!verifies(keys, handles[(role + 1) % 3], secret));
            giro_key_free(secret);
        }
    }
    for (uint32_t i = 0; i < MEMBERS; i++) {
        struct giro_secret_key *secret = secret_of(genesis.members[i].bic, "frame");
        cr_assert(verifies(keys, genesis.members[i].frame_keys[0].handle, secret));
        cr_assert(!verifies(keys, genesis.members[i].session.handle, secret));
        giro_key_free(secret);
    }
}

static const void *table_of(const struct giro_keys *keys, struct giro_key_handle handle)
{
    return giro_key_slot_table(giro_key_ring_slot(giro_keys_ring(keys), handle));
}

Test(keys, those_that_sign_get_tables_as_wide_as_the_limit_allows)
{
    static const struct {
        uint64_t tables_bytes;
        uint32_t width;
    } rows[] = {{TABLES * UINT64_C(528384), 8},
                {TABLES * UINT64_C(528384) - 1, 6},
                {TABLES * UINT64_C(181632), 6},
                {TABLES * UINT64_C(181632) - 1, 4},
                {LIMIT, 4},
                {LIMIT - 1, 0},
                {0, 0}};
    genesis_make(&genesis, REPLICAS, MEMBERS, 2);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct giro_keys *keys = NULL;
        struct giro_diagnosis diagnosis;
        cr_assert(keys_try(NULL, rows[i].tables_bytes, 0, &keys, &diagnosis) == GIRO_ERR_OK);
        const struct giro_keys_report report = giro_keys_report(keys);
        const uint32_t tables = rows[i].width == 0 ? 0 : TABLES;
        cr_assert(report.table_width == rows[i].width, "row %zu: %u", i, report.table_width);
        cr_assert(report.key_count == giro_genesis_key_count(&genesis));
        cr_assert(report.table_count == tables && report.built == tables && report.mapped == 0);
        cr_assert(report.tables_bytes <= rows[i].tables_bytes);
        cr_assert((table_of(keys, genesis.replicas[1].vote.handle) != NULL) == (tables != 0));
        cr_assert(table_of(keys, genesis.replicas[1].transport.handle) == NULL);
        cr_assert(table_of(keys, genesis.members[1].session.handle) == NULL);
        all_verify(keys);
        giro_keys_close(keys);
    }
    giro_genesis_free(&genesis);
}

Test(keys, a_refused_key_is_named)
{
    genesis_make(&genesis, REPLICAS, MEMBERS, 2);
    genesis.members[1].frame_keys[0].possession.bytes[3] ^= 1;
    struct giro_keys *keys = NULL;
    struct giro_diagnosis diagnosis;
    cr_assert(keys_try(NULL, LIMIT, 0, &keys, &diagnosis) == GIRO_ERR_SIGNATURE && keys == NULL);
    cr_assert(strstr(diagnosis.fact, "possession") != NULL, "%s", diagnosis.fact);
    giro_genesis_free(&genesis);
}

/* ---- Files ---- */

static uint32_t files_in(const char *path, const char *end)
{
    DIR *list = opendir(path);
    cr_assert(list != NULL);
    uint32_t count = 0;
    for (const struct dirent *entry = readdir(list); entry != NULL; entry = readdir(list)) {
        const size_t length = strlen(entry->d_name);
        count += length > strlen(end) && strcmp(entry->d_name + length - strlen(end), end) == 0;
    }
    closedir(list);
    return count;
}

static void path_of(const char *directory, const struct giro_public_key *key, char path[512])
{
    char hex[2 * GIRO_KEY_BYTES + 1];
    giro_hex_format(key->bytes, GIRO_KEY_BYTES, hex);
    snprintf(path, 512, "%s/%s-4.comb", directory, hex);
}

static void bytes_read(const char *path, uint8_t bytes[FILE_BYTES])
{
    const int fd = open(path, O_RDONLY);
    cr_assert(fd >= 0 && read(fd, bytes, FILE_BYTES) == FILE_BYTES, "%s", path);
    close(fd);
}

static void bytes_write(const char *path, const uint8_t *bytes, size_t size_bytes)
{
    unlink(path);
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    cr_assert(fd >= 0 && write(fd, bytes, size_bytes) == (ssize_t)size_bytes, "%s", path);
    close(fd);
}

Test(keys, a_second_process_maps_what_the_first_one_built)
{
    char scratch[256], directory[300];
    scratch_make(scratch);
    snprintf(directory, sizeof(directory), "%s/a/tables", scratch);
    genesis_make(&genesis, REPLICAS, MEMBERS, 2);
    struct giro_keys *first = keys_open(directory);
    struct giro_keys_report report = giro_keys_report(first);
    cr_assert(report.built == TABLES && report.mapped == TABLES && report.refused == 0);
    struct stat status;
    char path[512];
    cr_assert(stat(directory, &status) == 0 && (status.st_mode & 07777) == 0700);
    path_of(directory, &genesis.replicas[2].vote.key, path);
    cr_assert(stat(path, &status) == 0 && (status.st_mode & 07777) == 0600);
    cr_assert(status.st_size == FILE_BYTES);
    cr_assert(files_in(directory, ".comb") == TABLES && files_in(directory, ".tmp") == 0);
    all_verify(first);
    struct giro_keys *second = keys_open(directory);
    report = giro_keys_report(second);
    cr_assert(report.built == 0 && report.mapped == TABLES && report.refused == 0);
    all_verify(second);
    giro_keys_close(first);
    all_verify(second);
    giro_keys_close(second);
    giro_genesis_free(&genesis);
    scratch_remove(scratch);
}

/* The layout of README.md. */
static void header_seal(uint8_t *bytes)
{
    const uint64_t table = XXH3_64bits(bytes + HEADER_BYTES, TABLE_BYTES);
    memcpy(bytes + 56, &table, 8);
    const uint64_t header = XXH3_64bits(bytes, 64);
    memcpy(bytes + 64, &header, 8);
}

enum damage {
    SHORT,
    EMPTY,
    LONG,
    TABLE_BIT,
    LAST_BIT,
    HEADER_BIT,
    PADDING_BIT,
    OTHER_KEY,
    OTHER_WIDTH,
    OTHER_VERSION,
    FORGED,
    FORGED_LIMBS,
    READABLE,
    LINK,
    FOLDER,
    DAMAGES
};

/* Damages the file at path; other holds the file of another key. */
static void damage_do(enum damage damage, const char *path, const uint8_t *other, uint32_t round)
{
    static uint8_t bytes[FILE_BYTES + 1];
    bytes_read(path, bytes);
    size_t size_bytes = FILE_BYTES;
    char kept[520];
    switch (damage) {
    case SHORT:
        size_bytes -= 1 + round * 4096;
        break;
    case EMPTY:
        size_bytes = 0;
        break;
    case LONG:
        size_bytes++;
        break;
    case TABLE_BIT:
        bytes[HEADER_BYTES + 1 + round * 31337 % TABLE_BYTES] ^= 0x10;
        break;
    case LAST_BIT:
        bytes[FILE_BYTES - 1] ^= 0x80;
        break;
    case HEADER_BIT:
        bytes[round * 7 % 72] ^= 1;
        break;
    case PADDING_BIT:
        bytes[72 + round * 501] ^= 1;
        break;
    case OTHER_KEY:
        memcpy(bytes, other, FILE_BYTES);
        break;
    case OTHER_WIDTH:
        bytes[12] = 6;
        header_seal(bytes);
        break;
    case OTHER_VERSION:
        bytes[8]++;
        header_seal(bytes);
        break;
    case FORGED: /* another key's table under this key's header, with digests that fit */
        memcpy(bytes + HEADER_BYTES, other + HEADER_BYTES, TABLE_BYTES);
        header_seal(bytes);
        break;
    case FORGED_LIMBS: /* and one whose limbs would break the arithmetic's bounds */
        memset(bytes + HEADER_BYTES, 0xff, TABLE_BYTES);
        header_seal(bytes);
        break;
    case READABLE:
        cr_assert(chmod(path, 0640) == 0);
        return;
    case LINK:
        snprintf(kept, sizeof(kept), "%s.kept", path);
        cr_assert(rename(path, kept) == 0 && symlink(kept, path) == 0);
        return;
    case FOLDER:
        cr_assert(unlink(path) == 0 && mkdir(path, 0700) == 0);
        return;
    case DAMAGES:
        break;
    }
    bytes_write(path, bytes, size_bytes);
}

Test(keys, a_damaged_foreign_or_forged_file_is_never_used)
{
    char directory[256], path[512], other_path[512];
    static uint8_t other[FILE_BYTES];
    scratch_make(directory);
    genesis_make(&genesis, REPLICAS, MEMBERS, 2);
    giro_keys_close(keys_open(directory));
    path_of(directory, &genesis.replicas[2].vote.key, path);
    path_of(directory, &genesis.replicas[1].vote.key, other_path);
    bytes_read(other_path, other);
    for (enum damage damage = SHORT; damage < DAMAGES; damage++) {
        for (uint32_t round = 0; round < 3; round++) {
            damage_do(damage, path, other, round);
            struct giro_keys *keys = keys_open(directory);
            struct giro_keys_report report = giro_keys_report(keys);
            cr_assert(report.built == 1 && report.refused == 1, "damage %d: %u %u", damage,
                      report.built, report.refused);
            /* A folder of that name cannot be replaced by a file: that table is private. */
            const bool shared = damage != FOLDER;
            cr_assert(report.mapped == TABLES - !shared, "damage %d", damage);
            all_verify(keys);
            giro_keys_close(keys);
            if (!shared)
                cr_assert(rmdir(path) == 0);
            keys = keys_open(directory);
            report = giro_keys_report(keys);
            cr_assert(report.built == !shared && report.mapped == TABLES, "damage %d", damage);
            giro_keys_close(keys);
        }
    }
    giro_genesis_free(&genesis);
    scratch_remove(directory);
}

Test(keys, a_directory_that_others_may_write_to_is_refused)
{
    char directory[256];
    scratch_make(directory);
    genesis_make(&genesis, REPLICAS, MEMBERS, 2);
    struct giro_keys *keys = NULL;
    struct giro_diagnosis diagnosis;
    cr_assert(chmod(directory, 0770) == 0);
    cr_assert(keys_try(directory, LIMIT, 0, &keys, &diagnosis) == GIRO_ERR_CONFIG);
    cr_assert(strstr(diagnosis.detail, "could forge") != NULL && strstr(diagnosis.fact, directory),
              "%s: %s", diagnosis.fact, diagnosis.detail);
    cr_assert(chmod(directory, 0755) == 0);
    giro_keys_close(keys_open(directory));
    if (geteuid() == 0) {
        cr_assert(chown(directory, 12345, 12345) == 0);
        cr_assert(keys_try(directory, LIMIT, 0, &keys, &diagnosis) == GIRO_ERR_CONFIG);
        cr_assert(strstr(diagnosis.detail, "another user") != NULL, "%s", diagnosis.detail);
        cr_assert(chown(directory, 0, 0) == 0);
        char path[512];
        path_of(directory, &genesis.replicas[2].vote.key, path);
        cr_assert(chown(path, 12345, 12345) == 0);
        keys = keys_open(directory);
        cr_assert(giro_keys_report(keys).refused == 1 && giro_keys_report(keys).built == 1);
        giro_keys_close(keys);
    } else {
        fprintf(stderr, "SKIPPED: only root can give a directory to another user\n");
    }
    char file[300];
    scratch_write(directory, "file", "not a directory");
    snprintf(file, sizeof(file), "%s/file", directory);
    cr_assert(keys_try(file, LIMIT, 0, &keys, &diagnosis) == GIRO_ERR_CONFIG);
    giro_genesis_free(&genesis);
    scratch_remove(directory);
}

/* A child's exit code: how many tables it built. */
static pid_t child_start(const char *directory)
{
    const pid_t child = fork();
    cr_assert(child >= 0);
    if (child != 0)
        return child;
    struct giro_keys *keys = NULL;
    struct giro_diagnosis diagnosis;
    if (keys_try(directory, LIMIT, 0, &keys, &diagnosis) != GIRO_ERR_OK)
        _exit(255);
    const struct giro_keys_report report = giro_keys_report(keys);
    _exit(report.mapped == TABLES && report.refused == 0 ? (int)report.built : 254);
}

Test(keys, processes_that_start_together_build_each_table_once)
{
    char directory[256], left[300];
    scratch_make(directory);
    genesis_make(&genesis, REPLICAS, MEMBERS, 2);
    scratch_write(directory, "dead.123.tmp", "half of a table");
    pid_t children[4];
    for (uint32_t i = 0; i < 4; i++)
        children[i] = child_start(directory);
    uint32_t built = 0;
    for (uint32_t i = 0; i < 4; i++) {
        int status = 0;
        cr_assert(waitpid(children[i], &status, 0) == children[i] && WIFEXITED(status));
        cr_assert(WEXITSTATUS(status) <= TABLES, "child %u: %d", i, WEXITSTATUS(status));
        built += (uint32_t)WEXITSTATUS(status);
    }
    cr_assert(built == TABLES, "%u", built);
    cr_assert(files_in(directory, ".comb") == TABLES && files_in(directory, ".tmp") == 0);
    snprintf(left, sizeof(left), "%s/dead.123.tmp", directory);
    cr_assert(access(left, F_OK) != 0);
    giro_genesis_free(&genesis);
    scratch_remove(directory);
}

/* ---- Scrubbing ---- */

static enum giro_err scrub_all(struct giro_keys *keys, struct giro_diagnosis *diagnosis)
{
    const uint64_t begin = giro_keys_report(keys).scrubbed_bytes;
    enum giro_err err = GIRO_ERR_OK;
    while (err == GIRO_ERR_OK && giro_keys_report(keys).scrubbed_bytes < begin + LIMIT)
        err = giro_keys_scrub(keys, 50000, diagnosis);
    return err;
}

Test(keys, scrubbing_reads_every_table_in_slices_and_finds_a_flipped_bit)
{
    genesis_make(&genesis, REPLICAS, MEMBERS, 2);
    struct giro_keys *keys = keys_open(NULL);
    struct giro_diagnosis diagnosis = {.fact = ""};
    cr_assert(giro_keys_scrub(keys, 100, &diagnosis) == GIRO_ERR_OK);
    cr_assert(giro_keys_report(keys).scrubbed_bytes == 128);
    for (uint32_t round = 0; round < 3; round++)
        cr_assert(scrub_all(keys, &diagnosis) == GIRO_ERR_OK);
    cr_assert(giro_keys_scrub(keys, 3 * LIMIT, &diagnosis) == GIRO_ERR_OK);
    /* The first and the last byte of the first and the last table, and one between. */
    const struct giro_key_handle handles[] = {genesis.replicas[0].vote.handle,
                                              genesis.members[MEMBERS - 1].frame_keys[1].handle,
                                              genesis.members[0].frame_keys[0].handle};
    for (uint32_t i = 0; i < 3; i++) {
        uint8_t *table = (uint8_t *)(uintptr_t)table_of(keys, handles[i]);
        uint8_t *at = table + (i == 0 ? 0 : i == 1 ? TABLE_BYTES - 1 : 31337);
        *at ^= 4;
        cr_assert(scrub_all(keys, &diagnosis) == GIRO_ERR_MEMORY, "table %u", i);
        cr_assert(strstr(diagnosis.fact, "has changed") != NULL);
        *at ^= 4;
        cr_assert(giro_keys_scrub(keys, 2 * LIMIT, &diagnosis) == GIRO_ERR_OK);
    }
    giro_keys_close(keys);
    giro_genesis_free(&genesis);
}

Test(keys, scrubbing_finds_a_changed_file)
{
    char directory[256], path[512];
    scratch_make(directory);
    genesis_make(&genesis, REPLICAS, MEMBERS, 2);
    struct giro_keys *keys = keys_open(directory);
    struct giro_diagnosis diagnosis = {.fact = ""};
    cr_assert(scrub_all(keys, &diagnosis) == GIRO_ERR_OK);
    path_of(directory, &genesis.operators[1].key.key, path);
    const int fd = open(path, O_WRONLY);
    cr_assert(fd >= 0 && pwrite(fd, "giro", 4, HEADER_BYTES + 4000) == 4);
    close(fd);
    cr_assert(scrub_all(keys, &diagnosis) == GIRO_ERR_MEMORY);
    cr_assert(strstr(diagnosis.detail, "file") != NULL, "%s", diagnosis.detail);
    giro_keys_close(keys);
    keys = keys_open(directory);
    cr_assert(giro_keys_report(keys).refused == 1 && scrub_all(keys, &diagnosis) == GIRO_ERR_OK);
    giro_keys_close(keys);
    giro_genesis_free(&genesis);
    scratch_remove(directory);
}

/* ---- At run time ---- */

Test(keys, a_key_enrolled_later_gets_a_table_and_gives_it_back)
{
    char directory[256];
    scratch_make(directory);
    genesis_make(&genesis, REPLICAS, MEMBERS, 2);
    const char *const paths[] = {NULL, directory};
    for (uint32_t p = 0; p < 2; p++) {
        struct giro_keys *keys = NULL;
        struct giro_diagnosis diagnosis;
        cr_assert(keys_try(paths[p], 2 * LIMIT, 1, &keys, &diagnosis) == GIRO_ERR_OK);
        const uint32_t mapped = giro_keys_report(keys).mapped;
        struct giro_key_handle handle, before = {0, 0};
        for (uint32_t i = 0; i < 5; i++) {
            struct giro_secret_key *secret = giro_key_generate();
            const struct giro_public_key key = giro_key_public(secret);
            cr_assert(giro_keys_enrol(keys, &key, NULL, 0, NULL, &handle) == GIRO_KEY_OK);
            cr_assert(verifies(keys, handle, secret) && !verifies(keys, before, secret));
            cr_assert(table_of(keys, handle) != NULL);
            cr_assert(giro_keys_report(keys).table_count == TABLES + 1);
            cr_assert(giro_keys_report(keys).mapped == mapped + p);
            struct giro_secret_key *more = giro_key_generate();
            const struct giro_public_key one_more = giro_key_public(more);
            struct giro_key_handle none;
            cr_assert(giro_keys_enrol(keys, &one_more, NULL, 0, NULL, &none) == GIRO_KEY_RING_FULL);
            cr_assert(scrub_all(keys, &diagnosis) == GIRO_ERR_OK);
            giro_keys_retire(keys, handle);
            giro_keys_retire(keys, handle);
            cr_assert(!verifies(keys, handle, secret));
            cr_assert(giro_keys_report(keys).table_count == TABLES);
            cr_assert(giro_keys_report(keys).mapped == mapped);
            cr_assert(giro_keys_report(keys).key_count == giro_genesis_key_count(&genesis));
            cr_assert(giro_keys_enrol(keys, &key, NULL, 0, NULL, &none) == GIRO_KEY_REPEATED);
            cr_assert(giro_keys_scrub(keys, 3 * LIMIT, &diagnosis) == GIRO_ERR_OK);
            before = handle;
            giro_key_free(secret);
            giro_key_free(more);
        }
        all_verify(keys);
        giro_keys_close(keys);
    }
    giro_genesis_free(&genesis);
    scratch_remove(directory);
}
