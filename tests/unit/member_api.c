/* giro/member.h as a bank's program uses it, against a hub on real sockets. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "giro/member.h"
#include "member/details.h"
#include "member/sender.h"
#include "member_udp.h"
#include "sys_support.h"

TestSuite(member_api, .init = hub_suite_open, .fini = hub_suite_close);

#define FRAMES 8192u

static struct udp_hub udp;

/* What the program was told, by channel and sequence. */
struct seen {
    uint32_t kept, durable, certified, proven, found, skips, nothing, states, refused;
    uint8_t times[4][FRAMES];
    uint32_t last_state;
    bool wrong;
    int pipe; /* gets each ticket that is kept; 0 none */
};

static void on_event(void *context, const struct giro_member_event *event)
{
    struct seen *seen = context;
    if (event->kind == GIRO_MEMBER_EVENT_STATE) {
        seen->states++;
        seen->last_state = event->state;
        return;
    }
    if (event->channel >= 4 || event->sequence >= FRAMES) {
        seen->wrong = true;
        return;
    }
    seen->found += event->kind == GIRO_MEMBER_EVENT_FOUND;
    seen->kept += event->kind == GIRO_MEMBER_EVENT_KEPT;
    seen->durable += event->kind == GIRO_MEMBER_EVENT_DURABLE;
    seen->nothing += event->kind == GIRO_MEMBER_EVENT_NOTHING;
    seen->proven += event->kind == GIRO_MEMBER_EVENT_PROVEN;
    if (event->kind == GIRO_MEMBER_EVENT_CERTIFIED) {
        seen->certified++;
        seen->skips += event->skip;
        seen->times[event->channel][event->sequence]++;
        if (event->outcome != GIRO_OUTCOME_EXECUTED)
            seen->refused++;
        for (uint32_t i = 0; i < event->result_count; i++)
            if (event->results[i].status != (i % 3 == 2 ? GIRO_STATUS_RJCT : GIRO_STATUS_ACSC) ||
                event->results[i].cycle != event->sequence)
                seen->wrong = true;
    }
    if (event->kind == GIRO_MEMBER_EVENT_PROVEN && event->proof_bytes < 500)
        seen->wrong = true;
    uint64_t ticket[2] = {event->channel, event->sequence};
    if (event->kind == GIRO_MEMBER_EVENT_KEPT && seen->pipe != 0 && !event->skip &&
        write(seen->pipe, ticket, sizeof(ticket)) != (ssize_t)sizeof(ticket))
        seen->wrong = true;
}

static struct giro_member_options options_of(struct seen *seen, uint32_t flags)
{
    static char genesis[300], outbox[300];
    snprintf(genesis, sizeof(genesis), "%s/genesis.json", udp.dir);
    snprintf(outbox, sizeof(outbox), "%s/outbox", udp.dir);
    return (struct giro_member_options){.size_bytes = sizeof(struct giro_member_options),
                                        .flags = flags,
                                        .genesis_path = genesis,
                                        .keys_dir = udp.dir,
                                        .bic = udp.world.hub.genesis.members[1].bic,
                                        .outbox_dir = outbox,
                                        .replicas = udp.text,
                                        .channel_first = 1,
                                        .channel_count = 2,
                                        .frames_max = 64,
                                        .event = on_event,
                                        .context = seen};
}

static struct giro_member *member_open(struct seen *seen, uint32_t flags)
{
    struct giro_member *member;
    char message[600];
    struct giro_member_options options = options_of(seen, flags);
    int err = giro_member_open(&options, &member, message, sizeof(message));
    cr_assert(err == 0, "%s", message);
    return member;
}

static const struct giro_member_details texts = {.end_to_end_id = "E2E-4711",
                                                 .debtor_name = "Žofie Nováková",
                                                 .creditor_name = "",
                                                 .remittance = "Faktura 12/2026, děkujeme"};

