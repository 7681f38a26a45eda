/* consensus/internal.h - the core's own structs and the functions its files share.
 *
 * One step: core.c routes the event to the file that owns it; what the event made possible is then done by
 * giro_core_settle in a fixed order (orphans, vote, propose, sign, execute, timer, fetch). So no handler calls another
 * handler, and the order of actions does not depend on how an event was routed.
 *
 * Rules: shared design, consensus.md sections 2, 3, 5, 8.
 */
#ifndef GIRO_CONSENSUS_INTERNAL_H
#define GIRO_CONSENSUS_INTERNAL_H

#include "consensus/batches.h"
#include "consensus/certify.h"
#include "consensus/checkpoint.h"
#include "consensus/env.h"
#include "consensus/leader.h"
#include "consensus/mutant.h"
#include "consensus/patience.h"

#define GIRO_BLOCKS_MIN         128u
#define GIRO_BLOCKS_MAX         65536u
#define GIRO_ORPHANS_MAX        8u  /* proposals whose parent is not here yet */
#define GIRO_VOTE_ROUNDS        8u  /* rounds of votes kept per voter */
#define GIRO_SEEN_MAX           64u /* verified QCs and TCs remembered, each */
#define GIRO_ROUND_SAMPLES      32u /* round times kept per leader */
#define GIRO_BACKOFF_MAX        8u
#define GIRO_CHAIN_USUAL        16u /* certified blocks without a commit; beyond, the back-off rises */
#define GIRO_CHAIN_STEP         4u /* once per so many */
#define GIRO_ROUND_TIMER_MAX_NS (10u * GIRO_NS_PER_S)
#define GIRO_REPEAT_MAX_NS                                                                         \
    (1u * GIRO_NS_PER_S)         /* from a timeout to its repetition, unless the timer is longer */
#define GIRO_BASE_FLOORS_MAX 25u /* T_base <= 25 x floor */
#define GIRO_FETCH_COUNT_MAX 64u
#define GIRO_FETCH_GAP       8u /* more heights behind than this: ask by height */
#define GIRO_HELLO_REPEAT_NS (100u * 1000000ull)
#define GIRO_SERVE_BURST     8u         /* requests of one peer answered at once, */
#define GIRO_SERVE_REFILL_NS 1000000ull /* then one per this */
#define GIRO_VOTE_ALL_MAX    16u        /* votes go to all up to this many replicas */
#define GIRO_RECENT_ROUNDS   64u        /* rounds whose block is known by round */
#define GIRO_BLOCK_STEP_NS   1000u      /* block time advances by at least this */

/* ---- Tree: blocks above the last executed one, and executed ones until their slot is needed ------ */

enum giro_block_state {
    GIRO_BLOCK_FREE = 0,
    GIRO_BLOCK_PENDING, /* above the last commit */
    GIRO_BLOCK_COMMITTED,
    GIRO_BLOCK_EXECUTED,
};
struct giro_block {
    struct giro_hash id;
    struct giro_hash parent_id;
    uint64_t height;
    uint64_t round;
    uint64_t time_ns;
    uint64_t log_sequence; /* of its BLOCK record; 0: in the log since before START */
    uint64_t touched_step; /* its bytes are in this step's actions */
    uint32_t parent;       /* slot, a hint: the parent's slot may have been reused */
    uint32_t reference_count;
    enum giro_block_state state;
    bool checked; /* the whole vote rule but for clock and last voted round held */
};
struct giro_tree {
    struct giro_block *blocks;
    struct giro_proposal *proposals;
    uint8_t *bytes;  /* slot_bytes each */
    uint32_t *path;  /* scratch of commits and serving */
    uint32_t *chain; /* height % slot_count -> slot of the committed block */
    struct giro_map *map;
    uint32_t slot_count;
    uint32_t slot_bytes;
    uint32_t cursor;
    uint32_t tip; /* slot of the last committed block, genesis at first */
    uint64_t step;
    uint64_t committed_height, executed_height;
    uint32_t pending_count, pending_payload_count;
};

/* ---- Votes, timeouts, timer ------------------------------------------------------------------------ */

