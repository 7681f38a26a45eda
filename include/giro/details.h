/* giro/details.h - what stands in sealed details, sealing and opening.
 *
 * A payment's names, accounts, references and remittance text travel as one block of its frame's details section
 * (giro/wire.h). Nobody but the creditor, the supervisor and whoever was shown K can read it:
 *
 *   plaintext   fields in one canonical form, padded to 128-byte steps, at most 1 KiB
 *   K           32 fresh random bytes per block, kept by the sender
 *   commitment  C = SHA-256(tag DETAILS | chain id | member | channel | sequence | record | UETR | K | plaintext)
 *   ciphertext  XChaCha20-Poly1305 under K with C as associated data
 *   boxes       K sealed to the creditor's and to the supervisor's key (libsodium's crypto_box_seal)
 *
 * Whoever opens recomputes C. The frame's signature binds the block, so a ciphertext that opens under K while C does not fit,
 * or whose plaintext is not canonical, is a break that K proves to anyone. A box that does not open, or a K in it that does
 * not open the ciphertext, proves nothing to others: the sender, who can show K, is asked.
 *
 * Sealing draws randomness inside crypto_box_seal (its ephemeral keys); the rest is pure. Threads: any.
 * Source: shared design, protocol.md section 6; libsodium's documentation of sealed boxes; RFC 8439 for Poly1305.
 */
#ifndef GIRO_DETAILS_H
#define GIRO_DETAILS_H

#include "giro/wire.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Plaintext ------------------------------------------------------------------------------------------ */

/* X(number, NAME, column of the payments CSV, characters at most). The numbers are the order in the plaintext; the lengths are
 * those of pacs.008 (Max35Text, Max140Text, Max34Text). */
#define GIRO_DETAILS_FIELDS(X)                                                                     \
    X(1, INSTRUCTION_ID, instruction_id, 35)                                                       \
    X(2, END_TO_END_ID, end_to_end_id, 35)                                                         \
    X(3, DEBTOR_NAME, debtor_name, 140)                                                            \
    X(4, DEBTOR_ACCOUNT, debtor_account, 34)                                                       \
    X(5, CREDITOR_NAME, creditor_name, 140)                                                        \
    X(6, CREDITOR_ACCOUNT, creditor_account, 34)                                                   \
    X(7, REMITTANCE, remittance, 140)
enum giro_details_field {
#define GIRO_DETAILS_ENUM(number, name, column, characters) GIRO_DETAILS_##name = (number)-1,
    GIRO_DETAILS_FIELDS(GIRO_DETAILS_ENUM)
#undef GIRO_DETAILS_ENUM
        GIRO_DETAILS_FIELD_COUNT
};
/* giro_details_field_name: "instruction_id". _characters: at most as many (code points). */
const char *giro_details_field_name(enum giro_details_field field);
uint32_t giro_details_field_characters(enum giro_details_field field);

/* UTF-8 without control characters, not NUL-terminated; length 0: absent. Borrowed. */
struct giro_details_text {
    const char *text;
    uint32_t length;
};
struct giro_details {
    struct giro_details_text fields[GIRO_DETAILS_FIELD_COUNT];
};

/* Plaintext: version 2 = 1 | size of the fields 2 | per field: number 1 | reserved 1 | size 2 | text | zeros up to the next
 * 128 bytes. Numbers ascend, no field is empty, and no step is used without need: the same fields have one form. */
#define GIRO_DETAILS_VERSION 1u
enum giro_details_fault {
    GIRO_DETAILS_GOOD = 0,
    GIRO_DETAILS_EMPTY,    /* no field at all */
    GIRO_DETAILS_TEXT,     /* not UTF-8, or with a control character */
    GIRO_DETAILS_LONG,     /* more characters than the field may have */
    GIRO_DETAILS_TOO_MUCH, /* all fields together are more than 1 KiB */
};
/* giro_details_encode writes the plaintext (GIRO_DETAILS_PLAIN_MAX) and its size. On TEXT and LONG *field is the one; on any
 * fault nothing else is set. */
