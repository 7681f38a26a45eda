/* tests/race/race.h - what the race tests share. Each is a plain program: exit code 0 passed, 1 a wrong result, 66 the
 * thread sanitizer saw a race. Seeds and effort as everywhere: GIRO_SEED, GIRO_EFFORT. */
#ifndef TESTS_RACE_RACE_H
#define TESTS_RACE_RACE_H

#include <pthread.h>

#include "giro/base.h"

/* race_fail prints what did not hold and ends the program; from any thread. */
__attribute__((noreturn)) void race_fail(const char *file, int line, const char *condition,
                                         const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* race_run calls work(context, thread) in `count` threads at once and waits for all. */
void race_run(uint32_t count, void (*work)(void *context, uint32_t thread), void *context);

/* race_dir_make makes an empty folder; path holds 64 bytes. race_dir_remove removes it with all in it. */
void race_dir_make(char path[64]);
void race_dir_remove(const char *path);

/* race_stderr_take collects the lines of standard error until race_stderr_give, which prints and returns them (malloc'ed).
 * race_fail prints them, too. */
void race_stderr_take(void);
char *race_stderr_give(void);

void race_sleep_ms(uint32_t ms);
uint64_t race_number(const char *variable, uint64_t otherwise); /* of the environment */

#endif
