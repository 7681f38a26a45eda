/* The object: its memory, and the life of a block - begin, frames in payload order, end. */
#include "internal.h"

/* ---- Memory ---- */

struct layout {
    uint8_t *mem; /* NULL: only measuring */
    size_t used_bytes;
};

/* Zero pages come from the caller and stay untouched until used, so nothing is cleared here. */
static void *take(struct layout *layout, size_t count, size_t element_bytes)
{
    size_t at = layout->used_bytes;
    layout->used_bytes = giro_align_up(at + count * element_bytes, GIRO_CACHE_LINE_BYTES);
    return layout->mem == NULL ? NULL : layout->mem + at;
}

static void lay_channels(struct giro_channels *channels, size_t owners, struct layout *layout)
{
    size_t count = owners * GIRO_CHANNELS_MAX;
    channels->channels = take(layout, count, sizeof(*channels->channels));
    channels->slots = take(layout, count * GIRO_CHANNEL_WINDOW, sizeof(*channels->slots));
    channels->group_digests = take(layout, count * GIRO_CHANNEL_GROUPS, sizeof(struct giro_hash));
    channels->digests = take(layout, count, sizeof(struct giro_hash));
    channels->owner_digests = take(layout, owners, sizeof(struct giro_hash));
    channels->dirty_groups = take(layout, count, sizeof(*channels->dirty_groups));
    channels->dirty = take(layout, count, sizeof(*channels->dirty));
    channels->dirty_list = take(layout, count, sizeof(*channels->dirty_list));
    channels->owner_dirty = take(layout, owners, sizeof(*channels->owner_dirty));
}

static void lay_uetrs(struct giro_uetr_set *set, const struct giro_genesis *genesis,
                      struct layout *layout)
{
    set->segment_count = giro_uetr_segments(genesis);
    set->group_count = (set->segment_count + GIRO_UETR_GROUP - 1) / GIRO_UETR_GROUP;
    set->slot_mask = giro_uetr_slots(genesis) - 1;
    set->entries =
        take(layout, (size_t)set->segment_count * GIRO_UETR_SEGMENT, sizeof(*set->entries));
    set->places =
        take(layout, (size_t)set->segment_count * GIRO_UETR_SEGMENT, sizeof(*set->places));
    set->slots = take(layout, (size_t)set->slot_mask + 1, sizeof(*set->slots));
    set->digests = take(layout, set->segment_count, sizeof(struct giro_hash));
    set->group_digests = take(layout, set->group_count, sizeof(struct giro_hash));
    set->group_dirty = take(layout, set->group_count, sizeof(*set->group_dirty));
}

static void lay_matrix(struct giro_matrix *matrix, size_t members, struct layout *layout)
{
    for (uint32_t which = 0; which < 2; which++) {
        matrix->cells[which] = take(layout, members * members, sizeof(struct giro_matrix_cell));
        matrix->row_used[which] = take(layout, members, 1);
    }
    matrix->row_dirty = take(layout, members, 1);
    matrix->row_digests = take(layout, members, sizeof(struct giro_hash));
}

static void lay(struct giro_settlement *settlement, const struct giro_genesis *genesis,
                struct layout *layout)
{
    size_t members = genesis->member_count;
    size_t currencies = genesis->currency_count;
    settlement->member_status = take(layout, members, 1);
    settlement->accounts = take(layout, members * currencies, sizeof(*settlement->accounts));
    settlement->member_dirty = take(layout, members, 1);
    settlement->member_dirty_list = take(layout, members, sizeof(uint32_t));
    settlement->member_digests = take(layout, members, sizeof(struct giro_hash));
    settlement->scratch_cells = take(layout, members, sizeof(struct giro_netting_cell));
    lay_channels(&settlement->channels, members + 1, layout);
    lay_uetrs(&settlement->uetrs, genesis, layout);
    for (size_t i = 0; i < currencies; i++)
        lay_matrix(&settlement->matrices[i], members, layout);
    size_t hashes =
        settlement->uetrs.group_count > members + 1 ? settlement->uetrs.group_count : members + 1;
    settlement->scratch_hashes = take(layout, hashes, sizeof(struct giro_hash));
}

