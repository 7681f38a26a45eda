/* The block tree: a fixed pool of slots. Pending blocks hang off the last commit; committed ones stay until executed;
 * executed ones stay as a cache for peers until their slot is needed. The genesis block sits in slot 0 at first, with
 * height and round 0 and no bytes. */
#include "consensus/internal.h"

uint32_t giro_tree_slot_bytes(uint32_t replica_count)
{
    const uint32_t quorum = replica_count - (replica_count - 1) / 3;
    const uint32_t qc = (uint32_t)sizeof(struct giro_qc_header) + quorum * GIRO_SIGNATURE_BYTES;
    const uint32_t tc =
        (uint32_t)sizeof(struct giro_tc_header) + quorum * (8 + GIRO_SIGNATURE_BYTES) + qc;
    const uint32_t certificate =
        (uint32_t)sizeof(struct giro_certificate_header) + quorum * GIRO_SIGNATURE_BYTES;
    const uint32_t proof =
        (uint32_t)sizeof(struct giro_batch_proof_header) +
        quorum * (16 + GIRO_ACK_IDS_MAX * GIRO_HASH_BYTES + GIRO_SIGNATURE_BYTES);
    const uint64_t all =
        sizeof(struct giro_proposal_header) + qc + tc + certificate + GIRO_SIGNATURE_BYTES +
        (uint64_t)GIRO_BLOCK_REFERENCES_MAX * (sizeof(struct giro_batch_reference) + proof);
    /* Above that a proposer takes fewer batches. */
    const uint64_t bytes = all < GIRO_PROPOSAL_BYTES_MAX ? all : GIRO_PROPOSAL_BYTES_MAX;
    return (uint32_t)giro_align_up(bytes, GIRO_CACHE_LINE_BYTES);
}

static struct giro_map_options map_options(const struct giro_consensus_options *options)
{
    return (struct giro_map_options){
        .capacity = options->blocks_max, .key_bytes = GIRO_HASH_BYTES, .seed = options->map_seed};
}

size_t giro_tree_footprint(const struct giro_consensus_options *options)
{
    const size_t count = options->blocks_max;
    const struct giro_map_options map = map_options(options);
    const size_t map_bytes = giro_map_footprint(&map);
    if (map_bytes == 0)
        return 0;
    return giro_align_up(count * sizeof(struct giro_block), 64) +
           giro_align_up(count * sizeof(struct giro_proposal), 64) +
           count * giro_tree_slot_bytes(options->replica_count) +
           2 * giro_align_up(count * sizeof(uint32_t), 64) + map_bytes;
}

void giro_tree_init(struct giro_tree *tree, struct giro_arena *arena,
                    const struct giro_consensus_options *options)
{
    const size_t count = options->blocks_max;
    const struct giro_map_options map = map_options(options);
    tree->slot_count = options->blocks_max;
    tree->slot_bytes = giro_tree_slot_bytes(options->replica_count);
    tree->blocks = giro_arena_take(arena, count * sizeof(struct giro_block), 64);
    tree->proposals = giro_arena_take_raw(arena, count * sizeof(struct giro_proposal), 64);
    tree->bytes = giro_arena_take_raw(arena, count * tree->slot_bytes, 64);
    tree->path = giro_arena_take(arena, count * sizeof(uint32_t), 64);
    tree->chain = giro_arena_take(arena, count * sizeof(uint32_t), 64);
    void *const map_memory = giro_arena_take(arena, giro_map_footprint(&map), 64);
    GIRO_ASSERT(tree->blocks != NULL);
    GIRO_ASSERT(tree->chain != NULL);
    GIRO_ASSERT(map_memory != NULL);
    tree->map = giro_map_init(map_memory, giro_map_footprint(&map), &map);
    GIRO_ASSERT(tree->map != NULL);

    struct giro_block *const genesis = &tree->blocks[0];
    genesis->id = options->genesis_block_id;
    genesis->parent = GIRO_NONE;
    genesis->state = GIRO_BLOCK_EXECUTED;
    memset(&tree->proposals[0], 0, sizeof(tree->proposals[0]));
    tree->proposals[0].block_id = genesis->id;
    const bool stored = giro_map_put(tree->map, &genesis->id, 0);
    GIRO_ASSERT(stored);
    tree->chain[0] = 0;
    tree->tip = 0;
    tree->step = 1;
}

