/* Batches: the pool of bodies, and the life of a batch from arrival to execution. See batches.h; acknowledgements and
 * proofs are in batches_proof.c, fetching in batches_fetch.c. */
#include "consensus/batches_internal.h"

/* ---- Slots ------------------------------------------------------------------------------------------------------- */

uint32_t giro_batches_slot_find(const struct giro_batches *batches, const struct giro_hash *id)
{
    uint32_t slot = giro_map_get(batches->slot_map, id);
    GIRO_ASSERT(slot == GIRO_NONE || slot < batches->slot_count);
    return slot;
}

uint8_t *giro_batches_slot_bytes(const struct giro_batches *batches, uint32_t slot)
{
    GIRO_ASSERT(slot < batches->slot_count);
    return batches->bodies + (size_t)slot * GIRO_BATCH_BYTES_MAX;
}

void giro_batches_slot_log(struct giro_batches *batches, uint32_t slot)
{
    struct giro_batch_slot *s = &batches->slots[slot];
    GIRO_ASSERT(!batches->env->recovering);
    s->log_sequence = giro_env_log(batches->env, GIRO_LOG_BATCH_RECORD, &s->id, 0,
                                   giro_batches_slot_bytes(batches, slot), s->header.size_bytes);
    s->state = GIRO_SLOT_LOGGED;
}

bool giro_batches_slot_durable(const struct giro_batches *batches, uint32_t slot)
{
    const struct giro_batch_slot *s = &batches->slots[slot];
    return s->state == GIRO_SLOT_LOGGED && s->log_sequence <= batches->env->watermark;
}

struct giro_batch_reference giro_batches_slot_reference(const struct giro_batches *batches,
                                                        uint32_t slot, uint64_t expiry_ns)
{
    const struct giro_batch_slot *s = &batches->slots[slot];
    return (struct giro_batch_reference){.batch_id = s->id,
                                         .expiry_ns = expiry_ns,
                                         .size_bytes = s->header.size_bytes,
                                         .frame_count = s->header.frame_count,
                                         .record_count = s->header.record_count,
                                         .author = s->header.author,
                                         .sequence = s->header.sequence};
}

static bool quota_allows(const struct giro_batches *batches, uint32_t author)
{
    GIRO_ASSERT(author < batches->env->options.replica_count);
    const uint32_t lost = batches->author_debt[author] / GIRO_REPEATS_PER_SLOT;
    const uint32_t promised = lost < batches->guaranteed ? batches->guaranteed - lost : 1;
    if (batches->author_count[author] < promised)
        return true;
    return lost == 0 && batches->shared_count < batches->shared_max;
}

uint32_t giro_batches_slot_make(struct giro_batches *batches, const struct giro_hash *id,
                                const struct giro_batch_header *header, const uint8_t *bytes,
                                bool fetched)
{
    GIRO_ASSERT(batches->slots_free_count > 0);
    GIRO_ASSERT(header->size_bytes <= GIRO_BATCH_BYTES_MAX);
    uint32_t slot = batches->slots_free[--batches->slots_free_count];
    struct giro_batch_slot *s = &batches->slots[slot];
    GIRO_ASSERT(s->state == GIRO_SLOT_FREE);
    *s = (struct giro_batch_slot){.id = *id,
                                  .header = *header,
                                  .state = GIRO_SLOT_VERIFYING,
                                  .arrived_ns = batches->env->now_ns,
                                  .fetched = fetched,
                                  .resend_ns = UINT64_MAX,
                                  .resend_delay_ns = GIRO_BATCH_RESEND_NS};
    s->expiry_ns = batches->env->wall_ns + batches->env->options.batch_ttl_ns;
    s->own = !fetched && header->author == batches->env->options.self;
    s->proved = giro_map_get(batches->proof_map, id) != GIRO_NONE;
    if (bytes != NULL)
        memcpy(giro_batches_slot_bytes(batches, slot), bytes, header->size_bytes);
    bool stored = giro_map_put(batches->slot_map, id, slot);
    GIRO_ASSERT(stored);
    giro_index_list_push_back(&batches->arrival, slot);
    if (fetched) {
        batches->fetched_count++;
        GIRO_ASSERT(batches->fetched_count <= GIRO_FETCHED_MAX);
    } else {
        GIRO_ASSERT(quota_allows(batches, header->author));
        if (batches->author_count[header->author]++ >= batches->guaranteed)
            batches->shared_count++;
        batches->normal_count++;
        GIRO_ASSERT(batches->normal_count <= batches->normal_max);
    }
    if (s->own) {
        batches->own_count++;
        batches->own_unproved_count += !s->proved;
    }
    if (s->expiry_ns < batches->expiry_floor_ns)
        batches->expiry_floor_ns = s->expiry_ns;
    return slot;
}

