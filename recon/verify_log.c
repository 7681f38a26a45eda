/* A replica's log folder: read as recovery reads it, then what recovery need not look at (padding, what lies behind the end),
 * so that a flipped byte anywhere shows. */
#include <stdlib.h>
#include <xxhash.h>

#include "verify_log.h"

#define SEGMENT_FIRST 4096u /* records start behind the header's block */

static void segment_name(uint64_t generation, char name[32])
{
    snprintf(name, 32, "log-%016lx", (unsigned long)generation);
}

static bool segment_map(struct log_verify *log, uint64_t generation)
{
    if (log->segment_generation == generation)
        return true;
    char name[32], path[RECON_PATH_BYTES];
    recon_map_close(&log->segment);
    log->segment_generation = 0;
    segment_name(generation, name);
    if (!recon_path_join(path, log->path, name) ||
        recon_map_open(path, &log->segment, log->verify->diagnosis) != GIRO_ERR_OK)
        return false;
    log->segment_generation = generation;
    return true;
}

static uint64_t record_end(uint64_t offset, uint32_t body_bytes)
{
    return offset + sizeof(struct giro_log_record_header) + giro_align_up(body_bytes, 8);
}

static const char *padding_check(struct log_verify *log, const struct giro_log_found *found)
{
    const struct giro_log_position *at = &found->position;
    if (!segment_map(log, at->generation))
        return "the segment cannot be mapped";
    uint64_t end = record_end(at->offset, found->body_bytes);
    uint64_t body_end = at->offset + sizeof(struct giro_log_record_header) + found->body_bytes;
    if (end > log->segment.size_bytes ||
        !verify_is_zero(log->segment.bytes + body_end, end - body_end))
        return "padding is not zero";
    return NULL;
}

static enum giro_err visit(void *context, const struct giro_log_found *found)
{
    struct log_verify *log = context;
    log->wrong_generation = found->position.generation;
    log->wrong_offset = found->position.offset;
    log->wrong = padding_check(log, found);
    if (log->wrong == NULL)
        log->wrong = log_record_verify(log, found);
    if (log->wrong != NULL)
        return log->no_memory ? GIRO_ERR_NOMEM : GIRO_ERR_DAMAGED;
    log->records++;
    log->last_sequence = found->sequence;
    log->last = found->position;
    log->last_end = record_end(found->position.offset, found->body_bytes);
    return GIRO_ERR_OK;
}

/* ---- Behind the end ---- */

static bool record_intact(const struct log_verify *log, uint64_t seed, uint64_t offset,
                          struct giro_log_record_header *record)
{
    const struct recon_map *map = &log->segment;
    memcpy(record, map->bytes + offset, sizeof(*record));
    if (record->magic != GIRO_MAGIC || record->generation != log->segment_generation ||
        record->body_bytes > GIRO_LOG_BODY_BYTES_MAX ||
        record_end(offset, record->body_bytes) > map->size_bytes)
        return false;
    XXH3_state_t *state = XXH3_createState();
    if (state == NULL)
        return false;
    XXH128_canonical_t canonical;
    XXH3_128bits_reset_withSeed(state, seed);
    XXH3_128bits_update(state, record, offsetof(struct giro_log_record_header, checksum));
    if (record->body_bytes > 0)
        XXH3_128bits_update(state, map->bytes + offset + sizeof(*record), record->body_bytes);
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state));
    XXH3_freeState(state);
    return memcmp(canonical.digest, record->checksum, sizeof(record->checksum)) == 0;
}

/* The padding record of the last group commit belongs to what is there. *end moves behind it. */
static const char *pad_check(struct log_verify *log, uint64_t seed, uint64_t *end)
{
    const struct recon_map *map = &log->segment;
    struct giro_log_record_header record;
    if (*end + sizeof(record) > map->size_bytes || !record_intact(log, seed, *end, &record) ||
        record.kind != GIRO_LOG_PAD_RECORD)
        return NULL;
    uint64_t body_end = *end + sizeof(record) + record.body_bytes;
    *end = record_end(*end, record.body_bytes);
    bool clean = verify_is_zero(map->bytes + body_end, *end - body_end) &&
                 verify_is_zero(record.reserved3, sizeof(record.reserved3));
    return clean ? NULL : "padding is not zero";
}

