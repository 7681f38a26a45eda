/* Payments CSV: what is read, and every error with its line and column. */
#include <stdio.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#include "member/sender.h"
#include "member_support.h"

TestSuite(payments, .init = hub_suite_open, .fini = hub_suite_close);

#define HEAD "uetr,debtor_bic,creditor_bic,currency,amount\n"
#define UETR "5f3c1d9e-0b7a-4c55-9a51-2f60b1f1a001"
#define GOOD UETR ",B000CZPP,B001CZPP001,CZK,1.00\n"

static enum giro_err parse(const struct hub *hub, const char *text, size_t size_bytes,
                           const uint8_t *seed, struct giro_csv_payment **payments, uint64_t *count,
                           struct giro_diagnosis *diagnosis)
{
    *payments = NULL;
    *count = 0;
    *diagnosis = (struct giro_diagnosis){.fact = ""};
    return giro_payments_parse("p.csv", text, size_bytes, &hub->genesis, seed, payments, count,
                               diagnosis);
}

Test(payments, every_error_names_line_and_column)
{
    static const struct {
        const char *text, *fact;
    } rows[] = {
        {"", "p.csv:1:1: the file is empty"},
        {"\n", "p.csv:1:1: unknown column \"\""},
        {"uetr,debtor_bic,creditor_bic,currency\n", "p.csv:1:1: column \"amount\" is missing"},
        {"uetr,sum\n", "p.csv:1:6: unknown column \"sum\""},
        {"uetr,amount,uetr\n", "p.csv:1:13: column \"uetr\" again"},
        {HEAD GOOD "a,b\n", "p.csv:3:1: 2 fields instead of 5"},
        {HEAD "\n", "p.csv:2:1: 1 fields instead of 5"},
        {HEAD "zz,B000CZPP,B001CZPP001,CZK,1.00\n", "p.csv:2:1: uetr \"zz\""},
        {HEAD ",B999CZPP,B001CZPP001,CZK,1.00\n", "p.csv:2:2: debtor_bic \"B999CZPP\""},
        {HEAD ",B000CZPP,B001,CZK,1.00\n", "p.csv:2:11: creditor_bic \"B001\""},
        {HEAD ",B000CZPP,B001CZPP001,XXX,1.00\n", "p.csv:2:23: currency \"XXX\""},
        {HEAD ",B000CZPP,B001CZPP001,CZK,1.001\n",
         "p.csv:2:27: amount \"1.001\" has more than 2 decimals"},
        {HEAD ",B000CZPP,B001CZPP001,JPY,1.0\n",
         "p.csv:2:27: amount \"1.0\" has more than 0 decimals"},
        {HEAD ",B000CZPP,B001CZPP001,CZK,1e3\n", "p.csv:2:27: amount \"1e3\""},
        {HEAD ",B000CZPP,B001CZPP001,CZK,\n", "p.csv:2:27: amount \"\""},
        {HEAD ",B000CZPP,B001CZPP001,CZK, 1\n", "p.csv:2:27: amount \" 1\""},
        {HEAD ",B000CZPP,B001CZPP001,CZK,99999999999999999999\n",
         "p.csv:2:27: amount \"99999999999999999999\" is too large"},
        {HEAD ",B000CZPP,B001CZPP001,CZK,1\rx\n", "p.csv:2:1: a carriage return inside a line"},
        {HEAD ",B0\"00CZPP,B001CZPP001,CZK,1\n", "p.csv:2:4: a quote inside a field"},
        {HEAD ",\"B000CZPP\"x,B001CZPP001,CZK,1\n", "p.csv:2:12: text after a closing quote"},
        {HEAD ",\"B000CZPP,B001CZPP001,CZK,1\n", "p.csv:2:2: the quoted field never ends"},
        {HEAD ",B000CZPP,B001CZPP001,CZK,1\xFF\n", "p.csv:2:27: a field in another encoding"},
        {HEAD ",B000CZPP,B001CZPP001,CZK,\xC0\xB1\n", "p.csv:2:27: a field in another encoding"},
        {HEAD ",B000CZPP,B001CZPP001,CZK,\xED\xA0\x80\n",
         "p.csv:2:27: a field in another encoding"},
        {HEAD GOOD GOOD ",\"B000\nCZPP\",B001CZPP001,CZK,1\n",
         "p.csv:4:2: debtor_bic \"B000\nCZPP\""},
    };
    struct hub hub;
    hub_make(&hub, 1, 3);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct giro_csv_payment *payments;
        uint64_t count;
        struct giro_diagnosis diagnosis;
        enum giro_err err =
            parse(&hub, rows[i].text, strlen(rows[i].text), NULL, &payments, &count, &diagnosis);
        cr_expect(err == GIRO_ERR_FORMAT, "row %zu: accepted", i);
        cr_expect_str_eq(diagnosis.fact, rows[i].fact, "row %zu: %s", i, diagnosis.fact);
        cr_expect(diagnosis.detail[0] != '\0' && diagnosis.hint[0] != '\0', "row %zu", i);
    }
    hub_free(&hub);
}

