/* Hostile members, copies on the way, forged senders and noise, against the hub's table of sessions with a real ingress: each is
 * counted, bounded, and others do not notice. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "sessions_support.h"

static struct table table;

static void finish(void)
{
    dataplane_leak_check();
}

TestSuite(sessions_bad_input, .fini = finish);

static void begin(void)
{
    table_open(&table, &(struct table_wish){0});
}

/* Nobody but proved addresses got more than it sent. */
static double amplification(const struct giro_endpoint *honest, uint32_t honest_count)
{
    double worst = 0;
    for (uint32_t i = 0; i < table.address_count; i++) {
        const struct traffic *traffic = &table.addresses[i];
        bool is_honest = false;
        for (uint32_t k = 0; k < honest_count; k++)
            is_honest =
                is_honest || (traffic->ipv4 == honest[k].ipv4 && traffic->port == honest[k].port);
        if (is_honest)
            continue;
        cr_assert(traffic->out <= traffic->in, "%x:%u got %lu bytes for %lu", traffic->ipv4,
                  traffic->port, (unsigned long)traffic->out, (unsigned long)traffic->in);
        if (traffic->in > 0 && (double)traffic->out / (double)traffic->in > worst)
            worst = (double)traffic->out / (double)traffic->in;
    }
    return worst;
}

/* ---- Handshakes ----------------------------------------------------------------------------------------- */

Test(sessions_bad_input, a_replayed_handshake_opens_nothing)
{
    struct peer peer;
    uint8_t first[GIRO_HANDSHAKE_INIT_BYTES];
    begin();
    peer_make(&peer, &table, 1, 0x0A000001, 4000);
    peer_init(&peer, 0);
    cr_assert(peer_handshake(&peer));
    memcpy(first, peer.init, sizeof(first));
    /* the answer was lost: the same answer comes, and nothing is computed */
    for (uint32_t i = 0; i < 100; i++) {
        cr_assert(table_take(&table, &peer.at, first, sizeof(first)) == GIRO_REJECT_NONE);
        struct giro_handshake_response_body told;
        struct giro_session again;
        const struct sent *sent = &table.sent[table.sent_count - 1];
        cr_assert(giro_handshake_finish(&peer.handshake, &peer.self, sent->bytes, sent->size_bytes,
                                        &told, &again) == GIRO_REJECT_NONE);
        cr_assert(memcmp(&again, &peer.session, sizeof(again)) == 0);
    }
    cr_assert(table_counters(&table).handshakes == 1 && table_counters(&table).repeated == 100);
    cr_assert(table_counters(&table).half_open == 1);
    cr_assert(peer_ping(&peer, 1) == GIRO_REJECT_NONE);
    /* the session is live: copies are dropped, from its address and, with a cookie of its own, from any other */
    struct peer thief;
    peer_make(&thief, &table, 2, 0x0B000001, 5000);
    cr_assert(peer_connect(&thief, 0));
    for (uint32_t second = 0; second < 110; second++) {
        table.now_ns += GIRO_NS_PER_S;
        cr_assert(table_take(&table, &peer.at, first, sizeof(first)) == GIRO_REJECT_DUPLICATE);
        memcpy(first + 32, thief.cookie, sizeof(thief.cookie));
        cr_assert(table_take(&table, &thief.at, first, sizeof(first)) == GIRO_REJECT_DUPLICATE);
        memcpy(first + 32, peer.cookie, sizeof(peer.cookie));
    }
    cr_assert(table_counters(&table).handshakes == 2 && table_counters(&table).half_open == 0);
    cr_assert(table_rejects(&table, GIRO_NONE, GIRO_REJECT_DUPLICATE) == 220);
    cr_assert(peer_ping(&peer, 2) == GIRO_REJECT_NONE);
    table_close(&table);
}

Test(sessions_bad_input, keys_that_are_not_the_members_open_nothing)
{
    struct peer peer, thief;
    begin();
    peer_make(&peer, &table, 1, 0x0A000001, 4000);
    cr_assert(peer_connect(&peer, 0));
    static const struct {
        uint16_t named, key_of;
        enum giro_reject reject;
    } rows[] = {{1, 2, GIRO_REJECT_KEY},
                {0, 1, GIRO_REJECT_KEY},
                {HUB_MEMBERS, 1, GIRO_REJECT_MEMBER},
                {GIRO_MEMBERS_MAX - 1, 1, GIRO_REJECT_MEMBER}};
    for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        peer_make(&thief, &table, rows[i].key_of, 0x0B000001, 5000);
        memcpy(thief.cookie, peer.cookie, sizeof(thief.cookie));
        peer_init(&thief, peer.session.peer_id); /* to get a cookie of its own */
        cr_assert(peer_handshake(&thief));
        thief.member = rows[i].named;
        peer_init(&thief, peer.session.peer_id);
        cr_assert(table_take(&table, &thief.at, thief.init, sizeof(thief.init)) == rows[i].reject);
        cr_assert(table_rejects(&table, GIRO_NONE, rows[i].reject) >= 1);
    }
    /* a stranger's key */
    giro_prng_fill(&table.prng, thief.self.secret, 32);
    thief.member = 1;
    peer_init(&thief, 0);
    const enum giro_reject reject = table_take(&table, &thief.at, thief.init, sizeof(thief.init));
    cr_assert(reject == GIRO_REJECT_SEAL || reject == GIRO_REJECT_KEY);
    cr_assert(peer_ping(&peer, 9) == GIRO_REJECT_NONE);
    table_close(&table);
}