void giro_batches_slot_free(struct giro_batches *batches, uint32_t slot)
{
    struct giro_batch_slot *s = &batches->slots[slot];
    GIRO_ASSERT(s->state != GIRO_SLOT_FREE);
    if (s->waiting)
        giro_index_list_remove(&batches->waiting, slot);
    giro_index_list_remove(&batches->arrival, slot);
    bool known = giro_map_remove(batches->slot_map, &s->id);
    GIRO_ASSERT(known);
    if (s->fetched) {
        GIRO_ASSERT(batches->fetched_count > 0);
        batches->fetched_count--;
    } else {
        GIRO_ASSERT(batches->normal_count > 0 && batches->author_count[s->header.author] > 0);
        batches->normal_count--;
        if (batches->author_count[s->header.author]-- > batches->guaranteed)
            batches->shared_count--;
    }
    if (s->own) {
        GIRO_ASSERT(batches->own_count > 0);
        batches->own_count--;
        batches->own_unproved_count -= !s->proved;
        if (s->proved)
            giro_batches_proof_orphan(batches, slot);
    }
    s->state = GIRO_SLOT_FREE;
    GIRO_ASSERT(batches->slots_free_count < batches->slot_count);
    batches->slots_free[batches->slots_free_count++] = slot;
}

void giro_batches_arm(struct giro_batches *batches, uint64_t at_ns)
{
    if (at_ns < batches->wake_ns)
        batches->wake_ns = at_ns;
}

static void resend_arm(struct giro_batches *batches, uint32_t slot, uint64_t at_ns)
{
    batches->slots[slot].resend_ns = at_ns;
    giro_batches_arm(batches, at_ns);
}

/* ---- Age --------------------------------------------------------------------------------------------------------- */

/* Honest authors date a batch within two bounds of an honest acknowledger's clock, and the block that carries it within four of
 * that: what was executed was created at most so long after its block's time. */
#define AHEAD_BOUNDS_MAX 2u
#define AFTER_BOUNDS_MAX 6u

/* Created so long ago that it may have been executed and forgotten: never acknowledged, or it could be ordered twice. */
static bool may_be_forgotten(const struct giro_batches *batches, uint64_t created_ns)
{
    return batches->forgotten_ns > 0 &&
           created_ns <=
               batches->forgotten_ns + AFTER_BOUNDS_MAX * batches->env->options.clock_bound_ns;
}

static bool from_the_future(const struct giro_batches *batches, uint64_t created_ns)
{
    const struct giro_env *env = batches->env;
    return created_ns > env->wall_ns + AHEAD_BOUNDS_MAX * env->options.clock_bound_ns;
}

/* ---- Recovery and start ------------------------------------------------------------------------------------------ */

/* Makes room for a recovered batch within its author's quota: the oldest body of the same author that execution does not
 * hold goes. It is still in the log, here and at the peers: should a block need it, giro_batches_want fetches it. */
static bool recover_room(struct giro_batches *batches, uint32_t author)
{
    if (quota_allows(batches, author))
        return true;
    for (uint32_t i = batches->arrival.head; i != GIRO_NONE; i = batches->arrival.links[i].next) {
        const struct giro_batch_slot *s = &batches->slots[i];
        if (s->fetched || s->pinned || s->header.author != author)
            continue;
        GIRO_ASSERT(s->state == GIRO_SLOT_LOGGED);
        giro_batches_slot_free(batches, i);
        return quota_allows(batches, author);
    }
    return false;
}

static void recover_batch(struct giro_batches *batches, const uint8_t *body, uint32_t body_bytes)
{
    struct giro_env *env = batches->env;
    struct giro_batch_header header;
    enum giro_reject reject = giro_batch_decode(body, body_bytes, batches->chain_prefix, &header);
    if (reject == GIRO_REJECT_NONE && header.author >= env->options.replica_count)
        reject = GIRO_REJECT_SIGNER;
    if (reject == GIRO_REJECT_NONE && header.epoch != env->options.epoch)
        reject = GIRO_REJECT_EPOCH;
    if (reject != GIRO_REJECT_NONE) {
        giro_env_reject(env, reject);
        return;
    }
    struct giro_hash id = giro_batch_id(&env->options.chain_id, body, body_bytes);
    if (giro_batches_slot_find(batches, &id) != GIRO_NONE ||
        giro_batches_executed_before(batches, &id))
        return;
    /* The log may begin long before the image: a peer's batch that was executed and forgotten must not be acknowledged again.
     * Should a block need it after all, giro_batches_want fetches it. */
    if (header.author != env->options.self && may_be_forgotten(batches, header.created_ns))
        return;
    if (!recover_room(batches, header.author))
        return;
    giro_batches_unwant(batches, &id);
    uint32_t slot = giro_batches_slot_make(batches, &id, &header, body, false);
    batches->slots[slot].state = GIRO_SLOT_LOGGED;
}

