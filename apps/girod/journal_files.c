#include "apps/girod/journal_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

/* One member: the file of the business date in hand, and what is in its journals already, per currency. */
struct member_files {
    int fd; /* -1: none open */
    uint16_t date;
    uint16_t gap_date; /* windows of this date are missing: none of it is kept; 0 = none */
    uint16_t cut_date; /* the first that lost its end at start, to be brought by replay; 0 = none */
    uint64_t size_bytes;
    uint64_t sequences[GIRO_CURRENCIES_MAX]; /* last window record's, by genesis currency index */
    struct {
        uint16_t date; /* 0: in no journal here */
        uint64_t offset;
    } last[GIRO_CURRENCIES_MAX]; /* where that record's block begins */
};

struct giro_journal_files {
    const struct giro_genesis *genesis;
    char dir[600];
    pthread_mutex_t mutex; /* over what follows, but not held while a block is written */
    uint64_t bytes;
    uint32_t open_count;
    enum giro_err failed; /* of the first append that failed: nothing follows it */
    struct member_files *members;
};

/* With more members than this, the least needed descriptor is closed: the one after the member in hand. */
#define OPEN_MAX 512u

static enum giro_err io_error(void)
{
    return errno == ENOSPC ? GIRO_ERR_NOSPACE : GIRO_ERR_IO;
}

static void path_make(const struct giro_journal_files *files, uint16_t member, uint16_t date,
                      char *path, size_t path_bytes)
{
    char text[11];
    giro_date_format(date, text);
    snprintf(path, path_bytes, "%s/%s/%s.journal", files->dir, files->genesis->members[member].bic,
             text);
}

/* Walks the blocks of an open journal, remembers sequences, returns the end of the last whole block that follows on the
 * ones before it; what a removed older journal held is not missed. */
static uint64_t scan(struct giro_journal_files *files, struct member_files *own, int fd,
                     uint64_t size_bytes)
{
    uint64_t offset = sizeof(struct giro_journal_header);
    struct giro_journal_block block;
    struct giro_window_record record;
    while (offset + sizeof(block) + sizeof(record) <= size_bytes &&
           pread(fd, &block, sizeof(block), (off_t)offset) == (ssize_t)sizeof(block) &&
           block.magic == GIRO_MAGIC && block.size_bytes >= sizeof(block) + sizeof(record) &&
           block.size_bytes % 8 == 0 && block.size_bytes <= size_bytes - offset) {
        uint8_t *bytes = malloc(block.size_bytes);
        bool good =
            bytes != NULL &&
            pread(fd, bytes, block.size_bytes, (off_t)offset) == (ssize_t)block.size_bytes &&
            XXH3_64bits(bytes + 16, block.size_bytes - 16) == block.checksum;
        if (good)
            memcpy(&record, bytes + sizeof(block), sizeof(record));
        free(bytes);
        uint32_t currency =
            good ? giro_genesis_currency_by_number(files->genesis, record.currency) : GIRO_NONE;
        if (currency == GIRO_NONE ||
            (own->sequences[currency] != 0 && record.sequence != own->sequences[currency] + 1))
            break;
        own->sequences[currency] = record.sequence;
        own->last[currency].date = own->date;
        own->last[currency].offset = offset;
        offset += block.size_bytes;
    }
    return offset;
}

/* Lets go of descriptors of other members until one more may be opened. */
static void make_room(struct giro_journal_files *files, uint16_t member)
{
    for (uint32_t i = 1; files->open_count >= OPEN_MAX && i < files->genesis->member_count; i++) {
        struct member_files *other = &files->members[(member + i) % files->genesis->member_count];
        if (other->fd < 0)
            continue;
        close(other->fd);
        other->fd = -1;
        files->open_count--;
    }
}

static enum giro_err open_date(struct giro_journal_files *files, uint16_t member, uint16_t date)
{
    struct member_files *own = &files->members[member];
    if (own->fd >= 0 && own->date == date)
        return GIRO_ERR_OK;
    if (own->fd >= 0) {
        close(own->fd);
        own->fd = -1;
        files->open_count--;
    }
    make_room(files, member);
    char path[700];
    path_make(files, member, date, path, sizeof(path));
    own->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (own->fd < 0)
        return io_error();
    files->open_count++;
    own->date = date;
    struct stat info;
    if (fstat(own->fd, &info) != 0)
        return io_error();
    own->size_bytes = (uint64_t)info.st_size;
    struct giro_journal_header found, header = {.head = giro_head_make(GIRO_KIND_JOURNAL),
                                                .chain_id = files->genesis->chain_id,
                                                .member = member,
                                                .business_date = date};
    if (own->size_bytes >= sizeof(header)) {
        if (pread(own->fd, &found, sizeof(found), 0) != (ssize_t)sizeof(found))
            return io_error();
        return memcmp(&found, &header, sizeof(header)) == 0 ? GIRO_ERR_OK : GIRO_ERR_CHAIN;
    }
    if (pwrite(own->fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header))
        return io_error();
    own->size_bytes = sizeof(header);
    return GIRO_ERR_OK;
}