struct giro_vote_slot {
    struct giro_vote vote; /* round 0 = empty */
    bool verified;
    bool refused; /* bad signature: the voter is ignored for this round */
};
/* At most one SIGN is under way; behind it wait at most one vote and one timeout, always the newest. */
struct giro_signing {
    bool busy, busy_with_timeout;
    bool vote_waits, timeout_waits;
    struct giro_vote vote;
    struct giro_timeout_header timeout;
    uint64_t vote_after_log, timeout_after_log;
    uint64_t vote_lock_round, timeout_lock_round;
    uint64_t
        durable_round; /* highest of a vote or timeout in the safety file: a restart cannot forget it */
};
struct giro_timeouts {                   /* of the current round */
    struct giro_timeout_header *headers; /* per voter; round 0 = none */
    uint32_t count;
    struct giro_qc best_qc;
};
struct giro_leader_times {
    uint64_t samples_ns[GIRO_ROUND_SAMPLES];
    uint32_t count, next;
    uint64_t p99_ns;
};
struct giro_pace {
    uint64_t round;
    uint64_t commit_round;   /* the round this replica was in at its last commit */
    uint64_t commit_base_ns; /* and T_base then: what the back-off multiplies */
    bool running;
    uint64_t started_ns, deadline_ns;
    uint64_t repeat_ns; /* from one sending of the timeout to the next, 0 = not sent yet */
    uint64_t base_ns;
    struct giro_leader_times *leaders;
    uint64_t *sorted; /* scratch of the q-th smallest */
    bool proposed;    /* in this round, or not to be done in it */
    bool unsent;      /* the candidate is our own block and may not leave yet */
    bool announced;   /* the high QC was sent to all in this round */
    bool nudged;      /* its leader was sent the QC that starts it */
    uint64_t
        no_propose_round; /* a restarted leader keeps still up to here: it may have proposed before */
    uint32_t proposer; /* author of the proposal whose certificates are being taken, or GIRO_NONE */
};

/* ---- Peers, fetching, hello ------------------------------------------------------------------------- */

enum giro_said { GIRO_SAID_BLOCK, GIRO_SAID_VOTE, GIRO_SAID_TIMEOUT, GIRO_SAID_COUNT };
struct giro_peer {
    uint64_t committed_height; /* as its last message claims */
    uint64_t ask_next_ns;      /* not to be asked before */
    uint64_t commit_next_ns;   /* not to be sent the QC of the last commit before */
    /* The sync info it was sent last, and how long it is not sent the same again. */
    uint64_t told_qc_round, told_tc_round, told_ns, tell_wait_ns;
    uint64_t serve_refilled_ns;
    uint32_t serve_tokens;
    uint32_t
        fetch_credit; /* blocks it may send because it was asked; twice as many, for links that repeat */
    uint64_t evidence_rounds[GIRO_SAID_COUNT]; /* the last round reported, of each kind */
    uint64_t halted_height; /* it said that it stopped there; a HELLO of it says that it is back */
    /* What HELLO answers it with, of what it signed: of the highest incarnation and rounds seen, 0 = none. */
    struct giro_hello_header question;
    struct giro_vote voted;
    struct giro_vote vote_heard; /* not verified yet */
    struct giro_timeout_header timed_out;
};
struct giro_orphan {
    bool used;
    uint16_t sender;
    uint32_t size_bytes;
    struct giro_hash id, parent_id;
    uint64_t round;
};
struct giro_fetch {
    bool active;
    bool by_height;
    bool progress; /* some of it came */
    uint64_t
        resume_height; /* asking by height goes on here: what is below came, committed or not */
    uint16_t peer, next_peer;
    struct giro_hash id;
    struct giro_hash
        below_id; /* unknown parent of the oldest block of the last answer by id; zero = none */
    uint64_t from_height;
    uint32_t left;
    uint64_t asked_ns, deadline_ns;
    struct giro_patience patience;
    uint8_t refused[GIRO_BITMAP_BYTES]; /* who has not got the blocks above refused_height */
    uint64_t refused_height;
    uint64_t sync_next_ns; /* not to ask for an image before */
};
struct giro_hello_state {
    bool done;
    uint64_t repeat_ns;
    uint64_t answer_round; /* highest current round of an answerer */
    struct giro_hello_header question;
    uint8_t answered[GIRO_BITMAP_BYTES];
};
struct giro_seen { /* hashes of verified certificates */
    struct giro_hash hashes[GIRO_SEEN_MAX];
    uint32_t next;
};

