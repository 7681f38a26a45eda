/* apps/girod/stages.h - where a replica's thread spends its time, and where a payment's time goes.
 *
 * Model: at any moment the thread is in one stage; entering another charges the time since the last change to the stage left.
 * So a stage's figure excludes the stages entered within it, all figures sum to the time run, and a change costs one clock
 * read. Stages change per turn, message, batch and block, never per packet. Wall time: on a machine with more threads than
 * cores every stage waits in proportion to its work, so shares hold, and CPU per stage is share x CPU of the process.
 * TLS of the messages that end a sleep counts as sleep.
 * Threads: the event loop's. */
#ifndef GIRO_APPS_STAGES_H
#define GIRO_APPS_STAGES_H

#include <stdint.h>

/* X(name, what) */
#define GIRO_STAGES(X)                                                                             \
    X(receive, "datagrams in, parsed, known repeats dropped")                                      \
    X(verify, "signatures of own members' frames")                                                 \
    X(replica, "batching, consensus, log")                                                         \
    X(verify_peers, "signatures of frames in other replicas' batches")                             \
    X(execute, "settlement, windows, roots")                                                       \
    X(image_encode, "images of checkpoints: copying what changed, while nothing is executed")      \
    X(image_hash, "images of checkpoints: hashing what changed, submitting writes")                \
    X(files, "journals, ledger file")                                                              \
    X(receipts, "receipts out")                                                                    \
    X(links, "TLS, sockets of replicas and HTTPS, event loop")                                     \
    X(sleep, "waiting")

enum giro_stage {
#define GIRO_STAGE_ENUM(name, what) GIRO_STAGE_##name,
    GIRO_STAGES(GIRO_STAGE_ENUM)
#undef GIRO_STAGE_ENUM
        GIRO_STAGE_COUNT
};

struct giro_stages {
    uint64_t spent_ns[GIRO_STAGE_COUNT];
    uint64_t longest_ns[GIRO_STAGE_COUNT]; /* without another stage in between */
    uint64_t since_ns;                     /* of the stage now; 0 = not running yet */
    enum giro_stage now;
};

/* giro_stages_enter returns the stage left, to come back to. Before since_ns is set nothing is counted. */
static inline enum giro_stage giro_stages_enter(struct giro_stages *stages, uint64_t now_ns,
                                                enum giro_stage stage)
{
    enum giro_stage left = stages->now;
    if (stages->since_ns != 0) {
        const uint64_t spent_ns = now_ns - stages->since_ns;
        stages->spent_ns[left] += spent_ns;
        if (spent_ns > stages->longest_ns[left])
            stages->longest_ns[left] = spent_ns;
        stages->since_ns = now_ns;
    }
    stages->now = stage;
    return left;
}

/* Legs of a frame's way through the replica its member sent it to; sums over the frames certified so far. */
#define GIRO_LEGS(X)                                                                               \
    X(batch, "arrival (verified) to the cut of its batch")                                         \
    X(durable, "cut to the batch's proof of availability")                                         \
    X(propose, "proof to the block's time: waiting for a leader's next block")                     \
    X(commit, "block's time to its commit and execution here")                                     \
    X(certify, "execution to the certificate")

struct giro_legs {
    uint64_t frames;
#define GIRO_LEG_FIELD(name, what) uint64_t name##_ns;
    GIRO_LEGS(GIRO_LEG_FIELD)
#undef GIRO_LEG_FIELD
};

#endif
