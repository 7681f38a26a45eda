/* Certificates come, journal blocks go out, memory comes back. All of this is local: it may not
 * change a digest. */
#include "journal.h"
#include "windows.h"

static void proof_put(struct giro_writer *writer, const struct windows_proof *proof)
{
    giro_writer_put(writer, proof->path, proof->path_count * sizeof(proof->path[0]));
}

static void list_put(struct giro_writer *writer, const struct windows_pool *pool,
                     const struct windows_list *list)
{
    uint8_t *out = giro_writer_reserve(writer, (size_t)list->row_count * pool->row_bytes);
    GIRO_ASSERT(out != NULL);
    windows_pool_copy(pool, list, out);
}

static uint32_t certificate_bytes(const struct giro_certificate *certificate)
{
    return (uint32_t)(sizeof(certificate->header) +
                      certificate->header.signer_count * GIRO_SIGNATURE_BYTES);
}

static void header_make(const struct windows_sealed *sealed, const struct windows_settled *settled,
                        const struct windows_group *group, struct giro_journal_block *header)
{
    const struct giro_window_record *record = &sealed->record;
    *header = (struct giro_journal_block){
        .magic = GIRO_MAGIC,
        .record_bytes =
            (uint32_t)(sizeof(*record) + record->cycle_count * sizeof(struct giro_window_cycle)),
        .entry_count = sealed->rows[KIND_ENTRIES].row_count,
        .position_count = sealed->rows[KIND_POSITIONS].row_count,
        .status_count = sealed->rows[KIND_STATUSES].row_count,
        .certificate_bytes = certificate_bytes(&group->certificate),
        .leaf_index = sealed->proof.leaf_index,
        .leaf_count = sealed->proof.leaf_count,
        .path_count = (uint16_t)sealed->proof.path_count};
    if (settled == NULL)
        return;
    header->netting_count = (uint16_t)sealed->cells.row_count;
    header->cycle_leaf_index = settled->proof.leaf_index;
    header->cycle_path_count = (uint16_t)settled->proof.path_count;
    header->has_cycle = 1;
    header->cycle_height = settled->height;
}

static void netting_put(const struct giro_windows *windows, struct giro_writer *writer,
                        const struct windows_sealed *sealed, const struct windows_settled *settled)
{
    giro_writer_u32(writer, settled->proof.leaf_count);
    giro_writer_u32(writer, 0);
    giro_writer_put(writer, &settled->leaf, sizeof(settled->leaf));
    list_put(writer, &windows->cells, &sealed->cells);
}

/* Writes one block into windows->block and returns its size. settled is NULL if no cycle settled
 * in the window. */
static uint32_t block_make(struct giro_windows *windows, const struct windows_sealed *sealed,
                           const struct windows_settled *settled, const struct windows_group *group)
{
    static const uint8_t zeros[8];
    struct giro_writer writer;
    giro_writer_init(&writer, windows->block, windows->block_bytes);
    struct giro_journal_block header;
    header_make(sealed, settled, group, &header);
    uint8_t *header_bytes = giro_writer_reserve(&writer, sizeof(header));
    giro_writer_put(&writer, &sealed->record, sizeof(sealed->record));
    giro_writer_put(&writer, sealed->cycles,
                    sealed->record.cycle_count * sizeof(sealed->cycles[0]));
    for (uint32_t kind = 0; kind < KIND_COUNT; kind++)
        list_put(&writer, windows_pool_of(windows, kind), &sealed->rows[kind]);
    if (settled != NULL)
        netting_put(windows, &writer, sealed, settled);
    giro_writer_put(&writer, &sealed->salt, sizeof(sealed->salt));
    proof_put(&writer, &sealed->proof);
    if (settled != NULL)
        proof_put(&writer, &settled->proof);
    giro_certificate_encode(&group->certificate, &writer);
    if (settled != NULL) {
        GIRO_ASSERT(settled->height < group->height); /* sealing comes first in a block */
        giro_certificate_encode(&settled->certificate, &writer);
    }
    giro_writer_put(&writer, zeros, giro_align_up(writer.offset, 8) - writer.offset);
    GIRO_ASSERT(!writer.failed);
    GIRO_ASSERT(writer.offset <= UINT32_MAX);
    header.size_bytes = (uint32_t)writer.offset;
    memcpy(header_bytes, &header, sizeof(header));
    header.checksum = journal_checksum(windows->block, header.size_bytes);
    memcpy(header_bytes, &header, sizeof(header));
    return header.size_bytes;
}

static void sealed_emit(struct giro_windows *windows, struct windows_sealed *sealed,
                        const struct windows_group *group)
{
    struct windows_settled *settled =
        sealed->settled == GIRO_NONE ? NULL : &windows->settled[sealed->settled];
    uint32_t size_bytes = block_make(windows, sealed, settled, group);
    if (windows->sink.block != NULL)
        windows->sink.block(windows->sink.context, sealed->record.member,
                            sealed->record.business_date, windows->block, size_bytes);
    for (uint32_t kind = 0; kind < KIND_COUNT; kind++)
        windows_pool_release(windows_pool_of(windows, kind), &sealed->rows[kind]);
    windows_pool_release(&windows->cells, &sealed->cells);
    if (settled == NULL)
        return;
    GIRO_ASSERT(settled->users > 0);
    settled->users--;
}

