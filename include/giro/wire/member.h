/* giro/wire/member.h - what members sign and get. Include giro/wire.h, not this file.
 * Source: shared design, protocol.md sections 1-6. */
#ifndef GIRO_WIRE_MEMBER_H
#define GIRO_WIRE_MEMBER_H

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Payment record: 64 bytes ------------------------------------------------------------------ */

enum giro_service { GIRO_SERVICE_GROSS = 1, GIRO_SERVICE_NET = 2 };
enum giro_payment_kind {
    GIRO_PAYMENT_CREDIT_TRANSFER = 1, /* pacs.008 / pacs.009 */
    GIRO_PAYMENT_RETURN = 2,          /* pacs.004; link = original UETR */
    GIRO_PAYMENT_RECALL = 3,          /* camt.056; link = original UETR */
    GIRO_PAYMENT_ADJUSTMENT = 4,      /* ADJT, by control transaction only */
    GIRO_PAYMENT_SETTLEMENT = 5,      /* posting of a cycle, made by the hub only */
    GIRO_PAYMENT_FUNDING = 6,         /* opening balance at genesis, made by the hub only */
    GIRO_PAYMENT_FEE = 7,
};
enum giro_priority { GIRO_PRIORITY_NORMAL = 0, GIRO_PRIORITY_HIGH = 1, GIRO_PRIORITY_URGENT = 2 };
enum { GIRO_RECORD_FLAG_LINK_IS_GROUP = 1, GIRO_RECORD_FLAG_LINK_IS_HOLD = 2 };

/* offset size field
 *      0   16 uetr             unique end-to-end transaction reference (UUID bytes in text order)
 *     16    8 amount_minor     1..GIRO_AMOUNT_MAX_MINOR, currency's minor unit
 *     24   16 link             original payment, hold or group; zero if none
 *     40    2 creditor         member index
 *     42    2 debtor_account   account index at the sender, 0 = settlement account
 *     44    2 creditor_account account index at the creditor, 0 = settlement account
 *     46    2 currency         ISO 4217 numeric code
 *     48    1 service          enum giro_service
 *     49    1 kind             enum giro_payment_kind
 *     50    1 priority         enum giro_priority
 *     51    1 flags            GIRO_RECORD_FLAG_*
 *     52    2 value_date       days since 1970-01-01; 0 = the business date
 *     54    2 reason           enum giro_reason, for returns and recalls; else 0
 *     56    4 earliest_s       seconds since 1970, 0 = at once
 *     60    4 latest_s         seconds since 1970, 0 = no limit */
struct giro_record {
    uint8_t uetr[16];
    int64_t amount_minor;
    uint8_t link[16];
    uint16_t creditor;
    uint16_t debtor_account;
    uint16_t creditor_account;
    uint16_t currency;
    uint8_t service;
    uint8_t kind;
    uint8_t priority;
    uint8_t flags;
    uint16_t value_date;
    uint16_t reason;
    uint32_t earliest_s;
    uint32_t latest_s;
};
GIRO_WIRE_SIZE(giro_record, 64);
GIRO_WIRE_AT(giro_record, link, 24);
GIRO_WIRE_AT(giro_record, creditor, 40);
GIRO_WIRE_AT(giro_record, service, 48);
GIRO_WIRE_AT(giro_record, value_date, 52);
GIRO_WIRE_AT(giro_record, latest_s, 60);

/* ---- Frame: one UDP datagram --------------------------------------------------------------------- */

/* Datagram: header 40 | record_count x 64 | details_bytes | signature 64.
 * SKIP:     header 40 (record_count 0, sequence = from) | to 8 | signature 64.
 * CONTROL:  header 40 (member 0xFFFF, key_id maker, checker_key_id) | record_count x 64 (struct
 *           giro_control) | signature 64 by the maker | signature 64 by the checker.
 *
 * offset size field
 *      0    8 head            kind FRAME, SKIP or CONTROL
 *      8    8 chain_prefix    first 8 bytes of the chain id, so another hub's frames are refused cheaply
 *     16    2 member          index of the sending member; 0xFFFF operator
 *     18    2 key_id          which of the member's frame keys signed
 *     20    2 channel         0..63
 *     22    2 record_count    FRAME 1..GIRO_FRAME_RECORDS_MAX, CONTROL 1..16, SKIP 0
 *     24    8 sequence        of the channel, from 0
 *     32    4 details_bytes   0..; multiple of 4; FRAME only
 *     36    2 checker_key_id  CONTROL only, else 0
 *     38    2 reserved        0 */
