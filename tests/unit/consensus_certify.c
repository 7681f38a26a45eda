/* Certificates of heights: votes, minority, contradiction, recovery. */
#include <criterion/criterion.h>

#include "unit/consensus_batches_support.h"

static struct bench *started(void)
{
    struct bench *bench = bench_new(0);
    bench_certify(bench);
    bench_start(bench);
    return bench;
}

static void vote(struct bench *bench, uint16_t voter, uint64_t height, uint8_t root)
{
    struct giro_commit_vote bytes;
    bench_commit_vote(bench, &bytes, voter, height, root);
    giro_certify_on_vote(bench->certify, voter, (const uint8_t *)&bytes, sizeof(bytes));
}

static void execute(struct bench *bench, uint64_t height, uint8_t root)
{
    bench_step(bench, 0);
    bench_executed(bench, height, root);
    bench_durable(bench);
}

static void finish(struct bench *bench)
{
    giro_certify_check_state(bench->certify);
    bench_free(bench);
}

/* The certificate of a height as another replica would have made it. */
static void certificate(struct bench *bench, struct giro_certificate *out, uint32_t first,
                        uint64_t height, uint8_t root)
{
    struct giro_commit_vote signer;
    memset(out, 0, sizeof(*out));
    for (uint32_t i = 0; i < 3; i++) {
        bench_commit_vote(bench, &signer, (uint16_t)(first + i), height, root);
        giro_bitmap_set(out->header.bitmap, first + i);
        out->signatures[i] = signer.signature;
    }
    out->header.body = signer.body;
    out->header.body.head = giro_head_make(GIRO_KIND_CERTIFICATE);
    out->header.scheme = GIRO_SCHEME_ED25519;
    out->header.signer_count = 3;
}

static void on_certificate(struct bench *bench, const struct giro_certificate *certificate)
{
    giro_certify_on_certificate(bench->certify, 1, (const uint8_t *)certificate,
                                sizeof(certificate->header) + 3 * sizeof(struct giro_signature));
}

Test(consensus_certify, q_equal_votes_make_a_certificate)
{
    struct bench *bench = started();
    bench_step(bench, 0);
    bench_executed(bench, 1, 9);
    cr_assert(bench_count(bench, GIRO_ACTION_LOG) == 1 && bench->actions.count == 1, "roots first");
    bench_step(bench, 0);
    bench_durable(bench);
    cr_assert(bench_sent(bench, GIRO_KIND_COMMIT_VOTE) == 1);
    vote(bench, 1, 1, 9);
    cr_assert(giro_certify_height(bench->certify) == 0);
    vote(bench, 1, 1, 9);
    cr_assert(bench->env.rejects[GIRO_REJECT_DUPLICATE] == 1);
    bench_step(bench, 0);
    vote(bench, 2, 1, 9);
    cr_assert(giro_certify_height(bench->certify) == 1);
    cr_assert(bench_count(bench, GIRO_ACTION_LOG) == 1 &&
              bench_count(bench, GIRO_ACTION_CERTIFIED) == 1);
    const struct giro_certificate *highest = giro_certify_highest(bench->certify);
    cr_assert(giro_bitmap_count(highest->header.bitmap) == 3);
    cr_assert(giro_certify_next_ns(bench->certify) == UINT64_MAX, "quiet when all is certified");
    bench_step(bench, 0);
    vote(bench, 3, 1, 9);
    cr_assert(bench->actions.count == 0, "the last vote is no question");
    vote(bench, 3, 1, 9);
    cr_assert(bench_sent(bench, GIRO_KIND_CERTIFICATE) == 1, "the same again is one");
    struct giro_certificate copy = *highest;
    cr_assert(giro_certify_check_certificate(bench->certify, &copy) == GIRO_REJECT_NONE);
    finish(bench);
}

