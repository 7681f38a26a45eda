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

/* ---- Rows of many accounts at once ---- */

#define ACCOUNTS_AT_ONCE 32u
#define STREAMS_MAX      (ACCOUNTS_AT_ONCE * KIND_COUNT)

/* Rows that are not hashed yet. */
struct stream {
    struct windows_rows *rows;
    const struct windows_pool *pool;
};

static uint32_t streams_gather(struct giro_windows *windows, const uint32_t *accounts,
                               uint32_t count, struct stream streams[STREAMS_MAX])
{
    uint32_t stream_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t kind = 0; kind < KIND_COUNT; kind++) {
            struct windows_rows *rows = &windows->accounts[accounts[i]].rows[kind];
            if (rows->hashed_count < rows->list.row_count)
                streams[stream_count++] = (struct stream){rows, windows_pool_of(windows, kind)};
        }
    }
    return stream_count;
}

/* The unhashed rows of the stream's next chunk; steps over them. */
static struct giro_part chunk_next(const struct stream *stream)
{
    struct windows_rows *rows = stream->rows;
    uint32_t at = rows->hashed_count % WINDOWS_CHUNK_ROWS;
    uint32_t left = rows->list.row_count - rows->hashed_count;
    uint32_t count = left < WINDOWS_CHUNK_ROWS - at ? left : WINDOWS_CHUNK_ROWS - at;
    if (at == 0 && rows->hashed_count > 0)
        rows->hashed_chunk = stream->pool->next[rows->hashed_chunk];
    rows->hashed_count += count;
    return (struct giro_part){windows_pool_rows(stream->pool, rows->hashed_chunk) +
                                  (size_t)at * stream->pool->row_bytes,
                              (size_t)count * stream->pool->row_bytes};
}

/* Hashes of the rows so far: copies of the streams are ended, the streams themselves go on. */
static void streams_so_far(const struct stream *streams, uint32_t count)
{
    struct giro_sha256_state forks[STREAMS_MAX], *states[STREAMS_MAX];
    struct giro_part parts[STREAMS_MAX];
    struct giro_hash hashes[STREAMS_MAX];
    uint64_t row_counts[STREAMS_MAX];
    for (uint32_t i = 0; i < count; i++) {
        forks[i] = streams[i].rows->hash;
        states[i] = &forks[i];
        row_counts[i] = streams[i].rows->list.row_count;
        parts[i] = (struct giro_part){&row_counts[i], sizeof(row_counts[i])};
    }
    giro_sha256_update_many(states, parts, count); /* as journal_rows_end does */
    giro_sha256_end_many(states, count, hashes);
    for (uint32_t i = 0; i < count; i++)
        streams[i].rows->so_far = hashes[i];
}

static void rows_hash(struct giro_windows *windows, const uint32_t *accounts, uint32_t count)
{
    struct stream streams[STREAMS_MAX];
    uint32_t stream_count = streams_gather(windows, accounts, count, streams);
    if (stream_count == 0)
        return;
    for (;;) {
        struct giro_sha256_state *states[STREAMS_MAX];
        struct giro_part parts[STREAMS_MAX];
        uint32_t some = 0;
        for (uint32_t i = 0; i < stream_count; i++) {
            if (streams[i].rows->hashed_count == streams[i].rows->list.row_count)
                continue;
            states[some] = &streams[i].rows->hash;
            parts[some++] = chunk_next(&streams[i]);
        }
        if (some == 0)
            break;
        giro_sha256_update_many(states, parts, some);
    }
    streams_so_far(streams, stream_count);
}

/* ---- The tree ---- */

/* An account's preimage. */
static struct giro_part account_put(const struct giro_windows *windows, uint32_t account_index,
                                    uint8_t bytes[ACCOUNT_BYTES])
{
    const struct windows_account *account = &windows->accounts[account_index];
    struct giro_writer writer;
    giro_writer_init(&writer, bytes, ACCOUNT_BYTES);
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
    for (uint32_t kind = 0; kind < KIND_COUNT; kind++) {
        giro_writer_u64(&writer, account->rows[kind].list.row_count);
        giro_writer_put(&writer, &account->rows[kind].so_far, sizeof(struct giro_hash));
    }
    GIRO_ASSERT(!writer.failed);
    return (struct giro_part){bytes, writer.offset};
}

#define NODE_BYTES (GIRO_TAG_BYTES + WINDOWS_FAN * GIRO_HASH_BYTES)
static_assert(ACCOUNT_BYTES >= NODE_BYTES, "one buffer holds either preimage");

/* The preimage of a node above the accounts. */
static struct giro_part node_put(const struct windows_level *below, uint32_t node,
                                 uint8_t bytes[NODE_BYTES])
{
    uint32_t first = node * WINDOWS_FAN;
    uint32_t count = below->count - first < WINDOWS_FAN ? below->count - first : WINDOWS_FAN;
    memcpy(bytes, GIRO_TAG_STATE_PART, GIRO_TAG_BYTES);
    memcpy(bytes + GIRO_TAG_BYTES, &below->nodes[first], count * sizeof(struct giro_hash));
    return (struct giro_part){bytes, GIRO_TAG_BYTES + count * sizeof(struct giro_hash)};
}

static void nodes_refresh(struct giro_windows *windows, uint32_t at, const uint32_t *nodes,
                          uint32_t count)
{
    static_assert(ACCOUNTS_AT_ONCE * ACCOUNT_BYTES < 32u * 1024u, "fits the stack");
    uint8_t bytes[ACCOUNTS_AT_ONCE][ACCOUNT_BYTES];
    struct giro_part parts[ACCOUNTS_AT_ONCE];
    struct giro_hash hashes[ACCOUNTS_AT_ONCE];
    struct windows_level *level = &windows->levels[at];
    if (count == 0)
        return;
    if (at == 0)
        rows_hash(windows, nodes, count);
    for (uint32_t i = 0; i < count; i++)
        parts[i] = at == 0 ? account_put(windows, nodes[i], bytes[i])
                           : node_put(level - 1, nodes[i], bytes[i]);
    giro_sha256_many(parts, count, hashes);
    for (uint32_t i = 0; i < count; i++) {
        level->nodes[nodes[i]] = hashes[i];
        if (at + 1 < windows->level_count)
            windows_bit_set(windows->levels[at + 1].dirty, nodes[i] / WINDOWS_FAN);
    }
}

static void level_refresh(struct giro_windows *windows, uint32_t at)
{
    struct windows_level *level = &windows->levels[at];
    uint32_t word_count = (level->count + 63) / 64;
    uint32_t nodes[ACCOUNTS_AT_ONCE], count = 0;
    for (uint32_t word = 0; word < word_count; word++) {
        for (; level->dirty[word] != 0; level->dirty[word] &= level->dirty[word] - 1) {
            nodes[count++] = word * 64 + (uint32_t)__builtin_ctzll(level->dirty[word]);
            if (count < ACCOUNTS_AT_ONCE)
                continue;
            nodes_refresh(windows, at, nodes, count);
            count = 0;
        }
    }
    nodes_refresh(windows, at, nodes, count);
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
