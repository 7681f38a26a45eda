/* common/crypto/comb_lanes.h - the comb sum in lanes, for any vector field: lane l works on job l of a group. Included by
 * exactly one file of each variant, after its field header (field8.h, field4.h), which defines VFE_LANES, struct vfe,
 * struct ventry and the vfe_ operations. */
#ifndef GIRO_CRYPTO_COMB_LANES_H
#define GIRO_CRYPTO_COMB_LANES_H

/* One point a lane. Only Y - X and Y + X are needed of X and Y; all limbs carried. */
struct vpoint {
    struct vfe difference, sum, z, t;
};

static inline struct vpoint vpoint_neutral(void)
{
    return (struct vpoint){
        .difference = vfe_small(1), .sum = vfe_small(1), .z = vfe_small(1), .t = vfe_small(0)};
}

/* The end of an addition, from a = (Y1 - X1)(Y2 - X2), b = (Y1 + X1)(Y2 + X2), c = 2d T1 T2, all raw, and z = Z1 Z2. Sums and
 * differences are taken of raw products, so that an addition carries eight times, not fourteen. */
static inline __attribute__((always_inline)) void
vpoint_finish(struct vpoint *point, const struct vfe *a, const struct vfe *b, const struct vfe *c,
              const struct vfe *z, const struct vfe *bias)
{
    struct vfe raw = vfe_add(b, bias);
    raw = vfe_sub(&raw, a);
    const struct vfe e = vfe_carry(&raw);
    raw = vfe_add(a, b);
    const struct vfe h = vfe_carry(&raw);
    struct vfe d = vfe_add(z, z);
    d = vfe_add(&d, bias);
    raw = vfe_sub(&d, c);
    const struct vfe f = vfe_carry(&raw);
    raw = vfe_add(&d, c);
    const struct vfe g = vfe_carry(&raw);

    const struct vfe x = vfe_mul(&e, &f), y = vfe_mul(&g, &h);
    raw = vfe_add(&y, bias);
    raw = vfe_sub(&raw, &x);
    point->difference = vfe_carry(&raw);
    raw = vfe_add(&y, &x);
    point->sum = vfe_carry(&raw);
    raw = vfe_mul(&f, &g);
    point->z = vfe_carry(&raw);
    raw = vfe_mul(&e, &h);
    point->t = vfe_carry(&raw);
}

/* giro_point_add_entry in lanes; a set bit of negative subtracts that lane's entry. */
static inline void vpoint_add(struct vpoint *point, const struct ventry *entry, uint32_t negative)
{
    const struct vfe bias = vfe_bias();
    const struct vfe a = vfe_mul(&point->difference, &entry->minus);
    const struct vfe b = vfe_mul(&point->sum, &entry->plus);
    struct vfe c = vfe_mul(&point->t, &entry->product);
    vfe_negate_if(&c, negative);
    vpoint_finish(point, &a, &b, &c, &point->z, &bias);
}

static inline void vpoint_add_base(struct vpoint *point,
                                   const struct giro_comb_job *const jobs[VFE_LANES],
                                   uint32_t window)
{
    const struct giro_comb_entry *entries[VFE_LANES];
    uint32_t negative = 0;
    for (uint32_t l = 0; l < VFE_LANES; l++) {
        entries[l] = giro_comb_base_entry(jobs[l], window);
        negative |= (jobs[l]->base_digits[window] & 1u) << l;
    }
    const struct ventry entry = ventry_load(entries, negative);
    vpoint_add(point, &entry, negative);
}

static inline void vpoint_add_key(struct vpoint *point,
                                  const struct giro_comb_job *const jobs[VFE_LANES],
                                  uint32_t window, uint32_t row)
{
    const struct giro_comb_entry *entries[VFE_LANES];
    uint32_t negative = 0;
    for (uint32_t l = 0; l < VFE_LANES; l++) {
        entries[l] = giro_comb_key_entry(jobs[l], window, row);
        negative |= (jobs[l]->key_digits[window] & 1u) << l;
    }
    const struct ventry entry = ventry_load(entries, negative);
    vpoint_add(point, &entry, negative);
}

