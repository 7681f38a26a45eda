/* The consensus core end to end: cores in one process, see consensus_core_net.h. */
#include <stdlib.h>

#include <criterion/criterion.h>

#include "effort.h"
#include "unit/consensus_core_net.h"

static void finish(struct net *net)
{
    net_check(net);
    net_free(net);
}

static struct net *running(uint32_t count)
{
    struct net *net = net_new(count);
    net_start_all(net);
    net_run(net, 250 * MS); /* the first question reached those that were up already */
    for (uint32_t i = 0; i < count; i++)
        cr_assert(!net_status(net, i).starting, "node %u", i);
    return net;
}

static void all_executed(struct net *net, uint64_t batches)
{
    for (uint32_t i = 0; i < net->count; i++) {
        if (net->nodes[i].up)
            cr_assert(net->nodes[i].executed_batches == batches, "node %u: %lu of %lu", i,
                      net->nodes[i].executed_batches, batches);
    }
}

Test(consensus_core, a_lone_batch_commits_and_the_chain_is_quiet)
{
    static const uint32_t counts[] = {1, 4, 7, 19};
    for (uint32_t c = 0; c < 4; c++) {
        struct net *net = running(counts[c]);
        cr_assert(net_quiet(net), "n = %u: quiet before", counts[c]);
        net_pay(net, 0, 1);
        net_run(net, 2 * GIRO_NS_PER_S);
        all_executed(net, 1);
        cr_assert(net_quiet(net), "n = %u: quiet after", counts[c]);
        for (uint32_t i = 0; i < counts[c]; i++) {
            struct giro_consensus_status status = net_status(net, i);
            cr_assert(status.certified_height == status.committed_height,
                      "n = %u: node %u certified %lu of %lu", counts[c], i, status.certified_height,
                      status.committed_height);
            cr_assert(status.timeouts_sent == 0, "n = %u: node %u", counts[c], i);
        }
        uint64_t sent = net_sent(net);
        net_run(net, 60 * GIRO_NS_PER_S);
        cr_assert(net_sent(net) == sent, "n = %u: silent when idle", counts[c]);
        finish(net);
    }
}

Test(consensus_core, many_batches_commit_in_the_same_order_everywhere)
{
    struct net *net = running(4);
    for (uint64_t i = 0; i < 100; i++) {
        net_pay(net, (uint32_t)(i % 4), i + 1);
        if (i % 3 == 0)
            net_run(net, MS);
    }
    net_run(net, 2 * GIRO_NS_PER_S);
    all_executed(net, 100);
    cr_assert(net_quiet(net));
    finish(net);
}

Test(consensus_core, a_dead_leader_costs_timeouts_and_nothing_else)
{
    for (uint32_t dead = 0; dead < 4; dead++) {
        struct net *net = running(4);
        net_kill(net, dead);
        for (uint64_t i = 0; i < 8; i++) {
            net_pay(net, (uint32_t)((dead + 1 + i % 3) % 4), i + 1);
            net_run(net, 3 * GIRO_NS_PER_S);
        }
        all_executed(net, 8);
        uint64_t timeouts = 0;
        for (uint32_t i = 0; i < 4; i++)
            timeouts += i == dead ? 0 : net_status(net, i).timeouts_sent;
        cr_assert(timeouts > 0, "dead %u", dead);
        net_start(net, dead);
        net_pay(net, dead == 0 ? 1 : 0, 100);
        net_run(net, 5 * GIRO_NS_PER_S);
        all_executed(net, 9);
        finish(net);
    }
}

Test(consensus_core, all_replicas_killed_at_any_moment_go_on_by_themselves)
{
    const uint32_t moments = (uint32_t)effort_size(60, 20);
    for (uint32_t at = 0; at < moments; at++) {
        const uint32_t moment = at * 120 / moments;
        struct net *net = running(4);
        net_pay(net, 0, 1);
        net_pay(net, 2, 2);
        for (uint32_t i = 0; i < moment; i++)
            net_deliver_one(net);
        for (uint32_t i = 0; i < 4; i++)
            net_kill(net, i);
        net_drop_all(net);
        net_start_all(net);
        net_run(net, 5 * GIRO_NS_PER_S);
        all_executed(net, 2);
        net_pay(net, 1, 3);
        net_run(net, 5 * GIRO_NS_PER_S);
        all_executed(net, 3);
        for (uint32_t i = 0; i < 4; i++)
            cr_assert(net->nodes[i].evidence == 0, "moment %u: node %u saw evidence", moment, i);
        cr_assert(net_quiet(net), "moment %u", moment);
        finish(net);
    }
}

