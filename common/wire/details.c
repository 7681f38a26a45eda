/* Sealed details as they lie in a frame. What is inside a block is giro/details.h's; here only its form is checked. */
#include "decode.h"

#define HEADER_BYTES sizeof(struct giro_details_header)
#define BLOCK_MIN    (HEADER_BYTES + GIRO_DETAILS_STEP_BYTES + GIRO_DETAILS_TAG_BYTES)

static_assert(BLOCK_MIN % 4 == 0 && GIRO_DETAILS_STEP_BYTES % 4 == 0,
              "a section of blocks is a multiple of four bytes");
static_assert(GIRO_DETAILS_BLOCK_MAX ==
                  HEADER_BYTES + GIRO_DETAILS_PLAIN_MAX + GIRO_DETAILS_TAG_BYTES,
              "the largest block");
static_assert(GIRO_DETAILS_BLOCKS_MAX ==
                  (GIRO_FRAME_BYTES_MAX - sizeof(struct giro_frame_header) - GIRO_SIGNATURE_BYTES) /
                      (sizeof(struct giro_record) + BLOCK_MIN),
              "as many smallest blocks as fit in the largest frame with their records");

enum giro_reject giro_details_block_decode(const void *bytes, size_t size_bytes,
                                           struct giro_details_block *block)
{
    struct giro_details_header header;
    WIRE_REQUIRE(size_bytes >= BLOCK_MIN, TRUNCATED);
    memcpy(&header, bytes, sizeof(header));
    WIRE_REQUIRE(header.ciphertext_bytes > GIRO_DETAILS_TAG_BYTES, FIELD);
    const uint32_t plain_bytes = header.ciphertext_bytes - GIRO_DETAILS_TAG_BYTES;
    WIRE_REQUIRE(plain_bytes % GIRO_DETAILS_STEP_BYTES == 0, FIELD);
    WIRE_REQUIRE(plain_bytes <= GIRO_DETAILS_PLAIN_MAX, OVERSIZED);
    WIRE_REQUIRE(header.ciphertext_bytes <= size_bytes - HEADER_BYTES, TRUNCATED);
    WIRE_REQUIRE(header.creditor_key_id != 0, FIELD);
    WIRE_REQUIRE(header.supervisor_key_id != 0 ||
                     wire_is_zero(header.supervisor_box, sizeof(header.supervisor_box)),
                 RESERVED);
    *block = (struct giro_details_block){.header = header,
                                         .bytes = bytes,
                                         .size_bytes =
                                             (uint32_t)(HEADER_BYTES + header.ciphertext_bytes),
                                         .ciphertext = (const uint8_t *)bytes + HEADER_BYTES};
    return GIRO_REJECT_NONE;
}

enum giro_reject wire_details_check(const uint8_t *details, uint32_t details_bytes,
                                    uint32_t record_count)
{
    uint32_t record_next = 0;
    for (uint32_t offset = 0; offset < details_bytes;) {
        struct giro_details_block block;
        WIRE_TRY(giro_details_block_decode(details + offset, details_bytes - offset, &block));
        WIRE_REQUIRE(block.header.record >= record_next && block.header.record < record_count,
                     FIELD);
        record_next = block.header.record + 1u;
        offset += block.size_bytes;
    }
    return GIRO_REJECT_NONE;
}

uint32_t giro_details_blocks(const struct giro_frame *frame, struct giro_details_block *blocks)
{
    uint32_t count = 0;
    for (uint32_t offset = 0; offset < frame->header.details_bytes; count++) {
        GIRO_ASSERT(count < GIRO_DETAILS_BLOCKS_MAX);
        const enum giro_reject reject = giro_details_block_decode(
            frame->details + offset, frame->header.details_bytes - offset, &blocks[count]);
        GIRO_ASSERT(reject == GIRO_REJECT_NONE); /* the frame's decoder has seen it */
        offset += blocks[count].size_bytes;
    }
    return count;
}

struct giro_hash giro_details_root(const struct giro_hash *block_hashes, uint32_t count)
{
    if (count == 0)
        return giro_hash_zero;
    const struct giro_part parts[] = {{GIRO_TAG_DETAILS_ROOT, GIRO_TAG_BYTES},
                                      {block_hashes, count * sizeof(*block_hashes)}};
    return giro_sha256_parts(parts, 2);
}
