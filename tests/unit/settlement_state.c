/* The UETR set's bounds, the ledger's tree, the root, and the footprint. */
#include <stdlib.h>

#include <criterion/criterion.h>

#include "settlement_support.h"

TestSuite(settlement_state, .init = settlement_suite_open);

static struct hub hub;

/* Payment number n of member 0, in frames of one on channels that follow each other. */
static enum giro_reason pay_numbered(uint64_t number)
{
    struct giro_record record = hub_record(&hub, 1);
    memset(record.uetr, 0, sizeof(record.uetr));
    memcpy(record.uetr, &number, sizeof(number));
    record.uetr[9] = 1;
    record.amount_minor = 1;
    return (enum giro_reason)hub_pay(&hub, 0, &record).reason;
}

Test(settlement_state, a_uetr_is_refused_while_it_is_kept_per_sender)
{
    hub_open(&hub, 3, 1);
    hub_begin(&hub, 1);
    struct giro_record record = hub_record(&hub, 1);
    cr_assert(hub_pay(&hub, 0, &record).status == GIRO_STATUS_ACSP);
    cr_assert(hub_pay(&hub, 0, &record).reason == GIRO_REASON_AM05);
    record.amount_minor++;
    record.service = GIRO_SERVICE_GROSS;
    cr_assert(hub_pay(&hub, 0, &record).reason == GIRO_REASON_AM05, "whatever else it says");
    cr_assert(hub_pay(&hub, 2, &record).status == GIRO_STATUS_ACSC, "another sender");
    hub_end(&hub);
    struct giro_record pair[2] = {hub_record(&hub, 1), hub_record(&hub, 2)};
    memcpy(pair[1].uetr, pair[0].uetr, 16);
    hub_begin(&hub, 1);
    hub_send(&hub, 1, 0, 0, pair, 2);
    cr_assert(hub.outcome.results[0].reason == GIRO_REASON_RC04);
    cr_assert(hub.outcome.results[1].status == GIRO_STATUS_ACSP, "a refused one is not kept");
    pair[0].creditor = 0;
    pair[0].uetr[0] ^= 1;
    pair[1].uetr[0] ^= 1;
    hub_send(&hub, 1, 0, 1, pair, 2);
    cr_assert(hub.outcome.results[1].reason == GIRO_REASON_AM05, "within one frame");
    hub_end(&hub);
    hub_close(&hub);
}

Test(settlement_state, the_uetr_set_evicts_whole_segments_in_ledger_order)
{
    hub_genesis(&hub, 2, 1);
    hub.genesis.uetr_retained_entries = 1025; /* two segments and the one being filled */
    hub_start(&hub, 5);
    hub.keep = false;
    for (uint64_t number = 0; number < 3 * 1024; number++) {
        if (number % 512 == 0)
            hub_begin(&hub, 1);
        cr_assert(pay_numbered(number) == GIRO_REASON_NONE, "%lu", (unsigned long)number);
        if (number % 512 == 511)
            hub_end(&hub);
    }
    hub_begin(&hub, 1);
    cr_assert(pay_numbered(0) == GIRO_REASON_AM05);
    cr_assert(pay_numbered(3 * 1024) == GIRO_REASON_NONE, "opens a segment, the oldest goes");
    cr_assert(pay_numbered(1024) == GIRO_REASON_AM05);
    cr_assert(pay_numbered(0) == GIRO_REASON_NONE);
    cr_assert(pay_numbered(1023) == GIRO_REASON_NONE);
    cr_assert(pay_numbered(1023) == GIRO_REASON_AM05);
    hub_end(&hub);
    for (uint64_t number = 10000; number < 20000; number += 500) {
        hub_begin(&hub, 1);
        for (uint64_t i = 0; i < 500; i++)
            cr_assert(pay_numbered(number + i) == GIRO_REASON_NONE);
        hub_end(&hub);
    }
    hub_close(&hub);
}

