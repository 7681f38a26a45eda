/* giro send: the payments of a CSV file, once each. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "apps/giro/stream.h"
#include "apps/giro/watch.h"
#include "member/details.h"

#define FILES_MAX      4096u
#define FILE_BYTES_MAX (1u << 30)
#define CLAIM_WAIT_S   10u /* for another folder's process to be through with a channel's counter */

struct arguments {
    const char *genesis, *keys, *spool, *json, *watch;
    const char *payments; /* the file in hand */
    const char *files[FILES_MAX];
    uint32_t file_count;
    uint16_t channel;
    uint64_t claim;                        /* 0: plain reservations */
    const struct giro_genesis *genesis_of; /* for on_watched */
    const struct giro_key_ring *ring;      /* NULL: outcomes are one replica's word */
    struct giro_config_address hub[GIRO_REPLICAS_MAX];
    uint32_t hub_count, records, outstanding;
    bool check, resume, quiet, seeded, once, prove;
    uint8_t seed[32];
};

static const struct argp_option options[] = {
    {"genesis", 'g', "FILE", 0, "genesis file (default: genesis.json)", 0},
    {"keys", 'k', "DIR", 0, "key directory with the debtors' frame keys (default: keys)", 0},
    {"payments", 'p', "FILE", 0, "the same as FILE", 0},
    {"hub", 'u', "LIST", 0, "UDP addresses of the replicas' ports: host:port,host:port,...", 0},
    {"prove", 'P', NULL, 0,
     "believe no replica: a frame's outcome counts when it is proved against the signatures of a "
     "quorum. A replica gives 100 proofs a second, so about 2,000 payments a second",
     0},
    {"check", 'c', NULL, 0, "read and check the file, send nothing", 0},
    {"watch", 'w', "DIR", 0, "send every file that is renamed into DIR, once, for ever", 0},
    {"once", 'O', NULL, 0, "with --watch: send the files that are there, then end", 0},
    {"spool", 's', "FILE", 0,
     "where the signed frames are kept before they are sent (default: FILE.spool)", 1},
    {"resume", 'R', NULL, 0, "send the frames of an existing spool again, after an interruption",
     1},
    {"records", 'r', "N", 0, "payments per frame, 1..20, fewer with sealed details (default: 20)",
     1},
    {"channel", 'n', "N", 0, "channel of the frames, 0..63 (default: 0)", 1},
    {"outstanding", 'o', "N", 0, "frames waiting for their certificate at once (default: 256)", 1},
    {"uetr-seed", 'e', "HEX", 0, "makes generated UETRs reproducible: 64 hexadecimal digits", 1},
    {"json", 'j', "FILE", 0, "write the figures to FILE", 1},
    {"quiet", 'q', NULL, 0, "no table at the end", 1},
    {0}};

static void file_note(struct arguments *arguments, char *path, struct argp_state *state)
{
    if (arguments->file_count == FILES_MAX)
        argp_error(state, "at most 4,096 files");
    arguments->files[arguments->file_count++] = path;
}

static void end_check(const struct arguments *arguments, struct argp_state *state)
{
    bool several = arguments->file_count > 1;
    bool watch = arguments->watch != NULL;
    if (watch && (arguments->file_count > 0 || arguments->resume || arguments->check ||
                  arguments->spool != NULL || arguments->json != NULL))
        argp_error(state, "--watch takes its files from the folder and keeps its own spools");
    if (arguments->once && !watch)
        argp_error(state, "--once is of --watch");
    if (!watch && arguments->file_count == 0 && !arguments->resume)
        argp_error(state, "which file? FILE..., - for standard input, or --watch DIR");
    if (several && (arguments->resume || arguments->spool != NULL || arguments->json != NULL))
        argp_error(state, "--spool, --resume and --json are of one file");
    for (uint32_t i = 0; several && i < arguments->file_count; i++)
        if (strcmp(arguments->files[i], "-") == 0)
            argp_error(state, "standard input is sent alone");
}

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
        file_note(arguments, arg, state);
        break;
    case 'w':
        arguments->watch = arg;
        break;
    case 'O':
        arguments->once = true;
        break;
    case 'n':
        if (strspn(arg, "0123456789") != strlen(arg) || strtoul(arg, NULL, 10) >= GIRO_CHANNELS_MAX)
            argp_error(state, "--channel is a number from 0 to 63, not \"%s\"", arg);
        arguments->channel = (uint16_t)strtoul(arg, NULL, 10);
        break;
    case 'u':
        arguments->hub_count = giro_addresses_parse(arg, arguments->hub, GIRO_REPLICAS_MAX);
        if (arguments->hub_count == 0)
            argp_error(state, "--hub is host:port,host:port,..., not \"%s\"", arg);
        break;
    case 'c':
        arguments->check = true;
        break;
    case 'P':
        arguments->prove = true;
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
        file_note(arguments, arg, state);
        break;
    case ARGP_KEY_END:
        end_check(arguments, state);
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
        GIRO_ASSERT(payment != NULL);
        records[i] = payment->record;
        details[i] = (struct giro_frame_details){payment->details, payment->details_bytes};
    }
    if (debtor->key_count + count > KEYS_MAX)
        GIRO_TRY(keys_keep(debtor));
    const size_t size = giro_frame_make_detailed(
        debtor->genesis, key, debtor->member, 1, debtor->arguments->channel, sequence, records,
        details, count, debtor->keys + debtor->key_count, &keys, frame);
    debtor->key_count += keys;
    if (size > 0)
        return giro_spool_add(writer, frame, (uint32_t)size);
    giro_diagnosis_set(debtor->diagnosis, "its key or the supervisor's in the genesis file is none",
                       "ask the hub's operator", "%s:%u: one cannot seal to this creditor",
                       debtor->arguments->payments, debtor->payments[first]->line);
    return GIRO_ERR_KEY;
}

