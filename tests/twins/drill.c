#include "twins/drill.h"

#include <string.h>

#include "twins/forge.h"
#include "twins/twins.h"

/* ---- The votes of a QC that was being formed when all lost power come again by themselves ------------------------- */

static bool no_votes(struct hub *hub, const struct hub_message *message)
{
    (void)hub;
    return message->kind != GIRO_KIND_VOTE;
}

static void stored_votes_are_sent_again(struct hub *hub, void *context)
{
    (void)context;
    hub->filter = no_votes;
    hub_pay(hub, 0);
    hub_deliver_all(hub, 10000);
    hub->filter = NULL;
    for (uint32_t i = 0; i < 4; i++) {
        if (hub->nodes[i].safety == NULL || hub->watch.rounds[1].votes[i] == 0)
            hub_fail(hub, "progress: replica %u did not vote in round 1", i);
        hub_kill(hub, i, HUB_RECORDS_MAX, 3);
    }
    for (uint32_t i = 0; i < 4; i++)
        hub_start(hub, i);
    hub_deliver_all(hub, 10000); /* and time stands still: no timer helps */
    for (uint32_t i = 0; i < 4; i++) {
        if (hub_status(hub, i).high_qc_round < 1)
            hub_fail(
                hub,
                "restart: the stored votes were not sent again, replica %u has no QC of round 1",
                i);
    }
}

/* ---- A safety file that was rolled back does not sign ---------------------------------------------------------------- */

static void run_for(struct hub *hub, uint32_t payments)
{
    for (uint32_t i = 0; i < payments && !hub->failed; i++) {
        hub_pay(hub, i % 4);
        hub_deliver_all(hub, 10000);
    }
}

static void rolled_back_file_does_not_sign(struct hub *hub, void *context)
{
    static uint8_t file[HUB_SAFETY_BYTES];
    (void)context;
    run_for(hub, 2);
    memcpy(file, hub->nodes[0].disk.file, sizeof(file));
    const uint32_t records = hub->nodes[0].record_count;
    run_for(hub, 6);
    hub_kill(hub, 0, HUB_RECORDS_MAX, 3);
    memcpy(hub->nodes[0].disk.file, file, sizeof(file));
    hub->nodes[0].record_count = records; /* the whole disk is an old copy */
    memset(&hub->watch.safety[0], 0, sizeof(hub->watch.safety[0]));
    hub_start(hub, 0);
    hub_deliver_all(hub, 10000);
    run_for(hub, 2);
    if (!hub->failed && !hub_status(hub, 0).observer)
        hub_fail(hub, "hello: replica 0 signs again with a safety file from before its last votes");
}

/* ---- Nobody can make a replica doubt itself with what it did not sign --------------------------------------------------- */

static bool not_from_the_last(struct hub *hub, const struct hub_message *message)
{
    (void)hub;
    return message->from != 3;
}

static void made_up_signatures_stop_nobody(struct hub *hub, void *context)
{
    (void)context;
    run_for(hub, 3);
    hub->dishonest = 1u << 3;
    hub->filter = not_from_the_last;
    hub_kill(hub, 0, HUB_RECORDS_MAX, 3);
    hub_start(hub, 0);
    struct giro_hello answer = {
        .header = {.head = giro_head_make(GIRO_KIND_HELLO),
                   .epoch = 1,
                   .incarnation = 2,
                   .answerer = 3,
                   .answer = 1,
                   .parts = GIRO_HELLO_VOTE},
        .vote = {
            .head = giro_head_make(GIRO_KIND_VOTE), .epoch = 1, .round = 99, .parent_round = 97}};
    uint8_t message[GIRO_HELLO_MESSAGE_BYTES];
    memcpy(answer.header.nonce, hub->nodes[0].options.nonce, sizeof(answer.header.nonce));
    const size_t message_bytes = giro_hello_message(&hub->chain_id, &answer.header, message);
    answer.header.signature = giro_sign(hub->batch_secrets[3], message, message_bytes);
    uint8_t bytes[sizeof(answer)];
    struct giro_writer writer;
    giro_writer_init(&writer, bytes, sizeof(bytes));
    if (!giro_hello_encode(&answer, &writer))
        hub_fail(hub, "drill: the answer does not fit");
    hub_send_forged(hub, 3, 0, GIRO_KIND_HELLO, bytes, writer.offset);
    hub_deliver_all(hub,
                    10000); /* before the honest answers: their questions are still on the way */
    const struct giro_consensus_status status = hub_status(hub, 0);
    if (!hub->failed && (status.observer || status.starting))
        hub_fail(hub, "hello: replica 0 was talked out of signing");
    if (!hub->failed && status.rejects[GIRO_REJECT_SIGNATURE] == 0)
        hub_fail(hub, "drill: replica 0 did not hear the made-up vote");
}

