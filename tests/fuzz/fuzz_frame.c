/* giro_frame_decode: frames, skips and control transactions, as they come from the network. Whatever is accepted
 * points inside the input, has the size its header implies, and is written back as it was. */
#include <stdlib.h>

#include "fuzz.h"
#include "unit/wire_roundtrip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (giro_crypto_init() != GIRO_ERR_OK)
        abort();
    wire_roundtrip_hold(GIRO_KIND_FRAME, data, size, 4);
    return 0;
}
