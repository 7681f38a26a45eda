/* The files of K. Append-only; a death while writing leaves a rest that the next append cuts and a reader leaves out: its frames
 * never left. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "member/details.h"

#define PATH_BYTES 700u

struct giro_details_keys {
    struct giro_details_key *list; /* sorted by commitment */
    uint64_t count, room;
};

static enum giro_err fail_io(struct giro_diagnosis *diagnosis, const char *path)
{
    const enum giro_err err = errno == ENOSPC ? GIRO_ERR_NOSPACE : GIRO_ERR_IO;
    giro_diagnosis_set(diagnosis, strerror(errno), giro_err_advice(err),
                       "the file of details' keys \"%s\" cannot be used", path);
    return err;
}

static enum giro_err fail(struct giro_diagnosis *diagnosis, enum giro_err err, const char *path,
                          const char *detail)
{
    giro_diagnosis_set(diagnosis, detail, giro_err_advice(err),
                       "the file of details' keys \"%s\" cannot be used", path);
    return err;
}

static struct giro_details_keys_header header_make(const struct giro_genesis *genesis,
                                                   uint16_t member)
{
    return (struct giro_details_keys_header){.head = giro_head_make(GIRO_KIND_DETAILS_KEYS),
                                             .chain_id = genesis->chain_id,
                                             .member = member};
}

/* Is it this member's, and nobody else's to read? */
static enum giro_err file_check(int fd, const struct giro_genesis *genesis, uint16_t member,
                                const char *path, struct giro_diagnosis *diagnosis)
{
    const struct giro_details_keys_header expected = header_make(genesis, member);
    struct giro_details_keys_header found;
    struct stat info;
    if (fstat(fd, &info) != 0 || pread(fd, &found, sizeof(found), 0) != (ssize_t)sizeof(found))
        return fail(diagnosis, GIRO_ERR_FORMAT, path, "it is shorter than its header");
    if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return fail(diagnosis, GIRO_ERR_KEY, path, "group or others may use it: chmod 600 it");
    if (!giro_head_is(&found.head, GIRO_KIND_DETAILS_KEYS))
        return fail(diagnosis, GIRO_ERR_FORMAT, path, "it is no such file");
    if (memcmp(&found, &expected, sizeof(found)) != 0)
        return fail(diagnosis, GIRO_ERR_CHAIN, path, "it is another hub's or another member's");
    return GIRO_ERR_OK;
}

/* Under the file's lock. */
static enum giro_err append(int fd, const struct giro_genesis *genesis, uint16_t member,
                            const struct giro_details_key *keys, uint32_t count, const char *path,
                            struct giro_diagnosis *diagnosis)
{
    const struct giro_details_keys_header header = header_make(genesis, member);
    struct stat info;
    if (fstat(fd, &info) != 0)
        return fail_io(diagnosis, path);
    off_t end = info.st_size;
    if (end < (off_t)sizeof(header)) {
        if (giro_file_write_at(fd, &header, sizeof(header), 0) != GIRO_ERR_OK)
            return fail_io(diagnosis, path);
        end = sizeof(header);
    } else {
        GIRO_TRY(file_check(fd, genesis, member, path, diagnosis));
        end -= (end - (off_t)sizeof(header)) % (off_t)sizeof(*keys);
    }
    if (giro_file_write_at(fd, keys, count * sizeof(*keys), (uint64_t)end) != GIRO_ERR_OK ||
        fsync(fd) != 0)
        return fail_io(diagnosis, path);
    return GIRO_ERR_OK;
}

/* A new file's name must survive, too. */
static bool folder_sync(const char *folder)
{
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool good = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return good;
}

enum giro_err giro_details_keys_add(const char *keys_dir, const struct giro_genesis *genesis,
                                    uint16_t member, uint16_t date,
                                    const struct giro_details_key *keys, uint32_t count,
                                    struct giro_diagnosis *diagnosis)
{
    char folder[PATH_BYTES], path[PATH_BYTES + 32], day[11];
    giro_date_format(date, day);
    if ((size_t)snprintf(folder, sizeof(folder), "%s/%s", keys_dir, genesis->members[member].bic) >=
        sizeof(folder))
        return fail(diagnosis, GIRO_ERR_ARGUMENT, keys_dir, "its path is too long");
    snprintf(path, sizeof(path), "%s/details-%s.keys", folder, day);
    GIRO_TRY(giro_dir_make(folder));
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return fail_io(diagnosis, path);
    enum giro_err err = GIRO_ERR_OK;
    if (flock(fd, LOCK_EX) != 0 || !folder_sync(folder))
        err = fail_io(diagnosis, path);
    if (err == GIRO_ERR_OK)
        err = append(fd, genesis, member, keys, count, path, diagnosis);
    close(fd);
    return err;
}

