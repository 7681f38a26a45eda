/* Timeouts and timeout certificates. Only timeouts of the current round are kept: a timeout carries the QC or TC that
 * starts its round, so whoever can check it is in that round or beyond. */
#include "consensus/internal.h"

/* ---- Own timeouts ------------------------------------------------------------------------------------- */

static uint8_t *timeout_encode(struct giro_consensus *core, size_t *size_bytes)
{
    uint8_t *const bytes = giro_env_scratch(&core->env, sizeof(struct giro_timeout));
    if (bytes == NULL)
        return NULL;
    struct giro_writer writer;
    giro_writer_init(&writer, bytes, sizeof(struct giro_timeout));
    const bool written = giro_timeout_encode(&core->own_timeout, &writer);
    GIRO_ASSERT(written);
    *size_bytes = writer.offset;
    return bytes;
}

void giro_timeout_send(struct giro_consensus *core)
{
    GIRO_ASSERT(core->own_timeout_signed);
    GIRO_ASSERT(core->own_timeout.header.round == core->pace.round);
    size_t size_bytes = 0;
    const uint8_t *const bytes = timeout_encode(core, &size_bytes);
    if (bytes == NULL || giro_env_room(&core->env) == 0)
        return;
    giro_env_send(&core->env, GIRO_PEER_ALL, GIRO_KIND_TIMEOUT, bytes, size_bytes);
    core->env.counters.timeouts_sent++;
}

/* giro_timeout_make gives up the current round: logs what it signs, then asks for the signature. Made already: sends it
 * again. */
void giro_timeout_make(struct giro_consensus *core)
{
    struct giro_safety_state *const safety = &core->safety;
    const uint64_t round = core->pace.round;
    const uint64_t high_round = core->high_qc.header.round;
    if (!core->env.may_sign)
        return;
    if (core->own_timeout_made) {
        if (core->own_timeout_signed)
            giro_timeout_send(core);
        return;
    }
    /* A high QC below the lock means that the log lost a block this replica voted for: peers will send it. */
    if (high_round < safety->lock_round || safety->last_voted_round > round ||
        safety->last_timeout_round >= round || giro_env_room(&core->env) < 4)
        return;
    struct giro_timeout *const timeout = &core->own_timeout;
    timeout->header = (struct giro_timeout_header){.head = giro_head_make(GIRO_KIND_TIMEOUT),
                                                   .epoch = core->env.options.epoch,
                                                   .round = round,
                                                   .high_qc_round = high_round,
                                                   .voter = (uint16_t)core->env.options.self};
    timeout->high_qc = core->high_qc;
    if (high_round + 1 != round) {
        GIRO_ASSERT(core->high_tc.header.round + 1 == round);
        timeout->header.has_last_tc = 1;
        timeout->last_tc = core->high_tc;
    }
    size_t size_bytes = 0;
    const uint8_t *const bytes = timeout_encode(core, &size_bytes);
    if (bytes == NULL)
        return;
    core->own_timeout_made = true;
    core->own_timeout_signed = false;
    if (!GIRO_MUTANT_IS(TIMEOUT_DOES_NOT_VOTE))
        safety->last_voted_round = round;
    safety->last_timeout_round = round;
    safety->lock_round = high_round;
    safety->last_timeout = timeout->header;
    core->signing.timeout = timeout->header;
    core->signing.timeout_lock_round = safety->lock_round;
    core->signing.timeout_after_log =
        giro_env_log(&core->env, GIRO_LOG_TIMEOUT_RECORD, &giro_hash_zero, 0, bytes, size_bytes);
    core->signing.timeout_waits = true;
}

/* ---- Collecting ----------------------------------------------------------------------------------------- */

