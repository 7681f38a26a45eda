#include "twins/forge.h"

#include <string.h>

/* ---- Hearing ------------------------------------------------------------------------------------------------------ */

static uint64_t below(struct forge *forge, uint64_t bound)
{
    return giro_prng_below(forge->prng, bound);
}

static uint32_t kept(uint32_t seen, uint32_t room)
{
    return seen < room ? seen : room;
}

static void qc_keep(struct forge *forge, const struct giro_qc *qc)
{
    for (uint32_t i = 0; i < kept(forge->qc_count, FORGE_QCS); i++) {
        if (giro_hash_equal(&forge->qcs[i].header.block_id, &qc->header.block_id))
            return;
    }
    /* Genesis stays: the oldest QC is the worst. */
    const uint32_t at =
        forge->qc_count < FORGE_QCS ? forge->qc_count : 1 + (forge->qc_count - 1) % (FORGE_QCS - 1);
    forge->qcs[at] = *qc;
    forge->qc_count++;
}

static void tc_keep(struct forge *forge, const struct giro_tc *tc)
{
    for (uint32_t i = 0; i < kept(forge->tc_count, FORGE_TCS); i++) {
        if (forge->tcs[i].header.round == tc->header.round &&
            forge->tcs[i].high_qc.header.round <= tc->high_qc.header.round)
            return;
    }
    forge->tcs[forge->tc_count++ % FORGE_TCS] = *tc;
}

static const struct giro_qc *qc_of_round(const struct forge *forge, uint64_t round)
{
    for (uint32_t i = 0; i < kept(forge->qc_count, FORGE_QCS); i++) {
        if (forge->qcs[i].header.round == round)
            return &forge->qcs[i];
    }
    return NULL;
}

/* A QC of q - 1 heard votes and the own one. */
static void qc_try(struct forge *forge, const struct forge_votes *votes)
{
    const struct hub *const hub = forge->hub;
    struct giro_qc qc = {.header = votes->fields};
    uint32_t signers = votes->voters | 1u << forge->identity, count = 0;
    uint8_t message[GIRO_VOTE_MESSAGE_BYTES];
    if ((uint32_t)__builtin_popcount(signers) < hub->quorum)
        return;
    const size_t message_bytes = giro_vote_message(&hub->chain_id, &votes->fields, message);
    struct giro_vote own = {.head = giro_head_make(GIRO_KIND_VOTE),
                            .epoch = 1,
                            .round = votes->fields.round,
                            .parent_round = votes->fields.parent_round,
                            .block_id = votes->fields.block_id,
                            .commit_id = votes->fields.commit_id,
                            .voter = (uint16_t)forge->identity};
    own.signature = giro_sign(hub->vote_secrets[forge->identity], message, message_bytes);
    watch_vote(forge->hub, &own);
    for (uint32_t i = 0; i < hub->options.replica_count && count < hub->quorum; i++) {
        if ((signers >> i & 1) == 0)
            continue;
        giro_bitmap_set(qc.header.bitmap, i);
        qc.signatures[count++] = i == forge->identity ? own.signature : votes->signatures[i];
    }
    qc.header.signer_count = (uint8_t)count;
    qc_keep(forge, &qc);
}

static void vote_hear(struct forge *forge, const struct giro_vote *vote)
{
    struct forge_votes *votes = NULL;
    for (uint32_t i = 0; i < kept(forge->vote_count, FORGE_VOTES) && votes == NULL; i++) {
        if (giro_hash_equal(&forge->votes[i].fields.block_id, &vote->block_id) &&
            giro_hash_equal(&forge->votes[i].fields.commit_id, &vote->commit_id))
            votes = &forge->votes[i];
    }
    if (votes == NULL) {
        votes = &forge->votes[forge->vote_count++ % FORGE_VOTES];
        *votes = (struct forge_votes){.fields = {.head = giro_head_make(GIRO_KIND_QC),
                                                 .epoch = vote->epoch,
                                                 .round = vote->round,
                                                 .parent_round = vote->parent_round,
                                                 .block_id = vote->block_id,
                                                 .commit_id = vote->commit_id,
                                                 .scheme = GIRO_SCHEME_ED25519}};
    }
    votes->voters |= 1u << vote->voter;
    votes->signatures[vote->voter] = vote->signature;
    qc_try(forge, votes);
}

