/* Proposing: at once when a certified batch waits, when something uncommitted needs flushing, or when the state is due;
 * never waiting for a full block. */
#include "consensus/internal.h"

bool giro_propose_due(const struct giro_consensus *core, uint32_t slot)
{
    if (core->next_due_ns > core->env.wall_ns)
        return false;
    const struct giro_tree *const tree = &core->tree;
    for (; slot != GIRO_NONE && tree->blocks[slot].state != GIRO_BLOCK_EXECUTED;
         slot = giro_tree_parent(tree, slot)) {
        if (tree->blocks[slot].time_ns >= core->next_due_ns)
            return false;
    }
    return true;
}

struct taken_context {
    const struct giro_tree *tree;
    uint32_t slot;
};
static bool taken(void *context, const struct giro_hash *id)
{
    const struct taken_context *const at = context;
    return giro_tree_references(at->tree, at->slot, id);
}

static uint64_t time_after(const struct giro_consensus *core, uint32_t parent)
{
    const uint64_t step_ns = core->tree.blocks[parent].time_ns + GIRO_BLOCK_STEP_NS;
    return core->env.wall_ns > step_ns ? core->env.wall_ns : step_ns;
}

/* The block of the high QC if its ancestry is here, else the last commit. */
static uint32_t head_slot(const struct giro_consensus *core)
{
    const uint32_t slot = giro_tree_find(&core->tree, &core->high_qc.header.block_id);
    return slot != GIRO_NONE && giro_tree_rooted(&core->tree, slot) ? slot : core->tree.tip;
}

bool giro_propose_proof_waits(struct giro_consensus *core)
{
    struct giro_batch_reference reference;
    const uint8_t *proof = NULL;
    uint32_t proof_bytes = 0;
    struct taken_context context = {&core->tree, head_slot(core)};
    return giro_batches_pick(core->batches, time_after(core, context.slot), taken, &context,
                             &reference, &proof, &proof_bytes, 1) > 0;
}

/* Does an uncommitted ancestor carry something that only another block commits? Or did others go on building where this
 * replica sees nothing left to do: they may lack the QC that committed here, and two rounds in a row need this leader. */
static bool flush_needed(const struct giro_consensus *core, uint32_t parent)
{
    const struct giro_tree *const tree = &core->tree;
    if (tree->blocks[parent].height >= tree->committed_height + 2)
        return true;
    const bool due = giro_propose_due(core, tree->tip);
    for (uint32_t slot = parent; slot != tree->tip; slot = giro_tree_parent(tree, slot)) {
        GIRO_ASSERT(slot != GIRO_NONE); /* the parent is rooted */
        const struct giro_block *const block = &tree->blocks[slot];
        if (block->reference_count > 0 || (due && block->time_ns >= core->next_due_ns))
            return true;
    }
    return false;
}

/* Where votes go to two leaders only, the last QC before the chain falls quiet is known to them alone: the leader of its
 * round tells the others, instead of proposing a block that says nothing else. */
static void quiet_announce(struct giro_consensus *core)
{
    if (core->env.options.replica_count <= GIRO_VOTE_ALL_MAX || core->pace.announced ||
        core->high_qc.header.round + 1 != core->pace.round || core->high_qc.header.round == 0)
        return;
    core->pace.announced = true;
    giro_sync_announce(core);
}

struct draft {
    struct giro_batch_reference references[GIRO_BLOCK_REFERENCES_MAX];
    const uint8_t *proofs[GIRO_BLOCK_REFERENCES_MAX];
    uint32_t proof_bytes[GIRO_BLOCK_REFERENCES_MAX];
    uint32_t count;
    uint64_t height, time_ns, certified_height;
};

static void draft_fill(struct giro_consensus *core, uint32_t parent, struct draft *draft)
{
    draft->height = core->tree.blocks[parent].height + 1;
    draft->time_ns = time_after(core, parent);
    draft->certified_height = giro_certify_height(core->certify);
    draft->count = 0;
    if (draft->height > draft->certified_height + GIRO_CERTIFIED_LAG_MAX)
        return; /* execution must catch up first */
    struct taken_context context = {&core->tree, parent};
    const uint32_t wanted = core->env.options.references_max;
    const uint32_t picked = giro_batches_pick(core->batches, draft->time_ns, taken, &context,
                                              draft->references, draft->proofs, draft->proof_bytes,
                                              wanted != 0 ? wanted : GIRO_BLOCK_REFERENCES_MAX);
    GIRO_ASSERT(picked <= GIRO_BLOCK_REFERENCES_MAX);
    /* As many as fit beside the largest certificates. */
    const uint32_t quorum_bytes = core->env.quorum * GIRO_SIGNATURE_BYTES;
    uint64_t used_bytes = sizeof(struct giro_proposal_header) + GIRO_SIGNATURE_BYTES +
                          2 * (sizeof(struct giro_qc_header) + quorum_bytes) +
                          sizeof(struct giro_tc_header) + quorum_bytes + 8 * core->env.quorum +
                          sizeof(struct giro_certificate_header) + quorum_bytes;
    while (draft->count < picked) {
        used_bytes += sizeof(struct giro_batch_reference) + draft->proof_bytes[draft->count];
        if (used_bytes > core->tree.slot_bytes || used_bytes > GIRO_PROPOSAL_BYTES_MAX)
            return;
        draft->count++;
    }
}

