/* tests/vectors/wire/<name>.hex, one per format. Encoding gives exactly these bytes, decoding accepts them and gives
 * them back, and chosen numbers stand at their documented offsets. GIRO_WRITE_VECTORS=1 writes the files instead. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "wire_hex.h"
#include "wire_samples.h"

static void setup(void)
{
    cr_assert(giro_crypto_init() == GIRO_ERR_OK);
}

TestSuite(wire_vectors, .init = setup);

static uint8_t made[WIRE_TEST_BYTES_MAX];
static uint8_t stored[WIRE_TEST_BYTES_MAX];

static void vector_path(const char *name, char path[512])
{
    snprintf(path, 512, "%s/tests/vectors/wire/%s.hex", GIRO_SOURCE_DIR, name);
}

/* vector_hold writes the file, or demands that it holds exactly these bytes. */
static void vector_hold(const char *name, const char *what, const uint8_t *bytes, size_t size_bytes)
{
    char path[512];
    char comment[160];
    size_t stored_bytes = 0;
    vector_path(name, path);
    snprintf(comment, sizeof(comment), "%s: %s, %zu bytes", name, what, size_bytes);
    if (getenv("GIRO_WRITE_VECTORS") != NULL)
        cr_assert(wire_hex_write(path, comment, bytes, size_bytes), "%s", path);
    cr_assert(wire_hex_read(path, stored, sizeof(stored), &stored_bytes), "%s", path);
    cr_assert(stored_bytes == size_bytes, "%s: %zu bytes, not %zu", name, stored_bytes, size_bytes);
    for (size_t i = 0; i < size_bytes; i++)
        cr_assert(stored[i] == bytes[i], "%s differs at byte %zu", name, i);
}

Test(wire_vectors, formats_with_a_decoder_have_exactly_the_stored_bytes)
{
    for (uint32_t i = 0; i < wire_sample_count; i++) {
        const struct wire_sample *const sample = &wire_samples[i];
        const size_t size_bytes = sample->make(4, NULL, made);
        vector_hold(sample->name, giro_kind_text(sample->kind), made, size_bytes);
        cr_assert(wire_roundtrip_hold(sample->kind, stored, size_bytes, 4) == GIRO_REJECT_NONE,
                  "%s", sample->name);
    }
}

static struct giro_hash hash_from(uint8_t first)
{
    struct giro_hash hash;
    sample_fill(NULL, &hash, sizeof(hash), first);
    return hash;
}

static struct giro_amount128 amount(int64_t minor)
{
    return giro_amount128_make(minor);
}

#define HOLD(name, what, object) vector_hold(name, what, (const uint8_t *)&(object), sizeof(object))

Test(wire_vectors, requests_and_answers_have_exactly_the_stored_bytes)
{
    const struct giro_sync_header sync = {
        .head = giro_head_make(GIRO_KIND_SYNC), .qc_bytes = 312, .tc_bytes = 576};
    HOLD("sync", "header", sync);
    const struct giro_fetch_blocks blocks = {.head = giro_head_make(GIRO_KIND_FETCH_BLOCKS),
                                             .block_id = hash_from(0x10),
                                             .from_height = 42,
                                             .count = 64};
    HOLD("fetch_blocks", "block request", blocks);
    const struct giro_fetch_batches_header batches = {
        .head = giro_head_make(GIRO_KIND_FETCH_BATCHES), .count = 2};
    HOLD("fetch_batches", "header", batches);
    const struct giro_not_found not_found = {.head = giro_head_make(GIRO_KIND_NOT_FOUND),
                                             .id = hash_from(0x20),
                                             .height = 42,
                                             .wanted_kind = GIRO_KIND_BATCH};
    HOLD("not_found", "answer", not_found);
    const struct giro_halted halted = {.head = giro_head_make(GIRO_KIND_HALTED),
                                       .epoch = 1,
                                       .height = 42,
                                       .state_root = hash_from(0x30),
                                       .ledger_root = hash_from(0x50)};
    HOLD("halted", "announcement", halted);
    const struct giro_epoch_end_header epoch_end = {.head = giro_head_make(GIRO_KIND_EPOCH_END),
                                                    .epoch = 1,
                                                    .last_height = 5000,
                                                    .next_first_round = 6000,
                                                    .state_root = hash_from(0x30),
                                                    .ledger_root = hash_from(0x50),
                                                    .next_keys_hash = hash_from(0x70),
                                                    .next_replica_count = 7,
                                                    .bitmap = {0x0E},
                                                    .scheme = GIRO_SCHEME_ED25519,
                                                    .signer_count = 3};
    HOLD("epoch_end", "header", epoch_end);
}

