#include <stdio.h>

#include "giro/sys.h"

void giro_diagnosis_set(struct giro_diagnosis *diagnosis, const char *detail, const char *hint,
                        const char *fact_format, ...)
{
    va_list arguments;
    va_start(arguments, fact_format);
    vsnprintf(diagnosis->fact, sizeof diagnosis->fact, fact_format, arguments);
    va_end(arguments);
    snprintf(diagnosis->detail, sizeof diagnosis->detail, "%s", detail != NULL ? detail : "");
    snprintf(diagnosis->hint, sizeof diagnosis->hint, "%s", hint != NULL ? hint : "");
}

void giro_diagnosis_print(const char *program, const struct giro_diagnosis *diagnosis)
{
    fprintf(stderr, "%s: %s\n", program, diagnosis->fact);
    if (diagnosis->detail[0] != '\0')
        fprintf(stderr, "  %s\n", diagnosis->detail);
    if (diagnosis->hint[0] != '\0')
        fprintf(stderr, "  hint: %s\n", diagnosis->hint);
}
