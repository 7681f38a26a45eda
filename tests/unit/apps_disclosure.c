/* Disclosures: what convinces a third party and what does not; days of details from replicas of which some lie. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <sodium.h>
#include <xxhash.h>

#include "giro/recon.h"
#include "member/details.h"
#include "member/sender.h"
#include "member_support.h"
#include "sys_support.h"

TestSuite(disclosure, .init = hub_suite_open, .fini = hub_suite_close);

#define HEIGHT 77u
#define CYCLE  9u

/* A frame of member 0 with two payments and details of both, to members 1 and 2; executed, netted, and its cycle settled. */
struct case_file {
    struct hub hub;
    struct giro_frame frame;
    uint8_t frame_bytes[GIRO_FRAME_BYTES_MAX];
    struct giro_details_key keys[2];
    struct giro_hash frame_hash;
    struct giro_disclosure made;
    struct giro_disclosure_view view;
    uint8_t proof[4096], cycle_proof[4096], bytes[GIRO_DISCLOSURE_BYTES_MAX];
    uint8_t *exact; /* a copy without a byte to spare, verified last */
};
static struct case_file *one;

static uint16_t currency(void)
{
    return one->hub.genesis.currencies[0].number;
}

/* `number` makes the frame another one. break_it: the first payment's block holds something else than its commitment says. */
static void frame_make(uint64_t number, bool break_it)
{
    struct giro_record records[2];
    struct giro_frame_details details[2];
    struct giro_details_block blocks[GIRO_DETAILS_BLOCKS_MAX];
    const struct giro_details text = {.fields = {{"REFERENCE", 9}}};
    enum giro_details_field field;
    uint8_t plaintext[GIRO_DETAILS_PLAIN_MAX];
    uint32_t plaintext_bytes = 0, key_count = 0;
    cr_assert(giro_details_encode(&text, plaintext, &plaintext_bytes, &field) == GIRO_DETAILS_GOOD);
    for (uint32_t i = 0; i < 2; i++) {
        records[i] = (struct giro_record){.uetr = {(uint8_t)i, (uint8_t)number, 0xAB},
                                          .amount_minor = 1234,
                                          .creditor = (uint16_t)(i + 1),
                                          .currency = currency()};
        details[i] = (struct giro_frame_details){plaintext, plaintext_bytes};
    }
    struct giro_secret_key *key = hub_key(one->hub.genesis.members[0].bic, "frame", 1);
    size_t size = giro_frame_make_detailed(&one->hub.genesis, key, 0, 1, 0, number, records,
                                           details, 2, one->keys, &key_count, one->frame_bytes);
    cr_assert(size > 0 && key_count == 2);
    cr_assert(giro_frame_decode(one->frame_bytes, size, one->hub.genesis.chain_prefix,
                                &one->frame) == GIRO_REJECT_NONE);
    if (break_it) {
        uint8_t section[2 * 368];
        unsigned long long cipher_bytes;
        memcpy(section, one->frame.details, sizeof(section));
        giro_details_blocks(&one->frame, blocks);
        plaintext[8] ^= 1;
        crypto_aead_xchacha20poly1305_ietf_encrypt(
            section + 224, &cipher_bytes, plaintext, plaintext_bytes,
            blocks[0].header.commitment.bytes, 32, NULL, blocks[0].header.nonce, one->keys[0].key);
        size = giro_frame_make_with(&one->hub.genesis, key, 0, 1, 0, number, records, 2, section,
                                    sizeof(section), one->frame_bytes);
        cr_assert(giro_frame_decode(one->frame_bytes, size, one->hub.genesis.chain_prefix,
                                    &one->frame) == GIRO_REJECT_NONE);
    }
    giro_key_free(key);
    one->frame_hash = hub_frame_hash(&one->hub, one->frame_bytes, size);
}

