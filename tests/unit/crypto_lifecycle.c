/* Keys that come and go: indices used again after their grace period, tables apart from the ring, tables checked. */
#include <stdlib.h>

#include <criterion/criterion.h>
#include <sodium.h>

#include "common/crypto/internal.h"
#include "crypto_support.h"

TestSuite(crypto_lifecycle, .init = crypto_suite_open, .fini = crypto_suite_close);

static const uint8_t seed_zero[32];

static struct giro_secret_key *secret_of(uint32_t number)
{
    uint8_t seed[32] = {(uint8_t)number, (uint8_t)(number >> 8), 0x6b};
    return giro_key_from_seed(seed);
}

static enum giro_key_fault enrol(struct giro_key_ring *ring, uint32_t number,
                                 struct giro_key_handle *handle)
{
    struct giro_secret_key *secret = secret_of(number);
    const struct giro_public_key key = giro_key_public(secret);
    giro_key_free(secret);
    return giro_key_ring_enrol(ring, &key, NULL, 0, NULL, handle);
}

/* Does a signature of key `number` verify under the handle? In every variant; all must say the same. */
static bool verifies(const struct giro_key_ring *ring, struct giro_key_handle handle,
                     uint32_t number)
{
    struct giro_secret_key *secret = secret_of(number);
    const struct giro_signature signature = giro_sign(secret, "giro", 4);
    giro_key_free(secret);
    struct giro_verify_item items[9];
    uint8_t verdicts[9];
    for (uint32_t i = 0; i < 9; i++)
        items[i] = (struct giro_verify_item){handle, (const uint8_t *)"giro", 4, signature.bytes};
    const enum giro_crypto_variant before = giro_crypto_variant();
    uint32_t valid = 0, asked = 0;
    for (int variant = 0; variant < GIRO_VARIANT_COUNT; variant++) {
        if (!giro_crypto_variant_set(variant))
            continue;
        valid += giro_verify_batch(ring, items, 9, verdicts);
        asked += 9;
    }
    cr_assert(giro_crypto_variant_set(before));
    cr_assert(valid == 0 || valid == asked, "%u of %u", valid, asked);
    return valid != 0;
}

Test(crypto_lifecycle, an_index_is_used_again_under_another_generation)
{
    static const uint32_t widths[] = {0, 4};
    for (size_t w = 0; w < 2; w++) {
        struct giro_key_ring *ring = crypto_ring_new_for(2, widths[w]);
        struct giro_key_handle first, second, third;
        cr_assert(enrol(ring, 1, &first) == GIRO_KEY_OK && enrol(ring, 2, &second) == GIRO_KEY_OK);
        cr_assert(enrol(ring, 3, &third) == GIRO_KEY_RING_FULL);
        giro_key_ring_retire(ring, first);
        cr_assert(enrol(ring, 3, &third) == GIRO_KEY_OK);
        cr_assert(third.index == first.index && third.generation != first.generation);
        cr_assert(verifies(ring, third, 3) && verifies(ring, second, 2));
        cr_assert(!verifies(ring, third, 1), "the table of the key before");
        cr_assert(!verifies(ring, first, 1) && !verifies(ring, first, 3));
        giro_key_ring_retire(ring, first);
        cr_assert(verifies(ring, third, 3), "a stale handle retired the key after it");
        free(ring);
    }
}

Test(crypto_lifecycle, a_key_never_comes_back_and_the_memory_of_keys_has_an_end)
{
    struct giro_key_ring *ring = crypto_ring_new_for(3, 0);
    for (uint32_t number = 0; number < 3 * GIRO_KEY_LIFETIMES; number++) {
        struct giro_key_handle handle;
        cr_assert(enrol(ring, number, &handle) == GIRO_KEY_OK, "key %u", number);
        cr_assert(enrol(ring, number, &handle) == GIRO_KEY_REPEATED, "key %u", number);
        giro_key_ring_retire(ring, handle);
    }
    struct giro_key_handle handle;
    for (uint32_t number = 0; number < 3 * GIRO_KEY_LIFETIMES; number++)
        cr_assert(enrol(ring, number, &handle) == GIRO_KEY_REPEATED, "key %u", number);
    cr_assert(enrol(ring, 999, &handle) == GIRO_KEY_MEMORY_FULL);
    free(ring);
}

