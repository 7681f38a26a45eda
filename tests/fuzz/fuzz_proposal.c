/* giro_proposal_decode. Almost every mutation breaks one of the block's three hashes, so the input is tried as it is
 * and once more with the hashes made right: what lies behind the hash checks is reached, too. */
#include <stdlib.h>

#include "fuzz.h"
#include "unit/wire_roundtrip.h"

/* seal writes the hash of one part into the block header, the way an attacker would. */
static size_t seal(uint8_t *bytes, size_t size_bytes, size_t at, uint32_t part_bytes,
                   const char *tag, size_t hash_at)
{
    if (at > size_bytes || part_bytes > size_bytes - at)
        return size_bytes;
    const struct giro_part parts[] = {{tag, GIRO_TAG_BYTES}, {bytes + at, part_bytes}};
    const struct giro_hash hash = part_bytes != 0 ? giro_sha256_parts(parts, 2) : giro_hash_zero;
    memcpy(bytes + hash_at, &hash, sizeof(hash));
    return at + part_bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct giro_proposal_header header;
    if (giro_crypto_init() != GIRO_ERR_OK)
        abort();
    wire_roundtrip_hold(GIRO_KIND_PROPOSAL, data, size, 4);
    if (size < sizeof(header) || size > WIRE_TEST_BYTES_MAX)
        return 0;
    memcpy(&header, data, sizeof(header));
    uint8_t *const bytes = malloc(size);
    memcpy(bytes, data, size);
    const size_t block_at = offsetof(struct giro_proposal_header, block);
    size_t at = sizeof(header) + header.block.reference_count * sizeof(struct giro_batch_reference);
    if (at + sizeof(struct giro_qc_header) <= size)
        memcpy(bytes + block_at + offsetof(struct giro_block_header, parent_id),
               bytes + at + offsetof(struct giro_qc_header, block_id), sizeof(struct giro_hash));
    at = seal(bytes, size, at, header.qc_bytes, GIRO_TAG_QC_HASH,
              block_at + offsetof(struct giro_block_header, qc_hash));
    at = seal(bytes, size, at, header.tc_bytes, GIRO_TAG_TC_HASH,
              block_at + offsetof(struct giro_block_header, tc_hash));
    seal(bytes, size, at, header.certificate_bytes, GIRO_TAG_CERT_HASH,
         block_at + offsetof(struct giro_block_header, certificate_hash));
    wire_roundtrip_hold(GIRO_KIND_PROPOSAL, bytes, size, 4);
    free(bytes);
    return 0;
}
