/* giro/genesis.h - what the hub is: replicas, members, keys, accounts, caps, parameters; and key files.
 *
 * The genesis file is JSON (jansson). Its SHA-256 over the exact bytes is the chain id. It holds a 32-byte
 * random nonce, so a rehearsal hub never shares a chain id. Everything a replica decides starts from it.
 *
 * Shape (all members required unless said; unknown members are an error naming the line):
 *   {
 *     "format": "giro-genesis-1", "name": "demo", "nonce": "<64 hex>", "business_date": "2026-11-24",
 *     "window_secret_hash": "<64 hex>",       SHA-256 of the 32-byte hub window secret (replicas only)
 *     "parameters": { "clock_bound_ms": 250, "round_floor_ms": 20, "batch_ttl_s": 20,
 *                     "uetr_retained_entries": 4194304, "uetr_retained_days": 10, "cycle_seconds": 0,
 *                     "checkpoint_heights": 1024, "checkpoint_mb": 64 },     these two may be left out
 *     "currencies": [ { "code": "CZK", "number": 203, "digits": 2 } ],
 *     "replicas": [ { "name": "replica-0", "keys": { "vote": K, "batch": K, "transport": K, "file": K } } ],
 *     "operators": [ { "name": "maker", "key_id": 1, "key": K }, { "name": "checker", "key_id": 2, "key": K } ],
 *     "supervisor": { "name": "supervisor", "key_id": 1, "key": K },         may be left out
 *     "members": [ { "bic": "XYXXCZPP", "name": "...", "keys": [ { "role": "frame", "key_id": 1, "key": K },
 *                    { "role": "session", ... }, { "role": "sealing", ... } ],
 *                    "accounts": [ { "currency": "CZK", "prefunded": "1000000.00", "hold": "500000.00",
 *                                    "cap": "500000.00", "status": "open" } ] } ]
 *   }
 *   K = { "public": "<64 hex>", "possession": "<128 hex>" }   (sealing keys are X25519: no possession)
 * The supervisor's key is a sealing key: who holds it can open every payment's sealed details (giro/details.h). Without a
 * supervisor only creditors can.
 * cap <= hold <= prefunded. cycle_seconds 0: cycles close by control transaction only.
 * Limits: 4..100 replicas (n = 1 allowed for a test hub), GIRO_MEMBERS_MAX members, GIRO_CURRENCIES_MAX
 * currencies, one settlement account per member and currency, 1..4 frame keys, 1 session and 1 sealing key.
 *
 * A proof of possession names the owner, the role and the key id (giro_possession_message): owner is the BIC, or
 * the replica's or operator's name (so those have 1..16 letters, digits, '-' or '_', and none is repeated); role
 * is "vote", "batch", "transport", "file", "frame", "session", and "approver" for an operator's key; the key id of
 * a replica's keys is 1. Key ids are 1..65535. Operators: none (no control transactions) or 2..4. BICs that differ
 * only by the branch XXX name the same member.
 *
 * Key files: <dir>/<owner>/<role>.key, mode 0600, one line of 64 hex digits (the seed) and a newline;
 * <owner> is a BIC, a replica's name or an operator's name. <dir>/hub.secret: the window secret, likewise.
 *
 * Not pure: allocates while parsing; reads files where the name says so.
 */
#ifndef GIRO_GENESIS_H
#define GIRO_GENESIS_H

#include "giro/sys.h"
#include "giro/wire.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GIRO_BIC_BYTES     12u /* 8 or 11 characters and a NUL */
#define GIRO_NAME_BYTES    64u
#define GIRO_ROLE_KEYS_MAX 4u

enum giro_account_status {
    GIRO_ACCOUNT_OPEN = 1,
    GIRO_ACCOUNT_BLOCKED = 2,
    GIRO_ACCOUNT_CLOSED = 3
};
enum giro_member_status { GIRO_MEMBER_ACTIVE = 1, GIRO_MEMBER_SUSPENDED = 2 };

