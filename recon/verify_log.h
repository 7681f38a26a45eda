/* recon/verify_log.h - what is gathered from a block log while it is read, and checked as a whole behind its end.
 * Private to this folder. */
#ifndef GIRO_RECON_VERIFY_LOG_H
#define GIRO_RECON_VERIFY_LOG_H

#include "verify.h"

struct log_block {
    struct giro_hash id, parent;
    uint64_t height, round;
    uint64_t first_reference; /* in references */
    uint32_t reference_count;
    struct giro_log_position position;
};
struct log_body {
    struct giro_commit_body body;
    struct giro_log_position position;
};
struct log_verify {
    struct verify *verify;
    const char *path;                       /* of the folder */
    struct verify_list blocks;              /* struct log_block */
    struct verify_list references;          /* struct giro_hash */
    struct verify_list batches;             /* struct giro_hash */
    struct verify_list roots, certificates; /* struct log_body */
    uint64_t records, last_sequence;
    struct giro_log_position last; /* of the last record */
    uint64_t last_end;             /* offset behind it */
    uint64_t newest_generation;    /* of the segments that have a header */
    uint32_t prepared_count;       /* segments that were made and not used yet */
    struct recon_map segment;      /* of generation segment_generation */
    uint64_t segment_generation;
    const char *wrong; /* with the place: */
    uint64_t wrong_generation, wrong_offset;
    bool no_memory;
    struct giro_proposal proposal;
    struct giro_timeout timeout;
    struct giro_qc qc;
    struct giro_tc tc;
    struct giro_certificate certificate;
    struct giro_manifest manifest;
    /* The newest image whose chunks are all there: the log need not say what came before it. Height 0 = none. */
    uint64_t image_height, image_sequence;
    struct giro_hash image_block;
    uint64_t damaged_height; /* of the newest image with a chunk that is not what it says */
};

/* NULL or a sentence. */
const char *log_record_verify(struct log_verify *log, const struct giro_log_found *found);
/* verify_image.c: the file of an image, and its chunks beside it. */
enum giro_err verify_image(struct log_verify *log, const char *path, const struct recon_map *map);
/* What only shows when all records are known; wrong_generation and wrong_offset are set with a sentence. */
const char *log_whole_verify(struct log_verify *log);

#endif
