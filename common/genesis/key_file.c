/* Key files. A secret and its text are only in locked memory that no core dump has, wiped after use; the file is never
 * readable by others, and never replaced. The hub's window secret alone is copied to memory of the caller's. */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"

#define SEED_BYTES      32u
#define SEED_TEXT_BYTES (2u * SEED_BYTES + 1u) /* hex digits and a newline */
#define PATH_BYTES      1024u

/* What a secret goes through between file and key; by sodium_malloc, so sodium_free wipes it. */
struct secret {
    uint8_t seed[SEED_BYTES];
    char text[SEED_TEXT_BYTES + 1]; /* one more than a good file has */
};

static enum giro_err errno_err(int number)
{
    switch (number) {
    case ENOENT:
        return GIRO_ERR_NOENT;
    case ENOSPC:
    case EDQUOT:
        return GIRO_ERR_NOSPACE;
    case ENOMEM:
        return GIRO_ERR_NOMEM;
    case EEXIST:
        return GIRO_ERR_EXISTS;
    default:
        return GIRO_ERR_IO;
    }
}

static enum giro_err fail(struct giro_diagnosis *diagnosis, enum giro_err err, const char *path,
                          const char *detail, const char *hint)
{
    if (diagnosis != NULL)
        giro_diagnosis_set(diagnosis, detail, hint, "key file \"%s\" cannot be used", path);
    return err;
}

static enum giro_err fail_errno(struct giro_diagnosis *diagnosis, int number, const char *path)
{
    enum giro_err err = errno_err(number);
    return fail(diagnosis, err, path, strerror(number), giro_err_advice(err));
}

/* ---- Reading ---- */

static enum giro_err seed_read(int fd, const char *path, struct secret *secret,
                               struct giro_diagnosis *diagnosis)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return fail_errno(diagnosis, errno, path);
    if (!S_ISREG(status.st_mode))
        return fail(diagnosis, GIRO_ERR_KEY, path, "it is not a regular file",
                    "check the key directory");
    if (status.st_uid != geteuid())
        return fail(diagnosis, GIRO_ERR_KEY, path, "it belongs to another user, who may read it",
                    "chown it to this user, and think whether the key has leaked");
    if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return fail(diagnosis, GIRO_ERR_KEY, path, "group or others may use it",
                    "chmod 600 it, and think whether the key has leaked");
    size_t used = 0;
    while (used < sizeof(secret->text)) {
        ssize_t got = read(fd, secret->text + used, sizeof(secret->text) - used);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_errno(diagnosis, errno, path);
        if (got == 0)
            break;
        used += (size_t)got;
    }
    if (used == SEED_TEXT_BYTES && secret->text[SEED_TEXT_BYTES - 1] == '\n' &&
        giro_hex_parse(secret->text, 2 * SEED_BYTES, secret->seed, SEED_BYTES))
        return GIRO_ERR_OK;
    return fail(diagnosis, GIRO_ERR_KEY, path, "it is not one line of 64 hex digits",
                "restore the file from its backup");
}

