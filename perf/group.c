/* Starting and ending a group. */
#include "perf/group.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "perf/bench.h"

#define SOCKET_BYTES   (4 << 20)
#define START_TRIES    6000u
#define START_PAUSE_MS 10

/* Keys of all replicas, made before the fork so that every process has the same ring. */
struct keys {
    struct giro_secret_key *vote[GROUP_REPLICAS_MAX], *batch[GROUP_REPLICAS_MAX];
    struct giro_key_handle vote_handles[GROUP_REPLICAS_MAX], batch_handles[GROUP_REPLICAS_MAX];
    struct giro_key_ring *ring;
};

static void enrol(struct keys *keys, const struct giro_secret_key *key,
                  struct giro_key_handle *handle)
{
    const struct giro_public_key public_key = giro_key_public(key);
    giro_bench_must(giro_key_ring_enrol(keys->ring, &public_key, NULL, 0, NULL, handle) ==
                        GIRO_KEY_OK,
                    "a key cannot be enrolled");
}

static void keys_make(struct keys *keys, uint32_t count)
{
    const size_t size_bytes = giro_key_ring_footprint(2 * count);
    keys->ring = giro_key_ring_init(giro_bench_pages_huge(size_bytes), size_bytes, 2 * count);
    giro_bench_must(keys->ring != NULL, "the key ring cannot be made");
    for (uint32_t i = 0; i < count; i++) {
        uint8_t seed[32] = {1, (uint8_t)i};
        keys->vote[i] = giro_key_from_seed(seed);
        seed[0] = 2;
        keys->batch[i] = giro_key_from_seed(seed);
        enrol(keys, keys->vote[i], &keys->vote_handles[i]);
        enrol(keys, keys->batch[i], &keys->batch_handles[i]);
    }
}

static void keys_free(struct keys *keys, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        giro_key_free(keys->vote[i]);
        giro_key_free(keys->batch[i]);
    }
}

static int udp_open(uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const int size = SOCKET_BYTES;
    giro_bench_must(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
                        getsockname(fd, (struct sockaddr *)&address, &length) == 0,
                    "no UDP socket");
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    *port = ntohs(address.sin_port);
    return fd;
}

static void links_open(int links[GROUP_REPLICAS_MAX][GROUP_REPLICAS_MAX], uint32_t count)
{
    const int size = SOCKET_BYTES;
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t j = i + 1; j < count; j++) {
            int pair[2];
            giro_bench_must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0,
                            "no socket pair: raise the limit of open files");
            for (uint32_t end = 0; end < 2; end++) {
                if (setsockopt(pair[end], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) != 0)
                    setsockopt(pair[end], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
            }
            links[i][j] = pair[0];
            links[j][i] = pair[1];
        }
    }
}

static void others_close(int links[GROUP_REPLICAS_MAX][GROUP_REPLICAS_MAX], const int *udp,
                         uint32_t count, uint32_t keep)
{
    for (uint32_t i = 0; i < count; i++) {
        if (i == keep)
            continue;
        close(udp[i]);
        for (uint32_t j = 0; j < count; j++) {
            if (i != j)
                close(links[i][j]);
        }
    }
}

static bool all_started(const struct group *group)
{
    for (uint32_t i = 0; i < group->options.replica_count; i++) {
        if (group->views[i].started == 0)
            return false;
        giro_bench_must(waitpid(group->pids[i], NULL, WNOHANG) == 0, "a replica did not start");
    }
    return true;
}

void giro_group_start(struct group *group, const struct group_options *options)
{
    static int links[GROUP_REPLICAS_MAX][GROUP_REPLICAS_MAX];
    int udp[GROUP_REPLICAS_MAX];
    struct keys keys;
    const uint32_t count = options->replica_count;
    GIRO_ASSERT(count >= 1 && count <= GROUP_REPLICAS_MAX);
    memset(group, 0, sizeof(*group));
    group->options = *options;
    memset(&group->chain_id, 0x47, sizeof(group->chain_id));
    group->views = mmap(NULL, count * sizeof(group->views[0]), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    giro_bench_must(group->views != MAP_FAILED, "no shared memory");
    keys_make(&keys, count);
    links_open(links, count);
    for (uint32_t i = 0; i < count; i++)
        udp[i] = udp_open(&group->ports[i]);
    fflush(NULL);
    for (uint32_t i = 0; i < count; i++) {
        group->pids[i] = fork();
        giro_bench_must(group->pids[i] >= 0, "no process");
        if (group->pids[i] != 0)
            continue;
        others_close(links, udp, count, i);
        const struct group_replica_options replica = {.group = group,
                                                      .self = i,
                                                      .links = links[i],
                                                      .udp = udp[i],
                                                      .vote_key = keys.vote[i],
                                                      .batch_key = keys.batch[i],
                                                      .ring = keys.ring,
                                                      .vote_handles = keys.vote_handles,
                                                      .batch_handles = keys.batch_handles};
        giro_group_replica(&replica);
    }
    others_close(links, udp, count, count);
    keys_free(&keys, count);
    for (uint32_t tries = 0; !all_started(group); tries++) {
        giro_bench_must(tries < START_TRIES, "the replicas do not start");
        poll(NULL, 0, START_PAUSE_MS);
    }
}

void giro_group_kill(struct group *group, uint32_t replica)
{
    if (group->pids[replica] <= 0)
        return;
    kill(group->pids[replica], SIGKILL);
    waitpid(group->pids[replica], NULL, 0);
    group->pids[replica] = 0;
}

void giro_group_stop(struct group *group)
{
    for (uint32_t i = 0; i < group->options.replica_count; i++)
        giro_group_kill(group, i);
    munmap(group->views, group->options.replica_count * sizeof(group->views[0]));
}

uint64_t giro_group_cpu_ns(const struct group *group, uint32_t replica)
{
    clockid_t clock;
    struct timespec used;
    if (group->pids[replica] <= 0 || clock_getcpuclockid(group->pids[replica], &clock) != 0 ||
        clock_gettime(clock, &used) != 0)
        return 0;
    return (uint64_t)used.tv_sec * GIRO_NS_PER_S + (uint64_t)used.tv_nsec;
}
