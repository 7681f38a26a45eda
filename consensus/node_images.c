/* Checkpoints and state sync of a node: what the core asks for (CHECKPOINT, KEEP, STATE_SYNC) over images.h and statesync.h,
 * loading at a start, and trimming the log behind the older of the two kept images. */
#include "consensus/node_images.h"

#include "consensus/images.h"
#include "consensus/statesync.h"
#include "giro/sys.h"

/* ---- Memory ------------------------------------------------------------------------------------------- */

size_t giro_node_images_footprint(const struct giro_node_options *options)
{
    if (options->callbacks.image == NULL)
        return 0;
    return giro_align_up(giro_images_footprint(), 64) +
           giro_statesync_footprint(options->consensus.replica_count);
}

static void sync_send(void *context, uint16_t peer, uint16_t body_kind,
                      const struct giro_part *parts, uint32_t part_count)
{
    giro_node_send(context, peer, body_kind, parts, part_count);
}

bool giro_node_images_init(struct giro_node *node, void *mem, size_t size_bytes)
{
    const struct giro_node_options *options = &node->options;
    if (options->callbacks.image == NULL)
        return true;
    if (size_bytes < giro_node_images_footprint(options))
        return false;
    const struct giro_images_options images = {.disk = options->disk,
                                               .chain_id = options->consensus.chain_id,
                                               .replica = (uint16_t)options->consensus.self,
                                               .replica_count = options->consensus.replica_count,
                                               .seed = options->consensus.map_seed};
    const size_t images_bytes = giro_align_up(giro_images_footprint(), 64);
    node->images = giro_images_init(mem, images_bytes, &images);
    node->sync = giro_statesync_init((uint8_t *)mem + images_bytes, size_bytes - images_bytes,
                                     options->consensus.replica_count);
    if (node->images == NULL || node->sync == NULL)
        return false;
    node->sync->images = node->images;
    node->sync->core = node->core;
    node->sync->chain = &node->options.consensus.chain_id;
    node->sync->self = options->consensus.self;
    node->sync->context = node;
    node->sync->send = sync_send;
    return true;
}

/* ---- Starting ------------------------------------------------------------------------------------------ */

static enum giro_err image_restore(struct giro_node *node, const struct giro_manifest *manifest,
                                   const uint8_t *bytes, uint32_t size_bytes)
{
    const struct giro_checkpoint_body *body = &manifest->checkpoint.header.body;
    const struct giro_node_callbacks *to = &node->options.callbacks;
    struct giro_image_reader reader;
    struct giro_execution execution;
    enum giro_reject reject =
        giro_image_open(&reader, node->images->image.bytes, node->images->image.chunk_count,
                        &node->options.consensus.chain_id, body->height);
    if (reject == GIRO_REJECT_NONE)
        reject = to->restore(to->context, &reader, &manifest->certificate, &execution);
    if (reject == GIRO_REJECT_NONE &&
        (!giro_hash_equal(&execution.state_root, &body->state_root) ||
         !giro_hash_equal(&execution.ledger_root, &body->ledger_root)))
        reject = GIRO_REJECT_HASH;
    if (reject != GIRO_REJECT_NONE)
        return GIRO_ERR_DIVERGED;
    struct giro_event event = giro_node_event(node, GIRO_EVENT_RECOVER_IMAGE);
    event.recover_image.manifest = bytes;
    event.recover_image.manifest_bytes = size_bytes;
    event.recover_image.sections = reader.sections.bytes + reader.sections.offset;
    event.recover_image.sections_bytes = (uint32_t)giro_reader_left(&reader.sections);
    event.recover_image.next_due_ns = execution.next_due_ns;
    giro_node_step(node, &event);
    return node->halted ? GIRO_ERR_DIVERGED : GIRO_ERR_OK;
}

/* Signatures, then every chunk. What fails here is damaged on disk, and the image before it is tried. */
static bool image_good(struct giro_node *node, uint32_t file, struct giro_manifest *manifest)
{
    uint32_t size_bytes = 0;
    const uint8_t *bytes = giro_images_manifest(node->images, file, &size_bytes);
    return giro_manifest_decode(bytes, size_bytes, node->options.consensus.replica_count,
                                &node->options.consensus.chain_id, manifest) == GIRO_REJECT_NONE &&
           giro_consensus_manifest_check(node->core, manifest) == GIRO_REJECT_NONE &&
           giro_images_load(node->images, file) == GIRO_ERR_OK;
}

enum giro_err giro_node_images_restore(struct giro_node *node, uint64_t *needed)
{
    *needed = 1;
    if (node->images == NULL)
        return GIRO_ERR_OK;
    GIRO_TRY(giro_images_open(node->images));
    for (uint32_t nth = 0; nth < GIRO_IMAGE_FILES; nth++) {
        uint32_t file = giro_images_newest(node->images, nth);
        if (file == GIRO_NONE)
            return GIRO_ERR_OK;
        /* All are damaged so far: whatever the log still holds is not enough, and peers help. */
        *needed = UINT64_MAX;
        if (!image_good(node, file, &node->keep))
            continue;
        uint32_t size_bytes = 0;
        const uint8_t *bytes = giro_images_manifest(node->images, file, &size_bytes);
        *needed = node->images->files[file].header.log_sequence;
        node->base_height = node->images->files[file].header.height;
        node->base_sequence = *needed;
        return image_restore(node, &node->keep, bytes, size_bytes);
    }
    return GIRO_ERR_OK;
}

/* ---- Making --------------------------------------------------------------------------------------------- */

static void work_tell(struct giro_node *node, enum giro_image_work work)
{
    if (node->options.callbacks.image_work != NULL)
        node->options.callbacks.image_work(node->options.callbacks.context, work);
}

