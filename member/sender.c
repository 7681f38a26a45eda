/* Streams a spool of any number of members' frames through one courier and one socket. */
#include <poll.h>
#include <sodium.h>
#include <stdlib.h>

#include "member/histogram.h"
#include "member/sender.h"
#include "member/socket.h"

#define PROGRESS_NS 250000000ull /* how often progress is told */
#define LOOK_AHEAD  8192u
#define ADD_BURST   64u
#define CHANNEL_AHEAD                                                                              \
    512u /* of the lowest sequence without outcome: what the hub's window is sure to have free */
#define CHANNEL_SLOTS (GIRO_MEMBERS_MAX * GIRO_CHANNELS_MAX)
#define NONE64        UINT64_MAX
#define WAIT_MS       50 /* so that a caller who wants to stop is asked */

enum frame_state { FRAME_UNSENT, FRAME_SENT, FRAME_DONE };

struct place {
    uint64_t next_in_channel; /* NONE64: the last */
    uint64_t sequence;
    uint64_t added_ns;
    uint32_t channel_slot;
    uint8_t state;
};
/* The frames of one channel, in spool order; sequences ascend. */
struct channel {
    uint64_t head;   /* first frame not sent yet, NONE64 when all are */
    uint64_t oldest; /* first frame without outcome, likewise */
    uint64_t tail;
    uint64_t count, outstanding;
};

struct sender {
    const struct giro_sender_options *options;
    struct giro_sender_stats *stats;
    struct giro_diagnosis *diagnosis;
    struct giro_clock clock;
    struct giro_courier *courier;
    struct giro_socket *socket;
    struct place *places;
    struct channel *channels;
    uint32_t *active; /* channel slots with frames */
    uint32_t active_count;
    uint64_t cursor; /* no unsent frame before it */
    uint64_t done_count, unsent_count;
    uint64_t started_ns, last_progress_ns;
    bool blocked;
    enum giro_err failed;
};

static struct giro_courier_time time_of(const struct sender *sender)
{
    return (struct giro_courier_time){.mono_ns = sender->clock.mono_ns(sender->clock.self),
                                      .wall_ns = sender->clock.wall_ns(sender->clock.self)};
}

/* ---- Preparing ------------------------------------------------------------------------------------------ */

static bool index_channels(struct sender *sender)
{
    const struct giro_spool *spool = sender->options->spool;
    for (uint64_t i = 0; i < spool->frame_count; i++) {
        struct giro_frame_header header;
        memcpy(&header, spool->frames[i], sizeof(header));
        if (header.member >= sender->options->genesis->member_count ||
            header.channel >= GIRO_CHANNELS_MAX)
            return false;
        struct place *place = &sender->places[i];
        place->sequence = header.sequence;
        place->channel_slot = header.member * GIRO_CHANNELS_MAX + header.channel;
        place->next_in_channel = NONE64;
        struct channel *channel = &sender->channels[place->channel_slot];
        if (channel->count++ == 0) {
            sender->active[sender->active_count++] = place->channel_slot;
            channel->head = channel->oldest = i;
        } else {
            struct place *previous = &sender->places[channel->tail];
            if (previous->sequence >= place->sequence)
                return false;
            previous->next_in_channel = i;
        }
        channel->tail = i;
    }
    return true;
}

/* The courier gets the session key of every member that has frames. */
static enum giro_err members_open(struct sender *sender)
{
    const struct giro_genesis *genesis = sender->options->genesis;
    for (uint32_t a = 0; a < sender->active_count; a++) {
        uint16_t member = (uint16_t)(sender->active[a] / GIRO_CHANNELS_MAX);
        struct giro_secret_key *key = NULL;
        GIRO_TRY(giro_key_file_load(sender->options->keys_dir, genesis->members[member].bic,
                                    "session", &key, sender->diagnosis));
        enum giro_err err = giro_courier_member(sender->courier, member, key);
        giro_key_free(key);
        GIRO_TRY(err);
    }
    return GIRO_ERR_OK;
}

static uint32_t datagram_bytes(const struct giro_spool *spool)
{
    uint32_t most = GIRO_FRAME_MTU_BYTES;
    for (uint64_t i = 0; i < spool->frame_count; i++) {
        uint32_t bytes = spool->frame_bytes[i] + GIRO_SESSION_OVERHEAD +
                         (uint32_t)sizeof(struct giro_session_block_head) + 4u;
        most = bytes > most ? bytes : most;
    }
    return most > 9000 ? 9000 : most;
}

/* ---- Outcomes ---------------------------------------------------------------------------------------------- */

