/* The courier against replicas that are far away, silent, full, dead or lying. */
#include <stdio.h>

#include <criterion/criterion.h>

#include "member/courier_internal.h"
#include "member_world.h"

TestSuite(courier, .init = hub_suite_open, .fini = hub_suite_close);

static struct world world;

static void expect_each_once(uint32_t frames, bool proven)
{
    cr_assert(world.frame_count == frames, "%u frames reached the hub, not %u", world.frame_count,
              frames);
    for (uint32_t i = 0; i < frames; i++) {
        const struct world_told *told = &world.told[i];
        cr_assert(told->final == 1, "frame %u ended %u times", i, told->final);
        cr_assert(told->durable <= 1 && told->certified == 1 && told->proven == proven,
                  "frame %u: %u durable, %u certified, %u proven", i, told->durable,
                  told->certified, told->proven);
        cr_assert(told->right && told->outcome == GIRO_OUTCOME_EXECUTED, "frame %u", i);
    }
    cr_assert(giro_courier_count(world.courier) == 0);
}

Test(courier, frames_of_several_members_end_once_with_their_results)
{
    world_open(&world, false, 1);
    for (uint16_t m = 0; m < WORLD_MEMBERS; m++)
        world_add(&world, m, 2, 0, 100, 20);
    uint64_t began = world.now_ns;
    cr_assert(world_run(&world, 10 * GIRO_NS_PER_S));
    expect_each_once(300, false);
    const struct giro_courier_stats *stats = giro_courier_stats(world.courier);
    cr_assert(stats->frames_resent == 0 && stats->datagrams_lost == 0 && stats->fail_overs == 0);
    cr_assert(stats->frames_sent == 300 && stats->handshakes == 3);
    uint64_t took = world.final_ns - began;
    cr_assert(took < GIRO_NS_PER_S / 2, "%lu ms", took / WORLD_MS);
    for (uint16_t m = 0; m < WORLD_MEMBERS; m++) {
        cr_assert(giro_courier_state(world.courier, m) == GIRO_COURIER_UP);
        cr_assert(giro_courier_path_bytes(world.courier, m) == 1472);
        uint64_t rtt = giro_courier_rtt_ns(world.courier, m);
        cr_assert(rtt >= WORLD_MS * 9 / 10 && rtt < 3 * WORLD_MS, "%lu ns", rtt);
        cr_assert(world.replicas[m].frames == 100 && world.replicas[m].handshakes == 1);
    }
    cr_assert(world.key_lines == 6 && memcmp(world.key_line, "GIRO1 ", 6) == 0);
    world_close(&world);
}

Test(courier, loss_duplicates_reordering_and_delay_cost_time_only, .timeout = 120)
{
    static const struct {
        uint32_t loss, twice;
        uint64_t least_ms, most_ms;
    } rows[] = {
        {100, 0, 1, 1}, {0, 300, 0, 2}, {0, 0, 1, 60}, {100, 100, 100, 200}, {400, 200, 1, 40}};
    uint64_t seed = hub_environment("GIRO_SEED", 1);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        world_open(&world, i % 2 == 1, seed + i);
        world.loss_per_mille = rows[i].loss;
        world.double_per_mille = rows[i].twice;
        world.delay_min_ns = rows[i].least_ms * WORLD_MS;
        world.delay_max_ns = rows[i].most_ms * WORLD_MS;
        world_add(&world, 0, 0, 0, 150, 20);
        world_add(&world, 1, 0, 0, 150, 1);
        cr_assert(world_run(&world, 300 * GIRO_NS_PER_S), "row %zu: %u of %u", i, world.final,
                  world.added);
        expect_each_once(300, i % 2 == 1);
        world_close(&world);
    }
}

