/* What goes out: one datagram per session gathers until it is full or flushed; acknowledgements and credit ride along. */
#include "sessions.h"

#define ACK_ROOM       64u /* kept free in what gathers: an ACK with four words */
#define PING_BYTES     (GIRO_SESSION_OVERHEAD + 4u + (uint32_t)sizeof(struct giro_session_ping))
#define STARVED_CREDIT 16u
#define STARVED_NS                                                                                 \
    GIRO_NS_PER_S /* a member that waits for credit is told for so long; then it asks by a PING */
#define POLICED_WAIT_MS 100u
#define LIMIT_WAIT_MS   20u
#define LATE_NUMBERS    1023u /* so far back a datagram to a member may be overtaken */

/* ---- The list of due acknowledgements: in order, as each is due the same time after it was put in --------- */

static uint32_t index_of(const struct giro_sessions *sessions, const struct entry *entry)
{
    return (uint32_t)(entry - sessions->entries);
}

void sessions_due_remove(struct giro_sessions *sessions, struct entry *entry)
{
    if (entry->due_ns == 0)
        return;
    if (entry->due_previous == GIRO_NONE)
        sessions->due_first = entry->due_next;
    else
        sessions->entries[entry->due_previous].due_next = entry->due_next;
    if (entry->due_next == GIRO_NONE)
        sessions->due_last = entry->due_previous;
    else
        sessions->entries[entry->due_next].due_previous = entry->due_previous;
    entry->due_ns = 0;
}

void sessions_ack_soon(struct giro_sessions *sessions, uint64_t now_ns, struct entry *entry)
{
    if (entry->due_ns != 0 || entry->ack_now)
        return;
    const uint32_t index = index_of(sessions, entry);
    entry->due_ns = now_ns + GIRO_ACK_DELAY_NS;
    entry->due_next = GIRO_NONE;
    entry->due_previous = sessions->due_last;
    if (sessions->due_last == GIRO_NONE)
        sessions->due_first = index;
    else
        sessions->entries[sessions->due_last].due_next = index;
    sessions->due_last = index;
}

/* ---- Credit ------------------------------------------------------------------------------------------------ */

static void period_turn(struct giro_sessions *sessions, uint64_t now_ns)
{
    const uint64_t period = now_ns / PERIOD_NS + 1;
    if (period == sessions->period)
        return;
    const bool follows = period == sessions->period + 1;
    sessions->active_before = follows ? sessions->active : 0;
    sessions->asking_before = follows ? sessions->asking : 0;
    sessions->active = sessions->asking = 0;
    sessions->period = period;
}

void sessions_active(struct giro_sessions *sessions, uint64_t now_ns, struct entry *entry)
{
    period_turn(sessions, now_ns);
    if (entry->active_period == sessions->period)
        return;
    entry->active_period = sessions->period;
    sessions->active++;
}

uint32_t sessions_asking(struct giro_sessions *sessions, uint64_t now_ns, struct entry *entry)
{
    period_turn(sessions, now_ns);
    sessions->asking += entry->asking_period != sessions->period;
    entry->asking_period = sessions->period;
    return sessions->asking > sessions->asking_before ? sessions->asking : sessions->asking_before;
}

uint64_t sessions_credit(struct giro_sessions *sessions, uint64_t now_ns, struct entry *entry)
{
    period_turn(sessions, now_ns);
    const struct giro_ingress *ingress = sessions->options.ingress;
    uint32_t active =
        sessions->active > sessions->active_before ? sessions->active : sessions->active_before;
    if (entry->active_period + 1 < sessions->period || active == 0)
        active++; /* this one, silent so far */
    uint32_t ahead = giro_ingress_share(ingress, GIRO_NONE) / active;
    const uint32_t share = giro_ingress_share(ingress, entry->member);
    if (ahead > share)
        ahead = share;
    if (ahead > GIRO_CREDIT_MAX)
        ahead = GIRO_CREDIT_MAX;
    if (ahead == 0)
        ahead = 1;
    const uint64_t credit = entry->session.window.cumulative + ahead;
    if (credit > entry->credit)
        entry->credit = credit;
    return entry->credit;
}

/* ---- Gathering ----------------------------------------------------------------------------------------------- */

static struct outbox *outbox_of(struct giro_sessions *sessions, uint64_t now_ns,
                                struct entry *entry)
{
    if (entry->outbox != GIRO_NONE)
        return &sessions->outboxes[entry->outbox];
    if (sessions->outbox_count == OUTBOXES)
        sessions_flush_entry(sessions, now_ns, &sessions->entries[sessions->outboxes[0].entry]);
    entry->outbox = sessions->outbox_count++;
    struct outbox *outbox = &sessions->outboxes[entry->outbox];
    outbox->entry = index_of(sessions, entry);
    outbox->blocks_bytes = 0;
    return outbox;
}

static uint32_t room_of(const struct entry *entry)
{
    const uint32_t datagram_bytes =
        entry->datagram_max < OUTBOX_BYTES ? entry->datagram_max : OUTBOX_BYTES;
    return giro_session_room(datagram_bytes);
}

