/* giro_verify_path: finds every flipped byte, says where, and forgives what a kill leaves. */
#include <stdio.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#include "recon_files_support.h"

TestSuite(recon_verify, .init = rig_suite_open, .fini = rig_suite_close, .timeout = 30);

static void good(struct files_day *day, const char *name)
{
    enum giro_err err = files_verify(day, name);
    cr_assert(err == GIRO_ERR_OK, "%s: %s: %s", name, day->diagnosis.fact, day->diagnosis.detail);
}

static void bad(struct files_day *day, const char *name, enum giro_err expected, const char *where)
{
    enum giro_err err = files_verify(day, name);
    cr_assert(err == expected, "%s: %s: %s", name, giro_err_name(err), day->diagnosis.detail);
    cr_assert(strstr(day->diagnosis.fact, where) != NULL ||
                  strstr(day->diagnosis.detail, where) != NULL,
              "%s is not in \"%s: %s\"", where, day->diagnosis.fact, day->diagnosis.detail);
}

static void cut(struct files_day *day, uint16_t member, const char *out)
{
    struct giro_recon_cut_result result;
    files_journal(day, member, "whole.journal");
    enum giro_err err = files_cut(day, "whole.journal", out, 0, UINT64_MAX, &result);
    cr_assert(err == GIRO_ERR_OK, "%s", day->diagnosis.detail);
}

Test(recon_verify, every_flipped_byte_of_a_journal_is_found)
{
    struct files_day *day = files_day_new(0xC1);
    files_journal(day, 0, "a.journal");
    files_flip(day, "a.journal", "a.journal", UINT64_MAX, 7, NULL);
    files_day_free(day);
}

Test(recon_verify, every_flipped_byte_of_a_cut_is_found)
{
    static const char *const names[] = {"windows.journal", "entries.csv", "positions.csv",
                                        "statuses.csv",    "totals.csv",  "netting.csv",
                                        "manifest.json",   "SHA256SUMS"};
    struct files_day *day = files_day_new(0xC1);
    cut(day, 0, "cut");
    for (uint32_t i = 0; i < 8; i++) {
        char path[64];
        snprintf(path, sizeof(path), "cut/%s", names[i]);
        files_flip(day, path, "cut", UINT64_MAX, i == 0 ? 41 : 13, NULL);
    }
    files_day_free(day);
}

Test(recon_verify, a_cut_failure_names_file_line_and_block)
{
    struct files_day *day = files_day_new(0xC1);
    cut(day, 0, "cut");
    good(day, "cut");
    cr_assert(files_shell(day, "cp cut/entries.csv e && sed -i '3s/DBIT/CRDT/;3s/CRDT/DBIT/' "
                               "cut/entries.csv && cmp -s e cut/entries.csv || true") == 0);
    cr_assert(files_shell(day, "sed -i '3s/,CZK,/,EUR,/' cut/entries.csv") == 0);
    bad(day, "cut", GIRO_ERR_CHECKSUM, "cut/entries.csv");
    bad(day, "cut", GIRO_ERR_CHECKSUM, "line 3");
    bad(day, "cut", GIRO_ERR_CHECKSUM, "64 KiB block 0");
    cr_assert(files_shell(day, "cp e cut/entries.csv && echo >> cut/totals.csv") == 0);
    bad(day, "cut", GIRO_ERR_CHECKSUM, "cut/totals.csv");
    cr_assert(files_shell(day, "rm cut/totals.csv") == 0);
    bad(day, "cut", GIRO_ERR_NOENT, "cut/totals.csv");
    cr_assert(files_shell(day, "rm -r cut && mkdir cut && echo x > cut/SHA256SUMS") == 0);
    bad(day, "cut", GIRO_ERR_NOENT, "cut/windows.journal");
    files_day_free(day);
}

Test(recon_verify, a_cut_without_a_window_is_found)
{
    struct files_day *day = files_day_new(0xC1);
    cut(day, 0, "cut");
    size_t size = 0;
    char *bytes = files_read(day, "cut/windows.journal", &size);
    struct giro_journal_block block;
    memcpy(&block, bytes + sizeof(struct giro_journal_header), sizeof(block));
    files_write(day, "cut/windows.journal", bytes, size - 16);
    bad(day, "cut", GIRO_ERR_FORMAT, "ends within a block");
    files_write(day, "cut/windows.journal", bytes,
                sizeof(struct giro_journal_header) + block.size_bytes);
    bad(day, "cut", GIRO_ERR_CHECKSUM, "csv");
    free(bytes);
    files_day_free(day);
}

/* The replica's number alone in one file is compared with its neighbours only in their folder. */
static bool replica_number(uint64_t offset)
{
    return offset == 40 || offset == 41;
}

