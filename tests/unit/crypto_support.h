/* tests/unit/crypto_support.h - what the crypto suites share. */
#ifndef TESTS_UNIT_CRYPTO_SUPPORT_H
#define TESTS_UNIT_CRYPTO_SUPPORT_H

#include "giro/crypto.h"

void crypto_suite_open(void);  /* .init of each suite */
void crypto_suite_close(void); /* .fini: aborts on a leak in a sanitizer build */

/* The seed of property tests: GIRO_SEED, or a fixed one. */
uint64_t crypto_seed(void);

/* A ring of key_count_max keys in memory of its own; free with free(). */
struct giro_key_ring *crypto_ring_new(uint32_t key_count_max);

/* The same with tables of a given width, 0 for none. */
struct giro_key_ring *crypto_ring_new_for(uint32_t key_count_max, uint32_t table_width);

/* Calls judge for each variant of the verifier that this machine runs, chosen while judge runs; says aloud which it leaves
 * out. The variant chosen before is chosen again afterwards. */
void crypto_each_variant(void (*judge)(void *context, const char *variant), void *context);

/* Decodes hex into malloc'ed bytes; aborts the test on bad hex. */
uint8_t *crypto_hex(const char *text, size_t *size_bytes);

#endif
