#include <stdlib.h>
#include <sys/mman.h>

#include <criterion/criterion.h>

#include "recon_window_support.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

void rig_suite_open(void)
{
    cr_assert(giro_crypto_init() == GIRO_ERR_OK);
}

void rig_suite_close(void)
{
#ifdef __SANITIZE_ADDRESS__
    if (__lsan_do_recoverable_leak_check() != 0)
        abort();
#endif
}

uint64_t rig_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 0) : otherwise;
}

static void *grown(void *items, uint32_t count, uint32_t *room, size_t item_bytes)
{
    if (count < *room)
        return items;
    *room = *room == 0 ? 64 : *room * 2;
    items = realloc(items, *room * item_bytes);
    cr_assert(items != NULL);
    return items;
}

/* ---- Sinks ---- */

static void on_block(void *context, uint16_t member, uint16_t business_date, const void *bytes,
                     uint32_t size_bytes)
{
    struct rig *rig = context;
    rig->blocks = grown(rig->blocks, rig->block_count, &rig->block_room, sizeof(*rig->blocks));
    struct rig_block *block = &rig->blocks[rig->block_count++];
    *block = (struct rig_block){member, business_date, size_bytes, malloc(size_bytes)};
    cr_assert(block->bytes != NULL);
    memcpy(block->bytes, bytes, size_bytes);
    static struct giro_journal_view view;
    enum giro_reject reject = giro_journal_decode(bytes, size_bytes, RIG_REPLICAS, &view);
    cr_assert(reject == GIRO_REJECT_NONE, "%s", giro_reject_name(reject));
    cr_assert(rig->certified[view.record.sealed_height],
              "a window of height %lu was handed out before its certificate",
              view.record.sealed_height);
    cr_assert(!view.header.has_cycle || rig->certified[view.header.cycle_height],
              "a cycle of height %lu was handed out before its certificate",
              view.header.cycle_height);
    cr_assert(view.record.member == member && view.record.business_date == business_date);
}

static void on_entry(void *context, uint16_t member, uint32_t currency_index,
                     const struct giro_entry *entry)
{
    struct rig *rig = context;
    rig->entries = grown(rig->entries, rig->entry_count, &rig->entry_room, sizeof(*rig->entries));
    rig->entries[rig->entry_count++] = (struct rig_entry){member, currency_index, *entry};
    rig->inner.entry(rig->inner.context, member, currency_index, entry);
}

static void on_status(void *context, uint16_t member, uint32_t currency_index,
                      const struct giro_status_row *row)
{
    struct rig *rig = context;
    rig->statuses =
        grown(rig->statuses, rig->status_count, &rig->status_room, sizeof(*rig->statuses));
    rig->statuses[rig->status_count++] = (struct rig_status){member, currency_index, *row};
    rig->inner.status(rig->inner.context, member, currency_index, row);
}

static void on_cycle(void *context, uint32_t currency_index, uint32_t cycle,
                     enum giro_cycle_state state, uint32_t next_cycle, uint32_t leaf_index)
{
    struct rig *rig = context;
    rig->inner.cycle(rig->inner.context, currency_index, cycle, state, next_cycle, leaf_index);
}

/* ---- Making one ---- */

static void *mapped(struct rig *rig, size_t size_bytes)
{
    cr_assert(size_bytes > 0);
    void *mem = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    cr_assert(mem != MAP_FAILED);
    rig->mappings[rig->mapping_count].mem = mem;
    rig->mappings[rig->mapping_count++].size_bytes = size_bytes;
    return mem;
}

