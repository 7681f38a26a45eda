/* The two derived files of a replica: leaves with certificates, and the members' journals. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <criterion/criterion.h>

#include "apps/girod/journal_writer.h"
#include "apps/girod/ledger_file.h"
#include "giro/recon.h"
#include "member_support.h"
#include "sys_support.h"

TestSuite(ledger_file, .init = hub_suite_open, .fini = hub_suite_close);
TestSuite(journal_files, .init = hub_suite_open, .fini = hub_suite_close);

#define HEIGHTS_MAX 4096u
#define HEIGHTS     12u

/* ---- Ledger file ---- */

static uint32_t leaf_count(uint64_t height)
{
    return (uint32_t)(height % 5 == 0 ? 0 : 1 + height * 7 % 9);
}

/* A frame leaf with 1 to 4 results. */
static uint32_t leaf_make(uint64_t height, uint32_t index, uint8_t out[512])
{
    struct giro_leaf_frame leaf = {.height = height,
                                   .index = index,
                                   .member = 1,
                                   .sequence = height * 100 + index,
                                   .outcome = GIRO_OUTCOME_EXECUTED,
                                   .record_count = (uint16_t)(1 + index % 4)};
    struct giro_result result = {.status = GIRO_STATUS_ACSC};
    memcpy(out, GIRO_TAG_LEAF_FRAME, GIRO_TAG_BYTES);
    memcpy(out + GIRO_TAG_BYTES, &leaf, sizeof(leaf));
    for (uint32_t i = 0; i < leaf.record_count; i++)
        memcpy(out + GIRO_TAG_BYTES + sizeof(leaf) + i * sizeof(result), &result, sizeof(result));
    return GIRO_TAG_BYTES + (uint32_t)sizeof(leaf) + leaf.record_count * (uint32_t)sizeof(result);
}

static struct giro_commit_body body_make(uint64_t height)
{
    struct giro_hash leaves[16];
    uint8_t leaf[512];
    for (uint32_t i = 0; i < leaf_count(height); i++)
        leaves[i] = giro_leaf_hash(leaf, leaf_make(height, i, leaf));
    return (struct giro_commit_body){.head = giro_head_make(GIRO_KIND_COMMIT_VOTE),
                                     .epoch = 1,
                                     .height = height,
                                     .time_ns = height * GIRO_NS_PER_S,
                                     .ledger_root =
                                         giro_merkle_root(height, leaves, leaf_count(height))};
}

static enum giro_err block_put(struct giro_ledger_file *file, uint64_t height)
{
    static uint8_t bytes[1 << 16];
    struct giro_writer writer;
    struct giro_commit_body body = body_make(height);
    giro_writer_init(&writer, bytes, sizeof(bytes));
    uint8_t *header = giro_writer_reserve(&writer, sizeof(struct giro_ledger_block));
    giro_writer_put(&writer, &body, sizeof(body));
    static const uint8_t zeros[8];
    for (uint32_t i = 0; i < leaf_count(height); i++) {
        uint8_t leaf[512];
        uint32_t size = leaf_make(height, i, leaf);
        giro_writer_u32(&writer, size);
        giro_writer_put(&writer, leaf, size);
        giro_writer_put(&writer, zeros, giro_align_up(size, 4) - size);
    }
    giro_writer_put(&writer, zeros, giro_align_up(writer.offset, 8) - writer.offset);
    cr_assert(!writer.failed);
    struct giro_ledger_block block = {.head = giro_head_make(GIRO_KIND_LEDGER_BLOCK),
                                      .height = height,
                                      .size_bytes = writer.offset,
                                      .leaf_count = leaf_count(height)};
    memcpy(header, &block, sizeof(block));
    return giro_ledger_file_block(file, height, bytes, writer.offset);
}

static struct giro_certificate certificate_make(const struct hub *hub, uint64_t height,
                                                uint32_t absent)
{
    struct giro_certificate certificate = {
        .header = {.body = body_make(height), .scheme = GIRO_SCHEME_ED25519, .signer_count = 3}};
    uint8_t message[GIRO_COMMIT_MESSAGE_BYTES];
    size_t size = giro_commit_message(&hub->genesis.chain_id, &certificate.header.body, message);
    certificate.header.body.head = giro_head_make(GIRO_KIND_CERTIFICATE);
    uint32_t count = 0;
    for (uint32_t i = 0; i < 4; i++) {
        if (i == absent)
            continue;
        struct giro_secret_key *key = hub_key(hub->genesis.replicas[i].name, "batch", 1);
        giro_bitmap_set(certificate.header.bitmap, i);
        certificate.signatures[count++] = giro_sign(key, message, size);
        giro_key_free(key);
    }
    return certificate;
}

