/* Commit votes and the certificate of each height. See certify.h.
 *
 * Votes are checked lazily: when q of them say the same, in one call. A vote against our own roots is checked at once. The
 * ring holds GIRO_CERTIFY_HEIGHTS heights up to GIRO_CERTIFY_AHEAD above the last executed one. */
#include "consensus/certify_internal.h"

static void halt(struct giro_certify *certify, const char *reason, uint64_t height,
                 const struct giro_certificate *certificate)
{
    if (certify->halted)
        return;
    struct giro_halt *const left = &certify->halt;
    const struct giro_certify_height *const h = giro_certify_peek(certify, height);
    left->reason = reason;
    left->height = height;
    left->has_own = h != NULL && h->executed;
    left->has_logged = h != NULL && h->recorded;
    left->has_certificate = certificate != NULL;
    if (left->has_own)
        left->own = h->own;
    if (left->has_logged)
        left->logged = h->logged;
    if (certificate != NULL)
        left->certificate = *certificate;
    certify->halted = true;
    certify->env->may_sign = false;
    certify->env->counters.halted = true;
    struct giro_action *action = giro_env_action(certify->env, GIRO_ACTION_HALT);
    action->halt.reason = reason;
    action->halt.height = height;
}

/* ---- Knowing a certificate --------------------------------------------------------------------------------------- */

static void report(struct giro_certify *certify, struct giro_certify_height *h)
{
    if (!h->executed || !h->certified || h->reported)
        return;
    if (giro_env_room(certify->env) == 0) {
        certify->missed = true;
        return;
    }
    h->reported = true;
    struct giro_action *action = giro_env_action(certify->env, GIRO_ACTION_CERTIFIED);
    action->certified.certificate = &h->certificate;
    action->certified.recovering = certify->env->recovering;
}

static void certificate_log(struct giro_certify *certify, struct giro_certify_height *h)
{
    struct giro_env *env = certify->env;
    if (!h->executed || !h->certified || h->logged_certificate || env->recovering)
        return;
    size_t size_bytes =
        sizeof(struct giro_certificate_header) + env->quorum * sizeof(struct giro_signature);
    uint8_t *bytes = giro_env_room(env) > 0 ? giro_env_scratch(env, size_bytes) : NULL;
    if (bytes == NULL) {
        certify->missed = true;
        return;
    }
    struct giro_writer writer;
    giro_writer_init(&writer, bytes, size_bytes);
    bool encoded = giro_certificate_encode(&h->certificate, &writer);
    GIRO_ASSERT(encoded && writer.offset == size_bytes);
    giro_env_log(env, GIRO_LOG_CERTIFICATE_RECORD, &h->own.block_id, h->height, bytes, size_bytes);
    h->logged_certificate = true;
}

static bool contradicts(struct giro_certify *certify, const struct giro_commit_body *ours,
                        const struct giro_certificate *certificate)
{
    const struct giro_commit_body *const theirs = &certificate->header.body;
    if (giro_certify_body_equal(ours, theirs))
        return false;
    if (giro_hash_equal(&ours->block_id, &theirs->block_id))
        halt(certify, "a quorum certified other roots than this replica computed", ours->height,
             certificate);
    else
        halt(certify, "a quorum certified another block than this replica executed", ours->height,
             certificate);
    return true;
}

static void progress(struct giro_certify *certify)
{
    if (certify->no_quorum_height <= giro_certify_height(certify))
        certify->no_quorum_height = 0;
    certify->resend_delay_ns = GIRO_CERTIFY_RESEND_NS;
    if (certify->uncertified_count == 0)
        certify->resend_ns = UINT64_MAX;
}