static void genesis_make(struct rig *rig)
{
    struct giro_genesis *genesis = &rig->genesis;
    memset(genesis->chain_id.bytes, 0xC1, GIRO_HASH_BYTES);
    genesis->business_date = RIG_DATE;
    genesis->uetr_retained_entries = 65536;
    genesis->uetr_retained_days = 10;
    genesis->operator_count = 2;
    genesis->operators[0].key.key_id = 1;
    genesis->operators[1].key.key_id = 2;
    genesis->operators[1].key.key.bytes[0] = 2; /* another person's key */
    genesis->currency_count = RIG_CURRENCIES;
    genesis->currencies[0] = (struct giro_genesis_currency){"CZK", 203, 2};
    genesis->currencies[1] = (struct giro_genesis_currency){"EUR", 978, 2};
    genesis->member_count = RIG_MEMBERS;
    genesis->members = calloc(RIG_MEMBERS, sizeof(*genesis->members));
    cr_assert(genesis->members != NULL);
    for (uint32_t i = 0; i < RIG_MEMBERS; i++) {
        struct giro_genesis_member *member = &genesis->members[i];
        member->frame_key_count = 1;
        member->frame_keys[0].key_id = 1;
        member->account_count = i == RIG_POOR ? 1 : RIG_CURRENCIES;
        for (uint32_t k = 0; k < member->account_count; k++)
            member->accounts[k] = (struct giro_genesis_account){.currency_index = (uint16_t)k,
                                                                .status = GIRO_ACCOUNT_OPEN,
                                                                .prefunded_minor = 1000000 + i,
                                                                .hold_minor = 500000,
                                                                .cap_minor = 400000};
    }
    genesis->replica_count = RIG_REPLICAS;
    size_t ring_bytes = giro_key_ring_footprint(RIG_REPLICAS);
    rig->ring = giro_key_ring_init(mapped(rig, ring_bytes), ring_bytes, RIG_REPLICAS);
    for (uint32_t i = 0; i < RIG_REPLICAS; i++) {
        uint8_t seed[32] = {(uint8_t)(i + 1), 0x42};
        rig->keys[i] = giro_key_from_seed(seed);
        struct giro_genesis_key *key = &genesis->replicas[i].batch;
        key->key = giro_key_public(rig->keys[i]);
        enum giro_key_fault fault =
            giro_key_ring_enrol(rig->ring, &key->key, NULL, 0, NULL, &key->handle);
        cr_assert(fault == GIRO_KEY_OK, "%s", giro_key_fault_text(fault));
    }
}

struct rig *rig_new(void)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    cr_assert(rig != NULL);
    genesis_make(rig);
    rig->time_ns = RIG_TIME_NS;
    size_t ledger_bytes = giro_ledger_footprint();
    rig->ledger = giro_ledger_init(mapped(rig, ledger_bytes), ledger_bytes);
    struct giro_windows_options options = {.genesis = &rig->genesis,
                                           .ledger = rig->ledger,
                                           .secret = {0x5e, 0xc2},
                                           .entries_max = 20000,
                                           .statuses_max = 20000,
                                           .sink = {rig, on_block}};
    size_t windows_bytes = giro_windows_footprint(&options);
    rig->windows = giro_windows_init(mapped(rig, windows_bytes), windows_bytes, &options);
    cr_assert(rig->windows != NULL);
    rig->inner = giro_windows_settlement_sink(rig->windows);
    struct giro_settlement_options books = {
        .genesis = &rig->genesis,
        .ledger = rig->ledger,
        .map_seed = 7,
        .sink = {.context = rig, .entry = on_entry, .status = on_status, .cycle = on_cycle}};
    size_t books_bytes = giro_settlement_footprint(&books);
    rig->settlement = giro_settlement_init(mapped(rig, books_bytes), books_bytes, &books);
    cr_assert(rig->settlement != NULL);
    giro_windows_attach(rig->windows, rig->settlement);
    return rig;
}

void rig_free(struct rig *rig)
{
    for (uint32_t i = 0; i < rig->block_count; i++)
        free(rig->blocks[i].bytes);
    free(rig->blocks);
    free(rig->entries);
    free(rig->statuses);
    free(rig->genesis.members);
    for (uint32_t i = 0; i < RIG_REPLICAS; i++)
        giro_key_free(rig->keys[i]);
    for (uint32_t i = 0; i < rig->mapping_count; i++)
        munmap(rig->mappings[i].mem, rig->mappings[i].size_bytes);
    free(rig);
}

