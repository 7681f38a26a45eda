/* consensus/batches_internal.h - what batches.c, batches_proof.c and batches_fetch.c share.
 *
 * Slots hold bodies, proofs hold encoded proofs of availability; both are found by batch id through a map and kept in
 * order of arrival by a list of indices. A slot is "normal" (arrived from its author, or made here, or recovered; at most
 * batches_max, by author quota) or "fetched" (asked for by giro_batches_want; at most GIRO_FETCHED_MAX, so a committed
 * block's bodies always find room however full the pool is). */
#ifndef GIRO_CONSENSUS_BATCHES_INTERNAL_H
#define GIRO_CONSENSUS_BATCHES_INTERNAL_H

#include "consensus/batches.h"
#include "consensus/patience.h"

#define GIRO_FETCHED_MAX          GIRO_BLOCK_REFERENCES_MAX
#define GIRO_WANTS_MAX            (GIRO_BLOCK_REFERENCES_MAX * GIRO_CERTIFIED_LAG_MAX)
#define GIRO_REPEATS_PER_SLOT     256u /* repeated frames that cost an author a slot */
#define GIRO_EXECUTED_MAX         65536u
#define GIRO_BATCH_RESEND_NS      (100u * 1000000ull)
#define GIRO_BATCH_RESEND_MAX_NS  (3200u * 1000000ull)
#define GIRO_FETCH_RETRY_NS       (50u * 1000000ull)
#define GIRO_FETCH_RETRY_MAX_NS   (1000u * 1000000ull)
#define GIRO_FETCHED_LEFT_OVER_NS (10u * GIRO_NS_PER_S) /* a fetched body nobody came for */
#define GIRO_RESEND_SINGLE_MAX    4u                    /* up to here one by one, else to all */

enum giro_slot_state {
    GIRO_SLOT_FREE = 0,
    GIRO_SLOT_VERIFYING, /* the caller reads the bytes until VERDICT: not to be reused */
    GIRO_SLOT_LOGGED,    /* a BATCH record was written (log_sequence) or recovered (0) */
};

struct giro_batch_slot {
    struct giro_hash id;
    struct giro_batch_header header;
    enum giro_slot_state state;
    uint64_t log_sequence;
    uint64_t expiry_ns;  /* block time until which we promised to keep it */
    uint64_t arrived_ns; /* monotonic; of own ones: when their body was first sent */
    bool own;            /* made by this replica, now or before a restart */
    bool fetched;
    bool pinned;    /* handed to execution: stays until giro_batches_executed */
    bool doomed;    /* executed while VERIFYING: freed by the verdict */
    bool waiting;   /* in the waiting list: an acknowledgement is due */
    bool proved;    /* a proof of it is in the pool */
    bool announced; /* AVAILABLE was said */
    bool disputed;  /* our verdict was invalid though a proof exists: we do not vouch for it */
    /* Own batches: acknowledgements collected, and when to send body or proof again. */
    uint64_t resend_ns, resend_delay_ns;
    bool repeated; /* the body was sent again */
    uint32_t ack_count;
    uint8_t acked[GIRO_BITMAP_BYTES];   /* voters in the collection */
    uint8_t checked[GIRO_BITMAP_BYTES]; /* of those: signature known to be valid */
    uint8_t refused[GIRO_BITMAP_BYTES]; /* sent a bad signature: ignored for this batch */
};

struct giro_proof_entry {
    struct giro_batch_reference reference;
    uint32_t size_bytes;
    bool used;
    bool own; /* of an own batch: does not count against the peers' share of the pool */
};

struct giro_batch_want {
    struct giro_batch_reference reference;
    uint8_t signers[GIRO_BITMAP_BYTES];
    uint32_t asked_count;
    uint32_t cursor;                    /* next replica to consider */
    uint16_t asked;                     /* whom last, GIRO_PEER_ALL = nobody yet */
    uint8_t refused[GIRO_BITMAP_BYTES]; /* who said NOT_FOUND */
    uint64_t asked_ns, retry_ns, retry_delay_ns;
};

struct giro_executed_entry {
    struct giro_hash id;
    uint64_t expiry_ns;   /* by the local clock: different at each replica */
    uint64_t executed_ns; /* time of the block that carried it, 0 = that block is under way */
};

/* Replicated: an image names the batches executed within two times to live before its block. */
static inline bool giro_executed_in_image(const struct giro_executed_entry *entry, uint64_t ttl_ns,
                                          uint64_t block_ns)
{
    return entry->executed_ns + 2 * ttl_ns >= block_ns;
}

struct giro_index_link {
    uint32_t previous, next;
};
struct giro_index_list {
    uint32_t head, tail;
    struct giro_index_link *links;
};

