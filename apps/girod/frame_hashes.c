#include "apps/girod/frame_hashes.h"

static uint32_t set_of(const struct giro_hash *batch_id)
{
    return batch_id->bytes[0] % GIRO_HASHES_SETS;
}

void giro_hashes_put(struct giro_hashes *hashes, const struct giro_hash *batch_id,
                     const struct giro_hash *frames, uint32_t frame_count)
{
    if (frame_count == 0 || frame_count > GIRO_HASHES_FRAMES ||
        giro_hashes_get(hashes, batch_id, frame_count) != NULL)
        return;
    uint32_t set = set_of(batch_id);
    struct giro_hashes_entry *entry = &hashes->entries[set][hashes->next[set]];
    hashes->next[set] = (uint8_t)((hashes->next[set] + 1u) % GIRO_HASHES_WAYS);
    entry->batch_id = *batch_id;
    entry->frame_count = frame_count;
    memcpy(entry->frames, frames, frame_count * sizeof(*frames));
}

const struct giro_hash *giro_hashes_get(const struct giro_hashes *hashes,
                                        const struct giro_hash *batch_id, uint32_t frame_count)
{
    uint32_t set = set_of(batch_id);
    for (uint32_t way = 0; way < GIRO_HASHES_WAYS; way++) {
        const struct giro_hashes_entry *entry = &hashes->entries[set][way];
        if (frame_count > 0 && entry->frame_count == frame_count &&
            giro_hash_equal(&entry->batch_id, batch_id))
            return entry->frames;
    }
    return NULL;
}
