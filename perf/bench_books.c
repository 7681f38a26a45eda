#include "perf/bench_books.h"

#include "perf/bench.h"

static void entry_drop(void *context, uint16_t member, uint32_t currency_index,
                       const struct giro_entry *entry)
{
    (void)context;
    (void)member;
    (void)currency_index;
    (void)entry;
}

static void status_drop(void *context, uint16_t member, uint32_t currency_index,
                        const struct giro_status_row *row)
{
    (void)context;
    (void)member;
    (void)currency_index;
    (void)row;
}

static void cycle_drop(void *context, uint32_t currency_index, uint32_t cycle,
                       enum giro_cycle_state state, uint32_t next_cycle, uint32_t leaf_index)
{
    (void)context;
    (void)currency_index;
    (void)cycle;
    (void)state;
    (void)next_cycle;
    (void)leaf_index;
}

static void on_journal(void *context, uint16_t member, uint16_t business_date, const void *bytes,
                       uint32_t size_bytes)
{
    struct books *books = context;
    (void)member;
    (void)business_date;
    (void)bytes;
    books->journal_bytes += size_bytes;
}

static void genesis_fill(struct giro_genesis *genesis, uint32_t uetr_entries)
{
    memset(genesis->chain_id.bytes, 0xC1, GIRO_HASH_BYTES);
    memcpy(&genesis->chain_prefix, genesis->chain_id.bytes, sizeof(genesis->chain_prefix));
    genesis->business_date = BOOKS_DATE;
    genesis->uetr_retained_entries = uetr_entries;
    genesis->uetr_retained_days = 10;
    genesis->replica_count = BOOKS_REPLICAS;
    genesis->currency_count = 1;
    genesis->currencies[0] = (struct giro_genesis_currency){"EUR", 978, 2};
    genesis->member_count = BOOKS_MEMBERS;
    genesis->members = giro_bench_pages(BOOKS_MEMBERS * sizeof(*genesis->members));
    for (uint32_t i = 0; i < BOOKS_MEMBERS; i++) {
        struct giro_genesis_member *member = &genesis->members[i];
        member->frame_key_count = 1;
        member->frame_keys[0].key_id = 1;
        member->account_count = 1;
        member->accounts[0] =
            (struct giro_genesis_account){.status = GIRO_ACCOUNT_OPEN,
                                          .prefunded_minor = INT64_C(1000000000000000),
                                          .hold_minor = INT64_C(500000000000000),
                                          .cap_minor = INT64_C(500000000000000)};
    }
}

struct books *books_new(uint32_t uetr_entries, uint32_t entries_max)
{
    struct books *books = giro_bench_pages(sizeof(*books));
    genesis_fill(&books->genesis, uetr_entries);
    giro_prng_init(&books->prng, 7);
    books->time_ns = BOOKS_TIME_NS;
    size_t size = giro_ledger_footprint();
    books->ledger = giro_ledger_init(giro_bench_pages(size), size);
    struct giro_settlement_options options = {
        .genesis = &books->genesis,
        .sink = {.context = books, .entry = entry_drop, .status = status_drop, .cycle = cycle_drop},
        .ledger = books->ledger,
        .map_seed = 1};
    if (entries_max > 0) {
        struct giro_windows_options windows = {.genesis = &books->genesis,
                                               .ledger = books->ledger,
                                               .entries_max = entries_max,
                                               .statuses_max = entries_max,
                                               .sink = {.context = books, .block = on_journal}};
        size = giro_windows_footprint(&windows);
        giro_bench_must(size > 0, "the windows' options are wrong");
        books->windows = giro_windows_init(giro_bench_pages(size), size, &windows);
        giro_bench_must(books->windows != NULL, "the windows cannot be made");
        options.sink = giro_windows_settlement_sink(books->windows);
    }
    size = giro_settlement_footprint(&options);
    giro_bench_must(size > 0, "settlement's options are wrong");
    books->settlement = giro_settlement_init(giro_bench_pages(size), size, &options);
    giro_bench_must(books->settlement != NULL, "settlement cannot be made");
    if (books->windows != NULL)
        giro_windows_attach(books->windows, books->settlement);
    return books;
}

