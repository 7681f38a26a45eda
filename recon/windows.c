/* The open window: memory, the bookings that come in, begin and end of a block, views. */
#include "windows.h"
#include "journal.h"

#define SETTLED_MAX 1024u /* cycles settled and not yet handed out */
#define GROUPS_MAX  4096u /* blocks that sealed something and are not yet handed out */
#define ENTRIES_MAX (1u << 26)
#define RINGS_SPARE 64u /* below this many free elements no frames are taken */

/* ---- Memory ---------------------------------------------------------------------------------- */

static bool options_good(const struct giro_windows_options *options)
{
    const struct giro_genesis *genesis = options->genesis;
    if (genesis == NULL || options->entries_max < 1 || options->entries_max > ENTRIES_MAX ||
        options->statuses_max < 1 || options->statuses_max > ENTRIES_MAX)
        return false;
    if (genesis->member_count < 1 || genesis->member_count > GIRO_MEMBERS_MAX ||
        genesis->currency_count < 1 || genesis->currency_count > GIRO_CURRENCIES_MAX)
        return false;
    uint64_t rows_bytes = (uint64_t)options->entries_max * sizeof(struct giro_entry) +
                          (uint64_t)options->statuses_max * sizeof(struct giro_status_row);
    return rows_bytes < UINT32_MAX - (1u << 24); /* a block's size is a u32 */
}

static uint32_t chunks_for(uint32_t rows)
{
    return (rows + WINDOWS_CHUNK_ROWS - 1) / WINDOWS_CHUNK_ROWS;
}

/* The largest block: every row of every pool in one window. */
static size_t block_bytes_max(const struct giro_windows *windows)
{
    size_t rows = ((size_t)windows->bookings.chunk_count * sizeof(struct giro_entry) +
                   (size_t)windows->statuses.chunk_count * sizeof(struct giro_status_row)) *
                  WINDOWS_CHUNK_ROWS;
    size_t proofs = 2 * (WINDOWS_PATH_MAX * sizeof(struct giro_hash) + GIRO_CERTIFICATE_BYTES_MAX);
    return sizeof(struct giro_journal_block) + sizeof(struct giro_window_record) +
           GIRO_WINDOW_CYCLES_MAX * sizeof(struct giro_window_cycle) + rows + JOURNAL_CYCLE_BYTES +
           windows->genesis->member_count * sizeof(struct giro_netting_cell) +
           sizeof(struct giro_hash) + proofs + 8;
}

/* Each account may leave one chunk of each kind half empty, on top of what the options ask for. */
static void layout(struct giro_windows *windows, struct windows_memory *memory,
                   const struct giro_windows_options *options)
{
    const struct giro_genesis *genesis = options->genesis;
    windows->genesis = genesis;
    windows->account_count = genesis->member_count * genesis->currency_count;
    windows->cells_full = windows->account_count * chunks_for(genesis->member_count);
    uint32_t sealed_max = 2 * windows->account_count + chunks_for(options->entries_max);
    windows->accounts =
        windows_take(memory, windows->account_count * sizeof(struct windows_account));
    windows->active = windows_take(memory, (windows->account_count + 63) / 64 * sizeof(uint64_t));
    windows_digest_layout(windows, memory);
    windows_pool_init(&windows->bookings, memory,
                      chunks_for(options->entries_max) + 2 * windows->account_count,
                      sizeof(struct giro_entry));
    windows_pool_init(&windows->statuses, memory,
                      chunks_for(options->statuses_max) + windows->account_count,
                      sizeof(struct giro_status_row));
    windows_pool_init(&windows->cells, memory, 2 * windows->cells_full + sealed_max,
                      sizeof(struct giro_netting_cell));
    windows->sealed_ring = (struct windows_ring){.max = sealed_max};
    windows->settled_ring = (struct windows_ring){.max = SETTLED_MAX};
    windows->group_ring = (struct windows_ring){.max = GROUPS_MAX};
    windows->sealed = windows_take(memory, sealed_max * sizeof(struct windows_sealed));
    windows->settled = windows_take(memory, SETTLED_MAX * sizeof(struct windows_settled));
    windows->groups = windows_take(memory, GROUPS_MAX * sizeof(struct windows_group));
    windows->row = windows_take(memory, genesis->member_count * sizeof(struct giro_netting_cell));
    windows->block_bytes = block_bytes_max(windows);
    windows->block = windows_take(memory, windows->block_bytes);
}

size_t giro_windows_footprint(const struct giro_windows_options *options)
{
    if (!options_good(options))
        return 0;
    struct giro_windows sizes = {.height = 0};
    struct windows_memory memory = {.base = NULL};
    windows_take(&memory, sizeof(sizes));
    layout(&sizes, &memory, options);
    return memory.used_bytes;
}

