/* consensus/batches.h - batches: bodies in memory, acknowledgements, proofs of availability, fetching.
 * Internal to consensus/; driven by core.c. Rules: shared design, consensus.md section 4.
 *
 * A body lives in a slot (GIRO_BATCH_BYTES_MAX) from arrival until it is executed or expired by *committed* block time.
 * Life of an own batch: local -> LOG + SEND to all -> durable: own acknowledgement -> q acknowledgements: proof, SEND
 * BATCH_PROOF to all, AVAILABLE. Life of a peer's: arrive -> VERIFY -> VERDICT -> LOG -> durable: acknowledgement to
 * the author. Acknowledgements that become possible in one step go out together, per author, up to GIRO_ACK_IDS_MAX.
 */
#ifndef GIRO_CONSENSUS_BATCHES_H
#define GIRO_CONSENSUS_BATCHES_H

#include "consensus/env.h"

struct giro_batches;
size_t giro_batches_footprint(const struct giro_consensus_options *options);
struct giro_batches *giro_batches_init(void *mem, size_t size_bytes, struct giro_env *env);

/* Events, routed by core.c. Malformed or hostile input is counted in env->rejects and dropped. */
void giro_batches_recover(struct giro_batches *batches, enum giro_log_kind kind,
                          const uint8_t *body, uint32_t body_bytes);
void giro_batches_start(struct giro_batches *batches,
                        uint64_t incarnation); /* sequences begin at incarnation << 32 */
bool giro_batches_local(struct giro_batches *batches,
                        const struct giro_event *event); /* false: no room */
void giro_batches_on_batch(struct giro_batches *batches, uint16_t sender, const uint8_t *body,
                           size_t size_bytes);
void giro_batches_on_ack(struct giro_batches *batches, uint16_t sender, const uint8_t *body,
                         size_t size_bytes);
void giro_batches_on_proof(struct giro_batches *batches, uint16_t sender, const uint8_t *body,
                           size_t size_bytes);
void giro_batches_on_fetch(struct giro_batches *batches, uint16_t sender, const uint8_t *body,
                           size_t size_bytes);
void giro_batches_on_not_found(struct giro_batches *batches, uint16_t sender,
                               const struct giro_hash *id);
void giro_batches_on_verdict(struct giro_batches *batches, const struct giro_event *event);
void giro_batches_on_durable(struct giro_batches *batches); /* env->watermark moved */
void giro_batches_on_tick(
    struct giro_batches *batches); /* resend own unproved batches, retry fetches */
uint64_t giro_batches_next_ns(const struct giro_batches *batches);
uint32_t giro_batches_room(const struct giro_batches *batches);
uint32_t giro_batches_own_in_flight(const struct giro_batches *batches);

/* Used by the vote and propose rules. */

/* giro_batches_proof_check verifies a proof carried by a block (q distinct valid acknowledgements of this epoch, this
 * reference, expiry right); remembers proofs it has verified, so the second check of the same bytes is cheap. Refuses a
 * reference that contradicts a body that is here. For the vote rule only: a certified block is valid whatever this says. */
enum giro_reject giro_batches_proof_check(struct giro_batches *batches,
                                          const struct giro_batch_reference *reference,
                                          const uint8_t *proof, uint32_t proof_bytes) GIRO_MUST_USE;
/* giro_batches_pick lists, oldest first, batches with a proof, not executed, expiry > time_ns, for which taken(context, id)
 * is false (taken: referenced by an uncommitted ancestor). proofs[i] stay valid until the next step. */
uint32_t giro_batches_pick(struct giro_batches *batches, uint64_t time_ns,
                           bool (*taken)(void *context, const struct giro_hash *id), void *context,
                           struct giro_batch_reference *references, const uint8_t **proofs,
                           uint32_t *proof_bytes, uint32_t max);
/* giro_batches_executed_before: id was executed, and no proof of it that a quorum made can be unexpired after it is forgotten. */
bool giro_batches_executed_before(const struct giro_batches *batches, const struct giro_hash *id);

/* Used by execution. */

/* giro_batches_have: the body is here. */
bool giro_batches_have(const struct giro_batches *batches, const struct giro_hash *id);
/* giro_batches_body returns the body if it is here (and size), else NULL. Only for committed blocks: what was returned stays
 * put until giro_batches_executed. */
const uint8_t *giro_batches_body(const struct giro_batches *batches, const struct giro_hash *id,
                                 uint32_t *size_bytes);
/* giro_batches_want keeps asking for a missing body, first the signers of the proof, then everybody, until it is here. Only
 * for committed blocks, in height order; 1,024 at most are remembered (more are ignored: call again), the first 32 are
 * asked for. */
void giro_batches_want(struct giro_batches *batches, const struct giro_batch_reference *reference,
                       const uint8_t *proof, uint32_t proof_bytes);
/* giro_batches_executed: the block that references it was executed; frees the body, remembers the id until expiry. Of its
 * frames `repeated` had been executed before: they count against the author's quota until as many new ones came from it. */
void giro_batches_executed(struct giro_batches *batches,
                           const struct giro_batch_reference *reference, uint32_t repeated);
/* giro_batches_expire frees unreferenced bodies and proofs with expiry < committed_time_ns, the block time of the last
 * *executed* block: what a committed but not yet executed block references expires later than that. Own batches stay:
 * when their proof expired unreferenced, acknowledgements are collected anew. */
void giro_batches_expire(struct giro_batches *batches, uint64_t committed_time_ns);
/* giro_batches_starved: more than f peers say that they have not got a wanted body, so an honest one does. It goes on being
 * asked for; not of all before this counts, for a peer that is down says nothing. */
bool giro_batches_starved(const struct giro_batches *batches);

/* For images (batches_image.c). */
void giro_batches_executed_put(const struct giro_batches *batches, struct giro_writer *writer);
enum giro_reject giro_batches_executed_load(struct giro_batches *batches,
                                            struct giro_reader *section,
                                            uint64_t time_ns) GIRO_MUST_USE;
/* giro_batches_needed: the first log record of a body that is here, 0 if one was recovered, UINT64_MAX if none is here. */
uint64_t giro_batches_needed(const struct giro_batches *batches);
void giro_batches_check(const struct giro_batches *batches);

#endif
