/* giro admin: control transactions, made by one operator and checked by another. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "apps/giro/giro.h"
#include "member/sender.h"

struct arguments {
    const char *genesis, *keys, *maker, *checker;
    struct giro_config_address hub[GIRO_REPLICAS_MAX];
    uint32_t hub_count;
    char **words;
    int word_count;
};

static const struct argp_option options[] = {
    {"genesis", 'g', "FILE", 0, "genesis file (default: genesis.json)", 0},
    {"keys", 'k', "DIR", 0, "key directory with both operators' keys (default: keys)", 0},
    {"hub", 'u', "LIST", 0, "UDP addresses of the replicas' ports: host:port,host:port,...", 0},
    {"maker", 'm', "NAME", 0, "operator who makes it (default: maker)", 0},
    {"checker", 'c', "NAME", 0, "another operator who checks it (default: checker)", 0},
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
    case 'm':
        arguments->maker = arg;
        return 0;
    case 'c':
        arguments->checker = arg;
        return 0;
    case 'u':
        arguments->hub_count = giro_addresses_parse(arg, arguments->hub, GIRO_REPLICAS_MAX);
        if (arguments->hub_count == 0)
            argp_error(state, "--hub is host:port,host:port,..., not \"%s\"", arg);
        return 0;
    case ARGP_KEY_ARGS:
        arguments->words = state->argv + state->next;
        arguments->word_count = state->argc - state->next;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "what is to be done?");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- Words to a control record ----------------------------------------------------------------------------- */

struct reading {
    const struct giro_genesis *genesis;
    struct giro_diagnosis *diagnosis;
    struct giro_control control;
};

static bool wrong(struct reading *reading, const char *expected, const char *found)
{
    giro_diagnosis_set(reading->diagnosis, expected, "giro admin --help shows examples",
                       "\"%s\" is not possible here", found);
    return false;
}

static bool read_member(struct reading *reading, const char *bic)
{
    uint32_t member = giro_genesis_member_by_bic(reading->genesis, bic);
    if (member == GIRO_NONE)
        return wrong(reading, "the BIC of a member", bic);
    reading->control.member = (uint16_t)member;
    return true;
}

static bool read_currency(struct reading *reading, const char *code, uint32_t *index)
{
    *index = giro_genesis_currency_by_code(reading->genesis, code);
    if (*index == GIRO_NONE)
        return wrong(reading, "a currency of the hub", code);
    reading->control.currency = reading->genesis->currencies[*index].number;
    return true;
}

static bool read_choice(struct reading *reading, const char *word, const char *const *choices,
                        const char *expected)
{
    for (uint64_t i = 0; choices[i] != NULL; i++) {
        if (strcmp(word, choices[i]) == 0) {
            reading->control.value = i + 1; /* the enums begin at 1 in this order */
            return true;
        }
    }
    return wrong(reading, expected, word);
}

static bool read_close_cycle(struct reading *reading, char **words)
{
    uint32_t index;
    reading->control.op = GIRO_CONTROL_CLOSE_CYCLE;
    return read_currency(reading, words[1], &index);
}

static bool read_day_switch(struct reading *reading, char **words)
{
    uint16_t day = 0;
    reading->control.op = GIRO_CONTROL_DAY_SWITCH;
    if (!giro_date_parse(words[1], strlen(words[1]), &day))
        return wrong(reading, "a date such as 2026-11-25", words[1]);
    reading->control.value = day;
    return true;
}

static bool read_set_cap(struct reading *reading, char **words)
{
    uint32_t index = 0;
    reading->control.op = GIRO_CONTROL_SET_CAP;
    if (!read_member(reading, words[1]) || !read_currency(reading, words[2], &index))
        return false;
    if (giro_money_parse(words[3], strlen(words[3]), reading->genesis->currencies[index].digits,
                         &reading->control.amount_minor) == GIRO_MONEY_PARSED)
        return true;
    return wrong(reading, "an amount such as 1000000.00", words[3]);
}

static bool read_set_account(struct reading *reading, char **words)
{
    static const char *const choices[] = {"open", "blocked", "closed", NULL};
    uint32_t index;
    reading->control.op = GIRO_CONTROL_SET_ACCOUNT;
    return read_member(reading, words[1]) && read_currency(reading, words[2], &index) &&
           read_choice(reading, words[3], choices, "open, blocked or closed");
}

