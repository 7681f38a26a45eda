/* Timeouts and timeout certificates. */
#include "decode.h"

bool giro_tc_encode(const struct giro_tc *tc, struct giro_writer *writer)
{
    const uint32_t count = tc->header.signer_count;
    GIRO_ASSERT(count <= GIRO_QUORUM_MAX);
    giro_writer_put(writer, &tc->header, sizeof(tc->header));
    giro_writer_put(writer, tc->high_qc_rounds, count * sizeof(tc->high_qc_rounds[0]));
    giro_writer_put(writer, tc->signatures, count * sizeof(tc->signatures[0]));
    return giro_qc_encode(&tc->high_qc, writer);
}

/* Each signer put its own high QC's round under its signature: the certificate's must be the highest of
 * them, or a leader could hide a QC that a quorum is locked on. */
static enum giro_reject tc_rounds_check(const struct giro_tc *tc)
{
    uint64_t highest = 0;
    for (uint32_t i = 0; i < tc->header.signer_count; i++) {
        if (tc->high_qc_rounds[i] > highest)
            highest = tc->high_qc_rounds[i];
    }
    WIRE_REQUIRE(highest == tc->high_qc.header.round, FIELD);
    WIRE_REQUIRE(highest < tc->header.round, FIELD);
    return GIRO_REJECT_NONE;
}

enum giro_reject giro_tc_decode(struct giro_reader *reader, uint32_t replica_count,
                                struct giro_tc *tc)
{
    WIRE_TRY(wire_copy(reader, &tc->header, sizeof(tc->header)));
    WIRE_TRY(wire_head_check(&tc->header.head, GIRO_KIND_TC));
    WIRE_REQUIRE(wire_is_zero(tc->header.reserved, sizeof(tc->header.reserved)), RESERVED);
    WIRE_TRY(wire_signers_check(tc->header.scheme, tc->header.signer_count, tc->header.bitmap,
                                replica_count));
    const uint32_t count = tc->header.signer_count;
    const uint32_t unused = GIRO_QUORUM_MAX - count;
    memset(tc->high_qc_rounds + count, 0, unused * sizeof(tc->high_qc_rounds[0]));
    memset(tc->signatures + count, 0, unused * sizeof(tc->signatures[0]));
    WIRE_TRY(wire_copy(reader, tc->high_qc_rounds, count * sizeof(tc->high_qc_rounds[0])));
    WIRE_TRY(wire_copy(reader, tc->signatures, count * sizeof(tc->signatures[0])));
    WIRE_TRY(giro_qc_decode(reader, replica_count, &tc->high_qc));
    return tc_rounds_check(tc);
}

struct giro_hash giro_tc_hash(const struct giro_tc *tc)
{
    const uint32_t count = tc->header.signer_count;
    const uint32_t qc_count = tc->high_qc.header.signer_count;
    GIRO_ASSERT(count <= GIRO_QUORUM_MAX);
    GIRO_ASSERT(qc_count <= GIRO_QUORUM_MAX);
    const struct giro_part parts[] = {
        {GIRO_TAG_TC_HASH, GIRO_TAG_BYTES},
        {&tc->header, sizeof(tc->header)},
        {tc->high_qc_rounds, count * sizeof(tc->high_qc_rounds[0])},
        {tc->signatures, count * sizeof(tc->signatures[0])},
        {&tc->high_qc.header, sizeof(tc->high_qc.header)},
        {tc->high_qc.signatures, qc_count * sizeof(tc->high_qc.signatures[0])},
    };
    return giro_sha256_parts(parts, 6);
}

bool giro_timeout_encode(const struct giro_timeout *timeout, struct giro_writer *writer)
{
    GIRO_ASSERT(timeout->header.has_last_tc <= 1);
    giro_writer_put(writer, &timeout->header, sizeof(timeout->header));
    bool fits = giro_qc_encode(&timeout->high_qc, writer);
    if (timeout->header.has_last_tc != 0)
        fits = giro_tc_encode(&timeout->last_tc, writer);
    return fits;
}

enum giro_reject wire_timeout_header_read(struct giro_reader *reader, uint32_t replica_count,
                                          struct giro_timeout_header *header)
{
    WIRE_TRY(wire_copy(reader, header, sizeof(*header)));
    WIRE_TRY(wire_head_check(&header->head, GIRO_KIND_TIMEOUT));
    WIRE_REQUIRE(wire_is_zero(header->reserved, sizeof(header->reserved)), RESERVED);
    WIRE_REQUIRE(header->has_last_tc <= 1, FIELD);
    WIRE_REQUIRE(header->voter < replica_count, SIGNER);
    WIRE_REQUIRE(header->high_qc_round < header->round, FIELD);
    return GIRO_REJECT_NONE;
}

enum giro_reject giro_timeout_decode(struct giro_reader *reader, uint32_t replica_count,
                                     struct giro_timeout *timeout)
{
    const struct giro_timeout_header *const header = &timeout->header;
    WIRE_TRY(wire_timeout_header_read(reader, replica_count, &timeout->header));
    WIRE_TRY(giro_qc_decode(reader, replica_count, &timeout->high_qc));
    WIRE_REQUIRE(timeout->high_qc.header.round == header->high_qc_round, FIELD);
    if (header->has_last_tc == 0) {
        memset(&timeout->last_tc, 0, sizeof(timeout->last_tc));
        return GIRO_REJECT_NONE;
    }
    WIRE_TRY(giro_tc_decode(reader, replica_count, &timeout->last_tc));
    WIRE_REQUIRE(timeout->last_tc.header.round < header->round, FIELD);
    return GIRO_REJECT_NONE;
}

size_t giro_timeout_message(const struct giro_hash *chain, uint64_t epoch, uint64_t round,
                            uint64_t high_qc_round, uint8_t *out)
{
    struct giro_writer writer;
    giro_writer_init(&writer, out, GIRO_TIMEOUT_MESSAGE_BYTES);
    giro_writer_put(&writer, GIRO_TAG_TIMEOUT, GIRO_TAG_BYTES);
    giro_writer_put(&writer, chain, sizeof(*chain));
    giro_writer_u64(&writer, epoch);
    giro_writer_u64(&writer, round);
    giro_writer_u64(&writer, high_qc_round);
    GIRO_ASSERT(!writer.failed);
    GIRO_ASSERT(writer.offset == GIRO_TIMEOUT_MESSAGE_BYTES);
    return writer.offset;
}
