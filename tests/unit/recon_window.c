/* Windows: what is sealed, when it is handed out, and what does not depend on it. */
#include <stdlib.h>

#include <criterion/criterion.h>

#include "recon_window_support.h"

TestSuite(recon_window, .init = rig_suite_open, .fini = rig_suite_close);

#define SECOND(n) (RIG_TIME_NS + (n)*GIRO_NS_PER_S)

static struct giro_journal_view decoded(const struct rig *rig, uint32_t index)
{
    struct giro_journal_view view;
    enum giro_reject reject = giro_journal_decode(
        rig->blocks[index].bytes, rig->blocks[index].size_bytes, RIG_REPLICAS, &view);
    cr_assert(reject == GIRO_REJECT_NONE, "%s", giro_reject_name(reject));
    return view;
}

Test(recon_window, options_out_of_range_have_no_footprint)
{
    struct rig *rig = rig_new();
    struct giro_windows_options good = {
        .genesis = &rig->genesis, .ledger = rig->ledger, .entries_max = 1, .statuses_max = 1};
    cr_assert(giro_windows_footprint(&good) > 0);
    struct giro_windows_options bad = good;
    bad.genesis = NULL;
    cr_assert(giro_windows_footprint(&bad) == 0);
    bad = good;
    bad.entries_max = 0;
    cr_assert(giro_windows_footprint(&bad) == 0);
    bad = good;
    bad.statuses_max = 0;
    cr_assert(giro_windows_footprint(&bad) == 0);
    bad = good;
    bad.entries_max = UINT32_MAX;
    cr_assert(giro_windows_footprint(&bad) == 0);
    rig_free(rig);
}

Test(recon_window, random_bookings_come_back_whole_in_verified_blocks)
{
    uint64_t seed = rig_environment("GIRO_SEED", 20261124);
    uint64_t rounds = 2 * rig_environment("GIRO_EFFORT", 1);
    for (uint64_t round = 0; round < rounds; round++) {
        struct giro_prng prng;
        giro_prng_init(&prng, seed + round);
        struct rig *rig = rig_new();
        uint64_t certified = 0;
        for (uint32_t i = 0; i < 300; i++) {
            rig_random_block(rig, &prng);
            while (certified < rig->height && giro_prng_chance(&prng, 3, 4))
                rig_certify(rig, ++certified);
        }
        rig_idle(rig, rig->time_ns + 2 * GIRO_NS_PER_S);
        rig_certify_to(rig, rig->height);
        cr_assert(rig->block_count == giro_windows_sealed(rig->windows), "seed %lu", seed + round);
        cr_assert(rig->block_count > 300, "seed %lu: %u blocks", seed + round, rig->block_count);
        rig_verify_all(rig);
        rig_free(rig);
    }
}

/* One hub certifies at once, the other late, out of order and repeatedly: what is replicated is
 * the same, block for block, and what is handed out in the end is too. */
Test(recon_window, digests_do_not_depend_on_when_certificates_come)
{
    uint64_t seed = rig_environment("GIRO_SEED", 4711);
    struct giro_prng prng, prng_late, late_chance;
    giro_prng_init(&prng, seed);
    giro_prng_init(&prng_late, seed);
    giro_prng_init(&late_chance, seed + 1);
    struct rig *prompt = rig_new(), *late = rig_new();
    for (uint32_t i = 0; i < 200; i++) {
        rig_random_block(prompt, &prng);
        rig_certify(prompt, prompt->height);
        rig_random_block(late, &prng_late);
        while (giro_prng_chance(&late_chance, 2, 5))
            rig_certify(late, 1 + giro_prng_below(&late_chance, late->height));
        struct giro_hash a = giro_windows_digest(prompt->windows);
        struct giro_hash b = giro_windows_digest(late->windows);
        cr_assert(giro_hash_equal(&a, &b), "seed %lu: digests differ at height %lu", seed,
                  prompt->height);
        cr_assert(memcmp(&prompt->bodies[prompt->height], &late->bodies[late->height],
                         sizeof(struct giro_commit_body)) == 0);
    }
    cr_assert(late->block_count < prompt->block_count);
    rig_certify_to(late, late->height);
    cr_assert(late->block_count == prompt->block_count, "%u and %u", late->block_count,
              prompt->block_count);
    for (uint32_t i = 0; i < late->block_count; i++)
        cr_assert(late->blocks[i].size_bytes == prompt->blocks[i].size_bytes &&
                      memcmp(late->blocks[i].bytes, prompt->blocks[i].bytes,
                             late->blocks[i].size_bytes) == 0,
                  "block %u differs", i);
    rig_free(prompt);
    rig_free(late);
}

