/* giro/wire/store.h - what is on a replica's disk. Include giro/wire.h, not this file.
 * Source: shared design, consensus.md sections 7-8. */
#ifndef GIRO_WIRE_STORE_H
#define GIRO_WIRE_STORE_H

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Block log -------------------------------------------------------------------------------------------- */

/* Segment file "log-<generation as 16 hex digits>": header 4,096 | records. A group commit starts at a multiple of
 * 4,096 and is padded to one; no durable block is ever written again.
 * A file is made with zeros before it is needed. While its header block is zero it is prepared, not used yet: records
 * follow only a durable header. A header that a death tore has no record behind it either, and the file is made anew.
 * offset size field: segment header (the rest of the 4,096 is zero)
 *      0    8 head           kind LOG_SEGMENT
 *      8   32 chain_id
 *     40    8 generation     1, 2, ... of this log
 *     48    8 first_sequence log sequence of its first record
 *     56    8 seed           random per generation; seeds every record checksum of the segment
 *     64    8 size_bytes     of the file
 *     72    2 replica
 *     74    6 reserved
 *     80   16 checksum       XXH3-128 of bytes 0..80 */
struct giro_log_segment_header {
    struct giro_head head;
    struct giro_hash chain_id;
    uint64_t generation;
    uint64_t first_sequence;
    uint64_t seed;
    uint64_t size_bytes;
    uint16_t replica;
    uint8_t reserved[6];
    uint8_t checksum[16];
};
GIRO_WIRE_SIZE(giro_log_segment_header, 96);
GIRO_WIRE_AT(giro_log_segment_header, generation, 40);
GIRO_WIRE_AT(giro_log_segment_header, checksum, 80);

/* X(number, NAME, body) */
#define GIRO_LOG_KIND_MAP(X)                                                                       \
    X(1, PAD, "zeros to the next 4,096 boundary")                                                  \
    X(2, BLOCK, "a proposal (block voted for or fetched, with QC, TC, certificate, proofs)")       \
    X(3, TIMEOUT, "a timeout this replica signs, with high_qc and last_tc")                        \
    X(4, BATCH, "a batch body")                                                                    \
    X(5, ROOTS, "a commit body: roots after executing a height")                                   \
    X(6, CERTIFICATE, "a certificate of a height")                                                 \
    X(7, QC, "a QC that committed blocks")                                                         \
    X(8, TC, "a timeout certificate")                                                              \
    X(9, PROOF, "a proof of availability")                                                         \
    X(10, EVIDENCE, "evidence against a replica: two messages that contradict each other")         \
    X(11, OUTBOX_FRAME, "a frame that a member signed, kept until it has its outcome")             \
    X(12, OUTBOX_DONE, "frames that have their outcome")                                           \
    X(13, OUTBOX_RANGE, "sequences that an outbox reserved")
enum giro_log_kind {
#define GIRO_LOG_KIND_ENUM(number, name, text) GIRO_LOG_##name##_RECORD = (number),
    GIRO_LOG_KIND_MAP(GIRO_LOG_KIND_ENUM)
#undef GIRO_LOG_KIND_ENUM
};

/* offset size field: record header; the body follows, then zeros to a multiple of 8
 *      0    4 magic          GIRO_MAGIC
 *      4    2 kind           enum giro_log_kind
 *      6    2 reserved
 *      8    8 generation
 *     16    8 sequence       log sequence number, +1 per record over all segments
 *     24    4 body_bytes
 *     28    4 reserved2
 *     32   16 checksum       XXH3-128 seeded by the segment's seed: bytes 0..32, then the body
 *     48   16 reserved3 */
struct giro_log_record_header {
    uint32_t magic;
    uint16_t kind;
    uint16_t reserved;
    uint64_t generation;
    uint64_t sequence;
    uint32_t body_bytes;
    uint32_t reserved2;
    uint8_t checksum[16];
    uint8_t reserved3[16];
};
GIRO_WIRE_SIZE(giro_log_record_header, 64);
GIRO_WIRE_AT(giro_log_record_header, sequence, 16);
GIRO_WIRE_AT(giro_log_record_header, checksum, 32);

