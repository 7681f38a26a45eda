#include "apps/girod/details_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES 700u
#define OPEN_MAX                                                                                   \
    256u /* with more members, the least needed descriptor is closed: the one after the member in hand */

struct member_days {
    int fd; /* -1: none open */
    uint16_t date;
    uint64_t size_bytes;
    struct giro_hash digest;
    uint64_t last_height; /* of what is in its days already */
    uint32_t last_leaf;
};

struct giro_details_files {
    const struct giro_genesis *genesis;
    char dir[600];
    uint64_t bytes;
    uint32_t open_count;
    enum giro_err failed; /* of the first append that failed: nothing follows it */
    struct member_days *members;
    struct giro_disclosure disclosure, part;
    uint8_t encoded[GIRO_DISCLOSURE_BYTES_MAX];
    uint8_t entry[GIRO_DISCLOSURE_BYTES_MAX + GIRO_DETAILS_DAY_EXTRA];
};

static enum giro_err io_error(void)
{
    return errno == ENOSPC ? GIRO_ERR_NOSPACE : GIRO_ERR_IO;
}

static void path_make(const struct giro_details_files *files, uint16_t member, uint16_t date,
                      char *path, size_t path_bytes)
{
    char text[11];
    giro_date_format(date, text);
    snprintf(path, path_bytes, "%s/%s/%s.details", files->dir, files->genesis->members[member].bic,
             text);
}

static void day_close(struct giro_details_files *files, struct member_days *own)
{
    if (own->fd < 0)
        return;
    close(own->fd);
    own->fd = -1;
    files->open_count--;
}

static enum giro_err day_open(struct giro_details_files *files, uint16_t member, uint16_t date)
{
    struct member_days *own = &files->members[member];
    char path[PATH_BYTES];
    struct stat info;
    if (own->fd >= 0 && own->date == date)
        return GIRO_ERR_OK;
    day_close(files, own);
    for (uint32_t i = 1; files->open_count >= OPEN_MAX && i < files->genesis->member_count; i++)
        day_close(files, &files->members[(member + i) % files->genesis->member_count]);
    path_make(files, member, date, path, sizeof(path));
    own->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (own->fd < 0 || fstat(own->fd, &info) != 0)
        return io_error();
    files->open_count++;
    own->size_bytes = (uint64_t)info.st_size;
    own->date = date;
    own->digest = giro_hash_zero;
    const struct giro_details_day_header header = {.head = giro_head_make(GIRO_KIND_DETAILS_DAY),
                                                   .chain_id = files->genesis->chain_id,
                                                   .member = member,
                                                   .business_date = date};
    struct giro_details_day_header found;
    if (own->size_bytes >= sizeof(header)) {
        if (pread(own->fd, &found, sizeof(found), 0) != (ssize_t)sizeof(found) ||
            pread(own->fd, &own->digest, sizeof(own->digest),
                  (off_t)(own->size_bytes - sizeof(own->digest))) != (ssize_t)sizeof(own->digest))
            return io_error();
        if (own->size_bytes == sizeof(header))
            own->digest = giro_hash_zero;
        return memcmp(&found, &header, sizeof(header)) == 0 ? GIRO_ERR_OK : GIRO_ERR_CHAIN;
    }
    GIRO_TRY(giro_file_write_at(own->fd, &header, sizeof(header), 0));
    own->size_bytes = sizeof(header);
    return GIRO_ERR_OK;
}

/* ---- Opening: find the last whole entry of each member, cut what follows ---- */

/* Walks the entries of the open day; *end is where the last whole one ends. */
static enum giro_err day_scan(struct member_days *own, uint64_t *end)
{
    const size_t header_bytes = sizeof(struct giro_details_day_header);
    *end = header_bytes;
    own->digest = giro_hash_zero;
    if (own->size_bytes == header_bytes)
        return GIRO_ERR_OK;
    uint8_t *map = mmap(NULL, own->size_bytes, PROT_READ, MAP_PRIVATE, own->fd, 0);
    if (map == MAP_FAILED)
        return GIRO_ERR_IO;
    struct giro_reader reader;
    struct giro_disclosure_header header;
    giro_reader_init(&reader, map, own->size_bytes);
    giro_reader_take(&reader, header_bytes);
    for (;;) {
        const uint8_t *bytes = NULL;
        uint32_t size_bytes = 0;
        if (giro_details_day_next(&reader, &own->digest, &bytes, &size_bytes) != GIRO_REJECT_NONE ||
            bytes == NULL || size_bytes < sizeof(header))
            break;
        memcpy(&header, bytes, sizeof(header));
        own->last_height = header.height;
        own->last_leaf = header.leaf_index;
        *end = reader.offset;
    }
    munmap(map, own->size_bytes);
    return GIRO_ERR_OK;
}

