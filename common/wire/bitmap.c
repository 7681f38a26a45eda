/* Signer bitmaps and 128-bit amounts: the two small types that several formats carry. */
#include "giro/wire.h"

static_assert(GIRO_REPLICAS_MAX <= GIRO_BITMAP_BYTES * 8, "every replica has a bit");
static_assert(GIRO_QUORUM_MAX == GIRO_REPLICAS_MAX - (GIRO_REPLICAS_MAX - 1) / 3,
              "room for the largest quorum");

bool giro_bitmap_has(const uint8_t bitmap[GIRO_BITMAP_BYTES], uint32_t index)
{
    GIRO_ASSERT(index < GIRO_BITMAP_BYTES * 8);
    return (bitmap[index / 8] >> (index % 8) & 1) != 0;
}

void giro_bitmap_set(uint8_t bitmap[GIRO_BITMAP_BYTES], uint32_t index)
{
    GIRO_ASSERT(index < GIRO_REPLICAS_MAX);
    bitmap[index / 8] = (uint8_t)(bitmap[index / 8] | 1u << (index % 8));
}

uint32_t giro_bitmap_count(const uint8_t bitmap[GIRO_BITMAP_BYTES])
{
    uint64_t words[GIRO_BITMAP_BYTES / 8];
    memcpy(words, bitmap, sizeof(words));
    return (uint32_t)(__builtin_popcountll(words[0]) + __builtin_popcountll(words[1]));
}

giro_i128 giro_amount128_get(struct giro_amount128 wire)
{
    return (giro_i128)((unsigned __int128)(uint64_t)wire.high << 64 | wire.low);
}

struct giro_amount128 giro_amount128_make(giro_i128 value)
{
    const unsigned __int128 bits = (unsigned __int128)value;
    return (struct giro_amount128){.low = (uint64_t)bits, .high = (int64_t)(uint64_t)(bits >> 64)};
}
