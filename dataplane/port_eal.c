/* EAL takes an argument vector, pins threads and makes a runtime directory: all of that is
 * contained here. */
#include "port_eal.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_config.h>
#include <rte_eal.h>
#include <rte_errno.h>

#define ARGS_MAX           20u
#define ARG_BYTES          512u
#define RING_FRAMES_MIN    64u
#define LOCKED_SPARE_BYTES (1024u * 1024u)      /* for keys, which live in locked memory too */
#define RING_BYTES         (8u * 1024u * 1024u) /* each way, as the UDP port's socket buffers */
#define RING_FRAME         2048u
#define RING_JUMBO         16384u /* a power of two: slots do not cross blocks */
#define RING_JUMBO_BYTES   (16u * 1024u * 1024u)
#define RING_BLOCK         65536u
#define MEMORY_MB_MIN      32u

static_assert(RING_FRAMES_MIN * RING_FRAME % RING_BLOCK == 0, "whole blocks");
static_assert(RING_JUMBO > GIRO_PORT_MTU_MAX + 128u, "a packet and the kernel's words before it");

struct args {
    char text[ARGS_MAX][ARG_BYTES];
    char *argv[ARGS_MAX + 1];
    int argc;
    bool failed;
};

__attribute__((format(printf, 2, 3))) static void arg(struct args *args, const char *format, ...)
{
    if ((uint32_t)args->argc == ARGS_MAX) {
        args->failed = true;
        return;
    }
    char *text = args->text[args->argc];
    va_list values;
    va_start(values, format);
    int length = vsnprintf(text, ARG_BYTES, format, values);
    va_end(values);
    args->failed = args->failed || length < 0 || (uint32_t)length >= ARG_BYTES;
    args->argv[args->argc++] = text;
    args->argv[args->argc] = NULL;
}

/* One floating lcore: several replicas share a machine's cores, and none may pin itself to core
 * 0. */
static void arg_lcores(struct args *args)
{
    long last = sysconf(_SC_NPROCESSORS_CONF) - 1;
    if (last >= RTE_MAX_LCORE)
        last = RTE_MAX_LCORE - 1;
    arg(args, "--lcores");
    if (last > 0)
        arg(args, "0@(0-%ld)", last);
    else
        arg(args, "0@0");
}

/* af_packet maps both rings locked, which a plain user may only do up to RLIMIT_MEMLOCK (in a
 * user namespace that holds for its root, too). Nothing tells beforehand whether the limit
 * applies, so it is tried. */
static bool lockable(size_t size_bytes)
{
    void *probe = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0);
    if (probe == MAP_FAILED)
        return false;
    (void)munmap(probe, size_bytes);
    return true;
}

uint32_t eal_ring_frame(uint32_t mtu)
{
    return mtu > 1500 ? RING_JUMBO : RING_FRAME;
}

static uint32_t ring_frames(const struct giro_port_options *options)
{
    uint32_t frame = eal_ring_frame(options->mtu);
    uint32_t wanted = (frame == RING_JUMBO ? RING_JUMBO_BYTES : RING_BYTES) / frame;
    uint32_t frames = wanted;
    while (frames > RING_FRAMES_MIN &&
           !lockable((size_t)2 * options->queues * frames * frame + LOCKED_SPARE_BYTES))
        frames /= 2;
    if (frames < wanted)
        GIRO_LOG(WARN, "port",
                 "the locked-memory limit allows rings of %u packets, not %u; raise ulimit -l",
                 frames, wanted);
    return frames;
}

static void arg_device(struct args *args, const struct giro_port_options *options, char *name,
                       size_t name_bytes)
{
    const char *device = options->device == NULL ? "" : options->device;
    if (strcmp(options->driver, "pci") == 0) {
        snprintf(name, name_bytes, "%s", device);
        arg(args, "-a");
        arg(args, "%s", device);
        return;
    }
    arg(args, "--no-pci");
    arg(args, "--vdev");
    if (strcmp(options->driver, "af_packet") == 0) {
        snprintf(name, name_bytes, "net_af_packet0");
        arg(args, "%s,iface=%s,qpairs=%u,blocksz=%u,framesz=%u,framecnt=%u,qdisc_bypass=1", name,
            device, options->queues, RING_BLOCK, eal_ring_frame(options->mtu),
            ring_frames(options));
        return;
    }
    snprintf(name, name_bytes, "%s0", options->driver);
    arg(args, "%s%s%s", name, device[0] == '\0' ? "" : ",", device);
}