/* details: of every payment. */
static int submit_with(struct giro_member *member, uint32_t count,
                       const struct giro_member_details *details, struct giro_member_ticket *ticket)
{
    struct giro_member_payment payments[GIRO_MEMBER_PAYMENTS_MAX];
    memset(payments, 0, sizeof(payments));
    for (uint32_t i = 0; i < count; i++) {
        payments[i].amount_minor = 100 + i;
        payments[i].service = 1;
        payments[i].details = details;
        snprintf(payments[i].creditor, sizeof(payments[i].creditor), "%s",
                 udp.world.hub.genesis.members[2].bic);
        snprintf(payments[i].currency, sizeof(payments[i].currency), "%s",
                 udp.world.hub.genesis.currencies[0].code);
    }
    int err = giro_member_submit(member, payments, count, ticket);
    for (uint32_t i = 0; err == 0 && i < count; i++)
        cr_assert(payments[i].uetr[6] >> 4 == 4, "a random UETR is made");
    return err;
}

static int submit(struct giro_member *member, uint32_t count, struct giro_member_ticket *ticket)
{
    return submit_with(member, count, NULL, ticket);
}

static uint64_t waiting(const struct giro_member *member)
{
    struct giro_member_stats stats;
    giro_member_stats(member, &stats);
    return stats.frames_waiting;
}

static void run_out(struct giro_member *member)
{
    for (int i = 0; waiting(member) > 0; i++) {
        cr_assert(i < 20000, "it does not end");
        cr_assert(giro_member_poll(member, 50) == 0);
    }
}

/* Until its home replica answers and the gaps of earlier lives are known. */
static void taken_up(struct giro_member *member)
{
    for (int i = 0; i == 0 || giro_member_state(member) != GIRO_MEMBER_UP; i++) {
        cr_assert(i < 20000, "it is not taken up");
        cr_assert(giro_member_poll(member, 10) == 0);
    }
    cr_assert(giro_member_poll(member, 10) == 0);
}

Test(member_api, payments_are_kept_certified_and_told_once, .timeout = 60)
{
    static struct seen seen;
    struct giro_member_ticket ticket;
    struct giro_member_stats stats;
    udp_hub_start(&udp, 1);
    struct giro_member *member = member_open(&seen, 0);
    cr_assert(giro_member_state(member) == GIRO_MEMBER_CONNECTING);
    uint32_t submitted = 0;
    while (submitted < 200) {
        int err = submit(member, 1 + submitted % 20, &ticket);
        cr_assert(err == 0 || err == GIRO_ERR_FULL);
        submitted += err == 0;
        if (err == 0)
            cr_assert(ticket.channel == 1 + (submitted - 1) % 2, "channels take turns");
        else
            cr_assert(giro_member_poll(member, 50) == 0);
    }
    run_out(member);
    cr_assert(!seen.wrong && seen.kept == 200 && seen.certified == 200 && seen.refused == 0);
    for (uint32_t i = 0; i < 100; i++)
        cr_assert(seen.times[1][i] == 1 && seen.times[2][i] == 1, "frame %u", i);
    giro_member_stats(member, &stats);
    cr_assert(stats.frames_submitted == 200 && stats.frames_certified == 200);
    cr_assert(stats.payments_certified == 200 / 20 * 210 && stats.lies == 0);
    cr_assert(giro_member_state(member) == GIRO_MEMBER_UP && seen.last_state == GIRO_MEMBER_UP);
    cr_assert(giro_member_close(member, 2000) == 0);
    /* What was not used of the reserved sequences is given back. */
    struct giro_diagnosis diagnosis;
    uint64_t first;
    cr_assert(giro_sequence_reserve(udp.dir, udp.world.hub.genesis.members[1].bic, 1, 0, &first,
                                    &diagnosis) == GIRO_ERR_OK);
    cr_assert(first == 100);
    udp_hub_stop(&udp);
}

