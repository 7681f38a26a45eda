/* Scenarios by number, without those that only rename, and at random. */
#include <string.h>

#include "twins/twins.h"

/* ---- All of them, for 4 + 1 instances: names 0, 1, 2, 3 and once more 3 ----------------------------------------- */

#define NAMES     4u
#define INSTANCES 5u
#define QUORUM    3u

static bool has_quorum(const uint8_t cells[INSTANCES])
{
    for (uint8_t cell = 0; cell < INSTANCES; cell++) {
        uint32_t names = 0;
        for (uint32_t i = 0; i < INSTANCES; i++) {
            if (cells[i] == cell)
                names |= 1u << (i < NAMES ? i : NAMES - 1);
        }
        if (__builtin_popcount(names) >= (int)QUORUM)
            return true;
    }
    return false;
}

/* Restricted growth strings: every partition once. */
static void partitions_make(struct twins_space *space, uint8_t cells[INSTANCES], uint32_t at,
                            uint8_t used)
{
    if (at == INSTANCES) {
        if (has_quorum(cells)) {
            GIRO_ASSERT(space->partition_count < TWINS_PARTITIONS_MAX);
            memcpy(space->partitions[space->partition_count++], cells, INSTANCES);
        }
        return;
    }
    for (uint8_t cell = 0; cell <= used; cell++) {
        cells[at] = cell;
        partitions_make(space, cells, at + 1, cell == used ? (uint8_t)(used + 1) : used);
    }
}

void twins_space_make(struct twins_space *space, uint32_t rounds)
{
    uint8_t cells[INSTANCES];
    memset(space, 0, sizeof(*space));
    partitions_make(space, cells, 0, 0);
    space->rounds = rounds;
    space->leader_count = NAMES;
    space->total = 1;
    for (uint32_t round = 0; round < rounds; round++)
        space->total *= (uint64_t)space->partition_count * space->leader_count;
}

void twins_scenario_of(const struct twins_space *space, uint64_t number,
                       struct twins_scenario *scenario)
{
    const uint64_t base = (uint64_t)space->partition_count * space->leader_count;
    memset(scenario, 0, sizeof(*scenario));
    scenario->rounds = space->rounds;
    for (uint32_t round = 1; round <= space->rounds; round++, number /= base) {
        const uint64_t digit = number % base;
        memcpy(scenario->round[round].cells, space->partitions[digit / space->leader_count],
               INSTANCES);
        scenario->round[round].leader = (uint8_t)(digit % space->leader_count);
    }
}

/* The number of a partition after instance i takes the name place[i]. */
static uint32_t partition_renamed(const struct twins_space *space, const uint8_t *cells,
                                  const uint8_t place[INSTANCES])
{
    uint8_t moved[INSTANCES], names[INSTANCES], used = 0;
    memset(names, 0xFF, sizeof(names));
    for (uint32_t i = 0; i < INSTANCES; i++)
        moved[place[i]] = cells[i];
    for (uint32_t i = 0; i < INSTANCES; i++) {
        if (names[moved[i]] == 0xFF)
            names[moved[i]] = used++;
        moved[i] = names[moved[i]];
    }
    for (uint32_t p = 0; p < space->partition_count; p++) {
        if (memcmp(space->partitions[p], moved, INSTANCES) == 0)
            return p;
    }
    GIRO_ASSERT(false);
    return 0;
}

