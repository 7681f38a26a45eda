/* SHA-256 by the sha_ni instructions, two independent inputs interleaved: one round instruction waits for the one before it
 * in the same input, and in that time the other input's runs. */
#include <immintrin.h>

#include "sha256_many.h"

#define STREAMS 2

/* The instructions want the words in the order ABEF, CDGH. */
struct ni_state {
    __m128i abef, cdgh;
};

static inline struct ni_state ni_load(const uint32_t state[8])
{
    const __m128i cdab =
        _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(const void *)state), 0xb1);
    const __m128i efgh =
        _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(const void *)(state + 4)), 0x1b);
    return (struct ni_state){.abef = _mm_alignr_epi8(cdab, efgh, 8),
                             .cdgh = _mm_blend_epi16(efgh, cdab, 0xf0)};
}

static inline void ni_store(uint32_t state[8], const struct ni_state *from)
{
    const __m128i feba = _mm_shuffle_epi32(from->abef, 0x1b);
    const __m128i dchg = _mm_shuffle_epi32(from->cdgh, 0xb1);
    _mm_storeu_si128((__m128i *)(void *)state, _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128((__m128i *)(void *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

static inline __m128i four(const uint32_t *words)
{
    return _mm_loadu_si128((const __m128i *)(const void *)words);
}

static inline void four_rounds(struct ni_state *state, __m128i scheduled)
{
    state->cdgh = _mm_sha256rnds2_epu32(state->cdgh, state->abef, scheduled);
    scheduled = _mm_shuffle_epi32(scheduled, 0x0e);
    state->abef = _mm_sha256rnds2_epu32(state->abef, state->cdgh, scheduled);
}

/* One block of each of count inputs. */
static inline __attribute__((always_inline)) void
compress(struct ni_state *states, const uint8_t *const *bytes, const int count)
{
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    struct ni_state before[STREAMS];
    __m128i w[STREAMS][4];
    for (int s = 0; s < count; s++) {
        before[s] = states[s];
        for (int i = 0; i < 4; i++)
            w[s][i] = _mm_shuffle_epi8(
                _mm_loadu_si128((const __m128i *)(const void *)(bytes[s] + 16 * i)), swap);
    }
#pragma GCC unroll 16
    for (int group = 0; group < 16; group++) {
        for (int s = 0; s < count; s++) {
            __m128i *now = &w[s][group % 4];
            if (group >= 4) { /* words of 16 rounds ago become those of this group */
                const __m128i one = w[s][(group + 1) % 4], three = w[s][(group + 3) % 4];
                __m128i next = _mm_sha256msg1_epu32(*now, one);
                next = _mm_add_epi32(next, _mm_alignr_epi8(three, w[s][(group + 2) % 4], 4));
                *now = _mm_sha256msg2_epu32(next, three);
            }
            four_rounds(&states[s], _mm_add_epi32(*now, four(&giro_sha256_k[4 * group])));
        }
    }
    for (int s = 0; s < count; s++) {
        states[s].abef = _mm_add_epi32(states[s].abef, before[s].abef);
        states[s].cdgh = _mm_add_epi32(states[s].cdgh, before[s].cdgh);
    }
}

/* The block of padding behind 64 bytes: nothing of it has to be scheduled. */
static inline __attribute__((always_inline)) void pad64(struct ni_state *states, const int count)
{
    struct ni_state before[STREAMS];
    for (int s = 0; s < count; s++)
        before[s] = states[s];
#pragma GCC unroll 16
    for (int group = 0; group < 16; group++)
        for (int s = 0; s < count; s++)
            four_rounds(&states[s], four(&giro_sha256_padded64[4 * group]));
    for (int s = 0; s < count; s++) {
        states[s].abef = _mm_add_epi32(states[s].abef, before[s].abef);
        states[s].cdgh = _mm_add_epi32(states[s].cdgh, before[s].cdgh);
    }
}

static void run_one(struct giro_sha256_job *job)
{
    struct ni_state state = ni_load(job->state);
    for (; job->blocks > 0; job->blocks--, job->bytes += GIRO_SHA256_BLOCK)
        compress(&state, &job->bytes, 1);
    ni_store(job->state, &state);
}

/* Runs two jobs until the shorter one is done. */
static void run_two(struct giro_sha256_job *a, struct giro_sha256_job *b)
{
    struct ni_state states[2] = {ni_load(a->state), ni_load(b->state)};
    const uint8_t *bytes[2] = {a->bytes, b->bytes};
    const uint64_t blocks = a->blocks < b->blocks ? a->blocks : b->blocks;
    for (uint64_t i = 0; i < blocks; i++) {
        compress(states, bytes, 2);
        bytes[0] += GIRO_SHA256_BLOCK;
        bytes[1] += GIRO_SHA256_BLOCK;
    }
    ni_store(a->state, &states[0]);
    ni_store(b->state, &states[1]);
    a->bytes = bytes[0];
    b->bytes = bytes[1];
    a->blocks -= blocks;
    b->blocks -= blocks;
}

void giro_sha256_run_ni(struct giro_sha256_job *jobs, uint32_t count)
{
    struct giro_sha256_job *left = NULL; /* begun, and not yet at its end */
    for (uint32_t i = 0; i < count; i++) {
        if (jobs[i].blocks == 0)
            continue;
        if (left == NULL) {
            left = &jobs[i];
            continue;
        }
        run_two(left, &jobs[i]);
        if (left->blocks == 0)
            left = jobs[i].blocks > 0 ? &jobs[i] : NULL;
    }
    if (left != NULL)
        run_one(left);
}

static inline void hash_store(struct giro_hash *out, const struct ni_state *state)
{
    uint32_t words[8];
    ni_store(words, state);
    for (int i = 0; i < 8; i++)
        words[i] = __builtin_bswap32(words[i]);
    memcpy(out->bytes, words, sizeof(words));
}

void giro_sha256_records_ni(const uint8_t *const *inputs, uint32_t count, struct giro_hash *out)
{
    const struct ni_state start = ni_load(giro_sha256_start);
    uint32_t i = 0;
    for (; i + 2 <= count; i += 2) {
        struct ni_state states[2] = {start, start};
        compress(states, &inputs[i], 2);
        pad64(states, 2);
        hash_store(&out[i], &states[0]);
        hash_store(&out[i + 1], &states[1]);
    }
    if (i == count)
        return;
    struct ni_state state = start;
    compress(&state, &inputs[i], 1);
    pad64(&state, 1);
    hash_store(&out[i], &state);
}
