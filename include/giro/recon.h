/* giro/recon.h - windows sealed every second, the journal they are kept in, the files cut from it, and their verification.
 *
 * Three parts. (1) windows: pure, replicated; link giro_recon_window. (2) journal: pure encoding and strict decoding and
 * verification of journal blocks; also giro_recon_window. (3) files: cutting CSV files from journals and verifying every
 * kind of file; reads and writes disk, allocates; link giro_recon.
 *
 * Life of a second: bookings arrive from settlement's sink -> the first block with time >= W + 1 seals the window before it
 * executes its payload: a canonical record per member and currency with something in it, hashed into a ledger leaf -> the
 * block's certificate comes -> the journal block is complete and handed out -> files are cut from journals.
 * A window left open by a DAY_SWITCH is sealed by the next block, whatever its time; a second may then have two records, with
 * different business dates. covered_windows = window - the previous record's window (1 for the first): the record also says
 * that the seconds between were empty.
 *
 * Source: shared design, protocol.md section 7; layout: giro/wire/recon.h.
 */
#ifndef GIRO_RECON_H
#define GIRO_RECON_H

#include "giro/details.h"
#include "giro/settlement.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- 1. Windows (pure) ----------------------------------------------------------------------------------------------- */

struct giro_windows_sink {
    void *context;
    /* block: a complete journal block (giro/wire/recon.h), in member and currency order. Copy or write it now. */
    void (*block)(void *context, uint16_t member, uint16_t business_date, const void *bytes,
                  uint32_t size_bytes);
};
struct giro_windows_options {
    const struct giro_genesis *genesis;
    const struct giro_settlement
        *settlement; /* for views; may be set after init with giro_windows_attach */
    struct giro_ledger *ledger;
    uint8_t secret[32];   /* hub window secret */
    uint32_t entries_max; /* entries and position entries held until certified; e.g. 4 million */
    uint32_t statuses_max;
    struct giro_windows_sink sink;
};
struct giro_windows;
/* Memory must be zero-filled by the caller (fresh mmap) and is touched as used. */
size_t giro_windows_footprint(const struct giro_windows_options *options);
struct giro_windows *giro_windows_init(void *mem, size_t size_bytes,
                                       const struct giro_windows_options *options);
void giro_windows_attach(struct giro_windows *windows, const struct giro_settlement *settlement);

/* The settlement sink: pass these with the windows object as context. */
struct giro_settlement_sink giro_windows_settlement_sink(struct giro_windows *windows);

/* giro_windows_begin: first thing in a block, before giro_settlement_begin: seals what is due, adds the leaves. */
void giro_windows_begin(struct giro_windows *windows, uint64_t height, uint64_t time_ns);
/* giro_windows_end: after giro_ledger_end: keeps the paths of this block's window and cycle leaves. */
void giro_windows_end(struct giro_windows *windows);
/* giro_windows_digest: hash over what the next windows depend on (per member and currency: sequence, previous hash, open
 * totals, entry numbers, streaming hash of the entries so far); part of the state root. */
struct giro_hash giro_windows_digest(const struct giro_windows *windows);
/* giro_windows_next_due: block time at which the open window ends; the last block's time after a day switch (due at once);
 * UINT64_MAX if nothing is open. */
uint64_t giro_windows_next_due(const struct giro_windows *windows);
/* giro_windows_certified: journal blocks of windows sealed at that height go to the sink, in the order of sealing: a block
 * waits for those sealed before it, and for the certificate of the cycle settled in it. Any height, in any order, any number
 * of times; the first certificate of a height counts. */
void giro_windows_certified(struct giro_windows *windows,
                            const struct giro_certificate *certificate);
/* giro_windows_room: entries that still fit before certificates arrive; the caller stops taking frames when it is low. */
uint32_t giro_windows_room(const struct giro_windows *windows);
uint64_t giro_windows_sealed(const struct giro_windows *windows); /* records sealed so far */
/* giro_windows_business_date: within a block, the date of the journals its bookings go to. After a day switch that is still the
 * old one until the block ends. */
