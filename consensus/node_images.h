/* consensus/node_images.h - checkpoints and state sync of a node. Internal to consensus/; used by node.c. */
#ifndef GIRO_CONSENSUS_NODE_IMAGES_H
#define GIRO_CONSENSUS_NODE_IMAGES_H

#include "consensus/node_internal.h"

/* 0: this node makes no images. */
size_t giro_node_images_footprint(const struct giro_node_options *options);
bool giro_node_images_init(struct giro_node *node, void *mem, size_t size_bytes);
/* giro_node_images_restore loads the newest image that is whole and good, executor and core; *needed is the log record that the
 * log must not begin behind. NONE at all: genesis. */
enum giro_err giro_node_images_restore(struct giro_node *node, uint64_t *needed) GIRO_MUST_USE;
void giro_node_images_take(struct giro_node *node, uint64_t height);                /* CHECKPOINT */
void giro_node_images_keep(struct giro_node *node, const struct giro_action *keep); /* KEEP */
/* giro_node_images_poll goes on with whatever is under way. RESTART: a fetched image is whole. */
enum giro_err giro_node_images_poll(struct giro_node *node) GIRO_MUST_USE;
/* giro_node_images_message: true iff it was a message of state sync, and is dealt with. */
bool giro_node_images_message(struct giro_node *node, uint16_t sender, const uint8_t *bytes,
                              uint32_t size_bytes);
uint64_t giro_node_images_next_ns(const struct giro_node *node);

#endif
