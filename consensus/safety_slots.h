/* consensus/safety_slots.h - the safety file's layout: which slot holds what, which copy is good. It knows no key and
 * writes nothing. Internal to consensus/. */
#ifndef GIRO_CONSENSUS_SAFETY_SLOTS_H
#define GIRO_CONSENSUS_SAFETY_SLOTS_H

#include "giro/consensus.h"
#include "giro/store.h"

/* Places go round with the sequence; each has two slots 131,072 bytes apart. */
#define GIRO_SAFETY_PLACES     (GIRO_SAFETY_SLOTS / 2)
#define GIRO_SAFETY_FILE_BYTES (GIRO_SAFETY_SLOTS * GIRO_SAFETY_SLOT_BYTES)

/* giro_safety_slot_at points at a copy (0 or 1) of a place in an image of the file. */
uint8_t *giro_safety_slot_at(uint8_t *image, uint32_t place, uint32_t copy);
/* giro_safety_place_read takes the newer valid copy of a place; false when there is none. *copy says which. */
bool giro_safety_place_read(uint8_t *image, uint32_t place, struct giro_safety_slot *record,
                            uint32_t *copy);
/* giro_safety_newest finds the newest record of an image; its sequence is 0 when there is none. CHAIN: a record of
 * another hub or replica is there. */
enum giro_err giro_safety_newest(uint8_t *image, const struct giro_hash *chain_id, uint16_t replica,
                                 struct giro_safety_slot *newest) GIRO_MUST_USE;
/* giro_safety_newest_may_be_lost: the place after sequence is not as a complete file would have it. */
bool giro_safety_newest_may_be_lost(uint8_t *image, uint64_t sequence);

/* giro_safety_slot_state is what the core is told of a record. */
struct giro_safety_state giro_safety_slot_state(const struct giro_safety_slot *record);

#endif
