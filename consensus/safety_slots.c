#include "safety_slots.h"
#include "mutant.h"

uint8_t *giro_safety_slot_at(uint8_t *image, uint32_t place, uint32_t copy)
{
    GIRO_ASSERT(place < GIRO_SAFETY_PLACES && copy < 2);
    return image + (size_t)(place + copy * GIRO_SAFETY_PLACES) * GIRO_SAFETY_SLOT_BYTES;
}

static bool is_blank(const uint8_t *slot)
{
    for (uint32_t i = 0; i < GIRO_SAFETY_SLOT_BYTES; i++)
        if (slot[i] != 0)
            return false;
    return true;
}

/* A valid copy of some record of this place. */
static bool slot_read(uint8_t *image, uint32_t place, uint32_t copy,
                      struct giro_safety_slot *record)
{
    uint8_t checksum[16];
    memcpy(record, giro_safety_slot_at(image, place, copy), sizeof *record);
    giro_safety_slot_checksum(record, checksum);
    return memcmp(checksum, record->checksum, sizeof checksum) == 0 &&
           giro_head_is(&record->head, GIRO_KIND_SAFETY_SLOT) && record->sequence > 0 &&
           record->sequence % GIRO_SAFETY_PLACES == place;
}

bool giro_safety_place_read(uint8_t *image, uint32_t place, struct giro_safety_slot *record,
                            uint32_t *copy)
{
    struct giro_safety_slot second;
    bool have_first = slot_read(image, place, 0, record);
    bool have_second = slot_read(image, place, 1, &second);
    *copy = have_second && (!have_first || second.sequence > record->sequence) ? 1 : 0;
    if (*copy == 1)
        *record = second;
    return have_first || have_second;
}

enum giro_err giro_safety_newest(uint8_t *image, const struct giro_hash *chain_id, uint16_t replica,
                                 struct giro_safety_slot *newest)
{
    memset(newest, 0, sizeof *newest);
    for (uint32_t place = 0; place < GIRO_SAFETY_PLACES; place++) {
        struct giro_safety_slot record;
        uint32_t copy;
        if (!giro_safety_place_read(image, place, &record, &copy))
            continue;
        if (!giro_hash_equal(&record.chain_id, chain_id) || record.replica != replica)
            return GIRO_ERR_CHAIN;
        if (record.sequence > newest->sequence)
            *newest = record;
    }
    if (GIRO_MUTANT_IS(RESTART_LOSES_LOCK))
        newest->lock_round = 0;
    if (GIRO_MUTANT_IS(RESTART_LOSES_VOTE))
        newest->last_voted_round = 0;
    return GIRO_ERR_OK;
}

/* The place after the newest record holds the record of 32 sequences ago, or nothing yet. Were a newer record's two
 * copies both lost, they would be missing exactly there; taking the older record then could sign twice. */
bool giro_safety_newest_may_be_lost(uint8_t *image, uint64_t sequence)
{
    struct giro_safety_slot record;
    uint32_t copy, place = (uint32_t)((sequence + 1) % GIRO_SAFETY_PLACES);
    if (giro_safety_place_read(image, place, &record, &copy))
        return sequence + 1 - record.sequence != GIRO_SAFETY_PLACES;
    if (sequence + 1 > GIRO_SAFETY_PLACES)
        return true;
    return !is_blank(giro_safety_slot_at(image, place, 0)) &&
           !is_blank(giro_safety_slot_at(image, place, 1));
}

struct giro_safety_state giro_safety_slot_state(const struct giro_safety_slot *record)
{
    return (struct giro_safety_state){.epoch = record->epoch,
                                      .last_voted_round = record->last_voted_round,
                                      .lock_round = record->lock_round,
                                      .last_timeout_round = record->last_timeout_round,
                                      .incarnation = record->incarnation,
                                      .log_watermark = record->log_watermark,
                                      .last_vote = record->last_vote,
                                      .last_timeout = record->last_timeout};
}
