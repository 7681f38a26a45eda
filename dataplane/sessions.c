/* The hub's sessions: the table, and what comes in.
 *
 * Memory, in this order: struct (with outboxes and budgets of addresses), members' X25519 keys, ephemerals seen, entries. An entry's
 * place is its id's low bits, so finding one costs a compare; the upper bits are random, so an old id finds nothing. */
#include "sessions.h"

#define MEMBER_ROWS(options) ((options)->genesis->member_count)
#define PING_AGAIN_NS        250000000u
#define SWEEP_NS             1000000u
#define SWEEP_ENTRIES        64u
#define ASK_COST_NS          1000000u  /* 1,000 a second, shared by those that ask */
#define PROOF_COST_NS        10000000u /* 100 a second */
#define ASK_BURST_NS         200000000u
#define STRANGER_COST_NS     (GIRO_NS_PER_S / GIRO_STRANGERS_PER_SECOND)
#define EPHEMERAL_LIFE_S     240u /* as long as a cookie may be good */

static_assert(GIRO_MEMBERS_MAX * PLACES <= 1u << INDEX_BITS, "an id holds every place");
static_assert(HALF_OPEN_MAX + 2 * GIRO_SESSIONS_PER_MEMBER <= PLACES, "places");

struct layout {
    size_t keys, ephemerals, entries, total;
    uint32_t ephemeral_count;
};

static size_t place(size_t *offset, size_t size_bytes)
{
    const size_t at = *offset;
    *offset = giro_align_up(at + size_bytes, GIRO_CACHE_LINE_BYTES);
    return at;
}

static bool layout_make(const struct giro_sessions_options *options, struct layout *layout)
{
    if (options->genesis == NULL || options->genesis->member_count > GIRO_MEMBERS_MAX ||
        options->handshakes_per_second == 0 || options->handshakes_per_second > 100000 ||
        options->handshakes_per_address == 0 || options->handshakes_per_address > 100000 ||
        options->datagram_max < GIRO_SESSION_DATAGRAM_MIN || options->datagram_max > UINT16_MAX)
        return false;
    layout->ephemeral_count = 4096;
    while (layout->ephemeral_count < options->handshakes_per_second * EPHEMERAL_LIFE_S)
        layout->ephemeral_count *= 2;
    size_t offset = 0;
    (void)place(&offset, sizeof(struct giro_sessions));
    layout->keys = place(&offset, (size_t)MEMBER_ROWS(options) * 32);
    layout->ephemerals = place(&offset, layout->ephemeral_count * sizeof(struct ephemeral));
    layout->entries = place(&offset, (size_t)MEMBER_ROWS(options) * PLACES * sizeof(struct entry));
    layout->total = offset;
    return true;
}

size_t giro_sessions_footprint(const struct giro_sessions_options *options)
{
    struct layout layout;
    return layout_make(options, &layout) ? layout.total : 0;
}

struct giro_sessions *giro_sessions_init(void *mem, size_t size_bytes,
                                         const struct giro_sessions_options *options)
{
    struct layout layout;
    if (!layout_make(options, &layout) || size_bytes < layout.total)
        return NULL;
    GIRO_ASSERT(mem != NULL && (uintptr_t)mem % GIRO_CACHE_LINE_BYTES == 0);
    GIRO_ASSERT(options->ingress != NULL && options->self != NULL);
    GIRO_ASSERT(options->random != NULL && options->send != NULL && options->ask != NULL);
    memset(mem, 0, layout.total);
    uint8_t *at = mem;
    struct giro_sessions *sessions = mem;
    sessions->options = *options;
    sessions->member_keys = (uint8_t(*)[32])(void *)(at + layout.keys);
    sessions->ephemerals = (struct ephemeral *)(void *)(at + layout.ephemerals);
    sessions->ephemeral_mask = layout.ephemeral_count - 1;
    sessions->entries = (struct entry *)(void *)(at + layout.entries);
    sessions->entry_count = MEMBER_ROWS(options) * PLACES;
    sessions->due_first = sessions->due_last = GIRO_NONE;
    for (uint32_t i = 0; i < MEMBER_ROWS(options); i++)
        if (!giro_session_public(&options->genesis->members[i].session.key,
                                 sessions->member_keys[i]))
            return NULL;
    for (uint32_t i = 0; i < sessions->entry_count; i++) {
        sessions->entries[i].member = (uint16_t)(i / PLACES);
        sessions->entries[i].outbox = GIRO_NONE;
    }
    return sessions;
}

