/* giro keygen, giro genesis: who belongs to the hub. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "apps/giro/giro.h"

struct arguments {
    const char *command;
    const char *keys, *out, *name, *payments;
    uint32_t replicas;
    struct giro_bics bics;
    char currencies[GIRO_CURRENCIES_MAX][4];
    uint32_t currency_count;
    const char *prefunded, *hold, *cap, *supervisor;
    uint16_t date;
    uint32_t cycle_seconds;
    uint32_t round_floor_ms, clock_bound_ms;
    uint32_t checkpoint_heights, checkpoint_mb;
};

static const struct argp_option options[] = {
    {"keys", 'k', "DIR", 0, "key directory (default: keys)", 0},
    {"replicas", 'n', "N", 0, "number of replicas, 1 or 4..100 (default: 4)", 0},
    {"members", 'm', "LIST", 0, "member BICs, separated by commas", 0},
    {"members-count", 'M', "N", 0, "that many members with made-up BICs", 0},
    {"payments", 'p', "FILE", 0, "members and currencies are those of this payments CSV", 0},
    {"currency", 'c', "CODE", 0, "a currency of the hub, may be repeated (default: CZK)", 0},
    {"supervisor", 'S', "NAME", 0,
     "who can open every payment's sealed details; none: nobody but its creditor (default: "
     "supervisor)",
     0},
    {"out", 'o', "FILE", 0, "genesis: file to write (default: genesis.json)", 1},
    {"name", 'N', "NAME", 0, "genesis: name of the hub (default: giro)", 1},
    {"date", 'd', "DATE", 0, "genesis: business date (default: today, UTC)", 1},
    {"prefunded", 'f', "AMOUNT", 0,
     "genesis: opening balance of each account (default: 1000000000)", 1},
    {"hold", 'H', "AMOUNT", 0, "genesis: part of it earmarked for netting (default: half)", 1},
    {"cap", 'C', "AMOUNT", 0, "genesis: net debit cap, at most the hold (default: the hold)", 1},
    {"cycle-seconds", 's', "N", 0,
     "genesis: cycles close every N seconds; 0 = by command only (default)", 1},
    {"round-floor", 'r', "MS", 0, "genesis: smallest round timer (default: 20; 500 on a WAN)", 1},
    {"clock-bound", 3, "MS", 0,
     "genesis: a block whose time is farther from a replica's clock gets no vote of it: clocks' "
     "error plus the longest way of a message (default: 250; 2000 on a WAN)",
     1},
    {"checkpoint-heights", 1, "N", 0, "genesis: a checkpoint after N blocks (default: 1024)", 1},
    {"checkpoint-mb", 2, "N", 0, "genesis: or after N MiB of batches (default: 64)", 1},
    {0}};

static void need_number(struct argp_state *state, const char *arg, unsigned long least,
                        unsigned long most, const char *what, uint32_t *value)
{
    char *end = NULL;
    unsigned long number = strtoul(arg, &end, 10);
    if (end == arg || *end != '\0' || number < least || number > most)
        argp_error(state, "%s must be a number from %lu to %lu, not \"%s\"", what, least, most,
                   arg);
    *value = (uint32_t)number;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    const char *bad = NULL;
    uint32_t count = 0;
    switch (key) {
    case 'k':
        arguments->keys = arg;
        break;
    case 'n':
        need_number(state, arg, 1, GIRO_REPLICAS_MAX, "--replicas", &arguments->replicas);
        if (arguments->replicas == 2 || arguments->replicas == 3)
            argp_error(state, "2 or 3 replicas tolerate no fault: 1 (a test hub) or 4 to 100");
        break;
    case 'm':
        if (!giro_bics_add_list(&arguments->bics, arg, &bad))
            argp_error(state, "no BIC of 8 or 11 characters: \"%.11s\"", bad);
        break;
    case 'M':
        need_number(state, arg, 2, 600, "--members-count", &count);
        giro_bics_invent(&arguments->bics, count);
        break;
    case 'p':
        arguments->payments = arg;
        break;
    case 'c':
        if (strlen(arg) != 3 || arguments->currency_count == GIRO_CURRENCIES_MAX)
            argp_error(state, "a currency code has three letters, and there are at most 16");
        memcpy(arguments->currencies[arguments->currency_count++], arg, 4);
        break;
    case 'S':
        arguments->supervisor = strcmp(arg, "none") == 0 ? NULL : arg;
        break;
    case 'o':
        arguments->out = arg;
        break;
    case 'N':
        arguments->name = arg;
        break;
    case 'd':
        if (!giro_date_parse(arg, strlen(arg), &arguments->date))
            argp_error(state, "--date must be such as 2026-11-24, not \"%s\"", arg);
        break;
    case 'f':
        arguments->prefunded = arg;
        break;
    case 'H':
        arguments->hold = arg;
        break;
    case 'C':
        arguments->cap = arg;
        break;
    case 's':
        need_number(state, arg, 0, 86400, "--cycle-seconds", &arguments->cycle_seconds);
        break;
    case 'r':
        need_number(state, arg, 1, 60000, "--round-floor", &arguments->round_floor_ms);
        break;
    case 1:
        need_number(state, arg, 1, 1u << 20, "--checkpoint-heights",
                    &arguments->checkpoint_heights);
        break;
    case 2:
        need_number(state, arg, 1, 1u << 20, "--checkpoint-mb", &arguments->checkpoint_mb);
        break;
    case 3:
        need_number(state, arg, 50, 60000, "--clock-bound", &arguments->clock_bound_ms);
        break;
    case ARGP_KEY_ARG:
        argp_error(state, "what is \"%s\"?", arg);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static enum giro_err arguments_read(int argc, char **argv, const char *doc,
                                    struct arguments *arguments, struct giro_diagnosis *diagnosis)
{
    *arguments = (struct arguments){.keys = "keys",
                                    .out = "genesis.json",
                                    .name = "giro",
                                    .replicas = 4,
                                    .prefunded = "1000000000",
                                    .supervisor = "supervisor",
                                    .date = (uint16_t)(time(NULL) / 86400),
                                    .round_floor_ms = 20,
                                    .clock_bound_ms = 250};
    const struct argp argp = {options, parse, NULL, doc, NULL, NULL, NULL};
    argp_parse(&argp, argc, argv, 0, NULL, arguments);
    if (arguments->payments != NULL)
        GIRO_TRY(giro_bics_from_payments(&arguments->bics, arguments->payments,
                                         arguments->currencies, GIRO_CURRENCIES_MAX,
                                         &arguments->currency_count, diagnosis));
    if (arguments->bics.count == 0) {
        giro_diagnosis_set(diagnosis, "", "use --members, --members-count or --payments",
                           "a hub needs members");
        return GIRO_ERR_ARGUMENT;
    }
    if (arguments->currency_count == 0)
        memcpy(arguments->currencies[arguments->currency_count++], "CZK", 4);
    return GIRO_ERR_OK;
}

/* ---- Keys ------------------------------------------------------------------------------------------------- */