struct giro_batches {
    struct giro_env *env;
    uint64_t chain_prefix;
    uint64_t sequence_next;   /* of own batches */
    uint64_t wake_ns;         /* never later than the next timer */
    uint64_t committed_ns;    /* highest block time given to giro_batches_expire */
    uint64_t forgotten_ns;    /* block time of the last executed batch that is remembered no more */
    uint64_t expiry_floor_ns; /* nothing in the pools expires before this */
    struct giro_patience proving; /* from sending a body to its proof */
    struct giro_patience asking;  /* from asking for a body to its coming */
    bool started;
    bool ripe; /* a proof could not be made for want of room in the action list */

    uint32_t slot_count, proof_count, normal_max;
    uint32_t guaranteed; /* slots every author may use, whatever the others do */
    uint32_t shared_max; /* the rest, first come first served */

    struct giro_batch_slot *slots;
    uint8_t *bodies; /* slot_count x GIRO_BATCH_BYTES_MAX */
    uint32_t *slots_free;
    uint32_t slots_free_count;
    struct giro_map *slot_map;
    struct giro_index_list arrival; /* all slots in use, oldest first */
    struct giro_index_list waiting; /* slots whose acknowledgement is due, durable ones first */
    uint32_t *author_count;         /* normal slots per author */
    uint32_t *author_debt;          /* repeated frames not yet made good by new ones */
    uint32_t normal_count, shared_count, fetched_count, own_count, own_unproved_count;
    struct giro_batch_ack *acks; /* slot_count x replica_count */

    struct giro_proof_entry *proofs;
    uint8_t *proof_bytes; /* proof_count x proof_bytes_max */
    uint32_t proof_bytes_max;
    uint32_t *proofs_free;
    uint32_t proofs_free_count;
    struct giro_map *proof_map;
    struct giro_index_list proof_order; /* oldest first: the order of giro_batches_pick */
    uint32_t proof_foreign_count, proof_foreign_max;

    struct giro_executed_entry *executed; /* ring */
    uint32_t executed_head, executed_count, executed_max;
    struct giro_map *executed_map;

    struct giro_batch_want *wants; /* first come first served */
    uint32_t want_count;

    /* Scratch of one verification, replica_count each. */
    struct giro_batch_ack *check_acks;
    struct giro_verify_item *check_items;
    uint8_t *check_messages;
    uint8_t *check_verdicts;
};

/* Lists of indices. */
void giro_index_list_init(struct giro_index_list *list, struct giro_index_link *links);
void giro_index_list_push_back(struct giro_index_list *list, uint32_t index);
void giro_index_list_push_front(struct giro_index_list *list, uint32_t index);
void giro_index_list_remove(struct giro_index_list *list, uint32_t index);
void giro_index_list_check(const struct giro_index_list *list, uint32_t count);

/* batches.c */
uint32_t giro_batches_slot_find(const struct giro_batches *batches, const struct giro_hash *id);
uint8_t *giro_batches_slot_bytes(const struct giro_batches *batches, uint32_t slot);
void giro_batches_slot_log(struct giro_batches *batches, uint32_t slot);
bool giro_batches_slot_durable(const struct giro_batches *batches, uint32_t slot);
struct giro_batch_reference giro_batches_slot_reference(const struct giro_batches *batches,
                                                        uint32_t slot, uint64_t expiry_ns);
/* giro_batches_slot_make takes a free slot, copies header and bytes, and files it; the caller checked quota or credit. */
uint32_t giro_batches_slot_make(struct giro_batches *batches, const struct giro_hash *id,
                                const struct giro_batch_header *header, const uint8_t *bytes,
                                bool fetched);
void giro_batches_slot_free(struct giro_batches *batches, uint32_t slot);
void giro_batches_arm(struct giro_batches *batches, uint64_t at_ns);

/* batches_proof.c */
void giro_batches_ack_flush(struct giro_batches *batches);
void giro_batches_ack_due(struct giro_batches *batches, uint32_t slot);
void giro_batches_acks_forget(struct giro_batches *batches, uint32_t slot);
void giro_batches_acks_refresh(struct giro_batches *batches, uint32_t slot);
void giro_batches_proof_make(struct giro_batches *batches, uint32_t slot);
void giro_batches_proof_recover(struct giro_batches *batches, const uint8_t *body,
                                uint32_t body_bytes);
void giro_batches_proof_send(struct giro_batches *batches, uint32_t slot);
void giro_batches_proof_free(struct giro_batches *batches, uint32_t proof);
/* giro_batches_proof_orphan: the own slot goes, its proof moves to the peers' share of the pool, or goes too. */
void giro_batches_proof_orphan(struct giro_batches *batches, uint32_t slot);
void giro_batches_proofs_check(const struct giro_batches *batches);

/* batches_fetch.c */
bool giro_batches_wanted(const struct giro_batches *batches, const struct giro_hash *id);
void giro_batches_unwant(struct giro_batches *batches, const struct giro_hash *id);
void giro_batches_fetch_take(struct giro_batches *batches, const struct giro_hash *id,
                             const struct giro_batch_header *header, const uint8_t *bytes);
void giro_batches_fetch_tick(struct giro_batches *batches);

#endif
