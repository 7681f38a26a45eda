/* The set of accepted payments' references: a ring of entries in ledger order, cut into segments
 * that are evicted whole, and a hash table of indices into it (open addressing, linear probing,
 * backward-shift deletion). The table is local: its seed and order never reach the root. It hashes the UETR alone, not sender and
 * kind, so that a payment can be found by its UETR: one cold access a payment serves both. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "internal.h"

#define PREFETCH_AHEAD 16u

/* One segment more than asked for, so that at least uetr_retained_entries are kept while one fills.
 */
uint32_t giro_uetr_segments(const struct giro_genesis *genesis)
{
    return (genesis->uetr_retained_entries + GIRO_UETR_SEGMENT - 1) / GIRO_UETR_SEGMENT + 1;
}

/* Load at most 4/7: one segment above a power of two must not double the table. */
uint32_t giro_uetr_slots(const struct giro_genesis *genesis)
{
    uint64_t entries = (uint64_t)giro_uetr_segments(genesis) * GIRO_UETR_SEGMENT;
    uint64_t slots = 4;
    while (slots * 4 < entries * 7)
        slots *= 2;
    GIRO_ASSERT(slots <= UINT32_MAX);
    return (uint32_t)slots;
}

uint32_t giro_uetr_hash(const struct giro_uetr_set *set, const struct giro_uetr_key *key)
{
    return (uint32_t)XXH3_64bits_withSeed(key->uetr, sizeof(key->uetr), set->seed);
}

void giro_uetr_prefetch(const struct giro_uetr_set *set, uint32_t hash)
{
    __builtin_prefetch(&set->slots[hash & set->slot_mask], 1);
}

bool giro_uetr_has(const struct giro_uetr_set *set, const struct giro_uetr_key *key, uint32_t hash)
{
    for (uint32_t i = hash & set->slot_mask; set->slots[i].place != 0;
         i = (i + 1) & set->slot_mask) {
        if (set->slots[i].hash == hash &&
            memcmp(&set->entries[set->slots[i].place - 1].key, key, sizeof(*key)) == 0)
            return true;
    }
    return false;
}

static void table_insert(struct giro_uetr_set *set, uint32_t hash, uint32_t entry_index)
{
    GIRO_ASSERT(set->count < set->segment_count * GIRO_UETR_SEGMENT);
    uint32_t i = hash & set->slot_mask;
    while (set->slots[i].place != 0)
        i = (i + 1) & set->slot_mask;
    set->slots[i] = (struct giro_uetr_slot){.hash = hash, .place = entry_index + 1};
    set->count++;
}

static void table_remove(struct giro_uetr_set *set, uint32_t hash, uint32_t entry_index)
{
    uint32_t i = hash & set->slot_mask;
    while (set->slots[i].place != entry_index + 1) {
        GIRO_ASSERT(set->slots[i].place != 0);
        i = (i + 1) & set->slot_mask;
    }
    /* Pull back each follower whose home is not between the hole and its own slot. */
    for (uint32_t j = (i + 1) & set->slot_mask; set->slots[j].place != 0;
         j = (j + 1) & set->slot_mask) {
        uint32_t home = set->slots[j].hash & set->slot_mask;
        if (((j - home) & set->slot_mask) >= ((j - i) & set->slot_mask)) {
            set->slots[i] = set->slots[j];
            i = j;
        }
    }
    set->slots[i].place = 0;
    set->count--;
}

uint32_t giro_uetr_segment_fill(const struct giro_uetr_set *set, uint64_t segment)
{
    GIRO_ASSERT(segment >= set->head && segment <= set->open);
    return segment == set->open ? set->open_count : GIRO_UETR_SEGMENT;
}

static void evict_head(struct giro_uetr_set *set)
{
    uint32_t fill = giro_uetr_segment_fill(set, set->head);
    uint32_t place = (uint32_t)(set->head % set->segment_count);
    uint32_t first = place * GIRO_UETR_SEGMENT;
    uint32_t hashes[GIRO_UETR_SEGMENT];
    for (uint32_t i = 0; i < fill; i++)
        hashes[i] = giro_uetr_hash(set, &set->entries[first + i].key);
    for (uint32_t i = 0; i < fill; i++) {
        if (i + PREFETCH_AHEAD < fill)
            giro_uetr_prefetch(set, hashes[i + PREFETCH_AHEAD]);
        table_remove(set, hashes[i], first + i);
    }
    set->digests[place] = giro_hash_zero;
    set->group_dirty[place / GIRO_UETR_GROUP] = 1;
    set->dirty = true;
    if (set->head == set->open) {
        set->open++;
        set->open_count = 0;
    }
    set->head++;
    if (set->dirty_from < set->head)
        set->dirty_from = set->head;
}

