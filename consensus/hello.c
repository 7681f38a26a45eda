/* The question at start: has anybody seen a signature of ours above our record, or this incarnation? q - 1 answers come
 * before the first signature. A replica whose safety file was rolled back or cloned finds out and stays an observer. */
#include "consensus/internal.h"

/* giro_hello_signed_by notes a verified signature of a replica: what its question will be answered with. */
void giro_hello_signed_by(struct giro_consensus *core, uint32_t replica, uint64_t round)
{
    GIRO_ASSERT(replica < core->env.options.replica_count);
    if (round > core->peers[replica].signed_round)
        core->peers[replica].signed_round = round;
}

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
    }
    giro_sign_restore(core);
    giro_propose_resume(core);
    giro_batches_on_durable(core->batches);
    giro_certify_on_durable(core->certify);
}

static void question_send(struct giro_consensus *core)
{
    uint8_t *const bytes = giro_env_scratch(&core->env, sizeof(struct giro_hello));
    if (bytes == NULL || giro_env_room(&core->env) < 4)
        return;
    struct giro_hello question = {.head = giro_head_make(GIRO_KIND_HELLO),
                                  .epoch = core->env.options.epoch,
                                  .incarnation = core->safety.incarnation,
                                  .subject = (uint16_t)core->env.options.self,
                                  .answerer = (uint16_t)core->env.options.self};
    memcpy(question.nonce, core->env.options.nonce, sizeof(question.nonce));
    memcpy(bytes, &question, sizeof(question));
    giro_env_send(&core->env, GIRO_PEER_ALL, GIRO_KIND_HELLO, bytes, sizeof(question));
}

void giro_hello_start(struct giro_consensus *core)
{
    GIRO_ASSERT(core->started);
    if (core->env.quorum == 1) {
        hello_finish(core);
        return;
    }
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

/* The highest incarnation seen before this question: a repeated question is no second incarnation, the same number with
 * another nonce is. */
static uint64_t incarnation_seen(struct giro_peer *peer, const struct giro_hello *question)
{
    if (question->incarnation > peer->incarnation) {
        peer->incarnation_before = peer->incarnation;
        peer->incarnation = question->incarnation;
        memcpy(peer->nonce, question->nonce, sizeof(peer->nonce));
    }
    const bool repeated = question->incarnation == peer->incarnation &&
                          memcmp(peer->nonce, question->nonce, sizeof(peer->nonce)) == 0;
    return repeated ? peer->incarnation_before : peer->incarnation;
}

static void question_answer(struct giro_consensus *core, const struct giro_hello *question)
{
    const struct giro_consensus_options *const options = &core->env.options;
    uint8_t *const bytes = giro_env_scratch(&core->env, sizeof(struct giro_hello));
    if (bytes == NULL || giro_env_room(&core->env) < 4)
        return;
    struct giro_peer *const peer = &core->peers[question->subject];
    struct giro_hello answer = *question;
    answer.incarnation = incarnation_seen(peer, question);
    answer.highest_round = peer->signed_round;
    answer.answerer = (uint16_t)options->self;
    answer.answer = 1;
    uint8_t message[GIRO_HELLO_MESSAGE_BYTES];
    const size_t message_bytes = giro_hello_message(&options->chain_id, &answer, message);
    GIRO_ASSERT(message_bytes == GIRO_HELLO_MESSAGE_BYTES);
    answer.signature = giro_env_sign(&core->env, message, message_bytes);
    memcpy(bytes, &answer, sizeof(answer));
    giro_env_send(&core->env, question->subject, GIRO_KIND_HELLO, bytes, sizeof(answer));
}

static enum giro_reject answer_take(struct giro_consensus *core, const struct giro_hello *answer,
                                    uint64_t sender_round)
{
    const struct giro_consensus_options *const options = &core->env.options;
    struct giro_hello_state *const hello = &core->hello;
    if (answer->subject != options->self)
        return GIRO_REJECT_SIGNER;
    if (hello->done || giro_bitmap_has(hello->answered, answer->answerer))
        return GIRO_REJECT_NONE;
    if (memcmp(answer->nonce, options->nonce, sizeof(answer->nonce)) != 0)
        return GIRO_REJECT_STALE;
    uint8_t message[GIRO_HELLO_MESSAGE_BYTES];
    const size_t message_bytes = giro_hello_message(&options->chain_id, answer, message);
    if (!giro_signature_check(core, options->batch_keys, answer->answerer, message, message_bytes,
                              &answer->signature))
        return GIRO_REJECT_SIGNATURE;
    giro_bitmap_set(hello->answered, answer->answerer);
    if (sender_round > hello->answer_round)
        hello->answer_round = sender_round;
    const struct giro_safety_state *const safety = &core->safety;
    const uint64_t record = safety->last_voted_round > safety->last_timeout_round
                                ? safety->last_voted_round
                                : safety->last_timeout_round;
    if ((answer->incarnation >= safety->incarnation || answer->highest_round > record) &&
        !GIRO_MUTANT_IS(CLONE_NOT_NOTICED))
        core->observer = true;
    if (giro_bitmap_count(hello->answered) + 1 >= core->env.quorum)
        hello_finish(core);
    return GIRO_REJECT_NONE;
}

static enum giro_reject hello_decode(const struct giro_consensus *core, uint16_t sender,
                                     const uint8_t *body, size_t size_bytes,
                                     struct giro_hello *hello)
{
    static const uint8_t zeros[GIRO_SIGNATURE_BYTES];
    if (size_bytes != sizeof(*hello))
        return size_bytes < sizeof(*hello) ? GIRO_REJECT_TRUNCATED : GIRO_REJECT_OVERSIZED;
    memcpy(hello, body, sizeof(*hello));
    if (!giro_head_is(&hello->head, GIRO_KIND_HELLO))
        return GIRO_REJECT_KIND;
    if (hello->reserved != 0 || memcmp(hello->reserved2, zeros, sizeof(hello->reserved2)) != 0)
        return GIRO_REJECT_RESERVED;
    if (hello->epoch != core->env.options.epoch)
        return GIRO_REJECT_EPOCH;
    if (hello->subject >= core->env.options.replica_count || hello->answerer != sender)
        return GIRO_REJECT_SIGNER;
    if (hello->answer > 1)
        return GIRO_REJECT_FIELD;
    if (hello->answer == 0 &&
        (hello->subject != sender || hello->highest_round != 0 || hello->incarnation == 0 ||
         memcmp(&hello->signature, zeros, sizeof(hello->signature)) != 0))
        return GIRO_REJECT_FIELD;
    return GIRO_REJECT_NONE;
}

void giro_hello_on_message(struct giro_consensus *core, const struct giro_peer_envelope *envelope,
                           const uint8_t *body, size_t size_bytes)
{
    struct giro_hello hello;
    enum giro_reject reject = hello_decode(core, envelope->sender, body, size_bytes, &hello);
    if (reject == GIRO_REJECT_NONE && hello.answer == 0) {
        core->peers[envelope->sender].halted_height = 0;
        question_answer(core, &hello);
    } else if (reject == GIRO_REJECT_NONE)
        reject = answer_take(core, &hello, envelope->round);
    giro_env_reject(&core->env, reject);
}