uint16_t giro_windows_business_date(const struct giro_windows *windows);
/* giro_windows_imageable: nothing is open, or the open window began in the last block. Only then an image may be made: it holds
 * the rows of one block at most. Windows that are sealed and wait for certificates are not in it: giro_windows_handed_out says
 * that none up to a height does any more, so that nothing is lost when the log below is gone. */
bool giro_windows_imageable(const struct giro_windows *windows);
bool giro_windows_handed_out(const struct giro_windows *windows, uint64_t height);
void giro_windows_image_section(const struct giro_windows *windows, struct giro_image *image);
uint64_t giro_windows_image_bytes_max(const struct giro_windows_options *options);
/* giro_windows_load fills an object fresh from init. A cycle that settled in the image's block still wants the certificate of
 * that height (giro_windows_certified). After a reject the object is of no use. */
enum giro_reject giro_windows_load(struct giro_windows *windows,
                                   struct giro_image_reader *image) GIRO_MUST_USE;
void giro_windows_check(const struct giro_windows *windows);

/* ---- 2. Journal blocks (pure) -------------------------------------------------------------------------------------------- */

/* A decoded block points into the bytes it was decoded from. */
struct giro_journal_view {
    struct giro_journal_block header;
    struct giro_window_record record;
    struct giro_window_cycle cycles[GIRO_WINDOW_CYCLES_MAX];
    const uint8_t *entries;            /* entry_count x 104, unaligned */
    const uint8_t *positions;          /* position_count x 104 */
    const uint8_t *statuses;           /* status_count x 56 */
    const uint8_t *cells;              /* netting_count x 48 */
    struct giro_leaf_cycle cycle_leaf; /* valid iff header.has_cycle */
    uint32_t cycle_leaf_count;         /* of the cycle leaf's block; likewise */
    struct giro_hash salt;
    const uint8_t *path, *cycle_path;
    struct giro_certificate certificate, cycle_certificate;
    uint32_t size_bytes;
};
enum giro_reject giro_journal_decode(const void *bytes, size_t size_bytes, uint32_t replica_count,
                                     struct giro_journal_view *view) GIRO_MUST_USE;
/* What a checker carries from block to block of one member and currency. Zeroed at the start. */
struct giro_journal_chain {
    bool started;
    uint64_t sequence, window;
    uint64_t
        next_entry; /* UINT64_MAX: taken up in the middle, and no entry seen yet; likewise below */
    giro_i128 closing;
    struct giro_hash previous;
    struct {
        uint32_t cycle;
        uint64_t next_entry;
        giro_i128 closing;
    } cycles[GIRO_WINDOW_CYCLES_MAX];
};
/* giro_journal_verify checks one block completely: hashes of rows, leaf, path, certificate (q signatures under the ring of
 * genesis), chain to the previous record, entry numbers, balance_after of every row, cross-foot of both books, netting row
 * against position, posting and cycle leaf. Returns NULL if all hold (then the chain has moved on), else a sentence naming
 * what does not: the chain is unchanged, and the text lives until the thread's next call here. A chain that starts in the
 * middle (sequence > 1) takes the first block's openings and entry numbers as given. */
const char *giro_journal_verify(const struct giro_genesis *genesis,
                                const struct giro_key_ring *ring,
                                const struct giro_journal_view *view,
                                struct giro_journal_chain *chain) GIRO_MUST_USE;
/* giro_certificate_verify: q distinct valid signatures of this genesis' batch keys. */
bool giro_certificate_verify(const struct giro_genesis *genesis, const struct giro_key_ring *ring,
                             const struct giro_certificate *certificate) GIRO_MUST_USE;
/* giro_proof_verify checks an encoded proof (kind PROOF) and describes the leaf. */
struct giro_proof_view {
    struct giro_proof_header header;
    const uint8_t *leaf; /* from the tag on */
    struct giro_certificate certificate;
};
const char *giro_proof_verify(const struct giro_genesis *genesis, const struct giro_key_ring *ring,
                              const void *bytes, size_t size_bytes,
                              struct giro_proof_view *view) GIRO_MUST_USE;