/* A TC of q - 1 heard timeouts and the own one, which claims that it never saw a QC. */
static void tc_try(struct forge *forge, const struct forge_timeouts *timeouts)
{
    struct hub *const hub = forge->hub;
    const uint32_t signers = timeouts->voters | 1u << forge->identity;
    struct giro_tc tc = {.header = {.head = giro_head_make(GIRO_KIND_TC),
                                    .epoch = 1,
                                    .round = timeouts->round,
                                    .scheme = GIRO_SCHEME_ED25519}};
    struct giro_timeout_header own = {.head = giro_head_make(GIRO_KIND_TIMEOUT),
                                      .epoch = 1,
                                      .round = timeouts->round,
                                      .voter = (uint16_t)forge->identity};
    uint8_t message[GIRO_TIMEOUT_MESSAGE_BYTES];
    uint32_t count = 0;
    uint64_t highest = 0;
    if ((uint32_t)__builtin_popcount(signers) < hub->quorum)
        return;
    const size_t message_bytes =
        giro_timeout_message(&hub->chain_id, 1, timeouts->round, 0, message);
    own.signature = giro_sign(hub->vote_secrets[forge->identity], message, message_bytes);
    watch_timeout(hub, &own);
    for (uint32_t i = 0; i < hub->options.replica_count && count < hub->quorum; i++) {
        if ((signers >> i & 1) == 0)
            continue;
        const bool is_own = i == forge->identity;
        giro_bitmap_set(tc.header.bitmap, i);
        tc.high_qc_rounds[count] = is_own ? 0 : timeouts->high_qc_rounds[i];
        tc.signatures[count] = is_own ? own.signature : timeouts->signatures[i];
        if (tc.high_qc_rounds[count] > highest)
            highest = tc.high_qc_rounds[count];
        count++;
    }
    const struct giro_qc *const high_qc = qc_of_round(forge, highest);
    tc.header.signer_count = (uint8_t)count;
    if (count < hub->quorum || high_qc == NULL)
        return;
    tc.high_qc = *high_qc;
    tc_keep(forge, &tc);
}

static void timeout_hear(struct forge *forge, const struct giro_timeout_header *timeout)
{
    struct forge_timeouts *timeouts = NULL;
    for (uint32_t i = 0; i < kept(forge->timeout_count, FORGE_TIMEOUTS) && timeouts == NULL; i++) {
        if (forge->timeouts[i].round == timeout->round)
            timeouts = &forge->timeouts[i];
    }
    if (timeouts == NULL) {
        timeouts = &forge->timeouts[forge->timeout_count++ % FORGE_TIMEOUTS];
        *timeouts = (struct forge_timeouts){.round = timeout->round};
    }
    timeouts->voters |= 1u << timeout->voter;
    timeouts->high_qc_rounds[timeout->voter] = timeout->high_qc_round;
    timeouts->signatures[timeout->voter] = timeout->signature;
    tc_try(forge, timeouts);
}

static void proof_hear(struct forge *forge, const uint8_t *body, uint32_t size_bytes)
{
    struct giro_batch_proof_header header;
    if (size_bytes < sizeof(header) || size_bytes > sizeof(forge->proofs[0].bytes))
        return;
    memcpy(&header, body, sizeof(header));
    for (uint32_t i = 0; i < kept(forge->proof_count, FORGE_PROOFS); i++) {
        if (giro_hash_equal(&forge->proofs[i].reference.batch_id, &header.reference.batch_id))
            return;
    }
    struct forge_proof *const proof = &forge->proofs[forge->proof_count++ % FORGE_PROOFS];
    proof->reference = header.reference;
    proof->size_bytes = size_bytes;
    memcpy(proof->bytes, body, size_bytes);
}

static void proposal_hear(struct forge *forge, const uint8_t *body, uint32_t size_bytes)
{
    static struct giro_proposal proposal;
    if (giro_proposal_decode(body, size_bytes, forge->hub->options.replica_count, &proposal) !=
        GIRO_REJECT_NONE)
        return;
    qc_keep(forge, &proposal.qc);
    if (proposal.has_tc)
        tc_keep(forge, &proposal.tc);
}

void forge_listen(struct forge *forge, const struct giro_peer_envelope *envelope,
                  const uint8_t *body)
{
    const uint32_t size_bytes = envelope->size_bytes - (uint32_t)sizeof(*envelope);
    struct giro_vote vote;
    struct giro_timeout_header timeout;
    static struct giro_timeout whole;
    struct giro_reader reader;
    switch (envelope->body_kind) {
    case GIRO_KIND_VOTE:
        memcpy(&vote, body, sizeof(vote));
        vote_hear(forge, &vote);
        break;
    case GIRO_KIND_TIMEOUT:
        memcpy(&timeout, body, sizeof(timeout));
        giro_reader_init(&reader, body, size_bytes);
        if (giro_timeout_decode(&reader, forge->hub->options.replica_count, &whole) ==
            GIRO_REJECT_NONE)
            qc_keep(forge, &whole.high_qc);
        timeout_hear(forge, &timeout);
        break;
    case GIRO_KIND_PROPOSAL:
        proposal_hear(forge, body, size_bytes);
        break;
    case GIRO_KIND_BATCH_PROOF:
        proof_hear(forge, body, size_bytes);
        break;
    default:
        break;
    }
}

