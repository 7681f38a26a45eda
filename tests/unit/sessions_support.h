/* A hub's table of sessions with a real ingress, members that speak to it, and the network between as an array: everything the hub
 * sent, and how many bytes each address sent and got. */
#ifndef TESTS_UNIT_SESSIONS_SUPPORT_H
#define TESTS_UNIT_SESSIONS_SUPPORT_H

#include "dataplane_support.h"
#include "giro/sessions.h"

#define REPLICA      2u
#define MS           UINT64_C(1000000)
#define SENT_MAX     8192u
#define ADDRESS_MAX  4096u
#define TABLE_FRAMES 4096u

struct sent {
    struct giro_endpoint to;
    uint32_t size_bytes;
    uint8_t bytes[1472];
};
struct traffic {
    uint32_t ipv4;
    uint16_t port;
    uint64_t in, out; /* bytes from it, to it */
};
struct table {
    struct hub hub;
    uint64_t now_ns;
    struct giro_secret_key *transport;
    struct giro_session_key_pair self;
    struct giro_public_key transport_public;
    struct giro_ingress *ingress;
    struct giro_sessions *sessions;
    struct giro_prng prng;
    uint32_t sent_count, address_count;
    struct sent *sent;
    struct traffic addresses[ADDRESS_MAX];
    uint32_t ask_count;
    struct giro_session_ask asked;
    struct giro_endpoint asked_from;
};
struct table_wish {
    uint32_t frames_max, rate, handshakes_per_second, handshakes_per_address; /* 0: plenty */
};
void table_open(struct table *table, const struct table_wish *wish);
void table_close(struct table *table);
struct giro_sessions_counters table_counters(const struct table *table);
uint64_t table_rejects(const struct table *table, uint32_t member, enum giro_reject reject);
/* table_take hands in one datagram from an address. */
enum giro_reject table_take(struct table *table, const struct giro_endpoint *from,
                            const void *bytes, uint32_t size_bytes);
void table_flush(struct table *table, uint64_t later_ns); /* first moves the clock on */
/* table_verify verifies what waits and drops it; returns how many were good. */
uint32_t table_verify(struct table *table);
struct traffic *table_traffic(struct table *table, const struct giro_endpoint *at);

/* A member's process. */
struct peer {
    struct table *table;
    uint16_t member;
    struct giro_endpoint at;
    struct giro_session_key_pair self;
    struct giro_handshake handshake;
    uint8_t init[GIRO_HANDSHAKE_INIT_BYTES];
    uint8_t cookie[GIRO_SESSION_COOKIE_SIZE];
    bool has_cookie;
    struct giro_session session;
    struct giro_handshake_response_body told;
    /* what arrived, since peer_clear */
    uint32_t datagrams, receipts, refusals, proofs, channels, pings, pongs, closes, acks;
    struct giro_session_refuse refusal; /* the last of each */
    struct giro_session_ping ping;
    struct giro_session_pong pong;
    struct giro_session_close close;
    struct giro_session_ack ack;
    struct giro_session_channel channel;
    uint64_t credit;
    uint8_t proof[GIRO_SESSION_PROOF_MAX];
    uint32_t proof_bytes;
};
void peer_make(struct peer *peer, struct table *table, uint16_t member, uint32_t ipv4,
               uint16_t port);
/* peer_init writes an INIT, with the cookie it has; peer_connect goes all the way to a live session. */
void peer_init(struct peer *peer, uint32_t replaces);
bool peer_connect(struct peer *peer, uint32_t replaces);
/* peer_handshake goes on from an INIT to a half-open session; false: no RESPONSE came. */
bool peer_handshake(struct peer *peer);
/* Each sends one datagram with that block. */
enum giro_reject peer_block(struct peer *peer, enum giro_session_kind kind, const void *body,
                            uint32_t size_bytes);
enum giro_reject peer_frame(struct peer *peer, uint16_t channel, uint64_t sequence);
enum giro_reject peer_ping(struct peer *peer, uint64_t token);
enum giro_reject peer_ask(struct peer *peer, enum giro_want want, uint16_t channel,
                          uint64_t sequence, uint32_t offset);
/* peer_seal makes a datagram without sending it. */
uint32_t peer_seal(struct peer *peer, enum giro_session_kind kind, const void *body,
                   uint32_t size_bytes, uint8_t out[1472]);
/* peer_read opens what was sent to its address, in order, and takes it out of the network. */
void peer_read(struct peer *peer);
void peer_clear(struct peer *peer);
struct giro_endpoint endpoint(uint32_t ipv4, uint16_t port);

#endif
