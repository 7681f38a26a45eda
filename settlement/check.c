/* The O(n) check of everything that must hold between blocks. */
#include "internal.h"

static void account_check(const struct giro_book_account *account)
{
    GIRO_ASSERT(account->balance >= 0);
    GIRO_ASSERT(account->reserved >= 0);
    GIRO_ASSERT(account->held >= 0);
    GIRO_ASSERT(giro_book_available(account) >= 0);
    GIRO_ASSERT(account->held <= account->hold);
    GIRO_ASSERT(account->cap >= 0);
    GIRO_ASSERT(account->position >= -giro_book_cap(account));
    GIRO_ASSERT(account->position == 0 || account->position_entries != 0);
}

static void books_check(const struct giro_settlement *settlement, uint32_t currency_index)
{
    const struct giro_cycle *cycle = &settlement->cycles[currency_index];
    giro_i128 balances = 0, positions = 0;
    uint64_t position_entries = 0;
    for (uint32_t member = 0; member < settlement->member_count; member++) {
        const struct giro_book_account *account = giro_book_at(settlement, member, currency_index);
        account_check(account);
        GIRO_ASSERT(account->exists || account->balance == 0);
        bool fits = giro_money_add(balances, account->balance, &balances) &&
                    giro_money_add(positions, account->position, &positions);
        GIRO_ASSERT(fits);
        position_entries += account->position_entries;
    }
    GIRO_ASSERT(balances == settlement->prefunded[currency_index]);
    GIRO_ASSERT(balances == cycle->balances);
    GIRO_ASSERT(positions == 0);
    GIRO_ASSERT(cycle->positions == 0);
    GIRO_ASSERT(position_entries == 2 * (uint64_t)cycle->payment_count);
    GIRO_ASSERT((cycle->due_ns != 0) == (settlement->cycle_ns != 0 && cycle->payment_count != 0));
    GIRO_ASSERT(cycle->number < settlement->cycle_next);
}

/* The matrix tells the same story as the positions: what a member got less what it sent. */
static void matrix_check(const struct giro_settlement *settlement, uint32_t currency_index)
{
    giro_i128 gross = 0;
    uint64_t payment_count = 0;
    for (uint32_t member = 0; member < settlement->member_count; member++) {
        uint32_t count = giro_matrix_row(
            settlement, currency_index, settlement->matrices[currency_index].current,
            (uint16_t)member, settlement->scratch_cells, settlement->member_count);
        giro_i128 position = 0;
        for (uint32_t i = 0; i < count; i++) {
            const struct giro_netting_cell *cell = &settlement->scratch_cells[i];
            giro_i128 sent = giro_amount128_get(cell->sent_minor);
            GIRO_ASSERT(cell->counterparty != member);
            position += giro_amount128_get(cell->received_minor) - sent;
            gross += sent;
            payment_count += cell->sent_count;
        }
        GIRO_ASSERT(position == giro_book_at(settlement, member, currency_index)->position);
    }
    GIRO_ASSERT(gross == settlement->cycles[currency_index].gross);
    GIRO_ASSERT(payment_count == settlement->cycles[currency_index].payment_count);
}

static void channel_check(const struct giro_channel *channel)
{
    GIRO_ASSERT(channel->frontier >= channel->base);
    GIRO_ASSERT(channel->frontier - channel->base <= GIRO_CHANNEL_TRAIL);
    GIRO_ASSERT(channel->base == 0 || channel->frontier - channel->base == GIRO_CHANNEL_TRAIL);
    GIRO_ASSERT(!giro_channel_bit(channel, channel->frontier));
    for (uint64_t sequence = channel->base; sequence < channel->frontier; sequence++)
        GIRO_ASSERT(giro_channel_bit(channel, sequence));
}

void giro_settlement_check(const struct giro_settlement *settlement)
{
    GIRO_ASSERT(!settlement->in_block);
    for (uint32_t i = 0; i < settlement->currency_count; i++) {
        books_check(settlement, i);
        matrix_check(settlement, i);
    }
    for (uint32_t i = 0; i < (settlement->member_count + 1) * GIRO_CHANNELS_MAX; i++) {
        if (settlement->channels.channels[i].used)
            channel_check(&settlement->channels.channels[i]);
    }
    giro_uetr_check(&settlement->uetrs);
}
