/* QCs and TCs: verified once, then adopted. A verified certificate is remembered by its hash, and a signature inside
 * that is byte for byte one of the votes already verified here is not verified again. */
#include "consensus/internal.h"

bool giro_signature_check(struct giro_consensus *core, const struct giro_key_handle *keys,
                          uint32_t replica, const uint8_t *message, size_t message_bytes,
                          const struct giro_signature *signature)
{
    GIRO_ASSERT(replica < core->env.options.replica_count);
    const struct giro_verify_item item = {.key = keys[replica],
                                          .message = message,
                                          .message_bytes = (uint32_t)message_bytes,
                                          .signature = signature->bytes};
    uint8_t verdict = GIRO_INVALID;
    return giro_verify_batch(core->env.options.ring, &item, 1, &verdict) == 1;
}

struct giro_qc_header giro_vote_fields(const struct giro_vote *vote)
{
    return (struct giro_qc_header){.head = giro_head_make(GIRO_KIND_QC),
                                   .epoch = vote->epoch,
                                   .round = vote->round,
                                   .parent_round = vote->parent_round,
                                   .block_id = vote->block_id,
                                   .commit_id = vote->commit_id,
                                   .scheme = GIRO_SCHEME_ED25519};
}

bool giro_vote_same(const struct giro_vote *vote, const struct giro_qc_header *fields)
{
    return vote->round == fields->round && vote->epoch == fields->epoch &&
           vote->parent_round == fields->parent_round &&
           giro_hash_equal(&vote->block_id, &fields->block_id) &&
           giro_hash_equal(&vote->commit_id, &fields->commit_id);
}

static bool seen_has(const struct giro_seen *seen, const struct giro_hash *hash)
{
    for (uint32_t i = 0; i < GIRO_SEEN_MAX; i++) {
        if (giro_hash_equal(&seen->hashes[i], hash))
            return true;
    }
    return false;
}

static void seen_add(struct giro_seen *seen, const struct giro_hash *hash)
{
    GIRO_ASSERT(!giro_hash_is_zero(hash));
    seen->hashes[seen->next] = *hash;
    seen->next = (seen->next + 1) % GIRO_SEEN_MAX;
}

/* A vote verified here before: the same signature over the same fields. */
static bool vote_known(const struct giro_consensus *core, const struct giro_qc_header *fields,
                       uint32_t voter, const struct giro_signature *signature)
{
    const uint32_t row = (uint32_t)(fields->round % GIRO_VOTE_ROUNDS);
    const struct giro_vote_slot *const slot =
        &core->votes[row * core->env.options.replica_count + voter];
    return slot->verified && giro_vote_same(&slot->vote, fields) &&
           memcmp(&slot->vote.signature, signature, sizeof(*signature)) == 0;
}

static enum giro_reject qc_signatures_check(struct giro_consensus *core, const struct giro_qc *qc)
{
    const struct giro_consensus_options *const options = &core->env.options;
    uint8_t message[GIRO_VOTE_MESSAGE_BYTES];
    const size_t message_bytes = giro_vote_message(&options->chain_id, &qc->header, message);
    struct giro_verify_item items[GIRO_QUORUM_MAX];
    uint8_t verdicts[GIRO_QUORUM_MAX];
    uint32_t count = 0, signer = 0;
    for (uint32_t i = 0; i < options->replica_count; i++) {
        if (!giro_bitmap_has(qc->header.bitmap, i))
            continue;
        GIRO_ASSERT(signer < core->env.quorum);
        const struct giro_signature *const signature = &qc->signatures[signer++];
        if (vote_known(core, &qc->header, i, signature))
            continue;
        items[count++] = (struct giro_verify_item){.key = options->vote_keys[i],
                                                   .message = message,
                                                   .message_bytes = (uint32_t)message_bytes,
                                                   .signature = signature->bytes};
    }
    GIRO_ASSERT(signer == core->env.quorum);
    const uint32_t valid =
        count == 0 ? 0 : giro_verify_batch(options->ring, items, count, verdicts);
    return valid == count ? GIRO_REJECT_NONE : GIRO_REJECT_SIGNATURE;
}

