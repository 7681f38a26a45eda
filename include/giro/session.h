/* giro/session.h - the session protocol between a member and a replica, both sides: handshake, cookie, sealing, receive window,
 * blocks. The bytes are in giro/wire/session.h, the message flow in docs/protocol.md section 3.
 *
 * Model: pure. No IO, no clock, no allocation; randomness and time are arguments. Nothing here decides about credit, expiry or
 * addresses: dataplane/sessions.c (hub) and member/ do.
 *
 * Member: giro_handshake_begin -> send; on COOKIE giro_handshake_cookie -> send again; on RESPONSE giro_handshake_finish -> a
 * struct giro_session. Nothing for a while: send the same INIT again.
 * Hub: giro_handshake_check -> cookie missing or stale: giro_handshake_cookie_answer; else giro_handshake_open -> compare the
 * static key with the enrolled one -> giro_handshake_respond -> a struct giro_session, half-open until its first datagram opens.
 *
 * Threads: an object is used by one at a time. Errors: enum giro_reject, for the caller to count.
 * Sources: T. Perrin, The Noise Protocol Framework, revision 34 (2018), pattern IK; RFC 8439 (AEAD); RFC 7748 (X25519); RFC 2104,
 * RFC 5869 (HKDF); J. Donenfeld, WireGuard (NDSS 2017), for the cookie and the lifetimes; E. Thormarker, ePrint 2021/509, for one
 * enrolled key in Ed25519 and X25519.
 */
#ifndef GIRO_SESSION_H
#define GIRO_SESSION_H

#include "giro/wire.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Keys: X25519 forms of enrolled Ed25519 keys ------------------------------------------------------------------- */

struct giro_session_key_pair {
    uint8_t public_key[32];
    uint8_t secret[32];
};
/* giro_session_pair derives the static pair of a session or transport key. The caller keeps it in memory that is locked if it
 * can be, and wipes it (giro_session_wipe). One X25519 (about 50 us). */
void giro_session_pair(const struct giro_secret_key *key, struct giro_session_key_pair *pair);
/* giro_session_public gives the X25519 form of an enrolled key; false: the bytes are no such key. */
bool giro_session_public(const struct giro_public_key *key, uint8_t public_key[32]) GIRO_MUST_USE;
void giro_session_wipe(void *secret, size_t size_bytes);

/* ---- Receive window: what arrived, for replay protection and for acknowledgements ------------------------------------ */

/* Numbers below cumulative are done; of the next GIRO_SESSION_WINDOW each has a bit. Zeroed: nothing has arrived. */
struct giro_session_window {
    uint64_t cumulative;
    uint64_t next;                     /* highest number that arrived + 1 */
    uint64_t bits[GIRO_ACK_WORDS_MAX]; /* of number n: bit n % GIRO_SESSION_WINDOW */
};
/* giro_session_window_check: NONE, or DUPLICATE: below cumulative or there already. */
enum giro_reject giro_session_window_check(const struct giro_session_window *window,
                                           uint64_t number) GIRO_MUST_USE;
/* giro_session_window_take marks a number that passed the check and was authentic; numbers below number - floor are done, too,
 * and what the window cannot hold any more. floor <= number. */
void giro_session_window_take(struct giro_session_window *window, uint64_t number, uint32_t floor);
/* giro_session_window_words writes the ACK's bitmap from cumulative on and returns how many words it has. */
uint32_t giro_session_window_words(const struct giro_session_window *window,
                                   uint64_t words[GIRO_ACK_WORDS_MAX]);

/* ---- Session: sealing and opening datagrams --------------------------------------------------------------------------- */

struct giro_session {
    uint8_t send_key[32], receive_key[32];
    uint32_t own_id;  /* receiver_id of what comes in */
    uint32_t peer_id; /* receiver_id of what goes out */
    uint16_t version;
    uint64_t send_number; /* of the next datagram out */
    struct giro_session_window window;
};
#define GIRO_SESSION_HEADER_BYTES 24u
/* giro_session_room is how many bytes of blocks fit in a datagram of so many. */
#define giro_session_room(datagram_bytes) (((datagram_bytes)-GIRO_SESSION_OVERHEAD) & ~3u)

/* giro_session_seal makes a datagram of the blocks that stand at datagram + GIRO_SESSION_HEADER_BYTES: header before, sealed in
 * place, tag behind (GIRO_SESSION_TAG_BYTES of room). lowest: the lowest number whose acknowledgement is still waited for
 * (send_number if none). Returns the size; 0: the numbers of this session are used up. Uses up send_number. */
