/* Batches: life of an own and of a peer's batch, acknowledgements, proofs, quotas, fetching, expiry, recovery. */
#include <criterion/criterion.h>

#include "unit/consensus_batches_support.h"

#define EXPIRY_NS (BENCH_WALL_NS + BENCH_TTL_NS)

static struct bench *started(uint32_t self)
{
    struct bench *bench = bench_new(self);
    bench_batches(bench);
    bench_start(bench);
    return bench;
}

static struct giro_hash own_batch(struct bench *bench, uint64_t sequence)
{
    bench_step(bench, 0);
    cr_assert(bench_local(bench, sequence));
    return bench_action(bench, GIRO_ACTION_LOG)->log.key;
}

static void ack(struct bench *bench, uint16_t voter, const struct giro_hash *id)
{
    struct bench_bytes bytes;
    bench_ack(bench, &bytes, voter, id, 1, bench->env.wall_ns + BENCH_TTL_NS);
    giro_batches_on_ack(bench->batches, voter, bytes.bytes, bytes.size_bytes);
}

static void verdict(struct bench *bench, bool valid)
{
    const struct giro_action *action = bench_action(bench, GIRO_ACTION_VERIFY);
    cr_assert(action != NULL);
    struct giro_event event = {.kind = GIRO_EVENT_VERDICT,
                               .verdict = {.slot = action->verify.slot,
                                           .batch_id = action->verify.batch_id,
                                           .valid = valid}};
    bench_step(bench, 0);
    giro_batches_on_verdict(bench->batches, &event);
}

static void arrive(struct bench *bench, uint16_t sender, const struct bench_bytes *batch)
{
    bench_step(bench, 0);
    giro_batches_on_batch(bench->batches, sender, batch->bytes, batch->size_bytes);
}

static void finish(struct bench *bench)
{
    giro_batches_check(bench->batches);
    bench_free(bench);
}

static uint32_t pick(struct bench *bench, uint64_t time_ns, struct giro_batch_reference *references)
{
    const uint8_t *proofs[GIRO_BLOCK_REFERENCES_MAX];
    uint32_t sizes[GIRO_BLOCK_REFERENCES_MAX];
    uint32_t count = giro_batches_pick(bench->batches, time_ns, NULL, NULL, references, proofs,
                                       sizes, GIRO_BLOCK_REFERENCES_MAX);
    for (uint32_t i = 0; i < count; i++)
        cr_assert(giro_batches_proof_check(bench->batches, &references[i], proofs[i], sizes[i]) ==
                  GIRO_REJECT_NONE);
    return count;
}

Test(consensus_batches, own_batch_is_logged_sent_acknowledged_and_proved)
{
    struct bench *bench = started(0);
    struct giro_batch_reference references[GIRO_BLOCK_REFERENCES_MAX];
    struct giro_hash id = own_batch(bench, 5);
    const struct giro_action *sent = bench_send(bench, GIRO_KIND_BATCH);
    cr_assert(sent != NULL && sent->send.peer == GIRO_PEER_ALL);
    struct giro_batch_header header;
    memcpy(&header, sent->send.parts[0].bytes, sizeof(header));
    cr_assert(header.sequence == 3ull << 32 && header.created_ns == bench->env.wall_ns &&
              header.author == 0);
    cr_assert(giro_batches_own_in_flight(bench->batches) == 1);
    bench_step(bench, 1 * MS);
    ack(bench, 1, &id);
    ack(bench, 2, &id);
    cr_assert(bench->actions.count == 0, "q - 1 acknowledgements and no durable body of our own");
    cr_assert(pick(bench, 0, references) == 0);
    bench_durable(bench);
    cr_assert(bench_sent(bench, GIRO_KIND_BATCH_PROOF) == 1);
    cr_assert(bench_count(bench, GIRO_ACTION_LOG) == 1);
    cr_assert(bench_count(bench, GIRO_ACTION_AVAILABLE) == 1);
    cr_assert(bench_sent(bench, GIRO_KIND_BATCH_ACK) == 0,
              "nobody sends itself an acknowledgement");
    cr_assert(giro_batches_own_in_flight(bench->batches) == 0);
    cr_assert(pick(bench, 0, references) == 1);
    cr_assert(giro_hash_equal(&references[0].batch_id, &id));
    cr_assert(references[0].expiry_ns >= EXPIRY_NS);
    cr_assert(pick(bench, references[0].expiry_ns, references) == 0, "expired at that block time");
    giro_batches_check(bench->batches);
    pick(bench, 0, references);
    /* Others may hold a proof that expires later: it is known for as long as anybody may have promised. */
    bench->env.wall_ns += bench->env.options.batch_ttl_ns; /* executed late */
    const uint64_t until_ns = bench->env.wall_ns + bench->env.options.batch_ttl_ns;
    giro_batches_executed(bench->batches, &references[0], 0);
    giro_batches_expire(bench->batches, 1); /* the time of its block */
    cr_assert(giro_batches_executed_before(bench->batches, &id));
    cr_assert(!giro_batches_have(bench->batches, &id));
    cr_assert(pick(bench, 0, references) == 0);
    bench_step(bench, GIRO_NS_PER_S);
    giro_batches_on_tick(bench->batches);
    cr_assert(bench->actions.count == 0 && giro_batches_next_ns(bench->batches) == UINT64_MAX,
              "quiet");
    cr_assert(references[0].expiry_ns < until_ns);
    giro_batches_expire(bench->batches, until_ns);
    cr_assert(giro_batches_executed_before(bench->batches, &id), "outlives the proof it came with");
    giro_batches_expire(bench->batches, until_ns + 1);
    cr_assert(!giro_batches_executed_before(bench->batches, &id), "forgotten after all expiries");
    finish(bench);
}

