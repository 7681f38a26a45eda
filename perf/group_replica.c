/* One replica's process: sockets in, the node, sockets out. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <netinet/in.h>

#include "perf/bench.h"
#include "perf/group.h"

#define IN_BYTES          (4u << 20)
#define OUT_BYTES         (16u << 20)
#define BODY_BYTES        (GIRO_BATCH_BYTES_MAX - GIRO_BATCH_FIRST)
#define BATCH_WAIT_NS     2000000u
#define UDP_BURST         64u
#define REPLIES_MAX       (1u << 18)
#define DISK_WAITS_NS     20000
#define BURSTS_PER_TURN   4u
#define HUGE_REPLICAS_MAX 7u

struct link {
    int fd;
    uint8_t *in, *out;
    uint32_t in_bytes;
    uint32_t out_first, out_last; /* out[first, last) waits */
};
/* An own frame that was executed at a height and waits for its certificate. */
struct reply {
    uint64_t height, sequence;
};
struct replica {
    const struct group_replica_options *options;
    struct group_view *view;
    struct giro_node *node;
    struct giro_disk disk;
    int disk_fd; /* -1: in memory */
    uint64_t chain_prefix;
    struct link links[GROUP_REPLICAS_MAX];
    /* the batch being gathered */
    uint8_t *body;
    uint32_t body_bytes, body_frames, body_records;
    uint64_t body_since_ns;
    /* answers */
    struct sockaddr_in client;
    bool client_known;
    struct reply *replies;
    uint64_t reply_first, reply_last;
    uint64_t certified_height;
    struct giro_hash state;
    uint8_t (*datagrams)[GROUP_FRAME_BYTES_MAX];
};

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * GIRO_NS_PER_S + (uint64_t)now.tv_nsec;
}

static void disk_wait(void *context)
{
    (void)context;
    struct timespec pause = {.tv_nsec = DISK_WAITS_NS};
    nanosleep(&pause, NULL);
}

/* ---- What the node calls ---- */

static void link_put(struct link *link, const struct giro_part *parts, uint32_t part_count)
{
    uint32_t size_bytes = 0;
    for (uint32_t i = 0; i < part_count; i++)
        size_bytes += (uint32_t)parts[i].size_bytes;
    if (link->out_first == link->out_last)
        link->out_first = link->out_last = 0;
    if (OUT_BYTES - link->out_last < size_bytes + 4) {
        memmove(link->out, link->out + link->out_first, link->out_last - link->out_first);
        link->out_last -= link->out_first;
        link->out_first = 0;
    }
    if (link->fd < 0 || OUT_BYTES - link->out_last < size_bytes + 4)
        return; /* a lost message: the core asks again */
    memcpy(link->out + link->out_last, &size_bytes, 4);
    link->out_last += 4;
    for (uint32_t i = 0; i < part_count; i++) {
        memcpy(link->out + link->out_last, parts[i].bytes, parts[i].size_bytes);
        link->out_last += (uint32_t)parts[i].size_bytes;
    }
}

static void on_send(void *context, uint16_t peer, const struct giro_part *parts,
                    uint32_t part_count)
{
    struct replica *replica = context;
    for (uint32_t i = 0; i < replica->options->group->options.replica_count; i++) {
        if (i != replica->options->self && (peer == GIRO_PEER_ALL || peer == i))
            link_put(&replica->links[i], parts, part_count);
    }
}

/* The frames were decoded when the batch came in; hash-only ordering asks for no more. */
static bool on_verify(void *context, const struct giro_action *verify)
{
    (void)context;
    (void)verify;
    return true;
}

static void replies_add(struct replica *replica, uint64_t height, const uint8_t *batch,
                        uint32_t size_bytes)
{
    struct giro_frame frame;
    uint32_t offset = GIRO_BATCH_FIRST;
    while (giro_batch_next(batch, size_bytes, replica->chain_prefix, &offset, &frame)) {
        if (replica->reply_last - replica->reply_first == REPLIES_MAX)
            return; /* the client asks again */
        replica->replies[replica->reply_last++ % REPLIES_MAX] =
            (struct reply){.height = height, .sequence = frame.header.sequence};
    }
}

static struct giro_execution on_execute(void *context, const struct giro_action *action)
{
    struct replica *replica = context;
    const struct giro_proposal *block = action->execute.block;
    struct giro_part parts[2] = {{&replica->state, sizeof(replica->state)},
                                 {&block->block_id, sizeof(block->block_id)}};
    replica->state = giro_sha256_parts(parts, 2);
    for (uint32_t i = 0; i < action->execute.batch_count; i++) {
        struct giro_batch_header header;
        memcpy(&header, action->execute.batches[i], sizeof(header));
        replica->view->frames += header.frame_count;
        if (header.author == replica->options->self)
            replies_add(replica, block->block.height, action->execute.batches[i],
                        action->execute.batch_bytes[i]);
    }
    replica->view->references += action->execute.batch_count;
    return (struct giro_execution){
        .state_root = replica->state, .ledger_root = block->block_id, .next_due_ns = UINT64_MAX};
}