/* A proof of the only leaf of a block, certified by the hub's one replica. */
static uint32_t proof_make(const void *leaf, uint32_t leaf_bytes, uint64_t height, uint8_t *out)
{
    static struct giro_certificate certificate;
    uint8_t message[GIRO_COMMIT_MESSAGE_BYTES];
    struct giro_hash hash = giro_leaf_hash(leaf, leaf_bytes);
    memset(&certificate, 0, sizeof(certificate));
    struct giro_certificate_header *header = &certificate.header;
    header->body = (struct giro_commit_body){.head = giro_head_make(GIRO_KIND_CERTIFICATE),
                                             .epoch = 1,
                                             .height = height,
                                             .time_ns = UINT64_C(1795485600000000000)};
    header->body.ledger_root = giro_merkle_root(height, &hash, 1);
    giro_bitmap_set(header->bitmap, 0);
    header->scheme = GIRO_SCHEME_ED25519;
    header->signer_count = 1;
    struct giro_secret_key *key = hub_key(one->hub.genesis.replicas[0].name, "batch", 1);
    const size_t size = giro_commit_message(&one->hub.genesis.chain_id, &header->body, message);
    certificate.signatures[0] = giro_sign(key, message, size);
    giro_key_free(key);
    return (uint32_t)giro_proof_encode(height, 0, 1, leaf, leaf_bytes, NULL, 0, &certificate, out,
                                       4096);
}

static uint32_t frame_proof(const struct giro_hash *frame_hash, uint64_t sequence)
{
    struct {
        char tag[8];
        struct giro_leaf_frame leaf;
        struct giro_result results[2];
    } leaf = {.leaf = {.height = HEIGHT,
                       .frame_hash = *frame_hash,
                       .sequence = sequence,
                       .outcome = GIRO_OUTCOME_EXECUTED,
                       .record_count = 2},
              .results = {{.status = GIRO_STATUS_ACSP, .cycle = CYCLE},
                          {.status = GIRO_STATUS_RJCT, .reason = GIRO_REASON_AM04}}};
    memcpy(leaf.tag, GIRO_TAG_LEAF_FRAME, 8);
    return proof_make(&leaf, sizeof(leaf), HEIGHT, one->proof);
}

static uint32_t cycle_proof(uint32_t cycle, uint16_t number, uint8_t state)
{
    struct {
        char tag[8];
        struct giro_leaf_cycle leaf;
    } leaf = {.leaf = {.height = 90, .cycle = cycle, .currency = number, .state = state}};
    memcpy(leaf.tag, GIRO_TAG_LEAF_CYCLE, 8);
    return proof_make(&leaf, sizeof(leaf), 90, one->cycle_proof);
}

/* Item `index` of the frame alone, with K. */
static size_t disclosure_make(uint32_t index, uint32_t proof_bytes, uint32_t cycle_bytes)
{
    struct giro_writer writer;
    giro_disclosure_of(&one->frame, &one->made);
    one->made.items[0] = one->made.items[index];
    one->made.items[0].key = one->keys[index].key;
    one->made.header.item_count = 1;
    one->made.header.height = HEIGHT;
    one->made.header.proof_bytes = proof_bytes;
    one->made.header.cycle_proof_bytes = cycle_bytes;
    one->made.proof = one->proof;
    one->made.cycle_proof = one->cycle_proof;
    giro_writer_init(&writer, one->bytes, sizeof(one->bytes));
    cr_assert(giro_disclosure_encode(&one->made, &writer));
    return writer.offset;
}

static const char *verify(size_t size_bytes)
{
    free(one->exact); /* the view before pointed into it */
    one->exact = malloc(size_bytes + 1);
    memcpy(one->exact, one->bytes, size_bytes);
    return giro_disclosure_verify(&one->hub.genesis, one->hub.ring, one->exact, size_bytes,
                                  &one->view);
}

static void open_case(void)
{
    one = calloc(1, sizeof(*one));
    hub_make(&one->hub, 1, 3);
    frame_make(5, false);
}

static void close_case(void)
{
    hub_free(&one->hub);
    free(one->exact);
    free(one);
}

Test(disclosure, a_payment_its_status_its_cycle_and_its_details_are_proved)
{
    open_case();
    const uint32_t proof = frame_proof(&one->frame_hash, 5);
    const uint32_t cycle = cycle_proof(CYCLE, currency(), GIRO_CYCLE_SETTLED);
    size_t size = disclosure_make(0, proof, cycle);
    const char *wrong = verify(size);
    cr_assert(wrong == NULL, "%s", wrong);
    cr_assert(one->view.has_proof && one->view.has_cycle && one->view.opened == 1);
    cr_assert(giro_disclosure_result(&one->view, 0).cycle == CYCLE);
    cr_assert(one->view.cycle.state == GIRO_CYCLE_SETTLED);
    size = disclosure_make(1, proof, 0);
    cr_assert(verify(size) == NULL && one->view.has_proof && !one->view.has_cycle);
    cr_assert(giro_disclosure_result(&one->view, 0).reason == GIRO_REASON_AM04);
    size = disclosure_make(1, 0, 0);
    cr_assert(verify(size) == NULL && !one->view.has_proof);
    close_case();
}

