/* The hub's table of sessions as members see it that keep to the protocol. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "sessions_support.h"

static struct table table;

static void finish(void)
{
    dataplane_leak_check();
}

TestSuite(sessions, .fini = finish);

static void begin(void)
{
    table_open(&table, &(struct table_wish){0});
}

Test(sessions, a_member_connects_by_a_cookie_and_again_in_one_round_trip)
{
    struct peer peer;
    begin();
    peer_make(&peer, &table, 1, 0x0A000001, 4000);
    cr_assert(peer_connect(&peer, 0));
    struct giro_sessions_counters counters = table_counters(&table);
    cr_assert(counters.cookies == 1 && counters.handshakes == 1 && counters.opened == 1);
    cr_assert(counters.live == 1 && counters.half_open == 0);
    cr_assert(peer.told.window == GIRO_CREDIT_MAX && peer.told.lifetime_s == 180);
    cr_assert(peer.told.credit == 1024);
    table.now_ns += 119 * GIRO_NS_PER_S; /* the cookie is good for a period more */
    cr_assert(peer_connect(&peer, peer.session.peer_id));
    counters = table_counters(&table);
    cr_assert(counters.cookies == 1 && counters.handshakes == 2 && counters.opened == 2);
    table_close(&table);
}

Test(sessions, a_session_is_half_open_until_its_first_datagram)
{
    struct peer peer;
    begin();
    peer_make(&peer, &table, 1, 0x0A000001, 4000);
    peer_init(&peer, 0);
    cr_assert(peer_handshake(&peer));
    cr_assert(table_counters(&table).half_open == 1 && table_counters(&table).live == 0);
    const struct giro_receipt_item item = {.level = GIRO_LEVEL_DURABLE};
    struct giro_endpoint to = peer.at;
    to.session = peer.session.peer_id;
    giro_sessions_receipt(table.sessions, table.now_ns, &to, 1, &item, NULL);
    table_flush(&table, 0);
    cr_assert(table.sent_count == 0 && table_counters(&table).unsent == 1);
    table.now_ns += GIRO_SESSION_HALF_OPEN_S * GIRO_NS_PER_S;
    cr_assert(peer_ping(&peer, 1) == GIRO_REJECT_SESSION); /* too late */
    table_close(&table);
}

Test(sessions, frames_reach_the_ingress_and_are_acknowledged_with_their_receipts)
{
    struct peer peer;
    begin();
    peer_make(&peer, &table, 1, 0x0A000001, 4000);
    cr_assert(peer_connect(&peer, 0));
    for (uint64_t i = 0; i < 10; i++)
        cr_assert(peer_frame(&peer, 3, i) == GIRO_REJECT_NONE);
    cr_assert(giro_ingress_waiting(table.ingress) == 10);
    struct giro_ingress_frame *frames[64];
    cr_assert(giro_ingress_verify(table.ingress, table.hub.ring, frames, 64) == 10);
    for (uint32_t i = 0; i < 10; i++) {
        const struct giro_receipt_run run = {.count = 1, .result = {.status = GIRO_STATUS_ACSC}};
        const struct giro_receipt_item item = {.sequence = i,
                                               .channel = 3,
                                               .level = GIRO_LEVEL_CERTIFIED,
                                               .outcome = GIRO_OUTCOME_EXECUTED,
                                               .run_count = 1};
        cr_assert(frames[i]->from.session == peer.session.peer_id);
        giro_sessions_receipt(table.sessions, table.now_ns, &frames[i]->from, 1, &item, &run);
        giro_ingress_drop(table.ingress, frames[i]);
    }
    table_flush(&table, 0);
    peer_read(&peer);
    cr_assert(peer.datagrams == 1 && peer.receipts == 10 && peer.acks == 1 && peer.refusals == 0);
    cr_assert(peer.ack.cumulative == 11 && peer.ack.credit == 11 + 1024);
    cr_assert(giro_sessions_next_ns(table.sessions) == UINT64_MAX);
    table_close(&table);
}