Test(crypto_lifecycle, no_index_is_used_again_while_a_batch_that_saw_it_is_under_way)
{
    struct giro_key_ring *ring = crypto_ring_new_for(2, 0);
    struct giro_key_handle a, b, other;
    cr_assert(enrol(ring, 1, &a) == GIRO_KEY_OK && enrol(ring, 2, &b) == GIRO_KEY_OK);
    const uint32_t early = giro_key_ring_read_begin(ring);
    const struct giro_key_slot *slot = giro_key_ring_slot(ring, a);
    const struct giro_public_key key = slot->key;
    giro_key_ring_retire(ring, a);
    cr_assert(giro_key_ring_slot(ring, a) == NULL);
    cr_assert(enrol(ring, 3, &other) == GIRO_KEY_RING_FULL);
    cr_assert(memcmp(&key, &slot->key, sizeof(key)) == 0);
    /* A batch that begins later does not hold up the first key, and holds up one retired after it began. */
    const uint32_t late = giro_key_ring_read_begin(ring);
    giro_key_ring_retire(ring, b);
    cr_assert(giro_key_ring_reclaim(ring) == 2);
    giro_key_ring_read_end(ring, early);
    cr_assert(giro_key_ring_reclaim(ring) == 1);
    cr_assert(enrol(ring, 3, &other) == GIRO_KEY_OK && other.index == a.index);
    cr_assert(enrol(ring, 4, &other) == GIRO_KEY_RING_FULL);
    giro_key_ring_read_end(ring, late);
    cr_assert(giro_key_ring_reclaim(ring) == 0);
    cr_assert(enrol(ring, 4, &other) == GIRO_KEY_OK && other.index == b.index);
    free(ring);
}

/* A reader that read the phase long ago counts itself in under it when two periods have passed: whatever it sees from then
 * on must be kept, though its phase is not the one of the next period. */
Test(crypto_lifecycle, a_straggler_under_an_old_phase_is_waited_for)
{
    struct giro_key_ring *ring = crypto_ring_new_for(4, 0);
    struct giro_key_handle handles[4], other;
    for (uint32_t i = 0; i < 4; i++)
        cr_assert(enrol(ring, i, &handles[i]) == GIRO_KEY_OK);
    const uint32_t phase = atomic_load(&ring->readers->phase) & 1;
    for (uint32_t periods = 0; periods < 2; periods++) {
        giro_key_ring_retire(ring, handles[periods]);
        cr_assert(giro_key_ring_reclaim(ring) == 0);
        for (uint32_t straggler = 0; straggler < 2; straggler++) {
            const uint32_t under = phase ^ straggler;
            atomic_fetch_add(&ring->readers->active[under].count, 1);
            struct giro_key_handle *retired = &handles[2];
            cr_assert(giro_key_ring_slot(ring, *retired) != NULL);
            giro_key_ring_retire(ring, *retired);
            cr_assert(giro_key_ring_reclaim(ring) == 1, "%u %u", periods, straggler);
            cr_assert(giro_key_ring_reclaim(ring) == 1, "%u %u", periods, straggler);
            giro_key_ring_read_end(ring, under);
            cr_assert(giro_key_ring_reclaim(ring) == 0);
            cr_assert(enrol(ring, 10 + 2 * periods + straggler, retired) == GIRO_KEY_OK);
        }
    }
    cr_assert(enrol(ring, 20, &other) == GIRO_KEY_OK);
    free(ring);
}

