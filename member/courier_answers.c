/* What replicas say: datagrams opened, receipts and refusals applied to the frames they name. */
#include "member/courier_internal.h"

#define EXPIRY_SLACK_NS (5 * GIRO_NS_PER_S) /* the member's clock may be behind */
#define DENIED_ASK_NS   (2 * GIRO_NS_PER_S)

/* ---- Receipts --------------------------------------------------------------------------------------- */

/* Results of all records or of none, spread out from their runs; the count, or GIRO_NONE if they do not fit the frame. */
static uint32_t results_spread(struct giro_courier *courier, const struct flight *flight,
                               const struct giro_receipt_item *item, const uint8_t *runs)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < item->run_count; i++) {
        struct giro_receipt_run run;
        memcpy(&run, runs + i * sizeof(run), sizeof(run));
        for (uint32_t k = 0; k < run.count && count < GIRO_FRAME_RECORDS_MAX; k++)
            courier->results[count++] = run.result;
    }
    bool whole = flight->bytes == NULL || count == 0 || count == flight->record_count;
    return whole ? count : GIRO_NONE;
}

static void tell(struct giro_courier *courier, const struct flight *flight, const struct peer *peer,
                 enum giro_told_kind kind, const struct giro_receipt_item *item,
                 uint32_t result_count, bool final)
{
    struct giro_courier_told told = {.kind = kind,
                                     .final = final,
                                     .tag = flight->tag,
                                     .member = flight->member,
                                     .replica = peer->replica,
                                     .item = *item,
                                     .result_count = result_count,
                                     .results = courier->results,
                                     .first_sent_ns = flight->first_sent_ns};
    courier->options.told(courier->options.context, &told);
}

static void on_durable(struct giro_courier *courier, struct flight *flight, const struct peer *peer,
                       const struct giro_receipt_item *item)
{
    /* Ordered by block time T or dead after it. Block time follows the wall clock. No honest replica names a later T. */
    const uint64_t wall = courier->now.wall_ns;
    const uint64_t latest = wall + courier->options.genesis->batch_ttl_ns + EXPIRY_SLACK_NS;
    uint64_t left = item->height > wall ? item->height - wall : 0;
    flight->state = FLIGHT_DURABLE;
    flight->expiry_wall_ns = item->height < latest ? item->height : latest;
    flight->turns = 0;
    flight->wait_ns = DURABLE_WAIT_NS;
    flight->due_ns = now_of(courier) + (left < DURABLE_WAIT_NS ? left : DURABLE_WAIT_NS);
    if (flight->was_durable)
        return;
    flight->was_durable = true;
    courier->stats.frames_durable++;
    tell(courier, flight, peer, GIRO_TOLD_DURABLE, item, 0, false);
}

/* One replica's word is not enough: others at once. */
static void others_next(struct giro_courier *courier, struct flight *flight)
{
    if (flight->state != FLIGHT_QUESTION && flight->state != FLIGHT_PROVING)
        flight->state = FLIGHT_SENT;
    if (flight->due_ns > now_of(courier) + MS_NS)
        flight->due_ns = now_of(courier) + MS_NS;
}

/* Outcomes without effect, in the order of flight.denied_by. */
static const uint8_t denials[DENIALS] = {GIRO_OUTCOME_EQUIVOCATION, GIRO_OUTCOME_CHANNEL_STOPPED,
                                         GIRO_OUTCOME_REFUSED, GIRO_OUTCOME_OLD};

/* The outcome without effect that f + 1 replicas told, or NONE. */
static uint8_t denial_of(const struct giro_courier *courier, const struct flight *flight)
{
    for (uint32_t i = 0; i < DENIALS; i++)
        if (replicas_in(flight->denied_by[i]) > courier->f)
            return denials[i];
    return GIRO_OUTCOME_NONE;
}

