/* Cut folders, by making every file again from windows.journal; netting reports, from all journals met. */
#include <stdlib.h>
#include <sys/stat.h>

#include "verify.h"

/* Files of the folder that the cut does not make. */
static enum giro_err extra_files(struct verify *verify, const char *path,
                                 const struct recon_cut *cut)
{
    char **names;
    uint32_t count;
    enum giro_err err = recon_names(path, &names, &count);
    if (err != GIRO_ERR_OK)
        return recon_fail(verify->diagnosis, err, path, "it cannot be listed");
    for (uint32_t i = 0; i < count && err == GIRO_ERR_OK; i++) {
        bool ours = false;
        for (uint32_t file = 0; file < RECON_CUT_FILE_COUNT && !ours; file++)
            ours = strcmp(names[i], recon_cut_names[file]) == 0 && cut->outs[file].open;
        char child[RECON_PATH_BYTES];
        if (ours || !recon_path_join(child, path, names[i]))
            continue;
        if (strcmp(names[i], recon_cut_names[RECON_CUT_NETTING]) == 0)
            err = recon_fail(verify->diagnosis, GIRO_ERR_FORMAT, child,
                             "line 1: no cycle settled in these windows");
        else
            verify_say(verify, child, "not part of the cut, skipped");
    }
    recon_names_free(names, count);
    return err;
}

enum giro_err verify_cut_folder(struct verify *verify, const char *path)
{
    char journal_path[RECON_PATH_BYTES];
    if (!recon_path_join(journal_path, path, recon_cut_names[RECON_CUT_JOURNAL]))
        return recon_fail(verify->diagnosis, GIRO_ERR_ARGUMENT, path, "the path is too long");
    struct recon_map journal;
    GIRO_TRY(recon_map_open(journal_path, &journal, verify->diagnosis));
    struct recon_cut *cut = calloc(1, sizeof(*cut));
    enum giro_err err = GIRO_ERR_NOMEM;
    if (cut == NULL) {
        (void)recon_fail(verify->diagnosis, err, path, "while reading it");
    } else {
        *cut = (struct recon_cut){.genesis = verify->options->genesis,
                                  .ring = verify->options->ring,
                                  .dir = path,
                                  .comparing = true,
                                  .to_window = UINT64_MAX,
                                  .netting = &verify->netting};
        err = recon_cut_render(cut, journal_path, &journal, verify->diagnosis);
        if (err == GIRO_ERR_OK)
            err = extra_files(verify, path, cut);
        if (err == GIRO_ERR_OK) {
            for (uint32_t i = 0; i < RECON_CUT_FILE_COUNT; i++)
                verify->options->files += cut->outs[i].open;
            verify->options->bytes += cut->result.bytes;
            verify->options->windows += cut->result.windows;
            verify->options->certificates += cut->certificates;
            verify_say(verify, path, "cut of %s: %lu windows, %lu entries, %lu positions",
                       recon_bic(verify->options->genesis, cut->member),
                       (unsigned long)cut->result.windows, (unsigned long)cut->result.entries,
                       (unsigned long)cut->result.positions);
        }
        recon_cut_free(cut);
        free(cut);
    }
    recon_map_close(&journal);
    return err;
}

/* ---- Netting reports ---- */

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

/* Settled cycles of every journal below a folder. */
static enum giro_err collect_below(struct verify *verify, const char *path, uint32_t depth)
{
    char **names;
    uint32_t count;
    enum giro_err err = recon_names(path, &names, &count);
    if (err != GIRO_ERR_OK)
        return recon_fail(verify->diagnosis, err, path, "it cannot be listed");
    for (uint32_t i = 0; i < count && err == GIRO_ERR_OK; i++) {
        char child[RECON_PATH_BYTES];
        struct stat info;
        if (!recon_path_join(child, path, names[i]) || lstat(child, &info) != 0)
            continue;
        if (S_ISDIR(info.st_mode) && depth < VERIFY_DEPTH_MAX && !ends_with(names[i], ".tmp"))
            err = collect_below(verify, child, depth + 1);
        else if (S_ISREG(info.st_mode) && ends_with(names[i], ".journal"))
            err = recon_netting_collect(&verify->netting, verify->options->genesis,
                                        verify->options->ring, child, verify->diagnosis);
    }
    recon_names_free(names, count);
    return err;
}

