/* Sealing and opening: known answers of a second implementation, every flipped bit, wrong keys, provable breaks. */
#include <stdlib.h>

#include <criterion/criterion.h>
#include <sodium.h>

#include "details_support.h"

TestSuite(details, .init = details_suite_open, .fini = details_suite_close);

static enum giro_details_verdict open_with(const struct details_vector *vector,
                                           const struct giro_details_block *block,
                                           const uint8_t *key, struct giro_details *details)
{
    static uint8_t plaintext[GIRO_DETAILS_PLAIN_MAX];
    uint32_t size_bytes = 0;
    return giro_details_open(block, &vector->seal.place, key, plaintext, &size_bytes, details);
}

Test(details, blocks_of_another_implementation_open_for_each_who_may)
{
    for (uint32_t i = 0; i < details_vector_count; i++) {
        const struct details_vector *vector = &details_vectors[i];
        const struct giro_details_block block = details_read(vector->block, vector->block_bytes);
        struct giro_details details;
        uint8_t key[32];
        cr_assert(giro_hash_equal(&block.header.commitment, &vector->commitment));
        cr_assert(giro_details_unbox(&block.header, GIRO_DETAILS_CREDITOR, vector->creditor, key));
        cr_assert(memcmp(key, vector->seal.key, 32) == 0);
        cr_assert(open_with(vector, &block, key, &details) == GIRO_DETAILS_OPENED, "%s",
                  vector->what);
        cr_assert(details_same(&details, &vector->details), "%s", vector->what);
        const bool supervised = vector->seal.supervisor_key_id != 0;
        cr_assert(giro_details_unbox(&block.header, GIRO_DETAILS_SUPERVISOR, vector->supervisor,
                                     key) == supervised);
        cr_assert(!supervised || memcmp(key, vector->seal.key, 32) == 0);
        /* Nobody else: not one in the other's place, not the debtor by its own sealing key. */
        cr_assert(
            !giro_details_unbox(&block.header, GIRO_DETAILS_CREDITOR, vector->supervisor, key));
        cr_assert(
            !giro_details_unbox(&block.header, GIRO_DETAILS_SUPERVISOR, vector->creditor, key));
    }
}

Test(details, sealing_gives_the_bytes_of_the_other_implementation_but_for_the_boxes)
{
    for (uint32_t i = 0; i < details_vector_count; i++) {
        const struct details_vector *vector = &details_vectors[i];
        uint8_t block[GIRO_DETAILS_BLOCK_MAX], again[GIRO_DETAILS_BLOCK_MAX];
        cr_assert(giro_details_seal_block(&vector->seal, block) == vector->block_bytes);
        cr_assert(giro_details_seal_block(&vector->seal, again) == vector->block_bytes);
        cr_assert(memcmp(block, vector->block, 64) == 0, "%s: header", vector->what);
        cr_assert(memcmp(block + 224, vector->block + 224, vector->block_bytes - 224) == 0,
                  "%s: ciphertext", vector->what);
        cr_assert(memcmp(block + 64, again + 64, 80) != 0, "boxes are made with fresh keys");
        const struct giro_details_block read = details_read(block, vector->block_bytes);
        uint8_t key[32];
        cr_assert(giro_details_unbox(&read.header, GIRO_DETAILS_CREDITOR, vector->creditor, key));
        cr_assert(memcmp(key, vector->seal.key, 32) == 0);
    }
}

