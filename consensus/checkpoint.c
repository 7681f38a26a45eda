/* Votes for checkpoints and their certificates. See checkpoint.h. */
#include "consensus/certify_internal.h"
#include "consensus/internal.h"

/* ---- Memory ------------------------------------------------------------------------------------------ */

static size_t votes_bytes(const struct giro_consensus_options *options)
{
    return (size_t)options->replica_count * GIRO_CHECKPOINT_VOTES *
           sizeof(struct giro_checkpoint_vote);
}

size_t giro_checkpoints_footprint(const struct giro_consensus_options *options)
{
    const size_t n = options->replica_count;
    return giro_align_up(votes_bytes(options), 64) +
           giro_align_up(n * GIRO_CHECKPOINT_MESSAGE_BYTES, 64) +
           giro_align_up(n * sizeof(struct giro_verify_item), 64) +
           giro_align_up(n * sizeof(uint16_t), 64) + giro_align_up(n, 64);
}

void giro_checkpoints_init(struct giro_checkpoints *checkpoints, struct giro_arena *arena,
                           const struct giro_consensus_options *options)
{
    const size_t n = options->replica_count;
    checkpoints->votes = giro_arena_take(arena, votes_bytes(options), 64);
    checkpoints->messages = giro_arena_take(arena, n * GIRO_CHECKPOINT_MESSAGE_BYTES, 64);
    checkpoints->items = giro_arena_take(arena, n * sizeof(struct giro_verify_item), 64);
    checkpoints->voters = giro_arena_take(arena, n * sizeof(uint16_t), 64);
    checkpoints->verdicts = giro_arena_take(arena, n, 64);
    GIRO_ASSERT(checkpoints->verdicts != NULL);
    checkpoints->resend_ns = UINT64_MAX;
}

/* ---- Checking ------------------------------------------------------------------------------------------ */

static void item_set(struct giro_consensus *core, uint32_t index, uint32_t voter,
                     const struct giro_checkpoint_body *body,
                     const struct giro_signature *signature)
{
    struct giro_checkpoints *const all = &core->checkpoints;
    uint8_t *const message = all->messages + (size_t)index * GIRO_CHECKPOINT_MESSAGE_BYTES;
    const size_t size_bytes = giro_checkpoint_message(&core->env.options.chain_id, body, message);
    all->items[index] = (struct giro_verify_item){.key = core->env.options.batch_keys[voter],
                                                  .message = message,
                                                  .message_bytes = (uint32_t)size_bytes,
                                                  .signature = signature->bytes};
    all->voters[index] = (uint16_t)voter;
}

enum giro_reject giro_checkpoint_verify(struct giro_consensus *core,
                                        const struct giro_checkpoint *checkpoint)
{
    const struct giro_checkpoint_header *const header = &checkpoint->header;
    uint32_t count = 0;
    if (header->scheme != GIRO_SCHEME_ED25519)
        return GIRO_REJECT_FIELD;
    if (header->body.epoch != core->env.options.epoch)
        return GIRO_REJECT_EPOCH;
    if (header->signer_count != core->env.quorum ||
        giro_bitmap_count(header->bitmap) != core->env.quorum)
        return GIRO_REJECT_QUORUM;
    for (uint32_t i = 0; i < core->env.options.replica_count; i++) {
        if (!giro_bitmap_has(header->bitmap, i))
            continue;
        item_set(core, count, i, &header->body, &checkpoint->signatures[count]);
        count++;
    }
    if (count != core->env.quorum)
        return GIRO_REJECT_SIGNER;
    return giro_verify_batch(core->env.options.ring, core->checkpoints.items, count,
                             core->checkpoints.verdicts) == count
               ? GIRO_REJECT_NONE
               : GIRO_REJECT_SIGNATURE;
}

/* Equal in everything that is signed. */
static bool body_equal(const struct giro_checkpoint_body *a, const struct giro_checkpoint_body *b)
{
    return memcmp(&a->epoch, &b->epoch,
                  sizeof(*a) - offsetof(struct giro_checkpoint_body, epoch)) == 0;
}

static void halt(struct giro_consensus *core, const char *reason, uint64_t height)
{
    core->halted = true;
    core->env.may_sign = false;
    core->env.counters.halted = true;
    struct giro_action *const action = giro_env_action(&core->env, GIRO_ACTION_HALT);
    action->halt.reason = reason;
    action->halt.height = height;
}

/* ---- Own ------------------------------------------------------------------------------------------------ */

