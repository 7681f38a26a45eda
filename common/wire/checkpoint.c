/* Checkpoints, manifests of images, and the requests for them. */
#include "decode.h"

static enum giro_reject checkpoint_body_check(const struct giro_checkpoint_body *body,
                                              enum giro_kind kind)
{
    WIRE_TRY(wire_head_check(&body->head, kind));
    WIRE_REQUIRE(body->height >= 1, FIELD);
    return GIRO_REJECT_NONE;
}

bool giro_checkpoint_vote_encode(const struct giro_checkpoint_vote *vote,
                                 struct giro_writer *writer)
{
    return giro_writer_put(writer, vote, sizeof(*vote));
}

enum giro_reject giro_checkpoint_vote_decode(struct giro_reader *reader, uint32_t replica_count,
                                             struct giro_checkpoint_vote *vote)
{
    WIRE_TRY(wire_copy(reader, vote, sizeof(*vote)));
    WIRE_TRY(checkpoint_body_check(&vote->body, GIRO_KIND_CHECKPOINT_VOTE));
    WIRE_REQUIRE(wire_is_zero(vote->reserved, sizeof(vote->reserved)), RESERVED);
    WIRE_REQUIRE(vote->voter < replica_count, SIGNER);
    return GIRO_REJECT_NONE;
}

bool giro_checkpoint_encode(const struct giro_checkpoint *checkpoint, struct giro_writer *writer)
{
    const uint32_t count = checkpoint->header.signer_count;
    GIRO_ASSERT(count <= GIRO_QUORUM_MAX);
    giro_writer_put(writer, &checkpoint->header, sizeof(checkpoint->header));
    return giro_writer_put(writer, checkpoint->signatures, count * GIRO_SIGNATURE_BYTES);
}

enum giro_reject giro_checkpoint_decode(struct giro_reader *reader, uint32_t replica_count,
                                        struct giro_checkpoint *checkpoint)
{
    struct giro_checkpoint_header *const header = &checkpoint->header;
    WIRE_TRY(wire_copy(reader, header, sizeof(*header)));
    WIRE_TRY(checkpoint_body_check(&header->body, GIRO_KIND_CHECKPOINT));
    WIRE_REQUIRE(wire_is_zero(header->reserved, sizeof(header->reserved)), RESERVED);
    WIRE_TRY(
        wire_signers_check(header->scheme, header->signer_count, header->bitmap, replica_count));
    memset(checkpoint->signatures + header->signer_count, 0,
           (GIRO_QUORUM_MAX - header->signer_count) * sizeof(checkpoint->signatures[0]));
    return wire_copy(reader, checkpoint->signatures, header->signer_count * GIRO_SIGNATURE_BYTES);
}

size_t giro_checkpoint_message(const struct giro_hash *chain,
                               const struct giro_checkpoint_body *body, uint8_t *out)
{
    struct giro_writer writer;
    giro_writer_init(&writer, out, GIRO_CHECKPOINT_MESSAGE_BYTES);
    giro_writer_put(&writer, GIRO_TAG_CHECKPOINT, GIRO_TAG_BYTES);
    giro_writer_put(&writer, chain, sizeof(*chain));
    giro_writer_u64(&writer, body->epoch);
    giro_writer_put(&writer, &body->height,
                    sizeof(*body) - offsetof(struct giro_checkpoint_body, height));
    GIRO_ASSERT(!writer.failed);
    GIRO_ASSERT(writer.offset == GIRO_CHECKPOINT_MESSAGE_BYTES);
    return writer.offset;
}

/* ---- Manifests --------------------------------------------------------------------------------- */

struct giro_hash giro_chunk_hash(const void *chunk)
{
    const struct giro_part parts[] = {{GIRO_TAG_CHUNK, GIRO_TAG_BYTES}, {chunk, GIRO_CHUNK_BYTES}};
    return giro_sha256_parts(parts, 2);
}

struct giro_hash giro_image_root(const struct giro_hash *chain, uint64_t height,
                                 const void *chunk_hashes, uint32_t chunk_count)
{
    const uint64_t fixed[2] = {height, chunk_count};
    const struct giro_part parts[] = {
        {GIRO_TAG_IMAGE, GIRO_TAG_BYTES},
        {chain, sizeof(*chain)},
        {fixed, sizeof(fixed)},
        {chunk_hashes, chunk_count * sizeof(struct giro_hash)},
    };
    return giro_sha256_parts(parts, 4);
}

bool giro_manifest_encode(const struct giro_manifest *manifest, struct giro_writer *writer)
{
    struct giro_manifest_header header = {.head = giro_head_make(GIRO_KIND_MANIFEST),
                                          .chunk_count = manifest->chunk_count};
    uint8_t *const at = giro_writer_reserve(writer, sizeof(header));
    size_t start = writer->offset;
    giro_checkpoint_encode(&manifest->checkpoint, writer);
    header.checkpoint_bytes = (uint32_t)(writer->offset - start);
    start = writer->offset;
    giro_certificate_encode(&manifest->certificate, writer);
    header.certificate_bytes = (uint32_t)(writer->offset - start);
    start = writer->offset;
    giro_qc_encode(&manifest->qc, writer);
    header.qc_bytes = (uint32_t)(writer->offset - start);
    giro_writer_put(writer, manifest->chunk_hashes,
                    (size_t)manifest->chunk_count * sizeof(struct giro_hash));
    if (at != NULL)
        memcpy(at, &header, sizeof(header));
    return !writer->failed;
}

