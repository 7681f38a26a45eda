/* giro/sys.h - the outside world behind interfaces a simulator can replace: clock, disk, log lines,
 * and configuration files.
 *
 * Model: the only module under common/ that does IO. Pure modules never include this header; the
 * composition (apps/girod/replica.h) gets a struct giro_clock and a struct giro_disk handed in.
 */
#ifndef GIRO_SYS_H
#define GIRO_SYS_H

#include <stdarg.h>

#include "giro/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Clock ------------------------------------------------------------------------------------ */

/* wall_ns: UTC nanoseconds since 1970, may step. mono_ns: never goes back, for timers. */
struct giro_clock {
    uint64_t (*wall_ns)(void *self);
    uint64_t (*mono_ns)(void *self);
    void *self;
};
/* giro_clock_system returns the machine's clock (CLOCK_REALTIME, CLOCK_MONOTONIC). */
struct giro_clock giro_clock_system(void);

/* ---- Disk -------------------------------------------------------------------------------------- */

/* A directory of flat files. Writes are asynchronous; a write that has *completed* is durable
 * (O_DIRECT | O_DSYNC on the real disk): the only ordering a caller may rely on. A write that has not
 * completed may, after a power loss, be whole, absent or torn at 512-byte sectors, in any order
 * relative to other uncompleted writes. Offsets, sizes and buffers of writes are multiples of 4,096, and
 * a write stays within its file (files do not grow); reads need no alignment. Names have 1 to 63
 * characters of [A-Za-z0-9._-], do not start with a point and are not `lock`; others give
 * GIRO_ERR_ARGUMENT.
 * Bounded: at most GIRO_DISK_DEPTH writes under way; submit returns GIRO_ERR_FULL beyond that. */
#define GIRO_DISK_BLOCK_BYTES 4096u
#define GIRO_DISK_DEPTH       64u
#define GIRO_DISK_NAME_BYTES  64u

struct giro_disk_write {
    uint32_t file; /* handle from open */
    uint32_t size_bytes;
    uint64_t offset;
    const void *bytes; /* borrowed until completion, 4,096-aligned */
    uint64_t tag;      /* given back in the completion */
};
struct giro_disk_completion {
    uint64_t tag;
    enum giro_err err; /* OK: durable. Anything else: the caller must stop promising (fsync rule) */
};
struct giro_disk_ops {
    /* open finds or, if create_bytes > 0, makes a file of that size (zero-filled, its blocks allocated
     * and its directory entry durable on return). *size_bytes gets its size. Synchronous. */
    enum giro_err (*open)(void *self, const char *name, uint64_t create_bytes, uint32_t *file,
                          uint64_t *size_bytes);
    /* read fills bytes from offset; synchronous; short files give GIRO_ERR_NOENT. */
    enum giro_err (*read)(void *self, uint32_t file, uint64_t offset, void *bytes,
                          uint32_t size_bytes);
    /* submit takes a write. It may lie there until start or poll is called: writes that are handed to the disk together cost
     * less and are durable sooner. */
    enum giro_err (*submit)(void *self, const struct giro_disk_write *write);
    /* start hands over what was submitted. NULL: submit did. */
    enum giro_err (*start)(void *self);
    /* poll moves up to max completions to out and returns their number; never blocks. */
    uint32_t (*poll)(void *self, struct giro_disk_completion *out, uint32_t max);
    /* remove deletes a file that no handle has open; durable on return. NOENT if absent. */
    enum giro_err (*remove)(void *self, const char *name);
    /* list calls visit(context, name) for each file, in name order. */
    enum giro_err (*list)(void *self, void (*visit)(void *context, const char *name),
                          void *context);
    /* close gives the handle back. No write may be under way on it. */
    void (*close)(void *self, uint32_t file);
    /* prepare begins to make, in the background, the file that a later open(name, create_bytes) of that
     * size then finds ready; an open or remove of that name waits while it is under way. It promises
     * speed only: the file may be in the list or not until it is opened, and if it could not be made,
     * open makes it and reports why not. One file at a time: FULL while another is under way. NULL: a
     * disk that prepares nothing. */
    enum giro_err (*prepare)(void *self, const char *name, uint64_t create_bytes);
};
struct giro_disk {
    const struct giro_disk_ops *ops;
    void *self;
};

