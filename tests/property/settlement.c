/* Settlement against a naive model (settlement_model.h): two hubs with different map seeds are fed the same random frames;
 * outcomes, results, balances, entries and roots must agree. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <criterion/criterion.h>

#include "settlement_model.h"

TestSuite(settlement_model, .init = settlement_suite_open);

/* ---- Random frames ---- */

struct world {
    struct giro_prng prng;
    struct model model;
    struct hub hubs[2];
    /* frames sent before, to send again */
    struct {
        struct giro_frame frame;
        uint8_t records[16 * 64];
    } old[256];
    uint32_t old_count;
    uint64_t uetr;
    uint32_t tried[8]; /* outcomes */
    uint32_t reasons[32];
    uint32_t images; /* times the second hub was loaded from one */
};

static uint64_t below(struct world *world, uint64_t bound)
{
    return giro_prng_below(&world->prng, bound);
}

static bool chance(struct world *world, uint32_t percent)
{
    return giro_prng_chance(&world->prng, percent, 100);
}

static struct giro_record random_record(struct world *world)
{
    static const uint16_t numbers[] = {203, 978, 840, 1};
    struct giro_record record = {.amount_minor =
                                     1 + (int64_t)below(world, chance(world, 80) ? 3000 : 300000),
                                 .creditor = (uint16_t)below(world, MEMBERS),
                                 .currency = numbers[below(world, 3)],
                                 .service = (uint8_t)(1 + below(world, 2)),
                                 .kind = GIRO_PAYMENT_CREDIT_TRANSFER,
                                 .priority = (uint8_t)below(world, 3)};
    uint64_t number = chance(world, 90) ? ++world->uetr : 1 + below(world, world->uetr + 1);
    memcpy(record.uetr, &number, sizeof(number));
    if (!chance(world, 12))
        return record;
    uint32_t now_s = (uint32_t)(world->model.time_ns / GIRO_NS_PER_S);
    switch (below(world, 14)) {
    case 0:
        record.amount_minor = (int64_t)below(world, 3) - 1;
        break;
    case 1:
        record.amount_minor = GIRO_AMOUNT_MAX_MINOR + (int64_t)below(world, 2);
        break;
    case 2:
        record.currency = numbers[3];
        break;
    case 3:
        record.creditor = (uint16_t)(MEMBERS + below(world, 2));
        break;
    case 4:
        record.service = (uint8_t)below(world, 5);
        break;
    case 5:
        record.kind = (uint8_t)below(world, 8);
        break;
    case 6:
        record.priority = 3;
        break;
    case 7:
        record.flags = (uint8_t)below(world, 4);
        break;
    case 8:
        record.link[below(world, 16)] = 1;
        break;
    case 9:
        record.earliest_s = now_s + (uint32_t)below(world, 2);
        break;
    case 10:
        record.latest_s = now_s - (uint32_t)below(world, 2);
        break;
    case 11:
        record.value_date = (uint16_t)(world->model.date - 1 + below(world, 3));
        break;
    case 12:
        record.debtor_account = (uint16_t)below(world, 2);
        break;
    default:
        record.creditor_account = (uint16_t)below(world, 2);
        break;
    }
    return record;
}

static struct giro_control random_control(struct world *world)
{
    static const uint16_t numbers[] = {203, 978, 840, 1};
    struct giro_control control = {.op = (uint16_t)(1 + below(world, 6)),
                                   .member = (uint16_t)below(world, MEMBERS + 1),
                                   .currency = numbers[below(world, 3) + chance(world, 5)]};
    if (control.op == GIRO_CONTROL_DAY_SWITCH)
        control.value = world->model.date + below(world, 3);
    if (control.op == GIRO_CONTROL_SET_CAP)
        control.amount_minor = (int64_t)below(world, 60000) - 1000;
    if (control.op == GIRO_CONTROL_SET_ACCOUNT)
        control.value = chance(world, 70) ? 1 : 1 + below(world, 3);
    if (control.op == GIRO_CONTROL_SET_MEMBER)
        control.value = chance(world, 70) ? 1 : 2;
    if (control.op == GIRO_CONTROL_LIFT_CHANNEL) {
        control.value = below(world, CHANNELS);
        if (control.member == OPERATOR)
            control.member = GIRO_MEMBER_OPERATOR;
        for (uint16_t i = 0; i < (OPERATOR + 1) * CHANNELS && chance(world, 98); i++) {
            if (!world->model.stopped[i / CHANNELS][i % CHANNELS])
                continue;
            control.member = i / CHANNELS == OPERATOR ? GIRO_MEMBER_OPERATOR : i / CHANNELS;
            control.value = i % CHANNELS;
        }
    }
    return control;
}

