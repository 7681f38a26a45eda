/* What the genesis file tells a replica's core. By itself, so that a tool can make such a core without the rest. */
#include "apps/girod/replica.h"

struct giro_consensus_options giro_replica_consensus_options(const struct giro_genesis *genesis,
                                                             const struct giro_key_ring *ring,
                                                             uint32_t self,
                                                             struct giro_replica_keys *keys)
{
    for (uint32_t i = 0; i < genesis->replica_count; i++) {
        keys->vote[i] = genesis->replicas[i].vote.handle;
        keys->batch[i] = genesis->replicas[i].batch.handle;
    }
    return (struct giro_consensus_options){.replica_count = genesis->replica_count,
                                           .self = self,
                                           .chain_id = genesis->chain_id,
                                           .genesis_block_id = giro_genesis_block_id(genesis),
                                           .epoch = 1,
                                           .round_floor_ns = genesis->round_floor_ns,
                                           .clock_bound_ns = genesis->clock_bound_ns,
                                           .batch_ttl_ns = genesis->batch_ttl_ns,
                                           .ring = ring,
                                           .vote_keys = keys->vote,
                                           .batch_keys = keys->batch};
}
