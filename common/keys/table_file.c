#include "table_file.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#define VERSION       1u
#define TEMPORARY_END ".tmp"

static const char magic[8] = {'C', 'O', 'M', 'B', 'T', 'A', 'B', '1'};

/* Numbers in the machine's own order, as in the table: a file is never carried to another machine. */
struct header {
    char magic[8];
    uint32_t version, width;
    struct giro_public_key key;
    uint64_t table_bytes;
    uint64_t table_digest;  /* XXH3 */
    uint64_t header_digest; /* XXH3 of all before it */
    uint8_t zero[TABLE_HEADER_BYTES - 72];
};
static_assert(offsetof(struct header, key) == 16, "README.md has the offsets");
static_assert(offsetof(struct header, table_bytes) == 48, "README.md has the offsets");
static_assert(offsetof(struct header, header_digest) == 64, "README.md has the offsets");
static_assert(sizeof(struct header) == TABLE_HEADER_BYTES, "no padding");

uint64_t table_digest(const void *table, uint32_t width)
{
    return XXH3_64bits(table, giro_key_table_bytes(width));
}

static uint64_t header_digest(const struct header *header)
{
    return XXH3_64bits(header, offsetof(struct header, header_digest));
}

void table_name_text(const struct table_name *name, char text[TABLE_NAME_BYTES])
{
    char hex[2 * GIRO_KEY_BYTES + 1];
    giro_hex_format(name->key->bytes, GIRO_KEY_BYTES, hex);
    snprintf(text, TABLE_NAME_BYTES, "%s-%u.comb", hex, name->width);
}

/* ---- The directory ---- */

static enum giro_err dir_refuse(struct giro_diagnosis *diagnosis, const char *path,
                                const char *detail)
{
    giro_diagnosis_set(
        diagnosis, detail,
        "give girod a directory of its own user with mode 0700, or leave key_tables out",
        "the directory of key tables \"%s\" cannot be used", path);
    return GIRO_ERR_CONFIG;
}

enum giro_err table_dir_open(const char *path, struct table_dir *dir,
                             struct giro_diagnosis *diagnosis)
{
    *dir = (struct table_dir){.fd = -1, .path = path};
    if (access(path, F_OK) != 0) {
        enum giro_err err = giro_dir_make(path);
        if (err != GIRO_ERR_OK || chmod(path, 0700) != 0)
            return dir_refuse(diagnosis, path, "it cannot be made");
    }
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return dir_refuse(diagnosis, path, strerror(errno));
    struct stat status;
    const char *fault = NULL;
    if (fstat(fd, &status) != 0)
        fault = strerror(errno);
    else if (status.st_uid != geteuid())
        fault = "it belongs to another user, who could forge tables";
    else if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        fault = "group or others may write to it, and could forge tables";
    if (fault != NULL) {
        close(fd);
        return dir_refuse(diagnosis, path, fault);
    }
    dir->fd = fd;
    return GIRO_ERR_OK;
}

void table_dir_close(struct table_dir *dir)
{
    if (dir->fd >= 0)
        close(dir->fd);
    dir->fd = -1;
}

static void leftovers_remove(const struct table_dir *dir)
{
    const int fd = openat(dir->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = fd < 0 ? NULL : fdopendir(fd);
    if (list == NULL) {
        if (fd >= 0)
            close(fd);
        return; /* they cost room, nothing else */
    }
    for (const struct dirent *entry = readdir(list); entry != NULL; entry = readdir(list)) {
        const size_t length = strlen(entry->d_name), end = strlen(TEMPORARY_END);
        if (length > end && strcmp(entry->d_name + length - end, TEMPORARY_END) == 0)
            (void)unlinkat(dir->fd, entry->d_name, 0);
    }
    closedir(list);
}

bool table_dir_lock(struct table_dir *dir, uint32_t wait_ms)
{
    const uint32_t step_ms = 10;
    for (uint32_t waited_ms = 0;; waited_ms += step_ms) {
        if (flock(dir->fd, LOCK_EX | LOCK_NB) == 0)
            break;
        if (waited_ms >= wait_ms || (errno != EWOULDBLOCK && errno != EINTR))
            return false;
        const struct timespec pause = {.tv_nsec = step_ms * 1000000L};
        nanosleep(&pause, NULL);
    }
    leftovers_remove(dir);
    return true;
}

void table_dir_unlock(struct table_dir *dir)
{
    (void)flock(dir->fd, LOCK_UN);
}

/* ---- Loading ---- */

static size_t file_bytes(uint32_t width)
{
    return TABLE_HEADER_BYTES + giro_key_table_bytes(width);
}

/* What is wrong with an open file before its bytes are looked at; NULL: nothing. */
static const char *file_fault(int fd, uint32_t width)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return "cannot be examined";
    if (!S_ISREG(status.st_mode))
        return "is not a regular file";
    if (status.st_uid != geteuid())
        return "belongs to another user";
    if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return "may be used by group or others";
    if (status.st_size != (off_t)file_bytes(width))
        return status.st_size < (off_t)file_bytes(width) ? "is short" : "is too long";
    return NULL;
}

