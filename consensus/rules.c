/* What makes a block acceptable. A proposal is checked as far as it can be without clock and last voted round, then put
 * into tree and log; vote.c votes for what is there. A fetched block is put in without a vote: its own QC, or that of a
 * descendant, says that a quorum found its payload right. */
#include "consensus/internal.h"

uint32_t giro_leader(const struct giro_consensus *core, uint64_t round, uint64_t height)
{
    return giro_leader_window_leader(&core->leaders, core->env.options.replica_count, round,
                                     height);
}

uint32_t giro_leader_now(const struct giro_consensus *core)
{
    const uint32_t slot = giro_tree_find(&core->tree, &core->high_qc.header.block_id);
    return slot == GIRO_NONE
               ? GIRO_NONE
               : giro_leader(core, core->pace.round, core->tree.blocks[slot].height + 1);
}

/* ---- The rule ------------------------------------------------------------------------------------- */

/* What holds or does not hold for every replica alike, from the block alone. */
static enum giro_reject shape_check(const struct giro_consensus *core,
                                    const struct giro_proposal *proposal)
{
    const struct giro_block_header *const block = &proposal->block;
    const struct giro_qc_header *const qc = &proposal->qc.header;
    if (proposal->size_bytes > core->tree.slot_bytes)
        return GIRO_REJECT_OVERSIZED;
    if (!giro_hash_equal(&block->chain_id, &core->env.options.chain_id))
        return GIRO_REJECT_CHAIN;
    if (block->epoch != core->env.options.epoch)
        return GIRO_REJECT_EPOCH;
    if (!giro_hash_equal(&qc->block_id, &block->parent_id))
        return GIRO_REJECT_PARENT;
    const bool consecutive = block->round == qc->round + 1;
    const bool after_timeout =
        proposal->has_tc && block->round == proposal->tc.header.round + 1 &&
        (qc->round >= proposal->tc.high_qc.header.round || GIRO_MUTANT_IS(NO_TC_CHECK));
    if (block->round <= qc->round ||
        (!consecutive && !after_timeout && !GIRO_MUTANT_IS(NO_CONSECUTIVE_ROUNDS)))
        return GIRO_REJECT_ROUND;
    return GIRO_REJECT_NONE;
}

static bool author_signed(struct giro_consensus *core, const struct giro_proposal *proposal)
{
    const struct giro_consensus_options *const options = &core->env.options;
    uint8_t message[GIRO_PROPOSAL_MESSAGE_BYTES];
    const size_t message_bytes = giro_proposal_message(&options->chain_id, proposal->block.epoch,
                                                       &proposal->block_id, message);
    return giro_signature_check(core, options->batch_keys, proposal->block.author, message,
                                message_bytes, &proposal->signature);
}

static enum giro_reject signatures_check(struct giro_consensus *core,
                                         const struct giro_proposal *proposal)
{
    if (!core->env.recovering && !author_signed(core, proposal))
        return GIRO_REJECT_SIGNATURE;
    const enum giro_reject reject = giro_qc_check(core, &proposal->qc);
    if (reject != GIRO_REJECT_NONE || !proposal->has_tc)
        return reject;
    return giro_tc_check(core, &proposal->tc);
}

static enum giro_reject parent_check(const struct giro_consensus *core,
                                     const struct giro_proposal *proposal, uint32_t parent)
{
    const struct giro_block *const block = &core->tree.blocks[parent];
    if (proposal->block.height != block->height + 1 || proposal->qc.header.round != block->round)
        return GIRO_REJECT_PARENT;
    if (block->state != GIRO_BLOCK_PENDING && parent != core->tree.tip)
        return GIRO_REJECT_PARENT; /* a branch off what is committed */
    return proposal->block.time_ns > block->time_ns ? GIRO_REJECT_NONE : GIRO_REJECT_TIME;
}

enum giro_reject giro_payload_check(struct giro_consensus *core,
                                    const struct giro_proposal *proposal, uint32_t parent)
{
    const struct giro_block_header *const block = &proposal->block;
    if (block->reference_count > 0 &&
        block->height > block->certified_height + GIRO_CERTIFIED_LAG_MAX)
        return GIRO_REJECT_LIMIT;
    for (uint32_t i = 0; i < block->reference_count; i++) {
        const struct giro_batch_reference *const reference = &proposal->references[i];
        if (reference->expiry_ns < block->time_ns)
            return GIRO_REJECT_STALE;
        if (!GIRO_MUTANT_IS(BATCH_TWICE) &&
            (giro_tree_references(&core->tree, parent, &reference->batch_id) ||
             giro_batches_executed_before(core->batches, &reference->batch_id)))
            return GIRO_REJECT_DUPLICATE;
    }
    if (proposal->has_certificate) {
        const enum giro_reject reject =
            giro_certify_check_certificate(core->certify, &proposal->certificate);
        if (reject != GIRO_REJECT_NONE)
            return reject;
    }
    for (uint32_t i = 0; i < block->reference_count && !GIRO_MUTANT_IS(PROOF_NOT_CHECKED); i++) {
        if (giro_batches_proof_check(core->batches, &proposal->references[i], proposal->proofs[i],
                                     proposal->proof_bytes[i]) != GIRO_REJECT_NONE)
            return GIRO_REJECT_PROOF;
    }
    return GIRO_REJECT_NONE;
}

