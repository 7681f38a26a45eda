/* Verification of one journal block: what is certified, how it follows from the block before,
 * and whether the sums add up. Everything is recomputed from the rows; nothing the block says is
 * believed before it is proved. */
#include "journal.h"
#include "journal_books.h"

#define TRY(expr)                                                                                  \
    do {                                                                                           \
        const char *fault_ = (expr);                                                               \
        if (fault_ != NULL)                                                                        \
            return fault_;                                                                         \
    } while (0)

/* Next entry number of a chain taken up in the middle, before it has seen an entry. */
#define UNKNOWN UINT64_MAX

/* ---- What is certified ----------------------------------------------------------------------- */

static const char *identity_check(const struct giro_genesis *genesis,
                                  const struct giro_window_record *record)
{
    if (!giro_hash_equal(&record->chain_id, &genesis->chain_id))
        return "the window record is of another hub";
    if (record->member >= genesis->member_count)
        return "the window record names a member the hub does not have";
    if (giro_genesis_currency_by_number(genesis, record->currency) == GIRO_NONE)
        return "the window record names a currency the hub does not have";
    if (record->account != 0)
        return "the window record names an account other than the settlement account";
    if (record->sequence == 0 || record->sealed_height == 0)
        return "the window record has no sequence or no height";
    return NULL;
}

static bool rows_hash_holds(const struct giro_window_record *record, const char *tag,
                            const uint8_t *rows, uint64_t row_count, size_t row_bytes,
                            const struct giro_hash *expected)
{
    if (row_count == 0)
        return giro_hash_is_zero(expected);
    struct giro_sha256_state state;
    journal_rows_begin(&state, tag, &record->chain_id, record->member, record->currency,
                       record->window);
    giro_sha256_update(&state, rows, row_count * row_bytes);
    struct giro_hash found = journal_rows_end(&state, row_count);
    return giro_hash_equal(&found, expected);
}

static const char *rows_check(const struct giro_journal_view *view)
{
    const struct giro_window_record *record = &view->record;
    if (!rows_hash_holds(record, GIRO_TAG_ENTRIES, view->entries, view->header.entry_count,
                         sizeof(struct giro_entry), &record->entries_hash))
        return "the entries do not hash to the window record's entries hash";
    if (!rows_hash_holds(record, GIRO_TAG_POSITIONS, view->positions, view->header.position_count,
                         sizeof(struct giro_entry), &record->positions_hash))
        return "the position entries do not hash to the window record's positions hash";
    if (!rows_hash_holds(record, GIRO_TAG_STATUSES, view->statuses, view->header.status_count,
                         sizeof(struct giro_status_row), &record->statuses_hash))
        return "the status rows do not hash to the window record's statuses hash";
    return NULL;
}

static bool path_holds(uint64_t height, const void *leaf, size_t leaf_bytes, uint32_t leaf_index,
                       uint32_t leaf_count, const uint8_t *path_bytes, uint32_t path_count,
                       const struct giro_hash *root)
{
    struct giro_hash path[GIRO_PROOF_PATH_MAX]; /* the block's bytes are unaligned */
    if (path_count > GIRO_PROOF_PATH_MAX)
        return false;
    memcpy(path, path_bytes, path_count * sizeof(path[0]));
    struct giro_hash hash = giro_leaf_hash(leaf, leaf_bytes);
    return giro_merkle_check(height, &hash, leaf_index, leaf_count, path, path_count, root);
}

static const char *seal_check(const struct giro_genesis *genesis, const struct giro_key_ring *ring,
                              const struct giro_journal_view *view,
                              const struct giro_hash *record_hash)
{
    const struct giro_journal_block *header = &view->header;
    const struct giro_commit_body *body = &view->certificate.header.body;
    if (body->height != view->record.sealed_height)
        return "the certificate is not of the height that sealed the window";
    if (body->time_ns / GIRO_NS_PER_S < view->record.window)
        return "the window was sealed before its second began";
    uint8_t leaf[JOURNAL_LEAF_BYTES];
    journal_leaf(&view->salt, record_hash, leaf);
    if (!path_holds(body->height, leaf, sizeof(leaf), header->leaf_index, header->leaf_count,
                    view->path, header->path_count, &body->ledger_root))
        return "the window's path does not lead from its record and salt to the certified root";
    if (!giro_certificate_verify(genesis, ring, &view->certificate))
        return "the window's certificate is not signed by a quorum of this hub's replicas";
    return NULL;
}

