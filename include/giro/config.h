/* giro/config.h - the configuration of one girod, YAML by libcyaml.
 *
 *   genesis: genesis.json
 *   replica: 0
 *   keys: keys                      # directory with replica-0/vote.key ..., hub.secret
 *   key_tables: /run/giro/tables    # tables of keys that the replicas of this machine share; left out: private memory
 *   data: data                      # block log, safety file, ledger, journals; locked by one process
 *   files: files                    # cut files; left out: none are cut by this replica
 *   files_interval_s: 900
 *   event_log: events               # record of the consensus core for `giro replay`; left out: none is kept
 *   event_log_mb: 256               # of one file; one file per start, the newest four are kept
 *   log_level: info
 *   verifier: avx512                # avx512 | avx2 | portable | libsodium; left out: the fastest this processor runs
 *   port:
 *     driver: af_packet             # af_packet | udp | any DPDK vdev or PCI address in `device`
 *     device: veth0b                # interface, vdev argument or PCI address; not for udp
 *     address: 10.77.0.2            # IPv4 of the hub on this port (udp: local address to bind)
 *     udp_port: 7400
 *     mtu: 1500                     # of the link, 1500..9216
 *     queues: 1                     # receive queues of a DPDK port, 1..16
 *     memory_mb: 64
 *     telemetry: /run/giro/dpdk     # directory of DPDK's telemetry socket; left out: none. Not for udp
 *     allow:                        # who may send from where (giro/dataplane.h); left out: everybody
 *       - 10.1.0.0/16
 *       - 10.2.7.0/24 AAAACZPP,BBBBCZPP
 *   cpus:                           # where threads run, such as 2, 0-3 or 0-1,4; left out: anywhere
 *     hub: 2                        # port and all stages
 *     verify: 4-5                   # checking signatures, where that has threads
 *     publish: 3                    # cutting files
 *     store: 3                      # writing journals, syncing files, making them ahead of time
 *   peers:                          # one per replica, in genesis order, own entry included
 *     - 127.0.0.1:7500
 *   https: 127.0.0.1:7600           # member and operator interface
 *   limits:
 *     segment_mb: 64
 *     frames_pending: 65536         # frames between port and order
 *     batches: 256                  # batch bodies in memory
 *     member_frames_per_second: 0   # policing; 0 = unlimited
 *     key_tables_mb: 320            # memory of the tables that make verification fast; 0 = none
 *     verify_frames: 16             # under load, frames are verified so many at a time ...
 *     verify_wait_us: 50            # ... or when one has waited so long; 0 = at once
 *     verify_threads: 0             # threads that check signatures, 0..32; 0 = the hub's thread does
 *
 * Relative paths are relative to the configuration file. Every error names file, line, column where libcyaml
 * gives one, what was found and what was expected.
 */
#ifndef GIRO_CONFIG_H
#define GIRO_CONFIG_H

#include "giro/sys.h"

#ifdef __cplusplus
extern "C" {
#endif

struct giro_config_address {
    char host[64];
    uint16_t port;
};
#define GIRO_CONFIG_ALLOW_MAX 1024
struct giro_config {
    char genesis_path[512];
    char keys_path[512];
    char key_tables_path[512]; /* "" = none */
    char data_path[512];
    char files_path[512]; /* "" = none */
    uint32_t files_interval_s;
    char event_log_path[512]; /* "" = none */
    uint32_t event_log_mb;
    uint32_t replica;
    enum giro_log_level log_level;
    char verifier[16]; /* a name of giro_crypto_variant_name; "" = the fastest */
    char port_driver[32];
    char port_device[128];
    char port_address[32];
    char port_telemetry_path[512]; /* "" = none */
    uint16_t port_udp_port;
    uint32_t port_mtu, port_queues;
    uint32_t port_memory_mb;
    uint32_t port_allow_count;
    char port_allow[GIRO_CONFIG_ALLOW_MAX]
                   [128];           /* as written: members are known to the genesis file only */
    char cpus[GIRO_CPUS_COUNT][64]; /* "" = anywhere */
    uint32_t peer_count;
    struct giro_config_address peers[100];
    struct giro_config_address https;
    uint32_t segment_mb;
    uint32_t frames_pending;
    uint32_t batches;
    uint32_t member_frames_per_second;
    uint32_t key_tables_mb;
    uint32_t verify_frames, verify_wait_us, verify_threads;
};
enum giro_err giro_config_load(const char *path, struct giro_config *config,
                               struct giro_diagnosis *diagnosis) GIRO_MUST_USE;

/* giro_addresses_parse reads "host:port,host:port,..."; returns their number, 0 if one is malformed. */
uint32_t giro_addresses_parse(const char *text, struct giro_config_address *addresses,
                              uint32_t max);

#ifdef __cplusplus
}
#endif
#endif
