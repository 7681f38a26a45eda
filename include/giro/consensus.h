/* giro/consensus.h - the pure consensus core: pipelined two-chain HotStuff with timeout certificates (Jolteon /
 * DiemBFT v4 rules), batches made available before they are ordered, execution behind ordering, certificates.
 *
 * Model: giro_consensus_step(core, event, actions). Time is in the event; outputs are data. Same events, same actions,
 * byte for byte. No IO, no clock, no allocation after init.
 *
 * The caller's duties (giro/node.h does them all; the simulator runs that same code):
 *  D1 Before anything else feed RECOVER_SAFETY once, then RECOVER_IMAGE if there is an image (after the executor was loaded from
 *     it), then RECOVER_RECORD for every log record in order, then START.
 *  D2 Perform actions in order. The k-th LOG action since START gets log sequence next_log_sequence + k: nothing else
 *     appends to the log. The core counts on it to know what is durable.
 *  D3 Report the log's watermark with LOG_DURABLE whenever it moved.
 *  D4 SIGN goes to the safety module (giro/safety.h) and comes back as SIGNED; at most one is under way.
 *  D5 SEND bytes are valid until the next step; the transport copies. Loss, reordering and duplication are allowed.
 *  D6 VERIFY: check the member signatures of a batch, answer with VERDICT.
 *  D7 EXECUTE comes in height order, once per height; after a restart again from the height behind the image, or from height
 *     1 without one. Answer with EXECUTED in the same order. During recovery too.
 *  D8 Call with TICK no later than giro_consensus_next_ns.
 *  D9 CHECKPOINT: take the image of this height before anything else is executed (executor's sections, then
 *     giro_consensus_image_sections); when it is on disk, CHECKPOINTED. It may be left out. KEEP: write its manifest; then the
 *     log before the log_sequence of the image before it is not needed any more. STATE_SYNC: fetch an image from peers; it is
 *     loaded by starting again.
 *  D10 After HALT stop feeding events; save the files; tell the operator.
 *
 * Sources: HotStuff (Yin et al. 2019), Jolteon and Ditto (Gelashvili et al. 2022), DiemBFT v4 (2021), Narwhal (Danezis
 * et al. 2022); shared design, consensus.md sections 1-5.
 */
#ifndef GIRO_CONSENSUS_H
#define GIRO_CONSENSUS_H

#include "giro/crypto.h"
#include "giro/wire.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GIRO_PEER_ALL          0xFFFFu /* every other replica (not the sender itself) */
#define GIRO_CERTIFIED_LAG_MAX 32u     /* a block with payload has height <= c + 32 */
#define GIRO_FAR_FUTURE_ROUNDS 1024u

struct giro_consensus_options {
    uint32_t replica_count;
    uint32_t self;
    struct giro_hash chain_id;
    struct giro_hash genesis_block_id; /* parent of height 1 */
    uint64_t epoch;                    /* 1 */
    uint64_t round_floor_ns;           /* floor of T_base */
    uint64_t clock_bound_ns;           /* D */
    uint64_t batch_ttl_ns;             /* >= 20 D */
    const struct giro_key_ring *ring;
    const struct giro_key_handle *vote_keys;  /* replica_count handles, borrowed */
    const struct giro_key_handle *batch_keys; /* replica_count handles, borrowed */
    const struct giro_secret_key
        *batch_key; /* signs acknowledgements, proposals, commit votes, hellos */
    /* sign is who signs in batch_key's place: one that also records, or a replay. NULL: giro_sign. */
    struct giro_signature (*sign)(void *context, const void *message, size_t message_bytes);
    void *sign_context;
    uint8_t nonce[16];       /* fresh random number at each start (HELLO) */
    uint32_t blocks_max;     /* block pool, >= 128 */
    uint32_t batches_max;    /* batch bodies in memory, >= 4 x replica_count */
    uint32_t references_max; /* batches in a block proposed here; 0 = GIRO_BLOCK_REFERENCES_MAX */
    uint32_t executed_max; /* executed batches remembered until they expire, <= 65,536; 0 = that */
    uint64_t map_seed;     /* local hash seed; not observable */
};
struct giro_consensus;

