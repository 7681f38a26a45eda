giro_test(NAME dataplane SUITE unit
  SOURCES unit/dataplane_support.c unit/dataplane_packet.c unit/dataplane_allow.c unit/dataplane_capture.c unit/dataplane_ingress.c unit/dataplane_frames.c unit/dataplane_verifiers.c
          unit/dataplane_port_udp.c unit/dataplane_port_dpdk.c
  LINK giro_dataplane)

giro_test(NAME sessions SUITE unit
  SOURCES unit/dataplane_support.c unit/sessions_support.c unit/sessions_table.c unit/sessions_bad_input.c
  LINK giro_dataplane)

add_executable(port_echo tools/port_echo.c)
target_link_libraries(port_echo PRIVATE giro_dataplane giro_warnings_tests)
add_executable(port_ask tools/port_ask.c)
target_link_libraries(port_ask PRIVATE giro_warnings_tests)
target_compile_definitions(port_ask PRIVATE _GNU_SOURCE)
add_test(NAME unit/dataplane_veth
  COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/unit/dataplane_veth.sh $<TARGET_FILE:port_echo> $<TARGET_FILE:port_ask>)
set_tests_properties(unit/dataplane_veth PROPERTIES LABELS unit TIMEOUT 60 SKIP_RETURN_CODE 77)
