/* apps/girod/api.h - the HTTPS interface of a replica (libevent's evhttp over TLS 1.3, mutual).
 *
 * A client shows a certificate made from an enrolled key: a member's session key or an operator's key. A member gets its own
 * only; an operator everything. Answers: JSON (jansson) or application/octet-stream.
 *
 *   GET /v1/status                     heights, round, counters, rejects by reason, port, links       any client
 *   GET /v1/channel/<n>                {"base","next","stopped"} of the client's channel n             member, operator
 *   GET /v1/journals                   [{"bic","date","bytes","last"}] of the client (operator: of ?member=BIC); last: {currency: offset
 *                                      of its newest block}, where that is in this journal              member, operator
 *   GET /v1/journal/<BIC>/<date>?from=<offset>&to=<offset>&wait=<ms>   bytes of the journal, whose end is a block's; with wait
 *                                      (15,000 at most) the answer comes when there are bytes from `from` on, the member has a
 *                                      journal of a later date, or the time is over (api_wait.h)        own BIC, operator
 *   GET /v1/details, /v1/details/<BIC>/<date>   sealed details: apps/girod/api_details.h               own BIC, operator
 *   GET /v1/proof/<uetr>               encoded proof (kind PROOF) of the payment's frame leaf          debtor, creditor, operator
 *   GET /v1/proof/frame/<n>/<sequence> the same of the client's own frame, by channel and sequence    member, operator
 *   GET /v1/payment/<uetr>             JSON: record index in the frame, debtor, creditor               debtor, creditor, operator
 *   POST /v1/control                   body: one CONTROL frame; handed to the hub like a datagram     operator
 *   /v1/capture                        packets of the port: apps/girod/api_capture.h                   operator
 *   GET /metrics                       Prometheus text                                                 operator
 * Errors: 400, 403, 404, 500 with {"error": "..."}; never more than 192 connections (others wait in the listen queue), 16 MiB
 * an answer (larger journals are read in ranges).
 * Threads: the event loop's. */
#ifndef GIRO_APPS_API_H
#define GIRO_APPS_API_H

#include <event2/event.h>

#include "apps/girod/journal_files.h"
#include "apps/girod/ledger_file.h"
#include "apps/girod/links.h"
#include "apps/girod/members.h"
#include "apps/girod/replica.h"
#include "apps/girod/verify_stage.h"

struct giro_api_options {
    struct event_base *base;
    const struct giro_genesis *genesis;
    const struct giro_config_address *address;
    const struct giro_secret_key *transport_key; /* the server's certificate */
    const struct giro_replica *replica;
    struct giro_port *port;   /* may be NULL */
    const char *capture_path; /* where a capture is kept */
    const struct giro_ingress *ingress;
    const struct giro_members *members;     /* may be NULL */
    const struct giro_verify_stage *verify; /* may be NULL */
    const struct giro_links *links;
    struct giro_ledger_file *ledger;
    struct giro_journal_files *journals;
    struct giro_details_files *details;
    const struct giro_stages *stages;
    void *context;
    /* control hands in a datagram that came by POST; returns its reject reason. */
    enum giro_reject (*control)(void *context, const void *bytes, size_t size_bytes);
};
struct giro_api;
/* giro_api_look: journals may have grown: whoever waits for that is answered. Called in each turn of the loop. */
void giro_api_look(struct giro_api *api);
enum giro_err giro_api_open(const struct giro_api_options *options, struct giro_api **api,
                            struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
void giro_api_close(struct giro_api *api);

#endif
