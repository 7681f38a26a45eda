#include "perf/packet_path.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "perf/bench.h"

#define READY_TRIES 500u
#define WARM_NS     50000000
#define LOOK_NS     5000000u
#define STOP_TRIES  500u

static void nap(uint64_t ns)
{
    struct timespec left = {.tv_sec = (time_t)(ns / GIRO_NS_PER_S),
                            .tv_nsec = (long)(ns % GIRO_NS_PER_S)};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
}

/* ---- The pool ----------------------------------------------------------------------------------------------------------- */

static struct giro_secret_key *member_make(struct path_pool *pool, uint32_t index)
{
    char text[32];
    snprintf(text, sizeof(text), "bench member %u", index);
    struct giro_hash seed = giro_sha256(text, strlen(text));
    struct giro_secret_key *secret = giro_key_from_seed(seed.bytes);
    struct giro_genesis_member *member = &pool->genesis.members[index];
    /* one key for frames and sessions is enough here */
    giro_session_pair(secret, &pool->keys[index]);
    member->session.key_id = 1;
    member->session.key = giro_key_public(secret);
    member->frame_key_count = 1;
    member->frame_keys[0].key_id = 1;
    member->frame_keys[0].key = giro_key_public(secret);
    giro_bench_must(giro_key_ring_enrol(pool->ring, &member->frame_keys[0].key, NULL, 0, NULL,
                                        &member->frame_keys[0].handle) == GIRO_KEY_OK,
                    "a key cannot be enrolled");
    return secret;
}

static void session_make(struct path_pool *pool, uint32_t index)
{
    struct giro_session *hub = &pool->hub[index], *member = &pool->member[index];
    memset(hub->receive_key, (int)(index + 1), sizeof(hub->receive_key));
    memset(hub->send_key, (int)(index + 101), sizeof(hub->send_key));
    memcpy(member->send_key, hub->receive_key, sizeof(member->send_key));
    memcpy(member->receive_key, hub->send_key, sizeof(member->receive_key));
    hub->own_id = hub->peer_id = member->own_id = member->peer_id = index + 1;
    hub->version = member->version = GIRO_SESSION_VERSION_MAX;
}

/* One frame of random payments, signed. */
static uint32_t frame_make(const struct path_pool *pool, const struct giro_secret_key *key,
                           uint32_t member, uint64_t sequence, struct giro_prng *prng, uint8_t *out)
{
    struct giro_frame_header header = {.head = giro_head_make(GIRO_KIND_FRAME),
                                       .chain_prefix = pool->genesis.chain_prefix,
                                       .member = (uint16_t)member,
                                       .key_id = 1,
                                       .record_count = (uint16_t)pool->records,
                                       .sequence = sequence};
    uint8_t message[GIRO_FRAME_MESSAGE_BYTES_MAX];
    struct giro_frame frame;
    size_t size = giro_frame_bytes(&header);
    giro_prng_fill(prng, out, size);
    memcpy(out, &header, sizeof(header));
    giro_bench_must(giro_frame_decode(out, size, header.chain_prefix, &frame) == GIRO_REJECT_NONE,
                    "a frame does not decode");
    struct giro_signature signature =
        giro_sign(key, message, giro_frame_message(&frame, &pool->genesis.chain_id, message));
    memcpy(out + size - sizeof(signature), &signature, sizeof(signature));
    return (uint32_t)size;
}

void path_seal(const struct path_pool *pool, struct giro_session sessions[PATH_MEMBERS],
               uint32_t turns, uint8_t *datagrams)
{
    const uint64_t depth = PATH_DEPTH / PATH_MEMBERS;
    for (uint64_t i = 0; i < (uint64_t)turns * pool->count; i++) {
        struct giro_session *session = &sessions[i % PATH_MEMBERS];
        uint8_t *datagram = datagrams + i * pool->stride_bytes;
        struct giro_writer writer;
        giro_writer_init(&writer, datagram + GIRO_SESSION_HEADER_BYTES,
                         pool->stride_bytes - GIRO_SESSION_OVERHEAD);
        giro_bench_must(giro_session_put(&writer, GIRO_SESSION_FRAME,
                                         pool->frames + i % pool->count * pool->frame_bytes,
                                         pool->frame_bytes),
                        "a frame does not fit");
        uint64_t number = session->send_number;
        uint32_t size = giro_session_seal(session, number < depth ? 0 : number - depth, datagram,
                                          (uint32_t)writer.offset);
        giro_bench_must(size == pool->size_bytes, "a datagram of another size");
    }
}

static void frames_make(struct path_pool *pool, struct giro_secret_key *const *keys)
{
    struct giro_prng prng;
    giro_prng_init(&prng, 3);
    pool->frame_bytes = 40u + pool->records * 64u + 64u;
    pool->size_bytes = pool->frame_bytes + GIRO_SESSION_OVERHEAD + 4u;
    pool->stride_bytes = (pool->size_bytes + 63u) & ~63u;
    pool->frames = giro_bench_pages((size_t)pool->count * pool->frame_bytes);
    for (uint32_t i = 0; i < pool->count; i++)
        giro_bench_must(frame_make(pool, keys[i % PATH_MEMBERS], i % PATH_MEMBERS, i, &prng,
                                   pool->frames + (size_t)i * pool->frame_bytes) ==
                            pool->frame_bytes,
                        "a frame of another size");
}

