/* apps/girod/pending.h - frames of this replica's members between arrival and certificate: who to answer, and with what.
 * Internal to girod. Bounded; keyed by frame hash; freed when certified, or 60 s after arrival. */
#ifndef GIRO_APPS_PENDING_H
#define GIRO_APPS_PENDING_H

#include "apps/girod/replica.h"

struct giro_pending;
size_t giro_pending_footprint(uint32_t pending_max);
struct giro_pending *giro_pending_init(void *mem, size_t size_bytes, uint32_t pending_max,
                                       uint64_t seed);
/* giro_pending_time sets the monotonic time of what follows, for the legs; giro_pending_cut: all added since the last cut are
 * in one batch now. */
void giro_pending_time(struct giro_pending *pending, uint64_t now_ns);
void giro_pending_cut(struct giro_pending *pending);
/* giro_pending_add remembers where the answer to this frame goes; a repeat only renews the address. False: full. */
bool giro_pending_add(struct giro_pending *pending, uint64_t now_ns, const struct giro_frame *frame,
                      const struct giro_hash *hash, const struct giro_endpoint *from) GIRO_MUST_USE;
/* giro_pending_has: a frame with this hash waits here. */
bool giro_pending_has(const struct giro_pending *pending, const struct giro_hash *hash);
/* giro_pending_durable yields the DURABLE answer for a frame, false if nobody here waits for it or it is past that. */
bool giro_pending_durable(struct giro_pending *pending, const struct giro_hash *hash,
                          uint64_t expiry_ns, struct giro_answer *answer);
/* giro_pending_executed stores the outcome until its height is certified. proposed_ns: the block's time on the monotonic clock. */
void giro_pending_executed(struct giro_pending *pending, const struct giro_hash *hash,
                           uint64_t height, uint64_t proposed_ns,
                           const struct giro_frame_outcome *outcome);
/* giro_pending_certified calls answer for every frame executed at `height` and forgets it. */
void giro_pending_certified(struct giro_pending *pending, uint64_t height,
                            void (*answer)(void *context, const struct giro_answer *answer),
                            void *context);
/* giro_pending_expire forgets frames that arrived before `before_ns`; at most `max` steps. */
void giro_pending_expire(struct giro_pending *pending, uint64_t before_ns, uint32_t max);
uint32_t giro_pending_count(const struct giro_pending *pending);
void giro_pending_legs(const struct giro_pending *pending, struct giro_legs *legs);

#endif