static void accounts_init(struct giro_windows *windows)
{
    const struct giro_genesis *genesis = windows->genesis;
    for (uint32_t i = 0; i < windows->account_count; i++) {
        windows->accounts[i].settled = GIRO_NONE;
        windows->accounts[i].book.next_entry = 1;
    }
    for (uint32_t i = 0; i < genesis->member_count; i++) {
        const struct giro_genesis_member *member = &genesis->members[i];
        for (uint32_t k = 0; k < member->account_count; k++) {
            uint32_t index = i * genesis->currency_count + member->accounts[k].currency_index;
            struct windows_book *book = &windows->accounts[index].book;
            book->opening = book->closing = member->accounts[k].prefunded_minor;
        }
    }
}

struct giro_windows *giro_windows_init(void *mem, size_t size_bytes,
                                       const struct giro_windows_options *options)
{
    size_t footprint = giro_windows_footprint(options);
    if (footprint == 0 || mem == NULL || size_bytes < footprint || options->ledger == NULL)
        return NULL;
    struct windows_memory memory = {.base = mem};
    struct giro_windows *windows = windows_take(&memory, sizeof(*windows));
    layout(windows, &memory, options);
    GIRO_ASSERT(memory.used_bytes == footprint);
    windows->settlement = options->settlement;
    windows->ledger = options->ledger;
    windows->sink = options->sink;
    memcpy(windows->secret, options->secret, sizeof(windows->secret));
    accounts_init(windows);
    windows_digest_refresh(windows);
    return windows;
}

void giro_windows_attach(struct giro_windows *windows, const struct giro_settlement *settlement)
{
    GIRO_ASSERT(!windows->in_block);
    windows->settlement = settlement;
}

/* ---- Bookings -------------------------------------------------------------------------------- */

static struct windows_account *account_open(struct giro_windows *windows, uint16_t member,
                                            uint32_t currency_index)
{
    GIRO_ASSERT(windows->in_block);
    GIRO_ASSERT(member < windows->genesis->member_count);
    GIRO_ASSERT(currency_index < windows->genesis->currency_count);
    uint32_t index = member * windows->genesis->currency_count + currency_index;
    windows->open = true;
    windows_bit_set(windows->active, index);
    windows_touch(windows, index);
    return &windows->accounts[index];
}

void windows_row_add(struct giro_windows *windows, uint32_t account_index, enum windows_kind kind,
                     const void *row)
{
    static const char *const tags[KIND_COUNT] = {[KIND_ENTRIES] = GIRO_TAG_ENTRIES,
                                                 [KIND_POSITIONS] = GIRO_TAG_POSITIONS,
                                                 [KIND_STATUSES] = GIRO_TAG_STATUSES};
    struct windows_rows *rows = &windows->accounts[account_index].rows[kind];
    struct windows_pool *pool = windows_pool_of(windows, kind);
    if (rows->list.row_count == 0)
        journal_rows_begin(&rows->hash, tags[kind], &windows->genesis->chain_id,
                           windows_member(windows, account_index),
                           windows_currency(windows, account_index), windows->window);
    windows_pool_append(pool, &rows->list, row);
    if (rows->list.row_count == 1)
        rows->hashed_chunk = rows->list.head;
}

static void row_add(struct giro_windows *windows, const struct windows_account *account,
                    enum windows_kind kind, const void *row)
{
    windows_row_add(windows, (uint32_t)(account - windows->accounts), kind, row);
}

/* Books what settlement already booked, and proves on the way that both count the same. */
static void book_add(struct windows_book *book, const struct giro_entry *entry)
{
    GIRO_ASSERT(entry->amount_minor > 0);
    GIRO_ASSERT(entry->direction == GIRO_DEBIT || entry->direction == GIRO_CREDIT);
    GIRO_ASSERT(entry->entry == book->next_entry);
    bool debit = entry->direction == GIRO_DEBIT;
    giro_i128 *sum = debit ? &book->debit : &book->credit;
    bool fits = giro_money_add(*sum, entry->amount_minor, sum);
    GIRO_ASSERT(fits);
    fits =
        giro_money_add(book->closing, debit ? -(giro_i128)entry->amount_minor : entry->amount_minor,
                       &book->closing);
    GIRO_ASSERT(fits);
    GIRO_ASSERT(book->closing == giro_amount128_get(entry->balance_after));
    *(debit ? &book->debit_count : &book->credit_count) += 1;
    if (book->first_entry == 0)
        book->first_entry = entry->entry;
    book->next_entry++;
}

static struct windows_cycle *cycle_find(struct windows_account *account, uint32_t cycle)
{
    for (uint32_t i = 0; i < account->cycle_count; i++) {
        if (account->cycles[i].cycle == cycle)
            return &account->cycles[i];
    }
    return NULL;
}

