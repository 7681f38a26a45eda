/* apps/girod/replica.h - one replica without sockets, clock or files of its own: node (consensus, safety, log) with the books,
 * the windows and the receipts as its executor. girod and the simulator run this same object code.
 *
 * Model: sans IO. The owner hands in peer messages, verified frames and time; the replica calls back for what leaves.
 * State root of a height = SHA-256(tag STATE_ROOT | height 8 | settlement root | windows digest | ledger chain), where
 * ledger chain = SHA-256(tag STATE_PART | previous ledger chain | ledger root): so every certificate covers all leaves before.
 * Threads: one.
 */
#ifndef GIRO_APPS_REPLICA_H
#define GIRO_APPS_REPLICA_H

#include "apps/girod/details_files.h"
#include "apps/girod/stages.h"
#include "giro/dataplane.h"
#include "giro/node.h"
#include "giro/recon.h"
#include "giro/sys.h"

/* What became of a frame, for the member that sent it to this replica. */
struct giro_answer {
    struct giro_endpoint to;
    uint16_t member;
    struct giro_receipt_item item;
    uint32_t run_count;
    struct giro_receipt_run runs[GIRO_FRAME_RECORDS_MAX];
};
struct giro_replica_callbacks {
    void *context;
    void (*send)(void *context, uint16_t peer, const struct giro_part *parts, uint32_t part_count);
    void (*answer)(void *context, const struct giro_answer *answer);
    /* journal: a certified window of a member, see giro_windows_sink. Comes again after a restart, from the image on; after an
     * image was fetched from peers, windows in between never come. */
    void (*journal)(void *context, uint16_t member, uint16_t business_date, const void *bytes,
                    uint32_t size_bytes);
    /* ledger_block: an executed block's leaves, encoded (giro/wire/store.h); heights in order, again after a restart, from
     * behind the image on; after an image was fetched from peers there is a gap. */
    void (*ledger_block)(void *context, uint64_t height, const void *bytes, size_t size_bytes);
    void (*certificate)(void *context, const struct giro_certificate *certificate);
    /* details: a frame with sealed details was executed; in ledger order, again after a restart as ledger_block. May be NULL. */
    void (*details)(void *context, const struct giro_details_executed *executed);
    /* restored: the state is an image's, of that height and business date; what comes next is behind it. May be NULL. */
    void (*restored)(void *context, uint64_t height, uint16_t business_date);
    /* leaf: read back a frame leaf's preimage of an earlier block (for repeats); returns its size, 0 if not to be had. */
    uint32_t (*leaf)(void *context, uint64_t height, uint32_t leaf_index, uint8_t *out,
                     uint32_t out_bytes);
    void (*evidence)(void *context, const struct giro_action *evidence);
    void (*halted)(void *context, const char *reason, uint64_t height);
    /* files_synced: true when what journal, ledger_block, certificate and details were told so far for heights up to this one survives a
     * power loss; false: not yet, it is asked again. May be NULL: always. */
    bool (*files_synced)(void *context, uint64_t height);
    /* stage: work of another kind begins; returns the kind before, which is named again at its end. May be NULL. */
    enum giro_stage (*stage)(void *context, enum giro_stage stage);
};
struct giro_replica_options {
    const struct giro_genesis *genesis; /* enrolled into ring */
    const struct giro_key_ring *ring;
    uint32_t self;
    struct giro_secret_key *vote_key, *batch_key;
    uint8_t window_secret[32];
    struct giro_disk *disk;
    uint64_t segment_bytes, log_buffer_bytes;
    uint32_t batches_max, blocks_max;
    uint32_t pending_max;    /* frames of own members between arrival and certificate */
    uint32_t entries_max;    /* bookings held until certified */
    uint32_t uetr_index_max; /* refused payments that giro_replica_find knows */
    uint32_t index_max;      /* blocks and batches that peers can be served from disk; 0 = 2^20 */
    uint64_t seed;           /* fresh random: hash seeds, HELLO nonce, log checksums */
    struct giro_recorder recorder;    /* sees every step of the core; event NULL: none */
    bool huge_pages;                  /* ask for them: where a process has one replica */
    struct giro_crash_marker *marker; /* told of every frame before it is executed; may be NULL */
    bool trust_batches; /* tools that replay what a quorum has verified: no signature checks */
    struct giro_replica_callbacks callbacks;
};
struct giro_replica;
/* giro_replica_consensus_options fills what the core of a replica of this hub is made with: all but batch_key, nonce, limits
 * and map_seed. keys is filled, and borrowed for the core's life. A replay makes the same. */