static bool member_good(const struct giro_genesis *genesis,
                        const struct giro_genesis_member *member)
{
    uint32_t seen = 0;
    for (uint32_t i = 0; i < member->account_count; i++) {
        const struct giro_genesis_account *account = &member->accounts[i];
        if (account->currency_index >= genesis->currency_count ||
            (seen >> account->currency_index & 1) != 0)
            return false;
        if (account->cap_minor < 0 || account->cap_minor > account->hold_minor ||
            account->hold_minor > account->prefunded_minor)
            return false;
        if (account->status < GIRO_ACCOUNT_OPEN || account->status > GIRO_ACCOUNT_CLOSED)
            return false;
        seen |= 1u << account->currency_index;
    }
    return true;
}

static bool options_good(const struct giro_settlement_options *options)
{
    const struct giro_genesis *genesis = options->genesis;
    if (genesis == NULL || genesis->member_count < 1 || genesis->member_count > GIRO_MEMBERS_MAX ||
        genesis->currency_count < 1 || genesis->currency_count > GIRO_CURRENCIES_MAX ||
        genesis->uetr_retained_entries > GIRO_UETR_MAX)
        return false;
    for (uint32_t i = 0; i < genesis->member_count; i++) {
        if (genesis->members[i].account_count > GIRO_CURRENCIES_MAX ||
            !member_good(genesis, &genesis->members[i]))
            return false;
    }
    return true;
}

size_t giro_settlement_footprint(const struct giro_settlement_options *options)
{
    if (!options_good(options))
        return 0;
    struct giro_settlement measured;
    struct layout layout = {.mem = NULL};
    take(&layout, 1, sizeof(struct giro_settlement));
    lay(&measured, options->genesis, &layout);
    return layout.used_bytes;
}

/* ---- Start ---- */

static void no_entry(void *context, uint16_t member, uint32_t currency_index,
                     const struct giro_entry *entry)
{
    (void)context, (void)member, (void)currency_index, (void)entry;
}
static void no_status(void *context, uint16_t member, uint32_t currency_index,
                      const struct giro_status_row *row)
{
    (void)context, (void)member, (void)currency_index, (void)row;
}
static void no_cycle(void *context, uint32_t currency_index, uint32_t cycle,
                     enum giro_cycle_state state, uint32_t next_cycle, uint32_t leaf_index)
{
    (void)context, (void)currency_index, (void)cycle, (void)state, (void)next_cycle,
        (void)leaf_index;
}

static void open_books(struct giro_settlement *settlement)
{
    const struct giro_genesis *genesis = settlement->genesis;
    for (uint32_t i = 0; i < genesis->member_count; i++) {
        settlement->member_status[i] = GIRO_MEMBER_ACTIVE;
        giro_book_touch(settlement, (uint16_t)i);
        for (uint32_t k = 0; k < genesis->members[i].account_count; k++) {
            const struct giro_genesis_account *from = &genesis->members[i].accounts[k];
            struct giro_book_account *account = giro_book_at(settlement, i, from->currency_index);
            *account = (struct giro_book_account){.balance = from->prefunded_minor,
                                                  .held = from->hold_minor,
                                                  .hold = from->hold_minor,
                                                  .cap = from->cap_minor,
                                                  .exists = 1,
                                                  .status = from->status};
            settlement->prefunded[from->currency_index] += from->prefunded_minor;
        }
    }
    for (uint32_t i = 0; i < settlement->currency_count; i++) {
        settlement->currency_numbers[i] = genesis->currencies[i].number;
        settlement->cycles[i] = (struct giro_cycle){.balances = settlement->prefunded[i],
                                                    .settled_s = UINT64_MAX,
                                                    .number = i + 1,
                                                    .state = GIRO_CYCLE_OPEN};
        settlement->matrices[i].refresh = true;
    }
    settlement->cycle_next = settlement->currency_count + 1;
}

