/* bench_settlement: executing payments in the books (exactly-once check, duplicate check, two entries, leaf, roots), against
 * copying and hashing the same frames. */
#include "perf/bench.h"
#include "perf/bench_books.h"

#define FRAMES_PER_BLOCK 512u

struct work {
    struct books *books;
    struct books_frames frames;
    uint8_t service;
    uint64_t spent_ns; /* executing only, of the last run */
};

/* Frames execute once: each run makes new ones, which is not what is measured. */
static uint64_t execute(struct work *work)
{
    books_frames_make(work->books, &work->frames, work->service);
    uint64_t start_ns = giro_bench_now_ns();
    for (uint32_t from = 0; from < work->frames.count; from += FRAMES_PER_BLOCK) {
        uint32_t to = from + FRAMES_PER_BLOCK;
        books_block(work->books, &work->frames, from,
                    to < work->frames.count ? to : work->frames.count, 20000000);
    }
    work->spent_ns = giro_bench_now_ns() - start_ns;
    uint64_t digest;
    memcpy(&digest, work->books->root.bytes, sizeof(digest));
    return digest;
}

static void measure(struct giro_bench *bench, const char *service_name, uint8_t service,
                    uint32_t records)
{
    double ours[GIRO_BENCH_REPEATS_MAX], theirs[GIRO_BENCH_REPEATS_MAX];
    char parameters[96];
    struct work work = {.books = books_new(1u << 22, 0),
                        .frames = books_frames_new(bench->smoke ? 512 : 40960 / records, records),
                        .service = service};
    uint32_t repeats = bench->smoke ? 3 : 41;
    double payments = (double)work.frames.count * records;
    uint64_t result = execute(&work);
    for (uint32_t i = 0; i < repeats; i++) {
        execute(&work);
        ours[i] = (double)work.spent_ns / payments;
        uint64_t start_ns = giro_bench_now_ns();
        uint64_t other = books_hash_only(&work.frames);
        theirs[i] = (double)(giro_bench_now_ns() - start_ns) / payments;
        giro_bench_must(other != 0, "the baseline did nothing");
    }
    snprintf(parameters, sizeof(parameters), "\"service\": \"%s\", \"records\": %u", service_name,
             records);
    struct giro_bench_row row = {.metric = "execute a payment",
                                 .unit = "ns",
                                 .parameters = parameters,
                                 .median = giro_bench_quantile(ours, repeats, 500),
                                 .p99 = giro_bench_quantile(ours, repeats, 990),
                                 .against = "memcpy and SHA-256 of its frame",
                                 .result = result};
    double base = giro_bench_quantile(theirs, repeats, 500);
    row.ratio = base > 0 ? row.median / base : 0;
    giro_bench_row(bench, &row);
}

int main(int argc, char **argv)
{
    struct giro_bench bench;
    giro_bench_open(&bench, "settlement", "Executes NET and GROSS payments in the books.", argc,
                    argv);
    giro_bench_must(giro_crypto_init() == GIRO_ERR_OK, "libsodium cannot be used");
    static const uint32_t records[] = {1, 20};
    for (uint32_t i = 0; i < 2; i++) {
        measure(&bench, "NET", GIRO_SERVICE_NET, records[i]);
        measure(&bench, "GROSS", GIRO_SERVICE_GROSS, records[i]);
    }
    return giro_bench_close(&bench);
}
