/* Acknowledgements and proofs of availability.
 *
 * Signatures of acknowledgements are checked only when there are enough for a proof, all in one call; a voter whose
 * signature was bad is ignored for that batch. An acknowledgement that covers several batches is checked once. */
#include "consensus/batches_internal.h"

/* ---- The proof pool ---------------------------------------------------------------------------------------------- */

static uint8_t *proof_bytes_at(const struct giro_batches *batches, uint32_t proof)
{
    GIRO_ASSERT(proof < batches->proof_count);
    return batches->proof_bytes + (size_t)proof * batches->proof_bytes_max;
}

static bool slot_is_own(const struct giro_batches *batches, uint32_t slot)
{
    return slot != GIRO_NONE && batches->slots[slot].own;
}

/* May a proof of this batch be kept? Own slots always have room for theirs; peers' proofs have a share. */
static bool pool_has_room(const struct giro_batches *batches, const struct giro_hash *id)
{
    return slot_is_own(batches, giro_batches_slot_find(batches, id)) ||
           batches->proof_foreign_count < batches->proof_foreign_max;
}

/* Files bytes[0..size_bytes) (NULL: the caller fills them in) under the reference's batch id. */
static uint32_t pool_put(struct giro_batches *batches, const struct giro_batch_reference *reference,
                         const uint8_t *bytes, uint32_t size_bytes)
{
    GIRO_ASSERT(batches->proofs_free_count > 0);
    GIRO_ASSERT(size_bytes <= batches->proof_bytes_max);
    uint32_t slot = giro_batches_slot_find(batches, &reference->batch_id);
    uint32_t proof = batches->proofs_free[--batches->proofs_free_count];
    struct giro_proof_entry *entry = &batches->proofs[proof];
    GIRO_ASSERT(!entry->used);
    *entry = (struct giro_proof_entry){.reference = *reference,
                                       .size_bytes = size_bytes,
                                       .used = true,
                                       .own = slot_is_own(batches, slot)};
    if (bytes != NULL)
        memcpy(proof_bytes_at(batches, proof), bytes, size_bytes);
    bool stored = giro_map_put(batches->proof_map, &reference->batch_id, proof);
    GIRO_ASSERT(stored);
    giro_index_list_push_back(&batches->proof_order, proof);
    batches->proof_foreign_count += !entry->own;
    if (reference->expiry_ns < batches->expiry_floor_ns)
        batches->expiry_floor_ns = reference->expiry_ns;
    if (slot != GIRO_NONE) {
        GIRO_ASSERT(!batches->slots[slot].proved);
        batches->slots[slot].proved = true;
        if (entry->own) {
            GIRO_ASSERT(batches->own_unproved_count > 0);
            batches->own_unproved_count--;
            if (batches->started && !batches->slots[slot].repeated)
                giro_patience_answered(&batches->proving,
                                       batches->env->now_ns - batches->slots[slot].arrived_ns);
        }
    }
    return proof;
}

void giro_batches_proof_free(struct giro_batches *batches, uint32_t proof)
{
    struct giro_proof_entry *entry = &batches->proofs[proof];
    GIRO_ASSERT(entry->used);
    uint32_t slot = giro_batches_slot_find(batches, &entry->reference.batch_id);
    if (slot != GIRO_NONE) {
        GIRO_ASSERT(batches->slots[slot].proved);
        batches->slots[slot].proved = false;
        batches->own_unproved_count += batches->slots[slot].own;
    }
    giro_index_list_remove(&batches->proof_order, proof);
    bool known = giro_map_remove(batches->proof_map, &entry->reference.batch_id);
    GIRO_ASSERT(known);
    batches->proof_foreign_count -= !entry->own;
    entry->used = false;
    GIRO_ASSERT(batches->proofs_free_count < batches->proof_count);
    batches->proofs_free[batches->proofs_free_count++] = proof;
}

void giro_batches_proof_orphan(struct giro_batches *batches, uint32_t slot)
{
    uint32_t proof = giro_map_get(batches->proof_map, &batches->slots[slot].id);
    GIRO_ASSERT(proof != GIRO_NONE);
    if (!batches->proofs[proof].own)
        return;
    if (batches->proof_foreign_count < batches->proof_foreign_max) {
        batches->proofs[proof].own = false;
        batches->proof_foreign_count++;
    } else {
        giro_batches_proof_free(batches, proof);
    }
}

