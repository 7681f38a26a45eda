/* Hashes of rows, records and blocks, the same for the maker and the checker. */
#include <xxhash.h>

#include "journal.h"

void journal_rows_begin(struct giro_sha256_state *state, const char *tag,
                        const struct giro_hash *chain, uint16_t member, uint16_t currency,
                        uint64_t window)
{
    uint8_t fixed[GIRO_TAG_BYTES + GIRO_HASH_BYTES + 2 + 2 + 8 + 4];
    struct giro_writer writer;
    giro_writer_init(&writer, fixed, sizeof(fixed));
    giro_writer_put(&writer, tag, GIRO_TAG_BYTES);
    giro_writer_put(&writer, chain, sizeof(*chain));
    giro_writer_u16(&writer, member);
    giro_writer_u16(&writer, currency);
    giro_writer_u64(&writer, window);
    giro_writer_u32(&writer, 0);
    GIRO_ASSERT(!writer.failed);
    GIRO_ASSERT(writer.offset == sizeof(fixed));
    giro_sha256_begin(state);
    giro_sha256_update(state, fixed, sizeof(fixed));
}

struct giro_hash journal_rows_end(struct giro_sha256_state *state, uint64_t row_count)
{
    giro_sha256_update(state, &row_count, sizeof(row_count));
    return giro_sha256_end(state);
}

struct giro_hash journal_record_hash(const struct giro_window_record *record,
                                     const struct giro_window_cycle *cycles)
{
    GIRO_ASSERT(record->cycle_count <= GIRO_WINDOW_CYCLES_MAX);
    const struct giro_part parts[] = {{GIRO_TAG_WINDOW, GIRO_TAG_BYTES},
                                      {record, sizeof(*record)},
                                      {cycles, record->cycle_count * sizeof(*cycles)}};
    return giro_sha256_parts(parts, 3);
}

void journal_leaf(const struct giro_hash *salt, const struct giro_hash *record_hash,
                  uint8_t leaf[JOURNAL_LEAF_BYTES])
{
    memcpy(leaf, GIRO_TAG_LEAF_WINDOW, GIRO_TAG_BYTES);
    memcpy(leaf + GIRO_TAG_BYTES, salt, GIRO_HASH_BYTES);
    memcpy(leaf + GIRO_TAG_BYTES + GIRO_HASH_BYTES, record_hash, GIRO_HASH_BYTES);
}

uint64_t journal_checksum(const uint8_t *block, size_t size_bytes)
{
    GIRO_ASSERT(size_bytes >= JOURNAL_CHECKED_FROM);
    return XXH3_64bits(block + JOURNAL_CHECKED_FROM, size_bytes - JOURNAL_CHECKED_FROM);
}
