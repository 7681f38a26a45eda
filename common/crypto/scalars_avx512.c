/* k = SHA-512(R | A | M) mod L for eight signatures at once, and the digits of S and k.
 *
 * L = 2^252 + c. A hash is ten limbs of 52 bits, n = low + 2^260 high; 2^260 = -c' mod L with c' = 256 c < 2^133. So
 *   n = low - c' high              and c' high = low' + 2^260 high', high' < 2^125
 *     = low - low' + c' high'      and c' high' < 2^258.
 * With 256 L added, that is positive and below 2^261 + 2^259. Let q be what stands above bit 252, q < 2^10: taking q L away
 * leaves the lower 252 bits less q c, at least -2^135 and below 2^252 < L. Where it is negative, L is added: k is then the
 * least residue, as a key with torsion needs it.
 */
#include <immintrin.h>

#include "internal.h"
#include "transpose8.h"

#define LANES 8u
#define MASK  ((UINT64_C(1) << 52) - 1)

static inline __m512i all(uint64_t value)
{
    return _mm512_set1_epi64((int64_t)value);
}

/* Each limb's excess over 52 bits, which may be negative, into the next; the last limb keeps its own. */
static inline void limbs_carry(__m512i *limbs, int count)
{
    for (int i = 0; i + 1 < count; i++) {
        limbs[i + 1] = _mm512_add_epi64(limbs[i + 1], _mm512_srai_epi64(limbs[i], 52));
        limbs[i] = _mm512_and_epi64(limbs[i], all(MASK));
    }
}

/* c' and c in limbs of 52 bits. */
static const uint64_t c_260[3] = {UINT64_C(0x31a5cf5d3ed00), UINT64_C(0xa2f79cd658126),
                                  UINT64_C(0x14def9de)};
static const uint64_t c_252[3] = {UINT64_C(0x2631a5cf5d3ed), UINT64_C(0xdea2f79cd6581),
                                  UINT64_C(0x14def9)};

/* r[0..count + 3) = c' a, carried. */
static inline void fold(__m512i *r, const __m512i *a, int count)
{
    for (int i = 0; i < count + 3; i++)
        r[i] = _mm512_setzero_si512();
    for (int i = 0; i < count; i++) {
        for (int j = 0; j < 3; j++) {
            r[i + j] = _mm512_madd52lo_epu64(r[i + j], a[i], all(c_260[j]));
            r[i + j + 1] = _mm512_madd52hi_epu64(r[i + j + 1], a[i], all(c_260[j]));
        }
    }
    limbs_carry(r, count + 3);
}

/* 52 bits from bit `bit` of words[0..count). */
static inline __m512i limb_of(const __m512i *words, int count, int bit)
{
    const int word = bit / 64, shift = bit % 64;
    __m512i limb = _mm512_srli_epi64(words[word], (unsigned)shift);
    if (shift > 12 && word + 1 < count)
        limb = _mm512_or_epi64(limb, _mm512_slli_epi64(words[word + 1], (unsigned)(64 - shift)));
    return _mm512_and_epi64(limb, all(MASK));
}

/* k[0..5): eight hashes, as their eight words, mod L. */
static void reduce(__m512i k[5], const __m512i words[8])
{
    __m512i n[10], m[8], p[6];
#pragma GCC unroll 10
    for (int i = 0; i < 10; i++)
        n[i] = limb_of(words, 8, 52 * i);
    fold(m, n + 5, 5);
    fold(p, m + 5, 3);
    for (int i = 0; i < 5; i++)
        k[i] = _mm512_add_epi64(_mm512_sub_epi64(n[i], m[i]), p[i]);
    for (int i = 0; i < 3; i++) /* 256 L = 2^260 + c' */
        k[i] = _mm512_add_epi64(k[i], all(c_260[i]));
    k[4] = _mm512_add_epi64(k[4], all(UINT64_C(1) << 52));
    limbs_carry(k, 5);
    const __m512i q = _mm512_srli_epi64(k[4], 44);
    k[4] = _mm512_and_epi64(k[4], all((UINT64_C(1) << 44) - 1));
    for (int i = 0; i < 3; i++)
        k[i] = _mm512_sub_epi64(k[i], _mm512_mullo_epi64(q, all(c_252[i])));
    limbs_carry(k, 5);
    const __mmask8 negative = _mm512_movepi64_mask(k[4]);
    for (int i = 0; i < 3; i++)
        k[i] = _mm512_mask_add_epi64(k[i], negative, k[i], all(c_252[i]));
    k[4] = _mm512_mask_add_epi64(k[4], negative, k[4], all(UINT64_C(1) << 44));
    limbs_carry(k, 5);
}

/* The 32 bytes of each lane's number below 2^256; bytes[l] of lane l. */
static void numbers_store(__m256i bytes[LANES], const __m512i k[5])
{
#define JOIN(a, right, b, left)                                                                    \
    _mm512_or_epi64(_mm512_srli_epi64(k[a], right), _mm512_slli_epi64(k[b], left))
    const __m512i zero = _mm512_setzero_si512();
    __m512i rows[8] = {JOIN(0, 0, 1, 52),
                       JOIN(1, 12, 2, 40),
                       JOIN(2, 24, 3, 28),
                       JOIN(3, 36, 4, 16),
                       zero,
                       zero,
                       zero,
                       zero};
#undef JOIN
    transpose8(rows);
    for (uint32_t l = 0; l < LANES; l++)
        bytes[l] = _mm512_castsi512_si256(rows[l]);
}

