/* Points of the curve -x^2 + y^2 = 1 + d x^2 y^2 in plain C: decoding, encoding, and the addition of a table entry. */
#include "comb.h"

static const struct giro_fe curve_d = {
    {929955233495203, 466365720129213, 1662059464998953, 2033849074728123, 1442794654840575}};
static const struct giro_fe root_of_minus_one = {
    {1718705420411056, 234908883556509, 2233514472574048, 2117202627021982, 765476049583133}};

const struct giro_point giro_point_neutral = {
    .x = {{0}}, .y = {{1, 0, 0, 0, 0}}, .z = {{1, 0, 0, 0, 0}}, .t = {{0}}};

/* x from y: x^2 = u / v with u = y^2 - 1, v = d y^2 + 1; RFC 8032 section 5.1.3. */
static bool root_of_ratio(struct giro_fe *x, const struct giro_fe *u, const struct giro_fe *v)
{
    struct giro_fe t = giro_fe_square(v);
    const struct giro_fe v3 = giro_fe_mul(&t, v);
    t = giro_fe_square(&v3);
    t = giro_fe_mul(&t, v);
    t = giro_fe_mul(&t, u); /* u v^7 */
    t = giro_fe_root_exponent(&t);
    t = giro_fe_mul(&t, &v3);
    *x = giro_fe_mul(&t, u); /* u v^3 (u v^7)^((p - 5) / 8) */
    t = giro_fe_square(x);
    const struct giro_fe vx2 = giro_fe_mul(&t, v);
    const struct giro_fe u_carried = giro_fe_carry(u);
    const struct giro_fe difference = giro_fe_sub(&vx2, &u_carried);
    if (giro_fe_is_zero(&difference))
        return true;
    const struct giro_fe sum = giro_fe_add(&vx2, &u_carried);
    if (!giro_fe_is_zero(&sum))
        return false;
    *x = giro_fe_mul(x, &root_of_minus_one);
    return true;
}

bool giro_point_decode(struct giro_point *point, const uint8_t bytes[32])
{
    point->y = giro_fe_from_bytes(bytes);
    point->z = giro_fe_one;
    const struct giro_fe y2 = giro_fe_square(&point->y);
    const struct giro_fe dy2 = giro_fe_mul(&y2, &curve_d);
    const struct giro_fe u = giro_fe_sub(&y2, &giro_fe_one), v = giro_fe_add(&dy2, &giro_fe_one);
    if (!root_of_ratio(&point->x, &u, &v))
        return false;
    if (giro_fe_is_odd(&point->x) != (bytes[31] >= 0x80)) {
        const struct giro_fe negative = giro_fe_negate(&point->x);
        point->x = giro_fe_carry(&negative);
    }
    point->t = giro_fe_mul(&point->x, &point->y);
    return true;
}

/* y^2 - x^2 = 1 + d x^2 y^2 */
static bool on_curve(const struct giro_fe *x, const struct giro_fe *y)
{
    const struct giro_fe x2 = giro_fe_square(x), y2 = giro_fe_square(y);
    struct giro_fe t = giro_fe_mul(&x2, &y2);
    t = giro_fe_mul(&t, &curve_d);
    struct giro_fe difference = giro_fe_sub(&y2, &x2);
    difference = giro_fe_sub(&difference, &t);
    difference = giro_fe_sub(&difference, &giro_fe_one);
    return giro_fe_is_zero(&difference);
}

bool giro_point_encode(const struct giro_point *point, uint8_t bytes[32])
{
    const struct giro_fe inverse = giro_fe_invert(&point->z);
    const struct giro_fe x = giro_fe_mul(&point->x, &inverse), y = giro_fe_mul(&point->y, &inverse);
    giro_fe_to_bytes(&y, bytes);
    bytes[31] |= (uint8_t)(giro_fe_is_odd(&x) << 7);
    return on_curve(&x, &y);
}

struct giro_point giro_point_base(void)
{
    uint8_t encoded[32];
    memset(encoded, 0x66, sizeof(encoded)); /* y = 4/5, x even */
    encoded[0] = 0x58;
    struct giro_point base;
    const bool decoded = giro_point_decode(&base, encoded);
    GIRO_ASSERT(decoded);
    return base;
}

void giro_point_negate(struct giro_point *point)
{
    const struct giro_fe x = giro_fe_negate(&point->x), t = giro_fe_negate(&point->t);
    point->x = giro_fe_carry(&x);
    point->t = giro_fe_carry(&t);
}

/* The complete mixed addition for a = -1 (Hisil and others 2008, section 3.1): seven multiplications, correct for every
 * pair of points of the curve, equal and neutral ones included. */
void giro_point_add_entry(struct giro_point *point, const struct giro_comb_entry *entry,
                          bool negative)
{
    /* Chosen by index: a digit's sign is a coin toss, and a branch on it would be mispredicted every other time. */
    const struct giro_fe *minus_plus[2] = {&entry->difference, &entry->sum};
    const struct giro_fe *minus = minus_plus[negative], *plus = minus_plus[!negative];
    const struct giro_fe y_minus_x = giro_fe_sub(&point->y, &point->x);
    const struct giro_fe y_plus_x = giro_fe_add(&point->y, &point->x);
    const struct giro_fe a = giro_fe_mul(&y_minus_x, minus);
    const struct giro_fe b = giro_fe_mul(&y_plus_x, plus);
    const struct giro_fe c = giro_fe_mul(&point->t, &entry->product);
    const struct giro_fe d = giro_fe_add(&point->z, &point->z);
    const struct giro_fe e = giro_fe_sub(&b, &a), h = giro_fe_add(&b, &a);
    const struct giro_fe d_c[2] = {giro_fe_sub(&d, &c), giro_fe_add(&d, &c)};
    const struct giro_fe *f = &d_c[negative], *g = &d_c[!negative];
    point->x = giro_fe_mul(&e, f);
    point->y = giro_fe_mul(g, &h);
    point->z = giro_fe_mul(f, g);
    point->t = giro_fe_mul(&e, &h);
}
