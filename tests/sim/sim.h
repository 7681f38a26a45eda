/* tests/sim/sim.h - a whole hub in one process under virtual time: replicas (the object code of girod), faulty disks, one
 * faulty network, members, and a watcher that knows what must never happen.
 *
 * Model: events ordered by (time, sequence). Everything random comes from one generator, so a seed is a history: same seed,
 * same program, same trace hash. It allocates freely; nothing here is on a payment path.
 *
 * Files: hub.c keys and genesis; signatures.c cheap ones; world.c time and events; network.c links; life.c replicas' lives over their disks; watch.c
 * blocks, certificates, journals; wire_watch.c votes, timeouts, proposals, safety files; members.c clients; faults.c the plan
 * of faults; scenarios.c named histories; main.c the program. */
#ifndef GIRO_TESTS_SIM_H
#define GIRO_TESTS_SIM_H

#include <stdio.h>

#include "apps/girod/replica.h"

#define SIM_REPLICAS_MAX  10u
#define SIM_MEMBERS       6u
#define SIM_CURRENCIES    2u
#define SIM_CHANNELS      2u  /* honest channels of a member: 0 and 1 */
#define SIM_HOSTILE       63u /* the channel on which members equivocate */
#define SIM_WALL_START_NS (UINT64_C(1795489200) * GIRO_NS_PER_S) /* 2026-11-24T03:00:00Z */
#define SIM_MONO_START_NS (100u * GIRO_NS_PER_S)
#define SIM_MS            UINT64_C(1000000)
#define SIM_FRAME_RECORDS 4u
#define SIM_FRAMES_MAX    65536u
#define SIM_PREFUNDED     INT64_C(1000000000)
#define SIM_HOLD          INT64_C(400000000)
#define SIM_CAP           INT64_C(300000000)

/* ---- Hub: what all runs of one size share ---------------------------------------------------------------------- */

struct sim_hub {
    struct giro_genesis genesis;
    struct giro_key_ring *ring;
    struct giro_secret_key *vote_keys[SIM_REPLICAS_MAX], *batch_keys[SIM_REPLICAS_MAX];
    struct giro_secret_key *member_keys[SIM_MEMBERS];
    uint8_t window_secret[32];
};
void sim_hub_open(struct sim_hub *hub, uint32_t replica_count, uint32_t cycle_seconds);
void sim_hub_close(struct sim_hub *hub);
/* signatures.c: keyed hashes for the keys of this genesis from now on, or Ed25519 (at the start). */
void sim_signatures_fast(const struct giro_genesis *genesis);
void sim_signatures_real(void);

/* ---- What is counted ----------------------------------------------------------------------------------------------- */

/* X(NAME, text): faults by kind. */
#define SIM_FAULT_MAP(X)                                                                           \
    X(CRASH, "crashes")                                                                            \
    X(POWER, "power losses")                                                                       \
    X(CUT_WRITES, "write cuts")                                                                    \
    X(START_CUT, "starts cut")                                                                     \
    X(PARTITION, "partitions")                                                                     \
    X(ONE_WAY, "one-way cuts")                                                                     \
    X(FLAP, "flapping links")                                                                      \
    X(STORM, "loss storms")                                                                        \
    X(SLOW_DISK, "slow disks")                                                                     \
    X(CLOCK_STEP, "clock steps")                                                                   \
    X(LOST, "messages lost")                                                                       \
    X(DOUBLED, "messages doubled")
enum sim_fault {
#define SIM_FAULT_ENUM(name, text) SIM_FAULT_##name,
    SIM_FAULT_MAP(SIM_FAULT_ENUM)
#undef SIM_FAULT_ENUM
        SIM_FAULTS
};
const char *sim_fault_text(enum sim_fault fault);

/* ---- Replicas -------------------------------------------------------------------------------------------------------- */

