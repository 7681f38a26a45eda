# Tests of the house rules: public headers stand alone, pure archives are pure, one function verifies signatures.

# giro_tool_test(NAME name COMMAND words...): a script under tests/tools as a unit test.
function(giro_tool_test)
  cmake_parse_arguments(T "" "NAME" "COMMAND" ${ARGN})
  add_test(NAME unit/${T_NAME} COMMAND ${T_COMMAND} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(unit/${T_NAME} PROPERTIES LABELS unit TIMEOUT 120 SKIP_RETURN_CODE 77)
endfunction()

set(tools ${PROJECT_SOURCE_DIR}/tests/tools)
giro_tool_test(NAME house_headers_c17
  COMMAND ${tools}/check_headers c ${CMAKE_C_COMPILER} ${PROJECT_SOURCE_DIR}/include)
giro_tool_test(NAME house_headers_cxx17
  COMMAND ${tools}/check_headers c++ ${CMAKE_CXX_COMPILER} ${PROJECT_SOURCE_DIR}/include)
giro_tool_test(NAME house_verifier COMMAND ${tools}/check_verifier ${PROJECT_SOURCE_DIR})
giro_tool_test(NAME house_wireshark COMMAND ${tools}/check_wireshark ${PROJECT_SOURCE_DIR})
giro_tool_test(NAME house_tools COMMAND ${tools}/test_tools)

# giro_purity_test(module [pure modules it may import from]): a module that is not there yet has no test.
function(giro_purity_test module)
  if(NOT TARGET giro_${module})
    return()
  endif()
  set(others "")
  foreach(other IN LISTS ARGN)
    if(TARGET giro_${other})
      list(APPEND others $<TARGET_FILE:giro_${other}>)
    endif()
  endforeach()
  if(GIRO_SANITIZE OR CMAKE_C_FLAGS MATCHES "-fsanitize|--coverage" OR CMAKE_C_FLAGS_DEBUG MATCHES "--coverage")
    # A sanitizer or coverage build imports its run-time library everywhere.
    giro_tool_test(NAME house_purity_${module}
      COMMAND sh -c "echo 'skipped: an instrumented archive imports its run-time library' && exit 77")
  else()
    giro_tool_test(NAME house_purity_${module}
      COMMAND ${tools}/check_purity ${PROJECT_SOURCE_DIR}/tests/unit/purity/${module}.allow
              $<TARGET_FILE:giro_${module}> ${others})
  endif()
endfunction()

giro_purity_test(base)
giro_purity_test(crypto base)
giro_purity_test(wire base crypto)
giro_purity_test(session base crypto wire)
giro_purity_test(store base crypto wire)
giro_purity_test(consensus base crypto wire store)
giro_purity_test(settlement base crypto wire)
giro_purity_test(recon_window base crypto wire settlement)
