#include <stdarg.h>
#include <stdlib.h>
#include <xxhash.h>

#include "sim/sim.h"

#define STEPS_PER_NS_MAX 20000u /* events without time moving: somebody spins */

const char *sim_fault_text(enum sim_fault fault)
{
    static const char *const texts[] = {
#define SIM_FAULT_TEXT(name, option, text) text,
        SIM_FAULT_MAP(SIM_FAULT_TEXT)
#undef SIM_FAULT_TEXT
    };
    return texts[fault];
}

const char *sim_fault_option(enum sim_fault fault)
{
    static const char *const options[] = {
#define SIM_FAULT_OPTION(name, option, text) option,
        SIM_FAULT_MAP(SIM_FAULT_OPTION)
#undef SIM_FAULT_OPTION
    };
    return options[fault];
}

void *sim_memory(void *memory)
{
    GIRO_ASSERT(memory != NULL);
    return memory;
}

uint64_t sim_draw(struct giro_prng *prng, uint64_t low, uint64_t high)
{
    GIRO_ASSERT(low <= high);
    return low + giro_prng_below(prng, high - low + 1);
}

uint64_t sim_between(struct sim_world *world, uint64_t low, uint64_t high)
{
    return sim_draw(&world->prng, low, high);
}

bool sim_chance(struct sim_world *world, uint32_t per_mille)
{
    return giro_prng_chance(&world->prng, per_mille, 1000);
}

void sim_fail(struct sim_world *world, const char *format, ...)
{
    if (world->failed)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(world->failure, sizeof(world->failure), format, arguments);
    va_end(arguments);
    world->failed = true;
    if (world->options.trace != NULL)
        fprintf(world->options.trace, "%12.6f FAIL %s\n", (double)world->now_ns / 1e9,
                world->failure);
}

void sim_trace(struct sim_world *world, const char *what, uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t words[6] = {world->now_ns,    a, b, c, XXH3_64bits(what, strlen(what)),
                         world->trace_hash};
    world->trace_hash = XXH3_64bits(words, sizeof(words));
    world->trace_count++;
    if (world->options.trace != NULL)
        fprintf(world->options.trace, "%12.6f %-24s %lu %lu %lu\n", (double)world->now_ns / 1e9,
                what, (unsigned long)a, (unsigned long)b, (unsigned long)c);
}

/* ---- Heap of events ---------------------------------------------------------------------------- */

static bool before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

void sim_at(struct sim_world *world, uint64_t at_ns, sim_function *function, uint64_t a, uint64_t b,
            void *data)
{
    if (world->heap_count == world->heap_room) {
        world->heap_room = world->heap_room == 0 ? 1024 : world->heap_room * 2;
        world->heap = sim_memory(realloc(world->heap, world->heap_room * sizeof(*world->heap)));
    }
    uint32_t place = world->heap_count++;
    struct sim_event event = {
        at_ns < world->now_ns ? world->now_ns : at_ns, world->order++, function, a, b, data};
    while (place > 0 && before(&event, &world->heap[(place - 1) / 2])) {
        world->heap[place] = world->heap[(place - 1) / 2];
        place = (place - 1) / 2;
    }
    world->heap[place] = event;
}

static struct sim_event heap_pop(struct sim_world *world)
{
    struct sim_event first = world->heap[0];
    struct sim_event last = world->heap[--world->heap_count];
    uint32_t place = 0;
    for (;;) {
        uint32_t child = 2 * place + 1;
        if (child >= world->heap_count)
            break;
        if (child + 1 < world->heap_count && before(&world->heap[child + 1], &world->heap[child]))
            child++;
        if (!before(&world->heap[child], &last))
            break;
        world->heap[place] = world->heap[child];
        place = child;
    }
    if (world->heap_count > 0)
        world->heap[place] = last;
    return first;
}

/* ---- Life of a world ------------------------------------------------------------------------------ */

static void replica_open(struct sim_world *world, uint32_t instance)
{
    struct sim_replica *replica = &world->replicas[instance];
    replica->world = world;
    replica->instance = instance;
    replica->index = instance;
    replica->wake_ns = UINT64_MAX;
    replica->disk_faults = world->disk_faults;
    replica->faulty = giro_disk_faulty_new(giro_prng_next(&world->prng), &world->disk_faults);
    replica->disk = giro_disk_faulty_disk(replica->faulty);
}