struct giro_frame_header {
    struct giro_head head;
    uint64_t chain_prefix;
    uint16_t member;
    uint16_t key_id;
    uint16_t channel;
    uint16_t record_count;
    uint64_t sequence;
    uint32_t details_bytes;
    uint16_t checker_key_id;
    uint16_t reserved;
};
GIRO_WIRE_SIZE(giro_frame_header, 40);
GIRO_WIRE_AT(giro_frame_header, chain_prefix, 8);
GIRO_WIRE_AT(giro_frame_header, member, 16);
GIRO_WIRE_AT(giro_frame_header, record_count, 22);
GIRO_WIRE_AT(giro_frame_header, sequence, 24);
GIRO_WIRE_AT(giro_frame_header, checker_key_id, 36);

#define GIRO_FRAME_BYTES_MAX     8972u /* UDP payload at a 9,000-byte MTU */
#define GIRO_FRAME_RECORDS_MAX   138u
#define GIRO_FRAME_BYTES_MIN     (40u + 8u + 64u)
#define GIRO_FRAME_MTU_BYTES     1472u /* UDP payload at 1,500; 20 records in a session */
#define GIRO_CONTROL_RECORDS_MAX 16u

/* Signed message of a frame, and the preimage of its frame hash (SHA-256):
 *   tag 8 "GIRFRAM1" | chain id 32 | header 40 | SHA-256(record 1) .. SHA-256(record n) | details root 32
 * The details root is SHA-256(tag DETAILS_ROOT | SHA-256(block 1) .. SHA-256(block m)), or 32 zero bytes without details.
 * SKIP:    tag 8 "GIRSKIP1" | chain id 32 | header 40 | to 8
 * CONTROL: tag 8 "GIRCTRL1" | chain id 32 | header 40 | records as they are (both sign the same bytes) */
#define GIRO_FRAME_MESSAGE_BYTES_MAX (8u + 32u + 40u + 32u * GIRO_FRAME_RECORDS_MAX + 32u)

/* A decoded frame points into the bytes it was decoded from. */
struct giro_frame {
    struct giro_frame_header header;
    const uint8_t *bytes; /* whole datagram */
    uint32_t size_bytes;
    const uint8_t *records;           /* record_count x 64, unaligned */
    const uint8_t *details;           /* details_bytes */
    const uint8_t *signature;         /* 64 */
    const uint8_t *checker_signature; /* CONTROL, else NULL */
    uint64_t skip_to;                 /* SKIP: channel sequences from..to inclusive are given up */
};
/* giro_frame_decode checks everything that needs no state: head, sizes, counts, reserved bytes, chain
 * prefix, form of the details. Members, keys, signature and records' contents are the callers'. *frame is set only on NONE. */
enum giro_reject giro_frame_decode(const void *bytes, size_t size_bytes, uint64_t chain_prefix,
                                   struct giro_frame *frame) GIRO_MUST_USE;
/* giro_frame_bytes returns the datagram size that this header implies, 0 if the header is out of range. */
size_t giro_frame_bytes(const struct giro_frame_header *header);
/* giro_frame_message writes the signed message (at most GIRO_FRAME_MESSAGE_BYTES_MAX) and returns its
 * size. The frame hash is the SHA-256 of it. Cost: one SHA-256 per record (giro_sha256_many). */
size_t giro_frame_message(const struct giro_frame *frame, const struct giro_hash *chain,
                          uint8_t *message);
/* giro_frame_message_shown writes the same message of a FRAME from the hashes of its records and its details root: for whoever was
 * shown some of the records only. */
size_t giro_frame_message_shown(const struct giro_frame_header *header,
                                const struct giro_hash *chain,
                                const struct giro_hash *record_hashes,
                                const struct giro_hash *details_root, uint8_t *message);
/* giro_record_get copies record `index` of a decoded frame. */
struct giro_record giro_record_get(const struct giro_frame *frame, uint32_t index);

/* ---- Control record: 64 bytes -------------------------------------------------------------------- */

