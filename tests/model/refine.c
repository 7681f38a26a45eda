/* The model and the real core give the same verdict: every vote and timeout rule input in a small range is put to one real
 * replica (core, safety module, both freshly started from a log and a safety file that say what the case says), and what it
 * signs is compared with the model's predicate. Everything it gets is signed with the others' keys.
 *
 * What the model leaves to the network is spelled out here: a core votes and times out in its current round only, which is
 * the highest that the certificates it was given start. */
#include <stdlib.h>
#include <string.h>

#include "consensus/safety_slots.h"
#include "model/model.h"
#include "twins/hub.h"
#include "twins/twins.h"

#define AUTHOR   1u
#define QUORUM   3u
#define PARENTS  64u
#define ROUNDS   5u
#define QC_MAX   3u
#define LAG_BASE 30u /* blocks below, so that the one voted on has height 32 */

struct certified { /* a block in the log of the replica asked, and its QC */
    struct giro_hash id;
    struct giro_qc qc;
    uint64_t height;
};
struct vote_case {
    struct model_proposal proposal; /* rounds above those of the blocks below */
    uint64_t last_voted_round;
    uint32_t below; /* blocks below the parent */
};
struct timeout_case {
    uint64_t round, high_qc_round, last_voted_round, last_timeout_round, lock_round;
};

static struct hub *hub;
static struct hub_record records[PARENTS];
static uint32_t record_count;

/* ---- Forging ------------------------------------------------------------------------------------------------------ */

static struct giro_qc genesis_qc(void)
{
    return (struct giro_qc){.header = {.head = giro_head_make(GIRO_KIND_QC),
                                       .epoch = 1,
                                       .block_id = hub->genesis_id,
                                       .scheme = GIRO_SCHEME_ED25519}};
}

static struct giro_qc qc_make(const struct giro_hash *id, uint64_t round,
                              const struct giro_qc *parent)
{
    struct giro_qc qc = genesis_qc();
    uint8_t message[GIRO_VOTE_MESSAGE_BYTES];
    qc.header.round = round;
    qc.header.parent_round = parent->header.round;
    qc.header.block_id = *id;
    qc.header.signer_count = QUORUM;
    if (round == parent->header.round + 1)
        qc.header.commit_id = parent->header.block_id;
    const size_t size_bytes = giro_vote_message(&hub->chain_id, &qc.header, message);
    for (uint32_t i = 0; i < QUORUM; i++) {
        giro_bitmap_set(qc.header.bitmap, i + 1);
        qc.signatures[i] = giro_sign(hub->vote_secrets[i + 1], message, size_bytes);
    }
    return qc;
}

static struct giro_tc tc_make(uint64_t round, const struct giro_qc *high_qc)
{
    struct giro_tc tc = {.header = {.head = giro_head_make(GIRO_KIND_TC),
                                    .epoch = 1,
                                    .round = round,
                                    .scheme = GIRO_SCHEME_ED25519,
                                    .signer_count = QUORUM},
                         .high_qc = *high_qc};
    uint8_t message[GIRO_TIMEOUT_MESSAGE_BYTES];
    const size_t size_bytes =
        giro_timeout_message(&hub->chain_id, 1, round, high_qc->header.round, message);
    for (uint32_t i = 0; i < QUORUM; i++) {
        giro_bitmap_set(tc.header.bitmap, i + 1);
        tc.high_qc_rounds[i] = high_qc->header.round;
        tc.signatures[i] = giro_sign(hub->vote_secrets[i + 1], message, size_bytes);
    }
    return tc;
}

