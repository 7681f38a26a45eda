/* giro follow: a member's statuses and bookings as their windows are sealed. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "apps/giro/access.h"
#include "apps/giro/feed.h"

#define LINE_MAX_BYTES 2048u
#define POSITION_BYTES 64u

struct arguments {
    struct giro_access access;
    const char *as, *append;
    uint32_t give_up_s;
    enum giro_feed_from from;
    uint16_t date;
    uint64_t offset, row; /* rows of the block at offset that were shown already */
    enum giro_rows rows;
    bool json, once;
};

static const struct argp_option options[] = {
    {"as", 'a', "BIC", 0, "the member, whose session key is shown", 0},
    {"rows", 'r', "WHAT", 0, "statuses (default), entries, or positions", 1},
    {"from", 'f', "PLACE", 0,
     "now (default), start, a business date, or the position of a line: what follows it", 1},
    {"append", 'A', "FILE", 0,
     "lines go to FILE, behind those that are there: none twice, none missing", 1},
    {"json", 'j', NULL, 0, "a JSON object a line, not CSV", 1},
    {"once", 'o', NULL, 0, "end when there is no more now", 1},
    {"give-up", 'G', "SECONDS", 0, "end when no replica answers for so long (default: 60; 0 never)",
     1},
    {0}};

/* "2026-11-27", or "2026-11-27/81920/3" as the last column has it. */
static bool place_parse(const char *text, struct arguments *arguments)
{
    unsigned long offset = 0, row = 0;
    int end = 0;
    if (strlen(text) < 10 || !giro_date_parse(text, 10, &arguments->date))
        return false;
    if (text[10] != '\0' &&
        /* NOLINTNEXTLINE(cert-err34-c): 19 digits overflow nothing */
        (sscanf(text + 10, "/%19lu/%19lu%n", &offset, &row, &end) != 2 || text[10 + end] != '\0' ||
         strchr(text, '-') != text + 4 || strpbrk(text + 10, "+- ") != NULL))
        return false;
    arguments->from = GIRO_FEED_PLACE;
    arguments->offset = offset;
    arguments->row = row;
    return true;
}

static bool from_parse(const char *text, struct arguments *arguments)
{
    if (strcmp(text, "now") != 0 && strcmp(text, "start") != 0)
        return place_parse(text, arguments);
    arguments->from = text[0] == 'n' ? GIRO_FEED_NOW : GIRO_FEED_START;
    return true;
}

static bool rows_parse(const char *text, enum giro_rows *rows)
{
    static const char *const names[] = {"statuses", "entries", "positions"};
    for (int i = 0; i < 3; i++)
        if (strcmp(text, names[i]) == 0) {
            *rows = (enum giro_rows)i;
            return true;
        }
    return false;
}

