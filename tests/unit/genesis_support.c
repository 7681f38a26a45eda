#include <stdio.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#include "genesis_support.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

void genesis_suite_open(void)
{
    cr_assert(giro_crypto_init() == GIRO_ERR_OK);
}

void genesis_suite_close(void)
{
#ifdef __SANITIZE_ADDRESS__
    if (__lsan_do_recoverable_leak_check() != 0)
        abort();
#endif
}

static struct giro_genesis_key make_key(const struct giro_genesis *genesis, const char *owner,
                                        const char *role, uint64_t key_id)
{
    uint8_t seed[32], message[GIRO_POSSESSION_MESSAGE_BYTES];
    char text[64];
    snprintf(text, sizeof(text), "%s/%s/%lu", owner, role, key_id);
    struct giro_hash hash = giro_sha256(text, strlen(text));
    memcpy(seed, hash.bytes, sizeof(seed));
    struct giro_secret_key *secret = giro_key_from_seed(seed);
    struct giro_genesis_key key = {.key_id = key_id, .key = giro_key_public(secret)};
    size_t size_bytes =
        giro_possession_message(genesis->nonce, role, owner, key_id, &key.key, message);
    if (strcmp(role, "sealing") != 0)
        key.possession = giro_sign(secret, message, size_bytes);
    giro_key_free(secret);
    return key;
}

static void make_member(struct giro_genesis *genesis, uint32_t index, uint32_t frame_keys)
{
    struct giro_genesis_member *member = &genesis->members[index];
    snprintf(member->bic, sizeof(member->bic), index % 2 == 0 ? "B%03uCZPP" : "B%03uCZPP001",
             index);
    snprintf(member->name, sizeof(member->name), "Banka \"%u\" \xc5\xa1", index);
    member->frame_key_count = frame_keys;
    for (uint32_t i = 0; i < frame_keys; i++)
        member->frame_keys[i] = make_key(genesis, member->bic, "frame", i + 1);
    member->session = make_key(genesis, member->bic, "session", 1);
    member->sealing = make_key(genesis, member->bic, "sealing", 1);
    member->account_count = 1 + index % genesis->currency_count;
    for (uint32_t i = 0; i < member->account_count; i++)
        member->accounts[i] = (struct giro_genesis_account){
            .currency_index = (uint16_t)(member->account_count - 1 - i),
            .status = (uint8_t)(GIRO_ACCOUNT_OPEN + index % 3),
            .prefunded_minor = i == 0 ? GIRO_AMOUNT_MAX_MINOR : 100000000,
            .hold_minor = 50000005,
            .cap_minor = 50000000};
}

void genesis_make(struct giro_genesis *genesis, uint32_t replicas, uint32_t members,
                  uint32_t frame_keys)
{
    memset(genesis, 0, sizeof(*genesis));
    memcpy(genesis->name, "demo", 5);
    memset(genesis->nonce, 0x5a, sizeof(genesis->nonce));
    genesis->window_secret_hash = giro_sha256("window", 6);
    genesis->business_date = 20781; /* 2026-11-24 */
    genesis->clock_bound_ns = 250 * UINT64_C(1000000);
    genesis->round_floor_ns = 20 * UINT64_C(1000000);
    genesis->batch_ttl_ns = 20 * GIRO_NS_PER_S;
    genesis->uetr_retained_entries = 4194304;
    genesis->uetr_retained_days = 10;
    genesis->cycle_seconds = 3600;
    genesis->currencies[0] = (struct giro_genesis_currency){"CZK", 203, 2};
    genesis->currencies[1] = (struct giro_genesis_currency){"JPY", 392, 0};
    genesis->currencies[2] = (struct giro_genesis_currency){"BHD", 48, 3};
    genesis->currency_count = 3;
    genesis->replica_count = replicas;
    for (uint32_t i = 0; i < replicas; i++) {
        struct giro_genesis_replica *replica = &genesis->replicas[i];
        snprintf(replica->name, sizeof(replica->name), "replica-%u", i);
        replica->vote = make_key(genesis, replica->name, "vote", 1);
        replica->batch = make_key(genesis, replica->name, "batch", 1);
        replica->transport = make_key(genesis, replica->name, "transport", 1);
        replica->file = make_key(genesis, replica->name, "file", 1);
    }
    static const char *const people[] = {"maker", "checker"};
    for (uint32_t i = 0; i < 2; i++) {
        memcpy(genesis->operators[i].name, people[i], strlen(people[i]) + 1);
        genesis->operators[i].key = make_key(genesis, people[i], "approver", i + 1);
    }
    genesis->operator_count = 2;
    memcpy(genesis->supervisor.name, "supervisor", 11);
    genesis->supervisor.sealing.key_id = 1;
    memset(&genesis->supervisor.sealing.key, 0x5b, GIRO_KEY_BYTES);
    genesis->members = calloc(members + 1, sizeof(*genesis->members));
    cr_assert(genesis->members != NULL);
    for (uint32_t i = 0; i < members; i++)
        make_member(genesis, i, frame_keys);
    genesis->member_count = members;
}

char *genesis_replaced(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    cr_assert(at != NULL, "the test looks for %s", from);
    size_t size_bytes = strlen(text) - strlen(from) + strlen(to) + 1;
    char *replaced = malloc(size_bytes);
    cr_assert(replaced != NULL);
    snprintf(replaced, size_bytes, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    return replaced;
}
