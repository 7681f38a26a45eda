/* The links: each has a delay, loses, doubles, corrupts, and keeps the order or not. What leaves a traitor goes through the
 * traitor's hands first. */
#include <stdlib.h>
#include <xxhash.h>

#include "sim/sim.h"

struct packet {
    uint32_t size_bytes;
    uint8_t bytes[];
};

static void links_fill(struct sim_world *world, const struct sim_link *link)
{
    for (uint32_t from = 0; from < world->instance_count; from++) {
        for (uint32_t to = 0; to < world->instance_count; to++)
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
    for (uint32_t from = 0; from < world->instance_count; from++) {
        for (uint32_t to = 0; to < world->instance_count; to++)
            world->links[from][to].cut = false;
    }
}

void sim_cut_group(struct sim_world *world, const bool group[SIM_INSTANCES_MAX])
{
    for (uint32_t from = 0; from < world->instance_count; from++) {
        for (uint32_t to = 0; to < world->instance_count; to++) {
            if (group[from] != group[to])
                world->links[from][to].cut = true;
        }
    }
}

void sim_cut_first(struct sim_world *world, uint32_t count)
{
    bool group[SIM_INSTANCES_MAX] = {false};
    for (uint32_t i = 0; i < count; i++)
        group[i] = true;
    sim_cut_group(world, group);
}

static void deliver(struct sim_world *world, uint64_t from, uint64_t to, void *data)
{
    struct packet *packet = data;
    struct sim_replica *receiver = &world->replicas[to];
    if (!receiver->up || world->links[from][to].cut)
        return;
    struct giro_peer_envelope envelope;
    memcpy(&envelope, packet->bytes, sizeof(envelope));
    sim_trace(world, giro_kind_text(envelope.body_kind), from * 1000 + to, packet->size_bytes,
              XXH3_64bits(packet->bytes, packet->size_bytes));
    if (receiver->traitor && world->body->traitor_hear != NULL)
        packet->size_bytes =
            world->body->traitor_hear(world, (uint32_t)to, packet->bytes, packet->size_bytes);
    sim_disk_catch_up(receiver);
    world->body->message(receiver, (uint16_t)world->replicas[from].index, packet->bytes,
                         packet->size_bytes);
    sim_touch(world, (uint32_t)to);
}

static bool drawn(struct sim_world *world, uint32_t per_mille)
{
    return per_mille > 0 && giro_prng_chance(&world->network_prng, per_mille, 1000);
}

/* Flips a bit or cuts the end off. Never the length of what an envelope needs: the transport frames messages. Never a
 * batch: it is unsigned and rests on the link's authentication, which a flipped bit would break in TLS (a traitor sends what it
 * likes). */
static void corrupt(struct sim_world *world, struct packet *packet)
{
    struct giro_prng *prng = &world->network_prng;
    struct giro_peer_envelope envelope;
    memcpy(&envelope, packet->bytes, sizeof(envelope));
    if (envelope.body_kind == GIRO_KIND_BATCH)
        return;
    world->faults[SIM_FAULT_CORRUPT]++;
    if (giro_prng_chance(prng, 1, 4) && packet->size_bytes > sizeof(struct giro_peer_envelope))
        packet->size_bytes =
            (uint32_t)sim_draw(prng, sizeof(struct giro_peer_envelope), packet->size_bytes - 1);
    else
        packet->bytes[giro_prng_below(prng, packet->size_bytes)] ^=
            (uint8_t)(1u << giro_prng_below(prng, 8));
}

void sim_send_to(struct sim_world *world, uint32_t from, uint32_t to, const void *bytes,
                 uint32_t size_bytes, uint64_t extra_ns)
{
    struct sim_link *link = &world->links[from][to];
    GIRO_ASSERT(size_bytes >= sizeof(struct giro_peer_envelope));
    if (link->cut || drawn(world, link->loss_per_mille)) {
        world->lost++;
        return;
    }
    uint32_t copies = 1;
    if (drawn(world, link->double_per_mille)) {
        copies = 2;
        world->doubled++;
    }
    for (uint32_t i = 0; i < copies; i++) {
        struct packet *copy = sim_memory(malloc(sizeof(*copy) + size_bytes));
        copy->size_bytes = size_bytes;
        memcpy(copy->bytes, bytes, size_bytes);
        if (drawn(world, link->corrupt_per_mille))
            corrupt(world, copy);
        uint64_t delay_ns = sim_draw(&world->network_prng, link->delay_min_ns, link->delay_max_ns);
        if (link->busy_until_ns < world->now_ns)
            link->busy_until_ns = world->now_ns;
        if (link->bytes_per_s != 0)
            link->busy_until_ns += size_bytes * GIRO_NS_PER_S / link->bytes_per_s;
        uint64_t at_ns = link->busy_until_ns + delay_ns + extra_ns,
                 *last_ns = &world->last_ns[from][to];
        if (at_ns < link->clog_until_ns) /* all at once, but for the time it takes to read them */
            at_ns = link->clog_until_ns + sim_draw(&world->network_prng, 0, 4 * SIM_MS);
        if (extra_ns == 0 && !drawn(world, link->overtake_per_mille)) {
            at_ns = at_ns < *last_ns ? *last_ns : at_ns;
            *last_ns = at_ns;
        }
        sim_at(world, at_ns, deliver, from, to, copy);
    }
}

void sim_send(struct sim_world *world, uint32_t from, uint16_t peer, const struct giro_part *parts,
              uint32_t part_count)
{
    static uint8_t bytes[GIRO_PEER_BYTES_MAX];
    struct sim_replica *replica = &world->replicas[from];
    size_t size_bytes = 0;
    for (uint32_t i = 0; i < part_count; i++) {
        if (parts[i].size_bytes > sizeof(bytes) - size_bytes) {
            sim_fail(world, "replica %u sends a message that is too long", from);
            return;
        }
        memcpy(bytes + size_bytes, parts[i].bytes, parts[i].size_bytes);
        size_bytes += parts[i].size_bytes;
    }
    struct giro_peer_envelope envelope;
    if (giro_peer_envelope_decode(bytes, size_bytes, &envelope) != GIRO_REJECT_NONE ||
        envelope.sender != replica->index || envelope.size_bytes != size_bytes) {
        sim_fail(world, "replica %u sends a bad envelope", from);
        return;
    }
    world->messages++;
    sim_watch_message(replica, envelope.body_kind, bytes + sizeof(envelope),
                      (uint32_t)(size_bytes - sizeof(envelope)));
    if (world->body->witness != NULL)
        world->body->witness(replica, envelope.body_kind, bytes + sizeof(envelope),
                             (uint32_t)(size_bytes - sizeof(envelope)));
    if (replica->traitor && world->body->traitor_send != NULL) {
        world->body->traitor_send(world, from, peer, bytes, (uint32_t)size_bytes);
        return;
    }
    for (uint32_t to = 0; to < world->instance_count; to++) {
        uint32_t index = world->replicas[to].index;
        if (index != replica->index && (peer == GIRO_PEER_ALL || peer == index))
            sim_send_to(world, from, to, bytes, (uint32_t)size_bytes, 0);
    }
}