/* ---- Events ------------------------------------------------------------------------------------------------ */

enum giro_event_kind {
    GIRO_EVENT_RECOVER_SAFETY,
    GIRO_EVENT_RECOVER_IMAGE,
    GIRO_EVENT_RECOVER_RECORD,
    GIRO_EVENT_START,
    GIRO_EVENT_TICK,
    GIRO_EVENT_MESSAGE,
    GIRO_EVENT_LOG_DURABLE,
    GIRO_EVENT_SIGNED,
    GIRO_EVENT_LOCAL_BATCH,
    GIRO_EVENT_VERDICT,
    GIRO_EVENT_EXECUTED,
    GIRO_EVENT_CHECKPOINTED,
};
/* What the safety module remembers and signs. vote and timeout are without signature unless SIGNED. */
struct giro_safety_state {
    uint64_t epoch;
    uint64_t last_voted_round;
    uint64_t lock_round;
    uint64_t last_timeout_round;
    uint64_t incarnation; /* of this run, already durable */
    uint64_t log_watermark;
    struct giro_vote last_vote;              /* round 0 = none */
    struct giro_timeout_header last_timeout; /* round 0 = none */
};
struct giro_event {
    enum giro_event_kind kind;
    uint64_t now_ns;  /* monotonic */
    uint64_t wall_ns; /* UTC since 1970 */
    union {
        const struct giro_safety_state *recover_safety;
        struct {
            const uint8_t *manifest; /* encoded */
            const uint8_t *sections; /* of the image: BLOCK and what follows it */
            uint32_t manifest_bytes, sections_bytes;
            uint64_t next_due_ns; /* as the executor says */
        } recover_image;
        struct {
            uint16_t kind; /* enum giro_log_kind */
            const uint8_t *body;
            uint32_t body_bytes;
        } recover_record;
        struct {
            uint64_t next_log_sequence;
        } start;
        struct {
            uint16_t sender;      /* as authenticated by the link */
            const uint8_t *bytes; /* envelope and body */
            uint32_t size_bytes;
        } message;
        struct {
            uint64_t watermark;
        } log_durable;
        struct {
            bool is_timeout;
            bool refused; /* the safety module would not sign: GIRO_REJECT_* in reject */
            enum giro_reject reject;
            struct giro_vote vote;
            struct giro_timeout_header timeout;
        } signed_;
        struct {
            const uint8_t *
                frames; /* packed as in a batch: (size 4 | frame | zeros to 4)*, already verified */
            uint32_t frames_bytes;
            uint32_t frame_count;
            uint32_t record_count;
        } local_batch;
        struct {
            uint32_t slot; /* as in VERIFY */
            struct giro_hash batch_id;
            bool valid;
        } verdict;
        struct {
            uint64_t height;
            struct giro_hash state_root;
            struct giro_hash ledger_root;
            uint32_t
                repeated_frames[GIRO_BLOCK_REFERENCES_MAX]; /* of each batch: executed before */
            uint64_t
                next_due_ns; /* block time at which the state wants a block; UINT64_MAX = none */
            bool checkpoint; /* a checkpoint is due at this height: the same at every replica */
        } executed;
        struct {
            uint64_t height;
            struct giro_hash image_root;
        } checkpointed;
    };
};

/* ---- Actions ------------------------------------------------------------------------------------------------- */

