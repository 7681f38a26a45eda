/* apps/girod/ledger_file.h - the leaves and certificates of every executed block on disk, for proofs.
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
/* giro_ledger_file_flush hands what is buffered to the operating system. */
enum giro_err giro_ledger_file_flush(struct giro_ledger_file *file) GIRO_MUST_USE;
uint64_t giro_ledger_file_bytes(const struct giro_ledger_file *file);

#endif
