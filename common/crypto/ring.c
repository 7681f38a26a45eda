/* The key ring: handles, tables, and indices that are used again.
 *
 * One writer, any number of verifying threads, no lock. A retired slot is free after a grace period: every batch that began
 * before the retirement has ended. Batches count themselves under one of two phases (giro_key_readers). A period sees both
 * counts at zero: first that of the phase nobody joins any more but stragglers who read it long ago, then, with the phase
 * turned, the other. So it ends however busy the verifiers are. */
#include "internal.h"

/* ---- Layout ---- */

static struct giro_map_options map_options(uint32_t key_count_max)
{
    /* A fixed seed: keys come from the genesis file or governance, not from strangers at a rate. */
    return (struct giro_map_options){.capacity = GIRO_KEY_LIFETIMES * key_count_max,
                                     .key_bytes = GIRO_KEY_BYTES,
                                     .seed = GIRO_KEY_RING_MAGIC};
}

static size_t readers_offset(void)
{
    return giro_align_up(sizeof(struct giro_key_ring), GIRO_CACHE_LINE_BYTES);
}

static size_t slots_offset(void)
{
    return readers_offset() + sizeof(struct giro_key_readers);
}

static size_t map_offset(uint32_t key_count_max)
{
    return slots_offset() +
           giro_align_up(key_count_max * sizeof(struct giro_key_slot), GIRO_CACHE_LINE_BYTES);
}

static size_t tables_offset(uint32_t key_count_max)
{
    struct giro_map_options options = map_options(key_count_max);
    size_t map_bytes = giro_map_footprint(&options);
    GIRO_ASSERT(map_bytes != 0);
    return giro_align_up(map_offset(key_count_max) + map_bytes, GIRO_CACHE_LINE_BYTES);
}

size_t giro_key_ring_footprint_for(uint32_t key_count_max, uint32_t table_width)
{
    if (key_count_max == 0 || key_count_max > GIRO_KEY_RING_MAX)
        return 0;
    const size_t table_bytes = giro_key_table_bytes(table_width);
    if (table_bytes == 0 && table_width != 0)
        return 0;
    return tables_offset(key_count_max) + key_count_max * table_bytes;
}

size_t giro_key_ring_footprint(uint32_t key_count_max)
{
    return giro_key_ring_footprint_for(key_count_max,
                                       giro_key_table_width(key_count_max, GIRO_KEY_TABLES_BYTES));
}

struct giro_key_ring *giro_key_ring_init(void *mem, size_t size_bytes, uint32_t key_count_max)
{
    const size_t least_bytes = giro_key_ring_footprint_for(key_count_max, 0);
    if (mem == NULL || least_bytes == 0 || size_bytes < least_bytes)
        return NULL;
    GIRO_ASSERT((uintptr_t)mem % GIRO_CACHE_LINE_BYTES == 0);
    memset(mem, 0, map_offset(key_count_max));
    uint8_t *bytes = mem;
    struct giro_key_ring *ring = mem;
    ring->magic = GIRO_KEY_RING_MAGIC;
    ring->key_count_max = key_count_max;
    ring->table_width = giro_key_table_width(key_count_max, size_bytes - least_bytes);
    ring->readers = (struct giro_key_readers *)(bytes + readers_offset());
    ring->slots = (struct giro_key_slot *)(bytes + slots_offset());
    ring->tables = ring->table_width == 0 ? NULL : bytes + tables_offset(key_count_max);
    ring->free_head = GIRO_NONE;
    ring->retired_head = GIRO_NONE;
    ring->retired_tail = GIRO_NONE;
    struct giro_map_options options = map_options(key_count_max);
    ring->map = giro_map_init(bytes + map_offset(key_count_max),
                              tables_offset(key_count_max) - map_offset(key_count_max), &options);
    GIRO_ASSERT(ring->map != NULL);
    return ring;
}

