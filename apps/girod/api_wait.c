#include "apps/girod/api_wait.h"

#include <event2/http_struct.h>
#include <stdlib.h>

struct held {
    struct giro_waits *waits;
    struct evhttp_request *request; /* NULL: free */
    struct giro_wait wait;
    struct event *timer;
};

struct giro_waits {
    struct giro_waits_options options;
    uint64_t seen_bytes; /* in all journals, at the last look */
    uint32_t count;
    struct held held[GIRO_WAITS_MAX];
};

struct giro_waits *giro_waits_new(const struct giro_waits_options *options)
{
    struct giro_waits *waits = calloc(1, sizeof(*waits));
    if (waits == NULL)
        return NULL;
    waits->options = *options;
    waits->seen_bytes = giro_journal_files_bytes(options->journals);
    return waits;
}

static void release(struct held *held)
{
    event_free(held->timer);
    held->request = NULL;
    GIRO_ASSERT(held->waits->count > 0);
    held->waits->count--;
}

static void answer(struct held *held)
{
    struct evhttp_request *request = held->request;
    struct giro_waits *waits = held->waits;
    struct giro_wait wait = held->wait;
    evhttp_connection_set_closecb(evhttp_request_get_connection(request), NULL, NULL);
    release(held);
    waits->options.answer(waits->options.context, request, &wait);
}

static void on_time(evutil_socket_t fd, short events, void *context)
{
    (void)fd, (void)events;
    answer(context);
}

/* libevent calls this before it frees the connection with its requests; one that it took off the connection is ours to free. */
static void on_close(struct evhttp_connection *connection, void *context)
{
    (void)connection;
    struct held *held = context;
    struct evhttp_request *request = held->request;
    release(held);
    if (evhttp_request_get_connection(request) == NULL)
        evhttp_request_free(request);
}

static bool is_due(const struct giro_waits *waits, const struct giro_wait *wait)
{
    char path[700];
    return giro_journal_files_path(waits->options.journals, wait->member, wait->date, path,
                                   sizeof(path)) > wait->from ||
           giro_journal_files_date(waits->options.journals, wait->member) > wait->date;
}

bool giro_waits_hold(struct giro_waits *waits, struct evhttp_request *request,
                     const struct giro_wait *wait)
{
    GIRO_ASSERT(wait->wait_ms > 0 && wait->wait_ms <= GIRO_WAIT_MS_MAX);
    uint32_t of_client = 0;
    struct held *room = NULL;
    for (uint32_t i = 0; i < GIRO_WAITS_MAX; i++) {
        struct held *held = &waits->held[i];
        if (held->request == NULL)
            room = held;
        else
            of_client += held->wait.client == wait->client;
    }
    if (room == NULL || of_client >= GIRO_WAITS_PER_CLIENT || is_due(waits, wait))
        return false;
    const struct timeval time = {.tv_sec = wait->wait_ms / 1000,
                                 .tv_usec = (suseconds_t)(wait->wait_ms % 1000) * 1000};
    struct event *timer = evtimer_new(waits->options.base, on_time, room);
    if (timer == NULL || evtimer_add(timer, &time) != 0) {
        if (timer != NULL)
            event_free(timer);
        return false;
    }
    *room = (struct held){.waits = waits, .request = request, .wait = *wait, .timer = timer};
    waits->count++;
    evhttp_connection_set_closecb(evhttp_request_get_connection(request), on_close, room);
    return true;
}

void giro_waits_look(struct giro_waits *waits)
{
    uint64_t bytes = giro_journal_files_bytes(waits->options.journals);
    if (bytes == waits->seen_bytes)
        return;
    waits->seen_bytes = bytes;
    for (uint32_t i = 0; waits->count > 0 && i < GIRO_WAITS_MAX; i++)
        if (waits->held[i].request != NULL && is_due(waits, &waits->held[i].wait))
            answer(&waits->held[i]);
}

void giro_waits_free(struct giro_waits *waits)
{
    for (uint32_t i = 0; i < GIRO_WAITS_MAX; i++)
        if (waits->held[i].request != NULL)
            answer(&waits->held[i]);
    free(waits);
}
