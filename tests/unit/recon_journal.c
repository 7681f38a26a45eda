/* Journal blocks: damage in any byte, any truncation, and blocks out of order are found. */
#include <stdlib.h>

#include <criterion/criterion.h>
#include <xxhash.h>

#include "recon_window_support.h"

TestSuite(recon_journal, .init = rig_suite_open, .fini = rig_suite_close);

struct copy {
    struct rig *rig;
    uint8_t *bytes;
    uint32_t size_bytes;
    struct giro_journal_chain chain;
};

static struct copy rich_copy(void)
{
    struct copy copy = {.rig = rig_new()};
    uint32_t index = rig_rich_block(copy.rig, &copy.chain);
    const struct rig_block *block = &copy.rig->blocks[index];
    copy.size_bytes = block->size_bytes;
    copy.bytes = malloc(copy.size_bytes);
    cr_assert(copy.bytes != NULL);
    memcpy(copy.bytes, block->bytes, copy.size_bytes);
    return copy;
}

static void copy_free(struct copy *copy)
{
    free(copy->bytes);
    rig_free(copy->rig);
}

/* True iff the bytes are refused, by the decoder or by the verifier; the chain must not move
 * then. */
static bool refused(const struct copy *copy, const void *bytes, size_t size_bytes)
{
    static struct giro_journal_view view;
    if (giro_journal_decode(bytes, size_bytes, RIG_REPLICAS, &view) != GIRO_REJECT_NONE)
        return true;
    struct giro_journal_chain chain = copy->chain;
    const char *fault = giro_journal_verify(&copy->rig->genesis, copy->rig->ring, &view, &chain);
    if (fault == NULL)
        return false;
    cr_assert(strlen(fault) > 10);
    cr_assert(memcmp(&chain, &copy->chain, sizeof(chain)) == 0, "a refused block moved the chain");
    return true;
}

static void checksum_put(uint8_t *bytes, uint32_t size_bytes)
{
    uint64_t checksum = XXH3_64bits(bytes + 16, size_bytes - 16);
    memcpy(bytes + offsetof(struct giro_journal_block, checksum), &checksum, sizeof(checksum));
}

Test(recon_journal, a_flipped_bit_is_found_by_the_checksum)
{
    struct copy copy = rich_copy();
    static struct giro_journal_view view;
    cr_assert(!refused(&copy, copy.bytes, copy.size_bytes));
    for (uint32_t at = 0; at < copy.size_bytes; at++) {
        copy.bytes[at] ^= (uint8_t)(1u << at % 8);
        enum giro_reject reject =
            giro_journal_decode(copy.bytes, copy.size_bytes, RIG_REPLICAS, &view);
        cr_assert(reject != GIRO_REJECT_NONE, "byte %u", at);
        cr_assert(at < 8 || reject == GIRO_REJECT_CHECKSUM, "byte %u: %s", at,
                  giro_reject_name(reject));
        copy.bytes[at] ^= (uint8_t)(1u << at % 8);
    }
    copy_free(&copy);
}

/* Whoever changes a block can put a fitting checksum: then hashes, path, signatures or sums must
 * tell. */
Test(recon_journal, a_flipped_bit_is_found_behind_a_fitting_checksum)
{
    struct copy copy = rich_copy();
    for (uint32_t at = 16; at < copy.size_bytes; at++) {
        copy.bytes[at] ^= (uint8_t)(1u << at % 8);
        checksum_put(copy.bytes, copy.size_bytes);
        cr_assert(refused(&copy, copy.bytes, copy.size_bytes), "byte %u", at);
        copy.bytes[at] ^= (uint8_t)(1u << at % 8);
        checksum_put(copy.bytes, copy.size_bytes);
    }
    cr_assert(!refused(&copy, copy.bytes, copy.size_bytes));
    copy_free(&copy);
}

