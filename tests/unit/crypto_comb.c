/* Comb tables and digits, against libsodium's points. */
#include <stdlib.h>

#include <criterion/criterion.h>
#include <sodium.h>

#include "common/crypto/internal.h"
#include "crypto_support.h"

TestSuite(crypto_comb, .init = crypto_suite_open, .fini = crypto_suite_close, .timeout = 600);

/* The point an entry stands for; its third coordinate is checked against the other two. */
static void entry_encode(const struct giro_comb_entry *entry, uint8_t bytes[32])
{
    static const struct giro_fe curve_d = {
        {929955233495203, 466365720129213, 1662059464998953, 2033849074728123, 1442794654840575}};
    const struct giro_point point = {.x = giro_fe_sub(&entry->sum, &entry->difference),
                                     .y = giro_fe_add(&entry->sum, &entry->difference),
                                     .z = {{2, 0, 0, 0, 0}}};
    cr_assert(giro_point_encode(&point, bytes));
    /* x y = (sum^2 - difference^2) / 4, so 2 product = d (sum^2 - difference^2) */
    const struct giro_fe s = giro_fe_square(&entry->sum), t = giro_fe_square(&entry->difference);
    const struct giro_fe u = giro_fe_sub(&s, &t), v = giro_fe_mul(&u, &curve_d);
    const struct giro_fe twice = giro_fe_add(&entry->product, &entry->product);
    const struct giro_fe rest = giro_fe_sub(&twice, &v);
    cr_assert(giro_fe_is_zero(&rest));
    for (int i = 0; i < 5; i++) {
        cr_assert(entry->sum.v[i] <= GIRO_FE_MASK && entry->difference.v[i] <= GIRO_FE_MASK);
        cr_assert(entry->product.v[i] <= GIRO_FE_MASK);
    }
}

static void table_hold(const struct giro_comb_entry *table, uint32_t rows, uint32_t width,
                       const uint8_t point[32])
{
    static const uint8_t neutral[32] = {1};
    uint8_t base[32], multiple[32], found[32];
    memcpy(base, point, 32);
    for (uint32_t w = 0; w < rows; w++) {
        memcpy(multiple, neutral, 32);
        for (uint32_t j = 0; j < giro_comb_row(width); j++) {
            entry_encode(&table[w * giro_comb_row(width) + j], found);
            cr_assert(memcmp(found, multiple, 32) == 0, "width %u window %u entry %u", width, w, j);
            if (j + 1 < giro_comb_row(width))
                cr_assert(crypto_core_ed25519_add(multiple, multiple, base) == 0);
        }
        cr_assert(crypto_core_ed25519_add(base, multiple, multiple) == 0);
    }
}

Test(crypto_comb, every_entry_of_every_width_is_the_multiple_libsodium_computes)
{
    static const uint32_t widths[] = {8, 6, 4};
    struct giro_secret_key *secret = giro_key_generate();
    struct giro_public_key key = giro_key_public(secret);
    for (size_t i = 0; i < 3; i++) {
        struct giro_key_ring *ring = crypto_ring_new_for(1, widths[i]);
        struct giro_key_handle handle;
        cr_assert(giro_key_ring_enrol(ring, &key, NULL, 0, NULL, &handle) == GIRO_KEY_OK);
        uint8_t negative[32];
        memcpy(negative, key.bytes, 32);
        negative[31] ^= 0x80;
        table_hold(giro_key_slot_table(giro_key_ring_slot(ring, handle)),
                   giro_comb_windows(widths[i]), widths[i], negative);
        free(ring);
    }
    giro_key_free(secret);
}

Test(crypto_comb, the_base_table_is_that_of_the_base_point)
{
    uint8_t one[32] = {1}, base[32];
    cr_assert(crypto_scalarmult_ed25519_base_noclamp(base, one) == 0);
    table_hold(giro_comb_base, GIRO_COMB_BASE_WINDOWS, GIRO_COMB_BASE_WIDTH, base);
}

