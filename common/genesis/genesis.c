/* The parsed genesis: look-ups, enrolment of its keys, and what follows from it. */
#include <stdio.h>
#include <stdlib.h>

#include "internal.h"

const char *const giro_genesis_replica_roles[GENESIS_REPLICA_KEYS + 1] = {"vote", "batch",
                                                                          "transport", "file"};

struct giro_genesis_key *giro_genesis_replica_key(struct giro_genesis_replica *replica,
                                                  uint32_t role)
{
    GIRO_ASSERT(role < GENESIS_REPLICA_KEYS);
    struct giro_genesis_key *keys[] = {&replica->vote, &replica->batch, &replica->transport,
                                       &replica->file};
    return keys[role];
}

const char *giro_genesis_status_text(uint8_t status)
{
    switch (status) {
    case GIRO_ACCOUNT_OPEN:
        return "open";
    case GIRO_ACCOUNT_BLOCKED:
        return "blocked";
    case GIRO_ACCOUNT_CLOSED:
        return "closed";
    default:
        return NULL;
    }
}

/* ---- Names ---- */

static bool is_letter(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool giro_bic_valid(const char *text, size_t length)
{
    if (length != 8 && length != 11)
        return false;
    for (size_t i = 0; i < length; i++) {
        bool country = i == 4 || i == 5;
        if (!is_letter(text[i]) && (country || !is_digit(text[i])))
            return false;
    }
    return true;
}

bool giro_genesis_bic_same(const char *a, const char *b)
{
    size_t length_a = strlen(a), length_b = strlen(b);
    if (length_a < 8 || length_b < 8 || memcmp(a, b, 8) != 0)
        return false;
    const char *branch_a = length_a == 8 ? "XXX" : a + 8;
    const char *branch_b = length_b == 8 ? "XXX" : b + 8;
    return strcmp(branch_a, branch_b) == 0;
}

bool giro_genesis_owner_valid(const char *text)
{
    size_t length = strlen(text);
    if (length == 0 || length > GENESIS_OWNER_MAX || text[0] == '-')
        return false;
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (!is_letter(c) && !is_digit(c) && !(c >= 'a' && c <= 'z') && c != '-' && c != '_')
            return false;
    }
    return true;
}

/* ---- Look-ups ---- */

uint32_t giro_genesis_member_by_bic(const struct giro_genesis *genesis, const char *bic)
{
    for (uint32_t i = 0; i < genesis->member_count; i++) {
        if (giro_genesis_bic_same(genesis->members[i].bic, bic))
            return i;
    }
    return GIRO_NONE;
}

uint32_t giro_genesis_currency_by_code(const struct giro_genesis *genesis, const char *code)
{
    for (uint32_t i = 0; i < genesis->currency_count; i++) {
        if (strcmp(genesis->currencies[i].code, code) == 0)
            return i;
    }
    return GIRO_NONE;
}

uint32_t giro_genesis_currency_by_number(const struct giro_genesis *genesis, uint16_t number)
{
    for (uint32_t i = 0; i < genesis->currency_count; i++) {
        if (genesis->currencies[i].number == number)
            return i;
    }
    return GIRO_NONE;
}

const struct giro_genesis_key *giro_genesis_frame_key(const struct giro_genesis *genesis,
                                                      uint16_t member, uint16_t key_id)
{
    if (member == GIRO_MEMBER_OPERATOR) {
        for (uint32_t i = 0; i < genesis->operator_count; i++) {
            if (genesis->operators[i].key.key_id == key_id)
                return &genesis->operators[i].key;
        }
        return NULL;
    }
    if (member >= genesis->member_count)
        return NULL;
    const struct giro_genesis_member *found = &genesis->members[member];
    for (uint32_t i = 0; i < found->frame_key_count; i++) {
        if (found->frame_keys[i].key_id == key_id)
            return &found->frame_keys[i];
    }
    return NULL;
}

uint64_t giro_genesis_checkpoint_heights(const struct giro_genesis *genesis)
{
    return genesis->checkpoint_heights == 0 ? 1024u : genesis->checkpoint_heights;
}

uint64_t giro_genesis_checkpoint_bytes(const struct giro_genesis *genesis)
{
    uint64_t megabytes = genesis->checkpoint_mb == 0 ? 64u : genesis->checkpoint_mb;
    return megabytes * 1024u * 1024u;
}

uint32_t giro_genesis_quorum(const struct giro_genesis *genesis)
{
    GIRO_ASSERT(genesis->replica_count >= 1);
    return genesis->replica_count - (genesis->replica_count - 1) / 3;
}

struct giro_hash giro_genesis_block_id(const struct giro_genesis *genesis)
{
    const struct giro_part parts[2] = {{GIRO_TAG_BLOCK, GIRO_TAG_BYTES},
                                       {genesis->chain_id.bytes, GIRO_HASH_BYTES}};
    return giro_sha256_parts(parts, 2);
}