static struct windows_cycle *cycle_get(struct windows_account *account, uint32_t cycle)
{
    struct windows_cycle *found = cycle_find(account, cycle);
    if (found != NULL)
        return found;
    /* settlement lets one cycle of a currency settle in a second: the open one, a settled one,
     * and room */
    GIRO_ASSERT(account->cycle_count < GIRO_WINDOW_CYCLES_MAX);
    GIRO_ASSERT(account->cycle_count == 0 ||
                account->cycles[account->cycle_count - 1].cycle < cycle);
    found = &account->cycles[account->cycle_count++];
    *found =
        (struct windows_cycle){.cycle = cycle, .state = GIRO_CYCLE_OPEN, .book = {.next_entry = 1}};
    return found;
}

static void on_entry(void *context, uint16_t member, uint32_t currency_index,
                     const struct giro_entry *entry)
{
    struct giro_windows *windows = context;
    struct windows_account *account = account_open(windows, member, currency_index);
    GIRO_ASSERT(entry->height == windows->height);
    GIRO_ASSERT(entry->booking_time_ns == windows->time_ns);
    GIRO_ASSERT(entry->reserved == 0);
    if (entry->book == GIRO_BOOK_ACCOUNT) {
        book_add(&account->book, entry);
        row_add(windows, account, KIND_ENTRIES, entry);
        return;
    }
    GIRO_ASSERT(entry->book == GIRO_BOOK_POSITION);
    struct windows_cycle *cycle = cycle_get(account, entry->cycle);
    GIRO_ASSERT(cycle->state == GIRO_CYCLE_OPEN);
    book_add(&cycle->book, entry);
    row_add(windows, account, KIND_POSITIONS, entry);
}

static void on_status(void *context, uint16_t member, uint32_t currency_index,
                      const struct giro_status_row *row)
{
    struct giro_windows *windows = context;
    struct windows_account *account = account_open(windows, member, currency_index);
    GIRO_ASSERT(row->height == windows->height);
    GIRO_ASSERT(row->time_ns == windows->time_ns);
    GIRO_ASSERT(row->reserved == 0);
    row_add(windows, account, KIND_STATUSES, row);
}

/* ---- Cycles ---------------------------------------------------------------------------------- */

/* The member's cells must be read now: the next settlement overwrites them. Returns how many
 * there are. */
static uint32_t cells_keep(struct giro_windows *windows, uint16_t member, uint32_t currency_index,
                           uint32_t cycle, uint32_t settled)
{
    uint32_t count = giro_settlement_netting_row(windows->settlement, currency_index, member,
                                                 windows->row, windows->genesis->member_count);
    GIRO_ASSERT(count <= windows->genesis->member_count);
    if (count == 0)
        return 0;
    struct windows_account *account = account_open(windows, member, currency_index);
    GIRO_ASSERT(account->settled == GIRO_NONE); /* one settlement of a currency in a second */
    cycle_get(account, cycle);
    account->settled = settled;
    account->netting_hash = giro_netting_row_hash(
        &windows->genesis->chain_id, cycle, member,
        windows->genesis->currencies[currency_index].number, windows->row, count);
    for (uint32_t i = 0; i < count; i++)
        windows_pool_append(&windows->cells, &account->cells, &windows->row[i]);
    return count;
}

static void on_cycle(void *context, uint32_t currency_index, uint32_t cycle,
                     enum giro_cycle_state state, uint32_t next_cycle, uint32_t leaf_index)
{
    (void)next_cycle; /* seen when the first payment of it is booked */
    struct giro_windows *windows = context;
    GIRO_ASSERT(windows->in_block);
    GIRO_ASSERT(windows->settlement != NULL);
    GIRO_ASSERT(windows_ring_free(&windows->settled_ring) > 0);
    uint32_t place = windows_ring_place(&windows->settled_ring, windows->settled_ring.next);
    struct windows_settled *settled = &windows->settled[place];
    settled->height = windows->height;
    settled->proof.leaf_index = leaf_index;
    settled->users = 0;
    settled->has_certificate = false;
    for (uint32_t i = 0; i < windows->genesis->member_count; i++) {
        uint16_t member = (uint16_t)i;
        if (state == GIRO_CYCLE_SETTLED &&
            cells_keep(windows, member, currency_index, cycle, place) > 0)
            settled->users++;
        struct windows_cycle *found = cycle_find(
            &windows->accounts[i * windows->genesis->currency_count + currency_index], cycle);
        if (found == NULL || found->state == state)
            continue;
        account_open(windows, member, currency_index);
        found->state = (uint8_t)state;
    }
    if (settled->users > 0)
        windows->settled_ring.next++;
}

struct giro_settlement_sink giro_windows_settlement_sink(struct giro_windows *windows)
{
    return (struct giro_settlement_sink){
        .context = windows, .entry = on_entry, .status = on_status, .cycle = on_cycle};
}

