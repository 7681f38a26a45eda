/* From struct giro_genesis to JSON text: members in a fixed order, two-space indent, a newline at
 * the end, so the same genesis always has the same bytes. */
#include <stdlib.h>

#include <jansson.h>

#include "internal.h"

/* json_object_set_new and its kin fail only without memory or on text that is not UTF-8; the first
 * failure is kept and the whole rendering fails. They take over the value either way. */
struct build {
    bool failed;
};

static json_t *made(struct build *build, json_t *value)
{
    build->failed |= value == NULL;
    return value;
}

static void put(struct build *build, json_t *object, const char *key, json_t *value)
{
    build->failed |= json_object_set_new(object, key, value) != 0;
}

static void append(struct build *build, json_t *array, json_t *value)
{
    build->failed |= json_array_append_new(array, value) != 0;
}

static void put_text(struct build *build, json_t *object, const char *key, const char *text)
{
    put(build, object, key, json_string(text));
}

static void put_integer(struct build *build, json_t *object, const char *key, uint64_t value)
{
    put(build, object, key, json_integer((json_int_t)value));
}

static void put_hex(struct build *build, json_t *object, const char *key, const void *bytes,
                    size_t size_bytes)
{
    char text[2 * GIRO_SIGNATURE_BYTES + 1];
    GIRO_ASSERT(size_bytes <= GIRO_SIGNATURE_BYTES);
    giro_hex_format(bytes, size_bytes, text);
    put_text(build, object, key, text);
}

static void put_money(struct build *build, json_t *object, const char *key, int64_t amount_minor,
                      uint32_t digits)
{
    char text[GIRO_MONEY_TEXT_BYTES];
    giro_money_format(amount_minor, digits, text);
    put_text(build, object, key, text);
}

static void put_key(struct build *build, json_t *object, const char *name,
                    const struct giro_genesis_key *key, bool possession)
{
    json_t *value = made(build, json_object());
    put_hex(build, value, "public", key->key.bytes, GIRO_KEY_BYTES);
    if (possession)
        put_hex(build, value, "possession", key->possession.bytes, GIRO_SIGNATURE_BYTES);
    put(build, object, name, value);
}

static json_t *parameters_json(struct build *build, const struct giro_genesis *genesis)
{
    json_t *object = made(build, json_object());
    put_integer(build, object, "clock_bound_ms", genesis->clock_bound_ns / GENESIS_NS_PER_MS);
    put_integer(build, object, "round_floor_ms", genesis->round_floor_ns / GENESIS_NS_PER_MS);
    put_integer(build, object, "batch_ttl_s", genesis->batch_ttl_ns / GIRO_NS_PER_S);
    put_integer(build, object, "uetr_retained_entries", genesis->uetr_retained_entries);
    put_integer(build, object, "uetr_retained_days", genesis->uetr_retained_days);
    put_integer(build, object, "cycle_seconds", genesis->cycle_seconds);
    if (genesis->checkpoint_heights != 0)
        put_integer(build, object, "checkpoint_heights", genesis->checkpoint_heights);
    if (genesis->checkpoint_mb != 0)
        put_integer(build, object, "checkpoint_mb", genesis->checkpoint_mb);
    return object;
}

static json_t *currency_json(struct build *build, const struct giro_genesis_currency *currency)
{
    json_t *object = made(build, json_object());
    put_text(build, object, "code", currency->code);
    put_integer(build, object, "number", currency->number);
    put_integer(build, object, "digits", currency->digits);
    return object;
}

static json_t *replica_json(struct build *build, const struct giro_genesis_replica *replica)
{
    json_t *object = made(build, json_object());
    json_t *keys = made(build, json_object());
    put_text(build, object, "name", replica->name);
    struct giro_genesis_replica copy = *replica;
    for (uint32_t role = 0; role < GENESIS_REPLICA_KEYS; role++)
        put_key(build, keys, giro_genesis_replica_roles[role],
                giro_genesis_replica_key(&copy, role), true);
    put(build, object, "keys", keys);
    return object;
}

static json_t *operator_json(struct build *build, const struct giro_genesis_operator *person)
{
    json_t *object = made(build, json_object());
    put_text(build, object, "name", person->name);
    put_integer(build, object, "key_id", person->key.key_id);
    put_key(build, object, "key", &person->key, true);
    return object;
}

