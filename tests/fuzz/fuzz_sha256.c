/* SHA-256 of many inputs and streams at once: equal to OpenSSL's, one at a time, in every variant.
 * Input: the number of cuts 1 | where to cut, two bytes each | bytes that the cuts divide. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "giro/crypto.h"

#define CUTS_MAX 80u

static void compare(const struct giro_hash *many, const struct giro_part *inputs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct giro_hash one = giro_sha256(inputs[i].bytes, inputs[i].size_bytes);
        if (!giro_hash_equal(&many[i], &one))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct giro_sha256_state states[CUTS_MAX];
    struct giro_sha256_state *order[CUTS_MAX];
    struct giro_part inputs[CUTS_MAX], halves[CUTS_MAX];
    struct giro_hash out[CUTS_MAX];
    static bool ready;
    if (!ready && giro_crypto_init() != GIRO_ERR_OK)
        abort();
    ready = true;
    if (size < 1)
        return 0;
    const uint32_t count = data[0] % CUTS_MAX;
    if (size < 1 + 2 * (size_t)count)
        return 0;
    const uint8_t *bytes = data + 1 + 2 * (size_t)count;
    const size_t left = size - 1 - 2 * (size_t)count;
    for (uint32_t i = 0; i < count; i++) {
        const size_t from = left == 0 ? 0 : data[1 + 2 * i] * (size_t)7 % left;
        const size_t most = left - from, wanted = data[2 + 2 * i] * (size_t)5;
        inputs[i] = (struct giro_part){bytes + from, wanted < most ? wanted : most};
    }
    for (int v = 0; v < GIRO_VARIANT_COUNT; v++) {
        if (!giro_crypto_variant_set(v))
            continue;
        giro_sha256_many(inputs, count, out);
        compare(out, inputs, count);
        for (uint32_t i = 0; i < count; i++) {
            giro_sha256_begin(&states[i]);
            order[i] = &states[i];
            halves[i] = (struct giro_part){inputs[i].bytes, inputs[i].size_bytes / 3};
        }
        giro_sha256_update_many(order, halves, count);
        for (uint32_t i = 0; i < count; i++)
            halves[i] = (struct giro_part){(const uint8_t *)inputs[i].bytes + halves[i].size_bytes,
                                           inputs[i].size_bytes - halves[i].size_bytes};
        giro_sha256_update_many(order, halves, count);
        giro_sha256_end_many(order, count, out);
        compare(out, inputs, count);
    }
    return 0;
}