Test(consensus_batches, forged_duplicate_and_foreign_acknowledgements_make_no_proof)
{
    struct bench *bench = started(0);
    struct giro_hash id = own_batch(bench, 1);
    bench_step(bench, 0);
    bench_durable(bench);
    struct bench_bytes bytes;
    ack(bench, 1, &id);
    ack(bench, 1, &id);
    cr_assert(bench->env.rejects[GIRO_REJECT_DUPLICATE] == 1);
    bench_ack(bench, &bytes, 2, &id, 1, EXPIRY_NS);
    giro_batches_on_ack(bench->batches, 3, bytes.bytes, bytes.size_bytes);
    cr_assert(bench->env.rejects[GIRO_REJECT_SIGNER] == 1, "voter is not the sender");
    bytes.bytes[8] = 2;
    giro_batches_on_ack(bench->batches, 2, bytes.bytes, bytes.size_bytes);
    cr_assert(bench->env.rejects[GIRO_REJECT_EPOCH] == 1);
    bench_ack(bench, &bytes, 2, &id, 1, BENCH_WALL_NS + 1);
    giro_batches_on_ack(bench->batches, 2, bytes.bytes, bytes.size_bytes);
    cr_assert(bench->env.rejects[GIRO_REJECT_TIME] == 1, "would end the proof at once");
    bench_ack(bench, &bytes, 2, &id, 1, EXPIRY_NS);
    bytes.bytes[bytes.size_bytes - 1] ^= 1;
    giro_batches_on_ack(bench->batches, 2, bytes.bytes, bytes.size_bytes);
    cr_assert(bench->env.rejects[GIRO_REJECT_SIGNATURE] == 1);
    cr_assert(giro_batches_own_in_flight(bench->batches) == 1, "a forged one does not count");
    ack(bench, 2, &id);
    cr_assert(giro_batches_own_in_flight(bench->batches) == 1,
              "a bad signer is ignored for this batch");
    ack(bench, 3, &id);
    cr_assert(giro_batches_own_in_flight(bench->batches) == 0);
    finish(bench);
}

Test(consensus_batches, own_acknowledgement_waits_for_durability_and_for_permission_to_sign)
{
    struct bench *bench = started(1);
    struct bench_bytes batch[3];
    for (uint32_t i = 0; i < 3; i++) {
        bench_batch(bench, &batch[i], 0, i);
        arrive(bench, 0, &batch[i]);
        cr_assert(bench_count(bench, GIRO_ACTION_VERIFY) == 1 && bench->actions.count == 1);
        verdict(bench, true);
        cr_assert(bench_count(bench, GIRO_ACTION_LOG) == 1 && bench->actions.count == 1);
    }
    bench_step(bench, 0);
    bench->env.may_sign = false;
    bench_durable(bench);
    cr_assert(bench->actions.count == 0);
    bench->env.may_sign = true;
    cr_assert(giro_batches_next_ns(bench->batches) == bench->env.now_ns);
    giro_batches_on_tick(bench->batches);
    const struct giro_action *sent = bench_send(bench, GIRO_KIND_BATCH_ACK);
    cr_assert(bench->actions.count == 1 && sent != NULL && sent->send.peer == 0);
    struct giro_batch_ack got;
    struct giro_reader reader;
    giro_reader_init(&reader, sent->send.parts[0].bytes, sent->send.parts[0].size_bytes);
    cr_assert(giro_batch_ack_decode(&reader, BENCH_REPLICAS, &got) == GIRO_REJECT_NONE,
              "ids ascending");
    cr_assert(got.header.id_count == 3 && got.header.voter == 1);
    cr_assert(got.header.expiry_ns == bench->env.wall_ns + BENCH_TTL_NS);
    arrive(bench, 0, &batch[1]);
    cr_assert(bench_sent(bench, GIRO_KIND_BATCH_ACK) == 1, "a repeat is acknowledged again");
    arrive(bench, 2, &batch[1]);
    cr_assert(bench->actions.count == 0, "not to somebody else");
    finish(bench);
}

Test(consensus_batches, nothing_is_acknowledged_before_the_log_covers_it)
{
    struct bench *bench = started(1);
    struct bench_bytes batch[2];
    uint64_t sequence[2];
    for (uint32_t i = 0; i < 2; i++) {
        bench_batch(bench, &batch[i], (uint16_t)(i * 2), i);
        arrive(bench, (uint16_t)(i * 2), &batch[i]);
        verdict(bench, true);
        sequence[i] = bench_action(bench, GIRO_ACTION_LOG)->log.sequence;
    }
    for (uint64_t watermark = 0; watermark <= sequence[1]; watermark++) {
        bench_step(bench, 0);
        bench->env.watermark = watermark;
        giro_batches_on_tick(bench->batches);
        giro_batches_on_durable(bench->batches);
        uint32_t due = watermark == sequence[0] || watermark == sequence[1];
        cr_assert(bench_sent(bench, GIRO_KIND_BATCH_ACK) == due, "watermark %lu",
                  (unsigned long)watermark);
        if (due)
            cr_assert(bench->actions.items[0].send.peer == (watermark == sequence[0] ? 0 : 2));
    }
    bench_batch(bench, &batch[0], 3, 1);
    arrive(bench, 3, &batch[0]);
    verdict(bench, true);
    arrive(bench, 3, &batch[0]);
    cr_assert(bench->actions.count == 0, "a repeat before it is durable");
    finish(bench);
}

