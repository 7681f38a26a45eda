/* Certificates under the keys of genesis, and proofs: one leaf, its path, the certificate over
 * its root. */
#include "giro/recon.h"

bool giro_certificate_verify(const struct giro_genesis *genesis, const struct giro_key_ring *ring,
                             const struct giro_certificate *certificate)
{
    const struct giro_certificate_header *header = &certificate->header;
    uint32_t quorum = giro_genesis_quorum(genesis);
    if (!giro_head_is(&header->body.head, GIRO_KIND_CERTIFICATE) || header->body.epoch != 1 ||
        header->scheme != GIRO_SCHEME_ED25519 || header->signer_count != quorum ||
        quorum > GIRO_QUORUM_MAX || giro_bitmap_count(header->bitmap) != quorum)
        return false;
    uint8_t message[GIRO_COMMIT_MESSAGE_BYTES];
    size_t message_bytes = giro_commit_message(&genesis->chain_id, &header->body, message);
    struct giro_verify_item items[GIRO_QUORUM_MAX];
    uint8_t verdicts[GIRO_QUORUM_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < genesis->replica_count; i++) {
        if (!giro_bitmap_has(header->bitmap, i))
            continue;
        items[count] = (struct giro_verify_item){.key = genesis->replicas[i].batch.handle,
                                                 .message = message,
                                                 .message_bytes = (uint32_t)message_bytes,
                                                 .signature = certificate->signatures[count].bytes};
        count++;
    }
    return count == quorum && giro_verify_batch(ring, items, count, verdicts) == quorum;
}

/* A leaf says itself where it stands, except a window leaf, which shows nothing but hashes. */
static const char *leaf_check(const struct giro_proof_header *header, const uint8_t *leaf)
{
    struct {
        uint64_t height;
        uint32_t index;
    } at = {header->height, header->leaf_index};
    static_assert(offsetof(struct giro_leaf_frame, index) == 8, "height, then index");
    static_assert(offsetof(struct giro_leaf_status, index) == 8, "height, then index");
    static_assert(offsetof(struct giro_leaf_cycle, index) == 8, "height, then index");
    size_t expected;
    if (memcmp(leaf, GIRO_TAG_LEAF_WINDOW, GIRO_TAG_BYTES) == 0)
        return header->leaf_bytes == GIRO_TAG_BYTES + 2 * GIRO_HASH_BYTES
                   ? NULL
                   : "the proof's window leaf has the wrong size";
    if (memcmp(leaf, GIRO_TAG_LEAF_FRAME, GIRO_TAG_BYTES) == 0) {
        struct giro_leaf_frame frame;
        if (header->leaf_bytes < GIRO_TAG_BYTES + sizeof(frame))
            return "the proof's frame leaf has the wrong size";
        memcpy(&frame, leaf + GIRO_TAG_BYTES, sizeof(frame));
        if (frame.reserved != 0 || frame.reserved2 != 0)
            return "reserved bytes of the proof's frame leaf are not zero";
        expected = sizeof(frame) + frame.record_count * sizeof(struct giro_result);
    } else if (memcmp(leaf, GIRO_TAG_LEAF_STATUS, GIRO_TAG_BYTES) == 0) {
        expected = sizeof(struct giro_leaf_status);
    } else if (memcmp(leaf, GIRO_TAG_LEAF_CYCLE, GIRO_TAG_BYTES) == 0) {
        expected = sizeof(struct giro_leaf_cycle);
    } else {
        return "the proof's leaf is of an unknown kind";
    }
    if (header->leaf_bytes != GIRO_TAG_BYTES + expected)
        return "the proof's leaf has the wrong size";
    memcpy(&at.height, leaf + GIRO_TAG_BYTES, 8);
    memcpy(&at.index, leaf + GIRO_TAG_BYTES + 8, 4);
    if (at.height != header->height || at.index != header->leaf_index)
        return "the proof's leaf names another height or place than the proof";
    return NULL;
}

