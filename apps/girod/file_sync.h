/* apps/girod/file_sync.h - waits for derived files (ledger, certificates, journals) to reach the disk, in a thread of its own:
 * a sync of many files takes longer than the loop may. One at a time. The loop asks until the answer is yes. */
#ifndef GIRO_APPS_FILE_SYNC_H
#define GIRO_APPS_FILE_SYNC_H

#include "giro/base.h"

struct giro_file_sync;
/* giro_file_sync_open: for everything on the file system of `dir`. NULL: no memory, or dir cannot be opened. */
struct giro_file_sync *giro_file_sync_open(const char *dir);
void giro_file_sync_close(struct giro_file_sync *sync); /* waits for the one under way */
/* giro_file_sync_done begins one for this mark unless it is done or under way; true once all that was written before the first
 * call with this mark (or a higher one) is on disk. *err is set when a sync failed: final. */
bool giro_file_sync_done(struct giro_file_sync *sync, uint64_t mark, enum giro_err *err);

#endif