/* ---- A leader whose clock is wrong costs a round, not the chain ------------------------------------------------------- */

static void leader_with_a_wrong_clock_costs_a_round(struct hub *hub, void *context)
{
    (void)context;
    hub->nodes[2].skew_ns = (int64_t)(120 * GIRO_NS_PER_S);
    run_for(hub, 3);
    const uint64_t until_ns = hub->now_ns + GIRO_NS_PER_S;
    while (!hub->failed && hub_deliver_all(hub, 10000) && hub_wake(hub, until_ns))
        continue;
    for (uint32_t i = 0; i < 4; i++) {
        if (!hub->failed && hub->nodes[i].executed == 0)
            hub_fail(hub, "progress: replica %u executed nothing though three clocks agree", i);
    }
}

/* ---- What was executed is remembered until block time says it expired, whatever the own clock says ----------------- */

static void hear(struct hub *hub, uint32_t instance, const struct giro_peer_envelope *envelope,
                 const uint8_t *body)
{
    (void)instance;
    forge_listen(hub->context, envelope, body);
}

static void leaders_set(uint64_t from, uint8_t first, uint8_t second)
{
    for (uint64_t round = from; round < HUB_ROUNDS_MAX; round++)
        twins_leaders[round] = round % 2 == 0 ? first : second;
}

static void executed_batch_is_remembered_though_the_clock_ran_ahead(struct hub *hub, void *context)
{
    static struct forge forge;
    struct giro_prng prng;
    (void)context;
    giro_prng_init(&prng, 1);
    hub->dishonest = 1u << 3;
    forge_open(&forge, hub, 3, &prng);
    hub->listen = hear;
    hub->context = &forge;
    leaders_set(1, 0, 1);
    run_for(hub, 2);
    /* Six times the time to live: what is executed is remembered for three of block time. */
    hub->nodes[2].skew_ns = (int64_t)(360 * GIRO_NS_PER_S);
    run_for(hub, 2);
    hub->nodes[2].skew_ns = 0;
    const uint64_t round = hub_round(hub, 2);
    leaders_set(round, 3, 3);
    if (!hub->failed && !forge_repeat(&forge, 2))
        hub_fail(hub, "drill: nothing was executed before round %lu", (unsigned long)round);
    hub_deliver_all(hub, 10000);
    hub->listen = NULL;
}

/* ---- Who learns of a certificate above its own blocks does not propose below it ------------------------------------- */

/* To replica 3 come commit votes only, and from it nothing; later batches, too. */
static bool batch_kind(uint16_t kind)
{
    return kind == GIRO_KIND_BATCH || kind == GIRO_KIND_BATCH_ACK || kind == GIRO_KIND_BATCH_PROOF;
}

static bool only_commit_votes_to_the_last(struct hub *hub, const struct hub_message *message)
{
    const bool *const batches_pass = hub->context;
    return (message->from != 3 && message->to != 3) ||
           (message->to == 3 && message->kind == GIRO_KIND_COMMIT_VOTE) ||
           (*batches_pass && batch_kind(message->kind));
}

static void certified_above_the_own_blocks(struct hub *hub, void *context)
{
    bool batches_pass = false;
    (void)context;
    leaders_set(1, 0, 1);
    twins_leaders[1] = 3; /* which is cut off: the others leave the round by a TC */
    hub->filter = only_commit_votes_to_the_last;
    hub->context = &batches_pass;
    const uint64_t until_ns = hub->now_ns + GIRO_NS_PER_S;
    for (uint32_t i = 0; i < 6 && !hub->failed; i++) {
        hub_pay(hub, i % 3);
        while (!hub->failed && hub_deliver_all(hub, 10000) && hub_wake(hub, until_ns))
            continue;
    }
    if (hub_status(hub, 3).certified_height == 0 || hub_status(hub, 3).round != 1)
        hub_fail(hub, "drill: replica 3 is not behind a certificate it knows");
    batches_pass = true;
    hub_pay(hub, 3);
    hub_deliver_all(hub, 10000);
    if (!hub->failed && giro_consensus_own_in_flight(hub->nodes[3].core) > 0)
        hub_fail(hub, "drill: replica 3 has nothing to propose");
    hub->filter = NULL;
    hub_heals(hub, 2, 60 * GIRO_NS_PER_S);
}

