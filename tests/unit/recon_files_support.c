#include "recon_files_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <xxhash.h>

#include "giro/store.h"

/* ---- Small things ---- */

void files_path(const struct files_day *day, const char *name, char path[FILES_PATH_BYTES])
{
    snprintf(path, FILES_PATH_BYTES, "%.200s/%.200s", day->dir, name);
}

char *files_read(const struct files_day *day, const char *name, size_t *size_bytes)
{
    char path[FILES_PATH_BYTES], *bytes = NULL;
    files_path(day, name, path);
    enum giro_err err = giro_file_read(path, 64u << 20, &bytes, size_bytes);
    cr_assert(err == GIRO_ERR_OK, "%s: %s", path, giro_err_name(err));
    return bytes;
}

/* In place and not synced: a flip test writes thousands of times. */
void files_write(const struct files_day *day, const char *name, const void *bytes,
                 size_t size_bytes)
{
    char path[FILES_PATH_BYTES];
    files_path(day, name, path);
    FILE *file = fopen(path, "wb");
    cr_assert(file != NULL, "%s", path);
    cr_assert(size_bytes == 0 || fwrite(bytes, size_bytes, 1, file) == 1);
    cr_assert(fclose(file) == 0);
}

int files_shell(const struct files_day *day, const char *command)
{
    char text[2 * FILES_PATH_BYTES];
    snprintf(text, sizeof(text), "cd '%s' && %s", day->dir, command);
    return system(text);
}

/* ---- The day ---- */

static void ledger_put(struct files_day *day, const void *bytes, size_t size_bytes)
{
    if (day->ledger_bytes + size_bytes > day->ledger_room) {
        day->ledger_room = 2 * (day->ledger_bytes + size_bytes);
        day->ledger = realloc(day->ledger, day->ledger_room);
        cr_assert(day->ledger != NULL);
    }
    memcpy(day->ledger + day->ledger_bytes, bytes, size_bytes);
    day->ledger_bytes += size_bytes;
}

static void block_end(struct files_day *day)
{
    static const uint8_t zeros[8];
    struct rig *rig = day->rig;
    rig_end(rig);
    struct giro_commit_body *body = &rig->bodies[rig->height];
    body->block_id = giro_sha256(&rig->height, sizeof(rig->height));
    size_t start = day->ledger_bytes;
    struct giro_ledger_block header = {.head = giro_head_make(GIRO_KIND_LEDGER_BLOCK),
                                       .height = rig->height,
                                       .leaf_count = giro_ledger_count(rig->ledger)};
    ledger_put(day, &header, sizeof(header));
    ledger_put(day, body, sizeof(*body));
    for (uint32_t i = 0; i < header.leaf_count; i++) {
        uint32_t size_bytes = 0;
        const uint8_t *leaf = giro_ledger_leaf(rig->ledger, i, &size_bytes);
        ledger_put(day, &size_bytes, sizeof(size_bytes));
        ledger_put(day, leaf, size_bytes);
        ledger_put(day, zeros, giro_align_up(size_bytes, 4) - size_bytes);
    }
    size_t size = day->ledger_bytes - start;
    ledger_put(day, zeros, giro_align_up(size, 8) - size);
    header.size_bytes = day->ledger_bytes - start;
    memcpy(day->ledger + start, &header, sizeof(header));
    header.checksum = XXH3_64bits(day->ledger + start + 16, header.size_bytes - 16);
    memcpy(day->ledger + start, &header, sizeof(header));
}

static void genesis_complete(struct rig *rig, uint8_t chain_byte)
{
    static const char *const bics[RIG_MEMBERS] = {"AAAACZPP", "BBBBCZPP", "CCCCCZPP",
                                                  "DDDDCZPP", "EEEECZPP", "FFFFCZPP"};
    struct giro_genesis *genesis = &rig->genesis;
    memset(genesis->chain_id.bytes, chain_byte, GIRO_HASH_BYTES);
    memcpy(&genesis->chain_prefix, genesis->chain_id.bytes, sizeof(genesis->chain_prefix));
    snprintf(genesis->name, sizeof(genesis->name), "Hub \"one\"");
    for (uint32_t i = 0; i < RIG_MEMBERS; i++) {
        snprintf(genesis->members[i].bic, sizeof(genesis->members[i].bic), "%s", bics[i]);
        genesis->members[i].frame_keys[0].handle = genesis->replicas[0].batch.handle;
    }
    for (uint32_t i = 0; i < RIG_REPLICAS; i++)
        genesis->replicas[i].vote = genesis->replicas[i].batch;
}