void giro_node_images_take(struct giro_node *node, uint64_t height)
{
    const struct giro_node_callbacks *to = &node->options.callbacks;
    GIRO_ASSERT(node->images != NULL);
    struct giro_image *image = giro_images_begin(node->images);
    if (image == NULL)
        return; /* the last one is still being written: this replica leaves this one to the others */
    node->keep_waits = false;
    node->root_told = false;
    node->images_taken++;
    work_tell(node, GIRO_IMAGE_WORK_ENCODE);
    to->image(to->context, image);
    giro_consensus_image_sections(node->core, image);
    bool fits = giro_image_end(image, &node->options.consensus.chain_id, height);
    giro_images_encoded(node->images, fits, height);
    work_tell(node, GIRO_IMAGE_WORK_IDLE);
}

void giro_node_images_keep(struct giro_node *node, const struct giro_action *keep)
{
    node->keep.checkpoint = *keep->keep.checkpoint;
    node->keep.certificate = *keep->keep.certificate;
    node->keep.qc = *keep->keep.qc;
    node->keep_sequence = keep->keep.log_sequence;
    node->keep_waits = true;
}

static enum giro_err work_some(struct giro_node *node)
{
    if (node->images->state != GIRO_IMAGES_HASHING)
        return giro_images_work(node->images);
    work_tell(node, GIRO_IMAGE_WORK_HASH);
    const enum giro_err err = giro_images_work(node->images);
    work_tell(node, GIRO_IMAGE_WORK_IDLE);
    return err;
}

static void root_tell(struct giro_node *node)
{
    if (node->images->state != GIRO_IMAGES_READY || node->root_told)
        return;
    struct giro_event event = giro_node_event(node, GIRO_EVENT_CHECKPOINTED);
    event.checkpointed.height = node->images->height;
    event.checkpointed.image_root = node->images->root;
    node->root_told = true;
    giro_node_queue(node, &event);
}

/* An image counts once nothing below its height lives in memory and log alone: the executor says when. */
static enum giro_err seal_try(struct giro_node *node)
{
    const struct giro_node_callbacks *to = &node->options.callbacks;
    const uint64_t height = node->keep.checkpoint.header.body.height;
    if (!node->keep_waits || node->images->state != GIRO_IMAGES_READY)
        return GIRO_ERR_OK;
    if (node->images->height != height) {
        node->keep_waits = false;
        return GIRO_ERR_OK;
    }
    if (!to->image_keep(to->context, height))
        return GIRO_ERR_OK;
    node->keep_waits = false;
    if (node->keep_sequence == 0)
        node->keep_sequence = node->base_sequence == 0 ? 1 : node->base_sequence;
    return giro_images_seal(node->images, &node->keep, node->keep_sequence);
}

enum giro_err giro_node_images_poll(struct giro_node *node)
{
    if (node->images == NULL)
        return GIRO_ERR_OK;
    struct giro_consensus_status status;
    giro_consensus_status(node->core, &status);
    GIRO_TRY(work_some(node));
    root_tell(node);
    GIRO_TRY(seal_try(node));
    if (giro_images_sealed(node->images))
        node->trim_sequence = giro_images_needed(node->images);
    if (node->trim_sequence > 1)
        GIRO_TRY(giro_log_trim(node->log, node->trim_sequence, &node->trim_sequence));
    node->sync->log_sequence = giro_log_next_sequence(node->log);
    giro_statesync_poll(node->sync, node->now_ns, status.executed_height);
    return giro_images_fetch_done(node->images) ? GIRO_ERR_RESTART : GIRO_ERR_OK;
}

/* ---- Peers ------------------------------------------------------------------------------------------------ */

bool giro_node_images_message(struct giro_node *node, uint16_t sender, const uint8_t *bytes,
                              uint32_t size_bytes)
{
    struct giro_peer_envelope envelope;
    if (node->images == NULL || sender >= node->options.consensus.replica_count ||
        sender == node->options.consensus.self ||
        giro_peer_envelope_decode(bytes, size_bytes, &envelope) != GIRO_REJECT_NONE ||
        envelope.size_bytes != size_bytes || envelope.sender != sender ||
        envelope.epoch != node->options.consensus.epoch)
        return false; /* the core says what is wrong with it */
    return giro_statesync_message(node->sync, node->now_ns, sender, envelope.body_kind,
                                  bytes + sizeof(envelope), size_bytes - sizeof(envelope));
}

uint64_t giro_node_images_next_ns(const struct giro_node *node)
{
    if (node->images == NULL)
        return UINT64_MAX;
    if (giro_images_busy(node->images) || giro_images_fetch_done(node->images))
        return node->now_ns;
    if (node->keep_waits && node->images->state == GIRO_IMAGES_READY)
        return node->now_ns + 100000000u; /* the executor is asked again */
    return giro_statesync_next_ns(node->sync);
}

void giro_node_images_status(const struct giro_node *node, struct giro_node_images_status *status)
{
    memset(status, 0, sizeof(*status));
    if (node->images == NULL)
        return;
    const uint32_t newest = giro_images_newest(node->images, 0);
    status->taken = node->images_taken;
    status->base_height = node->base_height;
    status->kept_height = newest == GIRO_NONE ? 0 : node->images->files[newest].header.height;
    status->bytes_written = node->images->bytes_written;
    status->chunks_written = node->images->chunks_written;
    status->chunks_kept = node->images->chunks_kept;
    if (node->images->state == GIRO_IMAGES_FETCHING)
        status->fetching_height = node->images->height;
    status->chunks_fetched = node->sync->chunks_fetched;
    status->chunks_served = node->sync->chunks_served;
}