void forge_open(struct forge *forge, struct hub *hub, uint32_t identity, struct giro_prng *prng)
{
    memset(forge, 0, sizeof(*forge));
    forge->hub = hub;
    forge->identity = identity;
    forge->prng = prng;
    const struct giro_qc genesis = {.header = {.head = giro_head_make(GIRO_KIND_QC),
                                               .epoch = 1,
                                               .block_id = hub->genesis_id,
                                               .scheme = GIRO_SCHEME_ED25519}};
    qc_keep(forge, &genesis);
}

/* ---- Blocks ----------------------------------------------------------------------------------------------------------- */

struct forged_block {
    struct giro_block_header header;
    struct giro_qc qc;
    struct giro_tc tc;
    bool has_tc;
    struct forge_proof proof;
    bool has_payload;
    bool broken; /* so that no honest replica may vote for it */
    uint32_t signer;
};

static const struct giro_tc *tc_for_round(const struct forge *forge, uint64_t round)
{
    for (uint32_t i = 0; i < kept(forge->tc_count, FORGE_TCS); i++) {
        if (forge->tcs[i].header.round + 1 == round)
            return &forge->tcs[i];
    }
    return NULL;
}

/* Certificates: what round, QC and TC say together. */
static void certificates_choose(struct forge *forge, struct forged_block *block)
{
    const struct giro_tc *const tc = tc_for_round(forge, block->header.round);
    const uint64_t qc_round = block->qc.header.round;
    if (tc != NULL) {
        block->tc = *tc;
        block->has_tc = true;
        if (below(forge, 6) == 0) {
            block->tc.signatures[below(forge, forge->hub->quorum)].bytes[7] ^= 1;
            block->broken = true;
        }
    }
    const bool after_timeout = tc != NULL && qc_round >= tc->high_qc.header.round;
    if (qc_round + 1 != block->header.round && !after_timeout)
        block->broken = true;
}

static void payload_choose(struct forge *forge, struct forged_block *block)
{
    const uint32_t count = kept(forge->proof_count, FORGE_PROOFS);
    if (count == 0 || below(forge, 2) == 0)
        return;
    block->proof = forge->proofs[below(forge, count)];
    block->has_payload = true;
    block->header.reference_count = 1;
    if (watch_batch_below(forge->hub, watch_id(&block->header.parent_id),
                          &block->proof.reference.batch_id))
        block->broken = true;
    if (below(forge, 4) == 0) {
        block->proof.bytes[block->proof.size_bytes - 1 - below(forge, 64)] ^= 4;
        block->broken = true;
    }
}

static struct giro_block_header block_header(struct forge *forge, uint64_t round,
                                             const struct giro_qc *qc)
{
    const struct hub *const hub = forge->hub;
    const struct watch_block *const parent =
        watch_block(forge->hub, watch_id(&qc->header.block_id));
    GIRO_ASSERT(parent != NULL);
    return (struct giro_block_header){.head = giro_head_make(GIRO_KIND_BLOCK),
                                      .chain_id = hub->chain_id,
                                      .epoch = 1,
                                      .round = round,
                                      .height = parent->height + 1,
                                      .parent_id = qc->header.block_id,
                                      .time_ns = HUB_WALL_NS + hub->now_ns +
                                                 3000 * (parent->height + 1) + below(forge, 1000),
                                      .author = (uint16_t)forge->identity};
}

/* A block that `target` may find worth a vote, or that is wrong in some way. */
static bool block_draft(struct forge *forge, uint32_t target, struct forged_block *block)
{
    struct hub *const hub = forge->hub;
    memset(block, 0, sizeof(*block));
    block->qc = forge->qcs[below(forge, kept(forge->qc_count, FORGE_QCS))];
    const struct watch_block *const parent = watch_block(hub, watch_id(&block->qc.header.block_id));
    if (parent == NULL)
        return false;
    const uint64_t round = hub_round(hub, target);
    const uint64_t high = hub_status(hub, target).high_qc_round;
    if (below(forge, 2) == 0) {
        /* On the newest QC there is: what an honest leader would do. */
        const struct giro_qc *const newest = qc_of_round(forge, high);
        if (newest != NULL)
            block->qc = *newest;
    }
    const struct watch_block *const on = watch_block(hub, watch_id(&block->qc.header.block_id));
    if (on == NULL || block->qc.header.round >= round)
        return false;
    /* Too far back even for a clock that is as late as storms make it. */
    const uint64_t back_ns = below(forge, 8) == 0 ? 8 * HUB_BOUND_NS : 0;
    block->header = block_header(forge, round, &block->qc);
    block->header.time_ns -= back_ns;
    block->signer = forge->identity;
    block->broken = back_ns != 0;
    if (hub_leader(hub, target, round, block->header.height) != forge->identity) {
        if (below(forge, 4) != 0)
            return false;
        block->broken = true;
    }
    certificates_choose(forge, block);
    payload_choose(forge, block);
    return true;
}

