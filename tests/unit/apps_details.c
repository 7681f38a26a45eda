/* Days of details on a replica: what each member gets, and that replay gives the same again. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "apps/girod/details_files.h"
#include "giro/recon.h"
#include "giro/sys.h"
#include "giro/wire/disclosure.h"
#include "member/details.h"
#include "member_support.h"
#include "sys_support.h"

TestSuite(details_files, .init = hub_suite_open, .fini = hub_suite_close);

#define FRAMES 60u
#define DATES  3u

/* Frames of members 0 and 1 in turn, four payments each: details for 0, 1 and 2, and one without. Of frame i record i % 4 is
 * refused. */
struct rig {
    struct hub hub;
    char dir[256];
    uint8_t frames[FRAMES][GIRO_FRAME_BYTES_MAX];
    struct giro_frame decoded[FRAMES];
    struct giro_result results[FRAMES][4];
};
static struct rig rig;

static uint16_t creditor_of(uint32_t record)
{
    return record == 3 ? 2 : (uint16_t)record;
}

static void frame_fill(uint32_t number)
{
    struct giro_record records[4];
    struct giro_frame_details details[4];
    struct giro_details_key keys[4];
    struct giro_details text = {.fields = {{"REFERENCE", 9}}};
    enum giro_details_field field;
    uint8_t plaintext[GIRO_DETAILS_PLAIN_MAX];
    uint32_t plaintext_bytes = 0, key_count = 0;
    const uint16_t member = number % 2;
    cr_assert(giro_details_encode(&text, plaintext, &plaintext_bytes, &field) == GIRO_DETAILS_GOOD);
    for (uint32_t i = 0; i < 4; i++) {
        records[i] = (struct giro_record){.uetr = {(uint8_t)number, (uint8_t)i, 7},
                                          .creditor = creditor_of(i),
                                          .amount_minor = 5};
        details[i] = (struct giro_frame_details){plaintext, i == 3 ? 0 : plaintext_bytes};
        rig.results[number][i].status = number % 4 == i ? GIRO_STATUS_RJCT
                                        : i % 2 == 0    ? GIRO_STATUS_ACSC
                                                        : GIRO_STATUS_ACSP;
    }
    struct giro_secret_key *key = hub_key(rig.hub.genesis.members[member].bic, "frame", 1);
    const size_t size =
        giro_frame_make_detailed(&rig.hub.genesis, key, member, 1, 0, number, records, details, 4,
                                 keys, &key_count, rig.frames[number]);
    giro_key_free(key);
    cr_assert(size > 0 && key_count == 3);
    cr_assert(giro_frame_decode(rig.frames[number], size, rig.hub.genesis.chain_prefix,
                                &rig.decoded[number]) == GIRO_REJECT_NONE);
}

static void rig_open(void)
{
    hub_make(&rig.hub, 1, 3);
    for (uint32_t i = 0; i < 3; i++) {
        const uint8_t seed[32] = {0, (uint8_t)i, 0x66};
        struct giro_secret_key *key = giro_key_from_seed(seed);
        rig.hub.genesis.members[i].sealing.key = giro_key_sealing(key);
        giro_key_free(key);
    }
    scratch_make(rig.dir);
    for (uint32_t i = 0; i < FRAMES; i++)
        frame_fill(i);
}

static void rig_close(void)
{
    scratch_remove(rig.dir);
    hub_free(&rig.hub);
}

static struct giro_details_files *files_open(void)
{
    struct giro_details_files *files = NULL;
    struct giro_diagnosis diagnosis = {.fact = ""};
    cr_assert(giro_details_files_open(rig.dir, &rig.hub.genesis, &files, &diagnosis) == GIRO_ERR_OK,
              "%s", diagnosis.fact);
    return files;
}

static uint16_t date_of(uint32_t date)
{
    return (uint16_t)(rig.hub.genesis.business_date + date);
}

/* Three frames a height; a third of them on each date. */
static void replay_from(struct giro_details_files *files, uint32_t first)
{
    for (uint32_t i = first; i < FRAMES; i++) {
        const struct giro_details_executed executed = {.frame = &rig.decoded[i],
                                                       .results = rig.results[i],
                                                       .height = 10 + i / 3,
                                                       .leaf_index = 4 + i % 3,
                                                       .business_date =
                                                           date_of(i / (FRAMES / DATES))};
        cr_assert(giro_details_files_frame(files, &executed) == GIRO_ERR_OK);
    }
}

static void replay(struct giro_details_files *files)
{
    replay_from(files, 0);
}

/* ---- What is in them ---- */

struct looking {
    uint32_t frames, payments;
};

