/* The leader schedule against a naive model that reads the whole chain anew for every question. */
#include <criterion/criterion.h>

#include "consensus/leader.h"
#include "unit/consensus_core_net.h"

#define CHAIN_MAX 1100u

struct chain {
    uint32_t count; /* replicas */
    uint64_t length;
    uint16_t authors[CHAIN_MAX];                   /* by height */
    uint8_t signers[CHAIN_MAX][GIRO_BITMAP_BYTES]; /* of the QC in the block */
};

/* Who leads, straight from the sentence: active in the window two before, less its last f distinct authors. */
static uint32_t model(const struct chain *chain, uint64_t round, uint64_t height)
{
    uint32_t n = chain->count, f = (n - 1) / 3;
    bool in[GIRO_REPLICAS_MAX], active[GIRO_REPLICAS_MAX] = {0};
    uint32_t active_count = 0, count = 0;
    uint64_t window = height / 128;
    for (uint32_t i = 0; i < n; i++)
        in[i] = true;
    if (window >= 2) {
        uint64_t first = (window - 2) * 128, last = first + 127;
        for (uint64_t h = first == 0 ? 1 : first; h <= last; h++) {
            for (uint32_t i = 0; i < n; i++)
                active[i] = active[i] || giro_bitmap_has(chain->signers[h], i);
            active[chain->authors[h]] = true;
        }
        for (uint32_t i = 0; i < n; i++)
            active_count += active[i];
        if (active_count >= n - f) {
            memcpy(in, active, sizeof(in));
            uint32_t found = 0;
            for (uint64_t h = last; h >= first && h > 0 && found < f; h--) {
                found += in[chain->authors[h]];
                in[chain->authors[h]] = false;
            }
        }
    }
    for (uint32_t i = 0; i < n; i++)
        count += in[i];
    uint64_t place = count > 2 * f ? round % count : round / 2 % count;
    for (uint32_t i = 0; i < n; i++) {
        if (in[i] && place-- == 0)
            return i;
    }
    cr_assert_fail("no candidate");
    return GIRO_NONE;
}

static struct giro_proposal block_at(const struct chain *chain, uint64_t height)
{
    struct giro_proposal block;
    memset(&block, 0, sizeof(block));
    block.block.height = height;
    block.block.author = chain->authors[height];
    memcpy(block.qc.header.bitmap, chain->signers[height], GIRO_BITMAP_BYTES);
    return block;
}

/* A chain on which some replicas are away for stretches of heights. */
static void chain_make(struct chain *chain, uint32_t count, uint64_t seed)
{
    struct giro_prng prng;
    uint32_t f = (count - 1) / 3;
    bool away[GIRO_REPLICAS_MAX] = {0};
    giro_prng_init(&prng, seed);
    memset(chain, 0, sizeof(*chain));
    chain->count = count;
    chain->length = CHAIN_MAX - 1;
    for (uint64_t h = 1; h <= chain->length; h++) {
        if (h % 100 == 1) {
            memset(away, 0, sizeof(away));
            for (uint32_t i = 0; i < f; i++)
                away[giro_prng_below(&prng, count)] = true;
        }
        uint32_t author;
        do
            author = (uint32_t)giro_prng_below(&prng, count);
        while (away[author]);
        chain->authors[h] = (uint16_t)author;
        for (uint32_t i = 0; i < count && h > 1; i++) {
            if (!away[i])
                giro_bitmap_set(chain->signers[h], i);
        }
    }
}

Test(consensus_leader, the_schedule_is_that_of_the_chain_alone)
{
    static const uint32_t counts[] = {1, 2, 4, 7, 16, 19, 100};
    static struct chain chain;
    for (uint32_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
        struct giro_leader_window window;
        chain_make(&chain, counts[c], 7 + c);
        giro_leader_window_init(&window, counts[c]);
        for (uint64_t h = 0; h <= chain.length; h++) {
            if (h > 0) {
                struct giro_proposal block = block_at(&chain, h);
                giro_leader_window_add(&window, counts[c], &block);
            }
            cr_assert(giro_leader_window_check(&window, counts[c]) == GIRO_REJECT_NONE);
            if (h % 61 != 0 && h % 128 > 1 && h % 128 != 127)
                continue;
            uint64_t base = (h + 1) / 128 * 128;
            for (uint64_t at = h + 1; at < base + 256 && at < CHAIN_MAX; at += 17) {
                for (uint64_t round = at; round < at + 9; round++)
                    cr_assert(giro_leader_window_leader(&window, counts[c], round, at) ==
                                  model(&chain, round, at),
                              "n = %u after height %lu: round %lu of height %lu", counts[c], h,
                              round, at);
            }
            cr_assert(giro_leader_window_leader(&window, counts[c], 1, base + 256) == GIRO_NONE);
            if (base > 0)
                cr_assert(giro_leader_window_leader(&window, counts[c], 1, base - 1) == GIRO_NONE);
        }
    }
}

Test(consensus_leader, the_first_two_windows_know_nobody_and_take_all_in_turn)
{
    struct giro_leader_window window;
    giro_leader_window_init(&window, 4);
    for (uint64_t round = 1; round < 20; round++) {
        cr_assert(giro_leader_window_leader(&window, 4, round, 1) == round % 4);
        cr_assert(giro_leader_window_leader(&window, 4, round, 255) == round % 4);
    }
}

/* Replica 3 of 4 is away and another one faulty: with one round each, the good one of two candidates would never have two
 * rounds in a row, and nothing would commit. */
