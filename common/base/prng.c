#include "giro/base.h"

static uint64_t rotate_left(uint64_t value, unsigned bits)
{
    return (value << bits) | (value >> (64 - bits));
}

void giro_prng_init(struct giro_prng *prng, uint64_t seed)
{
    for (size_t i = 0; i < 4; i++) {
        seed += UINT64_C(0x9e3779b97f4a7c15);
        uint64_t z = seed;
        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        prng->s[i] = z ^ (z >> 31);
    }
}

uint64_t giro_prng_next(struct giro_prng *prng)
{
    uint64_t *s = prng->s;
    const uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    const uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t giro_prng_below(struct giro_prng *prng, uint64_t bound)
{
    GIRO_ASSERT(bound >= 1);
    unsigned __int128 product = (unsigned __int128)giro_prng_next(prng) * bound;
    if ((uint64_t)product < bound) {
        const uint64_t threshold = -bound % bound;
        while ((uint64_t)product < threshold)
            product = (unsigned __int128)giro_prng_next(prng) * bound;
    }
    return (uint64_t)(product >> 64);
}

bool giro_prng_chance(struct giro_prng *prng, uint64_t part, uint64_t whole)
{
    GIRO_ASSERT(whole >= 1);
    return giro_prng_below(prng, whole) < part;
}

void giro_prng_fill(struct giro_prng *prng, void *bytes, size_t size_bytes)
{
    uint8_t *out = bytes;
    while (size_bytes > 0) {
        uint64_t word = giro_prng_next(prng);
        for (size_t i = 0; i < 8 && size_bytes > 0; i++, size_bytes--) {
            *out++ = (uint8_t)word;
            word >>= 8;
        }
    }
}
