/* apps/girod/api_answer.h - what all pages of the HTTPS interface do: read numbers of a query, answer. Internal to girod. */
#ifndef GIRO_APPS_API_ANSWER_H
#define GIRO_APPS_API_ANSWER_H

#include <event2/http.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "giro/genesis.h"

void giro_api_answer_bytes(struct evhttp_request *request, int code, const char *type,
                           struct evbuffer *body);
/* giro_api_answer_json takes json over; NULL answers 500. */
void giro_api_answer_json(struct evhttp_request *request, int code, json_t *json);
void giro_api_answer_error(struct evhttp_request *request, int code, const char *sentence);

/* giro_api_answer_file sends bytes [from, to) of a file of size_bytes, at most 16 MiB of them; none if the range is empty. */
void giro_api_answer_file(struct evhttp_request *request, const char *path, uint64_t size_bytes,
                          uint64_t from, uint64_t to);

struct giro_api_number {
    const char *name;
    uint64_t *value; /* stays as it is when the query has no such name */
};
/* giro_api_numbers reads numbers of the query; false if one is not a number. */
bool giro_api_numbers(struct evhttp_request *request, const struct giro_api_number *numbers,
                      uint32_t count);

/* giro_api_list_member tells whose list is asked for: a member's own, or the one that an operator names by ?member=BIC (a list of all
 * members' days would take the loop seconds). false: answered with what is wrong. */
bool giro_api_list_member(const struct giro_genesis *genesis, struct evhttp_request *request,
                          uint32_t client, uint16_t *member);

#endif
