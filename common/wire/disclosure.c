/* Disclosures: a frame's signed hashes, and what is shown of what they are of. */
#include "decode.h"

#define ITEM_BYTES   sizeof(struct giro_disclosure_item_header)
#define RECORD_BYTES sizeof(struct giro_record)
#define KEY_BYTES    32u

/* ---- Reading ---- */

static enum giro_reject header_check(const struct giro_disclosure_header *header, size_t size_bytes)
{
    WIRE_TRY(wire_head_check(&header->head, GIRO_KIND_DISCLOSURE));
    WIRE_REQUIRE(wire_is_zero(header->reserved, sizeof(header->reserved)), RESERVED);
    WIRE_REQUIRE(header->size_bytes <= size_bytes, TRUNCATED);
    WIRE_REQUIRE(header->size_bytes == size_bytes, OVERSIZED);
    WIRE_REQUIRE(header->block_count <= GIRO_DETAILS_BLOCKS_MAX, COUNT);
    WIRE_REQUIRE(header->proof_bytes % 4 == 0 && header->cycle_proof_bytes % 4 == 0, FIELD);
    WIRE_REQUIRE(header->height != 0 || header->leaf_index == 0, FIELD);
    return GIRO_REJECT_NONE;
}

/* The frame header must be one that giro_frame_decode would take. */
static enum giro_reject frame_check(const struct giro_disclosure *disclosure, uint64_t chain_prefix)
{
    const struct giro_frame_header *frame = &disclosure->frame;
    WIRE_TRY(wire_head_check(&frame->head, GIRO_KIND_FRAME));
    WIRE_REQUIRE(frame->chain_prefix == chain_prefix, CHAIN);
    WIRE_REQUIRE(giro_frame_bytes(frame) != 0, FIELD);
    WIRE_REQUIRE((frame->details_bytes == 0) == (disclosure->header.block_count == 0), FIELD);
    WIRE_REQUIRE(disclosure->header.block_count <= frame->record_count, COUNT);
    WIRE_REQUIRE(disclosure->header.item_count >= 1, COUNT);
    WIRE_REQUIRE(disclosure->header.item_count <= frame->record_count, COUNT);
    return GIRO_REJECT_NONE;
}

static enum giro_reject block_read(struct giro_reader *reader,
                                   const struct giro_disclosure *disclosure,
                                   const struct giro_disclosure_item_header *header,
                                   struct giro_disclosure_item *item)
{
    const uint8_t *bytes = giro_reader_take(reader, header->block_bytes);
    WIRE_REQUIRE(bytes != NULL, TRUNCATED);
    WIRE_REQUIRE(header->block_index < disclosure->header.block_count, FIELD);
    WIRE_TRY(giro_details_block_decode(bytes, header->block_bytes, &item->block));
    WIRE_REQUIRE(item->block.size_bytes == header->block_bytes, OVERSIZED);
    WIRE_REQUIRE(item->block.header.record == header->record, FIELD);
    const struct giro_hash hash = giro_sha256(bytes, header->block_bytes);
    WIRE_REQUIRE(giro_hash_equal(&hash, &disclosure->block_hashes[header->block_index]), HASH);
    if (header->has_key != 0) {
        item->key = giro_reader_take(reader, KEY_BYTES);
        WIRE_REQUIRE(item->key != NULL, TRUNCATED);
    }
    return GIRO_REJECT_NONE;
}

static enum giro_reject item_read(struct giro_reader *reader, struct giro_disclosure *disclosure,
                                  uint32_t index)
{
    struct giro_disclosure_item_header header;
    struct giro_disclosure_item *item = &disclosure->items[index];
    *item = (struct giro_disclosure_item){.block = {.bytes = NULL}};
    WIRE_TRY(wire_copy(reader, &header, sizeof(header)));
    WIRE_TRY(wire_copy(reader, &item->record, sizeof(item->record)));
    WIRE_REQUIRE(header.reserved == 0 && header.has_key <= 1, RESERVED);
    WIRE_REQUIRE(header.record < disclosure->frame.record_count, FIELD);
    WIRE_REQUIRE(index == 0 || header.record > disclosure->items[index - 1].record_index, FIELD);
    item->record_index = header.record;
    item->block_index = header.block_index;
    const struct giro_hash hash = giro_sha256(&item->record, sizeof(item->record));
    WIRE_REQUIRE(giro_hash_equal(&hash, &disclosure->record_hashes[header.record]), HASH);
    if (header.block_index != GIRO_DISCLOSURE_NO_BLOCK)
        return block_read(reader, disclosure, &header, item);
    WIRE_REQUIRE(header.block_bytes == 0 && header.has_key == 0, FIELD);
    return GIRO_REJECT_NONE;
}

