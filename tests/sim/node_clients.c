/* Clients: they hand in groups of tiny frames and hand them in again elsewhere until their height is certified. A frame's
 * sequence is its number; its signature is a keyed hash that on_verify checks. */
#include <xxhash.h>

#include "sim/node.h"

#define RESEND_FIRST_NS (400 * SIM_MS)
#define RESEND_LAST_NS  (5 * GIRO_NS_PER_S)
#define LARGE_MAX       1500u
#define CLIENT_SECRET   UINT64_C(0xC11E47)

static void frame_sign(const uint8_t *bytes, uint32_t size_bytes, uint8_t signature[64])
{
    for (uint64_t i = 0; i < 4; i++) {
        XXH128_canonical_t part;
        XXH128_canonicalFromHash(&part,
                                 XXH3_128bits_withSeed(bytes, size_bytes, CLIENT_SECRET + i));
        memcpy(signature + 16 * i, part.digest, 16);
    }
}

uint32_t sim_frames_pack(const struct sim_world *world, uint32_t first, uint32_t count,
                         uint8_t *out)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct giro_frame_header header = {.head = giro_head_make(GIRO_KIND_FRAME),
                                           .member = 1,
                                           .record_count = 1,
                                           .sequence = first + i};
        header.chain_prefix = world->hub->genesis.chain_prefix;
        uint32_t size_bytes = SIM_FRAME_BYTES;
        memcpy(out + at, &size_bytes, 4);
        memset(out + at + 4, 0, SIM_FRAME_BYTES);
        memcpy(out + at + 4, &header, sizeof(header));
        frame_sign(out + at + 4, SIM_FRAME_BYTES - 64, out + at + 4 + SIM_FRAME_BYTES - 64);
        at += 4 + SIM_FRAME_BYTES;
    }
    return at;
}

bool sim_frame_good(const struct giro_frame *frame, uint32_t *number)
{
    uint8_t signature[64];
    if (frame->size_bytes != SIM_FRAME_BYTES)
        return false;
    frame_sign(frame->bytes, SIM_FRAME_BYTES - 64, signature);
    *number = frame->header.sequence < UINT32_MAX ? (uint32_t)frame->header.sequence : UINT32_MAX;
    return memcmp(signature, frame->bytes + SIM_FRAME_BYTES - 64, 64) == 0;
}

/* ---- Handing in -------------------------------------------------------------------------------------- */

static void arrive(struct sim_world *world, uint64_t index, uint64_t instance, void *data)
{
    (void)data;
    static uint8_t frames[LARGE_MAX * (4 + SIM_FRAME_BYTES)];
    struct sim_group *group = &world->nodes->groups[index];
    struct sim_replica *replica = &world->replicas[instance];
    if (!replica->up || world->failed)
        return;
    struct giro_node *node = sim_node_of(replica)->node;
    if (giro_node_room(node) == 0)
        return; /* back-pressure: handed in again later */
    uint32_t size_bytes = sim_frames_pack(world, group->first, group->count, frames);
    sim_trace(world, "submit", instance, index, group->attempts);
    sim_disk_catch_up(replica);
    enum giro_err err = giro_node_submit(node, sim_mono(world), sim_wall(replica), frames,
                                         size_bytes, group->count, group->count);
    if (err == GIRO_ERR_OK || err == GIRO_ERR_FULL)
        sim_touch(world, (uint32_t)instance);
    else if (!replica->io_fault && !sim_excused(replica))
        sim_fail(world, "replica %lu refuses a batch: %s", (unsigned long)instance,
                 giro_err_sentence(err));
}

static void submit(struct sim_world *world, uint32_t index, uint32_t instance)
{
    const struct sim_link *link = &world->member_link;
    if (link->loss_per_mille > 0 && sim_chance(world, link->loss_per_mille))
        return;
    sim_at(world, world->now_ns + sim_between(world, link->delay_min_ns, link->delay_max_ns),
           arrive, index, instance, NULL);
}

