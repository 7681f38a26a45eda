/* All files of a cut from one journal. The same code writes them and, in giro verify, compares them. */
#include <stdlib.h>
#include <unistd.h>

#include "files.h"

const char *const recon_cut_names[RECON_CUT_FILE_COUNT] = {
    "windows.journal", "entries.csv",    "positions.csv", "statuses.csv", "totals.csv",
    "netting.csv",     "details.opened", "manifest.json", "SHA256SUMS"};

#define PROGRESS_BYTES (1u << 20)

static enum giro_err out_open(struct recon_cut *cut, enum recon_cut_file file,
                              struct giro_diagnosis *diagnosis)
{
    const char *name = recon_cut_names[file];
    if (cut->comparing)
        return recon_out_compare(&cut->outs[file], cut->dir, name, diagnosis);
    enum giro_err err = recon_out_create(&cut->outs[file], cut->dir, name);
    if (err != GIRO_ERR_OK)
        return recon_fail(diagnosis, err, cut->dir, "\"%s\" cannot be made there", name);
    return GIRO_ERR_OK;
}

/* What went wrong with an output: where it differs, or that it cannot be written. */
static enum giro_err out_fail(const struct recon_cut *cut, const struct recon_out *out,
                              struct giro_diagnosis *diagnosis)
{
    char path[RECON_PATH_BYTES];
    if (!recon_path_join(path, cut->dir, out->name))
        path[0] = '\0';
    if (!cut->comparing)
        return recon_fail(diagnosis, GIRO_ERR_IO, path, "it cannot be written");
    return recon_fail(diagnosis, GIRO_ERR_CHECKSUM, path,
                      "line %lu, offset %lu, 64 KiB block %lu: not what the sealed windows say",
                      (unsigned long)out->differs_line, (unsigned long)out->differs_at,
                      (unsigned long)(out->differs_at / RECON_BLOCK_BYTES));
}

static enum giro_err outs_check(const struct recon_cut *cut, struct giro_diagnosis *diagnosis)
{
    for (uint32_t i = 0; i < RECON_CUT_FILE_COUNT; i++)
        if (cut->outs[i].open && cut->outs[i].failed)
            return out_fail(cut, &cut->outs[i], diagnosis);
    return GIRO_ERR_OK;
}