Test(wire_vectors, members_formats_have_exactly_the_stored_bytes)
{
    struct giro_details_header details = {.record = 0,
                                          .ciphertext_bytes = 144,
                                          .creditor_key_id = 1,
                                          .supervisor_key_id = 2,
                                          .commitment = hash_from(0x40)};
    sample_fill(NULL, details.nonce, sizeof(details.nonce), 0x60);
    sample_fill(NULL, details.creditor_box, sizeof(details.creditor_box), 0x80);
    sample_fill(NULL, details.supervisor_box, sizeof(details.supervisor_box), 0xA0);
    HOLD("details", "header of sealed details", details);
    const struct giro_details_keys_header keys = {
        .head = giro_head_make(GIRO_KIND_DETAILS_KEYS), .chain_id = sample_chain(), .member = 5};
    HOLD("details_keys", "header", keys);
    struct giro_details_key key = {
        .commitment = hash_from(0x40), .sequence = 38, .channel = 3, .record = 1};
    sample_fill(NULL, key.key, sizeof(key.key), 0x60);
    sample_fill(NULL, key.uetr, sizeof(key.uetr), 0x11);
    HOLD("details_key", "key of one block", key);
    const struct giro_details_day_header day = {.head = giro_head_make(GIRO_KIND_DETAILS_DAY),
                                                .chain_id = sample_chain(),
                                                .member = 5,
                                                .business_date = 20781};
    HOLD("details_day", "header", day);
    const struct {
        struct giro_leaf_frame leaf;
        struct giro_result results[2];
    } leaf_frame = {{.height = 42,
                     .index = 3,
                     .member = 5,
                     .channel = 3,
                     .sequence = 38,
                     .frame_hash = hash_from(0x20),
                     .outcome = GIRO_OUTCOME_EXECUTED,
                     .record_count = 2},
                    {{.status = GIRO_STATUS_ACSP, .cycle = 9},
                     {.status = GIRO_STATUS_RJCT, .reason = GIRO_REASON_AM04}}};
    HOLD("leaf_frame", "frame leaf preimage behind its tag, two results", leaf_frame);
    struct giro_leaf_status leaf_status = {.height = 50,
                                           .index = 1,
                                           .member = 5,
                                           .channel = 3,
                                           .sequence = 38,
                                           .record = 1,
                                           .old_status = GIRO_STATUS_PDNG,
                                           .new_status = GIRO_STATUS_RJCT,
                                           .reason = GIRO_REASON_AB03};
    sample_fill(NULL, leaf_status.uetr, sizeof(leaf_status.uetr), 0x11);
    HOLD("leaf_status", "status leaf preimage behind its tag", leaf_status);
    const struct giro_leaf_cycle leaf_cycle = {.height = 60,
                                               .index = 2,
                                               .cycle = 9,
                                               .currency = 203,
                                               .state = 4,
                                               .payment_count = 1000,
                                               .gross_minor = amount(123456789),
                                               .net_minor = amount(2345678),
                                               .netting_root = hash_from(0x90)};
    HOLD("leaf_cycle", "cycle leaf preimage behind its tag", leaf_cycle);
    const struct giro_spool_header spool = {.head = giro_head_make(GIRO_KIND_SPOOL),
                                            .chain_id = sample_chain(),
                                            .frame_count = 10,
                                            .record_count = 200,
                                            .created_ns = UINT64_C(1795485600000000000)};
    HOLD("spool", "header", spool);
    const struct giro_proof_header proof = {.head = giro_head_make(GIRO_KIND_PROOF),
                                            .height = 42,
                                            .leaf_index = 3,
                                            .leaf_count = 17,
                                            .leaf_bytes = 88,
                                            .path_count = 5,
                                            .certificate_bytes = 344};
    HOLD("proof", "header", proof);
}

static struct giro_window_record window_record(void)
{
    return (struct giro_window_record){.head = giro_head_make(GIRO_KIND_WINDOW),
                                       .window = 1795485600,
                                       .member = 5,
                                       .currency = 203,
                                       .business_date = 20781,
                                       .cycle_count = 1,
                                       .covered_windows = 1,
                                       .sealed_height = 43,
                                       .first_entry = 11,
                                       .entry_count = 2,
                                       .position_count = 1,
                                       .status_count = 3,
                                       .opening = amount(100000),
                                       .debit_minor = amount(2500),
                                       .credit_minor = amount(700),
                                       .closing = amount(98200),
                                       .available = amount(48200),
                                       .reserved_minor = amount(0),
                                       .held_minor = amount(50000),
                                       .cap_minor = amount(50000),
                                       .cap_used_minor = amount(300),
                                       .queued_minor = amount(9900),
                                       .queued_count = 1,
                                       .debit_count = 1,
                                       .credit_count = 1,
                                       .sequence = 8,
                                       .entries_hash = hash_from(0x10),
                                       .positions_hash = hash_from(0x30),
                                       .statuses_hash = hash_from(0x50),
                                       .previous = hash_from(0x70),
                                       .chain_id = sample_chain()};
}

