/* recon/windows.h - layout of the windows object and what its files ask of each other. Private
 * to this folder.
 *
 * Life of a row: a chunk of an open account -> the same chunk of a sealed window -> a journal
 * block -> the free list. Replicated: everything in struct windows_account that windows_digest.c
 * writes down. Local: pools, sealed windows, settled cycles and groups, whose life ends with
 * certificates and so differs from replica to replica. */
#ifndef GIRO_RECON_WINDOWS_H
#define GIRO_RECON_WINDOWS_H

#include "giro/recon.h"

/* ---- Memory ---- */

/* Hands out pieces of the caller's zero-filled memory without touching them, which
 * giro_arena_take would. With base NULL it only adds up, so that footprint and init cannot
 * disagree. */
struct windows_memory {
    uint8_t *base;
    size_t used_bytes;
};
static inline void *windows_take(struct windows_memory *memory, size_t size_bytes)
{
    void *piece = memory->base == NULL ? NULL : memory->base + memory->used_bytes;
    memory->used_bytes += giro_align_up(size_bytes, GIRO_CACHE_LINE_BYTES);
    return piece;
}

/* ---- Pools of chunks (windows_pool.c) ---- */

#define WINDOWS_CHUNK_ROWS 16u

/* Chunks of WINDOWS_CHUNK_ROWS rows, linked by index. Memory above `used` was never touched. */
struct windows_pool {
    uint8_t *rows;
    uint32_t *next; /* per chunk, GIRO_NONE = last */
    uint32_t row_bytes;
    uint32_t chunk_count;
    uint32_t used;
    uint32_t free_head;
    uint32_t free_count; /* the untouched ones included */
};
struct windows_list {
    uint32_t head, tail; /* chunks; only meaningful when row_count > 0 */
    uint32_t row_count;
};
void windows_pool_init(struct windows_pool *pool, struct windows_memory *memory,
                       uint32_t chunk_count, uint32_t row_bytes);
void windows_pool_append(struct windows_pool *pool, struct windows_list *list, const void *row);
/* windows_pool_rows is where the rows of a chunk begin. */
const uint8_t *windows_pool_rows(const struct windows_pool *pool, uint32_t chunk);
/* Copies all rows of the list in order to out and returns the bytes written. */
size_t windows_pool_copy(const struct windows_pool *pool, const struct windows_list *list,
                         uint8_t *out);
void windows_pool_release(struct windows_pool *pool, struct windows_list *list);

/* ---- Accounts ---- */

enum windows_kind { KIND_ENTRIES, KIND_POSITIONS, KIND_STATUSES, KIND_COUNT };

/* Rows of one kind in the open window. They are hashed at the end of a block, those of many accounts at once: between blocks
 * hashed_count is the list's row_count. */
struct windows_rows {
    struct windows_list list;
    uint32_t hashed_count;
    uint32_t hashed_chunk;         /* of row hashed_count, if it has one */
    struct giro_sha256_state hash; /* begun by the first row; over the first hashed_count */
    struct giro_hash so_far;       /* what journal_rows_end makes of it; zero without rows */
};
struct windows_book {
    giro_i128 opening, debit, credit, closing;
    uint64_t debit_count, credit_count;
    uint64_t first_entry; /* of this window, 0 if none */
    uint64_t next_entry;
};
struct windows_cycle {
    struct windows_book book;
    uint32_t cycle;
    uint8_t state; /* enum giro_cycle_state */
};
struct windows_account {
    uint64_t sequence; /* of the last record */
    uint64_t window;   /* of the last record */
    struct giro_hash previous;
    struct windows_book book;
    struct windows_cycle cycles[GIRO_WINDOW_CYCLES_MAX];
    uint32_t cycle_count;
    uint32_t
        settled; /* place in `cycles` of the settlement whose cells are held here, or GIRO_NONE */
    struct windows_list cells;
    struct giro_hash netting_hash; /* of the cells; zero without any */
    struct windows_rows rows[KIND_COUNT];
};

/* ---- What waits for certificates: three rings, oldest first ---- */

/* A leaf below GIRO_LEDGER_LEAVES_MAX never has more siblings than this. */
#define WINDOWS_PATH_MAX 18u
static_assert(GIRO_LEDGER_LEAVES_MAX <= 1u << WINDOWS_PATH_MAX, "every path fits");