static struct giro_ledger_file *ledger_open(const struct hub *hub, const char *dir)
{
    struct giro_ledger_file *file = NULL;
    struct giro_diagnosis diagnosis = {.fact = ""};
    enum giro_err err =
        giro_ledger_file_open(dir, &hub->genesis, 2, HEIGHTS_MAX, &file, &diagnosis);
    cr_assert(err == GIRO_ERR_OK, "%s: %s", giro_err_name(err), diagnosis.fact);
    return file;
}

static void fill(const struct hub *hub, struct giro_ledger_file *file)
{
    for (uint64_t height = 1; height <= HEIGHTS; height++) {
        cr_assert(block_put(file, height) == GIRO_ERR_OK);
        struct giro_certificate certificate = certificate_make(hub, height, height % 4);
        cr_assert(giro_ledger_file_certificate(file, &certificate) == GIRO_ERR_OK);
    }
}

/* Every leaf comes back, its proof verifies under the genesis file, and proves that leaf. */
static void expect_all(const struct hub *hub, struct giro_ledger_file *file)
{
    for (uint64_t height = 1; height <= HEIGHTS; height++)
        for (uint32_t i = 0; i <= leaf_count(height); i++) {
            uint8_t expected[512], found[512], *proof = NULL;
            size_t proof_bytes = 0;
            uint32_t size = leaf_make(height, i, expected);
            bool there = i < leaf_count(height);
            cr_assert(giro_ledger_file_leaf(file, height, i, found, sizeof(found)) ==
                      (there ? size : 0));
            enum giro_err err = giro_ledger_file_proof(file, height, i, &proof, &proof_bytes);
            cr_assert(err == (there ? GIRO_ERR_OK : GIRO_ERR_NOENT));
            if (!there)
                continue;
            struct giro_proof_view view;
            const char *wrong =
                giro_proof_verify(&hub->genesis, hub->ring, proof, proof_bytes, &view);
            cr_assert(wrong == NULL, "height %lu leaf %u: %s", height, i, wrong);
            cr_assert(memcmp(found, expected, size) == 0 && view.header.leaf_bytes == size &&
                      memcmp(view.leaf, expected, size) == 0);
            free(proof);
        }
}

static uint64_t file_bytes(const char *dir, const char *name)
{
    char path[300];
    struct stat info;
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    cr_assert(stat(path, &info) == 0);
    return (uint64_t)info.st_size;
}

Test(ledger_file, every_leaf_is_proved_before_and_after_opening_again)
{
    struct hub hub;
    char dir[256];
    hub_make(&hub, 4, 3);
    scratch_make(dir);
    struct giro_ledger_file *file = ledger_open(&hub, dir);
    fill(&hub, file);
    expect_all(&hub, file);
    uint8_t *proof;
    size_t size;
    cr_assert(giro_ledger_file_proof(file, 0, 0, &proof, &size) == GIRO_ERR_NOENT);
    cr_assert(giro_ledger_file_proof(file, HEIGHTS + 1, 0, &proof, &size) == GIRO_ERR_NOENT);
    cr_assert(giro_ledger_file_proof(file, UINT64_MAX, 0, &proof, &size) == GIRO_ERR_NOENT);
    cr_assert(block_put(file, HEIGHTS + 1) == GIRO_ERR_OK); /* not certified */
    cr_assert(giro_ledger_file_proof(file, HEIGHTS + 1, 0, &proof, &size) == GIRO_ERR_NOENT);
    giro_ledger_file_close(file);
    uint64_t ledger = file_bytes(dir, "ledger"), certificates = file_bytes(dir, "certificates");
    file = ledger_open(&hub, dir);
    expect_all(&hub, file);
    fill(&hub, file); /* replay */
    expect_all(&hub, file);
    giro_ledger_file_close(file);
    cr_assert(file_bytes(dir, "ledger") == ledger, "repeats are skipped");
    cr_assert(file_bytes(dir, "certificates") == certificates);
    scratch_remove(dir);
    hub_free(&hub);
}

