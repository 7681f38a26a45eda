/* The question of a start: only what the asker's own keys signed, and its record does not know, makes an observer. */
#include <criterion/criterion.h>

#include "unit/consensus_core_net.h"

#define ASKER    1u
#define STRANGER 3u /* whose keys forge */

static bool no_answers(struct net *net, struct net_message *message)
{
    uint16_t kind;
    (void)net;
    memcpy(&kind, message->bytes + 12, sizeof(kind));
    return kind != GIRO_KIND_HELLO;
}

static void run_some(struct net *net)
{
    net_start_all(net);
    net_run(net, 250 * MS);
    for (uint64_t i = 0; i < 5; i++) {
        net_pay(net, 0, i + 1);
        net_run(net, 100 * MS);
    }
}

/* A hub that has voted, its replica ASKER started again, and no answer but those a test makes. */
static struct net *asking(void)
{
    struct net *net = net_new(4);
    run_some(net);
    net_kill(net, ASKER);
    net->filter = no_answers;
    net_start(net, ASKER);
    net_deliver(net);
    cr_assert(net_status(net, ASKER).starting);
    return net;
}

/* ---- Answers made by hand -------------------------------------------------------------------------------- */

enum part { NOTHING, VOTE, OTHER_BLOCK, TIMEOUT, START, OTHER_START };
struct row {
    const char *name;
    enum part part;
    int64_t above; /* of what the record knows: rounds, or incarnations */
    uint32_t signer;
    uint64_t epoch; /* that is signed for */
    bool observer;
    enum giro_reject reject;
};
static const struct row rows[] = {
    {"nothing", NOTHING, 0, ASKER, 1, false, GIRO_REJECT_NONE},
    {"a vote above", VOTE, 1, ASKER, 1, true, GIRO_REJECT_NONE},
    {"a vote far above", VOTE, 1 << 20, ASKER, 1, true, GIRO_REJECT_NONE},
    {"the last vote", VOTE, 0, ASKER, 1, false, GIRO_REJECT_NONE},
    {"a vote below", VOTE, -1, ASKER, 1, false, GIRO_REJECT_NONE},
    {"another vote of the last round", OTHER_BLOCK, 0, ASKER, 1, true, GIRO_REJECT_NONE},
    {"a vote above, forged", VOTE, 1, STRANGER, 1, false, GIRO_REJECT_SIGNATURE},
    {"another vote of the last round, forged", OTHER_BLOCK, 0, STRANGER, 1, false,
     GIRO_REJECT_SIGNATURE},
    {"a vote of another epoch", VOTE, 1, ASKER, 2, false, GIRO_REJECT_EPOCH},
    {"a timeout above", TIMEOUT, 1, ASKER, 1, true, GIRO_REJECT_NONE},
    {"a timeout above, forged", TIMEOUT, 1, STRANGER, 1, false, GIRO_REJECT_SIGNATURE},
    {"a timeout of another epoch", TIMEOUT, 1, ASKER, 2, false, GIRO_REJECT_EPOCH},
    {"a later start", START, 1, ASKER, 1, true, GIRO_REJECT_NONE},
    {"this start under another nonce", OTHER_START, 0, ASKER, 1, true, GIRO_REJECT_NONE},
    {"this very question", START, 0, ASKER, 1, false, GIRO_REJECT_NONE},
    {"an earlier start", OTHER_START, -1, ASKER, 1, false, GIRO_REJECT_NONE},
    {"a later start, forged", START, 1, STRANGER, 1, false, GIRO_REJECT_SIGNATURE},
    {"another nonce, forged", OTHER_START, 0, STRANGER, 1, false, GIRO_REJECT_SIGNATURE},
    {"a later start in another epoch", START, 1, ASKER, 2, false, GIRO_REJECT_EPOCH},
};

static struct giro_signature hello_sign(const struct net *net, uint32_t signer,
                                        const struct giro_hello_header *header)
{
    uint8_t message[GIRO_HELLO_MESSAGE_BYTES];
    const size_t message_bytes = giro_hello_message(&net->chain_id, header, message);
    return giro_sign(net->nodes[signer].batch_key, message, message_bytes);
}

