/* tests/twins/hub.h - consensus cores and their safety modules joined by a queue in memory: the smallest thing that can
 * break the rules of consensus, made to run thousands of short histories a second.
 *
 * An *instance* is one core with its safety module over a disk in memory, and a log in memory. Two instances may have one
 * *identity*: the same keys, the same name, two lives (a twin: Bano et al. 2020). Identities that are doubled, or whose keys
 * the tests use for forging (forge.c), are not honest; all checks (watch.c) are about the honest ones.
 *
 * A hub is made once; hub_reset takes it back to the moment of hub_freeze, so that a history costs what happens in it and
 * not the start. Everything is deterministic. Signatures are keyed hashes (tests/sim/signatures.c).
 *
 * Executors are instant: the state root is the hash of the chain of blocks. Frames are not signed: verdicts are always valid. */
#ifndef GIRO_TESTS_TWINS_HUB_H
#define GIRO_TESTS_TWINS_HUB_H

#include <stdio.h>

#include "giro/safety.h"
#include "giro/sys.h"

#define HUB_REPLICAS_MAX  10u
#define HUB_INSTANCES_MAX 13u
#define HUB_MESSAGES_MAX  8192u
#define HUB_RECORDS_MAX   4096u
#define HUB_HEIGHTS_MAX   1024u
#define HUB_ROUNDS_MAX    2048u
#define HUB_BLOCKS_MAX    2048u
#define HUB_EVENTS_MAX    1024u
#define HUB_WALL_NS       (UINT64_C(1800000000) * GIRO_NS_PER_S)
#define HUB_FLOOR_NS      UINT64_C(20000000)
#define HUB_BOUND_NS      UINT64_C(250000000)
#define HUB_SAFETY_BYTES  (64u * 4096u)

/* ---- region.c: memory that goes back to what it was --------------------------------------------------------------- */

enum region_mark { REGION_MADE, REGION_FROZEN, REGION_MARKS };
struct region {
    uint8_t *memory;
    size_t size_bytes;
    int files[REGION_MARKS];
};
void region_new(struct region *region, size_t size_bytes);
void region_mark(struct region *region, enum region_mark mark);
void region_back(struct region *region, enum region_mark mark);
void region_free(struct region *region);

/* ---- Instances ------------------------------------------------------------------------------------------------ */

struct hub_record {
    uint16_t kind;
    struct giro_hash key;
    uint64_t height;
    uint8_t *bytes;
    uint32_t size_bytes;
};
struct hub_write {
    uint64_t offset, tag;
    const uint8_t *bytes;
    bool applied;
};
/* One file, the safety module's: what is durable, and what was submitted. */
struct hub_disk {
    struct giro_disk disk;
    uint8_t *file; /* HUB_SAFETY_BYTES */
    bool there;
    struct hub_write writes[4];
    uint32_t write_count;
    uint64_t done[4]; /* tags of completions to be polled */
    uint32_t done_count;
};
struct hub_node {
    uint32_t identity;
    struct giro_consensus_options options;
    struct giro_consensus *core;
    struct region core_region;    /* as giro_consensus_init left it, and as frozen */
    struct region durable_region; /* the safety module's memory and its file */
    struct giro_safety *safety;
    struct hub_disk disk;
    bool up;
    uint64_t life;
    struct hub_record *records; /* HUB_RECORDS_MAX */
    uint32_t record_count;      /* written; durable up to watermark */
    uint64_t watermark, reported;
    int64_t skew_ns;
    struct giro_hash state_root;
    uint64_t executed;    /* height, in this life */
    uint64_t batch_count; /* own batches handed in, over all lives */
    uint64_t batches_executed;
};

/* ---- Messages ------------------------------------------------------------------------------------------------- */

struct hub_message {
    uint16_t from, to; /* instances; from HUB_FORGED: made by a test, from_identity says as whom */
    uint16_t from_identity;
    uint16_t kind;
    uint64_t round; /* the sender's */
    const uint8_t *bytes;
    uint32_t size_bytes;
};
#define HUB_FORGED 0xFFFFu

/* ---- What the watcher knows (watch.c) --------------------------------------------------------------------------- */

/* Ids are cut to their first eight bytes. */
struct watch_group { /* votes for the same thing */
    uint64_t block, commit, parent_round;
    uint32_t voters;
};
struct watch_round {
    struct watch_group groups[4];
    uint64_t qc_block;                /* certified; 0 = none */
    uint64_t votes[HUB_REPLICAS_MAX]; /* hash of the fields of an honest replica's vote */
    uint32_t timeouts;                /* who timed out */
};
struct watch_block {
    uint64_t id, parent, round, height;
    bool committed; /* a QC chain commits it */
    bool forbidden; /* forged so that no honest replica may vote for it */
};
struct watch_safety {
    uint64_t last_voted_round, lock_round, last_timeout_round, incarnation;
};
struct hub_watch {
    struct watch_round rounds[HUB_ROUNDS_MAX];
    struct watch_block blocks[HUB_BLOCKS_MAX]; /* open addressing by id */
    uint32_t block_count;
    uint64_t qc_round, tc_round; /* highest that voters and timeouts make possible */
    uint64_t executed[HUB_HEIGHTS_MAX];
    uint64_t top_height;
    struct {
        uint64_t id, height;
    } batches[HUB_BLOCKS_MAX]; /* executed ones, open addressing */
    uint64_t timeout_round[HUB_REPLICAS_MAX];
    struct watch_safety safety[HUB_INSTANCES_MAX];
    uint64_t qcs, tcs, commits, votes, checks;
};

/* ---- Hub --------------------------------------------------------------------------------------------------------- */

