/* The signature rule: RFC 8032's vectors, and libsodium's verdict on every hostile vector and on
 * random ones. */
#include <stdio.h>
#include <stdlib.h>

#include <criterion/criterion.h>
#include <jansson.h>
#include <sodium.h>

#include "common/crypto/internal.h"
#include "crypto_support.h"

TestSuite(crypto_verify, .init = crypto_suite_open, .fini = crypto_suite_close);

struct vector {
    uint8_t *key, *message, *signature;
    size_t message_bytes;
};

static void vector_free(struct vector *vector)
{
    free(vector->key);
    free(vector->message);
    free(vector->signature);
}

static bool libsodium_accepts(const struct vector *vector)
{
    return crypto_sign_verify_detached(vector->signature, vector->message, vector->message_bytes,
                                       vector->key) == 0;
}

/* A batch that puts one vector into every lane, beside itself and beside a signature that is valid. */
#define LANE_ITEMS 27u
struct lanes {
    const struct giro_key_ring *ring;
    struct giro_verify_item items[LANE_ITEMS];
    bool is_vector[LANE_ITEMS];
    int accepted; /* -1 not known yet */
};

static void lanes_judge(void *context, const char *variant)
{
    struct lanes *lanes = context;
    for (uint32_t count = 1; count <= LANE_ITEMS; count += count == 1 ? LANE_ITEMS - 1 : 1) {
        uint8_t verdicts[LANE_ITEMS];
        giro_verify_batch(lanes->ring, lanes->items, count, verdicts);
        if (lanes->accepted < 0)
            lanes->accepted = verdicts[0];
        for (uint32_t i = 0; i < count; i++)
            cr_assert(verdicts[i] == (lanes->is_vector[i] ? lanes->accepted : GIRO_VALID),
                      "variant %s, item %u of %u", variant, i, count);
    }
}

/* The verdict, the same of every variant in every lane, for a key that is enrolled, or placed in the ring without any
 * check. */
static bool giro_accepts(const struct vector *vector, bool checked)
{
    struct giro_key_ring *ring = crypto_ring_new_for(2, 4);
    struct giro_public_key key;
    memcpy(key.bytes, vector->key, sizeof(key.bytes));
    struct giro_key_handle handle = {0, 0}, other;
    enum giro_key_fault fault = checked ? giro_key_ring_enrol(ring, &key, NULL, 0, NULL, &handle)
                                        : giro_key_ring_place(ring, &key, &handle);
    cr_assert((fault == GIRO_KEY_OK) == (handle.generation != 0));
    static const uint8_t seed[32] = {42};
    struct giro_secret_key *secret = giro_key_from_seed(seed);
    const struct giro_public_key other_key = giro_key_public(secret);
    cr_assert(giro_key_ring_enrol(ring, &other_key, NULL, 0, NULL, &other) == GIRO_KEY_OK);
    const struct giro_signature signature = giro_sign(secret, "beside", 6);
    struct lanes lanes = {.ring = ring, .accepted = -1};
    for (uint32_t i = 0; i < LANE_ITEMS; i++) {
        lanes.is_vector[i] = i < 8 || (i < 16 && i % 2 == 0) || (i >= 16 && i % 2 == 1);
        lanes.items[i] =
            lanes.is_vector[i]
                ? (struct giro_verify_item){handle, vector->message,
                                            (uint32_t)vector->message_bytes, vector->signature}
                : (struct giro_verify_item){other, (const uint8_t *)"beside", 6, signature.bytes};
    }
    crypto_each_variant(lanes_judge, &lanes);
    giro_key_free(secret);
    free(ring);
    return lanes.accepted == GIRO_VALID;
}

