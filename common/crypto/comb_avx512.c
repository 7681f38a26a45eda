/* The comb sum in eight AVX-512 lanes: lane l works on job l of a group of eight. */
#include "comb.h"
#include "field8.h"
#include "transpose8.h"

/* Eight points. Only Y - X and Y + X are needed of X and Y; all limbs carried. */
struct point8 {
    struct fe8 difference, sum, z, t;
};

struct entry8 {
    struct fe8 sum, difference, product;
};

/* Two loads a lane and two transpositions: on Zen 4 a third of the time of fifteen gathers. */
static inline struct entry8 entry8_load(const struct giro_comb_entry *const entries[8])
{
    __m512i low[8], high[8];
    for (int l = 0; l < 8; l++) {
        low[l] = _mm512_load_si512((const void *)entries[l]);
        high[l] = _mm512_load_si512((const uint8_t *)entries[l] + 64);
    }
    transpose8(low);
    transpose8(high);
    return (struct entry8){.sum = {{low[0], low[1], low[2], low[3], low[4]}},
                           .difference = {{low[5], low[6], low[7], high[0], high[1]}},
                           .product = {{high[2], high[3], high[4], high[5], high[6]}}};
}

/* giro_point_add_entry in lanes; a set bit of negative subtracts that lane's entry. Sums and differences are taken of raw
 * products, so that an addition carries eight times, not fourteen. */
static inline void point8_add(struct point8 *point, const struct entry8 *entry, __mmask8 negative)
{
    struct fe8 minus, plus;
    for (int i = 0; i < 5; i++) {
        minus.v[i] = _mm512_mask_blend_epi64(negative, entry->difference.v[i], entry->sum.v[i]);
        plus.v[i] = _mm512_mask_blend_epi64(negative, entry->sum.v[i], entry->difference.v[i]);
    }
    const struct fe8 bias = fe8_bias();
    const struct fe8 a = fe8_mul(&point->difference, &minus);
    const struct fe8 b = fe8_mul(&point->sum, &plus);
    struct fe8 raw = fe8_add(&b, &bias);
    raw = fe8_sub(&raw, &a);
    const struct fe8 e = fe8_carry(&raw);
    raw = fe8_add(&a, &b);
    const struct fe8 h = fe8_carry(&raw);

    struct fe8 c = fe8_mul(&point->t, &entry->product);
    for (int i = 0; i < 5; i++) /* two's complement: the bias below makes it positive again */
        c.v[i] = _mm512_mask_sub_epi64(c.v[i], negative, _mm512_setzero_si512(), c.v[i]);
    struct fe8 d = fe8_add(&point->z, &point->z);
    d = fe8_add(&d, &bias);
    raw = fe8_sub(&d, &c);
    const struct fe8 f = fe8_carry(&raw);
    raw = fe8_add(&d, &c);
    const struct fe8 g = fe8_carry(&raw);

    const struct fe8 x = fe8_mul(&e, &f), y = fe8_mul(&g, &h);
    raw = fe8_add(&y, &bias);
    raw = fe8_sub(&raw, &x);
    point->difference = fe8_carry(&raw);
    raw = fe8_add(&y, &x);
    point->sum = fe8_carry(&raw);
    raw = fe8_mul(&f, &g);
    point->z = fe8_carry(&raw);
    raw = fe8_mul(&e, &h);
    point->t = fe8_carry(&raw);
}

static inline void point8_add_base(struct point8 *point, const struct giro_comb_job *const jobs[8],
                                   uint32_t window)
{
    const struct giro_comb_entry *entries[8];
    uint32_t negative = 0;
    for (uint32_t l = 0; l < 8; l++) {
        const uint32_t digit = jobs[l]->base_digits[window];
        entries[l] = &giro_comb_base[digit >> 1];
        negative |= (digit & 1) << l;
    }
    const struct entry8 entry = entry8_load(entries);
    point8_add(point, &entry, (__mmask8)negative);
}

static inline void point8_add_key(struct point8 *point, const struct giro_comb_job *const jobs[8],
                                  uint32_t window)
{
    const struct giro_comb_entry *entries[8];
    uint32_t negative = 0;
    for (uint32_t l = 0; l < 8; l++) {
        const uint32_t digit = jobs[l]->key_digits[window];
        entries[l] = &jobs[l]->table[digit >> 1];
        negative |= (digit & 1) << l;
    }
    const struct entry8 entry = entry8_load(entries);
    point8_add(point, &entry, (__mmask8)negative);
}

/* Into the second-level cache, while the group before is worked on: a group's entries fill the first-level cache. */
static inline void prefetch_far(const struct giro_comb_job *const jobs[8], uint32_t window)
{
    for (uint32_t l = 0; l < 8; l++) {
        const uint8_t *entry = (const uint8_t *)&jobs[l]->table[jobs[l]->key_digits[window] >> 1];
        _mm_prefetch((const char *)entry, _MM_HINT_T1);
        _mm_prefetch((const char *)entry + GIRO_CACHE_LINE_BYTES, _MM_HINT_T1);
    }
}

