/* bench_crypto: verification by every variant this machine runs, against libsodium one by one. The two run in turn; ratio is
 * libsodium's median over the variant's, so above 1 is faster. Time is the thread's CPU time: a batch lasts microseconds, and
 * on a shared machine the monotonic clock would measure whom the scheduler put between. --smoke takes few sizes and repeats. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "giro/crypto.h"
#include "perf/bench.h"

#define ITEMS 1024u
#define KEYS  512u

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

/* One row: variant and libsodium in turn over the same items; libsodium over at most 64 of them a repeat, for its time. */
static void measure(struct giro_bench *bench, struct load *load, enum giro_crypto_variant variant,
                    uint32_t n, const char *parameters)
{
    double ours_ns[64], base_ns[64];
    const uint32_t repeats = bench->smoke ? 3 : 15;
    load->n = n;
    const uint32_t rounds = n >= 512 ? 1 : bench->smoke ? 1 : 512 / n;
    const uint32_t base_rounds = n >= 64 ? 1 : 64 / n;
    for (uint32_t i = 0; i < repeats + 1; i++) {
        giro_bench_must(giro_crypto_variant_set(variant), "the variant does not run");
        uint64_t begin_ns = cpu_now_ns();
        uint64_t done = verify(load, rounds);
        const double ours = (double)(cpu_now_ns() - begin_ns) / (double)done;
        giro_bench_must(giro_crypto_variant_set(GIRO_VARIANT_LIBSODIUM), "libsodium does not run");
        load->n = n < 64 ? n : 64;
        begin_ns = cpu_now_ns();
        done = verify(load, base_rounds);
        const double base = (double)(cpu_now_ns() - begin_ns) / (double)done;
        load->n = n;
        if (i == 0)
            continue; /* warm-up */
        ours_ns[i - 1] = ours;
        base_ns[i - 1] = base;
    }
    const double median_ns = giro_bench_quantile(ours_ns, repeats, 500);
    const struct giro_bench_row row = {.metric = "verify a signature",
                                       .unit = "ns",
                                       .parameters = parameters,
                                       .median = median_ns,
                                       .p99 = giro_bench_quantile(ours_ns, repeats, 990),
                                       .against = "libsodium, one by one",
                                       .ratio =
                                           giro_bench_quantile(base_ns, repeats, 500) / median_ns};
    giro_bench_row(bench, &row);
}

static void measure_variants(struct giro_bench *bench, struct load *load, uint32_t n,
                             uint32_t message_bytes, uint32_t keys, uint32_t width)
{
    for (int v = GIRO_VARIANT_PORTABLE; v < GIRO_VARIANT_COUNT; v++) {
        if (!giro_crypto_variant_there((enum giro_crypto_variant)v))
            continue;
        const char *name = giro_crypto_variant_name((enum giro_crypto_variant)v);
        char parameters[160];
        snprintf(
            parameters, sizeof(parameters),
            "\"variant\": \"%s\", \"n\": %u, \"message_bytes\": %u, \"keys\": %u, \"width\": %u",
            name, n, message_bytes, keys, width);
        measure(bench, load, (enum giro_crypto_variant)v, n, parameters);
    }
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
    giro_bench_open(&bench, "crypto", "Verifies signatures in batches by each variant.", argc,
                    argv);
    giro_bench_must(giro_crypto_init() == GIRO_ERR_OK, "libsodium cannot be used");
    const uint32_t keys = bench.smoke ? 32 : KEYS;
    for (uint32_t i = 0; i < keys; i++) {
        uint8_t seed[32] = {(uint8_t)i, (uint8_t)(i >> 8), 1};
        secrets[i] = giro_key_from_seed(seed);
        giro_bench_must(secrets[i] != NULL, "no secret key");
    }
    for (size_t l = 0; l < sizeof(loads) / sizeof(loads[0]); l++) {
        if (bench.smoke && loads[l].keys > keys)
            continue;
        static struct load load;
        load_open(&load, loads[l].keys, loads[l].width, loads[l].message_bytes);
        for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
            const uint32_t n = sizes[s];
            if ((!loads[l].every_size && n != 64 && n != 1024) ||
                (bench.smoke && n != 8 && n != 64))
                continue;
            measure_variants(&bench, &load, n, loads[l].message_bytes, loads[l].keys,
                             loads[l].width);
        }
    }
    for (uint32_t i = 0; i < keys; i++)
        giro_key_free(secrets[i]);
    return giro_bench_close(&bench);
}
