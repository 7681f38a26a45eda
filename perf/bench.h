/* perf/bench.h - the harness of all benchmarks: warm-up, repeats, median and p99, a table for people, JSON lines for docs/figures.md.
 *
 * Model: a case is a function that does `operations` operations and returns a digest of what it computed, so that nothing is
 * optimised away and a changed result shows. It is timed as a whole; its figure is nanoseconds per operation. Where a case has a
 * baseline, the two run in turn, so that both see the same machine; `ratio` is ours / the baseline's, of the medians.
 * A line has: bench, metric, unit, median, p99, the parameters, and with a baseline against and ratio; result where there is one.
 * p99 is by nearest rank: with fewer than 100 repeats the slowest.
 * Options of every benchmark: --smoke (small size, for the tests), --json FILE, --only TEXT (only rows whose
 * parameters have TEXT; may be repeated). Threads: one.
 */
#ifndef GIRO_PERF_BENCH_H
#define GIRO_PERF_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define GIRO_BENCH_REPEATS_MAX 256u
#define GIRO_BENCH_ONLY_MAX    8u

struct giro_bench {
    const char *name; /* "wire" */
    bool smoke;
    FILE *json; /* NULL: none */
    const char *json_path;
    const char *only[GIRO_BENCH_ONLY_MAX];
    uint32_t only_count;
    uint32_t rows;
};
/* giro_bench_open reads the options; on wrong usage it says so and exits with 2. doc: one sentence. */
void giro_bench_open(struct giro_bench *bench, const char *name, const char *doc, int argc,
                     char **argv);
/* giro_bench_close returns the exit code. */
int giro_bench_close(struct giro_bench *bench);

/* One figure. parameters is the inside of a JSON object ("\"records\": 20"), also shown in the table; "" = none. */
struct giro_bench_row {
    const char *metric, *unit, *parameters;
    double median, p99;
    const char *against; /* NULL: no comparison */
    double ratio;
    uint64_t result; /* 0: none */
};
void giro_bench_row(struct giro_bench *bench, const struct giro_bench_row *row);
/* giro_bench_wanted tells whether --only leaves in the rows with these parameters. giro_bench_run asks by itself. */
bool giro_bench_wanted(const struct giro_bench *bench, const char *parameters);

struct giro_bench_case {
    const char *metric, *parameters;
    uint64_t operations;                 /* per run */
    uint64_t (*run)(void *context);      /* returns a digest of what it did */
    uint64_t (*baseline)(void *context); /* the same number of operations; NULL: no comparison */
    const char *against;                 /* what the baseline is */
    void *context;
    uint32_t repeats; /* full size; smoke takes 3 */
};
/* giro_bench_run runs a case and its baseline and prints one row, and one for the baseline. */
void giro_bench_run(struct giro_bench *bench, const struct giro_bench_case *one);

/* giro_bench_now_ns is the monotonic clock. */
uint64_t giro_bench_now_ns(void);
/* giro_bench_quantile sorts values and returns the one at per_mille by nearest rank. */
double giro_bench_quantile(double *values, uint32_t count, uint32_t per_mille);
/* giro_bench_pages returns fresh zero-filled memory; exits when there is none. Never given back. _huge asks for huge pages,
 * as girod does for what is touched at random. */
void *giro_bench_pages(size_t size_bytes);
void *giro_bench_pages_huge(size_t size_bytes);
/* giro_bench_must stops the benchmark with a sentence when a step did not work. */
_Noreturn void giro_bench_fail(const char *what);
static inline void giro_bench_must(bool ok, const char *what)
{
    if (!ok)
        giro_bench_fail(what);
}

#endif