Test(recon_journal, a_truncated_block_is_refused_and_bytes_behind_it_are_left_alone)
{
    struct copy copy = rich_copy();
    static struct giro_journal_view view;
    for (uint32_t size = 0; size < copy.size_bytes; size++) {
        /* an exact allocation, so that a sanitizer sees any read behind it */
        uint8_t *cut = malloc(size + 1);
        memcpy(cut, copy.bytes, size);
        enum giro_reject reject = giro_journal_decode(cut, size, RIG_REPLICAS, &view);
        cr_assert(reject == GIRO_REJECT_TRUNCATED, "%u bytes: %s", size, giro_reject_name(reject));
        free(cut);
    }
    uint8_t *more = calloc(1, copy.size_bytes + 100);
    memcpy(more, copy.bytes, copy.size_bytes);
    cr_assert(giro_journal_decode(more, copy.size_bytes + 100, RIG_REPLICAS, &view) ==
              GIRO_REJECT_NONE);
    cr_assert(view.size_bytes == copy.size_bytes);
    free(more);
    copy_free(&copy);
}

/* Sizes in the header shortened or lengthened, with everything that follows from that made to
 * fit. */
Test(recon_journal, a_block_that_lies_about_its_size_is_refused)
{
    struct copy copy = rich_copy();
    uint8_t *bytes = calloc(1, copy.size_bytes + 64);
    for (uint32_t size = 16; size <= copy.size_bytes + 64; size += 4) {
        if (size == copy.size_bytes)
            continue;
        memset(bytes, 0, copy.size_bytes + 64);
        memcpy(bytes, copy.bytes, size < copy.size_bytes ? size : copy.size_bytes);
        memcpy(bytes + offsetof(struct giro_journal_block, size_bytes), &size, sizeof(size));
        checksum_put(bytes, size);
        cr_assert(refused(&copy, bytes, size), "size %u", size);
    }
    free(bytes);
    copy_free(&copy);
}

Test(recon_journal, huge_counts_are_refused_without_reading_that_far)
{
    static const struct {
        size_t at, bytes, record_at;
    } counts[] = {
        {offsetof(struct giro_journal_block, record_bytes), 4, 0},
        {offsetof(struct giro_journal_block, entry_count), 4,
         offsetof(struct giro_window_record, entry_count)},
        {offsetof(struct giro_journal_block, position_count), 4,
         offsetof(struct giro_window_record, position_count)},
        {offsetof(struct giro_journal_block, status_count), 4,
         offsetof(struct giro_window_record, status_count)},
        {offsetof(struct giro_journal_block, certificate_bytes), 4, 0},
        {offsetof(struct giro_journal_block, path_count), 2, 0},
        {offsetof(struct giro_journal_block, cycle_path_count), 2, 0},
        {offsetof(struct giro_journal_block, netting_count), 2, 0},
    };
    static const uint64_t values[] = {UINT32_MAX, 0x80000000u, 0x27627628u, 0xFFFFu, 40u, 1024u};
    struct copy copy = rich_copy();
    uint8_t *bytes = malloc(copy.size_bytes);
    for (uint32_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        for (uint32_t k = 0; k < sizeof(values) / sizeof(values[0]); k++) {
            memcpy(bytes, copy.bytes, copy.size_bytes);
            memcpy(bytes + counts[i].at, &values[k], counts[i].bytes);
            if (counts[i].record_at != 0)
                memcpy(bytes + sizeof(struct giro_journal_block) + counts[i].record_at, &values[k],
                       8);
            checksum_put(bytes, copy.size_bytes);
            cr_assert(refused(&copy, bytes, copy.size_bytes), "count %u, value %lu", i, values[k]);
        }
    }
    free(bytes);
    copy_free(&copy);
}

/* Each wrong neighbour in a chain of one account's windows has its own sentence. */
Test(recon_journal, a_missing_repeated_or_swapped_block_breaks_the_chain)
{
    struct rig *rig = rig_new();
    for (uint32_t i = 1; i <= 4; i++) {
        rig_begin(rig, RIG_TIME_NS + i * GIRO_NS_PER_S);
        rig_pay(rig, 0, 1, 0, GIRO_SERVICE_GROSS, 10);
        rig_end(rig);
    }
    rig_idle(rig, RIG_TIME_NS + 9 * GIRO_NS_PER_S);
    rig_certify_to(rig, rig->height);
    cr_assert(rig->block_count == 8); /* members 0 and 1 in turn */
    static struct giro_journal_view views[4];
    for (uint32_t i = 0; i < 4; i++)
        cr_assert(giro_journal_decode(rig->blocks[2 * i].bytes, rig->blocks[2 * i].size_bytes,
                                      RIG_REPLICAS, &views[i]) == GIRO_REJECT_NONE);
    for (uint32_t first = 0; first < 4; first++) {
        for (uint32_t second = 0; second < 4; second++) {
            struct giro_journal_chain chain = {.started = false};
            const char *fault =
                giro_journal_verify(&rig->genesis, rig->ring, &views[first], &chain);
            cr_assert(fault == NULL, "a chain may start anywhere: %s", fault);
            fault = giro_journal_verify(&rig->genesis, rig->ring, &views[second], &chain);
            cr_assert((fault == NULL) == (second == first + 1), "%u then %u: %s", first, second,
                      fault == NULL ? "accepted" : fault);
            if (fault != NULL)
                cr_assert_str_eq(fault,
                                 "the window record's sequence does not follow the one before");
        }
    }
    rig_free(rig);
}

