/* The sender's side of perf/packet_path.h: kernel sockets, datagrams sealed beforehand. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "perf/bench.h"
#include "perf/packet_path.h"

#define BURST          32u
#define GSO_BYTES_MAX  60000u
#define SILENCE_NS     20000000u /* without an acknowledgement: what is on its way is lost */
#define RECEIVE_BYTES  9216u
#define GARBAGE_COUNT  256u
#define PACE_BURST_MAX 64u

struct sender {
    const struct path_options *options;
    struct path_shared *shared;
    const struct path_pool *pool;
    int fd, garbage_fd;
    struct giro_session sessions[PATH_MEMBERS];
    const uint8_t *datagrams;
    uint64_t count;               /* of datagrams, then it begins again, or is over */
    uint64_t base;                /* datagrams of the turns before this one */
    uint64_t sent;                /* of this turn */
    uint64_t acked[PATH_MEMBERS]; /* numbers of this turn */
    uint64_t echoes, heard_ns;
    uint8_t *garbage;
    uint32_t garbage_bytes;
    double garbage_due;
};

/* ---- Opening ---------------------------------------------------------------------------------------------------------- */

static int socket_make(const struct sender *sender, const char *from)
{
    const char *hub = sender->options->af_packet ? PATH_HUB_VETH : PATH_HUB_LOOPBACK;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(PATH_UDP_PORT)};
    struct sockaddr_in own = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_DGRAM, 0), size = 8 * 1024 * 1024;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
    giro_bench_must(inet_pton(AF_INET, hub, &to.sin_addr) == 1 &&
                        inet_pton(AF_INET, from, &own.sin_addr) == 1,
                    "an address");
    giro_bench_must(bind(fd, (const struct sockaddr *)&own, sizeof(own)) == 0 &&
                        connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0,
                    "the sender cannot reach the hub");
    return fd;
}

/* The pool's own, or, for sessions made now, sealed now. */
static void datagrams_get(struct sender *sender)
{
    const struct path_pool *pool = sender->pool;
    sender->datagrams = pool->datagrams;
    sender->count = pool->count;
    memcpy(sender->sessions, pool->member, sizeof(sender->sessions));
    if (sender->options->bare_records || sender->options->echo)
        return;
    uint8_t *datagrams = giro_bench_pages((size_t)PATH_TURNS * pool->count * pool->stride_bytes);
    path_connect(pool, sender->fd, sender->sessions);
    path_seal(pool, sender->sessions, PATH_TURNS, datagrams);
    sender->datagrams = datagrams;
    sender->count = (uint64_t)PATH_TURNS * pool->count;
}

/* Good INITs of many initiators, without a cookie. */
static void inits_make(struct sender *sender)
{
    const struct path_pool *pool = sender->pool;
    for (uint32_t i = 0; i < GARBAGE_COUNT; i++) {
        uint8_t ephemeral[32] = {(uint8_t)i, (uint8_t)(i >> 8), 3};
        const struct giro_handshake_options options = {
            .self = &pool->keys[i % PATH_MEMBERS],
            .replica_public = pool->transport_public,
            .chain = &pool->genesis.chain_id,
            .ephemeral_secret = ephemeral,
            .initiator_id = 1000 + i,
            .replica = PATH_REPLICA,
            .body = {.member = (uint16_t)(i % PATH_MEMBERS),
                     .key_id = 1,
                     .datagram_max = PATH_MTU - 28}};
        struct giro_handshake handshake;
        giro_bench_must(
            giro_handshake_begin(&handshake, &options,
                                 sender->garbage + (size_t)i * GIRO_HANDSHAKE_INIT_BYTES),
            "no INIT");
    }
}

