/* common/crypto/sha256_many.h - what hashes many SHA-256 inputs at once: compression of whole blocks, two interleaved or in lanes.
 * Shared by sha256_many.c, its variants, variant.c and the unit tests. */
#ifndef GIRO_CRYPTO_SHA256_MANY_H
#define GIRO_CRYPTO_SHA256_MANY_H

#include "giro/crypto.h"

#define GIRO_SHA256_BLOCK 64u

/* Blocks to be compressed into one state of eight words; a run leaves it with no blocks. */
struct giro_sha256_job {
    uint32_t *state;
    const uint8_t *bytes;
    uint64_t blocks;
};
/* Compresses all jobs, each independent of the others, of any lengths. */
typedef void giro_sha256_run_fn(struct giro_sha256_job *jobs, uint32_t count);
/* Hashes count inputs of 64 bytes: one block of the input, one of padding whose schedule is giro_sha256_padded64. */
typedef void giro_sha256_records_fn(const uint8_t *const *inputs, uint32_t count,
                                    struct giro_hash *out);

void giro_sha256_run_portable(struct giro_sha256_job *jobs, uint32_t count);
void giro_sha256_records_portable(const uint8_t *const *inputs, uint32_t count,
                                  struct giro_hash *out);
void giro_sha256_run_ni(struct giro_sha256_job *jobs, uint32_t count);
void giro_sha256_records_ni(const uint8_t *const *inputs, uint32_t count, struct giro_hash *out);
void giro_sha256_run_avx2(struct giro_sha256_job *jobs, uint32_t count);
void giro_sha256_records_avx2(const uint8_t *const *inputs, uint32_t count, struct giro_hash *out);

/* giro_sha256_choose sets what giro_sha256_run and giro_sha256_many use; part of giro_crypto_variant_set. */
void giro_sha256_choose(enum giro_crypto_variant variant);
bool giro_sha256_ni_there(void);
void giro_sha256_run(struct giro_sha256_job *jobs, uint32_t count);
/* giro_sha256_pad completes a message of size_bytes whose last `used` bytes stand in tail; returns the blocks of tail. */
uint32_t giro_sha256_pad(uint8_t tail[2 * GIRO_SHA256_BLOCK], uint32_t used, uint64_t size_bytes);
struct giro_hash giro_sha256_words_hash(const uint32_t words[8]);

/* K of FIPS 180-4, and K[t] + W[t] of the block that pads a message of 64 bytes. */
extern const uint32_t giro_sha256_k[64];
extern const uint32_t giro_sha256_padded64[64];
extern const uint32_t giro_sha256_start[8];

#endif