/* A day's file starts in the middle of the chain: any block of an account may be the first one
 * looked at. */
Test(recon_journal, a_chain_may_be_taken_up_at_any_block)
{
    uint64_t seed = rig_environment("GIRO_SEED", 99);
    struct giro_prng prng;
    giro_prng_init(&prng, seed);
    struct rig *rig = rig_new();
    for (uint32_t i = 0; i < 120; i++)
        rig_random_block(rig, &prng);
    rig_certify_to(rig, rig->height);
    static struct giro_journal_view views[256];
    uint32_t count = 0;
    for (uint32_t i = 0; i < rig->block_count && count < 256; i++) {
        cr_assert(giro_journal_decode(rig->blocks[i].bytes, rig->blocks[i].size_bytes, RIG_REPLICAS,
                                      &views[count]) == GIRO_REJECT_NONE);
        count += views[count].record.member == 1 && views[count].record.currency == 203;
    }
    cr_assert(count >= 20, "seed %lu: %u blocks", seed, count);
    for (uint32_t first = 0; first < count; first++) {
        struct giro_journal_chain chain = {.started = false};
        for (uint32_t i = first; i < count && i < first + 12; i++) {
            const char *fault = giro_journal_verify(&rig->genesis, rig->ring, &views[i], &chain);
            cr_assert(fault == NULL, "seed %lu: from %u, block %u: %s", seed, first, i, fault);
        }
    }
    rig_free(rig);
}

Test(recon_journal, certificates_need_a_quorum_of_distinct_valid_signatures)
{
    struct rig *rig = rig_new();
    rig_idle(rig, RIG_TIME_NS + 1);
    struct giro_certificate good = rig_certificate(rig, &rig->bodies[1]);
    cr_assert(giro_certificate_verify(&rig->genesis, rig->ring, &good));
    struct giro_certificate bad = good;
    bad.signatures[1] = bad.signatures[0];
    cr_assert(!giro_certificate_verify(&rig->genesis, rig->ring, &bad));
    bad = good;
    bad.header.signer_count = 2;
    cr_assert(!giro_certificate_verify(&rig->genesis, rig->ring, &bad));
    bad = good;
    giro_bitmap_set(bad.header.bitmap, 1);
    cr_assert(!giro_certificate_verify(&rig->genesis, rig->ring, &bad), "four bits, 3 signatures");
    bad = good;
    bad.header.bitmap[0] = 0x0F & ~(1u << 3); /* another three replicas than signed */
    cr_assert(!giro_certificate_verify(&rig->genesis, rig->ring, &bad));
    bad = good;
    bad.header.bitmap[0] = 0;
    bad.header.bitmap[15] = 0x70; /* replicas the hub does not have */
    cr_assert(!giro_certificate_verify(&rig->genesis, rig->ring, &bad));
    bad = good;
    bad.header.scheme = GIRO_SCHEME_KEYED_HASH;
    cr_assert(!giro_certificate_verify(&rig->genesis, rig->ring, &bad));
    bad = good;
    bad.header.body.epoch = 2;
    cr_assert(!giro_certificate_verify(&rig->genesis, rig->ring, &bad));
    bad = good;
    bad.header.body.state_root.bytes[5] ^= 1;
    cr_assert(!giro_certificate_verify(&rig->genesis, rig->ring, &bad));
    rig->genesis.chain_id.bytes[0] ^= 1;
    cr_assert(!giro_certificate_verify(&rig->genesis, rig->ring, &good), "another hub's");
    rig_free(rig);
}
