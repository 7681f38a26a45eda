/* Records go to the block log; this file keeps what is not done yet in memory, and decides what of the oldest segments is still
 * needed and is therefore written again before they go. */
#include "member/outbox.h"

#define MIB               (1024ull * 1024)
#define SEGMENT_BYTES_MIN (4 * MIB)
#define BUFFER_BYTES      (2 * MIB)
#define RECORD_OVERHEAD   128u
#define DONE_EAGER        64u /* so many are written without waiting for a frame to be written with them */
#define DONE_RECORD_MAX   512u
#define KEEP_SEGMENTS     2u  /* what is needed of older ones is written again */
#define CARRY_MAX         64u /* frames written again in one flush */

struct entry {
    uint64_t sequence;
    uint64_t log_sequence; /* of its newest record */
    uint64_t durable_at;   /* durable once the watermark is there: its first record */
    uint64_t generation;   /* segment of its newest record */
    uint32_t size_bytes;
    uint32_t before, after; /* in the order of records */
    uint16_t channel;
    bool used;
};

struct range {
    uint64_t next, end;
    uint64_t log_sequence, generation;
    bool known;
};

struct key {
    uint64_t sequence, channel;
};

struct giro_outbox {
    struct giro_outbox_options options;
    struct giro_log *log;
    struct giro_map *map; /* key -> slot */
    struct entry *entries;
    uint8_t *bytes; /* frame_bytes_max per slot */
    uint32_t *free_slots;
    uint32_t free_count, count;
    uint32_t first, last; /* of the list */
    uint32_t *fresh;      /* ring of slots not taken yet */
    uint32_t fresh_first, fresh_count;
    struct giro_outbox_done *done;
    uint32_t done_count; /* not written yet */
    struct range ranges[GIRO_CHANNELS_MAX];
    uint64_t id;
    uint64_t generation; /* of the newest record */
    /* Segments before trim_needed may go once the watermark is at trim_after. */
    uint64_t trim_needed, trim_after;
    bool trimming;
};

static struct giro_log_options log_options(const struct giro_outbox_options *options)
{
    /* Twice what may have to be written again: so that a segment always holds news, too. */
    uint64_t most =
        2ull * options->frames_max * (options->frame_bytes_max + RECORD_OVERHEAD) + 2 * MIB;
    uint64_t segment = most < SEGMENT_BYTES_MIN ? SEGMENT_BYTES_MIN : giro_align_up(most, MIB);
    return (struct giro_log_options){.disk = options->disk,
                                     .chain_id = options->chain_id,
                                     .replica = options->member,
                                     .segment_bytes = segment,
                                     .buffer_bytes = BUFFER_BYTES,
                                     .seed = options->seed,
                                     .inflight_max = 2};
}

static struct giro_map_options map_options(const struct giro_outbox_options *options)
{
    return (struct giro_map_options){
        .capacity = options->frames_max, .key_bytes = sizeof(struct key), .seed = options->seed};
}

/* Pieces behind the object, each aligned to a cache line. */
static size_t lay_out(struct giro_outbox *outbox, const struct giro_outbox_options *options,
                      uint8_t *mem)
{
    struct giro_log_options log = log_options(options);
    struct giro_map_options map = map_options(options);
    size_t sizes[] = {sizeof(*outbox),
                      giro_log_footprint(&log),
                      giro_map_footprint(&map),
                      options->frames_max * sizeof(struct entry),
                      (size_t)options->frames_max * options->frame_bytes_max,
                      options->frames_max * sizeof(uint32_t),
                      options->frames_max * sizeof(struct giro_outbox_done),
                      options->frames_max * sizeof(uint32_t)};
    size_t at = 0, offsets[8];
    for (uint32_t i = 0; i < 8; i++) {
        if (sizes[i] == 0)
            return 0;
        offsets[i] = at;
        at += giro_align_up(sizes[i], 64);
    }
    if (outbox == NULL)
        return at;
    outbox->log = giro_log_init(mem + offsets[1], sizes[1], &log);
    outbox->map = giro_map_init(mem + offsets[2], sizes[2], &map);
    outbox->entries = (struct entry *)(mem + offsets[3]);
    outbox->bytes = mem + offsets[4];
    outbox->free_slots = (uint32_t *)(mem + offsets[5]);
    outbox->done = (struct giro_outbox_done *)(mem + offsets[6]);
    outbox->fresh = (uint32_t *)(mem + offsets[7]);
    GIRO_ASSERT(outbox->log != NULL && outbox->map != NULL);
    return at;
}