Test(consensus_certify, votes_wait_for_durable_roots_and_permission)
{
    struct bench *bench = started();
    bench->env.may_sign = false;
    execute(bench, 1, 9);
    cr_assert(bench_sent(bench, GIRO_KIND_COMMIT_VOTE) == 0);
    bench->env.may_sign = true;
    cr_assert(giro_certify_next_ns(bench->certify) == bench->env.now_ns);
    giro_certify_on_tick(bench->certify);
    cr_assert(bench_sent(bench, GIRO_KIND_COMMIT_VOTE) == 1);
    uint64_t delay_ns = 200 * MS;
    for (uint32_t i = 0; i < 6; i++) {
        cr_assert(giro_certify_next_ns(bench->certify) == bench->env.now_ns + delay_ns, "resend %u",
                  i);
        bench_step(bench, delay_ns);
        giro_certify_on_tick(bench->certify);
        cr_assert(bench_sent(bench, GIRO_KIND_COMMIT_VOTE) == 1, "resend %u", i);
        delay_ns = delay_ns * 2 > 2000 * MS ? 2000 * MS : delay_ns * 2;
    }
    finish(bench);
}

Test(consensus_certify, minority_vote_is_evidence_only)
{
    struct bench *bench = started();
    vote(bench, 3, 1, 77);
    execute(bench, 1, 9);
    cr_assert(bench_count(bench, GIRO_ACTION_EVIDENCE) == 1);
    cr_assert(bench_action(bench, GIRO_ACTION_EVIDENCE)->evidence.offender == 3);
    bench_step(bench, 0);
    vote(bench, 3, 1, 77);
    cr_assert(bench_count(bench, GIRO_ACTION_EVIDENCE) == 0, "once");
    vote(bench, 1, 1, 9);
    vote(bench, 1, 1, 10);
    cr_assert(bench_count(bench, GIRO_ACTION_EVIDENCE) == 1, "two votes of one replica");
    cr_assert(bench->env.rejects[GIRO_REJECT_EQUIVOCATION] == 1);
    vote(bench, 2, 1, 9);
    cr_assert(giro_certify_height(bench->certify) == 1);
    cr_assert(bench_count(bench, GIRO_ACTION_HALT) == 0);
    finish(bench);
}

Test(consensus_certify, forged_vote_is_no_evidence_and_no_vote)
{
    struct bench *bench = started();
    struct giro_commit_vote forged;
    execute(bench, 1, 9);
    bench_commit_vote(bench, &forged, 3, 1, 77);
    forged.signature.bytes[5] ^= 1;
    bench_step(bench, 0);
    giro_certify_on_vote(bench->certify, 3, (const uint8_t *)&forged, sizeof(forged));
    bench_commit_vote(bench, &forged, 2, 1, 9);
    forged.signature.bytes[5] ^= 1;
    giro_certify_on_vote(bench->certify, 2, (const uint8_t *)&forged, sizeof(forged));
    vote(bench, 1, 1, 9);
    cr_assert(bench->env.rejects[GIRO_REJECT_SIGNATURE] == 2);
    cr_assert(bench->actions.count == 0 && giro_certify_height(bench->certify) == 0);
    vote(bench, 2, 1, 9);
    cr_assert(giro_certify_height(bench->certify) == 1, "the real vote replaces the forged one");
    bench_commit_vote(bench, &forged, 2, 2, 9);
    giro_certify_on_vote(bench->certify, 3, (const uint8_t *)&forged, sizeof(forged));
    cr_assert(bench->env.rejects[GIRO_REJECT_SIGNER] == 1);
    vote(bench, 2, 1000, 9);
    cr_assert(bench->env.rejects[GIRO_REJECT_FUTURE] == 1);
    finish(bench);
}

Test(consensus_certify, quorum_for_other_roots_halts)
{
    for (uint32_t way = 0; way < 4; way++) {
        struct bench *bench = started();
        struct giro_certificate other;
        certificate(bench, &other, 1, 1, 77);
        if (way == 0)
            on_certificate(bench, &other);
        if (way == 1) {
            for (uint16_t i = 1; i < 4; i++)
                vote(bench, i, 1, 77);
        }
        execute(bench, 1, 9);
        if (way == 2)
            cr_assert(giro_certify_check_certificate(bench->certify, &other) == GIRO_REJECT_NONE);
        if (way == 3) {
            for (uint16_t i = 1; i < 4; i++)
                vote(bench, i, 1, 77);
        }
        cr_assert(bench_count(bench, GIRO_ACTION_HALT) == 1, "way %u", way);
        cr_assert(bench->env.counters.halted && !bench->env.may_sign, "way %u", way);
        bench_free(bench);
    }
}

