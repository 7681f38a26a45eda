/* common/crypto/field4.h - the field in four AVX2 lanes: ten vectors of limbs of 26 and 25 bits in turn, lane l of vector i is
 * limb i of element l. Limb 2i and 2i + 1 are the low 26 and the high 25 bits of limb i of field.h. Only for files compiled
 * with -mavx2.
 *
 * vpmuludq multiplies the low 32 bits of its operands. Two sizes of limbs occur:
 *   carried  even limbs < 2^26, odd ones < 2^25 + 2^15    factors; what vfe_carry returns
 *   raw      < 2^59                                        what vfe_mul returns: columns not yet carried; may be added or
 *                                                          subtracted (with the bias) once, and must then be carried
 * README.md derives both.
 */
#ifndef GIRO_CRYPTO_FIELD4_H
#define GIRO_CRYPTO_FIELD4_H

#include <immintrin.h>

#include "comb.h"

#define VFE_LANES    4u
#define VFE_EVEN_MAX (INT64_C(1) << 26)
#define VFE_ODD_MAX  ((INT64_C(1) << 25) + (INT64_C(1) << 15))
#define VFE_RAW_MAX  (INT64_C(1) << 59)
#define VFE_SUM_MAX  (INT64_C(1) << 61) /* what vfe_carry takes */

struct vfe {
    __m256i v[10];
};

/* What a lane adds: minus times Y - X, plus times Y + X, product times T. */
struct ventry {
    struct vfe minus, plus, product;
};

static inline void vfe_check(const struct vfe *a, int64_t even_max, int64_t odd_max)
{
#ifndef NDEBUG
    for (int i = 0; i < 10; i++) {
        const __m256i max = _mm256_set1_epi64x(i % 2 == 0 ? even_max : odd_max);
        const __m256i below =
            _mm256_cmpgt_epi64(max, a->v[i]); /* signed: a negative limb is a fault, too */
        const __m256i negative = _mm256_cmpgt_epi64(_mm256_setzero_si256(), a->v[i]);
        GIRO_ASSERT(_mm256_movemask_epi8(_mm256_andnot_si256(negative, below)) == -1);
    }
#else
    (void)a;
    (void)even_max;
    (void)odd_max;
#endif
}

/* 2^34 p: each limb above any raw limb, so raw - raw + bias stays positive. */
static inline struct vfe vfe_bias(void)
{
    const __m256i first = _mm256_set1_epi64x(((INT64_C(1) << 26) - 19) << 34);
    const __m256i even = _mm256_set1_epi64x(((INT64_C(1) << 26) - 1) << 34);
    const __m256i odd = _mm256_set1_epi64x(((INT64_C(1) << 25) - 1) << 34);
    return (struct vfe){{first, odd, even, odd, even, odd, even, odd, even, odd}};
}

static inline struct vfe vfe_add(const struct vfe *a, const struct vfe *b)
{
    struct vfe r;
    for (int i = 0; i < 10; i++)
        r.v[i] = _mm256_add_epi64(a->v[i], b->v[i]);
    return r;
}

static inline struct vfe vfe_sub(const struct vfe *a, const struct vfe *b)
{
    struct vfe r;
    for (int i = 0; i < 10; i++)
        r.v[i] = _mm256_sub_epi64(a->v[i], b->v[i]);
    return r;
}

/* Moves what limb `from` has above its 26 or 25 bits into the next one. */
#define VFE_STEP(r, from)                                                                          \
    do {                                                                                           \
        const int bits = (from) % 2 == 0 ? 26 : 25;                                                \
        const __m256i over = _mm256_srli_epi64((r).v[from], bits);                                 \
        (r).v[from] = _mm256_and_si256((r).v[from], _mm256_set1_epi64x((INT64_C(1) << bits) - 1)); \
        (r).v[(from) + 1] = _mm256_add_epi64((r).v[(from) + 1], over);                             \
    } while (0)

