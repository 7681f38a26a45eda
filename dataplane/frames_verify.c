/* Every member signature in a batch, in chunks: a replica acknowledges a peer's batch, and
 * replays its own, only if all of them hold. */
#include "giro/dataplane.h"

#include "frame_keys.h"

static_assert(VERIFY_CHUNK * GIRO_FRAME_MESSAGE_BYTES_MAX <= GIRO_FRAMES_VERIFY_SCRATCH,
              "the messages of a chunk fit the scratch");

struct chunk {
    struct giro_verify_item items[VERIFY_CHUNK * FRAME_KEYS_MAX];
    uint8_t verdicts[VERIFY_CHUNK * FRAME_KEYS_MAX];
    uint32_t item_count, frame_count;
};

static bool chunk_add(struct chunk *chunk, const struct giro_genesis *genesis,
                      const struct giro_frame *frame, uint8_t *scratch)
{
    GIRO_ASSERT(chunk->frame_count < VERIFY_CHUNK);
    uint8_t *message = scratch + (size_t)chunk->frame_count * GIRO_FRAME_MESSAGE_BYTES_MAX;
    size_t message_bytes = giro_frame_message(frame, &genesis->chain_id, message);
    GIRO_ASSERT(message_bytes <= GIRO_FRAME_MESSAGE_BYTES_MAX);
    uint32_t count = frame_items(genesis, frame, message, (uint32_t)message_bytes,
                                 &chunk->items[chunk->item_count]);
    chunk->item_count += count;
    chunk->frame_count++;
    return count > 0;
}

static bool chunk_verify(struct chunk *chunk, const struct giro_key_ring *ring)
{
    uint32_t count = chunk->item_count;
    chunk->item_count = chunk->frame_count = 0;
    return count == 0 || giro_verify_batch(ring, chunk->items, count, chunk->verdicts) == count;
}

bool giro_frames_verify(const struct giro_genesis *genesis, const struct giro_key_ring *ring,
                        const void *batch, size_t size_bytes, void *scratch)
{
    struct giro_batch_header header;
    if (giro_batch_decode(batch, size_bytes, genesis->chain_prefix, &header) != GIRO_REJECT_NONE)
        return false;
    struct chunk chunk = {.item_count = 0};
    struct giro_frame frame;
    uint32_t offset = GIRO_BATCH_FIRST, frame_count = 0;
    while (giro_batch_next(batch, size_bytes, genesis->chain_prefix, &offset, &frame)) {
        if (!chunk_add(&chunk, genesis, &frame, scratch))
            return false;
        if (chunk.frame_count == VERIFY_CHUNK && !chunk_verify(&chunk, ring))
            return false;
        frame_count++;
    }
    GIRO_ASSERT(frame_count == header.frame_count); /* decode walked the same frames */
    return chunk_verify(&chunk, ring);
}