/* The highest numbers ever seen in a replica's safety file: I4. */
struct sim_safety_seen {
    uint64_t sequence, last_voted_round, lock_round, last_timeout_round, incarnation;
};
struct sim_world;
struct sim_replica {
    struct sim_world *world;
    uint32_t index;
    struct giro_disk_faulty *faulty;
    struct giro_disk disk;
    struct giro_replica *replica; /* NULL = down */
    uint64_t disk_ahead_ns;       /* the disk's clock runs ahead by the time that starts took */
    int64_t skew_ns;
    uint64_t wake_ns;
    uint64_t life;          /* starts so far */
    uint64_t height;        /* executed in this life */
    uint64_t first_vote;    /* round of this life's first vote on the wire, 0 = none yet */
    uint64_t timeout_round; /* highest timeout sent in this life */
    uint64_t wakes;
    uint64_t windows[SIM_MEMBERS][SIM_CURRENCIES]; /* journal blocks handed out in this life */
    bool slow_disk;
    struct sim_safety_seen seen;
};

/* ---- Links ------------------------------------------------------------------------------------------------------------- */

struct sim_link {
    uint64_t delay_min_ns, delay_max_ns;
    uint32_t loss_per_mille, double_per_mille;
    uint32_t
        overtake_per_mille; /* messages that do not wait for those before them; others keep order, as on a TLS link */
    bool cut;
};

/* ---- What the watcher knows -------------------------------------------------------------------------------------------- */

struct sim_block {
    struct giro_commit_body body; /* as first executed */
    bool known, certified;
    uint32_t leaf_count;
    uint32_t *leaf_at, *leaf_bytes; /* places in bytes */
    uint8_t *bytes;                 /* the ledger block */
};
struct sim_round {
    bool has_qc, has_block;
    struct giro_hash qc_block, block;
    struct giro_hash votes[SIM_REPLICAS_MAX]; /* hash of a vote's signed string; zero = none seen */
};
struct sim_journal {
    uint64_t count;         /* blocks verified so far */
    struct giro_hash *rows; /* hash over record and rows of each */
    struct giro_journal_chain chain;
};

/* ---- Members -------------------------------------------------------------------------------------------------------------- */

struct sim_frame {
    uint8_t bytes[sizeof(struct giro_frame_header) +
                  SIM_FRAME_RECORDS * sizeof(struct giro_record) + GIRO_SIGNATURE_BYTES];
    uint32_t size_bytes;
    struct giro_frame frame; /* decoded */
    struct giro_hash hash;
    bool hostile; /* not owed a certificate */
    bool durable, certified;
    uint32_t attempts;
    uint64_t resend_ns;
    uint32_t replica; /* asked last */
    uint64_t sent_ns, certified_ns;
    uint64_t height; /* executed at; 0 = not */
    uint32_t leaf_index;
    struct giro_result results[SIM_FRAME_RECORDS];
};
struct sim_member {
    uint32_t index;
    uint32_t home;
    uint64_t next_sequence[GIRO_CHANNELS_MAX];
    uint32_t outstanding;
    uint64_t next_uetr; /* counted per member: the same UETRs from several members */
};
struct sim_load {
    uint64_t mean_gap_ns; /* between frames of one member; 0 = no load */
    uint64_t stop_ns;
    uint32_t outstanding_max;
    uint32_t hostile_per_mille;
};

/* ---- World ------------------------------------------------------------------------------------------------------------------ */

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
    uint64_t seconds; /* of load and faults */
    bool faults;
    FILE *trace; /* or NULL */
};
struct sim_world {
    struct sim_options options;
    const struct sim_hub *hub;
    struct giro_prng prng;
    uint64_t now_ns;
    struct sim_event *heap;
    uint32_t heap_count, heap_room;
    uint64_t order;
    uint64_t trace_hash, trace_count;
    struct sim_replica replicas[SIM_REPLICAS_MAX];
    struct sim_link links[SIM_REPLICAS_MAX][SIM_REPLICAS_MAX];
    uint64_t last_ns[SIM_REPLICAS_MAX]
                    [SIM_REPLICAS_MAX]; /* when the last message in order arrives */
    struct sim_link normal, member_link;
    struct giro_disk_faults disk_faults;
    /* watcher */
    struct sim_block *blocks; /* by height */
    uint64_t block_room, top_height, top_certified;
    struct sim_round *rounds;
    uint64_t round_room, top_round;
    struct sim_journal journals[SIM_MEMBERS][SIM_CURRENCIES];
    struct giro_map *frame_map, *uetr_map;
    void *frame_map_mem, *uetr_map_mem;
    /* members */
    struct sim_member members[SIM_MEMBERS];
    struct sim_frame *frames;
    uint32_t frame_count, owed, certified;
    struct sim_load load;
    /* results */
    uint64_t faults[SIM_FAULTS];
    uint64_t messages, steps, journal_blocks, answers, scans;
    bool failed;
    char failure[512];
};