static const char *cycle_leaf_check(const struct giro_genesis *genesis,
                                    const struct giro_key_ring *ring,
                                    const struct giro_journal_view *view)
{
    const struct giro_journal_block *header = &view->header;
    const struct giro_leaf_cycle *leaf = &view->cycle_leaf;
    const struct giro_commit_body *body = &view->cycle_certificate.header.body;
    if (header->cycle_height > view->record.sealed_height)
        return "the cycle settled after the window was sealed";
    if (body->height != header->cycle_height || leaf->height != header->cycle_height)
        return "the cycle's leaf or certificate is of another height than the block says";
    if (leaf->index != header->cycle_leaf_index)
        return "the cycle's leaf names another place than the block says";
    if (body->time_ns / GIRO_NS_PER_S != view->record.window)
        return "the cycle settled in another second than the window";
    uint8_t preimage[GIRO_TAG_BYTES + sizeof(*leaf)];
    memcpy(preimage, GIRO_TAG_LEAF_CYCLE, GIRO_TAG_BYTES);
    memcpy(preimage + GIRO_TAG_BYTES, leaf, sizeof(*leaf));
    if (!path_holds(body->height, preimage, sizeof(preimage), header->cycle_leaf_index,
                    view->cycle_leaf_count, view->cycle_path, header->cycle_path_count,
                    &body->ledger_root))
        return "the cycle's path does not lead from its leaf to the certified root";
    if (leaf->currency != view->record.currency)
        return "the cycle's leaf is of another currency than the window";
    if (!giro_certificate_verify(genesis, ring, &view->cycle_certificate))
        return "the cycle's certificate is not signed by a quorum of this hub's replicas";
    return NULL;
}

/* ---- How it follows from the block before ---------------------------------------------------- */

static giro_i128 prefunded(const struct giro_genesis *genesis,
                           const struct giro_window_record *record)
{
    const struct giro_genesis_member *member = &genesis->members[record->member];
    for (uint32_t i = 0; i < member->account_count; i++) {
        const struct giro_genesis_account *account = &member->accounts[i];
        if (genesis->currencies[account->currency_index].number == record->currency)
            return account->prefunded_minor;
    }
    return 0;
}

static const char *first_check(const struct giro_genesis *genesis,
                               const struct giro_window_record *record)
{
    if (record->sequence != 1)
        return NULL; /* a chain taken up in the middle */
    if (!giro_hash_is_zero(&record->previous))
        return "the first window record names a previous one";
    if (record->covered_windows != 1)
        return "the first window record covers another number of seconds than one";
    if (record->entry_count > 0 && record->first_entry != 1)
        return "the first window's first entry is not number 1";
    if (giro_amount128_get(record->opening) != prefunded(genesis, record))
        return "the first window does not open with what genesis prefunded";
    return NULL;
}

static const char *chain_check(const struct giro_genesis *genesis,
                               const struct giro_window_record *record,
                               const struct giro_journal_chain *chain)
{
    if (!chain->started)
        return first_check(genesis, record);
    if (record->sequence != chain->sequence + 1)
        return "the window record's sequence does not follow the one before";
    if (!giro_hash_equal(&record->previous, &chain->previous))
        return "the window record does not name the hash of the one before";
    if (record->window < chain->window || record->covered_windows != record->window - chain->window)
        return "the window record does not cover the seconds since the one before";
    if (record->entry_count > 0 && chain->next_entry != UNKNOWN &&
        record->first_entry != chain->next_entry)
        return "the window's first entry does not follow the last one before";
    if (giro_amount128_get(record->opening) != chain->closing)
        return "the window does not open with the closing balance of the one before";
    return NULL;
}

