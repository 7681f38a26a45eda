/* tests/sim/scenarios.h - what the named histories share, and their functions by file. */
#ifndef GIRO_TESTS_SIM_SCENARIOS_H
#define GIRO_TESTS_SIM_SCENARIOS_H

#include "sim/node.h"

/* sim_load_until starts clients: a group of 1 to 3 frames every gap on average, until the time. */
void sim_load_until(struct sim_world *world, uint64_t mean_gap_ns, uint64_t stop_ns);
/* sim_demand_blocks runs for a time and fails unless at least so many blocks were made in it. */
void sim_demand_blocks(struct sim_world *world, uint64_t for_ns, uint64_t blocks, const char *when);
/* sim_traitor_make turns a replica with these kinds of treason, from before its start. */
void sim_traitor_make(struct sim_world *world, uint32_t index, uint64_t faults);
struct giro_consensus_status sim_status(const struct sim_world *world, uint32_t instance);

typedef void sim_scenario_function(struct sim_world *world);
/* scenarios.c */
extern sim_scenario_function sim_lone_frame_then_quiet, sim_power_loss_of_all, sim_soak;
/* scenarios_kill.c */
extern sim_scenario_function sim_kill_one_at_every_write, sim_kill_all_at_every_write,
    sim_safety_file_deleted, sim_safety_file_rolled_back, sim_safety_file_cloned,
    sim_slow_disk_on_one, sim_slow_disk_on_many, sim_disk_full, sim_write_errors;
/* scenarios_net.c */
extern sim_scenario_function sim_partition_minority, sim_partition_asymmetric,
    sim_partition_flapping, sim_messages_mangled, sim_timers_below_round_trip,
    sim_quorum_needs_slow, sim_clocks_skewed, sim_clock_stepped, sim_clock_frozen, sim_replica_away;
/* scenarios_traitor.c */
extern sim_scenario_function sim_equivocating_leader, sim_votes_withheld, sim_votes_late,
    sim_votes_one_sided, sim_leader_backdates, sim_bad_batch_author, sim_sync_info_lies,
    sim_hello_lies, sim_rolled_back_beside_a_liar;
/* scenarios_rate.c */
extern sim_scenario_function sim_slow_leader, sim_votes_withheld_rate, sim_two_leaders_dead;
/* scenarios_certs.c */
extern sim_scenario_function sim_invalid_certificates;

#endif