/* The folder two levels up: where the members' folders stand beside netting/. */
static void beside(const char *path, char folder[RECON_PATH_BYTES])
{
    snprintf(folder, RECON_PATH_BYTES, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash == NULL) {
        snprintf(folder, RECON_PATH_BYTES, "..");
        return;
    }
    *slash = '\0';
    slash = strrchr(folder, '/');
    if (slash == NULL || strcmp(slash + 1, ".") == 0 || strcmp(slash + 1, "..") == 0) {
        size_t length = strlen(folder);
        if (slash == NULL && strcmp(folder, ".") != 0 && strcmp(folder, "..") != 0)
            snprintf(folder, RECON_PATH_BYTES, ".");
        else
            snprintf(folder + length, RECON_PATH_BYTES - length, "/..");
        return;
    }
    slash[slash == folder ? 1 : 0] = '\0';
}

/* The cycle a report is about: its name says it, else its first row. */
static enum giro_err report_cycle(struct verify *verify, const char *path, uint32_t *cycle)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    size_t header = strlen(recon_netting_header);
    *cycle = (uint32_t)strtoul(name, NULL, 10);
    if (*cycle > 0)
        return GIRO_ERR_OK;
    struct recon_map map;
    GIRO_TRY(recon_map_open(path, &map, verify->diagnosis));
    for (uint64_t at = header; at < map.size_bytes && *cycle < UINT32_MAX / 10; at++) {
        if (map.bytes[at] < '0' || map.bytes[at] > '9')
            break;
        *cycle = *cycle * 10 + (map.bytes[at] - '0');
    }
    recon_map_close(&map);
    return GIRO_ERR_OK;
}

static const struct recon_netting_row *group_find(struct verify *verify, uint32_t cycle,
                                                  uint32_t *count)
{
    recon_netting_sort(&verify->netting);
    for (uint32_t i = 0; i < verify->netting.count; i++) {
        if (verify->netting.rows[i].leaf.cycle != cycle)
            continue;
        *count = recon_netting_group(&verify->netting, i);
        return &verify->netting.rows[i];
    }
    return NULL;
}

static enum giro_err report_compare(struct verify *verify, const char *path,
                                    const struct recon_netting_row *rows, uint32_t count)
{
    struct recon_out out = {.name = path, .open = true, .comparing = true};
    giro_sha256_begin(&out.all);
    giro_sha256_begin(&out.block);
    GIRO_TRY(recon_map_open(path, &out.expected, verify->diagnosis));
    enum giro_err err = GIRO_ERR_OK;
    const char *wrong = recon_netting_cycle_render(verify->options->genesis, rows, count, &out);
    if (wrong != NULL)
        err = recon_fail(verify->diagnosis, GIRO_ERR_FORMAT, path, "%s", wrong);
    else if (recon_out_finish(&out) != GIRO_ERR_OK)
        err = recon_fail(verify->diagnosis, GIRO_ERR_CHECKSUM, path,
                         "line %lu, offset %lu: not what the members' journals say",
                         (unsigned long)out.differs_line, (unsigned long)out.differs_at);
    recon_out_free(&out);
    return err;
}

enum giro_err verify_report(struct verify *verify, const char *path)
{
    uint32_t count = 0, cycle;
    GIRO_TRY(report_cycle(verify, path, &cycle));
    const struct recon_netting_row *rows = group_find(verify, cycle, &count);
    if (rows == NULL || recon_netting_complete(verify->options->genesis, rows, count) != NULL) {
        char folder[RECON_PATH_BYTES];
        beside(path, folder);
        GIRO_TRY(collect_below(verify, folder, 0));
        rows = group_find(verify, cycle, &count);
    }
    if (rows == NULL)
        return recon_fail(verify->diagnosis, GIRO_ERR_NOENT, path,
                          "line 2: no journal here has cycle %u settled", cycle);
    GIRO_TRY(report_compare(verify, path, rows, count));
    verify_say(verify, path, "netting of cycle %u: %u members", cycle, count);
    return GIRO_ERR_OK;
}
