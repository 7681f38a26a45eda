/* giro/dataplane.h - packets in, receipts out: ports (DPDK ethdev or kernel UDP) and the ingress that refuses cheaply.
 *
 * Model: a port yields bursts of UDP payloads with the address they came from, and sends datagrams. The DPDK port owns its
 * IPv4 and MAC address: it answers ARP requests and ICMP echo by itself, checks IPv4 and UDP checksums, drops fragments. Both
 * back ends serve the same interface; everything above is the same code. An allow-list refuses addresses in the port itself. The ingress turns a datagram into a frame worth
 * verifying: decode, chain, member, key, address, rate, "have I seen this just now". All counted per reason and per member.
 *
 * Idle: giro_port_receive returning 0 about 32 times in a row means: sleep on giro_port_fd.
 * Threads: one per port and ingress. Source: shared design, dataplane.md; protocol.md sections 2 and 3.
 */
#ifndef GIRO_DATAPLANE_H
#define GIRO_DATAPLANE_H

#include "giro/genesis.h"
#include "giro/wire.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Allow-list ---------------------------------------------------------------------------------------------------- */

/* Who may send from where. An entry is an IPv4 prefix ("10.1.0.0/16", "10.1.2.3"), alone for every member, or with the BICs
 * of those it is for ("10.1.2.0/24 AAAACZPP,BBBBCZPP"). The longest prefix over an address decides alone; the same prefix
 * twice unites both entries. No entry at all: everybody from everywhere. Made at start, then read only, from any thread.
 * Cost of a look-up: a binary search over at most 2,049 words. */