static bool is_zero(const uint8_t *bytes, size_t size_bytes)
{
    uint8_t any = 0;
    for (size_t i = 0; i < size_bytes; i++)
        any |= bytes[i];
    return any == 0;
}

/* What is wrong with a mapped file. */
static const char *content_fault(const struct header *header, const struct table_name *name,
                                 const void *table, const uint8_t seed[32])
{
    if (memcmp(header->magic, magic, sizeof(magic)) != 0 || header->version != VERSION)
        return "is not a table of this version";
    if (header->header_digest != header_digest(header) ||
        !is_zero(header->zero, sizeof(header->zero)))
        return "has a damaged header";
    if (header->width != name->width || header->table_bytes != giro_key_table_bytes(name->width) ||
        memcmp(&header->key, name->key, sizeof(header->key)) != 0)
        return "is the table of another key or width";
    if (header->table_digest != table_digest(table, name->width))
        return "is damaged";
    if (!giro_key_table_check(table, name->width, name->key, seed))
        return "holds other sums than libsodium's";
    return NULL;
}

enum table_found table_load(const struct table_dir *dir, const struct table_name *name,
                            const uint8_t seed[32], struct table_map *map, const char **reason)
{
    *map = (struct table_map){.mapping = NULL};
    char text[TABLE_NAME_BYTES];
    table_name_text(name, text);
    /* O_NONBLOCK: a pipe under that name must not hang the start. */
    const int fd = openat(dir->fd, text, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        *reason = "cannot be opened";
        return errno == ENOENT ? TABLE_ABSENT : TABLE_REFUSED;
    }
    *reason = file_fault(fd, name->width);
    void *mapping = MAP_FAILED;
    if (*reason == NULL) {
        mapping = mmap(NULL, file_bytes(name->width), PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
        if (mapping == MAP_FAILED)
            *reason = "cannot be mapped";
    }
    close(fd);
    if (*reason != NULL)
        return TABLE_REFUSED;
    const struct header *header = mapping;
    map->mapping = mapping;
    map->table = (const uint8_t *)mapping + TABLE_HEADER_BYTES;
    *reason = content_fault(header, name, map->table, seed);
    if (*reason != NULL) {
        table_unmap(map, name->width);
        return TABLE_REFUSED;
    }
    map->digest = header->table_digest;
    return TABLE_GOOD;
}

void table_unmap(struct table_map *map, uint32_t width)
{
    if (map->mapping == NULL)
        return;
    const int done = munmap((void *)(uintptr_t)map->mapping, file_bytes(width));
    GIRO_ASSERT(done == 0);
    *map = (struct table_map){.mapping = NULL};
}

/* ---- Storing ---- */

static int write_all(int fd, const void *bytes, size_t size_bytes)
{
    const uint8_t *at = bytes;
    while (size_bytes > 0) {
        const ssize_t written = write(fd, at, size_bytes);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return errno;
        at += written;
        size_bytes -= (size_t)written;
    }
    return 0;
}

static int temporary_write(const struct table_dir *dir, const char *temporary,
                           const struct table_name *name, const void *table)
{
    const int fd =
        openat(dir->fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return errno;
    struct header header = {.version = VERSION,
                            .width = name->width,
                            .key = *name->key,
                            .table_bytes = giro_key_table_bytes(name->width),
                            .table_digest = table_digest(table, name->width)};
    memcpy(header.magic, magic, sizeof(magic));
    header.header_digest = header_digest(&header);
    int number = fchmod(fd, 0600) == 0 ? write_all(fd, &header, sizeof(header)) : errno;
    if (number == 0)
        number = write_all(fd, table, giro_key_table_bytes(name->width));
    if (close(fd) != 0 && number == 0)
        number = errno;
    return number;
}

int table_store(const struct table_dir *dir, const struct table_name *name, const void *table,
                bool replace)
{
    char text[TABLE_NAME_BYTES], temporary[TABLE_NAME_BYTES + 32];
    table_name_text(name, text);
    snprintf(temporary, sizeof(temporary), "%s.%ld" TEMPORARY_END, text, (long)getpid());
    int number = temporary_write(dir, temporary, name, table);
    /* Replicas that start together without the lock map one file, not one each: a link does not replace. */
    bool renamed = false;
    if (number == 0 && !replace && linkat(dir->fd, temporary, dir->fd, text, 0) != 0 &&
        errno != EEXIST)
        replace = true; /* a file system without links */
    if (number == 0 && replace) {
        renamed = renameat(dir->fd, temporary, dir->fd, text) == 0;
        number = renamed ? 0 : errno;
    }
    if (!renamed)
        (void)unlinkat(dir->fd, temporary, 0);
    return number;
}