Test(consensus_core, a_replica_that_was_away_catches_up)
{
    static const uint32_t counts[] = {3, 30, 150};
    for (uint32_t c = 0; c < 3; c++) {
        struct net *net = running(4);
        net_kill(net, 3);
        for (uint64_t i = 0; i < counts[c]; i++) {
            net_pay(net, (uint32_t)(i % 3), i + 1);
            net_run(net, 300 * MS);
        }
        net_start(net, 3);
        net_pay(net, 0, 1000);
        net_run(net, 20 * GIRO_NS_PER_S);
        all_executed(net, counts[c] + 1);
        cr_assert(net_quiet(net), "%u batches", counts[c]);
        finish(net);
    }
}

Test(consensus_core, a_block_is_proposed_when_the_state_is_due)
{
    struct net *net = running(4);
    net->next_due_ns = NET_WALL_NS + net->now_ns + 5 * GIRO_NS_PER_S;
    net_pay(net, 1, 1);
    net_run(net, GIRO_NS_PER_S);
    uint64_t height = net_status(net, 0).committed_height;
    cr_assert(!net_quiet(net), "a core waits for the due time");
    net_run(net, 10 * GIRO_NS_PER_S);
    for (uint32_t i = 0; i < 4; i++) {
        struct giro_consensus_status status = net_status(net, i);
        cr_assert(status.committed_height > height, "node %u", i);
        cr_assert(status.committed_height <= height + 3, "node %u: %lu", i,
                  status.committed_height);
        cr_assert(status.committed_time_ns >= net->next_due_ns, "node %u", i);
        cr_assert(status.timeouts_sent == 0, "node %u", i);
    }
    cr_assert(net_quiet(net));
    finish(net);
}

static bool lossy(struct net *net, struct net_message *message)
{
    struct giro_prng *prng = net->context;
    if (giro_prng_chance(prng, 1, 5)) /* again, later */
        net->filter = NULL,
        net_message(net, message->from, message->to, message->bytes, message->size_bytes),
        net->filter = lossy;
    if (giro_prng_chance(prng, 1, 10) && net->head != net->tail) { /* out of order */
        struct net_message *other = &net->queue[net->head];
        struct net_message kept = *other;
        *other = *message;
        *message = kept;
    }
    return !giro_prng_chance(prng, 1, 8);
}

Test(consensus_core, loss_duplication_and_reordering_are_harmless)
{
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct giro_prng prng;
        giro_prng_init(&prng, seed);
        struct net *net = running(4);
        net->context = &prng;
        net->filter = lossy;
        for (uint64_t i = 0; i < 20; i++) {
            net_pay(net, (uint32_t)(i % 4), i + 1);
            net_run(net, 200 * MS);
            net_check(net);
        }
        net_run(net, 20 * GIRO_NS_PER_S);
        net->filter = NULL;
        net_pay(net, 0, 100);
        net_run(net, 20 * GIRO_NS_PER_S);
        all_executed(net, 21);
        for (uint32_t i = 0; i < 4; i++)
            cr_assert(net->nodes[i].evidence == 0, "seed %lu", seed);
        cr_assert(net_quiet(net), "seed %lu", seed);
        finish(net);
    }
}

static bool mutating(struct net *net, struct net_message *message)
{
    struct giro_prng *prng = net->context;
    if (message->from != 3)
        return true;
    /* Node 3 is hostile: each of its messages also goes out with some bytes changed, cut, or as another kind. */
    uint32_t size_bytes = message->size_bytes;
    uint8_t *bytes = malloc(size_bytes + 64);
    memcpy(bytes, message->bytes, size_bytes);
    for (uint64_t flips = giro_prng_below(prng, 4); flips > 0; flips--)
        bytes[giro_prng_below(prng, size_bytes)] ^= (uint8_t)(1u << giro_prng_below(prng, 8));
    if (giro_prng_chance(prng, 1, 4))
        bytes[12] = (uint8_t)giro_prng_below(prng, 0x14);
    if (giro_prng_chance(prng, 1, 4) && size_bytes > 65) {
        size_bytes = 64 + (uint32_t)giro_prng_below(prng, size_bytes - 64);
        memcpy(bytes + 8, &size_bytes, 4);
    }
    net->filter = NULL;
    net_message(net, message->from, message->to, bytes, size_bytes);
    net->filter = mutating;
    free(bytes);
    return true;
}

