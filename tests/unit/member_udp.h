/* The hub of member_world behind real UDP sockets, in a thread: for tests of what sits on a socket. */
#ifndef TESTS_UNIT_MEMBER_UDP_H
#define TESTS_UNIT_MEMBER_UDP_H

#include <arpa/inet.h>
#include <pthread.h>

#include "giro/config.h"
#include "member_world.h"

struct udp_hub {
    struct world world; /* its hub's settings may be changed under the lock */
    pthread_mutex_t lock;
    pthread_t thread;
    int fds[WORLD_REPLICAS];
    struct giro_config_address addresses[WORLD_REPLICAS];
    struct sockaddr_in last_from; /* one member's socket at a time */
    _Atomic bool stopping;
    char text[256]; /* "127.0.0.1:1,127.0.0.1:2,..." */
    char dir[256];  /* genesis.json and all keys */
};
void udp_hub_start(struct udp_hub *udp, uint64_t seed);
void udp_hub_stop(struct udp_hub *udp);

#endif