void giro_uetr_add(struct giro_uetr_set *set, const struct giro_uetr_key *key, uint32_t hash,
                   uint32_t day, const struct giro_uetr_place *place)
{
    if (set->open_count == GIRO_UETR_SEGMENT) {
        if (set->open + 1 - set->head == set->segment_count)
            evict_head(set);
        if (set->open_count == GIRO_UETR_SEGMENT) { /* else the one segment there is was evicted */
            set->open++;
            set->open_count = 0;
        }
    }
    uint32_t segment = (uint32_t)(set->open % set->segment_count);
    uint32_t index = segment * GIRO_UETR_SEGMENT + set->open_count++;
    set->entries[index] = (struct giro_uetr_entry){.key = *key, .day = day};
    set->places[index] = *place;
    table_insert(set, hash, index);
    set->dirty = true;
}

bool giro_uetr_index(struct giro_uetr_set *set)
{
    for (uint64_t segment = set->head; segment <= set->open; segment++) {
        uint32_t first = (uint32_t)(segment % set->segment_count) * GIRO_UETR_SEGMENT;
        uint32_t fill = giro_uetr_segment_fill(set, segment);
        for (uint32_t i = first; i < first + fill; i++) {
            const struct giro_uetr_key *key = &set->entries[i].key;
            uint32_t hash = giro_uetr_hash(set, key);
            if (giro_uetr_has(set, key, hash))
                return false;
            table_insert(set, hash, i);
        }
    }
    set->dirty = true;
    set->dirty_from = set->head;
    return true;
}

bool giro_settlement_find(const struct giro_settlement *settlement, const uint8_t uetr[16],
                          struct giro_found *found)
{
    const struct giro_uetr_set *set = &settlement->uetrs;
    struct giro_uetr_key key = {.kind = 0};
    memcpy(key.uetr, uetr, sizeof(key.uetr));
    uint32_t hash = giro_uetr_hash(set, &key);
    found->height = UINT64_MAX;
    for (uint32_t i = hash & set->slot_mask; set->slots[i].place != 0;
         i = (i + 1) & set->slot_mask) {
        uint32_t index = set->slots[i].place - 1;
        const struct giro_uetr_place *place = &set->places[index];
        bool same = set->slots[i].hash == hash &&
                    memcmp(set->entries[index].key.uetr, uetr, sizeof(key.uetr)) == 0;
        bool earlier = place->height < found->height ||
                       (place->height == found->height && place->leaf_index < found->leaf_index);
        if (same && place->height != 0 && earlier)
            *found = (struct giro_found){.height = place->height,
                                         .leaf_index = place->leaf_index,
                                         .record = place->record,
                                         .debtor = set->entries[index].key.member,
                                         .creditor = place->creditor};
    }
    return found->height != UINT64_MAX;
}

void giro_uetr_day(struct giro_uetr_set *set, uint32_t day)
{
    while (giro_uetr_segment_fill(set, set->head) > 0) {
        uint32_t newest = (uint32_t)(set->head % set->segment_count) * GIRO_UETR_SEGMENT +
                          giro_uetr_segment_fill(set, set->head) - 1;
        if (day - set->entries[newest].day <= set->retained_days)
            break;
        evict_head(set);
    }
}

void giro_uetr_check(const struct giro_uetr_set *set)
{
    uint32_t count = 0;
    GIRO_ASSERT(set->open - set->head < set->segment_count);
    for (uint64_t segment = set->head; segment <= set->open; segment++) {
        uint32_t fill = giro_uetr_segment_fill(set, segment);
        uint32_t first = (uint32_t)(segment % set->segment_count) * GIRO_UETR_SEGMENT;
        GIRO_ASSERT(fill <= GIRO_UETR_SEGMENT);
        for (uint32_t i = first; i < first + fill; i++) {
            const struct giro_uetr_key *key = &set->entries[i].key;
            GIRO_ASSERT(giro_uetr_has(set, key, giro_uetr_hash(set, key)));
            GIRO_ASSERT(i == first || set->entries[i].day >= set->entries[i - 1].day);
        }
        count += fill;
    }
    GIRO_ASSERT(count == set->count);
    uint32_t places = 0;
    for (uint32_t i = 0; i <= set->slot_mask; i++)
        places += set->slots[i].place != 0;
    GIRO_ASSERT(places == set->count);
}
