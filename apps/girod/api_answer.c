#include "apps/girod/api_answer.h"
#include <fcntl.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define FILE_ANSWER_MAX (16u * 1024u * 1024u)

void giro_api_answer_bytes(struct evhttp_request *request, int code, const char *type,
                           struct evbuffer *body)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    evhttp_add_header(headers, "Content-Type", type);
    evhttp_add_header(headers, "Cache-Control", "no-store");
    evhttp_send_reply(request, code, NULL, body);
}

void giro_api_answer_json(struct evhttp_request *request, int code, json_t *json)
{
    char *text = json == NULL ? NULL : json_dumps(json, JSON_INDENT(2));
    struct evbuffer *body = evbuffer_new();
    if (text != NULL && body != NULL)
        evbuffer_add_printf(body, "%s\n", text);
    giro_api_answer_bytes(request, text == NULL ? 500 : code, "application/json", body);
    if (body != NULL)
        evbuffer_free(body);
    free(text);
    json_decref(json);
}

void giro_api_answer_error(struct evhttp_request *request, int code, const char *sentence)
{
    giro_api_answer_json(request, code, json_pack("{s:s}", "error", sentence));
}

bool giro_api_numbers(struct evhttp_request *request, const struct giro_api_number *numbers,
                      uint32_t count)
{
    const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request));
    struct evkeyvalq values;
    TAILQ_INIT(&values);
    if (query != NULL && evhttp_parse_query_str(query, &values) != 0)
        return false;
    bool good = true;
    for (uint32_t i = 0; i < count; i++) {
        const char *text = evhttp_find_header(&values, numbers[i].name);
        char *end = NULL;
        if (text == NULL)
            continue;
        *numbers[i].value = strtoull(text, &end, 10);
        good = good && text[0] >= '0' && text[0] <= '9' && *end == '\0';
    }
    evhttp_clear_headers(&values);
    return good;
}

bool giro_api_list_member(const struct giro_genesis *genesis, struct evhttp_request *request,
                          uint32_t client, uint16_t *member)
{
    const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request));
    struct evkeyvalq values;
    TAILQ_INIT(&values);
    if (query != NULL && evhttp_parse_query_str(query, &values) != 0) {
        giro_api_answer_error(request, 400, "the query is not well-formed");
        return false;
    }
    const char *bic = evhttp_find_header(&values, "member");
    const bool named = bic != NULL;
    const uint32_t found = named ? giro_genesis_member_by_bic(genesis, bic) : client;
    evhttp_clear_headers(&values);
    *member = (uint16_t)found;
    if (!named && client == GIRO_MEMBER_OPERATOR)
        giro_api_answer_error(request, 400, "an operator names whose list: ?member=<BIC>");
    else if (client != GIRO_MEMBER_OPERATOR && found != client)
        giro_api_answer_error(request, 403, "a member lists its own days only");
    else if (found == GIRO_NONE)
        giro_api_answer_error(request, 404, "no such member");
    else
        return true;
    return false;
}

void giro_api_answer_file(struct evhttp_request *request, const char *path, uint64_t size_bytes,
                          uint64_t from, uint64_t to)
{
    struct evbuffer *body = evbuffer_new();
    bool good = body != NULL;
    to = to > size_bytes ? size_bytes : to;
    if (good && from < to) {
        uint64_t length = to - from > FILE_ANSWER_MAX ? FILE_ANSWER_MAX : to - from;
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        good = fd >= 0 && evbuffer_add_file(body, fd, (ev_off_t)from, (ev_off_t)length) == 0;
        if (fd >= 0 && !good)
            close(fd);
    }
    char total[24];
    snprintf(total, sizeof(total), "%lu", (unsigned long)size_bytes);
    evhttp_add_header(evhttp_request_get_output_headers(request), "Giro-Journal-Bytes", total);
    if (good)
        giro_api_answer_bytes(request, 200, "application/octet-stream", body);
    else
        giro_api_answer_error(request, 500, "the file cannot be read here; ask another replica");
    if (body != NULL)
        evbuffer_free(body);
}
