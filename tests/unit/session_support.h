/* A member and a replica with fixed keys: what every test of the session protocol starts from. */
#ifndef TESTS_SESSION_SUPPORT_H
#define TESTS_SESSION_SUPPORT_H

#include "giro/session.h"

#define SESSION_MEMBER    5u
#define SESSION_KEY_ID    1u
#define SESSION_REPLICA   2u
#define SESSION_INITIATOR UINT32_C(0x1A2B3C4D)
#define SESSION_RESPONDER UINT32_C(0x50607080)

struct session_pair {
    struct giro_session_key_pair member_static, replica_static;
    uint8_t replica_public[32]; /* from the enrolled Ed25519 key, as a member has it */
    uint8_t member_public[32];
    struct giro_hash chain;
    uint64_t chain_prefix;
    uint8_t init[GIRO_HANDSHAKE_INIT_BYTES];
    uint8_t response[GIRO_HANDSHAKE_RESPONSE_BYTES];
    struct giro_handshake member_side, hub_side;
    struct giro_handshake_response_body told;
    struct giro_session member, hub;
};
/* session_fill writes first, first + 1, ... */
void session_fill(void *bytes, size_t size_bytes, uint8_t first);
/* session_begin makes keys and an INIT with a cookie of 0xE0.. ; session_pair_make goes on to both sessions. */
void session_begin(struct session_pair *pair);
struct giro_handshake_options session_options(const struct session_pair *pair,
                                              const uint8_t *ephemeral_secret,
                                              const uint8_t *cookie);
struct giro_handshake_response_body session_response_body(void);
enum giro_reject session_respond(struct session_pair *pair);
void session_pair_make(struct session_pair *pair);

#endif
