/* common/crypto/point_lanes.h - points in lanes, for any vector field: the additions, and how a sum leaves the lanes. Included
 * after a field header (field8.h, field4.h). No branch and no address depends on a point or on a sign: signing relies on it. */
#ifndef GIRO_CRYPTO_POINT_LANES_H
#define GIRO_CRYPTO_POINT_LANES_H

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

/* The unified addition of two points in each lane: giro_point_add_entry's formulas, with Z of both and one product by 2d
 * more. */
static inline void vpoint_add_point(struct vpoint *point, const struct vpoint *other)
{
    const struct vfe bias = vfe_bias(), twice_d = vfe_all(&giro_curve_2d);
    const struct vfe a = vfe_mul(&point->difference, &other->difference);
    const struct vfe b = vfe_mul(&point->sum, &other->sum);
    struct vfe raw = vfe_mul(&other->t, &twice_d);
    const struct vfe t = vfe_carry(&raw);
    raw = vfe_mul(&point->z, &other->z);
    const struct vfe z = vfe_carry(&raw);
    const struct vfe c = vfe_mul(&point->t, &t);
    vpoint_finish(point, &a, &b, &c, &z, &bias);
}

static inline struct vpoint vpoint_swap(const struct vpoint *point, uint32_t distance)
{
    return (struct vpoint){.difference = vfe_swap(&point->difference, distance),
                           .sum = vfe_swap(&point->sum, distance),
                           .z = vfe_swap(&point->z, distance),
                           .t = vfe_swap(&point->t, distance)};
}

/* Writes each lane's point to its job; jobs may repeat where lanes hold the same. */
static inline void vpoint_store(struct giro_comb_job *const jobs[VFE_LANES],
                                const struct vpoint *point)
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

#endif