enum giro_reject giro_vote_check(const struct giro_consensus *core, uint32_t slot)
{
    const struct giro_tree *const tree = &core->tree;
    const struct giro_block *const block = &tree->blocks[slot];
    const uint32_t parent = giro_tree_parent(tree, slot);
    if (parent == GIRO_NONE || !giro_tree_rooted(tree, slot))
        return GIRO_REJECT_PARENT;
    if (tree->proposals[slot].block.author != giro_leader(core, block->round, block->height) &&
        !GIRO_MUTANT_IS(LEADER_NOT_CHECKED))
        return GIRO_REJECT_LEADER;
    if (block->round <= core->safety.last_voted_round && !GIRO_MUTANT_IS(NO_LAST_VOTED_ROUND))
        return GIRO_REJECT_ROUND;
    if (GIRO_MUTANT_IS(TIME_NOT_CHECKED))
        return GIRO_REJECT_NONE;
    const uint64_t step_ns = tree->blocks[parent].time_ns + GIRO_BLOCK_STEP_NS;
    const uint64_t bound_ns = core->env.options.clock_bound_ns;
    const uint64_t wall_ns = core->env.wall_ns;
    const uint64_t earliest_ns = wall_ns > bound_ns ? wall_ns - bound_ns : 0;
    const uint64_t latest_ns = wall_ns + bound_ns;
    if (block->time_ns < (step_ns > earliest_ns ? step_ns : earliest_ns))
        return GIRO_REJECT_TIME;
    if (block->time_ns > (step_ns > latest_ns ? step_ns : latest_ns))
        return GIRO_REJECT_TIME;
    return GIRO_REJECT_NONE;
}

/* ---- Orphans: proposals that came before their parent ------------------------------------------------ */

uint32_t giro_orphan_find(const struct giro_consensus *core, const struct giro_hash *id)
{
    for (uint32_t i = 0; i < GIRO_ORPHANS_MAX; i++) {
        if (core->orphans[i].used && giro_hash_equal(&core->orphans[i].id, id))
            return i;
    }
    return GIRO_NONE;
}

static void orphan_keep(struct giro_consensus *core, uint16_t sender,
                        const struct giro_proposal *proposal)
{
    GIRO_ASSERT(proposal->size_bytes <= core->tree.slot_bytes);
    if (giro_orphan_find(core, &proposal->block_id) != GIRO_NONE)
        return;
    const uint32_t index = core->orphan_next;
    core->orphan_next = (index + 1) % GIRO_ORPHANS_MAX;
    core->orphans[index] = (struct giro_orphan){.used = true,
                                                .sender = sender,
                                                .size_bytes = proposal->size_bytes,
                                                .id = proposal->block_id,
                                                .parent_id = proposal->block.parent_id,
                                                .round = proposal->block.round};
    memcpy(core->orphan_bytes + (size_t)index * core->tree.slot_bytes, proposal->bytes,
           proposal->size_bytes);
}

void giro_orphans_settle(struct giro_consensus *core)
{
    for (uint32_t tries = 0; tries < GIRO_ORPHANS_MAX; tries++) {
        uint32_t ready = GIRO_NONE;
        for (uint32_t i = 0; i < GIRO_ORPHANS_MAX && ready == GIRO_NONE; i++) {
            if (core->orphans[i].used &&
                giro_tree_find(&core->tree, &core->orphans[i].parent_id) != GIRO_NONE)
                ready = i;
        }
        if (ready == GIRO_NONE)
            return;
        struct giro_orphan *const orphan = &core->orphans[ready];
        orphan->used = false;
        const enum giro_reject reject = giro_block_arrive(
            core, orphan->sender, core->orphan_bytes + (size_t)ready * core->tree.slot_bytes,
            orphan->size_bytes, GIRO_FROM_PROPOSAL);
        giro_env_reject_of(&core->env, orphan->sender, reject);
    }
}

