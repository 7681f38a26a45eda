/* common/crypto/field8.h - the field in eight AVX-512 lanes: five vectors of 51-bit limbs, lane l of vector i is limb i of
 * element l. Only for files compiled with -mavx512ifma.
 *
 * vpmadd52luq and vpmadd52huq multiply the low 52 bits of their operands and add the low, or the high, 52 bits of
 * the product. So every factor must be below 2^52. Two sizes of limbs occur:
 *   carried  < 2^51 + 2^14   factors; what fe8_carry returns
 *   raw      < 2^59          what fe8_mul returns: columns not yet carried; may be added or subtracted (with the
 *                            bias) once, and must then be carried
 * README.md derives both.
 */
#ifndef GIRO_CRYPTO_FIELD8_H
#define GIRO_CRYPTO_FIELD8_H

#include <immintrin.h>

#include "field.h"

#define FE8_LANES       8u
#define FE8_CARRIED_MAX ((UINT64_C(1) << 51) + (UINT64_C(1) << 14))
#define FE8_RAW_MAX     (UINT64_C(1) << 59)
#define FE8_SUM_MAX     (UINT64_C(1) << 61) /* what fe8_carry takes */

struct fe8 {
    __m512i v[5];
};

static inline void fe8_check(const struct fe8 *a, uint64_t limb_max)
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
static inline struct fe8 fe8_bias(void)
{
    const __m512i first = _mm512_set1_epi64((int64_t)((GIRO_FE_MASK - 18) << 9));
    const __m512i other = _mm512_set1_epi64((int64_t)(GIRO_FE_MASK << 9));
    return (struct fe8){{first, other, other, other, other}};
}

static inline struct fe8 fe8_add(const struct fe8 *a, const struct fe8 *b)
{
    struct fe8 r;
    for (int i = 0; i < 5; i++)
        r.v[i] = _mm512_add_epi64(a->v[i], b->v[i]);
    return r;
}

static inline struct fe8 fe8_sub(const struct fe8 *a, const struct fe8 *b)
{
    struct fe8 r;
    for (int i = 0; i < 5; i++)
        r.v[i] = _mm512_sub_epi64(a->v[i], b->v[i]);
    return r;
}

/* All five carries at once, each into the next limb, the last times 19 into the first. */
static inline struct fe8 fe8_carry(const struct fe8 *a)
{
    fe8_check(a, FE8_SUM_MAX);
    const __m512i mask = _mm512_set1_epi64((int64_t)GIRO_FE_MASK);
    const __m512i nineteen = _mm512_set1_epi64(19);
    struct fe8 r;
    r.v[0] = _mm512_madd52lo_epu64(_mm512_and_epi64(a->v[0], mask), _mm512_srli_epi64(a->v[4], 51),
                                   nineteen);
    for (int i = 1; i < 5; i++)
        r.v[i] =
            _mm512_add_epi64(_mm512_and_epi64(a->v[i], mask), _mm512_srli_epi64(a->v[i - 1], 51));
    fe8_check(&r, FE8_CARRIED_MAX);
    return r;
}

/* The raw product. lo[c] gathers the low halves of a[i] b[j] with i + j = c; hi[c] the high halves, whose weight is
 * 2^52 = 2 * 2^51, so they count twice in the next column. Columns 5 to 9 come back times 19. */
static inline __attribute__((always_inline)) struct fe8 fe8_mul(const struct fe8 *a,
                                                                const struct fe8 *b)
{
    fe8_check(a, FE8_CARRIED_MAX);
    fe8_check(b, FE8_CARRIED_MAX);
    const __m512i zero = _mm512_setzero_si512();
    __m512i lo0 = zero, lo1 = zero, lo2 = zero, lo3 = zero, lo4 = zero;
    __m512i lo5 = zero, lo6 = zero, lo7 = zero, lo8 = zero;
    __m512i hi1 = zero, hi2 = zero, hi3 = zero, hi4 = zero, hi5 = zero;
    __m512i hi6 = zero, hi7 = zero, hi8 = zero, hi9 = zero;
#define STEP(i, j, low, high)                                                                      \
    low = _mm512_madd52lo_epu64(low, a->v[i], b->v[j]);                                            \
    high = _mm512_madd52hi_epu64(high, a->v[i], b->v[j]);
    STEP(0, 0, lo0, hi1)
    STEP(0, 1, lo1, hi2)
    STEP(0, 2, lo2, hi3) STEP(0, 3, lo3, hi4) STEP(0, 4, lo4, hi5) STEP(1, 0, lo1, hi2)
        STEP(1, 1, lo2, hi3) STEP(1, 2, lo3, hi4) STEP(1, 3, lo4, hi5) STEP(1, 4, lo5, hi6)
            STEP(2, 0, lo2, hi3) STEP(2, 1, lo3, hi4) STEP(2, 2, lo4, hi5) STEP(2, 3, lo5, hi6)
                STEP(2, 4, lo6, hi7) STEP(3, 0, lo3, hi4) STEP(3, 1, lo4, hi5) STEP(3, 2, lo5, hi6)
                    STEP(3, 3, lo6, hi7) STEP(3, 4, lo7, hi8) STEP(4, 0, lo4, hi5)
                        STEP(4, 1, lo5, hi6) STEP(4, 2, lo6, hi7) STEP(4, 3, lo7, hi8)
                            STEP(4, 4, lo8, hi9)
#undef STEP
                                const __m512i nineteen = _mm512_set1_epi64(19);
#define COLUMN(low, high) _mm512_add_epi64(low, _mm512_add_epi64(high, high))
#define FOLD(column, low, high)                                                                    \
    _mm512_add_epi64(column, _mm512_mullo_epi64(COLUMN(low, high), nineteen))
    const struct fe8 r = {{FOLD(lo0, lo5, hi5), FOLD(COLUMN(lo1, hi1), lo6, hi6),
                           FOLD(COLUMN(lo2, hi2), lo7, hi7), FOLD(COLUMN(lo3, hi3), lo8, hi8),
                           FOLD(COLUMN(lo4, hi4), zero, hi9)}};
#undef FOLD
#undef COLUMN
    fe8_check(&r, FE8_RAW_MAX);
    return r;
}

#endif
