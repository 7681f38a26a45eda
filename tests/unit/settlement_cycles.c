/* Cycles: netting, settlement, the schedule, the day switch, and the rows and roots that come of
 * them. */
#include <criterion/criterion.h>

#include "settlement_support.h"

TestSuite(settlement_cycles, .init = settlement_suite_open);

static struct hub hub;
static uint64_t control_sequence;

static struct giro_result control(struct giro_control record)
{
    uint8_t outcome = hub_control(&hub, control_sequence++, &record);
    cr_assert(outcome == GIRO_OUTCOME_EXECUTED);
    return hub.outcome.results[0];
}

static struct giro_result close_cycle(uint16_t currency)
{
    return control((struct giro_control){.op = GIRO_CONTROL_CLOSE_CYCLE, .currency = currency});
}

static void pay(uint16_t sender, uint16_t creditor, int64_t amount_minor, uint8_t service)
{
    struct giro_record record = hub_record(&hub, creditor);
    record.amount_minor = amount_minor;
    record.service = service;
    struct giro_result result = hub_pay(&hub, sender, &record);
    cr_assert(result.status != GIRO_STATUS_RJCT, "%s", giro_reason_name(result.reason));
}

static struct giro_leaf_cycle cycle_leaf(uint32_t index)
{
    struct giro_leaf_cycle leaf;
    uint32_t size_bytes;
    const uint8_t *bytes = giro_ledger_leaf(hub.ledger, index, &size_bytes);
    cr_assert(size_bytes == GIRO_TAG_BYTES + sizeof(leaf));
    cr_assert(memcmp(bytes, GIRO_TAG_LEAF_CYCLE, GIRO_TAG_BYTES) == 0);
    memcpy(&leaf, bytes + GIRO_TAG_BYTES, sizeof(leaf));
    return leaf;
}

Test(settlement_cycles, a_close_posts_positions_to_accounts_and_opens_the_next)
{
    hub_open(&hub, 4, 2);
    hub_begin(&hub, 1);
    pay(0, 1, 300, GIRO_SERVICE_NET);
    pay(1, 2, 100, GIRO_SERVICE_NET);
    pay(1, 0, 50, GIRO_SERVICE_NET);
    hub_end(&hub);
    hub_forget(&hub);
    hub_begin(&hub, 1);
    struct giro_result result = close_cycle(203);
    cr_assert(result.status == GIRO_STATUS_ACSC && result.cycle == 1);
    hub_end(&hub);

    static const int64_t moved[4] = {-250, 150, 100, 0};
    cr_assert(hub.entry_count == 3);
    for (uint32_t i = 0; i < 3; i++) {
        const struct giro_entry *entry = &hub.entries[i].entry;
        cr_assert(hub.entries[i].member == i && hub.entries[i].currency_index == 0);
        cr_assert(entry->amount_minor == (moved[i] < 0 ? -moved[i] : moved[i]));
        cr_assert(entry->direction == (moved[i] < 0 ? GIRO_DEBIT : GIRO_CREDIT));
        cr_assert(giro_amount128_get(entry->balance_after) == HUB_PREFUNDED + moved[i]);
        cr_assert(entry->kind == GIRO_PAYMENT_SETTLEMENT && entry->book == GIRO_BOOK_ACCOUNT);
        cr_assert(entry->counterparty == 0xFFFF && entry->cycle == 1 && entry->entry == 1);
        cr_assert(entry->leaf_index == hub.cycles[0].leaf_index && entry->value_date == HUB_DATE);
    }
    for (uint16_t i = 0; i < 4; i++) {
        struct giro_account_view view = hub_account(&hub, i, 0);
        cr_assert(view.balance == HUB_PREFUNDED + moved[i] && view.position == 0);
        cr_assert(view.held == HUB_HOLD && view.cap == HUB_CAP && view.cycle == 3);
        cr_assert(hub_account(&hub, i, 1).cycle == 2);
    }
    cr_assert(hub.status_count == 3);
    static const uint8_t no_uetr[16];
    for (uint32_t i = 0; i < 3; i++) {
        cr_assert(hub.statuses[i].member == i && hub.statuses[i].row.status == GIRO_STATUS_ACSC);
        cr_assert(memcmp(hub.statuses[i].row.uetr, no_uetr, 16) == 0);
        cr_assert(hub.statuses[i].row.cycle == 1 && hub.statuses[i].row.leaf_index == 0);
    }
    cr_assert(hub.cycle_count == 1 && hub.cycles[0].cycle == 1 && hub.cycles[0].next_cycle == 3);
    cr_assert(hub.cycles[0].state == GIRO_CYCLE_SETTLED && hub.cycles[0].entries_before == 3);
    struct giro_leaf_cycle leaf = cycle_leaf(hub.cycles[0].leaf_index);
    cr_assert(leaf.height == 2 && leaf.cycle == 1 && leaf.currency == 203);
    cr_assert(leaf.state == GIRO_CYCLE_SETTLED && leaf.payment_count == 3);
    cr_assert(giro_amount128_get(leaf.gross_minor) == 450);
    cr_assert(giro_amount128_get(leaf.net_minor) == 250);
    hub_close(&hub);
}

