/* Mapped input, folders, and the one way a failure is told. */
#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum giro_err recon_fail(struct giro_diagnosis *diagnosis, enum giro_err err, const char *path,
                         const char *place_format, ...)
{
    char place[256];
    va_list arguments;
    va_start(arguments, place_format);
    vsnprintf(place, sizeof(place), place_format, arguments);
    va_end(arguments);
    giro_diagnosis_set(diagnosis, place, giro_err_advice(err), "\"%s\": %s", path,
                       giro_err_sentence(err));
    return err;
}

bool recon_path_join(char path[RECON_PATH_BYTES], const char *dir, const char *name)
{
    int length = snprintf(path, RECON_PATH_BYTES, "%s/%s", dir, name);
    return length > 0 && (size_t)length < RECON_PATH_BYTES;
}

static enum giro_err from_errno(void)
{
    switch (errno) {
    case ENOENT:
        return GIRO_ERR_NOENT;
    case ENOSPC:
        return GIRO_ERR_NOSPACE;
    case ENOMEM:
        return GIRO_ERR_NOMEM;
    default:
        return GIRO_ERR_IO;
    }
}

enum giro_err recon_map_open(const char *path, struct recon_map *map,
                             struct giro_diagnosis *diagnosis)
{
    *map = (struct recon_map){.bytes = NULL};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) != 0) {
        enum giro_err err = from_errno();
        const char *reason = strerror(errno);
        if (fd >= 0)
            close(fd);
        return recon_fail(diagnosis, err, path, "%s", reason);
    }
    map->size_bytes = (uint64_t)info.st_size;
    void *bytes = NULL;
    if (map->size_bytes > 0)
        bytes = mmap(NULL, map->size_bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (bytes == MAP_FAILED) {
        map->size_bytes = 0;
        return recon_fail(diagnosis, GIRO_ERR_IO, path, "it cannot be mapped");
    }
    map->bytes = bytes;
    return GIRO_ERR_OK;
}

void recon_map_close(struct recon_map *map)
{
    if (map->bytes != NULL)
        munmap((void *)(uintptr_t)map->bytes, map->size_bytes);
    *map = (struct recon_map){.bytes = NULL};
}

enum giro_err recon_sync_dir(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return from_errno();
    enum giro_err err = fsync(fd) == 0 ? GIRO_ERR_OK : from_errno();
    close(fd);
    return err;
}

void recon_names_free(char **names, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

static int names_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static enum giro_err names_add(char ***names, uint32_t *count, uint32_t *max, const char *name)
{
    if (*count == *max) {
        uint32_t more = *max == 0 ? 32 : *max * 2;
        char **larger = realloc(*names, more * sizeof(*larger));
        if (larger == NULL)
            return GIRO_ERR_NOMEM;
        *names = larger;
        *max = more;
    }
    (*names)[*count] = strdup(name);
    if ((*names)[*count] == NULL)
        return GIRO_ERR_NOMEM;
    (*count)++;
    return GIRO_ERR_OK;
}

enum giro_err recon_names(const char *path, char ***names, uint32_t *count)
{
    *names = NULL;
    *count = 0;
    DIR *dir = opendir(path);
    if (dir == NULL)
        return from_errno();
    uint32_t max = 0;
    enum giro_err err = GIRO_ERR_OK;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (entry == NULL) {
            err = errno == 0 ? GIRO_ERR_OK : from_errno();
            break;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        err = names_add(names, count, &max, entry->d_name);
        if (err != GIRO_ERR_OK)
            break;
    }
    closedir(dir);
    if (err != GIRO_ERR_OK) {
        recon_names_free(*names, *count);
        *names = NULL;
        *count = 0;
    } else if (*count > 1) {
        qsort(*names, *count, sizeof(**names), names_compare);
    }
    return err;
}

void recon_folder_remove(const char *path)
{
    char **names;
    uint32_t count;
    if (recon_names(path, &names, &count) != GIRO_ERR_OK)
        return;
    for (uint32_t i = 0; i < count; i++) {
        char file[RECON_PATH_BYTES];
        if (recon_path_join(file, path, names[i]))
            unlink(file);
    }
    recon_names_free(names, count);
    rmdir(path);
}
