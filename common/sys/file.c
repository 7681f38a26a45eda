#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys_internal.h"

#define READ_FIRST_BYTES 16384u

/* read_all reads fd to its end. It does not trust the size the file claims: files under /proc claim
 * 0. */
static enum giro_err read_all(int fd, size_t max_bytes, char **bytes, size_t *size_bytes)
{
    size_t room = READ_FIRST_BYTES;
    size_t used = 0;
    char *buffer = malloc(room + 1);
    if (buffer == NULL)
        return GIRO_ERR_NOMEM;
    for (;;) {
        if (used == room) {
            room *= 2;
            char *larger = realloc(buffer, room + 1);
            if (larger == NULL) {
                free(buffer);
                return GIRO_ERR_NOMEM;
            }
            buffer = larger;
        }
        const ssize_t got = read(fd, buffer + used, room - used);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 || used + (size_t)got > max_bytes) {
            const enum giro_err err = got < 0 ? giro_err_from_errno(errno) : GIRO_ERR_FORMAT;
            free(buffer);
            return err;
        }
        if (got == 0)
            break;
        used += (size_t)got;
    }
    buffer[used] = '\0';
    *bytes = buffer;
    *size_bytes = used;
    return GIRO_ERR_OK;
}

enum giro_err giro_file_read(const char *path, size_t max_bytes, char **bytes, size_t *size_bytes)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return giro_err_from_errno(errno);
    const enum giro_err err = read_all(fd, max_bytes, bytes, size_bytes);
    close(fd);
    return err;
}

enum giro_err giro_file_write_at(int fd, const void *bytes, size_t size_bytes, uint64_t offset)
{
    const uint8_t *at = bytes;
    while (size_bytes > 0) {
        const ssize_t done = pwrite(fd, at, size_bytes, (off_t)offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return done < 0 && errno == ENOSPC ? GIRO_ERR_NOSPACE : GIRO_ERR_IO;
        at += done;
        offset += (uint64_t)done;
        size_bytes -= (size_t)done;
    }
    return GIRO_ERR_OK;
}

enum giro_err giro_file_read_at(int fd, void *bytes, size_t size_bytes, uint64_t offset)
{
    uint8_t *at = bytes;
    while (size_bytes > 0) {
        const ssize_t done = pread(fd, at, size_bytes, (off_t)offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return done < 0 ? GIRO_ERR_IO : GIRO_ERR_NOENT;
        at += done;
        offset += (uint64_t)done;
        size_bytes -= (size_t)done;
    }
    return GIRO_ERR_OK;
}

static enum giro_err sync_parent(const char *path)
{
    char parent[PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        strcpy(parent, ".");
    else
        snprintf(parent, sizeof parent, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    const int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return giro_err_from_errno(errno);
    const enum giro_err err = fsync(fd) == 0 ? GIRO_ERR_OK : giro_err_from_errno(errno);
    close(fd);
    return err;
}

static enum giro_err write_and_sync(int fd, const char *bytes, size_t size_bytes)
{
    while (size_bytes > 0) {
        const ssize_t put = write(fd, bytes, size_bytes);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return giro_err_from_errno(errno);
        bytes += put;
        size_bytes -= (size_t)put;
    }
    return fsync(fd) == 0 ? GIRO_ERR_OK : giro_err_from_errno(errno);
}

enum giro_err giro_file_write(const char *path, uint32_t mode, const void *bytes, size_t size_bytes)
{
    char temporary[PATH_MAX];
    const int length = snprintf(temporary, sizeof temporary, "%s.tmp", path);
    if (length < 0 || (size_t)length >= sizeof temporary)
        return GIRO_ERR_ARGUMENT;
    /* A file left by an earlier death is removed first: its mode may be another one. */
    if (unlink(temporary) != 0 && errno != ENOENT)
        return giro_err_from_errno(errno);
    const int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, (mode_t)mode);
    if (fd < 0)
        return giro_err_from_errno(errno);
    enum giro_err err = write_and_sync(fd, bytes, size_bytes);
    if (close(fd) != 0 && err == GIRO_ERR_OK)
        err = giro_err_from_errno(errno);
    if (err == GIRO_ERR_OK && rename(temporary, path) != 0)
        err = giro_err_from_errno(errno);
    if (err != GIRO_ERR_OK) {
        unlink(temporary);
        return err;
    }
    return sync_parent(path);
}

static enum giro_err make_one(const char *path)
{
    if (mkdir(path, 0755) == 0)
        return GIRO_ERR_OK;
    if (errno != EEXIST)
        return giro_err_from_errno(errno);
    struct stat status;
    if (stat(path, &status) != 0)
        return giro_err_from_errno(errno);
    return S_ISDIR(status.st_mode) ? GIRO_ERR_OK : GIRO_ERR_EXISTS;
}

enum giro_err giro_dir_make(const char *path)
{
    char part[PATH_MAX];
    const size_t length = strlen(path);
    if (length == 0 || length >= sizeof part)
        return GIRO_ERR_ARGUMENT;
    memcpy(part, path, length + 1);
    for (size_t i = 1; i < length; i++) {
        if (part[i] != '/' || part[i - 1] == '/')
            continue;
        part[i] = '\0';
        GIRO_TRY(make_one(part));
        part[i] = '/';
    }
    return make_one(part);
}
