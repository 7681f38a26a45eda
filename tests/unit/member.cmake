giro_test(NAME member SUITE unit
  SOURCES unit/member_support.c unit/genesis_support.c unit/sys_support.c unit/member_payments.c unit/member_files.c
          unit/member_details.c unit/member_outbox.c unit/member_world.c unit/member_udp.c
          unit/member_courier.c unit/member_sender.c unit/member_api.c
  LINK giro_member Threads::Threads)
add_test(NAME unit/member_binding COMMAND ${PROJECT_SOURCE_DIR}/tests/tools/check_member_binding
         ${PROJECT_SOURCE_DIR} ${CMAKE_C_COMPILER} $<TARGET_FILE:giro_member_shared>)
set_tests_properties(unit/member_binding PROPERTIES LABELS unit TIMEOUT 60)
