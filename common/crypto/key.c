/* Secret keys: in memory that is locked, guarded and wiped by libsodium, and read-only once made.
 */
#include <sodium.h>

#include "sign.h"

/* More than giro_sign_by and what it calls take of the stack: 13 KiB at most as released (AVX2), 18 with checks. */
#define STACK_WIPED_BYTES (20u * 1024u)

static void libsodium_sign(const struct giro_secret_key *key, const void *message,
                           size_t message_bytes, struct giro_signature *signature)
{
    const int done =
        crypto_sign_detached(signature->bytes, NULL, message, message_bytes, key->secret);
    GIRO_ASSERT(done == 0);
}

/* Both ways to sign give the same bytes under this key. */
static void key_check(const struct giro_secret_key *key)
{
    const uint8_t *message = key->secret + crypto_sign_SEEDBYTES;
    struct giro_signature expected;
    libsodium_sign(key, message, GIRO_KEY_BYTES, &expected);
    const struct giro_signature found = giro_sign(key, message, GIRO_KEY_BYTES);
    const bool agrees = memcmp(&found, &expected, sizeof(found)) == 0;
    GIRO_ASSERT(agrees);
}

struct giro_secret_key *giro_key_from_seed(const uint8_t seed[32])
{
    struct giro_secret_key *key = sodium_malloc(sizeof(*key));
    if (key == NULL)
        return NULL;
    uint8_t public_bytes[crypto_sign_PUBLICKEYBYTES];
    int made = crypto_sign_seed_keypair(public_bytes, key->secret, seed);
    GIRO_ASSERT(made == 0);
    giro_sign_expand(key);
    key_check(key);
    int locked = sodium_mprotect_readonly(key);
    GIRO_ASSERT(locked == 0);
    return key;
}

struct giro_secret_key *giro_key_generate(void)
{
    uint8_t seed[crypto_sign_SEEDBYTES];
    randombytes_buf(seed, sizeof(seed));
    struct giro_secret_key *key = giro_key_from_seed(seed);
    sodium_memzero(seed, sizeof(seed));
    return key;
}

void giro_key_free(struct giro_secret_key *key)
{
    sodium_free(key); /* accepts NULL; wipes */
}

struct giro_public_key giro_key_public(const struct giro_secret_key *key)
{
    struct giro_public_key public_key;
    memcpy(public_key.bytes, key->secret + crypto_sign_SEEDBYTES, GIRO_KEY_BYTES);
    return public_key;
}

void giro_key_seed(const struct giro_secret_key *key, uint8_t seed[32])
{
    memcpy(seed, key->secret, crypto_sign_SEEDBYTES);
}

struct giro_public_key giro_key_sealing(const struct giro_secret_key *key)
{
    struct giro_public_key public_key;
    int done = crypto_scalarmult_base(public_key.bytes, key->secret);
    GIRO_ASSERT(done == 0);
    return public_key;
}

struct giro_signature giro_sign(const struct giro_secret_key *key, const void *message,
                                size_t message_bytes)
{
    struct giro_signature signature;
    giro_sign_sum_fn *sum = giro_variant_sign();
    if (sum == NULL) {
        libsodium_sign(key, message, message_bytes, &signature);
        return signature;
    }
    const bool sound = giro_sign_by(sum, key, message, message_bytes, &signature);
    sodium_stackzero(STACK_WIPED_BYTES);
    GIRO_ASSERT(sound);
    return signature;
}
