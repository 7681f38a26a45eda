#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "consensus/internal.h"
#include "giro/genesis.h"
#include "twins/hub.h"

void sim_signatures_fast(const struct giro_genesis *genesis); /* tests/sim/signatures.c */

#define BYTES_MAX (64u << 20)

static void *memory(void *bytes)
{
    GIRO_ASSERT(bytes != NULL);
    return bytes;
}

void hub_fail(struct hub *hub, const char *format, ...)
{
    if (hub->failed)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(hub->failure, sizeof(hub->failure), format, arguments);
    va_end(arguments);
    hub->failed = true;
}

uint8_t *hub_keep(struct hub *hub, const void *bytes, size_t size_bytes)
{
    GIRO_ASSERT(size_bytes <= hub->bytes_max - hub->bytes_used);
    uint8_t *const kept = hub->bytes + hub->bytes_used;
    hub->bytes_used += giro_align_up(size_bytes, 16);
    memcpy(kept, bytes, size_bytes);
    return kept;
}

/* ---- Making --------------------------------------------------------------------------------------------------- */

static void keys_make(struct hub *hub)
{
    static struct giro_genesis genesis; /* what the keyed hashes need to know */
    const uint32_t count = hub->options.replica_count;
    memset(&genesis, 0, sizeof(genesis));
    genesis.replica_count = count;
    const size_t ring_bytes = giro_key_ring_footprint_for(2 * count, 0);
    hub->ring = giro_key_ring_init(memory(aligned_alloc(64, giro_align_up(ring_bytes, 64))),
                                   ring_bytes, 2 * count);
    GIRO_ASSERT(hub->ring != NULL);
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t role = 0; role < 2; role++) {
            const uint8_t seed[32] = {(uint8_t)(role + 1), (uint8_t)i};
            struct giro_secret_key *const key = giro_key_from_seed(seed);
            struct giro_genesis_key *const known =
                role == 0 ? &genesis.replicas[i].vote : &genesis.replicas[i].batch;
            known->key = giro_key_public(key);
            const enum giro_key_fault fault =
                giro_key_ring_enrol(hub->ring, &known->key, NULL, 0, NULL, &known->handle);
            GIRO_ASSERT(fault == GIRO_KEY_OK);
            *(role == 0 ? &hub->vote_secrets[i] : &hub->batch_secrets[i]) = key;
            *(role == 0 ? &hub->vote_keys[i] : &hub->batch_keys[i]) = known->handle;
        }
    }
    sim_signatures_fast(&genesis);
}

static void node_make(struct hub *hub, uint32_t instance)
{
    struct hub_node *const node = &hub->nodes[instance];
    const uint32_t count = hub->options.replica_count;
    node->identity = hub->options.identities[instance];
    node->options = (struct giro_consensus_options){.replica_count = count,
                                                    .self = node->identity,
                                                    .chain_id = hub->chain_id,
                                                    .genesis_block_id = hub->genesis_id,
                                                    .epoch = 1,
                                                    .round_floor_ns = HUB_FLOOR_NS,
                                                    .clock_bound_ns = HUB_BOUND_NS,
                                                    .batch_ttl_ns = 60 * GIRO_NS_PER_S,
                                                    .ring = hub->ring,
                                                    .vote_keys = hub->vote_keys,
                                                    .batch_keys = hub->batch_keys,
                                                    .batch_key = hub->batch_secrets[node->identity],
                                                    .blocks_max = 128,
                                                    .batches_max = 8 * count,
                                                    .map_seed = 77 + instance};
    const size_t core_bytes = giro_consensus_footprint(&node->options);
    GIRO_ASSERT(core_bytes != 0);
    region_new(&node->core_region, core_bytes);
    node->core = giro_consensus_init(node->core_region.memory, core_bytes, &node->options);
    GIRO_ASSERT(node->core != NULL);
    region_mark(&node->core_region, REGION_MADE);
    const size_t safety_bytes = giro_align_up(giro_safety_footprint(), 4096);
    region_new(&node->durable_region, safety_bytes + HUB_SAFETY_BYTES);
    node->disk.file = node->durable_region.memory + safety_bytes;
    node->records = memory(calloc(HUB_RECORDS_MAX, sizeof(*node->records)));
    hub_disk_open(&node->disk);
}