static void expect_found(struct giro_ledger_file *file)
{
    for (uint64_t height = 1; height <= HEIGHTS; height++)
        for (uint32_t i = 0; i < leaf_count(height); i++) {
            uint8_t expected[512], found[512];
            uint64_t at = 0;
            uint32_t index = 0, size = leaf_make(height, i, expected);
            cr_assert(giro_ledger_file_find(file, 1, 0, height * 100 + i, &at, &index, found,
                                            sizeof(found)) == size,
                      "height %lu leaf %u", height, i);
            cr_assert(at == height && index == i && memcmp(found, expected, size) == 0);
            cr_assert(giro_ledger_file_certified(file, at));
        }
}

Test(ledger_file, every_frame_is_found_by_its_sequence_as_long_as_the_ledger_is_there)
{
    struct hub hub;
    char dir[256], path[300], command[400];
    uint8_t found[512];
    uint64_t at;
    uint32_t index;
    hub_make(&hub, 4, 3);
    scratch_make(dir);
    struct giro_ledger_file *file = ledger_open(&hub, dir);
    fill(&hub, file);
    expect_found(file);
    static const struct {
        uint16_t member, channel;
        uint64_t sequence;
    } absent[] = {{1, 0, 99},         {1, 0, HEIGHTS * 100 + 50},
                  {1, 0, UINT64_MAX}, {1, 0, 1u << 30},
                  {1, 1, 101},        {0, 0, 101},
                  {2, 63, 0}};
    for (uint32_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++)
        cr_assert(giro_ledger_file_find(file, absent[i].member, absent[i].channel,
                                        absent[i].sequence, &at, &index, found,
                                        sizeof(found)) == 0);
    cr_assert(!giro_ledger_file_certified(file, HEIGHTS + 1));
    giro_ledger_file_close(file);
    file = ledger_open(&hub, dir);
    expect_found(file);
    giro_ledger_file_close(file);
    /* the index is derived: lost, it is made again from the ledger; wrong, it finds nothing false; replay puts it right */
    snprintf(command, sizeof(command), "rm -r '%s/frames'", dir);
    cr_assert(system(command) == 0);
    file = ledger_open(&hub, dir);
    expect_found(file);
    giro_ledger_file_close(file);
    snprintf(path, sizeof(path), "%s/frames/1-0", dir);
    const struct giro_frame_place wrong = {.height = 3, .leaf_index = 0};
    FILE *raw = fopen(path, "r+");
    cr_assert(fseek(raw, 64 + 101 * 16, SEEK_SET) == 0);
    cr_assert(fwrite(&wrong, sizeof(wrong), 1, raw) == 1 && fclose(raw) == 0);
    file = ledger_open(&hub, dir);
    cr_assert(giro_ledger_file_find(file, 1, 0, 101, &at, &index, found, sizeof(found)) == 0);
    fill(&hub, file);
    expect_found(file);
    giro_ledger_file_close(file);
    scratch_remove(dir);
    hub_free(&hub);
}

/* The index is lost, and the start that makes it again dies half-way. */
Test(ledger_file, an_index_that_was_begun_is_made_again_from_its_beginning)
{
    struct hub hub;
    char dir[256], command[400];
    struct giro_diagnosis diagnosis = {.fact = ""};
    struct rlimit all, little = {.rlim_cur = 10000, .rlim_max = RLIM_INFINITY};
    hub_make(&hub, 4, 3);
    scratch_make(dir);
    struct giro_ledger_file *file = ledger_open(&hub, dir);
    fill(&hub, file);
    giro_ledger_file_close(file);
    snprintf(command, sizeof(command), "rm -r '%s/frames'", dir);
    cr_assert(system(command) == 0);
    signal(SIGXFSZ, SIG_IGN);
    cr_assert(getrlimit(RLIMIT_FSIZE, &all) == 0 && setrlimit(RLIMIT_FSIZE, &little) == 0);
    cr_assert(giro_ledger_file_open(dir, &hub.genesis, 2, HEIGHTS_MAX, &file, &diagnosis) ==
              GIRO_ERR_IO);
    cr_assert(setrlimit(RLIMIT_FSIZE, &all) == 0);
    file = ledger_open(&hub, dir);
    expect_found(file);
    giro_ledger_file_close(file);
    scratch_remove(dir);
    hub_free(&hub);
}