size_t giro_outbox_footprint(const struct giro_outbox_options *options)
{
    if (options->frames_max < 1 || options->frames_max > GIRO_OUTBOX_FRAMES_MAX ||
        options->frame_bytes_max < GIRO_FRAME_BYTES_MIN ||
        options->frame_bytes_max > GIRO_FRAME_BYTES_MAX || options->id == 0)
        return 0;
    return lay_out(NULL, options, NULL);
}

struct giro_outbox *giro_outbox_init(void *mem, size_t size_bytes,
                                     const struct giro_outbox_options *options)
{
    size_t footprint = giro_outbox_footprint(options);
    if (footprint == 0 || size_bytes < footprint)
        return NULL;
    struct giro_outbox *outbox = mem;
    memset(outbox, 0, sizeof(*outbox));
    outbox->options = *options;
    outbox->id = options->id;
    outbox->first = outbox->last = GIRO_NONE;
    lay_out(outbox, options, mem);
    memset(outbox->entries, 0, options->frames_max * sizeof(*outbox->entries));
    while (outbox->free_count < options->frames_max) {
        outbox->free_slots[outbox->free_count] = options->frames_max - 1 - outbox->free_count;
        outbox->free_count++;
    }
    return outbox;
}

/* ---- The list of frames not done -------------------------------------------------------------------- */

static void unlink_entry(struct giro_outbox *outbox, uint32_t slot)
{
    struct entry *entry = &outbox->entries[slot];
    if (entry->before == GIRO_NONE)
        outbox->first = entry->after;
    else
        outbox->entries[entry->before].after = entry->after;
    if (entry->after == GIRO_NONE)
        outbox->last = entry->before;
    else
        outbox->entries[entry->after].before = entry->before;
}

static void link_last(struct giro_outbox *outbox, uint32_t slot)
{
    struct entry *entry = &outbox->entries[slot];
    entry->before = outbox->last;
    entry->after = GIRO_NONE;
    if (outbox->last == GIRO_NONE)
        outbox->first = slot;
    else
        outbox->entries[outbox->last].after = slot;
    outbox->last = slot;
}

static struct key key_of(uint16_t channel, uint64_t sequence)
{
    return (struct key){.sequence = sequence, .channel = channel};
}

static uint8_t *bytes_of(const struct giro_outbox *outbox, uint32_t slot)
{
    return outbox->bytes + (size_t)slot * outbox->options.frame_bytes_max;
}

static uint32_t entry_add(struct giro_outbox *outbox, const struct giro_frame *frame)
{
    GIRO_ASSERT(outbox->free_count > 0 && frame->size_bytes <= outbox->options.frame_bytes_max);
    uint32_t slot = outbox->free_slots[--outbox->free_count];
    outbox->entries[slot] = (struct entry){.sequence = frame->header.sequence,
                                           .size_bytes = frame->size_bytes,
                                           .channel = frame->header.channel,
                                           .used = true};
    memcpy(bytes_of(outbox, slot), frame->bytes, frame->size_bytes);
    struct key key = key_of(frame->header.channel, frame->header.sequence);
    bool put = giro_map_put(outbox->map, &key, slot);
    GIRO_ASSERT(put);
    link_last(outbox, slot);
    outbox->count++;
    return slot;
}

static void entry_remove(struct giro_outbox *outbox, uint32_t slot)
{
    struct entry *entry = &outbox->entries[slot];
    struct key key = key_of(entry->channel, entry->sequence);
    bool removed = giro_map_remove(outbox->map, &key);
    GIRO_ASSERT(removed && entry->used);
    unlink_entry(outbox, slot);
    entry->used = false;
    outbox->free_slots[outbox->free_count++] = slot;
    outbox->count--;
}