struct giro_consensus {
    struct giro_env env;
    struct giro_batches *batches;
    struct giro_certify *certify;
    struct giro_tree tree;
    /* After the last committed height, which is what a vote asks; and after the last executed one, for images. */
    struct giro_leader_window leaders, leaders_executed;

    struct giro_safety_state safety; /* as asked of the safety module: never behind it */
    struct giro_vote own_vote;       /* last signed; round 0 = none */
    struct giro_timeout own_timeout; /* last made */
    bool own_timeout_made, own_timeout_signed;
    struct giro_signing signing;

    struct giro_qc genesis_qc;
    struct giro_qc high_qc;
    struct giro_qc commit_qc; /* the one that committed the tip */
    struct giro_tc high_tc;   /* header.round 0 = none */
    struct giro_seen seen_qcs, seen_tcs;
    struct giro_vote_slot *votes; /* [GIRO_VOTE_ROUNDS][replica_count] */
    struct giro_timeouts timeouts;
    struct giro_pace pace;
    uint32_t candidate;  /* slot of the first block of the current round, or GIRO_NONE */
    bool candidate_open; /* a vote for it may still become possible */

    uint32_t
        recent[GIRO_RECENT_ROUNDS]; /* round % GIRO_RECENT_ROUNDS -> slot of a block; 0 at first */

    struct giro_checkpoints checkpoints;

    bool executing;
    uint64_t next_due_ns;

    struct giro_peer *peers;
    struct giro_orphan orphans[GIRO_ORPHANS_MAX];
    uint8_t *orphan_bytes;
    uint32_t orphan_next;
    struct giro_fetch fetch;
    struct giro_hello_state hello;

    bool started, observer, halted;
    struct giro_halt halt;

    /* Decoding room, too large for the stack. */
    struct giro_proposal incoming;
    struct giro_timeout timeout_in;
    struct giro_tc tc_in;
    struct giro_qc qc_in;
    struct giro_checkpoint checkpoint_in;
    struct giro_manifest manifest_in;
    uint8_t *build; /* tree.slot_bytes: the own proposal while it is encoded */
};

enum giro_origin { GIRO_FROM_PROPOSAL, GIRO_FROM_FETCH, GIRO_FROM_LOG };

/* ---- tree.c ---- */
size_t giro_tree_footprint(const struct giro_consensus_options *options);
/* giro_tree_init takes its memory from the arena and puts the genesis block in. */
void giro_tree_init(struct giro_tree *tree, struct giro_arena *arena,
                    const struct giro_consensus_options *options);
uint32_t giro_tree_slot_bytes(uint32_t replica_count);
uint32_t giro_tree_find(const struct giro_tree *tree, const struct giro_hash *id);
uint32_t giro_tree_parent(const struct giro_tree *tree, uint32_t slot);
/* giro_tree_insert copies a block whose parent is in the tree; GIRO_NONE if no slot can be had. keep: the block whose
 * ancestors are not evicted (the high QC's), or GIRO_NONE. */
uint32_t giro_tree_insert(struct giro_tree *tree, const struct giro_proposal *proposal,
                          uint32_t parent, uint32_t keep);
/* giro_tree_commit commits slot and its ancestors; false if one of them is missing. Side branches are freed. */
bool giro_tree_commit(struct giro_tree *tree, uint32_t slot);
/* giro_tree_rooted: slot's ancestry reaches the last commit. */
bool giro_tree_rooted(const struct giro_tree *tree, uint32_t slot);
/* giro_tree_references: slot or an ancestor not yet executed carries the batch. */
bool giro_tree_references(const struct giro_tree *tree, uint32_t slot,
                          const struct giro_hash *batch_id);
uint32_t giro_tree_committed_at(const struct giro_tree *tree, uint64_t height);
/* giro_tree_touch returns the bytes of a block; its slot is not reused in this step. */
uint8_t *giro_tree_touch(struct giro_tree *tree, uint32_t slot);
void giro_tree_executed(struct giro_tree *tree, uint32_t slot);
/* giro_tree_root puts the block of an image in the place of the genesis block: committed, executed, without bytes. */
void giro_tree_root(struct giro_tree *tree, const struct giro_hash *id,
                    const struct giro_block_header *header);