Test(sessions_bad_input, forged_senders_get_no_more_than_they_sent_and_cost_no_keys)
{
    struct peer peer;
    begin();
    peer_make(&peer, &table, 1, 0x0A000001, 4000);
    cr_assert(peer_connect(&peer, 0));
    peer_init(&peer, 0);
    const uint64_t handshakes = table_counters(&table).handshakes;
    for (uint32_t i = 0; i < 4000; i++) {
        const struct giro_endpoint victim =
            endpoint(0xC0000000u + (uint32_t)giro_prng_below(&table.prng, 2000), 53);
        uint8_t init[GIRO_HANDSHAKE_INIT_BYTES];
        memcpy(init, peer.init,
               sizeof(init)); /* with another address's cookie, or noise, or none */
        if (i % 3 == 1)
            giro_prng_fill(&table.prng, init + 32, 176);
        else if (i % 3 == 2)
            memset(init + 32, 0, 32);
        cr_assert(table_take(&table, &victim, init, sizeof(init)) == GIRO_REJECT_COOKIE);
        table.now_ns += MS / 10; /* within the budget of answers */
        if (table.sent_count == SENT_MAX)
            table.sent_count = 0;
    }
    cr_assert(table_counters(&table).handshakes == handshakes);
    cr_assert(table_counters(&table).half_open == 0);
    const double worst = amplification(&peer.at, 1);
    cr_assert(worst > 0.30 && worst < 0.31, "%f", worst); /* 64 bytes for 208 */
    table_close(&table);
}

Test(sessions_bad_input, a_flood_of_inits_is_answered_within_a_budget)
{
    struct peer peer, neighbour;
    begin();
    peer_make(&peer, &table, 1, 0x0A000001, 4000);
    peer_init(&peer, 0);
    /* from one address and port */
    uint32_t answered = 0;
    for (uint32_t i = 0; i < 1000; i++)
        answered +=
            table_take(&table, &peer.at, peer.init, sizeof(peer.init)) == GIRO_REJECT_COOKIE;
    cr_assert(answered == GIRO_COOKIES_PER_SOURCE && table.sent_count == answered);
    cr_assert(table_rejects(&table, GIRO_NONE, GIRO_REJECT_POLICED) == 1000 - answered);
    /* another port of that address has its own */
    peer_make(&neighbour, &table, 2, 0x0A000001, 4001);
    cr_assert(peer_connect(&neighbour, 0));
    table.now_ns += GIRO_NS_PER_S;
    cr_assert(table_take(&table, &peer.at, peer.init, sizeof(peer.init)) == GIRO_REJECT_COOKIE);
    /* from everywhere, for a second, and a member among them that does as members do: it asks again */
    const uint64_t before = table_counters(&table).cookies;
    uint64_t asked = 0;
    bool connected = false;
    peer_make(&neighbour, &table, 0, 0x0A000002, 4002);
    for (uint32_t i = 0; i < 1000; i++) {
        for (uint32_t k = 0; k < 140; k++) {
            const struct giro_endpoint from =
                endpoint(0xC0000000u + (uint32_t)giro_prng_below(&table.prng, 2000), 53);
            (void)table_take(&table, &from, peer.init, sizeof(peer.init));
            table.now_ns += MS / 140;
        }
        if (i % 50 == 0 && !connected) {
            asked++;
            table.sent_count = 0;
            connected = peer_connect(&neighbour, 0);
        }
        table.sent_count = 0;
    }
    const uint64_t cookies = table_counters(&table).cookies - before;
    cr_assert(cookies > GIRO_COOKIES_PER_SECOND / 2 && cookies < GIRO_COOKIES_PER_SECOND * 12 / 10,
              "%lu", (unsigned long)cookies);
    cr_assert(connected, "not in %lu tries", (unsigned long)asked);
    (void)amplification(&neighbour.at, 1);
    table_close(&table);
}

