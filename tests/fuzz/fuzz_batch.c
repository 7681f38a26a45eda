/* giro_batch_decode and giro_batch_next: a peer's batch of member frames. */
#include <stdlib.h>

#include "fuzz.h"
#include "unit/wire_roundtrip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (giro_crypto_init() != GIRO_ERR_OK)
        abort();
    wire_roundtrip_hold(GIRO_KIND_BATCH, data, size, 4);
    return 0;
}
