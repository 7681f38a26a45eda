#include "wire_roundtrip.h"

#include <stdio.h>
#include <stdlib.h>

static bool frame_write(const struct giro_frame *frame, struct giro_writer *writer)
{
    const struct giro_frame_header *const header = &frame->header;
    giro_writer_put(writer, header, sizeof(*header));
    for (uint32_t i = 0; i < header->record_count; i++) {
        const struct giro_record record = giro_record_get(frame, i);
        giro_writer_put(writer, &record, sizeof(record));
    }
    if (header->head.kind == GIRO_KIND_SKIP)
        giro_writer_u64(writer, frame->skip_to);
    giro_writer_put(writer, frame->details, header->details_bytes);
    bool fits = giro_writer_put(writer, frame->signature, GIRO_SIGNATURE_BYTES);
    if (frame->checker_signature != NULL)
        fits = giro_writer_put(writer, frame->checker_signature, GIRO_SIGNATURE_BYTES);
    return fits;
}

static enum giro_reject frame_again(const uint8_t *bytes, size_t size_bytes,
                                    struct giro_writer *writer)
{
    struct giro_frame frame;
    struct giro_hash chain;
    uint8_t message[GIRO_FRAME_MESSAGE_BYTES_MAX];
    memset(&chain, 0xC0, sizeof(chain));
    const enum giro_reject reject = giro_frame_decode(bytes, size_bytes, WIRE_TEST_PREFIX, &frame);
    if (reject != GIRO_REJECT_NONE)
        return reject;
    if (giro_frame_bytes(&frame.header) != size_bytes ||
        giro_frame_message(&frame, &chain, message) > sizeof(message))
        abort();
    frame_write(&frame, writer);
    return reject;
}

static enum giro_reject disclosure_again(const uint8_t *bytes, size_t size_bytes,
                                         struct giro_writer *writer)
{
    static struct giro_disclosure disclosure;
    struct giro_hash chain;
    uint8_t message[GIRO_FRAME_MESSAGE_BYTES_MAX];
    memset(&chain, 0xC0, sizeof(chain));
    const enum giro_reject reject =
        giro_disclosure_decode(bytes, size_bytes, WIRE_TEST_PREFIX, &disclosure);
    if (reject != GIRO_REJECT_NONE)
        return reject;
    if (giro_disclosure_message(&disclosure, &chain, message) > sizeof(message) ||
        !giro_disclosure_encode(&disclosure, writer))
        abort();
    return reject;
}

static enum giro_reject batch_again(const uint8_t *bytes, size_t size_bytes,
                                    struct giro_writer *writer)
{
    struct giro_batch_header header;
    struct giro_frame frame;
    uint32_t offset = GIRO_BATCH_FIRST;
    uint32_t frame_count = 0;
    const enum giro_reject reject = giro_batch_decode(bytes, size_bytes, WIRE_TEST_PREFIX, &header);
    if (reject != GIRO_REJECT_NONE)
        return reject;
    giro_writer_put(writer, &header, sizeof(header));
    while (giro_batch_next(bytes, size_bytes, WIRE_TEST_PREFIX, &offset, &frame)) {
        giro_writer_u32(writer, frame.size_bytes);
        frame_write(&frame, writer);
        frame_count++;
    }
    if (frame_count != header.frame_count || offset != size_bytes)
        abort();
    return reject;
}

static enum giro_reject receipt_again(struct giro_reader *reader, struct giro_writer *writer)
{
    struct giro_receipt_item item;
    const uint8_t *runs = NULL;
    enum giro_reject reject = giro_receipt_next(reader, &item, &runs);
    if (reject != GIRO_REJECT_NONE)
        return reject;
    giro_writer_put(writer, &item, sizeof(item));
    giro_writer_put(writer, runs, item.run_count * sizeof(struct giro_receipt_run));
    return reject;
}

static enum giro_reject proof_again(const uint8_t *bytes, size_t size_bytes, uint32_t replica_count,
                                    struct giro_writer *writer)
{
    static struct giro_batch_ack acks[GIRO_QUORUM_MAX];
    struct giro_batch_proof_header header;
    const enum giro_reject reject = giro_batch_proof_decode(
        bytes, size_bytes, WIRE_TEST_EPOCH, replica_count, &header, acks, GIRO_QUORUM_MAX);
    if (reject == GIRO_REJECT_NONE)
        giro_batch_proof_encode(&header, acks, writer);
    return reject;
}

