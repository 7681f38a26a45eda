giro_test(NAME member SUITE unit
  SOURCES unit/member_support.c unit/genesis_support.c unit/sys_support.c unit/member_payments.c unit/member_files.c
          unit/member_details.c unit/member_outbox.c unit/member_world.c unit/member_udp.c
          unit/member_courier.c unit/member_sender.c unit/member_api.c
  LINK giro_member Threads::Threads)
