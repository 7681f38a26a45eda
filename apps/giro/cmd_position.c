/* giro position: a member's liquidity as of the newest sealed second, and each second that follows. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "apps/giro/access.h"
#include "apps/giro/feed.h"

#define ROWS_PER_HEADER 40u

struct arguments {
    struct giro_access access;
    const char *as;
    uint32_t give_up_s;
    bool follow, json;
};

static const struct argp_option options[] = {
    {"as", 'a', "BIC", 0, "the member, whose session key is shown", 0},
    {"follow", 'f', NULL, 0, "then go on, a line for each second in which something changed", 1},
    {"json", 'j', NULL, 0, "a JSON object a line, not a table", 1},
    {"give-up", 'G', "SECONDS", 0, "end when no replica answers for so long (default: 60; 0 never)",
     1},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->access;
        break;
    case 'a':
        arguments->as = arg;
        break;
    case 'f':
        arguments->follow = true;
        break;
    case 'j':
        arguments->json = true;
        break;
    case 'G':
        arguments->give_up_s = (uint32_t)strtoul(arg, NULL, 10);
        break;
    case ARGP_KEY_ARG:
        argp_error(state, "what is \"%s\"?", arg);
        break;
    case ARGP_KEY_END:
        if (arguments->as == NULL || arguments->access.https_count == 0)
            argp_error(state, "--as and --https are needed");
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

/* ---- Showing ------------------------------------------------------------------------------------------------ */

enum column { BALANCE, AVAILABLE, HELD, POSITION, CAP, CAP_USED, QUEUED, COLUMN_COUNT };
/* Name in JSON, heading in the table. */
static const char *const columns[COLUMN_COUNT][2] = {
    {"balance", "balance"}, {"available", "available"},
    {"held", "held"},       {"clearing_position", "clearing"},
    {"cap", "cap"},         {"cap_used", "cap used"},
    {"queued", "queued"}};

/* What one currency stands at. */
struct standing {
    bool sealed; /* false: nothing happened yet, this is what genesis gave */
    uint64_t window, sealed_height, queued_count;
    giro_i128 amounts[COLUMN_COUNT];
};

static bool cycle_open(uint8_t state)
{
    return state != GIRO_CYCLE_SETTLED && state != GIRO_CYCLE_ABORTED;
}

static struct standing standing_of_block(const struct giro_feed_block *block)
{
    const struct giro_window_record *record = &block->view.record;
    struct standing standing = {.sealed = true,
                                .window = record->window,
                                .sealed_height = record->sealed_height,
                                .queued_count = record->queued_count};
    standing.amounts[BALANCE] = giro_amount128_get(record->closing);
    standing.amounts[AVAILABLE] = giro_amount128_get(record->available);
    standing.amounts[HELD] =
        giro_amount128_get(record->held_minor) + giro_amount128_get(record->reserved_minor);
    for (uint32_t i = 0; i < record->cycle_count; i++)
        if (cycle_open(block->view.cycles[i].state))
            standing.amounts[POSITION] += giro_amount128_get(block->view.cycles[i].closing);
    standing.amounts[CAP] = giro_amount128_get(record->cap_minor);
    standing.amounts[CAP_USED] = giro_amount128_get(record->cap_used_minor);
    standing.amounts[QUEUED] = giro_amount128_get(record->queued_minor);
    return standing;
}

static struct standing standing_of_genesis(const struct giro_genesis_account *account)
{
    struct standing standing = {.sealed = false};
    standing.amounts[BALANCE] = account->prefunded_minor;
    standing.amounts[AVAILABLE] = account->prefunded_minor - account->hold_minor;
    standing.amounts[HELD] = account->hold_minor;
    standing.amounts[CAP] = account->cap_minor;
    return standing;
}

struct showing {
    const struct arguments *arguments;
    const struct giro_genesis *genesis;
    uint32_t rows;
};

static void header_show(void)
{
    printf("%-20s  %-3s", "second (UTC)", "");
    for (int i = 0; i < COLUMN_COUNT; i++)
        printf("  %20s", columns[i][1]);
    printf("  %8s\n", "in queue");
}

static void window_text(const struct standing *standing, char text[GIRO_TIME_TEXT_BYTES])
{
    snprintf(text, GIRO_TIME_TEXT_BYTES, "as in genesis");
    if (!standing->sealed)
        return;
    giro_time_format(standing->window * GIRO_NS_PER_S, text);
    memcpy(text + 19, "Z", 2); /* whole seconds */
}

