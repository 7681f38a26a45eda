/* Batches of frames and their acknowledgements. */
#include "decode.h"

static_assert(GIRO_BATCH_FIRST == sizeof(struct giro_batch_header), "frames follow the header");

/* frame_at reads the size, the frame and the padding at *offset and moves *offset behind them. */
static enum giro_reject frame_at(const uint8_t *bytes, size_t size_bytes, uint64_t chain_prefix,
                                 uint32_t *offset, struct giro_frame *frame)
{
    struct giro_reader reader;
    GIRO_ASSERT(*offset <= size_bytes);
    giro_reader_init(&reader, bytes + *offset, size_bytes - *offset);
    const uint32_t frame_bytes = giro_reader_u32(&reader);
    WIRE_REQUIRE(frame_bytes <= GIRO_FRAME_BYTES_MAX, OVERSIZED);
    const uint8_t *const start = giro_reader_take(&reader, frame_bytes);
    const uint32_t padding_bytes = (4 - frame_bytes % 4) % 4;
    const uint8_t *const padding = giro_reader_take(&reader, padding_bytes);
    WIRE_REQUIRE(!reader.failed, TRUNCATED);
    WIRE_REQUIRE(wire_is_zero(padding, padding_bytes), RESERVED);
    WIRE_TRY(giro_frame_decode(start, frame_bytes, chain_prefix, frame));
    *offset += (uint32_t)reader.offset;
    return GIRO_REJECT_NONE;
}

static enum giro_reject batch_header_check(const struct giro_batch_header *header,
                                           size_t size_bytes)
{
    WIRE_TRY(wire_head_check(&header->head, GIRO_KIND_BATCH));
    WIRE_REQUIRE(wire_is_zero(header->reserved, sizeof(header->reserved)), RESERVED);
    WIRE_REQUIRE(header->size_bytes <= GIRO_BATCH_BYTES_MAX, OVERSIZED);
    WIRE_REQUIRE(size_bytes >= header->size_bytes, TRUNCATED);
    WIRE_REQUIRE(size_bytes <= header->size_bytes, OVERSIZED);
    WIRE_REQUIRE(header->author < GIRO_REPLICAS_MAX, SIGNER);
    WIRE_REQUIRE(header->frame_count >= 1 && header->frame_count <= GIRO_BATCH_FRAMES_MAX, COUNT);
    return GIRO_REJECT_NONE;
}

enum giro_reject giro_batch_decode(const void *bytes, size_t size_bytes, uint64_t chain_prefix,
                                   struct giro_batch_header *header)
{
    WIRE_REQUIRE(size_bytes >= sizeof(*header), TRUNCATED);
    memcpy(header, bytes, sizeof(*header));
    WIRE_TRY(batch_header_check(header, size_bytes));
    uint32_t offset = GIRO_BATCH_FIRST;
    uint64_t record_count = 0;
    for (uint32_t i = 0; i < header->frame_count; i++) {
        struct giro_frame frame;
        WIRE_TRY(frame_at(bytes, size_bytes, chain_prefix, &offset, &frame));
        record_count += frame.header.record_count;
    }
    WIRE_REQUIRE(offset == size_bytes, OVERSIZED);
    WIRE_REQUIRE(record_count == header->record_count, FIELD);
    return GIRO_REJECT_NONE;
}

bool giro_batch_next(const void *bytes, size_t size_bytes, uint64_t chain_prefix, uint32_t *offset,
                     struct giro_frame *frame)
{
    if (*offset >= size_bytes)
        return false;
    return frame_at(bytes, size_bytes, chain_prefix, offset, frame) == GIRO_REJECT_NONE;
}

struct giro_hash giro_batch_id(const struct giro_hash *chain, const void *bytes, size_t size_bytes)
{
    const struct giro_part parts[] = {
        {GIRO_TAG_BATCH, GIRO_TAG_BYTES},
        {chain, sizeof(*chain)},
        {bytes, size_bytes},
    };
    return giro_sha256_parts(parts, 3);
}

bool giro_batch_ack_encode(const struct giro_batch_ack *ack, struct giro_writer *writer)
{
    GIRO_ASSERT(ack->header.id_count >= 1);
    GIRO_ASSERT(ack->header.id_count <= GIRO_ACK_IDS_MAX);
    giro_writer_put(writer, &ack->header, sizeof(ack->header));
    giro_writer_put(writer, ack->ids, ack->header.id_count * sizeof(ack->ids[0]));
    return giro_writer_put(writer, &ack->signature, sizeof(ack->signature));
}

enum giro_reject giro_batch_ack_decode(struct giro_reader *reader, uint32_t replica_count,
                                       struct giro_batch_ack *ack)
{
    struct giro_batch_ack_header *const header = &ack->header;
    WIRE_TRY(wire_copy(reader, header, sizeof(*header)));
    WIRE_TRY(wire_head_check(&header->head, GIRO_KIND_BATCH_ACK));
    WIRE_REQUIRE(wire_is_zero(header->reserved, sizeof(header->reserved)), RESERVED);
    WIRE_REQUIRE(header->voter < replica_count, SIGNER);
    WIRE_REQUIRE(header->id_count >= 1 && header->id_count <= GIRO_ACK_IDS_MAX, COUNT);
    memset(ack->ids + header->id_count, 0,
           (GIRO_ACK_IDS_MAX - header->id_count) * sizeof(ack->ids[0]));
    WIRE_TRY(wire_copy(reader, ack->ids, header->id_count * sizeof(ack->ids[0])));
    WIRE_TRY(wire_copy(reader, &ack->signature, sizeof(ack->signature)));
    return wire_ids_check(ack->ids, header->id_count);
}

size_t giro_batch_ack_message(const struct giro_hash *chain, const struct giro_batch_ack *ack,
                              uint8_t *out)
{
    struct giro_writer writer;
    GIRO_ASSERT(ack->header.id_count <= GIRO_ACK_IDS_MAX);
    giro_writer_init(&writer, out, GIRO_BATCH_ACK_MESSAGE_BYTES_MAX);
    giro_writer_put(&writer, GIRO_TAG_BATCH_ACK, GIRO_TAG_BYTES);
    giro_writer_put(&writer, chain, sizeof(*chain));
    giro_writer_u64(&writer, ack->header.epoch);
    giro_writer_u64(&writer, ack->header.expiry_ns);
    giro_writer_u64(&writer, ack->header.id_count);
    giro_writer_put(&writer, ack->ids, ack->header.id_count * sizeof(ack->ids[0]));
    GIRO_ASSERT(!writer.failed);
    return writer.offset;
}
