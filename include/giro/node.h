/* giro/node.h - one replica without sockets: consensus core, safety module and block log joined over a disk, with the
 * executor and the network behind callbacks. girod and the simulator run this same object code.
 *
 * Model: the owner calls giro_node_message, giro_node_submit, giro_node_poll with the time; the node calls back send,
 * execute, certified, available, verify, evidence, halt. It performs the caller's duties D1-D9 of giro/consensus.h.
 * Bounded: one message at a time, GIRO_ACTIONS_MAX actions, a queue of events from callbacks. When the log's buffer has no
 * room for what one step may write, messages are dropped and submit says FULL until writes complete; so the buffer wants
 * several times giro_node_step_bytes (8 MiB is good for 4 replicas, 32 MiB for 100).
 * Callbacks send, verify and execute are needed; the others may be NULL. None of them may call the node.
 * Threads: one. Pure but for the disk handed in.
 */
#ifndef GIRO_NODE_H
#define GIRO_NODE_H

#include "giro/event_log.h"
#include "giro/safety.h"

#ifdef __cplusplus
extern "C" {
#endif

struct giro_execution {
    struct giro_hash state_root, ledger_root;
    uint32_t repeated_frames[GIRO_BLOCK_REFERENCES_MAX]; /* of each batch: executed before */
    uint64_t next_due_ns;
    bool
        checkpoint; /* the state says: an image of this height is due. The same at every replica. */
};
enum giro_image_work {
    GIRO_IMAGE_WORK_IDLE,
    GIRO_IMAGE_WORK_ENCODE, /* nothing is executed meanwhile */
    GIRO_IMAGE_WORK_HASH,   /* a few chunks per poll, and handing them to the disk */
};
struct giro_node_callbacks {
    void *context;
    /* send: parts are envelope then body; copy now. peer may be GIRO_PEER_ALL. */
    void (*send)(void *context, uint16_t peer, const struct giro_part *parts, uint32_t part_count);
    /* verify: check every frame's member signature and key in verify->verify.bytes; true = all valid. Synchronous. */
    bool (*verify)(void *context, const struct giro_action *verify);
    /* execute: run a committed block, return its roots. Synchronous, in height order; after a start from the height behind the
     * image, or from height 1 without one. */
    struct giro_execution (*execute)(void *context, const struct giro_action *execute);
    void (*certified)(void *context, const struct giro_certificate *certificate, bool recovering);
    void (*available)(void *context, const struct giro_action *available);
    void (*evidence)(void *context, const struct giro_action *evidence);
    void (*halted)(void *context, const char *reason, uint64_t height);
    /* Images; all three, or none: then no checkpoint is made and the log is kept from its beginning.
     * image: giro_image_begin, the references, the executor's sections, in the order of their kinds; of the height executed
     * last. restore: load them into an executor that executed nothing yet; the certificate is of the image's height, and
     * execution gets roots and next_due_ns. image_keep: true when nothing up to this height is in the memory of the executor
     * and in the log alone (files written behind it are synced): then the log may go. */
    void (*image)(void *context, struct giro_image *image);
    enum giro_reject (*restore)(void *context, struct giro_image_reader *image,
                                const struct giro_certificate *certificate,
                                struct giro_execution *execution);
    bool (*image_keep)(void *context, uint64_t height);
    /* image_work: what the node does about an image from here on; back to IDLE at the end. May be NULL. */
    void (*image_work)(void *context, enum giro_image_work work);
};
struct giro_node_options {
    struct giro_consensus_options consensus;
    struct giro_log_options log;
    struct giro_secret_key *vote_key;
    struct giro_disk *disk;
    struct giro_node_callbacks callbacks;
    struct giro_recorder recorder; /* sees every step; event NULL: none */
    uint32_t index_max; /* blocks and batches that can be found on disk again; 2^20 is good */
};
struct giro_node;
#define GIRO_NODE_SCRATCH_BYTES (4u * 1024u * 1024u) /* of the core's actions */
/* giro_node_step_bytes returns the most that one step can write to the log; log.buffer_bytes must be 16 KiB more at least. */
uint64_t giro_node_step_bytes(const struct giro_node_options *options);
/* giro_node_footprint: 0 means bad options. log.disk, chain_id and replica are taken from disk and consensus. */
size_t giro_node_footprint(const struct giro_node_options *options);
struct giro_node *giro_node_init(void *mem, size_t size_bytes,
                                 const struct giro_node_options *options);
/* giro_node_start opens safety file and log, loads the newest whole image, replays the log behind it, and starts. wait as in giro_safety_open. DAMAGED, CHAIN, STATE as in
 * giro_safety_open and giro_log_open; DIVERGED: re-execution gave other roots than were logged. */
enum giro_err giro_node_start(struct giro_node *node, uint64_t now_ns, uint64_t wall_ns,
                              void (*wait)(void *context), void *wait_context) GIRO_MUST_USE;
/* giro_node_message hands in one peer message (envelope and body); sender as authenticated by the link. */
void giro_node_message(struct giro_node *node, uint64_t now_ns, uint64_t wall_ns, uint16_t sender,
                       const void *bytes, uint32_t size_bytes);
/* giro_node_submit hands in verified frames packed as in a batch body. FULL: back-pressure, try later. */
enum giro_err giro_node_submit(struct giro_node *node, uint64_t now_ns, uint64_t wall_ns,
                               const void *frames, uint32_t frames_bytes, uint32_t frame_count,
                               uint32_t record_count) GIRO_MUST_USE;
/* giro_node_poll takes disk completions, flushes the log, ticks; call when the disk's event descriptor is readable, when
 * giro_node_next_ns is reached, and after messages. An error is final: stop the process. DIVERGED follows a HALT. */
enum giro_err giro_node_poll(struct giro_node *node, uint64_t now_ns,
                             uint64_t wall_ns) GIRO_MUST_USE;
uint64_t giro_node_next_ns(const struct giro_node *node);
uint32_t
giro_node_room(const struct giro_node *node); /* as giro_consensus_batch_room, and log room */
uint32_t giro_node_own_in_flight(const struct giro_node *node);
void giro_node_status(const struct giro_node *node, struct giro_consensus_status *status);
void giro_node_peer_rejects(const struct giro_node *node, uint32_t peer,
                            uint64_t rejects[GIRO_REJECT_COUNT_OF_REASONS]);
/* What an operator should hear of. */
struct giro_node_alarms {
    uint32_t
        safety_repaired; /* copies of safety records found bad at the start and written again */
    const struct giro_log_damage *log_cut; /* as giro_log_cut; NULL = nothing was cut */
    uint64_t
        disk_silent_ns; /* a write is under way and the disk has completed none for so long; 0 = none is */
};
void giro_node_alarms(const struct giro_node *node, struct giro_node_alarms *alarms);
/* giro_node_halt, giro_node_peer_halted: as those of giro_consensus. */
const struct giro_halt *giro_node_halt(const struct giro_node *node);
/* giro_node_halt_message writes the peer message that tells of the halt, for a replica that stopped before it had links. */
#define GIRO_HALT_MESSAGE_BYTES (sizeof(struct giro_peer_envelope) + sizeof(struct giro_halted))
void giro_node_halt_message(const struct giro_node *node, uint8_t out[GIRO_HALT_MESSAGE_BYTES]);
uint64_t giro_node_peer_halted(const struct giro_node *node, uint32_t peer);
/* giro_node_evidence: as giro_consensus_evidence. */
uint32_t giro_node_evidence(const struct giro_node *node, uint32_t offender,
                            struct giro_part records[GIRO_EVIDENCE_PER_REPLICA]);
uint64_t giro_node_log_bytes(const struct giro_node *node);
struct giro_node_images_status {
    uint64_t taken;       /* since the start */
    uint64_t base_height; /* of the image this start was made from; 0 = none */
    uint64_t kept_height; /* of the newest whole image */
    uint64_t bytes_written, chunks_written, chunks_kept; /* kept: were on disk already */
    uint64_t fetching_height; /* of the image being fetched from peers; 0 = none */
    uint64_t chunks_fetched, chunks_served;
};
void giro_node_images_status(const struct giro_node *node, struct giro_node_images_status *status);
void giro_node_check(const struct giro_node *node);

#ifdef __cplusplus
}
#endif
#endif
