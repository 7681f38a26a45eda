/* The question at start: has anybody a signature of ours that our record does not know, or another question of this
 * incarnation or a higher one? q - 1 answers come before the first signature. A replica whose safety file was rolled back or
 * cloned is shown what it signed itself, and stays an observer; shown later, it becomes one. An answer claims nothing: what it
 * brings counts if our own key signed it, so an answerer that lies changes nothing. */
#include "consensus/internal.h"

/* ---- What peers signed --------------------------------------------------------------------------------------- */

void giro_hello_voted(struct giro_consensus *core, const struct giro_vote *vote)
{
    GIRO_ASSERT(vote->voter < core->env.options.replica_count);
    struct giro_peer *const peer = &core->peers[vote->voter];
    if (vote->round > peer->voted.round)
        peer->voted = *vote;
}

void giro_hello_timed_out(struct giro_consensus *core, const struct giro_timeout_header *header)
{
    GIRO_ASSERT(header->voter < core->env.options.replica_count);
    struct giro_peer *const peer = &core->peers[header->voter];
    if (header->round <= peer->timed_out.round)
        return;
    peer->timed_out = *header;
    peer->timed_out.has_last_tc = 0; /* not signed */
}

void giro_hello_qc(struct giro_consensus *core, const struct giro_qc *qc)
{
    const struct giro_qc_header *const header = &qc->header;
    struct giro_vote vote = {.head = giro_head_make(GIRO_KIND_VOTE),
                             .epoch = header->epoch,
                             .round = header->round,
                             .parent_round = header->parent_round,
                             .block_id = header->block_id,
                             .commit_id = header->commit_id};
    uint32_t signer = 0;
    for (uint32_t i = 0; i < core->env.options.replica_count; i++) {
        if (!giro_bitmap_has(header->bitmap, i))
            continue;
        const struct giro_signature *const signature = &qc->signatures[signer++];
        if (header->round <= core->peers[i].voted.round)
            continue;
        vote.voter = (uint16_t)i;
        vote.signature = *signature;
        core->peers[i].voted = vote;
    }
}

void giro_hello_tc(struct giro_consensus *core, const struct giro_tc *tc)
{
    uint32_t signer = 0;
    for (uint32_t i = 0; i < core->env.options.replica_count; i++) {
        if (!giro_bitmap_has(tc->header.bitmap, i))
            continue;
        const struct giro_timeout_header timeout = {.head = giro_head_make(GIRO_KIND_TIMEOUT),
                                                    .epoch = tc->header.epoch,
                                                    .round = tc->header.round,
                                                    .high_qc_round = tc->high_qc_rounds[signer],
                                                    .voter = (uint16_t)i,
                                                    .signature = tc->signatures[signer]};
        giro_hello_timed_out(core, &timeout);
        signer++;
    }
}

void giro_hello_heard(struct giro_consensus *core, const struct giro_vote *vote)
{
    GIRO_ASSERT(vote->voter < core->env.options.replica_count);
    struct giro_vote *const heard = &core->peers[vote->voter].vote_heard;
    if (vote->round > heard->round)
        *heard = *vote;
}

/* ---- Asking ---------------------------------------------------------------------------------------------------- */

static void hello_finish(struct giro_consensus *core)
{
    GIRO_ASSERT(!core->hello.done);
    core->hello.done = true;
    if (core->observer || core->halted)
        return;
    core->env.may_sign = true;
    struct giro_pace *const pace = &core->pace;
    const uint64_t count = core->env.options.replica_count;
    /* Before the restart this replica may have proposed in a round its log does not know: it keeps still through the rounds
     * the answerers have reached, and one more. The bound is for answerers that lie. */
    if (core->safety.incarnation > 1 && count > 1) {
        const uint64_t reached =
            core->hello.answer_round > pace->round ? core->hello.answer_round : pace->round;
        const uint64_t most = pace->round + 4 * count;
        pace->no_propose_round = reached + 1 < most ? reached + 1 : most;
        /* A proposal may have left before it was durable only in the round behind the last one signed (propose.c). */
        const uint64_t signed_round = giro_signed_round(&core->safety);
        if (pace->no_propose_round <= signed_round)
            pace->no_propose_round = signed_round + 1;
        if (GIRO_MUTANT_IS(RESTART_LOSES_PROPOSAL))
            pace->no_propose_round = 0;
    }
    giro_sign_restore(core);
    giro_propose_resume(core);
    giro_batches_on_durable(core->batches);
    giro_certify_on_durable(core->certify);
}

