/* giro/wire/consensus.h - what replicas sign and send. Include giro/wire.h, not this file.
 * Source: shared design, consensus.md sections 2-7.
 *
 * Every replica-signed string = tag 8 | chain id 32 | epoch 8 | fixed fields, given beside each type.
 * Certificates are lists of Ed25519 signatures in ascending signer order behind a scheme byte, with a
 * bitmap of signers. In memory a certificate is a fixed struct with room for GIRO_QUORUM_MAX signatures;
 * on the wire only signer_count of them are written. Exactly q signers: never more, never fewer. */
#ifndef GIRO_WIRE_CONSENSUS_H
#define GIRO_WIRE_CONSENSUS_H

#ifdef __cplusplus
extern "C" {
#endif

enum giro_scheme { GIRO_SCHEME_ED25519 = 1, GIRO_SCHEME_KEYED_HASH = 0xEE /* simulator only */ };

/* ---- Peer message: what travels on a replica link ----------------------------------------------------- */

/* envelope 64 | body (size_bytes - 64). Sync info rides on every message as the last five numbers; a peer
 * that sees itself behind asks with an empty SYNC, one that sees the sender behind sends a SYNC.
 * offset size field
 *      0    8 head              kind PEER
 *      8    4 size_bytes        of envelope and body, 64..GIRO_PEER_BYTES_MAX
 *     12    2 body_kind         enum giro_kind
 *     14    2 sender            replica index; must be the link's peer
 *     16    8 epoch
 *     24    8 round             the sender's current round
 *     32    8 high_qc_round
 *     40    8 high_tc_round     0 if none
 *     48    8 committed_height
 *     56    8 certified_height */
struct giro_peer_envelope {
    struct giro_head head;
    uint32_t size_bytes;
    uint16_t body_kind;
    uint16_t sender;
    uint64_t epoch;
    uint64_t round;
    uint64_t high_qc_round;
    uint64_t high_tc_round;
    uint64_t committed_height;
    uint64_t certified_height;
};
GIRO_WIRE_SIZE(giro_peer_envelope, 64);
GIRO_WIRE_AT(giro_peer_envelope, body_kind, 12);
GIRO_WIRE_AT(giro_peer_envelope, certified_height, 56);
#define GIRO_PEER_BYTES_MAX (2u * 1024u * 1024u)

enum giro_reject giro_peer_envelope_decode(const void *bytes, size_t size_bytes,
                                           struct giro_peer_envelope *envelope) GIRO_MUST_USE;

/* ---- QC ---------------------------------------------------------------------------------------------------- */

/* Encoded: header 120 | signer_count x 64. The genesis QC has round 0, no signers, and as block id the id of
 * height 0 (giro_genesis_block_id).
 * offset size field
 *      0    8 head          kind QC
 *      8    8 epoch
 *     16    8 round
 *     24    8 parent_round
 *     32   32 block_id
 *     64   32 commit_id     qc(parent).block_id if round == parent_round + 1, else zero
 *     96   16 bitmap
 *    112    1 scheme
 *    113    1 signer_count  q; 0 only in the genesis QC (round 0)
 *    114    6 reserved */
struct giro_qc_header {
    struct giro_head head;
    uint64_t epoch;
    uint64_t round;
    uint64_t parent_round;
    struct giro_hash block_id;
    struct giro_hash commit_id;
    uint8_t bitmap[GIRO_BITMAP_BYTES];
    uint8_t scheme;
    uint8_t signer_count;
    uint8_t reserved[6];
};
GIRO_WIRE_SIZE(giro_qc_header, 120);
GIRO_WIRE_AT(giro_qc_header, block_id, 32);
GIRO_WIRE_AT(giro_qc_header, bitmap, 96);
GIRO_WIRE_AT(giro_qc_header, scheme, 112);
struct giro_qc {
    struct giro_qc_header header;
    struct giro_signature signatures[GIRO_QUORUM_MAX];
};
#define GIRO_QC_BYTES_MAX (sizeof(struct giro_qc))
/* Vote signed string: tag VOTE | chain 32 | epoch 8 | round 8 | block_id 32 | parent_round 8 | commit_id 32 */
#define GIRO_VOTE_MESSAGE_BYTES (8u + 32u + 8u + 8u + 32u + 8u + 32u)

/* ---- Vote --------------------------------------------------------------------------------------------------- */

/* offset size field
 *      0    8 head         kind VOTE
 *      8    8 epoch
 *     16    8 round
 *     24    8 parent_round round of the block's qc
 *     32   32 block_id
 *     64   32 commit_id    zero = none
 *     96    2 voter
 *     98    6 reserved
 *    104   64 signature */
struct giro_vote {
    struct giro_head head;
    uint64_t epoch;
    uint64_t round;
    uint64_t parent_round;
    struct giro_hash block_id;
    struct giro_hash commit_id;
    uint16_t voter;
    uint8_t reserved[6];
    struct giro_signature signature;
};
GIRO_WIRE_SIZE(giro_vote, 168);
GIRO_WIRE_AT(giro_vote, block_id, 32);
GIRO_WIRE_AT(giro_vote, voter, 96);
GIRO_WIRE_AT(giro_vote, signature, 104);

/* ---- Timeout and TC ------------------------------------------------------------------------------------------ */

/* Encoded: header 104 | high_qc (encoded) | last_tc (encoded) if has_last_tc.
 * Signed string: tag TIMEOUT | chain 32 | epoch 8 | round 8 | high_qc.round 8
 * offset size field
 *      0    8 head          kind TIMEOUT
 *      8    8 epoch
 *     16    8 round
 *     24    8 high_qc_round
 *     32    2 voter
 *     34    1 has_last_tc   0 or 1
 *     35    5 reserved
 *     40   64 signature */
struct giro_timeout_header {
    struct giro_head head;
    uint64_t epoch;
    uint64_t round;
    uint64_t high_qc_round;
    uint16_t voter;
    uint8_t has_last_tc;
    uint8_t reserved[5];
    struct giro_signature signature;
};
GIRO_WIRE_SIZE(giro_timeout_header, 104);
GIRO_WIRE_AT(giro_timeout_header, voter, 32);
GIRO_WIRE_AT(giro_timeout_header, signature, 40);
#define GIRO_TIMEOUT_MESSAGE_BYTES (8u + 32u + 8u + 8u + 8u)

/* Encoded: header 48 | signer_count x high_qc_round 8 | signer_count x 64 | high_qc (encoded).
 * offset size field
 *      0    8 head          kind TC
 *      8    8 epoch
 *     16    8 round
 *     24   16 bitmap
 *     40    1 scheme
 *     41    1 signer_count
 *     42    6 reserved */
struct giro_tc_header {
    struct giro_head head;
    uint64_t epoch;
    uint64_t round;
    uint8_t bitmap[GIRO_BITMAP_BYTES];
    uint8_t scheme;
    uint8_t signer_count;
    uint8_t reserved[6];
};
GIRO_WIRE_SIZE(giro_tc_header, 48);
GIRO_WIRE_AT(giro_tc_header, bitmap, 24);
struct giro_tc {
    struct giro_tc_header header;
    uint64_t high_qc_rounds[GIRO_QUORUM_MAX];
    struct giro_signature signatures[GIRO_QUORUM_MAX];
    struct giro_qc high_qc;
};
struct giro_timeout {
    struct giro_timeout_header header;
    struct giro_qc high_qc;
    struct giro_tc last_tc; /* valid iff header.has_last_tc */
};

/* ---- Commit vote and certificate of a height --------------------------------------------------------------- */

/* Signed string: tag COMMIT_VOTE | chain 32 | epoch 8 | height 8 | time_ns 8 | block_id 32 | state_root 32 |
 * ledger_root 32 */
#define GIRO_COMMIT_MESSAGE_BYTES (8u + 32u + 8u + 8u + 8u + 32u + 32u + 32u)
/* offset size field
 *      0    8 head        kind COMMIT_VOTE or CERTIFICATE
 *      8    8 epoch
 *     16    8 height
 *     24    8 time_ns     of the block
 *     32   32 block_id
 *     64   32 state_root
 *     96   32 ledger_root
 *  COMMIT_VOTE: 128 2 voter, 130 6 reserved, 136 64 signature
 *  CERTIFICATE: 128 16 bitmap, 144 1 scheme, 145 1 signer_count, 146 6 reserved, 152 signatures */
struct giro_commit_body {
    struct giro_head head;
    uint64_t epoch;
    uint64_t height;
    uint64_t time_ns;
    struct giro_hash block_id;
    struct giro_hash state_root;
    struct giro_hash ledger_root;
};
GIRO_WIRE_SIZE(giro_commit_body, 128);
GIRO_WIRE_AT(giro_commit_body, block_id, 32);
struct giro_commit_vote {
    struct giro_commit_body body;
    uint16_t voter;
    uint8_t reserved[6];
    struct giro_signature signature;
};
GIRO_WIRE_SIZE(giro_commit_vote, 200);
struct giro_certificate_header {
    struct giro_commit_body body;
    uint8_t bitmap[GIRO_BITMAP_BYTES];
    uint8_t scheme;
    uint8_t signer_count;
    uint8_t reserved[6];
};
GIRO_WIRE_SIZE(giro_certificate_header, 152);
struct giro_certificate {
    struct giro_certificate_header header;
    struct giro_signature signatures[GIRO_QUORUM_MAX];
};
#define GIRO_CERTIFICATE_BYTES_MAX (sizeof(struct giro_certificate))

/* ---- Batch, acknowledgement, proof of availability ---------------------------------------------------------- */

/* Encoded: header 64 | frame_count x (size 4 | frame bytes | zeros to a multiple of 4).
 * Batch id = SHA-256(tag BATCH | chain 32 | all bytes).
 * offset size field
 *      0    8 head          kind BATCH
 *      8    8 epoch
 *     16    8 sequence      of the author, from its incarnation << 32
 *     24    8 created_ns    author's clock
 *     32    4 size_bytes    of everything
 *     36    4 frame_count   1..GIRO_BATCH_FRAMES_MAX
 *     40    4 record_count  sum over frames
 *     44    2 author
 *     46   18 reserved */
struct giro_batch_header {
    struct giro_head head;
    uint64_t epoch;
    uint64_t sequence;
    uint64_t created_ns;
    uint32_t size_bytes;
    uint32_t frame_count;
    uint32_t record_count;
    uint16_t author;
    uint8_t reserved[18];
};
GIRO_WIRE_SIZE(giro_batch_header, 64);
GIRO_WIRE_AT(giro_batch_header, size_bytes, 32);
GIRO_WIRE_AT(giro_batch_header, author, 44);
#define GIRO_BATCH_BYTES_MAX  (512u * 1024u)
#define GIRO_BATCH_FRAMES_MAX 4096u

/* Encoded: header 40 | id_count x 32 (ascending, distinct) | signature 64.
 * Signed string: tag BATCH_ACK | chain 32 | epoch 8 | expiry_ns 8 | id_count 8 | ids
 * offset size field
 *      0    8 head          kind BATCH_ACK
 *      8    8 epoch
 *     16    8 expiry_ns     block time until which the voter keeps the bodies
 *     24    2 voter
 *     26    2 id_count      1..GIRO_ACK_IDS_MAX
 *     28   12 reserved */
struct giro_batch_ack_header {
    struct giro_head head;
    uint64_t epoch;
    uint64_t expiry_ns;
    uint16_t voter;
    uint16_t id_count;
    uint8_t reserved[12];
};
GIRO_WIRE_SIZE(giro_batch_ack_header, 40);
GIRO_WIRE_AT(giro_batch_ack_header, voter, 24);
#define GIRO_ACK_IDS_MAX 16u
struct giro_batch_ack {
    struct giro_batch_ack_header header;
    struct giro_hash ids[GIRO_ACK_IDS_MAX];
    struct giro_signature signature;
};

/* What a block carries of a batch, hashed into the block id.
 * offset size field
 *      0   32 batch_id
 *     32    8 expiry_ns     smallest expiry among the acknowledgements of its proof
 *     40    4 size_bytes
 *     44    4 frame_count
 *     48    4 record_count
 *     52    2 author
 *     54    2 reserved
 *     56    8 sequence      of the author's batches */
struct giro_batch_reference {
    struct giro_hash batch_id;
    uint64_t expiry_ns;
    uint32_t size_bytes;
    uint32_t frame_count;
    uint32_t record_count;
    uint16_t author;
    uint16_t reserved;
    uint64_t sequence;
};
GIRO_WIRE_SIZE(giro_batch_reference, 64);
GIRO_WIRE_AT(giro_batch_reference, size_bytes, 40);
GIRO_WIRE_AT(giro_batch_reference, sequence, 56);

/* Encoded: header 96 | signer_count x (the signer's acknowledgement: expiry_ns 8 | id_count 2 | zeros 6 |
 * ids | signature 64), in ascending signer order. The reference's numbers are the author's claim, checked
 * when the body is there; a proof whose body contradicts its reference makes its frames void at execution
 * alike on every replica (the body is the truth; sizes are hints for planning).
 * offset size field
 *      0    8 head          kind BATCH_PROOF
 *      8   64 reference
 *     72    1 scheme
 *     73    1 signer_count  q
 *     74    6 reserved
 *     80   16 bitmap */
struct giro_batch_proof_header {
    struct giro_head head;
    struct giro_batch_reference reference;
    uint8_t scheme;
    uint8_t signer_count;
    uint8_t reserved[6];
    uint8_t bitmap[GIRO_BITMAP_BYTES];
};
GIRO_WIRE_SIZE(giro_batch_proof_header, 96);
GIRO_WIRE_AT(giro_batch_proof_header, scheme, 72);
GIRO_WIRE_AT(giro_batch_proof_header, bitmap, 80);
#define GIRO_BATCH_PROOF_BYTES_MAX (96u + GIRO_QUORUM_MAX * (16u + GIRO_ACK_IDS_MAX * 32u + 64u))

/* ---- Block and proposal -------------------------------------------------------------------------------------- */

/* Block id = SHA-256(tag BLOCK | header 216 | reference_count x 64). The QC, TC and certificate are bound by
 * their hashes: SHA-256(tag QC_HASH | encoded QC) and so on; zero when absent.
 * offset size field
 *      0    8 head              kind BLOCK
 *      8   32 chain_id
 *     40    8 epoch
 *     48    8 round
 *     56    8 height
 *     64   32 parent_id
 *     96   32 qc_hash
 *    128   32 tc_hash           zero = no TC
 *    160   32 certificate_hash  zero = no certificate (certified_height 0)
 *    192    8 time_ns
 *    200    8 certified_height
 *    208    2 author
 *    210    2 reference_count   0..GIRO_BLOCK_REFERENCES_MAX
 *    212    4 reserved */
struct giro_block_header {
    struct giro_head head;
    struct giro_hash chain_id;
    uint64_t epoch;
    uint64_t round;
    uint64_t height;
    struct giro_hash parent_id;
    struct giro_hash qc_hash;
    struct giro_hash tc_hash;
    struct giro_hash certificate_hash;
    uint64_t time_ns;
    uint64_t certified_height;
    uint16_t author;
    uint16_t reference_count;
    uint32_t reserved;
};
GIRO_WIRE_SIZE(giro_block_header, 216);
GIRO_WIRE_AT(giro_block_header, chain_id, 8);
GIRO_WIRE_AT(giro_block_header, parent_id, 64);
GIRO_WIRE_AT(giro_block_header, time_ns, 192);
GIRO_WIRE_AT(giro_block_header, author, 208);
#define GIRO_BLOCK_REFERENCES_MAX 32u

/* Proposal (also the log's block record and the answer to FETCH_BLOCKS): head 8 | qc_bytes 4 | tc_bytes 4 |
 * certificate_bytes 4 | proofs_bytes 4 | block header 216 | references | encoded QC | encoded TC | encoded
 * certificate | encoded proofs, one per reference, in order | author's signature 64
 * (tag PROPOSAL | chain 32 | epoch 8 | block id 32).
 * offset size field
 *      0    8 head              kind PROPOSAL
 *      8    4 qc_bytes
 *     12    4 tc_bytes          0 = no TC
 *     16    4 certificate_bytes 0 = no certificate
 *     20    4 proofs_bytes      of all proofs together
 *     24  216 block */
struct giro_proposal_header {
    struct giro_head head; /* kind PROPOSAL */
    uint32_t qc_bytes;
    uint32_t tc_bytes;
    uint32_t certificate_bytes;
    uint32_t proofs_bytes;
    struct giro_block_header block;
};
GIRO_WIRE_SIZE(giro_proposal_header, 240);
#define GIRO_PROPOSAL_MESSAGE_BYTES (8u + 32u + 8u + 32u)
/* A decoded proposal; the pointers point into the bytes it was decoded from. */
struct giro_proposal {
    struct giro_block_header block;
    struct giro_hash block_id;
    struct giro_batch_reference references[GIRO_BLOCK_REFERENCES_MAX];
    const uint8_t *proofs[GIRO_BLOCK_REFERENCES_MAX];
    uint32_t proof_bytes[GIRO_BLOCK_REFERENCES_MAX];
    bool has_tc;
    bool has_certificate;
    struct giro_qc qc;
    struct giro_tc tc;
    struct giro_certificate certificate;
    struct giro_signature signature;
    const uint8_t *bytes;
    uint32_t size_bytes;
};
#define GIRO_PROPOSAL_BYTES_MAX (1024u * 1024u)

/* ---- Requests and answers ---------------------------------------------------------------------------------------- */

/* SYNC: header 24 | encoded QC | encoded TC. qc_bytes 0 and tc_bytes 0 = a question.
 * offset size field
 *      0    8 head              kind SYNC
 *      8    4 qc_bytes
 *     12    4 tc_bytes
 *     16    8 reserved          0 */
struct giro_sync_header {
    struct giro_head head; /* kind SYNC */
    uint32_t qc_bytes;
    uint32_t tc_bytes;
    uint64_t reserved;
};
GIRO_WIRE_SIZE(giro_sync_header, 24);
/* FETCH_BLOCKS: by id (count = 1..; walks to ancestors until from_height or count) or, with a zero id, of
 * committed heights from_height.. upwards. Answered by PROPOSAL bodies, oldest first, or NOT_FOUND.
 * offset size field
 *      0    8 head              kind FETCH_BLOCKS
 *      8   32 block_id
 *     40    8 from_height
 *     48    4 count             1..64
 *     52    4 reserved          0 */
struct giro_fetch_blocks {
    struct giro_head head;
    struct giro_hash block_id;
    uint64_t from_height;
    uint32_t count; /* 1..64 */
    uint32_t reserved;
};
GIRO_WIRE_SIZE(giro_fetch_blocks, 56);
/* FETCH_BATCHES: header 16 | count x id 32. Answered by BATCH bodies or NOT_FOUND.
 * offset size field
 *      0    8 head              kind FETCH_BATCHES
 *      8    4 count             1..16
 *     12    4 reserved          0 */
struct giro_fetch_batches_header {
    struct giro_head head;
    uint32_t count; /* 1..16 */
    uint32_t reserved;
};
GIRO_WIRE_SIZE(giro_fetch_batches_header, 16);
/* NOT_FOUND: the id that was asked for, or zero and the height.
 * offset size field
 *      0    8 head              kind NOT_FOUND
 *      8   32 id
 *     40    8 height
 *     48    2 wanted_kind
 *     50    6 reserved          0 */
struct giro_not_found {
    struct giro_head head;
    struct giro_hash id;
    uint64_t height;
    uint16_t wanted_kind; /* BLOCK, BATCH, CERTIFICATE, MANIFEST or CHUNK */
    uint8_t reserved[6];
};
GIRO_WIRE_SIZE(giro_not_found, 56);
/* HALTED: the sender stops, since a quorum, its log or its own computing contradicts it; what it computed for that height.
 * For the operators of the others: nothing depends on it.
 * offset size field
 *      0    8 head              kind HALTED
 *      8    8 epoch
 *     16    8 height
 *     24   32 state_root        zero if that height was not executed
 *     56   32 ledger_root */
struct giro_halted {
    struct giro_head head;
    uint64_t epoch;
    uint64_t height;
    struct giro_hash state_root;
    struct giro_hash ledger_root;
};
GIRO_WIRE_SIZE(giro_halted, 88);
GIRO_WIRE_AT(giro_halted, state_root, 24);
/* HELLO, a question at a start (answer 0) or an answer to it (1). A question says which start of the subject it is, signed by
 * the subject's batch key. An answer, signed by the answerer's, claims nothing: it brings what the subject itself signed, of
 * all that the answerer has seen: a question of the same or a higher incarnation that is not the one answered, the vote and
 * the timeout of the highest round. Encoded: header 136 | question 136 | vote 168 | timeout header 104, those that parts
 * names. Signed string: tag HELLO | chain 32 | epoch 8 | bytes 8..72 of the header.
 * offset size field
 *      0    8 head
 *      8   16 nonce            fresh, chosen by the asker; an answer repeats it
 *     24    8 epoch
 *     32    8 incarnation      of the asker, from 1; an answer repeats it
 *     40    2 subject          who asks
 *     42    2 answerer         a question: the subject
 *     44    1 answer           0 or 1
 *     45    1 parts            enum giro_hello_part; a question: 0
 *     46   26 reserved
 *     72   64 signature */
struct giro_hello_header {
    struct giro_head head;
    uint8_t nonce[16];
    uint64_t epoch;
    uint64_t incarnation;
    uint16_t subject;
    uint16_t answerer;
    uint8_t answer;
    uint8_t parts;
    uint8_t reserved[26];
    struct giro_signature signature;
};
GIRO_WIRE_SIZE(giro_hello_header, 136);
GIRO_WIRE_AT(giro_hello_header, subject, 40);
GIRO_WIRE_AT(giro_hello_header, signature, 72);
enum giro_hello_part {
    GIRO_HELLO_QUESTION = 1,
    GIRO_HELLO_VOTE = 2,
    GIRO_HELLO_TIMEOUT = 4, /* its has_last_tc is 0: nothing follows it */
};
struct giro_hello { /* parts that are not there are zero */
    struct giro_hello_header header;
    struct giro_hello_header question;
    struct giro_vote vote;
    struct giro_timeout_header timeout;
};

/* EPOCH_END: layout fixed now, made by later work. Encoded: header | signatures.
 * Signed string: tag EPOCH_END | chain 32 | epoch 8 | header bytes 16..144
 * offset size field
 *      0    8 head              kind EPOCH_END
 *      8    8 epoch             the one that ends
 *     16    8 last_height
 *     24    8 next_first_round
 *     32   32 state_root
 *     64   32 ledger_root
 *     96   32 next_keys_hash
 *    128    2 next_replica_count
 *    130   14 reserved          0
 *    144   16 bitmap
 *    160    1 scheme
 *    161    1 signer_count
 *    162    6 reserved2         0 */
struct giro_epoch_end_header {
    struct giro_head head;
    uint64_t epoch;
    uint64_t last_height;
    uint64_t next_first_round;
    struct giro_hash state_root;
    struct giro_hash ledger_root;
    struct giro_hash next_keys_hash; /* of the next epoch's replica keys, in genesis form */
    uint16_t next_replica_count;
    uint8_t reserved[14];
    uint8_t bitmap[GIRO_BITMAP_BYTES];
    uint8_t scheme;
    uint8_t signer_count;
    uint8_t reserved2[6];
};
GIRO_WIRE_SIZE(giro_epoch_end_header, 168);

/* ---- Encoding and decoding ------------------------------------------------------------------------------------------ */

/* Encoders append to a writer and return false iff it ran out of room (writer->failed). Decoders read from a
 * reader, move past what they read, and check everything that needs no keys and no state: head, counts,
 * popcount(bitmap) == signer_count, reserved bytes, sizes. replica_count (1..GIRO_REPLICAS_MAX, asserted) bounds
 * the bitmap (bits >= n are SIGNER), voters and authors (SIGNER), and says q: a certificate of another number of
 * signers is QUORUM, of more than GIRO_QUORUM_MAX is COUNT. Rounds are above their parent's, heights from 1 (else
 * FIELD). Array elements behind the last used one are zeroed, so equal values are equal bytes. After a reject the
 * output's contents and the reader's place mean nothing. Signatures are checked by giro/crypto.h callers. */
bool giro_qc_encode(const struct giro_qc *qc, struct giro_writer *writer);
enum giro_reject giro_qc_decode(struct giro_reader *reader, uint32_t replica_count,
                                struct giro_qc *qc) GIRO_MUST_USE;
bool giro_tc_encode(const struct giro_tc *tc, struct giro_writer *writer);
/* A TC also fails with FIELD unless max(high_qc_rounds) == high_qc.round < round. */
enum giro_reject giro_tc_decode(struct giro_reader *reader, uint32_t replica_count,
                                struct giro_tc *tc) GIRO_MUST_USE;
bool giro_timeout_encode(const struct giro_timeout *timeout, struct giro_writer *writer);
enum giro_reject giro_timeout_decode(struct giro_reader *reader, uint32_t replica_count,
                                     struct giro_timeout *timeout) GIRO_MUST_USE;
bool giro_vote_encode(const struct giro_vote *vote, struct giro_writer *writer);
enum giro_reject giro_vote_decode(struct giro_reader *reader, uint32_t replica_count,
                                  struct giro_vote *vote) GIRO_MUST_USE;
bool giro_commit_vote_encode(const struct giro_commit_vote *vote, struct giro_writer *writer);
enum giro_reject giro_commit_vote_decode(struct giro_reader *reader, uint32_t replica_count,
                                         struct giro_commit_vote *vote) GIRO_MUST_USE;
bool giro_certificate_encode(const struct giro_certificate *certificate,
                             struct giro_writer *writer);
enum giro_reject giro_certificate_decode(struct giro_reader *reader, uint32_t replica_count,
                                         struct giro_certificate *certificate) GIRO_MUST_USE;
bool giro_batch_ack_encode(const struct giro_batch_ack *ack, struct giro_writer *writer);
enum giro_reject giro_batch_ack_decode(struct giro_reader *reader, uint32_t replica_count,
                                       struct giro_batch_ack *ack) GIRO_MUST_USE;
/* A HELLO's parts are the subject's (else SIGNER); a question brings none (FIELD). */
bool giro_hello_encode(const struct giro_hello *hello, struct giro_writer *writer);
enum giro_reject giro_hello_decode(struct giro_reader *reader, uint32_t replica_count,
                                   struct giro_hello *hello) GIRO_MUST_USE;
/* giro_proposal_decode also checks that qc_hash, tc_hash, certificate_hash and the block id fit the bytes,
 * that each proof's reference equals the block's, and the author signature's presence (not its validity). */
enum giro_reject giro_proposal_decode(const void *bytes, size_t size_bytes, uint32_t replica_count,
                                      struct giro_proposal *proposal) GIRO_MUST_USE;
/* giro_proposal_encode writes header, parts and signature; fills qc_hash, tc_hash, certificate_hash and
 * *block_id from the parts before the signature is known: call with signature NULL to get the id, sign, then
 * append the 64 bytes with giro_writer_put. proofs[i] are encoded proofs. tc, certificate may be NULL. */
bool giro_proposal_encode(struct giro_block_header *block,
                          const struct giro_batch_reference *references,
                          const uint8_t *const *proofs, const uint32_t *proof_bytes,
                          const struct giro_qc *qc, const struct giro_tc *tc,
                          const struct giro_certificate *certificate, struct giro_writer *writer,
                          struct giro_hash *block_id);
struct giro_hash giro_block_id(const struct giro_block_header *block,
                               const struct giro_batch_reference *references);
struct giro_hash giro_qc_hash(const struct giro_qc *qc);
struct giro_hash giro_tc_hash(const struct giro_tc *tc);
struct giro_hash giro_certificate_hash(const struct giro_certificate *certificate);

/* Signed strings: write exactly the bytes described above; return their number. */
size_t giro_vote_message(const struct giro_hash *chain, const struct giro_qc_header *fields,
                         uint8_t *out);
size_t giro_timeout_message(const struct giro_hash *chain, uint64_t epoch, uint64_t round,
                            uint64_t high_qc_round, uint8_t *out);
size_t giro_commit_message(const struct giro_hash *chain, const struct giro_commit_body *body,
                           uint8_t *out);
#define GIRO_BATCH_ACK_MESSAGE_BYTES_MAX (8u + 32u + 8u + 8u + 8u + 32u * GIRO_ACK_IDS_MAX)
size_t giro_batch_ack_message(const struct giro_hash *chain, const struct giro_batch_ack *ack,
                              uint8_t *out);
size_t giro_proposal_message(const struct giro_hash *chain, uint64_t epoch,
                             const struct giro_hash *block_id, uint8_t *out);
#define GIRO_HELLO_MESSAGE_BYTES (8u + 32u + 8u + 64u)
size_t giro_hello_message(const struct giro_hash *chain, const struct giro_hello_header *hello,
                          uint8_t *out);

/* Batches. giro_batch_decode checks the header and walks every frame with giro_frame_decode (signatures are the
 * caller's); giro_batch_next then yields frames from offset GIRO_BATCH_FIRST; false at the end. */
#define GIRO_BATCH_FIRST 64u
enum giro_reject giro_batch_decode(const void *bytes, size_t size_bytes, uint64_t chain_prefix,
                                   struct giro_batch_header *header) GIRO_MUST_USE;
bool giro_batch_next(const void *bytes, size_t size_bytes, uint64_t chain_prefix, uint32_t *offset,
                     struct giro_frame *frame);
struct giro_hash giro_batch_id(const struct giro_hash *chain, const void *bytes, size_t size_bytes);

/* Proofs. giro_batch_proof_decode yields for each signer the acknowledgement as the signer signed it
 * (acks[0..signer_count), voter filled from the bitmap); FIELD if the batch is missing from one of them or
 * reference.expiry_ns is not their smallest expiry. giro_batch_proof_encode is the inverse. */
enum giro_reject giro_batch_proof_decode(const void *bytes, size_t size_bytes, uint64_t epoch,
                                         uint32_t replica_count,
                                         struct giro_batch_proof_header *header,
                                         struct giro_batch_ack *acks,
                                         uint32_t acks_max) GIRO_MUST_USE;
bool giro_batch_proof_encode(const struct giro_batch_proof_header *header,
                             const struct giro_batch_ack *acks, struct giro_writer *writer);

bool giro_bitmap_has(const uint8_t bitmap[GIRO_BITMAP_BYTES], uint32_t index);
void giro_bitmap_set(uint8_t bitmap[GIRO_BITMAP_BYTES], uint32_t index);
uint32_t giro_bitmap_count(const uint8_t bitmap[GIRO_BITMAP_BYTES]);

#ifdef __cplusplus
}
#endif
#endif