Test(consensus_batches, invalid_verdict_frees_the_slot)
{
    struct bench *bench = started(1);
    struct bench_bytes batch;
    bench_batch(bench, &batch, 0, 1);
    arrive(bench, 0, &batch);
    verdict(bench, false);
    cr_assert(bench->actions.count == 0);
    cr_assert(bench->env.rejects[GIRO_REJECT_SIGNATURE] == 1);
    cr_assert(!giro_batches_have(bench->batches, &batch.id));
    finish(bench);
}

Test(consensus_batches, wrong_author_epoch_and_size_are_refused)
{
    struct bench *bench = started(1);
    struct bench_bytes batch;
    bench_batch(bench, &batch, 0, 1);
    arrive(bench, 2, &batch);
    cr_assert(bench->env.rejects[GIRO_REJECT_SIGNER] == 1);
    batch.bytes[8] = 9;
    arrive(bench, 0, &batch);
    cr_assert(bench->env.rejects[GIRO_REJECT_EPOCH] == 1);
    bench_batch(bench, &batch, 0, 1);
    giro_batches_on_batch(bench->batches, 0, batch.bytes, 63);
    giro_batches_on_batch(bench->batches, 0, batch.bytes, batch.size_bytes - 4);
    cr_assert(bench->env.rejects[GIRO_REJECT_TRUNCATED] == 2);
    cr_assert(bench->actions.count == 0);
    finish(bench);
}

Test(consensus_batches, one_author_cannot_fill_the_pool)
{
    struct bench *bench = started(1);
    struct bench_bytes batch;
    /* 16 slots: 2 for each of 4, 8 shared. */
    for (uint32_t i = 0; i < 14; i++) {
        bench_batch(bench, &batch, 0, i);
        arrive(bench, 0, &batch);
        cr_assert(bench_count(bench, GIRO_ACTION_VERIFY) == (i < 10), "batch %u", i);
    }
    cr_assert(bench->env.rejects[GIRO_REJECT_LIMIT] == 4);
    cr_assert(giro_batches_room(bench->batches) == 2);
    for (uint32_t i = 0; i < 3; i++) {
        bench_batch(bench, &batch, 2, i);
        arrive(bench, 2, &batch);
        cr_assert(bench_count(bench, GIRO_ACTION_VERIFY) == (i < 2), "batch %u of another author",
                  i);
    }
    own_batch(bench, 1);
    own_batch(bench, 2);
    bench_step(bench, 0);
    cr_assert(!bench_local(bench, 3));
    cr_assert(bench->actions.count == 0 && giro_batches_room(bench->batches) == 0);
    finish(bench);
}

/* Frames executed before count against their author: it ends with one slot, and gets the others back by new frames. */
Test(consensus_batches, an_author_of_repeats_loses_its_share)
{
    struct bench *bench = started(0);
    struct bench_bytes *batch = calloc(1, sizeof(*batch));
    struct giro_batch_reference reference = {.author = 2, .frame_count = 4096};
    for (uint8_t i = 1; i <= 8; i++) {
        reference.batch_id.bytes[0] = i;
        giro_batches_executed(bench->batches, &reference, 4096);
    }
    uint32_t taken = 0;
    for (uint64_t sequence = 1; sequence <= 8; sequence++) {
        bench_step(bench, 0);
        bench_batch(bench, batch, 2, sequence);
        giro_batches_on_batch(bench->batches, 2, batch->bytes, batch->size_bytes);
        taken += bench_count(bench, GIRO_ACTION_VERIFY);
    }
    cr_assert(taken == 1, "%u", taken);
    bench_step(bench, 0);
    bench_batch(bench, batch, 1, 1);
    giro_batches_on_batch(bench->batches, 1, batch->bytes, batch->size_bytes);
    cr_assert(bench_count(bench, GIRO_ACTION_VERIFY) == 1, "others keep theirs");
    for (uint8_t i = 11; i <= 20; i++) {
        reference.batch_id.bytes[0] = i;
        giro_batches_executed(bench->batches, &reference, 0);
    }
    for (uint64_t sequence = 11; sequence <= 14; sequence++) {
        bench_step(bench, 0);
        bench_batch(bench, batch, 2, sequence);
        giro_batches_on_batch(bench->batches, 2, batch->bytes, batch->size_bytes);
        cr_assert(bench_count(bench, GIRO_ACTION_VERIFY) == 1, "forgiven, %lu", sequence);
    }
    free(batch);
    giro_batches_check(bench->batches);
    bench_free(bench);
}