Test(courier, a_dead_home_replica_is_passed_over_and_taken_again)
{
    world_open(&world, false, 2);
    world.replicas[1].dead = true; /* home of member 1 */
    world_add(&world, 1, 0, 0, 50, 5);
    cr_assert(world_run(&world, 3 * GIRO_NS_PER_S));
    expect_each_once(50, false);
    cr_assert(giro_courier_state(world.courier, 1) == GIRO_COURIER_FAILING_OVER);
    cr_assert(world.replicas[2].frames == 50);
    world.replicas[1].dead = false;
    giro_courier_connect(world.courier, 1);
    world_idle(&world, 12 * GIRO_NS_PER_S);
    cr_assert(giro_courier_state(world.courier, 1) == GIRO_COURIER_UP);
    world_add(&world, 1, 0, 50, 10, 5);
    cr_assert(world_run(&world, GIRO_NS_PER_S));
    cr_assert(world.replicas[1].frames == 10);
    /* It dies with frames under way. */
    world_add(&world, 1, 0, 60, 40, 5);
    world.certify_ns = 400 * WORLD_MS;
    world_idle(&world, 3 * WORLD_MS);
    cr_assert(world.frame_count > 60);
    world.replicas[1].dead = true;
    cr_assert(world_run(&world, 10 * GIRO_NS_PER_S));
    expect_each_once(100, false);
    world_idle(&world, GIRO_NS_PER_S);
    cr_assert(giro_courier_stats(world.courier)->fail_overs >= 2);
    world_close(&world);
}

Test(courier, the_replica_taken_next_has_the_time_to_answer_before_it_is_passed_over_too)
{
    world_open(&world, false, 8);
    world.delay_min_ns = world.delay_max_ns = 60 * WORLD_MS;
    world_add(&world, 1, 0, 0, 20, 5);
    cr_assert(world_run(&world, 10 * GIRO_NS_PER_S)); /* it knows how far its home is */
    world.replicas[1].dead = true;
    for (uint32_t ms = 0; ms < 5000 && (ms < 1000 || world.final < world.added); ms++) {
        if (ms % 10 == 0 && ms < 1000) /* some wait for the dead one when the others are used */
            world_add(&world, 1, 0, 20 + ms / 10, 1, 5);
        world_idle(&world, WORLD_MS);
        for (uint32_t r = 0; r < WORLD_REPLICAS; r++) {
            const struct peer *peer = &world.courier->peers[WORLD_REPLICAS + r];
            cr_assert(r == 1 || peer->shunned_ns <= world.now_ns, "%u ms: replica %u", ms, r);
        }
    }
    expect_each_once(120, false);
    cr_assert(giro_courier_stats(world.courier)->fail_overs == 1, "%lu fail-overs",
              giro_courier_stats(world.courier)->fail_overs);
    world_close(&world);
}

Test(courier, with_every_replica_dead_it_is_down_and_goes_on_when_they_come_back)
{
    world_open(&world, false, 3);
    for (uint32_t r = 0; r < WORLD_REPLICAS; r++)
        world.replicas[r].dead = true;
    world_add(&world, 0, 0, 0, 20, 1);
    cr_assert(!world_run(&world, 4 * GIRO_NS_PER_S));
    cr_assert(giro_courier_state(world.courier, 0) == GIRO_COURIER_CONNECTING);
    cr_assert(!world_run(&world, 30 * GIRO_NS_PER_S));
    cr_assert(giro_courier_state(world.courier, 0) == GIRO_COURIER_DOWN && world.last_state == 4);
    uint64_t datagrams = world.datagrams;
    cr_assert(datagrams < 34 * 30, "%lu datagrams into the dark", datagrams);
    for (uint32_t r = 0; r < WORLD_REPLICAS; r++)
        world.replicas[r].dead = false;
    cr_assert(world_run(&world, 5 * GIRO_NS_PER_S));
    expect_each_once(20, false);
    world_close(&world);
}