Test(disclosure, proofs_of_something_else_are_refused)
{
    open_case();
    const struct giro_hash other = giro_sha256("another frame", 13);
    const uint32_t good = frame_proof(&one->frame_hash, 5);
    const uint32_t cycle = cycle_proof(CYCLE, currency(), GIRO_CYCLE_SETTLED);
    const char *wrong = verify(disclosure_make(0, 0, cycle));
    cr_assert(wrong != NULL && strstr(wrong, "without the frame's") != NULL, "%s", wrong);
    wrong = verify(disclosure_make(1, good, cycle));
    cr_assert(wrong != NULL && strstr(wrong, "no shown payment") != NULL, "%s", wrong);
    cycle_proof(CYCLE + 1, currency(), GIRO_CYCLE_SETTLED);
    wrong = verify(disclosure_make(0, good, cycle));
    cr_assert(wrong != NULL && strstr(wrong, "no shown payment") != NULL, "%s", wrong);
    cycle_proof(CYCLE, (uint16_t)(currency() + 1), GIRO_CYCLE_SETTLED);
    cr_assert(verify(disclosure_make(0, good, cycle)) != NULL, "a cycle of another currency");
    memcpy(one->cycle_proof, one->proof, good);
    wrong = verify(disclosure_make(0, good, good));
    cr_assert(wrong != NULL && strstr(wrong, "not of a cycle") != NULL, "%s", wrong);
    frame_proof(&other, 5);
    wrong = verify(disclosure_make(0, good, 0));
    cr_assert(wrong != NULL && strstr(wrong, "another frame") != NULL, "%s", wrong);
    frame_proof(&one->frame_hash, 6);
    cr_assert(verify(disclosure_make(0, good, 0)) != NULL, "another sequence");
    const uint32_t swapped = cycle_proof(CYCLE, currency(), GIRO_CYCLE_SETTLED);
    memcpy(one->proof, one->cycle_proof, swapped);
    wrong = verify(disclosure_make(0, swapped, 0));
    cr_assert(wrong != NULL && strstr(wrong, "not of a frame") != NULL, "%s", wrong);
    frame_proof(&one->frame_hash, 5);
    disclosure_make(0, good, 0);
    one->made.header.height = HEIGHT + 1;
    struct giro_writer writer;
    giro_writer_init(&writer, one->bytes, sizeof(one->bytes));
    cr_assert(giro_disclosure_encode(&one->made, &writer));
    wrong = verify(writer.offset);
    cr_assert(wrong != NULL && strstr(wrong, "another place") != NULL, "%s", wrong);
    close_case();
}

/* Every bit of header, frame, signature, hashes, record, block, K and proofs. */
Test(disclosure, every_flipped_bit_is_refused)
{
    open_case();
    const uint32_t proof = frame_proof(&one->frame_hash, 5);
    const size_t size = disclosure_make(0, proof, cycle_proof(CYCLE, currency(), 4));
    cr_assert(verify(size) == NULL);
    const uint64_t stride = hub_environment("GIRO_EFFORT", 1) > 1 ? 1 : 5;
    for (size_t bit = 0; bit < 8 * size; bit += stride) {
        one->bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        cr_assert(verify(size) != NULL, "byte %zu of %zu", bit / 8, size);
        one->bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t cut = 0; cut < size; cut += 3)
        cr_assert(verify(cut) != NULL);
    close_case();
}

Test(disclosure, a_debtor_that_sealed_something_else_is_convicted_by_the_file)
{
    open_case();
    frame_make(5, true);
    const char *wrong = verify(disclosure_make(0, 0, 0));
    cr_assert(wrong != NULL &&
                  strstr(wrong, "a break that this key and the signed frame prove") != NULL,
              "%s", wrong);
    cr_assert(verify(disclosure_make(1, 0, 0)) == NULL, "the other payment is as it should be");
    one->keys[1].key[0] ^= 1;
    wrong = verify(disclosure_make(1, 0, 0));
    cr_assert(wrong != NULL && strstr(wrong, "this key does not open it") != NULL, "%s", wrong);
    close_case();
}

/* ---- Days from several replicas ---- */

#define DAY_FRAMES 12u
#define NOBODY     99u

static uint8_t day_frames[DAY_FRAMES][GIRO_FRAME_BYTES_MAX];
static size_t day_frame_bytes[DAY_FRAMES];
static struct giro_details_key day_keys[DAY_FRAMES][2];

