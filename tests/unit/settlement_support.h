/* A hub of one settlement object for tests: a genesis made in memory, a ledger, and a sink that
 * keeps everything. */
#ifndef GIRO_TESTS_SETTLEMENT_SUPPORT_H
#define GIRO_TESTS_SETTLEMENT_SUPPORT_H

#include "giro/settlement.h"

#define HUB_TIME_NS   (UINT64_C(1790000000) * GIRO_NS_PER_S) /* of the first block */
#define HUB_DATE      20780u                                 /* business date of genesis */
#define HUB_PREFUNDED 1000000
#define HUB_HOLD      500000
#define HUB_CAP       400000

struct hub_entry {
    uint16_t member;
    uint32_t currency_index;
    struct giro_entry entry;
};
struct hub_status {
    uint16_t member;
    uint32_t currency_index;
    struct giro_status_row row;
};
struct hub_cycle {
    uint32_t currency_index, cycle, next_cycle, leaf_index;
    enum giro_cycle_state state;
    uint32_t entries_before, statuses_before; /* what the sink had got when it was called */
};

struct hub {
    struct giro_genesis genesis;
    struct giro_ledger *ledger;
    struct giro_settlement *settlement;
    void *ledger_mem, *mem;
    size_t ledger_bytes, mem_bytes;
    uint64_t height, time_ns;
    struct giro_hash settlement_root, ledger_root;
    bool keep; /* keep what the sink gets (default) */
    struct hub_entry *entries;
    struct hub_status *statuses;
    struct hub_cycle *cycles;
    uint32_t entry_count, status_count, cycle_count, entry_room, status_room, cycle_room;
    struct giro_frame_outcome outcome; /* of the last frame sent */
    uint64_t next_uetr;
};

/* hub_genesis fills in defaults: every member has an account in each currency; 64-bit key ids 1;
 * operators 1 and 2. Change what the test needs, then hub_start. */
void hub_genesis(struct hub *hub, uint32_t members, uint32_t currencies);
void hub_start(struct hub *hub, uint64_t map_seed);
/* Both, with seed 1. */
void hub_open(struct hub *hub, uint32_t members, uint32_t currencies);
void hub_close(struct hub *hub);
void hub_forget(struct hub *hub); /* empties what the sink kept */

/* hub_begin starts the next block, advance_ns after the last one. */
void hub_begin(struct hub *hub, uint64_t advance_ns);
/* hub_end ends it, and asserts that recompute gives the same root and that every check holds. */
void hub_end(struct hub *hub);
/* A block end without the O(n) work. */
void hub_end_fast(struct hub *hub);

/* A good NET record of 100 from anyone to `creditor` in currency 0, with a fresh UETR. */
struct giro_record hub_record(struct hub *hub, uint16_t creditor);
/* Frames; the outcome is in hub->outcome. */
uint8_t hub_send(struct hub *hub, uint16_t member, uint16_t channel, uint64_t sequence,
                 const struct giro_record *records, uint32_t count);
uint8_t hub_skip(struct hub *hub, uint16_t member, uint16_t channel, uint64_t from, uint64_t to);
uint8_t hub_control(struct hub *hub, uint64_t sequence, const struct giro_control *control);
/* Sends one record in a frame on channel 0 under the member's next sequence and returns its result.
 */
struct giro_result hub_pay(struct hub *hub, uint16_t member, const struct giro_record *record);
/* Gives a prepared frame to settlement under the hash of its bytes. */
uint8_t hub_frame(struct hub *hub, const struct giro_frame *frame, const struct giro_hash *hash);

struct giro_account_view hub_account(const struct hub *hub, uint16_t member,
                                     uint32_t currency_index);
uint64_t hub_environment(const char *name, uint64_t otherwise);
void settlement_suite_open(void);

#endif
