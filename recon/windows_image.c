/* The open windows as a section of an image, and back: what windows_digest.c hashes, the rows themselves, and the cycles that
 * settled in the image's block, whose leaves the next journal blocks carry. */
#include "windows.h"

#define ACCOUNT_FIXED_BYTES                                                                        \
    (8u + 8u + 32u + sizeof(struct windows_book) + 4u + 4u + 4u + 4u + 32u +                       \
     GIRO_WINDOW_CYCLES_MAX * (8u + sizeof(struct windows_book)) + KIND_COUNT * 4u)
#define SETTLED_BYTES                                                                              \
    (8u + sizeof(struct giro_leaf_cycle) + 16u + WINDOWS_PATH_MAX * sizeof(struct giro_hash))
static_assert(sizeof(struct windows_book) == 96, "written as bytes: no padding");

bool giro_windows_imageable(const struct giro_windows *windows)
{
    return !windows->in_block && (!windows->open || windows->opened_height == windows->height);
}

bool giro_windows_handed_out(const struct giro_windows *windows, uint64_t height)
{
    const struct windows_ring *groups = &windows->group_ring;
    return groups->first == groups->next ||
           windows->groups[windows_ring_place(groups, groups->first)].height > height;
}

uint64_t giro_windows_image_bytes_max(const struct giro_windows_options *options)
{
    const struct giro_genesis *genesis = options->genesis;
    uint64_t accounts = (uint64_t)genesis->member_count * genesis->currency_count;
    uint64_t cells = accounts * genesis->member_count * sizeof(struct giro_netting_cell);
    return 64 + accounts * ACCOUNT_FIXED_BYTES + cells + genesis->currency_count * SETTLED_BYTES +
           (uint64_t)options->entries_max * sizeof(struct giro_entry) +
           (uint64_t)options->statuses_max * sizeof(struct giro_status_row);
}

/* ---- Writing --------------------------------------------------------------------------------- */

static void list_put(struct giro_writer *writer, const struct windows_pool *pool,
                     const struct windows_list *list)
{
    giro_writer_u32(writer, list->row_count);
    uint8_t *out = giro_writer_reserve(writer, (size_t)list->row_count * pool->row_bytes);
    if (out != NULL)
        windows_pool_copy(pool, list, out);
}

/* Never touched: no digest of it was ever made, and it stands as genesis left it. */
static bool account_untouched(const struct giro_windows *windows, uint32_t index)
{
    return giro_hash_is_zero(&windows->levels[0].nodes[index]);
}

/* Settled cycles are named by their number in the image, not by their place in the ring. */
static uint32_t settled_first(const struct giro_windows *windows, uint32_t *count)
{
    const struct windows_ring *ring = &windows->settled_ring;
    uint64_t first = ring->next;
    while (first > ring->first &&
           windows->settled[windows_ring_place(ring, first - 1)].height == windows->height)
        first--;
    *count = (uint32_t)(ring->next - first);
    return windows_ring_place(ring, first);
}

static void account_put(const struct giro_windows *windows, struct giro_writer *writer,
                        uint32_t index, uint32_t first)
{
    const struct windows_account *account = &windows->accounts[index];
    const uint32_t max = windows->settled_ring.max;
    uint32_t settled = account->settled;
    if (settled != GIRO_NONE)
        settled = (settled + max - first) % max;
    giro_writer_u64(writer, account->sequence);
    giro_writer_u64(writer, account->window);
    giro_writer_put(writer, &account->previous, sizeof(account->previous));
    giro_writer_put(writer, &account->book, sizeof(account->book));
    giro_writer_u32(writer, (windows->active[index / 64] >> (index % 64) & 1) != 0);
    giro_writer_u32(writer, settled);
    giro_writer_put(writer, &account->netting_hash, sizeof(account->netting_hash));
    list_put(writer, &windows->cells, &account->cells);
    giro_writer_u32(writer, account->cycle_count);
    for (uint32_t i = 0; i < account->cycle_count; i++) {
        giro_writer_u32(writer, account->cycles[i].cycle);
        giro_writer_u32(writer, account->cycles[i].state);
        giro_writer_put(writer, &account->cycles[i].book, sizeof(account->cycles[i].book));
    }
    list_put(writer, &windows->bookings, &account->rows[KIND_ENTRIES].list);
    list_put(writer, &windows->bookings, &account->rows[KIND_POSITIONS].list);
    list_put(writer, &windows->statuses, &account->rows[KIND_STATUSES].list);
}

