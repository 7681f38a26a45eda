/* The outbox on a disk that loses power, with real counters of sequences. A model of the hub holds the rule that costs most if it
 * is broken: no other bytes under a sequence it has seen. */
#include <stdio.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#include "member/outbox.h"
#include "member/sender.h"
#include "member_support.h"
#include "sys_support.h"

TestSuite(outbox, .init = hub_suite_open, .fini = hub_suite_close);

#define PAYMENTS  80u
#define CHANNELS  2u
#define SEQUENCES 400u
#define STEPS_MAX 4000u

/* What the hub executed, by channel and sequence. */
struct ledger {
    struct giro_hash hash[CHANNELS][SEQUENCES];
    bool used[CHANNELS][SEQUENCES];
    uint32_t executed[PAYMENTS], skips;
};

/* The bank behind the outbox: what it knows outlives every death. */
struct bank {
    struct hub hub;
    struct giro_secret_key *key;
    char dir[256];
    struct giro_disk_faulty *faulty;
    struct giro_disk disk;
    struct giro_prng prng;
    struct ledger ledger;
    bool told[PAYMENTS]; /* its outcome */
    /* of one life */
    void *mem;
    struct giro_outbox *outbox;
    struct giro_outbox_writer writer;
    struct giro_outbox_stand stands[CHANNELS];
    bool opened[CHANNELS], taken[PAYMENTS], sent[64];
    uint64_t now_ns, lives;
};

static const char *wrong;

static void bank_open(struct bank *bank, uint64_t seed)
{
    static const struct giro_disk_faults faults = {.latency_min_ns = 1000,
                                                   .latency_max_ns = 100000,
                                                   .torn_per_mille = 400,
                                                   .kept_per_mille = 300};
    struct hub hub = bank->hub;
    memset(bank, 0, sizeof(*bank));
    bank->hub = hub;
    if (hub.ring == NULL)
        hub_make(&bank->hub, 4, 2);
    bank->key = hub_key(bank->hub.genesis.members[0].bic, "frame", 1);
    scratch_make(bank->dir);
    bank->faulty = giro_disk_faulty_new(seed, &faults);
    bank->disk = giro_disk_faulty_disk(bank->faulty);
    giro_prng_init(&bank->prng, seed);
}

static void bank_close(struct bank *bank)
{
    free(bank->mem);
    giro_disk_faulty_free(bank->faulty);
    giro_key_free(bank->key);
    bank->mem = NULL;
    scratch_remove(bank->dir);
}

static void hub_end(struct bank *bank)
{
    hub_free(&bank->hub);
    bank->hub.ring = NULL;
}

static enum giro_err life_begin(struct bank *bank, uint32_t frames_max, uint32_t range_count)
{
    struct giro_outbox_options options = {.disk = &bank->disk,
                                          .chain_id = bank->hub.genesis.chain_id,
                                          .chain_prefix = bank->hub.genesis.chain_prefix,
                                          .frames_max = frames_max,
                                          .frame_bytes_max = GIRO_FRAME_BYTES_MAX,
                                          .id = 77 + bank->lives, /* an old one keeps its own */
                                          .seed = ++bank->lives};
    free(bank->mem);
    size_t size = giro_align_up(giro_outbox_footprint(&options), 64);
    bank->mem = aligned_alloc(64, size);
    bank->outbox = giro_outbox_init(bank->mem, size, &options);
    cr_assert(bank->outbox != NULL);
    bank->writer = (struct giro_outbox_writer){.outbox = bank->outbox,
                                               .genesis = &bank->hub.genesis,
                                               .key = bank->key,
                                               .keys_dir = bank->dir,
                                               .bic = bank->hub.genesis.members[0].bic,
                                               .key_id = 1,
                                               .range_count = range_count};
    memset(bank->opened, 0, sizeof(bank->opened));
    memset(bank->stands, 0, sizeof(bank->stands));
    memset(bank->sent, 0, sizeof(bank->sent));
    memset(bank->taken, 0, sizeof(bank->taken));
    return giro_outbox_open(bank->outbox);
}

static uint32_t payment_of(const struct giro_frame *frame)
{
    struct giro_record record = giro_record_get(frame, 0);
    uint32_t payment;
    memcpy(&payment, record.uetr, sizeof(payment));
    return payment;
}