Test(crypto_lifecycle, a_key_without_a_table_verifies_and_with_one_attached_as_well)
{
    const size_t size_bytes = giro_key_ring_footprint_for(2, 0);
    void *mem = aligned_alloc(64, size_bytes), *table = aligned_alloc(64, giro_key_table_bytes(4));
    cr_assert(giro_key_ring_init_apart(mem, size_bytes, 2, 5) == NULL);
    cr_assert(giro_key_ring_init_apart(mem, size_bytes, 2, 0) == NULL);
    cr_assert(giro_key_ring_init_apart(mem, size_bytes - 1, 2, 4) == NULL);
    struct giro_key_ring *ring = giro_key_ring_init_apart(mem, size_bytes, 2, 4);
    cr_assert(ring != NULL);
    struct giro_key_handle handle, other;
    cr_assert(enrol(ring, 1, &handle) == GIRO_KEY_OK && enrol(ring, 2, &other) == GIRO_KEY_OK);
    cr_assert(verifies(ring, handle, 1) && !verifies(ring, handle, 2));
    const struct giro_key_slot *slot = giro_key_ring_slot(ring, handle);
    cr_assert(giro_key_slot_table(slot) == NULL);
    cr_assert(giro_key_table_build(table, 4, &slot->key));
    cr_assert(giro_key_ring_attach(ring, handle, table));
    cr_assert(giro_key_slot_table(slot) == table);
    cr_assert(verifies(ring, handle, 1) && !verifies(ring, handle, 2));
    giro_key_ring_retire(ring, handle);
    cr_assert(!giro_key_ring_attach(ring, handle, table));
    struct giro_key_handle again;
    cr_assert(enrol(ring, 3, &again) == GIRO_KEY_OK);
    cr_assert(again.index == 1 - other.index && giro_key_slot_table(slot) == NULL,
              "a key got the table of the one before it");
    cr_assert(verifies(ring, again, 3));
    free(table);
    free(mem);
}

Test(crypto_lifecycle, a_check_finds_a_foreign_or_damaged_table_and_reads_any_bytes)
{
    const uint64_t seed = crypto_seed();
    struct giro_prng prng;
    giro_prng_init(&prng, seed);
    static const uint32_t widths[] = {4, 6, 8};
    for (size_t w = 0; w < 3; w++) {
        const size_t size_bytes = giro_key_table_bytes(widths[w]);
        uint8_t *table = aligned_alloc(64, size_bytes);
        struct giro_secret_key *secrets[2] = {secret_of(1), secret_of(2)};
        const struct giro_public_key keys[2] = {giro_key_public(secrets[0]),
                                                giro_key_public(secrets[1])};
        cr_assert(giro_key_table_build(table, widths[w], &keys[0]));
        for (uint8_t round = 0; round < 8; round++) {
            uint8_t drawn[32] = {round};
            cr_assert(giro_key_table_check(table, widths[w], &keys[0], drawn));
            cr_assert(!giro_key_table_check(table, widths[w], &keys[1], drawn));
        }
        /* Rows shifted by one, zeros, and noise. */
        memmove(table, table + 128, size_bytes - 128);
        cr_assert(!giro_key_table_check(table, widths[w], &keys[0], seed_zero));
        memset(table, 0, size_bytes);
        cr_assert(!giro_key_table_check(table, widths[w], &keys[0], seed_zero));
        giro_prng_fill(&prng, table, size_bytes);
        cr_assert(!giro_key_table_check(table, widths[w], &keys[0], seed_zero));
        for (size_t i = 0; i < size_bytes; i += 8) /* limbs in range, and no point */
            table[i + 6] &= 0x07, table[i + 7] = 0;
        cr_assert(!giro_key_table_check(table, widths[w], &keys[0], seed_zero));
        giro_key_free(secrets[0]);
        giro_key_free(secrets[1]);
        free(table);
    }
}

Test(crypto_lifecycle, no_table_is_built_for_what_is_no_point_of_large_order)
{
    static const char *const hex[] = {
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "0200000000000000000000000000000000000000000000000000000000000000"};
    uint8_t *table = aligned_alloc(64, giro_key_table_bytes(4));
    for (size_t i = 0; i < 3; i++) {
        struct giro_public_key key;
        cr_assert(giro_hex_parse(hex[i], 64, key.bytes, 32));
        cr_assert(!giro_key_table_build(table, 4, &key), "row %zu", i);
    }
    free(table);
}