static bool cycle_over(uint8_t state)
{
    return state == GIRO_CYCLE_SETTLED || state == GIRO_CYCLE_ABORTED;
}

static uint32_t chain_cycle_find(const struct giro_journal_chain *chain, uint32_t cycle)
{
    for (uint32_t i = 0; i < GIRO_WINDOW_CYCLES_MAX; i++) {
        if (chain->cycles[i].next_entry != 0 && chain->cycles[i].cycle == cycle)
            return i;
    }
    return GIRO_NONE;
}

static const char *chain_cycles_check(const struct giro_journal_view *view,
                                      const struct giro_journal_chain *chain)
{
    uint32_t followed = 0, known = 0;
    bool whole = chain->started || view->record.sequence == 1;
    for (uint32_t i = 0; i < view->record.cycle_count; i++) {
        const struct giro_window_cycle *cycle = &view->cycles[i];
        uint32_t at = chain_cycle_find(chain, cycle->cycle);
        giro_i128 opening = 0;
        uint64_t next_entry = 1;
        if (at != GIRO_NONE) {
            opening = chain->cycles[at].closing;
            next_entry = chain->cycles[at].next_entry;
            followed++;
        }
        if (whole && giro_amount128_get(cycle->opening) != opening)
            return "a cycle's position does not open with its closing in the window before";
        if (whole && next_entry != UNKNOWN && cycle->position_count > 0 &&
            cycle->first_entry != next_entry)
            return "a cycle's first position entry does not follow the last one before";
    }
    for (uint32_t i = 0; i < GIRO_WINDOW_CYCLES_MAX; i++)
        known += chain->cycles[i].next_entry != 0;
    if (followed != known)
        return "a cycle that was open in the window before is missing";
    return NULL;
}

static void chain_move(const struct giro_journal_view *view, const struct giro_hash *record_hash,
                       struct giro_journal_chain *chain)
{
    const struct giro_window_record *record = &view->record;
    struct giro_journal_chain next = {.started = true,
                                      .sequence = record->sequence,
                                      .window = record->window,
                                      .next_entry = record->first_entry + record->entry_count,
                                      .closing = giro_amount128_get(record->closing),
                                      .previous = *record_hash};
    /* What has no number yet starts at 1, unless numbers may have been given before the chain. */
    uint64_t unseen = chain->started || record->sequence == 1 ? 1 : UNKNOWN;
    if (record->entry_count == 0)
        next.next_entry = chain->started ? chain->next_entry : unseen;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < record->cycle_count; i++) {
        const struct giro_window_cycle *cycle = &view->cycles[i];
        if (cycle_over(cycle->state))
            continue;
        uint32_t at = chain_cycle_find(chain, cycle->cycle);
        next.cycles[kept].cycle = cycle->cycle;
        next.cycles[kept].closing = giro_amount128_get(cycle->closing);
        if (cycle->position_count > 0)
            next.cycles[kept].next_entry = cycle->first_entry + cycle->position_count;
        else
            next.cycles[kept].next_entry = at == GIRO_NONE ? unseen : chain->cycles[at].next_entry;
        kept++;
    }
    *chain = next;
}

/* ---- All of it ------------------------------------------------------------------------------- */

const char *giro_journal_verify(const struct giro_genesis *genesis,
                                const struct giro_key_ring *ring,
                                const struct giro_journal_view *view,
                                struct giro_journal_chain *chain)
{
    TRY(identity_check(genesis, &view->record));
    TRY(rows_check(view));
    struct giro_hash record_hash = journal_record_hash(&view->record, view->cycles);
    TRY(seal_check(genesis, ring, view, &record_hash));
    if (view->header.has_cycle != 0)
        TRY(cycle_leaf_check(genesis, ring, view));
    TRY(chain_check(genesis, &view->record, chain));
    TRY(chain_cycles_check(view, chain));
    TRY(journal_books_check(genesis, view));
    chain_move(view, &record_hash, chain);
    return NULL;
}