Test(settlement_state, the_uetr_set_forgets_after_its_days)
{
    hub_genesis(&hub, 2, 1);
    hub.genesis.uetr_retained_days = 2;
    hub_start(&hub, 5);
    hub_begin(&hub, 1);
    pay_numbered(1);
    hub_end(&hub);
    for (uint32_t day = 1; day <= 3; day++) {
        struct giro_control control = {.op = GIRO_CONTROL_DAY_SWITCH, .value = HUB_DATE + day};
        hub_begin(&hub, GIRO_NS_PER_S);
        hub_control(&hub, day, &control);
        cr_assert(hub.outcome.results[0].status == GIRO_STATUS_ACSC);
        cr_assert(pay_numbered(1) == (day <= 2 ? GIRO_REASON_AM05 : GIRO_REASON_NONE), "day %u",
                  day);
        hub_end(&hub);
    }
    hub_close(&hub);
}

/* An old entry in the segment being filled stays while newer ones share its segment. */
Test(settlement_state, a_segment_is_as_young_as_its_newest_entry)
{
    hub_genesis(&hub, 2, 1);
    hub.genesis.uetr_retained_days = 0;
    hub.genesis.uetr_retained_entries = 1; /* one segment and the one being filled */
    hub_start(&hub, 5);
    hub.keep = false;
    hub_begin(&hub, 1);
    for (uint64_t number = 0; number < 1500; number++)
        pay_numbered(number);
    struct giro_control control = {.op = GIRO_CONTROL_DAY_SWITCH, .value = HUB_DATE + 1};
    hub_control(&hub, 0, &control);
    for (uint64_t number = 0; number < 1500; number += 100)
        cr_assert(pay_numbered(number) == GIRO_REASON_NONE, "%lu", (unsigned long)number);
    hub_end(&hub);
    hub_begin(&hub, 1);
    for (uint64_t number = 2000; number < 8000; number++)
        cr_assert(pay_numbered(number) == GIRO_REASON_NONE, "%lu", (unsigned long)number);
    hub_end(&hub);
    hub_close(&hub);
}

/* More segments than one cached group digest covers, so that eviction and filling touch different
 * groups. */
Test(settlement_state, a_large_uetr_set_evicts_under_the_right_digests)
{
    hub_genesis(&hub, 2, 1);
    hub.genesis.uetr_retained_entries = 66 * 1024;
    hub.genesis.uetr_retained_days = 0;
    hub_start(&hub, 5);
    hub.keep = false;
    struct giro_record records[128];
    for (uint64_t frame = 0; frame < 140 * 8; frame++) {
        for (uint32_t i = 0; i < 128; i++) {
            records[i] = hub_record(&hub, 1);
            records[i].amount_minor = 1;
        }
        if (frame % 56 == 0)
            hub_begin(&hub, 1);
        cr_assert(hub_send(&hub, 0, 0, frame, records, 128) == GIRO_OUTCOME_EXECUTED);
        cr_assert(hub.outcome.results[127].status == GIRO_STATUS_ACSP);
        if (frame % 56 == 55)
            hub_end(&hub);
    }
    struct giro_control control = {.op = GIRO_CONTROL_DAY_SWITCH, .value = HUB_DATE + 1};
    hub_begin(&hub, 1);
    hub_control(&hub, 0, &control);
    cr_assert(hub.outcome.results[0].status == GIRO_STATUS_ACSC);
    cr_assert(hub_send(&hub, 0, 0, 140 * 8, records, 128) == GIRO_OUTCOME_EXECUTED);
    cr_assert(hub.outcome.results[0].status == GIRO_STATUS_ACSP, "all are forgotten");
    hub_end(&hub);
    hub_close(&hub);
}

