/* settlement/internal.h - layout of the state and what the files of this module ask of each other.
 *
 * Two kinds of bytes live here and are kept apart. State reaches the root: structs without padding
 * whose bytes are hashed as they are. Local bookkeeping (dirty lists, cached digests, the hash
 * table over the UETR set) does not: two replicas may differ in it.
 */
#ifndef GIRO_SETTLEMENT_INTERNAL_H
#define GIRO_SETTLEMENT_INTERNAL_H

#include "giro/settlement.h"

/* ---- Exactly once ---- */

#define GIRO_CHANNEL_WINDOW     1024u /* sequences [base, base + this) can execute */
#define GIRO_CHANNEL_TRAIL      512u  /* contiguous consumed sequences kept below the frontier */
#define GIRO_CHANNEL_GROUP      64u   /* slots under one cached digest */
#define GIRO_CHANNEL_GROUPS     (GIRO_CHANNEL_WINDOW / GIRO_CHANNEL_GROUP)
#define GIRO_CHANNEL_BITS_WORDS (GIRO_CHANNEL_WINDOW / 64u)

/* State. Bit and slot of a sequence: sequence modulo the window. Slots of sequences that left the
 * window keep their bytes until they are used again; that is the same at every replica. */
struct giro_channel {
    uint64_t base;
    uint64_t frontier; /* first clear sequence */
    uint64_t bits[GIRO_CHANNEL_BITS_WORDS];
    uint16_t groups; /* bit g: some slot of group g was written */
    uint8_t used;    /* some frame reached this channel */
    uint8_t stopped; /* after an equivocation */
    uint32_t reserved;
};
static_assert(sizeof(struct giro_channel) == 152, "hashed as bytes: no padding");

struct giro_channel_slot {
    struct giro_hash frame_hash;
    uint64_t height; /* of the first execution */
    uint32_t leaf_index;
    uint32_t reserved;
};
static_assert(sizeof(struct giro_channel_slot) == 48, "hashed as bytes: no padding");

struct giro_channels {
    struct giro_channel
        *channels; /* owners x GIRO_CHANNELS_MAX; owner member_count is the operator */
    struct giro_channel_slot *slots; /* channels x GIRO_CHANNEL_WINDOW */
    /* local */
    struct giro_hash *group_digests; /* channels x GIRO_CHANNEL_GROUPS */
    struct giro_hash *digests;       /* channels */
    struct giro_hash *owner_digests;
    uint16_t *dirty_groups;
    uint8_t *dirty;
    uint32_t *dirty_list;
    uint32_t dirty_count;
    uint8_t *owner_dirty;
};

/* ---- UETR set ---- */

#define GIRO_UETR_SEGMENT 1024u /* entries evicted together */
#define GIRO_UETR_GROUP   64u   /* segments under one cached digest */
#define GIRO_UETR_MAX     (1u << 28)

struct giro_uetr_key {
    uint8_t uetr[16];
    uint16_t member; /* who sent it */
    uint8_t kind;
    uint8_t reserved;
};
struct giro_uetr_entry {
    struct giro_uetr_key key;
    uint32_t day; /* day switches before it was accepted */
};
static_assert(sizeof(struct giro_uetr_key) == 20, "hashed as bytes: no padding");
static_assert(sizeof(struct giro_uetr_entry) == 24, "hashed as bytes: no padding");

/* Local: where an entry's payment was executed, for giro_settlement_find. height 0: before the image that was loaded. */
struct giro_uetr_place {
    uint64_t height;
    uint32_t leaf_index;
    uint16_t record, creditor;
};

struct giro_uetr_slot {
    uint32_t hash;
    uint32_t place; /* index into entries + 1; 0 = empty */
};

struct giro_uetr_set {
    struct giro_uetr_entry
        *entries;  /* segment_count x GIRO_UETR_SEGMENT; segment s is at s % segment_count */
    uint64_t head; /* oldest segment kept */
    uint64_t open; /* segment being filled; those between are full */
    uint32_t open_count;
    uint32_t segment_count;
    uint32_t retained_days;
    /* local */
    uint64_t seed;
    struct giro_uetr_place *places; /* beside entries */
    struct giro_uetr_slot *slots;
    uint32_t slot_mask;
    uint32_t count;
    uint64_t dirty_from; /* segments [dirty_from, open] have stale digests */
    uint64_t imaged;     /* segments below are in the image memory as they are */
    bool dirty;
    struct giro_hash *digests;       /* per segment place; zero = not kept */
    struct giro_hash *group_digests; /* per GIRO_UETR_GROUP places */
    uint8_t *group_dirty;
    uint32_t group_count;
};

/* ---- Books ---- */

