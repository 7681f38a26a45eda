/* The writer. Records go into a ring; a group commit is a piece of the ring that starts and ends at a multiple of 4,096,
 * in the ring and in the segment alike, so it is written without a copy (in two writes where it wraps). Where a record
 * will stand is decided when it is appended, so its position can be given back at once. */
#include <xxhash.h>

#include "internal.h"

#define MAGIC_OBJECT      UINT64_C(0x676f6c5f6f726967)
#define SEGMENT_BYTES_MIN (4ull * 1024 * 1024)
#define MIB               (1024ull * 1024)
#define BUFFER_BYTES_MIN  (2ull * MIB)
#define BUFFER_BYTES_MAX  (1024ull * MIB)
#define INFLIGHT_MAX      16u
#define GROUPS_MAX        64u /* closed groups not yet durable; a power of two */
#define READ_BYTES        (64u * 1024u)
#define SEGMENTS_MAX      4096u /* remembered; a log of more is not trimmed until it is opened again */
#define SEGMENTS_BYTES    (SEGMENTS_MAX * sizeof(struct giro_log_segment))
#define TAG_HEADER        ((UINT64_C(1) << 56) - 1) /* the tag of a segment header's write */
/* What closing a group may add. Kept free so that closing cannot fail. */
#define RESERVE_BYTES (2u * BLOCK_BYTES)

struct group {
    uint64_t ring_start; /* absolute: bytes ever put into the ring */
    uint64_t size_bytes;
    uint64_t generation;
    uint64_t offset; /* in the segment */
    uint64_t first_sequence, last_sequence;
    uint32_t writes_submitted, writes_completed, writes_count;
};

/* A segment that is read again. */
struct reading {
    uint64_t generation, seed, size_bytes;
    uint32_t file;
};

struct giro_log {
    uint64_t magic;
    struct giro_log_options options;
    uint8_t *ring;         /* buffer_bytes, 4,096-aligned */
    uint8_t *header_block; /* 4,096 */
    uint8_t *read_block;   /* READ_BYTES */
    bool opened, failed, cut;
    struct giro_log_damage cut_at;
    uint64_t ring_head, ring_tail; /* absolute */
    struct group open;             /* the group being gathered; size_bytes 0 = none yet */
    struct group groups[GROUPS_MAX];
    uint64_t group_first, group_submit,
        group_end; /* absolute indices: oldest, next to submit, next to close */
    uint64_t next_sequence, watermark;
    /* the segment being written; generation 0 = none since open */
    uint64_t file_generation;
    uint32_t file;
    bool header_pending;
    /* the segment after it, made and opened when the log was; generation 0 = none */
    uint64_t ready_generation;
    uint32_t ready_file;
    struct giro_log_segment *segments; /* on disk, oldest first; SEGMENTS_MAX */
    uint32_t segment_count;
    struct reading cached; /* an older segment, open for reading; generation 0 = none */
    uint64_t bytes_written;
};

static uint64_t segment_seed(const struct giro_log *log, uint64_t generation)
{
    return XXH3_64bits_withSeed(&generation, sizeof generation, log->options.seed);
}

size_t giro_log_footprint(const struct giro_log_options *options)
{
    if (options->segment_bytes < SEGMENT_BYTES_MIN || options->segment_bytes % MIB != 0 ||
        options->buffer_bytes < BUFFER_BYTES_MIN || options->buffer_bytes > BUFFER_BYTES_MAX ||
        options->buffer_bytes % BLOCK_BYTES != 0 || options->inflight_max < 1 ||
        options->inflight_max > INFLIGHT_MAX)
        return 0;
    /* One block to align the blocks in whatever memory is handed in. */
    return giro_align_up(sizeof(struct giro_log), 64) + BLOCK_BYTES + options->buffer_bytes +
           BLOCK_BYTES + READ_BYTES + SEGMENTS_BYTES;
}

