/* SHA-256 in eight AVX2 lanes, for processors without sha_ni; what does not fill them goes to OpenSSL. */
#include <immintrin.h>

#include "sha256_many.h"

#define LANES 8
typedef __m256i vec;

static inline vec vec_set(uint32_t word)
{
    return _mm256_set1_epi32((int)word);
}
static inline vec vec_load(const uint32_t words[LANES])
{
    return _mm256_load_si256((const __m256i *)(const void *)words);
}
static inline void vec_store(uint32_t words[LANES], vec v)
{
    _mm256_store_si256((__m256i *)(void *)words, v);
}
static inline vec vec_add(vec a, vec b)
{
    return _mm256_add_epi32(a, b);
}
#define ror(v, n) _mm256_or_si256(_mm256_srli_epi32(v, n), _mm256_slli_epi32(v, 32 - (n)))
static inline vec xor3(vec a, vec b, vec c)
{
    return _mm256_xor_si256(_mm256_xor_si256(a, b), c);
}
static inline vec vec_choose(vec e, vec f, vec g)
{
    return _mm256_xor_si256(g, _mm256_and_si256(e, _mm256_xor_si256(f, g)));
}
static inline vec vec_majority(vec a, vec b, vec c)
{
    return _mm256_or_si256(_mm256_and_si256(a, b), _mm256_and_si256(c, _mm256_or_si256(a, b)));
}
static inline vec vec_sum0(vec a)
{
    return xor3(ror(a, 2), ror(a, 13), ror(a, 22));
}
static inline vec vec_sum1(vec e)
{
    return xor3(ror(e, 6), ror(e, 11), ror(e, 25));
}
static inline vec vec_sigma0(vec w)
{
    return xor3(ror(w, 7), ror(w, 18), _mm256_srli_epi32(w, 3));
}
static inline vec vec_sigma1(vec w)
{
    return xor3(ror(w, 17), ror(w, 19), _mm256_srli_epi32(w, 10));
}
static inline vec vec_swap(vec v)
{
    return _mm256_shuffle_epi8(
        v, _mm256_broadcastsi128_si256(_mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203)));
}

/* Eight rows of eight words become eight columns. */
static inline void transpose(vec r[8])
{
    vec t[8];
    for (int l = 0; l < 8; l += 2) {
        t[l] = _mm256_unpacklo_epi32(r[l], r[l + 1]);
        t[l + 1] = _mm256_unpackhi_epi32(r[l], r[l + 1]);
    }
    /* r[q + c]: in each half h of 128 bits, word 4h + c of lanes q .. q + 3. */
    for (int q = 0; q < 8; q += 4) {
        r[q] = _mm256_unpacklo_epi64(t[q], t[q + 2]);
        r[q + 1] = _mm256_unpackhi_epi64(t[q], t[q + 2]);
        r[q + 2] = _mm256_unpacklo_epi64(t[q + 1], t[q + 3]);
        r[q + 3] = _mm256_unpackhi_epi64(t[q + 1], t[q + 3]);
    }
    for (int c = 0; c < 4; c++) {
        const vec low = r[c];
        r[c] = _mm256_permute2x128_si256(low, r[4 + c], 0x20);
        r[4 + c] = _mm256_permute2x128_si256(low, r[4 + c], 0x31);
    }
}

static inline void lanes_load(const uint8_t *const bytes[LANES], vec w[16])
{
    for (int half = 0; half < 2; half++) {
        for (int l = 0; l < 8; l++)
            w[8 * half + l] =
                vec_swap(_mm256_loadu_si256((const __m256i *)(const void *)(bytes[l] + 32 * half)));
        transpose(&w[8 * half]);
    }
}

static inline void lanes_round(vec s[8], vec scheduled)
{
    vec t =
        vec_add(vec_add(s[7], scheduled), vec_add(vec_sum1(s[4]), vec_choose(s[4], s[5], s[6])));
    vec u = vec_add(vec_sum0(s[0]), vec_majority(s[0], s[1], s[2]));
    s[7] = s[6];
    s[6] = s[5];
    s[5] = s[4];
    s[4] = vec_add(s[3], t);
    s[3] = s[2];
    s[2] = s[1];
    s[1] = s[0];
    s[0] = vec_add(t, u);
}

