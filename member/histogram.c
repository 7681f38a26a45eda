/* Latency buckets a quarter of an octave wide: 128 of them reach past an hour. */
#include "member/histogram.h"

#include "member/sender.h"

#define QUARTERS 4u

/* floor(4 * log2(us)), by comparing squares: us^4 against powers of two. */
static uint32_t bucket_of(uint64_t us)
{
    if (us < 2)
        return 0;
    uint32_t octave = 63u - (uint32_t)__builtin_clzll(us);
    /* How many quarters above the octave: 2^(1/4), 2^(1/2), 2^(3/4) in 16-bit fixed point. */
    static const uint64_t steps[3] = {77936, 92682, 110218};
    uint64_t mantissa = octave >= 16 ? us >> (octave - 16) : us << (16 - octave);
    uint32_t quarter = 0;
    while (quarter < 3 && mantissa >= steps[quarter])
        quarter++;
    uint32_t bucket = octave * QUARTERS + quarter;
    return bucket > 127 ? 127 : bucket;
}

void giro_histogram_add(uint64_t histogram[128], uint64_t latency_ns)
{
    histogram[bucket_of(latency_ns / 1000)]++;
}

/* The middle of a bucket, in microseconds. */
static uint64_t bucket_middle(uint32_t bucket)
{
    static const uint64_t middles[4] = {71468, 84990, 101071,
                                        120194}; /* 2^((2q+1)/8) in 16-bit fixed point */
    uint32_t octave = bucket / QUARTERS;
    uint64_t middle = middles[bucket % QUARTERS];
    return octave >= 16 ? middle << (octave - 16) : middle >> (16 - octave);
}

uint64_t giro_sender_quantile(const uint64_t histogram[128], uint32_t per_mille)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < 128; i++)
        total += histogram[i];
    uint64_t wanted = (total * per_mille + 999) / 1000;
    uint64_t seen = 0;
    for (uint32_t i = 0; i < 128; i++) {
        seen += histogram[i];
        if (seen >= wanted && seen > 0)
            return bucket_middle(i);
    }
    return 0;
}
