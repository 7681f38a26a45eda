#include <criterion/criterion.h>
#include <stdio.h>
#include <time.h>

#include "giro/base.h"

Test(base, hex_takes_either_case_and_exactly_its_length)
{
    const uint8_t bytes[4] = {0x00, 0x9f, 0xa0, 0xff};
    char text[9];
    giro_hex_format(bytes, sizeof bytes, text);
    cr_assert(strcmp(text, "009fa0ff") == 0);
    uint8_t back[4];
    cr_assert(giro_hex_parse("009FA0fF", 8, back, 4) && memcmp(back, bytes, 4) == 0);
    const char *const bad[] = {"009fa0f",  "009fa0fff", "009fa0fg", "",
                               "0x9fa0ff", "009fa0f ",  "00 9fa0f"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert(!giro_hex_parse(bad[i], strlen(bad[i]), back, 4), "'%s'", bad[i]);
    cr_assert(giro_hex_parse("", 0, back, 0));
}

Test(base, uetr_has_hyphens_in_place)
{
    static const char good[] = "eb6305c9-1f7f-49de-aed0-16487c27b42d";
    uint8_t uetr[16];
    cr_assert(giro_uetr_parse(good, 36, uetr));
    cr_assert(uetr[0] == 0xeb && uetr[15] == 0x2d);
    char text[37];
    giro_uetr_format(uetr, text);
    cr_assert(strcmp(text, good) == 0);
    cr_assert(giro_uetr_parse("EB6305C9-1F7F-49DE-AED0-16487C27B42D", 36, uetr));
    const char *const bad[] = {
        "eb6305c9-1f7f-49de-aed0-16487c27b42",  "eb6305c9-1f7f-49de-aed0-16487c27b42d0",
        "eb6305c91-f7f-49de-aed0-16487c27b42d", "eb6305c9-1f7f-49de-aed0-16487c27b42g",
        "eb6305c9-1f7f-49de-aed0+16487c27b42d", "eb6305c91f7f49deaed016487c27b42d",
    };
    const uint8_t before[16] = {1, 2, 3};
    memcpy(uetr, before, 16);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_assert(!giro_uetr_parse(bad[i], strlen(bad[i]), uetr), "'%s'", bad[i]);
        cr_assert(memcmp(uetr, before, 16) == 0, "'%s' changed the output", bad[i]);
    }
}

Test(base, date_agrees_with_the_c_library_on_every_day)
{
    for (uint32_t day = 0; day <= UINT16_MAX; day++) {
        const time_t seconds = (time_t)day * 86400;
        struct tm parts;
        cr_assert(gmtime_r(&seconds, &parts) != NULL);
        char expected[11], text[11];
        strftime(expected, sizeof expected, "%Y-%m-%d", &parts);
        giro_date_format((uint16_t)day, text);
        cr_assert(strcmp(text, expected) == 0, "day %u: %s", day, text);
        uint16_t back;
        cr_assert(giro_date_parse(text, 10, &back) && back == day, "%s", text);
    }
}

Test(base, date_refuses_days_that_do_not_exist)
{
    const char *const bad[] = {
        "1969-12-31",  "2149-06-07", "2025-02-29", "2100-02-29", "2025-00-01",
        "2025-13-01",  "2025-01-00", "2025-01-32", "2025-04-31", "2025-1-01",
        "2025-01-011", "2025/01/01", "20250-01-1", "0000-01-01", "9999-12-31",
        " 025-01-01",  "",           "2025-01-0x",
    };
    uint16_t day;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert(!giro_date_parse(bad[i], strlen(bad[i]), &day), "'%s'", bad[i]);
    cr_assert(giro_date_parse("2024-02-29", 10, &day));
    cr_assert(giro_date_parse("2149-06-06", 10, &day) && day == UINT16_MAX);
}

Test(base, time_has_nanoseconds_and_a_zone)
{
    const struct {
        uint64_t time_ns;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00.000000000Z"},
        {1, "1970-01-01T00:00:00.000000001Z"},
        {UINT64_C(951868799999999999), "2000-02-29T23:59:59.999999999Z"},
        {UINT64_C(1795484820123456789), "2026-11-24T01:47:00.123456789Z"},
        {UINT64_MAX, "2554-07-21T23:34:33.709551615Z"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[GIRO_TIME_TEXT_BYTES];
        giro_time_format(rows[i].time_ns, text);
        cr_assert(strcmp(text, rows[i].text) == 0, "row %zu: %s", i, text);
    }
}
