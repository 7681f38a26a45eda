/* Raw bytes as a key, signatures and messages: every variant's verdict is libsodium's, in every lane.
 * Input: flags 1 | key 32 | signature 64 | message. Flag bit 0: the key is that of a fixed secret key; bit 1: the signature is
 * the fixed key's over the message, with bytes 33.. of the input XORed in, so that most of it is right. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/crypto/internal.h"
#include "fuzz.h"

#define HEAD_BYTES 97u
#define ITEMS      12u

struct keys {
    struct giro_key_ring *ring;
    struct giro_public_key key;
    struct giro_key_handle handle, other;
};

/* A ring of the input's key and the fixed one; tables are kept while the key stays the same. */
static const struct keys *keys_of(const struct giro_public_key *key,
                                  const struct giro_public_key *own)
{
    static struct keys keys;
    static uint8_t *mem;
    if (keys.ring != NULL && memcmp(&keys.key, key, sizeof(*key)) == 0)
        return &keys;
    const size_t mem_bytes = giro_key_ring_footprint_for(2, 4);
    if (mem == NULL)
        mem = aligned_alloc(64, mem_bytes);
    keys.ring = giro_key_ring_init(mem, mem_bytes, 2);
    keys.key = *key;
    if (keys.ring == NULL || giro_key_ring_place(keys.ring, key, &keys.handle) != GIRO_KEY_OK)
        abort();
    if (giro_key_ring_place(keys.ring, own, &keys.other) != GIRO_KEY_OK)
        keys.other = keys.handle; /* the same key */
    return &keys;
}

static void judge(const struct giro_public_key *key, const uint8_t *signature,
                  const uint8_t *message, size_t message_bytes, const struct giro_signature *beside,
                  const struct giro_public_key *own)
{
    const struct keys *keys = keys_of(key, own);
    const bool expected =
        crypto_sign_verify_detached(signature, message, message_bytes, key->bytes) == 0;
    struct giro_verify_item items[ITEMS];
    for (uint32_t i = 0; i < ITEMS; i++)
        items[i] = i % 3 == 2 ? (struct giro_verify_item){keys->other, message,
                                                          (uint32_t)message_bytes, beside->bytes}
                              : (struct giro_verify_item){keys->handle, message,
                                                          (uint32_t)message_bytes, signature};
    for (int v = 0; v < GIRO_VARIANT_COUNT; v++) {
        if (!giro_crypto_variant_set(v))
            continue;
        uint8_t verdicts[ITEMS];
        for (uint32_t count = 1; count <= ITEMS; count += ITEMS - 1) {
            giro_verify_batch(keys->ring, items, count, verdicts);
            for (uint32_t i = 0; i < count; i++) {
                if (verdicts[i] != (i % 3 == 2 ? true : expected))
                    abort();
            }
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct giro_secret_key *secret;
    if (secret == NULL) {
        static const uint8_t seed[32] = {7};
        if (giro_crypto_init() != GIRO_ERR_OK)
            return 0;
        secret = giro_key_from_seed(seed);
    }
    if (size < HEAD_BYTES)
        return 0;
    const uint8_t *message = data + HEAD_BYTES;
    const struct giro_public_key own = giro_key_public(secret);
    const struct giro_signature right = giro_sign(secret, message, size - HEAD_BYTES);
    struct giro_public_key key = own;
    if ((data[0] & 1) == 0)
        memcpy(key.bytes, data + 1, sizeof(key.bytes));
    uint8_t signature[GIRO_SIGNATURE_BYTES];
    for (uint32_t i = 0; i < sizeof(signature); i++)
        signature[i] = (uint8_t)(data[33 + i] ^ ((data[0] & 2) != 0 ? right.bytes[i] : 0));
    judge(&key, signature, message, size - HEAD_BYTES, &right, &own);
    return 0;
}
