/* Inversion in the field by division steps: Bernstein and Yang, "Fast constant-time gcd computation and modular inversion" (TCHES
 * 2019), in the variant whose delta begins at 1/2, after P. Wuille (libsecp256k1, doc/safegcd_implementation.md).
 *
 * f = p and g = a are driven to +-1 and 0 by steps that look at the lowest bit of g and the sign of a counter; d and e keep
 * f = d a and g = e a mod p, so at the end d is the inverse or its negative. 590 steps are enough for any odd modulus and any a
 * below 2^256. STEPS of them touch only the low 62 bits, so they are done in registers, gathered into a matrix, which is then
 * applied to the whole numbers: ten times.
 * No branch and no address depends on a value. Half the time of the power p - 2, which has 254 squarings behind each other. */
#include "field.h"

/* Five signed limbs of 62 bits; all but the last are in [0, 2^62) between the steps. p = 128 2^248 - 19. */
struct wide {
    int64_t v[5];
};

#define LIMB      62
#define LIMB_MASK ((int64_t)(UINT64_MAX >> 2))
#define STEPS     59 /* and a factor of 8 at the begin make 2^62 */
#define ROUNDS    10 /* 590 steps */
#define P_LOW     (-INT64_C(19))
#define P_HIGH    INT64_C(128)
#define P_INVERSE UINT64_C(0x39435e50d79435e5) /* p^-1 mod 2^62 */

/* 2^62 times the product of STEPS steps: (f, g) becomes (u f + v g, q f + r g) / 2^62. |u| + |v| and |q| + |r| <= 2^62. */
struct steps {
    int64_t u, v, q, r;
};

/* All ones if a is negative, else zero. */
static inline int64_t sign_of(int64_t a)
{
    return -(int64_t)((uint64_t)a >> 63);
}

/* Unknown to the compiler, so that it makes no branch of a mask. */
static inline uint64_t hidden(uint64_t mask)
{
    __asm__("" : "+r"(mask));
    return mask;
}

/* counter is -(delta + 1/2). One step: if delta > 0 and g is odd, f, g, delta = g, (g - f) / 2, 1 - delta; else g = (g + f) / 2 or
 * g / 2, and delta + 1. */
static int64_t steps_make(struct steps *steps, int64_t counter, uint64_t f, uint64_t g)
{
    uint64_t u = 8, v = 0, q = 0, r = 8;
    for (int i = 0; i < STEPS; i++) {
        uint64_t swap = hidden((uint64_t)sign_of(counter));
        const uint64_t odd = hidden(-(g & 1));
        g += ((f ^ swap) - swap) & odd;
        q += ((u ^ swap) - swap) & odd;
        r += ((v ^ swap) - swap) & odd;
        swap &= odd;
        counter = (int64_t)((uint64_t)counter ^ swap) - 1;
        f += g & swap;
        u += q & swap;
        v += r & swap;
        g >>= 1;
        u <<= 1;
        v <<= 1;
    }
    *steps = (struct steps){(int64_t)u, (int64_t)v, (int64_t)q, (int64_t)r};
    return counter;
}

static inline __int128 product(int64_t a, int64_t b)
{
    return (__int128)a * b;
}

/* f, g = (u f + v g, q f + r g) / 2^62, which is exact. */
static void steps_apply(const struct steps *t, struct wide *f, struct wide *g)
{
    __int128 low = product(t->u, f->v[0]) + product(t->v, g->v[0]);
    __int128 high = product(t->q, f->v[0]) + product(t->r, g->v[0]);
    for (int i = 1; i < 5; i++) {
        low = (low >> LIMB) + product(t->u, f->v[i]) + product(t->v, g->v[i]);
        high = (high >> LIMB) + product(t->q, f->v[i]) + product(t->r, g->v[i]);
        f->v[i - 1] = (int64_t)low & LIMB_MASK;
        g->v[i - 1] = (int64_t)high & LIMB_MASK;
    }
    f->v[4] = (int64_t)(low >> LIMB);
    g->v[4] = (int64_t)(high >> LIMB);
}

/* What must be added to u d + v e, in multiples of p, so that it divides by 2^62 and stays in (-2p, p): u and v once for each of
 * d and e that is negative, and what clears the low bits. */
