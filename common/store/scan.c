/* The log of a stopped replica, read without a log object. */
#include <stdlib.h>

#include "internal.h"

#define WINDOW_BYTES (GIRO_LOG_BODY_BYTES_MAX + 2u * BLOCK_BYTES)

/* The newest watermark in the safety file: what the log was promised to hold. 0 when there is none. */
static enum giro_err promised_read(struct giro_disk *disk, uint8_t *scratch, uint64_t *promised)
{
    uint32_t file = 0;
    uint64_t size_bytes = 0;
    *promised = 0;
    enum giro_err err = disk->ops->open(disk->self, GIRO_SAFETY_FILE, 0, &file, &size_bytes);
    if (err == GIRO_ERR_NOENT)
        return GIRO_ERR_OK;
    GIRO_TRY(err);
    uint32_t file_bytes = GIRO_SAFETY_SLOTS * GIRO_SAFETY_SLOT_BYTES;
    if (size_bytes == file_bytes)
        err = disk->ops->read(disk->self, file, 0, scratch, file_bytes);
    for (uint32_t i = 0; err == GIRO_ERR_OK && size_bytes == file_bytes && i < GIRO_SAFETY_SLOTS;
         i++) {
        struct giro_safety_slot slot;
        uint8_t checksum[16];
        memcpy(&slot, scratch + (size_t)i * GIRO_SAFETY_SLOT_BYTES, sizeof slot);
        giro_safety_slot_checksum(&slot, checksum);
        if (memcmp(checksum, slot.checksum, sizeof checksum) == 0 && slot.log_watermark > *promised)
            *promised = slot.log_watermark;
    }
    disk->ops->close(disk->self, file);
    return err;
}

enum giro_err
giro_log_scan(struct giro_disk *disk, const struct giro_hash *chain_id, uint64_t needed,
              enum giro_err (*visit)(void *context, const struct giro_log_found *found),
              void *context, struct giro_log_damage *damage)
{
    struct giro_log_walk *walk = calloc(1, sizeof *walk);
    uint8_t *window = aligned_alloc(BLOCK_BYTES, WINDOW_BYTES);
    uint64_t promised = 0;
    enum giro_err err = GIRO_ERR_NOMEM;
    memset(damage, 0, sizeof *damage);
    if (walk != NULL && window != NULL) {
        *walk = (struct giro_log_walk){.disk = disk,
                                       .chain_id = chain_id,
                                       .replica = GIRO_NONE,
                                       .needed = needed,
                                       .window = window,
                                       .window_bytes = WINDOW_BYTES,
                                       .visit = visit,
                                       .context = context};
        err = promised_read(disk, window, &promised);
        if (err == GIRO_ERR_OK)
            err = giro_log_walk(walk);
        if (err == GIRO_ERR_OK && walk->next_sequence <= promised)
            err = GIRO_ERR_DAMAGED;
        if (err != GIRO_ERR_OK)
            *damage = walk->damage;
    }
    free(window);
    free(walk);
    return err;
}
