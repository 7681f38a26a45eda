/* consensus/env.h - what the parts of the core share during one step: options, time, and the action list.
 * Internal to consensus/. core.c owns it; batches.c and certify.c are handed a pointer. */
#ifndef GIRO_CONSENSUS_ENV_H
#define GIRO_CONSENSUS_ENV_H

#include "giro/consensus.h"

struct giro_evidence;
struct giro_env {
    struct giro_consensus_options options; /* key arrays borrowed */
    uint32_t faults;                       /* f = floor((n-1)/3) */
    uint32_t quorum;                       /* q = n - f */
    uint64_t now_ns, wall_ns;              /* of the event in hand */
    uint64_t next_log_sequence;            /* the next LOG action's */
    uint64_t watermark;                    /* log durable up to here */
    bool recovering;                       /* before START */
    bool may_sign; /* HELLO answered by q - 1, not an observer, not halted */
    struct giro_actions *actions;
    struct giro_peer_envelope
        envelope; /* sync info, kept current by core.c; body_kind and size set per message */
    uint64_t rejects[GIRO_REJECT_COUNT_OF_REASONS];
    uint64_t *peer_rejects; /* replica_count x GIRO_REJECT_COUNT_OF_REASONS */
    struct giro_evidence *evidence;
    uint16_t peer;                         /* whose message is in hand, GIRO_PEER_ALL = nobody's */
    struct giro_consensus_status counters; /* only the counters at its end are used */
};

/* giro_env_action appends a zeroed action; asserts that there is room: parts ask giro_env_room first when a step could
 * make many. */
struct giro_action *giro_env_action(struct giro_env *env, enum giro_action_kind kind);
uint32_t giro_env_room(const struct giro_env *env);
/* giro_env_scratch returns size_bytes of scratch that live until the next step, NULL if it ran short. */
uint8_t *giro_env_scratch(struct giro_env *env, size_t size_bytes);
/* giro_env_log appends a LOG action of one or two parts and returns the log sequence it will get. During recovery it
 * does nothing and returns 0. */
uint64_t giro_env_log(struct giro_env *env, enum giro_log_kind record, const struct giro_hash *key,
                      uint64_t height, const void *bytes, size_t size_bytes);
/* giro_env_send appends a SEND of one body. The bytes must live until the next step. Nothing during recovery. */
void giro_env_send(struct giro_env *env, uint16_t peer, enum giro_kind body_kind, const void *bytes,
                   size_t size_bytes);
/* giro_env_sign signs with the batch key. */
struct giro_signature giro_env_sign(const struct giro_env *env, const void *message,
                                    size_t message_bytes);
/* giro_env_reject counts a reason, against the peer whose message is in hand, too; returns it. */
enum giro_reject giro_env_reject(struct giro_env *env, enum giro_reject reject);
/* giro_env_reject_of counts it against another peer: what came earlier is often judged later. */
enum giro_reject giro_env_reject_of(struct giro_env *env, uint32_t peer, enum giro_reject reject);
/* giro_env_evidence reports two messages of one replica that contradict each other, and keeps them in the log while there is
 * room for more against it. claim: reject, what, offender and round are the caller's; first and second are copied. */
struct giro_evidence_claim {
    enum giro_reject reject;
    enum giro_kind what;
    uint32_t offender;
    uint64_t round;
    struct giro_part first, second;
};
void giro_env_evidence(struct giro_env *env, const struct giro_evidence_claim *claim);

#endif
