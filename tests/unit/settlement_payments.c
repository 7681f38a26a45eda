/* Payments: every reason a payment is refused for, in order, and what an accepted one books. */
#include <criterion/criterion.h>

#include "settlement_support.h"

TestSuite(settlement_payments, .init = settlement_suite_open);

static struct hub hub;
#define NOW_S ((uint32_t)(HUB_TIME_NS / GIRO_NS_PER_S))

/* Members: 0 sender, 1 creditor, 2 suspended, 3 account closed, 4 account blocked, 5 no account in
 * currency 1, 6 account in neither currency. */
static void hub_with_special_members(void)
{
    hub_genesis(&hub, 7, 2);
    hub.genesis.members[3].accounts[0].status = GIRO_ACCOUNT_CLOSED;
    hub.genesis.members[4].accounts[0].status = GIRO_ACCOUNT_BLOCKED;
    hub.genesis.members[5].account_count = 1;
    hub.genesis.members[6].account_count = 0;
    hub_start(&hub, 7);
    hub_begin(&hub, 0);
    struct giro_control suspend = {
        .op = GIRO_CONTROL_SET_MEMBER, .member = 2, .value = GIRO_MEMBER_SUSPENDED};
    cr_assert(hub_control(&hub, 0, &suspend) == GIRO_OUTCOME_EXECUTED);
    cr_assert(hub.outcome.results[0].status == GIRO_STATUS_ACSC);
}

#define SET(field, to) .change = #field, .value = (to)
struct row {
    const char *change;
    int64_t value;
    uint16_t sender;
    enum giro_reason reason;
};

