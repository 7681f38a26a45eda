/* apps/girod/frame_index.h - where each frame was executed: a file per member and channel, a place per sequence. Layout:
 * giro/wire/store.h, "Ledger file". Internal to girod; ledger_file.c keeps it. A hint: who reads it compares with the leaf.
 *
 * Sequences of a channel are dense, since its window admits only the next thousand, so a file is an array. Written into the page
 * cache, one call for a run of sequences; after a power loss replay writes again what was not synced. Threads: one. */
#ifndef GIRO_APPS_FRAME_INDEX_H
#define GIRO_APPS_FRAME_INDEX_H

#include "giro/genesis.h"
#include "giro/sys.h"

struct giro_frame_index;
/* giro_frame_index_open opens or makes <dir>/frames. CHAIN is found later: a file of another hub is not used. */
enum giro_err giro_frame_index_open(const char *dir, const struct giro_genesis *genesis,
                                    uint32_t self, struct giro_frame_index **index,
                                    struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
void giro_frame_index_close(struct giro_frame_index *index); /* NULL: nothing */
/* giro_frame_index_fresh: the folder was not there: everything is to be put again. giro_frame_index_whole: that is done; waits for the
 * disk, once. Until then it is "frames.new", and a start that died is begun again. */
bool giro_frame_index_fresh(const struct giro_frame_index *index);
enum giro_err giro_frame_index_whole(struct giro_frame_index *index) GIRO_MUST_USE;
/* giro_frame_index_put gathers neighbours of one channel; giro_frame_index_flush writes what has gathered. */
enum giro_err giro_frame_index_put(struct giro_frame_index *index, uint16_t member,
                                   uint16_t channel, uint64_t sequence, uint64_t height,
                                   uint32_t leaf_index) GIRO_MUST_USE;
enum giro_err giro_frame_index_flush(struct giro_frame_index *index) GIRO_MUST_USE;
bool giro_frame_index_find(struct giro_frame_index *index, uint16_t member, uint16_t channel,
                           uint64_t sequence, uint64_t *height, uint32_t *leaf_index);

#endif
