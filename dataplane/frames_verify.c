/* Every member signature and frame hash of a batch, in chunks: a replica acknowledges a peer's batch, and replays its own,
 * only if all signatures hold. */
#include "giro/dataplane.h"

#include "frame_keys.h"

static_assert(VERIFY_CHUNK * GIRO_FRAME_MESSAGE_BYTES_MAX <= GIRO_FRAMES_VERIFY_SCRATCH,
              "the messages of a chunk fit the scratch");

struct chunk {
    struct giro_verify_item items[VERIFY_CHUNK * FRAME_KEYS_MAX];
    uint8_t verdicts[VERIFY_CHUNK * FRAME_KEYS_MAX];
    struct giro_part messages[VERIFY_CHUNK];
    uint32_t item_count, frame_count;
};

static void chunk_add(struct chunk *chunk, const struct giro_genesis *genesis,
                      const struct giro_frame *frame, uint8_t *scratch)
{
    GIRO_ASSERT(chunk->frame_count < VERIFY_CHUNK);
    uint8_t *message = scratch + (size_t)chunk->frame_count * GIRO_FRAME_MESSAGE_BYTES_MAX;
    size_t message_bytes = giro_frame_message(frame, &genesis->chain_id, message);
    GIRO_ASSERT(message_bytes <= GIRO_FRAME_MESSAGE_BYTES_MAX);
    chunk->messages[chunk->frame_count++] = (struct giro_part){message, message_bytes};
}

/* The signatures the frame just added must carry; false if a key is not enrolled. */
static bool chunk_items_add(struct chunk *chunk, const struct giro_genesis *genesis,
                            const struct giro_frame *frame)
{
    const struct giro_part *message = &chunk->messages[chunk->frame_count - 1];
    uint32_t count = frame_items(genesis, frame, message->bytes, (uint32_t)message->size_bytes,
                                 &chunk->items[chunk->item_count]);
    chunk->item_count += count;
    return count > 0;
}

static bool chunk_verify(struct chunk *chunk, const struct giro_key_ring *ring)
{
    uint32_t count = chunk->item_count;
    chunk->item_count = 0;
    return count == 0 || giro_verify_batch(ring, chunk->items, count, chunk->verdicts) == count;
}

static struct giro_hash *chunk_hash(struct chunk *chunk, struct giro_hash *hashes)
{
    giro_sha256_many(chunk->messages, chunk->frame_count, hashes);
    hashes += chunk->frame_count;
    chunk->frame_count = 0;
    return hashes;
}

bool giro_frames_verify(const struct giro_genesis *genesis, const struct giro_key_ring *ring,
                        const void *batch, size_t size_bytes, void *scratch,
                        struct giro_hash *hashes)
{
    struct giro_batch_header header;
    if (giro_batch_decode(batch, size_bytes, genesis->chain_prefix, &header) != GIRO_REJECT_NONE)
        return false;
    struct chunk chunk = {.item_count = 0};
    struct giro_frame frame;
    uint32_t offset = GIRO_BATCH_FIRST, frame_count = 0;
    while (giro_batch_next(batch, size_bytes, genesis->chain_prefix, &offset, &frame)) {
        chunk_add(&chunk, genesis, &frame, scratch);
        if (!chunk_items_add(&chunk, genesis, &frame))
            return false;
        frame_count++;
        if (chunk.frame_count < VERIFY_CHUNK && frame_count < header.frame_count)
            continue;
        if (!chunk_verify(&chunk, ring))
            return false;
        hashes = chunk_hash(&chunk, hashes);
    }
    GIRO_ASSERT(frame_count == header.frame_count); /* decode walked the same frames */
    return true;
}

void giro_frames_hash(const struct giro_genesis *genesis, const void *batch, size_t size_bytes,
                      void *scratch, struct giro_hash *hashes)
{
    struct chunk chunk = {.item_count = 0};
    struct giro_frame frame;
    uint32_t offset = GIRO_BATCH_FIRST;
    while (giro_batch_next(batch, size_bytes, genesis->chain_prefix, &offset, &frame)) {
        chunk_add(&chunk, genesis, &frame, scratch);
        if (chunk.frame_count == VERIFY_CHUNK)
            hashes = chunk_hash(&chunk, hashes);
    }
    (void)chunk_hash(&chunk, hashes);
}