/* One block of every lane. w: the 16 words of each lane's block; used up. */
static inline void lanes_compress(vec state[8], vec w[16])
{
    vec s[8];
    for (int i = 0; i < 8; i++)
        s[i] = state[i];
#pragma GCC unroll 16
    for (int t = 0; t < 16; t++)
        lanes_round(s, vec_add(w[t], vec_set(giro_sha256_k[t])));
    for (int at = 16; at < 64; at += 16) {
#pragma GCC unroll 16
        for (int t = 0; t < 16; t++) {
            w[t] = vec_add(vec_add(w[t], vec_sigma0(w[(t + 1) % 16])),
                           vec_add(w[(t + 9) % 16], vec_sigma1(w[(t + 14) % 16])));
            lanes_round(s, vec_add(w[t], vec_set(giro_sha256_k[at + t])));
        }
    }
    for (int i = 0; i < 8; i++)
        state[i] = vec_add(state[i], s[i]);
}

/* The block of padding behind 64 bytes: nothing of it has to be scheduled. */
static inline void lanes_pad64(vec state[8])
{
    vec s[8];
    for (int i = 0; i < 8; i++)
        s[i] = state[i];
    for (int at = 0; at < 64; at += 16) {
#pragma GCC unroll 16
        for (int t = 0; t < 16; t++)
            lanes_round(s, vec_set(giro_sha256_padded64[at + t]));
    }
    for (int i = 0; i < 8; i++)
        state[i] = vec_add(state[i], s[i]);
}

/* The jobs of the lanes at work, and how far all of them can go before one ends. */
static uint64_t lanes_step(struct giro_sha256_job *const lanes[LANES])
{
    uint64_t blocks = lanes[0]->blocks;
    for (int l = 1; l < LANES; l++)
        blocks = lanes[l]->blocks < blocks ? lanes[l]->blocks : blocks;
    return blocks;
}

static void lanes_run(struct giro_sha256_job *const lanes[LANES])
{
    _Alignas(64) uint32_t words[8][LANES];
    const uint8_t *bytes[LANES];
    vec state[8];
    const uint64_t blocks = lanes_step(lanes);
    for (int l = 0; l < LANES; l++) {
        bytes[l] = lanes[l]->bytes;
        for (int i = 0; i < 8; i++)
            words[i][l] = lanes[l]->state[i];
    }
    for (int i = 0; i < 8; i++)
        state[i] = vec_load(words[i]);
    for (uint64_t block = 0; block < blocks; block++) {
        vec w[16];
        lanes_load(bytes, w);
        lanes_compress(state, w);
        for (int l = 0; l < LANES; l++)
            bytes[l] += GIRO_SHA256_BLOCK;
    }
    for (int i = 0; i < 8; i++)
        vec_store(words[i], state[i]);
    for (int l = 0; l < LANES; l++) {
        lanes[l]->bytes = bytes[l];
        lanes[l]->blocks -= blocks;
        for (int i = 0; i < 8; i++)
            lanes[l]->state[i] = words[i][l];
    }
}

/* Runs full lanes as long as there are LANES jobs with blocks left; returns what is left, packed to the front of jobs. */
static uint32_t lanes_run_full(struct giro_sha256_job *jobs, uint32_t count)
{
    struct giro_sha256_job *lanes[LANES];
    uint32_t next = 0, at_work = 0;
    for (;;) {
        for (; at_work < LANES && next < count; next++)
            if (jobs[next].blocks > 0)
                lanes[at_work++] = &jobs[next];
        if (at_work < LANES)
            break;
        lanes_run(lanes);
        at_work = 0;
        for (uint32_t l = 0; l < LANES; l++)
            if (lanes[l]->blocks > 0)
                lanes[at_work++] = lanes[l];
    }
    /* lanes name jobs in rising order, each at or behind the place it moves to */
    for (uint32_t i = 0; i < at_work; i++)
        jobs[i] = *lanes[i];
    return at_work;
}

/* Hashes LANES inputs of 64 bytes. */
static void lanes_records(const uint8_t *const *inputs, struct giro_hash *out)
{
    _Alignas(64) uint32_t words[8][LANES];
    vec state[8], w[16];
    for (int i = 0; i < 8; i++)
        state[i] = vec_set(giro_sha256_start[i]);
    lanes_load(inputs, w);
    lanes_compress(state, w);
    lanes_pad64(state);
    for (int i = 0; i < 8; i++)
        vec_store(words[i], vec_swap(state[i]));
    for (int l = 0; l < LANES; l++)
        for (int i = 0; i < 8; i++)
            memcpy(out[l].bytes + 4 * i, &words[i][l], 4);
}

void giro_sha256_run_avx2(struct giro_sha256_job *jobs, uint32_t count)
{
    giro_sha256_run_portable(jobs, lanes_run_full(jobs, count));
}

void giro_sha256_records_avx2(const uint8_t *const *inputs, uint32_t count, struct giro_hash *out)
{
    uint32_t i = 0;
    for (; i + LANES <= count; i += LANES)
        lanes_records(&inputs[i], &out[i]);
    giro_sha256_records_portable(&inputs[i], count - i, &out[i]);
}
