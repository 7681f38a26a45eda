/* Exactly once: the window of a channel, repeats, equivocation, skips, and who may send what. */
#include <criterion/criterion.h>

#include "settlement_support.h"

TestSuite(settlement_channels, .init = settlement_suite_open);

static struct hub hub;

/* One record whose UETR is derived from the sequence, so that sending it again gives the same
 * bytes. */
static uint8_t send(uint16_t channel, uint64_t sequence, int64_t amount_minor)
{
    struct giro_record record = hub_record(&hub, 1);
    memset(record.uetr, 0, sizeof(record.uetr));
    memcpy(record.uetr, &sequence, sizeof(sequence));
    record.uetr[14] = 1; /* never zero */
    record.uetr[15] = (uint8_t)channel;
    record.amount_minor = amount_minor;
    return hub_send(&hub, 0, channel, sequence, &record, 1);
}

static void expect_channel(uint16_t channel, uint64_t base, uint64_t next, bool stopped)
{
    uint64_t found_base, found_next;
    bool found_stopped;
    giro_settlement_channel(hub.settlement, 0, channel, &found_base, &found_next, &found_stopped);
    cr_assert(found_base == base, "base %lu, not %lu", found_base, base);
    cr_assert(found_next == next, "next %lu, not %lu", found_next, next);
    cr_assert(found_stopped == stopped);
}

static void expect(uint8_t found, enum giro_outcome expected, const char *what)
{
    cr_assert(found == expected, "%s: %s, not %s", what, giro_outcome_name(found),
              giro_outcome_name((uint8_t)expected));
}

Test(settlement_channels, a_repeat_is_answered_with_the_first_outcome)
{
    hub_open(&hub, 3, 1);
    hub_begin(&hub, 1);
    expect(send(0, 0, 1), GIRO_OUTCOME_EXECUTED, "first");
    expect(send(0, 1, 1), GIRO_OUTCOME_EXECUTED, "second");
    uint32_t leaf_index = hub.outcome.leaf_index;
    cr_assert(hub.outcome.first_height == 1 && leaf_index == 1 && hub.outcome.record_count == 1);
    expect(send(0, 1, 1), GIRO_OUTCOME_DUPLICATE, "in the same block");
    hub_end(&hub);
    hub_begin(&hub, 1);
    expect(send(0, 1, 1), GIRO_OUTCOME_DUPLICATE, "in a later block");
    cr_assert(hub.outcome.first_height == 1 && hub.outcome.leaf_index == leaf_index);
    cr_assert(hub.outcome.record_count == 0 && giro_ledger_count(hub.ledger) == 0);
    hub_end(&hub);
    cr_assert(hub_account(&hub, 0, 0).position == -2);
    cr_assert(hub.entry_count == 4 && hub.status_count == 2);
    hub_close(&hub);
}

Test(settlement_channels, order_is_free_within_the_window_and_gaps_close)
{
    hub_open(&hub, 3, 1);
    hub_begin(&hub, 1);
    expect(send(0, 1023, 1), GIRO_OUTCOME_EXECUTED, "top of the window");
    expect(send(0, 1024, 1), GIRO_OUTCOME_NOT_CONSUMED, "one above");
    expect(send(0, UINT64_MAX, 1), GIRO_OUTCOME_NOT_CONSUMED, "far above");
    expect(send(0, 2, 1), GIRO_OUTCOME_EXECUTED, "a gap");
    expect_channel(0, 0, 0, false);
    expect(send(0, 0, 1), GIRO_OUTCOME_EXECUTED, "the start");
    expect_channel(0, 0, 1, false);
    expect(send(0, 1, 1), GIRO_OUTCOME_EXECUTED, "the gap closes");
    expect_channel(0, 0, 3, false);
    expect_channel(1, 0, 0, false);
    hub_end(&hub);
    hub_close(&hub);
}

