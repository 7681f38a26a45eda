#include "apps/giro/watch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "apps/giro/watch_gaps.h"

#define FILE_BYTES_MAX (1u << 30)
#define NAME_BYTES     256u
#define WRITER_WAIT_MS                                                                             \
    1000 /* a file that is still being written is looked at again after so long */

/* A set of file names. */
struct names {
    char **names;
    size_t count, room;
};

struct watch {
    const struct giro_watch_options *options;
    struct giro_diagnosis diagnosis;
    int lock, inotify;
    uint64_t claim;
    char taken[600], work[600];
    struct names in_place; /* created in the folder: not whole before somebody renames them */
    bool writers;          /* a file was left because somebody writes it */
    bool any_failed;
};

enum verdict {
    GOES_ON,
    STOPS,  /* a signal */
    CANNOT, /* diagnosis tells, or was printed */
};

static size_t names_find(const struct names *names, const char *name)
{
    size_t at = 0;
    while (at < names->count && strcmp(names->names[at], name) != 0)
        at++;
    return at;
}

static bool names_has(const struct names *names, const char *name)
{
    return names_find(names, name) < names->count;
}

static void names_remove(struct names *names, const char *name)
{
    size_t at = names_find(names, name);
    if (at == names->count)
        return;
    free(names->names[at]);
    names->names[at] = names->names[--names->count];
}

static bool names_add(struct names *names, const char *name)
{
    if (names_has(names, name))
        return true;
    if (names->count == names->room) {
        size_t room = names->room == 0 ? 64 : names->room * 2;
        char **larger = realloc(names->names, room * sizeof(*larger));
        if (larger == NULL)
            return false;
        names->names = larger;
        names->room = room;
    }
    names->names[names->count] = strdup(name);
    return names->names[names->count] != NULL && ++names->count > 0;
}

static void names_free(struct names *names)
{
    while (names->count > 0)
        free(names->names[--names->count]);
    free(names->names);
}

static enum giro_err fail(struct watch *watch, const char *what, const char *path)
{
    enum giro_err err = errno == ENOSPC ? GIRO_ERR_NOSPACE : GIRO_ERR_IO;
    giro_diagnosis_set(&watch->diagnosis, strerror(errno), giro_err_advice(err),
                       "\"%s\" cannot be %s", path, what);
    return err;
}

static bool path_make(char *path, size_t path_bytes, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int length = vsnprintf(path, path_bytes, format, list);
    va_end(list);
    return length > 0 && (size_t)length < path_bytes;
}

static enum giro_err dir_sync(struct watch *watch, const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = fd >= 0 && fsync(fd) == 0;
    enum giro_err err = good ? GIRO_ERR_OK : fail(watch, "made durable", path);
    if (fd >= 0)
        close(fd);
    return err;
}

/* ---- Opening ------------------------------------------------------------------------------------------ */

/* The folder's own number, made once. */
static enum giro_err claim_load(struct watch *watch)
{
    char path[700], text[18] = "", *bytes = NULL;
    size_t size = 0;
    snprintf(path, sizeof(path), "%s/id", watch->work);
    enum giro_err err = giro_file_read(path, 64, &bytes, &size);
    if (err == GIRO_ERR_NOENT) {
        randombytes_buf(&watch->claim, sizeof(watch->claim));
        watch->claim |= 1; /* never 0 */
        giro_hex_format((const uint8_t *)&watch->claim, sizeof(watch->claim), text);
        text[16] = '\n';
        err = giro_file_write(path, 0600, text, 17);
    } else if (err == GIRO_ERR_OK &&
               (size != 17 ||
                !giro_hex_parse(bytes, 16, (uint8_t *)&watch->claim, sizeof(watch->claim)) ||
                watch->claim == 0)) {
        err = GIRO_ERR_FORMAT;
    }
    free(bytes);
    if (err != GIRO_ERR_OK)
        giro_diagnosis_set(&watch->diagnosis, giro_err_sentence(err), giro_err_advice(err),
                           "\"%s\" cannot be used", path);
    return err;
}

