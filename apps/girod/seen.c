#include "apps/girod/seen.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

static uint64_t key_of(const struct giro_seen *seen, const struct giro_frame *frame)
{
    return XXH3_64bits_withSeed(frame->bytes, frame->size_bytes, seen->seed);
}

void giro_seen_note(struct giro_seen *seen, uint64_t now_ns, const struct giro_frame *frame)
{
    uint64_t key = key_of(seen, frame);
    seen->slots[key % GIRO_SEEN_SLOTS] = (struct giro_seen_slot){.key = key, .at_ns = now_ns};
}

void giro_seen_note_batch(struct giro_seen *seen, uint64_t now_ns, const uint8_t *batch,
                          uint32_t size_bytes, uint64_t chain_prefix)
{
    struct giro_frame frame;
    uint32_t offset = GIRO_BATCH_FIRST;
    while (giro_batch_next(batch, size_bytes, chain_prefix, &offset, &frame))
        giro_seen_note(seen, now_ns, &frame);
}

bool giro_seen_lately(const struct giro_seen *seen, uint64_t now_ns, const struct giro_frame *frame)
{
    uint64_t key = key_of(seen, frame);
    const struct giro_seen_slot *slot = &seen->slots[key % GIRO_SEEN_SLOTS];
    return slot->key == key && slot->at_ns != 0 && now_ns < slot->at_ns + GIRO_SEEN_NS;
}