static void certificate_form(struct giro_consensus *core)
{
    const struct giro_timeouts *const timeouts = &core->timeouts;
    struct giro_tc *const tc = &core->tc_in;
    memset(tc, 0, sizeof(*tc));
    tc->header.head = giro_head_make(GIRO_KIND_TC);
    tc->header.epoch = core->env.options.epoch;
    tc->header.round = core->pace.round;
    tc->header.scheme = GIRO_SCHEME_ED25519;
    tc->high_qc = timeouts->best_qc;
    uint32_t signer = 0;
    for (uint32_t i = 0; i < core->env.options.replica_count; i++) {
        if (timeouts->headers[i].round == 0)
            continue;
        GIRO_ASSERT(timeouts->headers[i].round == core->pace.round);
        giro_bitmap_set(tc->header.bitmap, i);
        tc->high_qc_rounds[signer] = timeouts->headers[i].high_qc_round;
        tc->signatures[signer++] = timeouts->headers[i].signature;
    }
    GIRO_ASSERT(signer == core->env.quorum);
    tc->header.signer_count = (uint8_t)signer;
    uint8_t *const bytes = giro_env_scratch(&core->env, sizeof(struct giro_tc));
    if (bytes != NULL && giro_env_room(&core->env) >= 4) {
        struct giro_writer writer;
        giro_writer_init(&writer, bytes, sizeof(struct giro_tc));
        const bool written = giro_tc_encode(tc, &writer);
        GIRO_ASSERT(written);
        giro_env_send(&core->env, GIRO_PEER_ALL, GIRO_KIND_TC, bytes, writer.offset);
    }
    giro_tc_take(core, tc, false);
}

/* timeout_count counts a verified timeout of the current round. A quorum is complete the moment it has q members, so
 * best_qc is the highest of exactly those the certificate names. */
static void timeout_count(struct giro_consensus *core, const struct giro_timeout_header *header,
                          const struct giro_qc *high_qc)
{
    struct giro_timeouts *const timeouts = &core->timeouts;
    GIRO_ASSERT(header->round == core->pace.round);
    GIRO_ASSERT(header->high_qc_round == high_qc->header.round);
    GIRO_ASSERT(timeouts->headers[header->voter].round == 0);
    if (timeouts->count == 0 || high_qc->header.round > timeouts->best_qc.header.round)
        timeouts->best_qc = *high_qc;
    timeouts->headers[header->voter] = *header;
    timeouts->count++;
    GIRO_ASSERT(timeouts->count <= core->env.quorum);
    if (timeouts->count == core->env.quorum)
        certificate_form(core);
    else if (timeouts->count > core->env.faults && !core->own_timeout_made)
        giro_timeout_make(core); /* at least one honest replica gave up */
}

void giro_timeout_signed(struct giro_consensus *core, const struct giro_timeout_header *header)
{
    GIRO_ASSERT(header->voter == core->env.options.self);
    GIRO_ASSERT(header->round <= core->safety.last_timeout_round);
    if (header->round != core->pace.round)
        return;
    GIRO_ASSERT(core->own_timeout_made);
    GIRO_ASSERT(core->own_timeout.header.high_qc_round == header->high_qc_round);
    core->own_timeout.header = *header;
    core->own_timeout_signed = true;
    giro_timeout_send(core);
    if (core->timeouts.headers[header->voter].round == 0)
        timeout_count(core, header, &core->own_timeout.high_qc);
}

static void timeout_evidence(struct giro_consensus *core, const struct giro_timeout_header *first,
                             const struct giro_timeout_header *second)
{
    uint64_t *const reported = &core->peers[first->voter].evidence_rounds[GIRO_SAID_TIMEOUT];
    if (first->high_qc_round == second->high_qc_round || *reported == first->round)
        return;
    *reported = first->round;
    giro_env_reject(&core->env, GIRO_REJECT_EQUIVOCATION);
    const struct giro_evidence_claim claim = {.reject = GIRO_REJECT_EQUIVOCATION,
                                              .what = GIRO_KIND_TIMEOUT,
                                              .offender = first->voter,
                                              .round = first->round,
                                              .first = {first, sizeof(*first)},
                                              .second = {second, sizeof(*second)}};
    giro_env_evidence(&core->env, &claim);
}

