/* Layout: struct giro_map (one cache line), then slot_count slots of slot_bytes each. A slot is
 * value u32, hash u32, key. value GIRO_NONE marks an empty slot. The low 32 hash bits are stored so
 * that a removal finds each neighbour's home without hashing, and a lookup rejects most strangers
 * without comparing keys. */
#include <assert.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "giro/base.h"

#define MAGIC             UINT64_C(0x70616d6f72696721)
#define CAPACITY_MAX      (1u << 30)
#define KEY_BYTES_MAX     64u
#define SLOT_HEADER_BYTES 8u

struct giro_map {
    uint64_t magic;
    uint64_t seed;
    uint32_t capacity;
    uint32_t count;
    uint32_t key_bytes;
    uint32_t slot_bytes;
    uint32_t slot_mask; /* slot_count - 1; slot_count is a power of two >= 2 * capacity */
    uint8_t unused[28];
};
static_assert(sizeof(struct giro_map) == GIRO_CACHE_LINE_BYTES, "slots start on a cache line");

struct slot {
    uint32_t value;
    uint32_t hash;
    uint8_t key[];
};
static_assert(sizeof(struct slot) == SLOT_HEADER_BYTES, "no padding before the key");

static bool options_good(const struct giro_map_options *options)
{
    return options->capacity >= 1 && options->capacity <= CAPACITY_MAX && options->key_bytes >= 1 &&
           options->key_bytes <= KEY_BYTES_MAX;
}

static uint32_t slot_count_for(uint32_t capacity)
{
    uint32_t count = 2;
    while (count < 2 * capacity)
        count *= 2;
    return count;
}

static uint32_t slot_bytes_for(uint32_t key_bytes)
{
    return (uint32_t)giro_align_up(SLOT_HEADER_BYTES + key_bytes, 8);
}

static struct slot *slot_at(const struct giro_map *map, uint32_t index)
{
    return (struct slot *)((uintptr_t)map + sizeof *map + (size_t)index * map->slot_bytes);
}

/* The common key sizes get their own call so that the compiler sees a constant length. */
static uint32_t hash_of(const struct giro_map *map, const void *key)
{
    switch (map->key_bytes) {
    case 8:
        return (uint32_t)XXH3_64bits_withSeed(key, 8, map->seed);
    case 16:
        return (uint32_t)XXH3_64bits_withSeed(key, 16, map->seed);
    case 32:
        return (uint32_t)XXH3_64bits_withSeed(key, 32, map->seed);
    default:
        return (uint32_t)XXH3_64bits_withSeed(key, map->key_bytes, map->seed);
    }
}

static bool key_is(const struct giro_map *map, const struct slot *slot, const void *key)
{
    switch (map->key_bytes) {
    case 8:
        return memcmp(slot->key, key, 8) == 0;
    case 16:
        return memcmp(slot->key, key, 16) == 0;
    case 32:
        return memcmp(slot->key, key, 32) == 0;
    default:
        return memcmp(slot->key, key, map->key_bytes) == 0;
    }
}

/* find returns the slot that holds key, or the empty slot that ends its probe. It ends because at
 * least half of the slots are empty. */
static uint32_t find(const struct giro_map *map, const void *key, uint32_t hash)
{
    uint32_t index = hash & map->slot_mask;
    for (;;) {
        const struct slot *slot = slot_at(map, index);
        if (slot->value == GIRO_NONE)
            return index;
        if (slot->hash == hash && key_is(map, slot, key))
            return index;
        index = (index + 1) & map->slot_mask;
    }
}

size_t giro_map_footprint(const struct giro_map_options *options)
{
    if (!options_good(options))
        return 0;
    const size_t slots_bytes =
        (size_t)slot_count_for(options->capacity) * slot_bytes_for(options->key_bytes);
    return giro_align_up(sizeof(struct giro_map) + slots_bytes, GIRO_CACHE_LINE_BYTES);
}