static enum giro_err outs_begin(struct recon_cut *cut, const struct recon_walk *walk,
                                struct giro_diagnosis *diagnosis)
{
    for (uint32_t i = 0; i < RECON_CUT_NETTING; i++)
        GIRO_TRY(out_open(cut, (enum recon_cut_file)i, diagnosis));
    const struct {
        enum recon_cut_file file;
        const char *header;
    } texts[] = {{RECON_CUT_ENTRIES, recon_entries_header},
                 {RECON_CUT_POSITIONS, recon_entries_header},
                 {RECON_CUT_STATUSES, recon_statuses_header},
                 {RECON_CUT_TOTALS, recon_totals_header}};
    for (uint32_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        recon_out_put(&cut->outs[texts[i].file], texts[i].header, strlen(texts[i].header));
    recon_out_put(&cut->outs[RECON_CUT_JOURNAL], &walk->header, sizeof(walk->header));
    return GIRO_ERR_OK;
}

/* Reads the day of details, whose bytes are part of the cut. */
static enum giro_err details_begin(struct recon_cut *cut, struct giro_diagnosis *diagnosis)
{
    char own[RECON_PATH_BYTES];
    const char *path = cut->details_path;
    struct recon_map map;
    if (cut->comparing) {
        if (!recon_path_join(own, cut->dir, recon_cut_names[RECON_CUT_DETAILS]))
            return GIRO_ERR_ARGUMENT;
        path = access(own, F_OK) == 0 ? own : NULL;
    }
    if (path == NULL)
        return GIRO_ERR_OK;
    struct recon_day day = {.offset = 0};
    GIRO_TRY(recon_map_open(path, &map, diagnosis));
    const char *wrong = recon_details_load(cut->genesis, cut->ring, &map, &day, &cut->details);
    if (wrong == NULL &&
        (day.header.member != cut->member || day.header.business_date != cut->business_date)) {
        day.offset = offsetof(struct giro_details_day_header, member);
        wrong = "it is of another member or business date than the windows";
    }
    enum giro_err err = GIRO_ERR_OK;
    if (wrong != NULL)
        err = recon_fail(diagnosis, GIRO_ERR_SIGNATURE, path, "offset %lu: %s",
                         (unsigned long)day.offset, wrong);
    if (err == GIRO_ERR_OK)
        err = out_open(cut, RECON_CUT_DETAILS, diagnosis);
    if (err == GIRO_ERR_OK)
        recon_out_put(&cut->outs[RECON_CUT_DETAILS], map.bytes, map.size_bytes);
    recon_map_close(&map);
    return err;
}

static const char *netting_render(struct recon_cut *cut, const struct giro_journal_view *view,
                                  struct giro_diagnosis *diagnosis, enum giro_err *err)
{
    *err = GIRO_ERR_OK;
    if (cut->netting != NULL) {
        const char *wrong = recon_netting_add(cut->netting, view);
        if (wrong != NULL)
            return wrong;
    }
    if (!view->header.has_cycle || view->cycle_leaf.state != GIRO_CYCLE_SETTLED)
        return NULL;
    struct recon_out *out = &cut->outs[RECON_CUT_NETTING];
    if (!out->open) {
        *err = out_open(cut, RECON_CUT_NETTING, diagnosis);
        if (*err != GIRO_ERR_OK)
            return NULL;
        recon_out_put(out, recon_netting_header, strlen(recon_netting_header));
    }
    struct giro_netting_cell *cells = calloc(view->header.netting_count + 1u, sizeof(*cells));
    if (cells == NULL) {
        *err = GIRO_ERR_NOMEM;
        return NULL;
    }
    if (view->header.netting_count > 0)
        memcpy(cells, view->cells, view->header.netting_count * sizeof(*cells));
    const char *wrong =
        recon_netting_member_render(cut->genesis, view->cycle_leaf.cycle, view->record.member,
                                    view->record.currency, cells, view->header.netting_count, out);
    free(cells);
    return wrong;
}

static enum giro_err block_render(struct recon_cut *cut, struct recon_walk *walk,
                                  struct recon_totals *totals, const char *journal_path,
                                  struct giro_diagnosis *diagnosis)
{
    const struct giro_journal_view *view = &walk->view;
    enum giro_err err = GIRO_ERR_OK;
    recon_out_put(&cut->outs[RECON_CUT_JOURNAL], walk->bytes + walk->offset, view->size_bytes);
    const char *wrong = recon_entries_render(cut->genesis, view, false, cut->details,
                                             &cut->outs[RECON_CUT_ENTRIES]);
    if (wrong == NULL)
        wrong = recon_entries_render(cut->genesis, view, true, cut->details,
                                     &cut->outs[RECON_CUT_POSITIONS]);
    if (wrong == NULL)
        wrong = recon_totals_render(totals, cut->genesis, view, &cut->outs[RECON_CUT_TOTALS]);
    if (wrong == NULL)
        wrong = netting_render(cut, view, diagnosis, &err);
    if (wrong != NULL)
        return recon_fail(diagnosis, GIRO_ERR_FORMAT, journal_path, "offset %lu: %s",
                          (unsigned long)walk->offset, wrong);
    if (err != GIRO_ERR_OK)
        return err;
    recon_statuses_render(view, cut->details, &cut->outs[RECON_CUT_STATUSES]);
    if (cut->result.windows == 0)
        cut->first_window = view->record.window;
    cut->last_window = view->record.window;
    cut->result.windows++;
    cut->result.entries += view->header.entry_count;
    cut->result.positions += view->header.position_count;
    cut->result.statuses += view->header.status_count;
    bool second = view->header.has_cycle && view->header.cycle_height != view->record.sealed_height;
    cut->certificates += second ? 2 : 1;
    return outs_check(cut, diagnosis);
}

static void progress(const struct recon_cut *cut, const struct recon_walk *walk, uint64_t *told,
                     bool end)
{
    if (cut->progress == NULL || (!end && walk->next - *told < PROGRESS_BYTES))
        return;
    *told = walk->next;
    cut->progress(cut->progress_context, end ? walk->size_bytes : walk->next, walk->size_bytes);
}

static enum giro_err blocks_render(struct recon_cut *cut, struct recon_walk *walk,
                                   struct recon_totals *totals, const char *journal_path,
                                   struct giro_diagnosis *diagnosis)
{
    uint64_t told = 0;
    for (;;) {
        enum recon_step step = recon_walk_next(walk, cut->from_window);
        if (step == RECON_STEP_BLOCK && walk->view.record.window > cut->to_window)
            break; /* windows never go back within a journal: giro_journal_verify holds it */
        if (step == RECON_STEP_BLOCK)
            step = recon_walk_verify(walk);
        if (step == RECON_STEP_WRONG)
            return recon_fail(diagnosis, walk->err, journal_path, "offset %lu: %s",
                              (unsigned long)walk->offset, walk->wrong);
        cut->torn = step == RECON_STEP_TORN;
        if (step != RECON_STEP_BLOCK)
            break;
        GIRO_TRY(block_render(cut, walk, totals, journal_path, diagnosis));
        progress(cut, walk, &told, false);
    }
    progress(cut, walk, &told, true);
    return GIRO_ERR_OK;
}

static enum giro_err text_out(struct recon_cut *cut, enum recon_cut_file file, char *text,
                              size_t size_bytes, struct giro_diagnosis *diagnosis)
{
    if (text == NULL)
        return GIRO_ERR_NOMEM;
    enum giro_err err = out_open(cut, file, diagnosis);
    if (err == GIRO_ERR_OK) {
        recon_out_put(&cut->outs[file], text, size_bytes);
        if (recon_out_finish(&cut->outs[file]) != GIRO_ERR_OK)
            err = out_fail(cut, &cut->outs[file], diagnosis);
    }
    free(text);
    return err;
}

static enum giro_err outs_end(struct recon_cut *cut, struct giro_diagnosis *diagnosis)
{
    for (uint32_t i = 0; i < RECON_CUT_MANIFEST; i++)
        if (cut->outs[i].open && recon_out_finish(&cut->outs[i]) != GIRO_ERR_OK)
            return out_fail(cut, &cut->outs[i], diagnosis);
    size_t size_bytes = 0;
    char *text = recon_manifest_text(cut, &size_bytes);
    GIRO_TRY(text_out(cut, RECON_CUT_MANIFEST, text, size_bytes, diagnosis));
    text = recon_sums_text(cut, &size_bytes);
    GIRO_TRY(text_out(cut, RECON_CUT_SUMS, text, size_bytes, diagnosis));
    for (uint32_t i = 0; i < RECON_CUT_FILE_COUNT; i++)
        cut->result.bytes += cut->outs[i].size_bytes;
    return GIRO_ERR_OK;
}

enum giro_err recon_cut_render(struct recon_cut *cut, const char *journal_path,
                               const struct recon_map *journal, struct giro_diagnosis *diagnosis)
{
    struct recon_walk *walk = malloc(sizeof(*walk));
    struct recon_totals *totals = recon_totals_new();
    enum giro_err err = walk == NULL || totals == NULL ? GIRO_ERR_NOMEM : GIRO_ERR_OK;
    if (err == GIRO_ERR_OK) {
        const char *wrong = recon_walk_open(walk, cut->genesis, cut->ring, journal);
        if (wrong != NULL)
            err = recon_fail(diagnosis, walk->err, journal_path, "offset 0: %s", wrong);
    }
    if (err == GIRO_ERR_OK) {
        cut->member = walk->header.member;
        cut->business_date = walk->header.business_date;
        err = outs_begin(cut, walk, diagnosis);
    }
    if (err == GIRO_ERR_OK)
        err = details_begin(cut, diagnosis);
    if (err == GIRO_ERR_OK)
        err = blocks_render(cut, walk, totals, journal_path, diagnosis);
    if (err == GIRO_ERR_OK && cut->result.windows == 0)
        err = recon_fail(diagnosis, GIRO_ERR_NOENT, journal_path, "no sealed window in the range");
    if (err == GIRO_ERR_OK && cut->comparing && cut->torn)
        err = recon_fail(diagnosis, GIRO_ERR_FORMAT, journal_path,
                         "offset %lu: the file ends within a block", (unsigned long)walk->offset);
    if (err == GIRO_ERR_OK)
        err = outs_end(cut, diagnosis);
    if (err == GIRO_ERR_NOMEM)
        (void)recon_fail(diagnosis, err, journal_path, "while rendering it");
    recon_totals_free(totals);
    free(walk);
    return err;
}

void recon_cut_free(struct recon_cut *cut)
{
    for (uint32_t i = 0; i < RECON_CUT_FILE_COUNT; i++)
        recon_out_free(&cut->outs[i]);
    recon_details_free(cut->details);
    cut->details = NULL;
}
