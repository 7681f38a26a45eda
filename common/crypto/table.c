/* The comb table of an enrolled key: which width, how it is built, and its check against libsodium. */
#include <sodium.h>

#include "internal.h"

/* From the widest. */
static const uint32_t widths[] = {8, 6, 4};

size_t giro_key_table_bytes(uint32_t width)
{
    for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
        if (widths[i] == width)
            return giro_comb_bytes(width);
    }
    return 0;
}

uint32_t giro_key_table_width(uint32_t key_count, uint64_t memory_bytes)
{
    for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
        if (giro_comb_bytes(widths[i]) * (uint64_t)key_count <= memory_bytes)
            return widths[i];
    }
    return 0;
}

/* Each limb below 2^51: the bound the sums rely on. */
static bool limbs_hold(const struct giro_comb_entry *table, uint32_t width)
{
    const size_t count = giro_comb_bytes(width) / sizeof(*table);
    uint64_t high = 0;
    for (size_t i = 0; i < count; i++) {
        for (uint32_t limb = 0; limb < 5; limb++)
            high |= table[i].sum.v[limb] | table[i].difference.v[limb] | table[i].product.v[limb];
    }
    return high >> 51 == 0;
}

/* [n](-A) from the table is libsodium's [n]A with the other sign. */
static bool sum_agrees(const struct giro_comb_entry *table, uint32_t width,
                       const struct giro_public_key *key, const uint8_t scalar[32])
{
    uint8_t expected[32], found[32];
    if (crypto_scalarmult_ed25519_noclamp(expected, scalar, key->bytes) != 0)
        return false;
    struct giro_comb_job job = {.table = table}; /* zero times the base point */
    giro_comb_digits(job.key_digits, width, scalar);
    giro_comb_sum_portable(&job, 1, width);
    const struct giro_point sum = {.x = job.x, .y = job.y, .z = job.z};
    const bool sound = giro_point_encode(&sum, found);
    found[31] ^= 0x80;
    return sound && memcmp(found, expected, sizeof(found)) == 0;
}

bool giro_key_table_check(const void *table, uint32_t width, const struct giro_public_key *key,
                          const uint8_t seed[32])
{
    GIRO_ASSERT(giro_key_table_bytes(width) != 0);
    GIRO_ASSERT((uintptr_t)table % GIRO_CACHE_LINE_BYTES == 0);
    if (!limbs_hold(table, width))
        return false;
    uint8_t drawn[64], wide[64], scalar[32];
    memcpy(drawn, seed, 32);
    memcpy(drawn + 32, key->bytes, 32);
    for (uint8_t round = 0; round < 2; round++) {
        crypto_hash_sha512(wide, drawn, sizeof(drawn));
        memcpy(drawn, wide, 32);
        crypto_core_ed25519_scalar_reduce(scalar, wide);
        if (!sum_agrees(table, width, key, scalar))
            return false;
    }
    return true;
}

bool giro_key_table_build(void *table, uint32_t width, const struct giro_public_key *key)
{
    GIRO_ASSERT(giro_key_table_bytes(width) != 0);
    GIRO_ASSERT((uintptr_t)table % GIRO_CACHE_LINE_BYTES == 0);
    const enum giro_key_fault fault = giro_key_point_check(key);
    if (fault != GIRO_KEY_OK && fault != GIRO_KEY_TORSION)
        return false;
    struct giro_point point;
    const bool decoded = giro_point_decode(&point, key->bytes);
    GIRO_ASSERT(decoded);
    giro_point_negate(&point);
    giro_comb_build(table, width, &point);
    /* libsodium does not multiply a key with torsion. Enrolment lets none in; tests place the published ones. */
    static const uint8_t seed[32];
    const bool agrees = fault == GIRO_KEY_TORSION || giro_key_table_check(table, width, key, seed);
    GIRO_ASSERT(agrees);
    return true;
}
