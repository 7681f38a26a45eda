/* member/courier_internal.h - what the files of the courier share. */
#ifndef GIRO_MEMBER_COURIER_INTERNAL_H
#define GIRO_MEMBER_COURIER_INTERNAL_H

#include "member/courier.h"

#define MS_NS           UINT64_C(1000000)
#define RESEND_FIRST_NS (200 * MS_NS)
#define RESEND_LAST_NS  (2000 * MS_NS)
#define DURABLE_WAIT_NS                                                                            \
    (500 * MS_NS) /* its time bounds how long to wait for an outcome; asking earlier costs little */
#define SILENT_NS      (200 * MS_NS) /* without any answer: a replica is passed over */
#define DOWN_NS        (5 * GIRO_NS_PER_S)
#define SCAN_NS        (10 * MS_NS)         /* how often waiting frames are looked at */
#define IDLE_NS        (60 * GIRO_NS_PER_S) /* sessions with others than the home replica end then */
#define PREVIOUS_NS    (60 * GIRO_NS_PER_S)
#define SHAKE_FIRST_NS (100 * MS_NS)
#define SHAKE_AGAIN_NS                                                                             \
    (10 * GIRO_NS_PER_S)     /* a handshake without an answer starts anew, with new keys */
#define NUMBERS         512u /* datagrams in flight in a session; a power of two */
#define ERRANDS         512u
#define DATAGRAM_FRAMES 8u
#define PROOFS          32u /* being fetched at a time */
#define PROOF_BYTES_MAX 16384u
#define QUESTIONS_MAX   64u
#define DENIALS         4u /* outcomes without effect that are final: see courier_answers.c */
#define HANDLE_BITS     20u
#define NOWHERE         UINT16_MAX

/* ---- Frames under way ------------------------------------------------------------------------------- */

enum flight_state {
    FLIGHT_FREE,
    FLIGHT_QUEUED,   /* in its member's line */
    FLIGHT_SENT,     /* to some replica; no promise yet */
    FLIGHT_DURABLE,  /* an outcome by its time, or none */
    FLIGHT_PROVING,  /* an outcome is told, its proof is wanted */
    FLIGHT_QUESTION, /* no bytes: what is known of this sequence? */
    FLIGHT_CHANNEL,  /* no bytes: where does the hub stand in channel - GIRO_CHANNELS_MAX? */
};
struct flight {
    struct giro_hash hash; /* zero: a question */
    const uint8_t *bytes;
    uint64_t tag, sequence;
    uint64_t first_sent_ns, due_ns, wait_ns;
    uint64_t expiry_wall_ns;        /* DURABLE */
    struct giro_hash claim;         /* over the results that a replica told */
    uint64_t denied_by[DENIALS][2]; /* replicas that told an outcome without effect, for each */
    uint64_t absent_by[2];    /* whose ledger does not have it; of a frame: though they denied it */
    uint32_t size_bytes, age; /* age: generation of the slot */
    uint32_t next;            /* in the member's line */
    uint32_t place;           /* in the list of those under way */
    uint32_t proof_slot;      /* GIRO_NONE: none */
    uint32_t turns;           /* resends or questions so far: which replicas are next */
    uint32_t proof_turns;     /* proofs asked for since the last one was given up */
    uint16_t member, channel, record_count;
    uint16_t witness;  /* who was asked for the proof last */
    uint16_t refusals; /* waited out at one replica since it was last sent to others */
    uint8_t state;
    uint16_t again; /* replica to send to again when it is due; NOWHERE: none */
    bool is_skip, was_durable, wants_proof;
    bool
        unproven; /* PROVING, but nobody had a proof: what was told may be a lie, so it is sent again */
};
struct flight_key {
    uint64_t sequence;
    uint32_t channel, member;
};
struct proof_slot {
    uint32_t flight; /* GIRO_NONE: free */
    uint32_t total, have;
    uint16_t replica;
    uint8_t bytes[PROOF_BYTES_MAX];
};
/* What replicas answered to a question about a channel. */
struct stand {
    uint32_t flight; /* GIRO_NONE: free */
    uint64_t told_by[2];
    uint64_t next[GIRO_REPLICAS_MAX];
};

/* ---- One member's side of the sessions with one replica ----------------------------------------------- */