struct giro_log *giro_log_init(void *mem, size_t size_bytes, const struct giro_log_options *options)
{
    size_t footprint = giro_log_footprint(options);
    if (footprint == 0 || size_bytes < footprint)
        return NULL;
    struct giro_log *log = mem;
    memset(log, 0, sizeof *log);
    uintptr_t blocks = giro_align_up((uintptr_t)mem + sizeof *log, BLOCK_BYTES);
    log->options = *options;
    log->ring = (uint8_t *)blocks;
    log->header_block = log->ring + options->buffer_bytes;
    log->read_block = log->header_block + BLOCK_BYTES;
    log->segments = (struct giro_log_segment *)(log->read_block + READ_BYTES);
    GIRO_ASSERT(log->read_block + READ_BYTES + SEGMENTS_BYTES <= (uint8_t *)mem + footprint);
    log->magic = MAGIC_OBJECT;
    return log;
}

static uint64_t inflight(const struct giro_log *log)
{
    return log->group_submit - log->group_first;
}

static void check(const struct giro_log *log)
{
    GIRO_ASSERT(log->magic == MAGIC_OBJECT && log->opened);
    GIRO_ASSERT(log->group_first <= log->group_submit && log->group_submit <= log->group_end);
    GIRO_ASSERT(log->group_end - log->group_first <= GROUPS_MAX);
    GIRO_ASSERT(log->ring_head - log->ring_tail <= log->options.buffer_bytes);
    GIRO_ASSERT(log->watermark < log->next_sequence);
}

/* ---- Opening ------------------------------------------------------------------------------------ */

/* Makes the file of the coming segment, or takes the blank one that an earlier start left. On a full disk the log can
 * still be read; its first flush will say so again. */
static enum giro_err ready_open(struct giro_log *log, const struct giro_log_blank *blank)
{
    struct giro_disk *disk = log->options.disk;
    char name[SEGMENT_NAME_BYTES];
    uint64_t size_bytes = 0;
    bool reused = blank->reusable && blank->generation == log->open.generation &&
                  blank->size_bytes == log->options.segment_bytes;
    if (blank->generation != 0 && !reused) {
        giro_log_name(blank->generation, name);
        GIRO_TRY(disk->ops->remove(disk->self, name));
    }
    giro_log_name(log->open.generation, name);
    enum giro_err err = disk->ops->open(disk->self, name, log->options.segment_bytes,
                                        &log->ready_file, &size_bytes);
    if (err == GIRO_ERR_NOSPACE)
        return GIRO_ERR_OK;
    GIRO_TRY(err);
    if (size_bytes != log->options.segment_bytes) {
        disk->ops->close(disk->self, log->ready_file);
        return GIRO_ERR_EXISTS;
    }
    log->ready_generation = log->open.generation;
    return GIRO_ERR_OK;
}

/* Has the disk make the next segment while this one fills. If it does not, open does when the time comes. */
static void prepare_next(struct giro_log *log)
{
    struct giro_disk *disk = log->options.disk;
    char name[SEGMENT_NAME_BYTES];
    if (disk->ops->prepare == NULL)
        return;
    giro_log_name(log->file_generation + 1, name);
    (void)disk->ops->prepare(disk->self, name, log->options.segment_bytes);
}

