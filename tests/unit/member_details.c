/* Frames with sealed details: what fits, who can open them, and the files of their keys. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "member/details.h"
#include "member/sender.h"
#include "member_support.h"
#include "sys_support.h"

TestSuite(member_details, .init = hub_suite_open, .fini = hub_suite_close);

/* The hub of member_support, with sealing keys whose secrets the tests have. */
struct sealed_hub {
    struct hub hub;
    struct giro_secret_key *frame, *creditors[3], *supervisor;
};

static struct giro_secret_key *secret(uint8_t number)
{
    const uint8_t seed[32] = {0, number, 0x77}; /* X25519 ignores the first three bits */
    return giro_key_from_seed(seed);
}

static void sealed_make(struct sealed_hub *sealed)
{
    hub_make(&sealed->hub, 1, 3);
    sealed->frame = hub_key(sealed->hub.genesis.members[1].bic, "frame", 1);
    sealed->supervisor = secret(9);
    sealed->hub.genesis.supervisor.sealing.key = giro_key_sealing(sealed->supervisor);
    for (uint8_t i = 0; i < 3; i++) {
        sealed->creditors[i] = secret(i);
        sealed->hub.genesis.members[i].sealing.key = giro_key_sealing(sealed->creditors[i]);
    }
}

static void sealed_free(struct sealed_hub *sealed)
{
    for (uint32_t i = 0; i < 3; i++)
        giro_key_free(sealed->creditors[i]);
    giro_key_free(sealed->supervisor);
    giro_key_free(sealed->frame);
    hub_free(&sealed->hub);
}

static struct giro_frame_details plaintext_make(const char *reference, uint8_t *room)
{
    struct giro_details details = {.fields = {{NULL, 0}}};
    enum giro_details_field field;
    uint32_t size_bytes = 0;
    details.fields[GIRO_DETAILS_END_TO_END_ID] =
        (struct giro_details_text){reference, (uint32_t)strlen(reference)};
    cr_assert(giro_details_encode(&details, room, &size_bytes, &field) == GIRO_DETAILS_GOOD);
    return (struct giro_frame_details){room, size_bytes};
}

/* Four payments of member 1: details to member 0, none, details to member 2, details to nobody who could open them. */
static size_t frame_make(const struct sealed_hub *sealed, struct giro_details_key *keys,
                         uint32_t *key_count, uint8_t *out)
{
    static uint8_t rooms[4][GIRO_DETAILS_PLAIN_MAX];
    static const uint16_t creditors[4] = {0, 0, 2, GIRO_MEMBER_OPERATOR};
    struct giro_record records[4];
    struct giro_frame_details details[4] = {plaintext_make("FIRST-4711", rooms[0]),
                                            {NULL, 0},
                                            plaintext_make("THIRD-4713", rooms[2]),
                                            plaintext_make("LOST", rooms[3])};
    for (uint32_t i = 0; i < 4; i++)
        records[i] = (struct giro_record){
            .uetr = {(uint8_t)(i + 1)}, .amount_minor = 100 + i, .creditor = creditors[i]};
    return giro_frame_make_detailed(&sealed->hub.genesis, sealed->frame, 1, 1, 3, 42, records,
                                    details, 4, keys, key_count, out);
}

static bool opens(const struct sealed_hub *sealed, const struct giro_frame *frame,
                  const struct giro_details_block *block, const uint8_t *key, const char *reference)
{
    struct giro_details details;
    return hub_details_open(&sealed->hub.genesis, frame, block, key, &details) &&
           hub_details_say(&details, GIRO_DETAILS_END_TO_END_ID, reference);
}