/* The digits, put together again bit by bit, are the scalar. */
static void digits_hold(const uint16_t *digits, uint32_t windows, uint32_t width,
                        const uint8_t scalar[32], uint64_t seed)
{
    int32_t bits[300] = {0};
    for (uint32_t w = 0; w < windows; w++) {
        const int32_t size = digits[w] >> 1;
        cr_assert(size <= 1 << (width - 1), "seed %lu width %u digit %u", seed, width, w);
        bits[w * width] += digits[w] & 1 ? -size : size;
    }
    for (uint32_t i = 0; i < 299; i++) {
        const int32_t bit = i < 256 ? (scalar[i / 8] >> (i % 8)) & 1 : 0;
        cr_assert((bits[i] & 1) == bit, "seed %lu width %u bit %u", seed, width, i);
        bits[i + 1] += bits[i] >> 1; /* arithmetic shift: floor */
    }
    cr_assert(bits[299] == 0, "seed %lu width %u", seed, width);
}

Test(crypto_comb, digits_sum_to_their_scalar)
{
    uint64_t seed = crypto_seed();
    struct giro_prng prng;
    giro_prng_init(&prng, seed);
    static const uint32_t widths[] = {GIRO_COMB_BASE_WIDTH, 8, 6, 4};
    for (uint32_t round = 0; round < 3000; round++) {
        uint8_t scalar[32];
        uint16_t digits[GIRO_COMB_WINDOWS_MAX];
        giro_prng_fill(&prng, scalar, sizeof(scalar));
        if (round < 256) /* long runs of carries */
            memset(scalar, (int)round, sizeof(scalar));
        scalar[31] &= 0x1f; /* below 2^253 */
        for (size_t i = 0; i < 4; i++) {
            giro_comb_digits(digits, widths[i], scalar);
            digits_hold(digits, giro_comb_windows(widths[i]), widths[i], scalar, seed);
        }
    }
}

/* ---- Eight lanes against plain C ---- */

/* Around what the reduction in lanes splits at: multiples of L and of 2^252, powers of two, all ones. */
static void digest_draw(struct giro_prng *prng, uint8_t digest[64])
{
    static const uint8_t order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,       0xd6,
                                      0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10};
    memset(digest, 0, 64);
    const uint64_t kind = giro_prng_below(prng, 6);
    if (kind == 0) {
        giro_prng_fill(prng, digest, 64);
        return;
    }
    if (kind == 1) /* a run of ones */
        memset(digest + giro_prng_below(prng, 32), 0xff, giro_prng_below(prng, 33));
    else if (kind == 2)
        digest[giro_prng_below(prng, 64)] = (uint8_t)(1u << giro_prng_below(prng, 8));
    else { /* a multiple of L: of one byte or two, or L 2^(8 n) */
        const uint32_t factor = kind == 3 ? 1 : (uint32_t)giro_prng_below(prng, 1u << 16);
        const uint64_t at = kind == 5 ? 0 : giro_prng_below(prng, 30);
        uint32_t carry = 0;
        for (uint64_t i = 0; at + i < 64; i++) {
            carry += (i < 32 ? order[i] : 0) * factor;
            digest[at + i] = (uint8_t)carry;
            carry >>= 8;
        }
    }
    /* and its neighbours: a little more or less */
    int32_t change = (int32_t)giro_prng_below(prng, 5) - 2;
    for (int i = 0; i < 64 && change != 0; i++) {
        change += digest[i];
        digest[i] = (uint8_t)change;
        change >>= 8;
    }
}

