/* The bilateral matrix of each currency's open cycle and of the one that settled last, and the
 * hashes over a member's row of it (giro/wire/recon.h, "Netting"). */
#include "internal.h"

static struct giro_matrix_cell *cell_at(const struct giro_settlement *settlement,
                                        uint32_t currency_index, uint32_t which, uint32_t sender,
                                        uint32_t creditor)
{
    return &settlement->matrices[currency_index]
                .cells[which][(size_t)sender * settlement->member_count + creditor];
}

void giro_matrix_prefetch(const struct giro_settlement *settlement, uint32_t currency_index,
                          uint16_t sender, uint16_t creditor)
{
    uint32_t which = settlement->matrices[currency_index].current;
    __builtin_prefetch(cell_at(settlement, currency_index, which, sender, creditor), 1);
}

void giro_matrix_add(struct giro_settlement *settlement, uint32_t currency_index, uint16_t sender,
                     uint16_t creditor, int64_t amount_minor)
{
    struct giro_matrix *matrix = &settlement->matrices[currency_index];
    GIRO_ASSERT(sender != creditor);
    struct giro_matrix_cell *cell =
        cell_at(settlement, currency_index, matrix->current, sender, creditor);
    giro_i128 sum;
    bool fits = giro_money_add(giro_amount128_get(cell->sent), amount_minor, &sum);
    GIRO_ASSERT(fits);
    cell->sent = giro_amount128_make(sum);
    cell->count++;
    matrix->row_used[matrix->current][sender] = 1;
    matrix->row_dirty[sender] = 1;
}

void giro_matrix_turn(struct giro_settlement *settlement, uint32_t currency_index)
{
    struct giro_matrix *matrix = &settlement->matrices[currency_index];
    matrix->current ^= 1u;
    for (uint32_t sender = 0; sender < settlement->member_count; sender++) {
        matrix->row_dirty[sender] = 0;
        matrix->row_digests[sender] = giro_hash_zero;
        if (!matrix->row_used[matrix->current][sender])
            continue;
        memset(cell_at(settlement, currency_index, matrix->current, sender, 0), 0,
               settlement->member_count * sizeof(struct giro_matrix_cell));
        matrix->row_used[matrix->current][sender] = 0;
    }
    matrix->refresh = true;
}

uint32_t giro_matrix_row(const struct giro_settlement *settlement, uint32_t currency_index,
                         uint32_t which, uint16_t member, struct giro_netting_cell *cells,
                         uint32_t max)
{
    const uint8_t *row_used = settlement->matrices[currency_index].row_used[which];
    uint32_t count = 0;
    for (uint32_t other = 0; other < settlement->member_count && count < max; other++) {
        struct giro_matrix_cell sent = {.count = 0}, received = {.count = 0};
        if (row_used[member])
            sent = *cell_at(settlement, currency_index, which, member, other);
        if (row_used[other])
            received = *cell_at(settlement, currency_index, which, other, member);
        if (sent.count == 0 && received.count == 0)
            continue;
        cells[count++] = (struct giro_netting_cell){.counterparty = (uint16_t)other,
                                                    .sent_count = sent.count,
                                                    .received_count = received.count,
                                                    .sent_minor = sent.sent,
                                                    .received_minor = received.sent};
    }
    return count;
}

struct giro_hash giro_netting_row_hash(const struct giro_hash *chain, uint32_t cycle,
                                       uint16_t member, uint16_t currency_number, const void *cells,
                                       uint32_t cell_count)
{
    uint8_t fixed[16] = {0}; /* the last four bytes stay zero */
    memcpy(fixed, &cycle, 4);
    memcpy(fixed + 4, &member, 2);
    memcpy(fixed + 6, &currency_number, 2);
    memcpy(fixed + 8, &cell_count, 4);
    const struct giro_part parts[] = {{GIRO_TAG_NETTING, GIRO_TAG_BYTES},
                                      {chain, GIRO_HASH_BYTES},
                                      {fixed, sizeof(fixed)},
                                      {cells, cell_count * sizeof(struct giro_netting_cell)}};
    return giro_sha256_parts(parts, 4);
}

struct giro_hash giro_netting_root(const struct giro_settlement *settlement,
                                   uint32_t currency_index, uint32_t which, uint32_t cycle)
{
    uint32_t row_count = 0;
    for (uint32_t member = 0; member < settlement->member_count; member++) {
        uint32_t cell_count = giro_matrix_row(settlement, currency_index, which, (uint16_t)member,
                                              settlement->scratch_cells, settlement->member_count);
        if (cell_count == 0)
            continue;
        settlement->scratch_hashes[row_count++] = giro_netting_row_hash(
            &settlement->genesis->chain_id, cycle, (uint16_t)member,
            settlement->currency_numbers[currency_index], settlement->scratch_cells, cell_count);
    }
    const struct giro_part parts[] = {
        {GIRO_TAG_NETTING, GIRO_TAG_BYTES},
        {settlement->scratch_hashes, row_count * sizeof(struct giro_hash)}};
    return giro_sha256_parts(parts, 2);
}

uint32_t giro_settlement_netting_row(const struct giro_settlement *settlement,
                                     uint32_t currency_index, uint16_t member,
                                     struct giro_netting_cell *cells, uint32_t max)
{
    GIRO_ASSERT(currency_index < settlement->currency_count);
    GIRO_ASSERT(member < settlement->member_count);
    return giro_matrix_row(settlement, currency_index,
                           settlement->matrices[currency_index].current ^ 1u, member, cells, max);
}