/* giro_proof_encode writes a proof; returns its size, 0 if it does not fit. */
size_t giro_proof_encode(uint64_t height, uint32_t leaf_index, uint32_t leaf_count,
                         const void *leaf, uint32_t leaf_bytes, const struct giro_hash *path,
                         uint32_t path_count, const struct giro_certificate *certificate, void *out,
                         size_t out_bytes);

/* ---- Disclosures ------------------------------------------------------------------------------------------------------------- */

/* giro_disclosure_verify (link giro_recon) decodes a disclosure and checks all it claims: the debtor's signature; of a proof, that
 * it is of this frame; of a cycle's proof, that a shown payment is in that cycle; of each K, that it opens its block. Returns NULL
 * if all hold, else a sentence. Large: 80 KiB, not for the stack. */
struct giro_disclosure_view {
    struct giro_disclosure disclosure;
    struct giro_hash frame_hash;
    bool has_proof, has_cycle;
    struct giro_proof_view proof; /* of the frame leaf */
    struct giro_leaf_cycle cycle; /* of the cycle leaf */
    struct giro_certificate cycle_certificate;
    uint32_t opened; /* items whose K was shown */
};
const char *giro_disclosure_verify(const struct giro_genesis *genesis,
                                   const struct giro_key_ring *ring, const void *bytes,
                                   size_t size_bytes,
                                   struct giro_disclosure_view *view) GIRO_MUST_USE;
/* giro_disclosure_result: what the proof says of item `index`; has_proof. */
struct giro_result giro_disclosure_result(const struct giro_disclosure_view *view, uint32_t index);
/* giro_disclosure_open opens an item's block under K: see giro_details_open. */
enum giro_details_verdict giro_disclosure_open(const struct giro_genesis *genesis,
                                               const struct giro_disclosure *disclosure,
                                               uint32_t index, const uint8_t key[32],
                                               uint8_t plaintext[GIRO_DETAILS_PLAIN_MAX],
                                               struct giro_details *details) GIRO_MUST_USE;

/* ---- 3. Files ------------------------------------------------------------------------------------------------------------------ */

/* giro_recon_cut renders one member's journal (file of kind JOURNAL) into a folder: windows.journal (the blocks of the range),
 * entries.csv, positions.csv, statuses.csv, totals.csv, netting.csv (only if a cycle settled in the range; the member's own
 * row), details.opened (only if there are details), manifest.json, SHA256SUMS. Every file is written under a temporary name in a temporary folder next to it, which is
 * renamed last; a folder that is there already is GIRO_ERR_EXISTS unless its content is identical. Blocks are verified while
 * they are rendered: an invalid one stops the cut. */