enum giro_err giro_log_open(struct giro_log *log, uint64_t promised, uint64_t needed,
                            enum giro_err (*visit)(void *context,
                                                   const struct giro_log_found *found),
                            void *context)
{
    GIRO_ASSERT(log->magic == MAGIC_OBJECT && !log->opened);
    struct giro_log_walk walk;
    memset(&walk, 0, sizeof walk);
    walk.disk = log->options.disk;
    walk.chain_id = &log->options.chain_id;
    walk.replica = log->options.replica;
    walk.needed = needed;
    walk.segments = log->segments;
    walk.segments_max = SEGMENTS_MAX;
    walk.remove_blank = true;
    walk.window = log->ring; /* nothing is appended yet */
    walk.window_bytes = (uint32_t)log->options.buffer_bytes;
    walk.visit = visit;
    walk.context = context;
    GIRO_TRY(giro_log_walk(&walk));
    if (walk.segments_count == 0) /* nothing at all: the disk was lost, or there is nothing yet */
        walk.next_sequence = promised + 1;
    if (walk.next_sequence <= promised)
        return GIRO_ERR_DAMAGED;
    log->cut = walk.cut;
    log->cut_at = walk.damage;
    log->segment_count = walk.segments_count;
    log->next_sequence = walk.next_sequence;
    log->watermark = walk.next_sequence - 1;
    /* Always a segment that nothing was written to: no byte after a torn tail is ever written to or read. */
    log->open.generation = walk.generation_max + 1;
    log->open.offset = BLOCK_BYTES;
    GIRO_TRY(ready_open(log, &walk.blank));
    log->opened = true;
    check(log);
    return GIRO_ERR_OK;
}

/* ---- Appending ---------------------------------------------------------------------------------- */

static void ring_put(struct giro_log *log, const void *bytes, uint64_t size_bytes)
{
    uint64_t at = log->ring_head % log->options.buffer_bytes;
    uint64_t first = log->options.buffer_bytes - at;
    if (first > size_bytes)
        first = size_bytes;
    if (bytes != NULL) {
        memcpy(log->ring + at, bytes, first);
        memcpy(log->ring, (const uint8_t *)bytes + first, size_bytes - first);
    } else {
        memset(log->ring + at, 0, first);
        memset(log->ring, 0, size_bytes - first);
    }
    log->ring_head += size_bytes;
}

static void ring_get(const struct giro_log *log, uint64_t from, void *out, uint64_t size_bytes)
{
    uint64_t at = from % log->options.buffer_bytes;
    uint64_t first = log->options.buffer_bytes - at;
    if (first > size_bytes)
        first = size_bytes;
    memcpy(out, log->ring + at, first);
    memcpy((uint8_t *)out + first, log->ring, size_bytes - first);
}

static void put_record(struct giro_log *log, enum giro_log_kind kind, uint64_t sequence,
                       const struct giro_part *parts, uint32_t part_count, uint64_t body_bytes)
{
    struct giro_log_record_header header = {.magic = GIRO_MAGIC,
                                            .kind = (uint16_t)kind,
                                            .generation = log->open.generation,
                                            .sequence = sequence,
                                            .body_bytes = (uint32_t)body_bytes};
    struct giro_log_digest digest;
    giro_log_digest_begin(&digest, segment_seed(log, header.generation), &header);
    for (uint32_t i = 0; i < part_count; i++)
        giro_log_digest_update(&digest, parts[i].bytes, parts[i].size_bytes);
    giro_log_digest_end(&digest, header.checksum);
    uint64_t start = log->ring_head;
    ring_put(log, &header, sizeof header);
    for (uint32_t i = 0; i < part_count; i++)
        if (parts[i].size_bytes > 0)
            ring_put(log, parts[i].bytes, parts[i].size_bytes);
    uint64_t record_bytes = giro_log_record_bytes(body_bytes);
    ring_put(log, NULL, record_bytes - (log->ring_head - start));
    GIRO_ASSERT(log->ring_head - start == record_bytes);
}

