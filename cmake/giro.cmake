# What every module's CMakeLists.txt uses: two warning sets, third-party packages, giro_module, giro_test.

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_CXX_STANDARD 17)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
if(NOT CMAKE_RUNTIME_OUTPUT_DIRECTORY)
  set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
endif()
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo)
endif()

find_program(GIRO_CCACHE ccache)
if(GIRO_CCACHE AND NOT CMAKE_C_COMPILER_LAUNCHER)
  set(CMAKE_C_COMPILER_LAUNCHER ${GIRO_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${GIRO_CCACHE})
endif()

# For the whole tree: every object of a program must agree about its sanitizers.
set(GIRO_SANITIZE "" CACHE STRING "Sanitizers of the whole tree: address,undefined or thread; empty for none")
if(GIRO_SANITIZE)
  add_compile_options(-fsanitize=${GIRO_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${GIRO_SANITIZE})
endif()

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenSSL REQUIRED)
pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(URING REQUIRED IMPORTED_TARGET liburing)
pkg_check_modules(CYAML REQUIRED IMPORTED_TARGET libcyaml)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(EVENT REQUIRED IMPORTED_TARGET libevent libevent_openssl)
pkg_check_modules(JEMALLOC REQUIRED IMPORTED_TARGET jemalloc)
pkg_check_modules(DPDK REQUIRED IMPORTED_TARGET libdpdk)

# libdpdk's pkg-config carries -march=corei7, which lands last and switches newer instruction sets off; its
# headers need SSSE3 and SSE4.2 in its place.
get_target_property(giro_dpdk_options PkgConfig::DPDK INTERFACE_COMPILE_OPTIONS)
list(FILTER giro_dpdk_options EXCLUDE REGEX "^-march=")
list(APPEND giro_dpdk_options -mssse3 -msse4.2)
set_target_properties(PkgConfig::DPDK PROPERTIES INTERFACE_COMPILE_OPTIONS "${giro_dpdk_options}")

# Two warning targets: an inherited -Wconversion cannot be undone by a target's own -Wno-conversion, and
# Criterion's macros do not survive it.
add_library(giro_warnings INTERFACE)
target_compile_options(giro_warnings INTERFACE -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion
  -Wpointer-arith -Wcast-qual -Wwrite-strings -Wundef -Wformat=2 -Wvla
  $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes -Wmissing-prototypes>)
add_library(giro_warnings_tests INTERFACE)
target_compile_options(giro_warnings_tests INTERFACE -Wall -Wextra -Wno-unused-parameter)

# giro_module(NAME base SOURCES a.c b.c [PUBLIC targets] [PRIVATE targets])
# One folder, one static library giro_NAME. PUBLIC and PRIVATE name what it links.
function(giro_module)
  cmake_parse_arguments(M "" "NAME" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(giro_${M_NAME} STATIC ${M_SOURCES})
  target_include_directories(giro_${M_NAME} PUBLIC ${PROJECT_SOURCE_DIR}/include
                             PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  target_compile_definitions(giro_${M_NAME} PRIVATE _GNU_SOURCE)
  target_link_libraries(giro_${M_NAME} PUBLIC ${M_PUBLIC} PRIVATE giro_warnings ${M_PRIVATE})
endfunction()

option(GIRO_TESTS_IN_ALL "Build the test programs with everything else (off: only when they are asked for)" ON)

# giro_test_suite(SUITE target): puts a program into the suite's aggregate target tests_SUITE.
function(giro_test_suite suite target)
  if(NOT TARGET tests_${suite})
    add_custom_target(tests_${suite})
  endif()
  add_dependencies(tests_${suite} ${target})
endfunction()

# giro_test(NAME wire SUITE unit SOURCES a.c [LINK targets] [ARGS words] [TIMEOUT seconds] [PLAIN])
# A program of tests/SUITE, registered with ctest as SUITE/NAME under the label SUITE. Criterion's main unless PLAIN.
# Exit code 77 means skipped. The target tests_SUITE builds all programs of a suite.
function(giro_test)
  cmake_parse_arguments(T "PLAIN" "NAME;SUITE;TIMEOUT" "SOURCES;LINK;ARGS" ${ARGN})
  set(target test_${T_SUITE}_${T_NAME})
  add_executable(${target} ${T_SOURCES})
  giro_test_suite(${T_SUITE} ${target})
  target_compile_definitions(${target} PRIVATE _GNU_SOURCE
    GIRO_SOURCE_DIR="${PROJECT_SOURCE_DIR}" GIRO_BINARY_DIR="${CMAKE_BINARY_DIR}")
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/tests ${PROJECT_SOURCE_DIR})
  target_link_libraries(${target} PRIVATE ${T_LINK} giro_warnings_tests)
  if(NOT T_PLAIN)
    target_link_libraries(${target} PRIVATE criterion)
  endif()
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 300)
  endif()
  add_test(NAME ${T_SUITE}/${T_NAME} COMMAND ${target} ${T_ARGS}
           WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(${T_SUITE}/${T_NAME} PROPERTIES LABELS ${T_SUITE} TIMEOUT ${T_TIMEOUT}
                       SKIP_RETURN_CODE 77)
  if(NOT T_PLAIN)
    # Criterion's runner leaks 48 bytes of its own now and then. Suites look for their own leaks in .fini, which this leaves on.
    set_tests_properties(${T_SUITE}/${T_NAME} PROPERTIES ENVIRONMENT LSAN_OPTIONS=leak_check_at_exit=0)
  endif()
endfunction()