/* A proof of availability by replicas 1, 2 and 3; returns its size. */
static uint32_t proof_make(struct giro_batch_reference *reference, uint8_t *bytes, size_t bytes_max)
{
    struct giro_batch_ack acks[QUORUM];
    struct giro_batch_proof_header header = {.head = giro_head_make(GIRO_KIND_BATCH_PROOF),
                                             .scheme = GIRO_SCHEME_ED25519,
                                             .signer_count = QUORUM};
    *reference =
        (struct giro_batch_reference){.expiry_ns = HUB_WALL_NS + hub->now_ns + 30 * GIRO_NS_PER_S,
                                      .size_bytes = 236,
                                      .frame_count = 1,
                                      .record_count = 1,
                                      .author = AUTHOR,
                                      .sequence = 1};
    memset(&reference->batch_id, 0x77, sizeof(reference->batch_id));
    header.reference = *reference;
    for (uint32_t i = 0; i < QUORUM; i++) {
        uint8_t message[GIRO_BATCH_ACK_MESSAGE_BYTES_MAX];
        acks[i] = (struct giro_batch_ack){.header = {.head = giro_head_make(GIRO_KIND_BATCH_ACK),
                                                     .epoch = 1,
                                                     .expiry_ns = reference->expiry_ns,
                                                     .voter = (uint16_t)(i + 1),
                                                     .id_count = 1},
                                          .ids = {reference->batch_id}};
        const size_t size_bytes = giro_batch_ack_message(&hub->chain_id, &acks[i], message);
        acks[i].signature = giro_sign(hub->batch_secrets[i + 1], message, size_bytes);
        giro_bitmap_set(header.bitmap, i + 1);
    }
    struct giro_writer writer;
    giro_writer_init(&writer, bytes, bytes_max);
    const bool encoded = giro_batch_proof_encode(&header, acks, &writer);
    GIRO_ASSERT(encoded);
    return (uint32_t)writer.offset;
}

/* A proposal of AUTHOR; returns its size. proofs: 0 none, 1 a good one, 2 a broken one. */
static uint32_t proposal_make(uint64_t round, uint64_t height, const struct giro_qc *qc,
                              const struct giro_tc *tc, uint32_t proofs, uint8_t *bytes,
                              size_t bytes_max, struct giro_hash *id)
{
    static uint8_t proof[4096];
    struct giro_batch_reference reference;
    const uint8_t *const all[1] = {proof};
    uint32_t sizes[1] = {0};
    struct giro_block_header header = {.head = giro_head_make(GIRO_KIND_BLOCK),
                                       .chain_id = hub->chain_id,
                                       .epoch = 1,
                                       .round = round,
                                       .height = height,
                                       .parent_id = qc->header.block_id,
                                       .time_ns = HUB_WALL_NS + hub->now_ns + 2000 * height,
                                       .author = AUTHOR,
                                       .reference_count = proofs > 0};
    if (proofs > 0)
        sizes[0] = proof_make(&reference, proof, sizeof(proof));
    if (proofs == 2)
        proof[sizes[0] - 3] ^= 1;
    struct giro_writer writer;
    uint8_t message[GIRO_PROPOSAL_MESSAGE_BYTES];
    giro_writer_init(&writer, bytes, bytes_max);
    const bool encoded =
        giro_proposal_encode(&header, &reference, all, sizes, qc, tc, NULL, &writer, id);
    GIRO_ASSERT(encoded);
    const size_t message_bytes = giro_proposal_message(&hub->chain_id, 1, id, message);
    const struct giro_signature signature =
        giro_sign(hub->batch_secrets[AUTHOR], message, message_bytes);
    giro_writer_put(&writer, &signature, sizeof(signature));
    return (uint32_t)writer.offset;
}

/* ---- One replica, as the case says ------------------------------------------------------------------------------------ */

static void record_add(uint16_t kind, const struct giro_hash *id, uint64_t height,
                       const uint8_t *bytes, uint32_t size_bytes)
{
    GIRO_ASSERT(record_count < PARENTS);
    records[record_count++] = (struct hub_record){.kind = kind,
                                                  .key = *id,
                                                  .height = height,
                                                  .bytes = hub_keep(hub, bytes, size_bytes),
                                                  .size_bytes = size_bytes};
}

/* A block of that round on top of parent, into the log. The round before it timed out, unless it follows at once. */
static struct certified block_log(const struct certified *parent, uint64_t round)
{
    static uint8_t bytes[1 << 16];
    struct certified block = {.height = parent->height + 1};
    const struct giro_tc tc = tc_make(round - 1, &parent->qc);
    const bool follows = round == parent->qc.header.round + 1;
    const uint32_t size_bytes = proposal_make(
        round, block.height, &parent->qc, follows ? NULL : &tc, 0, bytes, sizeof(bytes), &block.id);
    record_add(GIRO_LOG_BLOCK_RECORD, &block.id, block.height, bytes, size_bytes);
    block.qc = qc_make(&block.id, round, &parent->qc);
    return block;
}

