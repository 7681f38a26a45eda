/* The sums of one journal block, recomputed from its rows. Every row is looked at, and a fault
 * names it by number. */
#include "journal_books.h"

#define TRY(expr)                                                                                  \
    do {                                                                                           \
        const char *fault_ = (expr);                                                               \
        if (fault_ != NULL)                                                                        \
            return fault_;                                                                         \
    } while (0)

/* "entry 17: its amount is ..." in a buffer of this thread, which lives until the thread's next
 * fault. The model keeps this module free of a call to find the buffer; no printf: the module is
 * pure. */
static const char *row_fault(const char *what, uint64_t row, const char *fault)
{
    static _Thread_local char text[160] __attribute__((tls_model("initial-exec")));
    char digits[20];
    uint32_t digit_count = 0;
    do {
        digits[digit_count++] = (char)('0' + row % 10);
        row /= 10;
    } while (row > 0);
    size_t what_bytes = strlen(what), fault_bytes = strlen(fault);
    GIRO_ASSERT(what_bytes + 1 + digit_count + 2 + fault_bytes < sizeof(text));
    char *at = text;
    memcpy(at, what, what_bytes);
    at += what_bytes;
    *at++ = ' ';
    while (digit_count > 0)
        *at++ = digits[--digit_count];
    *at++ = ':';
    *at++ = ' ';
    memcpy(at, fault, fault_bytes + 1);
    return text;
}

/* ---- One book -------------------------------------------------------------------------------- */

struct book {
    giro_i128 balance, debit, credit;
    uint64_t debit_count, credit_count, next_entry;
};

static const char *row_check(const struct giro_journal_view *view, const struct giro_entry *row,
                             uint64_t last_height)
{
    if (row->amount_minor <= 0 || row->amount_minor > GIRO_AMOUNT_MAX_MINOR)
        return "its amount is out of range";
    if (row->direction != GIRO_DEBIT && row->direction != GIRO_CREDIT)
        return "it is neither a debit nor a credit";
    if (row->booking_time_ns / GIRO_NS_PER_S != view->record.window)
        return "it was booked in another second";
    if (row->height == 0 || row->height >= view->record.sealed_height)
        return "it was not booked before the window was sealed";
    if (row->height < last_height)
        return "it was booked before the row above it";
    return NULL;
}

static const char *book_add(struct book *book, const struct giro_entry *row)
{
    if (row->entry != book->next_entry)
        return "its number does not follow";
    bool debit = row->direction == GIRO_DEBIT;
    giro_i128 *sum = debit ? &book->debit : &book->credit;
    giro_i128 change = debit ? -(giro_i128)row->amount_minor : row->amount_minor;
    if (!giro_money_add(*sum, row->amount_minor, sum) ||
        !giro_money_add(book->balance, change, &book->balance))
        return "the sum overflows";
    if (giro_amount128_get(row->balance_after) != book->balance)
        return "its balance is not the one before plus or minus its amount";
    *(debit ? &book->debit_count : &book->credit_count) += 1;
    book->next_entry++;
    return NULL;
}

static const char *account_check(const struct giro_journal_view *view)
{
    const struct giro_window_record *record = &view->record;
    struct book book = {.balance = giro_amount128_get(record->opening),
                        .next_entry = record->first_entry};
    uint64_t height = 0;
    if ((record->entry_count == 0) != (record->first_entry == 0))
        return "the window's first entry number does not fit its entry count";
    for (uint64_t i = 0; i < record->entry_count; i++) {
        struct giro_entry row;
        memcpy(&row, view->entries + i * sizeof(row), sizeof(row));
        const char *fault = row_check(view, &row, height);
        if (fault == NULL && row.book != GIRO_BOOK_ACCOUNT)
            fault = "it is not of the settlement account";
        if (fault == NULL)
            fault = book_add(&book, &row);
        if (fault == NULL && book.balance < 0)
            fault = "it leaves the account below zero";
        if (fault != NULL)
            return row_fault("entry", row.entry, fault);
        height = row.height;
    }
    if (book.debit != giro_amount128_get(record->debit_minor) ||
        book.debit_count != record->debit_count)
        return "the debits do not add up to the window's debit total";
    if (book.credit != giro_amount128_get(record->credit_minor) ||
        book.credit_count != record->credit_count)
        return "the credits do not add up to the window's credit total";
    if (book.balance != giro_amount128_get(record->closing))
        return "opening, credits and debits do not make the window's closing balance";
    giro_i128 available = giro_amount128_get(record->available);
    giro_i128 reserved = giro_amount128_get(record->reserved_minor);
    giro_i128 held = giro_amount128_get(record->held_minor);
    giro_i128 sum;
    if (available < 0 || reserved < 0 || held < 0 || !giro_money_add(available, reserved, &sum) ||
        !giro_money_add(sum, held, &sum) || sum != book.balance)
        return "available, reserved and held do not make the window's closing balance";
    return NULL;
}

