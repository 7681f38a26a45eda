/* Blocks and proposals. */
#include "decode.h"

struct giro_hash giro_block_id(const struct giro_block_header *block,
                               const struct giro_batch_reference *references)
{
    GIRO_ASSERT(block->reference_count <= GIRO_BLOCK_REFERENCES_MAX);
    const struct giro_part parts[] = {
        {GIRO_TAG_BLOCK, GIRO_TAG_BYTES},
        {block, sizeof(*block)},
        {references, block->reference_count * sizeof(*references)},
    };
    return giro_sha256_parts(parts, 3);
}

size_t giro_proposal_message(const struct giro_hash *chain, uint64_t epoch,
                             const struct giro_hash *block_id, uint8_t *out)
{
    struct giro_writer writer;
    giro_writer_init(&writer, out, GIRO_PROPOSAL_MESSAGE_BYTES);
    giro_writer_put(&writer, GIRO_TAG_PROPOSAL, GIRO_TAG_BYTES);
    giro_writer_put(&writer, chain, sizeof(*chain));
    giro_writer_u64(&writer, epoch);
    giro_writer_put(&writer, block_id, sizeof(*block_id));
    GIRO_ASSERT(!writer.failed);
    GIRO_ASSERT(writer.offset == GIRO_PROPOSAL_MESSAGE_BYTES);
    return writer.offset;
}

/* ---- Decoding ------------------------------------------------------------------------------------ */

static enum giro_reject block_header_check(const struct giro_block_header *block,
                                           uint32_t replica_count)
{
    WIRE_TRY(wire_head_check(&block->head, GIRO_KIND_BLOCK));
    WIRE_REQUIRE(block->reserved == 0, RESERVED);
    WIRE_REQUIRE(block->author < replica_count, SIGNER);
    WIRE_REQUIRE(block->reference_count <= GIRO_BLOCK_REFERENCES_MAX, COUNT);
    WIRE_REQUIRE(block->height >= 1, FIELD); /* height 0 is the genesis file */
    WIRE_REQUIRE(block->certified_height < block->height, FIELD);
    return GIRO_REJECT_NONE;
}

/* The parts' sizes are four 32-bit numbers of a peer: their 64-bit sum cannot wrap. */
static enum giro_reject proposal_size_check(const struct giro_proposal_header *header,
                                            size_t size_bytes)
{
    const uint64_t expected_bytes =
        sizeof(*header) + header->block.reference_count * sizeof(struct giro_batch_reference) +
        (uint64_t)header->qc_bytes + header->tc_bytes + header->certificate_bytes +
        header->proofs_bytes + GIRO_SIGNATURE_BYTES;
    WIRE_REQUIRE(expected_bytes <= GIRO_PROPOSAL_BYTES_MAX, OVERSIZED);
    WIRE_REQUIRE(size_bytes >= expected_bytes, TRUNCATED);
    WIRE_REQUIRE(size_bytes <= expected_bytes, OVERSIZED);
    return GIRO_REJECT_NONE;
}

static enum giro_reject references_read(struct giro_reader *reader, uint32_t replica_count,
                                        struct giro_proposal *proposal)
{
    const uint32_t count = proposal->block.reference_count;
    struct giro_batch_reference *const references = proposal->references;
    WIRE_TRY(wire_copy(reader, references, count * sizeof(references[0])));
    for (uint32_t i = 0; i < count; i++) {
        WIRE_TRY(wire_reference_check(&references[i], replica_count));
        for (uint32_t j = 0; j < i; j++)
            WIRE_REQUIRE(!giro_hash_equal(&references[i].batch_id, &references[j].batch_id),
                         DUPLICATE);
    }
    return GIRO_REJECT_NONE;
}

/* part_open makes a reader over exactly the next size_bytes: a part that is shorter or longer than the
 * header says is caught by its own decoder or by part_close. */
static void part_open(struct giro_reader *reader, uint32_t size_bytes, struct giro_reader *part)
{
    const uint8_t *const bytes = giro_reader_take(reader, size_bytes);
    GIRO_ASSERT(bytes != NULL); /* proposal_size_check added them all up */
    giro_reader_init(part, bytes, size_bytes);
}

