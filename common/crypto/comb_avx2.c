/* The comb sum in four AVX2 lanes. */
#include "field4.h"

#include "comb_lanes.h"

void giro_comb_sum_avx2(struct giro_comb_job *jobs, uint32_t count, uint32_t key_width)
{
    lanes_sum(jobs, count, key_width);
}

void giro_field4_mul(struct giro_fe results[4], const struct giro_fe a[4],
                     const struct giro_fe b[4])
{
    __m256i left[5], right[5];
    for (int i = 0; i < 5; i++) {
        left[i] = _mm256_set_epi64x((int64_t)a[3].v[i], (int64_t)a[2].v[i], (int64_t)a[1].v[i],
                                    (int64_t)a[0].v[i]);
        right[i] = _mm256_set_epi64x((int64_t)b[3].v[i], (int64_t)b[2].v[i], (int64_t)b[1].v[i],
                                     (int64_t)b[0].v[i]);
    }
    const struct vfe x = vfe_split(left), y = vfe_split(right);
    struct vfe product = vfe_mul(&x, &y);
    product = vfe_carry(&product);
    struct giro_fe *targets[4] = {&results[0], &results[1], &results[2], &results[3]};
    vfe_store(targets, &product);
}
