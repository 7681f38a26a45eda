/* consensus/node_index.h - where blocks, batches and certificates are in the log, to answer peers that fell behind.
 * Internal to consensus/; used by node.c and node_serve.c.
 *
 * Bounded: the newest index_max blocks and batches by id, the newest index_max heights. What was pushed out is answered
 * with NOT_FOUND; the asker tries another peer. */
#ifndef GIRO_CONSENSUS_NODE_INDEX_H
#define GIRO_CONSENSUS_NODE_INDEX_H

#include "giro/store.h"

#define GIRO_INDEX_NONE UINT64_MAX

struct giro_index_entry {
    struct giro_hash id;
    struct giro_log_position position;
    uint64_t height; /* blocks; 0: a batch */
    uint64_t parent; /* blocks: entry number of the parent, or GIRO_INDEX_NONE */
};
struct giro_index_height {
    uint64_t height; /* 0 = empty */
    uint64_t block;  /* entry number of the committed block, or GIRO_INDEX_NONE */
    struct giro_log_position certificate; /* generation 0 = none */
};
struct giro_index {
    struct giro_index_entry *entries;  /* [number % max] */
    struct giro_index_height *heights; /* [height % max] */
    struct giro_map *map;              /* id -> number % max */
    uint64_t count;                    /* entries ever added */
    uint32_t max;
};

size_t giro_index_footprint(uint32_t max);
/* giro_index_init lays the index out in mem (64-byte aligned, footprint bytes). */
void giro_index_init(struct giro_index *index, void *mem, uint32_t max, uint64_t seed);
/* giro_index_record notes one log record; key is the id of a block or batch, found again in the body when it is zero. */
void giro_index_record(struct giro_index *index, uint16_t kind, const struct giro_hash *key,
                       const struct giro_part *body, struct giro_log_position position);
/* giro_index_committed notes which of a height's blocks was committed. */
void giro_index_committed(struct giro_index *index, uint64_t height, const struct giro_hash *id);
/* Numbers of entries, GIRO_INDEX_NONE when there is none (any more). */
uint64_t giro_index_find(const struct giro_index *index, const struct giro_hash *id);
uint64_t giro_index_at_height(const struct giro_index *index, uint64_t height);
const struct giro_index_entry *giro_index_entry(const struct giro_index *index,
                                                uint64_t number); /* NULL: gone */
const struct giro_log_position *giro_index_certificate(const struct giro_index *index,
                                                       uint64_t height);
void giro_index_check(const struct giro_index *index);

#endif