Test(recon_window, the_digest_changes_with_every_booking)
{
    struct rig *rig = rig_new();
    struct giro_hash last = giro_windows_digest(rig->windows);
    for (uint32_t i = 0; i < 20; i++) {
        rig_begin(rig, SECOND(1) + i);
        rig_pay(rig, 1, 2, i % 2, i % 3 == 0 ? GIRO_SERVICE_NET : GIRO_SERVICE_GROSS, 1);
        rig_end(rig);
        struct giro_hash digest = giro_windows_digest(rig->windows);
        cr_assert(!giro_hash_equal(&digest, &last), "booking %u", i);
        last = digest;
    }
    rig_idle(rig, SECOND(2));
    struct giro_hash sealed = giro_windows_digest(rig->windows);
    cr_assert(!giro_hash_equal(&sealed, &last));
    rig_idle(rig, SECOND(9));
    last = giro_windows_digest(rig->windows);
    cr_assert(giro_hash_equal(&sealed, &last), "an idle block changes nothing");
    rig_free(rig);
}

Test(recon_window, only_accounts_with_something_in_it_get_a_record_in_member_and_currency_order)
{
    struct rig *rig = rig_new();
    rig_begin(rig, SECOND(1));
    rig_pay(rig, 4, 1, 1, GIRO_SERVICE_GROSS, 5);
    rig_pay(rig, 1, 4, 0, GIRO_SERVICE_GROSS, 5);
    cr_assert(rig_pay(rig, RIG_POOR, 0, 1, GIRO_SERVICE_GROSS, 5) == GIRO_STATUS_RJCT);
    rig_end(rig);
    rig_idle(rig, SECOND(1) + GIRO_NS_PER_S - 1);
    cr_assert(giro_windows_sealed(rig->windows) == 0, "the second is not over");
    rig_idle(rig, SECOND(2));
    rig_certify(rig, 3);
    static const struct {
        uint16_t member, currency;
    } expected[] = {{1, 203}, {1, 978}, {4, 203}, {4, 978}, {RIG_POOR, 978}};
    cr_assert(rig->block_count == 5, "%u blocks", rig->block_count);
    for (uint32_t i = 0; i < 5; i++) {
        struct giro_journal_view view = decoded(rig, i);
        cr_assert(view.record.member == expected[i].member &&
                      view.record.currency == expected[i].currency,
                  "block %u is of member %u, %u", i, view.record.member, view.record.currency);
        cr_assert(view.header.leaf_index == i && view.header.leaf_count == 5);
    }
    rig_verify_all(rig);
    rig_free(rig);
}

Test(recon_window, covered_windows_tell_how_long_nothing_happened)
{
    static const uint32_t seconds[] = {1, 2, 7, 8, 100};
    static const uint32_t covered[] = {1, 1, 5, 1, 92};
    struct rig *rig = rig_new();
    for (uint32_t i = 0; i < 5; i++) {
        rig_begin(rig, SECOND(seconds[i]) + 17);
        rig_pay(rig, 0, 1, 0, GIRO_SERVICE_GROSS, 5);
        rig_end(rig);
    }
    rig_idle(rig, SECOND(200));
    rig_certify_to(rig, rig->height);
    cr_assert(rig->block_count == 10);
    for (uint32_t i = 0; i < 10; i++) {
        struct giro_journal_view view = decoded(rig, i);
        cr_assert(view.record.covered_windows == covered[i / 2], "block %u covers %u", i,
                  view.record.covered_windows);
        cr_assert(view.record.sequence == i / 2 + 1);
    }
    rig_verify_all(rig);
    rig_free(rig);
}

