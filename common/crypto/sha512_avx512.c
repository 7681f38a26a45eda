/* SHA-512(R | A | M) of eight signatures at once: lane l of every vector belongs to message l (FIPS 180-4, section 6.4). */
#include <immintrin.h>

#include "internal.h"
#include "transpose8.h"

#define BLOCK_BYTES 128u

static const uint64_t round_constants[80] = {
    UINT64_C(0x428a2f98d728ae22), UINT64_C(0x7137449123ef65cd), UINT64_C(0xb5c0fbcfec4d3b2f),
    UINT64_C(0xe9b5dba58189dbbc), UINT64_C(0x3956c25bf348b538), UINT64_C(0x59f111f1b605d019),
    UINT64_C(0x923f82a4af194f9b), UINT64_C(0xab1c5ed5da6d8118), UINT64_C(0xd807aa98a3030242),
    UINT64_C(0x12835b0145706fbe), UINT64_C(0x243185be4ee4b28c), UINT64_C(0x550c7dc3d5ffb4e2),
    UINT64_C(0x72be5d74f27b896f), UINT64_C(0x80deb1fe3b1696b1), UINT64_C(0x9bdc06a725c71235),
    UINT64_C(0xc19bf174cf692694), UINT64_C(0xe49b69c19ef14ad2), UINT64_C(0xefbe4786384f25e3),
    UINT64_C(0x0fc19dc68b8cd5b5), UINT64_C(0x240ca1cc77ac9c65), UINT64_C(0x2de92c6f592b0275),
    UINT64_C(0x4a7484aa6ea6e483), UINT64_C(0x5cb0a9dcbd41fbd4), UINT64_C(0x76f988da831153b5),
    UINT64_C(0x983e5152ee66dfab), UINT64_C(0xa831c66d2db43210), UINT64_C(0xb00327c898fb213f),
    UINT64_C(0xbf597fc7beef0ee4), UINT64_C(0xc6e00bf33da88fc2), UINT64_C(0xd5a79147930aa725),
    UINT64_C(0x06ca6351e003826f), UINT64_C(0x142929670a0e6e70), UINT64_C(0x27b70a8546d22ffc),
    UINT64_C(0x2e1b21385c26c926), UINT64_C(0x4d2c6dfc5ac42aed), UINT64_C(0x53380d139d95b3df),
    UINT64_C(0x650a73548baf63de), UINT64_C(0x766a0abb3c77b2a8), UINT64_C(0x81c2c92e47edaee6),
    UINT64_C(0x92722c851482353b), UINT64_C(0xa2bfe8a14cf10364), UINT64_C(0xa81a664bbc423001),
    UINT64_C(0xc24b8b70d0f89791), UINT64_C(0xc76c51a30654be30), UINT64_C(0xd192e819d6ef5218),
    UINT64_C(0xd69906245565a910), UINT64_C(0xf40e35855771202a), UINT64_C(0x106aa07032bbd1b8),
    UINT64_C(0x19a4c116b8d2d0c8), UINT64_C(0x1e376c085141ab53), UINT64_C(0x2748774cdf8eeb99),
    UINT64_C(0x34b0bcb5e19b48a8), UINT64_C(0x391c0cb3c5c95a63), UINT64_C(0x4ed8aa4ae3418acb),
    UINT64_C(0x5b9cca4f7763e373), UINT64_C(0x682e6ff3d6b2b8a3), UINT64_C(0x748f82ee5defb2fc),
    UINT64_C(0x78a5636f43172f60), UINT64_C(0x84c87814a1f0ab72), UINT64_C(0x8cc702081a6439ec),
    UINT64_C(0x90befffa23631e28), UINT64_C(0xa4506cebde82bde9), UINT64_C(0xbef9a3f7b2c67915),
    UINT64_C(0xc67178f2e372532b), UINT64_C(0xca273eceea26619c), UINT64_C(0xd186b8c721c0c207),
    UINT64_C(0xeada7dd6cde0eb1e), UINT64_C(0xf57d4f7fee6ed178), UINT64_C(0x06f067aa72176fba),
    UINT64_C(0x0a637dc5a2c898a6), UINT64_C(0x113f9804bef90dae), UINT64_C(0x1b710b35131c471b),
    UINT64_C(0x28db77f523047d84), UINT64_C(0x32caab7b40c72493), UINT64_C(0x3c9ebe0a15c9bebc),
    UINT64_C(0x431d67c49c100d4c), UINT64_C(0x4cc5d4becb3e42b6), UINT64_C(0x597f299cfc657e2a),
    UINT64_C(0x5fcb6fab3ad6faec), UINT64_C(0x6c44198c4a475817),
};