Test(courier, a_replica_that_takes_frames_and_says_nothing_is_not_waited_for)
{
    world_open(&world, false, 4);
    world.replicas[0].mute = true;
    world_add(&world, 0, 0, 0, 30, 2);
    uint64_t began = world.now_ns;
    cr_assert(world_run(&world, 5 * GIRO_NS_PER_S));
    expect_each_once(30, false);
    cr_assert(giro_courier_stats(world.courier)->frames_resent >= 30);
    cr_assert(world.final_ns - began < GIRO_NS_PER_S);
    cr_assert(world.replicas[1].frames >= 30 && world.replicas[2].frames >= 30, "f + 1 others");
    world_close(&world);
}

Test(courier, a_pause_of_all_replicas_ends_with_it)
{
    world_open(&world, false, 14);
    for (uint32_t r = 0; r < WORLD_REPLICAS; r++)
        world.replicas[r].mute = true;
    for (uint32_t i = 0; i < 20;
         i++) { /* whoever new ones go to is found silent, one after the other */
        world_add(&world, 0, 0, 2 * i, 2, 2);
        world_idle(&world, 50 * WORLD_MS);
    }
    for (uint32_t r = 0; r < WORLD_REPLICAS; r++) {
        cr_assert(world.replicas[r].frames > 0, "replica %u", r);
        world.replicas[r].mute = false;
    }
    const uint64_t began = world.now_ns;
    world_add(&world, 0, 1, 0, 20, 2);
    while (world.told[59].final == 0 && world.now_ns - began < 5 * GIRO_NS_PER_S)
        world_idle(&world, 10 * WORLD_MS);
    cr_assert(world.now_ns - began < 300 * WORLD_MS, "%lu ms", (world.now_ns - began) / WORLD_MS);
    cr_assert(world_run(&world, 10 * GIRO_NS_PER_S));
    expect_each_once(60, false);
    cr_assert(giro_courier_state(world.courier, 0) < GIRO_COURIER_DOWN);
    world_close(&world);
}

Test(courier, a_lie_about_results_is_found_out_by_the_proof)
{
    world_open(&world, true, 5);
    world.replicas[0].lies_results = true;
    world_add(&world, 0, 0, 0, 20, 3);
    cr_assert(world_run(&world, 20 * GIRO_NS_PER_S));
    for (uint32_t i = 0; i < 20; i++)
        cr_assert(world.told[i].proven == 1 && world.told[i].right && world.told[i].final == 1);
    cr_assert(giro_courier_stats(world.courier)->lies == 20);
    world_close(&world);
}

Test(courier, a_forged_proof_is_refused_and_another_replica_asked)
{
    world_open(&world, true, 6);
    world.replicas[0].lies_proofs = true;
    world.replicas[1].lies_proofs = true; /* more than f: still nothing wrong is believed */
    world_add(&world, 0, 0, 0, 20, 3);
    cr_assert(world_run(&world, 20 * GIRO_NS_PER_S));
    for (uint32_t i = 0; i < 20; i++)
        cr_assert(world.told[i].proven == 1 && world.told[i].right);
    cr_assert(giro_courier_stats(world.courier)->lies >= 40);
    cr_assert(giro_courier_stats(world.courier)->frames_proven == 20);
    world_close(&world);
}

Test(courier, one_replica_that_denies_an_outcome_is_not_believed)
{
    for (uint32_t prove = 0; prove < 2; prove++) {
        world_open(&world, prove, 7);
        world.replicas[0].denies = true;
        world_add(&world, 0, 0, 0, 20, 3);
        cr_assert(world_run(&world, 20 * GIRO_NS_PER_S));
        expect_each_once(20, prove);
        cr_assert(giro_courier_stats(world.courier)->lies == (prove ? 20 : 0), "%lu",
                  giro_courier_stats(world.courier)->lies);
        world_close(&world);
    }
}