Test(member_api, outcomes_are_proven_where_that_is_wanted, .timeout = 60)
{
    static struct seen seen;
    struct giro_member_ticket ticket;
    struct giro_member_stats stats;
    udp_hub_start(&udp, 2);
    struct giro_member *member = member_open(&seen, GIRO_MEMBER_PROVE);
    udp.world.replicas[1].lies_results = true; /* its home */
    for (uint32_t i = 0; i < 30; i++)
        cr_assert(submit(member, 3, &ticket) == 0);
    run_out(member);
    cr_assert(seen.proven == 30);
    giro_member_stats(member, &stats);
    cr_assert(stats.frames_proven == 30 && stats.lies == 30);
    /* Asked again, also with its proof. */
    seen.wrong = false; /* the liar's results */
    udp.world.replicas[1].lies_results = false;
    cr_assert(giro_member_ask(member, 1, 3, 1) == 0);
    cr_assert(giro_member_ask(member, 2, 3000, 0) == 0);
    for (int i = 0; seen.proven < 31 || seen.nothing < 1; i++) {
        cr_assert(i < 20000);
        cr_assert(giro_member_poll(member, 50) == 0);
    }
    cr_assert(!seen.wrong && seen.certified == 31);
    cr_assert(giro_member_close(member, 2000) == 0);
    udp_hub_stop(&udp);
}

/* ---- Details --------------------------------------------------------------------------------------------- */

/* The debtor can open all that is with the hub, and it says what was submitted. Returns how many blocks there are. */
static uint32_t expect_details(void)
{
    const struct giro_genesis *genesis = &udp.world.hub.genesis;
    struct giro_diagnosis diagnosis = {.fact = ""};
    struct giro_details_keys *keys;
    uint32_t count = 0;
    cr_assert(giro_details_keys_load(udp.dir, genesis, 1, &keys, &diagnosis) == GIRO_ERR_OK, "%s",
              diagnosis.fact);
    pthread_mutex_lock(&udp.lock);
    for (uint32_t i = 0; i < udp.world.frame_count; i++) {
        struct giro_details_block blocks[GIRO_DETAILS_BLOCKS_MAX];
        struct giro_details details;
        struct giro_frame frame;
        const struct world_frame *known = &udp.world.frames[i];
        if (known->detailed == NULL)
            continue;
        cr_assert(known->detailed_bytes <= GIRO_FRAME_ORDINARY_BYTES);
        cr_assert(giro_frame_decode(known->detailed, known->detailed_bytes, genesis->chain_prefix,
                                    &frame) == GIRO_REJECT_NONE);
        const uint32_t block_count = giro_details_blocks(&frame, blocks);
        for (uint32_t b = 0; b < block_count; b++) {
            const uint8_t *key = giro_details_keys_find(keys, &blocks[b].header.commitment);
            cr_assert(key != NULL, "frame %lu was sent and its key is lost", known->sequence);
            cr_assert(hub_details_open(genesis, &frame, &blocks[b], key, &details));
            cr_assert(hub_details_say(&details, GIRO_DETAILS_END_TO_END_ID, texts.end_to_end_id));
            cr_assert(hub_details_say(&details, GIRO_DETAILS_DEBTOR_NAME, texts.debtor_name));
            cr_assert(hub_details_say(&details, GIRO_DETAILS_REMITTANCE, texts.remittance));
            cr_assert(hub_details_say(&details, GIRO_DETAILS_CREDITOR_NAME, ""));
        }
        count += block_count;
    }
    pthread_mutex_unlock(&udp.lock);
    giro_details_keys_free(keys);
    return count;
}

