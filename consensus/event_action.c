/* The digest of one action: every field, in the order of its struct, and the bytes it names. Batches are named by their
 * ids, which are hashes of all their bytes. */
#include <xxhash.h>

#include "giro/event_log.h"

struct hashing {
    uint64_t digest;
    uint32_t size_bytes;
};

static void add(struct hashing *hashing, const void *bytes, size_t size_bytes)
{
    hashing->digest = XXH3_64bits_withSeed(bytes, size_bytes, hashing->digest);
    hashing->size_bytes += (uint32_t)size_bytes;
}

static void add_u64(struct hashing *hashing, uint64_t value)
{
    add(hashing, &value, sizeof(value));
}

static void add_hash(struct hashing *hashing, const struct giro_hash *hash)
{
    add(hashing, hash, sizeof(*hash));
}

static void add_parts(struct hashing *hashing, const struct giro_part *parts, uint32_t count)
{
    add_u64(hashing, count);
    for (uint32_t i = 0; i < count; i++)
        add(hashing, parts[i].bytes, parts[i].size_bytes);
}

static void add_sign(struct hashing *hashing, const struct giro_action *action)
{
    add_u64(hashing, action->sign.is_timeout);
    if (action->sign.is_timeout)
        add(hashing, &action->sign.timeout, sizeof(action->sign.timeout));
    else
        add(hashing, &action->sign.vote, sizeof(action->sign.vote));
    add_u64(hashing, action->sign.lock_round);
    add_u64(hashing, action->sign.after_log);
}

static void add_execute(struct hashing *hashing, const struct giro_action *action)
{
    const struct giro_proposal *const block = action->execute.block;
    add_hash(hashing, &block->block_id);
    add_u64(hashing, block->block.height);
    add_u64(hashing, action->execute.batch_count);
    for (uint32_t i = 0; i < action->execute.batch_count; i++) {
        add_hash(hashing, &block->references[i].batch_id);
        add_u64(hashing, action->execute.batch_bytes[i]);
    }
    add_u64(hashing, action->execute.recovering);
}

static void add_certified(struct hashing *hashing, const struct giro_action *action)
{
    const struct giro_certificate *const certificate = action->certified.certificate;
    add(hashing, &certificate->header, sizeof(certificate->header));
    add(hashing, certificate->signatures,
        certificate->header.signer_count * sizeof(certificate->signatures[0]));
    add_u64(hashing, action->certified.recovering);
}

static void add_serve(struct hashing *hashing, const struct giro_action *action)
{
    add_u64(hashing, action->serve.peer);
    add_u64(hashing, action->serve.wanted_kind);
    add_hash(hashing, &action->serve.id);
    add_u64(hashing, action->serve.height);
    add_u64(hashing, action->serve.count);
}

static void add_keep(struct hashing *hashing, const struct giro_action *action)
{
    const struct giro_checkpoint *const checkpoint = action->keep.checkpoint;
    const struct giro_certificate *const certificate = action->keep.certificate;
    const struct giro_qc *const qc = action->keep.qc;
    add(hashing, &checkpoint->header, sizeof(checkpoint->header));
    add(hashing, checkpoint->signatures,
        checkpoint->header.signer_count * sizeof(checkpoint->signatures[0]));
    add(hashing, &certificate->header, sizeof(certificate->header));
    add(hashing, certificate->signatures,
        certificate->header.signer_count * sizeof(certificate->signatures[0]));
    add(hashing, &qc->header, sizeof(qc->header));
    add(hashing, qc->signatures, qc->header.signer_count * sizeof(qc->signatures[0]));
    add_u64(hashing, action->keep.log_sequence);
}

static enum giro_action_number add_action(struct hashing *hashing, const struct giro_action *action)
{
    switch (action->kind) {
    case GIRO_ACTION_LOG:
        add_u64(hashing, action->log.record);
        add_parts(hashing, action->log.parts, action->log.part_count);
        add_u64(hashing, action->log.sequence);
        add_hash(hashing, &action->log.key);
        add_u64(hashing, action->log.height);
        return GIRO_ACTION_NUMBER_LOG;
    case GIRO_ACTION_SIGN:
        add_sign(hashing, action);
        return GIRO_ACTION_NUMBER_SIGN;
    case GIRO_ACTION_SEND:
        add_u64(hashing, action->send.peer);
        add(hashing, &action->send.envelope, sizeof(action->send.envelope));
        add_parts(hashing, action->send.parts, action->send.part_count);
        return GIRO_ACTION_NUMBER_SEND;
    case GIRO_ACTION_VERIFY:
        add_u64(hashing, action->verify.slot);
        add_hash(hashing, &action->verify.batch_id);
        add_u64(hashing, action->verify.size_bytes);
        return GIRO_ACTION_NUMBER_VERIFY;
    case GIRO_ACTION_EXECUTE:
        add_execute(hashing, action);
        return GIRO_ACTION_NUMBER_EXECUTE;
    case GIRO_ACTION_CERTIFIED:
        add_certified(hashing, action);
        return GIRO_ACTION_NUMBER_CERTIFIED;
    case GIRO_ACTION_AVAILABLE:
        add_hash(hashing, &action->available.batch_id);
        add_u64(hashing, action->available.expiry_ns);
        add_u64(hashing, action->available.size_bytes);
        return GIRO_ACTION_NUMBER_AVAILABLE;
    case GIRO_ACTION_SERVE:
        add_serve(hashing, action);
        return GIRO_ACTION_NUMBER_SERVE;
    case GIRO_ACTION_EVIDENCE:
        add_u64(hashing, action->evidence.reject);
        add_u64(hashing, action->evidence.offender);
        add_parts(hashing, &action->evidence.first, 1);
        add_parts(hashing, &action->evidence.second, 1);
        return GIRO_ACTION_NUMBER_EVIDENCE;
    case GIRO_ACTION_CHECKPOINT:
        add_u64(hashing, action->checkpoint.height);
        return GIRO_ACTION_NUMBER_CHECKPOINT;
    case GIRO_ACTION_KEEP:
        add_keep(hashing, action);
        return GIRO_ACTION_NUMBER_KEEP;
    case GIRO_ACTION_STATE_SYNC:
        add_u64(hashing, action->state_sync.above_height);
        return GIRO_ACTION_NUMBER_STATE_SYNC;
    case GIRO_ACTION_HALT:
        add(hashing, action->halt.reason, strlen(action->halt.reason));
        add_u64(hashing, action->halt.height);
        return GIRO_ACTION_NUMBER_HALT;
    }
    GIRO_ASSERT(false);
    return GIRO_ACTION_NUMBER_HALT;
}

struct giro_event_action giro_event_action_make(const struct giro_action *action)
{
    struct hashing hashing = {0, 0};
    const enum giro_action_number number = add_action(&hashing, action);
    return (struct giro_event_action){
        .digest = hashing.digest, .size_bytes = hashing.size_bytes, .kind = (uint16_t)number};
}
