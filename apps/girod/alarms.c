#include "apps/girod/alarms.h"

#define DISK_SILENT_NS (2u * GIRO_NS_PER_S)

void giro_alarms_start(const struct giro_replica *replica)
{
    struct giro_node_alarms alarms;
    giro_replica_alarms(replica, &alarms);
    if (alarms.safety_repaired > 0)
        GIRO_LOG(WARN, "hub", "%u bad copies of safety records were written again: check the disk",
                 alarms.safety_repaired);
    if (alarms.log_cut != NULL)
        GIRO_LOG(WARN, "hub",
                 "the log was cut at %s, offset %lu: %s; normal after a power loss, else check the "
                 "disk",
                 alarms.log_cut->file, (unsigned long)alarms.log_cut->offset,
                 alarms.log_cut->sentence);
}

void giro_alarms_look(struct giro_alarms *said, const struct giro_replica *replica,
                      uint32_t replica_count)
{
    struct giro_node_alarms alarms;
    struct giro_replica_status status;
    giro_replica_alarms(replica, &alarms);
    giro_replica_status(replica, &status);
    if (alarms.disk_silent_ns > DISK_SILENT_NS)
        GIRO_LOG(ERROR, "hub", "the disk has completed no write for %lu s: no vote leaves",
                 (unsigned long)(alarms.disk_silent_ns / GIRO_NS_PER_S));
    uint64_t height = status.consensus.no_quorum_height;
    if (height != 0 && height != said->no_quorum_said)
        GIRO_LOG(ERROR, "hub",
                 "no root of height %lu can reach a quorum: replicas computed different things; "
                 "ordering stops at %lu",
                 (unsigned long)height, (unsigned long)height - 1 + GIRO_CERTIFIED_LAG_MAX);
    said->no_quorum_said = height;
    for (uint32_t i = 0; i < replica_count; i++) {
        height = giro_replica_peer_halted(replica, i);
        if (height != 0 && height != said->halted_said[i])
            GIRO_LOG(WARN, "hub", "replica %u says it stopped itself at height %lu", i,
                     (unsigned long)height);
        said->halted_said[i] = height;
    }
}