Test(member_api, details_go_sealed_and_their_keys_are_kept_before, .timeout = 60)
{
    static struct seen seen;
    struct giro_member_ticket ticket;
    struct giro_member *member;
    char name[141], long_name[142], message[600];
    udp_hub_start(&udp, 7);
    struct giro_member_options options = options_of(&seen, 0);
    options.frames_max = 128;
    cr_assert(giro_member_open(&options, &member, message, sizeof(message)) == 0, "%s", message);
    memset(name, 'n', sizeof(name));
    memset(long_name, 'n', sizeof(long_name));
    name[140] = long_name[141] = '\0';
    const struct {
        struct giro_member_details details;
        uint32_t count;
        int err;
    } rows[] = {
        {texts, 3, 0},
        {texts, 4, GIRO_ERR_ARGUMENT}, /* they do not fit a packet */
        {texts, 20, GIRO_ERR_ARGUMENT},
        {{.remittance = NULL, .debtor_account = ""}, 20, 0},
        {{.debtor_name = name}, 2, 0},
        {{.debtor_name = long_name}, 1, GIRO_ERR_ARGUMENT},
        {{.end_to_end_id = long_name}, 1, GIRO_ERR_ARGUMENT},
        {{.remittance = "two\nlines"}, 1, GIRO_ERR_ARGUMENT},
        {{.remittance = "\xff"}, 1, GIRO_ERR_ARGUMENT},
    };
    uint32_t keys = 0, frames = 0;
    for (size_t i = 1; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int err = submit_with(member, rows[i].count, &rows[i].details, &ticket);
        cr_expect(err == rows[i].err, "row %zu: %d", i, err);
        frames += err == 0;
    }
    cr_assert(frames == 2);
    run_out(member);
    for (uint32_t i = 0; i < udp.world.frame_count; i++) { /* the name in two of them */
        free(udp.world.frames[i].detailed);
        udp.world.frames[i].detailed = NULL;
    }
    /* Without a poll the keys have so much room and no more. */
    int err;
    while ((err = submit_with(member, 3, &texts, &ticket)) == 0)
        keys += 3;
    cr_assert(err == GIRO_ERR_FULL && keys == 192, "%d after %u", err, keys);
    cr_assert(submit(member, 3, &ticket) == 0, "others have");
    cr_assert(giro_member_poll(member, 50) == 0);
    cr_assert(submit_with(member, 3, &texts, &ticket) == 0);
    run_out(member);
    cr_assert(!seen.wrong && seen.refused == 0);
    cr_assert(expect_details() == keys + 3);
    cr_assert(giro_member_close(member, 2000) == 0);
    udp_hub_stop(&udp);
}

/* Folders where the files of keys of yesterday, today and tomorrow would be, or none any more. */
static void key_files_block(bool block)
{
    char path[700];
    const struct giro_clock clock = giro_clock_system();
    const uint64_t today = clock.wall_ns(clock.self) / (86400 * GIRO_NS_PER_S);
    for (uint64_t day = today - 1; day <= today + 1; day++) {
        char date[11];
        giro_date_format((uint16_t)day, date);
        snprintf(path, sizeof(path), "%s/%s/details-%s.keys", udp.dir,
                 udp.world.hub.genesis.members[1].bic, date);
        cr_assert((block ? mkdir(path, 0700) : rmdir(path)) == 0);
    }
}

Test(member_api, a_frame_whose_keys_cannot_be_kept_never_leaves, .timeout = 60)
{
    static struct seen seen;
    struct giro_member_ticket ticket;
    udp_hub_start(&udp, 8);
    struct giro_member *member = member_open(&seen, 0);
    taken_up(member);
    key_files_block(true);
    cr_assert(submit_with(member, 2, &texts, &ticket) == 0);
    for (uint32_t i = 0; i < 20; i++)
        cr_assert(giro_member_poll(member, 10) == GIRO_ERR_IO);
    cr_assert(submit(member, 2, &ticket) == GIRO_ERR_IO);
    cr_assert(giro_member_close(member, 2000) == GIRO_ERR_IO);
    cr_assert(udp.world.frame_count == 0 && seen.kept == 0);
    key_files_block(false);
    member = member_open(&seen, 0);
    taken_up(member);
    run_out(member);
    cr_assert(seen.found == 0 && seen.refused == 0, "%u found", seen.found);
    cr_assert(submit_with(member, 2, &texts, &ticket) == 0);
    run_out(member);
    cr_assert(expect_details() == 2);
    cr_assert(giro_member_close(member, 2000) == 0);
    udp_hub_stop(&udp);
}

/* A question about the first frame keeps it, and those behind it, from being sent; but a program that submits after the first poll
 * must know of all. */