Test(wire_vectors, reconciliation_formats_have_exactly_the_stored_bytes)
{
    struct giro_entry entry = {.balance_after = amount(-300),
                               .amount_minor = 300,
                               .entry = 12,
                               .height = 42,
                               .booking_time_ns = UINT64_C(1795485600123456789),
                               .cycle = 9,
                               .leaf_index = 3,
                               .counterparty = 7,
                               .record = 1,
                               .value_date = 20781,
                               .book = GIRO_BOOK_POSITION,
                               .direction = GIRO_DEBIT,
                               .service = GIRO_SERVICE_NET,
                               .kind = GIRO_PAYMENT_CREDIT_TRANSFER};
    sample_fill(NULL, entry.uetr, sizeof(entry.uetr), 0x11);
    HOLD("entry", "position entry", entry);
    struct giro_status_row row = {.time_ns = UINT64_C(1795485600123456789),
                                  .height = 42,
                                  .sequence = 38,
                                  .cycle = 9,
                                  .leaf_index = 3,
                                  .channel = 3,
                                  .record = 1,
                                  .reason = GIRO_REASON_AM04,
                                  .status = GIRO_STATUS_RJCT};
    sample_fill(NULL, row.uetr, sizeof(row.uetr), 0x22);
    HOLD("status_row", "status row", row);
    const struct {
        struct giro_window_record record;
        struct giro_window_cycle cycle;
    } window = {window_record(),
                {.cycle = 9,
                 .state = 1,
                 .first_entry = 12,
                 .position_count = 1,
                 .opening = amount(0),
                 .debit_minor = amount(300),
                 .credit_minor = amount(0),
                 .closing = amount(-300),
                 .debit_count = 1}};
    HOLD("window", "window record with one cycle", window);
    const struct giro_netting_cell cell = {.counterparty = 7,
                                           .sent_count = 4,
                                           .received_count = 3,
                                           .sent_minor = amount(4000),
                                           .received_minor = amount(2500)};
    HOLD("netting_cell", "cell of a bilateral row", cell);
    const struct giro_journal_header journal = {.head = giro_head_make(GIRO_KIND_JOURNAL),
                                                .chain_id = sample_chain(),
                                                .member = 5,
                                                .business_date = 20781};
    HOLD("journal", "file header", journal);
    const struct giro_journal_block block = {.magic = GIRO_MAGIC,
                                             .size_bytes = 1760,
                                             .checksum = UINT64_C(0x1122334455667788),
                                             .record_bytes = 608,
                                             .entry_count = 2,
                                             .position_count = 1,
                                             .status_count = 3,
                                             .certificate_bytes = 344,
                                             .leaf_index = 1,
                                             .leaf_count = 17,
                                             .path_count = 5};
    HOLD("journal_block", "block header", block);
}

