# End-to-end tests: real girod and giro processes, each test in a network namespace and a folder of its own. One at a time:
# they measure what an idle hub does and wait for what happens in seconds of the real clock.
add_executable(bad_frames tools/bad_frames.c)
target_compile_definitions(bad_frames PRIVATE _GNU_SOURCE)
target_link_libraries(bad_frames PRIVATE giro_member PkgConfig::SODIUM giro_warnings_tests)
set_target_properties(bad_frames PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
giro_test_suite(e2e bad_frames)
add_executable(event_flip tools/event_flip.c)
target_compile_definitions(event_flip PRIVATE _GNU_SOURCE)
target_link_libraries(event_flip PRIVATE giro_consensus giro_sys giro_warnings_tests)
set_target_properties(event_flip PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
giro_test_suite(e2e event_flip)
add_executable(netbox tools/netbox.c)
target_compile_definitions(netbox PRIVATE _GNU_SOURCE)
target_link_libraries(netbox PRIVATE giro_base giro_warnings_tests)
set_target_properties(netbox PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
giro_test_suite(e2e netbox)
# girod's own objects, with a lying operator in front of them: see traitor.c.
add_executable(girod-traitor tools/traitor.c ${PROJECT_SOURCE_DIR}/apps/girod/main.c)
target_compile_definitions(girod-traitor PRIVATE _GNU_SOURCE)
target_link_libraries(girod-traitor PRIVATE giro_hub PkgConfig::XXHASH giro_warnings_tests)
target_link_options(girod-traitor PRIVATE -Wl,--wrap=giro_links_send -Wl,--wrap=giro_journal_files_append
  -Wl,--wrap=giro_hub_open -Wl,--wrap=giro_hub_close)
set_target_properties(girod-traitor PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
giro_test_suite(e2e girod-traitor)
add_dependencies(tests_e2e girod giro)

foreach(name berka idle kill flip bad_input wrong_start key_tables demo_interrupt replay checkpoint follow)
  add_test(NAME e2e/${name} COMMAND ${CMAKE_CURRENT_LIST_DIR}/${name}.sh $<TARGET_FILE_DIR:girod>)
  set_tests_properties(e2e/${name} PROPERTIES LABELS e2e TIMEOUT 240 RUN_SERIAL ON SKIP_RETURN_CODE 77
    ENVIRONMENT "GIRO_BAD_FRAMES=$<TARGET_FILE:bad_frames>;GIRO_EVENT_FLIP=$<TARGET_FILE:event_flip>")
endforeach()
add_test(NAME e2e/traitor COMMAND ${CMAKE_CURRENT_LIST_DIR}/traitor.sh $<TARGET_FILE_DIR:girod>)
set_tests_properties(e2e/traitor PROPERTIES LABELS e2e TIMEOUT 240 RUN_SERIAL ON SKIP_RETURN_CODE 77)
foreach(replicas 4 7)
  add_test(NAME e2e/net${replicas} COMMAND ${CMAKE_CURRENT_LIST_DIR}/net.sh $<TARGET_FILE_DIR:girod>)
  set_tests_properties(e2e/net${replicas} PROPERTIES LABELS e2e TIMEOUT 240 RUN_SERIAL ON SKIP_RETURN_CODE 77
    ENVIRONMENT "GIRO_NETBOX=$<TARGET_FILE:netbox>;GIRO_E2E_REPLICAS=${replicas}")
endforeach()
