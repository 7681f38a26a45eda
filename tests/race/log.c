/* Log lines from several threads at once: every line is whole and comes once, while name and level change. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "giro/sys.h"

#define THREADS        4u
#define LINES          400u
#define LINES_PER_SITE 8u /* fewer than a site lets through in a second */
#define LONG_BYTES     3000u

static struct giro_log_site sites[THREADS][LINES / LINES_PER_SITE];
static struct giro_log_site shared;

static void work(void *context, uint32_t thread)
{
    (void)context;
    char *longer = malloc(LONG_BYTES);
    cr_assert(longer != NULL);
    memset(longer, 'x', LONG_BYTES - 1);
    longer[LONG_BYTES - 1] = '\0';
    for (uint32_t i = 0; i < LINES; i++) {
        giro_log_line(&sites[thread][i / LINES_PER_SITE], GIRO_LOG_INFO, "race",
                      "thread=%u line=%u end", thread, i);
        giro_log_line(&shared, GIRO_LOG_WARN, "shared", "thread=%u %s", thread, longer);
        giro_log_line(&shared, GIRO_LOG_DEBUG, "silent", "thread=%u", thread);
        giro_log_set_name(i % 2 == 0 ? "replica-0" : "replica-1");
        giro_log_set_level(GIRO_LOG_INFO);
    }
    free(longer);
}

/* Everything from the level on; NULL if what stands before it is not a time. */
static const char *behind_time(const char *line, size_t length)
{
    static const char form[] = "0000-00-00T00:00:00.000Z ";
    if (length < sizeof(form) - 1)
        return NULL;
    for (uint32_t i = 0; i < sizeof(form) - 1; i++) {
        bool digit = line[i] >= '0' && line[i] <= '9';
        if (form[i] == '0' ? !digit : line[i] != form[i])
            return NULL;
    }
    return line + sizeof(form) - 1;
}

static void line_check(const char *line, size_t length, uint32_t *shared_count)
{
    static bool seen[THREADS][LINES];
    const char *text = behind_time(line, length);
    cr_assert(text != NULL, "%.*s", (int)length, line);
    static const char *const starts[] = {
        "INFO  replica-0 race thread=", "INFO  replica-1 race thread=", "WARN  replica-0 shared ",
        "WARN  replica-1 shared "};
    uint32_t start = 0;
    while (start < 4 && strncmp(text, starts[start], strlen(starts[start])) != 0)
        start++;
    cr_assert(start < 4, "%.*s", (int)length, line);
    if (start >= 2) {
        cr_assert(length <= 1024);
        ++*shared_count;
        return;
    }
    char *end;
    unsigned long thread = strtoul(text + strlen(starts[start]), &end, 10);
    cr_assert(strncmp(end, " line=", 6) == 0, "%.*s", (int)length, line);
    unsigned long number = strtoul(end + 6, &end, 10);
    cr_assert(strncmp(end, " end\n", 5) == 0, "%.*s", (int)length, line);
    cr_assert(thread < THREADS && number < LINES && !seen[thread][number], "%.*s", (int)length,
              line);
    seen[thread][number] = true;
}

int main(void)
{
    giro_log_set_name("replica-0");
    race_stderr_take();
    race_run(THREADS, work, NULL);
    char *text = race_stderr_give();
    uint32_t count = 0, shared_count = 0;
    for (const char *line = text; *line != '\0'; count++) {
        const char *end = strchr(line, '\n');
        cr_assert(end != NULL, "the last line is cut off");
        line_check(line, (size_t)(end - line), &shared_count);
        line = end + 1;
    }
    free(text);
    cr_assert(count - shared_count == THREADS * LINES, "%u lines", count - shared_count);
    /* The limit of a site is 10 lines a second, and it may be wrong by a few when threads meet at a second's turn. */
    cr_assert(shared_count >= 10 && shared_count < THREADS * LINES / 2, "%u", shared_count);
    return 0;
}