/* An own batch is available once its proof is known, wherever it came from. Said once. */
static void announce(struct giro_batches *batches, uint32_t slot)
{
    if (!slot_is_own(batches, slot) || batches->slots[slot].announced || batches->env->recovering)
        return;
    if (giro_env_room(batches->env) == 0)
        return;
    struct giro_batch_slot *s = &batches->slots[slot];
    uint32_t proof = giro_map_get(batches->proof_map, &s->id);
    GIRO_ASSERT(proof != GIRO_NONE);
    s->announced = true;
    struct giro_action *action = giro_env_action(batches->env, GIRO_ACTION_AVAILABLE);
    action->available.batch_id = s->id;
    action->available.expiry_ns = batches->proofs[proof].reference.expiry_ns;
    action->available.bytes = giro_batches_slot_bytes(batches, slot);
    action->available.size_bytes = s->header.size_bytes;
}

/* ---- Own acknowledgements ---------------------------------------------------------------------------------------- */

void giro_batches_ack_due(struct giro_batches *batches, uint32_t slot)
{
    struct giro_batch_slot *s = &batches->slots[slot];
    GIRO_ASSERT(s->state == GIRO_SLOT_LOGGED);
    if (s->waiting)
        return;
    s->waiting = true;
    /* Records are numbered in the order they are appended, so the list stays sorted: durable ones first. */
    if (giro_batches_slot_durable(batches, slot))
        giro_index_list_push_front(&batches->waiting, slot);
    else
        giro_index_list_push_back(&batches->waiting, slot);
}

static void ack_store(struct giro_batches *batches, uint32_t slot, const struct giro_batch_ack *ack,
                      bool checked)
{
    struct giro_batch_slot *s = &batches->slots[slot];
    uint32_t n = batches->env->options.replica_count;
    uint32_t voter = ack->header.voter;
    GIRO_ASSERT(s->own && voter < n);
    GIRO_ASSERT(s->ack_count < n);
    GIRO_ASSERT(!giro_bitmap_has(s->acked, voter));
    batches->acks[(size_t)slot * n + s->ack_count++] = *ack;
    giro_bitmap_set(s->acked, voter);
    if (checked)
        giro_bitmap_set(s->checked, voter);
}

static void bitmap_clear(uint8_t bitmap[GIRO_BITMAP_BYTES], uint32_t index)
{
    bitmap[index / 8] &= (uint8_t) ~(1u << (index % 8));
}

static void ack_drop(struct giro_batches *batches, uint32_t slot, uint32_t index)
{
    struct giro_batch_slot *s = &batches->slots[slot];
    struct giro_batch_ack *acks =
        &batches->acks[(size_t)slot * batches->env->options.replica_count];
    GIRO_ASSERT(index < s->ack_count);
    bitmap_clear(s->acked, acks[index].header.voter);
    bitmap_clear(s->checked, acks[index].header.voter);
    acks[index] = acks[--s->ack_count];
}

void giro_batches_acks_forget(struct giro_batches *batches, uint32_t slot)
{
    struct giro_batch_slot *s = &batches->slots[slot];
    s->ack_count = 0;
    memset(s->acked, 0, sizeof(s->acked));
    memset(s->checked, 0, sizeof(s->checked));
}

/* An acknowledgement that ends soon would make a proof that ends soon. */
static bool ack_lasts(const struct giro_batches *batches, uint64_t expiry_ns)
{
    const struct giro_env *env = batches->env;
    return expiry_ns >= env->wall_ns + env->options.batch_ttl_ns / 2;
}

void giro_batches_acks_refresh(struct giro_batches *batches, uint32_t slot)
{
    struct giro_batch_slot *s = &batches->slots[slot];
    const struct giro_batch_ack *acks =
        &batches->acks[(size_t)slot * batches->env->options.replica_count];
    for (uint32_t i = s->ack_count; i > 0; i--) {
        if (!ack_lasts(batches, acks[i - 1].header.expiry_ns))
            ack_drop(batches, slot, i - 1);
    }
    if (!giro_bitmap_has(s->acked, batches->env->options.self))
        giro_batches_ack_due(batches, slot);
}