/* ---- A member's outbox: a block log whose replica is the member's index --------------------------------------------- */

/* OUTBOX_FRAME: the exact bytes of a FRAME or SKIP. OUTBOX_DONE: one or more of these.
 * offset size field
 *      0    8 sequence
 *      8    2 channel
 *     10    1 outcome        enum giro_outcome
 *     11    5 reserved       0 */
struct giro_outbox_done {
    uint64_t sequence;
    uint16_t channel;
    uint8_t outcome;
    uint8_t reserved[5];
};
GIRO_WIRE_SIZE(giro_outbox_done, 16);

/* OUTBOX_RANGE: the frames of a range stand behind it in the log, in sequence order.
 * offset size field
 *      0    8 outbox         number of the outbox, random
 *      8    8 first          first sequence that no frame in the log before this record has
 *     16    8 next           end of the range
 *     24    2 channel
 *     26    6 reserved       0 */
struct giro_outbox_range {
    uint64_t outbox;
    uint64_t first;
    uint64_t next;
    uint16_t channel;
    uint8_t reserved[6];
};
GIRO_WIRE_SIZE(giro_outbox_range, 32);

/* ---- Safety slot ------------------------------------------------------------------------------------------------ */

/* File "safety": 64 slots of 4,096 bytes. Each record is written to slot s and slot (s + 32) % 64 (131,072 bytes apart),
 * s = (sequence % 32). One slot:
 * offset size field
 *      0    8 head               kind SAFETY_SLOT
 *      8   32 chain_id
 *     40    8 sequence           of this record, from 1
 *     48    8 epoch
 *     56    8 last_voted_round
 *     64    8 lock_round
 *     72    8 last_timeout_round
 *     80    8 incarnation
 *     88    8 log_watermark      log sequence covered when this was written
 *     96  168 last_vote          struct giro_vote without its signature (zeros) - resent after a restart
 *    264  104 last_timeout       struct giro_timeout_header, likewise
 *    368    2 replica
 *    370    6 reserved
 *    376   16 checksum           XXH3-128 of bytes 0..376 */
struct giro_safety_slot {
    struct giro_head head;
    struct giro_hash chain_id;
    uint64_t sequence;
    uint64_t epoch;
    uint64_t last_voted_round;
    uint64_t lock_round;
    uint64_t last_timeout_round;
    uint64_t incarnation;
    uint64_t log_watermark;
    struct giro_vote last_vote;
    struct giro_timeout_header last_timeout;
    uint16_t replica;
    uint8_t reserved[6];
    uint8_t checksum[16];
};
GIRO_WIRE_SIZE(giro_safety_slot, 392);
GIRO_WIRE_AT(giro_safety_slot, last_vote, 96);
GIRO_WIRE_AT(giro_safety_slot, last_timeout, 264);
GIRO_WIRE_AT(giro_safety_slot, checksum, 376);
#define GIRO_SAFETY_SLOTS      64u
#define GIRO_SAFETY_SLOT_BYTES 4096u

/* ---- Leader window: who leads above a height, in a checkpoint's image -------------------------------------------- */

/* Heights fall into windows of GIRO_LEADER_WINDOW: window = height / 128. The state after height h is rebuilt from the
 * blocks of the two windows before it; candidates of replicas that were seen lead two windows later.
 * offset size field
 *      0    8 head            kind LEADER_WINDOW
 *      8    8 height          the last one counted in
 *     16   16 candidates[0]   bitmap: who leads in the window of height + 1
 *     32   16 candidates[1]   bitmap: who leads in the window after that
 *     48   16 active          bitmap: authors and QC signers of the window of height + 1 so far
 *     64    2 author_count    0..f
 *     66   66 authors         the last distinct authors of that window, newest first; the rest 0
 *    132    4 reserved        0 */
