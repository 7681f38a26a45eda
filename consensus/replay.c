/* A core fed from a recording. Its signatures come out of the recording, too, and are checked as any other's. */
#include "giro/event_log.h"

struct giro_replay {
    struct giro_consensus_options options;
    struct giro_consensus *core;
    struct giro_actions *actions;
    struct giro_replay_totals totals;
    struct giro_safety_state safety;
    enum { FRESH, RECOVERING, STARTED } phase;
    /* The recorded outcome of the step under way. */
    const uint8_t *signatures;
    uint32_t signature_count, signature_next;
    uint32_t signature_wrong; /* the first that does not hold, or GIRO_NONE */
};

static struct giro_signature replay_sign(void *context, const void *message, size_t message_bytes)
{
    struct giro_replay *const replay = context;
    const uint32_t index = replay->signature_next++;
    struct giro_signature signature = {{0}};
    if (index < replay->signature_count)
        memcpy(&signature, replay->signatures + (size_t)index * sizeof(signature),
               sizeof(signature));
    const struct giro_verify_item item = {.key = replay->options.batch_keys[replay->options.self],
                                          .message = message,
                                          .message_bytes = (uint32_t)message_bytes,
                                          .signature = signature.bytes};
    uint8_t verdict = 0;
    if (replay->signature_wrong == GIRO_NONE &&
        (index >= replay->signature_count ||
         giro_verify_batch(replay->options.ring, &item, 1, &verdict) != 1))
        replay->signature_wrong = index;
    return signature;
}

static struct giro_consensus_options options_of(const struct giro_consensus_options *options,
                                                const struct giro_event_log_header *header)
{
    struct giro_consensus_options own = *options;
    own.epoch = header->epoch;
    own.self = header->replica;
    own.blocks_max = header->blocks_max;
    own.batches_max = header->batches_max;
    own.batch_key = NULL;
    memcpy(own.nonce, header->nonce, sizeof(own.nonce));
    return own;
}

size_t giro_replay_footprint(const struct giro_consensus_options *options,
                             const struct giro_event_log_header *header)
{
    const struct giro_consensus_options own = options_of(options, header);
    const size_t core_bytes = giro_consensus_footprint(&own);
    if (core_bytes == 0 || header->scratch_bytes > 1u << 30)
        return 0;
    return giro_align_up(sizeof(struct giro_replay), 64) + giro_align_up(core_bytes, 64) +
           giro_align_up(sizeof(struct giro_actions), 64) + header->scratch_bytes;
}

struct giro_replay *giro_replay_init(void *mem, size_t size_bytes,
                                     const struct giro_consensus_options *options,
                                     const struct giro_event_log_header *header)
{
    const size_t needed_bytes = giro_replay_footprint(options, header);
    if (needed_bytes == 0 || size_bytes < needed_bytes || options->replica_count == 0 ||
        header->replica >= options->replica_count ||
        !giro_hash_equal(&header->chain_id, &options->chain_id))
        return NULL;
    struct giro_arena arena;
    giro_arena_init(&arena, mem, size_bytes);
    struct giro_replay *const replay = giro_arena_take(&arena, sizeof(*replay), 64);
    GIRO_ASSERT(replay != NULL);
    replay->options = options_of(options, header);
    replay->options.sign = replay_sign;
    replay->options.sign_context = replay;
    const size_t core_bytes = giro_consensus_footprint(&replay->options);
    replay->core =
        giro_consensus_init(giro_arena_take(&arena, core_bytes, 64), core_bytes, &replay->options);
    replay->actions = giro_arena_take(&arena, sizeof(*replay->actions), 64);
    GIRO_ASSERT(replay->core != NULL && replay->actions != NULL);
    replay->actions->scratch = giro_arena_take(&arena, header->scratch_bytes, 64);
    replay->actions->scratch_bytes = header->scratch_bytes;
    GIRO_ASSERT(replay->actions->scratch != NULL);
    return replay;
}

/* The recorded outcome, taken apart; false: no recorder wrote it. */
static bool outcome_read(struct giro_replay *replay, const struct giro_event_record *record,
                         const uint8_t **actions, uint32_t *action_count)
{
    struct giro_event_outcome outcome;
    if (record->kind != GIRO_EVENT_RECORD_OUTCOME || record->body_bytes < sizeof(outcome))
        return false;
    memcpy(&outcome, record->body, sizeof(outcome));
    const uint64_t signature_bytes =
        (uint64_t)outcome.signature_count * sizeof(struct giro_signature);
    const uint64_t action_bytes = (uint64_t)outcome.action_count * sizeof(struct giro_event_action);
    if (record->body_bytes != sizeof(outcome) + signature_bytes + action_bytes)
        return false;
    replay->signatures = record->body + sizeof(outcome);
    replay->signature_count = outcome.signature_count;
    *actions = replay->signatures + signature_bytes;
    *action_count = outcome.action_count;
    return true;
}