static void day_frames_make(uint32_t broken)
{
    for (uint32_t i = 0; i < DAY_FRAMES; i++) {
        frame_make(i, i == broken);
        memcpy(day_frames[i], one->frame_bytes, sizeof(one->frame_bytes));
        memcpy(day_keys[i], one->keys, sizeof(one->keys));
        day_frame_bytes[i] = one->frame.size_bytes;
    }
}

/* The debtor's day but for `left_out`; frame `moved` is said, `times` times, to stand where the one behind it does, which is left
 * out, too. */
static void day_write_times(const char *path, uint32_t left_out, uint32_t moved, uint32_t times)
{
    static uint8_t bytes[2 * DAY_FRAMES * 8192];
    struct giro_hash digest = giro_hash_zero;
    const struct giro_details_day_header header = {.head = giro_head_make(GIRO_KIND_DETAILS_DAY),
                                                   .chain_id = one->hub.genesis.chain_id,
                                                   .business_date = 20781};
    size_t size_bytes = sizeof(header);
    memcpy(bytes, &header, sizeof(header));
    for (uint32_t i = 0; i < DAY_FRAMES; i++) {
        struct giro_frame frame;
        struct giro_writer writer;
        if (i == left_out || i == moved + 1)
            continue;
        cr_assert(giro_frame_decode(day_frames[i], day_frame_bytes[i],
                                    one->hub.genesis.chain_prefix, &frame) == GIRO_REJECT_NONE);
        giro_disclosure_of(&frame, &one->made);
        one->made.header.height = 100 + i + (i == moved);
        giro_writer_init(&writer, one->bytes, sizeof(one->bytes));
        cr_assert(giro_disclosure_encode(&one->made, &writer));
        for (uint32_t k = 0; k < (i == moved ? times : 1); k++)
            size_bytes += giro_details_day_put(one->bytes, (uint32_t)writer.offset, &digest,
                                               bytes + size_bytes);
    }
    cr_assert(giro_file_write(path, 0600, bytes, size_bytes) == GIRO_ERR_OK);
}

static void day_write(const char *path, uint32_t left_out, uint32_t moved)
{
    day_write_times(path, left_out, moved, 1);
}

static bool on_key(void *context, const struct giro_disclosure *disclosure, uint32_t index,
                   uint8_t key[32])
{
    const struct giro_details_key *found = &day_keys[disclosure->frame.sequence][index];
    (void)context;
    memcpy(key, found->key, 32);
    return found->sequence == disclosure->frame.sequence;
}

static void on_broken(void *context, const struct giro_disclosure *disclosure, uint32_t index,
                      const uint8_t key[32], enum giro_details_verdict verdict)
{
    uint32_t *broken = context;
    (void)key;
    cr_assert(index == 0 && verdict == GIRO_DETAILS_BROKEN_PROMISE);
    *broken = (uint32_t)disclosure->frame.sequence;
}

static uint64_t heights[DAY_FRAMES];

static const char *place_note(void *context, const struct giro_disclosure *disclosure,
                              uint16_t member)
{
    uint32_t *count = context;
    cr_assert(member == 0);
    heights[disclosure->frame.sequence] = disclosure->header.height;
    (*count)++;
    return NULL;
}

/* How often K of the day's last frame stands in what this process may write to, but for day_keys. Memory of the sanitizers' own
 * cannot be read, and what was freed stays with them: not asked there. */
static uint32_t key_copies(void)
{
    uint32_t copies = 0;
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    const uint8_t *key = day_keys[DAY_FRAMES - 1][0].key;
    char line[400];
    FILE *maps = fopen("/proc/self/maps", "r");
    cr_assert(maps != NULL);
    while (fgets(line, sizeof(line), maps) != NULL) {
        unsigned long from = 0, to = 0;
        char rights[5] = "";
        if (sscanf(line, "%lx-%lx %4s", &from, &to, rights) != 3 || strcmp(rights, "rw-p") != 0)
            continue;
        const uint8_t *at = (const uint8_t *)from, *end = (const uint8_t *)to;
        while ((at = memmem(at, (size_t)(end - at), key, 32)) != NULL) {
            copies += at < (const uint8_t *)day_keys || at >= (const uint8_t *)(&day_keys + 1);
            at++;
        }
    }
    fclose(maps);
#endif
    return copies;
}

