add_executable(giro-sim sim/main.c sim/hub.c sim/signatures.c sim/world.c sim/network.c sim/life.c sim/watch.c
  sim/wire_watch.c sim/members.c sim/faults.c sim/scenarios.c)
giro_test_suite(sim giro-sim)
target_compile_definitions(giro-sim PRIVATE _GNU_SOURCE)
target_include_directories(giro-sim PRIVATE ${PROJECT_SOURCE_DIR}/tests ${PROJECT_SOURCE_DIR})
target_link_libraries(giro-sim PRIVATE giro_replica giro_member giro_store_scan PkgConfig::XXHASH giro_warnings_tests)
# The linker exchanges signing and verifying, and nothing else of the replicas' code: see signatures.c.
target_link_options(giro-sim PRIVATE -Wl,--wrap=giro_sign -Wl,--wrap=giro_verify_batch)

function(giro_sim_test name)
  add_test(NAME sim/${name} COMMAND giro-sim ${ARGN} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(sim/${name} PROPERTIES LABELS sim TIMEOUT 300)
endfunction()

giro_sim_test(smoke --seeds 20 --seconds 8)
giro_sim_test(ed25519 --ed25519 --seeds 1 --seconds 3 --no-faults)
giro_sim_test(same_seed_same_trace --seed 77 --seeds 1 --seconds 5 --twice)
foreach(scenario lone_payment_then_quiet kill_all_and_restart power_loss_of_all_mid_load
    crash_at_every_write_boundary leader_dead partition_minority_heals replica_away_catches_up)
  giro_sim_test(${scenario} --scenario ${scenario})
endforeach()
