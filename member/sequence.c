#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "member/sender.h"

/* A channel's sequence numbers would last a million years at a million frames a second. A larger number is a damaged file. */
#define NEXT_MAX (UINT64_C(1) << 62)

struct counter {
    char path[600];
    int lock;
};

static enum giro_err fail_path(struct giro_diagnosis *diagnosis, const char *keys_dir)
{
    giro_diagnosis_set(diagnosis, "a path has at most 599 bytes", "choose a shorter one",
                       "the key directory \"%.100s...\" is too long", keys_dir);
    return GIRO_ERR_ARGUMENT;
}

/* Closing gives the lock back. */
static enum giro_err counter_lock(const char *keys_dir, const char *bic, uint16_t channel,
                                  struct counter *counter, struct giro_diagnosis *diagnosis)
{
    char path[600];
    int length = snprintf(path, sizeof(path), "%s/%s/channel-%u.lock", keys_dir, bic, channel);
    if (length < 0 || (size_t)length >= sizeof(path))
        return fail_path(diagnosis, keys_dir);
    snprintf(path, sizeof(path), "%s/%s", keys_dir, bic);
    GIRO_TRY(giro_dir_make(path));
    snprintf(path, sizeof(path), "%s/%s/channel-%u.lock", keys_dir, bic, channel);
    snprintf(counter->path, sizeof(counter->path), "%s/%s/channel-%u.next", keys_dir, bic, channel);
    counter->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (counter->lock >= 0 && flock(counter->lock, LOCK_EX) == 0)
        return GIRO_ERR_OK;
    giro_diagnosis_set(diagnosis, strerror(errno), giro_err_advice(GIRO_ERR_IO),
                       "\"%s\" cannot be locked", path);
    if (counter->lock >= 0)
        close(counter->lock);
    return GIRO_ERR_IO;
}

/* The number in the file, 0 if there is none yet. Anything but digits and a newline is refused: a number read wrongly
 * would sign other bytes under a used sequence. */
static enum giro_err counter_read(const struct counter *counter, uint64_t *next)
{
    char *bytes = NULL;
    size_t size = 0;
    *next = 0;
    enum giro_err err = giro_file_read(counter->path, 64, &bytes, &size);
    if (err == GIRO_ERR_NOENT)
        return GIRO_ERR_OK;
    if (err != GIRO_ERR_OK)
        return err;
    size_t digits = strspn(bytes, "0123456789");
    bool good = digits >= 1 && digits <= 19 && digits + 1 == size && bytes[digits] == '\n';
    *next = good ? strtoull(bytes, NULL, 10) : 0;
    free(bytes);
    return good && *next <= NEXT_MAX ? GIRO_ERR_OK : GIRO_ERR_FORMAT;
}

static enum giro_err counter_write(const struct counter *counter, uint64_t next)
{
    char text[32];
    int length = snprintf(text, sizeof(text), "%lu\n", (unsigned long)next);
    return giro_file_write(counter->path, 0600, text, (size_t)length);
}

static enum giro_err counter_done(const struct counter *counter, enum giro_err err,
                                  struct giro_diagnosis *diagnosis)
{
    close(counter->lock);
    if (err != GIRO_ERR_OK)
        giro_diagnosis_set(
            diagnosis, giro_err_sentence(err),
            err == GIRO_ERR_FORMAT
                ? "it must hold the next free sequence number of the channel and nothing else"
                : giro_err_advice(err),
            "\"%s\" cannot be used", counter->path);
    return err;
}

enum giro_err giro_sequence_reserve(const char *keys_dir, const char *bic, uint16_t channel,
                                    uint64_t count, uint64_t *first,
                                    struct giro_diagnosis *diagnosis)
{
    struct counter counter;
    GIRO_ASSERT(count <= NEXT_MAX);
    GIRO_TRY(counter_lock(keys_dir, bic, channel, &counter, diagnosis));
    enum giro_err err = counter_read(&counter, first);
    if (err == GIRO_ERR_OK)
        err = counter_write(&counter, *first + count);
    return counter_done(&counter, err, diagnosis);
}

enum giro_err giro_sequence_return(const char *keys_dir, const char *bic, uint16_t channel,
                                   uint64_t first, uint64_t next, struct giro_diagnosis *diagnosis)
{
    struct counter counter;
    uint64_t stored;
    GIRO_ASSERT(first <= next);
    GIRO_TRY(counter_lock(keys_dir, bic, channel, &counter, diagnosis));
    enum giro_err err = counter_read(&counter, &stored);
    if (err == GIRO_ERR_OK && stored == next)
        err = counter_write(&counter, first);
    return counter_done(&counter, err, diagnosis);
}