/* Where a bit of a block stands decides who notices: the form, the box, or the ciphertext. Nobody ever reads other details. */
Test(details, every_flipped_bit_is_refused)
{
    for (uint32_t i = 0; i < details_vector_count; i++) {
        const struct details_vector *vector = &details_vectors[i];
        uint8_t bytes[GIRO_DETAILS_BLOCK_MAX];
        memcpy(bytes, vector->block, vector->block_bytes);
        for (uint32_t bit = 0; bit < 8 * vector->block_bytes; bit++) {
            /* The key ids and the record are bound by the frame's signature and by the commitment's place alone. */
            if (bit < 16 || (bit >= 32 && bit < 64))
                continue;
            if (vector->block_bytes > 700 && bit % 7 != 0 && bit > 8 * 224)
                continue; /* of long ciphertexts a seventh: each costs two curve operations */
            struct giro_details_block block;
            struct giro_details details;
            uint8_t key[32];
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            bool refused =
                giro_details_block_decode(bytes, vector->block_bytes, &block) != GIRO_REJECT_NONE ||
                block.size_bytes != vector->block_bytes;
            const bool in_creditor = bit >= 8 * 64 && bit < 8 * 144;
            const bool in_supervisor = bit >= 8 * 144 && bit < 8 * 224;
            if (!refused && in_creditor) {
                /* The top bit of a curve point is no part of it, but of the nonce that is made of it. */
                refused = !giro_details_unbox(&block.header, GIRO_DETAILS_CREDITOR,
                                              vector->creditor, key);
            } else if (!refused && in_supervisor) {
                refused = !giro_details_unbox(&block.header, GIRO_DETAILS_SUPERVISOR,
                                              vector->supervisor, key);
            } else if (!refused) {
                refused =
                    open_with(vector, &block, vector->seal.key, &details) == GIRO_DETAILS_WRONG_KEY;
            }
            cr_assert(refused, "%s, bit %u", vector->what, bit);
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
}

Test(details, a_wrong_key_opens_nothing_and_leaves_no_plaintext)
{
    const struct details_vector *vector = &details_vectors[2];
    const struct giro_details_block block = details_read(vector->block, vector->block_bytes);
    for (uint32_t bit = 0; bit < 256; bit++) {
        uint8_t key[32], plaintext[GIRO_DETAILS_PLAIN_MAX];
        struct giro_details details;
        uint32_t size_bytes = 0;
        memcpy(key, vector->seal.key, sizeof(key));
        memset(plaintext, 0x5A, sizeof(plaintext));
        key[bit / 8] ^= (uint8_t)(1u << bit % 8);
        cr_assert(giro_details_open(&block, &vector->seal.place, key, plaintext, &size_bytes,
                                    &details) == GIRO_DETAILS_WRONG_KEY);
        for (uint32_t i = 0; i < sizeof(plaintext); i++)
            cr_assert(plaintext[i] == 0);
    }
}

/* The same block in another place opens, and shows that it was not made for it. */
Test(details, a_block_moved_to_another_place_is_a_provable_break)
{
    const struct details_vector *vector = &details_vectors[2];
    const struct giro_details_block block = details_read(vector->block, vector->block_bytes);
    for (uint32_t what = 0; what < 6; what++) {
        struct details_vector moved = *vector;
        struct giro_details_place *place = &moved.seal.place;
        struct giro_details details;
        place->chain.bytes[31] ^= what == 0;
        place->member ^= what == 1;
        place->channel ^= what == 2;
        place->sequence ^= what == 3;
        place->record ^= what == 4;
        place->uetr[15] ^= what == 5;
        cr_assert(open_with(&moved, &block, vector->seal.key, &details) ==
                      GIRO_DETAILS_BROKEN_PROMISE,
                  "%u", what);
    }
}

/* A debtor that commits to one thing and encrypts another: its own signature over this block convicts it. */
static uint32_t broken_block(const struct details_vector *vector,
                             const struct giro_hash *commitment, const uint8_t *plaintext,
                             uint32_t plaintext_bytes, uint8_t *out)
{
    struct giro_details_header header;
    unsigned long long cipher_bytes = 0;
    memcpy(&header, vector->block, sizeof(header));
    header.commitment = *commitment;
    header.ciphertext_bytes = (uint16_t)(plaintext_bytes + 16);
    memcpy(out, &header, sizeof(header));
    crypto_aead_xchacha20poly1305_ietf_encrypt(out + sizeof(header), &cipher_bytes, plaintext,
                                               plaintext_bytes, commitment->bytes, 32, NULL,
                                               header.nonce, vector->seal.key);
    return (uint32_t)(sizeof(header) + cipher_bytes);
}

Test(details, other_content_than_committed_and_content_out_of_form_are_provable_breaks)
{
    const struct details_vector *vector = &details_vectors[2], *other = &details_vectors[1];
    uint8_t bytes[GIRO_DETAILS_BLOCK_MAX], plaintext[GIRO_DETAILS_PLAIN_MAX] = {1, 0, 4, 0, 9};
    struct giro_details details;
    uint32_t size_bytes = broken_block(vector, &vector->commitment, other->plaintext,
                                       other->seal.plaintext_bytes, bytes);
    struct giro_details_block block = details_read(bytes, size_bytes);
    cr_assert(open_with(vector, &block, vector->seal.key, &details) == GIRO_DETAILS_BROKEN_PROMISE);
    /* Committed to as it is, but not in the form of details. */
    const struct giro_hash commitment =
        giro_details_commitment(&vector->seal.place, vector->seal.key, plaintext, 128);
    size_bytes = broken_block(vector, &commitment, plaintext, 128, bytes);
    block = details_read(bytes, size_bytes);
    cr_assert(open_with(vector, &block, vector->seal.key, &details) == GIRO_DETAILS_BROKEN_FORM);
}

Test(details, a_sealing_key_that_is_no_point_to_seal_to_is_refused)
{
    struct giro_details_seal seal = details_vectors[0].seal;
    uint8_t block[GIRO_DETAILS_BLOCK_MAX];
    memset(&seal.creditor, 0, sizeof(seal.creditor));
    cr_assert(giro_details_seal_block(&seal, block) == 0);
    seal = details_vectors[0].seal;
    memset(&seal.supervisor, 0, sizeof(seal.supervisor));
    cr_assert(giro_details_seal_block(&seal, block) == 0);
}

/* Two payments with the same content: nothing in their blocks tells. */
Test(details, equal_content_under_fresh_keys_gives_blocks_that_share_nothing)
{
    struct giro_details_seal first = details_vectors[2].seal, second = first;
    uint8_t a[GIRO_DETAILS_BLOCK_MAX], b[GIRO_DETAILS_BLOCK_MAX];
    randombytes_buf(first.key, sizeof(first.key));
    randombytes_buf(second.key, sizeof(second.key));
    randombytes_buf(first.nonce, sizeof(first.nonce));
    randombytes_buf(second.nonce, sizeof(second.nonce));
    const uint32_t size_bytes = giro_details_seal_block(&first, a);
    cr_assert(giro_details_seal_block(&second, b) == size_bytes);
    for (uint32_t at = 8; at + 8 <= size_bytes; at++)
        cr_assert(memcmp(a + at, b + at, 8) != 0, "equal bytes at %u", at);
}