static void identities_set(struct hub *hub)
{
    struct hub_options *const options = &hub->options;
    uint32_t seen = 0;
    if (options->instance_count == 0) {
        options->instance_count = options->replica_count;
        for (uint32_t i = 0; i < options->replica_count; i++)
            options->identities[i] = (uint8_t)i;
    }
    hub->dishonest = options->dishonest;
    for (uint32_t i = 0; i < options->instance_count; i++) {
        const uint32_t bit = 1u << options->identities[i];
        GIRO_ASSERT(options->identities[i] < options->replica_count);
        if ((seen & bit) != 0)
            hub->dishonest |= bit;
        seen |= bit;
    }
}

struct hub *hub_new(const struct hub_options *options)
{
    struct hub *const hub = memory(calloc(1, sizeof(*hub)));
    GIRO_ASSERT(options->replica_count >= 1 && options->replica_count <= HUB_REPLICAS_MAX);
    GIRO_ASSERT(options->instance_count <= HUB_INSTANCES_MAX);
    hub->options = *options;
    identities_set(hub);
    hub->quorum = options->replica_count - (options->replica_count - 1) / 3;
    hub->now_ns = GIRO_NS_PER_S;
    hub->next_due_ns = UINT64_MAX;
    memset(hub->chain_id.bytes, 0x5A, 32);
    memset(hub->genesis_id.bytes, 0x6B, 32);
    hub->messages = memory(calloc(HUB_MESSAGES_MAX, sizeof(*hub->messages)));
    hub->events = memory(calloc(HUB_EVENTS_MAX, sizeof(*hub->events)));
    hub->bytes_max = BYTES_MAX;
    hub->bytes = memory(malloc(hub->bytes_max));
    hub->actions = memory(calloc(1, sizeof(*hub->actions)));
    hub->actions->scratch_bytes = 4u << 20;
    hub->actions->scratch = memory(malloc(hub->actions->scratch_bytes));
    keys_make(hub);
    watch_open(hub);
    for (uint32_t i = 0; i < hub->options.instance_count; i++)
        node_make(hub, i);
    for (uint32_t i = 0; i < hub->options.instance_count; i++)
        hub_start(hub, i);
    return hub;
}

void hub_free(struct hub *hub)
{
    for (uint32_t i = 0; i < hub->options.instance_count; i++) {
        free(hub->nodes[i].records);
        region_free(&hub->nodes[i].core_region);
        region_free(&hub->nodes[i].durable_region);
    }
    for (uint32_t i = 0; i < hub->options.replica_count; i++) {
        giro_key_free(hub->vote_secrets[i]);
        giro_key_free(hub->batch_secrets[i]);
    }
    free(hub->messages);
    free(hub->events);
    free(hub->bytes);
    free(hub->actions->scratch);
    free(hub->actions);
    free(hub->ring);
    free(hub->frozen);
    free(hub);
}

void hub_freeze(struct hub *hub)
{
    GIRO_ASSERT(hub->message_count == 0 && hub->frozen == NULL);
    for (uint32_t i = 0; i < hub->options.instance_count; i++) {
        region_mark(&hub->nodes[i].core_region, REGION_FROZEN);
        region_mark(&hub->nodes[i].durable_region, REGION_FROZEN);
        region_back(&hub->nodes[i].core_region, REGION_FROZEN);
        region_back(&hub->nodes[i].durable_region, REGION_FROZEN);
    }
    hub->frozen = memory(malloc(sizeof(*hub)));
    hub->frozen->frozen = NULL;
    memcpy(hub->frozen, hub, sizeof(*hub));
}

void hub_reset(struct hub *hub)
{
    struct hub *const frozen = hub->frozen;
    GIRO_ASSERT(frozen != NULL);
    for (uint32_t i = 0; i < hub->options.instance_count; i++) {
        region_back(&hub->nodes[i].core_region, REGION_FROZEN);
        region_back(&hub->nodes[i].durable_region, REGION_FROZEN);
    }
    const struct hub now = {.filter = hub->filter, .listen = hub->listen, .context = hub->context};
    memcpy(hub, frozen, sizeof(*hub));
    hub->frozen = frozen;
    hub->filter = now.filter;
    hub->listen = now.listen;
    hub->context = now.context;
}

