/* Ed25519 signing (RFC 8032, section 5.1.6) around a sum in lanes. */
#include <sodium.h>

#include "internal.h"
#include "sign.h"

struct giro_sign_row giro_sign_table[GIRO_SIGN_ROWS];

static void table_build(void)
{
    struct giro_comb_entry comb[GIRO_COMB_WINDOWS_MAX * (GIRO_SIGN_ENTRIES + 1)];
    const struct giro_point base = giro_point_base();
    giro_comb_build(comb, 4, &base);
    for (uint32_t w = 0; w < GIRO_COMB_WINDOWS_MAX; w++) {
        for (uint32_t j = 0; j < GIRO_SIGN_ENTRIES; j++) {
            uint64_t words[GIRO_SIGN_WORDS];
            memcpy(words, &comb[w * (GIRO_SIGN_ENTRIES + 1) + j + 1], sizeof(words));
            for (uint32_t i = 0; i < GIRO_SIGN_WORDS; i++)
                giro_sign_table[w / GIRO_SIGN_LANES].entries[j][i][w % GIRO_SIGN_LANES] = words[i];
        }
    }
}

/* All digits j: the sum of the j-th entries of all windows, j 0x111...1 B. */
static bool entries_agree(giro_sign_sum_fn *sum, uint32_t j)
{
    uint8_t wide[64] = {0}, scalar[32], expected[32], found[32];
    memset(wide, (int)(0x11 * j), 32);
    crypto_core_ed25519_scalar_reduce(scalar, wide);
    if (crypto_scalarmult_ed25519_base_noclamp(expected, scalar) != 0)
        return false;
    struct giro_comb_job job = {.table = NULL};
    for (uint32_t w = 0; w < GIRO_COMB_WINDOWS_MAX; w++)
        job.key_digits[w] = (uint16_t)(j << 1);
    sum(&job);
    const struct giro_point point = {.x = job.x, .y = job.y, .z = job.z};
    return giro_point_encode(&point, found) && memcmp(found, expected, sizeof(found)) == 0;
}

void giro_sign_start(void)
{
    static_assert(offsetof(struct giro_comb_entry, padding) == GIRO_SIGN_WORDS * sizeof(uint64_t),
                  "the words of an entry");
    if (giro_sign_table[0].entries[0][0][0] == 0)
        table_build();
    giro_sign_sum_fn *sum = giro_variant_sign();
    for (uint32_t j = 1; j <= GIRO_SIGN_ENTRIES && sum != NULL; j++) {
        const bool agrees = entries_agree(sum, j);
        GIRO_ASSERT(agrees);
    }
}

void giro_sign_expand(struct giro_secret_key *key)
{
    uint8_t hash[64];
    crypto_hash_sha512(hash, key->secret, 32);
    memcpy(key->prefix, hash + 32, 32);
    memset(hash + 32, 0, 32);
    hash[0] &= 0xf8;
    hash[31] = (hash[31] & 0x3f) | 0x40;
    crypto_core_ed25519_scalar_reduce(key->scalar, hash);
    sodium_memzero(hash, sizeof(hash));
}

/* r = SHA-512(prefix | message) mod L. */
static void nonce_draw(uint8_t nonce[32], const struct giro_secret_key *key, const void *message,
                       size_t message_bytes)
{
    crypto_hash_sha512_state state;
    uint8_t hash[64];
    crypto_hash_sha512_init(&state);
    crypto_hash_sha512_update(&state, key->prefix, 32);
    crypto_hash_sha512_update(&state, message, message_bytes);
    crypto_hash_sha512_final(&state, hash);
    crypto_core_ed25519_scalar_reduce(nonce, hash);
}

/* S = r + SHA-512(R | A | message) a mod L. */
static void scalar_finish(uint8_t s[32], const uint8_t nonce[32], const struct giro_secret_key *key,
                          struct giro_hash_job *hash)
{
    uint8_t k[32], product[32];
    giro_hash_portable(hash, 1);
    crypto_core_ed25519_scalar_reduce(k, hash->digest);
    crypto_core_ed25519_scalar_mul(product, k, key->scalar);
    crypto_core_ed25519_scalar_add(s, product, nonce);
}

bool giro_sign_by(giro_sign_sum_fn *sum, const struct giro_secret_key *key, const void *message,
                  size_t message_bytes, struct giro_signature *signature)
{
    struct giro_comb_job job;
    uint8_t nonce[32];
    nonce_draw(nonce, key, message, message_bytes);
    giro_comb_digits_secret(job.key_digits, nonce);
    sum(&job);
    const struct giro_point point = {.x = job.x, .y = job.y, .z = job.z};
    const bool sound = giro_point_encode(&point, signature->bytes);
    struct giro_hash_job hash = {.r = signature->bytes,
                                 .key = key->secret + 32,
                                 .message = message,
                                 .message_bytes = message_bytes};
    scalar_finish(signature->bytes + 32, nonce, key, &hash);
    return sound;
}