uint32_t giro_outbox_find(const struct giro_outbox *outbox, uint16_t channel, uint64_t sequence)
{
    struct key key = key_of(channel, sequence);
    return giro_map_get(outbox->map, &key);
}

static void fresh_add(struct giro_outbox *outbox, uint32_t slot)
{
    uint32_t most = outbox->options.frames_max;
    GIRO_ASSERT(outbox->fresh_count < most);
    outbox->fresh[(outbox->fresh_first + outbox->fresh_count++) % most] = slot;
}

static uint64_t last_sequence(const struct giro_frame *frame)
{
    return frame->header.head.kind == GIRO_KIND_SKIP ? frame->skip_to : frame->header.sequence;
}

/* ---- Opening ---------------------------------------------------------------------------------------- */

static bool frame_read(const struct giro_outbox *outbox, const void *bytes, uint32_t size_bytes,
                       struct giro_frame *frame)
{
    return giro_frame_decode(bytes, size_bytes, outbox->options.chain_prefix, frame) ==
               GIRO_REJECT_NONE &&
           frame->header.member == outbox->options.member &&
           frame->header.head.kind != GIRO_KIND_CONTROL &&
           frame->header.channel < GIRO_CHANNELS_MAX;
}

static enum giro_err found_frame(struct giro_outbox *outbox, const struct giro_log_found *found)
{
    struct giro_frame frame;
    if (!frame_read(outbox, found->body, found->body_bytes, &frame))
        return GIRO_ERR_FORMAT;
    struct range *range = &outbox->ranges[frame.header.channel];
    uint32_t slot = giro_outbox_find(outbox, frame.header.channel, frame.header.sequence);
    if (slot != GIRO_NONE) { /* written again before its segment went */
        if (outbox->entries[slot].size_bytes != frame.size_bytes ||
            memcmp(bytes_of(outbox, slot), frame.bytes, frame.size_bytes) != 0)
            return GIRO_ERR_DAMAGED;
        unlink_entry(outbox, slot);
        link_last(outbox, slot);
    } else if (outbox->free_count == 0 || frame.size_bytes > outbox->options.frame_bytes_max) {
        return GIRO_ERR_FULL;
    } else {
        slot = entry_add(outbox, &frame);
    }
    outbox->entries[slot].log_sequence = found->sequence;
    outbox->entries[slot].durable_at = found->sequence;
    outbox->entries[slot].generation = found->position.generation;
    if (!range->known || frame.header.sequence < range->next)
        return GIRO_ERR_OK;
    if (frame.header.sequence != range->next || last_sequence(&frame) >= range->end)
        return GIRO_ERR_DAMAGED; /* frames of a range stand in sequence order */
    range->next = last_sequence(&frame) + 1;
    return GIRO_ERR_OK;
}

static enum giro_err found_done(struct giro_outbox *outbox, const struct giro_log_found *found)
{
    struct giro_outbox_done done;
    if (found->body_bytes == 0 || found->body_bytes % sizeof(done) != 0)
        return GIRO_ERR_FORMAT;
    for (uint32_t at = 0; at < found->body_bytes; at += sizeof(done)) {
        memcpy(&done, found->body + at, sizeof(done));
        uint32_t slot = giro_outbox_find(outbox, done.channel, done.sequence);
        if (slot != GIRO_NONE) /* else its frame went with an older segment */
            entry_remove(outbox, slot);
    }
    return GIRO_ERR_OK;
}

static enum giro_err found_range(struct giro_outbox *outbox, const struct giro_log_found *found)
{
    struct giro_outbox_range record;
    if (found->body_bytes != sizeof(record))
        return GIRO_ERR_FORMAT;
    memcpy(&record, found->body, sizeof(record));
    if (record.outbox == 0 || record.channel >= GIRO_CHANNELS_MAX || record.first > record.next)
        return GIRO_ERR_FORMAT;
    outbox->id = record.outbox;
    outbox->ranges[record.channel] = (struct range){.next = record.first,
                                                    .end = record.next,
                                                    .log_sequence = found->sequence,
                                                    .generation = found->position.generation,
                                                    .known = true};
    return GIRO_ERR_OK;
}

