/* giro load: payments of a large retail system, made up, signed beforehand, streamed. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "apps/giro/stream.h"

#define WEIGHT_ALL 1000000u

struct arguments {
    const char *genesis, *keys, *spool, *presign, *json;
    struct giro_config_address hub[GIRO_REPLICAS_MAX];
    uint32_t hub_count;
    uint64_t rate, seconds, payments;
    uint32_t records, outstanding, wrong_per_mille;
    uint8_t service;
    bool even, quiet;
    uint64_t seed;
};

static const struct argp_option options[] = {
    {"genesis", 'g', "FILE", 0, "genesis file (default: genesis.json)", 0},
    {"keys", 'k', "DIR", 0, "key directory with all members' keys (default: keys)", 0},
    {"hub", 'u', "LIST", 0, "UDP addresses of the replicas' ports: host:port,host:port,...", 0},
    {"payments", 'n', "N", 0, "payments to sign (default: rate x seconds, or 100,000)", 1},
    {"records", 'r', "N", 0, "payments per frame, 1..20 (default: 20)", 1},
    {"rate", 'R', "N", 0, "payments per second (default: as fast as they are certified)", 1},
    {"seconds", 's', "N", 0, "stop after N seconds (default: when all are certified)", 1},
    {"outstanding", 'o', "N", 0, "frames waiting for their certificate at once (default: 400)", 1},
    {"service", 'S', "NAME", 0, "net or gross (default: net)", 1},
    {"skew", 'w', "KIND", 0,
     "retail: top bank 16 % of outgoing volume, top five 52 %, top ten 69 % (default); even", 1},
    {"wrong", 'W', "N", 0,
     "of a thousand payments, N that the hub must reject, of every kind (default: 0)", 1},
    {"seed", 'e', "N", 0, "of amounts, banks and UETRs (default: random)", 1},
    {"presign", 'P', "FILE", 0, "only write the signed frames to FILE", 2},
    {"spool", 'f', "FILE", 0, "send the frames of FILE (made by --presign)", 2},
    {"json", 'j', "FILE", 0, "write the figures to FILE", 2},
    {"quiet", 'q', NULL, 0, "no table at the end", 2},
    {0}};

static uint64_t number(struct argp_state *state, const char *what, const char *arg, uint64_t least,
                       uint64_t most)
{
    char *end = NULL;
    unsigned long long value = strtoull(arg, &end, 10);
    if (end == arg || *end != '\0' || value < least || value > most)
        argp_error(state, "--%s is a number from %lu to %lu, not \"%s\"", what,
                   (unsigned long)least, (unsigned long)most, arg);
    return value;
}

static void word(struct argp_state *state, int key, const char *arg, struct arguments *arguments)
{
    if (key == 'S' && (strcmp(arg, "net") == 0 || strcmp(arg, "gross") == 0))
        arguments->service = arg[0] == 'n' ? GIRO_SERVICE_NET : GIRO_SERVICE_GROSS;
    else if (key == 'w' && (strcmp(arg, "retail") == 0 || strcmp(arg, "even") == 0))
        arguments->even = arg[0] == 'e';
    else
        argp_error(state, "%s, not \"%s\"",
                   key == 'S' ? "--service is net or gross" : "--skew is retail or even", arg);
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
    case 'u':
        arguments->hub_count = giro_addresses_parse(arg, arguments->hub, GIRO_REPLICAS_MAX);
        if (arguments->hub_count == 0)
            argp_error(state, "--hub is host:port,host:port,..., not \"%s\"", arg);
        break;
    case 'n':
        arguments->payments = number(state, "payments", arg, 1, 1000000000);
        break;
    case 'r':
        arguments->records = (uint32_t)number(state, "records", arg, 1, 20);
        break;
    case 'R':
        arguments->rate = number(state, "rate", arg, 1, 100000000);
        break;
    case 's':
        arguments->seconds = number(state, "seconds", arg, 1, 86400);
        break;
    case 'o':
        arguments->outstanding = (uint32_t)number(state, "outstanding", arg, 1, 1000000);
        break;
    case 'S':
    case 'w':
        word(state, key, arg, arguments);
        break;
    case 'W':
        arguments->wrong_per_mille = (uint32_t)number(state, "wrong", arg, 0, 1000);
        break;
    case 'e':
        arguments->seed = number(state, "seed", arg, 0, UINT64_MAX);
        break;
    case 'P':
        arguments->presign = arg;
        break;
    case 'f':
        arguments->spool = arg;
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
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

/* ---- Making payments ---------------------------------------------------------------------------------------- */