Test(payments, wrong_optional_fields_are_named)
{
    static const struct {
        const char *column, *value, *fact;
    } rows[] = {
        {"kind", "TRANSFER", "kind \"TRANSFER\""},
        {"service", "FAST", "service \"FAST\""},
        {"priority", "LOW", "priority \"LOW\""},
        {"value_date", "2026-13-01", "value_date \"2026-13-01\""},
        {"value_date", "today", "value_date \"today\""},
        {"earliest_time", "09:30:00", "earliest_time \"09:30:00\""},
        {"earliest_time", "2026-11-24T24:00:00Z", "earliest_time \"2026-11-24T24:00:00Z\""},
        {"earliest_time", "2026-11-24T09:60:00Z", "earliest_time \"2026-11-24T09:60:00Z\""},
        {"earliest_time", "2026-11-24T 9:30:00Z", "earliest_time \"2026-11-24T 9:30:00Z\""},
        {"earliest_time", "2026-11-24T+9:30:00Z", "earliest_time \"2026-11-24T+9:30:00Z\""},
        {"latest_time", "2026-11-24T09:30:00z", "latest_time \"2026-11-24T09:30:00z\""},
        {"latest_time", "2106-02-07T06:28:16Z", "latest_time \"2106-02-07T06:28:16Z\""},
        {"original_uetr", "1234", "link \"1234\""},
        {"group_id", "x", "link \"x\""},
        {"reason", "am05", "reason \"am05\""},
        {"reason", "NONE", "reason \"NONE\""},
    };
    struct hub hub;
    hub_make(&hub, 1, 3);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[400], fact[160];
        snprintf(
            text, sizeof(text),
            "uetr,debtor_bic,creditor_bic,currency,amount,%s\n,B000CZPP,B001CZPP001,CZK,1,%s\n",
            rows[i].column, rows[i].value);
        snprintf(fact, sizeof(fact), "p.csv:2:29: %s", rows[i].fact);
        struct giro_csv_payment *payments;
        uint64_t count;
        struct giro_diagnosis diagnosis;
        enum giro_err err = parse(&hub, text, strlen(text), NULL, &payments, &count, &diagnosis);
        cr_expect(err == GIRO_ERR_FORMAT, "row %zu: accepted", i);
        cr_expect_str_eq(diagnosis.fact, fact, "row %zu: %s", i, diagnosis.fact);
    }
    hub_free(&hub);
}

