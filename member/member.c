/* The public interface at work: submit, poll, events. */
#include <errno.h>
#include <sodium.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "member/member_internal.h"
#include "member/sender.h"

#define RANGE_COUNT  256u
#define DONE_WAIT_NS (100 * UINT64_C(1000000)) /* outcomes are written so late if nothing else is */
#define CHANNEL_AHEAD                                                                              \
    512u /* of the lowest sequence without outcome: what the hub's window is sure to have free */
#define COMPLETIONS 64u

static struct giro_courier_time time_now(const struct giro_member *member)
{
    const struct giro_clock *clock = &member->clock;
    return (struct giro_courier_time){.mono_ns = clock->mono_ns(clock->self),
                                      .wall_ns = clock->wall_ns(clock->self)};
}

static void tell(const struct giro_member *member, const struct giro_member_event *event)
{
    if (member->options.event != NULL)
        member->options.event(member->options.context, event);
}

/* ---- Events ----------------------------------------------------------------------------------------- */

enum giro_member_state giro_member_state(const struct giro_member *member)
{
    if (giro_outbox_count(member->outbox) >= member->frames_max)
        return GIRO_MEMBER_FULL;
    enum giro_courier_state state = giro_courier_state(member->courier, member->index);
    bool waits = false;
    for (uint32_t c = 0; c < member->channel_count; c++)
        waits = waits || member->channels[c].stand.wanted;
    return state == GIRO_COURIER_UP && waits ? GIRO_MEMBER_CONNECTING
                                             : (enum giro_member_state)state;
}

static void state_tell(struct giro_member *member)
{
    enum giro_member_state state = giro_member_state(member);
    if (state == member->told_state)
        return;
    member->told_state = state;
    struct giro_member_event event = {.kind = GIRO_MEMBER_EVENT_STATE, .state = state};
    tell(member, &event);
}

/* What names a frame into the event, its payments' UETRs into the results. */
static void describe(struct giro_member *member, uint32_t slot, struct giro_member_event *event)
{
    struct giro_outbox_entry entry = giro_outbox_entry(member->outbox, slot);
    struct giro_frame frame;
    enum giro_reject reject =
        giro_frame_decode(entry.bytes, entry.size_bytes, member->genesis.chain_prefix, &frame);
    GIRO_ASSERT(reject == GIRO_REJECT_NONE);
    event->channel = frame.header.channel;
    event->sequence = frame.header.sequence;
    event->skip = frame.header.head.kind == GIRO_KIND_SKIP;
    event->result_count = frame.header.record_count;
    event->results = member->results;
    for (uint32_t i = 0; i < frame.header.record_count; i++) {
        struct giro_record record = giro_record_get(&frame, i);
        member->results[i] = (struct giro_member_result){.status = 0};
        memcpy(member->results[i].uetr, record.uetr, sizeof(record.uetr));
    }
}

static void outcome_count(struct giro_member *member, const struct giro_member_event *event)
{
    bool effect =
        event->outcome == GIRO_OUTCOME_EXECUTED || event->outcome == GIRO_OUTCOME_DUPLICATE;
    member->payments_certified += effect ? event->result_count : 0;
    member->frames_refused += !effect;
}