struct giro_book_account {
    giro_i128 balance; /* = available + reserved + held */
    giro_i128 reserved;
    giro_i128 held;
    giro_i128 hold; /* set at genesis; held = min(hold, balance - reserved) when a cycle settles */
    giro_i128 cap;  /* as set; in force: min(cap, held) */
    giro_i128 position;
    uint64_t entries;          /* ever */
    uint64_t position_entries; /* in the open cycle */
    uint8_t exists;
    uint8_t status; /* enum giro_account_status */
    uint8_t zero[14];
};
static_assert(sizeof(struct giro_book_account) == 128, "hashed as bytes: no padding");

struct giro_cycle {
    giro_i128 balances;  /* running sum over the currency's accounts */
    giro_i128 positions; /* running sum over its positions */
    giro_i128 gross;     /* of the open cycle's payments */
    uint64_t due_ns;     /* scheduled end of the open cycle, 0 = none */
    uint64_t settled_s;  /* second in which the last one settled, UINT64_MAX = none yet */
    uint32_t number;     /* of the open cycle */
    uint32_t payment_count;
    uint32_t settled_number;       /* of the cycle that settled last, 0 = none yet */
    uint32_t state;                /* enum giro_cycle_state; OPEN between frames */
    struct giro_hash netting_root; /* of the cycle that settled last */
};
static_assert(sizeof(struct giro_cycle) == 112, "hashed as bytes: no padding");

/* What one member sent another in a cycle. 24 bytes: the sum as two words keeps the alignment at 8.
 */
struct giro_matrix_cell {
    struct giro_amount128 sent;
    uint32_t count;
    uint32_t reserved;
};
static_assert(sizeof(struct giro_matrix_cell) == 24, "hashed as bytes: no padding");

struct giro_matrix {
    struct giro_matrix_cell *cells[2]; /* member_count x member_count, sender-major */
    uint8_t *row_used[2];
    uint32_t current; /* which of the two is the open cycle; the other is the last settled one */
    uint64_t digest_height;
    struct giro_hash digest; /* state: of the open cycle at digest_height */
    /* local */
    bool refresh; /* at the end of this block */
    uint8_t *row_dirty;
    struct giro_hash *row_digests;
};

enum giro_state_part {
    PART_BOOKS = 1,
    PART_CHANNELS,
    PART_UETRS,
    PART_CYCLES,
    PART_MATRIX,
    PART_END
};
#define GIRO_MATRIX_REFRESH_HEIGHTS 1024u

struct giro_settlement {
    const struct giro_genesis *genesis;
    struct giro_settlement_sink sink;
    struct giro_ledger *ledger;
    uint32_t member_count;
    uint32_t currency_count;
    uint64_t cycle_ns; /* 0 = by control only */
    uint16_t currency_numbers[GIRO_CURRENCIES_MAX];
    bool in_block;

    uint64_t height;
    uint64_t time_ns;
    uint64_t time_s;
    uint16_t business_date;
    uint32_t day; /* day switches so far */
    uint32_t cycle_next;
    uint8_t *member_status;
    struct giro_book_account *accounts; /* member-major */
    struct giro_cycle cycles[GIRO_CURRENCIES_MAX];
    struct giro_matrix matrices[GIRO_CURRENCIES_MAX];
    struct giro_channels channels;
    struct giro_uetr_set uetrs;

    /* local */
    giro_i128 prefunded[GIRO_CURRENCIES_MAX];
    uint8_t *member_dirty;
    uint32_t *member_dirty_list;
    uint32_t member_dirty_count;
    struct giro_hash *member_digests;
    struct giro_hash parts[PART_END];
    struct giro_hash *scratch_hashes;
    struct giro_netting_cell *scratch_cells;
    uint64_t by_status[GIRO_CURRENCIES_MAX][10];
    uint64_t by_reason[GIRO_CURRENCIES_MAX][32];
    uint64_t by_outcome[8];
};

/* ---- books.c: the only code that changes balances and positions ---- */

static inline struct giro_book_account *giro_book_at(const struct giro_settlement *settlement,
                                                     uint32_t member, uint32_t currency_index)
{
    return &settlement->accounts[member * settlement->currency_count + currency_index];
}
static inline giro_i128 giro_book_available(const struct giro_book_account *account)
{
    return account->balance - account->reserved - account->held;
}
static inline giro_i128 giro_book_cap(const struct giro_book_account *account)
{
    return account->cap < account->held ? account->cap : account->held;
}
/* Adds amount (may be negative) to the account's balance and to the currency's running sum. */
void giro_book_post(struct giro_settlement *settlement, uint16_t member, uint32_t currency_index,
                    giro_i128 amount);
void giro_book_shift(struct giro_settlement *settlement, uint16_t member, uint32_t currency_index,
                     giro_i128 amount);
/* Takes the position out of the book (its cycle settles) and returns it. */
giro_i128 giro_book_take_position(struct giro_settlement *settlement, uint16_t member,
                                  uint32_t currency_index);
void giro_book_restore_hold(struct giro_settlement *settlement, uint16_t member,
                            uint32_t currency_index);
