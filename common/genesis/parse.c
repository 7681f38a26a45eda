/* From JSON text to struct giro_genesis. Each function reads one object whose path it is at;
 * strict.h makes the message where something is wrong. */
#include <stdlib.h>

#include "internal.h"
#include "strict.h"

struct parse {
    struct strict strict;
    struct giro_genesis *genesis;
};

/* ---- Parts that occur more than once ---- */

/* A name for people: 1..63 bytes of text without control characters. */
static enum giro_err read_name(struct strict *strict, const json_t *object,
                               char name[GIRO_NAME_BYTES])
{
    const char *text;
    GIRO_TRY(strict_string(strict, object, "name", 1, GIRO_NAME_BYTES - 1, &text));
    for (const char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return strict_fail_in(strict, "name", "it holds a control character",
                                  "write one line of text", "is not a name");
    }
    memcpy(name, text, strlen(text) + 1);
    return GIRO_ERR_OK;
}

/* A name that owns keys: it is a folder of key files and part of a proof of possession. */
static enum giro_err read_owner(struct parse *parse, const json_t *object,
                                char name[GIRO_NAME_BYTES])
{
    GIRO_TRY(read_name(&parse->strict, object, name));
    if (!giro_genesis_owner_valid(name))
        return strict_fail_in(&parse->strict, "name",
                              "a replica or operator has 1 to 16 letters, digits, - or _",
                              "choose a shorter or simpler name", "cannot own keys");
    return GIRO_ERR_OK;
}

static enum giro_err read_key(struct strict *strict, const json_t *object, const char *key,
                              bool possession, struct giro_genesis_key *out)
{
    static const char *const with[] = {"public", "possession", NULL};
    static const char *const without[] = {"public", NULL};
    const json_t *value = json_object_get(object, key);
    strict_enter(strict, key);
    GIRO_TRY(strict_object(strict, value, possession ? with : without));
    GIRO_TRY(strict_hex(strict, value, "public", out->key.bytes, GIRO_KEY_BYTES));
    if (possession)
        GIRO_TRY(
            strict_hex(strict, value, "possession", out->possession.bytes, GIRO_SIGNATURE_BYTES));
    strict_leave(strict);
    return GIRO_ERR_OK;
}

static enum giro_err read_key_id(struct strict *strict, const json_t *object, uint64_t *key_id)
{
    return strict_integer(strict, object, "key_id", 1, UINT16_MAX, key_id);
}

/* ---- Parameters and currencies ---- */

/* A parameter that may be left out: 0 then, which stands for its default. */
static enum giro_err read_optional(struct strict *strict, const json_t *object, const char *key,
                                   uint64_t least, uint64_t most, uint64_t *value)
{
    *value = 0;
    if (json_object_get(object, key) == NULL)
        return GIRO_ERR_OK;
    return strict_integer(strict, object, key, least, most, value);
}

static enum giro_err read_parameters(struct parse *parse, const json_t *root)
{
    static const char *const names[] = {
        "clock_bound_ms",     "round_floor_ms", "batch_ttl_s", "uetr_retained_entries",
        "uetr_retained_days", "cycle_seconds",  NULL};
    static const char *const optional[] = {"checkpoint_heights", "checkpoint_mb", NULL};
    struct strict *strict = &parse->strict;
    struct giro_genesis *genesis = parse->genesis;
    const json_t *object = json_object_get(root, "parameters");
    uint64_t clock_ms, floor_ms, ttl_s, entries, days, cycle_s, heights, megabytes;
    strict_enter(strict, "parameters");
    GIRO_TRY(strict_object_optional(strict, object, names, optional));
    GIRO_TRY(strict_integer(strict, object, "clock_bound_ms", 1, 60000, &clock_ms));
    GIRO_TRY(strict_integer(strict, object, "round_floor_ms", 1, 60000, &floor_ms));
    GIRO_TRY(strict_integer(strict, object, "batch_ttl_s", 1, 3600, &ttl_s));
    GIRO_TRY(strict_integer(strict, object, "uetr_retained_entries", 1, 1u << 30, &entries));
    GIRO_TRY(strict_integer(strict, object, "uetr_retained_days", 1, 3660, &days));
    GIRO_TRY(strict_integer(strict, object, "cycle_seconds", 0, 7 * 86400, &cycle_s));
    GIRO_TRY(read_optional(strict, object, "checkpoint_heights", 1, 1u << 20, &heights));
    GIRO_TRY(read_optional(strict, object, "checkpoint_mb", 1, 1u << 20, &megabytes));
    strict_leave(strict);
    genesis->checkpoint_heights = (uint32_t)heights;
    genesis->checkpoint_mb = (uint32_t)megabytes;
    genesis->clock_bound_ns = clock_ms * GENESIS_NS_PER_MS;
    genesis->round_floor_ns = floor_ms * GENESIS_NS_PER_MS;
    genesis->batch_ttl_ns = ttl_s * GIRO_NS_PER_S;
    genesis->uetr_retained_entries = (uint32_t)entries;
    genesis->uetr_retained_days = (uint32_t)days;
    genesis->cycle_seconds = (uint32_t)cycle_s;
    return GIRO_ERR_OK;
}

