/* common/crypto/transpose8.h - eight vectors of eight 64-bit words, rows to columns. Only for AVX-512 files. */
#ifndef GIRO_CRYPTO_TRANSPOSE8_H
#define GIRO_CRYPTO_TRANSPOSE8_H

#include <immintrin.h>

/* Eight rows of eight words become eight columns. */
static inline void transpose8(__m512i r[8])
{
    __m512i t[8], u[8];
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm512_unpacklo_epi64(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi64(r[i], r[i + 1]);
    }
    /* t[2q + c] holds, in its 128-bit quarter h, words 2h + c of rows 2q and 2q + 1. */
    for (int c = 0; c < 2; c++) {
        for (int q = 0; q < 2; q++) {
            u[4 * q + c] = _mm512_shuffle_i64x2(t[4 * q + c], t[4 * q + 2 + c], 0x88);
            u[4 * q + 2 + c] = _mm512_shuffle_i64x2(t[4 * q + c], t[4 * q + 2 + c], 0xdd);
        }
        /* u[4q + c]: quarters 0 and 2 (words c and 4 + c) of rows 4q..4q+3; u[4q + 2 + c]: 1 and 3. */
        r[c] = _mm512_shuffle_i64x2(u[c], u[4 + c], 0x88);
        r[4 + c] = _mm512_shuffle_i64x2(u[c], u[4 + c], 0xdd);
        r[2 + c] = _mm512_shuffle_i64x2(u[2 + c], u[6 + c], 0x88);
        r[6 + c] = _mm512_shuffle_i64x2(u[2 + c], u[6 + c], 0xdd);
    }
}

#endif
