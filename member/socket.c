#include "member/socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define BURST         32u
#define BURSTS_MAX    16u /* received or sent before the other has its turn */
#define RECEIVE_BYTES 9216u

struct giro_socket {
    int fd;
    uint32_t datagram_max;
    struct sockaddr_in replicas[GIRO_REPLICAS_MAX];
    struct mmsghdr in[BURST], out[BURST];
    struct iovec in_parts[BURST], out_parts[BURST];
    uint32_t out_first, out_count; /* made and not sent yet */
    uint8_t *in_bytes, *out_bytes; /* BURST of each */
};

static enum giro_err resolve(struct giro_socket *self, const struct giro_config_address *replicas,
                             uint32_t replica_count, struct giro_diagnosis *diagnosis)
{
    for (uint32_t i = 0; i < replica_count; i++) {
        struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_DGRAM};
        struct addrinfo *found = NULL;
        int error = getaddrinfo(replicas[i].host, NULL, &hints, &found);
        if (error != 0) {
            giro_diagnosis_set(diagnosis, gai_strerror(error),
                               "name the replicas' ports as address:port",
                               "replica \"%s\" is unknown", replicas[i].host);
            return GIRO_ERR_NETWORK;
        }
        memcpy(&self->replicas[i], found->ai_addr, sizeof(self->replicas[i]));
        self->replicas[i].sin_port = htons(replicas[i].port);
        freeaddrinfo(found);
    }
    return GIRO_ERR_OK;
}

static void parts_set(struct mmsghdr *messages, struct iovec *parts, uint8_t *bytes,
                      size_t size_bytes)
{
    for (uint32_t i = 0; i < BURST; i++) {
        parts[i] = (struct iovec){bytes + i * size_bytes, size_bytes};
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
}

enum giro_err giro_socket_open(const struct giro_config_address *replicas, uint32_t replica_count,
                               uint32_t datagram_max, struct giro_socket **socket_out,
                               struct giro_diagnosis *diagnosis)
{
    GIRO_ASSERT(replica_count >= 1 && replica_count <= GIRO_REPLICAS_MAX);
    GIRO_ASSERT(datagram_max <= RECEIVE_BYTES);
    struct giro_socket *self = calloc(1, sizeof(*self));
    if (self == NULL)
        return GIRO_ERR_NOMEM;
    self->fd = -1;
    self->datagram_max = datagram_max;
    self->in_bytes = malloc(BURST * (size_t)RECEIVE_BYTES);
    self->out_bytes = malloc(BURST * (size_t)datagram_max);
    enum giro_err err = self->in_bytes == NULL || self->out_bytes == NULL
                            ? GIRO_ERR_NOMEM
                            : resolve(self, replicas, replica_count, diagnosis);
    if (err == GIRO_ERR_OK) {
        self->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        err = self->fd < 0 ? GIRO_ERR_NETWORK : GIRO_ERR_OK;
    }
    if (err != GIRO_ERR_OK) {
        giro_socket_close(self);
        return err;
    }
    /* Never fragmented, whatever the kernel believes of the path: the courier finds out what passes. Buffers: as much as the
     * kernel allows. */
    int probe = IP_PMTUDISC_PROBE, bytes = 8 << 20;
    setsockopt(self->fd, IPPROTO_IP, IP_MTU_DISCOVER, &probe, sizeof(probe));
    setsockopt(self->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    setsockopt(self->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    parts_set(self->in, self->in_parts, self->in_bytes, RECEIVE_BYTES);
    parts_set(self->out, self->out_parts, self->out_bytes, datagram_max);
    *socket_out = self;
    return GIRO_ERR_OK;
}

void giro_socket_close(struct giro_socket *self)
{
    if (self == NULL)
        return;
    if (self->fd >= 0)
        close(self->fd);
    free(self->in_bytes);
    free(self->out_bytes);
    free(self);
}

int giro_socket_fd(const struct giro_socket *self)
{
    return self->fd;
}

static struct giro_courier_time time_of(const struct giro_clock *clock)
{
    return (struct giro_courier_time){.mono_ns = clock->mono_ns(clock->self),
                                      .wall_ns = clock->wall_ns(clock->self)};
}

uint32_t giro_socket_receive(struct giro_socket *self, struct giro_courier *courier,
                             const struct giro_clock *clock)
{
    uint32_t all = 0;
    for (uint32_t i = 0; i < BURSTS_MAX; i++) {
        int count = recvmmsg(self->fd, self->in, BURST, MSG_DONTWAIT, NULL);
        if (count <= 0)
            break;
        struct giro_courier_time time = time_of(clock);
        for (int k = 0; k < count; k++)
            giro_courier_receive(courier, self->in_parts[k].iov_base, self->in[k].msg_len, &time);
        all += (uint32_t)count;
        if (count < (int)BURST)
            break;
    }
    return all;
}

/* False: the kernel takes no more now. A datagram that cannot be sent at all (a probe larger than the interface carries, an
 * unreachable network) is lost like any other. */
static bool flush(struct giro_socket *self)
{
    while (self->out_first < self->out_count) {
        int sent = sendmmsg(self->fd, self->out + self->out_first,
                            self->out_count - self->out_first, MSG_DONTWAIT);
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS))
            return false;
        if (sent < 0 && errno == EINTR)
            continue;
        self->out_first += sent > 0 ? (uint32_t)sent : 1u;
    }
    self->out_first = self->out_count = 0;
    return true;
}

uint32_t giro_socket_send(struct giro_socket *self, struct giro_courier *courier,
                          const struct giro_clock *clock, bool *blocked)
{
    uint32_t all = 0;
    *blocked = !flush(self);
    for (uint32_t i = 0; i < BURSTS_MAX && !*blocked; i++) {
        struct giro_courier_time time = time_of(clock);
        while (self->out_count < BURST) {
            uint16_t replica;
            uint32_t at = self->out_count;
            uint32_t size =
                giro_courier_send(courier, &time, self->out_parts[at].iov_base, &replica);
            if (size == 0)
                break;
            self->out_parts[at].iov_len = size;
            self->out[at].msg_hdr.msg_name = &self->replicas[replica];
            self->out[at].msg_hdr.msg_namelen = sizeof(self->replicas[replica]);
            self->out_count++;
        }
        uint32_t made = self->out_count;
        all += made;
        *blocked = !flush(self);
        if (made < BURST)
            break;
    }
    return all;
}