Test(sessions, acknowledgements_come_after_a_millisecond_every_32_and_at_once_on_a_gap)
{
    struct peer peer;
    begin();
    peer_make(&peer, &table, 1, 0x0A000001, 4000);
    cr_assert(peer_connect(&peer, 0));
    cr_assert(peer_frame(&peer, 0, 0) == GIRO_REJECT_NONE);
    table_flush(&table, 0);
    cr_assert(table.sent_count == 0);
    cr_assert(giro_sessions_next_ns(table.sessions) == table.now_ns + GIRO_ACK_DELAY_NS);
    table_flush(&table, GIRO_ACK_DELAY_NS);
    peer_read(&peer);
    cr_assert(peer.acks == 1 && peer.ack.cumulative == 2 && peer.ack.delay_us == 1000);
    for (uint64_t i = 1; i <= 32; i++)
        cr_assert(peer_frame(&peer, 0, i) == GIRO_REJECT_NONE);
    table_flush(&table, 0);
    peer_read(&peer);
    cr_assert(peer.acks == 2 && peer.ack.cumulative == 34);
    peer.session.send_number += 3; /* three are lost */
    cr_assert(peer_frame(&peer, 0, 33) == GIRO_REJECT_NONE);
    table_flush(&table, 0);
    peer_read(&peer);
    cr_assert(peer.acks == 3 && peer.ack.cumulative == 38, "floor 0: nothing is waited for");
    const struct giro_session_pong pong = {.token = 9}; /* asks for nothing */
    cr_assert(peer_block(&peer, GIRO_SESSION_PONG, &pong, sizeof(pong)) == GIRO_REJECT_NONE);
    table_flush(&table, 10 * MS);
    peer_read(&peer);
    cr_assert(peer.acks == 3 && table_counters(&table).lost == 3);
    table_close(&table);
}

Test(sessions, what_the_hub_does_not_take_is_refused_by_name)
{
    struct peer peer, other;
    uint8_t frame[GIRO_FRAME_BYTES_MAX];
    table_open(&table, &(struct table_wish){.rate = 20});
    peer_make(&peer, &table, 1, 0x0A000001, 4000);
    peer_make(&other, &table, 2, 0x0A000002, 4000);
    cr_assert(peer_connect(&peer, 0));
    /* another member's frame, in this member's session */
    size_t size = frame_make(&table.hub, &(struct frame_wish){.member = 2, .sequence = 8}, frame);
    cr_assert(peer_block(&peer, GIRO_SESSION_FRAME, frame, (uint32_t)size) == GIRO_REJECT_NONE);
    table_flush(&table, 0);
    peer_read(&peer);
    cr_assert(peer.refusal.reason == GIRO_REJECT_MEMBER && peer.refusal.sequence == 8);
    cr_assert(table_rejects(&table, 1, GIRO_REJECT_MEMBER) == 1 &&
              table_rejects(&table, 2, GIRO_REJECT_MEMBER) == 0);
    /* a control transaction: by HTTPS only */
    size = control_make(&table.hub, 0, frame);
    cr_assert(peer_block(&peer, GIRO_SESSION_FRAME, frame, (uint32_t)size) == GIRO_REJECT_NONE);
    table_flush(&table, 0);
    peer_read(&peer);
    cr_assert(peer.refusals == 2 && peer.refusal.reason == GIRO_REJECT_MEMBER);
    /* a signature that does not hold: acknowledged first, refused when it was verified */
    size = frame_make(&table.hub, &(struct frame_wish){.member = 1, .channel = 5, .sequence = 77},
                      frame);
    frame[size - 1] ^= 1;
    cr_assert(peer_block(&peer, GIRO_SESSION_FRAME, frame, (uint32_t)size) == GIRO_REJECT_NONE);
    cr_assert(table_verify(&table) == 0);
    table_flush(&table, 0);
    peer_read(&peer);
    cr_assert(peer.refusals == 3 && peer.refusal.reason == GIRO_REJECT_SIGNATURE);
    cr_assert(peer.refusal.sequence == 77 && peer.refusal.channel == 5 &&
              peer.refusal.wait_ms == 0);
    /* over the rate */
    for (uint64_t i = 0; i < 30; i++)
        cr_assert(peer_frame(&peer, 0, i) == GIRO_REJECT_NONE);
    table_flush(&table, 0);
    peer_read(&peer);
    cr_assert(peer.refusals > 3 && peer.refusal.reason == GIRO_REJECT_POLICED &&
              peer.refusal.wait_ms > 0);
    cr_assert(table_rejects(&table, 1, GIRO_REJECT_POLICED) == peer.refusals - 3);
    table_close(&table);
}

