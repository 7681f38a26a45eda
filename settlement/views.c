/* Views: what windows, receipts and the operator may see of the state. Nothing here changes it. */
#include "internal.h"

void giro_settlement_account(const struct giro_settlement *settlement, uint16_t member,
                             uint32_t currency_index, struct giro_account_view *view)
{
    GIRO_ASSERT(member < settlement->member_count);
    GIRO_ASSERT(currency_index < settlement->currency_count);
    const struct giro_book_account *account = giro_book_at(settlement, member, currency_index);
    *view = (struct giro_account_view){.exists = account->exists != 0,
                                       .status = account->status,
                                       .balance = account->balance,
                                       .reserved = account->reserved,
                                       .held = account->held,
                                       .available = giro_book_available(account),
                                       .cap = giro_book_cap(account),
                                       .cycle = settlement->cycles[currency_index].number,
                                       .position = account->position,
                                       .entries = account->entries};
}

uint16_t giro_settlement_business_date(const struct giro_settlement *settlement)
{
    return settlement->business_date;
}

void giro_settlement_totals(const struct giro_settlement *settlement, uint32_t currency_index,
                            struct giro_totals *totals)
{
    GIRO_ASSERT(currency_index < settlement->currency_count);
    static_assert(sizeof(totals->by_status) == sizeof(settlement->by_status[0]), "same counters");
    static_assert(sizeof(totals->by_reason) == sizeof(settlement->by_reason[0]), "same counters");
    static_assert(sizeof(totals->by_outcome) == sizeof(settlement->by_outcome), "same counters");
    totals->balances = settlement->cycles[currency_index].balances;
    totals->prefunded = settlement->prefunded[currency_index];
    totals->positions = settlement->cycles[currency_index].positions;
    memcpy(totals->by_status, settlement->by_status[currency_index], sizeof(totals->by_status));
    memcpy(totals->by_reason, settlement->by_reason[currency_index], sizeof(totals->by_reason));
    memcpy(totals->by_outcome, settlement->by_outcome, sizeof(totals->by_outcome));
}