Test(sessions_bad_input, a_flood_of_good_handshakes_has_a_budget)
{
    struct peer flood, honest;
    table_open(&table,
               &(struct table_wish){.handshakes_per_second = 50, .handshakes_per_address = 10});
    peer_make(&flood, &table, 2, 0x0B000001, 5000);
    cr_assert(peer_connect(&flood, 0));
    uint32_t taken = 0, policed = 0;
    for (uint32_t i = 0; i < 100; i++) {
        peer_init(&flood, 0);
        const enum giro_reject reject =
            table_take(&table, &flood.at, flood.init, sizeof(flood.init));
        taken += reject == GIRO_REJECT_NONE;
        policed += reject == GIRO_REJECT_POLICED;
    }
    cr_assert(taken == 9 && policed == 91);
    cr_assert(table_counters(&table).half_open <= 2);
    peer_make(&honest, &table, 1, 0x0A000001, 4000);
    cr_assert(peer_connect(&honest, 0));
    table.now_ns += GIRO_NS_PER_S;
    peer_init(&flood, 0);
    cr_assert(table_take(&table, &flood.at, flood.init, sizeof(flood.init)) == GIRO_REJECT_NONE);
    table_close(&table);
}

Test(sessions_bad_input, half_open_sessions_displace_no_live_one)
{
    struct peer peers[4], again;
    begin();
    for (uint32_t i = 0; i < 4; i++) {
        peer_make(&peers[i], &table, 1, 0x0A000001, (uint16_t)(4000 + i));
        cr_assert(peer_connect(&peers[i], 0));
    }
    peer_make(&again, &table, 1, 0x0A000001, 5000);
    for (uint32_t i = 0; i < 50; i++) {
        peer_init(&again, 0);
        cr_assert(peer_handshake(&again));
    }
    cr_assert(table_counters(&table).half_open == 2 && table_counters(&table).live == 4);
    for (uint32_t i = 0; i < 4; i++)
        cr_assert(peer_ping(&peers[i], 1) == GIRO_REJECT_NONE);
    /* all four followed by new ones, and those again: places for all */
    for (uint32_t round = 0; round < 3; round++)
        for (uint32_t i = 0; i < 4; i++)
            cr_assert(peer_connect(&peers[i], peers[i].session.peer_id));
    cr_assert(table_counters(&table).live == 4 && table_counters(&table).displaced == 0);
    cr_assert(table_counters(&table).replaced <= 6);
    giro_sessions_check(table.sessions);
    table_close(&table);
}

/* A listener's stock: INITs of the member that are forgotten, each with a cookie of the listener's own. */
static void stock_play(struct peer *listener, struct peer stock[], uint32_t count)
{
    peer_init(listener, 0);
    cr_assert(peer_handshake(listener)); /* for the cookie of now */
    for (uint32_t i = 0; i < count; i++) {
        memcpy(stock[i].init + 32, listener->cookie, sizeof(listener->cookie));
        cr_assert(table_take(&table, &listener->at, stock[i].init, sizeof(stock[i].init)) ==
                  GIRO_REJECT_NONE);
    }
}

Test(sessions_bad_input, old_handshakes_displace_no_half_open_session_of_now)
{
    enum { STOCK = 6, PROCESSES = 4 };
    static struct peer stock[STOCK], peers[PROCESSES], again[PROCESSES];
    struct peer listener;
    begin();
    peer_make(&listener, &table, 2, 0x0B000001, 5000);
    for (uint32_t i = 0; i < STOCK; i++) {
        peer_make(&stock[i], &table, 1, 0x0A000001, (uint16_t)(3000 + i));
        peer_init(&stock[i], 0);
    }
    table.now_ns += 600 * GIRO_NS_PER_S;
    /* the member begins: first sessions, which follow none */
    peer_make(&peers[0], &table, 1, 0x0A000001, 4000);
    peer_init(&peers[0], 0);
    cr_assert(peer_handshake(&peers[0]));
    stock_play(&listener, stock, STOCK / 2);
    cr_assert(peer_ping(&peers[0], 1) == GIRO_REJECT_NONE);
    for (uint32_t i = 1; i < PROCESSES; i++) {
        peer_make(&peers[i], &table, 1, 0x0A000001, (uint16_t)(4000 + i));
        cr_assert(peer_connect(&peers[i], 0));
    }
    /* all of its processes make new keys at once */
    for (uint32_t i = 0; i < PROCESSES; i++) {
        again[i] = peers[i];
        peer_init(&again[i], peers[i].session.peer_id);
        cr_assert(peer_handshake(&again[i]));
    }
    table.now_ns += GIRO_SESSION_HALF_OPEN_S * GIRO_NS_PER_S / 2;
    stock_play(&listener, stock + STOCK / 2, STOCK / 2);
    giro_sessions_check(table.sessions);
    cr_assert(table_counters(&table).half_open == PROCESSES + 2 + 2); /* and the listener's two */
    for (uint32_t i = 0; i < PROCESSES; i++) {
        cr_assert(peer_ping(&again[i], 2) == GIRO_REJECT_NONE);
        cr_assert(peer_ping(&peers[i], 3) == GIRO_REJECT_NONE, "no gap");
    }
    cr_assert(table_counters(&table).live == PROCESSES && table_counters(&table).displaced == 0);
    table_close(&table);
}