struct hub_options {
    uint32_t replica_count;
    uint32_t instance_count; /* 0: one per replica */
    uint8_t identities[HUB_INSTANCES_MAX];
    uint32_t dishonest; /* bit per identity whose keys tests use; twins are added by themselves */
    bool slow_disks;    /* nothing is durable before hub_disk_step */
};
struct hub {
    struct hub_options options;
    uint32_t quorum, dishonest;
    struct giro_hash chain_id, genesis_id;
    struct giro_key_ring *ring;
    struct giro_key_handle vote_keys[HUB_REPLICAS_MAX], batch_keys[HUB_REPLICAS_MAX];
    struct giro_secret_key *vote_secrets[HUB_REPLICAS_MAX], *batch_secrets[HUB_REPLICAS_MAX];
    uint64_t now_ns;
    uint64_t next_due_ns;
    struct hub_node nodes[HUB_INSTANCES_MAX];
    uint32_t message_count;
    uint64_t steps, delivered, dropped;
    size_t bytes_used;
    struct hub_watch watch;
    bool failed;
    char failure[256];
    /* Kept over hub_reset. */
    struct hub_message *messages; /* HUB_MESSAGES_MAX */
    uint8_t *bytes;               /* bodies of messages and records */
    size_t bytes_max;
    struct giro_actions *actions;
    struct giro_event *events;
    struct hub *frozen;
    /* Return false to lose a message. */
    bool (*filter)(struct hub *hub, const struct hub_message *message);
    /* Sees every message of every instance once, before it is queued. */
    void (*listen)(struct hub *hub, uint32_t instance, const struct giro_peer_envelope *envelope,
                   const uint8_t *body);
    void *context;
};

/* hub_new makes the hub and starts every instance. */
struct hub *hub_new(const struct hub_options *options);
void hub_free(struct hub *hub);
void hub_freeze(struct hub *hub); /* with no message under way */
void hub_reset(struct hub *hub);
void hub_fail(struct hub *hub, const char *format, ...) __attribute__((format(printf, 2, 3)));
uint8_t *hub_keep(struct hub *hub, const void *bytes, size_t size_bytes);

static inline bool hub_honest(const struct hub *hub, uint32_t identity)
{
    return (hub->dishonest >> identity & 1) == 0;
}

/* ---- node.c: one instance */
void hub_start(struct hub *hub, uint32_t instance);
/* hub_kill ends an instance: the log keeps `records` records (at least those that were durable), submitted safety writes
 * reach the disk or not, each by its bit of `writes`. */
void hub_kill(struct hub *hub, uint32_t instance, uint32_t records, uint32_t writes);
void hub_event(struct hub *hub, uint32_t instance, const struct giro_event *event);
void hub_tick(struct hub *hub, uint32_t instance);
/* hub_disk_step makes something durable: part of the log, or a safety write; false if nothing was under way. */
bool hub_disk_step(struct hub *hub, uint32_t instance, bool log_first);
/* hub_pay hands one batch to an instance; false if it takes none now. */
bool hub_pay(struct hub *hub, uint32_t instance);
uint64_t hub_wall_ns(const struct hub *hub, uint32_t instance);
uint64_t hub_round(const struct hub *hub, uint32_t instance);
struct giro_consensus_status hub_status(const struct hub *hub, uint32_t instance);

/* ---- disk.c */
void hub_disk_open(struct hub_disk *disk);
void hub_disk_complete(struct hub_disk *disk, uint32_t index);

/* ---- network, in hub.c */
void hub_send(struct hub *hub, uint32_t from, const struct giro_action *action);
/* hub_send_forged queues a message of a dishonest identity to one instance. */
void hub_send_forged(struct hub *hub, uint32_t identity, uint32_t to, enum giro_kind kind,
                     const void *body, size_t size_bytes);
void hub_deliver(struct hub *hub, uint32_t index); /* that message of the queue */
void hub_drop(struct hub *hub, uint32_t index);
/* hub_deliver_all delivers in the order sent until nothing is queued; false if it does not end within steps. */
bool hub_deliver_all(struct hub *hub, uint64_t steps);
/* hub_wake moves time to the next moment a core asked for and ticks whoever is due; false: nobody asks, or not before
 * until_ns. */
bool hub_wake(struct hub *hub, uint64_t until_ns);
uint32_t hub_leader(const struct hub *hub, uint32_t instance, uint64_t round, uint64_t height);
/* hub_heals: with everything connected and up, every honest instance commits `blocks` more than the highest now. */
bool hub_heals(struct hub *hub, uint64_t blocks, uint64_t within_ns);

/* ---- watch.c */
void watch_open(struct hub *hub);
void watch_send(struct hub *hub, uint32_t instance, const struct giro_peer_envelope *envelope,
                const uint8_t *body);
void watch_vote(struct hub *hub, const struct giro_vote *vote); /* of anybody */
void watch_timeout(struct hub *hub, const struct giro_timeout_header *timeout);
void watch_log(struct hub *hub, const struct hub_record *record);
void watch_execute(struct hub *hub, uint32_t instance, const struct giro_proposal *block);
void watch_evidence(struct hub *hub, uint32_t instance, uint16_t offender);
void watch_safety(struct hub *hub, uint32_t instance); /* reads the file as a start would: I4 */
void watch_check(
    struct hub *hub,
    bool pools); /* observers; pools: each core's own check (I9), which walks all its maps */
/* watch_batch_below: the block or one below it is the executed one that carries the batch. */
bool watch_batch_below(struct hub *hub, uint64_t block, const struct giro_hash *batch);
struct watch_block *watch_block(struct hub *hub, uint64_t id);
struct watch_block *watch_block_add(struct hub *hub, uint64_t id, uint64_t parent, uint64_t round,
                                    uint64_t height);
uint64_t watch_id(const struct giro_hash *hash);

#endif
