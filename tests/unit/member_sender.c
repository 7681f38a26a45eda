/* The sender against a hub of one thread: real datagrams, real receipts, all the ways an answer can go wrong. */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "member/sender.h"
#include "member_support.h"
#include "sys_support.h"

TestSuite(sender, .init = hub_suite_open, .fini = hub_suite_close);

#define REPLICAS   4u
#define FRAMES_MAX 400u

/* What the fake hub knows of a frame; its mood decides how it answers. */
struct heard {
    struct giro_hash hash;
    uint32_t times, refused;
};
struct fake {
    const struct hub *hub;
    int fds[REPLICAS];
    struct giro_config_address addresses[REPLICAS];
    pthread_t thread;
    _Atomic bool stopping;
    uint32_t drop_per_mille; /* of datagrams */
    uint32_t refuse_first;   /* NOT_CONSUMED that many times before the outcome */
    uint32_t silent;         /* replicas below this number never answer */
    bool lie, twice, durable_only, garbage;
    uint8_t outcome;
    struct giro_prng prng;
    struct heard heard[2][FRAMES_MAX]; /* by member */
};

static size_t receipt(const struct fake *fake, const struct giro_frame *frame,
                      const struct giro_hash *hash, uint8_t level, uint8_t outcome,
                      uint32_t records, uint8_t *out)
{
    struct giro_receipt_header header = {.head = giro_head_make(GIRO_KIND_RECEIPT),
                                         .chain_prefix = fake->hub->genesis.chain_prefix,
                                         .member = frame->header.member,
                                         .item_count = 1};
    struct giro_receipt_item item = {.sequence = frame->header.sequence,
                                     .frame_hash = *hash,
                                     .height = level == GIRO_LEVEL_CERTIFIED ? 9 : 1,
                                     .channel = frame->header.channel,
                                     .level = level,
                                     .outcome = outcome,
                                     .run_count = records > 0};
    struct giro_receipt_run run = {.count = (uint16_t)records,
                                   .result = {.status = GIRO_STATUS_ACSC}};
    memcpy(out, &header, sizeof(header));
    memcpy(out + sizeof(header), &item, sizeof(item));
    memcpy(out + sizeof(header) + sizeof(item), &run, sizeof(run));
    return sizeof(header) + sizeof(item) + (records > 0 ? sizeof(run) : 0);
}

static void answer(struct fake *fake, uint32_t replica, const uint8_t *bytes, size_t size_bytes,
                   const struct sockaddr_in *to)
{
    struct giro_frame frame;
    uint8_t out[256];
    if (giro_frame_decode(bytes, size_bytes, fake->hub->genesis.chain_prefix, &frame) !=
        GIRO_REJECT_NONE)
        abort();
    struct giro_hash hash = hub_frame_hash(fake->hub, bytes, size_bytes), told;
    struct heard *heard = &fake->heard[frame.header.member][frame.header.sequence];
    if (heard->times++ == 0)
        heard->hash = hash;
    else if (!giro_hash_equal(&heard->hash, &hash))
        abort(); /* a resend is the same bytes */
    if (replica < fake->silent || giro_prng_chance(&fake->prng, fake->drop_per_mille, 1000))
        return;
    told = hash;
    told.bytes[3] ^= fake->lie && heard->times == 1;
    const struct sockaddr *address = (const struct sockaddr *)to;
    size_t size = receipt(fake, &frame, &told, GIRO_LEVEL_DURABLE, 0, 0, out);
    sendto(fake->fds[replica], out, size, 0, address, sizeof(*to));
    if (fake->durable_only && heard->times < 3)
        return;
    if (fake->garbage) {
        sendto(fake->fds[replica], out, size - 1, 0, address, sizeof(*to));
        size = receipt(fake, &frame, &told, GIRO_LEVEL_CERTIFIED, GIRO_OUTCOME_EXECUTED,
                       frame.header.record_count + 1u, out); /* more results than records */
        sendto(fake->fds[replica], out, size, 0, address, sizeof(*to));
    }
    uint8_t outcome = fake->outcome;
    uint32_t records = outcome == GIRO_OUTCOME_EXECUTED ? frame.header.record_count : 0;
    if (heard->refused < fake->refuse_first) {
        heard->refused++;
        outcome = GIRO_OUTCOME_NOT_CONSUMED;
        records = 0;
    }
    size = receipt(fake, &frame, &told, GIRO_LEVEL_CERTIFIED, outcome, records, out);
    for (int i = 0; i <= fake->twice; i++)
        sendto(fake->fds[replica], out, size, 0, address, sizeof(*to));
}

