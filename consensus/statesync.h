/* consensus/statesync.h - images to and from peers. Internal to consensus/; used by node_images.c.
 *
 * Asking: when the core finds that its peers no longer have the blocks (or bodies) that come next, all are asked for the
 * manifest of their newest image. The highest one whose signatures are good is taken; its chunks are asked for from all peers
 * that answer, GIRO_SYNC_PER_PEER at a time from each, and each is held against its hash. A peer that sends something else, says
 * nothing in time, or has not got a chunk that it should have is left alone for a while, the longer the worse, and counted.
 * Blocks that come meanwhile are welcome: the image is of use only if it is higher than what was executed by then.
 * Serving: from the kept images, a chunk per GIRO_SYNC_SERVE_NS whoever asks, GIRO_SYNC_QUEUE waiting per peer.
 * Bounded: one manifest, replica_count x (GIRO_SYNC_PER_PEER requests, GIRO_SYNC_QUEUE answers). */
#ifndef GIRO_CONSENSUS_STATESYNC_H
#define GIRO_CONSENSUS_STATESYNC_H

#include "consensus/images.h"
#include "giro/consensus.h"

#define GIRO_SYNC_PER_PEER   2u
#define GIRO_SYNC_QUEUE      2u
#define GIRO_SYNC_SERVE_NS   20000000ull          /* 50 chunks a second at most */
#define GIRO_SYNC_GATHER_NS  200000000ull         /* answers with manifests are gathered so long */
#define GIRO_SYNC_TIMEOUT_NS (2 * GIRO_NS_PER_S)  /* for a chunk */
#define GIRO_SYNC_LACKS_NS   (1 * GIRO_NS_PER_S)  /* a peer without the chunk is left alone */
#define GIRO_SYNC_LIES_NS    (60 * GIRO_NS_PER_S) /* one that sent a wrong one */

enum giro_statesync_state { GIRO_SYNC_IDLE = 0, GIRO_SYNC_GATHERING, GIRO_SYNC_FETCHING };
struct giro_statesync_request {
    bool active;
    uint32_t index;
    uint64_t deadline_ns;
};
struct giro_statesync_peer {
    struct giro_statesync_request requests[GIRO_SYNC_PER_PEER];
    uint64_t avoid_until_ns;
    bool in_vain; /* asked since the last chunk from anybody, and gave none */
    /* serving */
    struct giro_hash queue[GIRO_SYNC_QUEUE];
    uint32_t queue_count;
    uint64_t manifest_next_ns;
    uint64_t rejects[GIRO_REJECT_COUNT_OF_REASONS];
};
struct giro_statesync {
    struct giro_images *images;
    struct giro_consensus *core; /* checks manifests */
    const struct giro_hash *chain;
    uint32_t replica_count, self;
    void *context;
    void (*send)(void *context, uint16_t peer, uint16_t body_kind, const struct giro_part *parts,
                 uint32_t part_count);
    enum giro_statesync_state state;
    uint64_t above_height; /* an image is of use above this */
    uint64_t
        log_sequence;    /* the next record of the block log: all that an image fetched now needs */
    uint64_t until_ns;   /* end of gathering */
    uint32_t best_bytes; /* 0 = none yet */
    uint64_t best_height;
    uint8_t *best;  /* GIRO_IMAGES_FILE_BYTES */
    uint8_t *chunk; /* GIRO_CHUNK_BYTES, to serve from */
    struct giro_statesync_peer *peers;
    struct giro_manifest *manifest; /* decoding room */
    uint64_t serve_next_ns;
    uint32_t serve_peer; /* whose turn it is */
    uint64_t chunks_fetched, chunks_served, syncs_begun;
};

size_t giro_statesync_footprint(uint32_t replica_count);
/* giro_statesync_init: the caller sets the public fields above `state` afterwards. Zero-filled memory. */
struct giro_statesync *giro_statesync_init(void *mem, size_t size_bytes, uint32_t replica_count);
/* giro_statesync_want: nothing above this height is to be had as blocks. Repeated calls cost nothing. */
void giro_statesync_want(struct giro_statesync *sync, uint64_t now_ns, uint64_t above_height);
/* giro_statesync_message handles the kinds that are its own; false: not one of them. */
bool giro_statesync_message(struct giro_statesync *sync, uint64_t now_ns, uint16_t sender,
                            uint16_t body_kind, const uint8_t *body, size_t size_bytes);
/* giro_statesync_poll asks, asks again, and serves. executed_height: an image at or below it is of no use any more. */
void giro_statesync_poll(struct giro_statesync *sync, uint64_t now_ns, uint64_t executed_height);
uint64_t giro_statesync_next_ns(const struct giro_statesync *sync);

#endif