uint32_t giro_session_seal(struct giro_session *session, uint64_t lowest, uint8_t *datagram,
                           uint32_t blocks_bytes) GIRO_MUST_USE;
/* giro_session_header_read checks sizes, head and number, nothing of a session: to find it by receiver_id. */
enum giro_reject giro_session_header_read(const void *bytes, size_t size_bytes,
                                          struct giro_session_header *header) GIRO_MUST_USE;
/* giro_session_open checks the header against the session (SESSION, VERSION), the replay window (DUPLICATE), then the tag (SEAL),
 * and writes the blocks (size_bytes - GIRO_SESSION_OVERHEAD) to `blocks`, which may be bytes + GIRO_SESSION_HEADER_BYTES. Only on
 * NONE the window has changed and *header is set. 0.4 us for 76 bytes, 1.7 us for 1,428: the cipher's time and a twentieth. */
enum giro_reject giro_session_open(struct giro_session *session, const void *bytes,
                                   size_t size_bytes, uint8_t *blocks, uint32_t *blocks_bytes,
                                   struct giro_session_header *header) GIRO_MUST_USE;
/* giro_session_key_line writes one line of a key log, with its newline and a NUL: "GIRO1 <chain prefix, 16 hex digits in byte order>
 * <receiver id, 8, in byte order> <key, 64>". Returns its length. */
#define GIRO_SESSION_KEY_LINE_BYTES 100u
size_t giro_session_key_line(uint64_t chain_prefix, uint32_t receiver_id, const uint8_t key[32],
                             char text[GIRO_SESSION_KEY_LINE_BYTES]);

/* ---- Blocks ------------------------------------------------------------------------------------------------------------- */

enum giro_session_direction {
    GIRO_SESSION_UP = 1,
    GIRO_SESSION_DOWN = 2
}; /* to the hub, to the member */
struct giro_session_block {
    enum giro_session_kind kind;
    uint32_t size_bytes;  /* of the body */
    const uint8_t *bytes; /* unaligned, within the datagram's blocks */
};
/* giro_session_next takes the next block and checks all of it: head, direction (KIND), size, zeros, fields, receipt items; only
 * what is in a FRAME is left to giro_frame_decode. A whole datagram is walked before any of it is acted on. */
enum giro_reject giro_session_next(struct giro_reader *reader,
                                   enum giro_session_direction direction,
                                   struct giro_session_block *block) GIRO_MUST_USE;
/* giro_session_blocks_check walks a whole datagram's blocks: the first reject, TRUNCATED if there is none at all. */
enum giro_reject giro_session_blocks_check(const uint8_t *bytes, uint32_t size_bytes,
                                           enum giro_session_direction direction) GIRO_MUST_USE;
/* giro_session_put appends a block; false, and nothing changes, if it does not fit. */
bool giro_session_put(struct giro_writer *writer, enum giro_session_kind kind, const void *body,
                      uint32_t size_bytes) GIRO_MUST_USE;
/* giro_session_put_ack appends an ACK of what the window holds; only the words that fit: an ACK may say less, never more. */
bool giro_session_put_ack(struct giro_writer *writer, const struct giro_session_window *window,
                          uint64_t credit, uint32_t delay_us) GIRO_MUST_USE;
/* giro_session_reserve appends head and zeros behind a body of size_bytes that the caller then writes; NULL if it does not fit. */
uint8_t *giro_session_reserve(struct giro_writer *writer, enum giro_session_kind kind,
                              uint32_t size_bytes) GIRO_MUST_USE;
/* giro_session_ack_has: this checked ACK block says that number has arrived or is not waited for. */
bool giro_session_ack_has(const struct giro_session_block *ack, uint64_t number);

/* ---- Handshake, the member's side ------------------------------------------------------------------------------------------ */

struct giro_handshake_noise {
    uint8_t chaining_key[32], hash[32];
};
/* State of one handshake; wipe it when it ends. */
struct giro_handshake {
    struct giro_handshake_noise noise;
    struct giro_session_key_pair ephemeral;
    uint8_t peer_ephemeral[32]; /* hub */
    uint8_t peer_static[32];
    struct giro_handshake_header init; /* of the INIT */
};
struct giro_handshake_options {
    const struct giro_session_key_pair *self; /* of the member's session key */
    const uint8_t *replica_public; /* 32: giro_session_public of the replica's transport key */
    const struct giro_hash *chain;
    const uint8_t *ephemeral_secret; /* 32 fresh random bytes: never twice */
    const uint8_t *cookie;           /* 32: one this replica gave before; NULL none */
    uint32_t initiator_id;           /* fresh random, not 0, unlike any other live one */
    uint16_t replica;
    struct giro_handshake_init_body body; /* reserved fields 0 */
};
/* giro_handshake_begin writes an INIT. False: replica_public is no key. Three X25519. */
bool giro_handshake_begin(struct giro_handshake *handshake,
                          const struct giro_handshake_options *options,
                          uint8_t init[GIRO_HANDSHAKE_INIT_BYTES]) GIRO_MUST_USE;