static void vote_put(const struct net *net, const struct row *row, struct giro_hello *hello)
{
    uint8_t message[GIRO_VOTE_MESSAGE_BYTES];
    struct giro_vote *const vote = &hello->vote;
    *vote = net->nodes[ASKER].safety.last_vote;
    vote->epoch = row->epoch;
    vote->round = (uint64_t)((int64_t)vote->round + row->above);
    vote->parent_round = vote->round - 1;
    vote->block_id.bytes[0] ^= row->part == OTHER_BLOCK;
    const struct giro_qc_header fields = {.epoch = vote->epoch,
                                          .round = vote->round,
                                          .parent_round = vote->parent_round,
                                          .block_id = vote->block_id,
                                          .commit_id = vote->commit_id};
    const size_t message_bytes = giro_vote_message(&net->chain_id, &fields, message);
    vote->signature = giro_sign(net->nodes[row->signer].vote_key, message, message_bytes);
    hello->header.parts = GIRO_HELLO_VOTE;
}

static void timeout_put(const struct net *net, const struct row *row, struct giro_hello *hello)
{
    uint8_t message[GIRO_TIMEOUT_MESSAGE_BYTES];
    const uint64_t round = net->nodes[ASKER].safety.last_timeout_round + (uint64_t)row->above;
    const size_t message_bytes =
        giro_timeout_message(&net->chain_id, row->epoch, round, round - 1, message);
    hello->timeout = (struct giro_timeout_header){
        .head = giro_head_make(GIRO_KIND_TIMEOUT),
        .epoch = row->epoch,
        .round = round,
        .high_qc_round = round - 1,
        .voter = ASKER,
        .signature = giro_sign(net->nodes[row->signer].vote_key, message, message_bytes)};
    hello->header.parts = GIRO_HELLO_TIMEOUT;
}

static void start_put(const struct net *net, const struct row *row, struct giro_hello *hello)
{
    struct giro_hello_header *const question = &hello->question;
    *question = hello->header;
    question->answerer = ASKER;
    question->answer = 0;
    question->epoch = row->epoch;
    question->incarnation = (uint64_t)((int64_t)question->incarnation + row->above);
    question->nonce[0] ^= row->part == OTHER_START;
    question->signature = hello_sign(net, row->signer, question);
    hello->header.parts = GIRO_HELLO_QUESTION;
}

/* The answer of `from`, with what the row says in it. */
static void answer(struct net *net, uint16_t from, const struct row *row)
{
    const struct net_node *const asker = &net->nodes[ASKER];
    struct giro_hello hello = {.header = {.head = giro_head_make(GIRO_KIND_HELLO),
                                          .epoch = 1,
                                          .incarnation = asker->safety.incarnation,
                                          .subject = ASKER,
                                          .answerer = from,
                                          .answer = 1}};
    memcpy(hello.header.nonce, asker->options.nonce, sizeof(hello.header.nonce));
    if (row->part == VOTE || row->part == OTHER_BLOCK)
        vote_put(net, row, &hello);
    else if (row->part == TIMEOUT)
        timeout_put(net, row, &hello);
    else if (row->part != NOTHING)
        start_put(net, row, &hello);
    hello.header.signature = hello_sign(net, from, &hello.header);
    uint8_t body[sizeof(hello)], bytes[sizeof(hello) + 64];
    struct giro_writer writer;
    giro_writer_init(&writer, body, sizeof(body));
    cr_assert(giro_hello_encode(&hello, &writer));
    net->filter = NULL;
    net_message(net, from, ASKER, bytes,
                net_wrap(net, from, GIRO_KIND_HELLO, body, writer.offset, bytes));
    net_deliver(net);
    net->filter = no_answers;
}

Test(consensus_hello, only_what_the_own_keys_signed_above_the_record_makes_an_observer)
{
    for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *const row = &rows[i];
        struct net *net = asking();
        const uint32_t signs = net->nodes[ASKER].signs;
        const uint64_t refused = net_status(net, ASKER).rejects[row->reject];
        answer(net, 0, row);
        struct giro_consensus_status status = net_status(net, ASKER);
        cr_assert(status.observer == row->observer, "%s", row->name);
        cr_assert(status.starting, "%s: one answer is not enough", row->name);
        if (row->reject != GIRO_REJECT_NONE) {
            cr_assert(status.rejects[row->reject] == refused + 1, "%s", row->name);
            answer(net, 2, &rows[0]);
            cr_assert(net_status(net, ASKER).starting, "%s: the forged one counts", row->name);
            answer(net, 0, &rows[0]); /* the question was asked again, and now it says nothing */
        } else {
            answer(net, 2, &rows[0]);
        }
        status = net_status(net, ASKER);
        cr_assert(!status.starting && status.observer == row->observer, "%s", row->name);
        net->filter = NULL;
        net_pay(net, 0, 100);
        net_run(net, GIRO_NS_PER_S);
        cr_assert((net->nodes[ASKER].signs > signs) == !row->observer, "%s", row->name);
        net_check(net);
        net_free(net);
    }
}