static void block_send(struct forge *forge, struct forged_block *block, uint32_t targets)
{
    static uint8_t body[1 << 17];
    struct hub *const hub = forge->hub;
    const uint8_t *const proofs[1] = {block->proof.bytes};
    const uint32_t proof_bytes[1] = {block->proof.size_bytes};
    uint8_t message[GIRO_PROPOSAL_MESSAGE_BYTES];
    struct giro_writer writer;
    struct giro_hash id;
    giro_writer_init(&writer, body, sizeof(body));
    const bool encoded =
        giro_proposal_encode(&block->header, &block->proof.reference, proofs, proof_bytes,
                             &block->qc, block->has_tc ? &block->tc : NULL, NULL, &writer, &id);
    GIRO_ASSERT(encoded);
    const size_t message_bytes = giro_proposal_message(&hub->chain_id, 1, &id, message);
    const struct giro_signature signature =
        giro_sign(hub->batch_secrets[block->signer], message, message_bytes);
    giro_writer_put(&writer, &signature, sizeof(signature));
    struct watch_block *const seen =
        watch_block_add(hub, watch_id(&id), watch_id(&block->header.parent_id), block->header.round,
                        block->header.height);
    seen->forbidden = block->broken;
    for (uint32_t to = 0; to < hub->options.instance_count; to++) {
        if ((targets >> to & 1) != 0)
            hub_send_forged(hub, forge->identity, to, GIRO_KIND_PROPOSAL, body, writer.offset);
    }
    forge->sent++;
}

static void strike_block(struct forge *forge, uint32_t target)
{
    static struct forged_block block;
    if (!block_draft(forge, target, &block))
        return;
    const uint32_t targets = (uint32_t)below(forge, 1u << forge->hub->options.instance_count);
    block_send(forge, &block, targets | 1u << target);
    if (below(forge, 2) == 0)
        return;
    block.header.time_ns += 1; /* another one to the others */
    block_send(forge, &block, ~targets & ~(1u << target));
}

/* ---- Votes, timeouts, sync ------------------------------------------------------------------------------------------- */

static void strike_vote(struct forge *forge, uint32_t target)
{
    struct hub *const hub = forge->hub;
    const uint32_t count = kept(forge->vote_count, FORGE_VOTES);
    if (count == 0)
        return;
    const struct giro_qc_header *const fields = &forge->votes[below(forge, count)].fields;
    struct giro_vote vote = {.head = giro_head_make(GIRO_KIND_VOTE),
                             .epoch = 1,
                             .round = fields->round,
                             .parent_round = fields->parent_round,
                             .block_id = fields->block_id,
                             .commit_id = fields->commit_id,
                             .voter = (uint16_t)forge->identity};
    uint8_t message[GIRO_VOTE_MESSAGE_BYTES];
    const size_t message_bytes = giro_vote_message(&hub->chain_id, fields, message);
    vote.signature = giro_sign(hub->vote_secrets[forge->identity], message, message_bytes);
    if (below(forge, 3) == 0)
        vote.signature.bytes[11] ^= 2;
    else
        watch_vote(hub, &vote);
    hub_send_forged(hub, forge->identity, target, GIRO_KIND_VOTE, &vote, sizeof(vote));
    forge->sent++;
}

