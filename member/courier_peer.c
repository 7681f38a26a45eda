/* What one member says to one replica, datagram by datagram. */
#include "member/courier_internal.h"

#define PACE_BURST    16u
#define PROBE_WAIT_NS (60 * MS_NS)
#define CREDIT_ASK_NS (50 * MS_NS)
#define STUCK_NS      (5 * MS_NS) /* frames wait for credit, or for what the path carries */

/* ---- Wanting ---------------------------------------------------------------------------------------- */

void giro_peer_want(struct giro_courier *courier, struct peer *peer)
{
    uint32_t index = (uint32_t)(peer - courier->peers);
    peer->used_ns = now_of(courier);
    if (!peer->listed) {
        peer->listed = true;
        peer->member = (uint16_t)(index / courier->replica_count);
        peer->replica = (uint16_t)(index % courier->replica_count);
        courier->listed[courier->listed_count++] = index;
    }
    if (!peer->wanted) {
        peer->wanted = true;
        peer->close_wanted = false;
        peer->want_began_ns = now_of(courier);
    }
    if (!peer->live && !peer->shaking)
        giro_peer_shake(courier, peer);
}

static uint64_t silence_ns(const struct peer *peer)
{
    uint64_t usual = 2 * peer->rtt_ns + 4 * peer->rtt_var_ns;
    return usual > SILENT_NS ? usual : SILENT_NS;
}

void giro_peer_shun(const struct giro_courier *courier, struct peer *peer)
{
    if (now_of(courier) - peer->receipt_ns > silence_ns(peer))
        peer->shunned_ns = now_of(courier) + RESEND_LAST_NS;
}

bool giro_peer_alive(const struct giro_courier *courier, const struct peer *peer)
{
    const uint64_t now = now_of(courier);
    return peer->live && now >= peer->shunned_ns &&
           (peer->unanswered_ns == 0 || now - peer->unanswered_ns < silence_ns(peer));
}

void giro_peer_errand(struct giro_courier *courier, struct peer *peer, enum errand_kind kind,
                      const struct flight *flight, uint32_t offset)
{
    if (peer->errand_count == ERRANDS)
        return;
    peer->errands[(peer->errand_first + peer->errand_count++) % ERRANDS] = (struct errand){
        .flight = handle_of(courier, flight), .offset = offset, .kind = (uint8_t)kind};
}

void giro_peer_end(struct giro_courier *courier, struct peer *peer)
{
    (void)courier;
    peer->live = false;
    peer->lowest = 0;
    peer->out_count = 0;
    peer->unanswered_ns = 0;
    peer->path_bytes = 0;
    giro_session_wipe(&peer->session, sizeof(peer->session));
}

/* ---- Sending ---------------------------------------------------------------------------------------- */

struct draft {
    struct giro_writer writer;
    struct number number;
    bool blocked; /* by credit */
};

static void draft_begin(struct draft *draft, uint8_t *out, uint32_t datagram_bytes)
{
    memset(draft, 0, sizeof(*draft));
    giro_writer_init(&draft->writer, out + GIRO_SESSION_HEADER_BYTES,
                     giro_session_room(datagram_bytes));
}

/* tracked: its acknowledgement is waited for. */
static uint32_t draft_send(struct giro_courier *courier, struct peer *peer, struct draft *draft,
                           uint8_t *out, bool tracked)
{
    uint64_t n = peer->session.send_number, now = now_of(courier);
    uint32_t size =
        giro_session_seal(&peer->session, peer->lowest, out, (uint32_t)draft->writer.offset);
    if (size == 0) { /* no number is left */
        giro_peer_end(courier, peer);
        return 0;
    }
    draft->number.sent_ns = now;
    draft->number.size_bytes = (uint16_t)size;
    draft->number.out = tracked;
    peer->numbers[n % NUMBERS] = draft->number;
    peer->out_count += tracked;
    if (peer->lowest == n && !tracked)
        peer->lowest = n + 1;
    peer->last_sent_ns = now;
    if (tracked && peer->unanswered_ns == 0)
        peer->unanswered_ns = now;
    if (peer->rtt_ns > 0) {
        uint64_t interval = peer->rtt_ns * 4 / (5 * (uint64_t)peer->window);
        uint64_t earliest = now - (PACE_BURST * interval < now ? PACE_BURST * interval : now);
        peer->pace_ns = (peer->pace_ns > earliest ? peer->pace_ns : earliest) + interval;
    }
    return size;
}

static bool draft_frame(struct giro_courier *courier, struct draft *draft,
                        const struct flight *flight)
{
    if (!giro_session_put(&draft->writer, GIRO_SESSION_FRAME, flight->bytes, flight->size_bytes))
        return false;
    draft->number.flights[draft->number.count++] = handle_of(courier, flight);
    return true;
}