enum giro_control_op {
    GIRO_CONTROL_CLOSE_CYCLE = 1,  /* close and settle the open cycle of `currency` */
    GIRO_CONTROL_DAY_SWITCH = 2,   /* new business date `value`; closes window and cycle */
    GIRO_CONTROL_SET_CAP = 3,      /* member's net debit cap = amount_minor */
    GIRO_CONTROL_SET_ACCOUNT = 4,  /* account status = value (enum giro_account_status) */
    GIRO_CONTROL_SET_MEMBER = 5,   /* member status = value (enum giro_member_status) */
    GIRO_CONTROL_LIFT_CHANNEL = 6, /* lift an equivocation stop: channel = value */
    GIRO_CONTROL_CUT_FILES = 7,    /* changes nothing; recorded wish to cut files */
};
/* offset size field
 *      0    2 op            enum giro_control_op
 *      2    2 member        target member or 0
 *      4    2 currency      ISO 4217 numeric or 0
 *      6    2 account       account index
 *      8    8 amount_minor
 *     16    8 value
 *     24   16 link          entry or payment it refers to
 *     40   24 reserved      0 */
struct giro_control {
    uint16_t op;
    uint16_t member;
    uint16_t currency;
    uint16_t account;
    int64_t amount_minor;
    uint64_t value;
    uint8_t link[16];
    uint8_t reserved[24];
};
GIRO_WIRE_SIZE(giro_control, 64);
GIRO_WIRE_AT(giro_control, amount_minor, 8);
GIRO_WIRE_AT(giro_control, link, 24);

/* ---- Sealed details: section of a frame (what is in them: giro/details.h) -------------------------------- */

/* One block per detailed record, records ascending: this header, then the ciphertext of the plaintext padded to
 * 128-byte steps. Each block is hashed by itself, so one can be shown without the others.
 * offset size field
 *      0    2 record            index in the frame
 *      2    2 ciphertext_bytes  128 x 1..8, and 16 (Poly1305)
 *      4    2 creditor_key_id   sealing key used, from 1
 *      6    2 supervisor_key_id 0 = the hub has no supervisor
 *      8   32 commitment        C = SHA-256(tag DETAILS, chain 32, member 2, channel 2, sequence 8,
 *                               record 2, UETR 16, K 32, padded plaintext)
 *     40   24 nonce             XChaCha20-Poly1305, C is the associated data
 *     64   80 creditor_box      K sealed to the creditor's sealing key
 *    144   80 supervisor_box    K sealed to the supervisor's sealing key; zero without a supervisor
 *    224      ciphertext */
struct giro_details_header {
    uint16_t record;
    uint16_t ciphertext_bytes;
    uint16_t creditor_key_id;
    uint16_t supervisor_key_id;
    struct giro_hash commitment;
    uint8_t nonce[24];
    uint8_t creditor_box[80];
    uint8_t supervisor_box[80];
};
GIRO_WIRE_SIZE(giro_details_header, 224);
GIRO_WIRE_AT(giro_details_header, commitment, 8);
GIRO_WIRE_AT(giro_details_header, nonce, 40);
GIRO_WIRE_AT(giro_details_header, supervisor_box, 144);

#define GIRO_DETAILS_STEP_BYTES 128u
#define GIRO_DETAILS_PLAIN_MAX  1024u
#define GIRO_DETAILS_TAG_BYTES  16u
#define GIRO_DETAILS_BLOCK_MAX  (224u + GIRO_DETAILS_PLAIN_MAX + GIRO_DETAILS_TAG_BYTES)
#define GIRO_DETAILS_BLOCKS_MAX 20u /* in a frame of 8,972 bytes, each with its record */

/* A block and its ciphertext, both in the bytes it was read from. */
struct giro_details_block {
    struct giro_details_header header;
    const uint8_t *bytes; /* the whole block */
    uint32_t size_bytes;
    const uint8_t *ciphertext;
};
/* giro_details_block_decode reads the block that bytes begin with; *block is set only on NONE. */
enum giro_reject giro_details_block_decode(const void *bytes, size_t size_bytes,
                                           struct giro_details_block *block) GIRO_MUST_USE;
