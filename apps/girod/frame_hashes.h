/* apps/girod/frame_hashes.h - the frame hashes of batches, kept from verification (or from the proof of an own batch) until
 * execution, so that no replica hashes a batch's records twice. Internal to girod.
 *
 * Model: a cache of fixed size, keyed by batch id, which covers every byte of the batch. What is not found is hashed again.
 * Threads: one. */
#ifndef GIRO_APPS_FRAME_HASHES_H
#define GIRO_APPS_FRAME_HASHES_H

#include "giro/crypto.h"

#define GIRO_HASHES_SETS   128u
#define GIRO_HASHES_WAYS   4u
#define GIRO_HASHES_FRAMES 512u /* batches of more are not kept */

/* Zero-filled memory is an empty cache. */
struct giro_hashes_entry {
    struct giro_hash batch_id;
    uint32_t frame_count; /* 0: empty */
    struct giro_hash frames[GIRO_HASHES_FRAMES];
};
struct giro_hashes {
    struct giro_hashes_entry entries[GIRO_HASHES_SETS][GIRO_HASHES_WAYS];
    uint8_t next[GIRO_HASHES_SETS]; /* the way that goes next */
};

/* giro_hashes_put keeps the hashes of a batch's frame_count frames; the oldest of its set goes. */
void giro_hashes_put(struct giro_hashes *hashes, const struct giro_hash *batch_id,
                     const struct giro_hash *frames, uint32_t frame_count);
/* giro_hashes_get returns them, NULL if they are not kept. Valid until the next put. */
const struct giro_hash *giro_hashes_get(const struct giro_hashes *hashes,
                                        const struct giro_hash *batch_id, uint32_t frame_count);

#endif
