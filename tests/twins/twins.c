/* Playing a scenario: messages of a round go only where its partition lets them; when nothing more can happen in a round it
 * heals early; after the last round all heal and must go on. */
#include "twins/twins.h"

#define QUIET_WAKES                                                                                \
    12u /* of timers, without anybody entering a higher round: the rest is waiting */
#define HEAL_WITHIN   (120 * GIRO_NS_PER_S)
#define SCENARIO_TIME (600 * GIRO_NS_PER_S)

struct play {
    const struct twins_scenario *scenario;
    uint64_t released_round; /* whole again up to here */
    bool check_pools;
};

/* Batches, acknowledgements and proofs pass: what is ordered is not in question here. */
static bool is_batch_kind(uint16_t kind)
{
    return kind == GIRO_KIND_BATCH || kind == GIRO_KIND_BATCH_ACK ||
           kind == GIRO_KIND_BATCH_PROOF || kind == GIRO_KIND_FETCH_BATCHES;
}

static bool together(struct hub *hub, const struct hub_message *message)
{
    const struct play *const play = hub->context;
    const uint64_t round = message->round;
    if (is_batch_kind(message->kind) || round > play->scenario->rounds ||
        round <= play->released_round)
        return true;
    const uint8_t *const cells = play->scenario->round[round].cells;
    return cells[message->from] == cells[message->to];
}

static uint64_t highest_round(const struct hub *hub)
{
    uint64_t highest = 0;
    for (uint32_t i = 0; i < hub->options.instance_count; i++) {
        const uint64_t round = hub_round(hub, i);
        highest = round > highest ? round : highest;
    }
    return highest;
}

/* There is always something to order, or the rounds would stand still. */
static bool feed(struct hub *hub)
{
    bool fed = false;
    for (uint32_t i = 0; i < 2 && i < hub->options.instance_count; i++) {
        const struct hub_node *const node = &hub->nodes[i];
        if (node->batch_count <= node->batches_executed)
            fed |= hub_pay(hub, i);
    }
    return fed;
}

static void play(struct hub *hub, void *context)
{
    struct play *const play = context;
    const uint64_t until_ns = hub->now_ns + SCENARIO_TIME;
    uint64_t highest = 0;
    uint32_t quiet = 0;
    while (!hub->failed && highest <= play->scenario->rounds) {
        if (!hub_deliver_all(hub, 50000)) {
            if (!hub->failed)
                hub_fail(hub, "bounds: messages without end in one moment");
            break;
        }
        const uint64_t round = highest_round(hub);
        quiet = round > highest ? 0 : quiet + 1;
        highest = round > highest ? round : highest;
        if (quiet == QUIET_WAKES) {
            play->released_round = highest;
            quiet = 0;
        }
        if (!feed(hub) && !hub_wake(hub, until_ns))
            break;
    }
    if (!hub->failed)
        watch_check(hub, false);
    if (!hub->failed && hub_heals(hub, 3, HEAL_WITHIN))
        watch_check(hub, play->check_pools);
}

void twins_run(struct hub *hub, const struct twins_scenario *scenario, bool check_pools)
{
    struct play state = {.scenario = scenario, .check_pools = check_pools};
    hub_reset(hub);
    twins_leaders_clear();
    for (uint32_t round = 1; round <= scenario->rounds; round++)
        twins_leaders[round] = scenario->round[round].leader;
    hub->filter = together;
    hub->context = &state;
    hub_guard(hub, play, &state);
    hub->filter = NULL;
    hub->context = NULL;
    twins_leaders_clear();
}

struct hub *twins_hub(uint32_t count, uint32_t twins)
{
    struct hub_options options = {.replica_count = count, .instance_count = count + twins};
    for (uint32_t i = 0; i < count + twins; i++)
        options.identities[i] = (uint8_t)(i < count ? i : i - twins);
    twins_leaders_clear();
    struct hub *const hub = hub_new(&options);
    const bool quiet = hub_deliver_all(hub, 10000);
    GIRO_ASSERT(quiet);
    hub_freeze(hub);
    return hub;
}
