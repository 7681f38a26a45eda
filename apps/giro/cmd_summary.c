/* giro summary: one table from all members' verified files, and the same as JSON. */
#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "apps/giro/giro.h"
#include "giro/recon.h"

struct arguments {
    const char *genesis, *dir, *load, *out;
};

static const struct argp_option options[] = {
    {"genesis", 'g', "FILE", 0, "genesis file (default: genesis.json)", 0},
    {"load", 'l', "FILE", 0, "figures written by giro load or giro send --json", 0},
    {"out", 'o', "FILE", 0, "also write the table as JSON", 0},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case 'g':
        arguments->genesis = arg;
        return 0;
    case 'l':
        arguments->load = arg;
        return 0;
    case 'o':
        arguments->out = arg;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->dir != NULL)
            argp_error(state, "one folder, please");
        arguments->dir = arg;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which folder?");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* One member's account in one currency. */
struct account {
    giro_i128 opening, closing; /* of the settlement account */
    giro_i128 net;              /* credits - debits over all cycles' positions */
    uint64_t sent, received;    /* bookings of payments, both books */
    uint64_t windows;
    bool seen;
};
struct totals {
    const struct giro_genesis *genesis;
    struct account (*accounts)[GIRO_CURRENCIES_MAX]; /* by member */
    uint64_t by_status[10], by_reason[32], payments;
    uint64_t windows, bytes, settled_cycles;
};

/* ---- Reading --------------------------------------------------------------------------------------------- */

static void count_rows(struct account *account, const uint8_t *rows, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct giro_entry entry;
        memcpy(&entry, rows + i * sizeof(entry), sizeof(entry));
        if (entry.kind == GIRO_PAYMENT_SETTLEMENT)
            continue;
        if (entry.direction == GIRO_DEBIT)
            account->sent++;
        else
            account->received++;
    }
}

static void count_statuses(struct totals *totals, const struct giro_journal_view *view)
{
    static const uint8_t none[16];
    for (uint32_t i = 0; i < view->header.status_count; i++) {
        struct giro_status_row row;
        memcpy(&row, view->statuses + i * sizeof(row), sizeof(row));
        if (memcmp(row.uetr, none, sizeof(none)) == 0 && row.status == GIRO_STATUS_ACSC)
            continue; /* a whole cycle changed */
        totals->payments++;
        totals->by_status[row.status < 10 ? row.status : 0]++;
        if (row.status == GIRO_STATUS_RJCT)
            totals->by_reason[row.reason < 32 ? row.reason : 0]++;
    }
}

static bool take_block(struct totals *totals, uint32_t member, const struct giro_journal_view *view)
{
    uint32_t currency = giro_genesis_currency_by_number(totals->genesis, view->record.currency);
    if (currency == GIRO_NONE || view->record.member != member)
        return false;
    struct account *account = &totals->accounts[member][currency];
    if (!account->seen)
        account->opening = giro_amount128_get(view->record.opening);
    account->seen = true;
    account->closing = giro_amount128_get(view->record.closing);
    account->windows++;
    for (uint32_t c = 0; c < view->record.cycle_count; c++)
        account->net += giro_amount128_get(view->cycles[c].credit_minor) -
                        giro_amount128_get(view->cycles[c].debit_minor);
    count_rows(account, view->entries, view->header.entry_count);
    count_rows(account, view->positions, view->header.position_count);
    count_statuses(totals, view);
    totals->settled_cycles += member == 0 && view->header.has_cycle;
    totals->windows++;
    return true;
}

static enum giro_err read_journal(struct totals *totals, uint32_t member, const char *path,
                                  struct giro_diagnosis *diagnosis)
{
    char *bytes = NULL;
    size_t size = 0;
    enum giro_err err = giro_file_read(path, SIZE_MAX / 2, &bytes, &size);
    static struct giro_journal_view view;
    for (size_t at = sizeof(struct giro_journal_header); err == GIRO_ERR_OK && at < size;) {
        bool good = giro_journal_decode(bytes + at, size - at, totals->genesis->replica_count,
                                        &view) == GIRO_REJECT_NONE &&
                    take_block(totals, member, &view);
        if (!good)
            err = GIRO_ERR_FORMAT;
        at += good ? view.size_bytes : 0;
    }
    totals->bytes += size;
    free(bytes);
    if (err != GIRO_ERR_OK)
        giro_diagnosis_set(diagnosis, giro_err_sentence(err), giro_err_advice(err),
                           "\"%s\" cannot be read", path);
    return err;
}

static enum giro_err read_member(struct totals *totals, const char *dir, uint32_t member,
                                 struct giro_diagnosis *diagnosis)
{
    char path[700];
    snprintf(path, sizeof(path), "%s/%s", dir, totals->genesis->members[member].bic);
    struct dirent **names = NULL;
    int count = scandir(path, &names, NULL, alphasort);
    enum giro_err err = GIRO_ERR_OK;
    for (int i = 0; i < count; i++) {
        uint16_t day;
        if (err == GIRO_ERR_OK &&
            giro_date_parse(names[i]->d_name, strlen(names[i]->d_name), &day)) {
            char journal[1000];
            snprintf(journal, sizeof(journal), "%s/%s/windows.journal", path, names[i]->d_name);
            err = read_journal(totals, member, journal, diagnosis);
        }
        free(names[i]);
    }
    free(names);
    return err;
}