#define GIRO_LEADER_AUTHORS_MAX 33u
struct giro_leader_window {
    struct giro_head head;
    uint64_t height;
    uint8_t candidates[2][GIRO_BITMAP_BYTES];
    uint8_t active[GIRO_BITMAP_BYTES];
    uint16_t author_count;
    uint16_t authors[GIRO_LEADER_AUTHORS_MAX];
    uint8_t reserved[4];
};
GIRO_WIRE_SIZE(giro_leader_window, 136);
GIRO_WIRE_AT(giro_leader_window, active, 48);
GIRO_WIRE_AT(giro_leader_window, authors, 66);
#define GIRO_LEADER_WINDOW 128u

/* ---- Evidence: two messages of one replica, no honest one sends both ----------------------------------------------- */

/* header 64 | first | second. A block stands there as its header, references and author's signature; votes, timeouts
 * (without certificates) and commit votes as sent. Against commit votes of other roots the first is this replica's own.
 * offset size field
 *      0    8 head          kind EVIDENCE
 *      8    8 epoch
 *     16    8 round         of blocks, votes, timeouts; height of commit votes
 *     24    4 first_bytes
 *     28    4 second_bytes
 *     32    2 what          enum giro_kind of both: BLOCK, VOTE, TIMEOUT, COMMIT_VOTE
 *     34    2 offender
 *     36    2 witness       who wrote this
 *     38   26 reserved      0 */
struct giro_evidence_header {
    struct giro_head head;
    uint64_t epoch;
    uint64_t round;
    uint32_t first_bytes;
    uint32_t second_bytes;
    uint16_t what;
    uint16_t offender;
    uint16_t witness;
    uint8_t reserved[26];
};
GIRO_WIRE_SIZE(giro_evidence_header, 64);
GIRO_WIRE_AT(giro_evidence_header, what, 32);
/* ---- Crash marker: the frame being executed, file "executing" of a replica's data directory ------------------------- */

/* offset size field
 *      0    8 head          kind CRASH_MARKER
 *      8    8 height        being executed, or the last one
 *     16    4 frame         of that block, from 0
 *     20    4 executing     1 = a start that finds this had died at that frame
 *     24    8 crash_height  of the last death that a start counted
 *     32    4 crash_frame
 *     36    4 crash_count   deaths in a row at that place; 2 = no start
 *     40    2 replica
 *     42   22 reserved      0 */
struct giro_crash_marker {
    struct giro_head head;
    uint64_t height;
    uint32_t frame;
    uint32_t executing;
    uint64_t crash_height;
    uint32_t crash_frame;
    uint32_t crash_count;
    uint16_t replica;
    uint8_t reserved[22];
};
GIRO_WIRE_SIZE(giro_crash_marker, 64);
GIRO_WIRE_AT(giro_crash_marker, crash_height, 24);
GIRO_WIRE_AT(giro_crash_marker, replica, 40);

#define GIRO_EVIDENCE_PER_REPLICA 8u /* kept of one offender */

/* ---- Ledger file: the leaves of every executed block, derived from the log, for proofs --------------------------- */

/* File "ledger": header 64 | blocks. A block: block header 64 | commit body 128 | leaf_count x (size 4 | preimage
 * from the tag on, zeros to 4) | zeros to a multiple of 8. File "certificates": header 64 (kind LEDGER) | encoded
 * certificates (kind CERTIFICATE), each preceded by its size 4 and zeros 4.
 * offset size field: file header
 *      0    8 head       kind LEDGER
 *      8   32 chain_id
 *     40    2 replica
 *     42   22 reserved */
struct giro_ledger_header {
    struct giro_head head;
    struct giro_hash chain_id;
    uint16_t replica;
    uint8_t reserved[22];
};
GIRO_WIRE_SIZE(giro_ledger_header, 64);
/* offset size field: block header
 *      0    8 head         kind LEDGER_BLOCK
 *      8    8 checksum     XXH3-64 of the block from byte 16 on
 *     16    8 height
 *     24    8 size_bytes   with this header
 *     32    4 leaf_count
 *     36   28 reserved */
