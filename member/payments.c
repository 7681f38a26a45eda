/* Payments CSV: RFC 4180, a header line, UTF-8. Every line must parse, or nothing is sent. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "member/sender.h"

/* X(column, must the header have it) in the order of docs/protocol.md section 9 */
#define COLUMNS(X)                                                                                 \
    X(uetr, true)                                                                                  \
    X(instruction_id, false)                                                                       \
    X(end_to_end_id, false)                                                                        \
    X(kind, false)                                                                                 \
    X(service, false)                                                                              \
    X(debtor_bic, true)                                                                            \
    X(creditor_bic, true)                                                                          \
    X(currency, true)                                                                              \
    X(amount, true)                                                                                \
    X(value_date, false)                                                                           \
    X(earliest_time, false)                                                                        \
    X(latest_time, false)                                                                          \
    X(priority, false)                                                                             \
    X(group_id, false)                                                                             \
    X(original_uetr, false)                                                                        \
    X(reason, false)                                                                               \
    X(debtor_name, false)                                                                          \
    X(debtor_account, false)                                                                       \
    X(creditor_name, false)                                                                        \
    X(creditor_account, false)                                                                     \
    X(remittance, false)
enum column {
#define COLUMN_ENUM(name, must) COLUMN_##name,
    COLUMNS(COLUMN_ENUM)
#undef COLUMN_ENUM
        COLUMN_COUNT
};
static const char *const column_names[] = {
#define COLUMN_NAME(name, must) #name,
    COLUMNS(COLUMN_NAME)
#undef COLUMN_NAME
};
static const bool column_must[] = {
#define COLUMN_MUST(name, must) must,
    COLUMNS(COLUMN_MUST)
#undef COLUMN_MUST
};

#define FIELDS_MAX      64u
#define FIELD_BYTES_MAX 512u

struct field {
    char text[FIELD_BYTES_MAX]; /* unquoted, NUL-terminated */
    size_t length;
    uint32_t at; /* byte in the row, from 1 */
};

struct parser {
    const char *name;
    const char *text;
    size_t size_bytes, offset;
    uint32_t line; /* of the row in hand, from 1 */
    uint32_t next_line;
    uint32_t field_count;
    struct field fields[FIELDS_MAX];
    int column_at[COLUMN_COUNT]; /* field index, -1 = absent */
    uint8_t *details;            /* plaintexts of the payments so far, one behind the other */
    size_t details_bytes, details_room;
    const struct giro_genesis *genesis;
    const uint8_t *seed;
    struct giro_diagnosis *diagnosis;
};

__attribute__((format(printf, 4, 5))) static bool
fail(struct parser *parser, uint32_t at, const char *expected, const char *format, ...)
{
    char fact[160];
    va_list list;
    va_start(list, format);
    vsnprintf(fact, sizeof(fact), format, list);
    va_end(list);
    giro_diagnosis_set(parser->diagnosis, expected, "correct the file; nothing of it was sent",
                       "%s:%u:%u: %s", parser->name, parser->line, at, fact);
    return false;
}

/* ---- Rows and fields ------------------------------------------------------------------------------------ */

static bool at_end(const struct parser *parser)
{
    return parser->offset >= parser->size_bytes;
}

static char peek(const struct parser *parser)
{
    return at_end(parser) ? '\n' : parser->text[parser->offset];
}

static bool field_put(struct parser *parser, struct field *field, char c)
{
    if (field->length + 1 >= FIELD_BYTES_MAX)
        return fail(parser, field->at, "a field has at most 511 bytes", "field too long");
    field->text[field->length++] = c;
    return true;
}

static bool quoted_read(struct parser *parser, struct field *field)
{
    parser->offset++;
    for (;;) {
        if (at_end(parser))
            return fail(parser, field->at, "a closing quote", "the quoted field never ends");
        char c = parser->text[parser->offset++];
        if (c == '"' && peek(parser) != '"')
            return true;
        if (c == '"')
            parser->offset++;
        if (c == '\n')
            parser->next_line++;
        if (!field_put(parser, field, c))
            return false;
    }
}

/* UTF-8, and no NUL, where the comparisons further on would stop. */
static bool utf8_valid(const char *text, size_t length)
{
    uint32_t code = 1;
    size_t taken = 1;
    for (size_t at = 0; at < length && taken > 0 && code != 0; at += taken)
        taken = giro_utf8_next(text + at, length - at, &code);
    return taken > 0 && code != 0;
}

