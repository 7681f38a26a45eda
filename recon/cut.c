/* giro_recon_cut: render into a folder next to the wanted one, make it durable, rename. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"

/* Same names with the same bytes? */
static bool file_same(const char *a, const char *b)
{
    struct recon_map left, right;
    struct giro_diagnosis unused;
    if (recon_map_open(a, &left, &unused) != GIRO_ERR_OK)
        return false;
    bool same = recon_map_open(b, &right, &unused) == GIRO_ERR_OK;
    if (same) {
        same = left.size_bytes == right.size_bytes &&
               (left.size_bytes == 0 || memcmp(left.bytes, right.bytes, left.size_bytes) == 0);
        recon_map_close(&right);
    }
    recon_map_close(&left);
    return same;
}

static bool folder_same(const char *a, const char *b)
{
    char **left = NULL, **right = NULL;
    uint32_t left_count = 0, right_count = 0;
    bool same = recon_names(a, &left, &left_count) == GIRO_ERR_OK &&
                recon_names(b, &right, &right_count) == GIRO_ERR_OK && left_count == right_count;
    for (uint32_t i = 0; same && i < left_count; i++) {
        char left_path[RECON_PATH_BYTES], right_path[RECON_PATH_BYTES];
        same = strcmp(left[i], right[i]) == 0 && recon_path_join(left_path, a, left[i]) &&
               recon_path_join(right_path, b, right[i]) && file_same(left_path, right_path);
    }
    recon_names_free(left, left_count);
    recon_names_free(right, right_count);
    return same;
}

static enum giro_err sync_parent(const char *path)
{
    char parent[RECON_PATH_BYTES];
    snprintf(parent, sizeof(parent), "%s", path);
    char *slash = strrchr(parent, '/');
    if (slash == NULL)
        return recon_sync_dir(".");
    slash[slash == parent ? 1 : 0] = '\0';
    return recon_sync_dir(parent);
}

/* The folder is complete: gives it its name, unless something is there already. */
static enum giro_err publish(const char *temporary, const char *out_path,
                             struct giro_diagnosis *diagnosis)
{
    struct stat info;
    enum giro_err err = recon_sync_dir(temporary);
    if (err != GIRO_ERR_OK)
        return recon_fail(diagnosis, err, temporary, "it cannot be synced");
    if (lstat(out_path, &info) == 0) {
        if (!folder_same(temporary, out_path))
            return recon_fail(diagnosis, GIRO_ERR_EXISTS, out_path,
                              "its content is not what this cut makes");
        recon_folder_remove(temporary);
        return GIRO_ERR_OK;
    }
    if (rename(temporary, out_path) != 0) {
        const char *reason = strerror(errno);
        return recon_fail(diagnosis, GIRO_ERR_IO, out_path, "%s", reason);
    }
    err = sync_parent(out_path);
    return err == GIRO_ERR_OK ? err : recon_fail(diagnosis, err, out_path, "it cannot be synced");
}

static bool temporary_name(const char *out_path, char path[RECON_PATH_BYTES])
{
    size_t length = strlen(out_path);
    while (length > 1 && out_path[length - 1] == '/')
        length--;
    int written =
        snprintf(path, RECON_PATH_BYTES, "%.*s.%d.tmp", (int)length, out_path, (int)getpid());
    return length > 0 && written > 0 && (size_t)written < RECON_PATH_BYTES;
}

static enum giro_err make_folder(const char *path, struct giro_diagnosis *diagnosis)
{
    recon_folder_remove(path); /* of an earlier process with our number */
    enum giro_err err = giro_dir_make(path);
    return err == GIRO_ERR_OK ? err : recon_fail(diagnosis, err, path, "it cannot be made");
}

enum giro_err giro_recon_cut(const struct giro_recon_cut_options *options,
                             struct giro_recon_cut_result *result, struct giro_diagnosis *diagnosis)
{
    char temporary[RECON_PATH_BYTES], out_path[RECON_PATH_BYTES];
    memset(result, 0, sizeof(*result));
    if (options->from_window > options->to_window || !temporary_name(options->out_path, temporary))
        return recon_fail(diagnosis, GIRO_ERR_ARGUMENT, options->out_path,
                          "no such range or folder name");
    snprintf(out_path, sizeof(out_path), "%s", options->out_path);
    for (size_t end = strlen(out_path); end > 1 && out_path[end - 1] == '/'; end--)
        out_path[end - 1] = '\0';
    struct recon_map journal;
    GIRO_TRY(recon_map_open(options->journal_path, &journal, diagnosis));
    struct recon_cut *cut = calloc(1, sizeof(*cut));
    enum giro_err err = GIRO_ERR_NOMEM;
    if (cut == NULL) {
        (void)recon_fail(diagnosis, err, options->out_path, "while cutting it");
    } else {
        *cut = (struct recon_cut){.genesis = options->genesis,
                                  .ring = options->ring,
                                  .dir = temporary,
                                  .from_window = options->from_window,
                                  .to_window = options->to_window,
                                  .details_path = options->details_path,
                                  .progress = options->progress,
                                  .progress_context = options->progress_context};
        err = make_folder(temporary, diagnosis);
        if (err == GIRO_ERR_OK)
            err = recon_cut_render(cut, options->journal_path, &journal, diagnosis);
        if (err == GIRO_ERR_OK)
            err = publish(temporary, out_path, diagnosis);
        if (err == GIRO_ERR_OK)
            *result = cut->result;
        else
            recon_folder_remove(temporary);
        recon_cut_free(cut);
        free(cut);
    }
    recon_map_close(&journal);
    return err;
}

enum giro_err giro_journal_range(const char *journal_path, const struct giro_hash *chain_id,
                                 struct giro_journal_span *span, struct giro_diagnosis *diagnosis)
{
    memset(span, 0, sizeof(*span));
    struct recon_map map;
    GIRO_TRY(recon_map_open(journal_path, &map, diagnosis));
    struct giro_journal_header header;
    struct giro_journal_block block;
    enum giro_err err = GIRO_ERR_OK;
    if (map.size_bytes >= sizeof(header)) {
        memcpy(&header, map.bytes, sizeof(header));
        if (!giro_head_is(&header.head, GIRO_KIND_JOURNAL))
            err = recon_fail(diagnosis, GIRO_ERR_FORMAT, journal_path, "offset 0: not a journal");
        else if (!giro_hash_equal(&header.chain_id, chain_id))
            err = recon_fail(diagnosis, GIRO_ERR_CHAIN, journal_path,
                             "offset 8: the header names another hub");
    }
    uint64_t offset = sizeof(header);
    while (err == GIRO_ERR_OK &&
           offset + sizeof(block) + sizeof(struct giro_window_record) <= map.size_bytes) {
        memcpy(&block, map.bytes + offset, sizeof(block));
        if (block.magic != GIRO_MAGIC || block.size_bytes % 8 != 0 ||
            block.size_bytes < sizeof(block) + sizeof(struct giro_window_record)) {
            err = recon_fail(diagnosis, GIRO_ERR_FORMAT, journal_path,
                             "offset %lu: no block where one must start", (unsigned long)offset);
            break;
        }
        if (block.size_bytes > map.size_bytes - offset)
            break;
        uint64_t window;
        memcpy(&window,
               map.bytes + offset + sizeof(block) + offsetof(struct giro_window_record, window),
               sizeof(window));
        if (span->blocks++ == 0)
            span->first_window = window;
        if (window > span->last_window) {
            span->before_last_window = span->last_window;
            span->last_window = window;
        }
        offset += block.size_bytes;
    }
    recon_map_close(&map);
    return err;
}
