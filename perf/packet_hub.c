/* The hub's side of perf/packet_path.h, and the bare echo it is compared with. */
#include <arpa/inet.h>
#include <poll.h>
#include <sched.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "dataplane/ingress_job.h"
#include "giro/verifiers.h"
#include "perf/bench.h"
#include "perf/packet_path.h"

#define IDLE_BURSTS   32u
#define ACK_DATAGRAMS 32u
#define ACK_NS        1000000u
#define FRAMES_MAX    4096u
#define GATHER_FRAMES 64u
#define GATHER_NS     50000u
#define ECHO_BURST    64u
#define ECHO_BYTES    9216u

struct hub {
    const struct path_options *options;
    struct path_shared *shared;
    struct path_result *result;
    struct giro_port *port;
    struct giro_ingress *ingress;
    struct ingress_job *job;
    struct ingress_scratch *scratch;
    struct giro_verifiers *verifiers; /* NULL: the hub's own thread verifies */
    struct giro_sessions *table;      /* NULL: bare records */
    struct giro_session sessions[PATH_MEMBERS];
    struct giro_endpoint peers[PATH_MEMBERS];
    uint32_t unacked[PATH_MEMBERS];
    uint64_t acked_ns[PATH_MEMBERS], turn_ns;
    uint64_t taken; /* frames since the clock jumped */
    uint8_t blocks[GIRO_PORT_BURST][PATH_MTU];
};

static uint64_t process_cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * GIRO_NS_PER_S + (uint64_t)now.tv_nsec;
}

/* ---- Opening ---------------------------------------------------------------------------------------------------------- */

static void on_refused(void *context, const struct giro_ingress_frame *frame)
{
    (void)context;
    (void)frame;
    giro_bench_must(false, "a signature is not valid");
}

static void ingress_make(struct hub *hub)
{
    struct giro_ingress_options options = {.genesis = &hub->options->pool->genesis,
                                           .frames_max = FRAMES_MAX,
                                           .gather_frames = GATHER_FRAMES,
                                           .gather_ns = GATHER_NS,
                                           .map_seed = 1};
    size_t size = giro_ingress_footprint(&options);
    hub->ingress = giro_ingress_init(giro_bench_pages(size), size, &options);
    hub->job = giro_bench_pages(sizeof(*hub->job));
    hub->scratch = giro_bench_pages(sizeof(*hub->scratch));
    giro_bench_must(hub->ingress != NULL, "no ingress");
    giro_ingress_watch(hub->ingress, on_refused, hub);
}

/* The threads go where the scheduler puts them, to the sender's core, too; the hub's own stays where it is. */
static void verifiers_make(struct hub *hub)
{
    const struct giro_verifiers_options options = {.genesis = &hub->options->pool->genesis,
                                                   .ring = hub->options->pool->ring,
                                                   .ingress = hub->ingress,
                                                   .thread_count = hub->options->verify_threads};
    cpu_set_t own, all;
    memset(&all, 0xff, sizeof(all));
    giro_bench_must(sched_getaffinity(0, sizeof(own), &own) == 0 &&
                        sched_setaffinity(0, sizeof(all), &all) == 0,
                    "the threads cannot be placed");
    giro_bench_must(giro_verifiers_open(&options, &hub->verifiers) == GIRO_ERR_OK, "no verifiers");
    giro_bench_must(sched_setaffinity(0, sizeof(own), &own) == 0, "the hub cannot be placed");
}

static void on_send(void *context, const struct giro_endpoint *to, const void *bytes,
                    uint32_t size_bytes)
{
    const struct hub *hub = context;
    if (giro_port_send(hub->port, to, bytes, size_bytes) != GIRO_ERR_OK)
        return; /* counted by the port; the next one says the same and more */
}

static void on_ask(void *context, const struct giro_endpoint *from, uint16_t member,
                   const struct giro_session_ask *ask)
{
    (void)context;
    (void)from;
    (void)member;
    (void)ask; /* this sender asks nothing */
}

