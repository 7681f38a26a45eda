#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "member/histogram.h"
#include "member/sender.h"

#define RESEND_FIRST_NS 200000000ull
#define RESEND_LAST_NS  2000000000ull
#define SCAN_NS         10000000ull  /* how often waiting frames are looked at */
#define PROGRESS_NS     250000000ull /* how often progress is told */
#define DURABLE_WAIT_NS                                                                            \
    500000000ull /* T bounds how long to wait for an outcome; asking earlier costs little */
#define LOOK_AHEAD 8192u
#define BURST      32u
#define CHANNEL_SLOTS                                                                              \
    ((GIRO_MEMBERS_MAX + 1u) * GIRO_CHANNELS_MAX) /* the operator takes the last member's place */

enum frame_state { FRAME_UNSENT, FRAME_SENT, FRAME_DURABLE, FRAME_DONE };

struct flight {
    struct giro_hash hash;
    uint64_t sequence;
    uint64_t first_sent_ns; /* monotonic */
    uint64_t due_ns;        /* monotonic: resend then */
    uint64_t wait_ns;       /* doubles with each resend */
    uint64_t next_in_channel;
    uint32_t channel_slot;
    uint16_t record_count;
    uint8_t state;
    uint8_t resends;
    bool was_durable; /* counted once, also if it was not consumed and sent again */
};

/* The frames of one channel, in spool order. */
struct channel {
    uint64_t head; /* first frame not sent yet, NONE64 when all are */
    uint64_t tail;
    uint64_t *frames; /* indices by position; sequences ascend */
    uint64_t count, outstanding;
};
#define NONE64 UINT64_MAX

struct sender {
    const struct giro_sender_options *options;
    struct giro_sender_stats *stats;
    struct giro_diagnosis *diagnosis;
    struct giro_clock clock;
    int fd;
    struct sockaddr_in replicas[GIRO_REPLICAS_MAX];
    struct flight *flights;
    struct channel *channels;
    uint32_t *active; /* channel slots with frames */
    uint32_t active_count;
    uint64_t cursor;   /* no unsent frame before it */
    uint64_t *waiting; /* frames sent and not done */
    uint64_t waiting_count, done_count, unsent_count;
    uint64_t started_ns, last_scan_ns, last_progress_ns;
    uint32_t f;
    uint8_t message[GIRO_FRAME_MESSAGE_BYTES_MAX];
};

static uint64_t mono(const struct sender *sender)
{
    return sender->clock.mono_ns(sender->clock.self);
}

/* ---- Preparing ------------------------------------------------------------------------------------------ */

static uint32_t slot_of(uint16_t member, uint16_t channel)
{
    uint32_t place = member == GIRO_MEMBER_OPERATOR ? GIRO_MEMBERS_MAX : member;
    return place * GIRO_CHANNELS_MAX + channel;
}

static bool index_channels(struct sender *sender)
{
    const struct giro_spool *spool = sender->options->spool;
    for (uint64_t i = 0; i < spool->frame_count; i++) {
        struct giro_frame frame;
        enum giro_reject reject = giro_frame_decode(spool->frames[i], spool->frame_bytes[i],
                                                    sender->options->genesis->chain_prefix, &frame);
        bool known =
            frame.header.member < GIRO_MEMBERS_MAX || frame.header.member == GIRO_MEMBER_OPERATOR;
        if (reject != GIRO_REJECT_NONE || !known)
            return false;
        struct flight *flight = &sender->flights[i];
        flight->sequence = frame.header.sequence;
        flight->record_count = frame.header.record_count;
        flight->channel_slot = slot_of(frame.header.member, frame.header.channel);
        size_t size =
            giro_frame_message(&frame, &sender->options->genesis->chain_id, sender->message);
        flight->hash = giro_sha256(sender->message, size);
        flight->next_in_channel = NONE64;
        struct channel *channel = &sender->channels[flight->channel_slot];
        if (channel->count++ == 0) {
            sender->active[sender->active_count++] = flight->channel_slot;
            channel->head = i;
        } else {
            struct flight *previous = &sender->flights[channel->tail];
            if (previous->sequence >= flight->sequence)
                return false;
            previous->next_in_channel = i;
        }
        channel->tail = i;
    }
    return true;
}

