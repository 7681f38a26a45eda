/* giro/wire.h - every byte format, in six parts, and what they share.
 *
 *   wire/member.h     what members sign and get: record, frame, skip, control, receipt, proof
 *   wire/session.h    what carries it over UDP: handshake, session datagram, blocks
 *   wire/disclosure.h some payments of a frame, shown to somebody
 *   wire/consensus.h  what replicas sign and send: block, vote, QC, timeout, TC, batch, certificate
 *   wire/recon.h      what is sealed: entry, status row, window record, journal, file manifest
 *   wire/store.h      what is on a replica's disk: log record, safety slot, ledger block
 *   wire/checkpoint.h checkpoint, image of the state and its manifest, requests for them
 *
 * Tags and hash types are in giro/crypto.h.
 * Rules for all: fixed-width little-endian fields, no implicit padding, reserved bytes zero and checked,
 * kind and version in the first 8 bytes. A struct is the byte layout; decoders copy with memcpy out of
 * unaligned input and return an enum giro_reject. docs/protocol.md describes every format for people;
 * tests/vectors holds bytes for each.
 *
 * Purity: no IO, no clock, no allocation. Threads: any.
 */
#ifndef GIRO_WIRE_H
#define GIRO_WIRE_H

#include <assert.h> /* static_assert */

#include "giro/crypto.h"

#ifdef __cplusplus
extern "C" {
#endif

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "structs are the byte layout: little-endian");

