/* Enrolment of the genesis keys, and the look-ups. */
#include <stdlib.h>

#include <criterion/criterion.h>

#include "genesis_support.h"

TestSuite(genesis_enrol, .init = genesis_suite_open, .fini = genesis_suite_close);

static struct giro_key_ring *ring_new(uint32_t key_count_max)
{
    size_t size_bytes = giro_key_ring_footprint(key_count_max);
    return giro_key_ring_init(aligned_alloc(64, size_bytes), size_bytes, key_count_max);
}

Test(genesis_enrol, every_key_gets_a_handle_of_its_own)
{
    static struct giro_genesis made;
    genesis_make(&made, 4, 3, 2);
    uint32_t count = giro_genesis_key_count(&made);
    cr_assert(count == 4 * 4 + 2 + 3 * (2 + 1), "%u", count);
    struct giro_key_ring *ring = ring_new(count);
    cr_assert(giro_genesis_enrol(&made, ring, NULL) == GIRO_ERR_OK);
    bool seen[64] = {false};
    const struct giro_genesis_key *keys[64];
    uint32_t found = 0;
    for (uint32_t i = 0; i < 4; i++) {
        keys[found++] = &made.replicas[i].vote;
        keys[found++] = &made.replicas[i].batch;
        keys[found++] = &made.replicas[i].transport;
        keys[found++] = &made.replicas[i].file;
    }
    for (uint32_t i = 0; i < 2; i++)
        keys[found++] = &made.operators[i].key;
    for (uint32_t i = 0; i < 3; i++) {
        keys[found++] = &made.members[i].frame_keys[0];
        keys[found++] = &made.members[i].frame_keys[1];
        keys[found++] = &made.members[i].session;
    }
    cr_assert(found == count);
    for (uint32_t i = 0; i < found; i++) {
        cr_assert(keys[i]->handle.index < count && keys[i]->handle.generation != 0, "key %u", i);
        cr_assert(!seen[keys[i]->handle.index], "key %u", i);
        seen[keys[i]->handle.index] = true;
    }
    free(ring);
    giro_genesis_free(&made);
}

static struct giro_genesis_key *key_at(struct giro_genesis *genesis, int which)
{
    switch (which) {
    case 0:
        return &genesis->replicas[1].vote;
    case 1:
        return &genesis->replicas[3].file;
    case 2:
        return &genesis->operators[1].key;
    case 3:
        return &genesis->members[1].frame_keys[0];
    default:
        return &genesis->members[2].session;
    }
}

Test(genesis_enrol, a_bad_key_is_named_by_owner_role_and_cause)
{
    static const struct {
        const char *owner;
        const char *role;
    } names[] = {{"replica-1", "vote"},
                 {"replica-3", "file"},
                 {"checker", "approver"},
                 {"B001CZPP001", "frame"},
                 {"B002CZPP", "session"}};
    static struct giro_genesis made;
    for (int which = 0; which < 5; which++) {
        for (int damage = 0; damage < 5; damage++) {
            genesis_make(&made, 4, 3, 1);
            struct giro_genesis_key *key = key_at(&made, which);
            enum giro_err expected = GIRO_ERR_KEY;
            uint32_t ring_keys = giro_genesis_key_count(&made);
            if (damage == 0) {
                key->possession.bytes[5] ^= 1;
                expected = GIRO_ERR_SIGNATURE;
            } else if (damage == 1) {
                key->key_id++; /* the proof is over the key id */
                expected = GIRO_ERR_SIGNATURE;
            } else if (damage == 2) {
                memset(key->key.bytes, 0xff, 32);
            } else if (damage == 3) {
                memset(key->key.bytes, 0, 32);
            } else {
                made.nonce[0] ^= 1; /* a proof made for another hub: the first key is refused */
                expected = GIRO_ERR_SIGNATURE;
            }
            struct giro_diagnosis diagnosis = {{0}, {0}, {0}};
            struct giro_key_ring *ring = ring_new(ring_keys);
            enum giro_err err = giro_genesis_enrol(&made, ring, &diagnosis);
            cr_assert(err == expected, "key %d damage %d: %s", which, damage, diagnosis.fact);
            if (damage < 4)
                cr_assert(strstr(diagnosis.fact, names[which].owner) != NULL &&
                              strstr(diagnosis.fact, names[which].role) != NULL,
                          "key %d damage %d: %s", which, damage, diagnosis.fact);
            free(ring);
            giro_genesis_free(&made);
        }
    }
}