/* The key that the replica's side of handshakes has. */
static void transport_make(struct path_pool *pool)
{
    static const uint8_t seed[32] = {9};
    struct giro_secret_key *key = giro_key_from_seed(seed);
    struct giro_public_key public_key = giro_key_public(key);
    giro_session_pair(key, &pool->transport);
    giro_bench_must(giro_session_public(&public_key, pool->transport_public), "no transport key");
    giro_key_free(key);
}

struct path_pool *path_pool_make(uint32_t records, uint32_t count)
{
    struct path_pool *pool = giro_bench_pages(sizeof(*pool));
    struct giro_secret_key *keys[PATH_MEMBERS];
    struct giro_session sealing[PATH_MEMBERS];
    size_t ring_bytes = giro_key_ring_footprint(PATH_MEMBERS);
    giro_bench_must(count % PATH_MEMBERS == 0 && count <= PATH_POOL_MAX, "the size of the pool");
    pool->records = records;
    pool->count = count;
    pool->genesis.chain_id = giro_sha256("bench", 5);
    memcpy(&pool->genesis.chain_prefix, pool->genesis.chain_id.bytes,
           sizeof(pool->genesis.chain_prefix));
    pool->genesis.member_count = PATH_MEMBERS;
    pool->genesis.members = giro_bench_pages(PATH_MEMBERS * sizeof(*pool->genesis.members));
    pool->ring = giro_key_ring_init(giro_bench_pages(ring_bytes), ring_bytes, PATH_MEMBERS);
    for (uint32_t i = 0; i < PATH_MEMBERS; i++) {
        keys[i] = member_make(pool, i);
        session_make(pool, i);
    }
    transport_make(pool);
    frames_make(pool, keys);
    for (uint32_t i = 0; i < PATH_MEMBERS; i++)
        giro_key_free(keys[i]);
    pool->datagrams = giro_bench_pages((size_t)count * pool->stride_bytes);
    memcpy(sealing, pool->member, sizeof(sealing));
    path_seal(pool, sealing, 1, pool->datagrams);
    return pool;
}

/* ---- Two processes -------------------------------------------------------------------------------------------------------- */

static pid_t child(const struct path_options *options, struct path_shared *shared, bool hub)
{
    fflush(NULL);
    pid_t pid = fork();
    giro_bench_must(pid >= 0, "no process");
    if (pid > 0)
        return pid;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((hub || cores < 2) ? 0 : 1, &set);
    (void)sched_setaffinity(0, sizeof(set), &set);
    if (!hub)
        path_send(options, shared);
    else if (options->echo)
        path_echo(shared, options->pool->size_bytes);
    else
        path_hub(options, shared);
    _exit(0);
}

static bool wait_ready(struct path_shared *shared, pid_t hub)
{
    for (uint32_t i = 0; i < READY_TRIES; i++) {
        if (atomic_load(&shared->ready) != 0)
            return true;
        if (atomic_load(&shared->failed) != 0 || waitpid(hub, NULL, WNOHANG) == hub)
            return false;
        nap(20000000);
    }
    return false;
}

static void reap(pid_t pid)
{
    int status;
    giro_bench_must(waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
                        WEXITSTATUS(status) == 0,
                    "a process of the benchmark failed");
}

bool path_run(const struct path_options *options, struct path_result *result)
{
    struct path_shared *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    giro_bench_must(shared != MAP_FAILED, "no shared memory");
    pid_t hub = child(options, shared, true);
    bool ready = wait_ready(shared, hub);
    if (ready) {
        pid_t sender = child(options, shared, false);
        for (uint32_t i = 0; i < READY_TRIES && atomic_load(&shared->sealed) == 0; i++)
            nap(20000000);
        nap(WARM_NS);
        uint64_t sent = atomic_load(&shared->sent);
        atomic_store(&shared->started, 1);
        for (uint64_t i = 0;
             i < options->duration_ns / LOOK_NS && atomic_load(&shared->exhausted) == 0; i++)
            nap(LOOK_NS);
        sent = atomic_load(&shared->sent) - sent;
        atomic_store(&shared->stop, 1);
        reap(hub);
        reap(sender);
        *result = shared->result;
        result->lost = sent > result->datagrams ? sent - result->datagrams : 0;
        result->samples_us = calloc(result->sample_count + 1, sizeof(double));
        giro_bench_must(result->samples_us != NULL, "out of memory");
        for (uint32_t i = 0; i < result->sample_count; i++)
            result->samples_us[i] = (double)shared->samples_us[i];
    } else {
        (void)waitpid(hub, NULL, 0);
    }
    (void)munmap(shared, sizeof(*shared));
    return ready;
}