static enum giro_err read_currency(struct parse *parse, const json_t *object)
{
    static const char *const names[] = {"code", "number", "digits", NULL};
    struct strict *strict = &parse->strict;
    struct giro_genesis *genesis = parse->genesis;
    struct giro_genesis_currency *currency = &genesis->currencies[genesis->currency_count];
    const char *code;
    uint64_t number, digits;
    GIRO_TRY(strict_object(strict, object, names));
    GIRO_TRY(strict_string(strict, object, "code", 3, 3, &code));
    for (uint32_t i = 0; i < 3; i++) {
        if (code[i] < 'A' || code[i] > 'Z')
            return strict_fail_in(strict, "code", "an ISO 4217 code is three capital letters",
                                  "write a code such as CZK", "is not a currency code");
    }
    GIRO_TRY(strict_integer(strict, object, "number", 1, 999, &number));
    GIRO_TRY(strict_integer(strict, object, "digits", 0, 4, &digits));
    if (giro_genesis_currency_by_code(genesis, code) != GIRO_NONE)
        return strict_fail_in(strict, "code", "an earlier currency has the same code",
                              "remove one of them", "is repeated");
    if (giro_genesis_currency_by_number(genesis, (uint16_t)number) != GIRO_NONE)
        return strict_fail_in(strict, "number", "an earlier currency has the same number",
                              "correct one of them", "is repeated");
    memcpy(currency->code, code, 4);
    currency->number = (uint16_t)number;
    currency->digits = (uint8_t)digits;
    genesis->currency_count++;
    return GIRO_ERR_OK;
}

/* ---- Replicas and operators ---- */

static bool owner_repeated(const struct giro_genesis *genesis, const char *name)
{
    for (uint32_t i = 0; i < genesis->replica_count; i++) {
        if (strcmp(genesis->replicas[i].name, name) == 0)
            return true;
    }
    for (uint32_t i = 0; i < genesis->operator_count; i++) {
        if (strcmp(genesis->operators[i].name, name) == 0)
            return true;
    }
    return strcmp(genesis->supervisor.name, name) == 0;
}

static enum giro_err fail_owner_repeated(struct strict *strict)
{
    return strict_fail_in(strict, "name",
                          "an earlier replica, operator or supervisor has the same name",
                          "give each its own name: key files are kept by it", "is repeated");
}

static enum giro_err read_replica(struct parse *parse, const json_t *object)
{
    static const char *const names[] = {"name", "keys", NULL};
    struct strict *strict = &parse->strict;
    struct giro_genesis *genesis = parse->genesis;
    struct giro_genesis_replica *replica = &genesis->replicas[genesis->replica_count];
    GIRO_TRY(strict_object(strict, object, names));
    GIRO_TRY(read_owner(parse, object, replica->name));
    if (owner_repeated(genesis, replica->name))
        return fail_owner_repeated(strict);
    const json_t *keys = json_object_get(object, "keys");
    strict_enter(strict, "keys");
    GIRO_TRY(strict_object(strict, keys, giro_genesis_replica_roles));
    for (uint32_t role = 0; role < GENESIS_REPLICA_KEYS; role++) {
        struct giro_genesis_key *key = giro_genesis_replica_key(replica, role);
        key->key_id = GENESIS_REPLICA_KEY_ID;
        GIRO_TRY(read_key(strict, keys, giro_genesis_replica_roles[role], true, key));
    }
    strict_leave(strict);
    genesis->replica_count++;
    return GIRO_ERR_OK;
}

