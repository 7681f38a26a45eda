/* common/crypto/sign.h - signing: secret keys, the table of the base point that signing reads, and its one costly step, [r]B.
 *
 * Everything here is secret except messages, public keys and finished signatures. No branch and no address depends on a
 * secret, in builds with NDEBUG (the others assert the size of each limb); what holds it: README.md, "Signing".
 *
 * r is 64 signed digits of four bits. Window w lies in lane w % 8 of row w / 8. Every entry of a row is read, whatever the
 * digits are, and kept under a mask: 60 KiB a signature.
 */
#ifndef GIRO_CRYPTO_SIGN_H
#define GIRO_CRYPTO_SIGN_H

#include "giro/crypto.h"

#include "comb.h"

#define GIRO_SIGN_LANES   8u
#define GIRO_SIGN_ROWS    (GIRO_COMB_WINDOWS_MAX / GIRO_SIGN_LANES)
#define GIRO_SIGN_ENTRIES 8u  /* 1 to 8 times the window's point; zero times is no entry */
#define GIRO_SIGN_WORDS   15u /* y + x, y - x, 2dxy, five canonical limbs each */

/* entries[j - 1][i][l] is word i of j 16^(8 row + l) B. */
struct giro_sign_row {
    uint64_t entries[GIRO_SIGN_ENTRIES][GIRO_SIGN_WORDS][GIRO_SIGN_LANES];
} __attribute__((aligned(GIRO_CACHE_LINE_BYTES)));
extern struct giro_sign_row giro_sign_table[GIRO_SIGN_ROWS];

struct giro_secret_key {
    uint8_t secret[64]; /* libsodium's form: seed 32 | public 32 */
    uint8_t scalar[32]; /* a mod L */
    uint8_t prefix[32]; /* the second half of SHA-512(seed) */
};

/* [r]B into x, y, z of the job whose key_digits are those of r. */
typedef void giro_sign_sum_fn(struct giro_comb_job *job);
void giro_sign_sum_avx2(struct giro_comb_job *job);
void giro_sign_sum_avx512(struct giro_comb_job *job);
/* giro_variant_sign is what giro_sign runs; NULL: libsodium signs. */
giro_sign_sum_fn *giro_variant_sign(void);

/* giro_sign_start builds the table, once, and compares eight sums, which touch every entry, with libsodium's. Asserts. */
void giro_sign_start(void);
/* giro_sign_expand fills scalar and prefix from the seed. */
void giro_sign_expand(struct giro_secret_key *key);
/* giro_sign_by signs with a given sum. False: the sum is no point of the curve, and the signature must not leave: one with a
 * wrong R, beside one with the right R of the same message, gives the key away. Leaves secrets on the stack below. */
bool giro_sign_by(giro_sign_sum_fn *sum, const struct giro_secret_key *key, const void *message,
                  size_t message_bytes, struct giro_signature *signature) GIRO_MUST_USE;

#endif