/* Digits of 16 bits to what a job stores: twice the size, and the sign. */
static inline __m512i digit_codes(__m512i digits)
{
    return _mm512_or_si512(_mm512_slli_epi16(_mm512_abs_epi16(digits), 1),
                           _mm512_srli_epi16(digits, 15));
}

static void key_digits_write(struct giro_comb_job *const jobs[LANES], __m512i k[5], uint32_t width)
{
    __m256i bytes[LANES];
    if (width != 8) {
        numbers_store(bytes, k);
        for (uint32_t l = 0; l < LANES; l++)
            giro_comb_digits(jobs[l]->key_digits, width, (const uint8_t *)&bytes[l]);
        return;
    }
    /* 0x80 in each of 32 bytes, as in digits.c; then a digit is a byte less 0x80. */
    static const uint64_t offset[5] = {UINT64_C(0x0808080808080), UINT64_C(0x8080808080808),
                                       UINT64_C(0x0808080808080), UINT64_C(0x8080808080808),
                                       UINT64_C(0x0808080808080)};
    for (int i = 0; i < 5; i++)
        k[i] = _mm512_add_epi64(k[i], all(offset[i]));
    limbs_carry(k, 5);
    numbers_store(bytes, k);
    for (uint32_t l = 0; l < LANES; l++) {
        const __m512i digits =
            _mm512_sub_epi16(_mm512_cvtepu8_epi16(bytes[l]), _mm512_set1_epi16(0x80));
        _mm512_storeu_si512(jobs[l]->key_digits, digit_codes(digits));
    }
}

/* The digits of S for the base point's table, all at once. */
static void base_digits_write(uint16_t digits[GIRO_COMB_BASE_WINDOWS], const uint8_t scalar[32])
{
    static_assert(GIRO_COMB_BASE_WIDTH == 10 && GIRO_COMB_BASE_WINDOWS == 26, "four quarters");
    /* 2^9 in each field but the last, which is small and takes no sign: so the sum stays below 2^254. */
    static const uint64_t offset[4] = {UINT64_C(0x802008020080200), UINT64_C(0x80200802008020),
                                       UINT64_C(0x2008020080200802), UINT64_C(0x200802008020080)};
    uint64_t words[4], carry = 0;
    memcpy(words, scalar, sizeof(words));
    for (int i = 0; i < 4; i++) {
        const unsigned __int128 sum = (unsigned __int128)words[i] + offset[i] + carry;
        words[i] = (uint64_t)sum;
        carry = (uint64_t)(sum >> 64);
    }
    /* Quarter h gets eight fields, bits 80 h to 80 h + 79, in 16 of the bytes 0, 8, 20 and 28 on; the last two fields end
     * the scalar. Field f of a quarter begins at bit 2 (f mod 4) of its byte 5 f / 4. */
    const __m512i quarters = _mm512_set_epi32(7, 7, 7, 7, 7, 7, 6, 5, 5, 4, 3, 2, 3, 2, 1, 0);
    const __m128i pairs = _mm_set_epi8(9, 8, 8, 7, 7, 6, 6, 5, 4, 3, 3, 2, 2, 1, 1, 0);
    const __m128i later = _mm_add_epi8(pairs, _mm_set1_epi8(2));
    const __m128i last = _mm_set_epi8(-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 3, 3, 2);
    __m512i bytes = _mm512_castsi128_si512(pairs);
    bytes = _mm512_inserti64x2(bytes, later, 1);
    bytes = _mm512_inserti64x2(bytes, pairs, 2);
    bytes = _mm512_inserti64x2(bytes, last, 3);
    __m512i fields = _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)words));
    fields = _mm512_shuffle_epi8(_mm512_permutexvar_epi32(quarters, fields), bytes);
    fields = _mm512_srlv_epi16(fields, _mm512_set1_epi64(INT64_C(0x0006000400020000)));
    fields = _mm512_and_si512(fields, _mm512_set1_epi16(0x3ff));
    const __mmask32 all_but_last = (__mmask32)((1u << (GIRO_COMB_BASE_WINDOWS - 1)) - 1);
    fields = _mm512_mask_sub_epi16(fields, all_but_last, fields, _mm512_set1_epi16(0x200));
    _mm512_mask_storeu_epi16(digits, (__mmask32)((1u << GIRO_COMB_BASE_WINDOWS) - 1),
                             digit_codes(fields));
}

void giro_scalars_avx512(struct giro_comb_job *jobs, const struct giro_hash_job *hashes,
                         uint32_t count, uint32_t key_width)
{
    for (uint32_t at = 0; at < count; at += LANES) {
        struct giro_comb_job *group[LANES];
        __m512i words[8], k[5];
        for (uint32_t l = 0; l < LANES; l++) { /* lanes past the end repeat the last job */
            const uint32_t i = at + l < count ? at + l : count - 1;
            group[l] = &jobs[i];
            words[l] = _mm512_loadu_si512(hashes[i].digest);
        }
        transpose8(words);
        reduce(k, words);
        key_digits_write(group, k, key_width);
    }
    for (uint32_t i = 0; i < count; i++)
        base_digits_write(jobs[i].base_digits, hashes[i].r + 32);
}