struct giro_settlement *giro_settlement_init(void *mem, size_t size_bytes,
                                             const struct giro_settlement_options *options)
{
    size_t needed_bytes = giro_settlement_footprint(options);
    if (mem == NULL || needed_bytes == 0 || size_bytes < needed_bytes || options->ledger == NULL)
        return NULL;
    struct layout layout = {.mem = mem};
    struct giro_settlement *settlement = take(&layout, 1, sizeof(*settlement));
    lay(settlement, options->genesis, &layout);
    GIRO_ASSERT(layout.used_bytes == needed_bytes);
    settlement->genesis = options->genesis;
    settlement->ledger = options->ledger;
    settlement->sink = options->sink;
    if (settlement->sink.entry == NULL)
        settlement->sink.entry = no_entry;
    if (settlement->sink.status == NULL)
        settlement->sink.status = no_status;
    if (settlement->sink.cycle == NULL)
        settlement->sink.cycle = no_cycle;
    settlement->member_count = options->genesis->member_count;
    settlement->currency_count = options->genesis->currency_count;
    settlement->cycle_ns = options->genesis->cycle_seconds * GIRO_NS_PER_S;
    settlement->business_date = options->genesis->business_date;
    settlement->uetrs.retained_days = options->genesis->uetr_retained_days;
    settlement->uetrs.seed = options->map_seed;
    settlement->uetrs.dirty = true;
    open_books(settlement);
    giro_root_update(settlement);
    return settlement;
}

void giro_settlement_hot(const struct giro_settlement *settlement, struct giro_part hot[2])
{
    const struct giro_uetr_set *set = &settlement->uetrs;
    hot[0] = (struct giro_part){set->slots, ((size_t)set->slot_mask + 1) * sizeof(*set->slots)};
    hot[1] = (struct giro_part){
        set->entries, (size_t)((const uint8_t *)set->slots - (const uint8_t *)set->entries)};
}

/* ---- Block ---- */

void giro_settlement_begin(struct giro_settlement *settlement, uint64_t height, uint64_t time_ns)
{
    GIRO_ASSERT(!settlement->in_block);
    GIRO_ASSERT(height > settlement->height);
    GIRO_ASSERT(time_ns >= settlement->time_ns);
    GIRO_ASSERT(giro_ledger_height(settlement->ledger) == height);
    settlement->in_block = true;
    settlement->height = height;
    settlement->time_ns = time_ns;
    settlement->time_s = time_ns / GIRO_NS_PER_S;
    for (uint32_t i = 0; i < settlement->currency_count; i++) {
        uint64_t due_ns = settlement->cycles[i].due_ns;
        if (due_ns != 0 && time_ns >= due_ns)
            giro_cycle_close(settlement, i);
    }
}

/* Members' frames carry payments and skips under one enrolled key; only two enrolled operators
 * together send controls. */
static bool frame_permitted(const struct giro_settlement *settlement,
                            const struct giro_frame *frame)
{
    const struct giro_frame_header *header = &frame->header;
    const struct giro_genesis_key *key =
        giro_genesis_frame_key(settlement->genesis, header->member, header->key_id);
    if (key == NULL || header->channel >= GIRO_CHANNELS_MAX)
        return false;
    if (header->head.kind != GIRO_KIND_CONTROL)
        return header->member != GIRO_MEMBER_OPERATOR;
    if (header->member != GIRO_MEMBER_OPERATOR)
        return false;
    const struct giro_genesis_key *checker =
        giro_genesis_frame_key(settlement->genesis, header->member, header->checker_key_id);
    return checker != NULL && memcmp(&checker->key, &key->key, sizeof(key->key)) != 0;
}