static bool denied_by(const struct flight *flight, uint16_t replica)
{
    bool denied = false;
    for (uint32_t i = 0; i < DENIALS; i++)
        denied = denied || replica_has(flight->denied_by[i], replica);
    return denied;
}

/* This copy of the frame had no effect. An earlier one may have had: it is old then, or the member was suspended since. And who
 * believes a lie pays again. So f + 1 replicas must tell the same, of which one is honest; then their ledgers are asked. */
static void on_denied(struct giro_courier *courier, struct flight *flight, const struct peer *peer,
                      uint8_t outcome)
{
    if (flight->bytes == NULL)
        return;
    const uint8_t before = denial_of(courier, flight);
    for (uint32_t i = 0; i < DENIALS; i++)
        if (denials[i] == outcome)
            replica_add(flight->denied_by[i], peer->replica);
    if (flight->state == FLIGHT_PROVING) /* every ledger is being asked for the proof */
        return;
    if (denial_of(courier, flight) == GIRO_OUTCOME_NONE) {
        others_next(courier, flight);
        return;
    }
    if (before != GIRO_OUTCOME_NONE && flight->state == FLIGHT_DURABLE)
        return;
    flight->state = FLIGHT_DURABLE;
    flight->expiry_wall_ns =
        courier->now.wall_ns + DENIED_ASK_NS; /* then it is sent to others, too */
    flight->turns = 0;
    flight->wait_ns = RESEND_FIRST_NS;
    flight->due_ns = now_of(courier);
}

/* A ledger without a frame that its replica denied has not executed it. Any other may have it a moment later. */
static void on_absent(struct giro_courier *courier, struct flight *flight, const struct peer *peer)
{
    if (flight->state == FLIGHT_PROVING && flight->witness == peer->replica)
        flight->due_ns =
            now_of(courier) + RESEND_FIRST_NS; /* told, but its ledger has it not yet */
    if (flight->bytes == NULL || denied_by(flight, peer->replica))
        replica_add(flight->absent_by, peer->replica);
    const uint8_t outcome = denial_of(courier, flight);
    if (outcome == GIRO_OUTCOME_NONE)
        return;
    if (flight->state == FLIGHT_DURABLE)
        flight->due_ns = now_of(courier) + MS_NS;
    if (replicas_in(flight->absent_by) <= courier->f)
        return;
    struct giro_receipt_item item = {.sequence = flight->sequence,
                                     .frame_hash = flight->hash,
                                     .channel = flight->channel,
                                     .level = GIRO_LEVEL_CERTIFIED,
                                     .outcome = outcome};
    courier->stats.frames_certified += flight->state != FLIGHT_PROVING;
    tell(courier, flight, peer, GIRO_TOLD_CERTIFIED, &item, 0, true);
    giro_flight_end(courier, flight);
}

static void on_executed(struct giro_courier *courier, struct flight *flight,
                        const struct peer *peer, const struct giro_receipt_item *item,
                        uint32_t result_count)
{
    if (flight->state == FLIGHT_PROVING) /* only the proof says more */
        return;
    bool final = !flight->wants_proof;
    courier->stats.frames_certified++;
    tell(courier, flight, peer, GIRO_TOLD_CERTIFIED, item, result_count, final);
    if (final) {
        giro_flight_end(courier, flight);
        return;
    }
    flight->claim = giro_sha256(courier->results, result_count * sizeof(courier->results[0]));
    flight->state = FLIGHT_PROVING;
    flight->hash = item->frame_hash;
    flight->turns = flight->proof_turns = 0;
    flight->wait_ns = RESEND_FIRST_NS;
    giro_flight_prove(courier, flight, peer->replica);
}

