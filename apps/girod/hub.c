#include "apps/girod/hub.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/thread.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "apps/girod/alarms.h"
#include "apps/girod/api.h"
#include "apps/girod/event_file.h"
#include "apps/girod/file_sync.h"
#include "apps/girod/hub_keys.h"
#include "apps/girod/hub_port.h"
#include "apps/girod/journal_writer.h"
#include "apps/girod/members.h"
#include "apps/girod/postmortem.h"
#include "apps/girod/publish.h"
#include "apps/girod/stages.h"
#include "apps/girod/verify_stage.h"
#include "giro/keys.h"

#define HALT_FLUSH_ROUNDS  20u /* of 10 ms, for the last messages to leave */
#define RECEIVE_BURSTS     4u  /* bursts taken per turn */
#define IDLE_TURNS         32u /* empty turns before the loop sleeps */
#define JOURNAL_RING_BYTES (64u * 1024u * 1024u)
#define LEDGER_HEIGHTS_MAX (1u << 28) /* 2 x 2 GiB of address space, touched as heights come */
#define ENTRIES_MAX        (1u << 24)
/* Tables of keys are scrubbed at 6.5 MB/s, 7 us every 10 ms: those of 512 keys in 40 s. A loop that slept makes up for at most
 * 16 slices. */
#define SCRUB_BYTES      65536u
#define SCRUB_EVERY_NS   10000000u
#define SCRUB_SLICES_MAX 16u

struct giro_hub {
    struct giro_config config;
    struct giro_genesis genesis;
    struct giro_hub_keys keys;
    uint64_t scrub_due_ns;
    uint8_t window_secret[32];
    struct giro_clock clock;
    struct giro_disk disk;
    int disk_fd;
    struct giro_allow *allow; /* NULL: everybody */
    struct giro_port *port;
    struct giro_ingress *ingress;
    void *ingress_mem;
    size_t ingress_bytes;
    struct giro_replica *replica;
    struct giro_members *members;
    struct giro_ledger_file *ledger;
    struct giro_journal_files *journals;
    struct giro_journal_writer *journal_writer;
    uint64_t publish_mark;           /* of the journal writer: then files are to be cut; 0 = none */
    uint64_t sync_height, sync_mark; /* the checkpoint that waits, and what was put before it */
    struct giro_details_files *details;
    struct giro_publish *publish;
    struct giro_file_sync *file_sync;
    struct giro_event_file *events; /* NULL: not configured */
    struct giro_links *links;
    struct giro_api *api;
    char capture_path[600];
    struct event_base *base;
    struct event *port_event, *disk_event, *verify_event, *journal_event, *timer_event,
        *signal_events[2];
    struct giro_verify_stage *verify;
    enum giro_err failed;
    bool stopping, recovering;
    struct giro_stages stages;
    uint16_t journal_date; /* the latest business date journalled */
    uint64_t evidence;
    struct giro_crash_marker *marker;
    struct giro_alarms alarms;
    uint64_t tell_next_ns;
};

static uint64_t mono(const struct giro_hub *hub)
{
    return hub->clock.mono_ns(hub->clock.self);
}

static uint64_t wall(const struct giro_hub *hub)
{
    return hub->clock.wall_ns(hub->clock.self);
}

static enum giro_stage enter(struct giro_hub *hub, enum giro_stage stage)
{
    return giro_stages_enter(&hub->stages, mono(hub), stage);
}

/* ---- Replica callbacks --------------------------------------------------------------------------- */

static void on_send(void *context, uint16_t peer, const struct giro_part *parts, uint32_t count)
{
    struct giro_hub *hub = context;
    if (hub->links == NULL)
        return;
    enum giro_stage before = enter(hub, GIRO_STAGE_links);
    giro_links_send(hub->links, peer, parts, count);
    enter(hub, before);
}

static void on_answer(void *context, const struct giro_answer *answer)
{
    struct giro_hub *hub = context;
    giro_members_answer(hub->members, mono(hub), answer);
}