static enum giro_err found_record(void *context, const struct giro_log_found *found)
{
    struct giro_outbox *outbox = context;
    outbox->generation = found->position.generation;
    switch (found->kind) {
    case GIRO_LOG_OUTBOX_FRAME_RECORD:
        return found_frame(outbox, found);
    case GIRO_LOG_OUTBOX_DONE_RECORD:
        return found_done(outbox, found);
    case GIRO_LOG_OUTBOX_RANGE_RECORD:
        return found_range(outbox, found);
    default:
        return GIRO_ERR_FORMAT; /* a replica's log */
    }
}

enum giro_err giro_outbox_open(struct giro_outbox *outbox)
{
    /* Old segments go, so the log may begin anywhere; what it must hold is checked record by record. */
    GIRO_TRY(giro_log_open(outbox->log, 0, UINT64_MAX, found_record, outbox));
    for (uint32_t slot = outbox->first; slot != GIRO_NONE; slot = outbox->entries[slot].after)
        fresh_add(outbox, slot);
    return GIRO_ERR_OK;
}

uint64_t giro_outbox_id(const struct giro_outbox *outbox)
{
    return outbox->id;
}

/* ---- Putting ---------------------------------------------------------------------------------------- */

static enum giro_err append(struct giro_outbox *outbox, enum giro_log_kind kind, const void *bytes,
                            size_t size_bytes, uint64_t *log_sequence)
{
    struct giro_part part = {bytes, size_bytes};
    struct giro_log_position position;
    GIRO_TRY(giro_log_append(outbox->log, kind, &part, 1, log_sequence, &position));
    GIRO_ASSERT(position.generation >= outbox->generation);
    outbox->generation = position.generation;
    return GIRO_ERR_OK;
}

/* What is done goes to the log before any later frame: so the log never holds more than frames_max frames not done. */
static enum giro_err done_write(struct giro_outbox *outbox)
{
    while (outbox->done_count > 0) {
        uint32_t count =
            outbox->done_count < DONE_RECORD_MAX ? outbox->done_count : DONE_RECORD_MAX;
        uint64_t log_sequence;
        GIRO_TRY(append(outbox, GIRO_LOG_OUTBOX_DONE_RECORD,
                        outbox->done + outbox->done_count - count, count * sizeof(*outbox->done),
                        &log_sequence));
        outbox->done_count -= count;
    }
    return GIRO_ERR_OK;
}

struct giro_outbox_span giro_outbox_span(const struct giro_outbox *outbox, uint16_t channel)
{
    GIRO_ASSERT(channel < GIRO_CHANNELS_MAX);
    const struct range *range = &outbox->ranges[channel];
    return (struct giro_outbox_span){.next = range->next,
                                     .end = range->end,
                                     .known = range->known,
                                     .durable =
                                         range->log_sequence <= giro_log_watermark(outbox->log)};
}

static enum giro_err range_write(struct giro_outbox *outbox, uint16_t channel, uint64_t first,
                                 uint64_t next)
{
    struct giro_outbox_range record = {
        .outbox = outbox->id, .first = first, .next = next, .channel = channel};
    struct range *range = &outbox->ranges[channel];
    uint64_t log_sequence;
    GIRO_TRY(append(outbox, GIRO_LOG_OUTBOX_RANGE_RECORD, &record, sizeof(record), &log_sequence));
    *range = (struct range){.next = first,
                            .end = next,
                            .log_sequence = log_sequence,
                            .generation = outbox->generation,
                            .known = true};
    return GIRO_ERR_OK;
}

enum giro_err giro_outbox_range(struct giro_outbox *outbox, uint16_t channel, uint64_t first,
                                uint64_t next)
{
    GIRO_ASSERT(channel < GIRO_CHANNELS_MAX && first <= next);
    const struct range *range = &outbox->ranges[channel];
    GIRO_ASSERT(!range->known || (first >= range->next && range->next <= range->end));
    GIRO_ASSERT(range->next == range->end || first <= range->end);
    return range_write(outbox, channel, first, next);
}

bool giro_outbox_room(const struct giro_outbox *outbox)
{
    return outbox->free_count > 0 &&
           giro_log_room(outbox->log) >=
               outbox->options.frame_bytes_max + sizeof(struct giro_outbox_range) +
                   outbox->done_count * sizeof(*outbox->done) + 16 * RECORD_OVERHEAD;
}

