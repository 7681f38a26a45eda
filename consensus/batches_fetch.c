/* Fetching: bodies of committed batches that are not here, and answers to peers who miss one.
 *
 * A wanted body comes with a committed block, so with a proof: q replicas checked its member signatures, and the id is the
 * hash of its bytes. It is stored without VERIFY. At most GIRO_FETCHED_MAX such bodies are here at a time; wants are served
 * in the order they came, which is the order of execution. */
#include "consensus/batches_internal.h"

static uint32_t want_find(const struct giro_batches *batches, const struct giro_hash *id)
{
    for (uint32_t i = 0; i < batches->want_count; i++) {
        if (giro_hash_equal(&batches->wants[i].reference.batch_id, id))
            return i;
    }
    return GIRO_NONE;
}

bool giro_batches_wanted(const struct giro_batches *batches, const struct giro_hash *id)
{
    return want_find(batches, id) != GIRO_NONE;
}

void giro_batches_unwant(struct giro_batches *batches, const struct giro_hash *id)
{
    uint32_t at = want_find(batches, id);
    if (at == GIRO_NONE)
        return;
    batches->want_count--;
    memmove(&batches->wants[at], &batches->wants[at + 1],
            (batches->want_count - at) * sizeof(struct giro_batch_want));
}

/* Whom to ask: each signer of the proof once, then everybody in turn. */
static uint16_t next_peer(const struct giro_batches *batches, struct giro_batch_want *want)
{
    const struct giro_consensus_options *options = &batches->env->options;
    uint32_t n = options->replica_count;
    uint32_t signers =
        giro_bitmap_count(want->signers) - giro_bitmap_has(want->signers, options->self);
    bool signers_only = want->asked_count < signers;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t peer = want->cursor;
        want->cursor = (want->cursor + 1) % n;
        if (peer != options->self && (!signers_only || giro_bitmap_has(want->signers, peer)))
            return (uint16_t)peer;
    }
    return GIRO_PEER_ALL; /* a hub of one replica: nobody to ask */
}

static void ask(struct giro_batches *batches, struct giro_batch_want *want)
{
    if (want->asked_count == 0)
        want->retry_delay_ns = batches->asking.wait_ns;
    else if (want->asked != GIRO_PEER_ALL) /* in vain */
        giro_patience_failed(&batches->asking, batches->env->now_ns);
    struct giro_env *env = batches->env;
    size_t size_bytes = sizeof(struct giro_fetch_batches_header) + GIRO_HASH_BYTES;
    uint16_t peer = next_peer(batches, want);
    uint8_t *bytes = peer == GIRO_PEER_ALL ? NULL : giro_env_scratch(env, size_bytes);
    want->retry_ns = env->now_ns + want->retry_delay_ns;
    if (want->retry_delay_ns < GIRO_FETCH_RETRY_MAX_NS)
        want->retry_delay_ns *= 2;
    if (want->retry_delay_ns > GIRO_FETCH_RETRY_MAX_NS)
        want->retry_delay_ns = GIRO_FETCH_RETRY_MAX_NS;
    giro_batches_arm(batches, want->retry_ns);
    if (bytes == NULL)
        return;
    struct giro_fetch_batches_header header = {.head = giro_head_make(GIRO_KIND_FETCH_BATCHES),
                                               .count = 1};
    memcpy(bytes, &header, sizeof(header));
    memcpy(bytes + sizeof(header), &want->reference.batch_id, GIRO_HASH_BYTES);
    giro_env_send(env, peer, GIRO_KIND_FETCH_BATCHES, bytes, size_bytes);
    env->counters.fetches_sent++;
    want->asked_ns = env->now_ns;
    want->asked = peer;
    want->asked_count++;
}

/* A fetched body that execution did not come for within ten seconds makes room for one that it waits for. */
static void drop_left_over(struct giro_batches *batches)
{
    if (batches->fetched_count < GIRO_FETCHED_MAX)
        return;
    for (uint32_t i = batches->arrival.head; i != GIRO_NONE; i = batches->arrival.links[i].next) {
        const struct giro_batch_slot *s = &batches->slots[i];
        if (!s->fetched || s->pinned)
            continue;
        if (s->arrived_ns + GIRO_FETCHED_LEFT_OVER_NS > batches->env->now_ns)
            return;
        giro_batches_slot_free(batches, i);
        return;
    }
}

void giro_batches_fetch_tick(struct giro_batches *batches)
{
    struct giro_env *env = batches->env;
    if (batches->want_count > 0)
        drop_left_over(batches);
    /* Only as many are asked for as may be stored: the first ones, which execution needs first. */
    uint32_t active = GIRO_FETCHED_MAX - batches->fetched_count;
    for (uint32_t i = 0; i < batches->want_count; i++) {
        struct giro_batch_want *want = &batches->wants[i];
        if (i >= active) {
            giro_batches_arm(batches, env->now_ns + GIRO_FETCH_RETRY_NS);
            return;
        }
        if (want->retry_ns <= env->now_ns && giro_env_room(env) > 0)
            ask(batches, want);
        giro_batches_arm(batches, want->retry_ns > env->now_ns ? want->retry_ns : env->now_ns);
    }
}

