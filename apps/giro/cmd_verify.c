/* giro verify: any file, told apart by its content, checked under the genesis file alone. */
#include <stdio.h>

#include "apps/giro/giro.h"
#include "giro/recon.h"

struct arguments {
    const char *genesis;
    char **paths;
    uint32_t path_count;
    bool quiet;
};

static const struct argp_option options[] = {
    {"genesis", 'g', "FILE", 0, "genesis file (default: genesis.json)", 0},
    {"quiet", 'q', NULL, 0, "only the last line", 0},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case 'g':
        arguments->genesis = arg;
        return 0;
    case 'q':
        arguments->quiet = true;
        return 0;
    case ARGP_KEY_ARGS:
        arguments->paths = state->argv + state->next;
        arguments->path_count = (uint32_t)(state->argc - state->next);
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which files or folders?");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void say(void *context, const char *path, const char *what)
{
    const struct arguments *arguments = context;
    if (!arguments->quiet)
        printf("ok  %s: %s\n", path, what);
}

int giro_cmd_verify(int argc, char **argv)
{
    static const char doc[] = "Verifies files and folders of any kind - journals, cut files, "
                              "netting reports, proofs, spools, ledger files, a "
                              "replica's log folder - under the keys of the genesis file, trusting "
                              "no replica. CSV files are rendered again "
                              "from the certified windows and compared. The first thing that does "
                              "not hold is named with file and place.\v"
                              "Examples:\n"
                              "  giro verify --genesis genesis.json files/XYXXCZPP/2026-11-24\n"
                              "  giro verify --genesis genesis.json replica-0 payment.proof";
    struct arguments arguments = {.genesis = "genesis.json"};
    const struct argp argp = {options, parse, "PATH...", doc, NULL, NULL, NULL};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    static struct giro_hub_view view;
    struct giro_diagnosis diagnosis = {.fact = ""};
    enum giro_err err =
        giro_hub_view_open(arguments.genesis, GIRO_KEY_TABLES_BYTES, &view, &diagnosis);
    struct giro_verify_options verify = {
        .genesis = &view.genesis, .ring = view.ring, .say = say, .say_context = &arguments};
    for (uint32_t i = 0; err == GIRO_ERR_OK && i < arguments.path_count; i++)
        err = giro_verify_path(&verify, arguments.paths[i], &diagnosis);
    giro_hub_view_close(&view);
    if (err != GIRO_ERR_OK)
        return giro_fail("verify", err, &diagnosis);
    char files[32], bytes[32], windows[32], certificates[32];
    printf("verified: %s files, %s bytes, %s windows, %s certificates\n",
           giro_count_format(verify.files, files), giro_count_format(verify.bytes, bytes),
           giro_count_format(verify.windows, windows),
           giro_count_format(verify.certificates, certificates));
    return GIRO_EXIT_OK;
}
