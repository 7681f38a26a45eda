/* common/crypto/field8.h - the field in eight AVX-512 lanes: five vectors of 51-bit limbs, lane l of vector i is limb i of
 * element l. Only for files compiled with -mavx512ifma.
 *
 * vpmadd52luq and vpmadd52huq multiply the low 52 bits of their operands and add the low, or the high, 52 bits of
 * the product. So every factor must be below 2^52. Two sizes of limbs occur:
 *   carried  < 2^51 + 2^14   factors; what vfe_carry returns
 *   raw      < 2^59          what vfe_mul returns: columns not yet carried; may be added or subtracted (with the
 *                            bias) once, and must then be carried
 * README.md derives both.
 */
#ifndef GIRO_CRYPTO_FIELD8_H
#define GIRO_CRYPTO_FIELD8_H

#include <immintrin.h>

#include "comb.h"
#include "transpose8.h"

#define VFE_LANES       8u
#define VFE_CARRIED_MAX ((UINT64_C(1) << 51) + (UINT64_C(1) << 14))
#define VFE_RAW_MAX     (UINT64_C(1) << 59)
#define VFE_SUM_MAX     (UINT64_C(1) << 61) /* what vfe_carry takes */

struct vfe {
    __m512i v[5];
};

/* What a lane adds: minus times Y - X, plus times Y + X, product times T. */
struct ventry {
    struct vfe minus, plus, product;
};

static inline void vfe_check(const struct vfe *a, uint64_t limb_max)
{
#ifndef NDEBUG
    for (int i = 0; i < 5; i++)
        GIRO_ASSERT(_mm512_cmplt_epu64_mask(a->v[i], _mm512_set1_epi64((int64_t)limb_max)) == 0xff);
#else
    (void)a;
    (void)limb_max;
#endif
}

/* 2^9 p: each limb above any raw limb, so raw - raw + bias stays positive. */
static inline struct vfe vfe_bias(void)
{
    const __m512i first = _mm512_set1_epi64((int64_t)((GIRO_FE_MASK - 18) << 9));
    const __m512i other = _mm512_set1_epi64((int64_t)(GIRO_FE_MASK << 9));
    return (struct vfe){{first, other, other, other, other}};
}

static inline struct vfe vfe_add(const struct vfe *a, const struct vfe *b)
{
    struct vfe r;
    for (int i = 0; i < 5; i++)
        r.v[i] = _mm512_add_epi64(a->v[i], b->v[i]);
    return r;
}

static inline struct vfe vfe_sub(const struct vfe *a, const struct vfe *b)
{
    struct vfe r;
    for (int i = 0; i < 5; i++)
        r.v[i] = _mm512_sub_epi64(a->v[i], b->v[i]);
    return r;
}

/* All five carries at once, each into the next limb, the last times 19 into the first. */
static inline struct vfe vfe_carry(const struct vfe *a)
{
    vfe_check(a, VFE_SUM_MAX);
    const __m512i mask = _mm512_set1_epi64((int64_t)GIRO_FE_MASK);
    const __m512i nineteen = _mm512_set1_epi64(19);
    struct vfe r;
    r.v[0] = _mm512_madd52lo_epu64(_mm512_and_epi64(a->v[0], mask), _mm512_srli_epi64(a->v[4], 51),
                                   nineteen);
    for (int i = 1; i < 5; i++)
        r.v[i] =
            _mm512_add_epi64(_mm512_and_epi64(a->v[i], mask), _mm512_srli_epi64(a->v[i - 1], 51));
    vfe_check(&r, VFE_CARRIED_MAX);
    return r;
}

/* 19 in each lane, unknown to the compiler: it would make two shifts and two additions of one multiplication. */
static inline __m512i vfe_nineteen(void)
{
    __m512i nineteen = _mm512_set1_epi64(19);
    __asm__("" : "+v"(nineteen));
    return nineteen;
}

/* The raw product. Column c is the sum of the low halves of a[i] b[j] with i + j = c and of twice the high halves with
 * i + j = c - 1, whose weight is 2^52 = 2 * 2^51. Columns 5 to 9 come back times 19 to columns 0 to 4. Each column is one
 * accumulator: its high halves, doubled, then its low ones. Five columns grow side by side, to hide the four cycles that a
 * multiplication takes. */