static void on_item(struct giro_courier *courier, struct peer *peer,
                    const struct giro_receipt_item *item, const uint8_t *runs)
{
    struct flight *flight = giro_flight_find(courier, peer->member, item->channel, item->sequence);
    uint32_t count = 0;
    bool asked = flight != NULL && flight->bytes == NULL;
    bool same = flight != NULL && (asked || giro_hash_equal(&flight->hash, &item->frame_hash));
    if (same)
        count = results_spread(courier, flight, item, runs);
    if (!same || flight->state == FLIGHT_QUEUED || count == GIRO_NONE) {
        courier->stats.receipts_ignored++;
        return;
    }
    if (item->level == GIRO_LEVEL_DURABLE) {
        if (flight->state == FLIGHT_SENT)
            on_durable(courier, flight, peer, item);
        return;
    }
    if (item->level != GIRO_LEVEL_CERTIFIED)
        return;
    switch ((enum giro_outcome)item->outcome) {
    case GIRO_OUTCOME_EXECUTED:
    case GIRO_OUTCOME_DUPLICATE:
        on_executed(courier, flight, peer, item, count);
        break;
    case GIRO_OUTCOME_NOT_CONSUMED: /* beyond the window: later */
        if (!asked && flight->state != FLIGHT_PROVING) {
            flight->state = FLIGHT_SENT;
            flight->due_ns = now_of(courier) + flight->wait_ns;
        }
        break;
    case GIRO_OUTCOME_NONE:
        break;
    case GIRO_OUTCOME_EQUIVOCATION:
    case GIRO_OUTCOME_CHANNEL_STOPPED:
    case GIRO_OUTCOME_REFUSED:
    case GIRO_OUTCOME_OLD:
        on_denied(courier, flight, peer, item->outcome);
        break;
    }
}

static void on_receipt(struct giro_courier *courier, struct peer *peer,
                       const struct giro_session_block *block)
{
    struct giro_reader reader;
    struct giro_receipt_item item;
    const uint8_t *runs = NULL;
    giro_reader_init(&reader, block->bytes, block->size_bytes);
    while (giro_reader_left(&reader) > 0 &&
           giro_receipt_next(&reader, &item, &runs) == GIRO_REJECT_NONE)
        on_item(courier, peer, &item, runs);
}

/* The frame, or the question about it, was refused. Where the reason passes by itself it comes again; where not, other replicas
 * may think otherwise: its own time sends it there. */
static void on_refuse(struct giro_courier *courier, struct peer *peer,
                      const struct giro_session_block *block)
{
    struct giro_session_refuse refuse;
    memcpy(&refuse, block->bytes, sizeof(refuse));
    struct flight *flight =
        giro_flight_find(courier, peer->member, refuse.channel, refuse.sequence);
    courier->stats.refused[refuse.reason]++;
    if (flight == NULL || flight->state == FLIGHT_QUEUED)
        return;
    if (refuse.reason == GIRO_REJECT_ABSENT) {
        on_absent(courier, flight, peer);
    } else if (flight->state == FLIGHT_SENT && refuse.wait_ms > 0) {
        const uint64_t wait_ns = refuse.wait_ms * MS_NS;
        flight->due_ns = now_of(courier) + (wait_ns < RESEND_LAST_NS ? wait_ns : RESEND_LAST_NS);
        flight->again = peer->replica;
    }
}

/* ---- Datagrams -------------------------------------------------------------------------------------- */

static void on_close(struct giro_courier *courier, struct peer *peer)
{
    giro_peer_end(courier, peer);
    if (!peer->wanted)
        return;
    giro_peer_shake(courier, peer);
    peer->shake_due_ns = now_of(courier) + GIRO_NS_PER_S;
}

