#include <criterion/criterion.h>
#include <stdlib.h>

#include "giro/safety.h"
#include "giro/sys.h"

#define LOG_COVERED UINT64_C(1000000)

struct fixture {
    struct giro_disk_faulty *faulty;
    struct giro_disk disk;
    struct giro_safety_options options;
    struct giro_safety *safety;
    void *mem;
    uint64_t now_ns;
    struct giro_safety_state state;
    uint32_t repaired;
};

static void advance_clock(void *context)
{
    struct fixture *fixture = context;
    uint64_t next_ns = giro_disk_faulty_next_ns(fixture->faulty);
    if (next_ns != UINT64_MAX && next_ns > fixture->now_ns)
        fixture->now_ns = next_ns;
    giro_disk_faulty_advance(fixture->faulty, fixture->now_ns);
}

static void fixture_init(struct fixture *fixture, uint64_t seed)
{
    static const uint8_t key_seed[32] = {7};
    cr_assert_eq(giro_crypto_init(), GIRO_ERR_OK);
    memset(fixture, 0, sizeof *fixture);
    struct giro_disk_faults faults = {.latency_min_ns = 1000,
                                      .latency_max_ns = 50000,
                                      .torn_per_mille = 400,
                                      .kept_per_mille = 300};
    fixture->faulty = giro_disk_faulty_new(seed, &faults);
    fixture->disk = giro_disk_faulty_disk(fixture->faulty);
    fixture->options = (struct giro_safety_options){
        .disk = &fixture->disk, .replica = 2, .epoch = 1, .vote_key = giro_key_from_seed(key_seed)};
    memset(fixture->options.chain_id.bytes, 0xaa, GIRO_HASH_BYTES);
    fixture->mem = aligned_alloc(64, giro_align_up(giro_safety_footprint(), 64));
}

static void fixture_free(struct fixture *fixture)
{
    giro_key_free(fixture->options.vote_key);
    giro_disk_faulty_free(fixture->faulty);
    free(fixture->mem);
}

static enum giro_err open_safety(struct fixture *fixture, bool log_is_empty)
{
    fixture->safety = giro_safety_init(fixture->mem, giro_safety_footprint(), &fixture->options);
    cr_assert_not_null(fixture->safety);
    return giro_safety_open(fixture->safety, log_is_empty, advance_clock, fixture, &fixture->state,
                            &fixture->repaired);
}

static struct giro_action vote_action(uint64_t round, uint64_t parent_round, uint8_t block)
{
    struct giro_action action = {.kind = GIRO_ACTION_SIGN};
    action.sign.vote.head = giro_head_make(GIRO_KIND_VOTE);
    action.sign.vote.epoch = 1;
    action.sign.vote.round = round;
    action.sign.vote.parent_round = parent_round;
    action.sign.vote.voter = 2;
    memset(action.sign.vote.block_id.bytes, block, GIRO_HASH_BYTES);
    action.sign.lock_round = parent_round;
    action.sign.after_log = LOG_COVERED;
    return action;
}

static struct giro_action timeout_action(uint64_t round, uint64_t high_qc_round)
{
    struct giro_action action = {.kind = GIRO_ACTION_SIGN};
    action.sign.is_timeout = true;
    action.sign.timeout.head = giro_head_make(GIRO_KIND_TIMEOUT);
    action.sign.timeout.epoch = 1;
    action.sign.timeout.round = round;
    action.sign.timeout.high_qc_round = high_qc_round;
    action.sign.timeout.voter = 2;
    action.sign.lock_round = high_qc_round;
    action.sign.after_log = LOG_COVERED;
    return action;
}

/* Completes what is under way; false when the request did not finish (writes that never complete). */
static bool finish(struct fixture *fixture, struct giro_event *event)
{
    cr_assert_eq(giro_safety_advance(fixture->safety, LOG_COVERED), GIRO_ERR_OK);
    while (!giro_safety_take(fixture->safety, event)) {
        struct giro_disk_completion done;
        if (fixture->disk.ops->poll(fixture->disk.self, &done, 1) == 0) {
            if (giro_disk_faulty_next_ns(fixture->faulty) == UINT64_MAX)
                return false;
            advance_clock(fixture);
            continue;
        }
        cr_assert_eq(giro_safety_completed(fixture->safety, done.tag, done.err), GIRO_ERR_OK);
    }
    return true;
}

