#include "node_index.h"

static struct giro_map_options map_options(uint32_t max, uint64_t seed)
{
    return (struct giro_map_options){.capacity = max, .key_bytes = GIRO_HASH_BYTES, .seed = seed};
}

size_t giro_index_footprint(uint32_t max)
{
    struct giro_map_options options = map_options(max, 0);
    size_t map_bytes = giro_map_footprint(&options);
    if (map_bytes == 0)
        return 0;
    return map_bytes + giro_align_up(max * sizeof(struct giro_index_entry), 64) +
           giro_align_up(max * sizeof(struct giro_index_height), 64);
}

void giro_index_init(struct giro_index *index, void *mem, uint32_t max, uint64_t seed)
{
    struct giro_map_options options = map_options(max, seed);
    size_t map_bytes = giro_map_footprint(&options);
    uint8_t *at = mem;
    memset(index, 0, sizeof *index);
    index->max = max;
    index->map = giro_map_init(at, map_bytes, &options);
    GIRO_ASSERT(index->map != NULL);
    at += map_bytes;
    index->entries = (struct giro_index_entry *)at;
    at += giro_align_up(max * sizeof(struct giro_index_entry), 64);
    index->heights = (struct giro_index_height *)at;
    memset(index->heights, 0, max * sizeof(struct giro_index_height));
}

const struct giro_index_entry *giro_index_entry(const struct giro_index *index, uint64_t number)
{
    if (number >= index->count || index->count - number > index->max)
        return NULL;
    return &index->entries[number % index->max];
}

uint64_t giro_index_find(const struct giro_index *index, const struct giro_hash *id)
{
    uint32_t place = giro_map_get(index->map, id);
    if (place == GIRO_NONE)
        return GIRO_INDEX_NONE;
    /* The newest number that has this place: a map entry never outlives its entry. */
    uint64_t last = index->count - 1;
    uint64_t back = (last % index->max + index->max - place) % index->max;
    return last - back;
}

static void entry_add(struct giro_index *index, const struct giro_index_entry *entry)
{
    uint64_t known = giro_index_find(index, &entry->id);
    if (known != GIRO_INDEX_NONE) {
        /* Logged again after it was forgotten in memory: the same bytes, one place is enough. */
        return;
    }
    uint32_t place = (uint32_t)(index->count % index->max);
    if (index->count >= index->max) {
        bool removed = giro_map_remove(index->map, &index->entries[place].id);
        GIRO_ASSERT(removed);
    }
    index->entries[place] = *entry;
    index->count++;
    bool put = giro_map_put(index->map, &entry->id, place);
    GIRO_ASSERT(put);
}

/* The place of a height, emptied when an older height has it. NULL: a newer one has it. */
static struct giro_index_height *height_take(struct giro_index *index, uint64_t height)
{
    struct giro_index_height *slot = &index->heights[height % index->max];
    if (slot->height > height)
        return NULL;
    if (slot->height != height)
        *slot = (struct giro_index_height){.height = height, .block = GIRO_INDEX_NONE};
    return slot;
}

void giro_index_record(struct giro_index *index, uint16_t kind, const struct giro_hash *key,
                       const struct giro_part *body, struct giro_log_position position)
{
    struct giro_index_entry entry = {.id = *key, .position = position, .parent = GIRO_INDEX_NONE};
    if (kind == GIRO_LOG_BATCH_RECORD) {
        entry_add(index, &entry);
    } else if (kind == GIRO_LOG_BLOCK_RECORD) {
        struct giro_proposal_header header;
        if (body->size_bytes < sizeof header)
            return;
        memcpy(&header, body->bytes, sizeof header);
        entry.height = header.block.height;
        entry.parent = giro_index_find(index, &header.block.parent_id);
        entry_add(index, &entry);
    } else if (kind == GIRO_LOG_CERTIFICATE_RECORD) {
        struct giro_commit_body commit;
        if (body->size_bytes < sizeof commit)
            return;
        memcpy(&commit, body->bytes, sizeof commit);
        struct giro_index_height *slot =
            commit.height > 0 ? height_take(index, commit.height) : NULL;
        if (slot != NULL)
            slot->certificate = position;
    }
}

void giro_index_committed(struct giro_index *index, uint64_t height, const struct giro_hash *id)
{
    struct giro_index_height *slot = height_take(index, height);
    if (slot != NULL)
        slot->block = giro_index_find(index, id);
}

uint64_t giro_index_at_height(const struct giro_index *index, uint64_t height)
{
    const struct giro_index_height *slot = &index->heights[height % index->max];
    return height > 0 && slot->height == height ? slot->block : GIRO_INDEX_NONE;
}

const struct giro_log_position *giro_index_certificate(const struct giro_index *index,
                                                       uint64_t height)
{
    const struct giro_index_height *slot = &index->heights[height % index->max];
    if (height == 0 || slot->height != height || slot->certificate.generation == 0)
        return NULL;
    return &slot->certificate;
}

void giro_index_check(const struct giro_index *index)
{
    uint64_t there = index->count < index->max ? index->count : index->max;
    giro_map_check(index->map);
    GIRO_ASSERT(giro_map_count(index->map) == there);
    for (uint64_t number = index->count - there; number < index->count; number++)
        GIRO_ASSERT(giro_index_find(index, &index->entries[number % index->max].id) == number);
}