Test(courier, an_outcome_without_effect_is_final_when_f_plus_1_tell_the_same)
{
    static const uint8_t outcomes[] = {GIRO_OUTCOME_EQUIVOCATION, GIRO_OUTCOME_CHANNEL_STOPPED};
    for (uint32_t row = 0; row < 8; row++) {
        uint8_t outcome = outcomes[row & 1];
        world_open(&world, (row & 2) != 0, 8);
        world.outcome = outcome;
        world.replicas[0].denies = (row & 4) != 0; /* says REFUSED, before all others */
        world_add(&world, 0, 0, 0, 5, 3);
        cr_assert(world_run(&world, 20 * GIRO_NS_PER_S));
        for (uint32_t i = 0; i < 5; i++)
            cr_assert(world.told[i].final == 1 && world.told[i].certified == 1 &&
                          world.told[i].outcome == outcome,
                      "row %u: frame %u ended as %s", row, i,
                      giro_outcome_name(world.told[i].outcome));
        cr_assert(giro_courier_stats(world.courier)->lies == 0);
        world_close(&world);
    }
}

Test(courier, a_frame_that_executed_before_its_copies_were_refused_is_told_as_executed)
{
    for (uint32_t prove = 0; prove < 2; prove++) {
        world_open(&world, prove, 9);
        world.suspended = true;
        world_add(&world, 0, 0, 0, 20, 3);
        cr_assert(world_run(&world, 20 * GIRO_NS_PER_S));
        expect_each_once(20, prove);
        world_close(&world);
    }
}

Test(courier, a_lone_lie_of_executed_against_all_others_does_not_hold_a_frame_for_ever)
{
    static const uint8_t outcomes[] = {GIRO_OUTCOME_OLD, GIRO_OUTCOME_CHANNEL_STOPPED};
    for (size_t i = 0; i < sizeof(outcomes); i++) {
        world_open(&world, true, 25);
        world.outcome = outcomes[i];
        world.replicas[0].swallows = WORLD_LIE_EXECUTED;
        world_add(&world, 0, 0, 0, 20, 3);
        cr_assert(world_run(&world, 60 * GIRO_NS_PER_S), "%u of 20 ended", world.final);
        for (uint32_t k = 0; k < 20; k++)
            cr_assert(world.told[k].final == 1 && world.told[k].proven == 0 &&
                          world.told[k].outcome == outcomes[i],
                      "frame %u ended as %s", k, giro_outcome_name(world.told[k].outcome));
        world_close(&world);
    }
}

Test(courier, a_lost_receipt_is_asked_for)
{
    world_open(&world, false, 9);
    world.certify_ns = 60 * WORLD_MS;
    world_add(&world, 0, 0, 0, 30, 2);
    world_idle(&world, 40 * WORLD_MS); /* durable is told */
    world.replicas[0].mute = true;
    for (uint32_t i = 0; i < 30; i++)
        cr_assert(world.told[i].durable == 1);
    cr_assert(world_run(&world, 3 * GIRO_NS_PER_S));
    expect_each_once(30, false);
    cr_assert(giro_courier_stats(world.courier)->frames_resent == 0, "asked for, not sent again");
    world_close(&world);
}

