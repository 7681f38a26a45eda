/* The lines of entries.csv, positions.csv and statuses.csv: integers and text only, so every machine writes the same bytes.
 * Only references are text of others: they may hold commas and quotes, never a line end. */
#include "files.h"

const char recon_entries_header[] =
    "business_date,account,currency,entry,window,height,booking_time,value_date,kind,service,cycle,"
    "direction,amount,balance_after,uetr,instruction_id,end_to_end_id,counterparty_bic,"
    "original_uetr,reason\n";
const char recon_statuses_header[] =
    "time,height,channel,sequence,uetr,instruction_id,status,reason,cycle\n";
const char recon_totals_header[] =
    "business_date,window,account,currency,row,counterparty_bic,service,kind,debit_count,"
    "debit_amount,credit_count,credit_amount,opening,closing,available,reserved,held,cap,cap_used,"
    "queued_count,queued_amount\n";
const char recon_netting_header[] =
    "cycle,member_bic,counterparty_bic,currency,sent_count,sent_amount,received_count,"
    "received_amount,net_amount\n";

void recon_row_text(struct recon_row *row, const char *text)
{
    size_t length = strlen(text);
    GIRO_ASSERT(row->length + length + 2 <= sizeof(row->text));
    if (row->fields++ > 0)
        row->text[row->length++] = ',';
    memcpy(row->text + row->length, text, length);
    row->length += length;
}

void recon_row_quoted(struct recon_row *row, const char *text)
{
    char quoted[2 * GIRO_DETAILS_PLAIN_MAX];
    size_t length = 0;
    if (strpbrk(text, ",\"") == NULL) {
        recon_row_text(row, text);
        return;
    }
    quoted[length++] = '"';
    for (const char *at = text; *at != '\0'; at++) {
        GIRO_ASSERT(length + 4 <= sizeof(quoted));
        if (*at == '"')
            quoted[length++] = '"';
        quoted[length++] = *at;
    }
    quoted[length++] = '"';
    quoted[length] = '\0';
    recon_row_text(row, quoted);
}