/* Pads the open group to a block and puts it into the queue of groups to write. */
static void close_group(struct giro_log *log)
{
    static const uint8_t zeros[BLOCK_BYTES];
    struct group *open = &log->open;
    GIRO_ASSERT(open->size_bytes > 0 && log->group_end - log->group_first < GROUPS_MAX);
    GIRO_ASSERT(log->ring_head == open->ring_start + open->size_bytes);
    uint64_t left = (BLOCK_BYTES - open->size_bytes % BLOCK_BYTES) % BLOCK_BYTES;
    if (left != 0) {
        if (left < RECORD_HEADER_BYTES)
            left += BLOCK_BYTES;
        GIRO_ASSERT(left <= PAD_RECORD_BYTES_MAX);
        struct giro_part part = {zeros, left - RECORD_HEADER_BYTES};
        put_record(log, GIRO_LOG_PAD_RECORD, open->last_sequence, &part, 1, part.size_bytes);
        open->size_bytes += left;
    }
    GIRO_ASSERT(open->size_bytes % BLOCK_BYTES == 0 && open->ring_start % BLOCK_BYTES == 0);
    GIRO_ASSERT(open->offset + open->size_bytes <= log->options.segment_bytes);
    uint64_t at = open->ring_start % log->options.buffer_bytes;
    open->writes_count = at + open->size_bytes > log->options.buffer_bytes ? 2 : 1;
    log->groups[log->group_end++ % GROUPS_MAX] = *open;
    uint64_t offset = open->offset + open->size_bytes;
    uint64_t generation = open->generation;
    memset(open, 0, sizeof *open);
    open->generation = generation;
    open->offset = offset;
}

uint64_t giro_log_room(const struct giro_log *log)
{
    /* An append may close one group and a flush another. */
    if (log->failed || log->group_end - log->group_first + 2 > GROUPS_MAX)
        return 0;
    uint64_t used = log->ring_head - log->ring_tail + 2 * RESERVE_BYTES;
    return used >= log->options.buffer_bytes ? 0 : log->options.buffer_bytes - used;
}

enum giro_err giro_log_append(struct giro_log *log, enum giro_log_kind kind,
                              const struct giro_part *parts, uint32_t part_count,
                              uint64_t *sequence, struct giro_log_position *position)
{
    check(log);
    if (log->failed)
        return GIRO_ERR_IO;
    GIRO_ASSERT(kind > GIRO_LOG_PAD_RECORD && kind <= GIRO_LOG_OUTBOX_RANGE_RECORD);
    uint64_t body_bytes = 0;
    for (uint32_t i = 0; i < part_count; i++)
        body_bytes += parts[i].size_bytes;
    if (body_bytes > GIRO_LOG_BODY_BYTES_MAX)
        return GIRO_ERR_ARGUMENT;
    uint64_t record_bytes = giro_log_record_bytes(body_bytes);
    if (record_bytes > giro_log_room(log))
        return GIRO_ERR_FULL;
    struct group *open = &log->open;
    if (open->offset + open->size_bytes + record_bytes + PAD_RECORD_BYTES_MAX >
        log->options.segment_bytes) {
        if (open->size_bytes > 0)
            close_group(log);
        open->generation++;
        open->offset = BLOCK_BYTES;
    }
    if (open->size_bytes == 0) {
        open->ring_start = log->ring_head;
        open->first_sequence = log->next_sequence;
    }
    *sequence = log->next_sequence;
    *position = (struct giro_log_position){open->generation, open->offset + open->size_bytes};
    put_record(log, kind, log->next_sequence, parts, part_count, body_bytes);
    open->size_bytes += record_bytes;
    open->last_sequence = log->next_sequence++;
    return GIRO_ERR_OK;
}

/* ---- Writing ------------------------------------------------------------------------------------ */

static enum giro_err fail(struct giro_log *log, enum giro_err err)
{
    log->failed = true;
    return err;
}

/* Opens a segment's file for writing; *size_bytes is its size. */
static enum giro_err segment_open(struct giro_log *log, uint64_t generation, uint64_t *size_bytes)
{
    struct giro_disk *disk = log->options.disk;
    *size_bytes = log->options.segment_bytes;
    if (log->ready_generation == generation) {
        log->file = log->ready_file;
        log->ready_generation = 0;
    } else {
        char name[SEGMENT_NAME_BYTES];
        giro_log_name(generation, name);
        GIRO_TRY(disk->ops->open(disk->self, name, *size_bytes, &log->file, size_bytes));
    }
    log->file_generation = generation;
    return GIRO_ERR_OK;
}

