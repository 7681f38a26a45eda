/* apps/giro/watch.h - a folder whose files are sent, each once.
 *
 *   DIR/name                 a file renamed into the folder waits here
 *   DIR/.giro/taken/name     is being sent
 *   DIR/.giro/<hash>.spool   its signed frames, from before the first is sent until the result is known
 *   DIR/.giro/<hash>.json    its result, kept: a file of the same content is never sent again
 *   DIR/done/, DIR/failed/   the file afterwards, and name.result.json beside it
 * <hash> is the SHA-256 of the file. Every step is a rename or a file written whole, in an order in which a death between any two
 * leaves enough to go on; a spool's sequences are claimed in the step that reserves them (giro_sequence_claim), so that a death
 * before the spool is whole leaves no gap in a channel. One process per folder. */
#ifndef GIRO_APPS_WATCH_H
#define GIRO_APPS_WATCH_H

#include "apps/giro/giro.h"

/* One file to be sent. */
struct giro_watch_file {
    const char *payments; /* NULL: send the spool that is there */
    const char *spool;    /* made before anything is sent, and left there */
    const char *json;     /* for the figures */
    uint64_t claim;       /* for giro_sequence_claim */
};
struct giro_watch_options {
    const char *dir;
    const struct giro_genesis *genesis;
    const char *keys_dir;
    uint16_t channel; /* of the claims */
    bool once;        /* send what is there, then end */
    void *context;
    /* send returns an exit code; giro_last_failure tells what was wrong. */
    int (*send)(void *context, const struct giro_watch_file *file);
};
/* giro_watch runs until a signal comes. Returns an exit code: 0 after a signal, or with `once` if every file was done; 1 when
 * something else than a file is wrong (what is under way is taken up by the next start), or with `once` a file failed. */
int giro_watch(const struct giro_watch_options *options);

#endif
