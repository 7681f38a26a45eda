/* Blocks that a quorum signed although they are wrong: every rule is checked behind valid hashes
 * and signatures. */
#include <stdlib.h>

#include <criterion/criterion.h>

#include "recon_window_support.h"

TestSuite(recon_journal_forged, .init = rig_suite_open, .fini = rig_suite_close);

/* A block taken apart, so that a test can change anything and have it sealed again. */
struct forge {
    struct rig *rig;
    struct giro_journal_chain chain;
    struct giro_journal_view view;
    struct giro_entry entries[8], positions[8];
    struct giro_status_row statuses[8];
    struct giro_netting_cell cells[8];
    uint64_t sealed_time_ns, cycle_time_ns;
};

static void rows_copy(void *out, const uint8_t *rows, uint32_t count, size_t row_bytes)
{
    if (count > 0)
        memcpy(out, rows, count * row_bytes);
}

static void taken_apart(struct forge *forge, const struct forge *from)
{
    const struct giro_journal_view *view = &from->view;
    *forge = *from;
    rows_copy(forge->entries, view->entries, view->header.entry_count, sizeof(struct giro_entry));
    rows_copy(forge->positions, view->positions, view->header.position_count,
              sizeof(struct giro_entry));
    rows_copy(forge->statuses, view->statuses, view->header.status_count,
              sizeof(struct giro_status_row));
    rows_copy(forge->cells, view->cells, view->header.netting_count,
              sizeof(struct giro_netting_cell));
    forge->sealed_time_ns = from->view.certificate.header.body.time_ns;
    forge->cycle_time_ns = from->view.cycle_certificate.header.body.time_ns;
}

static struct giro_hash rows_hash(const struct giro_window_record *record, const char *tag,
                                  const void *rows, uint64_t count, size_t row_bytes)
{
    if (count == 0)
        return giro_hash_zero;
    const uint32_t zeros = 0;
    const struct giro_part parts[] = {{tag, GIRO_TAG_BYTES},     {&record->chain_id, 32},
                                      {&record->member, 2},      {&record->currency, 2},
                                      {&record->window, 8},      {&zeros, 4},
                                      {rows, count * row_bytes}, {&count, 8}};
    return giro_sha256_parts(parts, 8);
}

static struct giro_certificate sealed_alone(const struct rig *rig, uint64_t height,
                                            uint64_t time_ns, const struct giro_part *parts,
                                            uint32_t part_count)
{
    uint8_t leaf[256];
    size_t size = 0;
    for (uint32_t i = 0; i < part_count; i++) {
        memcpy(leaf + size, parts[i].bytes, parts[i].size_bytes);
        size += parts[i].size_bytes;
    }
    struct giro_hash hash = giro_leaf_hash(leaf, size);
    struct giro_commit_body body = {.head = giro_head_make(GIRO_KIND_CERTIFICATE),
                                    .epoch = 1,
                                    .height = height,
                                    .time_ns = time_ns,
                                    .ledger_root = giro_merkle_root(height, &hash, 1)};
    return rig_certificate(rig, &body);
}

