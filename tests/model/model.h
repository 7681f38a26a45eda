/* tests/model/model.h - the rules of consensus.md as a transition system small enough to visit every state: three honest
 * replicas, one Byzantine one, a few rounds. Written from the design alone; nothing here includes the implementation.
 *
 * What a state holds is what was ever signed by honest replicas, and what each of them must remember: votes and timeouts
 * per round, last voted round, lock. Everything else follows:
 *  - The Byzantine replica signs anything, so a QC for a block exists as soon as q - 1 honest replicas voted for it, and a
 *    TC of a round as soon as q - 1 honest timeouts of it exist; its own timeout claims round 0, which makes the weakest TC.
 *  - Every leader is Byzantine: any block on any QC may be proposed, two per (round, parent). An honest leader's block is
 *    one of them.
 *  - The network delivers what it likes: a replica may hold any QC that exists as its high QC, if its lock allows it, and is
 *    in any round that an existing QC or TC starts. A restart that loses nothing is therefore no step at all.
 * So every behaviour of the real replicas in these rounds is one of the model's. */
#ifndef GIRO_TESTS_MODEL_H
#define GIRO_TESTS_MODEL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define MODEL_HONEST     3u
#define MODEL_ROUNDS_MAX 4u
#define MODEL_BLOCKS_MAX 81u /* genesis, 2, 6, 18 and 54 of rounds 1 to 4 */

enum model_mutant {
    MODEL_RIGHT = 0,
    MODEL_QUORUM_ONE_TOO_SMALL,
    MODEL_NO_TC_CHECK, /* a TC of the round before is there, its high QC is not compared */
    MODEL_NO_CONSECUTIVE_ROUNDS, /* neither consecutive rounds nor a TC asked for */
    MODEL_NO_LAST_VOTED_ROUND,
    MODEL_TIMEOUT_DOES_NOT_VOTE, /* a timeout does not raise last_voted_round */
    MODEL_RESTART_LOSES_LOCK,
    MODEL_RESTART_LOSES_VOTE,
    MODEL_COMMIT_NOT_CONSECUTIVE,
    MODEL_MUTANTS
};
extern const char *const model_mutant_names[MODEL_MUTANTS];

struct model_options {
    uint32_t rounds; /* 1..MODEL_ROUNDS_MAX */
    enum model_mutant mutant;
};

/* ---- Blocks: every block there can be, numbered; 0 is genesis (round 0) --------------------------------------- */

struct model_block {
    uint8_t round, parent, variant;
};
extern struct model_block model_blocks[MODEL_BLOCKS_MAX];
extern uint8_t
    model_shapes[MODEL_BLOCKS_MAX]; /* the block with its and its ancestors' variants 0 */
extern uint32_t model_first[MODEL_ROUNDS_MAX + 2]; /* first block of a round; the end of the last */
void model_blocks_make(void);
bool model_extends(uint32_t block, uint32_t ancestor); /* or is it */

/* ---- State ------------------------------------------------------------------------------------------------------ */

struct model_replica {
    uint8_t vote[MODEL_ROUNDS_MAX + 1];    /* the block voted for in a round; 0 = none */
    uint8_t timeout[MODEL_ROUNDS_MAX + 1]; /* 1 + round of the high QC signed; 0 = none */
    uint8_t last_voted_round, lock_round, last_timeout_round;
    uint8_t second_vote; /* another block voted for in a round where vote is set: only mutants */
    bool restarted;      /* only mutants: at most once */
};
struct model_state {
    struct model_replica replicas[MODEL_HONEST];
};

/* What exists, given a state. */
struct model_view {
    bool qc[MODEL_BLOCKS_MAX];
    bool qc_round[MODEL_ROUNDS_MAX + 1];
    bool tc[MODEL_ROUNDS_MAX + 1];
    uint8_t tc_high_qc_round[MODEL_ROUNDS_MAX + 1]; /* of the weakest TC of the round */
};
void model_look(const struct model_options *options, const struct model_state *state,
                struct model_view *view);

/* ---- Rules -------------------------------------------------------------------------------------------------------- */

/* The vote rule of section 3, without signatures and clock: what a proposal says and what the voter remembers. */
struct model_proposal {
    uint64_t round, qc_round;
    bool has_tc;
    uint64_t tc_round, tc_high_qc_round;
    uint64_t height, parent_height, certified_height;
    bool has_payload, proofs_valid;
};
bool model_rounds_allow(enum model_mutant mutant, const struct model_proposal *proposal);
bool model_may_vote(enum model_mutant mutant, const struct model_proposal *proposal,
                    uint64_t last_voted_round);
/* The timeout rule: a replica in that round with that high QC. */
bool model_may_time_out(uint64_t round, uint64_t high_qc_round, uint64_t last_voted_round,
                        uint64_t last_timeout_round, uint64_t lock_round);

enum model_action_kind { MODEL_VOTE, MODEL_TIMEOUT, MODEL_RESTART };
struct model_action {
    enum model_action_kind kind;
    uint8_t replica;
    uint8_t round, block, high_qc_round;
};
/* model_actions lists what honest replicas may do next; returns the number. */
#define MODEL_ACTIONS_MAX 256u
uint32_t model_actions(const struct model_options *options, const struct model_state *state,
                       const struct model_view *view,
                       struct model_action actions[MODEL_ACTIONS_MAX]);
void model_do(const struct model_options *options, struct model_state *state,
              const struct model_action *action);
/* model_violation returns what is wrong with a state, or NULL. */
const char *model_violation(const struct model_options *options, const struct model_state *state,
                            const struct model_view *view);

/* ---- Exploring (explore.c) -------------------------------------------------------------------------------------- */

struct model_result {
    uint64_t states, transitions, depth;
    uint64_t commits, tcs, votes_after_tc, two_commits; /* states in which there is one */
    bool full;                                          /* every reachable state was visited */
    const char *violation;
};
/* model_explore visits states breadth first until a violation, or states_max; writes the shortest way to a violation. */
struct model_result model_explore(const struct model_options *options, uint64_t states_max,
                                  FILE *trace);

#endif