Test(settlement_cycles, the_settlement_uetr_is_the_documented_hash)
{
    hub_open(&hub, 2, 1);
    hub_begin(&hub, 1);
    pay(0, 1, 1, GIRO_SERVICE_NET);
    close_cycle(203);
    hub_end(&hub);
    uint8_t preimage[8 + 32 + 4 + 2] = "GIRLCYC1";
    memcpy(preimage + 8, hub.genesis.chain_id.bytes, 32);
    preimage[40] = 1;
    preimage[44] = 203;
    struct giro_hash hash = giro_sha256(preimage, sizeof(preimage));
    cr_assert(memcmp(hub.entries[2].entry.uetr, hash.bytes, 16) == 0);
    hub_close(&hub);
}

Test(settlement_cycles, who_nets_to_zero_gets_a_status_but_no_entry)
{
    hub_open(&hub, 3, 1);
    hub_begin(&hub, 1);
    pay(0, 1, 7, GIRO_SERVICE_NET);
    pay(1, 0, 7, GIRO_SERVICE_NET);
    hub_forget(&hub);
    close_cycle(203);
    hub_end(&hub);
    cr_assert(hub.entry_count == 0 && hub.status_count == 2 && hub.cycle_count == 1);
    hub_close(&hub);
}

Test(settlement_cycles, the_hold_follows_the_balance_only_when_a_cycle_settles)
{
    hub_open(&hub, 3, 1);
    hub_begin(&hub, 1);
    pay(0, 1, 400000, GIRO_SERVICE_NET);
    pay(0, 1, 500000, GIRO_SERVICE_GROSS);
    close_cycle(203);
    hub_end(&hub);
    struct giro_account_view view = hub_account(&hub, 0, 0);
    cr_assert(view.balance == 100000 && view.held == 100000 && view.available == 0);
    cr_assert(view.cap == 100000, "the cap in force is never above the hold");
    hub_begin(&hub, GIRO_NS_PER_S);
    struct giro_record record = hub_record(&hub, 2);
    record.amount_minor = 100001;
    cr_assert(hub_pay(&hub, 0, &record).reason == GIRO_REASON_AM13);
    pay(1, 0, 300000, GIRO_SERVICE_GROSS);
    view = hub_account(&hub, 0, 0);
    cr_assert(view.held == 100000 && view.available == 300000);
    close_cycle(203);
    hub_end(&hub);
    view = hub_account(&hub, 0, 0);
    cr_assert(view.held == 400000 && view.available == 0 && view.cap == 400000);
    hub_close(&hub);
}

