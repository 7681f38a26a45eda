giro_test(NAME base SUITE unit
  SOURCES unit/base_map.c unit/base_money.c unit/base_memory.c unit/base_text.c
  LINK giro_base)