/* Hashes, leaves and certificates made anew over what the forge says. */
static const char *sealed_again(struct forge *forge)
{
    struct giro_journal_view *view = &forge->view;
    struct giro_window_record *record = &view->record;
    record->entries_hash = rows_hash(record, GIRO_TAG_ENTRIES, forge->entries, record->entry_count,
                                     sizeof(struct giro_entry));
    record->positions_hash = rows_hash(record, GIRO_TAG_POSITIONS, forge->positions,
                                       record->position_count, sizeof(struct giro_entry));
    record->statuses_hash = rows_hash(record, GIRO_TAG_STATUSES, forge->statuses,
                                      record->status_count, sizeof(struct giro_status_row));
    view->header.entry_count = (uint32_t)record->entry_count;
    view->header.position_count = (uint32_t)record->position_count;
    view->header.status_count = (uint32_t)record->status_count;
    view->entries = (const uint8_t *)forge->entries;
    view->positions = (const uint8_t *)forge->positions;
    view->statuses = (const uint8_t *)forge->statuses;
    view->cells = (const uint8_t *)forge->cells;
    const struct giro_part record_parts[] = {
        {GIRO_TAG_WINDOW, GIRO_TAG_BYTES},
        {record, sizeof(*record)},
        {view->cycles, record->cycle_count * sizeof(view->cycles[0])}};
    struct giro_hash record_hash = giro_sha256_parts(record_parts, 3);
    const struct giro_part leaf[] = {
        {GIRO_TAG_LEAF_WINDOW, GIRO_TAG_BYTES}, {&view->salt, 32}, {&record_hash, 32}};
    view->header.leaf_index = 0;
    view->header.leaf_count = 1;
    view->header.path_count = 0;
    view->certificate =
        sealed_alone(forge->rig, record->sealed_height, forge->sealed_time_ns, leaf, 3);
    if (view->header.has_cycle) {
        view->header.cycle_leaf_index = view->cycle_leaf.index;
        const struct giro_part cycle[] = {{GIRO_TAG_LEAF_CYCLE, GIRO_TAG_BYTES},
                                          {&view->cycle_leaf, sizeof(view->cycle_leaf)}};
        view->cycle_leaf_count = 1;
        view->header.cycle_path_count = 0;
        view->cycle_certificate =
            sealed_alone(forge->rig, view->header.cycle_height, forge->cycle_time_ns, cycle, 2);
    }
    struct giro_journal_chain chain = forge->chain;
    return giro_journal_verify(&forge->rig->genesis, forge->rig->ring, view, &chain);
}

static struct giro_amount128 plus(struct giro_amount128 amount, int64_t change)
{
    return giro_amount128_make(giro_amount128_get(amount) + change);
}