/* Datagrams of the same size that are not worth anything. */
static void garbage_make(struct sender *sender)
{
    const struct path_pool *pool = sender->pool;
    struct giro_prng prng;
    giro_prng_init(&prng, 11);
    sender->garbage = malloc((size_t)GARBAGE_COUNT * pool->size_bytes);
    giro_bench_must(sender->garbage != NULL, "out of memory");
    giro_prng_fill(&prng, sender->garbage, (size_t)GARBAGE_COUNT * pool->size_bytes);
    sender->garbage_bytes = pool->size_bytes;
    if (sender->options->garbage == PATH_INITS) {
        sender->garbage_bytes = GIRO_HANDSHAKE_INIT_BYTES;
        inits_make(sender);
        return;
    }
    for (uint32_t i = 0; i < GARBAGE_COUNT && sender->options->garbage != PATH_RANDOM; i++) {
        struct giro_session_header header = {.head = giro_head_make(GIRO_KIND_SESSION),
                                             .receiver_id =
                                                 sender->sessions[i % PATH_MEMBERS].peer_id,
                                             .number = UINT64_C(1) << 30};
        header.head.version = GIRO_SESSION_VERSION_MAX;
        if (sender->options->garbage == PATH_UNKNOWN)
            header.receiver_id ^= 0x5a000000u + i;
        memcpy(sender->garbage + (size_t)i * pool->size_bytes, &header, sizeof(header));
    }
}

/* ---- Sending ---------------------------------------------------------------------------------------------------------- */

static void send_parts(int fd, struct iovec *parts, uint32_t count)
{
    struct mmsghdr messages[PACE_BURST_MAX];
    for (uint32_t i = 0; i < count; i++)
        messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &parts[i], .msg_iovlen = 1}};
    for (uint32_t at = 0; at < count;) {
        int sent = sendmmsg(fd, messages + at, count - at, 0);
        if (sent > 0)
            at += (uint32_t)sent;
        else
            giro_bench_must(errno == EAGAIN || errno == ENOBUFS || errno == EINTR ||
                                errno == ECONNREFUSED,
                            "the sender cannot send");
    }
}

/* One system call for all of them; the kernel cuts them apart. */
static void send_glued(int fd, struct iovec *parts, uint32_t count, uint32_t size_bytes)
{
    uint32_t most = GSO_BYTES_MAX / size_bytes;
    for (uint32_t at = 0; at < count;) {
        uint32_t run = count - at < most ? count - at : most;
        union {
            struct cmsghdr align;
            char bytes[CMSG_SPACE(sizeof(uint16_t))];
        } control = {.bytes = {0}};
        struct msghdr message = {.msg_iov = parts + at,
                                 .msg_iovlen = run,
                                 .msg_control = control.bytes,
                                 .msg_controllen = sizeof(control.bytes)};
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        uint16_t segment = (uint16_t)size_bytes;
        header->cmsg_level = IPPROTO_UDP;
        header->cmsg_type = UDP_SEGMENT;
        header->cmsg_len = CMSG_LEN(sizeof(segment));
        memcpy(CMSG_DATA(header), &segment, sizeof(segment));
        if (sendmsg(fd, &message, 0) > 0)
            at += run;
        else
            giro_bench_must(errno == EAGAIN || errno == ENOBUFS || errno == EINTR ||
                                errno == ECONNREFUSED,
                            "the sender cannot send glued datagrams");
    }
}

static void send_some(struct sender *sender, int fd, struct iovec *parts, uint32_t count,
                      uint32_t size_bytes)
{
    if (sender->options->gso && count > 1)
        send_glued(fd, parts, count, size_bytes);
    else
        send_parts(fd, parts, count);
}

static void send_garbage(struct sender *sender, uint32_t good)
{
    struct iovec parts[PACE_BURST_MAX];
    const uint32_t size = sender->garbage_bytes;
    if (sender->options->garbage == PATH_NO_GARBAGE)
        return;
    sender->garbage_due += good * sender->options->garbage_each;
    while (sender->garbage_due >= 1) {
        const uint32_t count =
            sender->garbage_due < PACE_BURST_MAX ? (uint32_t)sender->garbage_due : PACE_BURST_MAX;
        for (uint32_t i = 0; i < count; i++)
            parts[i] = (struct iovec){sender->garbage + (size_t)(i % GARBAGE_COUNT) * size, size};
        sender->garbage_due -= count;
        send_some(sender, sender->garbage_fd, parts, count, size);
        atomic_fetch_add(&sender->shared->sent_garbage, count);
    }
}

