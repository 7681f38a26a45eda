/* Cycles: open -> closed -> settling -> settled within one block. The settlement is one all-or-none
 * posting from the positions to the accounts: first it is decided that every net debtor covers what
 * it owes, then all is posted. */
#include "internal.h"

bool giro_cycle_closed_now(const struct giro_settlement *settlement, uint32_t currency_index)
{
    return settlement->cycles[currency_index].settled_s == settlement->time_s;
}

void giro_cycle_schedule(struct giro_settlement *settlement, uint32_t currency_index)
{
    if (settlement->cycle_ns == 0)
        return;
    uint64_t due_ns = (settlement->time_ns / settlement->cycle_ns + 1) * settlement->cycle_ns;
    settlement->cycles[currency_index].due_ns = due_ns > settlement->time_ns ? due_ns : UINT64_MAX;
}

static void state_move(struct giro_cycle *cycle, enum giro_cycle_state from,
                       enum giro_cycle_state to)
{
    GIRO_ASSERT(cycle->state == from);
    cycle->state = to;
}

/* Decide. It holds by construction, since position >= -cap >= -held; nothing is posted unless it
 * does. */
static bool settlement_covered(const struct giro_settlement *settlement, uint32_t currency_index,
                               giro_i128 *net)
{
    giro_i128 sum = 0;
    *net = 0;
    for (uint32_t member = 0; member < settlement->member_count; member++) {
        const struct giro_book_account *account = giro_book_at(settlement, member, currency_index);
        if (!account->exists)
            continue;
        if (-account->position > account->held + giro_book_available(account))
            return false;
        if (!giro_money_add(sum, account->position, &sum))
            return false;
        if (account->position > 0 && !giro_money_add(*net, account->position, net))
            return false;
    }
    return sum == 0;
}

static uint32_t leaf_add(struct giro_settlement *settlement, uint32_t currency_index, giro_i128 net)
{
    const struct giro_cycle *cycle = &settlement->cycles[currency_index];
    struct giro_leaf_cycle leaf = {.height = settlement->height,
                                   .index = giro_ledger_count(settlement->ledger),
                                   .cycle = cycle->number,
                                   .currency = settlement->currency_numbers[currency_index],
                                   .state = GIRO_CYCLE_SETTLED,
                                   .payment_count = cycle->payment_count,
                                   .gross_minor = giro_amount128_make(cycle->gross),
                                   .net_minor = giro_amount128_make(net),
                                   .netting_root = cycle->netting_root};
    const struct giro_part parts[] = {{GIRO_TAG_LEAF_CYCLE, GIRO_TAG_BYTES}, {&leaf, sizeof(leaf)}};
    uint32_t index = giro_ledger_add(settlement->ledger, parts, 2);
    GIRO_ASSERT(index == leaf.index);
    return index;
}

static struct giro_entry entry_make(const struct giro_settlement *settlement,
                                    uint32_t currency_index, uint32_t leaf_index)
{
    uint32_t number = settlement->cycles[currency_index].number;
    const struct giro_part parts[] = {
        {GIRO_TAG_LEAF_CYCLE, GIRO_TAG_BYTES},
        {&settlement->genesis->chain_id, GIRO_HASH_BYTES},
        {&number, sizeof(number)},
        {&settlement->currency_numbers[currency_index], sizeof(uint16_t)}};
    struct giro_hash hash = giro_sha256_parts(parts, 4);
    struct giro_entry entry = {.height = settlement->height,
                               .booking_time_ns = settlement->time_ns,
                               .cycle = number,
                               .leaf_index = leaf_index,
                               .counterparty = GIRO_MEMBER_OPERATOR,
                               .value_date = settlement->business_date,
                               .book = GIRO_BOOK_ACCOUNT,
                               .service = GIRO_SERVICE_NET,
                               .kind = GIRO_PAYMENT_SETTLEMENT};
    memcpy(entry.uetr, hash.bytes, sizeof(entry.uetr));
    return entry;
}

