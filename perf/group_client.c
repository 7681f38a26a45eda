/* The client: `outstanding` frames unanswered at each replica, each sent again when no answer came in a second. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "perf/bench.h"
#include "perf/group.h"

#define BURST        64u
#define RING         (1u << 16) /* sequences that may be under way at one replica */
#define RESEND_NS    GIRO_NS_PER_S
#define SCAN_NS      (GIRO_NS_PER_S / 10)
#define LATENCY_ROOM (1u << 20)
#define GIVE_UP_NS   (60 * GIRO_NS_PER_S)

struct answer {
    uint64_t height, sequence;
};
/* What is under way at one replica; sequences [first, next) may be unanswered. */
struct stream {
    int fd; /* -1: not used */
    uint32_t under_way;
    uint64_t first, next;
    uint64_t sent_ns[RING]; /* of a sequence modulo RING; 0 = answered */
    uint64_t born_ns[RING];
};
struct client {
    const struct group *group;
    const struct group_load *load;
    uint32_t frame_bytes, record_count;
    uint64_t chain_prefix;
    struct stream *streams;
    double *latencies;
    uint32_t latency_count;
    uint64_t answers;                                /* in all */
    uint64_t frames, resent, gap_ns, last_answer_ns; /* while measuring */
    bool measuring;
    uint8_t (*datagrams)[GROUP_FRAME_BYTES_MAX];
};

/* Commands differ in their first bytes; a frame's signature is not checked here and stays zero. */
static void frame_write(const struct client *client, uint32_t replica, uint64_t sequence,
                        uint8_t *out)
{
    const struct giro_frame_header header = {.head = giro_head_make(GIRO_KIND_FRAME),
                                             .chain_prefix = client->chain_prefix,
                                             .member = (uint16_t)replica,
                                             .key_id = 0,
                                             .record_count = (uint16_t)client->record_count,
                                             .sequence = sequence};
    memcpy(out, &header, sizeof(header));
    for (uint32_t i = 0; i < client->load->commands; i++) {
        const uint64_t name[2] = {sequence * GROUP_COMMANDS_MAX + i, replica};
        memcpy(out + sizeof(header) + i * GROUP_COMMAND_BYTES, name, sizeof(name));
    }
}

static uint32_t burst_send(struct client *client, uint32_t replica, const uint64_t *sequences,
                           uint32_t count, uint64_t now_ns)
{
    struct stream *stream = &client->streams[replica];
    struct mmsghdr messages[BURST];
    struct iovec parts[BURST];
    memset(messages, 0, sizeof(messages));
    for (uint32_t i = 0; i < count; i++) {
        frame_write(client, replica, sequences[i], client->datagrams[i]);
        parts[i] = (struct iovec){client->datagrams[i], client->frame_bytes};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
    }
    int sent = sendmmsg(stream->fd, messages, count, MSG_DONTWAIT);
    for (uint32_t i = 0; i < count && (int)i < sent; i++)
        stream->sent_ns[sequences[i] % RING] = now_ns;
    return sent > 0 ? (uint32_t)sent : 0;
}

static bool fill(struct client *client, uint32_t replica, uint64_t now_ns)
{
    struct stream *stream = &client->streams[replica];
    uint64_t sequences[BURST] = {0};
    uint32_t count = 0;
    while (count < BURST && stream->under_way + count < client->load->outstanding &&
           stream->next + count - stream->first < RING) {
        sequences[count] = stream->next + count;
        count++;
    }
    if (count == 0)
        return false;
    const uint32_t sent = burst_send(client, replica, sequences, count, now_ns);
    for (uint32_t i = 0; i < sent; i++)
        stream->born_ns[sequences[i] % RING] = now_ns;
    stream->next += sent;
    stream->under_way += sent;
    return sent == BURST;
}

static void answered(struct client *client, struct stream *stream, uint64_t sequence,
                     uint64_t now_ns)
{
    if (sequence < stream->first || sequence >= stream->next ||
        stream->sent_ns[sequence % RING] == 0)
        return; /* an answer to a frame that was sent twice */
    stream->sent_ns[sequence % RING] = 0;
    stream->under_way--;
    while (stream->first < stream->next && stream->sent_ns[stream->first % RING] == 0)
        stream->first++;
    client->answers++;
    if (!client->measuring)
        return;
    client->frames++;
    if (now_ns - client->last_answer_ns > client->gap_ns)
        client->gap_ns = now_ns - client->last_answer_ns;
    client->last_answer_ns = now_ns;
    if (client->latency_count < LATENCY_ROOM)
        client->latencies[client->latency_count++] =
            (double)(now_ns - stream->born_ns[sequence % RING]);
}

static bool drain(struct client *client, uint32_t replica, uint64_t now_ns)
{
    struct answer answers[BURST];
    struct mmsghdr messages[BURST];
    struct iovec parts[BURST];
    memset(messages, 0, sizeof(messages));
    for (uint32_t i = 0; i < BURST; i++) {
        parts[i] = (struct iovec){&answers[i], sizeof(answers[i])};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
    }
    int count = recvmmsg(client->streams[replica].fd, messages, BURST, MSG_DONTWAIT, NULL);
    for (int i = 0; i < count; i++) {
        if (messages[i].msg_len == sizeof(answers[i]))
            answered(client, &client->streams[replica], answers[i].sequence, now_ns);
    }
    return count == (int)BURST;
}

