/* giro/wire/disclosure.h - some payments of a frame, shown so that its signature can still be checked. Include giro/wire.h, not this
 * file. Source: shared design, protocol.md sections 2 and 6. */
#ifndef GIRO_WIRE_DISCLOSURE_H
#define GIRO_WIRE_DISCLOSURE_H

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Disclosure ------------------------------------------------------------------------------------------ */

/* The signed message of a frame holds hashes of its records and of its blocks of details. Whoever has the hashes, and some of what
 * is hashed, checks the debtor's signature and learns nothing of the rest but how many there are: UETRs and K are random, so no
 * hash can be guessed at.
 *
 * Layout: header 48 | frame header 40 | signature 64 | hash of each record 32 | hash of each block 32 |
 *         items, records ascending: item 8 | record 64 | block if it has one | K 32 if shown |
 *         proof | proof of the cycle leaf. All parts are multiples of 4.
 * offset size field
 *      0    8 head                kind DISCLOSURE
 *      8    4 size_bytes          of everything
 *     12    4 leaf_index          frame leaf in block `height`, as whoever made this says
 *     16    8 height              0: not said
 *     24    2 item_count          1..record_count
 *     26    2 block_count         blocks of details the frame has
 *     28    4 proof_bytes         kind PROOF, of the frame leaf; 0: none
 *     32    4 cycle_proof_bytes   kind PROOF, of the leaf that settled the payment's cycle; 0: none
 *     36   12 reserved            0 */
struct giro_disclosure_header {
    struct giro_head head;
    uint32_t size_bytes;
    uint32_t leaf_index;
    uint64_t height;
    uint16_t item_count;
    uint16_t block_count;
    uint32_t proof_bytes;
    uint32_t cycle_proof_bytes;
    uint8_t reserved[12];
};
GIRO_WIRE_SIZE(giro_disclosure_header, 48);
GIRO_WIRE_AT(giro_disclosure_header, height, 16);
GIRO_WIRE_AT(giro_disclosure_header, proof_bytes, 28);

/* offset size field
 *      0    2 record        index in the frame
 *      2    2 block_index   of the block among the frame's; 0xFFFF: the record's details, if it has any, are not shown
 *      4    2 block_bytes   0 without block
 *      6    1 has_key       1: K follows the block
 *      7    1 reserved      0 */
struct giro_disclosure_item_header {
    uint16_t record;
    uint16_t block_index;
    uint16_t block_bytes;
    uint8_t has_key;
    uint8_t reserved;
};
GIRO_WIRE_SIZE(giro_disclosure_item_header, 8);
#define GIRO_DISCLOSURE_NO_BLOCK  0xFFFFu
#define GIRO_DISCLOSURE_BYTES_MAX (64u * 1024u)

/* One shown payment. Pointers into the bytes it was decoded from, or the caller's when encoding. */
struct giro_disclosure_item {
    uint16_t record_index;
    uint16_t block_index; /* GIRO_DISCLOSURE_NO_BLOCK */
    struct giro_record record;
    struct giro_details_block block; /* bytes NULL without one */
    const uint8_t *key;              /* 32; NULL: not shown */
};
struct giro_disclosure {
    struct giro_disclosure_header header;
    struct giro_frame_header frame;
    const uint8_t *signature; /* 64 */
    struct giro_hash record_hashes[GIRO_FRAME_RECORDS_MAX];
    struct giro_hash block_hashes[GIRO_DETAILS_BLOCKS_MAX];
    struct giro_disclosure_item items[GIRO_FRAME_RECORDS_MAX];
    const uint8_t *proof, *cycle_proof; /* header.proof_bytes, header.cycle_proof_bytes */
};
/* giro_disclosure_decode reads exactly size_bytes and checks everything that needs no keys: form, and that what is shown hashes to
 * what is signed (HASH). Signature and proofs are the caller's. *disclosure is filled as it goes: of no use after a reject. */
enum giro_reject giro_disclosure_decode(const void *bytes, size_t size_bytes, uint64_t chain_prefix,
                                        struct giro_disclosure *disclosure) GIRO_MUST_USE;
/* giro_disclosure_encode sets header.head, size_bytes and block_bytes' sums from the rest, and writes; false: it does not fit. */
bool giro_disclosure_encode(struct giro_disclosure *disclosure,
                            struct giro_writer *writer) GIRO_MUST_USE;
/* giro_disclosure_of fills a disclosure of a whole frame, every record shown with its block; the caller leaves items out and sets
 * height and leaf_index. Points into the frame's bytes. Cost: a SHA-256 of each record and block. */
void giro_disclosure_of(const struct giro_frame *frame, struct giro_disclosure *disclosure);
/* giro_disclosure_message writes the frame's signed message (GIRO_FRAME_MESSAGE_BYTES_MAX); returns its size. */
size_t giro_disclosure_message(const struct giro_disclosure *disclosure,
                               const struct giro_hash *chain, uint8_t *message);

/* ---- Day of details --------------------------------------------------------------------------------------- */

/* File of the details that concern one member on one business date, in ledger order: header 64, then for each frame
 * size 4 | zero 4 | disclosure | zeros to 8 | digest 32, where digest = SHA-256(digest before, zero at first | disclosure): the
 * last 32 bytes name the whole file. A replica keeps it without K, a member's cut with them.
 * offset size field
 *      0    8 head            kind DETAILS_DAY
 *      8   32 chain_id
 *     40    2 member
 *     42    2 business_date
 *     44   20 reserved        0 */
struct giro_details_day_header {
    struct giro_head head;
    struct giro_hash chain_id;
    uint16_t member;
    uint16_t business_date;
    uint8_t reserved[20];
};
GIRO_WIRE_SIZE(giro_details_day_header, 64);

/* giro_details_day_put appends one disclosure to a day (room for size_bytes + 8 + 7 + 32) and moves the digest on; returns the bytes
 * written. */
#define GIRO_DETAILS_DAY_EXTRA 48u
size_t giro_details_day_put(const void *disclosure, uint32_t size_bytes, struct giro_hash *digest,
                            uint8_t *out);
/* giro_details_day_next reads the entry at the reader and moves the digest on. bytes NULL at the end. TRUNCATED: the rest is no
 * whole entry; HASH: its digest does not fit. */
enum giro_reject giro_details_day_next(struct giro_reader *reader, struct giro_hash *digest,
                                       const uint8_t **bytes, uint32_t *size_bytes) GIRO_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