/* Each handshake may follow a live session, a dead one or none, and open at once, later or never: nobody lacks a place. */
Test(sessions_bad_input, there_is_a_place_for_every_handshake)
{
    enum { PEERS = 16 };
    static struct peer peers[PEERS];
    begin();
    for (uint32_t i = 0; i < PEERS; i++)
        peer_make(&peers[i], &table, 1, 0x0A000001, (uint16_t)(4000 + i));
    for (uint32_t step = 0; step < 3000; step++) {
        struct peer *peer = &peers[giro_prng_below(&table.prng, PEERS)];
        const struct peer *other = &peers[giro_prng_below(&table.prng, PEERS)];
        const struct giro_session_close done = {.reason = GIRO_CLOSE_DONE};
        table.now_ns += giro_prng_below(&table.prng, 500 * MS);
        switch (giro_prng_below(&table.prng, 8)) {
        case 0:
            (void)peer_block(peer, GIRO_SESSION_CLOSE, &done, sizeof(done));
            break;
        case 1:
        case 2:
            (void)peer_ping(peer, 1);
            break;
        default:
            peer_init(peer, other->session.peer_id);
            cr_assert(peer_handshake(peer), "step %u", step);
        }
        giro_sessions_check(table.sessions);
        cr_assert(table_counters(&table).live <= 4 && table_counters(&table).half_open <= 6);
        table.sent_count = 0;
    }
    cr_assert(table_counters(&table).opened > 100);
    table_close(&table);
}

/* ---- Datagrams -------------------------------------------------------------------------------------------- */

Test(sessions_bad_input, old_sessions_and_copies_open_nothing)
{
    struct peer peer;
    uint8_t datagram[1472];
    const struct giro_session_ping ping = {.token = 5};
    begin();
    peer_make(&peer, &table, 1, 0x0A000001, 4000);
    cr_assert(peer_connect(&peer, 0));
    const uint32_t size = peer_seal(&peer, GIRO_SESSION_PING, &ping, sizeof(ping), datagram);
    cr_assert(table_take(&table, &peer.at, datagram, size) == GIRO_REJECT_NONE);
    const struct giro_endpoint elsewhere = endpoint(0x0B000001, 1);
    for (uint32_t i = 0; i < 100; i++) {
        cr_assert(table_take(&table, &peer.at, datagram, size) == GIRO_REJECT_DUPLICATE);
        cr_assert(table_take(&table, &elsewhere, datagram, size) == GIRO_REJECT_DUPLICATE);
    }
    cr_assert(table_counters(&table).moved == 0);
    cr_assert(table_rejects(&table, 1, GIRO_REJECT_DUPLICATE) == 200);
    table_flush(&table, MS);
    peer_read(&peer);
    cr_assert(peer.pongs == 1 && peer.acks == 1); /* copies are not answered */
    cr_assert(peer_connect(&peer, peer.session.peer_id));
    table.now_ns += GIRO_SESSION_REPLACED_S * GIRO_NS_PER_S;
    cr_assert(table_take(&table, &peer.at, datagram, size) == GIRO_REJECT_SESSION);
    cr_assert(amplification(&peer.at, 1) <= 1);
    table_close(&table);
}

enum { FRAMES = 600, LATE = 64 };
/* Frames on a network that loses, repeats, delays and turns round. */
static struct {
    struct peer peer;
    uint8_t frames[FRAMES][512];
    uint32_t sizes[FRAMES];
    uint64_t number_of[FRAMES]; /* of the last datagram with it; UINT64_MAX: not sent */
    bool acknowledged[FRAMES];
    uint32_t done;
    struct {
        uint32_t size;
        uint8_t bytes[1472];
    } late[LATE];
} rough;

static void late_deliver(uint32_t slot) /* and perhaps once more later */
{
    if (rough.late[slot].size > 0)
        (void)table_take(&table, &rough.peer.at, rough.late[slot].bytes, rough.late[slot].size);
}

static void rough_send(uint32_t frame)
{
    struct giro_session *session = &rough.peer.session;
    uint8_t datagram[1472];
    struct giro_writer writer;
    giro_writer_init(&writer, datagram + 24, 1400);
    cr_assert(
        giro_session_put(&writer, GIRO_SESSION_FRAME, rough.frames[frame], rough.sizes[frame]));
    uint64_t lowest = rough.number_of[frame] = session->send_number;
    for (uint32_t i = 0; i < FRAMES; i++)
        if (!rough.acknowledged[i] && rough.number_of[i] < lowest)
            lowest = rough.number_of[i];
    const uint32_t size = giro_session_seal(session, lowest, datagram, (uint32_t)writer.offset);
    const uint64_t fate = giro_prng_below(&table.prng, 10);
    const uint32_t slot = (uint32_t)giro_prng_below(&table.prng, LATE);
    if (fate < 2)
        return; /* lost */
    late_deliver(slot);
    if (fate < 6) {
        rough.late[slot].size = size;
        memcpy(rough.late[slot].bytes, datagram, size);
    } else {
        (void)table_take(&table, &rough.peer.at, datagram, size);
    }
}

