# Plain programs for the thread sanitizer (./dev check race). They take the rigs of the unit tests; race/plain stands in
# for Criterion's header. They run in the other builds, too.
function(giro_race_test name)
  cmake_parse_arguments(R "" "" "SOURCES;LINK" ${ARGN})
  giro_test(NAME ${name} SUITE race PLAIN SOURCES race/${name}.c race/race.c ${R_SOURCES} LINK ${R_LINK} Threads::Threads)
  target_include_directories(test_race_${name} BEFORE PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/race/plain)
endfunction()

giro_race_test(log LINK giro_sys)
giro_race_test(crypto LINK giro_crypto)
giro_race_test(crypto_keys LINK giro_crypto)
giro_race_test(publish SOURCES unit/recon_window_support.c LINK giro_hub)
giro_race_test(disk LINK giro_sys)
giro_race_test(verifiers SOURCES unit/dataplane_support.c LINK giro_dataplane)
