/* The pacemaker: what the round timer is made of, when it runs, and that slow leaders do not stretch it. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "consensus/internal.h"
#include "unit/consensus_core_net.h"

/* ---- Leaders that are as slow as they may be ---------------------------------------------------------- */

#define HELD_MAX 256u
struct held {
    struct net_message message;
    uint64_t at_ns;
};
struct slowness {
    uint32_t count;      /* replicas 0..count - 1 are slow */
    uint64_t per_mille;  /* of the timer as replica n - 1 has it */
    uint32_t held_count; /* in order of arrival, which is the order of time */
    struct held held[HELD_MAX];
};

static uint16_t kind_of(const struct net_message *message)
{
    uint16_t kind;
    memcpy(&kind, message->bytes + 12, sizeof(kind));
    return kind;
}

static bool hold_back(struct net *net, struct net_message *message)
{
    struct slowness *slow = net->context;
    if (kind_of(message) != GIRO_KIND_PROPOSAL || message->from >= slow->count)
        return true;
    cr_assert(slow->held_count < HELD_MAX);
    struct net_message copy = *message;
    copy.bytes = malloc(message->size_bytes);
    memcpy(copy.bytes, message->bytes, message->size_bytes);
    uint64_t base_ns = net_status(net, net->count - 1).round_base_ns;
    slow->held[slow->held_count++] =
        (struct held){copy, net->now_ns + base_ns * slow->per_mille / 1000};
    return false;
}

static void release(struct net *net, struct slowness *slow)
{
    while (slow->held_count > 0 && slow->held[0].at_ns <= net->now_ns) {
        struct net_message message = slow->held[0].message;
        slow->held_count--;
        memmove(&slow->held[0], &slow->held[1], slow->held_count * sizeof(slow->held[0]));
        net->filter = NULL;
        net_message(net, message.from, message.to, message.bytes, message.size_bytes);
        net->filter = hold_back;
        free(message.bytes);
    }
}

/* Runs a loaded hub for two seconds; returns the largest T_base that a replica ever had, in floors x 1,000. */
static uint64_t largest_base(uint32_t count, uint32_t slow_count, uint64_t *height)
{
    struct slowness *slow = calloc(1, sizeof(*slow));
    struct net *net = net_new(count);
    uint64_t largest_ns = 0, paid = 0;
    slow->count = slow_count;
    slow->per_mille = 900;
    net_start_all(net);
    net_run(net, 250 * MS);
    net->context = slow;
    net->filter = hold_back;
    for (uint32_t step = 0; step < 2000; step++) {
        uint32_t node = (uint32_t)(paid % count);
        if (giro_consensus_batch_room(net->nodes[node].core) > 0)
            net_pay(net, node, ++paid);
        net_run(net, MS);
        release(net, slow);
        for (uint32_t i = 0; i < count; i++) {
            uint64_t base_ns = net_status(net, i).round_base_ns;
            largest_ns = base_ns > largest_ns ? base_ns : largest_ns;
        }
    }
    *height = net_status(net, count - 1).committed_height;
    net_check(net);
    for (uint32_t i = 0; i < slow->held_count; i++)
        free(slow->held[i].message.bytes);
    net_free(net);
    free(slow);
    return largest_ns * 1000 / NET_FLOOR_NS;
}

Test(consensus_pace, f_slow_leaders_cannot_raise_the_round_timer)
{
    uint64_t height = 0;
    cr_assert(largest_base(4, 1, &height) == 1000, "n = 4");
    cr_assert(height > 100, "n = 4: %lu", height);
    cr_assert(largest_base(7, 2, &height) == 1000, "n = 7");
    cr_assert(height > 100, "n = 7: %lu", height);
    /* One more, and nobody can tell who is slow: the timer follows, up to its bound. */
    const uint64_t base = largest_base(4, 2, &height);
    cr_assert(base > 2000 && base <= 25000, "f + 1 slow leaders: %lu", base);
}

/* ---- The back-off ------------------------------------------------------------------------------------------ */

Test(consensus_pace, only_the_back_off_reaches_ten_seconds)
{
    struct net *net = net_new(4);
    net_start_all(net);
    struct giro_consensus *core = net->nodes[0].core;
    core->pace.commit_round = 5;
    uint64_t expected_ns = NET_FLOOR_NS;
    for (uint64_t round = 5; round < 200; round++) {
        core->pace.round = round;
        cr_assert(giro_pace_timer_ns(core) == expected_ns, "%lu rounds since the commit",
                  round - 5);
        /* x 1.5, eight times; then once for each turn of four leaders */
        if (round < 13 || (round >= 16 && round % 4 == 0))
            expected_ns += expected_ns / 2;
        if (expected_ns > 10 * GIRO_NS_PER_S)
            expected_ns = 10 * GIRO_NS_PER_S;
    }
    cr_assert(expected_ns == 10 * GIRO_NS_PER_S);
    core->pace.round = 10;
    giro_pace_committed(core);
    cr_assert(giro_pace_timer_ns(core) == NET_FLOOR_NS);
    net_free(net);
}

/* Rounds were lost until the timer was long enough; what they then took is in T_base. One silent leader after that must not
 * cost 500 ms x 1.5^8. */