Test(crypto_comb, eight_lanes_of_scalars_give_the_digits_of_plain_c)
{
    if (!giro_crypto_variant_there(GIRO_VARIANT_AVX512))
        cr_skip("SKIPPED: this processor has no AVX-512 IFMA");
    uint64_t seed = crypto_seed();
    struct giro_prng prng;
    giro_prng_init(&prng, seed);
    static const uint32_t widths[] = {8, 6, 4};
    static struct giro_comb_job found[19], expected[19];
    for (uint32_t round = 0; round < 6000; round++) {
        struct giro_hash_job hashes[19];
        uint8_t signatures[19][64];
        const uint32_t count = round % 19 + 1, width = widths[round % 3];
        for (uint32_t i = 0; i < count; i++) {
            digest_draw(&prng, hashes[i].digest);
            uint8_t wide[64];
            digest_draw(&prng, wide);
            crypto_core_ed25519_scalar_reduce(signatures[i] + 32, wide);
            hashes[i].r = signatures[i];
        }
        giro_scalars_avx512(found, hashes, count, width);
        giro_scalars_portable(expected, hashes, count, width);
        for (uint32_t i = 0; i < count; i++) {
            cr_assert(memcmp(found[i].base_digits, expected[i].base_digits,
                             sizeof(found[i].base_digits)) == 0,
                      "S: seed %lu round %u job %u", seed, round, i);
            cr_assert(memcmp(found[i].key_digits, expected[i].key_digits,
                             giro_comb_windows(width) * sizeof(uint16_t)) == 0,
                      "k: seed %lu round %u job %u width %u", seed, round, i, width);
        }
    }
}

/* A value that is 0, 1, p - 1, ... in some of its loose forms, or any. */
static struct giro_fe loose_draw(struct giro_prng *prng)
{
    struct giro_fe a;
    for (int i = 0; i < 5; i++)
        a.v[i] = giro_prng_below(prng, GIRO_FE_LOOSE_MAX);
    if (giro_prng_chance(prng, 1, 2)) {
        const uint64_t times = giro_prng_below(prng, 4);
        a = (struct giro_fe){{times * (GIRO_FE_MASK - 18) + giro_prng_below(prng, 40),
                              times * GIRO_FE_MASK, times * GIRO_FE_MASK, times * GIRO_FE_MASK,
                              times * GIRO_FE_MASK}};
    }
    return a;
}

Test(crypto_comb, eight_lanes_of_encodings_are_those_of_plain_c)
{
    if (!giro_crypto_variant_there(GIRO_VARIANT_AVX512))
        cr_skip("SKIPPED: this processor has no AVX-512 IFMA");
    uint64_t seed = crypto_seed();
    struct giro_prng prng;
    giro_prng_init(&prng, seed);
    static struct giro_comb_job jobs[GIRO_COMB_JOBS_MAX];
    for (uint32_t count = 1; count <= GIRO_COMB_JOBS_MAX; count++) {
        uint8_t expected[GIRO_COMB_JOBS_MAX][32];
        for (uint32_t i = 0; i < count; i++) {
            jobs[i].x = loose_draw(&prng);
            jobs[i].y = loose_draw(&prng);
            do
                jobs[i].z = loose_draw(&prng);
            while (giro_fe_is_zero(&jobs[i].z));
            if (giro_prng_chance(&prng, 1, 2)) /* the coordinates stay what they are */
                jobs[i].z = giro_fe_one;
        }
        giro_comb_encode_portable(jobs, count);
        for (uint32_t i = 0; i < count; i++) {
            memcpy(expected[i], jobs[i].encoded, 32);
            memset(jobs[i].encoded, 0, 32);
        }
        giro_comb_encode_avx512(jobs, count);
        for (uint32_t i = 0; i < count; i++)
            cr_assert(memcmp(jobs[i].encoded, expected[i], 32) == 0, "seed %lu count %u job %u",
                      seed, count, i);
    }
}

Test(crypto_comb, the_width_is_the_widest_that_the_memory_holds)
{
    static const struct {
        uint32_t keys, width;
    } rows[] = {{1, 8}, {635, 8}, {636, 6}, {1847, 6}, {1848, 4}, {4551, 4}, {4552, 0}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const size_t size_bytes = giro_key_ring_footprint(rows[i].keys);
        cr_assert(size_bytes == giro_key_ring_footprint_for(rows[i].keys, rows[i].width), "row %zu",
                  i);
    }
    static const uint32_t widths[] = {0, 4, 6, 8};
    for (size_t i = 0; i < 4; i++) {
        struct giro_key_ring *ring = crypto_ring_new_for(3, widths[i]);
        cr_assert(ring->table_width == widths[i]);
        free(ring);
    }
    cr_assert(giro_key_ring_footprint_for(3, 5) == 0 && giro_key_ring_footprint_for(0, 4) == 0);
}