struct giro_genesis_key {
    uint64_t key_id;
    struct giro_public_key key;
    struct giro_signature possession;
    struct giro_key_handle handle; /* in the ring of giro_genesis_enrol */
};
struct giro_genesis_replica {
    char name[GIRO_NAME_BYTES];
    struct giro_genesis_key vote, batch, transport, file;
};
struct giro_genesis_account {
    uint16_t currency_index;
    uint8_t status;
    int64_t prefunded_minor, hold_minor, cap_minor;
};
struct giro_genesis_member {
    char bic[GIRO_BIC_BYTES];
    char name[GIRO_NAME_BYTES];
    uint32_t frame_key_count;
    struct giro_genesis_key frame_keys[GIRO_ROLE_KEYS_MAX];
    struct giro_genesis_key session; /* TLS client key of the member's tools */
    struct giro_genesis_key sealing;
    uint32_t account_count;
    struct giro_genesis_account accounts[GIRO_CURRENCIES_MAX];
};
struct giro_genesis_operator {
    char name[GIRO_NAME_BYTES];
    struct giro_genesis_key key;
};
struct giro_genesis_supervisor {
    char name[GIRO_NAME_BYTES];
    struct giro_genesis_key sealing; /* key_id 0: the hub has no supervisor */
};
struct giro_genesis_currency {
    char code[4];
    uint16_t number;
    uint8_t digits; /* 0..4 */
};
struct giro_genesis {
    struct giro_hash chain_id;
    uint64_t chain_prefix; /* its first 8 bytes, as in frame headers */
    char name[GIRO_NAME_BYTES];
    uint8_t nonce[32];
    struct giro_hash window_secret_hash;
    uint16_t business_date;
    uint64_t clock_bound_ns, round_floor_ns, batch_ttl_ns;
    uint32_t uetr_retained_entries, uetr_retained_days, cycle_seconds;
    uint32_t checkpoint_heights, checkpoint_mb; /* 0: left out, see giro_genesis_checkpoint_* */
    uint32_t currency_count, replica_count, member_count, operator_count;
    struct giro_genesis_currency currencies[GIRO_CURRENCIES_MAX];
    struct giro_genesis_replica replicas[GIRO_REPLICAS_MAX];
    struct giro_genesis_operator operators[4];
    struct giro_genesis_supervisor supervisor;
    struct giro_genesis_member *members; /* member_count, malloc'ed */
};

/* giro_genesis_parse reads JSON text; on failure the diagnosis names `name`, line and what was expected.
 * The caller frees with giro_genesis_free. */
enum giro_err giro_genesis_parse(const char *name, const char *text, size_t size_bytes,
                                 struct giro_genesis *genesis,
                                 struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
enum giro_err giro_genesis_load(const char *path, struct giro_genesis *genesis,
                                struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
void giro_genesis_free(struct giro_genesis *genesis);
/* giro_genesis_text renders the JSON (malloc'ed, caller frees): stable member order, two-space indent. */
char *giro_genesis_text(const struct giro_genesis *genesis);
/* giro_genesis_enrol checks every Ed25519 key and its possession, puts them into the ring and fills the
 * handles. giro_genesis_key_count says how many the ring must hold. */
enum giro_err giro_genesis_enrol(struct giro_genesis *genesis, struct giro_key_ring *ring,
                                 struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
uint32_t giro_genesis_key_count(const struct giro_genesis *genesis);
/* giro_genesis_signing_keys finds the keys whose signatures giro_verify_batch judges at a rate: vote, batch, operators' and
 * frame keys; the others identify TLS peers and files. keys[0..count), in the order of the file; NULL: only the count. */
uint32_t giro_genesis_signing_keys(const struct giro_genesis *genesis,
                                   const struct giro_genesis_key **keys);

/* Lookups: index, or GIRO_NONE. */
uint32_t giro_genesis_member_by_bic(const struct giro_genesis *genesis, const char *bic);
uint32_t giro_genesis_currency_by_code(const struct giro_genesis *genesis, const char *code);
uint32_t giro_genesis_currency_by_number(const struct giro_genesis *genesis, uint16_t number);
/* giro_genesis_frame_key returns the frame key of a member (or, for GIRO_MEMBER_OPERATOR, of an operator)
 * with this key id, NULL if there is none. */
const struct giro_genesis_key *giro_genesis_frame_key(const struct giro_genesis *genesis,
                                                      uint16_t member, uint16_t key_id);
/* A checkpoint is taken once this many heights or bytes of ordered batches came since the last one. */
uint64_t giro_genesis_checkpoint_heights(const struct giro_genesis *genesis); /* default 1,024 */
uint64_t giro_genesis_checkpoint_bytes(const struct giro_genesis *genesis);   /* default 64 MiB */
uint32_t giro_genesis_quorum(const struct giro_genesis *genesis); /* q = n - floor((n-1)/3) */
/* The id of the block at height 0: SHA-256(tag BLOCK | chain id). Parent of height 1; block of the genesis QC. */
struct giro_hash giro_genesis_block_id(const struct giro_genesis *genesis);
bool giro_bic_valid(
    const char *text,
    size_t length); /* 8 or 11: 4 letters or digits, 2 letters, rest letters or digits */

/* ---- Key files ---- */
/* giro_key_file_make makes <dir>/<owner>/<role>.key (0600) with a fresh key, or loads the one that is there. */
enum giro_err giro_key_file_make(const char *dir, const char *owner, const char *role,
                                 struct giro_secret_key **key,
                                 struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
/* giro_key_file_load refuses files that group or others may use, or that belong to another user (KEY). On its way the secret is
 * only in locked memory, which is wiped. */
enum giro_err giro_key_file_load(const char *dir, const char *owner, const char *role,
                                 struct giro_secret_key **key,
                                 struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
/* The same for <dir>/hub.secret. The caller wipes secret when it is done with it. */
enum giro_err giro_hub_secret_make(const char *dir, uint8_t secret[32],
                                   struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
/* hash: what the genesis file says it hashes to; another secret is KEY. NULL: any will do. */
enum giro_err giro_hub_secret_load(const char *dir, const struct giro_hash *hash,
                                   uint8_t secret[32],
                                   struct giro_diagnosis *diagnosis) GIRO_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