/* It may be left out, as in genesis files older than sealed details. */
static enum giro_err read_supervisor(struct parse *parse, const json_t *root)
{
    static const char *const names[] = {"name", "key_id", "key", NULL};
    struct strict *strict = &parse->strict;
    struct giro_genesis_supervisor *supervisor = &parse->genesis->supervisor;
    const json_t *object = json_object_get(root, "supervisor");
    char name[GIRO_NAME_BYTES];
    if (object == NULL)
        return GIRO_ERR_OK;
    strict_enter(strict, "supervisor");
    GIRO_TRY(strict_object(strict, object, names));
    GIRO_TRY(read_owner(parse, object, name));
    if (owner_repeated(parse->genesis, name))
        return fail_owner_repeated(strict);
    memcpy(supervisor->name, name, sizeof(name));
    GIRO_TRY(read_key_id(strict, object, &supervisor->sealing.key_id));
    GIRO_TRY(read_key(strict, object, "key", false, &supervisor->sealing));
    strict_leave(strict);
    return GIRO_ERR_OK;
}

static enum giro_err read_operator(struct parse *parse, const json_t *object)
{
    static const char *const names[] = {"name", "key_id", "key", NULL};
    struct strict *strict = &parse->strict;
    struct giro_genesis *genesis = parse->genesis;
    struct giro_genesis_operator *person = &genesis->operators[genesis->operator_count];
    GIRO_TRY(strict_object(strict, object, names));
    GIRO_TRY(read_owner(parse, object, person->name));
    if (owner_repeated(genesis, person->name))
        return fail_owner_repeated(strict);
    GIRO_TRY(read_key_id(strict, object, &person->key.key_id));
    if (giro_genesis_frame_key(genesis, GIRO_MEMBER_OPERATOR, (uint16_t)person->key.key_id) != NULL)
        return strict_fail_in(strict, "key_id", "an earlier operator has the same key id",
                              "number the operators' keys 1, 2, ...", "is repeated");
    GIRO_TRY(read_key(strict, object, "key", true, &person->key));
    genesis->operator_count++;
    return GIRO_ERR_OK;
}

/* ---- Members ---- */

/* Gives the place for the next key of this role, or NULL after a diagnosis. seen has a bit per
 * role. */
static struct giro_genesis_key *member_key_place(struct strict *strict, const char *role,
                                                 struct giro_genesis_member *member, uint32_t *seen)
{
    if (strcmp(role, "frame") == 0) {
        if (member->frame_key_count < GIRO_ROLE_KEYS_MAX)
            return &member->frame_keys[member->frame_key_count];
        (void)strict_fail(strict, "a member has at most 4 frame keys", "remove one of them",
                          "is one frame key too many");
        return NULL;
    }
    bool session = strcmp(role, "session") == 0;
    if (!session && strcmp(role, "sealing") != 0) {
        (void)strict_fail_in(strict, "role", "a role is frame, session or sealing",
                             "correct the role", "is not a role of a member's key");
        return NULL;
    }
    uint32_t bit = session ? 1u : 2u;
    if ((*seen & bit) != 0) {
        (void)strict_fail(strict, "a member has one session key and one sealing key",
                          "remove one of them", "repeats a role");
        return NULL;
    }
    *seen |= bit;
    return session ? &member->session : &member->sealing;
}

static enum giro_err read_member_key(struct parse *parse, const json_t *object,
                                     struct giro_genesis_member *member, uint32_t *seen)
{
    static const char *const names[] = {"role", "key_id", "key", NULL};
    struct strict *strict = &parse->strict;
    const char *role;
    GIRO_TRY(strict_object(strict, object, names));
    GIRO_TRY(strict_string(strict, object, "role", 1, 16, &role));
    struct giro_genesis_key *key = member_key_place(strict, role, member, seen);
    if (key == NULL)
        return GIRO_ERR_CONFIG;
    GIRO_TRY(read_key_id(strict, object, &key->key_id));
    bool frame = strcmp(role, "frame") == 0;
    for (uint32_t i = 0; frame && i < member->frame_key_count; i++) {
        if (member->frame_keys[i].key_id == key->key_id)
            return strict_fail_in(strict, "key_id", "an earlier frame key has the same key id",
                                  "number the member's frame keys 1, 2, ...", "is repeated");
    }
    GIRO_TRY(read_key(strict, object, "key", strcmp(role, "sealing") != 0, key));
    if (frame)
        member->frame_key_count++;
    return GIRO_ERR_OK;
}

