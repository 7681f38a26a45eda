/* consensus/node_serve.h - answers to peers from the log on disk (SERVE actions), a few records per poll.
 * Internal to consensus/; used by node.c. */
#ifndef GIRO_CONSENSUS_NODE_SERVE_H
#define GIRO_CONSENSUS_NODE_SERVE_H

#include "giro/consensus.h"
#include "node_index.h"

#define GIRO_SERVE_JOBS    64u
#define GIRO_SERVE_RECORDS 64u             /* of one answer; FETCH_BLOCKS asks for no more */
#define GIRO_SERVE_BYTES   (1024u * 1024u) /* read per poll before the rest waits for the next one */

struct giro_serve_job {
    uint16_t peer;
    uint16_t body_kind;  /* of the answer */
    struct giro_hash id; /* what was asked for, for NOT_FOUND */
    uint64_t height;
    struct giro_log_position positions[GIRO_SERVE_RECORDS];
    uint32_t count, next;
};
struct giro_serve {
    struct giro_serve_job jobs[GIRO_SERVE_JOBS]; /* a ring */
    uint32_t first, count;
};
/* giro_serve_add looks up what is asked for and queues it. False: the queue is full, the peer asks again. */
bool giro_serve_add(struct giro_serve *serve, const struct giro_index *index,
                    const struct giro_action *action);
/* giro_serve_head returns the job to go on with, NULL when there is none; giro_serve_pop forgets it. */
struct giro_serve_job *giro_serve_head(struct giro_serve *serve);
void giro_serve_pop(struct giro_serve *serve);

#endif