Test(crypto_verify, rfc8032_vectors_verify_and_sign)
{
    FILE *file = fopen(GIRO_SOURCE_DIR "/tests/vectors/rfc8032.txt", "r");
    cr_assert(file != NULL);
    char line[8192];
    int count = 0;
    while (fgets(line, sizeof(line), file) != NULL) {
        if (line[0] == '#')
            continue;
        size_t size_bytes;
        struct vector vector;
        vector.key = crypto_hex(strtok(line, " \n"), &size_bytes);
        vector.message = crypto_hex(strtok(NULL, " \n"), &vector.message_bytes);
        vector.signature = crypto_hex(strtok(NULL, " \n"), &size_bytes);
        uint8_t *seed = crypto_hex(strtok(NULL, " \n"), &size_bytes);
        cr_assert(giro_accepts(&vector, true), "vector %d", count);
        struct giro_secret_key *secret = giro_key_from_seed(seed);
        struct giro_public_key key = giro_key_public(secret);
        struct giro_signature signature = giro_sign(secret, vector.message, vector.message_bytes);
        cr_assert(memcmp(key.bytes, vector.key, 32) == 0, "vector %d", count);
        cr_assert(memcmp(signature.bytes, vector.signature, 64) == 0, "vector %d", count);
        vector.signature[count % 64] ^= 1;
        cr_assert(!giro_accepts(&vector, true), "vector %d", count);
        giro_key_free(secret);
        free(seed);
        vector_free(&vector);
        count++;
    }
    fclose(file);
    cr_assert(count == 5, "%d vectors", count);
}

/* Loads GIRO_SHARED/vectors/<name>; NULL, said aloud, where the shared folder is absent. */
static json_t *shared_vectors(const char *name)
{
    const char *shared = getenv("GIRO_SHARED");
    char path[1024];
    snprintf(path, sizeof(path), "%s/vectors/%s",
             shared != NULL ? shared : GIRO_SOURCE_DIR "/../shared", name);
    json_t *array = json_load_file(path, 0, NULL);
    if (array == NULL)
        fprintf(stderr, "SKIPPED: no %s; set GIRO_SHARED\n", path);
    return array;
}

static void check_all(const char *name, const char *key_name, const char *signature_name,
                      size_t expected_count)
{
    json_t *array = shared_vectors(name);
    if (array == NULL)
        cr_skip("%s is absent", name);
    cr_assert(json_array_size(array) == expected_count, "%zu", json_array_size(array));
    size_t index, size_bytes;
    json_t *row;
    json_array_foreach(array, index, row)
    {
        struct vector vector;
        vector.key = crypto_hex(json_string_value(json_object_get(row, key_name)), &size_bytes);
        vector.signature =
            crypto_hex(json_string_value(json_object_get(row, signature_name)), &size_bytes);
        cr_assert(size_bytes == 64);
        const char *ascii = json_string_value(json_object_get(row, "msg_ascii"));
        if (ascii != NULL) {
            vector.message = (uint8_t *)strdup(ascii);
            vector.message_bytes = strlen(ascii);
        } else {
            vector.message = crypto_hex(json_string_value(json_object_get(row, "message")),
                                        &vector.message_bytes);
        }
        bool accepted = libsodium_accepts(&vector);
        bool enrolled = crypto_core_ed25519_is_valid_point(vector.key) == 1;
        cr_assert(giro_accepts(&vector, false) == accepted, "%s row %zu", name, index);
        cr_assert(giro_accepts(&vector, true) == (accepted && enrolled), "%s row %zu", name, index);
        vector_free(&vector);
    }
    json_decref(array);
}

Test(crypto_verify, speccheck_vectors_get_the_verdict_of_libsodium)
{
    check_all("ed25519-speccheck.cases.json", "pub_key", "signature", 12);
}

Test(crypto_verify, small_order_vectors_get_the_verdict_of_libsodium)
{
    check_all("zip215-196.json", "key", "sig", 196);
}

#define KEYS  8u
#define ITEMS 64u