static void resend(struct sim_world *world, uint64_t index, uint64_t unused, void *data)
{
    (void)unused;
    (void)data;
    struct sim_group *group = &world->nodes->groups[index];
    if (group->certified_ns != 0)
        return;
    group->attempts++;
    submit(world, (uint32_t)index, (uint32_t)sim_between(world, 0, world->replica_count - 1));
    if (group->resend_ns < RESEND_LAST_NS)
        group->resend_ns *= 2;
    sim_at(world, world->now_ns + group->resend_ns, resend, index, 0, NULL);
}

uint32_t sim_group_send(struct sim_world *world, uint32_t instance, uint32_t count)
{
    struct sim_nodes *nodes = world->nodes;
    GIRO_ASSERT(count >= 1 && count <= LARGE_MAX);
    if (nodes->group_count == SIM_GROUPS_MAX || nodes->number_count + count > SIM_NUMBERS_MAX)
        return nodes->group_count - 1; /* enough for one history */
    uint32_t index = nodes->group_count++;
    nodes->groups[index] = (struct sim_group){.first = nodes->number_count,
                                              .count = count,
                                              .sent_ns = world->now_ns,
                                              .resend_ns = RESEND_FIRST_NS};
    for (uint32_t i = 0; i < count; i++)
        nodes->group_of[nodes->number_count++] = index;
    submit(world, index, instance);
    sim_at(world, world->now_ns + RESEND_FIRST_NS, resend, index, 0, NULL);
    return index;
}

static void client_turn(struct sim_world *world, uint64_t a, uint64_t b, void *data)
{
    (void)a;
    (void)b;
    (void)data;
    const struct sim_load *load = &world->nodes->load;
    if (world->now_ns >= load->stop_ns)
        return;
    sim_at(world,
           world->now_ns + sim_between(world, load->mean_gap_ns / 4, 7 * load->mean_gap_ns / 4),
           client_turn, 0, 0, NULL);
    if (world->nodes->group_count - world->nodes->certified_count >= load->outstanding_max)
        return;
    uint32_t count = sim_chance(world, load->large_per_mille)
                         ? (uint32_t)sim_between(world, 50, LARGE_MAX)
                         : (uint32_t)sim_between(world, 1, 3);
    sim_group_send(world, (uint32_t)sim_between(world, 0, world->replica_count - 1), count);
}

void sim_clients_start(struct sim_world *world, const struct sim_load *load)
{
    world->nodes->load = *load;
    if (load->mean_gap_ns > 0)
        sim_at(world, world->now_ns + sim_between(world, 0, load->mean_gap_ns), client_turn, 0, 0,
               NULL);
}

/* ---- What became of it --------------------------------------------------------------------------------- */

void sim_clients_executed(struct sim_world *world, uint32_t number, uint64_t height)
{
    struct sim_group *group = &world->nodes->groups[world->nodes->group_of[number]];
    if (group->height < height)
        group->height = height; /* the frames of a group may have been executed in several blocks */
}

void sim_clients_certified(struct sim_world *world, uint64_t height)
{
    struct sim_nodes *nodes = world->nodes;
    for (uint32_t i = 0; i < nodes->group_count; i++) {
        struct sim_group *group = &nodes->groups[i];
        if (group->certified_ns != 0 || group->height == 0 || group->height > height)
            continue;
        group->certified_ns = world->now_ns > 0 ? world->now_ns : 1;
        nodes->certified_count++;
    }
}

bool sim_groups_certified(struct sim_world *world)
{
    return world->nodes->certified_count == world->nodes->group_count;
}

bool sim_nodes_level(struct sim_world *world)
{
    if (!sim_groups_certified(world))
        return false;
    for (uint32_t i = 0; i < world->instance_count; i++) {
        const struct sim_replica *replica = &world->replicas[i];
        struct giro_consensus_status status;
        if (sim_excused(replica))
            continue;
        if (!replica->up || replica->height != world->top_height)
            return false;
        giro_node_status(sim_node_of(replica)->node, &status);
        if (status.starting || status.certified_height != world->top_height)
            return false;
    }
    return true;
}