/* giro_details_blocks reads all blocks of a decoded frame (GIRO_DETAILS_BLOCKS_MAX); returns their number. */
uint32_t giro_details_blocks(const struct giro_frame *frame, struct giro_details_block *blocks);
/* giro_details_root: SHA-256(tag DETAILS_ROOT | SHA-256 of each block), 32 zero bytes for none. */
struct giro_hash giro_details_root(const struct giro_hash *block_hashes, uint32_t count);

/* File of the keys a debtor made, kept by the debtor: header 64 | giro_details_key 96 each. A rest shorter than a key is what a death
 * while writing left.
 * offset size field
 *      0    8 head          kind DETAILS_KEYS
 *      8   32 chain_id
 *     40    2 member        the debtor
 *     42   22 reserved      0 */
struct giro_details_keys_header {
    struct giro_head head;
    struct giro_hash chain_id;
    uint16_t member;
    uint8_t reserved[22];
};
GIRO_WIRE_SIZE(giro_details_keys_header, 64);
/* offset size field: K of one block. No checksum: a K is right if it opens the block.
 *      0   32 commitment    of the block
 *     32   32 key           K
 *     64   16 uetr
 *     80    8 sequence
 *     88    2 channel
 *     90    2 record
 *     92    4 reserved      0 */
struct giro_details_key {
    struct giro_hash commitment;
    uint8_t key[32];
    uint8_t uetr[16];
    uint64_t sequence;
    uint16_t channel;
    uint16_t record;
    uint32_t reserved;
};
GIRO_WIRE_SIZE(giro_details_key, 96);

/* ---- Outcomes, statuses, reasons --------------------------------------------------------------------- */

/* X(number, NAME): the outcome of a frame at execution (protocol.md section 3). */
#define GIRO_OUTCOME_MAP(X)                                                                        \
    X(0, NONE)            /* not executed */                                                       \
    X(1, EXECUTED)        /* first execution; the records have statuses */                         \
    X(2, DUPLICATE)       /* same bytes again; no effect; the first outcome stands */              \
    X(3, EQUIVOCATION)    /* other bytes under a used sequence; no effect; the channel stops */    \
    X(4, OLD)             /* below the window; no effect */                                        \
    X(5, NOT_CONSUMED)    /* beyond the window; no effect; may be resent */                        \
    X(6, CHANNEL_STOPPED) /* the channel stands still after an equivocation; no effect */          \
    X(7, REFUSED)         /* member or key not active at this height; no effect */
enum giro_outcome {
#define GIRO_OUTCOME_ENUM(number, name) GIRO_OUTCOME_##name = (number),
    GIRO_OUTCOME_MAP(GIRO_OUTCOME_ENUM)
#undef GIRO_OUTCOME_ENUM
};
const char *giro_outcome_name(uint8_t outcome);

/* X(number, ISO code): status of one payment (ISO 20022 ExternalPaymentTransactionStatus1Code). */
#define GIRO_STATUS_MAP(X)                                                                         \
    X(0, NONE)                                                                                     \
    X(1, RCVD)                                                                                     \
    X(2, PDNG) X(3, ACSP) X(4, ACSC) X(5, CANC) X(6, RJCT) X(7, ACCP) X(8, ACWP) X(9, ACCC)
enum giro_status {
#define GIRO_STATUS_ENUM(number, name) GIRO_STATUS_##name = (number),
    GIRO_STATUS_MAP(GIRO_STATUS_ENUM)
#undef GIRO_STATUS_ENUM
};
const char *giro_status_name(uint8_t status); /* "ACSC" */

/* X(number, ISO code, sentence): reason of a status (ExternalStatusReason1Code). 0 = none. */
#define GIRO_REASON_MAP(X)                                                                         \
    X(0, NONE, "no reason")                                                                        \
    X(1, AM01, "amount is zero")                                                                   \
    X(2, AM12, "amount is negative or has too many digits")                                        \
    X(3, AM03, "currency not processed here")                                                      \
    X(4, AM04, "not enough funds")                                                                 \
    X(5, AM05, "duplicate of an earlier payment")                                                  \
    X(6, AM13, "net debit cap exceeded")                                                           \
    X(7, AM14, "bilateral limit exceeded")                                                         \
    X(8, RC04, "unknown creditor")                                                                 \
    X(9, AG10, "sending member suspended")                                                         \
    X(10, AG11, "creditor member suspended")                                                       \
    X(11, AC04, "account closed")                                                                  \
    X(12, AC06, "account blocked")                                                                 \
    X(13, DT01, "value date not acceptable")                                                       \
    X(14, TM01, "after the cut-off")                                                               \
    X(15, AB03, "expired before settlement")                                                       \
    X(16, AG13, "return of a return")                                                              \
    X(17, AG03, "service, kind or option not offered")                                             \
    X(18, AC01, "account unknown")                                                                 \
    X(19, NARR, "see the narrative")
