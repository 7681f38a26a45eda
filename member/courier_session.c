/* A session's life between handshake and end: keys, acknowledgements, losses, the size of datagrams its path carries. */
#include "member/courier_internal.h"

#define WINDOW_FIRST   16u
#define WINDOW_LEAST   4u
#define REORDER        3u /* datagrams acknowledged beyond one that is not: it is lost */
#define LATE_FIRST_NS  (100 * MS_NS)
#define LATE_LEAST_NS  (50 * MS_NS)
#define BACKOFF_MAX    5u
#define PROBE_TRIES    3u
#define PROBE_FIRST_NS (3 * GIRO_NS_PER_S)
#define PROBE_LAST_NS  (600 * GIRO_NS_PER_S)
#define LARGE_LOSSES   6u /* in a row, small ones passing: the path has changed */

/* ---- Handshake -------------------------------------------------------------------------------------- */

void giro_peer_shake(struct giro_courier *courier, struct peer *peer)
{
    const struct giro_courier_options *options = &courier->options;
    uint32_t index = (uint32_t)(peer - courier->peers);
    struct {
        uint8_t ephemeral[32];
        uint32_t age;
    } fresh;
    options->random(options->context, &fresh, sizeof(fresh));
    uint32_t id = (fresh.age | 1u) << HANDLE_BITS | index; /* never 0 */
    while (id == peer->session.own_id || id == peer->previous.own_id)
        id += 2u << HANDLE_BITS;
    struct giro_handshake_options handshake = {
        .self = courier->members[peer->member].pair,
        .replica_public = courier->replica_keys[peer->replica],
        .chain = &options->genesis->chain_id,
        .ephemeral_secret = fresh.ephemeral,
        .cookie = peer->cookie_known ? peer->cookie : NULL,
        .initiator_id = id,
        .replica = peer->replica,
        .body = {.member = peer->member,
                 .key_id = (uint16_t)options->genesis->members[peer->member].session.key_id,
                 .replaces = peer->live ? peer->responder_id : 0,
                 .datagram_max = (uint16_t)options->datagram_max,
                 .time_ns = courier->now.wall_ns}};
    peer->shaking = giro_handshake_begin(&peer->handshake, &handshake, peer->init);
    giro_session_wipe(&fresh, sizeof(fresh));
    peer->shake_began_ns = peer->shake_due_ns = now_of(courier);
    peer->shake_wait_ns = SHAKE_FIRST_NS;
    courier->stats.handshakes++;
}

static void key_log(const struct giro_courier *courier, const struct giro_session *session)
{
    const struct giro_courier_options *options = &courier->options;
    char line[GIRO_SESSION_KEY_LINE_BYTES];
    if (options->key_log == NULL)
        return;
    size_t length = giro_session_key_line(options->genesis->chain_prefix, session->peer_id,
                                          session->send_key, line);
    options->key_log(options->context, line, length);
    length = giro_session_key_line(options->genesis->chain_prefix, session->own_id,
                                   session->receive_key, line);
    options->key_log(options->context, line, length);
    giro_session_wipe(line, sizeof(line));
}

/* What was in flight goes again under the new session's numbers. */
static void numbers_clear(struct giro_courier *courier, struct peer *peer)
{
    for (uint64_t n = peer->lowest; n < peer->session.send_number; n++) {
        struct number *number = &peer->numbers[n % NUMBERS];
        for (uint32_t i = 0; number->out && i < number->count; i++) {
            const struct flight *flight = flight_of(courier, number->flights[i]);
            if (flight != NULL && flight_sends(flight))
                giro_peer_errand(courier, peer, ERRAND_FRAME, flight, 0);
        }
        number->out = false;
    }
    peer->lowest = 0;
    peer->out_count = 0;
}

static void session_begin(struct giro_courier *courier, struct peer *peer,
                          const struct giro_session *session,
                          const struct giro_handshake_response_body *body)
{
    const uint64_t now = now_of(courier);
    if (peer->live) {
        numbers_clear(courier, peer);
        peer->previous = peer->session;
        peer->has_previous = true;
        peer->previous_end_ns = now + PREVIOUS_NS;
        courier->stats.rekeys++;
    }
    peer->session = *session;
    peer->live = true;
    peer->lowest = 0;
    peer->out_count = 0;
    peer->responder_id = body->responder_id;
    peer->credit = body->credit;
    peer->rekey_ns = now + body->rekey_s * GIRO_NS_PER_S;
    peer->dead_ns = now + body->lifetime_s * GIRO_NS_PER_S;
    peer->rekey_number = body->rekey_datagrams;
    peer->keep_alive_ns = body->keep_alive_s * GIRO_NS_PER_S;
    uint32_t most = courier->options.datagram_max;
    peer->path_max = body->datagram_max < most ? body->datagram_max : most;
    if (peer->path_bytes == 0 || peer->path_bytes > peer->path_max)
        peer->path_bytes = GIRO_SESSION_DATAGRAM_MIN;
    peer->probe_rung = peer->probe_tries = 0;
    peer->probe_done = false;
    peer->probe_due_ns = now;
    peer->probe_again_ns = PROBE_FIRST_NS;
    courier->options.random(courier->options.context, &peer->probe_token,
                            sizeof(peer->probe_token));
    peer->window = peer->window == 0 ? WINDOW_FIRST : peer->window;
    peer->threshold = peer->threshold == 0 ? NUMBERS : peer->threshold;
    peer->recovery_number = 0;
    peer->last_sent_ns = 0; /* a first datagram at once: the session is live with it */
    peer->unanswered_ns = 0;
    peer->backoff = 0;
}