Test(recon_window, a_day_switch_is_sealed_by_the_next_block_in_the_same_second)
{
    struct rig *rig = rig_new();
    cr_assert(giro_windows_next_due(rig->windows) == UINT64_MAX);
    rig_begin(rig, SECOND(1));
    rig_pay(rig, 0, 1, 0, GIRO_SERVICE_NET, 50);
    rig_end(rig);
    cr_assert(giro_windows_next_due(rig->windows) == SECOND(2));
    rig_begin(rig, SECOND(1) + 10);
    cr_assert(rig_control(rig, GIRO_CONTROL_DAY_SWITCH, 0, RIG_DATE + 3));
    rig_end(rig);
    cr_assert(giro_windows_next_due(rig->windows) == SECOND(1) + 10, "due at once");
    rig_begin(rig, SECOND(1) + 20);
    rig_pay(rig, 0, 1, 0, GIRO_SERVICE_NET, 7);
    rig_end(rig);
    cr_assert(giro_windows_sealed(rig->windows) == 2);
    cr_assert(giro_windows_next_due(rig->windows) == SECOND(2));
    rig_idle(rig, SECOND(2));
    cr_assert(giro_windows_next_due(rig->windows) == UINT64_MAX);
    rig_certify_to(rig, rig->height);
    cr_assert(rig->block_count == 4);
    for (uint32_t i = 0; i < 4; i++) {
        struct giro_journal_view view = decoded(rig, i);
        cr_assert(view.record.window == SECOND(1) / GIRO_NS_PER_S);
        cr_assert(view.record.business_date == (i < 2 ? RIG_DATE : RIG_DATE + 3), "block %u", i);
        cr_assert(view.record.covered_windows == (i < 2 ? 1 : 0));
        cr_assert(view.header.has_cycle == (i < 2), "the switch settled the cycle");
    }
    rig_verify_all(rig);
    rig_free(rig);
}

Test(recon_window, a_settled_cycle_comes_with_its_row_its_leaf_and_its_certificate)
{
    struct rig *rig = rig_new();
    struct giro_journal_chain chain;
    uint32_t index = rig_rich_block(rig, &chain);
    struct giro_journal_view view = decoded(rig, index);
    cr_assert(view.record.cycle_count == 2);
    cr_assert(view.cycles[0].state == GIRO_CYCLE_SETTLED);
    cr_assert(view.cycles[1].state == GIRO_CYCLE_OPEN);
    cr_assert(giro_amount128_get(view.cycles[0].closing) == -550);
    cr_assert(giro_amount128_get(view.cycles[1].closing) == -9);
    cr_assert(giro_amount128_get(view.record.cap_used_minor) == 9);
    cr_assert(giro_amount128_get(view.record.closing) == 1000000 - 100 + 30 - 550);
    cr_assert(view.header.netting_count == 3);
    cr_assert(view.cycle_leaf.cycle == view.cycles[0].cycle);
    cr_assert(view.cycle_leaf.payment_count == 3);
    cr_assert(view.cycle_certificate.header.body.height == view.header.cycle_height);
    rig_verify_all(rig);
    rig_free(rig);
}