void sim_world_open(struct sim_world *world, const struct sim_hub *hub, const struct sim_body *body,
                    const struct sim_options *options)
{
    memset(world, 0, sizeof(*world));
    world->options = *options;
    world->hub = hub;
    world->body = body;
    world->replica_count = options->replica_count;
    world->instance_count = options->replica_count;
    world->faulty_max = (options->replica_count - 1) / 3;
    world->quorum = options->replica_count - world->faulty_max;
    world->round_floor_ns = hub->genesis.round_floor_ns;
    world->scan_every = 16;
    giro_prng_init(&world->prng, options->seed);
    giro_prng_init(&world->network_prng, ~options->seed);
    for (uint32_t i = 0; i < SIM_FAULTS; i++)
        giro_prng_init(&world->fault_prng[i], options->seed * SIM_FAULTS + i + UINT64_C(0x51ED));
    world->disk_faults = (struct giro_disk_faults){.latency_min_ns = 50000,
                                                   .latency_max_ns = 400000,
                                                   .torn_per_mille = 300,
                                                   .kept_per_mille = 300};
    for (uint32_t i = 0; i < options->replica_count; i++)
        replica_open(world, i);
    sim_network_normal(world);
}

void sim_twin_open(struct sim_world *world, uint32_t index)
{
    GIRO_ASSERT(world->instance_count < SIM_INSTANCES_MAX);
    uint32_t instance = world->instance_count++;
    replica_open(world, instance);
    world->replicas[instance].index = index;
    world->replicas[instance].traitor = true;
    world->replicas[index].traitor = true;
    sim_network_normal(world);
}

void sim_world_close(struct sim_world *world)
{
    for (uint32_t i = 0; i < world->instance_count; i++) {
        if (world->replicas[i].up)
            world->body->stop(&world->replicas[i]);
        giro_disk_faulty_free(world->replicas[i].faulty);
    }
    for (uint32_t i = 0; i < world->heap_count; i++)
        free(world->heap[i].data);
    free(world->heap);
    sim_watch_close(world);
}

/* The next replica to wake; ties go to the lowest instance. */
static struct sim_replica *next_wake(struct sim_world *world)
{
    struct sim_replica *next = NULL;
    for (uint32_t i = 0; i < world->instance_count; i++) {
        struct sim_replica *replica = &world->replicas[i];
        if (replica->up && (next == NULL || replica->wake_ns < next->wake_ns))
            next = replica;
    }
    return next;
}

static void spin_check(struct sim_world *world, uint64_t at_ns, uint64_t *same)
{
    *same = at_ns == world->now_ns ? *same + 1 : 0;
    if (*same > STEPS_PER_NS_MAX)
        sim_fail(world, "time stands still: %u events without progress", STEPS_PER_NS_MAX);
}

bool sim_run(struct sim_world *world, uint64_t end_ns, bool (*done)(struct sim_world *world))
{
    uint64_t same = 0;
    while (!world->failed) {
        if (done != NULL && done(world))
            return true;
        struct sim_replica *wake = next_wake(world);
        uint64_t wake_ns = wake != NULL ? wake->wake_ns : UINT64_MAX;
        uint64_t event_ns = world->heap_count > 0 ? world->heap[0].at_ns : UINT64_MAX;
        uint64_t at_ns = wake_ns < event_ns ? wake_ns : event_ns;
        if (at_ns >= end_ns) {
            world->now_ns = end_ns > world->now_ns ? end_ns : world->now_ns;
            return false;
        }
        spin_check(world, at_ns, &same);
        world->now_ns = at_ns > world->now_ns ? at_ns : world->now_ns;
        world->steps++;
        if (wake_ns < event_ns) {
            wake->wakes++;
            sim_touch(world, wake->instance);
        } else {
            struct sim_event event = heap_pop(world);
            event.function(world, event.a, event.b, event.data);
            free(event.data);
        }
        if (world->steps % 4096 == 0)
            world->body->check(world);
    }
    return false;
}