static void file_failed(struct giro_hub *hub, const char *what, enum giro_err err)
{
    GIRO_LOG(ERROR, "hub", "%s cannot be written: %s; %s", what, giro_err_sentence(err),
             giro_err_advice(err));
    if (hub->failed == GIRO_ERR_OK)
        hub->failed = err;
}

static void on_journal(void *context, uint16_t member, uint16_t business_date, const void *bytes,
                       uint32_t size_bytes)
{
    struct giro_hub *hub = context;
    enum giro_stage before = enter(hub, GIRO_STAGE_files);
    enum giro_err err =
        giro_journal_writer_put(hub->journal_writer, member, business_date, bytes, size_bytes);
    enter(hub, before);
    if (err != GIRO_ERR_OK)
        file_failed(hub, "the journal", err);
    struct giro_journal_block block;
    memcpy(&block, bytes, sizeof(block));
    bool new_date = business_date > hub->journal_date;
    hub->journal_date = new_date ? business_date : hub->journal_date;
    if ((block.has_cycle || new_date) && !hub->recovering && hub->publish != NULL)
        hub->publish_mark = giro_journal_writer_mark(hub->journal_writer);
}

/* Files are cut from journals, so behind the block that says it is time. */
static void publish_look(struct giro_hub *hub)
{
    if (hub->publish_mark == 0 || !giro_journal_writer_done(hub->journal_writer, hub->publish_mark))
        return;
    hub->publish_mark = 0;
    giro_publish_request(hub->publish);
}

static void on_ledger_block(void *context, uint64_t height, const void *bytes, size_t size_bytes)
{
    struct giro_hub *hub = context;
    enum giro_stage before = enter(hub, GIRO_STAGE_files);
    enum giro_err err = giro_ledger_file_block(hub->ledger, height, bytes, size_bytes);
    enter(hub, before);
    if (err != GIRO_ERR_OK)
        file_failed(hub, "the ledger file", err);
}

static void on_certificate(void *context, const struct giro_certificate *certificate)
{
    struct giro_hub *hub = context;
    enum giro_err err = giro_ledger_file_certificate(hub->ledger, certificate);
    if (err != GIRO_ERR_OK)
        file_failed(hub, "the certificates file", err);
}

static void on_details(void *context, const struct giro_details_executed *executed)
{
    struct giro_hub *hub = context;
    enum giro_stage before = enter(hub, GIRO_STAGE_files);
    enum giro_err err = giro_details_files_frame(hub->details, executed);
    enter(hub, before);
    if (err != GIRO_ERR_OK)
        file_failed(hub, "a day of details", err);
}

/* An image that the ledger file does not reach came from the others. */
static void on_restored(void *context, uint64_t height, uint16_t business_date)
{
    struct giro_hub *hub = context;
    const enum giro_err err = giro_details_files_restored(
        hub->details, height, business_date, giro_ledger_file_height(hub->ledger) >= height);
    if (err != GIRO_ERR_OK)
        file_failed(hub, "the days of details that have gaps", err);
}

static uint32_t on_leaf(void *context, uint64_t height, uint32_t leaf_index, uint8_t *out,
                        uint32_t out_bytes)
{
    struct giro_hub *hub = context;
    return giro_ledger_file_leaf(hub->ledger, height, leaf_index, out, out_bytes);
}

static bool on_files_synced(void *context, uint64_t height)
{
    struct giro_hub *hub = context;
    if (height != hub->sync_height) {
        hub->sync_height = height;
        hub->sync_mark = giro_journal_writer_mark(hub->journal_writer);
    }
    if (!giro_journal_writer_done(hub->journal_writer, hub->sync_mark))
        return false;
    enum giro_err err = giro_ledger_file_flush(hub->ledger);
    bool done = err == GIRO_ERR_OK && giro_file_sync_done(hub->file_sync, height, &err);
    if (err != GIRO_ERR_OK)
        file_failed(hub, "the ledger file or a journal", err);
    return done;
}

