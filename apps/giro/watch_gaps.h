/* apps/giro/watch_gaps.h - sequences that a dead process claimed and made no spool of. */
#ifndef GIRO_APPS_WATCH_GAPS_H
#define GIRO_APPS_WATCH_GAPS_H

#include "apps/giro/giro.h"

struct giro_gaps_options {
    const struct giro_genesis *genesis;
    const char *keys_dir;
    uint16_t channel;
    uint64_t claim;        /* whose */
    const char *spool_dir; /* where its spools are */
};
/* giro_gaps_close looks at the last claim of every member with a counter in the key directory. Claimed sequences that stand in no
 * spool were never sent: they are given back or, where others reserved more since, a spool skip-<BIC>-<first>.spool is made that
 * closes the gap. In every case the claim is empty afterwards. May be cut off at any point and called again. */
enum giro_err giro_gaps_close(const struct giro_gaps_options *options,
                              struct giro_diagnosis *diagnosis) GIRO_MUST_USE;

#endif
