/* bench_crypto: verification and signing by every variant this machine runs, against libsodium one by one. All run in turn, repeat by
 * repeat, over the same items; ratio is the median of libsodium's time over the variant's of the same repeat, so above 1 is
 * faster. Time is the thread's CPU time: a batch lasts microseconds, and on a shared machine the monotonic clock would
 * measure whom the scheduler put between. The cost is also split into the stages of a batch. --smoke takes few sizes and
 * repeats. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "common/crypto/internal.h"
#include "common/crypto/sign.h"
#include "perf/bench.h"

#define ITEMS   1024u
#define KEYS    512u
#define REPEATS 31u

struct load {
    struct giro_key_ring *ring;
    struct giro_key_handle handles[KEYS];
    struct giro_verify_item items[ITEMS];
    uint8_t verdicts[ITEMS];
    uint8_t *messages, *signatures;
    uint32_t n, rounds; /* rounds batches of n, walking through the items */
};

static struct giro_secret_key *secrets[KEYS];

static uint64_t cpu_now_ns(void)
{
    struct timespec now;
    const int read = clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    giro_bench_must(read == 0, "no clock of CPU time");
    return (uint64_t)now.tv_sec * GIRO_NS_PER_S + (uint64_t)now.tv_nsec;
}

static uint64_t verify(struct load *load, uint32_t rounds)
{
    uint64_t valid_count = 0;
    for (uint32_t r = 0; r < rounds; r++) {
        const uint32_t at = r * load->n % ITEMS;
        valid_count += giro_verify_batch(load->ring, load->items + at, load->n, load->verdicts);
    }
    giro_bench_must(valid_count == (uint64_t)rounds * load->n, "a signature does not verify");
    return valid_count;
}

/* Huge pages where the machine gives them: a lookup in 16 MiB of tables would else miss the translation cache, too. */
static void *ring_memory(size_t size_bytes)
{
    const size_t page_bytes = 2u << 20;
    uint8_t *mem = giro_bench_pages(size_bytes + page_bytes);
    mem += (page_bytes - (uintptr_t)mem % page_bytes) % page_bytes;
    (void)madvise(mem, size_bytes,
                  MADV_HUGEPAGE); /* advice: without it the figures are lower, not wrong */
    return mem;
}

/* keys tables of the given width; 1,024 items over them. */
static void load_open(struct load *load, uint32_t keys, uint32_t width, uint32_t message_bytes)
{
    const size_t size_bytes = giro_key_ring_footprint_for(keys, width);
    load->ring = giro_key_ring_init(ring_memory(size_bytes), size_bytes, keys);
    giro_bench_must(load->ring != NULL, "no ring");
    for (uint32_t i = 0; i < keys; i++) {
        const struct giro_public_key key = giro_key_public(secrets[i]);
        const enum giro_key_fault fault =
            giro_key_ring_enrol(load->ring, &key, NULL, 0, NULL, &load->handles[i]);
        giro_bench_must(fault == GIRO_KEY_OK, giro_key_fault_text(fault));
    }
    load->messages = giro_bench_pages((size_t)ITEMS * message_bytes);
    load->signatures = giro_bench_pages((size_t)ITEMS * GIRO_SIGNATURE_BYTES);
    struct giro_prng prng;
    giro_prng_init(&prng, 20261124);
    giro_prng_fill(&prng, load->messages, (size_t)ITEMS * message_bytes);
    for (uint32_t i = 0; i < ITEMS; i++) {
        const uint32_t signer = (uint32_t)giro_prng_below(&prng, keys);
        uint8_t *message = load->messages + (size_t)i * message_bytes;
        const struct giro_signature signature = giro_sign(secrets[signer], message, message_bytes);
        memcpy(load->signatures + (size_t)i * GIRO_SIGNATURE_BYTES, signature.bytes,
               GIRO_SIGNATURE_BYTES);
        load->items[i] =
            (struct giro_verify_item){load->handles[signer], message, message_bytes,
                                      load->signatures + (size_t)i * GIRO_SIGNATURE_BYTES};
    }
}

