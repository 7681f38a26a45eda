/* giro send: the payments of a CSV file, once each. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "apps/giro/stream.h"
#include "member/details.h"

struct arguments {
    const char *genesis, *keys, *payments, *spool, *json;
    struct giro_config_address hub[GIRO_REPLICAS_MAX];
    uint32_t hub_count, records, outstanding;
    bool check, resume, quiet, seeded;
    uint8_t seed[32];
};

static const struct argp_option options[] = {
    {"genesis", 'g', "FILE", 0, "genesis file (default: genesis.json)", 0},
    {"keys", 'k', "DIR", 0, "key directory with the debtors' frame keys (default: keys)", 0},
    {"payments", 'p', "FILE", 0, "payments CSV; docs/protocol.md lists the columns", 0},
    {"hub", 'u', "LIST", 0, "UDP addresses of the replicas' ports: host:port,host:port,...", 0},
    {"check", 'c', NULL, 0, "read and check the file, send nothing", 0},
    {"spool", 's', "FILE", 0,
     "where the signed frames are kept before they are sent (default: PAYMENTS.spool)", 1},
    {"resume", 'R', NULL, 0, "send the frames of an existing spool again, after an interruption",
     1},
    {"records", 'r', "N", 0, "payments per frame, 1..20, fewer with sealed details (default: 20)",
     1},
    {"outstanding", 'o', "N", 0, "frames waiting for their certificate at once (default: 256)", 1},
    {"uetr-seed", 'e', "HEX", 0, "makes generated UETRs reproducible: 64 hexadecimal digits", 1},
    {"json", 'j', "FILE", 0, "write the figures to FILE", 1},
    {"quiet", 'q', NULL, 0, "no table at the end", 1},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case 'g':
        arguments->genesis = arg;
        break;
    case 'k':
        arguments->keys = arg;
        break;
    case 'p':
        arguments->payments = arg;
        break;
    case 'u':
        arguments->hub_count = giro_addresses_parse(arg, arguments->hub, GIRO_REPLICAS_MAX);
        if (arguments->hub_count == 0)
            argp_error(state, "--hub is host:port,host:port,..., not \"%s\"", arg);
        break;
    case 'c':
        arguments->check = true;
        break;
    case 's':
        arguments->spool = arg;
        break;
    case 'R':
        arguments->resume = true;
        break;
    case 'r':
        arguments->records = (uint32_t)strtoul(arg, NULL, 10);
        if (arguments->records < 1 || arguments->records > 20)
            argp_error(state, "--records is a number from 1 to 20, not \"%s\"", arg);
        break;
    case 'o':
        arguments->outstanding = (uint32_t)strtoul(arg, NULL, 10);
        if (arguments->outstanding < 1)
            argp_error(state, "--outstanding is a number from 1, not \"%s\"", arg);
        break;
    case 'e':
        if (!giro_hex_parse(arg, strlen(arg), arguments->seed, sizeof(arguments->seed)))
            argp_error(state, "--uetr-seed has 64 hexadecimal digits");
        arguments->seeded = true;
        break;
    case 'j':
        arguments->json = arg;
        break;
    case 'q':
        arguments->quiet = true;
        break;
    case ARGP_KEY_ARG:
        argp_error(state, "what is \"%s\"?", arg);
        break;
    case ARGP_KEY_END:
        if (arguments->payments == NULL && !arguments->resume)
            argp_error(state, "which file? --payments FILE");
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

/* Sequences of channel 0 taken for a debtor's frames; none if both are equal. */
struct reserved {
    uint64_t first, next;
};

/* A debtor's payments in file order, and the keys of their details that are not on disk yet. */
#define KEYS_MAX 4096u
struct debtor {
    const struct arguments *arguments;
    const struct giro_genesis *genesis;
    uint16_t member;
    uint64_t count;
    const struct giro_csv_payment **payments;
    uint32_t *details_bytes;
    struct giro_details_key keys[KEYS_MAX];
    uint32_t key_count;
    struct giro_diagnosis *diagnosis;
};