struct giro_recon_cut_options {
    const struct giro_genesis *genesis;
    const struct giro_key_ring *ring;
    const char *journal_path;
    const char *out_path; /* folder to make */
    /* details: the member's day of details with K (kind DETAILS_DAY), whose references are filled in; NULL: none */
    const char *details_path;
    uint64_t from_window, to_window; /* seconds since 1970, inclusive; 0 and UINT64_MAX = all */
    /* progress: called now and then with bytes done of all; may be NULL */
    void (*progress)(void *context, uint64_t done, uint64_t all);
    void *progress_context;
};
struct giro_recon_cut_result {
    uint64_t windows, entries, positions, statuses, bytes;
};
enum giro_err giro_recon_cut(const struct giro_recon_cut_options *options,
                             struct giro_recon_cut_result *result,
                             struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
/* giro_details_merge makes a member's day of details with K from what replicas sent. Every disclosure is verified; a source in which
 * one does not hold or is not in ledger order, or that is not this member's day, is left out from there on and counted. Sources disagree about a place in the
 * ledger, or about where a frame stands: what the journal has goes in, else what most replicas say, and each frame once. */
struct giro_details_source {
    const char *path;
    uint32_t replicas; /* that sent exactly these bytes */
};
struct giro_details_merge_options {
    const struct giro_genesis *genesis;
    const struct giro_key_ring *ring;
    uint16_t member, business_date;
    const struct giro_details_source *sources;
    uint32_t source_count;
    /* journal_path: of the same day, to be verified when files are cut from it; NULL: only replicas' words decide */
    const char *journal_path;
    const char *out_path; /* mode 0600: whoever reads it reads the details */
    /* key: K of an item with a block; false: it is not to be had. */
    bool (*key)(void *context, const struct giro_disclosure *disclosure, uint32_t index,
                uint8_t key[32]);
    /* broken: K opens the block, and shows a break (GIRO_DETAILS_BROKEN_*); or does not open it (WRONG_KEY). */
    void (*broken)(void *context, const struct giro_disclosure *disclosure, uint32_t index,
                   const uint8_t key[32], enum giro_details_verdict verdict);
    void *context;
};
struct giro_details_merge_result {
    uint64_t frames, payments, opened, broken;
    uint32_t bad_sources;
};
enum giro_err giro_details_merge(const struct giro_details_merge_options *options,
                                 struct giro_details_merge_result *result,
                                 struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
/* giro_details_day_digest: the digest of a day's entries, recomputed: what names the file to others. FORMAT: it does not end with a
 * whole entry, or a digest in it is wrong. */
enum giro_err giro_details_day_digest(const char *path, struct giro_hash *digest,
                                      struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
/* giro_details_day_each hands over every disclosure of a day, verified with the K in it, until frame returns a sentence. *wrong: the
 * sentence, and at which offset; a torn end is none. */
enum giro_err giro_details_day_each(
    const char *path, const struct giro_genesis *genesis, const struct giro_key_ring *ring,
    const char *(*frame)(void *context, const struct giro_disclosure *disclosure, uint16_t member),
    void *context, struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
/* The lines that a cut would put into statuses.csv, entries.csv or positions.csv, for whoever shows windows as they come.
 * giro_rows_header: the first line of that file. giro_rows_render hands line each row of a verified block, with its '\n', in
 * order; the text lives until line returns. Returns NULL, or a sentence: the rows name something nobody knows. */
enum giro_rows { GIRO_ROWS_STATUSES, GIRO_ROWS_ENTRIES, GIRO_ROWS_POSITIONS };
const char *giro_rows_header(enum giro_rows rows);
const char *giro_rows_render(const struct giro_genesis *genesis,
                             const struct giro_journal_view *view, enum giro_rows rows,
                             void (*line)(void *context, const char *text, size_t length),
                             void *context) GIRO_MUST_USE;
/* giro_journal_range tells what windows a journal holds, without verifying it: a glance at each block's header. A short tail
 * is left out. before_last_window: the newest window below last_window (0 if none): whole for certain, while blocks of
 * last_window may still be appended. NOENT, FORMAT, CHAIN, IO. */
struct giro_journal_span {
    uint64_t blocks, first_window, before_last_window, last_window;
};
enum giro_err giro_journal_range(const char *journal_path, const struct giro_hash *chain_id,
                                 struct giro_journal_span *span,
                                 struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
/* giro_recon_netting renders DIR/<cycle>.csv for every cycle settled in the given journals (all members of the hub), checking
 * that the rows together hash to the certified netting root and that they mirror each other and sum to zero. */
enum giro_err giro_recon_netting(const struct giro_genesis *genesis,
                                 const struct giro_key_ring *ring, const char *const *journal_paths,
                                 uint32_t count, const char *out_dir, uint32_t *cycles,
                                 struct giro_diagnosis *diagnosis) GIRO_MUST_USE;

/* giro_verify_path verifies one path of any kind: genesis, journal, disclosure, day of details, cut folder (re-renders every CSV and compares byte for
 * byte, checks SHA256SUMS, manifest and 64 KiB blocks), proof, spool, netting CSV next to cut folders, ledger file, block log
 * folder (chains every block, QC, certificate; leaves against certified roots), or a folder holding any of these. Reports what
 * it checked line by line through say; on a failure the diagnosis names file and place (offset, line or 64 KiB block). */
struct giro_verify_options {
    const struct giro_genesis *genesis;
    const struct giro_key_ring *ring;
    void (*say)(void *context, const char *path,
                const char *what); /* one line per verified thing */
    void *say_context;
    uint64_t files, bytes, windows, certificates; /* counted up */
};
enum giro_err giro_verify_path(struct giro_verify_options *options, const char *path,
                               struct giro_diagnosis *diagnosis) GIRO_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
