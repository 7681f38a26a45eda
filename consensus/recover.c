/* Start-up: the safety slots, then every record of the log in order, then START. The tree, the high QC and the high TC
 * come out of the log alone, so a cluster that lost all memory at once goes on by itself. */
#include "consensus/evidence.h"
#include "consensus/internal.h"

void giro_recover_safety(struct giro_consensus *core, const struct giro_event *event)
{
    GIRO_ASSERT(!core->started);
    core->safety = *event->recover_safety;
    GIRO_ASSERT(core->safety.epoch == core->env.options.epoch);
    GIRO_ASSERT(core->safety.incarnation >= 1);
    core->signing.durable_round = giro_signed_round(&core->safety);
}

/* The stored timeout is needed whole to be sent again: the record that the safety slot's header fits. */
static void timeout_recover(struct giro_consensus *core, const struct giro_timeout *timeout)
{
    const struct giro_timeout_header *const last = &core->safety.last_timeout;
    const struct giro_timeout_header *const header = &timeout->header;
    if (last->round == 0 || header->round != last->round ||
        header->high_qc_round != last->high_qc_round || header->has_last_tc != last->has_last_tc)
        return;
    core->own_timeout = *timeout;
    core->own_timeout.header = *last;
}

static enum giro_reject certificate_recover(struct giro_consensus *core, uint16_t kind,
                                            struct giro_reader *reader)
{
    const uint32_t count = core->env.options.replica_count;
    enum giro_reject reject = GIRO_REJECT_NONE;
    if (kind == GIRO_LOG_QC_RECORD) {
        struct giro_qc *const qc = &core->qc_in;
        reject = giro_qc_decode(reader, count, qc);
        if (reject == GIRO_REJECT_NONE)
            reject = giro_qc_check(core, qc);
        if (reject == GIRO_REJECT_NONE)
            giro_qc_take(core, qc, true);
        return reject;
    }
    if (kind == GIRO_LOG_TC_RECORD) {
        struct giro_tc *const tc = &core->tc_in;
        reject = giro_tc_decode(reader, count, tc);
        if (reject == GIRO_REJECT_NONE)
            reject = giro_tc_check(core, tc);
        if (reject == GIRO_REJECT_NONE)
            giro_tc_take(core, tc, true);
        return reject;
    }
    struct giro_timeout *const timeout = &core->timeout_in;
    reject = giro_timeout_decode(reader, count, timeout);
    if (reject == GIRO_REJECT_NONE)
        reject = giro_qc_check(core, &timeout->high_qc);
    if (reject == GIRO_REJECT_NONE && timeout->header.has_last_tc != 0)
        reject = giro_tc_check(core, &timeout->last_tc);
    if (reject != GIRO_REJECT_NONE)
        return reject;
    giro_qc_take(core, &timeout->high_qc, true);
    if (timeout->header.has_last_tc != 0)
        giro_tc_take(core, &timeout->last_tc, true);
    timeout_recover(core, timeout);
    return GIRO_REJECT_NONE;
}

void giro_recover_record(struct giro_consensus *core, const struct giro_event *event)
{
    GIRO_ASSERT(!core->started);
    GIRO_ASSERT(core->env.recovering);
    const uint8_t *const body = event->recover_record.body;
    const uint32_t body_bytes = event->recover_record.body_bytes;
    const uint16_t kind = event->recover_record.kind;
    struct giro_reader reader;
    giro_reader_init(&reader, body, body_bytes);
    switch (kind) {
    case GIRO_LOG_BLOCK_RECORD:
        giro_env_reject(&core->env, giro_block_arrive(core, (uint16_t)core->env.options.self, body,
                                                      body_bytes, GIRO_FROM_LOG));
        break;
    case GIRO_LOG_TIMEOUT_RECORD:
    case GIRO_LOG_QC_RECORD:
    case GIRO_LOG_TC_RECORD:
        giro_env_reject(&core->env, certificate_recover(core, kind, &reader));
        break;
    case GIRO_LOG_BATCH_RECORD:
    case GIRO_LOG_PROOF_RECORD:
        giro_batches_recover(core->batches, (enum giro_log_kind)kind, body, body_bytes);
        break;
    case GIRO_LOG_ROOTS_RECORD:
    case GIRO_LOG_CERTIFICATE_RECORD:
        giro_certify_recover(core->certify, (enum giro_log_kind)kind, body, body_bytes);
        break;
    case GIRO_LOG_EVIDENCE_RECORD:
        giro_env_reject(&core->env, giro_evidence_recover(core->env.evidence, body, body_bytes));
        break;
    default: /* padding */
        break;
    }
}

/* The block of the current round, if the log has one: to vote for, or to know another one as equivocation. */
static void candidate_recover(struct giro_consensus *core)
{
    const struct giro_tree *const tree = &core->tree;
    core->candidate = GIRO_NONE;
    for (uint32_t slot = 0; slot < tree->slot_count; slot++) {
        const struct giro_block *const block = &tree->blocks[slot];
        if (block->state != GIRO_BLOCK_PENDING || block->round != core->pace.round)
            continue;
        core->candidate = slot;
        core->candidate_open = block->round > core->safety.last_voted_round;
        /* Of several, the one voted for. */
        if (giro_hash_equal(&block->id, &core->safety.last_vote.block_id))
            return;
    }
}

void giro_recover_start(struct giro_consensus *core, const struct giro_event *event)
{
    GIRO_ASSERT(!core->started);
    GIRO_ASSERT(core->safety.incarnation >= 1);
    GIRO_ASSERT(event->start.next_log_sequence >= 1);
    core->started = true;
    core->env.recovering = false;
    core->env.next_log_sequence = event->start.next_log_sequence;
    core->env.watermark = event->start.next_log_sequence - 1;
    candidate_recover(core);
    core->own_timeout_made =
        core->own_timeout.header.round != 0 && core->own_timeout.header.round == core->pace.round;
    core->own_timeout_signed = false;
    giro_sync_envelope(core);
    giro_batches_start(core->batches, core->safety.incarnation);
    giro_hello_start(core);
}
