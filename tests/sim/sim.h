/* tests/sim/sim.h - the engine of the simulator: virtual time, a faulty network, faulty disks, replicas' lives and the plan
 * of faults, in one process. What lives over the disks is a *body*: node.h (giro_node, a light executor: fast) or full.h
 * (giro_replica, settlement and windows: checks money). Both are the object code of girod.
 *
 * Model: events ordered by (time, sequence). Everything random comes from generators seeded by the history's seed, so a
 * seed is a history: same seed, same program, same trace hash. Each kind of fault has a generator of its own: leaving one
 * kind out changes no draw of the others. It allocates freely; nothing here is on a payment path.
 *
 * Files: hub.c keys and genesis; signatures.c cheap ones; world.c time and events; network.c links; life.c replicas' lives
 * over their disks; watch_safety.c safety files and logs; watch_wire.c votes, timeouts, proposals; faults.c the plan,
 * faults_life.c deaths and disks, faults_net.c links and clocks. */
#ifndef GIRO_TESTS_SIM_H
#define GIRO_TESTS_SIM_H

#include <stdio.h>

#include "giro/genesis.h"
#include "giro/node.h"
#include "giro/sys.h"

#define SIM_REPLICAS_MAX  GIRO_REPLICAS_MAX
#define SIM_TWINS_MAX     33u /* f at n = 100 */
#define SIM_INSTANCES_MAX (SIM_REPLICAS_MAX + SIM_TWINS_MAX)
#define SIM_MEMBERS       6u
#define SIM_CURRENCIES    2u
#define SIM_WALL_START_NS (UINT64_C(1795489200) * GIRO_NS_PER_S) /* 2026-11-24T03:00:00Z */
#define SIM_MONO_START_NS (100u * GIRO_NS_PER_S)
#define SIM_MS            UINT64_C(1000000)
#define SIM_PREFUNDED     INT64_C(1000000000)
#define SIM_HOLD          INT64_C(400000000)
#define SIM_CAP           INT64_C(300000000)

/* ---- Hub: what all histories of one size share ------------------------------------------------------------------ */

struct sim_hub {
    struct giro_genesis genesis;
    struct giro_key_ring *ring;
    struct giro_secret_key *vote_keys[SIM_REPLICAS_MAX], *batch_keys[SIM_REPLICAS_MAX];
    struct giro_key_handle vote_handles[SIM_REPLICAS_MAX], batch_handles[SIM_REPLICAS_MAX];
    struct giro_secret_key *member_keys[SIM_MEMBERS];
    uint8_t window_secret[32];
};
/* tables: for real signatures; keyed hashes need none. */
void sim_hub_open(struct sim_hub *hub, uint32_t replica_count, uint32_t cycle_seconds, bool tables);
void sim_hub_close(struct sim_hub *hub);
/* signatures.c: keyed hashes for the keys of this genesis from now on, or Ed25519 (at the start). */
void sim_signatures_fast(const struct giro_genesis *genesis);
void sim_signatures_real(void);

/* ---- Faults ------------------------------------------------------------------------------------------------------- */

/* X(NAME, option, text): kinds of fault. The first part strikes at any replica; the second damages media, and the third
 * makes traitors: both only among the f replicas that a history may lose. */