static enum giro_err debtor_collect(struct debtor *debtor, const struct giro_csv_payment *payments,
                                    uint64_t count)
{
    uint64_t own = 0;
    for (uint64_t i = 0; i < count; i++)
        own += payments[i].debtor == debtor->member;
    debtor->payments = calloc(own + 1, sizeof(*debtor->payments));
    debtor->details_bytes = calloc(own + 1, sizeof(*debtor->details_bytes));
    if (debtor->payments == NULL || debtor->details_bytes == NULL)
        return GIRO_ERR_NOMEM;
    for (uint64_t i = 0; i < count; i++) {
        if (payments[i].debtor != debtor->member)
            continue;
        debtor->payments[debtor->count] = &payments[i];
        debtor->details_bytes[debtor->count++] = payments[i].details_bytes;
    }
    return GIRO_ERR_OK;
}

/* Payments from `first` on that share a frame; 0 if details are too long for an ordinary packet. */
static uint32_t frame_next(const struct debtor *debtor, uint64_t first)
{
    const uint64_t left = debtor->count - first;
    const uint32_t most = left < GIRO_FRAME_RECORDS_MAX ? (uint32_t)left : GIRO_FRAME_RECORDS_MAX;
    return giro_frame_fit(debtor->details_bytes + first, most, debtor->arguments->records,
                          GIRO_FRAME_ORDINARY_BYTES);
}

static enum giro_err frames_count(const struct debtor *debtor, uint64_t *frames)
{
    uint32_t fit = 0;
    for (uint64_t i = 0; i < debtor->count; i += fit, (*frames)++) {
        fit = frame_next(debtor, i);
        if (fit > 0)
            continue;
        giro_diagnosis_set(debtor->diagnosis, "references, names, accounts and text have 896 bytes",
                           "shorten them; nothing of the file was sent",
                           "%s:%u: the details do not fit an ordinary packet",
                           debtor->arguments->payments, debtor->payments[i]->line);
        return GIRO_ERR_FORMAT;
    }
    return GIRO_ERR_OK;
}

/* Keys are on disk before the spool has its name: no frame can be sent whose details its debtor could not open again. */
static enum giro_err keys_keep(struct debtor *debtor)
{
    const uint32_t count = debtor->key_count;
    debtor->key_count = 0;
    if (count == 0)
        return GIRO_ERR_OK;
    const enum giro_err err = giro_details_keys_add(debtor->arguments->keys, debtor->genesis,
                                                    debtor->member, (uint16_t)(time(NULL) / 86400),
                                                    debtor->keys, count, debtor->diagnosis);
    sodium_memzero(debtor->keys, sizeof(debtor->keys));
    return err;
}

static enum giro_err frame_add(struct debtor *debtor, const struct giro_secret_key *key,
                               uint64_t sequence, uint64_t first, uint32_t count,
                               struct giro_spool_writer *writer)
{
    struct giro_record records[GIRO_FRAME_RECORDS_MAX];
    struct giro_frame_details details[GIRO_FRAME_RECORDS_MAX];
    uint8_t frame[GIRO_FRAME_BYTES_MAX];
    uint32_t keys = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct giro_csv_payment *payment = debtor->payments[first + i];
        records[i] = payment->record;
        details[i] = (struct giro_frame_details){payment->details, payment->details_bytes};
    }
    if (debtor->key_count + count > KEYS_MAX)
        GIRO_TRY(keys_keep(debtor));
    const size_t size =
        giro_frame_make_detailed(debtor->genesis, key, debtor->member, 1, 0, sequence, records,
                                 details, count, debtor->keys + debtor->key_count, &keys, frame);
    debtor->key_count += keys;
    if (size > 0)
        return giro_spool_add(writer, frame, (uint32_t)size);
    giro_diagnosis_set(debtor->diagnosis, "its key or the supervisor's in the genesis file is none",
                       "ask the hub's operator", "%s:%u: one cannot seal to this creditor",
                       debtor->arguments->payments, debtor->payments[first]->line);
    return GIRO_ERR_KEY;
}