static void question_send(struct giro_consensus *core)
{
    const struct giro_hello_header *const question = &core->hello.question;
    uint8_t *const bytes = giro_env_scratch(&core->env, sizeof(*question));
    if (bytes == NULL || giro_env_room(&core->env) < 4)
        return;
    memcpy(bytes, question, sizeof(*question));
    giro_env_send(&core->env, GIRO_PEER_ALL, GIRO_KIND_HELLO, bytes, sizeof(*question));
}

static struct giro_signature hello_sign(const struct giro_consensus *core,
                                        const struct giro_hello_header *header)
{
    uint8_t message[GIRO_HELLO_MESSAGE_BYTES];
    const size_t message_bytes = giro_hello_message(&core->env.options.chain_id, header, message);
    return giro_env_sign(&core->env, message, message_bytes);
}

static bool hello_signed(struct giro_consensus *core, const struct giro_hello_header *header)
{
    uint8_t message[GIRO_HELLO_MESSAGE_BYTES];
    const size_t message_bytes = giro_hello_message(&core->env.options.chain_id, header, message);
    return giro_signature_check(core, core->env.options.batch_keys, header->answerer, message,
                                message_bytes, &header->signature);
}

void giro_hello_start(struct giro_consensus *core)
{
    const struct giro_consensus_options *const options = &core->env.options;
    GIRO_ASSERT(core->started);
    if (core->env.quorum == 1) {
        hello_finish(core);
        return;
    }
    struct giro_hello_header *const question = &core->hello.question;
    *question = (struct giro_hello_header){.head = giro_head_make(GIRO_KIND_HELLO),
                                           .epoch = options->epoch,
                                           .incarnation = core->safety.incarnation,
                                           .subject = (uint16_t)options->self,
                                           .answerer = (uint16_t)options->self};
    memcpy(question->nonce, options->nonce, sizeof(question->nonce));
    question->signature = hello_sign(core, question);
    question_send(core);
    core->hello.repeat_ns = core->env.now_ns + GIRO_HELLO_REPEAT_NS;
}

void giro_hello_tick(struct giro_consensus *core)
{
    if (core->hello.done || core->env.now_ns < core->hello.repeat_ns)
        return;
    question_send(core);
    core->hello.repeat_ns = core->env.now_ns + GIRO_HELLO_REPEAT_NS;
}

/* ---- Answering ------------------------------------------------------------------------------------------------- */

/* The same number with another nonce is another start; with the same nonce the question is repeated. */
static bool question_same(const struct giro_hello_header *first,
                          const struct giro_hello_header *second)
{
    return first->incarnation == second->incarnation &&
           memcmp(first->nonce, second->nonce, sizeof(first->nonce)) == 0;
}

/* The vote heard last may have been needed by no quorum. */
static void heard_verify(struct giro_consensus *core, struct giro_peer *peer)
{
    struct giro_vote *const heard = &peer->vote_heard;
    if (heard->round <= peer->voted.round)
        return;
    const struct giro_qc_header fields = giro_vote_fields(heard);
    uint8_t message[GIRO_VOTE_MESSAGE_BYTES];
    const size_t message_bytes = giro_vote_message(&core->env.options.chain_id, &fields, message);
    if (giro_signature_check(core, core->env.options.vote_keys, heard->voter, message,
                             message_bytes, &heard->signature))
        peer->voted = *heard;
    heard->round = 0;
}