Test(consensus_leader, few_candidates_lead_two_rounds_each)
{
    struct giro_leader_window window;
    struct giro_proposal block;
    giro_leader_window_init(&window, 4);
    for (uint64_t h = 1; h < 128; h++) {
        memset(&block, 0, sizeof(block));
        block.block.height = h;
        block.block.author = (uint16_t)(h % 3);
        block.qc.header.bitmap[0] = 7;
        giro_leader_window_add(&window, 4, &block);
    }
    uint32_t left_out = 127 % 3;
    for (uint64_t round = 300; round < 320; round += 2) {
        uint32_t leader = giro_leader_window_leader(&window, 4, round, 256);
        cr_assert(leader < 3 && leader != left_out, "round %lu: %u", round, leader);
        cr_assert(giro_leader_window_leader(&window, 4, round + 1, 256) == leader);
        cr_assert(giro_leader_window_leader(&window, 4, round + 2, 256) != leader);
    }
}

Test(consensus_leader, bytes_from_outside_are_checked)
{
    struct giro_leader_window good, bad;
    static struct chain chain;
    chain_make(&chain, 7, 3);
    giro_leader_window_init(&good, 7);
    for (uint64_t h = 1; h < 300; h++) {
        struct giro_proposal block = block_at(&chain, h);
        giro_leader_window_add(&good, 7, &block);
    }
    cr_assert(good.author_count == 2);
    cr_assert(giro_leader_window_check(&good, 7) == GIRO_REJECT_NONE);
    bad = good, bad.head.kind = GIRO_KIND_LEDGER;
    cr_assert(giro_leader_window_check(&bad, 7) == GIRO_REJECT_KIND);
    bad = good, bad.reserved[3] = 1;
    cr_assert(giro_leader_window_check(&bad, 7) == GIRO_REJECT_RESERVED);
    bad = good, bad.author_count = 3;
    cr_assert(giro_leader_window_check(&bad, 7) == GIRO_REJECT_COUNT);
    bad = good, bad.candidates[0][0] |= 0x80;
    cr_assert(giro_leader_window_check(&bad, 7) == GIRO_REJECT_SIGNER);
    bad = good, bad.active[1] = 1;
    cr_assert(giro_leader_window_check(&bad, 7) == GIRO_REJECT_SIGNER);
    bad = good, bad.candidates[1][0] = 3;
    cr_assert(giro_leader_window_check(&bad, 7) == GIRO_REJECT_COUNT);
    bad = good, bad.authors[1] = bad.authors[0];
    cr_assert(giro_leader_window_check(&bad, 7) == GIRO_REJECT_DUPLICATE);
    bad = good, bad.authors[2] = 1;
    cr_assert(giro_leader_window_check(&bad, 7) == GIRO_REJECT_RESERVED);
    bad = good, bad.authors[0] = 7;
    cr_assert(giro_leader_window_check(&bad, 7) == GIRO_REJECT_SIGNER);
}

static uint64_t timeouts(const struct net *net)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < net->count; i++)
        sum += net->nodes[i].up ? net_status(net, i).timeouts_sent : 0;
    return sum;
}

static bool is_vote(const struct net_message *message)
{
    uint16_t kind;
    memcpy(&kind, message->bytes + 12, sizeof(kind));
    return kind == GIRO_KIND_VOTE;
}

/* In one process the votes of low indices always come first; on a network whose comes late is chance. */
static bool shuffled(struct net *net, struct net_message *message)
{
    struct giro_prng *prng = net->context;
    uint32_t waiting = (net->tail + NET_QUEUE_MAX - net->head) % NET_QUEUE_MAX;
    if (waiting == 0)
        return true;
    struct net_message *other =
        &net->queue[(net->head + giro_prng_below(prng, waiting)) % NET_QUEUE_MAX];
    if (!is_vote(message) || !is_vote(other))
        return true;
    struct net_message kept = *other;
    *other = *message;
    *message = kept;
    return true;
}

static uint64_t grow_to(struct net *net, uint64_t height, uint64_t *paid)
{
    uint64_t before = timeouts(net);
    while (net_status(net, 0).committed_height < height) {
        net_pay(net, (uint32_t)(*paid % 3), *paid + 1);
        ++*paid;
        net_run(net, 100 * MS);
    }
    return timeouts(net) - before;
}

/* One of four is dead: it costs timeouts until the windows that saw it have passed, then none; after a restart of all the
 * survivors know the same leaders from their logs. */
Test(consensus_leader, a_dead_replica_leads_no_more_after_two_windows)
{
    struct net *net = net_new(4);
    uint64_t paid = 0;
    net_start_all(net);
    net_run(net, 250 * MS);
    net_kill(net, 3);
    cr_assert(grow_to(net, 120, &paid) > 0);
    grow_to(net, 257, &paid);
    cr_assert(grow_to(net, 375, &paid) == 0, "timeouts after two windows");
    for (uint32_t i = 0; i < 3; i++)
        net_kill(net, i);
    net_drop_all(net);
    for (uint32_t i = 0; i < 3; i++)
        net_start(net, i);
    net_run(net, 5 * GIRO_NS_PER_S);
    grow_to(net, 379, &paid); /* restarted leaders keep still at first */
    cr_assert(grow_to(net, 640, &paid) == 0, "timeouts after a restart");
    /* Back again, it is a leader again two windows later. */
    struct giro_prng prng;
    giro_prng_init(&prng, 1);
    net->context = &prng;
    net->filter = shuffled;
    net_start(net, 3);
    net_run(net, 10 * GIRO_NS_PER_S);
    cr_assert(net_status(net, 3).committed_height == net_status(net, 0).committed_height);
    uint64_t proposed = net_status(net, 3).blocks_proposed;
    grow_to(net, 1000, &paid);
    cr_assert(net_status(net, 3).blocks_proposed > proposed, "it leads again");
    net_check(net);
    net_free(net);
}
