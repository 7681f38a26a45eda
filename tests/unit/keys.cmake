giro_test(NAME keys SUITE unit
  SOURCES unit/genesis_support.c unit/sys_support.c unit/keys.c
  LINK giro_keys PkgConfig::XXHASH)