static enum giro_reject qc_shape_check(const struct giro_consensus *core,
                                       const struct giro_qc_header *header)
{
    if (header->epoch != core->env.options.epoch)
        return GIRO_REJECT_EPOCH;
    if (header->round == 0)
        return memcmp(header, &core->genesis_qc.header, sizeof(*header)) == 0 ? GIRO_REJECT_NONE
                                                                              : GIRO_REJECT_HASH;
    if (header->scheme != GIRO_SCHEME_ED25519)
        return GIRO_REJECT_FIELD;
    if (header->signer_count != core->env.quorum ||
        giro_bitmap_count(header->bitmap) != core->env.quorum)
        return GIRO_REJECT_QUORUM;
    return GIRO_REJECT_NONE;
}

enum giro_reject giro_qc_verify(struct giro_consensus *core, const struct giro_qc *qc)
{
    const enum giro_reject reject = qc_shape_check(core, &qc->header);
    if (reject != GIRO_REJECT_NONE || qc->header.round == 0)
        return reject;
    return qc_signatures_check(core, qc);
}

enum giro_reject giro_qc_check(struct giro_consensus *core, const struct giro_qc *qc)
{
    const struct giro_qc_header *const header = &qc->header;
    const enum giro_reject shape = qc_shape_check(core, header);
    if (shape != GIRO_REJECT_NONE || header->round == 0)
        return shape;
    /* The log holds only what was verified before it was written, under the log's own checksums. */
    if (core->env.recovering)
        return GIRO_REJECT_NONE;
    const struct giro_hash hash = giro_qc_hash(qc);
    if (seen_has(&core->seen_qcs, &hash))
        return GIRO_REJECT_NONE;
    const enum giro_reject reject = qc_signatures_check(core, qc);
    if (reject == GIRO_REJECT_NONE)
        seen_add(&core->seen_qcs, &hash);
    return reject;
}

static enum giro_reject tc_signatures_check(struct giro_consensus *core, const struct giro_tc *tc)
{
    const struct giro_consensus_options *const options = &core->env.options;
    uint8_t messages[GIRO_QUORUM_MAX][GIRO_TIMEOUT_MESSAGE_BYTES];
    struct giro_verify_item items[GIRO_QUORUM_MAX];
    uint8_t verdicts[GIRO_QUORUM_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < options->replica_count; i++) {
        if (!giro_bitmap_has(tc->header.bitmap, i))
            continue;
        GIRO_ASSERT(count < core->env.quorum);
        const size_t message_bytes =
            giro_timeout_message(&options->chain_id, tc->header.epoch, tc->header.round,
                                 tc->high_qc_rounds[count], messages[count]);
        items[count] = (struct giro_verify_item){.key = options->vote_keys[i],
                                                 .message = messages[count],
                                                 .message_bytes = (uint32_t)message_bytes,
                                                 .signature = tc->signatures[count].bytes};
        count++;
    }
    GIRO_ASSERT(count == core->env.quorum);
    return giro_verify_batch(options->ring, items, count, verdicts) == count ||
                   GIRO_MUTANT_IS(TC_NOT_VERIFIED)
               ? GIRO_REJECT_NONE
               : GIRO_REJECT_SIGNATURE;
}

enum giro_reject giro_tc_check(struct giro_consensus *core, const struct giro_tc *tc)
{
    if (tc->header.epoch != core->env.options.epoch)
        return GIRO_REJECT_EPOCH;
    if (tc->header.scheme != GIRO_SCHEME_ED25519)
        return GIRO_REJECT_FIELD;
    if (tc->header.signer_count != core->env.quorum ||
        giro_bitmap_count(tc->header.bitmap) != core->env.quorum)
        return GIRO_REJECT_QUORUM;
    uint64_t highest = 0;
    for (uint32_t i = 0; i < core->env.quorum; i++) {
        if (tc->high_qc_rounds[i] > highest)
            highest = tc->high_qc_rounds[i];
    }
    if (highest != tc->high_qc.header.round || highest >= tc->header.round)
        return GIRO_REJECT_FIELD;
    const enum giro_reject reject = giro_qc_check(core, &tc->high_qc);
    if (reject != GIRO_REJECT_NONE || core->env.recovering)
        return reject;
    const struct giro_hash hash = giro_tc_hash(tc);
    if (seen_has(&core->seen_tcs, &hash))
        return GIRO_REJECT_NONE;
    const enum giro_reject signatures = tc_signatures_check(core, tc);
    if (signatures == GIRO_REJECT_NONE)
        seen_add(&core->seen_tcs, &hash);
    return signatures;
}

