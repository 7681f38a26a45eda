/* SHA-256 with the state on the stack. OpenSSL's EVP interface allocates at every init, reused context or not (measured:
 * one malloc and free a hash, 171 ns for 64 bytes); these functions run the same assembly (sha_ni where there is one) in
 * 96 ns and allocate nothing. They are deprecated in OpenSSL 3, not removed: this file is the only one that calls them. */
#define OPENSSL_API_COMPAT 10100
#include <openssl/sha.h>

#include <assert.h>

#include "giro/crypto.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

static_assert(sizeof(SHA256_CTX) <= sizeof(struct giro_sha256_state),
              "the state has room for OpenSSL's");
static_assert(_Alignof(SHA256_CTX) <= _Alignof(struct giro_sha256_state),
              "the state is aligned for OpenSSL's");

const struct giro_hash giro_hash_zero;

void giro_sha256_begin(struct giro_sha256_state *state)
{
    int begun = SHA256_Init((SHA256_CTX *)state->words);
    GIRO_ASSERT(begun == 1);
}

void giro_sha256_update(struct giro_sha256_state *state, const void *bytes, size_t size_bytes)
{
    int taken = SHA256_Update((SHA256_CTX *)state->words, bytes, size_bytes);
    GIRO_ASSERT(taken == 1);
}

struct giro_hash giro_sha256_end(struct giro_sha256_state *state)
{
    struct giro_hash hash;
    int done = SHA256_Final(hash.bytes, (SHA256_CTX *)state->words);
    GIRO_ASSERT(done == 1);
    return hash;
}

struct giro_hash giro_sha256_parts(const struct giro_part *parts, uint32_t count)
{
    GIRO_ASSERT(parts != NULL || count == 0);
    struct giro_sha256_state state;
    giro_sha256_begin(&state);
    for (uint32_t i = 0; i < count; i++)
        giro_sha256_update(&state, parts[i].bytes, parts[i].size_bytes);
    return giro_sha256_end(&state);
}

struct giro_hash giro_sha256(const void *bytes, size_t size_bytes)
{
    struct giro_part part = {bytes, size_bytes};
    return giro_sha256_parts(&part, 1);
}

bool giro_hash_equal(const struct giro_hash *a, const struct giro_hash *b)
{
    return memcmp(a->bytes, b->bytes, GIRO_HASH_BYTES) == 0;
}

bool giro_hash_is_zero(const struct giro_hash *hash)
{
    return giro_hash_equal(hash, &giro_hash_zero);
}
