/* common/crypto/field.h - the field of 2^255 - 19 in plain C: five limbs of 51 bits.
 *
 * A value is the sum of v[i] * 2^(51 i). Two sizes of limbs, and nothing else, occur:
 *   carried  every limb < 2^51 + 2^17   what giro_fe_mul, giro_fe_square and giro_fe_carry return (and the lanes)
 *   loose    every limb < 2^54          what they take: sums and differences of up to three carried values
 * README.md derives why a product of loose values does not overflow 128 bits, nor its carries 64.
 * No branch and no address depends on a value, except in the builds with checks (below): signing relies on it.
 */
#ifndef GIRO_CRYPTO_FIELD_H
#define GIRO_CRYPTO_FIELD_H

#include "giro/base.h"

struct giro_fe {
    uint64_t v[5];
};

#define GIRO_FE_MASK        ((UINT64_C(1) << 51) - 1)
#define GIRO_FE_CARRIED_MAX ((UINT64_C(1) << 51) + (UINT64_C(1) << 17))
#define GIRO_FE_LOOSE_MAX   (UINT64_C(1) << 54)

/* In builds with checks (not NDEBUG) every operation asserts the size of what it takes. */
static inline void giro_fe_check(const struct giro_fe *a, uint64_t limb_max)
{
#ifndef NDEBUG
    for (int i = 0; i < 5; i++)
        GIRO_ASSERT(a->v[i] < limb_max);
#else
    (void)a;
    (void)limb_max;
#endif
}

static inline void giro_fe_check_bit(uint64_t bit)
{
#ifndef NDEBUG
    GIRO_ASSERT(bit <= 1);
#else
    (void)bit;
#endif
}

static const struct giro_fe giro_fe_zero = {{0, 0, 0, 0, 0}};
static const struct giro_fe giro_fe_one = {{1, 0, 0, 0, 0}};

static inline struct giro_fe giro_fe_add(const struct giro_fe *a, const struct giro_fe *b)
{
    struct giro_fe r;
    for (int i = 0; i < 5; i++)
        r.v[i] = a->v[i] + b->v[i];
    return r;
}

/* a - b + 2p: b must be carried, for each limb of 2p is at least 2^52 - 38. */
static inline struct giro_fe giro_fe_sub(const struct giro_fe *a, const struct giro_fe *b)
{
    giro_fe_check(b, GIRO_FE_CARRIED_MAX);
    struct giro_fe r;
    r.v[0] = a->v[0] + 2 * (GIRO_FE_MASK - 18) - b->v[0];
    for (int i = 1; i < 5; i++)
        r.v[i] = a->v[i] + 2 * GIRO_FE_MASK - b->v[i];
    return r;
}

static inline struct giro_fe giro_fe_carry(const struct giro_fe *a)
{
    struct giro_fe r;
    r.v[0] = (a->v[0] & GIRO_FE_MASK) + 19 * (a->v[4] >> 51);
    for (int i = 1; i < 5; i++)
        r.v[i] = (a->v[i] & GIRO_FE_MASK) + (a->v[i - 1] >> 51);
    return r;
}

/* Two parallel carries: the first out of 128-bit columns, the second out of the 64-bit limbs that leaves. Chains of five
 * dependent carries would be half of the time of an inversion. */
static inline struct giro_fe giro_fe_wrap(unsigned __int128 c0, unsigned __int128 c1,
                                          unsigned __int128 c2, unsigned __int128 c3,
                                          unsigned __int128 c4)
{
    const uint64_t r0 = ((uint64_t)c0 & GIRO_FE_MASK) + 19 * (uint64_t)(c4 >> 51);
    const uint64_t r1 = ((uint64_t)c1 & GIRO_FE_MASK) + (uint64_t)(c0 >> 51);
    const uint64_t r2 = ((uint64_t)c2 & GIRO_FE_MASK) + (uint64_t)(c1 >> 51);
    const uint64_t r3 = ((uint64_t)c3 & GIRO_FE_MASK) + (uint64_t)(c2 >> 51);
    const uint64_t r4 = ((uint64_t)c4 & GIRO_FE_MASK) + (uint64_t)(c3 >> 51);
    return (struct giro_fe){{(r0 & GIRO_FE_MASK) + 19 * (r4 >> 51),
                             (r1 & GIRO_FE_MASK) + (r0 >> 51), (r2 & GIRO_FE_MASK) + (r1 >> 51),
                             (r3 & GIRO_FE_MASK) + (r2 >> 51), (r4 & GIRO_FE_MASK) + (r3 >> 51)}};
}

