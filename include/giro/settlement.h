/* giro/settlement.h - books, exactly-once execution, statuses, cycles; and the ledger of leaves.
 *
 * Model: a pure deterministic state machine. For each committed block: giro_settlement_begin, then
 * giro_settlement_frame for every frame in payload order, then giro_settlement_end. What happens goes out through a
 * sink (recon's windows) and into the block's ledger (leaves). *decide* checks everything and changes nothing; *perform*
 * cannot fail. No clock, no random source, no floating point, no pointer or hash order in anything that reaches a root.
 *
 * Books, per member and currency: settlement account (balance = available + reserved + held >= 0, all balances sum to the
 * prefunded total) and the clearing position of the open cycle (sums to zero, never below -cap; cap <= held). After every
 * block both are asserted.
 *
 * Memory: from giro_settlement_footprint, must be zero-filled by the caller (fresh mmap): large tables are not touched
 * before they are used. Threads: one. Source: shared design, settlement.md; protocol.md section 3.
 */
#ifndef GIRO_SETTLEMENT_H
#define GIRO_SETTLEMENT_H

#include "giro/crypto.h"
#include "giro/genesis.h"
#include "giro/wire.h"

#ifdef __cplusplus
extern "C" {
#endif

enum giro_cycle_state {
    GIRO_CYCLE_OPEN = 1,
    GIRO_CYCLE_CLOSED = 2,
    GIRO_CYCLE_SETTLING = 3,
    GIRO_CYCLE_SETTLED = 4,
    GIRO_CYCLE_ABORTED = 5,
};

/* ---- Ledger: the leaves of the block in hand ------------------------------------------------------------------ */

#define GIRO_LEDGER_LEAVES_MAX (160u * 1024u)
#define GIRO_LEDGER_BYTES_MAX  (24u * 1024u * 1024u)
struct giro_ledger;
size_t giro_ledger_footprint(void);
struct giro_ledger *giro_ledger_init(void *mem, size_t size_bytes);
void giro_ledger_begin(struct giro_ledger *ledger, uint64_t height);
uint32_t giro_ledger_count(const struct giro_ledger *ledger);
/* giro_ledger_add appends a leaf and returns its index. preimage begins with the 8-byte tag (without 0x00). */
uint32_t giro_ledger_add(struct giro_ledger *ledger, const struct giro_part *parts,
                         uint32_t part_count);
/* giro_ledger_end builds the tree and returns the ledger root. */
struct giro_hash giro_ledger_end(struct giro_ledger *ledger);
/* After end, until the next begin: a leaf's preimage, and its path (returns the number of siblings). */
const uint8_t *giro_ledger_leaf(const struct giro_ledger *ledger, uint32_t index,
                                uint32_t *size_bytes);
uint32_t giro_ledger_path(const struct giro_ledger *ledger, uint32_t index, struct giro_hash *path);

/* ---- Sink: what the books tell recon -------------------------------------------------------------------------------- */

/* member and currency_index say whose account; entries come in booking order. */
struct giro_settlement_sink {
    void *context;
    void (*entry)(void *context, uint16_t member, uint32_t currency_index,
                  const struct giro_entry *entry);
    void (*status)(void *context, uint16_t member, uint32_t currency_index,
                   const struct giro_status_row *row);
    /* cycle: `cycle` of this currency changed state in this block; settled: next_cycle is open from now on. leaf_index of
     * the cycle leaf. Called after all its entries. */
    void (*cycle)(void *context, uint32_t currency_index, uint32_t cycle,
                  enum giro_cycle_state state, uint32_t next_cycle, uint32_t leaf_index);
};

/* ---- The object --------------------------------------------------------------------------------------------------------- */

struct giro_settlement_options {
    const struct giro_genesis *genesis; /* borrowed for life */
    struct giro_settlement_sink sink;
    struct giro_ledger *ledger;
    uint64_t map_seed; /* local hash seed, not observable */
};
struct giro_settlement;
size_t giro_settlement_footprint(const struct giro_settlement_options *options);
/* giro_settlement_init books nothing: the opening balances of genesis are the opening balances of the first windows. */
struct giro_settlement *giro_settlement_init(void *mem, size_t size_bytes,
                                             const struct giro_settlement_options *options);

/* giro_settlement_begin starts a block. time_ns is block time. Closes cycles whose scheduled end (cycle_seconds) has come. */
void giro_settlement_begin(struct giro_settlement *settlement, uint64_t height, uint64_t time_ns);
/* giro_settlement_frame executes one FRAME, SKIP or CONTROL whose signatures a quorum has verified. hash is its frame
 * hash. Returns the outcome; for EXECUTED results[0..record_count) and *leaf_index are set; for DUPLICATE *first_height and
 * *leaf_index name the first execution. */
struct giro_frame_outcome {
    uint8_t outcome; /* enum giro_outcome */
    uint32_t leaf_index;
    uint64_t first_height;
    uint32_t record_count;
    struct giro_result results[GIRO_FRAME_RECORDS_MAX];
};
void giro_settlement_frame(struct giro_settlement *settlement, const struct giro_frame *frame,
                           const struct giro_hash *hash, struct giro_frame_outcome *outcome);
/* giro_settlement_end asserts conservation and returns the settlement root: SHA-256(tag STATE_ROOT | height | time |
 * parts); parts are SHA-256(tag STATE_PART | ...) of accounts and positions, channels, the UETR set, cycles, the matrix
 * (refreshed at heights that are multiples of 1,024 and when a cycle changes state). Recomputable from the state alone. */
struct giro_hash giro_settlement_end(struct giro_settlement *settlement);
/* giro_settlement_recompute computes the same root from scratch, trusting no cached digest (after loading, in tests). */
struct giro_hash giro_settlement_recompute(const struct giro_settlement *settlement);

/* ---- Images (giro/wire/checkpoint.h) -------------------------------------------------------------------------------------- */

/* The whole state between two blocks as canonical bytes: the same at every replica at the same height. Encoding copies what
 * changes (books, channels, matrices: all; payment references: segments filled since the last image in the same memory), so it
 * takes about as long as copying that much. giro_settlement_image_chunks says how many chunks the references take;
 * giro_settlement_image_bytes_max bounds the sections. */
uint32_t giro_settlement_image_chunks(const struct giro_settlement *settlement);
uint64_t giro_settlement_image_bytes_max(const struct giro_settlement_options *options);
void giro_settlement_image_uetrs(struct giro_settlement *settlement, struct giro_image *image);
void giro_settlement_image_sections(const struct giro_settlement *settlement,
                                    struct giro_image *image);
/* giro_settlement_load fills an object fresh from init. Whatever the bytes are, it stays within its memory; after a reject the
 * object is of no use. *root is the settlement root of what was loaded, computed anew: the caller compares it with what a
 * quorum signed. */
enum giro_reject giro_settlement_load(struct giro_settlement *settlement,
                                      struct giro_image_reader *image,
                                      struct giro_hash *root) GIRO_MUST_USE;
/* giro_settlement_next_due: block time of the next scheduled event (cycle end), UINT64_MAX = none. */
uint64_t giro_settlement_next_due(const struct giro_settlement *settlement);

/* ---- Views (for windows, receipts, operator) ------------------------------------------------------------------------------ */

struct giro_account_view {
    bool exists;
    uint8_t status; /* enum giro_account_status */
    giro_i128 balance, reserved, held, available;
    giro_i128 cap;      /* in force: min(cap set, held) */
    uint32_t cycle;     /* open one */
    giro_i128 position; /* in it */
    uint64_t entries;   /* booked in the account so far */
};
void giro_settlement_account(const struct giro_settlement *settlement, uint16_t member,
                             uint32_t currency_index, struct giro_account_view *view);
uint16_t giro_settlement_business_date(const struct giro_settlement *settlement);
/* giro_netting_row_hash: the hash of a member's cells in a cycle (giro/wire/recon.h "Netting"), for settlement, windows and
 * whoever checks them. */
struct giro_hash giro_netting_row_hash(const struct giro_hash *chain, uint32_t cycle,
                                       uint16_t member, uint16_t currency_number, const void *cells,
                                       uint32_t cell_count);
/* The member's bilateral row of the cycle that settled last in this currency (its cells in counterparty order), until the
 * next one settles. Returns the number of cells written. */
uint32_t giro_settlement_netting_row(const struct giro_settlement *settlement,
                                     uint32_t currency_index, uint16_t member,
                                     struct giro_netting_cell *cells, uint32_t max);
struct giro_totals {
    giro_i128 balances, prefunded; /* equal: conservation of the first book */
    giro_i128 positions;           /* zero: conservation of the second */
    uint64_t by_status[10];        /* payments by enum giro_status at execution */
    uint64_t by_reason[32];        /* rejected payments by enum giro_reason */
    uint64_t by_outcome[8];        /* frames by enum giro_outcome */
};
void giro_settlement_totals(const struct giro_settlement *settlement, uint32_t currency_index,
                            struct giro_totals *totals);
/* giro_settlement_expected tells what is next on a channel: *base (nothing below can execute) and whether it is stopped. */
void giro_settlement_channel(const struct giro_settlement *settlement, uint16_t member,
                             uint16_t channel, uint64_t *base, uint64_t *next, bool *stopped);
/* giro_settlement_consumed: the frame with this hash was executed as (member, channel, sequence) and is still in the window:
 * where its first execution is. False otherwise, also for another frame under the same sequence. */
bool giro_settlement_consumed(const struct giro_settlement *settlement, uint16_t member,
                              uint16_t channel, uint64_t sequence, const struct giro_hash *hash,
                              uint64_t *height, uint32_t *leaf_index);
/* giro_settlement_find: where an accepted payment with this UETR was executed, the earliest if several senders or kinds had it;
 * false if none is in the retained set, or it came with an image. Local, no state. */
struct giro_found {
    uint64_t height;
    uint32_t leaf_index;
    uint16_t record, debtor, creditor;
};
bool giro_settlement_find(const struct giro_settlement *settlement, const uint8_t uetr[16],
                          struct giro_found *found);
/* giro_settlement_hot is its memory that payments touch without end: hot[0] at random places, from the first payment on; hot[1]
 * in order. For the owner to ask the system for huge pages, and to have hot[0] filled before. */
void giro_settlement_hot(const struct giro_settlement *settlement, struct giro_part hot[2]);
void giro_settlement_check(const struct giro_settlement *settlement);

#ifdef __cplusplus
}
#endif
#endif