static bool draft_ask(struct draft *draft, const struct flight *flight, const struct errand *errand)
{
    static const uint8_t wants[] = {[ERRAND_RECEIPT] = GIRO_WANT_RECEIPT,
                                    [ERRAND_PROOF] = GIRO_WANT_PROOF,
                                    [ERRAND_CHANNEL] = GIRO_WANT_CHANNEL};
    struct giro_session_ask ask = {.sequence = flight->sequence,
                                   .channel = flight->channel % GIRO_CHANNELS_MAX,
                                   .want = wants[errand->kind],
                                   .offset = errand->offset};
    return giro_session_put(&draft->writer, GIRO_SESSION_ASK, &ask, sizeof(ask));
}

static bool fits_path(const struct peer *peer, const struct flight *flight)
{
    return flight->size_bytes + sizeof(struct giro_session_block_head) <=
           giro_session_room(peer->path_bytes);
}

/* A larger size may yet be found to pass. */
static bool probing(const struct peer *peer)
{
    return !peer->probe_done;
}

/* Resends and questions first. One that has become pointless is dropped. */
static void draft_errands(struct giro_courier *courier, struct peer *peer, struct draft *draft)
{
    for (; peer->errand_count > 0; peer->errand_count--) {
        const struct errand *errand = &peer->errands[peer->errand_first];
        const struct flight *flight = flight_of(courier, errand->flight);
        bool done = flight == NULL;
        if (flight != NULL && errand->kind == ERRAND_FRAME) {
            bool wanted = flight_sends(flight) && fits_path(peer, flight);
            draft->blocked = wanted && peer->session.send_number >= peer->credit;
            if (draft->blocked || (flight_sends(flight) && !wanted && probing(peer)) ||
                (wanted && draft->number.count == DATAGRAM_FRAMES))
                return;
            done = !wanted || draft_frame(courier, draft, flight);
        } else if (flight != NULL) {
            done = draft_ask(draft, flight, errand);
        }
        if (!done)
            return;
        peer->errand_first = (peer->errand_first + 1) % ERRANDS;
    }
}

/* New frames, if they go by this replica. One that its path cannot carry is left to others. */
static void draft_line(struct giro_courier *courier, struct peer *peer, struct draft *draft)
{
    struct member *member = &courier->members[peer->member];
    while (member->first != GIRO_NONE && member->route == peer->replica &&
           draft->number.count < DATAGRAM_FRAMES) {
        struct flight *flight = &courier->flights[member->first];
        if (!fits_path(peer, flight)) {
            if (probing(peer))
                return;
            giro_flight_unqueue(courier, flight);
            continue;
        }
        draft->blocked = peer->session.send_number >= peer->credit;
        if (draft->blocked || !draft_frame(courier, draft, flight))
            return;
        giro_flight_unqueue(courier, flight);
    }
}

static uint32_t send_init(struct giro_courier *courier, struct peer *peer, uint8_t *out)
{
    const uint64_t now = now_of(courier);
    if (now - peer->shake_began_ns >= SHAKE_AGAIN_NS)
        giro_peer_shake(courier, peer);
    if (!peer->shaking || now < peer->shake_due_ns)
        return 0;
    memcpy(out, peer->init, GIRO_HANDSHAKE_INIT_BYTES);
    peer->shake_due_ns = now + peer->shake_wait_ns;
    peer->shake_wait_ns =
        2 * peer->shake_wait_ns > RESEND_LAST_NS ? RESEND_LAST_NS : 2 * peer->shake_wait_ns;
    return GIRO_HANDSHAKE_INIT_BYTES;
}

static uint32_t send_close(struct giro_courier *courier, struct peer *peer, uint8_t *out)
{
    struct draft draft;
    struct giro_session_close message = {.reason = GIRO_CLOSE_DONE};
    draft_begin(&draft, out, GIRO_SESSION_DATAGRAM_MIN);
    bool put = giro_session_put(&draft.writer, GIRO_SESSION_CLOSE, &message, sizeof(message));
    GIRO_ASSERT(put);
    peer->close_wanted = false;
    uint32_t size = draft_send(courier, peer, &draft, out, false);
    giro_peer_end(courier, peer);
    return size;
}

static bool put_ping(struct giro_courier *courier, struct draft *draft, uint64_t token)
{
    struct giro_session_ping ping = {.token = token, .datagram_max = courier->options.datagram_max};
    return giro_session_put(&draft->writer, GIRO_SESSION_PING, &ping, sizeof(ping));
}

/* A PING with zeros behind it, of the size to be tried. Losing it says nothing but that. All probes of a session have one token:
 * the PONG says which size passed, however late it comes. */
