/* Votes: making one, having it signed after its block is durable, sending it, and collecting those of others into a QC.
 *
 * Per voter the newest votes are kept, one slot per round modulo GIRO_VOTE_ROUNDS: a voter can only push out its own. */
#include "consensus/internal.h"

/* ---- Asking the safety module: one request under way, at most one vote and one timeout behind it ------ */

static void sign_request(struct giro_consensus *core, bool is_timeout)
{
    struct giro_signing *const signing = &core->signing;
    GIRO_ASSERT(!signing->busy);
    struct giro_action *const action = giro_env_action(&core->env, GIRO_ACTION_SIGN);
    action->sign.is_timeout = is_timeout;
    if (is_timeout) {
        action->sign.timeout = signing->timeout;
        action->sign.lock_round = signing->timeout_lock_round;
        action->sign.after_log = signing->timeout_after_log;
        signing->timeout_waits = false;
    } else {
        action->sign.vote = signing->vote;
        action->sign.lock_round = signing->vote_lock_round;
        action->sign.after_log = signing->vote_after_log;
        signing->vote_waits = false;
    }
    GIRO_ASSERT(action->sign.after_log < core->env.next_log_sequence);
    GIRO_ASSERT(action->sign.lock_round <= core->safety.lock_round);
    signing->busy = true;
    signing->busy_with_timeout = is_timeout;
}

void giro_sign_settle(struct giro_consensus *core)
{
    struct giro_signing *const signing = &core->signing;
    if (signing->busy || !core->env.may_sign || giro_env_room(&core->env) == 0)
        return;
    /* The lower round first, the vote of a round before its timeout: the other order would be refused. */
    if (signing->vote_waits &&
        (!signing->timeout_waits || signing->vote.round <= signing->timeout.round))
        sign_request(core, false);
    else if (signing->timeout_waits)
        sign_request(core, true);
}

void giro_sign_on_signed(struct giro_consensus *core, const struct giro_event *event)
{
    struct giro_signing *const signing = &core->signing;
    GIRO_ASSERT(signing->busy);
    GIRO_ASSERT(signing->busy_with_timeout == event->signed_.is_timeout);
    signing->busy = false;
    if (event->signed_.refused) {
        giro_env_reject(&core->env, event->signed_.reject);
        return;
    }
    const uint64_t round =
        event->signed_.is_timeout ? event->signed_.timeout.round : event->signed_.vote.round;
    signing->durable_round = round > signing->durable_round ? round : signing->durable_round;
    if (core->observer)
        return;
    if (event->signed_.is_timeout)
        giro_timeout_signed(core, &event->signed_.timeout);
    else
        giro_vote_signed(core, &event->signed_.vote);
}

uint64_t giro_signed_round(const struct giro_safety_state *safety)
{
    return safety->last_voted_round > safety->last_timeout_round ? safety->last_voted_round
                                                                 : safety->last_timeout_round;
}

/* After a restart the stored vote and timeout are signed and sent again: the votes of a QC that was being formed when
 * every replica lost power may be nowhere else. */
void giro_sign_restore(struct giro_consensus *core)
{
    const struct giro_safety_state *const safety = &core->safety;
    struct giro_signing *const signing = &core->signing;
    GIRO_ASSERT(core->env.may_sign);
    if (safety->last_vote.round > core->high_qc.header.round && !signing->vote_waits &&
        !GIRO_MUTANT_IS(STORED_VOTE_NOT_RESENT)) {
        signing->vote = safety->last_vote;
        signing->vote_lock_round = safety->lock_round;
        signing->vote_after_log = 0;
        signing->vote_waits = true;
    }
    if (core->own_timeout_made && !core->own_timeout_signed && !signing->timeout_waits) {
        GIRO_ASSERT(core->own_timeout.header.round == core->pace.round);
        signing->timeout = core->own_timeout.header;
        signing->timeout_lock_round = safety->lock_round;
        signing->timeout_after_log = 0;
        signing->timeout_waits = true;
    }
}

/* ---- Own votes ------------------------------------------------------------------------------------------ */

