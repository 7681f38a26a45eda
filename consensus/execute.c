/* Execution of committed blocks: in height order, one at a time, when all bodies are here. */
#include "consensus/internal.h"

/* While execution waits for bodies, those of the next blocks are asked for, too: catching up then waits for one answer per
 * GIRO_BLOCK_REFERENCES_MAX bodies, not for one per block. In execution order, which is the order they are served in. */
static void want_ahead(struct giro_consensus *core)
{
    const struct giro_tree *const tree = &core->tree;
    uint32_t looked = 0;
    for (uint64_t height = tree->executed_height + 1; height <= tree->committed_height; height++) {
        const uint32_t slot = giro_tree_committed_at(tree, height);
        GIRO_ASSERT(slot != GIRO_NONE);
        const struct giro_proposal *const proposal = &tree->proposals[slot];
        for (uint32_t i = 0; i < proposal->block.reference_count; i++)
            giro_batches_want(core->batches, &proposal->references[i], proposal->proofs[i],
                              proposal->proof_bytes[i]);
        looked += proposal->block.reference_count;
        if (looked >= GIRO_BLOCK_REFERENCES_MAX)
            return;
    }
}

void giro_execute_settle(struct giro_consensus *core)
{
    struct giro_tree *const tree = &core->tree;
    if (core->executing || core->halted || tree->executed_height == tree->committed_height ||
        giro_env_room(&core->env) == 0)
        return;
    const uint32_t slot = giro_tree_committed_at(tree, tree->executed_height + 1);
    GIRO_ASSERT(slot != GIRO_NONE);
    GIRO_ASSERT(tree->blocks[slot].state == GIRO_BLOCK_COMMITTED);
    const struct giro_proposal *const proposal = &tree->proposals[slot];
    const uint32_t count = proposal->block.reference_count;
    uint32_t missing = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t size_bytes = 0;
        if (giro_batches_body(core->batches, &proposal->references[i].batch_id, &size_bytes) !=
            NULL)
            continue;
        missing++;
    }
    /* Before START the bodies may still come from the log. */
    if (missing > 0 && !core->env.recovering)
        want_ahead(core);
    if (missing > 0 || giro_env_room(&core->env) == 0)
        return;
    struct giro_action *const action = giro_env_action(&core->env, GIRO_ACTION_EXECUTE);
    action->execute.block = proposal;
    action->execute.batch_count = count;
    action->execute.recovering = core->env.recovering;
    for (uint32_t i = 0; i < count; i++) {
        action->execute.batches[i] = giro_batches_body(
            core->batches, &proposal->references[i].batch_id, &action->execute.batch_bytes[i]);
        GIRO_ASSERT(action->execute.batches[i] != NULL);
    }
    core->executing = true;
}

void giro_execute_done(struct giro_consensus *core, const struct giro_event *event)
{
    struct giro_tree *const tree = &core->tree;
    GIRO_ASSERT(core->executing);
    GIRO_ASSERT(event->executed.height == tree->executed_height + 1);
    const uint32_t slot = giro_tree_committed_at(tree, event->executed.height);
    GIRO_ASSERT(slot != GIRO_NONE);
    const struct giro_proposal *const proposal = &tree->proposals[slot];
    core->executing = false;
    giro_certify_executed(core->certify, proposal, event);
    for (uint32_t i = 0; i < proposal->block.reference_count; i++)
        giro_batches_executed(core->batches, &proposal->references[i],
                              event->executed.repeated_frames[i]);
    giro_batches_expire(core->batches, GIRO_MUTANT_IS(EXPIRY_BY_LOCAL_CLOCK)
                                           ? core->env.wall_ns
                                           : proposal->block.time_ns);
    giro_tree_executed(tree, slot);
    giro_leader_window_add(&core->leaders_executed, core->env.options.replica_count, proposal);
    core->next_due_ns = event->executed.next_due_ns;
    if (event->executed.checkpoint)
        giro_checkpoint_due(core, proposal, event);
}
