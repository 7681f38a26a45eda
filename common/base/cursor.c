#include "giro/base.h"

/* Integers are put together byte by byte: right on any byte order, and one load or store after -O2.
 */

void giro_reader_init(struct giro_reader *reader, const void *bytes, size_t size_bytes)
{
    GIRO_ASSERT(bytes != NULL || size_bytes == 0);
    *reader = (struct giro_reader){.bytes = bytes, .size_bytes = size_bytes};
}

size_t giro_reader_left(const struct giro_reader *reader)
{
    GIRO_ASSERT(reader->offset <= reader->size_bytes);
    /* Nothing can be read any more after a failure, so a loop on left ends. */
    return reader->failed ? 0 : reader->size_bytes - reader->offset;
}

const uint8_t *giro_reader_take(struct giro_reader *reader, size_t size_bytes)
{
    static const uint8_t nothing[1];
    if (reader->failed || size_bytes > giro_reader_left(reader)) {
        reader->failed = true;
        return NULL;
    }
    if (reader->bytes == NULL)
        return nothing; /* zero bytes of an empty input are there, so not NULL */
    const uint8_t *piece = reader->bytes + reader->offset;
    reader->offset += size_bytes;
    return piece;
}

bool giro_reader_copy(struct giro_reader *reader, void *out, size_t size_bytes)
{
    const uint8_t *piece = giro_reader_take(reader, size_bytes);
    if (size_bytes == 0)
        return piece != NULL;
    if (piece == NULL) {
        memset(out, 0, size_bytes);
        return false;
    }
    memcpy(out, piece, size_bytes);
    return true;
}

static uint64_t read_integer(struct giro_reader *reader, size_t size_bytes)
{
    const uint8_t *piece = giro_reader_take(reader, size_bytes);
    if (piece == NULL)
        return 0;
    uint64_t value = 0;
    for (size_t i = 0; i < size_bytes; i++)
        value |= (uint64_t)piece[i] << (8 * i);
    return value;
}

uint8_t giro_reader_u8(struct giro_reader *reader)
{
    return (uint8_t)read_integer(reader, 1);
}

uint16_t giro_reader_u16(struct giro_reader *reader)
{
    return (uint16_t)read_integer(reader, 2);
}

uint32_t giro_reader_u32(struct giro_reader *reader)
{
    return (uint32_t)read_integer(reader, 4);
}

uint64_t giro_reader_u64(struct giro_reader *reader)
{
    return read_integer(reader, 8);
}

void giro_writer_init(struct giro_writer *writer, void *bytes, size_t size_bytes)
{
    GIRO_ASSERT(bytes != NULL || size_bytes == 0);
    *writer = (struct giro_writer){.bytes = bytes, .size_bytes = size_bytes};
}

uint8_t *giro_writer_reserve(struct giro_writer *writer, size_t size_bytes)
{
    GIRO_ASSERT(writer->offset <= writer->size_bytes);
    if (writer->failed || writer->bytes == NULL ||
        size_bytes > writer->size_bytes - writer->offset) {
        writer->failed = true;
        return NULL;
    }
    uint8_t *piece = writer->bytes + writer->offset;
    writer->offset += size_bytes;
    return piece;
}

bool giro_writer_put(struct giro_writer *writer, const void *bytes, size_t size_bytes)
{
    if (size_bytes == 0)
        return !writer->failed;
    uint8_t *piece = giro_writer_reserve(writer, size_bytes);
    if (piece == NULL)
        return false;
    memcpy(piece, bytes, size_bytes);
    return true;
}

static bool write_integer(struct giro_writer *writer, uint64_t value, size_t size_bytes)
{
    uint8_t *piece = giro_writer_reserve(writer, size_bytes);
    if (piece == NULL)
        return false;
    for (size_t i = 0; i < size_bytes; i++)
        piece[i] = (uint8_t)(value >> (8 * i));
    return true;
}

bool giro_writer_u8(struct giro_writer *writer, uint8_t value)
{
    return write_integer(writer, value, 1);
}

bool giro_writer_u16(struct giro_writer *writer, uint16_t value)
{
    return write_integer(writer, value, 2);
}

bool giro_writer_u32(struct giro_writer *writer, uint32_t value)
{
    return write_integer(writer, value, 4);
}

bool giro_writer_u64(struct giro_writer *writer, uint64_t value)
{
    return write_integer(writer, value, 8);
}
