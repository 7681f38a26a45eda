/* tests/unit/dataplane_support.h - a small hub with real keys, and signed datagrams of it. */
#ifndef TESTS_UNIT_DATAPLANE_SUPPORT_H
#define TESTS_UNIT_DATAPLANE_SUPPORT_H

#include "giro/dataplane.h"

#define HUB_MEMBERS   3u
#define HUB_OPERATORS 2u

struct hub {
    struct giro_genesis genesis; /* members 0..2 with frame key 1; operators with keys 1 and 2 */
    struct giro_key_ring *ring;
    struct giro_secret_key *members[HUB_MEMBERS];
    struct giro_secret_key *operators[HUB_OPERATORS];
    struct giro_secret_key *sessions[HUB_MEMBERS]; /* session keys, key id 1 */
};
void hub_open(struct hub *hub);
void hub_close(struct hub *hub);

/* Each writes a signed datagram to out (GIRO_FRAME_BYTES_MAX bytes) and returns its size. */
struct frame_wish {
    uint16_t member, channel, record_count; /* record_count 0 counts as 1 */
    uint64_t sequence;
    bool detailed; /* with one block of details */
};
size_t frame_make(const struct hub *hub, const struct frame_wish *wish, uint8_t *out);
size_t skip_make(const struct hub *hub, uint16_t member, uint64_t from, uint64_t to, uint8_t *out);
size_t control_make(const struct hub *hub, uint64_t sequence, uint8_t *out);

/* batch_begin, batch_add, batch_end make a batch of datagrams in out. */
struct batch_maker {
    uint8_t *out;
    uint32_t size_bytes, frame_count, record_count;
};
void batch_begin(struct batch_maker *maker, uint8_t *out);
void batch_add(struct batch_maker *maker, const uint8_t *datagram, size_t size_bytes);
size_t batch_end(struct batch_maker *maker);

/* Aborts on a leak, in sanitizer builds. */
void dataplane_leak_check(void);
uint64_t dataplane_seed(void);   /* GIRO_SEED or a fixed one; printed */
uint32_t dataplane_effort(void); /* GIRO_EFFORT, else 1 */
/* A free UDP port of 127.0.0.1. */
uint16_t free_udp_port(void);

#endif
