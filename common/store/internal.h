/* common/store/internal.h - what log.c, walk.c and scan.c share: names, checksums, and the reader of segments.
 * Internal to common/store. */
#ifndef GIRO_STORE_INTERNAL_H
#define GIRO_STORE_INTERNAL_H

#include "giro/store.h"
#include "giro/sys.h"

#define BLOCK_BYTES         GIRO_DISK_BLOCK_BYTES
#define RECORD_HEADER_BYTES ((uint64_t)sizeof(struct giro_log_record_header))
/* A PAD needs a record header; when fewer bytes than that are left to the boundary it fills the next block too. */
#define PAD_RECORD_BYTES_MAX (BLOCK_BYTES + RECORD_HEADER_BYTES - 8u)
#define SEGMENT_NAME_BYTES   21u /* "log-" and 16 digits and a NUL */
#define NAMES_MAX            256u

/* giro_log_name writes the file name of a generation. */
void giro_log_name(uint64_t generation, char name[SEGMENT_NAME_BYTES]);
/* giro_log_header_checksum is over everything before the header's checksum field. */
void giro_log_header_checksum(const struct giro_log_segment_header *header, uint8_t checksum[16]);
/* giro_log_record_bytes is what a body of that size takes in a segment. */
uint64_t giro_log_record_bytes(uint64_t body_bytes);

/* A record checksum over pieces: begin with the header, update with the body's pieces, end. */
struct giro_log_digest {
    _Alignas(64) uint8_t state[640];
};
void giro_log_digest_begin(struct giro_log_digest *digest, uint64_t seed,
                           const struct giro_log_record_header *header);
void giro_log_digest_update(struct giro_log_digest *digest, const void *bytes, size_t size_bytes);
void giro_log_digest_end(struct giro_log_digest *digest, uint8_t checksum[16]);

/* giro_log_record_shape is NULL when the header could stand at this place of this segment, else what is wrong. The
 * checksum is not looked at. */
const char *giro_log_record_shape(const struct giro_log_record_header *header, uint64_t generation,
                                  uint64_t segment_bytes, uint64_t offset);

/* A file without records or a valid header. reusable: nothing was ever written to it, as far as the walk looks (its
 * first two blocks; records are written only behind a durable header). */
struct giro_log_blank {
    uint64_t generation, size_bytes;
    bool reusable;
};

/* A segment of the log, for trimming. */
struct giro_log_segment {
    uint64_t generation, first_sequence;
};

/* One pass over all segments of a directory, oldest first. */
struct giro_log_walk {
    /* set by the caller */
    struct giro_disk *disk;
    const struct giro_hash *chain_id;
    uint32_t replica;  /* GIRO_NONE: whatever the first segment says */
    uint64_t needed;   /* the first record that must be there */
    bool remove_blank; /* files that were made and not used, but for the last one */
    uint8_t *window;   /* 4,096-aligned, >= GIRO_LOG_BODY_BYTES_MAX + 8,192 */
    uint32_t window_bytes;
    enum giro_err (*visit)(void *context, const struct giro_log_found *found);
    void *context;
    struct giro_log_segment *segments; /* of segments_max; NULL: not wanted */
    uint32_t segments_max;
    /* results */
    uint32_t segments_count;
    uint64_t next_sequence;
    uint64_t generation_max; /* of the files with a header */
    struct giro_log_blank
        blank; /* the last file, if it was made and not used; generation 0 = none */
    struct giro_log_damage damage; /* where the last segment's records end, or what is wrong */
    bool cut;                      /* the last segment's records end in something else than zeros */
    /* the walk's own */
    uint64_t names[NAMES_MAX];
    uint32_t names_count, names_next;
    uint64_t names_after, names_last;
};
enum giro_err giro_log_walk(struct giro_log_walk *walk) GIRO_MUST_USE;

/* giro_log_header_read opens a generation's file, reads and checks its header. blank->generation is 0 unless the file
 * has no header, or a torn one, and no record. The handle stays open iff OK and not blank. scratch holds 8,192 bytes,
 * 4,096-aligned. */
enum giro_err giro_log_header_read(struct giro_disk *disk, uint64_t generation, uint8_t *scratch,
                                   struct giro_log_segment_header *header, uint32_t *file,
                                   struct giro_log_blank *blank,
                                   const char **sentence) GIRO_MUST_USE;

#endif
