/* Random objects and random damage: whatever a decoder accepts has exactly the bytes it came from. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "wire_samples.h"

static uint64_t setting(const char *name, uint64_t fallback)
{
    const char *const text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 0) : fallback;
}

static void setup(void)
{
    cr_assert(giro_crypto_init() == GIRO_ERR_OK);
}

TestSuite(wire_property, .init = setup);

static uint8_t sample_bytes[WIRE_TEST_BYTES_MAX + 64];

/* damage flips bits, overwrites words with edge values, cuts, or lengthens. */
static size_t damage(struct giro_prng *prng, uint8_t *bytes, size_t size_bytes)
{
    static const uint64_t edges[] = {0,    1,      2,          3,          0x7F,      0x80,
                                     0xFF, 0xFFFF, 0x7FFFFFFF, UINT32_MAX, INT64_MAX, UINT64_MAX};
    const uint64_t times = 1 + giro_prng_below(prng, 4);
    for (uint64_t i = 0; i < times && size_bytes > 0; i++) {
        /* Headers are short and matter most: half of the damage goes to the first 256 bytes. */
        const size_t reach = giro_prng_chance(prng, 1, 2) && size_bytes > 256 ? 256 : size_bytes;
        const size_t at = giro_prng_below(prng, reach);
        switch (giro_prng_below(prng, 4)) {
        case 0:
            bytes[at] ^= (uint8_t)(1u << giro_prng_below(prng, 8));
            break;
        case 1: {
            const uint64_t value = edges[giro_prng_below(prng, sizeof(edges) / sizeof(edges[0]))];
            const size_t width = (size_t)1 << giro_prng_below(prng, 4);
            memcpy(bytes + at, &value, width < size_bytes - at ? width : size_bytes - at);
            break;
        }
        case 2:
            size_bytes = at;
            break;
        default:
            giro_prng_fill(prng, bytes + size_bytes, 8);
            size_bytes += 1 + giro_prng_below(prng, 8);
            break;
        }
    }
    return size_bytes;
}

Test(wire_property, random_objects_come_back_and_damaged_ones_never_crash)
{
    const uint64_t seed = setting("GIRO_SEED", 20261124);
    const uint64_t rounds = 400 * setting("GIRO_EFFORT", 1);
    struct giro_prng prng;
    uint64_t accepted = 0;
    giro_prng_init(&prng, seed);
    for (uint64_t round = 0; round < rounds; round++) {
        for (uint32_t i = 0; i < wire_sample_count; i++) {
            const struct wire_sample *const sample = &wire_samples[i];
            const uint32_t n =
                1 + (uint32_t)giro_prng_below(&prng, giro_prng_chance(&prng, 1, 8) ? 100 : 7);
            const size_t size_bytes = sample->make(n, &prng, sample_bytes);
            cr_assert(wire_roundtrip_hold(sample->kind, sample_bytes, size_bytes, n) ==
                          GIRO_REJECT_NONE,
                      "%s n=%u seed=%llu round=%llu", sample->name, n, (unsigned long long)seed,
                      (unsigned long long)round);
            for (uint32_t j = 0; j < 4; j++) {
                uint8_t *const copy = malloc(size_bytes + 64);
                memcpy(copy, sample_bytes, size_bytes);
                const size_t damaged_bytes = damage(&prng, copy, size_bytes);
                uint8_t *const exact = malloc(damaged_bytes + (damaged_bytes == 0));
                memcpy(exact, copy, damaged_bytes);
                accepted +=
                    wire_roundtrip_hold(sample->kind, exact, damaged_bytes, n) == GIRO_REJECT_NONE;
                free(exact);
                free(copy);
            }
        }
    }
    /* Damage to a signature or a free number is still a message: some must pass, or nothing was tested. */
    cr_assert(accepted > 0, "seed=%llu", (unsigned long long)seed);
}

Test(wire_property, noise_never_passes_for_a_message)
{
    const uint64_t seed = setting("GIRO_SEED", 20261124);
    struct giro_prng prng;
    giro_prng_init(&prng, seed);
    for (uint32_t round = 0; round < 2000; round++) {
        const uint16_t kind = wire_samples[round % wire_sample_count].kind;
        const size_t size_bytes = giro_prng_below(&prng, 600);
        giro_prng_fill(&prng, sample_bytes, size_bytes);
        cr_assert(wire_roundtrip_hold(kind, sample_bytes, size_bytes, 4) != GIRO_REJECT_NONE,
                  "seed=%llu round=%u", (unsigned long long)seed, round);
    }
}