/* current: of the session in use, whose numbers and credit are counted. */
static void on_block(struct giro_courier *courier, struct peer *peer,
                     const struct giro_session_block *block, size_t size_bytes, bool current)
{
    switch (block->kind) {
    case GIRO_SESSION_RECEIPT:
        peer->receipt_ns = now_of(courier);
        on_receipt(courier, peer, block);
        break;
    case GIRO_SESSION_ACK:
        if (current)
            giro_peer_ack(courier, peer, block);
        break;
    case GIRO_SESSION_REFUSE:
        on_refuse(courier, peer, block);
        break;
    case GIRO_SESSION_PROOF:
        giro_flight_proof(courier, peer, block);
        break;
    case GIRO_SESSION_PING: {
        struct giro_session_ping ping;
        memcpy(&ping, block->bytes, sizeof(ping));
        peer->pong_owed = current;
        peer->pong_token = ping.token;
        peer->pong_size = size_bytes;
        break;
    }
    case GIRO_SESSION_PONG: {
        struct giro_session_pong pong;
        memcpy(&pong, block->bytes, sizeof(pong));
        giro_peer_pong(courier, peer, &pong);
        break;
    }
    case GIRO_SESSION_CLOSE:
        if (current)
            on_close(courier, peer);
        break;
    case GIRO_SESSION_CHANNEL:
        giro_flight_stand(courier, peer, block);
        break;
    default: /* PAD */
        break;
    }
}

static void on_session(struct giro_courier *courier, struct peer *peer, uint8_t *bytes,
                       size_t size_bytes, uint32_t receiver_id)
{
    bool current = peer->live && receiver_id == peer->session.own_id;
    bool previous = peer->has_previous && receiver_id == peer->previous.own_id;
    struct giro_session_header header;
    uint8_t *blocks = bytes + GIRO_SESSION_HEADER_BYTES;
    uint32_t blocks_bytes = 0;
    enum giro_reject reject = GIRO_REJECT_SESSION;
    if (current || previous)
        reject = giro_session_open(current ? &peer->session : &peer->previous, bytes, size_bytes,
                                   blocks, &blocks_bytes, &header);
    if (reject == GIRO_REJECT_NONE)
        reject = giro_session_blocks_check(blocks, blocks_bytes, GIRO_SESSION_DOWN);
    if (reject != GIRO_REJECT_NONE) {
        courier->stats.datagrams_refused++;
        return;
    }
    courier->members[peer->member].heard_ns = now_of(courier);
    if (current)
        peer->unanswered_ns = peer->stuck_ns = 0;
    struct giro_reader reader;
    struct giro_session_block block;
    giro_reader_init(&reader, blocks, blocks_bytes);
    while (giro_reader_left(&reader) > 0 &&
           giro_session_next(&reader, GIRO_SESSION_DOWN, &block) == GIRO_REJECT_NONE)
        on_block(courier, peer, &block, size_bytes, current && peer->live);
}

void giro_courier_receive(struct giro_courier *courier, uint8_t *bytes, size_t size_bytes,
                          const struct giro_courier_time *time)
{
    struct giro_head head = {0};
    struct giro_session_header header;
    struct giro_handshake_header handshake;
    uint32_t id = 0;
    courier->now = *time;
    courier->stats.datagrams_received++;
    if (size_bytes >= sizeof(head))
        memcpy(&head, bytes, sizeof(head));
    if (head.kind == GIRO_KIND_SESSION &&
        giro_session_header_read(bytes, size_bytes, &header) == GIRO_REJECT_NONE) {
        id = header.receiver_id;
    } else if (head.kind == GIRO_KIND_HANDSHAKE && size_bytes >= sizeof(handshake)) {
        memcpy(&handshake, bytes, sizeof(handshake));
        id = handshake.initiator_id;
    }
    uint32_t index = id & ((1u << HANDLE_BITS) - 1);
    uint32_t pairs = courier->options.genesis->member_count * courier->replica_count;
    if (id == 0 || index >= pairs || !courier->peers[index].listed) {
        courier->stats.datagrams_refused++;
        return;
    }
    if (head.kind == GIRO_KIND_SESSION)
        on_session(courier, &courier->peers[index], bytes, size_bytes, id);
    else
        giro_peer_handshake(courier, &courier->peers[index], bytes, size_bytes);
}
