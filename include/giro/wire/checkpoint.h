/* giro/wire/checkpoint.h - checkpoints, the image of a replica's state, and how it travels. Include giro/wire.h, not this file.
 * Source: shared design, consensus.md section 6.
 *
 * An image is everything that a replica needs to go on after a height: canonical bytes, the same at every replica, cut into
 * chunks of 1 MiB. A chunk is named by its hash, so that what did not change between two images is stored and sent once. */
#ifndef GIRO_WIRE_CHECKPOINT_H
#define GIRO_WIRE_CHECKPOINT_H

#ifdef __cplusplus
extern "C" {
#endif

#define GIRO_CHUNK_BYTES      (1024u * 1024u)
#define GIRO_IMAGE_CHUNKS_MAX 32768u /* so that a manifest fits one peer message */

/* ---- Checkpoint ----------------------------------------------------------------------------------------------- */

/* What q replicas sign about a height: tag CHECKPOINT | chain 32 | epoch 8 | bytes 16..152.
 * offset size field
 *      0    8 head         kind CHECKPOINT or CHECKPOINT_VOTE
 *      8    8 epoch
 *     16    8 height
 *     24   32 block_id
 *     56   32 state_root
 *     88   32 ledger_root
 *    120   32 image_root   over the hashes of the image's chunks */
struct giro_checkpoint_body {
    struct giro_head head;
    uint64_t epoch;
    uint64_t height;
    struct giro_hash block_id;
    struct giro_hash state_root;
    struct giro_hash ledger_root;
    struct giro_hash image_root;
};
GIRO_WIRE_SIZE(giro_checkpoint_body, 152);
GIRO_WIRE_AT(giro_checkpoint_body, image_root, 120);
#define GIRO_CHECKPOINT_MESSAGE_BYTES (8u + 32u + 8u + 136u)

/* offset size field
 *      0  152 body
 *    152    2 voter
 *    154    6 reserved
 *    160   64 signature */
struct giro_checkpoint_vote {
    struct giro_checkpoint_body body;
    uint16_t voter;
    uint8_t reserved[6];
    struct giro_signature signature;
};
GIRO_WIRE_SIZE(giro_checkpoint_vote, 224);
GIRO_WIRE_AT(giro_checkpoint_vote, signature, 160);

/* Encoded: header 176 | q x 64.
 * offset size field
 *      0  152 body
 *    152   16 bitmap
 *    168    1 scheme
 *    169    1 signer_count
 *    170    6 reserved */
struct giro_checkpoint_header {
    struct giro_checkpoint_body body;
    uint8_t bitmap[GIRO_BITMAP_BYTES];
    uint8_t scheme;
    uint8_t signer_count;
    uint8_t reserved[6];
};
GIRO_WIRE_SIZE(giro_checkpoint_header, 176);
struct giro_checkpoint {
    struct giro_checkpoint_header header;
    struct giro_signature signatures[GIRO_QUORUM_MAX];
};
#define GIRO_CHECKPOINT_BYTES_MAX (sizeof(struct giro_checkpoint))

bool giro_checkpoint_vote_encode(const struct giro_checkpoint_vote *vote,
                                 struct giro_writer *writer);
enum giro_reject giro_checkpoint_vote_decode(struct giro_reader *reader, uint32_t replica_count,
                                             struct giro_checkpoint_vote *vote) GIRO_MUST_USE;
bool giro_checkpoint_encode(const struct giro_checkpoint *checkpoint, struct giro_writer *writer);
enum giro_reject giro_checkpoint_decode(struct giro_reader *reader, uint32_t replica_count,
                                        struct giro_checkpoint *checkpoint) GIRO_MUST_USE;
size_t giro_checkpoint_message(const struct giro_hash *chain,
                               const struct giro_checkpoint_body *body, uint8_t *out);

/* ---- Manifest: what an image consists of ---------------------------------------------------------------------- */

/* Encoded: header 32 | checkpoint | certificate of the same height | a QC that names the block or commits it | hashes of the
 * chunks. The decoder holds that all four speak of one block, and that the hashes give the checkpoint's image root.
 * offset size field
 *      0    8 head               kind MANIFEST
 *      8    4 chunk_count        1..GIRO_IMAGE_CHUNKS_MAX
 *     12    4 checkpoint_bytes
 *     16    4 certificate_bytes
 *     20    4 qc_bytes
 *     24    8 reserved           0 */
struct giro_manifest_header {
    struct giro_head head;
    uint32_t chunk_count;
    uint32_t checkpoint_bytes;
    uint32_t certificate_bytes;
    uint32_t qc_bytes;
    uint64_t reserved;
};
GIRO_WIRE_SIZE(giro_manifest_header, 32);
struct giro_manifest {
    struct giro_checkpoint checkpoint;
    struct giro_certificate certificate;
    struct giro_qc qc;
    uint32_t chunk_count;
    const uint8_t *chunk_hashes; /* chunk_count x 32, unaligned, in the bytes it was decoded from */
};
#define GIRO_MANIFEST_BYTES_MAX                                                                    \
    (sizeof(struct giro_manifest_header) + GIRO_CHECKPOINT_BYTES_MAX +                             \
     sizeof(struct giro_certificate) + GIRO_QC_BYTES_MAX +                                         \
     GIRO_IMAGE_CHUNKS_MAX * GIRO_HASH_BYTES)
/* giro_manifest_decode reads a whole manifest; signatures are the caller's. */
enum giro_reject giro_manifest_decode(const void *bytes, size_t size_bytes, uint32_t replica_count,
                                      const struct giro_hash *chain,
                                      struct giro_manifest *manifest) GIRO_MUST_USE;
bool giro_manifest_encode(const struct giro_manifest *manifest, struct giro_writer *writer);
/* SHA-256(IMAGE tag | chain id | height 8 | chunk count 8 | chunk hashes) */
struct giro_hash giro_image_root(const struct giro_hash *chain, uint64_t height,
                                 const void *chunk_hashes, uint32_t chunk_count);
/* SHA-256(CHUNK tag | 1 MiB) */
struct giro_hash giro_chunk_hash(const void *chunk);

/* ---- Requests and answers ---------------------------------------------------------------------------------------- */

/* FETCH_IMAGE asks for the manifest of the newest image above a height; answered by MANIFEST or NOT_FOUND.
 * offset size field
 *      0    8 head          kind FETCH_IMAGE
 *      8    8 above_height
 *     16    8 reserved      0 */
struct giro_fetch_image {
    struct giro_head head;
    uint64_t above_height;
    uint64_t reserved;
};
GIRO_WIRE_SIZE(giro_fetch_image, 24);
enum giro_reject giro_fetch_image_decode(const void *bytes, size_t size_bytes,
                                         struct giro_fetch_image *request) GIRO_MUST_USE;
/* FETCH_CHUNK asks for one chunk; answered by CHUNK or NOT_FOUND.
 * offset size field
 *      0    8 head          kind FETCH_CHUNK
 *      8   32 hash
 *     40    8 reserved      0 */
struct giro_fetch_chunk {
    struct giro_head head;
    struct giro_hash hash;
    uint64_t reserved;
};
GIRO_WIRE_SIZE(giro_fetch_chunk, 48);
enum giro_reject giro_fetch_chunk_decode(const void *bytes, size_t size_bytes,
                                         struct giro_fetch_chunk *request) GIRO_MUST_USE;
/* CHUNK: header 48 | size_bytes of the chunk; the zeros at its end are left out.
 * offset size field
 *      0    8 head          kind CHUNK
 *      8   32 hash
 *     40    4 size_bytes    0..GIRO_CHUNK_BYTES; the last of these bytes is not zero
 *     44    4 reserved      0 */
struct giro_chunk_header {
    struct giro_head head;
    struct giro_hash hash;
    uint32_t size_bytes;
    uint32_t reserved;
};
GIRO_WIRE_SIZE(giro_chunk_header, 48);
/* giro_chunk_decode checks everything but the hash; the bytes follow the header. */
enum giro_reject giro_chunk_decode(const void *bytes, size_t size_bytes,
                                   struct giro_chunk_header *header) GIRO_MUST_USE;

/* ---- Image --------------------------------------------------------------------------------------------------------- */

/* Chunks 0..uetr_chunks-1: the set of payment references. Each has segments_per_chunk segments of it, from offset
 * GIRO_IMAGE_UETR_AT; chunk 0 begins with this header. The other chunks are one stream of sections, each begun by a section
 * header and padded with zeros to 8 bytes, in the order of their kinds. Zeros follow the last one.
 * offset size field
 *      0    8 head           kind IMAGE
 *      8   32 chain_id
 *     40    8 height
 *     48    4 chunk_count
 *     52    4 uetr_chunks
 *     56    8 sections_bytes */
struct giro_image_header {
    struct giro_head head;
    struct giro_hash chain_id;
    uint64_t height;
    uint32_t chunk_count;
    uint32_t uetr_chunks;
    uint64_t sections_bytes;
};
GIRO_WIRE_SIZE(giro_image_header, 64);
#define GIRO_IMAGE_UETR_AT 4096u

/* X(number, NAME, what is in it) */
#define GIRO_IMAGE_SECTION_MAP(X)                                                                  \
    X(1, REPLICA, "chain of ledger roots, ledger root, counters")                                  \
    X(2, BOOKS, "dates, member states, accounts, cycles")                                          \
    X(3, MATRICES, "bilateral sums of open and last settled cycles")                               \
    X(4, CHANNELS, "windows of used channels, with frame hashes")                                  \
    X(5, UETRS, "bounds of the set of payment references")                                         \
    X(6, COUNTERS, "payments by status, reason and outcome")                                       \
    X(7, WINDOWS, "records, books and open rows per member and currency")                          \
    X(8, BLOCK, "header and batch references of the block")                                        \
    X(9, EXECUTED, "batches executed within two times to live")                                    \
    X(10, LEADERS, "what the leader schedule depends on")
enum giro_image_section {
#define GIRO_IMAGE_SECTION_ENUM(number, name, text) GIRO_IMAGE_##name = (number),
    GIRO_IMAGE_SECTION_MAP(GIRO_IMAGE_SECTION_ENUM)
#undef GIRO_IMAGE_SECTION_ENUM
};
/* offset size field
 *      0    2 kind        enum giro_image_section
 *      2    6 reserved    0
 *      8    8 size_bytes  of what follows, without the padding */
struct giro_section_header {
    uint16_t kind;
    uint8_t reserved[6];
    uint64_t size_bytes;
};
GIRO_WIRE_SIZE(giro_section_header, 16);

/* ---- Building and reading an image ------------------------------------------------------------------------------- */

/* An image under construction, in memory of the caller's. The same memory is used for one image after the other: chunks of the
 * payment references that did not change are left as they are (reuse). Life: begin, the owner of the references fills chunks
 * 0..uetr_chunks-1, then section by section, then end. changed[i]: chunk i was written since begin. */
struct giro_image {
    uint8_t *bytes; /* capacity_chunks x GIRO_CHUNK_BYTES, borrowed */
    uint8_t *changed;
    uint32_t capacity_chunks;
    uint32_t chunk_count;
    uint32_t uetr_chunks;
    bool
        reuse; /* bytes hold an earlier image of this replica, whose chunks below uetr_chunks are good */
    struct giro_writer writer; /* of the sections */
    size_t section_at;
};
void giro_image_begin(struct giro_image *image, uint32_t uetr_chunks);
/* giro_image_section returns the writer of a new section; the one before it ends. */
struct giro_writer *giro_image_section(struct giro_image *image, enum giro_image_section kind);
/* giro_image_end completes header and padding. False: the image does not fit its memory. */
bool giro_image_end(struct giro_image *image, const struct giro_hash *chain, uint64_t height);

/* Sections of an image in memory, in the order they were written. */
struct giro_image_reader {
    const uint8_t *bytes;
    struct giro_image_header header;
    struct giro_reader sections;
};
enum giro_reject giro_image_open(struct giro_image_reader *image, const void *bytes,
                                 uint32_t chunk_count, const struct giro_hash *chain,
                                 uint64_t height) GIRO_MUST_USE;
/* giro_image_next gives the next section, which must be of this kind. */
enum giro_reject giro_image_next(struct giro_image_reader *image, enum giro_image_section kind,
                                 struct giro_reader *section) GIRO_MUST_USE;
/* giro_image_close: nothing but zeros follows the last section. */
enum giro_reject giro_image_close(const struct giro_image_reader *image) GIRO_MUST_USE;

/* ---- On disk ------------------------------------------------------------------------------------------------------- */

/* Files "chunks-<number as 4 hex digits>" hold GIRO_CHUNKS_PER_FILE places of 1 MiB each. Files "image-<0..3>" hold a
 * manifest each and say where its chunks are: header 96 | manifest | zeros to 8 | chunk_count x place 4.
 * offset size field
 *      0    8 head            kind IMAGE_FILE
 *      8   16 checksum        XXH3-128 of bytes 24..size_bytes
 *     24   32 chain_id
 *     56    8 size_bytes
 *     64    8 log_sequence    the first record of the block log that is needed on top of this image
 *     72    4 manifest_bytes
 *     76    2 replica
 *     78    1 state           enum giro_image_state
 *     79    1 reserved
 *     80    8 height
 *     88    8 generation      +1 per file written; the newest of a height counts */
struct giro_image_file {
    struct giro_head head;
    uint8_t checksum[16];
    struct giro_hash chain_id;
    uint64_t size_bytes;
    uint64_t log_sequence;
    uint32_t manifest_bytes;
    uint16_t replica;
    uint8_t state;
    uint8_t reserved;
    uint64_t height;
    uint64_t generation;
};
GIRO_WIRE_SIZE(giro_image_file, 96);
enum giro_image_state {
    GIRO_IMAGE_PARTIAL = 1, /* some of its chunks are still being fetched */
    GIRO_IMAGE_WHOLE = 2,
};
#define GIRO_CHUNKS_PER_FILE 16u
#define GIRO_IMAGE_FILES     4u

#ifdef __cplusplus
}
#endif
#endif