static bool read_set_member(struct reading *reading, char **words)
{
    static const char *const choices[] = {"active", "suspended", NULL};
    reading->control.op = GIRO_CONTROL_SET_MEMBER;
    return read_member(reading, words[1]) &&
           read_choice(reading, words[2], choices, "active or suspended");
}

static bool read_lift_channel(struct reading *reading, char **words)
{
    char *end = NULL;
    reading->control.op = GIRO_CONTROL_LIFT_CHANNEL;
    reading->control.value = strtoul(words[2], &end, 10);
    if (end == words[2] || *end != '\0' || reading->control.value >= GIRO_CHANNELS_MAX)
        return wrong(reading, "a channel from 0 to 63", words[2]);
    return read_member(reading, words[1]);
}

static const struct {
    const char *word;
    int words; /* with itself */
    bool (*read)(struct reading *reading, char **words);
} operations[] = {{"close-cycle", 2, read_close_cycle}, {"day-switch", 2, read_day_switch},
                  {"set-cap", 4, read_set_cap},         {"set-account", 4, read_set_account},
                  {"set-member", 3, read_set_member},   {"lift-channel", 3, read_lift_channel}};

static bool read_words(struct reading *reading, const struct arguments *arguments)
{
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
        if (strcmp(arguments->words[0], operations[i].word) == 0 &&
            arguments->word_count == operations[i].words)
            return operations[i].read(reading, arguments->words);
    return wrong(
        reading,
        "close-cycle CUR, day-switch DATE, set-cap BIC CUR AMOUNT, set-account BIC CUR STATUS, "
        "set-member BIC STATUS, lift-channel BIC N",
        arguments->words[0]);
}

/* ---- Signing and sending ----------------------------------------------------------------------------------------- */

static enum giro_err operator_load(const struct arguments *arguments,
                                   const struct giro_genesis *genesis, const char *name,
                                   struct giro_secret_key **key, uint16_t *key_id,
                                   struct giro_diagnosis *diagnosis)
{
    for (uint32_t i = 0; i < genesis->operator_count; i++)
        if (strcmp(genesis->operators[i].name, name) == 0) {
            *key_id = (uint16_t)genesis->operators[i].key.key_id;
            return giro_key_file_load(arguments->keys, name, "approver", key, diagnosis);
        }
    giro_diagnosis_set(diagnosis, "the genesis file lists the operators", "",
                       "there is no operator \"%s\"", name);
    return GIRO_ERR_KEY;
}

static enum giro_err spool_control(const struct arguments *arguments,
                                   const struct giro_genesis *genesis,
                                   const struct giro_control *control, const char *path,
                                   struct giro_diagnosis *diagnosis)
{
    struct giro_secret_key *maker = NULL, *checker = NULL;
    uint16_t maker_id = 0, checker_id = 0;
    uint64_t sequence = 0;
    uint8_t frame[GIRO_FRAME_BYTES_MAX];
    struct giro_spool_writer *writer = NULL;
    enum giro_err err =
        operator_load(arguments, genesis, arguments->maker, &maker, &maker_id, diagnosis);
    if (err == GIRO_ERR_OK)
        err =
            operator_load(arguments, genesis, arguments->checker, &checker, &checker_id, diagnosis);
    if (err == GIRO_ERR_OK && maker_id == checker_id) {
        giro_diagnosis_set(diagnosis, "maker and checker are two persons", "",
                           "\"%s\" cannot check what they made", arguments->maker);
        err = GIRO_ERR_ARGUMENT;
    }
    if (err == GIRO_ERR_OK)
        err = giro_spool_create(path, genesis, &writer, diagnosis);
    if (err == GIRO_ERR_OK) {
        err = giro_sequence_reserve(arguments->keys, "operators", 0, 1, &sequence, diagnosis);
        if (err != GIRO_ERR_OK)
            giro_spool_abandon(writer);
    }
    if (err == GIRO_ERR_OK) {
        size_t size = giro_control_make(genesis, maker, maker_id, checker, checker_id, 0, sequence,
                                        control, 1, frame);
        err = giro_spool_add(writer, frame, (uint32_t)size);
        if (err == GIRO_ERR_OK)
            err = giro_spool_finish(writer);
        else
            giro_spool_abandon(writer);
    }
    if (maker != NULL)
        giro_key_free(maker);
    if (checker != NULL)
        giro_key_free(checker);
    return err;
}

struct outcome {
    struct giro_result result;
    uint64_t height;
    bool certified;
};

