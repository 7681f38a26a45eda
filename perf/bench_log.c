/* bench_log: group commits of the block log on the real disk, against write and fdatasync of the same bytes into a file that
 * was written before. The files stand beside the program, so it is the disk of the build. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "giro/store.h"
#include "giro/sys.h"
#include "perf/bench.h"

#define SEGMENT_BYTES (64u << 20)
#define FILE_BYTES    (64u << 20)

struct work {
    struct giro_disk disk;
    int event_fd;
    struct giro_log *log;
    uint8_t *bytes;
    uint32_t size_bytes; /* of a group commit */
    int fd;
    uint64_t offset;
};

static enum giro_err visit(void *context, const struct giro_log_found *found)
{
    (void)context;
    (void)found;
    return GIRO_ERR_OK;
}

static void take_completions(struct work *work)
{
    struct giro_disk_completion done[16];
    struct pollfd wait = {.fd = work->event_fd, .events = POLLIN};
    uint32_t count = work->disk.ops->poll(work->disk.self, done, 16);
    if (count == 0) {
        uint64_t events;
        poll(&wait, 1, 1);
        while (read(work->event_fd, &events, sizeof(events)) < 0 && errno == EINTR)
            continue;
    }
    for (uint32_t i = 0; i < count; i++)
        giro_bench_must(giro_log_completed(work->log, done[i].tag, done[i].err) == GIRO_ERR_OK,
                        "a write failed");
}

/* One group commit: one record, durable. */
static double commit(struct work *work)
{
    uint64_t sequence = 0, start_ns = giro_bench_now_ns();
    struct giro_log_position position;
    /* header and padding of the group come on top: keep the write within the size */
    struct giro_part part = {work->bytes, work->size_bytes - 512};
    memcpy(work->bytes, &start_ns, sizeof(start_ns));
    enum giro_err err =
        giro_log_append(work->log, GIRO_LOG_BATCH_RECORD, &part, 1, &sequence, &position);
    giro_bench_must(err == GIRO_ERR_OK, "the log refuses a record");
    while (giro_log_watermark(work->log) < sequence) {
        giro_bench_must(giro_log_flush(work->log) == GIRO_ERR_OK, "the log cannot be flushed");
        take_completions(work);
    }
    return (double)(giro_bench_now_ns() - start_ns) / 1000.0;
}

static double write_and_sync(struct work *work)
{
    uint64_t start_ns = giro_bench_now_ns();
    memcpy(work->bytes, &start_ns, sizeof(start_ns));
    ssize_t written = pwrite(work->fd, work->bytes, work->size_bytes, (off_t)work->offset);
    giro_bench_must(written == (ssize_t)work->size_bytes && fdatasync(work->fd) == 0,
                    "the plain file cannot be written");
    work->offset = (work->offset + work->size_bytes) % FILE_BYTES;
    return (double)(giro_bench_now_ns() - start_ns) / 1000.0;
}

static void open_log(struct work *work, const char *folder)
{
    char path[4200];
    struct giro_hash chain = {{1}};
    giro_bench_must(giro_disk_uring_open(folder, &work->disk, &work->event_fd) == GIRO_ERR_OK,
                    "the disk cannot be opened");
    struct giro_log_options options = {.disk = &work->disk,
                                       .chain_id = chain,
                                       .segment_bytes = SEGMENT_BYTES,
                                       .buffer_bytes = 8u << 20,
                                       .seed = 7,
                                       .inflight_max = 4};
    size_t size = giro_log_footprint(&options);
    work->log = giro_log_init(giro_bench_pages(size), size, &options);
    giro_bench_must(work->log != NULL, "the log cannot be made");
    giro_bench_must(giro_log_open(work->log, 0, 1, visit, NULL) == GIRO_ERR_OK,
                    "the log cannot be opened");
    snprintf(path, sizeof(path), "%s/plain", folder);
    work->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    giro_bench_must(work->fd >= 0, "the plain file cannot be made");
    work->bytes = giro_bench_pages(1u << 20);
    for (uint64_t at = 0; at < FILE_BYTES; at += 1u << 20)
        giro_bench_must(pwrite(work->fd, work->bytes, 1u << 20, (off_t)at) == 1 << 20,
                        "the plain file cannot be filled");
    giro_bench_must(fsync(work->fd) == 0, "the plain file cannot be synced");
}

static void remove_name(void *context, const char *name)
{
    char path[4400];
    snprintf(path, sizeof(path), "%s/%s", (const char *)context, name);
    unlink(path);
}

static void measure(struct giro_bench *bench, struct work *work, uint32_t size_bytes)
{
    double ours[GIRO_BENCH_REPEATS_MAX], theirs[GIRO_BENCH_REPEATS_MAX];
    char parameters[64];
    uint32_t repeats = bench->smoke ? 8 : GIRO_BENCH_REPEATS_MAX;
    work->size_bytes = size_bytes;
    commit(work);
    write_and_sync(work);
    for (uint32_t i = 0; i < repeats; i++) {
        ours[i] = commit(work);
        theirs[i] = write_and_sync(work);
    }
    snprintf(parameters, sizeof(parameters), "\"bytes\": %u", size_bytes);
    struct giro_bench_row row = {.metric = "group commit, durable",
                                 .unit = "us",
                                 .parameters = parameters,
                                 .median = giro_bench_quantile(ours, repeats, 500),
                                 .p99 = giro_bench_quantile(ours, repeats, 990),
                                 .against = "write and fdatasync"};
    struct giro_bench_row base = {.metric = "write and fdatasync",
                                  .unit = "us",
                                  .parameters = parameters,
                                  .median = giro_bench_quantile(theirs, repeats, 500),
                                  .p99 = giro_bench_quantile(theirs, repeats, 990)};
    row.ratio = row.median / base.median;
    giro_bench_row(bench, &row);
    giro_bench_row(bench, &base);
    struct giro_bench_row rate = {.metric = "log, one commit at a time",
                                  .unit = "MB/s",
                                  .parameters = parameters,
                                  .median = size_bytes / row.median,
                                  .p99 = size_bytes / row.p99};
    giro_bench_row(bench, &rate);
}

int main(int argc, char **argv)
{
    struct giro_bench bench;
    struct work work = {.fd = -1};
    char folder[4096];
    giro_bench_open(&bench, "log", "Group commits of the block log on the disk of the build.", argc,
                    argv);
    giro_bench_must(giro_crypto_init() == GIRO_ERR_OK, "libsodium cannot be used");
    ssize_t length = readlink("/proc/self/exe", folder, sizeof(folder) - 32);
    giro_bench_must(length > 0, "/proc is not mounted");
    snprintf(folder + length, 32, "-XXXXXX");
    giro_bench_must(mkdtemp(folder) != NULL, "no folder beside the program");
    open_log(&work, folder);
    measure(&bench, &work, 4096);
    measure(&bench, &work, 256 * 1024);
    close(work.fd);
    work.disk.ops->list(work.disk.self, remove_name, folder);
    giro_disk_uring_close(&work.disk);
    remove_name(folder, "lock");
    rmdir(folder);
    return giro_bench_close(&bench);
}
