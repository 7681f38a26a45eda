# giro_fuzz(NAME frame VECTORS folder... LINK targets [SOURCES more.c] [SANITIZED number])
# tests/fuzz/fuzz_<name>.c against one decoder family. Always: a replay over the vectors and seeded mutations of them
# (label fuzz); SANITIZED: so many mutations suffice under the sanitizers, for what looks for wrong verdicts first.
# With -DGIRO_BUILD_FUZZ=ON and clang: the libFuzzer program fuzz_<name>, too.
function(giro_fuzz)
  cmake_parse_arguments(F "" "NAME;SANITIZED" "VECTORS;LINK;SOURCES" ${ARGN})
  giro_test(NAME ${F_NAME} SUITE fuzz PLAIN
    SOURCES fuzz/fuzz_${F_NAME}.c fuzz/replay_main.c unit/wire_hex.c ${F_SOURCES}
    LINK ${F_LINK} ARGS ${F_VECTORS})
  if(F_SANITIZED)
    target_compile_definitions(test_fuzz_${F_NAME} PRIVATE MUTATIONS_SANITIZED=${F_SANITIZED}u)
  endif()
  if(GIRO_BUILD_FUZZ)
    add_executable(fuzz_${F_NAME} fuzz/fuzz_${F_NAME}.c ${F_SOURCES})
    target_include_directories(fuzz_${F_NAME} PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/tests)
    target_compile_options(fuzz_${F_NAME} PRIVATE -fsanitize=fuzzer,address)
    target_link_options(fuzz_${F_NAME} PRIVATE -fsanitize=fuzzer,address)
    target_link_libraries(fuzz_${F_NAME} PRIVATE ${F_LINK} giro_warnings_tests)
  endif()
endfunction()

if(GIRO_BUILD_FUZZ)
  if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "GIRO_BUILD_FUZZ needs clang: configure with -DCMAKE_C_COMPILER=clang")
  endif()
  # The decoders themselves carry the coverage counters; whoever links them needs the runtime.
  foreach(library giro_base giro_crypto giro_wire giro_session giro_details)
    target_compile_options(${library} PRIVATE -fsanitize=fuzzer-no-link,address)
    target_link_options(${library} INTERFACE -fsanitize=address)
  endforeach()
endif()

set(GIRO_WIRE_VECTORS ${CMAKE_CURRENT_SOURCE_DIR}/vectors/wire)
foreach(name frame disclosure receipt envelope vote batch proof proposal checkpoint)
  giro_fuzz(NAME ${name} VECTORS ${GIRO_WIRE_VECTORS} SOURCES unit/wire_roundtrip.c LINK giro_wire)
endforeach()
giro_fuzz(NAME details VECTORS ${CMAKE_CURRENT_SOURCE_DIR}/vectors/details LINK giro_details)
giro_fuzz(NAME crypto VECTORS ${CMAKE_CURRENT_SOURCE_DIR}/vectors/crypto LINK giro_crypto PkgConfig::SODIUM SANITIZED 300)
giro_fuzz(NAME sha256 VECTORS ${CMAKE_CURRENT_SOURCE_DIR}/vectors/crypto LINK giro_crypto)
giro_fuzz(NAME session VECTORS ${GIRO_WIRE_VECTORS} SOURCES unit/session_samples.c LINK giro_session)
