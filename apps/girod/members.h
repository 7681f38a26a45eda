/* apps/girod/members.h - what the hub and its members say over UDP: sessions. Answers go to the session that the
 * frame came in; questions are answered from the books and the ledger file, as long as that is kept. Threads: the hub's. */
#ifndef GIRO_APPS_MEMBERS_H
#define GIRO_APPS_MEMBERS_H

#include "apps/girod/ledger_file.h"
#include "apps/girod/replica.h"
#include "giro/sessions.h"

struct giro_members_options {
    const struct giro_genesis *genesis;
    uint16_t replica;
    const struct giro_secret_key *transport_key;
    const struct giro_allow *allow;
    struct giro_ingress *ingress;
    struct giro_port *port;
    uint32_t datagram_max; /* largest UDP payload the port takes */
    struct giro_ledger_file *ledger;
};
struct giro_members;
enum giro_err giro_members_open(const struct giro_members_options *options,
                                struct giro_members **members) GIRO_MUST_USE;
void giro_members_close(struct giro_members *members); /* NULL: nothing */
/* giro_members_serve: from now on questions about channels are answered from this replica's books. */
void giro_members_serve(struct giro_members *members, const struct giro_replica *replica);
/* giro_members_take takes any datagram from the port. What is refused is counted inside. */
void giro_members_take(struct giro_members *members, uint64_t now_ns,
                       const struct giro_datagram *datagram);
void giro_members_answer(struct giro_members *members, uint64_t now_ns,
                         const struct giro_answer *answer);
/* giro_members_flush sends what has gathered; each turn. next_ns: when it is due again, UINT64_MAX: not by itself. */
void giro_members_flush(struct giro_members *members, uint64_t now_ns);
uint64_t giro_members_next_ns(const struct giro_members *members);
/* giro_members_stop says good-bye. */
void giro_members_stop(struct giro_members *members, uint64_t now_ns);
void giro_members_counters(const struct giro_members *members,
                           struct giro_sessions_counters *counters);

#endif
