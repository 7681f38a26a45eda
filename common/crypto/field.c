/* The rarer operations of the field: encoding, many inversions at once, square roots. */
#include "field.h"

static uint64_t load64(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof(word));
    return word;
}

struct giro_fe giro_fe_from_bytes(const uint8_t bytes[32])
{
    return (struct giro_fe){{load64(bytes) & GIRO_FE_MASK, (load64(bytes + 6) >> 3) & GIRO_FE_MASK,
                             (load64(bytes + 12) >> 6) & GIRO_FE_MASK,
                             (load64(bytes + 19) >> 1) & GIRO_FE_MASK,
                             (load64(bytes + 24) >> 12) & GIRO_FE_MASK}};
}

struct giro_fe giro_fe_canonical(const struct giro_fe *a)
{
    giro_fe_check(a, GIRO_FE_LOOSE_MAX);
    struct giro_fe r = giro_fe_carry(a);
    r = giro_fe_carry(&r); /* every limb <= 2^51, so the value is below 2p */
    /* The value plus 19 reaches 2^255 exactly when the value is at least p: q is then 1. */
    uint64_t q = (r.v[0] + 19) >> 51;
    for (int i = 1; i < 5; i++)
        q = (r.v[i] + q) >> 51;
    giro_fe_check_bit(q);
    r.v[0] += 19 * q;
    for (int i = 0; i < 4; i++) {
        r.v[i + 1] += r.v[i] >> 51;
        r.v[i] &= GIRO_FE_MASK;
    }
    r.v[4] &= GIRO_FE_MASK; /* drops the 2^255 that q stands for */
    return r;
}

void giro_fe_to_bytes(const struct giro_fe *a, uint8_t bytes[32])
{
    const struct giro_fe r = giro_fe_canonical(a);
    const uint64_t words[4] = {r.v[0] | r.v[1] << 51, r.v[1] >> 13 | r.v[2] << 38,
                               r.v[2] >> 26 | r.v[3] << 25, r.v[3] >> 39 | r.v[4] << 12};
    memcpy(bytes, words, sizeof(words));
}

bool giro_fe_is_zero(const struct giro_fe *a)
{
    const struct giro_fe r = giro_fe_canonical(a);
    return (r.v[0] | r.v[1] | r.v[2] | r.v[3] | r.v[4]) == 0;
}

bool giro_fe_is_odd(const struct giro_fe *a)
{
    return (giro_fe_canonical(a).v[0] & 1) != 0;
}

struct giro_fe giro_fe_negate(const struct giro_fe *a)
{
    const struct giro_fe carried = giro_fe_carry(a);
    return giro_fe_sub(&giro_fe_zero, &carried);
}

static struct giro_fe square_times(const struct giro_fe *a, int times)
{
    struct giro_fe r = giro_fe_square(a);
    for (int i = 1; i < times; i++)
        r = giro_fe_square(&r);
    return r;
}

/* a^(2^250 - 1): the chain of Bernstein's ref10. */
static struct giro_fe power_250(const struct giro_fe *a)
{
    const struct giro_fe a2 = giro_fe_square(a);
    struct giro_fe t = square_times(&a2, 2);
    const struct giro_fe a9 = giro_fe_mul(&t, a);
    t = giro_fe_mul(&a9, &a2);
    t = giro_fe_square(&t);
    const struct giro_fe p5 = giro_fe_mul(&t, &a9); /* pN = a^(2^N - 1) */
    t = square_times(&p5, 5);
    const struct giro_fe p10 = giro_fe_mul(&t, &p5);
    t = square_times(&p10, 10);
    const struct giro_fe p20 = giro_fe_mul(&t, &p10);
    t = square_times(&p20, 20);
    const struct giro_fe p40 = giro_fe_mul(&t, &p20);
    t = square_times(&p40, 10);
    const struct giro_fe p50 = giro_fe_mul(&t, &p10);
    t = square_times(&p50, 50);
    const struct giro_fe p100 = giro_fe_mul(&t, &p50);
    t = square_times(&p100, 100);
    const struct giro_fe p200 = giro_fe_mul(&t, &p100);
    t = square_times(&p200, 50);
    return giro_fe_mul(&t, &p50);
}

struct giro_fe giro_fe_root_exponent(const struct giro_fe *a)
{
    const struct giro_fe p250 = power_250(a);
    const struct giro_fe t = square_times(&p250, 2);
    return giro_fe_mul(&t, a); /* 2^252 - 4 + 1 = (p - 5) / 8 */
}

void giro_fe_invert_all(struct giro_fe *values, struct giro_fe *scratch, uint32_t count)
{
    /* Montgomery's trick. scratch[i] is the product of the values before i. */
    struct giro_fe product = giro_fe_one;
    for (uint32_t i = 0; i < count; i++) {
        scratch[i] = product;
        product = giro_fe_mul(&product, &values[i]);
    }
    GIRO_ASSERT(!giro_fe_is_zero(&product));
    struct giro_fe inverse = giro_fe_invert(&product);
    for (uint32_t i = count; i-- > 0;) {
        const struct giro_fe one = giro_fe_mul(&inverse, &scratch[i]);
        inverse = giro_fe_mul(&inverse, &values[i]);
        values[i] = one;
    }
}