/* Into the first-level cache, one window ahead. */
static inline void prefetch_near(const struct giro_comb_job *const jobs[8], uint32_t window)
{
    for (uint32_t l = 0; l < 8; l++) {
        giro_comb_prefetch(jobs[l], window);
        if (window < GIRO_COMB_BASE_WINDOWS) {
            const uint8_t *entry =
                (const uint8_t *)&giro_comb_base[jobs[l]->base_digits[window] >> 1];
            _mm_prefetch((const char *)entry, _MM_HINT_T0);
            _mm_prefetch((const char *)entry + GIRO_CACHE_LINE_BYTES, _MM_HINT_T0);
        }
    }
}

static void fe8_store(struct giro_fe *const elements[8], const struct fe8 *a)
{
    uint64_t limbs[8];
    for (int i = 0; i < 5; i++) {
        _mm512_storeu_si512(limbs, a->v[i]);
        for (int l = 0; l < 8; l++)
            elements[l]->v[i] = limbs[l];
    }
}

static void group_store(struct giro_comb_job *const jobs[8], const struct point8 *point)
{
    /* 2X = (Y + X) - (Y - X) and 2Y and 2Z name the same point. */
    struct fe8 x = fe8_bias(), y = fe8_add(&point->sum, &point->difference);
    x = fe8_add(&x, &point->sum);
    x = fe8_sub(&x, &point->difference);
    struct fe8 z = fe8_add(&point->z, &point->z);
    x = fe8_carry(&x);
    y = fe8_carry(&y);
    z = fe8_carry(&z);
    struct giro_fe *targets[3][8];
    for (int l = 0; l < 8; l++) {
        targets[0][l] = &jobs[l]->x;
        targets[1][l] = &jobs[l]->y;
        targets[2][l] = &jobs[l]->z;
    }
    fe8_store(targets[0], &x);
    fe8_store(targets[1], &y);
    fe8_store(targets[2], &z);
}

/* The sums of one group of eight; next is the group after it, NULL after the last. */
static void group_sum(struct giro_comb_job *const jobs[8], struct giro_comb_job *const next[8],
                      uint32_t key_width)
{
    const struct giro_comb_job *const *inputs = (const struct giro_comb_job *const *)jobs;
    const __m512i zero = _mm512_setzero_si512(), one = _mm512_set1_epi64(1);
    struct point8 point = {.difference = {{one, zero, zero, zero, zero}},
                           .sum = {{one, zero, zero, zero, zero}},
                           .z = {{one, zero, zero, zero, zero}},
                           .t = {{zero, zero, zero, zero, zero}}};
    const uint32_t windows = giro_comb_windows(key_width);
    GIRO_ASSERT(windows >= GIRO_COMB_BASE_WINDOWS);
    for (uint32_t w = 0; w < windows; w++) {
        if (next != NULL)
            prefetch_far((const struct giro_comb_job *const *)next, w);
        if (w + 1 < windows)
            prefetch_near(inputs, w + 1);
        if (w < GIRO_COMB_BASE_WINDOWS)
            point8_add_base(&point, inputs, w);
        point8_add_key(&point, inputs, w);
    }
    group_store(jobs, &point);
}

/* Empty lanes of the last group repeat its last job. */
static void group_fill(struct giro_comb_job *group[8], struct giro_comb_job *jobs, uint32_t at,
                       uint32_t count)
{
    for (uint32_t l = 0; l < 8; l++)
        group[l] = &jobs[at + l < count ? at + l : count - 1];
}

/* One or two jobs are faster in plain C than in eight lanes. */
#define LANES_WORTH 3u

void giro_comb_sum_avx512(struct giro_comb_job *jobs, uint32_t count, uint32_t key_width)
{
    uint32_t i = 0;
    struct giro_comb_job *groups[2][8];
    if (count >= LANES_WORTH) {
        group_fill(groups[0], jobs, 0, count);
        for (uint32_t w = 0; w < giro_comb_windows(key_width); w++)
            prefetch_far((const struct giro_comb_job *const *)groups[0], w);
    }
    for (; i + LANES_WORTH <= count; i += 8) {
        struct giro_comb_job **const group = groups[i / 8 % 2],
                                     **const next = groups[(i / 8 + 1) % 2];
        const bool more = i + 8 + LANES_WORTH <= count;
        if (more)
            group_fill(next, jobs, i + 8, count);
        group_sum(group, more ? next : NULL, key_width);
    }
    if (i < count)
        giro_comb_sum_portable(jobs + i, count - i, key_width);
}

void giro_field8_mul(uint64_t result[5][8], const uint64_t a[5][8], const uint64_t b[5][8])
{
    struct fe8 left, right;
    for (int i = 0; i < 5; i++) {
        left.v[i] = _mm512_loadu_si512(a[i]);
        right.v[i] = _mm512_loadu_si512(b[i]);
    }
    struct fe8 product = fe8_mul(&left, &right);
    product = fe8_carry(&product);
    for (int i = 0; i < 5; i++)
        _mm512_storeu_si512(result[i], product.v[i]);
}
