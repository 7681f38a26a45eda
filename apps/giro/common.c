#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "apps/giro/giro.h"

static struct giro_failure last_failure;

const struct giro_failure *giro_last_failure(void)
{
    return &last_failure;
}

void giro_failure_note(enum giro_err err, const struct giro_diagnosis *diagnosis)
{
    memset(&last_failure, 0, sizeof(last_failure));
    last_failure.err = err;
    if (diagnosis != NULL)
        last_failure.diagnosis = *diagnosis;
}

int giro_fail(const char *command, enum giro_err err, const struct giro_diagnosis *diagnosis)
{
    char program[64];
    struct giro_diagnosis own = {.fact = ""};
    snprintf(program, sizeof(program), "giro %s", command);
    if (diagnosis->fact[0] == '\0') {
        giro_diagnosis_set(&own, "", giro_err_advice(err), "%s", giro_err_sentence(err));
        diagnosis = &own;
    }
    giro_failure_note(err, diagnosis);
    giro_diagnosis_print(program, diagnosis);
    return GIRO_EXIT_FAILURE;
}

enum giro_err giro_hub_view_open(const char *genesis_path, uint64_t tables_bytes,
                                 struct giro_hub_view *view, struct giro_diagnosis *diagnosis)
{
    memset(view, 0, sizeof(*view));
    GIRO_TRY(giro_genesis_load(genesis_path, &view->genesis, diagnosis));
    const struct giro_keys_options options = {.genesis = &view->genesis,
                                              .tables_bytes = tables_bytes};
    GIRO_TRY(giro_keys_open(&options, &view->keys, diagnosis));
    view->ring = giro_keys_ring(view->keys);
    return GIRO_ERR_OK;
}

void giro_hub_view_close(struct giro_hub_view *view)
{
    if (view->genesis.members != NULL)
        giro_genesis_free(&view->genesis);
    giro_keys_close(view->keys);
}

/* ---- BICs -------------------------------------------------------------------------------------------- */

bool giro_bics_add(struct giro_bics *bics, const char *text, size_t length)
{
    if (!giro_bic_valid(text, length))
        return false;
    char bic[GIRO_BIC_BYTES] = "";
    memcpy(bic, text, length);
    uint32_t at = 0;
    while (at < bics->count && strcmp(bics->bics[at], bic) < 0)
        at++;
    if (at < bics->count && strcmp(bics->bics[at], bic) == 0)
        return true;
    if (bics->count == GIRO_MEMBERS_MAX)
        return false;
    memmove(bics->bics[at + 1], bics->bics[at], (bics->count - at) * sizeof(bics->bics[0]));
    memcpy(bics->bics[at], bic, sizeof(bic));
    bics->count++;
    return true;
}

bool giro_bics_add_list(struct giro_bics *bics, const char *text, const char **bad)
{
    while (*text != '\0') {
        size_t length = strcspn(text, ",");
        *bad = text;
        if (!giro_bics_add(bics, text, length))
            return false;
        text += length;
        if (*text == ',')
            text++;
    }
    return true;
}

void giro_bics_invent(struct giro_bics *bics, uint32_t count)
{
    GIRO_ASSERT(count <= 26 * 26);
    for (uint32_t i = 0; i < count; i++) {
        char bic[9];
        snprintf(bic, sizeof(bic), "BK%c%cCZPP", 'A' + (int)(i / 26), 'A' + (int)(i % 26));
        bool added = giro_bics_add(bics, bic, 8);
        GIRO_ASSERT(added);
    }
}

/* The field of a CSV line at a column, unquoted by cutting quotes off: BICs and currencies hold none inside. */
static size_t csv_field(const char *line, size_t length, uint32_t column, const char **field)
{
    size_t at = 0;
    for (uint32_t i = 0; i < column && at < length; i++) {
        const char *comma = memchr(line + at, ',', length - at);
        at = comma == NULL ? length : (size_t)(comma - line) + 1;
    }
    const char *comma = memchr(line + at, ',', length - at);
    size_t size = (comma == NULL ? length : (size_t)(comma - line)) - at;
    *field = line + at;
    if (size >= 2 && (*field)[0] == '"' && (*field)[size - 1] == '"') {
        (*field)++;
        size -= 2;
    }
    return size;
}

static uint32_t csv_column(const char *header, size_t length, const char *name)
{
    for (uint32_t i = 0; i < 64; i++) {
        const char *field;
        size_t size = csv_field(header, length, i, &field);
        if (size == strlen(name) && memcmp(field, name, size) == 0)
            return i;
    }
    return GIRO_NONE;
}

static bool currency_add(char currencies[][4], uint32_t max, uint32_t *count, const char *code,
                         size_t length)
{
    if (length != 3)
        return false;
    for (uint32_t i = 0; i < *count; i++)
        if (memcmp(currencies[i], code, 3) == 0)
            return true;
    if (*count == max)
        return false;
    memcpy(currencies[*count], code, 3);
    currencies[(*count)++][3] = '\0';
    return true;
}

