# The engine: what both bodies share.
set(GIRO_SIM_ENGINE sim/hub.c sim/signatures.c sim/world.c sim/network.c sim/life.c sim/watch_safety.c sim/watch_wire.c
  sim/faults.c sim/faults_life.c sim/faults_net.c)

# What every simulator program is built with. The linker exchanges signing and verifying, and nothing else of the replicas'
# code: see signatures.c.
function(giro_sim_settings name)
  giro_test_suite(sim ${name})
  target_compile_definitions(${name} PRIVATE _GNU_SOURCE)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE giro_store_scan PkgConfig::XXHASH giro_warnings_tests)
  target_link_options(${name} PRIVATE -Wl,--wrap=giro_sign -Wl,--wrap=giro_verify_batch)
endfunction()

# giro_sim_program(NAME giro-sim CONSENSUS giro_consensus MAIN sim/main.c): the simulator of nodes over that build of the
# consensus library.
function(giro_sim_program)
  cmake_parse_arguments(S "" "NAME;CONSENSUS;MAIN" "" ${ARGN})
  add_executable(${S_NAME} ${GIRO_SIM_ENGINE} sim/node.c sim/node_clients.c sim/node_watch.c sim/node_certs.c
    sim/coverage.c sim/lore.c sim/traitor.c sim/traitor_forge.c sim/history.c sim/scenarios.c
    sim/scenarios_kill.c sim/scenarios_net.c sim/scenarios_traitor.c sim/scenarios_rate.c sim/scenarios_certs.c sim/run.c sim/shrink.c
    ${S_MAIN})
  giro_sim_settings(${S_NAME})
  target_link_libraries(${S_NAME} PRIVATE ${S_CONSENSUS} giro_sys giro_genesis)
endfunction()

giro_sim_program(NAME giro-sim CONSENSUS giro_consensus MAIN sim/main.c)

add_executable(giro-sim-full ${GIRO_SIM_ENGINE} sim/full.c sim/full_members.c sim/full_watch.c sim/full_scenarios.c
  sim/full_main.c)
giro_sim_settings(giro-sim-full)
target_link_libraries(giro-sim-full PRIVATE giro_replica giro_member)

function(giro_sim_test program name)
  add_test(NAME sim/${name} COMMAND ${program} ${ARGN} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(sim/${name} PROPERTIES LABELS sim TIMEOUT 300)
endfunction()

giro_sim_test(giro-sim swarm --seeds 40)
giro_sim_test(giro-sim ed25519 --seeds 2 --seconds 4 --ed25519)
giro_sim_test(giro-sim same_seed_same_trace --seed 500 --seeds 8 --seconds 30 --twice)
foreach(scenario lone_frame_then_quiet kill_one_at_every_write power_loss_of_all kill_all_at_every_write
    safety_file_deleted safety_file_rolled_back safety_file_cloned hello_lies rolled_back_beside_a_liar partition_minority partition_asymmetric
    partition_flapping messages_mangled equivocating_leader votes_withheld votes_late votes_one_sided slow_leader
    votes_withheld_rate two_leaders_dead
    invalid_certificates timers_below_round_trip quorum_needs_slow clocks_skewed clock_stepped clock_frozen
    leader_backdates slow_disk_on_one slow_disk_on_many disk_full write_errors bad_batch_author sync_info_lies replica_away)
  giro_sim_test(giro-sim ${scenario} --scenario ${scenario})
endforeach()

giro_sim_test(giro-sim soak_of_minutes --scenario soak --seconds 600)

# Seeds are for the dev build; each one more costs the sanitizers several times as much.
if(GIRO_SANITIZE)
  set(smoke_seeds 6)
else()
  set(smoke_seeds 20)
endif()
giro_sim_test(giro-sim-full full_smoke --seeds ${smoke_seeds} --seconds 8)
giro_sim_test(giro-sim-full full_ed25519 --ed25519 --seeds 1 --seconds 3 --no-faults)
giro_sim_test(giro-sim-full full_same_seed_same_trace --seed 77 --seeds 1 --seconds 5 --twice)
foreach(scenario lone_payment_then_quiet kill_all_and_restart power_loss_of_all_mid_load
    crash_at_every_write_boundary leader_dead partition_minority_heals replica_away_catches_up all_restart_from_images
    away_past_checkpoints disk_lost_but_safety crash_at_every_write_of_images)
  giro_sim_test(giro-sim-full full_${scenario} --scenario ${scenario})
endforeach()

# The mutants' library is declared by tests/twins; linked by name, so the order of the files does not matter.
giro_sim_program(NAME giro-sim-mutants CONSENSUS giro_consensus_mutants MAIN sim/mutants.c)
