/* totals.csv: sums computed from the rows of a window, held against its record. Order within a window: TOTAL, then KIND by
 * service and kind, then BILATERAL by counterparty (member order, the hub last), service and kind; then the same for each
 * cycle, ascending. */
#include <stdlib.h>

#include "files.h"

#define SERVICES 3u
#define KINDS    8u
#define PARTIES  (GIRO_MEMBERS_MAX + 1u) /* the hub is the last */

struct sum {
    giro_i128 debit, credit;
    uint64_t debit_count, credit_count;
};
struct recon_totals {
    struct sum all;
    struct sum kinds[SERVICES][KINDS];
    struct sum bilateral[PARTIES][SERVICES][KINDS];
    bool touched[PARTIES];
};

struct recon_totals *recon_totals_new(void)
{
    return calloc(1, sizeof(struct recon_totals));
}

void recon_totals_free(struct recon_totals *totals)
{
    free(totals);
}

static void clear(struct recon_totals *totals)
{
    memset(&totals->all, 0, sizeof(totals->all));
    memset(totals->kinds, 0, sizeof(totals->kinds));
    for (uint32_t party = 0; party < PARTIES; party++)
        if (totals->touched[party])
            memset(totals->bilateral[party], 0, sizeof(totals->bilateral[party]));
    memset(totals->touched, 0, sizeof(totals->touched));
}

static bool sum_add(struct sum *sum, const struct giro_entry *entry)
{
    if (entry->direction == GIRO_DEBIT) {
        sum->debit_count++;
        return giro_money_add(sum->debit, entry->amount_minor, &sum->debit);
    }
    sum->credit_count++;
    return giro_money_add(sum->credit, entry->amount_minor, &sum->credit);
}

/* Adds the rows of one book; of one cycle if cycle > 0. */
static bool rows_add(struct recon_totals *totals, const struct giro_genesis *genesis,
                     const uint8_t *rows, uint32_t count, uint32_t cycle)
{
    for (uint32_t i = 0; i < count; i++) {
        struct giro_entry entry;
        memcpy(&entry, rows + (size_t)i * sizeof(entry), sizeof(entry));
        if (cycle > 0 && entry.cycle != cycle)
            continue;
        uint32_t party =
            entry.counterparty < genesis->member_count ? entry.counterparty : GIRO_MEMBERS_MAX;
        if (entry.service >= SERVICES || entry.kind >= KINDS)
            return false;
        totals->touched[party] = true;
        if (!sum_add(&totals->all, &entry) ||
            !sum_add(&totals->kinds[entry.service][entry.kind], &entry) ||
            !sum_add(&totals->bilateral[party][entry.service][entry.kind], &entry))
            return false;
    }
    return true;
}

/* What every line of one account or cycle in one window begins with. */
struct lines {
    const struct giro_genesis *genesis;
    const struct giro_window_record *record;
    const char *prefix; /* "" or "CYCLE_" */
    char account[RECON_ACCOUNT_BYTES];
    uint32_t currency;
    struct recon_out *out;
};

static void line_begin(struct recon_row *row, const struct lines *lines, const char *name,
                       const char *counterparty, uint32_t service, uint32_t kind,
                       const struct sum *sum)
{
    char text[24];
    uint32_t digits = lines->genesis->currencies[lines->currency].digits;
    *row = (struct recon_row){.length = 0};
    recon_row_date(row, lines->record->business_date);
    recon_row_number(row, lines->record->window);
    recon_row_text(row, lines->account);
    recon_row_text(row, lines->genesis->currencies[lines->currency].code);
    snprintf(text, sizeof(text), "%s%s", lines->prefix, name);
    recon_row_text(row, text);
    recon_row_text(row, counterparty);
    const char *service_text = recon_service_text((uint8_t)service);
    const char *kind_text = recon_kind_text((uint8_t)kind);
    recon_row_text(row, service_text != NULL ? service_text : "");
    recon_row_text(row, kind_text != NULL ? kind_text : "");
    recon_row_number(row, sum->debit_count);
    recon_row_amount(row, sum->debit, digits);
    recon_row_number(row, sum->credit_count);
    recon_row_amount(row, sum->credit, digits);
}

static void fields_empty(struct recon_row *row, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        recon_row_text(row, "");
}

static bool sum_used(const struct sum *sum)
{
    return sum->debit_count > 0 || sum->credit_count > 0;
}