/* Frames of one debtor after another, each debtor's payments in file order. */
static enum giro_err debtor_spool(struct debtor *debtor, struct giro_spool_writer *writer,
                                  struct reserved *reserved)
{
    struct giro_secret_key *key = NULL;
    uint64_t sequence = 0, frames = 0;
    const char *bic = debtor->genesis->members[debtor->member].bic;
    GIRO_TRY(frames_count(debtor, &frames));
    GIRO_TRY(giro_key_file_load(debtor->arguments->keys, bic, "frame", &key, debtor->diagnosis));
    enum giro_err err = giro_sequence_reserve(debtor->arguments->keys, bic, 0, frames, &sequence,
                                              debtor->diagnosis);
    if (err == GIRO_ERR_OK)
        *reserved = (struct reserved){sequence, sequence + frames};
    for (uint64_t i = 0; err == GIRO_ERR_OK && i < debtor->count;) {
        const uint32_t count = frame_next(debtor, i);
        err = frame_add(debtor, key, sequence++, i, count, writer);
        i += count;
    }
    if (err == GIRO_ERR_OK)
        err = keys_keep(debtor);
    giro_key_free(key);
    return err;
}

static enum giro_err spool_debtor(const struct arguments *arguments,
                                  const struct giro_genesis *genesis, uint16_t member,
                                  const struct giro_csv_payment *payments, uint64_t count,
                                  struct giro_spool_writer *writer, struct reserved *reserved,
                                  struct giro_diagnosis *diagnosis)
{
    static struct debtor debtor;
    debtor = (struct debtor){
        .arguments = arguments, .genesis = genesis, .member = member, .diagnosis = diagnosis};
    enum giro_err err = debtor_collect(&debtor, payments, count);
    if (err == GIRO_ERR_OK && debtor.count > 0)
        err = debtor_spool(&debtor, writer, reserved);
    sodium_memzero(debtor.keys, sizeof(debtor.keys));
    free(debtor.payments);
    free(debtor.details_bytes);
    return err;
}

/* The spool did not come about: a gap would stop the debtors' channels 1,024 sequences further on. */
static void sequences_return(const struct arguments *arguments, const struct giro_genesis *genesis,
                             const struct reserved *reserved)
{
    for (uint32_t m = 0; m < genesis->member_count; m++) {
        struct giro_diagnosis diagnosis = {.fact = ""};
        if (reserved[m].next > reserved[m].first &&
            giro_sequence_return(arguments->keys, genesis->members[m].bic, 0, reserved[m].first,
                                 reserved[m].next, &diagnosis) != GIRO_ERR_OK)
            giro_diagnosis_print("giro send", &diagnosis);
    }
}

static enum giro_err spool_make(const struct arguments *arguments,
                                const struct giro_genesis *genesis, const char *path,
                                const struct giro_csv_payment *payments, uint64_t count,
                                struct giro_diagnosis *diagnosis)
{
    if (access(path, F_OK) == 0) {
        giro_diagnosis_set(diagnosis, "an earlier send may have been interrupted",
                           "--resume sends it again (nothing is doubled), or remove it",
                           "\"%s\" is there already", path);
        return GIRO_ERR_EXISTS;
    }
    struct giro_spool_writer *writer = NULL;
    static struct reserved reserved[GIRO_MEMBERS_MAX];
    GIRO_TRY(giro_spool_create(path, genesis, &writer, diagnosis));
    enum giro_err err = GIRO_ERR_OK;
    for (uint32_t m = 0; err == GIRO_ERR_OK && m < genesis->member_count; m++)
        err = spool_debtor(arguments, genesis, (uint16_t)m, payments, count, writer, &reserved[m],
                           diagnosis);
    if (err == GIRO_ERR_OK)
        err = giro_spool_finish(writer);
    else
        giro_spool_abandon(writer);
    if (err != GIRO_ERR_OK && access(path, F_OK) != 0)
        sequences_return(arguments, genesis, reserved);
    return err;
}