Test(consensus_core, hostile_mutations_of_every_message_never_crash)
{
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct giro_prng prng;
        giro_prng_init(&prng, seed);
        struct net *net = running(4);
        net->context = &prng;
        net->filter = mutating;
        for (uint64_t i = 0; i < 30; i++) {
            net_pay(net, (uint32_t)(i % 3), i + 1);
            if (i == 10)
                net_kill(net, 2);
            if (i == 20)
                net_start(net, 2);
            if (i < 10 || i > 20 || i % 3 != 2)
                net_run(net, 300 * MS);
            net_check(net);
        }
        net_run(net, 20 * GIRO_NS_PER_S);
        net->filter = NULL;
        uint64_t rejected = 0;
        for (uint32_t r = 1; r < GIRO_REJECT_COUNT_OF_REASONS; r++)
            rejected += net_status(net, 0).rejects[r];
        cr_assert(rejected > 50, "seed %lu: %lu rejects", seed, rejected);
        finish(net);
    }
}

Test(consensus_core, a_rolled_back_safety_file_makes_an_observer)
{
    struct net *net = running(4);
    struct giro_safety_state early = net->nodes[1].safety;
    for (uint64_t i = 0; i < 5; i++) {
        net_pay(net, 0, i + 1);
        net_run(net, 100 * MS);
    }
    net_kill(net, 1);
    net->nodes[1].safety = early;
    net_start(net, 1);
    net_run(net, GIRO_NS_PER_S);
    uint32_t signs = net->nodes[1].signs;
    cr_assert(net_status(net, 1).observer);
    net_pay(net, 0, 10);
    net_run(net, 5 * GIRO_NS_PER_S);
    all_executed(net, 6);
    cr_assert(net->nodes[1].signs == signs, "an observer signs nothing");
    finish(net);
}

/* The proposals of node 1: from the one that is looked for on they are lost, and none may differ from it. */
struct proposals {
    bool lost, dead, hold_timeouts;
    struct giro_safety_state safety; /* when it left */
    struct giro_hash id;             /* of the lost one */
    uint64_t round;
    uint32_t others; /* of the same round */
};
static bool lose_proposals(struct net *net, struct net_message *message)
{
    static struct giro_proposal proposal;
    struct proposals *const seen = net->context;
    uint16_t kind;
    memcpy(&kind, message->bytes + 12, 2);
    if (message->to == 1 && kind == GIRO_KIND_SYNC && net_status(net, 1).starting)
        return false; /* it starts without knowing the round */
    if (kind == GIRO_KIND_TIMEOUT && seen->hold_timeouts)
        return false;
    if (message->from != 1 || kind != GIRO_KIND_PROPOSAL)
        return message->from != 1 || !seen->dead;
    const size_t skip = sizeof(struct giro_peer_envelope);
    cr_assert(giro_proposal_decode(message->bytes + skip, message->size_bytes - skip, net->count,
                                   &proposal) == GIRO_REJECT_NONE);
    if (!seen->lost) {
        seen->lost = seen->dead = true;
        seen->safety = net->nodes[1].safety;
        seen->id = proposal.block_id;
        seen->round = proposal.block.round;
    }
    if (proposal.block.round != seen->round)
        return true;
    seen->others += !giro_hash_equal(&proposal.block_id, &seen->id);
    return false;
}

/* A proposal may leave before it is durable. Here the end of the log is lost, and the others wait in the round of the proposal:
 * what keeps the leader still is the round of its last vote in the safety file. */
Test(consensus_core, a_leader_that_lost_its_log_does_not_propose_twice_in_a_round)
{
    struct net *net = running(4);
    struct proposals seen = {.hold_timeouts = true};
    for (uint64_t i = 0; i < 24; i++) {
        net->nodes[1].mute_log = i >= 15;
        net_pay(net, 0, i + 1);
        net_run(net, 100 * MS);
    }
    net->filter = lose_proposals;
    net->context = &seen;
    for (uint64_t i = 0; i < 4 && !seen.lost; i++) {
        net_pay(net, 0, i + 25);
        while (!seen.lost && net_deliver_one(net))
            continue;
    }
    cr_assert(seen.lost && seen.round > 30, "round %lu", seen.round);
    cr_assert(seen.safety.last_voted_round + 1 == seen.round);
    net_kill(net, 1);
    net_deliver(net);
    net->now_ns += MS; /* another time would make another block */
    net->nodes[1].safety = seen.safety;
    seen.dead = false;
    net_start(net, 1);
    net_run(net, GIRO_NS_PER_S);
    cr_assert(net_status(net, 1).round == seen.round && net_status(net, 0).round == seen.round);
    seen.hold_timeouts = false;
    net_run(net, 5 * GIRO_NS_PER_S);
    cr_assert(!net_status(net, 1).starting && !net_status(net, 1).observer);
    cr_assert(seen.others == 0, "round %lu: another block", seen.round);
    for (uint32_t i = 0; i < 4; i++)
        cr_assert(net->nodes[i].evidence == 0, "node %u", i);
    cr_assert(net->nodes[1].executed_batches == net->nodes[0].executed_batches);
    finish(net);
}