Test(recon_window, a_window_waits_for_the_certificate_of_its_cycle_and_for_those_before_it)
{
    struct rig *rig = rig_new();
    rig_begin(rig, SECOND(1)); /* height 1: booked and settled */
    rig_pay(rig, 0, 1, 0, GIRO_SERVICE_NET, 50);
    rig_control(rig, GIRO_CONTROL_CLOSE_CYCLE, 203, 0);
    rig_end(rig);
    rig_begin(rig, SECOND(2)); /* height 2: sealed */
    rig_pay(rig, 2, 3, 1, GIRO_SERVICE_GROSS, 5);
    rig_end(rig);
    rig_idle(rig, SECOND(3)); /* height 3: sealed */
    rig_certify(rig, 3);
    cr_assert(rig->block_count == 0);
    rig_certify(rig, 2);
    rig_certify(rig, 2);
    rig_certify(rig, 3);
    cr_assert(rig->block_count == 0, "the cycle's certificate is missing");
    rig_certify(rig, 1);
    cr_assert(rig->block_count == 4);
    for (uint64_t height = 1; height <= 3; height++)
        rig_certify(rig, height);
    cr_assert(rig->block_count == 4, "repeats change nothing");
    rig_verify_all(rig);
    rig_free(rig);
}

Test(recon_window, room_shrinks_with_bookings_and_comes_back_with_certificates)
{
    struct rig *rig = rig_new();
    uint32_t room = giro_windows_room(rig->windows);
    cr_assert(room >= 20000, "%u", room);
    for (uint32_t second = 1; second <= 20; second++) {
        rig_begin(rig, SECOND(second));
        for (uint32_t i = 0; i < 40; i++)
            rig_pay(rig, 0, 1, 0, GIRO_SERVICE_GROSS, 1);
        rig_end(rig);
    }
    rig_idle(rig, SECOND(21));
    cr_assert(giro_windows_room(rig->windows) <= room - 20 * 80, "%u of %u",
              giro_windows_room(rig->windows), room);
    rig_certify_to(rig, rig->height);
    cr_assert(giro_windows_room(rig->windows) == room);
    rig_free(rig);
}

Test(recon_window, a_hub_that_never_gets_certificates_runs_out_of_room_before_it_runs_out_of_memory)
{
    struct rig *rig = rig_new();
    uint32_t second = 0;
    /* 200 payments a second make at most 400 rows in one book: the room a caller keeps free. */
    while (giro_windows_room(rig->windows) >= 400) {
        rig_begin(rig, SECOND(++second));
        for (uint32_t i = 0; i < 200; i++)
            rig_pay(rig, (uint16_t)(i % 2), (uint16_t)(1 - i % 2), 0, GIRO_SERVICE_GROSS, 1);
        rig_end(rig);
        cr_assert(second < 1000);
    }
    rig_idle(rig, SECOND(second + 1));
    rig_certify_to(rig, rig->height);
    rig_verify_all(rig);
    rig_free(rig);
}

/* ---- Images ---- */

static struct giro_image image, image_again;

static void image_open(struct giro_image *made)
{
    made->capacity_chunks = 8;
    made->bytes = calloc(made->capacity_chunks, GIRO_CHUNK_BYTES);
    made->changed = calloc(made->capacity_chunks, 1);
    cr_assert(made->bytes != NULL && made->changed != NULL);
}

static void image_make(struct rig *rig, struct giro_image *made)
{
    giro_image_begin(made, giro_settlement_image_chunks(rig->settlement));
    giro_settlement_image_uetrs(rig->settlement, made);
    giro_settlement_image_sections(rig->settlement, made);
    giro_windows_image_section(rig->windows, made);
    cr_assert(giro_image_end(made, &rig->genesis.chain_id, rig->height));
}

static void image_load(struct rig *rig, const struct giro_image *made, uint64_t height)
{
    struct giro_image_reader reader;
    struct giro_hash root;
    cr_assert(giro_image_open(&reader, made->bytes, made->chunk_count, &rig->genesis.chain_id,
                              height) == GIRO_REJECT_NONE);
    cr_assert(giro_settlement_load(rig->settlement, &reader, &root) == GIRO_REJECT_NONE);
    enum giro_reject reject = giro_windows_load(rig->windows, &reader);
    cr_assert(reject == GIRO_REJECT_NONE, "%s", giro_reject_name(reject));
    cr_assert(giro_image_close(&reader) == GIRO_REJECT_NONE);
    giro_windows_check(rig->windows);
}