/* Submits the header of a group's segment. Everything before it is durable by now: see walk.c. */
static enum giro_err start_segment(struct giro_log *log, const struct group *group)
{
    struct giro_disk *disk = log->options.disk;
    GIRO_ASSERT(inflight(log) == 0 && group->generation > log->file_generation);
    GIRO_ASSERT(log->watermark == group->first_sequence - 1);
    GIRO_ASSERT(log->ready_generation == 0 || log->ready_generation == group->generation);
    if (log->file_generation != 0)
        disk->ops->close(disk->self, log->file);
    log->file_generation = 0;
    uint64_t size_bytes = 0;
    enum giro_err err = segment_open(log, group->generation, &size_bytes);
    if (err != GIRO_ERR_OK)
        return fail(log, err);
    if (size_bytes != log->options.segment_bytes)
        return fail(log, GIRO_ERR_EXISTS);
    struct giro_log_segment_header header = {.head = giro_head_make(GIRO_KIND_LOG_SEGMENT),
                                             .chain_id = log->options.chain_id,
                                             .generation = group->generation,
                                             .first_sequence = group->first_sequence,
                                             .seed = segment_seed(log, group->generation),
                                             .size_bytes = size_bytes,
                                             .replica = log->options.replica};
    giro_log_header_checksum(&header, header.checksum);
    memset(log->header_block, 0, BLOCK_BYTES);
    memcpy(log->header_block, &header, sizeof header);
    struct giro_disk_write write = {.file = log->file,
                                    .size_bytes = BLOCK_BYTES,
                                    .bytes = log->header_block,
                                    .tag = GIRO_DISK_TAG(GIRO_DISK_OWNER_LOG, TAG_HEADER)};
    err = disk->ops->submit(disk->self, &write);
    /* The queue cannot be full: this log has nothing under way and the safety module two writes. */
    if (err != GIRO_ERR_OK)
        return fail(log, err);
    log->header_pending = true;
    log->bytes_written += BLOCK_BYTES;
    if (log->segment_count < SEGMENTS_MAX)
        log->segments[log->segment_count++] =
            (struct giro_log_segment){group->generation, group->first_sequence};
    return GIRO_ERR_OK;
}

/* Submits a group's writes. FULL: some are left for the next flush. */
static enum giro_err submit_group(struct giro_log *log, struct group *group)
{
    struct giro_disk *disk = log->options.disk;
    uint64_t at = group->ring_start % log->options.buffer_bytes;
    uint64_t first = group->size_bytes;
    if (group->writes_count == 2)
        first = log->options.buffer_bytes - at;
    while (group->writes_submitted < group->writes_count) {
        bool rest = group->writes_submitted == 1;
        struct giro_disk_write write = {
            .file = log->file,
            .size_bytes = (uint32_t)(rest ? group->size_bytes - first : first),
            .offset = group->offset + (rest ? first : 0),
            .bytes = log->ring + (rest ? 0 : at),
            .tag = GIRO_DISK_TAG(GIRO_DISK_OWNER_LOG, log->group_submit)};
        enum giro_err err = disk->ops->submit(disk->self, &write);
        if (err == GIRO_ERR_FULL)
            return err;
        if (err != GIRO_ERR_OK)
            return fail(log, err);
        group->writes_submitted++;
        log->bytes_written += write.size_bytes;
    }
    log->group_submit++;
    return GIRO_ERR_OK;
}

enum giro_err giro_log_flush(struct giro_log *log)
{
    check(log);
    if (log->failed)
        return GIRO_ERR_IO;
    while (!log->header_pending && inflight(log) < log->options.inflight_max) {
        bool closed = log->group_submit < log->group_end;
        struct group *group = closed ? &log->groups[log->group_submit % GROUPS_MAX] : &log->open;
        if (group->size_bytes == 0)
            return GIRO_ERR_OK;
        if (group->generation != log->file_generation)
            return inflight(log) > 0 ? GIRO_ERR_OK : start_segment(log, group);
        if (!closed) {
            close_group(log);
            group = &log->groups[log->group_submit % GROUPS_MAX];
        }
        enum giro_err err = submit_group(log, group);
        if (err != GIRO_ERR_OK)
            return err == GIRO_ERR_FULL ? GIRO_ERR_OK : err;
    }
    return GIRO_ERR_OK;
}