Test(settlement_channels, the_base_trails_the_frontier_by_512)
{
    hub_open(&hub, 3, 1);
    hub.keep = false;
    hub_begin(&hub, 1);
    for (uint64_t sequence = 0; sequence < 512; sequence++)
        send(0, sequence, 1);
    expect_channel(0, 0, 512, false);
    send(0, 512, 1);
    expect_channel(0, 1, 513, false);
    expect(send(0, 0, 1), GIRO_OUTCOME_OLD, "below the base");
    expect(send(0, 0, 2), GIRO_OUTCOME_OLD, "below the base, other bytes");
    expect(send(0, 1, 1), GIRO_OUTCOME_DUPLICATE, "the oldest kept");
    expect(send(0, 1024, 1), GIRO_OUTCOME_EXECUTED, "the window moved");
    expect(send(0, 1025, 1), GIRO_OUTCOME_NOT_CONSUMED, "but by one only");
    hub_end(&hub);
    hub_begin(&hub, 1);
    for (uint64_t sequence = 513; sequence < 5000; sequence++)
        send(0, sequence, 1);
    expect_channel(0, 5000 - 512, 5000, false);
    expect(send(0, 4999, 1), GIRO_OUTCOME_DUPLICATE, "last");
    expect(send(0, 4487, 1), GIRO_OUTCOME_OLD, "gone");
    expect(send(0, 4488, 1), GIRO_OUTCOME_DUPLICATE, "oldest kept");
    hub_end(&hub);
    hub_close(&hub);
}

Test(settlement_channels, equivocation_stops_new_frames_until_it_is_lifted)
{
    hub_open(&hub, 3, 1);
    hub_begin(&hub, 1);
    send(0, 0, 1);
    send(0, 1, 1);
    expect(send(0, 1, 2), GIRO_OUTCOME_EQUIVOCATION, "other bytes");
    cr_assert(hub.outcome.first_height == 1 && hub.outcome.leaf_index == 1);
    expect(send(0, 2, 1), GIRO_OUTCOME_CHANNEL_STOPPED, "new frame");
    expect(send(0, 5000, 1), GIRO_OUTCOME_CHANNEL_STOPPED, "far frame");
    expect(hub_skip(&hub, 0, 0, 2, 3), GIRO_OUTCOME_CHANNEL_STOPPED, "skip");
    expect(send(0, 0, 1), GIRO_OUTCOME_DUPLICATE, "consumed before");
    expect(send(0, 1, 3), GIRO_OUTCOME_EQUIVOCATION, "once more");
    expect(send(1, 0, 1), GIRO_OUTCOME_EXECUTED, "another channel");
    expect_channel(0, 0, 2, true);
    hub_end(&hub);
    cr_assert(hub_account(&hub, 0, 0).position == -3);

    struct giro_control lift = {.op = GIRO_CONTROL_LIFT_CHANNEL, .member = 0, .value = 0};
    hub_begin(&hub, 1);
    expect(hub_control(&hub, 0, &lift), GIRO_OUTCOME_EXECUTED, "lift");
    cr_assert(hub.outcome.results[0].status == GIRO_STATUS_ACSC);
    expect_channel(0, 0, 2, false);
    expect(send(0, 2, 1), GIRO_OUTCOME_EXECUTED, "after the lift");
    expect(send(0, 1, 2), GIRO_OUTCOME_EQUIVOCATION, "the old one stays one");
    hub_end(&hub);
    hub_close(&hub);
}

Test(settlement_channels, a_skip_consumes_what_is_clear)
{
    hub_open(&hub, 3, 1);
    hub_begin(&hub, 1);
    send(0, 3, 1);
    expect(hub_skip(&hub, 0, 0, 0, 5), GIRO_OUTCOME_EXECUTED, "skip");
    cr_assert(hub.outcome.record_count == 0 && hub.outcome.leaf_index == 1);
    uint32_t size_bytes;
    const uint8_t *leaf = giro_ledger_leaf(hub.ledger, 1, &size_bytes);
    cr_assert(size_bytes == GIRO_TAG_BYTES + sizeof(struct giro_leaf_frame));
    cr_assert(memcmp(leaf, GIRO_TAG_LEAF_FRAME, GIRO_TAG_BYTES) == 0);
    expect_channel(0, 0, 6, false);
    expect(hub_skip(&hub, 0, 0, 0, 5), GIRO_OUTCOME_DUPLICATE, "again");
    cr_assert(hub.outcome.first_height == 1 && hub.outcome.leaf_index == 1);
    expect(send(0, 3, 1), GIRO_OUTCOME_DUPLICATE, "what was consumed before keeps its own frame");
    cr_assert(hub.outcome.leaf_index == 0);
    expect(hub_skip(&hub, 0, 0, 6, 1024), GIRO_OUTCOME_NOT_CONSUMED, "to beyond the window");
    expect(hub_skip(&hub, 0, 0, 6, 1023), GIRO_OUTCOME_EXECUTED, "to the window's top");
    expect_channel(0, 512, 1024, false);
    expect(hub_skip(&hub, 0, 0, 511, 2000), GIRO_OUTCOME_OLD, "from below the base");
    expect(send(0, 700, 1), GIRO_OUTCOME_EQUIVOCATION, "a frame under a skipped sequence");
    expect(hub_skip(&hub, 0, 0, 1023, 1030), GIRO_OUTCOME_EQUIVOCATION, "a skip from a used one");
    hub_end(&hub);
    cr_assert(hub_account(&hub, 0, 0).position == -1);
    hub_close(&hub);
}