enum errand_kind { ERRAND_FRAME, ERRAND_RECEIPT, ERRAND_PROOF, ERRAND_CHANNEL };
struct errand {
    uint32_t flight; /* handle */
    uint32_t offset;
    uint8_t kind;
};
/* A datagram whose acknowledgement is waited for. */
struct number {
    uint64_t sent_ns;
    uint32_t flights[DATAGRAM_FRAMES]; /* handles */
    uint16_t size_bytes;
    uint8_t count;
    bool out;
};
struct peer {
    uint16_t member, replica;
    bool listed; /* among the courier's peers */
    bool wanted; /* a session is to be made and kept */
    bool shaking, live, has_previous;
    bool cookie_known, close_wanted, pong_owed;
    /* handshake */
    struct giro_handshake handshake;
    uint8_t init[GIRO_HANDSHAKE_INIT_BYTES];
    uint8_t cookie[GIRO_SESSION_COOKIE_SIZE];
    uint64_t shake_began_ns, shake_due_ns, shake_wait_ns;
    /* session */
    struct giro_session session, previous;
    uint32_t responder_id;
    uint64_t previous_end_ns, rekey_ns, dead_ns, rekey_number, keep_alive_ns;
    uint64_t credit;
    uint64_t want_began_ns, used_ns; /* since when, and last time somebody wanted it */
    uint64_t last_sent_ns;           /* in the session */
    uint64_t unanswered_ns;          /* first thing sent since the last answer; 0 none */
    uint64_t receipt_ns; /* last receipt, or since when new frames go there: time for one */
    uint64_t shunned_ns; /* not used for new frames until */
    uint64_t pong_token, pong_size;
    /* path */
    uint32_t path_bytes, path_max; /* known to pass; what both ends can take */
    uint32_t probe_rung, probe_tries, large_losses;
    uint64_t probe_due_ns, probe_again_ns, probe_token;
    bool probe_done;
    /* datagrams in flight: numbers [lowest, session.send_number) */
    struct number numbers[NUMBERS];
    uint64_t lowest;
    uint32_t out_count;
    uint64_t last_ack_ns;
    /* congestion */
    uint32_t window, window_part, threshold;
    uint64_t recovery_number; /* losses below it belong to a reduction already made */
    uint64_t rtt_ns, rtt_var_ns, pace_ns, stuck_ns;
    uint32_t backoff;
    struct errand errands[ERRANDS];
    uint32_t errand_first, errand_count;
};

struct member {
    bool known, connect;
    uint16_t home, route;               /* route: where new frames go; n: nowhere */
    struct giro_session_key_pair *pair; /* locked memory */
    uint32_t first, last;               /* line of queued flights */
    uint32_t count;                     /* flights under way */
    uint8_t state;
    uint64_t heard_ns; /* last good answer of any replica */
    uint64_t began_ns;
};

struct giro_courier {
    struct giro_courier_options options;
    uint32_t replica_count, f;
    uint8_t (*replica_keys)[32];
    struct member *members; /* member_count */
    struct peer *peers;     /* member x replica; touched when used */
    uint32_t *listed;       /* peers in use */
    uint32_t listed_count, cursor;
    struct flight *flights;
    uint32_t *free_slots;
    uint32_t *under_way; /* slots in use, in no order */
    uint32_t free_count, count, questions;
    struct giro_map *map;
    void *map_mem;
    struct proof_slot *proofs;
    struct stand *stands; /* QUESTIONS_MAX */
    uint64_t last_scan_ns;
    bool closing;
    struct giro_courier_time now; /* of the call under way */
    struct giro_courier_stats stats;
    struct giro_result results[GIRO_FRAME_RECORDS_MAX];
    uint8_t message[GIRO_FRAME_MESSAGE_BYTES_MAX];
};

static inline uint64_t now_of(const struct giro_courier *courier)
{
    return courier->now.mono_ns;
}

static inline struct peer *peer_of(const struct giro_courier *courier, uint32_t member,
                                   uint32_t replica)
{
    return &courier->peers[(size_t)member * courier->replica_count + replica];
}

static inline uint32_t slot_of(const struct giro_courier *courier, const struct flight *flight)
{
    return (uint32_t)(flight - courier->flights);
}