/* Behind a day that was cut nothing of later dates can stay: replay appends in order. */
static enum giro_err day_recover(struct giro_details_files *files, uint16_t member, uint16_t date,
                                 uint64_t found_bytes, bool *was_cut)
{
    struct member_days *own = &files->members[member];
    GIRO_TRY(day_open(files, member, date));
    uint64_t end = sizeof(struct giro_details_day_header);
    if (!*was_cut)
        GIRO_TRY(day_scan(own, &end));
    if (end < own->size_bytes && ftruncate(own->fd, (off_t)end) != 0)
        return io_error();
    *was_cut = *was_cut || end != found_bytes;
    own->size_bytes = end;
    if (end == sizeof(struct giro_details_day_header))
        own->digest = giro_hash_zero;
    files->bytes += end - sizeof(struct giro_details_day_header); /* of entries alone */
    return GIRO_ERR_OK;
}

static int is_day(const struct dirent *entry)
{
    uint16_t date;
    return strlen(entry->d_name) == 18 && strcmp(entry->d_name + 10, ".details") == 0 &&
           giro_date_parse(entry->d_name, 10, &date);
}

static enum giro_err member_recover(struct giro_details_files *files, uint16_t member)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof(path), "%s/%s", files->dir, files->genesis->members[member].bic);
    GIRO_TRY(giro_dir_make(path));
    struct dirent **names = NULL;
    const int count = scandir(path, &names, is_day, alphasort);
    enum giro_err err = count < 0 ? io_error() : GIRO_ERR_OK;
    bool was_cut = false;
    for (int i = 0; i < count; i++) {
        uint16_t date = 0;
        char file[PATH_BYTES];
        struct stat info;
        const bool good = giro_date_parse(names[i]->d_name, 10, &date);
        GIRO_ASSERT(good);
        path_make(files, member, date, file, sizeof(file));
        const uint64_t found_bytes = stat(file, &info) == 0 ? (uint64_t)info.st_size : 0;
        if (err == GIRO_ERR_OK)
            err = day_recover(files, member, date, found_bytes, &was_cut);
        free(names[i]);
    }
    free(names);
    return err;
}

enum giro_err giro_details_files_open(const char *dir, const struct giro_genesis *genesis,
                                      struct giro_details_files **files_out,
                                      struct giro_diagnosis *diagnosis)
{
    struct giro_details_files *files = calloc(1, sizeof(*files));
    if (files == NULL)
        return GIRO_ERR_NOMEM;
    files->genesis = genesis;
    snprintf(files->dir, sizeof(files->dir), "%s", dir);
    files->members = calloc(genesis->member_count + 1u, sizeof(*files->members));
    enum giro_err err = files->members == NULL ? GIRO_ERR_NOMEM : GIRO_ERR_OK;
    for (uint32_t i = 0; err == GIRO_ERR_OK && i < genesis->member_count; i++)
        files->members[i].fd = -1;
    for (uint32_t i = 0; err == GIRO_ERR_OK && i < genesis->member_count; i++)
        err = member_recover(files, (uint16_t)i);
    if (err == GIRO_ERR_OK) {
        *files_out = files;
        return err;
    }
    giro_diagnosis_set(diagnosis, giro_err_sentence(err), giro_err_advice(err),
                       "the days of details in \"%s\" cannot be opened", dir);
    giro_details_files_close(files);
    return err;
}

void giro_details_files_close(struct giro_details_files *files)
{
    for (uint32_t i = 0; files->members != NULL && i < files->genesis->member_count; i++)
        day_close(files, &files->members[i]);
    free(files->members);
    free(files);
}

/* ---- Appending ---- */

