#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "giro/config.h"
#include "unit/sys_support.h"

static const char full[] = "genesis: genesis.json\n"
                           "replica: 1\n"
                           "keys: keys\n"
                           "data: /var/lib/giro\n"
                           "files: files\n"
                           "files_interval_s: 60\n"
                           "log_level: debug\n"
                           "port:\n"
                           "  driver: af_packet\n"
                           "  device: veth0b\n"
                           "  address: 10.77.0.2\n"
                           "  udp_port: 7401\n"
                           "  memory_mb: 32\n"
                           "peers:\n"
                           "  - 127.0.0.1:7500\n"
                           "  - replica-1.example:7501\n"
                           "https: 127.0.0.1:7600\n"
                           "limits:\n"
                           "  segment_mb: 16\n"
                           "  frames_pending: 1024\n"
                           "  batches: 8\n"
                           "  member_frames_per_second: 100\n"
                           "  key_tables_mb: 48\n"
                           "  verify_frames: 8\n"
                           "  verify_wait_us: 200\n"
                           "  verify_threads: 3\n"
                           "key_tables: tables\n"
                           "event_log: events\n"
                           "event_log_mb: 32\n"
                           "verifier: portable\n";
static const char least[] = "genesis: g\n"
                            "replica: 0\n"
                            "keys: k\n"
                            "data: d\n"
                            "port:\n"
                            "  driver: udp\n"
                            "  address: 127.0.0.1\n"
                            "peers: ['127.0.0.1:7500']\n"
                            "https: 127.0.0.1:7600\n";

static enum giro_err load(const char *directory, const char *text, struct giro_config *config,
                          struct giro_diagnosis *diagnosis)
{
    char path[512];
    scratch_write(directory, "girod.yaml", text);
    snprintf(path, sizeof path, "%s/girod.yaml", directory);
    memset(diagnosis, 0, sizeof *diagnosis);
    return giro_config_load(path, config, diagnosis);
}

Test(sys, config_reads_every_key)
{
    char directory[256], expected[512];
    scratch_make(directory);
    struct giro_config config;
    struct giro_diagnosis diagnosis;
    cr_assert(load(directory, full, &config, &diagnosis) == GIRO_ERR_OK, "%s", diagnosis.fact);
    snprintf(expected, sizeof expected, "%s/genesis.json", directory);
    cr_assert(strcmp(config.genesis_path, expected) == 0, "%s", config.genesis_path);
    cr_assert(strcmp(config.data_path, "/var/lib/giro") == 0);
    snprintf(expected, sizeof expected, "%s/files", directory);
    cr_assert(strcmp(config.files_path, expected) == 0);
    snprintf(expected, sizeof expected, "%s/events", directory);
    cr_assert(strcmp(config.event_log_path, expected) == 0 && config.event_log_mb == 32);
    cr_assert(config.replica == 1 && config.files_interval_s == 60);
    cr_assert(config.log_level == GIRO_LOG_DEBUG);
    cr_assert(strcmp(config.port_driver, "af_packet") == 0);
    cr_assert(strcmp(config.port_device, "veth0b") == 0);
    cr_assert(strcmp(config.port_address, "10.77.0.2") == 0);
    cr_assert(config.port_udp_port == 7401 && config.port_memory_mb == 32);
    cr_assert(config.peer_count == 2 && config.peers[0].port == 7500);
    cr_assert(strcmp(config.peers[1].host, "replica-1.example") == 0);
    cr_assert(strcmp(config.https.host, "127.0.0.1") == 0 && config.https.port == 7600);
    cr_assert(config.segment_mb == 16 && config.frames_pending == 1024);
    cr_assert(config.batches == 8 && config.member_frames_per_second == 100);
    cr_assert(config.key_tables_mb == 48 && strcmp(config.verifier, "portable") == 0);
    cr_assert(config.verify_frames == 8 && config.verify_wait_us == 200);
    cr_assert(config.verify_threads == 3);
    snprintf(expected, sizeof expected, "%s/tables", directory);
    cr_assert(strcmp(config.key_tables_path, expected) == 0, "%s", config.key_tables_path);
    scratch_remove(directory);
}