void giro_member_told(void *context, const struct giro_courier_told *told)
{
    static const uint8_t kinds[] = {[GIRO_TOLD_DURABLE] = GIRO_MEMBER_EVENT_DURABLE,
                                    [GIRO_TOLD_CERTIFIED] = GIRO_MEMBER_EVENT_CERTIFIED,
                                    [GIRO_TOLD_PROVEN] = GIRO_MEMBER_EVENT_PROVEN,
                                    [GIRO_TOLD_NOTHING] = GIRO_MEMBER_EVENT_NOTHING};
    struct giro_member *member = context;
    if (told->kind == GIRO_TOLD_STATE) {
        state_tell(member);
        return;
    }
    if (told->kind == GIRO_TOLD_CHANNEL) {
        struct member_channel *channel =
            &member->channels[told->item.channel - member->options.channel_first];
        channel->stand.next = told->item.sequence;
        channel->stand.known = true;
        giro_member_wake(member);
        return;
    }
    bool question = told->tag == TAG_QUESTION;
    struct giro_member_event event = {.results = member->results};
    memset(member->results, 0, sizeof(member->results));
    if (!question)
        describe(member, (uint32_t)told->tag, &event);
    event.kind = kinds[told->kind];
    event.channel = told->item.channel;
    event.sequence = told->item.sequence;
    event.result_count = (uint16_t)told->result_count;
    event.replica = told->replica;
    event.outcome = told->item.outcome;
    event.height = told->item.height;
    event.leaf_index = told->item.leaf_index;
    event.proof = told->proof;
    event.proof_bytes = told->proof_bytes;
    memcpy(event.frame_hash, told->item.frame_hash.bytes, sizeof(event.frame_hash));
    for (uint32_t i = 0; i < told->result_count; i++) {
        member->results[i].status = told->results[i].status;
        member->results[i].reason = told->results[i].reason;
        member->results[i].cycle = told->results[i].cycle;
    }
    if (!question && told->final)
        outcome_count(member, &event);
    tell(member, &event);
    if (question || !told->final)
        return;
    /* After the event: an outcome is told at least once, whatever dies. */
    giro_outbox_done(member->outbox, (uint32_t)told->tag, told->item.outcome);
    if (member->done_since_ns == 0)
        member->done_since_ns = time_now(member).mono_ns;
}

/* Frames go out in the order they were put, each when it is on disk. */
static enum giro_err release(struct giro_member *member)
{
    uint32_t slot;
    while ((slot = giro_outbox_ready(member->outbox)) != GIRO_NONE) {
        struct giro_courier_time time = time_now(member);
        struct giro_outbox_entry entry = giro_outbox_entry(member->outbox, slot);
        enum giro_err err =
            giro_courier_add(member->courier, entry.bytes, entry.size_bytes, slot, &time);
        if (err == GIRO_ERR_EXISTS) /* a question about it is open: after that */
            return GIRO_ERR_OK;
        GIRO_TRY(err);
        giro_outbox_take(member->outbox);
        if (member->found_left > 0) { /* told before */
            member->found_left--;
            continue;
        }
        struct giro_member_event event = {.kind = GIRO_MEMBER_EVENT_KEPT};
        describe(member, slot, &event);
        member->frames_kept++;
        tell(member, &event);
    }
    return GIRO_ERR_OK;
}

/* All in the first poll, sent already or not: whoever submits after it must not submit again what was kept. */
static void found_tell(struct giro_member *member)
{
    uint32_t slot = GIRO_NONE;
    while (member->frames_found < member->found_left) {
        slot = giro_outbox_next(member->outbox, slot);
        GIRO_ASSERT(slot != GIRO_NONE);
        struct giro_member_event event = {.kind = GIRO_MEMBER_EVENT_FOUND};
        describe(member, slot, &event);
        member->frames_found++;
        tell(member, &event);
    }
}

/* ---- Submitting -------------------------------------------------------------------------------------- */

struct giro_outbox_writer giro_member_writer(struct giro_member *member)
{
    return (struct giro_outbox_writer){.outbox = member->outbox,
                                       .genesis = &member->genesis,
                                       .key = member->frame_key,
                                       .keys_dir = member->keys_dir,
                                       .bic = member->genesis.members[member->index].bic,
                                       .member = member->index,
                                       .key_id = member->frame_key_id,
                                       .range_count = RANGE_COUNT};
}

