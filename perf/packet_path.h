/* perf/packet_path.h - one hub's packet path and one sender, each a process on a core of its own, for bench_dataplane.
 *
 * Model: the hub is a child that opens a port and runs the stages of girod's thread over it: receive a burst, sessions (open every
 * datagram, take its frame into an ingress), hash, verify, acknowledge, as far as the options say. The sender is a child with
 * kernel sockets: 8 members that shake hands with the hub, seal all their datagrams, and then send them, no more ahead of the
 * acknowledgements than a window, or at a given rate. Both look at a struct path_shared in shared memory. A pool of signed frames
 * is sent over and over: after as many frames as it has, the hub's clock jumps, so that none is taken for a repeat.
 * With `bare_records` there are no sessions' table and no handshakes: keys agreed beforehand and the record layer alone, so that
 * opening and taking are two stages that can be timed apart; then even sealed datagrams come again, and windows are reset.
 * Threads: one a process, and the hub's that verify if it has any. */
#ifndef GIRO_PERF_PACKET_PATH_H
#define GIRO_PERF_PACKET_PATH_H

#include <stdatomic.h>

#include "giro/dataplane.h"
#include "giro/sessions.h"

#define PATH_MEMBERS      8u
#define PATH_DEPTH        1024u /* datagrams on their way; PATH_DEPTH / PATH_MEMBERS of each session */
#define PATH_SAMPLES_MAX  (1u << 20)
#define PATH_POOL_MAX     32768u
#define PATH_TURNS        10u /* of the pool, sealed before a run */
#define PATH_JUMP_NS      (GIRO_NS_PER_S * 6 / 10)
#define PATH_REPLICA      2u
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
    PATH_FORGED, /* a session's identifier and a fresh number, from another port: only its tag is wrong */
    PATH_SPOOFED, /* the same from the session's own address and port */
    PATH_INITS,   /* handshakes without a cookie: each is answered by a smaller COOKIE */
};

/* Who sends what: made once per frame size, before anything is measured. */
struct path_pool {
    struct giro_genesis genesis;
    struct giro_key_ring *ring;
    struct giro_session_key_pair transport, keys[PATH_MEMBERS];
    uint8_t transport_public[32];
    uint32_t records,
        count; /* of frames, a multiple of PATH_MEMBERS; frame i is member i % PATH_MEMBERS's */
    uint32_t frame_bytes, size_bytes,
        stride_bytes;   /* of a frame, of its datagram, from one datagram to the next */
    uint8_t *frames;    /* count x frame_bytes */
    uint8_t *datagrams; /* sealed beforehand, for bare records and the echo */
    struct giro_session hub[PATH_MEMBERS], member[PATH_MEMBERS];
};
/* path_seal seals turns x count datagrams: datagram i is session i % PATH_MEMBERS's number i / PATH_MEMBERS. */
void path_seal(const struct path_pool *pool, struct giro_session sessions[PATH_MEMBERS],
               uint32_t turns, uint8_t *datagrams);
struct path_options {
    const struct path_pool *pool;
    bool af_packet, gso, bare_records;
    bool echo; /* no Giro at all, two kernel sockets */
    enum path_depth depth;
    double rate; /* datagrams/s; 0: as fast as they are acknowledged */
    enum path_garbage garbage;
    double garbage_each;     /* datagrams of garbage per good one */
    bool strict;             /* garbage comes from an address that is not on the allow-list */
    uint32_t verify_threads; /* threads that check signatures; 0: the hub's own does */
    uint64_t duration_ns;
};
struct path_result {
    uint64_t datagrams, frames,
        lost;         /* opened or echoed; verified, hashed or dropped; sent but not received */
    uint64_t garbage; /* received or refused by address */
    uint64_t hub_ns, hub_cpu_ns, sender_cpu_ns; /* of the time measured */
    uint64_t cycles[PATH_STAGES], tsc_hz;
    uint64_t garbage_cycles; /* spent on datagrams that were refused, receiving apart */
    uint64_t calls;          /* of the verifier, or as if */
    uint32_t sample_count;   /* of latency: send to verified */
    double *samples_us;      /* caller frees */
};

struct path_pool *path_pool_make(uint32_t records, uint32_t count);
/* path_run runs both processes to their end. False: the port cannot be opened here. */
bool path_run(const struct path_options *options, struct path_result *result);

/* ---- Between the two processes ------------------------------------------------------------------------------------- */

struct path_shared {
    atomic_int ready, failed, sealed, started, stop, exhausted;
    atomic_uint_fast64_t sent, sent_garbage;
    struct path_result result;
    uint64_t sent_ns[PATH_POOL_MAX];
    float samples_us[PATH_SAMPLES_MAX];
};
/* Each returns when shared->stop is set; run in a child. */
void path_hub(const struct path_options *options, struct path_shared *shared);
void path_echo(struct path_shared *shared, uint32_t size_bytes);
void path_send(const struct path_options *options, struct path_shared *shared);
/* path_connect shakes hands for every member over fd. */
void path_connect(const struct path_pool *pool, int fd, struct giro_session sessions[PATH_MEMBERS]);

#endif