#define SIM_FAULT_MAP(X)                                                                           \
    X(CRASH, "crash", "crashes")                                                                   \
    X(POWER, "power", "power losses")                                                              \
    X(KILL_ALL, "kill-all", "deaths of all")                                                       \
    X(CUT_WRITES, "cut", "write cuts")                                                             \
    X(START_CUT, "start-cut", "starts cut")                                                        \
    X(PARTITION, "partition", "partitions")                                                        \
    X(ONE_WAY, "one-way", "one-way cuts")                                                          \
    X(FLAP, "flap", "flapping links")                                                              \
    X(LOSS, "loss", "loss storms")                                                                 \
    X(DUPLICATE, "duplicate", "duplication storms")                                                \
    X(REORDER, "reorder", "reordering storms")                                                     \
    X(DELAY, "delay", "delay storms")                                                              \
    X(CLOG, "clog", "clogged links")                                                               \
    X(CORRUPT, "corrupt", "corruption storms")                                                     \
    X(SLOW_DISK, "slow-disk", "slow disks")                                                        \
    X(DISK_FULL, "disk-full", "full disks")                                                        \
    X(DISK_ERROR, "disk-error", "failing writes")                                                  \
    X(READ_ERROR, "read-error", "failing reads")                                                   \
    X(CLOCK_STEP, "clock-step", "clock steps")                                                     \
    X(CLOCK_FROZEN, "clock-frozen", "frozen clocks")                                               \
    X(SHORT_TIMER, "short-timer", "timers below the round trip")                                   \
    X(MISDIRECT, "misdirect", "misdirected writes")                                                \
    X(ROT, "rot", "flipped bits")                                                                  \
    X(SAFETY_GONE, "safety-gone", "safety files deleted")                                          \
    X(SAFETY_BACK, "safety-back", "disks rolled back")                                             \
    X(TWINS, "twins", "twins")                                                                     \
    X(EQUIVOCATE, "equivocate", "equivocating proposals")                                          \
    X(DOUBLE_VOTE, "double-vote", "double votes")                                                  \
    X(WITHHOLD, "withhold", "messages withheld")                                                   \
    X(LATE, "late", "messages late")                                                               \
    X(ONE_SIDED, "one-sided", "one-sided votes")                                                   \
    X(FORGE, "forge", "forged certificates")                                                       \
    X(STALE, "stale", "stale proposals")                                                           \
    X(LIE_SYNC, "lie-sync", "lying sync info")                                                     \
    X(BACKDATE, "backdate", "wrong block times")                                                   \
    X(BAD_BATCH, "bad-batch", "bad batches")                                                       \
    X(REPLAY, "replay", "replays")                                                                 \
    X(GARBAGE, "garbage", "garbage")                                                               \
    X(SLOW_LEADER, "slow-leader", "slow traitors")                                                 \
    X(LIE_HELLO, "lie-hello", "lying answers to a start")
enum sim_fault {
#define SIM_FAULT_ENUM(name, option, text) SIM_FAULT_##name,
    SIM_FAULT_MAP(SIM_FAULT_ENUM)
#undef SIM_FAULT_ENUM
        SIM_FAULTS
};
#define SIM_FAULT_FIRST_MEDIA   SIM_FAULT_MISDIRECT
#define SIM_FAULT_FIRST_TRAITOR SIM_FAULT_TWINS
#define SIM_FAULT_BIT(fault)    (UINT64_C(1) << (fault))
#define SIM_FAULTS_ALL          (SIM_FAULT_BIT(SIM_FAULTS) - 1)
/* What a hub whose money is checked is put through: no replica is lost for good. */
#define SIM_FAULTS_HONEST (SIM_FAULT_BIT(SIM_FAULT_FIRST_MEDIA) - 1)
const char *sim_fault_text(enum sim_fault fault);
const char *sim_fault_option(enum sim_fault fault);

/* ---- Replicas -------------------------------------------------------------------------------------------------------- */