Test(payments, every_column_arrives_in_its_record_field)
{
    static const char text[] =
        "\xEF\xBB\xBFreason,uetr,kind,service,priority,value_date,earliest_time,latest_time,"
        "original_uetr,"
        "debtor_bic,creditor_bic,currency,amount,\"end_to_end_id\",instruction_id\r\n"
        "AM05," UETR ",return,GROSS,URGENT,2026-11-25,2026-11-24T09:30:07Z,2106-02-07T06:28:15Z,"
        "00000000-0000-0000-0000-000000000007,B002CZPP,\"B001CZPP001\",BHD,-12.5,\"a,"
        "\"\"b\"\"c\",\"x\"\r\n"
        ",,,,,,,,,B000CZPP,B777CZPP,JPY,0,,";
    struct hub hub;
    struct giro_csv_payment *payments;
    uint64_t count;
    struct giro_diagnosis diagnosis;
    hub_make(&hub, 1, 3);
    enum giro_err err = parse(&hub, text, strlen(text), NULL, &payments, &count, &diagnosis);
    cr_assert(err == GIRO_ERR_OK, "%s", diagnosis.fact);
    cr_assert(count == 2);
    const struct giro_record *record = &payments[0].record;
    char uetr[37];
    giro_uetr_format(record->uetr, uetr);
    cr_expect_str_eq(uetr, UETR);
    cr_expect(payments[0].debtor == 2 && payments[0].line == 2 && record->creditor == 1);
    cr_expect(record->currency == 48 && record->amount_minor == -12500);
    cr_expect(record->service == GIRO_SERVICE_GROSS && record->kind == GIRO_PAYMENT_RETURN &&
              record->priority == GIRO_PRIORITY_URGENT && record->value_date == 20782);
    cr_expect(record->earliest_s == 20781u * 86400u + 9 * 3600 + 30 * 60 + 7);
    cr_expect(record->latest_s == UINT32_MAX && record->link[15] == 7 && record->flags == 0);
    cr_expect_str_eq(giro_reason_name(record->reason), "AM05");
    record = &payments[1].record;
    cr_expect(payments[1].line == 3);
    cr_expect(record->creditor == GIRO_MEMBER_OPERATOR,
              "an unknown creditor is the hub's to reject");
    cr_expect(record->service == GIRO_SERVICE_NET && record->kind == GIRO_PAYMENT_CREDIT_TRANSFER &&
              record->amount_minor == 0);
    cr_expect((record->uetr[6] & 0xF0) == 0x40 && (record->uetr[8] & 0xC0) == 0x80);
    struct giro_details details;
    cr_assert(giro_details_decode(payments[0].details, payments[0].details_bytes, &details) ==
              GIRO_REJECT_NONE);
    const struct giro_details_text *text_of = details.fields;
    cr_expect(text_of[GIRO_DETAILS_INSTRUCTION_ID].length == 1 &&
              text_of[GIRO_DETAILS_INSTRUCTION_ID].text[0] == 'x');
    cr_expect(text_of[GIRO_DETAILS_END_TO_END_ID].length == 6 &&
              memcmp(text_of[GIRO_DETAILS_END_TO_END_ID].text, "a,\"b\"c", 6) == 0);
    cr_expect(payments[1].details == NULL && payments[1].details_bytes == 0);
    free(payments);
    hub_free(&hub);
}