static void vote_make(struct giro_consensus *core, uint32_t slot)
{
    const struct giro_block *const block = &core->tree.blocks[slot];
    const struct giro_qc_header *const qc = &core->tree.proposals[slot].qc.header;
    struct giro_safety_state *const safety = &core->safety;
    /* NOLINTNEXTLINE(misc-redundant-expression): mutants are 0 but in their tests */
    if (!GIRO_MUTANT_IS(NO_LAST_VOTED_ROUND) && !GIRO_MUTANT_IS(TIMEOUT_DOES_NOT_VOTE)) {
        GIRO_ASSERT(block->round > safety->last_voted_round);
        GIRO_ASSERT(block->round > safety->last_timeout_round);
    }
    GIRO_ASSERT(block->round > qc->round);
    GIRO_ASSERT(core->high_qc.header.round >= qc->round);
    struct giro_vote vote = {.head = giro_head_make(GIRO_KIND_VOTE),
                             .epoch = core->env.options.epoch,
                             .round = block->round,
                             .parent_round = qc->round,
                             .block_id = block->id,
                             .voter = (uint16_t)core->env.options.self};
    if (block->round == qc->round + 1)
        vote.commit_id = qc->block_id;
    safety->last_voted_round = block->round;
    if (qc->round > safety->lock_round)
        safety->lock_round = qc->round;
    safety->last_vote = vote;
    core->signing.vote = vote;
    core->signing.vote_lock_round = safety->lock_round;
    core->signing.vote_after_log = GIRO_MUTANT_IS(VOTE_BEFORE_BLOCK) ? 0 : block->log_sequence;
    core->signing.vote_waits = true;
}

void giro_vote_settle(struct giro_consensus *core)
{
    const uint32_t slot = core->candidate;
    if (slot == GIRO_NONE || !core->candidate_open || !core->env.may_sign)
        return;
    if (core->pace.unsent)
        return; /* our own block goes first */
    struct giro_block *const block = &core->tree.blocks[slot];
    if (block->state != GIRO_BLOCK_PENDING || block->round != core->pace.round) {
        core->candidate_open = false;
        return;
    }
    enum giro_reject reject = giro_vote_check(core, slot);
    /* From a clock that is ahead of ours: ours will get there. */
    if (reject == GIRO_REJECT_TIME && block->time_ns > core->env.wall_ns)
        return;
    if (reject == GIRO_REJECT_NONE && !block->checked)
        reject = giro_payload_check(core, &core->tree.proposals[slot],
                                    giro_tree_parent(&core->tree, slot));
    core->candidate_open = false;
    giro_env_reject_of(&core->env, core->tree.proposals[slot].block.author, reject);
    if (reject == GIRO_REJECT_NONE)
        vote_make(core, slot);
}

static void vote_send(struct giro_consensus *core, uint16_t peer)
{
    uint8_t *const bytes = giro_env_scratch(&core->env, sizeof(struct giro_vote));
    if (bytes == NULL || giro_env_room(&core->env) == 0)
        return;
    GIRO_ASSERT(core->own_vote.round != 0);
    memcpy(bytes, &core->own_vote, sizeof(core->own_vote));
    giro_env_send(&core->env, peer, GIRO_KIND_VOTE, bytes, sizeof(core->own_vote));
}

void giro_vote_resend(struct giro_consensus *core, uint16_t peer)
{
    if (peer != core->env.options.self)
        vote_send(core, peer);
}

/* ---- Collecting ------------------------------------------------------------------------------------------- */

static struct giro_vote_slot *vote_slot(struct giro_consensus *core, uint64_t round, uint32_t voter)
{
    GIRO_ASSERT(voter < core->env.options.replica_count);
    return &core->votes[(round % GIRO_VOTE_ROUNDS) * core->env.options.replica_count + voter];
}

/* votes_verify checks the unverified votes for these fields in one batch and refuses the bad ones; returns the number of
 * good votes. */
static uint32_t votes_verify(struct giro_consensus *core, const struct giro_qc_header *fields)
{
    const struct giro_consensus_options *const options = &core->env.options;
    uint8_t message[GIRO_VOTE_MESSAGE_BYTES];
    const size_t message_bytes = giro_vote_message(&options->chain_id, fields, message);
    struct giro_verify_item items[GIRO_REPLICAS_MAX];
    uint8_t verdicts[GIRO_REPLICAS_MAX];
    uint32_t voters[GIRO_REPLICAS_MAX];
    uint32_t count = 0, good = 0;
    for (uint32_t i = 0; i < options->replica_count; i++) {
        const struct giro_vote_slot *const slot = vote_slot(core, fields->round, i);
        if (slot->refused || !giro_vote_same(&slot->vote, fields))
            continue;
        good += slot->verified;
        if (slot->verified)
            continue;
        voters[count] = i;
        items[count++] = (struct giro_verify_item){.key = options->vote_keys[i],
                                                   .message = message,
                                                   .message_bytes = (uint32_t)message_bytes,
                                                   .signature = slot->vote.signature.bytes};
    }
    GIRO_ASSERT(good + count <= options->replica_count);
    if (count > 0)
        giro_verify_batch(options->ring, items, count, verdicts);
    for (uint32_t i = 0; i < count; i++) {
        struct giro_vote_slot *const slot = vote_slot(core, fields->round, voters[i]);
        slot->verified = verdicts[i] == GIRO_VALID || GIRO_MUTANT_IS(VOTES_NOT_VERIFIED);
        slot->refused = !slot->verified;
        good += slot->verified;
        if (slot->verified)
            giro_hello_voted(core, &slot->vote);
        else
            giro_env_reject_of(&core->env, voters[i], GIRO_REJECT_SIGNATURE);
    }
    return good;
}

