/* apps/girod/publish.h - cuts files from the journals on schedule, in a thread of its own: every files_interval_s of wall time,
 * when a cycle settled, and at the day switch; into <files>/<BIC>/<date>/<from>-<to>/ and <files>/netting/<cycle>.csv.
 *
 * The thread reads only journal files that the loop has appended whole blocks to, through giro_recon_cut; it shares with the loop
 * a bounded queue of requests, the genesis file, which nobody changes, and the key ring, which may be read by any thread. Windows cut before a restart are not cut again (the folders
 * that are there tell). */
#ifndef GIRO_APPS_PUBLISH_H
#define GIRO_APPS_PUBLISH_H

#include "giro/recon.h"

struct giro_publish_options {
    const struct giro_genesis *genesis; /* enrolled in ring; both borrowed until close */
    const struct giro_key_ring *ring;
    const char *journal_dir; /* <dir>/<BIC>/<date>.journal */
    const char *files_dir;
    uint32_t interval_s;
};
struct giro_publish;
enum giro_err giro_publish_open(const struct giro_publish_options *options,
                                struct giro_publish **publish,
                                struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
/* giro_publish_request asks for a cut of everything sealed so far (a cycle settled, a day switched, an operator's wish). Never
 * blocks; requests merge. */
void giro_publish_request(struct giro_publish *publish);
void giro_publish_close(struct giro_publish *publish); /* waits for the cut under way */

#endif