/* X(what is changed, what the checker says) */
#define RECORD (forge->view.record)
#define CYCLE0 (forge->view.cycles[0])
#define CYCLE1 (forge->view.cycles[1])
#define LEAF   (forge->view.cycle_leaf)
#define FORGERY_MAP(X)                                                                             \
    X(RECORD.chain_id.bytes[3] ^= 1, "another hub")                                                \
    X(RECORD.member = RIG_MEMBERS, "a member the hub does not have")                               \
    X(RECORD.currency = 1, "a currency the hub does not have")                                     \
    X(RECORD.account = 1, "other than the settlement account")                                     \
    X(RECORD.sequence = 0, "no sequence or no height")                                             \
    X(RECORD.sequence++, "sequence does not follow")                                               \
    X(RECORD.previous.bytes[0] ^= 1, "does not name the hash of the one before")                   \
    X(RECORD.covered_windows++, "does not cover the seconds")                                      \
    X(RECORD.first_entry++, "first entry does not follow")                                         \
    X(RECORD.opening = plus(RECORD.opening, 1), "does not open with the closing balance")          \
    X(forge->sealed_time_ns -= 4 * GIRO_NS_PER_S, "sealed before its second began")                \
    X(RECORD.debit_minor = plus(RECORD.debit_minor, 1), "debits do not add up to the window")      \
    X(RECORD.debit_count++, "debits do not add up to the window")                                  \
    X(RECORD.credit_minor = plus(RECORD.credit_minor, 1), "credits do not add up to the window")   \
    X(RECORD.credit_count--, "credits do not add up to the window")                                \
    X(RECORD.closing = plus(RECORD.closing, -1), "do not make the window's closing balance")       \
    X(RECORD.available = plus(RECORD.available, 1), "available, reserved and held")                \
    X((RECORD.held_minor = plus(RECORD.held_minor, -1000000),                                      \
       RECORD.available = plus(RECORD.available, 1000000)),                                        \
      "available, reserved and held")                                                              \
    X(RECORD.cap_used_minor = plus(RECORD.cap_used_minor, 1), "do not make the cap used")          \
    X(RECORD.entry_count--, "debits do not add up")                                                \
    X(RECORD.entry_count = 0, "does not fit its entry count")                                      \
    X(RECORD.position_count--, "as many position entries")                                         \
    X(forge->entries[1].amount_minor++, "entry 2: its balance")                                    \
    X(forge->entries[1].amount_minor = 0, "entry 2: its amount")                                   \
    X(forge->entries[1].amount_minor = INT64_MAX, "entry 2: its amount")                           \
    X(forge->entries[1].direction = 3, "entry 2: it is neither")                                   \
    X(forge->entries[1].direction = GIRO_DEBIT, "entry 2: its balance")                            \
    X(forge->entries[1].book = GIRO_BOOK_POSITION, "entry 2: it is not of the settlement")         \
    X(forge->entries[1].entry++, "entry 3: its number does not follow")                            \
    X(forge->entries[1].balance_after = plus(forge->entries[1].balance_after, 1),                  \
      "entry 2: its b")                                                                            \
    X(forge->entries[1].booking_time_ns += GIRO_NS_PER_S, "entry 2: it was booked in another")     \
    X(forge->entries[1].height = RECORD.sealed_height, "entry 2: it was not booked before")        \
    X(forge->entries[1].height--, "entry 2: it was booked before the row")                         \
    X(forge->positions[1].amount_minor++, "position entry in row 2: its balance")                  \
    X(forge->positions[1].book = GIRO_BOOK_ACCOUNT, "row 2: it is not of the clearing")            \
    X(forge->positions[1].cycle += 77, "row 2: its cycle is not")                                  \
    X(forge->positions[1].entry = 9, "row 2: its number does not follow")                          \
    X(forge->positions[0].height = UINT64_MAX, "row 1: it was not booked before")                  \
    X(CYCLE0.opening = plus(CYCLE0.opening, 1), "does not open with its closing")                  \
    X(CYCLE0.closing = plus(CYCLE0.closing, 1), "do not make its closing position")                \
    X(CYCLE0.debit_minor = plus(CYCLE0.debit_minor, 1), "its debits do not add up")                \
    X(CYCLE0.credit_count++, "its credits do not add up")                                          \
    X(CYCLE0.position_count++, "as many position entries")                                         \
    X(CYCLE0.first_entry++, "first position entry does not follow")                                \
    X(CYCLE1.first_entry++, "first position entry does not follow")                                \
    X(CYCLE1.opening = plus(CYCLE1.opening, 5), "does not open with its closing")                  \
    X((CYCLE0 = CYCLE1, RECORD.cycle_count = 1), "was open in the window before is missing")       \
    X(CYCLE0.state = GIRO_CYCLE_OPEN, "do not make the cap used")                                  \
    X(CYCLE0.state = GIRO_CYCLE_ABORTED, "is not settled in the window record")                    \
    X((CYCLE1.state = GIRO_CYCLE_SETTLED, RECORD.cap_used_minor = giro_amount128_make(0)),         \
      "it settled without its leaf")                                                               \
    X(forge->view.header.has_cycle = 0, "it settled without its leaf")                             \
    X(LEAF.cycle += 50, "it settled without its leaf")                                             \
    X(LEAF.state = GIRO_CYCLE_ABORTED, "did not settle or has no cells")                           \
    X(LEAF.currency = 978, "of another currency")                                                  \
    X(LEAF.height++, "of another height than the block says")                                      \
    X(forge->view.header.cycle_height = RECORD.sealed_height + 1, "settled after the window")      \
    X(forge->cycle_time_ns += GIRO_NS_PER_S, "in another second")                                  \
    X(forge->view.header.netting_count = 0, "did not settle or has no cells")                      \
    X(forge->view.header.netting_count--, "not add up to the cycle's position")                    \
    X(forge->cells[1].sent_minor = plus(forge->cells[1].sent_minor, 1), "the cycle's position")    \
    X(forge->cells[1].counterparty = RIG_MEMBERS, "netting cell 2: its counterparty")              \
    X(forge->cells[1].counterparty = 0, "netting cell 2: its counterparty")                        \
    X(forge->cells[1].counterparty = forge->cells[0].counterparty, "netting cell 2: it is not in") \
    X(forge->cells[1].sent_count++, "does not hash to what the window record says")                \
    X(RECORD.netting_hash.bytes[3] ^= 1, "does not hash to what the window record says")           \
    X(forge->cells[1].sent_count = 0, "netting cell 2: its counts")                                \
    X(forge->entries[2].kind = GIRO_PAYMENT_FEE, "what was posted")                                \
    X(forge->statuses[0].status = 0, "status row 1: its status")                                   \
    X(forge->statuses[0].status = 10, "status row 1: its status")                                  \
    X(forge->statuses[0].time_ns -= GIRO_NS_PER_S, "status row 1: it changed in another")          \
    X(forge->statuses[0].height = RECORD.sealed_height, "status row 1: it did not change")         \
    X(forge->statuses[1].height = 1, "status row 2: it changed before")