/* Checkpoint, certificate and QC must speak of the same block. */
static enum giro_reject manifest_agrees(const struct giro_manifest *manifest)
{
    const struct giro_checkpoint_body *const body = &manifest->checkpoint.header.body;
    const struct giro_commit_body *const commit = &manifest->certificate.header.body;
    const struct giro_qc_header *const qc = &manifest->qc.header;
    WIRE_REQUIRE(commit->epoch == body->epoch && qc->epoch == body->epoch, EPOCH);
    WIRE_REQUIRE(commit->height == body->height, FIELD);
    WIRE_REQUIRE(giro_hash_equal(&commit->block_id, &body->block_id) &&
                     giro_hash_equal(&commit->state_root, &body->state_root) &&
                     giro_hash_equal(&commit->ledger_root, &body->ledger_root),
                 HASH);
    WIRE_REQUIRE(qc->round != 0, ROUND);
    WIRE_REQUIRE(giro_hash_equal(&qc->block_id, &body->block_id) ||
                     giro_hash_equal(&qc->commit_id, &body->block_id),
                 HASH);
    return GIRO_REJECT_NONE;
}

enum giro_reject giro_manifest_decode(const void *bytes, size_t size_bytes, uint32_t replica_count,
                                      const struct giro_hash *chain, struct giro_manifest *manifest)
{
    struct giro_manifest_header header;
    struct giro_reader reader;
    giro_reader_init(&reader, bytes, size_bytes);
    WIRE_TRY(wire_copy(&reader, &header, sizeof(header)));
    WIRE_TRY(wire_head_check(&header.head, GIRO_KIND_MANIFEST));
    WIRE_REQUIRE(header.reserved == 0, RESERVED);
    WIRE_REQUIRE(header.chunk_count >= 1 && header.chunk_count <= GIRO_IMAGE_CHUNKS_MAX, COUNT);
    size_t start = reader.offset;
    WIRE_TRY(giro_checkpoint_decode(&reader, replica_count, &manifest->checkpoint));
    WIRE_REQUIRE(reader.offset - start == header.checkpoint_bytes, FIELD);
    start = reader.offset;
    WIRE_TRY(giro_certificate_decode(&reader, replica_count, &manifest->certificate));
    WIRE_REQUIRE(reader.offset - start == header.certificate_bytes, FIELD);
    start = reader.offset;
    WIRE_TRY(giro_qc_decode(&reader, replica_count, &manifest->qc));
    WIRE_REQUIRE(reader.offset - start == header.qc_bytes, FIELD);
    const size_t hashes_bytes = (size_t)header.chunk_count * sizeof(struct giro_hash);
    WIRE_REQUIRE(giro_reader_left(&reader) >= hashes_bytes, TRUNCATED);
    WIRE_REQUIRE(giro_reader_left(&reader) == hashes_bytes, OVERSIZED);
    manifest->chunk_count = header.chunk_count;
    manifest->chunk_hashes = giro_reader_take(&reader, hashes_bytes);
    WIRE_TRY(manifest_agrees(manifest));
    const struct giro_checkpoint_body *const body = &manifest->checkpoint.header.body;
    const struct giro_hash root =
        giro_image_root(chain, body->height, manifest->chunk_hashes, manifest->chunk_count);
    WIRE_REQUIRE(giro_hash_equal(&root, &body->image_root), HASH);
    return GIRO_REJECT_NONE;
}

/* ---- Requests and answers ------------------------------------------------------------------------ */

/* A message that is one fixed struct. */
static enum giro_reject whole_copy(const void *bytes, size_t size_bytes, void *out,
                                   size_t out_bytes)
{
    WIRE_REQUIRE(size_bytes >= out_bytes, TRUNCATED);
    WIRE_REQUIRE(size_bytes == out_bytes, OVERSIZED);
    memcpy(out, bytes, out_bytes);
    return GIRO_REJECT_NONE;
}

enum giro_reject giro_fetch_image_decode(const void *bytes, size_t size_bytes,
                                         struct giro_fetch_image *request)
{
    WIRE_TRY(whole_copy(bytes, size_bytes, request, sizeof(*request)));
    WIRE_TRY(wire_head_check(&request->head, GIRO_KIND_FETCH_IMAGE));
    WIRE_REQUIRE(request->reserved == 0, RESERVED);
    return GIRO_REJECT_NONE;
}

enum giro_reject giro_fetch_chunk_decode(const void *bytes, size_t size_bytes,
                                         struct giro_fetch_chunk *request)
{
    WIRE_TRY(whole_copy(bytes, size_bytes, request, sizeof(*request)));
    WIRE_TRY(wire_head_check(&request->head, GIRO_KIND_FETCH_CHUNK));
    WIRE_REQUIRE(request->reserved == 0, RESERVED);
    return GIRO_REJECT_NONE;
}

enum giro_reject giro_chunk_decode(const void *bytes, size_t size_bytes,
                                   struct giro_chunk_header *header)
{
    struct giro_reader reader;
    giro_reader_init(&reader, bytes, size_bytes);
    WIRE_TRY(wire_copy(&reader, header, sizeof(*header)));
    WIRE_TRY(wire_head_check(&header->head, GIRO_KIND_CHUNK));
    WIRE_REQUIRE(header->reserved == 0, RESERVED);
    WIRE_REQUIRE(header->size_bytes <= GIRO_CHUNK_BYTES, COUNT);
    WIRE_REQUIRE(giro_reader_left(&reader) >= header->size_bytes, TRUNCATED);
    WIRE_REQUIRE(giro_reader_left(&reader) == header->size_bytes, OVERSIZED);
    const uint8_t *const chunk = giro_reader_take(&reader, header->size_bytes);
    WIRE_REQUIRE(header->size_bytes == 0 || chunk[header->size_bytes - 1] != 0, FIELD);
    return GIRO_REJECT_NONE;
}
