/* Votes, timeouts, hellos, commit votes, acknowledgements and the certificates made of them: the input's own kind chooses the
 * decoder, as on a replica link. */
#include "fuzz.h"
#include "unit/wire_roundtrip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint16_t kind = wire_kind_of(data, size);
    switch (kind) {
    case GIRO_KIND_QC:
    case GIRO_KIND_TC:
    case GIRO_KIND_VOTE:
    case GIRO_KIND_TIMEOUT:
    case GIRO_KIND_HELLO:
    case GIRO_KIND_COMMIT_VOTE:
    case GIRO_KIND_CERTIFICATE:
    case GIRO_KIND_BATCH_ACK:
        wire_roundtrip_hold(kind, data, size, 4);
        wire_roundtrip_hold(kind, data, size, GIRO_REPLICAS_MAX);
        return 0;
    default:
        return 0;
    }
}