static void rough_ack(const struct giro_session_block *block)
{
    struct giro_session_ack ack;
    memcpy(&ack, block->bytes, sizeof(ack));
    rough.peer.credit = ack.credit > rough.peer.credit ? ack.credit : rough.peer.credit;
    for (uint32_t i = 0; i < FRAMES; i++)
        if (!rough.acknowledged[i] && rough.number_of[i] != UINT64_MAX &&
            giro_session_ack_has(block, rough.number_of[i])) {
            rough.acknowledged[i] = true;
            rough.done++;
        }
}

/* What the hub sent; a fifth of it is lost, too. */
static void rough_read(void)
{
    for (uint32_t i = 0; i < table.sent_count; i++) {
        struct giro_session_header header;
        struct giro_session_block block;
        struct giro_reader reader;
        uint8_t blocks[1472];
        uint32_t bytes;
        if (giro_prng_chance(&table.prng, 1, 5))
            continue;
        cr_assert(giro_session_open(&rough.peer.session, table.sent[i].bytes,
                                    table.sent[i].size_bytes, blocks, &bytes,
                                    &header) == GIRO_REJECT_NONE);
        giro_reader_init(&reader, blocks, bytes);
        while (giro_reader_left(&reader) > 0) {
            cr_assert(giro_session_next(&reader, GIRO_SESSION_DOWN, &block) == GIRO_REJECT_NONE);
            if (block.kind == GIRO_SESSION_ACK)
                rough_ack(&block);
        }
    }
    table.sent_count = 0;
}

static uint32_t rough_arrived(void)
{
    bool arrived[FRAMES] = {0};
    uint32_t count = 0;
    while (giro_ingress_waiting(table.ingress) > 0) {
        struct giro_ingress_frame *verified[64];
        const uint32_t good = giro_ingress_verify(table.ingress, table.hub.ring, verified, 64);
        for (uint32_t i = 0; i < good; i++) {
            const uint64_t sequence = verified[i]->frame.header.sequence;
            count += !arrived[sequence];
            arrived[sequence] = true;
            giro_ingress_drop(table.ingress, verified[i]);
        }
    }
    return count;
}

/* Nothing is lost. A copy of a datagram is refused here; a frame sent again under a new number after half a second passes, and has
 * no effect at execution. */
Test(sessions_bad_input, loss_repetition_and_disorder_lose_and_double_nothing)
{
    uint32_t rounds = 0;
    begin();
    peer_make(&rough.peer, &table, 1, 0x0A000001, 4000);
    cr_assert(peer_connect(&rough.peer, 0));
    for (uint32_t i = 0; i < FRAMES; i++) {
        const struct frame_wish wish = {.member = 1, .sequence = i};
        rough.sizes[i] = (uint32_t)frame_make(&table.hub, &wish, rough.frames[i]);
        rough.number_of[i] = UINT64_MAX;
    }
    while (rough.done < FRAMES && rounds++ < 2000) {
        late_deliver((uint32_t)giro_prng_below(&table.prng, LATE));
        for (uint32_t i = 0; i < FRAMES; i++) {
            const bool again = rough.number_of[i] == UINT64_MAX || rounds % 4 == 0;
            if (!rough.acknowledged[i] && again &&
                rough.peer.session.send_number < rough.peer.credit &&
                giro_prng_chance(&table.prng, 1, 4))
                rough_send(i);
        }
        table_flush(&table, 2 * MS);
        rough_read();
    }
    cr_assert(rough.done == FRAMES, "%u of %u after %u rounds", rough.done, FRAMES, rounds);
    cr_assert(rough_arrived() == FRAMES);
    cr_assert(table_counters(&table).received <= rough.peer.session.send_number);
    cr_assert(table_rejects(&table, 1, GIRO_REJECT_DUPLICATE) > 100);
    giro_sessions_check(table.sessions);
    table_close(&table);
}

