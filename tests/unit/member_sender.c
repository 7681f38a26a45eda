/* The sender through sessions over real UDP: all the ways an answer can fail to come. */
#include <stdio.h>

#include <criterion/criterion.h>

#include "member/sender.h"
#include "member_udp.h"
#include "sys_support.h"

TestSuite(sender, .init = hub_suite_open, .fini = hub_suite_close);

#define FRAMES_MAX 400u

struct ended {
    uint32_t times[FRAMES_MAX];
    enum giro_outcome outcomes[FRAMES_MAX];
    uint32_t unsent_calls;
    uint64_t unsent;
};

static void on_certified(void *context, uint64_t index, enum giro_outcome outcome)
{
    struct ended *ended = context;
    ended->times[index]++;
    ended->outcomes[index] = outcome;
}

static void on_unsent(void *context, uint64_t spool_index)
{
    struct ended *ended = context;
    ended->unsent_calls++;
    ended->unsent = spool_index;
}

/* A spool of 2 members' frames in turn, three records each. */
static void spool_make(const struct hub *hub, const char *dir, uint64_t frames,
                       struct giro_spool *spool)
{
    char path[300];
    struct giro_diagnosis diagnosis;
    struct giro_spool_writer *writer;
    uint8_t bytes[GIRO_FRAME_BYTES_MAX];
    snprintf(path, sizeof(path), "%s/a.spool", dir);
    cr_assert(giro_spool_create(path, &hub->genesis, &writer, &diagnosis) == GIRO_ERR_OK);
    for (uint64_t i = 0; i < frames; i++) {
        size_t size = hub_frame(hub, i % 2, 2, i / 2, 3, bytes);
        cr_assert(giro_spool_add(writer, bytes, (uint32_t)size) == GIRO_ERR_OK);
    }
    cr_assert(giro_spool_finish(writer) == GIRO_ERR_OK);
    cr_assert(giro_spool_open(path, &hub->genesis, spool, &diagnosis) == GIRO_ERR_OK);
}

struct run {
    enum giro_err err;
    uint64_t unfinished;
    struct giro_sender_stats stats;
    struct ended ended;
};
static struct udp_hub udp;
static struct run run;
static bool prove;

/* The settings of the hub stand in udp.world before; they are taken over. */
static void run_against(const struct world *wanted, uint64_t frames, uint64_t stop_after_ns,
                        uint64_t send_for_ns, uint64_t frames_per_second)
{
    struct giro_spool spool;
    struct giro_diagnosis diagnosis = {.fact = ""};
    memset(&run, 0, sizeof(run));
    udp_hub_start(&udp, 1);
    pthread_mutex_lock(&udp.lock);
    udp.world.loss_per_mille = wanted->loss_per_mille;
    udp.world.police_per_mille = wanted->police_per_mille;
    udp.world.not_consumed_first = wanted->not_consumed_first;
    if (wanted->outcome != 0)
        udp.world.outcome = wanted->outcome;
    for (uint32_t r = 0; r < WORLD_REPLICAS; r++) {
        udp.world.replicas[r].dead = wanted->replicas[r].dead;
        udp.world.replicas[r].denies = wanted->replicas[r].denies;
        udp.world.replicas[r].lies_results = wanted->replicas[r].lies_results;
    }
    pthread_mutex_unlock(&udp.lock);
    spool_make(&udp.world.hub, udp.dir, frames, &spool);
    struct giro_sender_options options = {.genesis = &udp.world.hub.genesis,
                                          .ring = prove ? udp.world.hub.ring : NULL,
                                          .replicas = udp.addresses,
                                          .replica_count = WORLD_REPLICAS,
                                          .keys_dir = udp.dir,
                                          .spool = &spool,
                                          .outstanding_max = 64,
                                          .outstanding_total = 100,
                                          .frames_per_second = frames_per_second,
                                          .stop_after_ns = stop_after_ns,
                                          .send_for_ns = send_for_ns,
                                          .certified = on_certified,
                                          .unsent = on_unsent,
                                          .context = &run.ended};
    run.err = giro_sender_run(&options, &run.stats, &run.unfinished, &diagnosis);
    cr_assert(run.err == GIRO_ERR_OK || run.err == GIRO_ERR_TIMEOUT, "%s: %s", diagnosis.fact,
              diagnosis.detail);
    giro_spool_close(&spool);
    udp_hub_stop(&udp);
}

static void expect_each_once(uint64_t frames)
{
    cr_assert(run.err == GIRO_ERR_OK && run.unfinished == 0);
    for (uint64_t i = 0; i < frames; i++)
        cr_assert(run.ended.times[i] == 1, "frame %lu ended %u times", i, run.ended.times[i]);
    cr_assert(run.stats.frames_sent == frames && run.ended.unsent_calls == 0);
    cr_assert(run.stats.frames_certified + run.stats.frames_failed == frames);
}

static struct world wanted;