static bool group_ready(const struct giro_windows *windows, const struct windows_group *group)
{
    if (!group->has_certificate)
        return false;
    for (uint32_t i = 0; i < group->sealed_count; i++) {
        const struct windows_sealed *sealed =
            &windows->sealed[windows_ring_place(&windows->sealed_ring, group->sealed_first + i)];
        if (sealed->settled != GIRO_NONE && !windows->settled[sealed->settled].has_certificate)
            return false;
    }
    return true;
}

/* Heights in the rings ascend, and a certificate mostly is for the youngest ones: search from
 * there. */
static void certificate_keep(struct giro_windows *windows,
                             const struct giro_certificate *certificate)
{
    uint64_t height = certificate->header.body.height;
    for (uint64_t i = windows->settled_ring.next; i-- > windows->settled_ring.first;) {
        struct windows_settled *settled =
            &windows->settled[windows_ring_place(&windows->settled_ring, i)];
        if (settled->height < height)
            break;
        if (settled->height != height || settled->has_certificate)
            continue;
        settled->certificate = *certificate;
        settled->has_certificate = true;
    }
    for (uint64_t i = windows->group_ring.next; i-- > windows->group_ring.first;) {
        struct windows_group *group = &windows->groups[windows_ring_place(&windows->group_ring, i)];
        if (group->height < height)
            break;
        if (group->height != height || group->has_certificate)
            continue;
        group->certificate = *certificate;
        group->has_certificate = true;
    }
}

void giro_windows_certified(struct giro_windows *windows,
                            const struct giro_certificate *certificate)
{
    GIRO_ASSERT(!windows->in_block);
    certificate_keep(windows, certificate);
    struct windows_ring *groups = &windows->group_ring;
    while (groups->first < groups->next) {
        const struct windows_group *group =
            &windows->groups[windows_ring_place(groups, groups->first)];
        if (!group_ready(windows, group))
            break;
        GIRO_ASSERT(group->sealed_first == windows->sealed_ring.first);
        for (uint32_t i = 0; i < group->sealed_count; i++)
            sealed_emit(windows,
                        &windows->sealed[windows_ring_place(&windows->sealed_ring,
                                                            windows->sealed_ring.first++)],
                        group);
        groups->first++;
    }
    struct windows_ring *ring = &windows->settled_ring;
    while (ring->first < ring->next &&
           windows->settled[windows_ring_place(ring, ring->first)].users == 0)
        ring->first++;
}

/* ---- Check: every chunk belongs to exactly one list ------------------------------------------ */

static uint32_t chunks_of(const struct windows_list *list)
{
    return (list->row_count + WINDOWS_CHUNK_ROWS - 1) / WINDOWS_CHUNK_ROWS;
}

static void book_check(const struct windows_book *book)
{
    GIRO_ASSERT(book->opening + book->credit - book->debit == book->closing);
    GIRO_ASSERT(book->next_entry >= 1);
    if (book->first_entry != 0)
        GIRO_ASSERT(book->first_entry + book->debit_count + book->credit_count == book->next_entry);
    else
        GIRO_ASSERT(book->debit_count + book->credit_count == 0);
}

static void account_check(const struct windows_account *account, bool active)
{
    book_check(&account->book);
    uint64_t positions = 0;
    for (uint32_t i = 0; i < account->cycle_count; i++) {
        book_check(&account->cycles[i].book);
        positions += account->cycles[i].book.debit_count + account->cycles[i].book.credit_count;
    }
    GIRO_ASSERT(positions == account->rows[KIND_POSITIONS].list.row_count);
    GIRO_ASSERT(account->book.debit_count + account->book.credit_count ==
                account->rows[KIND_ENTRIES].list.row_count);
    GIRO_ASSERT((account->settled != GIRO_NONE) == (account->cells.row_count > 0));
    GIRO_ASSERT(active || positions + account->rows[KIND_ENTRIES].list.row_count +
                                  account->rows[KIND_STATUSES].list.row_count +
                                  account->cells.row_count ==
                              0);
}

void giro_windows_check(const struct giro_windows *windows)
{
    uint32_t bookings = windows->bookings.free_count;
    uint32_t statuses = windows->statuses.free_count;
    uint32_t cells = windows->cells.free_count;
    bool any = false;
    for (uint32_t i = 0; i < windows->account_count; i++) {
        const struct windows_account *account = &windows->accounts[i];
        bool active = (windows->active[i / 64] >> (i % 64) & 1) != 0;
        any |= active;
        account_check(account, active);
        bookings += chunks_of(&account->rows[KIND_ENTRIES].list) +
                    chunks_of(&account->rows[KIND_POSITIONS].list);
        statuses += chunks_of(&account->rows[KIND_STATUSES].list);
        cells += chunks_of(&account->cells);
    }
    for (uint64_t i = windows->sealed_ring.first; i < windows->sealed_ring.next; i++) {
        const struct windows_sealed *sealed =
            &windows->sealed[windows_ring_place(&windows->sealed_ring, i)];
        bookings +=
            chunks_of(&sealed->rows[KIND_ENTRIES]) + chunks_of(&sealed->rows[KIND_POSITIONS]);
        statuses += chunks_of(&sealed->rows[KIND_STATUSES]);
        cells += chunks_of(&sealed->cells);
    }
    GIRO_ASSERT(any == windows->open);
    GIRO_ASSERT(bookings == windows->bookings.chunk_count);
    GIRO_ASSERT(statuses == windows->statuses.chunk_count);
    GIRO_ASSERT(cells == windows->cells.chunk_count);
}
