/* Lives of the full body: giro_replica over a faulty disk. */
#include <stdlib.h>

#include "sim/full.h"

/* ---- Callbacks ---------------------------------------------------------------------------------- */

static void on_send(void *context, uint16_t peer, const struct giro_part *parts,
                    uint32_t part_count)
{
    struct sim_replica *replica = context;
    sim_send(replica->world, replica->index, peer, parts, part_count);
}

static void on_answer(void *context, const struct giro_answer *answer)
{
    struct sim_replica *replica = context;
    sim_member_answer(replica->world, answer);
}

static void on_journal(void *context, uint16_t member, uint16_t business_date, const void *bytes,
                       uint32_t size_bytes)
{
    (void)business_date;
    sim_watch_journal(context, member, bytes, size_bytes);
}

static void on_ledger_block(void *context, uint64_t height, const void *bytes, size_t size_bytes)
{
    sim_watch_ledger(context, height, bytes, size_bytes);
}

static void on_certificate(void *context, const struct giro_certificate *certificate)
{
    sim_watch_certificate(context, certificate);
}

static uint32_t on_leaf(void *context, uint64_t height, uint32_t leaf_index, uint8_t *out,
                        uint32_t out_bytes)
{
    return sim_watch_leaf(context, height, leaf_index, out, out_bytes);
}

static void on_evidence(void *context, const struct giro_action *action)
{
    struct sim_replica *replica = context;
    sim_fail(replica->world, "I10: replica %u has evidence against honest replica %u (%s)",
             replica->index, action->evidence.offender, giro_reject_name(action->evidence.reject));
}

static void on_halted(void *context, const char *reason, uint64_t height)
{
    struct sim_replica *replica = context;
    sim_fail(replica->world, "replica %u halted at height %lu: %s", replica->index,
             (unsigned long)height, reason);
}

/* ---- The body ------------------------------------------------------------------------------------ */

static struct giro_replica *replica_new(struct sim_replica *replica)
{
    struct sim_world *world = replica->world;
    const struct sim_hub *hub = world->hub;
    struct giro_replica_options options = {.genesis = &hub->genesis,
                                           .ring = hub->ring,
                                           .self = replica->index,
                                           .vote_key = hub->vote_keys[replica->index],
                                           .batch_key = hub->batch_keys[replica->index],
                                           .disk = &replica->disk,
                                           .segment_bytes = 4u << 20,
                                           .log_buffer_bytes = 8u << 20,
                                           .batches_max = 64,
                                           .blocks_max = 128,
                                           .pending_max = 4096,
                                           .entries_max = 1u << 19,
                                           .uetr_index_max = 4096,
                                           .index_max = 1u << 15,
                                           .seed = giro_prng_next(&world->prng),
                                           .callbacks = {.context = replica,
                                                         .send = on_send,
                                                         .answer = on_answer,
                                                         .journal = on_journal,
                                                         .ledger_block = on_ledger_block,
                                                         .certificate = on_certificate,
                                                         .leaf = on_leaf,
                                                         .evidence = on_evidence,
                                                         .halted = on_halted}};
    memcpy(options.window_secret, hub->window_secret, sizeof(options.window_secret));
    return giro_replica_new(&options);
}

static enum giro_err full_start(struct sim_replica *replica)
{
    struct sim_full_replica *full = &replica->world->full->replicas[replica->instance];
    memset(full, 0, sizeof(*full));
    full->replica = sim_memory(replica_new(replica));
    enum giro_err err = giro_replica_start(full->replica, sim_mono(replica->world),
                                           sim_wall(replica), sim_disk_wait, replica);
    struct giro_replica_status status;
    giro_replica_status(full->replica, &status);
    replica->world->full->image_starts += status.images.base_height > 0;
    if (replica->height == 0) /* nothing was executed on top of the image */
        replica->height = status.images.base_height;
    return err;
}

static void full_stop(struct sim_replica *replica)
{
    giro_replica_free(sim_replica_of(replica));
    replica->world->full->replicas[replica->instance].replica = NULL;
}

static void full_message(struct sim_replica *replica, uint16_t sender, const void *bytes,
                         uint32_t size_bytes)
{
    giro_replica_message(sim_replica_of(replica), sim_mono(replica->world), sim_wall(replica),
                         sender, bytes, size_bytes);
}

static enum giro_err full_poll(struct sim_replica *replica)
{
    return giro_replica_poll(sim_replica_of(replica), sim_mono(replica->world), sim_wall(replica));
}

static uint64_t full_next_ns(const struct sim_replica *replica)
{
    return giro_replica_next_ns(sim_replica_of(replica));
}

static void full_status(const struct sim_replica *replica, struct giro_consensus_status *status)
{
    struct giro_replica_status whole;
    giro_replica_status(sim_replica_of(replica), &whole);
    *status = whole.consensus;
}

static void full_synced(struct sim_replica *replica)
{
    replica->world->full->files[replica->instance].synced = true;
    replica->world->full->syncs++;
}

const struct sim_body sim_full_body = {.start = full_start,
                                       .stop = full_stop,
                                       .message = full_message,
                                       .poll = full_poll,
                                       .next_ns = full_next_ns,
                                       .status = full_status,
                                       .check = sim_watch_check,
                                       .synced = full_synced};

void sim_full_open(struct sim_world *world)
{
    GIRO_ASSERT(world->replica_count <= SIM_FULL_MAX);
    world->full = sim_memory(calloc(1, sizeof(*world->full)));
    sim_watch_open(world->full);
    sim_members_open(world);
}

void sim_full_close(struct sim_world *world)
{
    sim_books_close(world->full);
    free(world->full->frames);
    free(world->full);
}
