/* Many SHA-256 hashes at once against OpenSSL's, one at a time: every kernel, lane, count and length. */
#include <stdlib.h>

#include <criterion/criterion.h>

#include "common/crypto/sha256_many.h"
#include "crypto_support.h"

#define INPUTS_MAX 70u
#define BYTES_MAX  4096u

TestSuite(crypto_sha256_many, .init = crypto_suite_open, .fini = crypto_suite_close);

static uint8_t bytes[BYTES_MAX + INPUTS_MAX * GIRO_SHA256_BLOCK];

static struct giro_prng filled(void)
{
    struct giro_prng prng;
    giro_prng_init(&prng, crypto_seed());
    giro_prng_fill(&prng, bytes, sizeof(bytes));
    return prng;
}

struct kernel {
    const char *name;
    giro_sha256_run_fn *run;
    giro_sha256_records_fn *records;
};

static uint32_t kernels_there(struct kernel kernels[3])
{
    uint32_t count = 0;
    kernels[count++] =
        (struct kernel){"openssl", giro_sha256_run_portable, giro_sha256_records_portable};
#if defined(__x86_64__)
    if (giro_sha256_ni_there())
        kernels[count++] = (struct kernel){"sha_ni", giro_sha256_run_ni, giro_sha256_records_ni};
    if (giro_crypto_variant_there(GIRO_VARIANT_AVX2))
        kernels[count++] = (struct kernel){"avx2", giro_sha256_run_avx2, giro_sha256_records_avx2};
#endif
    return count;
}

Test(crypto_sha256_many, every_kernel_hashes_every_number_of_records)
{
    filled();
    struct kernel kernels[3];
    const uint32_t kernel_count = kernels_there(kernels);
    for (uint32_t k = 0; k < kernel_count; k++) {
        for (uint32_t count = 0; count <= 35; count++) {
            const uint8_t *inputs[35];
            struct giro_hash out[36] = {0};
            for (uint32_t i = 0; i < count; i++)
                inputs[i] = bytes + 67 * (size_t)i; /* unaligned, too */
            kernels[k].records(inputs, count, out);
            for (uint32_t i = 0; i < count; i++) {
                const struct giro_hash one = giro_sha256(inputs[i], GIRO_SHA256_BLOCK);
                cr_assert(giro_hash_equal(&out[i], &one), "%s, record %u of %u", kernels[k].name, i,
                          count);
            }
            cr_assert(giro_hash_is_zero(&out[count]), "%s writes no more than %u", kernels[k].name,
                      count);
        }
    }
}

/* Jobs of uneven lengths, some of none, so that lanes end at different times and are taken again. */
Test(crypto_sha256_many, every_kernel_compresses_jobs_of_uneven_lengths)
{
    struct giro_prng prng = filled();
    struct kernel kernels[3];
    const uint32_t kernel_count = kernels_there(kernels);
    for (uint32_t round = 0; round < 200; round++) {
        const uint32_t count = (uint32_t)giro_prng_below(&prng, 40);
        uint64_t blocks[40];
        uint32_t expected[40][8];
        for (uint32_t i = 0; i < count; i++)
            blocks[i] = giro_prng_below(&prng, round % 3 == 0 ? 2 : 30);
        for (uint32_t k = 0; k < kernel_count; k++) {
            uint32_t states[40][8];
            struct giro_sha256_job jobs[40];
            for (uint32_t i = 0; i < count; i++) {
                memcpy(states[i], giro_sha256_start, sizeof(states[i]));
                states[i][0] += i;
                jobs[i] = (struct giro_sha256_job){states[i], bytes + 61 * (size_t)i, blocks[i]};
            }
            kernels[k].run(jobs, count);
            if (k == 0)
                memcpy(expected, states, sizeof(states));
            for (uint32_t i = 0; i < count; i++)
                cr_assert(memcmp(expected[i], states[i], sizeof(states[i])) == 0,
                          "%s, round %u, job %u of %u with %lu blocks", kernels[k].name, round, i,
                          count, blocks[i]);
        }
    }
}

static void check_many(const struct giro_part *inputs, uint32_t count, const char *variant)
{
    struct giro_hash out[INPUTS_MAX];
    giro_sha256_many(inputs, count, out);
    for (uint32_t i = 0; i < count; i++) {
        const struct giro_hash one = giro_sha256(inputs[i].bytes, inputs[i].size_bytes);
        cr_assert(giro_hash_equal(&out[i], &one), "%s, input %u of %u, %zu bytes", variant, i,
                  count, inputs[i].size_bytes);
    }
}

static void many_of_all_lengths(void *context, const char *variant)
{
    struct giro_prng *prng = context;
    struct giro_part inputs[INPUTS_MAX];
    for (uint32_t size = 0; size <= 200; size++) {
        const uint32_t count = size % (INPUTS_MAX + 1);
        for (uint32_t i = 0; i < count; i++)
            inputs[i] = (struct giro_part){bytes + i, size};
        check_many(inputs, count, variant);
    }
    for (uint32_t round = 0; round < 100; round++) {
        const uint32_t count = (uint32_t)giro_prng_below(prng, INPUTS_MAX + 1);
        for (uint32_t i = 0; i < count; i++)
            inputs[i] = (struct giro_part){
                bytes + i, giro_prng_below(prng, 3) == 0 ? 64 : giro_prng_below(prng, BYTES_MAX)};
        check_many(inputs, count, variant);
    }
}

Test(crypto_sha256_many, every_variant_hashes_inputs_of_all_lengths)
{
    struct giro_prng prng = filled();
    crypto_each_variant(many_of_all_lengths, &prng);
}

static void streams_in_pieces(void *context, const char *variant)
{
    struct giro_prng *prng = context;
    for (uint32_t round = 0; round < 60; round++) {
        const uint32_t count = (uint32_t)giro_prng_below(prng, INPUTS_MAX + 1);
        static struct giro_sha256_state states[INPUTS_MAX];
        struct giro_sha256_state *order[INPUTS_MAX];
        size_t taken[INPUTS_MAX] = {0};
        for (uint32_t i = 0; i < count; i++) {
            giro_sha256_begin(&states[i]);
            order[i] = &states[i];
        }
        for (uint32_t step = 0; step < 6; step++) {
            struct giro_part parts[INPUTS_MAX];
            for (uint32_t i = 0; i < count; i++) {
                parts[i] = (struct giro_part){bytes + i + taken[i],
                                              giro_prng_below(prng, step % 2 == 0 ? 100 : 600)};
                taken[i] += parts[i].size_bytes;
            }
            giro_sha256_update_many(order, parts, count);
            if (count > 0) { /* a stream may also be taken alone in between */
                giro_sha256_update(&states[0], bytes + taken[0], 13);
                taken[0] += 13;
            }
        }
        struct giro_hash out[INPUTS_MAX];
        giro_sha256_end_many(order, count, out);
        for (uint32_t i = 0; i < count; i++) {
            const struct giro_hash one = giro_sha256(bytes + i, taken[i]);
            cr_assert(giro_hash_equal(&out[i], &one), "%s, round %u, stream %u of %u, %zu bytes",
                      variant, round, i, count, taken[i]);
        }
    }
}

Test(crypto_sha256_many, every_variant_takes_streams_in_pieces)
{
    struct giro_prng prng = filled();
    crypto_each_variant(streams_in_pieces, &prng);
}