static enum giro_reject part_close(const struct giro_reader *part)
{
    return giro_reader_left(part) == 0 ? GIRO_REJECT_NONE : GIRO_REJECT_OVERSIZED;
}

static enum giro_reject qc_read(struct giro_reader *reader, uint32_t qc_bytes,
                                uint32_t replica_count, struct giro_proposal *proposal)
{
    struct giro_reader part;
    const struct giro_block_header *const block = &proposal->block;
    part_open(reader, qc_bytes, &part);
    WIRE_TRY(giro_qc_decode(&part, replica_count, &proposal->qc));
    WIRE_TRY(part_close(&part));
    const struct giro_hash hash = giro_qc_hash(&proposal->qc);
    WIRE_REQUIRE(giro_hash_equal(&hash, &block->qc_hash), HASH);
    WIRE_REQUIRE(giro_hash_equal(&proposal->qc.header.block_id, &block->parent_id), PARENT);
    WIRE_REQUIRE(proposal->qc.header.round < block->round, ROUND);
    return GIRO_REJECT_NONE;
}

static enum giro_reject tc_read(struct giro_reader *reader, uint32_t tc_bytes,
                                uint32_t replica_count, struct giro_proposal *proposal)
{
    struct giro_reader part;
    proposal->has_tc = tc_bytes != 0;
    if (!proposal->has_tc) {
        memset(&proposal->tc, 0, sizeof(proposal->tc));
        WIRE_REQUIRE(giro_hash_is_zero(&proposal->block.tc_hash), HASH);
        return GIRO_REJECT_NONE;
    }
    part_open(reader, tc_bytes, &part);
    WIRE_TRY(giro_tc_decode(&part, replica_count, &proposal->tc));
    WIRE_TRY(part_close(&part));
    const struct giro_hash hash = giro_tc_hash(&proposal->tc);
    WIRE_REQUIRE(giro_hash_equal(&hash, &proposal->block.tc_hash), HASH);
    return GIRO_REJECT_NONE;
}

static enum giro_reject certificate_read(struct giro_reader *reader, uint32_t certificate_bytes,
                                         uint32_t replica_count, struct giro_proposal *proposal)
{
    struct giro_reader part;
    proposal->has_certificate = certificate_bytes != 0;
    if (!proposal->has_certificate) {
        memset(&proposal->certificate, 0, sizeof(proposal->certificate));
        WIRE_REQUIRE(giro_hash_is_zero(&proposal->block.certificate_hash), HASH);
        WIRE_REQUIRE(proposal->block.certified_height == 0, FIELD);
        return GIRO_REJECT_NONE;
    }
    part_open(reader, certificate_bytes, &part);
    WIRE_TRY(giro_certificate_decode(&part, replica_count, &proposal->certificate));
    WIRE_TRY(part_close(&part));
    const struct giro_hash hash = giro_certificate_hash(&proposal->certificate);
    WIRE_REQUIRE(giro_hash_equal(&hash, &proposal->block.certificate_hash), HASH);
    WIRE_REQUIRE(proposal->certificate.header.body.height == proposal->block.certified_height,
                 FIELD);
    return GIRO_REJECT_NONE;
}

static enum giro_reject proofs_read(struct giro_reader *reader, uint32_t proofs_bytes,
                                    uint32_t replica_count, struct giro_proposal *proposal)
{
    struct giro_reader part;
    part_open(reader, proofs_bytes, &part);
    for (uint32_t i = 0; i < GIRO_BLOCK_REFERENCES_MAX; i++) {
        proposal->proofs[i] = NULL;
        proposal->proof_bytes[i] = 0;
        if (i >= proposal->block.reference_count)
            continue;
        struct giro_batch_proof_header header;
        const size_t start = part.offset;
        const enum giro_reject reject =
            wire_proof_read(&part, proposal->block.epoch, replica_count, &header, NULL, 0);
        /* The whole proposal is there: a proof that ends early is a wrong proof. */
        WIRE_REQUIRE(reject != GIRO_REJECT_TRUNCATED, PROOF);
        WIRE_TRY(reject);
        WIRE_REQUIRE(
            memcmp(&header.reference, &proposal->references[i], sizeof(header.reference)) == 0,
            PROOF);
        proposal->proofs[i] = part.bytes + start;
        proposal->proof_bytes[i] = (uint32_t)(part.offset - start);
    }
    return part_close(&part);
}