/* ---- Blocks ---- */

void rig_begin(struct rig *rig, uint64_t time_ns)
{
    cr_assert(rig->height + 1 < RIG_HEIGHTS_MAX);
    rig->height++;
    rig->time_ns = time_ns;
    giro_ledger_begin(rig->ledger, rig->height);
    giro_windows_begin(rig->windows, rig->height, time_ns);
    giro_settlement_begin(rig->settlement, rig->height, time_ns);
}

void rig_end(struct rig *rig)
{
    giro_settlement_end(rig->settlement);
    struct giro_hash root = giro_ledger_end(rig->ledger);
    giro_windows_end(rig->windows);
    giro_windows_check(rig->windows);
    rig->bodies[rig->height] =
        (struct giro_commit_body){.head = giro_head_make(GIRO_KIND_CERTIFICATE),
                                  .epoch = 1,
                                  .height = rig->height,
                                  .time_ns = rig->time_ns,
                                  .state_root = giro_windows_digest(rig->windows),
                                  .ledger_root = root};
}

void rig_idle(struct rig *rig, uint64_t time_ns)
{
    rig_begin(rig, time_ns);
    rig_end(rig);
}

uint8_t rig_pay(struct rig *rig, uint16_t debtor, uint16_t creditor, uint32_t currency_index,
                uint8_t service, int64_t amount_minor)
{
    static struct giro_frame_outcome outcome;
    struct giro_record record = {.amount_minor = amount_minor,
                                 .creditor = creditor,
                                 .currency = rig->genesis.currencies[currency_index].number,
                                 .service = service,
                                 .kind = GIRO_PAYMENT_CREDIT_TRANSFER};
    rig->next_uetr++;
    memcpy(record.uetr, &rig->next_uetr, sizeof(rig->next_uetr));
    uint64_t base, next;
    bool stopped;
    giro_settlement_channel(rig->settlement, debtor, 0, &base, &next, &stopped);
    struct giro_frame frame = {.header = {.head = giro_head_make(GIRO_KIND_FRAME),
                                          .member = debtor,
                                          .key_id = 1,
                                          .record_count = 1,
                                          .sequence = next},
                               .records = (const uint8_t *)&record};
    struct giro_hash hash = giro_sha256(&record, sizeof(record));
    giro_settlement_frame(rig->settlement, &frame, &hash, &outcome);
    cr_assert(outcome.outcome == GIRO_OUTCOME_EXECUTED, "%s", giro_outcome_name(outcome.outcome));
    return outcome.results[0].status;
}

bool rig_control(struct rig *rig, uint16_t op, uint16_t currency, uint64_t value)
{
    static struct giro_frame_outcome outcome;
    struct giro_control control = {.op = op, .currency = currency, .value = value};
    uint64_t base, next;
    bool stopped;
    giro_settlement_channel(rig->settlement, GIRO_MEMBER_OPERATOR, 0, &base, &next, &stopped);
    struct giro_frame frame = {.header = {.head = giro_head_make(GIRO_KIND_CONTROL),
                                          .member = GIRO_MEMBER_OPERATOR,
                                          .key_id = 1,
                                          .checker_key_id = 2,
                                          .record_count = 1,
                                          .sequence = next},
                               .records = (const uint8_t *)&control};
    struct giro_hash hash = giro_sha256(&next, sizeof(next));
    giro_settlement_frame(rig->settlement, &frame, &hash, &outcome);
    return outcome.outcome == GIRO_OUTCOME_EXECUTED &&
           outcome.results[0].status != GIRO_STATUS_RJCT;
}

