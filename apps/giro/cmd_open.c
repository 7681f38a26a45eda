/* giro open: reads sealed details, with whichever key there is. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "apps/giro/details.h"
#include "apps/giro/disclosures.h"

struct arguments {
    const char *genesis, *keys, *as, *uetr, *reason;
    bool json;
    char **paths;
    uint32_t path_count;
};

static const struct argp_option options[] = {
    {"genesis", 'g', "FILE", 0, "genesis file (default: genesis.json)", 0},
    {"keys", 'k', "DIR", 0, "key directory (default: keys)", 0},
    {"as", 'a', "OWNER", 0,
     "whose keys open: a member's BIC, or the supervisor's name; left out: only what is shown with "
     "its key is opened",
     0},
    {"uetr", 'u', "UETR", 0, "only this payment", 0},
    {"reason", 'r', "TEXT", 0, "why the supervisor opens; goes into its log", 0},
    {"json", 'j', NULL, 0, "print JSON", 0},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case 'g':
        arguments->genesis = arg;
        return 0;
    case 'k':
        arguments->keys = arg;
        return 0;
    case 'a':
        arguments->as = arg;
        return 0;
    case 'u':
        arguments->uetr = arg;
        return 0;
    case 'r':
        arguments->reason = arg;
        return 0;
    case 'j':
        arguments->json = true;
        return 0;
    case ARGP_KEY_ARGS:
        arguments->paths = state->argv + state->next;
        arguments->path_count = (uint32_t)(state->argc - state->next);
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which files?");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

struct opening {
    const struct arguments *arguments;
    const struct giro_genesis *genesis;
    struct giro_opener opener;
    bool has_opener, supervisor;
    uint8_t uetr[GIRO_UETR_BYTES]; /* wanted, if arguments->uetr */
    int log;                       /* of the supervisor; -1: none */
    char chain[65];                /* last hash in it */
    json_t *list;
    uint64_t seen, opened, breaks;
};

/* ---- The supervisor's log: one line an opening, each ends with SHA-256(hash of the line before | line), in hex ---- */

static const char log_first[] = "0000000000000000000000000000000000000000000000000000000000000000";

static enum giro_err log_open(struct opening *opening, struct giro_diagnosis *diagnosis)
{
    char path[900];
    const struct arguments *arguments = opening->arguments;
    snprintf(path, sizeof(path), "%s/%s/openings.log", arguments->keys, arguments->as);
    memcpy(opening->chain, log_first, sizeof(opening->chain));
    opening->log = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    /* One process at a time, until its log is closed: each line hangs on the one before. */
    const bool locked = opening->log >= 0 && flock(opening->log, LOCK_EX) == 0;
    const off_t end = locked ? lseek(opening->log, 0, SEEK_END) : -1;
    if (end < 0 ||
        (end > 0 && (end < 65 || pread(opening->log, opening->chain, 64, end - 65) != 64))) {
        giro_diagnosis_set(diagnosis, strerror(errno), "every opening is written there first",
                           "the log \"%s\" cannot be used", path);
        return GIRO_ERR_IO;
    }
    return GIRO_ERR_OK;
}

/* Durable before anything is shown. */
static bool log_add(struct opening *opening, const struct giro_disclosure *disclosure,
                    uint32_t index)
{
    char line[1024], uetr[37], time_text[GIRO_TIME_TEXT_BYTES];
    const struct giro_disclosure_item *item = &disclosure->items[index];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    giro_time_format((uint64_t)now.tv_sec * GIRO_NS_PER_S + (uint64_t)now.tv_nsec, time_text);
    giro_uetr_format(item->record.uetr, uetr);
    const int length = snprintf(line, sizeof(line), "%s %s %s %s \"%.600s\" ", time_text, uetr,
                                opening->genesis->members[disclosure->frame.member].bic,
                                item->record.creditor < opening->genesis->member_count
                                    ? opening->genesis->members[item->record.creditor].bic
                                    : "-",
                                opening->arguments->reason);
    const struct giro_part parts[] = {{opening->chain, 64}, {line, (size_t)length}};
    const struct giro_hash hash = giro_sha256_parts(parts, 2);
    giro_hex_format(hash.bytes, sizeof(hash.bytes), opening->chain);
    char whole[1200];
    const int size = snprintf(whole, sizeof(whole), "%s%s\n", line, opening->chain);
    return write(opening->log, whole, (size_t)size) == size && fsync(opening->log) == 0;
}