bool giro_commit_try(struct giro_consensus *core, const struct giro_qc *qc)
{
    struct giro_tree *const tree = &core->tree;
    uint32_t slot = giro_tree_find(tree, &qc->header.commit_id);
    if (GIRO_MUTANT_IS(COMMIT_NOT_CONSECUTIVE)) {
        const uint32_t certified = giro_tree_find(tree, &qc->header.block_id);
        slot = certified == GIRO_NONE ? GIRO_NONE : giro_tree_parent(tree, certified);
    } else if (giro_hash_is_zero(&qc->header.commit_id)) {
        return false;
    }
    if (slot == GIRO_NONE || tree->blocks[slot].state != GIRO_BLOCK_PENDING)
        return false;
    /* Consecutive rounds: the decoder and q voters saw to it; without it nothing is committed here. */
    if ((qc->header.round != qc->header.parent_round + 1 ||
         tree->blocks[slot].round != qc->header.parent_round) &&
        !GIRO_MUTANT_IS(COMMIT_NOT_CONSECUTIVE))
        return false;
    if (!giro_tree_commit(tree, slot))
        return false;
    GIRO_ASSERT(tree->tip == slot);
    core->commit_qc = *qc;
    while (core->leaders.height < tree->committed_height) {
        const uint32_t next = giro_tree_committed_at(tree, core->leaders.height + 1);
        GIRO_ASSERT(next != GIRO_NONE);
        giro_leader_window_add(&core->leaders, core->env.options.replica_count,
                               &tree->proposals[next]);
    }
    giro_pace_committed(core);
    giro_sync_envelope(core);
    return true;
}

static void qc_log(struct giro_consensus *core, const struct giro_qc *qc)
{
    uint8_t *const bytes = giro_env_scratch(&core->env, GIRO_QC_BYTES_MAX);
    if (bytes == NULL || giro_env_room(&core->env) == 0)
        return;
    struct giro_writer writer;
    giro_writer_init(&writer, bytes, GIRO_QC_BYTES_MAX);
    const bool written = giro_qc_encode(qc, &writer);
    GIRO_ASSERT(written);
    giro_env_log(&core->env, GIRO_LOG_QC_RECORD, &qc->header.block_id, core->tree.committed_height,
                 bytes, writer.offset);
}

void giro_qc_take(struct giro_consensus *core, const struct giro_qc *qc, bool in_log)
{
    GIRO_ASSERT(qc->header.epoch == core->env.options.epoch);
    if (qc->header.round == 0)
        return;
    giro_hello_qc(core, qc);
    if (qc->header.round > core->high_qc.header.round) {
        core->high_qc = *qc;
        giro_sync_envelope(core);
    }
    if (qc->header.round >= core->pace.round) {
        const uint32_t slot = giro_tree_find(&core->tree, &qc->header.block_id);
        giro_pace_enter(core, qc->header.round + 1,
                        slot == GIRO_NONE ? GIRO_NONE : core->tree.proposals[slot].block.author);
    }
    if (giro_commit_try(core, qc) && !in_log)
        qc_log(core, qc);
    GIRO_ASSERT(core->pace.round > core->high_qc.header.round);
}

static void tc_log(struct giro_consensus *core, const struct giro_tc *tc)
{
    uint8_t *const bytes = giro_env_scratch(&core->env, sizeof(struct giro_tc));
    if (bytes == NULL || giro_env_room(&core->env) == 0)
        return;
    struct giro_writer writer;
    giro_writer_init(&writer, bytes, sizeof(struct giro_tc));
    const bool written = giro_tc_encode(tc, &writer);
    GIRO_ASSERT(written);
    giro_env_log(&core->env, GIRO_LOG_TC_RECORD, &giro_hash_zero, 0, bytes, writer.offset);
}

void giro_tc_take(struct giro_consensus *core, const struct giro_tc *tc, bool in_log)
{
    GIRO_ASSERT(tc->header.epoch == core->env.options.epoch);
    GIRO_ASSERT(tc->high_qc.header.round < tc->header.round);
    giro_hello_tc(core, tc);
    giro_qc_take(core, &tc->high_qc, in_log);
    if (tc->header.round <= core->high_tc.header.round ||
        tc->header.round <= core->high_qc.header.round)
        return;
    core->high_tc = *tc;
    giro_sync_envelope(core);
    if (!in_log)
        tc_log(core, tc);
    if (tc->header.round >= core->pace.round)
        giro_pace_enter(core, tc->header.round + 1, GIRO_NONE);
    GIRO_ASSERT(core->pace.round > core->high_tc.header.round);
}
