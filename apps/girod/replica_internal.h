/* apps/girod/replica_internal.h - the replica, for replica.c and replica_image.c. */
#ifndef GIRO_APPS_REPLICA_INTERNAL_H
#define GIRO_APPS_REPLICA_INTERNAL_H

#include "apps/girod/frame_hashes.h"
#include "apps/girod/pending.h"
#include "apps/girod/replica.h"
#include "apps/girod/seen.h"

struct found_slot {
    uint8_t uetr[GIRO_UETR_BYTES];
    struct giro_found found;
};

struct giro_replica {
    struct giro_replica_options options;
    void *mem;
    size_t mem_bytes;
    struct giro_node *node;
    struct giro_ledger *ledger;
    struct giro_settlement *settlement;
    struct giro_windows *windows;
    struct giro_pending *pending;
    struct giro_map *found_map; /* uetr of a refused payment -> slot in found */
    struct found_slot *found;
    uint64_t found_next;
    struct giro_seen seen;
    uint64_t certified_height; /* highest; its certificate covers all before */
    uint8_t *verify_scratch;
    const struct giro_batch_checked *checked; /* of the message under way; NULL: nothing is known */
    uint8_t *ledger_bytes;                    /* one encoded ledger block */
    uint8_t *batch;                           /* own frames not yet cut */
    uint32_t batch_bytes, batch_frames, batch_records;
    uint64_t batch_since_ns;
    struct giro_hash ledger_chain;
    struct giro_hash state_root, ledger_root;
    uint64_t executed_height;
    /* Replicated: when the next checkpoint is due. */
    uint64_t checkpoint_height, checkpoint_bytes;
    enum giro_stage stage_before_image;
    uint64_t now_ns, wall_ns; /* of the call under way */
    uint64_t frames, records, blocks;
    struct giro_frame_outcome outcome; /* scratch of execute */
    struct giro_hashes *hashes;
    struct giro_hash *frame_hashes; /* GIRO_BATCH_FRAMES_MAX, scratch */
    uint8_t leaf[sizeof(struct giro_leaf_frame) + GIRO_TAG_BYTES +
                 GIRO_FRAME_RECORDS_MAX * sizeof(struct giro_result)];
    struct giro_answer answer;
};

/* replica.c: the state root of the height executed last, over what its parts say now. */
struct giro_hash giro_replica_state_root(const struct giro_replica *replica, uint64_t height,
                                         const struct giro_hash *settlement_root);
uint64_t giro_replica_next_due(const struct giro_replica *replica);

/* replica_image.c: callbacks of the node, context is the replica. */
bool giro_replica_checkpoint_due(struct giro_replica *replica, uint64_t height,
                                 uint64_t payload_bytes);
void giro_replica_image(void *context, struct giro_image *image);
enum giro_reject giro_replica_restore(void *context, struct giro_image_reader *image,
                                      const struct giro_certificate *certificate,
                                      struct giro_execution *execution);
bool giro_replica_image_keep(void *context, uint64_t height);
void giro_replica_image_work(void *context, enum giro_image_work work);
/* replica.c */
enum giro_stage giro_replica_stage_enter(struct giro_replica *replica, enum giro_stage stage);

#endif