Test(consensus_batches, proofs_of_peers_are_checked_and_kept_in_order)
{
    struct bench *bench = started(3);
    struct giro_batch_reference references[GIRO_BLOCK_REFERENCES_MAX];
    struct bench_bytes batch[3], proof[3];
    for (uint32_t i = 0; i < 3; i++) {
        bench_batch(bench, &batch[i], 0, 10 - i);
        bench_proof(bench, &proof[i], &batch[i], i % 2, EXPIRY_NS + i);
        giro_batches_on_proof(bench->batches, 0, proof[i].bytes, proof[i].size_bytes);
    }
    cr_assert(pick(bench, 0, references) == 3);
    for (uint32_t i = 0; i < 3; i++)
        cr_assert(giro_hash_equal(&references[i].batch_id, &batch[i].id), "proof %u", i);
    giro_batches_on_proof(bench->batches, 2, proof[0].bytes, proof[0].size_bytes);
    cr_assert(bench->env.rejects[GIRO_REJECT_DUPLICATE] == 1);
    giro_batches_executed(bench->batches, &references[0], 0);
    giro_batches_on_proof(bench->batches, 2, proof[0].bytes, proof[0].size_bytes);
    cr_assert(bench->env.rejects[GIRO_REJECT_STALE] == 1);
    giro_batches_expire(bench->batches, EXPIRY_NS + 2);
    cr_assert(pick(bench, 0, references) == 1);
    giro_batches_expire(bench->batches, EXPIRY_NS + 3);
    cr_assert(pick(bench, 0, references) == 0);
    finish(bench);
}

Test(consensus_batches, proof_with_a_changed_reference_or_a_bad_signature_is_refused)
{
    struct bench *bench = started(3);
    struct bench_bytes batch, proof, changed;
    bench_batch(bench, &batch, 0, 1);
    arrive(bench, 0, &batch);
    bench_proof(bench, &proof, &batch, 0, EXPIRY_NS);
    struct giro_batch_reference reference = bench_reference(&batch, EXPIRY_NS);
    struct giro_batch_reference other = reference;
    other.sequence++;
    cr_assert(giro_batches_proof_check(bench->batches, &other, proof.bytes, proof.size_bytes) ==
              GIRO_REJECT_PROOF);
    changed = proof;
    memcpy(changed.bytes + 8, &other, sizeof(other));
    cr_assert(giro_batches_proof_check(bench->batches, &other, changed.bytes, changed.size_bytes) ==
                  GIRO_REJECT_PROOF,
              "the body is here and says otherwise");
    giro_batches_on_proof(bench->batches, 0, changed.bytes, changed.size_bytes);
    cr_assert(bench->env.rejects[GIRO_REJECT_PROOF] == 1);
    changed = proof;
    changed.bytes[changed.size_bytes - 3] ^= 0x10;
    cr_assert(giro_batches_proof_check(bench->batches, &reference, changed.bytes,
                                       changed.size_bytes) == GIRO_REJECT_SIGNATURE);
    for (uint32_t i = 0; i < proof.size_bytes; i++) {
        changed = proof;
        changed.bytes[i] ^= (uint8_t)(1u << (i % 8));
        if (i % 7 == 0)
            cr_assert(giro_batches_proof_check(bench->batches, &reference, changed.bytes,
                                               changed.size_bytes) != GIRO_REJECT_NONE,
                      "byte %u", i);
    }
    cr_assert(giro_batches_proof_check(bench->batches, &reference, proof.bytes, proof.size_bytes) ==
              GIRO_REJECT_NONE);
    cr_assert(giro_batches_proof_check(bench->batches, &reference, proof.bytes, proof.size_bytes) ==
              GIRO_REJECT_NONE);
    cr_assert(giro_batches_proof_check(bench->batches, &other, proof.bytes, proof.size_bytes) ==
              GIRO_REJECT_PROOF);
    finish(bench);
}

Test(consensus_batches, missing_body_is_fetched_from_signers_then_everybody)
{
    struct bench *bench = started(3);
    struct bench_bytes batch, proof;
    uint16_t asked[8];
    uint32_t size_bytes;
    bench_batch(bench, &batch, 0, 1);
    bench_proof(bench, &proof, &batch, 0, EXPIRY_NS);
    struct giro_batch_reference reference = bench_reference(&batch, EXPIRY_NS);
    bench_step(bench, 0);
    giro_batches_want(bench->batches, &reference, proof.bytes, proof.size_bytes);
    giro_batches_want(bench->batches, &reference, proof.bytes, proof.size_bytes);
    cr_assert(bench_sent(bench, GIRO_KIND_FETCH_BATCHES) == 1);
    asked[0] = bench_send(bench, GIRO_KIND_FETCH_BATCHES)->send.peer;
    uint64_t delay_ns = 50 * MS;
    for (uint32_t i = 1; i < 8; i++) {
        cr_assert(giro_batches_next_ns(bench->batches) == bench->env.now_ns + delay_ns, "ask %u",
                  i);
        bench_step(bench, delay_ns);
        giro_batches_on_tick(bench->batches);
        cr_assert(bench_sent(bench, GIRO_KIND_FETCH_BATCHES) == 1, "ask %u", i);
        asked[i] = bench_send(bench, GIRO_KIND_FETCH_BATCHES)->send.peer;
        cr_assert(asked[i] < 3 && asked[i] != asked[i - 1], "ask %u", i);
        delay_ns = delay_ns * 2 > 1000 * MS ? 1000 * MS : delay_ns * 2;
    }
    cr_assert(giro_batches_body(bench->batches, &batch.id, &size_bytes) == NULL);
    arrive(bench, 1, &batch);
    cr_assert(bench_count(bench, GIRO_ACTION_VERIFY) == 0 &&
              bench_count(bench, GIRO_ACTION_LOG) == 1);
    cr_assert(giro_batches_body(bench->batches, &batch.id, &size_bytes) != NULL);
    cr_assert(size_bytes == batch.size_bytes);
    bench_step(bench, GIRO_NS_PER_S);
    bench_durable(bench);
    giro_batches_on_tick(bench->batches);
    cr_assert(bench->actions.count == 0, "no acknowledgement, no more asking");
    giro_batches_executed(bench->batches, &reference, 0);
    finish(bench);
}