uint32_t giro_tree_find(const struct giro_tree *tree, const struct giro_hash *id)
{
    const uint32_t slot = giro_map_get(tree->map, id);
    GIRO_ASSERT(slot == GIRO_NONE || tree->blocks[slot].state != GIRO_BLOCK_FREE);
    return slot;
}

uint32_t giro_tree_parent(const struct giro_tree *tree, uint32_t slot)
{
    GIRO_ASSERT(slot < tree->slot_count);
    const struct giro_block *const block = &tree->blocks[slot];
    if (block->parent == GIRO_NONE)
        return GIRO_NONE;
    const struct giro_block *const parent = &tree->blocks[block->parent];
    if (parent->state == GIRO_BLOCK_FREE || !giro_hash_equal(&parent->id, &block->parent_id))
        return GIRO_NONE;
    GIRO_ASSERT(parent->height + 1 == block->height);
    GIRO_ASSERT(parent->round < block->round);
    return block->parent;
}

bool giro_tree_rooted(const struct giro_tree *tree, uint32_t slot)
{
    while (slot != GIRO_NONE && tree->blocks[slot].state == GIRO_BLOCK_PENDING)
        slot = giro_tree_parent(tree, slot);
    return slot == tree->tip;
}

bool giro_tree_references(const struct giro_tree *tree, uint32_t slot,
                          const struct giro_hash *batch_id)
{
    while (slot != GIRO_NONE && tree->blocks[slot].state != GIRO_BLOCK_EXECUTED) {
        const struct giro_proposal *const proposal = &tree->proposals[slot];
        for (uint32_t i = 0; i < proposal->block.reference_count; i++) {
            if (giro_hash_equal(&proposal->references[i].batch_id, batch_id))
                return true;
        }
        slot = giro_tree_parent(tree, slot);
    }
    return false;
}

uint32_t giro_tree_committed_at(const struct giro_tree *tree, uint64_t height)
{
    if (height > tree->committed_height)
        return GIRO_NONE;
    GIRO_ASSERT(tree->slot_count > 0);
    const uint32_t slot = tree->chain[height % tree->slot_count];
    const struct giro_block *const block = &tree->blocks[slot];
    const bool there =
        (block->state == GIRO_BLOCK_COMMITTED || block->state == GIRO_BLOCK_EXECUTED) &&
        block->height == height;
    return there ? slot : GIRO_NONE;
}

uint8_t *giro_tree_touch(struct giro_tree *tree, uint32_t slot)
{
    GIRO_ASSERT(slot < tree->slot_count);
    GIRO_ASSERT(tree->blocks[slot].state != GIRO_BLOCK_FREE);
    tree->blocks[slot].touched_step = tree->step;
    return tree->bytes + (size_t)slot * tree->slot_bytes;
}

static void block_free(struct giro_tree *tree, uint32_t slot)
{
    struct giro_block *const block = &tree->blocks[slot];
    GIRO_ASSERT(slot != tree->tip);
    GIRO_ASSERT(block->state == GIRO_BLOCK_PENDING || block->state == GIRO_BLOCK_EXECUTED);
    if (block->state == GIRO_BLOCK_PENDING) {
        GIRO_ASSERT(tree->pending_count > 0);
        tree->pending_count--;
        if (block->reference_count > 0) {
            GIRO_ASSERT(tree->pending_payload_count > 0);
            tree->pending_payload_count--;
        }
    }
    const bool removed = giro_map_remove(tree->map, &block->id);
    GIRO_ASSERT(removed);
    block->state = GIRO_BLOCK_FREE;
}

/* slot_take finds a free slot, else evicts the lowest executed block, else the pending block of the lowest round that
 * is not an ancestor of keep (it was logged and can be fetched again if a QC ever names it). Bytes that are part of
 * this step's actions stay untouched. */