/* An entry holds at most GIRO_AMOUNT_MAX_MINOR, a position may be more: then it is posted in
 * several entries. */
static void position_post(struct giro_settlement *settlement, uint16_t member,
                          uint32_t currency_index, giro_i128 position, struct giro_entry *entry)
{
    giro_i128 left = position < 0 ? -position : position;
    entry->direction = position < 0 ? GIRO_DEBIT : GIRO_CREDIT;
    while (left > 0) {
        giro_i128 amount = left < GIRO_AMOUNT_MAX_MINOR ? left : GIRO_AMOUNT_MAX_MINOR;
        left -= amount;
        giro_book_post(settlement, member, currency_index, position < 0 ? -amount : amount);
        const struct giro_book_account *account = giro_book_at(settlement, member, currency_index);
        entry->amount_minor = (int64_t)amount;
        entry->balance_after = giro_amount128_make(account->balance);
        entry->entry = account->entries;
        settlement->sink.entry(settlement->sink.context, member, currency_index, entry);
    }
}

/* Perform: postings in member order, then a status row for everyone whose payments are settled by
 * them. Position entry counts are the mark of who took part, so each member's is read before its
 * position is taken. */
static void settlement_post(struct giro_settlement *settlement, uint32_t currency_index,
                            uint32_t leaf_index)
{
    struct giro_entry entry = entry_make(settlement, currency_index, leaf_index);
    struct giro_status_row row = {.time_ns = settlement->time_ns,
                                  .height = settlement->height,
                                  .cycle = settlement->cycles[currency_index].number,
                                  .leaf_index = leaf_index,
                                  .status = GIRO_STATUS_ACSC};
    for (uint32_t i = 0; i < settlement->member_count; i++) {
        uint16_t member = (uint16_t)i;
        const struct giro_book_account *account = giro_book_at(settlement, member, currency_index);
        if (!account->exists)
            continue;
        bool took_part = account->position_entries != 0;
        giro_i128 position = giro_book_take_position(settlement, member, currency_index);
        position_post(settlement, member, currency_index, position, &entry);
        giro_book_restore_hold(settlement, member, currency_index);
        if (took_part)
            settlement->sink.status(settlement->sink.context, member, currency_index, &row);
    }
}

void giro_cycle_close(struct giro_settlement *settlement, uint32_t currency_index)
{
    struct giro_cycle *cycle = &settlement->cycles[currency_index];
    uint32_t number = cycle->number;
    GIRO_ASSERT(!giro_cycle_closed_now(settlement, currency_index));
    state_move(cycle, GIRO_CYCLE_OPEN, GIRO_CYCLE_CLOSED);
    giro_i128 net;
    bool covered = settlement_covered(settlement, currency_index, &net);
    GIRO_ASSERT(covered);

    state_move(cycle, GIRO_CYCLE_CLOSED, GIRO_CYCLE_SETTLING);
    cycle->netting_root = giro_netting_root(settlement, currency_index,
                                            settlement->matrices[currency_index].current, number);
    uint32_t leaf_index = leaf_add(settlement, currency_index, net);
    settlement_post(settlement, currency_index, leaf_index);
    giro_matrix_turn(settlement, currency_index);
    state_move(cycle, GIRO_CYCLE_SETTLING, GIRO_CYCLE_SETTLED);

    cycle->settled_number = number;
    cycle->settled_s = settlement->time_s;
    cycle->number = settlement->cycle_next++;
    cycle->gross = 0;
    cycle->payment_count = 0;
    cycle->due_ns = 0;
    state_move(cycle, GIRO_CYCLE_SETTLED, GIRO_CYCLE_OPEN);
    settlement->sink.cycle(settlement->sink.context, currency_index, number, GIRO_CYCLE_SETTLED,
                           cycle->number, leaf_index);
}