enum giro_err giro_outbox_put(struct giro_outbox *outbox, const void *bytes, uint32_t size_bytes,
                              uint32_t *slot)
{
    struct giro_frame frame;
    uint64_t log_sequence;
    bool good = frame_read(outbox, bytes, size_bytes, &frame);
    GIRO_ASSERT(good);
    struct range *range = &outbox->ranges[frame.header.channel];
    GIRO_ASSERT(range->known && frame.header.sequence == range->next);
    GIRO_ASSERT(last_sequence(&frame) < range->end);
    if (outbox->free_count == 0)
        return GIRO_ERR_FULL;
    GIRO_TRY(done_write(outbox));
    GIRO_TRY(append(outbox, GIRO_LOG_OUTBOX_FRAME_RECORD, bytes, size_bytes, &log_sequence));
    *slot = entry_add(outbox, &frame);
    outbox->entries[*slot].log_sequence = log_sequence;
    outbox->entries[*slot].durable_at = log_sequence;
    outbox->entries[*slot].generation = outbox->generation;
    fresh_add(outbox, *slot);
    range->next = last_sequence(&frame) + 1;
    return GIRO_ERR_OK;
}

uint32_t giro_outbox_ready(const struct giro_outbox *outbox)
{
    uint32_t slot = outbox->fresh_count == 0 ? GIRO_NONE : outbox->fresh[outbox->fresh_first];
    return slot != GIRO_NONE && giro_outbox_durable(outbox, slot) ? slot : GIRO_NONE;
}

void giro_outbox_take(struct giro_outbox *outbox)
{
    GIRO_ASSERT(giro_outbox_ready(outbox) != GIRO_NONE);
    outbox->fresh_first = (outbox->fresh_first + 1) % outbox->options.frames_max;
    outbox->fresh_count--;
}

/* ---- Looking ---------------------------------------------------------------------------------------- */

struct giro_outbox_entry giro_outbox_entry(const struct giro_outbox *outbox, uint32_t slot)
{
    GIRO_ASSERT(slot < outbox->options.frames_max && outbox->entries[slot].used);
    const struct entry *entry = &outbox->entries[slot];
    return (struct giro_outbox_entry){.bytes = bytes_of(outbox, slot),
                                      .size_bytes = entry->size_bytes,
                                      .channel = entry->channel,
                                      .sequence = entry->sequence};
}

uint32_t giro_outbox_next(const struct giro_outbox *outbox, uint32_t slot)
{
    return slot == GIRO_NONE ? outbox->first : outbox->entries[slot].after;
}

bool giro_outbox_durable(const struct giro_outbox *outbox, uint32_t slot)
{
    GIRO_ASSERT(slot < outbox->options.frames_max && outbox->entries[slot].used);
    return outbox->entries[slot].durable_at <= giro_log_watermark(outbox->log);
}

uint32_t giro_outbox_count(const struct giro_outbox *outbox)
{
    return outbox->count;
}

bool giro_outbox_settled(const struct giro_outbox *outbox)
{
    return outbox->done_count == 0 &&
           giro_log_watermark(outbox->log) + 1 == giro_log_next_sequence(outbox->log);
}

/* ---- Done, and old segments --------------------------------------------------------------------------- */

void giro_outbox_done(struct giro_outbox *outbox, uint32_t slot, uint8_t outcome)
{
    GIRO_ASSERT(slot < outbox->options.frames_max && outbox->entries[slot].used);
    /* Those not written yet were all in slots when the last frame was put: see done_write. */
    GIRO_ASSERT(outbox->done_count < outbox->options.frames_max);
    const struct entry *entry = &outbox->entries[slot];
    GIRO_ASSERT(outbox->fresh_count == 0 || outbox->fresh[outbox->fresh_first] != slot);
    outbox->done[outbox->done_count++] = (struct giro_outbox_done){
        .sequence = entry->sequence, .channel = entry->channel, .outcome = outcome};
    entry_remove(outbox, slot);
}

static bool is_old(const struct giro_outbox *outbox, uint64_t generation)
{
    return generation + KEEP_SEGMENTS <= outbox->generation;
}