/* ---- Blocks ---------------------------------------------------------------------------------- */

void giro_windows_begin(struct giro_windows *windows, uint64_t height, uint64_t time_ns)
{
    GIRO_ASSERT(!windows->in_block);
    GIRO_ASSERT(windows->settlement != NULL);
    GIRO_ASSERT(height > windows->height);
    GIRO_ASSERT(time_ns >= windows->time_ns);
    windows->in_block = true;
    windows->height = height;
    windows->time_ns = time_ns;
    windows->settled_block_first = windows->settled_ring.next;
    uint64_t window = time_ns / GIRO_NS_PER_S;
    if (windows->open && (window > windows->window || windows->day_switched))
        windows_seal(windows);
    if (!windows->open) {
        windows->window = window;
        windows->opened_height = height;
        windows->business_date = giro_settlement_business_date(windows->settlement);
        windows->day_switched = false;
    }
}

static void proof_keep(const struct giro_windows *windows, struct windows_proof *proof)
{
    struct giro_hash path[GIRO_PROOF_PATH_MAX];
    proof->leaf_count = giro_ledger_count(windows->ledger);
    proof->path_count = giro_ledger_path(windows->ledger, proof->leaf_index, path);
    GIRO_ASSERT(proof->path_count <= WINDOWS_PATH_MAX);
    memcpy(proof->path, path, proof->path_count * sizeof(path[0]));
}

static void settled_keep(struct giro_windows *windows, struct windows_settled *settled)
{
    uint32_t size_bytes = 0;
    const uint8_t *leaf = giro_ledger_leaf(windows->ledger, settled->proof.leaf_index, &size_bytes);
    GIRO_ASSERT(size_bytes == GIRO_TAG_BYTES + sizeof(settled->leaf));
    GIRO_ASSERT(memcmp(leaf, GIRO_TAG_LEAF_CYCLE, GIRO_TAG_BYTES) == 0);
    memcpy(&settled->leaf, leaf + GIRO_TAG_BYTES, sizeof(settled->leaf));
    GIRO_ASSERT(settled->leaf.height == windows->height);
    proof_keep(windows, &settled->proof);
}

void giro_windows_end(struct giro_windows *windows)
{
    GIRO_ASSERT(windows->in_block);
    struct windows_ring *groups = &windows->group_ring;
    if (groups->next > groups->first) {
        const struct windows_group *group =
            &windows->groups[windows_ring_place(groups, groups->next - 1)];
        for (uint32_t i = 0; group->height == windows->height && i < group->sealed_count; i++)
            proof_keep(
                windows,
                &windows->sealed[windows_ring_place(&windows->sealed_ring, group->sealed_first + i)]
                     .proof);
    }
    for (uint64_t i = windows->settled_block_first; i < windows->settled_ring.next; i++)
        settled_keep(windows, &windows->settled[windows_ring_place(&windows->settled_ring, i)]);
    if (windows->open &&
        giro_settlement_business_date(windows->settlement) != windows->business_date)
        windows->day_switched = true;
    windows_digest_refresh(windows);
    windows->in_block = false;
}

/* ---- Views ----------------------------------------------------------------------------------- */

uint16_t giro_windows_business_date(const struct giro_windows *windows)
{
    GIRO_ASSERT(windows->in_block && windows->open);
    return windows->business_date;
}

uint64_t giro_windows_next_due(const struct giro_windows *windows)
{
    if (!windows->open)
        return UINT64_MAX;
    return windows->day_switched ? windows->time_ns : (windows->window + 1) * GIRO_NS_PER_S;
}

/* Rows that fit beside `kept` chunks. */
static uint32_t pool_room(const struct windows_pool *pool, uint32_t kept)
{
    return pool->free_count <= kept ? 0 : (pool->free_count - kept) * WINDOWS_CHUNK_ROWS;
}

uint32_t giro_windows_room(const struct giro_windows *windows)
{
    if (windows->cells.free_count < windows->cells_full ||
        windows_ring_free(&windows->settled_ring) < RINGS_SPARE ||
        windows_ring_free(&windows->group_ring) < RINGS_SPARE)
        return 0;
    uint32_t bookings = pool_room(&windows->bookings, 2 * windows->account_count);
    uint32_t statuses = pool_room(&windows->statuses, windows->account_count);
    uint32_t sealed = windows_ring_free(&windows->sealed_ring);
    uint32_t records = sealed <= windows->account_count
                           ? 0
                           : (sealed - windows->account_count) * WINDOWS_CHUNK_ROWS;
    uint32_t room = bookings < statuses ? bookings : statuses;
    return room < records ? room : records;
}

uint64_t giro_windows_sealed(const struct giro_windows *windows)
{
    return windows->records;
}