/* Those who answer after the q - 1 first are listened to as well. */
Test(consensus_hello, a_proof_that_comes_late_ends_the_signing)
{
    for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *const row = &rows[i];
        struct net *net = asking();
        answer(net, 0, &rows[0]);
        answer(net, 2, &rows[0]);
        cr_assert(!net_status(net, ASKER).starting && !net_status(net, ASKER).observer);
        answer(net, 3, row);
        const uint32_t signs = net->nodes[ASKER].signs;
        cr_assert(net_status(net, ASKER).observer == row->observer, "%s", row->name);
        net->filter = NULL;
        net_pay(net, 0, 100);
        net_run(net, GIRO_NS_PER_S);
        cr_assert((net->nodes[ASKER].signs > signs) == !row->observer, "%s", row->name);
        net_check(net);
        net_free(net);
    }
}

/* ---- What a real answer brings ----------------------------------------------------------------------------- */

static struct giro_hello heard;

static bool listening(struct net *net, struct net_message *message)
{
    struct giro_hello hello;
    struct giro_reader reader;
    uint16_t kind;
    memcpy(&kind, message->bytes + 12, sizeof(kind));
    giro_reader_init(&reader, message->bytes + 64, message->size_bytes - 64);
    if (kind != GIRO_KIND_HELLO || message->to != ASKER)
        return true;
    cr_assert(giro_hello_decode(&reader, net->count, &hello) == GIRO_REJECT_NONE);
    if (hello.header.answer == 1 && message->from == 0)
        heard = hello;
    return true;
}

/* Votes reach replica 0 from ASKER only: no quorum needs them there. */
static bool lonely_votes(struct net *net, struct net_message *message)
{
    uint16_t kind;
    (void)net;
    memcpy(&kind, message->bytes + 12, sizeof(kind));
    return kind != GIRO_KIND_VOTE || (message->from == ASKER && message->to == 0);
}

Test(consensus_hello, an_answer_brings_the_last_vote_even_if_no_quorum_needed_it)
{
    struct net *net = net_new(4);
    run_some(net);
    net->filter = lonely_votes;
    net_pay(net, 0, 50);
    net_run(net, 10 * MS); /* less than a round timer */
    const struct giro_vote last = net->nodes[ASKER].safety.last_vote;
    cr_assert(last.round > net_status(net, 0).high_qc_round, "the round has no QC");
    net_kill(net, ASKER);
    net_drop_all(net);
    net->filter = listening;
    net_start(net, ASKER);
    net_deliver(net);
    cr_assert((heard.header.parts & GIRO_HELLO_VOTE) != 0);
    cr_assert(heard.vote.round == last.round &&
              giro_hash_equal(&heard.vote.block_id, &last.block_id));
    cr_assert((heard.header.parts & GIRO_HELLO_QUESTION) == 0, "it saw no other start above");
    cr_assert(!net_status(net, ASKER).observer && !net_status(net, ASKER).starting);
    net_check(net);
    net_free(net);
}

Test(consensus_hello, an_answer_brings_the_last_timeout_and_a_later_start)
{
    struct net *net = net_new(4);
    run_some(net);
    struct giro_safety_state old = net->nodes[ASKER].safety;
    net_kill(net, 2);
    for (uint64_t i = 0; i < 6; i++) { /* replica 2 leads one of four rounds */
        net_pay(net, 0, 50 + i);
        net_run(net, GIRO_NS_PER_S);
    }
    const struct giro_timeout_header last = net->nodes[ASKER].safety.last_timeout;
    cr_assert(last.round > old.last_timeout_round, "there was a timeout");
    net_kill(net, ASKER);
    for (uint32_t i = 0; i < 2;
         i++) { /* the copy of its safety file does not know these starts either */
        net_start(net, ASKER);
        net_run(net, 250 * MS);
        net_kill(net, ASKER);
    }
    net->nodes[ASKER].safety = old;
    net->filter = listening;
    net_start(net, ASKER);
    net_deliver(net);
    cr_assert(heard.header.parts == (GIRO_HELLO_QUESTION | GIRO_HELLO_VOTE | GIRO_HELLO_TIMEOUT));
    cr_assert(heard.timeout.round >= last.round);
    cr_assert(heard.question.incarnation >= old.incarnation + 1);
    cr_assert(net_status(net, ASKER).observer);
    net_check(net);
    net_free(net);
}
