/* common/wire/decode.h - the checks that several decoders share. Private to this folder. */
#ifndef GIRO_WIRE_DECODE_H
#define GIRO_WIRE_DECODE_H

#include "giro/wire.h"

/* WIRE_TRY returns a reject reason to the caller unless it is NONE: the happy path stays a line. */
#define WIRE_TRY(expr)                                                                             \
    do {                                                                                           \
        enum giro_reject wire_try_ = (expr);                                                       \
        if (wire_try_ != GIRO_REJECT_NONE)                                                         \
            return wire_try_;                                                                      \
    } while (0)

/* WIRE_REQUIRE rejects for `reason` unless the condition holds. */
#define WIRE_REQUIRE(condition, reason)                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return GIRO_REJECT_##reason;                                                           \
    } while (0)

/* wire_copy takes the next size_bytes: TRUNCATED if they are not all there. */
enum giro_reject wire_copy(struct giro_reader *reader, void *out, size_t size_bytes) GIRO_MUST_USE;
/* wire_head_check says which of magic, kind and version is wrong. */
enum giro_reject wire_head_check(const struct giro_head *head, enum giro_kind kind) GIRO_MUST_USE;
/* wire_is_zero is true iff every byte is zero. */
bool wire_is_zero(const void *bytes, size_t size_bytes) GIRO_MUST_USE;
/* wire_quorum returns q = n - floor((n - 1) / 3). Asserts 1 <= n <= GIRO_REPLICAS_MAX: the number of
 * replicas comes from the genesis file, never from a peer. */
uint32_t wire_quorum(uint32_t replica_count) GIRO_MUST_USE;
/* wire_signers_check holds the rules of every certificate: a known scheme (FIELD), a count within
 * GIRO_QUORUM_MAX (COUNT), exactly q signers (QUORUM), as many bits as signatures, all of them below
 * replica_count (SIGNER). */
enum giro_reject wire_signers_check(uint8_t scheme, uint32_t signer_count, const uint8_t *bitmap,
                                    uint32_t replica_count) GIRO_MUST_USE;
/* wire_commit_id_check: a round above its parent's, and a commit id only between neighbours. */
enum giro_reject wire_commit_id_check(uint64_t round, uint64_t parent_round,
                                      const struct giro_hash *commit_id) GIRO_MUST_USE;

/* wire_timeout_header_read reads the part of a timeout that is signed for. */
enum giro_reject wire_timeout_header_read(struct giro_reader *reader, uint32_t replica_count,
                                          struct giro_timeout_header *header) GIRO_MUST_USE;

/* wire_ids_check: batch ids ascend, so that none is repeated and one acknowledgement has one form. */
enum giro_reject wire_ids_check(const struct giro_hash *ids, uint32_t id_count) GIRO_MUST_USE;
/* wire_proof_read reads one proof of availability out of a longer run of bytes (a proposal carries several).
 * acks may be NULL: then everything is checked and nothing is kept. */
enum giro_reject wire_proof_read(struct giro_reader *reader, uint64_t epoch, uint32_t replica_count,
                                 struct giro_batch_proof_header *header,
                                 struct giro_batch_ack *acks, uint32_t acks_max) GIRO_MUST_USE;
/* wire_reference_check: bounds of what a block says about a batch. */
enum giro_reject wire_reference_check(const struct giro_batch_reference *reference,
                                      uint32_t replica_count) GIRO_MUST_USE;
/* wire_details_check: blocks one after the other, records ascending and below record_count, nothing left over. */
enum giro_reject wire_details_check(const uint8_t *details, uint32_t details_bytes,
                                    uint32_t record_count) GIRO_MUST_USE;

#endif