Test(settlement_state, roots_and_paths_of_the_ledger_are_those_of_the_tree)
{
    size_t size_bytes = giro_ledger_footprint();
    void *mem = malloc(size_bytes);
    struct giro_ledger *ledger = giro_ledger_init(mem, size_bytes);
    cr_assert(ledger != NULL && giro_ledger_init(mem, size_bytes - 1) == NULL);
    static struct giro_hash leaves[300];
    for (uint32_t count = 0; count < 300; count = count < 40 ? count + 1 : count + 37) {
        giro_ledger_begin(ledger, 1000 + count);
        for (uint32_t i = 0; i < count; i++) {
            uint8_t bytes[20] = "GIRTEST1";
            memcpy(bytes + 8, &i, 4);
            const struct giro_part parts[] = {{bytes, 8}, {bytes + 8, 4 + i % 8}};
            cr_assert(giro_ledger_add(ledger, parts, 2) == i);
            leaves[i] = giro_leaf_hash(bytes, 12 + i % 8);
        }
        struct giro_hash root = giro_ledger_end(ledger);
        for (uint32_t i = 0; i < count; i++) {
            struct giro_hash path[GIRO_PROOF_PATH_MAX];
            uint32_t path_count = giro_ledger_path(ledger, i, path);
            cr_assert(
                giro_merkle_check(1000 + count, &leaves[i], i, count, path, path_count, &root),
                "leaf %u of %u", i, count);
            uint32_t leaf_bytes;
            const uint8_t *leaf = giro_ledger_leaf(ledger, i, &leaf_bytes);
            struct giro_hash hash = giro_leaf_hash(leaf, leaf_bytes);
            cr_assert(leaf_bytes == 12 + i % 8 && giro_hash_equal(&hash, &leaves[i]));
        }
        struct giro_hash expected = giro_merkle_root(1000 + count, leaves, count);
        cr_assert(giro_hash_equal(&root, &expected), "count %u", count);
    }
    free(mem);
}

Test(settlement_state, a_frame_leaf_is_the_documented_preimage)
{
    hub_open(&hub, 3, 1);
    hub_begin(&hub, 1);
    struct giro_record records[2] = {hub_record(&hub, 1), hub_record(&hub, 9)};
    struct giro_frame frame = {.header = {.head = giro_head_make(GIRO_KIND_FRAME),
                                          .member = 2,
                                          .key_id = 1,
                                          .channel = 3,
                                          .record_count = 2,
                                          .sequence = 5},
                               .records = (const uint8_t *)records};
    struct giro_hash hash = giro_sha256("frame", 5);
    cr_assert(hub_frame(&hub, &frame, &hash) == GIRO_OUTCOME_EXECUTED);
    uint8_t expected[8 + 64 + 16] = "GIRLFRM1";
    expected[8] = 1;      /* height */
    expected[8 + 12] = 2; /* member */
    expected[8 + 14] = 3; /* channel */
    expected[8 + 16] = 5; /* sequence */
    memcpy(expected + 8 + 24, hash.bytes, 32);
    expected[8 + 56] = GIRO_OUTCOME_EXECUTED;
    expected[8 + 58] = 2;
    expected[72] = GIRO_STATUS_ACSP;
    expected[76] = 1; /* cycle */
    expected[80] = GIRO_STATUS_RJCT;
    expected[82] = GIRO_REASON_RC04;
    uint32_t size_bytes;
    const uint8_t *leaf = giro_ledger_leaf(hub.ledger, 0, &size_bytes);
    cr_assert(size_bytes == sizeof(expected) && memcmp(leaf, expected, sizeof(expected)) == 0);
    hub_end(&hub);
    hub_close(&hub);
}

/* Blocks without frames: height and time alone move the root; at height 1,024 the matrix is hashed
 * again. */
Test(settlement_state, the_matrix_enters_the_root_at_every_1024th_height)
{
    hub_open(&hub, 3, 1);
    hub_begin(&hub, 1);
    struct giro_record record = hub_record(&hub, 1);
    hub_pay(&hub, 0, &record);
    hub_end(&hub);
    while (hub.height < 1030) {
        struct giro_hash before = hub.settlement_root;
        hub_begin(&hub, 1);
        if (hub.height == 1026) {
            record.uetr[5] = 1;
            hub_pay(&hub, 0, &record);
        }
        if (hub.height > 1020)
            hub_end(&hub);
        else
            hub_end_fast(&hub);
        cr_assert(!giro_hash_equal(&before, &hub.settlement_root));
    }
    hub_close(&hub);
}

