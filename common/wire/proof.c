/* Proofs of availability: q acknowledgements of one batch, each as its signer signed it. */
#include "decode.h"

/* One acknowledgement inside a proof: this, then the ids, then the signature.
 * offset size field
 *      0    8 expiry_ns
 *      8    2 id_count
 *     10    6 reserved */
struct proof_ack {
    uint64_t expiry_ns;
    uint16_t id_count;
    uint8_t reserved[6];
};
GIRO_WIRE_SIZE(proof_ack, 16);
GIRO_WIRE_AT(proof_ack, id_count, 8);
static_assert(sizeof(struct giro_batch_proof_header) +
                      GIRO_QUORUM_MAX *
                          (sizeof(struct proof_ack) + GIRO_ACK_IDS_MAX * sizeof(struct giro_hash) +
                           sizeof(struct giro_signature)) ==
                  GIRO_BATCH_PROOF_BYTES_MAX,
              "the largest proof");

enum giro_reject wire_ids_check(const struct giro_hash *ids, uint32_t id_count)
{
    for (uint32_t i = 1; i < id_count; i++)
        WIRE_REQUIRE(memcmp(&ids[i - 1], &ids[i], sizeof(ids[i])) < 0, FIELD);
    return GIRO_REJECT_NONE;
}

enum giro_reject wire_reference_check(const struct giro_batch_reference *reference,
                                      uint32_t replica_count)
{
    WIRE_REQUIRE(reference->reserved == 0, RESERVED);
    WIRE_REQUIRE(reference->author < replica_count, SIGNER);
    WIRE_REQUIRE(reference->frame_count >= 1 && reference->frame_count <= GIRO_BATCH_FRAMES_MAX,
                 COUNT);
    WIRE_REQUIRE(reference->record_count <= reference->frame_count * GIRO_FRAME_RECORDS_MAX, COUNT);
    WIRE_REQUIRE(reference->size_bytes > sizeof(struct giro_batch_header) &&
                     reference->size_bytes <= GIRO_BATCH_BYTES_MAX,
                 FIELD);
    return GIRO_REJECT_NONE;
}

static bool ids_have(const struct giro_hash *ids, uint32_t id_count, const struct giro_hash *id)
{
    for (uint32_t i = 0; i < id_count; i++) {
        if (giro_hash_equal(&ids[i], id))
            return true;
    }
    return false;
}

/* ack_read reads the acknowledgement of one signer and fills *ack as if it had come on its own. */
static enum giro_reject ack_read(struct giro_reader *reader, uint64_t epoch, uint32_t voter,
                                 struct giro_batch_ack *ack)
{
    struct proof_ack fields;
    WIRE_TRY(wire_copy(reader, &fields, sizeof(fields)));
    WIRE_REQUIRE(wire_is_zero(fields.reserved, sizeof(fields.reserved)), RESERVED);
    WIRE_REQUIRE(fields.id_count >= 1 && fields.id_count <= GIRO_ACK_IDS_MAX, COUNT);
    memset(ack, 0, sizeof(*ack));
    ack->header.head = giro_head_make(GIRO_KIND_BATCH_ACK);
    ack->header.epoch = epoch;
    ack->header.expiry_ns = fields.expiry_ns;
    ack->header.voter = (uint16_t)voter;
    ack->header.id_count = fields.id_count;
    WIRE_TRY(wire_copy(reader, ack->ids, fields.id_count * sizeof(ack->ids[0])));
    WIRE_TRY(wire_copy(reader, &ack->signature, sizeof(ack->signature)));
    return wire_ids_check(ack->ids, fields.id_count);
}

enum giro_reject wire_proof_read(struct giro_reader *reader, uint64_t epoch, uint32_t replica_count,
                                 struct giro_batch_proof_header *header,
                                 struct giro_batch_ack *acks, uint32_t acks_max)
{
    WIRE_TRY(wire_copy(reader, header, sizeof(*header)));
    WIRE_TRY(wire_head_check(&header->head, GIRO_KIND_BATCH_PROOF));
    WIRE_REQUIRE(wire_is_zero(header->reserved, sizeof(header->reserved)), RESERVED);
    WIRE_TRY(
        wire_signers_check(header->scheme, header->signer_count, header->bitmap, replica_count));
    WIRE_TRY(wire_reference_check(&header->reference, replica_count));
    WIRE_REQUIRE(acks == NULL || header->signer_count <= acks_max, COUNT);

    const struct giro_batch_reference *const reference = &header->reference;
    uint64_t expiry_ns = UINT64_MAX;
    uint32_t count = 0;
    for (uint32_t voter = 0; voter < replica_count; voter++) {
        if (!giro_bitmap_has(header->bitmap, voter))
            continue;
        struct giro_batch_ack scratch;
        struct giro_batch_ack *const ack = acks != NULL ? &acks[count] : &scratch;
        WIRE_TRY(ack_read(reader, epoch, voter, ack));
        WIRE_REQUIRE(ids_have(ack->ids, ack->header.id_count, &reference->batch_id), FIELD);
        if (ack->header.expiry_ns < expiry_ns)
            expiry_ns = ack->header.expiry_ns;
        count++;
    }
    GIRO_ASSERT(count == header->signer_count);
    WIRE_REQUIRE(reference->expiry_ns == expiry_ns, FIELD);
    return GIRO_REJECT_NONE;
}

enum giro_reject giro_batch_proof_decode(const void *bytes, size_t size_bytes, uint64_t epoch,
                                         uint32_t replica_count,
                                         struct giro_batch_proof_header *header,
                                         struct giro_batch_ack *acks, uint32_t acks_max)
{
    struct giro_reader reader;
    WIRE_REQUIRE(size_bytes <= GIRO_BATCH_PROOF_BYTES_MAX, OVERSIZED);
    giro_reader_init(&reader, bytes, size_bytes);
    WIRE_TRY(wire_proof_read(&reader, epoch, replica_count, header, acks, acks_max));
    WIRE_REQUIRE(giro_reader_left(&reader) == 0, OVERSIZED);
    return GIRO_REJECT_NONE;
}

bool giro_batch_proof_encode(const struct giro_batch_proof_header *header,
                             const struct giro_batch_ack *acks, struct giro_writer *writer)
{
    GIRO_ASSERT(header->signer_count <= GIRO_QUORUM_MAX);
    GIRO_ASSERT(giro_bitmap_count(header->bitmap) == header->signer_count);
    bool fits = giro_writer_put(writer, header, sizeof(*header));
    for (uint32_t i = 0; i < header->signer_count; i++) {
        const struct giro_batch_ack *const ack = &acks[i];
        const struct proof_ack fields = {.expiry_ns = ack->header.expiry_ns,
                                         .id_count = ack->header.id_count};
        GIRO_ASSERT(giro_bitmap_has(header->bitmap, ack->header.voter));
        GIRO_ASSERT(i == 0 || acks[i - 1].header.voter < ack->header.voter);
        GIRO_ASSERT(ack->header.id_count <= GIRO_ACK_IDS_MAX);
        giro_writer_put(writer, &fields, sizeof(fields));
        giro_writer_put(writer, ack->ids, fields.id_count * sizeof(ack->ids[0]));
        fits = giro_writer_put(writer, &ack->signature, sizeof(ack->signature));
    }
    return fits;
}