Test(payments, details_of_every_payment_are_its_own_columns)
{
    enum { ROWS = 500 };
    struct hub hub;
    hub_make(&hub, 1, 3);
    size_t room = 100 + ROWS * 400, used = 0;
    char *text = malloc(room);
    used +=
        (size_t)snprintf(text, room,
                         "uetr,debtor_bic,creditor_bic,currency,amount,debtor_name,debtor_account,"
                         "creditor_name,creditor_account,remittance\n");
    for (uint32_t i = 0; i < ROWS; i++) { /* every third has none */
        used +=
            (size_t)(i % 3 == 0
                         ? snprintf(text + used, room - used, ",B000CZPP,B001CZPP001,CZK,1,,,,,\n")
                         : snprintf(text + used, room - used,
                                    ",B000CZPP,B001CZPP001,CZK,1,Anna %u,D%u,Ben %u,C%u,%0*u\n", i,
                                    i, i, i, (int)(i % 140 + 1), i % 10));
    }
    struct giro_csv_payment *payments;
    uint64_t count;
    struct giro_diagnosis diagnosis;
    cr_assert(parse(&hub, text, used, NULL, &payments, &count, &diagnosis) == GIRO_ERR_OK, "%s",
              diagnosis.fact);
    cr_assert(count == ROWS);
    for (uint32_t i = 0; i < ROWS; i++) {
        struct giro_details details;
        char expected[16];
        cr_assert((payments[i].details == NULL) == (i % 3 == 0));
        if (i % 3 == 0)
            continue;
        cr_assert(giro_details_decode(payments[i].details, payments[i].details_bytes, &details) ==
                  GIRO_REJECT_NONE);
        snprintf(expected, sizeof(expected), "Ben %u", i);
        const struct giro_details_text *name = &details.fields[GIRO_DETAILS_CREDITOR_NAME];
        cr_assert(name->length == strlen(expected) &&
                  memcmp(name->text, expected, name->length) == 0);
        cr_assert(details.fields[GIRO_DETAILS_REMITTANCE].length == i % 140 + 1);
    }
    free(payments);
    free(text);
    hub_free(&hub);
}

Test(payments, details_that_iso_20022_does_not_allow_are_named_by_place)
{
    static const struct {
        const char *column;
        uint32_t letters;
        const char *letter, *fact;
    } rows[] = {
        {"instruction_id", 35, "\xC5\xBE", NULL},
        {"instruction_id", 36, "x", "instruction_id has more than 35 characters"},
        {"end_to_end_id", 36, "\xC5\xBE", "end_to_end_id has more than 35 characters"},
        {"debtor_account", 35, "1", "debtor_account has more than 34 characters"},
        {"creditor_name", 141, "n", "creditor_name has more than 140 characters"},
        {"remittance", 1, "\"\n\"", "remittance has a line break or another control character"},
        {"remittance", 1, "\x1B", "remittance has a line break or another control character"},
    };
    struct hub hub;
    hub_make(&hub, 1, 3);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[600], fact[160];
        int used = snprintf(text, sizeof(text),
                            "uetr,debtor_bic,creditor_bic,currency,amount,%s\n,B000CZPP,"
                            "B001CZPP001,CZK,1,",
                            rows[i].column);
        for (uint32_t k = 0; k < rows[i].letters; k++)
            used += snprintf(text + used, sizeof(text) - (size_t)used, "%s", rows[i].letter);
        used += snprintf(text + used, sizeof(text) - (size_t)used, "\n");
        snprintf(fact, sizeof(fact), "p.csv:2:29: %s", rows[i].fact == NULL ? "" : rows[i].fact);
        struct giro_csv_payment *payments;
        uint64_t count;
        struct giro_diagnosis diagnosis;
        enum giro_err err = parse(&hub, text, (size_t)used, NULL, &payments, &count, &diagnosis);
        cr_expect((err == GIRO_ERR_OK) == (rows[i].fact == NULL), "row %zu: %s", i, diagnosis.fact);
        if (err == GIRO_ERR_OK)
            free(payments);
        else
            cr_expect_str_eq(diagnosis.fact, fact, "row %zu: %s", i, diagnosis.fact);
    }
    hub_free(&hub);
}

Test(payments, a_group_is_a_flagged_link_and_excludes_an_original)
{
    static const char group[] =
        "uetr,debtor_bic,creditor_bic,currency,amount,group_id,original_uetr\n"
        ",B000CZPP,B001CZPP001,CZK,1," UETR ",\n";
    static const char both[] =
        "uetr,debtor_bic,creditor_bic,currency,amount,group_id,original_uetr\n"
        ",B000CZPP,B001CZPP001,CZK,1," UETR "," UETR "\n";
    struct hub hub;
    struct giro_csv_payment *payments;
    uint64_t count;
    struct giro_diagnosis diagnosis;
    hub_make(&hub, 1, 3);
    cr_assert(parse(&hub, group, strlen(group), NULL, &payments, &count, &diagnosis) ==
              GIRO_ERR_OK);
    cr_expect(payments[0].record.flags == GIRO_RECORD_FLAG_LINK_IS_GROUP);
    free(payments);
    cr_assert(parse(&hub, both, strlen(both), NULL, &payments, &count, &diagnosis) ==
              GIRO_ERR_FORMAT);
    cr_expect_str_eq(diagnosis.fact, "p.csv:2:29: a payment has one link only");
    hub_free(&hub);
}

