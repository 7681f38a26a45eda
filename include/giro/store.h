/* giro/store.h - the block log: an append-only sequence of checksummed records in pre-written segments, group
 * commit, and a durable watermark.
 *
 * Model: over struct giro_disk, so the simulator drives the same object code. A record gets a log sequence number
 * (+1 each, over all segments). The *watermark* is the last record of the longest prefix of the log whose writes
 * have all completed. Promises leave only below it. Layout: giro/wire/store.h.
 *
 * Life: footprint, init, open (visits every record found), then append / flush / completed for ever.
 * A write error is final: every later call returns GIRO_ERR_IO (the fsync rule) and nothing is promised again.
 * Threads: one. Pure but for the disk handed in. Source: shared design, consensus.md section 8.
 */
#ifndef GIRO_STORE_H
#define GIRO_STORE_H

#include "giro/crypto.h"
#include "giro/wire.h"

#ifdef __cplusplus
extern "C" {
#endif

/* struct giro_disk is declared here and defined in giro/sys.h, so that pure modules need not see that header's IO
 * helpers; implementations include giro/sys.h for the operations. */
struct giro_disk;

/* Tags of disk writes: the top byte names the owner, so one poll loop serves all. */
enum giro_disk_owner {
    GIRO_DISK_OWNER_LOG = 1,
    GIRO_DISK_OWNER_SAFETY = 2,
    GIRO_DISK_OWNER_IMAGE = 3
};
#define GIRO_DISK_TAG(owner, rest) (((uint64_t)(owner) << 56) | (rest))
#define GIRO_DISK_TAG_OWNER(tag)   ((uint32_t)((tag) >> 56))

/* The longest record body: so that any record fits the smallest buffer and segment, its padding included. */
#define GIRO_LOG_BODY_BYTES_MAX (2u * 1024u * 1024u - 32u * 1024u)

struct giro_log_options {
    struct giro_disk *disk; /* borrowed for the log's life */
    struct giro_hash chain_id;
    uint16_t replica;
    uint64_t segment_bytes; /* multiple of 1 MiB, >= 4 MiB */
    uint64_t buffer_bytes;  /* of appended, not yet durable records; >= 2 MiB, multiple of 4,096 */
    uint64_t seed;          /* fresh random number at each start, for segment checksums */
    uint32_t inflight_max;  /* group commits under way, 1..16; 4 is good */
};
struct giro_log;
/* Where a record is, for reading it again. */
struct giro_log_position {
    uint64_t generation;
    uint64_t offset;
};
struct giro_log_found {
    uint64_t sequence;
    uint16_t kind; /* enum giro_log_kind */
    uint32_t body_bytes;
    const uint8_t *body; /* valid during the visit */
    struct giro_log_position position;
};
size_t giro_log_footprint(const struct giro_log_options *options);
struct giro_log *giro_log_init(void *mem, size_t size_bytes,
                               const struct giro_log_options *options);
/* giro_log_open finds the segments, visits every intact record in order, and makes the log ready to append after
 * the last one, in a segment whose file is there on return: the one an earlier start left unused, or a new one. (On a
 * full disk it opens all the same, and the first flush says NOSPACE.) Later segments are made by the disk in the
 * background (prepare), each while the one before it fills. promised is the highest watermark known from the safety
 * slots: a log that ends below it gives GIRO_ERR_DAMAGED (repair from peers), one that merely ends torn above it is cut
 * there. needed is the first record that must be there: 1, or what stands beside an image (a log that begins behind it is
 * DAMAGED). When there is no segment at all though something was promised, the log was lost with its disk: it begins anew
 * behind the promise, as generation 1, which may begin anywhere. GIRO_ERR_CHAIN: another hub's or replica's log. visit returning anything but OK stops with that error. */
enum giro_err giro_log_open(struct giro_log *log, uint64_t promised, uint64_t needed,
                            enum giro_err (*visit)(void *context,
                                                   const struct giro_log_found *found),
                            void *context) GIRO_MUST_USE;
/* giro_log_append copies one record (the concatenation of parts) into the buffer. *sequence and *position are set.
 * GIRO_ERR_FULL: the buffer is full, try after completions (nothing was changed). Cost: memcpy and XXH3. */
enum giro_err giro_log_append(struct giro_log *log, enum giro_log_kind kind,
                              const struct giro_part *parts, uint32_t part_count,
                              uint64_t *sequence, struct giro_log_position *position) GIRO_MUST_USE;
/* giro_log_flush submits what is appended as one group commit if fewer than inflight_max are under way. Call after
 * each round of work; cheap when there is nothing to do. */
enum giro_err giro_log_flush(struct giro_log *log) GIRO_MUST_USE;
/* giro_log_unwritten: something that was appended is not submitted yet. */
bool giro_log_unwritten(const struct giro_log *log);
/* giro_log_completed takes a disk completion whose tag's owner is GIRO_DISK_OWNER_LOG. */
enum giro_err giro_log_completed(struct giro_log *log, uint64_t tag,
                                 enum giro_err err) GIRO_MUST_USE;
/* giro_log_trim removes the oldest segment if all its records are before `needed`; *left is 0 when no more can go. One file at a
 * time, so that it takes a moment only. */
enum giro_err giro_log_trim(struct giro_log *log, uint64_t needed, uint64_t *left) GIRO_MUST_USE;
uint64_t giro_log_watermark(const struct giro_log *log);
uint64_t giro_log_next_sequence(const struct giro_log *log);
/* giro_log_room returns the bytes that can be appended now. */
uint64_t giro_log_room(const struct giro_log *log);
/* giro_log_read copies the body at position (durable or still buffered) into out and checks its checksum. Synchronous;
 * for catch-up of peers, at a bounded rate. FULL: out is too small. */
enum giro_err giro_log_read(struct giro_log *log, struct giro_log_position position, void *out,
                            uint32_t out_bytes, uint16_t *kind, uint32_t *body_bytes) GIRO_MUST_USE;
/* A place in a log file and what is wrong there. */
struct giro_log_damage {
    char file[64];
    uint64_t offset;
    char sentence[128];
};
/* giro_log_cut tells where open cut the log: bytes above the promised watermark that are no whole record, as a power loss leaves
 * them, or damage to records that nobody was promised yet. NULL: the log ended in zeros. For a warning. */
const struct giro_log_damage *giro_log_cut(const struct giro_log *log);
uint64_t giro_log_bytes(const struct giro_log *log); /* written since open, for the operator */

#define GIRO_SAFETY_FILE "safety"
/* giro_safety_slot_checksum is over everything before the slot's checksum field. */
void giro_safety_slot_checksum(const struct giro_safety_slot *slot, uint8_t checksum[16]);
/* giro_image_file_checksum is over bytes 24..size_bytes of an image file. */
void giro_image_file_checksum(const void *bytes, uint64_t size_bytes, uint8_t checksum[16]);

/* giro_log_scan reads the segments of a directory without a log object (giro verify FOLDER): visits records like open;
 * on damage it returns the error and fills file (>= GIRO_DISK_NAME_BYTES), offset and a sentence. The promise is the
 * newest watermark in the safety file beside the log, if there is one. It allocates with malloc; not for the payment
 * path; library giro_store_scan. */
enum giro_err
giro_log_scan(struct giro_disk *disk, const struct giro_hash *chain_id, uint64_t needed,
              enum giro_err (*visit)(void *context, const struct giro_log_found *found),
              void *context, struct giro_log_damage *damage) GIRO_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
