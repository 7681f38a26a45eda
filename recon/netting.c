/* Bilateral netting rows: one member's in its own netting.csv, all members' in <cycle>.csv. The lines hold nothing of the
 * run (no times, heights, hashes): the same payments give the same bytes in any run. */
#include <stdlib.h>

#include "files.h"

static void line(const struct giro_genesis *genesis, uint32_t cycle, uint16_t member,
                 const char *counterparty, uint32_t currency, const struct giro_netting_cell *cell,
                 struct recon_out *out)
{
    uint32_t digits = genesis->currencies[currency].digits;
    giro_i128 sent = giro_amount128_get(cell->sent_minor);
    giro_i128 received = giro_amount128_get(cell->received_minor);
    struct recon_row row = {.length = 0};
    recon_row_number(&row, cycle);
    recon_row_text(&row, recon_bic(genesis, member));
    recon_row_text(&row, counterparty);
    recon_row_text(&row, genesis->currencies[currency].code);
    recon_row_number(&row, cell->sent_count);
    recon_row_amount(&row, sent, digits);
    recon_row_number(&row, cell->received_count);
    recon_row_amount(&row, received, digits);
    recon_row_amount(&row, received - sent, digits);
    recon_row_end(&row, out);
}

const char *recon_netting_member_render(const struct giro_genesis *genesis, uint32_t cycle,
                                        uint16_t member, uint16_t currency_number,
                                        const struct giro_netting_cell *cells, uint32_t count,
                                        struct recon_out *out)
{
    uint32_t currency = giro_genesis_currency_by_number(genesis, currency_number);
    if (currency == GIRO_NONE)
        return "the netting row is of a currency the hub does not know";
    giro_i128 sent = 0, received = 0;
    struct giro_netting_cell total = {.counterparty = 0};
    for (uint32_t i = 0; i < count; i++) {
        if (cells[i].counterparty >= genesis->member_count)
            return "a netting cell names a counterparty nobody knows";
        line(genesis, cycle, member, recon_bic(genesis, cells[i].counterparty), currency, &cells[i],
             out);
        if (!giro_money_add(sent, giro_amount128_get(cells[i].sent_minor), &sent) ||
            !giro_money_add(received, giro_amount128_get(cells[i].received_minor), &received))
            return "a netting row's sum overflows";
        total.sent_count += cells[i].sent_count;
        total.received_count += cells[i].received_count;
    }
    total.sent_minor = giro_amount128_make(sent);
    total.received_minor = giro_amount128_make(received);
    line(genesis, cycle, member, "", currency, &total, out);
    return NULL;
}

/* ---- Collecting ---- */

void recon_netting_free(struct recon_netting *netting)
{
    for (uint32_t i = 0; i < netting->count; i++)
        free(netting->rows[i].cells);
    free(netting->rows);
    *netting = (struct recon_netting){.rows = NULL};
}

static const char *row_same(const struct recon_netting_row *row,
                            const struct giro_journal_view *view)
{
    if (row->cell_count == view->header.netting_count &&
        memcmp(&row->leaf, &view->cycle_leaf, sizeof(row->leaf)) == 0 &&
        (row->cell_count == 0 ||
         memcmp(row->cells, view->cells, row->cell_count * sizeof(*row->cells)) == 0))
        return NULL;
    return "two journals tell different netting rows of one cycle";
}

