/* consensus/leader.h - the leader schedule with reputation, from the chain alone. Internal to consensus/.
 *
 * The state is the wire struct giro_leader_window (giro/wire/store.h), 136 bytes, the same on every replica after the same
 * height: a checkpoint's image holds it as it is. Fed with every block in height order; a replay of the log rebuilds it.
 * A wrong view of the leader costs time, never safety: a vote needs a QC or TC whatever the author.
 * Source: Carousel (Cohen et al. 2022), fixed 128 heights ahead so that all replicas name the same leader.
 */
#ifndef GIRO_CONSENSUS_LEADER_H
#define GIRO_CONSENSUS_LEADER_H

#include "giro/wire.h"

/* giro_leader_window_init: the state before height 1. */
void giro_leader_window_init(struct giro_leader_window *window, uint32_t replica_count);
/* giro_leader_window_add counts in the block of height window->height + 1. */
void giro_leader_window_add(struct giro_leader_window *window, uint32_t replica_count,
                            const struct giro_proposal *block);
/* giro_leader_window_leader returns who leads `round` for a block of `height`; GIRO_NONE when the state does not say: the
 * height lies below the window of the next one, or more than one window above it. O(replica_count). */
uint32_t giro_leader_window_leader(const struct giro_leader_window *window, uint32_t replica_count,
                                   uint64_t round, uint64_t height);
/* giro_leader_window_check judges bytes that came from outside (an image). */
enum giro_reject giro_leader_window_check(const struct giro_leader_window *window,
                                          uint32_t replica_count) GIRO_MUST_USE;

#endif