/* ---- Showing ---- */

static void show(struct opening *opening, const struct giro_disclosure *disclosure, uint32_t index,
                 const struct giro_details *details)
{
    const struct giro_genesis *genesis = opening->genesis;
    const struct giro_record *record = &disclosure->items[index].record;
    const uint32_t currency = giro_genesis_currency_by_number(genesis, record->currency);
    const char *debtor = genesis->members[disclosure->frame.member].bic;
    const char *creditor =
        record->creditor < genesis->member_count ? genesis->members[record->creditor].bic : "";
    const char *code = currency == GIRO_NONE ? "" : genesis->currencies[currency].code;
    char uetr[37], amount[GIRO_MONEY_TEXT_BYTES];
    giro_uetr_format(record->uetr, uetr);
    giro_money_format(record->amount_minor,
                      currency == GIRO_NONE ? 0 : genesis->currencies[currency].digits, amount);
    json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:s}", "uetr", uetr, "debtor_bic", debtor,
                             "creditor_bic", creditor, "currency", code, "amount", amount);
    if (!opening->arguments->json)
        printf("%s  %s %s  %s -> %s\n", uetr, amount, code, debtor, creditor);
    for (uint32_t i = 0; i < GIRO_DETAILS_FIELD_COUNT; i++) {
        const struct giro_details_text *text = &details->fields[i];
        const char *name = giro_details_field_name((enum giro_details_field)i);
        if (text->length == 0)
            continue;
        json_object_set_new(json, name, json_stringn(text->text, text->length));
        if (!opening->arguments->json)
            printf("  %-17s %.*s\n", name, (int)text->length, text->text);
    }
    json_array_append_new(opening->list, json);
}

static const char *item_open(struct opening *opening, const struct giro_disclosure *disclosure,
                             uint32_t index)
{
    const struct giro_disclosure_item *item = &disclosure->items[index];
    uint8_t key[32], plaintext[GIRO_DETAILS_PLAIN_MAX];
    struct giro_details details;
    if (item->key != NULL)
        memcpy(key, item->key, sizeof(key));
    else if (!opening->has_opener || !giro_opener_key(&opening->opener, disclosure, index, key))
        return NULL;
    if (opening->supervisor && !log_add(opening, disclosure, index)) {
        sodium_memzero(key, sizeof(key));
        return "the supervisor's log cannot be written: nothing is opened";
    }
    const enum giro_details_verdict verdict =
        giro_disclosure_open(opening->genesis, disclosure, index, key, plaintext, &details);
    if (verdict == GIRO_DETAILS_OPENED) {
        opening->opened++;
        show(opening, disclosure, index, &details);
    } else {
        char uetr[37];
        giro_uetr_format(item->record.uetr, uetr);
        opening->breaks++;
        fprintf(stderr, "giro open: %s: %s\n", uetr, giro_details_verdict_text(verdict));
    }
    sodium_memzero(plaintext, sizeof(plaintext));
    sodium_memzero(key, sizeof(key));
    return NULL;
}

static const char *frame_open(void *context, const struct giro_disclosure *disclosure)
{
    struct opening *opening = context;
    for (uint32_t i = 0; i < disclosure->header.item_count; i++) {
        const struct giro_disclosure_item *item = &disclosure->items[i];
        if (item->block.bytes == NULL ||
            (opening->arguments->uetr != NULL &&
             memcmp(item->record.uetr, opening->uetr, sizeof(opening->uetr)) != 0))
            continue;
        opening->seen++;
        const char *wrong = item_open(opening, disclosure, i);
        if (wrong != NULL)
            return wrong;
    }
    return NULL;
}