struct giro_ledger_block {
    struct giro_head head;
    uint64_t checksum;
    uint64_t height;
    uint64_t size_bytes;
    uint32_t leaf_count;
    uint8_t reserved[28];
};
GIRO_WIRE_SIZE(giro_ledger_block, 64);

/* File "frames/<member>-<channel>": header 64 | a place 16 for each sequence from 0; holes are zeros. Derived, too: a hint where
 * to look in the ledger.
 * offset size field: file header
 *      0    8 head       kind FRAME_INDEX
 *      8   32 chain_id
 *     40    2 replica
 *     42    2 member
 *     44    2 channel
 *     46   18 reserved */
struct giro_frame_index_header {
    struct giro_head head;
    struct giro_hash chain_id;
    uint16_t replica;
    uint16_t member;
    uint16_t channel;
    uint8_t reserved[18];
};
GIRO_WIRE_SIZE(giro_frame_index_header, 64);
/* offset size field: place
 *      0    8 height      of the block that executed it; 0: not executed as the first of a frame or skip
 *      8    4 leaf_index  in the block
 *     12    4 reserved */
struct giro_frame_place {
    uint64_t height;
    uint32_t leaf_index;
    uint32_t reserved;
};
GIRO_WIRE_SIZE(giro_frame_place, 16);

/* ---- Event log: everything the consensus core was handed since a start, and what it answered --------------------- */

/* File "events-<number as 8 digits>", one per start: header 96 | records. A record: header 32 | body | zeros to a multiple of
 * 8. Each event's record is followed by its outcome's, which only a process that died in between does not write. The file is
 * longer than its records while it is written: a record whose magic is zero is where they end.
 * offset size field: file header
 *      0    8 head            kind EVENT_LOG
 *      8   32 chain_id
 *     40    8 epoch
 *     48   16 nonce           of this start's HELLO
 *     64    4 blocks_max      limits the core was made with
 *     68    4 batches_max
 *     72    8 scratch_bytes   room for encoded bytes of one step
 *     80    2 replica
 *     82    6 reserved
 *     88    8 checksum        XXH3-64 of bytes 0..88 */
struct giro_event_log_header {
    struct giro_head head;
    struct giro_hash chain_id;
    uint64_t epoch;
    uint8_t nonce[16];
    uint32_t blocks_max;
    uint32_t batches_max;
    uint64_t scratch_bytes;
    uint16_t replica;
    uint8_t reserved[6];
    uint64_t checksum;
};
GIRO_WIRE_SIZE(giro_event_log_header, 96);
GIRO_WIRE_AT(giro_event_log_header, nonce, 48);
GIRO_WIRE_AT(giro_event_log_header, checksum, 88);
/* offset size field: record header
 *      0    4 magic        GIRO_MAGIC
 *      4    2 kind         enum giro_event_record_kind
 *      6    2 detail       MESSAGE: the sender; RECOVER_RECORD: the log record's kind; END: enum giro_event_log_end; else 0
 *      8    8 sequence     number of the event, from 1; an outcome has its event's, END the last one's
 *     16    8 checksum     XXH3-64 seeded by sequence: bytes 0..16, then bytes 24..32 and the body seeded by that
 *     24    4 body_bytes
 *     28    4 reserved */