/* Finds the last whole block of the journal in hand and cuts what follows. Behind a journal that was cut, nothing of later
 * dates can stay: replay appends in order. */
static enum giro_err date_recover(struct giro_journal_files *files, struct member_files *own,
                                  uint64_t found_bytes)
{
    uint64_t end = sizeof(struct giro_journal_header);
    if (own->cut_date == 0)
        end = scan(files, own, own->fd, own->size_bytes);
    if (end < own->size_bytes && ftruncate(own->fd, (off_t)end) != 0)
        return io_error();
    if (own->cut_date == 0 && end != found_bytes)
        own->cut_date = own->date;
    own->size_bytes = end;
    files->bytes += end;
    return GIRO_ERR_OK;
}

/* A mark "<date>.gap" stands in the place of a journal of which windows are missing. In it, by genesis currency index, the sequences
 * of the last window records, 8 bytes each: what comes behind it must go on from there. */
static void gap_path(const struct giro_journal_files *files, uint16_t member, uint16_t date,
                     char *path, size_t path_bytes)
{
    char text[11];
    giro_date_format(date, text);
    snprintf(path, path_bytes, "%s/%s/%s.gap", files->dir, files->genesis->members[member].bic,
             text);
}

static enum giro_err gap_write(const struct giro_journal_files *files, uint16_t member,
                               uint16_t date)
{
    char path[700];
    gap_path(files, member, date, path, sizeof(path));
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return io_error();
    enum giro_err err = giro_file_write_at(fd, files->members[member].sequences,
                                           files->genesis->currency_count * sizeof(uint64_t), 0);
    close(fd);
    return err;
}

/* Of a mark that a crash left shorter, the rest is not known: nothing before it is missed. */
static enum giro_err gap_read(struct giro_journal_files *files, uint16_t member, uint16_t date)
{
    struct member_files *own = &files->members[member];
    uint64_t sequences[GIRO_CURRENCIES_MAX] = {0};
    const size_t size_bytes = files->genesis->currency_count * sizeof(sequences[0]);
    char path[700];
    gap_path(files, member, date, path, sizeof(path));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return io_error();
    const bool whole = pread(fd, sequences, size_bytes, 0) == (ssize_t)size_bytes;
    close(fd);
    for (uint32_t i = 0; i < files->genesis->currency_count; i++)
        own->sequences[i] = whole ? sequences[i] : 0;
    own->gap_date = date;
    return GIRO_ERR_OK;
}

static enum giro_err gap_mark(struct giro_journal_files *files, uint16_t member, uint16_t date)
{
    char path[700];
    GIRO_TRY(gap_write(files, member, date));
    path_make(files, member, date, path, sizeof(path));
    if (unlink(path) != 0 && errno != ENOENT)
        return io_error();
    struct member_files *own = &files->members[member];
    for (uint32_t i = 0; i < GIRO_CURRENCIES_MAX; i++)
        if (own->last[i].date == date)
            own->last[i].date = 0;
    GIRO_LOG(WARN, "files",
             "%s: windows of this business date are missing; its journal is at the other replicas",
             path);
    return GIRO_ERR_OK;
}

/* Windows came as an image from other replicas: of this date, and of the one in hand before; or of one that was damaged, and all
 * behind it. A journal with a hole would pass for a whole day: none is served. */
static enum giro_err gap_note(struct giro_journal_files *files, uint16_t member, uint16_t date)
{
    struct member_files *own = &files->members[member];
    const uint16_t first = own->cut_date != 0 ? own->cut_date : own->date;
    char path[700];
    if (own->gap_date == date)
        return GIRO_ERR_OK;
    if (own->fd >= 0) {
        close(own->fd);
        own->fd = -1;
        files->open_count--;
    }
    for (uint32_t before = first; before != 0 && before < date; before++) {
        path_make(files, member, (uint16_t)before, path, sizeof(path));
        if (access(path, F_OK) == 0)
            GIRO_TRY(gap_mark(files, member, (uint16_t)before));
    }
    GIRO_TRY(gap_mark(files, member, date));
    own->gap_date = date;
    own->cut_date = 0;
    return GIRO_ERR_OK;
}

