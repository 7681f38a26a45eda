/* apps/girod/links.h - replica links: TLS 1.3 over TCP, mutual, pinned to the enrolled transport keys.
 *
 * One connection per pair of replicas: the higher index dials the lower, again every 200 ms (doubling to 2 s) while it is down.
 * Each side shows a self-signed certificate made at start from its Ed25519 transport key; the other side accepts it iff its
 * public key is the one enrolled for a replica (the dialler: for that very replica). One live session per replica: a newer
 * handshake of the same peer replaces the older one. Messages are peer messages (giro/wire/consensus.h): the envelope's
 * size_bytes frames them, its sender must be the link's peer. Bounded: GIRO_LINKS_OUT_MAX bytes wait per peer; beyond that a
 * message is dropped and counted (the protocol resends).
 * Threads: the event loop's. */
#ifndef GIRO_APPS_LINKS_H
#define GIRO_APPS_LINKS_H

#include <event2/event.h>

#include "giro/config.h"
#include "giro/genesis.h"

#define GIRO_LINKS_OUT_MAX (64u * 1024u * 1024u)

struct giro_links_options {
    struct event_base *base;
    const struct giro_genesis *genesis;
    uint32_t self;
    const struct giro_secret_key *transport_key;
    const struct giro_config_address *peers; /* genesis.replica_count, borrowed */
    void *context;
    /* message: one whole peer message; the envelope is checked, its sender equals `peer`. */
    void (*message)(void *context, uint16_t peer, const void *bytes, uint32_t size_bytes);
    /* state: a link came up or went down. May be NULL. */
    void (*state)(void *context, uint16_t peer, bool up);
};
struct giro_links;
enum giro_err giro_links_open(const struct giro_links_options *options, struct giro_links **links,
                              struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
void giro_links_close(struct giro_links *links);
/* giro_links_send queues one message (the concatenation of parts) to a peer or GIRO_PEER_ALL. Dropped if the link is down. */
void giro_links_send(struct giro_links *links, uint16_t peer, const struct giro_part *parts,
                     uint32_t part_count);
uint32_t giro_links_up(const struct giro_links *links); /* peers connected now */
struct giro_links_counters {
    uint64_t sent, sent_bytes, received, received_bytes, dropped, refused_handshakes, malformed;
    uint64_t second_sessions; /* refused: another one showed the same key and lives */
};
void giro_links_counters(const struct giro_links *links, struct giro_links_counters *counters);

#endif