static bool field_read(struct parser *parser, size_t row_start)
{
    if (parser->field_count == FIELDS_MAX)
        return fail(parser, 1, "at most 64 columns", "too many fields");
    struct field *field = &parser->fields[parser->field_count++];
    field->length = 0;
    field->at = (uint32_t)(parser->offset - row_start) + 1;
    if (peek(parser) == '"' && !at_end(parser)) {
        if (!quoted_read(parser, field))
            return false;
        char next = peek(parser);
        if (next != ',' && next != '\r' && next != '\n')
            return fail(parser, (uint32_t)(parser->offset - row_start) + 1,
                        "a comma or the end of the line", "text after a closing quote");
    } else {
        while (peek(parser) != ',' && peek(parser) != '\r' && peek(parser) != '\n') {
            if (peek(parser) == '"')
                return fail(parser, (uint32_t)(parser->offset - row_start) + 1,
                            "a field with quotes is quoted as a whole", "a quote inside a field");
            if (!field_put(parser, field, parser->text[parser->offset]))
                return false;
            parser->offset++;
        }
    }
    field->text[field->length] = '\0';
    return utf8_valid(field->text, field->length) ||
           fail(parser, field->at, "UTF-8 without NUL", "a field in another encoding");
}

/* Reads one row into fields; false on an error. An empty line gives one empty field. */
static bool row_read(struct parser *parser)
{
    size_t row_start = parser->offset;
    parser->line = parser->next_line;
    parser->field_count = 0;
    for (;;) {
        if (!field_read(parser, row_start))
            return false;
        if (peek(parser) != ',' || at_end(parser))
            break;
        parser->offset++;
    }
    if (!at_end(parser) && parser->text[parser->offset] == '\r')
        parser->offset++;
    if (!at_end(parser) && parser->text[parser->offset] != '\n')
        return fail(parser, 1, "lines end with LF or CR LF", "a carriage return inside a line");
    parser->offset++;
    parser->next_line++;
    return true;
}

static bool header_read(struct parser *parser)
{
    if (parser->size_bytes >= 3 && memcmp(parser->text, "\xEF\xBB\xBF", 3) == 0)
        parser->offset = 3;
    parser->next_line = 1;
    if (at_end(parser)) {
        parser->line = 1;
        return fail(parser, 1, "a header line", "the file is empty");
    }
    if (!row_read(parser))
        return false;
    for (int c = 0; c < COLUMN_COUNT; c++)
        parser->column_at[c] = -1;
    for (uint32_t i = 0; i < parser->field_count; i++) {
        int found = -1;
        for (int c = 0; c < COLUMN_COUNT && found < 0; c++)
            if (strcmp(parser->fields[i].text, column_names[c]) == 0)
                found = c;
        if (found < 0)
            return fail(parser, parser->fields[i].at,
                        "columns are uetr,instruction_id,end_to_end_id,kind,service,debtor_bic,"
                        "creditor_bic,currency,amount,value_date,earliest_time,latest_time,"
                        "priority,group_id,original_uetr,reason,debtor_name,debtor_account,"
                        "creditor_name,creditor_account,remittance",
                        "unknown column \"%.40s\"", parser->fields[i].text);
        if (parser->column_at[found] >= 0)
            return fail(parser, parser->fields[i].at, "each column once", "column \"%s\" again",
                        column_names[found]);
        parser->column_at[found] = (int)i;
    }
    for (int c = 0; c < COLUMN_COUNT; c++)
        if (column_must[c] && parser->column_at[c] < 0)
            return fail(parser, 1,
                        "uetr, debtor_bic, creditor_bic, currency and amount must be there",
                        "column \"%s\" is missing", column_names[c]);
    return true;
}

/* ---- One payment --------------------------------------------------------------------------------------------- */

static const struct field *field_of(const struct parser *parser, enum column column)
{
    static const struct field empty = {.text = "", .length = 0, .at = 1};
    int at = parser->column_at[column];
    return at < 0 ? &empty : &parser->fields[at];
}

static bool word_read(struct parser *parser, enum column column, const char *const *words,
                      const uint8_t *values, uint8_t fallback, const char *expected, uint8_t *value)
{
    const struct field *field = field_of(parser, column);
    *value = fallback;
    if (field->length == 0)
        return true;
    for (uint32_t i = 0; words[i] != NULL; i++) {
        if (strcasecmp(field->text, words[i]) == 0) {
            *value = values[i];
            return true;
        }
    }
    return fail(parser, field->at, expected, "%s \"%.40s\"", column_names[column], field->text);
}