/* Replica 3 has asked for a body that it has not got. */
static struct bench *wanting(struct bench_bytes *batch)
{
    struct bench *bench = started(3);
    bench_batch(bench, batch, 0, 1);
    struct giro_batch_reference reference = bench_reference(batch, EXPIRY_NS);
    bench_step(bench, 0);
    giro_batches_want(bench->batches, &reference, NULL, 0);
    return bench;
}

Test(consensus_batches, not_found_asks_the_next_at_once_but_not_for_ever)
{
    struct bench_bytes batch;
    struct bench *bench = wanting(&batch);
    uint32_t rounds = 0;
    while (bench_sent(bench, GIRO_KIND_FETCH_BATCHES) == 1) {
        uint16_t peer = bench_send(bench, GIRO_KIND_FETCH_BATCHES)->send.peer;
        bench_step(bench, 0);
        giro_batches_on_not_found(bench->batches, (uint16_t)(3 - peer + 4), &batch.id);
        cr_assert(bench->actions.count == 0, "only the one that was asked is heard");
        giro_batches_on_not_found(bench->batches, peer, &batch.id);
        rounds++;
        cr_assert(rounds <= BENCH_REPLICAS);
    }
    cr_assert(rounds == BENCH_REPLICAS);
    finish(bench);
}

/* Of four replicas one is down and says nothing: two that have let the body go are enough, one is not. */
Test(consensus_batches, more_than_f_peers_without_a_body_call_for_an_image)
{
    struct bench_bytes batch;
    struct bench *bench = wanting(&batch);
    uint32_t refused = 0;
    while (bench_sent(bench, GIRO_KIND_FETCH_BATCHES) == 1 && refused < 2) {
        const uint16_t peer = bench_send(bench, GIRO_KIND_FETCH_BATCHES)->send.peer;
        cr_assert(giro_batches_starved(bench->batches) == (refused > 1));
        if (peer == 0) { /* silent: the timer asks the next one */
            bench_step(bench, 10 * GIRO_NS_PER_S);
            giro_batches_on_tick(bench->batches);
            continue;
        }
        bench_step(bench, 0);
        giro_batches_on_not_found(bench->batches, peer, &batch.id);
        refused++;
    }
    cr_assert(refused == 2 && giro_batches_starved(bench->batches));
    finish(bench);
}

Test(consensus_batches, fetch_is_answered_from_memory_or_handed_to_the_disk)
{
    struct bench *bench = started(1);
    struct bench_bytes batch;
    uint8_t bytes[16 + 64] = {0};
    struct giro_fetch_batches_header header = {.head = giro_head_make(GIRO_KIND_FETCH_BATCHES),
                                               .count = 2};
    bench_batch(bench, &batch, 0, 1);
    arrive(bench, 0, &batch);
    verdict(bench, true);
    memcpy(bytes, &header, 16);
    memcpy(bytes + 16, &batch.id, 32);
    memset(bytes + 48, 0xEE, 32);
    bench_step(bench, 0);
    giro_batches_on_fetch(bench->batches, 2, bytes, sizeof(bytes));
    cr_assert(bench_sent(bench, GIRO_KIND_BATCH) == 1 &&
              bench_count(bench, GIRO_ACTION_SERVE) == 1);
    const struct giro_action *serve = bench_action(bench, GIRO_ACTION_SERVE);
    cr_assert(serve->serve.peer == 2 && serve->serve.wanted_kind == GIRO_KIND_BATCH);
    for (size_t size = 0; size < sizeof(bytes); size++)
        giro_batches_on_fetch(bench->batches, 2, bytes, size);
    header.count = 17;
    memcpy(bytes, &header, 16);
    giro_batches_on_fetch(bench->batches, 2, bytes, sizeof(bytes));
    header.count = 0;
    memcpy(bytes, &header, 16);
    giro_batches_on_fetch(bench->batches, 2, bytes, sizeof(bytes));
    cr_assert(bench->actions.count == 2, "malformed requests are dropped");
    cr_assert(bench->env.rejects[GIRO_REJECT_COUNT] == 2);
    finish(bench);
}