static struct giro_frame frame_in(const struct bank *bank, uint32_t slot)
{
    struct giro_outbox_entry entry = giro_outbox_entry(bank->outbox, slot);
    struct giro_frame frame;
    cr_assert(giro_frame_decode(entry.bytes, entry.size_bytes, bank->hub.genesis.chain_prefix,
                                &frame) == GIRO_REJECT_NONE);
    return frame;
}

/* What was found belongs to a payment that the bank need not submit again. */
static void life_found(struct bank *bank)
{
    for (uint32_t slot = giro_outbox_next(bank->outbox, GIRO_NONE); slot != GIRO_NONE;
         slot = giro_outbox_next(bank->outbox, slot)) {
        struct giro_frame frame = frame_in(bank, slot);
        if (frame.header.head.kind == GIRO_KIND_FRAME)
            bank->taken[payment_of(&frame)] = true;
    }
    for (uint32_t i = 0; i < PAYMENTS; i++) {
        if (bank->ledger.executed[i] > 0 && !bank->taken[i] && !bank->told[i])
            wrong = "an executed payment without an outcome was forgotten";
        bank->taken[i] = bank->taken[i] || bank->told[i];
    }
}

static void execute(struct ledger *ledger, const struct giro_frame *frame,
                    const struct giro_hash *hash)
{
    bool skip = frame->header.head.kind == GIRO_KIND_SKIP;
    uint32_t channel = frame->header.channel;
    uint64_t from = frame->header.sequence, to = skip ? frame->skip_to : from;
    cr_assert(channel < CHANNELS && to < SEQUENCES);
    if (ledger->used[channel][from]) {
        if (!giro_hash_equal(&ledger->hash[channel][from], hash))
            wrong = "other bytes under a used sequence";
        return;
    }
    if (!skip && ++ledger->executed[payment_of(frame)] > 1)
        wrong = "a payment executed twice";
    ledger->skips += skip;
    for (uint64_t s = from; s <= to; s++) {
        if (ledger->used[channel][s])
            wrong = "a skip over a sequence that was sent";
        ledger->used[channel][s] = true;
        ledger->hash[channel][s] = *hash;
    }
}

/* Sends one frame that may be sent; the outcome comes back, or not yet. */
static void exchange(struct bank *bank, uint32_t slot, bool answered)
{
    struct giro_frame frame = frame_in(bank, slot);
    struct giro_outbox_entry entry = giro_outbox_entry(bank->outbox, slot);
    struct giro_hash hash = hub_frame_hash(&bank->hub, entry.bytes, entry.size_bytes);
    execute(&bank->ledger, &frame, &hash);
    if (!answered)
        return;
    if (frame.header.head.kind == GIRO_KIND_FRAME)
        bank->told[payment_of(&frame)] = true;
    bank->sent[slot] = false;
    giro_outbox_done(bank->outbox, slot, GIRO_OUTCOME_EXECUTED);
}

static size_t payment_make(struct bank *bank, uint32_t payment, uint16_t channel, uint64_t sequence,
                           uint32_t records, uint8_t *out)
{
    struct giro_record list[GIRO_FRAME_RECORDS_MAX];
    memset(list, 0, sizeof(list));
    for (uint32_t i = 0; i < records; i++) {
        list[i] = (struct giro_record){.amount_minor = 1, .creditor = 1};
        memcpy(list[i].uetr, &payment, sizeof(payment));
    }
    return giro_frame_make(&bank->hub.genesis, bank->key, 0, 1, channel, sequence, list, records,
                           out);
}

static void submit(struct bank *bank)
{
    uint16_t channel = (uint16_t)giro_prng_below(&bank->prng, CHANNELS);
    struct giro_diagnosis diagnosis = {.fact = ""};
    uint8_t frame[GIRO_FRAME_BYTES_MAX];
    uint64_t sequence;
    uint32_t payment = 0, slot;
    while (payment < PAYMENTS && bank->taken[payment])
        payment++;
    if (payment == PAYMENTS || !bank->opened[channel])
        return;
    enum giro_err err = giro_outbox_channel_next(&bank->writer, channel, &sequence, &diagnosis);
    cr_assert(err == GIRO_ERR_OK || err == GIRO_ERR_FULL, "%s", diagnosis.fact);
    if (err != GIRO_ERR_OK)
        return;
    size_t size = payment_make(bank, payment, channel, sequence, 1, frame);
    cr_assert(giro_outbox_put(bank->outbox, frame, (uint32_t)size, &slot) == GIRO_ERR_OK);
    bank->taken[payment] = true;
}