/* ---- Network -------------------------------------------------------------------------------------------------- */

static void message_queue(struct hub *hub, const struct hub_message *message)
{
    /* Who is down may be up when it arrives. */
    if ((hub->filter != NULL && !hub->filter(hub, message)) ||
        hub->message_count == HUB_MESSAGES_MAX) {
        hub->dropped++;
        return;
    }
    hub->messages[hub->message_count++] = *message;
}

void hub_send(struct hub *hub, uint32_t from, const struct giro_action *action)
{
    const struct hub_node *const node = &hub->nodes[from];
    const struct giro_peer_envelope *const envelope = &action->send.envelope;
    const size_t start = hub->bytes_used;
    const uint8_t *const bytes = hub_keep(hub, envelope, sizeof(*envelope));
    for (uint32_t p = 0; p < action->send.part_count; p++) {
        /* Parts follow one another without gaps; only the last ends aligned. */
        hub->bytes_used = start + sizeof(*envelope);
        for (uint32_t k = 0; k < p; k++)
            hub->bytes_used += action->send.parts[k].size_bytes;
        hub_keep(hub, action->send.parts[p].bytes, action->send.parts[p].size_bytes);
    }
    hub->bytes_used = giro_align_up(hub->bytes_used, 16);
    struct hub_message message = {.from = (uint16_t)from,
                                  .from_identity = (uint16_t)node->identity,
                                  .kind = envelope->body_kind,
                                  .round = envelope->round,
                                  .bytes = bytes,
                                  .size_bytes = envelope->size_bytes};
    watch_send(hub, from, envelope, bytes + sizeof(*envelope));
    if (hub->listen != NULL)
        hub->listen(hub, from, envelope, bytes + sizeof(*envelope));
    for (uint32_t to = 0; to < hub->options.instance_count; to++) {
        const uint32_t identity = hub->nodes[to].identity;
        if (identity == node->identity ||
            (action->send.peer != GIRO_PEER_ALL && action->send.peer != identity))
            continue;
        message.to = (uint16_t)to;
        message_queue(hub, &message);
    }
}

void hub_send_forged(struct hub *hub, uint32_t identity, uint32_t to, enum giro_kind kind,
                     const void *body, size_t size_bytes)
{
    GIRO_ASSERT(!hub_honest(hub, identity));
    if (hub->nodes[to].identity == identity || !hub->nodes[to].up)
        return; /* the round it would be in is asked for below */
    const struct giro_peer_envelope envelope = {.head = giro_head_make(GIRO_KIND_PEER),
                                                .size_bytes = (uint32_t)(64 + size_bytes),
                                                .body_kind = (uint16_t)kind,
                                                .sender = (uint16_t)identity,
                                                .epoch = 1,
                                                .round = hub_round(hub, to)};
    const uint8_t *const bytes = hub_keep(hub, &envelope, sizeof(envelope));
    hub_keep(hub, body, size_bytes);
    const struct hub_message message = {.from = HUB_FORGED,
                                        .to = (uint16_t)to,
                                        .from_identity = (uint16_t)identity,
                                        .kind = (uint16_t)kind,
                                        .round = envelope.round,
                                        .bytes = bytes,
                                        .size_bytes = envelope.size_bytes};
    if (hub->message_count < HUB_MESSAGES_MAX)
        hub->messages[hub->message_count++] = message;
}

void hub_drop(struct hub *hub, uint32_t index)
{
    GIRO_ASSERT(index < hub->message_count);
    hub->message_count--;
    memmove(&hub->messages[index], &hub->messages[index + 1],
            (hub->message_count - index) * sizeof(*hub->messages));
}