enum giro_err giro_bics_from_payments(struct giro_bics *bics, const char *path,
                                      char currencies[][4], uint32_t max, uint32_t *currency_count,
                                      struct giro_diagnosis *diagnosis)
{
    char *text = NULL;
    size_t size = 0;
    enum giro_err err = giro_file_read(path, 1u << 30, &text, &size);
    if (err != GIRO_ERR_OK) {
        giro_diagnosis_set(diagnosis, giro_err_sentence(err), giro_err_advice(err),
                           "\"%s\" cannot be read", path);
        return err;
    }
    const char *names[3] = {"debtor_bic", "creditor_bic", "currency"};
    uint32_t columns[3] = {GIRO_NONE, GIRO_NONE, GIRO_NONE};
    uint32_t line = 0;
    for (size_t at = 0; at < size && err == GIRO_ERR_OK; line++) {
        size_t length = strcspn(text + at, "\n");
        size_t content = length > 0 && text[at + length - 1] == '\r' ? length - 1 : length;
        const char *row = text + at;
        if (line == 0 && content >= 3 && memcmp(row, "\xEF\xBB\xBF", 3) == 0) {
            row += 3;
            content -= 3;
        }
        for (uint32_t i = 0; i < 3 && err == GIRO_ERR_OK; i++) {
            if (line == 0) {
                columns[i] = csv_column(row, content, names[i]);
                err = columns[i] == GIRO_NONE ? GIRO_ERR_FORMAT : GIRO_ERR_OK;
                if (err != GIRO_ERR_OK)
                    giro_diagnosis_set(diagnosis, "a payments CSV with a header line",
                                       "docs/protocol.md lists the columns",
                                       "%s:1: column \"%s\" is missing", path, names[i]);
                continue;
            }
            const char *field;
            size_t length_of = csv_field(row, content, columns[i], &field);
            bool good = i < 2 ? giro_bics_add(bics, field, length_of)
                              : currency_add(currencies, max, currency_count, field, length_of);
            if (!good) {
                giro_diagnosis_set(diagnosis,
                                   i < 2 ? "a BIC of 8 or 11 characters, and at most 1,024 members"
                                         : "a currency code of three letters",
                                   "correct the file", "%s:%u: %s \"%.*s\"", path, line + 1,
                                   names[i], (int)(length_of > 40 ? 40 : length_of), field);
                err = GIRO_ERR_FORMAT;
            }
        }
        at += length + 1;
    }
    free(text);
    return err;
}

/* ---- Terminal ------------------------------------------------------------------------------------------ */

static volatile sig_atomic_t stop_requested;

static void on_signal(int number)
{
    (void)number;
    stop_requested = 1;
}

void giro_catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool giro_stop_requested(void)
{
    return stop_requested != 0;
}

void giro_progress_begin(struct giro_progress *progress)
{
    progress->terminal = isatty(STDERR_FILENO) == 1;
    progress->last_ns = 0;
    struct giro_clock clock = giro_clock_system();
    progress->begun_ns = clock.mono_ns(clock.self);
}

/* A line longer than the terminal would be broken, and not rewritten as a whole. */
static int terminal_columns(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1 : 199;
}

void giro_progress_show(struct giro_progress *progress, const char *format, ...)
{
    struct giro_clock clock = giro_clock_system();
    uint64_t now_ns = clock.mono_ns(clock.self);
    uint64_t every_ns = progress->terminal ? GIRO_NS_PER_S / 5 : 2 * GIRO_NS_PER_S;
    if (now_ns < progress->last_ns + every_ns)
        return;
    progress->last_ns = now_ns;
    char line[200];
    va_list list;
    va_start(list, format);
    vsnprintf(line, sizeof(line), format, list);
    va_end(list);
    if (progress->terminal)
        fprintf(stderr, "\r\033[K%.*s", terminal_columns(), line);
    else
        fprintf(stderr, "%s\n", line);
}

void giro_progress_bar(struct giro_progress *progress, const char *what, uint64_t done,
                       uint64_t all, const char *more)
{
    enum { CELLS = 20 };
    GIRO_ASSERT(all > 0);
    if (done > all)
        done = all;
    struct giro_clock clock = giro_clock_system();
    uint64_t spent_ns = clock.mono_ns(clock.self) - progress->begun_ns;
    char bar[CELLS + 1] = "", left[32] = "";
    uint32_t full = (uint32_t)((unsigned __int128)done * CELLS / all);
    memset(bar, '.', CELLS);
    memset(bar, '#', full);
    if (done > 0 && done < all && spent_ns > GIRO_NS_PER_S)
        snprintf(
            left, sizeof(left), "  %lu s left",
            (unsigned long)((unsigned __int128)spent_ns * (all - done) / done / GIRO_NS_PER_S));
    giro_progress_show(progress, "%s [%s] %3lu %%%s%s%s", what, bar,
                       (unsigned long)((unsigned __int128)done * 100 / all), left,
                       more[0] == '\0' ? "" : "  ", more);
}

void giro_progress_end(struct giro_progress *progress)
{
    if (progress->terminal && progress->last_ns != 0)
        fprintf(stderr, "\r\033[K");
}

const char *giro_count_format(uint64_t value, char *text)
{
    char digits[24];
    int length = snprintf(digits, sizeof(digits), "%lu", (unsigned long)value);
    int out = 0;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            text[out++] = ',';
        text[out++] = digits[i];
    }
    text[out] = '\0';
    return text;
}
