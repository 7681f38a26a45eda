/* HELLO: the question of a start, and what the subject signed as the answer. */
#include "decode.h"

bool giro_hello_encode(const struct giro_hello *hello, struct giro_writer *writer)
{
    const uint8_t parts = hello->header.parts;
    bool fits = giro_writer_put(writer, &hello->header, sizeof(hello->header));
    if ((parts & GIRO_HELLO_QUESTION) != 0)
        fits = giro_writer_put(writer, &hello->question, sizeof(hello->question));
    if ((parts & GIRO_HELLO_VOTE) != 0)
        fits = giro_writer_put(writer, &hello->vote, sizeof(hello->vote));
    if ((parts & GIRO_HELLO_TIMEOUT) != 0)
        fits = giro_writer_put(writer, &hello->timeout, sizeof(hello->timeout));
    return fits;
}

static enum giro_reject header_decode(struct giro_reader *reader, uint32_t replica_count,
                                      struct giro_hello_header *header)
{
    WIRE_TRY(wire_copy(reader, header, sizeof(*header)));
    WIRE_TRY(wire_head_check(&header->head, GIRO_KIND_HELLO));
    WIRE_REQUIRE(wire_is_zero(header->reserved, sizeof(header->reserved)), RESERVED);
    WIRE_REQUIRE(header->subject < replica_count, SIGNER);
    WIRE_REQUIRE(header->answerer < replica_count, SIGNER);
    WIRE_REQUIRE(header->incarnation >= 1, FIELD);
    WIRE_REQUIRE(header->answer <= 1, FIELD);
    const uint32_t all = GIRO_HELLO_QUESTION | GIRO_HELLO_VOTE | GIRO_HELLO_TIMEOUT;
    if (header->answer == 1) {
        WIRE_REQUIRE(header->parts <= all, FIELD);
        return GIRO_REJECT_NONE;
    }
    WIRE_REQUIRE(header->answerer == header->subject, SIGNER);
    WIRE_REQUIRE(header->parts == 0, FIELD);
    return GIRO_REJECT_NONE;
}

enum giro_reject giro_hello_decode(struct giro_reader *reader, uint32_t replica_count,
                                   struct giro_hello *hello)
{
    const struct giro_hello_header *const header = &hello->header;
    memset(hello, 0, sizeof(*hello));
    WIRE_TRY(header_decode(reader, replica_count, &hello->header));
    if ((header->parts & GIRO_HELLO_QUESTION) != 0) {
        WIRE_TRY(header_decode(reader, replica_count, &hello->question));
        WIRE_REQUIRE(hello->question.answer == 0, FIELD);
        WIRE_REQUIRE(hello->question.subject == header->subject, SIGNER);
    }
    if ((header->parts & GIRO_HELLO_VOTE) != 0) {
        WIRE_TRY(giro_vote_decode(reader, replica_count, &hello->vote));
        WIRE_REQUIRE(hello->vote.voter == header->subject, SIGNER);
    }
    if ((header->parts & GIRO_HELLO_TIMEOUT) != 0) {
        WIRE_TRY(wire_timeout_header_read(reader, replica_count, &hello->timeout));
        WIRE_REQUIRE(hello->timeout.has_last_tc == 0, FIELD);
        WIRE_REQUIRE(hello->timeout.voter == header->subject, SIGNER);
    }
    return GIRO_REJECT_NONE;
}

size_t giro_hello_message(const struct giro_hash *chain, const struct giro_hello_header *hello,
                          uint8_t *out)
{
    struct giro_writer writer;
    giro_writer_init(&writer, out, GIRO_HELLO_MESSAGE_BYTES);
    giro_writer_put(&writer, GIRO_TAG_HELLO, GIRO_TAG_BYTES);
    giro_writer_put(&writer, chain, sizeof(*chain));
    giro_writer_u64(&writer, hello->epoch);
    giro_writer_put(&writer, hello->nonce,
                    offsetof(struct giro_hello_header, signature) -
                        offsetof(struct giro_hello_header, nonce));
    GIRO_ASSERT(!writer.failed);
    GIRO_ASSERT(writer.offset == GIRO_HELLO_MESSAGE_BYTES);
    return writer.offset;
}