static inline uint32_t replicas_in(const uint64_t set[2])
{
    return (uint32_t)(__builtin_popcountll(set[0]) + __builtin_popcountll(set[1]));
}
static inline bool replica_has(const uint64_t set[2], uint16_t replica)
{
    return (set[replica / 64] >> (replica % 64) & 1) != 0;
}
static inline void replica_add(uint64_t set[2], uint16_t replica)
{
    set[replica / 64] |= UINT64_C(1) << (replica % 64);
}

/* Its bytes are to go to replicas. */
static inline bool flight_sends(const struct flight *flight)
{
    return flight->state == FLIGHT_SENT || (flight->state == FLIGHT_PROVING && flight->unproven);
}

/* A handle outlives its flight: it then names nothing. */
static inline uint32_t handle_of(const struct giro_courier *courier, const struct flight *flight)
{
    return flight->age << HANDLE_BITS | slot_of(courier, flight);
}
static inline struct flight *flight_of(const struct giro_courier *courier, uint32_t handle)
{
    struct flight *flight = &courier->flights[handle & ((1u << HANDLE_BITS) - 1)];
    bool same = flight->state != FLIGHT_FREE &&
                handle >> HANDLE_BITS == (flight->age & ((1u << (32 - HANDLE_BITS)) - 1));
    return same ? flight : NULL;
}

/* courier_peer.c */
void giro_peer_want(struct giro_courier *courier, struct peer *peer);
/* giro_peer_shun: a frame went without a promise; if all do, new ones go elsewhere for a while. */
void giro_peer_shun(const struct giro_courier *courier, struct peer *peer);
bool giro_peer_alive(const struct giro_courier *courier, const struct peer *peer);
/* giro_peer_errand: what does not fit is left to the flight's own time. */
void giro_peer_errand(struct giro_courier *courier, struct peer *peer, enum errand_kind kind,
                      const struct flight *flight, uint32_t offset);
/* giro_peer_turn makes one datagram; 0: none now. */
uint32_t giro_peer_turn(struct giro_courier *courier, struct peer *peer, uint8_t *out);
uint64_t giro_peer_due(const struct giro_courier *courier, const struct peer *peer);
void giro_peer_end(struct giro_courier *courier, struct peer *peer);
/* courier_session.c */
void giro_peer_shake(struct giro_courier *courier, struct peer *peer);
void giro_peer_handshake(struct giro_courier *courier, struct peer *peer, const uint8_t *bytes,
                         size_t size_bytes);
void giro_peer_ack(struct giro_courier *courier, struct peer *peer,
                   const struct giro_session_block *block);
void giro_peer_lose(struct giro_courier *courier, struct peer *peer, uint64_t number);
void giro_peer_overdue(struct giro_courier *courier, struct peer *peer);
uint64_t giro_peer_overdue_ns(const struct peer *peer);
/* giro_path_rung is the size of datagram to try now, 0: none until probe_due_ns. */
uint32_t giro_path_rung(const struct giro_courier *courier, struct peer *peer);
void giro_peer_pong(struct giro_courier *courier, struct peer *peer,
                    const struct giro_session_pong *pong);
void giro_flight_proof(struct giro_courier *courier, const struct peer *peer,
                       const struct giro_session_block *block);
/* courier_proof.c; prove fetches the proof of a frame whose outcome is told, from a replica. */
void giro_flight_prove(struct giro_courier *courier, struct flight *flight, uint32_t replica);
void giro_proof_drop(struct giro_courier *courier, struct flight *flight);
/* courier_channel.c: an answer; it is time to ask again. */
void giro_flight_stand(struct giro_courier *courier, const struct peer *peer,
                       const struct giro_session_block *block);
void giro_flight_stand_ask(struct giro_courier *courier, struct flight *flight);
/* courier.c */
enum giro_err giro_flight_begin(struct giro_courier *courier, uint16_t member, uint16_t channel,
                                uint64_t sequence, struct flight **flight);
/* giro_flight_send has an errand done at a replica. */
void giro_flight_send(struct giro_courier *courier, const struct flight *flight, uint32_t replica,
                      enum errand_kind kind);
struct flight *giro_flight_find(const struct giro_courier *courier, uint16_t member,
                                uint16_t channel, uint64_t sequence);
void giro_flight_end(struct giro_courier *courier, struct flight *flight);
void giro_flight_unqueue(struct giro_courier *courier, struct flight *flight);

#endif