Test(ledger_file, torn_tails_are_cut_and_written_again_by_replay)
{
    struct hub hub;
    char dir[256], path[300];
    hub_make(&hub, 4, 3);
    scratch_make(dir);
    struct giro_ledger_file *file = ledger_open(&hub, dir);
    fill(&hub, file);
    giro_ledger_file_close(file);
    static const char *const names[] = {"ledger", "certificates"};
    for (uint32_t n = 0; n < 2; n++) {
        uint64_t whole = file_bytes(dir, names[n]);
        snprintf(path, sizeof(path), "%s/%s", dir, names[n]);
        for (uint64_t at = 0; at < whole; at += at < 300 ? 31 : 211) {
            cr_assert(truncate(path, (off_t)at) == 0);
            file = ledger_open(&hub, dir);
            fill(&hub, file);
            giro_ledger_file_close(file);
            cr_assert(file_bytes(dir, names[n]) == whole, "%s cut at %lu", names[n], at);
        }
    }
    file = ledger_open(&hub, dir);
    expect_all(&hub, file);
    giro_ledger_file_close(file);
    scratch_remove(dir);
    hub_free(&hub);
}

Test(ledger_file, changed_bytes_do_not_survive_replay)
{
    struct hub hub;
    char dir[256], path[300], *bytes = NULL;
    size_t size = 0;
    hub_make(&hub, 4, 3);
    scratch_make(dir);
    static const char *const names[] = {"ledger", "certificates"};
    for (uint32_t n = 0; n < 2; n++) {
        struct giro_ledger_file *file = ledger_open(&hub, dir);
        fill(&hub, file);
        giro_ledger_file_close(file);
        snprintf(path, sizeof(path), "%s/%s", dir, names[n]);
        cr_assert(giro_file_read(path, 1 << 20, &bytes, &size) == GIRO_ERR_OK);
        for (size_t at = 64; at < size; at += 67) {
            bytes[at] ^= 0x10;
            cr_assert(giro_file_write(path, 0600, bytes, size) == GIRO_ERR_OK);
            bytes[at] ^= 0x10;
            file = ledger_open(&hub, dir);
            fill(&hub, file);
            expect_all(&hub, file);
            giro_ledger_file_close(file);
        }
        free(bytes);
        cr_assert(unlink(path) == 0);
    }
    scratch_remove(dir);
    hub_free(&hub);
}

Test(ledger_file, files_of_another_hub_or_replica_are_refused)
{
    struct hub hub, other;
    char dir[256];
    struct giro_ledger_file *file;
    struct giro_diagnosis diagnosis = {.fact = ""};
    hub_make(&hub, 4, 3);
    hub_make(&other, 4, 2);
    scratch_make(dir);
    giro_ledger_file_close(ledger_open(&hub, dir));
    cr_assert(giro_ledger_file_open(dir, &other.genesis, 2, HEIGHTS_MAX, &file, &diagnosis) ==
              GIRO_ERR_CHAIN);
    cr_assert(strstr(diagnosis.fact, "does not belong here") != NULL);
    cr_assert(giro_ledger_file_open(dir, &hub.genesis, 1, HEIGHTS_MAX, &file, &diagnosis) ==
              GIRO_ERR_CHAIN);
    file = ledger_open(&hub, dir);
    cr_assert(block_put(file, HEIGHTS_MAX) == GIRO_ERR_FULL, "bounded");
    giro_ledger_file_close(file);
    scratch_remove(dir);
    hub_free(&hub);
    hub_free(&other);
}

/* ---- Journals ---- */

#define DATES  3u
#define BLOCKS 5u /* per date and currency */

static uint32_t block_make(const struct hub *hub, uint16_t member, uint32_t currency,
                           uint64_t sequence, uint8_t out[2048])
{
    uint32_t size = (uint32_t)giro_align_up(
        sizeof(struct giro_journal_block) + sizeof(struct giro_window_record) + sequence % 5 * 40,
        8);
    memset(out, (int)sequence, size);
    struct giro_journal_block block = {.magic = GIRO_MAGIC, .size_bytes = size};
    struct giro_window_record record = {.member = member,
                                        .currency = hub->genesis.currencies[currency].number,
                                        .sequence = sequence};
    memcpy(out, &block, sizeof(block));
    memcpy(out + sizeof(block), &record, sizeof(record));
    uint64_t checksum = XXH3_64bits(out + 16, size - 16);
    memcpy(out + 8, &checksum, sizeof(checksum));
    return size;
}

