/* Signing in lanes against libsodium: Ed25519 is deterministic, so the bytes are equal or something is wrong. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <criterion/criterion.h>
#include <sodium.h>

#include "common/crypto/internal.h"
#include "common/crypto/sign.h"
#include "crypto_support.h"

TestSuite(crypto_sign, .init = crypto_suite_open, .fini = crypto_suite_close, .timeout = 600);

#define MESSAGE_MAX 4096u
#define KEYS        16u

struct world {
    uint64_t seed;
    struct giro_prng prng;
    struct giro_secret_key *secrets[KEYS];
    uint8_t messages[MESSAGE_MAX + 64];
};

static void world_open(struct world *world)
{
    world->seed = crypto_seed();
    giro_prng_init(&world->prng, world->seed);
    giro_prng_fill(&world->prng, world->messages, sizeof(world->messages));
    for (uint32_t i = 0; i < KEYS; i++) {
        uint8_t seed[32];
        giro_prng_fill(&world->prng, seed, sizeof(seed));
        world->secrets[i] = giro_key_from_seed(seed);
    }
}

static void world_close(struct world *world)
{
    for (uint32_t i = 0; i < KEYS; i++)
        giro_key_free(world->secrets[i]);
}

static struct giro_signature signed_by_libsodium(const struct giro_secret_key *secret,
                                                 const uint8_t *message, size_t message_bytes)
{
    struct giro_signature signature;
    cr_assert(crypto_sign_detached(signature.bytes, NULL, message, message_bytes, secret->secret) ==
              0);
    return signature;
}

/* Every length, from every offset in a line, under keys in turn. */
static void lengths_judge(void *context, const char *variant)
{
    struct world *world = context;
    for (uint32_t bytes = 0; bytes <= MESSAGE_MAX; bytes++) {
        const struct giro_secret_key *secret = world->secrets[bytes % KEYS];
        const uint8_t *message = world->messages + giro_prng_below(&world->prng, 64);
        const struct giro_signature found = giro_sign(secret, message, bytes);
        const struct giro_signature expected = signed_by_libsodium(secret, message, bytes);
        cr_assert(memcmp(&found, &expected, sizeof(found)) == 0, "variant %s seed %lu bytes %u",
                  variant, world->seed, bytes);
    }
}

Test(crypto_sign, every_variant_signs_every_length_as_libsodium_does)
{
    static struct world world;
    world_open(&world);
    crypto_each_variant(lengths_judge, &world);
    world_close(&world);
}

/* A new key each time; what it derives from its seed is also compared. */
static void keys_judge(void *context, const char *variant)
{
    struct world *world = context;
    const char *effort = getenv("GIRO_EFFORT");
    const uint64_t wanted = 2000 * (effort != NULL ? strtoull(effort, NULL, 0) : 1);
    for (uint64_t i = 0; i < wanted; i++) {
        uint8_t seed[32];
        giro_prng_fill(&world->prng, seed, sizeof(seed));
        struct giro_secret_key *secret = giro_key_from_seed(seed);
        const uint32_t bytes = (uint32_t)giro_prng_below(&world->prng, 300);
        const struct giro_signature found = giro_sign(secret, world->messages, bytes);
        const struct giro_signature expected = signed_by_libsodium(secret, world->messages, bytes);
        cr_assert(memcmp(&found, &expected, sizeof(found)) == 0, "variant %s seed %lu key %lu",
                  variant, world->seed, i);
        giro_key_free(secret);
    }
}

Test(crypto_sign, every_variant_signs_under_random_keys_as_libsodium_does)
{
    static struct world world;
    world_open(&world);
    crypto_each_variant(keys_judge, &world);
    world_close(&world);
}

/* ---- The sum ---- */

/* [scalar]B by libsodium, which refuses zero. */
static void product_expected(uint8_t expected[32], const uint8_t scalar[32])
{
    static const uint8_t neutral[32] = {1};
    if (crypto_scalarmult_ed25519_base_noclamp(expected, scalar) != 0) {
        cr_assert(sodium_is_zero(scalar, 32));
        memcpy(expected, neutral, 32);
    }
}

static void sum_holds(const uint8_t scalar[32], const char *what)
{
    giro_sign_sum_fn *sum = giro_variant_sign();
    struct giro_comb_job job = {.table = NULL};
    uint8_t expected[32], found[32];
    giro_comb_digits_secret(job.key_digits, scalar);
    sum(&job);
    const struct giro_point point = {.x = job.x, .y = job.y, .z = job.z};
    cr_assert(giro_point_encode(&point, found), "%s", what);
    product_expected(expected, scalar);
    cr_assert(memcmp(found, expected, 32) == 0, "%s", what);
}