static bool index_positions(struct sender *sender)
{
    for (uint32_t a = 0; a < sender->active_count; a++) {
        struct channel *channel = &sender->channels[sender->active[a]];
        channel->frames = malloc(channel->count * sizeof(*channel->frames));
        if (channel->frames == NULL)
            return false;
        uint64_t at = 0;
        for (uint64_t i = channel->head; i != NONE64; i = sender->flights[i].next_in_channel)
            channel->frames[at++] = i;
    }
    return true;
}

static enum giro_err resolve(struct sender *sender)
{
    const struct giro_sender_options *options = sender->options;
    for (uint32_t i = 0; i < options->replica_count; i++) {
        struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_DGRAM};
        struct addrinfo *found = NULL;
        int error = getaddrinfo(options->replicas[i].host, NULL, &hints, &found);
        if (error != 0) {
            giro_diagnosis_set(sender->diagnosis, gai_strerror(error),
                               "name the replicas' ports as address:port",
                               "replica \"%s\" is unknown", options->replicas[i].host);
            return GIRO_ERR_NETWORK;
        }
        memcpy(&sender->replicas[i], found->ai_addr, sizeof(sender->replicas[i]));
        sender->replicas[i].sin_port = htons(options->replicas[i].port);
        freeaddrinfo(found);
    }
    sender->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (sender->fd < 0)
        return GIRO_ERR_NETWORK;
    int bytes = 8 << 20; /* as much as the kernel allows */
    setsockopt(sender->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    setsockopt(sender->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    return GIRO_ERR_OK;
}

/* ---- Sending ------------------------------------------------------------------------------------------------ */

static uint32_t home_of(const struct sender *sender, const struct flight *flight)
{
    uint32_t member = flight->channel_slot / GIRO_CHANNELS_MAX;
    return sender->options->any_replica_first ? member % sender->options->replica_count : 0;
}

static bool send_frame(struct sender *sender, uint64_t index, uint32_t replica)
{
    const struct giro_spool *spool = sender->options->spool;
    ssize_t sent = sendto(sender->fd, spool->frames[index], spool->frame_bytes[index], 0,
                          (const struct sockaddr *)&sender->replicas[replica],
                          sizeof(sender->replicas[replica]));
    /* A refused or unreachable port is a dead replica: the frame goes to others when its time comes. */
    return sent >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != ENOBUFS);
}

static bool may_send(const struct sender *sender, uint64_t now_ns)
{
    const struct giro_sender_options *options = sender->options;
    if (sender->unsent_count == 0 || sender->waiting_count >= options->outstanding_total)
        return false;
    uint64_t elapsed = now_ns - sender->started_ns;
    if (options->send_for_ns != 0 && elapsed > options->send_for_ns)
        return false;
    if (options->frames_per_second == 0)
        return true;
    return sender->stats->frames_sent <=
           (uint64_t)((unsigned __int128)elapsed * options->frames_per_second / GIRO_NS_PER_S);
}

/* The next frame in spool order whose channel has room, looking a bounded way past full channels; NONE64 if none. */
static uint64_t next_frame(struct sender *sender)
{
    uint64_t count = sender->options->spool->frame_count;
    while (sender->cursor < count && sender->flights[sender->cursor].state != FRAME_UNSENT)
        sender->cursor++;
    for (uint64_t i = sender->cursor; i < count && i < sender->cursor + LOOK_AHEAD; i++) {
        const struct channel *channel = &sender->channels[sender->flights[i].channel_slot];
        if (sender->flights[i].state == FRAME_UNSENT && channel->head == i &&
            channel->outstanding < sender->options->outstanding_max)
            return i;
    }
    return NONE64;
}

