/* tests/unit/genesis_support.h - a small hub made from seeds, for the genesis suites. */
#ifndef TESTS_UNIT_GENESIS_SUPPORT_H
#define TESTS_UNIT_GENESIS_SUPPORT_H

#include "giro/genesis.h"

void genesis_suite_open(void);
void genesis_suite_close(void);

/* Fills a genesis with real keys and proofs: replicas "replica-0".., operators maker and checker,
 * members with `frame_keys` frame keys each. Free with giro_genesis_free. */
void genesis_make(struct giro_genesis *genesis, uint32_t replicas, uint32_t members,
                  uint32_t frame_keys);

/* Replaces the first `from` in text by `to`; malloc'ed. Fails the test if from is not there. */
char *genesis_replaced(const char *text, const char *from, const char *to);

#endif
