/* dataplane/frame_keys.h - who must have signed a frame. Private to this folder: shared by the
 * ingress and giro_frames_verify, so that both follow one rule. */
#ifndef DATAPLANE_FRAME_KEYS_H
#define DATAPLANE_FRAME_KEYS_H

#include "giro/genesis.h"
#include "giro/wire.h"

#define FRAME_KEYS_MAX 2u
#define VERIFY_CHUNK   64u /* frames whose messages are held at once */

/* frame_member_known: FRAME and SKIP come from a member of this hub, CONTROL from the operator. */
bool frame_member_known(const struct giro_genesis *genesis, const struct giro_frame *frame);
/* frame_items writes one item per signature the frame must carry, all over message, and returns
 * their number; 0 if a key is not enrolled. */
uint32_t frame_items(const struct giro_genesis *genesis, const struct giro_frame *frame,
                     const uint8_t *message, uint32_t message_bytes,
                     struct giro_verify_item items[FRAME_KEYS_MAX]);

#endif
