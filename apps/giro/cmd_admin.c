/* giro admin: control transactions, made by one operator and checked by another. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "apps/giro/access.h"
#include "apps/giro/https.h"
#include "giro/recon.h"
#include "member/sender.h"

#define GIVE_UP_S 60u
#define ASKS_EACH 40u /* of one replica before the next gets the same bytes */

struct arguments {
    struct giro_access access;
    const char *maker, *checker;
    char **words;
    int word_count;
};

static const struct argp_option options[] = {
    {"maker", 'm', "NAME", 0, "operator who makes it (default: maker)", 0},
    {"checker", 'c', "NAME", 0, "another operator who checks it (default: checker)", 0},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->access;
        return 0;
    case 'm':
        arguments->maker = arg;
        return 0;
    case 'c':
        arguments->checker = arg;
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
            return giro_key_file_load(arguments->access.keys, name, "approver", key, diagnosis);
        }
    giro_diagnosis_set(diagnosis, "the genesis file lists the operators", "",
                       "there is no operator \"%s\"", name);
    return GIRO_ERR_KEY;
}

/* One control transaction, signed by both. */
struct signed_control {
    struct giro_secret_key *maker; /* shown to the replicas */
    uint64_t sequence;
    uint8_t frame[GIRO_FRAME_BYTES_MAX];
    size_t size_bytes;
};

static enum giro_err control_sign(const struct arguments *arguments,
                                  const struct giro_genesis *genesis,
                                  const struct giro_control *control, struct signed_control *sign,
                                  struct giro_diagnosis *diagnosis)
{
    struct giro_secret_key *checker = NULL;
    uint16_t maker_id = 0, checker_id = 0;
    enum giro_err err =
        operator_load(arguments, genesis, arguments->maker, &sign->maker, &maker_id, diagnosis);
    if (err == GIRO_ERR_OK)
        err =
            operator_load(arguments, genesis, arguments->checker, &checker, &checker_id, diagnosis);
    if (err == GIRO_ERR_OK && maker_id == checker_id) {
        giro_diagnosis_set(diagnosis, "maker and checker are two persons", "",
                           "\"%s\" cannot check what they made", arguments->maker);
        err = GIRO_ERR_ARGUMENT;
    }
    if (err == GIRO_ERR_OK)
        err = giro_sequence_reserve(arguments->access.keys, "operators", 0, 1, &sign->sequence,
                                    diagnosis);
    if (err == GIRO_ERR_OK)
        sign->size_bytes = giro_control_make(genesis, sign->maker, maker_id, checker, checker_id, 0,
                                             sign->sequence, control, 1, sign->frame);
    if (checker != NULL)
        giro_key_free(checker);
    return err;
}

struct outcome {
    struct giro_result result;
    uint64_t height;
    bool certified;
};

/* The proof of the transaction's leaf, from one replica: what it says is so, whoever brings it. */
static void ask_outcome(const struct giro_hub_view *view, const struct signed_control *sign,
                        struct giro_https *https, struct outcome *outcome)
{
    struct giro_diagnosis diagnosis = {.fact = ""};
    struct giro_proof_view proof;
    struct giro_leaf_frame leaf;
    char path[64];
    uint8_t *bytes = NULL;
    size_t size = 0;
    snprintf(path, sizeof(path), "/v1/proof/frame/0/%lu", (unsigned long)sign->sequence);
    if (giro_https_get(https, path, &bytes, &size, &diagnosis) != GIRO_ERR_OK)
        return;
    const size_t leaf_bytes = GIRO_TAG_BYTES + sizeof(leaf) + sizeof(outcome->result);
    if (giro_proof_verify(&view->genesis, view->ring, bytes, size, &proof) == NULL &&
        proof.header.leaf_bytes == leaf_bytes &&
        memcmp(proof.leaf, GIRO_TAG_LEAF_FRAME, GIRO_TAG_BYTES) == 0) {
        memcpy(&leaf, proof.leaf + GIRO_TAG_BYTES, sizeof(leaf));
        memcpy(&outcome->result, proof.leaf + GIRO_TAG_BYTES + sizeof(leaf),
               sizeof(outcome->result));
        outcome->height = leaf.height;
        outcome->certified = leaf.member == GIRO_MEMBER_OPERATOR && leaf.channel == 0 &&
                             leaf.sequence == sign->sequence;
    }
    free(bytes);
}

