/* Rendering and parsing are inverse to each other. */
#include <stdlib.h>

#include <criterion/criterion.h>

#include "genesis_support.h"

TestSuite(genesis_text, .init = genesis_suite_open, .fini = genesis_suite_close);

static bool key_equal(const struct giro_genesis_key *a, const struct giro_genesis_key *b)
{
    return a->key_id == b->key_id && memcmp(&a->key, &b->key, sizeof(a->key)) == 0 &&
           memcmp(&a->possession, &b->possession, sizeof(a->possession)) == 0;
}

static void check_members(const struct giro_genesis_member *a, const struct giro_genesis_member *b)
{
    cr_assert_str_eq(a->bic, b->bic);
    cr_assert_str_eq(a->name, b->name);
    cr_assert(a->frame_key_count == b->frame_key_count && a->account_count == b->account_count);
    for (uint32_t i = 0; i < a->frame_key_count; i++)
        cr_assert(key_equal(&a->frame_keys[i], &b->frame_keys[i]));
    cr_assert(key_equal(&a->session, &b->session) && key_equal(&a->sealing, &b->sealing));
    for (uint32_t i = 0; i < a->account_count; i++) {
        const struct giro_genesis_account *x = &a->accounts[i], *y = &b->accounts[i];
        cr_assert(x->currency_index == y->currency_index && x->status == y->status &&
                  x->prefunded_minor == y->prefunded_minor && x->hold_minor == y->hold_minor &&
                  x->cap_minor == y->cap_minor);
    }
}

static void check_equal(const struct giro_genesis *a, const struct giro_genesis *b)
{
    cr_assert_str_eq(a->name, b->name);
    cr_assert(memcmp(a->nonce, b->nonce, 32) == 0);
    cr_assert(giro_hash_equal(&a->window_secret_hash, &b->window_secret_hash));
    cr_assert(a->business_date == b->business_date);
    cr_assert(a->clock_bound_ns == b->clock_bound_ns && a->round_floor_ns == b->round_floor_ns &&
              a->batch_ttl_ns == b->batch_ttl_ns);
    cr_assert(
        a->uetr_retained_entries == b->uetr_retained_entries &&
        a->uetr_retained_days == b->uetr_retained_days && a->cycle_seconds == b->cycle_seconds &&
        a->checkpoint_heights == b->checkpoint_heights && a->checkpoint_mb == b->checkpoint_mb);
    cr_assert(a->currency_count == b->currency_count && a->replica_count == b->replica_count &&
              a->operator_count == b->operator_count && a->member_count == b->member_count);
    for (uint32_t i = 0; i < a->currency_count; i++) {
        cr_assert_str_eq(a->currencies[i].code, b->currencies[i].code);
        cr_assert(a->currencies[i].number == b->currencies[i].number &&
                  a->currencies[i].digits == b->currencies[i].digits);
    }
    for (uint32_t i = 0; i < a->replica_count; i++) {
        const struct giro_genesis_replica *x = &a->replicas[i], *y = &b->replicas[i];
        cr_assert_str_eq(x->name, y->name);
        cr_assert(key_equal(&x->vote, &y->vote) && key_equal(&x->batch, &y->batch) &&
                  key_equal(&x->transport, &y->transport) && key_equal(&x->file, &y->file));
    }
    for (uint32_t i = 0; i < a->operator_count; i++) {
        cr_assert_str_eq(a->operators[i].name, b->operators[i].name);
        cr_assert(key_equal(&a->operators[i].key, &b->operators[i].key));
    }
    cr_assert_str_eq(a->supervisor.name, b->supervisor.name);
    cr_assert(key_equal(&a->supervisor.sealing, &b->supervisor.sealing));
    for (uint32_t i = 0; i < a->member_count; i++)
        check_members(&a->members[i], &b->members[i]);
}

Test(genesis_text, parse_of_text_is_the_same_genesis_and_text_of_parse_the_same_bytes)
{
    static const uint32_t shapes[][3] = {{1, 0, 1}, {1, 1, 1}, {4, 3, 2}, {7, 12, 4}, {10, 1, 1}};
    static struct giro_genesis made, parsed;
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        struct giro_diagnosis diagnosis = {{0}, {0}, {0}};
        genesis_make(&made, shapes[i][0], shapes[i][1], shapes[i][2]);
        made.checkpoint_heights = i % 2 == 0 ? 0 : 64; /* left out or not */
        made.checkpoint_mb = i % 3 == 0 ? 0 : 8;
        if (i % 2 == 1)
            memset(&made.supervisor, 0, sizeof(made.supervisor));
        char *text = giro_genesis_text(&made);
        cr_assert(text != NULL);
        cr_assert(giro_genesis_parse("g", text, strlen(text), &parsed, &diagnosis) == GIRO_ERR_OK,
                  "shape %zu: %s (%s)", i, diagnosis.fact, diagnosis.detail);
        check_equal(&made, &parsed);
        struct giro_hash chain_id = giro_sha256(text, strlen(text));
        cr_assert(giro_hash_equal(&chain_id, &parsed.chain_id));
        cr_assert(memcmp(&parsed.chain_prefix, chain_id.bytes, 8) == 0);
        char *again = giro_genesis_text(&parsed);
        cr_assert_str_eq(again, text, "shape %zu", i);
        free(again);
        free(text);
        giro_genesis_free(&made);
        giro_genesis_free(&parsed);
    }
}

Test(genesis_text, ends_with_a_newline_and_begins_with_the_format)
{
    static struct giro_genesis made;
    genesis_make(&made, 1, 1, 1);
    char *text = giro_genesis_text(&made);
    static const char start[] = "{\n  \"format\": \"giro-genesis-1\",\n  \"name\": \"demo\",\n";
    cr_assert(strncmp(text, start, strlen(start)) == 0);
    cr_assert(strcmp(text + strlen(text) - 2, "}\n") == 0);
    cr_assert(strstr(text, "\"prefunded\": \"9999999999999999.99\"") != NULL);
    free(text);
    giro_genesis_free(&made);
}

Test(genesis_text, another_nonce_is_another_chain)
{
    static struct giro_genesis made, a, b;
    genesis_make(&made, 1, 1, 1);
    char *text = giro_genesis_text(&made);
    cr_assert(giro_genesis_parse("g", text, strlen(text), &a, NULL) == GIRO_ERR_OK);
    char *other = genesis_replaced(text, "5a5a", "5a5b");
    cr_assert(giro_genesis_parse("g", other, strlen(other), &b, NULL) == GIRO_ERR_OK);
    cr_assert(a.chain_prefix != b.chain_prefix && !giro_hash_equal(&a.chain_id, &b.chain_id));
    struct giro_hash id_a = giro_genesis_block_id(&a), id_b = giro_genesis_block_id(&b);
    cr_assert(!giro_hash_equal(&id_a, &id_b));
    uint8_t preimage[40] = "GIRBLCK1";
    memcpy(preimage + 8, a.chain_id.bytes, 32);
    struct giro_hash expected = giro_sha256(preimage, sizeof(preimage));
    cr_assert(giro_hash_equal(&id_a, &expected));
    free(other);
    free(text);
    giro_genesis_free(&made);
    giro_genesis_free(&a);
    giro_genesis_free(&b);
}