void giro_batches_recover(struct giro_batches *batches, enum giro_log_kind kind,
                          const uint8_t *body, uint32_t body_bytes)
{
    GIRO_ASSERT(batches->env->recovering);
    GIRO_ASSERT(!batches->started);
    if (kind == GIRO_LOG_BATCH_RECORD)
        recover_batch(batches, body, body_bytes);
    else if (kind == GIRO_LOG_PROOF_RECORD)
        giro_batches_proof_recover(batches, body, body_bytes);
}

void giro_batches_start(struct giro_batches *batches, uint64_t incarnation)
{
    GIRO_ASSERT(!batches->started);
    GIRO_ASSERT(incarnation >= 1 && incarnation <= UINT32_MAX);
    batches->started = true;
    batches->sequence_next = incarnation << 32;
    for (uint32_t i = batches->arrival.head; i != GIRO_NONE; i = batches->arrival.links[i].next) {
        if (!batches->slots[i].own)
            continue;
        if (!batches->slots[i].proved)
            giro_batches_ack_due(batches, i);
        batches->slots[i].arrived_ns = batches->env->now_ns;
        resend_arm(batches, i, batches->env->now_ns);
    }
    for (uint32_t i = 0; i < batches->want_count; i++)
        giro_batches_arm(batches, batches->wants[i].retry_ns);
}

/* ---- Own batches ------------------------------------------------------------------------------------------------- */

uint32_t giro_batches_room(const struct giro_batches *batches)
{
    if (!batches->started)
        return 0;
    uint32_t own = batches->author_count[batches->env->options.self];
    uint32_t promised = own < batches->guaranteed ? batches->guaranteed - own : 0;
    GIRO_ASSERT(batches->shared_count <= batches->shared_max);
    return promised + (batches->shared_max - batches->shared_count);
}

uint32_t giro_batches_own_in_flight(const struct giro_batches *batches)
{
    return batches->own_unproved_count;
}

/* Finishes, logs and sends an own batch whose frames are in the next free slot: its id is the hash of the finished bytes. */
static void cut(struct giro_batches *batches, struct giro_batch_header *header)
{
    struct giro_env *env = batches->env;
    uint8_t *bytes =
        giro_batches_slot_bytes(batches, batches->slots_free[batches->slots_free_count - 1]);
    header->sequence = batches->sequence_next++;
    /* A clock that is behind must not make it look old. */
    header->created_ns =
        env->wall_ns > batches->committed_ns ? env->wall_ns : batches->committed_ns;
    memcpy(bytes, header, sizeof(*header));
    struct giro_hash id = giro_batch_id(&env->options.chain_id, bytes, header->size_bytes);
    uint32_t slot = giro_batches_slot_make(batches, &id, header, NULL, false);
    GIRO_ASSERT(giro_batches_slot_bytes(batches, slot) == bytes);
    giro_batches_slot_log(batches, slot);
    giro_env_send(env, GIRO_PEER_ALL, GIRO_KIND_BATCH, bytes, header->size_bytes);
    giro_batches_ack_due(batches, slot);
    batches->slots[slot].resend_delay_ns = batches->proving.wait_ns;
    resend_arm(batches, slot, env->now_ns + batches->proving.wait_ns);
}

bool giro_batches_local(struct giro_batches *batches, const struct giro_event *event)
{
    struct giro_env *env = batches->env;
    size_t size_bytes = sizeof(struct giro_batch_header) + event->local_batch.frames_bytes;
    GIRO_ASSERT(event->kind == GIRO_EVENT_LOCAL_BATCH);
    GIRO_ASSERT(event->local_batch.frame_count >= 1);
    GIRO_ASSERT(event->local_batch.frame_count <= GIRO_BATCH_FRAMES_MAX);
    GIRO_ASSERT(size_bytes <= GIRO_BATCH_BYTES_MAX);
    if (giro_batches_room(batches) == 0 || giro_env_room(env) < 2)
        return false;
    struct giro_batch_header header = {.head = giro_head_make(GIRO_KIND_BATCH),
                                       .epoch = env->options.epoch,
                                       .size_bytes = (uint32_t)size_bytes,
                                       .frame_count = event->local_batch.frame_count,
                                       .record_count = event->local_batch.record_count,
                                       .author = (uint16_t)env->options.self};
    uint8_t *bytes =
        giro_batches_slot_bytes(batches, batches->slots_free[batches->slots_free_count - 1]);
    memcpy(bytes + sizeof(header), event->local_batch.frames, event->local_batch.frames_bytes);
    cut(batches, &header);
    return true;
}

