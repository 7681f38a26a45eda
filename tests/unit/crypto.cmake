giro_test(NAME crypto SUITE unit
  SOURCES unit/crypto_support.c unit/crypto_hash.c unit/crypto_sha256_many.c unit/crypto_merkle.c unit/crypto_ring.c unit/crypto_lifecycle.c unit/crypto_verify.c unit/crypto_sample.c
    unit/crypto_field.c unit/crypto_comb.c unit/crypto_variants.c
  LINK giro_crypto PkgConfig::SODIUM PkgConfig::JANSSON Threads::Threads)
add_test(NAME unit/crypto_check
  COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/unit/crypto_check.sh $<TARGET_FILE:giro> ${PROJECT_SOURCE_DIR})
set_tests_properties(unit/crypto_check PROPERTIES LABELS unit TIMEOUT 120)