enum giro_reason {
#define GIRO_REASON_ENUM(number, name, sentence) GIRO_REASON_##name = (number),
    GIRO_REASON_MAP(GIRO_REASON_ENUM)
#undef GIRO_REASON_ENUM
};
const char *giro_reason_name(uint16_t reason);
const char *giro_reason_sentence(uint16_t reason);

/* offset size field: what became of one record
 *      0    1 status    enum giro_status
 *      1    1 flags     0
 *      2    2 reason    enum giro_reason
 *      4    4 cycle     netted payments: the cycle's number, else 0 */
struct giro_result {
    uint8_t status;
    uint8_t flags;
    uint16_t reason;
    uint32_t cycle;
};
GIRO_WIRE_SIZE(giro_result, 8);

/* ---- Ledger leaves ------------------------------------------------------------------------------------- */

/* Hashes: leaf = SHA-256(0x00 | tag | fields); inner = SHA-256(0x01 | left | right); an odd node goes up
 * unpaired; root = SHA-256(0x02 | tag LEDGER_ROOT | height 8 | leaf count 8 | top), top = 32 zero bytes
 * when there is no leaf. Order of leaves in a block: windows (by member, currency), then frames in payload
 * order, then status and cycle leaves as they arise. */

/* Frame leaf preimage after 0x00 and tag LEAF_FRAME: this header, then record_count x giro_result.
 * offset size field
 *      0    8 height
 *      8    4 index          of the leaf in the block
 *     12    2 member
 *     14    2 channel
 *     16    8 sequence
 *     24   32 frame_hash
 *     56    1 outcome        always EXECUTED today
 *     57    1 reserved       0
 *     58    2 record_count   0 for SKIP
 *     60    4 reserved2      0 */
struct giro_leaf_frame {
    uint64_t height;
    uint32_t index;
    uint16_t member;
    uint16_t channel;
    uint64_t sequence;
    struct giro_hash frame_hash;
    uint8_t outcome;
    uint8_t reserved;
    uint16_t record_count;
    uint32_t reserved2;
};
GIRO_WIRE_SIZE(giro_leaf_frame, 64);
GIRO_WIRE_AT(giro_leaf_frame, sequence, 16);
GIRO_WIRE_AT(giro_leaf_frame, outcome, 56);

/* Status leaf preimage after 0x00 and tag LEAF_STATUS.
 * offset size field
 *      0    8 height
 *      8    4 index          of the leaf in the block
 *     12    2 member         sender of the payment's frame
 *     14    2 channel
 *     16    8 sequence
 *     24   16 uetr
 *     40    2 record         in its frame
 *     42    1 old_status
 *     43    1 new_status
 *     44    2 reason
 *     46    2 reserved       0 */
struct giro_leaf_status {
    uint64_t height;
    uint32_t index;
    uint16_t member;
    uint16_t channel;
    uint64_t sequence;
    uint8_t uetr[16];
    uint16_t record;
    uint8_t old_status;
    uint8_t new_status;
    uint16_t reason;
    uint16_t reserved;
};
GIRO_WIRE_SIZE(giro_leaf_status, 48);

/* Cycle leaf preimage after 0x00 and tag LEAF_CYCLE: takes every payment of the cycle from ACSP to ACSC
 * (or the cycle to aborted) at once; a payment's own leaf names its cycle.
 * offset size field
 *      0    8 height
 *      8    4 index
 *     12    4 cycle
 *     16    2 currency
 *     18    1 state        enum giro_cycle_state
 *     19    1 reserved
 *     20    4 payment_count
 *     24   16 gross_minor  sum of the cycle's payments
 *     40   16 net_minor    sum of the positive positions = what moves
 *     56   32 netting_root hash over the members' netting rows */