/* The root after a fixed history. It changes when the state's layout or any rule does: then every
 * replica must change at the same height, so such a change is never an accident. */
Test(settlement_state, the_root_of_a_fixed_history_is_known)
{
    static const char *const expected[3] = {
        "aa5648d4160d065c76ece882d4e535ad12e6123f7f19dfeca8264b1f88856402",
        "050db592d4616431a755372ae81890be88388f3a3aacba6c96262039143f5e5a",
        "963aa2ed3b1a78e9dc1c2a6485036c33c64d62d388cc93c9a90feb45f61ded93"};
    hub_open(&hub, 4, 2);
    struct giro_record records[3] = {hub_record(&hub, 1), hub_record(&hub, 2), hub_record(&hub, 3)};
    records[1].service = GIRO_SERVICE_GROSS;
    records[2].currency = 978;
    struct giro_control controls[3] = {
        {.op = GIRO_CONTROL_CLOSE_CYCLE, .currency = 203},
        {.op = GIRO_CONTROL_SET_CAP, .member = 3, .currency = 978, .amount_minor = 5},
        {.op = GIRO_CONTROL_DAY_SWITCH, .value = HUB_DATE + 1}};
    for (uint32_t block = 0; block < 3; block++) {
        hub_begin(&hub, GIRO_NS_PER_S);
        hub_send(&hub, 0, 0, block, records, 3);
        for (uint32_t i = 0; i < 3; i++)
            records[i].uetr[8]++;
        hub_control(&hub, block, &controls[block]);
        hub_send(&hub, 0, 1, block, records, 1);
        hub_skip(&hub, 1, 2, block * 4, block * 4 + 2);
        hub_end(&hub);
        char text[65];
        giro_hex_format(&hub.settlement_root, 32, text);
        cr_assert(strcmp(text, expected[block]) == 0, "block %u: %s", block, text);
    }
    hub_close(&hub);
}

Test(settlement_state, bad_options_have_no_footprint)
{
    hub_genesis(&hub, 2, 2);
    struct giro_settlement_options options = {.genesis = &hub.genesis};
    cr_assert(giro_settlement_footprint(&options) != 0);
    cr_assert(giro_settlement_footprint(&(struct giro_settlement_options){0}) == 0);
    struct giro_genesis_account *account = &hub.genesis.members[1].accounts[1];
    struct giro_genesis_account good = *account;
#define REFUSED(change)                                                                            \
    do {                                                                                           \
        change;                                                                                    \
        cr_assert(giro_settlement_footprint(&options) == 0, #change);                              \
        *account = good;                                                                           \
        hub.genesis.member_count = 2;                                                              \
        hub.genesis.currency_count = 2;                                                            \
        hub.genesis.uetr_retained_entries = 1;                                                     \
    } while (0)
    REFUSED(account->cap_minor = HUB_HOLD + 1);
    REFUSED(account->hold_minor = HUB_PREFUNDED + 1);
    REFUSED(account->cap_minor = -1);
    REFUSED(account->currency_index = 0);
    REFUSED(account->currency_index = 2);
    REFUSED(account->status = 0);
    REFUSED(hub.genesis.member_count = 0);
    REFUSED(hub.genesis.member_count = GIRO_MEMBERS_MAX + 1);
    REFUSED(hub.genesis.currency_count = 0);
    REFUSED(hub.genesis.currency_count = GIRO_CURRENCIES_MAX + 1);
    REFUSED(hub.genesis.uetr_retained_entries = UINT32_MAX);
    cr_assert(giro_settlement_init(&hub, 1, &options) == NULL);
    free(hub.genesis.members);
}