static struct giro_journal_files *journals_open(const struct hub *hub, const char *dir)
{
    struct giro_journal_files *files = NULL;
    struct giro_diagnosis diagnosis = {.fact = ""};
    enum giro_err err = giro_journal_files_open(dir, &hub->genesis, &files, &diagnosis);
    cr_assert(err == GIRO_ERR_OK, "%s: %s", giro_err_name(err), diagnosis.fact);
    return files;
}

static uint16_t date_of(const struct hub *hub, uint32_t date)
{
    return (uint16_t)(hub->genesis.business_date + date * 3);
}

/* What execution brings, in order: members 0 and 1, two currencies, three business dates. writer NULL: without a thread. */
static void replay_by(const struct hub *hub, struct giro_journal_files *files,
                      struct giro_journal_writer *writer)
{
    uint8_t bytes[2048];
    for (uint32_t date = 0; date < DATES; date++)
        for (uint32_t i = 0; i < BLOCKS; i++)
            for (uint16_t who = 0; who < 4; who++) {
                uint32_t size = block_make(hub, who % 2, who / 2, 1 + date * BLOCKS + i, bytes);
                enum giro_err err =
                    writer == NULL
                        ? giro_journal_files_append(files, who % 2, date_of(hub, date), bytes, size)
                        : giro_journal_writer_put(writer, who % 2, date_of(hub, date), bytes, size);
                cr_assert(err == GIRO_ERR_OK);
            }
}

static void replay(const struct hub *hub, struct giro_journal_files *files)
{
    replay_by(hub, files, NULL);
    cr_assert(giro_journal_files_sync(files) == GIRO_ERR_OK);
}

/* The journals of member 0 as they must be, one after another. */
static struct giro_hash journals_hash(const struct hub *hub, struct giro_journal_files *files,
                                      uint64_t sizes[DATES])
{
    struct giro_hash hash = {{0}};
    for (uint32_t date = 0; date < DATES; date++) {
        char path[700], *bytes = NULL;
        size_t size = 0;
        sizes[date] = giro_journal_files_path(files, 0, date_of(hub, date), path, sizeof(path));
        cr_assert(giro_file_read(path, 1 << 20, &bytes, &size) == GIRO_ERR_OK);
        cr_assert(size == sizes[date]);
        struct giro_part parts[] = {{&hash, sizeof(hash)}, {bytes, size}};
        hash = giro_sha256_parts(parts, 2);
        free(bytes);
    }
    return hash;
}

Test(journal_files, replay_after_any_cut_of_any_date_gives_the_same_journals)
{
    struct hub hub;
    char dir[256], path[700];
    uint64_t sizes[DATES], found[DATES];
    hub_make(&hub, 4, 2);
    scratch_make(dir);
    struct giro_journal_files *files = journals_open(&hub, dir);
    replay(&hub, files);
    struct giro_hash whole = journals_hash(&hub, files, sizes), again;
    replay(&hub, files); /* recognised at once */
    again = journals_hash(&hub, files, found);
    cr_assert(giro_hash_equal(&whole, &again));
    uint64_t bytes = giro_journal_files_bytes(files);
    giro_journal_files_close(files);
    for (uint32_t date = 0; date < DATES; date++)
        for (uint64_t at = 0; at < sizes[date]; at += at < 64 ? 21 : 333) {
            files = journals_open(&hub, dir);
            giro_journal_files_path(files, 0, date_of(&hub, date), path, sizeof(path));
            giro_journal_files_close(files);
            cr_assert(truncate(path, (off_t)at) == 0);
            files = journals_open(&hub, dir);
            replay(&hub, files);
            again = journals_hash(&hub, files, found);
            cr_assert(giro_hash_equal(&whole, &again), "date %u cut at %lu", date, at);
            giro_journal_files_close(files);
        }
    files = journals_open(&hub, dir);
    cr_assert(giro_journal_files_bytes(files) + 6 * 64 >= bytes, "headers may count or not");
    giro_journal_files_close(files);
    scratch_remove(dir);
    hub_free(&hub);
}