static void table_make(struct hub *hub)
{
    const struct path_pool *pool = hub->options->pool;
    struct giro_sessions_options options = {.genesis = &pool->genesis,
                                            .ingress = hub->ingress,
                                            .self = &pool->transport,
                                            .replica = PATH_REPLICA,
                                            .datagram_max = PATH_MTU - 28,
                                            .handshakes_per_second = 500,
                                            .handshakes_per_address = 500,
                                            .map_seed = 5,
                                            .context = hub,
                                            .random = randombytes_buf,
                                            .send = on_send,
                                            .ask = on_ask};
    randombytes_buf(options.cookie_secret, sizeof(options.cookie_secret));
    size_t size = giro_sessions_footprint(&options);
    hub->table = giro_sessions_init(giro_bench_pages(size), size, &options);
    giro_bench_must(hub->table != NULL, "no table of sessions");
}

static bool port_make(struct hub *hub)
{
    static const char *const friends[] = {"10.77.0.2", "127.0.0.1"};
    struct giro_allow *allow = NULL;
    struct giro_diagnosis diagnosis = {.fact = ""};
    giro_bench_must(!hub->options->strict ||
                        giro_allow_open(friends, 2, &hub->options->pool->genesis, &allow,
                                        &diagnosis) == GIRO_ERR_OK,
                    "no allow-list");
    char program[64];
    snprintf(program, sizeof(program), "bench-%d", (int)getpid());
    struct giro_port_options options = {.driver = hub->options->af_packet ? "af_packet" : "udp",
                                        .device = "giro0",
                                        .address = hub->options->af_packet ? PATH_HUB_VETH
                                                                           : PATH_HUB_LOOPBACK,
                                        .udp_port = PATH_UDP_PORT,
                                        .mtu = hub->options->pool->size_bytes > 1472 ? PATH_MTU : 0,
                                        .memory_mb = 64,
                                        .program = program,
                                        .allow = allow};
    if (giro_port_open(&options, &hub->port, &diagnosis) == GIRO_ERR_OK)
        return true;
    giro_diagnosis_print("bench_dataplane", &diagnosis);
    return false;
}

/* ---- A turn ------------------------------------------------------------------------------------------------------------- */

/* The pool begins again: numbers from 0, and frames that are no repeats. */
static void turn_begin(struct hub *hub)
{
    hub->turn_ns += PATH_JUMP_NS;
    for (uint32_t i = 0; i < PATH_MEMBERS; i++)
        memset(&hub->sessions[i].window, 0, sizeof(hub->sessions[i].window));
}

/* All of it by the sessions' table. */
static bool table_take(struct hub *hub, uint64_t now_ns, const struct giro_datagram *datagram)
{
    uint64_t before = giro_ingress_taken(hub->ingress);
    (void)giro_sessions_take(hub->table, now_ns, datagram);
    bool good = giro_ingress_taken(hub->ingress) != before;
    if (good && ++hub->taken == hub->options->pool->count - GIRO_PORT_BURST) {
        hub->turn_ns += PATH_JUMP_NS;
        hub->taken = 0;
    }
    return good;
}

/* Opens one datagram into blocks; false: it is nobody's. */
static bool open_one(struct hub *hub, const struct giro_datagram *datagram, uint8_t *blocks,
                     uint32_t *blocks_bytes, uint32_t *member)
{
    struct giro_session_header header;
    if (giro_session_header_read(datagram->bytes, datagram->size_bytes, &header) !=
            GIRO_REJECT_NONE ||
        header.receiver_id == 0 || header.receiver_id > PATH_MEMBERS)
        return false;
    *member = header.receiver_id - 1;
    struct giro_session *session = &hub->sessions[*member];
    if (header.number == 0 && *member == 0 && session->window.next > 0)
        turn_begin(hub);
    if (giro_session_open(session, datagram->bytes, datagram->size_bytes, blocks, blocks_bytes,
                          &header) != GIRO_REJECT_NONE)
        return false;
    hub->peers[*member] = datagram->from;
    hub->unacked[*member]++;
    return true;
}