void giro_tree_check(const struct giro_tree *tree);

/* ---- certs.c: QCs and TCs, verified once ---- */
enum giro_reject giro_qc_check(struct giro_consensus *core, const struct giro_qc *qc);
/* giro_qc_verify checks signatures also during recovery: for what does not come from the own log. */
enum giro_reject giro_qc_verify(struct giro_consensus *core, const struct giro_qc *qc);
enum giro_reject giro_tc_check(struct giro_consensus *core, const struct giro_tc *tc);
/* giro_qc_take adopts a verified QC: high QC, commit, round. in_log: it is inside a logged block or timeout. */
void giro_qc_take(struct giro_consensus *core, const struct giro_qc *qc, bool in_log);
void giro_tc_take(struct giro_consensus *core, const struct giro_tc *tc, bool in_log);
bool giro_commit_try(struct giro_consensus *core, const struct giro_qc *qc);
/* giro_signature_check verifies one signature by a replica's vote or batch key. */
bool giro_signature_check(struct giro_consensus *core, const struct giro_key_handle *keys,
                          uint32_t replica, const uint8_t *message, size_t message_bytes,
                          const struct giro_signature *signature);
/* giro_vote_fields writes what a vote and its QC have in common. */
struct giro_qc_header giro_vote_fields(const struct giro_vote *vote);
bool giro_vote_same(const struct giro_vote *vote, const struct giro_qc_header *fields);

/* ---- rules.c: what makes a block acceptable ---- */
/* giro_leader: who leads `round` with a block of `height`; GIRO_NONE when that is too far above the last commit. */
uint32_t giro_leader(const struct giro_consensus *core, uint64_t round, uint64_t height);
/* giro_leader_now: who leads the current round on the high QC; GIRO_NONE while that block is not here. */
uint32_t giro_leader_now(const struct giro_consensus *core);
/* giro_block_arrive: a proposal from a peer, a fetch, or the log. */
enum giro_reject giro_block_arrive(struct giro_consensus *core, uint16_t sender,
                                   const uint8_t *bytes, size_t size_bytes,
                                   enum giro_origin origin);
/* giro_block_add puts a checked block into tree and log. */
enum giro_reject giro_block_add(struct giro_consensus *core, const struct giro_proposal *proposal,
                                enum giro_origin origin);
void giro_orphans_settle(struct giro_consensus *core);
uint32_t giro_orphan_find(const struct giro_consensus *core, const struct giro_hash *id);
/* giro_payload_check: proofs, duplicates, lag, certificate. */
enum giro_reject giro_payload_check(struct giro_consensus *core,
                                    const struct giro_proposal *proposal, uint32_t parent);
/* giro_vote_check: the part of the vote rule that depends on this replica: last voted round and clock. */
enum giro_reject giro_vote_check(const struct giro_consensus *core, uint32_t slot);

/* ---- vote.c ---- */
void giro_vote_settle(struct giro_consensus *core);
void giro_vote_resend(struct giro_consensus *core, uint16_t peer);
void giro_vote_signed(struct giro_consensus *core, const struct giro_vote *vote);
void giro_vote_on_message(struct giro_consensus *core, uint16_t sender, const uint8_t *body,
                          size_t size_bytes);
void giro_sign_settle(struct giro_consensus *core);
void giro_sign_on_signed(struct giro_consensus *core, const struct giro_event *event);
void giro_sign_restore(struct giro_consensus *core);
/* giro_signed_round: the highest round of a vote or timeout that this state remembers. */
uint64_t giro_signed_round(const struct giro_safety_state *safety);

/* ---- propose.c ---- */
void giro_propose_settle(struct giro_consensus *core);
/* giro_propose_due: the state wants a block and neither slot nor an ancestor not yet executed is one. */
bool giro_propose_due(const struct giro_consensus *core, uint32_t slot);
bool giro_propose_proof_waits(struct giro_consensus *core);
void giro_propose_resume(struct giro_consensus *core);