static inline __attribute__((always_inline)) struct vfe vfe_mul(const struct vfe *a,
                                                                const struct vfe *b)
{
    vfe_check(a, VFE_CARRIED_MAX);
    vfe_check(b, VFE_CARRIED_MAX);
    const __m512i zero = _mm512_setzero_si512(), nineteen = vfe_nineteen();
    __m512i c1 = zero, c2 = zero, c3 = zero, c4 = zero;
    __m512i c5 = zero, c6 = zero, c7 = zero, c8 = zero, c9 = zero;
#define LOW(column, i, j)  column = _mm512_madd52lo_epu64(column, a->v[i], b->v[j])
#define HIGH(column, i, j) column = _mm512_madd52hi_epu64(column, a->v[i], b->v[j])
#define TWICE(column)      column = _mm512_add_epi64(column, column)
#define FOLD(column)       column = _mm512_mullo_epi64(column, nineteen)
    HIGH(c5, 0, 4), HIGH(c6, 1, 4), HIGH(c7, 2, 4), HIGH(c8, 3, 4), HIGH(c9, 4, 4);
    HIGH(c5, 1, 3), HIGH(c6, 2, 3), HIGH(c7, 3, 3), HIGH(c8, 4, 3);
    HIGH(c5, 2, 2), HIGH(c6, 3, 2), HIGH(c7, 4, 2);
    HIGH(c5, 3, 1), HIGH(c6, 4, 1);
    HIGH(c5, 4, 0);
    TWICE(c5), TWICE(c6), TWICE(c7), TWICE(c8), TWICE(c9);
    LOW(c5, 1, 4), LOW(c6, 2, 4), LOW(c7, 3, 4), LOW(c8, 4, 4);
    LOW(c5, 2, 3), LOW(c6, 3, 3), LOW(c7, 4, 3);
    LOW(c5, 3, 2), LOW(c6, 4, 2);
    LOW(c5, 4, 1);
    HIGH(c4, 0, 3), HIGH(c3, 0, 2), HIGH(c2, 0, 1), HIGH(c1, 0, 0);
    HIGH(c4, 1, 2), HIGH(c3, 1, 1), HIGH(c2, 1, 0);
    HIGH(c4, 2, 1), HIGH(c3, 2, 0);
    HIGH(c4, 3, 0);
    FOLD(c5), FOLD(c6), FOLD(c7), FOLD(c8), FOLD(c9);
    TWICE(c1), TWICE(c2), TWICE(c3), TWICE(c4);
    struct vfe r = {{c5, _mm512_add_epi64(c1, c6), _mm512_add_epi64(c2, c7),
                     _mm512_add_epi64(c3, c8), _mm512_add_epi64(c4, c9)}};
    LOW(r.v[4], 0, 4), LOW(r.v[3], 0, 3), LOW(r.v[2], 0, 2), LOW(r.v[1], 0, 1), LOW(r.v[0], 0, 0);
    LOW(r.v[4], 1, 3), LOW(r.v[3], 1, 2), LOW(r.v[2], 1, 1), LOW(r.v[1], 1, 0);
    LOW(r.v[4], 2, 2), LOW(r.v[3], 2, 1), LOW(r.v[2], 2, 0);
    LOW(r.v[4], 3, 1), LOW(r.v[3], 3, 0);
    LOW(r.v[4], 4, 0);
#undef LOW
#undef HIGH
#undef TWICE
#undef FOLD
    vfe_check(&r, VFE_RAW_MAX);
    return r;
}

static inline struct vfe vfe_small(uint64_t value)
{
    const __m512i zero = _mm512_setzero_si512();
    return (struct vfe){{_mm512_set1_epi64((int64_t)value), zero, zero, zero, zero}};
}

static inline struct vfe vfe_all(const struct giro_fe *a)
{
    struct vfe r;
    for (int i = 0; i < 5; i++)
        r.v[i] = _mm512_set1_epi64((int64_t)a->v[i]);
    return r;
}

/* Lane l gets what lane l ^ distance has. */
static inline struct vfe vfe_swap(const struct vfe *a, uint32_t distance)
{
    const __m512i from = _mm512_xor_epi64(_mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0),
                                          _mm512_set1_epi64((int64_t)distance));
    struct vfe r;
    for (int i = 0; i < 5; i++)
        r.v[i] = _mm512_permutexvar_epi64(from, a->v[i]);
    return r;
}

/* Minus a, as two's complement, in the lanes whose bit of negative is set: a bias must follow. */
static inline void vfe_negate_if(struct vfe *a, uint32_t negative)
{
    for (int i = 0; i < 5; i++)
        a->v[i] =
            _mm512_mask_sub_epi64(a->v[i], (__mmask8)negative, _mm512_setzero_si512(), a->v[i]);
}

/* The sums of eight jobs, of which some may be the same. */
static inline void vfe_store_sums(struct giro_comb_job *const jobs[VFE_LANES], const struct vfe *x,
                                  const struct vfe *y, const struct vfe *z)
{
    static_assert(offsetof(struct giro_comb_job, x) == 0 &&
                      offsetof(struct giro_comb_job, padding) == 120,
                  "sixteen words, two lines");
    __m512i low[8] = {x->v[0], x->v[1], x->v[2], x->v[3], x->v[4], y->v[0], y->v[1], y->v[2]};
    __m512i high[8] = {y->v[3], y->v[4], z->v[0], z->v[1],
                       z->v[2], z->v[3], z->v[4], _mm512_setzero_si512()};
    transpose8(low);
    transpose8(high);
    for (uint32_t l = 0; l < VFE_LANES; l++) {
        _mm512_store_si512((void *)jobs[l], low[l]);
        _mm512_store_si512((uint8_t *)jobs[l] + 64, high[l]);
    }
}

/* Loads one entry a lane, sum and difference exchanged in the lanes whose bit of negative is set: two loads a lane and two
 * transpositions instead of fifteen gathers. */
static inline struct ventry ventry_load(const struct giro_comb_entry *const entries[VFE_LANES],
                                        uint32_t negative)
{
    __m512i low[8], high[8];
    for (int l = 0; l < 8; l++) {
        low[l] = _mm512_load_si512((const void *)entries[l]);
        high[l] = _mm512_load_si512((const uint8_t *)entries[l] + 64);
    }
    transpose8(low);
    transpose8(high);
    const __m512i sum[5] = {low[0], low[1], low[2], low[3], low[4]};
    const __m512i difference[5] = {low[5], low[6], low[7], high[0], high[1]};
    struct ventry entry = {.product = {{high[2], high[3], high[4], high[5], high[6]}}};
    for (int i = 0; i < 5; i++) {
        entry.minus.v[i] = _mm512_mask_blend_epi64((__mmask8)negative, difference[i], sum[i]);
        entry.plus.v[i] = _mm512_mask_blend_epi64((__mmask8)negative, sum[i], difference[i]);
    }
    return entry;
}

#endif