static void take_one(struct hub *hub, uint64_t now_ns, const uint8_t *blocks, uint32_t blocks_bytes,
                     uint32_t member)
{
    struct giro_reader reader;
    struct giro_session_block block;
    giro_reader_init(&reader, blocks, blocks_bytes);
    giro_bench_must(giro_session_next(&reader, GIRO_SESSION_UP, &block) == GIRO_REJECT_NONE &&
                        block.kind == GIRO_SESSION_FRAME,
                    "a datagram without a frame");
    struct giro_datagram frame = {
        .bytes = block.bytes, .size_bytes = block.size_bytes, .from = hub->peers[member]};
    enum giro_reject reject =
        giro_ingress_take(hub->ingress, hub->turn_ns + now_ns, &frame, member);
    giro_bench_must(reject == GIRO_REJECT_NONE, giro_reject_text(reject));
}

static void sample(struct hub *hub, const struct giro_frame *frame)
{
    struct path_result *result = hub->result;
    if (hub->options->rate == 0 || result->sample_count == PATH_SAMPLES_MAX)
        return;
    uint64_t sent_ns = hub->shared->sent_ns[frame->header.sequence];
    hub->shared->samples_us[result->sample_count++] =
        (float)(giro_bench_now_ns() - sent_ns) / 1000.0f;
}

static void frames_done(struct hub *hub, struct giro_ingress_frame *const *frames, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        sample(hub, &frames[i]->frame);
        giro_ingress_drop(hub->ingress, frames[i]);
    }
    hub->result->frames += count;
}

static void work_by_threads(struct hub *hub, uint64_t now_ns)
{
    struct giro_ingress_frame *frames[GIRO_VERIFIERS_FRAMES];
    bool done = true;
    (void)giro_verifiers_submit(hub->verifiers, hub->turn_ns + now_ns);
    while (done) {
        const uint32_t good = giro_verifiers_frames(hub->verifiers, frames, &done);
        frames_done(hub, frames, good);
        hub->result->calls += done;
    }
}

/* Frames that were taken go on as far as the mode says. */
static void work(struct hub *hub, uint64_t now_ns, uint64_t stamp[3])
{
    struct giro_ingress_frame *frames[VERIFY_CHUNK];
    struct ingress_job *job = hub->job;
    stamp[1] = stamp[2] = stamp[0];
    if (hub->verifiers != NULL) {
        work_by_threads(hub, now_ns);
        return;
    }
    if (!giro_ingress_ripe(hub->ingress, hub->turn_ns + now_ns))
        return;
    ingress_job_fill(hub->ingress, job, VERIFY_CHUNK);
    hub->result->calls++;
    if (hub->options->depth >= PATH_HASHED)
        ingress_job_hash(job, hub->scratch, &hub->options->pool->genesis);
    else
        memset(job->firsts, 0, sizeof(job->firsts)); /* no signature to look at: all good */
    stamp[1] = __rdtsc();
    if (hub->options->depth == PATH_VERIFIED)
        ingress_job_verify(job, hub->scratch, hub->options->pool->ring);
    else
        memset(job->verdicts, GIRO_VALID, job->item_count);
    frames_done(hub, frames, ingress_job_finish(hub->ingress, job, frames));
    stamp[2] = __rdtsc();
}

static void acknowledge(struct hub *hub, uint64_t now_ns)
{
    for (uint32_t i = 0; i < PATH_MEMBERS; i++) {
        if (hub->unacked[i] == 0 ||
            (hub->unacked[i] < ACK_DATAGRAMS && now_ns - hub->acked_ns[i] < ACK_NS))
            continue;
        uint8_t datagram[1500];
        struct giro_writer writer;
        struct giro_session *session = &hub->sessions[i];
        giro_writer_init(&writer, datagram + GIRO_SESSION_HEADER_BYTES, 1200);
        giro_bench_must(giro_session_put_ack(&writer, &session->window,
                                             session->window.cumulative + PATH_DEPTH, 0),
                        "no ACK");
        uint32_t size =
            giro_session_seal(session, session->send_number, datagram, (uint32_t)writer.offset);
        if (giro_port_send(hub->port, &hub->peers[i], datagram, size) == GIRO_ERR_OK)
            hub->unacked[i] = 0;
        hub->acked_ns[i] = now_ns;
    }
    giro_port_flush(hub->port);
}