/* ---- Positions ------------------------------------------------------------------------------- */

static bool cycle_over(uint8_t state)
{
    return state == GIRO_CYCLE_SETTLED || state == GIRO_CYCLE_ABORTED;
}

static uint32_t cycle_find(const struct giro_journal_view *view, uint32_t cycle)
{
    for (uint32_t i = 0; i < view->record.cycle_count; i++) {
        if (view->cycles[i].cycle == cycle)
            return i;
    }
    return GIRO_NONE;
}

static const char *cycle_totals_check(const struct giro_window_cycle *cycle,
                                      const struct book *book)
{
    uint64_t count = book->debit_count + book->credit_count;
    if (count != cycle->position_count || (count == 0) != (cycle->first_entry == 0))
        return "it does not have as many position entries as it says";
    if (book->debit != giro_amount128_get(cycle->debit_minor) ||
        book->debit_count != cycle->debit_count)
        return "its debits do not add up";
    if (book->credit != giro_amount128_get(cycle->credit_minor) ||
        book->credit_count != cycle->credit_count)
        return "its credits do not add up";
    if (book->balance != giro_amount128_get(cycle->closing))
        return "opening, credits and debits do not make its closing position";
    return NULL;
}

static const char *cycles_check(const struct giro_journal_view *view, const struct book *books)
{
    giro_i128 used = 0;
    for (uint32_t i = 0; i < view->record.cycle_count; i++) {
        const struct giro_window_cycle *cycle = &view->cycles[i];
        if (i > 0 && cycle->cycle <= view->cycles[i - 1].cycle)
            return row_fault("cycle", cycle->cycle, "it is not in ascending order");
        const char *fault = cycle_totals_check(cycle, &books[i]);
        if (fault != NULL)
            return row_fault("cycle", cycle->cycle, fault);
        giro_i128 closing = giro_amount128_get(cycle->closing);
        if (!cycle_over(cycle->state) && closing < 0 && !giro_money_subtract(used, closing, &used))
            return row_fault("cycle", cycle->cycle, "the sum overflows");
    }
    if (used != giro_amount128_get(view->record.cap_used_minor))
        return "the open positions do not make the cap used";
    return NULL;
}

static const char *positions_check(const struct giro_journal_view *view)
{
    struct book books[GIRO_WINDOW_CYCLES_MAX] = {0};
    for (uint32_t i = 0; i < view->record.cycle_count; i++) {
        books[i].balance = giro_amount128_get(view->cycles[i].opening);
        books[i].next_entry = view->cycles[i].first_entry;
    }
    uint64_t height = 0;
    for (uint64_t i = 0; i < view->record.position_count; i++) {
        struct giro_entry row;
        memcpy(&row, view->positions + i * sizeof(row), sizeof(row));
        uint32_t at = cycle_find(view, row.cycle);
        const char *fault = row_check(view, &row, height);
        if (fault == NULL && row.book != GIRO_BOOK_POSITION)
            fault = "it is not of the clearing position";
        if (fault == NULL && at == GIRO_NONE)
            fault = "its cycle is not in the window record";
        if (fault == NULL)
            fault = book_add(&books[at], &row);
        if (fault != NULL)
            return row_fault("position entry in row", i + 1, fault);
        height = row.height;
    }
    return cycles_check(view, books);
}

static const char *statuses_check(const struct giro_journal_view *view)
{
    uint64_t height = 0;
    for (uint64_t i = 0; i < view->record.status_count; i++) {
        struct giro_status_row row;
        memcpy(&row, view->statuses + i * sizeof(row), sizeof(row));
        const char *fault = NULL;
        if (row.time_ns / GIRO_NS_PER_S != view->record.window)
            fault = "it changed in another second";
        else if (row.height == 0 || row.height >= view->record.sealed_height)
            fault = "it did not change before the window was sealed";
        else if (row.height < height)
            fault = "it changed before the row above it";
        else if (row.status == GIRO_STATUS_NONE || row.status > GIRO_STATUS_ACCC)
            fault = "its status is unknown";
        if (fault != NULL)
            return row_fault("status row", i + 1, fault);
        height = row.height;
    }
    return NULL;
}

