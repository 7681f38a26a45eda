/* Disclosures: what is shown must be what was signed, and what is not shown is not there. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "wire_samples.h"

static uint8_t bytes[GIRO_DISCLOSURE_BYTES_MAX], frame_bytes[GIRO_FRAME_BYTES_MAX];
static struct giro_disclosure disclosure, again;

static void setup(void)
{
    cr_assert(giro_crypto_init() == GIRO_ERR_OK);
}

TestSuite(wire_disclosure, .init = setup);

static enum giro_reject decode(size_t size_bytes)
{
    uint8_t *exact = malloc(size_bytes + 1);
    memcpy(exact, bytes, size_bytes);
    const enum giro_reject reject =
        giro_disclosure_decode(exact, size_bytes, WIRE_TEST_PREFIX, &again);
    free(exact);
    return reject;
}

/* Whatever of a frame is shown, its signed message is that of the whole frame. */
Test(wire_disclosure, any_part_of_a_frame_gives_the_signed_message_of_the_whole)
{
    struct giro_prng prng;
    const struct giro_hash chain = sample_chain();
    giro_prng_init(&prng, 20261124);
    const struct wire_sample *sample = wire_sample_find("frame");
    for (uint32_t round = 0; round < 300; round++) {
        struct giro_frame frame;
        uint8_t whole[GIRO_FRAME_MESSAGE_BYTES_MAX], part[GIRO_FRAME_MESSAGE_BYTES_MAX];
        const size_t size_bytes = sample->make(4, &prng, frame_bytes);
        cr_assert(giro_frame_decode(frame_bytes, size_bytes, WIRE_TEST_PREFIX, &frame) ==
                  GIRO_REJECT_NONE);
        const size_t whole_bytes = giro_frame_message(&frame, &chain, whole);
        giro_disclosure_of(&frame, &disclosure);
        cr_assert(giro_disclosure_message(&disclosure, &chain, part) == whole_bytes);
        cr_assert(memcmp(whole, part, whole_bytes) == 0);
        disclosure.items[0] = disclosure.items[giro_prng_below(&prng, frame.header.record_count)];
        disclosure.header.item_count = 1;
        struct giro_writer writer;
        giro_writer_init(&writer, bytes, sizeof(bytes));
        cr_assert(giro_disclosure_encode(&disclosure, &writer));
        cr_assert(giro_disclosure_decode(bytes, writer.offset, WIRE_TEST_PREFIX, &again) ==
                  GIRO_REJECT_NONE);
        cr_assert(giro_disclosure_message(&again, &chain, part) == whole_bytes);
        cr_assert(memcmp(whole, part, whole_bytes) == 0);
        /* Of the other payments not a UETR, of the other details not a commitment. */
        for (uint32_t i = 0; i < frame.header.record_count; i++) {
            const struct giro_record record = giro_record_get(&frame, i);
            const bool shown = i == again.items[0].record_index;
            cr_assert((memmem(bytes, writer.offset, record.uetr, 16) != NULL) == shown);
        }
        struct giro_details_block blocks[GIRO_DETAILS_BLOCKS_MAX];
        const uint32_t block_count = giro_details_blocks(&frame, blocks);
        for (uint32_t i = 0; i < block_count; i++) {
            const bool shown = blocks[i].header.record == again.items[0].record_index;
            cr_assert((memmem(bytes, writer.offset, &blocks[i].header.commitment, 32) != NULL) ==
                      shown);
        }
    }
}

/* Every bit counts: it is refused at once, or the message is another and the signature fails, or it is signature, K, height or
 * proof, which the caller checks. */
Test(wire_disclosure, every_flipped_bit_is_refused_or_changes_what_is_checked_next)
{
    const struct giro_hash chain = sample_chain();
    uint8_t message[GIRO_FRAME_MESSAGE_BYTES_MAX], other[GIRO_FRAME_MESSAGE_BYTES_MAX];
    const size_t size_bytes = wire_sample_find("disclosure")->make(4, NULL, bytes);
    cr_assert(giro_disclosure_decode(bytes, size_bytes, WIRE_TEST_PREFIX, &disclosure) ==
              GIRO_REJECT_NONE);
    const size_t message_bytes = giro_disclosure_message(&disclosure, &chain, message);
    const size_t signature = 88, key = 88 + 64 + 4 * 32 + 72 + 368;
    for (size_t bit = 0; bit < 8 * size_bytes; bit++) {
        const size_t at = bit / 8;
        bytes[at] ^= (uint8_t)(1u << bit % 8);
        const bool elsewhere =
            (at >= 12 && at < 24) || (at >= signature && at < signature + 64) || at >= key;
        if (giro_disclosure_decode(bytes, size_bytes, WIRE_TEST_PREFIX, &again) ==
            GIRO_REJECT_NONE) {
            const size_t other_bytes = giro_disclosure_message(&again, &chain, other);
            const bool same =
                other_bytes == message_bytes && memcmp(other, message, message_bytes) == 0;
            cr_assert(same == elsewhere, "bit %zu", bit);
        }
        bytes[at] ^= (uint8_t)(1u << bit % 8);
    }
}