static bool hold_votes(struct net *net, struct net_message *message)
{
    uint16_t kind;
    (void)net;
    memcpy(&kind, message->bytes + 12, 2);
    return kind != GIRO_KIND_VOTE;
}

Test(consensus_core, lost_votes_are_made_good_by_timeouts)
{
    struct net *net = running(4);
    net->filter = hold_votes;
    net_pay(net, 0, 1);
    net_run(net, 300 * MS);
    cr_assert(net->nodes[0].executed_batches == 0);
    net->filter = NULL;
    net_run(net, 5 * GIRO_NS_PER_S);
    all_executed(net, 1);
    cr_assert(net_quiet(net));
    finish(net);
}

/* ---- Chaos: crashes, partitions, loss ----------------------------------------------------------------- */

struct chaos {
    struct giro_prng prng;
    uint32_t cut; /* bit per node on the one side */
    bool lossy;
};
static bool chaotic(struct net *net, struct net_message *message)
{
    struct chaos *chaos = net->context;
    if (((chaos->cut >> message->from) ^ (chaos->cut >> message->to)) & 1u)
        return false;
    return !chaos->lossy || !giro_prng_chance(&chaos->prng, 1, 10);
}

static void chaos_round(struct net *net, struct chaos *chaos, uint64_t *paid)
{
    uint32_t node = (uint32_t)giro_prng_below(&chaos->prng, net->count);
    switch (giro_prng_below(&chaos->prng, 6)) {
    case 0:
        if (net->nodes[node].up)
            net_kill(net, node);
        else
            net_start(net, node);
        break;
    case 1:
        chaos->cut = (uint32_t)giro_prng_below(&chaos->prng, 1u << net->count);
        break;
    case 2:
        chaos->cut = 0;
        chaos->lossy = !chaos->lossy;
        break;
    default:
        if (net->nodes[node].up && giro_consensus_batch_room(net->nodes[node].core) > 0)
            net_pay(net, node, ++*paid);
        break;
    }
    for (uint64_t i = giro_prng_below(&chaos->prng, 80); i > 0; i--)
        net_deliver_one(net);
    if (giro_prng_chance(&chaos->prng, 1, 2))
        net_run(net, giro_prng_below(&chaos->prng, 400) * MS);
    net_check(net);
}

Test(consensus_core, crashes_partitions_and_loss_leave_one_history_and_heal)
{
    uint64_t seeds = effort_size(6, 2);
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        struct chaos chaos = {0};
        uint64_t paid = 0;
        giro_prng_init(&chaos.prng, seed);
        struct net *net = running(4);
        net->context = &chaos;
        net->filter = chaotic;
        for (uint32_t i = 0; i < 60; i++)
            chaos_round(net, &chaos, &paid);
        net->filter = NULL;
        for (uint32_t i = 0; i < 4; i++) {
            if (!net->nodes[i].up)
                net_start(net, i);
        }
        net_run(net, 30 * GIRO_NS_PER_S);
        net_pay(net, 0, ++paid);
        net_run(net, 30 * GIRO_NS_PER_S);
        net_check(net);
        for (uint32_t i = 0; i < 4; i++) {
            cr_assert(net->nodes[i].executed_count == net->nodes[0].executed_count,
                      "seed %lu: node %u %lu %lu", seed, i, net->nodes[i].executed_count,
                      net->nodes[0].executed_count);
            cr_assert(net->nodes[i].executed_batches == paid,
                      "seed %lu: node %u executed %lu of %lu", seed, i,
                      net->nodes[i].executed_batches, paid);
            cr_assert(net->nodes[i].evidence == 0, "seed %lu: node %u", seed, i);
            cr_assert(net->nodes[i].halts == 0, "seed %lu: node %u", seed, i);
            cr_assert(!net_status(net, i).observer, "seed %lu: node %u", seed, i);
        }
        cr_assert(net_quiet(net), "seed %lu", seed);
        finish(net);
    }
}
