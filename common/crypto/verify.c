/* The one verification path. Each signature is judged alone by libsodium, so no item can change
 * another's verdict and every replica reaches the same one. */
#include <sodium.h>

#include "internal.h"

uint32_t giro_verify_batch(const struct giro_key_ring *ring, const struct giro_verify_item *items,
                           uint32_t count, uint8_t *verdicts)
{
    GIRO_ASSERT(ring != NULL);
    GIRO_ASSERT((items != NULL && verdicts != NULL) || count == 0);
    uint32_t valid_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct giro_verify_item *item = &items[i];
        const struct giro_key_slot *slot = giro_key_ring_slot(ring, item->key);
        bool valid =
            slot != NULL && crypto_sign_verify_detached(item->signature, item->message,
                                                        item->message_bytes, slot->key.bytes) == 0;
        verdicts[i] = valid ? GIRO_VALID : GIRO_INVALID;
        valid_count += valid;
    }
    GIRO_ASSERT(valid_count <= count);
    return valid_count;
}
