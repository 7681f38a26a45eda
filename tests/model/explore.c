/* Breadth-first search over all states, each kept once under its canonical name: the shortest way to a violation is the
 * one that is printed. A state is three 64-bit words, one per replica; the table holds indices of states. */
#include <stdlib.h>
#include <string.h>

#include "model/model.h"

#define NONE UINT32_MAX

/* ---- Names: replicas and the two variants of a (round, parent) are interchangeable ------------------------------ */

/* Gives blocks new names in the order in which the replicas, taken in this order, voted for them. */
static void variants_rename(const struct model_state *state, const uint8_t order[MODEL_HONEST],
                            uint8_t renamed[MODEL_BLOCKS_MAX])
{
    bool taken[MODEL_BLOCKS_MAX] = {false}; /* new names given */
    memset(renamed, 0, MODEL_BLOCKS_MAX);
    for (uint32_t round = 1; round <= MODEL_ROUNDS_MAX; round++) {
        for (uint32_t i = 0; i < 2 * MODEL_HONEST; i++) {
            const struct model_replica *const replica = &state->replicas[order[i % MODEL_HONEST]];
            const uint32_t block = i < MODEL_HONEST ? replica->vote[round] : replica->second_vote;
            if (block == 0 || model_blocks[block].round != round || renamed[block] != 0)
                continue;
            const uint32_t parent = renamed[model_blocks[block].parent];
            const uint32_t first = model_first[round] + 2 * parent;
            renamed[block] = (uint8_t)(first + (taken[first] ? 1 : 0));
            taken[renamed[block]] = true;
        }
    }
}

static uint64_t replica_pack(const struct model_replica *replica,
                             const uint8_t renamed[MODEL_BLOCKS_MAX])
{
    uint64_t word = replica->restarted;
    for (uint32_t round = 1; round <= MODEL_ROUNDS_MAX; round++)
        word =
            (word << 10) | ((uint64_t)renamed[replica->vote[round]] << 3) | replica->timeout[round];
    word = (word << 7) | renamed[replica->second_vote];
    return (word << 6) | ((uint64_t)replica->last_voted_round << 3) | replica->lock_round;
}

static void replica_unpack(uint64_t word, struct model_replica *replica)
{
    memset(replica, 0, sizeof(*replica));
    replica->lock_round = word & 7;
    replica->last_voted_round = word >> 3 & 7;
    replica->second_vote = word >> 6 & 127;
    word >>= 13;
    for (uint32_t round = MODEL_ROUNDS_MAX; round >= 1; round--, word >>= 10) {
        replica->timeout[round] = word & 7;
        replica->vote[round] = word >> 3 & 127;
        if (replica->timeout[round] != 0 && replica->last_timeout_round == 0)
            replica->last_timeout_round = (uint8_t)round;
    }
    replica->restarted = word & 1;
}

struct key {
    uint64_t words[MODEL_HONEST];
};

/* What a replica did, without telling variants apart: names do not change it, so it can order the replicas. */
static uint64_t replica_shape(const struct model_replica *replica)
{
    return replica_pack(replica, model_shapes);
}

static bool less(const struct key *a, const struct key *b)
{
    for (uint32_t i = 0; i < MODEL_HONEST; i++) {
        if (a->words[i] != b->words[i])
            return a->words[i] < b->words[i];
    }
    return false;
}