/* Sequences for the debtor's frames; with a claim such that a death before the spool is whole is known afterwards. */
static enum giro_err sequences_take(const struct arguments *arguments, const char *bic,
                                    uint64_t count, uint64_t *first,
                                    struct giro_diagnosis *diagnosis)
{
    struct giro_sequence_claim claim = {.outbox = arguments->claim};
    if (arguments->claim == 0)
        return giro_sequence_reserve(arguments->keys, bic, arguments->channel, count, first,
                                     diagnosis);
    enum giro_err err;
    for (uint32_t i = 0;; i++) {
        err =
            giro_sequence_claim(arguments->keys, bic, arguments->channel, count, &claim, diagnosis);
        if (err != GIRO_ERR_STATE || i == CLAIM_WAIT_S * 10 || giro_stop_requested())
            break;
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    }
    *first = claim.first;
    return err;
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
    enum giro_err err =
        sequences_take(debtor->arguments, bic, frames, &sequence, debtor->diagnosis);
    if (err == GIRO_ERR_OK)
        *reserved = (struct reserved){sequence, sequence + frames};
    struct giro_progress progress;
    giro_progress_begin(&progress);
    for (uint64_t i = 0; err == GIRO_ERR_OK && i < debtor->count;) {
        if (progress.terminal && !debtor->arguments->quiet)
            giro_progress_bar(&progress, "signing", i, debtor->count, bic);
        const uint32_t count = frame_next(debtor, i);
        err = frame_add(debtor, key, sequence++, i, count, writer);
        i += count;
    }
    giro_progress_end(&progress);
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

/* After the spool: a claim is emptied. Without one (made is false) the sequences are given back: a gap would stop the debtors'
 * channels 1,024 sequences further on. */
static enum giro_err sequences_settle(const struct arguments *arguments,
                                      const struct giro_genesis *genesis,
                                      const struct reserved *reserved, bool made,
                                      struct giro_diagnosis *diagnosis)
{
    enum giro_err err = GIRO_ERR_OK;
    for (uint32_t m = 0; err == GIRO_ERR_OK && m < genesis->member_count; m++) {
        const char *bic = genesis->members[m].bic;
        struct giro_sequence_claim claim = {.outbox = arguments->claim,
                                            .first = made ? reserved[m].next : reserved[m].first,
                                            .next = reserved[m].next};
        bool released;
        if (reserved[m].next == reserved[m].first)
            continue;
        if (arguments->claim != 0)
            err = giro_sequence_release(arguments->keys, bic, arguments->channel, &claim, &released,
                                        diagnosis);
        else if (!made)
            err = giro_sequence_return(arguments->keys, bic, arguments->channel, reserved[m].first,
                                       reserved[m].next, diagnosis);
    }
    return err;
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
    memset(reserved, 0, sizeof(reserved));
    GIRO_TRY(giro_spool_create(path, genesis, &writer, diagnosis));
    enum giro_err err = GIRO_ERR_OK;
    for (uint32_t m = 0; err == GIRO_ERR_OK && m < genesis->member_count; m++)
        err = spool_debtor(arguments, genesis, (uint16_t)m, payments, count, writer, &reserved[m],
                           diagnosis);
    if (err == GIRO_ERR_OK)
        err = giro_spool_finish(writer);
    else
        giro_spool_abandon(writer);
    struct giro_diagnosis other = {.fact = ""};
    bool made = access(path, F_OK) == 0;
    enum giro_err settled = sequences_settle(arguments, genesis, reserved, made, &other);
    if (settled != GIRO_ERR_OK)
        giro_diagnosis_print("giro send", &other);
    return err;
}

/* All of standard input, until its end. */
static enum giro_err stdin_read(char **text, size_t *size)
{
    size_t room = 0;
    *text = NULL;
    *size = 0;
    for (;;) {
        if (*size + 1 >= room) {
            room = room == 0 ? 65536 : room * 2;
            char *larger = room > 2u * FILE_BYTES_MAX ? NULL : realloc(*text, room);
            if (larger == NULL) {
                free(*text);
                return GIRO_ERR_NOMEM;
            }
            *text = larger;
        }
        size_t got = fread(*text + *size, 1, room - 1 - *size, stdin);
        *size += got;
        (*text)[*size] = '\0';
        if (got == 0)
            break;
    }
    if (!ferror(stdin) && *size <= FILE_BYTES_MAX)
        return GIRO_ERR_OK;
    free(*text);
    return ferror(stdin) ? GIRO_ERR_IO : GIRO_ERR_FORMAT;
}

/* spool: where its frames go by default; what comes by standard input has no name but its hash. */
static enum giro_err payments_load(struct arguments *arguments, const struct giro_genesis *genesis,
                                   struct giro_csv_payment **payments, uint64_t *count,
                                   char spool[700], struct giro_diagnosis *diagnosis)
{
    char *text = NULL;
    size_t size = 0;
    bool from_stdin = strcmp(arguments->payments, "-") == 0;
    const char *name = from_stdin ? "standard input" : arguments->payments;
    enum giro_err err = from_stdin
                            ? stdin_read(&text, &size)
                            : giro_file_read(arguments->payments, FILE_BYTES_MAX, &text, &size);
    if (err != GIRO_ERR_OK) {
        giro_diagnosis_set(diagnosis, giro_err_sentence(err), giro_err_advice(err),
                           "\"%s\" cannot be read", name);
        return err;
    }
    snprintf(spool, 700, "%s.spool", arguments->payments);
    if (from_stdin) {
        struct giro_hash hash = giro_sha256(text, size);
        char hex[17];
        giro_hex_format(hash.bytes, 8, hex);
        snprintf(spool, 700, "stdin-%s.spool", hex);
    }
    arguments->payments = name;
    err = giro_payments_parse(name, text, size, genesis, arguments->seeded ? arguments->seed : NULL,
                              payments, count, diagnosis);
    free(text);
    return err;
}

static enum giro_err hub_check(const struct arguments *arguments,
                               const struct giro_genesis *genesis, struct giro_diagnosis *diagnosis)
{
    if (arguments->hub_count == genesis->replica_count)
        return GIRO_ERR_OK;
    giro_diagnosis_set(diagnosis, "", "give --hub one address per replica",
                       "%u addresses for %u replicas", arguments->hub_count,
                       genesis->replica_count);
    return GIRO_ERR_ARGUMENT;
}

/* Parses the file in hand; spools it unless it is only to be checked. */
static enum giro_err prepare(struct arguments *arguments, const struct giro_genesis *genesis,
                             bool check, char spool[700], struct giro_diagnosis *diagnosis)
{
    struct giro_csv_payment *payments = NULL;
    uint64_t count = 0;
    GIRO_TRY(payments_load(arguments, genesis, &payments, &count, spool, diagnosis));
    if (arguments->spool != NULL)
        snprintf(spool, 700, "%s", arguments->spool);
    enum giro_err err = GIRO_ERR_OK;
    char text[32];
    if (!check)
        err = hub_check(arguments, genesis, diagnosis);
    if (!check && err == GIRO_ERR_OK)
        err = spool_make(arguments, genesis, spool, payments, count, diagnosis);
    if (arguments->check)
        printf("\"%s\": %s payments, all good; nothing was sent\n", arguments->payments,
               giro_count_format(count, text));
    free(payments);
    return err;
}

/* Sends a file, or the spool that is there. The spool stays. */
static int send_one(struct arguments *arguments, const struct giro_genesis *genesis,
                    const char *file, char spool[700])
{
    struct giro_diagnosis diagnosis = {.fact = ""};
    enum giro_err err = GIRO_ERR_OK;
    arguments->payments = file;
    snprintf(spool, 700, "%s", arguments->spool == NULL ? "payments.spool" : arguments->spool);
    if (file != NULL)
        err = prepare(arguments, genesis, false, spool, &diagnosis);
    if (err != GIRO_ERR_OK)
        return giro_fail("send", err, &diagnosis);
    struct giro_stream_options stream = {.command = "send",
                                         .genesis = genesis,
                                         .ring = arguments->ring,
                                         .replicas = arguments->hub,
                                         .replica_count = arguments->hub_count,
                                         .keys = arguments->keys,
                                         .spool_path = spool,
                                         .outstanding = arguments->outstanding,
                                         .json_path = arguments->json,
                                         .quiet = arguments->quiet,
                                         .live = true};
    return giro_stream_run(&stream);
}

/* No file is sent unless all parse. */
static int send_all(struct arguments *arguments, const struct giro_genesis *genesis)
{
    struct giro_diagnosis diagnosis = {.fact = ""};
    char spool[700];
    int code = GIRO_EXIT_OK;
    for (uint32_t i = 0; i < arguments->file_count; i++) {
        if (!arguments->check && arguments->file_count == 1)
            break;
        arguments->payments = arguments->files[i];
        enum giro_err err = prepare(arguments, genesis, true, spool, &diagnosis);
        if (err != GIRO_ERR_OK)
            return giro_fail("send", err, &diagnosis);
    }
    uint32_t sends = arguments->check ? 0 : arguments->resume ? 1 : arguments->file_count;
    for (uint32_t i = 0; i < sends && code == GIRO_EXIT_OK; i++) {
        const char *file = arguments->resume ? NULL : arguments->files[i];
        if (sends > 1 && !arguments->quiet)
            printf("%s\n", file);
        code = send_one(arguments, genesis, file, spool);
        if (code == GIRO_EXIT_OK)
            unlink(spool); /* every frame has its certified outcome */
    }
    return code;
}

static int on_watched(void *context, const struct giro_watch_file *file)
{
    struct arguments *arguments = context;
    char spool[700];
    arguments->spool = file->spool;
    arguments->json = file->json;
    arguments->claim = file->claim;
    arguments->quiet = true;
    return send_one(arguments, arguments->genesis_of, file->payments, spool);
}

static int watch(struct arguments *arguments, const struct giro_genesis *genesis)
{
    struct giro_diagnosis diagnosis = {.fact = ""};
    const struct giro_watch_options watch = {.dir = arguments->watch,
                                             .genesis = genesis,
                                             .keys_dir = arguments->keys,
                                             .channel = arguments->channel,
                                             .once = arguments->once,
                                             .context = arguments,
                                             .send = on_watched};
    arguments->genesis_of = genesis;
    enum giro_err err = hub_check(arguments, genesis, &diagnosis);
    return err == GIRO_ERR_OK ? giro_watch(&watch) : giro_fail("send", err, &diagnosis);
}

int giro_cmd_send(int argc, char **argv)
{
    static const char doc[] =
        "Sends the payments of CSV files, each exactly once, and waits until all are certified. "
        "docs/protocol.md lists the columns. Every file must parse, or nothing is sent. The signed "
        "frames "
        "are kept in a spool file before the first is sent, so an interrupted send is finished by "
        "--resume. "
        "With --watch a folder is served: a file renamed into it is sent and then moved to "
        "DIR/done or "
        "DIR/failed with name.result.json beside it; whatever dies when, the next start goes on, "
        "and no "
        "content is sent twice.\v"
        "Examples:\n"
        "  giro send payments.csv --check\n"
        "  giro send monday.csv tuesday.csv --keys keys --hub "
        "10.77.0.2:7400,10.77.1.2:7400,10.77.2.2:7400,10.77.3.2:7400\n"
        "  make-payments | giro send - --hub ...\n"
        "  giro send --spool payments.csv.spool --resume --hub ...\n"
        "  giro send --watch outgoing --hub ...       (and: mv payments.csv outgoing/)\n"
        "Without --prove the certified outcome is the word of one replica, over a session that "
        "only it "
        "can speak in.\n"
        "Exit codes: 0 every payment has its certified outcome, or --watch ended by Ctrl-C; 1 "
        "failure; 2 usage.";
    static struct arguments arguments;
    arguments = (struct arguments){
        .genesis = "genesis.json", .keys = "keys", .records = 20, .outstanding = 256};
    const struct argp argp = {options, parse, "[FILE...]", doc, NULL, NULL, NULL};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    static struct giro_hub_view view;
    struct giro_diagnosis diagnosis = {.fact = ""};
    enum giro_err err = giro_hub_view_open(arguments.genesis, 0, &view, &diagnosis);
    arguments.ring = arguments.prove ? view.ring : NULL;
    int code;
    if (err != GIRO_ERR_OK)
        code = giro_fail("send", err, &diagnosis);
    else if (arguments.watch != NULL)
        code = watch(&arguments, &view.genesis);
    else
        code = send_all(&arguments, &view.genesis);
    giro_hub_view_close(&view);
    return code;
}