Test(courier, questions_about_any_sequence_are_answered_and_proven)
{
    world_open(&world, true, 10);
    world_add(&world, 0, 0, 0, 3, 4);
    cr_assert(world_run(&world, 5 * GIRO_NS_PER_S));
    struct giro_courier_time time = world_time(&world);
    cr_assert(giro_courier_ask(world.courier, 0, 0, 1, false, 100, &time) == GIRO_ERR_OK);
    cr_assert(giro_courier_ask(world.courier, 0, 0, 1, false, 100, &time) == GIRO_ERR_EXISTS);
    cr_assert(giro_courier_ask(world.courier, 0, 0, 2, true, 101, &time) == GIRO_ERR_OK);
    cr_assert(giro_courier_ask(world.courier, 0, 0, 77, true, 102, &time) == GIRO_ERR_OK);
    cr_assert(giro_courier_ask(world.courier, 0, 64, 1, true, 102, &time) == GIRO_ERR_ARGUMENT);
    world_idle(&world, 60 * GIRO_NS_PER_S);
    cr_assert(world.told[100].certified == 1 && world.told[100].proven == 0);
    cr_assert(world.told[100].final == 1 && world.told[100].right);
    cr_assert(world.told[101].certified == 1 && world.told[101].proven == 1);
    cr_assert(world.told[101].final == 1 && world.told[101].right);
    cr_assert(world.told[102].nothing == 1 && world.told[102].final == 1);
    for (uint64_t i = 0; i < 64; i++)
        cr_assert(giro_courier_ask(world.courier, 0, 1, i, false, 200 + i, &time) == GIRO_ERR_OK);
    cr_assert(giro_courier_ask(world.courier, 0, 1, 64, false, 300, &time) == GIRO_ERR_FULL);
    world_close(&world);
}

Test(courier, where_a_channel_stands_is_what_f_plus_1_replicas_say_of_all_or_of_q)
{
    world_open(&world, false, 26);
    world_add(&world, 0, 0, 0, 7, 1);
    cr_assert(world_run(&world, 5 * GIRO_NS_PER_S));
    world.replicas[1].channel_lie = 1; /* nothing is used */
    struct giro_courier_time time = world_time(&world);
    cr_assert(giro_courier_channel(world.courier, 0, 64, 0, &time) == GIRO_ERR_ARGUMENT);
    cr_assert(giro_courier_channel(world.courier, 0, 0, 0, &time) == GIRO_ERR_OK);
    cr_assert(giro_courier_channel(world.courier, 0, 0, 0, &time) == GIRO_ERR_EXISTS);
    world_idle(&world, GIRO_NS_PER_S);
    cr_assert(world.channels_told == 1 && world.channel_next == 7, "%lu", world.channel_next);
    world.replicas[1].channel_lie = 1001; /* much is used */
    time = world_time(&world);
    cr_assert(giro_courier_channel(world.courier, 0, 0, 0, &time) == GIRO_ERR_OK);
    world_idle(&world, GIRO_NS_PER_S);
    cr_assert(world.channels_told == 2 && world.channel_next == 7, "%lu", world.channel_next);
    /* One is away: the others are enough, after a while. Two: they are waited for. */
    world.replicas[1].channel_lie = 0;
    world.replicas[3].dead = true;
    time = world_time(&world);
    cr_assert(giro_courier_channel(world.courier, 0, 0, 0, &time) == GIRO_ERR_OK);
    world_idle(&world, GIRO_NS_PER_S);
    cr_assert(world.channels_told == 2);
    world_idle(&world, 4 * GIRO_NS_PER_S);
    cr_assert(world.channels_told == 3 && world.channel_next == 7);
    world.replicas[2].dead = true;
    time = world_time(&world);
    cr_assert(giro_courier_channel(world.courier, 0, 5, 0, &time) == GIRO_ERR_OK);
    world_idle(&world, 60 * GIRO_NS_PER_S);
    cr_assert(world.channels_told == 3);
    world.replicas[2].dead = false;
    world_idle(&world, 15 * GIRO_NS_PER_S);
    cr_assert(world.channels_told == 4 && world.channel_next == 0);
    cr_assert(giro_courier_count(world.courier) == 0);
    world_close(&world);
}

Test(courier, a_full_hub_slows_it_down_and_a_policed_frame_comes_again)
{
    world_open(&world, false, 11);
    world.credit_ahead = 2;
    world.police_per_mille = 300;
    world_add(&world, 0, 0, 0, 200, 20);
    cr_assert(world_run(&world, 60 * GIRO_NS_PER_S));
    expect_each_once(200, false);
    cr_assert(giro_courier_stats(world.courier)->refused[GIRO_REJECT_POLICED] > 20);
    world_close(&world);
}

