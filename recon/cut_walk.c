/* Walking a journal block by block, with one chain per currency. */
#include "files.h"
#include "journal.h"

#define BLOCK_BYTES_MIN (sizeof(struct giro_journal_block) + sizeof(struct giro_window_record))

static bool is_zero(const uint8_t *bytes, size_t size_bytes)
{
    for (size_t i = 0; i < size_bytes; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

const char *recon_walk_open(struct recon_walk *walk, const struct giro_genesis *genesis,
                            const struct giro_key_ring *ring, const struct recon_map *map)
{
    *walk = (struct recon_walk){.genesis = genesis,
                                .ring = ring,
                                .bytes = map->bytes,
                                .size_bytes = map->size_bytes,
                                .err = GIRO_ERR_FORMAT};
    struct giro_journal_header *header = &walk->header;
    if (map->size_bytes < sizeof(*header))
        return "shorter than a journal's header";
    memcpy(header, map->bytes, sizeof(*header));
    if (!giro_head_is(&header->head, GIRO_KIND_JOURNAL))
        return "not a journal of a version this program knows";
    if (!is_zero(header->reserved, sizeof(header->reserved)))
        return "reserved bytes of the header are not zero";
    walk->err = GIRO_ERR_CHAIN;
    if (!giro_hash_equal(&header->chain_id, &genesis->chain_id))
        return "the header names another hub";
    walk->err = GIRO_ERR_FORMAT;
    if (header->member >= genesis->member_count)
        return "the header names no member of this hub";
    walk->next = walk->offset = sizeof(*header);
    return NULL;
}

static enum recon_step wrong(struct recon_walk *walk, enum giro_err err, const char *sentence)
{
    walk->err = err;
    walk->wrong = sentence;
    return RECON_STEP_WRONG;
}

/* What the counts of a block's header add up to. A second certificate is there or not: both sizes are returned. */
static void sizes(const struct giro_journal_block *block, const struct giro_genesis *genesis,
                  uint64_t *one, uint64_t *two)
{
    uint64_t certificate = sizeof(struct giro_certificate_header) +
                           (uint64_t)giro_genesis_quorum(genesis) * GIRO_SIGNATURE_BYTES;
    uint64_t sum =
        sizeof(*block) + (uint64_t)block->record_bytes +
        sizeof(struct giro_entry) * ((uint64_t)block->entry_count + block->position_count) +
        sizeof(struct giro_status_row) * (uint64_t)block->status_count +
        GIRO_HASH_BYTES * (1ull + block->path_count + block->cycle_path_count);
    if (block->has_cycle != 0)
        sum +=
            JOURNAL_CYCLE_BYTES + (uint64_t)block->netting_count * sizeof(struct giro_netting_cell);
    *one = giro_align_up(sum + certificate, 8);
    *two = giro_align_up(sum + 2 * certificate, 8);
}

/* Looks at the block at walk->next. BLOCK: it is there as a whole. */
static enum recon_step block_find(struct recon_walk *walk, struct giro_journal_block *block)
{
    walk->offset = walk->next;
    uint64_t left = walk->size_bytes - walk->offset, one, two;
    if (left == 0)
        return RECON_STEP_END;
    if (left < sizeof(*block))
        return RECON_STEP_TORN;
    memcpy(block, walk->bytes + walk->offset, sizeof(*block));
    if (block->magic != GIRO_MAGIC)
        return wrong(walk, GIRO_ERR_FORMAT, "no block where one must start");
    sizes(block, walk->genesis, &one, &two);
    if (block->size_bytes < BLOCK_BYTES_MIN ||
        (block->size_bytes != one && block->size_bytes != two))
        return wrong(walk, GIRO_ERR_FORMAT, "the sizes in the block's header do not add up");
    return block->size_bytes > left ? RECON_STEP_TORN : RECON_STEP_BLOCK;
}

enum recon_step recon_walk_next(struct recon_walk *walk, uint64_t from_window)
{
    struct giro_journal_block block;
    for (;;) {
        enum recon_step step = block_find(walk, &block);
        if (step != RECON_STEP_BLOCK)
            return step;
        uint64_t window;
        memcpy(&window,
               walk->bytes + walk->offset + sizeof(block) +
                   offsetof(struct giro_window_record, window),
               sizeof(window));
        walk->next = walk->offset + block.size_bytes;
        if (window >= from_window)
            break;
    }
    const uint8_t *bytes = walk->bytes + walk->offset;
    enum giro_reject reject =
        giro_journal_decode(bytes, block.size_bytes, walk->genesis->replica_count, &walk->view);
    if (reject != GIRO_REJECT_NONE)
        return wrong(walk, reject == GIRO_REJECT_CHECKSUM ? GIRO_ERR_CHECKSUM : GIRO_ERR_FORMAT,
                     giro_reject_text(reject));
    const struct giro_window_record *record = &walk->view.record;
    if (record->member != walk->header.member ||
        record->business_date != walk->header.business_date)
        return wrong(walk, GIRO_ERR_FORMAT, "the block is of another member or business date");
    if (recon_walk_currency(walk) == GIRO_NONE)
        return wrong(walk, GIRO_ERR_FORMAT, "the block is of a currency the hub does not know");
    return RECON_STEP_BLOCK;
}

uint32_t recon_walk_currency(const struct recon_walk *walk)
{
    return giro_genesis_currency_by_number(walk->genesis, walk->view.record.currency);
}

enum recon_step recon_walk_verify(struct recon_walk *walk)
{
    const char *sentence = giro_journal_verify(walk->genesis, walk->ring, &walk->view,
                                               &walk->chains[recon_walk_currency(walk)]);
    return sentence == NULL ? RECON_STEP_BLOCK : wrong(walk, GIRO_ERR_SIGNATURE, sentence);
}