struct sim_world;
struct sim_replica;
/* What is simulated over one disk. stop follows every start, also one that failed. */
struct sim_body {
    enum giro_err (*start)(struct sim_replica *replica);
    void (*stop)(struct sim_replica *replica);
    void (*message)(struct sim_replica *replica, uint16_t sender, const void *bytes,
                    uint32_t size_bytes);
    enum giro_err (*poll)(struct sim_replica *replica);
    uint64_t (*next_ns)(const struct sim_replica *replica); /* on the replica's monotonic clock */
    void (*status)(const struct sim_replica *replica, struct giro_consensus_status *status);
    void (*check)(struct sim_world *world);
    /* An image came from the others; it starts again from it. NULL = not wanted. */
    void (*synced)(struct sim_replica *replica);
    /* Everything sent, by traitors too, before it is on a link; NULL = not wanted. */
    void (*witness)(struct sim_replica *replica, uint16_t body_kind, const uint8_t *body,
                    uint32_t body_bytes);
    /* What leaves a traitor passes here first; NULL = none. */
    void (*traitor_send)(struct sim_world *world, uint32_t from, uint16_t peer,
                         const uint8_t *bytes, uint32_t size_bytes);
    /* What reaches a traitor may be changed for it. */
    uint32_t (*traitor_hear)(struct sim_world *world, uint32_t to, uint8_t *bytes,
                             uint32_t size_bytes);
};
/* The highest numbers ever seen in a replica's safety file (I4) and in its signatures. */
struct sim_safety_seen {
    uint64_t sequence, last_voted_round, lock_round, last_timeout_round, incarnation;
};
struct sim_replica {
    struct sim_world *world;
    uint32_t instance; /* place in world->replicas */
    uint32_t index;    /* which replica it is: instance, or whose twin */
    struct giro_disk_faulty *faulty;
    struct giro_disk disk;
    bool up;
    bool expendable; /* one of the f that a history may lose */
    bool traitor;
    bool damaged;           /* its media were damaged on purpose: it may refuse, and be missed */
    bool gone;              /* it refused to start on damaged media: down for good */
    uint64_t disk_ahead_ns; /* the disk's clock runs ahead by the time that starts took */
    int64_t skew_ns;
    uint64_t frozen_ns; /* what its wall clock shows while it is frozen; 0 = it runs */
    uint64_t wake_ns;
    uint64_t life;          /* starts so far */
    uint64_t height;        /* executed in this life */
    uint64_t first_vote;    /* round of this life's first vote on the wire, 0 = none yet */
    uint64_t timeout_round; /* highest timeout sent in this life */
    uint64_t
        voted_parent; /* highest parent round of its votes in all lives: its lock on the wire */
    uint64_t wakes;
    bool cut;      /* nothing more reaches its disk: it has to die */
    bool io_fault; /* EIO or a full disk may stop it */
    struct giro_disk_faults disk_faults;
    struct sim_safety_seen seen;
    void *body; /* of the body's own */
};
/* Nothing it does is held against the hub: it counts among the f. */
static inline bool sim_excused(const struct sim_replica *replica)
{
    return replica->traitor || replica->damaged;
}

/* ---- Links ------------------------------------------------------------------------------------------------------------- */

struct sim_link {
    uint64_t delay_min_ns, delay_max_ns;
    uint64_t clog_until_ns; /* nothing arrives before */
    uint64_t bytes_per_s;   /* 0 = any */
    uint64_t busy_until_ns; /* with what was sent before, at bytes_per_s */
    uint16_t loss_per_mille, double_per_mille, corrupt_per_mille;
    uint16_t overtake_per_mille; /* messages that do not wait for those before them */
    bool cut;
};

/* ---- World ------------------------------------------------------------------------------------------------------------------ */

#define SIM_LEADERS_MAX                                                                            \
    4u /* of one round: blocks of different heights may have different leaders */