static const char *const replica_roles[] = {"vote", "batch", "transport", "file"};
static const char *const member_roles[] = {"frame", "session", "sealing"};
static const char *const operators[] = {"maker", "checker"};

static enum giro_err key_make(const struct arguments *arguments, const char *owner,
                              const char *role, struct giro_diagnosis *diagnosis)
{
    struct giro_secret_key *key = NULL;
    GIRO_TRY(giro_key_file_make(arguments->keys, owner, role, &key, diagnosis));
    giro_key_free(key);
    return GIRO_ERR_OK;
}

static enum giro_err keys_make(const struct arguments *arguments, struct giro_diagnosis *diagnosis)
{
    for (uint32_t i = 0; i < arguments->replicas; i++) {
        char name[32];
        snprintf(name, sizeof(name), "replica-%u", i);
        for (uint32_t role = 0; role < 4; role++)
            GIRO_TRY(key_make(arguments, name, replica_roles[role], diagnosis));
    }
    for (uint32_t i = 0; i < arguments->bics.count; i++)
        for (uint32_t role = 0; role < 3; role++)
            GIRO_TRY(key_make(arguments, arguments->bics.bics[i], member_roles[role], diagnosis));
    for (uint32_t i = 0; i < 2; i++)
        GIRO_TRY(key_make(arguments, operators[i], "approver", diagnosis));
    if (arguments->supervisor != NULL)
        GIRO_TRY(key_make(arguments, arguments->supervisor, "sealing", diagnosis));
    uint8_t secret[32];
    GIRO_TRY(giro_hub_secret_make(arguments->keys, secret, diagnosis));
    sodium_memzero(secret, sizeof(secret));
    return GIRO_ERR_OK;
}

