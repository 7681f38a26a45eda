/* bench_keys: how long a process takes to open the keys of a hub: tables in private memory, built and shared, or mapped from the
 * files another process made. In wall time, since threads build, and in CPU time of all threads, which a shared machine leaves
 * alone. ratio is the median of private memory over the case's, so above 1 is faster. */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "giro/keys.h"
#include "perf/bench.h"

#define REPLICAS    4u
#define REPEATS     9u
#define FOLDER_TEXT "/tmp/giro-bench-keys-XXXXXX"

static struct giro_genesis genesis;

static void key_make(struct giro_genesis_key *key, const char *owner, const char *role)
{
    struct giro_secret_key *secret = giro_key_generate();
    giro_bench_must(secret != NULL, "no secret key");
    uint8_t message[GIRO_POSSESSION_MESSAGE_BYTES];
    key->key_id = 1;
    key->key = giro_key_public(secret);
    const size_t size_bytes =
        giro_possession_message(genesis.nonce, role, owner, key->key_id, &key->key, message);
    key->possession = giro_sign(secret, message, size_bytes);
    giro_key_free(secret);
}

/* Four replicas, and members with a frame key each: `signing` keys with a table. */
static void genesis_make(uint32_t signing)
{
    memset(&genesis, 0, sizeof(genesis));
    genesis.replica_count = REPLICAS;
    for (uint32_t i = 0; i < REPLICAS; i++) {
        struct giro_genesis_replica *replica = &genesis.replicas[i];
        snprintf(replica->name, sizeof(replica->name), "replica-%u", i);
        key_make(&replica->vote, replica->name, "vote");
        key_make(&replica->batch, replica->name, "batch");
        key_make(&replica->transport, replica->name, "transport");
        key_make(&replica->file, replica->name, "file");
    }
    genesis.member_count = signing - 2 * REPLICAS;
    genesis.members = calloc(genesis.member_count, sizeof(*genesis.members));
    giro_bench_must(genesis.members != NULL, "no memory");
    for (uint32_t i = 0; i < genesis.member_count; i++) {
        struct giro_genesis_member *member = &genesis.members[i];
        snprintf(member->bic, sizeof(member->bic), "B%03uCZPP", i % 1000);
        member->frame_key_count = 1;
        key_make(&member->frame_keys[0], member->bic, "frame");
        key_make(&member->session, member->bic, "session");
    }
}

static void folder_empty(const char *path)
{
    DIR *list = opendir(path);
    giro_bench_must(list != NULL, "the folder of tables is gone");
    for (const struct dirent *entry = readdir(list); entry != NULL; entry = readdir(list))
        (void)unlinkat(dirfd(list), entry->d_name, 0); /* not "." and ".." */
    closedir(list);
}

static uint64_t cpu_now_ns(void)
{
    struct timespec now;
    const int read = clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    giro_bench_must(read == 0, "no clock of CPU time");
    return (uint64_t)now.tv_sec * GIRO_NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Milliseconds of one open. */
struct taken {
    double wall, cpu;
};
static struct taken open_ms(const char *path, uint32_t signing, bool built)
{
    const struct giro_keys_options options = {
        .genesis = &genesis, .tables_path = path, .tables_bytes = GIRO_KEY_TABLES_BYTES};
    struct giro_keys *keys = NULL;
    struct giro_diagnosis diagnosis = {.fact = ""};
    const uint64_t begin_ns = giro_bench_now_ns(), cpu_begin_ns = cpu_now_ns();
    const enum giro_err err = giro_keys_open(&options, &keys, &diagnosis);
    const struct taken taken = {.wall = (double)(giro_bench_now_ns() - begin_ns) / 1e6,
                                .cpu = (double)(cpu_now_ns() - cpu_begin_ns) / 1e6};
    giro_bench_must(err == GIRO_ERR_OK, diagnosis.fact);
    const struct giro_keys_report report = giro_keys_report(keys);
    giro_bench_must(report.table_count == signing && report.built == (built ? signing : 0) &&
                        report.mapped == (path != NULL ? signing : 0),
                    "other tables than expected");
    giro_keys_close(keys);
    return taken;
}

static void rows(struct giro_bench *bench, const char *metric, double ms[3][REPEATS],
                 uint32_t repeats, uint32_t signing)
{
    static const char *const names[] = {"private", "built and shared", "mapped"};
    double private_ms = 0;
    for (uint32_t c = 0; c < 3; c++) {
        char parameters[96];
        snprintf(parameters, sizeof(parameters), "\"signing_keys\": %u, \"tables\": \"%s\"",
                 signing, names[c]);
        struct giro_bench_row row = {.metric = metric,
                                     .unit = "ms",
                                     .parameters = parameters,
                                     .median = giro_bench_quantile(ms[c], repeats, 500),
                                     .p99 = giro_bench_quantile(ms[c], repeats, 990)};
        if (c == 0)
            private_ms = row.median;
        row.against = c == 0 ? NULL : "private memory";
        row.ratio = c == 0 ? 0 : private_ms / row.median;
        giro_bench_row(bench, &row);
    }
}

static void measure(struct giro_bench *bench, const char *path, uint32_t signing)
{
    double wall[3][REPEATS], cpu[3][REPEATS];
    const uint32_t repeats = bench->smoke ? 2 : REPEATS;
    for (uint32_t i = 0; i < repeats; i++) {
        folder_empty(path);
        struct taken taken[3];
        taken[0] = open_ms(NULL, signing, true);
        taken[1] = open_ms(path, signing, true);
        taken[2] = open_ms(path, signing, false);
        for (uint32_t c = 0; c < 3; c++) {
            wall[c][i] = taken[c].wall;
            cpu[c][i] = taken[c].cpu;
        }
    }
    rows(bench, "open the keys of a hub", wall, repeats, signing);
    rows(bench, "open the keys of a hub, CPU", cpu, repeats, signing);
}

int main(int argc, char **argv)
{
    static const uint32_t sizes[] = {32, 128, 512};
    struct giro_bench bench;
    giro_bench_open(&bench, "keys", "Opens the keys of a hub, with private and with shared tables.",
                    argc, argv);
    giro_bench_must(giro_crypto_init() == GIRO_ERR_OK, "libsodium cannot be used");
    char path[] = FOLDER_TEXT;
    giro_bench_must(mkdtemp(path) != NULL, "no folder for tables");
    for (size_t i = 0; i < (bench.smoke ? 1 : sizeof(sizes) / sizeof(sizes[0])); i++) {
        genesis_make(sizes[i]);
        measure(&bench, path, sizes[i]);
        giro_genesis_free(&genesis);
    }
    folder_empty(path);
    giro_bench_must(rmdir(path) == 0, "the folder of tables stays behind");
    return giro_bench_close(&bench);
}
