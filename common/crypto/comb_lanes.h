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

/* What a group adds from tables of one width: row after row, one entry a lane. */
struct lane_rows {
    const struct giro_comb_entry *tables[VFE_LANES];
    const uint16_t *digits[VFE_LANES];
    uint32_t windows, row;
};

static inline const struct giro_comb_entry *rows_entry(const struct lane_rows *rows,
                                                       uint32_t window, uint32_t lane)
{
    return &rows->tables[lane][window * rows->row + (rows->digits[lane][window] >> 1)];
}

/* Into the second-level cache, while the group before is worked on: a group's entries fill the first-level cache. */
static inline void prefetch_far(const struct lane_rows *rows, uint32_t window)
{
    for (uint32_t l = 0; l < VFE_LANES; l++) {
        const uint8_t *entry = (const uint8_t *)rows_entry(rows, window, l);
        _mm_prefetch((const char *)entry, _MM_HINT_T1);
        _mm_prefetch((const char *)entry + GIRO_CACHE_LINE_BYTES, _MM_HINT_T1);
    }
}

/* Into the first-level cache, one window ahead. */
static inline void prefetch_near(const struct lane_rows *rows, uint32_t window)
{
    for (uint32_t l = 0; l < VFE_LANES; l++)
        giro_comb_prefetch(rows_entry(rows, window, l));
}

/* Adds all rows; `after` is what this group adds next, `far` what the next group adds where this one does now; NULL: nothing. */
static __attribute__((noinline)) void rows_add(struct vpoint *sum, const struct lane_rows *rows,
                                               const struct lane_rows *after,
                                               const struct lane_rows *far)
{
    struct vpoint point = *sum;
    for (uint32_t w = 0; w < rows->windows; w++) {
        if (far != NULL)
            prefetch_far(far, w);
        if (w + 1 < rows->windows)
            prefetch_near(rows, w + 1);
        else if (after != NULL)
            prefetch_near(after, 0);
        const struct giro_comb_entry *entries[VFE_LANES];
        uint32_t negative = 0;
        for (uint32_t l = 0; l < VFE_LANES; l++) {
            entries[l] = rows_entry(rows, w, l);
            negative |= (rows->digits[l][w] & 1u) << l;
        }
        const struct ventry entry = ventry_load(entries, negative);
        vpoint_add(&point, &entry, negative);
    }
    *sum = point;
}

/* One group of jobs and what it adds. */
struct lane_group {
    struct giro_comb_job *jobs[VFE_LANES];
    struct lane_rows base, key;
};

/* Empty lanes of the last group repeat its last job. */
static void group_fill(struct lane_group *group, struct giro_comb_job *jobs, uint32_t at,
                       uint32_t count, uint32_t key_width)
{
    for (uint32_t l = 0; l < VFE_LANES; l++) {
        struct giro_comb_job *job = &jobs[at + l < count ? at + l : count - 1];
        group->jobs[l] = job;
        group->base.tables[l] = giro_comb_base;
        group->base.digits[l] = job->base_digits;
        group->key.tables[l] = job->table;
        group->key.digits[l] = job->key_digits;
    }
    group->base.windows = GIRO_COMB_BASE_WINDOWS;
    group->base.row = GIRO_COMB_BASE_ROW;
    group->key.windows = giro_comb_windows(key_width);
    group->key.row = giro_comb_row(key_width);
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
    vfe_store_sums(jobs, &x, &y, &z);
}

/* The sums of one group; next is the group after it, NULL after the last. */
static void group_sum(const struct lane_group *group, const struct lane_group *next)
{
    struct vpoint point = vpoint_neutral();
    prefetch_near(&group->base, 0);
    rows_add(&point, &group->base, &group->key, next != NULL ? &next->base : NULL);
    rows_add(&point, &group->key, NULL, next != NULL ? &next->key : NULL);
    group_store(group->jobs, &point);
}

#include "comb_few.h"

/* From here on a lane a job is faster than several. */
#define LANES_WORTH (FEW_MAX + 1)

static void lanes_sum(struct giro_comb_job *jobs, uint32_t count, uint32_t key_width)
{
    uint32_t i = 0;
    struct lane_group groups[2];
    if (count >= LANES_WORTH) {
        group_fill(&groups[0], jobs, 0, count, key_width);
        for (uint32_t w = 0; w < groups[0].key.windows; w++)
            prefetch_far(&groups[0].key, w);
    }
    for (; i + LANES_WORTH <= count; i += VFE_LANES) {
        const struct lane_group *group = &groups[i / VFE_LANES % 2];
        struct lane_group *next = NULL;
        if (i + VFE_LANES + LANES_WORTH <= count) {
            next = &groups[(i / VFE_LANES + 1) % 2];
            group_fill(next, jobs, i + VFE_LANES, count, key_width);
        }
        group_sum(group, next);
    }
    if (i < count)
        few_sum(jobs + i, count - i, key_width);
}

#endif