enum giro_err giro_member_channels_open(struct giro_member *member,
                                        struct giro_diagnosis *diagnosis)
{
    struct giro_outbox_writer writer = giro_member_writer(member);
    for (uint32_t c = 0; c < member->channel_count; c++) {
        struct member_channel *channel = &member->channels[c];
        uint16_t number = (uint16_t)(member->options.channel_first + c);
        if (channel->open)
            continue;
        enum giro_err err = giro_outbox_channel_open(&writer, number, &channel->stand, diagnosis);
        if (err != GIRO_ERR_OK && err != GIRO_ERR_FULL)
            return err;
        channel->open = err == GIRO_ERR_OK;
        struct giro_courier_time time = time_now(member);
        if (channel->stand.wanted)
            err = giro_courier_channel(member->courier, member->index, number, TAG_CHANNEL, &time);
        GIRO_ASSERT(err == GIRO_ERR_OK || err == GIRO_ERR_FULL || err == GIRO_ERR_EXISTS);
    }
    return GIRO_ERR_OK;
}

static bool record_make(const struct giro_member *member, const struct giro_member_payment *payment,
                        struct giro_record *record)
{
    const struct giro_genesis *genesis = &member->genesis;
    uint32_t creditor = GIRO_NONE, currency = GIRO_NONE;
    if (memchr(payment->creditor, '\0', sizeof(payment->creditor)) != NULL)
        creditor = giro_genesis_member_by_bic(genesis, payment->creditor);
    if (memchr(payment->currency, '\0', sizeof(payment->currency)) != NULL)
        currency = giro_genesis_currency_by_code(genesis, payment->currency);
    if (creditor == GIRO_NONE || currency == GIRO_NONE || payment->amount_minor < 1 ||
        payment->amount_minor > GIRO_AMOUNT_MAX_MINOR || payment->reserved != 0)
        return false;
    *record = (struct giro_record){.amount_minor = payment->amount_minor,
                                   .creditor = (uint16_t)creditor,
                                   .currency = genesis->currencies[currency].number,
                                   .service = payment->service,
                                   .kind = payment->kind == 0 ? GIRO_PAYMENT_CREDIT_TRANSFER
                                                              : payment->kind,
                                   .priority = payment->priority,
                                   .value_date = payment->value_date,
                                   .reason = payment->reason,
                                   .earliest_s = payment->earliest_s,
                                   .latest_s = payment->latest_s};
    memcpy(record->link, payment->link, sizeof(record->link));
    memcpy(record->uetr, payment->uetr, sizeof(record->uetr));
    return true;
}

/* A random UUID (RFC 4122, version 4) where there is none. */
static void uetr_fill(struct giro_member_payment *payment, struct giro_record *record)
{
    static const uint8_t none[16];
    if (memcmp(payment->uetr, none, sizeof(none)) != 0)
        return;
    randombytes_buf(record->uetr, sizeof(record->uetr));
    record->uetr[6] = (uint8_t)((record->uetr[6] & 0x0F) | 0x40);
    record->uetr[8] = (uint8_t)((record->uetr[8] & 0x3F) | 0x80);
    memcpy(payment->uetr, record->uetr, sizeof(record->uetr));
}

/* No further ahead of a frame without outcome than the hub is sure to take. */
static bool channel_has_room(struct giro_member *member, uint32_t c, uint64_t sequence)
{
    struct member_channel *channel = &member->channels[c];
    uint16_t number = (uint16_t)(member->options.channel_first + c);
    while (channel->lowest < sequence &&
           giro_outbox_find(member->outbox, number, channel->lowest) == GIRO_NONE)
        channel->lowest++;
    return sequence < channel->lowest + CHANNEL_AHEAD;
}

/* The channel whose turn it is, or the next one that can take a frame. */
static enum giro_err channel_choose(struct giro_member *member, uint16_t *number,
                                    uint64_t *sequence, struct giro_diagnosis *diagnosis)
{
    struct giro_outbox_writer writer = giro_member_writer(member);
    for (uint32_t i = 0; i < member->channel_count; i++) {
        uint32_t c = (member->next_channel + i) % member->channel_count;
        *number = (uint16_t)(member->options.channel_first + c);
        if (!member->channels[c].open)
            continue;
        enum giro_err err = giro_outbox_channel_next(&writer, *number, sequence, diagnosis);
        if (err == GIRO_ERR_FULL || (err == GIRO_ERR_OK && !channel_has_room(member, c, *sequence)))
            continue;
        member->next_channel = (c + 1) % member->channel_count;
        return err;
    }
    return GIRO_ERR_FULL;
}