enum giro_action_kind {
    GIRO_ACTION_LOG,       /* append a record */
    GIRO_ACTION_SIGN,      /* to the safety module */
    GIRO_ACTION_SEND,      /* to a peer or all */
    GIRO_ACTION_VERIFY,    /* check the frames of a batch */
    GIRO_ACTION_EXECUTE,   /* a committed block whose bodies are here */
    GIRO_ACTION_CERTIFIED, /* q replicas signed the roots of a height */
    GIRO_ACTION_AVAILABLE, /* an own batch has its proof of availability: DURABLE receipts */
    GIRO_ACTION_SERVE, /* a peer asked for what is only on disk: read it and send it, or NOT_FOUND */
    GIRO_ACTION_EVIDENCE,   /* two messages that no honest replica signs */
    GIRO_ACTION_CHECKPOINT, /* take an image of this height now */
    GIRO_ACTION_KEEP,       /* q replicas signed that image */
    GIRO_ACTION_STATE_SYNC, /* peers no longer have what comes next: an image is needed */
    GIRO_ACTION_HALT,       /* a q-certificate contradicts this replica, or it contradicts itself */
};
#define GIRO_ACTION_PARTS_MAX 3u
struct giro_action {
    enum giro_action_kind kind;
    union {
        struct {
            enum giro_log_kind record;
            struct giro_part parts[GIRO_ACTION_PARTS_MAX];
            uint32_t part_count;
            uint64_t sequence; /* the log sequence it must get */
            struct giro_hash
                key; /* block id, batch id, or zero: what the caller's index files it under */
            uint64_t height; /* blocks, roots, certificates */
        } log;
        struct {
            bool is_timeout;
            struct giro_vote vote;              /* unsigned */
            struct giro_timeout_header timeout; /* unsigned */
            uint64_t lock_round;
            uint64_t after_log; /* submit only when the watermark covers this sequence */
        } sign;
        struct {
            uint16_t peer; /* or GIRO_PEER_ALL */
            struct giro_peer_envelope envelope;
            struct giro_part parts[GIRO_ACTION_PARTS_MAX]; /* the body */
            uint32_t part_count;
        } send;
        struct {
            uint32_t slot;
            struct giro_hash batch_id;
            const uint8_t *bytes; /* whole batch; stays put until VERDICT */
            uint32_t size_bytes;
        } verify;
        struct {
            const struct giro_proposal *block;
            uint32_t batch_count;
            const uint8_t *batches
                [GIRO_BLOCK_REFERENCES_MAX]; /* whole batches, in payload order; valid until EXECUTED */
            uint32_t batch_bytes[GIRO_BLOCK_REFERENCES_MAX];
            bool recovering; /* before START */
        } execute;
        struct {
            const struct giro_certificate *certificate;
            bool recovering;
        } certified;
        struct {
            struct giro_hash batch_id;
            uint64_t expiry_ns;
            const uint8_t *bytes; /* the batch */
            uint32_t size_bytes;
        } available;
        struct {
            uint16_t peer;
            uint16_t wanted_kind; /* GIRO_KIND_BLOCK, BATCH or CERTIFICATE */
            struct giro_hash id;  /* zero: by height */
            uint64_t height;
            uint32_t count;
        } serve;
        struct {
            enum giro_reject reject;
            enum giro_kind what; /* of both: BLOCK, VOTE, TIMEOUT, COMMIT_VOTE */
            uint16_t offender;
            uint64_t round;                 /* height of commit votes */
            struct giro_part first, second; /* as in giro/wire/store.h */
        } evidence;
        struct {
            uint64_t height;
        } checkpoint;
        struct {
            const struct giro_checkpoint *checkpoint;
            const struct giro_certificate *certificate; /* of the height */
            const struct giro_qc *qc;                   /* names the block or commits it */
            uint64_t
                log_sequence; /* the log is needed from here on; 0: from where this start needed it */
        } keep;
        struct {
            uint64_t above_height;
        } state_sync;
        struct {
            const char *reason;
            uint64_t height;
        } halt;
    };
};
#define GIRO_ACTIONS_MAX 512u
/* Bounded array and scratch for encoded bytes. The core never needs more in one step: recovery and catch-up
 * continue on the next TICK when it runs short. */
struct giro_actions {
    uint32_t count;
    struct giro_action items[GIRO_ACTIONS_MAX];
    uint8_t *scratch; /* scratch_bytes, borrowed; >= 4 MiB */
    size_t scratch_bytes;
    size_t scratch_used;
};

/* ---- The object -------------------------------------------------------------------------------------------------- */

size_t giro_consensus_footprint(const struct giro_consensus_options *options);
struct giro_consensus *giro_consensus_init(void *mem, size_t size_bytes,
                                           const struct giro_consensus_options *options);