Test(consensus_batches, body_executed_before_its_verdict_stays_until_the_verdict)
{
    struct bench *bench = started(1);
    struct bench_bytes batch;
    bench_batch(bench, &batch, 0, 1);
    arrive(bench, 0, &batch);
    struct giro_action verify = *bench_action(bench, GIRO_ACTION_VERIFY);
    struct giro_batch_reference reference = bench_reference(&batch, EXPIRY_NS);
    uint32_t size_bytes;
    cr_assert(giro_batches_body(bench->batches, &batch.id, &size_bytes) == verify.verify.bytes);
    giro_batches_executed(bench->batches, &reference, 0);
    cr_assert(bench_count(bench, GIRO_ACTION_LOG) == 1, "logged for the next recovery");
    giro_batches_check(bench->batches);
    struct giro_event event = {
        .kind = GIRO_EVENT_VERDICT,
        .verdict = {.slot = verify.verify.slot, .batch_id = verify.verify.batch_id, .valid = true}};
    bench_step(bench, 0);
    giro_batches_on_verdict(bench->batches, &event);
    cr_assert(bench->actions.count == 0 && !giro_batches_have(bench->batches, &batch.id));
    finish(bench);
}

Test(consensus_batches, unproved_batch_is_sent_again_to_those_who_were_silent)
{
    struct bench *bench = started(0);
    struct giro_hash id = own_batch(bench, 1);
    bench_step(bench, 0);
    bench_durable(bench);
    ack(bench, 2, &id);
    bench_step(bench, 99 * MS);
    giro_batches_on_tick(bench->batches);
    cr_assert(bench->actions.count == 0);
    bench_step(bench, 1 * MS);
    giro_batches_on_tick(bench->batches);
    cr_assert(bench_sent(bench, GIRO_KIND_BATCH) == 2);
    cr_assert(bench->actions.items[0].send.peer == 1 && bench->actions.items[1].send.peer == 3);
    bench_step(bench, 150 * MS);
    giro_batches_on_tick(bench->batches);
    cr_assert(bench->actions.count == 0, "doubled");
    /* Half of its time later the old acknowledgements would make a short proof: they are asked for again. */
    bench_step(bench, BENCH_TTL_NS);
    giro_batches_on_tick(bench->batches);
    cr_assert(bench_sent(bench, GIRO_KIND_BATCH) == 3);
    giro_batches_check(bench->batches);
    ack(bench, 1, &id);
    ack(bench, 2, &id);
    cr_assert(bench_count(bench, GIRO_ACTION_AVAILABLE) == 1);
    bench_step(bench, 100 * MS);
    giro_batches_on_tick(bench->batches);
    cr_assert(bench_sent(bench, GIRO_KIND_BATCH_PROOF) == 1, "until it is executed");
    finish(bench);
}

/* Behind slow links copies would only add to what waits: the time to the first repetition follows what proofs took. */
Test(consensus_batches, a_body_is_not_sent_again_before_answers_can_be_here)
{
    struct bench *bench = started(0);
    struct giro_hash id = own_batch(bench, 1);
    bench_durable(bench);
    bench_step(bench, 90 * MS);
    ack(bench, 1, &id);
    ack(bench, 2, &id);
    cr_assert(bench_count(bench, GIRO_ACTION_AVAILABLE) == 1);
    bench_step(bench, 0);
    id = own_batch(bench, 2); /* 180 ms: twice what the first took */
    bench_durable(bench);
    bench_step(bench, 179 * MS);
    giro_batches_on_tick(bench->batches);
    cr_assert(bench_sent(bench, GIRO_KIND_BATCH) == 0);
    bench_step(bench, 1 * MS);
    giro_batches_on_tick(bench->batches);
    cr_assert(bench_sent(bench, GIRO_KIND_BATCH) == 3);
    /* In vain: the next one waits for twice as long. Its own proof, after a repetition, tells nothing. */
    ack(bench, 1, &id);
    ack(bench, 2, &id);
    bench_step(bench, 0);
    id = own_batch(bench, 3);
    bench_durable(bench);
    bench_step(bench, 359 * MS);
    giro_batches_on_tick(bench->batches);
    cr_assert(bench_sent(bench, GIRO_KIND_BATCH) == 0);
    bench_step(bench, 1 * MS);
    giro_batches_on_tick(bench->batches);
    cr_assert(bench_sent(bench, GIRO_KIND_BATCH) == 3);
    finish(bench);
}

Test(consensus_batches, expiry_frees_peers_bodies_and_renews_own_proofs)
{
    struct bench *bench = started(0);
    struct giro_batch_reference references[GIRO_BLOCK_REFERENCES_MAX];
    struct bench_bytes batch;
    bench_batch(bench, &batch, 1, 1);
    arrive(bench, 1, &batch);
    verdict(bench, true);
    struct giro_hash id = own_batch(bench, 2);
    bench_step(bench, 0);
    bench_durable(bench);
    ack(bench, 1, &id);
    ack(bench, 2, &id);
    cr_assert(pick(bench, 0, references) == 1);
    giro_batches_expire(bench->batches, EXPIRY_NS);
    cr_assert(giro_batches_have(bench->batches, &batch.id) && pick(bench, 0, references) == 1);
    bench_step(bench, BENCH_TTL_NS);
    giro_batches_expire(bench->batches, EXPIRY_NS + 1);
    cr_assert(!giro_batches_have(bench->batches, &batch.id));
    cr_assert(giro_batches_have(bench->batches, &id) && pick(bench, 0, references) == 0);
    cr_assert(giro_batches_own_in_flight(bench->batches) == 1);
    giro_batches_on_tick(bench->batches);
    cr_assert(bench_sent(bench, GIRO_KIND_BATCH) == 3);
    ack(bench, 1, &id);
    ack(bench, 2, &id);
    cr_assert(pick(bench, 0, references) == 1);
    cr_assert(bench_count(bench, GIRO_ACTION_AVAILABLE) == 0, "said once");
    finish(bench);
}

