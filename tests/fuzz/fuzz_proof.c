/* giro_batch_proof_decode, at both ends of the number of replicas. */
#include "fuzz.h"
#include "unit/wire_roundtrip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wire_roundtrip_hold(GIRO_KIND_BATCH_PROOF, data, size, 4);
    wire_roundtrip_hold(GIRO_KIND_BATCH_PROOF, data, size, GIRO_REPLICAS_MAX);
    return 0;
}