static uint64_t random_sequence(struct world *world, uint16_t owner, uint16_t channel)
{
    uint64_t next = model_next(&world->model, owner, channel);
    switch (below(world, 100)) {
    case 0:
        return below(world, next + 1);
    case 1:
        return next + below(world, 1100);
    case 2:
        return next > 515 ? next - 510 - below(world, 5) : 0;
    case 3:
    case 4:
        return next + below(world, 4);
    default:
        return next;
    }
}

/* A frame into the store of old ones; the caller sends it from there. */
static struct giro_frame *random_frame(struct world *world)
{
    uint32_t at = world->old_count < 256 ? world->old_count++ : (uint32_t)below(world, 256);
    struct giro_frame *frame = &world->old[at].frame;
    *frame = (struct giro_frame){.records = world->old[at].records};
    uint32_t kind = (uint32_t)below(world, 100);
    uint16_t owner = (uint16_t)(kind < 6 ? OPERATOR : below(world, MEMBERS));
    struct giro_frame_header *header = &frame->header;
    header->member = owner == OPERATOR ? GIRO_MEMBER_OPERATOR : owner;
    header->key_id = 1;
    header->channel = (uint16_t)below(world, CHANNELS);
    if (world->model.stopped[owner][header->channel] &&
        chance(world, 80)) /* seldom worth a frame */
        header->channel = (uint16_t)below(world, CHANNELS);
    header->sequence = random_sequence(world, owner, header->channel);
    if (kind < 6) {
        header->head = giro_head_make(GIRO_KIND_CONTROL);
        header->checker_key_id = 2;
        header->record_count = (uint16_t)(1 + below(world, 2));
        for (uint32_t i = 0; i < header->record_count; i++) {
            struct giro_control control = random_control(world);
            memcpy(world->old[at].records + 64 * i, &control, 64);
        }
    } else if (kind < 14) {
        header->head = giro_head_make(GIRO_KIND_SKIP);
        frame->skip_to = header->sequence + below(world, chance(world, 5) ? 1500 : 20);
    } else {
        header->head = giro_head_make(GIRO_KIND_FRAME);
        header->record_count = (uint16_t)(1 + below(world, 16));
        for (uint32_t i = 0; i < header->record_count; i++) {
            struct giro_record record = random_record(world);
            memcpy(world->old[at].records + 64 * i, &record, 64);
        }
    }
    if (chance(world, 1))
        header->key_id = 7;
    if (chance(world, 1) && header->head.kind != GIRO_KIND_CONTROL)
        header->member = MEMBERS;
    return frame;
}

static struct giro_hash hash_of(const struct giro_frame *frame)
{
    const struct giro_part parts[] = {
        {&frame->header, sizeof(frame->header)},
        {&frame->skip_to, sizeof(frame->skip_to)},
        {frame->records, frame->header.record_count * sizeof(struct giro_record)}};
    return giro_sha256_parts(parts, 3);
}

/* ---- Comparison ---- */

static void compare_accounts(const struct world *world, const struct hub *hub, uint64_t seed)
{
    const struct model *model = &world->model;
    for (uint32_t c = 0; c < CURRENCIES; c++) {
        int64_t sum = 0, positions = 0, prefunded = 0;
        for (uint16_t m = 0; m < MEMBERS; m++) {
            struct giro_account_view view = hub_account(hub, m, c);
            bool same = view.balance == model->balance[m][c] && view.held == model->held[m][c] &&
                        view.position == model->position[m][c] &&
                        view.entries == model->entries[m][c] &&
                        view.status == model->account[m][c] && view.cycle == model->cycle[c] &&
                        view.exists == (model->account[m][c] != 0);
            cr_assert(same, "seed %lu height %lu: member %u currency %u", seed, model->height, m,
                      c);
            sum += model->balance[m][c];
            positions += model->position[m][c];
            for (uint32_t i = 0; i < hub->genesis.members[m].account_count; i++) {
                if (hub->genesis.members[m].accounts[i].currency_index == c)
                    prefunded += hub->genesis.members[m].accounts[i].prefunded_minor;
            }
        }
        cr_assert(sum == prefunded && positions == 0, "seed %lu: not conserved", seed);
    }
}