/* ---- A QC shown to one replica alone: it has nothing left to do, and goes on for the others --------------------------- */

/* Replica 3 hides the QC of round 2, times out round 3 as if it had none, and falls silent; what replica 1 knows of that QC is
 * lost on the way until the others are past it. */
static bool one_sees_the_commit(struct hub *hub, const struct hub_message *message)
{
    (void)hub;
    if (message->from == 3 && (message->kind == GIRO_KIND_PROPOSAL ||
                               message->kind == GIRO_KIND_VOTE || message->round > 3))
        return false;
    if (message->from == 1 && message->round == 3 && !batch_kind(message->kind))
        return false;
    return message->kind != GIRO_KIND_VOTE || message->round != 2;
}

static void commit_shown_to_one_replica(struct hub *hub, void *context)
{
    static struct forge forge;
    struct giro_prng prng;
    (void)context;
    giro_prng_init(&prng, 1);
    hub->dishonest = 1u << 3;
    forge_open(&forge, hub, 3, &prng);
    hub->listen = hear;
    hub->context = &forge;
    for (uint64_t round = 1; round < HUB_ROUNDS_MAX; round++)
        twins_leaders[round] = round % 4;
    hub->filter = one_sees_the_commit;
    hub_pay(hub, 0);
    const uint64_t until_ns = hub->now_ns + 20 * GIRO_NS_PER_S;
    bool shown = false;
    while (!hub->failed && hub_deliver_all(hub, 10000)) {
        if (!shown && hub_round(hub, 1) == 3)
            shown = forge_extend(&forge, 1, 2);
        else if (!hub_wake(hub, until_ns))
            break;
    }
    hub->listen = NULL;
    if (!hub->failed && (!shown || hub->nodes[1].executed == 0))
        hub_fail(hub, "drill: replica 1 was not shown the QC of round 2");
    for (uint32_t i = 0; i < 3; i += 2) {
        if (!hub->failed && hub->nodes[i].executed == 0)
            hub_fail(hub, "progress: replica %u never commits what replica 1 did", i);
    }
}

/* ---- All killed at any moment of the first rounds: the rest goes on by itself --------------------------------------------- */

static void all_killed_at_any_moment(struct hub *hub, void *context)
{
    (void)context;
    for (uint32_t moment = 0; moment < 40 && !hub->failed; moment++) {
        hub_pay(hub, moment % 4);
        for (uint32_t k = 0; k < moment && hub->message_count > 0; k++)
            hub_deliver(hub, 0);
        for (uint32_t i = 0; i < 4; i++)
            hub_kill(hub, i, HUB_RECORDS_MAX, 3);
        while (hub->message_count > 0)
            hub_drop(hub, 0);
        for (uint32_t i = 0; i < 4; i++)
            hub_start(hub, i);
        hub_heals(hub, 1, 60 * GIRO_NS_PER_S);
    }
}

const struct drill drills[] = {
    {"stored_votes_are_sent_again", stored_votes_are_sent_again},
    {"rolled_back_file_does_not_sign", rolled_back_file_does_not_sign},
    {"leader_with_a_wrong_clock_costs_a_round", leader_with_a_wrong_clock_costs_a_round},
    {"executed_batch_is_remembered_though_the_clock_ran_ahead",
     executed_batch_is_remembered_though_the_clock_ran_ahead},
    {"certified_above_the_own_blocks", certified_above_the_own_blocks},
    {"commit_shown_to_one_replica", commit_shown_to_one_replica},
    {"all_killed_at_any_moment", all_killed_at_any_moment},
    {"made_up_signatures_stop_nobody", made_up_signatures_stop_nobody},
};
const uint32_t drill_count = sizeof(drills) / sizeof(drills[0]);

void drill_run(struct hub *hub, const struct drill *drill)
{
    hub_reset(hub);
    twins_leaders_clear();
    hub_guard(hub, drill->run, NULL);
    hub->filter = NULL;
    hub->listen = NULL;
    hub->context = NULL;
}