static enum giro_err seed_load(const char *path, struct secret *secret,
                               struct giro_diagnosis *diagnosis)
{
    /* O_NONBLOCK: a pipe under that name must not hang the start. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return fail_errno(diagnosis, errno, path);
    enum giro_err err = seed_read(fd, path, secret, diagnosis);
    close(fd);
    return err;
}

/* ---- Writing ---- */

static int write_all(int fd, const char *bytes, size_t size_bytes)
{
    while (size_bytes > 0) {
        ssize_t written = write(fd, bytes, size_bytes);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return errno;
        bytes += written;
        size_bytes -= (size_t)written;
    }
    return fsync(fd) == 0 ? 0 : errno;
}

static int folder_sync(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    int number = fsync(fd) == 0 ? 0 : errno;
    close(fd);
    return number;
}

/* Writes the seed under a name of its own and links it to `path`: whole or absent after a crash,
 * and EEXIST instead of replacing a key that somebody made meanwhile. Returns an errno, 0 when
 * durable. */
static int seed_create(const char *folder, const char *path, struct secret *secret)
{
    char temporary[PATH_BYTES + 32];
    snprintf(temporary, sizeof(temporary), "%s.%ld.tmp", path, (long)getpid());
    if (unlink(temporary) != 0 && errno != ENOENT)
        return errno;
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return errno;
    giro_hex_format(secret->seed, SEED_BYTES, secret->text);
    secret->text[SEED_TEXT_BYTES - 1] = '\n';
    int number = fchmod(fd, 0600) == 0 ? write_all(fd, secret->text, SEED_TEXT_BYTES) : errno;
    if (close(fd) != 0 && number == 0)
        number = errno;
    if (number == 0 && link(temporary, path) != 0)
        number = errno;
    unlink(temporary);
    return number != 0 ? number : folder_sync(folder);
}

/* ---- Keys ---- */

/* Loads the seed at `path`, or makes a fresh one there, durable, inside `folder`. */
static enum giro_err seed_make(const char *folder, const char *path, struct secret *secret,
                               struct giro_diagnosis *diagnosis)
{
    if (access(path, F_OK) == 0)
        return seed_load(path, secret, diagnosis);
    struct giro_secret_key *fresh = giro_key_generate();
    if (fresh == NULL)
        return fail_errno(diagnosis, ENOMEM, path);
    giro_key_seed(fresh, secret->seed);
    giro_key_free(fresh);
    int number = seed_create(folder, path, secret);
    if (number == 0)
        return GIRO_ERR_OK;
    if (number == EEXIST) /* another process was first: its key is the one */
        return seed_load(path, secret, diagnosis);
    return fail_errno(diagnosis, number, path);
}

/* The secret at `path`, made inside `folder` if that is not NULL and it is not there; as a key, or as it is. */
static enum giro_err secret_get(const char *folder, const char *path, struct giro_secret_key **key,
                                uint8_t bytes[SEED_BYTES], struct giro_diagnosis *diagnosis)
{
    struct secret *secret = sodium_malloc(sizeof(*secret));
    if (secret == NULL)
        return fail_errno(diagnosis, ENOMEM, path);
    enum giro_err err = folder != NULL ? seed_make(folder, path, secret, diagnosis)
                                       : seed_load(path, secret, diagnosis);
    if (err == GIRO_ERR_OK && bytes != NULL)
        memcpy(bytes, secret->seed, SEED_BYTES);
    if (err == GIRO_ERR_OK && key != NULL) {
        *key = giro_key_from_seed(secret->seed);
        if (*key == NULL)
            err = fail_errno(diagnosis, ENOMEM, path);
    }
    sodium_free(secret);
    return err;
}

static enum giro_err dir_make(const char *dir, struct giro_diagnosis *diagnosis)
{
    enum giro_err err = giro_dir_make(dir);
    if (err != GIRO_ERR_OK)
        return fail(diagnosis, err, dir, giro_err_sentence(err), giro_err_advice(err));
    return GIRO_ERR_OK;
}

static enum giro_err key_path(const char *dir, const char *owner, const char *role,
                              char folder[PATH_BYTES], char path[PATH_BYTES],
                              struct giro_diagnosis *diagnosis)
{
    if (!giro_genesis_owner_valid(owner) || !giro_genesis_owner_valid(role)) {
        if (diagnosis != NULL)
            giro_diagnosis_set(diagnosis, "it has 1 to 16 letters, digits, - or _",
                               "use a BIC, a replica's or an operator's name",
                               "\"%s\" and \"%s\" cannot name a key file", owner, role);
        return GIRO_ERR_ARGUMENT;
    }
    int written = snprintf(folder, PATH_BYTES, "%s/%s", dir, owner);
    int longer = snprintf(path, PATH_BYTES, "%s/%s/%s.key", dir, owner, role);
    if (written < 0 || longer < 0 || (size_t)longer >= PATH_BYTES)
        return fail(diagnosis, GIRO_ERR_ARGUMENT, dir, "its path is too long",
                    "use a shorter key directory");
    return GIRO_ERR_OK;
}

enum giro_err giro_key_file_load(const char *dir, const char *owner, const char *role,
                                 struct giro_secret_key **key, struct giro_diagnosis *diagnosis)
{
    char folder[PATH_BYTES], path[PATH_BYTES];
    *key = NULL;
    GIRO_TRY(key_path(dir, owner, role, folder, path, diagnosis));
    return secret_get(NULL, path, key, NULL, diagnosis);
}

enum giro_err giro_key_file_make(const char *dir, const char *owner, const char *role,
                                 struct giro_secret_key **key, struct giro_diagnosis *diagnosis)
{
    char folder[PATH_BYTES], path[PATH_BYTES];
    *key = NULL;
    GIRO_TRY(key_path(dir, owner, role, folder, path, diagnosis));
    GIRO_TRY(dir_make(dir, diagnosis));
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return fail_errno(diagnosis, errno, folder);
    return secret_get(folder, path, key, NULL, diagnosis);
}

/* ---- The hub's window secret ---- */

static enum giro_err secret_path(const char *dir, char path[PATH_BYTES],
                                 struct giro_diagnosis *diagnosis)
{
    int written = snprintf(path, PATH_BYTES, "%s/hub.secret", dir);
    if (written < 0 || (size_t)written >= PATH_BYTES)
        return fail(diagnosis, GIRO_ERR_ARGUMENT, dir, "its path is too long",
                    "use a shorter key directory");
    return GIRO_ERR_OK;
}

enum giro_err giro_hub_secret_load(const char *dir, const struct giro_hash *hash,
                                   uint8_t secret[32], struct giro_diagnosis *diagnosis)
{
    char path[PATH_BYTES];
    GIRO_TRY(secret_path(dir, path, diagnosis));
    GIRO_TRY(secret_get(NULL, path, NULL, secret, diagnosis));
    const struct giro_hash found = giro_sha256(secret, SEED_BYTES);
    if (hash == NULL || giro_hash_equal(hash, &found))
        return GIRO_ERR_OK;
    sodium_memzero(secret, SEED_BYTES);
    return fail(diagnosis, GIRO_ERR_KEY, path, "its SHA-256 is not the one the genesis file names",
                "copy hub.secret from where the genesis was made");
}

enum giro_err giro_hub_secret_make(const char *dir, uint8_t secret[32],
                                   struct giro_diagnosis *diagnosis)
{
    char path[PATH_BYTES];
    GIRO_TRY(secret_path(dir, path, diagnosis));
    GIRO_TRY(dir_make(dir, diagnosis));
    return secret_get(dir, path, NULL, secret, diagnosis);
}