/* Random blocks at two hubs; now and then, when an image may be made, the second one is thrown away and loaded from the
 * first one's. Digests, images and journal blocks stay the same. */
Test(recon_window, windows_loaded_from_an_image_go_on_like_the_others)
{
    struct giro_prng first, second;
    uint64_t seed = rig_environment("GIRO_SEED", 20260303);
    uint32_t loads = 0, open = 0, cycles = 0;
    image_open(&image);
    image_open(&image_again);
    giro_prng_init(&first, seed);
    giro_prng_init(&second, seed);
    struct rig *rig = rig_new(), *other = rig_new();
    uint32_t skipped = 0; /* blocks the other hub's journal holds no more, because it was loaded */
    for (uint32_t block = 0; block < 400; block++) {
        rig_random_block(rig, &first);
        rig_random_block(other, &second);
        rig_certify_to(rig, rig->height);
        rig_certify_to(other, other->height);
        struct giro_hash a = giro_windows_digest(rig->windows);
        struct giro_hash b = giro_windows_digest(other->windows);
        cr_assert(giro_hash_equal(&a, &b), "height %lu", (unsigned long)rig->height);
        cr_assert(rig->block_count == other->block_count + skipped);
        for (uint32_t i = 0; i < other->block_count; i++) {
            const struct rig_block *mine = &rig->blocks[i + skipped], *theirs = &other->blocks[i];
            cr_assert(mine->size_bytes == theirs->size_bytes &&
                          memcmp(mine->bytes, theirs->bytes, mine->size_bytes) == 0,
                      "block %u", i);
        }
        if (!giro_windows_imageable(rig->windows) || giro_prng_below(&first, 4) != 0) {
            second = first;
            continue;
        }
        cr_assert(giro_windows_handed_out(rig->windows, rig->height));
        second = first;
        image_make(rig, &image);
        image_make(other, &image_again);
        cr_assert(image.chunk_count == image_again.chunk_count);
        cr_assert(memcmp(image.bytes, image_again.bytes,
                         (size_t)image.chunk_count * GIRO_CHUNK_BYTES) == 0);
        struct rig *fresh = rig_new();
        memcpy(fresh->bodies, other->bodies, sizeof(fresh->bodies));
        memcpy(fresh->certified, other->certified, sizeof(fresh->certified));
        fresh->height = other->height;
        fresh->time_ns = other->time_ns;
        fresh->control_sequence = other->control_sequence;
        fresh->next_uetr = other->next_uetr;
        image_load(fresh, &image, rig->height);
        b = giro_windows_digest(fresh->windows);
        cr_assert(giro_hash_equal(&a, &b), "loaded at height %lu", (unsigned long)rig->height);
        image_make(fresh, &image_again);
        cr_assert(memcmp(image.bytes, image_again.bytes,
                         (size_t)image.chunk_count * GIRO_CHUNK_BYTES) == 0);
        rig_certify(fresh, fresh->height);
        rig_free(other);
        other = fresh;
        skipped = rig->block_count;
        loads++;
        struct giro_journal_view *view = malloc(sizeof(*view));
        if (rig->block_count > 0 &&
            giro_journal_decode(rig->blocks[rig->block_count - 1].bytes,
                                rig->blocks[rig->block_count - 1].size_bytes, RIG_REPLICAS,
                                view) == GIRO_REJECT_NONE)
            cycles += view->header.has_cycle;
        free(view);
        open += giro_windows_next_due(rig->windows) != UINT64_MAX;
    }
    cr_assert(loads >= 10 && open >= 5, "%u %u %u", loads, open, cycles);
    rig_free(rig);
    rig_free(other);
    free(image.bytes);
    free(image.changed);
    free(image_again.bytes);
    free(image_again.changed);
}