/* Rings that hold no block, one or two, and all. */
Test(journal_files, a_thread_writes_the_same_journals)
{
    struct hub hub;
    char dir[256], name[300];
    uint64_t sizes[DATES], found[DATES];
    hub_make(&hub, 4, 2);
    scratch_make(dir);
    snprintf(name, sizeof(name), "%s/0", dir);
    struct giro_journal_files *files = journals_open(&hub, name);
    replay(&hub, files);
    const struct giro_hash whole = journals_hash(&hub, files, sizes);
    giro_journal_files_close(files);
    for (uint64_t ring_bytes = 64; ring_bytes <= 65536; ring_bytes *= 4) {
        struct giro_journal_writer *writer = NULL;
        snprintf(name, sizeof(name), "%s/%lu", dir, (unsigned long)ring_bytes);
        files = journals_open(&hub, name);
        cr_assert(giro_journal_writer_open(files, ring_bytes, &writer) == GIRO_ERR_OK);
        cr_assert(giro_journal_writer_done(writer, 0) && !giro_journal_writer_done(writer, 1));
        replay_by(&hub, files, writer);
        const uint64_t mark = giro_journal_writer_mark(writer);
        cr_assert(mark == DATES * BLOCKS * 4);
        if (ring_bytes == 65536) {
            cr_assert(giro_journal_writer_drain(writer) == GIRO_ERR_OK);
            cr_assert(giro_journal_writer_done(writer, mark));
            cr_assert(!giro_journal_writer_done(writer, mark + 1));
        }
        giro_journal_writer_close(writer); /* what was put is written */
        const struct giro_hash again = journals_hash(&hub, files, found);
        cr_assert(giro_hash_equal(&again, &whole), "ring of %lu", (unsigned long)ring_bytes);
        giro_journal_files_close(files);
    }
    scratch_remove(dir);
    hub_free(&hub);
}

Test(journal_files, after_a_write_that_failed_nothing_counts_as_written)
{
    struct hub hub;
    char dir[256], path[700];
    uint8_t bytes[2048];
    hub_make(&hub, 4, 2);
    scratch_make(dir);
    struct giro_journal_files *files = journals_open(&hub, dir);
    struct giro_journal_writer *writer = NULL;
    giro_journal_files_path(files, 0, date_of(&hub, 0), path, sizeof(path));
    cr_assert(mkdir(path, 0700) == 0); /* a folder in the journal's place */
    cr_assert(giro_journal_writer_open(files, 65536, &writer) == GIRO_ERR_OK);
    uint32_t size = block_make(&hub, 0, 0, 1, bytes);
    cr_assert(giro_journal_writer_put(writer, 0, date_of(&hub, 0), bytes, size) == GIRO_ERR_OK);
    const enum giro_err err = giro_journal_writer_drain(writer);
    cr_assert(err != GIRO_ERR_OK && giro_journal_writer_failed(writer) == err);
    cr_assert(!giro_journal_writer_done(writer, 1));
    size = block_make(&hub, 1, 0, 1, bytes);
    cr_assert(giro_journal_writer_put(writer, 1, date_of(&hub, 0), bytes, size) == err);
    cr_assert(giro_journal_writer_drain(writer) == err);
    cr_assert(giro_journal_files_path(files, 1, date_of(&hub, 0), path, sizeof(path)) == 0);
    giro_journal_writer_close(writer);
    giro_journal_files_close(files);
    scratch_remove(dir);
    hub_free(&hub);
}

Test(journal_files, a_damaged_byte_is_repaired_by_replay_and_removed_dates_stay_removed)
{
    struct hub hub;
    char dir[256], path[700], *bytes = NULL;
    size_t size = 0;
    uint64_t sizes[DATES], found[DATES];
    hub_make(&hub, 4, 2);
    scratch_make(dir);
    struct giro_journal_files *files = journals_open(&hub, dir);
    replay(&hub, files);
    struct giro_hash whole = journals_hash(&hub, files, sizes);
    giro_journal_files_path(files, 0, date_of(&hub, 1), path, sizeof(path));
    giro_journal_files_close(files);
    cr_assert(giro_file_read(path, 1 << 20, &bytes, &size) == GIRO_ERR_OK);
    for (size_t at = 64; at < size; at += 501) {
        bytes[at] ^= 1;
        cr_assert(giro_file_write(path, 0600, bytes, size) == GIRO_ERR_OK);
        bytes[at] ^= 1;
        files = journals_open(&hub, dir);
        replay(&hub, files);
        struct giro_hash again = journals_hash(&hub, files, found);
        cr_assert(giro_hash_equal(&whole, &again), "byte %zu", at);
        giro_journal_files_close(files);
    }
    free(bytes);
    files = journals_open(&hub, dir);
    giro_journal_files_path(files, 0, date_of(&hub, 0), path, sizeof(path));
    giro_journal_files_close(files);
    cr_assert(unlink(path) == 0);
    files = journals_open(&hub, dir);
    replay(&hub, files);
    cr_assert(giro_journal_files_path(files, 0, date_of(&hub, 0), path, sizeof(path)) == 0);
    cr_assert(giro_journal_files_path(files, 0, date_of(&hub, 2), path, sizeof(path)) == sizes[2]);
    giro_journal_files_close(files);
    scratch_remove(dir);
    hub_free(&hub);
}