void giro_book_touch(struct giro_settlement *settlement, uint16_t member);

/* ---- channels.c ---- */

uint32_t giro_channel_index(const struct giro_settlement *settlement, uint16_t member,
                            uint16_t channel);
/* Changes nothing. *slot is set for DUPLICATE and EQUIVOCATION. from <= to. */
enum giro_outcome giro_channel_decide(const struct giro_settlement *settlement, uint32_t index,
                                      uint64_t from, uint64_t to, const struct giro_hash *hash,
                                      const struct giro_channel_slot **slot);
/* Consumes what is clear in from..to; decide said EXECUTED. */
void giro_channel_consume(struct giro_settlement *settlement, uint32_t index, uint64_t from,
                          uint64_t to, const struct giro_hash *hash, uint32_t leaf_index);
void giro_channel_set_stopped(struct giro_settlement *settlement, uint32_t index, bool stopped);
bool giro_channel_bit(const struct giro_channel *channel, uint64_t sequence);

/* ---- uetr.c ---- */

uint32_t giro_uetr_segments(const struct giro_genesis *genesis);
uint32_t giro_uetr_slots(const struct giro_genesis *genesis);
uint32_t giro_uetr_hash(const struct giro_uetr_set *set, const struct giro_uetr_key *key);
void giro_uetr_prefetch(const struct giro_uetr_set *set, uint32_t hash);
bool giro_uetr_has(const struct giro_uetr_set *set, const struct giro_uetr_key *key, uint32_t hash);
/* The key is not in the set. Evicts the oldest segment when a new one is needed and there is no
 * room. */
void giro_uetr_add(struct giro_uetr_set *set, const struct giro_uetr_key *key, uint32_t hash,
                   uint32_t day, const struct giro_uetr_place *place);
void giro_uetr_day(struct giro_uetr_set *set, uint32_t day);
uint32_t giro_uetr_segment_fill(const struct giro_uetr_set *set, uint64_t segment);
/* The table over the entries of segments head..open, which were put there otherwise. False: too many, or one twice. */
bool giro_uetr_index(struct giro_uetr_set *set);
void giro_uetr_check(const struct giro_uetr_set *set);

/* ---- decide.c, perform.c ---- */

struct giro_payment {
    struct giro_record record;
    struct giro_uetr_key key;
    uint32_t key_hash;
    uint32_t currency_index; /* GIRO_NONE: not processed here */
    uint16_t sender;
};
uint32_t giro_currency_index(const struct giro_settlement *settlement, uint16_t number);
/* giro_payment_decide returns why the payment cannot be accepted, GIRO_REASON_NONE if it can.
 * Changes nothing. */
enum giro_reason giro_payment_decide(const struct giro_settlement *settlement,
                                     const struct giro_payment *payment);
/* giro_payment_perform books a payment that was decided to be good. Cannot fail. */
struct giro_result giro_payment_perform(struct giro_settlement *settlement,
                                        const struct giro_payment *payment, uint16_t record_index,
                                        uint32_t leaf_index);

/* ---- netting.c ---- */

void giro_matrix_add(struct giro_settlement *settlement, uint32_t currency_index, uint16_t sender,
                     uint16_t creditor, int64_t amount_minor);
void giro_matrix_prefetch(const struct giro_settlement *settlement, uint32_t currency_index,
                          uint16_t sender, uint16_t creditor);
/* The open matrix becomes the settled one; an empty one is open. */
void giro_matrix_turn(struct giro_settlement *settlement, uint32_t currency_index);
/* One member's row in matrix `which`; returns the number of cells written. */
uint32_t giro_matrix_row(const struct giro_settlement *settlement, uint32_t currency_index,
                         uint32_t which, uint16_t member, struct giro_netting_cell *cells,
                         uint32_t max);
struct giro_hash giro_netting_root(const struct giro_settlement *settlement,
                                   uint32_t currency_index, uint32_t which, uint32_t cycle);

/* ---- cycle.c, control.c ---- */

/* Settles the open cycle and opens the next one. */
void giro_cycle_close(struct giro_settlement *settlement, uint32_t currency_index);
/* A window holds at most one settled cycle of a currency: its journal has room for one row. */
bool giro_cycle_closed_now(const struct giro_settlement *settlement, uint32_t currency_index);
/* The open cycle got a payment: its scheduled end is the next multiple of cycle_seconds. */
void giro_cycle_schedule(struct giro_settlement *settlement, uint32_t currency_index);
struct giro_result giro_control_execute(struct giro_settlement *settlement,
                                        const struct giro_control *control);

/* ---- root.c ---- */

/* Brings every cached digest up to date and returns the root. */
struct giro_hash giro_root_update(struct giro_settlement *settlement);

/* The ledger, for settlement's own sanity check. */
uint64_t giro_ledger_height(const struct giro_ledger *ledger);

#endif