/* giro_disk_uring_open opens (and makes, mode 0700) the directory `path` on the real disk and locks it
 * with flock: a second process gets GIRO_ERR_LOCKED. *event_fd becomes readable when completions wait
 * (for the event loop). Where the kernel refuses io_uring, the same interface is served by pwritev2 in
 * submit (a log line says so). Falls back from O_DIRECT where the file system refuses it (tmpfs), with
 * fdatasync semantics kept. */
enum giro_err giro_disk_uring_open(const char *path, struct giro_disk *disk,
                                   int *event_fd) GIRO_MUST_USE;
/* close waits for the writes under way and gives up the file being prepared. */
void giro_disk_uring_close(struct giro_disk *disk);

/* The faulty disk: files in memory, a seeded fault plan, for simulator and tests. Completions appear
 * only after giro_disk_faulty_advance passes their (seeded) due time. */
struct giro_disk_faults {
    uint64_t latency_min_ns, latency_max_ns; /* per write */
    uint32_t torn_per_mille;         /* at power loss: chance that an uncompleted write is torn */
    uint32_t kept_per_mille;         /* at power loss: chance that an uncompleted write is whole */
    uint32_t io_error_per_million;   /* chance that a write completes with GIRO_ERR_IO */
    uint32_t read_error_per_million; /* chance that a read gives GIRO_ERR_IO */
    uint32_t
        misdirected_per_million; /* chance that a write lands elsewhere in its file, and completes as if not */
    uint64_t capacity_bytes; /* beyond: GIRO_ERR_NOSPACE; 0 = unlimited */
};
struct giro_disk_faulty;
struct giro_disk_faulty *giro_disk_faulty_new(uint64_t seed, const struct giro_disk_faults *faults);
void giro_disk_faulty_free(struct giro_disk_faulty *faulty);
struct giro_disk giro_disk_faulty_disk(struct giro_disk_faulty *faulty);
void giro_disk_faulty_set_faults(struct giro_disk_faulty *faulty,
                                 const struct giro_disk_faults *faults);
/* advance sets the virtual time; next_ns is when the next completion falls due, UINT64_MAX if none. */
void giro_disk_faulty_advance(struct giro_disk_faulty *faulty, uint64_t now_ns);
uint64_t giro_disk_faulty_next_ns(const struct giro_disk_faulty *faulty);
/* power_loss applies the fault plan to uncompleted writes and forgets all handles. crash (process
 * death) lets every submitted write reach the disk whole, and forgets all handles. After both a file
 * that was prepared and not opened yet is there or not, by the seed. A prepared file is made at once or
 * (by the seed, one in four) not at all. */
void giro_disk_faulty_power_loss(struct giro_disk_faulty *faulty);
void giro_disk_faulty_crash(struct giro_disk_faulty *faulty);
/* stop_after makes every submit after the next `writes` ones fail silently (never complete): the way a
 * test reaches each write boundary. UINT64_MAX = off; power_loss and crash do not reset it. submitted
 * counts writes so far. */
void giro_disk_faulty_stop_after(struct giro_disk_faulty *faulty, uint64_t writes);
uint64_t giro_disk_faulty_submitted(const struct giro_disk_faulty *faulty);
/* image returns a copy of all files as they are now, in one piece of memory that the caller frees; restore makes the disk
 * that image again (an operator's snapshot). No handle may be open and no write under way then. */
void *giro_disk_faulty_image(const struct giro_disk_faulty *faulty);
void giro_disk_faulty_restore(struct giro_disk_faulty *faulty, const void *image);
/* flip inverts one bit of a file (bit rot). NOENT if there is no such file or offset. */
enum giro_err giro_disk_faulty_flip(struct giro_disk_faulty *faulty, const char *name,
                                    uint64_t offset, uint32_t bit);

/* ---- Log lines ------------------------------------------------------------------------------------ */