static void disk_turn(struct bank *bank)
{
    struct giro_disk_completion done[8];
    uint64_t next_ns = giro_disk_faulty_next_ns(bank->faulty);
    if (next_ns == UINT64_MAX)
        return;
    bank->now_ns = next_ns > bank->now_ns ? next_ns : bank->now_ns;
    giro_disk_faulty_advance(bank->faulty, bank->now_ns);
    uint32_t count = bank->disk.ops->poll(bank->disk.self, done, 8);
    for (uint32_t i = 0; i < count; i++)
        cr_assert(giro_outbox_completed(bank->outbox, done[i].tag, done[i].err) == GIRO_ERR_OK);
}

static bool all_told(const struct bank *bank)
{
    for (uint32_t i = 0; i < PAYMENTS; i++)
        if (!bank->told[i])
            return false;
    return true;
}

/* The hub says where it stands when it is asked, not sooner. */
static void channel_open(struct bank *bank, uint16_t channel)
{
    struct giro_diagnosis diagnosis = {.fact = ""};
    struct giro_outbox_stand *stand = &bank->stands[channel];
    if (bank->opened[channel])
        return;
    if (stand->wanted && giro_prng_chance(&bank->prng, 1, 3)) {
        stand->known = true;
        for (stand->next = 0; bank->ledger.used[channel][stand->next];)
            stand->next++;
    }
    enum giro_err err = giro_outbox_channel_open(&bank->writer, channel, stand, &diagnosis);
    cr_assert(err == GIRO_ERR_OK || err == GIRO_ERR_FULL, "%s: %s", diagnosis.fact,
              diagnosis.detail);
    bank->opened[channel] = err == GIRO_ERR_OK;
}

/* Lives until everything is told and written, or until the disk has stopped and nothing moves; returns whether all is well. */
static bool live(struct bank *bank)
{
    for (uint32_t step = 0; step < STEPS_MAX; step++) {
        for (uint16_t c = 0; c < CHANNELS; c++) {
            channel_open(bank, c);
        }
        for (uint64_t i = giro_prng_below(&bank->prng, 2); i > 0; i--)
            submit(bank);
        uint32_t next, ready;
        while ((ready = giro_outbox_ready(bank->outbox)) != GIRO_NONE) {
            bank->sent[ready] = true;
            giro_outbox_take(bank->outbox);
        }
        for (uint32_t slot = giro_outbox_next(bank->outbox, GIRO_NONE); slot != GIRO_NONE;
             slot = next) {
            next = giro_outbox_next(bank->outbox, slot);
            cr_assert(!bank->sent[slot] || giro_outbox_durable(bank->outbox, slot));
            if (bank->sent[slot] && giro_prng_chance(&bank->prng, 2, 3))
                exchange(bank, slot, giro_prng_chance(&bank->prng, 1, 2));
        }
        giro_outbox_check(bank->outbox);
        cr_assert(giro_outbox_flush(bank->outbox, giro_prng_chance(&bank->prng, 1, 4)) ==
                  GIRO_ERR_OK);
        disk_turn(bank);
        if (giro_outbox_count(bank->outbox) == 0 && all_told(bank) &&
            giro_outbox_settled(bank->outbox))
            return true;
        if (step > 300 && giro_disk_faulty_next_ns(bank->faulty) == UINT64_MAX &&
            !giro_outbox_settled(bank->outbox))
            return false;
    }
    return false;
}

/* False: the disk has stopped. */
static bool close_channels(struct bank *bank)
{
    struct giro_diagnosis diagnosis = {.fact = ""};
    for (uint16_t c = 0; c < CHANNELS; c++) {
        enum giro_err err;
        for (uint32_t i = 0;
             (err = giro_outbox_channel_close(&bank->writer, c, &diagnosis)) == GIRO_ERR_FULL;
             i++) {
            if (i == 100)
                return false;
            cr_assert(giro_outbox_flush(bank->outbox, true) == GIRO_ERR_OK);
            disk_turn(bank);
        }
        cr_assert(err == GIRO_ERR_OK, "%s", diagnosis.fact);
    }
    return true;
}

/* No sequence below the last used one is left open: a gap would stop the channel. */
static bool gapless(const struct ledger *ledger)
{
    for (uint32_t c = 0; c < CHANNELS; c++)
        for (uint32_t s = 1; s < SEQUENCES; s++)
            if (ledger->used[c][s] && !ledger->used[c][s - 1])
                return false;
    return true;
}

static struct bank bank;