struct windows_proof {
    uint32_t leaf_index;
    uint32_t leaf_count;
    uint32_t path_count;
    struct giro_hash path[WINDOWS_PATH_MAX];
};
struct windows_sealed {
    struct giro_window_record record;
    struct giro_window_cycle cycles[GIRO_WINDOW_CYCLES_MAX];
    struct giro_hash salt;
    struct windows_proof proof;
    struct windows_list rows[KIND_COUNT];
    struct windows_list cells;
    uint32_t settled;
};
/* A cycle that settled, for the members with cells in it. */
struct windows_settled {
    uint64_t height;
    struct giro_leaf_cycle leaf;
    struct windows_proof proof;
    uint32_t users; /* open and sealed windows that name it */
    bool has_certificate;
    struct giro_certificate certificate;
};
/* All windows sealed in one block. */
struct windows_group {
    uint64_t height;
    uint64_t sealed_first; /* running number in the ring of sealed windows */
    uint32_t sealed_count;
    bool has_certificate;
    struct giro_certificate certificate;
};
/* Elements first..next-1 are held, at their number modulo max. */
struct windows_ring {
    uint64_t first, next;
    uint32_t max;
};
static inline uint32_t windows_ring_place(const struct windows_ring *ring, uint64_t number)
{
    return (uint32_t)(number % ring->max);
}
static inline uint32_t windows_ring_free(const struct windows_ring *ring)
{
    return ring->max - (uint32_t)(ring->next - ring->first);
}

/* ---- Digest: a tree of arity WINDOWS_FAN over the accounts (windows_digest.c) ---- */

#define WINDOWS_FAN        16u
#define WINDOWS_LEVELS_MAX 5u
static_assert(GIRO_MEMBERS_MAX * GIRO_CURRENCIES_MAX <=
                  WINDOWS_FAN * WINDOWS_FAN * WINDOWS_FAN * WINDOWS_FAN,
              "the tree is high enough");

struct windows_level {
    struct giro_hash *nodes;
    uint64_t *dirty; /* bitmap */
    uint32_t count;
};

struct giro_windows {
    const struct giro_genesis *genesis;
    const struct giro_settlement *settlement;
    struct giro_ledger *ledger;
    uint8_t secret[32];
    struct giro_windows_sink sink;
    uint32_t account_count; /* member_count x currency_count, member-major */
    uint32_t cells_full;    /* chunks that one settlement of every currency can need */
    bool in_block;

    uint64_t height, time_ns; /* of the block in hand or the last one */
    bool open;                /* some account has something in it */
    bool day_switched;        /* the open window's date is over */
    uint64_t window;          /* the open one, seconds */
    uint64_t opened_height;   /* the open one's first block */
    uint16_t business_date;   /* of the open window */
    uint64_t records;         /* sealed so far */

    struct windows_account *accounts;
    uint64_t *active; /* bitmap: accounts with something in the open window */
    struct windows_level levels[WINDOWS_LEVELS_MAX];
    uint32_t level_count;
    struct giro_hash digest;

    struct windows_pool bookings, statuses, cells;
    struct windows_ring sealed_ring, settled_ring, group_ring;
    struct windows_sealed *sealed;
    struct windows_settled *settled;
    struct windows_group *groups;
    uint64_t settled_block_first;  /* settled in the block in hand: from here on */
    struct giro_netting_cell *row; /* scratch: one member's row */
    uint8_t *block;                /* scratch: one journal block */
    size_t block_bytes;
};

static inline uint16_t windows_member(const struct giro_windows *windows, uint32_t account_index)
{
    return (uint16_t)(account_index / windows->genesis->currency_count);
}
static inline uint16_t windows_currency(const struct giro_windows *windows, uint32_t account_index)
{
    return windows->genesis->currencies[account_index % windows->genesis->currency_count].number;
}
static inline void windows_bit_set(uint64_t *bits, uint32_t index)
{
    bits[index / 64] |= UINT64_C(1) << (index % 64);
}
static inline struct windows_pool *windows_pool_of(struct giro_windows *windows,
                                                   enum windows_kind kind)
{
    return kind == KIND_STATUSES ? &windows->statuses : &windows->bookings;
}

/* windows_touch marks an account whose digest changes in this block. */
void windows_touch(struct giro_windows *windows, uint32_t account_index);
void windows_digest_refresh(struct giro_windows *windows);
void windows_digest_layout(struct giro_windows *windows, struct windows_memory *memory);

/* windows_row_add puts a row behind the others of its kind in the open window, and into their hash. */
void windows_row_add(struct giro_windows *windows, uint32_t account_index, enum windows_kind kind,
                     const void *row);

/* windows_seal makes the records of everything open, and their leaves (windows_seal.c). */
void windows_seal(struct giro_windows *windows);

#endif