/* Up to GIRO_ACK_IDS_MAX waiting durable slots of one author, ids ascending. */
static uint32_t gather(const struct giro_batches *batches, uint32_t author,
                       uint32_t slots[GIRO_ACK_IDS_MAX])
{
    uint32_t count = 0;
    for (uint32_t i = batches->waiting.head; i != GIRO_NONE && count < GIRO_ACK_IDS_MAX;
         i = batches->waiting.links[i].next) {
        if (!giro_batches_slot_durable(batches, i))
            break;
        if (batches->slots[i].header.author != author)
            continue;
        uint32_t at = count++;
        for (; at > 0; at--) {
            if (memcmp(&batches->slots[slots[at - 1]].id, &batches->slots[i].id, GIRO_HASH_BYTES) <
                0)
                break;
            slots[at] = slots[at - 1];
        }
        slots[at] = i;
    }
    return count;
}

static void ack_sign(struct giro_batches *batches, const uint32_t *slots, uint32_t count,
                     struct giro_batch_ack *ack)
{
    const struct giro_env *env = batches->env;
    uint8_t message[GIRO_BATCH_ACK_MESSAGE_BYTES_MAX];
    GIRO_ASSERT(env->may_sign && !env->recovering);
    *ack = (struct giro_batch_ack){.header = {.head = giro_head_make(GIRO_KIND_BATCH_ACK),
                                              .epoch = env->options.epoch,
                                              .expiry_ns = env->wall_ns + env->options.batch_ttl_ns,
                                              .voter = (uint16_t)env->options.self,
                                              .id_count = (uint16_t)count}};
    for (uint32_t i = 0; i < count; i++) {
        struct giro_batch_slot *s = &batches->slots[slots[i]];
        GIRO_ASSERT(giro_batches_slot_durable(batches, slots[i]) && !s->disputed);
        ack->ids[i] = s->id;
        if (s->expiry_ns < ack->header.expiry_ns)
            s->expiry_ns = ack->header.expiry_ns;
    }
    size_t size_bytes = giro_batch_ack_message(&env->options.chain_id, ack, message);
    ack->signature = giro_env_sign(env, message, size_bytes);
}

void giro_batches_ack_flush(struct giro_batches *batches)
{
    struct giro_env *env = batches->env;
    if (!batches->started || !env->may_sign)
        return;
    for (;;) {
        uint32_t slots[GIRO_ACK_IDS_MAX];
        uint32_t first = batches->waiting.head;
        if (first == GIRO_NONE || !giro_batches_slot_durable(batches, first) ||
            giro_env_room(env) == 0)
            return;
        uint16_t author = batches->slots[first].header.author;
        uint32_t count = gather(batches, author, slots);
        GIRO_ASSERT(count >= 1);
        size_t size_bytes =
            sizeof(struct giro_batch_ack_header) + count * GIRO_HASH_BYTES + GIRO_SIGNATURE_BYTES;
        uint8_t *bytes = giro_env_scratch(env, size_bytes);
        if (bytes == NULL)
            return;
        struct giro_batch_ack ack;
        ack_sign(batches, slots, count, &ack);
        for (uint32_t i = 0; i < count; i++) {
            giro_index_list_remove(&batches->waiting, slots[i]);
            batches->slots[slots[i]].waiting = false;
            if (author != env->options.self ||
                giro_bitmap_has(batches->slots[slots[i]].acked, author))
                continue;
            ack_store(batches, slots[i], &ack, true);
            giro_batches_proof_make(batches, slots[i]);
        }
        if (author == env->options.self)
            continue;
        struct giro_writer writer;
        giro_writer_init(&writer, bytes, size_bytes);
        bool encoded = giro_batch_ack_encode(&ack, &writer);
        GIRO_ASSERT(encoded && writer.offset == size_bytes);
        giro_env_send(env, author, GIRO_KIND_BATCH_ACK, bytes, size_bytes);
    }
}

/* ---- Peers' acknowledgements ------------------------------------------------------------------------------------- */

/* Verifies check_acks[0..count) in one call into check_verdicts; returns the number valid. */
static uint32_t scratch_verify(struct giro_batches *batches, uint32_t count)
{
    const struct giro_consensus_options *options = &batches->env->options;
    GIRO_ASSERT(count <= options->replica_count);
    for (uint32_t i = 0; i < count; i++) {
        const struct giro_batch_ack *ack = &batches->check_acks[i];
        uint8_t *message = batches->check_messages + (size_t)i * GIRO_BATCH_ACK_MESSAGE_BYTES_MAX;
        size_t size_bytes = giro_batch_ack_message(&options->chain_id, ack, message);
        GIRO_ASSERT(size_bytes <= GIRO_BATCH_ACK_MESSAGE_BYTES_MAX);
        GIRO_ASSERT(ack->header.voter < options->replica_count);
        batches->check_items[i] =
            (struct giro_verify_item){.key = options->batch_keys[ack->header.voter],
                                      .message = message,
                                      .message_bytes = (uint32_t)size_bytes,
                                      .signature = ack->signature.bytes};
    }
    return giro_verify_batch(options->ring, batches->check_items, count, batches->check_verdicts);
}