/* A timeout of the target's round that claims an old QC. */
static void strike_timeout(struct forge *forge, uint32_t target)
{
    static struct giro_timeout timeout;
    static uint8_t body[sizeof(struct giro_timeout)];
    struct hub *const hub = forge->hub;
    const uint64_t round = hub_round(hub, target);
    const struct giro_tc *const tc = tc_for_round(forge, round);
    const struct giro_qc *qc = &forge->qcs[below(forge, kept(forge->qc_count, FORGE_QCS))];
    if (tc == NULL)
        qc = qc_of_round(forge, round - 1);
    if (qc == NULL || qc->header.round >= round)
        return;
    memset(&timeout, 0, sizeof(timeout));
    timeout.header = (struct giro_timeout_header){.head = giro_head_make(GIRO_KIND_TIMEOUT),
                                                  .epoch = 1,
                                                  .round = round,
                                                  .high_qc_round = qc->header.round,
                                                  .voter = (uint16_t)forge->identity,
                                                  .has_last_tc = tc != NULL};
    timeout.high_qc = *qc;
    if (tc != NULL)
        timeout.last_tc = *tc;
    uint8_t message[GIRO_TIMEOUT_MESSAGE_BYTES];
    const size_t message_bytes =
        giro_timeout_message(&hub->chain_id, 1, round, qc->header.round, message);
    timeout.header.signature =
        giro_sign(hub->vote_secrets[forge->identity], message, message_bytes);
    watch_timeout(hub, &timeout.header);
    struct giro_writer writer;
    giro_writer_init(&writer, body, sizeof(body));
    const bool encoded = giro_timeout_encode(&timeout, &writer);
    GIRO_ASSERT(encoded);
    hub_send_forged(hub, forge->identity, target, GIRO_KIND_TIMEOUT, body, writer.offset);
    forge->sent++;
}

/* Sync info with a QC that nobody signed, a few rounds ahead. */
static void strike_sync(struct forge *forge, uint32_t target)
{
    static uint8_t body[sizeof(struct giro_sync_header) + GIRO_QC_BYTES_MAX];
    struct hub *const hub = forge->hub;
    struct giro_qc qc = forge->qcs[0];
    struct giro_sync_header header = {.head = giro_head_make(GIRO_KIND_SYNC)};
    struct giro_writer writer;
    qc.header.round = hub_round(hub, target) + below(forge, 4);
    qc.header.parent_round = qc.header.round - 1;
    qc.header.signer_count = (uint8_t)hub->quorum;
    giro_prng_fill(forge->prng, &qc.header.block_id, sizeof(qc.header.block_id));
    for (uint32_t i = 0; i < hub->quorum; i++)
        giro_bitmap_set(qc.header.bitmap, i);
    giro_writer_init(&writer, body, sizeof(body));
    giro_writer_reserve(&writer, sizeof(header));
    const bool encoded = giro_qc_encode(&qc, &writer);
    GIRO_ASSERT(encoded);
    header.qc_bytes = (uint32_t)(writer.offset - sizeof(header));
    memcpy(body, &header, sizeof(header));
    hub_send_forged(hub, forge->identity, target, GIRO_KIND_SYNC, body, writer.offset);
    forge->sent++;
}

void forge_strike(struct forge *forge)
{
    const struct hub *const hub = forge->hub;
    const uint32_t target = (uint32_t)below(forge, hub->options.instance_count);
    if (!hub->nodes[target].up || !hub_honest(hub, hub->nodes[target].identity))
        return;
    switch (below(forge, 8)) {
    case 0:
        strike_vote(forge, target);
        break;
    case 1:
        strike_timeout(forge, target);
        break;
    case 2:
        strike_sync(forge, target);
        break;
    default:
        strike_block(forge, target);
        break;
    }
}

bool forge_repeat(struct forge *forge, uint32_t target)
{
    static struct forged_block block;
    struct hub *const hub = forge->hub;
    const struct giro_qc *const qc = qc_of_round(forge, hub_status(hub, target).high_qc_round);
    memset(&block, 0, sizeof(block));
    for (uint32_t i = 0; i < kept(forge->proof_count, FORGE_PROOFS) && !block.has_payload; i++) {
        if (qc != NULL && watch_batch_below(hub, watch_id(&qc->header.block_id),
                                            &forge->proofs[i].reference.batch_id)) {
            block.proof = forge->proofs[i];
            block.has_payload = true;
        }
    }
    if (!block.has_payload)
        return false;
    block.qc = *qc;
    block.header = block_header(forge, hub_round(hub, target), &block.qc);
    block.header.reference_count = 1;
    block.signer = forge->identity;
    block.broken = true;
    block_send(forge, &block, 1u << target);
    return true;
}

bool forge_extend(struct forge *forge, uint32_t target, uint64_t qc_round)
{
    static struct forged_block block;
    const struct giro_qc *const qc = qc_of_round(forge, qc_round);
    if (qc == NULL)
        return false;
    memset(&block, 0, sizeof(block));
    block.qc = *qc;
    block.header = block_header(forge, hub_round(forge->hub, target), qc);
    block.signer = forge->identity;
    block_send(forge, &block, 1u << target);
    return true;
}