/* A member that never appears keeps what genesis gave it. */
static void fill_silent(struct totals *totals)
{
    const struct giro_genesis *genesis = totals->genesis;
    for (uint32_t m = 0; m < genesis->member_count; m++)
        for (uint32_t a = 0; a < genesis->members[m].account_count; a++) {
            const struct giro_genesis_account *from = &genesis->members[m].accounts[a];
            struct account *account = &totals->accounts[m][from->currency_index];
            if (!account->seen)
                account->opening = account->closing = from->prefunded_minor;
        }
}

/* ---- Showing ------------------------------------------------------------------------------------------------- */

struct conservation {
    giro_i128 prefunded, balances, positions;
};

static struct conservation conserve(const struct totals *totals, uint32_t currency)
{
    struct conservation sums = {0, 0, 0};
    const struct giro_genesis *genesis = totals->genesis;
    for (uint32_t m = 0; m < genesis->member_count; m++) {
        for (uint32_t a = 0; a < genesis->members[m].account_count; a++)
            if (genesis->members[m].accounts[a].currency_index == currency)
                sums.prefunded += genesis->members[m].accounts[a].prefunded_minor;
        sums.balances += totals->accounts[m][currency].closing;
        sums.positions += totals->accounts[m][currency].net;
    }
    return sums;
}

static void print_members(const struct totals *totals, uint32_t currency)
{
    const struct giro_genesis *genesis = totals->genesis;
    uint32_t digits = genesis->currencies[currency].digits;
    printf("\n%-11s  %3s  %10s  %10s  %22s  %22s\n", "member", "", "sent", "received",
           "net position", "settlement account");
    for (uint32_t m = 0; m < genesis->member_count; m++) {
        const struct account *account = &totals->accounts[m][currency];
        char net[GIRO_MONEY_TEXT_BYTES], closing[GIRO_MONEY_TEXT_BYTES], sent[32], received[32];
        giro_money_format(account->net, digits, net);
        giro_money_format(account->closing, digits, closing);
        printf("%-11s  %3s  %10s  %10s  %22s  %22s\n", genesis->members[m].bic,
               genesis->currencies[currency].code, giro_count_format(account->sent, sent),
               giro_count_format(account->received, received), net, closing);
    }
}

static bool print_conservation(const struct totals *totals, uint32_t currency)
{
    struct conservation sums = conserve(totals, currency);
    uint32_t digits = totals->genesis->currencies[currency].digits;
    char prefunded[GIRO_MONEY_TEXT_BYTES], balances[GIRO_MONEY_TEXT_BYTES],
        positions[GIRO_MONEY_TEXT_BYTES];
    giro_money_format(sums.prefunded, digits, prefunded);
    giro_money_format(sums.balances, digits, balances);
    giro_money_format(sums.positions, digits, positions);
    bool holds = sums.balances == sums.prefunded && sums.positions == 0;
    printf("\nsettlement accounts  %s of %s prefunded: %s\nclearing positions   %s: %s\n", balances,
           prefunded, sums.balances == sums.prefunded ? "conserved" : "NOT CONSERVED", positions,
           sums.positions == 0 ? "conserved" : "NOT CONSERVED");
    return holds;
}

static void print_payments(const struct totals *totals)
{
    char text[32];
    printf("payments  %15s\n", giro_count_format(totals->payments, text));
    for (uint32_t i = 0; i < 10; i++)
        if (totals->by_status[i] > 0)
            printf("  %-10s  %11s\n", giro_status_name((uint8_t)i),
                   giro_count_format(totals->by_status[i], text));
    for (uint32_t i = 0; i < 32; i++)
        if (totals->by_reason[i] > 0)
            printf("  RJCT %-5s  %11s  %s\n", giro_reason_name((uint16_t)i),
                   giro_count_format(totals->by_reason[i], text),
                   giro_reason_sentence((uint16_t)i));
    printf("windows   %15s\n", giro_count_format(totals->windows, text));
    printf("cycles    %15s settled\n", giro_count_format(totals->settled_cycles, text));
    printf("journals  %15s bytes\n", giro_count_format(totals->bytes, text));
}

static void print_load(const json_t *load)
{
    if (load == NULL)
        return;
    char text[32];
    printf("rate      %15s payments/s certified\n",
           giro_count_format(
               (uint64_t)json_integer_value(json_object_get(load, "payments_per_second")), text));
    printf("latency   %12.1f ms p50, %.1f ms p99 (certified)\n",
           (double)json_integer_value(json_object_get(load, "certified_p50_us")) / 1000.0,
           (double)json_integer_value(json_object_get(load, "certified_p99_us")) / 1000.0);
}

static json_t *money_json(giro_i128 value, uint32_t digits)
{
    char text[GIRO_MONEY_TEXT_BYTES];
    giro_money_format(value, digits, text);
    return json_string(text);
}