static void compare_netting(const struct world *world, const struct hub *hub, uint64_t seed)
{
    for (uint32_t c = 0; c < CURRENCIES; c++) {
        for (uint16_t m = 0; m < MEMBERS; m++) {
            struct giro_netting_cell cells[MEMBERS];
            uint32_t count = giro_settlement_netting_row(hub->settlement, c, m, cells, MEMBERS);
            uint32_t at = 0;
            for (uint16_t k = 0; k < MEMBERS; k++) {
                uint32_t out = world->model.settled[c][m][k].count;
                uint32_t in = world->model.settled[c][k][m].count;
                if (out == 0 && in == 0)
                    continue;
                const struct giro_netting_cell *cell = &cells[at++];
                bool same =
                    at <= count && cell->counterparty == k && cell->sent_count == out &&
                    cell->received_count == in &&
                    giro_amount128_get(cell->sent_minor) == world->model.settled[c][m][k].amount &&
                    giro_amount128_get(cell->received_minor) ==
                        world->model.settled[c][k][m].amount;
                cr_assert(same, "seed %lu: row %u currency %u", seed, m, c);
            }
            cr_assert(at == count);
        }
    }
}

/* Every entry continues its chain: number and balance_after follow from the one before. */
struct chains {
    int64_t balance[MEMBERS][CURRENCIES], position[MEMBERS][CURRENCIES];
    uint64_t entries[MEMBERS][CURRENCIES], position_entries[MEMBERS][CURRENCIES];
    uint32_t cycle[MEMBERS][CURRENCIES];
};

static void follow_entries(struct chains *chains, const struct hub *hub, uint64_t seed)
{
    for (uint32_t i = 0; i < hub->entry_count; i++) {
        const struct giro_entry *entry = &hub->entries[i].entry;
        uint16_t m = hub->entries[i].member;
        uint32_t c = hub->entries[i].currency_index;
        bool account = entry->book == GIRO_BOOK_ACCOUNT;
        if (!account && entry->cycle != chains->cycle[m][c]) {
            chains->cycle[m][c] = entry->cycle;
            chains->position[m][c] = 0;
            chains->position_entries[m][c] = 0;
        }
        int64_t *balance = account ? &chains->balance[m][c] : &chains->position[m][c];
        uint64_t *number = account ? &chains->entries[m][c] : &chains->position_entries[m][c];
        *balance += entry->direction == GIRO_DEBIT ? -entry->amount_minor : entry->amount_minor;
        *number += 1;
        cr_assert(entry->amount_minor > 0 && entry->entry == *number &&
                      giro_amount128_get(entry->balance_after) == *balance,
                  "seed %lu height %lu: entry %u of member %u", seed, hub->height, i, m);
    }
}

static void compare_outcome(struct world *world, const struct hub *hub,
                            const struct giro_frame_outcome *expected, uint64_t seed)
{
    const struct giro_frame_outcome *found = &hub->outcome;
    cr_assert(found->outcome == expected->outcome, "seed %lu height %lu: %s, not %s", seed,
              hub->height, giro_outcome_name(found->outcome), giro_outcome_name(expected->outcome));
    cr_assert(found->record_count == expected->record_count);
    if (found->outcome == GIRO_OUTCOME_EXECUTED || found->outcome == GIRO_OUTCOME_DUPLICATE)
        cr_assert(found->leaf_index == expected->leaf_index &&
                      found->first_height == expected->first_height,
                  "seed %lu height %lu: leaf %u of %lu", seed, hub->height, found->leaf_index,
                  found->first_height);
    for (uint32_t i = 0; i < found->record_count; i++)
        cr_assert(memcmp(&found->results[i], &expected->results[i], sizeof(found->results[i])) == 0,
                  "seed %lu height %lu record %u: %s, not %s", seed, hub->height, i,
                  giro_reason_name(found->results[i].reason),
                  giro_reason_name(expected->results[i].reason));
    world->tried[found->outcome]++;
}