/* Takes in a certificate whose signatures are good. */
static void learn(struct giro_certify *certify, const struct giro_certificate *certificate)
{
    const struct giro_commit_body *body = &certificate->header.body;
    if (!certify->has_highest || certify->highest.header.body.height < body->height) {
        certify->highest = *certificate;
        certify->has_highest = true;
    } else if (certify->highest.header.body.height == body->height &&
               !giro_certify_body_equal(&certify->highest.header.body, body)) {
        halt(certify, "two certificates of one height contradict each other", body->height,
             certificate);
        return;
    }
    if (body->height < giro_certify_window_low(certify) ||
        body->height > giro_certify_window_top(certify))
        return;
    struct giro_certify_height *h = giro_certify_at(certify, body->height);
    if (h->certified) {
        if (!giro_certify_body_equal(&h->certificate.header.body, body))
            halt(certify, "two certificates of one height contradict each other", body->height,
                 certificate);
        return;
    }
    if (h->executed && contradicts(certify, &h->own, certificate))
        return;
    h->certified = true;
    h->certificate = *certificate;
    if (h->executed) {
        GIRO_ASSERT(certify->uncertified_count > 0);
        certify->uncertified_count--;
        certificate_log(certify, h);
        report(certify, h);
    }
    progress(certify);
}

/* Makes the certificate when q votes say what `body` says. */
static void try_certificate(struct giro_certify *certify, struct giro_certify_height *h,
                            const struct giro_commit_body *body)
{
    struct giro_env *env = certify->env;
    uint32_t n = env->options.replica_count;
    uint32_t equal = 0;
    uint32_t count = 0;
    if (h->certified)
        return;
    for (uint32_t i = 0; i < n; i++) {
        const struct giro_commit_vote *vote = giro_certify_vote_at(certify, h->height, i);
        if (!giro_bitmap_has(h->voted, i) || !giro_certify_body_equal(&vote->body, body))
            continue;
        equal++;
        if (!giro_bitmap_has(h->checked, i))
            giro_certify_item_set(certify, count++, i, &vote->body, &vote->signature);
    }
    if (equal < env->quorum)
        return;
    giro_certify_items_verify(certify, count);
    for (uint32_t i = 0; i < count; i++) {
        if (certify->verdicts[i] == GIRO_VALID) {
            giro_bitmap_set(h->checked, certify->voters[i]);
            continue;
        }
        giro_env_reject_of(env, certify->voters[i], GIRO_REJECT_SIGNATURE);
        giro_certify_bitmap_clear(h->voted, certify->voters[i]);
        equal--;
    }
    if (equal < env->quorum)
        return;
    struct giro_certificate certificate;
    memset(&certificate, 0, sizeof(certificate));
    certificate.header.body = *body;
    certificate.header.body.head = giro_head_make(GIRO_KIND_CERTIFICATE);
    certificate.header.scheme = GIRO_SCHEME_ED25519;
    certificate.header.signer_count = (uint8_t)env->quorum;
    uint32_t signers = 0;
    for (uint32_t i = 0; i < n && signers < env->quorum; i++) {
        const struct giro_commit_vote *vote = giro_certify_vote_at(certify, h->height, i);
        if (!giro_bitmap_has(h->voted, i) || !giro_certify_body_equal(&vote->body, body))
            continue;
        GIRO_ASSERT(giro_bitmap_has(h->checked, i));
        giro_bitmap_set(certificate.header.bitmap, i);
        certificate.signatures[signers++] = vote->signature;
    }
    GIRO_ASSERT(signers == env->quorum);
    learn(certify, &certificate);
}

/* Can a root of this height still reach q? Not if the best so far and all that have not voted are fewer. Asked only when some
 * votes differ, so that the usual vote costs nothing. */
static void quorum_doubt(struct giro_certify *certify, const struct giro_certify_height *h)
{
    const uint32_t n = certify->env->options.replica_count;
    uint32_t best = 0;
    if (h->certified || certify->no_quorum_height != 0 || giro_bitmap_count(h->accused) == 0)
        return;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t equal = 0;
        for (uint32_t k = 0; k < n && giro_bitmap_has(h->voted, i); k++)
            equal += giro_bitmap_has(h->voted, k) &&
                     giro_certify_body_equal(&giro_certify_vote_at(certify, h->height, i)->body,
                                             &giro_certify_vote_at(certify, h->height, k)->body);
        best = equal > best ? equal : best;
    }
    if (best + n - giro_bitmap_count(h->voted) < certify->env->quorum)
        certify->no_quorum_height = h->height;
}

/* ---- Own roots --------------------------------------------------------------------------------------------------- */

static void roots_log(struct giro_certify *certify, struct giro_certify_height *h)
{
    GIRO_ASSERT(h->executed && !certify->env->recovering);
    h->log_sequence = giro_env_log(certify->env, GIRO_LOG_ROOTS_RECORD, &h->own.block_id, h->height,
                                   &h->own, sizeof(h->own));
    h->recorded = true;
    h->logged = h->own;
}

