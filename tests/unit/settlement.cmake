giro_test(NAME settlement SUITE unit
  SOURCES unit/settlement_support.c unit/settlement_channels.c unit/settlement_payments.c unit/settlement_cycles.c
          unit/settlement_controls.c unit/settlement_state.c
  LINK giro_settlement)
