/* Named histories (consensus.md section 10), each with its pass criterion. */
#include "sim/node.h"

static void lone_frame_then_quiet(struct sim_world *world)
{
    sim_start_all(world);
    sim_run(world, GIRO_NS_PER_S, NULL);
    if (world->top_height != 0)
        sim_fail(world, "an idle hub made %lu blocks", (unsigned long)world->top_height);
    uint32_t group = sim_group_send(world, 0, 1);
    if (!sim_run(world, 2 * GIRO_NS_PER_S, sim_groups_certified))
        sim_fail(world, "the lone frame is not certified within a second");
    else if (world->nodes->groups[group].certified_ns - world->nodes->groups[group].sent_ns >
             60 * SIM_MS)
        sim_fail(world, "the lone frame took more than 60 ms");
    sim_settle_down(world, GIRO_NS_PER_S);
}

const struct sim_scenario sim_scenarios[] = {
    {"lone_frame_then_quiet", lone_frame_then_quiet, 1, 4},
};
const uint32_t sim_scenario_count = sizeof(sim_scenarios) / sizeof(sim_scenarios[0]);
