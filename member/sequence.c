#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "member/sender.h"

enum giro_err giro_sequence_reserve(const char *keys_dir, const char *bic, uint16_t channel,
                                    uint64_t count, uint64_t *first,
                                    struct giro_diagnosis *diagnosis)
{
    char lock_path[600], path[600], text[32];
    snprintf(lock_path, sizeof(lock_path), "%s/%s", keys_dir, bic);
    GIRO_TRY(giro_dir_make(lock_path));
    snprintf(lock_path, sizeof(lock_path), "%s/%s/channel-%u.lock", keys_dir, bic, channel);
    snprintf(path, sizeof(path), "%s/%s/channel-%u.next", keys_dir, bic, channel);
    int lock = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0 || flock(lock, LOCK_EX) != 0) {
        giro_diagnosis_set(diagnosis, strerror(errno), giro_err_advice(GIRO_ERR_IO),
                           "\"%s\" cannot be locked", lock_path);
        if (lock >= 0)
            close(lock);
        return GIRO_ERR_IO;
    }
    char *bytes = NULL;
    size_t size = 0;
    *first = 0;
    enum giro_err err = giro_file_read(path, 64, &bytes, &size);
    if (err == GIRO_ERR_OK) {
        char *end = NULL;
        *first = strtoull(bytes, &end, 10);
        if (end == bytes || (*end != '\n' && *end != '\0'))
            err = GIRO_ERR_FORMAT;
    } else if (err == GIRO_ERR_NOENT) {
        err = GIRO_ERR_OK;
    }
    free(bytes);
    if (err == GIRO_ERR_OK) {
        int length = snprintf(text, sizeof(text), "%lu\n", (unsigned long)(*first + count));
        err = giro_file_write(path, 0600, text, (size_t)length);
    }
    close(lock);
    if (err != GIRO_ERR_OK)
        giro_diagnosis_set(diagnosis, giro_err_sentence(err),
                           "it must hold the next free sequence number of the channel and nothing else",
                           "\"%s\" cannot be used", path);
    return err;
}