Test(sessions_bad_input, a_member_that_ignores_its_credit_gets_nowhere)
{
    struct peer peer, honest;
    table_open(&table, &(struct table_wish){.frames_max = 100});
    peer_make(&peer, &table, 1, 0x0A000001, 4000);
    peer_make(&honest, &table, 2, 0x0A000002, 4000);
    cr_assert(peer_connect(&peer, 0) && peer_connect(&honest, 0));
    for (uint32_t i = 0; i < 500; i++) {
        cr_assert(peer_frame(&peer, 0, i) == GIRO_REJECT_NONE);
        if (i % 50 == 0)
            table_flush(&table, MS);
    }
    table_flush(&table, MS);
    peer_read(&peer);
    cr_assert(giro_ingress_waiting(table.ingress) <= 81); /* its share of 100 */
    cr_assert(peer.refusals == 500 - giro_ingress_waiting(table.ingress));
    cr_assert(peer.refusal.reason == GIRO_REJECT_LIMIT && peer.refusal.wait_ms > 0);
    cr_assert(table_rejects(&table, 1, GIRO_REJECT_LIMIT) == peer.refusals);
    const uint32_t before = giro_ingress_waiting(table.ingress);
    for (uint32_t i = 0; i < 5; i++)
        cr_assert(peer_frame(&honest, 0, i) == GIRO_REJECT_NONE);
    cr_assert(giro_ingress_waiting(table.ingress) == before + 5);
    table_close(&table);
}

Test(sessions_bad_input, jumps_of_the_number_harm_only_who_makes_them)
{
    struct peer peer;
    begin();
    peer_make(&peer, &table, 1, 0x0A000001, 4000);
    cr_assert(peer_connect(&peer, 0));
    for (uint32_t i = 0; i < 30; i++) {
        peer.session.send_number += UINT64_C(1) << i;
        if (peer.session.send_number > GIRO_SESSION_NUMBER_MAX)
            break;
        cr_assert(peer_ping(&peer, i) == GIRO_REJECT_NONE);
    }
    table_flush(&table, MS);
    peer_read(&peer);
    cr_assert(peer.ack.cumulative == peer.session.send_number); /* floor 0: the gaps are given up */
    cr_assert(table_counters(&table).lost > 1000000000u);
    /* frames go on below the new credit, and the numbers end where they end */
    cr_assert(peer_frame(&peer, 0, 0) == GIRO_REJECT_NONE && table_verify(&table) == 1);
    peer.session.send_number = GIRO_SESSION_NUMBER_MAX;
    cr_assert(peer_ping(&peer, 1) == GIRO_REJECT_NONE);
    uint8_t datagram[60] = {0};
    const struct giro_session_header header = {.head = giro_head_make(GIRO_KIND_SESSION),
                                               .receiver_id = peer.session.peer_id,
                                               .number = GIRO_SESSION_NUMBER_MAX + 1};
    memcpy(datagram, &header, sizeof(header));
    cr_assert(table_take(&table, &peer.at, datagram, sizeof(datagram)) == GIRO_REJECT_FUTURE);
    cr_assert(peer_connect(&peer, peer.session.peer_id));
    table_close(&table);
}

Test(sessions_bad_input, a_member_that_acknowledges_nothing_costs_nothing)
{
    struct peer peer;
    begin();
    peer_make(&peer, &table, 1, 0x0A000001, 4000);
    cr_assert(peer_connect(&peer, 0));
    struct giro_endpoint to = peer.at;
    to.session = peer.session.peer_id;
    const struct giro_receipt_item item = {.level = GIRO_LEVEL_DURABLE};
    /* The table allocates nothing: what it may hold is its footprint, and a session holds at most one datagram to be sent. */
    for (uint32_t i = 0; i < 200000; i++) {
        giro_sessions_receipt(table.sessions, table.now_ns, &to, 1, &item, NULL);
        if (i % 100 == 99) {
            table_flush(&table, MS / 10);
            table.sent_count = 0;
        }
    }
    cr_assert(table_counters(&table).sent > 10000);
    giro_sessions_check(table.sessions);
    cr_assert(peer_ping(&peer, 1) == GIRO_REJECT_NONE);
    table_close(&table);
}

Test(sessions_bad_input, forged_tags_from_elsewhere_are_checked_within_a_budget)
{
    struct peer peer;
    uint8_t forged[1472] = {0};
    begin();
    peer_make(&peer, &table, 1, 0x0A000001, 4000);
    cr_assert(peer_connect(&peer, 0));
    struct giro_session_header header = {.head = giro_head_make(GIRO_KIND_SESSION),
                                         .receiver_id = peer.session.peer_id,
                                         .number = 1u << 20};
    header.head.version = GIRO_SESSION_VERSION_MAX;
    memcpy(forged, &header, sizeof(header));
    uint32_t opened = 0, policed = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        const struct giro_endpoint from = endpoint(0xC0000000u + i, 9);
        const enum giro_reject reject = table_take(&table, &from, forged, sizeof(forged));
        opened += reject == GIRO_REJECT_SEAL;
        policed += reject == GIRO_REJECT_POLICED;
        cr_assert(i % 100 != 0 || peer_ping(&peer, i) == GIRO_REJECT_NONE);
    }
    cr_assert(opened == GIRO_STRANGERS_PER_SECOND && opened + policed == 1000);
    /* a member that moves meanwhile comes through as soon as one more may be looked at, and then stays */
    peer.at = endpoint(0x0A0000FF, 999);
    cr_assert(peer_ping(&peer, 1) == GIRO_REJECT_POLICED);
    table.now_ns += GIRO_NS_PER_S / GIRO_STRANGERS_PER_SECOND;
    for (uint32_t i = 0; i < 200; i++)
        cr_assert(peer_ping(&peer, 2 + i) == GIRO_REJECT_NONE);
    cr_assert(table_counters(&table).moved == 1);
    table_close(&table);
}