Test(consensus_pace, what_was_measured_is_not_backed_off_from_twice)
{
    struct net *net = net_new(4);
    net_start_all(net);
    struct giro_consensus *core = net->nodes[0].core;
    core->pace.commit_round = 5;
    core->pace.round = 13;
    uint64_t backed_off_ns = giro_pace_timer_ns(core);
    cr_assert(backed_off_ns > 25 * NET_FLOOR_NS, "20 ms x 1.5^8 = 512 ms");
    core->pace.base_ns = 25 * NET_FLOOR_NS;
    cr_assert(giro_pace_timer_ns(core) == backed_off_ns);
    core->pace.round = 7;
    cr_assert(giro_pace_timer_ns(core) == 25 * NET_FLOOR_NS, "never below T_base");
    /* From the next commit on it counts. */
    giro_pace_committed(core);
    core->pace.round = 9;
    cr_assert(giro_pace_timer_ns(core) == 25 * NET_FLOOR_NS * 9 / 4);
    core->pace.round = 15;
    cr_assert(giro_pace_timer_ns(core) == 10 * GIRO_NS_PER_S, "500 ms x 1.5^8 is above it");
    net_free(net);
}

/* ---- When it runs ------------------------------------------------------------------------------------------- */

static bool no_proposals(struct net *net, struct net_message *message)
{
    (void)net;
    return kind_of(message) != GIRO_KIND_PROPOSAL;
}

static bool running(const struct net *net, uint32_t node)
{
    return net->nodes[node].core->pace.running;
}

Test(consensus_pace, the_round_timer_runs_only_while_something_waits)
{
    struct net *net = net_new(4);
    net_start_all(net);
    net_run(net, 250 * MS);
    for (uint32_t i = 0; i < 4; i++)
        cr_assert(!running(net, i), "idle");
    /* A proof of availability that no block carries. */
    net->filter = no_proposals;
    net_pay(net, 0, 1);
    net_deliver(net);
    for (uint32_t i = 0; i < 4; i++)
        cr_assert(running(net, i) || net_status(net, i).blocks_proposed > 0, "node %u: proof", i);
    net_run(net, 300 * MS);
    for (uint32_t i = 0; i < 4; i++)
        cr_assert(net_status(net, i).timeouts_sent > 0, "node %u: a censoring leader is noticed",
                  i);
    net->filter = NULL;
    net_run(net, 5 * GIRO_NS_PER_S);
    for (uint32_t i = 0; i < 4; i++)
        cr_assert(!running(net, i) && net->nodes[i].executed_batches == 1, "done");
    /* A due time that has come. */
    net->next_due_ns = NET_WALL_NS + net->now_ns + 2 * GIRO_NS_PER_S;
    net_pay(net, 1, 2);
    net_run(net, GIRO_NS_PER_S);
    for (uint32_t i = 0; i < 4; i++)
        cr_assert(!running(net, i), "not yet due");
    net->filter = no_proposals;
    net_run(net, 1200 * MS);
    for (uint32_t i = 0; i < 4; i++)
        cr_assert(running(net, i), "node %u: due", i);
    net->filter = NULL;
    net_run(net, 10 * GIRO_NS_PER_S);
    cr_assert(net_quiet(net));
    net_check(net);
    net_free(net);
}

/* A proof that no leader took before it expired: block time stands still, so the clock has to say it. The members were
 * told DURABLE, so its author proves it anew. */
Test(consensus_pace, a_batch_whose_proof_expired_in_a_cut_is_proved_anew)
{
    struct net *net = net_new(4);
    net_start_all(net);
    net_run(net, 250 * MS);
    net->filter = no_proposals;
    net_pay(net, 0, 1);
    net_run(net, 70 * GIRO_NS_PER_S);
    net->filter = NULL;
    net_run(net, 30 * GIRO_NS_PER_S);
    for (uint32_t i = 0; i < 4; i++)
        cr_assert(net->nodes[i].executed_batches == 1, "node %u", i);
    cr_assert(net_quiet(net));
    net_check(net);
    net_free(net);
}

static bool no_votes_to_1(struct net *net, struct net_message *message)
{
    (void)net;
    return kind_of(message) != GIRO_KIND_VOTE || message->to != 1;
}

/* Votes may be kept from a leader; those who have the QC send it in time, and no round is lost. */
Test(consensus_pace, a_leader_that_lacks_the_qc_is_sent_it_before_the_round_is_lost)
{
    struct net *net = net_new(4);
    net_start_all(net);
    net_run(net, 250 * MS);
    net->filter = no_votes_to_1;
    for (uint64_t i = 0; i < 20; i++) {
        net_pay(net, (uint32_t)(i % 4), i + 1);
        net_run(net, 100 * MS);
    }
    net_run(net, GIRO_NS_PER_S);
    for (uint32_t i = 0; i < 4; i++) {
        cr_assert(net->nodes[i].executed_batches == 20, "node %u: %lu", i,
                  net->nodes[i].executed_batches);
        cr_assert(net_status(net, i).timeouts_sent == 0, "node %u: %lu timeouts", i,
                  net_status(net, i).timeouts_sent);
    }
    cr_assert(net_status(net, 1).blocks_proposed > 0);
    net_check(net);
    net_free(net);
}
