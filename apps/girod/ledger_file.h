/* apps/girod/ledger_file.h - the leaves and certificates of every executed block on disk, for proofs, and where each frame is.
 *
 * Derived from the log: written behind it without waiting; a torn tail is cut at open and written again by replay, which goes
 * back at least to what was synced before the log was trimmed. Layout: giro/wire/store.h "Ledger file". Heights come in
 * order; a height that is there already is recognised and skipped. Heights that came as an image from peers are missing.
 * Threads: one. */
#ifndef GIRO_APPS_LEDGER_FILE_H
#define GIRO_APPS_LEDGER_FILE_H

#include "giro/genesis.h"
#include "giro/sys.h"

struct giro_ledger_file;
/* giro_ledger_file_open opens or makes <dir>/ledger and <dir>/certificates. heights_max bounds the index in memory. */
enum giro_err giro_ledger_file_open(const char *dir, const struct giro_genesis *genesis,
                                    uint32_t self, uint64_t heights_max,
                                    struct giro_ledger_file **file,
                                    struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
void giro_ledger_file_close(struct giro_ledger_file *file);
enum giro_err giro_ledger_file_block(struct giro_ledger_file *file, uint64_t height,
                                     const void *bytes, size_t size_bytes) GIRO_MUST_USE;
/* giro_ledger_file_certificate: a certificate that is there with the same bytes is not written again; the newest of a height
 * counts. */
enum giro_err
giro_ledger_file_certificate(struct giro_ledger_file *file,
                             const struct giro_certificate *certificate) GIRO_MUST_USE;
/* giro_ledger_file_leaf reads one leaf's preimage; returns its size, 0 if it is not there. */
uint32_t giro_ledger_file_leaf(struct giro_ledger_file *file, uint64_t height, uint32_t leaf_index,
                               uint8_t *out, uint32_t out_bytes);
/* giro_ledger_file_proof encodes the proof of a leaf (malloc'ed, caller frees). NOENT: unknown, or not certified yet. */
enum giro_err giro_ledger_file_proof(struct giro_ledger_file *file, uint64_t height,
                                     uint32_t leaf_index, uint8_t **proof,
                                     size_t *size_bytes) GIRO_MUST_USE;
/* giro_ledger_file_find tells where the frame (member, channel, sequence) was first executed and copies its leaf, as _leaf does; 0:
 * it was not, or came with an image. Cost: two reads. */
uint32_t giro_ledger_file_find(struct giro_ledger_file *file, uint16_t member, uint16_t channel,
                               uint64_t sequence, uint64_t *height, uint32_t *leaf_index,
                               uint8_t *out, uint32_t out_bytes);
/* giro_ledger_file_certified: a certificate of this height is there. */
bool giro_ledger_file_certified(const struct giro_ledger_file *file, uint64_t height);
/* giro_ledger_file_height: of the newest block in it; 0: none. */
uint64_t giro_ledger_file_height(const struct giro_ledger_file *file);
/* giro_ledger_file_flush hands what is buffered to the operating system. */
enum giro_err giro_ledger_file_flush(struct giro_ledger_file *file) GIRO_MUST_USE;
uint64_t giro_ledger_file_bytes(const struct giro_ledger_file *file);

#endif