static struct giro_event ask(struct fixture *fixture, struct giro_action action)
{
    struct giro_event event;
    giro_safety_request(fixture->safety, &action);
    cr_assert(finish(fixture, &event));
    cr_assert_eq(event.kind, GIRO_EVENT_SIGNED);
    return event;
}

static bool vote_is_signed(const struct fixture *fixture, const struct giro_event *event)
{
    const struct giro_vote *vote = &event->signed_.vote;
    struct giro_qc_header fields = {.epoch = vote->epoch,
                                    .round = vote->round,
                                    .parent_round = vote->parent_round,
                                    .block_id = vote->block_id,
                                    .commit_id = vote->commit_id};
    uint8_t message[GIRO_VOTE_MESSAGE_BYTES];
    size_t size = giro_vote_message(&fixture->options.chain_id, &fields, message);
    struct giro_signature expected = giro_sign(fixture->options.vote_key, message, size);
    return memcmp(&expected, &vote->signature, sizeof expected) == 0;
}

Test(safety, every_rule_of_votes_and_timeouts)
{
    static const struct {
        const char *what;
        bool is_timeout;
        uint64_t round, other_round; /* parent or high_qc round */
        uint8_t block;
        enum giro_reject reject;
        uint64_t lock_after;
    } rows[] = {
        {"a first vote", false, 5, 4, 1, GIRO_REJECT_NONE, 4},
        {"the same vote again", false, 5, 4, 1, GIRO_REJECT_NONE, 4},
        {"another block in the round", false, 5, 4, 2, GIRO_REJECT_EQUIVOCATION, 4},
        {"an older round", false, 4, 3, 1, GIRO_REJECT_ROUND, 4},
        {"a parent that is not older", false, 6, 6, 1, GIRO_REJECT_FIELD, 4},
        {"a vote on an older parent leaves the lock", false, 6, 2, 1, GIRO_REJECT_NONE, 4},
        {"a timeout below the last vote", true, 5, 4, 0, GIRO_REJECT_ROUND, 4},
        {"a timeout with a QC below the lock", true, 6, 3, 0, GIRO_REJECT_ROUND, 4},
        {"a timeout of the round just voted in", true, 6, 5, 0, GIRO_REJECT_NONE, 5},
        {"the same timeout again", true, 6, 5, 0, GIRO_REJECT_NONE, 5},
        {"the same round with another QC", true, 6, 4, 0, GIRO_REJECT_EQUIVOCATION, 5},
        {"the vote of a round that timed out", false, 6, 2, 1, GIRO_REJECT_ROUND, 5},
        {"a timeout skips ahead", true, 9, 5, 0, GIRO_REJECT_NONE, 5},
        {"a vote in a round that timed out", false, 9, 8, 1, GIRO_REJECT_ROUND, 5},
        {"a vote below a round that timed out", false, 8, 7, 1, GIRO_REJECT_ROUND, 5},
        {"an older timeout", true, 8, 7, 0, GIRO_REJECT_ROUND, 5},
        {"a timeout whose QC is not older", true, 10, 10, 0, GIRO_REJECT_FIELD, 5},
        {"a vote above all", false, 10, 9, 1, GIRO_REJECT_NONE, 9},
    };
    struct fixture fixture;
    fixture_init(&fixture, 1);
    cr_assert_eq(open_safety(&fixture, true), GIRO_ERR_OK);
    cr_assert_eq(fixture.state.incarnation, 1);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct giro_event event =
            ask(&fixture, rows[i].is_timeout
                              ? timeout_action(rows[i].round, rows[i].other_round)
                              : vote_action(rows[i].round, rows[i].other_round, rows[i].block));
        cr_assert_eq(event.signed_.reject, rows[i].reject, "%s", rows[i].what);
        cr_assert_eq(event.signed_.refused, rows[i].reject != GIRO_REJECT_NONE, "%s", rows[i].what);
        cr_assert_eq(event.signed_.is_timeout, rows[i].is_timeout, "%s", rows[i].what);
        if (!event.signed_.refused && !rows[i].is_timeout)
            cr_assert(vote_is_signed(&fixture, &event), "%s", rows[i].what);
        giro_disk_faulty_power_loss(fixture.faulty);
        cr_assert_eq(open_safety(&fixture, false), GIRO_ERR_OK, "%s", rows[i].what);
        cr_assert_eq(fixture.state.lock_round, rows[i].lock_after, "%s", rows[i].what);
        cr_assert_eq(fixture.state.incarnation, i + 2);
    }
    struct giro_action action = vote_action(20, 19, 1);
    action.sign.vote.epoch = 2;
    cr_assert_eq(ask(&fixture, action).signed_.reject, GIRO_REJECT_EPOCH);
    action = vote_action(20, 19, 1);
    action.sign.vote.voter = 1;
    cr_assert_eq(ask(&fixture, action).signed_.reject, GIRO_REJECT_SIGNER);
    fixture_free(&fixture);
}