/* The next `count` datagrams of the pool; no further than its end. */
static uint32_t send_next(struct sender *sender, uint32_t count)
{
    const struct path_pool *pool = sender->pool;
    struct iovec parts[PACE_BURST_MAX];
    uint64_t now_ns = sender->options->rate > 0 ? giro_bench_now_ns() : 0;
    if (count > sender->count - sender->sent)
        count = (uint32_t)(sender->count - sender->sent);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t index = sender->sent + i;
        parts[i] = (struct iovec){
            (void *)(uintptr_t)(sender->datagrams + index * pool->stride_bytes), pool->size_bytes};
        if (now_ns != 0)
            sender->shared->sent_ns[index % pool->count] = now_ns;
    }
    send_some(sender, sender->fd, parts, count, pool->size_bytes);
    sender->sent += count;
    atomic_store(&sender->shared->sent, sender->base + sender->sent);
    send_garbage(sender, count);
    return count;
}

/* ---- Hearing ------------------------------------------------------------------------------------------------------------ */

static uint64_t acked_all(const struct sender *sender)
{
    uint64_t sum = sender->echoes;
    for (uint32_t i = 0; i < PATH_MEMBERS; i++)
        sum += sender->acked[i];
    return sum;
}

static void hear_one(struct sender *sender, const uint8_t *bytes, size_t size_bytes)
{
    uint8_t blocks[RECEIVE_BYTES];
    uint32_t blocks_bytes;
    struct giro_session_header header;
    struct giro_session_block block;
    struct giro_session_ack ack;
    struct giro_reader reader;
    if (giro_session_header_read(bytes, size_bytes, &header) != GIRO_REJECT_NONE)
        return;
    uint32_t member = 0;
    while (member < PATH_MEMBERS && sender->sessions[member].own_id != header.receiver_id)
        member++;
    giro_bench_must(member < PATH_MEMBERS, "an answer to nobody");
    giro_bench_must(giro_session_open(&sender->sessions[member], bytes, size_bytes, blocks,
                                      &blocks_bytes, &header) == GIRO_REJECT_NONE,
                    "an acknowledgement does not open");
    giro_reader_init(&reader, blocks, blocks_bytes);
    giro_bench_must(giro_session_next(&reader, GIRO_SESSION_DOWN, &block) == GIRO_REJECT_NONE,
                    "an answer of no block");
    giro_bench_must(block.kind != GIRO_SESSION_REFUSE, "a frame was refused");
    if (block.kind != GIRO_SESSION_ACK)
        return; /* a PING */
    memcpy(&ack, block.bytes, sizeof(ack));
    /* one of the turn before is late */
    if (ack.cumulative > sender->acked[member] && ack.cumulative <= sender->sent / PATH_MEMBERS + 1)
        sender->acked[member] = ack.cumulative;
}

static bool hear(struct sender *sender, bool wait)
{
    enum { COUNT = 64 };
    static uint8_t bytes[COUNT][RECEIVE_BYTES];
    struct mmsghdr messages[COUNT];
    struct iovec parts[COUNT];
    struct pollfd ready = {.fd = sender->fd, .events = POLLIN};
    if (wait)
        (void)poll(&ready, 1, 1);
    for (uint32_t i = 0; i < COUNT; i++) {
        parts[i] = (struct iovec){bytes[i], RECEIVE_BYTES};
        messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &parts[i], .msg_iovlen = 1}};
    }
    int count = recvmmsg(sender->fd, messages, COUNT, MSG_DONTWAIT, NULL);
    for (int i = 0; i < count && !sender->options->echo; i++)
        hear_one(sender, bytes[i], messages[i].msg_len);
    if (count > 0) {
        sender->echoes += sender->options->echo ? (uint64_t)count : 0;
        sender->heard_ns = giro_bench_now_ns();
    }
    return count > 0;
}

