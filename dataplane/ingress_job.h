/* dataplane/ingress_job.h - a chunk of frames on its way through hashing and verification. Private to this folder and to
 * perf/bench_dataplane.c.
 *
 * Steps: fill and finish belong to the ingress's thread, hash and verify to any one, with a scratch of its own, so that
 * verifiers can have threads (verifiers.c). A job is 4 KiB, a scratch 300 KiB. */
#ifndef DATAPLANE_INGRESS_JOB_H
#define DATAPLANE_INGRESS_JOB_H

#include "frame_keys.h"
#include "giro/dataplane.h"

struct ingress_job {
    uint32_t frame_count, item_count;
    uint32_t slots[VERIFY_CHUNK];
    uint32_t firsts[VERIFY_CHUNK + 1]; /* of a frame's items */
    const struct giro_frame *frames[VERIFY_CHUNK];
    struct giro_hash hashes[VERIFY_CHUNK];
    uint8_t verdicts[VERIFY_CHUNK * FRAME_KEYS_MAX];
};
/* Of whoever hashes and verifies: its content is of no use afterwards. */
struct ingress_scratch {
    struct giro_verify_item items[VERIFY_CHUNK * FRAME_KEYS_MAX];
    uint8_t messages[VERIFY_CHUNK][GIRO_FRAME_MESSAGE_BYTES_MAX];
};
/* ingress_job_fill takes up to max (at most VERIFY_CHUNK) queued frames, which stay in their slots. */
void ingress_job_fill(struct giro_ingress *ingress, struct ingress_job *job, uint32_t max);
/* ingress_job_hash makes the signed messages and the frame hashes, ingress_job_verify the verdicts: in this order, with the
 * same scratch. */
void ingress_job_hash(struct ingress_job *job, struct ingress_scratch *scratch,
                      const struct giro_genesis *genesis);
void ingress_job_verify(struct ingress_job *job, const struct ingress_scratch *scratch,
                        const struct giro_key_ring *ring);
/* ingress_job_finish drops and counts frames with a bad signature and returns how many good ones are in frames[0..). */
uint32_t ingress_job_finish(struct giro_ingress *ingress, const struct ingress_job *job,
                            struct giro_ingress_frame **frames);

#endif