static void forgery_apply(struct forge *forge, uint32_t index)
{
    uint32_t at = 0;
#define FORGERY_APPLY(change, says)                                                                \
    if (at++ == index)                                                                             \
        (void)(change);
    FORGERY_MAP(FORGERY_APPLY)
#undef FORGERY_APPLY
}

static const struct {
    const char *change, *says;
} forgeries[] = {
#define FORGERY_ROW(change, says) {#change, says},
    FORGERY_MAP(FORGERY_ROW)
#undef FORGERY_ROW
};

Test(recon_journal_forged, every_rule_holds_behind_valid_signatures)
{
    static struct forge honest, forge;
    honest.rig = rig_new();
    uint32_t index = rig_rich_block(honest.rig, &honest.chain);
    const struct rig_block *block = &honest.rig->blocks[index];
    cr_assert(giro_journal_decode(block->bytes, block->size_bytes, RIG_REPLICAS, &honest.view) ==
              GIRO_REJECT_NONE);
    cr_assert(honest.view.record.entry_count == 3 && honest.view.record.position_count == 3 &&
              honest.view.record.status_count >= 2);
    taken_apart(&forge, &honest);
    forge.view.cycle_leaf.index = 0;
    const char *fault = sealed_again(&forge);
    cr_assert(fault == NULL, "an honest block sealed again: %s", fault);
    for (uint32_t i = 0; i < sizeof(forgeries) / sizeof(forgeries[0]); i++) {
        taken_apart(&forge, &honest);
        forge.view.cycle_leaf.index = 0;
        forgery_apply(&forge, i);
        fault = sealed_again(&forge);
        cr_assert(fault != NULL, "%s: accepted", forgeries[i].change);
        cr_assert(strstr(fault, forgeries[i].says) != NULL, "%s: \"%s\", not \"%s\"",
                  forgeries[i].change, fault, forgeries[i].says);
    }
    rig_free(honest.rig);
}

/* What only a first record can break. */
#define FIRST_MAP(X)                                                                               \
    X(RECORD.previous.bytes[9] ^= 1, "the first window record names a previous one")               \
    X(RECORD.covered_windows = 2, "covers another number of seconds than one")                     \
    X((RECORD.first_entry++, forge->entries[0].entry++), "first entry is not number 1")            \
    X((RECORD.opening = plus(RECORD.opening, 1), RECORD.closing = plus(RECORD.closing, 1)),        \
      "what genesis prefunded")

static void first_apply(struct forge *forge, uint32_t index)
{
    uint32_t at = 0;
#define FORGERY_APPLY(change, says)                                                                \
    if (at++ == index)                                                                             \
        (void)(change);
    FIRST_MAP(FORGERY_APPLY)
#undef FORGERY_APPLY
}

Test(recon_journal_forged, a_first_record_starts_from_genesis)
{
    static const char *const says[] = {
#define FIRST_SAYS(change, sentence) sentence,
        FIRST_MAP(FIRST_SAYS)
#undef FIRST_SAYS
    };
    static struct forge honest, forge;
    honest.rig = rig_new();
    rig_begin(honest.rig, RIG_TIME_NS + GIRO_NS_PER_S);
    rig_pay(honest.rig, 0, 1, 0, GIRO_SERVICE_GROSS, 5);
    rig_end(honest.rig);
    rig_idle(honest.rig, RIG_TIME_NS + 2 * GIRO_NS_PER_S);
    rig_certify_to(honest.rig, 2);
    cr_assert(giro_journal_decode(honest.rig->blocks[0].bytes, honest.rig->blocks[0].size_bytes,
                                  RIG_REPLICAS, &honest.view) == GIRO_REJECT_NONE);
    taken_apart(&forge, &honest);
    const char *fault = sealed_again(&forge);
    cr_assert(fault == NULL, "an honest block sealed again: %s", fault);
    for (uint32_t i = 0; i < sizeof(says) / sizeof(says[0]); i++) {
        taken_apart(&forge, &honest);
        first_apply(&forge, i);
        fault = sealed_again(&forge);
        cr_assert(fault != NULL && strstr(fault, says[i]) != NULL, "\"%s\", not \"%s\"", fault,
                  says[i]);
    }
    rig_free(honest.rig);
}
