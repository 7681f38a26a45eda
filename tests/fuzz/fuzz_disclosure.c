/* giro_disclosure_decode: files that somebody hands over. What is accepted is written back as it was. */
#include <stdlib.h>

#include "fuzz.h"
#include "unit/wire_roundtrip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (giro_crypto_init() != GIRO_ERR_OK)
        abort();
    wire_roundtrip_hold(GIRO_KIND_DISCLOSURE, data, size, 4);
    return 0;
}