enum giro_reject giro_disclosure_decode(const void *bytes, size_t size_bytes, uint64_t chain_prefix,
                                        struct giro_disclosure *disclosure)
{
    struct giro_reader reader;
    struct giro_disclosure_header *header = &disclosure->header;
    WIRE_REQUIRE(size_bytes <= GIRO_DISCLOSURE_BYTES_MAX, OVERSIZED);
    giro_reader_init(&reader, bytes, size_bytes);
    WIRE_TRY(wire_copy(&reader, header, sizeof(*header)));
    WIRE_TRY(header_check(header, size_bytes));
    WIRE_TRY(wire_copy(&reader, &disclosure->frame, sizeof(disclosure->frame)));
    WIRE_TRY(frame_check(disclosure, chain_prefix));
    disclosure->signature = giro_reader_take(&reader, GIRO_SIGNATURE_BYTES);
    WIRE_TRY(wire_copy(&reader, disclosure->record_hashes,
                       disclosure->frame.record_count * sizeof(struct giro_hash)));
    WIRE_TRY(wire_copy(&reader, disclosure->block_hashes,
                       header->block_count * sizeof(struct giro_hash)));
    for (uint32_t i = 0; i < header->item_count; i++)
        WIRE_TRY(item_read(&reader, disclosure, i));
    disclosure->proof = giro_reader_take(&reader, header->proof_bytes);
    disclosure->cycle_proof = giro_reader_take(&reader, header->cycle_proof_bytes);
    WIRE_REQUIRE(!reader.failed, TRUNCATED);
    WIRE_REQUIRE(giro_reader_left(&reader) == 0, OVERSIZED);
    return GIRO_REJECT_NONE;
}

/* ---- Writing ---- */

bool giro_disclosure_encode(struct giro_disclosure *disclosure, struct giro_writer *writer)
{
    struct giro_disclosure_header *header = &disclosure->header;
    const size_t start = writer->offset;
    header->head = giro_head_make(GIRO_KIND_DISCLOSURE);
    uint8_t *at = giro_writer_reserve(writer, sizeof(*header));
    giro_writer_put(writer, &disclosure->frame, sizeof(disclosure->frame));
    giro_writer_put(writer, disclosure->signature, GIRO_SIGNATURE_BYTES);
    giro_writer_put(writer, disclosure->record_hashes,
                    disclosure->frame.record_count * sizeof(struct giro_hash));
    giro_writer_put(writer, disclosure->block_hashes,
                    header->block_count * sizeof(struct giro_hash));
    for (uint32_t i = 0; i < header->item_count; i++) {
        const struct giro_disclosure_item *item = &disclosure->items[i];
        const bool shown = item->block_index != GIRO_DISCLOSURE_NO_BLOCK;
        const bool keyed = shown && item->key != NULL;
        const struct giro_disclosure_item_header head = {
            .record = item->record_index,
            .block_index = item->block_index,
            .block_bytes = shown ? (uint16_t)item->block.size_bytes : 0,
            .has_key = keyed};
        giro_writer_put(writer, &head, sizeof(head));
        giro_writer_put(writer, &item->record, sizeof(item->record));
        if (shown)
            giro_writer_put(writer, item->block.bytes, item->block.size_bytes);
        if (keyed)
            giro_writer_put(writer, item->key, KEY_BYTES);
    }
    giro_writer_put(writer, disclosure->proof, header->proof_bytes);
    giro_writer_put(writer, disclosure->cycle_proof, header->cycle_proof_bytes);
    if (writer->failed || writer->offset - start > GIRO_DISCLOSURE_BYTES_MAX)
        return false;
    header->size_bytes = (uint32_t)(writer->offset - start);
    memcpy(at, header, sizeof(*header));
    return true;
}

