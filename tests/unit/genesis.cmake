giro_test(NAME genesis SUITE unit
  SOURCES unit/genesis_support.c unit/genesis_parse.c unit/genesis_text.c unit/genesis_enrol.c unit/genesis_key_file.c
    unit/genesis_key_memory.c
  LINK giro_genesis)