static void ack_judge(struct giro_batches *batches, uint32_t slot, const struct giro_batch_ack *ack,
                      bool valid)
{
    struct giro_batch_slot *s = &batches->slots[slot];
    uint32_t n = batches->env->options.replica_count;
    for (uint32_t i = 0; i < s->ack_count; i++) {
        const struct giro_batch_ack *held = &batches->acks[(size_t)slot * n + i];
        if (held->header.voter != ack->header.voter || memcmp(held, ack, sizeof(*ack)) != 0)
            continue;
        if (valid) {
            giro_bitmap_set(s->checked, ack->header.voter);
        } else {
            giro_bitmap_set(s->refused, ack->header.voter);
            ack_drop(batches, slot, i);
        }
        return;
    }
}

/* Checks the signatures not yet checked; what is learned of an acknowledgement holds for all batches it covers. */
static void acks_check(struct giro_batches *batches, uint32_t slot)
{
    const struct giro_batch_slot *s = &batches->slots[slot];
    uint32_t n = batches->env->options.replica_count;
    uint32_t count = 0;
    for (uint32_t i = 0; i < s->ack_count; i++) {
        const struct giro_batch_ack *ack = &batches->acks[(size_t)slot * n + i];
        if (!giro_bitmap_has(s->checked, ack->header.voter))
            batches->check_acks[count++] = *ack;
    }
    if (count == 0)
        return;
    (void)scratch_verify(batches, count);
    for (uint32_t i = 0; i < count; i++) {
        const struct giro_batch_ack *ack = &batches->check_acks[i];
        if (batches->check_verdicts[i] != GIRO_VALID)
            giro_env_reject_of(batches->env, ack->header.voter, GIRO_REJECT_SIGNATURE);
        for (uint32_t k = 0; k < ack->header.id_count; k++) {
            uint32_t other = giro_batches_slot_find(batches, &ack->ids[k]);
            if (slot_is_own(batches, other))
                ack_judge(batches, other, ack, batches->check_verdicts[i] == GIRO_VALID);
        }
    }
    GIRO_ASSERT(memcmp(s->checked, s->acked, GIRO_BITMAP_BYTES) == 0);
}

static enum giro_reject ack_read(const struct giro_batches *batches, uint16_t sender,
                                 const uint8_t *body, size_t size_bytes, struct giro_batch_ack *ack)
{
    const struct giro_env *env = batches->env;
    struct giro_reader reader;
    memset(ack, 0, sizeof(*ack));
    giro_reader_init(&reader, body, size_bytes);
    enum giro_reject reject = giro_batch_ack_decode(&reader, env->options.replica_count, ack);
    if (reject != GIRO_REJECT_NONE)
        return reject;
    if (giro_reader_left(&reader) != 0)
        return GIRO_REJECT_OVERSIZED;
    if (ack->header.voter != sender || sender == env->options.self)
        return GIRO_REJECT_SIGNER;
    if (ack->header.epoch != env->options.epoch)
        return GIRO_REJECT_EPOCH;
    if (!ack_lasts(batches, ack->header.expiry_ns))
        return GIRO_REJECT_TIME;
    GIRO_ASSERT(ack->header.id_count >= 1 && ack->header.id_count <= GIRO_ACK_IDS_MAX);
    return GIRO_REJECT_NONE;
}

