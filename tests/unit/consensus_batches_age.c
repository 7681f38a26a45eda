/* How old a batch may be: executed ones are forgotten after a while, and must not be acknowledged again then. */
#include <criterion/criterion.h>

#include "unit/consensus_batches_support.h"

static struct bench *started(void)
{
    struct bench *bench = bench_new(0);
    bench_batches(bench);
    bench_start(bench);
    return bench;
}

static void arrive(struct bench *bench, const struct bench_bytes *batch)
{
    bench_step(bench, 0);
    giro_batches_on_batch(bench->batches, 1, batch->bytes, batch->size_bytes);
}

static void executed(struct bench *bench, const struct bench_bytes *batch, uint64_t block_ns)
{
    const struct giro_batch_reference reference =
        bench_reference(batch, bench->env.wall_ns + BENCH_TTL_NS);
    bench_step(bench, 0);
    giro_batches_executed(bench->batches, &reference, 0);
    giro_batches_expire(bench->batches, block_ns);
}

Test(consensus_batches, a_batch_that_may_have_been_executed_and_forgotten_is_refused)
{
    struct bench *bench = started();
    struct bench_bytes old, other, fresh;
    bench_batch(bench, &old, 1, 1);
    bench_batch(bench, &other, 1, 2); /* of the same moment, never executed: nobody can know */
    executed(bench, &old, BENCH_WALL_NS + MS);
    const uint64_t *const stale = &bench->env.rejects[GIRO_REJECT_STALE];
    arrive(bench, &old);
    cr_assert(*stale == 1, "it is remembered");
    bench_step(bench, 3 * BENCH_TTL_NS);
    giro_batches_expire(bench->batches, BENCH_WALL_NS + 3 * BENCH_TTL_NS);
    cr_assert(!giro_batches_executed_before(bench->batches, &old.id), "and now it is not");
    arrive(bench, &old);
    cr_assert(*stale == 2 && bench_count(bench, GIRO_ACTION_VERIFY) == 0);
    arrive(bench, &other);
    cr_assert(*stale == 3 && bench_count(bench, GIRO_ACTION_VERIFY) == 0);
    bench_batch(bench, &fresh, 1, 3);
    arrive(bench, &fresh);
    cr_assert(*stale == 3 && bench_count(bench, GIRO_ACTION_VERIFY) == 1);
    giro_batches_check(bench->batches);
    bench_free(bench);
}

/* Were it taken, it would look young for as long as its author likes. */
Test(consensus_batches, a_batch_from_the_future_is_refused)
{
    struct bench *bench = started();
    struct bench_bytes near, far;
    bench->env.wall_ns += 2 * bench->env.options.clock_bound_ns;
    bench_batch(bench, &near, 1, 1);
    bench->env.wall_ns++;
    bench_batch(bench, &far, 1, 2);
    bench->env.wall_ns = BENCH_WALL_NS;
    arrive(bench, &far);
    cr_assert(bench->env.rejects[GIRO_REJECT_TIME] == 1);
    cr_assert(bench_count(bench, GIRO_ACTION_VERIFY) == 0);
    arrive(bench, &near);
    cr_assert(bench->env.rejects[GIRO_REJECT_TIME] == 1);
    cr_assert(bench_count(bench, GIRO_ACTION_VERIFY) == 1);
    giro_batches_check(bench->batches);
    bench_free(bench);
}

static struct giro_batch_header header_of(const struct giro_action *send)
{
    struct giro_batch_header header;
    memcpy(&header, send->send.parts[0].bytes, sizeof(header));
    return header;
}