Test(sessions_bad_input, garbage_at_live_sessions_disturbs_nobody)
{
    struct peer peer;
    begin();
    peer_make(&peer, &table, 1, 0x0A000001, 4000);
    cr_assert(peer_connect(&peer, 0));
    uint32_t good = 0, rejects = 1; /* the cookie that was asked for */
    for (uint32_t i = 0; i < 20000; i++) {
        uint8_t datagram[1472];
        const struct giro_endpoint from =
            i / 4 % 2 == 0 /* by somebody on the member's path, too */
                ? peer.at
                : endpoint(0xC0000000u + (uint32_t)giro_prng_below(&table.prng, 1000), 9);
        const uint32_t size = (uint32_t)giro_prng_below(&table.prng, sizeof(datagram) + 1);
        giro_prng_fill(&table.prng, datagram, size);
        struct giro_session_header header = {.head = giro_head_make(GIRO_KIND_SESSION),
                                             .receiver_id = peer.session.peer_id,
                                             .number = peer.session.send_number +
                                                       giro_prng_below(&table.prng, 4000)};
        if (i % 4 == 1)
            header.head.kind = GIRO_KIND_HANDSHAKE;
        if (i % 4 == 2)
            header.receiver_id = (uint32_t)giro_prng_next(&table.prng);
        if (i % 4 != 3 && size >= sizeof(header))
            memcpy(datagram, &header, sizeof(header));
        const enum giro_reject reject = table_take(&table, &from, datagram, size);
        cr_assert(reject != GIRO_REJECT_NONE);
        rejects++;
        if (i % 20 == 0 && peer.session.send_number < peer.credit) {
            cr_assert(peer_frame(&peer, 0, good) == GIRO_REJECT_NONE);
            good++;
        }
        if (i % 200 == 0) {
            cr_assert(table_verify(&table) <= 20);
            table_flush(&table, MS);
            peer_read(&peer);
            cr_assert(table.sent_count == 0); /* garbage is not answered */
        }
    }
    (void)table_verify(&table);
    cr_assert(good == 1000 && giro_ingress_taken(table.ingress) == 1000 && peer.refusals == 0);
    cr_assert(table_rejects(&table, 1, GIRO_REJECT_SEAL) > 500);
    cr_assert(table_rejects(&table, 1, GIRO_REJECT_POLICED) > 500);
    uint64_t all = 0;
    for (uint32_t reason = 1; reason < GIRO_REJECT_COUNT_OF_REASONS; reason++)
        all += table_rejects(&table, 1, reason) + table_rejects(&table, GIRO_NONE, reason);
    cr_assert(all == rejects, "each is counted once: %lu of %u", (unsigned long)all, rejects);
    cr_assert(table_counters(&table).moved == 0 && amplification(&peer.at, 1) <= 1);
    table_close(&table);
}

/* The strongest forger: it copies a member's datagrams from its wire and lets each arrive first from a victim's address, and the
 * member asks for as much as it can. */
Test(sessions_bad_input, a_session_moved_to_a_victim_sends_it_no_more_than_came_from_there)
{
    static uint8_t proof[60000];
    struct peer peer;
    begin();
    peer_make(&peer, &table, 1, 0x0A000001, 4000);
    cr_assert(peer_connect(&peer, 0));
    const struct giro_endpoint victim = endpoint(0xC0A80101, 53);
    const struct giro_endpoint honest = peer.at;
    for (uint32_t i = 0; i < 200; i++) {
        uint8_t datagram[1472];
        const struct giro_session_ask ask = {
            .sequence = i, .channel = 1, .want = GIRO_WANT_PROOF, .offset = 0};
        const uint32_t size = peer_seal(&peer, GIRO_SESSION_ASK, &ask, sizeof(ask), datagram);
        table.now_ns += 20 * MS;
        cr_assert(table_take(&table, &victim, datagram, size) == GIRO_REJECT_NONE);
        cr_assert(table_take(&table, &honest, datagram, size) == GIRO_REJECT_DUPLICATE);
        if (table.ask_count > 0)
            giro_sessions_proof(table.sessions, table.now_ns, &table.asked_from, 1, &table.asked,
                                proof, sizeof(proof));
        table_flush(&table, MS);
        giro_sessions_check(table.sessions);
        table.sent_count = 0;
    }
    const struct traffic *traffic = table_traffic(&table, &victim);
    cr_assert(table.ask_count > 100 && table_counters(&table).withheld > 100);
    cr_assert(traffic->out <= traffic->in, "%lu for %lu", (unsigned long)traffic->out,
              (unsigned long)traffic->in);
    cr_assert(amplification(&honest, 1) <= 1);
    /* the first datagram that comes by itself takes the session home, where nothing needs to be proved again */
    cr_assert(peer_ask(&peer, GIRO_WANT_PROOF, 1, 7, 0) == GIRO_REJECT_NONE);
    giro_sessions_proof(table.sessions, table.now_ns, &table.asked_from, 1, &table.asked, proof,
                        sizeof(proof));
    table_flush(&table, 0);
    peer_read(&peer);
    cr_assert(peer.proofs == GIRO_PROOF_PARTS_MAX);
    table_close(&table);
}

