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

struct day {
    uint16_t date;
    uint64_t size_bytes;
    uint64_t last_height; /* of what is in it already; 0: nothing */
    uint32_t last_leaf;
    uint64_t lost_height; /* the first that may have been cut off its end at open; 0: none */
    struct giro_hash digest;
};

struct member_days {
    int fd; /* -1: none open */
    uint16_t date;
    uint32_t day_count, days_max;
    struct day *days; /* by date */
};

/* One record of <dir>/details.gaps: of these dates some of a member's details came to others only. */
struct gap {
    uint16_t member; /* ALL_MEMBERS */
    uint16_t first, last, reserved;
};
static_assert(sizeof(struct gap) == 8, "written as bytes: no padding");
#define ALL_MEMBERS 0xFFFFu
#define GAPS_MAX    65536u

struct giro_details_files {
    const struct giro_genesis *genesis;
    char dir[600];
    uint64_t bytes;
    uint32_t open_count;
    enum giro_err failed; /* of the first append that failed: nothing follows it */
    struct member_days *members;
    uint32_t gap_count;
    struct gap *gaps; /* GAPS_MAX */
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

/* Where the day stands in the list, or would. */
static uint32_t day_index(const struct member_days *own, uint16_t date)
{
    uint32_t low = 0, high = own->day_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (own->days[middle].date < date)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct day *day_find(const struct member_days *own, uint16_t date)
{
    const uint32_t index = day_index(own, date);
    return index < own->day_count && own->days[index].date == date ? &own->days[index] : NULL;
}

/* NULL: no memory. Once a day and member. */
static struct day *day_add(struct member_days *own, uint16_t date)
{
    if (own->day_count == own->days_max) {
        const uint32_t more = own->days_max == 0 ? 16 : 2 * own->days_max;
        struct day *larger = realloc(own->days, more * sizeof(*larger));
        if (larger == NULL)
            return NULL;
        own->days = larger;
        own->days_max = more;
    }
    const uint32_t index = day_index(own, date);
    memmove(&own->days[index + 1], &own->days[index],
            (own->day_count - index) * sizeof(own->days[0]));
    own->day_count++;
    own->days[index] = (struct day){.date = date};
    return &own->days[index];
}

static void day_close(struct giro_details_files *files, struct member_days *own)
{
    if (own->fd < 0)
        return;
    close(own->fd);
    own->fd = -1;
    files->open_count--;
}

/* Makes it, if it is not there, with its header. */
static enum giro_err day_open(struct giro_details_files *files, uint16_t member, struct day *day)
{
    struct member_days *own = &files->members[member];
    char path[PATH_BYTES];
    struct stat info;
    if (own->fd >= 0 && own->date == day->date)
        return GIRO_ERR_OK;
    day_close(files, own);
    for (uint32_t i = 1; files->open_count >= OPEN_MAX && i < files->genesis->member_count; i++)
        day_close(files, &files->members[(member + i) % files->genesis->member_count]);
    path_make(files, member, day->date, path, sizeof(path));
    own->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (own->fd < 0)
        return io_error();
    files->open_count++;
    own->date = day->date;
    if (fstat(own->fd, &info) != 0)
        return io_error();
    const struct giro_details_day_header header = {.head = giro_head_make(GIRO_KIND_DETAILS_DAY),
                                                   .chain_id = files->genesis->chain_id,
                                                   .member = member,
                                                   .business_date = day->date};
    struct giro_details_day_header found;
    if ((uint64_t)info.st_size >= sizeof(header)) {
        GIRO_TRY(giro_file_read_at(own->fd, &found, sizeof(found), 0));
        day->size_bytes = day->size_bytes == 0 ? (uint64_t)info.st_size : day->size_bytes;
        return memcmp(&found, &header, sizeof(header)) == 0 ? GIRO_ERR_OK : GIRO_ERR_CHAIN;
    }
    GIRO_TRY(giro_file_write_at(own->fd, &header, sizeof(header), 0));
    *day = (struct day){.date = day->date, .size_bytes = sizeof(header)}; /* removed by hand: new */
    return GIRO_ERR_OK;
}

/* ---- Opening: find the last whole entry of each day, cut what follows ---- */

/* What a power loss tore off says itself of which height it was; of what is damaged nothing is believed. */
static uint64_t lost_from(const struct day *day, const uint8_t *rest, uint64_t rest_bytes,
                          bool is_torn)
{
    struct giro_disclosure_header header;
    const uint64_t lowest = day->last_height > 0 ? day->last_height : 1;
    if (!is_torn || rest_bytes < 8 + sizeof(header))
        return lowest;
    memcpy(&header, rest + 8, sizeof(header));
    return giro_head_is(&header.head, GIRO_KIND_DISCLOSURE) && header.height > lowest
               ? header.height
               : lowest;
}

/* Walks the entries of the open day; *end is where the last whole one ends. */
static enum giro_err day_scan(int fd, struct day *day, uint64_t *end)
{
    const size_t header_bytes = sizeof(struct giro_details_day_header);
    *end = header_bytes;
    if (day->size_bytes == header_bytes)
        return GIRO_ERR_OK;
    uint8_t *map = mmap(NULL, day->size_bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED)
        return GIRO_ERR_IO;
    struct giro_reader reader;
    struct giro_disclosure_header header;
    enum giro_reject reject;
    const uint8_t *bytes = NULL;
    uint32_t size_bytes = 0;
    giro_reader_init(&reader, map, day->size_bytes);
    giro_reader_take(&reader, header_bytes);
    while ((reject = giro_details_day_next(&reader, &day->digest, &bytes, &size_bytes)) ==
               GIRO_REJECT_NONE &&
           bytes != NULL && size_bytes >= sizeof(header)) {
        memcpy(&header, bytes, sizeof(header));
        day->last_height = header.height;
        day->last_leaf = header.leaf_index;
        *end = reader.offset;
    }
    if (*end < day->size_bytes)
        day->lost_height =
            lost_from(day, map + *end, day->size_bytes - *end, reject == GIRO_REJECT_TRUNCATED);
    munmap(map, day->size_bytes);
    return GIRO_ERR_OK;
}

static enum giro_err day_recover(struct giro_details_files *files, uint16_t member, uint16_t date)
{
    struct member_days *own = &files->members[member];
    struct day *day = day_add(own, date);
    uint64_t end = 0;
    if (day == NULL)
        return GIRO_ERR_NOMEM;
    GIRO_TRY(day_open(files, member, day));
    GIRO_TRY(day_scan(own->fd, day, &end));
    if (end < day->size_bytes && ftruncate(own->fd, (off_t)end) != 0)
        return io_error();
    day->size_bytes = end;
    if (day->last_height == 0) /* made for an entry, and has none */
        day->lost_height = 1;
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
    for (int i = 0; i < count; i++) {
        uint16_t date = 0;
        const bool good = giro_date_parse(names[i]->d_name, 10, &date);
        GIRO_ASSERT(good);
        if (err == GIRO_ERR_OK)
            err = day_recover(files, member, date);
        free(names[i]);
    }
    free(names);
    return err;
}

/* ---- Days of which something came to others only ---- */

static void gaps_path(const struct giro_details_files *files, char *path, size_t path_bytes)
{
    snprintf(path, path_bytes, "%s/details.gaps", files->dir);
}

static enum giro_err gaps_read(struct giro_details_files *files)
{
    char path[PATH_BYTES], *bytes = NULL;
    size_t size_bytes = 0;
    gaps_path(files, path, sizeof(path));
    enum giro_err err = giro_file_read(path, GAPS_MAX * sizeof(struct gap), &bytes, &size_bytes);
    if (err == GIRO_ERR_NOENT)
        return GIRO_ERR_OK;
    if (err == GIRO_ERR_OK && size_bytes % sizeof(struct gap) != 0)
        err = GIRO_ERR_FORMAT;
    if (err == GIRO_ERR_OK) {
        memcpy(files->gaps, bytes, size_bytes);
        files->gap_count = (uint32_t)(size_bytes / sizeof(struct gap));
    }
    free(bytes);
    return err;
}

/* One too many makes the last one wider: it tells of too many days rather than of too few. */
static void gap_add(struct giro_details_files *files, uint16_t member, uint16_t first,
                    uint16_t last)
{
    char text[11];
    struct gap *at = &files->gaps[files->gap_count];
    if (giro_details_files_gap(files, member, first) && first == last)
        return;
    if (files->gap_count == GAPS_MAX) {
        at--;
        at->member = ALL_MEMBERS;
        at->first = first < at->first ? first : at->first;
        at->last = last > at->last ? last : at->last;
    } else {
        *at = (struct gap){.member = member, .first = first, .last = last};
        files->gap_count++;
    }
    giro_date_format(first, text);
    GIRO_LOG(WARN, "files",
             "details of %s from %s on (days: %u) are missing in part; the others have them",
             member == ALL_MEMBERS ? "all members" : files->genesis->members[member].bic, text,
             last - first + 1u);
}

enum giro_err giro_details_files_restored(struct giro_details_files *files, uint64_t height,
                                          uint16_t business_date, bool executed_here)
{
    char path[PATH_BYTES];
    const uint32_t before = files->gap_count;
    uint16_t newest = files->genesis->business_date;
    for (uint32_t member = 0; member < files->genesis->member_count; member++) {
        const struct member_days *own = &files->members[member];
        for (uint32_t i = 0; i < own->day_count; i++) {
            struct day *day = &own->days[i];
            newest = day->date > newest ? day->date : newest;
            if (day->lost_height != 0 && day->lost_height <= height)
                gap_add(files, (uint16_t)member, day->date, day->date);
            day->lost_height = 0;
        }
    }
    if (!executed_here)
        gap_add(files, ALL_MEMBERS, newest < business_date ? newest : business_date, business_date);
    if (files->gap_count == before)
        return GIRO_ERR_OK;
    gaps_path(files, path, sizeof(path));
    return giro_file_write(path, 0600, files->gaps, files->gap_count * sizeof(struct gap));
}

bool giro_details_files_gap(const struct giro_details_files *files, uint16_t member,
                            uint16_t business_date)
{
    for (uint32_t i = 0; i < files->gap_count; i++) {
        const struct gap *gap = &files->gaps[i];
        if ((gap->member == member || gap->member == ALL_MEMBERS) && gap->first <= business_date &&
            business_date <= gap->last)
            return true;
    }
    return false;
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
    files->gaps = calloc(GAPS_MAX, sizeof(*files->gaps));
    enum giro_err err =
        files->members == NULL || files->gaps == NULL ? GIRO_ERR_NOMEM : GIRO_ERR_OK;
    for (uint32_t i = 0; err == GIRO_ERR_OK && i < genesis->member_count; i++)
        files->members[i].fd = -1;
    for (uint32_t i = 0; err == GIRO_ERR_OK && i < genesis->member_count; i++)
        err = member_recover(files, (uint16_t)i);
    if (err == GIRO_ERR_OK)
        err = gaps_read(files);
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
    for (uint32_t i = 0; files->members != NULL && i < files->genesis->member_count; i++) {
        day_close(files, &files->members[i]);
        free(files->members[i].days);
    }
    free(files->members);
    free(files->gaps);
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
    struct day *day = day_find(own, executed->business_date);
    /* Each day by itself: after a power loss one may have lost its end while the next one goes on. */
    if (day != NULL &&
        (executed->height < day->last_height ||
         (executed->height == day->last_height && executed->leaf_index <= day->last_leaf)))
        return GIRO_ERR_OK; /* replay after a restart */
    if (part_make(files, member, executed) == 0)
        return GIRO_ERR_OK;
    if (day == NULL)
        day = day_add(own, executed->business_date);
    if (day == NULL)
        return GIRO_ERR_NOMEM;
    GIRO_TRY(day_open(files, member, day));
    struct giro_writer writer;
    giro_writer_init(&writer, files->encoded, sizeof(files->encoded));
    const bool fits = giro_disclosure_encode(&files->part, &writer);
    GIRO_ASSERT(fits); /* a frame and its hashes: a quarter of the most */
    struct giro_hash digest = day->digest;
    const size_t size_bytes =
        giro_details_day_put(files->encoded, (uint32_t)writer.offset, &digest, files->entry);
    GIRO_TRY(giro_file_write_at(own->fd, files->entry, size_bytes, day->size_bytes));
    day->size_bytes += size_bytes; /* readers see whole entries only */
    day->digest = digest;
    day->last_height = executed->height;
    day->last_leaf = executed->leaf_index;
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
    GIRO_ASSERT(member < files->genesis->member_count);
    path_make(files, member, business_date, path, path_bytes);
    const struct day *day = day_find(&files->members[member], business_date);
    return day != NULL && day->last_height > 0 ? day->size_bytes : 0;
}

bool giro_details_files_digest(const struct giro_details_files *files, uint16_t member,
                               uint16_t business_date, struct giro_hash *digest)
{
    GIRO_ASSERT(member < files->genesis->member_count);
    const struct day *day = day_find(&files->members[member], business_date);
    if (day == NULL || day->last_height == 0)
        return false;
    *digest = day->digest;
    return true;
}

uint64_t giro_details_files_bytes(const struct giro_details_files *files)
{
    return files->bytes;
}