Test(settlement_channels, only_enrolled_senders_in_their_own_role_are_executed)
{
    hub_open(&hub, 3, 1);
    struct giro_record record = hub_record(&hub, 1);
    struct giro_control control = {.op = GIRO_CONTROL_CUT_FILES};
    /* key 3 of the operators is enrolled; 9 is not */
    static const struct {
        const char *what;
        enum giro_kind kind;
        uint16_t member, key_id, checker_key_id, channel;
        enum giro_outcome outcome;
    } rows[] = {
        {"a member", GIRO_KIND_FRAME, 2, 1, 0, 63, GIRO_OUTCOME_EXECUTED},
        {"unknown member", GIRO_KIND_FRAME, 3, 1, 0, 0, GIRO_OUTCOME_REFUSED},
        {"unknown key", GIRO_KIND_FRAME, 2, 2, 0, 0, GIRO_OUTCOME_REFUSED},
        {"channel out of range", GIRO_KIND_FRAME, 2, 1, 0, 64, GIRO_OUTCOME_REFUSED},
        {"operator pays", GIRO_KIND_FRAME, 0xFFFF, 1, 0, 0, GIRO_OUTCOME_REFUSED},
        {"operator skips alone", GIRO_KIND_SKIP, 0xFFFF, 1, 0, 0, GIRO_OUTCOME_REFUSED},
        {"unknown member skips", GIRO_KIND_SKIP, 3, 1, 0, 0, GIRO_OUTCOME_REFUSED},
        {"member controls", GIRO_KIND_CONTROL, 2, 1, 2, 0, GIRO_OUTCOME_REFUSED},
        {"same eyes", GIRO_KIND_CONTROL, 0xFFFF, 1, 1, 0, GIRO_OUTCOME_REFUSED},
        {"unknown maker", GIRO_KIND_CONTROL, 0xFFFF, 9, 2, 0, GIRO_OUTCOME_REFUSED},
        {"unknown checker", GIRO_KIND_CONTROL, 0xFFFF, 1, 9, 0, GIRO_OUTCOME_REFUSED},
        {"four eyes", GIRO_KIND_CONTROL, 0xFFFF, 3, 2, 0, GIRO_OUTCOME_EXECUTED},
        {"again", GIRO_KIND_CONTROL, 0xFFFF, 3, 2, 0, GIRO_OUTCOME_DUPLICATE},
        {"other eyes", GIRO_KIND_CONTROL, 0xFFFF, 1, 2, 0, GIRO_OUTCOME_EQUIVOCATION},
    };
    hub_begin(&hub, 1);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct giro_frame frame = {
            .header = {.head = giro_head_make(rows[i].kind),
                       .member = rows[i].member,
                       .key_id = rows[i].key_id,
                       .checker_key_id = rows[i].checker_key_id,
                       .channel = rows[i].channel,
                       .record_count = rows[i].kind == GIRO_KIND_SKIP ? 0 : 1},
            .records = rows[i].kind == GIRO_KIND_CONTROL ? (const uint8_t *)&control
                                                         : (const uint8_t *)&record};
        expect(hub_frame(&hub, &frame, NULL), rows[i].outcome, rows[i].what);
    }
    hub_end(&hub);
    struct giro_totals totals;
    giro_settlement_totals(hub.settlement, 0, &totals);
    cr_assert(totals.by_outcome[GIRO_OUTCOME_REFUSED] == 10);
    cr_assert(totals.by_outcome[GIRO_OUTCOME_EXECUTED] == 2);
    hub_close(&hub);
}
