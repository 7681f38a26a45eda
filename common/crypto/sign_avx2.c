/* [r]B in four AVX2 lanes. */
#include "field4.h"
#include "sign.h"

static inline struct ventry sign_entry(uint32_t window, const uint16_t *digits, uint32_t *negative)
{
    const struct giro_sign_row *row = &giro_sign_table[window / GIRO_SIGN_LANES];
    const uint32_t lane = window % GIRO_SIGN_LANES;
    const __m256i one = _mm256_set1_epi64x(1), zero = _mm256_setzero_si256();
    const __m256i codes = _mm256_cvtepu16_epi64(_mm_loadl_epi64((const __m128i *)digits));
    const __m256i index = _mm256_srli_epi64(codes, 1);
    const __m256i neutral = _mm256_and_si256(_mm256_cmpeq_epi64(index, zero), one);
    __m256i words[GIRO_SIGN_WORDS] = {neutral, zero, zero, zero, zero, neutral, zero, zero,
                                      zero,    zero, zero, zero, zero, zero,    zero};
    for (uint32_t j = 0; j < GIRO_SIGN_ENTRIES; j++) {
        const __m256i mask = _mm256_cmpeq_epi64(index, _mm256_set1_epi64x((int64_t)j + 1));
        for (uint32_t i = 0; i < GIRO_SIGN_WORDS; i++) {
            const __m256i word = _mm256_load_si256((const __m256i *)&row->entries[j][i][lane]);
            words[i] = _mm256_or_si256(words[i], _mm256_and_si256(mask, word));
        }
    }
    const __m256i minus = _mm256_cmpeq_epi64(_mm256_and_si256(codes, one), one);
    __m256i minuses[5], pluses[5];
    for (int i = 0; i < 5; i++) {
        minuses[i] = _mm256_blendv_epi8(words[5 + i], words[i], minus);
        pluses[i] = _mm256_blendv_epi8(words[i], words[5 + i], minus);
    }
    *negative = (uint32_t)_mm256_movemask_pd(_mm256_castsi256_pd(minus));
    return (struct ventry){
        .minus = vfe_split(minuses), .plus = vfe_split(pluses), .product = vfe_split(words + 10)};
}

#include "sign_lanes.h"

void giro_sign_sum_avx2(struct giro_comb_job *job)
{
    sign_sum(job);
    _mm256_zeroall();
}
