/* Sealing: one canonical record per account with something in the window, and its leaf. */
#include "journal.h"
#include "windows.h"

static void cycle_record(const struct windows_cycle *cycle, struct giro_window_cycle *out)
{
    const struct windows_book *book = &cycle->book;
    GIRO_ASSERT(book->opening + book->credit - book->debit == book->closing);
    *out = (struct giro_window_cycle){.cycle = cycle->cycle,
                                      .state = cycle->state,
                                      .first_entry = book->first_entry,
                                      .position_count = book->debit_count + book->credit_count,
                                      .opening = giro_amount128_make(book->opening),
                                      .debit_minor = giro_amount128_make(book->debit),
                                      .credit_minor = giro_amount128_make(book->credit),
                                      .closing = giro_amount128_make(book->closing),
                                      .debit_count = book->debit_count,
                                      .credit_count = book->credit_count};
}

static bool cycle_over(uint8_t state)
{
    return state == GIRO_CYCLE_SETTLED || state == GIRO_CYCLE_ABORTED;
}

/* What the window shows of the books as they stand at its end, which is now: nothing of this
 * block has run yet. */
static void view_record(const struct giro_windows *windows, uint32_t account_index,
                        const struct windows_account *account, struct giro_window_record *record)
{
    struct giro_account_view view;
    giro_settlement_account(windows->settlement, record->member,
                            account_index % windows->genesis->currency_count, &view);
    if (!view.exists) { /* statuses of refused payments only */
        GIRO_ASSERT(account->book.next_entry == 1);
        GIRO_ASSERT(account->cycle_count == 0);
        return;
    }
    GIRO_ASSERT(view.balance == account->book.closing);
    GIRO_ASSERT(view.entries == account->book.next_entry - 1);
    GIRO_ASSERT(view.available + view.reserved + view.held == view.balance);
    record->available = giro_amount128_make(view.available);
    record->reserved_minor = giro_amount128_make(view.reserved);
    record->held_minor = giro_amount128_make(view.held);
    record->cap_minor = giro_amount128_make(view.cap);
    giro_i128 used = 0, position = 0;
    for (uint32_t i = 0; i < account->cycle_count; i++) {
        const struct windows_cycle *cycle = &account->cycles[i];
        if (cycle->cycle == view.cycle)
            position = cycle->book.closing;
        if (!cycle_over(cycle->state) && cycle->book.closing < 0)
            used -= cycle->book.closing;
    }
    GIRO_ASSERT(view.position == position);
    record->cap_used_minor = giro_amount128_make(used);
}

static void hashes_record(const struct windows_account *account, struct giro_window_record *record)
{
    struct giro_hash *const hashes[KIND_COUNT] = {[KIND_ENTRIES] = &record->entries_hash,
                                                  [KIND_POSITIONS] = &record->positions_hash,
                                                  [KIND_STATUSES] = &record->statuses_hash};
    for (uint32_t kind = 0; kind < KIND_COUNT; kind++) {
        const struct windows_rows *rows = &account->rows[kind];
        GIRO_ASSERT(rows->hashed_count == rows->list.row_count); /* sealing comes before new rows */
        *hashes[kind] = rows->so_far;
    }
    record->entry_count = account->rows[KIND_ENTRIES].list.row_count;
    record->position_count = account->rows[KIND_POSITIONS].list.row_count;
    record->status_count = account->rows[KIND_STATUSES].list.row_count;
}

static void record_make(const struct giro_windows *windows, uint32_t account_index,
                        struct windows_account *account, struct windows_sealed *sealed)
{
    const struct windows_book *book = &account->book;
    uint64_t covered = account->sequence == 0 ? 1 : windows->window - account->window;
    GIRO_ASSERT(account->sequence == 0 || windows->window >= account->window);
    GIRO_ASSERT(covered <= UINT32_MAX); /* 136 years */
    GIRO_ASSERT(book->opening + book->credit - book->debit == book->closing);
    struct giro_window_record *record = &sealed->record;
    *record = (struct giro_window_record){.head = giro_head_make(GIRO_KIND_WINDOW),
                                          .window = windows->window,
                                          .member = windows_member(windows, account_index),
                                          .currency = windows_currency(windows, account_index),
                                          .business_date = windows->business_date,
                                          .cycle_count = (uint16_t)account->cycle_count,
                                          .covered_windows = (uint32_t)covered,
                                          .sealed_height = windows->height,
                                          .first_entry = book->first_entry,
                                          .opening = giro_amount128_make(book->opening),
                                          .debit_minor = giro_amount128_make(book->debit),
                                          .credit_minor = giro_amount128_make(book->credit),
                                          .closing = giro_amount128_make(book->closing),
                                          .debit_count = book->debit_count,
                                          .credit_count = book->credit_count,
                                          .sequence = account->sequence + 1,
                                          .previous = account->previous,
                                          .netting_hash = account->netting_hash,
                                          .chain_id = windows->genesis->chain_id};
    view_record(windows, account_index, account, record);
    hashes_record(account, record);
    for (uint32_t i = 0; i < account->cycle_count; i++)
        cycle_record(&account->cycles[i], &sealed->cycles[i]);
}