Test(disclosure, one_honest_replica_among_liars_is_enough_for_a_days_details)
{
    char dir[256], paths[7][300], out[300];
    struct giro_details_merge_result result;
    struct giro_diagnosis diagnosis = {.fact = ""};
    uint32_t broken = NOBODY, count = 0;
    open_case();
    day_frames_make(7);
    scratch_make(dir);
    for (uint32_t i = 0; i < 7; i++)
        snprintf(paths[i], sizeof(paths[i]), "%s/%u", dir, i);
    snprintf(out, sizeof(out), "%s/out", dir);
    day_write(paths[0], 3, NOBODY);      /* leaves one out */
    day_write(paths[1], NOBODY, 5);      /* says one stands where another does */
    day_write(paths[2], NOBODY, NOBODY); /* two replicas say the truth */
    day_write(paths[3], 0, NOBODY);      /* and one whose file is damaged in the midst */
    char *bytes;
    size_t size;
    cr_assert(giro_file_read(paths[3], 1 << 20, &bytes, &size) == GIRO_ERR_OK);
    bytes[size / 2] ^= 4;
    cr_assert(giro_file_write(paths[3], 0600, bytes, size) == GIRO_ERR_OK);
    free(bytes);
    cr_assert(giro_file_write(paths[4], 0600, "GIRO", 4) == GIRO_ERR_OK);
    day_write(paths[5], NOBODY, DAY_FRAMES - 1); /* says one stands where none does */
    day_write_times(paths[6], NOBODY, 2, 5);     /* says so five times, for a majority */
    const struct giro_details_source sources[] = {{paths[0], 1}, {paths[1], 1}, {paths[2], 2},
                                                  {paths[3], 1}, {paths[4], 1}, {paths[5], 1},
                                                  {paths[6], 1}};
    const struct giro_details_merge_options options = {.genesis = &one->hub.genesis,
                                                       .ring = one->hub.ring,
                                                       .business_date = 20781,
                                                       .sources = sources,
                                                       .source_count = 7,
                                                       .out_path = out,
                                                       .key = on_key,
                                                       .broken = on_broken,
                                                       .context = &broken};
    const uint32_t copies = key_copies();
    cr_assert(giro_details_merge(&options, &result, &diagnosis) == GIRO_ERR_OK, "%s",
              diagnosis.fact);
    cr_assert(key_copies() <= copies, "a merge leaves K in memory");
    cr_assert(result.frames == DAY_FRAMES && result.payments == 2 * DAY_FRAMES);
    cr_assert(result.opened == 2 * DAY_FRAMES - 1 && result.broken == 1 && broken == 7);
    cr_assert(result.bad_sources == 3, "%u", result.bad_sources);
    cr_assert(giro_details_day_each(out, &one->hub.genesis, one->hub.ring, place_note, &count,
                                    &diagnosis) == GIRO_ERR_OK,
              "%s %s", diagnosis.fact, diagnosis.detail);
    cr_assert(count == DAY_FRAMES);
    for (uint32_t i = 0; i < DAY_FRAMES; i++)
        cr_assert(heights[i] == 100 + i, "frame %u at %lu", i, heights[i]);
    struct stat info;
    cr_assert(stat(out, &info) == 0 && (info.st_mode & 0777) == 0600);
    scratch_remove(dir);
    close_case();
}

/* A journal of one window whose status rows stand where the frames were executed. */
static void journal_write(const char *path)
{
    static uint8_t bytes[1 << 16];
    struct giro_writer writer;
    const struct giro_journal_header head = {.head = giro_head_make(GIRO_KIND_JOURNAL),
                                             .chain_id = one->hub.genesis.chain_id,
                                             .business_date = 20781};
    const struct giro_window_record record = {.head = giro_head_make(GIRO_KIND_WINDOW),
                                              .currency = currency(),
                                              .business_date = 20781,
                                              .status_count = DAY_FRAMES};
    const uint32_t proof = frame_proof(&one->frame_hash, 5);
    struct giro_proof_header proof_header;
    memcpy(&proof_header, one->proof, sizeof(proof_header));
    struct giro_journal_block block = {.magic = GIRO_MAGIC,
                                       .record_bytes = sizeof(record),
                                       .status_count = DAY_FRAMES,
                                       .certificate_bytes = proof_header.certificate_bytes,
                                       .leaf_count = 1};
    giro_writer_init(&writer, bytes, sizeof(bytes));
    giro_writer_put(&writer, &head, sizeof(head));
    giro_writer_reserve(&writer, sizeof(block));
    giro_writer_put(&writer, &record, sizeof(record));
    for (uint32_t i = 0; i < DAY_FRAMES; i++) {
        const struct giro_status_row row = {
            .uetr = {0, (uint8_t)i, 0xAB}, .height = 100 + i, .sequence = i};
        giro_writer_put(&writer, &row, sizeof(row));
    }
    giro_writer_put(&writer, &giro_hash_zero, sizeof(giro_hash_zero)); /* salt */
    giro_writer_put(&writer, one->proof + proof - proof_header.certificate_bytes,
                    proof_header.certificate_bytes);
    while (writer.offset % 8 != 0)
        giro_writer_put(&writer, "", 1);
    cr_assert(!writer.failed);
    uint8_t *at = bytes + sizeof(head);
    block.size_bytes = (uint32_t)(writer.offset - sizeof(head));
    memcpy(at, &block, sizeof(block));
    block.checksum = XXH3_64bits(at + 16, block.size_bytes - 16);
    memcpy(at, &block, sizeof(block));
    cr_assert(giro_file_write(path, 0600, bytes, writer.offset) == GIRO_ERR_OK);
}