/* ---- At full speed and at a rate ------------------------------------------------------------------------------------------ */

/* All datagrams of the turn are out: wait for what is still on its way, then begin the next. */
static void turn_end(struct sender *sender)
{
    uint64_t since_ns = giro_bench_now_ns();
    while (acked_all(sender) < sender->sent && atomic_load(&sender->shared->stop) == 0 &&
           giro_bench_now_ns() - since_ns < SILENCE_NS)
        (void)hear(sender, true);
    if (sender->sent == sender->count && !sender->options->bare_records && !sender->options->echo) {
        atomic_store(&sender->shared->exhausted, 1);
        while (atomic_load(&sender->shared->stop) == 0)
            (void)hear(sender, true);
        return;
    }
    if (!sender->options->bare_records && !sender->options->echo) {
        for (uint32_t i = 0; i < PATH_MEMBERS; i++) /* what is not heard of by now is lost */
            sender->acked[i] = sender->sent / PATH_MEMBERS;
        return;
    }
    sender->base += sender->sent;
    sender->sent = 0;
    sender->echoes = 0;
    memset(sender->acked, 0, sizeof(sender->acked));
}

static void full_speed(struct sender *sender)
{
    sender->heard_ns = giro_bench_now_ns();
    while (atomic_load(&sender->shared->stop) == 0) {
        if (sender->sent == sender->count)
            turn_end(sender);
        uint64_t acked = acked_all(sender);
        uint64_t under_way = sender->sent > acked ? sender->sent - acked : 0;
        if (under_way + BURST <= PATH_DEPTH) {
            (void)send_next(sender, BURST);
            (void)hear(sender, false);
        } else if (!hear(sender, true) && giro_bench_now_ns() - sender->heard_ns > SILENCE_NS) {
            turn_end(sender); /* lost: the hub counts what it got */
        }
    }
}

static void paced(struct sender *sender)
{
    uint64_t begin_ns = giro_bench_now_ns(), done = 0;
    while (atomic_load(&sender->shared->stop) == 0) {
        if (sender->sent == sender->count)
            turn_end(sender);
        double passed_s = (double)(giro_bench_now_ns() - begin_ns) / 1e9;
        uint64_t due = (uint64_t)(passed_s * sender->options->rate);
        if (due <= done) {
            (void)hear(sender, false);
            continue;
        }
        uint64_t count = due - done < BURST ? due - done : BURST;
        done += send_next(sender, (uint32_t)count);
        if (due > done + sender->pool->count / 4)
            done = due; /* this sender cannot keep that rate: what was sent is what counts */
    }
}

void path_send(const struct path_options *options, struct path_shared *shared)
{
    struct sender *sender = giro_bench_pages(sizeof(*sender));
    const char *own = options->af_packet ? "10.77.0.2" : "127.0.0.1";
    sender->options = options;
    sender->shared = shared;
    sender->pool = options->pool;
    sender->fd = socket_make(sender, own);
    sender->garbage_fd = options->garbage == PATH_SPOOFED
                             ? sender->fd
                             : socket_make(sender, !options->strict     ? own
                                                   : options->af_packet ? "10.77.0.3"
                                                                        : "127.0.0.3");
    datagrams_get(sender);
    garbage_make(sender);
    atomic_store(&shared->sealed, 1);
    if (options->rate > 0)
        paced(sender);
    else
        full_speed(sender);
    struct timespec cpu;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    shared->result.sender_cpu_ns = (uint64_t)cpu.tv_sec * GIRO_NS_PER_S + (uint64_t)cpu.tv_nsec;
}
