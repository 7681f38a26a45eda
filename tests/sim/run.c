/* One history under a guard: an assert inside a replica is a violation of this seed, not the end of the program. */
#include <setjmp.h>
#include <stdlib.h>
#include <time.h>

#include "sim/run.h"

static jmp_buf after_assert;
static char assert_text[256];

static void on_assert(const char *condition, const char *file, int line)
{
    snprintf(assert_text, sizeof(assert_text), "assertion failed: %s (%s:%d)", condition, file,
             line);
    longjmp(after_assert, 1);
}

static void run_guarded(struct sim_world *world, void (*run)(struct sim_world *world))
{
    giro_assert_hook = on_assert;
    if (setjmp(after_assert) == 0)
        run(world);
    else
        sim_fail(world, "%s", assert_text);
    giro_assert_hook = NULL;
}

uint64_t sim_cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * GIRO_NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Hubs by size, made when they are first asked for. */
static struct sim_hub *hubs[2][SIM_REPLICAS_MAX + 1];

static const struct sim_hub *hub_of(uint32_t replica_count, bool ed25519)
{
    struct sim_hub **hub = &hubs[ed25519][replica_count];
    if (*hub == NULL) {
        *hub = sim_memory(calloc(1, sizeof(**hub)));
        sim_signatures_real();
        sim_hub_open(*hub, replica_count, 0, ed25519);
    }
    return *hub;
}

void sim_run_close(void)
{
    for (uint32_t i = 0; i < 2 * (SIM_REPLICAS_MAX + 1); i++) {
        struct sim_hub **hub = &hubs[i % 2][i / 2];
        if (*hub != NULL)
            sim_hub_close(*hub);
        free(*hub);
        *hub = NULL;
    }
}

static void add_up(struct sim_sums *sums, const struct sim_world *world, bool ed25519)
{
    sums->histories++;
    sums->failures += world->failed;
    sums->virtual_ns += world->now_ns;
    sums->messages += world->messages;
    sums->blocks += world->top_height;
    sums->frames += world->nodes->number_count;
    sums->steps += world->steps;
    sums->scans += world->scans;
    sums->votes += world->votes;
    sums->judged += world->nodes->judged;
    sums->starts += world->starts;
    sums->evidence += world->nodes->evidence;
    sums->ed25519 += ed25519;
    sums->image_starts += world->nodes->image_starts;
    sums->image_syncs += world->nodes->image_syncs;
    sums->of_size[world->replica_count]++;
    for (uint32_t i = 0; i < SIM_FAULTS; i++) {
        sums->faults[i] += world->faults[i];
        sums->with_fault[i] += world->faults[i] > 0;
    }
}

void sim_options_default(const struct sim_arguments *arguments, uint64_t seed,
                         struct sim_options *options)
{
    static const uint32_t sizes[8] = {4, 4, 7, 4, 4, 10, 4, 7};
    *options = (struct sim_options){
        .seed = seed,
        .replica_count = arguments->replicas > 0 ? (uint32_t)arguments->replicas : sizes[seed % 8],
        .seconds = arguments->seconds,
        .faults = arguments->faults,
        .faults_all = arguments->faults_all,
        .load_per_mille = (uint32_t)arguments->load_per_mille,
        .image_every = (uint32_t)arguments->image_every};
}

struct sim_result sim_run_one(const struct sim_options *options, bool ed25519,
                              const struct sim_scenario *scenario, struct sim_sums *sums)
{
    static struct sim_world world;
    const struct sim_hub *hub = hub_of(options->replica_count, ed25519);
    if (ed25519)
        sim_signatures_real();
    else
        sim_signatures_fast(&hub->genesis);
    sim_world_open(&world, hub, &sim_node_body, options);
    sim_nodes_open(&world);
    run_guarded(&world, scenario != NULL ? scenario->run : sim_history);
    struct sim_result result = {.failed = world.failed,
                                .trace_hash = world.trace_hash,
                                .faults_on = world.faults_on,
                                .end_ns = world.now_ns};
    memcpy(result.failure, world.failure, sizeof(result.failure));
    if (sums != NULL)
        add_up(sums, &world, ed25519);
    sim_world_close(&world);
    sim_nodes_close(&world);
    return result;
}