Test(sessions, a_repeated_frame_is_acknowledged_and_not_refused)
{
    struct peer peer;
    begin();
    peer_make(&peer, &table, 1, 0x0A000001, 4000);
    cr_assert(peer_connect(&peer, 0));
    cr_assert(peer_frame(&peer, 0, 5) == GIRO_REJECT_NONE);
    cr_assert(peer_frame(&peer, 0, 5) == GIRO_REJECT_NONE); /* under a new number */
    table_flush(&table, GIRO_ACK_DELAY_NS);
    peer_read(&peer);
    cr_assert(peer.refusals == 0 && peer.ack.cumulative == 3);
    cr_assert(giro_ingress_waiting(table.ingress) == 1);
    table_close(&table);
}

Test(sessions, credit_falls_when_the_hub_is_full_and_comes_back_unasked)
{
    struct peer peer;
    table_open(&table, &(struct table_wish){.frames_max = 64});
    peer_make(&peer, &table, 1, 0x0A000001, 4000);
    cr_assert(peer_connect(&peer, 0));
    cr_assert(peer.credit <= 1 + 64);
    uint32_t sent = 0;
    for (uint32_t round = 0; round < 200; round++) {
        while (peer.session.send_number < peer.credit) {
            cr_assert(peer_frame(&peer, 0, sent) == GIRO_REJECT_NONE);
            sent++;
        }
        table_flush(&table, MS);
        peer_read(&peer);
    }
    /* its share is used up: the credit is one ahead of what came, and no further */
    cr_assert(peer.credit <= peer.session.send_number + 1);
    cr_assert(giro_ingress_share(table.ingress, 1) == 0);
    const uint32_t refused = peer.refusals;
    cr_assert(sent == giro_ingress_waiting(table.ingress) + refused);
    cr_assert(giro_sessions_next_ns(table.sessions) != UINT64_MAX || refused > 0);
    peer_clear(&peer);
    cr_assert(peer_ping(&peer, 2) == GIRO_REJECT_NONE);
    table_flush(&table, 0);
    peer_read(&peer);
    cr_assert(table_verify(&table) > 40); /* room again */
    const uint64_t before = peer.credit;
    for (uint32_t i = 0; i < 5; i++)
        table_flush(&table, MS);
    peer_read(&peer);
    cr_assert(peer.credit > before + 20, "told without having asked");
    table_close(&table);
}

Test(sessions, credit_is_shared_by_those_that_send)
{
    struct peer peers[3];
    table_open(&table, &(struct table_wish){.frames_max = 900});
    for (uint16_t i = 0; i < 3; i++) {
        peer_make(&peers[i], &table, i, 0x0A000001 + i, 4000);
        cr_assert(peer_connect(&peers[i], 0));
    }
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < 3; i++)
            cr_assert(peer_frame(&peers[i], 0, round) == GIRO_REJECT_NONE);
        table_flush(&table, 100 * MS);
    }
    for (uint32_t i = 0; i < 3; i++) {
        peer_read(&peers[i]);
        const uint64_t ahead = peers[i].credit - peers[i].ack.cumulative;
        cr_assert(ahead >= 290 && ahead <= 900, "%lu", (unsigned long)ahead);
    }
    /* new grants are a third each, less the frames that wait */
    cr_assert(peer_connect(&peers[0], 0));
    cr_assert(peers[0].told.credit >= 220 && peers[0].told.credit <= 300, "%lu",
              (unsigned long)peers[0].told.credit);
    table_close(&table);
}