/* ---- The run ---- */

static void world_open(struct world *world, struct chains *chains, uint64_t seed)
{
    memset(world, 0, sizeof(*world));
    memset(chains, 0, sizeof(*chains));
    giro_prng_init(&world->prng, seed);
    struct model *model = &world->model;
    uint32_t retained = chance(world, 70) ? (uint32_t)below(world, 1200) : 100000;
    uint32_t days = chance(world, 50) ? (uint32_t)below(world, 3) : 1000;
    uint32_t cycle_seconds = chance(world, 50) ? 0 : 1 + (uint32_t)below(world, 5);
    for (uint32_t which = 0; which < 2; which++) {
        struct hub *hub = &world->hubs[which];
        hub_genesis(hub, MEMBERS, CURRENCIES);
        hub->genesis.uetr_retained_entries = retained;
        hub->genesis.uetr_retained_days = days;
        hub->genesis.cycle_seconds = cycle_seconds;
        for (uint32_t m = 0; m < MEMBERS; m++) {
            struct giro_genesis_member *member = &hub->genesis.members[m];
            member->account_count = m == 0 ? CURRENCIES - 1 : CURRENCIES;
            for (uint32_t c = 0; c < member->account_count; c++) {
                struct giro_genesis_account *account = &member->accounts[c];
                account->prefunded_minor = 100000 * (1 + m);
                account->hold_minor = 50000;
                account->cap_minor = 10000 * m;
                model->balance[m][c] = chains->balance[m][c] = account->prefunded_minor;
                model->held[m][c] = model->hold[m][c] = account->hold_minor;
                model->cap[m][c] = account->cap_minor;
                model->account[m][c] = GIRO_ACCOUNT_OPEN;
            }
        }
        hub_start(hub, seed + 77 * which);
    }
    model->segments_max = (retained + 1023) / 1024 + 1;
    model->days_max = days;
    model->cycle_seconds = cycle_seconds;
    model->date = HUB_DATE;
    model->cycle_next = CURRENCIES + 1;
    for (uint32_t c = 0; c < CURRENCIES; c++) {
        model->cycle[c] = c + 1;
        model->cycle_settled_s[c] = UINT64_MAX;
    }
}

static void run_block(struct world *world, struct chains *chains, uint64_t seed)
{
    uint64_t advance_ns = below(world, chance(world, 80) ? GIRO_NS_PER_S : 5 * GIRO_NS_PER_S);
    for (uint32_t which = 0; which < 2; which++) {
        hub_forget(&world->hubs[which]);
        hub_begin(&world->hubs[which], advance_ns);
    }
    model_block(&world->model, world->hubs[0].height, world->hubs[0].time_ns);
    uint64_t frame_count = below(world, 30);
    for (uint64_t i = 0; i < frame_count; i++) {
        bool again = world->old_count != 0 && chance(world, 10);
        const struct giro_frame *frame =
            again ? &world->old[below(world, world->old_count)].frame : random_frame(world);
        struct giro_hash hash = hash_of(frame);
        struct giro_frame_outcome expected;
        model_frame(&world->model, frame, &hash, &expected);
        for (uint32_t k = 0; k < expected.record_count; k++)
            world->reasons[expected.results[k].reason]++;
        for (uint32_t which = 0; which < 2; which++) {
            hub_frame(&world->hubs[which], frame, &hash);
            compare_outcome(world, &world->hubs[which], &expected, seed);
        }
    }
    for (uint32_t which = 0; which < 2; which++) {
        hub_end(&world->hubs[which]);
        compare_accounts(world, &world->hubs[which], seed);
        compare_netting(world, &world->hubs[which], seed);
    }
    cr_assert(world->model.leaf_count == giro_ledger_count(world->hubs[0].ledger));
    cr_assert(giro_hash_equal(&world->hubs[0].settlement_root, &world->hubs[1].settlement_root));
    cr_assert(giro_hash_equal(&world->hubs[0].ledger_root, &world->hubs[1].ledger_root));
    follow_entries(chains, &world->hubs[0], seed);
}

/* ---- Images ---- */

#define IMAGE_CHUNKS 64u
static struct giro_image image, image_again;