/* ---- Peers' batches ---------------------------------------------------------------------------------------------- */

/* What the first 64 bytes decide, before anything expensive (the walk over the frames, the hash). */
static enum giro_reject screen(const struct giro_batches *batches, uint16_t sender,
                               const uint8_t *body, size_t size_bytes)
{
    struct giro_batch_header header;
    if (size_bytes < sizeof(header))
        return GIRO_REJECT_TRUNCATED;
    if (size_bytes > GIRO_BATCH_BYTES_MAX)
        return GIRO_REJECT_OVERSIZED;
    memcpy(&header, body, sizeof(header));
    if (header.epoch != batches->env->options.epoch)
        return GIRO_REJECT_EPOCH;
    if (header.author >= batches->env->options.replica_count)
        return GIRO_REJECT_SIGNER;
    if (header.author != sender && batches->want_count == 0)
        return GIRO_REJECT_SIGNER;
    return GIRO_REJECT_NONE;
}

/* A batch that is here already: its author did not get our acknowledgement, or it was lost. */
static void repeat(struct giro_batches *batches, uint16_t sender, uint32_t slot)
{
    const struct giro_batch_slot *s = &batches->slots[slot];
    giro_env_reject(batches->env, GIRO_REJECT_DUPLICATE);
    if (s->header.author != sender || s->fetched || s->disputed)
        return;
    if (!giro_batches_slot_durable(batches, slot))
        return;
    giro_batches_ack_due(batches, slot);
    giro_batches_ack_flush(batches);
}

static void arrive(struct giro_batches *batches, const struct giro_hash *id,
                   const struct giro_batch_header *header, const uint8_t *body)
{
    struct giro_env *env = batches->env;
    if (!quota_allows(batches, header->author) || giro_env_room(env) == 0) {
        giro_env_reject(env, GIRO_REJECT_LIMIT);
        return;
    }
    uint32_t slot = giro_batches_slot_make(batches, id, header, body, false);
    struct giro_action *action = giro_env_action(env, GIRO_ACTION_VERIFY);
    action->verify.slot = slot;
    action->verify.batch_id = *id;
    action->verify.bytes = giro_batches_slot_bytes(batches, slot);
    action->verify.size_bytes = header->size_bytes;
}

void giro_batches_on_batch(struct giro_batches *batches, uint16_t sender, const uint8_t *body,
                           size_t size_bytes)
{
    struct giro_env *env = batches->env;
    struct giro_batch_header header;
    if (!batches->started || sender >= env->options.replica_count || sender == env->options.self) {
        giro_env_reject(env, GIRO_REJECT_SIGNER);
        return;
    }
    enum giro_reject reject = screen(batches, sender, body, size_bytes);
    if (reject == GIRO_REJECT_NONE)
        reject = giro_batch_decode(body, size_bytes, batches->chain_prefix, &header);
    if (reject != GIRO_REJECT_NONE) {
        giro_env_reject(env, reject);
        return;
    }
    GIRO_ASSERT(header.size_bytes == size_bytes);
    struct giro_hash id = giro_batch_id(&env->options.chain_id, body, size_bytes);
    uint32_t slot = giro_batches_slot_find(batches, &id);
    if (slot != GIRO_NONE)
        repeat(batches, sender, slot);
    else if (giro_batches_wanted(batches, &id))
        giro_batches_fetch_take(batches, &id, &header, body);
    else if (header.author != sender)
        giro_env_reject(env, GIRO_REJECT_SIGNER);
    else if (giro_batches_executed_before(batches, &id) ||
             may_be_forgotten(batches, header.created_ns))
        giro_env_reject(env, GIRO_REJECT_STALE);
    else if (from_the_future(batches, header.created_ns))
        giro_env_reject(env, GIRO_REJECT_TIME);
    else
        arrive(batches, &id, &header, body);
}