static void rtt_add(struct peer *peer, uint64_t sample_ns)
{
    if (peer->rtt_ns == 0) {
        peer->rtt_ns = sample_ns;
        peer->rtt_var_ns = sample_ns / 2;
        return;
    }
    uint64_t off = peer->rtt_ns > sample_ns ? peer->rtt_ns - sample_ns : sample_ns - peer->rtt_ns;
    peer->rtt_var_ns = (3 * peer->rtt_var_ns + off) / 4;
    peer->rtt_ns = (7 * peer->rtt_ns + sample_ns) / 8;
}

void giro_peer_handshake(struct giro_courier *courier, struct peer *peer, const uint8_t *bytes,
                         size_t size_bytes)
{
    enum giro_handshake_step step =
        giro_handshake_step_of(bytes, size_bytes, courier->options.genesis->chain_prefix);
    enum giro_reject reject = GIRO_REJECT_SESSION;
    struct giro_handshake_response_body body;
    struct giro_session session;
    if (peer->shaking && step == GIRO_HANDSHAKE_COOKIE) {
        reject = giro_handshake_cookie(&peer->handshake, bytes, size_bytes, peer->init);
        if (reject == GIRO_REJECT_NONE) {
            memcpy(peer->cookie, bytes + sizeof(struct giro_handshake_header),
                   sizeof(peer->cookie));
            peer->cookie_known = true;
            peer->shake_due_ns = now_of(courier);
            peer->shake_wait_ns = SHAKE_FIRST_NS;
        }
    } else if (peer->shaking && step == GIRO_HANDSHAKE_RESPONSE) {
        reject = giro_handshake_finish(&peer->handshake, courier->members[peer->member].pair, bytes,
                                       size_bytes, &body, &session);
        if (reject == GIRO_REJECT_NONE) {
            /* Sent once since it was last due: the sample is not of an earlier copy. */
            if (peer->rtt_ns == 0 && peer->shake_wait_ns == 2 * SHAKE_FIRST_NS)
                rtt_add(peer, now_of(courier) - (peer->shake_due_ns - SHAKE_FIRST_NS));
            peer->shaking = false;
            session_begin(courier, peer, &session, &body);
            key_log(courier, &session);
            courier->members[peer->member].heard_ns = now_of(courier);
            giro_session_wipe(&peer->handshake, sizeof(peer->handshake));
            giro_session_wipe(&session, sizeof(session));
        }
    }
    if (reject != GIRO_REJECT_NONE)
        courier->stats.datagrams_refused++;
}

/* ---- Losses ----------------------------------------------------------------------------------------- */

static void lowest_advance(struct peer *peer)
{
    while (peer->lowest < peer->session.send_number && !peer->numbers[peer->lowest % NUMBERS].out)
        peer->lowest++;
}

static void window_reduce(struct peer *peer, uint64_t number)
{
    if (number < peer->recovery_number)
        return;
    peer->threshold = peer->window * 7 / 10 < WINDOW_LEAST ? WINDOW_LEAST : peer->window * 7 / 10;
    peer->window = peer->threshold;
    peer->window_part = 0;
    peer->recovery_number = peer->session.send_number;
}

void giro_peer_lose(struct giro_courier *courier, struct peer *peer, uint64_t n)
{
    struct number *number = &peer->numbers[n % NUMBERS];
    GIRO_ASSERT(number->out && peer->out_count > 0);
    number->out = false;
    peer->out_count--;
    courier->stats.datagrams_lost++;
    for (uint32_t i = 0; i < number->count; i++) {
        const struct flight *flight = flight_of(courier, number->flights[i]);
        if (flight != NULL && flight_sends(flight))
            giro_peer_errand(courier, peer, ERRAND_FRAME, flight, 0);
    }
    window_reduce(peer, n);
    if (number->size_bytes > GIRO_SESSION_DATAGRAM_MIN && ++peer->large_losses >= LARGE_LOSSES) {
        peer->path_bytes = GIRO_SESSION_DATAGRAM_MIN; /* found out again */
        peer->probe_rung = peer->probe_tries = peer->large_losses = 0;
        peer->probe_done = false;
        peer->probe_due_ns = now_of(courier);
        peer->probe_again_ns = PROBE_FIRST_NS;
    }
}

