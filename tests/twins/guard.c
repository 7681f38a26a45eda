#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include "twins/twins.h"

static jmp_buf after_assert;
static char assert_text[200];

static void on_assert(const char *condition, const char *file, int line)
{
    const char *const name = strrchr(file, '/');
    snprintf(assert_text, sizeof(assert_text), "assertion failed: %s (%s:%d)", condition,
             name != NULL ? name + 1 : file, line);
    longjmp(after_assert, 1);
}

void hub_guard(struct hub *hub, void (*run)(struct hub *hub, void *context), void *context)
{
    giro_assert_hook = on_assert;
    if (setjmp(after_assert) == 0)
        run(hub, context);
    else
        hub_fail(hub, "%s", assert_text);
    giro_assert_hook = NULL;
}