void rig_random_block(struct rig *rig, struct giro_prng *prng)
{
    uint64_t advance_ns = giro_prng_below(prng, 400000000);
    if (giro_prng_chance(prng, 1, 10))
        advance_ns += giro_prng_below(prng, 20) * GIRO_NS_PER_S;
    rig_begin(rig, rig->time_ns + advance_ns);
    uint32_t payments = giro_prng_chance(prng, 1, 3) ? 0 : (uint32_t)giro_prng_below(prng, 24);
    for (uint32_t i = 0; i < payments; i++) {
        uint16_t debtor = (uint16_t)giro_prng_below(prng, RIG_MEMBERS);
        uint16_t creditor = (uint16_t)giro_prng_below(prng, RIG_MEMBERS);
        uint8_t service = giro_prng_chance(prng, 1, 2) ? GIRO_SERVICE_GROSS : GIRO_SERVICE_NET;
        rig_pay(rig, debtor, creditor, (uint32_t)giro_prng_below(prng, RIG_CURRENCIES), service,
                1 + (int64_t)giro_prng_below(prng, 60000));
    }
    if (giro_prng_chance(prng, 1, 12))
        rig_control(rig, GIRO_CONTROL_CLOSE_CYCLE,
                    rig->genesis.currencies[giro_prng_below(prng, RIG_CURRENCIES)].number, 0);
    if (giro_prng_chance(prng, 1, 25))
        rig_control(rig, GIRO_CONTROL_DAY_SWITCH, 0,
                    giro_settlement_business_date(rig->settlement) + 1u);
    if (giro_prng_chance(prng, 1, 4))
        rig_pay(rig, 0, 1, 0, GIRO_SERVICE_NET, 1); /* after the switch, in the same block */
    rig_end(rig);
}

/* ---- Certificates ---- */

struct giro_certificate rig_certificate(const struct rig *rig, const struct giro_commit_body *body)
{
    struct giro_certificate certificate = {
        .header = {.body = *body, .scheme = GIRO_SCHEME_ED25519, .signer_count = 3}};
    uint8_t message[GIRO_COMMIT_MESSAGE_BYTES];
    size_t size_bytes = giro_commit_message(&rig->genesis.chain_id, body, message);
    uint32_t absent = (uint32_t)(body->height % RIG_REPLICAS), count = 0;
    for (uint32_t i = 0; i < RIG_REPLICAS; i++) {
        if (i == absent)
            continue;
        giro_bitmap_set(certificate.header.bitmap, i);
        certificate.signatures[count++] = giro_sign(rig->keys[i], message, size_bytes);
    }
    return certificate;
}

void rig_certify(struct rig *rig, uint64_t height)
{
    struct giro_certificate certificate = rig_certificate(rig, &rig->bodies[height]);
    rig->certified[height] = true;
    giro_windows_certified(rig->windows, &certificate);
    giro_windows_check(rig->windows);
}

void rig_certify_to(struct rig *rig, uint64_t height)
{
    for (uint64_t i = 1; i <= height; i++) {
        if (!rig->certified[i])
            rig_certify(rig, i);
    }
}

/* ---- Checking what was handed out ---- */

static struct giro_journal_view decoded(const struct rig *rig, uint32_t index)
{
    struct giro_journal_view view;
    enum giro_reject reject = giro_journal_decode(
        rig->blocks[index].bytes, rig->blocks[index].size_bytes, RIG_REPLICAS, &view);
    cr_assert(reject == GIRO_REJECT_NONE, "block %u: %s", index, giro_reject_name(reject));
    return view;
}

void rig_verify(const struct rig *rig, uint32_t index, struct giro_journal_chain *chain,
                struct giro_journal_view *view)
{
    *view = decoded(rig, index);
    const char *fault = giro_journal_verify(&rig->genesis, rig->ring, view, chain);
    cr_assert(fault == NULL, "block %u (height %lu): %s", index, view->record.sealed_height, fault);
}

struct follow {
    struct giro_journal_chain chain;
    uint32_t entry, position, status; /* next to look at in the rig's lists */
};

static void entries_compare(const struct rig *rig, const uint8_t *rows, uint64_t count,
                            uint16_t member, uint32_t currency_index, uint8_t book, uint32_t *next)
{
    for (uint64_t i = 0; i < count; i++) {
        while (*next < rig->entry_count && (rig->entries[*next].member != member ||
                                            rig->entries[*next].currency_index != currency_index ||
                                            rig->entries[*next].entry.book != book))
            ++*next;
        cr_assert(*next < rig->entry_count, "a row that nobody booked");
        cr_assert(memcmp(rows + i * sizeof(struct giro_entry), &rig->entries[*next].entry,
                         sizeof(struct giro_entry)) == 0,
                  "row %lu differs from what was booked", i);
        ++*next;
    }
}