static uint64_t late_ns(const struct peer *peer)
{
    uint64_t late = peer->rtt_ns == 0 ? LATE_FIRST_NS : peer->rtt_ns + 4 * peer->rtt_var_ns;
    late = late < LATE_LEAST_NS ? LATE_LEAST_NS : late;
    return late << peer->backoff;
}

uint64_t giro_peer_overdue_ns(const struct peer *peer)
{
    if (peer->out_count == 0)
        return UINT64_MAX;
    return peer->numbers[peer->lowest % NUMBERS].sent_ns + late_ns(peer);
}

/* Without any acknowledgement the oldest is taken for lost, and the next wait is longer. */
void giro_peer_overdue(struct giro_courier *courier, struct peer *peer)
{
    if (now_of(courier) < giro_peer_overdue_ns(peer))
        return;
    giro_peer_lose(courier, peer, peer->lowest);
    lowest_advance(peer);
    if (peer->backoff < BACKOFF_MAX)
        peer->backoff++;
}

/* ---- Acknowledgements -------------------------------------------------------------------------------- */

static void window_grow(struct peer *peer, uint32_t acked)
{
    if (peer->window < peer->threshold) {
        peer->window += acked;
    } else {
        peer->window_part += acked;
        while (peer->window_part >= peer->window) {
            peer->window_part -= peer->window;
            peer->window++;
        }
    }
    if (peer->window > NUMBERS)
        peer->window = NUMBERS;
}

void giro_peer_ack(struct giro_courier *courier, struct peer *peer,
                   const struct giro_session_block *block)
{
    struct giro_session_ack ack;
    memcpy(&ack, block->bytes, sizeof(ack));
    if (ack.cumulative > peer->session.send_number) {
        courier->stats.answers_malformed++;
        return;
    }
    if (ack.credit > peer->credit)
        peer->credit = ack.credit;
    const uint64_t end = peer->session.send_number, now = now_of(courier);
    uint64_t highest = UINT64_MAX;
    uint32_t acked = 0;
    for (uint64_t n = peer->lowest; n < end; n++) {
        struct number *number = &peer->numbers[n % NUMBERS];
        if (!number->out || !giro_session_ack_has(block, n))
            continue;
        number->out = false;
        peer->out_count--;
        acked++;
        highest = n;
        if (number->size_bytes > GIRO_SESSION_DATAGRAM_MIN)
            peer->large_losses = 0;
    }
    if (acked == 0)
        return;
    uint64_t sample = now - peer->numbers[highest % NUMBERS].sent_ns;
    uint64_t delay = ack.delay_us * UINT64_C(1000);
    rtt_add(peer, delay < sample ? sample - delay : sample);
    peer->backoff = 0;
    window_grow(peer, acked);
    const uint64_t late = peer->rtt_ns + peer->rtt_ns / 4 + MS_NS;
    for (uint64_t n = peer->lowest; n < highest; n++) {
        const struct number *number = &peer->numbers[n % NUMBERS];
        if (number->out && (n + REORDER <= highest || now - number->sent_ns > late))
            giro_peer_lose(courier, peer, n);
    }
    lowest_advance(peer);
}

/* ---- Path -------------------------------------------------------------------------------------------- */

/* Sizes tried one after another until one passes; then the largest that both ends take. */
static const uint16_t rungs[] = {1472, 1452, 1428, 1392, 1280};
#define RUNG_COUNT (sizeof(rungs) / sizeof(rungs[0]))

static uint32_t rung_size(const struct peer *peer)
{
    uint32_t size = peer->probe_rung < RUNG_COUNT ? rungs[peer->probe_rung] : peer->path_max;
    return (size > peer->path_max ? peer->path_max : size) & ~3u;
}

uint32_t giro_path_rung(const struct giro_courier *courier, struct peer *peer)
{
    if (peer->probe_done) { /* once more: the path may have changed */
        peer->probe_done = false;
        peer->probe_tries = 0;
        peer->probe_rung = peer->path_bytes < rungs[0] ? 0 : RUNG_COUNT;
    }
    for (; peer->probe_rung <= RUNG_COUNT; peer->probe_rung++, peer->probe_tries = 0)
        if (peer->probe_tries < PROBE_TRIES && rung_size(peer) > peer->path_bytes)
            return rung_size(peer);
    peer->probe_done = true;
    peer->probe_again_ns =
        2 * peer->probe_again_ns > PROBE_LAST_NS ? PROBE_LAST_NS : 2 * peer->probe_again_ns;
    peer->probe_due_ns = now_of(courier) + peer->probe_again_ns;
    return 0;
}

void giro_peer_pong(struct giro_courier *courier, struct peer *peer,
                    const struct giro_session_pong *pong)
{
    if (pong->token != peer->probe_token || pong->size > peer->path_max ||
        pong->size <= peer->path_bytes)
        return;
    peer->path_bytes = pong->size;
    peer->large_losses = 0;
    peer->probe_rung = RUNG_COUNT; /* now the largest */
    peer->probe_tries = 0;
    peer->probe_due_ns = now_of(courier);
}