enum giro_details_fault giro_details_encode(const struct giro_details *details, uint8_t *plaintext,
                                            uint32_t *size_bytes,
                                            enum giro_details_field *field) GIRO_MUST_USE;
/* giro_details_decode: the fields point into plaintext. Anything but the canonical form is refused. */
enum giro_reject giro_details_decode(const uint8_t *plaintext, uint32_t size_bytes,
                                     struct giro_details *details) GIRO_MUST_USE;

/* ---- Sealing and opening ----------------------------------------------------------------------------------- */

#define GIRO_DETAILS_KEY_BYTES   32u
#define GIRO_DETAILS_NONCE_BYTES 24u

/* Which record of which frame: what a commitment binds beside K and plaintext. */
struct giro_details_place {
    struct giro_hash chain;
    uint16_t member, channel, record;
    uint64_t sequence;
    uint8_t uetr[GIRO_UETR_BYTES];
};
struct giro_details_place giro_details_place_of(const struct giro_hash *chain,
                                                const struct giro_frame_header *header,
                                                uint16_t record,
                                                const uint8_t uetr[GIRO_UETR_BYTES]);
struct giro_hash giro_details_commitment(const struct giro_details_place *place,
                                         const uint8_t key[GIRO_DETAILS_KEY_BYTES],
                                         const uint8_t *plaintext, uint32_t plaintext_bytes);

struct giro_details_seal {
    struct giro_details_place place;
    const uint8_t *plaintext; /* canonical: of giro_details_encode */
    uint32_t plaintext_bytes;
    uint8_t key[GIRO_DETAILS_KEY_BYTES];         /* fresh and random: never twice */
    uint8_t nonce[GIRO_DETAILS_NONCE_BYTES];     /* random */
    struct giro_public_key creditor, supervisor; /* X25519 */
    uint16_t creditor_key_id;                    /* from 1 */
    uint16_t supervisor_key_id;                  /* 0: the hub has none, supervisor is not used */
};
/* giro_details_seal_block writes one block (GIRO_DETAILS_BLOCK_MAX); returns its size, 0 if a sealing key is not a point one can
 * seal to. Cost: README.md. */
uint32_t giro_details_seal_block(const struct giro_details_seal *seal, uint8_t *out);

enum giro_details_box { GIRO_DETAILS_CREDITOR, GIRO_DETAILS_SUPERVISOR };
/* giro_details_unbox gets K out of a box. False: it was not sealed to this key, or changed since. */
bool giro_details_unbox(const struct giro_details_header *header, enum giro_details_box box,
                        const struct giro_secret_key *secret,
                        uint8_t key[GIRO_DETAILS_KEY_BYTES]) GIRO_MUST_USE;

enum giro_details_verdict {
    GIRO_DETAILS_OPENED = 0,
    GIRO_DETAILS_WRONG_KEY,      /* K does not open the ciphertext: proves nothing */
    GIRO_DETAILS_BROKEN_PROMISE, /* it opens, the commitment is of something else: provable */
    GIRO_DETAILS_BROKEN_FORM,    /* all fits, the plaintext is not canonical: provable */
};
/* giro_details_open decrypts a block under K into plaintext (GIRO_DETAILS_PLAIN_MAX) and judges it; *details points into
 * plaintext and is set on OPENED only. plaintext is zeroed on WRONG_KEY. */
enum giro_details_verdict giro_details_open(const struct giro_details_block *block,
                                            const struct giro_details_place *place,
                                            const uint8_t key[GIRO_DETAILS_KEY_BYTES],
                                            uint8_t *plaintext, uint32_t *plaintext_bytes,
                                            struct giro_details *details) GIRO_MUST_USE;
/* giro_details_verdict_text: what the verdict means and what to keep, one sentence. */
const char *giro_details_verdict_text(enum giro_details_verdict verdict);

#ifdef __cplusplus
}
#endif
#endif
