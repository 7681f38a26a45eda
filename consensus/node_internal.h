/* consensus/node_internal.h - the node, for node.c and node_images.c. */
#ifndef GIRO_CONSENSUS_NODE_INTERNAL_H
#define GIRO_CONSENSUS_NODE_INTERNAL_H

#include "consensus/node_serve.h"
#include "giro/event_log.h"
#include "giro/node.h"

struct giro_images;
struct giro_statesync;

struct giro_node {
    uint64_t magic;
    struct giro_node_options options;
    struct giro_consensus *core;
    struct giro_safety *safety;
    struct giro_log *log;
    struct giro_index index;
    struct giro_serve serve;
    struct giro_actions *actions;
    uint8_t *read_block; /* GIRO_LOG_BODY_BYTES_MAX, for answers */
    struct giro_event *queue;
    uint32_t queue_max, queue_first, queue_count;
    uint64_t step_bytes;
    uint64_t now_ns, wall_ns;
    uint64_t reported;      /* watermark the core knows */
    uint64_t high_tc_round; /* as last seen in a message of the core */
    uint64_t disk_moved_ns; /* the last completion, or the last time none was awaited */
    uint64_t flush_ns;      /* when what was appended to the log is to be written at last */
    uint64_t unwritten_bytes;
    uint32_t safety_repaired;
    bool started, halted;
    /* node_images.c; images NULL: this node makes none */
    struct giro_images *images;
    struct giro_statesync *sync;
    struct giro_manifest keep; /* signed by q, to be written when it may */
    bool keep_waits, root_told;
    uint64_t images_taken;
    uint64_t keep_sequence;
    uint64_t base_height, base_sequence; /* what this start was made from */
    uint64_t trim_sequence;              /* the log goes up to here; 0 = nothing to do */
    enum giro_err err;                   /* the first one; final */
};

/* node.c */
struct giro_event giro_node_event(const struct giro_node *node, enum giro_event_kind kind);
void giro_node_step(struct giro_node *node, const struct giro_event *event);
void giro_node_queue(struct giro_node *node, const struct giro_event *event);
/* giro_node_send puts an envelope in front: at most two parts. */
void giro_node_send(struct giro_node *node, uint16_t peer, uint16_t body_kind,
                    const struct giro_part *parts, uint32_t part_count);

#endif
