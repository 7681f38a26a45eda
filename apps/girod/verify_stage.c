#include "apps/girod/verify_stage.h"

#include <stdlib.h>

struct giro_verify_stage {
    struct giro_verifiers *verifiers;
    struct giro_ingress *ingress;
    struct giro_replica *replica;
    struct giro_ingress_frame *waiting[GIRO_VERIFIERS_FRAMES]; /* verified, not yet taken */
    uint32_t waiting_count;
};

enum giro_err giro_verify_stage_open(const struct giro_verifiers_options *options,
                                     struct giro_replica *replica,
                                     struct giro_verify_stage **stage_out)
{
    struct giro_verify_stage *stage = calloc(1, sizeof(*stage));
    if (stage == NULL)
        return GIRO_ERR_NOMEM;
    stage->ingress = options->ingress;
    stage->replica = replica;
    const enum giro_err err = giro_verifiers_open(options, &stage->verifiers);
    if (err != GIRO_ERR_OK) {
        free(stage);
        return err;
    }
    *stage_out = stage;
    return GIRO_ERR_OK;
}

void giro_verify_stage_close(struct giro_verify_stage *stage)
{
    giro_verifiers_close(stage->verifiers);
    free(stage);
}

uint32_t giro_verify_stage_frames(struct giro_verify_stage *stage, uint64_t now_ns)
{
    uint32_t work = giro_verifiers_submit(stage->verifiers, now_ns);
    if (stage->waiting_count > 0)
        return work; /* the replica has not taken the last ones yet */
    bool done = false;
    stage->waiting_count = giro_verifiers_frames(stage->verifiers, stage->waiting, &done);
    /* Frames that wait for others wait microseconds: no reason to sleep. */
    if (work == 0 && !done && giro_verifiers_room(stage->verifiers))
        work = giro_ingress_waiting(stage->ingress);
    return work + done;
}

static uint32_t frames_hand_in(struct giro_verify_stage *stage, uint64_t now_ns)
{
    uint32_t taken = 0;
    while (taken < stage->waiting_count) {
        struct giro_ingress_frame *frame = stage->waiting[taken];
        if (giro_replica_frame(stage->replica, now_ns, &frame->frame, &frame->hash, &frame->from) !=
            GIRO_ERR_OK)
            break;
        giro_ingress_drop(stage->ingress, frame);
        taken++;
    }
    stage->waiting_count -= taken;
    memmove(stage->waiting, stage->waiting + taken,
            stage->waiting_count * sizeof(stage->waiting[0]));
    return taken;
}

static uint32_t batches_hand_in(struct giro_verify_stage *stage, uint64_t now_ns, uint64_t wall_ns)
{
    const struct giro_verified_batch *batch;
    uint32_t taken = 0;
    while ((batch = giro_verifiers_batch_next(stage->verifiers)) != NULL) {
        const struct giro_batch_checked checked = {
            .batch_id = batch->id, .valid = batch->valid, .frame_hashes = batch->hashes};
        giro_replica_batch(stage->replica, now_ns, wall_ns, batch->peer, batch->message,
                           batch->message_bytes, &checked);
        giro_verifiers_batch_done(stage->verifiers);
        taken++;
    }
    return taken;
}

uint32_t giro_verify_stage_hand_in(struct giro_verify_stage *stage, uint64_t now_ns,
                                   uint64_t wall_ns)
{
    const uint32_t batches = batches_hand_in(stage, now_ns, wall_ns);
    return batches + frames_hand_in(stage, now_ns);
}

/* Only a batch that its author sent is checked: one that was fetched has a proof. */
bool giro_verify_stage_message(struct giro_verify_stage *stage, uint16_t peer, const void *bytes,
                               uint32_t size_bytes)
{
    struct giro_peer_envelope envelope;
    struct giro_batch_header header;
    if (size_bytes < sizeof(envelope) + sizeof(header))
        return false;
    memcpy(&envelope, bytes, sizeof(envelope));
    memcpy(&header, (const uint8_t *)bytes + sizeof(envelope), sizeof(header));
    return envelope.body_kind == GIRO_KIND_BATCH && header.author == peer &&
           header.size_bytes == size_bytes - sizeof(envelope) &&
           giro_verifiers_batch(stage->verifiers, peer, bytes, size_bytes, sizeof(envelope));
}

int giro_verify_stage_fd(const struct giro_verify_stage *stage)
{
    return giro_verifiers_fd(stage->verifiers);
}

bool giro_verify_stage_sleep(struct giro_verify_stage *stage)
{
    return giro_verifiers_sleep(stage->verifiers, stage->waiting_count == 0);
}

void giro_verify_stage_awake(struct giro_verify_stage *stage)
{
    giro_verifiers_awake(stage->verifiers);
}

void giro_verify_stage_counters(const struct giro_verify_stage *stage,
                                struct giro_verifiers_counters *counters)
{
    giro_verifiers_counters(stage->verifiers, counters);
}
