/* giro hub capture: packets of a replica's port, for diagnosis. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "apps/giro/access.h"
#include "apps/giro/https.h"

#define LOOK_EVERY_MS 200

struct arguments {
    struct giro_access access;
    const char *as, *out;
    uint32_t seconds, megabytes;
};

static const struct argp_option options[] = {
    {"as", 'a', "NAME", 0, "the operator that asks (default: maker)", 0},
    {"seconds", 's', "N", 0, "how long, 1 to 600 (default: 10)", 0},
    {"megabytes", 'm', "N", 0, "how much at most, 1 to 16 (default: 8)", 0},
    {"out", 'o', "FILE", 0, "where the packets go (default: capture.pcapng)", 0},
    {0}};

static uint32_t number(struct argp_state *state, const char *what, const char *text, uint32_t max)
{
    char *end = NULL;
    unsigned long value = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || value < 1 || value > max)
        argp_error(state, "--%s is a number from 1 to %u, not \"%s\"", what, max, text);
    return (uint32_t)value;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->access;
        return 0;
    case 'a':
        arguments->as = arg;
        return 0;
    case 'o':
        arguments->out = arg;
        return 0;
    case 's':
        arguments->seconds = number(state, "seconds", arg, 600);
        return 0;
    case 'm':
        arguments->megabytes = number(state, "megabytes", arg, 16);
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "what is \"%s\"?", arg);
        return 0;
    case ARGP_KEY_END:
        if (arguments->access.https_count != 1)
            argp_error(state, "--https is needed, with the host:port of one replica");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Until the replica says that it has ended, or the user has had enough. */
static enum giro_err wait_for_end(struct giro_https *https, uint64_t *packets,
                                  struct giro_diagnosis *diagnosis)
{
    const struct timespec pause = {.tv_nsec = LOOK_EVERY_MS * 1000000};
    struct giro_progress progress;
    uint8_t *bytes;
    size_t size;
    bool running = true;
    giro_progress_begin(&progress);
    for (bool stopped = false; running;) {
        nanosleep(&pause, NULL);
        if (giro_stop_requested() && !stopped) {
            stopped = true; /* what there is by now is worth having */
            GIRO_TRY(giro_https_post(https, "/v1/capture/stop", "", 0, &bytes, &size, diagnosis));
        } else {
            GIRO_TRY(giro_https_get(https, "/v1/capture", &bytes, &size, diagnosis));
        }
        json_t *json = json_loadb((const char *)bytes, size, 0, NULL);
        running = json_is_true(json_object_get(json, "running"));
        *packets = (uint64_t)json_integer_value(json_object_get(json, "packets"));
        const char *error = json_string_value(json_object_get(json, "error"));
        bool failed = error == NULL || error[0] != '\0';
        if (failed)
            giro_diagnosis_set(diagnosis, error == NULL ? "its answer is not understood" : error,
                               "", "the replica could not write the capture");
        json_decref(json);
        free(bytes);
        if (failed)
            return GIRO_ERR_IO;
        giro_progress_show(&progress, "%lu packets", (unsigned long)*packets);
    }
    giro_progress_end(&progress);
    return GIRO_ERR_OK;
}

static enum giro_err capture(const struct arguments *arguments, struct giro_https *https,
                             uint64_t *packets, struct giro_diagnosis *diagnosis)
{
    char path[100];
    uint8_t *bytes = NULL;
    size_t size = 0;
    snprintf(path, sizeof(path), "/v1/capture?seconds=%u&megabytes=%u", arguments->seconds,
             arguments->megabytes);
    GIRO_TRY(giro_https_post(https, path, "", 0, &bytes, &size, diagnosis));
    free(bytes);
    GIRO_TRY(wait_for_end(https, packets, diagnosis));
    GIRO_TRY(giro_https_get(https, "/v1/capture/file", &bytes, &size, diagnosis));
    enum giro_err err = giro_file_write(arguments->out, 0600, bytes, size);
    free(bytes);
    if (err != GIRO_ERR_OK)
        giro_diagnosis_set(diagnosis, giro_err_sentence(err), giro_err_advice(err),
                           "\"%s\" cannot be written", arguments->out);
    return err;
}

int giro_cmd_hub_capture(int argc, char **argv)
{
    static const char doc[] =
        "Has a replica write down every packet that its port receives and sends, with the reason "
        "of those it drops, and fetches "
        "the file (pcapng, for Wireshark and tshark). Ends when its time or size is reached, or at "
        "Ctrl-C. What sessions carry "
        "stays sealed in it.\v"
        "Example:\n"
        "  giro hub capture --https 127.0.0.1:7600 --seconds 30 --out replica-0.pcapng";
    static struct arguments arguments;
    arguments =
        (struct arguments){.as = "maker", .out = "capture.pcapng", .seconds = 10, .megabytes = 8};
    const struct argp argp = {options, parse, NULL, doc, giro_access_children, NULL, NULL};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    struct giro_diagnosis diagnosis = {.fact = ""};
    static struct giro_hub_view view;
    struct giro_secret_key *key = NULL;
    struct giro_https *https = NULL;
    uint64_t packets = 0;
    giro_catch_signals();
    enum giro_err err =
        giro_access_open(&arguments.access, 0, arguments.as, "approver", &view, &key, &diagnosis);
    if (err == GIRO_ERR_OK)
        err = giro_https_open(&view.genesis, &arguments.access.https[0], key, &https, &diagnosis);
    if (err == GIRO_ERR_OK)
        err = capture(&arguments, https, &packets, &diagnosis);
    if (https != NULL)
        giro_https_close(https);
    giro_access_close(&view, key);
    if (err != GIRO_ERR_OK)
        return giro_fail("hub capture", err, &diagnosis);
    printf("%lu packets are in \"%s\"\n", (unsigned long)packets, arguments.out);
    return GIRO_EXIT_OK;
}
