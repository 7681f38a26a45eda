/* perf/packet_path.h - one hub's packet path and one sender, each a process on a core of its own, for bench_dataplane.
 *
 * Model: the hub is a child that opens a port, receives bursts, opens every datagram (AEAD), takes its frame into an ingress and
 * acknowledges, as girod's thread does, stage by stage with the time-stamp counter between them; hashing and verification are
 * added where the mode says so. The sender is a child with kernel sockets that sends datagrams sealed beforehand, no more ahead
 * of the acknowledgements than a member's window, or at a given rate. Both look at a struct path_shared in shared memory.
 * The pool of datagrams is sent round and round: at each turn the hub resets its windows and lets its clock jump a second, so
 * that frames are not taken for repeats.
 * Threads: one a process. */
#ifndef GIRO_PERF_PACKET_PATH_H
#define GIRO_PERF_PACKET_PATH_H

#include <stdatomic.h>

#include "giro/dataplane.h"
#include "giro/session.h"

#define PATH_MEMBERS      8u
#define PATH_DEPTH        1024u /* datagrams on their way; PATH_DEPTH / PATH_MEMBERS of each session */
#define PATH_SAMPLES_MAX  (1u << 20)
#define PATH_POOL_MAX     32768u
#define PATH_UDP_PORT     7400u
#define PATH_MTU          9216u
#define PATH_HUB_VETH     "10.77.0.1" /* the port's own address, on giro0 */
#define PATH_HUB_LOOPBACK "127.0.0.1"

enum path_stage {
    PATH_RECEIVE,
    PATH_OPEN,
    PATH_TAKE,
    PATH_HASH,
    PATH_VERIFY,
    PATH_ACK,
    PATH_STAGES
};
/* What the hub does with a frame that it took. */
enum path_depth { PATH_PACKET, PATH_HASHED, PATH_VERIFIED };
enum path_garbage {
    PATH_NO_GARBAGE,
    PATH_RANDOM,  /* random bytes */
    PATH_UNKNOWN, /* a session datagram of no session */
    PATH_FORGED,  /* a session's own identifier and a fresh number: only its tag is wrong */
};

/* Who sends what: made once per frame size, before anything is measured. */
struct path_pool {
    struct giro_genesis genesis;
    struct giro_key_ring *ring;
    uint32_t records, count;           /* of datagrams, a multiple of PATH_MEMBERS */
    uint32_t size_bytes, stride_bytes; /* of a sealed datagram, and from one to the next */
    uint32_t frame_bytes;
    uint8_t *datagrams; /* datagram i is session i % PATH_MEMBERS's number i / PATH_MEMBERS */
    struct giro_session hub[PATH_MEMBERS], member[PATH_MEMBERS];
};
struct path_options {
    const struct path_pool *pool;
    bool af_packet, gso, echo; /* echo: no Giro at all, two kernel sockets */
    enum path_depth depth;
    double rate; /* datagrams/s; 0: as fast as they are acknowledged */
    enum path_garbage garbage;
    double garbage_each; /* datagrams of garbage per good one */
    bool strict;         /* garbage comes from an address that is not on the allow-list */
    uint64_t duration_ns;
};
struct path_result {
    uint64_t datagrams, frames,
        lost;         /* opened or echoed; verified, hashed or dropped; sent but not received */
    uint64_t garbage; /* received or refused by address */
    uint64_t hub_ns, hub_cpu_ns, sender_cpu_ns; /* of the time measured */
    uint64_t cycles[PATH_STAGES], tsc_hz;
    uint64_t garbage_cycles; /* spent on datagrams that did not open, receiving apart */
    uint32_t sample_count;   /* of latency: send to verified */
    double *samples_us;      /* caller frees */
};

struct path_pool *path_pool_make(uint32_t records, uint32_t count);
/* path_run runs both processes to their end. False: the port cannot be opened here. */
bool path_run(const struct path_options *options, struct path_result *result);

/* ---- Between the two processes ------------------------------------------------------------------------------------- */

struct path_shared {
    atomic_int ready, failed, started, stop;
    atomic_uint_fast64_t sent, sent_garbage;
    struct path_result result;
    uint64_t sent_ns[PATH_POOL_MAX];
    float samples_us[PATH_SAMPLES_MAX];
};
/* Each returns when shared->stop is set; run in a child. */
void path_hub(const struct path_options *options, struct path_shared *shared);
void path_echo(struct path_shared *shared, uint32_t size_bytes);
void path_send(const struct path_options *options, struct path_shared *shared);

#endif
