#include "details_pieces.h"

#include <stdlib.h>

#include "files.h"

int recon_piece_order(const struct recon_piece *a, const struct recon_piece *b)
{
    if (a->height != b->height)
        return a->height < b->height ? -1 : 1;
    return a->leaf_index < b->leaf_index ? -1 : a->leaf_index > b->leaf_index;
}

static int bytes_order(const struct recon_piece *a, const struct recon_piece *b)
{
    if (a->size_bytes !=
        b->size_bytes) /* the signature binds all of a frame: longer shows more of it */
        return a->size_bytes > b->size_bytes ? -1 : 1;
    return memcmp(a->bytes, b->bytes, a->size_bytes);
}

static int order(const void *a, const void *b)
{
    const int place = recon_piece_order(a, b);
    return place != 0 ? place : bytes_order(a, b);
}

/* What is believed first. */
static int word_order(const struct recon_piece *a, const struct recon_piece *b)
{
    if (a->booked != b->booked)
        return a->booked ? -1 : 1;
    if (a->replicas != b->replicas)
        return a->replicas > b->replicas ? -1 : 1;
    return bytes_order(a, b);
}

/* By frame; of each, what is believed first. */
static int frame_order(const void *a, const void *b)
{
    const struct recon_piece *x = a, *y = b;
    if (x->member != y->member)
        return x->member < y->member ? -1 : 1;
    if (x->channel != y->channel)
        return x->channel < y->channel ? -1 : 1;
    if (x->sequence != y->sequence)
        return x->sequence < y->sequence ? -1 : 1;
    const int word = word_order(x, y);
    return word != 0 ? word : recon_piece_order(x, y);
}

static bool frame_same(const struct recon_piece *a, const struct recon_piece *b)
{
    return a->member == b->member && a->channel == b->channel && a->sequence == b->sequence;
}

/* ---- What the journal has ---- */

struct rows {
    const struct giro_details_merge_options *options;
    struct recon_piece *pieces;
    uint64_t count;
    struct giro_disclosure *scratch;
};

static bool piece_pays(const struct rows *rows, const struct recon_piece *piece,
                       const uint8_t uetr[GIRO_UETR_BYTES])
{
    if (giro_disclosure_decode(piece->bytes, piece->size_bytes,
                               rows->options->genesis->chain_prefix,
                               rows->scratch) != GIRO_REJECT_NONE)
        return false; /* verified before */
    for (uint32_t i = 0; i < rows->scratch->header.item_count; i++)
        if (memcmp(rows->scratch->items[i].record.uetr, uetr, GIRO_UETR_BYTES) == 0)
            return true;
    return false;
}

static void row_note(const struct rows *rows, uint64_t height, uint32_t leaf_index,
                     const uint8_t uetr[GIRO_UETR_BYTES])
{
    const struct recon_piece wanted = {.height = height, .leaf_index = leaf_index};
    uint64_t low = 0, high = rows->count;
    while (low < high) {
        const uint64_t middle = low + (high - low) / 2;
        if (recon_piece_order(&rows->pieces[middle], &wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < rows->count && recon_piece_order(&rows->pieces[low], &wanted) == 0; low++)
        rows->pieces[low].booked =
            rows->pieces[low].booked || piece_pays(rows, &rows->pieces[low], uetr);
}

static void entries_note(const struct rows *rows, const uint8_t *bytes, uint32_t count)
{
    struct giro_entry entry;
    for (uint32_t i = 0; i < count; i++) {
        memcpy(&entry, bytes + i * sizeof(entry), sizeof(entry));
        row_note(rows, entry.height, entry.leaf_index, entry.uetr);
    }
}

/* As far as its blocks are whole; whoever cuts from this journal verifies it. */
static enum giro_err journal_note(const struct rows *rows, struct giro_diagnosis *diagnosis)
{
    struct recon_map map;
    struct giro_status_row status;
    struct recon_walk *walk = malloc(sizeof(*walk));
    enum giro_err err = walk == NULL ? GIRO_ERR_NOMEM
                                     : recon_map_open(rows->options->journal_path, &map, diagnosis);
    if (err != GIRO_ERR_OK) {
        free(walk);
        return err;
    }
    if (recon_walk_open(walk, rows->options->genesis, rows->options->ring, &map) == NULL)
        while (recon_walk_next(walk, 0) == RECON_STEP_BLOCK) {
            entries_note(rows, walk->view.entries, walk->view.header.entry_count);
            entries_note(rows, walk->view.positions, walk->view.header.position_count);
            for (uint32_t i = 0; i < walk->view.header.status_count; i++) {
                memcpy(&status, walk->view.statuses + i * sizeof(status), sizeof(status));
                row_note(rows, status.height, status.leaf_index, status.uetr);
            }
        }
    recon_map_close(&map);
    free(walk);
    return GIRO_ERR_OK;
}

/* ---- The choice ---- */

/* pieces: by place. Is a frame at two places, or a place taken twice? */
static bool is_disputed(struct recon_piece *pieces, uint64_t count)
{
    bool disputed = false;
    for (uint64_t i = 1; i < count; i++)
        disputed = disputed || recon_piece_order(&pieces[i - 1], &pieces[i]) == 0;
    qsort(pieces, count, sizeof(*pieces), frame_order);
    for (uint64_t i = 1; i < count; i++)
        disputed = disputed || frame_same(&pieces[i - 1], &pieces[i]);
    return disputed;
}

enum giro_err recon_pieces_choose(const struct giro_details_merge_options *options,
                                  struct recon_piece *pieces, uint64_t *count,
                                  struct giro_disclosure *scratch, struct giro_diagnosis *diagnosis)
{
    uint64_t said = 0, frames = 0, kept = 0;
    if (*count == 0)
        return GIRO_ERR_OK;
    qsort(pieces, *count, sizeof(*pieces), order);
    for (uint64_t i = 0; i < *count; i++) {
        if (said > 0 && order(&pieces[said - 1], &pieces[i]) == 0)
            pieces[said - 1].replicas += pieces[i].replicas;
        else
            pieces[said++] = pieces[i];
    }
    if (is_disputed(pieces, said) && options->journal_path != NULL) {
        qsort(pieces, said, sizeof(*pieces), order);
        const struct rows rows = {options, pieces, said, scratch};
        GIRO_TRY(journal_note(&rows, diagnosis));
        qsort(pieces, said, sizeof(*pieces), frame_order);
    }
    for (uint64_t i = 0; i < said; i++)
        if (frames == 0 || !frame_same(&pieces[frames - 1], &pieces[i]))
            pieces[frames++] = pieces[i];
    qsort(pieces, frames, sizeof(*pieces), order);
    for (uint64_t i = 0; i < frames; i++) {
        if (kept == 0 || recon_piece_order(&pieces[kept - 1], &pieces[i]) != 0)
            pieces[kept++] = pieces[i];
        else if (word_order(&pieces[i], &pieces[kept - 1]) < 0)
            pieces[kept - 1] = pieces[i];
    }
    *count = kept;
    return GIRO_ERR_OK;
}