/* Two chains of carries side by side, 0 to 4 and 4 to 9; 19 times the last into the first. */
static inline struct vfe vfe_carry(const struct vfe *a)
{
    vfe_check(a, VFE_SUM_MAX, VFE_SUM_MAX);
    struct vfe r = *a;
    VFE_STEP(r, 0);
    VFE_STEP(r, 4);
    VFE_STEP(r, 1);
    VFE_STEP(r, 5);
    VFE_STEP(r, 2);
    VFE_STEP(r, 6);
    VFE_STEP(r, 3);
    VFE_STEP(r, 7);
    VFE_STEP(r, 4);
    VFE_STEP(r, 8);
    const __m256i last = _mm256_srli_epi64(r.v[9], 25);
    r.v[9] = _mm256_and_si256(r.v[9], _mm256_set1_epi64x((INT64_C(1) << 25) - 1));
    r.v[0] = _mm256_add_epi64(r.v[0], last); /* 19 = 1 + 2 + 16 */
    r.v[0] = _mm256_add_epi64(r.v[0], _mm256_slli_epi64(last, 1));
    r.v[0] = _mm256_add_epi64(r.v[0], _mm256_slli_epi64(last, 4));
    VFE_STEP(r, 0);
    vfe_check(&r, VFE_EVEN_MAX, VFE_ODD_MAX);
    return r;
}
#undef VFE_STEP

/* The raw product. Limb i weighs 2^ceil(25.5 i): two odd limbs weigh twice what their column does, and columns 10 to 18
 * come back times 19. */
static inline __attribute__((always_inline)) struct vfe vfe_mul(const struct vfe *a,
                                                                const struct vfe *b)
{
    vfe_check(a, VFE_EVEN_MAX, VFE_ODD_MAX);
    vfe_check(b, VFE_EVEN_MAX, VFE_ODD_MAX);
    const __m256i nineteen = _mm256_set1_epi64x(19);
    __m256i twice[10], folded[10];
#pragma GCC unroll 10
    for (int i = 0; i < 10; i++) {
        twice[i] = i % 2 == 1 ? _mm256_add_epi64(a->v[i], a->v[i]) : a->v[i];
        folded[i] = i > 0 ? _mm256_mul_epu32(b->v[i], nineteen) : b->v[i];
    }
    struct vfe r;
#pragma GCC unroll 10
    for (int k = 0; k < 10; k++) {
        __m256i sum = _mm256_setzero_si256();
#pragma GCC unroll 10
        for (int i = 0; i < 10; i++) {
            const int j = (k - i + 10) % 10;
            const __m256i left = i % 2 == 1 && j % 2 == 1 ? twice[i] : a->v[i];
            const __m256i right = i > k ? folded[j] : b->v[j];
            sum = _mm256_add_epi64(sum, _mm256_mul_epu32(left, right));
        }
        r.v[k] = sum;
    }
    vfe_check(&r, VFE_RAW_MAX, VFE_RAW_MAX);
    return r;
}

static inline struct vfe vfe_small(uint64_t value)
{
    struct vfe r;
    for (int i = 0; i < 10; i++)
        r.v[i] = _mm256_set1_epi64x(i == 0 ? (int64_t)value : 0);
    return r;
}

/* All ones in the lanes whose bit is set. */
static inline __m256i vfe_mask(uint32_t bits)
{
    const __m256i lane_bits = _mm256_set_epi64x(8, 4, 2, 1);
    return _mm256_cmpeq_epi64(_mm256_and_si256(_mm256_set1_epi64x(bits), lane_bits), lane_bits);
}

/* Minus a, as two's complement, in the lanes whose bit of negative is set: a bias must follow. */
static inline void vfe_negate_if(struct vfe *a, uint32_t negative)
{
    const __m256i mask = vfe_mask(negative);
    for (int i = 0; i < 10; i++)
        a->v[i] = _mm256_sub_epi64(_mm256_xor_si256(a->v[i], mask), mask);
}