void giro_batches_on_verdict(struct giro_batches *batches, const struct giro_event *event)
{
    uint32_t slot = event->verdict.slot;
    GIRO_ASSERT(event->kind == GIRO_EVENT_VERDICT);
    GIRO_ASSERT(slot < batches->slot_count);
    struct giro_batch_slot *s = &batches->slots[slot];
    GIRO_ASSERT(s->state == GIRO_SLOT_VERIFYING);
    GIRO_ASSERT(giro_hash_equal(&s->id, &event->verdict.batch_id));
    if (s->doomed) {
        giro_batches_slot_free(batches, slot);
        return;
    }
    if (!event->verdict.valid) {
        giro_env_reject_of(batches->env, s->header.author, GIRO_REJECT_SIGNATURE);
        /* With a proof, q replicas say otherwise: the body stays for execution, but we do not vouch for it. */
        if (!s->proved && !s->pinned) {
            giro_batches_slot_free(batches, slot);
            return;
        }
        s->disputed = true;
    }
    giro_batches_slot_log(batches, slot);
    if (event->verdict.valid)
        giro_batches_ack_due(batches, slot);
}

void giro_batches_on_durable(struct giro_batches *batches)
{
    giro_batches_ack_flush(batches);
}

/* ---- Timers ------------------------------------------------------------------------------------------------------ */

static void body_send(struct giro_batches *batches, uint32_t slot)
{
    struct giro_env *env = batches->env;
    const struct giro_batch_slot *s = &batches->slots[slot];
    uint16_t missing[GIRO_RESEND_SINGLE_MAX];
    uint32_t missing_count = 0;
    for (uint32_t peer = 0; peer < env->options.replica_count; peer++) {
        if (peer == env->options.self || giro_bitmap_has(s->acked, peer) ||
            giro_bitmap_has(s->refused, peer))
            continue;
        if (missing_count < GIRO_RESEND_SINGLE_MAX)
            missing[missing_count] = (uint16_t)peer;
        missing_count++;
    }
    const uint8_t *bytes = giro_batches_slot_bytes(batches, slot);
    if (missing_count > GIRO_RESEND_SINGLE_MAX) {
        giro_env_send(env, GIRO_PEER_ALL, GIRO_KIND_BATCH, bytes, s->header.size_bytes);
        return;
    }
    for (uint32_t i = 0; i < missing_count; i++)
        giro_env_send(env, missing[i], GIRO_KIND_BATCH, bytes, s->header.size_bytes);
}

/* No leader took it in time. Its members were told DURABLE: acknowledgements are collected anew. */
static void prove_anew(struct giro_batches *batches, uint32_t slot)
{
    struct giro_batch_slot *s = &batches->slots[slot];
    GIRO_ASSERT(s->own && !s->proved && s->state == GIRO_SLOT_LOGGED);
    giro_batches_acks_forget(batches, slot);
    giro_batches_ack_due(batches, slot);
    s->resend_delay_ns = batches->proving.wait_ns;
    resend_arm(batches, slot, batches->env->now_ns);
}

/* No block of the present time can carry it, and while none is committed block time stands still. */
static bool proof_is_over(const struct giro_batches *batches, uint32_t proof)
{
    return batches->proofs[proof].reference.expiry_ns <= batches->env->wall_ns;
}

/* Peers refuse an own batch that may be forgotten, and the chain has gone on without it for one and a half times to live; or our
 * clock was ahead. Its frames go into a new one: members were told DURABLE, and a frame is executed once whatever carries it.
 * Not while more than f peers have it: they go on acknowledging it, and the old body would fill a place at each of them. */
static bool is_outdated(const struct giro_batches *batches, const struct giro_batch_slot *s)
{
    const uint64_t created_ns = s->header.created_ns;
    return s->state == GIRO_SLOT_LOGGED && !s->pinned && !s->proved &&
           s->ack_count <= batches->env->faults + 1 &&
           s->resend_delay_ns >= GIRO_BATCH_RESEND_MAX_NS && /* it was offered again and again */
           (may_be_forgotten(batches, created_ns) || from_the_future(batches, created_ns) ||
            created_ns + batches->env->options.batch_ttl_ns * 3 / 2 < batches->committed_ns);
}

static void cut_anew(struct giro_batches *batches, uint32_t slot)
{
    struct giro_batch_header header = batches->slots[slot].header;
    giro_batches_slot_free(batches, slot);
    GIRO_ASSERT(batches->slots_free[batches->slots_free_count - 1] == slot);
    cut(batches, &header);
}

/* Sends an own batch (no proof yet) or its proof (not executed yet) again; returns when next. One step may log one body only, or
 * the log would run out of room: of several outdated batches, the rest is cut anew by the next ticks, at once. */
