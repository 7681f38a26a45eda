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

/* The raw product. lo[c] gathers the low halves of a[i] b[j] with i + j = c; hi[c] the high halves, whose weight is
 * 2^52 = 2 * 2^51, so they count twice in the next column. Columns 5 to 9 come back times 19. */
static inline __attribute__((always_inline)) struct vfe vfe_mul(const struct vfe *a,
                                                                const struct vfe *b)
{
    vfe_check(a, VFE_CARRIED_MAX);
    vfe_check(b, VFE_CARRIED_MAX);
    const __m512i zero = _mm512_setzero_si512();
    __m512i lo0 = zero, lo1 = zero, lo2 = zero, lo3 = zero, lo4 = zero;
    __m512i lo5 = zero, lo6 = zero, lo7 = zero, lo8 = zero;
    __m512i hi1 = zero, hi2 = zero, hi3 = zero, hi4 = zero, hi5 = zero;
    __m512i hi6 = zero, hi7 = zero, hi8 = zero, hi9 = zero;
#define STEP(i, j, low, high)                                                                      \
    low = _mm512_madd52lo_epu64(low, a->v[i], b->v[j]);                                            \
    high = _mm512_madd52hi_epu64(high, a->v[i], b->v[j])
    STEP(0, 0, lo0, hi1);
    STEP(0, 1, lo1, hi2);
    STEP(0, 2, lo2, hi3);
    STEP(0, 3, lo3, hi4);
    STEP(0, 4, lo4, hi5);
    STEP(1, 0, lo1, hi2);
    STEP(1, 1, lo2, hi3);
    STEP(1, 2, lo3, hi4);
    STEP(1, 3, lo4, hi5);
    STEP(1, 4, lo5, hi6);
    STEP(2, 0, lo2, hi3);
    STEP(2, 1, lo3, hi4);
    STEP(2, 2, lo4, hi5);
    STEP(2, 3, lo5, hi6);
    STEP(2, 4, lo6, hi7);
    STEP(3, 0, lo3, hi4);
    STEP(3, 1, lo4, hi5);
    STEP(3, 2, lo5, hi6);
    STEP(3, 3, lo6, hi7);
    STEP(3, 4, lo7, hi8);
    STEP(4, 0, lo4, hi5);
    STEP(4, 1, lo5, hi6);
    STEP(4, 2, lo6, hi7);
    STEP(4, 3, lo7, hi8);
    STEP(4, 4, lo8, hi9);
#undef STEP
    const __m512i nineteen = _mm512_set1_epi64(19);
#define COLUMN(low, high) _mm512_add_epi64(low, _mm512_add_epi64(high, high))
#define FOLD(column, low, high)                                                                    \
    _mm512_add_epi64(column, _mm512_mullo_epi64(COLUMN(low, high), nineteen))
    const struct vfe r = {{FOLD(lo0, lo5, hi5), FOLD(COLUMN(lo1, hi1), lo6, hi6),
                           FOLD(COLUMN(lo2, hi2), lo7, hi7), FOLD(COLUMN(lo3, hi3), lo8, hi8),
                           FOLD(COLUMN(lo4, hi4), zero, hi9)}};
#undef FOLD
#undef COLUMN
    vfe_check(&r, VFE_RAW_MAX);
    return r;
}

static inline struct vfe vfe_small(uint64_t value)
{
    const __m512i zero = _mm512_setzero_si512();
    return (struct vfe){{_mm512_set1_epi64((int64_t)value), zero, zero, zero, zero}};
}

/* Minus a, as two's complement, in the lanes whose bit of negative is set: a bias must follow. */
static inline void vfe_negate_if(struct vfe *a, uint32_t negative)
{
    for (int i = 0; i < 5; i++)
        a->v[i] =
            _mm512_mask_sub_epi64(a->v[i], (__mmask8)negative, _mm512_setzero_si512(), a->v[i]);
}

static inline void vfe_store(struct giro_fe *const elements[VFE_LANES], const struct vfe *a)
{
    uint64_t limbs[8];
    for (int i = 0; i < 5; i++) {
        _mm512_storeu_si512(limbs, a->v[i]);
        for (int l = 0; l < 8; l++)
            elements[l]->v[i] = limbs[l];
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