/* Into the second-level cache, while the group before is worked on: a group's entries fill the first-level cache. */
static inline void prefetch_far(const struct giro_comb_job *const jobs[VFE_LANES], uint32_t window,
                                uint32_t row)
{
    for (uint32_t l = 0; l < VFE_LANES; l++) {
        const uint8_t *entry = (const uint8_t *)giro_comb_key_entry(jobs[l], window, row);
        _mm_prefetch((const char *)entry, _MM_HINT_T1);
        _mm_prefetch((const char *)entry + GIRO_CACHE_LINE_BYTES, _MM_HINT_T1);
    }
}

/* Into the first-level cache, one window ahead. */
static inline void prefetch_near(const struct giro_comb_job *const jobs[VFE_LANES], uint32_t window,
                                 uint32_t row)
{
    for (uint32_t l = 0; l < VFE_LANES; l++) {
        giro_comb_prefetch(giro_comb_key_entry(jobs[l], window, row));
        if (window < GIRO_COMB_BASE_WINDOWS)
            giro_comb_prefetch(giro_comb_base_entry(jobs[l], window));
    }
}

static void group_store(struct giro_comb_job *const jobs[VFE_LANES], const struct vpoint *point)
{
    /* 2X = (Y + X) - (Y - X) and 2Y and 2Z name the same point. */
    struct vfe x = vfe_bias(), y = vfe_add(&point->sum, &point->difference);
    x = vfe_add(&x, &point->sum);
    x = vfe_sub(&x, &point->difference);
    struct vfe z = vfe_add(&point->z, &point->z);
    x = vfe_carry(&x);
    y = vfe_carry(&y);
    z = vfe_carry(&z);
    struct giro_fe *targets[3][VFE_LANES];
    for (uint32_t l = 0; l < VFE_LANES; l++) {
        targets[0][l] = &jobs[l]->x;
        targets[1][l] = &jobs[l]->y;
        targets[2][l] = &jobs[l]->z;
    }
    vfe_store(targets[0], &x);
    vfe_store(targets[1], &y);
    vfe_store(targets[2], &z);
}

/* The sums of one group; next is the group after it, NULL after the last. */
static void group_sum(struct giro_comb_job *const jobs[VFE_LANES],
                      struct giro_comb_job *const next[VFE_LANES], uint32_t key_width)
{
    const struct giro_comb_job *const *inputs = (const struct giro_comb_job *const *)jobs;
    struct vpoint point = vpoint_neutral();
    const uint32_t windows = giro_comb_windows(key_width), row = giro_comb_row(key_width);
    GIRO_ASSERT(windows >= GIRO_COMB_BASE_WINDOWS);
    for (uint32_t w = 0; w < windows; w++) {
        if (next != NULL)
            prefetch_far((const struct giro_comb_job *const *)next, w, row);
        if (w + 1 < windows)
            prefetch_near(inputs, w + 1, row);
        if (w < GIRO_COMB_BASE_WINDOWS)
            vpoint_add_base(&point, inputs, w);
        vpoint_add_key(&point, inputs, w, row);
    }
    group_store(jobs, &point);
}

/* Empty lanes of the last group repeat its last job. */
static void group_fill(struct giro_comb_job *group[VFE_LANES], struct giro_comb_job *jobs,
                       uint32_t at, uint32_t count)
{
    for (uint32_t l = 0; l < VFE_LANES; l++)
        group[l] = &jobs[at + l < count ? at + l : count - 1];
}

#include "comb_few.h"

/* From here on a lane a job is faster than several. */
#define LANES_WORTH (FEW_MAX + 1)

static void lanes_sum(struct giro_comb_job *jobs, uint32_t count, uint32_t key_width)
{
    uint32_t i = 0;
    struct giro_comb_job *groups[2][VFE_LANES];
    if (count >= LANES_WORTH) {
        group_fill(groups[0], jobs, 0, count);
        for (uint32_t w = 0; w < giro_comb_windows(key_width); w++)
            prefetch_far((const struct giro_comb_job *const *)groups[0], w,
                         giro_comb_row(key_width));
    }
    for (; i + LANES_WORTH <= count; i += VFE_LANES) {
        struct giro_comb_job **const group = groups[i / VFE_LANES % 2],
                                     **const next = groups[(i / VFE_LANES + 1) % 2];
        const bool more = i + VFE_LANES + LANES_WORTH <= count;
        if (more)
            group_fill(next, jobs, i + VFE_LANES, count);
        group_sum(group, more ? next : NULL, key_width);
    }
    if (i < count)
        few_sum(jobs + i, count - i, key_width);
}

#endif
