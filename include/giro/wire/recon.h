/* giro/wire/recon.h - what is sealed every second and what files are cut from it. Include giro/wire.h.
 * Source: shared design, protocol.md section 7. */
#ifndef GIRO_WIRE_RECON_H
#define GIRO_WIRE_RECON_H

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Entry: one booking, in the settlement account or in a cycle's position ------------------------------ */

enum giro_direction { GIRO_DEBIT = 1, GIRO_CREDIT = 2 };
enum giro_book { GIRO_BOOK_ACCOUNT = 1, GIRO_BOOK_POSITION = 2 };

/* offset size field
 *      0   16 uetr
 *     16   16 link              original UETR or zero
 *     32   16 balance_after     of the account, or of the position in its cycle
 *     48    8 amount_minor      > 0
 *     56    8 entry             contiguous from 1: per account for ever; per member, currency and cycle for positions
 *     64    8 height
 *     72    8 booking_time_ns   block time
 *     80    4 cycle             positions: their cycle; account: the settled cycle for SETTLEMENT, else 0
 *     84    4 leaf_index        frame leaf (or cycle leaf) in block `height`
 *     88    2 counterparty      member index; 0xFFFF = hub (cycle settlement, funding)
 *     90    2 record            record in its frame
 *     92    2 value_date
 *     94    2 reason
 *     96    1 book              enum giro_book
 *     97    1 direction         enum giro_direction
 *     98    1 service
 *     99    1 kind              enum giro_payment_kind
 *    100    4 reserved          0 */
struct giro_entry {
    uint8_t uetr[16];
    uint8_t link[16];
    struct giro_amount128 balance_after;
    int64_t amount_minor;
    uint64_t entry;
    uint64_t height;
    uint64_t booking_time_ns;
    uint32_t cycle;
    uint32_t leaf_index;
    uint16_t counterparty;
    uint16_t record;
    uint16_t value_date;
    uint16_t reason;
    uint8_t book;
    uint8_t direction;
    uint8_t service;
    uint8_t kind;
    uint32_t reserved;
};
GIRO_WIRE_SIZE(giro_entry, 104);
GIRO_WIRE_AT(giro_entry, balance_after, 32);
GIRO_WIRE_AT(giro_entry, entry, 56);
GIRO_WIRE_AT(giro_entry, cycle, 80);
GIRO_WIRE_AT(giro_entry, book, 96);

/* Status row: what became of a payment its member sent (debtor's side), or a later change.
 * offset size field
 *      0   16 uetr           zero: the whole cycle changed
 *     16    8 time_ns        block time
 *     24    8 height
 *     32    8 sequence
 *     40    4 cycle
 *     44    4 leaf_index
 *     48    2 channel
 *     50    2 record
 *     52    2 reason
 *     54    1 status
 *     55    1 reserved */
struct giro_status_row {
    uint8_t uetr[16];
    uint64_t time_ns;
    uint64_t height;
    uint64_t sequence;
    uint32_t cycle;
    uint32_t leaf_index;
    uint16_t channel;
    uint16_t record;
    uint16_t reason;
    uint8_t status;
    uint8_t reserved;
};
GIRO_WIRE_SIZE(giro_status_row, 56);
GIRO_WIRE_AT(giro_status_row, cycle, 40);
GIRO_WIRE_AT(giro_status_row, status, 54);

/* ---- Window record: the canonical, certified form of one second of one account ------------------------------- */

