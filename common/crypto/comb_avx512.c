/* The comb sum in eight AVX-512 lanes. */
#include "field8.h"

#include "comb_lanes.h"

void giro_comb_sum_avx512(struct giro_comb_job *jobs, uint32_t count, uint32_t key_width)
{
    lanes_sum(jobs, count, key_width);
}

void giro_field8_mul(uint64_t result[5][8], const uint64_t a[5][8], const uint64_t b[5][8])
{
    struct vfe left, right;
    for (int i = 0; i < 5; i++) {
        left.v[i] = _mm512_loadu_si512(a[i]);
        right.v[i] = _mm512_loadu_si512(b[i]);
    }
    struct vfe product = vfe_mul(&left, &right);
    product = vfe_carry(&product);
    for (int i = 0; i < 5; i++)
        _mm512_storeu_si512(result[i], product.v[i]);
}