/* Writes the roots that were computed during recovery and found no record in the log, in height order. */
static void roots_catch_up(struct giro_certify *certify)
{
    if (certify->env->recovering || certify->unlogged_height == 0)
        return;
    uint64_t height = certify->unlogged_height;
    if (height < giro_certify_window_low(certify))
        height = giro_certify_window_low(certify);
    for (; height <= certify->executed_height; height++) {
        struct giro_certify_height *h = giro_certify_peek(certify, height);
        if (h == NULL || !h->executed || h->recorded)
            continue;
        if (giro_env_room(certify->env) < 4) {
            certify->unlogged_height = height;
            return;
        }
        roots_log(certify, h);
    }
    certify->unlogged_height = 0;
}

static bool vote_due(const struct giro_certify *certify)
{
    const struct giro_certify_height *h = giro_certify_peek(certify, certify->voted_height + 1);
    if (h == NULL)
        return certify->voted_height < certify->executed_height;
    return h->executed &&
           (h->certified || (h->recorded && h->log_sequence <= certify->env->watermark));
}

static void vote_sign(struct giro_certify *certify, struct giro_certify_height *h)
{
    struct giro_env *env = certify->env;
    uint8_t message[GIRO_COMMIT_MESSAGE_BYTES];
    uint32_t self = env->options.self;
    GIRO_ASSERT(env->may_sign && h->recorded && h->log_sequence <= env->watermark);
    struct giro_commit_vote *vote = giro_certify_vote_at(certify, h->height, self);
    *vote = (struct giro_commit_vote){.body = h->own, .voter = (uint16_t)self};
    vote->body.head = giro_head_make(GIRO_KIND_COMMIT_VOTE);
    size_t size_bytes = giro_commit_message(&env->options.chain_id, &vote->body, message);
    vote->signature = giro_env_sign(env, message, size_bytes);
    giro_bitmap_set(h->voted, self);
    giro_bitmap_set(h->checked, self);
    h->has_vote = true;
}

static void vote_send(struct giro_certify *certify, const struct giro_certify_height *h)
{
    giro_env_send(certify->env, GIRO_PEER_ALL, GIRO_KIND_COMMIT_VOTE,
                  giro_certify_vote_at(certify, h->height, certify->env->options.self),
                  sizeof(struct giro_commit_vote));
}

static void votes_flush(struct giro_certify *certify)
{
    struct giro_env *env = certify->env;
    if (env->recovering || certify->halted)
        return;
    roots_catch_up(certify);
    if (!env->may_sign)
        return;
    while (certify->voted_height < certify->executed_height && vote_due(certify)) {
        if (giro_env_room(env) < 4)
            return;
        struct giro_certify_height *h = giro_certify_peek(certify, ++certify->voted_height);
        /* What q others have signed already needs no vote of ours; what fell out of the window is past help. */
        if (h == NULL || h->certified)
            continue;
        vote_sign(certify, h);
        vote_send(certify, h);
        if (certify->resend_ns == UINT64_MAX)
            certify->resend_ns = env->now_ns + certify->resend_delay_ns;
        try_certificate(certify, h, &h->own);
        if (certify->halted)
            return;
        quorum_doubt(certify, h);
    }
}

/* Votes that came before our roots and differ from them. */
static void accuse(struct giro_certify *certify, struct giro_certify_height *h, uint32_t voter)
{
    const struct giro_commit_vote *theirs = giro_certify_vote_at(certify, h->height, voter);
    if (giro_certify_body_equal(&theirs->body, &h->own) || giro_bitmap_has(h->accused, voter))
        return;
    if (!giro_certify_vote_check(certify, h, voter) || giro_env_room(certify->env) < 4)
        return;
    giro_bitmap_set(h->accused, voter);
    const struct giro_commit_vote *ours =
        giro_certify_vote_at(certify, h->height, certify->env->options.self);
    const struct giro_evidence_claim claim = {
        .reject = GIRO_REJECT_HASH,
        .what = GIRO_KIND_COMMIT_VOTE,
        .offender = voter,
        .round = h->height,
        .first = h->has_vote ? (struct giro_part){ours, sizeof(*ours)}
                             : (struct giro_part){&h->own, sizeof(h->own)},
        .second = {theirs, sizeof(*theirs)}};
    giro_env_evidence(certify->env, &claim);
}