/* ---- Netting: the row, the position and the posting say the same ----------------------------- */

static const char *cell_check(const struct giro_genesis *genesis,
                              const struct giro_journal_view *view,
                              const struct giro_netting_cell *cell, int32_t last)
{
    giro_i128 sent = giro_amount128_get(cell->sent_minor);
    giro_i128 received = giro_amount128_get(cell->received_minor);
    if (cell->counterparty >= genesis->member_count || cell->counterparty == view->record.member)
        return "its counterparty is not another member";
    if ((int32_t)cell->counterparty <= last)
        return "it is not in ascending order";
    if (sent < 0 || received < 0 || (sent == 0) != (cell->sent_count == 0) ||
        (received == 0) != (cell->received_count == 0) || (sent == 0 && received == 0))
        return "its counts and amounts do not fit each other";
    return NULL;
}

static const char *cells_sum(const struct giro_genesis *genesis,
                             const struct giro_journal_view *view, giro_i128 *net)
{
    *net = 0;
    int32_t last = -1;
    for (uint32_t i = 0; i < view->header.netting_count; i++) {
        struct giro_netting_cell cell;
        memcpy(&cell, view->cells + i * sizeof(cell), sizeof(cell));
        const char *fault = cell_check(genesis, view, &cell, last);
        if (fault == NULL && (!giro_money_add(*net, giro_amount128_get(cell.received_minor), net) ||
                              !giro_money_subtract(*net, giro_amount128_get(cell.sent_minor), net)))
            fault = "the sum overflows";
        if (fault != NULL)
            return row_fault("netting cell", i + 1, fault);
        last = cell.counterparty;
    }
    return NULL;
}

/* The rows were summed before, so this sum cannot overflow. */
static giro_i128 posted(const struct giro_journal_view *view, uint32_t cycle)
{
    giro_i128 sum = 0;
    for (uint64_t i = 0; i < view->record.entry_count; i++) {
        struct giro_entry row;
        memcpy(&row, view->entries + i * sizeof(row), sizeof(row));
        if (row.kind == GIRO_PAYMENT_SETTLEMENT && row.cycle == cycle)
            sum += row.direction == GIRO_DEBIT ? -(giro_i128)row.amount_minor : row.amount_minor;
    }
    return sum;
}

static const char *netting_check(const struct giro_genesis *genesis,
                                 const struct giro_journal_view *view)
{
    const struct giro_leaf_cycle *leaf = &view->cycle_leaf;
    for (uint32_t i = 0; i < view->record.cycle_count; i++) {
        bool proved = view->header.has_cycle != 0 && view->cycles[i].cycle == leaf->cycle;
        if (view->cycles[i].state == GIRO_CYCLE_SETTLED && !proved)
            return row_fault("cycle", view->cycles[i].cycle, "it settled without its leaf");
    }
    if (view->header.has_cycle == 0)
        return giro_hash_is_zero(&view->record.netting_hash)
                   ? NULL
                   : "the window record names a netting row that the block does not carry";
    uint32_t at = cycle_find(view, leaf->cycle);
    if (leaf->state != GIRO_CYCLE_SETTLED || view->header.netting_count == 0)
        return "the block carries a cycle that did not settle or has no cells";
    if (at == GIRO_NONE || view->cycles[at].state != GIRO_CYCLE_SETTLED)
        return "the cycle that settled is not settled in the window record";
    giro_i128 net;
    TRY(cells_sum(genesis, view, &net));
    if (net != giro_amount128_get(view->cycles[at].closing))
        return "the netting row does not add up to the cycle's position";
    if (net != posted(view, leaf->cycle))
        return "the netting row does not add up to what was posted to the account";
    struct giro_hash hash =
        giro_netting_row_hash(&genesis->chain_id, leaf->cycle, view->record.member,
                              view->record.currency, view->cells, view->header.netting_count);
    if (!giro_hash_equal(&hash, &view->record.netting_hash))
        return "the netting row does not hash to what the window record says";
    return NULL;
}

const char *journal_books_check(const struct giro_genesis *genesis,
                                const struct giro_journal_view *view)
{
    TRY(account_check(view));
    TRY(positions_check(view));
    TRY(statuses_check(view));
    return netting_check(genesis, view);
}