static uint32_t slot_take(struct giro_tree *tree, uint32_t parent, uint32_t keep)
{
    uint32_t executed = GIRO_NONE;
    for (uint32_t i = 0; i < tree->slot_count; i++) {
        const uint32_t slot = (tree->cursor + i) % tree->slot_count;
        const struct giro_block *const block = &tree->blocks[slot];
        if (block->touched_step == tree->step || slot == tree->tip || slot == parent)
            continue;
        if (block->state == GIRO_BLOCK_FREE) {
            tree->cursor = (slot + 1) % tree->slot_count;
            return slot;
        }
        if (block->state == GIRO_BLOCK_EXECUTED &&
            (executed == GIRO_NONE || block->height < tree->blocks[executed].height))
            executed = slot;
    }
    if (executed != GIRO_NONE) {
        block_free(tree, executed);
        return executed;
    }
    for (uint32_t slot = 0; slot < tree->slot_count; slot++)
        tree->path[slot] = 0;
    const uint32_t roots[2] = {keep, parent};
    for (uint32_t r = 0; r < 2; r++) {
        for (uint32_t at = roots[r]; at != GIRO_NONE; at = giro_tree_parent(tree, at))
            tree->path[at] = 1;
    }
    uint32_t victim = GIRO_NONE;
    for (uint32_t slot = 0; slot < tree->slot_count; slot++) {
        const struct giro_block *const block = &tree->blocks[slot];
        if (block->state != GIRO_BLOCK_PENDING || tree->path[slot] != 0 ||
            block->touched_step == tree->step)
            continue;
        if (victim == GIRO_NONE || block->round < tree->blocks[victim].round)
            victim = slot;
    }
    if (victim != GIRO_NONE)
        block_free(tree, victim);
    return victim;
}

uint32_t giro_tree_insert(struct giro_tree *tree, const struct giro_proposal *proposal,
                          uint32_t parent, uint32_t keep)
{
    GIRO_ASSERT(parent < tree->slot_count);
    GIRO_ASSERT(giro_hash_equal(&tree->blocks[parent].id, &proposal->block.parent_id));
    GIRO_ASSERT(giro_tree_find(tree, &proposal->block_id) == GIRO_NONE);
    GIRO_ASSERT(proposal->size_bytes <= tree->slot_bytes);
    const uint32_t slot = slot_take(tree, parent, keep);
    if (slot == GIRO_NONE)
        return GIRO_NONE;
    struct giro_block *const block = &tree->blocks[slot];
    GIRO_ASSERT(block->state == GIRO_BLOCK_FREE);
    *block = (struct giro_block){.id = proposal->block_id,
                                 .parent_id = proposal->block.parent_id,
                                 .height = proposal->block.height,
                                 .round = proposal->block.round,
                                 .time_ns = proposal->block.time_ns,
                                 .parent = parent,
                                 .reference_count = proposal->block.reference_count,
                                 .state = GIRO_BLOCK_PENDING};
    uint8_t *const bytes = giro_tree_touch(tree, slot);
    memcpy(bytes, proposal->bytes, proposal->size_bytes);
    struct giro_proposal *const copy = &tree->proposals[slot];
    *copy = *proposal;
    copy->bytes = bytes;
    for (uint32_t i = 0; i < copy->block.reference_count; i++)
        copy->proofs[i] = bytes + (proposal->proofs[i] - proposal->bytes);
    tree->pending_count++;
    if (block->reference_count > 0)
        tree->pending_payload_count++;
    const bool stored = giro_map_put(tree->map, &block->id, slot);
    GIRO_ASSERT(stored);
    return slot;
}

/* prune frees pending blocks that do not descend from the new tip. */
static void prune(struct giro_tree *tree)
{
    if (tree->pending_count == 0)
        return;
    /* Freeing a block cuts its descendants off from the tip; repeat until nothing changes. */
    bool changed = true;
    while (changed) {
        changed = false;
        for (uint32_t slot = 0; slot < tree->slot_count; slot++) {
            if (tree->blocks[slot].state != GIRO_BLOCK_PENDING)
                continue;
            const uint32_t parent = giro_tree_parent(tree, slot);
            if (parent == tree->tip ||
                (parent != GIRO_NONE && tree->blocks[parent].state == GIRO_BLOCK_PENDING))
                continue;
            block_free(tree, slot);
            changed = true;
        }
    }
}

