#include "capture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_BYTES    (256u * 1024u)
#define BLOCK_SECTION   0x0A0D0D0Au
#define BLOCK_INTERFACE 1u
#define BLOCK_PACKET    6u
#define ORDER_MAGIC     0x1A2B3C4Du
#define LINK_ETHERNET   1u
#define OPTION_COMMENT  1u
#define OPTION_FLAGS    2u  /* of a packet: 1 received, 2 sent */
#define OPTION_TSRESOL  9u  /* of an interface: 10^-n s */
#define PACKET_HEAD     28u /* of a packet block, before the packet */
#define NOTE_BYTES_MAX  64u

struct capture {
    int fd; /* -1: finished */
    uint64_t bytes_max, end_ns;
    uint32_t packet_bytes_max;
    struct giro_capture_state state;
    uint32_t used;
    uint8_t buffer[BUFFER_BYTES];
};

static_assert(BUFFER_BYTES > 2u * (GIRO_CAPTURE_PACKET_MAX + PACKET_HEAD + NOTE_BYTES_MAX + 32u),
              "a packet block fits an empty buffer");

static uint64_t clock_read(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * GIRO_NS_PER_S + (uint64_t)now.tv_nsec;
}

/* ---- Buffer ---------------------------------------------------------------------------------------- */

static void put(struct capture *capture, const void *bytes, size_t size_bytes)
{
    GIRO_ASSERT(capture->used + size_bytes <= BUFFER_BYTES);
    if (size_bytes > 0)
        memcpy(capture->buffer + capture->used, bytes, size_bytes);
    capture->used += (uint32_t)size_bytes;
}

static void put32(struct capture *capture, uint32_t value)
{
    put(capture, &value, sizeof(value));
}

static void put_padded(struct capture *capture, const void *bytes, size_t size_bytes)
{
    static const uint8_t zeros[4];
    put(capture, bytes, size_bytes);
    put(capture, zeros, (4 - size_bytes % 4) % 4);
}

static void put_option(struct capture *capture, uint32_t code, const void *bytes, size_t size_bytes)
{
    put32(capture, code | (uint32_t)size_bytes << 16);
    put_padded(capture, bytes, size_bytes);
}

static void drain(struct capture *capture)
{
    for (uint32_t at = 0; at < capture->used && capture->state.err == GIRO_ERR_OK;) {
        ssize_t written = write(capture->fd, capture->buffer + at, capture->used - at);
        if (written > 0)
            at += (uint32_t)written;
        else if (written == 0 || errno != EINTR)
            capture->state.err = errno == ENOSPC ? GIRO_ERR_NOSPACE : GIRO_ERR_IO;
    }
    capture->used = 0;
}

/* ---- Blocks ---------------------------------------------------------------------------------------- */

static void head_put(struct capture *capture)
{
    static const uint8_t nanoseconds = 9;
    put32(capture, BLOCK_SECTION);
    put32(capture, 28);
    put32(capture, ORDER_MAGIC);
    put32(capture, 1); /* version 1.0 */
    put32(capture, UINT32_MAX);
    put32(capture, UINT32_MAX); /* length of the section: not known yet */
    put32(capture, 28);
    put32(capture, BLOCK_INTERFACE);
    put32(capture, 32);
    put32(capture, LINK_ETHERNET);
    put32(capture, capture->packet_bytes_max);
    put_option(capture, OPTION_TSRESOL, &nanoseconds, sizeof(nanoseconds));
    put32(capture, 0); /* end of options */
    put32(capture, 32);
    capture->state.bytes = capture->used;
}

void capture_packet(struct capture *capture, bool sent, const void *packet, size_t size_bytes,
                    const char *note)
{
    if (capture->fd < 0)
        return;
    uint32_t kept =
        size_bytes < capture->packet_bytes_max ? (uint32_t)size_bytes : capture->packet_bytes_max;
    uint32_t note_bytes = note == NULL ? 0 : (uint32_t)strnlen(note, NOTE_BYTES_MAX);
    uint32_t padded_note = note == NULL ? 0 : 4 + (note_bytes + 3) / 4 * 4;
    uint32_t total = PACKET_HEAD + (kept + 3) / 4 * 4 + padded_note + 8 + 4 + 4;
    if (capture->state.bytes + total > capture->bytes_max) {
        capture_finish(capture);
        return;
    }
    if (capture->used + total > BUFFER_BYTES)
        drain(capture);
    uint64_t now_ns = clock_read(CLOCK_REALTIME);
    uint32_t flags = sent ? 2 : 1, begin = capture->used;
    put32(capture, BLOCK_PACKET);
    put32(capture, total);
    put32(capture, 0); /* interface */
    put32(capture, (uint32_t)(now_ns >> 32));
    put32(capture, (uint32_t)now_ns);
    put32(capture, kept);
    put32(capture, (uint32_t)size_bytes);
    put_padded(capture, packet, kept);
    put_option(capture, OPTION_FLAGS, &flags, sizeof(flags));
    if (note != NULL)
        put_option(capture, OPTION_COMMENT, note, note_bytes);
    put32(capture, 0); /* end of options */
    put32(capture, total);
    GIRO_ASSERT(capture->used - begin == total);
    capture->state.packets++;
    capture->state.bytes += total;
    if (capture->state.err != GIRO_ERR_OK)
        capture_finish(capture);
}

/* ---- Life ------------------------------------------------------------------------------------------ */

/* The file is new and nobody else's: packets are not for everyone to read. */
static int file_make(const char *path)
{
    if (unlink(path) != 0 && errno != ENOENT)
        return -1;
    return open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
}

enum giro_err capture_open(const struct giro_capture_options *options, struct capture **capture_out,
                           struct giro_diagnosis *diagnosis)
{
    *capture_out = NULL;
    if (options->bytes_max < GIRO_CAPTURE_BYTES_MIN || options->duration_ns == 0 ||
        options->packet_bytes_max == 0 || options->packet_bytes_max > GIRO_CAPTURE_PACKET_MAX)
        return GIRO_ERR_ARGUMENT;
    struct capture *capture = malloc(sizeof(*capture));
    if (capture == NULL)
        return GIRO_ERR_NOMEM;
    capture->fd = file_make(options->path);
    if (capture->fd < 0) {
        giro_diagnosis_set(diagnosis, strerror(errno), "check the directory and its rights",
                           "the capture cannot be written to \"%s\"", options->path);
        free(capture);
        return GIRO_ERR_IO;
    }
    capture->bytes_max = options->bytes_max;
    capture->packet_bytes_max = options->packet_bytes_max;
    capture->end_ns = clock_read(CLOCK_MONOTONIC) + options->duration_ns;
    capture->state = (struct giro_capture_state){.running = true};
    capture->used = 0;
    head_put(capture);
    *capture_out = capture;
    return GIRO_ERR_OK;
}

void capture_tick(struct capture *capture)
{
    if (capture->fd >= 0 && clock_read(CLOCK_MONOTONIC) >= capture->end_ns)
        capture_finish(capture);
}

void capture_state(const struct capture *capture, struct giro_capture_state *state)
{
    *state = capture->state;
}

void capture_finish(struct capture *capture)
{
    if (capture->fd < 0)
        return;
    drain(capture);
    if (close(capture->fd) != 0 && capture->state.err == GIRO_ERR_OK)
        capture->state.err = GIRO_ERR_IO;
    capture->fd = -1;
    capture->state.running = false;
}

void capture_close(struct capture *capture)
{
    if (capture == NULL)
        return;
    capture_finish(capture);
    free(capture);
}
