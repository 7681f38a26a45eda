/* Fetching the blocks that the high QC stands on, and serving them to peers.
 *
 * Needed iff the high QC's block is not rooted in the last commit. Far behind: committed heights upwards, from a peer
 * that says it has them. Near: by id, walking from the first unknown ancestor down to our last commit. One request is
 * under way; what does not come in the time that answers took of late is asked of the next peer. */
#include "consensus/internal.h"

#define FETCH_TIMEOUT_MIN_NS 20000000ull
#define FETCH_TIMEOUT_MAX_NS 1000000000ull
#define FETCH_FAILED_NS      5000000ull

void giro_fetch_init(struct giro_consensus *core)
{
    uint64_t least_ns = 2 * core->env.options.round_floor_ns;
    least_ns = least_ns < FETCH_TIMEOUT_MIN_NS ? FETCH_TIMEOUT_MIN_NS : least_ns;
    least_ns = least_ns < FETCH_TIMEOUT_MAX_NS ? least_ns : FETCH_TIMEOUT_MAX_NS;
    giro_patience_init(&core->fetch.patience, least_ns, FETCH_TIMEOUT_MAX_NS);
}

/* ---- Asking ------------------------------------------------------------------------------------------- */

/* Slots that new blocks may take: execution must free the others first. Blocks that no QC stands on give way. */
static uint32_t tree_room(const struct giro_consensus *core)
{
    const struct giro_tree *const tree = &core->tree;
    uint64_t held = tree->committed_height - tree->executed_height + GIRO_ORPHANS_MAX;
    uint32_t slot = giro_tree_find(tree, &core->high_qc.header.block_id);
    for (; slot != GIRO_NONE && tree->blocks[slot].state == GIRO_BLOCK_PENDING;
         slot = giro_tree_parent(tree, slot))
        held++;
    return held < tree->slot_count ? (uint32_t)(tree->slot_count - held) : 0;
}

static uint16_t peer_after(const struct giro_consensus *core, uint16_t peer)
{
    const uint32_t count = core->env.options.replica_count;
    GIRO_ASSERT(count > 0);
    uint32_t next = (peer + 1u) % count;
    if (next == core->env.options.self)
        next = (next + 1) % count;
    return (uint16_t)next;
}

/* A peer that says it committed far more than we have. */
static bool plan_by_height(const struct giro_consensus *core, struct giro_fetch *plan)
{
    const uint64_t committed = core->tree.committed_height;
    uint16_t peer = plan->next_peer;
    for (uint32_t i = 0; i + 1 < core->env.options.replica_count; i++) {
        const uint64_t claimed = core->peers[peer].committed_height;
        if (claimed > committed && claimed - committed > GIRO_FETCH_GAP) {
            const uint64_t next = committed + 1;
            plan->from_height = plan->resume_height > next && plan->resume_height <= claimed
                                    ? plan->resume_height
                                    : next;
            const uint64_t wanted = claimed - plan->from_height + 1;
            const uint32_t room = tree_room(core);
            plan->by_height = true;
            plan->peer = peer;
            plan->id = giro_hash_zero;
            plan->left = wanted < GIRO_FETCH_COUNT_MAX ? (uint32_t)wanted : GIRO_FETCH_COUNT_MAX;
            plan->left = plan->left < room ? plan->left : room;
            return true;
        }
        peer = peer_after(core, peer);
    }
    return false;
}

static void plan_by_id(const struct giro_consensus *core, struct giro_fetch *plan)
{
    struct giro_hash id = core->high_qc.header.block_id;
    /* Down through what is here without its root. */
    for (uint32_t i = 0; i < core->tree.slot_count + GIRO_ORPHANS_MAX; i++) {
        const uint32_t orphan = giro_orphan_find(core, &id);
        const uint32_t slot = giro_tree_find(&core->tree, &id);
        if (orphan != GIRO_NONE)
            id = core->orphans[orphan].parent_id;
        else if (slot != GIRO_NONE && core->tree.blocks[slot].state == GIRO_BLOCK_PENDING)
            id = core->tree.blocks[slot].parent_id;
        else
            break;
    }
    /* The last answer hung in the air: what is below it comes first. Once only, so that a peer cannot lead us astray. */
    if (!giro_hash_is_zero(&plan->below_id) &&
        giro_tree_find(&core->tree, &plan->below_id) == GIRO_NONE)
        id = plan->below_id;
    plan->below_id = giro_hash_zero;
    const uint32_t room = tree_room(core);
    plan->by_height = false;
    plan->peer = plan->next_peer;
    plan->id = id;
    plan->from_height = core->tree.committed_height + 1;
    plan->left = room < GIRO_FETCH_COUNT_MAX ? room : GIRO_FETCH_COUNT_MAX;
}

