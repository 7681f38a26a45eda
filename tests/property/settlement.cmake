giro_test(NAME settlement SUITE property
  SOURCES property/settlement.c unit/settlement_support.c
  LINK giro_settlement)