/* Signs member->records with their details and puts the frame into the outbox. */
static enum giro_err frame_put(struct giro_member *member, struct giro_member_payment *payments,
                               uint32_t count, const struct giro_frame_details *details,
                               struct giro_member_ticket *ticket)
{
    struct giro_diagnosis diagnosis = {.fact = ""};
    uint8_t frame[GIRO_FRAME_MTU_BYTES];
    uint16_t channel;
    uint64_t sequence;
    uint32_t slot, key_count;
    GIRO_TRY(channel_choose(member, &channel, &sequence, &diagnosis));
    for (uint32_t i = 0; i < count; i++)
        uetr_fill(&payments[i], &member->records[i]);
    size_t size = giro_frame_make_detailed(
        &member->genesis, member->frame_key, member->index, member->frame_key_id, channel, sequence,
        member->records, details, count, member->details_keys + member->details_key_count,
        &key_count, frame);
    if (size == 0)
        return GIRO_ERR_KEY;
    GIRO_TRY(giro_outbox_put(member->outbox, frame, (uint32_t)size, &slot));
    member->details_key_count += key_count;
    *ticket = (struct giro_member_ticket){.sequence = sequence, .channel = channel};
    member->frames_submitted++;
    giro_member_wake(member);
    return GIRO_ERR_OK;
}

int giro_member_submit(struct giro_member *member, struct giro_member_payment *payments,
                       uint32_t count, struct giro_member_ticket *ticket)
{
    struct member_plaintexts plaintexts;
    if (member->failed != GIRO_ERR_OK)
        return (int)member->failed;
    if (count < 1 || count > GIRO_MEMBER_PAYMENTS_MAX)
        return (int)GIRO_ERR_ARGUMENT;
    for (uint32_t i = 0; i < count; i++)
        if (!record_make(member, &payments[i], &member->records[i]))
            return (int)GIRO_ERR_ARGUMENT;
    enum giro_err err = GIRO_ERR_ARGUMENT;
    if (giro_member_details_encode(payments, count, &plaintexts))
        err = member->details_key_count + plaintexts.count <= DETAILS_KEYS
                  ? frame_put(member, payments, count, plaintexts.list, ticket)
                  : GIRO_ERR_FULL;
    sodium_memzero(plaintexts.bytes, sizeof(plaintexts.bytes));
    return (int)err;
}

int giro_member_ask(struct giro_member *member, uint16_t channel, uint64_t sequence, int proof)
{
    struct giro_courier_time time = time_now(member);
    if (member->failed != GIRO_ERR_OK)
        return (int)member->failed;
    enum giro_err err = giro_courier_ask(member->courier, member->index, channel, sequence,
                                         proof != 0, TAG_QUESTION, &time);
    giro_member_wake(member);
    return err == GIRO_ERR_EXISTS ? 0 : (int)err; /* its outcome will be told anyway */
}

/* ---- Working ------------------------------------------------------------------------------------------ */

enum giro_err giro_member_disk(struct giro_member *member, bool with_done)
{
    struct giro_disk_completion done[COMPLETIONS];
    uint64_t count;
    GIRO_TRY(giro_member_details_keep(member)); /* a completion may start the next write */
    ssize_t got = read(member->disk_event, &count, sizeof(count)); /* counts wake-ups only */
    (void)got;
    uint32_t completed = member->disk.ops->poll(member->disk.self, done, COMPLETIONS);
    for (uint32_t i = 0; i < completed; i++)
        GIRO_TRY(giro_outbox_completed(member->outbox, done[i].tag, done[i].err));
    return giro_outbox_flush(member->outbox, with_done);
}