static enum giro_err read_member_keys(struct parse *parse, const json_t *object,
                                      struct giro_genesis_member *member)
{
    struct strict *strict = &parse->strict;
    const json_t *array;
    uint32_t seen = 0;
    GIRO_TRY(strict_array(strict, object, "keys", 3, GIRO_ROLE_KEYS_MAX + 2, &array));
    strict_enter(strict, "keys");
    for (size_t i = 0; i < json_array_size(array); i++) {
        strict_enter_at(strict, i);
        GIRO_TRY(read_member_key(parse, json_array_get(array, i), member, &seen));
        strict_leave(strict);
    }
    if (member->frame_key_count == 0 || seen != 3)
        return strict_fail(strict, "a member has a frame, a session and a sealing key",
                           "add the missing key", "lacks a key");
    strict_leave(strict);
    return GIRO_ERR_OK;
}

static enum giro_err read_money(struct strict *strict, const json_t *object, const char *key,
                                uint32_t digits, int64_t *amount_minor)
{
    const char *text;
    GIRO_TRY(strict_string(strict, object, key, 1, 32, &text));
    switch (giro_money_parse(text, strlen(text), digits, amount_minor)) {
    case GIRO_MONEY_NOT_A_NUMBER:
        return strict_fail_in(strict, key, "it is not a decimal number",
                              "write digits and a point, such as \"1000.00\"", "is not an amount");
    case GIRO_MONEY_TOO_MANY_DECIMALS:
        return strict_fail_in(strict, key, "the currency has fewer decimals",
                              "see digits of the currency", "has too many decimals");
    case GIRO_MONEY_TOO_LARGE:
        return strict_fail_in(strict, key, "an amount has at most 18 digits",
                              "write a smaller amount", "is too large");
    case GIRO_MONEY_PARSED:
        break;
    }
    if (*amount_minor < 0)
        return strict_fail_in(strict, key, "it is below zero", "write zero or more", "is negative");
    if (*amount_minor > GIRO_AMOUNT_MAX_MINOR)
        return strict_fail_in(strict, key, "an amount has at most 18 digits",
                              "write a smaller amount", "is too large");
    return GIRO_ERR_OK;
}

static enum giro_err read_account_amounts(struct parse *parse, const json_t *object,
                                          struct giro_genesis_account *account)
{
    struct strict *strict = &parse->strict;
    uint32_t digits = parse->genesis->currencies[account->currency_index].digits;
    GIRO_TRY(read_money(strict, object, "prefunded", digits, &account->prefunded_minor));
    GIRO_TRY(read_money(strict, object, "hold", digits, &account->hold_minor));
    GIRO_TRY(read_money(strict, object, "cap", digits, &account->cap_minor));
    if (account->hold_minor > account->prefunded_minor)
        return strict_fail_in(strict, "hold", "cap <= hold <= prefunded must be true",
                              "lower it, or raise prefunded", "is above prefunded");
    if (account->cap_minor > account->hold_minor)
        return strict_fail_in(strict, "cap", "cap <= hold <= prefunded must be true",
                              "lower it, or raise hold", "is above hold");
    return GIRO_ERR_OK;
}

static enum giro_err read_account(struct parse *parse, const json_t *object,
                                  struct giro_genesis_member *member)
{
    static const char *const names[] = {"currency", "prefunded", "hold", "cap", "status", NULL};
    struct strict *strict = &parse->strict;
    struct giro_genesis_account *account = &member->accounts[member->account_count];
    const char *code, *status;
    GIRO_TRY(strict_object(strict, object, names));
    GIRO_TRY(strict_string(strict, object, "currency", 3, 3, &code));
    uint32_t currency = giro_genesis_currency_by_code(parse->genesis, code);
    if (currency == GIRO_NONE)
        return strict_fail_in(strict, "currency", "it is not among the hub's currencies",
                              "add it under currencies, or correct it", "is unknown");
    for (uint32_t i = 0; i < member->account_count; i++) {
        if (member->accounts[i].currency_index == currency)
            return strict_fail_in(strict, "currency",
                                  "a member has one settlement account in each currency",
                                  "remove one of the accounts", "is repeated");
    }
    account->currency_index = (uint16_t)currency;
    GIRO_TRY(read_account_amounts(parse, object, account));
    GIRO_TRY(strict_string(strict, object, "status", 1, 16, &status));
    for (uint32_t i = GIRO_ACCOUNT_OPEN; i <= GIRO_ACCOUNT_CLOSED; i++) {
        if (strcmp(status, giro_genesis_status_text((uint8_t)i)) == 0)
            account->status = (uint8_t)i;
    }
    if (account->status == 0)
        return strict_fail_in(strict, "status", "a status is open, blocked or closed",
                              "correct the status", "is not an account's status");
    member->account_count++;
    return GIRO_ERR_OK;
}