static void image_open(struct giro_image *made)
{
    made->bytes = calloc(IMAGE_CHUNKS, GIRO_CHUNK_BYTES);
    made->changed = calloc(IMAGE_CHUNKS, 1);
    made->capacity_chunks = IMAGE_CHUNKS;
    cr_assert(made->bytes != NULL && made->changed != NULL);
}

static void image_make(struct hub *hub, struct giro_image *made)
{
    giro_image_begin(made, giro_settlement_image_chunks(hub->settlement));
    giro_settlement_image_uetrs(hub->settlement, made);
    giro_settlement_image_sections(hub->settlement, made);
    cr_assert(giro_image_end(made, &hub->genesis.chain_id, hub->height));
    const struct giro_settlement_options options = {.genesis = &hub->genesis};
    uint64_t bound = giro_settlement_image_bytes_max(&options);
    cr_assert((uint64_t)made->chunk_count * GIRO_CHUNK_BYTES <= bound + 2 * GIRO_CHUNK_BYTES);
}

static void image_same(const struct giro_image *a, const struct giro_image *b, uint64_t seed)
{
    cr_assert(a->chunk_count == b->chunk_count, "seed %lu: %u and %u chunks", seed, a->chunk_count,
              b->chunk_count);
    cr_assert(memcmp(a->bytes, b->bytes, (size_t)a->chunk_count * GIRO_CHUNK_BYTES) == 0,
              "seed %lu: other bytes", seed);
}

/* Both hubs give the same bytes, one of them into memory that holds the image before; what is loaded has the same root and
 * gives the same bytes again; and it goes on in the second hub's place. */
static void hub_from_image(struct world *world, uint64_t seed)
{
    struct hub *hub = &world->hubs[1];
    image.reuse = world->images > 0;
    image_make(&world->hubs[0], &image);
    image_again.reuse = false;
    image_make(hub, &image_again);
    image_same(&image, &image_again, seed);
    munmap(hub->mem, hub->mem_bytes);
    munmap(hub->ledger_mem, hub->ledger_bytes);
    uint64_t time_ns = hub->time_ns;
    hub_start(hub, seed + ++world->images);
    hub->time_ns = time_ns;
    struct giro_image_reader reader;
    struct giro_hash root;
    cr_assert(giro_image_open(&reader, image.bytes, image.chunk_count, &hub->genesis.chain_id,
                              hub->height) == GIRO_REJECT_NONE);
    enum giro_reject reject = giro_settlement_load(hub->settlement, &reader, &root);
    cr_assert(reject == GIRO_REJECT_NONE, "seed %lu: %s", seed, giro_reject_name(reject));
    cr_assert(giro_image_close(&reader) == GIRO_REJECT_NONE);
    cr_assert(giro_hash_equal(&root, &hub->settlement_root), "seed %lu: another root", seed);
    giro_settlement_check(hub->settlement);
    image_again.reuse = false;
    image_make(hub, &image_again);
    image_same(&image, &image_again, seed);
}

Test(settlement_model, a_hub_loaded_from_an_image_goes_on_like_the_others)
{
    uint64_t seed = hub_environment("GIRO_SEED", 20260301);
    uint64_t effort = hub_environment("GIRO_EFFORT", 1);
    struct world *world = malloc(sizeof(*world));
    cr_assert(world != NULL);
    image_open(&image);
    image_open(&image_again);
    for (uint64_t round = 0; round < 6 * effort; round++) {
        struct chains chains;
        world_open(world, &chains, seed + round);
        for (uint32_t block = 0; block < 80; block++) {
            run_block(world, &chains, seed + round);
            if (chance(world, 10))
                hub_from_image(world, seed + round);
        }
        cr_assert(world->images > 0);
        for (uint32_t which = 0; which < 2; which++)
            hub_close(&world->hubs[which]);
    }
    free(image.bytes);
    free(image.changed);
    free(image_again.bytes);
    free(image_again.changed);
    free(world);
}