/* Blocks of rounds 2, 4, 6 and so on: certified, and none of them committed by that. */
static struct certified below_log(uint32_t count)
{
    struct certified top = {.id = hub->genesis_id, .qc = genesis_qc()};
    for (uint32_t i = 1; i <= count; i++)
        top = block_log(&top, 2 * i);
    return top;
}

static void safety_write(const struct giro_safety_state *state)
{
    struct giro_safety_slot slot = {.head = giro_head_make(GIRO_KIND_SAFETY_SLOT),
                                    .chain_id = hub->chain_id,
                                    .sequence = 1,
                                    .epoch = 1,
                                    .last_voted_round = state->last_voted_round,
                                    .lock_round = state->lock_round,
                                    .last_timeout_round = state->last_timeout_round,
                                    .incarnation = 3};
    giro_safety_slot_checksum(&slot, slot.checksum);
    uint8_t *const file = hub->nodes[0].disk.file;
    memset(file, 0, HUB_SAFETY_BYTES);
    for (uint32_t copy = 0; copy < 2; copy++)
        memcpy(giro_safety_slot_at(file, 1, copy), &slot, sizeof(slot));
}

static void hello_answers(void)
{
    const struct hub_node *const node = &hub->nodes[0];
    for (uint16_t i = 1; i < QUORUM; i++) {
        struct giro_hello_header answer = {.head = giro_head_make(GIRO_KIND_HELLO),
                                           .epoch = 1,
                                           .incarnation = 4, /* the start made it one more */
                                           .answerer = i,
                                           .answer = 1};
        uint8_t message[GIRO_HELLO_MESSAGE_BYTES];
        memcpy(answer.nonce, node->options.nonce, sizeof(answer.nonce));
        const size_t size_bytes = giro_hello_message(&hub->chain_id, &answer, message);
        answer.signature = giro_sign(hub->batch_secrets[i], message, size_bytes);
        hub_send_forged(hub, i, 0, GIRO_KIND_HELLO, &answer, sizeof(answer));
    }
    hub_deliver_all(hub, 100);
}

static void replica_start(const struct giro_safety_state *state)
{
    struct hub_node *const node = &hub->nodes[0];
    hub_kill(hub, 0, 0, 0);
    safety_write(state);
    memcpy(node->records, records, record_count * sizeof(records[0]));
    node->record_count = record_count;
    hub_start(hub, 0);
    hello_answers();
    GIRO_ASSERT(!hub_status(hub, 0).starting && !hub_status(hub, 0).observer);
}

/* ---- What it signs ------------------------------------------------------------------------------------------------------ */

static struct {
    struct giro_hash block;
    uint64_t round;
    bool voted, timed_out;
} heard;

static void hear(struct hub *from, uint32_t instance, const struct giro_peer_envelope *envelope,
                 const uint8_t *body)
{
    struct giro_vote vote;
    struct giro_timeout_header timeout;
    (void)from;
    (void)instance;
    if (envelope->body_kind == GIRO_KIND_VOTE) {
        memcpy(&vote, body, sizeof(vote));
        heard.voted |= giro_hash_equal(&vote.block_id, &heard.block);
    } else if (envelope->body_kind == GIRO_KIND_TIMEOUT) {
        memcpy(&timeout, body, sizeof(timeout));
        heard.timed_out |= timeout.round == heard.round;
    }
}

static void case_begin(void)
{
    hub_reset(hub);
    memset(&heard, 0, sizeof(heard));
    record_count = 0;
    for (uint64_t round = 0; round < HUB_ROUNDS_MAX; round++)
        twins_leaders[round] = AUTHOR;
}