static uint64_t resend(struct giro_batches *batches, uint32_t slot, bool *may_cut)
{
    struct giro_env *env = batches->env;
    struct giro_batch_slot *s = &batches->slots[slot];
    if (s->resend_ns > env->now_ns)
        return s->resend_ns;
    if (giro_env_room(env) < GIRO_RESEND_SINGLE_MAX)
        return env->now_ns;
    if (s->proved && proof_is_over(batches, giro_map_get(batches->proof_map, &s->id))) {
        giro_batches_proof_free(batches, giro_map_get(batches->proof_map, &s->id));
        prove_anew(batches, slot);
        return env->now_ns;
    }
    if (is_outdated(batches, s)) {
        if (!*may_cut)
            return env->now_ns;
        *may_cut = false;
        cut_anew(batches, slot);
        return batches->slots[slot].resend_ns;
    }
    if (s->proved) {
        giro_batches_proof_send(batches, slot);
    } else {
        giro_batches_acks_refresh(batches, slot);
        body_send(batches, slot);
        s->repeated = true;
        giro_patience_failed(&batches->proving, env->now_ns);
    }
    if (s->resend_delay_ns < GIRO_BATCH_RESEND_MAX_NS)
        s->resend_delay_ns *= 2;
    s->resend_ns = env->now_ns + s->resend_delay_ns;
    return s->resend_ns;
}

void giro_batches_on_tick(struct giro_batches *batches)
{
    if (!batches->started)
        return;
    giro_batches_ack_flush(batches);
    bool ripe = batches->ripe;
    batches->ripe = false;
    if (!ripe && batches->env->now_ns < batches->wake_ns)
        return;
    batches->wake_ns = UINT64_MAX;
    /* Fetching first: execution waits for it. */
    giro_batches_fetch_tick(batches);
    uint32_t left = batches->own_count;
    uint32_t next;
    bool may_cut = true;
    for (uint32_t i = batches->arrival.head; i != GIRO_NONE && left > 0; i = next) {
        next = batches->arrival.links[i].next;
        if (!batches->slots[i].own)
            continue;
        left--;
        if (ripe && !batches->slots[i].proved)
            giro_batches_proof_make(batches, i);
        giro_batches_arm(batches, resend(batches, i, &may_cut));
    }
    giro_batches_ack_flush(batches);
}

uint64_t giro_batches_next_ns(const struct giro_batches *batches)
{
    const struct giro_env *env = batches->env;
    if (!batches->started)
        return UINT64_MAX;
    uint32_t first = batches->waiting.head;
    if (env->may_sign && first != GIRO_NONE && giro_batches_slot_durable(batches, first))
        return env->now_ns;
    return batches->ripe ? env->now_ns : batches->wake_ns;
}

/* ---- Execution --------------------------------------------------------------------------------------------------- */

bool giro_batches_have(const struct giro_batches *batches, const struct giro_hash *id)
{
    return giro_batches_slot_find(batches, id) != GIRO_NONE;
}

const uint8_t *giro_batches_body(const struct giro_batches *batches, const struct giro_hash *id,
                                 uint32_t *size_bytes)
{
    uint32_t slot = giro_batches_slot_find(batches, id);
    *size_bytes = 0;
    if (slot == GIRO_NONE)
        return NULL;
    batches->slots[slot].pinned = true;
    *size_bytes = batches->slots[slot].header.size_bytes;
    return giro_batches_slot_bytes(batches, slot);
}

static void executed_pop(struct giro_batches *batches)
{
    GIRO_ASSERT(batches->executed_count > 0);
    struct giro_executed_entry *oldest = &batches->executed[batches->executed_head];
    bool known = giro_map_remove(batches->executed_map, &oldest->id);
    GIRO_ASSERT(known);
    if (oldest->executed_ns > batches->forgotten_ns)
        batches->forgotten_ns = oldest->executed_ns;
    batches->executed_head = (batches->executed_head + 1) % batches->executed_max;
    batches->executed_count--;
}

/* Until when an executed batch must be known: no proof of it may outlive that. Another proof than the one executed may expire
 * later, but q replicas acknowledged for it, each before it executed the batch, each for no longer than its time to live. So
 * if every replica remembers for that long from its own execution on, too few would vote for the batch again. Nor does one
 * acknowledge it after it forgot: may_be_forgotten. */