/* Sizes: all counts are bounded, and together they are exactly the bytes that are there. */
static const char *header_check(const struct giro_proof_header *header, size_t size_bytes)
{
    if (!giro_head_is(&header->head, GIRO_KIND_PROOF))
        return "the bytes are not a proof of a version known here";
    if (header->reserved != 0)
        return "reserved bytes of the proof are not zero";
    if (header->epoch_end_bytes != 0)
        return "the proof carries epoch ends, which epoch 1 has none of";
    if (header->path_count > GIRO_PROOF_PATH_MAX)
        return "the proof's path is longer than any tree is high";
    if (header->leaf_bytes < GIRO_TAG_BYTES)
        return "the proof's leaf is shorter than a tag";
    uint64_t expected = sizeof(*header) + (uint64_t)header->leaf_bytes +
                        (uint64_t)header->path_count * sizeof(struct giro_hash) +
                        header->certificate_bytes;
    if (expected != size_bytes)
        return "the proof's size is not what its header says";
    return NULL;
}

const char *giro_proof_verify(const struct giro_genesis *genesis, const struct giro_key_ring *ring,
                              const void *bytes, size_t size_bytes, struct giro_proof_view *view)
{
    struct giro_reader reader;
    giro_reader_init(&reader, bytes, size_bytes);
    struct giro_proof_header *header = &view->header;
    if (!giro_reader_copy(&reader, header, sizeof(*header)))
        return "the proof is shorter than its header";
    const char *fault = header_check(header, size_bytes);
    if (fault != NULL)
        return fault;
    view->leaf = giro_reader_take(&reader, header->leaf_bytes);
    struct giro_hash path[GIRO_PROOF_PATH_MAX];
    giro_reader_copy(&reader, path, header->path_count * sizeof(path[0]));
    if (giro_certificate_decode(&reader, genesis->replica_count, &view->certificate) !=
            GIRO_REJECT_NONE ||
        giro_reader_left(&reader) != 0)
        return "the proof's certificate is malformed";
    fault = leaf_check(header, view->leaf);
    if (fault != NULL)
        return fault;
    const struct giro_commit_body *body = &view->certificate.header.body;
    if (body->height != header->height)
        return "the proof's certificate is of another height";
    struct giro_hash leaf_hash = giro_leaf_hash(view->leaf, header->leaf_bytes);
    if (!giro_merkle_check(header->height, &leaf_hash, header->leaf_index, header->leaf_count, path,
                           header->path_count, &body->ledger_root))
        return "the proof's path does not lead from its leaf to the certified root";
    if (!giro_certificate_verify(genesis, ring, &view->certificate))
        return "the proof's certificate is not signed by a quorum of this hub's replicas";
    return NULL;
}

size_t giro_proof_encode(uint64_t height, uint32_t leaf_index, uint32_t leaf_count,
                         const void *leaf, uint32_t leaf_bytes, const struct giro_hash *path,
                         uint32_t path_count, const struct giro_certificate *certificate, void *out,
                         size_t out_bytes)
{
    GIRO_ASSERT(path_count <= GIRO_PROOF_PATH_MAX);
    GIRO_ASSERT(leaf_bytes >= GIRO_TAG_BYTES);
    struct giro_proof_header header = {
        .head = giro_head_make(GIRO_KIND_PROOF),
        .height = height,
        .leaf_index = leaf_index,
        .leaf_count = leaf_count,
        .leaf_bytes = leaf_bytes,
        .path_count = path_count,
        .certificate_bytes = (uint32_t)(sizeof(certificate->header) +
                                        certificate->header.signer_count * GIRO_SIGNATURE_BYTES)};
    struct giro_writer writer;
    giro_writer_init(&writer, out, out_bytes);
    giro_writer_put(&writer, &header, sizeof(header));
    giro_writer_put(&writer, leaf, leaf_bytes);
    giro_writer_put(&writer, path, path_count * sizeof(path[0]));
    giro_certificate_encode(certificate, &writer);
    return writer.failed ? 0 : writer.offset;
}
