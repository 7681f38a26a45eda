/* [r]B in eight AVX-512 lanes. */
#include "field8.h"
#include "sign.h"

/* Whole loads under masks of registers: a masked load of no lane might not touch its line. */
static inline struct ventry sign_entry(uint32_t window, const uint16_t *digits, uint32_t *negative)
{
    const struct giro_sign_row *row = &giro_sign_table[window / GIRO_SIGN_LANES];
    const __m512i one = _mm512_set1_epi64(1), zero = _mm512_setzero_si512();
    const __m512i codes = _mm512_cvtepu16_epi64(_mm_loadu_si128((const __m128i *)digits));
    const __m512i index = _mm512_srli_epi64(codes, 1);
    const __m512i neutral = _mm512_maskz_mov_epi64(_mm512_cmpeq_epi64_mask(index, zero), one);
    __m512i words[GIRO_SIGN_WORDS] = {neutral, zero, zero, zero, zero, neutral, zero, zero,
                                      zero,    zero, zero, zero, zero, zero,    zero};
    for (uint32_t j = 0; j < GIRO_SIGN_ENTRIES; j++) {
        const __m512i wanted = _mm512_set1_epi64((int64_t)j + 1);
        const __m512i mask = _mm512_movm_epi64(_mm512_cmpeq_epi64_mask(index, wanted));
        for (uint32_t i = 0; i < GIRO_SIGN_WORDS; i++)
            words[i] = _mm512_ternarylogic_epi64(
                words[i], mask, _mm512_load_si512(row->entries[j][i]), 0xf8); /* a | b & c */
    }
    const __mmask8 minus = _mm512_test_epi64_mask(codes, one);
    struct ventry entry;
    for (int i = 0; i < 5; i++) {
        entry.minus.v[i] = _mm512_mask_blend_epi64(minus, words[5 + i], words[i]);
        entry.plus.v[i] = _mm512_mask_blend_epi64(minus, words[i], words[5 + i]);
        entry.product.v[i] = words[10 + i];
    }
    *negative = minus;
    return entry;
}

#include "sign_lanes.h"

static inline void registers_wipe(void)
{
    _mm256_zeroall(); /* 0 to 15, whole */
#define WIPE(n) "vpxorq %%zmm" #n ", %%zmm" #n ", %%zmm" #n "\n\t"
    __asm__ volatile(WIPE(16) WIPE(17) WIPE(18) WIPE(19) WIPE(20) WIPE(21) WIPE(22) WIPE(23)
                         WIPE(24) WIPE(25) WIPE(26) WIPE(27) WIPE(28) WIPE(29) WIPE(30) WIPE(31)
                     :
                     :
                     : "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23",
                       "xmm24", "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31");
#undef WIPE
}

void giro_sign_sum_avx512(struct giro_comb_job *job)
{
    sign_sum(job);
    registers_wipe();
}
