/* Lives of the node body, and its executor: a hash chain over what was executed, with every frame executed once. */
#include <stdlib.h>
#include <sys/mman.h>
#include <xxhash.h>

#include "sim/node.h"

#define DUE_NS (50 * SIM_MS)

/* ---- Executor -------------------------------------------------------------------------------------- */

/* One frame in seven wants a block at a later block time, as a window end does. */
static void due_note(struct sim_state *state, uint32_t number, uint64_t time_ns)
{
    for (uint32_t i = 0; number % 7 == 3 && i < SIM_DUES_MAX; i++) {
        if (state->dues_ns[i] != 0)
            continue;
        state->dues_ns[i] = time_ns + DUE_NS + number % 1000 * SIM_MS;
        return;
    }
}

static uint64_t dues_next(struct sim_state *state, uint64_t time_ns)
{
    uint64_t next_ns = UINT64_MAX;
    for (uint32_t i = 0; i < SIM_DUES_MAX; i++) {
        if (state->dues_ns[i] != 0 && state->dues_ns[i] <= time_ns)
            state->dues_ns[i] = 0;
        if (state->dues_ns[i] != 0 && state->dues_ns[i] < next_ns)
            next_ns = state->dues_ns[i];
    }
    return next_ns;
}

/* Frames that a traitor made up carry numbers nobody handed in, or signatures that do not hold: void on every replica. */
static uint64_t batch_execute(struct sim_replica *replica, const uint8_t *batch,
                              uint32_t size_bytes, uint64_t time_ns)
{
    struct sim_world *world = replica->world;
    struct sim_state *state = &sim_node_of(replica)->state;
    uint32_t offset = GIRO_BATCH_FIRST;
    uint64_t digest = XXH3_64bits(batch, size_bytes);
    struct giro_frame frame;
    while (giro_batch_next(batch, size_bytes, world->hub->genesis.chain_prefix, &offset, &frame)) {
        uint32_t number;
        if (!sim_frame_good(&frame, &number) || number >= world->nodes->number_count)
            continue;
        uint64_t *word = &state->executed[number / 64], bit = UINT64_C(1) << (number % 64);
        if ((*word & bit) != 0)
            continue;
        *word |= bit;
        digest = digest * 31 + number;
        if (world->nodes->dues)
            due_note(state, number, time_ns);
        sim_clients_executed(world, number, state->height);
    }
    return digest;
}

static struct giro_execution on_execute(void *context, const struct giro_action *action)
{
    struct sim_replica *replica = context;
    struct sim_state *state = &sim_node_of(replica)->state;
    const struct giro_proposal *block = action->execute.block;
    uint64_t digests[2] = {block->block.time_ns, 0};
    if (block->block.height != state->height + 1)
        sim_fail(replica->world, "replica %u executes height %lu after %lu", replica->instance,
                 (unsigned long)block->block.height, (unsigned long)state->height);
    state->height = block->block.height;
    replica->height = state->height;
    for (uint32_t i = 0; i < action->execute.batch_count; i++)
        digests[1] =
            digests[1] * 31 + batch_execute(replica, action->execute.batches[i],
                                            action->execute.batch_bytes[i], block->block.time_ns);
    uint64_t next_ns = dues_next(state, block->block.time_ns);
    struct giro_part parts[] = {{&state->root, sizeof(state->root)},
                                {&block->block_id, sizeof(block->block_id)},
                                {digests, sizeof(digests)}};
    state->root = giro_sha256_parts(parts, 3);
    sim_node_watch_execute(replica, block, &state->root);
    const uint32_t every = replica->world->nodes->image_every;
    return (struct giro_execution){.state_root = state->root,
                                   .ledger_root = state->root,
                                   .next_due_ns = next_ns,
                                   .checkpoint = every > 0 && state->height % every == 0};
}

/* ---- Images -------------------------------------------------------------------------------------------- */

static void on_image(void *context, struct giro_image *image)
{
    const struct sim_state *state = &sim_node_of(context)->state;
    giro_image_begin(image, 1); /* no payment references: a chunk of zeros */
    memset(image->bytes, 0, GIRO_CHUNK_BYTES);
    image->changed[0] = 1;
    giro_writer_put(giro_image_section(image, GIRO_IMAGE_REPLICA), state, sizeof(*state));
}