static bool fetch_needed(const struct giro_consensus *core)
{
    const uint32_t slot = giro_tree_find(&core->tree, &core->high_qc.header.block_id);
    return slot == GIRO_NONE || !giro_tree_rooted(&core->tree, slot);
}

/* More than f peers have not got the block that comes next, or a body that a committed block needs: one of them is honest, so it
 * may be gone, and an image stand in its place. Blocks and bodies are asked for all the same. */
static void image_ask(struct giro_consensus *core)
{
    struct giro_fetch *const fetch = &core->fetch;
    const uint64_t committed = core->tree.committed_height;
    if (fetch->refused_height != committed) {
        memset(fetch->refused, 0, sizeof(fetch->refused));
        fetch->refused_height = committed;
    }
    const bool gone = giro_bitmap_count(fetch->refused) > core->env.faults ||
                      (committed > core->tree.executed_height && !core->executing &&
                       giro_batches_starved(core->batches));
    if (!gone || core->env.now_ns < fetch->sync_next_ns || giro_env_room(&core->env) < 4)
        return;
    fetch->sync_next_ns = core->env.now_ns + GIRO_NS_PER_S;
    struct giro_action *const action = giro_env_action(&core->env, GIRO_ACTION_STATE_SYNC);
    action->state_sync.above_height = core->tree.executed_height;
}

static void fetch_send(struct giro_consensus *core)
{
    struct giro_fetch *const fetch = &core->fetch;
    uint8_t *const bytes = giro_env_scratch(&core->env, sizeof(struct giro_fetch_blocks));
    if (bytes == NULL)
        return;
    GIRO_ASSERT(fetch->left >= 1);
    GIRO_ASSERT(fetch->left <= GIRO_FETCH_COUNT_MAX);
    GIRO_ASSERT(fetch->peer != core->env.options.self);
    fetch->active = true;
    fetch->progress = false;
    GIRO_ASSERT(fetch->from_height > core->tree.committed_height);
    fetch->asked_ns = core->env.now_ns;
    fetch->deadline_ns = core->env.now_ns + fetch->patience.wait_ns;
    fetch->next_peer = peer_after(core, fetch->peer);
    const struct giro_fetch_blocks request = {.head = giro_head_make(GIRO_KIND_FETCH_BLOCKS),
                                              .block_id = fetch->id,
                                              .from_height = fetch->from_height,
                                              .count = fetch->left};
    memcpy(bytes, &request, sizeof(request));
    giro_env_send(&core->env, fetch->peer, GIRO_KIND_FETCH_BLOCKS, bytes, sizeof(request));
    core->env.counters.fetches_sent++;
    core->peers[fetch->peer].fetch_credit = 2 * fetch->left;
}

bool giro_fetch_credited(struct giro_consensus *core, uint16_t sender)
{
    uint32_t *const credit = &core->peers[sender].fetch_credit;
    if (*credit == 0)
        return false;
    --*credit;
    return true;
}

void giro_fetch_settle(struct giro_consensus *core)
{
    struct giro_fetch *const fetch = &core->fetch;
    if (core->env.options.replica_count > 1)
        image_ask(core);
    if (core->env.options.replica_count == 1 || !fetch_needed(core)) {
        fetch->active = false;
        return;
    }
    if (fetch->active) {
        if (core->env.now_ns < fetch->deadline_ns)
            return;
        if (!fetch->progress)
            giro_patience_failed(&fetch->patience, core->env.now_ns);
        /* Not as it said: not asked by height again until it says so again. */
        if (fetch->by_height && !fetch->progress) {
            core->peers[fetch->peer].committed_height = 0;
            fetch->resume_height = 0;
        }
        fetch->active = false;
    }
    if (giro_env_room(&core->env) < 4 || tree_room(core) == 0)
        return;
    if (fetch->next_peer == core->env.options.self)
        fetch->next_peer = peer_after(core, fetch->next_peer);
    if (!plan_by_height(core, fetch))
        plan_by_id(core, fetch);
    fetch_send(core);
}

