/* Sealing a block of details and opening it. */
#include <sodium.h>

#include "giro/details.h"

static_assert(GIRO_DETAILS_KEY_BYTES == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "key");
static_assert(GIRO_DETAILS_NONCE_BYTES == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "nonce");
static_assert(GIRO_DETAILS_TAG_BYTES == crypto_aead_xchacha20poly1305_ietf_ABYTES, "tag");
static_assert(sizeof(((struct giro_details_header *)NULL)->creditor_box) ==
                  GIRO_DETAILS_KEY_BYTES + crypto_box_SEALBYTES,
              "a box holds K");
static_assert(crypto_box_PUBLICKEYBYTES == GIRO_KEY_BYTES && crypto_box_SECRETKEYBYTES == 32,
              "sealing keys are X25519 keys");

struct giro_details_place giro_details_place_of(const struct giro_hash *chain,
                                                const struct giro_frame_header *header,
                                                uint16_t record,
                                                const uint8_t uetr[GIRO_UETR_BYTES])
{
    struct giro_details_place place = {.chain = *chain,
                                       .member = header->member,
                                       .channel = header->channel,
                                       .record = record,
                                       .sequence = header->sequence};
    memcpy(place.uetr, uetr, sizeof(place.uetr));
    return place;
}

struct giro_hash giro_details_commitment(const struct giro_details_place *place,
                                         const uint8_t key[GIRO_DETAILS_KEY_BYTES],
                                         const uint8_t *plaintext, uint32_t plaintext_bytes)
{
    const struct giro_part parts[] = {{GIRO_TAG_DETAILS, GIRO_TAG_BYTES},
                                      {&place->chain, sizeof(place->chain)},
                                      {&place->member, sizeof(place->member)},
                                      {&place->channel, sizeof(place->channel)},
                                      {&place->sequence, sizeof(place->sequence)},
                                      {&place->record, sizeof(place->record)},
                                      {place->uetr, sizeof(place->uetr)},
                                      {key, GIRO_DETAILS_KEY_BYTES},
                                      {plaintext, plaintext_bytes}};
    return giro_sha256_parts(parts, sizeof(parts) / sizeof(parts[0]));
}

uint32_t giro_details_seal_block(const struct giro_details_seal *seal, uint8_t *out)
{
    GIRO_ASSERT(seal->plaintext_bytes >= GIRO_DETAILS_STEP_BYTES);
    GIRO_ASSERT(seal->plaintext_bytes <= GIRO_DETAILS_PLAIN_MAX);
    GIRO_ASSERT(seal->plaintext_bytes % GIRO_DETAILS_STEP_BYTES == 0 && seal->creditor_key_id != 0);
    struct giro_details_header header = {
        .record = seal->place.record,
        .ciphertext_bytes = (uint16_t)(seal->plaintext_bytes + GIRO_DETAILS_TAG_BYTES),
        .creditor_key_id = seal->creditor_key_id,
        .supervisor_key_id = seal->supervisor_key_id,
        .commitment = giro_details_commitment(&seal->place, seal->key, seal->plaintext,
                                              seal->plaintext_bytes)};
    memcpy(header.nonce, seal->nonce, sizeof(header.nonce));
    if (crypto_box_seal(header.creditor_box, seal->key, sizeof(seal->key), seal->creditor.bytes) !=
        0)
        return 0;
    if (seal->supervisor_key_id != 0 &&
        crypto_box_seal(header.supervisor_box, seal->key, sizeof(seal->key),
                        seal->supervisor.bytes) != 0)
        return 0;
    memcpy(out, &header, sizeof(header));
    unsigned long long cipher_bytes = 0;
    int done = crypto_aead_xchacha20poly1305_ietf_encrypt(
        out + sizeof(header), &cipher_bytes, seal->plaintext, seal->plaintext_bytes,
        header.commitment.bytes, sizeof(header.commitment), NULL, seal->nonce, seal->key);
    GIRO_ASSERT(done == 0 && cipher_bytes == header.ciphertext_bytes);
    return (uint32_t)(sizeof(header) + header.ciphertext_bytes);
}

bool giro_details_unbox(const struct giro_details_header *header, enum giro_details_box box,
                        const struct giro_secret_key *secret, uint8_t key[GIRO_DETAILS_KEY_BYTES])
{
    const uint8_t *sealed = header->creditor_box;
    if (box == GIRO_DETAILS_SUPERVISOR)
        sealed = header->supervisor_box;
    const struct giro_public_key public_key = giro_key_sealing(secret);
    uint8_t scalar[crypto_box_SECRETKEYBYTES];
    giro_key_seed(secret, scalar);
    const bool good = crypto_box_seal_open(key, sealed, sizeof(header->creditor_box),
                                           public_key.bytes, scalar) == 0;
    sodium_memzero(scalar, sizeof(scalar));
    return good;
}

enum giro_details_verdict giro_details_open(const struct giro_details_block *block,
                                            const struct giro_details_place *place,
                                            const uint8_t key[GIRO_DETAILS_KEY_BYTES],
                                            uint8_t *plaintext, uint32_t *plaintext_bytes,
                                            struct giro_details *details)
{
    const struct giro_details_header *header = &block->header;
    unsigned long long size_bytes = 0;
    GIRO_ASSERT(header->ciphertext_bytes <= GIRO_DETAILS_PLAIN_MAX + GIRO_DETAILS_TAG_BYTES);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(
            plaintext, &size_bytes, NULL, block->ciphertext, header->ciphertext_bytes,
            header->commitment.bytes, sizeof(header->commitment), header->nonce, key) != 0) {
        memset(plaintext, 0, GIRO_DETAILS_PLAIN_MAX);
        return GIRO_DETAILS_WRONG_KEY;
    }
    *plaintext_bytes = (uint32_t)size_bytes;
    const struct giro_hash commitment =
        giro_details_commitment(place, key, plaintext, *plaintext_bytes);
    if (!giro_hash_equal(&commitment, &header->commitment))
        return GIRO_DETAILS_BROKEN_PROMISE;
    return giro_details_decode(plaintext, *plaintext_bytes, details) == GIRO_REJECT_NONE
               ? GIRO_DETAILS_OPENED
               : GIRO_DETAILS_BROKEN_FORM;
}

const char *giro_details_verdict_text(enum giro_details_verdict verdict)
{
    switch (verdict) {
    case GIRO_DETAILS_OPENED:
        return "opened, and what the debtor committed to";
    case GIRO_DETAILS_WRONG_KEY:
        return "this key does not open it: ask the debtor, who keeps it, to show it";
    case GIRO_DETAILS_BROKEN_PROMISE:
        return "it opens, but the debtor committed to something else: a break that this key and "
               "the signed frame prove";
    case GIRO_DETAILS_BROKEN_FORM:
        return "it opens, but is not in the form of details: a break that this key and the signed "
               "frame prove";
    }
    return "unknown verdict";
}
