/* Votes and quorum certificates. */
#include "decode.h"

bool giro_qc_encode(const struct giro_qc *qc, struct giro_writer *writer)
{
    GIRO_ASSERT(qc->header.signer_count <= GIRO_QUORUM_MAX);
    giro_writer_put(writer, &qc->header, sizeof(qc->header));
    return giro_writer_put(writer, qc->signatures, qc->header.signer_count * GIRO_SIGNATURE_BYTES);
}

/* The genesis QC certifies nothing by signature: it stands for the genesis file. */
static enum giro_reject genesis_qc_check(const struct giro_qc_header *header)
{
    WIRE_REQUIRE(header->signer_count == 0, COUNT);
    WIRE_REQUIRE(header->parent_round == 0, FIELD);
    WIRE_REQUIRE(giro_hash_is_zero(&header->commit_id), FIELD);
    WIRE_REQUIRE(header->scheme == GIRO_SCHEME_ED25519 || header->scheme == GIRO_SCHEME_KEYED_HASH,
                 FIELD);
    WIRE_REQUIRE(wire_is_zero(header->bitmap, sizeof(header->bitmap)), SIGNER);
    return GIRO_REJECT_NONE;
}

enum giro_reject giro_qc_decode(struct giro_reader *reader, uint32_t replica_count,
                                struct giro_qc *qc)
{
    struct giro_qc_header *const header = &qc->header;
    WIRE_TRY(wire_copy(reader, header, sizeof(*header)));
    WIRE_TRY(wire_head_check(&header->head, GIRO_KIND_QC));
    WIRE_REQUIRE(wire_is_zero(header->reserved, sizeof(header->reserved)), RESERVED);
    if (header->round == 0) {
        WIRE_TRY(genesis_qc_check(header));
    } else {
        WIRE_TRY(wire_signers_check(header->scheme, header->signer_count, header->bitmap,
                                    replica_count));
        WIRE_TRY(wire_commit_id_check(header->round, header->parent_round, &header->commit_id));
    }
    /* Zeros behind the last signature: equal certificates are equal bytes in memory, too. */
    memset(qc->signatures + header->signer_count, 0,
           (GIRO_QUORUM_MAX - header->signer_count) * sizeof(qc->signatures[0]));
    return wire_copy(reader, qc->signatures, header->signer_count * GIRO_SIGNATURE_BYTES);
}

struct giro_hash giro_qc_hash(const struct giro_qc *qc)
{
    GIRO_ASSERT(qc->header.signer_count <= GIRO_QUORUM_MAX);
    const struct giro_part parts[] = {
        {GIRO_TAG_QC_HASH, GIRO_TAG_BYTES},
        {&qc->header, sizeof(qc->header)},
        {qc->signatures, qc->header.signer_count * GIRO_SIGNATURE_BYTES},
    };
    return giro_sha256_parts(parts, 3);
}

bool giro_vote_encode(const struct giro_vote *vote, struct giro_writer *writer)
{
    return giro_writer_put(writer, vote, sizeof(*vote));
}

enum giro_reject giro_vote_decode(struct giro_reader *reader, uint32_t replica_count,
                                  struct giro_vote *vote)
{
    WIRE_TRY(wire_copy(reader, vote, sizeof(*vote)));
    WIRE_TRY(wire_head_check(&vote->head, GIRO_KIND_VOTE));
    WIRE_REQUIRE(wire_is_zero(vote->reserved, sizeof(vote->reserved)), RESERVED);
    WIRE_REQUIRE(vote->voter < replica_count, SIGNER);
    return wire_commit_id_check(vote->round, vote->parent_round, &vote->commit_id);
}

size_t giro_vote_message(const struct giro_hash *chain, const struct giro_qc_header *fields,
                         uint8_t *out)
{
    struct giro_writer writer;
    giro_writer_init(&writer, out, GIRO_VOTE_MESSAGE_BYTES);
    giro_writer_put(&writer, GIRO_TAG_VOTE, GIRO_TAG_BYTES);
    giro_writer_put(&writer, chain, sizeof(*chain));
    giro_writer_u64(&writer, fields->epoch);
    giro_writer_u64(&writer, fields->round);
    giro_writer_put(&writer, &fields->block_id, sizeof(fields->block_id));
    giro_writer_u64(&writer, fields->parent_round);
    giro_writer_put(&writer, &fields->commit_id, sizeof(fields->commit_id));
    GIRO_ASSERT(!writer.failed);
    GIRO_ASSERT(writer.offset == GIRO_VOTE_MESSAGE_BYTES);
    return writer.offset;
}