/* When the last block asked for has come, the next request may go out at once. */
void giro_fetch_got(struct giro_consensus *core, uint16_t sender, const struct giro_block *block,
                    bool useful)
{
    struct giro_fetch *const fetch = &core->fetch;
    if (!fetch->active || fetch->peer != sender)
        return;
    if (!fetch->progress)
        giro_patience_answered(&fetch->patience, core->env.now_ns - fetch->asked_ns);
    fetch->progress = true;
    if (fetch->by_height)
        fetch->resume_height = block->height + 1;
    if (useful) {
        /* The peer has what we need, but may send less than was asked for: the rest follows closely or not at all. */
        fetch->deadline_ns = core->env.now_ns + fetch->patience.wait_ns / 4;
        fetch->next_peer = sender;
    }
    GIRO_ASSERT(fetch->left > 0);
    fetch->left--;
    if (fetch->left == 0 || giro_hash_equal(&block->id, &fetch->id))
        fetch->active = false;
}

/* An answer holds GIRO_FETCH_COUNT_MAX blocks, oldest first, and there is room for few orphans: a chain above the last
 * commit that is longer than that is fetched from below. */
void giro_fetch_below(struct giro_consensus *core, uint16_t sender,
                      const struct giro_hash *parent_id)
{
    struct giro_fetch *const fetch = &core->fetch;
    if (!fetch->active || fetch->peer != sender || fetch->by_height || fetch->progress)
        return;
    fetch->progress = true;
    fetch->below_id = *parent_id;
    fetch->next_peer = sender;
    fetch->deadline_ns =
        core->env.now_ns + fetch->patience.wait_ns / 4; /* the rest of the answer */
}

void giro_fetch_failed(struct giro_consensus *core, uint16_t sender)
{
    struct giro_fetch *const fetch = &core->fetch;
    if (!fetch->active || fetch->peer != sender)
        return;
    if (fetch->refused_height == core->tree.committed_height &&
        core->peers[sender].committed_height > core->tree.committed_height)
        giro_bitmap_set(fetch->refused, sender);
    fetch->next_peer = peer_after(core, sender);
    const uint64_t soon_ns = core->env.now_ns + FETCH_FAILED_NS;
    if (soon_ns < fetch->deadline_ns)
        fetch->deadline_ns = soon_ns;
}

/* ---- Serving ---------------------------------------------------------------------------------------------- */

static bool serve_allowed(struct giro_consensus *core, uint16_t peer)
{
    struct giro_peer *const state = &core->peers[peer];
    const uint64_t tokens = (core->env.now_ns - state->serve_refilled_ns) / GIRO_SERVE_REFILL_NS;
    if (tokens > 0) {
        const uint64_t sum = state->serve_tokens + tokens;
        state->serve_tokens = sum < GIRO_SERVE_BURST ? (uint32_t)sum : GIRO_SERVE_BURST;
        state->serve_refilled_ns = core->env.now_ns;
    }
    if (state->serve_tokens == 0)
        return false;
    state->serve_tokens--;
    return true;
}

static void serve_from_disk(struct giro_consensus *core, uint16_t peer, const struct giro_hash *id,
                            uint64_t height, uint32_t count)
{
    GIRO_ASSERT(count >= 1);
    struct giro_action *const action = giro_env_action(&core->env, GIRO_ACTION_SERVE);
    action->serve.peer = peer;
    action->serve.wanted_kind = GIRO_KIND_BLOCK;
    action->serve.id = *id;
    action->serve.height = height;
    action->serve.count = count;
}

/* The tree's root has no bytes in memory: the genesis block, or the block of the image that the core started from. The latter's
 * may still be in the log, and a peer whose image is older needs it. */
static bool has_bytes(const struct giro_tree *tree, uint32_t slot)
{
    return slot != GIRO_NONE && tree->proposals[slot].size_bytes > 0;
}

static void serve_from_tree(struct giro_consensus *core, uint16_t peer, uint32_t slot)
{
    GIRO_ASSERT(has_bytes(&core->tree, slot));
    giro_env_send(&core->env, peer, GIRO_KIND_BLOCK, giro_tree_touch(&core->tree, slot),
                  core->tree.proposals[slot].size_bytes);
}