struct giro_key_ring *giro_key_ring_init_apart(void *mem, size_t size_bytes, uint32_t key_count_max,
                                               uint32_t table_width)
{
    const size_t least_bytes = giro_key_ring_footprint_for(key_count_max, 0);
    if (size_bytes < least_bytes || giro_key_table_bytes(table_width) == 0)
        return NULL;
    struct giro_key_ring *ring = giro_key_ring_init(mem, least_bytes, key_count_max);
    if (ring != NULL)
        ring->table_width = table_width;
    return ring;
}

/* ---- Reading ---- */

/* Counting in before reading a generation, here, and zeroing a generation before reading a count, in retire and reclaim,
 * are one order for all threads (memory_order_seq_cst): a reader that the writer did not count sees the zero. */
uint32_t giro_key_ring_read_begin(const struct giro_key_ring *ring)
{
    GIRO_ASSERT(ring->magic == GIRO_KEY_RING_MAGIC);
    const uint32_t phase = atomic_load(&ring->readers->phase) & 1;
    atomic_fetch_add(&ring->readers->active[phase].count, 1);
    return phase;
}

void giro_key_ring_read_end(const struct giro_key_ring *ring, uint32_t phase)
{
    const uint64_t before = atomic_fetch_sub(&ring->readers->active[phase].count, 1);
    GIRO_ASSERT(before != 0);
}

uint64_t giro_key_ring_judged(const struct giro_key_ring *ring, uint32_t count)
{
    return atomic_fetch_add_explicit(&ring->readers->judged, count, memory_order_relaxed);
}

static struct giro_key_slot *slot_of(const struct giro_key_ring *ring,
                                     struct giro_key_handle handle)
{
    GIRO_ASSERT(ring->magic == GIRO_KEY_RING_MAGIC);
    if (handle.index >= ring->key_count_max || handle.generation == 0)
        return NULL;
    struct giro_key_slot *slot = &ring->slots[handle.index];
    return atomic_load(&slot->generation) == handle.generation ? slot : NULL;
}

const struct giro_key_slot *giro_key_ring_slot(const struct giro_key_ring *ring,
                                               struct giro_key_handle handle)
{
    return slot_of(ring, handle);
}

/* ---- Changing ---- */

/* An index that no thread reads, GIRO_NONE if there is none. */
static uint32_t index_take(struct giro_key_ring *ring)
{
    if (ring->used_count < ring->key_count_max)
        return ring->used_count++;
    (void)giro_key_ring_reclaim(ring);
    const uint32_t index = ring->free_head;
    if (index != GIRO_NONE)
        ring->free_head = ring->slots[index].next;
    return index;
}

enum giro_key_fault giro_key_ring_place(struct giro_key_ring *ring,
                                        const struct giro_public_key *key,
                                        struct giro_key_handle *handle)
{
    GIRO_ASSERT(ring->magic == GIRO_KEY_RING_MAGIC);
    /* Retired keys stay in the map: a key, once enrolled, is never enrolled again. */
    if (giro_map_get(ring->map, key->bytes) != GIRO_NONE)
        return GIRO_KEY_REPEATED;
    if (giro_map_count(ring->map) == GIRO_KEY_LIFETIMES * ring->key_count_max)
        return GIRO_KEY_MEMORY_FULL;
    const uint32_t index = index_take(ring);
    if (index == GIRO_NONE)
        return GIRO_KEY_RING_FULL;
    struct giro_key_slot *slot = &ring->slots[index];
    GIRO_ASSERT(atomic_load(&slot->generation) == 0);
    const bool put = giro_map_put(ring->map, key->bytes, index);
    GIRO_ASSERT(put);
    slot->key = *key;
    slot->generation_last++; /* cannot wrap: the map ends the ring's life long before */
    GIRO_ASSERT(slot->generation_last != 0);
    atomic_store(&slot->table, NULL);
    if (ring->tables != NULL) {
        uint8_t *table = ring->tables + index * giro_key_table_bytes(ring->table_width);
        if (giro_key_table_build(table, ring->table_width, key))
            atomic_store(&slot->table, (const struct giro_comb_entry *)table);
    }
    *handle = (struct giro_key_handle){.index = index, .generation = slot->generation_last};
    atomic_store(&slot->generation, slot->generation_last);
    return GIRO_KEY_OK;
}

