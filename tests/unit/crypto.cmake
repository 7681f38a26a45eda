giro_test(NAME crypto SUITE unit
  SOURCES unit/crypto_support.c unit/crypto_hash.c unit/crypto_sha256_many.c unit/crypto_merkle.c unit/crypto_ring.c unit/crypto_lifecycle.c unit/crypto_verify.c unit/crypto_sample.c
    unit/crypto_field.c unit/crypto_comb.c unit/crypto_variants.c unit/crypto_sign.c
  LINK giro_crypto PkgConfig::SODIUM PkgConfig::JANSSON Threads::Threads)
add_test(NAME unit/crypto_check
  COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/unit/crypto_check.sh $<TARGET_FILE:giro> ${PROJECT_SOURCE_DIR})
set_tests_properties(unit/crypto_check PROPERTIES LABELS unit TIMEOUT 120)

# A sanitizer's build has branches of its own, and valgrind does not run it.
if(NOT GIRO_SANITIZE AND CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  add_executable(crypto_constant_time unit/crypto_constant_time.c)
  giro_test_suite(unit crypto_constant_time)
  target_compile_definitions(crypto_constant_time PRIVATE _GNU_SOURCE)
  target_include_directories(crypto_constant_time PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(crypto_constant_time PRIVATE giro_crypto_released PkgConfig::SODIUM giro_warnings_tests)
  add_test(NAME unit/crypto_constant_time
    COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/tools/check_constant_time $<TARGET_FILE:crypto_constant_time>)
  set_tests_properties(unit/crypto_constant_time PROPERTIES LABELS unit TIMEOUT 300 SKIP_RETURN_CODE 77)
endif()