/* The last segment behind its last record. An intact record behind a bad one means damage: writes reach the disk in order
 * but for the last few. Only zeros mean a clean end. *torn_bytes: up to the last byte that is not zero. */
static const char *tail_check(struct log_verify *log, uint64_t *torn_bytes)
{
    *torn_bytes = 0;
    if (log->newest_generation == 0 || !segment_map(log, log->newest_generation))
        return NULL;
    const struct recon_map *map = &log->segment;
    struct giro_log_segment_header header;
    memcpy(&header, map->bytes, sizeof(header));
    uint64_t end = log->last.generation == log->newest_generation ? log->last_end : SEGMENT_FIRST;
    log->wrong_generation = log->newest_generation;
    log->wrong_offset = end;
    const char *wrong = pad_check(log, header.seed, &end);
    if (wrong != NULL)
        return wrong;
    log->wrong_offset = end;
    uint64_t last = map->size_bytes;
    while (last > end && map->bytes[last - 1] == 0)
        last--;
    struct giro_log_record_header record;
    for (uint64_t at = end; at + sizeof(record) <= last; at += 8)
        if (record_intact(log, header.seed, at, &record) && record.kind != GIRO_LOG_PAD_RECORD &&
            record.sequence > log->last_sequence)
            return "a record is damaged: intact ones follow it";
    *torn_bytes = last - end;
    return NULL;
}

/* ---- The folder ---- */

static enum giro_err fail_in_segment(struct log_verify *log, enum giro_err err, const char *wrong)
{
    char name[32], path[RECON_PATH_BYTES];
    segment_name(log->wrong_generation, name);
    if (!recon_path_join(path, log->path, name))
        path[0] = '\0';
    return recon_fail(log->verify->diagnosis, err, path, "offset %lu: %s",
                      (unsigned long)log->wrong_offset, wrong);
}

static enum giro_err log_read(struct log_verify *log)
{
    struct verify *verify = log->verify;
    struct readonly_disk readonly;
    struct giro_disk disk = readonly_disk_open(&readonly, log->path);
    struct giro_log_damage damage;
    enum giro_err err =
        giro_log_scan(&disk, &verify->options->genesis->chain_id,
                      log->image_height > 0 ? log->image_sequence : 1, visit, log, &damage);
    if (err != GIRO_ERR_OK && log->wrong != NULL)
        return fail_in_segment(log, err, log->wrong);
    if (err != GIRO_ERR_OK) {
        char path[RECON_PATH_BYTES];
        if (!recon_path_join(path, log->path, damage.file))
            path[0] = '\0';
        return recon_fail(verify->diagnosis, err, path, "offset %lu: %s",
                          (unsigned long)damage.offset, damage.sentence);
    }
    uint64_t torn_bytes;
    const char *wrong = tail_check(log, &torn_bytes);
    if (wrong == NULL)
        wrong = log_whole_verify(log);
    if (wrong != NULL)
        return fail_in_segment(log, GIRO_ERR_DAMAGED, wrong);
    char torn[80] = "";
    if (torn_bytes > 0)
        snprintf(torn, sizeof(torn), "; ends torn after record %lu (normal after a kill)",
                 (unsigned long)log->last_sequence);
    char prepared[80] = "";
    if (log->prepared_count > 0)
        snprintf(prepared, sizeof(prepared), "; %u segment%s prepared, not used yet",
                 log->prepared_count, log->prepared_count == 1 ? "" : "s");
    verify_say(verify, log->path,
               "block log: %lu records, %lu blocks, %lu executed, %lu batches%s%s",
               (unsigned long)log->records, (unsigned long)log->blocks.count,
               (unsigned long)log->roots.count, (unsigned long)log->batches.count, torn, prepared);
    return GIRO_ERR_OK;
}

static bool header_whole(const struct giro_log_segment_header *header)
{
    XXH128_canonical_t canonical;
    XXH128_hash_t hash = XXH3_128bits(header, offsetof(struct giro_log_segment_header, checksum));
    XXH128_canonicalFromHash(&canonical, hash);
    return memcmp(canonical.digest, header->checksum, sizeof(header->checksum)) == 0;
}