void giro_windows_image_section(const struct giro_windows *windows, struct giro_image *image)
{
    GIRO_ASSERT(giro_windows_imageable(windows));
    struct giro_writer *writer = giro_image_section(image, GIRO_IMAGE_WINDOWS);
    uint32_t settled_count = 0;
    uint32_t first = settled_first(windows, &settled_count);
    giro_writer_u64(writer, windows->height);
    giro_writer_u64(writer, windows->time_ns);
    giro_writer_u64(writer, windows->open ? windows->window : 0);
    giro_writer_u64(writer, windows->records);
    giro_writer_u8(writer, windows->open);
    giro_writer_u8(writer, windows->open && windows->day_switched);
    giro_writer_u16(writer, windows->open ? windows->business_date : 0);
    giro_writer_u32(writer, settled_count);
    for (uint32_t i = 0; i < settled_count; i++) {
        const struct windows_settled *settled =
            &windows->settled[(first + i) % windows->settled_ring.max];
        giro_writer_put(writer, &settled->leaf, sizeof(settled->leaf));
        giro_writer_u32(writer, settled->proof.leaf_index);
        giro_writer_u32(writer, settled->proof.leaf_count);
        giro_writer_u32(writer, settled->proof.path_count);
        giro_writer_put(writer, settled->proof.path,
                        settled->proof.path_count * sizeof(settled->proof.path[0]));
    }
    for (uint32_t i = 0; i < windows->account_count; i++) {
        if (account_untouched(windows, i))
            continue;
        giro_writer_u32(writer, i);
        account_put(windows, writer, i, first);
    }
}

/* ---- Loading --------------------------------------------------------------------------------- */

static enum giro_reject cells_load(struct giro_windows *windows, struct windows_account *account,
                                   struct giro_reader *section)
{
    uint32_t count = giro_reader_u32(section);
    if (count > windows->genesis->member_count)
        return GIRO_REJECT_COUNT;
    for (uint32_t i = 0; i < count; i++) {
        struct giro_netting_cell cell;
        if (!giro_reader_copy(section, &cell, sizeof(cell)))
            return GIRO_REJECT_TRUNCATED;
        if (windows->cells.free_count == 0)
            return GIRO_REJECT_LIMIT;
        windows_pool_append(&windows->cells, &account->cells, &cell);
    }
    return GIRO_REJECT_NONE;
}

static enum giro_reject rows_load(struct giro_windows *windows, uint32_t index,
                                  enum windows_kind kind, struct giro_reader *section)
{
    const struct windows_pool *pool = windows_pool_of(windows, kind);
    uint32_t count = giro_reader_u32(section);
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *row = giro_reader_take(section, pool->row_bytes);
        if (row == NULL)
            return GIRO_REJECT_TRUNCATED;
        if (pool->free_count == 0)
            return GIRO_REJECT_LIMIT;
        windows_row_add(windows, index, kind, row);
    }
    return section->failed ? GIRO_REJECT_TRUNCATED : GIRO_REJECT_NONE;
}

static enum giro_reject account_head_load(struct giro_windows *windows, uint32_t index,
                                          struct giro_reader *section)
{
    struct windows_account *account = &windows->accounts[index];
    account->sequence = giro_reader_u64(section);
    account->window = giro_reader_u64(section);
    giro_reader_copy(section, &account->previous, sizeof(account->previous));
    giro_reader_copy(section, &account->book, sizeof(account->book));
    uint32_t active = giro_reader_u32(section);
    account->settled = giro_reader_u32(section);
    giro_reader_copy(section, &account->netting_hash, sizeof(account->netting_hash));
    if (section->failed)
        return GIRO_REJECT_TRUNCATED;
    if (active > (windows->open ? 1u : 0u))
        return GIRO_REJECT_FIELD;
    if (active)
        windows_bit_set(windows->active, index);
    if (account->settled != GIRO_NONE) {
        if (account->settled >= windows->settled_ring.next || !active)
            return GIRO_REJECT_FIELD;
        windows->settled[account->settled].users++;
    }
    return GIRO_REJECT_NONE;
}

