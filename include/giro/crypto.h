/* giro/crypto.h - the signature rule, hashes, Merkle trees and keys.
 *
 * Rule (fixed at genesis, the same in every path): a signature is valid iff it is 64 bytes, S < L, A is an
 * enrolled key, R is not of small order, and R equals the canonical encoding of [S]B - [k]A, k = SHA-512(R|A|M):
 * libsodium 1.0.18's crypto_sign_verify_detached for every enrolled key. Never a random linear combination.
 *
 * One verification interface for frames, votes, timeouts, acknowledgements, certificates, replay and member
 * tools: giro_verify_batch. No other verification path exists.
 *
 * Pure: libsodium and OpenSSL's SHA-256 only; no IO, no clock, no randomness except in giro_key_generate.
 * Threads: any number of threads may verify under a key ring while one other changes it (enrols, attaches, retires).
 */
#ifndef GIRO_CRYPTO_H
#define GIRO_CRYPTO_H

#include "giro/base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GIRO_HASH_BYTES      32u
#define GIRO_SIGNATURE_BYTES 64u
#define GIRO_KEY_BYTES       32u
#define GIRO_TAG_BYTES       8u

struct giro_hash {
    uint8_t bytes[GIRO_HASH_BYTES];
};
struct giro_signature {
    uint8_t bytes[GIRO_SIGNATURE_BYTES];
};
struct giro_public_key {
    uint8_t bytes[GIRO_KEY_BYTES];
};
/* ---- Tags: the first 8 bytes of everything that is hashed or signed --------------------------------- */

/* X(NAME, eight characters, what is under it). No two may be equal: a test holds it. */
#define GIRO_TAG_MAP(X)                                                                            \
    X(FRAME, "GIRFRAM1", "member signature over a frame; its hash is the frame hash")              \
    X(SKIP, "GIRSKIP1", "member signature over a skip")                                            \
    X(CONTROL, "GIRCTRL1", "operator signatures (maker, checker) over a control transaction")      \
    X(DETAILS, "GIRDETL1", "commitment to a record's sealed details")                              \
    X(DETAILS_ROOT, "GIRDETR1", "hash over the blocks of a frame's details section")               \
    X(BATCH, "GIRBTCH1", "batch id")                                                               \
    X(BATCH_ACK, "GIRBACK1", "replica signature over an acknowledgement")                          \
    X(BLOCK, "GIRBLCK1", "block id")                                                               \
    X(PROPOSAL, "GIRPROP1", "author's signature over a block id")                                  \
    X(VOTE, "GIRVOTE1", "replica signature over a vote")                                           \
    X(TIMEOUT, "GIRTIME1", "replica signature over a timeout")                                     \
    X(COMMIT_VOTE, "GIRCMVT1", "replica signature over executed roots")                            \
    X(EPOCH_END, "GIREPND1", "replica signature over an epoch end")                                \
    X(CHECKPOINT, "GIRCHKP1", "replica signature over a checkpoint")                               \
    X(IMAGE, "GIRIMAG1", "root over the chunks of an image")                                       \
    X(CHUNK, "GIRCHNK1", "hash of a chunk of an image")                                            \
    X(HELLO, "GIRHELO1", "replica signature over a question at start, or an answer to one")        \
    X(POSSESSION, "GIRPOSS1", "proof of possession at enrolment")                                  \
    X(QC_HASH, "GIRQCHA1", "hash of an encoded QC inside a block")                                 \
    X(TC_HASH, "GIRTCHA1", "hash of an encoded TC inside a block")                                 \
    X(CERT_HASH, "GIRCEHA1", "hash of an encoded certificate inside a block")                      \
    X(LEAF_FRAME, "GIRLFRM1", "ledger leaf of a frame's first execution")                          \
    X(LEAF_STATUS, "GIRLSTA1", "ledger leaf of a later change of a status")                        \
    X(LEAF_WINDOW, "GIRLWIN1", "ledger leaf of a member's sealed window")                          \
    X(LEAF_CYCLE, "GIRLCYC1", "ledger leaf of a cycle's settlement")                               \
    X(LEDGER_ROOT, "GIRLROO1", "root over a block's leaves, with their count")                     \
    X(STATE_ROOT, "GIRSROO1", "root over the settlement state")                                    \
    X(STATE_PART, "GIRSPRT1", "one part of the settlement state")                                  \
    X(WINDOW, "GIRWIND1", "hash of a window record; the link to the next")                         \
    X(WINDOW_SALT, "GIRWSLT1", "per-member salt of a window leaf")                                 \
    X(ENTRIES, "GIRENTR1", "hash of a window's entries")                                           \
    X(POSITIONS, "GIRPOSI1", "hash of a window's position entries")                                \
    X(STATUSES, "GIRSTAT1", "hash of a window's status rows")                                      \
    X(NETTING, "GIRNETT1", "hash of a member's bilateral row in a cycle")                          \
    X(TRANSPORT, "GIRTRNS1", "reserved for key rotation of transport keys")                        \
    X(SESSION, "GIRSESS1", "session handshake transcript")                                         \
    X(FILE, "GIRFILE1", "manifest of cut files")