/* Two that say the same false place are more than the one that is honest. */
Test(disclosure, where_a_frame_stands_is_what_the_journal_says)
{
    char dir[256], paths[2][300], journal[300], out[300];
    struct giro_details_merge_result result;
    struct giro_diagnosis diagnosis = {.fact = ""};
    uint32_t broken = NOBODY;
    open_case();
    day_frames_make(NOBODY);
    scratch_make(dir);
    for (uint32_t i = 0; i < 2; i++)
        snprintf(paths[i], sizeof(paths[i]), "%s/%u", dir, i);
    snprintf(journal, sizeof(journal), "%s/journal", dir);
    snprintf(out, sizeof(out), "%s/out", dir);
    day_write(paths[0], NOBODY, 5);
    day_write(paths[1], NOBODY, NOBODY);
    journal_write(journal);
    const struct giro_details_source sources[] = {{paths[0], 2}, {paths[1], 1}};
    struct giro_details_merge_options options = {.genesis = &one->hub.genesis,
                                                 .ring = one->hub.ring,
                                                 .business_date = 20781,
                                                 .sources = sources,
                                                 .source_count = 2,
                                                 .out_path = out,
                                                 .key = on_key,
                                                 .broken = on_broken,
                                                 .context = &broken};
    for (uint32_t with = 0; with < 2; with++) {
        uint32_t count = 0;
        options.journal_path = with == 1 ? journal : NULL;
        cr_assert(giro_details_merge(&options, &result, &diagnosis) == GIRO_ERR_OK);
        cr_assert(giro_details_day_each(out, &one->hub.genesis, one->hub.ring, place_note, &count,
                                        &diagnosis) == GIRO_ERR_OK);
        cr_assert(heights[5] == (with == 1 ? 105 : 106), "at %lu", heights[5]);
        cr_assert(result.frames == (with == 1 ? DAY_FRAMES : DAY_FRAMES - 1));
    }
    cr_assert(heights[6] == 106);
    scratch_remove(dir);
    close_case();
}

Test(disclosure, a_days_digest_is_of_whole_entries_alone)
{
    char dir[256], path[300];
    struct giro_hash digest;
    struct giro_diagnosis diagnosis = {.fact = ""};
    char *bytes;
    size_t size;
    open_case();
    day_frames_make(NOBODY);
    scratch_make(dir);
    snprintf(path, sizeof(path), "%s/day", dir);
    day_write(path, NOBODY, NOBODY);
    cr_assert(giro_file_read(path, 1 << 20, &bytes, &size) == GIRO_ERR_OK);
    cr_assert(giro_details_day_digest(path, &digest, &diagnosis) == GIRO_ERR_OK);
    cr_assert(memcmp(&digest, bytes + size - sizeof(digest), sizeof(digest)) == 0);
    cr_assert(giro_file_write(path, 0600, bytes, size - 1) == GIRO_ERR_OK);
    cr_assert(giro_details_day_digest(path, &digest, &diagnosis) == GIRO_ERR_FORMAT);
    bytes[size - 1] ^= 1;
    cr_assert(giro_file_write(path, 0600, bytes, size) == GIRO_ERR_OK);
    cr_assert(giro_details_day_digest(path, &digest, &diagnosis) == GIRO_ERR_FORMAT);
    memset(bytes, 0, size);
    cr_assert(giro_file_write(path, 0600, bytes, size) == GIRO_ERR_OK);
    cr_assert(giro_details_day_digest(path, &digest, &diagnosis) == GIRO_ERR_FORMAT);
    free(bytes);
    scratch_remove(dir);
    close_case();
}
