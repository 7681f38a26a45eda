/* recon/files.h - what the sources of giro_recon (files) share: mapped input, output that is written or compared, walking
 * a journal, rendering rows, netting rows. Private to this folder; everything here may allocate and read disk. */
#ifndef GIRO_RECON_FILES_H
#define GIRO_RECON_FILES_H

#include <stdio.h>

#include "giro/recon.h"

#define RECON_PATH_BYTES  1024u
#define RECON_BLOCK_BYTES 65536u /* a manifest has one hash per so many bytes */

/* Sets the diagnosis: which file, where in it, what is wrong; returns err. */
enum giro_err recon_fail(struct giro_diagnosis *diagnosis, enum giro_err err, const char *path,
                         const char *place_format, ...) __attribute__((format(printf, 4, 5)));
/* A path that is too long is not ours: false. */
bool recon_path_join(char path[RECON_PATH_BYTES], const char *dir, const char *name);

/* ---- Mapped input (files_io.c) ---- */

struct recon_map {
    const uint8_t *bytes; /* NULL when the file is empty */
    uint64_t size_bytes;
};
enum giro_err recon_map_open(const char *path, struct recon_map *map,
                             struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
void recon_map_close(struct recon_map *map);
enum giro_err recon_sync_dir(const char *path) GIRO_MUST_USE;
/* Removes a folder of plain files. */
void recon_folder_remove(const char *path);
/* Names in a folder, sorted by bytes, without . and ..; free each and the list. */
enum giro_err recon_names(const char *path, char ***names, uint32_t *count) GIRO_MUST_USE;
void recon_names_free(char **names, uint32_t count);

/* ---- Output: written to a file, or compared with one that is there (cut_out.c) ---- */

struct recon_out {
    const char *name;
    FILE *file;                /* writing */
    struct recon_map expected; /* comparing */
    /* sink: whole lines go here and nowhere else; NULL: to the file. */
    void (*sink)(void *context, const char *text, size_t length);
    void *sink_context;
    bool comparing;
    bool open;
    bool failed; /* writing: an IO error. comparing: differs */
    uint64_t size_bytes;
    uint64_t line;       /* lines put so far */
    uint64_t differs_at; /* comparing: offset of the first difference */
    uint64_t differs_line;
    struct giro_sha256_state all, block;
    uint32_t block_used;
    struct giro_hash *blocks; /* per RECON_BLOCK_BYTES */
    uint32_t block_count, blocks_max;
    struct giro_hash sha256; /* after recon_out_finish */
};
enum giro_err recon_out_create(struct recon_out *out, const char *dir,
                               const char *name) GIRO_MUST_USE;
enum giro_err recon_out_compare(struct recon_out *out, const char *dir, const char *name,
                                struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
void recon_out_put(struct recon_out *out, const void *bytes, size_t size_bytes);
/* Ends the hashes; writing: flushes, syncs, closes. */
enum giro_err recon_out_finish(struct recon_out *out) GIRO_MUST_USE;
void recon_out_free(struct recon_out *out);

/* ---- Days of details (details_day.c) ---- */

struct recon_day {
    /* frame: of each verified disclosure; NULL or a sentence */
    const char *(*frame)(void *context, const struct giro_disclosure *disclosure, uint16_t member);
    void *context;
    struct giro_details_day_header header; /* what was found, from here on */
    uint64_t offset;                       /* of the entry looked at last */
    uint64_t frames, payments, opened;
    bool torn; /* ends within an entry */
};
/* Verifies every disclosure of a day, with every K in it. NULL or a sentence. */
const char *recon_day_walk(const struct giro_genesis *genesis, const struct giro_key_ring *ring,
                           const struct recon_map *map, struct recon_day *day) GIRO_MUST_USE;

/* References by place in the ledger. */
struct recon_details;
struct recon_place {
    uint64_t height;
    uint32_t leaf_index;
    uint16_t record;
    const uint8_t *uetr;
};
enum recon_reference { RECON_INSTRUCTION_ID, RECON_END_TO_END_ID };
/* NULL or a sentence; then day->offset says where. */
const char *recon_details_load(const struct giro_genesis *genesis, const struct giro_key_ring *ring,
                               const struct recon_map *map, struct recon_day *day,
                               struct recon_details **details) GIRO_MUST_USE;
/* "" where there is none, or no details (NULL). */
const char *recon_details_find(const struct recon_details *details, const struct recon_place *place,
                               enum recon_reference which);
void recon_details_free(struct recon_details *details);

/* ---- Rows (rows.c, rows_totals.c) ---- */

struct recon_row {
    char text[1024];
    size_t length;
    uint32_t fields;
};
void recon_row_text(struct recon_row *row, const char *text);
/* The same for text of others, which may hold commas and quotes: quoted then (RFC 4180). */
void recon_row_quoted(struct recon_row *row, const char *text);
void recon_row_number(struct recon_row *row, uint64_t number);
void recon_row_number_or_empty(struct recon_row *row, uint64_t number);
void recon_row_amount(struct recon_row *row, giro_i128 amount_minor, uint32_t digits);
void recon_row_date(struct recon_row *row, uint16_t day);
/* Ends the line, puts it, and empties the row. */
void recon_row_end(struct recon_row *row, struct recon_out *out);

extern const char recon_entries_header[], recon_statuses_header[], recon_totals_header[],
    recon_netting_header[];
/* "<BIC>-<CUR>", with "-<cycle>" behind it for the clearing position of a cycle (cycle > 0). */
#define RECON_ACCOUNT_BYTES 40u
void recon_account_text(const struct giro_genesis *genesis, const struct giro_window_record *record,
                        uint32_t cycle, char text[RECON_ACCOUNT_BYTES]);
const char *recon_service_text(uint8_t service); /* NULL: unknown */
const char *recon_kind_text(uint8_t kind);       /* NULL: unknown */
const char *recon_bic(const struct giro_genesis *genesis, uint16_t member);

/* All rows of one window. NULL or a sentence. */
const char *recon_entries_render(const struct giro_genesis *genesis,
                                 const struct giro_journal_view *view, bool positions,
                                 const struct recon_details *details,
                                 struct recon_out *out) GIRO_MUST_USE;
void recon_statuses_render(const struct giro_journal_view *view,
                           const struct recon_details *details, struct recon_out *out);
struct recon_totals;
struct recon_totals *recon_totals_new(void);
void recon_totals_free(struct recon_totals *totals);
const char *recon_totals_render(struct recon_totals *totals, const struct giro_genesis *genesis,
                                const struct giro_journal_view *view,
                                struct recon_out *out) GIRO_MUST_USE;

/* ---- Walking a journal (cut_walk.c) ---- */

enum recon_step {
    RECON_STEP_BLOCK, /* view is the next block */
    RECON_STEP_END,
    RECON_STEP_TORN,  /* the file ends within a block */
    RECON_STEP_WRONG, /* see wrong and offset */
};
struct recon_walk {
    const struct giro_genesis *genesis;
    const struct giro_key_ring *ring;
    const uint8_t *bytes;
    uint64_t size_bytes;
    uint64_t offset; /* of the block in view, or of what is wrong */
    uint64_t next;   /* offset behind it */
    struct giro_journal_header header;
    struct giro_journal_view view;
    struct giro_journal_chain chains[GIRO_CURRENCIES_MAX];
    const char *wrong;
    enum giro_err err;
};
/* NULL or a sentence; err is set then. */
const char *recon_walk_open(struct recon_walk *walk, const struct giro_genesis *genesis,
                            const struct giro_key_ring *ring,
                            const struct recon_map *map) GIRO_MUST_USE;
/* Reads the next block with a window >= from; skipped ones are looked at no further than their header and size. */
enum recon_step recon_walk_next(struct recon_walk *walk, uint64_t from_window);
/* Verifies the block in view; RECON_STEP_BLOCK if it holds. */
enum recon_step recon_walk_verify(struct recon_walk *walk);
uint32_t
recon_walk_currency(const struct recon_walk *walk); /* genesis index of the block in view */

/* ---- Netting rows (netting.c) ---- */

struct recon_netting_row {
    struct giro_leaf_cycle leaf;
    uint16_t member;
    uint32_t cell_count;
    struct giro_netting_cell *cells;
};
struct recon_netting {
    struct recon_netting_row *rows;
    uint32_t count, max;
};
/* Adds the view's row, if it has one of a settled cycle. NULL or a sentence: another journal says something else. */
const char *recon_netting_add(struct recon_netting *netting,
                              const struct giro_journal_view *view) GIRO_MUST_USE;
void recon_netting_free(struct recon_netting *netting);
/* One member's rows with the total behind them. */
const char *recon_netting_member_render(const struct giro_genesis *genesis, uint32_t cycle,
                                        uint16_t member, uint16_t currency,
                                        const struct giro_netting_cell *cells, uint32_t count,
                                        struct recon_out *out) GIRO_MUST_USE;
/* Sorts by cycle and member; then rows[i..] of one cycle are neighbours. */
void recon_netting_sort(struct recon_netting *netting);
/* The group of rows of one cycle, checked as a whole and rendered with the header. NULL or a sentence. */
const char *recon_netting_cycle_render(const struct giro_genesis *genesis,
                                       const struct recon_netting_row *rows, uint32_t count,
                                       struct recon_out *out) GIRO_MUST_USE;
/* Do the rows together hash to the cycle's root? NULL or a sentence. */
const char *recon_netting_complete(const struct giro_genesis *genesis,
                                   const struct recon_netting_row *rows,
                                   uint32_t count) GIRO_MUST_USE;
uint32_t recon_netting_group(const struct recon_netting *netting, uint32_t first);
/* Collects the settled cycles of one journal file, verifying the blocks that carry them. */
enum giro_err recon_netting_collect(struct recon_netting *netting,
                                    const struct giro_genesis *genesis,
                                    const struct giro_key_ring *ring, const char *journal_path,
                                    struct giro_diagnosis *diagnosis) GIRO_MUST_USE;

/* ---- A cut, written or compared (cut_render.c, manifest.c) ---- */

enum recon_cut_file {
    RECON_CUT_JOURNAL,
    RECON_CUT_ENTRIES,
    RECON_CUT_POSITIONS,
    RECON_CUT_STATUSES,
    RECON_CUT_TOTALS,
    RECON_CUT_NETTING, /* only if a cycle settled in the range */
    RECON_CUT_DETAILS, /* only if there are some */
    RECON_CUT_MANIFEST,
    RECON_CUT_SUMS,
    RECON_CUT_FILE_COUNT
};
extern const char *const recon_cut_names[RECON_CUT_FILE_COUNT];
struct recon_cut {
    const struct giro_genesis *genesis;
    const struct giro_key_ring *ring;
    const char *dir; /* where the files are made or are */
    bool comparing;
    uint64_t from_window, to_window;
    void (*progress)(void *context, uint64_t done, uint64_t all);
    void *progress_context;
    struct recon_netting *netting; /* rows seen are added, if not NULL */
    const char *details_path;      /* NULL: none; comparing: the folder's own, if it is there */
    struct recon_details *details;
    struct recon_out outs[RECON_CUT_FILE_COUNT];
    struct giro_recon_cut_result result;
    uint64_t first_window, last_window;
    uint16_t member, business_date;
    uint64_t certificates;
    bool torn;
};
/* Renders all files of the cut from the journal. journal_path is for messages. The caller frees with recon_cut_free. */
enum giro_err recon_cut_render(struct recon_cut *cut, const char *journal_path,
                               const struct recon_map *journal,
                               struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
void recon_cut_free(struct recon_cut *cut);
/* malloc'ed text. */
char *recon_manifest_text(const struct recon_cut *cut, size_t *size_bytes);
char *recon_sums_text(const struct recon_cut *cut, size_t *size_bytes);

#endif
