/* consensus/images.h - images of the state on disk: made, kept, loaded again, and fetched from peers.
 * Internal to consensus/; used by node_images.c.
 *
 * One image is in memory, in one buffer of chunks: the one being made, or the one being loaded or fetched. What is on disk is
 * known by chunk hash; a chunk that is there already is not written again. An image counts when its file image-<n> is written,
 * which happens after every chunk of it is on disk. The two newest whole ones are kept, so that a damaged one has another
 * behind it.
 *
 * Making: begin -> (encode) -> encoded -> work until ready -> seal -> sealed. Hashing and writing go on a few chunks per call of
 * work, beside everything else. A new image replaces one that waits for its certificate; while one is being hashed or written
 * begin says no.
 * Fetching: fetch_begin -> fetch_missing, fetch_put for each chunk -> work -> fetch_done. The manifest is on disk, as partial,
 * from the beginning: after a crash fetch_resume goes on with the chunks that are not there yet.
 * Threads: one. */
#ifndef GIRO_CONSENSUS_IMAGES_H
#define GIRO_CONSENSUS_IMAGES_H

#include "giro/store.h"

#define GIRO_IMAGES_CHUNKS_MAX 1024u /* of one image here: 1 GiB */
#define GIRO_IMAGES_PLACES_MAX (200u * GIRO_CHUNKS_PER_FILE)
#define GIRO_IMAGES_FILE_BYTES                                                                     \
    (96u * 1024u) /* any manifest of up to GIRO_IMAGES_CHUNKS_MAX chunks */

enum giro_images_state {
    GIRO_IMAGES_IDLE = 0,
    GIRO_IMAGES_HASHING, /* and writing what is hashed */
    GIRO_IMAGES_READY,   /* every chunk is on disk */
    GIRO_IMAGES_SEALING, /* the file is being written */
    GIRO_IMAGES_FETCHING,
};
struct giro_images_place {
    struct giro_hash hash;
    bool known;   /* hash is what stands there */
    uint8_t used; /* bit i: by file i; bit 7: by the image in memory */
};
struct giro_images_file {
    bool valid;
    struct giro_image_file header;
    uint32_t chunk_count;
    uint8_t *bytes; /* GIRO_IMAGES_FILE_BYTES, as on disk, 4,096-aligned */
    uint32_t handle;
    bool opened;
};
struct giro_images_options {
    struct giro_disk *disk;
    struct giro_hash chain_id;
    uint16_t replica;
    uint32_t replica_count;
    uint64_t seed; /* local hash seed */
};
struct giro_images {
    struct giro_images_options options;
    struct giro_image image;
    struct giro_hash *hashes; /* of the chunks in memory */
    uint32_t *places_of;      /* where each of them is or goes */
    uint8_t *stale;           /* its hash is not known yet */
    uint8_t *present;         /* fetching: it is on disk, or its write is under way */
    struct giro_images_place *places;
    struct giro_map *map; /* hash -> place */
    struct giro_images_file files[GIRO_IMAGE_FILES];
    uint32_t handles[GIRO_IMAGES_PLACES_MAX / GIRO_CHUNKS_PER_FILE];
    uint32_t handle_count; /* chunk files 0..handle_count-1 are open */
    enum giro_images_state state;
    uint64_t height; /* of the image in memory */
    struct giro_hash root;
    uint32_t next; /* chunk to hash next */
    uint32_t writes;
    uint32_t file;     /* being written or fetched */
    bool file_writing; /* its write is under way */
    bool fetched;      /* a fetched image is whole on disk */
    bool sealed;       /* not told yet */
    uint64_t generation;
    uint64_t bytes_written, chunks_written, chunks_kept;
};

size_t giro_images_footprint(void);
/* giro_images_init wants zero-filled memory; the buffer of chunks is touched as it is used. */
struct giro_images *giro_images_init(void *mem, size_t size_bytes,
                                     const struct giro_images_options *options);
/* giro_images_open reads the files. Damaged ones are as if not there. */
enum giro_err giro_images_open(struct giro_images *images) GIRO_MUST_USE;

/* giro_images_newest: the file of the n-th newest whole image (0 = newest), GIRO_NONE when there is none. */
uint32_t giro_images_newest(const struct giro_images *images, uint32_t nth);
uint32_t giro_images_partial(const struct giro_images *images); /* likewise */
const uint8_t *giro_images_manifest(const struct giro_images *images, uint32_t file,
                                    uint32_t *size_bytes);
/* giro_images_load reads an image's chunks into memory and checks each. DAMAGED: one is not what the manifest says. */
enum giro_err giro_images_load(struct giro_images *images, uint32_t file) GIRO_MUST_USE;

struct giro_image *giro_images_begin(struct giro_images *images); /* NULL: not now */
void giro_images_encoded(struct giro_images *images, bool fits, uint64_t height);
/* giro_images_work hashes and submits a few chunks; cheap when there is nothing to do. */
enum giro_err giro_images_work(struct giro_images *images) GIRO_MUST_USE;
bool giro_images_busy(const struct giro_images *images); /* work wants to be called again */
enum giro_err giro_images_completed(struct giro_images *images, uint64_t tag,
                                    enum giro_err err) GIRO_MUST_USE;
/* giro_images_seal writes the file of the image that is READY; the manifest's chunks are filled in here. */
enum giro_err giro_images_seal(struct giro_images *images, struct giro_manifest *manifest,
                               uint64_t log_sequence) GIRO_MUST_USE;
/* giro_images_sealed is true once after a file became durable. */
bool giro_images_sealed(struct giro_images *images);
/* giro_images_needed: the first log record that the older of the two kept images needs; 1 with fewer than two. */
uint64_t giro_images_needed(const struct giro_images *images);

/* giro_images_chunk reads a chunk of a kept image for a peer: NOENT, DAMAGED. out: GIRO_CHUNK_BYTES. */
enum giro_err giro_images_chunk(struct giro_images *images, const struct giro_hash *hash,
                                uint8_t *out) GIRO_MUST_USE;

/* False: something else is under way, or it is too large; try later. */
bool giro_images_fetch_begin(struct giro_images *images, const void *manifest, uint32_t size_bytes,
                             uint64_t log_sequence);
bool giro_images_fetch_resume(struct giro_images *images);
void giro_images_fetch_drop(struct giro_images *images);
/* giro_images_fetch_missing: the first chunk at or after `from` that is not here, GIRO_NONE. */
uint32_t giro_images_fetch_missing(const struct giro_images *images, uint32_t from);
/* giro_images_fetch_put: false when this is not the chunk's hash. */
bool giro_images_fetch_put(struct giro_images *images, uint32_t index, const void *bytes,
                           uint32_t size_bytes);
bool giro_images_fetch_done(const struct giro_images *images);
void giro_images_check(const struct giro_images *images);

#endif