static void statuses_compare(const struct rig *rig, const struct giro_journal_view *view,
                             uint32_t currency_index, uint32_t *next)
{
    for (uint64_t i = 0; i < view->record.status_count; i++) {
        while (*next < rig->status_count && (rig->statuses[*next].member != view->record.member ||
                                             rig->statuses[*next].currency_index != currency_index))
            ++*next;
        cr_assert(*next < rig->status_count, "a status row that nobody gave");
        cr_assert(memcmp(view->statuses + i * sizeof(struct giro_status_row),
                         &rig->statuses[*next].row, sizeof(struct giro_status_row)) == 0);
        ++*next;
    }
}

void rig_verify_all(const struct rig *rig)
{
    static struct giro_journal_view view;
    struct follow *follows = calloc(RIG_MEMBERS * RIG_CURRENCIES, sizeof(*follows));
    uint64_t rows = 0, statuses = 0;
    for (uint32_t i = 0; i < rig->block_count; i++) {
        view = decoded(rig, i);
        const struct giro_window_record *record = &view.record;
        uint32_t currency_index = giro_genesis_currency_by_number(&rig->genesis, record->currency);
        struct follow *follow = &follows[record->member * RIG_CURRENCIES + currency_index];
        rig_verify(rig, i, &follow->chain, &view);
        entries_compare(rig, view.entries, record->entry_count, record->member, currency_index,
                        GIRO_BOOK_ACCOUNT, &follow->entry);
        entries_compare(rig, view.positions, record->position_count, record->member, currency_index,
                        GIRO_BOOK_POSITION, &follow->position);
        statuses_compare(rig, &view, currency_index, &follow->status);
        rows += record->entry_count + record->position_count;
        statuses += record->status_count;
    }
    free(follows);
    cr_assert(rows == rig->entry_count, "%lu rows of %u", rows, rig->entry_count);
    cr_assert(statuses == rig->status_count, "%lu status rows of %u", statuses, rig->status_count);
}

uint32_t rig_rich_block(struct rig *rig, struct giro_journal_chain *chain)
{
    uint64_t second = rig->time_ns / GIRO_NS_PER_S + 1;
    rig_begin(rig, second * GIRO_NS_PER_S);
    rig_pay(rig, 0, 1, 0, GIRO_SERVICE_NET, 500);
    rig_end(rig);
    rig_begin(rig, (second + 1) * GIRO_NS_PER_S);
    rig_pay(rig, 0, 1, 0, GIRO_SERVICE_GROSS, 100);
    rig_pay(rig, 2, 0, 0, GIRO_SERVICE_GROSS, 30);
    rig_pay(rig, 0, 2, 0, GIRO_SERVICE_NET, 70);
    rig_pay(rig, 3, 0, 0, GIRO_SERVICE_NET, 20);
    rig_end(rig);
    rig_begin(rig, (second + 1) * GIRO_NS_PER_S + 1000);
    cr_assert(rig_control(rig, GIRO_CONTROL_CLOSE_CYCLE, 203, 0));
    rig_pay(rig, 0, 4, 0, GIRO_SERVICE_NET, 9);
    rig_end(rig);
    rig_idle(rig, (second + 3) * GIRO_NS_PER_S);
    rig_certify_to(rig, rig->height);
    static struct giro_journal_view view;
    memset(chain, 0, sizeof(*chain));
    for (uint32_t i = 0; i < rig->block_count; i++) {
        view = decoded(rig, i);
        if (view.record.member != 0 || view.record.currency != 203)
            continue;
        if (view.header.has_cycle)
            return i;
        rig_verify(rig, i, chain, &view);
    }
    cr_assert_fail("no block with a settled cycle");
    abort();
}