static void on_certified(void *context, const struct giro_certificate *certificate, bool recovering)
{
    struct replica *replica = context;
    (void)recovering;
    if (certificate->header.body.height > replica->certified_height)
        replica->certified_height = certificate->header.body.height;
}

/* ---- Making one ---- */

static void links_make(struct replica *replica)
{
    const uint32_t count = replica->options->group->options.replica_count;
    for (uint32_t i = 0; i < count; i++) {
        if (i == replica->options->self)
            continue;
        replica->links[i] = (struct link){.fd = replica->options->links[i],
                                          .in = giro_bench_pages(IN_BYTES),
                                          .out = giro_bench_pages(OUT_BYTES)};
    }
}

static void disk_make(struct replica *replica)
{
    const char *folder = replica->options->group->options.folder;
    replica->disk_fd = -1;
    if (folder == NULL) {
        giro_memory_disk_open(&replica->disk);
        return;
    }
    char path[4200];
    snprintf(path, sizeof(path), "%s/%u", folder, replica->options->self);
    giro_bench_must(giro_disk_uring_open(path, &replica->disk, &replica->disk_fd) == GIRO_ERR_OK,
                    "the disk cannot be opened");
}

static void node_make(struct replica *replica)
{
    const struct group_replica_options *options = replica->options;
    const struct group_options *group = &options->group->options;
    struct giro_node_options node = {
        .consensus = {.replica_count = group->replica_count,
                      .self = options->self,
                      .chain_id = options->group->chain_id,
                      .epoch = 1,
                      .round_floor_ns = group->round_floor_ns,
                      .clock_bound_ns = 250000000u,
                      .batch_ttl_ns = 10 * GIRO_NS_PER_S,
                      .ring = options->ring,
                      .vote_keys = options->vote_handles,
                      .batch_keys = options->batch_handles,
                      .batch_key = options->batch_key,
                      .blocks_max = group->replica_count > 16 ? 128 : 256,
                      .batches_max = group->replica_count > 16 ? 256 : 128,
                      .references_max = group->references_max,
                      .map_seed = 1 + options->self},
        .log = {.segment_bytes = 64u << 20,
                .buffer_bytes = group->replica_count > 16 ? 32u << 20 : 16u << 20,
                .seed = 1 + options->self,
                .inflight_max = 4},
        .vote_key = options->vote_key,
        .disk = &replica->disk,
        .callbacks = {.context = replica,
                      .send = on_send,
                      .verify = on_verify,
                      .execute = on_execute,
                      .certified = on_certified},
        .index_max = 1u << 18};
    node.consensus.genesis_block_id = options->group->chain_id;
    memset(node.consensus.nonce, (int)options->self + 1, sizeof(node.consensus.nonce));
    size_t size_bytes = giro_node_footprint(&node);
    giro_bench_must(size_bytes != 0, "the node's options are bad");
    /* A process of girod asks for huge pages. Those of many replicas, touched here and there, would be most of what a run does. */
    void *mem = group->replica_count <= HUGE_REPLICAS_MAX ? giro_bench_pages_huge(size_bytes)
                                                          : giro_bench_pages(size_bytes);
    replica->node = giro_node_init(mem, size_bytes, &node);
    giro_bench_must(replica->node != NULL, "the node cannot be made");
    giro_bench_must(giro_node_start(replica->node, clock_ns(CLOCK_MONOTONIC),
                                    clock_ns(CLOCK_REALTIME), disk_wait, NULL) == GIRO_ERR_OK,
                    "the node does not start");
}

/* ---- In ---- */

static void link_close(struct link *link)
{
    close(link->fd);
    link->fd = -1;
    link->in_bytes = link->out_first = link->out_last = 0;
}

static void link_read(struct replica *replica, uint32_t peer)
{
    struct link *link = &replica->links[peer];
    ssize_t got = read(link->fd, link->in + link->in_bytes, IN_BYTES - link->in_bytes);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
        link_close(link);
        return;
    }
    if (got < 0)
        return;
    link->in_bytes += (uint32_t)got;
    uint32_t at = 0, size_bytes = 0;
    const uint64_t now_ns = clock_ns(CLOCK_MONOTONIC), wall_ns = clock_ns(CLOCK_REALTIME);
    while (link->in_bytes - at >= 4) {
        memcpy(&size_bytes, link->in + at, 4);
        giro_bench_must(size_bytes <= IN_BYTES - 4, "a message is too long");
        if (link->in_bytes - at - 4 < size_bytes)
            break;
        giro_node_message(replica->node, now_ns, wall_ns, (uint16_t)peer, link->in + at + 4,
                          size_bytes);
        at += 4 + size_bytes;
    }
    memmove(link->in, link->in + at, link->in_bytes - at);
    link->in_bytes -= at;
}