Test(consensus_certify, certificate_before_execution_is_reported_at_execution)
{
    struct bench *bench = started();
    struct giro_certificate early;
    certificate(bench, &early, 1, 2, 9);
    bench_step(bench, 0);
    on_certificate(bench, &early);
    cr_assert(giro_certify_height(bench->certify) == 2 && bench->actions.count == 0);
    execute(bench, 1, 9);
    cr_assert(bench_count(bench, GIRO_ACTION_CERTIFIED) == 0);
    execute(bench, 2, 9);
    cr_assert(bench_count(bench, GIRO_ACTION_CERTIFIED) == 1);
    cr_assert(bench_count(bench, GIRO_ACTION_LOG) == 2, "roots and certificate");
    cr_assert(bench_sent(bench, GIRO_KIND_COMMIT_VOTE) == 0, "nobody needs that vote");
    finish(bench);
}

Test(consensus_certify, invalid_certificates_are_refused)
{
    struct bench *bench = started();
    struct giro_certificate good, bad;
    certificate(bench, &good, 1, 5, 9);
    bad = good;
    bad.signatures[2].bytes[0] ^= 1;
    cr_assert(giro_certify_check_certificate(bench->certify, &bad) == GIRO_REJECT_SIGNATURE);
    bad = good;
    bad.header.body.state_root.bytes[0] ^= 1;
    cr_assert(giro_certify_check_certificate(bench->certify, &bad) == GIRO_REJECT_SIGNATURE);
    bad = good;
    bad.header.body.epoch = 2;
    cr_assert(giro_certify_check_certificate(bench->certify, &bad) == GIRO_REJECT_EPOCH);
    bad = good;
    bad.header.signer_count = 2;
    bad.header.bitmap[0] &= 0x06;
    cr_assert(giro_certify_check_certificate(bench->certify, &bad) == GIRO_REJECT_QUORUM);
    bad = good;
    bad.header.bitmap[0] = 0x86;
    cr_assert(giro_certify_check_certificate(bench->certify, &bad) == GIRO_REJECT_SIGNER);
    cr_assert(giro_certify_height(bench->certify) == 0);
    cr_assert(giro_certify_check_certificate(bench->certify, &good) == GIRO_REJECT_NONE);
    cr_assert(giro_certify_height(bench->certify) == 5);
    finish(bench);
}

Test(consensus_certify, checked_votes_do_not_vouch_for_other_roots)
{
    struct bench *bench = started();
    struct giro_certificate good, bad;
    execute(bench, 1, 9);
    for (uint16_t i = 1; i < 4; i++)
        vote(bench, i, 1, 9);
    certificate(bench, &good, 0, 1, 9); /* exactly the votes that were checked */
    bad = good;
    bad.header.body.ledger_root.bytes[3] ^= 1;
    bench_step(bench, 0);
    cr_assert(giro_certify_check_certificate(bench->certify, &bad) == GIRO_REJECT_SIGNATURE);
    cr_assert(bench->actions.count == 0);
    cr_assert(giro_certify_check_certificate(bench->certify, &good) == GIRO_REJECT_NONE);
    finish(bench);
}

static void recorded(struct bench *bench, uint64_t height, uint8_t root)
{
    struct giro_commit_vote vote_bytes;
    bench_commit_vote(bench, &vote_bytes, 0, height, root);
    giro_certify_recover(bench->certify, GIRO_LOG_ROOTS_RECORD, (const uint8_t *)&vote_bytes.body,
                         sizeof(vote_bytes.body));
}

