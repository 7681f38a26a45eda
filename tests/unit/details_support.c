#include "details_support.h"

#include <stdlib.h>

#include <criterion/criterion.h>
#include <jansson.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

struct details_vector details_vectors[DETAILS_VECTORS_MAX];
uint32_t details_vector_count;
static json_t *file;

static const char *text_of(json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    cr_assert(text != NULL, "%s", name);
    return text;
}

static uint64_t number_of(json_t *object, const char *name)
{
    json_t *value = json_object_get(object, name);
    cr_assert(json_is_integer(value), "%s", name);
    return (uint64_t)json_integer_value(value);
}

static uint32_t hex_of(json_t *object, const char *name, void *bytes, size_t room)
{
    const char *text = text_of(object, name);
    const size_t size_bytes = strlen(text) / 2;
    cr_assert(size_bytes <= room && giro_hex_parse(text, strlen(text), bytes, size_bytes), "%s",
              name);
    return (uint32_t)size_bytes;
}

static struct giro_secret_key *secret_of(json_t *object, const char *name)
{
    uint8_t seed[32];
    hex_of(object, name, seed, sizeof(seed));
    return giro_key_from_seed(seed);
}

static void vector_load(json_t *object, struct details_vector *vector)
{
    struct giro_details_seal *seal = &vector->seal;
    vector->what = text_of(object, "what");
    hex_of(object, "chain", &seal->place.chain, sizeof(seal->place.chain));
    hex_of(object, "uetr", seal->place.uetr, sizeof(seal->place.uetr));
    seal->place.member = (uint16_t)number_of(object, "member");
    seal->place.channel = (uint16_t)number_of(object, "channel");
    seal->place.record = (uint16_t)number_of(object, "record");
    seal->place.sequence = number_of(object, "sequence");
    hex_of(object, "key", seal->key, sizeof(seal->key));
    hex_of(object, "nonce", seal->nonce, sizeof(seal->nonce));
    seal->creditor_key_id = (uint16_t)number_of(object, "creditor_key_id");
    seal->supervisor_key_id = (uint16_t)number_of(object, "supervisor_key_id");
    vector->creditor = secret_of(object, "creditor_secret");
    vector->supervisor = secret_of(object, "supervisor_secret");
    seal->creditor = giro_key_sealing(vector->creditor);
    seal->supervisor = giro_key_sealing(vector->supervisor);
    seal->plaintext = vector->plaintext;
    seal->plaintext_bytes =
        hex_of(object, "plaintext", vector->plaintext, sizeof(vector->plaintext));
    hex_of(object, "commitment", &vector->commitment, sizeof(vector->commitment));
    vector->block_bytes = hex_of(object, "block", vector->block, sizeof(vector->block));
    json_t *fields = json_object_get(object, "fields");
    for (uint32_t i = 0; i < GIRO_DETAILS_FIELD_COUNT; i++) {
        json_t *field =
            json_object_get(fields, giro_details_field_name((enum giro_details_field)i));
        if (field != NULL)
            vector->details.fields[i] = (struct giro_details_text){
                json_string_value(field), (uint32_t)json_string_length(field)};
    }
}

void details_suite_open(void)
{
    cr_assert(giro_crypto_init() == GIRO_ERR_OK);
    file = json_load_file(GIRO_SOURCE_DIR "/tests/vectors/details/details.json", 0, NULL);
    cr_assert(json_is_array(file) && json_array_size(file) <= DETAILS_VECTORS_MAX);
    for (size_t i = 0; i < json_array_size(file); i++)
        vector_load(json_array_get(file, i), &details_vectors[details_vector_count++]);
    cr_assert(details_vector_count >= 8);
}

void details_suite_close(void)
{
    for (uint32_t i = 0; i < details_vector_count; i++) {
        giro_key_free(details_vectors[i].creditor);
        giro_key_free(details_vectors[i].supervisor);
    }
    json_decref(file);
#ifdef __SANITIZE_ADDRESS__
    if (__lsan_do_recoverable_leak_check() != 0)
        abort();
#endif
}

struct giro_details_block details_read(const uint8_t *bytes, uint32_t size_bytes)
{
    struct giro_details_block block;
    cr_assert(giro_details_block_decode(bytes, size_bytes, &block) == GIRO_REJECT_NONE);
    cr_assert(block.size_bytes == size_bytes);
    return block;
}

bool details_same(const struct giro_details *a, const struct giro_details *b)
{
    for (uint32_t i = 0; i < GIRO_DETAILS_FIELD_COUNT; i++) {
        if (a->fields[i].length != b->fields[i].length ||
            (a->fields[i].length > 0 &&
             memcmp(a->fields[i].text, b->fields[i].text, a->fields[i].length) != 0))
            return false;
    }
    return true;
}