enum giro_key_fault giro_key_ring_enrol(struct giro_key_ring *ring,
                                        const struct giro_public_key *key,
                                        const void *possession_message, size_t message_bytes,
                                        const struct giro_signature *possession,
                                        struct giro_key_handle *handle)
{
    enum giro_key_fault fault = giro_key_point_check(key);
    if (fault != GIRO_KEY_OK)
        return fault;
    if (!giro_key_possession_holds(key, possession_message, message_bytes, possession))
        return GIRO_KEY_NO_POSSESSION;
    return giro_key_ring_place(ring, key, handle);
}

bool giro_key_ring_attach(struct giro_key_ring *ring, struct giro_key_handle handle,
                          const void *table)
{
    GIRO_ASSERT(ring->table_width != 0);
    GIRO_ASSERT((uintptr_t)table % GIRO_CACHE_LINE_BYTES == 0);
    struct giro_key_slot *slot = slot_of(ring, handle);
    if (slot == NULL)
        return false;
    atomic_store_explicit(&slot->table, table, memory_order_release);
    return true;
}

bool giro_key_ring_retire(struct giro_key_ring *ring, struct giro_key_handle handle)
{
    /* Retiring twice, or by a stale handle, changes nothing. */
    struct giro_key_slot *slot = slot_of(ring, handle);
    if (slot == NULL)
        return false;
    atomic_store(&slot->generation, 0);
    slot->grace =
        ring->grace_begun + 1; /* the period under way, if any, may have counted already */
    slot->next = GIRO_NONE;
    if (ring->retired_head == GIRO_NONE)
        ring->retired_head = handle.index;
    else
        ring->slots[ring->retired_tail].next = handle.index;
    ring->retired_tail = handle.index;
    ring->retired_count++;
    (void)giro_key_ring_reclaim(ring);
    return true;
}

/* Takes the grace period as far as the verifiers let it; true when it is over. */
static bool grace_advance(struct giro_key_ring *ring)
{
    struct giro_key_readers *readers = ring->readers;
    uint32_t phase = atomic_load(&readers->phase);
    if (ring->grace == GIRO_KEY_GRACE_NONE) {
        ring->grace_begun++;
        ring->grace = GIRO_KEY_GRACE_STRAGGLERS;
    }
    if (atomic_load(&readers->active[~phase & 1].count) != 0)
        return false;
    if (ring->grace == GIRO_KEY_GRACE_STRAGGLERS) {
        atomic_store(&readers->phase, ++phase);
        ring->grace = GIRO_KEY_GRACE_PHASE;
        if (atomic_load(&readers->active[~phase & 1].count) != 0)
            return false;
    }
    ring->grace = GIRO_KEY_GRACE_NONE;
    ring->grace_done = ring->grace_begun;
    return true;
}

uint32_t giro_key_ring_reclaim(struct giro_key_ring *ring)
{
    GIRO_ASSERT(ring->magic == GIRO_KEY_RING_MAGIC);
    while (ring->retired_count > 0 && grace_advance(ring)) {
        while (ring->retired_head != GIRO_NONE &&
               ring->slots[ring->retired_head].grace <= ring->grace_done) {
            const uint32_t index = ring->retired_head;
            struct giro_key_slot *slot = &ring->slots[index];
            ring->retired_head = slot->next;
            atomic_store(&slot->table, NULL);
            slot->next = ring->free_head;
            ring->free_head = index;
            ring->retired_count--;
        }
    }
    return ring->retired_count;
}