static uint32_t send_probe(struct giro_courier *courier, struct peer *peer, uint8_t *out)
{
    const uint64_t now = now_of(courier);
    struct draft draft;
    if (now < peer->probe_due_ns)
        return 0;
    uint32_t size = giro_path_rung(courier, peer);
    if (size == 0)
        return 0;
    draft_begin(&draft, out, size);
    bool put = put_ping(courier, &draft, peer->probe_token);
    uint32_t pad_bytes = (uint32_t)(draft.writer.size_bytes - draft.writer.offset -
                                    sizeof(struct giro_session_block_head));
    uint8_t *pad = giro_session_reserve(&draft.writer, GIRO_SESSION_PAD, pad_bytes);
    GIRO_ASSERT(put && pad != NULL);
    memset(pad, 0, pad_bytes);
    peer->probe_tries++;
    uint64_t wait = 2 * peer->rtt_ns + 4 * peer->rtt_var_ns;
    peer->probe_due_ns = now + (wait > PROBE_WAIT_NS ? wait : PROBE_WAIT_NS);
    return draft_send(courier, peer, &draft, out, false);
}

static bool has_frames(const struct giro_courier *courier, const struct peer *peer)
{
    const struct member *member = &courier->members[peer->member];
    return peer->errand_count > 0 || (member->first != GIRO_NONE && member->route == peer->replica);
}

static uint32_t send_data(struct giro_courier *courier, struct peer *peer, uint8_t *out)
{
    const uint64_t now = now_of(courier);
    struct draft draft;
    bool room = peer->out_count < peer->window &&
                peer->session.send_number - peer->lowest < NUMBERS && now >= peer->pace_ns;
    bool silent = peer->last_sent_ns == 0 || now - peer->last_sent_ns >= peer->keep_alive_ns;
    if (!silent && !peer->pong_owed && !(room && has_frames(courier, peer)))
        return 0;
    draft_begin(&draft, out, peer->path_bytes);
    if (peer->pong_owed) {
        struct giro_session_pong pong = {.token = peer->pong_token,
                                         .size = (uint32_t)peer->pong_size};
        bool put = giro_session_put(&draft.writer, GIRO_SESSION_PONG, &pong, sizeof(pong));
        GIRO_ASSERT(put);
        peer->pong_owed = false;
    }
    if (room) {
        draft_errands(courier, peer, &draft);
        if (!draft.blocked)
            draft_line(courier, peer, &draft);
    }
    /* Also when credit is wanted and nothing is under way that an ACK would come for. */
    bool starved = draft.blocked && peer->out_count == 0 && draft.writer.offset == 0 &&
                   now - peer->last_sent_ns >= CREDIT_ASK_NS;
    if (draft.writer.offset == 0 && (silent || starved)) {
        bool put = put_ping(courier, &draft, 0);
        GIRO_ASSERT(put);
    }
    if (draft.writer.offset > 0)
        return draft_send(courier, peer, &draft, out, true);
    peer->stuck_ns = now + STUCK_NS;
    return 0;
}

/* Ages, silence and the end of keys call for a new handshake. */
static void watch(struct giro_courier *courier, struct peer *peer)
{
    const uint64_t now = now_of(courier);
    if (now >= peer->dead_ns) {
        giro_peer_end(courier, peer);
        if (peer->wanted && !peer->shaking)
            giro_peer_shake(courier, peer);
        return;
    }
    bool old = now >= peer->rekey_ns || peer->session.send_number >= peer->rekey_number;
    bool silent = peer->unanswered_ns != 0 && now - peer->unanswered_ns >= 2 * silence_ns(peer);
    if ((old || silent) && peer->wanted && !peer->shaking)
        giro_peer_shake(courier, peer);
}

uint32_t giro_peer_turn(struct giro_courier *courier, struct peer *peer, uint8_t *out)
{
    uint32_t size = peer->shaking ? send_init(courier, peer, out) : 0;
    if (size > 0 || !peer->live)
        return size;
    if (peer->close_wanted)
        return send_close(courier, peer, out);
    watch(courier, peer);
    if (!peer->live)
        return 0;
    giro_peer_overdue(courier, peer);
    size = send_data(courier, peer, out);
    return size > 0 ? size : send_probe(courier, peer, out);
}

uint64_t giro_peer_due(const struct giro_courier *courier, const struct peer *peer)
{
    uint64_t due = peer->shaking ? peer->shake_due_ns : UINT64_MAX;
    if (!peer->live)
        return due;
    uint64_t silence = 2 * silence_ns(peer);
    uint64_t times[] = {peer->shaking ? UINT64_MAX : peer->rekey_ns,
                        peer->dead_ns,
                        peer->last_sent_ns + peer->keep_alive_ns,
                        peer->probe_due_ns,
                        giro_peer_overdue_ns(peer),
                        peer->unanswered_ns == 0 || peer->shaking ? UINT64_MAX
                                                                  : peer->unanswered_ns + silence,
                        peer->pong_owed || peer->close_wanted ? 0 : UINT64_MAX,
                        has_frames(courier, peer) && peer->out_count < peer->window
                            ? (peer->pace_ns > peer->stuck_ns ? peer->pace_ns : peer->stuck_ns)
                            : UINT64_MAX};
    for (uint32_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
        due = times[i] < due ? times[i] : due;
    return due;
}