static const char *look(void *context, const struct giro_disclosure *disclosure, uint16_t member)
{
    struct looking *looking = context;
    const uint32_t number = disclosure->items[0].record.uetr[0];
    cr_assert(disclosure->header.height == 10 + number / 3 &&
              disclosure->header.leaf_index == 4 + number % 3);
    for (uint32_t i = 0; i < disclosure->header.item_count; i++) {
        const struct giro_disclosure_item *item = &disclosure->items[i];
        cr_assert(item->block.bytes != NULL && item->key == NULL, "with details, without K");
        if (disclosure->frame.member == member)
            continue;
        cr_assert(item->record.creditor == member, "a creditor gets its own");
        cr_assert(rig.results[number][item->record_index].status != GIRO_STATUS_RJCT,
                  "and nothing that was refused");
    }
    looking->frames++;
    looking->payments += disclosure->header.item_count;
    return NULL;
}

Test(details_files, a_debtor_gets_all_of_its_frames_and_a_creditor_its_own_payments)
{
    rig_open();
    struct giro_details_files *files = files_open();
    replay(files);
    /* Of 30 own frames three payments, of 30 others one; member 2 one of each frame but for the 15 where it was refused. */
    static const struct looking expected[3] = {{30 + 30, 90 + 30}, {30 + 30, 90 + 30}, {45, 45}};
    for (uint16_t member = 0; member < 3; member++) {
        struct looking found = {0, 0};
        for (uint32_t date = 0; date < DATES; date++) {
            char path[700];
            struct giro_diagnosis diagnosis = {.fact = ""};
            struct stat info;
            const uint64_t size_bytes =
                giro_details_files_path(files, member, date_of(date), path, sizeof(path));
            cr_assert(stat(path, &info) == 0 && (uint64_t)info.st_size == size_bytes &&
                      (info.st_mode & 0777) == 0600);
            cr_assert(giro_details_day_each(path, &rig.hub.genesis, rig.hub.ring, look, &found,
                                            &diagnosis) == GIRO_ERR_OK,
                      "%s %s", diagnosis.fact, diagnosis.detail);
        }
        cr_assert(found.frames == expected[member].frames &&
                      found.payments == expected[member].payments,
                  "member %u: %u frames, %u payments", member, found.frames, found.payments);
    }
    char path[700];
    struct giro_hash digest;
    cr_assert(giro_details_files_path(files, 0, date_of(DATES), path, sizeof(path)) == 0);
    cr_assert(!giro_details_files_digest(files, 0, date_of(DATES), &digest));
    giro_details_files_close(files);
    rig_close();
}

/* ---- Replay ---- */

static void digests_read(const struct giro_details_files *files, struct giro_hash digests[3][DATES])
{
    for (uint16_t member = 0; member < 3; member++)
        for (uint32_t date = 0; date < DATES; date++)
            cr_assert(
                giro_details_files_digest(files, member, date_of(date), &digests[member][date]));
}

Test(details_files, replay_after_any_cut_or_damage_gives_the_same_days)
{
    struct giro_hash first[3][DATES], again[3][DATES];
    rig_open();
    struct giro_details_files *files = files_open();
    replay(files);
    const uint64_t bytes = giro_details_files_bytes(files);
    digests_read(files, first);
    replay(files);
    digests_read(files, again);
    cr_assert(memcmp(first, again, sizeof(first)) == 0, "what comes again is recognised");
    struct giro_prng prng;
    giro_prng_init(&prng, hub_environment("GIRO_SEED", 20261127));
    for (uint32_t round = 0; round < 60; round++) {
        char path[700];
        const uint16_t member = (uint16_t)giro_prng_below(&prng, 3);
        const uint16_t date = date_of((uint32_t)giro_prng_below(&prng, DATES));
        const uint64_t size = giro_details_files_path(files, member, date, path, sizeof(path));
        const off_t at = (off_t)giro_prng_below(&prng, size);
        giro_details_files_close(files);
        if (round % 2 == 0) {
            cr_assert(truncate(path, at) == 0);
        } else if (at >= 64) { /* a header that is another's is refused */
            FILE *file = fopen(path, "r+b");
            fseek(file, at, SEEK_SET);
            const int byte = fgetc(file);
            fseek(file, at, SEEK_SET);
            fputc(byte ^ (1 << giro_prng_below(&prng, 8)), file);
            fclose(file);
        }
        files = files_open();
        replay(files);
        digests_read(files, again);
        cr_assert(memcmp(first, again, sizeof(first)) == 0, "round %u", round);
        cr_assert(giro_details_files_bytes(files) == bytes, "round %u", round);
    }
    giro_details_files_close(files);
    rig_close();
}

/* ---- Power loss, and images ---- */

/* Where each entry of a day begins; returns how many there are. The last offset is the end. */
static uint32_t offsets_of(const char *path, uint64_t offsets[FRAMES + 1])
{
    char *bytes = NULL;
    size_t size_bytes = 0;
    struct giro_reader reader;
    struct giro_hash digest = giro_hash_zero;
    const uint8_t *entry = NULL;
    uint32_t entry_bytes = 0, count = 0;
    cr_assert(giro_file_read(path, 1u << 24, &bytes, &size_bytes) == GIRO_ERR_OK);
    giro_reader_init(&reader, bytes, size_bytes);
    giro_reader_take(&reader, sizeof(struct giro_details_day_header));
    do {
        offsets[count] = reader.offset;
        cr_assert(giro_details_day_next(&reader, &digest, &entry, &entry_bytes) ==
                  GIRO_REJECT_NONE);
    } while (entry != NULL && ++count <= FRAMES);
    free(bytes);
    return count;
}