static uint32_t body_frames_max(const struct replica *replica)
{
    const uint32_t wanted = replica->options->group->options.frames_per_batch_max;
    return wanted != 0 ? wanted : GIRO_BATCH_FRAMES_MAX;
}

static bool body_has_room(const struct replica *replica)
{
    return replica->body_frames < body_frames_max(replica) &&
           replica->body_bytes + GROUP_FRAME_BYTES_MAX + 8 <= BODY_BYTES;
}

static void frame_take(struct replica *replica, const uint8_t *bytes, uint32_t size_bytes)
{
    struct giro_frame frame;
    if (giro_frame_decode(bytes, size_bytes, replica->chain_prefix, &frame) != GIRO_REJECT_NONE)
        return;
    uint8_t *at = replica->body + replica->body_bytes;
    const uint32_t padded_bytes = (size_bytes + 3u) & ~3u;
    memcpy(at, &size_bytes, 4);
    memcpy(at + 4, bytes, size_bytes);
    memset(at + 4 + size_bytes, 0, padded_bytes - size_bytes);
    if (replica->body_frames == 0)
        replica->body_since_ns = clock_ns(CLOCK_MONOTONIC);
    replica->body_bytes += 4 + padded_bytes;
    replica->body_frames++;
    replica->body_records += frame.header.record_count;
}

/* Takes one burst; true if there may be more. Datagrams stay in the socket while the batch is full: back-pressure. */
static bool udp_read(struct replica *replica)
{
    struct mmsghdr messages[UDP_BURST];
    struct iovec parts[UDP_BURST];
    struct sockaddr_in from[UDP_BURST];
    uint32_t room = 0;
    memset(messages, 0, sizeof(messages));
    for (; room < UDP_BURST; room++) {
        if (replica->body_bytes + (room + 1) * (GROUP_FRAME_BYTES_MAX + 8) > BODY_BYTES ||
            replica->body_frames + room == body_frames_max(replica))
            break;
        parts[room] = (struct iovec){replica->datagrams[room], GROUP_FRAME_BYTES_MAX};
        messages[room].msg_hdr = (struct msghdr){.msg_name = &from[room],
                                                 .msg_namelen = sizeof(from[room]),
                                                 .msg_iov = &parts[room],
                                                 .msg_iovlen = 1};
    }
    if (room == 0)
        return false;
    int count = recvmmsg(replica->options->udp, messages, room, MSG_DONTWAIT, NULL);
    for (int i = 0; i < count; i++)
        frame_take(replica, replica->datagrams[i], messages[i].msg_len);
    if (count > 0) {
        replica->client = from[count - 1];
        replica->client_known = true;
    }
    return count == (int)UDP_BURST;
}

/* ---- Out ---- */

/* True if a batch was cut. */
static bool body_cut(struct replica *replica, uint64_t now_ns, uint64_t wall_ns)
{
    if (replica->body_frames == 0 || giro_node_room(replica->node) == 0)
        return false;
    if (giro_node_own_in_flight(replica->node) > 0 && body_has_room(replica) &&
        now_ns < replica->body_since_ns + BATCH_WAIT_NS)
        return false;
    if (giro_node_submit(replica->node, now_ns, wall_ns, replica->body, replica->body_bytes,
                         replica->body_frames, replica->body_records) != GIRO_ERR_OK)
        return false;
    replica->body_bytes = replica->body_frames = replica->body_records = 0;
    return true;
}