/* Our own, unproved while the chain went on: the same frames in a new batch, logged before it is sent. */
Test(consensus_batches, an_own_batch_that_the_chain_left_behind_is_cut_anew)
{
    struct bench *bench = started();
    bench_step(bench, 0);
    cr_assert(bench_local(bench, 7));
    const struct giro_hash id = bench_action(bench, GIRO_ACTION_LOG)->log.key;
    const struct giro_batch_header before = header_of(bench_send(bench, GIRO_KIND_BATCH));
    uint8_t frames[8192];
    memcpy(frames, bench_send(bench, GIRO_KIND_BATCH)->send.parts[0].bytes + sizeof(before),
           before.size_bytes - sizeof(before));
    bench_durable(bench);
    const uint64_t kept_ns = before.created_ns + BENCH_TTL_NS * 3 / 2;
    giro_batches_expire(bench->batches, kept_ns);
    for (uint32_t i = 0; i < 40; i++) {
        bench_step(bench, 4 * GIRO_NS_PER_S);
        giro_batches_on_tick(bench->batches);
        cr_assert(giro_batches_have(bench->batches, &id), "peers may still take it");
    }
    giro_batches_expire(bench->batches, kept_ns + 1);
    struct bench_bytes acks[2];
    for (uint16_t i = 0; i < 2; i++) {
        bench_ack(bench, &acks[i], (uint16_t)(1 + i), &id, 1, bench->env.wall_ns + BENCH_TTL_NS);
    }
    bench_step(bench, 0);
    giro_batches_on_ack(bench->batches, 1, acks[0].bytes, acks[0].size_bytes);
    cr_assert(bench_sent(bench, GIRO_KIND_BATCH_PROOF) == 0);
    bench_step(bench, 60 * GIRO_NS_PER_S);
    giro_batches_on_tick(bench->batches);
    cr_assert(!giro_batches_have(bench->batches, &id));
    cr_assert(giro_batches_own_in_flight(bench->batches) == 1);
    cr_assert(bench_count(bench, GIRO_ACTION_LOG) == 1);
    const struct giro_action *const sent = bench_send(bench, GIRO_KIND_BATCH);
    const struct giro_batch_header after = header_of(sent);
    cr_assert(after.created_ns == bench->env.wall_ns && after.sequence == before.sequence + 1);
    cr_assert(after.size_bytes == before.size_bytes && after.frame_count == before.frame_count);
    cr_assert(memcmp(sent->send.parts[0].bytes + sizeof(after), frames,
                     after.size_bytes - sizeof(after)) == 0);
    cr_assert(giro_batches_have(bench->batches, &bench_action(bench, GIRO_ACTION_LOG)->log.key));
    giro_batches_check(bench->batches);
    bench_free(bench);
}

/* A step promises the log at most so many bytes (giro_node_step_bytes): after a start, all own batches are due together. */
Test(consensus_batches, outdated_batches_are_cut_anew_one_a_step)
{
    struct bench *bench = started();
    const uint32_t count = 3;
    bench_step(bench, 0);
    for (uint32_t i = 0; i < count; i++)
        cr_assert(bench_local(bench, 7 + i));
    bench_durable(bench);
    for (uint32_t i = 0; i < 8; i++) {
        bench_step(bench, 4 * GIRO_NS_PER_S);
        giro_batches_on_tick(bench->batches);
        cr_assert(bench_count(bench, GIRO_ACTION_LOG) == 0, "peers may still take them");
    }
    giro_batches_expire(bench->batches, bench->env.wall_ns + 2 * BENCH_TTL_NS);
    bench_step(bench, 4 * GIRO_NS_PER_S);
    for (uint32_t i = 0; i < count; i++) {
        bench_step(bench, 0);
        giro_batches_on_tick(bench->batches);
        cr_assert(bench_count(bench, GIRO_ACTION_LOG) == 1);
        cr_assert(giro_batches_own_in_flight(bench->batches) == count);
        const bool more = giro_batches_next_ns(bench->batches) <= bench->env.now_ns;
        cr_assert(more == (i + 1 < count), "the next is due at once");
    }
    giro_batches_check(bench->batches);
    bench_free(bench);
}

/* A clock that is far behind does not make what is cut by it look old. */
Test(consensus_batches, an_own_batch_is_not_dated_before_the_chain)
{
    struct bench *bench = started();
    bench_step(bench, 0);
    giro_batches_expire(bench->batches, BENCH_WALL_NS + 10 * BENCH_TTL_NS);
    cr_assert(bench_local(bench, 7));
    const struct giro_batch_header header = header_of(bench_send(bench, GIRO_KIND_BATCH));
    cr_assert(header.created_ns == BENCH_WALL_NS + 10 * BENCH_TTL_NS);
    giro_batches_check(bench->batches);
    bench_free(bench);
}
