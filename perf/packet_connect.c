/* The members' handshakes of perf/packet_path.h. */
#include <poll.h>
#include <sodium.h>
#include <sys/socket.h>

#include "perf/bench.h"
#include "perf/packet_path.h"

#define TRIES   20u
#define WAIT_MS 500

/* One datagram sent until an answer comes; returns its size. */
static size_t exchange(int fd, const uint8_t *bytes, size_t size_bytes, uint8_t *answer,
                       size_t room)
{
    for (uint32_t i = 0; i < TRIES; i++) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        (void)send(fd, bytes, size_bytes, 0);
        if (poll(&ready, 1, WAIT_MS) != 1)
            continue;
        ssize_t size = recv(fd, answer, room, 0);
        if (size > 0)
            return (size_t)size;
    }
    giro_bench_must(false, "the hub does not answer a handshake");
    return 0;
}

static void connect_one(const struct path_pool *pool, int fd, uint32_t member,
                        struct giro_session *session)
{
    uint8_t ephemeral[32], init[GIRO_HANDSHAKE_INIT_BYTES], answer[2048];
    struct giro_handshake handshake;
    struct giro_handshake_response_body body;
    randombytes_buf(ephemeral, sizeof(ephemeral));
    const struct giro_handshake_options options = {
        .self = &pool->keys[member],
        .replica_public = pool->transport_public,
        .chain = &pool->genesis.chain_id,
        .ephemeral_secret = ephemeral,
        .initiator_id = randombytes_random() | 1u,
        .replica = PATH_REPLICA,
        .body = {.member = (uint16_t)member, .key_id = 1, .datagram_max = PATH_MTU - 28}};
    giro_bench_must(giro_handshake_begin(&handshake, &options, init), "no INIT");
    size_t size = exchange(fd, init, sizeof(init), answer, sizeof(answer));
    giro_bench_must(giro_handshake_cookie(&handshake, answer, size, init) == GIRO_REJECT_NONE,
                    "no COOKIE came");
    size = exchange(fd, init, sizeof(init), answer, sizeof(answer));
    giro_bench_must(giro_handshake_finish(&handshake, options.self, answer, size, &body, session) ==
                        GIRO_REJECT_NONE,
                    "no RESPONSE came");
}

void path_connect(const struct path_pool *pool, int fd, struct giro_session sessions[PATH_MEMBERS])
{
    for (uint32_t i = 0; i < PATH_MEMBERS; i++)
        connect_one(pool, fd, i, &sessions[i]);
}