Test(details_files, a_day_that_lost_whole_entries_while_the_next_went_on_is_filled_by_replay)
{
    struct giro_hash first[3][DATES], again[3][DATES];
    rig_open();
    struct giro_details_files *files = files_open();
    replay(files);
    digests_read(files, first);
    char path[700];
    uint64_t offsets[FRAMES + 1];
    giro_details_files_path(files, 0, date_of(0), path, sizeof(path));
    const uint32_t count = offsets_of(path, offsets);
    cr_assert(count == FRAMES / DATES);
    for (uint32_t left = 0; left < count; left++) {
        giro_details_files_close(files);
        cr_assert(truncate(path, (off_t)offsets[left]) == 0);
        files = files_open();
        replay(files);
        digests_read(files, again);
        cr_assert(memcmp(first, again, sizeof(first)) == 0, "%u entries left", left);
    }
    giro_details_files_close(files);
    cr_assert(unlink(path) == 0);
    files = files_open();
    replay(files);
    digests_read(files, again);
    cr_assert(memcmp(first, again, sizeof(first)) == 0, "no file left");
    cr_assert(!giro_details_files_gap(files, 0, date_of(0)));
    giro_details_files_close(files);
    rig_close();
}

/* Of frame i, see replay_from. */
#define HEIGHT_OF(i) (10 + (i) / 3)

Test(details_files, what_was_cut_behind_an_image_is_a_gap_for_ever_and_what_replay_brings_is_none)
{
    rig_open();
    struct giro_details_files *files = files_open();
    char path[700];
    uint64_t offsets[FRAMES + 1];
    replay(files);
    giro_details_files_path(files, 0, date_of(1), path, sizeof(path));
    const uint32_t count = offsets_of(path, offsets);
    giro_details_files_close(files);
    /* Torn in its last entry, which is behind the image: replay brings it. */
    cr_assert(truncate(path, (off_t)offsets[count] - 40) == 0);
    files = files_open();
    cr_assert(giro_details_files_restored(files, HEIGHT_OF(30), date_of(1), true) == GIRO_ERR_OK);
    replay_from(files, 33);
    cr_assert(!giro_details_files_gap(files, 0, date_of(1)));
    cr_assert(giro_details_files_path(files, 0, date_of(1), path, sizeof(path)) == offsets[count]);
    giro_details_files_close(files);
    /* Torn in one before the image: the rest of the day is there, and the day is named. */
    cr_assert(truncate(path, (off_t)offsets[2] - 40) == 0);
    files = files_open();
    cr_assert(giro_details_files_restored(files, HEIGHT_OF(30), date_of(1), true) == GIRO_ERR_OK);
    replay_from(files, 33);
    for (uint32_t round = 0; round < 2; round++) {
        for (uint16_t member = 0; member < 3; member++)
            for (uint32_t date = 0; date < DATES; date++)
                cr_assert(giro_details_files_gap(files, member, date_of(date)) ==
                              (member == 0 && date == 1),
                          "member %u, date %u, round %u", member, date, round);
        const uint64_t size = giro_details_files_path(files, 0, date_of(1), path, sizeof(path));
        cr_assert(size > offsets[1] && size < offsets[count]);
        giro_details_files_close(files);
        files = files_open();
    }
    giro_details_files_close(files);
    rig_close();
}

Test(details_files, days_that_came_as_an_image_of_others_are_gaps_of_all_members)
{
    rig_open();
    struct giro_details_files *files = files_open();
    replay(files);
    giro_details_files_close(files);
    files = files_open();
    cr_assert(giro_details_files_restored(files, 100, date_of(DATES + 1), false) == GIRO_ERR_OK);
    giro_details_files_close(files);
    files = files_open();
    for (uint16_t member = 0; member < 3; member++)
        for (uint32_t date = 0; date < DATES + 3; date++)
            cr_assert(giro_details_files_gap(files, member, date_of(date)) ==
                          (date >= DATES - 1 && date <= DATES + 1),
                      "member %u, date %u", member, date);
    giro_details_files_close(files);
    rig_close();
}

Test(details_files, another_members_or_hubs_file_is_refused)
{
    rig_open();
    struct giro_details_files *files = files_open();
    struct giro_diagnosis diagnosis = {.fact = ""};
    char a[700], b[700];
    replay(files);
    giro_details_files_path(files, 0, date_of(0), a, sizeof(a));
    giro_details_files_path(files, 1, date_of(0), b, sizeof(b));
    giro_details_files_close(files);
    cr_assert(rename(a, b) == 0);
    cr_assert(giro_details_files_open(rig.dir, &rig.hub.genesis, &files, &diagnosis) ==
              GIRO_ERR_CHAIN);
    cr_assert(diagnosis.fact[0] != '\0');
    rig_close();
}