bool giro_tree_commit(struct giro_tree *tree, uint32_t slot)
{
    GIRO_ASSERT(slot < tree->slot_count);
    GIRO_ASSERT(tree->blocks[slot].state == GIRO_BLOCK_PENDING);
    uint32_t count = 0;
    for (uint32_t at = slot; at != tree->tip; at = giro_tree_parent(tree, at)) {
        if (at == GIRO_NONE || tree->blocks[at].state != GIRO_BLOCK_PENDING)
            return false;
        GIRO_ASSERT(count < tree->slot_count);
        tree->path[count++] = at;
    }
    while (count > 0) {
        const uint32_t at = tree->path[--count];
        struct giro_block *const block = &tree->blocks[at];
        GIRO_ASSERT(block->height == tree->committed_height + 1);
        block->state = GIRO_BLOCK_COMMITTED;
        tree->pending_count--;
        if (block->reference_count > 0)
            tree->pending_payload_count--;
        tree->committed_height = block->height;
        tree->chain[block->height % tree->slot_count] = at;
        tree->tip = at;
    }
    prune(tree);
    return true;
}

void giro_tree_executed(struct giro_tree *tree, uint32_t slot)
{
    struct giro_block *const block = &tree->blocks[slot];
    GIRO_ASSERT(block->state == GIRO_BLOCK_COMMITTED);
    GIRO_ASSERT(block->height == tree->executed_height + 1);
    block->state = GIRO_BLOCK_EXECUTED;
    tree->executed_height++;
}

void giro_tree_root(struct giro_tree *tree, const struct giro_hash *id,
                    const struct giro_block_header *header)
{
    GIRO_ASSERT(tree->committed_height == 0 && tree->tip == 0 && tree->pending_count == 0);
    struct giro_block *const root = &tree->blocks[0];
    const bool removed = giro_map_remove(tree->map, &root->id);
    GIRO_ASSERT(removed && root->state == GIRO_BLOCK_EXECUTED);
    root->id = *id;
    root->height = header->height;
    root->round = header->round;
    root->time_ns = header->time_ns;
    tree->proposals[0].block_id = *id;
    const bool stored = giro_map_put(tree->map, id, 0);
    GIRO_ASSERT(stored);
    tree->committed_height = tree->executed_height = header->height;
    tree->chain[header->height % tree->slot_count] = 0;
}

void giro_tree_check(const struct giro_tree *tree)
{
    uint32_t pending = 0, payload = 0, used = 0;
    for (uint32_t slot = 0; slot < tree->slot_count; slot++) {
        const struct giro_block *const block = &tree->blocks[slot];
        if (block->state == GIRO_BLOCK_FREE)
            continue;
        used++;
        GIRO_ASSERT(giro_map_get(tree->map, &block->id) == slot);
        if (block->state == GIRO_BLOCK_PENDING) {
            pending++;
            payload += block->reference_count > 0;
            GIRO_ASSERT(block->height > tree->committed_height);
        } else {
            GIRO_ASSERT(block->height <= tree->committed_height);
            GIRO_ASSERT((block->state == GIRO_BLOCK_EXECUTED) ==
                        (block->height <= tree->executed_height));
        }
    }
    GIRO_ASSERT(pending == tree->pending_count);
    GIRO_ASSERT(payload == tree->pending_payload_count);
    GIRO_ASSERT(used == giro_map_count(tree->map));
    GIRO_ASSERT(tree->executed_height <= tree->committed_height);
    GIRO_ASSERT(tree->blocks[tree->tip].height == tree->committed_height);
    for (uint64_t height = tree->executed_height + 1; height <= tree->committed_height; height++)
        GIRO_ASSERT(giro_tree_committed_at(tree, height) != GIRO_NONE);
}
