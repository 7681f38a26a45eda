/* SHA-256 with the state on the stack. OpenSSL's EVP interface allocates at every init, reused context or not (measured:
 * one malloc and free a hash, 171 ns for 64 bytes); these functions run the same assembly (sha_ni where there is one) in
 * 96 ns and allocate nothing. They are deprecated in OpenSSL 3, not removed: this file is the only one that calls them. */
#define OPENSSL_API_COMPAT 10100
#include <openssl/sha.h>

#include <assert.h>

#include "sha256_many.h"

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

/* ---- Many at once ---- */

void giro_sha256_run_portable(struct giro_sha256_job *jobs, uint32_t count)
{
    SHA256_CTX context;
    for (uint32_t i = 0; i < count; i++) {
        memcpy(context.h, jobs[i].state, sizeof(context.h));
        for (; jobs[i].blocks > 0; jobs[i].blocks--, jobs[i].bytes += GIRO_SHA256_BLOCK)
            SHA256_Transform(&context, jobs[i].bytes);
        memcpy(jobs[i].state, context.h, sizeof(context.h));
    }
}

void giro_sha256_records_portable(const uint8_t *const *inputs, uint32_t count,
                                  struct giro_hash *out)
{
    for (uint32_t i = 0; i < count; i++)
        out[i] = giro_sha256(inputs[i], GIRO_SHA256_BLOCK);
}

static_assert(sizeof(((SHA256_CTX *)NULL)->h) == 8 * sizeof(uint32_t), "eight words");

/* The bytes a stream has taken so far. */
static uint64_t stream_bytes(const SHA256_CTX *stream)
{
    return ((uint64_t)stream->Nh << 32 | stream->Nl) / 8;
}

static void stream_bytes_set(SHA256_CTX *stream, uint64_t size_bytes)
{
    stream->Nl = (SHA_LONG)(8 * size_bytes);
    stream->Nh = (SHA_LONG)(size_bytes >> 29);
}

#define STREAMS 64u /* streams taken at once */

static void streams_update(struct giro_sha256_state *const *states, const struct giro_part *parts,
                           uint32_t count)
{
    struct giro_sha256_job heads[STREAMS], bodies[STREAMS];
    uint32_t rests[STREAMS];
    for (uint32_t i = 0; i < count; i++) {
        SHA256_CTX *stream = (SHA256_CTX *)states[i]->words;
        const uint8_t *bytes = parts[i].bytes;
        const size_t size_bytes = parts[i].size_bytes, held = stream->num;
        size_t fill = held == 0 ? 0 : GIRO_SHA256_BLOCK - held;
        if (fill > size_bytes)
            fill = size_bytes;
        if (fill > 0)
            memcpy((uint8_t *)stream->data + held, bytes, fill);
        const bool full = held + fill == GIRO_SHA256_BLOCK;
        const size_t left = size_bytes - fill; /* 0 unless the block held is full now */
        rests[i] = left % GIRO_SHA256_BLOCK;
        heads[i] = (struct giro_sha256_job){stream->h, (uint8_t *)stream->data, full ? 1 : 0};
        bodies[i] = (struct giro_sha256_job){stream->h, bytes + fill, left / GIRO_SHA256_BLOCK};
        stream->num = full || held == 0 ? rests[i] : (unsigned)(held + fill);
        stream_bytes_set(stream, stream_bytes(stream) + size_bytes);
    }
    giro_sha256_run(heads, count);
    giro_sha256_run(bodies, count);
    for (uint32_t i = 0; i < count; i++) {
        SHA256_CTX *stream = (SHA256_CTX *)states[i]->words;
        if (rests[i] > 0)
            memcpy(stream->data, (const uint8_t *)parts[i].bytes + parts[i].size_bytes - rests[i],
                   rests[i]);
    }
}

void giro_sha256_update_many(struct giro_sha256_state *const *states, const struct giro_part *parts,
                             uint32_t count)
{
    for (uint32_t first = 0; first < count; first += STREAMS)
        streams_update(states + first, parts + first,
                       count - first < STREAMS ? count - first : STREAMS);
}

static void streams_end(struct giro_sha256_state *const *states, uint32_t count,
                        struct giro_hash *out)
{
    struct giro_sha256_job jobs[STREAMS];
    uint8_t tails[STREAMS][2 * GIRO_SHA256_BLOCK];
    for (uint32_t i = 0; i < count; i++) {
        SHA256_CTX *stream = (SHA256_CTX *)states[i]->words;
        memcpy(tails[i], stream->data, stream->num);
        jobs[i] = (struct giro_sha256_job){
            stream->h, tails[i], giro_sha256_pad(tails[i], stream->num, stream_bytes(stream))};
    }
    giro_sha256_run(jobs, count);
    for (uint32_t i = 0; i < count; i++)
        out[i] = giro_sha256_words_hash(jobs[i].state);
}

void giro_sha256_end_many(struct giro_sha256_state *const *states, uint32_t count,
                          struct giro_hash *out)
{
    for (uint32_t first = 0; first < count; first += STREAMS)
        streams_end(states + first, count - first < STREAMS ? count - first : STREAMS, out + first);
}