void giro_certify_executed(struct giro_certify *certify, const struct giro_proposal *block,
                           const struct giro_event *event)
{
    struct giro_env *env = certify->env;
    GIRO_ASSERT(event->kind == GIRO_EVENT_EXECUTED);
    GIRO_ASSERT(event->executed.height == certify->executed_height + 1);
    GIRO_ASSERT(block->block.height == event->executed.height);
    if (certify->halted)
        return;
    certify->executed_height++;
    struct giro_certify_height *h = giro_certify_at(certify, certify->executed_height);
    GIRO_ASSERT(!h->executed);
    h->executed = true;
    h->own = (struct giro_commit_body){.head = giro_head_make(GIRO_KIND_COMMIT_VOTE),
                                       .epoch = block->block.epoch,
                                       .height = h->height,
                                       .time_ns = block->block.time_ns,
                                       .block_id = block->block_id,
                                       .state_root = event->executed.state_root,
                                       .ledger_root = event->executed.ledger_root};
    certify->uncertified_count += !h->certified;
    if (h->recorded && !giro_certify_body_equal(&h->logged, &h->own)) {
        halt(certify, "executing again gave other roots than the log says", h->height, NULL);
        return;
    }
    if (h->certified && contradicts(certify, &h->own, &h->certificate))
        return;
    if (certify->has_highest && certify->highest.header.body.height == h->height) {
        struct giro_certificate highest = certify->highest;
        learn(certify, &highest); /* it may have been above the window when it came */
        if (certify->halted)
            return;
    }
    if (!env->recovering && certify->unlogged_height == 0)
        roots_log(certify, h);
    else if (!h->recorded && certify->unlogged_height == 0)
        certify->unlogged_height = h->height;
    certificate_log(certify, h);
    report(certify, h);
    for (uint32_t i = 0; i < env->options.replica_count; i++) {
        if (giro_bitmap_has(h->voted, i))
            accuse(certify, h, i);
    }
    votes_flush(certify);
}

/* ---- Recovery ---------------------------------------------------------------------------------------------------- */

static void recover_roots(struct giro_certify *certify, const uint8_t *body, uint32_t body_bytes)
{
    struct giro_commit_body logged;
    if (body_bytes != sizeof(logged)) {
        giro_env_reject(certify->env, GIRO_REJECT_TRUNCATED);
        return;
    }
    memcpy(&logged, body, sizeof(logged));
    if (logged.height < giro_certify_window_low(certify) ||
        logged.height > giro_certify_window_top(certify))
        return;
    struct giro_certify_height *h = giro_certify_at(certify, logged.height);
    if (h->recorded && !giro_certify_body_equal(&h->logged, &logged)) {
        halt(certify, "the log holds two different roots of one height", logged.height, NULL);
        return;
    }
    h->recorded = true;
    h->logged = logged;
    h->log_sequence = 0;
    if (h->executed && !giro_certify_body_equal(&h->own, &logged))
        halt(certify, "executing again gave other roots than the log says", logged.height, NULL);
}

static void recover_certificate(struct giro_certify *certify, const uint8_t *body,
                                uint32_t body_bytes)
{
    struct giro_certificate certificate;
    struct giro_reader reader;
    giro_reader_init(&reader, body, body_bytes);
    memset(&certificate, 0, sizeof(certificate));
    enum giro_reject reject =
        giro_certificate_decode(&reader, certify->env->options.replica_count, &certificate);
    if (reject == GIRO_REJECT_NONE && giro_reader_left(&reader) != 0)
        reject = GIRO_REJECT_OVERSIZED;
    if (reject == GIRO_REJECT_NONE && certificate.header.signer_count != certify->env->quorum)
        reject = GIRO_REJECT_QUORUM;
    if (reject != GIRO_REJECT_NONE) {
        giro_env_reject(certify->env, reject);
        return;
    }
    /* Our own log: the signatures were checked before it was written. */
    learn(certify, &certificate);
    struct giro_certify_height *h = giro_certify_peek(certify, certificate.header.body.height);
    if (h != NULL && h->certified)
        h->logged_certificate = true;
}