bool giro_log_unwritten(const struct giro_log *log)
{
    return log->group_submit < log->group_end || log->open.size_bytes > 0;
}

enum giro_err giro_log_completed(struct giro_log *log, uint64_t tag, enum giro_err err)
{
    check(log);
    GIRO_ASSERT(GIRO_DISK_TAG_OWNER(tag) == GIRO_DISK_OWNER_LOG);
    if (log->failed)
        return GIRO_ERR_IO;
    if (err != GIRO_ERR_OK)
        return fail(log, err);
    uint64_t rest = tag & TAG_HEADER;
    if (rest == TAG_HEADER) {
        GIRO_ASSERT(log->header_pending);
        log->header_pending = false;
        prepare_next(log);
        return GIRO_ERR_OK;
    }
    /* group_submit itself may have one of its two writes under way. */
    GIRO_ASSERT(rest >= log->group_first && rest <= log->group_submit && rest < log->group_end);
    struct group *group = &log->groups[rest % GROUPS_MAX];
    group->writes_completed++;
    GIRO_ASSERT(group->writes_completed <= group->writes_submitted);
    while (log->group_first < log->group_submit) {
        group = &log->groups[log->group_first % GROUPS_MAX];
        if (group->writes_completed < group->writes_count)
            break;
        GIRO_ASSERT(group->ring_start == log->ring_tail);
        GIRO_ASSERT(group->first_sequence == log->watermark + 1);
        log->ring_tail += group->size_bytes;
        log->watermark = group->last_sequence;
        log->group_first++;
    }
    return GIRO_ERR_OK;
}

enum giro_err giro_log_trim(struct giro_log *log, uint64_t needed, uint64_t *left)
{
    struct giro_disk *disk = log->options.disk;
    const struct giro_log_segment *oldest = &log->segments[0];
    check(log);
    *left = 0;
    /* The segment being written stays, and the newest that is known: more may follow it than are remembered. */
    if (log->segment_count < 2 || log->segments[1].first_sequence > needed ||
        oldest->generation == log->file_generation || log->header_pending)
        return GIRO_ERR_OK;
    if (log->cached.generation == oldest->generation) {
        disk->ops->close(disk->self, log->cached.file);
        log->cached.generation = 0;
    }
    char name[SEGMENT_NAME_BYTES];
    giro_log_name(oldest->generation, name);
    enum giro_err err = disk->ops->remove(disk->self, name);
    if (err != GIRO_ERR_OK && err != GIRO_ERR_NOENT)
        return err;
    log->segment_count--;
    memmove(&log->segments[0], &log->segments[1], log->segment_count * sizeof(log->segments[0]));
    *left = needed;
    return GIRO_ERR_OK;
}

uint64_t giro_log_watermark(const struct giro_log *log)
{
    return log->watermark;
}

uint64_t giro_log_next_sequence(const struct giro_log *log)
{
    return log->next_sequence;
}

const struct giro_log_damage *giro_log_cut(const struct giro_log *log)
{
    return log->cut ? &log->cut_at : NULL;
}

uint64_t giro_log_bytes(const struct giro_log *log)
{
    return log->bytes_written;
}

/* ---- Reading again ------------------------------------------------------------------------------ */

/* Where a place of the log is in the ring; false when it was written and freed. */
static bool ring_find(const struct giro_log *log, struct giro_log_position position, uint64_t *from)
{
    for (uint64_t i = log->group_first; i <= log->group_end; i++) {
        const struct group *group = i == log->group_end ? &log->open : &log->groups[i % GROUPS_MAX];
        if (group->generation == position.generation && position.offset >= group->offset &&
            position.offset < group->offset + group->size_bytes) {
            *from = group->ring_start + (position.offset - group->offset);
            return true;
        }
    }
    return false;
}