/* One line per field: proves the offset table beside each struct. */
#define GIRO_WIRE_AT(type, field, at)                                                              \
    static_assert(offsetof(struct type, field) == (at), #type "." #field " moved")
#define GIRO_WIRE_SIZE(type, bytes) static_assert(sizeof(struct type) == (bytes), #type " resized")

#define GIRO_UETR_BYTES      16u
#define GIRO_CHAIN_BYTES     32u
#define GIRO_REPLICAS_MAX    100u
#define GIRO_BITMAP_BYTES    16u   /* bit i = byte i/8, bit i%8; bits >= n are zero */
#define GIRO_QUORUM_MAX      67u   /* q = n - floor((n-1)/3) at n = 100 */
#define GIRO_MEMBERS_MAX     1024u /* member index < this; 0xFFFF is the operator */
#define GIRO_MEMBER_OPERATOR 0xFFFFu
#define GIRO_CHANNELS_MAX    64u /* channels per member */
#define GIRO_CURRENCIES_MAX  16u

/* A 128-bit signed amount sum in minor units, little-endian two's complement. */
struct giro_amount128 {
    uint64_t low;
    int64_t high;
};
giro_i128 giro_amount128_get(struct giro_amount128 wire);
struct giro_amount128 giro_amount128_make(giro_i128 value);

/* ---- Head: the first 8 bytes of everything -------------------------------------------------------- */

/* offset size field
 *      0    4 magic    the bytes "GIRO"
 *      4    2 kind     enum giro_kind
 *      6    2 version  of that kind's layout; 1 for all today */
struct giro_head {
    uint32_t magic;
    uint16_t kind;
    uint16_t version;
};
GIRO_WIRE_SIZE(giro_head, 8);
#define GIRO_MAGIC   0x4F524947u /* "GIRO" */
#define GIRO_VERSION 1u

/* X(number, NAME, text) */
#define GIRO_KIND_MAP(X)                                                                           \
    X(0x0101, FRAME, "payment frame")                                                              \
    X(0x0102, SKIP, "channel skip")                                                                \
    X(0x0103, CONTROL, "control transaction")                                                      \
    X(0x0105, PROOF, "proof of a ledger leaf")                                                     \
    X(0x0106, SPOOL, "spool of signed frames")                                                     \
    X(0x0107, HANDSHAKE, "session handshake")                                                      \
    X(0x0108, SESSION, "session datagram")                                                         \
    X(0x010F, DISCLOSURE, "some payments of a frame")                                              \
    X(0x0110, DETAILS_KEYS, "keys of sealed details")                                              \
    X(0x0201, BLOCK, "block")                                                                      \
    X(0x0202, VOTE, "vote")                                                                        \
    X(0x0203, QC, "quorum certificate")                                                            \
    X(0x0204, TIMEOUT, "timeout")                                                                  \
    X(0x0205, TC, "timeout certificate")                                                           \
    X(0x0206, BATCH, "batch of frames")                                                            \
    X(0x0207, BATCH_ACK, "batch acknowledgement")                                                  \
    X(0x0208, BATCH_PROOF, "proof of availability")                                                \
    X(0x0209, COMMIT_VOTE, "commit vote")                                                          \
    X(0x020A, CERTIFICATE, "certificate of a height")                                              \
    X(0x020B, SYNC, "sync info")                                                                   \
    X(0x020C, FETCH_BLOCKS, "block request")                                                       \
    X(0x020D, FETCH_BATCHES, "batch request")                                                      \
    X(0x020E, NOT_FOUND, "not found")                                                              \
    X(0x020F, HELLO, "question at a start, or an answer")                                          \
    X(0x0210, PEER, "peer message envelope")                                                       \
    X(0x0211, EPOCH_END, "end of an epoch")                                                        \
    X(0x0212, CHECKPOINT, "checkpoint")                                                            \
    X(0x0213, PROPOSAL, "proposal")                                                                \
    X(0x0214, CHECKPOINT_VOTE, "checkpoint vote")                                                  \
    X(0x0215, FETCH_IMAGE, "image request")                                                        \
    X(0x0216, MANIFEST, "manifest of an image")                                                    \
    X(0x0217, FETCH_CHUNK, "chunk request")                                                        \
    X(0x0218, CHUNK, "chunk of an image")                                                          \
    X(0x0219, HALTED, "a replica stops itself")                                                    \
    X(0x0301, ENTRY, "entry")                                                                      \
    X(0x0302, STATUS, "status row")                                                                \
    X(0x0303, WINDOW, "window record")                                                             \
    X(0x0304, JOURNAL, "member journal")                                                           \
    X(0x0305, NETTING, "netting record")                                                           \
    X(0x0306, DETAILS_DAY, "sealed details of a member's day")                                     \
    X(0x0401, LOG_SEGMENT, "block log segment")                                                    \
    X(0x0402, LOG_RECORD, "block log record")                                                      \
    X(0x0403, SAFETY_SLOT, "safety slot")                                                          \
    X(0x0404, LEDGER, "ledger file")                                                               \
    X(0x0405, LEDGER_BLOCK, "leaves of one block")                                                 \
    X(0x0406, LEADER_WINDOW, "leader window")                                                      \
    X(0x0407, IMAGE, "image of the state")                                                         \
    X(0x0408, IMAGE_FILE, "file of an image's manifest")                                           \
    X(0x0409, EVIDENCE, "evidence against a replica")                                              \
    X(0x040A, FRAME_INDEX, "where a channel's frames were executed")                               \
    X(0x0481, CRASH_MARKER, "frame being executed")                                                \
    X(0x0480, EVENT_LOG, "event log of a replica's core")

enum giro_kind {
#define GIRO_KIND_ENUM(number, name, text) GIRO_KIND_##name = (number),
    GIRO_KIND_MAP(GIRO_KIND_ENUM)
#undef GIRO_KIND_ENUM
};
const char *giro_kind_text(uint16_t kind); /* "unknown kind" for others */
struct giro_head giro_head_make(enum giro_kind kind);
/* giro_head_is is true iff magic, kind and version are the expected ones. */
bool giro_head_is(const struct giro_head *head, enum giro_kind kind);

/* ---- Rejects: bad input, counted per reason and member ----------------------------------------------- */

/* X(NAME, text) */
#define GIRO_REJECT_MAP(X)                                                                         \
    X(NONE, "accepted")                                                                            \
    X(TRUNCATED, "shorter than its own header says")                                               \
    X(OVERSIZED, "longer than its own header says or than allowed")                                \
    X(MAGIC, "not a Giro format")                                                                  \
    X(KIND, "a kind that does not belong here")                                                    \
    X(VERSION, "a version this program does not know")                                             \
    X(RESERVED, "reserved bytes are not zero")                                                     \
    X(CHAIN, "another hub's chain id")                                                             \
    X(MEMBER, "unknown member")                                                                    \
    X(KEY, "unknown or retired key")                                                               \
    X(CHANNEL, "channel number out of range")                                                      \
    X(COUNT, "a count is zero or too large")                                                       \
    X(FIELD, "a field is out of range")                                                            \
    X(SIGNATURE, "signature not valid")                                                            \
    X(DUPLICATE, "seen before")                                                                    \
    X(STALE, "too old to matter")                                                                  \
    X(FUTURE, "too far ahead")                                                                     \
    X(EPOCH, "another epoch")                                                                      \
    X(QUORUM, "fewer than q distinct signers")                                                     \
    X(SIGNER, "unknown, repeated or wrong signer")                                                 \
    X(HASH, "a hash does not match")                                                               \
    X(PROOF, "proof of availability missing or not valid")                                         \
    X(PARENT, "parent unknown or not matching")                                                    \
    X(LEADER, "author is not the leader of the round")                                             \
    X(TIME, "block time outside the vote window")                                                  \
    X(ROUND, "round not acceptable")                                                               \
    X(LIMIT, "a queue or quota is full")                                                           \
    X(EQUIVOCATION, "conflicts with something its author signed before")                           \
    X(POLICED, "over a rate that has a limit")                                                     \
    X(NETWORK, "not an IPv4 UDP datagram for this hub")                                            \
    X(CHECKSUM, "checksum does not match")                                                         \
    X(SESSION, "no such session")                                                                  \
    X(COOKIE, "handshake without a good cookie")                                                   \
    X(SEAL, "does not open under the session's keys")                                              \
    X(ABSENT, "nothing is known of it")                                                            \
    X(ADDRESS, "that member may not send from that address")

enum giro_reject {
#define GIRO_REJECT_ENUM(name, text) GIRO_REJECT_##name,
    GIRO_REJECT_MAP(GIRO_REJECT_ENUM)
#undef GIRO_REJECT_ENUM
        GIRO_REJECT_COUNT_OF_REASONS
};
const char *giro_reject_name(enum giro_reject reject); /* "TRUNCATED" */
const char *giro_reject_text(enum giro_reject reject); /* the sentence */

#ifdef __cplusplus
}
#endif

/* In this order: each part uses the ones before. The blank lines keep the formatter from sorting them. */
#include "giro/wire/member.h"

#include "giro/wire/session.h"

#include "giro/wire/disclosure.h"

#include "giro/wire/consensus.h"

#include "giro/wire/recon.h"

#include "giro/wire/store.h"

#include "giro/wire/checkpoint.h"
#endif
