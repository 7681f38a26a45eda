/* Enrolment: one fault per cause; handles; proof of possession. */
#include <stdlib.h>

#include <criterion/criterion.h>
#include <sodium.h>

#include "crypto_support.h"

TestSuite(crypto_ring, .init = crypto_suite_open, .fini = crypto_suite_close);

static struct giro_public_key key_of(const char *hex)
{
    struct giro_public_key key;
    cr_assert(giro_hex_parse(hex, strlen(hex), key.bytes, sizeof(key.bytes)), "%s", hex);
    return key;
}

static enum giro_key_fault enrol(struct giro_key_ring *ring, const struct giro_public_key *key)
{
    struct giro_key_handle handle;
    return giro_key_ring_enrol(ring, key, NULL, 0, NULL, &handle);
}

/* Points of order 1, 2, 4, 8 in canonical and other encodings: y, y + p, and both signs. */
static const struct {
    const char *key;
    enum giro_key_fault fault;
} bad_points[] = {
    {"0100000000000000000000000000000000000000000000000000000000000000", GIRO_KEY_SMALL_ORDER},
    {"0000000000000000000000000000000000000000000000000000000000000000", GIRO_KEY_SMALL_ORDER},
    {"0000000000000000000000000000000000000000000000000000000000000080", GIRO_KEY_SMALL_ORDER},
    {"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", GIRO_KEY_SMALL_ORDER},
    {"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", GIRO_KEY_SMALL_ORDER},
    {"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85", GIRO_KEY_SMALL_ORDER},
    {"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", GIRO_KEY_SMALL_ORDER},
    {"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa", GIRO_KEY_SMALL_ORDER},
    {"0100000000000000000000000000000000000000000000000000000000000080", GIRO_KEY_NOT_CANONICAL},
    {"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", GIRO_KEY_NOT_CANONICAL},
    {"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", GIRO_KEY_NOT_CANONICAL},
    {"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", GIRO_KEY_NOT_CANONICAL},
    {"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", GIRO_KEY_NOT_CANONICAL},
    {"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", GIRO_KEY_NOT_CANONICAL},
    {"f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", GIRO_KEY_NOT_CANONICAL},
    {"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", GIRO_KEY_NOT_CANONICAL},
    {"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", GIRO_KEY_NOT_CANONICAL},
    {"0200000000000000000000000000000000000000000000000000000000000000", GIRO_KEY_NOT_ON_CURVE},
    {"0700000000000000000000000000000000000000000000000000000000000080", GIRO_KEY_NOT_ON_CURVE},
    /* a key of ed25519-speccheck: prime-order point plus a point of order 8 */
    {"cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d", GIRO_KEY_TORSION},
    {"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", GIRO_KEY_OK},
};

Test(crypto_ring, enrol_names_the_cause_of_each_refusal)
{
    struct giro_key_ring *ring = crypto_ring_new(4);
    for (size_t i = 0; i < sizeof(bad_points) / sizeof(bad_points[0]); i++) {
        struct giro_public_key key = key_of(bad_points[i].key);
        enum giro_key_fault fault = enrol(ring, &key);
        cr_assert(fault == bad_points[i].fault, "row %zu: %s", i, giro_key_fault_text(fault));
    }
    free(ring);
}

/* [L]A by double-and-add over libsodium's point addition: the definition, far too slow for
 * enrolment. */
static bool torsion_free(const struct giro_public_key *key)
{
    static const uint8_t order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,       0xd6,
                                      0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10};
    uint8_t sum[32] = {1}, identity[32] = {1};
    for (int bit = 252; bit >= 0; bit--) {
        cr_assert(crypto_core_ed25519_add(sum, sum, sum) == 0);
        if ((order[bit / 8] >> (bit % 8)) & 1)
            cr_assert(crypto_core_ed25519_add(sum, sum, key->bytes) == 0);
    }
    return memcmp(sum, identity, 32) == 0;
}