Test(settlement_cycles, the_netting_rows_hash_to_the_root_in_the_leaf)
{
    hub_open(&hub, 4, 2);
    hub_begin(&hub, 1);
    pay(3, 0, 10, GIRO_SERVICE_NET);
    pay(0, 3, 4, GIRO_SERVICE_NET);
    pay(0, 3, 5, GIRO_SERVICE_NET);
    pay(0, 1, 6, GIRO_SERVICE_NET);
    close_cycle(203);
    hub_end(&hub);
    struct giro_leaf_cycle leaf = cycle_leaf(hub.cycles[0].leaf_index);
    hub_begin(&hub, 1);
    pay(2, 0, 99, GIRO_SERVICE_NET); /* in the next cycle: not in the rows */
    hub_end(&hub);

    struct giro_netting_cell cells[4];
    cr_assert(giro_settlement_netting_row(hub.settlement, 0, 0, cells, 4) == 2);
    cr_assert(cells[0].counterparty == 1 && cells[0].sent_count == 1 &&
              cells[0].received_count == 0);
    cr_assert(cells[1].counterparty == 3 && cells[1].sent_count == 2 &&
              cells[1].received_count == 1);
    cr_assert(giro_amount128_get(cells[1].sent_minor) == 9);
    cr_assert(giro_amount128_get(cells[1].received_minor) == 10);
    cr_assert(giro_settlement_netting_row(hub.settlement, 0, 0, cells, 1) == 1);
    cr_assert(giro_settlement_netting_row(hub.settlement, 0, 2, cells, 4) == 0);
    cr_assert(giro_settlement_netting_row(hub.settlement, 1, 0, cells, 4) == 0);

    uint8_t rows[8 + 4 * 32] = "GIRNETT1";
    size_t rows_bytes = 8;
    for (uint16_t member = 0; member < 4; member++) {
        uint8_t row[8 + 32 + 16 + 4 * 48] = "GIRNETT1";
        uint32_t count = giro_settlement_netting_row(hub.settlement, 0, member, cells, 4);
        memcpy(row + 8, hub.genesis.chain_id.bytes, 32);
        row[40] = 1; /* cycle */
        row[44] = (uint8_t)member;
        row[46] = 203;
        row[48] = (uint8_t)count;
        memcpy(row + 56, cells, count * 48);
        struct giro_hash hash = giro_sha256(row, 56 + count * 48);
        if (count != 0) {
            memcpy(rows + rows_bytes, hash.bytes, 32);
            rows_bytes += 32;
        }
    }
    struct giro_hash root = giro_sha256(rows, rows_bytes);
    cr_assert(rows_bytes == 8 + 3 * 32);
    cr_assert(giro_hash_equal(&leaf.netting_root, &root));
    hub_close(&hub);
}

Test(settlement_cycles, an_empty_cycle_closes_by_control_with_zero_counts)
{
    hub_open(&hub, 3, 1);
    hub_begin(&hub, 1);
    cr_assert(close_cycle(203).cycle == 1);
    hub_end(&hub);
    cr_assert(hub.entry_count == 0 && hub.status_count == 0 && hub.cycle_count == 1);
    struct giro_leaf_cycle leaf = cycle_leaf(0);
    struct giro_hash empty = giro_sha256("GIRNETT1", 8);
    cr_assert(leaf.payment_count == 0 && giro_hash_equal(&leaf.netting_root, &empty));
    hub_close(&hub);
}

Test(settlement_cycles, the_schedule_closes_at_multiples_and_skips_empty_cycles)
{
    hub_genesis(&hub, 3, 2);
    hub.genesis.cycle_seconds = 60;
    hub_start(&hub, 1);
    uint64_t minute_ns = 60 * GIRO_NS_PER_S;
    hub_begin(&hub, minute_ns - hub.time_ns % minute_ns + 1); /* just after a multiple */
    uint64_t due_ns = hub.time_ns - 1 + minute_ns;
    cr_assert(giro_settlement_next_due(hub.settlement) == UINT64_MAX);
    pay(0, 1, 5, GIRO_SERVICE_NET);
    cr_assert(giro_settlement_next_due(hub.settlement) == due_ns);
    hub_end(&hub);
    hub_begin(&hub, due_ns - 1 - hub.time_ns);
    cr_assert(hub.cycle_count == 0);
    hub_end(&hub);
    hub_begin(&hub, 1);
    cr_assert(hub.cycle_count == 1 && hub.cycles[0].cycle == 1, "and currency 1 stays open");
    cr_assert(giro_settlement_next_due(hub.settlement) == UINT64_MAX);
    pay(0, 1, 5, GIRO_SERVICE_NET); /* exactly on a multiple: due at the next */
    cr_assert(giro_settlement_next_due(hub.settlement) == due_ns + minute_ns);
    hub_end(&hub);
    hub_begin(&hub, 3 * minute_ns);
    cr_assert(hub.cycle_count == 2 && hub.cycles[1].cycle == 3 && hub.cycles[1].next_cycle == 4);
    hub_end(&hub);
    hub_begin(&hub, minute_ns);
    cr_assert(hub.cycle_count == 2);
    hub_end(&hub);
    hub_close(&hub);
}

