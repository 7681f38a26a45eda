/* giro - everything a member, an operator or a clerk types. */
#include <signal.h>
#include <stdio.h>

#include "apps/giro/giro.h"

const char *argp_program_version = "giro 0.1.0";

static const struct giro_command commands[] = {
    {"keygen", "make key files for replicas, members and operators", giro_cmd_keygen},
    {"genesis", "make the genesis file of a hub", giro_cmd_genesis},
    {"hub mend", "fetch journals that a replica lacks since it was away", giro_cmd_hub_mend},
    {"hub capture", "capture the packets of a replica's port", giro_cmd_hub_capture},
    {"hub", "write one girod configuration per replica for a hub on one machine", giro_cmd_hub},
    {"load", "generate signed payments and stream them to a hub", giro_cmd_load},
    {"send", "send the payments of a CSV file", giro_cmd_send},
    {"follow", "show statuses and bookings as they are sealed", giro_cmd_follow},
    {"position", "show balance, clearing position, cap and queue, as they are sealed",
     giro_cmd_position},
    {"status", "show and prove the status of a payment", giro_cmd_status},
    {"recon pull", "pull a member's journal, verify it, and cut files from it",
     giro_cmd_recon_pull},
    {"recon netting", "cut the netting report of each cycle from all members' journals",
     giro_cmd_recon_netting},
    {"open", "read the sealed details of payments", giro_cmd_open},
    {"disclose", "prove one payment to a third party, and nothing else", giro_cmd_disclose},
    {"verify", "verify files of any kind without trusting the hub", giro_cmd_verify},
    {"replay", "run a replica's consensus core again from its event log", giro_cmd_replay},
    {"admin", "control transactions: close a cycle, switch the day, set caps", giro_cmd_admin},
    {"summary", "a table (and summary.json) from verified files", giro_cmd_summary},
    {"crypto check", "verify signatures with every variant of the verifier and with libsodium",
     giro_cmd_crypto_check},
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static void print_usage(FILE *out)
{
    fprintf(out, "Usage: giro COMMAND [OPTION...]\n"
                 "The tool of a Giro hub's members, operators and clerks.\n\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        fprintf(out, "  %-14s %s\n", commands[i].name, commands[i].summary);
    fprintf(out, "\n`giro COMMAND --help` tells a command's options with examples.\n"
                 "Exit codes: 0 ok, 1 failure, 2 usage, 3 reconciliation breaks found.\n");
}

/* How many words of argv name this command; 0 if they do not. */
static int words_matched(const char *name, int argc, char **argv)
{
    int words = 0;
    while (*name != '\0') {
        size_t length = strcspn(name, " ");
        if (words + 1 >= argc || strlen(argv[words + 1]) != length ||
            strncmp(argv[words + 1], name, length) != 0)
            return 0;
        words++;
        name += length;
        if (*name == ' ')
            name++;
    }
    return words;
}

int main(int argc, char **argv)
{
    argp_err_exit_status = GIRO_EXIT_USAGE;
    signal(SIGPIPE, SIG_IGN);
    if (argc < 2) {
        print_usage(stderr);
        return GIRO_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_usage(stdout);
        return GIRO_EXIT_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("%s\n", argp_program_version);
        return GIRO_EXIT_OK;
    }
    if (giro_crypto_init() != GIRO_ERR_OK) {
        fprintf(stderr, "giro: libsodium cannot be started\n");
        return GIRO_EXIT_FAILURE;
    }
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        int words = words_matched(commands[i].name, argc, argv);
        if (words == 0)
            continue;
        char name[40];
        snprintf(name, sizeof(name), "giro %s", commands[i].name);
        argv[words] = name;
        return commands[i].run(argc - words, argv + words);
    }
    fprintf(stderr, "giro: no command \"%s\"\n  hint: giro --help lists them\n", argv[1]);
    return GIRO_EXIT_USAGE;
}
