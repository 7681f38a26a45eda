#include "tools/session_line.h"

#include <poll.h>
#include <sodium.h>
#include <sys/socket.h>
#include <time.h>

#define PATIENCE_MS 10000u

static size_t receive(int fd, uint8_t *bytes, size_t room, int wait_ms)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    if (poll(&wait, 1, wait_ms) != 1)
        return 0;
    ssize_t got = recv(fd, bytes, room, MSG_DONTWAIT);
    return got > 0 ? (size_t)got : 0;
}

bool session_line_open(struct session_line *line, const struct giro_genesis *genesis,
                       uint16_t member, uint16_t replica, const struct giro_secret_key *key, int fd)
{
    struct giro_session_key_pair pair;
    struct giro_handshake handshake;
    struct giro_handshake_response_body body;
    uint8_t replica_public[32], ephemeral[32], init[GIRO_HANDSHAKE_INIT_BYTES], bytes[2048];
    randombytes_buf(ephemeral, sizeof(ephemeral));
    giro_session_pair(key, &pair);
    *line = (struct session_line){.fd = fd};
    struct giro_handshake_options options = {
        .self = &pair,
        .replica_public = replica_public,
        .chain = &genesis->chain_id,
        .ephemeral_secret = ephemeral,
        .initiator_id = randombytes_random() | 1u,
        .replica = replica,
        .body = {.member = member,
                 .key_id = (uint16_t)genesis->members[member].session.key_id,
                 .datagram_max = 1472}};
    if (!giro_session_public(&genesis->replicas[replica].transport.key, replica_public) ||
        !giro_handshake_begin(&handshake, &options, init))
        return false;
    for (uint32_t i = 0; i < 5; i++) {
        if (send(fd, init, sizeof(init), 0) != (ssize_t)sizeof(init))
            return false;
        size_t size = receive(fd, bytes, sizeof(bytes), 2000);
        enum giro_handshake_step step = giro_handshake_step_of(bytes, size, genesis->chain_prefix);
        line->cookies += step == GIRO_HANDSHAKE_COOKIE;
        if (step == GIRO_HANDSHAKE_COOKIE &&
            giro_handshake_cookie(&handshake, bytes, size, init) != GIRO_REJECT_NONE)
            return false;
        if (step == GIRO_HANDSHAKE_RESPONSE &&
            giro_handshake_finish(&handshake, &pair, bytes, size, &body, &line->session) ==
                GIRO_REJECT_NONE) {
            line->credit = body.credit;
            return true;
        }
    }
    return false;
}

/* Takes what has come: only acknowledgements matter here. */
static void listen_to(struct session_line *line, int wait_ms)
{
    uint8_t bytes[2048];
    uint32_t blocks_bytes;
    struct giro_session_header header;
    size_t size = receive(line->fd, bytes, sizeof(bytes), wait_ms);
    uint8_t *blocks = bytes + GIRO_SESSION_HEADER_BYTES;
    if (size == 0 || giro_session_open(&line->session, bytes, size, blocks, &blocks_bytes,
                                       &header) != GIRO_REJECT_NONE)
        return;
    struct giro_reader reader;
    struct giro_session_block block;
    giro_reader_init(&reader, blocks, blocks_bytes);
    while (giro_reader_left(&reader) > 0 &&
           giro_session_next(&reader, GIRO_SESSION_DOWN, &block) == GIRO_REJECT_NONE) {
        struct giro_session_ack ack;
        if (block.kind != GIRO_SESSION_ACK)
            continue;
        memcpy(&ack, block.bytes, sizeof(ack));
        line->credit = ack.credit > line->credit ? ack.credit : line->credit;
        line->acknowledged =
            ack.cumulative > line->acknowledged ? ack.cumulative : line->acknowledged;
    }
}

bool session_line_frame(struct session_line *line, const void *bytes, size_t size_bytes)
{
    static uint8_t datagram[16384];
    struct giro_writer writer;
    listen_to(line, 0);
    for (uint32_t i = 0; line->session.send_number >= line->credit; i++) {
        if (i == PATIENCE_MS)
            return false;
        listen_to(line, 1);
    }
    giro_writer_init(&writer, datagram + GIRO_SESSION_HEADER_BYTES,
                     sizeof(datagram) - GIRO_SESSION_OVERHEAD);
    if (!giro_session_put(&writer, GIRO_SESSION_FRAME, bytes, (uint32_t)size_bytes))
        return false;
    uint32_t size = giro_session_seal(&line->session, line->session.send_number, datagram,
                                      (uint32_t)writer.offset);
    return send(line->fd, datagram, size, 0) == (ssize_t)size;
}

bool session_line_settle(struct session_line *line)
{
    for (uint32_t i = 0; line->acknowledged < line->session.send_number; i++) {
        if (i == PATIENCE_MS)
            return false;
        listen_to(line, 1);
    }
    return true;
}
