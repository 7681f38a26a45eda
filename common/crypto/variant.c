/* Which arithmetic verifies: chosen once at start by cpuid, or forced by name. */
#include <stdlib.h>

#include "internal.h"
#include "sha256_many.h"
#include "sign.h"

static enum giro_crypto_variant active = GIRO_VARIANT_LIBSODIUM;

static const struct {
    const char *name;
    struct giro_variant_ops ops;
    giro_sign_sum_fn *sign; /* NULL: libsodium signs */
} variants[GIRO_VARIANT_COUNT] = {
    [GIRO_VARIANT_LIBSODIUM] = {"libsodium", {NULL, NULL, NULL, NULL}, NULL},
    [GIRO_VARIANT_PORTABLE] = {"portable",
                               {giro_hash_portable, giro_scalars_portable, giro_comb_sum_portable,
                                giro_comb_encode_portable},
                               NULL},
#if GIRO_CRYPTO_X86
    [GIRO_VARIANT_AVX2] = {"avx2",
                           {giro_hash_portable, giro_scalars_portable, giro_comb_sum_avx2,
                            giro_comb_encode_portable},
                           giro_sign_sum_avx2},
    [GIRO_VARIANT_AVX512] = {"avx512",
                             {giro_hash_avx512, giro_scalars_avx512, giro_comb_sum_avx512,
                              giro_comb_encode_avx512},
                             giro_sign_sum_avx512},
#else
    [GIRO_VARIANT_AVX2] = {"avx2", {NULL, NULL, NULL, NULL}, NULL},
    [GIRO_VARIANT_AVX512] = {"avx512", {NULL, NULL, NULL, NULL}, NULL},
#endif
};

const char *giro_crypto_variant_name(enum giro_crypto_variant variant)
{
    return variant < GIRO_VARIANT_COUNT ? variants[variant].name : "unknown";
}

bool giro_crypto_variant_there(enum giro_crypto_variant variant)
{
    switch (variant) {
    case GIRO_VARIANT_LIBSODIUM:
    case GIRO_VARIANT_PORTABLE:
        return true;
    case GIRO_VARIANT_AVX2:
#if GIRO_CRYPTO_X86
        __builtin_cpu_init();
        return __builtin_cpu_supports("avx2") != 0;
#else
        return false;
#endif
    case GIRO_VARIANT_AVX512:
#if GIRO_CRYPTO_X86
        __builtin_cpu_init();
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512ifma") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("bmi2");
#else
        return false;
#endif
    case GIRO_VARIANT_COUNT:
        break;
    }
    return false;
}

bool giro_crypto_variant_set(enum giro_crypto_variant variant)
{
    if (!giro_crypto_variant_there(variant))
        return false;
    active = variant;
    giro_sha256_choose(variant);
    return true;
}

enum giro_crypto_variant giro_crypto_variant(void)
{
    return active;
}

const struct giro_variant_ops *giro_variant_ops(void)
{
    return active == GIRO_VARIANT_LIBSODIUM ? NULL : &variants[active].ops;
}

giro_sign_sum_fn *giro_variant_sign(void)
{
    return variants[active].sign;
}

enum giro_err giro_variant_start(void)
{
    const char *name = getenv("GIRO_CRYPTO_VARIANT");
    /* The order of the list is the order of speed. */
    for (uint32_t i = GIRO_VARIANT_COUNT; i-- > 0;) {
        const bool wanted = name == NULL || strcmp(name, variants[i].name) == 0;
        if (wanted && giro_crypto_variant_set((enum giro_crypto_variant)i))
            return GIRO_ERR_OK;
    }
    return GIRO_ERR_STATE;
}
