/* The safety file: 64 slots, every record in two of them. Slots are one block each and written whole, so a slot that does not
 * match its checksum is damage, not a kill. */
#include "verify.h"

#define PLACES (GIRO_SAFETY_SLOTS / 2u)

struct slots {
    struct giro_safety_slot slot[GIRO_SAFETY_SLOTS];
    bool there[GIRO_SAFETY_SLOTS];
    uint64_t newest;
    uint32_t newest_at;
};

static const char *slot_read(struct verify *verify, const uint8_t *bytes, uint32_t index,
                             struct slots *slots)
{
    struct giro_safety_slot *slot = &slots->slot[index];
    uint8_t checksum[16];
    memcpy(slot, bytes, sizeof(*slot));
    slots->there[index] = !verify_is_zero(bytes, GIRO_SAFETY_SLOT_BYTES);
    if (!slots->there[index])
        return NULL;
    giro_safety_slot_checksum(slot, checksum);
    if (memcmp(checksum, slot->checksum, sizeof(checksum)) != 0)
        return "a slot does not match its checksum";
    if (!giro_head_is(&slot->head, GIRO_KIND_SAFETY_SLOT))
        return "not a slot of a version this program knows";
    if (!giro_hash_equal(&slot->chain_id, &verify->options->genesis->chain_id))
        return "a slot names another hub";
    if (!verify_is_zero(slot->reserved, sizeof(slot->reserved)) ||
        !verify_is_zero(bytes + sizeof(*slot), GIRO_SAFETY_SLOT_BYTES - sizeof(*slot)))
        return "reserved bytes of a slot are not zero";
    if (slot->sequence == 0 || slot->sequence % PLACES != index % PLACES)
        return "a slot holds a record that belongs elsewhere";
    if (slot->sequence > slots->newest) {
        slots->newest = slot->sequence;
        slots->newest_at = index;
    }
    return NULL;
}

/* Nothing a replica promised may go back from one record to the next. */
static bool follows(const struct giro_safety_slot *before, const struct giro_safety_slot *after)
{
    return after->epoch >= before->epoch && after->last_voted_round >= before->last_voted_round &&
           after->lock_round >= before->lock_round &&
           after->last_timeout_round >= before->last_timeout_round &&
           after->incarnation >= before->incarnation &&
           after->log_watermark >= before->log_watermark && after->replica == before->replica;
}

/* The copy of a sequence, in whichever of its two slots it stands. */
static const struct giro_safety_slot *copy_of(const struct slots *slots, uint64_t sequence,
                                              uint32_t *count)
{
    const struct giro_safety_slot *found = NULL;
    *count = 0;
    for (uint32_t copy = 0; copy < 2; copy++) {
        uint32_t index = (uint32_t)(sequence % PLACES) + copy * PLACES;
        if (!slots->there[index] || slots->slot[index].sequence != sequence)
            continue;
        found = &slots->slot[index];
        (*count)++;
    }
    return found;
}

static const char *chain_check(const struct slots *slots, uint32_t *index)
{
    uint64_t oldest = slots->newest >= PLACES ? slots->newest - PLACES + 1 : 1;
    const struct giro_safety_slot *before = NULL;
    for (uint64_t sequence = oldest; sequence <= slots->newest; sequence++) {
        uint32_t count;
        const struct giro_safety_slot *slot = copy_of(slots, sequence, &count);
        *index = (uint32_t)(sequence % PLACES);
        /* Only the newest may have one copy: the second write was under way. */
        if (slot == NULL || (count < 2 && sequence != slots->newest))
            return "a record or its copy is missing";
        if (count == 2 &&
            memcmp(&slots->slot[*index], &slots->slot[*index + PLACES], sizeof(*slot)) != 0)
            return "the two copies of a record differ";
        if (before != NULL && !follows(before, slot))
            return "a record takes back what the one before it says";
        before = slot;
    }
    return NULL;
}

enum giro_err verify_safety(struct verify *verify, const char *path, const struct recon_map *map)
{
    static _Thread_local struct slots slots;
    memset(&slots, 0, sizeof(slots));
    if (map->size_bytes != (uint64_t)GIRO_SAFETY_SLOTS * GIRO_SAFETY_SLOT_BYTES)
        return recon_fail(verify->diagnosis, GIRO_ERR_FORMAT, path,
                          "offset %lu: not the size of a safety file",
                          (unsigned long)map->size_bytes);
    const char *wrong = NULL;
    uint32_t index = 0;
    for (uint32_t i = 0; i < GIRO_SAFETY_SLOTS && wrong == NULL; i++) {
        index = i;
        wrong = slot_read(verify, map->bytes + (uint64_t)i * GIRO_SAFETY_SLOT_BYTES, i, &slots);
    }
    if (wrong == NULL)
        wrong = chain_check(&slots, &index);
    if (wrong != NULL)
        return recon_fail(verify->diagnosis, GIRO_ERR_DAMAGED, path, "offset %lu: %s",
                          (unsigned long)index * GIRO_SAFETY_SLOT_BYTES, wrong);
    if (slots.newest > 0)
        GIRO_TRY(verify_replica(verify, path, (uint64_t)slots.newest_at * GIRO_SAFETY_SLOT_BYTES,
                                slots.slot[slots.newest_at].replica));
    verify_say(verify, path, "safety: %lu records, log durable up to %lu",
               (unsigned long)slots.newest,
               (unsigned long)(slots.newest > 0 ? slots.slot[slots.newest_at].log_watermark : 0));
    return GIRO_ERR_OK;
}