/* A full disk: what could not be written is missing, and so is all that follows, until a restart brings both. The journal stays. */
Test(journal_files, nothing_follows_a_window_that_could_not_be_written)
{
    struct hub hub;
    char dir[256], path[700];
    uint8_t bytes[2048];
    uint64_t sizes[DATES], found[DATES];
    struct rlimit all, little = {.rlim_cur = 512, .rlim_max = RLIM_INFINITY};
    hub_make(&hub, 4, 2);
    scratch_make(dir);
    struct giro_journal_files *files = journals_open(&hub, dir);
    uint32_t size = block_make(&hub, 0, 0, 1, bytes);
    cr_assert(giro_journal_files_append(files, 0, date_of(&hub, 0), bytes, size) == GIRO_ERR_OK);
    uint64_t before = giro_journal_files_path(files, 0, date_of(&hub, 0), path, sizeof(path));
    signal(SIGXFSZ, SIG_IGN);
    cr_assert(getrlimit(RLIMIT_FSIZE, &all) == 0 && setrlimit(RLIMIT_FSIZE, &little) == 0);
    size = block_make(&hub, 0, 0, 2, bytes);
    cr_assert(before + size > little.rlim_cur);
    cr_assert(giro_journal_files_append(files, 0, date_of(&hub, 0), bytes, size) == GIRO_ERR_IO);
    cr_assert(setrlimit(RLIMIT_FSIZE, &all) == 0);
    size = block_make(&hub, 0, 0, 3, bytes);
    cr_assert(giro_journal_files_append(files, 0, date_of(&hub, 0), bytes, size) == GIRO_ERR_IO);
    cr_assert(giro_journal_files_path(files, 0, date_of(&hub, 0), path, sizeof(path)) == before);
    cr_assert(!giro_journal_files_gap(files, 0, date_of(&hub, 0)));
    giro_journal_files_close(files);
    files = journals_open(&hub, dir);
    replay(&hub, files);
    struct giro_hash again = journals_hash(&hub, files, found);
    giro_journal_files_close(files);
    scratch_remove(dir);
    scratch_make(dir);
    files = journals_open(&hub, dir);
    replay(&hub, files);
    struct giro_hash whole = journals_hash(&hub, files, sizes);
    cr_assert(giro_hash_equal(&whole, &again));
    giro_journal_files_close(files);
    scratch_remove(dir);
    hub_free(&hub);
}

/* An image brought the windows in between: neither the day it came on nor the one before is whole. The days around them stay. */
Test(journal_files, days_with_missing_windows_are_named_and_not_kept)
{
    struct hub hub;
    char dir[256], path[700];
    uint8_t bytes[2048];
    uint64_t sizes[5] = {0};
    hub_make(&hub, 4, 2);
    scratch_make(dir);
    struct giro_journal_files *files = journals_open(&hub, dir);
    static const struct {
        uint32_t date;
        uint64_t sequence;
    } windows[] = {{0, 1}, {0, 2}, {1, 3}, {2, 9}, {2, 10}, {3, 11}, {4, 12}};
    for (uint32_t i = 0; i < 7; i++) {
        uint32_t size = block_make(&hub, 0, 0, windows[i].sequence, bytes);
        cr_assert(giro_journal_files_append(files, 0, date_of(&hub, windows[i].date), bytes,
                                            size) == GIRO_ERR_OK);
    }
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t date = 0; date < 5; date++) {
            const uint64_t size =
                giro_journal_files_path(files, 0, date_of(&hub, date), path, sizeof(path));
            cr_assert((size > 0) == (date != 1 && date != 2), "date %u", date);
            cr_assert(giro_journal_files_gap(files, 0, date_of(&hub, date)) == (size == 0));
            cr_assert(!giro_journal_files_gap(files, 1, date_of(&hub, date)));
            cr_assert(round == 0 || size == sizes[date], "date %u is cut", date);
            sizes[date] = size;
        }
        giro_journal_files_close(files);
        files = journals_open(&hub, dir);
    }
    const uint32_t size = block_make(&hub, 0, 0, 13, bytes);
    cr_assert(giro_journal_files_append(files, 0, date_of(&hub, 4), bytes, size) == GIRO_ERR_OK);
    cr_assert(!giro_journal_files_gap(files, 0, date_of(&hub, 4)));
    giro_journal_files_close(files);
    scratch_remove(dir);
    hub_free(&hub);
}