static enum giro_err journal_recover(struct giro_journal_files *files, uint16_t member,
                                     uint16_t date)
{
    struct member_files *own = &files->members[member];
    struct stat info;
    char path[700];
    path_make(files, member, date, path, sizeof(path));
    if (own->gap_date == date) /* a crash between its mark and its end */
        return unlink(path) == 0 ? GIRO_ERR_OK : io_error();
    const uint64_t found_bytes = stat(path, &info) == 0 ? (uint64_t)info.st_size : 0;
    GIRO_TRY(open_date(files, member, date));
    return date_recover(files, own, found_bytes);
}

/* Scans every journal of one member at start, cutting torn tails; a mark stands in the list before the journal of its date. */
static enum giro_err member_recover(struct giro_journal_files *files, uint16_t member)
{
    char path[700];
    snprintf(path, sizeof(path), "%s/%s", files->dir, files->genesis->members[member].bic);
    files->members[member].fd = -1;
    GIRO_TRY(giro_dir_make(path));
    struct dirent **names = NULL;
    int count = scandir(path, &names, NULL, alphasort);
    enum giro_err err = count < 0 ? io_error() : GIRO_ERR_OK;
    for (int i = 0; i < count; i++) {
        uint16_t date;
        const char *name = names[i]->d_name, *end = strlen(name) > 10 ? name + 10 : "";
        const bool gap = strcmp(end, ".gap") == 0, journal = strcmp(end, ".journal") == 0;
        if (err == GIRO_ERR_OK && (gap || journal) && giro_date_parse(name, 10, &date))
            err = gap ? gap_read(files, member, date) : journal_recover(files, member, date);
        free(names[i]);
    }
    free(names);
    return err;
}

enum giro_err giro_journal_files_open(const char *dir, const struct giro_genesis *genesis,
                                      struct giro_journal_files **files_out,
                                      struct giro_diagnosis *diagnosis)
{
    struct giro_journal_files *files = calloc(1, sizeof(*files));
    if (files == NULL)
        return GIRO_ERR_NOMEM;
    files->genesis = genesis;
    pthread_mutex_init(&files->mutex, NULL);
    snprintf(files->dir, sizeof(files->dir), "%s", dir);
    files->members = calloc(genesis->member_count, sizeof(*files->members));
    enum giro_err err = files->members == NULL ? GIRO_ERR_NOMEM : GIRO_ERR_OK;
    for (uint32_t i = 0; err == GIRO_ERR_OK && i < genesis->member_count; i++)
        files->members[i].fd = -1;
    for (uint32_t i = 0; err == GIRO_ERR_OK && i < genesis->member_count; i++)
        err = member_recover(files, (uint16_t)i);
    if (err != GIRO_ERR_OK) {
        giro_diagnosis_set(diagnosis, giro_err_sentence(err), giro_err_advice(err),
                           "the journals in \"%s\" cannot be opened", dir);
        giro_journal_files_close(files);
        return err;
    }
    *files_out = files;
    return GIRO_ERR_OK;
}

void giro_journal_files_close(struct giro_journal_files *files)
{
    for (uint32_t i = 0; files->members != NULL && i < files->genesis->member_count; i++)
        if (files->members[i].fd >= 0)
            close(files->members[i].fd);
    pthread_mutex_destroy(&files->mutex);
    free(files->members);
    free(files);
}

/* Opens the journal that a block belongs into. *wanted: it is to be written, at its end. */
static enum giro_err block_place(struct giro_journal_files *files, uint16_t member,
                                 uint16_t business_date, uint32_t currency, uint64_t sequence,
                                 bool *wanted)
{
    struct member_files *own = &files->members[member];
    *wanted = false;
    if (sequence <= own->sequences[currency])
        return GIRO_ERR_OK; /* replay after a restart */
    if (sequence != own->sequences[currency] + 1)
        GIRO_TRY(gap_note(files, member, business_date));
    if (own->gap_date == business_date) {
        own->sequences[currency] = sequence;
        return gap_write(files, member, business_date);
    }
    *wanted = true;
    return open_date(files, member, business_date);
}

static void block_note(struct giro_journal_files *files, uint16_t member, uint16_t business_date,
                       uint32_t currency, uint64_t sequence, uint32_t size_bytes)
{
    struct member_files *own = &files->members[member];
    own->last[currency].date = business_date;
    own->last[currency].offset = own->size_bytes;
    own->size_bytes += size_bytes; /* readers see whole blocks only */
    own->sequences[currency] = sequence;
    files->bytes += size_bytes;
}

