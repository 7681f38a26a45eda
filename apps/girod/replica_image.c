/* Checkpoints of a replica: when one is due, what the executor puts into the image, and loading it. */
#include "apps/girod/replica_internal.h"

/* The fixed part of the image that belongs to neither books nor windows. */
struct replica_section {
    struct giro_hash ledger_chain, ledger_root;
    uint64_t frames, records, blocks;
};
static_assert(sizeof(struct replica_section) == 88, "written as bytes: no padding");

/* Decided from replicated state alone: heights and payload bytes since the last one, and then the first height at which the
 * windows can be written down with the rows of one block. */
bool giro_replica_checkpoint_due(struct giro_replica *replica, uint64_t height,
                                 uint64_t payload_bytes)
{
    const struct giro_genesis *genesis = replica->options.genesis;
    replica->checkpoint_bytes += payload_bytes;
    if (height - replica->checkpoint_height < giro_genesis_checkpoint_heights(genesis) &&
        replica->checkpoint_bytes < giro_genesis_checkpoint_bytes(genesis))
        return false;
    if (!giro_windows_imageable(replica->windows))
        return false;
    replica->checkpoint_height = height;
    replica->checkpoint_bytes = 0;
    return true;
}

void giro_replica_image(void *context, struct giro_image *image)
{
    struct giro_replica *replica = context;
    const struct replica_section section = {.ledger_chain = replica->ledger_chain,
                                            .ledger_root = replica->ledger_root,
                                            .frames = replica->frames,
                                            .records = replica->records,
                                            .blocks = replica->blocks};
    giro_image_begin(image, giro_settlement_image_chunks(replica->settlement));
    giro_settlement_image_uetrs(replica->settlement, image);
    struct giro_writer *writer = giro_image_section(image, GIRO_IMAGE_REPLICA);
    giro_writer_put(writer, &section, sizeof(section));
    giro_settlement_image_sections(replica->settlement, image);
    giro_windows_image_section(replica->windows, image);
}

enum giro_reject giro_replica_restore(void *context, struct giro_image_reader *image,
                                      const struct giro_certificate *certificate,
                                      struct giro_execution *execution)
{
    struct giro_replica *replica = context;
    struct replica_section section;
    struct giro_reader reader;
    struct giro_hash settlement_root;
    const uint64_t height = image->header.height;
    GIRO_ASSERT(replica->executed_height == 0);
    enum giro_reject reject = giro_image_next(image, GIRO_IMAGE_REPLICA, &reader);
    if (reject == GIRO_REJECT_NONE &&
        (!giro_reader_copy(&reader, &section, sizeof(section)) || giro_reader_left(&reader) != 0))
        reject = GIRO_REJECT_TRUNCATED;
    if (reject == GIRO_REJECT_NONE)
        reject = giro_settlement_load(replica->settlement, image, &settlement_root);
    if (reject == GIRO_REJECT_NONE)
        reject = giro_windows_load(replica->windows, image);
    if (reject != GIRO_REJECT_NONE)
        return reject;
    replica->ledger_chain = section.ledger_chain;
    replica->ledger_root = section.ledger_root;
    replica->frames = section.frames;
    replica->records = section.records;
    replica->blocks = section.blocks;
    replica->state_root = giro_replica_state_root(replica, height, &settlement_root);
    replica->executed_height = height;
    replica->checkpoint_height = height;
    replica->checkpoint_bytes = 0;
    replica->certified_height = height;
    *execution = (struct giro_execution){.state_root = replica->state_root,
                                         .ledger_root = replica->ledger_root,
                                         .next_due_ns = giro_replica_next_due(replica)};
    /* A cycle that settled in this block waits for it; windows sealed up to here were handed out before the image counted, or,
     * if it came from a peer, are in the journals of the others. */
    if (replica->options.callbacks.restored != NULL)
        replica->options.callbacks.restored(replica->options.callbacks.context, height,
                                            giro_settlement_business_date(replica->settlement));
    giro_windows_certified(replica->windows, certificate);
    replica->options.callbacks.certificate(replica->options.callbacks.context, certificate);
    return GIRO_REJECT_NONE;
}

bool giro_replica_image_keep(void *context, uint64_t height)
{
    struct giro_replica *replica = context;
    const struct giro_replica_callbacks *callbacks = &replica->options.callbacks;
    return giro_windows_handed_out(replica->windows, height) &&
           (callbacks->files_synced == NULL || callbacks->files_synced(callbacks->context, height));
}

void giro_replica_image_work(void *context, enum giro_image_work work)
{
    struct giro_replica *replica = context;
    if (work == GIRO_IMAGE_WORK_IDLE)
        giro_replica_stage_enter(replica, replica->stage_before_image);
    else
        replica->stage_before_image = giro_replica_stage_enter(
            replica,
            work == GIRO_IMAGE_WORK_ENCODE ? GIRO_STAGE_image_encode : GIRO_STAGE_image_hash);
}