static void end_check(const struct arguments *arguments, struct argp_state *state)
{
    if (arguments->as == NULL || arguments->access.https_count == 0)
        argp_error(state, "--as and --https are needed");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->access;
        break;
    case 'a':
        arguments->as = arg;
        break;
    case 'r':
        if (!rows_parse(arg, &arguments->rows))
            argp_error(state, "--rows is statuses, entries or positions, not \"%s\"", arg);
        break;
    case 'f':
        if (!from_parse(arg, arguments))
            argp_error(state, "--from is now, start, a date or a line's position, not \"%s\"", arg);
        break;
    case 'A':
        arguments->append = arg;
        break;
    case 'j':
        arguments->json = true;
        break;
    case 'o':
        arguments->once = true;
        break;
    case 'G':
        arguments->give_up_s = (uint32_t)strtoul(arg, NULL, 10);
        break;
    case ARGP_KEY_ARG:
        argp_error(state, "what is \"%s\"?", arg);
        break;
    case ARGP_KEY_END:
        end_check(arguments, state);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

/* ---- Lines ------------------------------------------------------------------------------------------------ */

struct printing {
    const struct arguments *arguments;
    FILE *out;
    char header[400]; /* names of the columns, with '\n' */
    char date[11];
    uint64_t offset, row, skip;
};

static bool is_number(const char *name)
{
    static const char *const numbers[] = {"height", "channel", "sequence",
                                          "cycle",  "entry",   "window"};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        if (strcmp(name, numbers[i]) == 0)
            return true;
    return false;
}

/* Up to the next comma or line end; text moves behind it. */
static void field_take(const char **text, char *field, size_t field_bytes)
{
    size_t length = strcspn(*text, ",\n");
    GIRO_ASSERT(length < field_bytes);
    memcpy(field, *text, length);
    field[length] = '\0';
    *text += length + ((*text)[length] == ',');
}

/* The same fields under the same names; empty ones are left out. */
static void line_json(const struct printing *printing, const char *line, const char *position)
{
    char name[64], field[256];
    const char *names = printing->header;
    json_t *json = json_object();
    while (*names != '\n') {
        field_take(&names, name, sizeof(name));
        field_take(&line, field, sizeof(field));
        if (field[0] == '\0') /* level and position stand in no row */
            continue;
        json_object_set_new(json, name,
                            is_number(name) ? json_integer((json_int_t)strtoull(field, NULL, 10))
                                            : json_string(field));
    }
    json_object_set_new(json, "level", json_string("CERTIFIED"));
    json_object_set_new(json, "position", json_string(position));
    (void)json_dumpf(json, printing->out, JSON_COMPACT);
    json_decref(json);
    fputc('\n', printing->out);
}

static void on_line(void *context, const char *text, size_t length)
{
    struct printing *printing = context;
    char line[LINE_MAX_BYTES], position[POSITION_BYTES];
    if (++printing->row <= printing->skip)
        return;
    GIRO_ASSERT(length > 0 && length < sizeof(line));
    memcpy(line, text, length);
    line[length] = '\0';
    snprintf(position, sizeof(position), "%s/%lu/%lu", printing->date,
             (unsigned long)printing->offset, (unsigned long)printing->row);
    if (printing->arguments->json)
        line_json(printing, line, position);
    else
        fprintf(printing->out, "%.*s,CERTIFIED,%s\n", (int)length - 1, line, position);
}

static const char *block_print(struct printing *printing, const struct giro_genesis *genesis,
                               const struct giro_feed_block *block)
{
    const struct arguments *arguments = printing->arguments;
    giro_date_format(block->date, printing->date);
    printing->offset = block->offset;
    printing->row = 0;
    bool resumed = arguments->from == GIRO_FEED_PLACE && block->date == arguments->date &&
                   block->offset == arguments->offset;
    printing->skip = resumed ? arguments->row : 0;
    const char *wrong = giro_rows_render(genesis, &block->view, arguments->rows, on_line, printing);
    return wrong;
}

/* ---- A file that goes on ------------------------------------------------------------------------------------ */

/* The last whole line of the file into tail (LINE_MAX_BYTES + 1), cutting what a crash left behind it. NULL: it has none; "": what is at
 * its end is longer than any line. */
static const char *last_line(FILE *file, char *tail)
{
    long size = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : 0;
    long from = size > (long)LINE_MAX_BYTES ? size - (long)LINE_MAX_BYTES : 0;
    (void)fseek(file, from, SEEK_SET);
    size_t got = fread(tail, 1, LINE_MAX_BYTES, file);
    while (got > 0 && tail[got - 1] != '\n')
        got--;
    if (from > 0 && got == 0)
        return "";
    if (from + (long)got < size && ftruncate(fileno(file), from + (long)got) != 0)
        return NULL;
    (void)fseek(file, 0, SEEK_END);
    if (got == 0)
        return NULL;
    tail[got - 1] = '\0';
    const char *line = strrchr(tail, '\n');
    return line == NULL ? tail : line + 1;
}

/* The position that ends a line of CSV or JSON, if it has one. */
static bool line_place(const char *line, struct arguments *arguments)
{
    char text[POSITION_BYTES];
    size_t end = strlen(line);
    while (end > 0 && (line[end - 1] == '"' || line[end - 1] == '}'))
        end--;
    size_t begin = end;
    while (begin > 0 && strchr("0123456789-/", line[begin - 1]) != NULL)
        begin--;
    snprintf(text, sizeof(text), "%.*s", (int)(end - begin), line + begin);
    return end - begin < sizeof(text) && place_parse(text, arguments) && arguments->row > 0;
}

/* Opens the file behind its last whole line and goes on from there. begun: its header stands there. */
static enum giro_err append_open(struct arguments *arguments, const char *header, FILE **out,
                                 bool *begun, struct giro_diagnosis *diagnosis)
{
    char tail[LINE_MAX_BYTES + 1];
    *out = fopen(arguments->append, "a+e");
    if (*out == NULL) {
        giro_diagnosis_set(diagnosis, "", giro_err_advice(GIRO_ERR_IO), "\"%s\" cannot be opened",
                           arguments->append);
        return GIRO_ERR_IO;
    }
    bool ours = fgets(tail, sizeof(tail), *out) == NULL || strchr(tail, '\n') == NULL ||
                (arguments->json ? tail[0] == '{' : strcmp(tail, header) == 0);
    const char *line = last_line(*out, tail);
    *begun = line != NULL;
    if (ours && line != NULL &&
        (arguments->json || line[0] == '\0' || strncmp(line, header, strlen(line)) != 0))
        ours = line_place(line, arguments);
    if (ours)
        return GIRO_ERR_OK;
    giro_diagnosis_set(diagnosis, "its lines are not such that this command writes",
                       "give the same --rows and --json, or another file",
                       "\"%s\" cannot be continued", arguments->append);
    fclose(*out);
    return GIRO_ERR_FORMAT;
}

/* ---- Following ------------------------------------------------------------------------------------------------ */

static enum giro_err follow(const struct arguments *arguments, const struct giro_hub_view *view,
                            struct giro_feed *feed, struct printing *printing,
                            struct giro_diagnosis *diagnosis)
{
    struct giro_feed_block block;
    for (;;) {
        enum giro_feed_step step = giro_feed_next(feed, !arguments->once, &block, diagnosis);
        if (step == GIRO_FEED_FAILED)
            return GIRO_ERR_NETWORK;
        if (step == GIRO_FEED_STOPPED || (step == GIRO_FEED_IDLE && arguments->once))
            return GIRO_ERR_OK;
        if (step == GIRO_FEED_IDLE || block.before)
            continue;
        const char *wrong = block_print(printing, &view->genesis, &block);
        if (wrong != NULL) {
            giro_diagnosis_set(diagnosis, wrong, "a newer giro may know it",
                               "a row cannot be shown");
            return GIRO_ERR_FORMAT;
        }
        if (fflush(printing->out) != 0 && errno == EPIPE)
            return GIRO_ERR_OK; /* whoever reads has enough */
        if (ferror(printing->out)) {
            giro_diagnosis_set(diagnosis, "", giro_err_advice(GIRO_ERR_IO),
                               "cannot write the lines");
            return GIRO_ERR_IO;
        }
    }
}

static enum giro_err run(struct arguments *arguments, const struct giro_hub_view *view,
                         const struct giro_secret_key *key, struct giro_diagnosis *diagnosis)
{
    bool begun = false;
    struct printing printing = {.arguments = arguments, .out = stdout};
    const char *columns = giro_rows_header(arguments->rows);
    snprintf(printing.header, sizeof(printing.header), "%.*s,level,position\n",
             (int)strcspn(columns, "\n"), columns);
    uint16_t member;
    GIRO_TRY(giro_access_member(view, arguments->as, &member, diagnosis));
    if (arguments->append != NULL)
        GIRO_TRY(append_open(arguments, printing.header, &printing.out, &begun, diagnosis));
    if (!begun && !arguments->json)
        fputs(printing.header, printing.out);
    struct giro_feed_options feed_options = {.command = "follow",
                                             .view = view,
                                             .key = key,
                                             .member = member,
                                             .addresses = arguments->access.https,
                                             .address_count = arguments->access.https_count,
                                             .from = arguments->from,
                                             .date = arguments->date,
                                             .offset = arguments->offset,
                                             .give_up_s = arguments->give_up_s};
    struct giro_feed *feed = giro_feed_open(&feed_options);
    enum giro_err err = feed == NULL || fflush(printing.out) != 0
                            ? GIRO_ERR_NOMEM
                            : follow(arguments, view, feed, &printing, diagnosis);
    if (feed != NULL)
        giro_feed_close(feed);
    if (printing.out != stdout && fclose(printing.out) != 0 && err == GIRO_ERR_OK)
        err = GIRO_ERR_IO;
    return err;
}

int giro_cmd_follow(int argc, char **argv)
{
    static const char doc[] =
        "Shows what becomes of a member's payments, a line each, as the second in which it "
        "happened is "
        "sealed: the columns of statuses.csv (or entries.csv, positions.csv), the line's level and "
        "its "
        "position. Every line is CERTIFIED: it was checked against the signatures of a quorum, "
        "whichever "
        "replica sent it; a replica that is silent, behind, or sends what does not hold is left "
        "for the "
        "next. Ctrl-C ends it; --from with the last line's position goes on behind it.\v"
        "Examples:\n"
        "  giro follow --as XYXXCZPP --https 127.0.0.1:7600,127.0.0.1:7601\n"
        "  giro follow --as XYXXCZPP --https ... --append statuses.csv   (again after any crash)\n"
        "  giro follow --as XYXXCZPP --https ... --rows entries --from start --once --json\n"
        "  giro follow --as XYXXCZPP --https ... --from 2026-11-27/81920/3\n"
        "Exit codes: 0 ended by Ctrl-C, or --once and no more; 1 failure; 2 usage.";
    static struct arguments arguments;
    arguments = (struct arguments){.give_up_s = 60};
    const struct argp argp = {options, parse, NULL, doc, giro_access_children, NULL, NULL};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    static struct giro_hub_view view;
    struct giro_diagnosis diagnosis = {.fact = ""};
    struct giro_secret_key *key = NULL;
    giro_catch_signals();
    enum giro_err err =
        giro_access_open(&arguments.access, 0, arguments.as, "session", &view, &key, &diagnosis);
    if (err == GIRO_ERR_OK)
        err = run(&arguments, &view, key, &diagnosis);
    giro_access_close(&view, key);
    return err == GIRO_ERR_OK ? GIRO_EXIT_OK : giro_fail("follow", err, &diagnosis);
}