Test(recon_verify, every_flipped_byte_of_a_ledger_is_found)
{
    struct files_day *day = files_day_new(0xC1);
    files_replica(day);
    files_flip(day, "data/ledger", "data/ledger", UINT64_MAX, 3, replica_number);
    files_flip(day, "data/certificates", "data/certificates", UINT64_MAX, 3, replica_number);
    files_flip(day, "data/ledger", "data", 64, 1, NULL);
    files_flip(day, "data/certificates", "data", 64, 1, NULL);
    files_day_free(day);
}

Test(recon_verify, every_flipped_byte_of_a_log_is_found)
{
    struct files_day *day = files_day_new(0xC1);
    uint64_t end = files_replica(day);
    files_flip(day, "data/log/log-0000000000000001", "data/log", 200, 1, NULL);
    files_flip(day, "data/log/log-0000000000000001", "data/log", end, 29, NULL);
    files_flip(day, "data/log/safety", "data/log", UINT64_MAX, 491, NULL);
    files_flip(day, "data/log/safety", "data/log", 4096 + 400, 37, NULL);
    files_day_free(day);
}

/* Without the safety file nothing promises the last records: damage shows only before intact ones. */
Test(recon_verify, a_log_that_ends_torn_is_told_from_a_damaged_one)
{
    struct files_day *day = files_day_new(0xC1);
    uint64_t end = files_replica(day);
    const char *segment = "data/log/log-0000000000000001";
    size_t size = 0;
    char *bytes = files_read(day, segment, &size);
    cr_assert(files_shell(day, "mv data/log/safety kept") == 0);
    bytes[end - 20] ^= 1; /* in the last record, a certificate */
    files_write(day, segment, bytes, size);
    good(day, "data/log");
    cr_assert(files_shell(day, "mv kept data/log/safety") == 0);
    bad(day, "data/log", GIRO_ERR_DAMAGED, "log-0000000000000001");
    cr_assert(files_shell(day, "mv data/log/safety kept") == 0);
    bytes[end - 20] ^= 1;
    bytes[5000] ^= 1;
    files_write(day, segment, bytes, size);
    bad(day, "data/log", GIRO_ERR_DAMAGED, "intact ones follow it");
    free(bytes);
    files_day_free(day);
}

static void find_prepared(void *context, const char *path, const char *what)
{
    (void)path;
    if (strstr(what, "1 segment prepared, not used yet") != NULL)
        ++*(uint32_t *)context;
}

/* A file made for records to come, and one whose header a death tore; with a record behind it, it is damage. */
Test(recon_verify, a_prepared_segment_is_no_error)
{
    struct files_day *day = files_day_new(0xC1);
    files_replica(day);
    const char *segment = "data/log/log-0000000000000002";
    char *bytes = calloc(1, 4u << 20);
    uint32_t said = 0;
    char path[FILES_PATH_BYTES];
    struct giro_verify_options options = {.genesis = &day->rig->genesis,
                                          .ring = day->rig->ring,
                                          .say = find_prepared,
                                          .say_context = &said};
    files_path(day, "data/log", path);
    for (uint32_t torn = 0; torn < 2; torn++) {
        memset(bytes, (int)torn, 40);
        files_write(day, segment, bytes, 4u << 20);
        enum giro_err err = giro_verify_path(&options, path, &day->diagnosis);
        cr_assert(err == GIRO_ERR_OK, "%s: %s", day->diagnosis.fact, day->diagnosis.detail);
        cr_assert(said == torn + 1, "torn %u", torn);
    }
    bytes[4096 + 9] = 1;
    files_write(day, segment, bytes, 4u << 20);
    bad(day, "data/log", GIRO_ERR_DAMAGED, "log-0000000000000002");
    memset(bytes, 0, 40);
    files_write(day, segment, bytes, 4u << 20);
    bad(day, "data/log", GIRO_ERR_DAMAGED, "log-0000000000000002");
    free(bytes);
    files_day_free(day);
}

Test(recon_verify, a_short_tail_after_a_kill_is_no_error)
{
    static const char *const names[] = {"data/ledger", "data/certificates",
                                        "data/journal/AAAACZPP/2026-11-23.journal"};
    struct files_day *day = files_day_new(0xC1);
    files_replica(day);
    good(day, "data");
    for (uint32_t i = 0; i < 3; i++) {
        size_t size = 0;
        char *bytes = files_read(day, names[i], &size);
        for (size_t end = size - 8; end > size / 2; end -= 88) {
            files_write(day, names[i], bytes, end);
            good(day, names[i]);
        }
        files_write(day, names[i], bytes, 5);
        good(day, names[i]);
        files_write(day, names[i], bytes, size);
        free(bytes);
    }
    good(day, "data");
    files_day_free(day);
}