static const uint64_t initial[8] = {UINT64_C(0x6a09e667f3bcc908), UINT64_C(0xbb67ae8584caa73b),
                                    UINT64_C(0x3c6ef372fe94f82b), UINT64_C(0xa54ff53a5f1d36f1),
                                    UINT64_C(0x510e527fade682d1), UINT64_C(0x9b05688c2b3e6c1f),
                                    UINT64_C(0x1f83d9abfb41bd6b), UINT64_C(0x5be0cd19137e2179)};

/* One lane's input: R 32 | A 32 | message | 0x80, zeros, length in bits (128 bits, big-endian). */
static uint64_t block_count(const struct giro_hash_job *job)
{
    return (64 + job->message_bytes + 17 + BLOCK_BYTES - 1) / BLOCK_BYTES;
}

/* Copies what of source, which stands at [at, at + size) of the input, falls into the block at `start`. */
static void block_copy(uint8_t *block, uint64_t start, const uint8_t *source, uint64_t at,
                       uint64_t size)
{
    const uint64_t from = at > start ? at : start;
    const uint64_t end = at + size < start + BLOCK_BYTES ? at + size : start + BLOCK_BYTES;
    if (from < end)
        memcpy(block + (from - start), source + (from - at), end - from);
}

/* Block `index` of a lane: in the message itself where it lies wholly there, else put together in scratch. */
static const uint8_t *block_at(const struct giro_hash_job *job, uint64_t index, uint8_t *scratch)
{
    const uint64_t start = index * BLOCK_BYTES, input_bytes = 64 + job->message_bytes;
    if (start >= 64 && start + BLOCK_BYTES <= input_bytes)
        return job->message + (start - 64);
    memset(scratch, 0, BLOCK_BYTES);
    block_copy(scratch, start, job->r, 0, 32);
    block_copy(scratch, start, job->key, 32, 32);
    block_copy(scratch, start, job->message, 64, job->message_bytes);
    static const uint8_t mark = 0x80;
    block_copy(scratch, start, &mark, input_bytes, 1);
    if (index + 1 == block_count(job)) {
        const uint64_t bits = __builtin_bswap64(input_bytes * 8);
        memcpy(scratch + BLOCK_BYTES - 8, &bits, sizeof(bits));
    }
    return scratch;
}

