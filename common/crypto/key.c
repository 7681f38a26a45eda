/* Secret keys: in memory that is locked, guarded and wiped by libsodium, and read-only once made.
 */
#include <sodium.h>

#include "giro/crypto.h"

struct giro_secret_key {
    uint8_t secret[crypto_sign_SECRETKEYBYTES]; /* libsodium's form: seed 32 | public 32 */
};

struct giro_secret_key *giro_key_from_seed(const uint8_t seed[32])
{
    struct giro_secret_key *key = sodium_malloc(sizeof(*key));
    if (key == NULL)
        return NULL;
    uint8_t public_bytes[crypto_sign_PUBLICKEYBYTES];
    int made = crypto_sign_seed_keypair(public_bytes, key->secret, seed);
    GIRO_ASSERT(made == 0);
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
    int done = crypto_sign_detached(signature.bytes, NULL, message, message_bytes, key->secret);
    GIRO_ASSERT(done == 0);
    return signature;
}