Test(payments, made_up_uetrs_depend_on_the_seed_and_the_row_alone)
{
    struct hub hub;
    struct giro_diagnosis diagnosis;
    hub_make(&hub, 1, 3);
    static char text[256 * 64];
    size_t size = (size_t)snprintf(text, sizeof(text), HEAD);
    for (int i = 0; i < 200; i++)
        size += (size_t)snprintf(text + size, sizeof(text) - size,
                                 ",B000CZPP,B001CZPP001,CZK,%d.00\n", i + 1);
    uint8_t seeds[2][32] = {{1}, {2}};
    struct giro_csv_payment *lists[4];
    uint64_t count;
    for (int i = 0; i < 4; i++) { /* seed 1 twice, seed 2, none */
        const uint8_t *seed = i == 3 ? NULL : seeds[i == 2];
        cr_assert(parse(&hub, text, size, seed, &lists[i], &count, &diagnosis) == GIRO_ERR_OK);
        cr_assert(count == 200);
    }
    for (uint64_t i = 0; i < 200; i++) {
        cr_assert(memcmp(lists[0][i].record.uetr, lists[1][i].record.uetr, 16) == 0);
        cr_assert(memcmp(lists[0][i].record.uetr, lists[2][i].record.uetr, 16) != 0);
        cr_assert(memcmp(lists[0][i].record.uetr, lists[3][i].record.uetr, 16) != 0);
        for (uint64_t k = 0; k < i; k++)
            cr_assert(memcmp(lists[0][i].record.uetr, lists[0][k].record.uetr, 16) != 0);
    }
    for (int i = 0; i < 4; i++)
        free(lists[i]);
    hub_free(&hub);
}

Test(payments, limits_of_fields_and_every_cut_of_a_good_file_are_no_crash)
{
    struct hub hub;
    struct giro_csv_payment *payments;
    uint64_t count;
    struct giro_diagnosis diagnosis;
    static char text[4096];
    hub_make(&hub, 1, 3);
    memset(text, ',', 64);
    text[64] = '\n';
    cr_assert(parse(&hub, text, 65, NULL, &payments, &count, &diagnosis) == GIRO_ERR_FORMAT);
    cr_expect_str_eq(diagnosis.fact, "p.csv:1:1: too many fields");
    memset(text, 'a', 512);
    cr_assert(parse(&hub, text, 512, NULL, &payments, &count, &diagnosis) == GIRO_ERR_FORMAT);
    cr_expect_str_eq(diagnosis.fact, "p.csv:1:1: field too long");
    static const char with_nul[] = HEAD ",B000\0CZPP,B001CZPP001,CZK,1\n";
    cr_assert(parse(&hub, with_nul, sizeof(with_nul) - 1, NULL, &payments, &count, &diagnosis) ==
              GIRO_ERR_FORMAT);
    static const char good[] = HEAD GOOD "\"" UETR "\",\"B000CZPP\",B001CZPP001,CZK,1\r\n";
    for (size_t cut = 0; cut < sizeof(good); cut++) {
        char *copy = malloc(cut == 0 ? 1 : cut); /* exact, so a read past the end is seen */
        memcpy(copy, good, cut);
        if (parse(&hub, copy, cut, NULL, &payments, &count, &diagnosis) == GIRO_ERR_OK)
            free(payments);
        free(copy);
    }
    hub_free(&hub);
}