/* ---- Small parts ----------------------------------------------------------------------------------- */

enum giro_reject sessions_count(struct giro_sessions *sessions, uint32_t member,
                                enum giro_reject reject)
{
    giro_ingress_count(sessions->options.ingress, member, reject);
    return reject;
}

bool sessions_pay(uint64_t *until_ns, uint64_t now_ns, uint64_t cost_ns, uint64_t burst_ns)
{
    const uint64_t from_ns = *until_ns > now_ns ? *until_ns : now_ns;
    if (from_ns + cost_ns > now_ns + burst_ns)
        return false;
    *until_ns = from_ns + cost_ns;
    return true;
}

bool sessions_same_address(const struct giro_endpoint *a, const struct giro_endpoint *b)
{
    return a->ipv4 == b->ipv4 && a->port == b->port;
}

struct entry *sessions_find(struct giro_sessions *sessions, uint32_t id)
{
    const uint32_t index = id & ((1u << INDEX_BITS) - 1);
    if (id == 0 || index >= sessions->entry_count)
        return NULL;
    struct entry *entry = &sessions->entries[index];
    return entry->state != STATE_FREE && entry->session.own_id == id ? entry : NULL;
}

struct entry *sessions_route(struct giro_sessions *sessions, const struct giro_endpoint *to,
                             uint16_t member)
{
    struct entry *entry = sessions_find(sessions, to->session);
    if (entry != NULL && entry->member == member && entry->state == STATE_LIVE)
        return entry;
    if (member >= MEMBER_ROWS(&sessions->options))
        return NULL;
    struct entry *best = NULL;
    for (uint32_t i = 0; i < PLACES; i++) {
        struct entry *other = &sessions->entries[member * PLACES + i];
        if (other->state == STATE_LIVE && (best == NULL || other->heard_ns > best->heard_ns))
            best = other;
    }
    return best;
}

void sessions_free(struct giro_sessions *sessions, struct entry *entry)
{
    GIRO_ASSERT(entry->state != STATE_FREE);
    sessions_due_remove(sessions, entry);
    if (entry->outbox != GIRO_NONE) { /* the last one takes its place */
        struct outbox *outbox = &sessions->outboxes[entry->outbox];
        struct outbox *last = &sessions->outboxes[--sessions->outbox_count];
        if (outbox != last) {
            *outbox = *last;
            sessions->entries[outbox->entry].outbox = (uint32_t)(outbox - sessions->outboxes);
        }
    }
    sessions->counters.lost += entry->session.window.next - entry->received;
    const uint16_t member = entry->member;
    const uint32_t last_id = entry->session.own_id;
    giro_session_wipe(entry, sizeof(*entry));
    entry->member = member;
    entry->last_id = last_id;
    entry->outbox = GIRO_NONE;
}

/* ---- What comes in ------------------------------------------------------------------------------------ */

/* A datagram with the highest number so far says where the member is now. */
static void path_follow(struct giro_sessions *sessions, uint64_t now_ns, struct entry *entry,
                        const struct giro_datagram *datagram)
{
    if (sessions_same_address(&entry->path, &datagram->from)) {
        entry->path = datagram->from;
        entry->ping_due =
            entry->ping_due || (!sessions_same_address(&entry->path, &entry->proved) &&
                                now_ns >= entry->ping_ns + PING_AGAIN_NS);
        return;
    }
    sessions->counters.moved++;
    entry->path = datagram->from;
    entry->path_in = entry->path_out = 0;
    entry->ping_due = !sessions_same_address(&entry->path, &entry->proved);
    if (entry->ping_due)
        sessions->options.random(&entry->ping_token, sizeof(entry->ping_token));
}

