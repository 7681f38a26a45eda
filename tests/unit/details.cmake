giro_test(NAME details SUITE unit
  SOURCES unit/details.c unit/details_plaintext.c unit/details_support.c
  LINK giro_details PkgConfig::SODIUM PkgConfig::JANSSON)
