/* Decide: every rule a payment must meet, in the order the reasons are given to the sender. Changes
 * nothing; what is accepted here, perform.c books without a further question. */
#include "internal.h"

uint32_t giro_currency_index(const struct giro_settlement *settlement, uint16_t number)
{
    for (uint32_t i = 0; i < settlement->currency_count; i++) {
        if (settlement->currency_numbers[i] == number)
            return i;
    }
    return GIRO_NONE;
}

/* Only plain credit transfers are offered: a record that asks for a group, a hold or a link must
 * not be taken for one that does not. */
static enum giro_reason offer_decide(const struct giro_record *record)
{
    static const uint8_t no_link[sizeof(record->link)];
    static const uint8_t no_uetr[sizeof(record->uetr)];
    if (memcmp(record->uetr, no_uetr, sizeof(no_uetr)) == 0)
        return GIRO_REASON_NARR; /* zero names a whole cycle in status rows */
    if (record->kind != GIRO_PAYMENT_CREDIT_TRANSFER)
        return GIRO_REASON_AG03;
    if (record->service != GIRO_SERVICE_GROSS && record->service != GIRO_SERVICE_NET)
        return GIRO_REASON_AG03;
    if (record->priority > GIRO_PRIORITY_URGENT || record->flags != 0 || record->reason != 0)
        return GIRO_REASON_AG03;
    if (memcmp(record->link, no_link, sizeof(no_link)) != 0)
        return GIRO_REASON_AG03;
    return GIRO_REASON_NONE;
}

static enum giro_reason time_decide(const struct giro_settlement *settlement,
                                    const struct giro_record *record)
{
    if (record->earliest_s > settlement->time_s)
        return GIRO_REASON_AG03;
    if (record->latest_s != 0 && record->latest_s < settlement->time_s)
        return GIRO_REASON_AB03;
    return GIRO_REASON_NONE;
}

static enum giro_reason amount_decide(const struct giro_record *record)
{
    if (record->amount_minor == 0)
        return GIRO_REASON_AM01;
    if (record->amount_minor < 0 || record->amount_minor > GIRO_AMOUNT_MAX_MINOR)
        return GIRO_REASON_AM12;
    return GIRO_REASON_NONE;
}

static enum giro_reason account_decide(const struct giro_book_account *account)
{
    if (!account->exists)
        return GIRO_REASON_AC01;
    if (account->status == GIRO_ACCOUNT_CLOSED)
        return GIRO_REASON_AC04;
    if (account->status == GIRO_ACCOUNT_BLOCKED)
        return GIRO_REASON_AC06;
    return GIRO_REASON_NONE;
}

static enum giro_reason parties_decide(const struct giro_settlement *settlement,
                                       const struct giro_payment *payment)
{
    const struct giro_record *record = &payment->record;
    if (record->creditor >= settlement->member_count || record->creditor == payment->sender)
        return GIRO_REASON_RC04;
    if (settlement->member_status[payment->sender] != GIRO_MEMBER_ACTIVE)
        return GIRO_REASON_AG10;
    if (settlement->member_status[record->creditor] != GIRO_MEMBER_ACTIVE)
        return GIRO_REASON_AG11;
    if (record->debtor_account != 0 || record->creditor_account != 0)
        return GIRO_REASON_AC01;
    enum giro_reason reason =
        account_decide(giro_book_at(settlement, payment->sender, payment->currency_index));
    if (reason != GIRO_REASON_NONE)
        return reason;
    return account_decide(giro_book_at(settlement, record->creditor, payment->currency_index));
}

static enum giro_reason funds_decide(const struct giro_settlement *settlement,
                                     const struct giro_payment *payment)
{
    const struct giro_book_account *debtor =
        giro_book_at(settlement, payment->sender, payment->currency_index);
    giro_i128 amount = payment->record.amount_minor;
    if (payment->record.service == GIRO_SERVICE_GROSS)
        return giro_book_available(debtor) >= amount ? GIRO_REASON_NONE : GIRO_REASON_AM04;
    return debtor->position - amount >= -giro_book_cap(debtor) ? GIRO_REASON_NONE
                                                               : GIRO_REASON_AM13;
}

enum giro_reason giro_payment_decide(const struct giro_settlement *settlement,
                                     const struct giro_payment *payment)
{
    const struct giro_record *record = &payment->record;
    enum giro_reason reason = offer_decide(record);
    if (reason == GIRO_REASON_NONE)
        reason = time_decide(settlement, record);
    if (reason == GIRO_REASON_NONE)
        reason = amount_decide(record);
    if (reason == GIRO_REASON_NONE && payment->currency_index == GIRO_NONE)
        reason = GIRO_REASON_AM03;
    if (reason == GIRO_REASON_NONE)
        reason = parties_decide(settlement, payment);
    if (reason != GIRO_REASON_NONE)
        return reason;
    if (record->value_date != 0 && record->value_date != settlement->business_date)
        return GIRO_REASON_DT01;
    if (giro_uetr_has(&settlement->uetrs, &payment->key, payment->key_hash))
        return GIRO_REASON_AM05;
    return funds_decide(settlement, payment);
}