/* The least key of all orders of the replicas in which their shapes ascend: one order, unless two are alike. */
static struct key canonical_key(const struct model_state *state)
{
    static const uint8_t orders[6][MODEL_HONEST] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                                    {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    struct key least = {{UINT64_MAX, UINT64_MAX, UINT64_MAX}};
    uint64_t shapes[MODEL_HONEST];
    for (uint32_t i = 0; i < MODEL_HONEST; i++)
        shapes[i] = replica_shape(&state->replicas[i]);
    for (uint32_t o = 0; o < 6; o++) {
        const uint8_t *const order = orders[o];
        uint8_t renamed[MODEL_BLOCKS_MAX];
        struct key key;
        if (shapes[order[0]] > shapes[order[1]] || shapes[order[1]] > shapes[order[2]])
            continue;
        variants_rename(state, order, renamed);
        for (uint32_t i = 0; i < MODEL_HONEST; i++)
            key.words[i] = replica_pack(&state->replicas[order[i]], renamed);
        if (less(&key, &least))
            least = key;
    }
    return least;
}

static struct model_state state_of(const struct key *key)
{
    struct model_state state;
    for (uint32_t i = 0; i < MODEL_HONEST; i++)
        replica_unpack(key->words[i], &state.replicas[i]);
    return state;
}

/* ---- The set of states ------------------------------------------------------------------------------------------- */

struct set {
    struct key *keys; /* in the order found, which is the order of visits */
    uint32_t *from;   /* the state a state was first reached from */
    uint32_t *table;
    uint64_t count, room, table_count;
};

static void *memory(void *bytes)
{
    if (bytes == NULL) {
        fprintf(stderr, "model: out of memory\n");
        abort();
    }
    return bytes;
}

static uint64_t hash(const struct key *key)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < MODEL_HONEST; i++) {
        sum = (sum ^ key->words[i]) * 0x9E3779B97F4A7C15u;
        sum ^= sum >> 29;
    }
    return sum;
}

static void table_put(struct set *set, uint32_t index)
{
    uint64_t at = hash(&set->keys[index]) & (set->table_count - 1);
    while (set->table[at] != NONE)
        at = (at + 1) & (set->table_count - 1);
    set->table[at] = index;
}

static void set_grow(struct set *set)
{
    set->room = set->room == 0 ? 1u << 16 : 2 * set->room;
    set->keys = memory(realloc(set->keys, set->room * sizeof(*set->keys)));
    set->from = memory(realloc(set->from, set->room * sizeof(*set->from)));
    set->table_count = 2 * set->room;
    free(set->table);
    set->table = memory(malloc(set->table_count * sizeof(*set->table)));
    memset(set->table, 0xFF, set->table_count * sizeof(*set->table));
    for (uint64_t i = 0; i < set->count; i++)
        table_put(set, (uint32_t)i);
}

/* Returns true if the state is new. */
static bool set_add(struct set *set, const struct key *key, uint32_t from)
{
    if (set->count == set->room)
        set_grow(set);
    uint64_t at = hash(key) & (set->table_count - 1);
    for (; set->table[at] != NONE; at = (at + 1) & (set->table_count - 1)) {
        if (memcmp(&set->keys[set->table[at]], key, sizeof(*key)) == 0)
            return false;
    }
    set->table[at] = (uint32_t)set->count;
    set->keys[set->count] = *key;
    set->from[set->count++] = from;
    return true;
}

static void set_free(struct set *set)
{
    free(set->keys);
    free(set->from);
    free(set->table);
}

/* ---- Telling the way to a violation ---------------------------------------------------------------------------------- */

static void block_print(FILE *out, uint32_t block)
{
    if (block == 0) {
        fprintf(out, "genesis");
        return;
    }
    fprintf(out, "B%u%s(", model_blocks[block].round, model_blocks[block].variant ? "'" : "");
    block_print(out, model_blocks[block].parent);
    fprintf(out, ")");
}

static void action_print(FILE *out, const struct model_action *action)
{
    fprintf(out, "  replica %u ", action->replica);
    if (action->kind == MODEL_VOTE) {
        fprintf(out, "votes in round %u for ", action->round);
        block_print(out, action->block);
    } else if (action->kind == MODEL_TIMEOUT) {
        fprintf(out, "times out round %u, high QC of round %u", action->round,
                action->high_qc_round);
    } else {
        fprintf(out, "restarts");
    }
    fprintf(out, "\n");
}

/* Walks from one state of the path to the next by the action that leads there, in the names of the walk itself. */
static bool step_towards(const struct model_options *options, struct model_state *state,
                         const struct key *next, FILE *out)
{
    struct model_view view;
    struct model_action actions[MODEL_ACTIONS_MAX];
    model_look(options, state, &view);
    const uint32_t count = model_actions(options, state, &view, actions);
    for (uint32_t i = 0; i < count; i++) {
        struct model_state after = *state;
        model_do(options, &after, &actions[i]);
        const struct key key = canonical_key(&after);
        if (memcmp(&key, next, sizeof(key)) != 0)
            continue;
        action_print(out, &actions[i]);
        *state = after;
        return true;
    }
    return false;
}