static enum giro_reject on_restore(void *context, struct giro_image_reader *image,
                                   const struct giro_certificate *certificate,
                                   struct giro_execution *execution)
{
    struct sim_replica *replica = context;
    struct sim_state *state = &sim_node_of(replica)->state;
    struct giro_reader reader;
    enum giro_reject reject = giro_image_next(image, GIRO_IMAGE_REPLICA, &reader);
    if (reject == GIRO_REJECT_NONE &&
        (!giro_reader_copy(&reader, state, sizeof(*state)) || giro_reader_left(&reader) != 0))
        reject = GIRO_REJECT_TRUNCATED;
    if (reject != GIRO_REJECT_NONE)
        return reject;
    if (state->height != certificate->header.body.height)
        sim_fail(replica->world, "replica %u loads height %lu as %lu", replica->instance,
                 (unsigned long)state->height, (unsigned long)certificate->header.body.height);
    replica->height = state->height;
    replica->world->nodes->image_starts++;
    *execution = (struct giro_execution){
        .state_root = state->root, .ledger_root = state->root, .next_due_ns = UINT64_MAX};
    for (uint32_t i = 0; i < SIM_DUES_MAX; i++) {
        if (state->dues_ns[i] != 0 && state->dues_ns[i] < execution->next_due_ns)
            execution->next_due_ns = state->dues_ns[i];
    }
    return GIRO_REJECT_NONE;
}

static bool on_image_keep(void *context, uint64_t height)
{
    (void)context;
    (void)height;
    return true; /* nothing is written behind the log */
}

/* ---- Other callbacks --------------------------------------------------------------------------------- */

static void on_send(void *context, uint16_t peer, const struct giro_part *parts,
                    uint32_t part_count)
{
    struct sim_replica *replica = context;
    sim_send(replica->world, replica->instance, peer, parts, part_count);
}

static bool on_verify(void *context, const struct giro_action *action)
{
    struct sim_replica *replica = context;
    const uint8_t *batch = action->verify.bytes;
    uint32_t size_bytes = action->verify.size_bytes;
    uint64_t prefix = replica->world->hub->genesis.chain_prefix;
    uint32_t offset = GIRO_BATCH_FIRST, number;
    struct giro_frame frame;
    while (giro_batch_next(batch, size_bytes, prefix, &offset, &frame)) {
        if (!sim_frame_good(&frame, &number))
            return false;
    }
    return true;
}

static void on_certified(void *context, const struct giro_certificate *certificate, bool recovering)
{
    (void)recovering;
    sim_node_watch_certificate(context, certificate);
}

/* DURABLE is the promise of a quorum, of whom f may be anybody: now and then the logs of all are read. */
static void on_available(void *context, const struct giro_action *action)
{
    struct sim_replica *replica = context;
    struct sim_world *world = replica->world;
    uint32_t held = 0;
    sim_trace(world, "available", replica->instance, action->available.size_bytes, 0);
    if (replica->traitor || sim_between(world, 0, 2 * world->scan_every - 1) != 0)
        return;
    for (uint32_t i = 0; i < world->replica_count; i++) {
        if (!sim_excused(&world->replicas[i]))
            held += sim_log_has(&world->replicas[i], GIRO_LOG_BATCH_RECORD,
                                &action->available.batch_id);
    }
    if (held < world->quorum - world->faulty_max)
        sim_fail(world, "I3: DURABLE for a batch that %u honest replicas hold", held);
}

static void on_evidence(void *context, const struct giro_action *action)
{
    struct sim_replica *replica = context;
    struct sim_world *world = replica->world;
    world->nodes->evidence++;
    sim_trace(world, "evidence", replica->instance, action->evidence.offender, 0);
    if (!sim_excused(&world->replicas[action->evidence.offender]))
        sim_fail(world, "I10: replica %u has evidence against honest replica %u (%s)",
                 replica->instance, action->evidence.offender,
                 giro_reject_name(action->evidence.reject));
}

static void on_halted(void *context, const char *reason, uint64_t height)
{
    struct sim_replica *replica = context;
    replica->world->nodes->halts++;
    if (!sim_excused(replica))
        sim_fail(replica->world, "replica %u halts at height %lu: %s", replica->instance,
                 (unsigned long)height, reason);
}

/* ---- The body ------------------------------------------------------------------------------------------ */

/* A node's memory is kept for the next one at this place, dirty as it is. */
static struct {
    void *mem;
    size_t size_bytes;
} arenas[SIM_INSTANCES_MAX];

static void *arena_for(uint32_t instance, size_t size_bytes)
{
    if (arenas[instance].size_bytes < size_bytes) {
        if (arenas[instance].mem != NULL)
            munmap(arenas[instance].mem, arenas[instance].size_bytes);
        arenas[instance].mem = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        GIRO_ASSERT(arenas[instance].mem != MAP_FAILED);
        arenas[instance].size_bytes = size_bytes;
    }
    return arenas[instance].mem;
}

