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

struct giro_key_ring *crypto_ring_new(uint32_t key_count_max)
{
    size_t size_bytes = giro_key_ring_footprint(key_count_max);
    cr_assert(size_bytes != 0 && size_bytes % 64 == 0);
    void *mem = aligned_alloc(64, size_bytes);
    cr_assert(mem != NULL);
    struct giro_key_ring *ring = giro_key_ring_init(mem, size_bytes, key_count_max);
    cr_assert(ring == mem);
    return ring;
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