void giro_genesis_free(struct giro_genesis *genesis)
{
    free(genesis->members);
    genesis->members = NULL;
    genesis->member_count = 0;
}

/* ---- Enrolment ---- */

uint32_t giro_genesis_key_count(const struct giro_genesis *genesis)
{
    uint32_t count = GENESIS_REPLICA_KEYS * genesis->replica_count + genesis->operator_count;
    for (uint32_t i = 0; i < genesis->member_count; i++)
        count += genesis->members[i].frame_key_count + 1; /* and the session key */
    return count;
}

uint32_t giro_genesis_signing_keys(const struct giro_genesis *genesis,
                                   const struct giro_genesis_key **keys)
{
    const struct giro_genesis_key *unused[1];
    const uint32_t step = keys != NULL;
    uint32_t count = 0;
    keys = keys != NULL ? keys : unused;
    for (uint32_t i = 0; i < genesis->replica_count; i++) {
        keys[step * count++] = &genesis->replicas[i].vote;
        keys[step * count++] = &genesis->replicas[i].batch;
    }
    for (uint32_t i = 0; i < genesis->operator_count; i++)
        keys[step * count++] = &genesis->operators[i].key;
    for (uint32_t i = 0; i < genesis->member_count; i++) {
        for (uint32_t k = 0; k < genesis->members[i].frame_key_count; k++)
            keys[step * count++] = &genesis->members[i].frame_keys[k];
    }
    return count;
}

struct enrolment {
    const struct giro_genesis *genesis;
    struct giro_key_ring *ring;
    struct giro_diagnosis *diagnosis; /* NULL: no message wanted */
};

static enum giro_err fault_err(enum giro_key_fault fault)
{
    switch (fault) {
    case GIRO_KEY_OK:
        return GIRO_ERR_OK;
    case GIRO_KEY_NO_POSSESSION:
        return GIRO_ERR_SIGNATURE;
    case GIRO_KEY_RING_FULL:
        return GIRO_ERR_FULL;
    default:
        return GIRO_ERR_KEY;
    }
}

static enum giro_err enrol_key(const struct enrolment *enrolment, const char *owner,
                               const char *role, struct giro_genesis_key *key)
{
    uint8_t message[GIRO_POSSESSION_MESSAGE_BYTES];
    GIRO_ASSERT(strlen(owner) <= GENESIS_OWNER_MAX); /* the parser holds it */
    size_t message_bytes = giro_possession_message(enrolment->genesis->nonce, role, owner,
                                                   key->key_id, &key->key, message);
    enum giro_key_fault fault = giro_key_ring_enrol(enrolment->ring, &key->key, message,
                                                    message_bytes, &key->possession, &key->handle);
    if (fault == GIRO_KEY_OK)
        return GIRO_ERR_OK;
    if (enrolment->diagnosis != NULL) {
        char public_hex[2 * GIRO_KEY_BYTES + 1];
        char detail[128];
        giro_hex_format(key->key.bytes, GIRO_KEY_BYTES, public_hex);
        snprintf(detail, sizeof(detail), "its public key is %s", public_hex);
        giro_diagnosis_set(enrolment->diagnosis, detail,
                           "let the owner make the key and its proof of possession anew",
                           "genesis \"%s\": \"%s\" key %lu of \"%s\" is refused: %s",
                           enrolment->genesis->name, role, key->key_id, owner,
                           giro_key_fault_text(fault));
    }
    return fault_err(fault);
}

enum giro_err giro_genesis_enrol(struct giro_genesis *genesis, struct giro_key_ring *ring,
                                 struct giro_diagnosis *diagnosis)
{
    const struct enrolment enrolment = {genesis, ring, diagnosis};
    for (uint32_t i = 0; i < genesis->replica_count; i++) {
        struct giro_genesis_replica *replica = &genesis->replicas[i];
        for (uint32_t role = 0; role < GENESIS_REPLICA_KEYS; role++)
            GIRO_TRY(enrol_key(&enrolment, replica->name, giro_genesis_replica_roles[role],
                               giro_genesis_replica_key(replica, role)));
    }
    for (uint32_t i = 0; i < genesis->operator_count; i++) {
        struct giro_genesis_operator *person = &genesis->operators[i];
        GIRO_TRY(enrol_key(&enrolment, person->name, "approver", &person->key));
    }
    for (uint32_t i = 0; i < genesis->member_count; i++) {
        struct giro_genesis_member *member = &genesis->members[i];
        for (uint32_t k = 0; k < member->frame_key_count; k++)
            GIRO_TRY(enrol_key(&enrolment, member->bic, "frame", &member->frame_keys[k]));
        GIRO_TRY(enrol_key(&enrolment, member->bic, "session", &member->session));
    }
    return GIRO_ERR_OK;
}