int giro_cmd_keygen(int argc, char **argv)
{
    static const char doc[] =
        "Makes the key files of a hub's replicas, members, operators and supervisor: "
        "KEYS/<owner>/<role>.key, "
        "readable by their "
        "owner only, and KEYS/hub.secret. Keys that are there already are kept.\v"
        "In production each owner makes its own keys on its own machine and hands over public "
        "keys; this command "
        "makes all of them in one place for rehearsals and tests.\n\n"
        "Example:\n  giro keygen --members XYXXCZPP,ABXXCZPP --replicas 4 --keys keys";
    static struct arguments arguments;
    struct giro_diagnosis diagnosis = {.fact = ""};
    enum giro_err err = arguments_read(argc, argv, doc, &arguments, &diagnosis);
    if (err == GIRO_ERR_OK)
        err = keys_make(&arguments, &diagnosis);
    if (err != GIRO_ERR_OK)
        return giro_fail("keygen", err, &diagnosis);
    printf("keys of %u replicas, %u members and 2 operators are in \"%s\"\n", arguments.replicas,
           arguments.bics.count, arguments.keys);
    return GIRO_EXIT_OK;
}

/* ---- Genesis ------------------------------------------------------------------------------------------------ */

/* Number and digits of ISO 4217 currencies that a hub is likely to clear. */
static const struct giro_genesis_currency known_currencies[] = {
    {"AUD", 36, 2},  {"BRL", 986, 2}, {"CAD", 124, 2}, {"CHF", 756, 2}, {"CNY", 156, 2},
    {"CZK", 203, 2}, {"DKK", 208, 2}, {"EUR", 978, 2}, {"GBP", 826, 2}, {"HUF", 348, 2},
    {"INR", 356, 2}, {"JPY", 392, 0}, {"KWD", 414, 3}, {"NOK", 578, 2}, {"PLN", 985, 2},
    {"SEK", 752, 2}, {"TND", 788, 3}, {"USD", 840, 2}, {"ZAR", 710, 2}};

static enum giro_err public_key(const struct arguments *arguments, const uint8_t nonce[32],
                                const char *owner, const char *role, uint64_t key_id,
                                struct giro_genesis_key *key, struct giro_diagnosis *diagnosis)
{
    struct giro_secret_key *secret = NULL;
    GIRO_TRY(giro_key_file_load(arguments->keys, owner, role, &secret, diagnosis));
    key->key_id = key_id;
    key->key = giro_key_public(secret);
    if (strcmp(role, "sealing") == 0) {
        key->key = giro_key_sealing(secret);
    } else {
        uint8_t message[GIRO_POSSESSION_MESSAGE_BYTES];
        size_t size = giro_possession_message(nonce, role, owner, key_id, &key->key, message);
        key->possession = giro_sign(secret, message, size);
    }
    giro_key_free(secret);
    return GIRO_ERR_OK;
}

static enum giro_err money(const char *what, const char *text, uint32_t digits, int64_t *minor,
                           struct giro_diagnosis *diagnosis)
{
    if (giro_money_parse(text, strlen(text), digits, minor) == GIRO_MONEY_PARSED && *minor >= 0)
        return GIRO_ERR_OK;
    giro_diagnosis_set(diagnosis, "an amount such as 1000000.00", "", "--%s \"%s\"", what, text);
    return GIRO_ERR_ARGUMENT;
}