/* build encodes and signs the block into core->build and decodes it into core->incoming as a peer would. */
static void build(struct giro_consensus *core, uint32_t parent, const struct draft *draft)
{
    const struct giro_consensus_options *const options = &core->env.options;
    struct giro_block_header header = {.head = giro_head_make(GIRO_KIND_BLOCK),
                                       .chain_id = options->chain_id,
                                       .epoch = options->epoch,
                                       .round = core->pace.round,
                                       .height = draft->height,
                                       .parent_id = core->tree.blocks[parent].id,
                                       .time_ns = draft->time_ns,
                                       .certified_height = draft->certified_height,
                                       .author = (uint16_t)options->self,
                                       .reference_count = (uint16_t)draft->count};
    const bool needs_tc = core->high_qc.header.round + 1 != core->pace.round;
    GIRO_ASSERT(!needs_tc || core->high_tc.header.round + 1 == core->pace.round);
    struct giro_writer writer;
    struct giro_hash block_id;
    giro_writer_init(&writer, core->build, core->tree.slot_bytes);
    const bool encoded = giro_proposal_encode(
        &header, draft->references, draft->proofs, draft->proof_bytes, &core->high_qc,
        needs_tc ? &core->high_tc : NULL,
        draft->certified_height > 0 ? giro_certify_highest(core->certify) : NULL, &writer,
        &block_id);
    GIRO_ASSERT(encoded);
    uint8_t message[GIRO_PROPOSAL_MESSAGE_BYTES];
    const size_t message_bytes =
        giro_proposal_message(&options->chain_id, options->epoch, &block_id, message);
    const struct giro_signature signature = giro_env_sign(&core->env, message, message_bytes);
    const bool signed_in = giro_writer_put(&writer, &signature, sizeof(signature));
    GIRO_ASSERT(signed_in);
    const enum giro_reject reject =
        giro_proposal_decode(core->build, writer.offset, options->replica_count, &core->incoming);
    GIRO_ASSERT(reject == GIRO_REJECT_NONE);
    GIRO_ASSERT(giro_hash_equal(&core->incoming.block_id, &block_id));
}

static void proposal_send(struct giro_consensus *core, uint32_t slot)
{
    GIRO_ASSERT(core->tree.proposals[slot].block.author == core->env.options.self);
    if (giro_env_room(&core->env) == 0)
        return;
    giro_env_send(&core->env, GIRO_PEER_ALL, GIRO_KIND_PROPOSAL, giro_tree_touch(&core->tree, slot),
                  core->tree.proposals[slot].size_bytes);
    core->pace.proposed = true;
}

/* No replica proposes two blocks in a round, not even after a power loss. So a proposal leaves when its block is durable: the log
 * then brings it back, and it is sent again. Or when a vote or timeout of the round before is in the safety file: after a
 * restart this replica keeps still in the round behind the last one it signed in (hello.c). That is the usual case, and the
 * write of the block is then not waited for. */
static void unsent_settle(struct giro_consensus *core)
{
    const uint32_t slot = core->candidate;
    if (!core->pace.unsent || giro_env_room(&core->env) == 0)
        return;
    GIRO_ASSERT(slot != GIRO_NONE);
    const struct giro_block *const block = &core->tree.blocks[slot];
    if (block->state == GIRO_BLOCK_FREE || block->round != core->pace.round) {
        core->pace.unsent = false; /* its slot was taken */
        return;
    }
    if (block->log_sequence > core->env.watermark && core->signing.durable_round + 1 < block->round)
        return;
    core->pace.unsent = false;
    proposal_send(core, slot);
}

void giro_propose_settle(struct giro_consensus *core)
{
    const uint64_t round = core->pace.round;
    unsent_settle(core);
    if (core->pace.proposed || !core->env.may_sign || round <= core->pace.no_propose_round ||
        giro_leader_now(core) != core->env.options.self)
        return;
    /* No block for a round that is given up or voted in: nobody could count on our own vote. */
    if (round <= core->safety.last_voted_round || giro_env_room(&core->env) < 16)
        return;
    const uint32_t parent = giro_tree_find(&core->tree, &core->high_qc.header.block_id);
    if (parent == GIRO_NONE || !giro_tree_rooted(&core->tree, parent))
        return;
    /* A certificate at the height this block would have, or above: the chain went on while its blocks did not come here,
     * and nobody could vote for this one. */
    if (giro_certify_height(core->certify) > core->tree.blocks[parent].height)
        return;
    struct draft draft;
    draft_fill(core, parent, &draft);
    /* A certificate came of a height that our high QC does not know: it is too old to be built on. */
    if (draft.certified_height >= draft.height)
        return;
    if (draft.count == 0 && !flush_needed(core, parent) && !giro_propose_due(core, parent)) {
        quiet_announce(core);
        return;
    }
    build(core, parent, &draft);
    if (giro_payload_check(core, &core->incoming, parent) != GIRO_REJECT_NONE)
        return;
    const struct giro_hash id = core->incoming.block_id;
    if (giro_block_add(core, &core->incoming, GIRO_FROM_PROPOSAL) != GIRO_REJECT_NONE)
        return;
    const uint32_t slot = giro_tree_find(&core->tree, &id);
    GIRO_ASSERT(slot != GIRO_NONE);
    /* The certificates inside may have moved the round on: then nobody waits for the block any more. */
    core->env.counters.blocks_proposed++;
    core->pace.proposed = true;
    core->pace.unsent = core->candidate == slot;
    unsent_settle(core);
}

/* After a restart: the block this replica proposed for the round, if its log still has it, is sent again. */
void giro_propose_resume(struct giro_consensus *core)
{
    if (core->candidate != GIRO_NONE &&
        core->tree.blocks[core->candidate].round == core->pace.round &&
        core->tree.proposals[core->candidate].block.author == core->env.options.self)
        proposal_send(core, core->candidate);
}
