/* Start-up of the module, and the tags. */
#include <assert.h>

#include <sodium.h>

#include "internal.h"
#include "sign.h"

#define TAG_DEFINE(name, text, what)                                                               \
    static_assert(sizeof(text) == GIRO_TAG_BYTES + 1, "tag " #name " is not eight characters");    \
    const char GIRO_TAG_##name[GIRO_TAG_BYTES + 1] = text;
GIRO_TAG_MAP(TAG_DEFINE)
#undef TAG_DEFINE

enum giro_err giro_crypto_init(void)
{
    if (sodium_init() < 0)
        return GIRO_ERR_STATE;
    if (!giro_comb_base_ready())
        giro_comb_base_build();
    GIRO_TRY(giro_variant_start());
    giro_sign_start();
    return GIRO_ERR_OK;
}