static void take_frame(struct giro_sessions *sessions, uint64_t now_ns, struct entry *entry,
                       const struct giro_datagram *datagram, uint64_t number,
                       const struct giro_session_block *block)
{
    struct giro_datagram frame = {
        .bytes = block->bytes, .size_bytes = block->size_bytes, .from = datagram->from};
    struct giro_frame_header header;
    memcpy(&header, block->bytes, sizeof(header));
    frame.from.session = entry->session.own_id;
    sessions_active(sessions, now_ns, entry);
    enum giro_reject reject =
        number < entry->credit
            ? giro_ingress_take(sessions->options.ingress, now_ns, &frame, entry->member)
            : sessions_count(sessions, entry->member, GIRO_REJECT_LIMIT);
    /* A repeat is on its way already: the acknowledgement alone is right. */
    if (reject != GIRO_REJECT_NONE && reject != GIRO_REJECT_DUPLICATE &&
        header.channel < GIRO_CHANNELS_MAX)
        giro_sessions_refuse(sessions, now_ns, &frame.from, entry->member, header.sequence,
                             header.channel, reject);
}

static void take_ask(struct giro_sessions *sessions, uint64_t now_ns, struct entry *entry,
                     const struct giro_session_block *block)
{
    struct giro_session_ask ask;
    memcpy(&ask, block->bytes, sizeof(ask));
    const uint64_t cost_ns = ask.want == GIRO_WANT_PROOF ? PROOF_COST_NS : ASK_COST_NS;
    struct giro_endpoint from = entry->path;
    from.session = entry->session.own_id;
    const uint32_t share = sessions_asking(sessions, now_ns, entry);
    const uint64_t before_ns = entry->ask_ns;
    if (sessions_pay(&entry->ask_ns, now_ns, cost_ns * share, ASK_BURST_NS)) {
        if (sessions_pay(&sessions->ask_ns, now_ns, cost_ns, ASK_BURST_NS)) {
            sessions->options.ask(sessions->options.context, &from, entry->member, &ask);
            return;
        }
        entry->ask_ns = before_ns; /* others took it all: not this one's fault */
    }
    (void)sessions_count(sessions, entry->member, GIRO_REJECT_LIMIT);
    giro_sessions_refuse(sessions, now_ns, &from, entry->member, ask.sequence, ask.channel,
                         GIRO_REJECT_LIMIT);
}

static void take_ping(struct giro_sessions *sessions, uint64_t now_ns, struct entry *entry,
                      const struct giro_datagram *datagram, const struct giro_session_block *block)
{
    struct giro_session_ping ping;
    memcpy(&ping, block->bytes, sizeof(ping));
    if (ping.datagram_max != 0)
        entry->datagram_max = (uint16_t)ping.datagram_max;
    const struct giro_session_pong pong = {.token = ping.token, .size = datagram->size_bytes};
    (void)sessions_put(sessions, now_ns, entry, GIRO_SESSION_PONG, &pong, sizeof(pong));
}

/* True: the address is proved now, so what was withheld may go. */
static bool take_pong(struct entry *entry, const struct giro_datagram *datagram,
                      const struct giro_session_block *block)
{
    struct giro_session_pong pong;
    memcpy(&pong, block->bytes, sizeof(pong));
    if (pong.token != entry->ping_token || entry->ping_due ||
        !sessions_same_address(&datagram->from, &entry->path))
        return false;
    entry->proved = entry->path;
    return true;
}

/* Acts on the checked blocks; false: the member closed the session. */
static bool take_blocks(struct giro_sessions *sessions, uint64_t now_ns, struct entry *entry,
                        const struct giro_datagram *datagram, uint64_t number,
                        uint32_t blocks_bytes, bool *wants_ack)
{
    struct giro_reader reader;
    struct giro_session_block block;
    bool open = true;
    giro_reader_init(&reader, sessions->blocks, blocks_bytes);
    while (giro_reader_left(&reader) > 0) {
        const enum giro_reject reject = giro_session_next(&reader, GIRO_SESSION_UP, &block);
        GIRO_ASSERT(reject == GIRO_REJECT_NONE); /* all were checked before */
        switch (block.kind) {
        case GIRO_SESSION_FRAME:
            take_frame(sessions, now_ns, entry, datagram, number, &block);
            *wants_ack = true;
            break;
        case GIRO_SESSION_ASK:
            take_ask(sessions, now_ns, entry, &block);
            *wants_ack = true;
            break;
        case GIRO_SESSION_PING:
            take_ping(sessions, now_ns, entry, datagram, &block);
            *wants_ack = true;
            break;
        case GIRO_SESSION_PONG:
            if (take_pong(entry, datagram, &block) && entry->unacknowledged > 0)
                *wants_ack = true;
            break;
        case GIRO_SESSION_CLOSE:
            open = false;
            break;
        default: /* ACK: the hub waits for none. PAD. */
            break;
        }
    }
    return open;
}

