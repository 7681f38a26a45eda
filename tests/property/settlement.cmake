giro_test(NAME settlement SUITE property
  SOURCES property/settlement.c property/settlement_model.c unit/settlement_support.c
  LINK giro_settlement)
