/* apps/girod/spare.h - a disk whose new log segments are made beforehand.
 *
 * Model: a segment is written with zeros before it is used (a later durable write then needs no journal commit), which for 64 MiB
 * takes a tenth of a second or more: too long inside the event loop, where it stops consensus. So a thread keeps one spare
 * file, `.spare`, whole and durable; opening a new file of the segment's size renames it. Without a spare at hand the disk below
 * makes the file itself, as before. The spare's name is none that the disk lists. Everything else goes to the disk below.
 * Threads: the disk is its owner's; one thread of its own writes the spare, slowly, so that commits are not held up. */
#ifndef GIRO_APPS_SPARE_H
#define GIRO_APPS_SPARE_H

#include "giro/sys.h"

struct giro_spare;
/* giro_spare_open makes the first spare before it returns. folder: that of the disk below, which must be open (it holds the
 * folder's lock) and outlives this object. */
enum giro_err giro_spare_open(const char *folder, uint64_t segment_bytes, struct giro_disk below, struct giro_spare **spare)
    GIRO_MUST_USE;
struct giro_disk giro_spare_disk(struct giro_spare *spare);
void giro_spare_close(struct giro_spare *spare); /* waits for the thread; the disk below stays open */

#endif
