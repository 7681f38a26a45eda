/* giro/verifiers.h - the verify stage: member signatures checked on threads of their own, or by the caller.
 *
 * Model: two lines of jobs, one of chunks of up to 64 frames of the ingress, one of peers' whole batches. A line is a bounded
 * ring of jobs in order of submission: the owner submits at its end and takes results from its beginning, the threads claim
 * jobs in between. So results come in the order of submission whichever thread is faster, each exactly once: what comes
 * out of giro_verifiers_frames is what giro_ingress_verify would have given, frame by frame. Two lines, so that
 * frames the owner cannot take yet never hold up peers' batches; a thread takes from both in turn.
 * Back-pressure: with a line full, frames stay in the ingress (and use up its members' credit), and the owner checks a
 * batch itself. Neither is dropped.
 * Memory: a frame stays in its slot of the ingress, untouched, until its result was taken; a batch is copied once. 7 MiB of
 * address space a thread, touched as used.
 * Idle: a thread sleeps on a semaphore; the owner sleeps on giro_verifiers_fd, written to only after giro_verifiers_sleep.
 * Without threads (thread_count 0) submitting does the work at once; batches are left to the caller.
 * Closing throws away what was not taken: nothing was promised for it.
 * Threads: all functions belong to one thread, the owner of the ingress. Genesis and key ring are read by all threads.
 * Source: shared design, architecture.md section 4. */
#ifndef GIRO_VERIFIERS_H
#define GIRO_VERIFIERS_H

#include "giro/dataplane.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GIRO_VERIFIERS_MAX    32u
#define GIRO_VERIFIERS_FRAMES 64u /* most frames of one result */
#define GIRO_VERIFIERS_PER_CHUNK                                                                   \
    8u /* chunks of frames in the line, for each thread; 1 without threads */
#define GIRO_VERIFIERS_PER_BATCH 8u /* batches in the line, for each thread */

struct giro_verifiers_options {
    const struct giro_genesis *genesis; /* enrolled into ring; both live until close */
    const struct giro_key_ring *ring;
    struct giro_ingress *ingress;
    uint32_t thread_count; /* 0..GIRO_VERIFIERS_MAX; they run where GIRO_CPUS_VERIFY says */
};
struct giro_verifiers;
/* giro_verifiers_open takes all memory and starts the threads, which block all signals. ARGUMENT, NOMEM. */
enum giro_err giro_verifiers_open(const struct giro_verifiers_options *options,
                                  struct giro_verifiers **verifiers) GIRO_MUST_USE;
/* giro_verifiers_close ends the threads, each after the job it is at (a millisecond or so). The ingress is not to be used
 * any more: slots of frames whose result was not taken stay taken. */
void giro_verifiers_close(struct giro_verifiers *verifiers);

/* giro_verifiers_submit takes frames from the ingress, if it is time (giro_ingress_ripe) and there is room; returns how many. */
uint32_t giro_verifiers_submit(struct giro_verifiers *verifiers, uint64_t now_ns);
/* giro_verifiers_room: a chunk of frames could be submitted. */
bool giro_verifiers_room(const struct giro_verifiers *verifiers);
/* giro_verifiers_frames takes the oldest chunk, if its result is there; writes its good frames, in order, to be given back
 * with giro_ingress_drop, and returns their number. Bad ones are dropped, counted and told of as by giro_ingress_verify.
 * done: a chunk was taken, though it may have held no good frame. */
uint32_t giro_verifiers_frames(struct giro_verifiers *verifiers,
                               struct giro_ingress_frame *frames[GIRO_VERIFIERS_FRAMES],
                               bool *done);

/* What a thread found out about a message that holds a batch. */
struct giro_verified_batch {
    const uint8_t *message; /* as handed in */
    uint32_t message_bytes;
    uint16_t peer;
    bool valid;               /* giro_frames_verify */
    struct giro_hash id;      /* of the batch */
    struct giro_hash *hashes; /* of its frames; undefined if not valid */
};
/* giro_verifiers_batch copies a message whose batch begins at batch_offset. False: no threads, no room, the batch is too
 * large, or this peer has its share: one peer may hold as many jobs as are free, so that none fills the line alone. */
bool giro_verifiers_batch(struct giro_verifiers *verifiers, uint16_t peer, const void *message,
                          uint32_t message_bytes, uint32_t batch_offset);
/* giro_verifiers_batch_next returns the oldest batch, if its result is there, else NULL; it is the caller's to read until
 * giro_verifiers_batch_done. */
const struct giro_verified_batch *giro_verifiers_batch_next(struct giro_verifiers *verifiers);
void giro_verifiers_batch_done(struct giro_verifiers *verifiers);

/* giro_verifiers_fd becomes readable when a result is there that giro_verifiers_sleep did not see; -1 without threads.
 * giro_verifiers_sleep: the owner is about to sleep on it; false: better not, a result is there. frames: the owner would
 * take frames now. giro_verifiers_awake makes it unreadable again. */
int giro_verifiers_fd(const struct giro_verifiers *verifiers);
bool giro_verifiers_sleep(struct giro_verifiers *verifiers, bool frames);
void giro_verifiers_awake(struct giro_verifiers *verifiers);

struct giro_verifiers_counters {
    uint64_t threads;
    uint64_t busy_ns;                         /* of all threads, since open */
    uint64_t chunks, batches;                 /* jobs submitted */
    uint64_t batches_refused;                 /* left to the caller: no room, or the peer's share */
    uint64_t chunks_waiting, batches_waiting; /* submitted, not taken yet */
};
void giro_verifiers_counters(const struct giro_verifiers *verifiers,
                             struct giro_verifiers_counters *counters);

#ifdef __cplusplus
}
#endif
#endif