/* Sends one more frame; false if none may go now. */
static bool send_next(struct sender *sender, uint64_t now_ns)
{
    uint64_t index = next_frame(sender);
    if (index == NONE64)
        return false;
    struct flight *flight = &sender->flights[index];
    struct channel *channel = &sender->channels[flight->channel_slot];
    if (!send_frame(sender, index, home_of(sender, flight)))
        return false;
    channel->head = flight->next_in_channel;
    channel->outstanding++;
    flight->state = FRAME_SENT;
    flight->first_sent_ns = now_ns;
    flight->wait_ns = RESEND_FIRST_NS;
    flight->due_ns = now_ns + flight->wait_ns;
    sender->waiting[sender->waiting_count++] = index;
    sender->unsent_count--;
    sender->stats->frames_sent++;
    return true;
}

/* The same bytes to f + 1 others, walking on with every resend. */
static void resend(struct sender *sender, uint64_t index, uint64_t now_ns)
{
    struct flight *flight = &sender->flights[index];
    uint32_t count = sender->options->replica_count;
    uint32_t from = home_of(sender, flight) + 1 + flight->resends;
    for (uint32_t i = 0; i <= sender->f; i++)
        send_frame(sender, index, (from + i) % count);
    flight->resends++;
    flight->wait_ns = flight->wait_ns * 2 > RESEND_LAST_NS ? RESEND_LAST_NS : flight->wait_ns * 2;
    flight->due_ns = now_ns + flight->wait_ns;
    sender->stats->frames_resent++;
}

static void scan_waiting(struct sender *sender, uint64_t now_ns)
{
    if (now_ns < sender->last_scan_ns + SCAN_NS)
        return;
    sender->last_scan_ns = now_ns;
    for (uint64_t i = 0; i < sender->waiting_count;) {
        uint64_t index = sender->waiting[i];
        struct flight *flight = &sender->flights[index];
        if (flight->state == FRAME_DONE) {
            sender->waiting[i] = sender->waiting[--sender->waiting_count];
            continue;
        }
        if (now_ns >= flight->due_ns)
            resend(sender, index, now_ns);
        i++;
    }
}

/* ---- Receipts -------------------------------------------------------------------------------------------------- */

static uint64_t frame_by_key(const struct sender *sender, uint16_t member, uint16_t channel_number,
                             uint64_t sequence)
{
    if (channel_number >= GIRO_CHANNELS_MAX ||
        (member >= GIRO_MEMBERS_MAX && member != GIRO_MEMBER_OPERATOR))
        return NONE64;
    const struct channel *channel = &sender->channels[slot_of(member, channel_number)];
    uint64_t low = 0, high = channel->count;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        uint64_t at = sender->flights[channel->frames[middle]].sequence;
        if (at == sequence)
            return channel->frames[middle];
        if (at < sequence)
            low = middle + 1;
        else
            high = middle;
    }
    return NONE64;
}

static void frame_done(struct sender *sender, uint64_t index, const struct giro_receipt_item *item,
                       const uint8_t *runs, uint64_t now_ns)
{
    struct flight *flight = &sender->flights[index];
    struct giro_sender_stats *stats = sender->stats;
    flight->state = FRAME_DONE;
    sender->channels[flight->channel_slot].outstanding--;
    sender->done_count++;
    stats->by_outcome[item->outcome < 8 ? item->outcome : 0]++;
    bool settled =
        item->outcome == GIRO_OUTCOME_EXECUTED || item->outcome == GIRO_OUTCOME_DUPLICATE;
    if (settled)
        stats->frames_certified++;
    else
        stats->frames_failed++;
    giro_histogram_add(stats->certified_us, now_ns - flight->first_sent_ns);
    for (uint32_t i = 0; i < item->run_count; i++) {
        struct giro_receipt_run run;
        memcpy(&run, runs + i * sizeof(run), sizeof(run));
        stats->records_certified += run.count;
        stats->by_status[run.result.status < 10 ? run.result.status : 0] += run.count;
        if (run.result.status == GIRO_STATUS_RJCT)
            stats->by_reason[run.result.reason < 32 ? run.result.reason : 0] += run.count;
    }
    stats->elapsed_ns = now_ns - sender->started_ns;
    if (sender->options->certified != NULL)
        sender->options->certified(sender->options->context, index, item, runs);
}

