/* apps/girod/receipts.h - gathers answers to members into datagrams, one per member address, and sends them.
 * Internal to girod. Bounded: RECEIPTS_OPEN addresses gather at once; a full or displaced one is sent at once. */
#ifndef GIRO_APPS_RECEIPTS_H
#define GIRO_APPS_RECEIPTS_H

#include "apps/girod/replica.h"

struct giro_receipts;
struct giro_receipts *giro_receipts_new(uint64_t chain_prefix, uint16_t replica,
                                        struct giro_port *port);
void giro_receipts_free(struct giro_receipts *receipts);
void giro_receipts_add(struct giro_receipts *receipts, const struct giro_answer *answer);
/* giro_receipts_flush sends everything gathered; called once per turn of the loop. */
void giro_receipts_flush(struct giro_receipts *receipts);
uint64_t
giro_receipts_lost(const struct giro_receipts *receipts); /* datagrams the port would not take */

#endif
