/* Control transactions: each operation's effect and its refusals. */
#include <criterion/criterion.h>

#include "settlement_support.h"

TestSuite(settlement_controls, .init = settlement_suite_open);

static struct hub hub;

static const struct {
    const char *what;
    uint16_t op, member, currency, account;
    int64_t amount_minor;
    uint64_t value;
    uint8_t last_reserved;
    enum giro_reason reason;
} rows[] = {
    {"cap", GIRO_CONTROL_SET_CAP, 0, 203, 0, HUB_HOLD, 0, 0, GIRO_REASON_NONE},
    {"cap above hold", GIRO_CONTROL_SET_CAP, 0, 203, 0, HUB_HOLD + 1, 0, 0, GIRO_REASON_AM13},
    {"cap at use", GIRO_CONTROL_SET_CAP, 0, 203, 0, 1000, 0, 0, GIRO_REASON_NONE},
    {"cap below use", GIRO_CONTROL_SET_CAP, 0, 203, 0, 999, 0, 0, GIRO_REASON_AM13},
    {"cap of a creditor", GIRO_CONTROL_SET_CAP, 1, 203, 0, 0, 0, 0, GIRO_REASON_NONE},
    {"negative cap", GIRO_CONTROL_SET_CAP, 1, 203, 0, -1, 0, 0, GIRO_REASON_AM12},
    {"cap, no currency", GIRO_CONTROL_SET_CAP, 0, 1, 0, 1000, 0, 0, GIRO_REASON_AM03},
    {"cap, no member", GIRO_CONTROL_SET_CAP, 3, 203, 0, 1000, 0, 0, GIRO_REASON_NARR},
    {"cap, no account", GIRO_CONTROL_SET_CAP, 0, 203, 1, 1000, 0, 0, GIRO_REASON_AC01},
    {"cap, no account here", GIRO_CONTROL_SET_CAP, 2, 978, 0, 0, 0, 0, GIRO_REASON_AC01},
    {"account", GIRO_CONTROL_SET_ACCOUNT, 1, 203, 0, 0, 2, 0, GIRO_REASON_NONE},
    {"account status 0", GIRO_CONTROL_SET_ACCOUNT, 1, 203, 0, 0, 0, 0, GIRO_REASON_NARR},
    {"account status 4", GIRO_CONTROL_SET_ACCOUNT, 1, 203, 0, 0, 4, 0, GIRO_REASON_NARR},
    {"account status 257", GIRO_CONTROL_SET_ACCOUNT, 1, 203, 0, 0, 257, 0, GIRO_REASON_NARR},
    {"account of none", GIRO_CONTROL_SET_ACCOUNT, 2, 978, 0, 0, 1, 0, GIRO_REASON_AC01},
    {"member", GIRO_CONTROL_SET_MEMBER, 1, 0, 0, 0, 2, 0, GIRO_REASON_NONE},
    {"member status 0", GIRO_CONTROL_SET_MEMBER, 1, 0, 0, 0, 0, 0, GIRO_REASON_NARR},
    {"member status 3", GIRO_CONTROL_SET_MEMBER, 1, 0, 0, 0, 3, 0, GIRO_REASON_NARR},
    {"no member", GIRO_CONTROL_SET_MEMBER, 3, 0, 0, 0, 1, 0, GIRO_REASON_NARR},
    {"the operator", GIRO_CONTROL_SET_MEMBER, 0xFFFF, 0, 0, 0, 1, 0, GIRO_REASON_NARR},
    {"lift, not stopped", GIRO_CONTROL_LIFT_CHANNEL, 0, 0, 0, 0, 3, 0, GIRO_REASON_NARR},
    {"lift, no channel", GIRO_CONTROL_LIFT_CHANNEL, 0, 0, 0, 0, 64, 0, GIRO_REASON_NARR},
    {"lift, no member", GIRO_CONTROL_LIFT_CHANNEL, 3, 0, 0, 0, 0, 0, GIRO_REASON_NARR},
    {"lift, operator", GIRO_CONTROL_LIFT_CHANNEL, 0xFFFF, 0, 0, 0, 0, 0, GIRO_REASON_NARR},
    {"close, no currency", GIRO_CONTROL_CLOSE_CYCLE, 0, 1, 0, 0, 0, 0, GIRO_REASON_AM03},
    {"cut files", GIRO_CONTROL_CUT_FILES, 0, 0, 0, 0, 0, 0, GIRO_REASON_NONE},
    {"operation 0", 0, 0, 0, 0, 0, 0, 0, GIRO_REASON_AG03},
    {"operation 8", 8, 0, 0, 0, 0, 0, 0, GIRO_REASON_AG03},
    {"reserved bytes", GIRO_CONTROL_CUT_FILES, 0, 0, 0, 0, 0, 1, GIRO_REASON_NARR},
};