/* Shares of outgoing volume, parts of a million: the first bank 16 %, the first five 52 %, the first ten 69 % (NEFT, October
 * 2016), the rest evenly, none above the tenth: so exact from 24 members on, and in the same proportions below. */
static void weights_fill(const struct arguments *arguments, uint32_t count, uint32_t *cumulative)
{
    static const uint32_t top[10] = {160000, 110000, 95000, 82000, 73000,
                                     47000,  40000,  33000, 27000, 23000};
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t rest =
            count > 10 && 310000u / (count - 10) < top[9] ? 310000u / (count - 10) : top[9];
        uint64_t weight = i < 10 ? top[i] : rest;
        sum += arguments->even ? WEIGHT_ALL / count : weight;
        cumulative[i] = (uint32_t)sum;
    }
}

static uint16_t draw(struct giro_prng *prng, const uint32_t *cumulative, uint32_t count)
{
    uint64_t at = giro_prng_below(prng, cumulative[count - 1]);
    uint32_t i = 0;
    while (cumulative[i] <= at)
        i++;
    return (uint16_t)i;
}

/* Between one and 99,999 major units, small amounts much more often than large ones. */
static int64_t amount_draw(struct giro_prng *prng)
{
    uint64_t bound = 100;
    for (uint64_t digits = giro_prng_below(prng, 6); digits > 0; digits--)
        bound *= 10;
    return (int64_t)(100 + giro_prng_below(prng, bound));
}

static struct giro_record record_make(const struct arguments *arguments,
                                      const struct giro_genesis *genesis, struct giro_prng *prng,
                                      const uint32_t *cumulative, uint16_t debtor)
{
    struct giro_record record = {.amount_minor = amount_draw(prng),
                                 .currency = genesis->currencies[0].number,
                                 .service = arguments->service,
                                 .kind = GIRO_PAYMENT_CREDIT_TRANSFER};
    giro_prng_fill(prng, record.uetr, sizeof(record.uetr));
    record.uetr[6] = (uint8_t)((record.uetr[6] & 0x0F) | 0x40);
    record.uetr[8] = (uint8_t)((record.uetr[8] & 0x3F) | 0x80);
    do
        record.creditor = draw(prng, cumulative, genesis->member_count);
    while (record.creditor == debtor);
    if (!giro_prng_chance(prng, arguments->wrong_per_mille, 1000))
        return record;
    switch (giro_prng_below(prng, 6)) {
    case 0:
        record.amount_minor = 0; /* AM01 */
        break;
    case 1:
        record.amount_minor = -record.amount_minor; /* AM12 */
        break;
    case 2:
        record.amount_minor = GIRO_AMOUNT_MAX_MINOR + 1; /* AM12: too many digits */
        break;
    case 3:
        record.currency = 999; /* AM03 */
        break;
    case 4:
        record.creditor = GIRO_MEMBER_OPERATOR; /* RC04 */
        break;
    default:
        record.value_date = 1; /* DT01 */
        break;
    }
    return record;
}

struct making {
    struct giro_secret_key *keys[GIRO_MEMBERS_MAX];
    uint64_t next[GIRO_MEMBERS_MAX];
    uint32_t filled[GIRO_MEMBERS_MAX];
    struct giro_record records[GIRO_MEMBERS_MAX][GIRO_FRAME_RECORDS_MAX];
    uint64_t frames[GIRO_MEMBERS_MAX];
    bool reserved[GIRO_MEMBERS_MAX];
    uint64_t end[GIRO_MEMBERS_MAX]; /* of the sequences reserved */
};

static enum giro_err flush(const struct giro_genesis *genesis, struct making *making,
                           uint16_t member, struct giro_spool_writer *writer)
{
    uint8_t frame[GIRO_FRAME_BYTES_MAX];
    if (making->filled[member] == 0)
        return GIRO_ERR_OK;
    size_t size =
        giro_frame_make(genesis, making->keys[member], member, 1, 0, making->next[member]++,
                        making->records[member], making->filled[member], frame);
    making->filled[member] = 0;
    return giro_spool_add(writer, frame, (uint32_t)size);
}