static enum giro_err read_segment(struct giro_log *log, uint64_t generation,
                                  struct reading *reading)
{
    struct giro_disk *disk = log->options.disk;
    if (generation == log->file_generation) {
        *reading = (struct reading){generation, segment_seed(log, generation),
                                    log->options.segment_bytes, log->file};
        return GIRO_ERR_OK;
    }
    if (log->cached.generation != generation) {
        if (log->cached.generation != 0)
            disk->ops->close(disk->self, log->cached.file);
        log->cached.generation = 0;
        struct giro_log_segment_header header;
        struct giro_log_blank blank;
        const char *sentence;
        uint32_t file = 0;
        GIRO_TRY(giro_log_header_read(disk, generation, log->read_block, &header, &file, &blank,
                                      &sentence));
        if (blank.generation != 0)
            return GIRO_ERR_DAMAGED;
        log->cached = (struct reading){generation, header.seed, header.size_bytes, file};
    }
    *reading = log->cached;
    return GIRO_ERR_OK;
}

/* Reads any bytes of a segment through the aligned block. */
static enum giro_err read_bytes(struct giro_log *log, uint32_t file, uint64_t offset, uint8_t *out,
                                uint64_t size_bytes)
{
    struct giro_disk *disk = log->options.disk;
    while (size_bytes > 0) {
        uint64_t start = offset - offset % BLOCK_BYTES;
        uint64_t want = giro_align_up(offset - start + size_bytes, BLOCK_BYTES);
        if (want > READ_BYTES)
            want = READ_BYTES;
        GIRO_TRY(disk->ops->read(disk->self, file, start, log->read_block, (uint32_t)want));
        uint64_t part = want - (offset - start);
        if (part > size_bytes)
            part = size_bytes;
        memcpy(out, log->read_block + (offset - start), part);
        out += part;
        offset += part;
        size_bytes -= part;
    }
    return GIRO_ERR_OK;
}

enum giro_err giro_log_read(struct giro_log *log, struct giro_log_position position, void *out,
                            uint32_t out_bytes, uint16_t *kind, uint32_t *body_bytes)
{
    check(log);
    struct giro_log_record_header header;
    uint64_t from = 0;
    struct reading reading = {position.generation, segment_seed(log, position.generation),
                              log->options.segment_bytes, 0};
    bool in_ring = ring_find(log, position, &from);
    if (in_ring) {
        ring_get(log, from, &header, sizeof header);
    } else {
        GIRO_TRY(read_segment(log, position.generation, &reading));
        if (position.offset + RECORD_HEADER_BYTES > reading.size_bytes)
            return GIRO_ERR_NOENT;
        GIRO_TRY(read_bytes(log, reading.file, position.offset, (uint8_t *)&header, sizeof header));
    }
    if (giro_log_record_shape(&header, reading.generation, reading.size_bytes, position.offset) !=
        NULL)
        return GIRO_ERR_DAMAGED;
    if (header.body_bytes > out_bytes)
        return GIRO_ERR_FULL;
    if (in_ring)
        ring_get(log, from + sizeof header, out, header.body_bytes);
    else
        GIRO_TRY(
            read_bytes(log, reading.file, position.offset + sizeof header, out, header.body_bytes));
    struct giro_log_digest digest;
    uint8_t checksum[16];
    giro_log_digest_begin(&digest, reading.seed, &header);
    giro_log_digest_update(&digest, out, header.body_bytes);
    giro_log_digest_end(&digest, checksum);
    if (memcmp(checksum, header.checksum, sizeof checksum) != 0)
        return GIRO_ERR_DAMAGED;
    *kind = header.kind;
    *body_bytes = header.body_bytes;
    return GIRO_ERR_OK;
}