Test(sys, config_fills_in_what_is_left_out)
{
    char directory[256];
    scratch_make(directory);
    struct giro_config config;
    struct giro_diagnosis diagnosis;
    cr_assert(load(directory, least, &config, &diagnosis) == GIRO_ERR_OK, "%s", diagnosis.fact);
    cr_assert(config.files_path[0] == '\0' && config.files_interval_s == 900);
    cr_assert(config.event_log_path[0] == '\0' && config.event_log_mb == 256);
    cr_assert(config.log_level == GIRO_LOG_INFO && config.port_device[0] == '\0');
    cr_assert(config.port_udp_port == 7400 && config.port_memory_mb == 64);
    cr_assert(config.port_allow_count == 0 && config.port_mtu == 1500 && config.port_queues == 1);
    cr_assert(config.segment_mb == 64 && config.frames_pending == 65536);
    cr_assert(config.batches == 256 && config.member_frames_per_second == 0);
    cr_assert(config.verify_frames == 16 && config.verify_wait_us == 50);
    cr_assert(config.verify_threads == 0);
    cr_assert(config.key_tables_mb == 320 && config.key_tables_path[0] == '\0');
    cr_assert(config.verifier[0] == '\0');
    cr_assert(chdir(directory) == 0);
    cr_assert(giro_config_load("girod.yaml", &config, &diagnosis) == GIRO_ERR_OK);
    cr_assert(strcmp(config.data_path, "d") == 0, "%s", config.data_path);
    cr_assert(chdir("/") == 0);
    scratch_remove(directory);
}

/* edit gives `full` with the first `from` replaced by `to`. */
static char *edit(const char *from, const char *to)
{
    const char *at = strstr(full, from);
    cr_assert(at != NULL, "'%s'", from);
    char *text = malloc(sizeof full + strlen(to));
    sprintf(text, "%.*s%s%s", (int)(at - full), full, to, at + strlen(from));
    return text;
}

Test(sys, config_reads_mtu_and_queues_within_their_ranges)
{
    static const struct {
        const char *to;
        enum giro_err err;
    } rows[] = {{"  mtu: 9216\n  queues: 16\n", GIRO_ERR_OK}, {"  mtu: 9217\n", GIRO_ERR_CONFIG},
                {"  mtu: 1499\n", GIRO_ERR_CONFIG},           {"  queues: 0\n", GIRO_ERR_CONFIG},
                {"  queues: 17\n", GIRO_ERR_CONFIG},          {"  telemetry: run\n", GIRO_ERR_OK}};
    char directory[256];
    scratch_make(directory);
    struct giro_config config;
    struct giro_diagnosis diagnosis;
    for (uint32_t i = 0; i < 6; i++) {
        char *text = edit("  memory_mb: 32\n", rows[i].to);
        cr_assert(load(directory, text, &config, &diagnosis) == rows[i].err, "row %u: %s", i,
                  diagnosis.fact);
        cr_assert(i > 0 || (config.port_mtu == 9216 && config.port_queues == 16));
        free(text);
    }
    char expected[512];
    snprintf(expected, sizeof expected, "%s/run", directory);
    cr_assert(strcmp(config.port_telemetry_path, expected) == 0);
    char *text = edit("  driver: af_packet\n", "  driver: udp\n  telemetry: run\n");
    cr_assert(load(directory, text, &config, &diagnosis) == GIRO_ERR_CONFIG, "udp has none");
    free(text);
    scratch_remove(directory);
}

Test(sys, config_hands_on_where_threads_run)
{
    char directory[256];
    scratch_make(directory);
    struct giro_config config;
    struct giro_diagnosis diagnosis;
    char *text = edit("verifier: portable\n", "cpus:\n  hub: 2\n  verify: 4-5\n  store: 0-1,3\n");
    cr_assert(load(directory, text, &config, &diagnosis) == GIRO_ERR_OK, "%s", diagnosis.fact);
    cr_assert(strcmp(config.cpus[GIRO_CPUS_HUB], "2") == 0);
    cr_assert(strcmp(config.cpus[GIRO_CPUS_VERIFY], "4-5") == 0);
    cr_assert(strcmp(config.cpus[GIRO_CPUS_STORE], "0-1,3") == 0);
    cr_assert(config.cpus[GIRO_CPUS_PUBLISH][0] == '\0');
    free(text);
    text = edit("verifier: portable\n", "cpus:\n  core: 2\n");
    cr_assert(load(directory, text, &config, &diagnosis) == GIRO_ERR_CONFIG);
    cr_assert(strstr(diagnosis.detail, "hub verify publish store") != NULL, "%s", diagnosis.detail);
    free(text);
    scratch_remove(directory);
}

