/* tests/sim/node.h - the node body: giro_node (consensus core, safety module, block log) with a light executor, clients that
 * hand in batches of tiny frames, traitors, and a watcher that judges every vote and commit by the rules. It is quick: some
 * tens of milliseconds a history.
 *
 * Files: node.c lives and the executor; node_clients.c load; node_watch.c blocks, votes, commits; node_certs.c whether what
 * honest replicas send is signed; coverage.c; lore.c what traitors know; traitor.c what a traitor does with what its node sends; traitor_forge.c what it makes up;
 * history.c the random history; scenarios*.c named ones; main.c and shrink.c the program giro-sim. */
#ifndef GIRO_TESTS_SIM_NODE_H
#define GIRO_TESTS_SIM_NODE_H

#include "sim/sim.h"

#define SIM_GROUPS_MAX  4096u
#define SIM_NUMBERS_MAX 65536u /* frames of one history */
#define SIM_DUES_MAX    8u

/* ---- Executor: what a replica's state is ------------------------------------------------------------------------ */

struct sim_state {
    struct giro_hash root;
    uint64_t height;
    uint64_t executed[SIM_NUMBERS_MAX / 64]; /* bits: frames executed */
    uint64_t dues_ns[SIM_DUES_MAX];          /* block times at which it wants a block; 0 = none */
};
struct sim_node {
    struct giro_node *node;
    struct sim_state state;
};

/* ---- Clients ----------------------------------------------------------------------------------------------------- */

/* Frames handed in together; handed in again elsewhere, as the same or another batch, until certified. */
struct sim_group {
    uint32_t first, count;
    uint64_t sent_ns, certified_ns; /* 0 = not yet */
    uint64_t resend_ns;
    uint64_t height; /* executed at; 0 = not */
    uint32_t attempts;
};
struct sim_load {
    uint64_t mean_gap_ns; /* between groups; 0 = no load */
    uint64_t stop_ns;
    uint32_t outstanding_max;
    uint32_t large_per_mille; /* groups of hundreds of frames */
};

/* ---- What the watcher knows ---------------------------------------------------------------------------------------- */

#define SIM_VOTERS_WORDS 2u
struct sim_watched_block {
    struct giro_hash id, parent_id, qc_commit_id;
    uint64_t round, height, time_ns, qc_round, tc_round, tc_high_round, certified_height;
    uint32_t reference_count;
    bool has_tc, committable, judged;
    uint64_t voters[SIM_VOTERS_WORDS]; /* honest ones seen to vote for it */
    uint8_t *bytes;                    /* the proposal */
    uint32_t size_bytes;
};
struct sim_height {
    bool known;
    struct giro_hash block_id, root;
};
struct sim_nodes {
    struct sim_node nodes[SIM_INSTANCES_MAX];
    struct sim_group groups[SIM_GROUPS_MAX];
    uint32_t group_count, certified_count, number_count;
    struct sim_load load;
    uint32_t batches_max; /* 0 = few */
    bool dues;            /* some frames want a later block */
    uint32_t image_every; /* heights between checkpoints; 0 = none are made */
    uint32_t group_of[SIM_NUMBERS_MAX];
    /* watcher */
    struct sim_watched_block *blocks;
    uint32_t block_count, block_room;
    struct giro_map *block_map, *batch_map;
    struct sim_height *heights;
    uint64_t height_room, top_certified;
    uint64_t *good_certs; /* digests of certificates found valid: a hash set */
    uint32_t good_room, good_count;
    /* traitors */
    struct sim_lore *lore;
    /* counted */
    uint64_t evidence, judged, halts, image_starts, image_syncs, log_bytes_max;
};

/* ---- node.c */
extern const struct sim_body sim_node_body;
void sim_nodes_open(struct sim_world *world);
void sim_nodes_close(struct sim_world *world);
static inline struct sim_node *sim_node_of(const struct sim_replica *replica)
{
    return &replica->world->nodes->nodes[replica->instance];
}
/* coverage.c: this kind of event (0: a poll) brought the replica into its present state. */
void sim_coverage_mark(struct sim_replica *replica, uint16_t body_kind);
uint64_t sim_coverage_count(void);

/* ---- node_clients.c */
#define SIM_FRAME_BYTES (40u + 64u + 64u)
void sim_clients_start(struct sim_world *world, const struct sim_load *load);
/* sim_group_send makes a group of new frames and hands it in now; returns its index. */
uint32_t sim_group_send(struct sim_world *world, uint32_t instance, uint32_t count);
/* sim_frames_pack writes frames first..first+count as giro_node_submit wants them; returns their size. */
uint32_t sim_frames_pack(const struct sim_world *world, uint32_t first, uint32_t count,
                         uint8_t *out);
bool sim_frame_good(const struct giro_frame *frame, uint32_t *number);
void sim_clients_executed(struct sim_world *world, uint32_t number, uint64_t height);
void sim_clients_certified(struct sim_world *world, uint64_t height);
bool sim_groups_certified(struct sim_world *world);
/* Everything handed in is certified, and every replica that is not excused is up, joined, and at the top. */
bool sim_nodes_level(struct sim_world *world);

/* ---- node_watch.c */
void sim_node_watch_open(struct sim_world *world);
void sim_node_watch_close(struct sim_world *world);
void sim_node_witness(struct sim_replica *replica, uint16_t body_kind, const uint8_t *body,
                      uint32_t body_bytes);