static enum giro_err open_folder(struct watch *watch)
{
    const char *dir = watch->options->dir;
    char path[700];
    static const char *const names[] = {".giro", ".giro/taken", "done", "failed"};
    if (!path_make(watch->work, sizeof(watch->work), "%s/.giro", dir) ||
        !path_make(watch->taken, sizeof(watch->taken), "%s/.giro/taken", dir)) {
        giro_diagnosis_set(&watch->diagnosis, "", "choose a shorter one",
                           "\"%.80s...\" is too long", dir);
        return GIRO_ERR_ARGUMENT;
    }
    for (uint32_t i = 0; i < 4; i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        if (mkdir(path, 0700) != 0 && errno != EEXIST) /* payments are nobody else's business */
            return fail(watch, "made", path);
    }
    snprintf(path, sizeof(path), "%s/lock", watch->work);
    watch->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (watch->lock < 0)
        return fail(watch, "opened", path);
    if (flock(watch->lock, LOCK_EX | LOCK_NB) != 0) {
        giro_diagnosis_set(&watch->diagnosis, "", "one process sends the files of a folder",
                           "another process watches \"%s\"", dir);
        return GIRO_ERR_LOCKED;
    }
    GIRO_TRY(claim_load(watch));
    watch->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (watch->inotify < 0 ||
        inotify_add_watch(watch->inotify, dir,
                          IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CLOSE_WRITE |
                              IN_ONLYDIR | IN_EXCL_UNLINK) < 0)
        return fail(watch, "watched", dir);
    return GIRO_ERR_OK;
}

/* ---- Results -------------------------------------------------------------------------------------------- */

/* What a finished send leaves: who, when, and the figures or what was wrong. */
static json_t *result_make(const char *name, const char *hash, const char *result, json_t *figures)
{
    const struct giro_failure *failure = giro_last_failure();
    struct giro_clock clock = giro_clock_system();
    char time[GIRO_TIME_TEXT_BYTES];
    giro_time_format(clock.wall_ns(clock.self), time);
    json_t *json = json_pack("{s:s, s:s, s:s, s:s}", "file", name, "sha256", hash, "result", result,
                             "time", time);
    if (strcmp(result, "done") != 0 && failure->diagnosis.fact[0] != '\0')
        json_object_set_new(json, "error",
                            json_pack("{s:s, s:s, s:s}", "fact", failure->diagnosis.fact, "detail",
                                      failure->diagnosis.detail, "hint", failure->diagnosis.hint));
    if (figures != NULL)
        json_object_set(json, "figures", figures);
    return json;
}

static enum giro_err result_write(struct watch *watch, const char *path, const json_t *json)
{
    char *text = json_dumps(json, JSON_INDENT(2));
    enum giro_err err =
        text == NULL ? GIRO_ERR_NOMEM : giro_file_write(path, 0600, text, strlen(text));
    free(text);
    if (err != GIRO_ERR_OK)
        giro_diagnosis_set(&watch->diagnosis, giro_err_sentence(err), giro_err_advice(err),
                           "\"%s\" cannot be written", path);
    return err;
}

static void result_say(const char *to, const char *name, const json_t *json)
{
    const json_t *figures = json_object_get(json, "figures");
    const char *status, *time = json_string_value(json_object_get(json, "time"));
    const json_t *count;
    const char *fact = json_string_value(json_object_get(json_object_get(json, "error"), "fact"));
    char text[32];
    printf("%.19sZ  %s: %s", time, name, to);
    json_object_foreach((json_t *)json_object_get(figures, "statuses"), status, count)
        printf("  %s %s", giro_count_format((uint64_t)json_integer_value(count), text), status);
    printf("%s%s\n", fact == NULL ? "" : "  ", fact == NULL ? "" : fact);
    (void)fflush(stdout);
}