/* giro_handshake_step_of tells which step a datagram of kind HANDSHAKE is, 0 if none: size, head and chain prefix fit. */
enum giro_handshake_step giro_handshake_step_of(const void *bytes, size_t size_bytes,
                                                uint64_t chain_prefix);
/* giro_handshake_cookie takes a COOKIE for this handshake: puts its cookie into the INIT, which is to be sent again. VERSION: the
 * hub speaks no session version of ours. */
enum giro_reject giro_handshake_cookie(const struct giro_handshake *handshake, const void *bytes,
                                       size_t size_bytes,
                                       uint8_t init[GIRO_HANDSHAKE_INIT_BYTES]) GIRO_MUST_USE;
/* giro_handshake_finish takes the RESPONSE; only on NONE *session and *body are set, and the replica has proved its transport
 * key. A refused RESPONSE changes nothing: a genuine one may follow. self: as at begin. Two X25519. */
enum giro_reject giro_handshake_finish(const struct giro_handshake *handshake,
                                       const struct giro_session_key_pair *self, const void *bytes,
                                       size_t size_bytes, struct giro_handshake_response_body *body,
                                       struct giro_session *session) GIRO_MUST_USE;

/* ---- Handshake, the hub's side ---------------------------------------------------------------------------------------------- */

/* giro_handshake_check checks all of an INIT that needs no key: size, head, chain, step, fields, replica (SIGNER). VERSION: no
 * common session version; *header is set then, too, so that a COOKIE can tell. */
enum giro_reject giro_handshake_check(const void *bytes, size_t size_bytes, uint64_t chain_prefix,
                                      uint16_t replica,
                                      struct giro_handshake_header *header) GIRO_MUST_USE;
/* Cookies: period 8 | zero 8 | tag 16, the tag being SipHash-2-4 of 128 bits, keyed by the hub's secret, over ipv4 4 | port 2 |
 * period 8 of the address that asks. A cookie is good in its own period and the next. About 40 ns to make, and to check. */
#define GIRO_COOKIE_PERIOD_NS    (120u * GIRO_NS_PER_S)
#define GIRO_COOKIE_SECRET_BYTES 16u
void giro_cookie_make(const uint8_t secret[GIRO_COOKIE_SECRET_BYTES], uint64_t period,
                      uint32_t ipv4, uint16_t port, uint8_t cookie[GIRO_SESSION_COOKIE_SIZE]);
bool giro_cookie_good(const uint8_t secret[GIRO_COOKIE_SECRET_BYTES], uint64_t now_ns,
                      uint32_t ipv4, uint16_t port,
                      const uint8_t cookie[GIRO_SESSION_COOKIE_SIZE]) GIRO_MUST_USE;
/* giro_handshake_cookie_answer writes the COOKIE that answers an INIT. */
void giro_handshake_cookie_answer(const struct giro_handshake_header *init,
                                  const uint8_t cookie[GIRO_SESSION_COOKIE_SIZE],
                                  uint8_t out[GIRO_HANDSHAKE_COOKIE_BYTES]);
/* giro_handshake_open opens a checked INIT: SEAL if it was not made for this hub and key, KEY for a point of small order, RESERVED
 * and FIELD. On NONE handshake->peer_static is the key the initiator has proved; the caller demands that it is the enrolled key
 * of body->member. Two X25519. */
enum giro_reject giro_handshake_open(struct giro_handshake *handshake,
                                     const struct giro_session_key_pair *self,
                                     const struct giro_hash *chain,
                                     const uint8_t init[GIRO_HANDSHAKE_INIT_BYTES],
                                     struct giro_handshake_init_body *body) GIRO_MUST_USE;
/* giro_handshake_version is the session version chosen for a checked INIT. */
uint16_t giro_handshake_version(const struct giro_handshake_header *init);
/* giro_handshake_respond writes the RESPONSE and makes the session. KEY: the initiator's ephemeral key is of small order.
 * ephemeral_secret: 32 fresh random bytes. Three X25519. */
enum giro_reject giro_handshake_respond(struct giro_handshake *handshake,
                                        const uint8_t ephemeral_secret[32],
                                        const struct giro_handshake_response_body *body,
                                        uint8_t response[GIRO_HANDSHAKE_RESPONSE_BYTES],
                                        struct giro_session *session) GIRO_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
