/* The rules and what must never happen; section numbers are those of the design text consensus.md. */
#include <string.h>

#include "model/model.h"

const char *const model_mutant_names[MODEL_MUTANTS] = {
    [MODEL_RIGHT] = "right",
    [MODEL_QUORUM_ONE_TOO_SMALL] = "quorum-one-too-small",
    [MODEL_NO_TC_CHECK] = "no-tc-check",
    [MODEL_NO_CONSECUTIVE_ROUNDS] = "no-consecutive-rounds",
    [MODEL_NO_LAST_VOTED_ROUND] = "no-last-voted-round",
    [MODEL_TIMEOUT_DOES_NOT_VOTE] = "timeout-does-not-raise-last-voted-round",
    [MODEL_RESTART_LOSES_LOCK] = "restart-loses-lock",
    [MODEL_RESTART_LOSES_VOTE] = "restart-loses-last-voted-round",
    [MODEL_COMMIT_NOT_CONSECUTIVE] = "commit-without-consecutive-rounds",
};

/* ---- Blocks --------------------------------------------------------------------------------------------------- */

struct model_block model_blocks[MODEL_BLOCKS_MAX];
uint8_t model_shapes[MODEL_BLOCKS_MAX];
uint32_t model_first[MODEL_ROUNDS_MAX + 2];

void model_blocks_make(void)
{
    uint32_t count = 1;
    model_first[0] = 0;
    for (uint8_t round = 1; round <= MODEL_ROUNDS_MAX; round++) {
        const uint32_t parents = count;
        model_first[round] = count;
        for (uint32_t parent = 0; parent < parents; parent++) {
            for (uint8_t variant = 0; variant < 2; variant++) {
                model_shapes[count] = (uint8_t)(model_first[round] + 2u * model_shapes[parent]);
                model_blocks[count++] = (struct model_block){round, (uint8_t)parent, variant};
            }
        }
    }
    model_first[MODEL_ROUNDS_MAX + 1] = count;
}

bool model_extends(uint32_t block, uint32_t ancestor)
{
    while (block != ancestor && block != 0)
        block = model_blocks[block].parent;
    return block == ancestor;
}

/* ---- What exists ---------------------------------------------------------------------------------------------- */

static uint32_t honest_needed(const struct model_options *options)
{
    const uint32_t quorum = options->mutant == MODEL_QUORUM_ONE_TOO_SMALL ? 2 : 3;
    return quorum - 1; /* and the Byzantine replica */
}

/* The weakest TC: the honest timeouts with the lowest high QC rounds, and the Byzantine one that claims 0. */
static void tc_look(const struct model_options *options, const struct model_state *state,
                    uint32_t round, struct model_view *view)
{
    uint8_t claims[MODEL_HONEST];
    uint32_t count = 0;
    for (uint32_t i = 0; i < MODEL_HONEST; i++) {
        const uint8_t timeout = state->replicas[i].timeout[round];
        uint32_t at = count;
        if (timeout == 0)
            continue;
        for (; at > 0 && claims[at - 1] > timeout - 1; at--)
            claims[at] = claims[at - 1];
        claims[at] = (uint8_t)(timeout - 1);
        count++;
    }
    view->tc[round] = count >= honest_needed(options);
    view->tc_high_qc_round[round] = view->tc[round] ? claims[honest_needed(options) - 1] : 0;
}

void model_look(const struct model_options *options, const struct model_state *state,
                struct model_view *view)
{
    uint8_t votes[MODEL_BLOCKS_MAX] = {0};
    memset(view, 0, sizeof(*view));
    view->qc[0] = view->qc_round[0] = true;
    for (uint32_t i = 0; i < MODEL_HONEST; i++) {
        const struct model_replica *const replica = &state->replicas[i];
        for (uint32_t round = 1; round <= options->rounds; round++)
            votes[replica->vote[round]]++;
        votes[replica->second_vote]++;
    }
    for (uint32_t block = 1; block < model_first[options->rounds + 1]; block++) {
        view->qc[block] = votes[block] >= honest_needed(options);
        if (view->qc[block])
            view->qc_round[model_blocks[block].round] = true;
    }
    for (uint32_t round = 1; round <= options->rounds; round++)
        tc_look(options, state, round, view);
}

