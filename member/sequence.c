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
    struct giro_sequence_claim claim; /* kept through every change of the number */
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
    memset(&counter->claim, 0, sizeof(counter->claim));
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

/* A number of digits only, at *text; moves behind it and the character `end`. */
static bool number_read(const char **text, char end, uint64_t *value)
{
    size_t digits = strspn(*text, "0123456789");
    if (digits < 1 || digits > 19 || (*text)[digits] != end)
        return false;
    *value = strtoull(*text, NULL, 10);
    *text += digits + 1;
    return *value <= NEXT_MAX;
}

static bool claim_read(const char **text, struct giro_sequence_claim *claim)
{
    uint8_t bytes[8];
    if (!number_read(text, ' ', &claim->first) || !number_read(text, ' ', &claim->next) ||
        strlen(*text) < 17 || !giro_hex_parse(*text, 16, bytes, sizeof(bytes)) ||
        (*text)[16] != '\n')
        return false;
    *text += 17;
    memcpy(&claim->outbox, bytes, sizeof(bytes));
    return claim->outbox != 0 && claim->first <= claim->next;
}

/* The number in the file, 0 if there is none yet, and the claim behind it. Anything else is refused: a number read wrongly would
 * sign other bytes under a used sequence. */
static enum giro_err counter_read(struct counter *counter, uint64_t *next)
{
    char *bytes = NULL;
    size_t size = 0;
    *next = 0;
    enum giro_err err = giro_file_read(counter->path, 128, &bytes, &size);
    if (err == GIRO_ERR_NOENT)
        return GIRO_ERR_OK;
    if (err != GIRO_ERR_OK)
        return err;
    const char *text = bytes;
    bool good = number_read(&text, '\n', next);
    if (good && *text != '\0')
        good = claim_read(&text, &counter->claim) && counter->claim.next <= *next;
    good = good && (size_t)(text - bytes) == size;
    free(bytes);
    return good ? GIRO_ERR_OK : GIRO_ERR_FORMAT;
}

static enum giro_err counter_write(const struct counter *counter, uint64_t next)
{
    char text[128];
    int length = snprintf(text, sizeof(text), "%lu\n", (unsigned long)next);
    if (counter->claim.outbox != 0) {
        char id[17];
        giro_hex_format((const uint8_t *)&counter->claim.outbox, 8, id);
        length +=
            snprintf(text + length, sizeof(text) - (size_t)length, "%lu %lu %s\n",
                     (unsigned long)counter->claim.first, (unsigned long)counter->claim.next, id);
    }
    return giro_file_write(counter->path, 0600, text, (size_t)length);
}

static enum giro_err counter_done(const struct counter *counter, enum giro_err err,
                                  struct giro_diagnosis *diagnosis)
{
    close(counter->lock);
    if (err != GIRO_ERR_OK)
        giro_diagnosis_set(diagnosis, giro_err_sentence(err),
                           err == GIRO_ERR_FORMAT ? "it must hold the next free sequence number of "
                                                    "the channel, and an outbox's claim or nothing"
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

/* ---- Outboxes -------------------------------------------------------------------------------------- */

enum giro_err giro_sequence_claim(const char *keys_dir, const char *bic, uint16_t channel,
                                  uint64_t count, struct giro_sequence_claim *claim,
                                  struct giro_diagnosis *diagnosis)
{
    struct counter counter;
    uint64_t next;
    GIRO_ASSERT(claim->outbox != 0 && count >= 1 && count <= NEXT_MAX);
    GIRO_TRY(counter_lock(keys_dir, bic, channel, &counter, diagnosis));
    enum giro_err err = counter_read(&counter, &next);
    const struct giro_sequence_claim *held = &counter.claim;
    if (err == GIRO_ERR_OK && held->outbox != claim->outbox && held->first != held->next) {
        close(counter.lock);
        giro_diagnosis_set(diagnosis, "its sequences may be under way from there",
                           "open that outbox once and close it, or use another channel",
                           "channel %u of %s belongs to another outbox", channel, bic);
        return GIRO_ERR_STATE;
    }
    claim->first = next;
    claim->next = next + count;
    counter.claim = *claim;
    if (err == GIRO_ERR_OK)
        err = counter_write(&counter, claim->next);
    return counter_done(&counter, err, diagnosis);
}

enum giro_err giro_sequence_claimed(const char *keys_dir, const char *bic, uint16_t channel,
                                    struct giro_sequence_claim *claim,
                                    struct giro_diagnosis *diagnosis)
{
    struct counter counter;
    uint64_t next;
    GIRO_TRY(counter_lock(keys_dir, bic, channel, &counter, diagnosis));
    enum giro_err err = counter_read(&counter, &next);
    *claim = counter.claim;
    return counter_done(&counter, err, diagnosis);
}

enum giro_err giro_sequence_release(const char *keys_dir, const char *bic, uint16_t channel,
                                    const struct giro_sequence_claim *claim, bool *released,
                                    struct giro_diagnosis *diagnosis)
{
    struct counter counter;
    uint64_t next;
    *released = false;
    GIRO_TRY(counter_lock(keys_dir, bic, channel, &counter, diagnosis));
    enum giro_err err = counter_read(&counter, &next);
    bool own = counter.claim.outbox == claim->outbox && counter.claim.next == claim->next;
    bool top = next == claim->next;
    if (err == GIRO_ERR_OK && own && (top || claim->first == claim->next)) {
        counter.claim.first = counter.claim.next = claim->first;
        err = counter_write(&counter, top ? claim->first : next);
        *released = err == GIRO_ERR_OK;
    }
    return counter_done(&counter, err, diagnosis);
}
