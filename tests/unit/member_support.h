/* tests/unit/member_support.h - a hub with real keys made from seeds, for the suites of member and apps. */
#ifndef TESTS_UNIT_MEMBER_SUPPORT_H
#define TESTS_UNIT_MEMBER_SUPPORT_H

#include "giro/details.h"
#include "giro/genesis.h"

struct hub {
    struct giro_genesis genesis; /* parsed from its own text: with a chain id; enrolled */
    struct giro_key_ring *ring;
    void *ring_mem;
};

void hub_suite_open(void);
void hub_suite_close(void); /* aborts on a leak in a sanitizer build */
void hub_make(struct hub *hub, uint32_t replicas, uint32_t members);
void hub_free(struct hub *hub);
/* The secret key behind a public key of the hub. Free with giro_key_free. */
struct giro_secret_key *hub_key(const char *owner, const char *role, uint64_t key_id);
/* Writes genesis.json and all key files a replica, members and operators need into a folder. */
void hub_write(const struct hub *hub, const char *dir);
/* `count` ports of 127.0.0.1 that are free for UDP and TCP now. */
void hub_ports(uint16_t *ports, uint32_t count);
/* A signed frame with `records` payments of one minor unit to `creditor`. */
size_t hub_frame(const struct hub *hub, uint16_t member, uint16_t creditor, uint64_t sequence,
                 uint32_t records, uint8_t *out);
struct giro_hash hub_frame_hash(const struct hub *hub, const uint8_t *bytes, size_t size_bytes);
/* hub_details_open opens a block under K; the texts are good until the next call. */
bool hub_details_open(const struct giro_genesis *genesis, const struct giro_frame *frame,
                      const struct giro_details_block *block, const uint8_t *key,
                      struct giro_details *details);
/* Is a field of details this text? */
bool hub_details_say(const struct giro_details *details, enum giro_details_field field,
                     const char *text);
uint64_t hub_environment(const char *name, uint64_t otherwise);

#endif
