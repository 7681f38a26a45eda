/* The plaintext of sealed details: one form for the same fields, so that a commitment has one meaning. */
#include "giro/details.h"

#define HEAD_BYTES  4u
#define FIELD_BYTES 4u

static const struct {
    const char *name;
    uint32_t characters;
} known[GIRO_DETAILS_FIELD_COUNT] = {
#define KNOWN(number, name, column, characters) {#column, characters},
    GIRO_DETAILS_FIELDS(KNOWN)
#undef KNOWN
};

const char *giro_details_field_name(enum giro_details_field field)
{
    GIRO_ASSERT(field < GIRO_DETAILS_FIELD_COUNT);
    return known[field].name;
}

uint32_t giro_details_field_characters(enum giro_details_field field)
{
    GIRO_ASSERT(field < GIRO_DETAILS_FIELD_COUNT);
    return known[field].characters;
}

static enum giro_details_fault field_check(enum giro_details_field field, const char *text,
                                           uint32_t length)
{
    const size_t characters = giro_utf8_count(text, length);
    if (characters == GIRO_NOT_UTF8)
        return GIRO_DETAILS_TEXT;
    return characters > known[field].characters ? GIRO_DETAILS_LONG : GIRO_DETAILS_GOOD;
}

enum giro_details_fault giro_details_encode(const struct giro_details *details, uint8_t *plaintext,
                                            uint32_t *size_bytes, enum giro_details_field *field)
{
    uint32_t fields_bytes = 0;
    for (uint32_t i = 0; i < GIRO_DETAILS_FIELD_COUNT; i++) {
        const struct giro_details_text *text = &details->fields[i];
        if (text->length == 0)
            continue;
        *field = (enum giro_details_field)i;
        const enum giro_details_fault fault = field_check(*field, text->text, text->length);
        if (fault != GIRO_DETAILS_GOOD)
            return fault;
        fields_bytes += FIELD_BYTES + text->length; /* each at most 4 x 140 bytes: no overflow */
    }
    if (fields_bytes == 0)
        return GIRO_DETAILS_EMPTY;
    if (HEAD_BYTES + fields_bytes > GIRO_DETAILS_PLAIN_MAX)
        return GIRO_DETAILS_TOO_MUCH;
    const uint32_t padded =
        (uint32_t)giro_align_up(HEAD_BYTES + fields_bytes, GIRO_DETAILS_STEP_BYTES);
    memset(plaintext, 0, padded);
    struct giro_writer writer;
    giro_writer_init(&writer, plaintext, padded);
    giro_writer_u16(&writer, GIRO_DETAILS_VERSION);
    giro_writer_u16(&writer, (uint16_t)fields_bytes);
    for (uint32_t i = 0; i < GIRO_DETAILS_FIELD_COUNT; i++) {
        const struct giro_details_text *text = &details->fields[i];
        if (text->length == 0)
            continue;
        giro_writer_u8(&writer, (uint8_t)(i + 1));
        giro_writer_u8(&writer, 0);
        giro_writer_u16(&writer, (uint16_t)text->length);
        giro_writer_put(&writer, text->text, text->length);
    }
    GIRO_ASSERT(!writer.failed);
    *size_bytes = padded;
    return GIRO_DETAILS_GOOD;
}

static enum giro_reject field_read(struct giro_reader *reader, uint32_t *number,
                                   struct giro_details *details)
{
    const uint32_t found = giro_reader_u8(reader);
    const uint8_t reserved = giro_reader_u8(reader);
    const uint32_t length = giro_reader_u16(reader);
    const uint8_t *text = giro_reader_take(reader, length);
    if (text == NULL)
        return GIRO_REJECT_TRUNCATED;
    if (reserved != 0)
        return GIRO_REJECT_RESERVED;
    if (found <= *number || found > GIRO_DETAILS_FIELD_COUNT || length == 0)
        return GIRO_REJECT_FIELD;
    const enum giro_details_field field = (enum giro_details_field)(found - 1);
    if (field_check(field, (const char *)text, length) != GIRO_DETAILS_GOOD)
        return GIRO_REJECT_FIELD;
    *number = found;
    details->fields[field] = (struct giro_details_text){(const char *)text, length};
    return GIRO_REJECT_NONE;
}

enum giro_reject giro_details_decode(const uint8_t *plaintext, uint32_t size_bytes,
                                     struct giro_details *details)
{
    struct giro_reader reader;
    giro_reader_init(&reader, plaintext, size_bytes);
    const uint16_t version = giro_reader_u16(&reader);
    const uint32_t fields_bytes = giro_reader_u16(&reader);
    if (reader.failed)
        return GIRO_REJECT_TRUNCATED;
    if (version != GIRO_DETAILS_VERSION)
        return GIRO_REJECT_VERSION;
    if (fields_bytes == 0)
        return GIRO_REJECT_COUNT;
    const uint64_t padded = giro_align_up(HEAD_BYTES + fields_bytes, GIRO_DETAILS_STEP_BYTES);
    if (size_bytes != padded || size_bytes > GIRO_DETAILS_PLAIN_MAX)
        return size_bytes < padded ? GIRO_REJECT_TRUNCATED : GIRO_REJECT_OVERSIZED;
    struct giro_details found = {.fields = {{NULL, 0}}};
    struct giro_reader fields;
    giro_reader_init(&fields, giro_reader_take(&reader, fields_bytes), fields_bytes);
    uint32_t number = 0;
    while (giro_reader_left(&fields) > 0) {
        const enum giro_reject reject = field_read(&fields, &number, &found);
        if (reject != GIRO_REJECT_NONE)
            return reject;
    }
    while (giro_reader_left(&reader) > 0) {
        if (giro_reader_u8(&reader) != 0)
            return GIRO_REJECT_RESERVED;
    }
    *details = found;
    return GIRO_REJECT_NONE;
}