static inline struct giro_fe giro_fe_mul(const struct giro_fe *a, const struct giro_fe *b)
{
    giro_fe_check(a, GIRO_FE_LOOSE_MAX);
    giro_fe_check(b, GIRO_FE_LOOSE_MAX);
    const uint64_t a0 = a->v[0], a1 = a->v[1], a2 = a->v[2], a3 = a->v[3], a4 = a->v[4];
    const uint64_t b0 = b->v[0], b1 = b->v[1], b2 = b->v[2], b3 = b->v[3], b4 = b->v[4];
    const uint64_t c1 = 19 * b1, c2 = 19 * b2, c3 = 19 * b3, c4 = 19 * b4;
#define M(x, y) ((unsigned __int128)(x) * (y))
    return giro_fe_wrap(M(a0, b0) + M(a1, c4) + M(a2, c3) + M(a3, c2) + M(a4, c1),
                        M(a0, b1) + M(a1, b0) + M(a2, c4) + M(a3, c3) + M(a4, c2),
                        M(a0, b2) + M(a1, b1) + M(a2, b0) + M(a3, c4) + M(a4, c3),
                        M(a0, b3) + M(a1, b2) + M(a2, b1) + M(a3, b0) + M(a4, c4),
                        M(a0, b4) + M(a1, b3) + M(a2, b2) + M(a3, b1) + M(a4, b0));
}

static inline struct giro_fe giro_fe_square(const struct giro_fe *a)
{
    giro_fe_check(a, GIRO_FE_LOOSE_MAX);
    const uint64_t a0 = a->v[0], a1 = a->v[1], a2 = a->v[2], a3 = a->v[3], a4 = a->v[4];
    const uint64_t c3 = 19 * a3, c4 = 19 * a4, d0 = 2 * a0, d1 = 2 * a1, d2 = 2 * a2, d3 = 2 * a3;
    return giro_fe_wrap(M(a0, a0) + M(d1, c4) + M(d2, c3), M(d0, a1) + M(d2, c4) + M(a3, c3),
                        M(d0, a2) + M(a1, a1) + M(d3, c4), M(d0, a3) + M(d1, a2) + M(a4, c4),
                        M(d0, a4) + M(d1, a3) + M(a2, a2));
#undef M
}

/* Reads 255 bits, little-endian; bit 255 is ignored. The value may be >= p. */
struct giro_fe giro_fe_from_bytes(const uint8_t bytes[32]);
/* giro_fe_canonical returns the representative below p, limbs < 2^51, of a loose value. */
struct giro_fe giro_fe_canonical(const struct giro_fe *a);
void giro_fe_to_bytes(const struct giro_fe *a, uint8_t bytes[32]);
bool giro_fe_is_zero(const struct giro_fe *a);
bool giro_fe_is_odd(const struct giro_fe *a); /* of the canonical representative */
struct giro_fe giro_fe_negate(const struct giro_fe *a);
struct giro_fe giro_fe_invert(const struct giro_fe *a);        /* 0 gives 0 */
struct giro_fe giro_fe_root_exponent(const struct giro_fe *a); /* a^((p - 5) / 8) */
/* giro_fe_invert_all inverts values[0..count), none zero, with one inversion; scratch has room for count. Public values only:
 * it asserts that none is zero. */
void giro_fe_invert_all(struct giro_fe *values, struct giro_fe *scratch, uint32_t count);

#endif