static void expect_complete(uint64_t boundary)
{
    cr_assert(wrong == NULL, "boundary %lu: %s", boundary, wrong);
    for (uint32_t i = 0; i < PAYMENTS; i++)
        cr_assert(bank.ledger.executed[i] == 1 && bank.told[i], "boundary %lu: payment %u",
                  boundary, i);
    cr_assert(gapless(&bank.ledger), "boundary %lu leaves a gap", boundary);
}

Test(outbox, death_at_every_write_boundary_takes_each_payment_exactly_once, .timeout = 240)
{
    uint64_t boundaries = 1, skips = 0, deaths = 0;
    for (uint64_t boundary = 0; boundary <= boundaries; boundary++) {
        bank_open(&bank, 1000 + boundary / 8);
        wrong = NULL;
        if (boundary > 0)
            giro_disk_faulty_stop_after(bank.faulty, boundary - 1);
        cr_assert(life_begin(&bank, 8, 9) == GIRO_ERR_OK);
        bool complete = live(&bank) && close_channels(&bank);
        if (boundary == 0) { /* nobody dies: how many writes are there? */
            cr_assert(complete);
            boundaries = giro_disk_faulty_submitted(bank.faulty) + 8;
            cr_assert(boundaries > 40, "%lu writes", boundaries);
        } else if (!complete) {
            deaths++;
            giro_disk_faulty_stop_after(bank.faulty, UINT64_MAX);
            if (boundary % 2 == 0)
                giro_disk_faulty_crash(bank.faulty);
            else
                giro_disk_faulty_power_loss(bank.faulty);
            cr_assert(life_begin(&bank, 8, 9) == GIRO_ERR_OK, "boundary %lu", boundary);
            life_found(&bank);
            cr_assert(live(&bank) && close_channels(&bank),
                      "boundary %lu: what is left does not end", boundary);
        }
        expect_complete(boundary);
        skips += bank.ledger.skips;
        bank_close(&bank);
    }
    cr_assert(deaths > boundaries / 2 && skips > 10, "%lu deaths, %lu skips", deaths, skips);
    hub_end(&bank);
}

Test(outbox, three_deaths_in_a_row_at_random_writes_take_each_payment_exactly_once, .timeout = 240)
{
    uint64_t seeds = 40 * hub_environment("GIRO_EFFORT", 1);
    uint64_t from = hub_environment("GIRO_SEED", 1);
    for (uint64_t seed = from; seed < from + seeds; seed++) {
        bank_open(&bank, seed);
        wrong = NULL;
        for (uint32_t life = 0; life < 4; life++) {
            uint64_t more = life == 3 ? UINT64_MAX : giro_prng_below(&bank.prng, 30);
            giro_disk_faulty_stop_after(bank.faulty, more);
            cr_assert(life_begin(&bank, 8, 9) == GIRO_ERR_OK, "seed %lu", seed);
            life_found(&bank);
            if (live(&bank))
                break;
            cr_assert(life < 3, "seed %lu: does not end", seed);
            giro_disk_faulty_power_loss(bank.faulty);
        }
        expect_complete(seed);
        bank_close(&bank);
    }
    hub_end(&bank);
}

/* ---- Segments ---- */

static uint32_t file_count;

static void count_file(void *context, const char *name)
{
    (void)context;
    (void)name;
    file_count++;
}

/* Done when it is durable, as if it had been sent. */
static void done_payment(uint32_t slot)
{
    while (giro_outbox_ready(bank.outbox) != slot) {
        if (giro_outbox_ready(bank.outbox) != GIRO_NONE)
            giro_outbox_take(bank.outbox);
        cr_assert(giro_outbox_flush(bank.outbox, false) == GIRO_ERR_OK);
        disk_turn(&bank);
    }
    giro_outbox_take(bank.outbox);
    giro_outbox_done(bank.outbox, slot, GIRO_OUTCOME_EXECUTED);
}

static uint32_t put_payment(uint32_t payment, uint32_t records)
{
    struct giro_diagnosis diagnosis;
    uint8_t frame[GIRO_FRAME_BYTES_MAX];
    uint64_t sequence;
    uint32_t slot;
    enum giro_err err;
    while ((err = giro_outbox_channel_next(&bank.writer, 0, &sequence, &diagnosis)) ==
           GIRO_ERR_FULL) {
        cr_assert(giro_outbox_flush(bank.outbox, true) == GIRO_ERR_OK);
        disk_turn(&bank);
    }
    cr_assert(err == GIRO_ERR_OK);
    size_t size = payment_make(&bank, payment, 0, sequence, records, frame);
    while ((err = giro_outbox_put(bank.outbox, frame, (uint32_t)size, &slot)) == GIRO_ERR_FULL) {
        cr_assert(giro_outbox_flush(bank.outbox, true) == GIRO_ERR_OK);
        disk_turn(&bank);
    }
    cr_assert(err == GIRO_ERR_OK);
    return slot;
}