static void change(struct giro_record *record, const struct row *row)
{
#define CHANGE(field)                                                                              \
    if (strcmp(row->change, #field) == 0)                                                          \
    record->field = (__typeof__(record->field))row->value
    if (strcmp(row->change, "uetr") == 0) { /* all zero but its last byte */
        memset(record->uetr, 0, sizeof(record->uetr));
        record->uetr[15] = (uint8_t)row->value;
    }
    CHANGE(kind);
    CHANGE(service);
    CHANGE(priority);
    CHANGE(flags);
    CHANGE(reason);
    CHANGE(link[15]);
    CHANGE(earliest_s);
    CHANGE(latest_s);
    CHANGE(amount_minor);
    CHANGE(currency);
    CHANGE(creditor);
    CHANGE(debtor_account);
    CHANGE(creditor_account);
    CHANGE(value_date);
#undef CHANGE
}

Test(settlement_payments, each_rule_has_its_reason)
{
    static const struct row rows[] = {
        {SET(uetr, 0), 0, GIRO_REASON_NARR},
        {SET(uetr, 1), 0, GIRO_REASON_NONE},
        {SET(service, GIRO_SERVICE_GROSS), 0, GIRO_REASON_NONE},
        {SET(service, 0), 0, GIRO_REASON_AG03},
        {SET(service, 3), 0, GIRO_REASON_AG03},
        {SET(kind, 0), 0, GIRO_REASON_AG03},
        {SET(kind, GIRO_PAYMENT_RETURN), 0, GIRO_REASON_AG03},
        {SET(kind, GIRO_PAYMENT_SETTLEMENT), 0, GIRO_REASON_AG03},
        {SET(priority, GIRO_PRIORITY_URGENT), 0, GIRO_REASON_NONE},
        {SET(priority, 3), 0, GIRO_REASON_AG03},
        {SET(flags, GIRO_RECORD_FLAG_LINK_IS_GROUP), 0, GIRO_REASON_AG03},
        {SET(flags, 0x80), 0, GIRO_REASON_AG03},
        {SET(reason, 1), 0, GIRO_REASON_AG03},
        {SET(link[15], 1), 0, GIRO_REASON_AG03},
        {SET(earliest_s, NOW_S), 0, GIRO_REASON_NONE},
        {SET(earliest_s, NOW_S + 1), 0, GIRO_REASON_AG03},
        {SET(latest_s, NOW_S), 0, GIRO_REASON_NONE},
        {SET(latest_s, NOW_S - 1), 0, GIRO_REASON_AB03},
        {SET(amount_minor, 0), 0, GIRO_REASON_AM01},
        {SET(amount_minor, -1), 0, GIRO_REASON_AM12},
        {SET(amount_minor, INT64_MIN), 0, GIRO_REASON_AM12},
        {SET(amount_minor, GIRO_AMOUNT_MAX_MINOR + 1), 0, GIRO_REASON_AM12},
        {SET(amount_minor, GIRO_AMOUNT_MAX_MINOR), 0, GIRO_REASON_AM13},
        {SET(amount_minor, HUB_CAP + 1), 0, GIRO_REASON_AM13},
        {SET(currency, 999), 0, GIRO_REASON_AM03},
        {SET(currency, 0), 0, GIRO_REASON_AM03},
        {SET(creditor, 7), 0, GIRO_REASON_RC04},
        {SET(creditor, 0), 0, GIRO_REASON_RC04},
        {SET(creditor, 0xFFFF), 0, GIRO_REASON_RC04},
        {SET(creditor, 1), 2, GIRO_REASON_AG10},
        {SET(creditor, 2), 0, GIRO_REASON_AG11},
        {SET(debtor_account, 1), 0, GIRO_REASON_AC01},
        {SET(creditor_account, 1), 0, GIRO_REASON_AC01},
        {SET(creditor, 1), 6, GIRO_REASON_AC01},
        {SET(creditor, 1), 3, GIRO_REASON_AC04},
        {SET(creditor, 1), 4, GIRO_REASON_AC06},
        {SET(currency, 978), 5, GIRO_REASON_AC01},
        {SET(creditor, 6), 0, GIRO_REASON_AC01},
        {SET(creditor, 3), 0, GIRO_REASON_AC04},
        {SET(creditor, 4), 0, GIRO_REASON_AC06},
        {SET(value_date, HUB_DATE), 0, GIRO_REASON_NONE},
        {SET(value_date, HUB_DATE + 1), 0, GIRO_REASON_DT01},
        {SET(value_date, HUB_DATE - 1), 0, GIRO_REASON_DT01},
    };
    hub_with_special_members();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct giro_record record = hub_record(&hub, 1);
        change(&record, &rows[i]);
        hub_forget(&hub);
        struct giro_result result = hub_pay(&hub, rows[i].sender, &record);
        cr_assert(result.reason == rows[i].reason, "row %zu, %s = %ld: %s", i, rows[i].change,
                  (long)rows[i].value, giro_reason_name(result.reason));
        bool accepted = rows[i].reason == GIRO_REASON_NONE;
        cr_assert((result.status != GIRO_STATUS_RJCT) == accepted, "row %zu", i);
        cr_assert(hub.entry_count == (accepted ? 2 : 0), "row %zu: entries", i);
        cr_assert(hub.status_count == 1 && hub.statuses[0].row.reason == rows[i].reason &&
                      hub.statuses[0].member == rows[i].sender,
                  "row %zu: status row", i);
    }
    hub_end(&hub);
    hub_close(&hub);
}

/* The record breaks every rule; each row repairs the one whose reason came before. */
Test(settlement_payments, reasons_come_in_the_order_of_the_rules)
{
    hub_with_special_members();
    struct giro_record record = hub_record(&hub, 1);
    uint8_t used[16];
    memcpy(used, record.uetr, sizeof(used));
    cr_assert(hub_pay(&hub, 0, &record).status == GIRO_STATUS_ACSP);
    record = (struct giro_record){.kind = GIRO_PAYMENT_RECALL,
                                  .earliest_s = NOW_S + 1,
                                  .latest_s = NOW_S - 1,
                                  .creditor = 9,
                                  .debtor_account = 1,
                                  .value_date = 1};
    uint16_t sender = 2;
#define NEXT(expected, ...)                                                                        \
    do {                                                                                           \
        struct giro_result result = hub_pay(&hub, sender, &record);                                \
        cr_assert(result.reason == (expected), "%s, not %s", giro_reason_name(result.reason),      \
                  giro_reason_name(expected));                                                     \
        __VA_ARGS__;                                                                               \
    } while (0)
    NEXT(GIRO_REASON_NARR, memcpy(record.uetr, used, sizeof(used)));
    NEXT(GIRO_REASON_AG03, record.kind = GIRO_PAYMENT_CREDIT_TRANSFER);
    NEXT(GIRO_REASON_AG03, record.service = GIRO_SERVICE_GROSS);
    NEXT(GIRO_REASON_AG03, record.earliest_s = 0);
    NEXT(GIRO_REASON_AB03, record.latest_s = 0);
    NEXT(GIRO_REASON_AM01, record.amount_minor = INT64_MAX);
    NEXT(GIRO_REASON_AM12, record.amount_minor = HUB_PREFUNDED);
    NEXT(GIRO_REASON_AM03, record.currency = 203);
    NEXT(GIRO_REASON_RC04, record.creditor = 3);
    NEXT(GIRO_REASON_AG10, sender = 4);
    NEXT(GIRO_REASON_AC01, record.debtor_account = 0);
    NEXT(GIRO_REASON_AC06, sender = 0);
    NEXT(GIRO_REASON_AC04, record.creditor = 2);
    NEXT(GIRO_REASON_AG11, record.creditor = 1);
    NEXT(GIRO_REASON_DT01, record.value_date = 0);
    NEXT(GIRO_REASON_AM05, record.uetr[3] ^= 1);
    NEXT(GIRO_REASON_AM04, record.service = GIRO_SERVICE_NET);
    NEXT(GIRO_REASON_AM13, record.amount_minor = 1);
    NEXT(GIRO_REASON_NONE, );
    hub_end(&hub);
    hub_close(&hub);
}

Test(settlement_payments, gross_moves_available_money_at_once_and_no_more)
{
    hub_open(&hub, 3, 1);
    hub_begin(&hub, 5);
    struct giro_record record = hub_record(&hub, 2);
    record.service = GIRO_SERVICE_GROSS;
    record.amount_minor = HUB_PREFUNDED - HUB_HOLD + 1;
    cr_assert(hub_pay(&hub, 1, &record).reason == GIRO_REASON_AM04, "the hold is not available");
    record.amount_minor--;
    struct giro_result result = hub_pay(&hub, 1, &record);
    cr_assert(result.status == GIRO_STATUS_ACSC && result.cycle == 0);
    hub_end(&hub);
    struct giro_account_view debtor = hub_account(&hub, 1, 0), creditor = hub_account(&hub, 2, 0);
    cr_assert(debtor.balance == HUB_HOLD && debtor.available == 0 && debtor.held == HUB_HOLD);
    cr_assert(creditor.balance == 1500000 && creditor.available == 1000000);
    cr_assert(debtor.entries == 1 && creditor.entries == 1 && debtor.position == 0);

    cr_assert(hub.entry_count == 2 && hub.status_count == 2);
    const struct giro_entry *debit = &hub.entries[0].entry, *credit = &hub.entries[1].entry;
    cr_assert(hub.entries[0].member == 1 && hub.entries[1].member == 2);
    cr_assert(debit->direction == GIRO_DEBIT && credit->direction == GIRO_CREDIT);
    cr_assert(giro_amount128_get(debit->balance_after) == HUB_HOLD);
    cr_assert(giro_amount128_get(credit->balance_after) == 1500000);
    cr_assert(debit->counterparty == 2 && credit->counterparty == 1);
    for (uint32_t i = 0; i < 2; i++) {
        const struct giro_entry *entry = &hub.entries[i].entry;
        cr_assert(memcmp(entry->uetr, record.uetr, 16) == 0 && entry->amount_minor == 500000);
        cr_assert(entry->entry == 1 && entry->height == 1 && entry->leaf_index == 1);
        cr_assert(entry->booking_time_ns == HUB_TIME_NS + 5 && entry->cycle == 0);
        cr_assert(entry->value_date == HUB_DATE && entry->book == GIRO_BOOK_ACCOUNT);
        cr_assert(entry->service == GIRO_SERVICE_GROSS && entry->record == 0);
        cr_assert(entry->kind == GIRO_PAYMENT_CREDIT_TRANSFER && entry->reserved == 0);
    }
    hub_close(&hub);
}

Test(settlement_payments, net_moves_positions_down_to_the_cap_and_no_further)
{
    hub_open(&hub, 3, 2);
    hub_begin(&hub, 1);
    struct giro_record records[4];
    for (uint32_t i = 0; i < 4; i++)
        records[i] = hub_record(&hub, 2);
    records[0].amount_minor = HUB_CAP;
    records[2].currency = 978;
    records[3].amount_minor = 0;
    cr_assert(hub_send(&hub, 1, 7, 4, records, 4) == GIRO_OUTCOME_EXECUTED);
    const struct giro_result *results = hub.outcome.results;
    cr_assert(results[0].status == GIRO_STATUS_ACSP && results[0].cycle == 1);
    cr_assert(results[1].status == GIRO_STATUS_RJCT && results[1].reason == GIRO_REASON_AM13);
    cr_assert(results[2].status == GIRO_STATUS_ACSP && results[2].cycle == 2);
    cr_assert(results[3].reason == GIRO_REASON_AM01);
    hub_end(&hub);
    cr_assert(hub_account(&hub, 1, 0).position == -HUB_CAP);
    cr_assert(hub_account(&hub, 2, 0).position == HUB_CAP);
    cr_assert(hub_account(&hub, 1, 0).balance == HUB_PREFUNDED);
    cr_assert(hub_account(&hub, 1, 0).entries == 0);

    cr_assert(hub.entry_count == 4 && hub.status_count == 4);
    const struct giro_entry *debit = &hub.entries[0].entry, *last = &hub.entries[3].entry;
    cr_assert(debit->book == GIRO_BOOK_POSITION && debit->cycle == 1 && debit->entry == 1);
    cr_assert(giro_amount128_get(debit->balance_after) == -HUB_CAP);
    cr_assert(hub.entries[3].currency_index == 1 && last->cycle == 2 && last->record == 2);
    for (uint32_t i = 0; i < 4; i++) {
        const struct giro_status_row *row = &hub.statuses[i].row;
        cr_assert(hub.statuses[i].member == 1);
        cr_assert(hub.statuses[i].currency_index == (i == 2 ? 1u : 0u), "row %u", i);
        cr_assert(row->sequence == 4 && row->channel == 7 && row->record == i);
        cr_assert(row->status == results[i].status && row->cycle == results[i].cycle);
        cr_assert(row->leaf_index == 0 && row->height == 1 && row->time_ns == hub.time_ns);
        cr_assert(memcmp(row->uetr, records[i].uetr, 16) == 0);
    }
    hub_close(&hub);
}

Test(settlement_payments, incoming_money_can_be_paid_on_in_the_same_frame)
{
    hub_open(&hub, 3, 1);
    hub_begin(&hub, 1);
    struct giro_record in = hub_record(&hub, 0), out = hub_record(&hub, 2);
    in.amount_minor = HUB_CAP;
    out.amount_minor = 2 * HUB_CAP;
    cr_assert(hub_pay(&hub, 0, &out).reason == GIRO_REASON_AM13);
    cr_assert(hub_pay(&hub, 1, &in).status == GIRO_STATUS_ACSP);
    cr_assert(hub_pay(&hub, 0, &out).status == GIRO_STATUS_ACSP, "a refused UETR may come again");
    hub_end(&hub);
    cr_assert(hub_account(&hub, 0, 0).position == -HUB_CAP);
    hub_close(&hub);
}

/* Rows of a currency the hub does not process go to the sender's first account. */
Test(settlement_payments, rows_of_unknown_currencies_go_to_the_first_account)
{
    hub_genesis(&hub, 3, 2);
    hub.genesis.members[1].account_count = 1;
    hub.genesis.members[1].accounts[0].currency_index = 1;
    hub_start(&hub, 3);
    hub_begin(&hub, 1);
    struct giro_record record = hub_record(&hub, 0);
    record.currency = 1;
    cr_assert(hub_pay(&hub, 1, &record).reason == GIRO_REASON_AM03);
    cr_assert(hub.statuses[0].currency_index == 1);
    cr_assert(hub_pay(&hub, 0, &record).reason == GIRO_REASON_AM03);
    cr_assert(hub.statuses[1].currency_index == 0);
    hub_end(&hub);
    struct giro_totals totals;
    giro_settlement_totals(hub.settlement, 1, &totals);
    cr_assert(totals.by_reason[GIRO_REASON_AM03] == 1 && totals.by_status[GIRO_STATUS_RJCT] == 1);
    hub_close(&hub);
}

Test(settlement_payments, an_accepted_payment_is_found_by_its_uetr_until_it_is_evicted)
{
    hub_genesis(&hub, 4, 1);
    hub.genesis.uetr_retained_entries = 1; /* two segments of 1,024 */
    hub_start(&hub, 11);
    hub_begin(&hub, 0);
    struct giro_record first = hub_record(&hub, 2), refused = hub_record(&hub, 1);
    struct giro_found found;
    refused.amount_minor = 0;
    first.amount_minor = 1;
    cr_assert(!giro_settlement_find(hub.settlement, first.uetr, &found));
    const struct giro_record frame[] = {refused, first};
    cr_assert(hub_send(&hub, 0, 3, 0, frame, 2) == GIRO_OUTCOME_EXECUTED);
    cr_assert(!giro_settlement_find(hub.settlement, refused.uetr, &found));
    cr_assert(giro_settlement_find(hub.settlement, first.uetr, &found));
    cr_assert(found.height == hub.height && found.leaf_index == hub.outcome.leaf_index);
    cr_assert(found.record == 1 && found.debtor == 0 && found.creditor == 2);
    /* another sender may use the same UETR; the earlier payment is the one found */
    struct giro_record again = first;
    again.creditor = 0;
    cr_assert(hub_pay(&hub, 3, &again).status == GIRO_STATUS_ACSP);
    cr_assert(hub_pay(&hub, 0, &first).reason == GIRO_REASON_AM05);
    cr_assert(giro_settlement_find(hub.settlement, first.uetr, &found) && found.debtor == 0);
    hub_end(&hub);
    hub_begin(&hub, 0);
    for (uint32_t i = 0; i < 2046; i++) {
        struct giro_record other = hub_record(&hub, 1 + i % 2);
        other.amount_minor = 1;
        cr_assert(hub_pay(&hub, 1 + (i + 1) % 2, &other).status == GIRO_STATUS_ACSP);
        cr_assert(giro_settlement_find(hub.settlement, other.uetr, &found));
        cr_assert(found.height == hub.height && found.creditor == 1 + i % 2);
    }
    cr_assert(giro_settlement_find(hub.settlement, first.uetr, &found), "both segments are full");
    struct giro_record last = hub_record(&hub, 1);
    cr_assert(hub_pay(&hub, 2, &last).status == GIRO_STATUS_ACSP);
    cr_assert(!giro_settlement_find(hub.settlement, first.uetr, &found), "the oldest is gone");
    hub_end(&hub);
    hub_close(&hub);
}