Test(wire_vectors, disk_formats_have_exactly_the_stored_bytes)
{
    struct giro_log_segment_header segment = {.head = giro_head_make(GIRO_KIND_LOG_SEGMENT),
                                              .chain_id = sample_chain(),
                                              .generation = 2,
                                              .first_sequence = 1000,
                                              .seed = UINT64_C(0x0123456789ABCDEF),
                                              .size_bytes = 1u << 26,
                                              .replica = 3};
    sample_fill(NULL, segment.checksum, sizeof(segment.checksum), 0xE0);
    HOLD("log_segment", "segment header", segment);
    struct giro_log_record_header record = {.magic = GIRO_MAGIC,
                                            .kind = GIRO_LOG_BLOCK_RECORD,
                                            .generation = 2,
                                            .sequence = 1001,
                                            .body_bytes = 2048};
    sample_fill(NULL, record.checksum, sizeof(record.checksum), 0xE0);
    HOLD("log_record", "record header", record);
    static struct giro_timeout timeout;
    struct giro_safety_slot slot = {.head = giro_head_make(GIRO_KIND_SAFETY_SLOT),
                                    .chain_id = sample_chain(),
                                    .sequence = 77,
                                    .epoch = 1,
                                    .last_voted_round = 1000,
                                    .lock_round = 998,
                                    .last_timeout_round = 1000,
                                    .incarnation = 9,
                                    .log_watermark = 1001,
                                    .replica = 3};
    sample_vote(&slot.last_vote, 4, NULL);
    memset(&slot.last_vote.signature, 0, sizeof(slot.last_vote.signature));
    sample_timeout(&timeout, 4, false, NULL);
    slot.last_timeout = timeout.header;
    memset(&slot.last_timeout.signature, 0, sizeof(slot.last_timeout.signature));
    sample_fill(NULL, slot.checksum, sizeof(slot.checksum), 0xE0);
    HOLD("safety_slot", "safety slot", slot);
    const struct giro_outbox_done done = {
        .sequence = 4711, .channel = 3, .outcome = GIRO_OUTCOME_EXECUTED};
    HOLD("outbox_done", "frame with its outcome", done);
    const struct giro_outbox_range range = {
        .outbox = UINT64_C(0x0123456789abcdef), .first = 4712, .next = 4864, .channel = 3};
    HOLD("outbox_range", "reserved sequences", range);
    const struct giro_leader_window leaders = {.head = giro_head_make(GIRO_KIND_LEADER_WINDOW),
                                               .height = 300,
                                               .candidates = {{0x7F}, {0x5E}},
                                               .active = {0x6F},
                                               .author_count = 2,
                                               .authors = {5, 0}};
    HOLD("leader_window", "leader window", leaders);
    const struct giro_crash_marker marker = {.head = giro_head_make(GIRO_KIND_CRASH_MARKER),
                                             .height = 43,
                                             .frame = 5,
                                             .executing = 1,
                                             .crash_height = 42,
                                             .crash_frame = 7,
                                             .crash_count = 1,
                                             .replica = 3};
    HOLD("crash_marker", "marker", marker);
    const struct giro_evidence_header evidence = {.head = giro_head_make(GIRO_KIND_EVIDENCE),
                                                  .epoch = 1,
                                                  .round = 1000,
                                                  .first_bytes = 168,
                                                  .second_bytes = 168,
                                                  .what = GIRO_KIND_VOTE,
                                                  .offender = 3,
                                                  .witness = 1};
    HOLD("evidence", "header", evidence);
}

Test(wire_vectors, ledger_and_event_log_have_exactly_the_stored_bytes)
{
    const struct giro_ledger_header ledger = {
        .head = giro_head_make(GIRO_KIND_LEDGER), .chain_id = sample_chain(), .replica = 3};
    HOLD("ledger", "file header", ledger);
    const struct giro_ledger_block block = {.head = giro_head_make(GIRO_KIND_LEDGER_BLOCK),
                                            .checksum = UINT64_C(0x1122334455667788),
                                            .height = 42,
                                            .size_bytes = 4096,
                                            .leaf_count = 17};
    HOLD("ledger_block", "block header", block);
    const struct {
        struct giro_frame_index_header header;
        struct giro_frame_place places[2];
    } frames = {{.head = giro_head_make(GIRO_KIND_FRAME_INDEX),
                 .chain_id = sample_chain(),
                 .replica = 3,
                 .member = 5,
                 .channel = 7},
                {{.height = 42, .leaf_index = 3}, {.height = 0}}};
    HOLD("frame_index", "file header and two places", frames);
    struct giro_event_log_header events = {.head = giro_head_make(GIRO_KIND_EVENT_LOG),
                                           .chain_id = sample_chain(),
                                           .epoch = 1,
                                           .blocks_max = 256,
                                           .batches_max = 512,
                                           .scratch_bytes = 1u << 22,
                                           .replica = 3,
                                           .checksum = UINT64_C(0x1122334455667788)};
    sample_fill(NULL, events.nonce, sizeof(events.nonce), 0x90);
    HOLD("event_log", "file header", events);
    const struct giro_event_record_header event = {.magic = GIRO_MAGIC,
                                                   .kind = GIRO_EVENT_RECORD_MESSAGE,
                                                   .detail = 2,
                                                   .sequence = 812,
                                                   .checksum = UINT64_C(0x1122334455667788),
                                                   .body_bytes = 1204};
    HOLD("event_record", "record header", event);
    const struct {
        struct giro_event_outcome outcome;
        struct giro_event_action action;
    } outcome = {{.digest = UINT64_C(0x8877665544332211), .action_count = 1},
                 {.digest = UINT64_C(0x99AABBCCDDEEFF00),
                  .size_bytes = 312,
                  .kind = GIRO_ACTION_NUMBER_SEND}};
    HOLD("event_outcome", "body of an outcome without signatures", outcome);
}