Test(member_details, each_creditor_the_supervisor_and_the_debtors_keys_open_what_is_theirs)
{
    struct sealed_hub sealed;
    struct giro_details_key keys[4];
    struct giro_details_block blocks[GIRO_DETAILS_BLOCKS_MAX];
    struct giro_frame frame;
    uint32_t key_count = 0;
    uint8_t bytes[GIRO_FRAME_BYTES_MAX], message[GIRO_FRAME_MESSAGE_BYTES_MAX], key[32];
    sealed_make(&sealed);
    const size_t size = frame_make(&sealed, keys, &key_count, bytes);
    cr_assert(size == 104 + 4 * 64 + 2 * 368 && key_count == 2);
    cr_assert(giro_frame_decode(bytes, size, sealed.hub.genesis.chain_prefix, &frame) ==
              GIRO_REJECT_NONE);
    const size_t message_bytes = giro_frame_message(&frame, &sealed.hub.genesis.chain_id, message);
    const struct giro_verify_item item = {sealed.hub.genesis.members[1].frame_keys[0].handle,
                                          message, (uint32_t)message_bytes, frame.signature};
    uint8_t verdict;
    cr_assert(giro_verify_batch(sealed.hub.ring, &item, 1, &verdict) == 1);
    cr_assert(giro_details_blocks(&frame, blocks) == 2);
    static const struct {
        uint32_t creditor, other;
        const char *reference;
    } who[2] = {{0, 2, "FIRST-4711"}, {2, 0, "THIRD-4713"}};
    for (uint32_t i = 0; i < 2; i++) {
        const struct giro_details_header *header = &blocks[i].header;
        cr_assert(header->record == 2 * i && keys[i].record == 2 * i &&
                  keys[i].uetr[0] == 2 * i + 1);
        cr_assert(giro_details_unbox(header, GIRO_DETAILS_CREDITOR,
                                     sealed.creditors[who[i].creditor], key));
        cr_assert(opens(&sealed, &frame, &blocks[i], key, who[i].reference));
        cr_assert(giro_details_unbox(header, GIRO_DETAILS_SUPERVISOR, sealed.supervisor, key));
        cr_assert(opens(&sealed, &frame, &blocks[i], key, who[i].reference));
        cr_assert(giro_hash_equal(&keys[i].commitment, &header->commitment));
        cr_assert(opens(&sealed, &frame, &blocks[i], keys[i].key, who[i].reference));
        cr_assert(!giro_details_unbox(header, GIRO_DETAILS_CREDITOR, sealed.creditors[who[i].other],
                                      key));
        cr_assert(!giro_details_unbox(header, GIRO_DETAILS_CREDITOR, sealed.creditors[1], key));
        cr_assert(!opens(&sealed, &frame, &blocks[1 - i], keys[i].key, who[1 - i].reference));
    }
    for (size_t at = 0; at + 4 <= size; at++)
        cr_assert(memcmp(bytes + at, "4711", 4) != 0 && memcmp(bytes + at, "4713", 4) != 0);
    sealed_free(&sealed);
}

Test(member_details, frames_that_cannot_be_are_not_made)
{
    static uint8_t room[GIRO_DETAILS_PLAIN_MAX], bytes[GIRO_FRAME_BYTES_MAX];
    static struct giro_record records[GIRO_FRAME_RECORDS_MAX];
    static struct giro_frame_details details[GIRO_FRAME_RECORDS_MAX];
    static struct giro_details_key keys[GIRO_FRAME_RECORDS_MAX];
    struct sealed_hub sealed;
    uint32_t key_count = 0;
    sealed_make(&sealed);
    const struct giro_genesis *genesis = &sealed.hub.genesis;
    for (uint32_t i = 0; i < GIRO_FRAME_RECORDS_MAX; i++) {
        records[i] = (struct giro_record){.creditor = 2, .amount_minor = 1};
        details[i] = plaintext_make("X", room);
    }
    cr_assert(giro_frame_make_detailed(genesis, sealed.frame, 1, 1, 0, 0, records, details, 20,
                                       keys, &key_count, bytes) == 104 + 20 * (64 + 368));
    cr_assert(giro_frame_make_detailed(genesis, sealed.frame, 1, 1, 0, 0, records, details, 21,
                                       keys, &key_count, bytes) == 0);
    cr_assert(giro_frame_make_detailed(genesis, sealed.frame, 1, 1, 0, 0, records, details, 138,
                                       keys, &key_count, bytes) == 0);
    memset(&sealed.hub.genesis.members[2].sealing.key, 0, 32);
    cr_assert(giro_frame_make_detailed(genesis, sealed.frame, 1, 1, 0, 0, records, details, 1, keys,
                                       &key_count, bytes) == 0);
    sealed_free(&sealed);
}

