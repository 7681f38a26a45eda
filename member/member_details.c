/* Details of submitted payments: sealed into their frames, whose keys are on disk before them. */
#include <sodium.h>

#include "member/member_internal.h"

/* The plaintext of one payment's details, none where no field has a text. */
static bool encode(const struct giro_member_details *details, uint8_t *plaintext, uint32_t *size)
{
    const char *texts[GIRO_DETAILS_FIELD_COUNT] = {
#define DETAILS_TEXT(number, name, column, characters) details->column,
        GIRO_DETAILS_FIELDS(DETAILS_TEXT)
#undef DETAILS_TEXT
    };
    struct giro_details fields;
    enum giro_details_field wrong;
    for (uint32_t i = 0; i < GIRO_DETAILS_FIELD_COUNT; i++) {
        /* Four bytes a character at most: what is cut here has too many characters still. */
        const size_t most = 4 * (size_t)giro_details_field_characters((enum giro_details_field)i);
        const size_t length = texts[i] == NULL ? 0 : strnlen(texts[i], most + 4);
        fields.fields[i] = (struct giro_details_text){texts[i], (uint32_t)length};
    }
    const enum giro_details_fault fault = giro_details_encode(&fields, plaintext, size, &wrong);
    return fault == GIRO_DETAILS_GOOD || fault == GIRO_DETAILS_EMPTY;
}

bool giro_member_details_encode(const struct giro_member_payment *payments, uint32_t count,
                                struct member_plaintexts *plaintexts)
{
    uint32_t sizes[GIRO_MEMBER_PAYMENTS_MAX], used = 0;
    plaintexts->count = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *at = plaintexts->bytes + used;
        sizes[i] = 0;
        if (used > GIRO_FRAME_ORDINARY_BYTES ||
            (payments[i].details != NULL && !encode(payments[i].details, at, &sizes[i])))
            return false;
        plaintexts->list[i] = (struct giro_frame_details){at, sizes[i]};
        plaintexts->count += sizes[i] > 0;
        used += sizes[i];
    }
    return giro_frame_fit(sizes, count, count, GIRO_FRAME_ORDINARY_BYTES) == count;
}

enum giro_err giro_member_details_keep(struct giro_member *member)
{
    struct giro_diagnosis diagnosis = {.fact = ""};
    const uint64_t day_ns = 86400 * GIRO_NS_PER_S;
    const uint32_t count = member->details_key_count;
    if (count == 0)
        return GIRO_ERR_OK;
    const uint16_t date = (uint16_t)(member->clock.wall_ns(member->clock.self) / day_ns);
    GIRO_TRY(giro_details_keys_add(member->keys_dir, &member->genesis, member->index, date,
                                   member->details_keys, count, &diagnosis));
    sodium_memzero(member->details_keys, count * sizeof(*member->details_keys));
    member->details_key_count = 0;
    return GIRO_ERR_OK;
}