Test(courier, the_size_that_a_path_carries_is_found_out)
{
    static const uint32_t paths[] = {1472, 1460, 1430, 1400, 1250};
    static const uint32_t found[] = {1472, 1452, 1428, 1392, 1200};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        world_open(&world, false, 12);
        world.path_bytes = paths[i];
        world_add(&world, 0, 0, 0, 20, 16);
        cr_assert(world_run(&world, 5 * GIRO_NS_PER_S));
        expect_each_once(20, false);
        world_idle(&world, 3 * GIRO_NS_PER_S);
        cr_assert(giro_courier_path_bytes(world.courier, 0) == found[i] ||
                      giro_courier_path_bytes(world.courier, 0) == 0,
                  "%u bytes found on a path of %u", giro_courier_path_bytes(world.courier, 0),
                  paths[i]);
        cr_assert(giro_courier_stats(world.courier)->fail_overs == 0);
        world_close(&world);
    }
    /* The path becomes narrower while frames are under way. */
    world_open(&world, false, 13);
    world_add(&world, 0, 0, 0, 5, 16);
    cr_assert(world_run(&world, 5 * GIRO_NS_PER_S));
    world.path_bytes = 1300;
    world_add(&world, 0, 0, 5, 50, 16);
    cr_assert(world_run(&world, 60 * GIRO_NS_PER_S));
    expect_each_once(55, false);
    world_close(&world);
}

Test(courier, keys_are_renewed_without_a_gap_and_silence_keeps_a_session_alive)
{
    world_open(&world, false, 14);
    giro_courier_connect(world.courier, 0);
    uint64_t sequence = 0;
    for (uint32_t second = 0; second < 400; second++) {
        if (second < 300)
            world_add(&world, 0, 0, sequence++, 1, 1);
        world_idle(&world, GIRO_NS_PER_S);
    }
    expect_each_once(300, false);
    cr_assert(world.replicas[0].rekeys == 3, "%u", world.replicas[0].rekeys);
    cr_assert(giro_courier_stats(world.courier)->rekeys == 3);
    cr_assert(giro_courier_stats(world.courier)->frames_resent == 0);
    cr_assert(giro_courier_state(world.courier, 0) == GIRO_COURIER_UP);
    for (uint32_t i = 0; i < 300; i++)
        cr_assert(world.told[i].certified == 1);
    giro_courier_close_sessions(world.courier);
    world.added++; /* nothing waits for a frame */
    world_run(&world, 100 * WORLD_MS);
    cr_assert(world.replicas[0].closes == 1);
    world.added--;
    world_close(&world);
}

/* In pages that a core dump leaves out ("dd" in smaps). */
static bool is_kept_out(const void *bytes, size_t size_bytes)
{
    static char line[4096];
    const unsigned long first = (unsigned long)(uintptr_t)bytes, last = first + size_bytes - 1;
    unsigned long begin = 0, end = 0, from, to;
    bool first_out = false, last_out = false;
    FILE *maps = fopen("/proc/self/smaps", "r");
    cr_assert(maps != NULL);
    while (fgets(line, sizeof(line), maps) != NULL) {
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2) {
            begin = from;
            end = to;
        } else if (strncmp(line, "VmFlags:", 8) == 0 && strstr(line, " dd") != NULL) {
            first_out = first_out || (first >= begin && first < end);
            last_out = last_out || (last >= begin && last < end);
        }
    }
    fclose(maps);
    return first_out && last_out;
}

Test(courier, the_keys_of_sessions_are_in_no_core_file)
{
    world_open(&world, false, 27);
    for (uint16_t m = 0; m < WORLD_MEMBERS; m++)
        world_add(&world, m, 0, 0, 1, 1);
    cr_assert(world_run(&world, 5 * GIRO_NS_PER_S));
    for (uint32_t m = 0; m < WORLD_MEMBERS; m++) {
        const struct peer *peer = &world.courier->peers[m * WORLD_REPLICAS + m];
        cr_assert(peer->live && is_kept_out(peer, sizeof(*peer)));
        cr_assert(
            is_kept_out(world.courier->members[m].pair, sizeof(struct giro_session_key_pair)));
    }
    cr_assert(!is_kept_out(&world, sizeof(world)));
    world_close(&world);
}

