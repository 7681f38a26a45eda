#include "perf/bench.h"

#include <argp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define SMOKE_REPEATS 3u

static const struct argp_option options[] = {
    {"smoke", 's', NULL, 0, "the small size that the tests also run", 0},
    {"json", 'j', "FILE", 0, "one JSON object per line into FILE beside the table", 0},
    {"only", 'o', "TEXT", 0, "only rows whose parameters have TEXT; may be repeated", 0},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct giro_bench *bench = state->input;
    switch (key) {
    case 's':
        bench->smoke = true;
        return 0;
    case 'j':
        bench->json_path = arg;
        return 0;
    case 'o':
        if (bench->only_count == GIRO_BENCH_ONLY_MAX)
            argp_error(state, "too many --only");
        bench->only[bench->only_count++] = arg;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "what is \"%s\"?", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

bool giro_bench_wanted(const struct giro_bench *bench, const char *parameters)
{
    for (uint32_t i = 0; i < bench->only_count; i++) {
        if (strstr(parameters, bench->only[i]) == NULL)
            return false;
    }
    return true;
}

void giro_bench_fail(const char *what)
{
    fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

void giro_bench_open(struct giro_bench *bench, const char *name, const char *doc, int argc,
                     char **argv)
{
    memset(bench, 0, sizeof(*bench));
    bench->name = name;
    const struct argp argp = {options, parse, NULL, doc, NULL, NULL, NULL};
    argp_err_exit_status = 2;
    argp_parse(&argp, argc, argv, 0, NULL, bench);
    if (bench->json_path != NULL) {
        bench->json = fopen(bench->json_path, "w");
        giro_bench_must(bench->json != NULL, "the JSON file cannot be written");
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
}

int giro_bench_close(struct giro_bench *bench)
{
    bool written = bench->json == NULL || fclose(bench->json) == 0;
    giro_bench_must(written, "the JSON file cannot be written");
    return bench->rows > 0 ? 0 : 1;
}

void giro_bench_row(struct giro_bench *bench, const struct giro_bench_row *row)
{
    if (bench->rows++ == 0)
        printf("%-34s %-28s %14s %14s  %s\n", bench->name, "", "median", "p99", "unit");
    printf("%-34s %-28s %14.2f %14.2f  %s", row->metric, row->parameters, row->median, row->p99,
           row->unit);
    if (row->against != NULL)
        printf("   %.2f x %s", row->ratio, row->against);
    printf("\n");
    if (bench->json == NULL)
        return;
    fprintf(bench->json,
            "{\"bench\": \"%s\", \"metric\": \"%s\", \"unit\": \"%s\", \"median\": %.3f, \"p99\": "
            "%.3f, "
            "\"smoke\": %s",
            bench->name, row->metric, row->unit, row->median, row->p99,
            bench->smoke ? "true" : "false");
    if (row->parameters[0] != '\0')
        fprintf(bench->json, ", %s", row->parameters);
    if (row->against != NULL)
        fprintf(bench->json, ", \"against\": \"%s\", \"ratio\": %.3f", row->against, row->ratio);
    if (row->result != 0)
        fprintf(bench->json, ", \"result\": \"%016lx\"", (unsigned long)row->result);
    fprintf(bench->json, "}\n");
    fflush(bench->json);
}

uint64_t giro_bench_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x, y;
    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return (x > y) - (x < y);
}

double giro_bench_quantile(double *values, uint32_t count, uint32_t per_mille)
{
    if (count == 0)
        return 0;
    qsort(values, count, sizeof(*values), compare);
    uint32_t rank = (uint32_t)(((uint64_t)count * per_mille + 999) / 1000);
    return values[rank == 0 ? 0 : rank - 1];
}

static double timed(uint64_t (*run)(void *context), const struct giro_bench_case *one,
                    uint64_t *result)
{
    uint64_t start_ns = giro_bench_now_ns();
    *result = run(one->context);
    return (double)(giro_bench_now_ns() - start_ns) / (double)one->operations;
}

void giro_bench_run(struct giro_bench *bench, const struct giro_bench_case *one)
{
    double ours[GIRO_BENCH_REPEATS_MAX], theirs[GIRO_BENCH_REPEATS_MAX];
    uint64_t first = 0, result = 0, other = 0;
    uint32_t repeats = bench->smoke ? SMOKE_REPEATS : one->repeats;
    giro_bench_must(repeats <= GIRO_BENCH_REPEATS_MAX && one->operations > 0, "a case is wrong");
    if (!giro_bench_wanted(bench, one->parameters))
        return;
    timed(one->run, one, &first);
    if (one->baseline != NULL)
        timed(one->baseline, one, &other);
    for (uint32_t i = 0; i < repeats; i++) {
        ours[i] = timed(one->run, one, &result);
        if (one->baseline != NULL)
            theirs[i] = timed(one->baseline, one, &other);
    }
    struct giro_bench_row row = {.metric = one->metric,
                                 .unit = "ns",
                                 .parameters = one->parameters,
                                 .median = giro_bench_quantile(ours, repeats, 500),
                                 .p99 = giro_bench_quantile(ours, repeats, 990),
                                 .result = first};
    if (one->baseline == NULL) {
        giro_bench_row(bench, &row);
        return;
    }
    struct giro_bench_row base = {.metric = one->against,
                                  .unit = "ns",
                                  .parameters = one->parameters,
                                  .median = giro_bench_quantile(theirs, repeats, 500),
                                  .p99 = giro_bench_quantile(theirs, repeats, 990)};
    row.against = one->against;
    row.ratio = base.median > 0 ? row.median / base.median : 0;
    giro_bench_row(bench, &row);
    giro_bench_row(bench, &base);
}

void *giro_bench_pages(size_t size_bytes)
{
    void *mem = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    giro_bench_must(mem != MAP_FAILED, "out of memory");
    return mem;
}

void *giro_bench_pages_huge(size_t size_bytes)
{
    const uintptr_t page_bytes = 2u << 20;
    const uintptr_t first = (uintptr_t)giro_bench_pages(size_bytes + page_bytes);
    uint8_t *mem = (uint8_t *)((first + page_bytes - 1) / page_bytes * page_bytes);
    (void)madvise(mem, size_bytes, MADV_HUGEPAGE); /* advice */
    return mem;
}