/* giro_consensus_step handles one event; actions is cleared first. */
void giro_consensus_step(struct giro_consensus *core, const struct giro_event *event,
                         struct giro_actions *actions);
/* giro_consensus_next_ns: monotonic time of the next TICK needed, UINT64_MAX = none. */
uint64_t giro_consensus_next_ns(const struct giro_consensus *core);
/* giro_consensus_batch_room: own batches that may still be handed in (LOCAL_BATCH); 0 = back-pressure. */
uint32_t giro_consensus_batch_room(const struct giro_consensus *core);
/* giro_consensus_ordering: a block with payload is not committed yet, so more blocks are about to come. */
bool giro_consensus_ordering(const struct giro_consensus *core);
uint32_t giro_consensus_own_in_flight(
    const struct giro_consensus *core); /* own batches without a proof yet */

/* Why this replica stopped, for a file that its operator keeps. */
struct giro_halt {
    const char *reason;
    uint64_t height;
    bool has_own, has_logged, has_certificate;
    struct giro_commit_body own;    /* what it computed for that height */
    struct giro_commit_body logged; /* what its log says it computed before a restart */
    struct giro_certificate certificate;
    const struct giro_proposal *block; /* of that height; NULL if it is not here */
};
/* giro_consensus_halt returns it, NULL while the replica has not stopped. Valid as long as the core. */
const struct giro_halt *giro_consensus_halt(const struct giro_consensus *core);
/* giro_halted_make: what a replica that stopped tells the others. */
struct giro_halted giro_halted_make(uint64_t epoch, const struct giro_halt *halt);
/* giro_consensus_peer_halted: the height at which a replica said it stopped; 0 = it did not, or is back. */
uint64_t giro_consensus_peer_halted(const struct giro_consensus *core, uint32_t peer);
/* giro_consensus_image_sections appends the core's sections to an image of the last executed height. */
void giro_consensus_image_sections(const struct giro_consensus *core, struct giro_image *image);
/* giro_consensus_manifest_check verifies the signatures of a decoded manifest: checkpoint, certificate, QC. */
enum giro_reject giro_consensus_manifest_check(struct giro_consensus *core,
                                               const struct giro_manifest *manifest) GIRO_MUST_USE;

struct giro_consensus_status {
    uint64_t epoch, round, high_qc_round, committed_height, executed_height, certified_height;
    uint64_t checkpoint_height; /* the newest one known to be signed by q */
    uint64_t committed_time_ns;
    uint64_t incarnation;
    uint64_t no_quorum_height; /* no root of it can reach q: ordering stops at 32 above; 0 = none */
    uint64_t round_base_ns;    /* T_base: the round timer before its back-off */
    bool starting;             /* waiting for HELLO answers */
    bool observer;             /* may not sign: own record is older than what peers saw */
    bool halted;
    uint64_t timeouts_sent, blocks_proposed, votes_sent, fetches_sent;
    uint64_t rejects[GIRO_REJECT_COUNT_OF_REASONS]; /* of all peers and of what this replica did */
};
void giro_consensus_status(const struct giro_consensus *core, struct giro_consensus_status *status);
/* giro_consensus_peer_rejects: what one replica sent that was refused, by reason. */
void giro_consensus_peer_rejects(const struct giro_consensus *core, uint32_t peer,
                                 uint64_t rejects[GIRO_REJECT_COUNT_OF_REASONS]);
/* giro_consensus_evidence: the evidence kept against one replica, at most GIRO_EVIDENCE_PER_REPLICA; returns how many there are
 * and points records[i] at them (struct giro_evidence_header and the two messages). */
uint32_t giro_consensus_evidence(const struct giro_consensus *core, uint32_t offender,
                                 struct giro_part records[GIRO_EVIDENCE_PER_REPLICA]);
/* giro_consensus_check verifies the invariants that one replica can see; asserts. O(pools). */
void giro_consensus_check(const struct giro_consensus *core);

#ifdef __cplusplus
}
#endif
#endif