/* Keeps what `member` may see of the whole frame; returns how many payments that are. */
static uint32_t part_make(struct giro_details_files *files, uint16_t member,
                          const struct giro_details_executed *executed)
{
    const struct giro_disclosure *whole = &files->disclosure;
    struct giro_disclosure *part = &files->part;
    uint16_t count = 0;
    part->header = whole->header;
    part->frame = whole->frame;
    part->signature = whole->signature;
    part->proof = part->cycle_proof = NULL;
    memcpy(part->record_hashes, whole->record_hashes,
           whole->frame.record_count * sizeof(whole->record_hashes[0]));
    memcpy(part->block_hashes, whole->block_hashes,
           whole->header.block_count * sizeof(whole->block_hashes[0]));
    for (uint32_t i = 0; i < whole->header.item_count; i++) {
        const struct giro_disclosure_item *item = &whole->items[i];
        const bool paid =
            item->record.creditor == member && executed->results[i].status != GIRO_STATUS_RJCT;
        if (item->block.bytes != NULL && (member == whole->frame.member || paid))
            part->items[count++] = *item;
    }
    part->header.item_count = count;
    return count;
}

static enum giro_err append(struct giro_details_files *files, uint16_t member,
                            const struct giro_details_executed *executed)
{
    struct member_days *own = &files->members[member];
    if (executed->height < own->last_height ||
        (executed->height == own->last_height && executed->leaf_index <= own->last_leaf))
        return GIRO_ERR_OK; /* replay after a restart */
    if (part_make(files, member, executed) == 0)
        return GIRO_ERR_OK;
    GIRO_TRY(day_open(files, member, executed->business_date));
    struct giro_writer writer;
    giro_writer_init(&writer, files->encoded, sizeof(files->encoded));
    const bool fits = giro_disclosure_encode(&files->part, &writer);
    GIRO_ASSERT(fits); /* a frame and its hashes: a quarter of the most */
    struct giro_hash digest = own->digest;
    const size_t size_bytes =
        giro_details_day_put(files->encoded, (uint32_t)writer.offset, &digest, files->entry);
    GIRO_TRY(giro_file_write_at(own->fd, files->entry, size_bytes, own->size_bytes));
    own->size_bytes += size_bytes; /* readers see whole entries only */
    own->digest = digest;
    own->last_height = executed->height;
    own->last_leaf = executed->leaf_index;
    files->bytes += size_bytes;
    return GIRO_ERR_OK;
}

enum giro_err giro_details_files_frame(struct giro_details_files *files,
                                       const struct giro_details_executed *executed)
{
    uint16_t done[GIRO_DETAILS_BLOCKS_MAX + 1] = {executed->frame->header.member};
    uint32_t done_count = 1;
    if (files->failed != GIRO_ERR_OK)
        return files->failed;
    giro_disclosure_of(executed->frame, &files->disclosure);
    files->disclosure.header.height = executed->height;
    files->disclosure.header.leaf_index = executed->leaf_index;
    files->failed = append(files, executed->frame->header.member, executed);
    for (uint32_t i = 0; files->failed == GIRO_ERR_OK && i < files->disclosure.header.item_count;
         i++) {
        const struct giro_disclosure_item *item = &files->disclosure.items[i];
        const uint16_t creditor = item->record.creditor;
        bool again = item->block.bytes == NULL || creditor >= files->genesis->member_count;
        for (uint32_t k = 0; k < done_count && !again; k++)
            again = done[k] == creditor;
        if (again)
            continue;
        done[done_count++] = creditor;
        files->failed = append(files, creditor, executed);
    }
    return files->failed;
}

/* ---- Reading ---- */

uint64_t giro_details_files_path(const struct giro_details_files *files, uint16_t member,
                                 uint16_t business_date, char *path, size_t path_bytes)
{
    struct stat info;
    GIRO_ASSERT(member < files->genesis->member_count);
    path_make(files, member, business_date, path, path_bytes);
    const struct member_days *own = &files->members[member];
    const uint64_t size_bytes = own->fd >= 0 && own->date == business_date ? own->size_bytes
                                : stat(path, &info) == 0                   ? (uint64_t)info.st_size
                                                                           : 0;
    return size_bytes > sizeof(struct giro_details_day_header) ? size_bytes : 0;
}

bool giro_details_files_digest(const struct giro_details_files *files, uint16_t member,
                               uint16_t business_date, struct giro_hash *digest)
{
    char path[PATH_BYTES];
    const uint64_t size_bytes =
        giro_details_files_path(files, member, business_date, path, sizeof(path));
    const int fd = size_bytes == 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    const bool good =
        fd >= 0 && pread(fd, digest, sizeof(*digest), (off_t)(size_bytes - sizeof(*digest))) ==
                       (ssize_t)sizeof(*digest);
    if (fd >= 0)
        close(fd);
    return good;
}

uint64_t giro_details_files_bytes(const struct giro_details_files *files)
{
    return files->bytes;
}