/* Is a block of an earlier round still of use: has it a QC, or does an orphan wait for it? */
static bool block_wanted(const struct giro_consensus *core, const struct giro_hash *id)
{
    if (giro_hash_equal(&core->high_qc.header.block_id, id))
        return true;
    for (uint32_t i = 0; i < GIRO_ORPHANS_MAX; i++) {
        if (core->orphans[i].used && giro_hash_equal(&core->orphans[i].parent_id, id))
            return true;
    }
    return false;
}

/* ---- Arrival ------------------------------------------------------------------------------------------ */

/* Another block of the same author for a round, among the last ones that came; GIRO_NONE if there is none. The leaders of a
 * round can be two when the heights lie in two leader windows: that is no contradiction. */
static uint32_t other_block(const struct giro_consensus *core, const struct giro_proposal *proposal)
{
    const uint32_t slot = core->recent[proposal->block.round % GIRO_RECENT_ROUNDS];
    const struct giro_block *const other = &core->tree.blocks[slot];
    if (other->state == GIRO_BLOCK_FREE || other->round != proposal->block.round ||
        giro_hash_equal(&other->id, &proposal->block_id) ||
        core->tree.proposals[slot].block.author != proposal->block.author)
        return GIRO_NONE;
    return slot;
}

/* What the author signed of a block: header and references, which its id covers, and the signature over the id. */
static struct giro_part block_said(struct giro_consensus *core,
                                   const struct giro_proposal *proposal)
{
    const size_t head_bytes = sizeof(struct giro_block_header) +
                              proposal->block.reference_count * sizeof(struct giro_batch_reference);
    uint8_t *const bytes = giro_env_scratch(&core->env, head_bytes + sizeof(proposal->signature));
    if (bytes == NULL)
        return (struct giro_part){NULL, 0};
    memcpy(bytes, proposal->bytes + offsetof(struct giro_proposal_header, block), head_bytes);
    memcpy(bytes + head_bytes, &proposal->signature, sizeof(proposal->signature));
    return (struct giro_part){bytes, head_bytes + sizeof(proposal->signature)};
}

/* Both are kept as evidence, once per author and round. */
static void equivocation_report(struct giro_consensus *core, uint32_t other,
                                const struct giro_proposal *proposal)
{
    const uint32_t author = proposal->block.author;
    uint64_t *const reported = &core->peers[author].evidence_rounds[GIRO_SAID_BLOCK];
    if (*reported == proposal->block.round)
        return;
    *reported = proposal->block.round;
    const struct giro_evidence_claim claim = {.reject = GIRO_REJECT_EQUIVOCATION,
                                              .what = GIRO_KIND_BLOCK,
                                              .offender = author,
                                              .round = proposal->block.round,
                                              .first =
                                                  block_said(core, &core->tree.proposals[other]),
                                              .second = block_said(core, proposal)};
    if (claim.first.bytes != NULL && claim.second.bytes != NULL)
        giro_env_evidence(&core->env, &claim);
}

static void certificates_take(struct giro_consensus *core, const struct giro_proposal *proposal,
                              bool in_log)
{
    core->pace.proposer = proposal->block.author;
    giro_qc_take(core, &proposal->qc, in_log);
    if (proposal->has_tc)
        giro_tc_take(core, &proposal->tc, in_log);
    core->pace.proposer = GIRO_NONE;
}

enum giro_reject giro_block_add(struct giro_consensus *core, const struct giro_proposal *proposal,
                                enum giro_origin origin)
{
    struct giro_tree *const tree = &core->tree;
    const uint32_t parent = giro_tree_find(tree, &proposal->block.parent_id);
    GIRO_ASSERT(parent != GIRO_NONE);
    if (origin != GIRO_FROM_LOG && giro_env_room(&core->env) < 8)
        return GIRO_REJECT_LIMIT;
    const uint32_t keep = giro_tree_find(tree, &core->high_qc.header.block_id);
    const uint32_t slot = giro_tree_insert(tree, proposal, parent, keep);
    if (slot == GIRO_NONE)
        return GIRO_REJECT_LIMIT;
    struct giro_block *const block = &tree->blocks[slot];
    if (!GIRO_MUTANT_IS(VOTED_BLOCK_NOT_LOGGED))
        block->log_sequence =
            giro_env_log(&core->env, GIRO_LOG_BLOCK_RECORD, &block->id, block->height,
                         giro_tree_touch(tree, slot), tree->proposals[slot].size_bytes);
    block->checked = origin == GIRO_FROM_PROPOSAL;
    core->recent[block->round % GIRO_RECENT_ROUNDS] = slot;
    if (origin == GIRO_FROM_PROPOSAL && block->round >= core->pace.round) {
        core->candidate = slot;
        core->candidate_open = true;
    }
    certificates_take(core, proposal, true);
    /* A QC that came before the blocks it commits. */
    giro_commit_try(core, &core->high_qc);
    return GIRO_REJECT_NONE;
}