#define GIRO_TAG_EXTERN(name, text, what) extern const char GIRO_TAG_##name[GIRO_TAG_BYTES + 1];
GIRO_TAG_MAP(GIRO_TAG_EXTERN)
#undef GIRO_TAG_EXTERN

/* giro_crypto_init prepares libsodium, the base point's tables (3 ms) and the variant, and asserts that its sums for signing are
 * libsodium's. Call once before anything
 * else here, before there are threads. GIRO_ERR_STATE: libsodium does not start, or the environment variable
 * GIRO_CRYPTO_VARIANT names a variant that does not exist or that this processor cannot run. */
enum giro_err giro_crypto_init(void) GIRO_MUST_USE;

/* Variants of the verifier; all give the same verdicts, and the same signatures. Slowest first. init takes the fastest this processor can run,
 * unless GIRO_CRYPTO_VARIANT names another. */
enum giro_crypto_variant {
    GIRO_VARIANT_LIBSODIUM, /* one libsodium call a signature */
    GIRO_VARIANT_PORTABLE,  /* comb tables, plain C; libsodium signs */
    GIRO_VARIANT_AVX2,      /* comb tables, four lanes: AVX2; signs, too */
    GIRO_VARIANT_AVX512,    /* comb tables, eight lanes: AVX-512 IFMA; signs, too */
    GIRO_VARIANT_COUNT
};
/* giro_crypto_variant_there tells whether this processor can run it. */
bool giro_crypto_variant_there(enum giro_crypto_variant variant);
/* giro_crypto_variant_set chooses; false changes nothing: this processor cannot run it. Not while a thread verifies or
 * signs. */
bool giro_crypto_variant_set(enum giro_crypto_variant variant) GIRO_MUST_USE;
enum giro_crypto_variant giro_crypto_variant(void);
const char *giro_crypto_variant_name(enum giro_crypto_variant variant); /* "portable" */

/* ---- Hashes --------------------------------------------------------------------------------------------- */

/* SHA-256 (sha_ni where there is one); no allocation. */
struct giro_part {
    const void *bytes;
    size_t size_bytes;
};
struct giro_hash giro_sha256(const void *bytes, size_t size_bytes);
/* giro_sha256_parts hashes the concatenation of parts[0..count). */
struct giro_hash giro_sha256_parts(const struct giro_part *parts, uint32_t count);
bool giro_hash_equal(const struct giro_hash *a, const struct giro_hash *b);
bool giro_hash_is_zero(const struct giro_hash *hash);
extern const struct giro_hash giro_hash_zero;

/* Streaming form for long inputs. A plain struct: copying it forks the stream. end leaves it unusable until begin. */
struct giro_sha256_state {
    uint64_t words[16]; /* OpenSSL's SHA256_CTX */
};
void giro_sha256_begin(struct giro_sha256_state *state);
void giro_sha256_update(struct giro_sha256_state *state, const void *bytes, size_t size_bytes);
struct giro_hash giro_sha256_end(struct giro_sha256_state *state);

/* Many at once: the same hashes, in lanes or interleaved where the processor can (README.md). Inputs of any lengths; equal
 * lengths fill the lanes best, and 64 bytes (records) have a way of their own. Use them from about four inputs on. */
void giro_sha256_many(const struct giro_part *inputs, uint32_t count, struct giro_hash *out);
/* giro_sha256_update_many updates states[i] with parts[i]; no state may come twice. */
void giro_sha256_update_many(struct giro_sha256_state *const *states, const struct giro_part *parts,
                             uint32_t count);
/* giro_sha256_end_many ends states[i] into out[i]. */
void giro_sha256_end_many(struct giro_sha256_state *const *states, uint32_t count,
                          struct giro_hash *out);

#define GIRO_PROOF_PATH_MAX 40u

/* ---- Merkle tree of a block's leaves (layout: wire/member.h, "Ledger leaves") ------------------------------- */

struct giro_hash giro_leaf_hash(const void *preimage_from_tag, size_t size_bytes);
/* giro_merkle_fold hashes pairs of nodes[0..count) into above (which may be nodes itself), an odd last one goes up as it is;
 * returns the width of the level above. */
uint32_t giro_merkle_fold(const struct giro_hash *nodes, uint32_t count, struct giro_hash *above);
/* giro_merkle_root folds leaves[0..count) in place (the array is destroyed) into the ledger root. */
struct giro_hash giro_merkle_root(uint64_t height, struct giro_hash *leaves, uint32_t count);
/* giro_merkle_path writes the siblings of leaf `index`, bottom up, and returns their number
 * (<= GIRO_PROOF_PATH_MAX). leaves is destroyed. */