Test(sessions, a_new_session_follows_the_old_one_without_a_gap)
{
    struct peer old, fresh;
    begin();
    peer_make(&old, &table, 1, 0x0A000001, 4000);
    cr_assert(peer_connect(&old, 0));
    cr_assert(peer_frame(&old, 0, 0) == GIRO_REJECT_NONE);
    table.now_ns += 100 * GIRO_NS_PER_S;
    fresh = old;
    peer_init(&fresh, old.session.peer_id);
    cr_assert(peer_handshake(&fresh));
    cr_assert(peer_frame(&old, 0, 1) == GIRO_REJECT_NONE); /* until the new one is used */
    cr_assert(table_counters(&table).live == 1);
    cr_assert(peer_frame(&fresh, 0, 2) == GIRO_REJECT_NONE);
    cr_assert(table_counters(&table).live == 1 && table_counters(&table).replaced == 1);
    cr_assert(peer_frame(&old, 0, 3) == GIRO_REJECT_NONE); /* what was under way */
    /* the answer to an old one's frame goes by the new one */
    struct giro_endpoint to = old.at;
    to.session = old.session.peer_id;
    const struct giro_receipt_item item = {.level = GIRO_LEVEL_DURABLE};
    giro_sessions_receipt(table.sessions, table.now_ns, &to, 1, &item, NULL);
    table_flush(&table, 2 * MS);
    peer_read(&fresh);
    peer_read(&old);
    cr_assert(fresh.receipts == 1 && fresh.acks == 1 && old.receipts == 0 && old.acks >= 1);
    table.now_ns += GIRO_SESSION_REPLACED_S * GIRO_NS_PER_S;
    cr_assert(peer_frame(&old, 0, 4) == GIRO_REJECT_SESSION);
    cr_assert(peer_frame(&fresh, 0, 5) == GIRO_REJECT_NONE);
    cr_assert(table_verify(&table) == 5);
    table_close(&table);
}

Test(sessions, a_fifth_session_displaces_the_longest_silent)
{
    struct peer peers[5];
    begin();
    for (uint32_t i = 0; i < 5; i++) {
        peer_make(&peers[i], &table, 1, 0x0A000001, (uint16_t)(4000 + i));
        if (i < 4)
            cr_assert(peer_connect(&peers[i], 0));
        table.now_ns += GIRO_NS_PER_S;
    }
    cr_assert(peer_ping(&peers[0], 1) == GIRO_REJECT_NONE); /* now peer 1 is the silent one */
    cr_assert(peer_connect(&peers[4], 0));
    cr_assert(table_counters(&table).live == 4 && table_counters(&table).displaced == 1);
    peer_read(&peers[1]);
    cr_assert(peers[1].closes == 1 && peers[1].close.reason == GIRO_CLOSE_DISPLACED);
    for (uint32_t i = 0; i < 5; i++)
        cr_assert(peer_ping(&peers[i], 1) == (i == 1 ? GIRO_REJECT_SESSION : GIRO_REJECT_NONE));
    table_close(&table);
}

