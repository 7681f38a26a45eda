#include "perf/local_hub.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ftw.h>
#include <jansson.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "apps/giro/https.h"
#include "perf/bench.h"

#define MEMBERS      "24"
#define START_TRIES  300u
#define START_NAP_NS 50000000
#define ARGUMENTS    40u

static void nap(long ns)
{
    struct timespec pause = {.tv_nsec = ns};
    nanosleep(&pause, NULL);
}

/* ---- A network of our own ------------------------------------------------------------------------------- */

static bool write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t length = (ssize_t)strlen(text);
    bool written = fd >= 0 && write(fd, text, strlen(text)) == length;
    if (fd >= 0)
        close(fd);
    return written;
}

static bool loopback_up(void)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool up = fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
    if (fd >= 0)
        close(fd);
    return up;
}

static bool port_is_free(uint32_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    bool is_free = true;
    static const int kinds[2] = {SOCK_STREAM, SOCK_DGRAM};
    for (uint32_t i = 0; i < 2; i++) {
        int fd = socket(AF_INET, kinds[i] | SOCK_CLOEXEC, 0);
        is_free = is_free && fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
        if (fd >= 0)
            close(fd);
    }
    return is_free;
}

static uint32_t free_ports(void)
{
    uint32_t base = 20000 + (uint32_t)getpid() % 100 * 300;
    for (uint32_t step = 0; step < 100; step++, base = 20000 + (base - 20000 + 300) % 30000) {
        bool all = true;
        for (uint32_t i = 0; i < HUB_REPLICAS && all; i++)
            all = port_is_free(base + i) && port_is_free(base + 100 + i) &&
                  port_is_free(base + 200 + i);
        if (all)
            return base;
    }
    giro_bench_must(false, "no free ports");
    return 0;
}

uint32_t local_hub_isolate(void)
{
    char map[64];
    uid_t uid = getuid();
    gid_t gid = getgid();
    if (uid == 0 && unshare(CLONE_NEWNET) == 0 && loopback_up())
        return 7400;
    if (uid != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0) {
        write_text("/proc/self/setgroups", "deny");
        snprintf(map, sizeof(map), "0 %u 1", uid);
        bool mapped = write_text("/proc/self/uid_map", map);
        snprintf(map, sizeof(map), "0 %u 1", gid);
        if (mapped && write_text("/proc/self/gid_map", map) && loopback_up())
            return 7400;
        giro_bench_must(false, "the network namespace cannot be set up");
    }
    return free_ports();
}

/* ---- Processes ---------------------------------------------------------------------------------------------- */

const char *local_hub_path(const struct local_hub *hub, const char *name)
{
    static char paths[4][3400];
    static uint32_t next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", hub->folder, name);
    return path;
}

static int spawn(const char *program, char *const *arguments, const char *log)
{
    pid_t parent = getpid(), pid = fork();
    giro_bench_must(pid >= 0, "no process can be started");
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (getppid() == parent && fd >= 0) {
        dup2(fd, STDOUT_FILENO);
        dup2(fd, STDERR_FILENO);
        execv(program, arguments);
    }
    _exit(127);
}

static void show_end(const char *path)
{
    char text[800];
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return;
    if (fseek(file, -(long)sizeof(text), SEEK_END) != 0)
        rewind(file);
    size_t length = fread(text, 1, sizeof(text), file);
    fclose(file);
    fprintf(stderr, "%.*s\n", (int)length, text);
}

