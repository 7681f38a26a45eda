/* giro_receipt_next: what a member's tool reads from a replica it need not trust. */
#include "fuzz.h"
#include "unit/wire_roundtrip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wire_roundtrip_hold(WIRE_TEST_RECEIPT, data, size, 4);
    return 0;
}
