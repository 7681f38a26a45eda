/* Every variant of the verifier against libsodium: random signatures, valid and damaged in every way we can think of. */
#include <stdio.h>
#include <stdlib.h>

#include <criterion/criterion.h>
#include <sodium.h>

#include "common/crypto/internal.h"
#include "crypto_support.h"
#include "effort.h"

TestSuite(crypto_variants, .init = crypto_suite_open, .fini = crypto_suite_close, .timeout = 600);

#define KEYS          12u
#define BATCH_MAX     256u
#define MESSAGE_BYTES (64u * 1024u)
#define RINGS         4u

struct world {
    uint64_t seed;
    struct giro_prng prng;
    struct giro_secret_key *secrets[KEYS];
    struct giro_public_key keys[KEYS];
    struct giro_key_ring
        *rings[RINGS]; /* of widths 8, 6, 4 and 0; the same keys, so the same handles */
    struct giro_key_handle handles[KEYS];
    uint8_t *messages; /* random bytes that messages are cut from */
    struct giro_verify_item items[BATCH_MAX];
    uint8_t signatures[BATCH_MAX][65], changed[BATCH_MAX][4096];
    bool expected[BATCH_MAX];
    uint32_t count, ring, expected_count;
    uint64_t valid_total, invalid_total;
};

static const uint8_t group_order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,       0xd6,
                                        0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10};

static void world_open(struct world *world)
{
    static const uint32_t widths[RINGS] = {8, 6, 4, 0};
    world->seed = crypto_seed();
    giro_prng_init(&world->prng, world->seed);
    for (uint32_t r = 0; r < RINGS; r++)
        world->rings[r] = crypto_ring_new_for(KEYS, widths[r]);
    for (uint32_t i = 0; i < KEYS; i++) {
        uint8_t seed[32];
        giro_prng_fill(&world->prng, seed, sizeof(seed));
        world->secrets[i] = giro_key_from_seed(seed);
        world->keys[i] = giro_key_public(world->secrets[i]);
        for (uint32_t r = 0; r < RINGS; r++)
            cr_assert(giro_key_ring_enrol(world->rings[r], &world->keys[i], NULL, 0, NULL,
                                          &world->handles[i]) == GIRO_KEY_OK);
    }
    world->messages = malloc(2 * MESSAGE_BYTES);
    giro_prng_fill(&world->prng, world->messages, 2 * MESSAGE_BYTES);
}

static void world_close(struct world *world)
{
    for (uint32_t i = 0; i < KEYS; i++)
        giro_key_free(world->secrets[i]);
    for (uint32_t r = 0; r < RINGS; r++)
        free(world->rings[r]);
    free(world->messages);
}

static uint32_t message_bytes_draw(struct giro_prng *prng)
{
    if (giro_prng_chance(prng, 1, 4000))
        return MESSAGE_BYTES;
    return (uint32_t)giro_prng_below(prng, giro_prng_chance(prng, 1, 4) ? 4097 : 300);
}

/* R of small order, or not canonical: y and both signs. */
static void r_strange(struct giro_prng *prng, uint8_t r[32])
{
    static const uint8_t order_8[2][32] = {
        {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4,
         0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6,
         0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05},
        {0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b,
         0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39,
         0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a}};
    const uint64_t kind = giro_prng_below(prng, 3);
    if (kind == 0) {
        memcpy(r, order_8[giro_prng_below(prng, 2)], 32);
    } else if (kind == 1) { /* 0 and 1 are small; 2 and above are others */
        memset(r, 0, 32);
        r[0] = (uint8_t)giro_prng_below(prng, 4);
    } else { /* p - 1 to p + 18 */
        memset(r, 0xff, 32);
        r[0] = (uint8_t)(0xec + giro_prng_below(prng, 20));
        r[31] = 0x7f;
    }
    r[31] |= (uint8_t)(giro_prng_below(prng, 2) << 7);
}

/* The secret scalar, and k for the R that stands in the signature. */
static void scalars_of(const struct giro_secret_key *secret, const struct giro_public_key *key,
                       const uint8_t *message, uint32_t message_bytes, const uint8_t *signature,
                       uint8_t a[32], uint8_t k[32])
{
    uint8_t seed[32], wide[64];
    giro_key_seed(secret, seed);
    crypto_hash_sha512(wide, seed, sizeof(seed));
    wide[0] &= 248;
    wide[31] = (wide[31] & 127) | 64;
    memset(wide + 32, 0, 32);
    crypto_core_ed25519_scalar_reduce(a, wide);
    struct giro_hash_job job = {
        .r = signature, .key = key->bytes, .message = message, .message_bytes = message_bytes};
    giro_hash_portable(&job, 1);
    crypto_core_ed25519_scalar_reduce(k, job.digest);
}