void sim_node_watch_execute(struct sim_replica *replica, const struct giro_proposal *block,
                            const struct giro_hash *root);
void sim_node_watch_certificate(struct sim_replica *replica,
                                const struct giro_certificate *certificate);
struct sim_watched_block *sim_block_find(struct sim_world *world, const struct giro_hash *id);

/* ---- node_certs.c: verified with the real verifier, each once */
bool sim_qc_good(struct sim_world *world, const struct giro_qc *qc);
bool sim_tc_good(struct sim_world *world, const struct giro_tc *tc);
bool sim_certificate_good(struct sim_world *world, const struct giro_certificate *certificate);
bool sim_proof_good(struct sim_world *world, const struct giro_batch_reference *reference,
                    const uint8_t *proof, uint32_t proof_bytes);

/* ---- traitor.c */
/* sim_traitors_open: there are traitors in this history; what is on the wire is kept for them from now on. */
void sim_traitors_open(struct sim_world *world);
void sim_traitors_close(struct sim_world *world);
void sim_traitor_send(struct sim_world *world, uint32_t from, uint16_t peer, const uint8_t *bytes,
                      uint32_t size_bytes);
/* sim_traitor_hear may change what a traitor is about to hear; returns its size. */
uint32_t sim_traitor_hear(struct sim_world *world, uint32_t to, uint8_t *bytes,
                          uint32_t size_bytes);

/* ---- lore.c: certificates and messages that were on the wire; qc, tc may be NULL. Nothing without traitors. */
#define SIM_LORE_QCS       32u
#define SIM_LORE_TCS       8u
#define SIM_LORE_MESSAGES  32u
#define SIM_LORE_BYTES_MAX 16384u
struct sim_lore {
    struct giro_qc qcs[SIM_LORE_QCS];
    struct giro_tc tcs[SIM_LORE_TCS];
    uint32_t qc_count, tc_count, message_count; /* ever */
    struct {
        uint16_t kind;
        uint32_t size_bytes;
        uint8_t *bytes;
    } messages[SIM_LORE_MESSAGES];
    uint64_t slow_ns;           /* how long a slow traitor keeps a proposal; 0: as long as it may */
    bool votes_kept;            /* of WITHHOLD: all votes and timeouts, and nothing else */
    struct giro_hash second_id; /* the other block of an equivocation, and its round */
    uint64_t second_round;
    uint64_t usurped_round; /* a block of this round was sent under a traitor's name */
};
void sim_lore_note(struct sim_world *world, const struct giro_qc *qc, const struct giro_tc *tc);
void sim_lore_message(struct sim_world *world, uint16_t body_kind, const uint8_t *body,
                      uint32_t body_bytes);

/* ---- traitor_forge.c: what a traitor makes with its own keys; each returns the bytes written, 0 if there is nothing to
 * make it of. out has GIRO_PROPOSAL_BYTES_MAX. */
#define SIM_FORGE_MAX GIRO_PROPOSAL_BYTES_MAX
enum sim_forgery {
    SIM_FORGE_SECOND,   /* another block for the round, as good as the first */
    SIM_FORGE_STALE,    /* on an older QC, with any TC or none */
    SIM_FORGE_NO_TC,    /* the TC left out */
    SIM_FORGE_LYING_TC, /* the TC's rounds lowered to fit an older QC */
    SIM_FORGE_FALSE_QC, /* a QC for a block nobody voted for */
    SIM_FORGE_TIME,     /* block time too early or too late */
    SIM_FORGE_NO_PROOF, /* a batch that nobody acknowledged */
    SIM_FORGE_TWICE,    /* the batches of the parent, once more */
    SIM_FORGE_USURP,    /* the leader's block under the own name */
    SIM_FORGERIES
};
uint32_t sim_forge_proposal(struct sim_world *world, uint32_t index, enum sim_forgery forgery,
                            enum sim_fault fault, const uint8_t *own, uint32_t own_bytes,
                            uint8_t *out, struct giro_vote *vote);
/* A vote for any block, signed. */
void sim_forge_vote_sign(struct sim_world *world, uint32_t index, struct giro_vote *vote);
/* sim_forge_hello_parts puts into an answer something its subject never signed, or leaves out what it did;
 * sim_forge_hello signs and writes it. */
void sim_forge_hello_parts(struct sim_world *world, uint32_t index, struct giro_hello *hello);
uint32_t sim_forge_hello(struct sim_world *world, uint32_t index, struct giro_hello *hello,
                         uint8_t *out);
/* A SYNC, TIMEOUT or TC body with certificates that do not hold. */
uint32_t sim_forge_certificate(struct sim_world *world, uint32_t index, uint16_t body_kind,
                               const uint8_t *own, uint32_t own_bytes, uint8_t *out);

/* ---- history.c */
void sim_history(struct sim_world *world);
/* sim_settle_down heals, demands that all are level within the time, then quiet (unless traitors go on). */
void sim_settle_down(struct sim_world *world, uint64_t within_ns);

/* ---- scenarios.c */
struct sim_scenario {
    const char *name;
    void (*run)(struct sim_world *world);
    uint32_t repeats;  /* worlds; options.repeat counts them from 0 */
    uint32_t replicas; /* unless --replicas says otherwise */
};
extern const struct sim_scenario sim_scenarios[];
extern const uint32_t sim_scenario_count;

#endif
