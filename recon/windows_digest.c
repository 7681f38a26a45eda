/* The digest of what the next windows depend on: one hash per account, under a tree of arity
 * WINDOWS_FAN whose cost per block grows with the accounts touched, not with the accounts there
 * are. Nothing that depends on when certificates come may enter here. */
#include "journal.h"
#include "windows.h"

#define BOOK_BYTES (4u * 16u + 4u * 8u)
#define ACCOUNT_BYTES                                                                              \
    (GIRO_TAG_BYTES + 4u + 16u + 2 * GIRO_HASH_BYTES + BOOK_BYTES + 8u +                           \
     GIRO_WINDOW_CYCLES_MAX * (8u + BOOK_BYTES) + KIND_COUNT * (8u + GIRO_HASH_BYTES))

void windows_digest_layout(struct giro_windows *windows, struct windows_memory *memory)
{
    uint32_t count = windows->account_count;
    windows->level_count = 0;
    for (;;) {
        GIRO_ASSERT(windows->level_count < WINDOWS_LEVELS_MAX);
        struct windows_level *level = &windows->levels[windows->level_count++];
        level->count = count;
        level->nodes = windows_take(memory, count * sizeof(struct giro_hash));
        level->dirty = windows_take(memory, (count + 63) / 64 * sizeof(uint64_t));
        if (count == 1)
            return;
        count = (count + WINDOWS_FAN - 1) / WINDOWS_FAN;
    }
}

void windows_touch(struct giro_windows *windows, uint32_t account_index)
{
    windows_bit_set(windows->levels[0].dirty, account_index);
}

static void amount_put(struct giro_writer *writer, giro_i128 value)
{
    struct giro_amount128 amount = giro_amount128_make(value);
    giro_writer_put(writer, &amount, sizeof(amount));
}

static void book_put(struct giro_writer *writer, const struct windows_book *book)
{
    amount_put(writer, book->opening);
    amount_put(writer, book->debit);
    amount_put(writer, book->credit);
    amount_put(writer, book->closing);
    giro_writer_u64(writer, book->debit_count);
    giro_writer_u64(writer, book->credit_count);
    giro_writer_u64(writer, book->first_entry);
    giro_writer_u64(writer, book->next_entry);
}

/* The hash of the rows so far: a copy of the stream is ended, the stream itself goes on. */
static void rows_put(struct giro_writer *writer, const struct windows_rows *rows)
{
    struct giro_hash hash = giro_hash_zero;
    if (rows->list.row_count > 0) {
        struct giro_sha256_state fork = rows->hash;
        hash = journal_rows_end(&fork, rows->list.row_count);
    }
    giro_writer_u64(writer, rows->list.row_count);
    giro_writer_put(writer, &hash, sizeof(hash));
}

static struct giro_hash account_hash(const struct giro_windows *windows, uint32_t account_index)
{
    const struct windows_account *account = &windows->accounts[account_index];
    uint8_t bytes[ACCOUNT_BYTES];
    struct giro_writer writer;
    giro_writer_init(&writer, bytes, sizeof(bytes));
    giro_writer_put(&writer, GIRO_TAG_STATE_PART, GIRO_TAG_BYTES);
    giro_writer_u16(&writer, windows_member(windows, account_index));
    giro_writer_u16(&writer, windows_currency(windows, account_index));
    giro_writer_u64(&writer, account->sequence);
    giro_writer_u64(&writer, account->window);
    giro_writer_put(&writer, &account->previous, sizeof(account->previous));
    book_put(&writer, &account->book);
    giro_writer_u32(&writer, account->cells.row_count);
    giro_writer_put(&writer, &account->netting_hash, sizeof(account->netting_hash));
    giro_writer_u32(&writer, account->cycle_count);
    for (uint32_t i = 0; i < account->cycle_count; i++) {
        giro_writer_u32(&writer, account->cycles[i].cycle);
        giro_writer_u32(&writer, account->cycles[i].state);
        book_put(&writer, &account->cycles[i].book);
    }
    for (uint32_t kind = 0; kind < KIND_COUNT; kind++)
        rows_put(&writer, &account->rows[kind]);
    GIRO_ASSERT(!writer.failed);
    return giro_sha256(bytes, writer.offset);
}

static struct giro_hash node_hash(const struct windows_level *below, uint32_t node)
{
    uint32_t first = node * WINDOWS_FAN;
    uint32_t count = below->count - first < WINDOWS_FAN ? below->count - first : WINDOWS_FAN;
    const struct giro_part parts[] = {{GIRO_TAG_STATE_PART, GIRO_TAG_BYTES},
                                      {&below->nodes[first], count * sizeof(struct giro_hash)}};
    return giro_sha256_parts(parts, 2);
}

static void level_refresh(struct giro_windows *windows, uint32_t at)
{
    struct windows_level *level = &windows->levels[at];
    uint32_t word_count = (level->count + 63) / 64;
    for (uint32_t word = 0; word < word_count; word++) {
        for (; level->dirty[word] != 0; level->dirty[word] &= level->dirty[word] - 1) {
            uint32_t node = word * 64 + (uint32_t)__builtin_ctzll(level->dirty[word]);
            level->nodes[node] = at == 0 ? account_hash(windows, node) : node_hash(level - 1, node);
            if (at + 1 < windows->level_count)
                windows_bit_set(windows->levels[at + 1].dirty, node / WINDOWS_FAN);
        }
    }
}

void windows_digest_refresh(struct giro_windows *windows)
{
    for (uint32_t at = 0; at < windows->level_count; at++)
        level_refresh(windows, at);
    uint64_t fixed[5] = {windows->open, windows->day_switched, windows->open ? windows->window : 0,
                         windows->open ? windows->business_date : 0, windows->records};
    const struct giro_part parts[] = {
        {GIRO_TAG_STATE_PART, GIRO_TAG_BYTES},
        {fixed, sizeof(fixed)},
        {&windows->levels[windows->level_count - 1].nodes[0], GIRO_HASH_BYTES}};
    windows->digest = giro_sha256_parts(parts, 3);
}

struct giro_hash giro_windows_digest(const struct giro_windows *windows)
{
    GIRO_ASSERT(!windows->in_block);
    return windows->digest;
}
