/* The field's arithmetic against a slow reference: bytes, schoolbook, no limbs. Extreme limbs first. */
#include <stdlib.h>

#include <criterion/criterion.h>

#include "common/crypto/comb.h"
#include "crypto_support.h"

TestSuite(crypto_field, .init = crypto_suite_open, .fini = crypto_suite_close);

/* An integer below 2^512, then reduced: little-endian bytes. */
struct slow {
    uint32_t digit[72];
};

static void slow_carry(struct slow *a)
{
    for (int i = 0; i + 1 < 72; i++) {
        a->digit[i + 1] += a->digit[i] >> 8;
        a->digit[i] &= 0xff;
    }
}

/* 2^256 = 38 mod p, until 32 bytes are left; then p is taken away while it fits. */
static void slow_reduce(struct slow *a)
{
    for (int pass = 0; pass < 4; pass++) {
        for (int i = 32; i < 72; i++) {
            a->digit[i - 32] += 38 * a->digit[i];
            a->digit[i] = 0;
        }
        slow_carry(a);
    }
    for (;;) {
        struct slow less = *a;
        less.digit[0] += 19; /* a >= p exactly when a + 19 >= 2^255 */
        slow_carry(&less);
        if (less.digit[31] < 0x80 && less.digit[32] == 0)
            return;
        if (less.digit[31] >= 0x80)
            less.digit[31] -= 0x80;
        else
            less.digit[31] += 0x80, less.digit[32] -= 1;
        *a = less;
    }
}

static struct slow slow_of(const uint64_t limbs[5])
{
    struct slow a = {{0}};
    for (int i = 0; i < 5; i++) {
        for (int bit = 0; bit < 64; bit++) {
            const int at = 51 * i + bit;
            a.digit[at / 8] += (uint32_t)((limbs[i] >> bit) & 1) << (at % 8);
        }
    }
    slow_carry(&a);
    slow_reduce(&a);
    return a;
}

static struct slow slow_mul(const struct slow *a, const struct slow *b)
{
    struct slow r = {{0}};
    for (int i = 0; i < 32; i++) {
        for (int j = 0; j < 32; j++)
            r.digit[i + j] += a->digit[i] * b->digit[j];
    }
    slow_carry(&r);
    slow_reduce(&r);
    return r;
}

