/* The state as sections of an image, and back. Everything that reaches the root is written as it stands, in index order, and
 * beside it the counters, which follow from the same history. Caches and tables are built anew by loading. */
#include "internal.h"

#define SEGMENT_BYTES      (GIRO_UETR_SEGMENT * (uint32_t)sizeof(struct giro_uetr_entry))
#define SEGMENTS_PER_CHUNK ((GIRO_CHUNK_BYTES - GIRO_IMAGE_UETR_AT) / SEGMENT_BYTES)
#define GROUP_BYTES        (GIRO_CHANNEL_GROUP * sizeof(struct giro_channel_slot))
static_assert(SEGMENTS_PER_CHUNK >= 1, "a chunk holds a segment");

/* ---- Payment references -------------------------------------------------------------------------- */

/* Places ever written: they are all there is until the ring is full. */
static uint32_t places_used(const struct giro_uetr_set *set)
{
    return set->open + 1 < set->segment_count ? (uint32_t)set->open + 1 : set->segment_count;
}

static uint8_t *place_at(uint8_t *bytes, uint32_t place)
{
    return bytes + (size_t)(place / SEGMENTS_PER_CHUNK) * GIRO_CHUNK_BYTES + GIRO_IMAGE_UETR_AT +
           (size_t)(place % SEGMENTS_PER_CHUNK) * SEGMENT_BYTES;
}

uint32_t giro_settlement_image_chunks(const struct giro_settlement *settlement)
{
    return (places_used(&settlement->uetrs) + SEGMENTS_PER_CHUNK - 1) / SEGMENTS_PER_CHUNK;
}

/* A segment that was full when the last image was made has not changed; it stands at the same place of the same chunk. Bytes
 * of evicted segments stay until they are written over, here and there alike. */
void giro_settlement_image_uetrs(struct giro_settlement *settlement, struct giro_image *image)
{
    struct giro_uetr_set *set = &settlement->uetrs;
    uint32_t places = places_used(set);
    uint64_t from = image->reuse ? set->imaged : 0;
    GIRO_ASSERT(!settlement->in_block);
    if (image->uetr_chunks == 0)
        return; /* it does not fit */
    if (set->open - from >= set->segment_count)
        from = set->open + 1 - places;
    for (uint64_t segment = from; segment <= set->open; segment++) {
        uint32_t place = (uint32_t)(segment % set->segment_count);
        uint32_t chunk = place / SEGMENTS_PER_CHUNK;
        memcpy(place_at(image->bytes, place), &set->entries[(size_t)place * GIRO_UETR_SEGMENT],
               SEGMENT_BYTES);
        image->changed[chunk] = 1;
    }
    set->imaged = set->open;
}

static enum giro_reject uetrs_load(struct giro_settlement *settlement,
                                   const struct giro_image_reader *image,
                                   struct giro_reader *section)
{
    struct giro_uetr_set *set = &settlement->uetrs;
    set->head = giro_reader_u64(section);
    set->open = giro_reader_u64(section);
    set->open_count = giro_reader_u32(section);
    if (section->failed || giro_reader_left(section) != 0)
        return GIRO_REJECT_TRUNCATED;
    if (set->head > set->open || set->open - set->head >= set->segment_count ||
        set->open_count > GIRO_UETR_SEGMENT)
        return GIRO_REJECT_COUNT;
    if (giro_settlement_image_chunks(settlement) != image->header.uetr_chunks)
        return GIRO_REJECT_COUNT;
    uint32_t places = places_used(set);
    for (uint32_t place = 0; place < places; place++)
        memcpy(&set->entries[(size_t)place * GIRO_UETR_SEGMENT],
               place_at((uint8_t *)(uintptr_t)image->bytes, place), SEGMENT_BYTES);
    set->imaged = set->open;
    return giro_uetr_index(set) ? GIRO_REJECT_NONE : GIRO_REJECT_DUPLICATE;
}

/* ---- Sections --------------------------------------------------------------------------------------- */