void giro_certify_recover(struct giro_certify *certify, enum giro_log_kind kind,
                          const uint8_t *body, uint32_t body_bytes)
{
    GIRO_ASSERT(certify->env->recovering);
    if (certify->halted)
        return;
    if (kind == GIRO_LOG_ROOTS_RECORD)
        recover_roots(certify, body, body_bytes);
    else if (kind == GIRO_LOG_CERTIFICATE_RECORD)
        recover_certificate(certify, body, body_bytes);
}

void giro_certify_base(struct giro_certify *certify, const struct giro_certificate *certificate)
{
    GIRO_ASSERT(certify->env->recovering && certify->executed_height == 0);
    const uint64_t height = certificate->header.body.height;
    certify->executed_height = height;
    certify->voted_height = height;
    certify->highest = *certificate;
    certify->has_highest = true;
    struct giro_certify_height *h = giro_certify_at(certify, height);
    h->own = certificate->header.body;
    h->own.head = giro_head_make(GIRO_KIND_COMMIT_VOTE);
    h->certificate = *certificate;
    h->executed = h->certified = h->reported = h->logged_certificate = true;
}

/* ---- Peers ------------------------------------------------------------------------------------------------------- */

/* Answers a vote for a height that is certified here: its author did not see the quorum. */
static void answer(struct giro_certify *certify, uint16_t sender, uint64_t height)
{
    struct giro_env *env = certify->env;
    const struct giro_certify_height *h = giro_certify_peek(certify, height);
    if (giro_env_room(env) == 0)
        return;
    if (h == NULL || !h->certified) {
        struct giro_action *action = giro_env_action(env, GIRO_ACTION_SERVE);
        action->serve.peer = sender;
        action->serve.wanted_kind = GIRO_KIND_CERTIFICATE;
        action->serve.height = height;
        action->serve.count = 1;
        return;
    }
    size_t size_bytes =
        sizeof(struct giro_certificate_header) + env->quorum * sizeof(struct giro_signature);
    uint8_t *bytes = giro_env_scratch(env, size_bytes);
    if (bytes == NULL)
        return;
    struct giro_writer writer;
    giro_writer_init(&writer, bytes, size_bytes);
    bool encoded = giro_certificate_encode(&h->certificate, &writer);
    GIRO_ASSERT(encoded && writer.offset == size_bytes);
    giro_env_send(env, sender, GIRO_KIND_CERTIFICATE, bytes, size_bytes);
}

static enum giro_reject vote_read(const struct giro_certify *certify, uint16_t sender,
                                  const uint8_t *body, size_t size_bytes,
                                  struct giro_commit_vote *vote)
{
    const struct giro_env *env = certify->env;
    struct giro_reader reader;
    memset(vote, 0, sizeof(*vote));
    giro_reader_init(&reader, body, size_bytes);
    enum giro_reject reject = giro_commit_vote_decode(&reader, env->options.replica_count, vote);
    if (reject != GIRO_REJECT_NONE)
        return reject;
    if (giro_reader_left(&reader) != 0)
        return GIRO_REJECT_OVERSIZED;
    if (vote->voter != sender || sender == env->options.self)
        return GIRO_REJECT_SIGNER;
    if (vote->body.epoch != env->options.epoch)
        return GIRO_REJECT_EPOCH;
    if (vote->body.height == 0)
        return GIRO_REJECT_FIELD;
    return vote->body.height > giro_certify_window_top(certify) ? GIRO_REJECT_FUTURE
                                                                : GIRO_REJECT_NONE;
}