/* Writes the oldest frames and ranges again if their segments are to go; *left: there are more. */
static enum giro_err carry(struct giro_outbox *outbox, bool *left)
{
    uint32_t written = 0;
    *left = false;
    for (uint32_t c = 0; c < GIRO_CHANNELS_MAX; c++) {
        const struct range *range = &outbox->ranges[c];
        if (range->known && is_old(outbox, range->generation))
            GIRO_TRY(range_write(outbox, (uint16_t)c, range->next, range->end));
    }
    while (outbox->first != GIRO_NONE &&
           is_old(outbox, outbox->entries[outbox->first].generation)) {
        uint32_t slot = outbox->first;
        struct entry *entry = &outbox->entries[slot];
        *left = true;
        if (written++ == CARRY_MAX)
            return GIRO_ERR_OK;
        GIRO_TRY(append(outbox, GIRO_LOG_OUTBOX_FRAME_RECORD, bytes_of(outbox, slot),
                        entry->size_bytes, &entry->log_sequence));
        entry->generation = outbox->generation;
        unlink_entry(outbox, slot);
        link_last(outbox, slot);
        *left = false;
    }
    return GIRO_ERR_OK;
}

/* The first record of the log that is still needed. */
static uint64_t needed(const struct giro_outbox *outbox)
{
    uint64_t least = giro_log_next_sequence(outbox->log);
    if (outbox->first != GIRO_NONE)
        least = outbox->entries[outbox->first].log_sequence;
    for (uint32_t c = 0; c < GIRO_CHANNELS_MAX; c++)
        if (outbox->ranges[c].known && outbox->ranges[c].log_sequence < least)
            least = outbox->ranges[c].log_sequence;
    return least;
}

/* One step: write again, wait until that is durable, then remove one segment. */
static enum giro_err tidy(struct giro_outbox *outbox)
{
    if (outbox->trimming) {
        uint64_t left = 0;
        if (giro_log_watermark(outbox->log) < outbox->trim_after)
            return GIRO_ERR_OK;
        GIRO_TRY(giro_log_trim(outbox->log, outbox->trim_needed, &left));
        outbox->trimming = left > 0;
        return GIRO_ERR_OK;
    }
    bool left = false;
    GIRO_TRY(carry(outbox, &left));
    uint64_t now_needed = needed(outbox);
    if (left || now_needed == outbox->trim_needed)
        return GIRO_ERR_OK;
    outbox->trim_needed = now_needed;
    outbox->trim_after = giro_log_next_sequence(outbox->log) - 1;
    outbox->trimming = true;
    return GIRO_ERR_OK;
}

enum giro_err giro_outbox_flush(struct giro_outbox *outbox, bool with_done)
{
    enum giro_err err = GIRO_ERR_OK;
    if (with_done || outbox->done_count >= DONE_EAGER)
        err = done_write(outbox);
    if (err == GIRO_ERR_OK)
        err = tidy(outbox);
    if (err != GIRO_ERR_OK && err != GIRO_ERR_FULL) /* a full buffer empties itself */
        return err;
    return giro_log_flush(outbox->log);
}

enum giro_err giro_outbox_completed(struct giro_outbox *outbox, uint64_t tag, enum giro_err err)
{
    return giro_log_completed(outbox->log, tag, err);
}

void giro_outbox_check(const struct giro_outbox *outbox)
{
    uint32_t count = 0;
    uint64_t before = 0;
    for (uint32_t slot = outbox->first; slot != GIRO_NONE; slot = outbox->entries[slot].after) {
        const struct entry *entry = &outbox->entries[slot];
        GIRO_ASSERT(entry->used && entry->log_sequence > before);
        GIRO_ASSERT(giro_outbox_find(outbox, entry->channel, entry->sequence) == slot);
        GIRO_ASSERT(entry->durable_at <= entry->log_sequence);
        before = entry->log_sequence;
        count++;
    }
    GIRO_ASSERT(count == outbox->count);
    GIRO_ASSERT(count + outbox->free_count == outbox->options.frames_max);
    GIRO_ASSERT(giro_map_count(outbox->map) == count);
}