static void frame_done(struct sender *sender, uint64_t index, const struct giro_courier_told *told,
                       uint64_t now_ns)
{
    struct place *place = &sender->places[index];
    struct giro_sender_stats *stats = sender->stats;
    const struct giro_receipt_item *item = &told->item;
    struct channel *channel = &sender->channels[place->channel_slot];
    place->state = FRAME_DONE;
    channel->outstanding--;
    while (channel->oldest != NONE64 && sender->places[channel->oldest].state == FRAME_DONE)
        channel->oldest = sender->places[channel->oldest].next_in_channel;
    sender->done_count++;
    stats->by_outcome[item->outcome < 8 ? item->outcome : 0]++;
    bool settled =
        item->outcome == GIRO_OUTCOME_EXECUTED || item->outcome == GIRO_OUTCOME_DUPLICATE;
    if (settled)
        stats->frames_certified++;
    else
        stats->frames_failed++;
    giro_histogram_add(stats->certified_us, now_ns - place->added_ns);
    stats->records_certified += told->result_count;
    for (uint32_t i = 0; i < told->result_count; i++) {
        const struct giro_result *result = &told->results[i];
        stats->by_status[result->status < 10 ? result->status : 0]++;
        if (result->status == GIRO_STATUS_RJCT)
            stats->by_reason[result->reason < 32 ? result->reason : 0]++;
    }
    stats->elapsed_ns = now_ns - sender->started_ns;
    if (sender->options->certified != NULL)
        sender->options->certified(sender->options->context, index,
                                   (enum giro_outcome)item->outcome);
}

static void on_told(void *context, const struct giro_courier_told *told)
{
    struct sender *sender = context;
    if (told->kind == GIRO_TOLD_STATE)
        return;
    uint64_t now_ns = time_of(sender).mono_ns;
    if (told->kind == GIRO_TOLD_DURABLE)
        giro_histogram_add(sender->stats->durable_us, now_ns - sender->places[told->tag].added_ns);
    else if (told->final)
        frame_done(sender, told->tag, told, now_ns);
}

static void on_random(void *context, void *bytes, size_t size_bytes)
{
    (void)context;
    randombytes_buf(bytes, size_bytes);
}

/* ---- Sending ------------------------------------------------------------------------------------------------ */

static bool may_send(const struct sender *sender, uint64_t now_ns)
{
    const struct giro_sender_options *options = sender->options;
    if (sender->unsent_count == 0 ||
        giro_courier_count(sender->courier) >= options->outstanding_total)
        return false;
    uint64_t elapsed = now_ns - sender->started_ns;
    if (options->send_for_ns != 0 && elapsed > options->send_for_ns)
        return false;
    if (options->frames_per_second == 0)
        return true;
    return sender->stats->frames_sent <=
           (uint64_t)((unsigned __int128)elapsed * options->frames_per_second / GIRO_NS_PER_S);
}

static bool channel_has_room(const struct sender *sender, const struct channel *channel,
                             uint64_t index)
{
    return channel->outstanding < sender->options->outstanding_max &&
           sender->places[index].sequence - sender->places[channel->oldest].sequence <
               CHANNEL_AHEAD;
}

/* The next frame in spool order whose channel has room, looking a bounded way past full channels; NONE64 if none. */
static uint64_t next_frame(struct sender *sender)
{
    uint64_t count = sender->options->spool->frame_count;
    while (sender->cursor < count && sender->places[sender->cursor].state != FRAME_UNSENT)
        sender->cursor++;
    for (uint64_t i = sender->cursor; i < count && i < sender->cursor + LOOK_AHEAD; i++) {
        const struct channel *channel = &sender->channels[sender->places[i].channel_slot];
        if (sender->places[i].state == FRAME_UNSENT && channel->head == i &&
            channel_has_room(sender, channel, i))
            return i;
    }
    return NONE64;
}