/* Whatever the bytes are, loading stays within its memory; a changed bit of the state is refused or gives another root. */
Test(settlement_model, a_flipped_bit_of_an_image_never_passes_for_the_state)
{
    uint64_t seed = hub_environment("GIRO_SEED", 20260302);
    uint64_t effort = hub_environment("GIRO_EFFORT", 1);
    struct world *world = malloc(sizeof(*world));
    struct chains chains;
    cr_assert(world != NULL);
    image_open(&image);
    world_open(world, &chains, seed);
    for (uint32_t block = 0; block < 40; block++)
        run_block(world, &chains, seed);
    struct hub *hub = &world->hubs[0];
    image_make(hub, &image);
    struct giro_image_header header;
    memcpy(&header, image.bytes, sizeof(header));
    uint8_t *sections = image.bytes + (size_t)header.uetr_chunks * GIRO_CHUNK_BYTES;
    uint32_t refused = 0, other = 0;
    for (uint64_t i = 0; i < 150 * effort; i++) {
        uint64_t at = below(world, header.sections_bytes);
        uint8_t bit = (uint8_t)(1u << below(world, 8));
        struct hub loaded = {.keep = false, .genesis = hub->genesis};
        struct giro_image_reader reader;
        struct giro_hash root;
        sections[at] ^= bit;
        hub_start(&loaded, seed + i);
        cr_assert(giro_image_open(&reader, image.bytes, image.chunk_count, &hub->genesis.chain_id,
                                  hub->height) == GIRO_REJECT_NONE);
        enum giro_reject reject = giro_settlement_load(loaded.settlement, &reader, &root);
        if (reject == GIRO_REJECT_NONE)
            reject = giro_image_close(&reader);
        refused += reject != GIRO_REJECT_NONE;
        other += reject == GIRO_REJECT_NONE && !giro_hash_equal(&root, &hub->settlement_root);
        sections[at] ^= bit;
        munmap(loaded.mem, loaded.mem_bytes);
        munmap(loaded.ledger_mem, loaded.ledger_bytes);
    }
    /* Counters are not part of the root; the image root covers them. */
    cr_assert(refused > 0 && other > 0 && refused + other > 100 * effort, "%u %u", refused, other);
    for (uint32_t which = 0; which < 2; which++)
        hub_close(&world->hubs[which]);
    free(image.bytes);
    free(image.changed);
    free(world);
}

Test(settlement_model, agrees_with_the_naive_model_on_random_frames)
{
    uint64_t seed = hub_environment("GIRO_SEED", 20260101);
    uint64_t effort = hub_environment("GIRO_EFFORT", 1);
    printf("GIRO_SEED=%lu GIRO_EFFORT=%lu\n", (unsigned long)seed, (unsigned long)effort);
    struct world *world = malloc(sizeof(*world));
    uint32_t tried[8] = {0}, reasons[32] = {0}, evictions = 0;
    cr_assert(world != NULL);
    for (uint64_t round = 0; round < 8 * effort; round++) {
        struct chains chains;
        world_open(world, &chains, seed + round);
        for (uint32_t block = 0; block < 120; block++)
            run_block(world, &chains, seed + round);
        evictions += world->model.evictions;
        for (uint32_t i = 0; i < 8; i++)
            tried[i] += world->tried[i];
        for (uint32_t i = 0; i < 32; i++)
            reasons[i] += world->reasons[i];
        for (uint32_t which = 0; which < 2; which++)
            hub_close(&world->hubs[which]);
    }
    cr_assert(evictions != 0, "the UETR set was never full");
    /* The generator must reach every outcome and every reason there is. */
    for (uint32_t i = 1; i < 8; i++)
        cr_assert(tried[i] != 0, "outcome %s never came", giro_outcome_name((uint8_t)i));
    static const enum giro_reason possible[] = {
        GIRO_REASON_NONE, GIRO_REASON_AM01, GIRO_REASON_AM12, GIRO_REASON_AM03, GIRO_REASON_AM04,
        GIRO_REASON_AM05, GIRO_REASON_AM13, GIRO_REASON_RC04, GIRO_REASON_AG10, GIRO_REASON_AG11,
        GIRO_REASON_AC04, GIRO_REASON_AC06, GIRO_REASON_DT01, GIRO_REASON_AB03, GIRO_REASON_AG03,
        GIRO_REASON_AC01, GIRO_REASON_NARR};
    for (uint32_t i = 0; i < sizeof(possible) / sizeof(possible[0]); i++)
        cr_assert(reasons[possible[i]] != 0, "reason %s never came",
                  giro_reason_name((uint16_t)possible[i]));
    free(world);
}
