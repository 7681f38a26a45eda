/* member/courier.h - frames of one or many members to the hub's replicas and the answers back, through sessions. Internal to member/.
 *
 * Model: the owner adds frames that are safe on disk; the courier has sessions with each member's home replica (member % n) and,
 * where that is silent, with others; packs frames into datagrams as the hub's credit, the path and what was lost allow; and tells
 * the owner what became of each frame. A frame without DURABLE after 200 ms goes to f + 1 other replicas as the same bytes, again
 * after waits that double to 2 s; one that is DURABLE is asked for, of one replica after another, and sent again when its time has
 * passed. What one replica says is believed only as far as it can be: with a key ring, an outcome is final when its proof holds;
 * one without effect, which leaves nothing to prove, is final when f + 1 replicas say the same, always.
 *
 * Pure: no IO and no clock; randomness through a function. Allocates in open only. Threads: one.
 * The owner: giro_courier_receive for each datagram that came; then giro_courier_send until it returns 0, each datagram to the
 * replica it names; sleeps until giro_courier_due or a datagram. Frame bytes are borrowed until the frame's final told. */
#ifndef GIRO_MEMBER_COURIER_H
#define GIRO_MEMBER_COURIER_H

#include "giro/genesis.h"
#include "giro/recon.h"
#include "giro/session.h"

struct giro_courier;

struct giro_courier_time {
    uint64_t mono_ns, wall_ns;
};

enum giro_told_kind {
    GIRO_TOLD_DURABLE,   /* item.height: ordered by then, or dead */
    GIRO_TOLD_CERTIFIED, /* one replica's word; of no effect: f + 1. Final unless a proof is wanted */
    GIRO_TOLD_PROVEN,    /* final */
    GIRO_TOLD_NOTHING,   /* a question: f + 1 ledgers do not have the frame now; final */
    GIRO_TOLD_CHANNEL, /* a question: item.sequence is the channel's first that the hub has not used; final */
    GIRO_TOLD_STATE, /* of a member: enum giro_courier_state */
};
enum giro_courier_state {
    GIRO_COURIER_CONNECTING = 1,
    GIRO_COURIER_UP = 2,
    GIRO_COURIER_FAILING_OVER = 3,
    GIRO_COURIER_DOWN = 4,
};
struct giro_courier_told {
    enum giro_told_kind kind;
    enum giro_courier_state state;
    bool final;   /* the frame is forgotten, its bytes are the owner's again */
    uint64_t tag; /* of the frame */
    uint16_t member, replica;
    struct giro_receipt_item item; /* of a proof: what the leaf says */
    uint32_t result_count;         /* CERTIFIED and PROVEN: one per record */
    const struct giro_result *results;
    const uint8_t *proof; /* PROVEN */
    uint32_t proof_bytes;
    uint64_t first_sent_ns; /* mono; 0 never */
};

struct giro_courier_stats {
    uint64_t frames_sent, frames_resent, frames_durable, frames_certified, frames_proven;
    uint64_t receipts_ignored;  /* other bytes, or no frame under way */
    uint64_t answers_malformed; /* datagrams or proofs */
    uint64_t lies, questions;
    uint64_t datagrams_sent, datagrams_received, datagrams_lost, datagrams_refused;
    uint64_t handshakes, rekeys, fail_overs;
    uint64_t refused[GIRO_REJECT_COUNT_OF_REASONS]; /* frames, by reason of a REFUSE */
};

struct giro_courier_options {
    const struct giro_genesis *genesis;
    const struct giro_key_ring *ring; /* of the genesis; not NULL: outcomes are proved */
    uint32_t flights_max;             /* frames and questions under way, 1..2^20 */
    uint32_t datagram_max;            /* largest UDP payload to take and to try, 1,200..9,000 */
    uint64_t seed;                    /* local */
    void (*random)(void *context, void *bytes, size_t size_bytes); /* unpredictable */
    void (*told)(void *context, const struct giro_courier_told *told);
    /* key_log gets a line for each direction of each session; NULL: none. */
    void (*key_log)(void *context, const char *line, size_t length);
    void *context;
};
/* giro_courier_open: NOMEM, ARGUMENT; KEY: a replica's transport key has no X25519 form. */
enum giro_err giro_courier_open(const struct giro_courier_options *options,
                                struct giro_courier **courier) GIRO_MUST_USE;
void giro_courier_free(struct giro_courier *courier);

/* giro_courier_member makes a member's sessions possible. key is its session key. NOMEM. */
enum giro_err giro_courier_member(struct giro_courier *courier, uint16_t member,
                                  const struct giro_secret_key *key) GIRO_MUST_USE;
/* giro_courier_connect has the member's home session made and kept without a frame to send. */
void giro_courier_connect(struct giro_courier *courier, uint16_t member);
/* giro_courier_add takes a FRAME or SKIP of a member of this courier. FULL; EXISTS: its (member, channel, sequence) is under way;
 * OVERSIZED frames that no path of the options carries: ARGUMENT. */
enum giro_err giro_courier_add(struct giro_courier *courier, const uint8_t *bytes,
                               uint32_t size_bytes, uint64_t tag,
                               const struct giro_courier_time *time) GIRO_MUST_USE;
/* giro_courier_ask has a frame's outcome told, and its proof if proof. FULL, EXISTS, as above. */
enum giro_err giro_courier_ask(struct giro_courier *courier, uint16_t member, uint16_t channel,
                               uint64_t sequence, bool proof, uint64_t tag,
                               const struct giro_courier_time *time) GIRO_MUST_USE;
/* giro_courier_channel has every replica asked for the first sequence of a channel that it has neither executed nor skipped, and
 * tells the highest that f + 1 of them name: of all replicas, or of those that answered within 2 s, q at least; waits for ever for
 * these. What q replicas have executed, f + 1 of any q know. FULL, EXISTS, as above. */
enum giro_err giro_courier_channel(struct giro_courier *courier, uint16_t member, uint16_t channel,
                                   uint64_t tag,
                                   const struct giro_courier_time *time) GIRO_MUST_USE;

/* giro_courier_receive takes one datagram; opens it in place. */
void giro_courier_receive(struct giro_courier *courier, uint8_t *bytes, size_t size_bytes,
                          const struct giro_courier_time *time);
/* giro_courier_send makes the next datagram to send now: its size, 0 if there is none. out holds datagram_max bytes. */
uint32_t giro_courier_send(struct giro_courier *courier, const struct giro_courier_time *time,
                           uint8_t *out, uint16_t *replica);
/* giro_courier_due is the monotonic time at which send should be called again at the latest; UINT64_MAX never. */
uint64_t giro_courier_due(const struct giro_courier *courier);
/* giro_courier_close_sessions has a CLOSE sent in every session by the sends that follow; nothing is sent or asked any more. */
void giro_courier_close_sessions(struct giro_courier *courier);

uint32_t giro_courier_count(const struct giro_courier *courier); /* under way */
const struct giro_courier_stats *giro_courier_stats(const struct giro_courier *courier);
enum giro_courier_state giro_courier_state(const struct giro_courier *courier, uint16_t member);
/* Of the session with a member's home replica; 0 without one. */
uint64_t giro_courier_rtt_ns(const struct giro_courier *courier, uint16_t member);
uint32_t giro_courier_path_bytes(const struct giro_courier *courier, uint16_t member);
void giro_courier_check(const struct giro_courier *courier);

#endif
