/* apps/girod/seen.h - which frames were packed into a batch moments ago, here or by a peer: a hint that keeps a member's resend
 * from being ordered twice. Internal to girod. Direct-mapped, never wrong in a way that matters: a forgotten frame is ordered
 * again and has no effect; a remembered one whose batch died is taken when the member resends after GIRO_SEEN_NS. */
#ifndef GIRO_APPS_SEEN_H
#define GIRO_APPS_SEEN_H

#include "apps/girod/replica.h"

#define GIRO_SEEN_SLOTS (1u << 16)
#define GIRO_SEEN_NS    (2u * GIRO_NS_PER_S)

struct giro_seen_slot {
    uint64_t key; /* XXH3-64 of the frame's bytes */
    uint64_t at_ns;
};
struct giro_seen {
    uint64_t seed;
    struct giro_seen_slot *slots; /* GIRO_SEEN_SLOTS, zero-filled */
};
/* giro_seen_note remembers a frame's exact bytes. */
void giro_seen_note(struct giro_seen *seen, uint64_t now_ns, const struct giro_frame *frame);
/* giro_seen_note_batch remembers every frame of a batch. */
void giro_seen_note_batch(struct giro_seen *seen, uint64_t now_ns, const uint8_t *batch,
                          uint32_t size_bytes, uint64_t chain_prefix);
/* giro_seen_lately: these bytes were noted within GIRO_SEEN_NS. */
bool giro_seen_lately(const struct giro_seen *seen, uint64_t now_ns,
                      const struct giro_frame *frame);

#endif
