/* apps/giro/disclosures.h - the disclosures in a file of any kind that holds some: verified, one after the other. */
#ifndef GIRO_APPS_DISCLOSURES_H
#define GIRO_APPS_DISCLOSURES_H

#include "apps/giro/giro.h"
#include "giro/recon.h"

/* each gets a verified disclosure; a sentence ends the walk. */
typedef const char *giro_disclosure_fn(void *context, const struct giro_disclosure *disclosure);
/* giro_disclosures_each reads a disclosure, a day of details, a spool of frames, or a cut folder (its details.opened). The diagnosis
 * names the file and what does not hold; a sentence of `each` stands there as it is. */
enum giro_err giro_disclosures_each(const struct giro_hub_view *view, const char *path,
                                    giro_disclosure_fn *each, void *context,
                                    struct giro_diagnosis *diagnosis) GIRO_MUST_USE;

#endif