/* A second vote of one voter for one height: the same again, a replacement of a forged one, or equivocation. */
static void second_vote(struct giro_certify *certify, struct giro_certify_height *h,
                        const struct giro_commit_vote *vote)
{
    struct giro_env *env = certify->env;
    uint32_t voter = vote->voter;
    struct giro_commit_vote *first = giro_certify_vote_at(certify, h->height, voter);
    if (memcmp(first, vote, sizeof(*vote)) == 0) {
        giro_env_reject(env, GIRO_REJECT_DUPLICATE);
        if (h->certified)
            answer(certify, (uint16_t)voter, h->height);
        return;
    }
    if (!giro_certify_vote_check(certify, h, voter)) {
        *first = *vote;
        giro_bitmap_set(h->voted, voter);
        return;
    }
    giro_env_reject(env, GIRO_REJECT_EQUIVOCATION);
    giro_certify_item_set(certify, 0, voter, &vote->body, &vote->signature);
    if (giro_certify_body_equal(&first->body, &vote->body) || giro_bitmap_has(h->accused, voter))
        return;
    if (giro_certify_items_verify(certify, 1) != 1)
        return;
    giro_bitmap_set(h->accused, voter);
    const struct giro_evidence_claim claim = {.reject = GIRO_REJECT_EQUIVOCATION,
                                              .what = GIRO_KIND_COMMIT_VOTE,
                                              .offender = voter,
                                              .round = h->height,
                                              .first = {first, sizeof(*first)},
                                              .second = {vote, sizeof(*vote)}};
    giro_env_evidence(env, &claim);
}

void giro_certify_on_vote(struct giro_certify *certify, uint16_t sender, const uint8_t *body,
                          size_t size_bytes)
{
    struct giro_commit_vote vote;
    if (certify->halted)
        return;
    enum giro_reject reject = vote_read(certify, sender, body, size_bytes, &vote);
    if (reject != GIRO_REJECT_NONE) {
        giro_env_reject(certify->env, reject);
        return;
    }
    if (vote.body.height < giro_certify_window_low(certify)) {
        giro_env_reject(certify->env, GIRO_REJECT_STALE);
        answer(certify, sender, vote.body.height);
        return;
    }
    struct giro_certify_height *h = giro_certify_at(certify, vote.body.height);
    if (giro_bitmap_has(h->voted, sender)) {
        second_vote(certify, h, &vote);
    } else {
        *giro_certify_vote_at(certify, h->height, sender) = vote;
        giro_bitmap_set(h->voted, sender);
        /* The last votes of a height arrive after its certificate: only a voter that is late is answered at once, the
         * others when they ask again. */
        if (h->certified && h->height + GIRO_CERTIFY_LATE < giro_certify_height(certify))
            answer(certify, sender, h->height);
    }
    if (!giro_bitmap_has(h->voted, sender))
        return;
    if (h->executed)
        accuse(certify, h, sender);
    if (giro_bitmap_has(h->voted, sender)) {
        struct giro_commit_body said = giro_certify_vote_at(certify, h->height, sender)->body;
        try_certificate(certify, h, &said);
    }
    quorum_doubt(certify, h);
}

enum giro_reject giro_certify_check_certificate(struct giro_certify *certify,
                                                const struct giro_certificate *certificate)
{
    const struct giro_certify_height *h =
        giro_certify_peek(certify, certificate->header.body.height);
    if (h != NULL && h->certified &&
        memcmp(&h->certificate.header, &certificate->header, sizeof(certificate->header)) == 0 &&
        memcmp(h->certificate.signatures, certificate->signatures,
               certify->env->quorum * sizeof(struct giro_signature)) == 0)
        return GIRO_REJECT_NONE;
    enum giro_reject reject = giro_certify_certificate_verify(certify, certificate);
    if (reject == GIRO_REJECT_NONE && !certify->halted)
        learn(certify, certificate);
    return reject;
}

void giro_certify_on_certificate(struct giro_certify *certify, uint16_t sender, const uint8_t *body,
                                 size_t size_bytes)
{
    struct giro_env *env = certify->env;
    struct giro_certificate certificate;
    struct giro_reader reader;
    if (certify->halted)
        return;
    giro_reader_init(&reader, body, size_bytes);
    memset(&certificate, 0, sizeof(certificate));
    enum giro_reject reject =
        giro_certificate_decode(&reader, env->options.replica_count, &certificate);
    if (reject == GIRO_REJECT_NONE && giro_reader_left(&reader) != 0)
        reject = GIRO_REJECT_OVERSIZED;
    if (reject == GIRO_REJECT_NONE &&
        (sender >= env->options.replica_count || sender == env->options.self))
        reject = GIRO_REJECT_SIGNER;
    if (reject == GIRO_REJECT_NONE)
        reject = giro_certify_check_certificate(certify, &certificate);
    if (reject != GIRO_REJECT_NONE)
        giro_env_reject(env, reject);
}