static enum giro_err payments_load(const struct arguments *arguments,
                                   const struct giro_genesis *genesis,
                                   struct giro_csv_payment **payments, uint64_t *count,
                                   struct giro_diagnosis *diagnosis)
{
    char *text = NULL;
    size_t size = 0;
    enum giro_err err = giro_file_read(arguments->payments, 1u << 30, &text, &size);
    if (err != GIRO_ERR_OK) {
        giro_diagnosis_set(diagnosis, giro_err_sentence(err), giro_err_advice(err),
                           "\"%s\" cannot be read", arguments->payments);
        return err;
    }
    err =
        giro_payments_parse(arguments->payments, text, size, genesis,
                            arguments->seeded ? arguments->seed : NULL, payments, count, diagnosis);
    free(text);
    return err;
}

static enum giro_err prepare(const struct arguments *arguments, const struct giro_genesis *genesis,
                             const char *spool, struct giro_diagnosis *diagnosis)
{
    struct giro_csv_payment *payments = NULL;
    uint64_t count = 0;
    GIRO_TRY(payments_load(arguments, genesis, &payments, &count, diagnosis));
    enum giro_err err = GIRO_ERR_OK;
    if (arguments->check) {
        char text[32];
        printf("\"%s\": %s payments, all good; nothing was sent\n", arguments->payments,
               giro_count_format(count, text));
    } else if (arguments->hub_count != genesis->replica_count) {
        giro_diagnosis_set(diagnosis, "", "give --hub one address per replica",
                           "%u addresses for %u replicas", arguments->hub_count,
                           genesis->replica_count);
        err = GIRO_ERR_ARGUMENT;
    } else {
        err = spool_make(arguments, genesis, spool, payments, count, diagnosis);
    }
    free(payments);
    return err;
}

int giro_cmd_send(int argc, char **argv)
{
    static const char doc[] = "Sends the payments of a CSV file, each exactly once, and waits "
                              "until all are certified. The whole file must "
                              "parse, or nothing is sent. The signed frames are kept in a spool "
                              "file before the first is sent, so an "
                              "interrupted send is finished by --resume.\v"
                              "Examples:\n"
                              "  giro send --payments payments.csv --check\n"
                              "  giro send --payments payments.csv --keys keys --hub "
                              "10.77.0.2:7400,10.77.1.2:7400,10.77.2.2:7400,10.77.3.2:7400\n"
                              "  giro send --spool payments.csv.spool --resume --hub ...";
    static struct arguments arguments;
    arguments = (struct arguments){
        .genesis = "genesis.json", .keys = "keys", .records = 20, .outstanding = 256};
    const struct argp argp = {options, parse, NULL, doc, NULL, NULL, NULL};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    static struct giro_genesis genesis;
    struct giro_diagnosis diagnosis = {.fact = ""};
    char spool[700];
    snprintf(spool, sizeof(spool), "%s.spool",
             arguments.payments == NULL ? "payments" : arguments.payments);
    if (arguments.spool != NULL)
        snprintf(spool, sizeof(spool), "%s", arguments.spool);
    enum giro_err err = giro_genesis_load(arguments.genesis, &genesis, &diagnosis);
    if (err == GIRO_ERR_OK && !arguments.resume)
        err = prepare(&arguments, &genesis, spool, &diagnosis);
    int code = GIRO_EXIT_OK;
    if (err != GIRO_ERR_OK) {
        code = giro_fail("send", err, &diagnosis);
    } else if (!arguments.check) {
        struct giro_stream_options stream = {.command = "send",
                                             .genesis = &genesis,
                                             .replicas = arguments.hub,
                                             .replica_count = arguments.hub_count,
                                             .spool_path = spool,
                                             .outstanding = arguments.outstanding,
                                             .json_path = arguments.json,
                                             .quiet = arguments.quiet,
                                             .live = true};
        code = giro_stream_run(&stream);
        if (code == GIRO_EXIT_OK)
            unlink(spool); /* every frame has its certified outcome */
    }
    if (genesis.members != NULL)
        giro_genesis_free(&genesis);
    return code;
}
