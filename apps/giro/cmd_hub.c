/* giro hub: one configuration per replica, for a hub whose replicas share a machine. */
#include <stdio.h>
#include <stdlib.h>

#include "apps/giro/giro.h"

struct arguments {
    const char *genesis, *keys, *out, *driver;
    uint32_t base_port;
    bool files;
};

static const struct argp_option options[] = {
    {"genesis", 'g', "FILE", 0, "genesis file (default: genesis.json)", 0},
    {"keys", 'k', "DIR", 0, "key directory (default: keys)", 0},
    {"out", 'o', "DIR", 0, "where replica-N.yaml and the data folders go (default: .)", 0},
    {"port", 'p', "KIND", 0,
     "udp: kernel sockets on 127.0.0.1 (default); dpdk: af_packet on interfaces giroN "
     "with address 10.77.N.2",
     0},
    {"base-port", 'b', "PORT", 0, "first of the TCP and UDP ports used (default: 7400)", 0},
    {"files", 'f', NULL, 0, "replica 0 also cuts files on schedule", 0},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case 'g':
        arguments->genesis = arg;
        return 0;
    case 'k':
        arguments->keys = arg;
        return 0;
    case 'o':
        arguments->out = arg;
        return 0;
    case 'p':
        if (strcmp(arg, "udp") != 0 && strcmp(arg, "dpdk") != 0)
            argp_error(state, "--port is udp or dpdk, not \"%s\"", arg);
        arguments->driver = arg;
        return 0;
    case 'b':
        arguments->base_port = (uint32_t)strtoul(arg, NULL, 10);
        if (arguments->base_port < 1024 || arguments->base_port > 65000)
            argp_error(state, "--base-port is a number from 1024 to 65000, not \"%s\"", arg);
        return 0;
    case 'f':
        arguments->files = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "what is \"%s\"?", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static enum giro_err absolute(const char *path, char out[4096], struct giro_diagnosis *diagnosis)
{
    if (realpath(path, out) != NULL)
        return GIRO_ERR_OK;
    giro_diagnosis_set(diagnosis, giro_err_sentence(GIRO_ERR_NOENT), "make it first",
                       "\"%s\" is not there", path);
    return GIRO_ERR_NOENT;
}

static enum giro_err write_one(const struct arguments *arguments, uint32_t replica, uint32_t count,
                               const char *genesis, const char *keys)
{
    char path[700];
    snprintf(path, sizeof(path), "%s/replica-%u.yaml", arguments->out, replica);
    FILE *file = fopen(path, "w");
    if (file == NULL)
        return GIRO_ERR_IO;
    bool dpdk = strcmp(arguments->driver, "dpdk") == 0;
    uint32_t base = arguments->base_port;
    fprintf(file, "genesis: %s\nreplica: %u\nkeys: %s\nkey_tables: key-tables\ndata: replica-%u\n",
            genesis, replica, keys, replica);
    if (arguments->files && replica == 0)
        fprintf(file, "files: files\nfiles_interval_s: 900\n");
    fprintf(file, "log_level: info\nport:\n");
    if (dpdk)
        fprintf(file,
                "  driver: af_packet\n  device: giro%u\n  address: 10.77.%u.2\n  udp_port: %u\n"
                "  memory_mb: 64\n",
                replica, replica, base);
    else
        fprintf(file, "  driver: udp\n  address: 127.0.0.1\n  udp_port: %u\n", base + replica);
    fprintf(file, "peers:\n");
    for (uint32_t i = 0; i < count; i++)
        fprintf(file, "  - 127.0.0.1:%u\n", base + 100 + i);
    fprintf(file, "https: 127.0.0.1:%u\n", base + 200 + replica);
    fprintf(file, "limits:\n  segment_mb: 64\n  frames_pending: 16384\n  batches: 256\n");
    return fclose(file) == 0 ? GIRO_ERR_OK : GIRO_ERR_IO;
}

int giro_cmd_hub(int argc, char **argv)
{
    static const char doc[] = "Writes replica-0.yaml, replica-1.yaml, ... : the configurations of "
                              "a hub whose replicas all run on this "
                              "machine.\v"
                              "Example:\n"
                              "  giro hub --genesis genesis.json --keys keys --out hub && for i in "
                              "0 1 2 3; do girod hub/replica-$i.yaml & "
                              "done";
    struct arguments arguments = {
        .genesis = "genesis.json", .keys = "keys", .out = ".", .driver = "udp", .base_port = 7400};
    const struct argp argp = {options, parse, NULL, doc, NULL, NULL, NULL};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    struct giro_diagnosis diagnosis = {.fact = ""};
    static struct giro_genesis genesis;
    char genesis_path[4096], keys_path[4096];
    enum giro_err err = giro_genesis_load(arguments.genesis, &genesis, &diagnosis);
    uint32_t count = genesis.replica_count;
    if (err == GIRO_ERR_OK) {
        giro_genesis_free(&genesis);
        err = absolute(arguments.genesis, genesis_path, &diagnosis);
    }
    if (err == GIRO_ERR_OK)
        err = absolute(arguments.keys, keys_path, &diagnosis);
    if (err == GIRO_ERR_OK)
        err = giro_dir_make(arguments.out);
    for (uint32_t i = 0; err == GIRO_ERR_OK && i < count; i++)
        err = write_one(&arguments, i, count, genesis_path, keys_path);
    if (err != GIRO_ERR_OK)
        return giro_fail("hub", err, &diagnosis);
    printf("%u configurations are in \"%s\"\n", count, arguments.out);
    return GIRO_EXIT_OK;
}
