#include "member_udp.h"

#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "sys_support.h"

static void on_sent(void *context, uint16_t replica, const uint8_t *bytes, uint32_t size_bytes)
{
    struct udp_hub *udp = context;
    sendto(udp->fds[replica], bytes, size_bytes, 0, (struct sockaddr *)&udp->last_from,
           sizeof(udp->last_from));
}

static void *serve(void *context)
{
    struct udp_hub *udp = context;
    struct giro_clock clock = giro_clock_system();
    uint8_t bytes[GIRO_FRAME_BYTES_MAX];
    while (!udp->stopping) {
        struct pollfd waits[WORLD_REPLICAS];
        for (uint32_t r = 0; r < WORLD_REPLICAS; r++)
            waits[r] = (struct pollfd){.fd = udp->fds[r], .events = POLLIN};
        (void)poll(waits, WORLD_REPLICAS, 1);
        pthread_mutex_lock(&udp->lock);
        udp->world.now_ns = clock.mono_ns(clock.self);
        for (uint16_t r = 0; r < WORLD_REPLICAS; r++) {
            for (;;) {
                struct sockaddr_in from;
                socklen_t from_size = sizeof(from);
                ssize_t got = recvfrom(udp->fds[r], bytes, sizeof(bytes), MSG_DONTWAIT,
                                       (struct sockaddr *)&from, &from_size);
                if (got <= 0)
                    break;
                udp->last_from = from;
                if (!giro_prng_chance(&udp->world.prng, udp->world.loss_per_mille, 1000))
                    world_hub_receive(&udp->world, r, bytes, (uint32_t)got);
            }
        }
        world_hub_turn(&udp->world);
        pthread_mutex_unlock(&udp->lock);
    }
    return NULL;
}

void udp_hub_start(struct udp_hub *udp, uint64_t seed)
{
    world_hub_open(&udp->world, seed);
    udp->world.sent = on_sent;
    udp->world.sent_context = udp;
    udp->world.certify_ns = 20 * WORLD_MS;
    udp->stopping = false;
    udp->text[0] = '\0';
    scratch_make(udp->dir);
    hub_write(&udp->world.hub, udp->dir);
    pthread_mutex_init(&udp->lock, NULL);
    for (uint32_t r = 0; r < WORLD_REPLICAS; r++) {
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t size = sizeof(address);
        udp->fds[r] = socket(AF_INET, SOCK_DGRAM, 0);
        cr_assert(bind(udp->fds[r], (struct sockaddr *)&address, size) == 0);
        cr_assert(getsockname(udp->fds[r], (struct sockaddr *)&address, &size) == 0);
        snprintf(udp->addresses[r].host, sizeof(udp->addresses[r].host), "127.0.0.1");
        udp->addresses[r].port = ntohs(address.sin_port);
        snprintf(udp->text + strlen(udp->text), sizeof(udp->text) - strlen(udp->text),
                 "%s127.0.0.1:%u", r > 0 ? "," : "", udp->addresses[r].port);
    }
    cr_assert(pthread_create(&udp->thread, NULL, serve, udp) == 0);
}

void udp_hub_stop(struct udp_hub *udp)
{
    udp->stopping = true;
    pthread_join(udp->thread, NULL);
    for (uint32_t r = 0; r < WORLD_REPLICAS; r++)
        close(udp->fds[r]);
    pthread_mutex_destroy(&udp->lock);
    world_close(&udp->world);
    scratch_remove(udp->dir);
}