static void on_evidence(void *context, const struct giro_action *action)
{
    struct giro_hub *hub = context;
    hub->evidence++;
    GIRO_LOG(WARN, "hub", "evidence against replica %u, %s of round or height %lu: %s",
             action->evidence.offender, giro_kind_text((uint16_t)action->evidence.what),
             (unsigned long)action->evidence.round, giro_reject_text(action->evidence.reject));
}

static void on_halted(void *context, const char *reason, uint64_t height)
{
    struct giro_hub *hub = context;
    GIRO_LOG(ERROR, "hub", "halted at height %lu: %s; keep all files", (unsigned long)height,
             reason);
    hub->failed = GIRO_ERR_DIVERGED;
    event_base_loopbreak(hub->base);
}

/* What is needed to find out why goes to a file, and what was said to the others leaves. */
static void halt_finish(struct giro_hub *hub)
{
    const struct giro_halt *halt = giro_replica_halt(hub->replica);
    char path[600];
    if (halt == NULL)
        return;
    enum giro_err err =
        giro_halt_write(hub->config.data_path, hub->config.replica, halt, path, sizeof(path));
    if (err == GIRO_ERR_OK)
        GIRO_LOG(ERROR, "hub", "why it stopped is in \"%s\"", path);
    else
        GIRO_LOG(ERROR, "hub", "\"%s\" cannot be written: %s", path, giro_err_sentence(err));
    const struct timespec pause = {.tv_nsec = 10000000};
    for (uint32_t i = 0; i < HALT_FLUSH_ROUNDS && hub->links != NULL; i++) {
        event_base_loop(hub->base, EVLOOP_NONBLOCK);
        nanosleep(&pause, NULL);
    }
}

/* Once a second: what an operator must hear of without asking, and figures for who does. */
static void tell(struct giro_hub *hub)
{
    struct giro_sessions_counters sessions;
    struct giro_verifiers_counters verifiers;
    if (mono(hub) < hub->tell_next_ns)
        return;
    hub->tell_next_ns = mono(hub) + GIRO_NS_PER_S;
    giro_members_counters(hub->members, &sessions);
    giro_verify_stage_counters(hub->verify, &verifiers);
    giro_hub_port_publish(hub->port, &hub->genesis, hub->ingress, &verifiers, &sessions);
    giro_alarms_look(&hub->alarms, hub->replica, hub->genesis.replica_count);
}

static enum giro_stage on_stage(void *context, enum giro_stage stage)
{
    return enter(context, stage);
}

/* ---- Stages ------------------------------------------------------------------------------------------ */

static uint32_t stage_receive(struct giro_hub *hub)
{
    struct giro_datagram datagrams[GIRO_PORT_BURST];
    uint32_t total = 0;
    for (uint32_t burst = 0; burst < RECEIVE_BURSTS; burst++) {
        uint32_t count = giro_port_receive(hub->port, datagrams);
        uint64_t now_ns = mono(hub);
        for (uint32_t i = 0; i < count; i++)
            giro_members_take(hub->members, now_ns, &datagrams[i]);
        total += count;
        if (count < GIRO_PORT_BURST)
            break;
    }
    return total;
}

static uint32_t stage_replica(struct giro_hub *hub)
{
    uint32_t taken = giro_verify_stage_hand_in(hub->verify, mono(hub), wall(hub));
    enum giro_err err = giro_replica_poll(hub->replica, mono(hub), wall(hub));
    if (err == GIRO_ERR_RESTART && hub->failed == GIRO_ERR_OK) {
        GIRO_LOG(INFO, "hub", "the state came from the other replicas: starting again from it");
        hub->failed = err;
    } else if (err != GIRO_ERR_OK && hub->failed == GIRO_ERR_OK) {
        GIRO_LOG(ERROR, "hub", "the replica stops: %s; %s", giro_err_sentence(err),
                 giro_err_advice(err));
        hub->failed = err;
    }
    return taken;
}