struct giro_leaf_cycle {
    uint64_t height;
    uint32_t index;
    uint32_t cycle;
    uint16_t currency;
    uint8_t state;
    uint8_t reserved;
    uint32_t payment_count;
    struct giro_amount128 gross_minor;
    struct giro_amount128 net_minor;
    struct giro_hash netting_root;
};
GIRO_WIRE_SIZE(giro_leaf_cycle, 88);
GIRO_WIRE_AT(giro_leaf_cycle, gross_minor, 24);
GIRO_WIRE_AT(giro_leaf_cycle, netting_root, 56);

/* Window leaf preimage after 0x00 and tag LEAF_WINDOW: salt 32 | hash of the window record 32.
 * salt = SHA-256(tag WINDOW_SALT | hub window secret 32 | member 2 | currency 2 | window 8): known to the
 * replicas and, window by window, to the member. */

/* ---- Receipt: what a replica says of a frame ------------------------------------------------------------ */

enum giro_level { GIRO_LEVEL_RECEIVED = 1, GIRO_LEVEL_DURABLE = 2, GIRO_LEVEL_CERTIFIED = 3 };

/* In a session's RECEIPT blocks: items, each item 64 | run_count x run 12. */
/* offset size field
 *      0    8 sequence
 *      8   32 frame_hash
 *     40    8 height        CERTIFIED: of the block; DURABLE: expiry, block time in ns
 *     48    4 leaf_index    CERTIFIED: leaf in the block
 *     52    2 channel
 *     54    1 level         enum giro_level
 *     55    1 outcome       enum giro_outcome
 *     56    2 run_count     0 unless CERTIFIED
 *     58    6 reserved      0 */
struct giro_receipt_item {
    uint64_t sequence;
    struct giro_hash frame_hash;
    uint64_t height;
    uint32_t leaf_index;
    uint16_t channel;
    uint8_t level;
    uint8_t outcome;
    uint16_t run_count;
    uint8_t reserved[6];
};
GIRO_WIRE_SIZE(giro_receipt_item, 64);
GIRO_WIRE_AT(giro_receipt_item, height, 40);
GIRO_WIRE_AT(giro_receipt_item, run_count, 56);
/* `count` consecutive records with the same result.
 * offset size field
 *      0    2 count          1..
 *      2    2 reserved       0
 *      4    8 result         struct giro_result */
struct giro_receipt_run {
    uint16_t count;
    uint16_t reserved;
    struct giro_result result;
};
GIRO_WIRE_SIZE(giro_receipt_run, 12);

/* giro_receipt_next takes the next item. runs points into the bytes (unaligned). */
enum giro_reject giro_receipt_next(struct giro_reader *reader, struct giro_receipt_item *item,
                                   const uint8_t **runs) GIRO_MUST_USE;

/* ---- Spool: signed frames in a file, made before they are sent -------------------------------------------- */

/* File: header 64 | (size 4 | frame bytes, padded with zeros to 4)*. A frame of size 0 ends the file.
 * offset size field
 *      0    8 head          kind SPOOL
 *      8   32 chain_id
 *     40    8 frame_count
 *     48    8 record_count
 *     56    8 created_ns */
struct giro_spool_header {
    struct giro_head head;
    struct giro_hash chain_id;
    uint64_t frame_count;
    uint64_t record_count;
    uint64_t created_ns;
};
GIRO_WIRE_SIZE(giro_spool_header, 64);

/* ---- Proof: a leaf, its path, and the certificate over its root -------------------------------------------- */

/* File: header 48 | leaf preimage (leaf_bytes, from the tag on) | path_count x 32 | certificate (encoded).
 * offset size field
 *      0    8 head            kind PROOF
 *      8    8 height
 *     16    4 leaf_index
 *     20    4 leaf_count      of the block
 *     24    4 leaf_bytes
 *     28    4 path_count
 *     32    4 certificate_bytes
 *     36    4 epoch_end_bytes chain of EpochEnd from genesis; 0 in epoch 1
 *     40    8 reserved */
struct giro_proof_header {
    struct giro_head head;
    uint64_t height;
    uint32_t leaf_index;
    uint32_t leaf_count;
    uint32_t leaf_bytes;
    uint32_t path_count;
    uint32_t certificate_bytes;
    uint32_t epoch_end_bytes;
    uint64_t reserved;
};
GIRO_WIRE_SIZE(giro_proof_header, 48);

#ifdef __cplusplus
}
#endif
#endif