struct sim_round {
    bool has_qc;
    struct giro_hash qc_block;
    uint32_t block_count;
    struct giro_hash blocks[SIM_LEADERS_MAX];
    uint16_t authors[SIM_LEADERS_MAX];
    uint64_t *votes; /* digest of each replica's vote, 0 = none seen */
};
typedef void sim_function(struct sim_world *world, uint64_t a, uint64_t b, void *data);
struct sim_event {
    uint64_t at_ns, order;
    sim_function *function;
    uint64_t a, b;
    void *data; /* owned by the event; freed after the call unless NULL */
};
struct sim_options {
    uint64_t seed;
    uint32_t replica_count;
    uint64_t seconds;        /* of load and faults; 0 = by the seed */
    uint64_t faults;         /* bits of kinds that may be; the seed chooses among them */
    bool faults_all;         /* all of them, whatever the seed would choose */
    uint32_t load_per_mille; /* of the load the seed chose */
    uint32_t image_every;    /* heights between checkpoints; 0: as the seed says */
    uint32_t repeat;         /* of a scenario with several worlds: which */
    FILE *trace;             /* or NULL */
};
struct sim_world {
    struct sim_options options;
    const struct sim_hub *hub;
    const struct sim_body *body;
    struct giro_prng prng, network_prng, fault_prng[SIM_FAULTS];
    uint64_t now_ns;
    struct sim_event *heap;
    uint32_t heap_count, heap_room;
    uint64_t order;
    uint64_t trace_hash, trace_count;
    uint32_t replica_count, instance_count, faulty_max, quorum;
    uint64_t round_floor_ns;
    struct sim_replica replicas[SIM_INSTANCES_MAX];
    struct sim_link links[SIM_INSTANCES_MAX][SIM_INSTANCES_MAX];
    uint64_t last_ns[SIM_INSTANCES_MAX]
                    [SIM_INSTANCES_MAX]; /* when the last message in order arrives */
    struct sim_link normal, member_link;
    struct giro_disk_faults disk_faults;
    /* the plan of faults */
    uint64_t faults_on; /* bits */
    uint64_t strike_gap_ns[SIM_FAULTS];
    uint64_t faults_end_ns;
    bool calm; /* healed for good: late mends do nothing */
    /* watcher of the wire */
    struct sim_round *rounds;
    uint64_t round_room, top_round;
    uint32_t scan_every; /* one vote in so many has the log scanned for its block */
    /* bodies' own */
    struct sim_full *full;
    struct sim_nodes *nodes;
    /* results */
    uint64_t faults[SIM_FAULTS];
    uint64_t messages, lost, doubled, steps, scans, votes, starts;
    uint64_t top_height;
    bool failed;
    char failure[512];
};

void sim_world_open(struct sim_world *world, const struct sim_hub *hub, const struct sim_body *body,
                    const struct sim_options *options);
void sim_world_close(struct sim_world *world);
/* sim_twin_open adds a second instance of a replica, with a disk of its own; both are traitors from now on. */
void sim_twin_open(struct sim_world *world, uint32_t index);
/* sim_at calls function at the time (not before now). data is malloc'ed or NULL. */
void sim_at(struct sim_world *world, uint64_t at_ns, sim_function *function, uint64_t a, uint64_t b,
            void *data);