static void serve_not_found(struct giro_consensus *core, uint16_t peer, const struct giro_hash *id,
                            uint64_t height)
{
    uint8_t *const bytes = giro_env_scratch(&core->env, sizeof(struct giro_not_found));
    if (bytes == NULL)
        return;
    const struct giro_not_found answer = {.head = giro_head_make(GIRO_KIND_NOT_FOUND),
                                          .id = *id,
                                          .height = height,
                                          .wanted_kind = GIRO_KIND_BLOCK};
    memcpy(bytes, &answer, sizeof(answer));
    giro_env_send(&core->env, peer, GIRO_KIND_NOT_FOUND, bytes, sizeof(answer));
}

static void serve_heights(struct giro_consensus *core, uint16_t peer, uint64_t from, uint32_t count)
{
    const struct giro_tree *const tree = &core->tree;
    if (from > tree->committed_height) {
        serve_not_found(core, peer, &giro_hash_zero, from);
        return;
    }
    const uint64_t there = tree->committed_height - from + 1;
    const uint64_t end = from + (there < count ? there : count);
    uint64_t missing = from;
    while (missing < end && !has_bytes(tree, giro_tree_committed_at(tree, missing)))
        missing++;
    /* Oldest first, and reading takes time: what is in memory is for the next request. */
    if (missing > from) {
        serve_from_disk(core, peer, &giro_hash_zero, from, (uint32_t)(missing - from));
        return;
    }
    for (uint64_t height = from; height < end; height++) {
        const uint32_t slot = giro_tree_committed_at(tree, height);
        if (!has_bytes(tree, slot))
            return; /* the asker asks again from there */
        serve_from_tree(core, peer, slot);
    }
}

static void serve_ancestors(struct giro_consensus *core, uint16_t peer,
                            const struct giro_fetch_blocks *request)
{
    const struct giro_tree *const tree = &core->tree;
    uint32_t slots[GIRO_FETCH_COUNT_MAX];
    uint32_t count = 0;
    uint32_t slot = giro_tree_find(tree, &request->block_id);
    if (!has_bytes(tree, slot)) {
        serve_from_disk(core, peer, &request->block_id, request->from_height, request->count);
        return;
    }
    while (has_bytes(tree, slot) && count < request->count &&
           tree->blocks[slot].height >= request->from_height) {
        slots[count++] = slot;
        slot = giro_tree_parent(tree, slot);
    }
    if (count == 0) {
        serve_not_found(core, peer, &request->block_id, request->from_height);
        return;
    }
    /* What was evicted below is committed: on disk by height. */
    const uint64_t lowest = tree->blocks[slots[count - 1]].height;
    if (!has_bytes(tree, slot) && count < request->count && lowest > request->from_height &&
        lowest > 1 && lowest <= tree->committed_height + 1) {
        const uint64_t missing = lowest - request->from_height;
        const uint32_t wanted = request->count - count;
        const uint32_t below = missing < wanted ? (uint32_t)missing : wanted;
        serve_from_disk(core, peer, &giro_hash_zero, lowest - below, below);
        return;
    }
    while (count > 0)
        serve_from_tree(core, peer, slots[--count]);
}

void giro_fetch_on_request(struct giro_consensus *core, uint16_t sender, const uint8_t *body,
                           size_t size_bytes)
{
    struct giro_fetch_blocks request = {.count = 0};
    enum giro_reject reject = GIRO_REJECT_NONE;
    if (size_bytes != sizeof(request)) {
        reject = size_bytes < sizeof(request) ? GIRO_REJECT_TRUNCATED : GIRO_REJECT_OVERSIZED;
    } else {
        memcpy(&request, body, sizeof(request));
        if (!giro_head_is(&request.head, GIRO_KIND_FETCH_BLOCKS))
            reject = GIRO_REJECT_KIND;
        else if (request.reserved != 0)
            reject = GIRO_REJECT_RESERVED;
        else if (request.count == 0 || request.count > GIRO_FETCH_COUNT_MAX)
            reject = GIRO_REJECT_COUNT;
        else if (request.from_height == 0)
            reject = GIRO_REJECT_FIELD;
        else if (giro_env_room(&core->env) < GIRO_FETCH_COUNT_MAX + 16 ||
                 !serve_allowed(core, sender))
            reject = GIRO_REJECT_LIMIT;
    }
    if (giro_env_reject(&core->env, reject) != GIRO_REJECT_NONE)
        return;
    if (giro_hash_is_zero(&request.block_id))
        serve_heights(core, sender, request.from_height, request.count);
    else
        serve_ancestors(core, sender, &request);
}