/* First pass: copies the records and asks memory for what the second pass will touch. */
static void payments_prepare(const struct giro_settlement *settlement,
                             const struct giro_frame *frame, struct giro_payment *payments)
{
    uint16_t sender = frame->header.member;
    for (uint32_t i = 0; i < frame->header.record_count; i++) {
        struct giro_payment *payment = &payments[i];
        payment->record = giro_record_get(frame, i);
        payment->sender = sender;
        payment->key = (struct giro_uetr_key){.member = sender, .kind = payment->record.kind};
        memcpy(payment->key.uetr, payment->record.uetr, sizeof(payment->key.uetr));
        payment->key_hash = giro_uetr_hash(&settlement->uetrs, &payment->key);
        giro_uetr_prefetch(&settlement->uetrs, payment->key_hash);
        payment->currency_index = giro_currency_index(settlement, payment->record.currency);
        if (payment->currency_index != GIRO_NONE &&
            payment->record.creditor < settlement->member_count &&
            payment->record.service == GIRO_SERVICE_NET)
            giro_matrix_prefetch(settlement, payment->currency_index, sender,
                                 payment->record.creditor);
    }
}

static void status_report(struct giro_settlement *settlement, const struct giro_frame *frame,
                          const struct giro_payment *payment, uint16_t record_index,
                          const struct giro_result *result, uint32_t leaf_index)
{
    const struct giro_genesis_member *member = &settlement->genesis->members[payment->sender];
    uint32_t currency_index = payment->currency_index;
    if (currency_index == GIRO_NONE)
        currency_index = member->account_count == 0 ? 0 : member->accounts[0].currency_index;
    struct giro_status_row row = {.time_ns = settlement->time_ns,
                                  .height = settlement->height,
                                  .sequence = frame->header.sequence,
                                  .cycle = result->cycle,
                                  .leaf_index = leaf_index,
                                  .channel = frame->header.channel,
                                  .record = record_index,
                                  .reason = result->reason,
                                  .status = result->status};
    memcpy(row.uetr, payment->record.uetr, sizeof(row.uetr));
    settlement->by_status[currency_index][result->status]++;
    if (result->status == GIRO_STATUS_RJCT)
        settlement->by_reason[currency_index][result->reason]++;
    settlement->sink.status(settlement->sink.context, payment->sender, currency_index, &row);
}

/* The frame's leaf comes after its records; no other leaf arises from payments, so its index is
 * known before. */
static void payments_execute(struct giro_settlement *settlement, const struct giro_frame *frame,
                             struct giro_result *results)
{
    struct giro_payment payments[GIRO_FRAME_RECORDS_MAX];
    uint32_t leaf_index = giro_ledger_count(settlement->ledger);
    payments_prepare(settlement, frame, payments);
    for (uint16_t i = 0; i < frame->header.record_count; i++) {
        enum giro_reason reason = giro_payment_decide(settlement, &payments[i]);
        if (reason == GIRO_REASON_NONE)
            results[i] = giro_payment_perform(settlement, &payments[i], i, leaf_index);
        else
            results[i] =
                (struct giro_result){.status = GIRO_STATUS_RJCT, .reason = (uint16_t)reason};
        status_report(settlement, frame, &payments[i], i, &results[i], leaf_index);
    }
    GIRO_ASSERT(giro_ledger_count(settlement->ledger) == leaf_index);
}

static void controls_execute(struct giro_settlement *settlement, const struct giro_frame *frame,
                             struct giro_result *results)
{
    for (uint32_t i = 0; i < frame->header.record_count; i++) {
        struct giro_record record = giro_record_get(frame, i);
        struct giro_control control;
        memcpy(&control, &record, sizeof(control));
        results[i] = giro_control_execute(settlement, &control);
    }
}