static void *fake_run(void *context)
{
    struct fake *fake = context;
    uint8_t bytes[GIRO_FRAME_BYTES_MAX];
    while (!fake->stopping) {
        bool any = false;
        for (uint32_t r = 0; r < REPLICAS; r++) {
            struct sockaddr_in from;
            socklen_t from_size = sizeof(from);
            ssize_t got = recvfrom(fake->fds[r], bytes, sizeof(bytes), MSG_DONTWAIT,
                                   (struct sockaddr *)&from, &from_size);
            if (got > 0)
                answer(fake, r, bytes, (size_t)got, &from);
            any = any || got > 0;
        }
        struct timespec pause = {.tv_nsec = 200000};
        if (!any)
            nanosleep(&pause, NULL);
    }
    return NULL;
}

static void fake_start(struct fake *fake, const struct hub *hub)
{
    fake->hub = hub;
    if (fake->outcome == 0)
        fake->outcome = GIRO_OUTCOME_EXECUTED;
    giro_prng_init(&fake->prng, hub_environment("GIRO_SEED", 1));
    for (uint32_t r = 0; r < REPLICAS; r++) {
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t size = sizeof(address);
        fake->fds[r] = socket(AF_INET, SOCK_DGRAM, 0);
        cr_assert(bind(fake->fds[r], (struct sockaddr *)&address, size) == 0);
        cr_assert(getsockname(fake->fds[r], (struct sockaddr *)&address, &size) == 0);
        snprintf(fake->addresses[r].host, sizeof(fake->addresses[r].host), "127.0.0.1");
        fake->addresses[r].port = ntohs(address.sin_port);
    }
    cr_assert(pthread_create(&fake->thread, NULL, fake_run, fake) == 0);
}

static void fake_stop(struct fake *fake)
{
    fake->stopping = true;
    pthread_join(fake->thread, NULL);
    for (uint32_t r = 0; r < REPLICAS; r++)
        close(fake->fds[r]);
}

struct ended {
    uint32_t times[2 * FRAMES_MAX];
    uint32_t unsent_calls;
    uint64_t unsent;
};

static void on_certified(void *context, uint64_t index, const struct giro_receipt_item *item,
                         const uint8_t *runs)
{
    (void)item;
    (void)runs;
    ((struct ended *)context)->times[index]++;
}

static void on_unsent(void *context, uint64_t index)
{
    struct ended *ended = context;
    ended->unsent_calls++;
    ended->unsent = index;
}

