#include <stdlib.h>
#include <sys/mman.h>

#include <criterion/criterion.h>

#include "settlement_support.h"

void settlement_suite_open(void)
{
    cr_assert(giro_crypto_init() == GIRO_ERR_OK);
}

uint64_t hub_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 0) : otherwise;
}

/* ---- Sink ---- */

static void *room_make(void *items, uint32_t count, uint32_t *room, size_t item_bytes)
{
    if (count < *room)
        return items;
    *room = *room == 0 ? 64 : *room * 2;
    items = realloc(items, *room * item_bytes);
    cr_assert(items != NULL);
    return items;
}

static void keep_entry(void *context, uint16_t member, uint32_t currency_index,
                       const struct giro_entry *entry)
{
    struct hub *hub = context;
    if (!hub->keep)
        return;
    hub->entries =
        room_make(hub->entries, hub->entry_count, &hub->entry_room, sizeof(*hub->entries));
    hub->entries[hub->entry_count++] = (struct hub_entry){member, currency_index, *entry};
}

static void keep_status(void *context, uint16_t member, uint32_t currency_index,
                        const struct giro_status_row *row)
{
    struct hub *hub = context;
    if (!hub->keep)
        return;
    hub->statuses =
        room_make(hub->statuses, hub->status_count, &hub->status_room, sizeof(*hub->statuses));
    hub->statuses[hub->status_count++] = (struct hub_status){member, currency_index, *row};
}

static void keep_cycle(void *context, uint32_t currency_index, uint32_t cycle,
                       enum giro_cycle_state state, uint32_t next_cycle, uint32_t leaf_index)
{
    struct hub *hub = context;
    hub->cycles = room_make(hub->cycles, hub->cycle_count, &hub->cycle_room, sizeof(*hub->cycles));
    hub->cycles[hub->cycle_count++] = (struct hub_cycle){
        currency_index, cycle, next_cycle, leaf_index, state, hub->entry_count, hub->status_count};
}

void hub_forget(struct hub *hub)
{
    hub->entry_count = hub->status_count = hub->cycle_count = 0;
}

/* ---- Genesis ---- */

static void key_make(struct giro_genesis_key *key, uint64_t key_id, uint32_t salt)
{
    key->key_id = key_id;
    memcpy(key->key.bytes, &salt, sizeof(salt));
    memcpy(key->key.bytes + 8, &key_id, sizeof(key_id));
}

void hub_genesis(struct hub *hub, uint32_t members, uint32_t currencies)
{
    static const uint16_t numbers[GIRO_CURRENCIES_MAX] = {203, 978, 840, 826, 752, 578, 208, 985,
                                                          348, 756, 392, 36,  124, 554, 949, 710};
    memset(hub, 0, sizeof(*hub));
    hub->keep = true;
    struct giro_genesis *genesis = &hub->genesis;
    memset(genesis->chain_id.bytes, 0xC1, GIRO_HASH_BYTES);
    genesis->business_date = HUB_DATE;
    genesis->uetr_retained_entries = 65536;
    genesis->uetr_retained_days = 10;
    genesis->replica_count = 1;
    genesis->operator_count = 3;
    for (uint32_t i = 0; i < 3; i++)
        key_make(&genesis->operators[i].key, i + 1, 0xFFFF0000u + i);
    genesis->currency_count = currencies;
    for (uint32_t i = 0; i < currencies; i++)
        genesis->currencies[i].number = numbers[i];
    genesis->member_count = members;
    genesis->members = calloc(members, sizeof(*genesis->members));
    cr_assert(genesis->members != NULL);
    for (uint32_t i = 0; i < members; i++) {
        struct giro_genesis_member *member = &genesis->members[i];
        member->frame_key_count = 1;
        key_make(&member->frame_keys[0], 1, i);
        member->account_count = currencies;
        for (uint32_t k = 0; k < currencies; k++)
            member->accounts[k] = (struct giro_genesis_account){.currency_index = (uint16_t)k,
                                                                .status = GIRO_ACCOUNT_OPEN,
                                                                .prefunded_minor = HUB_PREFUNDED,
                                                                .hold_minor = HUB_HOLD,
                                                                .cap_minor = HUB_CAP};
    }
}

/* Fresh pages, never touched before they are used: most of the channels' window memory never is. */
static void *map_pages(size_t size_bytes)
{
    void *mem = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    cr_assert(mem != MAP_FAILED);
    return mem;
}

void hub_start(struct hub *hub, uint64_t map_seed)
{
    hub->ledger_bytes = giro_ledger_footprint();
    hub->ledger_mem = map_pages(hub->ledger_bytes);
    hub->ledger = giro_ledger_init(hub->ledger_mem, hub->ledger_bytes);
    cr_assert(hub->ledger != NULL);
    struct giro_settlement_options options = {
        .genesis = &hub->genesis,
        .sink = {.context = hub, .entry = keep_entry, .status = keep_status, .cycle = keep_cycle},
        .ledger = hub->ledger,
        .map_seed = map_seed};
    hub->mem_bytes = giro_settlement_footprint(&options);
    cr_assert(hub->mem_bytes != 0);
    hub->mem = map_pages(hub->mem_bytes);
    hub->settlement = giro_settlement_init(hub->mem, hub->mem_bytes, &options);
    cr_assert(hub->settlement != NULL);
    hub->time_ns = HUB_TIME_NS;
}

