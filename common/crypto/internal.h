/* common/crypto/internal.h - the layout of a key ring, shared by ring.c, verify.c and the unit
 * tests; and what a variant of the verifier is.
 *
 * One block of memory: struct giro_key_ring | readers | key_count_max slots | map from key bytes to index |
 * key_count_max comb tables of -A (none at width 0 or where tables lie apart).
 */
#ifndef GIRO_CRYPTO_INTERNAL_H
#define GIRO_CRYPTO_INTERNAL_H

#include <stdatomic.h>

#include "giro/crypto.h"

#include "comb.h"

#define GIRO_KEY_RING_MAGIC UINT64_C(0x474e495259454b47)
#define GIRO_KEY_RING_MAX   (1u << 20)

/* Threads: verifying threads read key, generation and table; all else is the writer's. Key and table of a slot change only
 * while its generation is 0 and no thread that saw another is still verifying. */
struct giro_key_slot {
    struct giro_public_key key;
    _Atomic uint32_t
        generation;           /* what a handle must carry; 0, which none does: empty or retired */
    uint32_t generation_last; /* the last one given out */
    const struct giro_comb_entry *_Atomic table; /* NULL: libsodium judges its signatures */
    uint32_t next;                               /* in the list it is in; GIRO_NONE: the last */
    uint64_t grace; /* retired: the grace period after which it is free */
};

/* Who verifies right now. A batch counts itself under the phase it reads at its beginning. */
struct giro_key_readers {
    _Atomic uint32_t phase;
    uint8_t padding[GIRO_CACHE_LINE_BYTES - sizeof(uint32_t)];
    struct {
        _Atomic uint64_t count;
        uint8_t padding[GIRO_CACHE_LINE_BYTES - sizeof(uint64_t)];
    } active[2];
    _Atomic uint64_t judged; /* signatures, in lanes */
    uint8_t padding_judged[GIRO_CACHE_LINE_BYTES - sizeof(uint64_t)];
};
static_assert(sizeof(struct giro_key_readers) == 4 * GIRO_CACHE_LINE_BYTES, "a line each");

enum giro_key_grace { GIRO_KEY_GRACE_NONE, GIRO_KEY_GRACE_STRAGGLERS, GIRO_KEY_GRACE_PHASE };

struct giro_key_ring {
    uint64_t magic;
    uint32_t key_count_max;
    uint32_t table_width; /* 8, 6, 4; 0: no tables */
    struct giro_key_readers *readers;
    struct giro_key_slot *slots;
    struct giro_map *map;  /* the writer's: every key ever enrolled */
    uint8_t *tables;       /* NULL: they lie apart */
    uint32_t used_count;   /* slots that were ever given out */
    uint32_t free_head;    /* slots to use again */
    uint32_t retired_head, /* slots that wait for their grace period, oldest first */
        retired_tail;
    uint32_t retired_count;
    enum giro_key_grace grace;
    uint64_t grace_begun, grace_done; /* grace periods */
};

/* giro_key_ring_read_begin and _end stand around a batch; slots got between them keep key and table until the end. */
uint32_t giro_key_ring_read_begin(const struct giro_key_ring *ring);
void giro_key_ring_read_end(const struct giro_key_ring *ring, uint32_t phase);
/* giro_key_ring_judged numbers the signatures that all threads judge in lanes: the next `count` from what it returns. */
uint64_t giro_key_ring_judged(const struct giro_key_ring *ring, uint32_t count);
/* giro_key_ring_slot returns the slot of a live handle, NULL for an unknown or stale one. */
const struct giro_key_slot *giro_key_ring_slot(const struct giro_key_ring *ring,
                                               struct giro_key_handle handle);
static inline const struct giro_comb_entry *giro_key_slot_table(const struct giro_key_slot *slot)
{
    return atomic_load_explicit(&slot->table, memory_order_acquire);
}

/* giro_key_point_check is the part of enrolment that the key's bytes decide. */
enum giro_key_fault giro_key_point_check(const struct giro_public_key *key) GIRO_MUST_USE;
/* giro_key_possession_holds is the other part; both NULL: none is asked for. */
bool giro_key_possession_holds(const struct giro_public_key *key, const void *message,
                               size_t message_bytes,
                               const struct giro_signature *possession) GIRO_MUST_USE;

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

/* k = digest mod L, and the digits of S and k. hashes[i] belongs to jobs[i]; S stands behind R. */
typedef void giro_scalars_fn(struct giro_comb_job *jobs, const struct giro_hash_job *hashes,
                             uint32_t count, uint32_t key_width);
void giro_scalars_portable(struct giro_comb_job *jobs, const struct giro_hash_job *hashes,
                           uint32_t count, uint32_t key_width);
void giro_scalars_avx512(struct giro_comb_job *jobs, const struct giro_hash_job *hashes,
                         uint32_t count, uint32_t key_width);

/* The stages of a verification, in their order. */
struct giro_variant_ops {
    giro_hash_fn *hash;
    giro_scalars_fn *scalars;
    giro_comb_sum_fn *sum;
    giro_comb_encode_fn *encode;
};
/* giro_variant_ops is what giro_verify_batch runs; NULL while the variant is libsodium. */
const struct giro_variant_ops *giro_variant_ops(void);
/* giro_variant_start picks the variant: what GIRO_CRYPTO_VARIANT names, or the fastest there is. */
enum giro_err giro_variant_start(void) GIRO_MUST_USE;

#endif
