/* apps/girod/event_file.h - the event log of one start on disk, for `giro replay` (giro/event_log.h).
 *
 * Model: one file per start, "events-<number>", numbered on from those there; the newest GIRO_EVENT_FILES are kept. A core's
 * state comes from its start, so a tail alone could not be replayed: when a file reaches its limit recording stops, with a
 * warning, until the next start. The file is mapped and shared: recording is a copy and a hash, and whatever kills the
 * process, even in the middle of a step, leaves every record written so far. A thread of its own makes the file longer and
 * its pages present ahead of use; nothing is synced, so after a power loss the log may be damaged - never the replica.
 * The replica never fails for it: a full disk ends the recording.
 * Bounded: limit_mb per file; extended in steps of 4 MiB. Mode 0600: it holds payments.
 * Threads: the event loop's, beside its own. */
#ifndef GIRO_APPS_EVENT_FILE_H
#define GIRO_APPS_EVENT_FILE_H

#include "giro/event_log.h"
#include "giro/sys.h"

#define GIRO_EVENT_FILES 4u /* kept, with the one being written */

struct giro_event_file;
/* giro_event_file_open makes dir and the next file in it, and removes the oldest. */
enum giro_err giro_event_file_open(const char *dir, uint32_t limit_mb,
                                   struct giro_event_file **file_out,
                                   struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
/* giro_event_file_recorder returns what to hand to the replica. */
struct giro_recorder giro_event_file_recorder(struct giro_event_file *file);
/* giro_event_file_close writes the END record and cuts the file to its length. */
void giro_event_file_close(struct giro_event_file *file);

#endif