/* Fixed part 464, then cycle_count x 144. Debits and credits satisfy, per book,
 *   opening + credit_minor - debit_minor == closing.
 * Entries hash = SHA-256(tag ENTRIES | chain 32 | member 2 | currency 2 | window 8 | zeros 4 | entries | entry_count 8),
 * of positions with tag POSITIONS and position_count, of status rows with tag STATUSES and status_count; zero when the
 * count is 0. The count stands last because rows are hashed as they come, when nobody knows yet how many there will be.
 * Cycles: ascending by number; the open one as soon as the member has anything in it, and those settled in this window.
 * previous = hash of the member and currency's previous window record (SHA-256(tag WINDOW | record bytes)), zero
 * for the first. Status rows are in the record of the currency of their payment; rows whose currency the hub does
 * not process go to the member's first account.
 * offset size field
 *      0    8 head              kind WINDOW
 *      8    8 window            seconds since 1970: floor(block time)
 *     16    2 member
 *     18    2 currency
 *     20    2 account           index; 0 = settlement account
 *     22    2 business_date
 *     24    2 cycle_count       0..GIRO_WINDOW_CYCLES_MAX
 *     26    2 reserved
 *     28    4 covered_windows   window - the previous record's window: the seconds between were empty. 1 for the first
 *                               record, 0 for the second one of a second in which the business date changed
 *     32    8 sealed_height     of the block that closed it
 *     40    8 first_entry       number of the first entry, 0 if none
 *     48    8 entry_count
 *     56    8 position_count
 *     64    8 status_count
 *     72   16 opening           settlement account balance
 *     88   16 debit_minor
 *    104   16 credit_minor
 *    120   16 closing
 *    136   16 available         closing = available + reserved + held
 *    152   16 reserved_minor
 *    168   16 held_minor
 *    184   16 cap_minor
 *    200   16 cap_used_minor    -(position) where negative, over open cycles
 *    216   16 queued_minor
 *    232    8 queued_count
 *    240    8 debit_count
 *    248    8 credit_count
 *    256    8 sequence          of this member and currency's records, from 1
 *    264    8 reserved2
 *    272   32 entries_hash
 *    304   32 positions_hash
 *    336   32 statuses_hash
 *    368   32 previous
 *    400   32 chain_id
 *    432   32 netting_hash      row hash of the cells of the cycle that settled in this window; zero if none */
struct giro_window_record {
    struct giro_head head;
    uint64_t window;
    uint16_t member;
    uint16_t currency;
    uint16_t account;
    uint16_t business_date;
    uint16_t cycle_count;
    uint16_t reserved;
    uint32_t covered_windows;
    uint64_t sealed_height;
    uint64_t first_entry;
    uint64_t entry_count;
    uint64_t position_count;
    uint64_t status_count;
    struct giro_amount128 opening;
    struct giro_amount128 debit_minor;
    struct giro_amount128 credit_minor;
    struct giro_amount128 closing;
    struct giro_amount128 available;
    struct giro_amount128 reserved_minor;
    struct giro_amount128 held_minor;
    struct giro_amount128 cap_minor;
    struct giro_amount128 cap_used_minor;
    struct giro_amount128 queued_minor;
    uint64_t queued_count;
    uint64_t debit_count;
    uint64_t credit_count;
    uint64_t sequence;
    uint64_t reserved2;
    struct giro_hash entries_hash;
    struct giro_hash positions_hash;
    struct giro_hash statuses_hash;
    struct giro_hash previous;
    struct giro_hash chain_id;
    struct giro_hash netting_hash;
};
GIRO_WIRE_SIZE(giro_window_record, 464);
GIRO_WIRE_AT(giro_window_record, covered_windows, 28);
GIRO_WIRE_AT(giro_window_record, opening, 72);
GIRO_WIRE_AT(giro_window_record, queued_count, 232);
GIRO_WIRE_AT(giro_window_record, entries_hash, 272);
GIRO_WIRE_AT(giro_window_record, chain_id, 400);

/* One open (or in this window settled) cycle's position.
 * offset size field
 *      0    4 cycle
 *      4    1 state          enum giro_cycle_state at the window's end
 *      5    3 reserved
 *      8    8 first_entry    0 if none in this window
 *     16    8 position_count in this window
 *     24   16 opening
 *     40   16 debit_minor
 *     56   16 credit_minor
 *     72   16 closing
 *     88    8 debit_count
 *     96    8 credit_count
 *    104   40 reserved2 */
