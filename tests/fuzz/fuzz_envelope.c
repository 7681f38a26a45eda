/* giro_peer_envelope_decode: the first 64 bytes of every message on a replica link. */
#include "fuzz.h"
#include "unit/wire_roundtrip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wire_roundtrip_hold(GIRO_KIND_PEER, data, size, 4);
    return 0;
}