static uint32_t frame_leaf_add(struct giro_settlement *settlement, const struct giro_frame *frame,
                               const struct giro_hash *hash, const struct giro_result *results)
{
    struct giro_leaf_frame leaf = {.height = settlement->height,
                                   .index = giro_ledger_count(settlement->ledger),
                                   .member = frame->header.member,
                                   .channel = frame->header.channel,
                                   .sequence = frame->header.sequence,
                                   .frame_hash = *hash,
                                   .outcome = GIRO_OUTCOME_EXECUTED,
                                   .record_count = frame->header.record_count};
    const struct giro_part parts[] = {{GIRO_TAG_LEAF_FRAME, GIRO_TAG_BYTES},
                                      {&leaf, sizeof(leaf)},
                                      {results, leaf.record_count * sizeof(*results)}};
    return giro_ledger_add(settlement->ledger, parts, 3);
}

static void execute(struct giro_settlement *settlement, const struct giro_frame *frame,
                    const struct giro_hash *hash, struct giro_frame_outcome *outcome)
{
    GIRO_ASSERT(frame->header.record_count <= GIRO_FRAME_RECORDS_MAX);
    outcome->record_count = frame->header.record_count;
    outcome->first_height = settlement->height;
    if (frame->header.head.kind == GIRO_KIND_FRAME)
        payments_execute(settlement, frame, outcome->results);
    else if (frame->header.head.kind == GIRO_KIND_CONTROL)
        controls_execute(settlement, frame, outcome->results);
    else
        GIRO_ASSERT(frame->header.record_count == 0);
    outcome->leaf_index = frame_leaf_add(settlement, frame, hash, outcome->results);
}

void giro_settlement_frame(struct giro_settlement *settlement, const struct giro_frame *frame,
                           const struct giro_hash *hash, struct giro_frame_outcome *outcome)
{
    GIRO_ASSERT(settlement->in_block);
    outcome->outcome = GIRO_OUTCOME_REFUSED;
    outcome->leaf_index = 0;
    outcome->first_height = 0;
    outcome->record_count = 0;
    if (frame_permitted(settlement, frame)) {
        uint64_t from = frame->header.sequence;
        uint64_t to = frame->header.head.kind == GIRO_KIND_SKIP ? frame->skip_to : from;
        uint32_t index =
            giro_channel_index(settlement, frame->header.member, frame->header.channel);
        const struct giro_channel_slot *slot = NULL;
        outcome->outcome = (uint8_t)giro_channel_decide(settlement, index, from, to, hash, &slot);
        if (slot != NULL) {
            outcome->first_height = slot->height;
            outcome->leaf_index = slot->leaf_index;
        }
        if (outcome->outcome == GIRO_OUTCOME_EXECUTED) {
            execute(settlement, frame, hash, outcome);
            giro_channel_consume(settlement, index, from, to, hash, outcome->leaf_index);
        } else if (outcome->outcome == GIRO_OUTCOME_EQUIVOCATION) {
            giro_channel_set_stopped(settlement, index, true);
        }
    }
    settlement->by_outcome[outcome->outcome]++;
}

struct giro_hash giro_settlement_end(struct giro_settlement *settlement)
{
    GIRO_ASSERT(settlement->in_block);
    for (uint32_t i = 0; i < settlement->currency_count; i++) {
        GIRO_ASSERT(settlement->cycles[i].balances == settlement->prefunded[i]);
        GIRO_ASSERT(settlement->cycles[i].positions == 0);
        GIRO_ASSERT(settlement->cycles[i].state == GIRO_CYCLE_OPEN);
    }
    settlement->in_block = false;
    return giro_root_update(settlement);
}

uint64_t giro_settlement_next_due(const struct giro_settlement *settlement)
{
    uint64_t due_ns = UINT64_MAX;
    for (uint32_t i = 0; i < settlement->currency_count; i++) {
        uint64_t cycle_due_ns = settlement->cycles[i].due_ns;
        if (cycle_due_ns != 0 && cycle_due_ns < due_ns)
            due_ns = cycle_due_ns;
    }
    return due_ns;
}