/* A QC that names the block or commits it: its child's, or the one that committed it. */
static const struct giro_qc *anchor_of(const struct giro_consensus *core, uint64_t height,
                                       const struct giro_hash *block_id)
{
    const uint32_t child = giro_tree_committed_at(&core->tree, height + 1);
    if (child != GIRO_NONE)
        return &core->tree.proposals[child].qc;
    if (giro_hash_equal(&core->commit_qc.header.commit_id, block_id))
        return &core->commit_qc;
    return NULL;
}

static void record_log(struct giro_consensus *core, enum giro_log_kind kind, const void *object)
{
    const size_t room = sizeof(struct giro_timeout);
    uint8_t *const bytes = giro_env_scratch(&core->env, room);
    struct giro_writer writer;
    GIRO_ASSERT(bytes != NULL);
    giro_writer_init(&writer, bytes, room);
    if (kind == GIRO_LOG_QC_RECORD)
        giro_qc_encode(object, &writer);
    else if (kind == GIRO_LOG_TC_RECORD)
        giro_tc_encode(object, &writer);
    else
        giro_timeout_encode(object, &writer);
    GIRO_ASSERT(!writer.failed);
    giro_env_log(&core->env, kind, &giro_hash_zero, 0, bytes, writer.offset);
}

/* Where the log must begin on top of this image: what is in memory now and was logged before, and the highest certificates
 * and the last timeout, which are logged again. 0: something of it was recovered, so nothing is said. */
static uint64_t needed_sequence(struct giro_consensus *core)
{
    uint64_t needed = core->env.next_log_sequence;
    if (core->high_qc.header.round > 0)
        record_log(core, GIRO_LOG_QC_RECORD, &core->high_qc);
    if (core->high_tc.header.round > core->high_qc.header.round)
        record_log(core, GIRO_LOG_TC_RECORD, &core->high_tc);
    if (core->own_timeout.header.round != 0 &&
        core->own_timeout.header.round >= core->safety.last_timeout_round)
        record_log(core, GIRO_LOG_TIMEOUT_RECORD, &core->own_timeout);
    const struct giro_tree *const tree = &core->tree;
    for (uint32_t slot = 0; slot < tree->slot_count; slot++) {
        const struct giro_block *const block = &tree->blocks[slot];
        if ((block->state == GIRO_BLOCK_PENDING || block->state == GIRO_BLOCK_COMMITTED) &&
            block->log_sequence < needed)
            needed = block->log_sequence;
    }
    const uint64_t batches = giro_batches_needed(core->batches);
    return batches < needed ? batches : needed;
}

void giro_checkpoint_due(struct giro_consensus *core, const struct giro_proposal *proposal,
                         const struct giro_event *executed)
{
    struct giro_checkpoints *const all = &core->checkpoints;
    const struct giro_qc *const qc = anchor_of(core, proposal->block.height, &proposal->block_id);
    if (core->env.recovering || core->halted || qc == NULL || giro_env_room(&core->env) < 16 ||
        core->env.actions->scratch_bytes - core->env.actions->scratch_used < 256u * 1024u)
        return;
    all->own = (struct giro_checkpoint_body){.head = giro_head_make(GIRO_KIND_CHECKPOINT_VOTE),
                                             .epoch = proposal->block.epoch,
                                             .height = proposal->block.height,
                                             .block_id = proposal->block_id,
                                             .state_root = executed->executed.state_root,
                                             .ledger_root = executed->executed.ledger_root};
    all->imaged = all->signed_ = all->tried = all->has_certificate = all->has_checkpoint =
        all->kept = false;
    all->qc = *qc;
    all->resend_ns = UINT64_MAX;
    all->log_sequence = needed_sequence(core);
    struct giro_action *const action = giro_env_action(&core->env, GIRO_ACTION_CHECKPOINT);
    action->checkpoint.height = all->own.height;
}

void giro_checkpoint_imaged(struct giro_consensus *core, const struct giro_event *event)
{
    struct giro_checkpoints *const all = &core->checkpoints;
    if (event->checkpointed.height != all->own.height || all->imaged)
        return;
    all->own.image_root = event->checkpointed.image_root;
    all->imaged = true;
}

static struct giro_checkpoint_vote *votes_of(const struct giro_checkpoints *all, uint32_t voter)
{
    return &all->votes[(size_t)voter * GIRO_CHECKPOINT_VOTES];
}

static void vote_send(struct giro_consensus *core)
{
    struct giro_checkpoints *const all = &core->checkpoints;
    uint8_t *const bytes = giro_env_scratch(&core->env, sizeof(struct giro_checkpoint_vote));
    if (bytes == NULL || giro_env_room(&core->env) < 4)
        return;
    const struct giro_checkpoint_vote *own = votes_of(all, core->env.options.self);
    own += own->body.height != all->own.height;
    memcpy(bytes, own, sizeof(*own));
    giro_env_send(&core->env, GIRO_PEER_ALL, GIRO_KIND_CHECKPOINT_VOTE, bytes, sizeof(*own));
    all->resend_ns = core->env.now_ns + all->resend_delay_ns;
    if (all->resend_delay_ns < GIRO_CHECKPOINT_RESEND_MAX_NS)
        all->resend_delay_ns *= 2;
}