/* Hands one more frame to the courier; false if none may go now. */
static bool send_next(struct sender *sender, const struct giro_courier_time *time)
{
    const struct giro_spool *spool = sender->options->spool;
    uint64_t index = next_frame(sender);
    if (index == NONE64)
        return false;
    enum giro_err err = giro_courier_add(sender->courier, spool->frames[index],
                                         spool->frame_bytes[index], index, time);
    if (err != GIRO_ERR_OK) {
        sender->failed = err;
        giro_diagnosis_set(sender->diagnosis, giro_err_sentence(err),
                           "a frame has at most 8,900 bytes here, and no two have one sequence",
                           "frame %lu of the spool cannot be sent", (unsigned long)index);
        return false;
    }
    struct place *place = &sender->places[index];
    struct channel *channel = &sender->channels[place->channel_slot];
    channel->head = place->next_in_channel;
    channel->outstanding++;
    place->state = FRAME_SENT;
    place->added_ns = time->mono_ns;
    sender->unsent_count--;
    sender->stats->frames_sent++;
    return true;
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

static void stats_take(struct sender *sender)
{
    const struct giro_courier_stats *courier = giro_courier_stats(sender->courier);
    sender->stats->frames_resent = courier->frames_resent;
    sender->stats->frames_durable = courier->frames_durable;
    sender->stats->receipts_ignored = courier->receipts_ignored;
    sender->stats->receipts_malformed = courier->answers_malformed;
    sender->stats->lies = courier->lies;
    sender->stats->datagrams_sent = courier->datagrams_sent;
    sender->stats->datagrams_lost = courier->datagrams_lost;
}

/* Until something comes, is due, or may be sent. */
static void sleep_until_due(const struct sender *sender, uint64_t now_ns)
{
    struct pollfd wait = {.fd = giro_socket_fd(sender->socket),
                          .events = (short)(POLLIN | (sender->blocked ? POLLOUT : 0))};
    uint64_t due = giro_courier_due(sender->courier);
    uint64_t ns = due > now_ns ? due - now_ns : 0;
    if (sender->options->frames_per_second != 0 && sender->unsent_count > 0)
        ns = ns < GIRO_NS_PER_S / 1000 ? ns : GIRO_NS_PER_S / 1000;
    uint64_t most = WAIT_MS * (GIRO_NS_PER_S / 1000);
    struct timespec span = {.tv_nsec = (long)(ns < most ? ns : most)};
    (void)ppoll(&wait, 1, &span, NULL); /* woken early or not: the next turn looks */
}

static enum giro_err run(struct sender *sender)
{
    const struct giro_sender_options *options = sender->options;
    for (;;) {
        struct giro_courier_time time = time_of(sender);
        uint32_t work = giro_socket_receive(sender->socket, sender->courier, &sender->clock);
        for (uint32_t i = 0; i < ADD_BURST && may_send(sender, time.mono_ns); i++) {
            if (!send_next(sender, &time))
                break;
            work++;
        }
        if (sender->failed != GIRO_ERR_OK)
            return sender->failed;
        work += giro_socket_send(sender->socket, sender->courier, &sender->clock, &sender->blocked);
        if (time.mono_ns >= sender->last_progress_ns + PROGRESS_NS) {
            sender->last_progress_ns = time.mono_ns;
            sender->stats->elapsed_ns = time.mono_ns - sender->started_ns;
            stats_take(sender);
            if (options->progress != NULL && !options->progress(options->context, sender->stats))
                return GIRO_ERR_INTERRUPTED;
        }
        if (finished(sender, time.mono_ns))
            return GIRO_ERR_OK;
        if (options->stop_after_ns != 0 &&
            time.mono_ns - sender->started_ns > options->stop_after_ns)
            return GIRO_ERR_TIMEOUT;
        if (work == 0)
            sleep_until_due(sender, time.mono_ns);
    }
}

static void on_key_log(void *context, const char *line, size_t length)
{
    const struct sender *sender = context;
    sender->options->key_log(sender->options->context, line, length);
}

static enum giro_err prepare(struct sender *sender)
{
    const struct giro_sender_options *options = sender->options;
    uint64_t count = options->spool->frame_count;
    sender->places = calloc(count + 1, sizeof(*sender->places));
    sender->channels = calloc(CHANNEL_SLOTS, sizeof(*sender->channels));
    sender->active = calloc(CHANNEL_SLOTS, sizeof(*sender->active));
    if (sender->places == NULL || sender->channels == NULL || sender->active == NULL)
        return GIRO_ERR_NOMEM;
    for (uint32_t i = 0; i < CHANNEL_SLOTS; i++)
        sender->channels[i].head = sender->channels[i].oldest = NONE64;
    sender->unsent_count = count;
    if (!index_channels(sender)) {
        giro_diagnosis_set(sender->diagnosis, "frames of a channel must be in sequence order",
                           giro_err_advice(GIRO_ERR_FORMAT), "the spool cannot be sent");
        return GIRO_ERR_FORMAT;
    }
    uint32_t most = datagram_bytes(options->spool);
    struct giro_courier_options courier = {.genesis = options->genesis,
                                           .ring = options->ring,
                                           .flights_max = options->outstanding_total,
                                           .datagram_max = most,
                                           .random = on_random,
                                           .told = on_told,
                                           .context = sender};
    if (options->key_log != NULL)
        courier.key_log = on_key_log;
    randombytes_buf(&courier.seed, sizeof(courier.seed));
    GIRO_TRY(giro_courier_open(&courier, &sender->courier));
    GIRO_TRY(members_open(sender));
    return giro_socket_open(options->replicas, options->replica_count, most, &sender->socket,
                            sender->diagnosis);
}

static void unsent_tell(const struct sender *sender)
{
    const struct giro_sender_options *options = sender->options;
    for (uint32_t a = 0; a < sender->active_count; a++) {
        const struct channel *channel = &sender->channels[sender->active[a]];
        if (options->unsent != NULL && channel->head != NONE64)
            options->unsent(options->context, channel->head);
    }
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
    enum giro_err err = prepare(sender);
    if (err == GIRO_ERR_OK) {
        sender->started_ns = time_of(sender).mono_ns;
        err = run(sender);
        stats_take(sender);
        giro_courier_close_sessions(sender->courier);
        giro_socket_send(sender->socket, sender->courier, &sender->clock, &sender->blocked);
    }
    *unfinished = options->spool->frame_count - sender->unsent_count - sender->done_count;
    if (options->send_for_ns == 0)
        *unfinished += sender->unsent_count;
    unsent_tell(sender);
    giro_courier_free(sender->courier);
    giro_socket_close(sender->socket);
    free(sender->places);
    free(sender->channels);
    free(sender->active);
    free(sender);
    return err;
}
