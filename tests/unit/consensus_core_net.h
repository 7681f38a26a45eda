/* A few consensus cores joined by a queue in memory: log, safety, execution and verification are instant, keys are real.
 * Time moves only when the queue is empty, to the next moment a core asked for. */
#ifndef TESTS_CONSENSUS_CORE_NET_H
#define TESTS_CONSENSUS_CORE_NET_H

#include "giro/consensus.h"

#define NET_MAX         20u
#define NET_RECORDS_MAX 20000u
#define NET_QUEUE_MAX   65536u
#define NET_WALL_NS     (1800000000ull * GIRO_NS_PER_S)
#define NET_FLOOR_NS    20000000ull
#define NET_BOUND_NS    250000000ull
#define MS              1000000ull

struct net_record {
    uint16_t kind;
    struct giro_hash key;
    uint64_t height;
    uint8_t *bytes;
    uint32_t size_bytes;
};
struct net_message {
    uint16_t from, to;
    uint8_t *bytes;
    uint32_t size_bytes;
};
struct net_node {
    struct giro_consensus_options options;
    struct giro_consensus *core;
    void *memory;
    size_t memory_bytes;
    struct giro_actions *actions;
    struct giro_secret_key *vote_key, *batch_key;
    bool up;
    bool mute_log;                   /* lose what is logged from now on */
    struct giro_safety_state safety; /* durable */
    struct net_record *records;
    uint32_t record_count;
    uint64_t watermark;
    struct giro_hash state_root;
    struct giro_hash executed[1024]; /* block ids by height */
    uint64_t executed_count, executed_batches, certified_height;
    uint32_t evidence, halts, available, signs, keeps;
    struct giro_checkpoint kept; /* the last one of which the image was to be kept */
    uint8_t other_image;         /* what its image differs by from the others' */
    uint64_t sent[0x220];        /* per body kind */
};
struct net {
    uint32_t count;
    struct giro_key_ring *ring;
    struct giro_key_handle vote_keys[NET_MAX], batch_keys[NET_MAX];
    struct giro_hash chain_id, genesis_id;
    struct net_node nodes[NET_MAX];
    struct net_message *queue;
    uint32_t head, tail;
    uint64_t now_ns, delivered;
    int64_t skew_ns[NET_MAX];
    uint64_t next_due_ns;      /* what execution answers */
    uint64_t checkpoint_every; /* heights; 0 = none */
    /* Return false to lose a message; may change it. */
    bool (*filter)(struct net *net, struct net_message *message);
    void *context;
};

struct net *net_new(uint32_t count);
void net_free(struct net *net);
/* Starts (or restarts, from its records) one node, or all. */
void net_start(struct net *net, uint32_t node);
void net_start_all(struct net *net);
void net_kill(struct net *net, uint32_t node);
/* Delivers and ticks until nothing is queued and no core asks for time before until_ns; now ends at most there. */
void net_run(struct net *net, uint64_t for_ns);
/* Delivers everything queued without moving time. */
void net_deliver(struct net *net);
/* Delivers the first message of the queue; false if there is none. */
bool net_deliver_one(struct net *net);
void net_drop_all(struct net *net);
/* Has every running core nothing to wake up for? */
bool net_quiet(const struct net *net);
/* Hands one event to a running node and performs what it answers. */
void net_event(struct net *net, uint32_t node, const struct giro_event *event);
void net_pay(struct net *net, uint32_t node, uint64_t sequence);
void net_message(struct net *net, uint16_t from, uint16_t to, const void *bytes,
                 uint32_t size_bytes);
/* Envelope and body as `from` would send them. */
uint32_t net_wrap(struct net *net, uint16_t from, enum giro_kind kind, const void *body,
                  size_t size_bytes, uint8_t *out);
struct giro_consensus_status net_status(const struct net *net, uint32_t node);
uint64_t net_sent(const struct net *net); /* messages sent by all */
/* I1: executed ids are prefix-equal; and every core's own check. */
void net_check(const struct net *net);

#endif