Test(crypto_ring, torsion_is_found_for_every_small_point_added_to_a_good_key)
{
    struct giro_key_ring *ring = crypto_ring_new(64);
    uint64_t seed = crypto_seed();
    struct giro_prng prng;
    giro_prng_init(&prng, seed);
    for (int round = 0; round < 3; round++) {
        uint8_t key_seed[32];
        giro_prng_fill(&prng, key_seed, sizeof(key_seed));
        struct giro_secret_key *secret = giro_key_from_seed(key_seed);
        struct giro_public_key good = giro_key_public(secret);
        giro_key_free(secret);
        cr_assert(torsion_free(&good));
        cr_assert(enrol(ring, &good) == GIRO_KEY_OK, "seed %lu", seed);
        for (size_t i = 1; i < 8; i++) { /* row 0 is the neutral point */
            struct giro_public_key small = key_of(bad_points[i].key), mixed;
            cr_assert(crypto_core_ed25519_add(mixed.bytes, good.bytes, small.bytes) == 0);
            cr_assert(!torsion_free(&mixed));
            cr_assert(enrol(ring, &mixed) == GIRO_KEY_TORSION, "seed %lu row %zu", seed, i);
        }
    }
    free(ring);
}

Test(crypto_ring, enrol_agrees_with_libsodium_on_random_bytes)
{
    struct giro_key_ring *ring = crypto_ring_new(1000);
    uint64_t seed = crypto_seed();
    struct giro_prng prng;
    giro_prng_init(&prng, seed);
    uint32_t faults[GIRO_KEY_FAULT_COUNT] = {0};
    for (int round = 0; round < 400; round++) {
        struct giro_public_key key;
        giro_prng_fill(&prng, key.bytes, sizeof(key.bytes));
        enum giro_key_fault fault = enrol(ring, &key);
        bool valid = crypto_core_ed25519_is_valid_point(key.bytes) == 1;
        cr_assert((fault == GIRO_KEY_OK) == valid, "seed %lu round %d", seed, round);
        faults[fault]++;
    }
    cr_assert(faults[GIRO_KEY_OK] > 0 && faults[GIRO_KEY_TORSION] > 0 &&
              faults[GIRO_KEY_NOT_ON_CURVE] > 0);
    free(ring);
}

Test(crypto_ring, enrol_asks_for_a_proof_of_possession_over_the_very_message)
{
    struct giro_key_ring *ring = crypto_ring_new(4);
    uint8_t nonce[32] = {7}, message[GIRO_POSSESSION_MESSAGE_BYTES];
    struct giro_secret_key *secret = giro_key_generate();
    struct giro_public_key key = giro_key_public(secret);
    size_t size_bytes = giro_possession_message(nonce, "frame", "XYXXCZPP", 1, &key, message);
    cr_assert(size_bytes == GIRO_POSSESSION_MESSAGE_BYTES);
    struct giro_signature possession = giro_sign(secret, message, size_bytes);
    struct giro_key_handle handle;
    cr_assert(giro_key_ring_enrol(ring, &key, message, size_bytes, NULL, &handle) ==
              GIRO_KEY_NO_POSSESSION);
    cr_assert(giro_key_ring_enrol(ring, &key, NULL, 0, &possession, &handle) ==
              GIRO_KEY_NO_POSSESSION);
    for (size_t i = 0; i < size_bytes; i++) {
        message[i] ^= 1;
        cr_assert(giro_key_ring_enrol(ring, &key, message, size_bytes, &possession, &handle) ==
                      GIRO_KEY_NO_POSSESSION,
                  "byte %zu", i);
        message[i] ^= 1;
    }
    cr_assert(giro_key_ring_enrol(ring, &key, message, size_bytes, &possession, &handle) ==
              GIRO_KEY_OK);
    giro_key_free(secret);
    free(ring);
}

Test(crypto_ring, possession_message_has_the_documented_layout)
{
    uint8_t nonce[32], message[GIRO_POSSESSION_MESSAGE_BYTES], expected[112] = {0};
    struct giro_public_key key;
    memset(nonce, 0xa1, sizeof(nonce));
    memset(key.bytes, 0xb2, sizeof(key.bytes));
    memcpy(expected, "GIRPOSS1", 8);
    memcpy(expected + 8, nonce, 32);
    memcpy(expected + 40, "transport", 9);
    memcpy(expected + 56, "sixteen-letters!", 16);
    expected[72] = 0x34;
    expected[73] = 0x12;
    memcpy(expected + 80, key.bytes, 32);
    memset(message, 0xff, sizeof(message));
    cr_assert(giro_possession_message(nonce, "transport", "sixteen-letters!", 0x1234, &key,
                                      message) == sizeof(expected));
    cr_assert(memcmp(message, expected, sizeof(expected)) == 0);
}