static struct giro_writer writer_of(struct outbox *outbox, uint32_t room)
{
    struct giro_writer writer;
    giro_writer_init(&writer, outbox->datagram + GIRO_SESSION_HEADER_BYTES, room);
    writer.offset = outbox->blocks_bytes;
    return writer;
}

bool sessions_put(struct giro_sessions *sessions, uint64_t now_ns, struct entry *entry,
                  enum giro_session_kind kind, const void *body, uint32_t size_bytes)
{
    const uint32_t room = room_of(entry) - ACK_ROOM;
    for (uint32_t attempt = 0; attempt < 2; attempt++) {
        struct outbox *outbox = outbox_of(sessions, now_ns, entry);
        struct giro_writer writer = writer_of(outbox, room);
        if (giro_session_put(&writer, kind, body, size_bytes)) {
            outbox->blocks_bytes = (uint32_t)writer.offset;
            return true;
        }
        sessions_flush_entry(sessions, now_ns, entry);
    }
    return false;
}

void sessions_ack_now(struct giro_sessions *sessions, uint64_t now_ns, struct entry *entry)
{
    sessions_due_remove(sessions, entry);
    const uint64_t before = entry->credit;
    if (entry->unacknowledged == 0 && !entry->ping_due &&
        sessions_credit(sessions, now_ns, entry) == before) {
        /* It waits for credit, and there is none yet. */
        if (now_ns < entry->heard_ns + STARVED_NS)
            sessions_ack_soon(sessions, now_ns, entry);
        return;
    }
    entry->ack_now = true;
    (void)outbox_of(sessions, now_ns, entry);
}

/* ---- Sending ------------------------------------------------------------------------------------------------- */

static bool is_proved(const struct entry *entry)
{
    return sessions_same_address(&entry->path, &entry->proved);
}

/* Seals and sends; false: not a byte left, as the address is not proved and has sent less, or as the numbers are used up. */
static bool datagram_send(struct giro_sessions *sessions, struct entry *entry, uint8_t *datagram,
                          uint32_t blocks_bytes)
{
    const uint32_t expected = blocks_bytes + GIRO_SESSION_OVERHEAD;
    if (!is_proved(entry) && entry->path_out + expected > entry->path_in) {
        sessions->counters.withheld++;
        return false;
    }
    /* Nothing is sent again, but what comes late by another way is still welcome. */
    const uint64_t next = entry->session.send_number;
    const uint64_t lowest = next < LATE_NUMBERS ? 0 : next - LATE_NUMBERS;
    const uint32_t size = giro_session_seal(&entry->session, lowest, datagram, blocks_bytes);
    if (size == 0)
        return false;
    entry->path_out += size;
    sessions->counters.sent++;
    sessions->options.send(sessions->options.context, &entry->path, datagram, size);
    return true;
}

/* To an address that is not proved: the question comes first. */
static void ping_send(struct giro_sessions *sessions, uint64_t now_ns, struct entry *entry)
{
    uint8_t datagram[PING_BYTES];
    struct giro_writer writer;
    const struct giro_session_ping ping = {.token = entry->ping_token};
    giro_writer_init(&writer, datagram + GIRO_SESSION_HEADER_BYTES,
                     sizeof(datagram) - GIRO_SESSION_OVERHEAD);
    const bool fits = giro_session_put(&writer, GIRO_SESSION_PING, &ping, sizeof(ping));
    GIRO_ASSERT(fits);
    if (datagram_send(sessions, entry, datagram, (uint32_t)writer.offset)) {
        entry->ping_due = false;
        entry->ping_ns = now_ns;
    }
}

static void ack_put(struct giro_sessions *sessions, uint64_t now_ns, struct entry *entry,
                    struct outbox *outbox)
{
    struct giro_writer writer = writer_of(outbox, room_of(entry));
    const uint64_t delay_us = (now_ns - entry->highest_ns) / 1000;
    if (giro_session_put_ack(&writer, &entry->session.window,
                             sessions_credit(sessions, now_ns, entry),
                             delay_us < UINT32_MAX ? (uint32_t)delay_us : UINT32_MAX))
        outbox->blocks_bytes = (uint32_t)writer.offset;
}

void sessions_flush_entry(struct giro_sessions *sessions, uint64_t now_ns, struct entry *entry)
{
    GIRO_ASSERT(entry->outbox != GIRO_NONE);
    struct outbox *outbox = &sessions->outboxes[entry->outbox];
    if (entry->ping_due)
        ping_send(sessions, now_ns, entry);
    if (entry->unacknowledged > 0 || entry->ack_now)
        ack_put(sessions, now_ns, entry, outbox);
    if (outbox->blocks_bytes > 0 &&
        datagram_send(sessions, entry, outbox->datagram, outbox->blocks_bytes)) {
        entry->unacknowledged = 0;
        sessions_due_remove(sessions, entry);
    }
    entry->ack_now = false;
    struct outbox *last = &sessions->outboxes[--sessions->outbox_count];
    entry->outbox = GIRO_NONE;
    if (outbox != last) { /* the last one takes its place */
        *outbox = *last;
        sessions->entries[outbox->entry].outbox = (uint32_t)(outbox - sessions->outboxes);
    }
    const bool starved = entry->credit < entry->session.window.next + STARVED_CREDIT;
    if (starved && now_ns < entry->heard_ns + STARVED_NS)
        sessions_ack_soon(sessions, now_ns, entry);
}

