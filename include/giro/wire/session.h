/* giro/wire/session.h - what a member and a replica say over UDP: the handshake and the session's datagrams. Include giro/wire.h,
 * not this file. The handshake is Noise_IK_25519_ChaChaPoly_SHA256 (Noise protocol framework, revision 34); giro/session.h makes
 * and reads these bytes, docs/protocol.md section 3 has the message flow. */
#ifndef GIRO_WIRE_SESSION_H
#define GIRO_WIRE_SESSION_H

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Handshake: three datagrams of kind HANDSHAKE ------------------------------------------------------ */

#define GIRO_SESSION_VERSION_MIN 1u /* session versions this program speaks */
#define GIRO_SESSION_VERSION_MAX 1u
#define GIRO_SESSION_TAG_BYTES   16u /* Poly1305 */
#define GIRO_SESSION_COOKIE_SIZE 32u

enum giro_handshake_step {
    GIRO_HANDSHAKE_INIT = 1, /* member: header | cookie 32 | e 32 | sealed s 48 | sealed body 64 */
    GIRO_HANDSHAKE_COOKIE = 2,   /* hub: header | cookie 32 */
    GIRO_HANDSHAKE_RESPONSE = 3, /* hub: header | e 32 | sealed body 64 */
};
#define GIRO_HANDSHAKE_INIT_BYTES     208u
#define GIRO_HANDSHAKE_COOKIE_BYTES   64u
#define GIRO_HANDSHAKE_RESPONSE_BYTES 128u

/* offset size field
 *      0    8 head          kind HANDSHAKE
 *      8    8 chain_prefix
 *     16    1 step          enum giro_handshake_step
 *     17    1 version_min   INIT: of the member's session versions; COOKIE: of the hub's; RESPONSE 0
 *     18    1 version_max
 *     19    1 reserved      0
 *     20    2 replica       whom it is for; in the answers who answers
 *     22    2 reserved2     0
 *     24    4 initiator_id  chosen by the member, not 0: the receiver_id of what the hub sends
 *     28    4 reserved3     0 */
struct giro_handshake_header {
    struct giro_head head;
    uint64_t chain_prefix;
    uint8_t step;
    uint8_t version_min;
    uint8_t version_max;
    uint8_t reserved;
    uint16_t replica;
    uint16_t reserved2;
    uint32_t initiator_id;
    uint32_t reserved3;
};
GIRO_WIRE_SIZE(giro_handshake_header, 32);

/* Body of an INIT, sealed to the replica's static key.
 * offset size field
 *      0    2 member
 *      2    2 key_id        of the member's session key
 *      4    4 reserved      0
 *      8    4 replaces      responder_id of the session this one follows, 0 none
 *     12    2 datagram_max  largest UDP payload the member can take, 1,200..
 *     14    2 reserved2     0
 *     16    8 time_ns       the member's wall clock; information
 *     24   24 reserved3     0 */
struct giro_handshake_init_body {
    uint16_t member;
    uint16_t key_id;
    uint32_t reserved;
    uint32_t replaces;
    uint16_t datagram_max;
    uint16_t reserved2;
    uint64_t time_ns;
    uint8_t reserved3[24];
};
GIRO_WIRE_SIZE(giro_handshake_init_body, 48);

/* Body of a RESPONSE.
 * offset size field
 *      0    8 credit           the member may use numbers below it for frames
 *      8    8 rekey_datagrams  a new handshake is due after so many, at the latest
 *     16    4 responder_id     chosen by the hub, not 0: the receiver_id of what the member sends
 *     20    4 window           most numbers that a credit is ever ahead
 *     24    4 rekey_s          a new handshake is due at this age
 *     28    4 lifetime_s       the hub takes nothing at this age
 *     32    2 datagram_max     largest UDP payload the hub can take, 1,200..
 *     34    2 keep_alive_s     a silent member sends a PING so often
 *     36    2 version          chosen: the highest both speak
 *     38   10 reserved         0 */
struct giro_handshake_response_body {
    uint64_t credit;
    uint64_t rekey_datagrams;
    uint32_t responder_id;
    uint32_t window;
    uint32_t rekey_s;
    uint32_t lifetime_s;
    uint16_t datagram_max;
    uint16_t keep_alive_s;
    uint16_t version;
    uint8_t reserved[10];
};
GIRO_WIRE_SIZE(giro_handshake_response_body, 48);

/* ---- Session datagram: header 24 | sealed blocks | tag 16 ----------------------------------------------- */

#define GIRO_SESSION_DATAGRAM_MIN 1200u /* what every path must carry */
#define GIRO_SESSION_OVERHEAD     (24u + GIRO_SESSION_TAG_BYTES)
#define GIRO_SESSION_NUMBER_MAX   ((UINT64_C(1) << 31) - 1) /* keys end here */

/* offset size field
 *      0    8 head         kind SESSION; version: the session's
 *      8    4 receiver_id  chosen by the receiver in the handshake
 *     12    4 floor        number minus the lowest number the sender still waits for; at most number
 *     16    8 number       of this datagram, from 0; a resend has a new one */
struct giro_session_header {
    struct giro_head head;
    uint32_t receiver_id;
    uint32_t floor;
    uint64_t number;
};
GIRO_WIRE_SIZE(giro_session_header, 24);

