/* common/crypto/internal.h - the layout of a key ring, shared by ring.c, verify.c and the unit
 * tests; and what a variant of the verifier is.
 *
 * One block of memory: struct giro_key_ring | key_count_max slots | map from key bytes to index |
 * key_count_max comb tables of -A (none at width 0).
 * Offsets, not pointers, so the block may be mapped at different addresses.
 */
#ifndef GIRO_CRYPTO_INTERNAL_H
#define GIRO_CRYPTO_INTERNAL_H

#include "giro/crypto.h"

#include "comb.h"

#define GIRO_KEY_RING_MAGIC UINT64_C(0x474e495259454b47)
#define GIRO_KEY_RING_MAX   (1u << 20)

/* generation 0 is never valid, so a zeroed handle names nothing. */
struct giro_key_slot {
    struct giro_public_key key;
    uint32_t generation; /* what a live handle must carry */
    uint32_t live;       /* 1 enrolled, 0 empty or retired */
    uint32_t tabled;     /* 1 its table is filled, 0 libsodium judges its signatures */
};

struct giro_key_ring {
    uint64_t magic;
    uint32_t key_count_max;
    uint32_t key_count;   /* slots given out, retired ones included */
    uint32_t table_width; /* 8, 6, 4; 0: no tables */
    uint32_t reserved;
    uint64_t slots_offset;
    uint64_t map_offset;
    uint64_t tables_offset;
};

/* giro_key_ring_slot returns the slot of a live handle, NULL for an unknown or stale one. */
const struct giro_key_slot *giro_key_ring_slot(const struct giro_key_ring *ring,
                                               struct giro_key_handle handle);
/* giro_key_ring_table is the comb table of slot index; the ring has tables. */
const struct giro_comb_entry *giro_key_ring_table(const struct giro_key_ring *ring, uint32_t index);

/* giro_key_ring_place puts a key in the next slot without any check of it. Behind
 * giro_key_ring_enrol, and how the vector tests verify under keys that enrolment refuses. */
enum giro_key_fault giro_key_ring_place(struct giro_key_ring *ring,
                                        const struct giro_public_key *key,
                                        struct giro_key_handle *handle) GIRO_MUST_USE;

/* ---- Variants ---- */

/* SHA-512(R | A | M) of one signature. */
struct giro_hash_job {
    const uint8_t *r, *key, *message;
    size_t message_bytes;
    uint8_t digest[64];
};
typedef void giro_hash_fn(struct giro_hash_job *jobs, uint32_t count);
void giro_hash_portable(struct giro_hash_job *jobs, uint32_t count);
void giro_hash_avx512(struct giro_hash_job *jobs, uint32_t count);

struct giro_variant_ops {
    giro_comb_sum_fn *sum;
    giro_hash_fn *hash;
};
/* giro_variant_ops is what giro_verify_batch runs; NULL while the variant is libsodium. */
const struct giro_variant_ops *giro_variant_ops(void);
/* giro_variant_start picks the variant: what GIRO_CRYPTO_VARIANT names, or the fastest there is. */
enum giro_err giro_variant_start(void) GIRO_MUST_USE;

#endif