void giro_batches_want(struct giro_batches *batches, const struct giro_batch_reference *reference,
                       const uint8_t *proof, uint32_t proof_bytes)
{
    struct giro_env *env = batches->env;
    const struct giro_hash *id = &reference->batch_id;
    if (giro_batches_slot_find(batches, id) != GIRO_NONE || giro_batches_wanted(batches, id))
        return;
    if (batches->want_count == GIRO_WANTS_MAX)
        return;
    struct giro_batch_want *want = &batches->wants[batches->want_count++];
    *want = (struct giro_batch_want){.reference = *reference,
                                     .asked = GIRO_PEER_ALL,
                                     .cursor = (env->options.self + 1 + batches->want_count) %
                                               env->options.replica_count,
                                     .retry_ns = env->now_ns};
    if (proof != NULL && proof_bytes >= sizeof(struct giro_batch_proof_header)) {
        struct giro_batch_proof_header header;
        memcpy(&header, proof, sizeof(header));
        /* Bits of replicas that do not exist would only cost idle turns; next_peer never names one. */
        for (uint32_t i = 0; i < env->options.replica_count; i++) {
            if (giro_bitmap_has(header.bitmap, i))
                giro_bitmap_set(want->signers, i);
        }
    }
    bool at_once = batches->started && giro_env_room(env) > 0 &&
                   batches->want_count + batches->fetched_count <= GIRO_FETCHED_MAX;
    if (at_once)
        ask(batches, want);
    else if (batches->started)
        giro_batches_arm(batches, env->now_ns);
}

void giro_batches_fetch_take(struct giro_batches *batches, const struct giro_hash *id,
                             const struct giro_batch_header *header, const uint8_t *bytes)
{
    uint32_t at = want_find(batches, id);
    GIRO_ASSERT(at != GIRO_NONE);
    if (batches->fetched_count == GIRO_FETCHED_MAX || giro_env_room(batches->env) == 0) {
        giro_env_reject(batches->env, GIRO_REJECT_LIMIT);
        return;
    }
    if (batches->wants[at].asked_count == 1)
        giro_patience_answered(&batches->asking,
                               batches->env->now_ns - batches->wants[at].asked_ns);
    uint32_t slot = giro_batches_slot_make(batches, id, header, bytes, true);
    giro_batches_unwant(batches, id);
    giro_batches_slot_log(batches, slot);
}

void giro_batches_on_not_found(struct giro_batches *batches, uint16_t sender,
                               const struct giro_hash *id)
{
    uint32_t at = want_find(batches, id);
    if (at == GIRO_NONE || batches->wants[at].asked != sender) {
        giro_env_reject(batches->env, GIRO_REJECT_STALE);
        return;
    }
    /* Ask the next one at once, until everybody was asked: after that the timer sets the pace. */
    struct giro_batch_want *want = &batches->wants[at];
    giro_bitmap_set(want->refused, sender);
    if (want->asked_count >= batches->env->options.replica_count)
        return;
    want->asked = GIRO_PEER_ALL;
    want->retry_ns = batches->env->now_ns;
    if (giro_env_room(batches->env) > 0)
        ask(batches, want);
    else
        giro_batches_arm(batches, want->retry_ns);
}

bool giro_batches_starved(const struct giro_batches *batches)
{
    for (uint32_t i = 0; i < batches->want_count; i++) {
        if (giro_bitmap_count(batches->wants[i].refused) > batches->env->faults)
            return true;
    }
    return false;
}

void giro_batches_on_fetch(struct giro_batches *batches, uint16_t sender, const uint8_t *body,
                           size_t size_bytes)
{
    struct giro_env *env = batches->env;
    struct giro_fetch_batches_header header;
    enum giro_reject reject = GIRO_REJECT_NONE;
    if (!batches->started || sender >= env->options.replica_count || sender == env->options.self)
        reject = GIRO_REJECT_SIGNER;
    else if (size_bytes < sizeof(header))
        reject = GIRO_REJECT_TRUNCATED;
    if (reject == GIRO_REJECT_NONE) {
        memcpy(&header, body, sizeof(header));
        if (!giro_head_is(&header.head, GIRO_KIND_FETCH_BATCHES))
            reject = GIRO_REJECT_KIND;
        else if (header.reserved != 0)
            reject = GIRO_REJECT_RESERVED;
        else if (header.count == 0 || header.count > GIRO_ACK_IDS_MAX)
            reject = GIRO_REJECT_COUNT;
        else if (size_bytes < sizeof(header) + header.count * GIRO_HASH_BYTES)
            reject = GIRO_REJECT_TRUNCATED;
        else if (size_bytes > sizeof(header) + header.count * GIRO_HASH_BYTES)
            reject = GIRO_REJECT_OVERSIZED;
    }
    if (reject != GIRO_REJECT_NONE) {
        giro_env_reject(env, reject);
        return;
    }
    for (uint32_t i = 0; i < header.count && giro_env_room(env) > 0; i++) {
        struct giro_hash id;
        memcpy(&id, body + sizeof(header) + i * GIRO_HASH_BYTES, sizeof(id));
        uint32_t slot = giro_batches_slot_find(batches, &id);
        if (slot != GIRO_NONE) {
            giro_env_send(env, sender, GIRO_KIND_BATCH, giro_batches_slot_bytes(batches, slot),
                          batches->slots[slot].header.size_bytes);
            continue;
        }
        struct giro_action *action = giro_env_action(env, GIRO_ACTION_SERVE);
        action->serve.peer = sender;
        action->serve.wanted_kind = GIRO_KIND_BATCH;
        action->serve.id = id;
        action->serve.count = 1;
    }
}