static void settle(void)
{
    do {
        cr_assert(giro_outbox_flush(bank.outbox, true) == GIRO_ERR_OK);
        disk_turn(&bank);
    } while (!giro_outbox_settled(bank.outbox));
}

Test(outbox, old_segments_go_and_a_frame_that_waits_is_written_again, .timeout = 120)
{
    struct giro_outbox_entry stuck;
    static uint8_t bytes[GIRO_FRAME_BYTES_MAX];
    bank_open(&bank, 5);
    cr_assert(life_begin(&bank, 8, 512) == GIRO_ERR_OK);
    uint32_t slot = put_payment(7, GIRO_FRAME_RECORDS_MAX);
    stuck = giro_outbox_entry(bank.outbox, slot);
    memcpy(bytes, stuck.bytes, stuck.size_bytes);
    for (uint32_t i = 0; i < 3000; i++) { /* 27 MB */
        done_payment(put_payment(8, GIRO_FRAME_RECORDS_MAX));
        if (i % 4 == 3)
            settle();
    }
    giro_outbox_check(bank.outbox);
    cr_assert(bank.disk.ops->list(bank.disk.self, count_file, NULL) == GIRO_ERR_OK);
    cr_assert(file_count <= 5, "%u segments are left", file_count);
    struct giro_outbox_span before = giro_outbox_span(bank.outbox, 0);
    giro_disk_faulty_power_loss(bank.faulty);
    cr_assert(life_begin(&bank, 8, 512) == GIRO_ERR_OK);
    slot = giro_outbox_find(bank.outbox, 0, stuck.sequence);
    cr_assert(slot != GIRO_NONE && giro_outbox_count(bank.outbox) == 1);
    cr_assert(giro_outbox_entry(bank.outbox, slot).size_bytes == stuck.size_bytes);
    cr_assert(memcmp(giro_outbox_entry(bank.outbox, slot).bytes, bytes, stuck.size_bytes) == 0);
    struct giro_outbox_span after = giro_outbox_span(bank.outbox, 0);
    cr_assert(after.next == before.next && after.end == before.end);
    bank_close(&bank);
    hub_end(&bank);
}

/* ---- Bounds and refusals ---- */

Test(outbox, a_full_outbox_refuses_and_takes_again_when_one_is_done)
{
    struct giro_diagnosis diagnosis;
    uint64_t sequence;
    bank_open(&bank, 6);
    cr_assert(life_begin(&bank, 3, 64) == GIRO_ERR_OK);
    uint32_t first = put_payment(0, 1);
    put_payment(1, 1);
    put_payment(2, 1);
    settle();
    cr_assert(giro_outbox_channel_next(&bank.writer, 0, &sequence, &diagnosis) == GIRO_ERR_FULL);
    done_payment(first);
    put_payment(3, 1);
    settle();
    /* A smaller outbox cannot take what is there. */
    giro_disk_faulty_crash(bank.faulty);
    cr_assert(life_begin(&bank, 2, 64) == GIRO_ERR_FULL);
    bank_close(&bank);
    hub_end(&bank);
}

Test(outbox, other_outboxes_and_restored_counters_are_refused)
{
    struct giro_diagnosis diagnosis = {.fact = ""};
    struct giro_sequence_claim claim = {.outbox = 5};
    char path[400], *text;
    size_t size;
    uint64_t first;
    bank_open(&bank, 7);
    cr_assert(life_begin(&bank, 8, 10) == GIRO_ERR_OK);
    put_payment(0, 1);
    settle();
    cr_assert(giro_sequence_claim(bank.dir, bank.writer.bic, 0, 4, &claim, &diagnosis) ==
              GIRO_ERR_STATE);
    snprintf(path, sizeof(path), "%s/%s/channel-0.next", bank.dir, bank.writer.bic);
    cr_assert(giro_file_read(path, 100, &text, &size) == GIRO_ERR_OK);
    cr_assert(close_channels(&bank));
    cr_assert(giro_outbox_span(bank.outbox, 0).next == 1);
    cr_assert(giro_sequence_reserve(bank.dir, bank.writer.bic, 0, 1, &first, &diagnosis) ==
              GIRO_ERR_OK);
    cr_assert(first == 1, "what was not used is given back");
    cr_assert(giro_sequence_claim(bank.dir, bank.writer.bic, 0, 4, &claim, &diagnosis) ==
              GIRO_ERR_OK);
    cr_assert(claim.first == 2 && claim.next == 6);
    settle();
    giro_disk_faulty_crash(bank.faulty);
    cr_assert(life_begin(&bank, 8, 10) == GIRO_ERR_OK);
    cr_assert(giro_outbox_channel_open(&bank.writer, 0, &bank.stands[0], &diagnosis) ==
              GIRO_ERR_STATE);
    cr_assert(remove(path) == 0);
    cr_assert(giro_outbox_channel_open(&bank.writer, 0, &bank.stands[0], &diagnosis) ==
              GIRO_ERR_STATE);
    free(text);
    bank_close(&bank);
    hub_end(&bank);
}

