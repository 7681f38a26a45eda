/* Control transactions: what operators change, four eyes each time. Every operation decides first;
 * a refused one changes nothing. */
#include "internal.h"

static enum giro_reason account_find(const struct giro_settlement *settlement,
                                     const struct giro_control *control,
                                     struct giro_book_account **account)
{
    uint32_t currency_index = giro_currency_index(settlement, control->currency);
    if (control->member >= settlement->member_count)
        return GIRO_REASON_NARR;
    if (currency_index == GIRO_NONE)
        return GIRO_REASON_AM03;
    *account = giro_book_at(settlement, control->member, currency_index);
    return control->account == 0 && (*account)->exists ? GIRO_REASON_NONE : GIRO_REASON_AC01;
}

static enum giro_reason cap_set(struct giro_settlement *settlement,
                                const struct giro_control *control)
{
    struct giro_book_account *account;
    enum giro_reason reason = account_find(settlement, control, &account);
    if (reason != GIRO_REASON_NONE)
        return reason;
    if (control->amount_minor < 0)
        return GIRO_REASON_AM12;
    if (control->amount_minor < -account->position || control->amount_minor > account->held)
        return GIRO_REASON_AM13;
    account->cap = control->amount_minor;
    giro_book_touch(settlement, control->member);
    return GIRO_REASON_NONE;
}

static enum giro_reason account_set(struct giro_settlement *settlement,
                                    const struct giro_control *control)
{
    struct giro_book_account *account;
    enum giro_reason reason = account_find(settlement, control, &account);
    if (reason != GIRO_REASON_NONE)
        return reason;
    if (control->value < GIRO_ACCOUNT_OPEN || control->value > GIRO_ACCOUNT_CLOSED)
        return GIRO_REASON_NARR;
    account->status = (uint8_t)control->value;
    giro_book_touch(settlement, control->member);
    return GIRO_REASON_NONE;
}

static enum giro_reason member_set(struct giro_settlement *settlement,
                                   const struct giro_control *control)
{
    if (control->member >= settlement->member_count)
        return GIRO_REASON_NARR;
    if (control->value != GIRO_MEMBER_ACTIVE && control->value != GIRO_MEMBER_SUSPENDED)
        return GIRO_REASON_NARR;
    settlement->member_status[control->member] = (uint8_t)control->value;
    giro_book_touch(settlement, control->member);
    return GIRO_REASON_NONE;
}

static enum giro_reason channel_lift(struct giro_settlement *settlement,
                                     const struct giro_control *control)
{
    if (control->member >= settlement->member_count && control->member != GIRO_MEMBER_OPERATOR)
        return GIRO_REASON_NARR;
    if (control->value >= GIRO_CHANNELS_MAX)
        return GIRO_REASON_NARR;
    uint32_t index = giro_channel_index(settlement, control->member, (uint16_t)control->value);
    if (!settlement->channels.channels[index].stopped)
        return GIRO_REASON_NARR;
    giro_channel_set_stopped(settlement, index, false);
    return GIRO_REASON_NONE;
}

static enum giro_reason cycle_close(struct giro_settlement *settlement,
                                    const struct giro_control *control, uint32_t *cycle)
{
    uint32_t currency_index = giro_currency_index(settlement, control->currency);
    if (currency_index == GIRO_NONE)
        return GIRO_REASON_AM03;
    if (giro_cycle_closed_now(settlement, currency_index))
        return GIRO_REASON_NARR;
    *cycle = settlement->cycles[currency_index].number;
    giro_cycle_close(settlement, currency_index);
    return GIRO_REASON_NONE;
}

/* A cycle that opened in this very second can wait if it is empty; if it is not, the whole switch
 * waits for the next second, because two settled cycles of a currency do not fit a window. */
static enum giro_reason day_switch(struct giro_settlement *settlement,
                                   const struct giro_control *control)
{
    if (control->value <= settlement->business_date || control->value > UINT16_MAX)
        return GIRO_REASON_DT01;
    for (uint32_t i = 0; i < settlement->currency_count; i++) {
        if (giro_cycle_closed_now(settlement, i) && settlement->cycles[i].payment_count != 0)
            return GIRO_REASON_NARR;
    }
    for (uint32_t i = 0; i < settlement->currency_count; i++) {
        if (!giro_cycle_closed_now(settlement, i))
            giro_cycle_close(settlement, i);
    }
    settlement->business_date = (uint16_t)control->value;
    settlement->day++;
    giro_uetr_day(&settlement->uetrs, settlement->day);
    return GIRO_REASON_NONE;
}

static enum giro_reason execute(struct giro_settlement *settlement,
                                const struct giro_control *control, uint32_t *cycle)
{
    static const uint8_t zero[sizeof(control->reserved)];
    if (memcmp(control->reserved, zero, sizeof(zero)) != 0)
        return GIRO_REASON_NARR;
    switch (control->op) {
    case GIRO_CONTROL_CLOSE_CYCLE:
        return cycle_close(settlement, control, cycle);
    case GIRO_CONTROL_DAY_SWITCH:
        return day_switch(settlement, control);
    case GIRO_CONTROL_SET_CAP:
        return cap_set(settlement, control);
    case GIRO_CONTROL_SET_ACCOUNT:
        return account_set(settlement, control);
    case GIRO_CONTROL_SET_MEMBER:
        return member_set(settlement, control);
    case GIRO_CONTROL_LIFT_CHANNEL:
        return channel_lift(settlement, control);
    case GIRO_CONTROL_CUT_FILES:
        return GIRO_REASON_NONE;
    default:
        return GIRO_REASON_AG03;
    }
}

struct giro_result giro_control_execute(struct giro_settlement *settlement,
                                        const struct giro_control *control)
{
    struct giro_result result = {.status = GIRO_STATUS_ACSC};
    enum giro_reason reason = execute(settlement, control, &result.cycle);
    if (reason != GIRO_REASON_NONE) {
        result.status = GIRO_STATUS_RJCT;
        result.reason = (uint16_t)reason;
    }
    return result;
}