uint32_t giro_merkle_path(struct giro_hash *leaves, uint32_t count, uint32_t index,
                          struct giro_hash *path);
/* giro_merkle_check recomputes the root from one leaf and its path. */
bool giro_merkle_check(uint64_t height, const struct giro_hash *leaf, uint32_t index,
                       uint32_t count, const struct giro_hash *path, uint32_t path_count,
                       const struct giro_hash *root) GIRO_MUST_USE;

/* ---- Key ring: enrolled public keys by handle ----------------------------------------------------------------- */

/* A handle names one enrolment of a key: after the key is retired it names nothing for ever, also when its index is used
 * again. A zeroed handle names nothing. */
struct giro_key_handle {
    uint32_t index;
    uint32_t generation;
};
enum giro_key_fault {
    GIRO_KEY_OK = 0,
    GIRO_KEY_NOT_CANONICAL,
    GIRO_KEY_NOT_ON_CURVE,
    GIRO_KEY_SMALL_ORDER,
    GIRO_KEY_TORSION,       /* [L]A != O */
    GIRO_KEY_NO_POSSESSION, /* proof of possession missing or wrong */
    GIRO_KEY_RING_FULL, /* every index names a key, or one retired that a thread may still verify under */
    GIRO_KEY_REPEATED, /* the same key bytes are enrolled, or were once */
    GIRO_KEY_MEMORY_FULL, /* GIRO_KEY_LIFETIMES times as many keys as the ring holds were enrolled in its life */
    GIRO_KEY_FAULT_COUNT
};
const char *giro_key_fault_text(enum giro_key_fault fault);

/* Comb tables: a key with a table is verified many times faster; one without is judged by libsodium, with the same
 * verdicts. A width is 8 (516 KiB a key), 6 (177 KiB) or 4 (72 KiB): the wider, the fewer additions a signature takes
 * (58, 69, 90). bytes: 0 for another width. width: the widest whose tables for key_count keys fit in memory_bytes, 0 if
 * none does. */
#define GIRO_KEY_TABLES_BYTES (UINT64_C(320) << 20) /* the usual limit: 512 keys at 8 bits */
size_t giro_key_table_bytes(uint32_t width);
uint32_t giro_key_table_width(uint32_t key_count, uint64_t memory_bytes);
/* giro_key_table_build fills `table` (aligned to 64 bytes) for a point of large order, as every enrolled key is, and asserts
 * a check as below. False: no such point; nothing is written. Any thread. 0.7 to 1.7 ms. */
bool giro_key_table_build(void *table, uint32_t width,
                          const struct giro_public_key *key) GIRO_MUST_USE;
/* giro_key_table_check compares sums of the table with libsodium's for two scalars drawn from seed, which touch two
 * entries of each row, and every limb with its bound. True: they agree. Safe on any bytes. 0.3 ms. */
bool giro_key_table_check(const void *table, uint32_t width, const struct giro_public_key *key,
                          const uint8_t seed[32]) GIRO_MUST_USE;

struct giro_key_ring;
#define GIRO_KEY_LIFETIMES 4u
/* A ring holds up to key_count_max keys at a time and remembers GIRO_KEY_LIFETIMES times as many that were enrolled in it:
 * a key, once enrolled, is never enrolled again. Its tables lie within its memory, built by enrol, or apart (below).
 * footprint is with tables of the usual width within; footprint_for with a given width, or 0: no tables. 0: bad options.
 * init takes the widest tables that fit in size_bytes; NULL if not even a ring without tables does. mem is aligned to 64
 * bytes and need not be zero; the table of a key that is never enrolled is never touched. */
size_t giro_key_ring_footprint(uint32_t key_count_max);
size_t giro_key_ring_footprint_for(uint32_t key_count_max, uint32_t table_width);
struct giro_key_ring *giro_key_ring_init(void *mem, size_t size_bytes, uint32_t key_count_max);
/* giro_key_ring_init_apart makes a ring of footprint_for(key_count_max, 0) bytes whose tables, of table_width, the owner
 * builds (on any thread) or maps, and attaches. NULL: bad options. */
struct giro_key_ring *giro_key_ring_init_apart(void *mem, size_t size_bytes, uint32_t key_count_max,
                                               uint32_t table_width);
/* giro_key_ring_enrol checks the key (encoding, curve, order, torsion, and possession unless NULL) and adds it.
 * owner_and_role is what the proof of possession is over: see giro_possession_message. One thread at a time may call
 * enrol, attach, retire and reclaim; the others go on verifying. */