/* S such that [S]B - [k]A is the neutral point, for the R that stands there: only the check of R's order, or of its bytes,
 * refuses it. */
static void s_for_neutral(const struct giro_secret_key *secret, const struct giro_public_key *key,
                          const uint8_t *message, uint32_t message_bytes, uint8_t *signature)
{
    uint8_t a[32], k[32];
    scalars_of(secret, key, message, message_bytes, signature, a, k);
    crypto_core_ed25519_scalar_mul(signature + 32, k, a);
}

/* R and S such that [S]B - [k]A differs from R in one bit of its encoding, the sign of x in half of the cases. A flipped bit
 * of a valid signature changes k, too, and so all of R': this one holds the comparison of the very last bit. */
static void r_near_miss(struct giro_prng *prng, const struct giro_secret_key *secret,
                        const struct giro_public_key *key, const uint8_t *message,
                        uint32_t message_bytes, uint8_t *signature)
{
    uint8_t wide[64], r[32], a[32], k[32], ka[32];
    giro_prng_fill(prng, wide, sizeof(wide));
    crypto_core_ed25519_scalar_reduce(r, wide);
    cr_assert(crypto_scalarmult_ed25519_base_noclamp(signature, r) == 0);
    const uint64_t bit = giro_prng_chance(prng, 1, 2) ? 255 : giro_prng_below(prng, 256);
    signature[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    scalars_of(secret, key, message, message_bytes, signature, a, k);
    crypto_core_ed25519_scalar_mul(ka, k, a);
    crypto_core_ed25519_scalar_add(signature + 32, r, ka);
}

static void s_add_order(uint8_t *s)
{
    unsigned carry = 0;
    for (int i = 0; i < 32; i++) {
        carry += s[i] + group_order[i];
        s[i] = (uint8_t)carry;
        carry >>= 8;
    }
}

/* One signature, with a damage or (in half of the cases) without. */
static void item_draw(struct world *world, uint32_t i)
{
    struct giro_prng *prng = &world->prng;
    uint32_t signer = (uint32_t)giro_prng_below(prng, KEYS);
    const uint32_t size_bytes = message_bytes_draw(prng);
    const uint8_t *message = world->messages + giro_prng_below(prng, MESSAGE_BYTES);
    uint8_t *bytes = world->signatures[i] + (i & 1); /* also unaligned */
    const struct giro_signature signature = giro_sign(world->secrets[signer], message, size_bytes);
    memcpy(bytes, signature.bytes, 64);
    world->items[i] = (struct giro_verify_item){world->handles[signer], message, size_bytes, bytes};
    switch (giro_prng_below(prng, 20)) {
    case 0:
        bytes[giro_prng_below(prng, 32)] ^= (uint8_t)(1u << giro_prng_below(prng, 8));
        break;
    case 1:
        bytes[32 + giro_prng_below(prng, 32)] ^= (uint8_t)(1u << giro_prng_below(prng, 8));
        break;
    case 2:
        signer = (signer + 1) % KEYS;
        world->items[i].key = world->handles[signer];
        break;
    case 3:
        if (size_bytes > 0 && size_bytes <= sizeof(world->changed[i])) {
            memcpy(world->changed[i], message, size_bytes);
            world->changed[i][giro_prng_below(prng, size_bytes)] ^=
                (uint8_t)(1u << giro_prng_below(prng, 8));
            world->items[i].message = world->changed[i];
        }
        break;
    case 4:
        s_add_order(bytes + 32);
        break;
    case 5:
        r_strange(prng, bytes);
        break;
    case 6:
        r_strange(prng, bytes);
        s_for_neutral(world->secrets[signer], &world->keys[signer], message, size_bytes, bytes);
        break;
    case 7:
        if (i > 0) { /* a duplicate */
            world->items[i] = world->items[i - 1];
            world->expected[i] = world->expected[i - 1];
            return;
        }
        break;
    case 8:
        world->items[i].message_bytes -= size_bytes > 0;
        break;
    case 9:
        world->items[i].key.generation++;
        world->expected[i] = false;
        return;
    case 11: /* no key at all: beyond the ring, never given out, zero */
        world->items[i].key = giro_prng_chance(prng, 1, 2)
                                  ? (struct giro_key_handle){KEYS + (uint32_t)giro_prng_below(
                                                                        prng, UINT32_MAX - KEYS),
                                                             1}
                                  : (struct giro_key_handle){signer, 0};
        world->expected[i] = false;
        return;
    case 10:
        r_near_miss(prng, world->secrets[signer], &world->keys[signer], message, size_bytes, bytes);
        break;
    default:
        break;
    }
    world->expected[i] =
        crypto_sign_verify_detached(bytes, world->items[i].message, world->items[i].message_bytes,
                                    world->keys[signer].bytes) == 0;
}

static void batch_judge(void *context, const char *variant)
{
    struct world *world = context;
    uint8_t verdicts[BATCH_MAX];
    memset(verdicts, 2, sizeof(verdicts));
    const uint32_t valid_count =
        giro_verify_batch(world->rings[world->ring], world->items, world->count, verdicts);
    cr_assert(valid_count == world->expected_count, "variant %s seed %lu", variant, world->seed);
    for (uint32_t i = 0; i < world->count; i++)
        cr_assert(verdicts[i] == (world->expected[i] ? GIRO_VALID : GIRO_INVALID),
                  "variant %s seed %lu item %u of %u ring %u", variant, world->seed, i,
                  world->count, world->ring);
}

Test(crypto_variants, every_variant_gives_the_verdict_of_libsodium)
{
    static struct world world;
    world_open(&world);
    const uint64_t wanted = effort_size(100000, 20000);
    uint64_t done = 0;
    for (uint64_t round = 0; done < wanted; round++) {
        world.count = round % 68 == 67 ? BATCH_MAX : (uint32_t)(round % 68) + 1;
        world.expected_count = 0;
        for (uint32_t i = 0; i < world.count; i++) {
            item_draw(&world, i);
            world.expected_count += world.expected[i];
        }
        world.ring = round % 16 == 0 ? RINGS - 1 : (uint32_t)((round / 68 + round) % (RINGS - 1));
        crypto_each_variant(batch_judge, &world);
        done += world.count;
        world.valid_total += world.expected_count;
        world.invalid_total += world.count - world.expected_count;
    }
    fprintf(stderr, "%lu signatures, %lu of them valid\n", done, world.valid_total);
    cr_assert(world.valid_total > done / 3 && world.invalid_total > done / 3);
    world_close(&world);
}

/* ---- Hashing in lanes ---- */

Test(crypto_variants, eight_lanes_of_sha512_give_the_hashes_of_libsodium)
{
    if (!giro_crypto_variant_there(GIRO_VARIANT_AVX512))
        cr_skip("SKIPPED: this processor has no AVX-512 IFMA");
    uint64_t seed = crypto_seed();
    struct giro_prng prng;
    giro_prng_init(&prng, seed);
    uint8_t *bytes = malloc(8192);
    giro_prng_fill(&prng, bytes, 8192);
    for (uint32_t round = 0; round < 1500; round++) {
        struct giro_hash_job jobs[19], expected[19];
        const uint32_t count = round % 19 + 1;
        for (uint32_t i = 0; i < count; i++) {
            /* each length from 0 to 1,499 once in lane 0, and any beside it */
            const size_t size_bytes = i == 0 ? round : giro_prng_below(&prng, 600);
            jobs[i] = (struct giro_hash_job){.r = bytes + giro_prng_below(&prng, 64),
                                             .key = bytes + giro_prng_below(&prng, 64),
                                             .message = bytes + giro_prng_below(&prng, 6000),
                                             .message_bytes = size_bytes};
            expected[i] = jobs[i];
        }
        giro_hash_avx512(jobs, count);
        giro_hash_portable(expected, count);
        for (uint32_t i = 0; i < count; i++)
            cr_assert(memcmp(jobs[i].digest, expected[i].digest, 64) == 0,
                      "seed %lu round %u job %u", seed, round, i);
    }
    free(bytes);
}

Test(crypto_variants, the_environment_forces_a_variant_or_stops_the_start)
{
    for (int i = 0; i < GIRO_VARIANT_COUNT; i++) {
        setenv("GIRO_CRYPTO_VARIANT", giro_crypto_variant_name(i), 1);
        const bool there = giro_crypto_variant_there(i);
        cr_assert((giro_crypto_init() == GIRO_ERR_OK) == there, "%d", i);
        cr_assert(!there || giro_crypto_variant() == (enum giro_crypto_variant)i);
    }
    setenv("GIRO_CRYPTO_VARIANT", "fastest", 1);
    cr_assert(giro_crypto_init() == GIRO_ERR_STATE);
    unsetenv("GIRO_CRYPTO_VARIANT");
    cr_assert(giro_crypto_init() == GIRO_ERR_OK);
}