static json_t *member_json(const struct totals *totals, uint32_t m, uint32_t currency)
{
    const struct account *account = &totals->accounts[m][currency];
    uint32_t digits = totals->genesis->currencies[currency].digits;
    return json_pack(
        "{s:s, s:s, s:I, s:I, s:I, s:o, s:o, s:o}", "bic", totals->genesis->members[m].bic,
        "currency", totals->genesis->currencies[currency].code, "sent", (json_int_t)account->sent,
        "received", (json_int_t)account->received, "windows", (json_int_t)account->windows,
        "opening", money_json(account->opening, digits), "net_position",
        money_json(account->net, digits), "closing", money_json(account->closing, digits));
}

static json_t *to_json(const struct totals *totals, json_t *load, bool holds)
{
    json_t *statuses = json_object(), *reasons = json_object(), *members = json_array(),
           *conservation = json_array();
    for (uint32_t i = 0; i < 10; i++)
        if (totals->by_status[i] > 0)
            json_object_set_new(statuses, giro_status_name((uint8_t)i),
                                json_integer((json_int_t)totals->by_status[i]));
    for (uint32_t i = 0; i < 32; i++)
        if (totals->by_reason[i] > 0)
            json_object_set_new(reasons, giro_reason_name((uint16_t)i),
                                json_integer((json_int_t)totals->by_reason[i]));
    for (uint32_t c = 0; c < totals->genesis->currency_count; c++) {
        uint32_t digits = totals->genesis->currencies[c].digits;
        struct conservation sums = conserve(totals, c);
        json_array_append_new(conservation,
                              json_pack("{s:s, s:o, s:o, s:o}", "currency",
                                        totals->genesis->currencies[c].code, "prefunded",
                                        money_json(sums.prefunded, digits), "settlement_accounts",
                                        money_json(sums.balances, digits), "clearing_positions",
                                        money_json(sums.positions, digits)));
        for (uint32_t m = 0; m < totals->genesis->member_count; m++)
            json_array_append_new(members, member_json(totals, m, c));
    }
    return json_pack("{s:s, s:I, s:o, s:o, s:o, s:o, s:b, s:I, s:I, s:I, s:O?}", "hub",
                     totals->genesis->name, "payments", (json_int_t)totals->payments, "statuses",
                     statuses, "reasons", reasons, "members", members, "conservation", conservation,
                     "conserved", holds, "windows", (json_int_t)totals->windows, "settled_cycles",
                     (json_int_t)totals->settled_cycles, "journal_bytes", (json_int_t)totals->bytes,
                     "load", load);
}

static int show(const struct arguments *arguments, const struct totals *totals)
{
    json_t *load = arguments->load == NULL ? NULL : json_load_file(arguments->load, 0, NULL);
    bool holds = true;
    print_payments(totals);
    print_load(load);
    for (uint32_t c = 0; c < totals->genesis->currency_count; c++) {
        print_members(totals, c);
        holds = print_conservation(totals, c) && holds;
    }
    json_t *json = to_json(totals, load, holds);
    bool written = arguments->out == NULL ||
                   (json != NULL && json_dump_file(json, arguments->out, JSON_INDENT(2)) == 0);
    if (!written)
        fprintf(stderr, "giro summary: \"%s\" cannot be written\n", arguments->out);
    json_decref(json);
    json_decref(load);
    return holds && written ? GIRO_EXIT_OK : GIRO_EXIT_FAILURE;
}

int giro_cmd_summary(int argc, char **argv)
{
    static const char doc[] =
        "Adds up the journals of all members in DIR/<BIC>/<business date>/windows.journal: "
        "payments by status and "
        "reason, net positions, conservation of both books. Verify them first with giro verify. "
        "Exits 1 unless both "
        "books are conserved.\v"
        "Example:\n  giro summary --genesis genesis.json --out summary.json files";
    struct arguments arguments = {.genesis = "genesis.json"};
    const struct argp argp = {options, parse, "DIR", doc, NULL, NULL, NULL};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    static struct giro_genesis genesis;
    struct giro_diagnosis diagnosis = {.fact = ""};
    enum giro_err err = giro_genesis_load(arguments.genesis, &genesis, &diagnosis);
    if (err != GIRO_ERR_OK)
        return giro_fail("summary", err, &diagnosis);
    struct totals totals = {.genesis = &genesis,
                            .accounts = calloc(genesis.member_count + 1, sizeof(*totals.accounts))};
    err = totals.accounts == NULL ? GIRO_ERR_NOMEM : GIRO_ERR_OK;
    for (uint32_t m = 0; err == GIRO_ERR_OK && m < genesis.member_count; m++)
        err = read_member(&totals, arguments.dir, m, &diagnosis);
    int code = GIRO_EXIT_OK;
    if (err == GIRO_ERR_OK) {
        fill_silent(&totals);
        code = show(&arguments, &totals);
    } else {
        code = giro_fail("summary", err, &diagnosis);
    }
    free(totals.accounts);
    giro_genesis_free(&genesis);
    return code;
}