static void way_print(const struct model_options *options, const struct set *set, uint32_t last,
                      FILE *out)
{
    uint32_t path[64], length = 0;
    for (uint32_t at = last; at != NONE && length < 64; at = set->from[at])
        path[length++] = at;
    struct model_state state = state_of(&set->keys[path[--length]]);
    while (length > 0) {
        if (!step_towards(options, &state, &set->keys[path[--length]], out)) {
            fprintf(out, "  (the way is lost)\n");
            return;
        }
    }
    struct model_view view;
    model_look(options, &state, &view);
    for (uint32_t block = 1; block < model_first[options->rounds + 1]; block++) {
        if (!view.qc[block])
            continue;
        fprintf(out, "  certified: ");
        block_print(out, block);
        fprintf(out, "\n");
    }
}

/* ---- Search ------------------------------------------------------------------------------------------------------------ */

static void count_what_there_is(const struct model_options *options, const struct model_view *view,
                                struct model_result *result)
{
    uint32_t commits = 0;
    bool tc = false, after_tc = false;
    for (uint32_t block = 1; block < model_first[options->rounds + 1]; block++) {
        const uint32_t parent = model_blocks[block].parent;
        if (!view->qc[block])
            continue;
        const bool consecutive = model_blocks[parent].round + 1 == model_blocks[block].round;
        commits += parent != 0 && consecutive;
        after_tc |= !consecutive;
    }
    for (uint32_t round = 1; round <= options->rounds; round++)
        tc |= view->tc[round];
    result->commits += commits > 0;
    result->two_commits += commits > 1;
    result->tcs += tc;
    result->votes_after_tc += after_tc;
}

/* What a replica remembers never goes back, but where a restart is the mutant. */
static bool goes_back(const struct model_state *before, const struct model_state *after,
                      const struct model_action *action)
{
    const struct model_replica *const a = &before->replicas[action->replica];
    const struct model_replica *const b = &after->replicas[action->replica];
    return action->kind != MODEL_RESTART &&
           (b->lock_round < a->lock_round || b->last_voted_round < a->last_voted_round ||
            b->last_timeout_round < a->last_timeout_round);
}

/* Visits one state: checks it and adds what follows from it. */
static const char *visit(const struct model_options *options, struct set *set, uint32_t index,
                         struct model_result *result)
{
    struct model_view view;
    struct model_action actions[MODEL_ACTIONS_MAX];
    const struct model_state state = state_of(&set->keys[index]);
    model_look(options, &state, &view);
    const char *const violation = model_violation(options, &state, &view);
    if (violation != NULL)
        return violation;
    count_what_there_is(options, &view, result);
    const uint32_t count = model_actions(options, &state, &view, actions);
    for (uint32_t i = 0; i < count; i++) {
        struct model_state after = state;
        model_do(options, &after, &actions[i]);
        if (goes_back(&state, &after, &actions[i]))
            return "a lock or a last round went back";
        const struct key key = canonical_key(&after);
        set_add(set, &key, index);
    }
    result->transitions += count;
    return NULL;
}

struct model_result model_explore(const struct model_options *options, uint64_t states_max,
                                  FILE *trace)
{
    struct model_result result = {0};
    struct set set = {0};
    struct model_state first = {0};
    model_blocks_make();
    const struct key key = canonical_key(&first);
    set_add(&set, &key, NONE);
    uint64_t layer_end = 1, index = 0;
    for (; index < set.count && index < states_max; index++) {
        if (index == layer_end) {
            result.depth++;
            layer_end = set.count;
        }
        result.violation = visit(options, &set, (uint32_t)index, &result);
        if (result.violation == NULL)
            continue;
        if (trace != NULL) {
            fprintf(trace, "%s: %s\n", model_mutant_names[options->mutant], result.violation);
            way_print(options, &set, (uint32_t)index, trace);
        }
        break;
    }
    result.full = index == set.count;
    result.states = set.count;
    set_free(&set);
    return result;
}