static enum giro_err currencies_fill(const struct arguments *arguments,
                                     struct giro_genesis *genesis, struct giro_diagnosis *diagnosis)
{
    for (uint32_t i = 0; i < arguments->currency_count; i++) {
        const struct giro_genesis_currency *found = NULL;
        for (size_t k = 0; k < sizeof(known_currencies) / sizeof(known_currencies[0]); k++)
            if (strcmp(known_currencies[k].code, arguments->currencies[i]) == 0)
                found = &known_currencies[k];
        if (found == NULL) {
            giro_diagnosis_set(diagnosis,
                               "known are AUD BRL CAD CHF CNY CZK DKK EUR GBP HUF INR "
                               "JPY KWD NOK PLN SEK TND USD ZAR",
                               "write another one into the genesis file by hand",
                               "currency \"%s\" is not known here", arguments->currencies[i]);
            return GIRO_ERR_ARGUMENT;
        }
        genesis->currencies[genesis->currency_count++] = *found;
    }
    return GIRO_ERR_OK;
}

static enum giro_err account_fill(const struct arguments *arguments,
                                  const struct giro_genesis *genesis, uint32_t currency,
                                  struct giro_genesis_account *account,
                                  struct giro_diagnosis *diagnosis)
{
    uint32_t digits = genesis->currencies[currency].digits;
    account->currency_index = (uint16_t)currency;
    account->status = GIRO_ACCOUNT_OPEN;
    GIRO_TRY(
        money("prefunded", arguments->prefunded, digits, &account->prefunded_minor, diagnosis));
    account->hold_minor = account->prefunded_minor / 2;
    if (arguments->hold != NULL)
        GIRO_TRY(money("hold", arguments->hold, digits, &account->hold_minor, diagnosis));
    account->cap_minor = account->hold_minor;
    if (arguments->cap != NULL)
        GIRO_TRY(money("cap", arguments->cap, digits, &account->cap_minor, diagnosis));
    if (account->cap_minor <= account->hold_minor &&
        account->hold_minor <= account->prefunded_minor)
        return GIRO_ERR_OK;
    giro_diagnosis_set(diagnosis, "cap <= hold <= prefunded: what may be lost is held", "",
                       "cap, hold and prefunded do not fit each other");
    return GIRO_ERR_ARGUMENT;
}

static enum giro_err members_fill(const struct arguments *arguments, struct giro_genesis *genesis,
                                  struct giro_diagnosis *diagnosis)
{
    genesis->member_count = arguments->bics.count;
    genesis->members = calloc(genesis->member_count, sizeof(*genesis->members));
    if (genesis->members == NULL)
        return GIRO_ERR_NOMEM;
    for (uint32_t i = 0; i < genesis->member_count; i++) {
        struct giro_genesis_member *member = &genesis->members[i];
        snprintf(member->bic, sizeof(member->bic), "%s", arguments->bics.bics[i]);
        snprintf(member->name, sizeof(member->name), "Bank %s", member->bic);
        member->frame_key_count = 1;
        GIRO_TRY(public_key(arguments, genesis->nonce, member->bic, "frame", 1,
                            &member->frame_keys[0], diagnosis));
        GIRO_TRY(public_key(arguments, genesis->nonce, member->bic, "session", 1, &member->session,
                            diagnosis));
        GIRO_TRY(public_key(arguments, genesis->nonce, member->bic, "sealing", 1, &member->sealing,
                            diagnosis));
        member->account_count = genesis->currency_count;
        for (uint32_t c = 0; c < genesis->currency_count; c++)
            GIRO_TRY(account_fill(arguments, genesis, c, &member->accounts[c], diagnosis));
    }
    return GIRO_ERR_OK;
}