Test(safety, nothing_is_written_before_the_log_covers_it)
{
    struct fixture fixture;
    struct giro_event event;
    fixture_init(&fixture, 2);
    cr_assert_eq(open_safety(&fixture, true), GIRO_ERR_OK);
    struct giro_action action = vote_action(1, 0, 1);
    action.sign.after_log = 50;
    giro_safety_request(fixture.safety, &action);
    uint64_t before = giro_disk_faulty_submitted(fixture.faulty);
    cr_assert_eq(giro_safety_advance(fixture.safety, 49), GIRO_ERR_OK);
    cr_assert_eq(giro_disk_faulty_submitted(fixture.faulty), before);
    cr_assert_not(giro_safety_take(fixture.safety, &event));
    cr_assert_eq(giro_safety_advance(fixture.safety, 60), GIRO_ERR_OK);
    cr_assert_eq(giro_disk_faulty_submitted(fixture.faulty), before + 2);
    cr_assert(finish(&fixture, &event));
    giro_disk_faulty_power_loss(fixture.faulty);
    uint64_t watermark = 0;
    fixture.safety = giro_safety_init(fixture.mem, giro_safety_footprint(), &fixture.options);
    cr_assert_eq(giro_safety_peek(fixture.safety, &watermark), GIRO_ERR_OK);
    cr_assert_eq(watermark, 60);
    fixture_free(&fixture);
}

/* Signs until the disk goes silent after `boundary` writes, loses power, opens again, and asks for another block in the
 * last round tried: never two different votes, nothing goes back. */
Test(safety, death_at_every_write_boundary_never_signs_twice)
{
    for (uint64_t boundary = 0; boundary < 30; boundary++) {
        for (uint64_t seed = 1; seed <= 12; seed++) {
            struct fixture fixture;
            fixture_init(&fixture, seed);
            cr_assert_eq(open_safety(&fixture, true), GIRO_ERR_OK);
            giro_disk_faulty_stop_after(fixture.faulty, boundary);
            uint64_t signed_round = 0, round = 0;
            for (bool finished = true; finished && round < 20;) {
                struct giro_event event;
                round++;
                struct giro_action action = vote_action(round, round - 1, 1);
                giro_safety_request(fixture.safety, &action);
                finished = finish(&fixture, &event);
                if (finished)
                    signed_round = round;
            }
            giro_disk_faulty_stop_after(fixture.faulty, UINT64_MAX);
            if (seed % 4 == 0)
                giro_disk_faulty_crash(fixture.faulty);
            else
                giro_disk_faulty_power_loss(fixture.faulty);
            cr_assert_eq(open_safety(&fixture, false), GIRO_ERR_OK, "boundary %lu seed %lu",
                         boundary, seed);
            cr_assert_geq(fixture.state.last_voted_round, signed_round, "boundary %lu seed %lu",
                          boundary, seed);
            cr_assert_leq(fixture.state.last_voted_round, round);
            cr_assert_eq(fixture.state.incarnation, 2);
            if (signed_round > 0) {
                cr_assert_geq(fixture.state.lock_round, signed_round - 1);
                cr_assert(
                    ask(&fixture, vote_action(signed_round, signed_round - 1, 2)).signed_.refused);
            }
            cr_assert_not(ask(&fixture, vote_action(round + 1, round, 3)).signed_.refused);
            fixture_free(&fixture);
        }
    }
}

