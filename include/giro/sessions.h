/* giro/sessions.h - the hub's sessions: handshakes answered, datagrams opened, frames handed to the ingress, acknowledgements,
 * credit, receipts and answers sent. Protocol: giro/session.h and docs/protocol.md section 3.
 *
 * Model: one table, sized at start: ten places a member (4 live, as many replaced by a re-key and received for 60 s more, 2
 * half-open). Sans IO: datagrams come in by giro_sessions_take, leave by the callback `send`; time is an argument, randomness a
 * callback. Order of checks, cheapest first: size, head, chain or receiver id, address, replay bit, tag, blocks; then the ingress.
 *
 * Promises: an address that is not proved never gets more bytes than it sent, in sum over a session's move, datagram by datagram
 * before a session. A member that acknowledges nothing costs nothing: the hub keeps no datagram for a second sending. Every refusal
 * is counted by reason and member, in the ingress's counters.
 *
 * What costs something before its sender is known has a budget: of INITs without a good cookie, GIRO_COOKIES_PER_SECOND are answered
 * in all and GIRO_COOKIES_PER_SOURCE of an address and port; of datagrams that name a session and come from another address and port
 * than its own, GIRO_STRANGERS_PER_SECOND are opened. The rest is POLICED. A member that moves needs one of these.
 *
 * Credit: of the frames a member may send ahead, its share is free slots / members that sent within the last 0.2 s, at most what
 * the ingress would take of it now, 1 at least, GIRO_CREDIT_MAX at most.
 *
 * Threads: the ingress's. */
#ifndef GIRO_SESSIONS_H
#define GIRO_SESSIONS_H

#include "giro/dataplane.h"
#include "giro/session.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GIRO_SESSIONS_PER_MEMBER  4u
#define GIRO_SESSION_REKEY_S      120u
#define GIRO_SESSION_LIFETIME_S   180u
#define GIRO_SESSION_REPLACED_S   60u /* a session that was followed by another is still received */
#define GIRO_SESSION_HALF_OPEN_S  10u
#define GIRO_SESSION_KEEP_ALIVE_S 25u
#define GIRO_CREDIT_MAX           1024u
#define GIRO_ACK_DATAGRAMS        32u
#define GIRO_ACK_DELAY_NS         1000000u
#define GIRO_PROOF_PARTS_MAX      8u /* sent for one question */
#define GIRO_COOKIES_PER_SECOND   20000u
#define GIRO_COOKIES_PER_SOURCE   100u
#define GIRO_STRANGERS_PER_SECOND 100u /* and session */

struct giro_sessions_options {
    const struct giro_genesis *genesis;
    const struct giro_allow *allow;           /* NULL: everybody */
    struct giro_ingress *ingress;             /* takes the frames, counts the refusals */
    const struct giro_session_key_pair *self; /* of the transport key; borrowed */
    uint16_t replica;
    uint32_t datagram_max;           /* largest UDP payload the port takes, 1,200..65,507 */
    uint32_t handshakes_per_second;  /* X25519 work is done for so many, in all; 1.. */
    uint32_t handshakes_per_address; /* and for so many of one IPv4 address; 1.. */
    uint8_t cookie_secret[GIRO_COOKIE_SECRET_BYTES]; /* fresh random */
    uint64_t map_seed;                               /* fresh random */
    void *context;                                   /* of the callbacks */
    void (*random)(void *bytes, size_t size_bytes);
    /* send hands one datagram to the port; it may be lost. */
    void (*send)(void *context, const struct giro_endpoint *to, const void *bytes,
                 uint32_t size_bytes);
    /* ask: a member's question, which the owner answers by giro_sessions_receipt, _proof, _channel or _refuse, now or later. Comes at
     * most 1,000 times a second, proofs 100, in equal shares of the sessions that ask. */
    void (*ask)(void *context, const struct giro_endpoint *from, uint16_t member,
                const struct giro_session_ask *ask);
};
struct giro_sessions;
/* giro_sessions_footprint: 0 means bad options. With 1,000 members and 500 handshakes a second 10.2 MiB. */
size_t giro_sessions_footprint(const struct giro_sessions_options *options);
/* mem: 64-byte aligned, holds session keys. NULL: bad options, or a member's session key is no key. 20 us a member. */
struct giro_sessions *giro_sessions_init(void *mem, size_t size_bytes,
                                         const struct giro_sessions_options *options);
/* giro_sessions_take takes a datagram of kind HANDSHAKE or SESSION. The reason is counted already. */
enum giro_reject giro_sessions_take(struct giro_sessions *sessions, uint64_t now_ns,
                                    const struct giro_datagram *datagram);
/* giro_sessions_is: this datagram is for giro_sessions_take. */
bool giro_sessions_is(const struct giro_datagram *datagram);

/* What goes out gathers in one datagram per session until giro_sessions_flush, or until it is full. to->session names the session;
 * if it is gone, or was followed by another, the member's session that was heard last; none: nothing is sent. */
void giro_sessions_receipt(struct giro_sessions *sessions, uint64_t now_ns,
                           const struct giro_endpoint *to, uint16_t member,
                           const struct giro_receipt_item *item,
                           const struct giro_receipt_run *runs);
void giro_sessions_refuse(struct giro_sessions *sessions, uint64_t now_ns,
                          const struct giro_endpoint *to, uint16_t member, uint64_t sequence,
                          uint16_t channel, enum giro_reject reason);
void giro_sessions_channel(struct giro_sessions *sessions, uint64_t now_ns,
                           const struct giro_endpoint *to, uint16_t member,
                           const struct giro_session_channel *channel);
/* giro_sessions_proof sends up to GIRO_PROOF_PARTS_MAX parts of a proof of total bytes from ask->offset on. */
void giro_sessions_proof(struct giro_sessions *sessions, uint64_t now_ns,
                         const struct giro_endpoint *to, uint16_t member,
                         const struct giro_session_ask *ask, const uint8_t *proof, uint32_t total);
/* giro_sessions_flush sends what has gathered and the acknowledgements that are due, and lets a few old sessions go. Each turn. */
void giro_sessions_flush(struct giro_sessions *sessions, uint64_t now_ns);
/* giro_sessions_next_ns is when the next acknowledgement is due; UINT64_MAX: none. */
uint64_t giro_sessions_next_ns(const struct giro_sessions *sessions);
/* giro_sessions_stop tells every live session that the replica stops. */
void giro_sessions_stop(struct giro_sessions *sessions, uint64_t now_ns);

struct giro_sessions_counters {
    uint64_t live, half_open, replaced; /* now */
    uint64_t cookies;                   /* COOKIEs sent */
    uint64_t handshakes;                /* RESPONSEs made */
    uint64_t repeated;                  /* RESPONSEs sent again */
    uint64_t opened;                    /* sessions that became live */
    uint64_t displaced, expired, moved;
    uint64_t received, sent; /* session datagrams */
    uint64_t lost;           /* numbers of members' datagrams that never came */
    uint64_t withheld;       /* datagrams not sent: the address was not proved */
    uint64_t unsent;         /* answers to members without a session */
};
void giro_sessions_counters(const struct giro_sessions *sessions,
                            struct giro_sessions_counters *counters);
/* giro_sessions_check asserts what must hold of the whole table; O(places). */
void giro_sessions_check(const struct giro_sessions *sessions);

#ifdef __cplusplus
}
#endif
#endif