void local_hub_run(struct local_hub *hub, uint64_t *cpu_us, const char *const *arguments)
{
    char program[3200];
    char *copy[ARGUMENTS];
    uint32_t count = 0;
    struct rusage usage;
    int status = -1;
    snprintf(program, sizeof(program), "%s/giro", hub->bin);
    copy[count++] = program;
    for (; *arguments != NULL && count < ARGUMENTS - 1; arguments++)
        copy[count++] = strdup(*arguments);
    copy[count] = NULL;
    const char *log = local_hub_path(hub, "giro.log");
    int pid = spawn(program, copy, log);
    while (wait4(pid, &status, 0, &usage) < 0)
        continue;
    for (uint32_t i = 1; i < count; i++)
        free(copy[i]);
    if (status != 0)
        show_end(log);
    if (status != 0 || cpu_us == NULL) {
        giro_bench_must(status == 0, "giro failed");
        return;
    }
    *cpu_us = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000u +
              (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

/* ---- What a replica says ---------------------------------------------------------------------------------------- */

static uint64_t process_cpu_us(int pid)
{
    char path[64], text[1024] = "";
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    size_t length = file == NULL ? 0 : fread(text, 1, sizeof(text) - 1, file);
    if (file != NULL)
        fclose(file);
    text[length] = '\0';
    const char *at = strrchr(text, ')'); /* the name may hold anything */
    for (uint32_t i = 0; at != NULL && i < 12; i++)
        at = strchr(at + 1, ' ');
    giro_bench_must(at != NULL, "a replica has died");
    char *end;
    unsigned long user = strtoul(at, &end, 10), system = strtoul(end, &end, 10);
    return (uint64_t)(user + system) * 1000000u / (uint64_t)sysconf(_SC_CLK_TCK);
}

static uint64_t integer(const json_t *json, const char *name)
{
    const json_t *value = json_object_get(json, name);
    return json_is_integer(value) ? (uint64_t)json_integer_value(value) : 0;
}

static bool view_read(struct local_hub *hub, uint32_t replica, struct replica_view *view)
{
    struct giro_config_address address = {.port = (uint16_t)(hub->base_port + 200 + replica)};
    struct giro_diagnosis diagnosis = {.fact = ""};
    struct giro_https *https = NULL;
    uint8_t *bytes = NULL;
    size_t size = 0;
    snprintf(address.host, sizeof(address.host), "127.0.0.1");
    memset(view, 0, sizeof(*view));
    if (giro_https_open(&hub->genesis, &address, hub->session, &https, &diagnosis) != GIRO_ERR_OK)
        return false;
    enum giro_err err = giro_https_get(https, "/v1/status", &bytes, &size, &diagnosis);
    giro_https_close(https);
    json_t *json = err == GIRO_ERR_OK ? json_loadb((char *)bytes, size, 0, NULL) : NULL;
    if (err == GIRO_ERR_OK)
        free(bytes);
    if (json == NULL)
        return false;
    const json_t *stages = json_object_get(json, "stages_ns");
    const json_t *legs = json_object_get(json, "legs_ns");
    view->payments = integer(json, "payments_total");
    view->links_up = integer(json, "links_up");
    view->log_bytes = integer(json, "log_bytes_total");
    view->legs.frames = integer(legs, "frames");
#define STAGE_READ(name, what) view->stages_ns[GIRO_STAGE_##name] = integer(stages, #name);
    GIRO_STAGES(STAGE_READ)
#undef STAGE_READ
#define LEG_READ(name, what) view->legs.name##_ns = integer(legs, #name);
    GIRO_LEGS(LEG_READ)
#undef LEG_READ
    json_decref(json);
    view->cpu_us = process_cpu_us(hub->replicas[replica]);
    return true;
}

void local_hub_view(struct local_hub *hub, uint32_t replica, struct replica_view *view)
{
    giro_bench_must(view_read(hub, replica, view), "a replica does not answer");
}

/* ---- Starting, stopping --------------------------------------------------------------------------------------------- */

static void make_folder(struct local_hub *hub)
{
    ssize_t length = readlink("/proc/self/exe", hub->bin, sizeof(hub->bin) - 1);
    giro_bench_must(length > 0, "/proc is not mounted");
    hub->bin[length] = '\0';
    snprintf(hub->folder, sizeof(hub->folder), "%s-XXXXXX", hub->bin);
    *strrchr(hub->bin, '/') = '\0';
    giro_bench_must(mkdtemp(hub->folder) != NULL, "no folder can be made beside the program");
}

static void make_hub(struct local_hub *hub)
{
    char port[16];
    struct giro_diagnosis diagnosis = {.fact = ""};
    char keys[3400], genesis[3400];
    snprintf(keys, sizeof(keys), "%s", local_hub_path(hub, "keys"));
    snprintf(genesis, sizeof(genesis), "%s", local_hub_path(hub, "genesis.json"));
    snprintf(port, sizeof(port), "%u", hub->base_port);
    local_hub_run(hub, NULL,
                  (const char *[]){"keygen", "--keys", keys, "--replicas", "4", "--members-count",
                                   MEMBERS, NULL});
    local_hub_run(hub, NULL,
                  (const char *[]){"genesis", "--keys", keys, "--out", genesis, "--name", "bench",
                                   "--replicas", "4", "--members-count", MEMBERS, "--prefunded",
                                   "100000000000", NULL});
    local_hub_run(hub, NULL,
                  (const char *[]){"hub", "--genesis", genesis, "--keys", keys, "--out",
                                   hub->folder, "--port", "udp", "--base-port", port, NULL});
    giro_bench_must(giro_genesis_load(genesis, &hub->genesis, &diagnosis) == GIRO_ERR_OK,
                    "the genesis file cannot be read");
    giro_bench_must(giro_key_file_load(keys, hub->genesis.members[0].bic, "session", &hub->session,
                                       &diagnosis) == GIRO_ERR_OK,
                    "a session key cannot be read");
}

/* The limits stand last in what `giro hub` writes. */
static void limit_add(const char *config, const char *name, uint32_t value)
{
    FILE *file = fopen(config, "a");
    giro_bench_must(file != NULL && fprintf(file, "  %s: %u\n", name, value) > 0 &&
                        fclose(file) == 0,
                    "a configuration cannot be written");
}

void local_hub_start(struct local_hub *hub, uint32_t base_port, uint32_t verify_threads)
{
    memset(hub, 0, sizeof(*hub));
    hub->base_port = base_port;
    make_folder(hub);
    make_hub(hub);
    char program[3200], name[32];
    snprintf(program, sizeof(program), "%s/girod", hub->bin);
    for (uint32_t i = 0; i < HUB_REPLICAS; i++) {
        size_t length = strlen(hub->addresses);
        snprintf(hub->addresses + length, sizeof(hub->addresses) - length, "%s127.0.0.1:%u",
                 i == 0 ? "" : ",", base_port + i);
        snprintf(name, sizeof(name), "replica-%u.yaml", i);
        char config[3400];
        snprintf(config, sizeof(config), "%s", local_hub_path(hub, name));
        limit_add(config, "verify_threads", verify_threads);
        snprintf(name, sizeof(name), "replica-%u.log", i);
        hub->replicas[i] =
            spawn(program, (char *[]){program, config, NULL}, local_hub_path(hub, name));
    }
    uint32_t ready = 0;
    for (uint32_t step = 0; step < START_TRIES && ready < HUB_REPLICAS; step++) {
        struct replica_view view;
        if (view_read(hub, ready, &view) && view.links_up == HUB_REPLICAS - 1)
            ready++;
        else
            nap(START_NAP_NS);
    }
    if (ready < HUB_REPLICAS)
        show_end(local_hub_path(hub, name));
    giro_bench_must(ready == HUB_REPLICAS, "the replicas do not start");
}

void local_hub_stop(struct local_hub *hub)
{
    for (uint32_t i = 0; i < HUB_REPLICAS; i++)
        kill(hub->replicas[i], SIGTERM);
    for (uint32_t i = 0; i < HUB_REPLICAS; i++)
        while (waitpid(hub->replicas[i], NULL, 0) < 0)
            continue;
    giro_key_free(hub->session);
    giro_genesis_free(&hub->genesis);
    nftw(hub->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
