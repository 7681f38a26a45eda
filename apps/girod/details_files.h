/* apps/girod/details_files.h - each member's days of sealed details on this replica: <dir>/<BIC>/<YYYY-MM-DD>.details, beside its
 * journals. Layout: giro/wire/disclosure.h.
 *
 * Of each executed frame with details its debtor gets a disclosure of all payments that have some, and each creditor one of its own
 * that were not refused. The replica holds no K: what it keeps is what it was sent, and nobody can read it here.
 * Derived from the log, like journals: appended behind it; what a replay brings again is recognised, in each day by itself, by (height,
 * leaf); a torn tail is cut at open and filled by the replay. What was executed elsewhere and came as an image is missing, and so is
 * what was cut off before the image that the replay begins at: such days are named gaps (records of 8 bytes in <dir>/details.gaps),
 * and what is there of them stays, since members' tools put together what all replicas have. Sizes and digests of all days are in
 * memory, 64 bytes a day: a file that was removed by hand is named until the next start. Threads: one writer; readers may read
 * what giro_details_files_path says. */
#ifndef GIRO_APPS_DETAILS_FILES_H
#define GIRO_APPS_DETAILS_FILES_H

#include "giro/genesis.h"

struct giro_details_files;
enum giro_err giro_details_files_open(const char *dir, const struct giro_genesis *genesis,
                                      struct giro_details_files **files,
                                      struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
void giro_details_files_close(struct giro_details_files *files);
/* What an executed frame was and became: results[i] of record i. */
struct giro_details_executed {
    const struct giro_frame *frame; /* FRAME, with details */
    const struct giro_result *results;
    uint64_t height;
    uint32_t leaf_index;
    uint16_t business_date; /* of the journals its bookings go to */
};
enum giro_err giro_details_files_frame(struct giro_details_files *files,
                                       const struct giro_details_executed *executed) GIRO_MUST_USE;
/* giro_details_files_restored: the state came as an image of this height and business date, and replay brings only what is behind it.
 * executed_here: the files of this replica had all of it at some time (it is an own image); else the days from the newest one here on
 * are gaps. To be called before the first frame behind the image. */
enum giro_err giro_details_files_restored(struct giro_details_files *files, uint64_t height,
                                          uint16_t business_date, bool executed_here) GIRO_MUST_USE;
/* giro_details_files_gap: something of that day may be missing here. */
bool giro_details_files_gap(const struct giro_details_files *files, uint16_t member,
                            uint16_t business_date);
/* giro_details_files_path writes the path of a member's day into path and returns its size in bytes, 0 if there is none. */
uint64_t giro_details_files_path(const struct giro_details_files *files, uint16_t member,
                                 uint16_t business_date, char *path, size_t path_bytes);
/* giro_details_files_digest: its last 32 bytes. */
bool giro_details_files_digest(const struct giro_details_files *files, uint16_t member,
                               uint16_t business_date, struct giro_hash *digest) GIRO_MUST_USE;
uint64_t giro_details_files_bytes(const struct giro_details_files *files);

#endif