struct shape {
    uint32_t n, message_bytes, keys, width;
};

static void parameters_put(char text[160], enum giro_crypto_variant variant,
                           const struct shape *shape)
{
    snprintf(text, 160,
             "\"variant\": \"%s\", \"n\": %u, \"message_bytes\": %u, \"keys\": %u, \"width\": %u",
             giro_crypto_variant_name(variant), shape->n, shape->message_bytes, shape->keys,
             shape->width);
}

/* What a call took, against libsodium in the same turns. */
static void row_put(struct giro_bench *bench, const char *metric, const char *parameters,
                    double *ns, double *ratios, uint32_t repeats)
{
    const struct giro_bench_row row = {.metric = metric,
                                       .unit = "ns",
                                       .parameters = parameters,
                                       .median = giro_bench_quantile(ns, repeats, 500),
                                       .p99 = giro_bench_quantile(ns, repeats, 990),
                                       .against = "libsodium, one by one",
                                       .ratio = giro_bench_quantile(ratios, repeats, 500)};
    giro_bench_row(bench, &row);
}

/* The variants that run here and that --only leaves in; bit v of the result. libsodium is not among them. */
static uint32_t variants_wanted(const struct giro_bench *bench, const struct shape *shape)
{
    uint32_t wanted = 0;
    for (int v = GIRO_VARIANT_PORTABLE; v < GIRO_VARIANT_COUNT; v++) {
        char parameters[160];
        parameters_put(parameters, (enum giro_crypto_variant)v, shape);
        if (giro_crypto_variant_there((enum giro_crypto_variant)v) &&
            giro_bench_wanted(bench, parameters))
            wanted |= 1u << v;
    }
    return wanted;
}

/* ns a signature: a variant over about 512 items, libsodium over at most 64 of them, for its time. */
static double turn(struct load *load, enum giro_crypto_variant variant, uint32_t n, bool smoke)
{
    giro_bench_must(giro_crypto_variant_set(variant), "the variant does not run");
    const uint32_t items = variant == GIRO_VARIANT_LIBSODIUM || smoke ? 64 : 512;
    load->n = variant == GIRO_VARIANT_LIBSODIUM && n > 64 ? 64 : n;
    const uint64_t begin_ns = cpu_now_ns();
    const uint64_t done = verify(load, load->n >= items ? 1 : items / load->n);
    return (double)(cpu_now_ns() - begin_ns) / (double)done;
}

static void measure(struct giro_bench *bench, struct load *load, const struct shape *shape)
{
    static double ns[GIRO_VARIANT_COUNT][REPEATS], ratios[GIRO_VARIANT_COUNT][REPEATS];
    const uint32_t wanted = variants_wanted(bench, shape), repeats = bench->smoke ? 3 : REPEATS;
    if (wanted == 0)
        return;
    for (uint32_t i = 0; i <= repeats; i++) {
        for (int v = 0; v < GIRO_VARIANT_COUNT; v++) {
            if (v != GIRO_VARIANT_LIBSODIUM && (wanted & 1u << v) == 0)
                continue;
            const double took = turn(load, (enum giro_crypto_variant)v, shape->n, bench->smoke);
            if (i == 0)
                continue; /* warm-up */
            ns[v][i - 1] = took;
            ratios[v][i - 1] = ns[GIRO_VARIANT_LIBSODIUM][i - 1] / took;
        }
    }
    for (int v = 0; v < GIRO_VARIANT_COUNT; v++) {
        if ((wanted & 1u << v) == 0)
            continue;
        char parameters[160];
        parameters_put(parameters, (enum giro_crypto_variant)v, shape);
        row_put(bench, "verify a signature", parameters, ns[v], ratios[v], repeats);
    }
}

/* ---- The stages ---- */

static const char *const stages[] = {"hash", "scalars", "table additions", "inversion, encoding"};
#define STAGES 4u