Test(member_api, what_an_earlier_run_kept_is_told_in_the_first_poll, .timeout = 60)
{
    static struct seen seen;
    struct giro_member_ticket first, ticket;
    udp_hub_start(&udp, 9);
    struct giro_member *member = member_open(&seen, 0);
    taken_up(member);
    cr_assert(submit(member, 2, &first) == 0);
    cr_assert(submit(member, 2, &ticket) == 0 && submit(member, 2, &ticket) == 0);
    cr_assert(giro_member_close(member, 2000) == 0);
    memset(&seen, 0, sizeof(seen));
    member = member_open(&seen, 0);
    cr_assert(giro_member_ask(member, first.channel, first.sequence, 0) == 0);
    cr_assert(giro_member_poll(member, 0) == 0);
    cr_assert(seen.found == 3, "%u found", seen.found);
    run_out(member);
    cr_assert(seen.found == 3 && seen.refused == 0 && !seen.wrong);
    cr_assert(giro_member_close(member, 2000) == 0);
    udp_hub_stop(&udp);
}

/* ---- Death ---------------------------------------------------------------------------------------------- */

/* Submits for ever; killed by its parent. */
static void die_working(int pipe_fd)
{
    static struct seen seen;
    struct giro_member_ticket ticket;
    seen.pipe = pipe_fd;
    struct giro_member *member = member_open(&seen, 0);
    for (uint32_t i = 0;; i++) {
        submit_with(member, 2, i % 4 == 3 ? &texts : NULL, &ticket);
        if (giro_member_poll(member, 0) != 0)
            _exit(1);
    }
}

/* Every sequence that was kept is with the hub, nothing is missing below the highest, and nothing came twice: the hub aborts on
 * other bytes under one sequence. */
static void expect_whole(const bool kept[4][FRAMES])
{
    static bool used[4][FRAMES];
    memset(used, 0, sizeof(used));
    pthread_mutex_lock(&udp.lock);
    for (uint32_t i = 0; i < udp.world.frame_count; i++) {
        const struct world_frame *frame = &udp.world.frames[i];
        cr_assert(frame->channel < 4 && frame->last < FRAMES);
        for (uint64_t s = frame->sequence; s <= frame->last; s++) {
            cr_assert(!used[frame->channel][s], "sequence %lu is taken twice", s);
            used[frame->channel][s] = true;
        }
    }
    pthread_mutex_unlock(&udp.lock);
    for (uint32_t c = 1; c < 3; c++)
        for (uint32_t s = 0; s < FRAMES; s++) {
            cr_assert(!kept[c][s] || used[c][s], "kept and lost: %u/%u", c, s);
            cr_assert(s == 0 || !used[c][s] || used[c][s - 1], "a gap below %u/%u", c, s);
        }
}

Test(member_api, kill_9_at_any_moment_loses_nothing_that_was_kept_and_doubles_nothing,
     .timeout = 120)
{
    static bool kept[4][FRAMES];
    uint32_t skips = 0, found = 0;
    udp_hub_start(&udp, 3);
    for (uint32_t life = 0; life < 10; life++) {
        int pipes[2];
        cr_assert(pipe(pipes) == 0);
        fflush(NULL);
        pid_t child = fork();
        cr_assert(child >= 0);
        if (child == 0)
            die_working(pipes[1]);
        close(pipes[1]);
        /* Some die before they can have kept anything, and on a busy machine that would be all. */
        struct pollfd first = {.fd = pipes[0], .events = POLLIN};
        cr_assert(life % 2 == 0 || poll(&first, 1, 30000) == 1);
        struct timespec pause = {.tv_nsec = (30 + life * 12) * 1000000};
        nanosleep(&pause, NULL);
        kill(child, SIGKILL);
        cr_assert(waitpid(child, NULL, 0) == child);
        uint64_t ticket[2];
        while (read(pipes[0], ticket, sizeof(ticket)) == (ssize_t)sizeof(ticket))
            kept[ticket[0]][ticket[1]] = true;
        close(pipes[0]);
        static struct seen seen;
        memset(&seen, 0, sizeof(seen));
        struct giro_member *member = member_open(&seen, 0);
        taken_up(member);
        run_out(member);
        cr_assert(seen.refused == 0, "life %u", life);
        skips += seen.skips;
        found += seen.found;
        cr_assert(giro_member_close(member, 2000) == 0);
        expect_whole(kept);
    }
    cr_assert(found > 0 && skips > 0, "%u frames found, %u skips", found, skips);
    cr_assert(expect_details() > 0);
    udp_hub_stop(&udp);
}