struct giro_replica_keys {
    struct giro_key_handle vote[GIRO_REPLICAS_MAX], batch[GIRO_REPLICAS_MAX];
};
struct giro_consensus_options giro_replica_consensus_options(const struct giro_genesis *genesis,
                                                             const struct giro_key_ring *ring,
                                                             uint32_t self,
                                                             struct giro_replica_keys *keys);
/* giro_replica_new maps its memory (anonymous mmap, zero-filled, sized from the options); NULL: out of memory or bad options.
 * Nothing is allocated after it returns. */
struct giro_replica *giro_replica_new(const struct giro_replica_options *options);
void giro_replica_free(struct giro_replica *replica);
enum giro_err giro_replica_start(struct giro_replica *replica, uint64_t now_ns, uint64_t wall_ns,
                                 void (*wait)(void *context), void *wait_context) GIRO_MUST_USE;
void giro_replica_message(struct giro_replica *replica, uint64_t now_ns, uint64_t wall_ns,
                          uint16_t sender, const void *bytes, uint32_t size_bytes);
/* giro_replica_batch is giro_replica_message for a message whose batch was checked elsewhere: checked says what
 * giro_frames_verify found out about the batch with this id; of any other it is checked here. */
struct giro_batch_checked {
    struct giro_hash batch_id;
    bool valid;
    const struct giro_hash *frame_hashes; /* undefined if not valid */
};
void giro_replica_batch(struct giro_replica *replica, uint64_t now_ns, uint64_t wall_ns,
                        uint16_t sender, const void *bytes, uint32_t size_bytes,
                        const struct giro_batch_checked *checked);
/* giro_replica_frame takes one verified frame; its answers go to `from`. FULL: back-pressure, hand it in again later. */
enum giro_err giro_replica_frame(struct giro_replica *replica, uint64_t now_ns,
                                 const struct giro_frame *frame, const struct giro_hash *hash,
                                 const struct giro_endpoint *from) GIRO_MUST_USE;
/* giro_replica_poll cuts a batch when it is time (at once if no own batch is in flight, else full or 2 ms old), takes disk
 * completions, ticks. An error is final. */
enum giro_err giro_replica_poll(struct giro_replica *replica, uint64_t now_ns,
                                uint64_t wall_ns) GIRO_MUST_USE;
uint64_t giro_replica_next_ns(const struct giro_replica *replica);

/* giro_replica_find: where a UETR was executed: its acceptance (giro_settlement_find), else its first refusal; false if
 * unknown here (not replicated state: a local index). */
bool giro_replica_find(const struct giro_replica *replica, const uint8_t uetr[16],
                       struct giro_found *found);
struct giro_replica_status {
    struct giro_consensus_status consensus;
    uint64_t frames, records, blocks, windows, log_bytes;
    uint32_t pending;
    uint16_t business_date;
    struct giro_legs legs;
    struct giro_node_images_status images;
};
void giro_replica_status(const struct giro_replica *replica, struct giro_replica_status *status);
void giro_replica_peer_rejects(const struct giro_replica *replica, uint32_t peer,
                               uint64_t rejects[GIRO_REJECT_COUNT_OF_REASONS]);
/* giro_replica_alarms, giro_replica_halt, _halt_message, _peer_halted: as those of giro_node. */
void giro_replica_alarms(const struct giro_replica *replica, struct giro_node_alarms *alarms);
const struct giro_halt *giro_replica_halt(const struct giro_replica *replica);
void giro_replica_halt_message(const struct giro_replica *replica,
                               uint8_t out[GIRO_HALT_MESSAGE_BYTES]);
uint64_t giro_replica_peer_halted(const struct giro_replica *replica, uint32_t peer);
/* giro_replica_evidence: as giro_consensus_evidence. */
uint32_t giro_replica_evidence(const struct giro_replica *replica, uint32_t offender,
                               struct giro_part records[GIRO_EVIDENCE_PER_REPLICA]);
const struct giro_settlement *giro_replica_settlement(const struct giro_replica *replica);
/* The roots of the last executed height (tests, simulator). */
void giro_replica_roots(const struct giro_replica *replica, uint64_t *height,
                        struct giro_hash *state_root, struct giro_hash *ledger_root);
void giro_replica_check(const struct giro_replica *replica);

#endif