static enum giro_reject timeout_check(struct giro_consensus *core, uint16_t sender,
                                      const struct giro_timeout *timeout)
{
    const struct giro_consensus_options *const options = &core->env.options;
    const struct giro_timeout_header *const header = &timeout->header;
    if (header->voter != sender)
        return GIRO_REJECT_SIGNER;
    if (header->epoch != options->epoch)
        return GIRO_REJECT_EPOCH;
    if (header->round > core->pace.round + GIRO_FAR_FUTURE_ROUNDS)
        return GIRO_REJECT_FUTURE;
    const bool after_qc = header->high_qc_round + 1 == header->round;
    const bool after_tc =
        header->has_last_tc != 0 && timeout->last_tc.header.round + 1 == header->round;
    if (header->high_qc_round >= header->round || (!after_qc && !after_tc))
        return GIRO_REJECT_ROUND;
    uint8_t message[GIRO_TIMEOUT_MESSAGE_BYTES];
    const size_t message_bytes = giro_timeout_message(
        &options->chain_id, header->epoch, header->round, header->high_qc_round, message);
    if (!giro_signature_check(core, options->vote_keys, sender, message, message_bytes,
                              &header->signature))
        return GIRO_REJECT_SIGNATURE;
    enum giro_reject reject = giro_qc_check(core, &timeout->high_qc);
    if (reject == GIRO_REJECT_NONE && header->has_last_tc != 0)
        reject = giro_tc_check(core, &timeout->last_tc);
    return reject;
}

static enum giro_reject timeout_accept(struct giro_consensus *core, uint16_t sender,
                                       const struct giro_timeout *timeout)
{
    const struct giro_timeout_header *const header = &timeout->header;
    if (header->round < core->pace.round)
        return GIRO_REJECT_NONE; /* its sender is behind and gets sync info */
    const struct giro_timeout_header *const kept = &core->timeouts.headers[sender];
    if (kept->round == header->round && memcmp(kept, header, sizeof(*kept)) == 0)
        return GIRO_REJECT_NONE; /* repeated each timer */
    const enum giro_reject reject = timeout_check(core, sender, timeout);
    if (reject != GIRO_REJECT_NONE)
        return reject;
    giro_hello_timed_out(core, header);
    giro_qc_take(core, &timeout->high_qc, false);
    if (header->has_last_tc != 0)
        giro_tc_take(core, &timeout->last_tc, false);
    if (header->round != core->pace.round)
        return GIRO_REJECT_NONE;
    if (kept->round == header->round)
        timeout_evidence(core, kept, header);
    else
        timeout_count(core, header, &timeout->high_qc);
    return GIRO_REJECT_NONE;
}

void giro_timeout_on_message(struct giro_consensus *core, uint16_t sender, const uint8_t *body,
                             size_t size_bytes)
{
    struct giro_reader reader;
    giro_reader_init(&reader, body, size_bytes);
    enum giro_reject reject =
        giro_timeout_decode(&reader, core->env.options.replica_count, &core->timeout_in);
    if (reject == GIRO_REJECT_NONE && giro_reader_left(&reader) != 0)
        reject = GIRO_REJECT_OVERSIZED;
    if (reject == GIRO_REJECT_NONE)
        reject = timeout_accept(core, sender, &core->timeout_in);
    giro_env_reject(&core->env, reject);
}

void giro_timeout_on_tc(struct giro_consensus *core, const uint8_t *body, size_t size_bytes)
{
    struct giro_reader reader;
    struct giro_tc *const tc = &core->timeout_in.last_tc;
    giro_reader_init(&reader, body, size_bytes);
    enum giro_reject reject = giro_tc_decode(&reader, core->env.options.replica_count, tc);
    if (reject == GIRO_REJECT_NONE && giro_reader_left(&reader) != 0)
        reject = GIRO_REJECT_OVERSIZED;
    if (reject == GIRO_REJECT_NONE && tc->header.round < core->pace.round)
        return;
    if (reject == GIRO_REJECT_NONE)
        reject = giro_tc_check(core, tc);
    if (reject == GIRO_REJECT_NONE)
        giro_tc_take(core, tc, false);
    giro_env_reject(&core->env, reject);
}