/* Sealed well, but wrong within: refused as a whole, before any block of it was acted on. */
Test(sessions_bad_input, sealed_nonsense_is_counted_and_not_acted_on)
{
    struct peer peer;
    uint8_t datagram[1472];
    begin();
    peer_make(&peer, &table, 1, 0x0A000001, 4000);
    cr_assert(peer_connect(&peer, 0));
    for (uint32_t i = 0; i < 2000; i++) {
        struct giro_writer writer;
        const struct frame_wish wish = {.member = 1, .sequence = i};
        uint8_t frame[512];
        giro_writer_init(&writer, datagram + 24, 1400);
        const uint32_t size = (uint32_t)frame_make(&table.hub, &wish, frame);
        cr_assert(giro_session_put(&writer, GIRO_SESSION_FRAME, frame, size));
        uint8_t *tail = giro_writer_reserve(&writer, 16);
        giro_prng_fill(&table.prng, tail, 16);
        tail[0] =
            (uint8_t)(i % 2 == 0 ? GIRO_SESSION_RECEIPT : 200); /* wrong direction, or no kind */
        const uint32_t sealed = giro_session_seal(&peer.session, peer.session.send_number, datagram,
                                                  (uint32_t)writer.offset);
        cr_assert(table_take(&table, &peer.at, datagram, sealed) != GIRO_REJECT_NONE);
    }
    cr_assert(giro_ingress_waiting(table.ingress) == 0);
    uint64_t all = 0;
    for (uint32_t reason = 1; reason < GIRO_REJECT_COUNT_OF_REASONS; reason++)
        all += table_rejects(&table, 1, reason);
    cr_assert(all == 2000);
    cr_assert(peer_ping(&peer, 1) == GIRO_REJECT_NONE); /* for credit */
    table_flush(&table, MS);
    cr_assert(peer_frame(&peer, 0, 0) == GIRO_REJECT_NONE && table_verify(&table) == 1);
    table_close(&table);
}

Test(sessions_bad_input, questions_have_a_budget)
{
    struct peer peer;
    begin();
    peer_make(&peer, &table, 1, 0x0A000001, 4000);
    cr_assert(peer_connect(&peer, 0));
    for (uint32_t i = 0; i < 1000; i++)
        cr_assert(peer_ask(&peer, GIRO_WANT_PROOF, 0, i, 0) == GIRO_REJECT_NONE);
    cr_assert(table.ask_count == 20); /* 200 ms ahead at 10 ms each */
    for (uint32_t i = 0; i < 10; i++)
        table_flush(&table, MS);
    peer_read(&peer);
    cr_assert(peer.refusals == 980 && peer.refusal.reason == GIRO_REJECT_LIMIT);
    table.now_ns += GIRO_NS_PER_S;
    for (uint32_t i = 0; i < 1000; i++)
        cr_assert(peer_ask(&peer, GIRO_WANT_CHANNEL, 0, 0, 0) == GIRO_REJECT_NONE);
    cr_assert(table.ask_count == 20 + 200);
    table_close(&table);
}

Test(sessions_bad_input, who_asks_without_end_takes_nobody_elses_questions)
{
    struct peer greedy, honest;
    begin();
    peer_make(&greedy, &table, 1, 0x0A000001, 4000);
    peer_make(&honest, &table, 0, 0x0A000002, 4000);
    cr_assert(peer_connect(&greedy, 0) && peer_connect(&honest, 0));
    uint32_t answered = 0;
    for (uint32_t ms = 0; ms < 2000; ms++) {
        for (uint32_t i = 0; i < 10; i++)
            cr_assert(peer_ask(&greedy, GIRO_WANT_CHANNEL, 0, 0, 0) == GIRO_REJECT_NONE);
        const uint32_t before = table.ask_count;
        if (ms % 10 == 0)
            cr_assert(peer_ask(&honest, GIRO_WANT_CHANNEL, 0, 0, 0) == GIRO_REJECT_NONE);
        answered += table.ask_count - before;
        table_flush(&table, MS);
        table.sent_count = 0;
    }
    cr_assert(answered >= 170, "%u of 200", answered);
    cr_assert(table.ask_count >= 1000, "the greedy one has its share: %u", table.ask_count);
    table_close(&table);
}