/* Datagrams to frames in the ingress; stamps the end of opening and of taking. Returns how many were good. */
static uint32_t take_all(struct hub *hub, uint64_t now_ns, const struct giro_datagram *datagrams,
                         uint32_t count, uint64_t stamp[2])
{
    uint32_t sizes[GIRO_PORT_BURST], members[GIRO_PORT_BURST], good = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t before = __rdtsc();
        if (hub->table != NULL
                ? table_take(hub, hub->turn_ns + now_ns, &datagrams[i])
                : open_one(hub, &datagrams[i], hub->blocks[good], &sizes[good], &members[good]))
            good++;
        else
            hub->result->garbage_cycles += __rdtsc() - before;
    }
    stamp[0] = __rdtsc();
    for (uint32_t i = 0; i < good && hub->table == NULL; i++)
        take_one(hub, now_ns, hub->blocks[i], sizes[i], members[i]);
    stamp[1] = __rdtsc();
    return good;
}

static bool is_full(const struct hub *hub)
{
    return hub->verifiers != NULL && !giro_verifiers_room(hub->verifiers);
}

/* One burst through all stages; returns how many datagrams it had. */
static uint32_t burst(struct hub *hub)
{
    struct giro_datagram datagrams[GIRO_PORT_BURST];
    struct path_result *result = hub->result;
    uint64_t stamp[PATH_STAGES], begin = __rdtsc();
    /* With all the threads' places taken it waits for them, as a member without credit would. */
    uint32_t count = is_full(hub) ? 0 : giro_port_receive(hub->port, datagrams);
    uint64_t now_ns = giro_bench_now_ns();
    stamp[PATH_RECEIVE] = __rdtsc();
    uint32_t good = take_all(hub, now_ns, datagrams, count, stamp + PATH_OPEN);
    work(hub, now_ns, stamp + PATH_TAKE);
    if (hub->table != NULL) {
        giro_sessions_flush(hub->table, hub->turn_ns + now_ns);
        giro_port_flush(hub->port);
    } else {
        acknowledge(hub, now_ns);
    }
    stamp[PATH_ACK] = __rdtsc();
    result->datagrams += good;
    result->garbage += count - good;
    if (count > 0)
        result->cycles[PATH_RECEIVE] += stamp[PATH_RECEIVE] - begin;
    for (uint32_t i = PATH_OPEN;
         i < PATH_STAGES && (count > 0 || i == PATH_HASH || i == PATH_VERIFY); i++)
        result->cycles[i] += stamp[i] - stamp[i - 1];
    return count;
}

/* Sleeps until a packet or a verdict comes, or a frame or an acknowledgement is due. */
static void rest(struct hub *hub)
{
    struct pollfd wait[2] = {{.fd = is_full(hub) ? -1 : giro_port_fd(hub->port), .events = POLLIN},
                             {.fd = -1, .events = POLLIN}};
    bool due = giro_ingress_waiting(hub->ingress) > 0;
    for (uint32_t i = 0; i < PATH_MEMBERS; i++)
        due = due || hub->unacked[i] > 0;
    due = due || (hub->table != NULL && giro_sessions_next_ns(hub->table) != UINT64_MAX);
    if (hub->verifiers != NULL && !giro_verifiers_sleep(hub->verifiers, true))
        return;
    wait[1].fd = hub->verifiers != NULL ? giro_verifiers_fd(hub->verifiers) : -1;
    (void)poll(wait, 2, due ? 1 : 100);
    if (hub->verifiers != NULL)
        giro_verifiers_awake(hub->verifiers);
}