static bool post(const struct signed_control *sign, struct giro_https *https,
                 struct giro_diagnosis *diagnosis)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    enum giro_err err = giro_https_post(https, "/v1/control", sign->frame, sign->size_bytes, &bytes,
                                        &size, diagnosis);
    if (err == GIRO_ERR_OK)
        free(bytes);
    return err == GIRO_ERR_OK;
}

/* The same bytes to one replica after another until one can prove an outcome. */
static enum giro_err send_control(const struct arguments *arguments,
                                  const struct giro_hub_view *view,
                                  const struct signed_control *sign, struct outcome *outcome,
                                  struct giro_diagnosis *diagnosis)
{
    struct giro_clock clock = giro_clock_system();
    uint64_t end_ns = clock.mono_ns(clock.self) + GIVE_UP_S * GIRO_NS_PER_S;
    bool taken = false;
    for (uint32_t r = 0; clock.mono_ns(clock.self) < end_ns;
         r = (r + 1) % arguments->access.https_count) {
        struct giro_https *https = NULL;
        GIRO_TRY(giro_https_open(&view->genesis, &arguments->access.https[r], sign->maker, &https,
                                 diagnosis));
        giro_https_patience(https, 2000, NULL);
        taken = post(sign, https, diagnosis) || taken;
        for (uint32_t i = 0; taken && i < ASKS_EACH && !outcome->certified; i++) {
            struct timespec pause = {.tv_nsec = 50000000};
            nanosleep(&pause, NULL);
            ask_outcome(view, sign, https, outcome);
        }
        giro_https_close(https);
        if (outcome->certified)
            return GIRO_ERR_OK;
        struct timespec pause = {.tv_nsec = 100000000};
        nanosleep(&pause, NULL);
    }
    if (taken)
        giro_diagnosis_set(diagnosis, "it may still take effect",
                           "see giro status; channel 0 of the operators may stand still",
                           "no certified outcome within %u s", GIVE_UP_S);
    return GIRO_ERR_TIMEOUT;
}

static enum giro_err run(const struct arguments *arguments, const struct giro_hub_view *view,
                         struct outcome *outcome, struct giro_diagnosis *diagnosis)
{
    struct reading reading = {.genesis = &view->genesis, .diagnosis = diagnosis};
    static struct signed_control sign;
    if (!read_words(&reading, arguments))
        return GIRO_ERR_ARGUMENT;
    if (arguments->access.https_count == 0) {
        giro_diagnosis_set(diagnosis, "", "give --https host:port,host:port,...",
                           "no replica is named");
        return GIRO_ERR_ARGUMENT;
    }
    enum giro_err err = control_sign(arguments, &view->genesis, &reading.control, &sign, diagnosis);
    if (err == GIRO_ERR_OK)
        err = send_control(arguments, view, &sign, outcome, diagnosis);
    if (sign.maker != NULL)
        giro_key_free(sign.maker);
    return err;
}

int giro_cmd_admin(int argc, char **argv)
{
    static const char doc[] =
        "Control transactions. Two operators sign each: a maker and a checker.\v"
        "Examples:\n"
        "  giro admin close-cycle CZK --https 10.77.0.2:7600,...   close and settle the open "
        "cycle\n"
        "  giro admin day-switch 2026-11-25 --https ...              the next business date\n"
        "  giro admin set-cap XYXXCZPP CZK 1000000.00 --https ...    net debit cap\n"
        "  giro admin set-account XYXXCZPP CZK blocked --https ...   open, blocked or closed\n"
        "  giro admin set-member XYXXCZPP suspended --https ...      active or suspended\n"
        "  giro admin lift-channel XYXXCZPP 0 --https ...            after an equivocation";
    static struct arguments arguments;
    arguments = (struct arguments){.maker = "maker", .checker = "checker"};
    const struct argp argp = {options, parse, "OPERATION [WORD...]", doc, giro_access_children,
                              NULL,    NULL};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    struct giro_hub_view view;
    struct giro_diagnosis diagnosis = {.fact = ""};
    struct outcome outcome = {.certified = false};
    enum giro_err err = giro_hub_view_open(arguments.access.genesis, 0, &view, &diagnosis);
    if (err != GIRO_ERR_OK)
        return giro_fail("admin", err, &diagnosis);
    err = run(&arguments, &view, &outcome, &diagnosis);
    giro_hub_view_close(&view);
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