/* Draws debtors once to know how many frames each member will make, so that sequences can be reserved before. */
static void frames_count(const struct arguments *arguments, const struct giro_genesis *genesis,
                         const uint32_t *cumulative, struct making *making)
{
    struct giro_prng prng;
    giro_prng_init(&prng, arguments->seed);
    static uint64_t payments[GIRO_MEMBERS_MAX];
    memset(payments, 0, sizeof(payments));
    for (uint64_t i = 0; i < arguments->payments; i++)
        payments[draw(&prng, cumulative, genesis->member_count)]++;
    for (uint32_t m = 0; m < genesis->member_count; m++)
        making->frames[m] = (payments[m] + arguments->records - 1) / arguments->records;
}

static enum giro_err members_open(const struct arguments *arguments,
                                  const struct giro_genesis *genesis, struct making *making,
                                  struct giro_diagnosis *diagnosis)
{
    for (uint32_t m = 0; m < genesis->member_count; m++) {
        const char *bic = genesis->members[m].bic;
        if (making->frames[m] == 0)
            continue;
        GIRO_TRY(giro_key_file_load(arguments->keys, bic, "frame", &making->keys[m], diagnosis));
        GIRO_TRY(giro_sequence_reserve(arguments->keys, bic, 0, making->frames[m], &making->next[m],
                                       diagnosis));
        making->reserved[m] = true;
        making->end[m] = making->next[m] + making->frames[m];
    }
    return GIRO_ERR_OK;
}

/* A gap that nobody fills would stop a channel 1,024 sequences further on: what was never sent is given back. */
static void give_back(const struct arguments *arguments, const struct giro_genesis *genesis,
                      const struct making *making, uint32_t member, uint64_t from)
{
    struct giro_diagnosis diagnosis = {.fact = ""};
    if (!making->reserved[member] ||
        giro_sequence_return(arguments->keys, genesis->members[member].bic, 0, from,
                             making->end[member], &diagnosis) == GIRO_ERR_OK)
        return;
    giro_diagnosis_print("giro load", &diagnosis);
}

static enum giro_err spool_fill(const struct arguments *arguments,
                                const struct giro_genesis *genesis, struct making *making,
                                const uint32_t *cumulative, struct giro_spool_writer *writer)
{
    struct giro_prng debtors, details;
    struct giro_progress progress;
    giro_prng_init(&debtors, arguments->seed);
    giro_prng_init(&details, arguments->seed ^ 0x5851F42D4C957F2Du);
    giro_progress_begin(&progress);
    for (uint64_t i = 0; i < arguments->payments; i++) {
        uint16_t debtor = draw(&debtors, cumulative, genesis->member_count);
        making->records[debtor][making->filled[debtor]++] =
            record_make(arguments, genesis, &details, cumulative, debtor);
        if (making->filled[debtor] == arguments->records)
            GIRO_TRY(flush(genesis, making, debtor, writer));
        if (i % 4096 == 0 && !arguments->quiet)
            giro_progress_bar(&progress, "signing", i, arguments->payments, "");
    }
    for (uint32_t m = 0; m < genesis->member_count; m++)
        GIRO_TRY(flush(genesis, making, (uint16_t)m, writer));
    giro_progress_end(&progress);
    return GIRO_ERR_OK;
}

static enum giro_err presign(const struct arguments *arguments, const struct giro_genesis *genesis,
                             const char *path, struct making *making,
                             struct giro_diagnosis *diagnosis)
{
    static uint32_t cumulative[GIRO_MEMBERS_MAX];
    struct giro_spool_writer *writer = NULL;
    weights_fill(arguments, genesis->member_count, cumulative);
    frames_count(arguments, genesis, cumulative, making);
    enum giro_err err = members_open(arguments, genesis, making, diagnosis);
    if (err == GIRO_ERR_OK)
        err = giro_spool_create(path, genesis, &writer, diagnosis);
    if (err == GIRO_ERR_OK) {
        err = spool_fill(arguments, genesis, making, cumulative, writer);
        if (err == GIRO_ERR_OK)
            err = giro_spool_finish(writer);
        else
            giro_spool_abandon(writer);
    }
    for (uint32_t m = 0; m < genesis->member_count; m++) {
        if (making->keys[m] != NULL)
            giro_key_free(making->keys[m]);
        if (err != GIRO_ERR_OK && access(path, F_OK) != 0)
            give_back(arguments, genesis, making, m, making->end[m] - making->frames[m]);
    }
    return err;
}