enum giro_reject giro_proposal_decode(const void *bytes, size_t size_bytes, uint32_t replica_count,
                                      struct giro_proposal *proposal)
{
    struct giro_reader reader;
    struct giro_proposal_header header;
    WIRE_REQUIRE(size_bytes <= GIRO_PROPOSAL_BYTES_MAX, OVERSIZED);
    giro_reader_init(&reader, bytes, size_bytes);
    WIRE_TRY(wire_copy(&reader, &header, sizeof(header)));
    WIRE_TRY(wire_head_check(&header.head, GIRO_KIND_PROPOSAL));
    WIRE_TRY(block_header_check(&header.block, replica_count));
    WIRE_TRY(proposal_size_check(&header, size_bytes));

    proposal->block = header.block;
    proposal->bytes = bytes;
    proposal->size_bytes = (uint32_t)size_bytes;
    WIRE_TRY(references_read(&reader, replica_count, proposal));
    WIRE_TRY(qc_read(&reader, header.qc_bytes, replica_count, proposal));
    WIRE_TRY(tc_read(&reader, header.tc_bytes, replica_count, proposal));
    WIRE_TRY(certificate_read(&reader, header.certificate_bytes, replica_count, proposal));
    WIRE_TRY(proofs_read(&reader, header.proofs_bytes, replica_count, proposal));
    WIRE_TRY(wire_copy(&reader, &proposal->signature, sizeof(proposal->signature)));
    GIRO_ASSERT(giro_reader_left(&reader) == 0);
    proposal->block_id = giro_block_id(&proposal->block, proposal->references);
    return GIRO_REJECT_NONE;
}

/* ---- Encoding ------------------------------------------------------------------------------------ */

bool giro_proposal_encode(struct giro_block_header *block,
                          const struct giro_batch_reference *references,
                          const uint8_t *const *proofs, const uint32_t *proof_bytes,
                          const struct giro_qc *qc, const struct giro_tc *tc,
                          const struct giro_certificate *certificate, struct giro_writer *writer,
                          struct giro_hash *block_id)
{
    GIRO_ASSERT(block->reference_count <= GIRO_BLOCK_REFERENCES_MAX);
    GIRO_ASSERT((certificate == NULL) == (block->certified_height == 0));
    struct giro_proposal_header header = {.head = giro_head_make(GIRO_KIND_PROPOSAL)};
    block->qc_hash = giro_qc_hash(qc);
    block->tc_hash = tc != NULL ? giro_tc_hash(tc) : giro_hash_zero;
    block->certificate_hash =
        certificate != NULL ? giro_certificate_hash(certificate) : giro_hash_zero;
    *block_id = giro_block_id(block, references);

    /* The parts' sizes are known only once they are written: the header goes in last. */
    uint8_t *const header_at = giro_writer_reserve(writer, sizeof(header));
    giro_writer_put(writer, references, block->reference_count * sizeof(*references));
    size_t start = writer->offset;
    giro_qc_encode(qc, writer);
    header.qc_bytes = (uint32_t)(writer->offset - start);
    start = writer->offset;
    if (tc != NULL)
        giro_tc_encode(tc, writer);
    header.tc_bytes = (uint32_t)(writer->offset - start);
    start = writer->offset;
    if (certificate != NULL)
        giro_certificate_encode(certificate, writer);
    header.certificate_bytes = (uint32_t)(writer->offset - start);
    start = writer->offset;
    for (uint32_t i = 0; i < block->reference_count; i++)
        giro_writer_put(writer, proofs[i], proof_bytes[i]);
    header.proofs_bytes = (uint32_t)(writer->offset - start);
    if (writer->failed)
        return false;
    header.block = *block;
    memcpy(header_at, &header, sizeof(header));
    return true;
}