/* ---- Reading ---- */

static enum giro_err file_load(struct giro_details_keys *keys, const char *path,
                               const struct giro_genesis *genesis, uint16_t member,
                               struct giro_diagnosis *diagnosis)
{
    struct stat info;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &info) != 0) {
        const enum giro_err err = fail_io(diagnosis, path);
        if (fd >= 0)
            close(fd);
        return err;
    }
    enum giro_err err = file_check(fd, genesis, member, path, diagnosis);
    const uint64_t body =
        err == GIRO_ERR_OK ? (uint64_t)info.st_size - sizeof(struct giro_details_keys_header) : 0;
    const uint64_t count = body / sizeof(*keys->list);
    if (err == GIRO_ERR_OK && keys->count + count > keys->room) {
        const uint64_t room = keys->count + count;
        /* Ends at a guard page, so begins aligned because keys are a multiple of 16 bytes. */
        struct giro_details_key *more = sodium_malloc(room * sizeof(*more));
        if (more == NULL) {
            err = GIRO_ERR_NOMEM;
        } else {
            if (keys->count > 0)
                memcpy(more, keys->list, keys->count * sizeof(*more));
            sodium_free(keys->list);
            keys->list = more;
            keys->room = room;
        }
    }
    if (err == GIRO_ERR_OK &&
        giro_file_read_at(fd, keys->list + keys->count, count * sizeof(*keys->list),
                          sizeof(struct giro_details_keys_header)) != GIRO_ERR_OK)
        err = fail_io(diagnosis, path);
    if (err == GIRO_ERR_OK)
        keys->count += count;
    close(fd);
    return err;
}

static int order(const void *a, const void *b)
{
    const struct giro_details_key *x = a, *y = b;
    return memcmp(&x->commitment, &y->commitment, sizeof(x->commitment));
}

/* details-YYYY-MM-DD.keys */
static int is_keys_file(const struct dirent *entry)
{
    uint16_t date;
    return strlen(entry->d_name) == 23 && strncmp(entry->d_name, "details-", 8) == 0 &&
           strcmp(entry->d_name + 18, ".keys") == 0 &&
           giro_date_parse(entry->d_name + 8, 10, &date);
}

enum giro_err giro_details_keys_load(const char *keys_dir, const struct giro_genesis *genesis,
                                     uint16_t member, struct giro_details_keys **keys_out,
                                     struct giro_diagnosis *diagnosis)
{
    char folder[PATH_BYTES];
    struct giro_details_keys *keys = calloc(1, sizeof(*keys));
    if (keys == NULL)
        return GIRO_ERR_NOMEM;
    snprintf(folder, sizeof(folder), "%s/%s", keys_dir, genesis->members[member].bic);
    struct dirent **names = NULL;
    const int count = scandir(folder, &names, is_keys_file, alphasort);
    enum giro_err err = GIRO_ERR_OK;
    for (int i = 0; i < count; i++) {
        char path[PATH_BYTES + 32];
        snprintf(path, sizeof(path), "%s/%.23s", folder, names[i]->d_name);
        if (err == GIRO_ERR_OK)
            err = file_load(keys, path, genesis, member, diagnosis);
        free(names[i]);
    }
    free(names);
    if (err != GIRO_ERR_OK) {
        giro_details_keys_free(keys);
        return err;
    }
    if (keys->count > 0)
        qsort(keys->list, keys->count, sizeof(*keys->list), order);
    *keys_out = keys;
    return GIRO_ERR_OK;
}

const uint8_t *giro_details_keys_find(const struct giro_details_keys *keys,
                                      const struct giro_hash *commitment)
{
    const struct giro_details_key wanted = {.commitment = *commitment};
    if (keys == NULL || keys->count == 0)
        return NULL;
    const struct giro_details_key *found =
        bsearch(&wanted, keys->list, keys->count, sizeof(*keys->list), order);
    return found == NULL ? NULL : found->key;
}

uint64_t giro_details_keys_count(const struct giro_details_keys *keys)
{
    return keys->count;
}

void giro_details_keys_free(struct giro_details_keys *keys)
{
    if (keys == NULL)
        return;
    sodium_free(keys->list);
    free(keys);
}
