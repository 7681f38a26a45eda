giro_test(NAME consensus_batches SUITE unit
  SOURCES unit/consensus_batches_support.c unit/consensus_batches.c unit/consensus_certify.c
  LINK giro_consensus)
giro_test(NAME consensus_safety SUITE unit
  SOURCES unit/consensus_safety.c
  LINK giro_consensus giro_store giro_sys)
