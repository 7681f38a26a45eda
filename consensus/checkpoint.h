/* consensus/checkpoint.h - checkpoints: when q replicas sign the image of a height. Internal to consensus/; driven by core.c.
 * Rules: shared design, consensus.md section 6.
 *
 * EXECUTED says that a checkpoint is due at this height -> CHECKPOINT (take an image now, before the next block is executed)
 * -> CHECKPOINTED (it is on disk, with this root) -> CHECKPOINT_VOTE to all -> q equal, and the certificate of the height:
 * KEEP. A q-certificate with another image root than ours: HALT. Not during recovery: a height that was executed and not yet
 * signed when the process died is left to the others. Of each peer the two newest votes are kept, so nobody can crowd out
 * the others. */
#ifndef GIRO_CONSENSUS_CHECKPOINT_H
#define GIRO_CONSENSUS_CHECKPOINT_H

#include "consensus/env.h"

#define GIRO_CHECKPOINT_VOTES         2u /* per voter, newest heights */
#define GIRO_CHECKPOINT_RESEND_NS     (300u * 1000000ull)
#define GIRO_CHECKPOINT_RESEND_MAX_NS (5u * GIRO_NS_PER_S)

struct giro_consensus;
struct giro_checkpoints {
    /* The image being made or signed here; height 0 = none. */
    struct giro_checkpoint_body own;
    bool imaged; /* its root is known */
    bool signed_;
    bool tried; /* the votes that came before it were counted */
    bool has_certificate, has_checkpoint, kept;
    uint64_t log_sequence; /* needed on top of it; 0 = from before this start */
    struct giro_qc qc;
    struct giro_certificate certificate;
    struct giro_checkpoint checkpoint; /* of `own`, valid iff has_checkpoint */
    struct giro_checkpoint
        newest; /* the last one signed by q; height 0 = none: answers late voters */
    uint64_t resend_ns, resend_delay_ns;
    struct giro_checkpoint_vote *votes; /* replica_count x GIRO_CHECKPOINT_VOTES; height 0 = none */
    uint8_t *verdicts;                  /* scratch, replica_count each */
    uint8_t *messages;
    struct giro_verify_item *items;
    uint16_t *voters;
};

size_t giro_checkpoints_footprint(const struct giro_consensus_options *options);
void giro_checkpoints_init(struct giro_checkpoints *checkpoints, struct giro_arena *arena,
                           const struct giro_consensus_options *options);
/* giro_checkpoint_due: the block just executed ends in a checkpoint. */
void giro_checkpoint_due(struct giro_consensus *core, const struct giro_proposal *proposal,
                         const struct giro_event *executed);
void giro_checkpoint_imaged(struct giro_consensus *core, const struct giro_event *event);
void giro_checkpoint_on_vote(struct giro_consensus *core, uint16_t sender, const uint8_t *body,
                             size_t size_bytes);
void giro_checkpoint_on_checkpoint(struct giro_consensus *core, uint16_t sender,
                                   const uint8_t *body, size_t size_bytes);
void giro_checkpoint_settle(struct giro_consensus *core); /* signs, and says KEEP, when it can */
void giro_checkpoint_tick(struct giro_consensus *core);
uint64_t giro_checkpoint_next_ns(const struct giro_consensus *core);
/* giro_checkpoint_verify: q distinct valid signatures under the batch keys. */
enum giro_reject giro_checkpoint_verify(struct giro_consensus *core,
                                        const struct giro_checkpoint *checkpoint) GIRO_MUST_USE;

/* ---- checkpoint_image.c ---- */

/* RECOVER_IMAGE: the core as it stood after the image's height. HALT if it does not fit. */
void giro_checkpoint_recover(struct giro_consensus *core, const struct giro_event *event);

#endif