/* The newer vote of a voter takes the place of the older one. */
static struct giro_checkpoint_vote *vote_keep(struct giro_checkpoints *all,
                                              const struct giro_checkpoint_vote *vote)
{
    struct giro_checkpoint_vote *const kept = votes_of(all, vote->voter);
    struct giro_checkpoint_vote *place = &kept[0];
    for (uint32_t i = 0; i < GIRO_CHECKPOINT_VOTES; i++) {
        if (kept[i].body.height == vote->body.height)
            place = &kept[i];
        else if (place->body.height != vote->body.height &&
                 kept[i].body.height < place->body.height)
            place = &kept[i];
    }
    if (place->body.height > vote->body.height)
        return NULL;
    *place = *vote;
    return place;
}

static void vote_sign(struct giro_consensus *core)
{
    struct giro_checkpoints *const all = &core->checkpoints;
    uint8_t message[GIRO_CHECKPOINT_MESSAGE_BYTES];
    struct giro_checkpoint_vote vote = {.body = all->own,
                                        .voter = (uint16_t)core->env.options.self};
    const size_t size_bytes =
        giro_checkpoint_message(&core->env.options.chain_id, &vote.body, message);
    vote.signature = giro_env_sign(&core->env, message, size_bytes);
    (void)vote_keep(all, &vote);
    all->signed_ = true;
    all->resend_delay_ns = GIRO_CHECKPOINT_RESEND_NS;
    vote_send(core);
}

/* ---- Certificates ----------------------------------------------------------------------------------------- */

static void learn(struct giro_consensus *core, const struct giro_checkpoint *checkpoint)
{
    struct giro_checkpoints *const all = &core->checkpoints;
    const struct giro_checkpoint_body *const body = &checkpoint->header.body;
    if (body->height > all->newest.header.body.height)
        all->newest = *checkpoint;
    if (!all->imaged || body->height != all->own.height || all->has_checkpoint)
        return;
    if (!body_equal(body, &all->own)) {
        halt(core, "a quorum signed another image than this replica made", body->height);
        return;
    }
    all->checkpoint = *checkpoint;
    all->has_checkpoint = true;
    all->resend_ns = UINT64_MAX;
}

/* Checks the votes that say what `body` says, when there are q of them. */
static void try_checkpoint(struct giro_consensus *core, const struct giro_checkpoint_body *body)
{
    struct giro_checkpoints *const all = &core->checkpoints;
    uint32_t count = 0;
    for (uint32_t i = 0; i < core->env.options.replica_count; i++) {
        for (uint32_t k = 0; k < GIRO_CHECKPOINT_VOTES; k++) {
            const struct giro_checkpoint_vote *const vote = &votes_of(all, i)[k];
            if (vote->body.height == body->height && body_equal(&vote->body, body))
                item_set(core, count++, i, &vote->body, &vote->signature);
        }
    }
    if (count < core->env.quorum)
        return;
    giro_verify_batch(core->env.options.ring, all->items, count, all->verdicts);
    struct giro_checkpoint made;
    memset(&made, 0, sizeof(made));
    made.header.body = *body;
    made.header.body.head = giro_head_make(GIRO_KIND_CHECKPOINT);
    made.header.scheme = GIRO_SCHEME_ED25519;
    made.header.signer_count = (uint8_t)core->env.quorum;
    uint32_t signers = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct giro_checkpoint_vote *vote = votes_of(all, all->voters[i]);
        vote += vote->body.height != body->height;
        if (all->verdicts[i] != GIRO_VALID) {
            giro_env_reject_of(&core->env, all->voters[i], GIRO_REJECT_SIGNATURE);
            memset(vote, 0, sizeof(*vote));
            continue;
        }
        if (signers == core->env.quorum)
            continue;
        giro_bitmap_set(made.header.bitmap, all->voters[i]);
        made.signatures[signers++] = vote->signature;
    }
    if (signers == core->env.quorum)
        learn(core, &made);
}

