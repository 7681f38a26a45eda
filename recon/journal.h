/* recon/journal.h - the hashes that both the maker of a journal block and its checker compute.
 * Private to this folder. */
#ifndef GIRO_RECON_JOURNAL_H
#define GIRO_RECON_JOURNAL_H

#include "giro/recon.h"

/* Hash over the rows of one kind in a window: begin, update with the rows in order, end with
 * their number. */
void journal_rows_begin(struct giro_sha256_state *state, const char *tag,
                        const struct giro_hash *chain, uint16_t member, uint16_t currency,
                        uint64_t window);
struct giro_hash journal_rows_end(struct giro_sha256_state *state, uint64_t row_count);
/* Hash of a window record with its cycles: what the next record's `previous` names. */
struct giro_hash journal_record_hash(const struct giro_window_record *record,
                                     const struct giro_window_cycle *cycles);
/* Preimage of a window leaf, from the tag on. */
#define JOURNAL_LEAF_BYTES (GIRO_TAG_BYTES + 2u * GIRO_HASH_BYTES)
void journal_leaf(const struct giro_hash *salt, const struct giro_hash *record_hash,
                  uint8_t leaf[JOURNAL_LEAF_BYTES]);
/* XXH3-64 of a block from byte 16 on. */
uint64_t journal_checksum(const uint8_t *block, size_t size_bytes);

/* Offset of what the checksum covers, and the fixed part before a netting row's cells. */
#define JOURNAL_CHECKED_FROM 16u
#define JOURNAL_CYCLE_BYTES  (8u + sizeof(struct giro_leaf_cycle))

#endif
