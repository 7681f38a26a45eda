#include "giro/base.h"

static const char hex_digits[] = "0123456789abcdef";

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

void giro_hex_format(const void *bytes, size_t size_bytes, char *text)
{
    const uint8_t *in = bytes;
    for (size_t i = 0; i < size_bytes; i++) {
        text[2 * i] = hex_digits[in[i] >> 4];
        text[2 * i + 1] = hex_digits[in[i] & 15];
    }
    text[2 * size_bytes] = '\0';
}

bool giro_hex_parse(const char *text, size_t length, void *bytes, size_t size_bytes)
{
    uint8_t *out = bytes;
    if (length % 2 != 0 || length / 2 != size_bytes)
        return false;
    for (size_t i = 0; i < size_bytes; i++) {
        const int high = hex_value(text[2 * i]);
        const int low = hex_value(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

size_t giro_utf8_next(const char *chars, size_t length, uint32_t *code)
{
    const uint8_t *const text = (const uint8_t *)chars;
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    const uint8_t lead = text[0];
    const size_t more = lead < 0x80             ? 0
                        : (lead & 0xE0) == 0xC0 ? 1
                        : (lead & 0xF0) == 0xE0 ? 2
                        : (lead & 0xF8) == 0xF0 ? 3
                                                : length;
    if (more >= length)
        return 0;
    *code = more == 0 ? lead : lead & (0x3Fu >> more);
    for (size_t i = 1; i <= more; i++) {
        if ((text[i] & 0xC0) != 0x80)
            return 0;
        *code = *code << 6 | (text[i] & 0x3Fu);
    }
    const bool surrogate = *code >= 0xD800 && *code <= 0xDFFF;
    return *code < least[more] || *code > 0x10FFFF || surrogate ? 0 : more + 1;
}

size_t giro_utf8_count(const char *text, size_t length)
{
    size_t count = 0;
    for (size_t at = 0; at < length; count++) {
        uint32_t code = 0;
        const size_t taken = giro_utf8_next(text + at, length - at, &code);
        if (taken == 0 || code < 0x20 || (code >= 0x7F && code <= 0x9F))
            return GIRO_NOT_UTF8;
        at += taken;
    }
    return count;
}

/* A hyphen stands before bytes 4, 6, 8 and 10 of a UUID (RFC 9562, section 4). */
static bool hyphen_before(size_t byte_index)
{
    return byte_index == 4 || byte_index == 6 || byte_index == 8 || byte_index == 10;
}

void giro_uetr_format(const uint8_t uetr[16], char text[37])
{
    size_t at = 0;
    for (size_t i = 0; i < 16; i++) {
        if (hyphen_before(i))
            text[at++] = '-';
        text[at++] = hex_digits[uetr[i] >> 4];
        text[at++] = hex_digits[uetr[i] & 15];
    }
    GIRO_ASSERT(at == 36);
    text[at] = '\0';
}

bool giro_uetr_parse(const char *text, size_t length, uint8_t uetr[16])
{
    if (length != 36)
        return false;
    uint8_t parsed[16];
    size_t at = 0;
    for (size_t i = 0; i < 16; i++) {
        if (hyphen_before(i) && text[at++] != '-')
            return false;
        const int high = hex_value(text[at++]);
        const int low = hex_value(text[at++]);
        if (high < 0 || low < 0)
            return false;
        parsed[i] = (uint8_t)(high << 4 | low);
    }
    memcpy(uetr, parsed, sizeof parsed);
    return true;
}

/* Civil dates from day numbers and back: years counted from 1 March, so the leap day comes last
 * (Hinnant, chrono-compatible low-level date algorithms). Only dates from 1970 on are needed, so
 * all is unsigned. */
struct civil {
    uint32_t year;
    uint32_t month; /* 1..12 */
    uint32_t day;   /* 1..31 */
};

#define DAYS_PER_ERA  146097u /* 400 years */
#define DAYS_TO_EPOCH 719468u /* 0000-03-01 to 1970-01-01 */

static struct civil civil_from_days(uint32_t days)
{
    days += DAYS_TO_EPOCH;
    const uint32_t era = days / DAYS_PER_ERA;
    const uint32_t day_of_era = days % DAYS_PER_ERA;
    const uint32_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    const uint32_t day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const uint32_t month_from_march = (5 * day_of_year + 2) / 153;
    const uint32_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    return (struct civil){
        .year = year_of_era + era * 400 + (month <= 2 ? 1 : 0),
        .month = month,
        .day = day_of_year - (153 * month_from_march + 2) / 5 + 1,
    };
}

static uint32_t days_from_civil(struct civil date)
{
    const uint32_t year = date.year - (date.month <= 2 ? 1 : 0);
    const uint32_t era = year / 400;
    const uint32_t year_of_era = year % 400;
    const uint32_t month_from_march = date.month > 2 ? date.month - 3 : date.month + 9;
    const uint32_t day_of_year = (153 * month_from_march + 2) / 5 + date.day - 1;
    const uint32_t day_of_era =
        year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * DAYS_PER_ERA + day_of_era - DAYS_TO_EPOCH;
}

static bool read_decimal(const char *text, size_t length, uint32_t *value)
{
    *value = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        *value = *value * 10 + (uint32_t)(text[i] - '0');
    }
    return true;
}

static void write_decimal(char *text, size_t length, uint32_t value)
{
    for (size_t i = length; i > 0; i--) {
        text[i - 1] = (char)('0' + value % 10);
        value /= 10;
    }
    GIRO_ASSERT(value == 0);
}

bool giro_date_parse(const char *text, size_t length, uint16_t *day)
{
    struct civil date;
    if (length != 10 || text[4] != '-' || text[7] != '-')
        return false;
    if (!read_decimal(text, 4, &date.year) || !read_decimal(text + 5, 2, &date.month) ||
        !read_decimal(text + 8, 2, &date.day))
        return false;
    if (date.year < 1970 || date.month < 1 || date.month > 12 || date.day < 1 || date.day > 31)
        return false;
    const uint32_t days = days_from_civil(date);
    if (days > UINT16_MAX)
        return false;
    /* A day the month does not have comes back as one of the next month. */
    if (civil_from_days(days).month != date.month)
        return false;
    *day = (uint16_t)days;
    return true;
}

static void write_date(uint32_t days, char *text)
{
    const struct civil date = civil_from_days(days);
    write_decimal(text, 4, date.year);
    text[4] = '-';
    write_decimal(text + 5, 2, date.month);
    text[7] = '-';
    write_decimal(text + 8, 2, date.day);
}

void giro_date_format(uint16_t day, char text[11])
{
    write_date(day, text);
    text[10] = '\0';
}

void giro_time_format(uint64_t time_ns, char text[GIRO_TIME_TEXT_BYTES])
{
    const uint64_t time_s = time_ns / GIRO_NS_PER_S;
    const uint32_t second_of_day = (uint32_t)(time_s % 86400);
    write_date((uint32_t)(time_s / 86400), text);
    text[10] = 'T';
    write_decimal(text + 11, 2, second_of_day / 3600);
    text[13] = ':';
    write_decimal(text + 14, 2, second_of_day / 60 % 60);
    text[16] = ':';
    write_decimal(text + 17, 2, second_of_day % 60);
    text[19] = '.';
    write_decimal(text + 20, 9, (uint32_t)(time_ns % GIRO_NS_PER_S));
    text[29] = 'Z';
    text[30] = '\0';
}
