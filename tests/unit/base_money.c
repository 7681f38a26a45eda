#include <criterion/criterion.h>

#include "giro/base.h"

Test(base, money_parse_reads_what_the_form_allows)
{
    const struct {
        const char *text;
        uint32_t digits;
        enum giro_money_parse_result result;
        int64_t amount_minor;
    } rows[] = {
        {"0", 2, GIRO_MONEY_PARSED, 0},
        {"-0", 2, GIRO_MONEY_PARSED, 0},
        {"1", 2, GIRO_MONEY_PARSED, 100},
        {"1.5", 2, GIRO_MONEY_PARSED, 150},
        {"1.05", 2, GIRO_MONEY_PARSED, 105},
        {"-12.34", 2, GIRO_MONEY_PARSED, -1234},
        {"007", 0, GIRO_MONEY_PARSED, 7},
        {"0.000001", 6, GIRO_MONEY_PARSED, 1},
        {"9999999999999999.99", 2, GIRO_MONEY_PARSED, GIRO_AMOUNT_MAX_MINOR},
        {"9223372036854775807", 0, GIRO_MONEY_PARSED, INT64_MAX},
        {"-9223372036854775808", 0, GIRO_MONEY_PARSED, INT64_MIN},
        {"-92233720368547758.08", 2, GIRO_MONEY_PARSED, INT64_MIN},
        {"9223372036854775808", 0, GIRO_MONEY_TOO_LARGE, 0},
        {"-9223372036854775809", 0, GIRO_MONEY_TOO_LARGE, 0},
        {"92233720368547759", 2, GIRO_MONEY_TOO_LARGE, 0},
        {"99999999999999999999999999999999", 0, GIRO_MONEY_TOO_LARGE, 0},
        {"1.234", 2, GIRO_MONEY_TOO_MANY_DECIMALS, 0},
        {"1.0", 0, GIRO_MONEY_TOO_MANY_DECIMALS, 0},
        {"1.000", 2, GIRO_MONEY_TOO_MANY_DECIMALS, 0},
        {"", 2, GIRO_MONEY_NOT_A_NUMBER, 0},
        {"-", 2, GIRO_MONEY_NOT_A_NUMBER, 0},
        {".", 2, GIRO_MONEY_NOT_A_NUMBER, 0},
        {"1.", 2, GIRO_MONEY_NOT_A_NUMBER, 0},
        {".5", 2, GIRO_MONEY_NOT_A_NUMBER, 0},
        {"+1", 2, GIRO_MONEY_NOT_A_NUMBER, 0},
        {"--1", 2, GIRO_MONEY_NOT_A_NUMBER, 0},
        {"1 ", 2, GIRO_MONEY_NOT_A_NUMBER, 0},
        {" 1", 2, GIRO_MONEY_NOT_A_NUMBER, 0},
        {"1,000", 2, GIRO_MONEY_NOT_A_NUMBER, 0},
        {"1e3", 2, GIRO_MONEY_NOT_A_NUMBER, 0},
        {"1.2.3", 2, GIRO_MONEY_NOT_A_NUMBER, 0},
        {"0x1", 2, GIRO_MONEY_NOT_A_NUMBER, 0},
        {"1.5-", 2, GIRO_MONEY_NOT_A_NUMBER, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t amount_minor = 4242;
        const enum giro_money_parse_result result =
            giro_money_parse(rows[i].text, strlen(rows[i].text), rows[i].digits, &amount_minor);
        cr_assert(result == rows[i].result, "'%s' gave %d", rows[i].text, result);
        cr_assert(amount_minor == (result == GIRO_MONEY_PARSED ? rows[i].amount_minor : 4242),
                  "'%s'", rows[i].text);
    }
}

Test(base, money_format_writes_the_decimals_of_the_currency)
{
    const giro_i128 largest = (giro_i128)(~(unsigned __int128)0 >> 1);
    const struct {
        giro_i128 value_minor;
        uint32_t digits;
        const char *text;
    } rows[] = {
        {0, 0, "0"},
        {0, 2, "0.00"},
        {5, 2, "0.05"},
        {-5, 2, "-0.05"},
        {100, 2, "1.00"},
        {1234567, 0, "1234567"},
        {-1234567, 3, "-1234.567"},
        {1, 6, "0.000001"},
        {GIRO_AMOUNT_MAX_MINOR, 2, "9999999999999999.99"},
        {INT64_MIN, 0, "-9223372036854775808"},
        {largest, 0, "170141183460469231731687303715884105727"},
        {-largest - 1, 6, "-170141183460469231731687303715884.105728"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[GIRO_MONEY_TEXT_BYTES];
        const size_t length = giro_money_format(rows[i].value_minor, rows[i].digits, text);
        cr_assert(strcmp(text, rows[i].text) == 0, "row %zu: '%s'", i, text);
        cr_assert(length == strlen(rows[i].text), "row %zu", i);
    }
}

Test(base, money_text_comes_back_as_the_same_amount)
{
    struct giro_prng prng;
    giro_prng_init(&prng, 7);
    for (uint32_t i = 0; i < 20000; i++) {
        /* All lengths of numbers, not only long ones. */
        const int64_t amount = (int64_t)giro_prng_next(&prng) >> giro_prng_below(&prng, 64);
        const uint32_t digits = (uint32_t)giro_prng_below(&prng, 7);
        char text[GIRO_MONEY_TEXT_BYTES];
        const size_t length = giro_money_format(amount, digits, text);
        int64_t back;
        cr_assert(giro_money_parse(text, length, digits, &back) == GIRO_MONEY_PARSED, "'%s'", text);
        cr_assert(back == amount, "'%s'", text);
    }
}

Test(base, money_sums_refuse_overflow_and_leave_the_result)
{
    const giro_i128 largest = (giro_i128)(~(unsigned __int128)0 >> 1);
    const giro_i128 smallest = -largest - 1;
    giro_i128 value = 9;
    cr_assert(!giro_money_add(largest, 1, &value) && value == 9);
    cr_assert(!giro_money_add(smallest, -1, &value) && value == 9);
    cr_assert(!giro_money_subtract(smallest, 1, &value) && value == 9);
    cr_assert(!giro_money_subtract(0, smallest, &value) && value == 9);
    cr_assert(giro_money_add(INT64_MAX, INT64_MAX, &value));
    cr_assert(value == (giro_i128)INT64_MAX * 2);
    cr_assert(giro_money_subtract(3, 5, &value) && value == -2);
}