static inline void words_load(__m512i words[16], const uint8_t *const blocks[8])
{
    const __m512i swap =
        _mm512_broadcast_i32x4(_mm_set_epi8(8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
    for (int half = 0; half < 2; half++) {
        __m512i *const rows = words + 8 * half;
        for (int l = 0; l < 8; l++)
            rows[l] = _mm512_shuffle_epi8(_mm512_loadu_si512(blocks[l] + 64 * half), swap);
        transpose8(rows);
    }
}

#define XOR3(a, b, c) _mm512_ternarylogic_epi64(a, b, c, 0x96)
#define CHOICE        0xca
#define MAJORITY      0xe8

static inline __m512i schedule_next(const __m512i words[16], int i)
{
    const __m512i w15 = words[(i + 1) & 15], w2 = words[(i + 14) & 15];
    const __m512i s0 =
        XOR3(_mm512_ror_epi64(w15, 1), _mm512_ror_epi64(w15, 8), _mm512_srli_epi64(w15, 7));
    const __m512i s1 =
        XOR3(_mm512_ror_epi64(w2, 19), _mm512_ror_epi64(w2, 61), _mm512_srli_epi64(w2, 6));
    return _mm512_add_epi64(_mm512_add_epi64(words[i & 15], s0),
                            _mm512_add_epi64(words[(i + 9) & 15], s1));
}

/* One block of each lane in `live`; the state of the others stays. */
static void compress(__m512i state[8], const uint8_t *const blocks[8], __mmask8 live)
{
    __m512i words[16];
    words_load(words, blocks);
    __m512i a = state[0], b = state[1], c = state[2], d = state[3];
    __m512i e = state[4], f = state[5], g = state[6], h = state[7];
    for (int base = 0; base < 80; base += 16) {
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) {
            const __m512i s1 =
                XOR3(_mm512_ror_epi64(e, 14), _mm512_ror_epi64(e, 18), _mm512_ror_epi64(e, 41));
            const __m512i choice = _mm512_ternarylogic_epi64(e, f, g, CHOICE);
            const __m512i input =
                _mm512_add_epi64(words[i], _mm512_set1_epi64((int64_t)round_constants[base + i]));
            const __m512i t1 =
                _mm512_add_epi64(_mm512_add_epi64(h, input), _mm512_add_epi64(s1, choice));
            const __m512i s0 =
                XOR3(_mm512_ror_epi64(a, 28), _mm512_ror_epi64(a, 34), _mm512_ror_epi64(a, 39));
            const __m512i majority = _mm512_ternarylogic_epi64(a, b, c, MAJORITY);
            h = g;
            g = f;
            f = e;
            e = _mm512_add_epi64(d, t1);
            d = c;
            c = b;
            b = a;
            a = _mm512_add_epi64(t1, _mm512_add_epi64(s0, majority));
            if (base < 64)
                words[i] = schedule_next(words, i);
        }
    }
    const __m512i after[8] = {a, b, c, d, e, f, g, h};
    for (int i = 0; i < 8; i++)
        state[i] = _mm512_mask_add_epi64(state[i], live, state[i], after[i]);
}

static void hash_group(struct giro_hash_job *jobs, uint32_t count)
{
    static const uint8_t nothing[BLOCK_BYTES];
    uint8_t scratch[8][BLOCK_BYTES];
    uint64_t blocks_left[8] = {0}, block_max = 0;
    for (uint32_t l = 0; l < count; l++) {
        blocks_left[l] = block_count(&jobs[l]);
        block_max = blocks_left[l] > block_max ? blocks_left[l] : block_max;
    }
    __m512i state[8];
    for (int i = 0; i < 8; i++)
        state[i] = _mm512_set1_epi64((int64_t)initial[i]);
    for (uint64_t index = 0; index < block_max; index++) {
        const uint8_t *blocks[8];
        uint32_t live = 0;
        for (uint32_t l = 0; l < 8; l++) {
            const bool more = index < blocks_left[l];
            blocks[l] = more ? block_at(&jobs[l], index, scratch[l]) : nothing;
            live |= (uint32_t)more << l;
        }
        compress(state, blocks, (__mmask8)live);
    }
    for (int i = 0; i < 8; i++) {
        uint64_t word[8];
        _mm512_storeu_si512(word, state[i]);
        for (uint32_t l = 0; l < count; l++) {
            const uint64_t big_endian = __builtin_bswap64(word[l]);
            memcpy(jobs[l].digest + 8 * i, &big_endian, sizeof(big_endian));
        }
    }
}

void giro_hash_avx512(struct giro_hash_job *jobs, uint32_t count)
{
    uint32_t i = 0;
    for (; i + 2 < count; i += 8)
        hash_group(jobs + i, count - i < 8 ? count - i : 8);
    /* One or two are faster one by one. */
    if (i < count)
        giro_hash_portable(jobs + i, count - i);
}
