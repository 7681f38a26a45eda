#include <stdlib.h>
#include <xxhash.h>

#include "sim/sim.h"

struct packet {
    uint64_t sender_life;
    uint32_t size_bytes;
    uint8_t bytes[];
};

static void links_fill(struct sim_world *world, const struct sim_link *link)
{
    for (uint32_t from = 0; from < SIM_REPLICAS_MAX; from++) {
        for (uint32_t to = 0; to < SIM_REPLICAS_MAX; to++)
            world->links[from][to] = *link;
    }
}

void sim_network_normal(struct sim_world *world)
{
    world->normal = (struct sim_link){.delay_min_ns = 100000, .delay_max_ns = 2 * SIM_MS};
    world->member_link = world->normal;
    links_fill(world, &world->normal);
}

void sim_heal(struct sim_world *world)
{
    for (uint32_t from = 0; from < SIM_REPLICAS_MAX; from++) {
        for (uint32_t to = 0; to < SIM_REPLICAS_MAX; to++)
            world->links[from][to].cut = false;
    }
}

void sim_cut_group(struct sim_world *world, uint32_t group)
{
    for (uint32_t from = 0; from < world->options.replica_count; from++) {
        for (uint32_t to = 0; to < world->options.replica_count; to++) {
            if ((group >> from & 1) != (group >> to & 1))
                world->links[from][to].cut = true;
        }
    }
}

static void deliver(struct sim_world *world, uint64_t from, uint64_t to, void *data)
{
    const struct packet *packet = data;
    struct sim_replica *receiver = &world->replicas[to];
    if (receiver->replica == NULL || world->links[from][to].cut)
        return;
    struct giro_peer_envelope envelope;
    memcpy(&envelope, packet->bytes, sizeof(envelope));
    sim_trace(world, giro_kind_text(envelope.body_kind), from * 100 + to, packet->size_bytes,
              XXH3_64bits(packet->bytes, packet->size_bytes));
    giro_replica_message(receiver->replica, sim_mono(world), sim_wall(receiver), (uint16_t)from,
                         packet->bytes, packet->size_bytes);
    sim_touch(world, (uint32_t)to);
}

static void send_one(struct sim_world *world, uint32_t from, uint32_t to,
                     const struct packet *packet)
{
    const struct sim_link *link = &world->links[from][to];
    if (link->cut || sim_chance(world, link->loss_per_mille)) {
        world->faults[SIM_FAULT_LOST]++;
        return;
    }
    uint32_t copies = 1;
    if (sim_chance(world, link->double_per_mille)) {
        copies = 2;
        world->faults[SIM_FAULT_DOUBLED]++;
    }
    for (uint32_t i = 0; i < copies; i++) {
        size_t size_bytes = sizeof(*packet) + packet->size_bytes;
        void *copy = sim_memory(malloc(size_bytes));
        memcpy(copy, packet, size_bytes);
        uint64_t delay_ns = sim_between(world, link->delay_min_ns, link->delay_max_ns);
        uint64_t at_ns = world->now_ns + delay_ns, *last_ns = &world->last_ns[from][to];
        if (!sim_chance(world, link->overtake_per_mille)) {
            at_ns = at_ns < *last_ns ? *last_ns : at_ns;
            *last_ns = at_ns;
        }
        sim_at(world, at_ns, deliver, from, to, copy);
    }
}

void sim_send(struct sim_world *world, uint32_t from, uint16_t peer, const struct giro_part *parts,
              uint32_t part_count)
{
    size_t size_bytes = 0;
    for (uint32_t i = 0; i < part_count; i++)
        size_bytes += parts[i].size_bytes;
    if (size_bytes < sizeof(struct giro_peer_envelope) || size_bytes > GIRO_PEER_BYTES_MAX) {
        sim_fail(world, "replica %u sends a message of %zu bytes", from, size_bytes);
        return;
    }
    struct packet *packet = sim_memory(malloc(sizeof(*packet) + size_bytes));
    packet->sender_life = world->replicas[from].life;
    packet->size_bytes = (uint32_t)size_bytes;
    size_t at = 0;
    for (uint32_t i = 0; i < part_count; i++) {
        memcpy(packet->bytes + at, parts[i].bytes, parts[i].size_bytes);
        at += parts[i].size_bytes;
    }
    struct giro_peer_envelope envelope;
    if (giro_peer_envelope_decode(packet->bytes, size_bytes, &envelope) != GIRO_REJECT_NONE ||
        envelope.sender != from || envelope.size_bytes != size_bytes)
        sim_fail(world, "replica %u sends a bad envelope", from);
    world->messages++;
    sim_watch_message(&world->replicas[from], envelope.body_kind, packet->bytes + sizeof(envelope),
                      (uint32_t)(size_bytes - sizeof(envelope)));
    for (uint32_t to = 0; to < world->options.replica_count; to++) {
        if (to != from && (peer == GIRO_PEER_ALL || peer == to))
            send_one(world, from, to, packet);
    }
    free(packet);
}
