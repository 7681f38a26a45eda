giro_test(NAME store SUITE unit
  SOURCES unit/store_support.c unit/store.c
  LINK giro_store giro_store_scan giro_sys)
