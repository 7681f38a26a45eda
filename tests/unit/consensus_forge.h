/* Messages forged with the real keys of a hub of four: node 0 runs alone, everything it gets is made here. */
#ifndef TESTS_CONSENSUS_FORGE_H
#define TESTS_CONSENSUS_FORGE_H

#include "unit/consensus_core_net.h"

struct forge_draft {
    struct giro_block_header header;
    struct giro_batch_reference references[2];
    uint8_t proof_bytes[2][4096];
    uint32_t proof_sizes[2];
    struct giro_qc qc;
    struct giro_tc tc;
    bool has_tc, bad_signature, wrong_key;
};

/* Four replicas that have greeted each other; then all but node 0 are gone, and what it sends goes nowhere. */
struct net *forge_alone(void);
void forge_finish(struct net *net);
bool forge_silent(struct net *net, struct net_message *message);
uint64_t forge_wall(const struct net *net);
struct giro_qc forge_genesis_qc(const struct net *net);
/* A QC by replicas 1, 2, 3 for a block whose own QC was `parent`. */
struct giro_qc forge_qc_for(const struct net *net, const struct giro_hash *id, uint64_t round,
                            const struct giro_qc *parent);
struct giro_tc forge_tc_for(const struct net *net, uint64_t round, const struct giro_qc *high_qc);
/* A block on `qc` that keeps every rule. */
struct forge_draft forge_draft_on(const struct net *net, const struct giro_qc *qc, uint64_t round,
                                  uint64_t height);
/* Adds a batch with a proof by replicas 1, 2, 3. */
void forge_payload(const struct net *net, struct forge_draft *draft, uint8_t id,
                   uint64_t expiry_ns);
/* Hands the proposal to node 0 and returns its id. */
struct giro_hash forge_propose(struct net *net, struct forge_draft *draft);
/* Hands any message to node 0. */
void forge_hand_in(struct net *net, uint16_t sender, enum giro_kind kind, const void *body,
                   size_t size_bytes);

#endif
