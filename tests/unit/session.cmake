giro_test(NAME session SUITE unit
  SOURCES unit/session_support.c unit/session_samples.c unit/session_handshake.c unit/session_record.c unit/session_blocks.c
          unit/session_vectors.c unit/wire_hex.c
  LINK giro_session PkgConfig::SODIUM)

# The vectors again, by another language and library: skipped aloud without python3-cryptography.
add_test(NAME unit/session_peer
  COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/tools/check_session_vectors ${CMAKE_CURRENT_SOURCE_DIR}/vectors/wire)
set_tests_properties(unit/session_peer PROPERTIES LABELS unit TIMEOUT 60 SKIP_RETURN_CODE 77)
