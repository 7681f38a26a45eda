/* tests/unit/details_support.h - the vectors of sealed details (tests/vectors/details/make.py). */
#ifndef TESTS_UNIT_DETAILS_SUPPORT_H
#define TESTS_UNIT_DETAILS_SUPPORT_H

#include "giro/details.h"

struct details_vector {
    const char *what;
    struct giro_details_seal seal; /* plaintext borrowed from this vector */
    struct giro_details details;
    struct giro_secret_key *creditor, *supervisor;
    uint8_t plaintext[GIRO_DETAILS_PLAIN_MAX];
    struct giro_hash commitment;
    uint8_t block[GIRO_DETAILS_BLOCK_MAX];
    uint32_t block_bytes;
};
#define DETAILS_VECTORS_MAX 16u
extern struct details_vector details_vectors[DETAILS_VECTORS_MAX];
extern uint32_t details_vector_count;

void details_suite_open(void); /* loads them */
void details_suite_close(void);

/* details_read decodes a block of exactly these bytes. */
struct giro_details_block details_read(const uint8_t *bytes, uint32_t size_bytes);
bool details_same(const struct giro_details *a, const struct giro_details *b);

#endif
