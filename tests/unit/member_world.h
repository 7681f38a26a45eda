/* A hub in virtual time for tests of the courier: the responder's side of every session is common/session, proofs are signed with
 * the replicas' real keys; the network between loses, repeats, delays and cuts. */
#ifndef TESTS_UNIT_MEMBER_WORLD_H
#define TESTS_UNIT_MEMBER_WORLD_H

#include "giro/recon.h"
#include "giro/session.h"
#include "member/courier.h"
#include "member_support.h"

#define WORLD_REPLICAS 4u
#define WORLD_MEMBERS  3u
#define WORLD_FRAMES   2048u
#define WORLD_SESSIONS 32u
#define WORLD_MS       UINT64_C(1000000)

/* What a replica says at once of a frame that it keeps from the others. */
enum world_lie {
    WORLD_LIE_NONE,
    WORLD_LIE_DURABLE,
    WORLD_LIE_EXECUTED,
    WORLD_LIE_OLD,
    WORLD_LIE_LATER
};

struct world_session {
    struct giro_session session;
    uint8_t init[GIRO_HANDSHAKE_INIT_BYTES], response[GIRO_HANDSHAKE_RESPONSE_BYTES];
    uint16_t member;
    bool used, closed;
    uint64_t began_ns;
};
struct world_replica {
    struct giro_session_key_pair pair;
    struct world_session sessions[WORLD_SESSIONS];
    uint32_t next_session, newest[WORLD_MEMBERS]; /* + 1 */
    uint8_t cookie_secret[GIRO_COOKIE_SECRET_BYTES];
    bool dead, mute; /* mute: takes frames, acknowledges, says nothing about them */
    /* What a lying one does. */
    bool lies_results, lies_proofs, denies;
    uint64_t channel_lie; /* not 0: where it says that every channel stands, less 1 */
    enum world_lie swallows;
    uint32_t frames, duplicates, handshakes;
    uint32_t closes, rekeys;
};
struct world_frame {
    struct giro_hash hash;
    uint16_t member, channel, record_count;
    uint64_t sequence, last, height; /* last: of a skip */
    uint64_t durable_ns, certified_ns;
    uint8_t outcome;
    uint32_t not_consumed;
    uint8_t asked_by; /* bitmap of replicas that have it */
    uint8_t told[WORLD_REPLICAS];
    uint8_t *detailed; /* the whole frame, if it has sealed details */
    uint32_t detailed_bytes;
};
struct world_told {
    uint32_t durable, certified, proven, final, nothing;
    uint8_t outcome;
    bool right; /* the last results were those of the ledger */
};
struct world_datagram;
struct world {
    struct hub hub;
    struct giro_courier *courier;
    struct world_replica replicas[WORLD_REPLICAS];
    struct giro_prng prng;
    uint64_t now_ns;
    /* the network */
    uint32_t loss_per_mille, double_per_mille;
    uint64_t delay_min_ns, delay_max_ns;
    uint32_t path_bytes; /* larger datagrams vanish */
    /* the hub */
    uint64_t durable_ns, certify_ns, lifetime_s, rekey_s;
    uint32_t credit_ahead, police_per_mille;
    uint8_t outcome; /* of new frames */
    bool
        suspended; /* receipts say REFUSED, as of a copy after a suspension; the ledger has the first one */
    uint32_t
        not_consumed_first; /* NOT_CONSUMED is said so often of each frame before its outcome */
    /* Where the hub's datagrams go instead of flying. */
    void (*sent)(void *context, uint16_t replica, const uint8_t *bytes, uint32_t size_bytes);
    void *sent_context;
    struct world_frame frames[WORLD_FRAMES];
    uint32_t frame_count;
    uint64_t height;
    /* the member's side */
    struct world_told told[WORLD_FRAMES]; /* by tag */
    uint32_t state_changes, last_state, channels_told;
    uint64_t channel_next;        /* the last one told */
    uint8_t *bytes[WORLD_FRAMES]; /* by tag */
    uint32_t sizes[WORLD_FRAMES], added, final;
    uint64_t final_ns; /* when the last of them was told */
    struct world_datagram *flying;
    uint32_t flying_count;
    uint64_t datagrams;
    uint32_t key_lines;
    char key_line[128];
};

/* world_hub_open makes the hub alone; world_hub_receive hands a replica a datagram; world_hub_turn says what is due and returns when
 * the next thing is. The owner sets now_ns. */
void world_hub_open(struct world *world, uint64_t seed);
void world_hub_receive(struct world *world, uint16_t replica, uint8_t *bytes, uint32_t size_bytes);
uint64_t world_hub_turn(struct world *world);
/* world_open: an honest hub and network, 1 ms away, and a courier. prove: outcomes are to be proven. */
void world_open(struct world *world, bool prove, uint64_t seed);
void world_close(struct world *world);
/* world_add adds frames of one member and channel with so many records each, sequences on from the last. */
void world_add(struct world *world, uint16_t member, uint16_t channel, uint64_t first,
               uint32_t count, uint32_t records);
/* world_run runs until every frame is final or the time has passed; returns whether all are. */
bool world_run(struct world *world, uint64_t limit_ns);
/* world_idle lets time pass. */
void world_idle(struct world *world, uint64_t ns);
struct giro_courier_time world_time(const struct world *world);

#endif