static void quorum_form(struct giro_consensus *core, const struct giro_qc_header *fields)
{
    struct giro_qc *const qc = &core->qc_in;
    memset(qc, 0, sizeof(*qc));
    qc->header = *fields;
    uint32_t signer = 0;
    for (uint32_t i = 0; i < core->env.options.replica_count && signer < core->env.quorum; i++) {
        const struct giro_vote_slot *const slot = vote_slot(core, fields->round, i);
        if (slot->refused || !slot->verified || !giro_vote_same(&slot->vote, fields))
            continue;
        giro_bitmap_set(qc->header.bitmap, i);
        qc->signatures[signer++] = slot->vote.signature;
    }
    GIRO_ASSERT(signer == core->env.quorum);
    qc->header.signer_count = (uint8_t)signer;
    giro_qc_take(core, qc, false);
}

static void quorum_try(struct giro_consensus *core, const struct giro_vote *vote)
{
    if (vote->round <= core->high_qc.header.round)
        return;
    const struct giro_qc_header fields = giro_vote_fields(vote);
    uint32_t count = 0;
    for (uint32_t i = 0; i < core->env.options.replica_count; i++) {
        const struct giro_vote_slot *const slot = vote_slot(core, vote->round, i);
        count += !slot->refused && giro_vote_same(&slot->vote, &fields);
    }
    if (count >= core->env.quorum && votes_verify(core, &fields) >= core->env.quorum)
        quorum_form(core, &fields);
}

/* The next two leaders on this block: the second takes over should the first be silent. A block that is gone was overtaken. */
static void vote_send_to_next(struct giro_consensus *core, const struct giro_vote *vote)
{
    const uint32_t slot = giro_tree_find(&core->tree, &vote->block_id);
    uint32_t last = GIRO_NONE;
    if (slot == GIRO_NONE)
        return;
    for (uint64_t round = vote->round + 1; round <= vote->round + 2; round++) {
        const uint32_t leader = giro_leader(core, round, core->tree.blocks[slot].height + 1);
        if (leader == GIRO_NONE || leader == last || leader == core->env.options.self)
            continue;
        vote_send(core, (uint16_t)leader);
        last = leader;
    }
}

void giro_vote_signed(struct giro_consensus *core, const struct giro_vote *vote)
{
    const uint32_t self = core->env.options.self;
    const uint32_t count = core->env.options.replica_count;
    GIRO_ASSERT(vote->voter == self);
    GIRO_ASSERT(vote->round <= core->safety.last_voted_round);
    core->own_vote = *vote;
    if (vote->round <= core->high_qc.header.round)
        return;
    core->env.counters.votes_sent++;
    if (count <= GIRO_VOTE_ALL_MAX) {
        vote_send(core, GIRO_PEER_ALL);
    } else {
        vote_send_to_next(core, vote);
    }
    *vote_slot(core, vote->round, self) = (struct giro_vote_slot){.vote = *vote, .verified = true};
    quorum_try(core, vote);
}

