/* common/crypto/internal.h - the layout of a key ring, shared by ring.c, verify.c and the unit
 * tests.
 *
 * One block of memory: struct giro_key_ring | key_count_max slots | map from key bytes to index.
 * Offsets, not pointers, so the block may be mapped at different addresses.
 */
#ifndef GIRO_CRYPTO_INTERNAL_H
#define GIRO_CRYPTO_INTERNAL_H

#include "giro/crypto.h"

#define GIRO_KEY_RING_MAGIC UINT64_C(0x474e495259454b47)
#define GIRO_KEY_RING_MAX   (1u << 20)

/* generation 0 is never valid, so a zeroed handle names nothing. */
struct giro_key_slot {
    struct giro_public_key key;
    uint32_t generation; /* what a live handle must carry */
    uint32_t live;       /* 1 enrolled, 0 empty or retired */
};

struct giro_key_ring {
    uint64_t magic;
    uint32_t key_count_max;
    uint32_t key_count; /* slots given out, retired ones included */
    uint64_t slots_offset;
    uint64_t map_offset;
};

/* giro_key_ring_slot returns the slot of a live handle, NULL for an unknown or stale one. */
const struct giro_key_slot *giro_key_ring_slot(const struct giro_key_ring *ring,
                                               struct giro_key_handle handle);

/* giro_key_ring_place puts a key in the next slot without any check of it. Behind
 * giro_key_ring_enrol, and how the vector tests verify under keys that enrolment refuses. */
enum giro_key_fault giro_key_ring_place(struct giro_key_ring *ring,
                                        const struct giro_public_key *key,
                                        struct giro_key_handle *handle) GIRO_MUST_USE;

#endif