static void args_make(struct args *args, const struct giro_port_options *options, char *name,
                      size_t name_bytes)
{
    uint32_t memory_mb = options->memory_mb < MEMORY_MB_MIN ? MEMORY_MB_MIN : options->memory_mb;
    const char *program = options->program == NULL ? "giro" : options->program;
    arg(args, "%s", program);
    arg(args, "--no-huge");
    arg(args, "--no-shconf");
    if (options->telemetry == NULL)
        arg(args, "--no-telemetry");
    arg(args, "-m");
    arg(args, "%u", memory_mb);
    arg(args, "--file-prefix");
    arg(args, "%s", program);
    arg(args, "--log-level");
    arg(args, "error");
    arg_lcores(args);
    arg_device(args, options, name, name_bytes);
}

/* EAL insists on making <runtime directory>/dpdk/<prefix>, in /var/run or $XDG_RUNTIME_DIR, which a plain user in a namespace
 * cannot write. Only the telemetry socket is ever put there: it goes into the directory asked for, or, without one, into a
 * directory that goes away at once. */
static struct {
    char directory[ARG_BYTES], program[ARG_BYTES];
} runtime;

static void runtime_remove(bool all)
{
    char path[2 * ARG_BYTES + 64];
    snprintf(path, sizeof(path), "%s/dpdk/%s/dpdk_telemetry.v2", runtime.directory,
             runtime.program);
    (void)unlink(path);
    snprintf(path, sizeof(path), "%s/dpdk/%s", runtime.directory, runtime.program);
    (void)rmdir(path);
    snprintf(path, sizeof(path), "%s/dpdk", runtime.directory);
    (void)rmdir(path);
    if (all)
        (void)rmdir(runtime.directory);
}

/* Makes the directory, for us alone; false: it is not there and cannot be made, or others may write to it. */
static bool runtime_make(const char *telemetry)
{
    struct stat info;
    if (telemetry == NULL) {
        snprintf(runtime.directory, sizeof(runtime.directory), "/tmp/giro-eal-XXXXXX");
        return mkdtemp(runtime.directory) != NULL;
    }
    snprintf(runtime.directory, sizeof(runtime.directory), "%s", telemetry);
    if (mkdir(telemetry, S_IRWXU) != 0 && errno != EEXIST)
        return false;
    errno = EACCES;
    return stat(telemetry, &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == geteuid() &&
           (info.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static int init_in_runtime(struct args *args)
{
    const char *set = getenv("RUNTIME_DIRECTORY");
    char *kept = set == NULL ? NULL : strdup(set);
    cpu_set_t cpus;
    bool have_cpus = pthread_getaffinity_np(pthread_self(), sizeof(cpus), &cpus) == 0;
    (void)setenv("RUNTIME_DIRECTORY", runtime.directory, 1);
    int result = rte_eal_init(args->argc, args->argv); /* may reorder argv */
    if (have_cpus)
        (void)pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
    if (kept != NULL)
        (void)setenv("RUNTIME_DIRECTORY", kept, 1);
    else
        (void)unsetenv("RUNTIME_DIRECTORY");
    free(kept);
    return result;
}

enum giro_err eal_start(const struct giro_port_options *options, char *name, size_t name_bytes,
                        struct giro_diagnosis *diagnosis)
{
    struct args args = {.argc = 0};
    args_make(&args, options, name, name_bytes);
    if (args.failed) {
        giro_diagnosis_set(diagnosis, "an argument is longer than 511 characters",
                           "shorten the device", "the port's device cannot be handed to DPDK");
        return GIRO_ERR_CONFIG;
    }
    memcpy(runtime.program, args.text[0], sizeof(runtime.program));
    if (!runtime_make(options->telemetry)) {
        giro_diagnosis_set(diagnosis, strerror(errno),
                           "it is to be a directory of the user's own that nobody else can write",
                           "DPDK's directory \"%s\" cannot be used", runtime.directory);
        return GIRO_ERR_PORT;
    }
    int result = init_in_runtime(&args);
    if (result < 0 || options->telemetry == NULL)
        runtime_remove(options->telemetry == NULL);
    if (result >= 0)
        return GIRO_ERR_OK;
    giro_diagnosis_set(
        diagnosis, rte_strerror(rte_errno),
        "check the device's name and the rights NET_RAW and NET_ADMIN, or use driver udp",
        "DPDK cannot start driver \"%s\" on \"%s\"", options->driver,
        options->device == NULL ? "" : options->device);
    return GIRO_ERR_PORT;
}

void eal_stop(void)
{
    (void)rte_eal_cleanup();
    runtime_remove(false);
}