Test(outbox, unused_sequences_that_others_came_behind_are_closed_by_a_skip)
{
    struct giro_diagnosis diagnosis = {.fact = ""};
    uint64_t first;
    bank_open(&bank, 8);
    wrong = NULL;
    cr_assert(life_begin(&bank, 8, 10) == GIRO_ERR_OK);
    put_payment(0, 1);
    settle();
    cr_assert(giro_sequence_reserve(bank.dir, bank.writer.bic, 0, 1, &first, &diagnosis) ==
              GIRO_ERR_OK);
    cr_assert(first == 10);
    cr_assert(close_channels(&bank));
    uint32_t slot = giro_outbox_find(bank.outbox, 0, 1);
    cr_assert(slot != GIRO_NONE && giro_outbox_durable(bank.outbox, slot));
    struct giro_frame frame = frame_in(&bank, slot);
    cr_assert(frame.header.head.kind == GIRO_KIND_SKIP && frame.skip_to == 9);
    struct giro_genesis_key *key = &bank.hub.genesis.members[0].frame_keys[0];
    uint8_t message[GIRO_FRAME_MESSAGE_BYTES_MAX], verdict;
    size_t bytes = giro_frame_message(&frame, &bank.hub.genesis.chain_id, message);
    struct giro_verify_item item = {.key = key->handle,
                                    .message = message,
                                    .message_bytes = (uint32_t)bytes,
                                    .signature = frame.signature};
    cr_assert(giro_verify_batch(bank.hub.ring, &item, 1, &verdict) == 1);
    bank_close(&bank);
    hub_end(&bank);
}

Test(outbox, an_old_copy_never_skips_what_was_sent_after_it_was_made)
{
    struct giro_diagnosis diagnosis = {.fact = ""};
    uint32_t slots[4];
    bank_open(&bank, 9);
    wrong = NULL;
    cr_assert(life_begin(&bank, 8, 10) == GIRO_ERR_OK);
    for (uint32_t i = 0; i < 4; i++) {
        if (i == 2) { /* from here on what is written is not in the copy */
            settle();
            giro_disk_faulty_stop_after(bank.faulty, 0);
        }
        slots[i] = put_payment(i, 1);
        struct giro_frame frame = frame_in(&bank, slots[i]);
        struct giro_outbox_entry entry = giro_outbox_entry(bank.outbox, slots[i]);
        struct giro_hash hash = hub_frame_hash(&bank.hub, entry.bytes, entry.size_bytes);
        execute(&bank.ledger, &frame, &hash);
        bank.told[i] = true;
    }
    giro_disk_faulty_crash(bank.faulty);
    giro_disk_faulty_stop_after(bank.faulty, UINT64_MAX);
    cr_assert(life_begin(&bank, 8, 10) == GIRO_ERR_OK);
    cr_assert(giro_outbox_span(bank.outbox, 0).next == 2, "an old copy");
    for (uint32_t i = 0; i < 3; i++)
        cr_assert(giro_outbox_channel_open(&bank.writer, 0, &bank.stands[0], &diagnosis) ==
                  GIRO_ERR_FULL);
    cr_assert(bank.stands[0].wanted && giro_outbox_span(bank.outbox, 0).next == 2,
              "it waits for the hub's word");
    for (uint32_t i = 0; i < 4; i++)
        bank.taken[i] = true;
    cr_assert(live(&bank) && close_channels(&bank));
    expect_complete(0);
    cr_assert(bank.ledger.skips == 1 && bank.ledger.used[0][4]);
    bank_close(&bank);
    hub_end(&bank);
}