/* Prepared for the records to come, or left by a death while its header was written, as recovery tells it (giro_log_walk):
 * no whole header, and no record where the first one would be. */
static bool segment_is_prepared(const struct recon_map *map)
{
    struct giro_log_segment_header header;
    if (map->size_bytes < 2 * SEGMENT_FIRST)
        return true;
    memcpy(&header, map->bytes, sizeof(header));
    return !header_whole(&header) && verify_is_zero(map->bytes + SEGMENT_FIRST, SEGMENT_FIRST);
}

/* Whose segment it is, and the rest of its header's block, which has no checksum. */
static enum giro_err segment_look(struct log_verify *log, const char *path,
                                  const struct recon_map *map)
{
    struct giro_log_segment_header header;
    if (segment_is_prepared(map)) {
        log->prepared_count++;
        return GIRO_ERR_OK;
    }
    memcpy(&header, map->bytes, sizeof(header));
    if (!header_whole(&header))
        return recon_fail(log->verify->diagnosis, GIRO_ERR_DAMAGED, path,
                          "offset 0: a segment header does not match its checksum");
    if (!verify_is_zero(map->bytes + sizeof(header), SEGMENT_FIRST - sizeof(header)))
        return recon_fail(log->verify->diagnosis, GIRO_ERR_FORMAT, path,
                          "offset %lu: the rest of the segment's header is not zero",
                          (unsigned long)sizeof(header));
    if (header.generation > log->newest_generation)
        log->newest_generation = header.generation;
    return verify_replica(log->verify, path, offsetof(struct giro_log_segment_header, replica),
                          header.replica);
}

static enum giro_err segments_look(struct log_verify *log)
{
    struct verify *verify = log->verify;
    char **names;
    uint32_t count;
    enum giro_err err = recon_names(log->path, &names, &count);
    if (err != GIRO_ERR_OK)
        return recon_fail(verify->diagnosis, err, log->path, "it cannot be listed");
    for (uint32_t i = 0; err == GIRO_ERR_OK && i < count; i++) {
        char path[RECON_PATH_BYTES];
        struct recon_map map;
        bool segment = strlen(names[i]) == 20 && strncmp(names[i], "log-", 4) == 0;
        if (!recon_path_join(path, log->path, names[i]))
            continue;
        bool image = strncmp(names[i], "image-", 6) == 0;
        if (strncmp(names[i], "chunks-", 7) == 0)
            continue; /* looked at with the images that use them */
        if (!segment && !image && strcmp(names[i], GIRO_SAFETY_FILE) != 0) {
            verify_say(verify, path, "skipped: not part of the log");
            continue;
        }
        err = recon_map_open(path, &map, verify->diagnosis);
        if (err != GIRO_ERR_OK)
            break;
        if (segment)
            err = segment_look(log, path, &map);
        else
            err = image ? verify_image(log, path, &map) : verify_safety(verify, path, &map);
        verify->options->files++;
        verify->options->bytes += map.size_bytes;
        recon_map_close(&map);
    }
    recon_names_free(names, count);
    if (err == GIRO_ERR_OK && log->damaged_height > log->image_height)
        err = recon_fail(verify->diagnosis, GIRO_ERR_DAMAGED, log->path,
                         "a chunk of the newest image, height %lu, is damaged",
                         (unsigned long)log->damaged_height);
    return err;
}

enum giro_err verify_log_folder(struct verify *verify, const char *path)
{
    struct log_verify *log = calloc(1, sizeof(*log));
    if (log == NULL)
        return recon_fail(verify->diagnosis, GIRO_ERR_NOMEM, path, "while reading it");
    log->verify = verify;
    log->path = path;
    log->blocks.item_bytes = sizeof(struct log_block);
    log->references.item_bytes = log->batches.item_bytes = sizeof(struct giro_hash);
    log->roots.item_bytes = log->certificates.item_bytes = sizeof(struct log_body);
    enum giro_err err = segments_look(log);
    if (err == GIRO_ERR_OK)
        err = log_read(log);
    recon_map_close(&log->segment);
    struct verify_list *lists[] = {&log->blocks, &log->references, &log->batches, &log->roots,
                                   &log->certificates};
    for (uint32_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        verify_list_free(lists[i]);
    free(log);
    return err;
}
