/* One key ring, read by several threads: giro_verify_batch in every variant, SHA-256 and Merkle roots. What a thread finds
 * is what one alone found. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "giro/crypto.h"

#define THREADS       4u
#define KEYS          4u
#define ITEMS         96u
#define MESSAGE_BYTES 300u
#define LEAVES        64u

static struct giro_key_ring *ring;
static struct giro_verify_item items[ITEMS];
static uint8_t messages[ITEMS][MESSAGE_BYTES];
static struct giro_signature signatures[ITEMS];
static uint8_t expected[ITEMS];
static struct giro_hash hashes[ITEMS], root;

static void items_make(uint64_t seed)
{
    size_t size_bytes = giro_key_ring_footprint(KEYS);
    void *mem = aligned_alloc(64, giro_align_up(size_bytes, 64));
    cr_assert(mem != NULL);
    ring = giro_key_ring_init(mem, size_bytes, KEYS);
    cr_assert(ring != NULL);
    struct giro_prng prng;
    giro_prng_init(&prng, seed);
    struct giro_secret_key *keys[KEYS];
    struct giro_key_handle handles[KEYS];
    for (uint32_t i = 0; i < KEYS; i++) {
        uint8_t secret[32] = {(uint8_t)(i + 1)};
        keys[i] = giro_key_from_seed(secret);
        struct giro_public_key key = giro_key_public(keys[i]);
        cr_assert(giro_key_ring_enrol(ring, &key, NULL, 0, NULL, &handles[i]) == GIRO_KEY_OK);
    }
    for (uint32_t i = 0; i < ITEMS; i++) {
        uint32_t key = (uint32_t)giro_prng_below(&prng, KEYS);
        uint32_t message_bytes = (uint32_t)giro_prng_below(&prng, MESSAGE_BYTES + 1);
        for (uint32_t k = 0; k < MESSAGE_BYTES; k++)
            messages[i][k] = (uint8_t)giro_prng_below(&prng, 256);
        signatures[i] = giro_sign(keys[key], messages[i], message_bytes);
        expected[i] = giro_prng_chance(&prng, 3, 4) ? GIRO_VALID : GIRO_INVALID;
        if (expected[i] == GIRO_INVALID)
            signatures[i].bytes[giro_prng_below(&prng, 64)] ^= (uint8_t)(1u << i % 8);
        items[i] = (struct giro_verify_item){.key = handles[key],
                                             .message = messages[i],
                                             .message_bytes = message_bytes,
                                             .signature = signatures[i].bytes};
        hashes[i] = giro_sha256(messages[i], MESSAGE_BYTES);
    }
    for (uint32_t i = 0; i < KEYS; i++)
        giro_key_free(keys[i]);
    struct giro_hash leaves[LEAVES];
    memcpy(leaves, hashes, sizeof(leaves));
    root = giro_merkle_root(9, leaves, LEAVES);
}

static void verify(uint32_t thread, uint32_t first, uint32_t count)
{
    uint8_t verdicts[ITEMS];
    uint32_t valid = 0;
    for (uint32_t i = 0; i < count; i++)
        valid += expected[first + i];
    memset(verdicts, 0xEE, sizeof(verdicts));
    uint32_t found = giro_verify_batch(ring, items + first, count, verdicts);
    cr_assert(found == valid && memcmp(verdicts, expected + first, count) == 0,
              "thread %u, variant %s, items %u..%u: %u valid, not %u", thread,
              giro_crypto_variant_name(giro_crypto_variant()), first, first + count, found, valid);
}

static void hash(uint32_t thread, uint32_t item)
{
    struct giro_hash once = giro_sha256(messages[item], MESSAGE_BYTES);
    struct giro_part parts[] = {{messages[item], 7}, {messages[item] + 7, MESSAGE_BYTES - 7}};
    struct giro_hash twice = giro_sha256_parts(parts, 2);
    struct giro_sha256_state state;
    giro_sha256_begin(&state);
    for (uint32_t i = 0; i < MESSAGE_BYTES; i += 50)
        giro_sha256_update(&state, messages[item] + i, 50);
    struct giro_hash streamed = giro_sha256_end(&state);
    cr_assert(giro_hash_equal(&once, &hashes[item]) && giro_hash_equal(&twice, &hashes[item]) &&
                  giro_hash_equal(&streamed, &hashes[item]),
              "thread %u, message %u", thread, item);
}

static void work(void *context, uint32_t thread)
{
    const uint32_t *rounds = context;
    struct giro_prng prng;
    giro_prng_init(&prng, thread);
    for (uint32_t i = 0; i < *rounds; i++) {
        uint32_t first = (uint32_t)giro_prng_below(&prng, ITEMS);
        verify(thread, first, 1 + (uint32_t)giro_prng_below(&prng, ITEMS - first));
        for (uint32_t k = 0; k < ITEMS; k++)
            hash(thread, k);
        struct giro_hash leaves[LEAVES];
        memcpy(leaves, hashes, sizeof(leaves));
        struct giro_hash found = giro_merkle_root(9, leaves, LEAVES);
        cr_assert(giro_hash_equal(&found, &root), "thread %u: another root", thread);
    }
}

int main(void)
{
    const uint64_t seed = race_number("GIRO_SEED", 20261124);
    uint32_t rounds = 4 * (uint32_t)race_number("GIRO_EFFORT", 1);
    fprintf(stderr, "GIRO_SEED=%lu\n", seed);
    cr_assert(giro_crypto_init() == GIRO_ERR_OK);
    items_make(seed);
    for (uint32_t variant = 0; variant < GIRO_VARIANT_COUNT; variant++) {
        if (giro_crypto_variant_set((enum giro_crypto_variant)variant))
            race_run(THREADS, work, &rounds);
        else
            fprintf(stderr, "SKIPPED: this processor cannot run the variant %s\n",
                    giro_crypto_variant_name((enum giro_crypto_variant)variant));
    }
    free(ring);
    return 0;
}