static uint64_t remember_until(const struct giro_batches *batches,
                               const struct giro_batch_reference *reference)
{
    uint64_t until_ns = batches->env->wall_ns + batches->env->options.batch_ttl_ns;
    const uint32_t slot = giro_batches_slot_find(batches, &reference->batch_id);
    if (slot != GIRO_NONE && batches->slots[slot].expiry_ns > until_ns)
        until_ns = batches->slots[slot].expiry_ns; /* acknowledged when this clock was ahead */
    return reference->expiry_ns > until_ns ? reference->expiry_ns : until_ns;
}

static void executed_remember(struct giro_batches *batches,
                              const struct giro_batch_reference *reference)
{
    const uint64_t until_ns = remember_until(batches, reference);
    uint32_t at = giro_map_get(batches->executed_map, &reference->batch_id);
    if (at != GIRO_NONE) {
        if (batches->executed[at].expiry_ns < until_ns)
            batches->executed[at].expiry_ns = until_ns;
        return;
    }
    if (batches->executed_count == batches->executed_max)
        executed_pop(batches);
    at = (batches->executed_head + batches->executed_count) % batches->executed_max;
    batches->executed[at] =
        (struct giro_executed_entry){.id = reference->batch_id, .expiry_ns = until_ns};
    bool stored = giro_map_put(batches->executed_map, &reference->batch_id, at);
    GIRO_ASSERT(stored);
    batches->executed_count++;
}

bool giro_batches_executed_before(const struct giro_batches *batches, const struct giro_hash *id)
{
    return giro_map_get(batches->executed_map, id) != GIRO_NONE;
}

/* An author whose frames are mostly repeats loses its share of the common slots, and then its promised ones down to one.
 * Members do send again what is late, through another replica: as many new frames as repeats leave an author unharmed. */
static void repeats_note(struct giro_batches *batches, uint32_t author, uint32_t frames,
                         uint32_t repeated)
{
    uint32_t *const debt = &batches->author_debt[author];
    const uint32_t most = batches->guaranteed * GIRO_REPEATS_PER_SLOT;
    const uint32_t fresh = repeated < frames ? frames - repeated : 0;
    *debt = *debt > fresh ? *debt - fresh : 0;
    if (repeated > fresh)
        *debt = most - *debt > repeated ? *debt + repeated : most;
}

void giro_batches_executed(struct giro_batches *batches,
                           const struct giro_batch_reference *reference, uint32_t repeated)
{
    if (reference->author < batches->env->options.replica_count &&
        reference->author != batches->env->options.self)
        repeats_note(batches, reference->author, reference->frame_count, repeated);
    executed_remember(batches, reference);
    giro_batches_unwant(batches, &reference->batch_id);
    uint32_t proof = giro_map_get(batches->proof_map, &reference->batch_id);
    if (proof != GIRO_NONE)
        giro_batches_proof_free(batches, proof);
    uint32_t slot = giro_batches_slot_find(batches, &reference->batch_id);
    if (slot == GIRO_NONE)
        return;
    struct giro_batch_slot *s = &batches->slots[slot];
    if (s->state == GIRO_SLOT_VERIFYING && !s->doomed) {
        /* The caller still reads the bytes. They go to the log now, so that our own log can execute this block again. */
        s->doomed = true;
        if (giro_env_room(batches->env) > 0)
            giro_env_log(batches->env, GIRO_LOG_BATCH_RECORD, &s->id, 0,
                         giro_batches_slot_bytes(batches, slot), s->header.size_bytes);
    } else if (!s->doomed) {
        giro_batches_slot_free(batches, slot);
    }
}

/* ---- Expiry ------------------------------------------------------------------------------------------------------ */

static void floor_lower(struct giro_batches *batches, uint64_t expiry_ns)
{
    if (expiry_ns < batches->expiry_floor_ns)
        batches->expiry_floor_ns = expiry_ns;
}

static void proofs_expire(struct giro_batches *batches)
{
    uint32_t next;
    for (uint32_t i = batches->proof_order.head; i != GIRO_NONE; i = next) {
        next = batches->proof_order.links[i].next;
        struct giro_hash id = batches->proofs[i].reference.batch_id;
        if (batches->proofs[i].reference.expiry_ns >= batches->committed_ns) {
            floor_lower(batches, batches->proofs[i].reference.expiry_ns);
            continue;
        }
        giro_batches_proof_free(batches, i);
        uint32_t slot = giro_batches_slot_find(batches, &id);
        if (slot != GIRO_NONE && batches->slots[slot].own)
            prove_anew(batches, slot);
    }
}