static void on_certified(void *context, uint64_t index, const struct giro_receipt_item *item,
                         const uint8_t *runs)
{
    (void)index;
    struct outcome *outcome = context;
    outcome->height = item->height;
    outcome->certified = item->run_count == 1;
    if (outcome->certified) {
        struct giro_receipt_run run;
        memcpy(&run, runs, sizeof(run));
        outcome->result = run.result;
    }
}

static enum giro_err send_control(const struct arguments *arguments,
                                  const struct giro_genesis *genesis, const char *path,
                                  struct outcome *outcome, struct giro_diagnosis *diagnosis)
{
    struct giro_spool spool;
    GIRO_TRY(giro_spool_open(path, genesis, &spool, diagnosis));
    struct giro_sender_options sender = {.genesis = genesis,
                                         .replicas = arguments->hub,
                                         .replica_count = arguments->hub_count,
                                         .spool = &spool,
                                         .outstanding_max = 1,
                                         .outstanding_total = 1,
                                         .stop_after_ns = 60 * GIRO_NS_PER_S,
                                         .certified = on_certified,
                                         .context = outcome};
    static struct giro_sender_stats stats;
    uint64_t unfinished = 0;
    enum giro_err err = giro_sender_run(&sender, &stats, &unfinished, diagnosis);
    giro_spool_close(&spool);
    return err;
}

static enum giro_err run(const struct arguments *arguments, const struct giro_genesis *genesis,
                         struct outcome *outcome, struct giro_diagnosis *diagnosis)
{
    struct reading reading = {.genesis = genesis, .diagnosis = diagnosis};
    if (!read_words(&reading, arguments))
        return GIRO_ERR_ARGUMENT;
    if (arguments->hub_count != genesis->replica_count) {
        giro_diagnosis_set(diagnosis, "", "give --hub one address per replica",
                           "%u addresses for %u replicas", arguments->hub_count,
                           genesis->replica_count);
        return GIRO_ERR_ARGUMENT;
    }
    char path[600];
    snprintf(path, sizeof(path), "%s/operators-%d.spool", arguments->keys, (int)getpid());
    enum giro_err err = spool_control(arguments, genesis, &reading.control, path, diagnosis);
    if (err == GIRO_ERR_OK)
        err = send_control(arguments, genesis, path, outcome, diagnosis);
    unlink(path);
    return err;
}

int giro_cmd_admin(int argc, char **argv)
{
    static const char doc[] =
        "Control transactions. Two operators sign each: a maker and a checker.\v"
        "Examples:\n"
        "  giro admin close-cycle CZK --hub 10.77.0.2:7400,...     close and settle the open "
        "cycle\n"
        "  giro admin day-switch 2026-11-25 --hub ...              the next business date\n"
        "  giro admin set-cap XYXXCZPP CZK 1000000.00 --hub ...    net debit cap\n"
        "  giro admin set-account XYXXCZPP CZK blocked --hub ...   open, blocked or closed\n"
        "  giro admin set-member XYXXCZPP suspended --hub ...      active or suspended\n"
        "  giro admin lift-channel XYXXCZPP 0 --hub ...            after an equivocation";
    static struct arguments arguments;
    arguments = (struct arguments){
        .genesis = "genesis.json", .keys = "keys", .maker = "maker", .checker = "checker"};
    const struct argp argp = {options, parse, "OPERATION [WORD...]", doc, NULL, NULL, NULL};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    static struct giro_genesis genesis;
    struct giro_diagnosis diagnosis = {.fact = ""};
    struct outcome outcome = {.certified = false};
    enum giro_err err = giro_genesis_load(arguments.genesis, &genesis, &diagnosis);
    if (err == GIRO_ERR_OK)
        err = run(&arguments, &genesis, &outcome, &diagnosis);
    if (genesis.members != NULL)
        giro_genesis_free(&genesis);
    if (err != GIRO_ERR_OK)
        return giro_fail("admin", err, &diagnosis);
    if (outcome.certified && outcome.result.status == GIRO_STATUS_ACSC) {
        printf("%s: done, certified at height %lu\n", arguments.words[0],
               (unsigned long)outcome.height);
        return GIRO_EXIT_OK;
    }
    fprintf(stderr, "giro admin: \"%s\" was refused: %s\n", arguments.words[0],
            outcome.certified ? giro_reason_sentence(outcome.result.reason) : "it had no effect");
    return GIRO_EXIT_FAILURE;
}