/* ---- Durability and time ----------------------------------------------------------------------------------------- */

void giro_certify_on_durable(struct giro_certify *certify)
{
    votes_flush(certify);
}

static void resend(struct giro_certify *certify)
{
    struct giro_env *env = certify->env;
    uint32_t sent = 0;
    for (uint64_t height = giro_certify_window_low(certify); height <= certify->voted_height;
         height++) {
        const struct giro_certify_height *h = giro_certify_peek(certify, height);
        if (h == NULL || !h->has_vote || h->certified)
            continue;
        if (sent == GIRO_CERTIFY_RESEND_COUNT || giro_env_room(env) < 4)
            break;
        vote_send(certify, h);
        sent++;
    }
    if (certify->resend_delay_ns < GIRO_CERTIFY_RESEND_MAX_NS)
        certify->resend_delay_ns *= 2;
    if (certify->resend_delay_ns > GIRO_CERTIFY_RESEND_MAX_NS)
        certify->resend_delay_ns = GIRO_CERTIFY_RESEND_MAX_NS;
    certify->resend_ns = sent > 0 ? env->now_ns + certify->resend_delay_ns : UINT64_MAX;
}

void giro_certify_on_tick(struct giro_certify *certify)
{
    if (certify->halted || certify->env->recovering)
        return;
    votes_flush(certify);
    if (certify->missed) {
        certify->missed = false;
        for (uint64_t height = giro_certify_window_low(certify); height <= certify->executed_height;
             height++) {
            struct giro_certify_height *h = giro_certify_peek(certify, height);
            if (h == NULL)
                continue;
            certificate_log(certify, h);
            report(certify, h);
        }
    }
    if (certify->env->may_sign && certify->resend_ns <= certify->env->now_ns)
        resend(certify);
}

uint64_t giro_certify_next_ns(const struct giro_certify *certify)
{
    const struct giro_env *env = certify->env;
    if (certify->halted || env->recovering)
        return UINT64_MAX;
    if (certify->unlogged_height != 0 || certify->missed)
        return env->now_ns;
    if (!env->may_sign)
        return UINT64_MAX;
    if (certify->voted_height < certify->executed_height && vote_due(certify))
        return env->now_ns;
    return certify->resend_ns;
}

uint64_t giro_certify_height(const struct giro_certify *certify)
{
    return certify->has_highest ? certify->highest.header.body.height : 0;
}

const struct giro_certificate *giro_certify_highest(const struct giro_certify *certify)
{
    return certify->has_highest ? &certify->highest : NULL;
}

uint64_t giro_certify_no_quorum(const struct giro_certify *certify)
{
    return certify->no_quorum_height;
}

const struct giro_halt *giro_certify_halt(const struct giro_certify *certify)
{
    return certify->halted ? &certify->halt : NULL;
}

void giro_certify_check_state(const struct giro_certify *certify)
{
    uint32_t uncertified = 0;
    GIRO_ASSERT(certify->voted_height <= certify->executed_height);
    for (uint32_t i = 0; i < GIRO_CERTIFY_HEIGHTS; i++) {
        const struct giro_certify_height *h = &certify->heights[i];
        GIRO_ASSERT(h->height == 0 || h->height % GIRO_CERTIFY_HEIGHTS == i);
        GIRO_ASSERT(h->height <= giro_certify_window_top(certify));
        GIRO_ASSERT(!h->executed || h->height <= certify->executed_height);
        GIRO_ASSERT(!h->has_vote || (h->executed && h->height <= certify->voted_height));
        GIRO_ASSERT(!h->has_vote || h->log_sequence <= certify->env->watermark);
        GIRO_ASSERT(!h->reported || (h->executed && h->certified));
        if (h->executed && h->certified && !certify->halted)
            GIRO_ASSERT(giro_certify_body_equal(&h->own, &h->certificate.header.body));
        for (uint32_t k = 0; k < GIRO_BITMAP_BYTES; k++)
            GIRO_ASSERT((h->checked[k] & ~h->voted[k]) == 0);
        uncertified += h->executed && !h->certified;
    }
    GIRO_ASSERT(uncertified == certify->uncertified_count);
}