/* ---- Answers --------------------------------------------------------------------------------------------------- */

static struct entry *route(struct giro_sessions *sessions, const struct giro_endpoint *to,
                           uint16_t member)
{
    struct entry *entry = sessions_route(sessions, to, member);
    sessions->counters.unsent += entry == NULL;
    return entry;
}

void giro_sessions_receipt(struct giro_sessions *sessions, uint64_t now_ns,
                           const struct giro_endpoint *to, uint16_t member,
                           const struct giro_receipt_item *item,
                           const struct giro_receipt_run *runs)
{
    uint8_t body[sizeof(*item) + GIRO_FRAME_RECORDS_MAX * sizeof(*runs)];
    struct entry *entry = route(sessions, to, member);
    struct giro_receipt_item told = *item;
    if (entry == NULL)
        return;
    GIRO_ASSERT(item->run_count <= GIRO_FRAME_RECORDS_MAX);
    size_t runs_bytes = item->run_count * sizeof(*runs);
    if (sizeof(struct giro_session_block_head) + sizeof(told) + runs_bytes >
        room_of(entry) - ACK_ROOM) {
        /* A jumbo frame whose records fared too differently for one datagram: the outcome is told, the statuses are asked for
         * by proof. */
        told.run_count = 0;
        runs_bytes = 0;
    }
    memcpy(body, &told, sizeof(told));
    if (runs_bytes > 0) /* runs may be NULL then */
        memcpy(body + sizeof(told), runs, runs_bytes);
    (void)sessions_put(sessions, now_ns, entry, GIRO_SESSION_RECEIPT, body,
                       (uint32_t)(sizeof(told) + runs_bytes));
}

void giro_sessions_refuse(struct giro_sessions *sessions, uint64_t now_ns,
                          const struct giro_endpoint *to, uint16_t member, uint64_t sequence,
                          uint16_t channel, enum giro_reject reason)
{
    GIRO_ASSERT(channel < GIRO_CHANNELS_MAX && reason != GIRO_REJECT_NONE);
    struct entry *entry = route(sessions, to, member);
    const struct giro_session_refuse refuse = {.sequence = sequence,
                                               .channel = channel,
                                               .reason = (uint16_t)reason,
                                               .wait_ms =
                                                   reason == GIRO_REJECT_POLICED ? POLICED_WAIT_MS
                                                   : reason == GIRO_REJECT_LIMIT ? LIMIT_WAIT_MS
                                                                                 : 0};
    if (entry != NULL)
        (void)sessions_put(sessions, now_ns, entry, GIRO_SESSION_REFUSE, &refuse, sizeof(refuse));
}

void giro_sessions_channel(struct giro_sessions *sessions, uint64_t now_ns,
                           const struct giro_endpoint *to, uint16_t member,
                           const struct giro_session_channel *channel)
{
    struct entry *entry = route(sessions, to, member);
    if (entry != NULL)
        (void)sessions_put(sessions, now_ns, entry, GIRO_SESSION_CHANNEL, channel,
                           sizeof(*channel));
}

void giro_sessions_proof(struct giro_sessions *sessions, uint64_t now_ns,
                         const struct giro_endpoint *to, uint16_t member,
                         const struct giro_session_ask *ask, const uint8_t *proof, uint32_t total)
{
    uint8_t body[OUTBOX_BYTES];
    struct entry *entry = route(sessions, to, member);
    GIRO_ASSERT(total <= GIRO_SESSION_PROOF_MAX);
    if (entry == NULL)
        return;
    if (ask->offset >= total) {
        giro_sessions_refuse(sessions, now_ns, to, member, ask->sequence, ask->channel,
                             GIRO_REJECT_ABSENT);
        return;
    }
    struct giro_session_proof head = {
        .sequence = ask->sequence, .channel = ask->channel, .offset = ask->offset, .total = total};
    const uint32_t part_max = room_of(entry) - ACK_ROOM -
                              (uint32_t)sizeof(struct giro_session_block_head) -
                              (uint32_t)sizeof(head);
    for (uint32_t part = 0; part < GIRO_PROOF_PARTS_MAX && head.offset < total; part++) {
        const uint32_t left = total - head.offset, size = left < part_max ? left : part_max;
        memcpy(body, &head, sizeof(head));
        memcpy(body + sizeof(head), proof + head.offset, size);
        if (!sessions_put(sessions, now_ns, entry, GIRO_SESSION_PROOF, body,
                          (uint32_t)sizeof(head) + size))
            return;
        head.offset += size;
    }
}