static void resend(struct client *client, uint32_t replica, uint64_t now_ns)
{
    struct stream *stream = &client->streams[replica];
    uint64_t sequences[BURST] = {0};
    uint32_t count = 0;
    for (uint64_t at = stream->first; at < stream->next && count < BURST; at++) {
        const uint64_t sent_ns = stream->sent_ns[at % RING];
        if (sent_ns != 0 && now_ns - sent_ns > RESEND_NS)
            sequences[count++] = at;
    }
    if (count > 0)
        client->resent += burst_send(client, replica, sequences, count, now_ns);
}

static void streams_open(struct client *client)
{
    const struct group *group = client->group;
    for (uint32_t i = 0; i < group->options.replica_count; i++) {
        struct stream *stream = &client->streams[i];
        stream->fd = -1;
        if (client->load->replica_mask != 0 && (client->load->replica_mask >> i & 1) == 0)
            continue;
        const struct sockaddr_in to = {.sin_family = AF_INET,
                                       .sin_port = htons(group->ports[i]),
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        const int size = 4 << 20;
        stream->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        giro_bench_must(stream->fd >= 0 &&
                            connect(stream->fd, (const struct sockaddr *)&to, sizeof(to)) == 0,
                        "no UDP socket");
        if (setsockopt(stream->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0)
            setsockopt(stream->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    }
}

/* For so long, and until an answer came: how fast the machine is decides what is measured, not whether. */
static void run_for(struct client *client, uint64_t span_ns)
{
    const uint32_t count = client->group->options.replica_count;
    uint64_t now_ns = giro_bench_now_ns(), scan_ns = now_ns + SCAN_NS;
    const uint64_t end_ns = now_ns + span_ns, give_up_ns = end_ns + GIVE_UP_NS;
    const uint64_t answers = client->answers;
    while (now_ns < end_ns || (client->answers == answers && now_ns < give_up_ns)) {
        struct pollfd fds[GROUP_REPLICAS_MAX];
        bool more = false;
        for (uint32_t i = 0; i < count; i++) {
            fds[i] = (struct pollfd){.fd = client->streams[i].fd, .events = POLLIN};
            if (fds[i].fd >= 0 && fill(client, i, now_ns))
                more = true;
        }
        poll(fds, count, more ? 0 : 1);
        now_ns = giro_bench_now_ns();
        for (uint32_t i = 0; i < count; i++) {
            while (fds[i].fd >= 0 && fds[i].revents != 0 && drain(client, i, now_ns))
                continue;
        }
        if (now_ns < scan_ns)
            continue;
        scan_ns = now_ns + SCAN_NS;
        for (uint32_t i = 0; i < count; i++) {
            if (fds[i].fd >= 0)
                resend(client, i, now_ns);
        }
        if (client->load->tick != NULL)
            client->load->tick(client->load->context, now_ns);
    }
}

static void group_sums(const struct group *group, uint64_t *cpu_ns, uint64_t *height,
                       uint64_t *references)
{
    *cpu_ns = *height = *references = 0;
    for (uint32_t i = 0; i < group->options.replica_count; i++) {
        const struct group_view *view = &group->views[i];
        *cpu_ns += giro_group_cpu_ns(group, i);
        *height = view->committed_height > *height ? view->committed_height : *height;
        *references = view->references > *references ? view->references : *references;
    }
}

void giro_group_load(struct group *group, const struct group_load *load,
                     struct group_result *result)
{
    const uint32_t count = group->options.replica_count;
    struct client client = {.group = group, .load = load};
    uint64_t cpu_ns[2], height[2], references[2];
    GIRO_ASSERT(load->commands >= 1 && load->commands <= GROUP_COMMANDS_MAX);
    GIRO_ASSERT(load->outstanding < RING);
    client.record_count = (load->commands + 1) / 2;
    client.frame_bytes =
        (uint32_t)(sizeof(struct giro_frame_header) +
                   client.record_count * sizeof(struct giro_record) + GIRO_SIGNATURE_BYTES);
    memcpy(&client.chain_prefix, &group->chain_id, sizeof(client.chain_prefix));
    client.streams = calloc(count, sizeof(client.streams[0]));
    client.latencies = malloc(LATENCY_ROOM * sizeof(client.latencies[0]));
    client.datagrams = calloc(BURST, sizeof(client.datagrams[0]));
    giro_bench_must(client.streams != NULL && client.latencies != NULL && client.datagrams != NULL,
                    "no memory");
    streams_open(&client);
    run_for(&client, load->warm_ns);
    group_sums(group, &cpu_ns[0], &height[0], &references[0]);
    const uint64_t start_ns = giro_bench_now_ns();
    client.measuring = true;
    client.last_answer_ns = start_ns;
    run_for(&client, load->measure_ns);
    memset(result, 0, sizeof(*result));
    result->elapsed_ns = giro_bench_now_ns() - start_ns;
    group_sums(group, &cpu_ns[1], &height[1], &references[1]);
    result->frames = client.frames;
    result->commands = client.frames * load->commands;
    result->resent = client.resent;
    result->gap_ns = client.gap_ns;
    result->blocks = height[1] - height[0];
    result->references = references[1] - references[0];
    result->p50_ns = giro_bench_quantile(client.latencies, client.latency_count, 500);
    result->p99_ns = giro_bench_quantile(client.latencies, client.latency_count, 990);
    if (result->commands > 0)
        result->cpu_ns_per_command =
            (double)(cpu_ns[1] - cpu_ns[0]) / (double)result->commands / (double)count;
    if (result->blocks > 0)
        result->cpu_ns_per_block = (double)(cpu_ns[1] - cpu_ns[0]) / (double)result->blocks;
    for (uint32_t i = 0; i < count; i++) {
        if (client.streams[i].fd >= 0)
            close(client.streams[i].fd);
    }
    free(client.streams);
    free(client.latencies);
    free(client.datagrams);
}