static json_t *supervisor_json(struct build *build,
                               const struct giro_genesis_supervisor *supervisor)
{
    json_t *object = made(build, json_object());
    put_text(build, object, "name", supervisor->name);
    put_integer(build, object, "key_id", supervisor->sealing.key_id);
    put_key(build, object, "key", &supervisor->sealing, false);
    return object;
}

static json_t *member_key_json(struct build *build, const char *role,
                               const struct giro_genesis_key *key)
{
    json_t *object = made(build, json_object());
    put_text(build, object, "role", role);
    put_integer(build, object, "key_id", key->key_id);
    put_key(build, object, "key", key, strcmp(role, "sealing") != 0);
    return object;
}

static json_t *account_json(struct build *build, const struct giro_genesis *genesis,
                            const struct giro_genesis_account *account)
{
    GIRO_ASSERT(account->currency_index < genesis->currency_count);
    const struct giro_genesis_currency *currency = &genesis->currencies[account->currency_index];
    const char *status = giro_genesis_status_text(account->status);
    GIRO_ASSERT(status != NULL);
    json_t *object = made(build, json_object());
    put_text(build, object, "currency", currency->code);
    put_money(build, object, "prefunded", account->prefunded_minor, currency->digits);
    put_money(build, object, "hold", account->hold_minor, currency->digits);
    put_money(build, object, "cap", account->cap_minor, currency->digits);
    put_text(build, object, "status", status);
    return object;
}

static json_t *member_json(struct build *build, const struct giro_genesis *genesis,
                           const struct giro_genesis_member *member)
{
    json_t *object = made(build, json_object());
    json_t *keys = made(build, json_array());
    json_t *accounts = made(build, json_array());
    put_text(build, object, "bic", member->bic);
    put_text(build, object, "name", member->name);
    for (uint32_t i = 0; i < member->frame_key_count; i++)
        append(build, keys, member_key_json(build, "frame", &member->frame_keys[i]));
    append(build, keys, member_key_json(build, "session", &member->session));
    append(build, keys, member_key_json(build, "sealing", &member->sealing));
    put(build, object, "keys", keys);
    for (uint32_t i = 0; i < member->account_count; i++)
        append(build, accounts, account_json(build, genesis, &member->accounts[i]));
    put(build, object, "accounts", accounts);
    return object;
}

static void put_lists(struct build *build, json_t *root, const struct giro_genesis *genesis)
{
    json_t *currencies = made(build, json_array());
    for (uint32_t i = 0; i < genesis->currency_count; i++)
        append(build, currencies, currency_json(build, &genesis->currencies[i]));
    put(build, root, "currencies", currencies);
    json_t *replicas = made(build, json_array());
    for (uint32_t i = 0; i < genesis->replica_count; i++)
        append(build, replicas, replica_json(build, &genesis->replicas[i]));
    put(build, root, "replicas", replicas);
    json_t *operators = made(build, json_array());
    for (uint32_t i = 0; i < genesis->operator_count; i++)
        append(build, operators, operator_json(build, &genesis->operators[i]));
    put(build, root, "operators", operators);
    if (genesis->supervisor.sealing.key_id != 0)
        put(build, root, "supervisor", supervisor_json(build, &genesis->supervisor));
    json_t *members = made(build, json_array());
    for (uint32_t i = 0; i < genesis->member_count; i++)
        append(build, members, member_json(build, genesis, &genesis->members[i]));
    put(build, root, "members", members);
}

char *giro_genesis_text(const struct giro_genesis *genesis)
{
    struct build build = {false};
    char date[11];
    json_t *root = made(&build, json_object());
    put_text(&build, root, "format", GENESIS_FORMAT);
    put_text(&build, root, "name", genesis->name);
    put_hex(&build, root, "nonce", genesis->nonce, sizeof(genesis->nonce));
    giro_date_format(genesis->business_date, date);
    put_text(&build, root, "business_date", date);
    put_hex(&build, root, "window_secret_hash", genesis->window_secret_hash.bytes, GIRO_HASH_BYTES);
    put(&build, root, "parameters", parameters_json(&build, genesis));
    put_lists(&build, root, genesis);
    char *body = build.failed ? NULL : json_dumps(root, JSON_INDENT(2));
    json_decref(root);
    if (body == NULL)
        return NULL;
    size_t length = strlen(body);
    char *text = realloc(body, length + 2);
    if (text == NULL) {
        free(body);
        return NULL;
    }
    memcpy(text + length, "\n", 2);
    return text;
}