Test(safety, one_bad_copy_is_repaired_and_two_are_refused)
{
    for (uint32_t votes = 0; votes < 70; votes += 3) {
        struct fixture fixture;
        fixture_init(&fixture, votes);
        cr_assert_eq(open_safety(&fixture, true), GIRO_ERR_OK);
        for (uint32_t i = 1; i <= votes; i++)
            cr_assert_not(ask(&fixture, vote_action(i, i - 1, 1)).signed_.refused);
        giro_disk_faulty_power_loss(fixture.faulty);
        uint64_t sequence = votes + 1;
        for (uint32_t copy = 0; copy < 2; copy++) {
            uint64_t offset = (sequence % 32 + 32 * copy) * 4096;
            cr_assert_eq(giro_disk_faulty_flip(fixture.faulty, "safety", offset + 60, 1), 0);
            cr_assert_eq(open_safety(&fixture, false), GIRO_ERR_OK, "votes %u", votes);
            cr_assert_eq(fixture.repaired, 1, "votes %u copy %u", votes, copy);
            cr_assert_eq(fixture.state.last_voted_round, votes);
            giro_disk_faulty_power_loss(fixture.faulty);
            sequence++; /* the new incarnation's record */
        }
        for (uint32_t copy = 0; copy < 2; copy++) {
            uint64_t offset = (sequence % 32 + 32 * copy) * 4096;
            cr_assert_eq(giro_disk_faulty_flip(fixture.faulty, "safety", offset + 60, 1), 0);
        }
        cr_assert_eq(open_safety(&fixture, false), GIRO_ERR_DAMAGED, "votes %u", votes);
        fixture_free(&fixture);
    }
}

Test(safety, a_missing_or_foreign_file_is_refused)
{
    struct fixture fixture;
    fixture_init(&fixture, 3);
    uint64_t watermark = 9;
    fixture.safety = giro_safety_init(fixture.mem, giro_safety_footprint(), &fixture.options);
    cr_assert_eq(giro_safety_peek(fixture.safety, &watermark), GIRO_ERR_OK);
    cr_assert_eq(watermark, 0);
    cr_assert_eq(open_safety(&fixture, false), GIRO_ERR_DAMAGED,
                 "missing, but the log is not empty");
    cr_assert_eq(open_safety(&fixture, true), GIRO_ERR_OK);
    giro_disk_faulty_power_loss(fixture.faulty);
    fixture.options.replica = 1;
    cr_assert_eq(open_safety(&fixture, false), GIRO_ERR_CHAIN);
    fixture.options.replica = 2;
    fixture.options.chain_id.bytes[5] ^= 1;
    cr_assert_eq(open_safety(&fixture, false), GIRO_ERR_CHAIN);
    fixture.options.chain_id.bytes[5] ^= 1;
    fixture.options.epoch = 2;
    cr_assert_eq(open_safety(&fixture, false), GIRO_ERR_STATE);
    fixture.options.epoch = 1;
    cr_assert_eq(open_safety(&fixture, false), GIRO_ERR_OK);
    fixture_free(&fixture);
}

Test(safety, a_write_error_is_final)
{
    struct fixture fixture;
    struct giro_event event;
    fixture_init(&fixture, 4);
    cr_assert_eq(open_safety(&fixture, true), GIRO_ERR_OK);
    struct giro_disk_faults faults = {.io_error_per_million = 1000000};
    giro_disk_faulty_set_faults(fixture.faulty, &faults);
    struct giro_action action = vote_action(1, 0, 1);
    giro_safety_request(fixture.safety, &action);
    cr_assert_eq(giro_safety_advance(fixture.safety, LOG_COVERED), GIRO_ERR_OK);
    advance_clock(&fixture);
    struct giro_disk_completion done;
    cr_assert_eq(fixture.disk.ops->poll(fixture.disk.self, &done, 1), 1);
    cr_assert_eq(giro_safety_completed(fixture.safety, done.tag, done.err), GIRO_ERR_IO);
    cr_assert_eq(giro_safety_completed(fixture.safety, done.tag, GIRO_ERR_OK), GIRO_ERR_IO);
    cr_assert_eq(giro_safety_advance(fixture.safety, LOG_COVERED), GIRO_ERR_IO);
    cr_assert_not(giro_safety_take(fixture.safety, &event));
    fixture_free(&fixture);
}