static enum giro_err append(struct giro_journal_files *files, uint16_t member,
                            uint16_t business_date, const void *bytes, uint32_t size_bytes)
{
    struct giro_window_record record;
    GIRO_ASSERT(size_bytes >= sizeof(struct giro_journal_block) + sizeof(record));
    memcpy(&record, (const uint8_t *)bytes + sizeof(struct giro_journal_block), sizeof(record));
    uint32_t currency = giro_genesis_currency_by_number(files->genesis, record.currency);
    GIRO_ASSERT(currency != GIRO_NONE);
    bool wanted;
    pthread_mutex_lock(&files->mutex);
    const enum giro_err err =
        block_place(files, member, business_date, currency, record.sequence, &wanted);
    pthread_mutex_unlock(&files->mutex);
    if (err != GIRO_ERR_OK || !wanted)
        return err;
    /* Only who appends changes these, so they may be read without the mutex. */
    const struct member_files *own = &files->members[member];
    GIRO_TRY(giro_file_write_at(own->fd, bytes, size_bytes, own->size_bytes));
    /* Begun now, so that a sync later has little to wait for; what it says is the sync's to find. */
    (void)sync_file_range(own->fd, (off_t)own->size_bytes, size_bytes, SYNC_FILE_RANGE_WRITE);
    pthread_mutex_lock(&files->mutex);
    block_note(files, member, business_date, currency, record.sequence, size_bytes);
    pthread_mutex_unlock(&files->mutex);
    return GIRO_ERR_OK;
}

enum giro_err giro_journal_files_append(struct giro_journal_files *files, uint16_t member,
                                        uint16_t business_date, const void *bytes,
                                        uint32_t size_bytes)
{
    /* The window after one that could not be written is no gap: a restart brings both. */
    if (files->failed == GIRO_ERR_OK)
        files->failed = append(files, member, business_date, bytes, size_bytes);
    return files->failed;
}

bool giro_journal_files_gap(struct giro_journal_files *files, uint16_t member,
                            uint16_t business_date)
{
    char path[700];
    GIRO_ASSERT(member < files->genesis->member_count);
    pthread_mutex_lock(&files->mutex);
    const bool any = files->members[member].gap_date != 0;
    pthread_mutex_unlock(&files->mutex);
    if (!any)
        return false;
    gap_path(files, member, business_date, path, sizeof(path));
    return access(path, F_OK) == 0;
}

uint64_t giro_journal_files_path(struct giro_journal_files *files, uint16_t member,
                                 uint16_t business_date, char *path, size_t path_bytes)
{
    GIRO_ASSERT(member < files->genesis->member_count);
    path_make(files, member, business_date, path, path_bytes);
    const struct member_files *own = &files->members[member];
    struct stat info;
    pthread_mutex_lock(&files->mutex);
    const uint64_t size_bytes = own->fd >= 0 && own->date == business_date ? own->size_bytes
                                : stat(path, &info) == 0                   ? (uint64_t)info.st_size
                                                                           : 0;
    pthread_mutex_unlock(&files->mutex);
    return size_bytes > sizeof(struct giro_journal_header) ? size_bytes : 0;
}

uint16_t giro_journal_files_date(struct giro_journal_files *files, uint16_t member)
{
    uint16_t date = 0;
    GIRO_ASSERT(member < files->genesis->member_count);
    pthread_mutex_lock(&files->mutex);
    for (uint32_t i = 0; i < GIRO_CURRENCIES_MAX; i++)
        if (files->members[member].last[i].date > date)
            date = files->members[member].last[i].date;
    pthread_mutex_unlock(&files->mutex);
    return date;
}

bool giro_journal_files_last(struct giro_journal_files *files, uint16_t member, uint32_t currency,
                             uint16_t business_date, uint64_t *offset)
{
    GIRO_ASSERT(member < files->genesis->member_count && currency < GIRO_CURRENCIES_MAX);
    const struct member_files *own = &files->members[member];
    pthread_mutex_lock(&files->mutex);
    *offset = own->last[currency].offset;
    const bool is_of_date = own->last[currency].date == business_date;
    pthread_mutex_unlock(&files->mutex);
    return is_of_date;
}

enum giro_err giro_journal_files_sync(struct giro_journal_files *files)
{
    for (uint32_t i = 0; i < files->genesis->member_count; i++)
        if (files->members[i].fd >= 0 && fsync(files->members[i].fd) != 0)
            return io_error();
    return GIRO_ERR_OK;
}

uint64_t giro_journal_files_bytes(struct giro_journal_files *files)
{
    pthread_mutex_lock(&files->mutex);
    const uint64_t bytes = files->bytes;
    pthread_mutex_unlock(&files->mutex);
    return bytes;
}
