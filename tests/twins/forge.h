/* tests/twins/forge.h - a Byzantine replica that holds its own keys, hears everything, keeps votes and timeouts to itself
 * until they make a QC or TC that nobody else has, and proposes what an honest leader never would. */
#ifndef GIRO_TESTS_TWINS_FORGE_H
#define GIRO_TESTS_TWINS_FORGE_H

#include "twins/hub.h"

#define FORGE_QCS      24u
#define FORGE_TCS      12u
#define FORGE_PROOFS   8u
#define FORGE_VOTES    16u
#define FORGE_TIMEOUTS 8u

/* Votes for one block; the Byzantine one is always among them. */
struct forge_votes {
    struct giro_qc_header fields;
    uint32_t voters;
    struct giro_signature signatures[HUB_REPLICAS_MAX];
};
struct forge_timeouts {
    uint64_t round;
    uint32_t voters;
    uint64_t high_qc_rounds[HUB_REPLICAS_MAX];
    struct giro_signature signatures[HUB_REPLICAS_MAX];
};
struct forge_proof {
    struct giro_batch_reference reference;
    uint32_t size_bytes;
    uint8_t bytes[4096];
};
struct forge {
    struct hub *hub;
    uint32_t identity;
    struct giro_prng *prng;
    struct giro_qc qcs[FORGE_QCS]; /* [0] is genesis */
    struct giro_tc tcs[FORGE_TCS];
    struct forge_proof proofs[FORGE_PROOFS];
    struct forge_votes votes[FORGE_VOTES];
    struct forge_timeouts timeouts[FORGE_TIMEOUTS];
    uint32_t qc_count, tc_count, proof_count, vote_count,
        timeout_count; /* ever seen; the newest are kept */
    uint64_t sent;
};
void forge_open(struct forge *forge, struct hub *hub, uint32_t identity, struct giro_prng *prng);
/* forge_listen takes in what travels. */
void forge_listen(struct forge *forge, const struct giro_peer_envelope *envelope,
                  const uint8_t *body);
/* forge_strike sends something wrong to some of the honest instances. */
void forge_strike(struct forge *forge);

/* forge_repeat proposes to target, whose round this replica leads, a block on the newest QC with a batch that was executed
 * before; false if it knows no such batch. */
bool forge_repeat(struct forge *forge, uint32_t target);
/* forge_extend proposes to target alone, in its round, an empty block on the QC of qc_round; false if it knows none. */
bool forge_extend(struct forge *forge, uint32_t target, uint64_t qc_round);

#endif