struct giro_window_cycle {
    uint32_t cycle;
    uint8_t state;
    uint8_t reserved[3];
    uint64_t first_entry;
    uint64_t position_count;
    struct giro_amount128 opening;
    struct giro_amount128 debit_minor;
    struct giro_amount128 credit_minor;
    struct giro_amount128 closing;
    uint64_t debit_count;
    uint64_t credit_count;
    uint8_t reserved2[40];
};
GIRO_WIRE_SIZE(giro_window_cycle, 144);
GIRO_WIRE_AT(giro_window_cycle, opening, 24);
GIRO_WIRE_AT(giro_window_cycle, debit_count, 88);
#define GIRO_WINDOW_CYCLES_MAX 4u

/* ---- Netting: one cell of a member's bilateral row in a cycle --------------------------------------------------- */

/* Row hash = SHA-256(tag NETTING | chain 32 | cycle 4 | member 2 | currency 2 | cell_count 4 | zeros 4 | cells), cells
 * with a payment in either direction only, ascending by counterparty. Netting root = SHA-256(tag NETTING | row
 * hashes in member order, members with cells only).
 * offset size field
 *      0    2 counterparty
 *      2    6 reserved
 *      8    4 sent_count      payments member -> counterparty
 *     12    4 received_count
 *     16   16 sent_minor
 *     32   16 received_minor */
struct giro_netting_cell {
    uint16_t counterparty;
    uint16_t reserved[3];
    uint32_t sent_count;
    uint32_t received_count;
    struct giro_amount128 sent_minor;
    struct giro_amount128 received_minor;
};
GIRO_WIRE_SIZE(giro_netting_cell, 48);

/* ---- Member journal: sealed windows with what proves them, one file per member and business date --------------- */

/* File: header 64 | blocks. A block: block header 64 | window record (464 + 144 c) | entries | positions | status
 * rows | netting row (has_cycle only: leaf count 4 of the cycle leaf's block | zeros 4 | cycle leaf 88 without its tag |
 * cells) | salt 32 | window leaf's path | cycle leaf's path | certificate (encoded) of sealed_height's ledger root |
 * certificate of cycle_height's, if that is another height | zeros to a multiple of 8.
 * offset size field: file header
 *      0    8 head           kind JOURNAL
 *      8   32 chain_id
 *     40    2 member
 *     42    2 business_date
 *     44   20 reserved */
struct giro_journal_header {
    struct giro_head head;
    struct giro_hash chain_id;
    uint16_t member;
    uint16_t business_date;
    uint8_t reserved[20];
};
GIRO_WIRE_SIZE(giro_journal_header, 64);
/* offset size field: block header
 *      0    4 magic              GIRO_MAGIC
 *      4    4 size_bytes         of the block with this header, multiple of 8
 *      8    8 checksum           XXH3-64 of the block from byte 16 on
 *     16    4 record_bytes       window record with its cycles
 *     20    4 entry_count
 *     24    4 position_count
 *     28    4 status_count
 *     32    4 certificate_bytes
 *     36    4 leaf_index         of the window leaf in block sealed_height
 *     40    4 leaf_count         of that block
 *     44    2 path_count
 *     46    2 netting_count      cells of the settled cycle; 0 = none settled here
 *     48    4 cycle_leaf_index   valid iff has_cycle
 *     52    2 cycle_path_count
 *     54    2 has_cycle          0 or 1: a cycle in which the member has cells settled in this window; if 0,
 *                                netting_count and the other cycle fields are 0
 *     56    8 cycle_height       block of the cycle leaf, not above sealed_height */
struct giro_journal_block {
    uint32_t magic;
    uint32_t size_bytes;
    uint64_t checksum;
    uint32_t record_bytes;
    uint32_t entry_count;
    uint32_t position_count;
    uint32_t status_count;
    uint32_t certificate_bytes;
    uint32_t leaf_index;
    uint32_t leaf_count;
    uint16_t path_count;
    uint16_t netting_count;
    uint32_t cycle_leaf_index;
    uint16_t cycle_path_count;
    uint16_t has_cycle;
    uint64_t cycle_height;
};
GIRO_WIRE_SIZE(giro_journal_block, 64);
GIRO_WIRE_AT(giro_journal_block, checksum, 8);
GIRO_WIRE_AT(giro_journal_block, certificate_bytes, 32);
GIRO_WIRE_AT(giro_journal_block, cycle_height, 56);

#ifdef __cplusplus
}
#endif
#endif