/* X(number, NAME, direction, text): kinds of blocks. Direction: UP to the hub, DOWN to the member, BOTH. */
#define GIRO_SESSION_MAP(X)                                                                        \
    X(1, FRAME, UP, "one signed frame or skip")                                                    \
    X(2, RECEIPT, DOWN, "receipt items")                                                           \
    X(3, ACK, BOTH, "acknowledgement and credit")                                                  \
    X(4, REFUSE, DOWN, "a frame or question refused")                                              \
    X(5, ASK, UP, "question about a frame or channel")                                             \
    X(6, PROOF, DOWN, "part of a proof")                                                           \
    X(7, PING, BOTH, "answer me")                                                                  \
    X(8, PONG, BOTH, "answer to a PING")                                                           \
    X(9, PAD, BOTH, "zeros")                                                                       \
    X(10, CLOSE, BOTH, "the session ends")                                                         \
    X(11, CHANNEL, DOWN, "state of a channel")
enum giro_session_kind {
#define GIRO_SESSION_ENUM(number, name, direction, text) GIRO_SESSION_##name = (number),
    GIRO_SESSION_MAP(GIRO_SESSION_ENUM)
#undef GIRO_SESSION_ENUM
};

/* Each block: this, the body, zeros to a multiple of 4.
 * offset size field
 *      0    1 kind      enum giro_session_kind
 *      1    1 reserved  0
 *      2    2 size      of the body, without the zeros behind it */
struct giro_session_block_head {
    uint8_t kind;
    uint8_t reserved;
    uint16_t size;
};
GIRO_WIRE_SIZE(giro_session_block_head, 4);

/* FRAME: the exact signed bytes of a FRAME or SKIP. RECEIPT: giro_receipt_item with its giro_receipt_runs, one or more. PAD:
 * zeros, any size. */

/* ACK: this, then word_count x 8.
 * offset size field
 *      0    8 cumulative  every number below has arrived or is no longer waited for
 *      8    8 credit      the receiver may use numbers below it for frames; from a member 0
 *     16    4 delay_us    since the highest number arrived
 *     20    2 word_count  0..GIRO_ACK_WORDS_MAX; the last word is not 0
 *     22    2 reserved    0
 *     24      words       bit i of word w: cumulative + 64 w + i has arrived */
struct giro_session_ack {
    uint64_t cumulative;
    uint64_t credit;
    uint32_t delay_us;
    uint16_t word_count;
    uint16_t reserved;
};
GIRO_WIRE_SIZE(giro_session_ack, 24);
#define GIRO_SESSION_WINDOW 2048u /* numbers a receiver keeps account of */
#define GIRO_ACK_WORDS_MAX  (GIRO_SESSION_WINDOW / 64u)

/* REFUSE
 * offset size field
 *      0    8 sequence
 *      8    2 channel
 *     10    2 reason    enum giro_reject, not NONE
 *     12    4 wait_ms   POLICED, LIMIT: send again after it; else 0 */
struct giro_session_refuse {
    uint64_t sequence;
    uint16_t channel;
    uint16_t reason;
    uint32_t wait_ms;
};
GIRO_WIRE_SIZE(giro_session_refuse, 16);

enum giro_want { GIRO_WANT_RECEIPT = 1, GIRO_WANT_PROOF = 2, GIRO_WANT_CHANNEL = 3 };
/* ASK
 * offset size field
 *      0    8 sequence  CHANNEL 0
 *      8    2 channel
 *     10    2 want      enum giro_want
 *     12    4 offset    PROOF: the first byte wanted; else 0 */
struct giro_session_ask {
    uint64_t sequence;
    uint16_t channel;
    uint16_t want;
    uint32_t offset;
};
GIRO_WIRE_SIZE(giro_session_ask, 16);

#define GIRO_SESSION_PROOF_MAX 65536u
/* PROOF: this, then 1 or more bytes of the file (kind PROOF).
 * offset size field
 *      0    8 sequence
 *      8    2 channel
 *     10    2 reserved   0
 *     12    4 offset     of these bytes
 *     16    4 total      size of the file, at most GIRO_SESSION_PROOF_MAX
 *     20    4 reserved2  0 */
struct giro_session_proof {
    uint64_t sequence;
    uint16_t channel;
    uint16_t reserved;
    uint32_t offset;
    uint32_t total;
    uint32_t reserved2;
};
GIRO_WIRE_SIZE(giro_session_proof, 24);

/* PING
 * offset size field
 *      0    8 token
 *      8    4 datagram_max  largest UDP payload the sender can take now, 0: as before
 *     12    4 reserved      0 */
struct giro_session_ping {
    uint64_t token;
    uint32_t datagram_max;
    uint32_t reserved;
};
GIRO_WIRE_SIZE(giro_session_ping, 16);

/* PONG
 * offset size field
 *      0    8 token     of the PING
 *      8    4 size      UDP payload of the datagram that brought it
 *     12    4 reserved  0 */
struct giro_session_pong {
    uint64_t token;
    uint32_t size;
    uint32_t reserved;
};
GIRO_WIRE_SIZE(giro_session_pong, 16);

enum giro_close {
    GIRO_CLOSE_DONE = 1,      /* the sender has no more to say */
    GIRO_CLOSE_DISPLACED = 2, /* the member opened more sessions than a replica keeps */
    GIRO_CLOSE_STOPPING = 3,  /* the replica stops: go to another */
};
/* CLOSE
 * offset size field
 *      0    2 reason    enum giro_close
 *      2    2 reserved  0 */
struct giro_session_close {
    uint16_t reason;
    uint16_t reserved;
};
GIRO_WIRE_SIZE(giro_session_close, 4);

/* CHANNEL
 * offset size field
 *      0    2 channel
 *      2    1 stopped   1: after an equivocation
 *      3    5 reserved  0
 *      8    8 base      nothing below can execute any more
 *     16    8 frontier  the first sequence neither executed nor skipped */
struct giro_session_channel {
    uint16_t channel;
    uint8_t stopped;
    uint8_t reserved[5];
    uint64_t base;
    uint64_t frontier;
};
GIRO_WIRE_SIZE(giro_session_channel, 24);

#ifdef __cplusplus
}
#endif
#endif
