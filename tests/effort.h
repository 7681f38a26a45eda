/* tests/effort.h - how much a test does. GIRO_EFFORT multiplies the full size. Without it a test whose size buys verdicts rather
 * than paths does less under the sanitizers, where it runs several times slower; the dev build runs its full size (tests/README.md). */
#ifndef GIRO_TESTS_EFFORT_H
#define GIRO_TESTS_EFFORT_H

#include <stdint.h>
#include <stdlib.h>

static inline uint64_t effort_number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 0) : otherwise;
}

static inline uint64_t effort_size(uint64_t full, uint64_t sanitized)
{
#ifdef __SANITIZE_ADDRESS__
    const uint64_t size = getenv("GIRO_EFFORT") != NULL ? full : sanitized;
#else
    const uint64_t size = full;
    (void)sanitized;
#endif
    return size * effort_number("GIRO_EFFORT", 1);
}

#endif