Test(member_api, an_outbox_restored_from_an_old_copy_signs_no_skip_over_what_it_sent_since,
     .timeout = 60)
{
    static struct seen seen;
    static bool kept[4][FRAMES];
    char command[700];
    udp_hub_start(&udp, 6);
    fflush(NULL);
    pid_t child = fork();
    cr_assert(child >= 0);
    if (child == 0) {
        struct giro_member_ticket ticket;
        struct giro_member *member = member_open(&seen, 0);
        snprintf(command, sizeof(command), "cp -r %s/outbox %s/old", udp.dir, udp.dir);
        for (uint32_t i = 0; i < 20; i++) {
            while (submit(member, 1, &ticket) != 0)
                cr_assert(giro_member_poll(member, 10) == 0);
            run_out(member);
            if (i == 9 && system(command) != 0)
                _exit(1);
        }
        _exit(0);
    }
    int status;
    cr_assert(waitpid(child, &status, 0) == child && status == 0);
    snprintf(command, sizeof(command), "cd %s && rm -r outbox && mv old outbox", udp.dir);
    cr_assert(system(command) == 0);
    pthread_mutex_lock(&udp.lock);
    for (uint32_t r = 0; r < WORLD_REPLICAS; r++)
        udp.world.replicas[r].dead = r > 0; /* too few to say where the channels stand */
    pthread_mutex_unlock(&udp.lock);
    struct giro_member_ticket ticket;
    struct giro_member *member = member_open(&seen, 0);
    for (uint32_t i = 0; i < 100; i++) {
        cr_assert(giro_member_poll(member, 10) == 0);
        cr_assert(giro_member_state(member) != GIRO_MEMBER_UP);
        cr_assert(submit(member, 1, &ticket) == GIRO_ERR_FULL);
    }
    pthread_mutex_lock(&udp.lock);
    for (uint32_t r = 0; r < WORLD_REPLICAS; r++)
        udp.world.replicas[r].dead = false;
    pthread_mutex_unlock(&udp.lock);
    taken_up(member); /* the hub aborts on other bytes under one sequence */
    run_out(member);
    cr_assert(seen.skips == 2 && seen.refused == 0, "%u skips", seen.skips);
    cr_assert(submit(member, 1, &ticket) == 0);
    run_out(member);
    cr_assert(giro_member_close(member, 2000) == 0);
    expect_whole(kept);
    udp_hub_stop(&udp);
}

/* ---- Refusals, the descriptor ------------------------------------------------------------------------------ */