/* Whoever knows a session's identifier can make the hub check a tag; from the member's own address only who is on its path. */
static bool may_open(struct entry *entry, uint64_t now_ns, const struct giro_endpoint *from)
{
    return sessions_same_address(from, &entry->path) ||
           sessions_same_address(from, &entry->proved) ||
           sessions_pay(&entry->stranger_ns, now_ns, STRANGER_COST_NS, GIRO_NS_PER_S);
}

static enum giro_reject take_session(struct giro_sessions *sessions, uint64_t now_ns,
                                     const struct giro_datagram *datagram)
{
    struct giro_session_header header;
    uint32_t blocks_bytes = 0;
    enum giro_reject reject =
        giro_session_header_read(datagram->bytes, datagram->size_bytes, &header);
    if (reject == GIRO_REJECT_NONE && datagram->size_bytes > DATAGRAM_BYTES)
        reject = GIRO_REJECT_OVERSIZED;
    struct entry *entry =
        reject == GIRO_REJECT_NONE ? sessions_find(sessions, header.receiver_id) : NULL;
    if (reject == GIRO_REJECT_NONE && (entry == NULL || now_ns >= entry->expires_ns))
        reject = GIRO_REJECT_SESSION;
    if (reject != GIRO_REJECT_NONE)
        return sessions_count(sessions, GIRO_NONE, reject);
    const uint64_t next = entry->session.window.next;
    if (!giro_allow_member(sessions->options.allow, datagram->from.ipv4, entry->member))
        return sessions_count(sessions, entry->member, GIRO_REJECT_ADDRESS);
    if (!may_open(entry, now_ns, &datagram->from))
        return sessions_count(sessions, entry->member, GIRO_REJECT_POLICED);
    reject = giro_session_open(&entry->session, datagram->bytes, datagram->size_bytes,
                               sessions->blocks, &blocks_bytes, &header);
    if (reject != GIRO_REJECT_NONE)
        return sessions_count(sessions, entry->member, reject);
    sessions->counters.received++;
    entry->received++;
    entry->heard_ns = now_ns;
    if (entry->state == STATE_HALF_OPEN)
        sessions_confirm(sessions, now_ns, entry);
    if (header.number >= next) {
        entry->highest_ns = now_ns;
        path_follow(sessions, now_ns, entry, datagram);
    }
    if (sessions_same_address(&entry->path, &datagram->from))
        entry->path_in += datagram->size_bytes;
    reject = giro_session_blocks_check(sessions->blocks, blocks_bytes, GIRO_SESSION_UP);
    if (reject != GIRO_REJECT_NONE)
        return sessions_count(sessions, entry->member, reject);
    bool wants_ack = false;
    if (!take_blocks(sessions, now_ns, entry, datagram, header.number, blocks_bytes, &wants_ack)) {
        sessions_free(sessions, entry);
        return GIRO_REJECT_NONE;
    }
    if (wants_ack) {
        entry->unacknowledged++;
        if (header.number != next || entry->unacknowledged >= GIRO_ACK_DATAGRAMS)
            sessions_ack_now(sessions, now_ns, entry);
        else
            sessions_ack_soon(sessions, now_ns, entry);
    }
    if (entry->ping_due)
        sessions_ack_now(sessions, now_ns, entry);
    return GIRO_REJECT_NONE;
}

static uint16_t kind_of(const struct giro_datagram *datagram)
{
    struct giro_head head;
    if (datagram->size_bytes < sizeof(head))
        return 0;
    memcpy(&head, datagram->bytes, sizeof(head));
    return head.magic == GIRO_MAGIC ? head.kind : 0;
}

bool giro_sessions_is(const struct giro_datagram *datagram)
{
    const uint16_t kind = kind_of(datagram);
    return kind == GIRO_KIND_SESSION || kind == GIRO_KIND_HANDSHAKE;
}

enum giro_reject giro_sessions_take(struct giro_sessions *sessions, uint64_t now_ns,
                                    const struct giro_datagram *datagram)
{
    if (kind_of(datagram) == GIRO_KIND_HANDSHAKE)
        return sessions_handshake(sessions, now_ns, datagram);
    return take_session(sessions, now_ns, datagram);
}

