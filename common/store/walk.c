/* Reading the log back. A segment's header becomes durable only after every record of the segments before it, so a
 * valid header is itself a promise: the segment before it must be intact up to this one's first sequence. Only the last
 * segment may end early. Records past the next segment's first sequence are a tail that an earlier start cut away.
 * Records become durable only after their segment's header: a file whose header is not there holds none. */
#include "internal.h"

#define READ_AHEAD_BYTES (512u * 1024u)

/* An open segment and the part of it that is in the window. */
struct segment {
    struct giro_log_segment_header header;
    uint32_t file;
    uint64_t window_offset;
    uint32_t window_size;
};

static bool is_zero(const uint8_t *bytes, size_t size_bytes)
{
    for (size_t i = 0; i < size_bytes; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

static enum giro_err damaged(struct giro_log_walk *walk, uint64_t generation, uint64_t offset,
                             const char *sentence)
{
    memset(&walk->damage, 0, sizeof walk->damage);
    giro_log_name(generation, walk->damage.file);
    walk->damage.offset = offset;
    size_t length = strlen(sentence);
    GIRO_ASSERT(length < sizeof walk->damage.sentence);
    memcpy(walk->damage.sentence, sentence, length + 1);
    return GIRO_ERR_DAMAGED;
}

static void collect_name(void *context, const char *name)
{
    struct giro_log_walk *walk = context;
    uint8_t bytes[8];
    if (strlen(name) != SEGMENT_NAME_BYTES - 1 || memcmp(name, "log-", 4) != 0 ||
        !giro_hex_parse(name + 4, 16, bytes, sizeof bytes))
        return;
    uint64_t generation = 0;
    for (uint32_t i = 0; i < 8; i++)
        generation = generation << 8 | bytes[i];
    if (generation <= walk->names_after || walk->names_count == NAMES_MAX)
        return;
    if (walk->names_count > 0 && generation <= walk->names[walk->names_count - 1])
        return; /* the same number in other digits: not a file of ours */
    walk->names[walk->names_count++] = generation;
}

/* *generation is the next one there is, 0 when there is no more. */
static enum giro_err next_generation(struct giro_log_walk *walk, uint64_t *generation)
{
    if (walk->names_next == walk->names_count) {
        walk->names_after = walk->names_last;
        walk->names_count = walk->names_next = 0;
        GIRO_TRY(walk->disk->ops->list(walk->disk->self, collect_name, walk));
    }
    *generation = 0;
    if (walk->names_next < walk->names_count) {
        *generation = walk->names[walk->names_next++];
        walk->names_last = *generation;
    }
    return GIRO_ERR_OK;
}

static bool header_whole(const struct giro_log_segment_header *header)
{
    uint8_t checksum[16];
    giro_log_header_checksum(header, checksum);
    return memcmp(checksum, header->checksum, sizeof checksum) == 0;
}

static enum giro_err header_check(const struct giro_log_segment_header *header, uint64_t generation,
                                  uint64_t size_bytes, const char **sentence)
{
    static const uint8_t zeros[6];
    if (!header_whole(header)) {
        *sentence = "a segment header does not match its checksum";
        return GIRO_ERR_DAMAGED;
    }
    if (!giro_head_is(&header->head, GIRO_KIND_LOG_SEGMENT) ||
        memcmp(header->reserved, zeros, sizeof zeros) != 0) {
        *sentence = "not a segment of a version this program knows";
        return GIRO_ERR_FORMAT;
    }
    if (header->generation != generation) {
        *sentence = "a segment's file name is not that of its generation";
        return GIRO_ERR_DAMAGED;
    }
    if (header->size_bytes != size_bytes) {
        *sentence = "a segment file is shorter or longer than its header says";
        return GIRO_ERR_DAMAGED;
    }
    return GIRO_ERR_OK;
}

enum giro_err giro_log_header_read(struct giro_disk *disk, uint64_t generation, uint8_t *scratch,
                                   struct giro_log_segment_header *header, uint32_t *file,
                                   struct giro_log_blank *blank, const char **sentence)
{
    char name[SEGMENT_NAME_BYTES];
    uint64_t size_bytes = 0;
    giro_log_name(generation, name);
    memset(blank, 0, sizeof *blank);
    *sentence = "a segment cannot be read";
    GIRO_TRY(disk->ops->open(disk->self, name, 0, file, &size_bytes));
    enum giro_err err = GIRO_ERR_OK;
    bool is_blank = size_bytes < 2 * BLOCK_BYTES; /* making the file was cut short */
    bool reusable = false;
    if (!is_blank)
        err = disk->ops->read(disk->self, *file, 0, scratch, 2 * BLOCK_BYTES);
    if (!is_blank && err == GIRO_ERR_OK) {
        memcpy(header, scratch, sizeof *header);
        bool no_record = is_zero(scratch + BLOCK_BYTES, BLOCK_BYTES);
        reusable = no_record && is_zero(scratch, BLOCK_BYTES);
        is_blank = no_record && (reusable || !header_whole(header));
        if (!is_blank)
            err = header_check(header, generation, size_bytes, sentence);
    }
    if (err == GIRO_ERR_OK && is_blank)
        *blank = (struct giro_log_blank){generation, size_bytes, reusable};
    if (err != GIRO_ERR_OK || is_blank)
        disk->ops->close(disk->self, *file);
    return err;
}

/* Makes [offset, offset + size_bytes) of the segment readable at the returned place; NULL beyond its end. */
static enum giro_err window_get(struct giro_log_walk *walk, struct segment *segment,
                                uint64_t offset, uint64_t size_bytes, const uint8_t **bytes)
{
    *bytes = NULL;
    if (offset + size_bytes > segment->header.size_bytes)
        return GIRO_ERR_OK;
    if (offset < segment->window_offset ||
        offset + size_bytes > segment->window_offset + segment->window_size) {
        uint64_t start = offset - offset % BLOCK_BYTES;
        uint64_t size = segment->header.size_bytes - start;
        uint64_t want = giro_align_up(offset - start + size_bytes, BLOCK_BYTES);
        if (want < READ_AHEAD_BYTES)
            want = READ_AHEAD_BYTES;
        if (size > want)
            size = want;
        GIRO_ASSERT(size <= walk->window_bytes && offset + size_bytes <= start + size);
        segment->window_size = 0;
        GIRO_TRY(walk->disk->ops->read(walk->disk->self, segment->file, start, walk->window,
                                       (uint32_t)size));
        segment->window_offset = start;
        segment->window_size = (uint32_t)size;
    }
    *bytes = walk->window + (offset - segment->window_offset);
    return GIRO_ERR_OK;
}

/* One record at offset. *next is where the following one starts, 0 when this one is not intact. */
static enum giro_err walk_record(struct giro_log_walk *walk, struct segment *segment,
                                 uint64_t offset, uint64_t *next)
{
    const struct giro_log_segment_header *at = &segment->header;
    const uint8_t *bytes;
    struct giro_log_record_header record;
    *next = 0;
    GIRO_TRY(window_get(walk, segment, offset, RECORD_HEADER_BYTES, &bytes));
    walk->cut = bytes != NULL && !is_zero(bytes, RECORD_HEADER_BYTES);
    if (bytes == NULL)
        return damaged(walk, at->generation, offset, "the segment ends here");
    memcpy(&record, bytes, sizeof record);
    const char *wrong = giro_log_record_shape(&record, at->generation, at->size_bytes, offset);
    bool pad = record.kind == GIRO_LOG_PAD_RECORD;
    if (wrong == NULL && record.sequence != walk->next_sequence - (pad ? 1 : 0))
        wrong = "a record is out of sequence";
    if (wrong != NULL)
        return damaged(walk, at->generation, offset, wrong);
    uint64_t record_bytes = giro_log_record_bytes(record.body_bytes);
    GIRO_TRY(window_get(walk, segment, offset, record_bytes, &bytes));
    struct giro_log_digest digest;
    uint8_t checksum[16];
    giro_log_digest_begin(&digest, at->seed, &record);
    giro_log_digest_update(&digest, bytes + RECORD_HEADER_BYTES, record.body_bytes);
    giro_log_digest_end(&digest, checksum);
    if (memcmp(checksum, record.checksum, sizeof checksum) != 0)
        return damaged(walk, at->generation, offset, "a record does not match its checksum");
    *next = offset + record_bytes;
    if (pad)
        return GIRO_ERR_OK;
    walk->next_sequence++;
    struct giro_log_found found = {.sequence = record.sequence,
                                   .kind = record.kind,
                                   .body_bytes = record.body_bytes,
                                   .body = bytes + RECORD_HEADER_BYTES,
                                   .position = {at->generation, offset}};
    return walk->visit(walk->context, &found);
}

/* All intact records below limit. DAMAGED when they end before a limit that is a promise. */
static enum giro_err walk_segment(struct giro_log_walk *walk, struct segment *segment,
                                  uint64_t limit)
{
    uint64_t offset = BLOCK_BYTES;
    segment->window_size = 0;
    while (walk->next_sequence < limit) {
        uint64_t next = 0;
        enum giro_err err = walk_record(walk, segment, offset, &next);
        if (next == 0) /* it ends here, or cannot be read */
            return err == GIRO_ERR_DAMAGED && limit == UINT64_MAX ? GIRO_ERR_OK : err;
        GIRO_TRY(err); /* the visitor's */
        offset = next;
    }
    return GIRO_ERR_OK;
}

/* A blank file that is not the last one is a leftover. */
static enum giro_err blank_remove(struct giro_log_walk *walk)
{
    char name[SEGMENT_NAME_BYTES];
    uint64_t generation = walk->blank.generation;
    memset(&walk->blank, 0, sizeof walk->blank);
    if (generation == 0 || !walk->remove_blank)
        return GIRO_ERR_OK;
    giro_log_name(generation, name);
    return walk->disk->ops->remove(walk->disk->self, name);
}

/* The next segment that has a header; *there is false at the end. */
static enum giro_err next_segment(struct giro_log_walk *walk, struct segment *segment, bool *there)
{
    for (;;) {
        uint64_t generation = 0;
        struct giro_log_blank blank;
        const char *sentence = "";
        *there = false;
        GIRO_TRY(next_generation(walk, &generation));
        if (generation == 0)
            return GIRO_ERR_OK;
        enum giro_err err =
            giro_log_header_read(walk->disk, generation, walk->window, &segment->header,
                                 &segment->file, &blank, &sentence);
        if (err != GIRO_ERR_OK) {
            (void)damaged(walk, generation, 0, sentence);
            return err;
        }
        *there = blank.generation == 0;
        if (*there)
            walk->generation_max = generation;
        err = blank_remove(walk);
        if (err != GIRO_ERR_OK && *there)
            walk->disk->ops->close(walk->disk->self, segment->file);
        if (err != GIRO_ERR_OK)
            *there = false;
        GIRO_TRY(err);
        walk->blank = blank;
        if (*there)
            return GIRO_ERR_OK;
    }
}

static enum giro_err segment_follows(struct giro_log_walk *walk, const struct segment *segment,
                                     bool first)
{
    const struct giro_log_segment_header *header = &segment->header;
    if (!giro_hash_equal(&header->chain_id, walk->chain_id)) {
        (void)damaged(walk, header->generation, 8, "the segment belongs to another hub");
        return GIRO_ERR_CHAIN;
    }
    if (walk->replica == GIRO_NONE)
        walk->replica = header->replica;
    if (header->replica != walk->replica) {
        (void)damaged(walk, header->generation, 72, "the segment belongs to another replica");
        return GIRO_ERR_CHAIN;
    }
    /* Generation 1 may begin anywhere: it is a log from 1 on, or one begun anew after its disk was lost. */
    bool missing = first ? header->generation != 1 && header->first_sequence > walk->needed
                         : header->first_sequence < walk->next_sequence;
    if (missing)
        return damaged(walk, header->generation, 48, "segments before this one are missing");
    if (first)
        walk->next_sequence = header->first_sequence;
    if (walk->segments != NULL && walk->segments_count < walk->segments_max)
        walk->segments[walk->segments_count++] =
            (struct giro_log_segment){header->generation, header->first_sequence};
    return GIRO_ERR_OK;
}

enum giro_err giro_log_walk(struct giro_log_walk *walk)
{
    struct segment current, next;
    bool have = false, more = false;
    memset(&current, 0, sizeof current);
    walk->next_sequence = 1;
    walk->generation_max = 0;
    walk->names_count = walk->names_next = 0;
    walk->names_after = walk->names_last = 0;
    walk->segments_count = 0;
    memset(&walk->blank, 0, sizeof walk->blank);
    for (;;) {
        memset(&next, 0, sizeof next);
        enum giro_err err = next_segment(walk, &next, &more);
        if (err == GIRO_ERR_OK && more)
            err = segment_follows(walk, &next, !have);
        if (err == GIRO_ERR_OK && have)
            err = walk_segment(walk, &current, more ? next.header.first_sequence : UINT64_MAX);
        if (have)
            walk->disk->ops->close(walk->disk->self, current.file);
        if (err != GIRO_ERR_OK && more)
            walk->disk->ops->close(walk->disk->self, next.file);
        GIRO_TRY(err);
        if (!more)
            return GIRO_ERR_OK;
        current = next;
        have = true;
    }
}