Test(courier, garbage_and_other_peoples_datagrams_change_nothing)
{
    uint8_t bytes[1472];
    world_open(&world, false, 15);
    world_add(&world, 0, 0, 0, 10, 1);
    cr_assert(world_run(&world, 5 * GIRO_NS_PER_S));
    uint64_t refused = giro_courier_stats(world.courier)->datagrams_refused;
    for (uint32_t i = 0; i < 5000; i++) {
        struct giro_courier_time time = world_time(&world);
        size_t size = giro_prng_below(&world.prng, sizeof(bytes));
        giro_prng_fill(&world.prng, bytes, size);
        struct giro_head head = giro_head_make(i % 2 ? GIRO_KIND_SESSION : GIRO_KIND_HANDSHAKE);
        if (i % 3 > 0 && size > 64) {
            memcpy(bytes, &head, sizeof(head));
            memset(bytes + 9, 0, 3); /* may name a session */
        }
        giro_courier_receive(world.courier, bytes, size, &time);
    }
    cr_assert(giro_courier_stats(world.courier)->datagrams_refused == refused + 5000);
    world_add(&world, 0, 0, 10, 10, 1);
    cr_assert(world_run(&world, GIRO_NS_PER_S));
    expect_each_once(20, false);
    world_close(&world);
}

Test(courier, a_home_replica_that_swallows_frames_and_lies_about_them_cannot_hold_them_back)
{
    static const enum world_lie lies[] = {WORLD_LIE_DURABLE, WORLD_LIE_EXECUTED, WORLD_LIE_OLD,
                                          WORLD_LIE_LATER};
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        world_open(&world, true, 20 + i);
        world.replicas[0].swallows = lies[i];
        world_add(&world, 0, 0, 0, 20, 3);
        cr_assert(world_run(&world, 60 * GIRO_NS_PER_S), "lie %zu: %u of 20 ended", i, world.final);
        for (uint32_t k = 0; k < 20; k++)
            cr_assert(world.told[k].proven == 1 && world.told[k].right && world.told[k].final == 1,
                      "lie %zu: frame %u ended as %s", i, k,
                      giro_outcome_name(world.told[k].outcome));
        world_close(&world);
    }
}

Test(courier, silence_and_one_replica_never_say_that_the_ledger_has_no_such_frame)
{
    world_open(&world, true, 24);
    world_add(&world, 0, 0, 0, 3, 4);
    cr_assert(world_run(&world, 5 * GIRO_NS_PER_S));
    for (uint32_t r = 0; r < WORLD_REPLICAS; r++)
        world.replicas[r].dead = true;
    struct giro_courier_time time = world_time(&world);
    cr_assert(giro_courier_ask(world.courier, 0, 0, 1, true, 100, &time) == GIRO_ERR_OK);
    cr_assert(giro_courier_ask(world.courier, 0, 0, 77, true, 101, &time) == GIRO_ERR_OK);
    world_idle(&world, 120 * GIRO_NS_PER_S);
    cr_assert(world.told[100].nothing == 0 && world.told[101].nothing == 0, "nobody answered");
    world.replicas[2].dead = false;
    world_idle(&world, 120 * GIRO_NS_PER_S);
    cr_assert(world.told[100].proven == 1 && world.told[100].right, "one ledger is enough");
    cr_assert(world.told[101].nothing == 0, "one replica's word");
    world.replicas[3].dead = false;
    world_idle(&world, 60 * GIRO_NS_PER_S);
    cr_assert(world.told[101].nothing == 1 && world.told[101].final == 1);
    world_close(&world);
}