/* ---- pacemaker.c ---- */
void giro_pace_init(struct giro_consensus *core, struct giro_arena *arena);
/* giro_pace_enter: certified is the author of the block whose QC ends the round before, GIRO_NONE after a TC or when that block
 * is not here. */
void giro_pace_enter(struct giro_consensus *core, uint64_t round, uint32_t certified);
/* giro_pace_committed: the back-off begins anew. */
void giro_pace_committed(struct giro_consensus *core);
uint64_t giro_pace_timer_ns(const struct giro_consensus *core);
void giro_pace_settle(struct giro_consensus *core);
uint64_t giro_pace_next_ns(const struct giro_consensus *core);

/* ---- timeout.c ---- */
void giro_timeout_make(struct giro_consensus *core);
void giro_timeout_send(struct giro_consensus *core);
void giro_timeout_signed(struct giro_consensus *core, const struct giro_timeout_header *header);
void giro_timeout_on_message(struct giro_consensus *core, uint16_t sender, const uint8_t *body,
                             size_t size_bytes);
void giro_timeout_on_tc(struct giro_consensus *core, const uint8_t *body, size_t size_bytes);

/* ---- execute.c ---- */
void giro_execute_settle(struct giro_consensus *core);
void giro_execute_done(struct giro_consensus *core, const struct giro_event *event);

/* ---- sync.c ---- */
void giro_sync_envelope(struct giro_consensus *core);
void giro_sync_note(struct giro_consensus *core, const struct giro_peer_envelope *envelope);
void giro_sync_on_message(struct giro_consensus *core, uint16_t sender, const uint8_t *body,
                          size_t size_bytes);
/* giro_sync_announce sends the high QC and TC to all. */
void giro_sync_announce(struct giro_consensus *core);
/* giro_sync_tell sends them to one peer that seems to lack them, not more often than an interval allows. */
void giro_sync_tell(struct giro_consensus *core, uint16_t peer);
void giro_sync_ask(struct giro_consensus *core, uint16_t peer);

/* ---- fetch.c ---- */
void giro_fetch_init(struct giro_consensus *core);
void giro_fetch_settle(struct giro_consensus *core);
/* giro_fetch_got: a block came that was asked for; useful: it was not here. */
void giro_fetch_got(struct giro_consensus *core, uint16_t sender, const struct giro_block *block,
                    bool useful);
/* giro_fetch_credited: the peer was asked for blocks and has not sent too many yet; takes one off. */
bool giro_fetch_credited(struct giro_consensus *core, uint16_t sender);
void giro_fetch_below(struct giro_consensus *core, uint16_t sender,
                      const struct giro_hash *parent_id);
void giro_fetch_failed(struct giro_consensus *core, uint16_t sender);
void giro_fetch_on_request(struct giro_consensus *core, uint16_t sender, const uint8_t *body,
                           size_t size_bytes);

/* ---- hello.c ---- */
void giro_hello_start(struct giro_consensus *core);
void giro_hello_tick(struct giro_consensus *core);
void giro_hello_on_message(struct giro_consensus *core, const struct giro_peer_envelope *envelope,
                           const uint8_t *body, size_t size_bytes);
/* giro_hello_voted, giro_hello_timed_out note a verified signature of a replica: what its question will be answered with. */
void giro_hello_voted(struct giro_consensus *core, const struct giro_vote *vote);
void giro_hello_timed_out(struct giro_consensus *core, const struct giro_timeout_header *header);
/* giro_hello_qc, giro_hello_tc note those inside a certificate. */
void giro_hello_qc(struct giro_consensus *core, const struct giro_qc *qc);
void giro_hello_tc(struct giro_consensus *core, const struct giro_tc *tc);
/* giro_hello_heard notes a vote that came from its voter; it is verified when it is needed. */
void giro_hello_heard(struct giro_consensus *core, const struct giro_vote *vote);

/* ---- recover.c ---- */
void giro_recover_safety(struct giro_consensus *core, const struct giro_event *event);
void giro_recover_record(struct giro_consensus *core, const struct giro_event *event);
void giro_recover_start(struct giro_consensus *core, const struct giro_event *event);

#endif