uint64_t twins_canonical(const struct twins_space *space, uint64_t number)
{
    static const uint8_t orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                         {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    static uint32_t digits[12][TWINS_PARTITIONS_MAX * NAMES];
    static bool made;
    const uint64_t base = (uint64_t)space->partition_count * space->leader_count;
    for (uint32_t g = 0; g < 12 && !made; g++) {
        const uint8_t *const order = orders[g / 2];
        const uint8_t place[INSTANCES] = {order[0], order[1], order[2],
                                          (uint8_t)(g % 2 == 0 ? 3 : 4),
                                          (uint8_t)(g % 2 == 0 ? 4 : 3)};
        for (uint32_t digit = 0; digit < base; digit++) {
            const uint32_t leader = digit % space->leader_count;
            digits[g][digit] =
                partition_renamed(space, space->partitions[digit / space->leader_count], place) *
                    space->leader_count +
                (leader < 3 ? order[leader] : leader);
        }
    }
    made = true;
    uint64_t least = number;
    for (uint32_t g = 1; g < 12; g++) {
        uint64_t renamed = 0, scale = 1, left = number;
        for (uint32_t round = 0; round < space->rounds; round++, left /= base, scale *= base)
            renamed += digits[g][left % base] * scale;
        least = renamed < least ? renamed : least;
    }
    return least;
}

uint64_t twins_number(const struct twins_space *space, uint64_t i)
{
    /* The total is a product of twos and fives; this prime has no factor in common with it. */
    return twins_canonical(space,
                           (uint64_t)((unsigned __int128)i * 11400714819323198393u % space->total));
}

/* ---- At random, for more replicas ----------------------------------------------------------------------------------- */

/* A cell with a quorum of names in nine rounds of ten; the others are spread over up to two more. */
static void cells_random(struct giro_prng *prng, const struct hub *hub,
                         uint8_t cells[HUB_INSTANCES_MAX])
{
    const uint32_t count = hub->options.instance_count;
    const uint32_t names = hub->options.replica_count;
    const bool quorum = giro_prng_chance(prng, 9, 10);
    uint32_t together = 0;
    for (uint32_t i = 0; i < count; i++)
        cells[i] = (uint8_t)giro_prng_below(prng, 3);
    while (quorum && (uint32_t)__builtin_popcount(together) < hub->quorum) {
        const uint32_t name = (uint32_t)giro_prng_below(prng, names);
        if ((together >> name & 1) != 0)
            continue;
        together |= 1u << name;
        const uint32_t first = (uint32_t)giro_prng_below(prng, count);
        for (uint32_t k = 0; k < count; k++) {
            const uint32_t i = (first + k) % count;
            if (hub->options.identities[i] != name)
                continue;
            cells[i] = 0;
            break;
        }
    }
}

void twins_scenario_random(struct twins_scenario *scenario, const struct hub *hub, uint32_t rounds,
                           uint64_t seed)
{
    struct giro_prng prng;
    giro_prng_init(&prng, seed);
    memset(scenario, 0, sizeof(*scenario));
    scenario->rounds = rounds;
    for (uint32_t round = 1; round <= rounds; round++) {
        struct twins_round *const r = &scenario->round[round];
        cells_random(&prng, hub, r->cells);
        /* Leaders with a twin do most of the harm. */
        r->leader = (uint8_t)giro_prng_below(&prng, hub->options.replica_count);
        if (giro_prng_chance(&prng, 1, 3)) {
            const uint32_t last = hub->options.instance_count - 1;
            const uint32_t twins = hub->options.instance_count - hub->options.replica_count;
            if (twins > 0)
                r->leader = hub->options.identities[last - giro_prng_below(&prng, twins)];
        }
    }
}

void twins_print(const struct hub *hub, const struct twins_scenario *scenario, FILE *out)
{
    const uint32_t count = hub->options.instance_count;
    for (uint32_t round = 1; round <= scenario->rounds; round++) {
        const struct twins_round *const r = &scenario->round[round];
        fprintf(out, "  round %u: leader %u, together:", round, r->leader);
        for (uint8_t cell = 0; cell < count; cell++) {
            bool any = false;
            for (uint32_t i = 0; i < count; i++) {
                if (r->cells[i] != cell)
                    continue;
                fprintf(out, "%s%u%s", any ? " " : " {", hub->options.identities[i],
                        i >= hub->options.replica_count ? "'" : "");
                any = true;
            }
            fprintf(out, "%s", any ? "}" : "");
        }
        fprintf(out, "\n");
    }
}