static inline int64_t multiple_of_p(int64_t u, int64_t v, const struct wide *d,
                                    const struct wide *e, __int128 low)
{
    const int64_t multiple = (u & sign_of(d->v[4])) + (v & sign_of(e->v[4]));
    const uint64_t clear = P_INVERSE * (uint64_t)low + (uint64_t)multiple;
    return multiple - (int64_t)(clear & (uint64_t)LIMB_MASK);
}

/* d, e = (u d + v e, q d + r e) / 2^62 mod p, both in (-2p, p). */
static void steps_apply_mod_p(const struct steps *t, struct wide *d, struct wide *e)
{
    __int128 low = product(t->u, d->v[0]) + product(t->v, e->v[0]);
    __int128 high = product(t->q, d->v[0]) + product(t->r, e->v[0]);
    const int64_t md = multiple_of_p(t->u, t->v, d, e, low);
    const int64_t me = multiple_of_p(t->q, t->r, d, e, high);
    low += product(P_LOW, md);
    high += product(P_LOW, me);
    for (int i = 1; i < 5; i++) {
        low = (low >> LIMB) + product(t->u, d->v[i]) + product(t->v, e->v[i]);
        high = (high >> LIMB) + product(t->q, d->v[i]) + product(t->r, e->v[i]);
        if (i == 4) {
            low += product(P_HIGH, md);
            high += product(P_HIGH, me);
        }
        d->v[i - 1] = (int64_t)low & LIMB_MASK;
        e->v[i - 1] = (int64_t)high & LIMB_MASK;
    }
    d->v[4] = (int64_t)(low >> LIMB);
    e->v[4] = (int64_t)(high >> LIMB);
}

static void limbs_carry(struct wide *a)
{
    for (int i = 0; i < 4; i++) {
        a->v[i + 1] += a->v[i] >> LIMB;
        a->v[i] &= LIMB_MASK;
    }
}

static void add_p_if(struct wide *a, int64_t mask)
{
    a->v[0] += P_LOW & mask;
    a->v[4] += P_HIGH & mask;
}

/* a, or -a where sign is negative, from (-2p, p) to [0, p). */
static void normalize(struct wide *a, int64_t sign)
{
    add_p_if(a, sign_of(a->v[4]));
    for (int i = 0; i < 5; i++)
        a->v[i] = (a->v[i] ^ sign) - sign;
    limbs_carry(a);
    add_p_if(a, sign_of(a->v[4]));
    limbs_carry(a);
}

static struct wide wide_of(const struct giro_fe *a)
{
    uint64_t w[4];
    giro_fe_to_bytes(a, (uint8_t *)w);
    const uint64_t mask = (uint64_t)LIMB_MASK;
    return (struct wide){{(int64_t)(w[0] & mask), (int64_t)((w[0] >> 62 | w[1] << 2) & mask),
                          (int64_t)((w[1] >> 60 | w[2] << 4) & mask),
                          (int64_t)((w[2] >> 58 | w[3] << 6) & mask), (int64_t)(w[3] >> 56)}};
}

static struct giro_fe wide_out(const struct wide *a)
{
    uint64_t l[5];
    memcpy(l, a->v, sizeof(l));
    const uint64_t w[4] = {l[0] | l[1] << 62, l[1] >> 2 | l[2] << 60, l[2] >> 4 | l[3] << 58,
                           l[3] >> 6 | l[4] << 56};
    return giro_fe_from_bytes((const uint8_t *)w);
}

struct giro_fe giro_fe_invert(const struct giro_fe *a)
{
    struct wide f = {{P_LOW, 0, 0, 0, P_HIGH}}, g = wide_of(a), d = {{0}}, e = {{1}};
    int64_t counter = -1;
    for (int i = 0; i < ROUNDS; i++) {
        struct steps steps;
        counter = steps_make(&steps, counter, (uint64_t)f.v[0], (uint64_t)g.v[0]);
        steps_apply_mod_p(&steps, &d, &e);
        steps_apply(&steps, &f, &g);
    }
    normalize(&d, sign_of(f.v[4]));
    return wide_out(&d);
}
