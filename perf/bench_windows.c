/* bench_windows: what the windows add to execution: per booking, gathering it, hashing it into its window, sealing and handing
 * out the journal block; against copying and hashing the 104 bytes of an entry. The same payments are executed with windows
 * and without, in turn. */
#include "perf/bench.h"
#include "perf/bench_books.h"

#define FRAMES_PER_BLOCK   256u
#define BLOCK_NS           250000000u /* four blocks a window */
#define RECORDS            20u
#define BOOKINGS_A_PAYMENT 2u

struct side {
    struct books *books;
    struct books_frames frames;
};

/* Nanoseconds for all blocks; the frames are made before. */
static double execute(struct side *side)
{
    books_frames_make(side->books, &side->frames, GIRO_SERVICE_GROSS);
    uint64_t start_ns = giro_bench_now_ns();
    for (uint32_t from = 0; from < side->frames.count; from += FRAMES_PER_BLOCK)
        books_block(side->books, &side->frames, from, from + FRAMES_PER_BLOCK, BLOCK_NS);
    /* an empty block seals what is open */
    books_block(side->books, &side->frames, 0, 0, GIRO_NS_PER_S);
    return (double)(giro_bench_now_ns() - start_ns);
}

static double hash_entries(uint64_t count)
{
    static struct giro_entry entry;
    uint8_t copy[sizeof(entry)];
    uint64_t digest = 0, start_ns = giro_bench_now_ns();
    struct giro_sha256_state state;
    giro_sha256_begin(&state);
    for (uint64_t i = 0; i < count; i++) {
        entry.entry = i;
        memcpy(copy, &entry, sizeof(entry));
        giro_sha256_update(&state, copy, sizeof(copy));
    }
    struct giro_hash hash = giro_sha256_end(&state);
    memcpy(&digest, hash.bytes, sizeof(digest));
    double spent = (double)(giro_bench_now_ns() - start_ns);
    giro_bench_must(digest != 0, "the baseline did nothing");
    return spent;
}

int main(int argc, char **argv)
{
    struct giro_bench bench;
    giro_bench_open(&bench, "windows", "Gathers, hashes and seals bookings in windows.", argc,
                    argv);
    giro_bench_must(giro_crypto_init() == GIRO_ERR_OK, "libsodium cannot be used");
    uint32_t count = bench.smoke ? FRAMES_PER_BLOCK : 8 * FRAMES_PER_BLOCK;
    struct side with = {books_new(1u << 22, 1u << 21), books_frames_new(count, RECORDS)};
    struct side without = {books_new(1u << 22, 0), books_frames_new(count, RECORDS)};
    double ours[GIRO_BENCH_REPEATS_MAX], base[GIRO_BENCH_REPEATS_MAX];
    uint32_t repeats = bench.smoke ? 3 : 41;
    uint64_t bookings = (uint64_t)count * RECORDS * BOOKINGS_A_PAYMENT, result;
    execute(&with);
    memcpy(&result, with.books->root.bytes, sizeof(result));
    execute(&without);
    for (uint32_t i = 0; i < repeats; i++) {
        double both_ns = execute(&with), books_ns = execute(&without);
        ours[i] = (both_ns - books_ns) / (double)bookings;
        base[i] = hash_entries(bookings) / (double)bookings;
    }
    giro_bench_must(giro_windows_sealed(with.books->windows) > 0 && with.books->journal_bytes > 0,
                    "no window was sealed");
    struct giro_bench_row row = {.metric = "a booking in a sealed window",
                                 .unit = "ns",
                                 .parameters = "\"records\": 20",
                                 .median = giro_bench_quantile(ours, repeats, 500),
                                 .p99 = giro_bench_quantile(ours, repeats, 990),
                                 .against = "memcpy and SHA-256 of an entry",
                                 .result = result};
    row.ratio = row.median / giro_bench_quantile(base, repeats, 500);
    giro_bench_row(&bench, &row);
    return giro_bench_close(&bench);
}
