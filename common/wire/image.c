/* Images: a header, chunks of payment references that their owner fills, and a stream of sections. */
#include "decode.h"

void giro_image_begin(struct giro_image *image, uint32_t uetr_chunks)
{
    GIRO_ASSERT(image->bytes != NULL && image->changed != NULL);
    GIRO_ASSERT(uetr_chunks >= 1);
    memset(image->changed, 0, image->capacity_chunks);
    image->chunk_count = 0;
    image->section_at = 0;
    image->uetr_chunks = uetr_chunks < image->capacity_chunks ? uetr_chunks : 0;
    if (image->uetr_chunks == 0) { /* too large for this memory: nothing is written */
        giro_writer_init(&image->writer, image->bytes, 0);
        image->writer.failed = true;
        return;
    }
    const size_t start = (size_t)uetr_chunks * GIRO_CHUNK_BYTES;
    const size_t room = (size_t)image->capacity_chunks * GIRO_CHUNK_BYTES - start;
    giro_writer_init(&image->writer, image->bytes + start, room);
}

static void section_end(struct giro_image *image)
{
    static const uint8_t zeros[8];
    struct giro_writer *const writer = &image->writer;
    if (writer->failed || writer->offset == 0)
        return;
    struct giro_section_header header;
    uint8_t *const at = writer->bytes + image->section_at;
    memcpy(&header, at, sizeof(header));
    header.size_bytes = writer->offset - image->section_at - sizeof(header);
    memcpy(at, &header, sizeof(header));
    giro_writer_put(writer, zeros, giro_align_up(writer->offset, 8) - writer->offset);
}

struct giro_writer *giro_image_section(struct giro_image *image, enum giro_image_section kind)
{
    const struct giro_section_header header = {.kind = (uint16_t)kind};
    section_end(image);
    image->section_at = image->writer.offset;
    giro_writer_put(&image->writer, &header, sizeof(header));
    return &image->writer;
}

bool giro_image_end(struct giro_image *image, const struct giro_hash *chain, uint64_t height)
{
    struct giro_writer *const writer = &image->writer;
    section_end(image);
    if (writer->failed || writer->offset == 0)
        return false;
    const size_t end = giro_align_up(writer->offset, GIRO_CHUNK_BYTES);
    GIRO_ASSERT(end <= writer->size_bytes);
    memset(writer->bytes + writer->offset, 0, end - writer->offset);
    image->chunk_count = image->uetr_chunks + (uint32_t)(end / GIRO_CHUNK_BYTES);
    const struct giro_image_header header = {.head = giro_head_make(GIRO_KIND_IMAGE),
                                             .chain_id = *chain,
                                             .height = height,
                                             .chunk_count = image->chunk_count,
                                             .uetr_chunks = image->uetr_chunks,
                                             .sections_bytes = writer->offset};
    memset(image->bytes, 0, GIRO_IMAGE_UETR_AT);
    memcpy(image->bytes, &header, sizeof(header));
    image->changed[0] = 1;
    memset(image->changed + image->uetr_chunks, 1, image->chunk_count - image->uetr_chunks);
    return true;
}

/* ---- Reading ------------------------------------------------------------------------------------- */

enum giro_reject giro_image_open(struct giro_image_reader *image, const void *bytes,
                                 uint32_t chunk_count, const struct giro_hash *chain,
                                 uint64_t height)
{
    struct giro_image_header *const header = &image->header;
    WIRE_REQUIRE(chunk_count >= 2, TRUNCATED);
    image->bytes = bytes;
    memcpy(header, bytes, sizeof(*header));
    WIRE_TRY(wire_head_check(&header->head, GIRO_KIND_IMAGE));
    WIRE_REQUIRE(giro_hash_equal(&header->chain_id, chain), CHAIN);
    WIRE_REQUIRE(header->height == height, FIELD);
    WIRE_REQUIRE(header->chunk_count == chunk_count, COUNT);
    WIRE_REQUIRE(header->uetr_chunks >= 1 && header->uetr_chunks < chunk_count, COUNT);
    const uint64_t room = (uint64_t)(chunk_count - header->uetr_chunks) * GIRO_CHUNK_BYTES;
    WIRE_REQUIRE(header->sections_bytes <= room, COUNT);
    WIRE_REQUIRE(room - header->sections_bytes < GIRO_CHUNK_BYTES, COUNT);
    WIRE_REQUIRE(wire_is_zero(image->bytes + sizeof(*header), GIRO_IMAGE_UETR_AT - sizeof(*header)),
                 RESERVED);
    giro_reader_init(&image->sections,
                     image->bytes + (size_t)header->uetr_chunks * GIRO_CHUNK_BYTES,
                     header->sections_bytes);
    return GIRO_REJECT_NONE;
}

enum giro_reject giro_image_next(struct giro_image_reader *image, enum giro_image_section kind,
                                 struct giro_reader *section)
{
    struct giro_section_header header;
    WIRE_TRY(wire_copy(&image->sections, &header, sizeof(header)));
    WIRE_REQUIRE(header.kind == kind, KIND);
    WIRE_REQUIRE(wire_is_zero(header.reserved, sizeof(header.reserved)), RESERVED);
    WIRE_REQUIRE(header.size_bytes <= giro_reader_left(&image->sections), TRUNCATED);
    const uint8_t *const bytes = giro_reader_take(&image->sections, header.size_bytes);
    const size_t pad = giro_align_up(image->sections.offset, 8) - image->sections.offset;
    const uint8_t *const zeros = giro_reader_take(&image->sections, pad);
    WIRE_REQUIRE(bytes != NULL && zeros != NULL, TRUNCATED);
    WIRE_REQUIRE(wire_is_zero(zeros, pad), RESERVED);
    giro_reader_init(section, bytes, header.size_bytes);
    return GIRO_REJECT_NONE;
}

enum giro_reject giro_image_close(const struct giro_image_reader *image)
{
    WIRE_REQUIRE(giro_reader_left(&image->sections) == 0, OVERSIZED);
    const size_t end = giro_align_up(image->header.sections_bytes, GIRO_CHUNK_BYTES);
    WIRE_REQUIRE(wire_is_zero(image->sections.bytes + image->header.sections_bytes,
                              end - image->header.sections_bytes),
                 RESERVED);
    return GIRO_REJECT_NONE;
}