void giro_checkpoint_settle(struct giro_consensus *core)
{
    struct giro_checkpoints *const all = &core->checkpoints;
    if (all->own.height == 0 || all->kept)
        return;
    if (!all->has_certificate) {
        const struct giro_certify_height *const h =
            giro_certify_peek(core->certify, all->own.height);
        if (h != NULL && h->executed && h->certified) {
            all->certificate = h->certificate;
            all->has_certificate = true;
        }
    }
    if (all->imaged && !all->tried) {
        all->tried = true;
        if (all->newest.header.body.height == all->own.height)
            learn(core, &all->newest);
        else
            try_checkpoint(core, &all->own);
    }
    if (all->imaged && !all->signed_ && !all->has_checkpoint && core->env.may_sign) {
        vote_sign(core);
        try_checkpoint(core, &all->own);
    }
    if (core->halted || !all->has_checkpoint || !all->has_certificate ||
        giro_env_room(&core->env) < 2)
        return;
    all->kept = true;
    struct giro_action *const action = giro_env_action(&core->env, GIRO_ACTION_KEEP);
    action->keep.checkpoint = &all->checkpoint;
    action->keep.certificate = &all->certificate;
    action->keep.qc = &all->qc;
    action->keep.log_sequence = all->log_sequence;
}

/* ---- Peers -------------------------------------------------------------------------------------------------- */

static void answer(struct giro_consensus *core, uint16_t sender)
{
    uint8_t *const bytes = giro_env_scratch(&core->env, GIRO_CHECKPOINT_BYTES_MAX);
    if (bytes == NULL || giro_env_room(&core->env) < 4)
        return;
    struct giro_writer writer;
    giro_writer_init(&writer, bytes, GIRO_CHECKPOINT_BYTES_MAX);
    giro_checkpoint_encode(&core->checkpoints.newest, &writer);
    GIRO_ASSERT(!writer.failed);
    giro_env_send(&core->env, sender, GIRO_KIND_CHECKPOINT, bytes, writer.offset);
}

void giro_checkpoint_on_vote(struct giro_consensus *core, uint16_t sender, const uint8_t *body,
                             size_t size_bytes)
{
    struct giro_checkpoints *const all = &core->checkpoints;
    struct giro_checkpoint_vote vote;
    struct giro_reader reader;
    giro_reader_init(&reader, body, size_bytes);
    enum giro_reject reject =
        giro_checkpoint_vote_decode(&reader, core->env.options.replica_count, &vote);
    if (reject == GIRO_REJECT_NONE && giro_reader_left(&reader) != 0)
        reject = GIRO_REJECT_OVERSIZED;
    if (reject == GIRO_REJECT_NONE && vote.voter != sender)
        reject = GIRO_REJECT_SIGNER;
    if (reject == GIRO_REJECT_NONE && vote.body.epoch != core->env.options.epoch)
        reject = GIRO_REJECT_EPOCH;
    if (giro_env_reject(&core->env, reject) != GIRO_REJECT_NONE)
        return;
    if (vote.body.height == all->newest.header.body.height) {
        answer(core, sender);
        return;
    }
    if (vote.body.height < all->newest.header.body.height || vote_keep(all, &vote) == NULL) {
        giro_env_reject(&core->env, GIRO_REJECT_STALE);
        return;
    }
    if (vote.body.height == all->own.height && all->imaged)
        try_checkpoint(core, &vote.body);
}

void giro_checkpoint_on_checkpoint(struct giro_consensus *core, uint16_t sender,
                                   const uint8_t *body, size_t size_bytes)
{
    struct giro_checkpoint *const checkpoint = &core->checkpoint_in;
    struct giro_reader reader;
    (void)sender;
    giro_reader_init(&reader, body, size_bytes);
    enum giro_reject reject =
        giro_checkpoint_decode(&reader, core->env.options.replica_count, checkpoint);
    if (reject == GIRO_REJECT_NONE && giro_reader_left(&reader) != 0)
        reject = GIRO_REJECT_OVERSIZED;
    if (reject == GIRO_REJECT_NONE &&
        checkpoint->header.body.height <= core->checkpoints.newest.header.body.height)
        reject = GIRO_REJECT_STALE;
    if (reject == GIRO_REJECT_NONE)
        reject = giro_checkpoint_verify(core, checkpoint);
    if (giro_env_reject(&core->env, reject) == GIRO_REJECT_NONE)
        learn(core, checkpoint);
}

void giro_checkpoint_tick(struct giro_consensus *core)
{
    struct giro_checkpoints *const all = &core->checkpoints;
    if (all->signed_ && !all->has_checkpoint && core->env.may_sign &&
        core->env.now_ns >= all->resend_ns)
        vote_send(core);
}

uint64_t giro_checkpoint_next_ns(const struct giro_consensus *core)
{
    const struct giro_checkpoints *const all = &core->checkpoints;
    return all->signed_ && !all->has_checkpoint && core->env.may_sign ? all->resend_ns : UINT64_MAX;
}