/* ---- Rules, section 3 ------------------------------------------------------------------------------------------ */

bool model_rounds_allow(enum model_mutant mutant, const struct model_proposal *proposal)
{
    if (mutant == MODEL_NO_CONSECUTIVE_ROUNDS)
        return true;
    if (proposal->round == proposal->qc_round + 1)
        return true;
    if (!proposal->has_tc || proposal->round != proposal->tc_round + 1)
        return false;
    return mutant == MODEL_NO_TC_CHECK || proposal->qc_round >= proposal->tc_high_qc_round;
}

bool model_may_vote(enum model_mutant mutant, const struct model_proposal *proposal,
                    uint64_t last_voted_round)
{
    if (proposal->height != proposal->parent_height + 1 || proposal->qc_round >= proposal->round)
        return false;
    if (mutant != MODEL_NO_LAST_VOTED_ROUND && proposal->round <= last_voted_round)
        return false;
    if (!model_rounds_allow(mutant, proposal))
        return false;
    if (!proposal->has_payload)
        return true;
    return proposal->proofs_valid && proposal->height <= proposal->certified_height + 32;
}

bool model_may_time_out(uint64_t round, uint64_t high_qc_round, uint64_t last_voted_round,
                        uint64_t last_timeout_round, uint64_t lock_round)
{
    return round >= last_voted_round && round > last_timeout_round && high_qc_round >= lock_round &&
           high_qc_round < round;
}

/* ---- Actions --------------------------------------------------------------------------------------------------- */

static bool vote_allowed(const struct model_options *options, const struct model_view *view,
                         const struct model_replica *replica, uint32_t block)
{
    const uint8_t round = model_blocks[block].round;
    const uint8_t parent = model_blocks[block].parent;
    const struct model_proposal proposal = {.round = round,
                                            .qc_round = model_blocks[parent].round,
                                            .has_tc = view->tc[round - 1],
                                            .tc_round = round - 1u,
                                            .tc_high_qc_round = view->tc_high_qc_round[round - 1],
                                            .height = 1};
    if (!view->qc[parent] || replica->vote[round] == block || replica->second_vote == block)
        return false;
    if (replica->vote[round] != 0 && replica->second_vote != 0)
        return false; /* one second vote is all a broken rule needs */
    return model_may_vote(options->mutant, &proposal, replica->last_voted_round);
}

static uint32_t votes_list(const struct model_options *options, const struct model_view *view,
                           const struct model_replica *replica, struct model_action *actions)
{
    uint32_t count = 0;
    for (uint32_t block = 1; block < model_first[options->rounds + 1]; block++) {
        if (vote_allowed(options, view, replica, block))
            actions[count++] = (struct model_action){
                .kind = MODEL_VOTE, .round = model_blocks[block].round, .block = (uint8_t)block};
    }
    return count;
}

static uint32_t timeouts_list(const struct model_options *options, const struct model_view *view,
                              const struct model_replica *replica, struct model_action *actions)
{
    uint32_t count = 0;
    /* The timeout of the last round starts a round that is not looked at. */
    for (uint8_t round = 1; round < options->rounds; round++) {
        if (!view->qc_round[round - 1] && !view->tc[round - 1])
            continue; /* nobody is in that round */
        for (uint8_t high = 0; high < round; high++) {
            if (view->qc_round[high] &&
                model_may_time_out(round, high, replica->last_voted_round,
                                   replica->last_timeout_round, replica->lock_round))
                actions[count++] = (struct model_action){
                    .kind = MODEL_TIMEOUT, .round = round, .high_qc_round = high};
        }
    }
    return count;
}