Test(consensus_batches, recovery_fills_slots_and_proofs_and_goes_on)
{
    struct bench *bench = bench_new(0);
    bench_batches(bench);
    struct giro_batch_reference references[GIRO_BLOCK_REFERENCES_MAX];
    struct bench_bytes own, peers, proved, proof;
    bench_batch(bench, &own, 0, 1ull << 32);
    bench_batch(bench, &peers, 1, 1);
    bench_batch(bench, &proved, 0, (1ull << 32) + 1);
    bench_proof(bench, &proof, &proved, 0, EXPIRY_NS);
    giro_batches_recover(bench->batches, GIRO_LOG_BATCH_RECORD, own.bytes, own.size_bytes);
    giro_batches_recover(bench->batches, GIRO_LOG_BATCH_RECORD, peers.bytes, peers.size_bytes);
    giro_batches_recover(bench->batches, GIRO_LOG_BATCH_RECORD, proved.bytes, proved.size_bytes);
    giro_batches_recover(bench->batches, GIRO_LOG_PROOF_RECORD, proof.bytes, proof.size_bytes);
    cr_assert(bench->actions.count == 0);
    bench_start(bench);
    cr_assert(giro_batches_own_in_flight(bench->batches) == 1);
    cr_assert(pick(bench, 0, references) == 1);
    giro_batches_on_tick(bench->batches);
    cr_assert(bench_sent(bench, GIRO_KIND_BATCH) == 3);
    cr_assert(bench_sent(bench, GIRO_KIND_BATCH_PROOF) == 1);
    ack(bench, 1, &own.id);
    ack(bench, 2, &own.id);
    cr_assert(pick(bench, 0, references) == 2);
    arrive(bench, 1, &peers);
    cr_assert(bench_sent(bench, GIRO_KIND_BATCH_ACK) == 1,
              "the recovered body is durable and verified");
    finish(bench);
}

Test(consensus_batches, recovery_of_more_than_the_pool_keeps_the_newest)
{
    struct bench *bench = bench_new(1);
    bench_batches(bench);
    struct bench_bytes batch[40];
    uint32_t size_bytes;
    for (uint32_t i = 0; i < 40; i++) {
        bench_batch(bench, &batch[i], i % 2, i);
        giro_batches_recover(bench->batches, GIRO_LOG_BATCH_RECORD, batch[i].bytes,
                             batch[i].size_bytes);
        if (i == 3)
            cr_assert(giro_batches_body(bench->batches, &batch[3].id, &size_bytes) != NULL);
        giro_batches_check(bench->batches);
    }
    cr_assert(giro_batches_have(bench->batches, &batch[39].id));
    cr_assert(giro_batches_have(bench->batches, &batch[3].id), "execution holds it");
    cr_assert(!giro_batches_have(bench->batches, &batch[0].id));
    struct giro_batch_reference reference = bench_reference(&batch[0], EXPIRY_NS);
    giro_batches_want(bench->batches, &reference, NULL, 0);
    cr_assert(bench->actions.count == 0);
    bench_start(bench);
    giro_batches_on_tick(bench->batches);
    cr_assert(bench_sent(bench, GIRO_KIND_FETCH_BATCHES) == 1);
    arrive(bench, 2, &batch[0]);
    cr_assert(giro_batches_have(bench->batches, &batch[0].id),
              "there is always room for a wanted body");
    finish(bench);
}

Test(consensus_batches, more_wants_than_room_are_served_in_order)
{
    struct bench *bench = started(3);
    struct bench_bytes batch[40];
    bench_step(bench, 0);
    for (uint32_t i = 0; i < 40; i++) {
        bench_batch(bench, &batch[i], 0, i);
        struct giro_batch_reference reference = bench_reference(&batch[i], EXPIRY_NS);
        giro_batches_want(bench->batches, &reference, NULL, 0);
    }
    cr_assert(bench_sent(bench, GIRO_KIND_FETCH_BATCHES) == 32);
    for (uint32_t i = 0; i < 40; i++)
        arrive(bench, 0, &batch[i]);
    cr_assert(bench->env.rejects[GIRO_REJECT_LIMIT] == 8);
    giro_batches_check(bench->batches);
    for (uint32_t i = 0; i < 32; i++) {
        struct giro_batch_reference reference = bench_reference(&batch[i], EXPIRY_NS);
        giro_batches_executed(bench->batches, &reference, 0);
    }
    bench_step(bench, 50 * MS);
    giro_batches_on_tick(bench->batches);
    cr_assert(bench_sent(bench, GIRO_KIND_FETCH_BATCHES) == 8);
    finish(bench);
}

