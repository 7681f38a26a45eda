#include <stdio.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#include "crypto_support.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

void crypto_suite_open(void)
{
    cr_assert(giro_crypto_init() == GIRO_ERR_OK);
}

void crypto_suite_close(void)
{
#ifdef __SANITIZE_ADDRESS__
    if (__lsan_do_recoverable_leak_check() != 0)
        abort();
#endif
}

uint64_t crypto_seed(void)
{
    const char *text = getenv("GIRO_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 0) : UINT64_C(20261124);
    fprintf(stderr, "GIRO_SEED=%lu\n", seed);
    return seed;
}

static struct giro_key_ring *ring_new(size_t size_bytes, uint32_t key_count_max)
{
    cr_assert(size_bytes != 0 && size_bytes % 64 == 0);
    void *mem = aligned_alloc(64, size_bytes);
    cr_assert(mem != NULL);
    struct giro_key_ring *ring = giro_key_ring_init(mem, size_bytes, key_count_max);
    cr_assert(ring == mem);
    return ring;
}

struct giro_key_ring *crypto_ring_new(uint32_t key_count_max)
{
    return ring_new(giro_key_ring_footprint(key_count_max), key_count_max);
}

struct giro_key_ring *crypto_ring_new_for(uint32_t key_count_max, uint32_t table_width)
{
    return ring_new(giro_key_ring_footprint_for(key_count_max, table_width), key_count_max);
}

void crypto_each_variant(void (*judge)(void *context, const char *variant), void *context)
{
    const enum giro_crypto_variant before = giro_crypto_variant();
    for (int i = 0; i < GIRO_VARIANT_COUNT; i++) {
        const char *name = giro_crypto_variant_name(i);
        if (giro_crypto_variant_set(i))
            judge(context, name);
        else
            fprintf(stderr, "SKIPPED: this processor cannot run the variant %s\n", name);
    }
    cr_assert(giro_crypto_variant_set(before));
}

uint8_t *crypto_hex(const char *text, size_t *size_bytes)
{
    size_t length = strcmp(text, "-") == 0 ? 0 : strlen(text);
    uint8_t *bytes = malloc(length / 2 + 1);
    cr_assert(bytes != NULL);
    cr_assert(length % 2 == 0 && giro_hex_parse(text, length, bytes, length / 2), "hex %s", text);
    *size_bytes = length / 2;
    return bytes;
}