static uint32_t turn(struct giro_hub *hub)
{
    enter(hub, GIRO_STAGE_receive);
    uint32_t work = stage_receive(hub);
    enter(hub, GIRO_STAGE_verify);
    work += giro_verify_stage_frames(hub->verify, mono(hub));
    enter(hub, GIRO_STAGE_replica);
    work += stage_replica(hub);
    enter(hub, GIRO_STAGE_receipts);
    giro_members_flush(hub->members, mono(hub));
    giro_port_flush(hub->port);
    return work;
}

/* A slice of the keys' tables, now and then. A table that has changed stops the replica: what changed it may have changed the
 * books, too, and a start checks both. */
static void scrub(struct giro_hub *hub)
{
    const uint64_t now_ns = mono(hub);
    if (now_ns < hub->scrub_due_ns)
        return;
    const uint64_t missed = (now_ns - hub->scrub_due_ns) / SCRUB_EVERY_NS;
    const uint64_t slices = missed < SCRUB_SLICES_MAX ? missed + 1 : SCRUB_SLICES_MAX;
    hub->scrub_due_ns = now_ns + SCRUB_EVERY_NS;
    struct giro_diagnosis diagnosis;
    const enum giro_err err = giro_keys_scrub(hub->keys.enrolled, slices * SCRUB_BYTES, &diagnosis);
    if (err == GIRO_ERR_OK)
        return;
    GIRO_LOG(ERROR, "keys", "%s: %s; %s", diagnosis.fact, diagnosis.detail, diagnosis.hint);
    hub->failed = err;
}

/* ---- Event loop --------------------------------------------------------------------------------------- */

static void on_ready(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    (void)context; /* waking up is the point: the turn does the work */
}

static void on_disk(evutil_socket_t fd, short what, void *context)
{
    (void)what;
    (void)context;
    uint64_t count;
    while (read(fd, &count, sizeof(count)) < 0 && errno == EINTR)
        continue;
}

/* What waited for journal blocks is looked at in the turn that follows. */
static void on_journal_written(evutil_socket_t fd, short what, void *context)
{
    struct giro_hub *hub = context;
    on_disk(fd, what, context);
    const enum giro_err err = giro_journal_writer_failed(hub->journal_writer);
    if (err != GIRO_ERR_OK)
        file_failed(hub, "the journal", err);
}

static void on_verified(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct giro_hub *hub = context;
    giro_verify_stage_awake(hub->verify);
}

static void on_signal(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct giro_hub *hub = context;
    hub->stopping = true;
    event_base_loopbreak(hub->base);
}

static void on_link_message(void *context, uint16_t peer, const void *bytes, uint32_t size_bytes)
{
    struct giro_hub *hub = context;
    enum giro_stage before = enter(hub, GIRO_STAGE_replica);
    if (!giro_verify_stage_message(hub->verify, peer, bytes, size_bytes))
        giro_replica_message(hub->replica, mono(hub), wall(hub), peer, bytes, size_bytes);
    enter(hub, before);
}

static void on_link_state(void *context, uint16_t peer, bool up)
{
    (void)context;
    GIRO_LOG(INFO, "links", "replica %u is %s", peer, up ? "connected" : "not connected");
}

static enum giro_reject on_control(void *context, const void *bytes, size_t size_bytes)
{
    struct giro_hub *hub = context;
    struct giro_datagram datagram = {.bytes = bytes, .size_bytes = (uint32_t)size_bytes};
    return giro_ingress_take(hub->ingress, mono(hub), &datagram, GIRO_MEMBER_OPERATOR);
}

/* Sleeps until something is readable or the next deadline. */
static void sleep_until_work(struct giro_hub *hub)
{
    uint64_t next_ns = giro_replica_next_ns(hub->replica);
    if (giro_members_next_ns(hub->members) < next_ns)
        next_ns = giro_members_next_ns(hub->members);
    uint64_t now_ns = mono(hub);
    uint64_t wait_ns = next_ns > now_ns ? next_ns - now_ns : 0;
    if (wait_ns > GIRO_NS_PER_S)
        wait_ns = GIRO_NS_PER_S;
    if (giro_port_fd(hub->port) < 0 && wait_ns > 1000000u)
        wait_ns = 1000000u; /* a port without a descriptor is looked at every millisecond */
    struct timeval wait = {.tv_sec = (time_t)(wait_ns / GIRO_NS_PER_S),
                           .tv_usec = (suseconds_t)(wait_ns % GIRO_NS_PER_S / 1000u)};
    evtimer_add(hub->timer_event, &wait);
    event_base_loop(hub->base, EVLOOP_ONCE);
}

