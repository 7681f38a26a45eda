/* giro_details_decode: the plaintext of sealed details, which a debtor chose. What is accepted is written back as it was. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "giro/details.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct giro_details details;
    uint8_t again[GIRO_DETAILS_PLAIN_MAX];
    uint32_t again_bytes = 0;
    enum giro_details_field field;
    if (giro_details_decode(data, (uint32_t)size, &details) != GIRO_REJECT_NONE)
        return 0;
    if (giro_details_encode(&details, again, &again_bytes, &field) != GIRO_DETAILS_GOOD ||
        again_bytes != size || memcmp(again, data, size) != 0)
        abort();
    return 0;
}