static enum giro_err prepare(struct opening *opening, struct giro_diagnosis *diagnosis)
{
    const struct arguments *arguments = opening->arguments;
    if (arguments->uetr != NULL &&
        !giro_uetr_parse(arguments->uetr, strlen(arguments->uetr), opening->uetr)) {
        giro_diagnosis_set(diagnosis, "36 characters: 8-4-4-4-12 hexadecimal digits", "",
                           "\"%.40s\" is no UETR", arguments->uetr);
        return GIRO_ERR_ARGUMENT;
    }
    if (arguments->as == NULL)
        return GIRO_ERR_OK;
    GIRO_TRY(giro_opener_open(opening->genesis, arguments->keys, arguments->as, &opening->opener,
                              diagnosis));
    opening->has_opener = true;
    opening->supervisor = opening->opener.member == GIRO_MEMBER_OPERATOR;
    if (!opening->supervisor)
        return GIRO_ERR_OK;
    if (arguments->reason == NULL || arguments->reason[0] == '\0' ||
        giro_utf8_count(arguments->reason, strlen(arguments->reason)) == GIRO_NOT_UTF8) {
        giro_diagnosis_set(diagnosis, "each opening by the supervisor is logged with its reason",
                           "--reason \"...\", one line", "why is this opened?");
        return GIRO_ERR_ARGUMENT;
    }
    return log_open(opening, diagnosis);
}

int giro_cmd_open(int argc, char **argv)
{
    static const char doc[] =
        "Opens the sealed details of payments - names, accounts, references, text - in "
        "disclosures, "
        "days of details, spools and cut folders. What is shown was signed by the debtor, and is "
        "what it committed to. Exits with 3 if some is not.\v"
        "Examples:\n"
        "  giro open payment.disclosure\n"
        "  giro open --as XYXXCZPP --uetr 5f3c1d9e-0b7a-4c55-9a51-2f60b1f1a001 "
        "files/XYXXCZPP/2026-11-24\n"
        "  giro open --as supervisor --reason \"case 4711\" 2026-11-24.details";
    static struct arguments arguments;
    arguments = (struct arguments){.genesis = "genesis.json", .keys = "keys"};
    const struct argp argp = {options, parse, "PATH...", doc, NULL, NULL, NULL};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    static struct giro_hub_view view;
    struct giro_diagnosis diagnosis = {.fact = ""};
    static struct opening opening;
    enum giro_err err = giro_hub_view_open(arguments.genesis, 0, &view, &diagnosis);
    opening = (struct opening){
        .arguments = &arguments, .genesis = &view.genesis, .log = -1, .list = json_array()};
    if (err == GIRO_ERR_OK)
        err = prepare(&opening, &diagnosis);
    for (uint32_t i = 0; err == GIRO_ERR_OK && i < arguments.path_count; i++)
        err = giro_disclosures_each(&view, arguments.paths[i], frame_open, &opening, &diagnosis);
    if (err == GIRO_ERR_OK && arguments.json) {
        json_dumpf(opening.list, stdout, JSON_INDENT(2));
        printf("\n");
    }
    json_decref(opening.list);
    if (opening.has_opener)
        giro_opener_close(&opening.opener);
    if (opening.log >= 0)
        close(opening.log);
    giro_hub_view_close(&view);
    if (err != GIRO_ERR_OK)
        return giro_fail("open", err, &diagnosis);
    if (opening.opened < opening.seen)
        fprintf(stderr, "giro open: %lu of %lu details opened\n", (unsigned long)opening.opened,
                (unsigned long)opening.seen);
    if (opening.breaks > 0)
        return GIRO_EXIT_BREAKS;
    return opening.opened > 0 ? GIRO_EXIT_OK : GIRO_EXIT_FAILURE;
}
