/* Perform: books a payment that decide.c accepted, into exactly one of the two books. Cannot fail.
 */
#include "internal.h"

static struct giro_entry entry_make(const struct giro_settlement *settlement,
                                    const struct giro_payment *payment, uint16_t record_index,
                                    uint32_t leaf_index)
{
    const struct giro_record *record = &payment->record;
    struct giro_entry entry = {
        .amount_minor = record->amount_minor,
        .height = settlement->height,
        .booking_time_ns = settlement->time_ns,
        .leaf_index = leaf_index,
        .record = record_index,
        .value_date = record->value_date != 0 ? record->value_date : settlement->business_date,
        .reason = record->reason,
        .service = record->service,
        .kind = record->kind,
    };
    memcpy(entry.uetr, record->uetr, sizeof(entry.uetr));
    memcpy(entry.link, record->link, sizeof(entry.link));
    return entry;
}

static void gross_leg(struct giro_settlement *settlement, uint16_t member, uint16_t counterparty,
                      uint32_t currency_index, enum giro_direction direction,
                      struct giro_entry *entry)
{
    giro_i128 amount = entry->amount_minor;
    giro_book_post(settlement, member, currency_index, direction == GIRO_DEBIT ? -amount : amount);
    const struct giro_book_account *account = giro_book_at(settlement, member, currency_index);
    GIRO_ASSERT(giro_book_available(account) >= 0);
    entry->book = GIRO_BOOK_ACCOUNT;
    entry->direction = (uint8_t)direction;
    entry->counterparty = counterparty;
    entry->balance_after = giro_amount128_make(account->balance);
    entry->entry = account->entries;
    settlement->sink.entry(settlement->sink.context, member, currency_index, entry);
}

static void net_leg(struct giro_settlement *settlement, uint16_t member, uint16_t counterparty,
                    uint32_t currency_index, enum giro_direction direction,
                    struct giro_entry *entry)
{
    giro_i128 amount = entry->amount_minor;
    giro_book_shift(settlement, member, currency_index, direction == GIRO_DEBIT ? -amount : amount);
    const struct giro_book_account *account = giro_book_at(settlement, member, currency_index);
    entry->book = GIRO_BOOK_POSITION;
    entry->direction = (uint8_t)direction;
    entry->counterparty = counterparty;
    entry->balance_after = giro_amount128_make(account->position);
    entry->entry = account->position_entries;
    entry->cycle = settlement->cycles[currency_index].number;
    settlement->sink.entry(settlement->sink.context, member, currency_index, entry);
}

static void cycle_count(struct giro_settlement *settlement, const struct giro_payment *payment)
{
    struct giro_cycle *cycle = &settlement->cycles[payment->currency_index];
    bool fits = giro_money_add(cycle->gross, payment->record.amount_minor, &cycle->gross);
    GIRO_ASSERT(fits);
    GIRO_ASSERT(cycle->payment_count < UINT32_MAX);
    cycle->payment_count++;
    giro_matrix_add(settlement, payment->currency_index, payment->sender, payment->record.creditor,
                    payment->record.amount_minor);
    if (cycle->payment_count == 1)
        giro_cycle_schedule(settlement, payment->currency_index);
}

struct giro_result giro_payment_perform(struct giro_settlement *settlement,
                                        const struct giro_payment *payment, uint16_t record_index,
                                        uint32_t leaf_index)
{
    uint16_t debtor = payment->sender;
    uint16_t creditor = payment->record.creditor;
    uint32_t currency_index = payment->currency_index;
    struct giro_entry entry = entry_make(settlement, payment, record_index, leaf_index);
    const struct giro_uetr_place place = {.height = settlement->height,
                                          .leaf_index = leaf_index,
                                          .record = record_index,
                                          .creditor = creditor};
    giro_uetr_add(&settlement->uetrs, &payment->key, payment->key_hash, settlement->day, &place);
    if (payment->record.service == GIRO_SERVICE_GROSS) {
        gross_leg(settlement, debtor, creditor, currency_index, GIRO_DEBIT, &entry);
        gross_leg(settlement, creditor, debtor, currency_index, GIRO_CREDIT, &entry);
        return (struct giro_result){.status = GIRO_STATUS_ACSC};
    }
    net_leg(settlement, debtor, creditor, currency_index, GIRO_DEBIT, &entry);
    net_leg(settlement, creditor, debtor, currency_index, GIRO_CREDIT, &entry);
    cycle_count(settlement, payment);
    return (struct giro_result){.status = GIRO_STATUS_ACSP,
                                .cycle = settlement->cycles[currency_index].number};
}
