/* girod - one replica of the hub. */
#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "apps/girod/hub.h"
#include "giro/crypto.h"

#define DESCRIPTORS 2048u

const char *argp_program_version = "girod 0.1.0";

static const char doc[] = "girod - one replica of a Giro hub.\n"
                          "Runs until SIGINT or SIGTERM. After a crash start it again: it recovers "
                          "from its own log and catches up from the "
                          "others.\v"
                          "Example:\n"
                          "  girod replica-0.yaml\n"
                          "\n"
                          "Exit codes: 0 stopped by a signal, 1 failure, 2 usage.";

struct arguments {
    const char *config;
    const char *level;
};

static const struct argp_option options[] = {
    {"log-level", 'l', "LEVEL", 0, "error, warn, info or debug; wins over the configuration", 0},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case 'l':
        arguments->level = arg;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 0)
            argp_error(state, "one configuration file, please");
        arguments->config = arg;
        return 0;
    case ARGP_KEY_END:
        if (arguments->config == NULL)
            argp_error(state, "which configuration file?");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static bool set_level(const char *text)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    for (int i = 0; i < 4; i++) {
        if (strcmp(text, names[i]) == 0) {
            giro_log_set_level((enum giro_log_level)i);
            return true;
        }
    }
    return false;
}

/* The verifier that the configuration names, unless the environment did (giro_crypto_init). */
static enum giro_err set_verifier(const struct giro_config *config,
                                  struct giro_diagnosis *diagnosis)
{
    if (config->verifier[0] == '\0' || getenv("GIRO_CRYPTO_VARIANT") != NULL)
        return GIRO_ERR_OK;
    for (int variant = 0; variant < GIRO_VARIANT_COUNT; variant++) {
        if (strcmp(config->verifier, giro_crypto_variant_name(variant)) == 0 &&
            giro_crypto_variant_set(variant))
            return GIRO_ERR_OK;
    }
    giro_diagnosis_set(diagnosis, "this processor has not the instructions it needs",
                       "leave verifier out: the fastest that the processor runs is taken",
                       "the verifier \"%s\" cannot be used", config->verifier);
    return GIRO_ERR_CONFIG;
}

/* Journals, days of details and indexes that are kept open, connections and the files they are being sent: more than the usual 1,024. */
static void descriptors_raise(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= DESCRIPTORS)
        return;
    limit.rlim_cur = limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < DESCRIPTORS)
        GIRO_LOG(WARN, "hub",
                 "the process may have %lu files open, and may need %u: raise the limit",
                 (unsigned long)limit.rlim_cur, DESCRIPTORS);
}

int main(int argc, char **argv)
{
    struct arguments arguments = {NULL, NULL};
    static const struct argp argp = {options, parse, "CONFIG", doc, NULL, NULL, NULL};
    argp_err_exit_status = 2;
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    signal(SIGPIPE, SIG_IGN);
    struct giro_diagnosis diagnosis = {.fact = ""};
    struct giro_config config;
    enum giro_err err = giro_crypto_init();
    if (err != GIRO_ERR_OK)
        giro_diagnosis_set(&diagnosis, "libsodium does not start, or the variant is none of them",
                           "unset GIRO_CRYPTO_VARIANT, or see the README of common/crypto",
                           "signatures cannot be verified");
    if (err == GIRO_ERR_OK)
        err = giro_config_load(arguments.config, &config, &diagnosis);
    if (err == GIRO_ERR_OK)
        err = set_verifier(&config, &diagnosis);
    for (int role = 0; role < GIRO_CPUS_COUNT && err == GIRO_ERR_OK; role++)
        err = giro_cpus_set((enum giro_cpus)role, config.cpus[role], &diagnosis);
    if (err != GIRO_ERR_OK) {
        giro_diagnosis_print("girod", &diagnosis);
        return err == GIRO_ERR_CONFIG ? 2 : 1;
    }
    char name[32];
    snprintf(name, sizeof(name), "replica-%u", config.replica);
    giro_log_set_name(name);
    giro_log_set_level(config.log_level);
    if (arguments.level != NULL && !set_level(arguments.level)) {
        fprintf(stderr, "girod: log level \"%s\" is not one of error, warn, info, debug\n",
                arguments.level);
        return 2;
    }
    descriptors_raise();
    struct giro_hub *hub = NULL;
    err = giro_hub_open(&config, &hub, &diagnosis);
    if (err == GIRO_ERR_OK) {
        GIRO_LOG(INFO, "hub", "running: port %s %s, peers on %s:%u, HTTPS on %s:%u, verifier %s",
                 config.port_driver, config.port_address, config.peers[config.replica].host,
                 config.peers[config.replica].port, config.https.host, config.https.port,
                 giro_crypto_variant_name(giro_crypto_variant()));
        err = giro_hub_run(hub, &diagnosis);
        giro_hub_close(hub);
    }
    if (err ==
        GIRO_ERR_RESTART) { /* the same process, from the beginning: there is one way to load a state */
        giro_cpus_anywhere();
        execv("/proc/self/exe", argv);
        giro_diagnosis_set(&diagnosis, strerror(errno), "start it again",
                           "girod cannot start again");
    }
    if (err != GIRO_ERR_OK)
        giro_diagnosis_print("girod", &diagnosis);
    return err == GIRO_ERR_OK ? 0 : 1;
}
