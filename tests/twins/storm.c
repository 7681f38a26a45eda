#include "twins/storm.h"

#include "twins/forge.h"
#include "twins/twins.h"

#define HEAL_WITHIN (120 * GIRO_NS_PER_S)
#define REORDER_MAX 24u

struct storm_sums storm_sums;

struct storm {
    struct giro_prng prng;
    struct forge forge;
    uint32_t steps;
    uint32_t apart; /* instances on the one side; 0 = whole */
};

static uint64_t below(struct storm *storm, uint64_t bound)
{
    return giro_prng_below(&storm->prng, bound);
}

static void listen(struct hub *hub, uint32_t instance, const struct giro_peer_envelope *envelope,
                   const uint8_t *body)
{
    struct storm *const storm = hub->context;
    (void)instance;
    forge_listen(&storm->forge, envelope, body);
}

static bool pass(struct hub *hub, const struct hub_message *message)
{
    const struct storm *const storm = hub->context;
    return (storm->apart >> message->from & 1) == (storm->apart >> message->to & 1);
}

/* ---- Steps -------------------------------------------------------------------------------------------------------- */

static void step_message(struct hub *hub, struct storm *storm)
{
    if (hub->message_count == 0)
        return;
    const uint32_t reach = hub->message_count < REORDER_MAX ? hub->message_count : REORDER_MAX;
    const uint32_t index = (uint32_t)below(storm, reach);
    const struct hub_message message = hub->messages[index];
    const uint64_t fate = below(storm, 50);
    if (fate == 0 && hub->message_count < HUB_MESSAGES_MAX)
        hub->messages[hub->message_count++] = message; /* once more, later */
    if (fate == 1) {
        hub_drop(hub, index);
        storm_sums.losses++;
        return;
    }
    hub_deliver(hub, index);
}

static void step_disk(struct hub *hub, struct storm *storm)
{
    const uint32_t instance = (uint32_t)below(storm, hub->options.instance_count);
    for (uint64_t left = 1 + below(storm, 4); left > 0 && !hub->failed; left--)
        hub_disk_step(hub, instance, below(storm, 3) != 0);
}

static void crash(struct hub *hub, struct storm *storm, uint32_t instance)
{
    const struct hub_node *const node = &hub->nodes[instance];
    const uint64_t loose = node->record_count - node->watermark;
    const uint64_t kept = node->watermark + below(storm, loose + 1);
    const uint32_t writes = (uint32_t)below(storm, 16);
    hub_kill(hub, instance, (uint32_t)kept, writes);
    storm_sums.crashes++;
}

static void step_crash(struct hub *hub, struct storm *storm)
{
    const uint32_t count = hub->options.instance_count;
    if (below(storm, 8) == 0) {
        for (uint32_t i = 0; i < count; i++) {
            if (hub->nodes[i].up)
                crash(hub, storm, i);
        }
        for (uint32_t i = 0; i < count && !hub->failed; i++)
            hub_start(hub, i);
        storm_sums.restarts_of_all++;
        return;
    }
    const uint32_t instance = (uint32_t)below(storm, count);
    if (!hub->nodes[instance].up) {
        hub_start(hub, instance);
        return;
    }
    crash(hub, storm, instance);
    if (below(storm, 3) != 0)
        hub_start(hub, instance);
}

static void step_network(struct hub *hub, struct storm *storm)
{
    storm->apart =
        below(storm, 2) == 0 ? 0 : (uint32_t)below(storm, 1u << hub->options.instance_count);
    storm_sums.partitions += storm->apart != 0;
}

/* One clock at a time is wrong, by up to twice the time to live of a batch. */
static void step_clock(struct hub *hub, struct storm *storm)
{
    static const int64_t skews_ms[] = {0, 0, 100, -100, 900, -900, 120000};
    storm_sums.clocks++;
    for (uint32_t i = 0; i < hub->options.instance_count; i++)
        hub->nodes[i].skew_ns = 0;
    hub->nodes[below(storm, hub->options.instance_count)].skew_ns =
        skews_ms[below(storm, sizeof(skews_ms) / sizeof(skews_ms[0]))] * 1000000;
}

static void step_wake(struct hub *hub, struct storm *storm)
{
    /* Timers seldom run out while messages are under way, or nothing would ever be ordered. */
    if (hub->message_count == 0 || below(storm, 24) == 0)
        hub_wake(hub, UINT64_MAX - 1);
}

static void step_pay(struct hub *hub, struct storm *storm)
{
    const uint32_t instance = (uint32_t)below(storm, hub->options.instance_count);
    const struct hub_node *const node = &hub->nodes[instance];
    if (node->up && giro_consensus_own_in_flight(node->core) < 2)
        hub_pay(hub, instance);
}

static void step_forge(struct hub *hub, struct storm *storm)
{
    (void)hub;
    forge_strike(&storm->forge);
}

static void step(struct hub *hub, struct storm *storm)
{
    static const struct {
        uint32_t weight;
        void (*step)(struct hub *hub, struct storm *storm);
    } kinds[] = {{600, step_message}, {500, step_disk},  {60, step_wake}, {40, step_pay},
                 {60, step_forge},    {4, step_network}, {3, step_crash}, {3, step_clock}};
    uint32_t total = 0;
    for (uint32_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        total += kinds[i].weight;
    uint64_t at = below(storm, total);
    for (uint32_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (at < kinds[i].weight) {
            kinds[i].step(hub, storm);
            return;
        }
        at -= kinds[i].weight;
    }
}

static void history(struct hub *hub, void *context)
{
    struct storm *const storm = context;
    for (uint32_t i = 0; i < storm->steps && !hub->failed; i++)
        step(hub, storm);
    storm_sums.histories++;
    storm_sums.steps += hub->steps;
    storm_sums.forged += storm->forge.sent;
    storm_sums.votes += hub->watch.votes;
    storm_sums.qcs += hub->watch.qcs;
    storm_sums.tcs += hub->watch.tcs;
    storm_sums.height += hub->watch.top_height;
    if (!hub->failed)
        watch_check(hub, false);
    storm->apart = 0;
    for (uint32_t i = 0; i < hub->options.instance_count; i++)
        hub->nodes[i].skew_ns = 0;
    if (!hub->failed && hub_heals(hub, 2, HEAL_WITHIN))
        watch_check(hub, storm->prng.s[0] % 32 == 0);
}

void storm_run(struct hub *hub, uint64_t seed, uint32_t steps)
{
    static struct storm storm;
    hub_reset(hub);
    /* A round takes messages from each to each. */
    storm.steps = steps * hub->options.replica_count * hub->options.replica_count / 16;
    storm.apart = 0;
    giro_prng_init(&storm.prng, seed);
    twins_leaders_clear();
    forge_open(&storm.forge, hub, hub->options.replica_count - 1, &storm.prng);
    hub->listen = listen;
    hub->filter = pass;
    hub->context = &storm;
    hub_guard(hub, history, &storm);
    hub->listen = NULL;
    hub->filter = NULL;
    hub->context = NULL;
}

struct hub *storm_hub(uint32_t count)
{
    struct hub_options options = {.replica_count = count, .slow_disks = true};
    for (uint32_t i = 0; i < (count - 1) / 3; i++)
        options.dishonest |= 1u << (count - 1 - i);
    twins_leaders_clear();
    struct hub *const hub = hub_new(&options);
    const bool quiet = hub_deliver_all(hub, 10000);
    GIRO_ASSERT(quiet);
    hub_freeze(hub);
    return hub;
}
