/* Checkpoints, manifests of images, requests for them and chunks, as a peer may send them during state sync. */
#include "fuzz.h"
#include "unit/wire_roundtrip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint16_t kind = wire_kind_of(data, size);
    switch (kind) {
    case GIRO_KIND_CHECKPOINT:
    case GIRO_KIND_CHECKPOINT_VOTE:
    case GIRO_KIND_MANIFEST:
    case GIRO_KIND_FETCH_IMAGE:
    case GIRO_KIND_FETCH_CHUNK:
    case GIRO_KIND_CHUNK:
        wire_roundtrip_hold(kind, data, size, 4);
        wire_roundtrip_hold(kind, data, size, GIRO_REPLICAS_MAX);
        return 0;
    default:
        return 0;
    }
}