/* Moves the file to where it belongs, with its result beside it: the result first, so that whoever finds the file finds both. */
static enum giro_err put_away(struct watch *watch, const char *to, const char *name,
                              const json_t *json)
{
    char from[900], path[1000], result[1100], dir[700];
    struct stat info;
    snprintf(from, sizeof(from), "%s/%s", watch->taken, name);
    snprintf(dir, sizeof(dir), "%s/%s", watch->options->dir, to);
    if (stat(from, &info) != 0)
        return GIRO_ERR_OK; /* somebody took it away */
    for (uint32_t i = 1;; i++) {
        if (!path_make(path, sizeof(path), i == 1 ? "%s/%s" : "%s/%s.%u", dir, name, i)) {
            errno = ENAMETOOLONG;
            return fail(watch, "moved", from);
        }
        if (lstat(path, &info) == 0)
            continue;
        snprintf(result, sizeof(result), "%s.result.json", path);
        GIRO_TRY(result_write(watch, result, json));
        if (renameat2(AT_FDCWD, from, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
            break;
        if (errno != EEXIST)
            return fail(watch, "moved", from);
    }
    GIRO_TRY(dir_sync(watch, dir));
    result_say(to, name, json);
    watch->any_failed = watch->any_failed || strcmp(to, "failed") == 0;
    return GIRO_ERR_OK;
}

/* ---- One file -------------------------------------------------------------------------------------------- */

struct job {
    const char *name;
    char hash[65];
    char file[900], spool[700], figures[700], result[700];
};

static enum giro_err job_make(struct watch *watch, const char *name, struct job *job)
{
    char *bytes = NULL;
    size_t size = 0;
    job->name = name;
    snprintf(job->file, sizeof(job->file), "%s/%s", watch->taken, name);
    enum giro_err err = giro_file_read(job->file, FILE_BYTES_MAX, &bytes, &size);
    if (err != GIRO_ERR_OK) {
        giro_diagnosis_set(&watch->diagnosis, giro_err_sentence(err), giro_err_advice(err),
                           "\"%s\" cannot be read", job->file);
        return err;
    }
    struct giro_hash hash = giro_sha256(bytes, size);
    free(bytes);
    giro_hex_format(hash.bytes, sizeof(hash.bytes), job->hash);
    snprintf(job->spool, sizeof(job->spool), "%s/%s.spool", watch->work, job->hash);
    snprintf(job->figures, sizeof(job->figures), "%s/%s.figures", watch->work, job->hash);
    snprintf(job->result, sizeof(job->result), "%s/%s.json", watch->work, job->hash);
    return GIRO_ERR_OK;
}

/* Faults that have nothing to do with the file: the next start finds it where it is. */
static bool is_ours(enum giro_err err)
{
    static const enum giro_err ours[] = {GIRO_ERR_IO,     GIRO_ERR_NOSPACE,  GIRO_ERR_NOMEM,
                                         GIRO_ERR_STATE,  GIRO_ERR_ARGUMENT, GIRO_ERR_NETWORK,
                                         GIRO_ERR_CONFIG, GIRO_ERR_CHAIN,    GIRO_ERR_LOCKED};
    for (uint32_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        if (err == ours[i])
            return true;
    return false;
}

static enum verdict cannot(struct watch *watch, enum giro_err err)
{
    giro_fail("send", err, &watch->diagnosis);
    return CANNOT;
}

/* A result is known: it is kept first, and the spool goes last. */
static enum verdict finish(struct watch *watch, const struct job *job, json_t *json)
{
    const char *result = json_string_value(json_object_get(json, "result"));
    bool done = result != NULL && strcmp(result, "done") == 0;
    enum giro_err err = result_write(watch, job->result, json);
    if (err == GIRO_ERR_OK)
        err = put_away(watch, done ? "done" : "failed", job->name, json);
    json_decref(json);
    if (err != GIRO_ERR_OK)
        return cannot(watch, err);
    (void)unlink(job->spool);
    (void)unlink(job->figures);
    return GOES_ON;
}

static enum verdict not_sent(struct watch *watch, const struct job *job, const char *result)
{
    json_t *json = result_make(job->name, job->hash, result, NULL);
    enum giro_err err = put_away(watch, "failed", job->name, json);
    json_decref(json);
    return err == GIRO_ERR_OK ? GOES_ON : cannot(watch, err);
}

/* Content that was sent before, under whatever name. */
static enum verdict duplicate(struct watch *watch, const struct job *job)
{
    struct giro_diagnosis diagnosis = {.fact = ""};
    json_t *before = json_load_file(job->result, 0, NULL);
    const char *name = json_string_value(json_object_get(before, "file"));
    const char *time = json_string_value(json_object_get(before, "time"));
    giro_diagnosis_set(&diagnosis, "a file of the same content is sent once",
                       "give each payment its UETR, or change a byte, if these are others",
                       "sent before as \"%s\", finished %.19s", name == NULL ? "?" : name,
                       time == NULL ? "?" : time);
    json_decref(before);
    giro_failure_note(GIRO_ERR_EXISTS, &diagnosis);
    return not_sent(watch, job, "duplicate");
}

/* What the figures of a send say: 1 every frame took effect, 0 some did not, -1 it is not finished. Frames of a spool taken up
 * again that are so old that the hub forgot their outcome had it before. */
static int figures_judge(const json_t *figures, bool resumed)
{
    const json_t *unfinished = json_object_get(figures, "unfinished");
    json_int_t failed = json_integer_value(json_object_get(figures, "frames_failed"));
    json_int_t old =
        json_integer_value(json_object_get(json_object_get(figures, "outcomes"), "OLD"));
    if (!json_is_integer(unfinished) || json_integer_value(unfinished) != 0)
        return -1;
    return failed == 0 || (resumed && failed == old);
}

static enum verdict send(struct watch *watch, const struct job *job)
{
    struct giro_watch_file file = {
        .payments = job->file, .spool = job->spool, .json = job->figures, .claim = watch->claim};
    bool resumed = access(job->spool, F_OK) == 0;
    json_t *figures = resumed ? json_load_file(job->figures, 0, NULL) : NULL;
    int code = GIRO_EXIT_OK, judged = figures_judge(figures, true);
    if (judged < 0) {
        file.payments = resumed ? NULL : job->file;
        giro_failure_note(GIRO_ERR_OK, NULL);
        code = watch->options->send(watch->options->context, &file);
        json_decref(figures);
        figures = json_load_file(job->figures, 0, NULL);
        judged = figures_judge(figures, resumed);
    }
    if (code != GIRO_EXIT_OK && access(job->spool, F_OK) != 0) {
        json_decref(figures);
        return is_ours(giro_last_failure()->err) ? CANNOT : not_sent(watch, job, "failed");
    }
    json_t *json =
        judged < 0 ? NULL
                   : result_make(job->name, job->hash, judged == 1 ? "done" : "failed", figures);
    json_decref(figures);
    if (json != NULL)
        return finish(watch, job, json);
    return giro_stop_requested() ? STOPS : CANNOT;
}

/* A file in taken: from wherever an earlier process left it. */
static enum verdict take_up(struct watch *watch, const char *name)
{
    struct job job;
    enum giro_err err = job_make(watch, name, &job);
    if (err != GIRO_ERR_OK && (is_ours(err) || err == GIRO_ERR_NOENT))
        return err == GIRO_ERR_NOENT ? GOES_ON : cannot(watch, err);
    if (err != GIRO_ERR_OK) { /* larger than we read */
        giro_failure_note(err, &watch->diagnosis);
        snprintf(job.hash, sizeof(job.hash), "unknown");
        return not_sent(watch, &job, "failed");
    }
    bool spooled = access(job.spool, F_OK) == 0, known = access(job.result, F_OK) == 0;
    if (known && !spooled)
        return duplicate(watch, &job);
    if (!known)
        return send(watch, &job);
    json_t *json = json_load_file(job.result, 0, NULL);
    return finish(watch, &job, json != NULL ? json : result_make(name, job.hash, "done", NULL));
}

/* ---- The folder ------------------------------------------------------------------------------------------- */

/* Has somebody this file open for writing? A lease for reading is given only if not. */
static bool is_being_written(int fd)
{
    if (fcntl(fd, F_SETLEASE, F_RDLCK) != 0)
        return errno == EAGAIN; /* other errors: this file system or user cannot tell */
    (void)fcntl(fd, F_SETLEASE, F_UNLCK);
    return false;
}

/* Renames a file out of the folder: from then on it is ours. */
static bool take(struct watch *watch, const char *name)
{
    char from[900], to[900];
    struct stat info;
    if (name[0] == '.' || strlen(name) >= NAME_BYTES - 16 || names_has(&watch->in_place, name))
        return false;
    snprintf(from, sizeof(from), "%s/%s", watch->options->dir, name);
    snprintf(to, sizeof(to), "%s/%s", watch->taken, name);
    int fd = open(from, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    bool usable = fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
    bool written = usable && is_being_written(fd);
    if (fd >= 0)
        close(fd);
    watch->writers = watch->writers || written;
    return usable && !written && renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0;
}

static enum verdict each(struct watch *watch, const char *dir, bool taken)
{
    struct dirent **names = NULL;
    int count = scandir(dir, &names, NULL, alphasort);
    if (count < 0)
        return cannot(watch, fail(watch, "read", dir));
    enum verdict verdict = GOES_ON;
    for (int i = 0; i < count; i++) {
        const char *name = names[i]->d_name;
        if (verdict == GOES_ON && giro_stop_requested())
            verdict = STOPS;
        if (verdict == GOES_ON && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
            (taken || take(watch, name)))
            verdict = take_up(watch, name);
        free(names[i]);
    }
    free(names);
    return verdict;
}

/* Spools whose file is gone, and skips that close gaps: what they hold may have been sent in part. */
static enum verdict orphans_send(struct watch *watch)
{
    struct dirent **names = NULL;
    int count = scandir(watch->work, &names, NULL, alphasort);
    enum verdict verdict = count < 0 ? cannot(watch, fail(watch, "read", watch->work)) : GOES_ON;
    for (int i = 0; i < count; i++) {
        size_t length = strlen(names[i]->d_name);
        char spool[900], figures[920];
        snprintf(spool, sizeof(spool), "%s/%s", watch->work, names[i]->d_name);
        snprintf(figures, sizeof(figures), "%.*s.figures", (int)strlen(spool) - 6, spool);
        if (verdict == GOES_ON && length > 6 &&
            strcmp(names[i]->d_name + length - 6, ".spool") == 0) {
            struct giro_watch_file file = {.spool = spool, .json = figures};
            int code = watch->options->send(watch->options->context, &file);
            json_t *json = json_load_file(figures, 0, NULL);
            bool ended = figures_judge(json, true) >= 0;
            json_decref(json);
            if (code != GIRO_EXIT_OK && !ended)
                verdict = giro_stop_requested() ? STOPS : CANNOT;
            else if (unlink(spool) != 0 || unlink(figures) != 0)
                verdict = cannot(watch, fail(watch, "removed", spool));
        }
        free(names[i]);
    }
    free(names);
    return verdict;
}

static enum giro_err event_note(struct watch *watch, const struct inotify_event *event)
{
    if (event->len == 0 || event->name[0] == '.' || (event->mask & IN_ISDIR) != 0)
        return GIRO_ERR_OK;
    if ((event->mask & IN_CREATE) != 0 && !names_add(&watch->in_place, event->name))
        return GIRO_ERR_NOMEM;
    if ((event->mask & (IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE)) != 0)
        names_remove(&watch->in_place, event->name);
    if ((event->mask & IN_CLOSE_WRITE) != 0 && names_has(&watch->in_place, event->name))
        fprintf(stderr,
                "giro send: \"%s\" was written in the folder: only a file that is renamed is known "
                "to be "
                "whole\n  hint: write it under a name that begins with a dot, then rename it\n",
                event->name);
    return GIRO_ERR_OK;
}

/* Waits for something to happen in the folder, and notes what was created there. */
static enum giro_err events_wait(struct watch *watch)
{
    _Alignas(struct inotify_event) char bytes[16384];
    struct pollfd poll_fd = {.fd = watch->inotify, .events = POLLIN};
    int ready = poll(&poll_fd, 1, watch->writers ? WRITER_WAIT_MS : -1);
    if (ready < 0 && errno != EINTR)
        return fail(watch, "watched", watch->options->dir);
    for (;;) {
        ssize_t size = read(watch->inotify, bytes, sizeof(bytes));
        if (size <= 0)
            return GIRO_ERR_OK;
        for (ssize_t at = 0; at < size;) {
            const struct inotify_event *event = (const struct inotify_event *)(bytes + at);
            if ((event->mask & (IN_IGNORED | IN_UNMOUNT)) != 0) {
                errno = ENOENT;
                return fail(watch, "watched", watch->options->dir);
            }
            GIRO_TRY(event_note(watch, event));
            at += (ssize_t)(sizeof(*event) + event->len);
        }
    }
}

static enum verdict run(struct watch *watch)
{
    const struct giro_gaps_options gaps = {.genesis = watch->options->genesis,
                                           .keys_dir = watch->options->keys_dir,
                                           .channel = watch->options->channel,
                                           .claim = watch->claim,
                                           .spool_dir = watch->work};
    enum giro_err err = giro_gaps_close(&gaps, &watch->diagnosis);
    if (err != GIRO_ERR_OK)
        return cannot(watch, err);
    enum verdict verdict = each(watch, watch->taken, true);
    if (verdict == GOES_ON)
        verdict = orphans_send(watch);
    while (verdict == GOES_ON) {
        watch->writers = false;
        verdict = each(watch, watch->options->dir, false);
        if (verdict != GOES_ON || watch->options->once)
            break;
        err = events_wait(watch);
        if (err != GIRO_ERR_OK)
            verdict = cannot(watch, err);
        else if (giro_stop_requested())
            verdict = STOPS;
    }
    return verdict;
}

int giro_watch(const struct giro_watch_options *options)
{
    struct watch watch = {.options = options, .lock = -1, .inotify = -1};
    giro_catch_signals();
    enum giro_err err = open_folder(&watch);
    enum verdict verdict = err == GIRO_ERR_OK ? run(&watch) : cannot(&watch, err);
    if (watch.inotify >= 0)
        close(watch.inotify);
    if (watch.lock >= 0)
        close(watch.lock);
    names_free(&watch.in_place);
    if (verdict == CANNOT || (verdict == GOES_ON && watch.any_failed))
        return GIRO_EXIT_FAILURE;
    return GIRO_EXIT_OK;
}