static void answer_send(struct giro_consensus *core, const struct giro_hello_header *question)
{
    struct giro_peer *const peer = &core->peers[question->subject];
    uint8_t *const bytes = giro_env_scratch(&core->env, sizeof(struct giro_hello));
    if (bytes == NULL || giro_env_room(&core->env) < 4)
        return;
    heard_verify(core, peer);
    struct giro_hello answer = {.header = *question,
                                .question = peer->question,
                                .vote = peer->voted,
                                .timeout = peer->timed_out};
    answer.header.answerer = (uint16_t)core->env.options.self;
    answer.header.answer = 1;
    if (!question_same(&peer->question, question))
        answer.header.parts |= GIRO_HELLO_QUESTION;
    if (peer->voted.round > 0)
        answer.header.parts |= GIRO_HELLO_VOTE;
    if (peer->timed_out.round > 0)
        answer.header.parts |= GIRO_HELLO_TIMEOUT;
    answer.header.signature = hello_sign(core, &answer.header);
    struct giro_writer writer;
    giro_writer_init(&writer, bytes, sizeof(answer));
    const bool written = giro_hello_encode(&answer, &writer);
    GIRO_ASSERT(written);
    giro_env_send(&core->env, question->subject, GIRO_KIND_HELLO, bytes, writer.offset);
}

static enum giro_reject question_take(struct giro_consensus *core,
                                      const struct giro_hello_header *question)
{
    struct giro_peer *const peer = &core->peers[question->subject];
    if (memcmp(&peer->question, question, sizeof(*question)) != 0 && !hello_signed(core, question))
        return GIRO_REJECT_SIGNATURE;
    if (question->incarnation > peer->question.incarnation)
        peer->question = *question;
    peer->halted_height = 0;
    answer_send(core, question);
    return GIRO_REJECT_NONE;
}

/* ---- Being answered --------------------------------------------------------------------------------------------- */

static bool vote_unknown(const struct giro_consensus *core, const struct giro_vote *vote)
{
    const struct giro_vote *const last = &core->safety.last_vote;
    const struct giro_qc_header fields = giro_vote_fields(last);
    return vote->round > last->round ||
           (vote->round == last->round && vote->round > 0 && !giro_vote_same(vote, &fields));
}

static bool timeout_unknown(const struct giro_consensus *core,
                            const struct giro_timeout_header *timeout)
{
    const struct giro_timeout_header *const last = &core->safety.last_timeout;
    return timeout->round > last->round ||
           (timeout->round == last->round && timeout->high_qc_round != last->high_qc_round);
}

static bool question_unknown(const struct giro_consensus *core,
                             const struct giro_hello_header *question)
{
    return question->incarnation >= core->safety.incarnation &&
           !question_same(question, &core->hello.question);
}

static enum giro_reject own_check(struct giro_consensus *core, uint64_t epoch,
                                  const struct giro_key_handle *keys, const uint8_t *message,
                                  size_t message_bytes, const struct giro_signature *signature)
{
    if (epoch != core->env.options.epoch)
        return GIRO_REJECT_EPOCH;
    if (!giro_signature_check(core, keys, core->env.options.self, message, message_bytes,
                              signature) &&
        !GIRO_MUTANT_IS(HELLO_NOT_VERIFIED))
        return GIRO_REJECT_SIGNATURE;
    return GIRO_REJECT_NONE;
}

/* proofs_check says whether the answer brings a signature of ours that the record does not know. Only such a one is verified:
 * if one does not hold, the answer does not count. */