void path_hub(const struct path_options *options, struct path_shared *shared)
{
    struct hub *hub = giro_bench_pages(sizeof(*hub));
    struct giro_port_counters counters;
    hub->options = options;
    hub->shared = shared;
    hub->result = &shared->result;
    memcpy(hub->sessions, options->pool->hub, sizeof(hub->sessions));
    ingress_make(hub);
    if (options->verify_threads > 0)
        verifiers_make(hub);
    if (!options->bare_records)
        table_make(hub);
    if (!port_make(hub)) {
        atomic_store(&shared->failed, 1);
        return;
    }
    atomic_store(&shared->ready, 1);
    while (atomic_load(&shared->started) == 0)
        if (burst(hub) == 0) /* handshakes, and a sender that seals on the other core */
            rest(hub);
    memset(&shared->result, 0, sizeof(shared->result));
    giro_port_counters(hub->port, &counters);
    uint64_t refused = counters.not_allowed;
    uint64_t begin_ns = giro_bench_now_ns(), cpu_ns = process_cpu_ns(), tsc = __rdtsc();
    for (uint32_t idle = 0; atomic_load(&shared->stop) == 0;) {
        idle = burst(hub) > 0 ? 0 : idle + 1;
        if (idle >= IDLE_BURSTS)
            rest(hub);
    }
    struct path_result *result = hub->result;
    result->hub_ns = giro_bench_now_ns() - begin_ns;
    result->hub_cpu_ns = process_cpu_ns() - cpu_ns;
    result->tsc_hz = (__rdtsc() - tsc) * GIRO_NS_PER_S / result->hub_ns;
    giro_port_counters(hub->port, &counters);
    result->garbage += counters.not_allowed - refused;
    if (hub->verifiers != NULL)
        giro_verifiers_close(hub->verifiers);
    giro_port_close(hub->port);
}

/* ---- The bare echo -------------------------------------------------------------------------------------------------------- */

struct echo {
    struct mmsghdr messages[ECHO_BURST];
    struct iovec parts[ECHO_BURST];
    struct sockaddr_in peers[ECHO_BURST];
    uint8_t bytes[ECHO_BURST][ECHO_BYTES];
};

static int echo_socket(void)
{
    struct sockaddr_in own = {.sin_family = AF_INET,
                              .sin_port = htons(PATH_UDP_PORT),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_DGRAM, 0), size = 8 * 1024 * 1024;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
    giro_bench_must(bind(fd, (const struct sockaddr *)&own, sizeof(own)) == 0, "no UDP port");
    return fd;
}

static uint32_t echo_burst(struct echo *echo, int fd, uint32_t size_bytes)
{
    for (uint32_t i = 0; i < ECHO_BURST; i++) {
        echo->parts[i] = (struct iovec){echo->bytes[i], ECHO_BYTES};
        echo->messages[i].msg_hdr = (struct msghdr){.msg_name = &echo->peers[i],
                                                    .msg_namelen = sizeof(echo->peers[i]),
                                                    .msg_iov = &echo->parts[i],
                                                    .msg_iovlen = 1};
    }
    int count = recvmmsg(fd, echo->messages, ECHO_BURST, MSG_DONTWAIT, NULL);
    if (count <= 0)
        return 0;
    for (int i = 0; i < count; i++)
        echo->parts[i].iov_len = size_bytes;
    for (int sent = 0; sent < count;) {
        int more = sendmmsg(fd, echo->messages + sent, (unsigned int)(count - sent), 0);
        giro_bench_must(more > 0, "the echo cannot send");
        sent += more;
    }
    return (uint32_t)count;
}

void path_echo(struct path_shared *shared, uint32_t size_bytes)
{
    struct echo *echo = giro_bench_pages(sizeof(*echo));
    int fd = echo_socket();
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    atomic_store(&shared->ready, 1);
    while (atomic_load(&shared->started) == 0)
        (void)echo_burst(echo, fd, size_bytes);
    memset(&shared->result, 0, sizeof(shared->result));
    uint64_t begin_ns = giro_bench_now_ns(), cpu_ns = process_cpu_ns();
    for (uint32_t idle = 0; atomic_load(&shared->stop) == 0;) {
        uint32_t count = echo_burst(echo, fd, size_bytes);
        shared->result.datagrams += count;
        idle = count > 0 ? 0 : idle + 1;
        if (idle >= IDLE_BURSTS)
            (void)poll(&wait, 1, 100);
    }
    shared->result.hub_ns = giro_bench_now_ns() - begin_ns;
    shared->result.hub_cpu_ns = process_cpu_ns() - cpu_ns;
    close(fd);
}
