/* member/member_internal.h - what member_open.c and member.c share. */
#ifndef GIRO_MEMBER_MEMBER_INTERNAL_H
#define GIRO_MEMBER_MEMBER_INTERNAL_H

#include "giro/member.h"
#include "member/details.h"
#include "member/outbox.h"
#include "member/socket.h"

#define TAG_QUESTION UINT64_MAX
#define TAG_CHANNEL  (UINT64_MAX - 1)
#define QUESTIONS    64u
#define DETAILS_KEYS 192u /* of payments submitted since the last round */

struct member_channel {
    bool open;
    uint64_t lowest; /* no sequence below it is in the outbox */
    struct giro_outbox_stand stand;
};
/* The plaintexts of a frame's details, one after the other; secret. */
struct member_plaintexts {
    uint32_t count; /* of those that are not empty */
    struct giro_frame_details list[GIRO_MEMBER_PAYMENTS_MAX];
    uint8_t bytes[GIRO_FRAME_ORDINARY_BYTES + GIRO_DETAILS_PLAIN_MAX];
};
struct giro_member {
    struct giro_member_options options;
    struct giro_clock clock;
    struct giro_genesis genesis;
    uint16_t index, frame_key_id, channel_count;
    uint32_t frames_max;
    char keys_dir[512];
    struct giro_secret_key *frame_key;
    struct giro_key_ring *ring; /* NULL: nothing is proved */
    void *ring_mem, *outbox_mem;
    struct giro_disk disk;
    bool disk_open;
    struct giro_outbox *outbox;
    struct giro_courier *courier;
    struct giro_socket *socket;
    int epoll, timer, disk_event;
    bool socket_blocked; /* waits for room in the kernel */
    bool closing;
    enum giro_err failed;   /* final */
    uint32_t found_left;    /* frames of earlier runs not handed to the courier yet */
    uint64_t done_since_ns; /* an outcome waits to be written; 0 none */
    enum giro_member_state told_state;
    uint32_t next_channel; /* from channel_first: which has its turn */
    struct member_channel channels[GIRO_CHANNELS_MAX];
    struct giro_member_result results[GIRO_FRAME_RECORDS_MAX];
    struct giro_record records[GIRO_MEMBER_PAYMENTS_MAX];
    struct giro_details_key *details_keys; /* DETAILS_KEYS; not on disk yet, nor their frames */
    uint32_t details_key_count;
    uint64_t frames_submitted, frames_found, frames_kept, frames_refused, payments_certified;
};

/* member.c */
void giro_member_told(void *context, const struct giro_courier_told *told);
struct giro_outbox_writer giro_member_writer(struct giro_member *member);
/* giro_member_channels_open takes up channels that wait for room. */
enum giro_err giro_member_channels_open(struct giro_member *member,
                                        struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
/* giro_member_disk takes completions and writes what waits. */
enum giro_err giro_member_disk(struct giro_member *member, bool with_done) GIRO_MUST_USE;
void giro_member_wake(struct giro_member *member);

/* member_details.c */
/* giro_member_details_encode: false: a text is none or too long, or all do not fit one frame. */
bool giro_member_details_encode(const struct giro_member_payment *payments, uint32_t count,
                                struct member_plaintexts *plaintexts);
/* giro_member_details_keep writes the keys of what was submitted; before anything is written of its frames. */
enum giro_err giro_member_details_keep(struct giro_member *member) GIRO_MUST_USE;

#endif