void giro_disclosure_of(const struct giro_frame *frame, struct giro_disclosure *disclosure)
{
    struct giro_details_block blocks[GIRO_DETAILS_BLOCKS_MAX];
    GIRO_ASSERT(frame->header.head.kind == GIRO_KIND_FRAME);
    const uint32_t block_count = giro_details_blocks(frame, blocks);
    disclosure->header = (struct giro_disclosure_header){.item_count = frame->header.record_count,
                                                         .block_count = (uint16_t)block_count};
    disclosure->frame = frame->header;
    disclosure->signature = frame->signature;
    disclosure->proof = disclosure->cycle_proof = NULL;
    uint32_t next = 0;
    for (uint32_t i = 0; i < frame->header.record_count; i++) {
        struct giro_disclosure_item *item = &disclosure->items[i];
        *item = (struct giro_disclosure_item){.record_index = (uint16_t)i,
                                              .block_index = GIRO_DISCLOSURE_NO_BLOCK,
                                              .record = giro_record_get(frame, i)};
        disclosure->record_hashes[i] = giro_sha256(&item->record, sizeof(item->record));
        if (next == block_count || blocks[next].header.record != i)
            continue;
        disclosure->block_hashes[next] = giro_sha256(blocks[next].bytes, blocks[next].size_bytes);
        item->block_index = (uint16_t)next;
        item->block = blocks[next++];
    }
    GIRO_ASSERT(next == block_count);
}

size_t giro_disclosure_message(const struct giro_disclosure *disclosure,
                               const struct giro_hash *chain, uint8_t *message)
{
    const struct giro_hash root =
        giro_details_root(disclosure->block_hashes, disclosure->header.block_count);
    return giro_frame_message_shown(&disclosure->frame, chain, disclosure->record_hashes, &root,
                                    message);
}

/* ---- Day of details ---- */

static struct giro_hash digest_next(const struct giro_hash *digest, const void *bytes,
                                    uint32_t size_bytes)
{
    const struct giro_part parts[] = {{digest, sizeof(*digest)}, {bytes, size_bytes}};
    return giro_sha256_parts(parts, 2);
}

size_t giro_details_day_put(const void *disclosure, uint32_t size_bytes, struct giro_hash *digest,
                            uint8_t *out)
{
    struct giro_writer writer;
    const size_t padded = giro_align_up(size_bytes, 8);
    *digest = digest_next(digest, disclosure, size_bytes);
    giro_writer_init(&writer, out, size_bytes + GIRO_DETAILS_DAY_EXTRA);
    giro_writer_u32(&writer, size_bytes);
    giro_writer_u32(&writer, 0);
    giro_writer_put(&writer, disclosure, size_bytes);
    memset(out + writer.offset, 0, padded - size_bytes);
    writer.offset += padded - size_bytes;
    giro_writer_put(&writer, digest, sizeof(*digest));
    GIRO_ASSERT(!writer.failed);
    return writer.offset;
}

enum giro_reject giro_details_day_next(struct giro_reader *reader, struct giro_hash *digest,
                                       const uint8_t **bytes, uint32_t *size_bytes)
{
    struct giro_hash found;
    *bytes = NULL;
    if (giro_reader_left(reader) == 0)
        return GIRO_REJECT_NONE;
    *size_bytes = giro_reader_u32(reader);
    const uint32_t reserved = giro_reader_u32(reader);
    WIRE_REQUIRE(!reader->failed, TRUNCATED);
    WIRE_REQUIRE(reserved == 0, RESERVED);
    WIRE_REQUIRE(*size_bytes <= GIRO_DISCLOSURE_BYTES_MAX, OVERSIZED);
    const uint8_t *disclosure = giro_reader_take(reader, *size_bytes);
    const size_t padding_bytes = giro_align_up(*size_bytes, 8) - *size_bytes;
    const uint8_t *padding = giro_reader_take(reader, padding_bytes);
    giro_reader_copy(reader, &found, sizeof(found));
    WIRE_REQUIRE(!reader->failed, TRUNCATED);
    WIRE_REQUIRE(wire_is_zero(padding, padding_bytes), RESERVED);
    const struct giro_hash next = digest_next(digest, disclosure, *size_bytes);
    WIRE_REQUIRE(giro_hash_equal(&next, &found), HASH);
    *digest = next;
    *bytes = disclosure;
    return GIRO_REJECT_NONE;
}