static void slots_expire(struct giro_batches *batches)
{
    uint32_t next;
    for (uint32_t i = batches->arrival.head; i != GIRO_NONE; i = next) {
        next = batches->arrival.links[i].next;
        const struct giro_batch_slot *s = &batches->slots[i];
        if (s->own || s->fetched || s->pinned || s->proved || s->state == GIRO_SLOT_VERIFYING)
            continue;
        if (s->expiry_ns < batches->committed_ns)
            giro_batches_slot_free(batches, i);
        else
            floor_lower(batches, s->expiry_ns);
    }
}

static bool executed_over(const struct giro_batches *batches,
                          const struct giro_executed_entry *entry)
{
    return entry->expiry_ns < batches->committed_ns &&
           !giro_executed_in_image(entry, batches->env->options.batch_ttl_ns,
                                   batches->committed_ns);
}

static void executed_stamp(struct giro_batches *batches, uint64_t block_ns)
{
    for (uint32_t i = batches->executed_count; i > 0; i--) {
        struct giro_executed_entry *entry =
            &batches->executed[(batches->executed_head + i - 1) % batches->executed_max];
        if (entry->executed_ns != 0)
            break;
        entry->executed_ns = block_ns;
    }
}

void giro_batches_expire(struct giro_batches *batches, uint64_t committed_time_ns)
{
    executed_stamp(batches, committed_time_ns);
    if (committed_time_ns <= batches->committed_ns)
        return;
    batches->committed_ns = committed_time_ns;
    while (batches->executed_count > 0 &&
           executed_over(batches, &batches->executed[batches->executed_head]))
        executed_pop(batches);
    if (committed_time_ns <= batches->expiry_floor_ns)
        return;
    batches->expiry_floor_ns = UINT64_MAX;
    proofs_expire(batches);
    slots_expire(batches);
}

/* ---- Invariants -------------------------------------------------------------------------------------------------- */

static void counters_check(const struct giro_batches *batches)
{
    uint32_t normal = 0, fetched = 0, own = 0, unproved = 0, waiting = 0;
    for (uint32_t i = batches->arrival.head; i != GIRO_NONE; i = batches->arrival.links[i].next) {
        const struct giro_batch_slot *s = &batches->slots[i];
        GIRO_ASSERT(s->state != GIRO_SLOT_FREE);
        GIRO_ASSERT(giro_batches_slot_find(batches, &s->id) == i);
        GIRO_ASSERT(s->proved == (giro_map_get(batches->proof_map, &s->id) != GIRO_NONE));
        GIRO_ASSERT(!s->own || s->header.author == batches->env->options.self);
        GIRO_ASSERT(!(s->own && s->fetched));
        GIRO_ASSERT(!s->waiting || s->state == GIRO_SLOT_LOGGED);
        GIRO_ASSERT(s->ack_count == giro_bitmap_count(s->acked));
        normal += !s->fetched;
        fetched += s->fetched;
        own += s->own;
        unproved += s->own && !s->proved;
        waiting += s->waiting;
    }
    GIRO_ASSERT(normal == batches->normal_count && normal <= batches->normal_max);
    GIRO_ASSERT(fetched == batches->fetched_count && fetched <= GIRO_FETCHED_MAX);
    GIRO_ASSERT(own == batches->own_count);
    GIRO_ASSERT(unproved == batches->own_unproved_count);
    giro_index_list_check(&batches->waiting, waiting);
    giro_index_list_check(&batches->arrival, normal + fetched);
    GIRO_ASSERT(batches->slots_free_count == batches->slot_count - normal - fetched);
    GIRO_ASSERT(giro_map_count(batches->slot_map) == normal + fetched);
}

void giro_batches_check(const struct giro_batches *batches)
{
    counters_check(batches);
    giro_batches_proofs_check(batches);
    uint32_t normal = 0, shared = 0;
    for (uint32_t i = 0; i < batches->env->options.replica_count; i++) {
        uint32_t count = batches->author_count[i];
        normal += count;
        shared += count > batches->guaranteed ? count - batches->guaranteed : 0;
    }
    GIRO_ASSERT(normal == batches->normal_count);
    GIRO_ASSERT(shared == batches->shared_count && shared <= batches->shared_max);
    GIRO_ASSERT(batches->executed_count == giro_map_count(batches->executed_map));
    GIRO_ASSERT(batches->want_count <= GIRO_WANTS_MAX);
    for (uint32_t i = 0; i < batches->want_count; i++)
        GIRO_ASSERT(giro_batches_slot_find(batches, &batches->wants[i].reference.batch_id) ==
                    GIRO_NONE);
    giro_map_check(batches->slot_map);
    giro_map_check(batches->proof_map);
    giro_map_check(batches->executed_map);
}