/* Two digits and nothing else, which sscanf would not insist on. */
static bool two_digits(const char *text, unsigned below, unsigned *value)
{
    if (text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9')
        return false;
    *value = (unsigned)(text[0] - '0') * 10 + (unsigned)(text[1] - '0');
    return *value < below;
}

/* YYYY-MM-DDTHH:MM:SSZ, up to 2106-02-07T06:28:15Z: a record holds seconds in 32 bits. */
static bool time_read(struct parser *parser, enum column column, uint32_t *seconds)
{
    const struct field *field = field_of(parser, column);
    *seconds = 0;
    if (field->length == 0)
        return true;
    uint16_t day = 0;
    unsigned hour, minute, second;
    const char *text = field->text;
    if (field->length == 20 && giro_date_parse(text, 10, &day) && text[10] == 'T' &&
        two_digits(text + 11, 24, &hour) && text[13] == ':' && two_digits(text + 14, 60, &minute) &&
        text[16] == ':' && two_digits(text + 17, 60, &second) && text[19] == 'Z') {
        uint64_t since_1970 = (uint64_t)day * 86400u + hour * 3600u + minute * 60u + second;
        if (since_1970 <= UINT32_MAX) {
            *seconds = (uint32_t)since_1970;
            return true;
        }
    }
    return fail(parser, field->at, "a UTC time such as 2026-11-24T09:30:00Z", "%s \"%.40s\"",
                column_names[column], field->text);
}

static bool uetr_read(struct parser *parser, uint64_t row, uint8_t uetr[16])
{
    const struct field *field = field_of(parser, COLUMN_uetr);
    if (field->length > 0) {
        if (giro_uetr_parse(field->text, field->length, uetr))
            return true;
        return fail(parser, field->at, "36 characters: 8-4-4-4-12 hexadecimal digits",
                    "uetr \"%.40s\"", field->text);
    }
    if (parser->seed == NULL) {
        randombytes_buf(uetr, 16);
    } else {
        struct giro_part parts[] = {{parser->seed, 32}, {&row, sizeof(row)}};
        struct giro_hash hash = giro_sha256_parts(parts, 2);
        memcpy(uetr, hash.bytes, 16);
    }
    uetr[6] = (uint8_t)((uetr[6] & 0x0F) | 0x40); /* version 4, variant 1 (RFC 4122) */
    uetr[8] = (uint8_t)((uetr[8] & 0x3F) | 0x80);
    return true;
}

static bool amount_read(struct parser *parser, struct giro_record *record)
{
    const struct field *currency = field_of(parser, COLUMN_currency);
    const struct field *amount = field_of(parser, COLUMN_amount);
    uint32_t index = giro_genesis_currency_by_code(parser->genesis, currency->text);
    if (index == GIRO_NONE)
        return fail(parser, currency->at, "a currency of the genesis file", "currency \"%.40s\"",
                    currency->text);
    const struct giro_genesis_currency *known = &parser->genesis->currencies[index];
    record->currency = known->number;
    switch (giro_money_parse(amount->text, amount->length, known->digits, &record->amount_minor)) {
    case GIRO_MONEY_PARSED:
        return true;
    case GIRO_MONEY_TOO_MANY_DECIMALS:
        return fail(parser, amount->at, "no more decimals than the currency has",
                    "amount \"%.40s\" has more than %u decimals", amount->text, known->digits);
    case GIRO_MONEY_TOO_LARGE:
        return fail(parser, amount->at, "at most 18 digits", "amount \"%.40s\" is too large",
                    amount->text);
    case GIRO_MONEY_NOT_A_NUMBER:
        break;
    }
    return fail(parser, amount->at, "digits, and a point before the decimals", "amount \"%.40s\"",
                amount->text);
}

static bool parties_read(struct parser *parser, struct giro_csv_payment *payment)
{
    const struct field *debtor = field_of(parser, COLUMN_debtor_bic);
    const struct field *creditor = field_of(parser, COLUMN_creditor_bic);
    uint32_t sender = giro_genesis_member_by_bic(parser->genesis, debtor->text);
    if (sender == GIRO_NONE)
        return fail(parser, debtor->at, "the BIC of a member of this hub", "debtor_bic \"%.40s\"",
                    debtor->text);
    if (!giro_bic_valid(creditor->text, creditor->length))
        return fail(parser, creditor->at, "a BIC of 8 or 11 characters", "creditor_bic \"%.40s\"",
                    creditor->text);
    uint32_t receiver = giro_genesis_member_by_bic(parser->genesis, creditor->text);
    payment->debtor = (uint16_t)sender;
    /* An unknown creditor is the hub's to reject (RC04), with a status the sender can show. */
    payment->record.creditor = receiver == GIRO_NONE ? GIRO_MEMBER_OPERATOR : (uint16_t)receiver;
    return true;
}

static bool terms_read(struct parser *parser, struct giro_record *record)
{
    static const char *const services[] = {"NET", "GROSS", NULL};
    static const uint8_t service_values[] = {GIRO_SERVICE_NET, GIRO_SERVICE_GROSS};
    static const char *const kinds[] = {"CREDIT_TRANSFER", "RETURN", "RECALL", NULL};
    static const uint8_t kind_values[] = {GIRO_PAYMENT_CREDIT_TRANSFER, GIRO_PAYMENT_RETURN,
                                          GIRO_PAYMENT_RECALL};
    static const char *const priorities[] = {"NORMAL", "HIGH", "URGENT", NULL};
    static const uint8_t priority_values[] = {GIRO_PRIORITY_NORMAL, GIRO_PRIORITY_HIGH,
                                              GIRO_PRIORITY_URGENT};
    const struct field *date = field_of(parser, COLUMN_value_date);
    if (date->length > 0 && !giro_date_parse(date->text, date->length, &record->value_date))
        return fail(parser, date->at, "a date such as 2026-11-24", "value_date \"%.40s\"",
                    date->text);
    const struct field *original = field_of(parser, COLUMN_original_uetr);
    const struct field *group = field_of(parser, COLUMN_group_id);
    if (original->length > 0 && group->length > 0)
        return fail(parser, group->at, "one of original_uetr and group_id",
                    "a payment has one link only");
    const struct field *link = original->length > 0 ? original : group;
    if (link->length > 0 && !giro_uetr_parse(link->text, link->length, record->link))
        return fail(parser, link->at, "36 characters: 8-4-4-4-12 hexadecimal digits",
                    "link \"%.40s\"", link->text);
    if (group->length > 0)
        record->flags = GIRO_RECORD_FLAG_LINK_IS_GROUP;
    return word_read(parser, COLUMN_service, services, service_values, GIRO_SERVICE_NET,
                     "NET or GROSS", &record->service) &&
           word_read(parser, COLUMN_kind, kinds, kind_values, GIRO_PAYMENT_CREDIT_TRANSFER,
                     "CREDIT_TRANSFER, RETURN or RECALL", &record->kind) &&
           word_read(parser, COLUMN_priority, priorities, priority_values, GIRO_PRIORITY_NORMAL,
                     "NORMAL, HIGH or URGENT", &record->priority) &&
           time_read(parser, COLUMN_earliest_time, &record->earliest_s) &&
           time_read(parser, COLUMN_latest_time, &record->latest_s);
}

static bool reason_read(struct parser *parser, struct giro_record *record)
{
    const struct field *field = field_of(parser, COLUMN_reason);
    if (field->length == 0)
        return true;
#define REASON_MATCH(number, name, sentence)                                                       \
    if ((number) != 0 && strcmp(field->text, #name) == 0) {                                        \
        record->reason = (number);                                                                 \
        return true;                                                                               \
    }
    GIRO_REASON_MAP(REASON_MATCH)
#undef REASON_MATCH
    return fail(parser, field->at, "a reason code such as AM05", "reason \"%.40s\"", field->text);
}

/* The payment's sealed details: not kept apart from it by anything but encryption, so read as strictly. */
static bool details_read(struct parser *parser, struct giro_csv_payment *payment)
{
    static const enum column columns[GIRO_DETAILS_FIELD_COUNT] = {
#define DETAILS_COLUMN(number, name, column, characters) COLUMN_##column,
        GIRO_DETAILS_FIELDS(DETAILS_COLUMN)
#undef DETAILS_COLUMN
    };
    struct giro_details details;
    enum giro_details_field wrong = GIRO_DETAILS_INSTRUCTION_ID;
    for (uint32_t i = 0; i < GIRO_DETAILS_FIELD_COUNT; i++) {
        const struct field *field = field_of(parser, columns[i]);
        details.fields[i] = (struct giro_details_text){field->text, (uint32_t)field->length};
    }
    if (parser->details_room - parser->details_bytes < GIRO_DETAILS_PLAIN_MAX) {
        size_t room = 2 * parser->details_room + 64 * GIRO_DETAILS_PLAIN_MAX;
        uint8_t *more = realloc(parser->details, room);
        if (more == NULL)
            return fail(parser, 1, "a smaller file", "out of memory");
        parser->details = more;
        parser->details_room = room;
    }
    const enum giro_details_fault fault = giro_details_encode(
        &details, parser->details + parser->details_bytes, &payment->details_bytes, &wrong);
    const struct field *field = field_of(parser, columns[wrong]);
    switch (fault) {
    case GIRO_DETAILS_GOOD:
        parser->details_bytes += payment->details_bytes;
        return true;
    case GIRO_DETAILS_EMPTY:
        return true;
    case GIRO_DETAILS_TEXT:
        return fail(parser, field->at, "one line of text without control characters",
                    "%s has a line break or another control character",
                    column_names[columns[wrong]]);
    case GIRO_DETAILS_LONG:
        return fail(parser, field->at, "ISO 20022 lets it have no more",
                    "%s has more than %u characters", column_names[columns[wrong]],
                    giro_details_field_characters(wrong));
    case GIRO_DETAILS_TOO_MUCH:
        break;
    }
    return fail(parser, 1,
                "references, names, accounts and remittance text have 1,024 bytes together",
                "the details are too long");
}

static bool payment_read(struct parser *parser, uint64_t row, struct giro_csv_payment *payment)
{
    memset(payment, 0, sizeof(*payment));
    payment->line = parser->line;
    return uetr_read(parser, row, payment->record.uetr) && parties_read(parser, payment) &&
           amount_read(parser, &payment->record) && terms_read(parser, &payment->record) &&
           reason_read(parser, &payment->record) && details_read(parser, payment);
}

/* Moves the plaintexts behind the list, so that one free frees both. */
static bool details_join(struct parser *parser, struct giro_csv_payment **list, uint64_t count)
{
    const size_t list_bytes = count * sizeof(**list);
    struct giro_csv_payment *joined = realloc(*list, list_bytes + parser->details_bytes + 1);
    if (joined == NULL)
        return fail(parser, 1, "a smaller file", "out of memory");
    *list = joined;
    uint8_t *at = (uint8_t *)joined + list_bytes;
    if (parser->details_bytes > 0)
        memcpy(at, parser->details, parser->details_bytes);
    for (uint64_t i = 0; i < count; i++) {
        joined[i].details = joined[i].details_bytes > 0 ? at : NULL;
        at += joined[i].details_bytes;
    }
    return true;
}

enum giro_err giro_payments_parse(const char *name, const char *text, size_t size_bytes,
                                  const struct giro_genesis *genesis, const uint8_t *seed,
                                  struct giro_csv_payment **payments, uint64_t *count,
                                  struct giro_diagnosis *diagnosis)
{
    struct parser *parser = calloc(1, sizeof(*parser));
    uint64_t room = 1024;
    struct giro_csv_payment *list = malloc(room * sizeof(*list));
    if (parser == NULL || list == NULL) {
        free(parser);
        free(list);
        return GIRO_ERR_NOMEM;
    }
    *parser = (struct parser){.name = name,
                              .text = text,
                              .size_bytes = size_bytes,
                              .genesis = genesis,
                              .seed = seed,
                              .diagnosis = diagnosis};
    bool good = header_read(parser);
    uint32_t width = parser->field_count;
    *count = 0;
    while (good && !at_end(parser)) {
        good = row_read(parser);
        if (good && parser->field_count != width)
            good = fail(parser, 1, "as many fields as the header", "%u fields instead of %u",
                        parser->field_count, width);
        if (good && *count == room) {
            struct giro_csv_payment *more = realloc(list, 2 * room * sizeof(*list));
            if (more == NULL) {
                good = fail(parser, 1, "a smaller file", "out of memory");
                break;
            }
            list = more;
            room *= 2;
        }
        if (good && payment_read(parser, *count, &list[*count]))
            (*count)++;
        else
            good = false;
    }
    good = good && details_join(parser, &list, *count);
    free(parser->details);
    free(parser);
    if (!good) {
        free(list);
        return GIRO_ERR_FORMAT;
    }
    *payments = list;
    return GIRO_ERR_OK;
}