struct giro_event_record_header {
    uint32_t magic;
    uint16_t kind;
    uint16_t detail;
    uint64_t sequence;
    uint64_t checksum;
    uint32_t body_bytes;
    uint32_t reserved;
};
GIRO_WIRE_SIZE(giro_event_record_header, 32);
GIRO_WIRE_AT(giro_event_record_header, checksum, 16);
/* X(number, NAME, body behind now_ns 8 (monotonic) | wall_ns 8; of OUTCOME and END the whole body) */
#define GIRO_EVENT_RECORD_MAP(X)                                                                   \
    X(1, RECOVER_SAFETY, "event_safety 320")                                                       \
    X(2, RECOVER_RECORD, "body of a block log record")                                             \
    X(3, START, "next_log_sequence 8")                                                             \
    X(4, TICK, "nothing")                                                                          \
    X(5, MESSAGE, "envelope and body, as they came")                                               \
    X(6, LOG_DURABLE, "watermark 8")                                                               \
    X(7, SIGNED, "is_timeout 1, refused 1, reject 2, zeros 4, vote 168, timeout header 104")       \
    X(8, LOCAL_BATCH, "frame_count 4, record_count 4, frames packed as in a batch")                \
    X(9, VERDICT, "slot 4, valid 1, zeros 3, batch_id 32")                                         \
    X(10, EXECUTED,                                                                                \
      "height 8, next_due_ns 8, state_root 32, ledger_root 32, repeated frames 32 x 4, "           \
      "checkpoint 1, zeros 7")                                                                     \
    X(11, RECOVER_IMAGE,                                                                           \
      "next_due_ns 8, manifest_bytes 4, sections_bytes 4, manifest, sections of the core")         \
    X(12, CHECKPOINTED, "height 8, image_root 32")                                                 \
    X(64, OUTCOME, "event_outcome 16, signatures made (64 each), event_action (16 each)")          \
    X(65, END, "nothing")
enum giro_event_record_kind {
#define GIRO_EVENT_RECORD_ENUM(number, name, text) GIRO_EVENT_RECORD_##name = (number),
    GIRO_EVENT_RECORD_MAP(GIRO_EVENT_RECORD_ENUM)
#undef GIRO_EVENT_RECORD_ENUM
};
enum giro_event_log_end { GIRO_EVENT_LOG_STOPPED = 1, GIRO_EVENT_LOG_FULL = 2 };
/* offset size field: what the safety file told
 *      0    8 epoch
 *      8    8 last_voted_round
 *     16    8 lock_round
 *     24    8 last_timeout_round
 *     32    8 incarnation
 *     40    8 log_watermark
 *     48  168 last_vote
 *    216  104 last_timeout   header */
struct giro_event_safety {
    uint64_t epoch;
    uint64_t last_voted_round;
    uint64_t lock_round;
    uint64_t last_timeout_round;
    uint64_t incarnation;
    uint64_t log_watermark;
    struct giro_vote last_vote;
    struct giro_timeout_header last_timeout;
};
GIRO_WIRE_SIZE(giro_event_safety, 320);
/* offset size field
 *      0    8 digest            over all actions: each action's, seeded by the one before
 *      8    4 signature_count
 *     12    4 action_count */
struct giro_event_outcome {
    uint64_t digest;
    uint32_t signature_count;
    uint32_t action_count;
};
GIRO_WIRE_SIZE(giro_event_outcome, 16);
/* offset size field
 *      0    8 digest       XXH3-64 over all fields of the action and the bytes it names, but for batches: their ids
 *      8    4 size_bytes   of what was hashed
 *     12    2 kind         enum giro_action_number
 *     14    2 reserved */
struct giro_event_action {
    uint64_t digest;
    uint32_t size_bytes;
    uint16_t kind;
    uint16_t reserved;
};
GIRO_WIRE_SIZE(giro_event_action, 16);
/* X(number, NAME) */
#define GIRO_ACTION_NUMBER_MAP(X)                                                                  \
    X(1, LOG)                                                                                      \
    X(2, SIGN)                                                                                     \
    X(3, SEND)                                                                                     \
    X(4, VERIFY)                                                                                   \
    X(5, EXECUTE)                                                                                  \
    X(6, CERTIFIED)                                                                                \
    X(7, AVAILABLE)                                                                                \
    X(8, SERVE)                                                                                    \
    X(9, EVIDENCE)                                                                                 \
    X(10, HALT)                                                                                    \
    X(11, CHECKPOINT)                                                                              \
    X(12, KEEP)                                                                                    \
    X(13, STATE_SYNC)
enum giro_action_number {
#define GIRO_ACTION_NUMBER_ENUM(number, name) GIRO_ACTION_NUMBER_##name = (number),
    GIRO_ACTION_NUMBER_MAP(GIRO_ACTION_NUMBER_ENUM)
#undef GIRO_ACTION_NUMBER_ENUM
};

#ifdef __cplusplus
}
#endif
#endif