Test(crypto_verify, each_item_of_a_batch_gets_the_verdict_of_libsodium)
{
    uint64_t seed = crypto_seed();
    struct giro_prng prng;
    giro_prng_init(&prng, seed);
    struct giro_key_ring *ring = crypto_ring_new(KEYS);
    struct giro_secret_key *secrets[KEYS];
    struct giro_key_handle handles[KEYS];
    for (uint32_t i = 0; i < KEYS; i++) {
        uint8_t key_seed[32];
        giro_prng_fill(&prng, key_seed, sizeof(key_seed));
        secrets[i] = giro_key_from_seed(key_seed);
        struct giro_public_key key = giro_key_public(secrets[i]);
        cr_assert(giro_key_ring_enrol(ring, &key, NULL, 0, NULL, &handles[i]) == GIRO_KEY_OK);
    }
    static uint8_t messages[ITEMS][200], signatures[ITEMS][65];
    for (int round = 0; round < 8; round++) {
        struct giro_verify_item items[ITEMS];
        uint8_t verdicts[ITEMS];
        uint32_t expected_count = 0;
        bool expected[ITEMS];
        uint32_t count = (uint32_t)giro_prng_below(&prng, ITEMS + 1);
        for (uint32_t i = 0; i < count; i++) {
            uint32_t signer = (uint32_t)giro_prng_below(&prng, KEYS);
            uint32_t size_bytes = (uint32_t)giro_prng_below(&prng, sizeof(messages[i]) + 1);
            giro_prng_fill(&prng, messages[i], sizeof(messages[i]));
            struct giro_signature signature = giro_sign(secrets[signer], messages[i], size_bytes);
            memcpy(signatures[i] + 1, signature.bytes, 64); /* unaligned on purpose */
            uint64_t damage = giro_prng_below(&prng, 4);
            if (damage == 0)
                signatures[i][1 + giro_prng_below(&prng, 64)] ^=
                    (uint8_t)(1u << giro_prng_below(&prng, 8));
            else if (damage == 1 && size_bytes > 0)
                messages[i][giro_prng_below(&prng, size_bytes)] ^= 0x10;
            items[i] = (struct giro_verify_item){handles[signer], messages[i], size_bytes,
                                                 signatures[i] + 1};
            struct giro_public_key key = giro_key_public(secrets[signer]);
            expected[i] = crypto_sign_verify_detached(signatures[i] + 1, messages[i], size_bytes,
                                                      key.bytes) == 0;
            expected_count += expected[i];
        }
        cr_assert(giro_verify_batch(ring, items, count, verdicts) == expected_count);
        for (uint32_t i = 0; i < count; i++)
            cr_assert((verdicts[i] == GIRO_VALID) == expected[i], "seed %lu round %d item %u", seed,
                      round, i);
    }
    for (uint32_t i = 0; i < KEYS; i++)
        giro_key_free(secrets[i]);
    free(ring);
}

Test(crypto_verify, s_not_below_the_group_order_is_invalid)
{
    static const uint8_t order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,       0xd6,
                                      0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10};
    struct giro_secret_key *secret = giro_key_generate();
    struct giro_public_key key = giro_key_public(secret);
    struct giro_signature signature = giro_sign(secret, "x", 1);
    struct vector vector = {key.bytes, (uint8_t *)"x", signature.bytes, 1};
    cr_assert(giro_accepts(&vector, true));
    unsigned carry = 0;
    for (int i = 0; i < 32; i++) {
        carry += signature.bytes[32 + i] + order[i];
        signature.bytes[32 + i] = (uint8_t)carry;
        carry >>= 8;
    }
    cr_assert(!giro_accepts(&vector, true));
    giro_key_free(secret);
}

Test(crypto_verify, an_empty_batch_is_fine)
{
    struct giro_key_ring *ring = crypto_ring_new(1);
    cr_assert(giro_verify_batch(ring, NULL, 0, NULL) == 0);
    free(ring);
}

Test(crypto_verify, generated_keys_differ_and_their_seed_restores_them)
{
    struct giro_secret_key *a = giro_key_generate(), *b = giro_key_generate();
    uint8_t seed[32];
    giro_key_seed(a, seed);
    struct giro_secret_key *again = giro_key_from_seed(seed);
    struct giro_public_key key_a = giro_key_public(a), key_b = giro_key_public(b);
    struct giro_public_key key_again = giro_key_public(again);
    cr_assert(memcmp(key_a.bytes, key_b.bytes, 32) != 0);
    cr_assert(memcmp(key_a.bytes, key_again.bytes, 32) == 0);
    giro_key_free(a);
    giro_key_free(b);
    giro_key_free(again);
    giro_key_free(NULL);
}