/* One line per event: `2026-11-24T01:47:00.123Z INFO  consensus round=17 height=9 leader changed`.
 * Levels error, warn, info, debug; rate-limited per call site (at most 10 a second, then one line that
 * says how many were left out). Written to stderr in one write(2). */
enum giro_log_level { GIRO_LOG_ERROR, GIRO_LOG_WARN, GIRO_LOG_INFO, GIRO_LOG_DEBUG };
struct giro_log_site {
    uint64_t window_s;
    uint32_t count;
    uint32_t dropped;
};
void giro_log_set_level(enum giro_log_level level);
void giro_log_set_name(const char *name); /* prefix, e.g. "replica-2"; borrowed */
void giro_log_line(struct giro_log_site *site, enum giro_log_level level, const char *module,
                   const char *format, ...) __attribute__((format(printf, 4, 5)));
#define GIRO_LOG(level, module, ...)                                                               \
    do {                                                                                           \
        static struct giro_log_site giro_log_site_;                                                \
        giro_log_line(&giro_log_site_, GIRO_LOG_##level, module, __VA_ARGS__);                     \
    } while (0)

/* ---- CPUs: which ones the threads of this process run on, by what they do ----------------------------- */

struct giro_diagnosis;
enum giro_cpus {
    GIRO_CPUS_HUB,     /* the event loop with the port and all stages */
    GIRO_CPUS_VERIFY,  /* checking signatures, where that has threads */
    GIRO_CPUS_PUBLISH, /* cutting files */
    GIRO_CPUS_STORE,   /* writing journals, syncing, making files ahead of time */
    GIRO_CPUS_COUNT
};
/* giro_cpus_set reads a list such as "2", "0-3" or "0-1,4"; "" leaves the role free. Before there are threads. CONFIG: it is no
 * list, or the process may not use all of them. */
enum giro_err giro_cpus_set(enum giro_cpus role, const char *list,
                            struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
/* giro_cpus_here places the calling thread; nothing if its role was left free. */
void giro_cpus_here(enum giro_cpus role);
/* giro_cpus_anywhere undoes it: the thread runs where the process was started to run. Before exec. */
void giro_cpus_anywhere(void);

/* ---- Messages to people, files ---------------------------------------------------------------------- */

/* A diagnosis: fact first, then detail and hint. Filled by parsers, printed by programs. */
struct giro_diagnosis {
    char fact[256];
    char detail[256];
    char hint[256];
};
/* giro_diagnosis_print writes "program: fact\n  detail\n  hint: ...\n" to stderr. */
void giro_diagnosis_print(const char *program, const struct giro_diagnosis *diagnosis);
void giro_diagnosis_set(struct giro_diagnosis *diagnosis, const char *detail, const char *hint,
                        const char *fact_format, ...) __attribute__((format(printf, 4, 5)));

/* giro_file_read reads a whole file of at most max_bytes into malloc'ed *bytes (NUL added beyond the
 * end, not counted). The caller frees. A larger file gives GIRO_ERR_FORMAT. */
enum giro_err giro_file_read(const char *path, size_t max_bytes, char **bytes,
                             size_t *size_bytes) GIRO_MUST_USE;
/* giro_file_write writes path.tmp, fsyncs, renames, fsyncs the directory. mode as for open(2). */
enum giro_err giro_file_write(const char *path, uint32_t mode, const void *bytes,
                              size_t size_bytes) GIRO_MUST_USE;
/* giro_file_write_at and _read_at move exactly size_bytes at an offset, however often the system has to be asked. Reading: NOENT if
 * the file ends before. */
enum giro_err giro_file_write_at(int fd, const void *bytes, size_t size_bytes,
                                 uint64_t offset) GIRO_MUST_USE;
enum giro_err giro_file_read_at(int fd, void *bytes, size_t size_bytes,
                                uint64_t offset) GIRO_MUST_USE;
/* giro_dir_make makes path and its parents, mode 0755. EXISTS is not an error. */
enum giro_err giro_dir_make(const char *path) GIRO_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