Test(consensus_certify, recovery_compares_and_then_votes_for_what_is_open)
{
    struct bench *bench = bench_new(0);
    struct giro_certificate first;
    bench_certify(bench);
    certificate(bench, &first, 1, 1, 9);
    bench_executed(bench, 1, 9);
    recorded(bench, 1, 9);
    giro_certify_recover(bench->certify, GIRO_LOG_CERTIFICATE_RECORD, (const uint8_t *)&first,
                         sizeof(first.header) + 3 * sizeof(struct giro_signature));
    cr_assert(bench_count(bench, GIRO_ACTION_CERTIFIED) == 1);
    cr_assert(bench_action(bench, GIRO_ACTION_CERTIFIED)->certified.recovering);
    bench_executed(bench, 2, 9);
    recorded(bench, 2, 9);
    bench_executed(bench, 3, 9); /* the crash came before its roots were written */
    cr_assert(bench->actions.count == 1);
    bench_start(bench);
    cr_assert(giro_certify_next_ns(bench->certify) == bench->env.now_ns);
    giro_certify_on_tick(bench->certify);
    cr_assert(bench_count(bench, GIRO_ACTION_LOG) == 1, "the roots of height 3");
    cr_assert(bench_sent(bench, GIRO_KIND_COMMIT_VOTE) == 1, "the vote for height 2");
    bench_step(bench, 0);
    bench_durable(bench);
    cr_assert(bench_sent(bench, GIRO_KIND_COMMIT_VOTE) == 1, "the vote for height 3");
    finish(bench);
}

Test(consensus_certify, recovery_with_other_roots_halts)
{
    for (uint32_t order = 0; order < 2; order++) {
        struct bench *bench = bench_new(0);
        bench_certify(bench);
        if (order == 0)
            recorded(bench, 1, 8);
        bench_executed(bench, 1, 9);
        if (order == 1)
            recorded(bench, 1, 8);
        cr_assert(bench_count(bench, GIRO_ACTION_HALT) == 1, "order %u", order);
        bench_free(bench);
    }
}

Test(consensus_certify, window_moves_and_old_questions_go_to_the_disk)
{
    struct bench *bench = started();
    for (uint64_t height = 1; height <= 600; height++) {
        execute(bench, height, 9);
        if (height % 3 != 0) {
            vote(bench, 1, height, 9);
            vote(bench, 2, height, 9);
        }
    }
    giro_certify_check_state(bench->certify);
    bench_step(bench, 0);
    vote(bench, 3, 2, 9);
    cr_assert(bench_count(bench, GIRO_ACTION_SERVE) == 1);
    cr_assert(bench_action(bench, GIRO_ACTION_SERVE)->serve.height == 2);
    vote(bench, 3, 590, 9);
    cr_assert(bench_sent(bench, GIRO_KIND_CERTIFICATE) == 1,
              "late by more than four heights: answered at once");
    finish(bench);
}

Test(consensus_certify, hostile_bytes_never_break_an_invariant)
{
    struct bench *bench = started();
    struct giro_prng prng;
    giro_prng_init(&prng, 5);
    uint64_t height = 0;
    for (uint32_t i = 0; i < 3000; i++) {
        struct giro_certificate cert;
        struct giro_commit_vote bytes;
        uint16_t voter = (uint16_t)(1 + giro_prng_below(&prng, 3));
        uint64_t at = 1 + giro_prng_below(&prng, height + 3);
        bench_step(bench, giro_prng_below(&prng, 100 * MS));
        if (giro_prng_chance(&prng, 1, 20)) {
            bench_executed(bench, ++height, 9);
            bench_durable(bench);
        } else if (giro_prng_chance(&prng, 1, 4)) {
            giro_certify_on_tick(bench->certify);
        } else if (giro_prng_chance(&prng, 1, 4)) {
            certificate(bench, &cert, 1, at, 9);
            ((uint8_t *)&cert)[giro_prng_below(&prng, 340)] ^=
                (uint8_t)(1u << giro_prng_below(&prng, 8));
            on_certificate(bench, &cert);
        } else {
            /* Only replica 3 lies about roots; bits of anybody's bytes may flip. */
            bench_commit_vote(bench, &bytes, voter, at,
                              voter == 3 ? (uint8_t)giro_prng_below(&prng, 3) : 9);
            if (giro_prng_chance(&prng, 1, 2))
                ((uint8_t *)&bytes)[giro_prng_below(&prng, 200)] ^=
                    (uint8_t)(1u << giro_prng_below(&prng, 8));
            giro_certify_on_vote(bench->certify, (uint16_t)giro_prng_below(&prng, 5),
                                 (const uint8_t *)&bytes,
                                 giro_prng_chance(&prng, 1, 8) ? giro_prng_below(&prng, 201) : 200);
        }
        cr_assert(bench_count(bench, GIRO_ACTION_HALT) == 0, "step %u", i);
        if (i % 32 == 0)
            giro_certify_check_state(bench->certify);
    }
    finish(bench);
}
