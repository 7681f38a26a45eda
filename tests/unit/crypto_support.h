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

/* Decodes hex into malloc'ed bytes; aborts the test on bad hex. */
uint8_t *crypto_hex(const char *text, size_t *size_bytes);

#endif