struct giro_map *giro_map_init(void *mem, size_t size_bytes, const struct giro_map_options *options)
{
    const size_t footprint = giro_map_footprint(options);
    if (footprint == 0 || mem == NULL || size_bytes < footprint)
        return NULL;
    GIRO_ASSERT((uintptr_t)mem % GIRO_CACHE_LINE_BYTES == 0);
    struct giro_map *map = mem;
    *map = (struct giro_map){
        .magic = MAGIC,
        .seed = options->seed,
        .capacity = options->capacity,
        .key_bytes = options->key_bytes,
        .slot_bytes = slot_bytes_for(options->key_bytes),
        .slot_mask = slot_count_for(options->capacity) - 1,
    };
    giro_map_clear(map);
    return map;
}

uint32_t giro_map_get(const struct giro_map *map, const void *key)
{
    GIRO_ASSERT(map->magic == MAGIC);
    return slot_at(map, find(map, key, hash_of(map, key)))->value;
}

bool giro_map_put(struct giro_map *map, const void *key, uint32_t value)
{
    GIRO_ASSERT(map->magic == MAGIC);
    GIRO_ASSERT(value != GIRO_NONE);
    const uint32_t hash = hash_of(map, key);
    struct slot *slot = slot_at(map, find(map, key, hash));
    if (slot->value != GIRO_NONE) {
        slot->value = value;
        return true;
    }
    GIRO_ASSERT(map->count <= map->capacity);
    if (map->count == map->capacity)
        return false;
    slot->value = value;
    slot->hash = hash;
    memcpy(slot->key, key, map->key_bytes);
    map->count++;
    return true;
}

bool giro_map_remove(struct giro_map *map, const void *key)
{
    GIRO_ASSERT(map->magic == MAGIC);
    const uint32_t mask = map->slot_mask;
    uint32_t hole = find(map, key, hash_of(map, key));
    if (slot_at(map, hole)->value == GIRO_NONE)
        return false;
    GIRO_ASSERT(map->count >= 1);
    map->count--;
    /* Backward shift (Knuth 6.4 R): an element moves into the hole unless its home lies cyclically
     * after the hole, where the move would put it before its home. */
    for (uint32_t index = (hole + 1) & mask;; index = (index + 1) & mask) {
        const struct slot *slot = slot_at(map, index);
        if (slot->value == GIRO_NONE)
            break;
        const uint32_t from_home = (index - (slot->hash & mask)) & mask;
        const uint32_t from_hole = (index - hole) & mask;
        if (from_home >= from_hole) {
            memcpy(slot_at(map, hole), slot, map->slot_bytes);
            hole = index;
        }
    }
    memset(slot_at(map, hole), 0xff, map->slot_bytes);
    return true;
}

void giro_map_clear(struct giro_map *map)
{
    GIRO_ASSERT(map->magic == MAGIC);
    memset(slot_at(map, 0), 0xff, ((size_t)map->slot_mask + 1) * map->slot_bytes);
    map->count = 0;
}

uint32_t giro_map_count(const struct giro_map *map)
{
    GIRO_ASSERT(map->magic == MAGIC);
    return map->count;
}

void giro_map_check(const struct giro_map *map)
{
    GIRO_ASSERT(map->magic == MAGIC);
    GIRO_ASSERT(map->count <= map->capacity);
    GIRO_ASSERT(((map->slot_mask + 1) & map->slot_mask) == 0);
    GIRO_ASSERT(map->capacity <= (map->slot_mask + 1) / 2);
    uint32_t occupied = 0;
    for (uint32_t index = 0; index <= map->slot_mask; index++) {
        const struct slot *slot = slot_at(map, index);
        if (slot->value == GIRO_NONE)
            continue;
        occupied++;
        GIRO_ASSERT(slot->hash == hash_of(map, slot->key));
        /* No empty slot and no second copy of the key between home and here. */
        GIRO_ASSERT(find(map, slot->key, slot->hash) == index);
    }
    GIRO_ASSERT(occupied == map->count);
}
