/* consensus/evidence.h - evidence against replicas: two messages of one that no honest replica sends both of. Internal to
 * consensus/. Format: struct giro_evidence_header (giro/wire/store.h).
 *
 * Kept in memory and as EVIDENCE records of the log, which bring it back at a start; at most GIRO_EVIDENCE_PER_REPLICA per
 * offender, the first ones: one is enough to act on, and a flood must not fill the disk. Not part of any root.
 */
#ifndef GIRO_CONSENSUS_EVIDENCE_H
#define GIRO_CONSENSUS_EVIDENCE_H

#include "consensus/env.h"

/* A block stands in evidence as its header, references and signature: what its id and the author's signature cover. */
#define GIRO_EVIDENCE_ITEM_BYTES_MAX                                                               \
    (sizeof(struct giro_block_header) +                                                            \
     GIRO_BLOCK_REFERENCES_MAX * sizeof(struct giro_batch_reference) + GIRO_SIGNATURE_BYTES)

struct giro_evidence;
size_t giro_evidence_footprint(uint32_t replica_count);
struct giro_evidence *giro_evidence_init(void *mem, size_t size_bytes, uint32_t replica_count);
/* giro_evidence_keep stores a record if its offender has room; returns where it is kept, NULL if not. */
const uint8_t *giro_evidence_keep(struct giro_evidence *evidence,
                                  const struct giro_evidence_header *header, const void *first,
                                  const void *second, uint32_t *record_bytes);
/* giro_evidence_recover takes a record of the own log. */
enum giro_reject giro_evidence_recover(struct giro_evidence *evidence, const uint8_t *record,
                                       uint32_t record_bytes);
/* giro_evidence_again starts writing every record to the log once more: behind a checkpoint the log is trimmed.
 * giro_evidence_next is the next record to be written, NULL when all are. */
void giro_evidence_again(struct giro_evidence *evidence);
const uint8_t *giro_evidence_next(struct giro_evidence *evidence, uint32_t *record_bytes);
uint32_t giro_evidence_count(const struct giro_evidence *evidence, uint32_t offender);
const uint8_t *giro_evidence_at(const struct giro_evidence *evidence, uint32_t offender,
                                uint32_t index, uint32_t *record_bytes);

#endif