Test(member_details, an_ordinary_packet_takes_as_many_as_the_documents_say)
{
    static const struct {
        uint32_t details_bytes, fit;
    } rows[] = {{0, 20}, {128, 3}, {256, 2}, {384, 1}, {640, 1}, {896, 1}, {1024, 0}};
    for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint32_t sizes[30];
        for (uint32_t k = 0; k < 30; k++)
            sizes[k] = rows[i].details_bytes;
        cr_assert(giro_frame_fit(sizes, 30, 138, GIRO_FRAME_ORDINARY_BYTES) == rows[i].fit,
                  "%u: %u", rows[i].details_bytes,
                  giro_frame_fit(sizes, 30, 138, GIRO_FRAME_ORDINARY_BYTES));
        cr_assert(giro_frame_fit(sizes, 1, 138, GIRO_FRAME_ORDINARY_BYTES) <= 1);
        cr_assert(giro_frame_fit(sizes, 0, 138, GIRO_FRAME_ORDINARY_BYTES) == 0);
    }
    static const uint32_t mixed[] = {128, 0, 0, 0, 256, 0, 128};
    cr_assert(giro_frame_fit(mixed, 7, 138, GIRO_FRAME_ORDINARY_BYTES) == 6);
    cr_assert(giro_frame_fit(mixed, 7, 4, GIRO_FRAME_ORDINARY_BYTES) == 4);
}

/* ---- Files of keys ---- */

static struct giro_details_key key_of(uint32_t number)
{
    struct giro_details_key key = {.sequence = number};
    key.commitment = giro_sha256(&number, sizeof(number));
    memset(key.key, (int)number, sizeof(key.key));
    return key;
}

static void add(const struct hub *hub, const char *dir, uint16_t date, uint32_t first,
                uint32_t count)
{
    struct giro_details_key keys[64];
    struct giro_diagnosis diagnosis = {.fact = ""};
    for (uint32_t i = 0; i < count; i++)
        keys[i] = key_of(first + i);
    cr_assert(giro_details_keys_add(dir, &hub->genesis, 1, date, keys, count, &diagnosis) ==
                  GIRO_ERR_OK,
              "%s", diagnosis.fact);
}

static enum giro_err load(const struct hub *hub, const char *dir, uint32_t count)
{
    struct giro_details_keys *keys = NULL;
    struct giro_diagnosis diagnosis = {.fact = ""};
    const enum giro_err err = giro_details_keys_load(dir, &hub->genesis, 1, &keys, &diagnosis);
    if (err != GIRO_ERR_OK) {
        cr_assert(diagnosis.fact[0] != '\0');
        return err;
    }
    cr_assert(giro_details_keys_count(keys) == count, "%lu keys", giro_details_keys_count(keys));
    for (uint32_t i = 0; i < count + 1; i++) {
        const struct giro_details_key wanted = key_of(i);
        const uint8_t *found = giro_details_keys_find(keys, &wanted.commitment);
        cr_assert((found != NULL) == (i < count), "key %u", i);
        cr_assert(found == NULL || memcmp(found, wanted.key, 32) == 0);
    }
    giro_details_keys_free(keys);
    return err;
}

