#include "apps/girod/api_details.h"

#include <stdio.h>

static json_t *day_render(const struct giro_api_options *options, uint16_t member, uint16_t date)
{
    char path[700], text[11], hex[2 * GIRO_HASH_BYTES + 1];
    struct giro_hash digest;
    const bool gap = giro_details_files_gap(options->details, member, date);
    const bool there = giro_details_files_digest(options->details, member, date, &digest);
    if (!there && !gap)
        return NULL;
    giro_date_format(date, text);
    json_t *day = json_pack("{s:s, s:s, s:I}", "bic", options->genesis->members[member].bic, "date",
                            text, "bytes", (json_int_t)0);
    if (gap)
        json_object_set_new(day, "gap", json_true());
    if (there) {
        giro_hex_format(digest.bytes, sizeof(digest.bytes), hex);
        json_object_set_new(day, "bytes",
                            json_integer((json_int_t)giro_details_files_path(
                                options->details, member, date, path, sizeof(path))));
        json_object_set_new(day, "digest", json_string(hex));
    }
    return day;
}

static void get_list(const struct giro_api_options *options, struct evhttp_request *request,
                     uint32_t client)
{
    const uint16_t today = giro_settlement_business_date(giro_replica_settlement(options->replica));
    uint16_t member;
    if (!giro_api_list_member(options->genesis, request, client, &member))
        return;
    json_t *list = json_array();
    for (uint32_t date = options->genesis->business_date; date <= today; date++) {
        json_t *day = day_render(options, member, (uint16_t)date);
        if (day != NULL)
            json_array_append_new(list, day);
    }
    giro_api_answer_json(request, 200, list);
}

static void get_day(const struct giro_api_options *options, struct evhttp_request *request,
                    uint32_t client, const char *rest)
{
    char bic[GIRO_BIC_BYTES] = "", date_text[11] = "", extra = '\0', path[700];
    uint16_t date = 0;
    if (sscanf(rest, "/%11[A-Z0-9]/%10[0-9-]%c", bic, date_text, &extra) != 2 ||
        !giro_date_parse(date_text, strlen(date_text), &date)) {
        giro_api_answer_error(request, 400, "expected /v1/details/<BIC>/<YYYY-MM-DD>");
        return;
    }
    const uint32_t member = giro_genesis_member_by_bic(options->genesis, bic);
    if (client != GIRO_MEMBER_OPERATOR && client != member) {
        giro_api_answer_error(request, 403, "a member reads its own details only");
        return;
    }
    uint64_t from = 0, to = UINT64_MAX;
    const struct giro_api_number numbers[] = {{"from", &from}, {"to", &to}};
    if (!giro_api_numbers(request, numbers, 2)) {
        giro_api_answer_error(request, 400, "from and to are byte offsets");
        return;
    }
    const uint64_t size_bytes =
        member == GIRO_NONE
            ? 0
            : giro_details_files_path(options->details, (uint16_t)member, date, path, sizeof(path));
    if (size_bytes == 0)
        giro_api_answer_error(request, 404, "no details of that member and date here");
    else
        giro_api_answer_file(request, path, size_bytes, from, to);
}

void giro_api_details(const struct giro_api_options *options, struct evhttp_request *request,
                      uint32_t client, const char *rest)
{
    if (rest[0] == '\0')
        get_list(options, request, client);
    else if (rest[0] == '/')
        get_day(options, request, client, rest);
    else
        giro_api_answer_error(request, 404, "no such page; docs/operations.md lists them");
}