/* `count` bits set from bit `from` on, of 253, and its neighbours mod L. */
static void run_judge(uint32_t from, uint32_t count, const char *variant)
{
    uint8_t wide[64] = {0}, scalar[32], one[32] = {1}, near[32];
    char what[80];
    snprintf(what, sizeof(what), "variant %s, %u ones from bit %u", variant, count, from);
    for (uint32_t bit = from; bit < from + count && bit < 253; bit++)
        wide[bit / 8] |= (uint8_t)(1u << bit % 8);
    crypto_core_ed25519_scalar_reduce(scalar, wide);
    sum_holds(scalar, what);
    crypto_core_ed25519_scalar_add(near, scalar, one);
    sum_holds(near, what);
    crypto_core_ed25519_scalar_sub(near, scalar, one);
    sum_holds(near, what);
    crypto_core_ed25519_scalar_negate(near, scalar);
    sum_holds(near, what);
}

static void scalars_judge(void *context, const char *variant)
{
    struct giro_prng *prng = context;
    if (giro_variant_sign() == NULL)
        return;
    static const uint32_t counts[] = {0, 1, 2, 3, 4, 5, 8, 31, 64, 127, 252};
    for (uint32_t from = 0; from < 253; from++) {
        for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
            if (from % 4 == 0 || counts[i] < 4)
                run_judge(from, counts[i], variant);
        }
    }
    for (uint32_t i = 0; i < 2000;
         i++) { /* nibbles of which half are 7, 8, 9: both ends of a digit */
        uint8_t wide[64] = {0}, scalar[32];
        giro_prng_fill(prng, wide, 32);
        for (uint32_t n = 0; n < 64; n++) {
            const uint32_t shift = n % 2 * 4, nibble = 7 + (uint32_t)giro_prng_below(prng, 3);
            if (giro_prng_below(prng, 2) == 0)
                wide[n / 2] = (uint8_t)((wide[n / 2] & ~(0xfu << shift)) | nibble << shift);
        }
        crypto_core_ed25519_scalar_reduce(scalar, wide);
        sum_holds(scalar, variant);
    }
}

Test(crypto_sign, sums_of_strange_scalars_are_those_of_libsodium)
{
    struct giro_prng prng;
    giro_prng_init(&prng, crypto_seed());
    crypto_each_variant(scalars_judge, &prng);
}

Test(crypto_sign, every_entry_of_the_table_is_the_multiple_libsodium_computes)
{
    uint8_t base[32], one[32] = {1};
    cr_assert(crypto_scalarmult_ed25519_base_noclamp(base, one) == 0);
    for (uint32_t w = 0; w < GIRO_COMB_WINDOWS_MAX; w++) {
        uint8_t multiple[32], found[32];
        memcpy(multiple, base, 32);
        for (uint32_t j = 0; j < GIRO_SIGN_ENTRIES; j++) {
            struct giro_comb_entry entry = {.padding = 0};
            uint64_t words[GIRO_SIGN_WORDS];
            for (uint32_t i = 0; i < GIRO_SIGN_WORDS; i++)
                words[i] = giro_sign_table[w / GIRO_SIGN_LANES].entries[j][i][w % GIRO_SIGN_LANES];
            memcpy(&entry, words, sizeof(words));
            struct giro_point point = giro_point_neutral;
            giro_point_add_entry(&point, &entry, false);
            cr_assert(giro_point_encode(&point, found));
            cr_assert(memcmp(found, multiple, 32) == 0, "window %u entry %u", w, j);
            if (j + 1 < GIRO_SIGN_ENTRIES)
                cr_assert(crypto_core_ed25519_add(multiple, multiple, base) == 0);
        }
        cr_assert(crypto_core_ed25519_add(base, multiple, multiple) == 0);
    }
}

/* ---- What goes wrong ---- */

/* A signature with a wrong R must not leave: beside one with the right R of the same message, it gives the key away. */
static void damage_judge(void *context, const char *variant)
{
    struct world *world = context;
    giro_sign_sum_fn *sum = giro_variant_sign();
    uint32_t caught = 0;
    for (uint32_t i = 0; i < 3000 && sum != NULL; i++) {
        const struct giro_secret_key *secret = world->secrets[i % KEYS];
        uint64_t *word = &giro_sign_table[giro_prng_below(&world->prng, GIRO_SIGN_ROWS)]
                              .entries[giro_prng_below(&world->prng, GIRO_SIGN_ENTRIES)]
                                      [giro_prng_below(&world->prng, GIRO_SIGN_WORDS)]
                                      [giro_prng_below(&world->prng, GIRO_SIGN_LANES)];
        const uint64_t bit = UINT64_C(1) << giro_prng_below(&world->prng, 51);
        struct giro_signature found;
        const struct giro_signature expected = signed_by_libsodium(secret, world->messages, i);
        *word ^= bit;
        const bool sound = giro_sign_by(sum, secret, world->messages, i, &found);
        *word ^= bit;
        cr_assert(sound == (memcmp(&found, &expected, sizeof(found)) == 0),
                  "variant %s seed %lu round %u", variant, world->seed, i);
        caught += !sound;
    }
    cr_assert(sum == NULL || caught > 100, "a table of which few entries count: %u", caught);
}