/* When a spool was made is nobody's business but its maker's. */
static bool created(uint64_t offset)
{
    return offset >= offsetof(struct giro_spool_header, created_ns) &&
           offset < sizeof(struct giro_spool_header);
}

Test(recon_verify, every_flipped_byte_of_a_spool_is_found)
{
    struct files_day *day = files_day_new(0xC1);
    files_spool(day, "a.spool");
    files_flip(day, "a.spool", "a.spool", UINT64_MAX, 1, created);
    files_day_free(day);
}

Test(recon_verify, every_flipped_byte_of_a_netting_report_is_found)
{
    struct files_day *day = files_day_new(0xC1);
    char paths[RIG_MEMBERS][FILES_PATH_BYTES], out[FILES_PATH_BYTES];
    const char *list[RIG_MEMBERS];
    cr_assert(files_shell(day, "mkdir journals") == 0);
    for (uint16_t i = 0; i < RIG_MEMBERS; i++) {
        char name[32];
        snprintf(name, sizeof(name), "journals/%u.journal", i);
        files_journal(day, i, name);
        files_path(day, name, paths[i]);
        list[i] = paths[i];
    }
    uint32_t cycles = 0;
    files_path(day, "netting", out);
    cr_assert(giro_recon_netting(&day->rig->genesis, day->rig->ring, list, RIG_MEMBERS, out,
                                 &cycles, &day->diagnosis) == GIRO_ERR_OK);
    good(day, "netting/1.csv"); /* finds the journals beside its folder */
    good(day, "netting");
    files_flip(day, "netting/1.csv", ".", UINT64_MAX, 5, NULL);
    cr_assert(files_shell(day, "rm journals/2.journal") == 0);
    bad(day, ".", GIRO_ERR_FORMAT, "one is missing");
    cr_assert(files_shell(day, "rm -r journals") == 0);
    bad(day, ".", GIRO_ERR_NOENT, "1.csv");
    files_day_free(day);
}

Test(recon_verify, genesis_is_its_hash)
{
    struct files_day *day = files_day_new(0xC1);
    static const char text[] = "{\n  \"format\": \"giro-genesis-1\", \"name\": \"x\"\n}\n";
    day->rig->genesis.chain_id = giro_sha256(text, sizeof(text) - 1);
    files_write(day, "genesis.json", text, sizeof(text) - 1);
    files_write(day, "g.json", text, sizeof(text) - 1);
    good(day, "g.json");
    files_flip(day, "genesis.json", "genesis.json", UINT64_MAX, 1, NULL);
    files_day_free(day);
}

struct said {
    uint32_t lines, skipped;
};

static void count_lines(void *context, const char *path, const char *what)
{
    struct said *said = context;
    cr_assert(path[0] == '/' && what[0] != '\0');
    said->lines++;
    said->skipped += strstr(what, "skipped") != NULL;
}

Test(recon_verify, a_tree_of_everything_verifies_and_names_what_it_skips)
{
    struct files_day *day = files_day_new(0xC1);
    files_replica(day);
    cr_assert(files_shell(day, "mkdir -p files/AAAACZPP/2026-11-23") == 0);
    cut(day, 0, "files/AAAACZPP/2026-11-23/1-2");
    files_spool(day, "load.spool");
    cr_assert(files_shell(day, "echo {} > summary.json; echo x > a.yaml; echo x > hub.log; "
                               "touch data/log/lock; echo hello > notes.txt; "
                               "mkdir files/AAAACZPP/2026-11-23/3-4.77.tmp") == 0);
    struct said said = {0};
    struct giro_verify_options options = {.genesis = &day->rig->genesis,
                                          .ring = day->rig->ring,
                                          .say = count_lines,
                                          .say_context = &said};
    enum giro_err err = giro_verify_path(&options, day->dir, &day->diagnosis);
    cr_assert(err == GIRO_ERR_OK, "%s: %s", day->diagnosis.fact, day->diagnosis.detail);
    cr_assert(said.skipped == 6, "%u", said.skipped);
    cr_assert(said.lines == said.skipped + 8, "%u", said.lines);
    cr_assert(options.files >= 14 && options.bytes > 0 && options.windows >= 8 &&
              options.certificates >= 8);
    bad(day, "notes.txt", GIRO_ERR_FORMAT, "notes.txt");
    bad(day, "nothing", GIRO_ERR_NOENT, "nothing");
    bad(day, "data/log/log-0000000000000001", GIRO_ERR_ARGUMENT, "folder");
    day->rig->genesis.chain_id.bytes[0] ^= 1;
    bad(day, "data/ledger", GIRO_ERR_FORMAT, "another hub");
    files_day_free(day);
}
