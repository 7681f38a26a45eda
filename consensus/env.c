/* What the parts of the core share during one step: the action list and its counters. */
#include "consensus/evidence.h"

uint32_t giro_env_room(const struct giro_env *env)
{
    GIRO_ASSERT(env->actions != NULL);
    GIRO_ASSERT(env->actions->count <= GIRO_ACTIONS_MAX);
    return GIRO_ACTIONS_MAX - env->actions->count;
}

struct giro_action *giro_env_action(struct giro_env *env, enum giro_action_kind kind)
{
    GIRO_ASSERT(giro_env_room(env) > 0);
    struct giro_action *const action = &env->actions->items[env->actions->count++];
    memset(action, 0, sizeof(*action));
    action->kind = kind;
    return action;
}

uint8_t *giro_env_scratch(struct giro_env *env, size_t size_bytes)
{
    struct giro_actions *const actions = env->actions;
    GIRO_ASSERT(actions != NULL);
    GIRO_ASSERT(actions->scratch_used <= actions->scratch_bytes);
    const size_t wanted_bytes = giro_align_up(size_bytes, 16);
    if (wanted_bytes < size_bytes || actions->scratch_bytes - actions->scratch_used < wanted_bytes)
        return NULL;
    uint8_t *const bytes = actions->scratch + actions->scratch_used;
    actions->scratch_used += wanted_bytes;
    return bytes;
}

uint64_t giro_env_log(struct giro_env *env, enum giro_log_kind record, const struct giro_hash *key,
                      uint64_t height, const void *bytes, size_t size_bytes)
{
    GIRO_ASSERT(bytes != NULL);
    if (env->recovering)
        return 0;
    struct giro_action *const action = giro_env_action(env, GIRO_ACTION_LOG);
    action->log.record = record;
    action->log.parts[0] = (struct giro_part){bytes, size_bytes};
    action->log.part_count = 1;
    action->log.sequence = env->next_log_sequence++;
    action->log.key = *key;
    action->log.height = height;
    return action->log.sequence;
}

void giro_env_send(struct giro_env *env, uint16_t peer, enum giro_kind body_kind, const void *bytes,
                   size_t size_bytes)
{
    GIRO_ASSERT(peer == GIRO_PEER_ALL || peer < env->options.replica_count);
    GIRO_ASSERT(peer != env->options.self);
    GIRO_ASSERT(size_bytes <= GIRO_PEER_BYTES_MAX - sizeof(struct giro_peer_envelope));
    if (env->recovering || env->options.replica_count == 1)
        return;
    struct giro_action *const action = giro_env_action(env, GIRO_ACTION_SEND);
    action->send.peer = peer;
    action->send.envelope = env->envelope;
    action->send.envelope.body_kind = (uint16_t)body_kind;
    action->send.envelope.size_bytes = (uint32_t)(sizeof(struct giro_peer_envelope) + size_bytes);
    action->send.parts[0] = (struct giro_part){bytes, size_bytes};
    action->send.part_count = 1;
}

struct giro_signature giro_env_sign(const struct giro_env *env, const void *message,
                                    size_t message_bytes)
{
    const struct giro_consensus_options *const options = &env->options;
    return options->sign != NULL ? options->sign(options->sign_context, message, message_bytes)
                                 : giro_sign(options->batch_key, message, message_bytes);
}

enum giro_reject giro_env_reject_of(struct giro_env *env, uint32_t peer, enum giro_reject reject)
{
    GIRO_ASSERT((uint32_t)reject < GIRO_REJECT_COUNT_OF_REASONS);
    if (reject == GIRO_REJECT_NONE)
        return reject;
    env->rejects[reject]++;
    if (peer < env->options.replica_count && env->peer_rejects != NULL)
        env->peer_rejects[(size_t)peer * GIRO_REJECT_COUNT_OF_REASONS + reject]++;
    return reject;
}

enum giro_reject giro_env_reject(struct giro_env *env, enum giro_reject reject)
{
    return giro_env_reject_of(env, env->peer, reject);
}

/* A part that is not in scratch already is copied there: the message it came in is the caller's. */
static struct giro_part keep(struct giro_env *env, const void *bytes, size_t size_bytes)
{
    uint8_t *const copy = giro_env_scratch(env, size_bytes);
    if (copy == NULL)
        return (struct giro_part){NULL, 0};
    memcpy(copy, bytes, size_bytes);
    return (struct giro_part){copy, size_bytes};
}

static void evidence_log(struct giro_env *env, const struct giro_action *said,
                         const struct giro_evidence_claim *claim)
{
    const struct giro_evidence_header header = {.head = giro_head_make(GIRO_KIND_EVIDENCE),
                                                .epoch = env->options.epoch,
                                                .round = claim->round,
                                                .first_bytes = (uint32_t)claim->first.size_bytes,
                                                .second_bytes = (uint32_t)claim->second.size_bytes,
                                                .what = (uint16_t)claim->what,
                                                .offender = (uint16_t)claim->offender,
                                                .witness = (uint16_t)env->options.self};
    uint32_t record_bytes = 0;
    const uint8_t *const record =
        giro_evidence_keep(env->evidence, &header, said->evidence.first.bytes,
                           said->evidence.second.bytes, &record_bytes);
    if (record != NULL)
        giro_env_log(env, GIRO_LOG_EVIDENCE_RECORD, &giro_hash_zero, 0, record, record_bytes);
}

void giro_env_evidence(struct giro_env *env, const struct giro_evidence_claim *claim)
{
    GIRO_ASSERT(claim->reject != GIRO_REJECT_NONE);
    GIRO_ASSERT(claim->offender < env->options.replica_count);
    if (env->recovering || giro_env_room(env) < 2)
        return;
    const struct giro_part first = keep(env, claim->first.bytes, claim->first.size_bytes);
    const struct giro_part second = keep(env, claim->second.bytes, claim->second.size_bytes);
    if (first.bytes == NULL || second.bytes == NULL)
        return;
    struct giro_action *const action = giro_env_action(env, GIRO_ACTION_EVIDENCE);
    action->evidence.reject = claim->reject;
    action->evidence.what = claim->what;
    action->evidence.offender = (uint16_t)claim->offender;
    action->evidence.round = claim->round;
    action->evidence.first = first;
    action->evidence.second = second;
    if (env->evidence != NULL)
        evidence_log(env, action, claim);
}