Test(sessions, a_session_ends_at_its_age_and_by_close)
{
    struct peer peer;
    begin();
    peer_make(&peer, &table, 1, 0x0A000001, 4000);
    cr_assert(peer_connect(&peer, 0));
    for (uint32_t i = 0; i < 7; i++) { /* busy all the time */
        table_flush(&table, 25 * GIRO_NS_PER_S);
        cr_assert(peer_ping(&peer, 1) == GIRO_REJECT_NONE);
    }
    table_flush(&table, 5 * GIRO_NS_PER_S);
    cr_assert(peer_ping(&peer, 1) == GIRO_REJECT_SESSION);
    table_flush(&table, MS);
    cr_assert(table_counters(&table).live == 0 && table_counters(&table).expired == 1);
    cr_assert(peer_connect(&peer, 0));
    const struct giro_session_close message = {.reason = GIRO_CLOSE_DONE};
    cr_assert(peer_block(&peer, GIRO_SESSION_CLOSE, &message, sizeof(message)) == GIRO_REJECT_NONE);
    cr_assert(table_counters(&table).live == 0);
    cr_assert(peer_ping(&peer, 1) == GIRO_REJECT_SESSION);
    table_close(&table);
}

Test(sessions, a_moved_member_is_asked_first_and_then_served)
{
    struct peer peer;
    begin();
    peer_make(&peer, &table, 1, 0x0A000001, 4000);
    cr_assert(peer_connect(&peer, 0));
    peer.at = endpoint(0x0A0000FF, 999); /* NAT */
    cr_assert(peer_frame(&peer, 0, 0) == GIRO_REJECT_NONE);
    table_flush(&table, 0);
    peer_read(&peer);
    cr_assert(peer.pings == 1 && table_counters(&table).moved == 1);
    const struct giro_session_pong wrong = {.token = peer.ping.token + 1};
    cr_assert(peer_block(&peer, GIRO_SESSION_PONG, &wrong, sizeof(wrong)) == GIRO_REJECT_NONE);
    struct giro_endpoint to = peer.at;
    to.session = peer.session.peer_id;
    const struct giro_receipt_item item = {.level = GIRO_LEVEL_DURABLE};
    for (uint32_t i = 0; i < 40; i++)
        giro_sessions_receipt(table.sessions, table.now_ns, &to, 1, &item, NULL);
    table_flush(&table, 0);
    peer_read(&peer);
    cr_assert(peer.receipts == 0 && table_counters(&table).withheld > 0);
    const struct giro_session_pong pong = {.token = peer.ping.token};
    const uint64_t withheld = table_counters(&table).withheld;
    for (uint64_t i = 0; table_counters(&table).withheld == withheld; i++) {
        cr_assert(i < 20, "each answer is longer than its question");
        cr_assert(peer_ping(&peer, i) == GIRO_REJECT_NONE);
        table_flush(&table, MS);
    }
    peer_read(&peer);
    cr_assert(peer.ack.cumulative < peer.session.send_number);
    peer_clear(&peer);
    cr_assert(peer_block(&peer, GIRO_SESSION_PONG, &pong, sizeof(pong)) == GIRO_REJECT_NONE);
    table_flush(&table, MS); /* what could not be acknowledged before is now */
    peer_read(&peer);
    cr_assert(peer.acks == 1 && peer.ack.cumulative == peer.session.send_number);
    for (uint32_t i = 0; i < 40; i++)
        giro_sessions_receipt(table.sessions, table.now_ns, &to, 1, &item, NULL);
    table_flush(&table, 0);
    peer_read(&peer);
    cr_assert(peer.receipts == 40);
    table_close(&table);
}