static void options_fill(struct sim_replica *replica, struct giro_node_options *options)
{
    struct sim_world *world = replica->world;
    const struct sim_hub *hub = world->hub;
    uint32_t n = world->replica_count;
    *options = (struct giro_node_options){
        .consensus = {.replica_count = n,
                      .self = replica->index,
                      .chain_id = hub->genesis.chain_id,
                      .genesis_block_id = giro_genesis_block_id(&hub->genesis),
                      .epoch = 1,
                      .round_floor_ns = world->round_floor_ns,
                      .clock_bound_ns = hub->genesis.clock_bound_ns,
                      .batch_ttl_ns = hub->genesis.batch_ttl_ns,
                      .ring = hub->ring,
                      .vote_keys = hub->vote_handles,
                      .batch_keys = hub->batch_handles,
                      .batch_key = hub->batch_keys[replica->index],
                      .blocks_max = 128,
                      .batches_max = world->nodes->batches_max > 0 ? world->nodes->batches_max
                                     : 4 * n < 32                  ? 32
                                                                   : 4 * n,
                      .executed_max = 4096,
                      .map_seed = giro_prng_next(&world->prng)},
        .log = {.segment_bytes = 4u << 20,
                .buffer_bytes = n <= 16 ? 8u << 20 : 32u << 20,
                .seed = giro_prng_next(&world->prng),
                .inflight_max = 4},
        .vote_key = hub->vote_keys[replica->index],
        .disk = &replica->disk,
        .callbacks = {.context = replica,
                      .send = on_send,
                      .verify = on_verify,
                      .execute = on_execute,
                      .certified = on_certified,
                      .available = on_available,
                      .evidence = on_evidence,
                      .halted = on_halted},
        .index_max = 4096};
    if (world->nodes->image_every > 0) {
        options->callbacks.image = on_image;
        options->callbacks.restore = on_restore;
        options->callbacks.image_keep = on_image_keep;
    }
    giro_prng_fill(&world->prng, options->consensus.nonce, sizeof(options->consensus.nonce));
}

static enum giro_err node_start(struct sim_replica *replica)
{
    struct sim_node *self = sim_node_of(replica);
    struct giro_node_options options;
    options_fill(replica, &options);
    memset(&self->state, 0, sizeof(self->state));
    size_t size_bytes = giro_node_footprint(&options);
    GIRO_ASSERT(size_bytes > 0);
    void *mem = arena_for(replica->instance, size_bytes);
    if (options.callbacks.image != NULL) /* images want zeros */
        madvise(mem, size_bytes, MADV_DONTNEED);
    self->node = giro_node_init(mem, size_bytes, &options);
    GIRO_ASSERT(self->node != NULL);
    return giro_node_start(self->node, sim_mono(replica->world), sim_wall(replica), sim_disk_wait,
                           replica);
}

static void node_stop(struct sim_replica *replica)
{
    sim_node_of(replica)->node = NULL;
}

static void node_message(struct sim_replica *replica, uint16_t sender, const void *bytes,
                         uint32_t size_bytes)
{
    struct giro_peer_envelope envelope;
    memcpy(&envelope, bytes, sizeof(envelope));
    giro_node_message(sim_node_of(replica)->node, sim_mono(replica->world), sim_wall(replica),
                      sender, bytes, size_bytes);
    sim_coverage_mark(replica, envelope.body_kind);
}

static enum giro_err node_poll(struct sim_replica *replica)
{
    enum giro_err err =
        giro_node_poll(sim_node_of(replica)->node, sim_mono(replica->world), sim_wall(replica));
    sim_coverage_mark(replica, 0);
    return err;
}

static uint64_t node_next_ns(const struct sim_replica *replica)
{
    return giro_node_next_ns(sim_node_of(replica)->node);
}

static void node_status(const struct sim_replica *replica, struct giro_consensus_status *status)
{
    giro_node_status(sim_node_of(replica)->node, status);
}

static void node_check(struct sim_world *world)
{
    for (uint32_t i = 0; i < world->instance_count && !world->failed; i++) {
        if (world->replicas[i].up)
            giro_node_check(sim_node_of(&world->replicas[i])->node);
    }
}

static void node_synced(struct sim_replica *replica)
{
    replica->world->nodes->image_syncs++;
}

const struct sim_body sim_node_body = {.start = node_start,
                                       .stop = node_stop,
                                       .message = node_message,
                                       .poll = node_poll,
                                       .next_ns = node_next_ns,
                                       .status = node_status,
                                       .check = node_check,
                                       .synced = node_synced,
                                       .witness = sim_node_witness,
                                       .traitor_send = sim_traitor_send,
                                       .traitor_hear = sim_traitor_hear};

void sim_nodes_open(struct sim_world *world)
{
    world->nodes = sim_memory(calloc(1, sizeof(*world->nodes)));
    world->scan_every = 64;
    sim_node_watch_open(world);
}

void sim_nodes_close(struct sim_world *world)
{
    sim_traitors_close(world);
    sim_node_watch_close(world);
    free(world->nodes);
}