Test(consensus_batches, hostile_bytes_never_break_an_invariant)
{
    struct bench *bench = started(0);
    struct giro_prng prng;
    giro_prng_init(&prng, 11);
    struct giro_hash id = own_batch(bench, 1);
    bench_step(bench, 0);
    bench_durable(bench);
    struct bench_bytes samples[4];
    bench_batch(bench, &samples[0], 1, 1);
    bench_ack(bench, &samples[1], 1, &id, 1, EXPIRY_NS);
    bench_proof(bench, &samples[2], &samples[0], 1, EXPIRY_NS);
    bench_batch(bench, &samples[3], 2, 1);
    struct giro_fetch_batches_header fetch = {.head = giro_head_make(GIRO_KIND_FETCH_BATCHES),
                                              .count = 1};
    memcpy(samples[3].bytes, &fetch, 16);
    samples[3].size_bytes = 48;
    for (uint32_t i = 0; i < 4000; i++) {
        struct bench_bytes bytes = samples[giro_prng_below(&prng, 4)];
        for (uint64_t k = giro_prng_below(&prng, 4); k > 0; k--)
            bytes.bytes[giro_prng_below(&prng, bytes.size_bytes)] ^=
                (uint8_t)(1u << giro_prng_below(&prng, 8));
        size_t size = giro_prng_chance(&prng, 1, 8) ? giro_prng_below(&prng, bytes.size_bytes + 1)
                                                    : bytes.size_bytes;
        uint16_t sender = (uint16_t)giro_prng_below(&prng, 6);
        bench_step(bench, giro_prng_below(&prng, 20 * MS));
        switch (giro_prng_below(&prng, 6)) {
        case 0:
            giro_batches_on_batch(bench->batches, sender, bytes.bytes, size);
            break;
        case 1:
            giro_batches_on_ack(bench->batches, sender, bytes.bytes, size);
            break;
        case 2:
            giro_batches_on_proof(bench->batches, sender, bytes.bytes, size);
            break;
        case 3:
            giro_batches_on_fetch(bench->batches, sender, bytes.bytes, size);
            break;
        case 4:
            giro_batches_on_tick(bench->batches);
            break;
        default:
            bench_durable(bench);
        }
        if (bench_count(bench, GIRO_ACTION_VERIFY) > 0)
            verdict(bench, giro_prng_chance(&prng, 1, 2));
        if (i % 64 == 0)
            giro_batches_check(bench->batches);
    }
    finish(bench);
}

Test(consensus_batches, footprint_refuses_options_out_of_range)
{
    struct giro_consensus_options options = {
        .replica_count = 4, .self = 3, .batches_max = 16, .map_seed = 1};
    cr_assert(giro_batches_footprint(&options) > 0 && giro_certify_footprint(&options) > 0);
    options.batches_max = 15;
    cr_assert(giro_batches_footprint(&options) == 0, "fewer than four for each replica");
    options.batches_max = 400;
    options.replica_count = 100;
    cr_assert(giro_batches_footprint(&options) > 432ull * GIRO_BATCH_BYTES_MAX);
    options.self = 100;
    cr_assert(giro_batches_footprint(&options) == 0 && giro_certify_footprint(&options) == 0);
    options.self = 0;
    options.replica_count = 101;
    cr_assert(giro_batches_footprint(&options) == 0 && giro_certify_footprint(&options) == 0);
    options.replica_count = 0;
    cr_assert(giro_batches_footprint(&options) == 0 && giro_certify_footprint(&options) == 0);
}

Test(consensus_batches, one_acknowledgement_covers_several_batches_and_counts_for_each)
{
    struct bench *bench = started(0);
    struct giro_batch_reference references[GIRO_BLOCK_REFERENCES_MAX];
    struct giro_hash ids[3];
    struct bench_bytes bytes;
    for (uint32_t i = 0; i < 3; i++) {
        struct giro_hash id = own_batch(bench, i);
        uint32_t at = i;
        for (; at > 0 && memcmp(&ids[at - 1], &id, sizeof(id)) > 0; at--)
            ids[at] = ids[at - 1];
        ids[at] = id;
    }
    bench_step(bench, 0);
    bench_durable(bench);
    bench_ack(bench, &bytes, 1, ids, 3, EXPIRY_NS);
    giro_batches_on_ack(bench->batches, 1, bytes.bytes, bytes.size_bytes);
    bench_ack(bench, &bytes, 2, ids, 3, EXPIRY_NS);
    bytes.bytes[bytes.size_bytes - 9] ^= 4;
    giro_batches_on_ack(bench->batches, 2, bytes.bytes, bytes.size_bytes);
    cr_assert(bench->env.rejects[GIRO_REJECT_SIGNATURE] == 1, "checked once for all three");
    cr_assert(giro_batches_own_in_flight(bench->batches) == 3);
    bench_ack(bench, &bytes, 3, ids, 3, EXPIRY_NS - 5);
    giro_batches_on_ack(bench->batches, 3, bytes.bytes, bytes.size_bytes);
    cr_assert(bench_count(bench, GIRO_ACTION_AVAILABLE) == 3);
    cr_assert(pick(bench, 0, references) == 3);
    cr_assert(references[2].expiry_ns == EXPIRY_NS - 5, "the smallest expiry is the proof's");
    finish(bench);
}