Test(wire_disclosure, forms_that_lie_are_refused_with_their_reason)
{
    static const struct {
        const char *what;
        size_t offset, field_bytes;
        uint32_t value;
        enum giro_reject reject;
    } rows[] = {
        {"another kind", 4, 2, GIRO_KIND_PROOF, GIRO_REJECT_KIND},
        {"a larger size", 8, 4, 4000, GIRO_REJECT_TRUNCATED},
        {"a smaller size", 8, 4, 300, GIRO_REJECT_OVERSIZED},
        {"no items", 24, 2, 0, GIRO_REJECT_COUNT},
        {"more items than records", 24, 2, 3, GIRO_REJECT_COUNT},
        {"an item more", 24, 2, 2, GIRO_REJECT_RESERVED},
        {"no blocks", 26, 2, 0, GIRO_REJECT_FIELD},
        {"more blocks than records", 26, 2, 3, GIRO_REJECT_COUNT},
        {"more blocks than a frame has", 26, 2, 21, GIRO_REJECT_COUNT},
        {"a proof of odd size", 28, 4, 81, GIRO_REJECT_FIELD},
        {"a shorter proof", 28, 4, 76, GIRO_REJECT_OVERSIZED},
        {"a longer one", 28, 4, 84, GIRO_REJECT_TRUNCATED},
        {"the longest", 28, 4, 0xFFFFFFFC, GIRO_REJECT_TRUNCATED},
        {"a skip", 48 + 4, 2, GIRO_KIND_SKIP, GIRO_REJECT_KIND},
        {"another hub's frame", 48 + 8, 4, 1, GIRO_REJECT_CHAIN},
        {"more records than fit", 48 + 22, 2, 139, GIRO_REJECT_FIELD},
        {"fewer records", 48 + 22, 2, 1, GIRO_REJECT_COUNT},
        {"a frame without details", 48 + 32, 4, 0, GIRO_REJECT_FIELD},
        {"another record's hash", 280, 2, 1, GIRO_REJECT_HASH},
        {"a record the frame has not", 280, 2, 2, GIRO_REJECT_FIELD},
        {"another block's hash", 282, 2, 1, GIRO_REJECT_HASH},
        {"a block the frame has not", 282, 2, 2, GIRO_REJECT_FIELD},
        {"no block, but its bytes", 282, 2, 0xFFFF, GIRO_REJECT_FIELD},
        {"a longer block", 284, 2, 496, GIRO_REJECT_OVERSIZED},
        {"two Ks", 286, 1, 2, GIRO_REJECT_RESERVED},
    };
    for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const size_t size_bytes = wire_sample_find("disclosure")->make(4, NULL, bytes);
        memcpy(bytes + rows[i].offset, &rows[i].value, rows[i].field_bytes);
        const enum giro_reject reject = decode(size_bytes);
        cr_assert(reject == rows[i].reject, "%s: %s", rows[i].what, giro_reject_name(reject));
    }
}

/* ---- Days of details ---- */

Test(wire_disclosure, a_day_comes_back_in_order_and_any_other_bytes_end_it)
{
    enum { ENTRIES = 20 };
    static uint8_t day[ENTRIES * (GIRO_DISCLOSURE_BYTES_MAX + GIRO_DETAILS_DAY_EXTRA)];
    static uint8_t made[ENTRIES][GIRO_DISCLOSURE_BYTES_MAX];
    size_t sizes[ENTRIES], ends[ENTRIES], used = 0;
    struct giro_hash digest = giro_hash_zero;
    struct giro_prng prng;
    giro_prng_init(&prng, 4711);
    for (uint32_t i = 0; i < ENTRIES; i++) {
        sizes[i] = wire_sample_find("disclosure")->make(4, &prng, made[i]);
        used += giro_details_day_put(made[i], (uint32_t)sizes[i], &digest, day + used);
        ends[i] = used;
        cr_assert(used % 8 == 0);
    }
    cr_assert(memcmp(day + used - 32, &digest, 32) == 0, "the last bytes name the whole");
    /* Cut anywhere: whole entries come back, and the rest is said to be none. */
    for (size_t cut = 0; cut <= used; cut += cut < 3000 ? 1 : 97) {
        struct giro_reader reader;
        struct giro_hash chain = giro_hash_zero;
        giro_reader_init(&reader, day, cut);
        uint32_t whole = 0;
        for (;; whole++) {
            const uint8_t *entry;
            uint32_t size_bytes = 0;
            const enum giro_reject reject =
                giro_details_day_next(&reader, &chain, &entry, &size_bytes);
            if (reject != GIRO_REJECT_NONE || entry == NULL) {
                const bool at_end = whole == 0 ? cut == 0 : cut == ends[whole - 1];
                cr_assert((reject == GIRO_REJECT_NONE) == at_end, "cut at %zu", cut);
                break;
            }
            cr_assert(size_bytes == sizes[whole] && memcmp(entry, made[whole], size_bytes) == 0);
        }
        cr_assert(whole == ENTRIES || ends[whole] > cut);
        cr_assert(whole == 0 || ends[whole - 1] <= cut);
    }
    for (uint32_t i = 0; i < 2000; i++) {
        const size_t at = giro_prng_below(&prng, used);
        const uint8_t before = day[at];
        day[at] ^= (uint8_t)(1u << giro_prng_below(&prng, 8));
        struct giro_reader reader;
        struct giro_hash chain = giro_hash_zero;
        giro_reader_init(&reader, day, used);
        const uint8_t *entry = day;
        uint32_t size_bytes = 0, whole = 0;
        enum giro_reject reject = GIRO_REJECT_NONE;
        while (reject == GIRO_REJECT_NONE && entry != NULL) {
            reject = giro_details_day_next(&reader, &chain, &entry, &size_bytes);
            whole += reject == GIRO_REJECT_NONE && entry != NULL;
        }
        cr_assert(reject != GIRO_REJECT_NONE && (whole == 0 || ends[whole - 1] <= at));
        day[at] = before;
    }
}