/* ---- Ends --------------------------------------------------------------------------------------------- */

static void sweep(struct giro_sessions *sessions, uint64_t now_ns)
{
    if (now_ns < sessions->swept_ns + SWEEP_NS)
        return;
    sessions->swept_ns = now_ns;
    for (uint32_t i = 0; i < SWEEP_ENTRIES && sessions->entry_count > 0; i++) {
        struct entry *entry = &sessions->entries[sessions->cursor];
        sessions->cursor = (sessions->cursor + 1) % sessions->entry_count;
        if (entry->state == STATE_FREE || now_ns < entry->expires_ns)
            continue;
        sessions->counters.expired += entry->state == STATE_LIVE;
        sessions_free(sessions, entry);
    }
}

void giro_sessions_flush(struct giro_sessions *sessions, uint64_t now_ns)
{
    while (sessions->due_first != GIRO_NONE &&
           sessions->entries[sessions->due_first].due_ns <= now_ns) {
        struct entry *entry = &sessions->entries[sessions->due_first];
        sessions_due_remove(sessions, entry);
        sessions_ack_now(sessions, now_ns, entry);
    }
    while (sessions->outbox_count > 0)
        sessions_flush_entry(sessions, now_ns, &sessions->entries[sessions->outboxes[0].entry]);
    sweep(sessions, now_ns);
}

uint64_t giro_sessions_next_ns(const struct giro_sessions *sessions)
{
    return sessions->due_first == GIRO_NONE ? UINT64_MAX
                                            : sessions->entries[sessions->due_first].due_ns;
}

void giro_sessions_stop(struct giro_sessions *sessions, uint64_t now_ns)
{
    const struct giro_session_close message = {.reason = GIRO_CLOSE_STOPPING};
    for (uint32_t i = 0; i < sessions->entry_count; i++)
        if (sessions->entries[i].state == STATE_LIVE)
            (void)sessions_put(sessions, now_ns, &sessions->entries[i], GIRO_SESSION_CLOSE,
                               &message, sizeof(message));
    giro_sessions_flush(sessions, now_ns);
}

void giro_sessions_counters(const struct giro_sessions *sessions,
                            struct giro_sessions_counters *counters)
{
    *counters = sessions->counters;
    counters->live = counters->half_open = counters->replaced = 0;
    for (uint32_t i = 0; i < sessions->entry_count; i++) {
        const struct entry *entry = &sessions->entries[i];
        counters->live += entry->state == STATE_LIVE;
        counters->half_open += entry->state == STATE_HALF_OPEN;
        counters->replaced += entry->state == STATE_REPLACED;
        if (entry->state != STATE_FREE)
            counters->lost += entry->session.window.next - entry->received;
    }
}

void giro_sessions_check(const struct giro_sessions *sessions)
{
    uint32_t gathered = 0, due = 0;
    for (uint32_t i = 0; i < sessions->entry_count; i++) {
        const struct entry *entry = &sessions->entries[i];
        GIRO_ASSERT(entry->member == i / PLACES);
        gathered += entry->outbox != GIRO_NONE;
        due += entry->due_ns != 0;
        if (entry->outbox != GIRO_NONE)
            GIRO_ASSERT(entry->outbox < sessions->outbox_count &&
                        sessions->outboxes[entry->outbox].entry == i);
        if (entry->state == STATE_FREE) {
            GIRO_ASSERT(entry->outbox == GIRO_NONE && entry->due_ns == 0);
            continue;
        }
        GIRO_ASSERT((entry->session.own_id & ((1u << INDEX_BITS) - 1)) == i);
        GIRO_ASSERT(entry->received <= entry->session.window.next);
        GIRO_ASSERT(sessions_same_address(&entry->path, &entry->proved) ||
                    entry->path_out <= entry->path_in);
    }
    GIRO_ASSERT(gathered == sessions->outbox_count);
    uint64_t before_ns = 0;
    for (uint32_t i = sessions->due_first; i != GIRO_NONE; i = sessions->entries[i].due_next) {
        GIRO_ASSERT(due > 0 && sessions->entries[i].due_ns >= before_ns);
        before_ns = sessions->entries[i].due_ns;
        due--;
    }
    GIRO_ASSERT(due == 0);
}