static enum giro_err read_accounts(struct parse *parse, const json_t *object,
                                   struct giro_genesis_member *member)
{
    struct strict *strict = &parse->strict;
    const json_t *array;
    GIRO_TRY(strict_array(strict, object, "accounts", 0, parse->genesis->currency_count, &array));
    strict_enter(strict, "accounts");
    for (size_t i = 0; i < json_array_size(array); i++) {
        strict_enter_at(strict, i);
        GIRO_TRY(read_account(parse, json_array_get(array, i), member));
        strict_leave(strict);
    }
    strict_leave(strict);
    return GIRO_ERR_OK;
}

static enum giro_err read_member(struct parse *parse, const json_t *object)
{
    static const char *const names[] = {"bic", "name", "keys", "accounts", NULL};
    struct strict *strict = &parse->strict;
    struct giro_genesis *genesis = parse->genesis;
    struct giro_genesis_member *member = &genesis->members[genesis->member_count];
    const char *bic;
    GIRO_TRY(strict_object(strict, object, names));
    GIRO_TRY(strict_string(strict, object, "bic", 8, 11, &bic));
    if (!giro_bic_valid(bic, strlen(bic)))
        return strict_fail_in(strict, "bic", "ISO 9362: 8 or 11 capital letters and digits",
                              "write a BIC such as XYXXCZPP", "is not a BIC");
    if (giro_genesis_member_by_bic(genesis, bic) != GIRO_NONE)
        return strict_fail_in(strict, "bic", "an earlier member has the same BIC (XXX aside)",
                              "remove one of the members", "is repeated");
    memcpy(member->bic, bic, strlen(bic) + 1);
    GIRO_TRY(read_name(strict, object, member->name));
    GIRO_TRY(read_member_keys(parse, object, member));
    GIRO_TRY(read_accounts(parse, object, member));
    genesis->member_count++;
    return GIRO_ERR_OK;
}

/* ---- The whole ---- */

static enum giro_err read_each(struct parse *parse, const json_t *root, const char *key,
                               size_t count_min, size_t count_max,
                               enum giro_err (*read)(struct parse *, const json_t *))
{
    struct strict *strict = &parse->strict;
    const json_t *array;
    GIRO_TRY(strict_array(strict, root, key, count_min, count_max, &array));
    strict_enter(strict, key);
    for (size_t i = 0; i < json_array_size(array); i++) {
        strict_enter_at(strict, i);
        GIRO_TRY(read(parse, json_array_get(array, i)));
        strict_leave(strict);
    }
    strict_leave(strict);
    return GIRO_ERR_OK;
}

static enum giro_err read_head(struct parse *parse, const json_t *root)
{
    struct strict *strict = &parse->strict;
    struct giro_genesis *genesis = parse->genesis;
    const char *format, *date;
    GIRO_TRY(strict_string(strict, root, "format", 1, 64, &format));
    if (strcmp(format, GENESIS_FORMAT) != 0)
        return strict_fail_in(strict, "format", "this program reads " GENESIS_FORMAT,
                              "check that this is a genesis file", "is not known");
    GIRO_TRY(read_name(strict, root, genesis->name));
    GIRO_TRY(strict_hex(strict, root, "nonce", genesis->nonce, sizeof(genesis->nonce)));
    GIRO_TRY(strict_hex(strict, root, "window_secret_hash", genesis->window_secret_hash.bytes,
                        GIRO_HASH_BYTES));
    GIRO_TRY(strict_string(strict, root, "business_date", 10, 10, &date));
    if (!giro_date_parse(date, strlen(date), &genesis->business_date))
        return strict_fail_in(strict, "business_date", "a date is YYYY-MM-DD, 1970 to 2149",
                              "correct the date", "is not a date");
    return GIRO_ERR_OK;
}