/* A receipt tells the results of all records or of none. */
static bool runs_fit(const struct flight *flight, const struct giro_receipt_item *item,
                     const uint8_t *runs)
{
    uint32_t records = 0;
    for (uint32_t i = 0; i < item->run_count; i++) {
        struct giro_receipt_run run;
        memcpy(&run, runs + i * sizeof(run), sizeof(run));
        records += run.count;
    }
    return item->run_count == 0 || records == flight->record_count;
}

static void on_durable(struct sender *sender, struct flight *flight,
                       const struct giro_receipt_item *item, uint64_t now_ns)
{
    /* Ordered by block time T or dead after it. Block time follows the wall clock. */
    uint64_t wall_ns = sender->clock.wall_ns(sender->clock.self);
    uint64_t left_ns = item->height > wall_ns ? item->height - wall_ns : 0;
    flight->state = FRAME_DURABLE;
    flight->due_ns = now_ns + (left_ns < DURABLE_WAIT_NS ? left_ns : DURABLE_WAIT_NS);
    if (flight->was_durable)
        return;
    flight->was_durable = true;
    sender->stats->frames_durable++;
    giro_histogram_add(sender->stats->durable_us, now_ns - flight->first_sent_ns);
}

static void on_item(struct sender *sender, uint16_t member, const struct giro_receipt_item *item,
                    const uint8_t *runs, uint64_t now_ns)
{
    uint64_t index = frame_by_key(sender, member, item->channel, item->sequence);
    struct flight *flight = index == NONE64 ? NULL : &sender->flights[index];
    if (flight == NULL || flight->state == FRAME_DONE || flight->state == FRAME_UNSENT ||
        !giro_hash_equal(&flight->hash, &item->frame_hash) || !runs_fit(flight, item, runs)) {
        sender->stats->receipts_ignored++;
        return;
    }
    if (item->level == GIRO_LEVEL_CERTIFIED && item->outcome == GIRO_OUTCOME_NOT_CONSUMED) {
        flight->state = FRAME_SENT;
        flight->due_ns = now_ns + flight->wait_ns;
    } else if (item->level == GIRO_LEVEL_CERTIFIED) {
        frame_done(sender, index, item, runs, now_ns);
    } else if (item->level == GIRO_LEVEL_DURABLE && flight->state == FRAME_SENT) {
        on_durable(sender, flight, item, now_ns);
    }
}

static void on_datagram(struct sender *sender, const uint8_t *bytes, size_t size_bytes)
{
    struct giro_reader reader;
    struct giro_receipt_header header;
    giro_reader_init(&reader, bytes, size_bytes);
    if (giro_receipt_decode(&reader, sender->options->genesis->chain_prefix, &header) !=
        GIRO_REJECT_NONE) {
        sender->stats->receipts_malformed++;
        return;
    }
    uint64_t now_ns = mono(sender);
    for (uint32_t i = 0; i < header.item_count; i++) {
        struct giro_receipt_item item;
        const uint8_t *runs = NULL;
        if (giro_receipt_next(&reader, &item, &runs) != GIRO_REJECT_NONE) {
            sender->stats->receipts_malformed++;
            return;
        }
        on_item(sender, header.member, &item, runs, now_ns);
    }
}

