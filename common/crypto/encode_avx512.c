/* The encodings of many sums, eight at a time, with one inversion for all. */
#include <stddef.h>

#include "field8.h"

#define GROUPS_MAX (GIRO_COMB_JOBS_MAX / VFE_LANES)

struct sums {
    struct vfe x, y, z;
};

/* The sums of jobs[at..at + 8), carried; lanes past the end repeat the last job. */
static struct sums sums_load(const struct giro_comb_job *jobs, uint32_t at, uint32_t count)
{
    __m512i low[8], high[8];
    for (uint32_t l = 0; l < VFE_LANES; l++) {
        const struct giro_comb_job *job = &jobs[at + l < count ? at + l : count - 1];
        low[l] = _mm512_load_si512((const void *)job);
        high[l] = _mm512_load_si512((const uint8_t *)job + 64);
    }
    transpose8(low);
    transpose8(high);
    const struct sums loose = {{{low[0], low[1], low[2], low[3], low[4]}},
                               {{low[5], low[6], low[7], high[0], high[1]}},
                               {{high[2], high[3], high[4], high[5], high[6]}}};
    return (struct sums){vfe_carry(&loose.x), vfe_carry(&loose.y), vfe_carry(&loose.z)};
}

static inline struct vfe product_of(const struct vfe *a, const struct vfe *b)
{
    const struct vfe raw = vfe_mul(a, b);
    return vfe_carry(&raw);
}

/* The inverses of eight values by one inversion in plain C. */
static struct vfe lanes_invert(const struct vfe *values)
{
    struct giro_fe each[VFE_LANES], scratch[VFE_LANES];
    uint64_t words[5][VFE_LANES];
    for (int i = 0; i < 5; i++) {
        _mm512_storeu_si512(words[i], values->v[i]);
        for (uint32_t l = 0; l < VFE_LANES; l++)
            each[l].v[i] = words[i][l];
    }
    giro_fe_invert_all(each, scratch, VFE_LANES);
    struct vfe r;
    for (int i = 0; i < 5; i++) {
        for (uint32_t l = 0; l < VFE_LANES; l++)
            words[i][l] = each[l].v[i];
        r.v[i] = _mm512_loadu_si512(words[i]);
    }
    return vfe_carry(&r);
}

/* giro_fe_canonical in lanes. */
static struct vfe canonical(const struct vfe *a)
{
    const __m512i mask = _mm512_set1_epi64((int64_t)GIRO_FE_MASK);
    const __m512i nineteen = _mm512_set1_epi64(19);
    struct vfe r = vfe_carry(a);
    r = vfe_carry(&r);
    __m512i q = _mm512_srli_epi64(_mm512_add_epi64(r.v[0], nineteen), 51);
    for (int i = 1; i < 5; i++)
        q = _mm512_srli_epi64(_mm512_add_epi64(r.v[i], q), 51);
    __m512i over = _mm512_madd52lo_epu64(_mm512_setzero_si512(), q, nineteen);
    for (int i = 0; i < 5; i++) {
        r.v[i] = _mm512_add_epi64(r.v[i], over);
        over = _mm512_srli_epi64(r.v[i], 51);
        r.v[i] = _mm512_and_epi64(r.v[i], mask);
    }
    return r;
}

/* y in 255 bits and the sign of x above it: RFC 8032 section 5.1.2. */
static void encodings_store(struct giro_comb_job *jobs, uint32_t count, const struct vfe *x,
                            const struct vfe *y)
{
    const struct vfe cx = canonical(x), r = canonical(y);
#define JOIN(a, right, b, left)                                                                    \
    _mm512_or_epi64(_mm512_srli_epi64(r.v[a], right), _mm512_slli_epi64(r.v[b], left))
    const __m512i sign = _mm512_slli_epi64(cx.v[0], 63), zero = _mm512_setzero_si512();
    __m512i rows[8] = {JOIN(0, 0, 1, 51),
                       JOIN(1, 13, 2, 38),
                       JOIN(2, 26, 3, 25),
                       _mm512_or_epi64(JOIN(3, 39, 4, 12), sign),
                       zero,
                       zero,
                       zero,
                       zero};
#undef JOIN
    transpose8(rows);
    for (uint32_t l = 0; l < VFE_LANES && l < count; l++)
        _mm256_storeu_si256((__m256i *)jobs[l].encoded, _mm512_castsi512_si256(rows[l]));
}

void giro_comb_encode_avx512(struct giro_comb_job *jobs, uint32_t count)
{
    GIRO_ASSERT(count <= GIRO_COMB_JOBS_MAX);
    if (count < 3) { /* one or two are faster in plain C */
        giro_comb_encode_portable(jobs, count);
        return;
    }
    /* Montgomery's trick in each lane: before[g] is the product of the z of the groups before g. */
    struct vfe before[GROUPS_MAX], product = vfe_small(1);
    const uint32_t groups = (count + VFE_LANES - 1) / VFE_LANES;
    for (uint32_t g = 0; g < groups; g++) {
        const struct sums sums = sums_load(jobs, g * VFE_LANES, count);
        before[g] = product;
        product = product_of(&product, &sums.z);
    }
    struct vfe inverse = lanes_invert(&product);
    for (uint32_t g = groups; g-- > 0;) {
        const struct sums sums = sums_load(jobs, g * VFE_LANES, count);
        const struct vfe inverse_z = product_of(&inverse, &before[g]);
        inverse = product_of(&inverse, &sums.z);
        const struct vfe x = product_of(&sums.x, &inverse_z), y = product_of(&sums.y, &inverse_z);
        encodings_store(&jobs[g * VFE_LANES], count - g * VFE_LANES, &x, &y);
    }
}