/* KIND and BILATERAL lines, and whether each kind of line sums to the same as all rows. */
static bool parts_render(const struct recon_totals *totals, const struct lines *lines)
{
    struct sum over_kinds = {.debit = 0}, over_parties = {.debit = 0};
    struct recon_row row;
    for (uint32_t service = 0; service < SERVICES; service++) {
        for (uint32_t kind = 0; kind < KINDS; kind++) {
            const struct sum *sum = &totals->kinds[service][kind];
            if (!sum_used(sum))
                continue;
            line_begin(&row, lines, "KIND", "", service, kind, sum);
            fields_empty(&row, 9);
            recon_row_end(&row, lines->out);
            over_kinds.debit += sum->debit;
            over_kinds.credit += sum->credit;
        }
    }
    for (uint32_t i = 0; i < PARTIES * SERVICES * KINDS; i++) {
        uint32_t party = i / (SERVICES * KINDS), service = i / KINDS % SERVICES, kind = i % KINDS;
        if (!totals->touched[party])
            continue;
        const struct sum *sum = &totals->bilateral[party][service][kind];
        if (!sum_used(sum))
            continue;
        line_begin(&row, lines, "BILATERAL", recon_bic(lines->genesis, (uint16_t)party), service,
                   kind, sum);
        fields_empty(&row, 9);
        recon_row_end(&row, lines->out);
        over_parties.debit += sum->debit;
        over_parties.credit += sum->credit;
    }
    return over_kinds.debit == totals->all.debit && over_kinds.credit == totals->all.credit &&
           over_parties.debit == totals->all.debit && over_parties.credit == totals->all.credit;
}

static bool feet(const struct sum *sum, struct giro_amount128 debit, struct giro_amount128 credit,
                 uint64_t debit_count, uint64_t credit_count, struct giro_amount128 opening,
                 struct giro_amount128 closing)
{
    return sum->debit == giro_amount128_get(debit) && sum->credit == giro_amount128_get(credit) &&
           sum->debit_count == debit_count && sum->credit_count == credit_count &&
           giro_amount128_get(opening) + sum->credit - sum->debit == giro_amount128_get(closing);
}

static const char *account_render(struct recon_totals *totals, struct lines *lines,
                                  const struct giro_journal_view *view)
{
    const struct giro_window_record *record = &view->record;
    clear(totals);
    if (!rows_add(totals, lines->genesis, view->entries, view->header.entry_count, 0) ||
        !feet(&totals->all, record->debit_minor, record->credit_minor, record->debit_count,
              record->credit_count, record->opening, record->closing))
        return "the entries do not add up to the window's totals";
    uint32_t digits = lines->genesis->currencies[lines->currency].digits;
    const struct giro_amount128 amounts[] = {
        record->opening,    record->closing,   record->available,     record->reserved_minor,
        record->held_minor, record->cap_minor, record->cap_used_minor};
    struct recon_row row;
    recon_account_text(lines->genesis, record, 0, lines->account);
    lines->prefix = "";
    line_begin(&row, lines, "TOTAL", "", 0, 0, &totals->all);
    for (uint32_t i = 0; i < sizeof(amounts) / sizeof(amounts[0]); i++)
        recon_row_amount(&row, giro_amount128_get(amounts[i]), digits);
    recon_row_number(&row, record->queued_count);
    recon_row_amount(&row, giro_amount128_get(record->queued_minor), digits);
    recon_row_end(&row, lines->out);
    return parts_render(totals, lines) ? NULL : "the kinds do not add up to the window's totals";
}

static const char *cycle_render(struct recon_totals *totals, struct lines *lines,
                                const struct giro_journal_view *view,
                                const struct giro_window_cycle *cycle)
{
    clear(totals);
    if (!rows_add(totals, lines->genesis, view->positions, view->header.position_count,
                  cycle->cycle) ||
        !feet(&totals->all, cycle->debit_minor, cycle->credit_minor, cycle->debit_count,
              cycle->credit_count, cycle->opening, cycle->closing))
        return "the position's entries do not add up to its cycle's totals";
    uint32_t digits = lines->genesis->currencies[lines->currency].digits;
    struct recon_row row;
    recon_account_text(lines->genesis, &view->record, cycle->cycle, lines->account);
    lines->prefix = "CYCLE_";
    line_begin(&row, lines, "TOTAL", "", 0, 0, &totals->all);
    recon_row_amount(&row, giro_amount128_get(cycle->opening), digits);
    recon_row_amount(&row, giro_amount128_get(cycle->closing), digits);
    fields_empty(&row, 7);
    recon_row_end(&row, lines->out);
    return parts_render(totals, lines) ? NULL : "the kinds do not add up to the cycle's totals";
}

const char *recon_totals_render(struct recon_totals *totals, const struct giro_genesis *genesis,
                                const struct giro_journal_view *view, struct recon_out *out)
{
    struct lines lines = {.genesis = genesis,
                          .record = &view->record,
                          .currency =
                              giro_genesis_currency_by_number(genesis, view->record.currency),
                          .out = out};
    const char *wrong = account_render(totals, &lines, view);
    for (uint32_t i = 0; wrong == NULL && i < view->record.cycle_count; i++)
        wrong = cycle_render(totals, &lines, view, &view->cycles[i]);
    return wrong;
}