void hub_deliver(struct hub *hub, uint32_t index)
{
    GIRO_ASSERT(index < hub->message_count);
    const struct hub_message message = hub->messages[index];
    hub_drop(hub, index);
    if (!hub->nodes[message.to].up)
        return;
    const struct giro_event event = {.kind = GIRO_EVENT_MESSAGE,
                                     .message = {.sender = message.from_identity,
                                                 .bytes = message.bytes,
                                                 .size_bytes = message.size_bytes}};
    hub->delivered++;
    hub_event(hub, message.to, &event);
}

bool hub_deliver_all(struct hub *hub, uint64_t steps)
{
    /* The front moves by an index: what is delivered adds to the back. */
    uint32_t front = 0;
    for (; front < hub->message_count && steps > 0 && !hub->failed; steps--) {
        const struct hub_message message = hub->messages[front++];
        if (hub->nodes[message.to].up) {
            const struct giro_event event = {.kind = GIRO_EVENT_MESSAGE,
                                             .message = {.sender = message.from_identity,
                                                         .bytes = message.bytes,
                                                         .size_bytes = message.size_bytes}};
            hub->delivered++;
            hub_event(hub, message.to, &event);
        }
        if (front == HUB_MESSAGES_MAX / 2) {
            hub->message_count -= front;
            memmove(hub->messages, hub->messages + front,
                    hub->message_count * sizeof(*hub->messages));
            front = 0;
        }
    }
    hub->message_count -= front;
    memmove(hub->messages, hub->messages + front, hub->message_count * sizeof(*hub->messages));
    return hub->message_count == 0;
}

bool hub_wake(struct hub *hub, uint64_t until_ns)
{
    uint64_t next_ns = UINT64_MAX;
    for (uint32_t i = 0; i < hub->options.instance_count; i++) {
        if (!hub->nodes[i].up)
            continue;
        const uint64_t at_ns = giro_consensus_next_ns(hub->nodes[i].core);
        next_ns = at_ns < next_ns ? at_ns : next_ns;
    }
    if (next_ns > until_ns)
        return false;
    /* A core that asks for a moment that has passed must not stop time. */
    hub->now_ns = next_ns > hub->now_ns ? next_ns : hub->now_ns + 1000;
    for (uint32_t i = 0; i < hub->options.instance_count; i++) {
        if (hub->nodes[i].up && giro_consensus_next_ns(hub->nodes[i].core) <= hub->now_ns)
            hub_tick(hub, i);
    }
    return true;
}

uint32_t hub_leader(const struct hub *hub, uint32_t instance, uint64_t round, uint64_t height)
{
    return giro_leader(hub->nodes[instance].core, round, height);
}

/* ---- Healing -------------------------------------------------------------------------------------------------- */

static bool level(const struct hub *hub, uint64_t height)
{
    for (uint32_t i = 0; i < hub->options.instance_count; i++) {
        if (hub_honest(hub, hub->nodes[i].identity) && hub->nodes[i].executed < height)
            return false;
    }
    return true;
}

bool hub_heals(struct hub *hub, uint64_t blocks, uint64_t within_ns)
{
    const uint64_t until_ns = hub->now_ns + within_ns;
    const uint64_t height = hub->watch.top_height + blocks;
    hub->filter = NULL;
    for (uint32_t i = 0; i < hub->options.instance_count; i++) {
        if (!hub->nodes[i].up)
            hub_start(hub, i);
    }
    while (!hub->failed && !level(hub, height)) {
        bool moved = hub->message_count > 0;
        if (!hub_deliver_all(hub, 100000))
            break;
        for (uint32_t i = 0; i < hub->options.instance_count; i++) {
            while (hub_disk_step(hub, i, true))
                moved = true;
            if (hub_honest(hub, hub->nodes[i].identity) &&
                giro_consensus_own_in_flight(hub->nodes[i].core) == 0 &&
                hub->nodes[i].batch_count <= hub->nodes[i].batches_executed + 1)
                moved |= hub_pay(hub, i);
        }
        if (!moved && !hub_wake(hub, until_ns))
            break;
    }
    if (!hub->failed && !level(hub, height))
        hub_fail(hub,
                 "progress: not every honest replica reached height %lu within %lu ms of healing",
                 (unsigned long)height, (unsigned long)(within_ns / 1000000));
    return !hub->failed;
}
