#include <stdlib.h>
#include <unistd.h>

#include "giro/base.h"

static const struct {
    const char *name;
    const char *sentence;
    const char *advice;
} errs[] = {
#define GIRO_ERR_ROW(code, name, sentence, advice) [code] = {#name, sentence, advice},
    GIRO_ERR_MAP(GIRO_ERR_ROW)
#undef GIRO_ERR_ROW
};

static const size_t err_count = sizeof errs / sizeof errs[0];

static bool known(enum giro_err err)
{
    return (size_t)err < err_count && errs[err].name != NULL;
}

const char *giro_err_name(enum giro_err err)
{
    return known(err) ? errs[err].name : "UNKNOWN";
}

const char *giro_err_sentence(enum giro_err err)
{
    return known(err) ? errs[err].sentence : "an error without a name";
}

const char *giro_err_advice(enum giro_err err)
{
    return known(err) ? errs[err].advice : "see the message";
}

void (*giro_assert_hook)(const char *condition, const char *file, int line);

/* The last words of a dying process are the only output of this module, and go past stdio because
 * the failing code may hold its lock. */
static void say(const char *text)
{
    if (write(STDERR_FILENO, text, strlen(text)) < 0)
        return;
}

void giro_assert_fail(const char *condition, const char *file, int line)
{
    if (giro_assert_hook != NULL) {
        giro_assert_hook(condition, file, line);
        abort();
    }
    char digits[12];
    size_t at = sizeof digits - 1;
    digits[at] = '\0';
    unsigned rest = (unsigned)line;
    do {
        digits[--at] = (char)('0' + rest % 10u);
        rest /= 10u;
    } while (rest != 0);
    say(file);
    say(":");
    say(digits + at);
    say(": assertion failed: ");
    say(condition);
    say("\n");
    abort();
}
