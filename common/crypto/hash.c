/* SHA-256 through EVP: the digest is fetched once, because a fetch per hash costs more than hashing
 * a record; each thread keeps one context, because making one costs too. */
#include <pthread.h>

#include <openssl/evp.h>

#include "hash.h"

const struct giro_hash giro_hash_zero;

static EVP_MD *sha256_digest;
static pthread_key_t thread_context_key; /* only for its destructor at thread exit */
static _Thread_local EVP_MD_CTX *thread_context;

static void thread_context_free(void *context)
{
    thread_context = NULL;
    EVP_MD_CTX_free(context);
}

/* A thread's first hash makes its context here. OpenSSL 3.0 itself allocates and frees the digest's
 * inner state at every EVP_DigestInit_ex2, reused context or not. */
static EVP_MD_CTX *thread_context_open(void)
{
    GIRO_ASSERT(sha256_digest != NULL); /* giro_crypto_init comes first */
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context == NULL)
        return NULL;
    if (EVP_DigestInit_ex2(context, sha256_digest, NULL) != 1 ||
        pthread_setspecific(thread_context_key, context) != 0) {
        EVP_MD_CTX_free(context);
        return NULL;
    }
    thread_context = context;
    return context;
}

enum giro_err giro_hash_init(void)
{
    if (sha256_digest == NULL) {
        if (pthread_key_create(&thread_context_key, thread_context_free) != 0)
            return GIRO_ERR_NOMEM;
        sha256_digest = EVP_MD_fetch(NULL, "SHA256", NULL);
        if (sha256_digest == NULL) {
            pthread_key_delete(thread_context_key);
            return GIRO_ERR_STATE;
        }
        GIRO_ASSERT(EVP_MD_get_size(sha256_digest) == (int)GIRO_HASH_BYTES);
    }
    if (thread_context == NULL && thread_context_open() == NULL)
        return GIRO_ERR_NOMEM;
    return GIRO_ERR_OK;
}

/* A digest that failed half way has no meaningful value and no caller could go on without one. */
static struct giro_hash context_finish(EVP_MD_CTX *context)
{
    struct giro_hash hash;
    unsigned int size_bytes = 0;
    int done = EVP_DigestFinal_ex(context, hash.bytes, &size_bytes);
    GIRO_ASSERT(done == 1);
    GIRO_ASSERT(size_bytes == GIRO_HASH_BYTES);
    return hash;
}

struct giro_hash giro_sha256_parts(const struct giro_part *parts, uint32_t count)
{
    GIRO_ASSERT(parts != NULL || count == 0);
    EVP_MD_CTX *context = thread_context;
    if (__builtin_expect(context == NULL, 0)) {
        context = thread_context_open();
        GIRO_ASSERT(context != NULL);
    }
    /* A NULL digest keeps the one that is set. */
    int begun = EVP_DigestInit_ex2(context, NULL, NULL);
    GIRO_ASSERT(begun == 1);
    for (uint32_t i = 0; i < count; i++) {
        int taken = EVP_DigestUpdate(context, parts[i].bytes, parts[i].size_bytes);
        GIRO_ASSERT(taken == 1);
    }
    return context_finish(context);
}

struct giro_hash giro_sha256(const void *bytes, size_t size_bytes)
{
    struct giro_part part = {bytes, size_bytes};
    return giro_sha256_parts(&part, 1);
}

enum giro_err giro_sha256_begin(struct giro_sha256_state *state)
{
    GIRO_ASSERT(sha256_digest != NULL);
    if (state->context == NULL)
        state->context = EVP_MD_CTX_new();
    if (state->context == NULL || EVP_DigestInit_ex2(state->context, sha256_digest, NULL) != 1)
        return GIRO_ERR_NOMEM;
    return GIRO_ERR_OK;
}

void giro_sha256_update(struct giro_sha256_state *state, const void *bytes, size_t size_bytes)
{
    GIRO_ASSERT(state->context != NULL);
    int taken = EVP_DigestUpdate(state->context, bytes, size_bytes);
    GIRO_ASSERT(taken == 1);
}

struct giro_hash giro_sha256_end(struct giro_sha256_state *state)
{
    GIRO_ASSERT(state->context != NULL);
    return context_finish(state->context);
}

void giro_sha256_free(struct giro_sha256_state *state)
{
    EVP_MD_CTX_free(state->context);
    state->context = NULL;
}

bool giro_hash_equal(const struct giro_hash *a, const struct giro_hash *b)
{
    return memcmp(a->bytes, b->bytes, GIRO_HASH_BYTES) == 0;
}

bool giro_hash_is_zero(const struct giro_hash *hash)
{
    return giro_hash_equal(hash, &giro_hash_zero);
}