static enum giro_reject proposal_again(const uint8_t *bytes, size_t size_bytes,
                                       uint32_t replica_count, struct giro_writer *writer)
{
    static struct giro_proposal proposal;
    const enum giro_reject reject =
        giro_proposal_decode(bytes, size_bytes, replica_count, &proposal);
    if (reject != GIRO_REJECT_NONE)
        return reject;
    struct giro_block_header block = proposal.block;
    struct giro_hash block_id;
    giro_proposal_encode(&block, proposal.references, proposal.proofs, proposal.proof_bytes,
                         &proposal.qc, proposal.has_tc ? &proposal.tc : NULL,
                         proposal.has_certificate ? &proposal.certificate : NULL, writer,
                         &block_id);
    giro_writer_put(writer, &proposal.signature, sizeof(proposal.signature));
    if (!giro_hash_equal(&block_id, &proposal.block_id) || proposal.bytes != bytes ||
        proposal.size_bytes != size_bytes)
        abort();
    return reject;
}

static enum giro_reject envelope_again(struct giro_reader *reader, struct giro_writer *writer)
{
    struct giro_peer_envelope envelope;
    const size_t size_bytes = giro_reader_left(reader);
    const uint8_t *const bytes = giro_reader_take(reader, size_bytes);
    const enum giro_reject reject = giro_peer_envelope_decode(bytes, size_bytes, &envelope);
    if (reject != GIRO_REJECT_NONE)
        return reject;
    giro_writer_put(writer, &envelope, sizeof(envelope));
    giro_writer_put(writer, bytes + sizeof(envelope), size_bytes - sizeof(envelope));
    return reject;
}

static enum giro_reject manifest_again(const uint8_t *bytes, size_t size_bytes,
                                       uint32_t replica_count, struct giro_writer *writer)
{
    static struct giro_manifest manifest;
    struct giro_hash chain;
    memset(&chain, 0xC0, sizeof(chain));
    const enum giro_reject reject =
        giro_manifest_decode(bytes, size_bytes, replica_count, &chain, &manifest);
    if (reject == GIRO_REJECT_NONE)
        giro_manifest_encode(&manifest, writer);
    return reject;
}

static enum giro_reject image_request_again(uint16_t kind, const uint8_t *bytes, size_t size_bytes,
                                            struct giro_writer *writer)
{
    struct giro_fetch_image image;
    struct giro_fetch_chunk chunk;
    struct giro_chunk_header header;
    enum giro_reject reject;
    if (kind == GIRO_KIND_FETCH_IMAGE) {
        reject = giro_fetch_image_decode(bytes, size_bytes, &image);
        if (reject == GIRO_REJECT_NONE)
            giro_writer_put(writer, &image, sizeof(image));
    } else if (kind == GIRO_KIND_FETCH_CHUNK) {
        reject = giro_fetch_chunk_decode(bytes, size_bytes, &chunk);
        if (reject == GIRO_REJECT_NONE)
            giro_writer_put(writer, &chunk, sizeof(chunk));
    } else {
        reject = giro_chunk_decode(bytes, size_bytes, &header);
        if (reject == GIRO_REJECT_NONE) {
            giro_writer_put(writer, &header, sizeof(header));
            giro_writer_put(writer, bytes + sizeof(header), header.size_bytes);
        }
    }
    return reject;
}

/* A type with giro_<object>_decode(reader, n, &value) and giro_<object>_encode(&value, writer). */
/* Kinds whose decoders see the whole buffer and reject leftovers themselves; GIRO_REJECT_KIND: it is none of them. */
static enum giro_reject whole_again(uint16_t kind, const uint8_t *bytes, size_t size_bytes,
                                    uint32_t replica_count, struct giro_writer *writer)
{
    switch (kind) {
    case GIRO_KIND_FRAME:
    case GIRO_KIND_SKIP:
    case GIRO_KIND_CONTROL:
        return frame_again(bytes, size_bytes, writer);
    case GIRO_KIND_BATCH:
        return batch_again(bytes, size_bytes, writer);
    case GIRO_KIND_BATCH_PROOF:
        return proof_again(bytes, size_bytes, replica_count, writer);
    case GIRO_KIND_PROPOSAL:
        return proposal_again(bytes, size_bytes, replica_count, writer);
    case GIRO_KIND_DISCLOSURE:
        return disclosure_again(bytes, size_bytes, writer);
    case GIRO_KIND_MANIFEST:
        return manifest_again(bytes, size_bytes, replica_count, writer);
    case GIRO_KIND_FETCH_IMAGE:
    case GIRO_KIND_FETCH_CHUNK:
    case GIRO_KIND_CHUNK:
        return image_request_again(kind, bytes, size_bytes, writer);
    default:
        return GIRO_REJECT_KIND;
    }
}