Test(member_api, wrong_options_keys_and_payments_are_refused_with_a_reason, .timeout = 60)
{
    static struct seen seen;
    struct giro_member *member, *second;
    char message[600], path[400];
    udp_hub_start(&udp, 4);
    struct giro_member_options options = options_of(&seen, 0);
    struct {
        const char *what, *expected;
        struct giro_member_options options;
        int err;
    } rows[] = {{"size", "options", options, GIRO_ERR_ARGUMENT},
                {"bic", "XXXXCZPP", options, GIRO_ERR_NOENT},
                {"addresses", "127.0.0.1:1", options, GIRO_ERR_ARGUMENT},
                {"channels", "options", options, GIRO_ERR_ARGUMENT},
                {"genesis", "nowhere.json", options, GIRO_ERR_NOENT},
                {"flags", "options", options, GIRO_ERR_ARGUMENT}};
    rows[0].options.size_bytes = 4;
    rows[1].options.bic = "XXXXCZPP";
    rows[2].options.replicas = "127.0.0.1:1";
    rows[3].options.channel_first = 63;
    rows[4].options.genesis_path = "nowhere.json";
    rows[5].options.flags = 2;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int err = giro_member_open(&rows[i].options, &member, message, sizeof(message));
        cr_expect(err == rows[i].err && member == NULL, "%s: %d, %s", rows[i].what, err, message);
        cr_expect(strstr(message, rows[i].expected) != NULL, "%s: %s", rows[i].what, message);
    }
    member = member_open(&seen, 0);
    cr_assert(giro_member_open(&options, &second, message, sizeof(message)) == GIRO_ERR_LOCKED);
    struct giro_member_payment payment = {
        .amount_minor = 1, .creditor = "NOBODYXX", .currency = "CZK"};
    struct giro_member_ticket ticket;
    cr_assert(giro_member_submit(member, &payment, 1, &ticket) == GIRO_ERR_ARGUMENT);
    cr_assert(giro_member_submit(member, &payment, 0, &ticket) == GIRO_ERR_ARGUMENT);
    cr_assert(giro_member_submit(member, &payment, 21, &ticket) == GIRO_ERR_ARGUMENT);
    memset(payment.creditor, 'A', sizeof(payment.creditor)); /* no NUL */
    cr_assert(giro_member_submit(member, &payment, 1, &ticket) == GIRO_ERR_ARGUMENT);
    cr_assert(strlen(giro_member_error_text(GIRO_ERR_FULL)) > 10);
    cr_assert(giro_member_close(member, 2000) == 0);
    /* Another member's key where one's own should be. */
    uint8_t *bytes;
    size_t size;
    snprintf(path, sizeof(path), "%s/%s/frame.key", udp.dir, udp.world.hub.genesis.members[2].bic);
    cr_assert(giro_file_read(path, 100, (char **)&bytes, &size) == GIRO_ERR_OK);
    snprintf(path, sizeof(path), "%s/%s/frame.key", udp.dir, options.bic);
    cr_assert(giro_file_write(path, 0600, bytes, size) == GIRO_ERR_OK);
    free(bytes);
    cr_assert(giro_member_open(&options, &member, message, sizeof(message)) == GIRO_ERR_KEY);
    udp_hub_stop(&udp);
}

Test(member_api, full_is_said_and_ends_and_the_descriptor_wakes_only_for_work, .timeout = 60)
{
    static struct seen seen;
    struct giro_member_ticket ticket;
    udp_hub_start(&udp, 5);
    pthread_mutex_lock(&udp.lock);
    for (uint32_t r = 0; r < WORLD_REPLICAS; r++)
        udp.world.replicas[r].dead = true;
    pthread_mutex_unlock(&udp.lock);
    struct giro_member *member = member_open(&seen, 0);
    uint32_t taken = 0;
    int err = 0;
    for (uint32_t i = 0; i < 1000 && taken < 64; i++) {
        err = submit(member, 1, &ticket);
        cr_assert(err == 0 || err == GIRO_ERR_FULL);
        taken += err == 0;
        cr_assert(giro_member_poll(member, 5) == 0);
    }
    cr_assert(taken == 64 && submit(member, 1, &ticket) == GIRO_ERR_FULL);
    cr_assert(giro_member_state(member) == GIRO_MEMBER_FULL && seen.last_state == GIRO_MEMBER_FULL);
    pthread_mutex_lock(&udp.lock);
    for (uint32_t r = 0; r < WORLD_REPLICAS; r++)
        udp.world.replicas[r].dead = false;
    pthread_mutex_unlock(&udp.lock);
    struct pollfd wait = {.fd = giro_member_fd(member), .events = POLLIN};
    while (waiting(member) > 0) { /* only when the descriptor says so */
        cr_assert(poll(&wait, 1, 20000) == 1, "there is work and nobody says so");
        cr_assert(giro_member_poll(member, 0) == 0);
    }
    cr_assert(!seen.wrong && seen.certified == 64);
    uint32_t wakes = 0;
    struct giro_clock clock = giro_clock_system();
    uint64_t end = clock.mono_ns(clock.self) + 3 * GIRO_NS_PER_S;
    while (clock.mono_ns(clock.self) < end) {
        if (poll(&wait, 1, 100) == 1) {
            wakes++;
            cr_assert(giro_member_poll(member, 0) == 0);
        }
    }
    cr_assert(wakes < 40, "%u wakes in three idle seconds", wakes);
    cr_assert(giro_member_close(member, 2000) == 0);
    udp_hub_stop(&udp);
}