Test(sys, config_hands_on_the_allow_list_as_it_is_written)
{
    char directory[256];
    scratch_make(directory);
    struct giro_config config;
    struct giro_diagnosis diagnosis;
    char *text =
        edit("  memory_mb: 32\n", "  allow: [10.1.0.0/16, '10.2.0.0/24 AAAACZPP,BBBBCZPP']\n");
    cr_assert(load(directory, text, &config, &diagnosis) == GIRO_ERR_OK, "%s", diagnosis.fact);
    cr_assert(config.port_allow_count == 2 && strcmp(config.port_allow[0], "10.1.0.0/16") == 0);
    cr_assert(strcmp(config.port_allow[1], "10.2.0.0/24 AAAACZPP,BBBBCZPP") == 0);
    free(text);
    text = edit("  memory_mb: 32\n", "  allow: []\n"); /* nobody may send: surely a mistake */
    cr_assert(load(directory, text, &config, &diagnosis) == GIRO_ERR_CONFIG);
    cr_assert(strstr(diagnosis.detail, "a list of 1 to 1024 prefixes") != NULL, "%s: %s",
              diagnosis.fact, diagnosis.detail);
    free(text);
    scratch_remove(directory);
}

Test(sys, config_says_where_and_what_was_expected)
{
    const struct {
        const char *from, *to;
        const char *fact;   /* part of the fact */
        const char *detail; /* part of the detail */
    } rows[] = {
        {"replica: 1", "replica: x", ".yaml':2:10: ", "expected a number from 0 to 99"},
        {"replica: 1", "replica: -1", ".yaml':2:1: 'replica'",
         "found '-1'; expected a number from 0"},
        {"replica: 1", "replica: 2", ".yaml':2:1: 'replica'", "found '2 with 2 peers'"},
        {"replica: 1\n", "", "yaml': 'replica' is missing", "expected a number from 0 to 99"},
        {"replica: 1", "replica: 1\nreplica: 1", ":3:1: 'replica' is there twice", "once"},
        {"keys: keys", "keyz: keys", ".yaml':3:1: 'keyz' is not a known key",
         "genesis replica keys"},
        {"  driver: af_packet", "  drivr: af_packet", ":9:3: 'drivr' is not a known key",
         "driver device address"},
        {"  memory_mb: 32", "  genesis: 32", ":13:3: 'genesis' is not a known key",
         "driver device"},
        {"  batches: 8", "  batch: 8", ":21:3: 'batch' is not a known key", "segment_mb frames"},
        {"  batches: 8", "  segment_mb: 8", ":21:3: 'segment_mb' is there twice", "once"},
        {"  driver: af_packet\n", "", ":8:1: 'port.driver' is missing",
         "expected af_packet, udp or"},
        {"  device: veth0b\n", "", "'port.device'", "expected an interface"},
        {"10.77.0.2", "10.77.0.256", ":11:3: 'port.address'",
         "found '10.77.0.256'; expected an IPv4"},
        {"10.77.0.2", "hub", ":11:3: 'port.address'", "found 'hub'; expected an IPv4"},
        {"udp_port: 7401", "udp_port: 0", ":12:3: 'port.udp_port'", "from 1 to 65535"},
        {"udp_port: 7401", "udp_port: 65536", ":12:3: 'port.udp_port'", "from 1 to 65535"},
        {"memory_mb: 32", "memory_mb: 0", ":13:3: 'port.memory_mb'", "mebibytes"},
        {"memory_mb: 32", "memory_mb: 18446744073709551616", ":13:14: ", "mebibytes"},
        {"event_log_mb: 32", "event_log_mb: 0", "'event_log_mb'", "mebibytes from 1"},
        {"log_level: debug", "log_level: loud", ":7:1: 'log_level'",
         "found 'loud'; expected error"},
        {"127.0.0.1:7500", "127.0.0.1", "'peers'", "found '127.0.0.1'"},
        {"127.0.0.1:7500", "127.0.0.1:0", ":14:1: 'peers'", "found '127.0.0.1:0'"},
        {"127.0.0.1:7500", "127.0.0.1:70000", "'peers'", "host:port"},
        {"127.0.0.1:7500", "127.0.0:75", "'peers'", "host:port"},
        {"127.0.0.1:7500", "':75'", "'peers'", "host:port"},
        {"127.0.0.1:7500", "'a b:75'", "'peers'", "host:port"},
        {"127.0.0.1:7500", "replica-1.example:7501", "'peers'", "host:port"},
        {"https: 127.0.0.1:7600", "https: 127.0.0.1:x", ":17:1: 'https'", "found '127.0.0.1:x'"},
        {"segment_mb: 16", "segment_mb: 0", ":19:3: 'limits.segment_mb'", "found '0'"},
        {"frames_pending: 1024", "frames_pending: 16777217", "'limits.frames_pending'", "frames"},
        {"batches: 8", "batches: 0", "'limits.batches'", "found '0'"},
        {"key_tables_mb: 48", "key_tables_mb: 65537", ":23:3: 'limits.key_tables_mb'",
         "found '65537'; expected mebibytes from 0 (no tables) to 65536"},
        {"verify_frames: 8", "verify_frames: 65", ":24:3: 'limits.verify_frames'", "from 1 to 64"},
        {"verify_wait_us: 200", "verify_wait_us: -1", ":25:3: 'limits.verify_wait_us'", "to 10000"},
        {"verify_threads: 3", "verify_threads: 33", ":26:3: 'limits.verify_threads'",
         "found '33'; expected threads from 0 to 32"},
        {"verify_threads: 3", "verify_threads: two", ":26:19: ", "threads from 0 to 32"},
        {"key_tables_mb: 48", "key_tables_mb: -1", ":23:3: 'limits.key_tables_mb'", "found '-1'"},
        {"verifier: portable", "verifier: sse2", ":30:1: 'verifier'", "libsodium"},
        {"key_tables: tables", "key_tables: ''", ":27:13: ", "the path of a directory"},
        {"files_interval_s: 60", "files_interval_s: 0", ":6:1: 'files_interval_s'", "seconds"},
        {"port:\n", "port: 5\nx:\n", ":8:7: Expecting MAPPING", "a section with driver"},
        {"genesis: genesis.json", "genesis: ''", ":1:10: ", "the path of the genesis file"},
        {"  driver:", "\tdriver:", "libyaml", "expected YAML"},
        {"keys: keys", "keys: &a keys\ndata: *a", "alias", ""},
    };
    char directory[256];
    scratch_make(directory);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *text = edit(rows[i].from, rows[i].to);
        struct giro_config config;
        struct giro_diagnosis diagnosis;
        const enum giro_err err = load(directory, text, &config, &diagnosis);
        free(text);
        cr_expect(err == GIRO_ERR_CONFIG, "row %zu '%s' gave %s", i, rows[i].to,
                  giro_err_name(err));
        cr_expect(strstr(diagnosis.fact, directory) != NULL, "row %zu: %s", i, diagnosis.fact);
        cr_expect(strstr(diagnosis.fact, rows[i].fact) != NULL, "row %zu: %s", i, diagnosis.fact);
        cr_expect(strstr(diagnosis.detail, rows[i].detail) != NULL, "row %zu: %s", i,
                  diagnosis.detail);
        cr_expect(diagnosis.hint[0] != '\0', "row %zu", i);
    }
    scratch_remove(directory);
}