struct files_day *files_day_new(uint8_t chain_byte)
{
    struct files_day *day = calloc(1, sizeof(*day));
    cr_assert(day != NULL);
    day->rig = rig_new();
    struct rig *rig = day->rig;
    genesis_complete(rig, chain_byte);
    snprintf(day->dir, sizeof(day->dir), "/tmp/giro-recon-XXXXXX");
    cr_assert(mkdtemp(day->dir) != NULL);
    const uint64_t start = RIG_TIME_NS;
    rig_begin(rig, start);
    rig_pay(rig, 0, 1, 0, GIRO_SERVICE_NET, 500);
    rig_pay(rig, 0, 1, 1, GIRO_SERVICE_GROSS, 7);
    block_end(day);
    rig_begin(rig, start + GIRO_NS_PER_S);
    rig_pay(rig, 0, 1, 0, GIRO_SERVICE_GROSS, 100);
    rig_pay(rig, 2, 0, 0, GIRO_SERVICE_GROSS, 30);
    rig_pay(rig, 0, 2, 0, GIRO_SERVICE_NET, 70);
    rig_pay(rig, 3, 0, 0, GIRO_SERVICE_NET, 20);
    block_end(day);
    rig_begin(rig, start + GIRO_NS_PER_S + 1000);
    cr_assert(rig_control(rig, GIRO_CONTROL_CLOSE_CYCLE, 203, 0));
    rig_pay(rig, 0, 4, 0, GIRO_SERVICE_NET, 9);
    block_end(day);
    rig_begin(rig, start + 3 * GIRO_NS_PER_S);
    rig_pay(rig, 0, 1, 0, GIRO_SERVICE_GROSS, 11);
    block_end(day);
    rig_begin(rig, start + 5 * GIRO_NS_PER_S);
    block_end(day);
    rig_certify_to(rig, rig->height);
    return day;
}

void files_day_free(struct files_day *day)
{
    char command[FILES_PATH_BYTES + 16];
    snprintf(command, sizeof(command), "rm -rf '%s'", day->dir);
    cr_assert(system(command) == 0);
    rig_free(day->rig);
    free(day->ledger);
    free(day);
}

void files_journal(const struct files_day *day, uint16_t member, const char *name)
{
    const struct rig *rig = day->rig;
    char path[FILES_PATH_BYTES];
    files_path(day, name, path);
    FILE *file = fopen(path, "wb");
    cr_assert(file != NULL, "%s", path);
    struct giro_journal_header header = {.head = giro_head_make(GIRO_KIND_JOURNAL),
                                         .chain_id = rig->genesis.chain_id,
                                         .member = member,
                                         .business_date = RIG_DATE};
    cr_assert(fwrite(&header, sizeof(header), 1, file) == 1);
    for (uint32_t i = 0; i < rig->block_count; i++)
        if (rig->blocks[i].member == member)
            cr_assert(fwrite(rig->blocks[i].bytes, rig->blocks[i].size_bytes, 1, file) == 1);
    cr_assert(fclose(file) == 0);
}

/* ---- What is tested ---- */

enum giro_err files_cut(struct files_day *day, const char *journal, const char *out, uint64_t from,
                        uint64_t to, struct giro_recon_cut_result *result)
{
    char journal_path[FILES_PATH_BYTES], out_path[FILES_PATH_BYTES];
    files_path(day, journal, journal_path);
    files_path(day, out, out_path);
    struct giro_recon_cut_options options = {.genesis = &day->rig->genesis,
                                             .ring = day->rig->ring,
                                             .journal_path = journal_path,
                                             .out_path = out_path,
                                             .from_window = from,
                                             .to_window = to};
    return giro_recon_cut(&options, result, &day->diagnosis);
}

enum giro_err files_verify(struct files_day *day, const char *name)
{
    char path[FILES_PATH_BYTES];
    files_path(day, name, path);
    struct giro_verify_options options = {.genesis = &day->rig->genesis, .ring = day->rig->ring};
    memset(&day->diagnosis, 0, sizeof(day->diagnosis));
    return giro_verify_path(&options, path, &day->diagnosis);
}

void files_flip(struct files_day *day, const char *name, const char *what, uint64_t end_bytes,
                uint64_t stride, bool (*excused)(uint64_t offset))
{
    char path[FILES_PATH_BYTES];
    files_path(day, name, path);
    enum giro_err err = files_verify(day, what);
    cr_assert(err == GIRO_ERR_OK, "%s unharmed: %s: %s", what, day->diagnosis.fact,
              day->diagnosis.detail);
    FILE *file = fopen(path, "r+b");
    cr_assert(file != NULL, "%s", path);
    setvbuf(file, NULL, _IONBF, 0);
    cr_assert(fseek(file, 0, SEEK_END) == 0);
    uint64_t size = (uint64_t)ftell(file);
    if (end_bytes > size)
        end_bytes = size;
    for (uint64_t at = 0; at < end_bytes; at += stride) {
        if (excused != NULL && excused(at))
            continue;
        cr_assert(fseek(file, (long)at, SEEK_SET) == 0);
        int byte = fgetc(file), bit = 1 << (at / stride % 8);
        cr_assert(fseek(file, (long)at, SEEK_SET) == 0 && fputc(byte ^ bit, file) != EOF);
        err = files_verify(day, what);
        cr_assert(err != GIRO_ERR_OK, "%s: bit %d of byte %lu is flipped and nobody notices", name,
                  bit, at);
        cr_assert(strstr(day->diagnosis.fact, day->dir) != NULL && day->diagnosis.detail[0] != '\0',
                  "%s: byte %lu: the message names no place: %s: %s", name, at, day->diagnosis.fact,
                  day->diagnosis.detail);
        cr_assert(fseek(file, (long)at, SEEK_SET) == 0 && fputc(byte, file) != EOF);
    }
    cr_assert(fclose(file) == 0);
    cr_assert(files_verify(day, what) == GIRO_ERR_OK);
}