Test(crypto_sign, a_flipped_bit_in_the_table_never_gives_a_signature)
{
    static struct world world;
    world_open(&world);
    crypto_each_variant(damage_judge, &world);
    world_close(&world);
}

Test(crypto_sign, a_key_whose_signatures_differ_is_not_made, .signal = SIGABRT)
{
    if (giro_variant_sign() == NULL) {
        fprintf(stderr, "SKIPPED: libsodium signs, nothing can differ\n");
        abort();
    }
    static struct giro_sign_row other[GIRO_SIGN_ROWS];
    memcpy(other, giro_sign_table, sizeof(other));
    for (uint32_t i = 0; i < GIRO_SIGN_ROWS; i++) /* 16^(8 i) B where 16^(56 - 8 i) B should be */
        giro_sign_table[i] = other[GIRO_SIGN_ROWS - 1 - i];
    (void)giro_key_generate();
}

/* ---- What is left behind ---- */

#define STACK_BYTES (256u * 1024u)

struct signer {
    const struct giro_secret_key *secret;
    giro_sign_sum_fn *raw; /* NULL: giro_sign */
    struct giro_signature signature;
};

static void *signer_run(void *context)
{
    struct signer *signer = context;
    if (signer->raw == NULL)
        signer->signature = giro_sign(signer->secret, "left behind", 11);
    else
        cr_assert(giro_sign_by(signer->raw, signer->secret, "left behind", 11, &signer->signature));
    return NULL;
}

struct remains {
    uint32_t secrets; /* places that hold eight bytes of the scalar, the prefix or the nonce */
    uint32_t lowest;  /* the lowest place that is not zero */
};

/* What a thread that signs once leaves on its stack. */
static struct remains signer_remains(struct signer *signer, uint8_t *stack)
{
    uint8_t hash[64], known[3][32];
    crypto_hash_sha512_state state;
    crypto_hash_sha512_init(&state);
    crypto_hash_sha512_update(&state, signer->secret->prefix, 32);
    crypto_hash_sha512_update(&state, (const uint8_t *)"left behind", 11);
    crypto_hash_sha512_final(&state, hash);
    crypto_core_ed25519_scalar_reduce(known[0], hash);
    memcpy(known[1], signer->secret->scalar, 32);
    memcpy(known[2], signer->secret->prefix, 32);
    memset(stack, 0, STACK_BYTES);
    pthread_attr_t attributes;
    pthread_t thread;
    cr_assert(pthread_attr_init(&attributes) == 0);
    cr_assert(pthread_attr_setstack(&attributes, stack, STACK_BYTES) == 0);
    cr_assert(pthread_create(&thread, &attributes, signer_run, signer) == 0);
    cr_assert(pthread_join(thread, NULL) == 0);
    pthread_attr_destroy(&attributes);
    struct remains remains = {.lowest = STACK_BYTES};
    for (uint32_t at = STACK_BYTES; at-- > 0;) {
        remains.lowest = stack[at] != 0 ? at : remains.lowest;
        for (uint32_t k = 0; k < 12 && at + 8 <= STACK_BYTES; k++)
            remains.secrets += memcmp(stack + at, known[k / 4] + k % 4 * 8, 8) == 0;
    }
    return remains;
}

static void stack_judge(void *context, const char *variant)
{
    const struct world *world = context;
    uint8_t *stack = aligned_alloc(4096, STACK_BYTES);
    struct signer signer = {.secret = world->secrets[0]};
    if (giro_variant_sign() != NULL) {
        const struct remains wiped = signer_remains(&signer, stack);
        signer.raw = giro_variant_sign();
        const struct remains raw = signer_remains(&signer, stack);
        cr_assert(raw.secrets > 0, "variant %s: the search finds nothing", variant);
        cr_assert(wiped.secrets == 0, "variant %s", variant);
        cr_assert(wiped.lowest < raw.lowest, "variant %s: not all of %u bytes were wiped", variant,
                  STACK_BYTES - raw.lowest);
    }
    free(stack);
}

Test(crypto_sign, no_secret_stays_on_the_stack)
{
    static struct world world;
    world_open(&world);
    crypto_each_variant(stack_judge, &world);
    world_close(&world);
}