/* Restarted on the very day: the next day begins behind windows of which only the mark knows. */
Test(journal_files, a_day_behind_missing_windows_is_whole_after_a_restart_in_between)
{
    struct hub hub;
    char dir[256], path[700];
    uint8_t bytes[2048];
    hub_make(&hub, 4, 2);
    scratch_make(dir);
    static const struct {
        uint32_t date;
        uint64_t sequence;
    } windows[] = {{0, 1}, {1, 2}, {2, 9}, {2, 10}, {3, 11}};
    for (uint32_t i = 0; i < 5; i++) {
        struct giro_journal_files *files = journals_open(&hub, dir);
        const uint32_t size = block_make(&hub, 0, 0, windows[i].sequence, bytes);
        cr_assert(giro_journal_files_append(files, 0, date_of(&hub, windows[i].date), bytes,
                                            size) == GIRO_ERR_OK);
        giro_journal_files_close(files);
    }
    struct giro_journal_files *files = journals_open(&hub, dir);
    for (uint32_t date = 0; date < 4; date++) {
        const uint64_t size =
            giro_journal_files_path(files, 0, date_of(&hub, date), path, sizeof(path));
        cr_assert((size > sizeof(struct giro_journal_header)) == (date == 0 || date == 3));
        cr_assert(giro_journal_files_gap(files, 0, date_of(&hub, date)) == (size == 0));
    }
    giro_journal_files_close(files);
    scratch_remove(dir);
    hub_free(&hub);
}

/* A day damaged so long ago that no replay brings it again: it and what follows is not whole, and is not served as if it were. */
Test(journal_files, a_day_damaged_behind_the_image_is_named)
{
    struct hub hub;
    char dir[256], path[700];
    uint8_t bytes[2048];
    uint64_t sizes[DATES];
    hub_make(&hub, 4, 2);
    scratch_make(dir);
    struct giro_journal_files *files = journals_open(&hub, dir);
    replay(&hub, files);
    (void)journals_hash(&hub, files, sizes);
    giro_journal_files_path(files, 0, date_of(&hub, 1), path, sizeof(path));
    giro_journal_files_close(files);
    cr_assert(truncate(path, (off_t)sizes[1] - 8) == 0);
    files = journals_open(&hub, dir);
    const uint32_t size = block_make(&hub, 0, 0, 1 + DATES * BLOCKS, bytes);
    cr_assert(giro_journal_files_append(files, 0, date_of(&hub, DATES), bytes, size) ==
              GIRO_ERR_OK);
    for (uint32_t date = 0; date <= DATES; date++) {
        cr_assert(giro_journal_files_gap(files, 0, date_of(&hub, date)) == (date > 0));
        cr_assert((giro_journal_files_path(files, 0, date_of(&hub, date), path, sizeof(path)) >
                   0) == (date == 0));
    }
    giro_journal_files_close(files);
    scratch_remove(dir);
    hub_free(&hub);
}

Test(journal_files, journals_of_another_hub_are_refused)
{
    struct hub hub, other;
    char dir[256];
    struct giro_journal_files *files;
    struct giro_diagnosis diagnosis = {.fact = ""};
    hub_make(&hub, 4, 2);
    hub_make(&other, 1, 2);
    scratch_make(dir);
    files = journals_open(&hub, dir);
    replay(&hub, files);
    giro_journal_files_close(files);
    cr_assert(giro_journal_files_open(dir, &other.genesis, &files, &diagnosis) == GIRO_ERR_CHAIN);
    cr_assert(strstr(diagnosis.fact, dir) != NULL);
    scratch_remove(dir);
    hub_free(&hub);
    hub_free(&other);
}