Test(sender, every_frame_ends_once_whatever_is_lost_or_refused_for_now)
{
    wanted.loss_per_mille = 100;
    wanted.police_per_mille = 100;
    run_against(&wanted, 300, 0, 0, 0);
    expect_each_once(300);
    cr_assert(run.stats.frames_certified == 300 && run.stats.records_certified == 900);
    cr_assert(run.stats.by_status[GIRO_STATUS_ACSC] == 600);
    cr_assert(run.stats.by_reason[GIRO_REASON_AM04] == 300);
    cr_assert(run.stats.datagrams_lost > 0 && run.stats.frames_durable <= 300);
}

Test(sender, a_frame_that_was_not_consumed_is_sent_again)
{
    wanted.not_consumed_first = 1;
    run_against(&wanted, 40, 0, 0, 0);
    expect_each_once(40);
    cr_assert(run.stats.frames_resent >= 40);
    cr_assert(run.stats.frames_durable <= 40, "a frame becomes durable once");
}

Test(sender, other_replicas_answer_for_those_that_do_not)
{
    wanted.replicas[0].dead = wanted.replicas[1].dead = true; /* both members' homes */
    run_against(&wanted, 40, 0, 0, 0);
    expect_each_once(40);
}

Test(sender, with_proofs_a_replica_that_lies_about_outcomes_is_not_believed)
{
    prove = true;
    wanted.replicas[0].denies = true;       /* home of member 0: says that nothing had an effect */
    wanted.replicas[1].lies_results = true; /* home of member 1: says that all was settled */
    run_against(&wanted, 40, 0, 0, 0);
    expect_each_once(40);
    cr_assert(run.stats.frames_certified == 40 && run.stats.records_certified == 120);
    cr_assert(run.stats.by_status[GIRO_STATUS_ACSC] == 80);
    cr_assert(run.stats.by_reason[GIRO_REASON_AM04] == 40);
    cr_assert(run.stats.lies >= 40, "%lu lies", run.stats.lies);
    for (uint64_t i = 0; i < 40; i++)
        cr_assert(run.ended.outcomes[i] == GIRO_OUTCOME_EXECUTED, "frame %lu", i);
}

Test(sender, refused_frames_end_as_failed)
{
    static const uint8_t outcomes[] = {GIRO_OUTCOME_EQUIVOCATION, GIRO_OUTCOME_CHANNEL_STOPPED,
                                       GIRO_OUTCOME_REFUSED};
    for (size_t i = 0; i < sizeof(outcomes); i++) {
        wanted.outcome = outcomes[i];
        run_against(&wanted, 10, 0, 0, 0);
        expect_each_once(10);
        cr_assert(run.stats.frames_failed == 10 && run.stats.by_outcome[outcomes[i]] == 10);
    }
}

Test(sender, giving_up_and_stopping_early_tell_what_is_left)
{
    for (uint32_t r = 0; r < WORLD_REPLICAS; r++)
        wanted.replicas[r].dead = true;
    run_against(&wanted, 10, 300000000, 0, 0);
    cr_assert(run.err == GIRO_ERR_TIMEOUT && run.unfinished == 10);
    cr_assert(run.ended.unsent_calls == 0, "all were handed over");
    memset(&wanted, 0, sizeof(wanted));
    run_against(&wanted, 400, 0, 200000000, 200);
    cr_assert(run.err == GIRO_ERR_OK && run.unfinished == 0, "what was started is finished");
    cr_assert(run.stats.frames_sent >= 20 && run.stats.frames_sent <= 60, "%lu frames at 200/s",
              run.stats.frames_sent);
    cr_assert(run.ended.unsent_calls == 2, "two channels have frames left");
    for (uint64_t i = 0; i < 400; i++)
        cr_assert(run.ended.times[i] == (i < run.stats.frames_sent), "frame %lu", i);
}

Test(sender, a_spool_out_of_order_an_unknown_host_and_missing_keys_are_refused)
{
    struct hub hub;
    struct giro_spool spool;
    char dir[256];
    struct giro_diagnosis diagnosis = {.fact = ""};
    hub_make(&hub, 1, 3);
    scratch_make(dir);
    spool_make(&hub, dir, 4, &spool);
    struct giro_config_address address = {.host = "no such host", .port = 1};
    struct giro_sender_options options = {.genesis = &hub.genesis,
                                          .replicas = &address,
                                          .replica_count = 1,
                                          .keys_dir = dir,
                                          .spool = &spool,
                                          .outstanding_max = 1,
                                          .outstanding_total = 1};
    cr_assert(giro_sender_run(&options, &run.stats, &run.unfinished, &diagnosis) != GIRO_ERR_OK);
    cr_assert(strstr(diagnosis.fact, "session.key") != NULL, "%s", diagnosis.fact);
    hub_write(&hub, dir);
    cr_assert(giro_sender_run(&options, &run.stats, &run.unfinished, &diagnosis) ==
              GIRO_ERR_NETWORK);
    cr_assert(strstr(diagnosis.fact, "no such host") != NULL && run.unfinished == 4);
    const uint8_t *first = spool.frames[0];
    spool.frames[0] = spool.frames[2];
    spool.frames[2] = first;
    cr_assert(giro_sender_run(&options, &run.stats, &run.unfinished, &diagnosis) ==
              GIRO_ERR_FORMAT);
    giro_spool_close(&spool);
    scratch_remove(dir);
    hub_free(&hub);
}
