/* perf/group.h - a group of replicas that order and store nothing but frames: one process each, the node of giro/node.h
 * as girod runs it (core, safety module, block log), joined by UNIX sockets; and a client over loopback UDP.
 *
 * Model: what is measured is ordering alone. Frames are decoded strictly, but no member signature is checked, nothing is
 * settled, links carry no TLS. Replicas sign and verify with Ed25519 as always. A frame is answered with one small datagram
 * when the height that executed it is *certified*: a stronger promise than the commit others answer.
 * Commands are 32 bytes: two in each record of a frame.
 *
 * Life: giro_group_start forks the replicas and waits until each has started; load; giro_group_stop ends them, by process id.
 * A replica ends by itself when its parent does. */
#ifndef GIRO_PERF_GROUP_H
#define GIRO_PERF_GROUP_H

#include <sys/types.h>

#include "giro/node.h"
#include "giro/sys.h"

#define GROUP_REPLICAS_MAX    31u
#define GROUP_COMMAND_BYTES   32u
#define GROUP_COMMANDS_MAX    (2u * 22u)
#define GROUP_FRAME_BYTES_MAX GIRO_FRAME_MTU_BYTES

struct group_options {
    uint32_t replica_count;
    const char *folder;      /* safety files and logs on the real disk, synced; NULL: in memory */
    uint32_t references_max; /* batches a block may carry, 0 = the usual */
    uint32_t frames_per_batch_max; /* 0 = as many as fit */
    uint64_t round_floor_ns;
};
/* What replicas report, in memory that all share. Counters only grow. */
struct group_view {
    _Atomic uint64_t started; /* 1 once the node runs */
    _Atomic uint64_t round, committed_height, certified_height, references, frames;
};
struct group {
    struct group_options options;
    pid_t pids[GROUP_REPLICAS_MAX]; /* 0 = ended */
    uint16_t ports[GROUP_REPLICAS_MAX];
    struct group_view *views; /* replica_count */
    struct giro_hash chain_id;
};

void giro_group_start(struct group *group, const struct group_options *options);
/* giro_group_kill ends one replica at once (SIGKILL) and reaps it. */
void giro_group_kill(struct group *group, uint32_t replica);
void giro_group_stop(struct group *group);
/* giro_group_cpu_ns is the CPU time of one replica so far. */
uint64_t giro_group_cpu_ns(const struct group *group, uint32_t replica);

/* The life of a replica's process, never returns. links[i] is the socket to replica i; udp is bound. */
struct group_replica_options {
    const struct group *group;
    uint32_t self;
    const int *links;
    int udp;
    struct giro_secret_key *vote_key, *batch_key;
    struct giro_key_ring *ring;
    const struct giro_key_handle *vote_handles, *batch_handles;
};
_Noreturn void giro_group_replica(const struct group_replica_options *options);

/* A disk in memory whose writes complete at once: nothing is stored. It has no descriptor to wait for: poll again while
 * completions wait. */
void giro_memory_disk_open(struct giro_disk *disk);
bool giro_memory_disk_waits(const struct giro_disk *disk);

/* ---- The client ---- */

struct group_load {
    uint32_t commands;                     /* in a frame, 1..GROUP_COMMANDS_MAX */
    uint32_t outstanding;                  /* frames unanswered per replica */
    uint64_t warm_ns, measure_ns;          /* at least; each goes on until an answer came */
    uint32_t replica_mask;                 /* whom to send to; 0 = all */
    void (*tick)(void *, uint64_t now_ns); /* called now and then, or NULL */
    void *context;
};
struct group_result {
    uint64_t frames, commands; /* answered while measuring */
    uint64_t elapsed_ns;
    uint64_t resent;
    uint64_t gap_ns; /* longest time without any answer */
    uint64_t blocks, references;
    double p50_ns, p99_ns;
    double cpu_ns_per_command; /* mean of a replica's */
    double cpu_ns_per_block;   /* of all replicas together */
};
/* giro_group_load sends frames, keeps `outstanding` unanswered at each replica, resends what is not answered in a second. */
void giro_group_load(struct group *group, const struct group_load *load,
                     struct group_result *result);

#endif
