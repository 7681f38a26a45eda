/* Samples of every format with a decoder: fixed ones (the vectors) and random ones (the properties). */
#ifndef TESTS_WIRE_SAMPLES_H
#define TESTS_WIRE_SAMPLES_H

#include "wire_roundtrip.h"

struct wire_sample {
    const char *name; /* of the vector */
    uint16_t kind;
    size_t (*make)(uint32_t replica_count, struct giro_prng *prng, uint8_t *out);
};
/* make writes one encoded object into out (WIRE_TEST_BYTES_MAX) and returns its size. prng NULL: the same bytes
 * every time; else every free field is random and counts vary. */
extern const struct wire_sample wire_samples[];
extern const uint32_t wire_sample_count;
const struct wire_sample *wire_sample_find(const char *name);

/* Builders used by several tests. */
uint32_t sample_quorum(uint32_t replica_count);
void sample_fill(struct giro_prng *prng, void *bytes, size_t size_bytes, uint8_t first);
struct giro_hash sample_chain(void);
void sample_qc(struct giro_qc *qc, uint32_t replica_count, uint64_t round, struct giro_prng *prng);
void sample_tc(struct giro_tc *tc, uint32_t replica_count, uint64_t round, struct giro_prng *prng);
void sample_timeout(struct giro_timeout *timeout, uint32_t replica_count, bool has_last_tc,
                    struct giro_prng *prng);
void sample_hello(struct giro_hello *hello, uint32_t replica_count, uint8_t parts,
                  struct giro_prng *prng);
void sample_vote(struct giro_vote *vote, uint32_t replica_count, struct giro_prng *prng);
void sample_commit_vote(struct giro_commit_vote *vote, uint32_t replica_count,
                        struct giro_prng *prng);
void sample_certificate(struct giro_certificate *certificate, uint32_t replica_count,
                        struct giro_prng *prng);
void sample_checkpoint_vote(struct giro_checkpoint_vote *vote, uint32_t replica_count,
                            struct giro_prng *prng);
void sample_checkpoint(struct giro_checkpoint *checkpoint, uint32_t replica_count,
                       struct giro_prng *prng);
void sample_ack(struct giro_batch_ack *ack, uint32_t voter, uint32_t id_count,
                const struct giro_hash *first, struct giro_prng *prng);

#endif