struct books_frames books_frames_new(uint32_t count, uint32_t records)
{
    return (struct books_frames){.bytes = giro_bench_pages((size_t)count * GIRO_FRAME_BYTES_MAX),
                                 .size_bytes = (uint32_t)(sizeof(struct giro_frame_header) +
                                                          records * sizeof(struct giro_record) +
                                                          GIRO_SIGNATURE_BYTES),
                                 .count = count,
                                 .records = records};
}

void books_frames_make(struct books *books, struct books_frames *frames, uint8_t service)
{
    for (uint32_t f = 0; f < frames->count; f++) {
        uint16_t debtor = (uint16_t)(f % BOOKS_MEMBERS);
        struct giro_frame_header header = {.head = giro_head_make(GIRO_KIND_FRAME),
                                           .chain_prefix = books->genesis.chain_prefix,
                                           .member = debtor,
                                           .key_id = 1,
                                           .record_count = (uint16_t)frames->records,
                                           .sequence = books->next_sequence[debtor]++};
        uint8_t *at = frames->bytes[f];
        memcpy(at, &header, sizeof(header));
        at += sizeof(header);
        for (uint32_t i = 0; i < frames->records; i++) {
            uint32_t other = 1 + (uint32_t)giro_prng_below(&books->prng, BOOKS_MEMBERS - 1);
            struct giro_record record = {.amount_minor =
                                             (int64_t)(1 + giro_prng_below(&books->prng, 100000)),
                                         .creditor = (uint16_t)((debtor + other) % BOOKS_MEMBERS),
                                         .currency = books->genesis.currencies[0].number,
                                         .service = service,
                                         .kind = GIRO_PAYMENT_CREDIT_TRANSFER};
            giro_prng_fill(&books->prng, record.uetr, sizeof(record.uetr));
            record.uetr[6] = (uint8_t)((record.uetr[6] & 0x0F) | 0x40);
            record.uetr[8] = (uint8_t)((record.uetr[8] & 0x3F) | 0x80);
            memcpy(at, &record, sizeof(record));
            at += sizeof(record);
        }
    }
}

static void certify(struct books *books)
{
    struct giro_certificate certificate = {
        .header = {.body = {.head = giro_head_make(GIRO_KIND_COMMIT_VOTE),
                            .epoch = 1,
                            .height = books->height,
                            .time_ns = books->time_ns,
                            .state_root = books->root}}};
    giro_windows_certified(books->windows, &certificate);
}

void books_block(struct books *books, const struct books_frames *frames, uint32_t from, uint32_t to,
                 uint64_t advance_ns)
{
    struct giro_frame_outcome outcome;
    books->height++;
    books->time_ns += advance_ns;
    giro_ledger_begin(books->ledger, books->height);
    if (books->windows != NULL)
        giro_windows_begin(books->windows, books->height, books->time_ns);
    giro_settlement_begin(books->settlement, books->height, books->time_ns);
    for (uint32_t f = from; f < to; f++) {
        struct giro_frame frame;
        enum giro_reject reject = giro_frame_decode(frames->bytes[f], frames->size_bytes,
                                                    books->genesis.chain_prefix, &frame);
        giro_bench_must(reject == GIRO_REJECT_NONE, "a frame does not decode");
        struct giro_hash hash = giro_sha256(frames->bytes[f], frames->size_bytes);
        giro_settlement_frame(books->settlement, &frame, &hash, &outcome);
        giro_bench_must(outcome.outcome == GIRO_OUTCOME_EXECUTED, "a frame was not executed");
        giro_bench_must(outcome.results[0].status != GIRO_STATUS_RJCT, "a payment was rejected");
    }
    books->root = giro_settlement_end(books->settlement);
    struct giro_hash ledger_root = giro_ledger_end(books->ledger);
    if (books->windows != NULL) {
        giro_windows_end(books->windows);
        struct giro_hash digest = giro_windows_digest(books->windows);
        books->root.bytes[0] ^= digest.bytes[0];
        certify(books);
    }
    books->root.bytes[1] ^= ledger_root.bytes[1];
}

uint64_t books_hash_only(const struct books_frames *frames)
{
    uint8_t copy[GIRO_FRAME_BYTES_MAX];
    uint64_t digest = 0;
    for (uint32_t f = 0; f < frames->count; f++) {
        memcpy(copy, frames->bytes[f], frames->size_bytes);
        struct giro_hash hash = giro_sha256(copy, frames->size_bytes);
        uint64_t part;
        memcpy(&part, hash.bytes, sizeof(part));
        digest ^= part;
    }
    return digest;
}