enum giro_key_fault giro_key_ring_enrol(struct giro_key_ring *ring,
                                        const struct giro_public_key *key,
                                        const void *possession_message, size_t message_bytes,
                                        const struct giro_signature *possession,
                                        struct giro_key_handle *handle) GIRO_MUST_USE;
/* giro_key_ring_attach gives a live key its table. The table is borrowed, and must not change, until the key is retired
 * and reclaim has returned 0. False: the handle names no key. */
bool giro_key_ring_attach(struct giro_key_ring *ring, struct giro_key_handle handle,
                          const void *table) GIRO_MUST_USE;
/* giro_key_ring_retire ends an enrolment: batches that begin after it find the handle INVALID; one under way in another
 * thread may still find it valid. False: the handle names nothing, and nothing changes. The index is used again, under another
 * generation, when every batch that was under way has ended. */
bool giro_key_ring_retire(struct giro_key_ring *ring, struct giro_key_handle handle);
/* giro_key_ring_reclaim frees the indices of retired keys that no batch under way can read; never waits. Returns how many
 * are still waiting. enrol and retire call it, too; an owner of tables calls it until it returns 0. */
uint32_t giro_key_ring_reclaim(struct giro_key_ring *ring);

/* Signed string of a proof of possession: tag POSSESSION | nonce 32 (the hub's genesis nonce) | role 16 (zero
 * padded text) | owner 16 (zero padded BIC or replica name) | key id 8 | public key 32. Returns its size. */
#define GIRO_POSSESSION_MESSAGE_BYTES (8u + 32u + 16u + 16u + 8u + 32u)
size_t giro_possession_message(const uint8_t nonce[32], const char *role, const char *owner,
                               uint64_t key_id, const struct giro_public_key *key, uint8_t *out);

/* ---- Verification: one interface ---------------------------------------------------------------------------------- */

struct giro_verify_item {
    struct giro_key_handle key;
    const uint8_t *message;
    uint32_t message_bytes;
    const uint8_t *signature; /* 64 bytes, unaligned */
};
enum giro_verdict { GIRO_INVALID = 0, GIRO_VALID = 1 };
/* giro_verify_batch writes verdicts[i] for items[i], each independent of the others; returns the number valid.
 * An unknown or stale handle is INVALID. Uses about 70 KiB of stack. Cost: README.md. */
uint32_t giro_verify_batch(const struct giro_key_ring *ring, const struct giro_verify_item *items,
                           uint32_t count, uint8_t *verdicts);

/* Why a signature that is not valid is not: for people and tools, never in the verification path. */
enum giro_signature_fault {
    GIRO_SIGNATURE_MISMATCH = 0, /* R is not [S]B - [k]A: another key, another message, or damage */
    GIRO_SIGNATURE_S_NOT_BELOW_L,
    GIRO_SIGNATURE_R_SMALL_ORDER,
    GIRO_SIGNATURE_KEY_REFUSED, /* libsodium takes no signature under such a key */
};
/* giro_signature_fault tells, of an invalid signature of 64 bytes, the cause libsodium finds first. */
enum giro_signature_fault giro_signature_fault(const struct giro_public_key *key,
                                               const uint8_t *signature);
const char *giro_signature_fault_text(enum giro_signature_fault fault);

/* ---- Secret keys ---------------------------------------------------------------------------------------------------- */

/* In locked memory (sodium_malloc: left out of core files, guard pages around it), read-only once made, wiped on free. generate
 * and from_seed sign once by libsodium and by the variant, and assert that the signatures are equal; NULL: no such memory. */
struct giro_secret_key;
struct giro_secret_key *giro_key_generate(void);
struct giro_secret_key *
giro_key_from_seed(const uint8_t seed[32]); /* tests, vectors, and key files */
void giro_key_free(struct giro_secret_key *key);
struct giro_public_key giro_key_public(const struct giro_secret_key *key);
void giro_key_seed(const struct giro_secret_key *key, uint8_t seed[32]);
/* giro_key_sealing: the X25519 public key whose secret scalar is the key's seed (RFC 7748): what a sealing key is enrolled as. */
struct giro_public_key giro_key_sealing(const struct giro_secret_key *key);
/* giro_sign returns the Ed25519 signature (RFC 8032, deterministic: libsodium's bytes in every variant). No branch and no address
 * depends on the key in a build with NDEBUG, and what the call leaves on the stack is wiped: README.md, "Signing", also for what
 * checks that. Asserts that R is a point of the curve. Any number of threads. 16 us by libsodium, 10 by AVX2, 5.5 by AVX-512, at 128
 * bytes; 20 KiB of stack. */
struct giro_signature giro_sign(const struct giro_secret_key *key, const void *message,
                                size_t message_bytes);

#ifdef __cplusplus
}
#endif
#endif