Test(settlement_cycles, a_window_holds_one_settled_cycle_of_a_currency)
{
    hub_open(&hub, 3, 2);
    hub_begin(&hub, 1);
    cr_assert(close_cycle(203).status == GIRO_STATUS_ACSC);
    cr_assert(close_cycle(203).reason == GIRO_REASON_NARR);
    cr_assert(close_cycle(978).status == GIRO_STATUS_ACSC);
    pay(0, 1, 5, GIRO_SERVICE_NET);
    hub_end(&hub);
    hub_begin(&hub, 1);
    struct giro_control day = {.op = GIRO_CONTROL_DAY_SWITCH, .value = HUB_DATE + 1};
    cr_assert(control(day).reason == GIRO_REASON_NARR, "payments in the new cycle: next second");
    hub_end(&hub);
    hub_begin(&hub, GIRO_NS_PER_S);
    cr_assert(control(day).status == GIRO_STATUS_ACSC);
    hub_end(&hub);
    cr_assert(hub.cycle_count == 4);
    hub_close(&hub);
}

Test(settlement_cycles, the_day_switch_closes_every_cycle_and_moves_the_date)
{
    hub_open(&hub, 3, 2);
    hub_begin(&hub, 1);
    pay(0, 1, 5, GIRO_SERVICE_NET);
    cr_assert(
        control((struct giro_control){.op = GIRO_CONTROL_DAY_SWITCH, .value = HUB_DATE}).reason ==
        GIRO_REASON_DT01);
    cr_assert(
        control((struct giro_control){.op = GIRO_CONTROL_DAY_SWITCH, .value = 65536}).reason ==
        GIRO_REASON_DT01);
    cr_assert(hub.cycle_count == 0 && giro_settlement_business_date(hub.settlement) == HUB_DATE);
    struct giro_result result =
        control((struct giro_control){.op = GIRO_CONTROL_DAY_SWITCH, .value = HUB_DATE + 3});
    cr_assert(result.status == GIRO_STATUS_ACSC);
    cr_assert(hub.cycle_count == 2 &&
              giro_settlement_business_date(hub.settlement) == HUB_DATE + 3);
    cr_assert(hub.entries[2].entry.value_date == HUB_DATE, "the cycle settles on its own day");
    struct giro_record record = hub_record(&hub, 1);
    record.value_date = HUB_DATE;
    cr_assert(hub_pay(&hub, 0, &record).reason == GIRO_REASON_DT01);
    record.value_date = HUB_DATE + 3;
    cr_assert(hub_pay(&hub, 0, &record).status == GIRO_STATUS_ACSP);
    hub_end(&hub);
    hub_close(&hub);
}

/* Eleven debtors of 10^18-1 each give one creditor more than an int64_t holds. */
Test(settlement_cycles, a_position_above_the_largest_amount_is_posted_in_several_entries)
{
    hub_genesis(&hub, 12, 1);
    for (uint32_t i = 0; i < 12; i++) {
        struct giro_genesis_account *account = &hub.genesis.members[i].accounts[0];
        account->prefunded_minor = account->hold_minor = account->cap_minor = GIRO_AMOUNT_MAX_MINOR;
    }
    hub_start(&hub, 1);
    hub_begin(&hub, 1);
    for (uint16_t i = 1; i < 12; i++)
        pay(i, 0, GIRO_AMOUNT_MAX_MINOR, GIRO_SERVICE_NET);
    hub_forget(&hub);
    close_cycle(203);
    hub_end(&hub);
    giro_i128 balance = GIRO_AMOUNT_MAX_MINOR;
    for (uint32_t i = 0; i < 11; i++) {
        balance += GIRO_AMOUNT_MAX_MINOR;
        cr_assert(hub.entries[i].member == 0 && hub.entries[i].entry.entry == i + 1);
        cr_assert(giro_amount128_get(hub.entries[i].entry.balance_after) == balance);
    }
    cr_assert(hub.entry_count == 22 && hub_account(&hub, 0, 0).balance == balance);
    cr_assert(hub_account(&hub, 5, 0).balance == 0 && hub_account(&hub, 5, 0).held == 0);
    hub_close(&hub);
}
