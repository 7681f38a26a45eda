/* The plaintext of sealed details has one form: what is written is read back, anything else is refused. */
#include <stdlib.h>

#include <criterion/criterion.h>

#include "details_support.h"

TestSuite(details_plaintext, .init = details_suite_open, .fini = details_suite_close);

Test(details_plaintext, fields_become_exactly_the_documented_bytes_and_come_back)
{
    for (uint32_t i = 0; i < details_vector_count; i++) {
        const struct details_vector *vector = &details_vectors[i];
        uint8_t plaintext[GIRO_DETAILS_PLAIN_MAX];
        uint32_t size_bytes = 0;
        enum giro_details_field field;
        struct giro_details details;
        cr_assert(giro_details_encode(&vector->details, plaintext, &size_bytes, &field) ==
                      GIRO_DETAILS_GOOD,
                  "%s", vector->what);
        cr_assert(size_bytes == vector->seal.plaintext_bytes &&
                      memcmp(plaintext, vector->plaintext, size_bytes) == 0,
                  "%s", vector->what);
        cr_assert(giro_details_decode(vector->plaintext, size_bytes, &details) == GIRO_REJECT_NONE);
        cr_assert(details_same(&details, &vector->details), "%s", vector->what);
    }
}

/* A flipped bit gives another text of a field, or no details at all: never the same fields. */
Test(details_plaintext, no_two_plaintexts_have_the_same_fields)
{
    for (uint32_t i = 0; i < details_vector_count; i++) {
        const struct details_vector *vector = &details_vectors[i];
        uint8_t plaintext[GIRO_DETAILS_PLAIN_MAX];
        memcpy(plaintext, vector->plaintext, vector->seal.plaintext_bytes);
        for (uint32_t bit = 0; bit < 8 * vector->seal.plaintext_bytes; bit++) {
            struct giro_details details;
            plaintext[bit / 8] ^= (uint8_t)(1u << bit % 8);
            const bool accepted = giro_details_decode(plaintext, vector->seal.plaintext_bytes,
                                                      &details) == GIRO_REJECT_NONE;
            cr_assert(!accepted || !details_same(&details, &vector->details), "%s, bit %u",
                      vector->what, bit);
            plaintext[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        for (uint32_t size = 0; size < vector->seal.plaintext_bytes; size++) {
            uint8_t *exact = malloc(size + 1);
            struct giro_details details;
            memcpy(exact, plaintext, size);
            cr_assert(giro_details_decode(exact, size, &details) != GIRO_REJECT_NONE,
                      "%s, %u bytes", vector->what, size);
            free(exact);
        }
    }
}

/* The plaintext as hex; zeros up to size_bytes follow. Version, size, then number, zero, size and text of each field. */
static const struct {
    const char *what, *hex;
    uint32_t size_bytes;
    enum giro_reject reject;
} forms[] = {
    {"good", "010005000200010041", 128, GIRO_REJECT_NONE},
    {"another version", "020005000200010041", 128, GIRO_REJECT_VERSION},
    {"no fields", "01000000", 128, GIRO_REJECT_COUNT},
    {"an empty field", "0100040002000000", 128, GIRO_REJECT_FIELD},
    {"field 0", "010005000000010041", 128, GIRO_REJECT_FIELD},
    {"field 8", "010005000800010041", 128, GIRO_REJECT_FIELD},
    {"a reserved byte", "010005000201010041", 128, GIRO_REJECT_RESERVED},
    {"a field twice", "01000a0002000100410200010041", 128, GIRO_REJECT_FIELD},
    {"fields that descend", "01000a0002000100410100010041", 128, GIRO_REJECT_FIELD},
    {"a field beyond the fields", "010005000200020041", 128, GIRO_REJECT_TRUNCATED},
    {"half a field head", "0100070002000100410300", 128, GIRO_REJECT_TRUNCATED},
    {"padding that is none", "01000500020001004101", 128, GIRO_REJECT_RESERVED},
    {"a step too many", "010005000200010041", 256, GIRO_REJECT_OVERSIZED},
    {"fields beyond the plaintext", "01007d000200010041", 128, GIRO_REJECT_TRUNCATED},
    {"the most a size can say", "0100ffff0200010041", 1024, GIRO_REJECT_TRUNCATED},
    {"a line feed", "01000500020001000a", 128, GIRO_REJECT_FIELD},
    {"NUL", "010005000200010000", 128, GIRO_REJECT_FIELD},
    {"a C1 control", "0100060002000200c285", 128, GIRO_REJECT_FIELD},
    {"Latin-1", "0100050002000100e1", 128, GIRO_REJECT_FIELD},
    {"a longer form of A", "0100060002000200c181", 128, GIRO_REJECT_FIELD},
    {"a surrogate", "0100070002000300eda080", 128, GIRO_REJECT_FIELD},
    {"beyond Unicode", "0100080002000400f4908080", 128, GIRO_REJECT_FIELD},
};

Test(details_plaintext, every_other_form_is_refused_with_its_reason)
{
    for (uint32_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        uint8_t plaintext[GIRO_DETAILS_PLAIN_MAX] = {0};
        struct giro_details details;
        const size_t length = strlen(forms[i].hex);
        cr_assert(giro_hex_parse(forms[i].hex, length, plaintext, length / 2));
        const enum giro_reject reject =
            giro_details_decode(plaintext, forms[i].size_bytes, &details);
        cr_assert(reject == forms[i].reject, "%s: %s", forms[i].what, giro_reject_name(reject));
    }
}

Test(details_plaintext, a_field_takes_as_many_characters_as_iso_20022_lets_it_have)
{
    char text[4 * 141 + 1] = "";
    for (uint32_t i = 0; i < 141; i++)
        memcpy(text + 4 * i, "\xF0\x9F\x8F\xA6", 4); /* a bank, four bytes */
    for (uint32_t i = 0; i < GIRO_DETAILS_FIELD_COUNT; i++) {
        const enum giro_details_field field = (enum giro_details_field)i;
        const uint32_t most = giro_details_field_characters(field);
        struct giro_details details = {.fields = {{NULL, 0}}};
        uint8_t plaintext[GIRO_DETAILS_PLAIN_MAX];
        uint32_t size_bytes = 0;
        enum giro_details_field wrong = GIRO_DETAILS_FIELD_COUNT;
        details.fields[i] = (struct giro_details_text){text, 4 * most};
        cr_assert(giro_details_encode(&details, plaintext, &size_bytes, &wrong) ==
                  GIRO_DETAILS_GOOD);
        cr_assert(giro_details_decode(plaintext, size_bytes, &details) == GIRO_REJECT_NONE);
        details.fields[i] = (struct giro_details_text){text, 4 * (most + 1)};
        cr_assert(giro_details_encode(&details, plaintext, &size_bytes, &wrong) ==
                      GIRO_DETAILS_LONG &&
                  wrong == field);
        details.fields[i] = (struct giro_details_text){text, 4 * most - 1};
        cr_assert(giro_details_encode(&details, plaintext, &size_bytes, &wrong) ==
                      GIRO_DETAILS_TEXT &&
                  wrong == field);
    }
    struct giro_details most = {.fields = {{NULL, 0}}}, none = most;
    uint8_t plaintext[GIRO_DETAILS_PLAIN_MAX];
    uint32_t size_bytes = 0;
    enum giro_details_field wrong;
    for (uint32_t i = 0; i < GIRO_DETAILS_FIELD_COUNT; i++)
        most.fields[i] = (struct giro_details_text){
            text, 4 * giro_details_field_characters((enum giro_details_field)i)};
    cr_assert(giro_details_encode(&most, plaintext, &size_bytes, &wrong) == GIRO_DETAILS_TOO_MUCH);
    cr_assert(giro_details_encode(&none, plaintext, &size_bytes, &wrong) == GIRO_DETAILS_EMPTY);
}