static struct giro_hash salt_make(const struct giro_windows *windows,
                                  const struct giro_window_record *record)
{
    const struct giro_part parts[] = {{GIRO_TAG_WINDOW_SALT, GIRO_TAG_BYTES},
                                      {windows->secret, sizeof(windows->secret)},
                                      {&record->member, sizeof(record->member)},
                                      {&record->currency, sizeof(record->currency)},
                                      {&record->window, sizeof(record->window)}};
    return giro_sha256_parts(parts, 5);
}

static void book_turn(struct windows_book *book)
{
    *book = (struct windows_book){
        .opening = book->closing, .closing = book->closing, .next_entry = book->next_entry};
}

/* The account as it stands for its next window: only cycles that can still change stay. */
static void account_turn(struct giro_windows *windows, struct windows_account *account,
                         const struct giro_hash *record_hash)
{
    account->sequence++;
    account->window = windows->window;
    account->previous = *record_hash;
    book_turn(&account->book);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < account->cycle_count; i++) {
        if (cycle_over(account->cycles[i].state))
            continue;
        account->cycles[kept] = account->cycles[i];
        book_turn(&account->cycles[kept].book);
        kept++;
    }
    account->cycle_count = kept;
    account->settled = GIRO_NONE;
    account->cells = (struct windows_list){.row_count = 0};
    account->netting_hash = giro_hash_zero;
    for (uint32_t kind = 0; kind < KIND_COUNT; kind++)
        account->rows[kind] = (struct windows_rows){.list = {.row_count = 0}};
}

static void account_seal(struct giro_windows *windows, uint32_t account_index)
{
    struct windows_account *account = &windows->accounts[account_index];
    GIRO_ASSERT(windows_ring_free(&windows->sealed_ring) > 0); /* kept by giro_windows_room */
    struct windows_sealed *sealed =
        &windows->sealed[windows_ring_place(&windows->sealed_ring, windows->sealed_ring.next++)];
    record_make(windows, account_index, account, sealed);
    sealed->salt = salt_make(windows, &sealed->record);
    struct giro_hash hash = journal_record_hash(&sealed->record, sealed->cycles);
    uint8_t leaf[JOURNAL_LEAF_BYTES];
    journal_leaf(&sealed->salt, &hash, leaf);
    const struct giro_part part = {leaf, sizeof(leaf)};
    sealed->proof.leaf_index = giro_ledger_add(windows->ledger, &part, 1);
    for (uint32_t kind = 0; kind < KIND_COUNT; kind++)
        sealed->rows[kind] = account->rows[kind].list;
    sealed->cells = account->cells;
    sealed->settled = account->settled;
    account_turn(windows, account, &hash);
    windows_touch(windows, account_index);
    windows->records++;
}

void windows_seal(struct giro_windows *windows)
{
    GIRO_ASSERT(windows_ring_free(&windows->group_ring) > 0); /* kept by giro_windows_room */
    struct windows_group *group =
        &windows->groups[windows_ring_place(&windows->group_ring, windows->group_ring.next++)];
    group->height = windows->height;
    group->sealed_first = windows->sealed_ring.next;
    group->has_certificate = false;
    uint32_t word_count = (windows->account_count + 63) / 64;
    for (uint32_t word = 0; word < word_count; word++) {
        while (windows->active[word] != 0) {
            account_seal(windows, word * 64 + (uint32_t)__builtin_ctzll(windows->active[word]));
            windows->active[word] &= windows->active[word] - 1;
        }
    }
    group->sealed_count = (uint32_t)(windows->sealed_ring.next - group->sealed_first);
    GIRO_ASSERT(group->sealed_count > 0);
    windows->open = false;
}