static enum giro_err genesis_fill(const struct arguments *arguments, struct giro_genesis *genesis,
                                  struct giro_diagnosis *diagnosis)
{
    uint8_t secret[32];
    snprintf(genesis->name, sizeof(genesis->name), "%s", arguments->name);
    randombytes_buf(genesis->nonce, sizeof(genesis->nonce));
    GIRO_TRY(giro_hub_secret_make(arguments->keys, secret, diagnosis));
    genesis->window_secret_hash = giro_sha256(secret, sizeof(secret));
    sodium_memzero(secret, sizeof(secret));
    genesis->business_date = arguments->date;
    genesis->clock_bound_ns = arguments->clock_bound_ms * UINT64_C(1000000);
    genesis->round_floor_ns = arguments->round_floor_ms * UINT64_C(1000000);
    /* 20 clock bounds, in whole seconds */
    genesis->batch_ttl_ns = (arguments->clock_bound_ms + 49) / 50 * GIRO_NS_PER_S;
    genesis->uetr_retained_entries = 1u << 22;
    genesis->uetr_retained_days = 10;
    genesis->cycle_seconds = arguments->cycle_seconds;
    genesis->checkpoint_heights = arguments->checkpoint_heights;
    genesis->checkpoint_mb = arguments->checkpoint_mb;
    GIRO_TRY(currencies_fill(arguments, genesis, diagnosis));
    genesis->replica_count = arguments->replicas;
    for (uint32_t i = 0; i < genesis->replica_count; i++) {
        struct giro_genesis_replica *replica = &genesis->replicas[i];
        snprintf(replica->name, sizeof(replica->name), "replica-%u", i);
        struct giro_genesis_key *keys[4] = {&replica->vote, &replica->batch, &replica->transport,
                                            &replica->file};
        for (uint32_t role = 0; role < 4; role++)
            GIRO_TRY(public_key(arguments, genesis->nonce, replica->name, replica_roles[role], 1,
                                keys[role], diagnosis));
    }
    genesis->operator_count = 2;
    for (uint32_t i = 0; i < 2; i++) {
        struct giro_genesis_operator *approver = &genesis->operators[i];
        snprintf(approver->name, sizeof(approver->name), "%s", operators[i]);
        GIRO_TRY(public_key(arguments, genesis->nonce, approver->name, "approver", i + 1,
                            &approver->key, diagnosis));
    }
    if (arguments->supervisor != NULL) {
        snprintf(genesis->supervisor.name, sizeof(genesis->supervisor.name), "%s",
                 arguments->supervisor);
        GIRO_TRY(public_key(arguments, genesis->nonce, genesis->supervisor.name, "sealing", 1,
                            &genesis->supervisor.sealing, diagnosis));
    }
    return members_fill(arguments, genesis, diagnosis);
}

/* The text must parse and enrol before it is anybody's genesis. */
static enum giro_err genesis_write(const struct arguments *arguments, struct giro_genesis *genesis,
                                   struct giro_hash *chain_id, struct giro_diagnosis *diagnosis)
{
    char *text = giro_genesis_text(genesis);
    struct giro_genesis check;
    if (text == NULL)
        return GIRO_ERR_NOMEM;
    enum giro_err err = giro_genesis_parse(arguments->out, text, strlen(text), &check, diagnosis);
    if (err == GIRO_ERR_OK) {
        *chain_id = check.chain_id;
        giro_genesis_free(&check);
        err = giro_file_write(arguments->out, 0644, text, strlen(text));
        if (err != GIRO_ERR_OK)
            giro_diagnosis_set(diagnosis, giro_err_sentence(err), giro_err_advice(err),
                               "\"%s\" cannot be written", arguments->out);
    }
    free(text);
    return err;
}

int giro_cmd_genesis(int argc, char **argv)
{
    static const char doc[] =
        "Makes the genesis file of a hub from the keys in KEYS (giro keygen): nonce, replicas, "
        "members, accounts, "
        "caps, currencies, business date. Its SHA-256 is the chain id.\v"
        "Examples:\n"
        "  giro genesis --members XYXXCZPP,ABXXCZPP --keys keys --out genesis.json\n"
        "  giro genesis --payments payments.csv --date 1993-01-05 --prefunded 500000000.00";
    static struct arguments arguments;
    static struct giro_genesis genesis;
    struct giro_diagnosis diagnosis = {.fact = ""};
    struct giro_hash chain_id;
    enum giro_err err = arguments_read(argc, argv, doc, &arguments, &diagnosis);
    if (err == GIRO_ERR_OK)
        err = genesis_fill(&arguments, &genesis, &diagnosis);
    if (err == GIRO_ERR_OK)
        err = genesis_write(&arguments, &genesis, &chain_id, &diagnosis);
    if (genesis.members != NULL)
        giro_genesis_free(&genesis);
    if (err != GIRO_ERR_OK)
        return giro_fail("genesis", err, &diagnosis);
    char hex[65];
    giro_hex_format(chain_id.bytes, sizeof(chain_id.bytes), hex);
    printf("\"%s\": %u replicas, %u members; chain id %s\n", arguments.out, arguments.replicas,
           arguments.bics.count, hex);
    return GIRO_EXIT_OK;
}