static enum giro_err round_of_work(struct giro_member *member)
{
    struct giro_diagnosis diagnosis = {.fact = ""};
    const uint64_t now = time_now(member).mono_ns;
    bool late = member->done_since_ns != 0 && now - member->done_since_ns >= DONE_WAIT_NS;
    found_tell(member);
    giro_socket_receive(member->socket, member->courier, &member->clock);
    GIRO_TRY(giro_member_channels_open(member, &diagnosis));
    GIRO_TRY(giro_member_disk(member, late));
    if (late)
        member->done_since_ns = 0;
    GIRO_TRY(release(member));
    giro_socket_send(member->socket, member->courier, &member->clock, &member->socket_blocked);
    state_tell(member);
    return GIRO_ERR_OK;
}

/* Sets the timer in the descriptor for what is due next. */
static void timer_set(struct giro_member *member, uint64_t due_ns)
{
    struct itimerspec when = {.it_value = {.tv_sec = (time_t)(due_ns / GIRO_NS_PER_S),
                                           .tv_nsec = (long)(due_ns % GIRO_NS_PER_S)}};
    if (due_ns == UINT64_MAX)
        when.it_value = (struct timespec){.tv_sec = 0};
    else if (due_ns == 0)
        when.it_value.tv_nsec = 1;
    timerfd_settime(member->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

void giro_member_wake(struct giro_member *member)
{
    timer_set(member, 0);
}

static void timer_next(struct giro_member *member)
{
    uint64_t due = giro_courier_due(member->courier);
    uint64_t late = member->done_since_ns == 0 ? UINT64_MAX : member->done_since_ns + DONE_WAIT_NS;
    struct epoll_event events = {.events = EPOLLIN | (member->socket_blocked ? EPOLLOUT : 0u)};
    epoll_ctl(member->epoll, EPOLL_CTL_MOD, giro_socket_fd(member->socket), &events);
    timer_set(member, late < due ? late : due);
}

int giro_member_poll(struct giro_member *member, int timeout_ms)
{
    struct epoll_event events[4];
    if (member->failed != GIRO_ERR_OK)
        return (int)member->failed;
    if (epoll_wait(member->epoll, events, 4, timeout_ms) < 0 && errno != EINTR)
        member->failed = GIRO_ERR_IO;
    else
        member->failed = round_of_work(member);
    if (member->failed == GIRO_ERR_OK)
        timer_next(member);
    return (int)member->failed;
}

int giro_member_fd(const struct giro_member *member)
{
    return member->epoll;
}

void giro_member_stats(const struct giro_member *member, struct giro_member_stats *stats)
{
    const struct giro_courier_stats *courier = giro_courier_stats(member->courier);
    *stats = (struct giro_member_stats){
        .frames_submitted = member->frames_submitted,
        .frames_found = member->frames_found,
        .frames_kept = member->frames_kept,
        .frames_durable = courier->frames_durable,
        .frames_certified = courier->frames_certified,
        .frames_proven = courier->frames_proven,
        .frames_resent = courier->frames_resent,
        .frames_refused = member->frames_refused,
        .payments_certified = member->payments_certified,
        .lies = courier->lies,
        .answers_wrong = courier->receipts_ignored + courier->answers_malformed,
        .datagrams_sent = courier->datagrams_sent,
        .datagrams_received = courier->datagrams_received,
        .datagrams_lost = courier->datagrams_lost,
        .datagrams_refused = courier->datagrams_refused,
        .handshakes = courier->handshakes,
        .rekeys = courier->rekeys,
        .fail_overs = courier->fail_overs,
        .rtt_us = giro_courier_rtt_ns(member->courier, member->index) / 1000,
        .datagram_bytes = giro_courier_path_bytes(member->courier, member->index),
        .frames_waiting = giro_outbox_count(member->outbox)};
}

const char *giro_member_status_name(uint8_t status)
{
    return giro_status_name(status);
}

const char *giro_member_reason_name(uint16_t reason)
{
    return giro_reason_name(reason);
}

const char *giro_member_outcome_name(uint8_t outcome)
{
    return giro_outcome_name(outcome);
}

const char *giro_member_error_text(int error)
{
    return giro_err_sentence((enum giro_err)error);
}
