/* The two books. Every change of a balance or a position passes here, together with the currency's
 * running sum, so that conservation is one comparison per currency at the end of a block. */
#include "internal.h"

static void add(giro_i128 *sum, giro_i128 amount)
{
    bool fits = giro_money_add(*sum, amount, sum);
    GIRO_ASSERT(fits);
}

void giro_book_touch(struct giro_settlement *settlement, uint16_t member)
{
    GIRO_ASSERT(member < settlement->member_count);
    if (settlement->member_dirty[member])
        return;
    settlement->member_dirty[member] = 1;
    settlement->member_dirty_list[settlement->member_dirty_count++] = member;
}

void giro_book_post(struct giro_settlement *settlement, uint16_t member, uint32_t currency_index,
                    giro_i128 amount)
{
    struct giro_book_account *account = giro_book_at(settlement, member, currency_index);
    GIRO_ASSERT(account->exists);
    add(&account->balance, amount);
    add(&settlement->cycles[currency_index].balances, amount);
    account->entries++;
    GIRO_ASSERT(account->balance >= account->reserved);
    giro_book_touch(settlement, member);
}

void giro_book_shift(struct giro_settlement *settlement, uint16_t member, uint32_t currency_index,
                     giro_i128 amount)
{
    struct giro_book_account *account = giro_book_at(settlement, member, currency_index);
    GIRO_ASSERT(account->exists);
    add(&account->position, amount);
    add(&settlement->cycles[currency_index].positions, amount);
    account->position_entries++;
    GIRO_ASSERT(account->position >= -giro_book_cap(account));
    giro_book_touch(settlement, member);
}

giro_i128 giro_book_take_position(struct giro_settlement *settlement, uint16_t member,
                                  uint32_t currency_index)
{
    struct giro_book_account *account = giro_book_at(settlement, member, currency_index);
    giro_i128 position = account->position;
    if (account->position_entries == 0) {
        GIRO_ASSERT(position == 0);
        return 0;
    }
    add(&settlement->cycles[currency_index].positions, -position);
    account->position = 0;
    account->position_entries = 0;
    giro_book_touch(settlement, member);
    return position;
}

void giro_book_restore_hold(struct giro_settlement *settlement, uint16_t member,
                            uint32_t currency_index)
{
    struct giro_book_account *account = giro_book_at(settlement, member, currency_index);
    giro_i128 room = account->balance - account->reserved;
    giro_i128 held = account->hold < room ? account->hold : room;
    GIRO_ASSERT(account->position == 0);
    GIRO_ASSERT(held >= 0);
    if (held == account->held)
        return;
    account->held = held;
    giro_book_touch(settlement, member);
}