void recon_row_number(struct recon_row *row, uint64_t number)
{
    char text[24];
    uint32_t at = sizeof(text) - 1;
    text[at] = '\0';
    do {
        text[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    recon_row_text(row, text + at);
}

void recon_row_number_or_empty(struct recon_row *row, uint64_t number)
{
    if (number == 0)
        recon_row_text(row, "");
    else
        recon_row_number(row, number);
}

void recon_row_amount(struct recon_row *row, giro_i128 amount_minor, uint32_t digits)
{
    char text[GIRO_MONEY_TEXT_BYTES];
    giro_money_format(amount_minor, digits, text);
    recon_row_text(row, text);
}

void recon_row_date(struct recon_row *row, uint16_t day)
{
    char text[11];
    giro_date_format(day, text);
    recon_row_text(row, day == 0 ? "" : text);
}

void recon_row_end(struct recon_row *row, struct recon_out *out)
{
    row->text[row->length++] = '\n';
    recon_out_put(out, row->text, row->length);
    row->length = 0;
    row->fields = 0;
}

static void row_time(struct recon_row *row, uint64_t time_ns)
{
    char text[GIRO_TIME_TEXT_BYTES];
    giro_time_format(time_ns, text);
    recon_row_text(row, text);
}

static void row_uetr(struct recon_row *row, const uint8_t uetr[16])
{
    static const uint8_t none[16];
    char text[37];
    giro_uetr_format(uetr, text);
    recon_row_text(row, memcmp(uetr, none, sizeof(none)) == 0 ? "" : text);
}

static void row_reason(struct recon_row *row, uint16_t reason)
{
    recon_row_text(row, reason == GIRO_REASON_NONE ? "" : giro_reason_name(reason));
}

const char *recon_service_text(uint8_t service)
{
    static const char *const names[] = {"", "GROSS", "NET"};
    return service < sizeof(names) / sizeof(names[0]) ? names[service] : NULL;
}

const char *recon_kind_text(uint8_t kind)
{
    static const char *const names[] = {NULL,         "CREDIT_TRANSFER", "RETURN",  "RECALL",
                                        "ADJUSTMENT", "SETTLEMENT",      "FUNDING", "FEE"};
    return kind < sizeof(names) / sizeof(names[0]) ? names[kind] : NULL;
}

const char *recon_bic(const struct giro_genesis *genesis, uint16_t member)
{
    return member < genesis->member_count ? genesis->members[member].bic : "";
}

void recon_account_text(const struct giro_genesis *genesis, const struct giro_window_record *record,
                        uint32_t cycle, char text[RECON_ACCOUNT_BYTES])
{
    uint32_t currency = giro_genesis_currency_by_number(genesis, record->currency);
    GIRO_ASSERT(currency != GIRO_NONE);
    int length = snprintf(text, RECON_ACCOUNT_BYTES, "%s-%s", recon_bic(genesis, record->member),
                          genesis->currencies[currency].code);
    if (cycle > 0)
        length += snprintf(text + length, RECON_ACCOUNT_BYTES - (size_t)length, "-%u", cycle);
    GIRO_ASSERT((size_t)length < RECON_ACCOUNT_BYTES);
}

static const char *entry_render(const struct giro_genesis *genesis,
                                const struct giro_window_record *record,
                                const struct giro_entry *entry, bool position,
                                const struct recon_details *details, struct recon_out *out)
{
    uint32_t currency = giro_genesis_currency_by_number(genesis, record->currency);
    const char *kind = recon_kind_text(entry->kind);
    const char *service = recon_service_text(entry->service);
    if (kind == NULL || service == NULL)
        return "an entry has a kind or service nobody knows";
    if (entry->direction != GIRO_DEBIT && entry->direction != GIRO_CREDIT)
        return "an entry is neither debit nor credit";
    if (entry->counterparty >= genesis->member_count && entry->counterparty != 0xFFFF)
        return "an entry names a counterparty nobody knows";
    uint32_t digits = genesis->currencies[currency].digits;
    char account[RECON_ACCOUNT_BYTES];
    recon_account_text(genesis, record, position ? entry->cycle : 0, account);
    struct recon_row row = {.length = 0};
    recon_row_date(&row, record->business_date);
    recon_row_text(&row, account);
    recon_row_text(&row, genesis->currencies[currency].code);
    recon_row_number(&row, entry->entry);
    recon_row_number(&row, record->window);
    recon_row_number(&row, entry->height);
    row_time(&row, entry->booking_time_ns);
    recon_row_date(&row, entry->value_date);
    recon_row_text(&row, kind);
    recon_row_text(&row, service);
    recon_row_number_or_empty(&row, entry->cycle);
    recon_row_text(&row, entry->direction == GIRO_DEBIT ? "DBIT" : "CRDT");
    recon_row_amount(&row, entry->amount_minor, digits);
    recon_row_amount(&row, giro_amount128_get(entry->balance_after), digits);
    row_uetr(&row, entry->uetr);
    const struct recon_place place = {entry->height, entry->leaf_index, entry->record, entry->uetr};
    recon_row_quoted(&row, recon_details_find(details, &place, RECON_INSTRUCTION_ID));
    recon_row_quoted(&row, recon_details_find(details, &place, RECON_END_TO_END_ID));
    recon_row_text(&row, recon_bic(genesis, entry->counterparty));
    row_uetr(&row, entry->link);
    row_reason(&row, entry->reason);
    recon_row_end(&row, out);
    return NULL;
}

const char *recon_entries_render(const struct giro_genesis *genesis,
                                 const struct giro_journal_view *view, bool positions,
                                 const struct recon_details *details, struct recon_out *out)
{
    const uint8_t *at = positions ? view->positions : view->entries;
    uint32_t count = positions ? view->header.position_count : view->header.entry_count;
    for (uint32_t i = 0; i < count; i++) {
        struct giro_entry entry;
        memcpy(&entry, at + (size_t)i * sizeof(entry), sizeof(entry));
        const char *wrong = entry_render(genesis, &view->record, &entry, positions, details, out);
        if (wrong != NULL)
            return wrong;
    }
    return NULL;
}

void recon_statuses_render(const struct giro_journal_view *view,
                           const struct recon_details *details, struct recon_out *out)
{
    static const uint8_t none[16];
    for (uint32_t i = 0; i < view->header.status_count; i++) {
        struct giro_status_row status;
        memcpy(&status, view->statuses + (size_t)i * sizeof(status), sizeof(status));
        bool whole_cycle = memcmp(status.uetr, none, sizeof(none)) == 0;
        struct recon_row row = {.length = 0};
        row_time(&row, status.time_ns);
        recon_row_number(&row, status.height);
        if (whole_cycle) {
            recon_row_text(&row, "");
            recon_row_text(&row, "");
        } else {
            recon_row_number(&row, status.channel);
            recon_row_number(&row, status.sequence);
        }
        row_uetr(&row, status.uetr);
        const struct recon_place place = {status.height, status.leaf_index, status.record,
                                          status.uetr};
        recon_row_quoted(&row, recon_details_find(details, &place, RECON_INSTRUCTION_ID));
        recon_row_text(&row, giro_status_name(status.status));
        row_reason(&row, status.reason);
        recon_row_number_or_empty(&row, status.cycle);
        recon_row_end(&row, out);
    }
}

/* ---- For those who follow windows as they come ---- */

const char *giro_rows_header(enum giro_rows rows)
{
    return rows == GIRO_ROWS_STATUSES ? recon_statuses_header : recon_entries_header;
}

const char *giro_rows_render(const struct giro_genesis *genesis,
                             const struct giro_journal_view *view, enum giro_rows rows,
                             void (*line)(void *context, const char *text, size_t length),
                             void *context)
{
    struct recon_out out = {.sink = line, .sink_context = context};
    if (rows != GIRO_ROWS_STATUSES)
        return recon_entries_render(genesis, view, rows == GIRO_ROWS_POSITIONS, NULL, &out);
    recon_statuses_render(view, NULL, &out);
    return NULL;
}