uint32_t sim_quorum(const struct sim_world *world);
uint32_t sim_faulty_max(const struct sim_world *world);
void sim_world_open(struct sim_world *world, const struct sim_hub *hub,
                    const struct sim_options *options);
void sim_world_close(struct sim_world *world);
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
uint64_t sim_between(struct sim_world *world, uint64_t low,
                     uint64_t high); /* uniform, both ends in */
bool sim_chance(struct sim_world *world, uint32_t per_mille);
void *sim_memory(void *memory); /* asserts that there was some */

/* ---- network.c */
void sim_network_normal(struct sim_world *world);
void sim_send(struct sim_world *world, uint32_t from, uint16_t peer, const struct giro_part *parts,
              uint32_t part_count);
void sim_heal(struct sim_world *world);
/* sim_cut_group cuts every link between the replicas in the bit set and the others, both ways. */
void sim_cut_group(struct sim_world *world, uint32_t group);

/* ---- life.c */
void sim_start(struct sim_world *world, uint32_t index);
void sim_stop(struct sim_world *world, uint32_t index, bool power_loss);
void sim_start_all(struct sim_world *world);
/* sim_touch polls a replica after something was handed in, and learns when it wants to be woken. */
void sim_touch(struct sim_world *world, uint32_t index);
uint64_t sim_mono(const struct sim_world *world);
uint64_t sim_wall(const struct sim_replica *replica);
void sim_disk_catch_up(struct sim_replica *replica);
void sim_cut_writes(struct sim_world *world, uint32_t index, uint64_t writes);

/* ---- watch.c */
void sim_watch_open(struct sim_world *world);
void sim_watch_close(struct sim_world *world);
void sim_watch_ledger(struct sim_replica *replica, uint64_t height, const void *bytes,
                      size_t size_bytes);
void sim_watch_certificate(struct sim_replica *replica, const struct giro_certificate *certificate);
void sim_watch_journal(struct sim_replica *replica, uint16_t member, const void *bytes,
                       uint32_t size_bytes);
uint32_t sim_watch_leaf(struct sim_replica *replica, uint64_t height, uint32_t leaf_index,
                        uint8_t *out, uint32_t out_bytes);
void sim_watch_check(struct sim_world *world); /* I8 totals, I9 */
void sim_watch_final(
    struct sim_world *world); /* equal heights, roots, balances against the members' own books */

/* ---- wire_watch.c */
void sim_watch_message(struct sim_replica *replica, uint16_t body_kind, const uint8_t *body,
                       uint32_t body_bytes);
void sim_watch_safety(struct sim_replica *replica);

/* ---- members.c */
void sim_members_open(struct sim_world *world);
void sim_members_start(struct sim_world *world, const struct sim_load *load);
/* sim_pay sends one frame of one payment now; returns its index. */
uint32_t sim_pay(struct sim_world *world, uint32_t member, uint32_t creditor, int64_t amount_minor,
                 uint8_t service);
void sim_member_answer(struct sim_world *world, const struct giro_answer *answer);
bool sim_all_certified(struct sim_world *world);
bool sim_all_level(struct sim_world *world); /* all up, same height, everything owed certified */

/* ---- faults.c */
void sim_faults_plan(struct sim_world *world, uint64_t end_ns);
void sim_faults_end(struct sim_world *world); /* heals everything and starts who is down */

/* ---- scenarios.c */
struct sim_scenario {
    const char *name;
    void (*run)(struct sim_world *world);
    uint32_t repeats; /* worlds; the seed of the i-th is seed + i, and world->options.seconds = i */
};
extern const struct sim_scenario sim_scenarios[];
extern const uint32_t sim_scenario_count;
/* sim_settle_down heals, waits until all are level, then demands quiet, and makes the final checks. */
void sim_settle_down(struct sim_world *world, uint64_t within_ns);
void sim_history(struct sim_world *world); /* the random history of --seed */

#endif
