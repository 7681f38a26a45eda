/* giro/safety.h - the durable safety module: sole owner of the vote key; no other code can sign a vote or timeout.
 *
 * Model: one small file of 64 slots of 4 KiB (giro/wire/store.h); every record is written twice, 128 KiB apart, and both
 * writes have completed before a signature is returned. Newest sequence with one valid copy wins; a bad copy is rewritten
 * and reported. Refuses (GIRO_ERR_DAMAGED) when all copies are missing or corrupt but the log is not empty; GIRO_ERR_CHAIN
 * on a foreign chain id or replica. Both copies of the newest record lost would look like an older file: refused as DAMAGED,
 * since the place after the newest valid record must hold the record of 32 sequences before, or nothing yet.
 *
 * Rules it enforces by itself, whatever the core asks: a vote's round > last_voted_round (the same vote again: the stored
 * one is re-signed); its parent round >= lock_round or the caller's TC rule is the core's business, but lock_round never
 * goes back; no vote in a round <= last_timeout_round; a timeout's round >= last_voted_round and > last_timeout_round (the
 * same again: re-signed), its high_qc_round >= lock_round; a request is written only when the log watermark covers after_log.
 * A write error is final: nothing is signed again.
 *
 * Threads: one. Pure but for the disk handed in. Source: shared design, consensus.md section 7.
 */
#ifndef GIRO_SAFETY_H
#define GIRO_SAFETY_H

#include "giro/consensus.h"
#include "giro/store.h"

#ifdef __cplusplus
extern "C" {
#endif

struct giro_safety_options {
    struct giro_disk *disk;
    struct giro_hash chain_id;
    uint16_t replica;
    uint64_t epoch;
    struct giro_secret_key *vote_key; /* borrowed; nobody else uses it */
};
struct giro_safety;
size_t giro_safety_footprint(void);
struct giro_safety *giro_safety_init(void *mem, size_t size_bytes,
                                     const struct giro_safety_options *options);
/* giro_safety_open reads the file (or makes it), raises the incarnation and makes that durable. log_is_empty allows a
 * missing file. Synchronous: polls the disk until its own writes are done, through wait (called between polls; the simulator
 * advances its clock there; a real one sleeps 10 us or more: after 2^20 waits the disk counts as dead, GIRO_ERR_TIMEOUT).
 * Nobody else may have writes under way. *repaired counts rewritten copies. GIRO_ERR_STATE: another epoch's file. */
enum giro_err giro_safety_open(struct giro_safety *safety, bool log_is_empty,
                               void (*wait)(void *context), void *context,
                               struct giro_safety_state *state, uint32_t *repaired) GIRO_MUST_USE;
/* giro_safety_peek reads only the newest watermark, before the log is opened (0 when the file is missing). */
enum giro_err giro_safety_peek(struct giro_safety *safety, uint64_t *log_watermark) GIRO_MUST_USE;
/* giro_safety_request queues the one request under way (GIRO_ACTION_SIGN). A refusal is reported by giro_safety_take. */
void giro_safety_request(struct giro_safety *safety, const struct giro_action *sign);
/* giro_safety_advance tells the log's watermark: submits the writes of a waiting request that is now covered. */
enum giro_err giro_safety_advance(struct giro_safety *safety, uint64_t log_watermark) GIRO_MUST_USE;
enum giro_err giro_safety_completed(struct giro_safety *safety, uint64_t tag,
                                    enum giro_err err) GIRO_MUST_USE;
/* giro_safety_writing: writes of a request are under way. */
bool giro_safety_writing(const struct giro_safety *safety);
/* giro_safety_take fills a SIGNED event when a request is finished (signed or refused) and returns true once. */
bool giro_safety_take(struct giro_safety *safety, struct giro_event *event);

#ifdef __cplusplus
}
#endif
#endif