uint32_t model_actions(const struct model_options *options, const struct model_state *state,
                       const struct model_view *view,
                       struct model_action actions[MODEL_ACTIONS_MAX])
{
    const bool restarts =
        options->mutant == MODEL_RESTART_LOSES_LOCK || options->mutant == MODEL_RESTART_LOSES_VOTE;
    uint32_t count = 0;
    for (uint8_t i = 0; i < MODEL_HONEST; i++) {
        const struct model_replica *const replica = &state->replicas[i];
        const uint32_t first = count;
        count += votes_list(options, view, replica, actions + count);
        count += timeouts_list(options, view, replica, actions + count);
        if (restarts && !replica->restarted && replica->last_voted_round > 0)
            actions[count++] = (struct model_action){.kind = MODEL_RESTART};
        for (uint32_t k = first; k < count; k++)
            actions[k].replica = i;
    }
    return count;
}

static uint8_t higher(uint8_t a, uint8_t b)
{
    return a > b ? a : b;
}

void model_do(const struct model_options *options, struct model_state *state,
              const struct model_action *action)
{
    struct model_replica *const replica = &state->replicas[action->replica];
    switch (action->kind) {
    case MODEL_VOTE:
        if (replica->vote[action->round] == 0)
            replica->vote[action->round] = action->block;
        else
            replica->second_vote = action->block;
        replica->last_voted_round = higher(replica->last_voted_round, action->round);
        replica->lock_round =
            higher(replica->lock_round, model_blocks[model_blocks[action->block].parent].round);
        break;
    case MODEL_TIMEOUT:
        replica->timeout[action->round] = (uint8_t)(action->high_qc_round + 1);
        replica->last_timeout_round = action->round;
        replica->lock_round = higher(replica->lock_round, action->high_qc_round);
        if (options->mutant != MODEL_TIMEOUT_DOES_NOT_VOTE)
            replica->last_voted_round = higher(replica->last_voted_round, action->round);
        break;
    case MODEL_RESTART:
        replica->restarted = true;
        if (options->mutant == MODEL_RESTART_LOSES_LOCK)
            replica->lock_round = 0;
        else
            replica->last_voted_round = 0;
        break;
    }
}

/* ---- What must never happen ------------------------------------------------------------------------------------- */

static bool commits_parent(const struct model_options *options, uint32_t block)
{
    const uint32_t parent = model_blocks[block].parent;
    return parent != 0 && (options->mutant == MODEL_COMMIT_NOT_CONSECUTIVE ||
                           model_blocks[parent].round + 1 == model_blocks[block].round);
}

static const char *committed_check(const struct model_options *options,
                                   const struct model_view *view, uint32_t committed)
{
    const uint32_t end = model_first[options->rounds + 1];
    for (uint32_t block = 1; block < end; block++) {
        if (!view->qc[block])
            continue;
        const uint32_t parent = model_blocks[block].parent;
        if (commits_parent(options, block) && !model_extends(parent, committed) &&
            !model_extends(committed, parent))
            return "two conflicting blocks are committed";
    }
    /* What makes conflicting commits impossible in rounds beyond those looked at. */
    for (uint32_t block = 1; block < end; block++) {
        if (view->qc[block] && model_blocks[block].round >= model_blocks[committed].round &&
            !model_extends(block, committed))
            return "a block certified at or above a committed one does not extend it";
    }
    return NULL;
}

const char *model_violation(const struct model_options *options, const struct model_state *state,
                            const struct model_view *view)
{
    const uint32_t end = model_first[options->rounds + 1];
    /* Of a broken rule the consequences are looked for. */
    for (uint32_t i = 0; i < MODEL_HONEST && options->mutant == MODEL_RIGHT; i++) {
        if (state->replicas[i].second_vote != 0)
            return "an honest replica signed two blocks of one round";
    }
    const char *certified_twice = NULL;
    uint32_t certified[MODEL_ROUNDS_MAX + 1] = {0};
    for (uint32_t block = 1; block < end; block++) {
        if (!view->qc[block])
            continue;
        if (certified[model_blocks[block].round]++ > 0)
            certified_twice = "two blocks of one round are certified";
        if (commits_parent(options, block)) {
            const char *const text = committed_check(options, view, model_blocks[block].parent);
            if (text != NULL)
                return text;
        }
    }
    return certified_twice;
}
