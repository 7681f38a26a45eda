/* Strict decoding of journal blocks: every count is bounded by the bytes that are there before
 * anything is read. */
#include "journal.h"

#define REQUIRE(condition, reason)                                                                 \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return GIRO_REJECT_##reason;                                                           \
    } while (0)
#define TRY(expr)                                                                                  \
    do {                                                                                           \
        enum giro_reject try_ = (expr);                                                            \
        if (try_ != GIRO_REJECT_NONE)                                                              \
            return try_;                                                                           \
    } while (0)

static bool is_zero(const void *bytes, size_t size_bytes)
{
    const uint8_t *byte = bytes;
    uint8_t any = 0;
    for (size_t i = 0; i < size_bytes; i++)
        any |= byte[i];
    return any == 0;
}

static enum giro_reject header_check(const void *bytes, size_t size_bytes,
                                     struct giro_journal_block *header)
{
    REQUIRE(size_bytes >= sizeof(*header), TRUNCATED);
    memcpy(header, bytes, sizeof(*header));
    REQUIRE(header->magic == GIRO_MAGIC, MAGIC);
    REQUIRE(header->size_bytes % 8 == 0, FIELD);
    REQUIRE(header->size_bytes >= sizeof(*header), FIELD);
    REQUIRE(header->size_bytes <= size_bytes, TRUNCATED);
    REQUIRE(header->checksum == journal_checksum(bytes, header->size_bytes), CHECKSUM);
    REQUIRE(header->leaf_index < header->leaf_count, FIELD);
    REQUIRE(header->path_count <= GIRO_PROOF_PATH_MAX, COUNT);
    REQUIRE(header->cycle_path_count <= GIRO_PROOF_PATH_MAX, COUNT);
    REQUIRE(header->netting_count <= GIRO_MEMBERS_MAX, COUNT);
    REQUIRE(header->has_cycle <= 1, FIELD);
    if (header->has_cycle == 0)
        REQUIRE(header->netting_count == 0 && header->cycle_leaf_index == 0 &&
                    header->cycle_path_count == 0 && header->cycle_height == 0,
                FIELD);
    return GIRO_REJECT_NONE;
}

static enum giro_reject record_read(struct giro_reader *reader, struct giro_journal_view *view)
{
    struct giro_window_record *record = &view->record;
    REQUIRE(giro_reader_copy(reader, record, sizeof(*record)), TRUNCATED);
    REQUIRE(record->head.magic == GIRO_MAGIC, MAGIC);
    REQUIRE(record->head.kind == GIRO_KIND_WINDOW, KIND);
    REQUIRE(record->head.version == GIRO_VERSION, VERSION);
    REQUIRE(record->reserved == 0, RESERVED);
    REQUIRE(record->reserved2 == 0, RESERVED);
    REQUIRE(record->cycle_count <= GIRO_WINDOW_CYCLES_MAX, COUNT);
    size_t cycles_bytes = record->cycle_count * sizeof(view->cycles[0]);
    REQUIRE(view->header.record_bytes == sizeof(*record) + cycles_bytes, COUNT);
    REQUIRE(view->header.entry_count == record->entry_count, COUNT);
    REQUIRE(view->header.position_count == record->position_count, COUNT);
    REQUIRE(view->header.status_count == record->status_count, COUNT);
    REQUIRE(giro_reader_copy(reader, view->cycles, cycles_bytes), TRUNCATED);
    for (uint32_t i = 0; i < record->cycle_count; i++) {
        const struct giro_window_cycle *cycle = &view->cycles[i];
        REQUIRE(is_zero(cycle->reserved, sizeof(cycle->reserved)), RESERVED);
        REQUIRE(is_zero(cycle->reserved2, sizeof(cycle->reserved2)), RESERVED);
        REQUIRE(cycle->state >= GIRO_CYCLE_OPEN && cycle->state <= GIRO_CYCLE_ABORTED, FIELD);
    }
    return GIRO_REJECT_NONE;
}