static uint32_t receive(struct sender *sender)
{
    static uint8_t buffers[BURST][GIRO_FRAME_BYTES_MAX];
    struct mmsghdr messages[BURST];
    struct iovec parts[BURST];
    memset(messages, 0, sizeof(messages));
    for (uint32_t i = 0; i < BURST; i++) {
        parts[i] = (struct iovec){buffers[i], sizeof(buffers[i])};
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    int count = recvmmsg(sender->fd, messages, BURST, MSG_DONTWAIT, NULL);
    for (int i = 0; i < count; i++)
        on_datagram(sender, buffers[i], messages[i].msg_len);
    return count > 0 ? (uint32_t)count : 0;
}

/* ---- The loop --------------------------------------------------------------------------------------------------- */

static bool finished(const struct sender *sender, uint64_t now_ns)
{
    uint64_t send_for = sender->options->send_for_ns;
    bool no_more =
        sender->unsent_count == 0 || (send_for != 0 && now_ns - sender->started_ns > send_for);
    uint64_t sent = sender->options->spool->frame_count - sender->unsent_count;
    return no_more && sender->done_count == sent;
}

static enum giro_err run(struct sender *sender)
{
    const struct giro_sender_options *options = sender->options;
    for (;;) {
        uint64_t now_ns = mono(sender);
        uint32_t work = receive(sender);
        scan_waiting(sender, now_ns);
        for (uint32_t i = 0; i < BURST && may_send(sender, now_ns); i++) {
            if (!send_next(sender, now_ns))
                break;
            work++;
        }
        if (now_ns >= sender->last_progress_ns + PROGRESS_NS) {
            sender->last_progress_ns = now_ns;
            sender->stats->elapsed_ns = now_ns - sender->started_ns;
            if (options->progress != NULL && !options->progress(options->context, sender->stats))
                return GIRO_ERR_INTERRUPTED;
        }
        if (finished(sender, now_ns))
            return GIRO_ERR_OK;
        if (options->stop_after_ns != 0 && now_ns - sender->started_ns > options->stop_after_ns)
            return GIRO_ERR_TIMEOUT;
        if (work == 0) {
            struct pollfd wait = {.fd = sender->fd, .events = POLLIN};
            (void)poll(&wait, 1, 1); /* woken early or not: the next turn looks */
        }
    }
}

static enum giro_err prepare(struct sender *sender)
{
    uint64_t count = sender->options->spool->frame_count;
    sender->flights = calloc(count + 1, sizeof(*sender->flights));
    sender->channels = calloc(CHANNEL_SLOTS, sizeof(*sender->channels));
    sender->active = calloc(CHANNEL_SLOTS, sizeof(*sender->active));
    sender->waiting = calloc(count + 1, sizeof(*sender->waiting));
    if (sender->flights == NULL || sender->channels == NULL || sender->active == NULL ||
        sender->waiting == NULL)
        return GIRO_ERR_NOMEM;
    for (uint32_t i = 0; i < CHANNEL_SLOTS; i++)
        sender->channels[i].head = NONE64;
    sender->unsent_count = count;
    sender->f = (sender->options->replica_count - 1) / 3;
    if (!index_channels(sender)) {
        giro_diagnosis_set(sender->diagnosis, "frames of a channel must be in sequence order",
                           giro_err_advice(GIRO_ERR_FORMAT), "the spool cannot be sent");
        return GIRO_ERR_FORMAT;
    }
    if (!index_positions(sender))
        return GIRO_ERR_NOMEM;
    return resolve(sender);
}

enum giro_err giro_sender_run(const struct giro_sender_options *options,
                              struct giro_sender_stats *stats, uint64_t *unfinished,
                              struct giro_diagnosis *diagnosis)
{
    GIRO_ASSERT(options->replica_count >= 1 && options->replica_count <= GIRO_REPLICAS_MAX);
    memset(stats, 0, sizeof(*stats));
    *unfinished = options->spool->frame_count;
    struct sender *sender = calloc(1, sizeof(*sender));
    if (sender == NULL)
        return GIRO_ERR_NOMEM;
    sender->options = options;
    sender->stats = stats;
    sender->diagnosis = diagnosis;
    sender->clock = giro_clock_system();
    sender->fd = -1;
    enum giro_err err = prepare(sender);
    if (err == GIRO_ERR_OK) {
        sender->started_ns = mono(sender);
        err = run(sender);
    }
    *unfinished = options->spool->frame_count - sender->unsent_count - sender->done_count;
    if (options->send_for_ns == 0)
        *unfinished += sender->unsent_count;
    for (uint32_t a = 0; a < sender->active_count; a++) {
        const struct channel *channel = &sender->channels[sender->active[a]];
        if (options->unsent != NULL && channel->head != NONE64)
            options->unsent(options->context, channel->head);
        free(channel->frames);
    }
    free(sender->flights);
    free(sender->channels);
    free(sender->active);
    free(sender->waiting);
    if (sender->fd >= 0)
        close(sender->fd);
    free(sender);
    return err;
}
