/* apps/girod/journal_files.h - each member's business-day journal on this replica: <dir>/<BIC>/<YYYY-MM-DD>.journal.
 *
 * Derived from the log: appended behind it; what a replay brings again is recognised by (currency, sequence) and skipped;
 * a torn tail is cut at open. Threads: one appends (journal_writer.h), any other may ask; what giro_journal_files_path says is there
 * may be read. */
#ifndef GIRO_APPS_JOURNAL_FILES_H
#define GIRO_APPS_JOURNAL_FILES_H

#include "giro/genesis.h"

struct giro_journal_files;
enum giro_err giro_journal_files_open(const char *dir, const struct giro_genesis *genesis,
                                      struct giro_journal_files **files,
                                      struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
void giro_journal_files_close(struct giro_journal_files *files);
/* giro_journal_files_append writes one journal block unless its record is there already. After an error every later call returns
 * it, too, and writes nothing. */
enum giro_err giro_journal_files_append(struct giro_journal_files *files, uint16_t member,
                                        uint16_t business_date, const void *bytes,
                                        uint32_t size_bytes) GIRO_MUST_USE;
/* giro_journal_files_path writes the path of a member's journal into path and returns its whole-block size in bytes, 0 if there
 * is none or no block in it yet. */
uint64_t giro_journal_files_path(struct giro_journal_files *files, uint16_t member,
                                 uint16_t business_date, char *path, size_t path_bytes);
/* giro_journal_files_date: the newest business date of which the member has a journal here, 0 if none. */
uint16_t giro_journal_files_date(struct giro_journal_files *files, uint16_t member);
/* giro_journal_files_last tells where in the journal of a business date the member's newest block of a currency (genesis index)
 * begins; false if that block is not in that journal. */
bool giro_journal_files_last(struct giro_journal_files *files, uint16_t member, uint32_t currency,
                             uint16_t business_date, uint64_t *offset);
/* giro_journal_files_gap: windows of that date came as an image, so there is no journal of it here (a file "<date>.gap", layout:
 * journal_files.c). */
bool giro_journal_files_gap(struct giro_journal_files *files, uint16_t member,
                            uint16_t business_date);
/* giro_journal_files_sync makes everything appended durable. */
enum giro_err giro_journal_files_sync(struct giro_journal_files *files) GIRO_MUST_USE;
uint64_t giro_journal_files_bytes(struct giro_journal_files *files);

#endif
