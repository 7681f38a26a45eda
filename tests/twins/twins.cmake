# giro-twins: consensus cores without disks and executors, over the same object code as girod.
set(giro_hub_sources twins/hub.c twins/node.c twins/disk.c twins/watch.c twins/region.c twins/guard.c twins/leader.c
  twins/scenario.c twins/twins.c twins/forge.c twins/storm.c sim/signatures.c)

# giro_twins_program(target consensus sources...): consensus is what to link as the consensus module.
function(giro_twins_program target consensus)
  add_executable(${target} ${ARGN})
  giro_test_suite(sim ${target})
  target_compile_definitions(${target} PRIVATE _GNU_SOURCE)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/tests ${PROJECT_SOURCE_DIR})
  target_link_libraries(${target} PRIVATE ${consensus} giro_genesis PkgConfig::XXHASH giro_warnings_tests)
  # Exchanged by the linker: signing and verifying (sim/signatures.c), and who leads a round (leader.c).
  target_link_options(${target} PRIVATE -Wl,--wrap=giro_sign -Wl,--wrap=giro_verify_batch
    -Wl,--wrap=giro_leader_window_leader)
endfunction()

giro_twins_program(giro-twins giro_consensus twins/main.c ${giro_hub_sources})

# giro-mutants: the same sources of consensus, built once more with the mutants in them. Nothing else links this library,
# and no option switches them on elsewhere.
get_target_property(giro_consensus_sources giro_consensus SOURCES)
list(TRANSFORM giro_consensus_sources PREPEND ${PROJECT_SOURCE_DIR}/consensus/)
add_library(giro_consensus_mutants STATIC EXCLUDE_FROM_ALL ${giro_consensus_sources})
target_compile_definitions(giro_consensus_mutants PRIVATE _GNU_SOURCE PUBLIC GIRO_MUTANTS)
target_include_directories(giro_consensus_mutants PUBLIC ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}
                           PRIVATE ${PROJECT_SOURCE_DIR}/consensus)
target_link_libraries(giro_consensus_mutants PUBLIC giro_base giro_crypto giro_wire giro_store PRIVATE giro_warnings)
giro_twins_program(giro-mutants giro_consensus_mutants twins/mutants.c twins/drill.c ${giro_hub_sources})

# The model's predicates against the real core (tests/model).
giro_twins_program(giro-model-refine giro_consensus model/refine.c model/rules.c ${giro_hub_sources})
add_test(NAME model/refine COMMAND giro-model-refine)
set_tests_properties(model/refine PROPERTIES LABELS model TIMEOUT 120)

function(giro_twins_test name)
  add_test(NAME sim/${name} COMMAND ${ARGN} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(sim/${name} PROPERTIES LABELS sim TIMEOUT 300)
endfunction()

giro_twins_test(twins giro-twins --seeds 500)
giro_twins_test(twins_two_rounds giro-twins --rounds 2 --all)
giro_twins_test(twins_of_seven giro-twins --replicas 7 --seeds 40)
giro_twins_test(twins_of_ten giro-twins --replicas 10 --seeds 10)
giro_twins_test(storms giro-twins --storm --seed 1 --seeds 200)
giro_twins_test(storms_of_seven giro-twins --storm --replicas 7 --seed 1 --seeds 20)
# Finds out whether the checks find mutants: nothing for sanitizers.
if(NOT GIRO_SANITIZE)
  giro_twins_test(mutants giro-mutants --seconds 20 --seeds 20)
endif()
giro_twins_test(mutants_are_not_in_production ${PROJECT_SOURCE_DIR}/tests/tools/check_no_mutants
  $<TARGET_FILE:giro_consensus_mutants> $<TARGET_FILE:giro_consensus> $<TARGET_FILE:girod>)