static void links_write(struct replica *replica)
{
    for (uint32_t i = 0; i < replica->options->group->options.replica_count; i++) {
        struct link *link = &replica->links[i];
        while (i != replica->options->self && link->fd >= 0 && link->out_first < link->out_last) {
            ssize_t put = send(link->fd, link->out + link->out_first,
                               link->out_last - link->out_first, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (put < 0 && (errno == EAGAIN || errno == EINTR))
                break;
            if (put < 0)
                link_close(link);
            else
                link->out_first += (uint32_t)put;
        }
    }
}

static void replies_send(struct replica *replica)
{
    struct mmsghdr messages[UDP_BURST];
    struct iovec parts[UDP_BURST];
    while (replica->client_known && replica->reply_first < replica->reply_last) {
        uint32_t count = 0;
        memset(messages, 0, sizeof(messages));
        for (uint64_t at = replica->reply_first; at < replica->reply_last && count < UDP_BURST;
             at++) {
            struct reply *reply = &replica->replies[at % REPLIES_MAX];
            if (reply->height > replica->certified_height)
                break;
            parts[count] = (struct iovec){reply, sizeof(*reply)};
            messages[count].msg_hdr = (struct msghdr){.msg_name = &replica->client,
                                                      .msg_namelen = sizeof(replica->client),
                                                      .msg_iov = &parts[count],
                                                      .msg_iovlen = 1};
            count++;
        }
        if (count == 0)
            return;
        int sent = sendmmsg(replica->options->udp, messages, count, MSG_DONTWAIT);
        if (sent <= 0)
            return;
        replica->reply_first += (uint32_t)sent;
    }
}

/* ---- The loop ---- */

static bool out_waits(const struct link *link)
{
    return link->out_first < link->out_last;
}

static void wait(struct replica *replica, uint64_t now_ns, struct pollfd *fds)
{
    const uint32_t count = replica->options->group->options.replica_count;
    uint64_t next_ns = giro_node_next_ns(replica->node);
    if (replica->body_frames > 0 && giro_node_room(replica->node) > 0 &&
        replica->body_since_ns + BATCH_WAIT_NS < next_ns)
        next_ns = replica->body_since_ns + BATCH_WAIT_NS;
    for (uint32_t i = 0; i < count; i++) {
        const struct link *link = &replica->links[i];
        const bool live = i != replica->options->self && link->fd >= 0;
        fds[i] = (struct pollfd){.fd = live ? link->fd : -1,
                                 .events = out_waits(link) ? POLLIN | POLLOUT : POLLIN};
    }
    fds[count] = (struct pollfd){.fd = body_has_room(replica) ? replica->options->udp : -1,
                                 .events = POLLIN};
    fds[count + 1] = (struct pollfd){.fd = replica->disk_fd, .events = POLLIN};
    struct timespec timeout = {0};
    if (next_ns > now_ns) {
        const uint64_t left_ns =
            next_ns - now_ns < GIRO_NS_PER_S ? next_ns - now_ns : GIRO_NS_PER_S;
        timeout = (struct timespec){.tv_sec = (time_t)(left_ns / GIRO_NS_PER_S),
                                    .tv_nsec = (long)(left_ns % GIRO_NS_PER_S)};
    }
    ppoll(fds, count + 2, &timeout, NULL);
}

static void view_write(struct replica *replica)
{
    struct giro_consensus_status status;
    giro_node_status(replica->node, &status);
    replica->view->round = status.round;
    replica->view->committed_height = status.committed_height;
    replica->view->certified_height = status.certified_height;
}

static void turn(struct replica *replica, const struct pollfd *fds)
{
    const uint32_t count = replica->options->group->options.replica_count;
    for (uint32_t i = 0; i < count; i++) {
        if (fds[i].fd >= 0 && fds[i].revents != 0)
            link_read(replica, i);
    }
    const uint64_t now_ns = clock_ns(CLOCK_MONOTONIC), wall_ns = clock_ns(CLOCK_REALTIME);
    for (uint32_t i = 0; fds[count].revents != 0 && i < BURSTS_PER_TURN; i++) {
        const bool more = udp_read(replica);
        if (!body_cut(replica, now_ns, wall_ns) && !more)
            break;
    }
    body_cut(replica, now_ns, wall_ns);
    links_write(replica); /* others begin while this one hands its writes to the disk */
    do {
        giro_bench_must(giro_node_poll(replica->node, now_ns, wall_ns) == GIRO_ERR_OK,
                        "a replica stopped");
    } while (replica->disk_fd < 0 && giro_memory_disk_waits(&replica->disk));
    links_write(replica);
    replies_send(replica);
    view_write(replica);
}

_Noreturn void giro_group_replica(const struct group_replica_options *options)
{
    struct replica *replica = giro_bench_pages(sizeof(*replica));
    struct pollfd fds[GROUP_REPLICAS_MAX + 2];
    memset(fds, 0, sizeof(fds));
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    replica->options = options;
    replica->view = &options->group->views[options->self];
    memcpy(&replica->chain_prefix, &options->group->chain_id, sizeof(replica->chain_prefix));
    replica->body = giro_bench_pages(GIRO_BATCH_BYTES_MAX);
    replica->replies = giro_bench_pages(REPLIES_MAX * sizeof(struct reply));
    replica->datagrams = giro_bench_pages(UDP_BURST * sizeof(replica->datagrams[0]));
    links_make(replica);
    disk_make(replica);
    node_make(replica);
    replica->view->started = 1;
    for (;;) {
        turn(replica, fds);
        wait(replica, clock_ns(CLOCK_MONOTONIC), fds);
    }
}