/* Numbers read out of the files byte by byte, without any struct: the tables of docs/protocol.md. */
static const struct {
    const char *name;
    uint32_t offset, size_bytes;
    uint64_t value;
} chosen_numbers[] = {
    {"frame", 0, 8, UINT64_C(0x000101014F524947)},
    {"frame", 8, 8, WIRE_TEST_PREFIX},
    {"frame", 16, 2, 5},
    {"frame", 18, 2, 1},
    {"frame", 20, 2, 3},
    {"frame", 22, 2, 2},
    {"frame", 24, 8, 38},
    {"frame", 40 + 16, 8, 123456},
    {"frame", 40 + 40, 2, 7},
    {"frame", 40 + 46, 2, 203},
    {"frame", 40 + 48, 4, 0x00010102},
    {"frame", 40 + 52, 2, 20781},
    {"frame", 40 + 60, 4, 1795489200},
    {"skip", 40, 8, 40},
    {"control", 36, 2, 2},
    {"control", 40, 2, GIRO_CONTROL_SET_CAP},
    {"control", 48, 8, 50000000},
    {"receipt", 54, 1, GIRO_LEVEL_CERTIFIED},
    {"receipt", 56, 2, 2},
    {"receipt", 64 + 4, 1, GIRO_STATUS_ACSP},
    {"receipt", 64 + 8, 4, 9},
    {"qc", 16, 8, 1000},
    {"qc", 24, 8, 999},
    {"qc", 96, 1, 0x0E},
    {"qc", 112, 2, 0x0301},
    {"vote", 16, 8, UINT64_C(0x0102030405060708)},
    {"vote", 96, 2, 2},
    {"tc", 41, 1, 3},
    {"tc", 48, 8, 998},
    {"timeout", 34, 1, 1},
    {"commit_vote", 128, 2, 1},
    {"checkpoint", 16, 8, 1024},
    {"checkpoint", 169, 1, 3},
    {"checkpoint_vote", 152, 2, 1},
    {"manifest", 8, 4, 2},
    {"chunk", 40, 4, 40},
    {"certificate", 16, 8, 42},
    {"certificate", 145, 1, 3},
    {"batch", 36, 4, 3},
    {"batch_ack", 26, 2, 2},
    {"batch_proof", 73, 1, 3},
    {"batch_proof", 96 + 8, 2, 1},
    {"proposal", 24 + 48, 8, 1002},
    {"proposal", 24 + 210, 2, 2},
    {"peer", 12, 2, GIRO_KIND_SYNC},
    {"peer", 56, 8, 898},
    {"hello", 44, 2, 0x0701},
    {"hello", 136 + 32, 8, 10},
    {"hello", 272 + 16, 8, 1000},
    {"hello", 440 + 24, 8, 998},
    {"entry", 32, 8, (uint64_t)-300},
    {"entry", 40, 8, UINT64_MAX},
    {"entry", 48, 8, 300},
    {"entry", 96, 4, 0x01020102},
    {"window", 8, 8, 1795485600},
    {"window", 120, 8, 98200},
    {"window", 464, 4, 9},
    {"leaf_cycle", 12, 4, 9},
    {"leaf_status", 42, 4, 0x000F0602},
    {"safety_slot", 88, 8, 1001},
    {"safety_slot", 96 + 16, 8, UINT64_C(0x0102030405060708)},
    {"leader_window", 8, 8, 300},
    {"leader_window", 66, 2, 5},
    {"evidence", 34, 2, 3},
    {"log_record", 4, 2, 2},
    {"event_log", 64, 4, 256},
    {"event_record", 8, 8, 812},
    {"event_outcome", 16 + 12, 2, 3},
};

Test(wire_vectors, chosen_numbers_stand_at_their_documented_offsets)
{
    for (uint32_t i = 0; i < sizeof(chosen_numbers) / sizeof(chosen_numbers[0]); i++) {
        char path[512];
        size_t size_bytes = 0;
        uint64_t value = 0;
        vector_path(chosen_numbers[i].name, path);
        cr_assert(wire_hex_read(path, stored, sizeof(stored), &size_bytes), "%s", path);
        cr_assert(chosen_numbers[i].offset + chosen_numbers[i].size_bytes <= size_bytes, "%s",
                  chosen_numbers[i].name);
        for (uint32_t j = chosen_numbers[i].size_bytes; j-- > 0;)
            value = value << 8 | stored[chosen_numbers[i].offset + j];
        cr_assert(value == chosen_numbers[i].value, "%s at %u: %llx", chosen_numbers[i].name,
                  chosen_numbers[i].offset, (unsigned long long)value);
    }
}
