/* apps/giro/stream.h - streaming a spool with a progress line and a table at the end; shared by load and send. */
#ifndef GIRO_APPS_STREAM_H
#define GIRO_APPS_STREAM_H

#include "apps/giro/giro.h"
#include "member/sender.h"

struct giro_stream_options {
    const char *command; /* "load", for messages */
    const struct giro_genesis *genesis;
    const struct giro_key_ring *ring; /* not NULL: outcomes are proved */
    const struct giro_config_address *replicas;
    uint32_t replica_count;
    const char *keys; /* directory with the session keys of the spool's members */
    const char *spool_path;
    uint32_t outstanding;
    uint64_t frames_per_second;
    uint64_t seconds;      /* stop starting frames after this; 0 = the whole spool */
    uint64_t give_up_s;    /* 0 = never */
    const char *json_path; /* one JSON object with the figures; NULL = none */
    bool quiet;
    bool live; /* a progress line on standard error */
    /* unsent: a channel's frames from this one on were never sent. May be NULL. */
    void (*unsent)(void *context, const struct giro_frame_header *header);
    void *unsent_context;
};
/* giro_stream_run returns an exit code: 0 iff every frame sent was certified with an effect (executed now or before). */
int giro_stream_run(const struct giro_stream_options *options);

#endif