static enum giro_reject account_load(struct giro_windows *windows, uint32_t index,
                                     struct giro_reader *section)
{
    struct windows_account *account = &windows->accounts[index];
    enum giro_reject reject = account_head_load(windows, index, section);
    if (reject == GIRO_REJECT_NONE)
        reject = cells_load(windows, account, section);
    if (reject != GIRO_REJECT_NONE)
        return reject;
    account->cycle_count = giro_reader_u32(section);
    if (account->cycle_count > GIRO_WINDOW_CYCLES_MAX)
        return GIRO_REJECT_COUNT;
    for (uint32_t i = 0; i < account->cycle_count; i++) {
        account->cycles[i].cycle = giro_reader_u32(section);
        account->cycles[i].state = (uint8_t)giro_reader_u32(section);
        giro_reader_copy(section, &account->cycles[i].book, sizeof(account->cycles[i].book));
    }
    for (enum windows_kind kind = 0; reject == GIRO_REJECT_NONE && kind < KIND_COUNT; kind++)
        reject = rows_load(windows, index, kind, section);
    windows_touch(windows, index);
    return reject;
}

static enum giro_reject settled_load(struct giro_windows *windows, uint32_t count,
                                     struct giro_reader *section)
{
    if (count > windows->genesis->currency_count)
        return GIRO_REJECT_COUNT;
    for (uint32_t i = 0; i < count; i++) {
        struct windows_settled *settled = &windows->settled[i];
        giro_reader_copy(section, &settled->leaf, sizeof(settled->leaf));
        settled->height = windows->height;
        settled->users = 0;
        settled->has_certificate = false;
        settled->proof.leaf_index = giro_reader_u32(section);
        settled->proof.leaf_count = giro_reader_u32(section);
        settled->proof.path_count = giro_reader_u32(section);
        if (settled->proof.path_count > WINDOWS_PATH_MAX)
            return GIRO_REJECT_COUNT;
        giro_reader_copy(section, settled->proof.path,
                         settled->proof.path_count * sizeof(settled->proof.path[0]));
    }
    windows->settled_ring.next = count;
    return section->failed ? GIRO_REJECT_TRUNCATED : GIRO_REJECT_NONE;
}

enum giro_reject giro_windows_load(struct giro_windows *windows, struct giro_image_reader *image)
{
    struct giro_reader section;
    GIRO_ASSERT(!windows->in_block && windows->height == 0);
    enum giro_reject reject = giro_image_next(image, GIRO_IMAGE_WINDOWS, &section);
    if (reject != GIRO_REJECT_NONE)
        return reject;
    windows->height = giro_reader_u64(&section);
    windows->time_ns = giro_reader_u64(&section);
    windows->window = giro_reader_u64(&section);
    windows->records = giro_reader_u64(&section);
    uint8_t open = giro_reader_u8(&section), switched = giro_reader_u8(&section);
    windows->business_date = giro_reader_u16(&section);
    uint32_t settled_count = giro_reader_u32(&section);
    if (section.failed)
        return GIRO_REJECT_TRUNCATED;
    if (open > 1 || switched > open || windows->height != image->header.height)
        return GIRO_REJECT_FIELD;
    windows->open = open == 1;
    windows->day_switched = switched == 1;
    windows->opened_height = windows->height;
    reject = settled_load(windows, settled_count, &section);
    uint32_t next = 0;
    while (reject == GIRO_REJECT_NONE && giro_reader_left(&section) > 0) {
        uint32_t index = giro_reader_u32(&section);
        if (index < next || index >= windows->account_count)
            return GIRO_REJECT_COUNT;
        next = index + 1;
        reject = account_load(windows, index, &section);
    }
    if (reject == GIRO_REJECT_NONE && section.failed)
        reject = GIRO_REJECT_TRUNCATED;
    if (reject == GIRO_REJECT_NONE)
        windows_digest_refresh(windows);
    return reject;
}