static void stage_run(const struct giro_variant_ops *ops, uint32_t stage,
                      struct giro_hash_job *hashes, struct giro_comb_job *combs,
                      const struct shape *shape)
{
    for (uint32_t at = 0; at < ITEMS; at += shape->n) {
        switch (stage) {
        case 0:
            ops->hash(hashes + at, shape->n);
            break;
        case 1:
            ops->scalars(combs + at, hashes + at, shape->n, shape->width);
            break;
        case 2:
            ops->sum(combs + at, shape->n, shape->width);
            break;
        default:
            ops->encode(combs + at, shape->n);
        }
    }
}

/* Each stage alone over all items, in batches of n. */
static void measure_stages(struct giro_bench *bench, struct load *load, const struct shape *shape)
{
    static double ns[STAGES][REPEATS];
    static struct giro_hash_job hashes[ITEMS];
    static struct giro_comb_job combs[ITEMS];
    const uint32_t wanted = variants_wanted(bench, shape), repeats = bench->smoke ? 3 : REPEATS;
    for (uint32_t i = 0; i < ITEMS; i++) {
        const struct giro_key_slot *slot = giro_key_ring_slot(load->ring, load->items[i].key);
        hashes[i] = (struct giro_hash_job){.r = load->items[i].signature,
                                           .key = slot->key.bytes,
                                           .message = load->items[i].message,
                                           .message_bytes = load->items[i].message_bytes};
        combs[i].table = giro_key_slot_table(slot);
    }
    for (int v = 0; v < GIRO_VARIANT_COUNT; v++) {
        if ((wanted & 1u << v) == 0)
            continue;
        giro_bench_must(giro_crypto_variant_set((enum giro_crypto_variant)v), "a variant");
        char parameters[160];
        parameters_put(parameters, (enum giro_crypto_variant)v, shape);
        for (uint32_t i = 0; i <= repeats; i++) {
            for (uint32_t s = 0; s < STAGES; s++) {
                const uint64_t begin_ns = cpu_now_ns();
                stage_run(giro_variant_ops(), s, hashes, combs, shape);
                if (i > 0) /* the first is the warm-up */
                    ns[s][i - 1] = (double)(cpu_now_ns() - begin_ns) / ITEMS;
            }
        }
        for (uint32_t i = 0; i < ITEMS; i++)
            giro_bench_must(memcmp(combs[i].encoded, hashes[i].r, 32) == 0, "a wrong sum");
        for (uint32_t s = 0; s < STAGES; s++) {
            const struct giro_bench_row row = {.metric = stages[s],
                                               .unit = "ns",
                                               .parameters = parameters,
                                               .median = giro_bench_quantile(ns[s], repeats, 500),
                                               .p99 = giro_bench_quantile(ns[s], repeats, 990)};
            giro_bench_row(bench, &row);
        }
    }
}

/* ---- Signing ---- */

#define SIGN_ROUNDS 64u

/* ns a signature. */
static double sign_turn(enum giro_crypto_variant variant, const uint8_t *message, uint32_t bytes)
{
    giro_bench_must(giro_crypto_variant_set(variant), "the variant does not run");
    uint32_t sum = 0;
    const uint64_t begin_ns = cpu_now_ns();
    for (uint32_t i = 0; i < SIGN_ROUNDS; i++)
        sum += giro_sign(secrets[i % 8], message + i, bytes).bytes[0];
    const uint64_t took_ns = cpu_now_ns() - begin_ns;
    giro_bench_must(sum > 0, "signatures of zeros");
    return (double)took_ns / SIGN_ROUNDS;
}

static bool sign_wanted(const struct giro_bench *bench, int variant, uint32_t message_bytes,
                        char parameters[160])
{
    snprintf(parameters, 160, "\"variant\": \"%s\", \"message_bytes\": %u",
             giro_crypto_variant_name((enum giro_crypto_variant)variant), message_bytes);
    return giro_crypto_variant_set((enum giro_crypto_variant)variant) &&
           giro_variant_sign() != NULL && giro_bench_wanted(bench, parameters);
}