static enum giro_reject proofs_check(struct giro_consensus *core, const struct giro_hello *answer,
                                     bool *contradicted)
{
    const struct giro_consensus_options *const options = &core->env.options;
    const struct giro_hello_header *const question = &answer->question;
    const struct giro_vote *const vote = &answer->vote;
    const struct giro_timeout_header *const timeout = &answer->timeout;
    enum giro_reject reject = GIRO_REJECT_NONE;
    uint8_t message[GIRO_VOTE_MESSAGE_BYTES];
    static_assert(GIRO_TIMEOUT_MESSAGE_BYTES <= sizeof(message), "all fit");
    static_assert(GIRO_HELLO_MESSAGE_BYTES <= sizeof(message), "all fit");
    *contradicted = false;
    if (question_unknown(core, question)) {
        const size_t message_bytes = giro_hello_message(&options->chain_id, question, message);
        reject = own_check(core, question->epoch, options->batch_keys, message, message_bytes,
                           &question->signature);
        *contradicted = true;
    }
    if (reject == GIRO_REJECT_NONE && vote_unknown(core, vote)) {
        const struct giro_qc_header fields = giro_vote_fields(vote);
        const size_t message_bytes = giro_vote_message(&options->chain_id, &fields, message);
        reject = own_check(core, vote->epoch, options->vote_keys, message, message_bytes,
                           &vote->signature);
        *contradicted = true;
    }
    if (reject == GIRO_REJECT_NONE && timeout_unknown(core, timeout)) {
        const size_t message_bytes = giro_timeout_message(
            &options->chain_id, timeout->epoch, timeout->round, timeout->high_qc_round, message);
        reject = own_check(core, timeout->epoch, options->vote_keys, message, message_bytes,
                           &timeout->signature);
        *contradicted = true;
    }
    return reject;
}

/* From now on it signs nothing and sends nothing that waits for a disk. */
static void observe(struct giro_consensus *core)
{
    core->observer = true;
    core->env.may_sign = false;
    core->pace.unsent = false;
}

static enum giro_reject answer_take(struct giro_consensus *core, const struct giro_hello *answer,
                                    uint64_t sender_round)
{
    struct giro_hello_state *const hello = &core->hello;
    const struct giro_hello_header *const header = &answer->header;
    if (header->subject != core->env.options.self)
        return GIRO_REJECT_SIGNER;
    if (giro_bitmap_has(hello->answered, header->answerer))
        return GIRO_REJECT_NONE;
    if (!question_same(header, &hello->question))
        return GIRO_REJECT_STALE;
    if (!hello_signed(core, header))
        return GIRO_REJECT_SIGNATURE;
    bool contradicted = false;
    const enum giro_reject reject = proofs_check(core, answer, &contradicted);
    if (reject != GIRO_REJECT_NONE)
        return reject;
    giro_bitmap_set(hello->answered, header->answerer);
    if (sender_round > hello->answer_round)
        hello->answer_round = sender_round;
    if (contradicted && !GIRO_MUTANT_IS(CLONE_NOT_NOTICED))
        observe(core);
    if (!hello->done && giro_bitmap_count(hello->answered) + 1 >= core->env.quorum)
        hello_finish(core);
    return GIRO_REJECT_NONE;
}

void giro_hello_on_message(struct giro_consensus *core, const struct giro_peer_envelope *envelope,
                           const uint8_t *body, size_t size_bytes)
{
    struct giro_hello hello;
    struct giro_reader reader;
    giro_reader_init(&reader, body, size_bytes);
    enum giro_reject reject = giro_hello_decode(&reader, core->env.options.replica_count, &hello);
    if (reject == GIRO_REJECT_NONE && giro_reader_left(&reader) != 0)
        reject = GIRO_REJECT_OVERSIZED;
    if (reject == GIRO_REJECT_NONE && hello.header.epoch != core->env.options.epoch)
        reject = GIRO_REJECT_EPOCH;
    if (reject == GIRO_REJECT_NONE && hello.header.answerer != envelope->sender)
        reject = GIRO_REJECT_SIGNER;
    if (reject == GIRO_REJECT_NONE)
        reject = hello.header.answer == 0 ? question_take(core, &hello.header)
                                          : answer_take(core, &hello, envelope->round);
    giro_env_reject(&core->env, reject);
}