/* Limbs of at most 2^51 + 2^41: loose, not carried. */
static inline void vfe_store(struct giro_fe *const elements[VFE_LANES], const struct vfe *a)
{
    uint64_t limbs[VFE_LANES];
    for (int i = 0; i < 5; i++) {
        _mm256_storeu_si256((__m256i *)limbs,
                            _mm256_add_epi64(a->v[2 * i], _mm256_slli_epi64(a->v[2 * i + 1], 26)));
        for (uint32_t l = 0; l < VFE_LANES; l++)
            elements[l]->v[i] = limbs[l];
    }
}

static inline void vfe_store_sums(struct giro_comb_job *const jobs[VFE_LANES], const struct vfe *x,
                                  const struct vfe *y, const struct vfe *z)
{
    struct giro_fe *targets[3][VFE_LANES];
    for (uint32_t l = 0; l < VFE_LANES; l++) {
        targets[0][l] = &jobs[l]->x;
        targets[1][l] = &jobs[l]->y;
        targets[2][l] = &jobs[l]->z;
    }
    vfe_store(targets[0], x);
    vfe_store(targets[1], y);
    vfe_store(targets[2], z);
}

/* Words 4q to 4q + 3 of four entries become four columns. */
static inline void entry_columns(__m256i columns[4], const struct giro_comb_entry *const entries[4],
                                 int q)
{
    __m256i r[4];
    for (int l = 0; l < 4; l++)
        r[l] = _mm256_load_si256((const __m256i *)entries[l] + q);
    const __m256i t0 = _mm256_unpacklo_epi64(r[0], r[1]), t1 = _mm256_unpackhi_epi64(r[0], r[1]);
    const __m256i t2 = _mm256_unpacklo_epi64(r[2], r[3]), t3 = _mm256_unpackhi_epi64(r[2], r[3]);
    columns[0] = _mm256_permute2x128_si256(t0, t2, 0x20);
    columns[1] = _mm256_permute2x128_si256(t1, t3, 0x20);
    columns[2] = _mm256_permute2x128_si256(t0, t2, 0x31);
    columns[3] = _mm256_permute2x128_si256(t1, t3, 0x31);
}

/* Limbs of 51 bits to pairs of 26 and 25. */
static inline struct vfe vfe_split(const __m256i limbs[5])
{
    const __m256i low = _mm256_set1_epi64x((INT64_C(1) << 26) - 1);
    struct vfe r;
    for (int i = 0; i < 5; i++) {
        r.v[2 * i] = _mm256_and_si256(limbs[i], low);
        r.v[2 * i + 1] = _mm256_srli_epi64(limbs[i], 26);
    }
    return r;
}

static inline struct vfe vfe_all(const struct giro_fe *a)
{
    __m256i limbs[5];
    for (int i = 0; i < 5; i++)
        limbs[i] = _mm256_set1_epi64x((int64_t)a->v[i]);
    return vfe_split(limbs);
}

/* Lane l gets what lane l ^ distance has; distance is 1 or 2. */
static inline struct vfe vfe_swap(const struct vfe *a, uint32_t distance)
{
    struct vfe r;
    for (int i = 0; i < 10; i++)
        r.v[i] = distance == 1 ? _mm256_permute4x64_epi64(a->v[i], 0xb1)
                               : _mm256_permute4x64_epi64(a->v[i], 0x4e);
    return r;
}

/* Loads one entry a lane, sum and difference exchanged in the lanes whose bit of negative is set. */
static inline struct ventry ventry_load(const struct giro_comb_entry *const entries[VFE_LANES],
                                        uint32_t negative)
{
    __m256i columns[16], minus[5], plus[5];
    for (int q = 0; q < 4; q++)
        entry_columns(columns + 4 * q, entries, q);
    const __m256i mask = vfe_mask(negative);
    for (int i = 0; i < 5; i++) {
        minus[i] = _mm256_blendv_epi8(columns[5 + i], columns[i], mask);
        plus[i] = _mm256_blendv_epi8(columns[i], columns[5 + i], mask);
    }
    return (struct ventry){
        .minus = vfe_split(minus), .plus = vfe_split(plus), .product = vfe_split(columns + 10)};
}

#endif
