/* tests/sim/full.h - the full body: giro_replica with settlement and windows, members that sign payments, and a watcher that
 * recomputes the books. It checks money; 5 to 25 simulated hours per hour.
 *
 * Files: full.c lives; full_members.c clients; full_watch.c blocks, certificates, journals, books; full_scenarios.c named
 * histories and the random one; full_main.c the program giro-sim-full. */
#ifndef GIRO_TESTS_SIM_FULL_H
#define GIRO_TESTS_SIM_FULL_H

#include "apps/girod/replica.h"
#include "sim/sim.h"

#define SIM_CHANNELS      2u  /* honest channels of a member: 0 and 1 */
#define SIM_HOSTILE       63u /* the channel on which members equivocate */
#define SIM_FRAME_RECORDS 4u
#define SIM_FRAMES_MAX    65536u
#define SIM_FULL_MAX      10u /* replicas */

/* ---- What the watcher knows -------------------------------------------------------------------------------------------- */

struct sim_block {
    struct giro_commit_body body; /* as first executed */
    bool known, certified;
    uint32_t leaf_count;
    uint32_t *leaf_at, *leaf_bytes; /* places in bytes */
    uint8_t *bytes;                 /* the ledger block */
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
/* What the body keeps of one replica. */
struct sim_full_replica {
    struct giro_replica *replica;
    uint64_t windows[SIM_MEMBERS][SIM_CURRENCIES]; /* last journal block handed out in this life */
};
/* What its files would hold: they outlive it. A state sync leaves gaps. */
struct sim_full_files {
    uint64_t windows[SIM_MEMBERS][SIM_CURRENCIES], height;
    bool synced;
};
struct sim_full {
    struct sim_full_replica replicas[SIM_FULL_MAX];
    struct sim_full_files files[SIM_FULL_MAX];
    uint64_t image_starts, syncs;
    struct sim_block *blocks; /* by height */
    uint64_t block_room, top_certified;
    struct sim_journal journals[SIM_MEMBERS][SIM_CURRENCIES];
    struct giro_map *frame_map, *uetr_map;
    void *frame_map_mem, *uetr_map_mem;
    struct sim_member members[SIM_MEMBERS];
    struct sim_frame *frames;
    uint32_t frame_count, owed, certified;
    struct sim_load load;
    uint64_t journal_blocks, answers;
};

/* ---- full.c */
extern const struct sim_body sim_full_body;
void sim_full_open(struct sim_world *world);
void sim_full_close(struct sim_world *world);
static inline struct giro_replica *sim_replica_of(const struct sim_replica *replica)
{
    return replica->world->full->replicas[replica->instance].replica;
}

/* ---- full_watch.c */
void sim_watch_open(struct sim_full *full);
void sim_books_close(struct sim_full *full);
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

/* ---- full_members.c */
void sim_members_open(struct sim_world *world);
void sim_members_start(struct sim_world *world, const struct sim_load *load);
/* sim_pay sends one frame of one payment now; returns its index. */
uint32_t sim_pay(struct sim_world *world, uint32_t member, uint32_t creditor, int64_t amount_minor,
                 uint8_t service);
void sim_member_answer(struct sim_world *world, const struct giro_answer *answer);
bool sim_all_certified(struct sim_world *world);
bool sim_all_level(struct sim_world *world); /* all up, same height, everything owed certified */

/* ---- full_scenarios.c */
struct sim_scenario {
    const char *name;
    void (*run)(struct sim_world *world);
    uint32_t repeats; /* worlds; options.repeat counts them, and the seed with it */
};
extern const struct sim_scenario sim_full_scenarios[];
extern const uint32_t sim_full_scenario_count;
/* sim_settle_down heals, waits until all are level, then demands quiet, and makes the final checks. */
void sim_settle_down(struct sim_world *world, uint64_t within_ns);
void sim_history(struct sim_world *world); /* the random history of --seed */

#endif