static enum giro_err check_operator_count(struct parse *parse)
{
    if (parse->genesis->operator_count != 1)
        return GIRO_ERR_OK;
    return strict_fail_in(&parse->strict, "operators",
                          "a control transaction needs a maker and a checker",
                          "add a second operator", "has only one operator");
}

static enum giro_err read_root(struct parse *parse, const json_t *root)
{
    static const char *const names[] = {
        "format",     "name",       "nonce",    "business_date", "window_secret_hash",
        "parameters", "currencies", "replicas", "operators",     "members",
        NULL};
    static const char *const optional[] = {"supervisor", NULL};
    struct strict *strict = &parse->strict;
    struct giro_genesis *genesis = parse->genesis;
    GIRO_TRY(strict_object_optional(strict, root, names, optional));
    GIRO_TRY(read_head(parse, root));
    GIRO_TRY(read_parameters(parse, root));
    GIRO_TRY(read_each(parse, root, "currencies", 1, GIRO_CURRENCIES_MAX, read_currency));
    GIRO_TRY(read_each(parse, root, "replicas", 1, GIRO_REPLICAS_MAX, read_replica));
    if (genesis->replica_count == 2 || genesis->replica_count == 3)
        return strict_fail_in(strict, "replicas", "fewer than 4 replicas bear no fault",
                              "write 4 to 100 replicas, or 1 for a test hub",
                              "has 2 or 3 replicas");
    GIRO_TRY(read_each(parse, root, "operators", 0, GENESIS_OPERATORS_MAX, read_operator));
    GIRO_TRY(check_operator_count(parse));
    GIRO_TRY(read_supervisor(parse, root));
    const json_t *members;
    GIRO_TRY(strict_array(strict, root, "members", 0, GIRO_MEMBERS_MAX, &members));
    genesis->members = calloc(json_array_size(members) + 1, sizeof(*genesis->members));
    if (genesis->members == NULL)
        return GIRO_ERR_NOMEM;
    return read_each(parse, root, "members", 0, GIRO_MEMBERS_MAX, read_member);
}

enum giro_err giro_genesis_parse(const char *name, const char *text, size_t size_bytes,
                                 struct giro_genesis *genesis, struct giro_diagnosis *diagnosis)
{
    memset(genesis, 0, sizeof(*genesis));
    struct parse parse = {
        .strict = {.name = name, .text = text, .size_bytes = size_bytes, .diagnosis = diagnosis},
        .genesis = genesis};
    if (size_bytes > GENESIS_BYTES_MAX)
        return strict_fail(&parse.strict, "a genesis file has at most 16 MiB",
                           "check that this is a genesis file", "the file is too large");
    json_t *root = strict_load(&parse.strict);
    if (root == NULL)
        return GIRO_ERR_CONFIG;
    enum giro_err err = read_root(&parse, root);
    json_decref(root);
    if (err != GIRO_ERR_OK) {
        giro_genesis_free(genesis);
        return err;
    }
    GIRO_ASSERT(parse.strict.depth == 0);
    genesis->chain_id = giro_sha256(text, size_bytes);
    memcpy(&genesis->chain_prefix, genesis->chain_id.bytes, sizeof(genesis->chain_prefix));
    return GIRO_ERR_OK;
}

enum giro_err giro_genesis_load(const char *path, struct giro_genesis *genesis,
                                struct giro_diagnosis *diagnosis)
{
    char *text;
    size_t size_bytes;
    memset(genesis, 0, sizeof(*genesis));
    enum giro_err err = giro_file_read(path, GENESIS_BYTES_MAX, &text, &size_bytes);
    if (err != GIRO_ERR_OK) {
        if (diagnosis != NULL)
            giro_diagnosis_set(diagnosis, giro_err_sentence(err), giro_err_advice(err),
                               "cannot read the genesis file \"%s\"", path);
        return err;
    }
    err = giro_genesis_parse(path, text, size_bytes, genesis, diagnosis);
    free(text);
    return err;
}