Test(sys, config_bounds_the_number_of_peers_and_the_paths)
{
    char directory[256];
    scratch_make(directory);
    struct giro_config config;
    struct giro_diagnosis diagnosis;
    for (uint32_t count = 0; count <= 101; count += count == 1 ? 98 : 1) {
        char list[8192] = "peers: [";
        for (uint32_t i = 0; i < count; i++)
            sprintf(list + strlen(list), "%s'10.0.0.%u:7500'", i > 0 ? ", " : "", i);
        strcat(list, "]\n");
        char text[16384];
        const char *peers = strstr(least, "peers");
        snprintf(text, sizeof text, "%.*s%s%s", (int)(peers - least), least, list,
                 strchr(peers, '\n') + 1);
        const enum giro_err err = load(directory, text, &config, &diagnosis);
        const bool good = count >= 1 && count <= 100;
        cr_assert(err == (good ? GIRO_ERR_OK : GIRO_ERR_CONFIG), "%u: %s", count, diagnosis.fact);
        cr_assert(!good || config.peer_count == count);
    }
    char path[600] = "genesis: ";
    memset(path + 9, 'g', 505);
    path[514] = '\0';
    char *text = edit("genesis: genesis.json", path);
    cr_assert(load(directory, text, &config, &diagnosis) == GIRO_ERR_CONFIG);
    cr_assert(strstr(diagnosis.fact, "'genesis'") != NULL, "%s", diagnosis.fact);
    free(text);
    cr_assert(load(directory, "", &config, &diagnosis) == GIRO_ERR_CONFIG);
    cr_assert(strstr(diagnosis.fact, "empty") != NULL);
    cr_assert(load(directory, "- a\n", &config, &diagnosis) == GIRO_ERR_CONFIG);
    cr_assert(giro_config_load("/nowhere/x.yaml", &config, &diagnosis) == GIRO_ERR_NOENT);
    cr_assert(strstr(diagnosis.fact, "'/nowhere/x.yaml'") != NULL);
    scratch_remove(directory);
}