void giro_batches_on_ack(struct giro_batches *batches, uint16_t sender, const uint8_t *body,
                         size_t size_bytes)
{
    struct giro_batch_ack ack;
    enum giro_reject reject = ack_read(batches, sender, body, size_bytes, &ack);
    bool useful = false;
    for (uint32_t i = 0; reject == GIRO_REJECT_NONE && i < ack.header.id_count; i++) {
        uint32_t slot = giro_batches_slot_find(batches, &ack.ids[i]);
        if (!slot_is_own(batches, slot) || batches->slots[slot].proved)
            continue;
        const struct giro_batch_slot *s = &batches->slots[slot];
        if (giro_bitmap_has(s->acked, sender) || giro_bitmap_has(s->refused, sender))
            continue;
        ack_store(batches, slot, &ack, false);
        useful = true;
    }
    if (reject == GIRO_REJECT_NONE && !useful)
        reject = GIRO_REJECT_DUPLICATE;
    if (reject != GIRO_REJECT_NONE) {
        giro_env_reject(batches->env, reject);
        return;
    }
    for (uint32_t i = 0; i < ack.header.id_count; i++) {
        uint32_t slot = giro_batches_slot_find(batches, &ack.ids[i]);
        if (slot_is_own(batches, slot))
            giro_batches_proof_make(batches, slot);
    }
}

/* ---- Making a proof ---------------------------------------------------------------------------------------------- */

/* Picks q checked acknowledgements in ascending voter order into check_acks; returns their smallest expiry. */
static uint64_t choose(struct giro_batches *batches, uint32_t slot,
                       struct giro_batch_proof_header *header)
{
    const struct giro_batch_slot *s = &batches->slots[slot];
    uint32_t n = batches->env->options.replica_count;
    uint64_t expiry_ns = UINT64_MAX;
    uint32_t count = 0;
    for (uint32_t voter = 0; voter < n && count < batches->env->quorum; voter++) {
        for (uint32_t i = 0; i < s->ack_count; i++) {
            const struct giro_batch_ack *ack = &batches->acks[(size_t)slot * n + i];
            if (ack->header.voter != voter)
                continue;
            GIRO_ASSERT(giro_bitmap_has(s->checked, voter));
            batches->check_acks[count++] = *ack;
            giro_bitmap_set(header->bitmap, voter);
            if (ack->header.expiry_ns < expiry_ns)
                expiry_ns = ack->header.expiry_ns;
            break;
        }
    }
    GIRO_ASSERT(count == batches->env->quorum);
    header->signer_count = (uint8_t)count;
    return expiry_ns;
}

void giro_batches_proof_make(struct giro_batches *batches, uint32_t slot)
{
    struct giro_env *env = batches->env;
    struct giro_batch_slot *s = &batches->slots[slot];
    if (!s->own || s->proved || s->ack_count < env->quorum)
        return;
    acks_check(batches, slot);
    if (s->ack_count < env->quorum)
        return;
    if (giro_env_room(env) < 3) {
        batches->ripe = true;
        return;
    }
    struct giro_batch_proof_header header = {.head = giro_head_make(GIRO_KIND_BATCH_PROOF),
                                             .scheme = GIRO_SCHEME_ED25519};
    uint64_t expiry_ns = choose(batches, slot, &header);
    header.reference = giro_batches_slot_reference(batches, slot, expiry_ns);
    uint32_t proof = pool_put(batches, &header.reference, NULL, 0);
    uint8_t *bytes = proof_bytes_at(batches, proof);
    struct giro_writer writer;
    giro_writer_init(&writer, bytes, batches->proof_bytes_max);
    bool encoded = giro_batch_proof_encode(&header, batches->check_acks, &writer);
    GIRO_ASSERT(encoded);
    batches->proofs[proof].size_bytes = (uint32_t)writer.offset;
    giro_env_log(env, GIRO_LOG_PROOF_RECORD, &s->id, 0, bytes, writer.offset);
    giro_env_send(env, GIRO_PEER_ALL, GIRO_KIND_BATCH_PROOF, bytes, writer.offset);
    announce(batches, slot);
    s->resend_delay_ns = GIRO_BATCH_RESEND_NS;
    s->resend_ns = env->now_ns + GIRO_BATCH_RESEND_NS;
    giro_batches_arm(batches, s->resend_ns);
}

void giro_batches_proof_send(struct giro_batches *batches, uint32_t slot)
{
    uint32_t proof = giro_map_get(batches->proof_map, &batches->slots[slot].id);
    GIRO_ASSERT(proof != GIRO_NONE);
    announce(batches, slot);
    giro_env_send(batches->env, GIRO_PEER_ALL, GIRO_KIND_BATCH_PROOF,
                  proof_bytes_at(batches, proof), batches->proofs[proof].size_bytes);
}

/* ---- Checking a proof -------------------------------------------------------------------------------------------- */