/* sim_run handles events until end_ns, or until done(world) is true (may be NULL), or a failure. True iff done said so. */
bool sim_run(struct sim_world *world, uint64_t end_ns, bool (*done)(struct sim_world *world));
/* sim_fail notes the first violation and ends the run. */
void sim_fail(struct sim_world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* sim_trace adds one event to the trace (hash, and file if there is one). */
void sim_trace(struct sim_world *world, const char *what, uint64_t a, uint64_t b, uint64_t c);
/* Uniform, both ends in. */
uint64_t sim_draw(struct giro_prng *prng, uint64_t low, uint64_t high);
uint64_t sim_between(struct sim_world *world, uint64_t low, uint64_t high);
bool sim_chance(struct sim_world *world, uint32_t per_mille);
void *sim_memory(void *memory); /* asserts that there was some */

/* ---- network.c */
void sim_network_normal(struct sim_world *world);
void sim_send(struct sim_world *world, uint32_t from, uint16_t peer, const struct giro_part *parts,
              uint32_t part_count);
/* sim_send_to puts one message on one link (to an instance), extra_ns later than the link would bring it. */
void sim_send_to(struct sim_world *world, uint32_t from, uint32_t to, const void *bytes,
                 uint32_t size_bytes, uint64_t extra_ns);
void sim_heal(struct sim_world *world);
/* sim_cut_group cuts every link between the instances in the group and the others, both ways. */
void sim_cut_group(struct sim_world *world, const bool group[SIM_INSTANCES_MAX]);
/* sim_cut_first is sim_cut_group of the first count instances. */
void sim_cut_first(struct sim_world *world, uint32_t count);

/* ---- life.c */
void sim_start(struct sim_world *world, uint32_t instance);
void sim_stop(struct sim_world *world, uint32_t instance, bool power_loss);
void sim_start_all(struct sim_world *world);
void sim_stop_all(struct sim_world *world, bool power_loss);
/* sim_touch polls a replica after something was handed in, and learns when it wants to be woken. */
void sim_touch(struct sim_world *world, uint32_t instance);
uint64_t sim_mono(const struct sim_world *world);
uint64_t sim_wall(const struct sim_replica *replica);
void sim_disk_catch_up(struct sim_replica *replica);
void sim_disk_wait(void *replica); /* for starts: only this disk's time goes on */
void sim_disk_set(struct sim_replica *replica, const struct giro_disk_faults *faults);
void sim_cut_writes(struct sim_world *world, uint32_t instance, uint64_t writes);

/* ---- watch_safety.c */
/* sim_watch_safety looks for a newer record in the safety file as a recovery would find it now, and holds I4; whole: reads
 * all slots, not only the next ones. */
void sim_watch_safety(struct sim_replica *replica, bool whole);
/* sim_log_has: a recovery would find the block, batch or roots in the log if every write under way were lost; sim_watch_log
 * fails unless it would. */
bool sim_log_has(struct sim_replica *replica, enum giro_log_kind kind, const struct giro_hash *id);
void sim_watch_log(struct sim_replica *replica, enum giro_log_kind kind, const struct giro_hash *id,
                   const char *promise);

/* ---- watch_wire.c */
struct sim_round *sim_round_at(struct sim_world *world, uint64_t round);
void sim_watch_message(struct sim_replica *replica, uint16_t body_kind, const uint8_t *body,
                       uint32_t body_bytes);
void sim_watch_close(struct sim_world *world);

/* ---- faults.c */
/* sim_faults_plan chooses kinds and how often each strikes, from now to end_ns; pace_ns: the mean of the gaps' means. */
void sim_faults_plan(struct sim_world *world, uint64_t end_ns, uint64_t pace_ns);
void sim_faults_end(struct sim_world *world); /* heals everything and starts who is down */
/* sim_fault_on: the kind is in this history. sim_fault_hit: its generator says yes; counted. */
bool sim_fault_on(const struct sim_world *world, enum sim_fault fault);
bool sim_fault_hit(struct sim_world *world, enum sim_fault fault, uint32_t per_mille);
uint64_t sim_fault_between(struct sim_world *world, enum sim_fault fault, uint64_t low,
                           uint64_t high);
/* An instance that is up or down, no twin; and one of those that a history may lose (GIRO_NONE: f is 0). */
uint32_t sim_victim(struct sim_world *world, enum sim_fault fault);
uint32_t sim_victim_lost(struct sim_world *world, enum sim_fault fault);
typedef void sim_strike(struct sim_world *world);
extern sim_strike
    *const sim_strikes[SIM_FAULTS]; /* NULL: not struck, but asked for with sim_fault_hit */
/* faults_life.c */
sim_strike sim_strike_crash, sim_strike_power, sim_strike_kill_all, sim_strike_cut,
    sim_strike_start_cut, sim_strike_slow_disk, sim_strike_disk_full, sim_strike_disk_error,
    sim_strike_read_error, sim_strike_misdirect, sim_strike_rot, sim_strike_safety_gone,
    sim_strike_safety_back;
/* faults_net.c */
sim_strike sim_strike_partition, sim_strike_one_way, sim_strike_flap, sim_strike_loss,
    sim_strike_duplicate, sim_strike_reorder, sim_strike_delay, sim_strike_clog, sim_strike_corrupt,
    sim_strike_clock_step, sim_strike_clock_frozen, sim_strike_twins;

#endif
