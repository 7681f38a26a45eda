#include "race/race.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <criterion/criterion.h>

#define THREADS_MAX 16u

static int true_stderr = -1, taken = -1;

static char *taken_read(void)
{
    struct stat info;
    if (fstat(taken, &info) != 0)
        return NULL;
    size_t size = (size_t)info.st_size;
    char *text = malloc(size + 1);
    if (text == NULL || pread(taken, text, size, 0) != (ssize_t)size) {
        free(text);
        return NULL;
    }
    text[size] = '\0';
    return text;
}

void race_stderr_take(void)
{
    char path[] = "/tmp/giro-race-stderr-XXXXXX";
    int made = mkstemp(path);
    cr_assert(made >= 0);
    close(made);
    taken = open(path, O_RDWR | O_APPEND |
                           O_CLOEXEC); /* lines of several threads must not overwrite each other */
    unlink(path);
    true_stderr = dup(STDERR_FILENO);
    cr_assert(taken >= 0 && true_stderr >= 0 && dup2(taken, STDERR_FILENO) >= 0);
}

char *race_stderr_give(void)
{
    cr_assert(dup2(true_stderr, STDERR_FILENO) >= 0);
    char *text = taken_read();
    close(taken);
    close(true_stderr);
    taken = true_stderr = -1;
    cr_assert(text != NULL);
    fputs(text, stderr);
    return text;
}

void race_fail(const char *file, int line, const char *condition, const char *format, ...)
{
    char text[512] = "";
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    char *lines = taken >= 0 ? taken_read() : NULL;
    dprintf(true_stderr >= 0 ? true_stderr : STDERR_FILENO, "%s%s:%d: does not hold: %s%s\n",
            lines != NULL ? lines : "", file, line, condition, text);
    _exit(1);
}

struct thread {
    pthread_t id;
    pthread_barrier_t *start;
    void (*work)(void *context, uint32_t thread);
    void *context;
    uint32_t number;
};

static void *thread_run(void *context)
{
    const struct thread *thread = context;
    pthread_barrier_wait(thread->start);
    thread->work(thread->context, thread->number);
    return NULL;
}

void race_run(uint32_t count, void (*work)(void *context, uint32_t thread), void *context)
{
    struct thread threads[THREADS_MAX];
    pthread_barrier_t start;
    cr_assert(count >= 1 && count <= THREADS_MAX && pthread_barrier_init(&start, NULL, count) == 0);
    for (uint32_t i = 0; i < count; i++) {
        threads[i] =
            (struct thread){.start = &start, .work = work, .context = context, .number = i};
        cr_assert(pthread_create(&threads[i].id, NULL, thread_run, &threads[i]) == 0);
    }
    for (uint32_t i = 0; i < count; i++)
        cr_assert(pthread_join(threads[i].id, NULL) == 0);
    pthread_barrier_destroy(&start);
}

void race_dir_make(char path[64])
{
    snprintf(path, 64, "/tmp/giro-race-XXXXXX");
    cr_assert(mkdtemp(path) != NULL);
}

void race_dir_remove(const char *path)
{
    char command[96];
    snprintf(command, sizeof(command), "rm -rf '%s'", path);
    cr_assert(system(command) == 0);
}

void race_sleep_ms(uint32_t ms)
{
    const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&pause, NULL);
}

uint64_t race_number(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);
    return text != NULL ? strtoull(text, NULL, 0) : otherwise;
}
