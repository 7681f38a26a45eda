/* The watcher of promises on disk: what a recovery would find in the safety file and in the log at this moment. */
#include "sim/sim.h"

#define PLACES (GIRO_SAFETY_SLOTS / 2)

static void raise_seen(struct sim_replica *replica, const char *what, uint64_t *seen,
                       uint64_t value)
{
    if (value < *seen && !sim_excused(replica))
        sim_fail(replica->world, "I4: %s of replica %u went back from %lu to %lu", what,
                 replica->index, (unsigned long)*seen, (unsigned long)value);
    *seen = value;
}

/* Takes the slot if it is whole and newer. */
static bool slot_read(struct sim_replica *replica, uint32_t file, uint32_t place,
                      struct giro_safety_slot *newest)
{
    struct giro_disk *disk = &replica->disk;
    struct giro_safety_slot slot;
    uint8_t checksum[16];
    if (disk->ops->read(disk->self, file, (uint64_t)place * GIRO_SAFETY_SLOT_BYTES, &slot,
                        sizeof(slot)) != GIRO_ERR_OK)
        return false;
    if (!giro_head_is(&slot.head, GIRO_KIND_SAFETY_SLOT) || slot.sequence <= newest->sequence)
        return false;
    giro_safety_slot_checksum(&slot, checksum);
    if (memcmp(checksum, slot.checksum, sizeof(checksum)) != 0)
        return false;
    *newest = slot;
    return true;
}

void sim_watch_safety(struct sim_replica *replica, bool whole)
{
    struct giro_disk *disk = &replica->disk;
    struct sim_safety_seen *seen = &replica->seen;
    struct giro_safety_slot newest = {.sequence = whole ? 0 : seen->sequence};
    struct giro_disk_faults faults = replica->disk_faults, plain = faults;
    uint32_t file;
    uint64_t size_bytes;
    /* The watcher's own reads do not fail. */
    plain.read_error_per_million = 0;
    giro_disk_faulty_set_faults(replica->faulty, &plain);
    if (disk->ops->open(disk->self, GIRO_SAFETY_FILE, 0, &file, &size_bytes) == GIRO_ERR_OK) {
        bool found = true;
        for (uint32_t i = 0; whole && i < GIRO_SAFETY_SLOTS; i++)
            slot_read(replica, file, i, &newest);
        while (!whole && found) {
            uint32_t place = (uint32_t)((newest.sequence + 1) % PLACES);
            found = slot_read(replica, file, place, &newest) ||
                    slot_read(replica, file, place + PLACES, &newest);
        }
        disk->ops->close(disk->self, file);
    }
    giro_disk_faulty_set_faults(replica->faulty, &faults);
    if (newest.sequence == seen->sequence && !whole)
        return;
    raise_seen(replica, "the safety record", &seen->sequence, newest.sequence);
    raise_seen(replica, "last_voted_round", &seen->last_voted_round, newest.last_voted_round);
    raise_seen(replica, "lock_round", &seen->lock_round, newest.lock_round);
    raise_seen(replica, "last_timeout_round", &seen->last_timeout_round, newest.last_timeout_round);
    raise_seen(replica, "the incarnation", &seen->incarnation, newest.incarnation);
}

/* ---- Logs ---------------------------------------------------------------------------------------------- */

struct search {
    const struct giro_hash *chain_id;
    enum giro_log_kind kind;
    struct giro_hash id;
    bool found;
};

static enum giro_err search_visit(void *context, const struct giro_log_found *found)
{
    struct search *search = context;
    struct giro_hash id = giro_hash_zero;
    if (found->kind != search->kind)
        return GIRO_ERR_OK;
    if (found->kind == GIRO_LOG_BATCH_RECORD) {
        id = giro_batch_id(search->chain_id, found->body, found->body_bytes);
    } else if (found->kind == GIRO_LOG_BLOCK_RECORD) {
        struct giro_proposal_header header;
        struct giro_batch_reference references[GIRO_BLOCK_REFERENCES_MAX];
        memcpy(&header, found->body, sizeof(header));
        memcpy(references, found->body + sizeof(header),
               header.block.reference_count * sizeof(references[0]));
        id = giro_block_id(&header.block, references);
    } else if (found->kind == GIRO_LOG_ROOTS_RECORD) {
        struct giro_commit_body body;
        memcpy(&body, found->body, sizeof(body));
        body.head = (struct giro_head){0};
        id = giro_sha256(&body, sizeof(body));
    }
    if (giro_hash_equal(&id, &search->id))
        search->found = true;
    return GIRO_ERR_OK;
}

bool sim_log_has(struct sim_replica *replica, enum giro_log_kind kind, const struct giro_hash *id)
{
    struct sim_world *world = replica->world;
    struct search search = {.chain_id = &world->hub->genesis.chain_id, .kind = kind, .id = *id};
    struct giro_log_damage damage = {.sentence = ""};
    struct giro_disk_faults faults = replica->disk_faults, plain = faults;
    plain.read_error_per_million = 0;
    giro_disk_faulty_set_faults(replica->faulty, &plain);
    enum giro_err err = giro_log_scan(&replica->disk, &world->hub->genesis.chain_id, UINT64_MAX,
                                      search_visit, &search, &damage);
    giro_disk_faulty_set_faults(replica->faulty, &faults);
    world->scans++;
    if (err != GIRO_ERR_OK)
        sim_fail(world, "the log of replica %u: %s (%s at %lu)", replica->index, damage.sentence,
                 damage.file, (unsigned long)damage.offset);
    return search.found;
}

void sim_watch_log(struct sim_replica *replica, enum giro_log_kind kind, const struct giro_hash *id,
                   const char *promise)
{
    if (!sim_log_has(replica, kind, id))
        sim_fail(replica->world, "I3: replica %u sends %s that its log may lose", replica->index,
                 promise);
}