const char *recon_netting_add(struct recon_netting *netting, const struct giro_journal_view *view)
{
    if (!view->header.has_cycle || view->cycle_leaf.state != GIRO_CYCLE_SETTLED)
        return NULL;
    for (uint32_t i = netting->count; i > 0; i--) {
        const struct recon_netting_row *row = &netting->rows[i - 1];
        if (row->member == view->record.member && row->leaf.cycle == view->cycle_leaf.cycle)
            return row_same(row, view);
    }
    if (netting->count == netting->max) {
        uint32_t more = netting->max == 0 ? 64 : netting->max * 2;
        struct recon_netting_row *larger = realloc(netting->rows, more * sizeof(*larger));
        if (larger == NULL)
            return "out of memory";
        netting->rows = larger;
        netting->max = more;
    }
    struct recon_netting_row *row = &netting->rows[netting->count];
    *row = (struct recon_netting_row){.leaf = view->cycle_leaf,
                                      .member = view->record.member,
                                      .cell_count = view->header.netting_count};
    row->cells = calloc(row->cell_count + 1u, sizeof(*row->cells));
    if (row->cells == NULL)
        return "out of memory";
    if (row->cell_count > 0)
        memcpy(row->cells, view->cells, row->cell_count * sizeof(*row->cells));
    netting->count++;
    return NULL;
}

static int rows_compare(const void *a, const void *b)
{
    const struct recon_netting_row *left = a, *right = b;
    if (left->leaf.cycle != right->leaf.cycle)
        return left->leaf.cycle < right->leaf.cycle ? -1 : 1;
    return left->member < right->member ? -1 : left->member > right->member;
}

void recon_netting_sort(struct recon_netting *netting)
{
    if (netting->count > 1)
        qsort(netting->rows, netting->count, sizeof(*netting->rows), rows_compare);
}

uint32_t recon_netting_group(const struct recon_netting *netting, uint32_t first)
{
    uint32_t count = 0;
    while (first + count < netting->count &&
           netting->rows[first + count].leaf.cycle == netting->rows[first].leaf.cycle)
        count++;
    return count;
}

enum giro_err recon_netting_collect(struct recon_netting *netting,
                                    const struct giro_genesis *genesis,
                                    const struct giro_key_ring *ring, const char *journal_path,
                                    struct giro_diagnosis *diagnosis)
{
    struct recon_map map;
    GIRO_TRY(recon_map_open(journal_path, &map, diagnosis));
    struct recon_walk *walk = malloc(sizeof(*walk));
    enum giro_err err = walk == NULL ? GIRO_ERR_NOMEM : GIRO_ERR_OK;
    const char *wrong = NULL;
    if (walk != NULL && map.size_bytes >= sizeof(struct giro_journal_header)) {
        wrong = recon_walk_open(walk, genesis, ring, &map);
        while (wrong == NULL) {
            enum recon_step step = recon_walk_next(walk, 0);
            if (step == RECON_STEP_BLOCK && !walk->view.header.has_cycle)
                continue;
            if (step == RECON_STEP_BLOCK) {
                /* Each block on its own: those between are not looked at. */
                memset(walk->chains, 0, sizeof(walk->chains));
                step = recon_walk_verify(walk);
            }
            if (step == RECON_STEP_WRONG)
                wrong = walk->wrong;
            else if (step != RECON_STEP_BLOCK)
                break;
            else
                wrong = recon_netting_add(netting, &walk->view);
        }
    }
    if (walk == NULL)
        (void)recon_fail(diagnosis, err, journal_path, "while reading it");
    else if (wrong != NULL)
        err = recon_fail(diagnosis, walk->err, journal_path, "offset %lu: %s",
                         (unsigned long)walk->offset, wrong);
    free(walk);
    recon_map_close(&map);
    return err;
}

/* ---- One cycle as a whole ---- */

static struct giro_hash row_hash(const struct giro_genesis *genesis,
                                 const struct recon_netting_row *row)
{
    const uint32_t zeros = 0;
    const struct giro_part parts[] = {{GIRO_TAG_NETTING, GIRO_TAG_BYTES},
                                      {&genesis->chain_id, sizeof(genesis->chain_id)},
                                      {&row->leaf.cycle, sizeof(row->leaf.cycle)},
                                      {&row->member, sizeof(row->member)},
                                      {&row->leaf.currency, sizeof(row->leaf.currency)},
                                      {&row->cell_count, sizeof(row->cell_count)},
                                      {&zeros, sizeof(zeros)},
                                      {row->cells, row->cell_count * sizeof(*row->cells)}};
    return giro_sha256_parts(parts, 8);
}

