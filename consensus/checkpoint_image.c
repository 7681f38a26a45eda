/* The core in an image: the block that was executed last, the batches executed of late, and the leader
 * window. Everything else of the core comes from the log behind the image, or from peers. */
#include "consensus/batches_internal.h"
#include "consensus/certify_internal.h"
#include "consensus/internal.h"

/* ---- Writing ------------------------------------------------------------------------------------------- */

void giro_consensus_image_sections(const struct giro_consensus *core, struct giro_image *image)
{
    const struct giro_tree *const tree = &core->tree;
    const uint32_t slot = giro_tree_committed_at(tree, tree->executed_height);
    GIRO_ASSERT(slot != GIRO_NONE && tree->executed_height > 0);
    const struct giro_proposal *const proposal = &tree->proposals[slot];
    struct giro_writer *writer = giro_image_section(image, GIRO_IMAGE_BLOCK);
    giro_writer_put(writer, &proposal->block, sizeof(proposal->block));
    giro_writer_put(writer, proposal->references,
                    proposal->block.reference_count * sizeof(proposal->references[0]));
    writer = giro_image_section(image, GIRO_IMAGE_EXECUTED);
    giro_batches_executed_put(core->batches, writer);
    writer = giro_image_section(image, GIRO_IMAGE_LEADERS);
    GIRO_ASSERT(core->leaders_executed.height == tree->executed_height);
    giro_writer_put(writer, &core->leaders_executed, sizeof(core->leaders_executed));
}

/* ---- Recovery ------------------------------------------------------------------------------------------ */

static enum giro_reject block_read(struct giro_reader *section,
                                   const struct giro_checkpoint_body *body,
                                   struct giro_block_header *block)
{
    struct giro_batch_reference references[GIRO_BLOCK_REFERENCES_MAX];
    if (!giro_reader_copy(section, block, sizeof(*block)))
        return GIRO_REJECT_TRUNCATED;
    if (block->reference_count > GIRO_BLOCK_REFERENCES_MAX)
        return GIRO_REJECT_COUNT;
    giro_reader_copy(section, references, block->reference_count * sizeof(references[0]));
    if (section->failed || giro_reader_left(section) != 0)
        return GIRO_REJECT_TRUNCATED;
    const struct giro_hash id = giro_block_id(block, references);
    return giro_hash_equal(&id, &body->block_id) && block->height == body->height
               ? GIRO_REJECT_NONE
               : GIRO_REJECT_HASH;
}

/* The stream of sections behind those of the executor: block, executed batches, leader window. */
static enum giro_reject sections_read(struct giro_consensus *core, struct giro_reader *stream,
                                      const struct giro_checkpoint_body *body,
                                      struct giro_block_header *block)
{
    struct giro_image_reader image = {.sections = *stream};
    struct giro_reader section;
    enum giro_reject reject = giro_image_next(&image, GIRO_IMAGE_BLOCK, &section);
    if (reject == GIRO_REJECT_NONE)
        reject = block_read(&section, body, block);
    if (reject == GIRO_REJECT_NONE)
        reject = giro_image_next(&image, GIRO_IMAGE_EXECUTED, &section);
    if (reject == GIRO_REJECT_NONE)
        reject = giro_batches_executed_load(core->batches, &section, block->time_ns);
    if (reject == GIRO_REJECT_NONE)
        reject = giro_image_next(&image, GIRO_IMAGE_LEADERS, &section);
    if (reject != GIRO_REJECT_NONE)
        return reject;
    giro_reader_copy(&section, &core->leaders_executed, sizeof(core->leaders_executed));
    if (section.failed || giro_reader_left(&section) != 0 || giro_reader_left(&image.sections) != 0)
        return GIRO_REJECT_TRUNCATED;
    if (core->leaders_executed.height != body->height)
        return GIRO_REJECT_FIELD;
    return giro_leader_window_check(&core->leaders_executed, core->env.options.replica_count);
}

static void image_take(struct giro_consensus *core, const struct giro_manifest *manifest,
                       const struct giro_block_header *block)
{
    const struct giro_checkpoint_body *const body = &manifest->checkpoint.header.body;
    giro_tree_root(&core->tree, &body->block_id, block);
    giro_certify_base(core->certify, &manifest->certificate);
    core->leaders = core->leaders_executed;
    core->checkpoints.newest = manifest->checkpoint;
    core->commit_qc = manifest->qc;
    core->high_qc = manifest->qc;
    giro_pace_enter(core, manifest->qc.header.round + 1, GIRO_NONE);
    giro_pace_committed(core);
    giro_sync_envelope(core);
}

void giro_checkpoint_recover(struct giro_consensus *core, const struct giro_event *event)
{
    struct giro_manifest *const manifest = &core->manifest_in;
    struct giro_block_header block;
    struct giro_reader stream;
    GIRO_ASSERT(!core->started && core->env.recovering);
    GIRO_ASSERT(core->tree.committed_height == 0);
    giro_reader_init(&stream, event->recover_image.sections, event->recover_image.sections_bytes);
    enum giro_reject reject = giro_manifest_decode(
        event->recover_image.manifest, event->recover_image.manifest_bytes,
        core->env.options.replica_count, &core->env.options.chain_id, manifest);
    if (reject == GIRO_REJECT_NONE)
        reject = giro_consensus_manifest_check(core, manifest);
    if (reject == GIRO_REJECT_NONE)
        reject = sections_read(core, &stream, &manifest->checkpoint.header.body, &block);
    if (reject == GIRO_REJECT_NONE) {
        image_take(core, manifest, &block);
        core->next_due_ns = event->recover_image.next_due_ns;
        return;
    }
    giro_env_reject(&core->env, reject);
    core->halted = true;
    struct giro_action *const action = giro_env_action(&core->env, GIRO_ACTION_HALT);
    action->halt.reason = "an image does not fit the core";
    action->halt.height = manifest->checkpoint.header.body.height;
}

enum giro_reject giro_consensus_manifest_check(struct giro_consensus *core,
                                               const struct giro_manifest *manifest)
{
    enum giro_reject reject = giro_checkpoint_verify(core, &manifest->checkpoint);
    if (reject == GIRO_REJECT_NONE)
        reject = giro_certify_certificate_verify(core->certify, &manifest->certificate);
    if (reject == GIRO_REJECT_NONE)
        reject = giro_qc_verify(core, &manifest->qc);
    return reject;
}