static bool core_votes(const struct vote_case *c)
{
    static uint8_t bytes[1 << 17];
    const struct model_proposal *const p = &c->proposal;
    const uint64_t base = 2 * c->below;
    case_begin();
    const struct certified below = below_log(c->below);
    struct certified parent = below;
    if (p->qc_round > 0)
        parent = block_log(&below, base + p->qc_round);
    const struct giro_safety_state safety = {
        .last_voted_round = c->last_voted_round == 0 ? 0 : base + c->last_voted_round};
    replica_start(&safety);
    /* The high QC of the TC is for any block of its round. */
    struct giro_qc high = p->tc_high_qc_round == p->qc_round ? parent.qc : below.qc;
    if (p->tc_high_qc_round > 0 && p->tc_high_qc_round != p->qc_round) {
        struct giro_hash other = below.id;
        other.bytes[5] ^= (uint8_t)p->tc_high_qc_round;
        high = qc_make(&other, base + p->tc_high_qc_round, &below.qc);
    }
    const struct giro_tc tc = tc_make(base + p->tc_round, &high);
    const uint32_t proofs = !p->has_payload ? 0 : p->proofs_valid ? 1 : 2;
    const uint32_t size_bytes =
        proposal_make(base + p->round, parent.height + 1, &parent.qc, p->has_tc ? &tc : NULL,
                      proofs, bytes, sizeof(bytes), &heard.block);
    hub_send_forged(hub, AUTHOR, 0, GIRO_KIND_PROPOSAL, bytes, size_bytes);
    hub_deliver_all(hub, 100);
    return heard.voted;
}

static void timeout_send(uint16_t voter, uint64_t round, const struct giro_qc *high_qc)
{
    static struct giro_timeout timeout;
    static uint8_t body[sizeof(struct giro_timeout)];
    memset(&timeout, 0, sizeof(timeout));
    timeout.header = (struct giro_timeout_header){.head = giro_head_make(GIRO_KIND_TIMEOUT),
                                                  .epoch = 1,
                                                  .round = round,
                                                  .high_qc_round = high_qc->header.round,
                                                  .voter = voter};
    timeout.high_qc = *high_qc;
    if (high_qc->header.round + 1 != round) {
        timeout.header.has_last_tc = 1;
        timeout.last_tc = tc_make(round - 1, high_qc);
    }
    uint8_t message[GIRO_TIMEOUT_MESSAGE_BYTES];
    const size_t message_bytes =
        giro_timeout_message(&hub->chain_id, 1, round, high_qc->header.round, message);
    timeout.header.signature = giro_sign(hub->vote_secrets[voter], message, message_bytes);
    struct giro_writer writer;
    giro_writer_init(&writer, body, sizeof(body));
    const bool encoded = giro_timeout_encode(&timeout, &writer);
    GIRO_ASSERT(encoded);
    hub_send_forged(hub, voter, 0, GIRO_KIND_TIMEOUT, body, writer.offset);
}

/* Two others give the round up: f + 1, so an honest replica joins at once if its rule lets it. */
static bool core_times_out(const struct timeout_case *c)
{
    case_begin();
    struct certified top = {.id = hub->genesis_id, .qc = genesis_qc()};
    if (c->high_qc_round > 0)
        top = block_log(&top, c->high_qc_round);
    const struct giro_safety_state safety = {.last_voted_round = c->last_voted_round,
                                             .last_timeout_round = c->last_timeout_round,
                                             .lock_round = c->lock_round};
    heard.round = c->round;
    replica_start(&safety);
    timeout_send(1, c->round, &top.qc);
    timeout_send(2, c->round, &top.qc);
    hub_deliver_all(hub, 100);
    return heard.timed_out;
}

/* ---- All cases ----------------------------------------------------------------------------------------------------------- */

static uint64_t cases, yes, differences;

static void verdicts_compare(bool core, bool model, const char *text)
{
    cases++;
    yes += core;
    if (core == model)
        return;
    differences++;
    printf("the core %s, the model %s: %s\n", core ? "signs" : "does not sign",
           model ? "would" : "would not", text);
}