static void books_put(const struct giro_settlement *settlement, struct giro_writer *writer)
{
    giro_writer_u64(writer, settlement->height);
    giro_writer_u64(writer, settlement->time_ns);
    giro_writer_u32(writer, settlement->business_date);
    giro_writer_u32(writer, settlement->day);
    giro_writer_u32(writer, settlement->cycle_next);
    giro_writer_u32(writer, 0);
    giro_writer_put(writer, settlement->member_status, settlement->member_count);
    giro_writer_put(writer, settlement->accounts,
                    (size_t)settlement->member_count * settlement->currency_count *
                        sizeof(struct giro_book_account));
    giro_writer_put(writer, settlement->cycles,
                    settlement->currency_count * sizeof(struct giro_cycle));
}

static enum giro_reject books_load(struct giro_settlement *settlement, struct giro_reader *section)
{
    settlement->height = giro_reader_u64(section);
    settlement->time_ns = giro_reader_u64(section);
    settlement->time_s = settlement->time_ns / GIRO_NS_PER_S;
    uint32_t date = giro_reader_u32(section);
    settlement->business_date = (uint16_t)date;
    settlement->day = giro_reader_u32(section);
    settlement->cycle_next = giro_reader_u32(section);
    uint32_t zero = giro_reader_u32(section);
    giro_reader_copy(section, settlement->member_status, settlement->member_count);
    giro_reader_copy(section, settlement->accounts,
                     (size_t)settlement->member_count * settlement->currency_count *
                         sizeof(struct giro_book_account));
    giro_reader_copy(section, settlement->cycles,
                     settlement->currency_count * sizeof(struct giro_cycle));
    if (section->failed || giro_reader_left(section) != 0)
        return GIRO_REJECT_TRUNCATED;
    if (date > UINT16_MAX || zero != 0 || settlement->height == 0)
        return GIRO_REJECT_FIELD;
    for (uint32_t i = 0; i < settlement->member_count; i++)
        giro_book_touch(settlement, (uint16_t)i);
    return GIRO_REJECT_NONE;
}

/* The used rows of one of a currency's two matrices. */
static void rows_put(const struct giro_settlement *settlement, const struct giro_matrix *matrix,
                     uint32_t which, struct giro_writer *writer)
{
    size_t members = settlement->member_count;
    uint32_t count = 0;
    for (uint32_t row = 0; row < members; row++)
        count += matrix->row_used[which][row];
    giro_writer_u32(writer, count);
    for (uint32_t row = 0; row < members; row++) {
        if (!matrix->row_used[which][row])
            continue;
        giro_writer_u32(writer, row);
        giro_writer_put(writer, &matrix->cells[which][row * members],
                        members * sizeof(struct giro_matrix_cell));
    }
}

static void matrices_put(const struct giro_settlement *settlement, struct giro_writer *writer)
{
    for (uint32_t i = 0; i < settlement->currency_count; i++) {
        const struct giro_matrix *matrix = &settlement->matrices[i];
        giro_writer_u64(writer, matrix->digest_height);
        giro_writer_put(writer, &matrix->digest, sizeof(matrix->digest));
        rows_put(settlement, matrix, matrix->current, writer);
        rows_put(settlement, matrix, matrix->current ^ 1u, writer);
    }
}

static enum giro_reject rows_load(const struct giro_settlement *settlement,
                                  struct giro_matrix *matrix, uint32_t which,
                                  struct giro_reader *section)
{
    size_t members = settlement->member_count;
    uint32_t count = giro_reader_u32(section);
    uint32_t next = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = giro_reader_u32(section);
        if (section->failed)
            return GIRO_REJECT_TRUNCATED;
        if (row < next || row >= members)
            return GIRO_REJECT_COUNT;
        giro_reader_copy(section, &matrix->cells[which][row * members],
                         members * sizeof(struct giro_matrix_cell));
        matrix->row_used[which][row] = 1;
        next = row + 1;
    }
    return section->failed ? GIRO_REJECT_TRUNCATED : GIRO_REJECT_NONE;
}