/* Two votes of one voter in one round: the first is kept if its signature holds; if both hold, that is evidence. */
static bool vote_conflict(struct giro_consensus *core, struct giro_vote_slot *slot,
                          const struct giro_vote *vote)
{
    const struct giro_qc_header first = giro_vote_fields(&slot->vote);
    const struct giro_qc_header second = giro_vote_fields(vote);
    const struct giro_consensus_options *const options = &core->env.options;
    uint8_t message[GIRO_VOTE_MESSAGE_BYTES];
    if (!slot->verified) {
        const size_t message_bytes = giro_vote_message(&options->chain_id, &first, message);
        if (!giro_signature_check(core, options->vote_keys, vote->voter, message, message_bytes,
                                  &slot->vote.signature))
            return false;
        slot->verified = true;
    }
    if (giro_vote_same(&slot->vote, &second))
        return true; /* the same vote, another signature: the first one is good */
    const size_t message_bytes = giro_vote_message(&options->chain_id, &second, message);
    uint64_t *const reported = &core->peers[vote->voter].evidence_rounds[GIRO_SAID_VOTE];
    if (*reported != vote->round &&
        giro_signature_check(core, options->vote_keys, vote->voter, message, message_bytes,
                             &vote->signature)) {
        *reported = vote->round;
        giro_env_reject(&core->env, GIRO_REJECT_EQUIVOCATION);
        const struct giro_evidence_claim claim = {.reject = GIRO_REJECT_EQUIVOCATION,
                                                  .what = GIRO_KIND_VOTE,
                                                  .offender = vote->voter,
                                                  .round = vote->round,
                                                  .first = {&slot->vote, sizeof(slot->vote)},
                                                  .second = {vote, sizeof(*vote)}};
        giro_env_evidence(&core->env, &claim);
    }
    return true;
}

/* The high QC holds its signers' votes: another vote of one of them for that round is evidence, too. The QC's is made whole
 * again as a vote. */
static enum giro_reject vote_against_qc(struct giro_consensus *core, const struct giro_vote *vote)
{
    const struct giro_qc *const qc = &core->high_qc;
    const struct giro_qc_header fields = giro_vote_fields(vote);
    if (vote->round != qc->header.round || giro_vote_same(vote, &qc->header) ||
        !giro_bitmap_has(qc->header.bitmap, vote->voter) ||
        core->peers[vote->voter].evidence_rounds[GIRO_SAID_VOTE] == vote->round)
        return GIRO_REJECT_NONE;
    struct giro_vote_slot first = {.vote = *vote, .verified = true};
    uint32_t signer = 0;
    for (uint32_t i = 0; i < vote->voter; i++)
        signer += giro_bitmap_has(qc->header.bitmap, i);
    first.vote.parent_round = qc->header.parent_round;
    first.vote.block_id = qc->header.block_id;
    first.vote.commit_id = qc->header.commit_id;
    first.vote.signature = qc->signatures[signer];
    GIRO_ASSERT(!giro_vote_same(&first.vote, &fields));
    (void)vote_conflict(core, &first, vote);
    return GIRO_REJECT_NONE;
}

static enum giro_reject vote_accept(struct giro_consensus *core, uint16_t sender,
                                    const struct giro_vote *vote)
{
    if (vote->voter != sender)
        return GIRO_REJECT_SIGNER;
    if (vote->epoch != core->env.options.epoch)
        return GIRO_REJECT_EPOCH;
    if (vote->round > core->pace.round + GIRO_FAR_FUTURE_ROUNDS)
        return GIRO_REJECT_FUTURE;
    giro_hello_heard(core, vote);
    struct giro_vote_slot *const slot = vote_slot(core, vote->round, sender);
    const bool late = vote->round <= core->high_qc.header.round;
    if (slot->vote.round > vote->round)
        return late ? GIRO_REJECT_NONE : GIRO_REJECT_STALE;
    if (slot->vote.round == vote->round) {
        if (slot->refused || memcmp(&slot->vote, vote, sizeof(*vote)) == 0)
            return GIRO_REJECT_NONE;
        if (vote_conflict(core, slot, vote))
            return GIRO_REJECT_NONE;
    }
    if (late)
        return vote_against_qc(core, vote); /* came after its quorum: the usual case */
    *slot = (struct giro_vote_slot){.vote = *vote};
    quorum_try(core, vote);
    return GIRO_REJECT_NONE;
}

void giro_vote_on_message(struct giro_consensus *core, uint16_t sender, const uint8_t *body,
                          size_t size_bytes)
{
    struct giro_reader reader;
    struct giro_vote vote;
    giro_reader_init(&reader, body, size_bytes);
    enum giro_reject reject = giro_vote_decode(&reader, core->env.options.replica_count, &vote);
    if (reject == GIRO_REJECT_NONE && giro_reader_left(&reader) != 0)
        reject = GIRO_REJECT_OVERSIZED;
    if (reject == GIRO_REJECT_NONE)
        reject = vote_accept(core, sender, &vote);
    giro_env_reject(&core->env, reject);
}