static void measure_sign(struct giro_bench *bench, uint32_t message_bytes)
{
    static uint8_t message[2048];
    static double ns[GIRO_VARIANT_COUNT][REPEATS], ratios[GIRO_VARIANT_COUNT][REPEATS];
    const uint32_t repeats = bench->smoke ? 3 : REPEATS;
    char parameters[160];
    for (uint32_t i = 0; i <= repeats; i++) {
        const double base_ns = sign_turn(GIRO_VARIANT_LIBSODIUM, message, message_bytes);
        for (int v = GIRO_VARIANT_PORTABLE; v < GIRO_VARIANT_COUNT; v++) {
            if (!sign_wanted(bench, v, message_bytes, parameters))
                continue;
            const double took = sign_turn((enum giro_crypto_variant)v, message, message_bytes);
            if (i == 0)
                continue; /* warm-up */
            ns[v][i - 1] = took;
            ratios[v][i - 1] = base_ns / took;
        }
    }
    for (int v = GIRO_VARIANT_PORTABLE; v < GIRO_VARIANT_COUNT; v++) {
        if (!sign_wanted(bench, v, message_bytes, parameters))
            continue;
        row_put(bench, "sign a message", parameters, ns[v], ratios[v], repeats);
    }
}

/* A load's tables are built only where a row of it is wanted. */
static bool load_wanted(const struct giro_bench *bench, struct shape shape, const uint32_t *sizes,
                        size_t size_count)
{
    uint32_t wanted = 0;
    for (size_t s = 0; s < size_count; s++) {
        shape.n = sizes[s];
        wanted |= variants_wanted(bench, &shape);
    }
    return wanted != 0;
}

int main(int argc, char **argv)
{
    static const uint32_t sizes[] = {1, 2, 4, 8, 16, 64, 256, 1024};
    static const struct {
        uint32_t message_bytes, keys, width;
        bool every_size;
    } loads[] = {{128, 32, 8, true},   {1200, 32, 8, true},  {128, 8, 8, false},
                 {128, 128, 8, false}, {128, 512, 8, false}, {128, 128, 6, false},
                 {128, 512, 4, false}};
    struct giro_bench bench;
    giro_bench_open(&bench, "crypto", "Verifies signatures in batches, and signs, by each variant.",
                    argc, argv);
    giro_bench_must(giro_crypto_init() == GIRO_ERR_OK, "libsodium cannot be used");
    const uint32_t keys = bench.smoke ? 32 : KEYS;
    for (uint32_t i = 0; i < keys; i++) {
        uint8_t seed[32] = {(uint8_t)i, (uint8_t)(i >> 8), 1};
        secrets[i] = giro_key_from_seed(seed);
        giro_bench_must(secrets[i] != NULL, "no secret key");
    }
    const size_t size_count = sizeof(sizes) / sizeof(sizes[0]);
    for (size_t l = 0; l < sizeof(loads) / sizeof(loads[0]); l++) {
        struct shape shape = {.message_bytes = loads[l].message_bytes,
                              .keys = loads[l].keys,
                              .width = loads[l].width};
        if ((bench.smoke && loads[l].keys > keys) || !load_wanted(&bench, shape, sizes, size_count))
            continue;
        static struct load load;
        load_open(&load, loads[l].keys, loads[l].width, loads[l].message_bytes);
        for (size_t s = 0; s < size_count; s++) {
            shape.n = sizes[s];
            if ((!loads[l].every_size && shape.n != 64 && shape.n != 1024) ||
                (bench.smoke && shape.n != 8 && shape.n != 64))
                continue;
            measure(&bench, &load, &shape);
            if (shape.n == 64 && loads[l].every_size)
                measure_stages(&bench, &load, &shape);
        }
    }
    measure_sign(&bench, 128);
    measure_sign(&bench, 1200);
    for (uint32_t i = 0; i < keys; i++)
        giro_key_free(secrets[i]);
    return giro_bench_close(&bench);
}