/* Digests of rows are a cache for the next refresh: all used rows of the open cycle are due then. */
static enum giro_reject matrices_load(struct giro_settlement *settlement,
                                      struct giro_reader *section)
{
    for (uint32_t i = 0; i < settlement->currency_count; i++) {
        struct giro_matrix *matrix = &settlement->matrices[i];
        matrix->digest_height = giro_reader_u64(section);
        giro_reader_copy(section, &matrix->digest, sizeof(matrix->digest));
        for (uint32_t which = 0; which < 2; which++) {
            enum giro_reject reject = rows_load(settlement, matrix, which, section);
            if (reject != GIRO_REJECT_NONE)
                return reject;
        }
        matrix->current = 0;
        matrix->refresh = false;
        memcpy(matrix->row_dirty, matrix->row_used[0], settlement->member_count);
    }
    return giro_reader_left(section) == 0 ? GIRO_REJECT_NONE : GIRO_REJECT_OVERSIZED;
}

static void channels_put(const struct giro_settlement *settlement, struct giro_writer *writer)
{
    const struct giro_channels *channels = &settlement->channels;
    uint32_t count = (settlement->member_count + 1) * GIRO_CHANNELS_MAX;
    for (uint32_t index = 0; index < count; index++) {
        const struct giro_channel *channel = &channels->channels[index];
        if (!channel->used)
            continue;
        giro_writer_u64(writer, index);
        giro_writer_put(writer, channel, sizeof(*channel));
        const struct giro_channel_slot *slots =
            &channels->slots[(size_t)index * GIRO_CHANNEL_WINDOW];
        for (uint32_t group = 0; group < GIRO_CHANNEL_GROUPS; group++) {
            if ((channel->groups >> group & 1) != 0)
                giro_writer_put(writer, &slots[group * GIRO_CHANNEL_GROUP], GROUP_BYTES);
        }
    }
}

static enum giro_reject channels_load(struct giro_settlement *settlement,
                                      struct giro_reader *section)
{
    struct giro_channels *channels = &settlement->channels;
    uint64_t count = (uint64_t)(settlement->member_count + 1) * GIRO_CHANNELS_MAX;
    uint64_t next = 0;
    while (giro_reader_left(section) > 0) {
        uint64_t index = giro_reader_u64(section);
        if (section->failed)
            return GIRO_REJECT_TRUNCATED;
        if (index < next || index >= count)
            return GIRO_REJECT_CHANNEL;
        next = index + 1;
        struct giro_channel *channel = &channels->channels[index];
        giro_reader_copy(section, channel, sizeof(*channel));
        if (section->failed)
            return GIRO_REJECT_TRUNCATED;
        if (channel->used != 1 || channel->frontier < channel->base ||
            channel->frontier - channel->base > GIRO_CHANNEL_TRAIL)
            return GIRO_REJECT_FIELD;
        struct giro_channel_slot *slots = &channels->slots[index * GIRO_CHANNEL_WINDOW];
        for (uint32_t group = 0; group < GIRO_CHANNEL_GROUPS; group++) {
            if ((channel->groups >> group & 1) != 0)
                giro_reader_copy(section, &slots[group * GIRO_CHANNEL_GROUP], GROUP_BYTES);
        }
        channels->dirty_groups[index] = channel->groups;
        channels->dirty[index] = 1;
        channels->dirty_list[channels->dirty_count++] = (uint32_t)index;
    }
    return section->failed ? GIRO_REJECT_TRUNCATED : GIRO_REJECT_NONE;
}

void giro_settlement_image_sections(const struct giro_settlement *settlement,
                                    struct giro_image *image)
{
    const struct giro_uetr_set *set = &settlement->uetrs;
    GIRO_ASSERT(!settlement->in_block);
    books_put(settlement, giro_image_section(image, GIRO_IMAGE_BOOKS));
    matrices_put(settlement, giro_image_section(image, GIRO_IMAGE_MATRICES));
    channels_put(settlement, giro_image_section(image, GIRO_IMAGE_CHANNELS));
    struct giro_writer *writer = giro_image_section(image, GIRO_IMAGE_UETRS);
    giro_writer_u64(writer, set->head);
    giro_writer_u64(writer, set->open);
    giro_writer_u32(writer, set->open_count);
    writer = giro_image_section(image, GIRO_IMAGE_COUNTERS);
    uint32_t currencies = settlement->currency_count;
    giro_writer_put(writer, settlement->by_status, currencies * sizeof(settlement->by_status[0]));
    giro_writer_put(writer, settlement->by_reason, currencies * sizeof(settlement->by_reason[0]));
    giro_writer_put(writer, settlement->by_outcome, sizeof(settlement->by_outcome));
}