static bool reference_equal(const struct giro_batch_reference *a,
                            const struct giro_batch_reference *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

/* The acknowledgements sign only the batch id, so a leader or author could change the other numbers, and such a batch would
 * be void at execution. At least f + 1 honest replicas hold the body: when each of them refuses, no such block is certified. */
static bool reference_fits_body(const struct giro_batches *batches,
                                const struct giro_batch_reference *reference)
{
    uint32_t slot = giro_batches_slot_find(batches, &reference->batch_id);
    if (slot == GIRO_NONE)
        return true;
    struct giro_batch_reference body =
        giro_batches_slot_reference(batches, slot, reference->expiry_ns);
    return reference_equal(&body, reference);
}

/* Reads a proof into header and check_acks; everything but the signatures. */
static enum giro_reject proof_read(struct giro_batches *batches, const uint8_t *proof,
                                   size_t proof_bytes, struct giro_batch_proof_header *header)
{
    const struct giro_env *env = batches->env;
    uint32_t n = env->options.replica_count;
    if (proof_bytes > batches->proof_bytes_max)
        return GIRO_REJECT_OVERSIZED;
    enum giro_reject reject = giro_batch_proof_decode(proof, proof_bytes, env->options.epoch, n,
                                                      header, batches->check_acks, n);
    if (reject != GIRO_REJECT_NONE)
        return reject;
    if (header->scheme != GIRO_SCHEME_ED25519)
        return GIRO_REJECT_FIELD;
    if (header->signer_count != env->quorum)
        return GIRO_REJECT_QUORUM;
    if (header->reference.author >= n)
        return GIRO_REJECT_SIGNER;
    return GIRO_REJECT_NONE;
}

static enum giro_reject proof_verify(struct giro_batches *batches,
                                     const struct giro_batch_proof_header *header)
{
    if (!reference_fits_body(batches, &header->reference))
        return GIRO_REJECT_PROOF;
    if (scratch_verify(batches, header->signer_count) != header->signer_count)
        return GIRO_REJECT_SIGNATURE;
    return GIRO_REJECT_NONE;
}

void giro_batches_proof_recover(struct giro_batches *batches, const uint8_t *body,
                                uint32_t body_bytes)
{
    struct giro_batch_proof_header header;
    /* Our own log: the signatures were checked before it was written. */
    enum giro_reject reject = proof_read(batches, body, body_bytes, &header);
    if (reject == GIRO_REJECT_NONE && !reference_fits_body(batches, &header.reference))
        reject = GIRO_REJECT_PROOF;
    if (reject != GIRO_REJECT_NONE) {
        giro_env_reject(batches->env, reject);
        return;
    }
    const struct giro_hash *id = &header.reference.batch_id;
    uint32_t known = giro_map_get(batches->proof_map, id);
    if (giro_batches_executed_before(batches, id) ||
        header.reference.expiry_ns < batches->committed_ns)
        return;
    if (known != GIRO_NONE)
        giro_batches_proof_free(batches, known); /* made anew after the first one expired */
    if (pool_has_room(batches, id))
        pool_put(batches, &header.reference, body, body_bytes);
}

/* A proof of this batch is here and a block of the present time can still carry it. */
static bool known_lasts(const struct giro_batches *batches, const struct giro_hash *id)
{
    uint32_t known = giro_map_get(batches->proof_map, id);
    return known != GIRO_NONE && batches->proofs[known].reference.expiry_ns > batches->env->wall_ns;
}

void giro_batches_on_proof(struct giro_batches *batches, uint16_t sender, const uint8_t *body,
                           size_t size_bytes)
{
    struct giro_env *env = batches->env;
    struct giro_batch_proof_header header;
    enum giro_reject reject = GIRO_REJECT_NONE;
    if (!batches->started || sender >= env->options.replica_count)
        reject = GIRO_REJECT_SIGNER;
    if (reject == GIRO_REJECT_NONE)
        reject = proof_read(batches, body, size_bytes, &header);
    if (reject == GIRO_REJECT_NONE) {
        /* All that is cheap before q signatures are checked. */
        const struct giro_hash *id = &header.reference.batch_id;
        if (known_lasts(batches, id))
            reject = GIRO_REJECT_DUPLICATE;
        else if (giro_batches_executed_before(batches, id) ||
                 header.reference.expiry_ns < batches->committed_ns)
            reject = GIRO_REJECT_STALE;
        else if (!pool_has_room(batches, id))
            reject = GIRO_REJECT_LIMIT;
        else
            reject = proof_verify(batches, &header);
    }
    if (reject != GIRO_REJECT_NONE) {
        giro_env_reject(env, reject);
        return;
    }
    uint32_t over = giro_map_get(batches->proof_map, &header.reference.batch_id);
    if (over != GIRO_NONE)
        giro_batches_proof_free(batches, over);
    pool_put(batches, &header.reference, body, (uint32_t)size_bytes);
    announce(batches, giro_batches_slot_find(batches, &header.reference.batch_id));
}

enum giro_reject giro_batches_proof_check(struct giro_batches *batches,
                                          const struct giro_batch_reference *reference,
                                          const uint8_t *proof, uint32_t proof_bytes)
{
    struct giro_batch_proof_header header;
    uint32_t known = giro_map_get(batches->proof_map, &reference->batch_id);
    if (known != GIRO_NONE && batches->proofs[known].size_bytes == proof_bytes &&
        memcmp(proof_bytes_at(batches, known), proof, proof_bytes) == 0) {
        if (!reference_equal(&batches->proofs[known].reference, reference))
            return GIRO_REJECT_PROOF;
        return reference_fits_body(batches, reference) ? GIRO_REJECT_NONE : GIRO_REJECT_PROOF;
    }
    enum giro_reject reject = proof_read(batches, proof, proof_bytes, &header);
    if (reject == GIRO_REJECT_NONE && !reference_equal(&header.reference, reference))
        reject = GIRO_REJECT_PROOF;
    if (reject == GIRO_REJECT_NONE)
        reject = proof_verify(batches, &header);
    if (reject != GIRO_REJECT_NONE)
        return reject;
    if (known == GIRO_NONE && pool_has_room(batches, &reference->batch_id) &&
        !giro_batches_executed_before(batches, &reference->batch_id) &&
        reference->expiry_ns >= batches->committed_ns) {
        pool_put(batches, reference, proof, proof_bytes);
        announce(batches, giro_batches_slot_find(batches, &reference->batch_id));
    }
    return GIRO_REJECT_NONE;
}

uint32_t giro_batches_pick(struct giro_batches *batches, uint64_t time_ns,
                           bool (*taken)(void *context, const struct giro_hash *id), void *context,
                           struct giro_batch_reference *references, const uint8_t **proofs,
                           uint32_t *proof_bytes, uint32_t max)
{
    uint32_t count = 0;
    for (uint32_t i = batches->proof_order.head; i != GIRO_NONE && count < max;
         i = batches->proof_order.links[i].next) {
        const struct giro_proof_entry *entry = &batches->proofs[i];
        GIRO_ASSERT(entry->used);
        GIRO_ASSERT(!giro_batches_executed_before(batches, &entry->reference.batch_id));
        if (entry->reference.expiry_ns <= time_ns)
            continue;
        /* The proof may have come before the body: what contradicts the body would be void, and is not proposed. */
        if (!reference_fits_body(batches, &entry->reference))
            continue;
        if (taken != NULL && taken(context, &entry->reference.batch_id))
            continue;
        references[count] = entry->reference;
        proofs[count] = proof_bytes_at(batches, i);
        proof_bytes[count] = entry->size_bytes;
        count++;
    }
    return count;
}

void giro_batches_proofs_check(const struct giro_batches *batches)
{
    uint32_t count = 0, foreign = 0;
    for (uint32_t i = batches->proof_order.head; i != GIRO_NONE;
         i = batches->proof_order.links[i].next) {
        const struct giro_proof_entry *entry = &batches->proofs[i];
        GIRO_ASSERT(entry->used);
        GIRO_ASSERT(giro_map_get(batches->proof_map, &entry->reference.batch_id) == i);
        GIRO_ASSERT(entry->size_bytes > 0 && entry->size_bytes <= batches->proof_bytes_max);
        count++;
        foreign += !entry->own;
    }
    giro_index_list_check(&batches->proof_order, count);
    GIRO_ASSERT(count == giro_map_count(batches->proof_map));
    GIRO_ASSERT(count + batches->proofs_free_count == batches->proof_count);
    GIRO_ASSERT(foreign == batches->proof_foreign_count);
    GIRO_ASSERT(foreign <= batches->proof_foreign_max);
}