const char *recon_netting_complete(const struct giro_genesis *genesis,
                                   const struct recon_netting_row *rows, uint32_t count)
{
    struct giro_sha256_state state;
    giro_sha256_begin(&state);
    giro_sha256_update(&state, GIRO_TAG_NETTING, GIRO_TAG_BYTES);
    for (uint32_t i = 0; i < count; i++) {
        if (memcmp(&rows[i].leaf, &rows[0].leaf, sizeof(rows[0].leaf)) != 0)
            return "members were told different cycle leaves";
        if (rows[i].cell_count == 0)
            continue;
        struct giro_hash hash = row_hash(genesis, &rows[i]);
        giro_sha256_update(&state, hash.bytes, sizeof(hash.bytes));
    }
    struct giro_hash root = giro_sha256_end(&state);
    if (!giro_hash_equal(&root, &rows[0].leaf.netting_root))
        return "the members' rows together are not what the cycle's leaf commits to: one is "
               "missing "
               "or differs";
    return NULL;
}

static const struct giro_netting_cell *cell_find(const struct recon_netting_row *rows,
                                                 uint32_t count, uint16_t member,
                                                 uint16_t counterparty)
{
    for (uint32_t i = 0; i < count; i++) {
        if (rows[i].member != member)
            continue;
        for (uint32_t c = 0; c < rows[i].cell_count; c++)
            if (rows[i].cells[c].counterparty == counterparty)
                return &rows[i].cells[c];
    }
    return NULL;
}

static bool amount_same(struct giro_amount128 a, struct giro_amount128 b)
{
    return giro_amount128_get(a) == giro_amount128_get(b);
}

static const char *mirror_check(const struct recon_netting_row *rows, uint32_t count)
{
    giro_i128 gross = 0, sum = 0, moved = 0;
    uint64_t payments = 0;
    for (uint32_t i = 0; i < count; i++) {
        giro_i128 net = 0;
        for (uint32_t c = 0; c < rows[i].cell_count; c++) {
            const struct giro_netting_cell *cell = &rows[i].cells[c];
            const struct giro_netting_cell *other =
                cell_find(rows, count, cell->counterparty, rows[i].member);
            if (other == NULL || other->sent_count != cell->received_count ||
                other->received_count != cell->sent_count ||
                !amount_same(other->sent_minor, cell->received_minor) ||
                !amount_same(other->received_minor, cell->sent_minor))
                return "two members' rows do not mirror each other";
            gross += giro_amount128_get(cell->sent_minor);
            net += giro_amount128_get(cell->received_minor) - giro_amount128_get(cell->sent_minor);
            payments += cell->sent_count;
        }
        sum += net;
        moved += net > 0 ? net : 0;
    }
    if (sum != 0)
        return "the positions do not sum to zero";
    if (gross != giro_amount128_get(rows[0].leaf.gross_minor) ||
        moved != giro_amount128_get(rows[0].leaf.net_minor) ||
        payments != rows[0].leaf.payment_count)
        return "the rows do not add up to the cycle leaf's totals";
    return NULL;
}

const char *recon_netting_cycle_render(const struct giro_genesis *genesis,
                                       const struct recon_netting_row *rows, uint32_t count,
                                       struct recon_out *out)
{
    const char *wrong = recon_netting_complete(genesis, rows, count);
    if (wrong == NULL)
        wrong = mirror_check(rows, count);
    if (wrong != NULL)
        return wrong;
    recon_out_put(out, recon_netting_header, strlen(recon_netting_header));
    for (uint32_t i = 0; wrong == NULL && i < count; i++)
        wrong = recon_netting_member_render(genesis, rows[i].leaf.cycle, rows[i].member,
                                            rows[i].leaf.currency, rows[i].cells,
                                            rows[i].cell_count, out);
    return wrong;
}