/* ---- The command ----------------------------------------------------------------------------------------------- */

struct giving_back {
    const struct arguments *arguments;
    const struct giro_genesis *genesis;
    const struct making *making;
};

static void on_unsent(void *context, const struct giro_frame_header *header)
{
    const struct giving_back *back = context;
    if (header->member < back->genesis->member_count && header->channel == 0)
        give_back(back->arguments, back->genesis, back->making, header->member, header->sequence);
}

/* back: not NULL if nobody else will send the rest of the spool. */
static int stream(const struct arguments *arguments, const struct giro_genesis *genesis,
                  const char *spool, struct giving_back *back)
{
    struct giro_stream_options options_of = {
        .command = "load",
        .genesis = genesis,
        .replicas = arguments->hub,
        .replica_count = arguments->hub_count,
        .keys = arguments->keys,
        .spool_path = spool,
        .outstanding = arguments->outstanding,
        .frames_per_second = (arguments->rate + arguments->records - 1) / arguments->records,
        .seconds = arguments->seconds,
        .give_up_s = arguments->seconds == 0 ? 0 : arguments->seconds + 30,
        .json_path = arguments->json,
        .quiet = arguments->quiet,
        .live = true,
        .unsent = back == NULL ? NULL : on_unsent,
        .unsent_context = back};
    return giro_stream_run(&options_of);
}

int giro_cmd_load(int argc, char **argv)
{
    static const char doc[] =
        "Makes payments between all members, signs them, and streams them to a hub until each is "
        "certified.\v"
        "Amounts are made up; the banks' shares are those of a large real retail system (NEFT, "
        "October 2016).\n\n"
        "Examples:\n"
        "  giro load --hub 127.0.0.1:7400,127.0.0.1:7401,127.0.0.1:7402,127.0.0.1:7403 --payments "
        "100000\n"
        "  giro load --presign load.spool --payments 2000000 --seed 7\n"
        "  giro load --spool load.spool --hub 10.77.0.2:7400,10.77.1.2:7400 --rate 50000 --seconds "
        "30";
    static struct arguments arguments;
    arguments = (struct arguments){.genesis = "genesis.json",
                                   .keys = "keys",
                                   .records = 20,
                                   .outstanding = 400,
                                   .service = GIRO_SERVICE_NET};
    randombytes_buf(&arguments.seed, sizeof(arguments.seed));
    const struct argp argp = {options, parse, NULL, doc, NULL, NULL, NULL};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    if (arguments.payments == 0)
        arguments.payments = arguments.rate != 0 && arguments.seconds != 0
                                 ? arguments.rate * arguments.seconds
                                 : 100000;
    static struct giro_genesis genesis;
    struct giro_diagnosis diagnosis = {.fact = ""};
    enum giro_err err = giro_genesis_load(arguments.genesis, &genesis, &diagnosis);
    if (err == GIRO_ERR_OK && genesis.member_count < 2) {
        giro_diagnosis_set(&diagnosis, "", "", "a load needs at least two members");
        err = GIRO_ERR_ARGUMENT;
    }
    if (err == GIRO_ERR_OK && arguments.presign == NULL &&
        arguments.hub_count != genesis.replica_count) {
        giro_diagnosis_set(&diagnosis, "", "give --hub one address per replica",
                           "%u addresses for %u replicas", arguments.hub_count,
                           genesis.replica_count);
        err = GIRO_ERR_ARGUMENT;
    }
    char own_spool[64] = "";
    const char *path = arguments.spool;
    static struct making making;
    if (err == GIRO_ERR_OK && path == NULL) {
        snprintf(own_spool, sizeof(own_spool), "load-%d.spool", (int)getpid());
        path = arguments.presign != NULL ? arguments.presign : own_spool;
        err = presign(&arguments, &genesis, path, &making, &diagnosis);
    }
    struct giving_back back = {&arguments, &genesis, &making};
    int code = err == GIRO_ERR_OK ? GIRO_EXIT_OK : giro_fail("load", err, &diagnosis);
    if (err == GIRO_ERR_OK && arguments.presign == NULL)
        code = stream(&arguments, &genesis, path, path == own_spool ? &back : NULL);
    if (path == own_spool)
        unlink(own_spool);
    if (genesis.members != NULL)
        giro_genesis_free(&genesis);
    return code;
}
