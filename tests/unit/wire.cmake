giro_test(NAME wire SUITE unit
  SOURCES unit/wire_roundtrip.c unit/wire_samples.c unit/wire_decode.c unit/wire_property.c unit/wire_text.c
          unit/wire_message.c unit/wire_disclosure.c unit/wire_hex.c unit/wire_vectors.c
  LINK giro_wire)