static void json_show(const struct showing *showing, const struct giro_genesis_currency *currency,
                      const struct standing *standing)
{
    char text[GIRO_MONEY_TEXT_BYTES], time[GIRO_TIME_TEXT_BYTES];
    window_text(standing, time);
    json_t *json =
        json_pack("{s:s, s:s, s:s, s:I}", "level", standing->sealed ? "CERTIFIED" : "GENESIS",
                  "bic", showing->arguments->as, "currency", currency->code, "queued_count",
                  (json_int_t)standing->queued_count);
    if (standing->sealed) {
        json_object_set_new(json, "time", json_string(time));
        json_object_set_new(json, "window", json_integer((json_int_t)standing->window));
        json_object_set_new(json, "height", json_integer((json_int_t)standing->sealed_height));
    }
    for (int i = 0; i < COLUMN_COUNT; i++) {
        giro_money_format(standing->amounts[i], currency->digits, text);
        json_object_set_new(json, columns[i][0], json_string(text));
    }
    (void)json_dumpf(json, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(json);
}

static void row_show(struct showing *showing, uint32_t currency_index,
                     const struct standing *standing)
{
    const struct giro_genesis_currency *currency = &showing->genesis->currencies[currency_index];
    char text[GIRO_MONEY_TEXT_BYTES], time[GIRO_TIME_TEXT_BYTES];
    if (showing->arguments->json) {
        json_show(showing, currency, standing);
        return;
    }
    if (showing->rows++ % ROWS_PER_HEADER == 0)
        header_show();
    window_text(standing, time);
    printf("%-20s  %-3s", time, currency->code);
    for (int i = 0; i < COLUMN_COUNT; i++) {
        giro_money_format(standing->amounts[i], currency->digits, text);
        printf("  %20s", text);
    }
    printf("  %8lu\n", (unsigned long)standing->queued_count);
}

/* ---- Following ------------------------------------------------------------------------------------------------ */

/* The accounts the member has, in the order of the genesis file. */
static void all_show(struct showing *showing, uint32_t member, const struct standing *standings)
{
    const struct giro_genesis_member *of = &showing->genesis->members[member];
    for (uint32_t i = 0; i < of->account_count; i++)
        row_show(showing, of->accounts[i].currency_index,
                 &standings[of->accounts[i].currency_index]);
}

static enum giro_err show(const struct arguments *arguments, const struct giro_genesis *genesis,
                          uint32_t member, struct giro_feed *feed, struct giro_diagnosis *diagnosis)
{
    struct giro_feed_block block;
    struct standing standings[GIRO_CURRENCIES_MAX];
    struct showing showing = {.arguments = arguments, .genesis = genesis};
    const struct giro_genesis_member *of = &genesis->members[member];
    for (uint32_t i = 0; i < of->account_count; i++)
        standings[of->accounts[i].currency_index] = standing_of_genesis(&of->accounts[i]);
    bool shown = false;
    for (;;) {
        enum giro_feed_step step = giro_feed_next(feed, shown, &block, diagnosis);
        if (step == GIRO_FEED_FAILED)
            return GIRO_ERR_NETWORK;
        if (step == GIRO_FEED_STOPPED)
            return GIRO_ERR_OK;
        if (step == GIRO_FEED_IDLE && !shown) {
            all_show(&showing, member, standings);
            shown = true;
            if (!arguments->follow)
                return GIRO_ERR_OK;
        }
        if (step == GIRO_FEED_BLOCK) {
            standings[block.currency] = standing_of_block(&block);
            if (shown)
                row_show(&showing, block.currency, &standings[block.currency]);
        }
        if (fflush(stdout) != 0 && errno == EPIPE)
            return GIRO_ERR_OK; /* whoever reads has enough */
        if (ferror(stdout)) {
            giro_diagnosis_set(diagnosis, "", giro_err_advice(GIRO_ERR_IO),
                               "cannot write the lines");
            return GIRO_ERR_IO;
        }
    }
}

static enum giro_err run(const struct arguments *arguments, const struct giro_hub_view *view,
                         const struct giro_secret_key *key, struct giro_diagnosis *diagnosis)
{
    uint16_t member;
    GIRO_TRY(giro_access_member(view, arguments->as, &member, diagnosis));
    struct giro_feed_options feed_options = {.command = "position",
                                             .view = view,
                                             .key = key,
                                             .member = member,
                                             .addresses = arguments->access.https,
                                             .address_count = arguments->access.https_count,
                                             .from = GIRO_FEED_NOW,
                                             .give_up_s = arguments->give_up_s};
    struct giro_feed *feed = giro_feed_open(&feed_options);
    if (feed == NULL)
        return GIRO_ERR_NOMEM;
    enum giro_err err = show(arguments, &view->genesis, member, feed, diagnosis);
    giro_feed_close(feed);
    return err;
}

int giro_cmd_position(int argc, char **argv)
{
    static const char doc[] =
        "Shows a member's liquidity as of the newest sealed second, one line for each currency: "
        "balance of the "
        "settlement account, what of it is available and what is held, the clearing position in "
        "the open "
        "cycles, the net debit cap and how much of it is used, and what waits in the queue; "
        "amounts in units "
        "of the currency. Every line is checked against the signatures of a quorum; the newest "
        "second that any "
        "of the replicas has is shown.\v"
        "Examples:\n"
        "  giro position --as XYXXCZPP --https 127.0.0.1:7600,127.0.0.1:7601\n"
        "  giro position --as XYXXCZPP --https 127.0.0.1:7600,127.0.0.1:7601 --follow\n"
        "  giro position --as XYXXCZPP --https ... --json | jq .available\n"
        "Exit codes: 0 shown, or ended by Ctrl-C; 1 failure; 2 usage.";
    static struct arguments arguments;
    arguments = (struct arguments){.give_up_s = 60};
    const struct argp argp = {options, parse, NULL, doc, giro_access_children, NULL, NULL};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    static struct giro_hub_view view;
    struct giro_diagnosis diagnosis = {.fact = ""};
    struct giro_secret_key *key = NULL;
    giro_catch_signals();
    enum giro_err err =
        giro_access_open(&arguments.access, 0, arguments.as, "session", &view, &key, &diagnosis);
    if (err == GIRO_ERR_OK)
        err = run(&arguments, &view, key, &diagnosis);
    giro_access_close(&view, key);
    return err == GIRO_ERR_OK ? GIRO_EXIT_OK : giro_fail("position", err, &diagnosis);
}
