/* apps/girod/verify_stage.h - the verify stage between ingress, links and replica, on the verifiers' threads or on the hub's.
 *
 * Model: own members' frames go from the ingress through giro/verifiers.h to the replica in the order they came. A peer's
 * batch waits in front of the replica until a thread has checked it; then its message is handed in with what was found, and the
 * core gets its VERDICT within that step, as if the replica had checked it itself: it sees a message that came a little
 * later, which links may do anyway, and neither its rules nor its recording know of threads. A batch that finds no room is handed
 * in at once, and the replica checks it.
 * What is thrown away at close was not acknowledged to anyone: members and peers send it again.
 * Threads: the event loop's. */
#ifndef GIRO_APPS_VERIFY_STAGE_H
#define GIRO_APPS_VERIFY_STAGE_H

#include "apps/girod/replica.h"
#include "giro/verifiers.h"

struct giro_verify_stage;
/* giro_verify_stage_open: thread_count as in giro/verifiers.h. */
enum giro_err giro_verify_stage_open(const struct giro_verifiers_options *options,
                                     struct giro_replica *replica,
                                     struct giro_verify_stage **stage) GIRO_MUST_USE;
void giro_verify_stage_close(struct giro_verify_stage *stage);

/* giro_verify_stage_frames submits what it is time for and takes what is verified, once the replica has taken what was before;
 * returns 0 if there is no reason to stay awake. */
uint32_t giro_verify_stage_frames(struct giro_verify_stage *stage, uint64_t now_ns);
/* giro_verify_stage_hand_in gives verified frames and batches to the replica, as many as it takes, and returns their number. */
uint32_t giro_verify_stage_hand_in(struct giro_verify_stage *stage, uint64_t now_ns,
                                   uint64_t wall_ns);
/* giro_verify_stage_message: true if it keeps this peer message until it is verified; false: hand it in now. */
bool giro_verify_stage_message(struct giro_verify_stage *stage, uint16_t peer, const void *bytes,
                               uint32_t size_bytes);
/* As giro_verifiers_fd, _sleep, _awake, _counters. */
int giro_verify_stage_fd(const struct giro_verify_stage *stage);
bool giro_verify_stage_sleep(struct giro_verify_stage *stage);
void giro_verify_stage_awake(struct giro_verify_stage *stage);
void giro_verify_stage_counters(const struct giro_verify_stage *stage,
                                struct giro_verifiers_counters *counters);

#endif