static bool slow_equal(const struct slow *a, const struct slow *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

/* Limbs up to `max` - 1: the ends of the range more often than what lies between. */
static uint64_t limb_draw(struct giro_prng *prng, uint64_t max)
{
    switch (giro_prng_below(prng, 6)) {
    case 0:
        return max - 1;
    case 1:
        return 0;
    case 2:
        return GIRO_FE_MASK - giro_prng_below(prng, 20);
    case 3:
        return max - 1 - giro_prng_below(prng, 1u << 14);
    default:
        return giro_prng_below(prng, max);
    }
}

static struct giro_fe fe_draw(struct giro_prng *prng, uint64_t max)
{
    struct giro_fe a;
    for (int i = 0; i < 5; i++)
        a.v[i] = limb_draw(prng, max);
    return a;
}

static void fe_hold(const struct giro_fe *a, const struct slow *expected, const char *what,
                    uint32_t round)
{
    uint8_t bytes[32];
    giro_fe_to_bytes(a, bytes);
    for (int i = 0; i < 32; i++)
        cr_assert(bytes[i] == expected->digit[i], "%s round %u byte %d", what, round, i);
    const struct giro_fe back = giro_fe_from_bytes(bytes);
    const struct giro_fe canonical = giro_fe_canonical(a);
    cr_assert(memcmp(&back, &canonical, sizeof(back)) == 0, "%s round %u", what, round);
}

static void carried_hold(const struct giro_fe *a, uint32_t round)
{
    for (int i = 0; i < 5; i++)
        cr_assert(a->v[i] < GIRO_FE_CARRIED_MAX, "round %u limb %d", round, i);
}

Test(crypto_field, products_squares_sums_agree_with_the_slow_reference)
{
    uint64_t seed = crypto_seed();
    struct giro_prng prng;
    giro_prng_init(&prng, seed);
    for (uint32_t round = 0; round < 3000; round++) {
        /* all limbs at their largest first */
        const struct giro_fe a =
            round == 0 ? (struct giro_fe){{GIRO_FE_LOOSE_MAX - 1, GIRO_FE_LOOSE_MAX - 1,
                                           GIRO_FE_LOOSE_MAX - 1, GIRO_FE_LOOSE_MAX - 1,
                                           GIRO_FE_LOOSE_MAX - 1}}
                       : fe_draw(&prng, GIRO_FE_LOOSE_MAX);
        const struct giro_fe b = round == 0 ? a : fe_draw(&prng, GIRO_FE_LOOSE_MAX);
        const struct slow slow_a = slow_of(a.v), slow_b = slow_of(b.v);
        fe_hold(&a, &slow_a, "value", round);
        struct slow expected = slow_mul(&slow_a, &slow_b);
        const struct giro_fe product = giro_fe_mul(&a, &b);
        carried_hold(&product, round);
        fe_hold(&product, &expected, "product", round);
        expected = slow_mul(&slow_a, &slow_a);
        const struct giro_fe square = giro_fe_square(&a);
        carried_hold(&square, round);
        fe_hold(&square, &expected, "square", round);
        const struct giro_fe c = giro_fe_carry(&b), difference = giro_fe_sub(&c, &product);
        const struct giro_fe again = giro_fe_add(&difference, &product);
        fe_hold(&again, &slow_b, "difference and sum", round);
    }
}

Test(crypto_field, the_multiples_of_p_and_their_neighbours_are_reduced)
{
    for (uint64_t times = 0; times <= 3; times++) {
        for (int offset = -2; offset <= 20; offset++) {
            struct giro_fe a = {{times * (GIRO_FE_MASK - 18), times * GIRO_FE_MASK,
                                 times * GIRO_FE_MASK, times * GIRO_FE_MASK, times * GIRO_FE_MASK}};
            if (times == 0 && offset < 0)
                continue;
            a.v[0] += (uint64_t)(int64_t)offset;
            const struct slow expected = slow_of(a.v);
            fe_hold(&a, &expected, "neighbour of a multiple of p", (uint32_t)times);
            cr_assert(giro_fe_is_zero(&a) == (offset == 0), "%lu p + %d", times, offset);
        }
    }
}

Test(crypto_field, an_inverse_times_its_value_is_one)
{
    uint64_t seed = crypto_seed();
    struct giro_prng prng;
    giro_prng_init(&prng, seed);
    struct giro_fe values[40], inverses[40], scratch[40];
    for (uint32_t i = 0; i < 40; i++) {
        values[i] = fe_draw(&prng, GIRO_FE_LOOSE_MAX);
        inverses[i] = values[i];
    }
    for (uint32_t count = 1; count <= 40; count++) {
        memcpy(inverses, values, sizeof(values));
        giro_fe_invert_all(inverses, scratch, count);
        for (uint32_t i = 0; i < count; i++) {
            struct giro_fe product = giro_fe_mul(&values[i], &inverses[i]);
            product = giro_fe_sub(&product, &giro_fe_one);
            cr_assert(giro_fe_is_zero(&product), "seed %lu count %u value %u", seed, count, i);
        }
    }
    const struct giro_fe nothing = giro_fe_invert(&giro_fe_zero);
    cr_assert(giro_fe_is_zero(&nothing));
}

/* a^(p - 2) = (a^((p - 5) / 8))^8 a^3: another way to the inverse. */
static void inverse_hold(const struct giro_fe *a, const char *what, uint64_t number)
{
    struct giro_fe power = giro_fe_root_exponent(a);
    for (int i = 0; i < 3; i++)
        power = giro_fe_square(&power);
    for (int i = 0; i < 3; i++)
        power = giro_fe_mul(&power, a);
    const struct giro_fe inverse = giro_fe_invert(a);
    uint8_t expected[32], found[32];
    giro_fe_to_bytes(&power, expected);
    giro_fe_to_bytes(&inverse, found);
    cr_assert(memcmp(found, expected, 32) == 0, "%s %lu", what, number);
    for (int i = 0; i < 5; i++)
        cr_assert(inverse.v[i] <= GIRO_FE_MASK, "%s %lu", what, number);
}

Test(crypto_field, division_steps_invert_as_the_power_does)
{
    const uint64_t seed = crypto_seed();
    struct giro_prng prng;
    giro_prng_init(&prng, seed);
    for (uint32_t bit = 0; bit < 255; bit++) { /* 2^bit, its neighbours, and the negative of each */
        for (uint64_t offset = 0; offset < 3; offset++) {
            struct giro_fe a = {{0}};
            a.v[bit / 51] = UINT64_C(1) << bit % 51;
            a = giro_fe_sub(&a, &giro_fe_one);
            a.v[0] += offset;
            inverse_hold(&a, "near bit", bit);
            a = giro_fe_negate(&a);
            inverse_hold(&a, "negative near bit", bit);
        }
    }
    for (uint64_t small = 0; small < 2000; small++) {
        struct giro_fe a = {{small}};
        inverse_hold(&a, "small", small);
    }
    const char *effort = getenv("GIRO_EFFORT");
    const uint64_t rounds = 50000 * (effort != NULL ? strtoull(effort, NULL, 0) : 1);
    for (uint64_t round = 0; round < rounds; round++) {
        const struct giro_fe a = fe_draw(&prng, GIRO_FE_LOOSE_MAX);
        inverse_hold(&a, "drawn", round);
    }
}

Test(crypto_field, eight_lanes_multiply_as_the_slow_reference)
{
    if (!giro_crypto_variant_there(GIRO_VARIANT_AVX512))
        cr_skip("SKIPPED: this processor has no AVX-512 IFMA");
    uint64_t seed = crypto_seed();
    struct giro_prng prng;
    giro_prng_init(&prng, seed);
    const uint64_t max = (UINT64_C(1) << 51) + (UINT64_C(1) << 14); /* what a factor may have */
    for (uint32_t round = 0; round < 500; round++) {
        uint64_t a[5][8], b[5][8], r[5][8];
        for (int i = 0; i < 5; i++) {
            for (int l = 0; l < 8; l++) {
                a[i][l] = round == 0 ? max - 1 : limb_draw(&prng, max);
                b[i][l] = round == 0 ? max - 1 : limb_draw(&prng, max);
            }
        }
        giro_field8_mul(r, a, b);
        for (int l = 0; l < 8; l++) {
            uint64_t limbs[3][5];
            for (int i = 0; i < 5; i++) {
                limbs[0][i] = a[i][l];
                limbs[1][i] = b[i][l];
                limbs[2][i] = r[i][l];
                cr_assert(r[i][l] < max, "seed %lu round %u lane %d", seed, round, l);
            }
            const struct slow x = slow_of(limbs[0]), y = slow_of(limbs[1]),
                              found = slow_of(limbs[2]);
            const struct slow expected = slow_mul(&x, &y);
            cr_assert(slow_equal(&found, &expected), "seed %lu round %u lane %d", seed, round, l);
        }
    }
}

Test(crypto_field, four_lanes_multiply_as_the_slow_reference)
{
    if (!giro_crypto_variant_there(GIRO_VARIANT_AVX2))
        cr_skip("SKIPPED: this processor has no AVX2");
    uint64_t seed = crypto_seed();
    struct giro_prng prng;
    giro_prng_init(&prng, seed);
    const uint64_t max = (UINT64_C(1) << 51) + (UINT64_C(1) << 41); /* what a factor may have */
    for (uint32_t round = 0; round < 500; round++) {
        struct giro_fe a[4], b[4], r[4];
        for (int l = 0; l < 4; l++) {
            for (int i = 0; i < 5; i++) {
                a[l].v[i] = round == 0 ? max - 1 : limb_draw(&prng, max);
                b[l].v[i] = round == 0 ? max - 1 : limb_draw(&prng, max);
            }
        }
        giro_field4_mul(r, a, b);
        for (int l = 0; l < 4; l++) {
            const struct slow x = slow_of(a[l].v), y = slow_of(b[l].v), found = slow_of(r[l].v);
            const struct slow expected = slow_mul(&x, &y);
            cr_assert(slow_equal(&found, &expected), "seed %lu round %u lane %d", seed, round, l);
        }
    }
}
