/* Names, tags, bitmaps, 128-bit amounts. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "wire_samples.h"

Test(wire_text, no_two_tags_are_equal)
{
    static const char *const tags[] = {
#define TAG(name, text, what) GIRO_TAG_##name,
        GIRO_TAG_MAP(TAG)
#undef TAG
    };
    const uint32_t count = sizeof(tags) / sizeof(tags[0]);
    for (uint32_t i = 0; i < count; i++) {
        cr_assert(strlen(tags[i]) == GIRO_TAG_BYTES, "%s", tags[i]);
        for (uint32_t j = 0; j < i; j++)
            cr_assert(memcmp(tags[i], tags[j], GIRO_TAG_BYTES) != 0, "%s", tags[i]);
    }
}

Test(wire_text, no_two_kinds_are_equal_and_each_has_a_text)
{
    static const uint16_t kinds[] = {
#define KIND(number, name, text) number,
        GIRO_KIND_MAP(KIND)
#undef KIND
    };
    const uint32_t count = sizeof(kinds) / sizeof(kinds[0]);
    for (uint32_t i = 0; i < count; i++) {
        cr_assert(strcmp(giro_kind_text(kinds[i]), "unknown kind") != 0, "%04x", kinds[i]);
        const struct giro_head head = giro_head_make((enum giro_kind)kinds[i]);
        cr_assert(memcmp(&head, "GIRO", 4) == 0);
        for (uint32_t j = 0; j < count; j++)
            cr_assert(giro_head_is(&head, (enum giro_kind)kinds[j]) == (i == j), "%04x %04x",
                      kinds[i], kinds[j]);
    }
    cr_assert_str_eq(giro_kind_text(0), "unknown kind");
    cr_assert_str_eq(giro_kind_text(0xFFFF), "unknown kind");
}

Test(wire_text, every_number_has_a_name_and_unknown_ones_are_said_to_be)
{
    for (uint32_t i = 0; i < GIRO_REJECT_COUNT_OF_REASONS; i++) {
        cr_assert(strlen(giro_reject_name((enum giro_reject)i)) > 0);
        cr_assert(strlen(giro_reject_text((enum giro_reject)i)) > 0);
    }
    cr_assert_str_eq(giro_reject_name(GIRO_REJECT_NONE), "NONE");
    cr_assert_str_eq(giro_reject_name(GIRO_REJECT_CHECKSUM), "CHECKSUM");
    cr_assert_str_eq(giro_reject_name(GIRO_REJECT_COUNT_OF_REASONS), "UNKNOWN");
    cr_assert_str_eq(giro_reject_text((enum giro_reject)9999), "unknown reason");
    cr_assert_str_eq(giro_outcome_name(GIRO_OUTCOME_EXECUTED), "EXECUTED");
    cr_assert_str_eq(giro_outcome_name(200), "UNKNOWN");
    cr_assert_str_eq(giro_status_name(GIRO_STATUS_ACSC), "ACSC");
    cr_assert_str_eq(giro_status_name(10), "UNKNOWN");
    cr_assert_str_eq(giro_reason_name(GIRO_REASON_AM04), "AM04");
    cr_assert_str_eq(giro_reason_sentence(GIRO_REASON_AM04), "not enough funds");
    cr_assert_str_eq(giro_reason_name(20), "UNKNOWN");
    cr_assert_str_eq(giro_reason_sentence(0xFFFF), "unknown reason");
}

Test(wire_text, bitmaps_count_what_was_set)
{
    uint8_t bitmap[GIRO_BITMAP_BYTES] = {0};
    for (uint32_t i = 0; i < GIRO_REPLICAS_MAX; i++) {
        cr_assert(!giro_bitmap_has(bitmap, i), "%u", i);
        giro_bitmap_set(bitmap, i);
        cr_assert(giro_bitmap_has(bitmap, i), "%u", i);
        cr_assert(giro_bitmap_count(bitmap) == i + 1, "%u", i);
        cr_assert((bitmap[i / 8] & 1u << i % 8) != 0, "bit i is byte i/8, bit i%%8");
    }
    giro_bitmap_set(bitmap, 3);
    cr_assert(giro_bitmap_count(bitmap) == GIRO_REPLICAS_MAX, "set twice counts once");
}

Test(wire_text, amounts_of_128_bits_survive_their_wire_form)
{
    const giro_i128 one = 1;
    const giro_i128 rows[] = {0,
                              1,
                              -1,
                              INT64_MAX,
                              INT64_MIN,
                              one << 64,
                              -(one << 64),
                              (one << 126),
                              -(one << 126) * 2,
                              ~(-(one << 126) * 2)};
    for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct giro_amount128 wire = giro_amount128_make(rows[i]);
        cr_assert(giro_amount128_get(wire) == rows[i], "row %u", i);
        cr_assert(memcmp(&wire, &rows[i], 16) == 0, "little-endian two's complement, row %u", i);
    }
}

Test(wire_text, the_protocol_document_names_every_tag_kind_reject_and_reason)
{
    static char document[256 * 1024];
    FILE *const file = fopen(GIRO_SOURCE_DIR "/docs/protocol.md", "r");
    cr_assert(file != NULL);
    const size_t length = fread(document, 1, sizeof(document) - 1, file);
    fclose(file);
    cr_assert(length < sizeof(document) - 1);
    static const char *const rows[] = {
#define TAG_ROW(name, text, what) "| " #name " | `" text "` |",
        GIRO_TAG_MAP(TAG_ROW)
#undef TAG_ROW
#define KIND_ROW(number, name, text) "| " #number " | " #name " | " text " |",
            GIRO_KIND_MAP(KIND_ROW)
#undef KIND_ROW
#define REJECT_ROW(name, text) "| " #name " | " text " |",
                GIRO_REJECT_MAP(REJECT_ROW)
#undef REJECT_ROW
#define OUTCOME_ROW(number, name) "| " #number " | " #name " |",
                    GIRO_OUTCOME_MAP(OUTCOME_ROW)
#undef OUTCOME_ROW
#define REASON_ROW(number, name, sentence) "| " #number " | " #name " | " sentence " |",
                        GIRO_REASON_MAP(REASON_ROW)
#undef REASON_ROW
#define LOG_ROW(number, name, text) "| " #number " | " #name " | " text " |",
                            GIRO_LOG_KIND_MAP(LOG_ROW)
#undef LOG_ROW
#define EVENT_ROW(number, name, text) "| " #number " | " #name " | " text " |",
                                GIRO_EVENT_RECORD_MAP(EVENT_ROW)
#undef EVENT_ROW
    };
    for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        cr_assert(strstr(document, rows[i]) != NULL, "docs/protocol.md has no row %s", rows[i]);
}
