giro_test(NAME consensus_batches SUITE unit
  SOURCES unit/consensus_batches_support.c unit/consensus_batches.c unit/consensus_batches_age.c unit/consensus_certify.c
  LINK giro_consensus)
giro_test(NAME consensus_safety SUITE unit
  SOURCES unit/consensus_safety.c
  LINK giro_consensus giro_store giro_sys)
giro_test(NAME consensus_core SUITE unit
  SOURCES unit/consensus_core_net.c unit/consensus_core.c unit/consensus_forge.c unit/consensus_core_rules.c
          unit/consensus_leader.c unit/consensus_pace.c unit/consensus_bad_input.c unit/consensus_evidence.c unit/consensus_sync.c unit/consensus_hello.c unit/consensus_checkpoint.c
  LINK giro_consensus)
giro_test(NAME consensus_images SUITE unit
  SOURCES unit/consensus_images.c
  LINK giro_consensus giro_store giro_sys)
giro_test(NAME consensus_node SUITE unit
  SOURCES unit/consensus_node.c unit/consensus_node_index.c
  LINK giro_consensus giro_store giro_sys)
