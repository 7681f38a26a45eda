/* Commit votes and the certificate of a height. */
#include "decode.h"

static enum giro_reject commit_body_check(const struct giro_commit_body *body, enum giro_kind kind)
{
    WIRE_TRY(wire_head_check(&body->head, kind));
    WIRE_REQUIRE(body->height >= 1, FIELD); /* height 0 is the genesis file: nobody executes it */
    return GIRO_REJECT_NONE;
}

bool giro_commit_vote_encode(const struct giro_commit_vote *vote, struct giro_writer *writer)
{
    return giro_writer_put(writer, vote, sizeof(*vote));
}

enum giro_reject giro_commit_vote_decode(struct giro_reader *reader, uint32_t replica_count,
                                         struct giro_commit_vote *vote)
{
    WIRE_TRY(wire_copy(reader, vote, sizeof(*vote)));
    WIRE_TRY(commit_body_check(&vote->body, GIRO_KIND_COMMIT_VOTE));
    WIRE_REQUIRE(wire_is_zero(vote->reserved, sizeof(vote->reserved)), RESERVED);
    WIRE_REQUIRE(vote->voter < replica_count, SIGNER);
    return GIRO_REJECT_NONE;
}

bool giro_certificate_encode(const struct giro_certificate *certificate, struct giro_writer *writer)
{
    const uint32_t count = certificate->header.signer_count;
    GIRO_ASSERT(count <= GIRO_QUORUM_MAX);
    giro_writer_put(writer, &certificate->header, sizeof(certificate->header));
    return giro_writer_put(writer, certificate->signatures, count * GIRO_SIGNATURE_BYTES);
}

enum giro_reject giro_certificate_decode(struct giro_reader *reader, uint32_t replica_count,
                                         struct giro_certificate *certificate)
{
    struct giro_certificate_header *const header = &certificate->header;
    WIRE_TRY(wire_copy(reader, header, sizeof(*header)));
    WIRE_TRY(commit_body_check(&header->body, GIRO_KIND_CERTIFICATE));
    WIRE_REQUIRE(wire_is_zero(header->reserved, sizeof(header->reserved)), RESERVED);
    WIRE_TRY(
        wire_signers_check(header->scheme, header->signer_count, header->bitmap, replica_count));
    memset(certificate->signatures + header->signer_count, 0,
           (GIRO_QUORUM_MAX - header->signer_count) * sizeof(certificate->signatures[0]));
    return wire_copy(reader, certificate->signatures, header->signer_count * GIRO_SIGNATURE_BYTES);
}

struct giro_hash giro_certificate_hash(const struct giro_certificate *certificate)
{
    const uint32_t count = certificate->header.signer_count;
    GIRO_ASSERT(count <= GIRO_QUORUM_MAX);
    const struct giro_part parts[] = {
        {GIRO_TAG_CERT_HASH, GIRO_TAG_BYTES},
        {&certificate->header, sizeof(certificate->header)},
        {certificate->signatures, count * GIRO_SIGNATURE_BYTES},
    };
    return giro_sha256_parts(parts, 3);
}

size_t giro_commit_message(const struct giro_hash *chain, const struct giro_commit_body *body,
                           uint8_t *out)
{
    struct giro_writer writer;
    giro_writer_init(&writer, out, GIRO_COMMIT_MESSAGE_BYTES);
    giro_writer_put(&writer, GIRO_TAG_COMMIT_VOTE, GIRO_TAG_BYTES);
    giro_writer_put(&writer, chain, sizeof(*chain));
    giro_writer_u64(&writer, body->epoch);
    giro_writer_u64(&writer, body->height);
    giro_writer_u64(&writer, body->time_ns);
    giro_writer_put(&writer, &body->block_id, sizeof(body->block_id));
    giro_writer_put(&writer, &body->state_root, sizeof(body->state_root));
    giro_writer_put(&writer, &body->ledger_root, sizeof(body->ledger_root));
    GIRO_ASSERT(!writer.failed);
    GIRO_ASSERT(writer.offset == GIRO_COMMIT_MESSAGE_BYTES);
    return writer.offset;
}

enum giro_reject giro_peer_envelope_decode(const void *bytes, size_t size_bytes,
                                           struct giro_peer_envelope *envelope)
{
    struct giro_reader reader;
    giro_reader_init(&reader, bytes, size_bytes);
    WIRE_TRY(wire_copy(&reader, envelope, sizeof(*envelope)));
    WIRE_TRY(wire_head_check(&envelope->head, GIRO_KIND_PEER));
    /* The link is a stream: the body may still be on its way, and more may follow it. */
    WIRE_REQUIRE(envelope->size_bytes >= sizeof(*envelope), TRUNCATED);
    WIRE_REQUIRE(envelope->size_bytes <= GIRO_PEER_BYTES_MAX, OVERSIZED);
    WIRE_REQUIRE(envelope->body_kind >= GIRO_KIND_BLOCK && envelope->body_kind <= GIRO_KIND_HALTED,
                 KIND);
    WIRE_REQUIRE(envelope->body_kind != GIRO_KIND_PEER, KIND);
    WIRE_REQUIRE(envelope->sender < GIRO_REPLICAS_MAX, SIGNER);
    return GIRO_REJECT_NONE;
}
