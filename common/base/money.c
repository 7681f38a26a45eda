#include "giro/base.h"

#define DIGITS_MAX 6u

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool giro_money_add(giro_i128 a, giro_i128 b, giro_i128 *sum)
{
    giro_i128 result;
    if (__builtin_add_overflow(a, b, &result))
        return false;
    *sum = result;
    return true;
}

bool giro_money_subtract(giro_i128 a, giro_i128 b, giro_i128 *difference)
{
    giro_i128 result;
    if (__builtin_sub_overflow(a, b, &result))
        return false;
    *difference = result;
    return true;
}

size_t giro_money_format(giro_i128 value_minor, uint32_t digits, char *text)
{
    GIRO_ASSERT(digits <= DIGITS_MAX);
    /* Negation in the unsigned type, because -(minimum) does not exist in the signed one. */
    unsigned __int128 rest = (unsigned __int128)value_minor;
    if (value_minor < 0)
        rest = -rest;
    char reversed[GIRO_MONEY_TEXT_BYTES];
    size_t length = 0;
    uint32_t written = 0;
    do {
        if (written == digits && digits != 0)
            reversed[length++] = '.';
        reversed[length++] = (char)('0' + (int)(rest % 10));
        rest /= 10;
        written++;
    } while (rest != 0 || written <= digits);
    if (value_minor < 0)
        reversed[length++] = '-';
    GIRO_ASSERT(length < GIRO_MONEY_TEXT_BYTES);
    for (size_t i = 0; i < length; i++)
        text[i] = reversed[length - 1 - i];
    text[length] = '\0';
    return length;
}

/* The form [-]digits[.digits]; *whole and *decimals count the digits of each part. */
static bool form_good(const char *text, size_t length, size_t *whole, size_t *decimals)
{
    size_t at = length > 0 && text[0] == '-' ? 1 : 0;
    const size_t whole_at = at;
    while (at < length && is_digit(text[at]))
        at++;
    *whole = at - whole_at;
    *decimals = 0;
    if (*whole == 0)
        return false;
    if (at == length)
        return true;
    if (text[at] != '.')
        return false;
    const size_t decimals_at = ++at;
    while (at < length && is_digit(text[at]))
        at++;
    *decimals = at - decimals_at;
    return *decimals != 0 && at == length;
}

enum giro_money_parse_result giro_money_parse(const char *text, size_t length, uint32_t digits,
                                              int64_t *amount_minor)
{
    GIRO_ASSERT(digits <= DIGITS_MAX);
    size_t whole, decimals;
    if (!form_good(text, length, &whole, &decimals))
        return GIRO_MONEY_NOT_A_NUMBER;
    if (decimals > digits)
        return GIRO_MONEY_TOO_MANY_DECIMALS;
    /* Counted downwards, because INT64_MIN has no positive twin. */
    int64_t value = 0;
    for (size_t i = 0; i < length; i++) {
        if (!is_digit(text[i]))
            continue;
        if (__builtin_mul_overflow(value, INT64_C(10), &value) ||
            __builtin_sub_overflow(value, (int64_t)(text[i] - '0'), &value))
            return GIRO_MONEY_TOO_LARGE;
    }
    for (size_t i = decimals; i < digits; i++) {
        if (__builtin_mul_overflow(value, INT64_C(10), &value))
            return GIRO_MONEY_TOO_LARGE;
    }
    if (text[0] != '-' && __builtin_sub_overflow(INT64_C(0), value, &value))
        return GIRO_MONEY_TOO_LARGE;
    *amount_minor = value;
    return GIRO_MONEY_PARSED;
}