static void vote_compare(struct vote_case *c)
{
    char text[256];
    struct model_proposal *const p = &c->proposal;
    p->parent_height = c->below + (p->qc_round > 0);
    p->height = p->parent_height + 1;
    uint64_t current = p->qc_round + 1;
    if (p->has_tc && p->tc_round + 1 > current)
        current = p->tc_round + 1;
    const bool model = model_may_vote(MODEL_RIGHT, p, c->last_voted_round) && p->round == current;
    snprintf(
        text, sizeof(text),
        "block of round %lu, QC %lu, TC %lu (high QC %lu), last voted %lu, height %lu, payload %d, "
        "proof %d",
        (unsigned long)p->round, (unsigned long)p->qc_round,
        (unsigned long)(p->has_tc ? p->tc_round : 0), (unsigned long)p->tc_high_qc_round,
        (unsigned long)c->last_voted_round, (unsigned long)p->height, p->has_payload,
        p->proofs_valid);
    verdicts_compare(core_votes(c), model, text);
}

/* Every TC whose high QC is below it, or none. */
static void tcs_compare(struct vote_case *c)
{
    c->proposal.has_tc = false;
    c->proposal.tc_round = 1;
    c->proposal.tc_high_qc_round = 0;
    vote_compare(c);
    c->proposal.has_tc = true;
    for (uint64_t tc = 1; tc < ROUNDS; tc++) {
        for (uint64_t high = 0; high < tc && high <= QC_MAX; high++) {
            c->proposal.tc_round = tc;
            c->proposal.tc_high_qc_round = high;
            vote_compare(c);
        }
    }
}

static void votes_compare(uint32_t below, uint64_t voted_max)
{
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        for (uint64_t qc = 0; qc <= QC_MAX && qc < round; qc++) {
            for (uint64_t voted = 0; voted <= voted_max; voted++) {
                for (uint32_t payload = 0; payload < 3; payload++) {
                    struct vote_case c = {.proposal = {.round = round,
                                                       .qc_round = qc,
                                                       .has_payload = payload > 0,
                                                       .proofs_valid = payload == 1},
                                          .last_voted_round = voted,
                                          .below = below};
                    tcs_compare(&c);
                }
            }
        }
    }
}

static void timeouts_compare(void)
{
    for (uint64_t high = 0; high <= QC_MAX; high++) {
        for (uint64_t round = high + 1; round <= high + 3; round++) {
            for (uint64_t voted = 0; voted <= ROUNDS + 1; voted++) {
                for (uint64_t timeout = 0; timeout <= voted; timeout++) {
                    for (uint64_t lock = 0; lock == 0 || lock < voted; lock++) {
                        char text[160];
                        const struct timeout_case c = {round, high, voted, timeout, lock};
                        snprintf(text, sizeof(text),
                                 "timeout of round %lu, high QC %lu, last voted %lu, last timeout "
                                 "%lu, lock %lu",
                                 (unsigned long)round, (unsigned long)high, (unsigned long)voted,
                                 (unsigned long)timeout, (unsigned long)lock);
                        verdicts_compare(core_times_out(&c),
                                         model_may_time_out(round, high, voted, timeout, lock),
                                         text);
                    }
                }
            }
        }
    }
}

int main(void)
{
    const struct hub_options options = {
        .replica_count = 4, .instance_count = 1, .identities = {0}, .dishonest = 0xF};
    const enum giro_err err = giro_crypto_init();
    GIRO_ASSERT(err == GIRO_ERR_OK);
    twins_leaders_clear();
    hub = hub_new(&options);
    while (hub->message_count > 0)
        hub_drop(hub, 0);
    hub_freeze(hub);
    hub->listen = hear;
    votes_compare(0, ROUNDS);
    printf("votes: %lu cases, %lu voted for\n", (unsigned long)cases, (unsigned long)yes);
    votes_compare(LAG_BASE, 1);     /* heights 31 and 32 */
    votes_compare(LAG_BASE + 1, 1); /* 32 and 33: execution must catch up first */
    printf("with lag: %lu cases, %lu voted for\n", (unsigned long)cases, (unsigned long)yes);
    timeouts_compare();
    printf("with timeouts: %lu cases, %lu signed, %lu differences between model and core\n",
           (unsigned long)cases, (unsigned long)yes, (unsigned long)differences);
    hub_free(hub);
    return differences == 0 && yes > 0 && yes < cases ? 0 : 1;
}