Test(sessions, questions_reach_the_owner_and_are_answered)
{
    struct peer peer;
    static uint8_t proof[30000];
    begin();
    peer_make(&peer, &table, 1, 0x0A000001, 4000);
    cr_assert(peer_connect(&peer, 0));
    giro_prng_fill(&table.prng, proof, sizeof(proof));
    uint32_t asked = 0;
    while (peer.proof_bytes < sizeof(proof)) {
        table.now_ns += 20 * MS;
        cr_assert(peer_ask(&peer, GIRO_WANT_PROOF, 4, 99, peer.proof_bytes) == GIRO_REJECT_NONE);
        cr_assert(table.ask_count == ++asked && table.asked.sequence == 99);
        giro_sessions_proof(table.sessions, table.now_ns, &table.asked_from, 1, &table.asked, proof,
                            sizeof(proof));
        table_flush(&table, 0);
        peer_read(&peer);
    }
    cr_assert(asked == 3 && memcmp(peer.proof, proof, sizeof(proof)) == 0);
    cr_assert(peer_ask(&peer, GIRO_WANT_PROOF, 4, 99, sizeof(proof)) == GIRO_REJECT_NONE);
    giro_sessions_proof(table.sessions, table.now_ns, &table.asked_from, 1, &table.asked, proof,
                        sizeof(proof));
    const struct giro_session_channel channel = {.channel = 4, .base = 7, .frontier = 9};
    giro_sessions_channel(table.sessions, table.now_ns, &table.asked_from, 1, &channel);
    table_flush(&table, 0);
    peer_read(&peer);
    cr_assert(peer.refusals == 1 && peer.refusal.reason == GIRO_REJECT_ABSENT);
    cr_assert(peer.channels == 1 && peer.channel.frontier == 9);
    table_close(&table);
}

Test(sessions, receipts_of_any_size_fit_their_datagrams)
{
    struct peer peer;
    begin();
    peer_make(&peer, &table, 1, 0x0A000001, 4000);
    cr_assert(peer_connect(&peer, 0));
    struct giro_endpoint to = peer.at;
    to.session = peer.session.peer_id;
    struct giro_receipt_run runs[GIRO_FRAME_RECORDS_MAX];
    for (uint32_t i = 0; i < GIRO_FRAME_RECORDS_MAX; i++)
        runs[i] = (struct giro_receipt_run){.count = 1, .result = {.cycle = i}};
    for (uint16_t i = 0; i <= GIRO_FRAME_RECORDS_MAX; i++) {
        const struct giro_receipt_item item = {.level = GIRO_LEVEL_CERTIFIED, .run_count = i};
        giro_sessions_receipt(table.sessions, table.now_ns, &to, 1, &item, runs);
    }
    table_flush(&table, 0);
    peer_read(&peer);
    cr_assert(peer.receipts == GIRO_FRAME_RECORDS_MAX + 1 && table.sent_count == 0);
    table_close(&table);
}

Test(sessions, a_stopping_replica_says_so)
{
    struct peer peers[3];
    begin();
    for (uint16_t i = 0; i < 3; i++) {
        peer_make(&peers[i], &table, i, 0x0A000001 + i, 4000);
        cr_assert(peer_connect(&peers[i], 0));
    }
    giro_sessions_stop(table.sessions, table.now_ns);
    for (uint32_t i = 0; i < 3; i++) {
        peer_read(&peers[i]);
        cr_assert(peers[i].closes == 1 && peers[i].close.reason == GIRO_CLOSE_STOPPING);
    }
    table_close(&table);
}

Test(sessions, a_thousand_members_fit_in_64_mebibytes)
{
    struct giro_genesis genesis = {.member_count = 1000};
    struct giro_sessions_options options = {.genesis = &genesis,
                                            .datagram_max = 1472,
                                            .handshakes_per_second = 500,
                                            .handshakes_per_address = 100};
    const size_t size = giro_sessions_footprint(&options);
    fprintf(stderr, "sessions of 1,000 members: %zu bytes\n", size);
    cr_assert(size > 0 && size < 64u * 1024u * 1024u);
    cr_assert(size < 12u * 1024u * 1024u); /* as its header says */
    options.datagram_max = 1199;
    cr_assert(giro_sessions_footprint(&options) == 0);
    options.datagram_max = 1472;
    options.handshakes_per_second = 0;
    cr_assert(giro_sessions_footprint(&options) == 0);
}
