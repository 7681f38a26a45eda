/* One replica's batches or certify part with its environment, and peers that sign for themselves. */
#ifndef TESTS_CONSENSUS_BATCHES_SUPPORT_H
#define TESTS_CONSENSUS_BATCHES_SUPPORT_H

#include "consensus/batches.h"
#include "consensus/certify.h"

#define BENCH_REPLICAS 4u
#define BENCH_TTL_NS   (60u * GIRO_NS_PER_S)
#define BENCH_WALL_NS  (1800000000ull * GIRO_NS_PER_S)
#define MS             1000000ull

struct bench {
    struct giro_env env;
    struct giro_actions actions;
    struct giro_key_ring *ring;
    struct giro_secret_key *keys[BENCH_REPLICAS];
    struct giro_key_handle handles[BENCH_REPLICAS];
    void *memory;
    struct giro_batches *batches;
    struct giro_certify *certify;
};
struct bench_bytes {
    uint8_t bytes[8192];
    uint32_t size_bytes;
    struct giro_hash id;
};

struct bench *bench_new(uint32_t self);
/* Makes the batches (or certify) part anew, recovering. */
void bench_batches(struct bench *bench);
void bench_certify(struct bench *bench);
void bench_start(struct bench *bench); /* ends recovery: started, may sign */
void bench_free(struct bench *bench);
void bench_step(struct bench *bench, uint64_t after_ns); /* clears the actions, moves the clocks */
void bench_durable(struct bench *bench);                 /* everything written so far is durable */

uint32_t bench_count(const struct bench *bench, enum giro_action_kind kind);
uint32_t bench_sent(const struct bench *bench, enum giro_kind kind);
const struct giro_action *bench_action(const struct bench *bench, enum giro_action_kind kind);
const struct giro_action *bench_send(const struct bench *bench, enum giro_kind kind);

void bench_batch(struct bench *bench, struct bench_bytes *out, uint16_t author, uint64_t sequence);
struct giro_batch_reference bench_reference(const struct bench_bytes *batch, uint64_t expiry_ns);
void bench_ack(struct bench *bench, struct bench_bytes *out, uint16_t voter,
               const struct giro_hash *ids, uint32_t count, uint64_t expiry_ns);
/* A proof of `batch` signed by the q replicas from `first` on. */
void bench_proof(struct bench *bench, struct bench_bytes *out, const struct bench_bytes *batch,
                 uint32_t first, uint64_t expiry_ns);
/* Hands in one frame as LOCAL_BATCH. */
bool bench_local(struct bench *bench, uint64_t frame_sequence);

void bench_commit_vote(struct bench *bench, struct giro_commit_vote *vote, uint16_t voter,
                       uint64_t height, uint8_t root);
void bench_executed(struct bench *bench, uint64_t height, uint8_t root);

#endif
