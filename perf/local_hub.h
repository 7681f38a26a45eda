/* perf/local_hub.h - a hub of four girod processes over kernel UDP on loopback, for bench_hub: in a network namespace of its own
 * where that is allowed, else on ports that were free; in a folder beside the program, removed at the end. The processes die
 * with the benchmark. Threads: one. */
#ifndef GIRO_PERF_LOCAL_HUB_H
#define GIRO_PERF_LOCAL_HUB_H

#include "apps/girod/stages.h"
#include "giro/genesis.h"

#define HUB_REPLICAS 4u

struct local_hub {
    char bin[3072];    /* where girod and giro are */
    char folder[3200]; /* keys, genesis, data, spools */
    uint32_t base_port;
    char addresses[256];        /* --hub of giro load */
    int replicas[HUB_REPLICAS]; /* pids, 0: not running */
    struct giro_genesis genesis;
    struct giro_secret_key *session;
};
/* What a replica and its process say of themselves; sums since its start. */
struct replica_view {
    uint64_t payments, cpu_us, links_up, log_bytes;
    uint64_t stages_ns[GIRO_STAGE_COUNT];
    struct giro_legs legs;
};

/* local_hub_isolate enters a namespace if it may; call once, first. Returns the first port to use. */
uint32_t local_hub_isolate(void);
/* local_hub_start makes keys, genesis and configurations in a new folder and starts the replicas, each with so many threads that
 * check signatures; returns when all are linked. */
void local_hub_start(struct local_hub *hub, uint32_t base_port, uint32_t verify_threads);
void local_hub_stop(struct local_hub *hub);
/* local_hub_run runs `giro` with arguments (NULL at the end) to its end; its CPU goes to *cpu_us unless NULL. */
void local_hub_run(struct local_hub *hub, uint64_t *cpu_us, const char *const *arguments);
void local_hub_view(struct local_hub *hub, uint32_t replica, struct replica_view *view);
/* Path of a file in the hub's folder; the text lives until the fourth call after. */
const char *local_hub_path(const struct local_hub *hub, const char *name);

#endif