Test(genesis_enrol, a_proof_of_one_role_does_not_serve_another)
{
    static struct giro_genesis made;
    genesis_make(&made, 1, 1, 1);
    struct giro_genesis_key vote = made.replicas[0].vote;
    made.replicas[0].vote = made.replicas[0].file;
    made.replicas[0].file = vote;
    struct giro_key_ring *ring = ring_new(giro_genesis_key_count(&made));
    cr_assert(giro_genesis_enrol(&made, ring, NULL) == GIRO_ERR_SIGNATURE);
    free(ring);
    giro_genesis_free(&made);
}

Test(genesis_enrol, a_ring_that_is_too_small_is_full)
{
    static struct giro_genesis made;
    genesis_make(&made, 1, 1, 1);
    struct giro_key_ring *ring = ring_new(giro_genesis_key_count(&made) - 1);
    struct giro_diagnosis diagnosis = {{0}, {0}, {0}};
    cr_assert(giro_genesis_enrol(&made, ring, &diagnosis) == GIRO_ERR_FULL);
    cr_assert(strstr(diagnosis.fact, "full") != NULL, "%s", diagnosis.fact);
    free(ring);
    giro_genesis_free(&made);
}

Test(genesis_enrol, lookups_find_what_is_there_and_nothing_else)
{
    static struct giro_genesis made;
    genesis_make(&made, 4, 3, 2);
    cr_assert(giro_genesis_member_by_bic(&made, "B000CZPP") == 0);
    cr_assert(giro_genesis_member_by_bic(&made, "B000CZPPXXX") == 0);
    cr_assert(giro_genesis_member_by_bic(&made, "B001CZPP001") == 1);
    cr_assert(giro_genesis_member_by_bic(&made, "B001CZPP") == GIRO_NONE);
    cr_assert(giro_genesis_member_by_bic(&made, "B000") == GIRO_NONE);
    cr_assert(giro_genesis_member_by_bic(&made, "") == GIRO_NONE);
    cr_assert(giro_genesis_currency_by_code(&made, "BHD") == 2);
    cr_assert(giro_genesis_currency_by_code(&made, "EUR") == GIRO_NONE);
    cr_assert(giro_genesis_currency_by_number(&made, 392) == 1);
    cr_assert(giro_genesis_currency_by_number(&made, 978) == GIRO_NONE);
    cr_assert(giro_genesis_frame_key(&made, 2, 1) == &made.members[2].frame_keys[0]);
    cr_assert(giro_genesis_frame_key(&made, 2, 2) == &made.members[2].frame_keys[1]);
    cr_assert(giro_genesis_frame_key(&made, 2, 3) == NULL);
    cr_assert(giro_genesis_frame_key(&made, 3, 1) == NULL);
    cr_assert(giro_genesis_frame_key(&made, GIRO_MEMBER_OPERATOR, 2) == &made.operators[1].key);
    cr_assert(giro_genesis_frame_key(&made, GIRO_MEMBER_OPERATOR, 0) == NULL);
    giro_genesis_free(&made);
}

Test(genesis_enrol, quorum_is_n_less_the_faults_it_bears)
{
    static const uint32_t rows[][2] = {{1, 1}, {4, 3}, {5, 4}, {6, 5}, {7, 5}, {10, 7}, {100, 67}};
    static struct giro_genesis genesis;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        genesis.replica_count = rows[i][0];
        cr_assert(giro_genesis_quorum(&genesis) == rows[i][1], "n = %u", rows[i][0]);
    }
}