#define GIRO_ALLOW_MAX 1024u
struct giro_allow;
/* giro_allow_open reads the entries; *allow is NULL if there are none. CONFIG: one is not understood, or names no member. */
enum giro_err giro_allow_open(const char *const *entries, uint32_t count,
                              const struct giro_genesis *genesis, struct giro_allow **allow,
                              struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
void giro_allow_close(struct giro_allow *allow);
/* giro_allow_address tells whether anyone may send from ipv4 (host order); giro_allow_member whether this member may. NULL
 * allows everything. */
bool giro_allow_address(const struct giro_allow *allow, uint32_t ipv4);
bool giro_allow_member(const struct giro_allow *allow, uint32_t ipv4, uint32_t member);

/* ---- Ports ------------------------------------------------------------------------------------------------------------ */

/* Where a datagram came from and where its receipts go. ipv4 and port in host order; mac only for the DPDK port. session: the
 * id of the session a frame came in (giro/sessions.h), 0 none. */
struct giro_endpoint {
    uint32_t ipv4;
    uint16_t port;
    uint8_t mac[6];
    uint32_t session;
};
struct giro_datagram {
    const uint8_t *bytes; /* UDP payload, unaligned, valid until the next receive */
    uint32_t size_bytes;
    struct giro_endpoint from;
};
struct giro_port_options {
    const char *
        driver; /* "udp", or "af_packet", or a DPDK vdev driver name such as "net_null", or "pci" */
    const char
        *device; /* af_packet: interface name; pci: address; else vdev arguments; udp: unused */
    const char *address; /* IPv4 of the hub on this port, dotted */
    uint16_t udp_port;
    uint32_t mtu;       /* of the link, IPv4 header included: 1,500..GIRO_PORT_MTU_MAX; 0 = 1,500 */
    uint32_t queues;    /* receive queues of a DPDK port, 1..GIRO_PORT_QUEUES_MAX; 0 = 1 */
    uint32_t memory_mb; /* DPDK memory without huge pages */
    const char *telemetry; /* directory of DPDK\'s telemetry socket; NULL: none. Not for udp */
    const char *program;   /* EAL's argv[0] and file prefix: unique per process */
    const struct giro_allow
        *allow; /* packets from other addresses are dropped before anything is done for them */
};
#define GIRO_PORT_MTU_MAX    9216u
#define GIRO_PORT_QUEUES_MAX 16u
struct giro_port;
/* giro_port_open starts the back end (for DPDK: EAL with --no-huge --no-shconf, floating lcore, own file prefix; call once per process, before other threads). The diagnosis says what to do. */
enum giro_err giro_port_open(const struct giro_port_options *options, struct giro_port **port,
                             struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
void giro_port_close(struct giro_port *port);
/* giro_port_fd is readable when packets may wait; -1 if this PMD has none (then poll). */
int giro_port_fd(const struct giro_port *port);
#define GIRO_PORT_BURST 64u
/* giro_port_receive returns up to GIRO_PORT_BURST datagrams; never blocks. The bytes of the previous burst become invalid. */
uint32_t giro_port_receive(struct giro_port *port, struct giro_datagram *datagrams);
/* giro_port_datagram_max is the largest UDP payload that fits the link: mtu - 28. */
uint32_t giro_port_datagram_max(const struct giro_port *port);
/* giro_port_send queues one datagram of up to giro_port_datagram_max bytes; giro_port_flush sends what is queued (called by receive too).
 * FULL: the transmit queue is full; receipts may be dropped then (the member asks again). */
enum giro_err giro_port_send(struct giro_port *port, const struct giro_endpoint *to,
                             const void *bytes, uint32_t size_bytes) GIRO_MUST_USE;
void giro_port_flush(struct giro_port *port);
struct giro_port_counters {
    uint64_t received, received_bytes, sent, sent_bytes, send_failed;
    uint64_t arp_answered, echo_answered;
    uint64_t not_ipv4, not_udp, other_address, not_allowed, fragment, bad_checksum,
        truncated; /* dropped, by cause */
    uint64_t lost; /* dropped by the kernel, because nobody took them in time (udp, af_packet) */
};
void giro_port_counters(struct giro_port *port, struct giro_port_counters *counters);

/* Telemetry: figures that a DPDK port answers on its telemetry socket, <directory>/dpdk/<program>/dpdk_telemetry.v2 (mode 0700
 * above it), for dpdk-telemetry.py and collectors. DPDK's own commands (/ethdev/stats, ...) are there, too. */
#define GIRO_PORT_NUMBERS_MAX 128u
#define GIRO_PORT_NAME_BYTES  32u
struct giro_port_number {
    const char *name; /* shorter than GIRO_PORT_NAME_BYTES */
    uint64_t value;
};
/* giro_port_telemetry: such a socket is open, so that publishing is worth it. */
bool giro_port_telemetry(const struct giro_port *port);
/* giro_port_publish makes `command` ("/giro/port") answer these figures until the next call. Nothing without telemetry. */
void giro_port_publish(struct giro_port *port, const char *command, const char *help,
                       const struct giro_port_number *numbers, uint32_t count);

/* Capture, for diagnosis: every packet the port receives or sends, those it drops with the reason as comment, in a pcapng file
 * (Wireshark, tshark). It ends by itself when the file has bytes_max or duration_ns is over. A UDP port knows no Ethernet:
 * headers are made up there (MAC addresses zero) and what the kernel dropped is not in it. Sessions' content stays sealed. */
#define GIRO_CAPTURE_PACKET_MAX 65536u
#define GIRO_CAPTURE_BYTES_MIN  4096u
struct giro_capture_options {
    const char *path;   /* an older file of that name is removed; mode 0600 */
    uint64_t bytes_max; /* GIRO_CAPTURE_BYTES_MIN.. */
    uint64_t duration_ns;
    uint32_t packet_bytes_max; /* longer packets are cut; 1..GIRO_CAPTURE_PACKET_MAX */
};
struct giro_capture_state {
    bool running;
    enum giro_err err; /* why it ended early */
    uint64_t packets, bytes;
};
/* giro_port_capture_start: STATE if one is running, ARGUMENT, NOMEM, IO. */
enum giro_err giro_port_capture_start(struct giro_port *port,
                                      const struct giro_capture_options *options,
                                      struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
/* giro_port_capture_stop ends it now; nothing if none runs. */
void giro_port_capture_stop(struct giro_port *port);
/* giro_port_capture_state: of the one that runs or ran last; zeros if there was none. */
void giro_port_capture_state(const struct giro_port *port, struct giro_capture_state *state);

/* ---- Ingress -------------------------------------------------------------------------------------------------------------- */

struct giro_ingress_options {
    const struct giro_genesis *genesis;
    const struct giro_allow *allow; /* which member may send from where */
    uint32_t frames_max;            /* slots: frames from here until the caller has packed them */
    uint32_t member_frames_per_second; /* 0 = unlimited; burst of one second */
    uint32_t gather_frames;            /* under load, verification waits for so many frames ... */
    uint32_t gather_ns; /* ... or until the oldest has waited so long; 0 = never waits */
    uint64_t map_seed;
};
/* A frame that deserves verification. Owned by the ingress until giro_ingress_drop. */
struct giro_ingress_frame {
    struct giro_frame frame; /* points into bytes */
    struct giro_endpoint from;
    struct giro_hash hash; /* frame hash: SHA-256 of the signed message */
    uint8_t bytes[GIRO_FRAME_BYTES_MAX];
};
struct giro_ingress;
size_t giro_ingress_footprint(const struct giro_ingress_options *options);
struct giro_ingress *giro_ingress_init(void *mem, size_t size_bytes,
                                       const struct giro_ingress_options *options);
/* giro_ingress_take checks one frame and queues it. Anything but GIRO_REJECT_NONE: dropped and counted.
 * member: who was proved to send it (by its session; GIRO_MEMBER_OPERATOR: by TLS): a frame of anyone else is refused as
 * MEMBER, before it can touch anyone's rate or share. GIRO_NONE: nobody was proved, the frame's own word counts.
 * ADDRESS: that member may not send from there. POLICED: over the member's rate.
 * DUPLICATE is a hint: the same (member, channel, sequence, hash) was taken within the last 500 ms and is neither lost nor
 * answered yet; the member's resend after that passes.
 * LIMIT: no slot is free, or the member's share is used up: a member holds at most GIRO_INGRESS_SHARE times as many slots as
 * are free (dynamic thresholds, Choudhury and Hahne 1998), so that however many fill the hub, some are left for the next.
 * Control frames need only a free slot. */
#define GIRO_INGRESS_SHARE 4u
enum giro_reject giro_ingress_take(struct giro_ingress *ingress, uint64_t now_ns,
                                   const struct giro_datagram *datagram, uint32_t member);
/* giro_ingress_share returns how many more frames of this member would be taken now. */
uint32_t giro_ingress_share(const struct giro_ingress *ingress, uint32_t member);
/* giro_ingress_ripe tells whether it is time to verify: gather_frames wait, or one of them gather_ns, or the load is low (the
 * last verification found one frame or none), so that a lone frame is never delayed. False: nothing waits, or
 * frames that are to fill lanes together. */
bool giro_ingress_ripe(const struct giro_ingress *ingress, uint64_t now_ns);
/* giro_ingress_verify verifies up to max queued frames with giro_verify_batch (control frames: both signatures) and returns
 * how many good ones are now in frames[0..); bad ones are dropped and counted as SIGNATURE. */
uint32_t giro_ingress_verify(struct giro_ingress *ingress, const struct giro_key_ring *ring,
                             struct giro_ingress_frame **frames, uint32_t max);
/* giro_ingress_watch: refused is told of every frame whose signature did not hold; it may not call the ingress. */
void giro_ingress_watch(struct giro_ingress *ingress,
                        void (*refused)(void *context, const struct giro_ingress_frame *frame),
                        void *context);
/* giro_ingress_drop gives a verified frame back after it was packed. */
void giro_ingress_drop(struct giro_ingress *ingress, struct giro_ingress_frame *frame);
uint32_t giro_ingress_waiting(const struct giro_ingress *ingress);
/* giro_ingress_count adds to the rejects a refusal that was decided before a frame was there (sessions). member as below. */
void giro_ingress_count(struct giro_ingress *ingress, uint32_t member, enum giro_reject reject);
/* rejects by reason for one member; GIRO_NONE: frames of no known member. */
void giro_ingress_rejects(const struct giro_ingress *ingress, uint32_t member,
                          uint64_t rejects[GIRO_REJECT_COUNT_OF_REASONS]);
uint64_t giro_ingress_taken(const struct giro_ingress *ingress);
/* How well the lanes are filled: signatures / calls is the mean; signatures in calls of 64 frames, the most one call takes. */
struct giro_ingress_lanes {
    uint64_t calls, signatures, signatures_in_full_calls;
};
void giro_ingress_lanes(const struct giro_ingress *ingress, struct giro_ingress_lanes *lanes);

/* giro_frames_verify checks the member signatures of every frame in a batch, as a replica does before it acknowledges a
 * peer's batch, and as replay does: the same code, the same rule; true = all hold. hashes gets the frame hash of each frame
 * (as many as the batch has; undefined when it returns false). scratch: >= GIRO_FRAMES_VERIFY_SCRATCH bytes. */
#define GIRO_FRAMES_VERIFY_SCRATCH (1024u * 1024u)
bool giro_frames_verify(const struct giro_genesis *genesis, const struct giro_key_ring *ring,
                        const void *batch, size_t size_bytes, void *scratch,
                        struct giro_hash *hashes);
/* giro_frames_hash writes only the frame hashes, of a batch that decodes. */
void giro_frames_hash(const struct giro_genesis *genesis, const void *batch, size_t size_bytes,
                      void *scratch, struct giro_hash *hashes);

#ifdef __cplusplus
}
#endif
#endif
