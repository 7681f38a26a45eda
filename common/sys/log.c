#include <stdio.h>
#include <unistd.h>

#include "giro/sys.h"

#define LINE_BYTES           1024
#define LINES_PER_SECOND_MAX 10

static enum giro_log_level level_max = GIRO_LOG_INFO;
static const char *process_name;

void giro_log_set_level(enum giro_log_level level)
{
    __atomic_store_n(&level_max, level, __ATOMIC_RELAXED);
}

void giro_log_set_name(const char *name)
{
    __atomic_store_n(&process_name, name, __ATOMIC_RELEASE);
}

/* site_open says whether this line may be written, and how many were left out since the last one.
 * Several threads may share a site: the counts are then approximate, which is good enough for a
 * limit. */
static bool site_open(struct giro_log_site *site, uint32_t *left_out)
{
    const struct giro_clock clock = giro_clock_system();
    /* +1, so that second 0 of the clock is not the zero of a fresh site. */
    const uint64_t window_s = clock.mono_ns(clock.self) / GIRO_NS_PER_S + 1;
    *left_out = 0;
    if (__atomic_exchange_n(&site->window_s, window_s, __ATOMIC_RELAXED) != window_s) {
        __atomic_store_n(&site->count, 0, __ATOMIC_RELAXED);
        *left_out = __atomic_exchange_n(&site->dropped, 0, __ATOMIC_RELAXED);
    }
    if (__atomic_fetch_add(&site->count, 1, __ATOMIC_RELAXED) < LINES_PER_SECOND_MAX)
        return true;
    __atomic_fetch_add(&site->dropped, 1, __ATOMIC_RELAXED);
    return false;
}

static void write_line(enum giro_log_level level, const char *module, const char *text)
{
    static const char *const level_names[] = {"ERROR", "WARN ", "INFO ", "DEBUG"};
    GIRO_ASSERT((size_t)level < sizeof level_names / sizeof level_names[0]);
    const struct giro_clock clock = giro_clock_system();
    char time[GIRO_TIME_TEXT_BYTES];
    giro_time_format(clock.wall_ns(clock.self), time);
    const char *name = __atomic_load_n(&process_name, __ATOMIC_ACQUIRE);
    char line[LINE_BYTES];
    const int length =
        snprintf(line, sizeof line - 1, "%.23sZ %s %s%s%s %s", time, level_names[level],
                 name != NULL ? name : "", name != NULL ? " " : "", module, text);
    GIRO_ASSERT(length > 0);
    size_t size = (size_t)length < sizeof line - 2 ? (size_t)length : sizeof line - 2;
    /* One event is one line, whatever bytes its text was made of. */
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)line[i] < ' ')
            line[i] = '?';
    }
    line[size++] = '\n';
    if (write(STDERR_FILENO, line, size) < 0)
        return; /* there is nowhere left to say so */
}

void giro_log_line(struct giro_log_site *site, enum giro_log_level level, const char *module,
                   const char *format, ...)
{
    if (level > __atomic_load_n(&level_max, __ATOMIC_RELAXED))
        return;
    uint32_t left_out;
    if (!site_open(site, &left_out))
        return;
    char text[LINE_BYTES];
    if (left_out > 0) {
        snprintf(text, sizeof text, "left out %u lines like the next one", left_out);
        write_line(level, module, text);
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    write_line(level, module, text);
}