static bool actions_equal(const struct giro_actions *actions, const uint8_t *recorded,
                          uint32_t recorded_count, struct giro_replay_difference *difference)
{
    const uint32_t count = actions->count > recorded_count ? actions->count : recorded_count;
    for (uint32_t i = 0; i < count; i++) {
        struct giro_event_action was = {.kind = 0}, is = {.kind = 0};
        if (i < recorded_count)
            memcpy(&was, recorded + (size_t)i * sizeof(was), sizeof(was));
        if (i < actions->count)
            is = giro_event_action_make(&actions->items[i]);
        if (memcmp(&was, &is, sizeof(was)) == 0)
            continue;
        *difference = (struct giro_replay_difference){.index = i, .recorded = was, .found = is};
        return false;
    }
    return true;
}

/* The caller's duty D1: the core takes the order of the first events for granted. */
static bool in_order(struct giro_replay *replay, const struct giro_event *event)
{
    switch (event->kind) {
    case GIRO_EVENT_RECOVER_SAFETY:
        if (replay->phase != FRESH || event->recover_safety->epoch != replay->options.epoch)
            return false;
        replay->phase = RECOVERING;
        return true;
    case GIRO_EVENT_START:
        if (replay->phase != RECOVERING)
            return false;
        replay->phase = STARTED;
        return true;
    case GIRO_EVENT_RECOVER_IMAGE:
        return replay->phase == RECOVERING && replay->totals.events == 1;
    case GIRO_EVENT_RECOVER_RECORD:
        return replay->phase == RECOVERING;
    case GIRO_EVENT_VERDICT:
    case GIRO_EVENT_EXECUTED:
        return replay->phase != FRESH;
    case GIRO_EVENT_TICK:
    case GIRO_EVENT_MESSAGE:
    case GIRO_EVENT_LOG_DURABLE:
    case GIRO_EVENT_SIGNED:
    case GIRO_EVENT_LOCAL_BATCH:
    case GIRO_EVENT_CHECKPOINTED:
        return replay->phase == STARTED;
    }
    return false;
}

enum giro_replay_result giro_replay_step(struct giro_replay *replay,
                                         const struct giro_event_record *record,
                                         const struct giro_event_record *outcome,
                                         struct giro_replay_difference *difference)
{
    struct giro_event event;
    const uint8_t *actions = NULL;
    uint32_t action_count = 0;
    *difference = (struct giro_replay_difference){.index = GIRO_NONE};
    replay->signature_count = replay->signature_next = 0;
    replay->signature_wrong = GIRO_NONE;
    difference->reject = giro_event_decode(record, &event, &replay->safety);
    if (difference->reject == GIRO_REJECT_NONE && !in_order(replay, &event))
        difference->reject = GIRO_REJECT_KIND;
    if (difference->reject == GIRO_REJECT_NONE && outcome != NULL &&
        !outcome_read(replay, outcome, &actions, &action_count))
        difference->reject = GIRO_REJECT_FIELD;
    if (difference->reject != GIRO_REJECT_NONE)
        return GIRO_REPLAY_MALFORMED;
    giro_consensus_step(replay->core, &event, replay->actions);
    replay->totals.events++;
    replay->totals.by_kind[record->kind]++;
    replay->totals.actions += replay->actions->count;
    replay->totals.signatures += replay->signature_next;
    if (outcome == NULL)
        return GIRO_REPLAY_EQUAL;
    if (replay->signature_wrong == GIRO_NONE && replay->signature_next < replay->signature_count)
        replay->signature_wrong = replay->signature_next;
    if (replay->signature_wrong != GIRO_NONE) {
        difference->index = replay->signature_wrong;
        return GIRO_REPLAY_SIGNATURE;
    }
    return actions_equal(replay->actions, actions, action_count, difference) ? GIRO_REPLAY_EQUAL
                                                                             : GIRO_REPLAY_ACTION;
}

const struct giro_replay_totals *giro_replay_totals(const struct giro_replay *replay)
{
    return &replay->totals;
}

const struct giro_consensus *giro_replay_core(const struct giro_replay *replay)
{
    return replay->core;
}