/* A spool of 2 members' frames in turn, three records each. */
static void spool_make(const struct hub *hub, char dir[256], uint64_t frames,
                       struct giro_spool *spool)
{
    char path[300];
    struct giro_diagnosis diagnosis;
    struct giro_spool_writer *writer;
    uint8_t bytes[GIRO_FRAME_BYTES_MAX];
    scratch_make(dir);
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

static void run_against(struct fake *fake, uint64_t frames, uint64_t stop_after_ns,
                        uint64_t send_for_ns, uint64_t frames_per_second, struct run *run)
{
    struct hub hub;
    struct giro_spool spool;
    char dir[256];
    struct giro_diagnosis diagnosis = {.fact = ""};
    hub_make(&hub, REPLICAS, 3);
    spool_make(&hub, dir, frames, &spool);
    fake_start(fake, &hub);
    struct giro_sender_options options = {.genesis = &hub.genesis,
                                          .replicas = fake->addresses,
                                          .replica_count = REPLICAS,
                                          .spool = &spool,
                                          .outstanding_max = 64,
                                          .outstanding_total = 100,
                                          .frames_per_second = frames_per_second,
                                          .stop_after_ns = stop_after_ns,
                                          .send_for_ns = send_for_ns,
                                          .any_replica_first = true,
                                          .certified = on_certified,
                                          .unsent = on_unsent,
                                          .context = &run->ended};
    run->err = giro_sender_run(&options, &run->stats, &run->unfinished, &diagnosis);
    fake_stop(fake);
    giro_spool_close(&spool);
    scratch_remove(dir);
    hub_free(&hub);
}

static void expect_each_once(const struct run *run, uint64_t frames)
{
    cr_assert(run->err == GIRO_ERR_OK && run->unfinished == 0);
    for (uint64_t i = 0; i < frames; i++)
        cr_assert(run->ended.times[i] == 1, "frame %lu ended %u times", i, run->ended.times[i]);
    cr_assert(run->stats.frames_sent == frames && run->ended.unsent_calls == 0);
    cr_assert(run->stats.frames_certified + run->stats.frames_failed == frames);
}

static struct fake fake;
static struct run run;

Test(sender, every_frame_ends_once_whatever_is_lost_or_repeated)
{
    fake.drop_per_mille = 200;
    fake.twice = true;
    run_against(&fake, 300, 0, 0, 0, &run);
    expect_each_once(&run, 300);
    cr_assert(run.stats.frames_certified == 300 && run.stats.records_certified == 900);
    cr_assert(run.stats.by_status[GIRO_STATUS_ACSC] == 900);
    cr_assert(run.stats.frames_resent > 0 && run.stats.receipts_ignored > 0);
    cr_assert(run.stats.frames_durable <= 300);
}

Test(sender, a_frame_that_was_not_consumed_is_sent_again)
{
    fake.refuse_first = 1;
    run_against(&fake, 40, 0, 0, 0, &run);
    expect_each_once(&run, 40);
    cr_assert(run.stats.frames_resent >= 40);
    cr_assert(run.stats.frames_durable == 40, "a frame becomes durable once");
}

Test(sender, receipts_of_other_bytes_and_malformed_ones_end_nothing)
{
    fake.lie = true; /* the first answer names another hash */
    fake.garbage = true;
    run_against(&fake, 40, 0, 0, 0, &run);
    expect_each_once(&run, 40);
    cr_assert(run.stats.receipts_malformed >= 40);
    cr_assert(run.stats.receipts_ignored >= 80 && run.stats.frames_resent >= 40);
    cr_assert(run.stats.records_certified == 120, "results of more records than sent do not count");
}

Test(sender, a_durable_frame_without_an_outcome_is_asked_for)
{
    fake.durable_only = true; /* the outcome comes with the third asking */
    run_against(&fake, 20, 0, 0, 0, &run);
    expect_each_once(&run, 20);
    cr_assert(run.stats.frames_durable == 20);
}

Test(sender, other_replicas_answer_for_those_that_do_not)
{
    fake.silent = 2; /* the home replicas of both members; f = 1, but resends walk on */
    run_against(&fake, 40, 0, 0, 0, &run);
    expect_each_once(&run, 40);
    cr_assert(run.stats.frames_resent >= 40);
}

Test(sender, refused_frames_end_as_failed)
{
    static const uint8_t outcomes[] = {GIRO_OUTCOME_EQUIVOCATION, GIRO_OUTCOME_OLD,
                                       GIRO_OUTCOME_CHANNEL_STOPPED, GIRO_OUTCOME_REFUSED};
    for (size_t i = 0; i < sizeof(outcomes); i++) {
        memset(&fake, 0, sizeof(fake));
        memset(&run, 0, sizeof(run));
        fake.outcome = outcomes[i];
        run_against(&fake, 10, 0, 0, 0, &run);
        expect_each_once(&run, 10);
        cr_assert(run.stats.frames_failed == 10 && run.stats.by_outcome[outcomes[i]] == 10);
    }
}

Test(sender, giving_up_and_stopping_early_tell_what_is_left)
{
    fake.silent = REPLICAS;
    run_against(&fake, 10, 300000000, 0, 0, &run);
    cr_assert(run.err == GIRO_ERR_TIMEOUT && run.unfinished == 10);
    cr_assert(run.ended.unsent_calls == 0, "all were sent");
    memset(&fake, 0, sizeof(fake));
    memset(&run, 0, sizeof(run));
    run_against(&fake, 400, 0, 200000000, 200, &run);
    cr_assert(run.err == GIRO_ERR_OK && run.unfinished == 0, "what was started is finished");
    cr_assert(run.stats.frames_sent >= 20 && run.stats.frames_sent <= 60, "%lu frames at 200/s",
              run.stats.frames_sent);
    cr_assert(run.ended.unsent_calls == 2, "two channels have frames left");
    for (uint64_t i = 0; i < 400; i++)
        cr_assert(run.ended.times[i] == (i < run.stats.frames_sent), "frame %lu", i);
}

Test(sender, a_spool_out_of_order_and_an_unknown_host_are_refused)
{
    struct hub hub;
    struct giro_spool spool;
    char dir[256];
    struct giro_diagnosis diagnosis = {.fact = ""};
    hub_make(&hub, 1, 3);
    spool_make(&hub, dir, 4, &spool);
    struct giro_config_address address = {.host = "no such host", .port = 1};
    struct giro_sender_options options = {.genesis = &hub.genesis,
                                          .replicas = &address,
                                          .replica_count = 1,
                                          .spool = &spool,
                                          .outstanding_max = 1,
                                          .outstanding_total = 1};
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
