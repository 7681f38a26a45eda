/* apps/girod/api_wait.h - requests for more of a journal than there is, held until there is more of it or their time is over.
 *
 * Bounded: GIRO_WAITS_MAX in all and GIRO_WAITS_PER_CLIENT of one client; what finds no room is answered at once, which a client
 * takes like an answer whose time was over. A held request costs no work until the journals grow.
 * Threads: the event loop's. */
#ifndef GIRO_APPS_API_WAIT_H
#define GIRO_APPS_API_WAIT_H

#include <event2/event.h>
#include <event2/http.h>

#include "apps/girod/journal_files.h"

#define GIRO_WAITS_MAX        128u
#define GIRO_WAITS_PER_CLIENT 2u
#define GIRO_WAIT_MS_MAX      15000u /* below the connection's own time limit */

/* What is asked for: bytes from `from` on of a member's journal. */
struct giro_wait {
    uint32_t client; /* who asks; for the limit per client */
    uint16_t member, date;
    uint64_t from, to;
    uint32_t wait_ms; /* 1..GIRO_WAIT_MS_MAX */
};

struct giro_waits;
struct giro_waits_options {
    struct event_base *base;
    struct giro_journal_files *journals;
    void *context;
    /* answer: the journal has grown beyond `from`, the member has a journal of a later date, or the time is over. */
    void (*answer)(void *context, struct evhttp_request *request, const struct giro_wait *wait);
};
struct giro_waits *giro_waits_new(const struct giro_waits_options *options); /* NULL: no memory */
/* giro_waits_free answers what is still held. */
void giro_waits_free(struct giro_waits *waits);
/* giro_waits_hold takes the request; false: there is nothing to wait for, or no room: answer it now. A connection that dies
 * meanwhile takes its request with it. */
bool giro_waits_hold(struct giro_waits *waits, struct evhttp_request *request,
                     const struct giro_wait *wait);
/* giro_waits_look answers what need not wait any more. Costs a comparison unless journals grew since the last look. */
void giro_waits_look(struct giro_waits *waits);

#endif