/* A fresh key and its handle in the ring. */
static struct giro_secret_key *fresh(struct giro_key_ring *ring, struct giro_key_handle *handle)
{
    struct giro_secret_key *secret = giro_key_generate();
    struct giro_public_key key = giro_key_public(secret);
    cr_assert(giro_key_ring_enrol(ring, &key, NULL, 0, NULL, handle) == GIRO_KEY_OK);
    return secret;
}

static bool verifies(const struct giro_key_ring *ring, struct giro_key_handle handle,
                     const struct giro_secret_key *secret)
{
    struct giro_signature signature = giro_sign(secret, "giro", 4);
    struct giro_verify_item item = {handle, (const uint8_t *)"giro", 4, signature.bytes};
    uint8_t verdict = 2;
    uint32_t valid_count = giro_verify_batch(ring, &item, 1, &verdict);
    cr_assert(verdict == valid_count);
    return verdict == GIRO_VALID;
}

Test(crypto_ring, a_stale_or_unknown_handle_never_verifies)
{
    struct giro_key_ring *ring = crypto_ring_new(3);
    struct giro_key_handle first, second;
    struct giro_secret_key *secret_1 = fresh(ring, &first), *secret_2 = fresh(ring, &second);
    cr_assert(verifies(ring, first, secret_1) && verifies(ring, second, secret_2));
    cr_assert(!verifies(ring, first, secret_2));

    const struct giro_key_handle unknown[] = {{0, 0},
                                              {first.index, 0},
                                              {first.index, first.generation + 1},
                                              {2, 1},
                                              {2, 0},
                                              {3, 1},
                                              {GIRO_NONE, 1},
                                              {GIRO_NONE, GIRO_NONE}};
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        cr_assert(!verifies(ring, unknown[i], secret_1), "row %zu", i);
        giro_key_ring_retire(ring, unknown[i]);
    }
    cr_assert(verifies(ring, first, secret_1), "retiring an unknown handle changed something");

    giro_key_ring_retire(ring, first);
    cr_assert(!verifies(ring, first, secret_1));
    cr_assert(verifies(ring, second, secret_2));
    giro_key_ring_retire(ring, first);
    struct giro_key_handle guess = {first.index, first.generation + 1};
    cr_assert(!verifies(ring, guess, secret_1));
    struct giro_public_key key = giro_key_public(secret_1);
    cr_assert(enrol(ring, &key) == GIRO_KEY_REPEATED, "a retired key came back");
    giro_key_free(secret_1);
    giro_key_free(secret_2);
    free(ring);
}

Test(crypto_ring, a_full_ring_and_a_repeated_key_are_refused)
{
    struct giro_key_ring *ring = crypto_ring_new(2);
    struct giro_key_handle handle;
    struct giro_secret_key *secret = fresh(ring, &handle);
    struct giro_public_key key = giro_key_public(secret);
    cr_assert(enrol(ring, &key) == GIRO_KEY_REPEATED);
    giro_key_free(fresh(ring, &handle));
    cr_assert(handle.index == 1);
    cr_assert(enrol(ring, &key) == GIRO_KEY_REPEATED);
    struct giro_public_key other = key_of(bad_points[20].key);
    cr_assert(enrol(ring, &other) == GIRO_KEY_RING_FULL);
    giro_key_free(secret);
    free(ring);
}

Test(crypto_ring, bad_options_have_no_footprint)
{
    cr_assert(giro_key_ring_footprint(0) == 0);
    cr_assert(giro_key_ring_footprint(UINT32_MAX) == 0);
    size_t size_bytes = giro_key_ring_footprint(10);
    cr_assert(size_bytes > 10 * sizeof(struct giro_public_key));
    void *mem = aligned_alloc(64, size_bytes);
    cr_assert(giro_key_ring_init(mem, giro_key_ring_footprint_for(10, 0) - 1, 10) == NULL);
    cr_assert(giro_key_ring_init(mem, size_bytes, 0) == NULL);
    cr_assert(giro_key_ring_init(NULL, size_bytes, 10) == NULL);
    free(mem);
}

Test(crypto_ring, every_fault_has_its_own_text)
{
    for (int i = GIRO_KEY_OK; i <= GIRO_KEY_FAULT_COUNT; i++) { /* one beyond: unknown */
        for (int j = GIRO_KEY_OK; j < i; j++)
            cr_assert_str_neq(giro_key_fault_text(i), giro_key_fault_text(j));
    }
}
