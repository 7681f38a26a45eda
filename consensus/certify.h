/* consensus/certify.h - commit votes and the certificate of each height; HELLO at start.
 * Internal to consensus/; driven by core.c. Rules: shared design, consensus.md sections 4 and 7.
 *
 * EXECUTED -> LOG ROOTS -> durable: COMMIT_VOTE to all -> q equal: certificate, LOG CERTIFICATE, CERTIFIED. A valid
 * q-certificate with other roots than ours: HALT. A minority vote is evidence only. Keeps the last 256 heights. A commit vote
 * for a height that is certified here is answered with its CERTIFICATE (SERVE when it is no longer in memory).
 */
#ifndef GIRO_CONSENSUS_CERTIFY_H
#define GIRO_CONSENSUS_CERTIFY_H

#include "consensus/env.h"

struct giro_certify;
size_t giro_certify_footprint(const struct giro_consensus_options *options);
struct giro_certify *giro_certify_init(void *mem, size_t size_bytes, struct giro_env *env);
void giro_certify_recover(struct giro_certify *certify, enum giro_log_kind kind,
                          const uint8_t *body, uint32_t body_bytes);
/* giro_certify_base: heights up to this certificate's were executed and certified before (an image). */
void giro_certify_base(struct giro_certify *certify, const struct giro_certificate *certificate);
/* giro_certify_executed: this replica's roots. During recovery they are compared with the logged ROOTS (HALT on a
 * difference); a height whose certificate is already known yields CERTIFIED at once. */
void giro_certify_executed(struct giro_certify *certify, const struct giro_proposal *block,
                           const struct giro_event *event);
void giro_certify_on_vote(struct giro_certify *certify, uint16_t sender, const uint8_t *body,
                          size_t size_bytes);
void giro_certify_on_certificate(struct giro_certify *certify, uint16_t sender, const uint8_t *body,
                                 size_t size_bytes);
/* giro_certify_check_certificate verifies a certificate carried by a block. */
enum giro_reject
giro_certify_check_certificate(struct giro_certify *certify,
                               const struct giro_certificate *certificate) GIRO_MUST_USE;
void giro_certify_on_durable(struct giro_certify *certify);
void giro_certify_on_tick(
    struct giro_certify *certify); /* resend own commit votes that found no quorum */
uint64_t giro_certify_next_ns(const struct giro_certify *certify);
/* The highest certified height and its certificate (NULL at 0). */
uint64_t giro_certify_height(const struct giro_certify *certify);
const struct giro_certificate *giro_certify_highest(const struct giro_certify *certify);
/* giro_certify_no_quorum: a height of which no root can reach q any more; 0 = none. */
uint64_t giro_certify_no_quorum(const struct giro_certify *certify);
/* giro_certify_halt: why it stopped; NULL if it did not. */
const struct giro_halt *giro_certify_halt(const struct giro_certify *certify);
void giro_certify_check_state(const struct giro_certify *certify);

#endif