/* A block that is here already: asked again, the stored vote is sent again. */
static enum giro_reject known_again(struct giro_consensus *core, uint16_t sender,
                                    const struct giro_hash *id, enum giro_origin origin)
{
    const struct giro_block *const block = &core->tree.blocks[giro_tree_find(&core->tree, id)];
    GIRO_ASSERT(giro_hash_equal(&block->id, id));
    if (origin == GIRO_FROM_FETCH)
        giro_fetch_got(core, sender, block, false);
    if (origin == GIRO_FROM_PROPOSAL && core->own_vote.round > core->high_qc.header.round &&
        giro_hash_equal(&core->own_vote.block_id, id))
        giro_vote_resend(core, sender);
    return GIRO_REJECT_NONE;
}

static enum giro_reject connected_arrive(struct giro_consensus *core,
                                         const struct giro_proposal *proposal, uint32_t parent,
                                         enum giro_origin origin)
{
    enum giro_reject reject = parent_check(core, proposal, parent);
    const uint32_t other = other_block(core, proposal);
    if (other != GIRO_NONE && origin != GIRO_FROM_LOG)
        equivocation_report(core, other, proposal);
    if (reject == GIRO_REJECT_NONE && origin == GIRO_FROM_PROPOSAL) {
        if (other != GIRO_NONE)
            reject = GIRO_REJECT_EQUIVOCATION;
        else
            reject = giro_payload_check(core, proposal, parent);
    }
    if (reject != GIRO_REJECT_NONE) {
        certificates_take(core, proposal, false);
        return reject;
    }
    return giro_block_add(core, proposal, origin);
}

/* Too late to matter, but perhaps the second of two. */
static enum giro_reject stale_arrive(struct giro_consensus *core,
                                     const struct giro_proposal *proposal)
{
    const uint32_t other = other_block(core, proposal);
    if (other == GIRO_NONE ||
        core->peers[proposal->block.author].evidence_rounds[GIRO_SAID_BLOCK] ==
            proposal->block.round)
        return GIRO_REJECT_STALE;
    if (!author_signed(core, proposal))
        return GIRO_REJECT_SIGNATURE;
    equivocation_report(core, other, proposal);
    return GIRO_REJECT_EQUIVOCATION;
}

enum giro_reject giro_block_arrive(struct giro_consensus *core, uint16_t sender,
                                   const uint8_t *bytes, size_t size_bytes, enum giro_origin origin)
{
    struct giro_proposal *const proposal = &core->incoming;
    enum giro_reject reject =
        giro_proposal_decode(bytes, size_bytes, core->env.options.replica_count, proposal);
    if (reject == GIRO_REJECT_NONE)
        reject = shape_check(core, proposal);
    if (reject != GIRO_REJECT_NONE)
        return reject;
    const struct giro_block_header *const block = &proposal->block;
    if (giro_tree_find(&core->tree, &proposal->block_id) != GIRO_NONE)
        return known_again(core, sender, &proposal->block_id, origin);
    if (block->height <= core->tree.committed_height)
        return GIRO_REJECT_STALE;
    if (origin == GIRO_FROM_PROPOSAL) {
        /* Above what the last commit says of leaders: refused when it comes to voting, unless we have caught up by then. */
        const uint32_t leader = giro_leader(core, block->round, block->height);
        if (leader != GIRO_NONE && block->author != leader && !GIRO_MUTANT_IS(LEADER_NOT_CHECKED))
            return GIRO_REJECT_LEADER;
        if (block->round > core->pace.round + GIRO_FAR_FUTURE_ROUNDS)
            return GIRO_REJECT_FUTURE;
        if (block->round < core->pace.round && !block_wanted(core, &proposal->block_id))
            return stale_arrive(core, proposal);
    }
    reject = signatures_check(core, proposal);
    if (reject != GIRO_REJECT_NONE)
        return reject;
    const uint32_t parent = giro_tree_find(&core->tree, &block->parent_id);
    if (parent == GIRO_NONE) {
        if (origin == GIRO_FROM_LOG)
            return GIRO_REJECT_PARENT;
        certificates_take(core, proposal, false);
        orphan_keep(core, sender, proposal);
        if (origin == GIRO_FROM_FETCH)
            giro_fetch_below(core, sender, &block->parent_id);
        return GIRO_REJECT_NONE;
    }
    reject = connected_arrive(core, proposal, parent, origin);
    if (reject == GIRO_REJECT_NONE && origin == GIRO_FROM_FETCH) {
        const uint32_t slot = giro_tree_find(&core->tree, &proposal->block_id);
        if (slot != GIRO_NONE) /* the QC it brought may have committed another branch */
            giro_fetch_got(core, sender, &core->tree.blocks[slot], true);
    }
    return reject;
}