static enum giro_reject counters_load(struct giro_settlement *settlement,
                                      struct giro_reader *section)
{
    uint32_t currencies = settlement->currency_count;
    giro_reader_copy(section, settlement->by_status, currencies * sizeof(settlement->by_status[0]));
    giro_reader_copy(section, settlement->by_reason, currencies * sizeof(settlement->by_reason[0]));
    giro_reader_copy(section, settlement->by_outcome, sizeof(settlement->by_outcome));
    return section->failed || giro_reader_left(section) != 0 ? GIRO_REJECT_TRUNCATED
                                                             : GIRO_REJECT_NONE;
}

static enum giro_reject section_load(struct giro_settlement *settlement,
                                     struct giro_image_reader *image, enum giro_image_section kind)
{
    struct giro_reader section;
    enum giro_reject reject = giro_image_next(image, kind, &section);
    if (reject != GIRO_REJECT_NONE)
        return reject;
    switch (kind) {
    case GIRO_IMAGE_BOOKS:
        return books_load(settlement, &section);
    case GIRO_IMAGE_MATRICES:
        return matrices_load(settlement, &section);
    case GIRO_IMAGE_CHANNELS:
        return channels_load(settlement, &section);
    case GIRO_IMAGE_UETRS:
        return uetrs_load(settlement, image, &section);
    default:
        return counters_load(settlement, &section);
    }
}

enum giro_reject giro_settlement_load(struct giro_settlement *settlement,
                                      struct giro_image_reader *image, struct giro_hash *root)
{
    static const enum giro_image_section kinds[] = {GIRO_IMAGE_BOOKS, GIRO_IMAGE_MATRICES,
                                                    GIRO_IMAGE_CHANNELS, GIRO_IMAGE_UETRS,
                                                    GIRO_IMAGE_COUNTERS};
    GIRO_ASSERT(!settlement->in_block && settlement->height == 0);
    for (uint32_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        enum giro_reject reject = section_load(settlement, image, kinds[i]);
        if (reject != GIRO_REJECT_NONE)
            return reject;
    }
    if (settlement->height != image->header.height)
        return GIRO_REJECT_FIELD;
    *root = giro_root_update(settlement);
    struct giro_hash again = giro_settlement_recompute(settlement);
    return giro_hash_equal(root, &again) ? GIRO_REJECT_NONE : GIRO_REJECT_HASH;
}

/* ---- Bounds ------------------------------------------------------------------------------------------- */

uint64_t giro_settlement_image_bytes_max(const struct giro_settlement_options *options)
{
    const struct giro_genesis *genesis = options->genesis;
    uint64_t members = genesis->member_count;
    uint64_t channels = (members + 1) * GIRO_CHANNELS_MAX;
    uint64_t books = 64 + members + members * genesis->currency_count * 128u + 16u * 112u;
    uint64_t matrices = genesis->currency_count *
                        (48 + 2 * (members * (4 + members * sizeof(struct giro_matrix_cell))));
    uint64_t windows = channels * (8 + sizeof(struct giro_channel) +
                                   GIRO_CHANNEL_WINDOW * sizeof(struct giro_channel_slot));
    uint64_t uetrs = ((uint64_t)giro_uetr_segments(genesis) + SEGMENTS_PER_CHUNK) /
                     SEGMENTS_PER_CHUNK * GIRO_CHUNK_BYTES;
    return books + matrices + windows + uetrs + 16u * 8u * 42u + 4096u;
}
