/* member/socket.h - one kernel UDP socket for a courier: many datagrams a system call, none allocated. Internal to member/. */
#ifndef GIRO_MEMBER_SOCKET_H
#define GIRO_MEMBER_SOCKET_H

#include "giro/config.h"
#include "member/courier.h"

struct giro_socket;

/* giro_socket_open resolves one address per replica. NETWORK: the diagnosis says which; NOMEM. */
enum giro_err giro_socket_open(const struct giro_config_address *replicas, uint32_t replica_count,
                               uint32_t datagram_max, struct giro_socket **socket,
                               struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
void giro_socket_close(struct giro_socket *socket); /* NULL: nothing */
int giro_socket_fd(const struct giro_socket *socket);
/* giro_socket_receive hands what has arrived to the courier, a few hundred datagrams at most; returns their number. */
uint32_t giro_socket_receive(struct giro_socket *socket, struct giro_courier *courier,
                             const struct giro_clock *clock);
/* giro_socket_send sends what the courier has, as far as the kernel takes it; *blocked: it takes no more now. */
uint32_t giro_socket_send(struct giro_socket *socket, struct giro_courier *courier,
                          const struct giro_clock *clock, bool *blocked);

#endif