/* Takes count rows; each row's reserved bytes, at the same place in every row, are zero. */
static enum giro_reject rows_read(struct giro_reader *reader, uint32_t count, size_t row_bytes,
                                  size_t reserved_at, size_t reserved_bytes, const uint8_t **rows)
{
    REQUIRE(count <= giro_reader_left(reader) / row_bytes, TRUNCATED);
    *rows = giro_reader_take(reader, count * row_bytes);
    for (size_t i = 0; i < count; i++)
        REQUIRE(is_zero(*rows + i * row_bytes + reserved_at, reserved_bytes), RESERVED);
    return GIRO_REJECT_NONE;
}

static enum giro_reject all_rows_read(struct giro_reader *reader, struct giro_journal_view *view)
{
    TRY(rows_read(reader, view->header.entry_count, sizeof(struct giro_entry),
                  offsetof(struct giro_entry, reserved), 4, &view->entries));
    TRY(rows_read(reader, view->header.position_count, sizeof(struct giro_entry),
                  offsetof(struct giro_entry, reserved), 4, &view->positions));
    TRY(rows_read(reader, view->header.status_count, sizeof(struct giro_status_row),
                  offsetof(struct giro_status_row, reserved), 1, &view->statuses));
    if (view->header.has_cycle == 0)
        return GIRO_REJECT_NONE;
    view->cycle_leaf_count = giro_reader_u32(reader);
    REQUIRE(giro_reader_u32(reader) == 0, RESERVED);
    REQUIRE(giro_reader_copy(reader, &view->cycle_leaf, sizeof(view->cycle_leaf)), TRUNCATED);
    REQUIRE(view->cycle_leaf.reserved == 0, RESERVED);
    REQUIRE(view->header.cycle_leaf_index < view->cycle_leaf_count, FIELD);
    return rows_read(reader, view->header.netting_count, sizeof(struct giro_netting_cell),
                     offsetof(struct giro_netting_cell, reserved), 6, &view->cells);
}

static enum giro_reject proofs_read(struct giro_reader *reader, uint32_t replica_count,
                                    struct giro_journal_view *view)
{
    const struct giro_journal_block *header = &view->header;
    REQUIRE(giro_reader_copy(reader, &view->salt, sizeof(view->salt)), TRUNCATED);
    view->path = giro_reader_take(reader, header->path_count * sizeof(struct giro_hash));
    view->cycle_path =
        giro_reader_take(reader, header->cycle_path_count * sizeof(struct giro_hash));
    REQUIRE(!reader->failed, TRUNCATED);
    size_t before = giro_reader_left(reader);
    TRY(giro_certificate_decode(reader, replica_count, &view->certificate));
    REQUIRE(before - giro_reader_left(reader) == header->certificate_bytes, COUNT);
    if (header->has_cycle == 0)
        return GIRO_REJECT_NONE;
    if (header->cycle_height == view->record.sealed_height) {
        view->cycle_certificate = view->certificate;
        return GIRO_REJECT_NONE;
    }
    return giro_certificate_decode(reader, replica_count, &view->cycle_certificate);
}

enum giro_reject giro_journal_decode(const void *bytes, size_t size_bytes, uint32_t replica_count,
                                     struct giro_journal_view *view)
{
    memset(view, 0, sizeof(*view));
    TRY(header_check(bytes, size_bytes, &view->header));
    struct giro_reader reader;
    giro_reader_init(&reader, bytes, view->header.size_bytes);
    giro_reader_take(&reader, sizeof(view->header));
    TRY(record_read(&reader, view));
    TRY(all_rows_read(&reader, view));
    TRY(proofs_read(&reader, replica_count, view));
    size_t padding = giro_reader_left(&reader);
    REQUIRE(padding < 8, OVERSIZED);
    REQUIRE(is_zero(giro_reader_take(&reader, padding), padding), RESERVED);
    GIRO_ASSERT(!reader.failed);
    view->size_bytes = view->header.size_bytes;
    return GIRO_REJECT_NONE;
}
