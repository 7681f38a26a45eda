giro_test(NAME settlement SUITE unit
  SOURCES unit/settlement_support.c unit/settlement_channels.c unit/settlement_payments.c
  LINK giro_settlement)