enum giro_err giro_hub_run(struct giro_hub *hub, struct giro_diagnosis *diagnosis)
{
    uint32_t idle = 0;
    giro_cpus_here(GIRO_CPUS_HUB);
    hub->stages.since_ns = mono(hub);
    while (!hub->stopping && hub->failed == GIRO_ERR_OK) {
        idle = turn(hub) > 0 ? 0 : idle + 1;
        tell(hub);
        scrub(hub);
        publish_look(hub);
        enter(hub, GIRO_STAGE_links);
        giro_api_look(hub->api);
        if (idle >= IDLE_TURNS)
            enter(hub, GIRO_STAGE_sleep);
        if (idle < IDLE_TURNS || !giro_verify_stage_sleep(hub->verify))
            event_base_loop(hub->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
        else
            sleep_until_work(hub);
    }
    giro_members_stop(hub->members, mono(hub));
    giro_port_flush(hub->port);
    halt_finish(hub);
    if (hub->failed != GIRO_ERR_OK && hub->failed != GIRO_ERR_RESTART)
        giro_diagnosis_set(diagnosis, giro_err_sentence(hub->failed), giro_err_advice(hub->failed),
                           "replica %u stopped", hub->config.replica);
    return hub->failed;
}

/* ---- Opening ---------------------------------------------------------------------------------------------- */

static enum giro_err open_files(struct giro_hub *hub, struct giro_diagnosis *diagnosis)
{
    const struct giro_config *config = &hub->config;
    char path[600];
    snprintf(path, sizeof(path), "%s/log", config->data_path);
    enum giro_err err = giro_dir_make(config->data_path);
    if (err == GIRO_ERR_OK)
        err = giro_disk_uring_open(path, &hub->disk, &hub->disk_fd);
    if (err != GIRO_ERR_OK) {
        giro_diagnosis_set(diagnosis, giro_err_sentence(err), giro_err_advice(err),
                           "the data directory \"%s\" cannot be opened", path);
        return err;
    }
    GIRO_TRY(giro_ledger_file_open(config->data_path, &hub->genesis, config->replica,
                                   LEDGER_HEIGHTS_MAX, &hub->ledger, diagnosis));
    hub->file_sync = giro_file_sync_open(config->data_path);
    if (hub->file_sync == NULL)
        return GIRO_ERR_IO;
    snprintf(path, sizeof(path), "%s/journal", config->data_path);
    GIRO_TRY(giro_journal_files_open(path, &hub->genesis, &hub->journals, diagnosis));
    GIRO_TRY(giro_journal_writer_open(hub->journals, JOURNAL_RING_BYTES, &hub->journal_writer));
    GIRO_TRY(giro_details_files_open(path, &hub->genesis, &hub->details, diagnosis));
    if (config->event_log_path[0] != '\0')
        GIRO_TRY(giro_event_file_open(config->event_log_path, config->event_log_mb, &hub->events,
                                      diagnosis));
    if (config->files_path[0] == '\0')
        return GIRO_ERR_OK;
    struct giro_publish_options publish = {.genesis = &hub->genesis,
                                           .ring = hub->keys.ring,
                                           .journal_dir = path,
                                           .files_dir = config->files_path,
                                           .interval_s = config->files_interval_s};
    return giro_publish_open(&publish, &hub->publish, diagnosis);
}

static enum giro_err open_ingress(struct giro_hub *hub)
{
    struct giro_ingress_options options = {.genesis = &hub->genesis,
                                           .allow = hub->allow,
                                           .frames_max = hub->config.frames_pending,
                                           .member_frames_per_second =
                                               hub->config.member_frames_per_second,
                                           .gather_frames = hub->config.verify_frames,
                                           .gather_ns = hub->config.verify_wait_us * 1000u,
                                           .map_seed = 0};
    randombytes_buf(&options.map_seed, sizeof(options.map_seed));
    hub->ingress_bytes = giro_ingress_footprint(&options);
    hub->ingress_mem = mmap(NULL, hub->ingress_bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (hub->ingress_mem == MAP_FAILED)
        return GIRO_ERR_NOMEM;
    hub->ingress = giro_ingress_init(hub->ingress_mem, hub->ingress_bytes, &options);
    return hub->ingress == NULL ? GIRO_ERR_ARGUMENT : GIRO_ERR_OK;
}

static enum giro_err open_members(struct giro_hub *hub)
{
    const uint32_t mtu = hub->config.port_mtu == 0 ? 1500 : hub->config.port_mtu;
    const struct giro_members_options options = {.genesis = &hub->genesis,
                                                 .replica = (uint16_t)hub->config.replica,
                                                 .transport_key = hub->keys.transport,
                                                 .allow = hub->allow,
                                                 .ingress = hub->ingress,
                                                 .port = hub->port,
                                                 .datagram_max = mtu - 28,
                                                 .ledger = hub->ledger};
    return giro_members_open(&options, &hub->members);
}

static enum giro_err open_replica(struct giro_hub *hub)
{
    struct giro_replica_options options = {.genesis = &hub->genesis,
                                           .ring = hub->keys.ring,
                                           .self = hub->config.replica,
                                           .vote_key = hub->keys.vote,
                                           .batch_key = hub->keys.batch,
                                           .disk = &hub->disk,
                                           .segment_bytes =
                                               (uint64_t)hub->config.segment_mb * 1024u * 1024u,
                                           .log_buffer_bytes = 16u * 1024u * 1024u,
                                           .batches_max = hub->config.batches,
                                           .blocks_max = 256,
                                           .pending_max = hub->config.frames_pending,
                                           .entries_max = ENTRIES_MAX,
                                           .uetr_index_max = 1u << 20,
                                           .huge_pages = true,
                                           .marker = hub->marker,
                                           .callbacks = {.context = hub,
                                                         .send = on_send,
                                                         .answer = on_answer,
                                                         .journal = on_journal,
                                                         .ledger_block = on_ledger_block,
                                                         .certificate = on_certificate,
                                                         .details = on_details,
                                                         .restored = on_restored,
                                                         .leaf = on_leaf,
                                                         .files_synced = on_files_synced,
                                                         .evidence = on_evidence,
                                                         .halted = on_halted,
                                                         .stage = on_stage}};
    memcpy(options.window_secret, hub->window_secret, sizeof(options.window_secret));
    randombytes_buf(&options.seed, sizeof(options.seed));
    if (hub->events != NULL)
        options.recorder = giro_event_file_recorder(hub->events);
    hub->replica = giro_replica_new(&options);
    sodium_memzero(options.window_secret, sizeof(options.window_secret));
    giro_members_serve(hub->members, hub->replica);
    return hub->replica == NULL ? GIRO_ERR_NOMEM : GIRO_ERR_OK;
}

static enum giro_err open_verify(struct giro_hub *hub)
{
    const struct giro_verifiers_options options = {.genesis = &hub->genesis,
                                                   .ring = hub->keys.ring,
                                                   .ingress = hub->ingress,
                                                   .thread_count = hub->config.verify_threads};
    return giro_verify_stage_open(&options, hub->replica, &hub->verify);
}

static struct giro_links_options links_options(struct giro_hub *hub)
{
    return (struct giro_links_options){.base = hub->base,
                                       .genesis = &hub->genesis,
                                       .self = hub->config.replica,
                                       .transport_key = hub->keys.transport,
                                       .peers = hub->config.peers,
                                       .context = hub,
                                       .message = on_link_message,
                                       .state = on_link_state};
}

/* A halt at the start is told as one in a running replica is. */
static void start_halt_tell(struct giro_hub *hub)
{
    uint8_t message[GIRO_HALT_MESSAGE_BYTES];
    if (giro_replica_halt(hub->replica) == NULL)
        return;
    halt_finish(hub);
    giro_replica_halt_message(hub->replica, message);
    const struct giro_links_options links = links_options(hub);
    GIRO_LOG(ERROR, "hub", "%u other replicas were told that this one stopped",
             giro_halt_tell(&links, message, sizeof(message)));
}

static enum giro_err open_events(struct giro_hub *hub, struct giro_diagnosis *diagnosis)
{
    const struct giro_links_options links = links_options(hub);
    GIRO_TRY(open_verify(hub));
    GIRO_TRY(giro_links_open(&links, &hub->links, diagnosis));
    snprintf(hub->capture_path, sizeof(hub->capture_path), "%s/capture.pcapng",
             hub->config.data_path);
    struct giro_api_options api = {.base = hub->base,
                                   .genesis = &hub->genesis,
                                   .address = &hub->config.https,
                                   .transport_key = hub->keys.transport,
                                   .replica = hub->replica,
                                   .port = hub->port,
                                   .capture_path = hub->capture_path,
                                   .ingress = hub->ingress,
                                   .members = hub->members,
                                   .verify = hub->verify,
                                   .links = hub->links,
                                   .ledger = hub->ledger,
                                   .journals = hub->journals,
                                   .details = hub->details,
                                   .stages = &hub->stages,
                                   .context = hub,
                                   .control = on_control};
    GIRO_TRY(giro_api_open(&api, &hub->api, diagnosis));
    if (giro_port_fd(hub->port) >= 0) {
        hub->port_event =
            event_new(hub->base, giro_port_fd(hub->port), EV_READ | EV_PERSIST, on_ready, hub);
        event_add(hub->port_event, NULL);
    }
    if (giro_verify_stage_fd(hub->verify) >= 0) {
        hub->verify_event = event_new(hub->base, giro_verify_stage_fd(hub->verify),
                                      EV_READ | EV_PERSIST, on_verified, hub);
        event_add(hub->verify_event, NULL);
    }
    hub->disk_event = event_new(hub->base, hub->disk_fd, EV_READ | EV_PERSIST, on_disk, hub);
    event_add(hub->disk_event, NULL);
    hub->journal_event = event_new(hub->base, giro_journal_writer_fd(hub->journal_writer),
                                   EV_READ | EV_PERSIST, on_journal_written, hub);
    event_add(hub->journal_event, NULL);
    hub->timer_event = evtimer_new(hub->base, on_ready, hub);
    static const int signals[2] = {SIGINT, SIGTERM};
    for (uint32_t i = 0; i < 2; i++) {
        hub->signal_events[i] = evsignal_new(hub->base, signals[i], on_signal, hub);
        event_add(hub->signal_events[i], NULL);
    }
    return GIRO_ERR_OK;
}

/* Between polls of its own writes at start: the disk needs no help, only time. */
static void wait_for_disk(void *context)
{
    (void)context;
    struct timespec pause = {.tv_nsec = 50000};
    nanosleep(&pause, NULL);
}

static enum giro_err open_all(struct giro_hub *hub, struct giro_diagnosis *diagnosis)
{
    const struct giro_config *config = &hub->config;
    GIRO_TRY(giro_hub_keys_open(config, &hub->genesis, &hub->keys, diagnosis));
    GIRO_TRY(giro_hub_secret_load(config->keys_path, &hub->genesis.window_secret_hash,
                                  hub->window_secret, diagnosis));
    GIRO_TRY(open_files(hub, diagnosis));
    GIRO_TRY(giro_hub_port_open(config, &hub->genesis, &hub->allow, &hub->port, diagnosis));
    GIRO_TRY(open_ingress(hub));
    GIRO_TRY(open_members(hub));
    hub->base = event_base_new();
    if (hub->base == NULL)
        return GIRO_ERR_NOMEM;
    GIRO_TRY(giro_marker_open(config->data_path, config->replica, &hub->marker, diagnosis));
    GIRO_TRY(open_replica(hub));
    hub->recovering = true;
    enum giro_err err = giro_replica_start(hub->replica, mono(hub), wall(hub), wait_for_disk, NULL);
    hub->recovering = false;
    if (err == GIRO_ERR_OK)
        err = hub->failed;
    if (err == GIRO_ERR_OK)
        err = giro_journal_writer_drain(hub->journal_writer);
    start_halt_tell(hub);
    if (err == GIRO_ERR_OK)
        giro_alarms_start(hub->replica);
    if (err != GIRO_ERR_OK) {
        giro_diagnosis_set(diagnosis, giro_err_sentence(err), giro_err_advice(err),
                           "replica %u cannot start from \"%s\"", config->replica,
                           config->data_path);
        return err;
    }
    return open_events(hub, diagnosis);
}

enum giro_err giro_hub_open(const struct giro_config *config, struct giro_hub **hub_out,
                            struct giro_diagnosis *diagnosis)
{
    struct giro_hub *hub = calloc(1, sizeof(*hub));
    if (hub == NULL)
        return GIRO_ERR_NOMEM;
    hub->config = *config;
    hub->clock = giro_clock_system();
    hub->disk_fd = -1;
    diagnosis->fact[0] = '\0';
    enum giro_err err = open_all(hub, diagnosis);
    if (err != GIRO_ERR_OK) {
        if (diagnosis->fact[0] == '\0')
            giro_diagnosis_set(diagnosis, "", giro_err_advice(err), "%s", giro_err_sentence(err));
        giro_hub_close(hub);
        return err;
    }
    *hub_out = hub;
    return GIRO_ERR_OK;
}

static void close_events(struct giro_hub *hub)
{
    struct event *events[] = {hub->port_event,      hub->disk_event,  hub->verify_event,
                              hub->journal_event,   hub->timer_event, hub->signal_events[0],
                              hub->signal_events[1]};
    for (uint32_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
        if (events[i] != NULL)
            event_free(events[i]);
    if (hub->api != NULL)
        giro_api_close(hub->api);
    if (hub->links != NULL)
        giro_links_close(hub->links);
    hub->links = NULL;
}

void giro_hub_close(struct giro_hub *hub)
{
    close_events(hub);
    if (hub->verify != NULL)
        giro_verify_stage_close(hub->verify);
    if (hub->publish != NULL)
        giro_publish_close(hub->publish);
    if (hub->replica != NULL)
        giro_replica_free(hub->replica);
    if (hub->events != NULL)
        giro_event_file_close(hub->events);
    if (hub->journal_writer != NULL)
        giro_journal_writer_close(hub->journal_writer);
    if (hub->journals != NULL) {
        enum giro_err err = giro_journal_files_sync(hub->journals);
        if (err != GIRO_ERR_OK) /* nothing is lost: replay restores what is missing */
            GIRO_LOG(WARN, "hub", "the journals could not be synced: %s", giro_err_sentence(err));
        giro_journal_files_close(hub->journals);
    }
    if (hub->details != NULL)
        giro_details_files_close(hub->details);
    if (hub->file_sync != NULL)
        giro_file_sync_close(hub->file_sync);
    if (hub->ledger != NULL)
        giro_ledger_file_close(hub->ledger);
    giro_members_close(hub->members);
    if (hub->ingress != NULL)
        munmap(hub->ingress_mem, hub->ingress_bytes);
    if (hub->port != NULL)
        giro_port_close(hub->port);
    giro_allow_close(hub->allow);
    if (hub->disk.ops != NULL)
        giro_disk_uring_close(&hub->disk);
    if (hub->base != NULL)
        event_base_free(hub->base);
    sodium_memzero(hub->window_secret, sizeof(hub->window_secret));
    giro_hub_keys_close(&hub->keys);
    if (hub->genesis.members != NULL)
        giro_genesis_free(&hub->genesis);
    if (hub->marker != NULL)
        giro_marker_close(hub->marker);
    free(hub);
}