Test(member_details, keys_of_all_days_are_found_and_torn_ones_cost_nothing_else)
{
    struct hub hub;
    char dir[256], path[320];
    hub_make(&hub, 1, 3);
    scratch_make(dir);
    cr_assert(load(&hub, dir, 0) == GIRO_ERR_OK, "no file is no error");
    add(&hub, dir, 20781, 0, 40);
    add(&hub, dir, 20782, 40, 1);
    cr_assert(load(&hub, dir, 41) == GIRO_ERR_OK);
    snprintf(path, sizeof(path), "%s/%s/details-2026-11-25.keys", dir, hub.genesis.members[1].bic);
    struct stat info;
    cr_assert(stat(path, &info) == 0 && (info.st_mode & 0777) == 0600 &&
              info.st_size == 64 + 1 * 96);
    /* A death while three more were written. */
    add(&hub, dir, 20782, 41, 3);
    cr_assert(truncate(path, 64 + 96 + 96 + 95) == 0);
    cr_assert(load(&hub, dir, 42) == GIRO_ERR_OK);
    add(&hub, dir, 20782, 42, 5);
    cr_assert(load(&hub, dir, 47) == GIRO_ERR_OK);
    /* One while its header was. */
    cr_assert(truncate(path, 63) == 0);
    cr_assert(load(&hub, dir, 40) == GIRO_ERR_FORMAT);
    add(&hub, dir, 20782, 40, 2);
    cr_assert(load(&hub, dir, 42) == GIRO_ERR_OK);
    hub_free(&hub);
    scratch_remove(dir);
}

Test(member_details, files_of_others_and_files_for_others_are_refused)
{
    struct hub hub;
    char dir[256], path[320];
    struct giro_diagnosis diagnosis = {.fact = ""};
    const struct giro_details_key key = key_of(0);
    hub_make(&hub, 1, 3);
    scratch_make(dir);
    add(&hub, dir, 20781, 0, 2);
    snprintf(path, sizeof(path), "%s/%s/details-2026-11-24.keys", dir, hub.genesis.members[1].bic);
    cr_assert(chmod(path, 0640) == 0);
    cr_assert(load(&hub, dir, 2) == GIRO_ERR_KEY);
    cr_assert(giro_details_keys_add(dir, &hub.genesis, 1, 20781, &key, 1, &diagnosis) ==
              GIRO_ERR_KEY);
    cr_assert(chmod(path, 0600) == 0);
    static const struct {
        off_t at;
        enum giro_err err;
    } rows[] = {
        {4, GIRO_ERR_FORMAT}, {8, GIRO_ERR_CHAIN}, {40, GIRO_ERR_CHAIN}, {63, GIRO_ERR_CHAIN}};
    for (uint32_t i = 0; i < 4; i++) {
        uint8_t byte;
        const int fd = open(path, O_RDWR);
        cr_assert(pread(fd, &byte, 1, rows[i].at) == 1);
        byte ^= 1;
        cr_assert(pwrite(fd, &byte, 1, rows[i].at) == 1);
        cr_assert(load(&hub, dir, 2) == rows[i].err, "byte %ld", (long)rows[i].at);
        cr_assert(giro_details_keys_add(dir, &hub.genesis, 1, 20781, &key, 1, &diagnosis) ==
                  rows[i].err);
        byte ^= 1;
        cr_assert(pwrite(fd, &byte, 1, rows[i].at) == 1);
        close(fd);
    }
    cr_assert(load(&hub, dir, 2) == GIRO_ERR_OK);
    hub_free(&hub);
    scratch_remove(dir);
}

Test(member_details, processes_that_append_at_once_lose_nothing)
{
    struct hub hub;
    char dir[256];
    hub_make(&hub, 1, 3);
    scratch_make(dir);
    for (uint32_t child = 0; child < 4; child++) {
        if (fork() != 0)
            continue;
        for (uint32_t i = 0; i < 10; i++)
            add(&hub, dir, 20781, 100 * child + 2 * i, 2);
        _exit(0);
    }
    int status;
    for (uint32_t child = 0; child < 4; child++)
        cr_assert(wait(&status) > 0 && status == 0);
    struct giro_details_keys *keys = NULL;
    struct giro_diagnosis diagnosis;
    cr_assert(giro_details_keys_load(dir, &hub.genesis, 1, &keys, &diagnosis) == GIRO_ERR_OK);
    cr_assert(giro_details_keys_count(keys) == 80);
    for (uint32_t i = 0; i < 400; i++) {
        const struct giro_details_key wanted = key_of(i);
        cr_assert((giro_details_keys_find(keys, &wanted.commitment) != NULL) == (i % 100 < 20));
    }
    giro_details_keys_free(keys);
    hub_free(&hub);
    scratch_remove(dir);
}