#define AGAIN(object)                                                                              \
    do {                                                                                           \
        static struct giro_##object value;                                                         \
        reject = giro_##object##_decode(reader, replica_count, &value);                            \
        if (reject == GIRO_REJECT_NONE)                                                            \
            giro_##object##_encode(&value, writer);                                                \
    } while (0)

/* Kinds whose decoders take what is theirs from a reader: what they leave is too much. */
static enum giro_reject part_again(uint16_t kind, struct giro_reader *reader,
                                   uint32_t replica_count, struct giro_writer *writer)
{
    enum giro_reject reject = GIRO_REJECT_KIND;
    switch (kind) {
    case WIRE_TEST_RECEIPT:
        reject = receipt_again(reader, writer);
        break;
    case GIRO_KIND_PEER:
        reject = envelope_again(reader, writer);
        break;
    case GIRO_KIND_QC:
        AGAIN(qc);
        break;
    case GIRO_KIND_TC:
        AGAIN(tc);
        break;
    case GIRO_KIND_TIMEOUT:
        AGAIN(timeout);
        break;
    case GIRO_KIND_VOTE:
        AGAIN(vote);
        break;
    case GIRO_KIND_HELLO:
        AGAIN(hello);
        break;
    case GIRO_KIND_COMMIT_VOTE:
        AGAIN(commit_vote);
        break;
    case GIRO_KIND_CERTIFICATE:
        AGAIN(certificate);
        break;
    case GIRO_KIND_BATCH_ACK:
        AGAIN(batch_ack);
        break;
    case GIRO_KIND_CHECKPOINT_VOTE:
        AGAIN(checkpoint_vote);
        break;
    case GIRO_KIND_CHECKPOINT:
        AGAIN(checkpoint);
        break;
    default:
        break;
    }
    return reject == GIRO_REJECT_NONE && giro_reader_left(reader) != 0 ? GIRO_REJECT_OVERSIZED
                                                                       : reject;
}
#undef AGAIN

enum giro_reject wire_roundtrip(uint16_t kind, const uint8_t *bytes, size_t size_bytes,
                                uint32_t replica_count, uint8_t *again, size_t *again_bytes)
{
    struct giro_reader reader;
    struct giro_writer writer;
    giro_reader_init(&reader, bytes, size_bytes);
    giro_writer_init(&writer, again, size_bytes);
    enum giro_reject reject = whole_again(kind, bytes, size_bytes, replica_count, &writer);
    /* No such kind; or the bytes themselves say another, and part_again has none for them either. */
    if (reject == GIRO_REJECT_KIND)
        reject = part_again(kind, &reader, replica_count, &writer);
    if (reject == GIRO_REJECT_NONE && writer.failed)
        abort(); /* longer than it was */
    *again_bytes = writer.offset;
    return reject;
}

uint16_t wire_kind_of(const uint8_t *bytes, size_t size_bytes)
{
    struct giro_head head;
    if (size_bytes < sizeof(head))
        return 0;
    memcpy(&head, bytes, sizeof(head));
    return head.kind;
}

enum giro_reject wire_roundtrip_hold(uint16_t kind, const uint8_t *bytes, size_t size_bytes,
                                     uint32_t replica_count)
{
    static uint8_t again[2 * WIRE_TEST_BYTES_MAX];
    size_t again_bytes = 0;
    if (size_bytes > sizeof(again))
        return GIRO_REJECT_OVERSIZED;
    const enum giro_reject reject =
        wire_roundtrip(kind, bytes, size_bytes, replica_count, again, &again_bytes);
    if (reject == GIRO_REJECT_NONE &&
        (again_bytes != size_bytes || memcmp(again, bytes, size_bytes) != 0)) {
        fprintf(stderr, "%s of %zu bytes is accepted, but its encoding differs (%zu bytes)\n",
                giro_kind_text(kind), size_bytes, again_bytes);
        abort();
    }
    return reject;
}