void hub_open(struct hub *hub, uint32_t members, uint32_t currencies)
{
    hub_genesis(hub, members, currencies);
    hub_start(hub, 1);
}

void hub_close(struct hub *hub)
{
    munmap(hub->mem, hub->mem_bytes);
    munmap(hub->ledger_mem, hub->ledger_bytes);
    free(hub->genesis.members);
    free(hub->entries);
    free(hub->statuses);
    free(hub->cycles);
}

/* ---- Blocks ---- */

void hub_begin(struct hub *hub, uint64_t advance_ns)
{
    hub->height++;
    hub->time_ns += advance_ns;
    giro_ledger_begin(hub->ledger, hub->height);
    giro_settlement_begin(hub->settlement, hub->height, hub->time_ns);
}

void hub_end_fast(struct hub *hub)
{
    hub->settlement_root = giro_settlement_end(hub->settlement);
    hub->ledger_root = giro_ledger_end(hub->ledger);
}

void hub_end(struct hub *hub)
{
    hub_end_fast(hub);
    struct giro_hash again = giro_settlement_recompute(hub->settlement);
    cr_assert(giro_hash_equal(&again, &hub->settlement_root), "recompute differs at height %lu",
              (unsigned long)hub->height);
    giro_settlement_check(hub->settlement);
}

/* ---- Frames ---- */

struct giro_record hub_record(struct hub *hub, uint16_t creditor)
{
    struct giro_record record = {.amount_minor = 100,
                                 .creditor = creditor,
                                 .currency = hub->genesis.currencies[0].number,
                                 .service = GIRO_SERVICE_NET,
                                 .kind = GIRO_PAYMENT_CREDIT_TRANSFER};
    hub->next_uetr++;
    memcpy(record.uetr, &hub->next_uetr, sizeof(hub->next_uetr));
    return record;
}

uint8_t hub_frame(struct hub *hub, const struct giro_frame *frame, const struct giro_hash *hash)
{
    struct giro_hash made;
    if (hash == NULL) {
        const struct giro_part parts[] = {
            {&frame->header, sizeof(frame->header)},
            {&frame->skip_to, sizeof(frame->skip_to)},
            {frame->records, frame->header.record_count * sizeof(struct giro_record)}};
        made = giro_sha256_parts(parts, frame->header.record_count == 0 ? 2 : 3);
        hash = &made;
    }
    memset(&hub->outcome, 0xA5, sizeof(hub->outcome)); /* nothing may rest on what was there */
    giro_settlement_frame(hub->settlement, frame, hash, &hub->outcome);
    return hub->outcome.outcome;
}

uint8_t hub_send(struct hub *hub, uint16_t member, uint16_t channel, uint64_t sequence,
                 const struct giro_record *records, uint32_t count)
{
    struct giro_frame frame = {.header = {.head = giro_head_make(GIRO_KIND_FRAME),
                                          .member = member,
                                          .key_id = 1,
                                          .channel = channel,
                                          .record_count = (uint16_t)count,
                                          .sequence = sequence},
                               .records = (const uint8_t *)records};
    return hub_frame(hub, &frame, NULL);
}

uint8_t hub_skip(struct hub *hub, uint16_t member, uint16_t channel, uint64_t from, uint64_t to)
{
    struct giro_frame frame = {.header = {.head = giro_head_make(GIRO_KIND_SKIP),
                                          .member = member,
                                          .key_id = 1,
                                          .channel = channel,
                                          .sequence = from},
                               .skip_to = to};
    return hub_frame(hub, &frame, NULL);
}

uint8_t hub_control(struct hub *hub, uint64_t sequence, const struct giro_control *control)
{
    struct giro_frame frame = {.header = {.head = giro_head_make(GIRO_KIND_CONTROL),
                                          .member = GIRO_MEMBER_OPERATOR,
                                          .key_id = 1,
                                          .checker_key_id = 2,
                                          .record_count = 1,
                                          .sequence = sequence},
                               .records = (const uint8_t *)control};
    return hub_frame(hub, &frame, NULL);
}

struct giro_result hub_pay(struct hub *hub, uint16_t member, const struct giro_record *record)
{
    uint64_t base, next;
    bool stopped;
    giro_settlement_channel(hub->settlement, member, 0, &base, &next, &stopped);
    uint8_t outcome = hub_send(hub, member, 0, next, record, 1);
    cr_assert(outcome == GIRO_OUTCOME_EXECUTED, "%s", giro_outcome_name(outcome));
    return hub->outcome.results[0];
}

struct giro_account_view hub_account(const struct hub *hub, uint16_t member,
                                     uint32_t currency_index)
{
    struct giro_account_view view;
    giro_settlement_account(hub->settlement, member, currency_index, &view);
    return view;
}