Test(settlement_controls, each_operation_is_accepted_or_refused_with_its_reason)
{
    hub_genesis(&hub, 3, 2);
    hub.genesis.members[2].account_count = 1;
    hub_start(&hub, 1);
    hub_begin(&hub, 1);
    struct giro_record record = hub_record(&hub, 1);
    record.amount_minor = 1000;
    hub_pay(&hub, 0, &record);
    hub_end(&hub);
    for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct giro_hash before = hub.settlement_root;
        struct giro_control control = {.op = rows[i].op,
                                       .member = rows[i].member,
                                       .currency = rows[i].currency,
                                       .account = rows[i].account,
                                       .amount_minor = rows[i].amount_minor,
                                       .value = rows[i].value,
                                       .reserved = {[23] = rows[i].last_reserved}};
        hub_begin(&hub, 1);
        cr_assert(hub_control(&hub, i, &control) == GIRO_OUTCOME_EXECUTED);
        struct giro_result result = hub.outcome.results[0];
        cr_assert(result.reason == rows[i].reason, "%s: %s", rows[i].what,
                  giro_reason_name(result.reason));
        cr_assert(result.status == (result.reason == 0 ? GIRO_STATUS_ACSC : GIRO_STATUS_RJCT));
        cr_assert(giro_ledger_count(hub.ledger) == 1, "%s: its frame leaf", rows[i].what);
        hub_end(&hub);
        cr_assert(!giro_hash_equal(&before, &hub.settlement_root));
    }
    cr_assert(hub_account(&hub, 0, 0).cap == 1000);
    cr_assert(hub_account(&hub, 1, 0).cap == 0);
    cr_assert(hub_account(&hub, 1, 0).status == GIRO_ACCOUNT_BLOCKED);
    hub_close(&hub);
}

Test(settlement_controls, records_of_one_control_take_effect_in_order)
{
    hub_open(&hub, 3, 1);
    struct giro_control records[3] = {
        {.op = GIRO_CONTROL_SET_CAP, .member = 0, .currency = 203, .amount_minor = 10},
        {.op = GIRO_CONTROL_SET_CAP, .member = 0, .currency = 203, .amount_minor = HUB_HOLD + 1},
        {.op = GIRO_CONTROL_CLOSE_CYCLE, .currency = 203}};
    struct giro_frame frame = {.header = {.head = giro_head_make(GIRO_KIND_CONTROL),
                                          .member = GIRO_MEMBER_OPERATOR,
                                          .key_id = 2,
                                          .checker_key_id = 3,
                                          .channel = 5,
                                          .record_count = 3},
                               .records = (const uint8_t *)records};
    hub_begin(&hub, 1);
    cr_assert(hub_frame(&hub, &frame, NULL) == GIRO_OUTCOME_EXECUTED);
    cr_assert(hub.outcome.record_count == 3);
    cr_assert(hub.outcome.results[0].status == GIRO_STATUS_ACSC);
    cr_assert(hub.outcome.results[1].reason == GIRO_REASON_AM13);
    cr_assert(hub.outcome.results[2].cycle == 1);
    cr_assert(hub.outcome.leaf_index == 1, "after the cycle leaf that it caused");
    uint32_t size_bytes;
    const uint8_t *leaf = giro_ledger_leaf(hub.ledger, 1, &size_bytes);
    cr_assert(size_bytes == 8 + 64 + 3 * 8);
    cr_assert(memcmp(leaf + 8 + 64, hub.outcome.results, 3 * 8) == 0);
    cr_assert(hub_frame(&hub, &frame, NULL) == GIRO_OUTCOME_DUPLICATE);
    cr_assert(hub.outcome.leaf_index == 1);
    hub_end(&hub);
    cr_assert(hub_account(&hub, 0, 0).cap == 10);
    hub_close(&hub);
}

Test(settlement_controls, the_operators_own_channel_stops_and_is_lifted_from_another)
{
    hub_open(&hub, 2, 1);
    struct giro_control files = {.op = GIRO_CONTROL_CUT_FILES};
    struct giro_control lift = {.op = GIRO_CONTROL_LIFT_CHANNEL, .member = GIRO_MEMBER_OPERATOR};
    struct giro_frame frame = {.header = {.head = giro_head_make(GIRO_KIND_CONTROL),
                                          .member = GIRO_MEMBER_OPERATOR,
                                          .key_id = 1,
                                          .checker_key_id = 2,
                                          .channel = 1,
                                          .record_count = 1},
                               .records = (const uint8_t *)&lift};
    hub_begin(&hub, 1);
    hub_control(&hub, 0, &files);
    cr_assert(hub_control(&hub, 0, &lift) == GIRO_OUTCOME_EQUIVOCATION);
    cr_assert(hub_control(&hub, 1, &files) == GIRO_OUTCOME_CHANNEL_STOPPED);
    cr_assert(hub_frame(&hub, &frame, NULL) == GIRO_OUTCOME_EXECUTED);
    cr_assert(hub_control(&hub, 1, &files) == GIRO_OUTCOME_EXECUTED);
    hub_end(&hub);
    hub_close(&hub);
}
